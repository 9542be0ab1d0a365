//! A source that is read as batches of lines or messages, one batch after the other.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dipper_wire::Private;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;

use super::compression::{Claim, Compression, Decompressed, MAGIC};
use super::cutting::{Content, Cut, Cutting, Filled};
use super::feed::{Feed, NextChunk, WINDOW, run};
use super::idle::watch;
use super::read_ahead::read_at;
use super::socket::{tcp, unix};
use super::source_bytes::{FileBytes, SourceBytes};
use super::standard_input::StandardInput;
use super::windows::{CutLines, Taken, WORTH_IT, Windows, WindowsOf};
use crate::buffer::Draft;
use crate::gate::{Gate, spawn};
use crate::get::in_private;
use crate::metrics::{Meter, Transport};
use crate::stream::Arrived;
use crate::unsized_file::{next, tells_its_size};
use crate::{
    Buffer, Client, Error, Metrics, Reader, Source, Span, Stat, Status, StreamRequest, Topic,
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
    /// What cuts a plain file, as long as nothing is unusual.
    windows: std::sync::Mutex<Option<Arc<Windows>>>,
    cutting: Arc<Mutex<Cutting>>,
    offsets: std::sync::Mutex<Vec<u32>>,
    /// Memory for a batch that was not handed out.
    spare: Arc<std::sync::Mutex<Option<Draft>>>,
    measured: Measured,
    /// How many bytes the source has, where somebody tells.
    length: Option<u64>,
    stat: Stat,
    /// What runs in the background. Dropped, it ends, and so does a read that waits for it.
    running: Arc<std::sync::Mutex<Option<Running>>>,
    /// Nothing is read any more: who cut in windows was not where the cutter of one thread is.
    closed: AtomicBool,
}

/// What runs in the background.
pub(super) struct Running {
    pub(super) feed: JoinSet<()>,
    /// What sees to it that idle lines do not hold what others wait for.
    watch: JoinSet<()>,
    /// What the feed reads from.
    reader: Option<Arc<Reader>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            reader.close();
        }
    }
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
pub async fn open_lines(
    client: Option<&Arc<Client>>,
    request: LinesRequest,
) -> Result<LineStream, Error> {
    let opened = open(client, request);
    // It lives on after this operation, behind a gate of its own.
    let (stream, windows) = match Gate::current() {
        Some(gate) => gate.fork().around(opened).await?,
        None => opened.await?,
    };
    // Behind the gate of this operation, which is not over before it let go of the file.
    if let Some((of, claim)) = windows {
        let windows = in_windows(of, claim).await?.map(Arc::new);
        *stream.windows.lock().unwrap_or_else(PoisonError::into_inner) = windows;
    }
    Ok(stream)
}

/// What is to be cut in windows, if it is not compressed.
type Perhaps = Option<(WindowsOf, Claim)>;

async fn open(
    client: Option<&Arc<Client>>,
    request: LinesRequest,
) -> Result<(LineStream, Perhaps), Error> {
    let LinesRequest { source, cut, content, compression, stall } = request;
    let stall = stall.or_else(|| client.map(|client| client.stall_timeout())).unwrap_or_default();
    let needed = || client.ok_or_else(|| Error::internal("a read over the network has no client"));
    let stall = (!stall.is_zero()).then_some(stall);
    let mut claim = Claim { given: compression, ..Claim::default() };
    let meter = Arc::new(Meter::new());
    let mut length = None;
    let mut told = Stat::default();
    let mut measured = Measured::Meter(Arc::clone(&meter));
    let mut windows = None;
    let (shown, from) = match source {
        FeedSource::Object { source: Source::File(path), span, .. } => {
            // One without a size is read as it comes; a part of it is a part of what it has now.
            let (file, metadata) = match span {
                Span::Whole => crate::file::open_as_it_is(&path).await?,
                _ => crate::file::open_measured(&path).await?,
            };
            let stat = crate::file::stat_of(&metadata);
            meter.took(Transport::File);
            let shown = path.display().to_string();
            claim.name.clone_from(&shown);
            let (at, left) = crate::file::place(span, stat.size);
            let has_no_size = !tells_its_size(&file, &metadata);
            length = (!has_no_size).then_some(left);
            told = stat;
            if let (Cut::Lines(limit), Content::Bytes | Content::Text { .. }) = (cut, &content)
                && left >= WORTH_IT
            {
                windows = Some(WindowsOf {
                    file: Arc::clone(&file),
                    path: path.clone(),
                    from: at,
                    length: left,
                    limit,
                    separator: content.separator(),
                    strict: content.is_strict(),
                });
            }
            if has_no_size {
                (shown, From::Feed(Box::new(UnsizedFile { file, path, at: 0, meter })))
            } else {
                let file = FileBytes { file, path, at, left, meter, ahead: None };
                (shown, From::Bytes(SourceBytes::File(file)))
            }
        }
        FeedSource::Object { source, span, if_match } => {
            let shown = source.shown();
            claim.name = source.name();
            let (reader, stat) = stream(client, StreamRequest { source, span, if_match }).await?;
            claim.header.clone_from(&stat.content_encoding);
            told = stat;
            length = reader.length();
            let reader = Arc::new(reader);
            measured = Measured::Reader(Arc::clone(&reader));
            let feed =
                ObjectFeed { reader, shown: shown.clone(), arrived: VecDeque::new(), woken: None };
            (shown, From::Feed(Box::new(feed)))
        }
        FeedSource::Memory { buffer, shown, encoding } => {
            claim.name.clone_from(&shown);
            claim.header = encoding;
            length = Some(buffer.memory().len() as u64);
            (shown, From::Bytes(SourceBytes::Memory { buffer, at: 0 }))
        }
        FeedSource::Tcp { host, port } => {
            let feed = tcp(needed()?, &host, port, stall, meter).await?;
            (format!("tcp://{host}:{port}"), From::Feed(feed))
        }
        FeedSource::Unix(path) => {
            let feed = unix(&path, stall, meter).await?;
            (format!("unix://{}", path.display()), From::Feed(feed))
        }
        FeedSource::StandardInput => {
            ("standard input".to_owned(), From::Feed(Box::new(StandardInput::open(meter).await?)))
        }
        FeedSource::Topic(request) => {
            let topic = Topic::follow(needed()?, stall, request);
            (topic.shown().to_owned(), From::Feed(Box::new(topic)))
        }
        FeedSource::Other(shown, feed) => (shown, From::Feed(feed)),
    };
    let (from, running, records) = match from {
        From::Bytes(bytes) => (bytes, None, false),
        From::Feed(feed) => {
            let records = feed.is_records();
            let (chunks, feed) = run(feed);
            let reader = match &measured {
                Measured::Reader(reader) => Some(Arc::clone(reader)),
                Measured::Meter(_) => None,
            };
            let running = Running { feed, watch: JoinSet::new(), reader };
            (SourceBytes::fed(chunks), Some(running), records)
        }
    };
    if claim.is_brotli() {
        return Err(Error::new(Status::Unsupported, format!("{shown} is compressed with brotli"))
            .about(shown)
            .hint("read its bytes and decompress them, or say { compression: \"none\" }"));
    }
    let windows = windows.map(|of| (of, claim.clone()));
    let from = Decompressed::new(from, claim, shown.clone());
    let cutting = Cutting::new(from, cut, content, records, shown.clone())?;
    let cutting = Arc::new(Mutex::new(cutting));
    let running = Arc::new(std::sync::Mutex::new(running));
    if let (Measured::Reader(reader), Some(client)) = (&measured, client)
        && reader.may_give_way()
    {
        let (cutting, weak) = (Arc::downgrade(&cutting), Arc::downgrade(&running));
        let watch = watch(Arc::clone(client), Arc::clone(reader), shown, cutting, weak);
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.as_mut() {
            spawn(&mut running.watch, watch);
        }
    }
    let stream = LineStream {
        windows: std::sync::Mutex::default(),
        cutting,
        offsets: std::sync::Mutex::default(),
        spare: Arc::default(),
        measured,
        length,
        stat: told,
        running,
        closed: AtomicBool::new(false),
    };
    Ok((stream, windows))
}

/// Cuts a file in windows, if it is not compressed.
async fn in_windows(of: WindowsOf, claim: Claim) -> Result<Option<Windows>, Error> {
    let plain = crate::file::blocking(move || {
        let mut head = [0; MAGIC];
        let read = read_at(&of.file, &of.path, &mut head, of.from)?;
        let head = head.get(..read).unwrap_or_default();
        let plain = claim.decide(head, false) == Some(Compression::None);
        Ok(plain.then_some(of))
    });
    Ok(plain.await?.and_then(Windows::new))
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

    /// What is told about an object or a file; nothing about other sources.
    #[must_use]
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// What it took so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        match &self.measured {
            Measured::Reader(reader) => reader.metrics(),
            Measured::Meter(meter) => meter.read(),
        }
    }

    /// Whether batches are cut before they are asked for, so that [`LineStream::take`] may have one.
    #[must_use]
    pub fn cuts_ahead(&self) -> bool {
        self.windows().is_some()
    }

    fn windows(&self) -> Option<Arc<Windows>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What [`LineStream::next`] would bring, if that is there already or will be in a moment.
    #[must_use]
    pub fn take(&self) -> Option<(Filled, Option<Arc<Buffer>>)> {
        let windows = self.windows()?;
        match windows.take_soon() {
            Taken::Lines(lines) => Some(self.took(&windows, lines)),
            Taken::NothingYet | Taken::End | Taken::Unusual(_) => None,
        }
    }

    fn took(&self, windows: &Windows, lines: CutLines) -> (Filled, Option<Arc<Buffer>>) {
        let CutLines { buffer, bytes, offsets, taken } = lines;
        let elements = offsets.len().saturating_sub(1);
        let last = {
            let mut held = self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *held, offsets)
        };
        windows.reuse_offsets(last);
        self.arrived(taken);
        (Filled { bytes, elements, taken, ..Filled::default() }, buffer)
    }

    /// Counts what came out of windows: so much in all.
    fn arrived(&self, taken: u64) {
        if let Measured::Meter(meter) = &self.measured {
            let more = taken.saturating_sub(meter.bytes());
            meter.arrived(usize::try_from(more).unwrap_or(usize::MAX));
        }
    }

    /// The next of what was cut in windows. `None` where something else cuts, at least from here on.
    async fn next_of_windows(&self) -> Result<Option<(Filled, Option<Arc<Buffer>>)>, Error> {
        let Some(windows) = self.windows() else { return Ok(None) };
        let closing = Closing { stream: self, armed: true };
        let taken = windows.next().await;
        closing.disarm();
        match taken {
            Taken::Lines(lines) => Ok(Some(self.took(&windows, lines))),
            Taken::Unusual(at) => {
                self.cutting.lock().await.go_on_at(at)?;
                drop(self.windows.lock().unwrap_or_else(PoisonError::into_inner).take());
                Ok(None)
            }
            Taken::NothingYet => Err(Error::cancelled()),
            Taken::End => {
                let taken = self.length.unwrap_or_default();
                self.arrived(taken);
                self.offsets.lock().unwrap_or_else(PoisonError::into_inner).clear();
                Ok(Some((Filled { ended: true, taken, ..Filled::default() }, None)))
            }
        }
    }

    /// Fills memory with the next elements. Dropped before its end, it ends the stream. Not for one
    /// that [cuts ahead](LineStream::cuts_ahead), whose batches have memory of their own.
    ///
    /// # Errors
    /// Whatever the source reports; data that are damaged, too long, or no text.
    pub async fn fill(&self, memory: Private) -> Result<Filled, Error> {
        if self.cuts_ahead() {
            return Err(Error::internal("batches that are cut ahead have memory of their own"));
        }
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
        if let Some(came) = self.next_of_windows().await? {
            return Ok(came);
        }
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

    /// Appends the next bytes to a text until it has at least so many, or nothing comes behind them:
    /// then true. Of what is [not cut](Cut::Not); what a server sends is copied once. Dropped before
    /// its end, it ends the stream.
    ///
    /// # Errors
    /// As [`LineStream::fill`].
    pub async fn append(&self, text: Vec<u8>, least: usize) -> Result<(Vec<u8>, bool), Error> {
        self.step(move |cutting| {
            let mut text = text;
            let ended = cutting.append(&mut text, least)?;
            Ok((text, ended))
        })
        .await
    }

    async fn step<T: Send + 'static>(
        &self,
        fill: impl FnOnce(&mut Cutting) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let closing = Closing { stream: self, armed: true };
        let mut cutting = Arc::clone(&self.cutting).lock_owned().await;
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::cancelled());
        }
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
        self.closed.store(true, Ordering::SeqCst);
        drop(self.windows.lock().unwrap_or_else(PoisonError::into_inner).take());
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

/// A file that does not say how long it is.
struct UnsizedFile {
    file: Arc<File>,
    path: PathBuf,
    at: u64,
    meter: Arc<Meter>,
}

impl Feed for UnsizedFile {
    fn next(&mut self) -> NextChunk<'_> {
        Box::pin(async move {
            let bytes = next(&self.file, &self.path, self.at).await?;
            self.at += bytes.len() as u64;
            self.meter.arrived(bytes.len());
            Ok((!bytes.is_empty()).then(|| bytes.into()))
        })
    }
}

/// An object on a server.
pub(super) struct ObjectFeed {
    reader: Arc<Reader>,
    /// As errors name it.
    shown: String,
    arrived: VecDeque<Arrived>,
    /// It rests until it is told to go on.
    woken: Option<oneshot::Receiver<()>>,
}

impl ObjectFeed {
    /// One that rests at first.
    pub(super) fn again(reader: Arc<Reader>, shown: String, woken: oneshot::Receiver<()>) -> Self {
        Self { reader, shown, arrived: VecDeque::new(), woken: Some(woken) }
    }
}

/// So much is taken from an object at once.
const PIECES: usize = 1 << 20;

impl Feed for ObjectFeed {
    fn next(&mut self) -> NextChunk<'_> {
        Box::pin(async move {
            if let Some(woken) = self.woken.take() {
                woken.await.map_err(|_| Error::cancelled())?;
            }
            if self.arrived.is_empty() {
                let most = PIECES.min(self.window() as usize / 2);
                let pieces = self.reader.pieces(most).await;
                self.arrived = pieces.map_err(|error| error.about(self.shown.as_str()))?.into();
            }
            Ok(self.arrived.pop_front().map(Bytes::from_owner))
        })
    }

    /// The part of the reader's memory that it leaves to what waits here.
    fn window(&self) -> u32 {
        u32::try_from(self.reader.window() / 4).unwrap_or(WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Runtime;

    use super::super::windows::Sizes;
    use super::*;

    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % limit
        }

        fn bytes(&mut self) -> Vec<u8> {
            let parts: &[&[u8]] = &[
                b"\n",
                b"\n",
                b"\r\n",
                b"\r",
                b"\n\n\n\n",
                b"a",
                b"line",
                "\u{e9}".as_bytes(),
                "\u{65e5}\u{672c}".as_bytes(),
                b"a longer stretch of a line",
                b"\r\r\n",
                b"",
            ];
            let length = self.below(2000);
            let usual = self.below(3) > 0;
            let mut bytes = Vec::new();
            if self.below(4) == 0 {
                bytes.extend_from_slice(&[0xef, 0xbb, 0xbf]);
            }
            while (bytes.len() as u64) < length {
                let part = parts[self.below(parts.len() as u64) as usize];
                bytes.extend_from_slice(part);
                if !usual && self.below(60) == 0 {
                    bytes.extend_from_slice(
                        [&b"\xff"[..], b"\xe6\x97", b"\xc3\r"][self.below(3) as usize],
                    );
                }
                if !usual && self.below(60) == 0 {
                    bytes.extend(vec![b'x'; self.below(300) as usize]);
                }
            }
            bytes
        }
    }

    struct Case {
        path: PathBuf,
        span: Span,
        limit: usize,
        content: Content,
    }

    impl Case {
        /// The file, cut by one thread; or in windows of some size.
        fn open(&self, runtime: &Runtime, sizes: Option<Sizes>) -> LineStream {
            let source = Source::File(self.path.clone());
            let request = LinesRequest {
                source: FeedSource::Object { source, span: self.span, if_match: None },
                cut: Cut::Lines(self.limit),
                content: self.content.clone(),
                compression: None,
                stall: None,
            };
            let stream = runtime.block_on(open_lines(None, request)).unwrap();
            assert!(!stream.cuts_ahead());
            if let Some(sizes) = sizes {
                let file = File::open(&self.path).unwrap();
                let (from, length) = crate::file::place(self.span, file.metadata().unwrap().len());
                let windows = WindowsOf {
                    file: Arc::new(file),
                    path: self.path.clone(),
                    from,
                    length,
                    limit: self.limit,
                    separator: self.content.separator(),
                    strict: self.content.is_strict(),
                };
                *stream.windows.lock().unwrap() = Windows::sized(windows, sizes).map(Arc::new);
            }
            stream
        }
    }

    type Read = (Vec<Vec<u8>>, Result<u64, (Status, String)>);

    /// All lines, and how many bytes were taken in all or why it failed. What is there may be
    /// taken without waiting.
    fn read(runtime: &Runtime, stream: &LineStream, text: bool, taking: bool, most: usize) -> Read {
        let mut lines = Vec::new();
        loop {
            if lines.len() >= most {
                return (lines, Ok(0));
            }
            let taken = if taking { stream.take() } else { None };
            let came = taken.map_or_else(|| runtime.block_on(stream.next()), Ok);
            let (filled, buffer) = match came {
                Ok(came) => came,
                Err(error) => return (lines, Err((error.status, error.message))),
            };
            assert_eq!(filled.needed, None);
            let bytes = buffer.as_ref().map_or(&[][..], |buffer| buffer.memory().as_ref());
            assert_eq!(bytes.len(), filled.bytes);
            stream.offsets(|offsets| {
                assert_eq!(offsets.len().saturating_sub(1), filled.elements);
                for (index, ends) in offsets.windows(2).enumerate() {
                    let start = ends[0] as usize + usize::from(text && index > 0);
                    lines.push(bytes[start..ends[1] as usize].to_vec());
                }
            });
            if filled.ended {
                return (lines, Ok(filled.taken));
            }
        }
    }

    fn random_case(random: &mut Random, path: &std::path::Path, length: u64) -> (Case, Sizes) {
        let start = random.below(length + 1);
        let case = Case {
            path: path.to_owned(),
            span: match random.below(3) {
                0 => Span::Range { start, end: Some(start + random.below(length + 1)) },
                1 => Span::Last(start),
                _ => Span::Whole,
            },
            limit: [20, 100, 1 << 14][random.below(3) as usize],
            content: match random.below(3) {
                0 => Content::Bytes,
                1 => Content::Text { strict: true },
                _ => Content::Text { strict: false },
            },
        };
        let sizes = Sizes {
            window: 4 + random.below(300),
            memory: 1 + random.below(400) as usize,
            block: 4 + random.below(100) as usize,
            behind: 1 + random.below(20) as usize,
            threads: 1 + random.below(4) as usize,
        };
        (case, sizes)
    }

    #[test]
    fn windows_of_any_size_give_what_one_thread_gives() {
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        let path = std::env::temp_dir().join(format!("dipper-any-size-{}", std::process::id()));
        let mut random = Random(88_172_645_463_325_252);
        let (mut failed, mut whole) = (0, 0);
        for round in 0..1500 {
            let bytes = random.bytes();
            std::fs::write(&path, &bytes).unwrap();
            let (case, sizes) = random_case(&mut random, &path, bytes.len() as u64);
            let text = case.content.separator().is_some();
            let one = read(&runtime, &case.open(&runtime, None), text, false, usize::MAX);
            let cut = case.open(&runtime, Some(sizes));
            let taking = random.below(2) == 0;
            let many = read(&runtime, &cut, text, taking, usize::MAX);
            assert!(
                many == one,
                "{round} {sizes:?} {:?} {} {:?}\n{one:?}\n{many:?}",
                case.span,
                case.limit,
                case.content
            );
            failed += usize::from(one.1.is_err());
            whole += usize::from(cut.cuts_ahead());
            // Whoever stops anywhere waits for nothing, and what came so far is the beginning.
            let most = random.below(one.0.len() as u64 + 1) as usize;
            let some = case.open(&runtime, Some(sizes));
            let begun = read(&runtime, &some, text, taking, most).0;
            assert!(one.0.starts_with(&begun) || begun.starts_with(&one.0));
            some.close();
            assert!(!some.cuts_ahead());
        }
        std::fs::remove_file(&path).unwrap();
        assert!(failed > 100 && whole > 300, "{failed} {whole}");
    }

    /// Chunks, and perhaps an error behind them.
    struct Script(VecDeque<Result<Bytes, Error>>);

    impl Feed for Script {
        fn next(&mut self) -> NextChunk<'_> {
            Box::pin(async move { self.0.pop_front().transpose() })
        }
    }

    #[test]
    fn text_that_is_appended_is_what_comes_by_batches() {
        let runtime = Runtime::new().unwrap();
        let mut random = Random(42);
        let (mut failed, mut whole) = (0, 0);
        for round in 0..2000 {
            let mut bytes = random.bytes();
            let gzip = round % 7 == 0;
            if gzip {
                use std::io::Write;
                let level = flate2::Compression::fast();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(&bytes).unwrap();
                bytes = encoder.finish().unwrap();
            }
            let most = [4, 30, 3000][random.below(3) as usize];
            let mut chunks = VecDeque::new();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (chunk, behind) = rest.split_at((random.below(most) as usize).min(rest.len()));
                chunks.push_back(chunk.to_vec());
                rest = behind;
            }
            let breaks = random.below(5) == 0;
            let content = match round % 5 {
                0 => Content::Encoded("windows-1252".to_owned()),
                1 => Content::Text { strict: false },
                _ => Content::Text { strict: true },
            };
            let open = || {
                let broken = || Err(Error::new(Status::ConnectionBroken, "it broke"));
                let chunks = chunks.iter().map(|chunk| Ok(Bytes::from(chunk.clone())));
                let script = Script(chunks.chain(breaks.then(broken)).collect());
                let request = LinesRequest {
                    source: FeedSource::Other("script".to_owned(), Box::new(script)),
                    cut: Cut::Not,
                    content: content.clone(),
                    compression: None,
                    stall: None,
                };
                runtime.block_on(open_lines(None, request)).unwrap()
            };
            let told = |error: Error| (error.status, error.message);
            let (stream, mut batches) = (open(), Vec::new());
            let known = loop {
                match runtime.block_on(stream.next()) {
                    Err(error) => break Err(told(error)),
                    Ok((filled, buffer)) => {
                        let more = buffer.as_ref().map(|buffer| buffer.memory().as_ref());
                        batches.extend_from_slice(more.unwrap_or_default());
                        if filled.ended {
                            break Ok(());
                        }
                    }
                }
            };
            let (stream, mut text) = (open(), Vec::new());
            let found = loop {
                let least = text.len() + 1 + random.below(500) as usize;
                match runtime.block_on(stream.append(text.clone(), least)) {
                    Err(error) => break Err(told(error)),
                    Ok((more, ended)) => {
                        assert!(more.starts_with(&text));
                        text = more;
                        if ended {
                            break Ok(());
                        }
                    }
                }
            };
            assert_eq!(found, known, "{round}");
            // Whoever takes what is there is told of bad bytes behind the last line before them, or
            // that of the same chunk.
            match known {
                Ok(()) => assert!(text == batches, "{round}"),
                Err(_) => assert!(text.starts_with(&batches) || batches.starts_with(&text)),
            }
            failed += usize::from(found.is_err());
            whole += usize::from(found.is_ok());
        }
        assert!(failed > 200 && whole > 500, "{failed} {whole}");
    }

    #[test]
    fn a_file_that_changes_its_length_gives_its_lines_up_to_there() {
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        let path = std::env::temp_dir().join(format!("dipper-length-{}", std::process::id()));
        let mut random = Random(3);
        for _ in 0..300 {
            let mut bytes = Vec::new();
            while bytes.len() < 1000 {
                bytes.extend(vec![b'a'; random.below(30) as usize]);
                bytes.push(b'\n');
            }
            std::fs::write(&path, &bytes).unwrap();
            let (mut case, sizes) = random_case(&mut random, &path, bytes.len() as u64);
            (case.span, case.limit) = (Span::Whole, 100);
            let text = case.content.separator().is_some();
            let cut = case.open(&runtime, Some(sizes));
            let (mut lines, _) = read(&runtime, &cut, text, false, random.below(10) as usize);
            let length = random.below(2 * bytes.len() as u64);
            File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
            let (rest, ended) = read(&runtime, &cut, text, true, usize::MAX);
            lines.extend(rest);
            let mut all: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            assert_eq!(all.pop(), Some(&[][..]));
            assert!(lines.len() <= all.len() && lines.iter().zip(&all).all(|(a, b)| a == b));
            match ended {
                Ok(taken) => assert!(taken == bytes.len() as u64 && lines.len() == all.len()),
                Err((status, _)) => {
                    assert_eq!(status, Status::ObjectChanged);
                    assert!(length < bytes.len() as u64);
                }
            }
        }
        std::fs::remove_file(&path).unwrap();
    }
}
