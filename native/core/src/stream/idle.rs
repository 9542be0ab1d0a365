//! Readers whom nobody asks for more, while others wait for memory.
//!
//! A stream holds its window as long as it is open. Two that are read by turns could so wait for
//! each other for ever. So one that is idle lets its parts go when memory is short, and asks for the
//! same version again, behind what it delivered, when somebody goes on with it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tracing::debug;

use super::{Driver, Incoming, Inner, Network, Reader, SLAB, Slabs};
use crate::Error;
use crate::buffer::Account;
use crate::gate::spawn_behind;
use crate::get::patiently;
use crate::metrics::Meter;
use crate::origin::Origin;

/// Who asked for nothing during this time is idle. Asking again costs more than the wait.
pub(crate) const IDLE: Duration = Duration::from_millis(150);

/// Looks after a reader, as long as there is one.
pub(super) async fn watch(reader: Weak<Mutex<Inner>>, origin: Origin) {
    let mut before = None;
    loop {
        origin.client().short_of_memory().await;
        tokio::time::sleep(IDLE).await;
        let Some(reader) = reader.upgrade() else { return };
        // Somebody reads.
        let Ok(mut inner) = reader.try_lock() else {
            before = None;
            continue;
        };
        let Inner::Network(network) = &mut *inner else { return };
        let delivered = Some(network.delivered);
        if before == delivered && origin.client().is_short_of_memory() {
            network.give_way();
        }
        before = delivered;
    }
}

impl Reader {
    /// Whether what was delivered can be asked for again.
    pub(crate) fn may_give_way(&self) -> bool {
        self.repeatable
    }

    /// Lets all go behind so many bytes, delivered or not. Whoever had it has let it go before.
    pub(crate) async fn give_way_from(&self, at: u64) {
        if let Inner::Network(network) = &mut *self.inner.lock().await {
            network.delivered = at;
            network.give_way();
        }
    }
}

impl Network {
    /// Lets all go that was not delivered.
    fn give_way(&mut self) {
        if !self.gave_way {
            let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(tasks) = background.as_mut() else { return };
            tasks.driver = JoinSet::new();
            self.gave_way = true;
        }
        (_, self.parts) = mpsc::channel(1);
        self.present = None;
        self.slab = None;
        let out = Arc::clone(&self.free.out);
        self.free = Arc::new(Slabs { out, ..Slabs::default() });
        // What was handed out and not given back is still there.
        let kept = (self.free.out.load(Ordering::SeqCst) * SLAB) as u64;
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let before: u64 = accounts.iter().map(Account::bytes).sum();
        let mut left = kept;
        for account in accounts.iter_mut() {
            account.shrink(left);
            left -= account.bytes();
        }
        accounts.retain(|account| account.bytes() > 0);
        let bytes = before.saturating_sub(kept);
        if bytes > 0 {
            debug!(target: "dipper::memory", bytes, "an idle reader gives memory back");
        }
    }

    /// Asks again for what is next, if it was let go. It comes when there is memory for it.
    pub(super) fn go_on(&mut self, meter: &Arc<Meter>) -> Result<(), Error> {
        if !self.gave_way {
            return Ok(());
        }
        let (sender, parts) = mpsc::channel(1);
        self.front = Arc::new(AtomicU64::new(self.delivered));
        let held: u64 = {
            let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            accounts.iter().map(Account::bytes).sum()
        };
        let needed = self.plan.window.min(self.length - self.delivered).saturating_sub(held);
        let (driver, accounts) = (self.driver(meter), Arc::clone(&self.accounts));
        let at = self.delivered;
        let run = async move {
            let reserved = Box::pin(driver.origin.client().reserve(needed));
            match patiently(reserved, needed).await {
                Ok(tickets) => {
                    let bytes = usize::try_from(needed).unwrap_or(usize::MAX);
                    let account = Account::open(bytes, tickets);
                    accounts.lock().unwrap_or_else(PoisonError::into_inner).push(account);
                    driver.run(None, at, sender).await;
                }
                Err(error) => {
                    let (failed, slabs) = mpsc::unbounded_channel();
                    let _ = failed.send(Err(error));
                    let _ = sender.send(Incoming { at, slabs, _place: None }).await;
                }
            }
        };
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = background.as_mut().ok_or_else(Error::cancelled)?;
        spawn_behind(self.gate.clone(), &mut tasks.driver, run);
        self.parts = parts;
        self.gave_way = false;
        Ok(())
    }

    /// What asks for its parts.
    pub(super) fn driver(&self, meter: &Arc<Meter>) -> Driver {
        Driver {
            origin: self.origin.clone(),
            if_match: self.if_match.clone(),
            plan: self.plan,
            meter: Arc::clone(meter),
            free: Arc::clone(&self.free),
            front: Arc::clone(&self.front),
        }
    }
}
