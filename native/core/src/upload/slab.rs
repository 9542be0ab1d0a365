//! The memory that a part is kept in until the server has it.

use bytes::Bytes;
use dipper_wire::Allocation;
use tokio::sync::OwnedSemaphorePermit;

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

impl Slab {
    /// Waits until the budget allows it.
    pub(super) async fn reserve(
        client: &Client,
        size: usize,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, Error> {
        let tickets = client.reserve(size as u64).await?;
        let memory = Allocation::recycled(size)?;
        let account = Account::open(size, tickets);
        Ok(Self { memory, filled: 0, _account: account, _place: place })
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
        self.0.memory.as_slice().get(..self.0.filled).unwrap_or_default()
    }
}
