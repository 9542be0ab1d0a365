//! Work with files, away from the runtime's own threads.
//!
//! Many small pieces of work share a few threads: each takes what waits, one after the
//! other, until nothing does. To start a thread for each file would cost more than to write
//! it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::Error;

type Work = Box<dyn FnOnce() + Send>;

/// Work that waits for a thread.
pub(crate) struct WorkQueue {
    most: usize,
    inner: Mutex<Inner>,
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
        Arc::new(Self { most: cores.clamp(2, 4), inner: Mutex::default() })
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
    use std::sync::atomic::{AtomicUsize, Ordering};

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
        let queue = Arc::new(WorkQueue { most: 1, inner: Mutex::default() });
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
        let gave_up = tokio::time::timeout(std::time::Duration::from_millis(10), second).await;
        assert!(gave_up.is_err());
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        queue.run(|| Ok(())).await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 0);
    }
}
