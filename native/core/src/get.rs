//! Reading an object into its final place.
//!
//! The answer's head tells the size; only then is memory reserved, once and exactly, and
//! each piece of the body is written where it stays. A connection that breaks in the
//! middle is resumed at the next missing byte, with the version pinned by its ETag.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use dipper_wire::ContentRange;

use crate::buffer::Draft;
use crate::gate::{Gate, Need};
use crate::sdk_error::{About, deepest};
use crate::stat::milliseconds;
use crate::{Buffer, Client, Error, ObjectRef, Stat, Status, Ticket, ledger, stat};

/// Which bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// All of them.
    Whole,
    /// From `start` to before `end`, or to the object's end. Clamped to the object.
    Range {
        /// The first byte.
        start: u64,
        /// The byte after the last.
        end: Option<u64>,
    },
    /// The last bytes. Clamped to the object.
    Last(u64),
}

/// Told how far an operation is, at most ten times a second and once at the end.
pub trait Progress: Send + Sync {
    /// So many bytes of so many are there.
    fn reached(&self, bytes: u64, total: u64);
}

/// Memory of somebody else that a body is written to.
pub trait Target: Send {
    /// How many bytes fit.
    fn capacity(&self) -> u64;
    /// Writes bytes at an offset.
    ///
    /// # Errors
    /// When the memory was taken back meanwhile, or the bytes do not fit.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error>;
}

/// Where a body goes.
pub enum Destination {
    /// Into an allocation of its own.
    Buffer,
    /// Into memory of somebody else.
    Target(Box<dyn Target>),
}

/// What to read, and how.
pub struct GetRequest {
    /// The object.
    pub object: ObjectRef,
    /// Which bytes of it.
    pub span: Span,
    /// Read only if the ETag is this.
    pub if_match: Option<String>,
    /// Refuse a body of more bytes before reading it, and say so with this hint.
    pub limit: Option<(u64, String)>,
    /// Who is told how far it is.
    pub progress: Option<Arc<dyn Progress>>,
}

/// What was read.
pub struct Got {
    /// The bytes, unless they went to a target.
    pub buffer: Option<Arc<Buffer>>,
    /// How many bytes were read.
    pub length: u64,
    /// What the server told about the object.
    pub stat: Stat,
}

/// So many bytes may be adopted before the collector is asked to look for dropped ones.
const COLLECT_EVERY: u64 = 256 << 20;
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

impl Span {
    fn header(self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Range { start, end: None } => Some(format!("bytes={start}-")),
            Self::Range { start, end: Some(end) } => {
                Some(format!("bytes={start}-{}", end.saturating_sub(1)))
            }
            Self::Last(count) => Some(format!("bytes=-{count}")),
        }
    }

    fn is_empty(self) -> bool {
        match self {
            Self::Whole => false,
            Self::Range { start, end } => end.is_some_and(|end| end <= start),
            Self::Last(count) => count == 0,
        }
    }
}

/// Where the bytes of one operation land.
enum Place {
    Draft(Draft),
    Target(Box<dyn Target>),
}

impl Place {
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Target(target) => target.write(offset, bytes),
            Self::Draft(draft) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let end = start.saturating_add(bytes.len());
                let room = draft.bytes_mut().get_mut(start..end);
                room.ok_or_else(too_much)?.copy_from_slice(bytes);
                Ok(())
            }
        }
    }
}

fn too_much() -> Error {
    Error::new(Status::ConnectionBroken, "the server sends more bytes than it announced")
}

/// Reads an object, or a part of it.
///
/// # Errors
/// Whatever the server or the connection reports; `BudgetExceeded` for what can never fit.
pub async fn get(
    client: &Client,
    request: GetRequest,
    destination: Destination,
) -> Result<Got, Error> {
    let uri = format!("s3://{}/{}", request.object.bucket, request.object.key);
    read(client, request, destination).await.map_err(|error| error.about(uri))
}

async fn read(
    client: &Client,
    request: GetRequest,
    destination: Destination,
) -> Result<Got, Error> {
    if request.span.is_empty() {
        return nothing(destination, Stat::default());
    }
    let range = request.span.header();
    let first = match open(client, &request, range, request.if_match.as_deref()).await {
        // A range that starts behind the end is empty, as in a Blob.
        Err(error) if error.status == Status::InvalidRange && request.span != Span::Whole => {
            return nothing(destination, stat(client, &request.object).await?);
        }
        answer => answer?,
    };
    let length = announced(&first, request.span)?;
    let stat = told(&first, length);
    if let Some((limit, hint)) = request.limit.as_ref().filter(|(limit, _)| length > *limit) {
        let message = format!("{length} bytes are more than the {limit} that fit");
        return Err(Error::invalid(message).hint(hint.as_str()));
    }
    let mut place = match destination {
        Destination::Target(target) => {
            if target.capacity() < length {
                return Err(Error::invalid(format!(
                    "the target holds {} bytes, the object {length}",
                    target.capacity()
                ))
                .hint("pass a target that is large enough, or read a slice"));
            }
            Place::Target(target)
        }
        Destination::Buffer => Place::Draft(reserve(client, length).await?),
    };
    fill(client, &request, first, length, &mut place).await?;
    let buffer = match place {
        Place::Draft(draft) => Some(draft.finish()),
        Place::Target(_) => None,
    };
    Ok(Got { buffer, length, stat })
}

fn nothing(destination: Destination, stat: Stat) -> Result<Got, Error> {
    let buffer = match destination {
        Destination::Buffer => Some(Draft::zeroed(0, Vec::new())?.finish()),
        Destination::Target(_) => None,
    };
    Ok(Got { buffer, length: 0, stat })
}

/// Takes tickets, then memory. The collector is asked first when much was adopted since
/// it last ran: external memory alone does not make it run.
async fn reserve(client: &Client, length: u64) -> Result<Draft, Error> {
    // First: the length is what a server says, and may be anything.
    client.admit(length)?;
    if ledger().collection_is_due(length, COLLECT_EVERY)
        && let Some(gate) = Gate::current()
    {
        gate.ask(Need::Collect(length)).await;
    }
    let tickets = wait_for_tickets(client, length).await?;
    let size = usize::try_from(length).map_err(|_| Error::invalid("the object is too large"))?;
    Draft::zeroed(size, tickets)
}

/// Waits for the budget. Others' memory may be garbage that nobody has collected yet, so
/// the collector is asked before the wait, and again as long as it lasts.
async fn wait_for_tickets(client: &Client, length: u64) -> Result<Vec<Ticket>, Error> {
    let mut reserved = std::pin::pin!(client.reserve(length));
    let mut patience = Duration::ZERO;
    loop {
        if let Ok(tickets) = tokio::time::timeout(patience, &mut reserved).await {
            return tickets;
        }
        if let Some(gate) = Gate::current() {
            gate.ask(Need::Collect(length)).await;
        }
        patience = (patience * 2).clamp(Duration::from_millis(20), Duration::from_secs(5));
    }
}

async fn open(
    client: &Client,
    request: &GetRequest,
    range: Option<String>,
    if_match: Option<&str>,
) -> Result<GetObjectOutput, Error> {
    let connected = client.connected().await?;
    let object = &request.object;
    let about = About { client, connected, bucket: Some(&object.bucket), key: Some(&object.key) };
    let answer = connected
        .s3
        .get_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone())
        .set_range(range)
        .set_if_match(if_match.map(str::to_owned))
        .send()
        .await
        .map_err(|error| about.error(error))?;
    // Every S3 server tells at least one of these; a web server that is none often does not.
    if answer.e_tag.is_none() && answer.last_modified.is_none() && answer.request_id().is_none() {
        return Err(about.without_etag("neither ETag nor date"));
    }
    Ok(answer)
}

/// How many bytes the answer's body has, if the head is sane.
fn announced(answer: &GetObjectOutput, span: Span) -> Result<u64, Error> {
    let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
    let part = answer.content_range().and_then(ContentRange::parse);
    match (span, length, part) {
        (Span::Whole, Some(length), _) => Ok(length),
        // Some servers answer a range of an empty object with the empty object.
        (_, Some(0), None) => Ok(0),
        (_, length, Some(ContentRange::Part { first, last, .. })) => {
            let expected = last - first + 1;
            let sane = length.is_none_or(|length| length == expected)
                && match span {
                    Span::Range { start, end } => {
                        first == start && end.is_none_or(|end| last < end)
                    }
                    Span::Last(count) => expected <= count,
                    Span::Whole => true,
                };
            if sane {
                Ok(expected)
            } else {
                Err(Error::new(
                    Status::NotS3,
                    "the server answers with another range than the one asked for",
                ))
            }
        }
        (Span::Whole, None, _) => {
            Err(Error::new(Status::NotS3, "the server does not say how long the object is")
                .hint("check that endpoint is the address of an S3 server"))
        }
        _ => Err(Error::new(Status::Unsupported, "the server ignores byte ranges")
            .hint("read the whole object instead")),
    }
}

fn told(answer: &GetObjectOutput, length: u64) -> Stat {
    let size = match answer.content_range().and_then(ContentRange::parse) {
        Some(ContentRange::Part { size: Some(size), .. }) => size,
        _ => length,
    };
    Stat {
        size,
        last_modified: milliseconds(answer.last_modified()),
        etag: answer.e_tag.clone(),
        content_type: answer.content_type.clone(),
        content_encoding: answer.content_encoding.clone(),
        version_id: answer.version_id.clone(),
        storage_class: answer.storage_class().map(|class| class.as_str().to_owned()),
        metadata: answer.metadata.clone().unwrap_or_default().into_iter().collect(),
    }
}

async fn fill(
    client: &Client,
    request: &GetRequest,
    first: GetObjectOutput,
    length: u64,
    place: &mut Place,
) -> Result<(), Error> {
    let start = Start::of(&first);
    let mut body = first.body;
    let mut offset = 0;
    let mut tries_left = client.retries();
    let mut report = Reporter::new(request.progress.clone(), length);
    loop {
        let broken = match pour(client, &mut body, &mut offset, length, place, &mut report).await {
            Ok(()) => {
                report.finish();
                return Ok(());
            }
            Err(error) => error,
        };
        let may_resume = broken.status.retryable()
            && broken.status != Status::ChecksumMismatch
            && start.etag.is_some()
            && tries_left > 0;
        if !may_resume {
            return Err(broken);
        }
        let mut delay = Duration::from_millis(100);
        body = loop {
            tries_left -= 1;
            tokio::time::sleep(delay).await;
            let last = (start.first + length).saturating_sub(1);
            let range = format!("bytes={}-{last}", start.first + offset);
            match open(client, request, Some(range), start.etag.as_deref()).await {
                Ok(answer) => {
                    start.check(&answer, offset, length)?;
                    break answer.body;
                }
                Err(error) if error.status == Status::PreconditionFailed => return Err(changed()),
                Err(error) if error.status.retryable() && tries_left > 0 => delay *= 2,
                Err(error) => return Err(error),
            }
        };
    }
}

fn changed() -> Error {
    Error::new(Status::ObjectChanged, "the object changed while it was read").hint("read it again")
}

/// What the first answer said, which every later one must confirm.
struct Start {
    /// The offset in the object of the first byte of the body.
    first: u64,
    /// The size of the whole object, where it was told.
    size: Option<u64>,
    etag: Option<String>,
}

impl Start {
    fn of(answer: &GetObjectOutput) -> Self {
        let (first, size) = match answer.content_range().and_then(ContentRange::parse) {
            Some(ContentRange::Part { first, size, .. }) => (first, size),
            _ => (0, answer.content_length.and_then(|length| u64::try_from(length).ok())),
        };
        Self { first, size, etag: answer.e_tag.clone() }
    }

    /// Whether an answer goes on at `offset`, in the same version of the object.
    fn check(&self, answer: &GetObjectOutput, offset: u64, length: u64) -> Result<(), Error> {
        if answer.e_tag != self.etag {
            return Err(changed());
        }
        let range = answer.content_range().and_then(ContentRange::parse);
        let Some(ContentRange::Part { first, last, size }) = range else {
            return Err(Error::new(
                Status::ConnectionBroken,
                format!(
                    "the connection broke after {offset} of {length} bytes, \
                     and the server cannot resume"
                ),
            )
            .hint("try again"));
        };
        if size.is_some() && self.size.is_some() && size != self.size {
            return Err(changed());
        }
        if first == self.first + offset && last + 1 == self.first + length {
            return Ok(());
        }
        Err(Error::new(
            Status::NotS3,
            "the server resumes with another range than the one asked for",
        ))
    }
}

/// Writes what comes until the body is complete.
async fn pour(
    client: &Client,
    body: &mut ByteStream,
    offset: &mut u64,
    length: u64,
    place: &mut Place,
    report: &mut Reporter,
) -> Result<(), Error> {
    loop {
        let stall = client.stall_timeout();
        let next = tokio::time::timeout(stall, body.next()).await.map_err(|_| {
            Error::new(
                Status::Stalled,
                format!("no byte came for {} ms after {offset} of {length}", stall.as_millis()),
            )
            .hint("check the network, or raise stallTimeout")
        })?;
        let Some(piece) = next else { break };
        let piece = piece.map_err(|error| broken(&error, *offset, length))?;
        if *offset + piece.len() as u64 > length {
            return Err(too_much());
        }
        place.write(*offset, &piece)?;
        *offset += piece.len() as u64;
        report.reached(*offset);
    }
    if *offset < length {
        return Err(Error::new(
            Status::ConnectionBroken,
            format!("the connection ended after {offset} of {length} bytes"),
        ));
    }
    Ok(())
}

fn broken(error: &aws_sdk_s3::primitives::ByteStreamError, offset: u64, length: u64) -> Error {
    let cause = deepest(error);
    if cause.contains("checksum mismatch") {
        return Error::new(
            Status::ChecksumMismatch,
            "the bytes that arrived are not those that were stored: their checksums differ",
        )
        .hint("read it again; if it stays, the stored object is damaged");
    }
    Error::new(
        Status::ConnectionBroken,
        format!("the connection broke after {offset} of {length} bytes: {cause}"),
    )
    .hint("try again")
}

struct Reporter {
    to: Option<Arc<dyn Progress>>,
    total: u64,
    last: Instant,
}

impl Reporter {
    fn new(to: Option<Arc<dyn Progress>>, total: u64) -> Self {
        if let Some(to) = &to {
            to.reached(0, total);
        }
        Self { to, total, last: Instant::now() }
    }

    fn reached(&mut self, bytes: u64) {
        if let Some(to) = &self.to
            && bytes < self.total
            && self.last.elapsed() >= PROGRESS_EVERY
        {
            self.last = Instant::now();
            to.reached(bytes, self.total);
        }
    }

    fn finish(&self) {
        if let Some(to) = &self.to {
            to.reached(self.total, self.total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_headers() {
        assert_eq!(Span::Whole.header(), None);
        let span = Span::Range { start: 2, end: Some(10) };
        assert_eq!(span.header().as_deref(), Some("bytes=2-9"));
        assert_eq!(Span::Range { start: 2, end: None }.header().as_deref(), Some("bytes=2-"));
        assert_eq!(Span::Last(10).header().as_deref(), Some("bytes=-10"));
    }

    #[test]
    fn a_resumed_answer_must_go_on_where_the_first_ended() {
        let answer = |etag: &str, range: Option<&str>| {
            GetObjectOutput::builder()
                .e_tag(etag)
                .set_content_range(range.map(str::to_owned))
                .content_length(10)
                .build()
        };
        let start = Start::of(&answer("a", Some("bytes 5-14/20")));
        let status = |answer: &GetObjectOutput| start.check(answer, 4, 10).map_err(|e| e.status);
        assert_eq!(status(&answer("a", Some("bytes 9-14/20"))), Ok(()));
        assert_eq!(status(&answer("b", Some("bytes 9-14/20"))), Err(Status::ObjectChanged));
        assert_eq!(status(&answer("a", Some("bytes 9-14/21"))), Err(Status::ObjectChanged));
        assert_eq!(status(&answer("a", Some("bytes 5-14/20"))), Err(Status::NotS3));
        assert_eq!(status(&answer("a", None)), Err(Status::ConnectionBroken));
    }

    #[test]
    fn empty_spans() {
        assert!(Span::Range { start: 3, end: Some(3) }.is_empty());
        assert!(Span::Range { start: 3, end: Some(1) }.is_empty());
        assert!(Span::Last(0).is_empty());
        assert!(!Span::Whole.is_empty());
        assert!(!Span::Range { start: 3, end: None }.is_empty());
    }

    #[test]
    fn heads_that_contradict_the_request_are_refused() {
        let answer = |length: Option<i64>, range: Option<&str>| {
            GetObjectOutput::builder()
                .set_content_length(length)
                .set_content_range(range.map(str::to_owned))
                .build()
        };
        let span = Span::Range { start: 2, end: Some(10) };
        assert_eq!(announced(&answer(Some(8), Some("bytes 2-9/20")), span).unwrap(), 8);
        assert_eq!(announced(&answer(Some(3), Some("bytes 2-4/5")), span).unwrap(), 3);
        assert!(announced(&answer(Some(8), Some("bytes 3-10/20")), span).is_err());
        assert!(announced(&answer(Some(7), Some("bytes 2-9/20")), span).is_err());
        assert!(announced(&answer(Some(20), None), span).is_err());
        assert_eq!(announced(&answer(Some(0), None), span).unwrap(), 0);
        assert!(announced(&answer(None, None), Span::Whole).is_err());
        assert!(announced(&answer(Some(-1), None), Span::Whole).is_err());
        assert_eq!(announced(&answer(Some(5), Some("bytes 5-9/10")), Span::Last(5)).unwrap(), 5);
    }
}
