//! Stop, as native loops see it.
//!
//! A synchronous call holds JavaScript's thread, so no listener of JavaScript's can end it.
//! Loops that take long look here instead: at a number that rises with each Stop. Whoever
//! hears Stop (a signal handler, only inside a notebook's kernel) calls [`request`], which does
//! nothing but one atomic addition. JavaScript tells with [`answer`] that it has dealt with
//! what was asked for so far.
//!
//! A [`Watch`] remembers what was answered when its call began. So a Stop that arrives while
//! JavaScript computes ends the next call, and one that JavaScript has dealt with ends none.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How often Stop was asked for.
static REQUESTS: AtomicU32 = AtomicU32::new(0);
/// The requests that were dealt with.
static ANSWERED: AtomicU32 = AtomicU32::new(0);

/// Asks every watch to stop. May be called from a signal handler.
pub fn request() {
    REQUESTS.fetch_add(1, Relaxed);
}

/// Whether a request was not dealt with yet.
#[must_use]
pub fn pending() -> bool {
    REQUESTS.load(Relaxed) != ANSWERED.load(Relaxed)
}

/// Tells that all requests so far were dealt with; returns whether there was one.
pub fn answer() -> bool {
    let requests = REQUESTS.load(Relaxed);
    ANSWERED.swap(requests, Relaxed) != requests
}

/// Tells a call whether to stop. Copies go to the threads that help it.
#[derive(Clone, Copy, Debug)]
pub struct Watch(Option<u32>);

impl Watch {
    /// A watch for a call that begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self(Some(ANSWERED.load(Relaxed)))
    }

    /// A watch for work that goes on whatever happens.
    #[must_use]
    pub fn never() -> Self {
        Self(None)
    }

    /// Whether the call is to stop. One load: look about once in a millisecond's work.
    #[must_use]
    pub fn stopped(self) -> bool {
        self.0.is_some_and(|answered| REQUESTS.load(Relaxed) != answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test: the counters belong to the process.
    #[test]
    fn a_request_stops_what_runs_and_what_comes_before_its_answer() {
        let (early, background) = (Watch::begin(), Watch::never());
        assert!(!early.stopped() && !pending());
        request();
        assert!(early.stopped() && Watch::begin().stopped() && pending());
        assert!(!background.stopped());
        assert!(answer());
        assert!(!answer());
        assert!(early.stopped(), "a call that began before is still to stop");
        assert!(!Watch::begin().stopped() && !pending());
    }
}
