//! Reads the bytes of an object, in large pieces, one piece ahead of the client.
//!
//! A piece is read with one `pread` on a blocking thread into a buffer that comes back when the
//! socket has taken it. While a piece is being sent the next one is read, and no more: a client
//! that stops reading stops the reads. So a connection holds at most two pieces of 512 KiB here,
//! and no thread waits for a slow client.

use super::bucket::Object;
use super::error::StoreError;
use bytes::Bytes;
use futures::Stream;
use s3s::StdError;
use s3s::stream::{ByteStream, RemainingLength};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::task::JoinHandle;

const PIECE: u64 = 512 * 1024;

/// The bytes of an object, blocking.
pub struct ObjectReader {
    object: Object,
    /// What is open now, and where its bytes are in the object.
    open: Option<(File, Range<u64>)>,
    range: Range<u64>,
    buffers: Buffers,
}

/// Buffers that wait for their next piece. At most as many as are in use at once.
#[derive(Clone, Default)]
struct Buffers(Arc<Mutex<VecDeque<Vec<u8>>>>);

/// A piece in flight; gives its buffer back when the last user drops it.
struct Piece {
    buffer: Vec<u8>,
    length: usize,
    home: Buffers,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.home.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(buffer);
    }
}

impl ObjectReader {
    /// `file` is the object's own file, opened together with its record.
    pub fn new(object: Object, file: File, range: Range<u64>) -> Self {
        let open = object.record().parts.is_none().then(|| (file, 0..object.record().size));
        Self { object, open, range, buffers: Buffers::default() }
    }

    pub fn remaining(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// The next piece; empty at the end.
    pub fn read(&mut self) -> Result<Bytes, StoreError> {
        self.read_piece().map_err(StoreError::io("reading an object"))
    }

    fn read_piece(&mut self) -> io::Result<Bytes> {
        if self.range.is_empty() {
            return Ok(Bytes::new());
        }
        let position = self.range.start;
        if self.open.as_ref().is_none_or(|(_, place)| !place.contains(&position)) {
            self.open = Some(self.open_part(position)?);
        }
        let Some((file, place)) = &self.open else { return Err(io::ErrorKind::NotFound.into()) };
        let length = PIECE.min(self.range.end - position).min(place.end - position);
        let offset = position - place.start;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let recycled = self.buffers.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let mut buffer = recycled.unwrap_or_default();
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        if let Some(target) = buffer.get_mut(..length) {
            file.read_exact_at(target, offset)?;
        }
        self.range.start += length as u64;
        Ok(Bytes::from_owner(Piece { buffer, length, home: self.buffers.clone() }))
    }

    /// The file that holds the byte at `position`, and the range of the object it holds.
    fn open_part(&self, position: u64) -> io::Result<(File, Range<u64>)> {
        let missing = || io::Error::other("an object without the part that holds its bytes");
        let parts = self.object.record().parts.as_ref().ok_or_else(missing)?;
        let directory = self.object.parts_path().ok_or_else(missing)?;
        let mut start = 0;
        for part in &parts.list {
            let place = start..start + part.size;
            if place.contains(&position) {
                return Ok((
                    File::open(directory.join(super::multipart::part_name(part.number)))?,
                    place,
                ));
            }
            start = place.end;
        }
        Err(missing())
    }
}

/// The same bytes as a stream for the socket.
pub struct ObjectStream {
    /// A piece that was read together with the open, so that a small object takes one hop.
    first: Option<Bytes>,
    state: State,
    remaining: u64,
}

enum State {
    Idle(Box<ObjectReader>),
    Reading(JoinHandle<(Box<ObjectReader>, Result<Bytes, StoreError>)>),
    Done,
}

impl ObjectStream {
    /// Reads the first piece; blocking.
    pub fn open(mut reader: ObjectReader) -> Result<Self, StoreError> {
        let remaining = reader.remaining();
        let first = reader.read()?;
        let state =
            if reader.remaining() == 0 { State::Done } else { State::Idle(Box::new(reader)) };
        Ok(Self { first: Some(first).filter(|bytes| !bytes.is_empty()), state, remaining })
    }

    fn read_ahead(&mut self) {
        if let State::Idle(reader) = &self.state
            && reader.remaining() == 0
        {
            self.state = State::Done;
        }
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            State::Idle(mut reader) => State::Reading(tokio::task::spawn_blocking(move || {
                let piece = reader.read();
                (reader, piece)
            })),
            other => other,
        };
    }
}

impl Stream for ObjectStream {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let piece = if let Some(first) = this.first.take() {
            this.read_ahead();
            first
        } else {
            this.read_ahead();
            let State::Reading(reading) = &mut this.state else { return Poll::Ready(None) };
            let result = ready!(Pin::new(reading).poll(context));
            this.state = State::Done;
            let (reader, piece) = match result {
                Ok((reader, Ok(piece))) => (reader, piece),
                Ok((_, Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            };
            this.state = State::Idle(reader);
            this.read_ahead();
            piece
        };
        this.remaining -= piece.len() as u64;
        Poll::Ready(Some(Ok(piece)))
    }
}

impl ByteStream for ObjectStream {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.remaining)
            .map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}
