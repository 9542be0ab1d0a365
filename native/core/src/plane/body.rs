//! The body of an answer, still in its socket.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use dipper_wire::{FillError, Slot};

use super::connection::Connection;
use super::pool::Lease;
use crate::metrics::Meter;

/// Why a body did not go on.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// The connection failed or ended.
    Broken(io::Error),
    /// No byte came for so long.
    Stalled(Duration),
    /// The destination was taken back.
    Revoked,
}

/// What is left of a body. Read to its end, its connection is used again; dropped before,
/// the connection is closed.
pub(crate) struct Body {
    connection: Option<Connection>,
    lease: Lease,
    left: u64,
    keep: bool,
}

impl Body {
    pub(super) fn new(connection: Connection, lease: Lease, left: u64, keep: bool) -> Self {
        let mut body = Self { connection: Some(connection), lease, left, keep };
        body.finish_at_end();
        body
    }

    fn finish_at_end(&mut self) {
        if self.left == 0
            && let Some(connection) = self.connection.take()
        {
            self.lease.end(self.keep.then_some(connection));
        }
    }

    /// How many bytes are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// All of it, if it came along with the head.
    pub(crate) fn came(&mut self) -> Option<BytesMut> {
        let left = usize::try_from(self.left).ok()?;
        let bytes = self.connection.as_mut()?.came(left)?;
        self.end();
        Some(bytes)
    }

    /// Reads some bytes into a slot. Zero when the body is at its end or the slot is full.
    pub(crate) async fn read(
        &mut self,
        slot: &mut Slot,
        most: usize,
        stall: Duration,
        meter: &Meter,
    ) -> Result<usize, BodyError> {
        let most = most.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 || slot.missing() == 0 {
            return Ok(0);
        }
        let Some(connection) = &mut self.connection else { return Ok(0) };
        let read = match tokio::time::timeout(stall, connection.read(slot, most, meter)).await {
            Err(_) => return Err(BodyError::Stalled(stall)),
            Ok(Err(FillError::Revoked)) => return Err(BodyError::Revoked),
            Ok(Err(FillError::Source(error))) => return Err(BodyError::Broken(error)),
            Ok(Ok(0)) => {
                return Err(BodyError::Broken(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the connection ended",
                )));
            }
            Ok(Ok(read)) => read,
        };
        self.left -= read as u64;
        self.finish_at_end();
        Ok(read)
    }

    /// Reads some bytes behind those that a vector holds, at most `most`. Zero at the end of
    /// the body, or of the connection.
    pub(super) async fn append(
        &mut self,
        into: &mut Vec<u8>,
        most: usize,
        stall: Duration,
    ) -> Result<usize, BodyError> {
        let most = most.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(connection) = &mut self.connection else { return Ok(0) };
        let read = match tokio::time::timeout(stall, connection.append(into, most)).await {
            Err(_) => return Err(BodyError::Stalled(stall)),
            Ok(read) => read.map_err(BodyError::Broken)?,
        };
        self.left -= read as u64;
        self.finish_at_end();
        Ok(read)
    }

    /// The body has ended, as its own bytes say.
    pub(super) fn end(&mut self) {
        self.left = 0;
        self.finish_at_end();
    }
}
