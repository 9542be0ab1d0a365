//! Trying again: how often, and after what time.
//!
//! Waits are random up to a bound that doubles ("full jitter"), so that clients which failed
//! together do not come back together. A budget that all operations of a client share keeps
//! retries from multiplying the load of a server that is down: a retry takes from it, a
//! success gives back (the "retry quota" of the AWS SDKs' standard mode).

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tracing::warn;

use crate::{Error, Status};

/// What all operations of a client may spend on retries.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    left: AtomicI64,
}

const FULL: i64 = 500;
const PRICE: i64 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

impl RetryBudget {
    pub(crate) fn new() -> Self {
        Self { left: AtomicI64::new(FULL) }
    }

    fn take(&self) -> bool {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            (left >= PRICE).then_some(left - PRICE)
        });
        taken.is_ok()
    }

    fn give_back(&self, amount: i64) {
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some((left + amount).min(FULL))
        });
    }

    /// A request went well.
    pub(crate) fn succeeded(&self) {
        if self.left.load(Ordering::Relaxed) < FULL {
            self.give_back(1);
        }
    }
}

/// The retries of one request or part.
pub(crate) struct Retries<'a> {
    budget: &'a RetryBudget,
    left: u32,
    wait: Duration,
    spent: i64,
}

impl<'a> Retries<'a> {
    pub(crate) fn new(budget: &'a RetryBudget, most: u32) -> Self {
        Self { budget, left: most, wait: FIRST_WAIT, spent: 0 }
    }

    /// Waits before another try, or gives the error back when there is none.
    pub(crate) async fn after(&mut self, error: Error) -> Result<(), Error> {
        if !may_help(error.status) || self.left == 0 || !self.budget.take() {
            return Err(error);
        }
        self.spent += PRICE;
        self.left -= 1;
        let wait = self.wait.mul_f64(fastrand::f64());
        warn!(
            target: "dipper::retry",
            code = error.status.code(),
            status = error.http_status,
            request_id = error.request_id.as_deref(),
            error = %error,
            wait_ms = wait.as_secs_f64() * 1000.0,
            left = self.left,
            "trying again"
        );
        tokio::time::sleep(wait).await;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        Ok(())
    }

    /// Bytes came: what follows is another failure, not the same one.
    pub(crate) fn progressed(&mut self, most: u32) {
        self.left = most;
        self.wait = FIRST_WAIT;
        self.budget.give_back(std::mem::take(&mut self.spent));
    }
}

/// Whether the same request may succeed later, seen from one operation: a changed object is
/// another object, and bytes that fail their checksum are not asked for again in silence.
fn may_help(status: Status) -> bool {
    status.retryable()
        && !matches!(status, Status::ObjectChanged | Status::ChecksumMismatch | Status::OutOfMemory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn retries_end_and_are_paid_for() {
        let budget = RetryBudget::new();
        let failed = || Error::new(Status::ConnectionBroken, "broken");
        let mut retries = Retries::new(&budget, 2);
        assert!(retries.after(failed()).await.is_ok());
        assert!(retries.after(failed()).await.is_ok());
        assert!(retries.after(failed()).await.is_err());
        assert_eq!(budget.left.load(Ordering::Relaxed), FULL - 2 * PRICE);
        retries.progressed(2);
        assert_eq!(budget.left.load(Ordering::Relaxed), FULL);
        assert!(retries.after(Error::new(Status::NoSuchKey, "gone")).await.is_err());
        assert!(retries.after(Error::new(Status::ObjectChanged, "changed")).await.is_err());
    }

    #[tokio::test]
    async fn a_server_that_is_down_is_not_asked_for_ever() {
        let budget = RetryBudget::new();
        let tries = std::iter::from_fn(|| budget.take().then_some(())).count();
        assert_eq!(i64::try_from(tries), Ok(FULL / PRICE));
        let down = Error::new(Status::ServerFailure, "down");
        assert!(Retries::new(&budget, 3).after(down).await.is_err());
        budget.succeeded();
        assert_eq!(budget.left.load(Ordering::Relaxed), 1);
    }
}
