//! Sending the bytes of an object, or of a part of one, in one request.

use aws_smithy_types::base64;
use dipper_wire::{Algorithm, Head, InOrder};
use md5::{Digest as _, Md5};

use super::confirm::stored_as;
use super::write_options::{ChecksumOption, Headers, WriteOptions};
use crate::direct::{DETOURS, DirectRequest, Sent};
use crate::file::blocking;
use crate::metrics::{Meter, Transport};
use crate::plane::Answer as Reply;
use crate::request_body::RequestBody;
use crate::retry::Retries;
use crate::sdk_error::{About, Answered, message_of};
use crate::{Checksums, Client, Error, ObjectRef, Status};

/// Adds headers to a request of the SDK's, before it is signed.
macro_rules! with_headers {
    ($request:expr, $headers:expr) => {{
        let headers: $crate::upload::Headers = $headers.clone();
        $request.mutate_request(move |request| {
            for (name, value) in &headers {
                // They were checked where they were made.
                let _ = request.headers_mut().try_insert(name.clone().into_owned(), value.clone());
            }
        })
    }};
}
pub(crate) use with_headers;

/// The digest of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) algorithm: Algorithm,
    pub(super) digest: Vec<u8>,
}

impl Sum {
    /// As a header has it.
    pub(super) fn text(&self) -> String {
        base64::encode(&self.digest)
    }
}

/// Shorter bytes are summed where they are: to wake another thread takes as long.
const SUMMED_IN_PLACE: usize = 256 << 10;

/// Sums bytes, the longer ones and those of files away from the threads that serve the network.
async fn sum_of(body: &RequestBody, algorithm: Algorithm) -> Result<Sum, Error> {
    let all = body.clone();
    let summed = move || {
        let mut sum = InOrder::new(algorithm, None);
        all.look(|bytes| sum.update(bytes))?;
        Ok(Sum { algorithm, digest: sum.finish() })
    };
    match body {
        RequestBody::Memory(bytes) if bytes.len() <= SUMMED_IN_PLACE => summed(),
        _ => blocking(summed).await,
    }
}

/// The ETag that S3 gives to an object of these bytes, most often.
async fn etag_of(body: &RequestBody) -> Option<String> {
    let all = body.clone();
    let digest = blocking(move || {
        let mut digest = Md5::new();
        all.look(|bytes| digest.update(bytes))?;
        Ok(digest.finalize())
    });
    let digest: String = digest.await.ok()?.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("\"{digest}\""))
}

/// What a write is verified with, as far as it is known before anything is sent.
pub(super) fn algorithm_for(
    client: &Client,
    bucket: &str,
    wanted: ChecksumOption,
) -> Option<Algorithm> {
    match wanted {
        ChecksumOption::Only(algorithm) => Some(algorithm),
        ChecksumOption::Off => None,
        ChecksumOption::Auto => {
            let off = client.checksums() == Checksums::Off || client.takes_no_checksums(bucket);
            (!off).then_some(Algorithm::Crc64Nvme)
        }
    }
}

/// Whether a server refused a request because of the checksum that nobody asked for. It is
/// remembered, and the same request without one may succeed.
pub(super) fn refuses_checksum(
    client: &Client,
    bucket: &str,
    wanted: ChecksumOption,
    error: &Error,
) -> bool {
    let refused = wanted == ChecksumOption::Auto
        && matches!(error.status, Status::InvalidRequest | Status::Unsupported)
        && (error.status == Status::Unsupported
            || ["checksum", "x-amz-sdk-", "crc64"]
                .iter()
                .any(|word| error.message.to_ascii_lowercase().contains(word)));
    refused && client.learn_no_checksums(bucket)
}

/// Where bytes go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// To the object itself.
    Whole,
    /// To a part of an upload; the first has number 1.
    Part { upload_id: &'a str, number: u32 },
}

/// What a server tells of bytes that it stored.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    pub(super) etag: String,
    pub(super) version_id: Option<String>,
    pub(super) sum: Option<Sum>,
}

/// One request's worth of bytes, and where they go.
pub(super) struct Store<'a> {
    pub(super) client: &'a Client,
    pub(super) object: &'a ObjectRef,
    pub(super) place: Place<'a>,
    pub(super) headers: &'a Headers,
    /// What the write says; for the conditions of a whole object.
    pub(super) options: &'a WriteOptions,
    pub(super) body: RequestBody,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) meter: &'a Meter,
}

impl Store<'_> {
    /// Sends the bytes until the server has them, or trying again does not help.
    pub(super) async fn run(&self) -> Result<Stored, Error> {
        let sum = match self.algorithm {
            Some(algorithm) => Some(sum_of(&self.body, algorithm).await?),
            None => None,
        };
        let mut retries = Retries::new(self.client.retry_budget(), self.client.retries());
        let mut unclear = false;
        let mut stored = loop {
            match self.send(sum.as_ref()).await {
                Ok(stored) => break stored,
                Err(error) => {
                    // The object that is in the way may be this one: its answer was lost.
                    if error.status == Status::PreconditionFailed
                        && (unclear || self.meter.was_resent())
                        && let Some(stored) = self.stored_before(sum.as_ref()).await
                    {
                        break stored;
                    }
                    unclear |= error.status.retryable();
                    if error.status == Status::SlowDown
                        && let Ok(Some(site)) = self.client.site(&self.object.bucket).await
                    {
                        site.host.upload_pace.slow_down();
                    }
                    retries.after(error).await?;
                    self.meter.retry();
                }
            }
        };
        self.meter.arrived(usize::try_from(self.body.len()).unwrap_or(usize::MAX));
        self.meter.part();
        if let Some(sum) = &sum {
            self.meter.verified(sum.algorithm);
        }
        stored.sum = sum;
        Ok(stored)
    }

    async fn stored_before(&self, sum: Option<&Sum>) -> Option<Stored> {
        match self.place {
            Place::Part { .. } => None,
            Place::Whole => {
                let etag = etag_of(&self.body).await;
                let size = self.body.len();
                stored_as(self.client, self.object, self.options, size, sum, || etag).await
            }
        }
    }

    async fn send(&self, sum: Option<&Sum>) -> Result<Stored, Error> {
        let client = self.client;
        let length = self.body.len().to_string();
        let text = sum.map(Sum::text);
        let mut headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
        headers.push(("content-length", &length));
        if let (Some(sum), Some(text)) = (sum, &text) {
            headers.push((sum.algorithm.header(), text));
        }
        let number = self.number().to_string();
        let query = match self.place {
            Place::Whole => Vec::new(),
            Place::Part { upload_id, .. } => {
                vec![("partNumber", &*number), ("uploadId", upload_id)]
            }
        };
        let request = DirectRequest {
            method: "PUT",
            bucket: &self.object.bucket,
            key: Some(&self.object.key),
            query,
            headers: &headers,
            body: self.body.clone(),
            ahead: 0,
        };
        for _ in 0..DETOURS {
            let connected = client.connected().await?;
            let Some(site) = client.site(&self.object.bucket).await? else { break };
            let about = self.about(connected);
            let (head, reply) = match request.send(&about, &site, self.meter).await? {
                Sent::Answer(head, reply) => (head, reply),
                Sent::Again => continue,
            };
            self.meter.took(Transport::Direct);
            return self.told(&about, &head, reply, sum).await;
        }
        self.send_by_sdk(sum, text).await
    }

    fn about<'b>(&'b self, connected: &'b crate::client::Connected) -> About<'b> {
        let ObjectRef { bucket, key, .. } = self.object;
        About { client: self.client, connected, bucket: Some(bucket), key: Some(key) }
    }

    fn number(&self) -> u32 {
        match self.place {
            Place::Whole => 0,
            Place::Part { number, .. } => number,
        }
    }

    async fn told(
        &self,
        about: &About<'_>,
        head: &Head,
        reply: Reply,
        sum: Option<&Sum>,
    ) -> Result<Stored, Error> {
        // Read, so that the connection is used again; and success may turn out to be none.
        let message = reply.message(self.client.stall_timeout()).await;
        if let (Some(code), text) = message_of(&message) {
            return Err(about.of_answer(Answered::of(head, 500, Some(code), text)));
        }
        let text = |name: &str| head.get(name).map(str::to_owned);
        let Some(etag) = text("etag") else { return Err(about.without_etag("no ETag")) };
        if let Some(sum) = sum {
            self.compare(sum, head.get(sum.algorithm.header()))?;
        }
        Ok(Stored { etag, version_id: text("x-amz-version-id"), sum: None })
    }

    /// What a server tells to have stored has to be what was sent.
    fn compare(&self, sum: &Sum, told: Option<&str>) -> Result<(), Error> {
        // A checksum of checksums says nothing of these bytes.
        if told.is_none_or(|told| told == sum.text() || told.contains('-')) {
            return Ok(());
        }
        let ObjectRef { bucket, key, .. } = self.object;
        Err(Error::new(
            Status::ChecksumMismatch,
            format!(
                "the server stored other bytes for s3://{bucket}/{key} than were sent: the {} differ",
                sum.algorithm.name()
            ),
        )
        .hint("write it again; if that does not help, a machine on the way damages bytes"))
    }

    async fn send_by_sdk(&self, sum: Option<&Sum>, text: Option<String>) -> Result<Stored, Error> {
        let client = self.client;
        let connected = client.connected().await?;
        let about = self.about(connected);
        let _permit = client.sdk_permit().await;
        self.meter.write_request();
        self.meter.took(Transport::Sdk);
        let ObjectRef { bucket, key, .. } = self.object;
        let told =
            |algorithm| text.clone().filter(|_| sum.is_some_and(|sum| sum.algorithm == algorithm));
        macro_rules! answer_to {
            ($request:expr) => {{
                let mut renewed = false;
                loop {
                    // Made anew each time: a request that has a body cannot be cloned.
                    let request = $request
                        .bucket(bucket)
                        .key(key)
                        .body(self.body.for_sdk())
                        .set_checksum_crc64_nvme(told(Algorithm::Crc64Nvme))
                        .set_checksum_crc32(told(Algorithm::Crc32))
                        .set_checksum_crc32_c(told(Algorithm::Crc32c))
                        .set_checksum_sha1(told(Algorithm::Sha1))
                        .set_checksum_sha256(told(Algorithm::Sha256));
                    let once = client.once(connected, bucket);
                    let request = request.customize().config_override(once);
                    match with_headers!(request, self.headers).send().await {
                        Err(error) if about.has_moved(&error) => self.meter.retry(),
                        Err(error) if !renewed && about.may_renew(&error) => {
                            renewed = true;
                            self.meter.retry();
                        }
                        answer => break answer.map_err(|error| about.error(error))?,
                    }
                }
            }};
        }
        macro_rules! stored {
            ($answer:expr, $version:expr) => {{
                let Some(etag) = $answer.e_tag.clone() else {
                    return Err(about.without_etag("no ETag"));
                };
                if let Some(sum) = sum {
                    self.compare(
                        sum,
                        match sum.algorithm {
                            Algorithm::Crc64Nvme => $answer.checksum_crc64_nvme(),
                            Algorithm::Crc32 => $answer.checksum_crc32(),
                            Algorithm::Crc32c => $answer.checksum_crc32_c(),
                            Algorithm::Sha1 => $answer.checksum_sha1(),
                            Algorithm::Sha256 => $answer.checksum_sha256(),
                        },
                    )?;
                }
                Ok(Stored { etag, version_id: $version, sum: None })
            }};
        }
        match self.place {
            Place::Whole => {
                let answer = answer_to!(connected.s3.put_object());
                stored!(answer, answer.version_id.clone())
            }
            Place::Part { upload_id, number } => {
                let number = i32::try_from(number).unwrap_or(i32::MAX);
                let answer =
                    answer_to!(connected.s3.upload_part().upload_id(upload_id).part_number(number));
                stored!(answer, None)
            }
        }
    }
}
