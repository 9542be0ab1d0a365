//! Where bytes come from: an object on S3 or a page on the web, by whichever way there is.
//!
//! An [`Origin`] answers an [`Ask`] with what the head tells and the body that follows it.
//! Everything above (parts, retries, checksums) is the same for all origins and ways.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use bytes::{Bytes, BytesMut};
use dipper_wire::{Algorithm, ContentRange, Expected, FillError, Head, Slot};
use tokio::sync::OwnedSemaphorePermit;

use crate::direct::{DETOURS, DirectRequest, Sent};
use crate::download::changed;
use crate::metrics::{Meter, Transport};
use crate::plane::{Answer as Reply, Body, BodyError};
use crate::sdk_error::{About, Answered, deepest, find, message_of};
use crate::stall_guard::BodyStalled;
use crate::stat::{date, milliseconds};
use crate::upload::with_headers;
use crate::web::Page;
use crate::{Client, CustomerKey, Error, ObjectRef, Span, Stat, Status, answered, elsewhere};

/// Where bytes come from.
#[derive(Clone)]
pub(crate) enum Origin {
    S3(Arc<Client>, ObjectRef),
    Web(Arc<Client>, Page),
}

/// What to ask an origin for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) span: Span,
    /// Only this version.
    pub(crate) if_match: Option<&'a str>,
    /// Tell the checksum, if there is one for what is asked.
    pub(crate) checksum: bool,
    /// Tell the properties, too: not only what tells the version.
    pub(crate) stat: bool,
    /// So many bytes of the body may come along with the head.
    pub(crate) ahead: usize,
}

/// What the head of an answer tells.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// How many bytes the body has.
    pub(crate) length: Option<u64>,
    pub(crate) range: Option<ContentRange>,
    /// The properties of the whole, where the head has them; its size is that of the whole.
    pub(crate) stat: Stat,
    /// The checksum of the whole.
    pub(crate) expected: Option<Expected>,
}

impl Told {
    /// Whether a whole came whose length nobody tells.
    pub(crate) fn is_unmeasured(&self, wanted: Span) -> bool {
        wanted == Span::Whole && self.length.is_none() && self.range.is_none()
    }
}

/// An answer: what its head tells, and the body.
pub(crate) struct Answer {
    pub(crate) told: Told,
    pub(crate) body: Flow,
}

/// A body that is still on its way.
pub(crate) enum Flow {
    /// In its socket.
    Direct(Body),
    /// In pieces, of which one may be used in part.
    Pieces(Pieces),
}

/// A body that comes in pieces from somebody else's client.
pub(crate) struct Pieces {
    stream: ByteStream,
    /// What was not used yet.
    piece: Bytes,
    /// The right to a connection, for as long as the body comes.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Pieces {
    pub(crate) fn new(stream: ByteStream, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { stream, piece: Bytes::new(), _permit: permit }
    }
}

/// Why a body did not go on.
#[derive(Debug)]
pub(crate) enum FlowError {
    Broken(String),
    Stalled(Duration),
    Revoked,
    /// The bytes are not those that were stored.
    Damaged,
}

impl Flow {
    /// Reads some bytes into a slot: zero at the end of the body, or when the slot is full.
    pub(crate) async fn read(
        &mut self,
        slot: &mut Slot,
        most: usize,
        stall: Duration,
        meter: &Meter,
    ) -> Result<usize, FlowError> {
        if slot.missing() == 0 {
            return Ok(0);
        }
        let read = match self {
            Self::Direct(body) => {
                body.read(slot, most, stall, meter).await.map_err(|error| match error {
                    BodyError::Broken(error) => FlowError::Broken(error.to_string()),
                    BodyError::Stalled(after) => FlowError::Stalled(after),
                    BodyError::Revoked => FlowError::Revoked,
                })?
            }
            Self::Pieces(Pieces { stream, piece, .. }) => {
                while piece.is_empty() {
                    match next_piece(stream, stall).await? {
                        Some(next) => *piece = next,
                        None => return Ok(0),
                    }
                }
                let filled = slot.fill(most, |mut room| io::Write::write(&mut room, piece));
                let read = filled.map_err(|error| match error {
                    FillError::Revoked => FlowError::Revoked,
                    FillError::Source(error) => FlowError::Broken(error.to_string()),
                })?;
                let _ = piece.split_to(read);
                meter.copied(read);
                read
            }
        };
        meter.arrived(read);
        Ok(read)
    }

    /// All of it, if it came along with the head.
    pub(crate) fn came(&mut self, meter: &Meter) -> Option<BytesMut> {
        let Self::Direct(body) = self else { return None };
        let bytes = body.came()?;
        meter.arrived(bytes.len());
        Some(bytes)
    }

    /// Makes sure that nothing follows. A stream of the SDK's tells a wrong checksum here.
    pub(crate) async fn ended(&mut self, stall: Duration) -> Result<(), FlowError> {
        match self {
            Self::Direct(body) if body.left() == 0 => Ok(()),
            Self::Pieces(Pieces { stream, piece, .. }) if piece.is_empty() => {
                match next_piece(stream, stall).await? {
                    None => Ok(()),
                    Some(_) => Err(too_much()),
                }
            }
            _ => Err(too_much()),
        }
    }
}

fn too_much() -> FlowError {
    FlowError::Broken("the server sends more bytes than it announced".to_owned())
}

async fn next_piece(stream: &mut ByteStream, stall: Duration) -> Result<Option<Bytes>, FlowError> {
    match tokio::time::timeout(stall, stream.next()).await {
        Err(_) => Err(FlowError::Stalled(stall)),
        Ok(None) => Ok(None),
        Ok(Some(Ok(piece))) => Ok(Some(piece)),
        Ok(Some(Err(error))) => {
            if let Some(BodyStalled(after)) = find::<BodyStalled>(&error) {
                return Err(FlowError::Stalled(*after));
            }
            let cause = deepest(&error);
            Err(if cause.contains("checksum mismatch") {
                FlowError::Damaged
            } else {
                FlowError::Broken(cause)
            })
        }
    }
}

impl Origin {
    pub(crate) fn client(&self) -> &Client {
        match self {
            Self::S3(client, _) | Self::Web(client, _) => client,
        }
    }

    /// The URI, without what may be a secret in it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::S3(_, object) => format!("s3://{}/{}", object.bucket, object.key),
            Self::Web(_, page) => page.shown(),
        }
    }

    /// Sends the request; no retries beyond those that a stale connection or a new region need.
    pub(crate) async fn open(&self, ask: Ask<'_>, meter: &Meter) -> Result<Answer, Error> {
        match self {
            Self::S3(client, object) => open_object(client, object, ask, meter).await,
            Self::Web(client, page) => Box::pin(page.open(client, ask, meter)).await,
        }
    }

    /// Asks for more of a version that was read before.
    pub(crate) async fn open_more(
        &self,
        span: Span,
        version: Option<&str>,
        meter: &Meter,
    ) -> Result<Answer, Error> {
        let ask = Ask { span, if_match: version, checksum: false, stat: false, ahead: 0 };
        match self.open(ask, meter).await {
            Ok(answer) if answer.told.stat.etag.as_deref() == version => Ok(answer),
            Ok(_) => Err(changed()),
            Err(error) if error.status == Status::PreconditionFailed => Err(changed()),
            Err(error) => Err(error),
        }
    }

    /// Asks for the properties and the checksum without the bytes. `part` asks about one
    /// part of a multipart object.
    pub(crate) async fn head(&self, part: Option<u32>, meter: &Meter) -> Result<Told, Error> {
        match self {
            Self::S3(client, object) => Box::pin(head_object(client, object, part, meter)).await,
            Self::Web(client, page) => Box::pin(page.head(client, meter)).await,
        }
    }

    /// Whether the server may know a checksum of the whole. Asked before the first answer
    /// is there, so that both go out together; the first answer of a host decides for later.
    pub(crate) async fn may_know_checksum(&self) -> bool {
        match self {
            Self::Web(..) => false,
            Self::S3(client, object) => match client.site(&object.bucket).await {
                Ok(Some(site)) => site.host.is_s3() != Some(false),
                _ => true,
            },
        }
    }

    /// How much to read at once from where this comes from.
    pub(crate) async fn at_once(&self) -> usize {
        match self {
            Self::S3(client, object) => match client.site(&object.bucket).await {
                Ok(Some(site)) => site.host.pace.at_once(),
                _ => 4,
            },
            Self::Web(client, page) => client.pool().host(&page.url()).pace.at_once(),
        }
    }

    /// Whether answers without a length are taken. S3 always tells one: there it is a sign
    /// of an answer that was cut.
    pub(crate) fn may_be_unmeasured(&self) -> bool {
        matches!(self, Self::Web(..))
    }

    /// Applies a change to the pace of the host, if it has one.
    pub(crate) async fn pace(&self, change: impl FnOnce(&crate::pace::Pace)) {
        match self {
            Self::S3(client, object) => {
                if let Ok(Some(site)) = client.site(&object.bucket).await {
                    change(&site.host.pace);
                }
            }
            Self::Web(client, page) => change(&client.pool().host(&page.url()).pace),
        }
    }
}

async fn open_object(
    client: &Client,
    object: &ObjectRef,
    ask: Ask<'_>,
    meter: &Meter,
) -> Result<Answer, Error> {
    let range = ask.span.header();
    let mut headers: Vec<(&str, &str)> = Vec::with_capacity(3);
    headers.extend(range.as_deref().map(|range| ("range", range)));
    headers.extend(ask.if_match.map(|etag| ("if-match", etag)));
    if ask.checksum {
        headers.push(("x-amz-checksum-mode", "ENABLED"));
    }
    headers.extend(object.customer_key.iter().flat_map(CustomerKey::headers));
    for _ in 0..DETOURS {
        let connected = client.connected().await?;
        let Some(site) = client.site(&object.bucket).await? else { break };
        let about = about(client, connected, object);
        let request =
            DirectRequest { ahead: ask.ahead, ..DirectRequest::of(object, "GET", &headers) };
        let (head, reply) = match request.send(&about, &site, meter).await? {
            Sent::Answer(head, reply) => (head, reply),
            Sent::Again => continue,
        };
        let body = match reply {
            Reply::Sized(body) => body,
            // Chunked: the SDK's client reads that.
            Reply::Chunked(_) => break,
            Reply::Empty | Reply::UntilClose(_) => {
                return Err(Error::new(
                    Status::NotS3,
                    "the server does not say how long the object is",
                )
                .hint("check that endpoint is the address of an S3 server"));
            }
        };
        let told = told_by(&head, ask.stat);
        if told.stat.etag.is_none() && told.stat.last_modified.is_none() {
            // S3 may answer 200 and then report a failure.
            let message = Reply::Sized(body).message(client.stall_timeout()).await;
            let (code, text) = message_of(&message);
            if let Some(code) = code {
                let answered = Answered::of(&head, 500, Some(code), text);
                return Err(about.of_answer(answered));
            }
            return Err(about.without_etag("neither ETag nor date"));
        }
        meter.took(Transport::Direct);
        return Ok(Answer { told, body: Flow::Direct(body) });
    }
    // Boxed: it is large and rare, and thousands of small reads are moved about with it.
    Box::pin(open_by_sdk(client, object, ask, range, meter)).await
}

async fn head_object(
    client: &Client,
    object: &ObjectRef,
    part: Option<u32>,
    meter: &Meter,
) -> Result<Told, Error> {
    for _ in 0..DETOURS {
        // The way to ask for a part's properties is a query, which only the SDK's client sends.
        if part.is_some() {
            break;
        }
        let connected = client.connected().await?;
        let Some(site) = client.site(&object.bucket).await? else { break };
        let about = about(client, connected, object);
        let mut headers = vec![("x-amz-checksum-mode", "ENABLED")];
        headers.extend(object.customer_key.iter().flat_map(CustomerKey::headers));
        match DirectRequest::of(object, "HEAD", &headers).send(&about, &site, meter).await? {
            Sent::Answer(head, _) => {
                let told = told_by(&head, true);
                if told.stat.etag.is_none() && told.stat.last_modified.is_none() {
                    return Err(about.without_etag("neither ETag nor date"));
                }
                return Ok(told);
            }
            Sent::Again => {}
        }
    }
    let connected = client.connected().await?;
    let _permit = client.sdk_permit().await;
    meter.request(true);
    let about = about(client, connected, object);
    let head = connected
        .s3
        .head_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone())
        .set_part_number(part.and_then(|part| i32::try_from(part).ok()))
        .checksum_mode(ChecksumMode::Enabled);
    let key_headers = CustomerKey::of(object);
    let head = answered!(
        about,
        with_headers!(elsewhere!(client, &object.bucket, head.clone()), key_headers),
        meter.retry()
    )
    .map_err(|error| about.error(error))?;
    let expected = expected_of(|algorithm| match algorithm {
        Algorithm::Crc64Nvme => head.checksum_crc64_nvme(),
        Algorithm::Crc32 => head.checksum_crc32(),
        Algorithm::Crc32c => head.checksum_crc32_c(),
        Algorithm::Sha1 => head.checksum_sha1(),
        Algorithm::Sha256 => head.checksum_sha256(),
    });
    let length = head.content_length.and_then(|length| u64::try_from(length).ok());
    if head.e_tag.is_none() && head.last_modified.is_none() {
        return Err(about.without_etag("neither ETag nor date"));
    }
    Ok(Told {
        length,
        range: None,
        expected,
        stat: Stat {
            size: length.unwrap_or_default(),
            last_modified: milliseconds(head.last_modified.as_ref()),
            storage_class: head.storage_class().map(|class| class.as_str().to_owned()),
            etag: head.e_tag,
            content_type: head.content_type,
            content_encoding: head.content_encoding,
            content_language: head.content_language,
            content_disposition: head.content_disposition,
            cache_control: head.cache_control,
            expires: date(head.expires_string.as_deref()),
            version_id: head.version_id,
            metadata: head.metadata.unwrap_or_default().into_iter().collect(),
        },
    })
}

fn about<'a>(
    client: &'a Client,
    connected: &'a crate::client::Connected,
    object: &'a ObjectRef,
) -> About<'a> {
    About { client, connected, bucket: Some(&object.bucket), key: Some(&object.key) }
}

async fn open_by_sdk(
    client: &Client,
    object: &ObjectRef,
    ask: Ask<'_>,
    range: Option<String>,
    meter: &Meter,
) -> Result<Answer, Error> {
    let connected = client.connected().await?;
    let about = about(client, connected, object);
    let permit = client.sdk_permit().await;
    meter.request(true);
    meter.took(Transport::Sdk);
    let get = connected
        .s3
        .get_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone())
        .set_range(range)
        .set_if_match(ask.if_match.map(str::to_owned));
    let key_headers = CustomerKey::of(object);
    let answer = answered!(
        about,
        with_headers!(elsewhere!(client, &object.bucket, get.clone()), key_headers),
        meter.retry()
    )
    .map_err(|error| about.error(error))?;
    // Every S3 server tells at least one of these; a web server that is none often does not.
    if answer.e_tag.is_none() && answer.last_modified.is_none() {
        let mut message = Vec::new();
        let mut body = answer.body;
        while let Ok(Some(piece)) = next_piece(&mut body, client.stall_timeout()).await {
            message.extend_from_slice(&piece);
            if message.len() > 64 << 10 {
                break;
            }
        }
        let (code, text) = message_of(&message);
        return Err(match code {
            Some(_) => about.of_answer(Answered {
                status: 500,
                code,
                message: text,
                ..Answered::default()
            }),
            None => about.without_etag("neither ETag nor date"),
        });
    }
    let told = told_by_sdk(&answer);
    Ok(Answer { told, body: Flow::Pieces(Pieces::new(answer.body, permit)) })
}

fn told_by_sdk(answer: &GetObjectOutput) -> Told {
    let range = answer.content_range().and_then(ContentRange::parse);
    let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
    let expected = expected_of(|algorithm| match algorithm {
        Algorithm::Crc64Nvme => answer.checksum_crc64_nvme(),
        Algorithm::Crc32 => answer.checksum_crc32(),
        Algorithm::Crc32c => answer.checksum_crc32_c(),
        Algorithm::Sha1 => answer.checksum_sha1(),
        Algorithm::Sha256 => answer.checksum_sha256(),
    });
    Told {
        length,
        range,
        expected: expected.filter(|_| range.is_none()),
        stat: Stat {
            size: size_of_whole(range, length),
            last_modified: milliseconds(answer.last_modified()),
            etag: answer.e_tag.clone(),
            content_type: answer.content_type.clone(),
            content_encoding: answer.content_encoding.clone(),
            content_language: answer.content_language.clone(),
            content_disposition: answer.content_disposition.clone(),
            cache_control: answer.cache_control.clone(),
            expires: date(answer.expires_string()),
            version_id: answer.version_id.clone(),
            storage_class: answer.storage_class().map(|class| class.as_str().to_owned()),
            metadata: answer.metadata.clone().unwrap_or_default().into_iter().collect(),
        },
    }
}

fn size_of_whole(range: Option<ContentRange>, length: Option<u64>) -> u64 {
    match range {
        Some(ContentRange::Part { size: Some(size), .. }) => size,
        _ => length.unwrap_or_default(),
    }
}

/// The strongest checksum that is there. Those that combine come first.
fn expected_of<'a>(value: impl Fn(Algorithm) -> Option<&'a str>) -> Option<Expected> {
    [Algorithm::Crc64Nvme, Algorithm::Crc32c, Algorithm::Crc32, Algorithm::Sha256, Algorithm::Sha1]
        .into_iter()
        .find_map(|algorithm| Expected::parse(algorithm, value(algorithm)?))
}

/// What a head of the data plane tells.
pub(crate) fn told_by(head: &Head, with_stat: bool) -> Told {
    let text = |name: &str| head.get(name).map(str::to_owned);
    let range = head.get("content-range").and_then(ContentRange::parse);
    let length = head.content_length().ok().flatten();
    let last_modified = date(head.get("last-modified"));
    let expected = expected_of(|algorithm| head.get(algorithm.header()));
    // The checksum beside a part is the part's own, or that of the whole: nobody can tell.
    let expected = expected.filter(|_| range.is_none());
    let size = size_of_whole(range, length);
    if !with_stat {
        let etag = text("etag");
        let stat = Stat { size, last_modified, etag, ..Stat::default() };
        return Told { length, range, stat, expected };
    }
    let mut metadata = BTreeMap::new();
    for (name, value) in head.iter() {
        if let Some((prefix, name)) = name.split_at_checked(11)
            && prefix.eq_ignore_ascii_case("x-amz-meta-")
        {
            metadata.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
    Told {
        length,
        range,
        expected,
        stat: Stat {
            size,
            last_modified,
            etag: text("etag"),
            content_type: text("content-type"),
            content_encoding: text("content-encoding"),
            content_language: text("content-language"),
            content_disposition: text("content-disposition"),
            cache_control: text("cache-control"),
            expires: date(head.get("expires")),
            version_id: text("x-amz-version-id"),
            storage_class: text("x-amz-storage-class"),
            metadata,
        },
    }
}
