//! The memory that a part is kept in until the server has it.

use std::sync::Arc;

use bytes::Bytes;
use dipper_wire::{Allocation, pool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::buffer::Account;
use crate::{Client, Error};

/// Recycled memory that is being filled.
pub(super) struct Slab {
    memory: Allocation,
    filled: usize,
    _account: Account,
    /// Its place among the slabs of the upload.
    _place: OwnedSemaphorePermit,
}

/// The slabs of one upload: they are filled and sent in turn. The larger they are, the fewer
/// there are at once.
pub(super) struct Slabs {
    places: Arc<Semaphore>,
    /// What they have together, unless a single one is larger.
    window: usize,
}

const MOST_SLABS: usize = 6;
/// The window is counted in so many units.
const UNITS: usize = 768;

impl Slabs {
    pub(super) fn new(window: u64) -> Self {
        let window = usize::try_from(window).unwrap_or(usize::MAX);
        Self { places: Arc::new(Semaphore::new(window / Self::unit(window))), window }
    }

    fn unit(window: usize) -> usize {
        (window / UNITS).max(1)
    }

    /// The size of a slab whose bytes move on to a file.
    pub(super) fn in_passing(&self) -> usize {
        self.window.div_ceil(2 * MOST_SLABS)
    }

    /// The next slab, once there is a place for it and the budget allows it. When sizes have
    /// grown, what was recycled for smaller ones is of no use any more.
    pub(super) async fn reserve(
        &self,
        client: &Client,
        size: usize,
        grown: bool,
    ) -> Result<Slab, Error> {
        let share = size.clamp(self.window.div_ceil(MOST_SLABS), self.window);
        let share = share / Self::unit(self.window);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.places).acquire_many_owned(share).await;
        let place = place.map_err(|error| Error::internal(error.to_string()))?;
        let tickets = client.reserve(size as u64).await?;
        if grown {
            pool().drain(size);
        }
        let memory = Allocation::recycled(size)?;
        let account = Account::open(size, tickets);
        Ok(Slab { memory, filled: 0, _account: account, _place: place })
    }
}

impl Slab {
    /// The bytes that it holds.
    pub(super) fn bytes(&self) -> &[u8] {
        self.memory.as_slice().get(..self.filled).unwrap_or_default()
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }

    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    pub(super) fn room(&self) -> usize {
        self.memory.len() - self.filled
    }

    /// What is not filled yet.
    pub(super) fn rest(&mut self) -> &mut [u8] {
        self.memory.as_mut_slice().get_mut(self.filled..).unwrap_or_default()
    }

    /// Takes bytes, no more than there is room for.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if let Some(room) = self.rest().get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            self.advance(bytes.len());
        }
    }

    /// Counts bytes that were written to the start of [`rest`](Self::rest).
    pub(super) fn advance(&mut self, bytes: usize) {
        self.filled += bytes.min(self.room());
    }

    /// The bytes; the memory is free when the last of them is dropped.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(Filled(self))
    }
}

struct Filled(Slab);

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}
