//! The bytes of a source as they come, before anything is undone. All of this runs on threads
//! that may wait.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::feed::{Chunk, Chunks};
use super::read_ahead::{Block, ReadAhead, WORTH_IT, read_at};
use crate::Error;
use crate::buffer::Buffer;
use crate::metrics::Meter;

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing is there yet.
    NothingYet,
    /// There is nothing more.
    End,
}

/// Bytes in order.
pub(crate) enum SourceBytes {
    File(FileBytes),
    Memory { buffer: Arc<Buffer>, at: usize },
    Fed(Fed),
}

/// What a feed has brought.
pub(crate) struct Fed {
    chunks: Chunks,
    present: Option<Chunk>,
    ended: bool,
    /// Tells a feed that rests to go on.
    wake: Option<oneshot::Sender<()>>,
}

impl Fed {
    /// Whether there is something to come, which a feed has that does not rest.
    pub(crate) fn goes_on(&self) -> bool {
        !self.ended && self.wake.is_none()
    }

    /// Takes what another feed brings, once it is told to; what waits is let go.
    pub(crate) fn begin_again(&mut self, chunks: Chunks, wake: oneshot::Sender<()>) {
        *self = Self { chunks, present: None, ended: false, wake: Some(wake) };
    }
}

/// A part of a file.
pub(crate) struct FileBytes {
    pub(crate) file: Arc<File>,
    pub(crate) path: PathBuf,
    pub(crate) at: u64,
    pub(crate) left: u64,
    pub(crate) meter: Arc<Meter>,
    /// What reads the rest of it, once it is read in blocks.
    pub(crate) ahead: Option<ReadAhead>,
}

impl FileBytes {
    fn read(&mut self, room: &mut [u8]) -> Result<Came, Error> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(room.len());
        let Some(room) = room.get_mut(..most).filter(|room| !room.is_empty()) else {
            return Ok(Came::End);
        };
        let read = read_at(&self.file, &self.path, room, self.at)?;
        self.took(read);
        Ok(Came::Bytes(read))
    }

    fn took(&mut self, bytes: usize) {
        self.at += bytes as u64;
        self.left -= bytes as u64;
        self.meter.arrived(bytes);
    }

    /// The next block, for the one given. `None` where the file is not read in blocks.
    fn swap(&mut self, block: &mut Block) -> Option<Result<Came, Error>> {
        if self.ahead.is_none() {
            if self.left <= WORTH_IT {
                return None;
            }
            let file = Arc::clone(&self.file);
            self.ahead = Some(ReadAhead::new(file, self.path.clone(), self.at, self.left));
        }
        let came = self.ahead.as_mut()?.swap(block);
        Some(came.map(|came| {
            let Some(read) = came else { return Came::End };
            self.took(read);
            Came::Bytes(read)
        }))
    }
}

impl SourceBytes {
    pub(crate) fn fed(chunks: Chunks) -> Self {
        Self::Fed(Fed { chunks, present: None, ended: false, wake: None })
    }

    /// Fills some of the room with the next bytes. Where nothing is there yet it waits, or not.
    pub(crate) fn read(&mut self, room: &mut [u8], wait: bool) -> Result<Came, Error> {
        match self {
            Self::File(file) => file.read(room),
            Self::Memory { buffer, at } => {
                let rest = buffer.memory().as_ref().get(*at..).unwrap_or_default();
                let copied = copy(rest, room);
                *at += copied;
                Ok(if copied == 0 { Came::End } else { Came::Bytes(copied) })
            }
            Self::Fed(_) => {
                let Some(mut chunk) = (match self.next(wait)? {
                    Next::Chunk(chunk) => Some(chunk),
                    Next::NothingYet => return Ok(Came::NothingYet),
                    Next::End => None,
                }) else {
                    return Ok(Came::End);
                };
                let copied = copy(&chunk.bytes, room);
                drop(chunk.bytes.split_to(copied));
                if let (Self::Fed(fed), false) = (self, chunk.bytes.is_empty()) {
                    fed.present = Some(chunk);
                }
                Ok(Came::Bytes(copied))
            }
        }
    }

    /// Takes the next bytes in a block of their own, behind [`HEAD`](super::read_ahead::HEAD), and
    /// gives memory for another one back. `None` where they are only copied. Who began with blocks
    /// goes on with them.
    pub(crate) fn swap(&mut self, block: &mut Block) -> Option<Result<Came, Error>> {
        match self {
            Self::File(file) => file.swap(block),
            _ => None,
        }
    }

    /// The next chunk of a feed, whole.
    pub(crate) fn next(&mut self, wait: bool) -> Result<Next, Error> {
        let Self::Fed(Fed { chunks, present, ended, wake }) = self else {
            return Err(Error::internal("only a feed has chunks"));
        };
        if let Some(wake) = wake.take() {
            let _ = wake.send(());
        }
        if let Some(chunk) = present.take() {
            return Ok(Next::Chunk(chunk));
        }
        loop {
            if *ended {
                return Ok(Next::End);
            }
            let next = if wait {
                chunks.blocking_recv()
            } else {
                match chunks.try_recv() {
                    Ok(next) => Some(next),
                    Err(tokio::sync::mpsc::error::TryRecvError::Empty) => {
                        return Ok(Next::NothingYet);
                    }
                    Err(tokio::sync::mpsc::error::TryRecvError::Disconnected) => None,
                }
            };
            // A feed that is gone before its end was cancelled.
            match next.ok_or_else(Error::cancelled)?? {
                Some(chunk) if chunk.bytes.is_empty() && !chunk.is_record => {}
                Some(chunk) => return Ok(Next::Chunk(chunk)),
                None => *ended = true,
            }
        }
    }
}

/// What a feed has.
pub(crate) enum Next {
    Chunk(Chunk),
    NothingYet,
    End,
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let length = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..length), to.get_mut(..length)) {
        to.copy_from_slice(from);
    }
    length
}
