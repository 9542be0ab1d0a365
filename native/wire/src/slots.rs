//! Handles: numbers that stand for things on the Rust side.
//!
//! A raw pointer that comes back from another language cannot be checked. A handle can:
//! it names a kind, a slot and the generation of its content. A stale, foreign, invented or
//! doubly released handle is an error, never a crash.
//!
//! A handle fits a JavaScript number exactly (below 2^53), so that it crosses the
//! boundary without a `BigInt`.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

const INDEX_BITS: u32 = 24;
const GENERATION_BITS: u32 = 25;
const KIND_BITS: u32 = 4;
const MOST_SLOTS: usize = 1 << INDEX_BITS;
const LAST_GENERATION: u32 = (1 << GENERATION_BITS) - 1;

/// The name of a slot's content: kind, index and generation. Zero is never a handle.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Handle {
    /// Which table it belongs to, so that a handle of another table is none of this one.
    kind: u8,
    index: u32,
    generation: u32,
}

impl Handle {
    /// The number that crosses the boundary.
    #[must_use]
    pub fn to_number(self) -> f64 {
        let high = (u64::from(self.kind) << GENERATION_BITS) | u64::from(self.generation);
        let bits = (high << INDEX_BITS) | u64::from(self.index);
        // At most 53 bits: exact.
        bits as f64
    }

    /// Reads a number from the other side. Whatever is not a positive whole number of at
    /// most 53 bits is no handle.
    #[must_use]
    pub fn from_number(number: f64) -> Option<Self> {
        let limit = (1_u64 << (INDEX_BITS + GENERATION_BITS + KIND_BITS)) as f64;
        if !(number >= 1.0 && number < limit && number.fract() == 0.0) {
            return None;
        }
        let bits = number as u64;
        let kind = (bits >> (INDEX_BITS + GENERATION_BITS)) as u8;
        let generation = (bits >> INDEX_BITS) as u32 & LAST_GENERATION;
        let index = (bits & (MOST_SLOTS as u64 - 1)) as u32;
        (generation != 0).then_some(Self { kind, index, generation })
    }
}

/// The handle names nothing: it was released, or never given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaleHandle;

impl fmt::Display for StaleHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the handle was released, or never given out")
    }
}

impl std::error::Error for StaleHandle {}

struct Slot<T> {
    generation: u32,
    content: Option<T>,
}

struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    used: usize,
}

/// A table of things that handles name. All methods may be called from any thread.
pub struct SlotTable<T> {
    kind: u8,
    inner: Mutex<Slots<T>>,
}

impl<T> SlotTable<T> {
    /// An empty table, whose handles carry `kind`: one of sixteen, each for one table.
    #[must_use]
    pub const fn new(kind: u8) -> Self {
        assert!(kind < 1 << KIND_BITS, "a handle has four bits for its kind");
        Self { kind, inner: Mutex::new(Slots { slots: Vec::new(), free: Vec::new(), used: 0 }) }
    }

    fn lock(&self) -> MutexGuard<'_, Slots<T>> {
        // The table is consistent between any two statements below, so a panic of
        // another holder leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a thing into the table. `None` when 16 million things are in it already.
    pub fn insert(&self, content: T) -> Option<Handle> {
        self.insert_with(|_| content)
    }

    /// Puts a thing into the table that wants to know its own handle. The table is locked
    /// while it is made: keep it short.
    pub fn insert_with(&self, make: impl FnOnce(Handle) -> T) -> Option<Handle> {
        let mut slots = self.lock();
        let index = match slots.free.pop() {
            Some(index) => index,
            None if slots.slots.len() < MOST_SLOTS => {
                slots.slots.push(Slot { generation: 1, content: None });
                (slots.slots.len() - 1) as u32
            }
            None => return None,
        };
        let slot = slots.slots.get_mut(index as usize)?;
        let handle = Handle { kind: self.kind, index, generation: slot.generation };
        slot.content = Some(make(handle));
        slots.used += 1;
        Some(handle)
    }

    /// Takes a thing out. A second call with the same handle is an error.
    ///
    /// # Errors
    /// [`StaleHandle`] when the handle names nothing.
    pub fn remove(&self, handle: Handle) -> Result<T, StaleHandle> {
        let mut slots = self.lock();
        let slot = slots.slots.get_mut(handle.index as usize).ok_or(StaleHandle)?;
        if handle.kind != self.kind || slot.generation != handle.generation {
            return Err(StaleHandle);
        }
        let content = slot.content.take().ok_or(StaleHandle)?;
        // A slot whose generations are used up is retired: a handle never means two things.
        let reusable = slot.generation < LAST_GENERATION;
        slot.generation += u32::from(reusable);
        if reusable {
            slots.free.push(handle.index);
        }
        slots.used -= 1;
        Ok(content)
    }

    /// Looks at a thing in place. The table is locked meanwhile: keep it short.
    ///
    /// # Errors
    /// [`StaleHandle`] when the handle names nothing.
    pub fn with<R>(
        &self,
        handle: Handle,
        look: impl FnOnce(&mut T) -> R,
    ) -> Result<R, StaleHandle> {
        let mut slots = self.lock();
        let slot = slots.slots.get_mut(handle.index as usize).ok_or(StaleHandle)?;
        if handle.kind != self.kind || slot.generation != handle.generation {
            return Err(StaleHandle);
        }
        slot.content.as_mut().map(look).ok_or(StaleHandle)
    }

    /// Takes out all that `belongs` says, for instance what a dead isolate leaves behind.
    pub fn remove_where(&self, mut belongs: impl FnMut(&T) -> bool) -> Vec<T> {
        let handles: Vec<Handle> = {
            let slots = self.lock();
            let used = slots
                .slots
                .iter()
                .enumerate()
                .filter(|(_, slot)| slot.content.as_ref().is_some_and(&mut belongs));
            used.map(|(index, slot)| Handle {
                kind: self.kind,
                index: index as u32,
                generation: slot.generation,
            })
            .collect()
        };
        handles.into_iter().filter_map(|handle| self.remove(handle).ok()).collect()
    }

    /// Looks at everything in place. The table is locked meanwhile: keep it short.
    pub fn for_each(&self, mut look: impl FnMut(&mut T)) {
        for slot in &mut self.lock().slots {
            if let Some(content) = &mut slot.content {
                look(content);
            }
        }
    }

    /// How many things are in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().used
    }

    /// Whether nothing is in the table.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_handle_stays_dead_when_its_slot_is_used_again() {
        let table = SlotTable::new(0);
        let first = table.insert("a").unwrap();
        assert_eq!(table.remove(first), Ok("a"));
        let second = table.insert("b").unwrap();
        assert_eq!(first.index, second.index);
        assert_eq!(table.remove(first), Err(StaleHandle));
        assert_eq!(table.with(first, |_| ()), Err(StaleHandle));
        assert_eq!(table.with(second, |content| *content), Ok("b"));
    }

    #[test]
    fn numbers_survive_the_way_through_a_double() {
        let handle = Handle { kind: 7, index: MOST_SLOTS as u32 - 1, generation: LAST_GENERATION };
        assert_eq!(Handle::from_number(handle.to_number()), Some(handle));
    }

    #[test]
    fn garbage_is_no_handle() {
        for number in [
            0.0,
            -1.0,
            0.5,
            1.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            9_007_199_254_740_992.0,
            1e300,
            f64::MIN_POSITIVE,
        ] {
            assert_eq!(Handle::from_number(number), None, "{number}");
        }
        let table: SlotTable<u8> = SlotTable::new(0);
        let foreign = Handle::from_number(16_777_216.0 + 5.0).unwrap();
        assert_eq!(table.remove(foreign), Err(StaleHandle));
    }

    #[test]
    fn a_handle_of_another_table_is_none_of_this_one() {
        let (one, other) = (SlotTable::new(1), SlotTable::new(2));
        let handle = one.insert("a").unwrap();
        assert_ne!(handle, other.insert("b").unwrap());
        assert_eq!(other.remove(handle), Err(StaleHandle));
        assert_eq!(other.with(handle, |_| ()), Err(StaleHandle));
        assert_eq!(one.remove(handle), Ok("a"));
    }

    #[test]
    fn a_slot_out_of_generations_is_retired() {
        let table = SlotTable::new(0);
        let handle = table.insert(1).unwrap();
        table.lock().slots[0].generation = LAST_GENERATION;
        let last = Handle { generation: LAST_GENERATION, ..handle };
        assert_eq!(table.remove(last), Ok(1));
        assert_eq!(table.remove(last), Err(StaleHandle));
        assert_ne!(table.insert(2).unwrap().index, handle.index);
    }

    #[test]
    fn many_threads_never_see_each_others_content() {
        let table = SlotTable::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4_u32 {
                let table = &table;
                scope.spawn(move || {
                    for round in 0..2_000_u32 {
                        let handle = table.insert((thread, round)).unwrap();
                        assert_eq!(table.remove(handle), Ok((thread, round)));
                        assert_eq!(table.remove(handle), Err(StaleHandle));
                    }
                });
            }
        });
        assert!(table.is_empty());
    }

    #[test]
    fn a_thing_may_know_its_own_handle() {
        let table = SlotTable::new(0);
        let handle = table.insert_with(|handle| handle).unwrap();
        assert_eq!(table.with(handle, |content| *content), Ok(handle));
        let mut seen = 0;
        table.for_each(|_| seen += 1);
        assert_eq!(seen, 1);
    }

    #[test]
    fn what_belongs_together_leaves_together() {
        let table = SlotTable::new(0);
        let kept = table.insert(1).unwrap();
        table.insert(2).unwrap();
        table.insert(2).unwrap();
        assert_eq!(table.remove_where(|content| *content == 2), [2, 2]);
        assert_eq!(table.len(), 1);
        assert_eq!(table.remove(kept), Ok(1));
    }
}
