//! Work with files, away from the runtime's own threads where it may take long.
//!
//! Many small pieces of work share a few threads: each takes what waits, one after the
//! other, until nothing does. To start a thread for each file would cost more than to write
//! it.
//!
//! To wake another thread costs as much as a small file, so short work on a file system of
//! this machine is done where it comes up, as long as that is quick. One thread of the
//! runtime always stays with the sockets, whatever a disk does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::Error;

type Work = Box<dyn FnOnce() + Send>;

/// So long may short work take on the average.
const SHORT: Duration = Duration::from_millis(1);
/// Once it took so much longer altogether, it goes to the queue.
const PATIENCE: Duration = Duration::from_millis(20);

/// Work that waits for a thread.
pub(crate) struct WorkQueue {
    most: usize,
    inner: Mutex<Inner>,
    aside: Aside,
    /// How much longer short work took than it may, in microseconds.
    late: AtomicU64,
}

/// Threads of the runtime that are with files instead of sockets.
#[derive(Clone, Copy)]
struct Aside {
    most: usize,
    now: &'static AtomicUsize,
}

/// Those of the process.
static ASIDE: AtomicUsize = AtomicUsize::new(0);

/// One thread back, however the work ends.
struct Back(&'static AtomicUsize);

impl Drop for Back {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Work>,
    threads: usize,
}

/// One thread less, however it ends.
struct Leaving<'a>(&'a WorkQueue);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
    }
}

impl WorkQueue {
    pub(crate) fn new() -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
        Arc::new(Self {
            most: cores.clamp(2, 4),
            inner: Mutex::default(),
            aside: Aside { most: threads.saturating_sub(1), now: &ASIDE },
            late: AtomicU64::new(0),
        })
    }

    /// Does a piece of work that is short if its files are `near`: on this machine.
    ///
    /// # Errors
    /// What the work reports.
    pub(crate) async fn run_short<T: Send + 'static>(
        self: &Arc<Self>,
        near: bool,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let Some(_back) = self.step_aside(near) else { return self.run(work).await };
        let started = Instant::now();
        let done = work();
        self.took(started.elapsed());
        done
    }

    fn step_aside(&self, near: bool) -> Option<Back> {
        if !near || u128::from(self.late.load(Ordering::Relaxed)) > PATIENCE.as_micros() {
            return None;
        }
        let Aside { most, now } = self.aside;
        let one_more = |now| (now < most).then_some(now + 1);
        now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Back(now))
    }

    /// A thread that waits for a processor is late as well: a few times that is forgiven.
    fn took(&self, time: Duration) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let late = self.late.load(Ordering::Relaxed).saturating_add(micros(time));
        self.late.store(late.saturating_sub(micros(SHORT)), Ordering::Relaxed);
    }

    /// Does a piece of work. What nobody waits for any more is not begun.
    ///
    /// # Errors
    /// What the work reports.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (tell, told) = oneshot::channel();
        let work = move || {
            if !tell.is_closed() {
                let _ = tell.send(work());
            }
        };
        let starts = {
            let mut inner = self.lock();
            inner.waiting.push_back(Box::new(work));
            let starts = inner.threads < self.most;
            inner.threads += usize::from(starts);
            starts
        };
        if starts {
            let queue = Arc::clone(self);
            // The operation is over when nothing of it runs any more.
            let token = crate::gate::token();
            tokio::task::spawn_blocking(move || {
                queue.work_off();
                drop(token);
            });
        }
        told.await.map_err(|_| Error::internal("a piece of work with a file was lost"))?
    }

    fn work_off(&self) {
        let leaving = Leaving(self);
        loop {
            let next = {
                let mut inner = self.lock();
                let Some(next) = inner.waiting.pop_front() else {
                    // Under the lock: who adds work sees either this thread or none.
                    inner.threads -= 1;
                    std::mem::forget(leaving);
                    return;
                };
                next
            };
            next();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::ThreadId;

    fn queue(most: usize, aside: usize) -> Arc<WorkQueue> {
        Arc::new(WorkQueue {
            most,
            inner: Mutex::default(),
            aside: Aside { most: aside, now: Box::leak(Box::default()) },
            late: AtomicU64::new(0),
        })
    }

    /// Which thread does short work.
    async fn who(queue: &Arc<WorkQueue>, near: bool) -> ThreadId {
        queue.run_short(near, || Ok(std::thread::current().id())).await.unwrap()
    }

    #[tokio::test]
    async fn short_work_is_done_here_when_its_files_are_near() {
        let here = std::thread::current().id();
        let queue = queue(1, 1);
        assert_eq!(who(&queue, true).await, here);
        assert_ne!(who(&queue, false).await, here);
        let refused: Result<(), _> = queue.run_short(true, || Err(Error::cancelled())).await;
        assert!(refused.is_err());
        assert_eq!(queue.aside.now.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn one_thread_stays_with_the_sockets() {
        let here = std::thread::current().id();
        assert_ne!(who(&queue(1, 0), true).await, here);
        // A runtime of one thread has none to spare.
        assert_ne!(who(&WorkQueue::new(), true).await, here);
        let queue = queue(1, 1);
        let inner = Arc::clone(&queue);
        let within = move || Ok(inner.step_aside(true).is_none());
        assert!(queue.run_short(true, within).await.unwrap());
        assert_eq!(who(&queue, true).await, here);
    }

    #[tokio::test]
    async fn what_is_slow_goes_to_the_queue() {
        let here = std::thread::current().id();
        let queue = queue(1, 1);
        // Late once in a while is no matter.
        for _ in 0..50 {
            queue.took(Duration::from_millis(10));
            (0..20).for_each(|_| queue.took(Duration::ZERO));
        }
        assert_eq!(who(&queue, true).await, here);
        for _ in 0..4 {
            queue.took(Duration::from_millis(8));
        }
        assert_ne!(who(&queue, true).await, here);
    }

    #[tokio::test]
    async fn all_work_is_done_by_a_few_threads() {
        let queue = WorkQueue::new();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let works = (0..200).map(|number| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            queue.run(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(number)
            })
        });
        let done = futures::future::join_all(works).await;
        assert!(done.into_iter().enumerate().all(|(place, done)| done.unwrap() == place));
        assert!(most.load(Ordering::SeqCst) <= queue.most);
        assert_eq!(queue.lock().threads, 0);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_begun() {
        let queue = queue(1, 0);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.run(move || wait.recv().map_err(|_| Error::cancelled())).await }
        });
        while queue.lock().threads == 0 {
            tokio::task::yield_now().await;
        }
        let begun = Arc::new(AtomicUsize::new(0));
        let second = {
            let begun = Arc::clone(&begun);
            queue.run(move || Ok(begun.fetch_add(1, Ordering::SeqCst)))
        };
        let gave_up = tokio::time::timeout(Duration::from_millis(10), second).await;
        assert!(gave_up.is_err());
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        queue.run(|| Ok(())).await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 0);
    }
}
