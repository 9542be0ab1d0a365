//! What a request carries: bytes in memory, or a part of a file that is read while it is sent.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::Error;
use crate::file::blocking;

/// How much of a file is in memory while it is sent.
const PIECE: usize = 256 << 10;

/// A file that parts of an upload are read from, as often as they have to be sent.
pub(crate) trait SentFile: Send + Sync {
    fn file(&self) -> &File;

    /// What it means that it cannot be read; `UnexpectedEof` where it ends too early.
    fn failed(&self, error: &io::Error) -> Error;

    /// Whether it may be believed; asked after each reading of a part.
    fn check(&self) -> Result<(), Error>;
}

/// Some bytes of a file.
#[derive(Clone)]
pub(crate) struct FilePart {
    source: Arc<dyn SentFile>,
    start: u64,
    length: u64,
}

/// What follows the head of a request. A clone costs nothing.
#[derive(Clone)]
pub(crate) enum RequestBody {
    /// Sent from where it lies.
    Memory(Bytes),
    File(FilePart),
}

impl Default for RequestBody {
    fn default() -> Self {
        Self::Memory(Bytes::new())
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::Memory(bytes)
    }
}

impl FilePart {
    pub(crate) fn new(source: Arc<dyn SentFile>, start: u64, length: u64) -> Self {
        Self { source, start, length }
    }

    /// Reads the piece that begins at an offset into a vector, which then holds nothing else.
    fn read(&self, at: u64, into: &mut Vec<u8>) -> Result<(), Error> {
        let left = self.length.saturating_sub(at);
        into.resize(usize::try_from(left).unwrap_or(usize::MAX).min(PIECE), 0);
        self.source
            .file()
            .read_exact_at(into, self.start + at)
            .map_err(|error| self.source.failed(&error))?;
        if left == into.len() as u64 { self.source.check() } else { Ok(()) }
    }
}

impl RequestBody {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(part) => part.length,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in which it is sent.
    pub(crate) fn pieces(&self) -> Pieces<'_> {
        Pieces { body: self, at: 0, piece: Vec::new() }
    }

    /// Looks at all bytes in order. Blocks for as long as a file takes.
    pub(crate) fn look(&self, mut look: impl FnMut(&[u8])) -> Result<(), Error> {
        match self {
            Self::Memory(bytes) => look(bytes),
            Self::File(part) => {
                let (mut at, mut piece) = (0, Vec::new());
                while at < part.length {
                    part.read(at, &mut piece)?;
                    look(&piece);
                    at += piece.len() as u64;
                }
            }
        }
        Ok(())
    }

    /// The same for the SDK's client.
    pub(crate) fn for_sdk(&self) -> ByteStream {
        match self {
            Self::Memory(bytes) => ByteStream::from(bytes.clone()),
            Self::File(part) => {
                let frames = Frames { part: part.clone(), at: 0, reading: None };
                ByteStream::new(SdkBody::from_body_1_x(frames))
            }
        }
    }
}

/// A body on its way.
pub(crate) struct Pieces<'a> {
    body: &'a RequestBody,
    at: u64,
    piece: Vec<u8>,
}

impl Pieces<'_> {
    /// The next piece, and nothing at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        if self.at >= self.body.len() {
            return Ok(None);
        }
        match self.body {
            RequestBody::Memory(bytes) => {
                self.at = bytes.len() as u64;
                Ok(Some(bytes))
            }
            RequestBody::File(part) => {
                self.piece =
                    piece_of(part.clone(), self.at, std::mem::take(&mut self.piece)).await?;
                self.at += self.piece.len() as u64;
                Ok(Some(&self.piece))
            }
        }
    }
}

async fn piece_of(part: FilePart, at: u64, mut piece: Vec<u8>) -> Result<Vec<u8>, Error> {
    blocking(move || {
        part.read(at, &mut piece)?;
        Ok(piece)
    })
    .await
}

type Reading = Pin<Box<dyn Future<Output = Result<Vec<u8>, Error>> + Send + Sync>>;

/// A part of a file as the SDK's client takes it.
struct Frames {
    part: FilePart,
    at: u64,
    reading: Option<Reading>,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Self { part, at, reading } = self.get_mut();
        if *at >= part.length {
            return Poll::Ready(None);
        }
        let piece = reading
            .get_or_insert_with(|| Box::pin(piece_of(part.clone(), *at, Vec::new())))
            .as_mut();
        let piece = ready!(piece.poll(context));
        *reading = None;
        Poll::Ready(Some(piece.map(|piece| {
            *at += piece.len() as u64;
            Frame::data(Bytes::from(piece))
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.part.length
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.part.length.saturating_sub(self.at))
    }
}
