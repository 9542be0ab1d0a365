//! A source that is read as batches of lines or messages, one batch after the other.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dipper_wire::Private;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::compression::{Claim, Compression, Decompressed};
use super::cutting::{Content, Cut, Cutting, Filled};
use super::feed::{Feed, NextChunk, run};
use super::socket::{tcp, unix};
use super::source_bytes::{FileBytes, SourceBytes};
use super::standard_input::StandardInput;
use crate::buffer::Draft;
use crate::gate::Gate;
use crate::get::in_private;
use crate::metrics::{Meter, Transport};
use crate::stream::Arrived;
use crate::{
    Buffer, Client, Error, Metrics, Reader, Source, Span, Status, StreamRequest, Topic,
    TopicRequest, stream,
};

/// What is read.
pub enum FeedSource {
    /// An object, a page or a file, or a part of it.
    Object {
        /// Where it is.
        source: Source,
        /// Which bytes of it.
        span: Span,
        /// Read only if the ETag is this.
        if_match: Option<String>,
    },
    /// Bytes that are here.
    Memory {
        /// The bytes.
        buffer: Arc<Buffer>,
        /// As errors name it; its end may tell how it is compressed.
        shown: String,
        /// Its `Content-Encoding`.
        encoding: Option<String>,
    },
    /// What a server sends once it is connected to.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// The same, at a path of this machine.
    Unix(PathBuf),
    /// Standard input.
    StandardInput,
    /// A topic of Kafka.
    Topic(TopicRequest),
    /// Whatever else: what it is called, and what makes it.
    Other(String, Box<dyn Feed>),
}

/// How to read it.
pub struct LinesRequest {
    /// What is read.
    pub source: FeedSource,
    /// What becomes of the bytes.
    pub cut: Cut,
    /// What the elements are.
    pub content: Content,
    /// How it is compressed; found out when unset.
    pub compression: Option<Compression>,
    /// How long a socket may be silent; the client's time when unset, for ever when zero.
    pub stall: Option<Duration>,
}

/// An open source.
pub struct LineStream {
    cutting: Arc<Mutex<Cutting>>,
    offsets: std::sync::Mutex<Vec<u32>>,
    /// Memory for a batch that was not handed out.
    spare: Arc<std::sync::Mutex<Option<Draft>>>,
    measured: Measured,
    /// How many bytes the source has, where somebody tells.
    length: Option<u64>,
    /// What runs in the background. Dropped, it ends, and so does a read that waits for it.
    running: std::sync::Mutex<Option<JoinSet<()>>>,
}

/// The most memory of a batch, unless one element needs more.
const LONGEST: usize = 1 << 20;
/// The least: a short source may be compressed.
const SHORTEST: usize = 64 << 10;

enum Measured {
    Reader(Arc<Reader>),
    Meter(Arc<Meter>),
}

/// Opens a source: connects, or asks for the first bytes.
///
/// # Errors
/// Whatever the server, the connection or the system reports.
pub async fn open_lines(client: &Arc<Client>, request: LinesRequest) -> Result<LineStream, Error> {
    let opened = open(client, request);
    // It lives on after this operation, behind a gate of its own.
    match Gate::current() {
        Some(gate) => gate.fork().around(opened).await,
        None => opened.await,
    }
}

async fn open(client: &Arc<Client>, request: LinesRequest) -> Result<LineStream, Error> {
    let LinesRequest { source, cut, content, compression, stall } = request;
    let stall = stall.unwrap_or_else(|| client.stall_timeout());
    let stall = (!stall.is_zero()).then_some(stall);
    let mut claim = Claim { given: compression, ..Claim::default() };
    let meter = Arc::new(Meter::new());
    let mut length = None;
    let mut measured = Measured::Meter(Arc::clone(&meter));
    let (shown, from) = match source {
        FeedSource::Object { source: Source::File(path), span, .. } => {
            let (file, stat) = crate::file::open(&path).await?;
            meter.took(Transport::File);
            let shown = path.display().to_string();
            claim.name.clone_from(&shown);
            let (at, left) = crate::file::place(span, stat.size);
            length = Some(left);
            let file = FileBytes { file, path, at, left, meter, ahead: None };
            (shown, From::Bytes(SourceBytes::File(file)))
        }
        FeedSource::Object { source, span, if_match } => {
            let shown = source.shown();
            claim.name = source.name();
            let (reader, stat) =
                stream(Some(client), StreamRequest { source, span, if_match }).await?;
            claim.header = stat.content_encoding;
            length = reader.length();
            let reader = Arc::new(reader);
            measured = Measured::Reader(Arc::clone(&reader));
            let feed = ObjectFeed { reader, shown: shown.clone(), arrived: VecDeque::new() };
            (shown, From::Feed(Box::new(feed)))
        }
        FeedSource::Memory { buffer, shown, encoding } => {
            claim.name.clone_from(&shown);
            claim.header = encoding;
            length = Some(buffer.memory().len() as u64);
            (shown, From::Bytes(SourceBytes::Memory { buffer, at: 0 }))
        }
        FeedSource::Tcp { host, port } => {
            let feed = tcp(client, &host, port, stall, meter).await?;
            (format!("tcp://{host}:{port}"), From::Feed(feed))
        }
        FeedSource::Unix(path) => {
            let feed = unix(&path, stall, meter).await?;
            (format!("unix://{}", path.display()), From::Feed(feed))
        }
        FeedSource::StandardInput => {
            ("standard input".to_owned(), From::Feed(Box::new(StandardInput::open(meter)?)))
        }
        FeedSource::Topic(request) => {
            let topic = Topic::follow(client, stall, request);
            (topic.shown().to_owned(), From::Feed(Box::new(topic)))
        }
        FeedSource::Other(shown, feed) => (shown, From::Feed(feed)),
    };
    let (from, running, records) = match from {
        From::Bytes(bytes) => (bytes, None, false),
        From::Feed(feed) => {
            let records = feed.is_records();
            let (chunks, tasks) = run(feed);
            (SourceBytes::fed(chunks), Some(tasks), records)
        }
    };
    if claim.is_brotli() {
        return Err(Error::new(Status::Unsupported, format!("{shown} is compressed with brotli"))
            .about(shown)
            .hint("read its bytes and decompress them, or say { compression: \"none\" }"));
    }
    let from = Decompressed::new(from, claim, shown.clone());
    let cutting = Cutting::new(from, cut, content, records, shown)?;
    Ok(LineStream {
        cutting: Arc::new(Mutex::new(cutting)),
        offsets: std::sync::Mutex::default(),
        spare: Arc::default(),
        measured,
        length,
        running: std::sync::Mutex::new(running),
    })
}

enum From {
    Bytes(SourceBytes),
    Feed(Box<dyn Feed>),
}

impl LineStream {
    /// How many bytes the source has, where somebody tells.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// What it took so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        match &self.measured {
            Measured::Reader(reader) => reader.metrics(),
            Measured::Meter(meter) => meter.read(),
        }
    }

    /// Fills memory with the next elements. Dropped before its end, it ends the stream.
    ///
    /// # Errors
    /// Whatever the source reports; data that are damaged, too long, or no text.
    pub async fn fill(&self, memory: Private) -> Result<Filled, Error> {
        self.step(move |cutting| {
            let capacity = memory.capacity() as u64;
            let (_landing, mut slot) = in_private(memory, capacity)?;
            cutting.fill(&mut slot)
        })
        .await
    }

    /// The next elements in memory of their own, which was filled before where possible: fresh
    /// memory costs more than what is done to it here. Nothing where the next element needs more
    /// than a batch has. Dropped before its end, it ends the stream.
    ///
    /// # Errors
    /// As [`LineStream::fill`].
    pub async fn next(&self) -> Result<(Filled, Option<Arc<Buffer>>), Error> {
        let spare = Arc::clone(&self.spare);
        let short = self.length.and_then(|length| usize::try_from(length).ok());
        let usual = short.unwrap_or(LONGEST).clamp(SHORTEST, LONGEST);
        self.step(move |cutting| {
            let kept = spare.lock().unwrap_or_else(PoisonError::into_inner).take();
            let draft = match kept {
                Some(kept) => kept,
                None => Draft::recycled(usual, Vec::new())?,
            };
            let (landed, mut slot) = draft.land();
            let filled = cutting.fill(&mut slot)?;
            drop(slot);
            let draft = landed.draft()?;
            if 2 * filled.bytes >= usual {
                return Ok((filled, Some(draft.finish_short(filled.bytes))));
            }
            // A small copy: trickles must not pin large memory.
            let buffer = match draft.bytes().get(..filled.bytes) {
                Some(bytes) if !bytes.is_empty() => {
                    let mut copy = Draft::recycled(bytes.len(), Vec::new())?;
                    copy.bytes_mut().copy_from_slice(bytes);
                    Some(copy.finish())
                }
                _ => None,
            };
            *spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(draft);
            Ok((filled, buffer))
        })
        .await
    }

    async fn step<T: Send + 'static>(
        &self,
        fill: impl FnOnce(&mut Cutting) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let closing = Closing { stream: self, armed: true };
        let mut cutting = Arc::clone(&self.cutting).lock_owned().await;
        let reuse =
            std::mem::take(&mut *self.offsets.lock().unwrap_or_else(PoisonError::into_inner));
        let filled = crate::file::blocking(move || {
            cutting.reuse_offsets(reuse);
            let filled = fill(&mut cutting)?;
            Ok((filled, cutting.take_offsets()))
        })
        .await;
        closing.disarm();
        let (filled, offsets) = filled?;
        *self.offsets.lock().unwrap_or_else(PoisonError::into_inner) = offsets;
        Ok(filled)
    }

    /// Shows where each element of the last batch ends, behind where the first starts.
    pub fn offsets<R>(&self, look: impl FnOnce(&[u32]) -> R) -> R {
        look(&self.offsets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends what runs in the background. A read that waits ends with an error.
    pub fn close(&self) {
        drop(self.running.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Ends a stream whose read was given up: its thread would wait for what nobody wants.
struct Closing<'a> {
    stream: &'a LineStream,
    armed: bool,
}

impl Closing<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.stream.close();
        }
    }
}

/// An object on a server.
struct ObjectFeed {
    reader: Arc<Reader>,
    /// As errors name it.
    shown: String,
    arrived: VecDeque<Arrived>,
}

/// So much is taken from an object at once.
const PIECES: usize = 1 << 20;

impl Feed for ObjectFeed {
    fn next(&mut self) -> NextChunk<'_> {
        Box::pin(async move {
            if self.arrived.is_empty() {
                let pieces = self.reader.pieces(PIECES).await;
                self.arrived = pieces.map_err(|error| error.about(self.shown.as_str()))?.into();
            }
            Ok(self.arrived.pop_front().map(Bytes::from_owner))
        })
    }
}

impl Drop for ObjectFeed {
    fn drop(&mut self) {
        self.reader.close();
    }
}
