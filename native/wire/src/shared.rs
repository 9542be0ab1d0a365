//! The raw views of allocations: as bytes, as memory that JavaScript maps, and of files.
//!
//! This is the only module of the crate with `unsafe`.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::sync::Arc;

use memmap2::{MmapMut, MmapOptions};

use crate::allocation::{Allocation, Line};

/// The first `length` bytes of aligned lines.
pub(crate) fn lines_as_bytes(lines: &[Line], length: usize) -> &[u8] {
    let length = length.min(size_of_val(lines));
    // SAFETY: a `Line` is 64 bytes without padding. The pointer comes
    // from a live slice, the length is bounded by it, and the lifetime is the slice's.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), length) }
}

/// The same, to be written.
pub(crate) fn lines_as_bytes_mut(lines: &mut [Line], length: usize) -> &mut [u8] {
    let length = length.min(size_of_val(lines));
    // SAFETY: as above; the exclusive borrow of the slice makes this view exclusive too,
    // and every byte pattern is a valid `Line`.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), length) }
}

/// A private map of a range of a file that exists. What is written stays in the map.
pub(crate) fn map_file_privately(file: &File, offset: u64, length: usize) -> io::Result<MmapMut> {
    // SAFETY: the map is private, so nothing that is written to it reaches another
    // process. Somebody else may change the file: then a reader sees some mixture of old
    // and new bytes, as with memory that JavaScript writes to, or the process dies by a
    // signal. `Allocation::from_file` tells its callers so.
    unsafe { MmapOptions::new().offset(offset).len(length).map_copy(file) }
}

/// Memory that another owner filled and keeps, such as a decoder's columns.
pub(crate) struct Foreign {
    address: *mut u8,
    length: usize,
    _owner: Box<dyn AsRef<[u8]> + Send + Sync>,
}

// SAFETY: the address points into memory that `owner` keeps, which may be sent; nothing of it
// belongs to a thread.
unsafe impl Send for Foreign {}
// SAFETY: as above; shared access reads only.
unsafe impl Sync for Foreign {}

impl Foreign {
    /// Asks the owner once where its bytes are. It is boxed before, so that they do not move with
    /// it, and nobody reaches it afterwards.
    pub(crate) fn new(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let owner: Box<dyn AsRef<[u8]> + Send + Sync> = Box::new(owner);
        let bytes = (*owner).as_ref();
        let (address, length) = (bytes.as_ptr().cast_mut(), bytes.len());
        Self { address, length, _owner: owner }
    }

    /// Where the bytes start.
    pub(crate) fn address(&self) -> *mut u8 {
        self.address
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        // SAFETY: address and length are what the owner answered, in one piece; it lives as long
        // as `self` and nobody can change it. What JavaScript writes meanwhile is discussed at
        // `SharedAllocation`.
        unsafe { std::slice::from_raw_parts(self.address, self.length) }
    }
}

/// A filled allocation that several holders keep alive: the engine's backing store for
/// the one JavaScript mapping, and operations that send its bytes.
///
/// The memory is freed by the last holder, on whatever thread that is. The address and
/// the length never change. JavaScript may write to the memory while Rust reads it: such
/// a reader sees some mixture of old and new bytes, as with any write from another
/// thread, but never memory of somebody else. So no parser may read a shared allocation
/// twice and rely on both answers being the same.
#[derive(Clone)]
pub struct SharedAllocation {
    address: *mut u8,
    owner: Arc<Allocation>,
}

// SAFETY: the address points into `owner`, whose memory is plain bytes and lives as long
// as the value. Nothing in it belongs to a thread.
unsafe impl Send for SharedAllocation {}
// SAFETY: as above; shared access hands out the address and reads only.
unsafe impl Sync for SharedAllocation {}

impl SharedAllocation {
    /// Ends the exclusive phase: from here on the memory has several readers.
    #[must_use]
    pub fn new(mut allocation: Allocation) -> Self {
        // Taken from the exclusive borrow, so that JavaScript may write through it.
        let address = allocation.address();
        Self { address, owner: Arc::new(allocation) }
    }

    /// Where the bytes start. Dangling for an empty allocation.
    #[must_use]
    pub fn address(&self) -> *mut u8 {
        self.address
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owner.len()
    }

    /// Whether it holds no byte at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owner.is_empty()
    }
}

impl AsRef<[u8]> for SharedAllocation {
    fn as_ref(&self) -> &[u8] {
        if self.owner.is_empty() {
            return &[];
        }
        // SAFETY: address and length are those of `owner`, which is alive while `self` is
        // borrowed. What JavaScript writes meanwhile is discussed at the type.
        unsafe { std::slice::from_raw_parts(self.address, self.owner.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_stays_and_the_last_holder_frees() {
        let mut allocation = Allocation::zeroed(1 << 20).unwrap();
        allocation.as_mut_slice()[5] = 9;
        let address = allocation.as_slice().as_ptr();
        let shared = SharedAllocation::new(allocation);
        assert_eq!(shared.address().cast_const(), address);
        let other = shared.clone();
        std::thread::spawn(move || drop(shared)).join().unwrap();
        assert_eq!(other.as_ref()[5], 9);
        assert_eq!(other.len(), 1 << 20);
    }

    #[test]
    fn an_empty_one_reads_as_empty() {
        let shared = SharedAllocation::new(Allocation::zeroed(0).unwrap());
        assert!(shared.is_empty() && shared.as_ref().is_empty());
    }
}
