//! How many parts of an object are worth reading at once from a host.
//!
//! More connections help as long as each brings throughput of its own. The count grows
//! while throughput grows, and is halved when the server asks to slow down or stalls: the
//! additive increase and multiplicative decrease of congestion control (Chiu and Jain,
//! 1989), with the steps made larger at first, as a download is short.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// The pace of one host, shared by all operations of a client.
#[derive(Debug)]
pub(crate) struct Pace {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    at_once: usize,
    /// Bytes a second with the count before the last step; none before the first reading.
    before: Option<f64>,
    settled: bool,
    /// Nothing grows before this.
    hold_until: Option<Instant>,
}

const FIRST: usize = 4;
/// Growth that is worth another connection.
const WORTH: f64 = 1.15;
const PENALTY: Duration = Duration::from_secs(2);

impl Pace {
    pub(crate) fn new(most: usize) -> Self {
        let state = State {
            at_once: FIRST.min(most).max(1),
            before: None,
            settled: false,
            hold_until: None,
        };
        Self { most: most.max(1), state: Mutex::new(state) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many parts to read at once now.
    pub(crate) fn at_once(&self) -> usize {
        self.lock().at_once
    }

    /// A reading: so many bytes a second came while the present count was at work.
    pub(crate) fn measured(&self, rate: f64) {
        let mut state = self.lock();
        if state.hold_until.is_some_and(|until| until > Instant::now()) {
            return;
        }
        match state.before {
            _ if state.settled => {
                // Looks again when things have become much faster or slower.
                if state.before.is_some_and(|before| rate > 1.5 * before || rate < 0.5 * before) {
                    state.settled = false;
                    state.before = None;
                }
            }
            Some(before) if rate < WORTH * before => {
                // The last step brought nothing: it is taken back.
                state.at_once = (state.at_once * 2 / 3).max(1);
                state.before = Some(rate.max(before));
                state.settled = true;
            }
            _ if state.at_once >= self.most => {
                state.settled = true;
                state.before = Some(rate);
            }
            _ => {
                state.before = Some(rate);
                state.at_once = (state.at_once + state.at_once.div_ceil(2)).min(self.most);
            }
        }
    }

    /// The server asked to slow down, or stalled.
    pub(crate) fn slow_down(&self) {
        let mut state = self.lock();
        state.at_once = (state.at_once / 2).max(1);
        state.before = None;
        state.settled = false;
        state.hold_until = Some(Instant::now() + PENALTY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_that_helps_and_then_stays() {
        let pace = Pace::new(64);
        assert_eq!(pace.at_once(), 4);
        for rate in [100.0, 150.0, 225.0] {
            pace.measured(rate);
        }
        assert_eq!(pace.at_once(), 14);
        pace.measured(230.0);
        let settled = pace.at_once();
        assert_eq!(settled, 9);
        pace.measured(240.0);
        assert_eq!(pace.at_once(), settled);
        // Twice as fast: there may be more.
        pace.measured(900.0);
        pace.measured(900.0);
        assert!(pace.at_once() > settled);
    }

    #[test]
    fn it_halves_on_request_and_does_not_grow_at_once() {
        let pace = Pace::new(64);
        pace.slow_down();
        assert_eq!(pace.at_once(), 2);
        pace.measured(1e9);
        assert_eq!(pace.at_once(), 2);
        pace.slow_down();
        pace.slow_down();
        assert_eq!(pace.at_once(), 1);
    }

    #[test]
    fn it_keeps_to_the_most() {
        let pace = Pace::new(2);
        assert_eq!(pace.at_once(), 2);
        pace.measured(1.0);
        assert_eq!(pace.at_once(), 2);
    }
}
