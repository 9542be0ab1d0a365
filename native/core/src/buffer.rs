//! Buffers and the process-wide account of them.
//!
//! An allocation has two phases. While a [`Draft`] it has one owner, who fills it. Then
//! it becomes a [`Buffer`], shared by the engine that maps it and by operations that send
//! its bytes; the last one frees it. The account follows both, so that `memory()` tells
//! at any time what Rust holds for whom.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use dipper_wire::{Allocation, Landing, SharedAllocation, Slot, pool};

use crate::{Budget, Error, Ticket, default_budget};

/// What the process holds.
#[derive(Debug)]
pub struct Ledger {
    bytes: AtomicU64,
    buffers: AtomicU64,
    adopted: AtomicU64,
    adopted_bytes: AtomicU64,
    adopted_since_collection: AtomicU64,
    operations: AtomicU64,
    budget: Arc<Budget>,
    since: Instant,
    /// When somebody last looked for garbage, in milliseconds since `since`.
    looked: AtomicU64,
}

/// Milliseconds.
const LOOK_AGAIN: u64 = 50;

/// A reading of the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryReport {
    /// Bytes of all allocations: in flight, in buffers, and adopted.
    pub bytes: u64,
    /// Buffers that are neither disposed nor adopted.
    pub buffers: u64,
    /// Adopted array buffers that JavaScript still holds.
    pub adopted: u64,
    /// Operations that have not ended.
    pub operations: u64,
    /// Bytes kept for reuse.
    pub pooled: u64,
    /// Bytes that may be in flight or in buffers at once.
    pub budget: u64,
}

/// Memory that nobody wanted for so long goes back to the system.
const LONGEST_IDLE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Gives idle memory back, from a task that lives as long as there is any, or may come to be.
fn watch_idle_memory() {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    if WATCHED.swap(true, Ordering::SeqCst) {
        return;
    }
    runtime.spawn(async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let left = pool().release_idle(LONGEST_IDLE);
            if left == 0 && ledger().bytes.load(Ordering::SeqCst) == 0 {
                WATCHED.store(false, Ordering::SeqCst);
                return;
            }
        }
    });
}

/// One part in so many of the budget may be kept for reuse.
const POOLED_SHARE: u64 = 8;

/// The account of this process.
pub fn ledger() -> &'static Ledger {
    static LEDGER: OnceLock<Ledger> = OnceLock::new();
    LEDGER.get_or_init(|| {
        let budget = default_budget();
        // What is kept for reuse is on top of the budget, so it is a small share of it.
        pool().set_limit(usize::try_from(budget / POOLED_SHARE).unwrap_or(usize::MAX));
        Ledger {
            bytes: AtomicU64::new(0),
            buffers: AtomicU64::new(0),
            adopted: AtomicU64::new(0),
            adopted_bytes: AtomicU64::new(0),
            adopted_since_collection: AtomicU64::new(0),
            operations: AtomicU64::new(0),
            budget: Budget::new(budget),
            since: Instant::now(),
            looked: AtomicU64::new(0),
        }
    })
}

impl Ledger {
    /// What is held now.
    #[must_use]
    pub fn report(&self) -> MemoryReport {
        MemoryReport {
            bytes: self.bytes.load(Ordering::SeqCst),
            buffers: self.buffers.load(Ordering::SeqCst),
            adopted: self.adopted.load(Ordering::SeqCst),
            operations: self.operations.load(Ordering::SeqCst),
            pooled: pool().bytes() as u64,
            budget: self.budget.limit(),
        }
    }

    /// Whether the engine should look for array buffers that nobody uses, before `wanted`
    /// bytes more are allocated: much was adopted since it was last asked, or the budget
    /// is short. Answering yes starts the count anew.
    pub(crate) fn collection_is_due(&self, wanted: u64, every: u64) -> bool {
        let since = self.adopted_since_collection.load(Ordering::SeqCst);
        let garbage_possible = self.adopted_bytes.load(Ordering::SeqCst) > 0;
        let much = garbage_possible && since.saturating_add(wanted) > every && since > 0;
        let short = self.budget.used().saturating_add(wanted) > self.budget.limit();
        if much {
            self.adopted_since_collection.store(0, Ordering::SeqCst);
        }
        much || short
    }

    /// Whether nobody has made the engine look for garbage a moment ago: looking stops
    /// JavaScript for some milliseconds, and may be asked for by thousands at once.
    pub(crate) fn may_look_for_garbage(&self) -> bool {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.looked.load(Ordering::SeqCst);
        now.saturating_sub(last) >= LOOK_AGAIN
            && self.looked.compare_exchange(last, now, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// The budget of the process.
    #[must_use]
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Counts an operation for as long as the guard lives.
    pub fn operation(&'static self) -> OperationGuard {
        self.operations.fetch_add(1, Ordering::SeqCst);
        OperationGuard(self)
    }
}

/// Counts one operation.
#[derive(Debug)]
pub struct OperationGuard(&'static Ledger);

impl Drop for OperationGuard {
    fn drop(&mut self) {
        self.0.operations.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An allocation that one owner fills.
#[derive(Debug)]
pub(crate) struct Draft {
    allocation: Allocation,
    account: Account,
}

#[derive(Debug)]
pub(crate) struct Account {
    bytes: u64,
    /// Given back before the memory is: whoever waits for it then allocates anew.
    tickets: Vec<Ticket>,
}

impl Account {
    pub(crate) fn open(bytes: usize, tickets: Vec<Ticket>) -> Self {
        let bytes = bytes as u64;
        ledger().bytes.fetch_add(bytes, Ordering::SeqCst);
        Self { bytes, tickets }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives back all but so many bytes.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        let freed = self.bytes.saturating_sub(bytes);
        self.bytes -= freed;
        ledger().bytes.fetch_sub(freed, Ordering::SeqCst);
        for ticket in &mut self.tickets {
            *ticket = ticket.split(bytes);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        ledger().bytes.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

impl Draft {
    pub(crate) fn zeroed(length: usize, tickets: Vec<Ticket>) -> Result<Self, Error> {
        let allocation = Allocation::zeroed(length)?;
        Ok(Self { allocation, account: Account::open(length, tickets) })
    }

    /// Memory whose content nobody knows, for what is filled to its last byte before it is
    /// shown.
    pub(crate) fn recycled(length: usize, tickets: Vec<Ticket>) -> Result<Self, Error> {
        let allocation = Allocation::recycled(length)?;
        watch_idle_memory();
        Ok(Self { allocation, account: Account::open(length, tickets) })
    }

    /// What was written, and what may be anything.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.allocation.as_slice()
    }

    /// The memory, to be written.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.allocation.as_mut_slice()
    }

    /// Gives the memory out in one slot, to be cut and filled.
    pub(crate) fn land(self) -> (Landed, Slot) {
        let (landing, slot) = Landing::new(self.allocation);
        (Landed { landing, account: self.account }, slot)
    }

    pub(crate) fn finish(self) -> Arc<Buffer> {
        Buffer::of(self.allocation, self.account)
    }

    /// The buffer of the first `length` bytes; what lies behind them is never shown.
    pub(crate) fn finish_short(mut self, length: usize) -> Arc<Buffer> {
        self.allocation.shorten(length);
        self.finish()
    }
}

/// An allocation whose slots are out.
pub(crate) struct Landed {
    landing: Landing,
    account: Account,
}

impl Landed {
    /// The memory again, once every slot is filled and gone: its owner may go on writing it.
    pub(crate) fn draft(self) -> Result<Draft, Error> {
        let allocation = self.landing.finish();
        let allocation = allocation
            .ok_or_else(|| Error::internal("a part of an allocation is still being filled"))?;
        Ok(Draft { allocation, account: self.account })
    }

    /// The buffer, once every slot is filled and gone.
    pub(crate) fn finish(self) -> Result<Arc<Buffer>, Error> {
        let allocation = self.landing.finish();
        let allocation = allocation
            .ok_or_else(|| Error::internal("a part of a buffer is still being filled"))?;
        Ok(Buffer::of(allocation, self.account))
    }
}

const HELD: u8 = 0;
const ADOPTED: u8 = 1;

/// A filled allocation. Dropping the last reference frees it.
#[derive(Debug)]
pub struct Buffer {
    // First, so that the memory is gone before the account says so.
    memory: MemoryOf,
    account: Mutex<Account>,
    state: AtomicU8,
}

/// `SharedAllocation` without its content in debug output.
struct MemoryOf(SharedAllocation);

impl std::fmt::Debug for MemoryOf {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

impl Buffer {
    fn of(allocation: Allocation, account: Account) -> Arc<Self> {
        ledger().buffers.fetch_add(1, Ordering::SeqCst);
        Arc::new(Self {
            memory: MemoryOf(SharedAllocation::new(allocation)),
            account: Mutex::new(account),
            state: AtomicU8::new(HELD),
        })
    }

    /// A zeroed buffer for a caller that cannot wait for the budget.
    ///
    /// # Errors
    /// `BudgetExceeded` or `OutOfMemory`.
    pub fn zeroed(length: usize) -> Result<Arc<Self>, Error> {
        let ticket = ledger().budget().take(length as u64)?;
        Ok(Draft::zeroed(length, vec![ticket])?.finish())
    }

    /// Takes a vector without copying it.
    ///
    /// # Errors
    /// `BudgetExceeded`.
    pub fn from_vec(vector: Vec<u8>) -> Result<Arc<Self>, Error> {
        let ticket = ledger().budget().take(vector.len() as u64)?;
        let account = Account::open(vector.len(), vec![ticket]);
        Ok(Self::of(Allocation::from_vec(vector), account))
    }

    /// Takes what a decoder filled, where it lies, with what was reserved for it.
    #[must_use]
    pub fn from_owner(
        owner: impl AsRef<[u8]> + Send + Sync + 'static,
        tickets: Vec<Ticket>,
    ) -> Arc<Self> {
        let allocation = Allocation::from_owner(owner);
        let account = Account::open(allocation.len(), tickets);
        Self::of(allocation, account)
    }

    /// A part of a file, mapped privately. It costs the budget nothing until it is written
    /// to, which nobody can foresee.
    pub(crate) fn mapped(file: &File, start: u64, length: usize) -> io::Result<Arc<Self>> {
        let allocation = Allocation::from_file(file, start, length)?;
        Ok(Self::of(allocation, Account::open(length, Vec::new())))
    }

    /// The bytes, shared with whoever maps them.
    #[must_use]
    pub fn memory(&self) -> &SharedAllocation {
        &self.memory.0
    }

    /// Its memory, which nobody else holds, and what was reserved for it. It is no longer in the
    /// account: whoever takes it makes buffers of its parts.
    pub(crate) fn into_memory(self: Arc<Self>) -> (SharedAllocation, Vec<Ticket>) {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let tickets = std::mem::take(&mut account.tickets);
        drop(account);
        (self.memory().clone(), tickets)
    }

    /// From here on the engine's collector decides when it is freed. The budget gets its
    /// bytes back. Twice is harmless.
    pub fn adopt(&self) {
        if self.state.swap(ADOPTED, Ordering::SeqCst) == ADOPTED {
            return;
        }
        let ledger = ledger();
        ledger.buffers.fetch_sub(1, Ordering::SeqCst);
        ledger.adopted.fetch_add(1, Ordering::SeqCst);
        let bytes = self.memory().len() as u64;
        ledger.adopted_bytes.fetch_add(bytes, Ordering::SeqCst);
        ledger.adopted_since_collection.fetch_add(bytes, Ordering::SeqCst);
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        drop(std::mem::take(&mut account.tickets));
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let ledger = ledger();
        if *self.state.get_mut() == ADOPTED {
            ledger.adopted.fetch_sub(1, Ordering::SeqCst);
            ledger.adopted_bytes.fetch_sub(self.memory().len() as u64, Ordering::SeqCst);
        } else {
            ledger.buffers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// The bytes of a buffer, for as long as an operation needs them.
pub(crate) struct BufferBytes(pub(crate) Arc<Buffer>);

impl AsRef<[u8]> for BufferBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.memory().as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test, because the ledger belongs to the process.
    #[test]
    fn the_account_follows_every_state() {
        let before = ledger().report();
        let buffer = Buffer::zeroed(1000).unwrap();
        let held = ledger().report();
        assert_eq!((held.bytes, held.buffers), (before.bytes + 1000, before.buffers + 1));
        assert_eq!(ledger().budget().used(), 1000);
        buffer.adopt();
        buffer.adopt();
        let adopted = ledger().report();
        assert_eq!((adopted.buffers, adopted.adopted), (before.buffers, before.adopted + 1));
        assert_eq!(adopted.bytes, before.bytes + 1000);
        assert_eq!(ledger().budget().used(), 0);
        drop(buffer);
        assert_eq!(ledger().report(), before);

        let vector = vec![1, 2, 3];
        let address = vector.as_ptr();
        let taken = Buffer::from_vec(vector).unwrap();
        assert_eq!(taken.memory().address().cast_const(), address);
        drop(taken);
        assert_eq!(ledger().report(), before);
        assert!(Buffer::zeroed(usize::MAX / 4).is_err());
        assert_eq!(ledger().report(), before);
    }
}
