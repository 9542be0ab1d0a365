//! The way up: completions of operations, one queue an isolate.
//!
//! Rust threads push records and wake the isolate; the isolate drains all that is ready
//! with one plain call into memory of its own. A wake that is under way covers records
//! pushed meanwhile, so many completions cost one wake.
//!
//! Deno loses a wake now and then: its event loop looks for tasks first and registers to be
//! woken second, and a task that arrives in between waits for whatever wakes the loop next,
//! which took up to half a minute (Deno 2.9.6: a few times in a million). So a wake that no
//! drain answers is repeated, by a watch that lives only as long as one is outstanding.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dipper_core::Error;
use dipper_wire::{Handle, SlotTable};

use crate::declaration::kind;
use crate::export::stale;
use crate::log_records::Held;
use crate::runtime;

/// How long a wake may go unanswered before it is repeated, at first and at most: an
/// isolate that computes for long answers late, and should not find a heap of wakes.
const FIRST_PATIENCE: Duration = Duration::from_millis(2);
const LAST_PATIENCE: Duration = Duration::from_secs(1);

static QUEUES: SlotTable<Arc<Queue>> = SlotTable::new(kind::QUEUE);

/// What a record tells. Numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// The operation ended well.
    Done = 1,
    /// The operation failed; the payload is `ErrorDetails`.
    Failed = 2,
    /// The operation was cancelled.
    Cancelled = 3,
    /// How far an operation is: `value` of `extent` bytes.
    Progress = 4,
    /// A question; `operation` names it, the payload is `Question`.
    Ask = 5,
    /// One of several results: `index` says which, `value` is its buffer, `extent` its
    /// length. With a status it failed, and the payload is `ErrorDetails`.
    Item = 6,
    /// What happened: `operation` names the logger, the payload is a `LogRecordMessage`; none
    /// when that logger will be told no more.
    Log = 7,
    /// Stop was pressed in the notebook.
    Stop = 8,
}

/// The fixed part of a record. `ffi/symbols.ts` carries its offsets.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Record {
    /// The operation, or the question.
    pub operation: f64,
    /// A handle or a number, depending on the operation.
    pub value: f64,
    /// How many bytes it is about.
    pub extent: f64,
    /// One of [`Kind`].
    pub kind: u32,
    /// The status of an error.
    pub status: u32,
    /// How many bytes of payload follow, before padding to a multiple of eight.
    pub payload: u32,
    /// Which of several results it is.
    pub index: u32,
}

impl Record {
    /// The size of the fixed part.
    pub const SIZE: usize = size_of::<Self>();

    fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let mut put = |offset: usize, part: &[u8]| {
            for (to, from) in bytes.iter_mut().skip(offset).zip(part) {
                *to = *from;
            }
        };
        put(std::mem::offset_of!(Self, operation), &self.operation.to_ne_bytes());
        put(std::mem::offset_of!(Self, value), &self.value.to_ne_bytes());
        put(std::mem::offset_of!(Self, extent), &self.extent.to_ne_bytes());
        put(std::mem::offset_of!(Self, kind), &self.kind.to_ne_bytes());
        put(std::mem::offset_of!(Self, status), &self.status.to_ne_bytes());
        put(std::mem::offset_of!(Self, payload), &self.payload.to_ne_bytes());
        put(std::mem::offset_of!(Self, index), &self.index.to_ne_bytes());
        bytes
    }
}

/// A record and what follows it.
#[derive(Debug)]
pub struct Completion {
    pub record: Record,
    pub payload: Vec<u8>,
    /// Let go when the isolate has taken it.
    pub held: Option<Held>,
}

impl Completion {
    pub fn new(kind: Kind, operation: f64) -> Self {
        let record = Record {
            operation,
            value: 0.0,
            extent: 0.0,
            kind: kind as u32,
            status: 0,
            payload: 0,
            index: 0,
        };
        Self { record, payload: Vec::new(), held: None }
    }

    fn size(&self) -> usize {
        Record::SIZE + self.payload.len().next_multiple_of(8)
    }
}

/// Whatever wakes the isolate's event loop, from any thread.
pub trait Waker: Send + Sync {
    fn wake(&self);
}

/// The queue of one isolate.
pub struct Queue {
    handle: Handle,
    ready: Mutex<Ready>,
    /// `None` before the isolate listens and after it ended.
    waker: Mutex<Option<Arc<dyn Waker>>>,
    closed: AtomicBool,
    /// How often the isolate has drained.
    drains: AtomicU64,
    /// A watch over unanswered wakes is running.
    watched: AtomicBool,
}

#[derive(Default)]
struct Ready {
    completions: VecDeque<Completion>,
    /// A wake is under way: the isolate drains until it finds nothing, and what comes
    /// until then needs no wake of its own.
    woken: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the mutexes here guard is consistent between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    /// A queue for an isolate that has just loaded the library.
    pub fn open() -> Result<Arc<Self>, Error> {
        let mut opened = None;
        QUEUES.insert_with(|handle| {
            let queue = Arc::new(Self {
                handle,
                ready: Mutex::default(),
                waker: Mutex::default(),
                closed: AtomicBool::new(false),
                drains: AtomicU64::new(0),
                watched: AtomicBool::new(false),
            });
            opened = Some(Arc::clone(&queue));
            queue
        });
        opened.ok_or_else(|| Error::internal("more than 16 million isolates are alive"))
    }

    /// What names this queue.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// Says who wakes the isolate.
    pub fn listen(self: &Arc<Self>, waker: Arc<dyn Waker>) {
        *lock(&self.waker) = Some(waker);
        let waiting = lock(&self.ready).woken;
        if waiting {
            self.wake();
        }
    }

    /// Whether the isolate has ended or is about to, so that nobody will read what is pushed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Hands a completion up. Without effect once the isolate ended.
    pub fn push(self: &Arc<Self>, completion: Completion) {
        self.push_all([completion]);
    }

    /// Hands several up with one wake.
    pub fn push_all(self: &Arc<Self>, completions: impl IntoIterator<Item = Completion>) {
        if self.is_closed() {
            return;
        }
        let already_woken = {
            let mut ready = lock(&self.ready);
            ready.completions.extend(completions.into_iter().map(|mut completion| {
                let length = u32::try_from(completion.payload.len());
                completion.record.payload = length.unwrap_or(u32::MAX);
                completion
            }));
            std::mem::replace(&mut ready.woken, true)
        };
        if !already_woken {
            self.wake();
        }
    }

    fn wake(self: &Arc<Self>) {
        self.call_waker();
        if !self.watched.swap(true, Ordering::SeqCst) {
            let Ok(runtime) = runtime::handle() else { return };
            drop(runtime.spawn(Arc::clone(self).watch()));
        }
    }

    fn call_waker(&self) {
        // Held during the call, so that `close` waits for it.
        if let Some(waker) = &*lock(&self.waker) {
            waker.wake();
        }
    }

    /// Repeats a wake that is not answered. Ends when none is outstanding.
    async fn watch(self: Arc<Self>) {
        let mut patience = FIRST_PATIENCE;
        loop {
            let seen = self.drains.load(Ordering::SeqCst);
            tokio::time::sleep(patience).await;
            if self.is_closed() {
                return;
            }
            if !lock(&self.ready).woken {
                self.watched.store(false, Ordering::SeqCst);
                // A wake between the look and the store relied on this watch.
                if !lock(&self.ready).woken || self.watched.swap(true, Ordering::SeqCst) {
                    return;
                }
            } else if self.drains.load(Ordering::SeqCst) == seen {
                self.call_waker();
                patience = (patience * 2).min(LAST_PATIENCE);
            } else {
                patience = FIRST_PATIENCE;
            }
        }
    }

    /// The isolate ends: nothing reaches it any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        drop(QUEUES.remove(self.handle()));
        lock(&self.waker).take();
        lock(&self.ready).completions.clear();
    }
}

/// The queue of a handle.
pub fn of(handle: Handle) -> Result<Arc<Queue>, Error> {
    QUEUES.with(handle, |queue| Arc::clone(queue)).map_err(|_| stale("queue"))
}

/// The queues of all isolates, which are told nothing from here on: for the end of the program by
/// a signal. An isolate that heard that its upload was cancelled would end the program first, by an
/// error that nobody caught.
pub fn silence_every() -> Vec<Handle> {
    let mut handles = Vec::new();
    QUEUES.for_each(|queue| {
        queue.closed.store(true, Ordering::SeqCst);
        handles.push(queue.handle());
    });
    handles
}

pub fn drain(queue: Handle, room: &mut [u8]) -> Result<usize, Error> {
    let queue = of(queue)?;
    queue.drains.fetch_add(1, Ordering::SeqCst);
    let mut written = 0;
    let mut ready = lock(&queue.ready);
    while let Some(next) = ready.completions.front() {
        let end = written + next.size();
        let Some(place) = room.get_mut(written..end) else { break };
        let (head, tail) = place.split_at_mut(Record::SIZE);
        head.copy_from_slice(&next.record.to_bytes());
        let (payload, padding) = tail.split_at_mut(next.payload.len());
        payload.copy_from_slice(&next.payload);
        padding.fill(0);
        written = end;
        ready.completions.pop_front();
    }
    if written == 0 && ready.completions.is_empty() {
        // The isolate stops looking: what is pushed from here on wakes it again.
        ready.woken = false;
    }
    Ok(written)
}

pub fn next_record(queue: Handle) -> Result<usize, Error> {
    let queue = of(queue)?;
    let ready = lock(&queue.ready);
    Ok(ready.completions.front().map_or(0, Completion::size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    struct Count(AtomicUsize);
    impl Waker for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn many_pushes_share_wakes_and_come_out_in_order() {
        let queue = Queue::open().unwrap();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        queue.listen(Arc::<Count>::clone(&count));
        for number in 0..10 {
            let mut completion = Completion::new(Kind::Done, f64::from(number));
            completion.payload = vec![7; number as usize];
            queue.push(completion);
        }
        assert!(count.0.load(Ordering::SeqCst) < 10);

        let mut room = vec![0_u8; 150];
        let mut seen = Vec::new();
        loop {
            let written = drain(queue.handle(), &mut room).unwrap();
            if written == 0 {
                break;
            }
            let mut at = 0;
            while at < written {
                let operation = f64::from_ne_bytes(room[at..at + 8].try_into().unwrap());
                let length = u32::from_ne_bytes(room[at + 32..at + 36].try_into().unwrap());
                seen.push((operation as u32, length));
                at += Record::SIZE + (length as usize).next_multiple_of(8);
            }
        }
        let before = count.0.load(Ordering::SeqCst);
        queue.push(Completion::new(Kind::Done, 10.0));
        assert!(count.0.load(Ordering::SeqCst) > before, "a drained queue wakes again");
        assert_eq!(seen, (0..10).map(|number| (number, number)).collect::<Vec<_>>());
        assert_eq!(drain(queue.handle(), &mut room).unwrap(), Record::SIZE);
        assert_eq!(next_record(queue.handle()).unwrap(), 0);
        queue.close();
    }

    #[test]
    fn a_wake_that_is_lost_is_repeated() {
        let queue = Queue::open().unwrap();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        queue.listen(Arc::<Count>::clone(&count));
        queue.push(Completion::new(Kind::Done, 1.0));
        // Nobody drains, as if the wake had been lost.
        let patience = std::time::Instant::now() + Duration::from_secs(10);
        while count.0.load(Ordering::SeqCst) < 3 && std::time::Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(count.0.load(Ordering::SeqCst) >= 3);
        queue.close();
    }

    #[test]
    fn a_record_larger_than_the_room_stays_and_says_its_size() {
        let queue = Queue::open().unwrap();
        let mut completion = Completion::new(Kind::Done, 1.0);
        completion.payload = vec![1; 1001];
        queue.push(completion);
        assert_eq!(drain(queue.handle(), &mut [0; 100]).unwrap(), 0);
        let needed = next_record(queue.handle()).unwrap();
        assert_eq!(needed, Record::SIZE + 1008);
        assert_eq!(drain(queue.handle(), &mut vec![0; needed]).unwrap(), needed);
        queue.close();
    }

    #[test]
    fn a_closed_queue_swallows_what_comes() {
        let queue = Queue::open().unwrap();
        let handle = queue.handle();
        queue.close();
        queue.push(Completion::new(Kind::Done, 1.0));
        assert!(lock(&queue.ready).completions.is_empty());
        assert!(drain(handle, &mut [0; 64]).is_err());
    }
}
