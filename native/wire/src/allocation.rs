//! One allocation that holds the bytes of one result.
//!
//! Large ones are anonymous maps: the kernel gives zeroed pages on first touch, so
//! reserving eight gigabytes costs microseconds. Small ones come from the heap. Both
//! start at a 64-byte boundary. Both are reserved fallibly: running out of memory is an
//! error, never an abort. Who overwrites every byte anyway takes recycled memory. There
//! is no `unsafe` here.

use std::fmt;
use std::fs::File;
use std::io;

use memmap2::MmapMut;

use crate::blocks::{Block, blocks};
use crate::pool::{Slab, zeroed_map};
use crate::shared::Foreign;

/// Below this many bytes the heap is cheaper than a map of its own.
const MAP_FROM: usize = 128 * 1024;

/// Below this many bytes recycling costs more than it saves.
const RECYCLE_FROM: usize = 1024;

/// A cache line, and the widest alignment that SIMD kernels ask for.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line([u8; Allocation::ALIGNMENT]);

impl Line {
    pub(crate) const ZERO: Self = Self([0; Allocation::ALIGNMENT]);
}

enum Memory {
    Empty,
    Heap(Vec<Line>),
    Map(MmapMut),
    /// May be longer than the allocation.
    Slab(Slab),
    /// As well.
    Block(Block),
    Vector(Vec<u8>),
    Foreign(Foreign),
}

/// Memory of a fixed length with one owner.
pub struct Allocation {
    memory: Memory,
    length: usize,
}

/// The system has no memory of the wanted size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory {
    /// How many bytes were asked for.
    pub wanted: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the system refused an allocation of {} bytes", self.wanted)
    }
}

impl std::error::Error for OutOfMemory {}

impl Allocation {
    /// Where every allocation that dipper makes itself starts, in bytes.
    pub const ALIGNMENT: usize = 64;

    /// Reserves `length` zeroed bytes.
    ///
    /// # Errors
    /// [`OutOfMemory`] when the system refuses.
    pub fn zeroed(length: usize) -> Result<Self, OutOfMemory> {
        let refused = OutOfMemory { wanted: length };
        if length > isize::MAX as usize {
            return Err(refused);
        }
        let memory = if length == 0 {
            Memory::Empty
        } else if length < MAP_FROM {
            let lines = length.div_ceil(Self::ALIGNMENT);
            let mut heap = Vec::new();
            heap.try_reserve_exact(lines).map_err(|_| refused)?;
            heap.resize(lines, Line::ZERO);
            Memory::Heap(heap)
        } else {
            Memory::Map(zeroed_map(length).map_err(|_| refused)?)
        };
        Ok(Self { memory, length })
    }

    /// Reserves `length` bytes of UNSPECIFIED CONTENT, maybe of an earlier result: only for
    /// who overwrites every byte before anybody else sees one. All but the smallest come
    /// from the [pool](crate::pool) and go back to it when they are dropped.
    ///
    /// # Errors
    /// [`OutOfMemory`] when the system refuses.
    pub fn recycled(length: usize) -> Result<Self, OutOfMemory> {
        Self::recycled_by(length, Slab::take)
    }

    /// As [`recycled`](Self::recycled), for who fills it at once: what is fresh of it comes in one
    /// go, which costs three quarters of what a fault for each page does.
    ///
    /// # Errors
    /// [`OutOfMemory`] when the system refuses.
    pub fn recycled_to_fill(length: usize) -> Result<Self, OutOfMemory> {
        Self::recycled_by(length, Slab::take_to_fill)
    }

    fn recycled_by(
        length: usize,
        take: impl FnOnce(usize) -> io::Result<Slab>,
    ) -> Result<Self, OutOfMemory> {
        if length < RECYCLE_FROM || length > isize::MAX as usize {
            return Self::zeroed(length);
        }
        if length < MAP_FROM {
            let block = blocks().take(length).ok_or(OutOfMemory { wanted: length })?;
            return Ok(Self { memory: Memory::Block(block), length });
        }
        let slab = take(length).map_err(|_| OutOfMemory { wanted: length })?;
        Ok(Self { memory: Memory::Slab(slab), length })
    }

    /// Maps `length` bytes of a file from `offset`, without reading them. Pages that are
    /// written are copied first; the file stays as it is. It starts at a 64-byte boundary
    /// if `offset` is one.
    ///
    /// What others write to the file afterwards may show, and the process dies by SIGBUS
    /// when it touches a page that somebody cut off. Whoever calls this has decided that
    /// nobody does.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before the range does; what the system says
    /// otherwise, for instance of something that cannot be mapped.
    pub fn from_file(file: &File, offset: u64, length: usize) -> io::Result<Self> {
        let end = offset.checked_add(length as u64);
        if end.is_none_or(|end| end > i64::MAX as u64) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        if end > Some(file.metadata()?.len()) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let memory = if length == 0 {
            Memory::Empty
        } else {
            Memory::Map(crate::shared::map_file_privately(file, offset, length)?)
        };
        Ok(Self { memory, length })
    }

    /// Takes a vector without copying it. Its alignment is the vector's own.
    #[must_use]
    pub fn from_vec(vector: Vec<u8>) -> Self {
        let length = vector.len();
        let memory = if length == 0 { Memory::Empty } else { Memory::Vector(vector) };
        Self { memory, length }
    }

    /// Takes what another owner filled, where it lies. Nobody writes to it through the
    /// allocation; it is dropped with it.
    #[must_use]
    pub fn from_owner(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let foreign = Foreign::new(owner);
        let length = foreign.len();
        let memory = if length == 0 { Memory::Empty } else { Memory::Foreign(foreign) };
        Self { memory, length }
    }

    /// Where the bytes start. Dangling for an empty allocation.
    pub(crate) fn address(&mut self) -> *mut u8 {
        match &self.memory {
            Memory::Foreign(foreign) => foreign.address(),
            _ => self.as_mut_slice().as_mut_ptr(),
        }
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it holds no byte at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Forgets all but the first `length` bytes. The memory behind them stays with it.
    pub fn shorten(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &self.memory {
            Memory::Empty => &[],
            Memory::Heap(lines) => crate::shared::lines_as_bytes(lines, self.length),
            Memory::Map(map) => map.get(..self.length).unwrap_or_default(),
            Memory::Block(block) => crate::shared::lines_as_bytes(block.lines(), self.length),
            Memory::Slab(slab) => slab.as_slice().get(..self.length).unwrap_or_default(),
            Memory::Vector(vector) => vector.get(..self.length).unwrap_or_default(),
            Memory::Foreign(foreign) => foreign.as_slice().get(..self.length).unwrap_or_default(),
        }
    }

    /// The bytes, to be filled; none of memory that another owner filled.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Empty => &mut [],
            Memory::Heap(lines) => crate::shared::lines_as_bytes_mut(lines, self.length),
            Memory::Map(map) => map.get_mut(..self.length).unwrap_or_default(),
            Memory::Block(block) => {
                crate::shared::lines_as_bytes_mut(block.lines_mut(), self.length)
            }
            Memory::Slab(slab) => slab.as_mut_slice().get_mut(..self.length).unwrap_or_default(),
            Memory::Vector(vector) => vector.get_mut(..self.length).unwrap_or_default(),
            Memory::Foreign(_) => &mut [],
        }
    }

    /// Somebody is about to fill `room`, a part of this allocation; `block` is for them to keep,
    /// at first `usize::MAX`. Answers how much of it they may fill now; the first byte may
    /// have been written. So it is learned what fresh memory costs.
    pub(crate) fn enter(&self, room: &mut [u8], block: &mut usize) -> usize {
        match &self.memory {
            Memory::Slab(slab) => slab.enter(room, block),
            _ => room.len(),
        }
    }
}

impl fmt::Debug for Allocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Allocation").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::pool;

    #[test]
    fn every_size_is_zeroed_aligned_and_exact() {
        for length in [1, 63, 64, 65, 4096, MAP_FROM - 1, MAP_FROM, MAP_FROM + 1, 3 << 20] {
            let allocation = Allocation::zeroed(length).unwrap();
            assert_eq!(allocation.as_slice().len(), length);
            assert_eq!(allocation.as_slice().as_ptr() as usize % Allocation::ALIGNMENT, 0);
            assert!(allocation.as_slice().iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn an_empty_allocation_is_allowed() {
        let mut allocation = Allocation::zeroed(0).unwrap();
        assert!(allocation.is_empty());
        assert!(allocation.as_mut_slice().is_empty());
        assert!(Allocation::from_vec(Vec::new()).is_empty());
    }

    #[test]
    fn what_is_written_is_read() {
        for length in [100, MAP_FROM * 2] {
            let mut allocation = Allocation::zeroed(length).unwrap();
            allocation.as_mut_slice()[length - 1] = 7;
            assert_eq!(allocation.as_slice()[length - 1], 7);
        }
    }

    #[test]
    fn a_vector_is_taken_where_it_lies() {
        let vector = vec![1_u8, 2, 3, 4];
        let address = vector.as_ptr();
        let allocation = Allocation::from_vec(vector);
        assert_eq!(allocation.as_slice().as_ptr(), address);
        assert_eq!(allocation.as_slice(), [1, 2, 3, 4]);
    }

    #[test]
    fn what_another_owner_filled_stays_where_it_lies_and_is_dropped_once() {
        struct Owner {
            bytes: Vec<u8>,
            _alive: std::sync::Arc<()>,
        }
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.bytes
            }
        }
        let alive = std::sync::Arc::new(());
        let owner = Owner { bytes: vec![5, 6, 7], _alive: std::sync::Arc::clone(&alive) };
        let address = owner.bytes.as_ptr();
        let mut allocation = Allocation::from_owner(owner);
        assert_eq!(allocation.as_slice(), [5, 6, 7]);
        assert_eq!(allocation.address().cast_const(), address);
        assert!(allocation.as_mut_slice().is_empty());
        allocation.shorten(2);
        assert_eq!(allocation.as_slice(), [5, 6]);
        let shared = crate::SharedAllocation::new(allocation);
        assert_eq!((shared.address().cast_const(), shared.len()), (address, 2));
        assert_eq!(std::sync::Arc::strong_count(&alive), 2);
        drop(shared);
        assert_eq!(std::sync::Arc::strong_count(&alive), 1);
        assert!(Allocation::from_owner(Vec::new()).is_empty());
    }

    #[test]
    fn a_shortened_one_starts_where_it_did_and_ends_sooner() {
        let vector = || Allocation::from_vec(vec![1; 2 * MAP_FROM]);
        for mut allocation in [
            Allocation::zeroed(100).unwrap(),
            Allocation::zeroed(2 * MAP_FROM).unwrap(),
            Allocation::recycled(5000).unwrap(),
            Allocation::recycled(2 * MAP_FROM).unwrap(),
            vector(),
        ] {
            let address = allocation.as_slice().as_ptr();
            allocation.shorten(usize::MAX);
            assert!(allocation.len() >= 100);
            allocation.shorten(99);
            assert_eq!((allocation.len(), allocation.as_slice().len()), (99, 99));
            assert_eq!(allocation.as_mut_slice().len(), 99);
            assert_eq!(allocation.as_slice().as_ptr(), address);
            allocation.shorten(0);
            assert!(allocation.is_empty() && allocation.as_slice().is_empty());
        }
    }

    #[test]
    fn an_impossible_size_is_an_error() {
        for wanted in [usize::MAX, isize::MAX as usize, 1 << 60] {
            assert_eq!(Allocation::zeroed(wanted).unwrap_err(), OutOfMemory { wanted });
            assert_eq!(Allocation::recycled(wanted).unwrap_err(), OutOfMemory { wanted });
        }
    }

    // One test, because the pool belongs to the process.
    #[test]
    fn recycled_memory_is_exact_and_never_passes_for_zeroed() {
        pool().set_limit(64 << 20);
        assert!(Allocation::recycled(0).unwrap().is_empty());
        for length in [1, 5000, MAP_FROM - 1, MAP_FROM, (1 << 20) + 1, (3 << 20) - 5] {
            let mut first = Allocation::recycled(length).unwrap();
            assert_eq!((first.len(), first.as_slice().len()), (length, length));
            assert_eq!(first.as_slice().as_ptr() as usize % Allocation::ALIGNMENT, 0);
            first.as_mut_slice().fill(0xEE);
            let address = first.as_slice().as_ptr();
            let kept = pool().bytes();
            drop(first);
            assert_eq!(pool().bytes() > kept, length >= RECYCLE_FROM);
            let zeroed = Allocation::zeroed(length).unwrap();
            assert!(zeroed.as_slice().iter().all(|byte| *byte == 0));
            if length >= MAP_FROM {
                let less = (length - length / 8).max(MAP_FROM);
                let shorter = Allocation::recycled(less).unwrap();
                assert_eq!(shorter.as_slice().as_ptr(), address);
                assert_eq!(shorter.as_slice().len(), less);
            }
            let kept = pool().bytes();
            drop(zeroed);
            assert_eq!(pool().bytes(), kept, "zeroed memory may never have been touched");
        }
        pool().set_limit(0);
        for length in [0, 1, 5000, MAP_FROM, (1 << 20) + 1, 5 << 20] {
            let mut whole = Allocation::recycled_to_fill(length).unwrap();
            assert_eq!((whole.len(), whole.as_slice().len()), (length, length));
            whole.as_mut_slice().fill(0xEE);
            assert!(whole.as_slice().iter().all(|byte| *byte == 0xEE));
        }
    }

    #[test]
    fn a_file_is_mapped_from_any_offset_and_not_written() {
        let path = std::env::temp_dir().join(format!("dipper-wire-map-{}", std::process::id()));
        let content: Vec<u8> = (0..20_000_u32).map(|at| at as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let file = File::open(&path).unwrap();
        for (offset, length) in [(0, 20_000), (4096, 64), (5001, 9000), (19_999, 1)] {
            let mut mapped = Allocation::from_file(&file, offset, length).unwrap();
            let start = offset as usize;
            assert_eq!(mapped.as_slice(), &content[start..start + length]);
            mapped.as_mut_slice().fill(1);
        }
        assert!(Allocation::from_file(&file, 20_000, 0).unwrap().is_empty());
        for (offset, length) in [(20_001, 0), (0, 20_001), (19_999, 2)] {
            let error = Allocation::from_file(&file, offset, length).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        for (offset, length) in [(u64::MAX, 1), (1, usize::MAX), (i64::MAX as u64, 1)] {
            let error = Allocation::from_file(&file, offset, length).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(std::fs::read(&path).unwrap(), content);
        std::fs::remove_file(&path).unwrap();
        let folder = File::open(std::env::temp_dir()).unwrap();
        assert!(Allocation::from_file(&folder, 0, 1).is_err());
    }
}
