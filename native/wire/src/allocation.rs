//! One allocation that holds the bytes of one result.
//!
//! Large ones are anonymous maps: the kernel gives zeroed pages on first touch, so
//! reserving eight gigabytes costs microseconds. Small ones come from the heap. Both
//! start at a 64-byte boundary. Both are reserved fallibly: running out of memory is an
//! error, never an abort. There is no `unsafe` here.

use std::fmt;

use memmap2::MmapMut;

/// Below this many bytes the heap is cheaper than a map of its own.
const MAP_FROM: usize = 128 * 1024;

/// A cache line, and the widest alignment that SIMD kernels ask for.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line([u8; Allocation::ALIGNMENT]);

enum Memory {
    Empty,
    Heap(Vec<Line>),
    Map(MmapMut),
    Vector(Vec<u8>),
}

/// Zeroed memory of a fixed length with one owner.
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
            heap.resize(lines, Line([0; Self::ALIGNMENT]));
            Memory::Heap(heap)
        } else {
            Memory::Map(MmapMut::map_anon(length).map_err(|_| refused)?)
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

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &self.memory {
            Memory::Empty => &[],
            Memory::Heap(lines) => crate::shared::lines_as_bytes(lines, self.length),
            Memory::Map(map) => map,
            Memory::Vector(vector) => vector,
        }
    }

    /// The bytes, to be filled.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Empty => &mut [],
            Memory::Heap(lines) => crate::shared::lines_as_bytes_mut(lines, self.length),
            Memory::Map(map) => map,
            Memory::Vector(vector) => vector,
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
    fn an_impossible_size_is_an_error() {
        for wanted in [usize::MAX, isize::MAX as usize, 1 << 60] {
            assert_eq!(Allocation::zeroed(wanted).unwrap_err(), OutOfMemory { wanted });
        }
    }
}
