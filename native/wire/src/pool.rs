//! Recycled memory.
//!
//! Pages that the kernel has just given cost more than the copy into them: each is zeroed
//! and mapped by a fault. So memory that was filled once is kept for the next result of
//! about the same size, within a limit, and goes back to the system when nobody wants it
//! for a while. The pool starts with a limit of zero, so it keeps nothing until whoever
//! knows the memory budget sets another.
//!
//! A slab belongs to the pool or to one allocation, never to both, because it is moved
//! between them. There is no `unsafe` here.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use memmap2::MmapMut;

use crate::blocks::{Blocks, blocks};
use crate::huge_pages::{HugePages, bring};

/// Capacities are multiples of this, so that sizes that nearly agree share slabs. What is
/// not touched of it costs no memory.
const GRAIN: usize = 64 * 1024;

/// How much larger than asked a slab may be, at most; small results get at most double.
const SLACK: usize = 1 << 20;

static POOL: Pool = Pool::new(Some(blocks()));

/// The pool of this process.
#[must_use]
pub fn pool() -> &'static Pool {
    &POOL
}

/// Memory of finished results, kept for reuse. All methods may be called on any thread.
pub struct Pool {
    shelf: Mutex<Shelf>,
    /// Those of small results; a test's own pool has none.
    blocks: Option<&'static Blocks>,
}

struct Shelf {
    limit: usize,
    bytes: usize,
    /// Counts what was given, so that a larger number is younger.
    given: u64,
    by_age: BTreeMap<u64, Kept>,
    /// Of equal capacities the youngest first: it is the likeliest to be in a cache, and
    /// the others grow old enough to go.
    by_size: BTreeSet<(usize, Reverse<u64>)>,
}

struct Kept {
    map: MmapMut,
    since: Instant,
}

impl Shelf {
    fn remove(&mut self, number: u64) -> Option<MmapMut> {
        let kept = self.by_age.remove(&number)?;
        let capacity = kept.map.len();
        self.by_size.remove(&(capacity, Reverse(number)));
        self.bytes -= capacity;
        Some(kept.map)
    }

    fn remove_oldest(&mut self) -> Option<MmapMut> {
        let number = *self.by_age.first_key_value()?.0;
        self.remove(number)
    }

    fn remove_beyond(&mut self, limit: usize) -> Vec<MmapMut> {
        let mut removed = Vec::new();
        while self.bytes > limit
            && let Some(map) = self.remove_oldest()
        {
            removed.push(map);
        }
        removed
    }
}

// Throughout: what is removed is dropped after the lock is let go, because unmapping a
// gigabyte takes a tenth of a second.
impl Pool {
    const fn new(blocks: Option<&'static Blocks>) -> Self {
        Self {
            blocks,
            shelf: Mutex::new(Shelf {
                limit: 0,
                bytes: 0,
                given: 0,
                by_age: BTreeMap::new(),
                by_size: BTreeSet::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        // No statement between lock and unlock can panic halfway through a change.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes it may keep. What is above that goes back to the system at once.
    pub fn set_limit(&self, bytes: usize) {
        if let Some(blocks) = self.blocks {
            blocks.set_limit(bytes);
        }
        let removed = {
            let mut shelf = self.lock();
            shelf.limit = bytes;
            shelf.remove_beyond(bytes)
        };
        drop(removed);
    }

    /// How many bytes it may keep.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.lock().limit
    }

    /// How many bytes it keeps.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes + self.blocks.map_or(0, Blocks::bytes)
    }

    /// Gives at least so many bytes back to the system now, or all it has; the oldest
    /// first. Answers how many it gave.
    pub fn drain(&self, bytes: usize) -> usize {
        let removed = {
            let mut shelf = self.lock();
            let keep = shelf.bytes.saturating_sub(bytes);
            shelf.remove_beyond(keep)
        };
        let removed: usize = removed.iter().map(|map| map.len()).sum();
        if removed < bytes { removed + self.blocks.map_or(0, Blocks::drain) } else { removed }
    }

    /// Gives back what nobody wanted for so long. Answers how many bytes are left, so that
    /// a timer knows whether to come again.
    pub fn release_idle(&self, longer_than: Duration) -> usize {
        let mut removed = Vec::new();
        let mut shelf = self.lock();
        while let Some(oldest) = shelf.by_age.first_entry()
            && oldest.get().since.elapsed() >= longer_than
            && let Some(map) = shelf.remove_oldest()
        {
            removed.push(map);
        }
        let left = shelf.bytes;
        drop(shelf);
        drop(removed);
        // Small ones are too many to keep the time of each: they go when they have been left
        // alone since the last look.
        let Some(blocks) = self.blocks else { return left };
        if blocks.were_idle() {
            blocks.drain();
        }
        left + blocks.bytes()
    }

    fn take(&self, length: usize) -> Option<MmapMut> {
        let most = length.saturating_add(length.min(length / 4 + SLACK)).max(grained(length));
        let mut shelf = self.lock();
        let smallest = (length, Reverse(u64::MAX));
        let (capacity, Reverse(number)) = *shelf.by_size.range(smallest..).next()?;
        if capacity > most {
            return None;
        }
        shelf.remove(number)
    }

    fn give(&self, map: MmapMut) {
        let removed = {
            let mut shelf = self.lock();
            let capacity = map.len();
            if capacity > shelf.limit {
                vec![map]
            } else {
                shelf.given += 1;
                let number = shelf.given;
                shelf.bytes += capacity;
                shelf.by_size.insert((capacity, Reverse(number)));
                shelf.by_age.insert(number, Kept { map, since: Instant::now() });
                let limit = shelf.limit;
                shelf.remove_beyond(limit)
            }
        };
        drop(removed);
    }
}

/// A map that comes from the pool and goes back to it when it is dropped.
pub(crate) struct Slab {
    pool: &'static Pool,
    /// `None` only while it is dropped.
    map: Option<MmapMut>,
    /// Those that are fresh, so that their faults are to be watched.
    pages: HugePages,
    fresh: bool,
}

impl Slab {
    /// At least `length` bytes of unspecified content.
    pub(crate) fn take(length: usize) -> io::Result<Self> {
        Self::take_from(&POOL, length)
    }

    /// The same, all of which is there at once; except where huge pages may be cheaper still.
    pub(crate) fn take_to_fill(length: usize) -> io::Result<Self> {
        let slab = Self::take_from(&POOL, length)?;
        if slab.fresh
            && let Some(map) = &slab.map
        {
            bring(map, length);
        }
        Ok(slab)
    }

    fn take_from(pool: &'static Pool, length: usize) -> io::Result<Self> {
        Ok(match pool.take(length) {
            Some(map) => Self { pool, map: Some(map), pages: HugePages::none(), fresh: false },
            None => {
                let map = map_anonymous(pool, grained(length))?;
                let pages = HugePages::ask(&map);
                Self { pool, map: Some(map), pages, fresh: true }
            }
        })
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        self.map.as_deref_mut().unwrap_or_default()
    }

    /// See [`HugePages::enter`].
    pub(crate) fn enter(&self, room: &mut [u8], block: &mut usize) -> usize {
        match &self.map {
            Some(map) => self.pages.enter(map, room, block),
            None => room.len(),
        }
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        if let Some(map) = self.map.take() {
            self.pool.give(map);
        }
    }
}

/// Fresh zeroed memory from the system, which does not count what the pool keeps as free.
pub(crate) fn zeroed_map(length: usize) -> io::Result<MmapMut> {
    map_anonymous(&POOL, length)
}

fn map_anonymous(pool: &Pool, length: usize) -> io::Result<MmapMut> {
    MmapMut::map_anon(length).or_else(|refused| {
        if pool.drain(usize::MAX) == 0 { Err(refused) } else { MmapMut::map_anon(length) }
    })
}

/// Rounded up to the grain, where that is a number.
fn grained(length: usize) -> usize {
    length.checked_next_multiple_of(GRAIN).unwrap_or(length)
}

#[cfg(test)]
mod tests {
    // Each test has a pool of its own: they run beside each other.
    use super::*;

    const MIB: usize = 1 << 20;

    fn filled(pool: &'static Pool, length: usize, byte: u8) -> Slab {
        let mut slab = Slab::take_from(pool, length).unwrap();
        slab.as_mut_slice().fill(byte);
        slab
    }

    #[test]
    fn a_slab_of_about_the_size_is_used_again() {
        static POOL: Pool = Pool::new(None);
        let pool = &POOL;
        pool.set_limit(64 * MIB);
        let slab = filled(pool, 10 * MIB, 7);
        let address = slab.as_slice().as_ptr();
        drop(slab);
        assert_eq!(pool.bytes(), 10 * MIB);
        // Too small for one, far too large for the other.
        let larger = Slab::take_from(pool, 10 * MIB + 1).unwrap();
        let smaller = Slab::take_from(pool, 7 * MIB).unwrap();
        assert_eq!((larger.as_slice()[0], smaller.as_slice()[0]), (0, 0));
        let again = Slab::take_from(pool, 8 * MIB).unwrap();
        assert_eq!((again.as_slice().as_ptr(), again.as_slice()[0]), (address, 7));
    }

    #[test]
    fn a_small_result_never_takes_more_than_double() {
        static POOL: Pool = Pool::new(None);
        let pool = &POOL;
        pool.set_limit(64 * MIB);
        drop(filled(pool, MIB, 7));
        let fresh = Slab::take_from(pool, MIB / 2 - 1).unwrap();
        let double = Slab::take_from(pool, MIB / 2).unwrap();
        assert_eq!((fresh.as_slice()[0], double.as_slice()[0]), (0, 7));
    }

    #[test]
    fn the_limit_holds_and_the_oldest_go_first() {
        static POOL: Pool = Pool::new(None);
        let pool = &POOL;
        pool.set_limit(10 * MIB);
        let slabs: Vec<Slab> = (1..=3).map(|byte| filled(pool, 4 * MIB, byte)).collect();
        drop(slabs);
        assert_eq!(pool.bytes(), 8 * MIB);
        let young = Slab::take_from(pool, 4 * MIB).unwrap();
        let old = Slab::take_from(pool, 4 * MIB).unwrap();
        assert_eq!((young.as_slice()[0], old.as_slice()[0]), (3, 2));
        drop((young, old));
        drop(filled(pool, 11 * MIB, 4));
        assert_eq!(pool.bytes(), 8 * MIB, "what can never fit evicts nobody");
        assert_eq!(pool.drain(1), 4 * MIB);
        assert_eq!(pool.bytes(), 4 * MIB);
        pool.set_limit(0);
        assert_eq!((pool.bytes(), pool.limit()), (0, 0));
        drop(filled(pool, 4 * MIB, 5));
        assert_eq!(pool.bytes(), 0);
    }

    #[test]
    fn what_is_idle_goes_back_and_what_is_not_stays() {
        static POOL: Pool = Pool::new(None);
        let pool = &POOL;
        pool.set_limit(64 * MIB);
        drop(filled(pool, 2 * MIB, 1));
        std::thread::sleep(Duration::from_millis(60));
        drop(filled(pool, 3 * MIB, 2));
        assert_eq!(pool.release_idle(Duration::from_secs(60)), 5 * MIB);
        assert_eq!(pool.release_idle(Duration::from_millis(50)), 3 * MIB);
        assert_eq!(pool.release_idle(Duration::ZERO), 0);
    }

    #[test]
    fn threads_never_hold_the_same_slab() {
        static POOL: Pool = Pool::new(None);
        let pool = &POOL;
        pool.set_limit(16 * MIB);
        std::thread::scope(|scope| {
            for thread in 1..=4_u8 {
                scope.spawn(move || {
                    for round in 0..300 {
                        let length = (1 + (round + usize::from(thread)) % 4) * MIB / 4;
                        let mut slab = Slab::take_from(pool, length).unwrap();
                        let bytes = &mut slab.as_mut_slice()[..length];
                        bytes.fill(thread);
                        if round % 16 == 0 {
                            pool.drain(MIB);
                        }
                        assert!(slab.as_slice()[..length].iter().all(|byte| *byte == thread));
                    }
                });
            }
        });
        assert!(pool.bytes() <= 16 * MIB);
        let shelf = pool.lock();
        let sum: usize = shelf.by_age.values().map(|kept| kept.map.len()).sum();
        assert_eq!((sum, shelf.by_age.len()), (shelf.bytes, shelf.by_size.len()));
    }
}
