//! The threads that help: they live as long as the process and sleep between calls, since a
//! thread that has to be made first costs more than half a megabyte of work.
//!
//! A call never waits for a helper that has not begun: what is not taken up when the caller is
//! done is withdrawn. So a short call beside a long one is as fast as alone on its thread.

#![allow(unsafe_code)]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::{hint, thread};

/// How often a caller looks whether the last helper is done before it sleeps, and for how long it
/// leaves the lock alone between two looks: some microseconds, less than being woken takes.
const LOOKS: usize = 40;
const BETWEEN: usize = 50;

/// What is to be done; the true lifetime is that of the call of [`with`].
type Work = &'static (dyn Fn() + Sync);

/// One call of [`with`].
struct Call {
    number: u64,
    work: Work,
    /// How many helpers may still come.
    wanted: usize,
    /// How many are inside `work`.
    inside: usize,
    panic: Option<Box<dyn Any + Send>>,
}

struct Crew {
    /// In the order in which they came.
    calls: Vec<Call>,
    /// How many calls there were.
    numbers: u64,
    /// How many helpers there are.
    threads: usize,
}

static CREW: Mutex<Crew> = Mutex::new(Crew { calls: Vec::new(), numbers: 0, threads: 0 });
/// There is a call to help with.
static CALLED: Condvar = Condvar::new();
/// A helper is done with a call.
static LEFT: Condvar = Condvar::new();

fn crew() -> MutexGuard<'static, Crew> {
    CREW.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crew {
    fn call(&mut self, number: u64) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.number == number)
    }
}

/// Runs `work` on this thread and, side by side, on up to `helpers` others. Returns when all of
/// them have returned; a panic of any goes on here. Once there are threads it allocates nothing.
pub(super) fn with(helpers: usize, work: &(dyn Fn() + Sync)) {
    if helpers == 0 {
        return work();
    }
    // SAFETY: only the lifetime changes. Helpers call `work` only while they are counted as inside
    // of a call, which they enter only while it is among the calls. `Entered` takes it from there
    // once nobody is inside, before this function returns or unwinds.
    let endless: Work = unsafe { std::mem::transmute::<&(dyn Fn() + Sync), Work>(work) };
    let entered = Entered::new(helpers, endless);
    work();
    drop(entered);
}

/// A call that is among the calls until this is dropped.
struct Entered(u64);

impl Entered {
    fn new(helpers: usize, work: Work) -> Self {
        let mut crew = crew();
        while crew.threads < helpers {
            // A system that gives no thread leaves more to the others.
            if thread::Builder::new().name("dipper-crew".into()).spawn(help).is_err() {
                break;
            }
            crew.threads += 1;
        }
        crew.numbers += 1;
        let number = crew.numbers;
        crew.calls.push(Call { number, work, wanted: helpers, inside: 0, panic: None });
        drop(crew);
        for _ in 0..helpers {
            CALLED.notify_one();
        }
        Self(number)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut looks = 0;
        let mut crew = crew();
        let panic = loop {
            let Some(at) = crew.calls.iter().position(|call| call.number == self.0) else { return };
            let Some(call) = crew.calls.get_mut(at) else { return };
            // Who has not begun need not come.
            call.wanted = 0;
            if call.inside == 0 {
                break crew.calls.remove(at).panic;
            }
            if looks == LOOKS {
                crew = LEFT.wait(crew).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            looks += 1;
            drop(crew);
            (0..BETWEEN).for_each(|_| hint::spin_loop());
            crew = self::crew();
        };
        drop(crew);
        if let Some(panic) = panic
            && !thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

/// What a helper does all its life.
fn help() {
    let mut crew = crew();
    loop {
        let Some(call) = crew.calls.iter_mut().find(|call| call.wanted > 0) else {
            crew = CALLED.wait(crew).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        call.wanted -= 1;
        call.inside += 1;
        let (number, work) = (call.number, call.work);
        drop(crew);
        let panic = catch_unwind(AssertUnwindSafe(work)).err();
        crew = self::crew();
        if let Some(call) = crew.call(number) {
            call.inside -= 1;
            call.panic = call.panic.take().or(panic);
        }
        LEFT.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn work_is_over_on_every_thread_when_it_returns() {
        for round in 0..3000 {
            let helpers = round % 4;
            let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
            with(helpers, &|| {
                begun.fetch_add(1, Ordering::Relaxed);
                if round % 3 == 0 {
                    thread::yield_now();
                }
                ended.fetch_add(1, Ordering::Relaxed);
            });
            let (begun, ended) = (begun.into_inner(), ended.into_inner());
            assert_eq!(begun, ended);
            assert!((1..=helpers + 1).contains(&begun), "{begun} with {helpers} helpers");
        }
    }

    #[test]
    fn helpers_come() {
        let caller = thread::current().id();
        let (tell, told) = mpsc::sync_channel(0);
        let told = Mutex::new(told);
        // The caller waits for somebody else.
        with(1, &|| {
            if thread::current().id() == caller {
                let told = told.lock().unwrap().recv_timeout(Duration::from_secs(60));
                assert_eq!(told, Ok(()));
            } else {
                tell.send(()).unwrap();
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_helper_lives_on() {
        let caller = thread::current().id();
        for _ in 0..20 {
            let (tell, told) = mpsc::channel();
            let told = Mutex::new(told);
            let panic = catch_unwind(AssertUnwindSafe(|| {
                with(1, &|| {
                    if thread::current().id() == caller {
                        told.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap();
                    } else {
                        tell.send(()).unwrap();
                        resume_unwind(Box::new("as it should"));
                    }
                });
            }));
            assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"as it should"));
        }
    }

    #[test]
    fn calls_side_by_side_do_not_wait_for_each_other() {
        let (go, gone) = mpsc::channel::<()>();
        let gone = Mutex::new(gone);
        let (entered, seen) = mpsc::channel();
        thread::scope(|scope| {
            // Holds a helper, and its own thread, until it is let go.
            let long = scope.spawn(|| {
                with(1, &|| {
                    entered.send(()).unwrap();
                    let _ = gone.lock().unwrap().recv();
                });
            });
            seen.recv_timeout(Duration::from_secs(60)).unwrap();
            seen.recv_timeout(Duration::from_secs(60)).unwrap();
            let done = AtomicUsize::new(0);
            with(1, &|| {
                done.fetch_add(1, Ordering::Relaxed);
            });
            assert!(done.into_inner() >= 1);
            drop(go);
            long.join().unwrap();
        });
    }
}
