//! How many bytes may be held at once.
//!
//! A ticket stands for bytes of the budget. Waiting is fair: who came first is served
//! first, so that a large request is not starved by small ones. What can never fit is
//! refused at once.

mod memory_limit;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, oneshot};
use tracing::info;

use crate::{Error, Status};

/// Bytes that may be held at once, by one client or by the process.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    inner: Mutex<Accounts>,
    /// Told whenever somebody begins to wait.
    short: Notify,
}

#[derive(Debug, Default)]
struct Accounts {
    used: u64,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    bytes: u64,
    ready: oneshot::Sender<Ticket>,
}

/// The right to hold some bytes; given back when dropped.
#[derive(Debug)]
pub struct Ticket {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, inner: Mutex::default(), short: Notify::new() })
    }

    /// How many bytes may be held.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How many bytes are held by tickets.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock().used
    }

    /// Whether somebody waits for some of it.
    pub(crate) fn is_short(&self) -> bool {
        self.lock().waiting.iter().any(|waiter| !waiter.ready.is_closed())
    }

    /// Waits until somebody waits for some of it: whoever holds what he can do without may then give
    /// it back.
    pub(crate) async fn short(&self) {
        loop {
            let mut told = std::pin::pin!(self.short.notified());
            told.as_mut().enable();
            if self.is_short() {
                return;
            }
            told.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        // Every change below is complete when the lock is let go.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what can never fit.
    ///
    /// # Errors
    /// `BudgetExceeded`.
    pub fn admit(&self, bytes: u64) -> Result<(), Error> {
        if bytes > self.limit { Err(self.too_large(bytes)) } else { Ok(()) }
    }

    fn too_large(&self, bytes: u64) -> Error {
        Error::new(
            Status::BudgetExceeded,
            format!("{bytes} bytes are more than the memory budget of {} bytes", self.limit),
        )
        .hint("read a part of it with slice(), or raise memoryBudget")
    }

    /// Takes a ticket now or not at all, for callers that cannot wait.
    ///
    /// # Errors
    /// `BudgetExceeded` when the bytes do not fit beside what is held.
    pub fn take(self: &Arc<Self>, bytes: u64) -> Result<Ticket, Error> {
        self.admit(bytes)?;
        let mut accounts = self.lock();
        if accounts.used + bytes > self.limit {
            return Err(Error::new(
                Status::BudgetExceeded,
                format!(
                    "{bytes} bytes do not fit: {} of the memory budget of {} bytes are held",
                    accounts.used, self.limit
                ),
            )
            .hint("dispose() buffers that are no longer needed, or raise memoryBudget"));
        }
        accounts.used += bytes;
        Ok(Ticket { budget: Arc::clone(self), bytes })
    }

    /// Takes a ticket now, unless that would be before somebody who waits for one.
    pub(crate) fn take_in_turn(self: &Arc<Self>, bytes: u64) -> Option<Ticket> {
        let mut accounts = self.lock();
        let fits = accounts.waiting.is_empty() && accounts.used.checked_add(bytes)? <= self.limit;
        accounts.used += if fits { bytes } else { 0 };
        fits.then(|| Ticket { budget: Arc::clone(self), bytes })
    }

    /// Takes a ticket, waiting for others to be given back.
    ///
    /// # Errors
    /// `BudgetExceeded` when the bytes can never fit.
    pub async fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Ticket, Error> {
        self.admit(bytes)?;
        let receive = {
            let mut accounts = self.lock();
            if accounts.waiting.is_empty() && accounts.used + bytes <= self.limit {
                accounts.used += bytes;
                return Ok(Ticket { budget: Arc::clone(self), bytes });
            }
            let (ready, receive) = oneshot::channel();
            accounts.waiting.push_back(Waiter { bytes, ready });
            receive
        };
        // A waiter that gives up may have held back smaller ones behind it.
        let _recheck = Recheck(Arc::clone(self));
        self.short.notify_waiters();
        let since = Instant::now();
        info!(
            target: "dipper::memory",
            bytes,
            used = self.used(),
            limit = self.limit,
            "waiting for memory"
        );
        let ticket = receive.await;
        let ms = since.elapsed().as_secs_f64() * 1000.0;
        info!(target: "dipper::memory", bytes, ms, "memory is there");
        ticket.map_err(|_| Error::internal("the memory budget forgot a waiting operation"))
    }

    fn release(self: &Arc<Self>, bytes: u64) {
        let mut refused = Vec::new();
        {
            let mut accounts = self.lock();
            accounts.used -= bytes;
            while let Some(first) = accounts.waiting.front() {
                if first.ready.is_closed() {
                    accounts.waiting.pop_front();
                    continue;
                }
                if accounts.used + first.bytes > self.limit {
                    break;
                }
                let Some(first) = accounts.waiting.pop_front() else { break };
                accounts.used += first.bytes;
                let ticket = Ticket { budget: Arc::clone(self), bytes: first.bytes };
                if let Err(unwanted) = first.ready.send(ticket) {
                    refused.push(unwanted);
                }
            }
        }
        // Dropped outside the lock: each comes back here.
        drop(refused);
    }
}

/// Serves who can be served, once its holder stops waiting.
struct Recheck(Arc<Budget>);

impl Drop for Recheck {
    fn drop(&mut self) {
        self.0.release(0);
    }
}

impl Ticket {
    /// A ticket of its own for some of the bytes, or for all that there are.
    #[must_use]
    pub fn split(&mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { budget: Arc::clone(&self.budget), bytes }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.budget.release(self.bytes);
    }
}

/// Half of what this process may use: of the smallest limit among its control groups where
/// there is one, else of the machine's memory.
#[must_use]
pub fn default_budget() -> u64 {
    memory_limit::usable_memory(Path::new("/")).unwrap_or(8 << 30) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn what_can_never_fit_is_refused_at_once() {
        let budget = Budget::new(10);
        assert_eq!(budget.reserve(11).await.unwrap_err().status, Status::BudgetExceeded);
        assert_eq!(budget.take(11).unwrap_err().status, Status::BudgetExceeded);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn waiting_is_fair_and_ends_with_the_ticket() {
        let budget = Budget::new(10);
        let first = budget.reserve(8).await.unwrap();
        let large = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.reserve(9).await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        // Small enough to fit, but the large one came first.
        let small = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.reserve(2).await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!small.is_finished() && !large.is_finished());
        drop(first);
        let large = large.await.unwrap();
        assert!(!small.is_finished());
        drop(large);
        drop(small.await.unwrap());
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn it_is_short_while_somebody_waits() {
        let budget = Budget::new(10);
        let first = budget.reserve(8).await.unwrap();
        let short = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.short().await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!short.is_finished() && !budget.is_short());
        let waits = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.reserve(9).await.unwrap() }
        });
        short.await.unwrap();
        assert!(budget.is_short());
        drop(first);
        drop(waits.await.unwrap());
        assert!(!budget.is_short());
    }

    #[tokio::test]
    async fn a_waiter_that_gave_up_holds_nobody_back() {
        let budget = Budget::new(10);
        let first = budget.reserve(10).await.unwrap();
        let given_up = tokio::time::timeout(Duration::from_millis(10), budget.reserve(10)).await;
        assert!(given_up.is_err());
        drop(first);
        assert_eq!(budget.used(), 0);

        let first = budget.reserve(8).await.unwrap();
        let blocked = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.reserve(9).await }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        let behind = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.reserve(2).await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        blocked.abort();
        drop(tokio::time::timeout(Duration::from_secs(5), behind).await.unwrap().unwrap());
        drop(first);

        drop(budget.reserve(10).await.unwrap());
        assert_eq!(budget.used(), 0);
    }
}
