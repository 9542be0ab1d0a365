//! Who comes first: reads that reserve memory in the order in which they were asked for.
//!
//! Results that are wanted in order must also be reserved in order. Otherwise the later
//! ones could hold all the memory that the first one waits for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// An order of reads.
pub(crate) struct Turnstile {
    next: watch::Sender<usize>,
    passed: Mutex<BTreeSet<usize>>,
}

/// The place of one read. Dropping it lets the next one come.
pub(crate) struct Turn {
    turnstile: Arc<Turnstile>,
    place: usize,
}

impl Turnstile {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { next: watch::Sender::new(0), passed: Mutex::default() })
    }

    pub(crate) fn turn(self: &Arc<Self>, place: usize) -> Turn {
        Turn { turnstile: Arc::clone(self), place }
    }
}

impl Turn {
    /// Waits until all before it have passed.
    pub(crate) async fn come(&self) {
        let mut next = self.turnstile.next.subscribe();
        // The sender is alive: this turn holds it.
        let _ = next.wait_for(|next| *next >= self.place).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut passed = self.turnstile.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.insert(self.place);
        self.turnstile.next.send_if_modified(|next| {
            let before = *next;
            while passed.remove(next) {
                *next += 1;
            }
            *next != before
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn each_comes_after_all_before_it() {
        let turnstile = Turnstile::new();
        let [first, second, third] = [0, 1, 2].map(|place| turnstile.turn(place));
        assert!(first.come().now_or_never().is_some());
        assert!(second.come().now_or_never().is_none());
        drop(second);
        assert!(third.come().now_or_never().is_none());
        drop(first);
        assert!(third.come().now_or_never().is_some());
    }
}
