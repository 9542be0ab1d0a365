//! Memory that several readers of sockets fill at once, each its own part.
//!
//! A [`Landing`] is cut into [`Slot`]s that never overlap. A slot is filled from its start
//! to its end by its one owner, straight from a socket. Cutting is safe code's whole duty:
//! there is no way to make two slots over one byte. The memory is an allocation of Rust's,
//! or [`Private`] memory of somebody else who may take it back at any time.

#![allow(unsafe_code)]

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use crate::Allocation;

/// The end of memory that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked;

/// Why a slot was not filled further.
#[derive(Debug)]
pub enum FillError {
    /// The source failed, or has nothing yet.
    Source(io::Error),
    /// The memory was taken back.
    Revoked,
}

/// Memory of somebody else, as long as it is not revoked.
///
/// Whoever hands it in keeps it alive, and out of reach of everybody else, until
/// [`Revoker::revoke`] has returned or every slot over it is gone.
pub struct Private(Revoker);

/// The right to take private memory back.
#[derive(Clone)]
pub struct Revoker(Arc<RwLock<Option<Range>>>);

#[derive(Clone, Copy)]
struct Range {
    address: *mut u8,
    length: usize,
}

// SAFETY: plain bytes without ties to a thread. Who may touch which of them is the business
// of `Slot` and of the lock in `Private`.
unsafe impl Send for Range {}
// SAFETY: as above.
unsafe impl Sync for Range {}

impl Private {
    /// Private memory at `room`, from now until it is revoked.
    ///
    /// # Safety
    /// The memory stays valid, and nobody else reads or writes it, until
    /// [`Revoker::revoke`] has returned, or this and every slot made of it is gone.
    #[must_use]
    pub unsafe fn new(room: &mut [u8]) -> Self {
        let range = Range { address: room.as_mut_ptr(), length: room.len() };
        Self(Revoker(Arc::new(RwLock::new(Some(range)))))
    }

    /// The right to take it back.
    #[must_use]
    pub fn revoker(&self) -> Revoker {
        self.0.clone()
    }

    /// How many bytes it has; none once it is revoked.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.0.read().unwrap_or_else(PoisonError::into_inner).map_or(0, |range| range.length)
    }
}

impl Revoker {
    /// Takes the memory back. No access happens after this returns.
    pub fn revoke(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[derive(Clone)]
enum Memory {
    Own(Arc<Own>),
    Private(Revoker),
}

struct Own {
    range: Range,
    allocation: Allocation,
}

/// The whole of the memory, whose slots are out.
pub struct Landing {
    own: Option<Arc<Own>>,
}

impl Landing {
    /// An allocation to be filled, and the one slot over all of it.
    #[must_use]
    pub fn new(mut allocation: Allocation) -> (Self, Slot) {
        let bytes = allocation.as_mut_slice();
        let range = Range { address: bytes.as_mut_ptr(), length: bytes.len() };
        let own = Arc::new(Own { range, allocation });
        let slot = Slot {
            memory: Memory::Own(Arc::clone(&own)),
            start: 0,
            filled: 0,
            end: range.length,
            block: usize::MAX,
        };
        (Self { own: Some(own) }, slot)
    }

    /// The first `length` bytes of private memory, and the one slot over them. `None` when
    /// it is shorter. It is consumed, so that there is never a second landing over it.
    #[must_use]
    pub fn in_private(memory: Private, length: usize) -> Option<(Self, Slot)> {
        if memory.capacity() < length {
            return None;
        }
        let slot = Slot {
            memory: Memory::Private(memory.0),
            start: 0,
            filled: 0,
            end: length,
            block: usize::MAX,
        };
        Some((Self { own: None }, slot))
    }

    /// The allocation, once every slot is gone; `None` as long as one is left, and for
    /// private memory.
    #[must_use]
    pub fn finish(self) -> Option<Allocation> {
        Arc::into_inner(self.own?).map(|own| own.allocation)
    }
}

/// A part of a landing, filled from its start on. Its owner is the only one who reaches it.
pub struct Slot {
    memory: Memory,
    start: usize,
    filled: usize,
    end: usize,
    /// The last block of memory that was entered, for [`Allocation::enter`].
    block: usize,
}

impl Slot {
    /// Where it starts in the whole.
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether it has no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of its bytes are there.
    #[must_use]
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// How many are missing.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.len() - self.filled
    }

    /// Forgets what was filled in.
    pub fn restart(&mut self) {
        self.filled = 0;
    }

    /// Cuts the slot after `at` bytes, which are not yet filled; the rest comes back.
    /// Cutting behind the end gives an empty rest.
    #[must_use]
    pub fn split_off(&mut self, at: usize) -> Self {
        let at = at.clamp(self.filled, self.len());
        let cut = self.start + at;
        let rest = Self {
            memory: self.memory.clone(),
            start: cut,
            filled: 0,
            end: self.end,
            block: usize::MAX,
        };
        self.end = cut;
        rest
    }

    /// Lets `source` write to at most `most` of the missing bytes; it says how many it wrote.
    ///
    /// # Errors
    /// What the source reports, or that the memory was taken back.
    pub fn fill(
        &mut self,
        most: usize,
        source: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> Result<usize, FillError> {
        let length = self.missing().min(most);
        let at = self.start + self.filled;
        let written = match &self.memory {
            Memory::Own(own) => {
                // SAFETY: `at + length` is at most `end`, which lies within the allocation
                // that `own` keeps alive. Slots do not overlap, this one is borrowed
                // exclusively, and nobody reaches the allocation itself before every slot
                // is gone: so this is the only reference to these bytes.
                let room =
                    unsafe { std::slice::from_raw_parts_mut(own.range.address.add(at), length) };
                let now = own.allocation.enter(room, &mut self.block);
                source(room.get_mut(..now).unwrap_or_default())
            }
            Memory::Private(private) => {
                let range = private.0.read().unwrap_or_else(PoisonError::into_inner);
                let Some(range) = *range else { return Err(FillError::Revoked) };
                // SAFETY: as above; `end` was checked against the length when the landing was
                // made. The memory is alive and private, because it is not revoked, and
                // revoking waits for this read lock.
                let room = unsafe { std::slice::from_raw_parts_mut(range.address.add(at), length) };
                source(room)
            }
        };
        let written = written.map_err(FillError::Source)?;
        self.filled += written.min(length);
        Ok(written.min(length))
    }

    /// Shows the bytes from `from` to the last that is filled.
    ///
    /// # Errors
    /// That the memory was taken back.
    pub fn read<R>(&self, from: usize, look: impl FnOnce(&[u8]) -> R) -> Result<R, Revoked> {
        let from = from.min(self.filled);
        let (at, length) = (self.start + from, self.filled - from);
        match &self.memory {
            Memory::Own(own) => {
                // SAFETY: as in `fill`; these bytes were initialised when the memory was
                // allocated, and nobody writes them while this slot is borrowed.
                Ok(look(unsafe { std::slice::from_raw_parts(own.range.address.add(at), length) }))
            }
            Memory::Private(private) => {
                let range = private.0.read().unwrap_or_else(PoisonError::into_inner);
                let Some(range) = *range else { return Err(Revoked) };
                // SAFETY: as in `fill`.
                Ok(look(unsafe { std::slice::from_raw_parts(range.address.add(at), length) }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(slot: &mut Slot, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        slot.fill(usize::MAX, |room| io::Read::read(&mut rest, room)).unwrap()
    }

    #[test]
    fn slots_fill_their_own_part() {
        let (landing, mut first) = Landing::new(Allocation::zeroed(10).unwrap());
        let mut second = first.split_off(4);
        let mut third = second.split_off(3);
        assert_eq!((first.len(), second.len(), third.len()), (4, 3, 3));
        assert_eq!(write(&mut third, b"hijklm"), 3);
        assert_eq!(write(&mut first, b"ab"), 2);
        assert_eq!(write(&mut first, b"cdef"), 2);
        assert_eq!(write(&mut second, b"efg"), 3);
        assert_eq!(first.read(1, <[u8]>::to_vec).unwrap(), b"bcd");
        drop((first, second));
        assert_eq!(third.missing(), 0);
        drop(third);
        assert_eq!(landing.finish().unwrap().as_slice(), b"abcdefghij");
    }

    #[test]
    fn an_allocation_with_a_slot_left_is_not_given_out() {
        let (landing, slot) = Landing::new(Allocation::zeroed(10).unwrap());
        assert!(landing.finish().is_none());
        drop(slot);
    }

    #[test]
    fn a_cut_never_takes_what_is_filled() {
        let (_landing, mut slot) = Landing::new(Allocation::zeroed(10).unwrap());
        write(&mut slot, b"abcdef");
        let rest = slot.split_off(2);
        assert_eq!((slot.len(), rest.start(), rest.len()), (6, 6, 4));
        assert!(slot.split_off(99).is_empty());
    }

    #[test]
    fn a_source_that_lies_about_its_length_is_not_believed() {
        let (_landing, mut slot) = Landing::new(Allocation::zeroed(10).unwrap());
        assert_eq!(slot.fill(4, |_| Ok(99)).unwrap(), 4);
        assert_eq!(slot.filled(), 4);
        let stopped = slot.fill(4, |_| Err(io::ErrorKind::WouldBlock.into()));
        assert!(matches!(stopped, Err(FillError::Source(_))));
    }

    #[test]
    fn private_memory_can_be_taken_back() {
        let mut memory = vec![0_u8; 8];
        // SAFETY: `memory` outlives the slots and is not touched before it is revoked.
        let private = unsafe { Private::new(&mut memory) };
        let revoker = private.revoker();
        assert_eq!(private.capacity(), 8);
        let (landing, mut slot) = Landing::in_private(private, 6).unwrap();
        let mut rest = slot.split_off(3);
        assert_eq!(write(&mut rest, b"defg"), 3);
        revoker.revoke();
        assert!(matches!(slot.fill(3, |_| Ok(1)), Err(FillError::Revoked)));
        assert_eq!(rest.read(0, <[u8]>::len), Err(Revoked));
        assert!(landing.finish().is_none());
        assert_eq!(memory, [0, 0, 0, b'd', b'e', b'f', 0, 0]);
    }

    #[test]
    fn threads_fill_at_once() {
        let (landing, mut rest) = Landing::new(Allocation::zeroed(64 * 1024).unwrap());
        std::thread::scope(|scope| {
            for number in 0..16_u8 {
                let next = rest.split_off(4096);
                let mut slot = std::mem::replace(&mut rest, next);
                scope.spawn(move || write(&mut slot, &[number; 4096]));
            }
        });
        drop(rest);
        let allocation = landing.finish().unwrap();
        assert!(
            allocation
                .as_slice()
                .chunks(4096)
                .enumerate()
                .all(|(number, chunk)| { chunk.iter().all(|byte| usize::from(*byte) == number) })
        );
    }
}
