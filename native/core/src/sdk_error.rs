//! Turns what the SDK reports into dipper's errors: one status, one sentence, one remedy.

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use aws_smithy_http::endpoint::ResolveEndpointError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use aws_smithy_xml::decode::{Document, try_data};
use dipper_wire::Head;

use crate::asked_region::asked_region;
use crate::client::{Client, Connected, is_arn};
use crate::gate::{HostRefused, WebPage};
use crate::plane::ExchangeError;
use crate::stall_guard::BodyStalled;
use crate::{Error, Status};

/// A request of the SDK's, sent to the region that its bucket turned out to live in.
#[macro_export]
#[doc(hidden)]
macro_rules! elsewhere {
    ($client:expr, $bucket:expr, $request:expr) => {{
        let request = $request.customize();
        match $client.override_for($bucket) {
            Some(changed) => request.config_override(changed),
            None => request,
        }
    }};
}

/// The answer to a request of the SDK's, which is made and sent anew while its bucket turns out to
/// live elsewhere. What follows the request is done each time.
#[macro_export]
#[doc(hidden)]
macro_rules! answered {
    ($about:expr, $request:expr $(, $again:expr)?) => {
        loop {
            match $request.send().await {
                Err(error) if $about.has_moved(&error) => { $($again;)? }
                answer => break answer,
            }
        }
    };
}

/// What an operation was about, for messages.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) client: &'a Client,
    pub(crate) connected: &'a Connected,
    /// `None` for what concerns the whole account.
    pub(crate) bucket: Option<&'a str>,
    /// `None` for what concerns a bucket.
    pub(crate) key: Option<&'a str>,
}

impl About<'_> {
    pub(crate) fn uri(&self) -> Option<String> {
        let bucket = self.bucket?;
        Some(match self.key {
            Some(key) => format!("s3://{bucket}/{key}"),
            None => format!("s3://{bucket}/"),
        })
    }

    fn subject(&self) -> String {
        self.uri().unwrap_or_else(|| "the account".to_owned())
    }

    /// The error for what the SDK reports.
    pub(crate) fn error<E>(&self, error: SdkError<E, HttpResponse>) -> Error
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let mut told = self.told(&error);
        if let Some(uri) = self.uri() {
            told = told.about(uri);
        }
        told
    }

    fn told<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let action = action_of(std::any::type_name::<E>());
        match error {
            SdkError::ServiceError(answer) => {
                let (raw, told) = (answer.raw(), answer.err());
                let code = told.code().map(str::to_owned);
                let message = told.message().map(str::to_owned);
                let status = raw.status().as_u16();
                self.of_answer(Answered { action, ..Answered::by(raw, status, code, message) })
            }
            SdkError::ResponseError(answer) => {
                let raw = answer.raw();
                // A success may turn out to be none: its head is sent before the work is done.
                if let (Some(code), message) = message_of(raw.body().bytes().unwrap_or_default()) {
                    let told = Answered::by(raw, 500, Some(code), message);
                    return self.of_answer(Answered { action, ..told });
                }
                let cause: &(dyn StdError + 'static) = error;
                self.broken(cause).unwrap_or_else(|| self.not_s3(raw.status().as_u16()))
            }
            SdkError::TimeoutError(_) => self.too_late(),
            SdkError::DispatchFailure(failure) => {
                let cause: &(dyn StdError + 'static) = error;
                match failure.as_connector_error() {
                    Some(connector) if connector.is_timeout() => self.too_late(),
                    _ => self.unreachable(cause),
                }
            }
            SdkError::ConstructionFailure(_) => {
                let cause = deepest(error);
                Error::invalid(format!(
                    "the request for {} cannot be made: {cause}",
                    self.subject()
                ))
            }
            other => self.unreachable(other),
        }
    }

    /// Whether the server told that the bucket lives in another region than the one asked.
    /// Then the next request goes there.
    pub(crate) fn has_moved<E>(&self, error: &SdkError<E, HttpResponse>) -> bool {
        let (SdkError::ServiceError(_) | SdkError::ResponseError(_)) = error else { return false };
        let (Some(bucket), Some(raw)) = (self.bucket, error.raw_response()) else { return false };
        if !matches!(raw.status().as_u16(), 301 | 307 | 400) {
            return false;
        }
        let told = raw.headers().get("x-amz-bucket-region").map(str::to_owned);
        let Some(region) = told.or_else(|| region_in(raw.body().bytes().unwrap_or_default()))
        else {
            return false;
        };
        let known = self.client.region_of(bucket);
        let asked = asked_region(raw).or(known.as_deref()).unwrap_or(&self.connected.region);
        self.client.learn_region(bucket, &region, asked)
    }

    /// Whether the server calls the credentials expired and their source may give others. Those
    /// that were sent are forgotten by then (`expired_token.rs`).
    pub(crate) fn may_renew<E>(&self, error: &SdkError<E, HttpResponse>) -> bool
    where
        E: ProvideErrorMetadata,
    {
        error.code() == Some("ExpiredToken")
            && self.connected.credentials.as_ref().is_some_and(|cache| cache.may_change())
    }

    /// The answer's body stopped or broke in the middle, if that is what happened.
    fn broken(&self, error: &(dyn StdError + 'static)) -> Option<Error> {
        let (place, subject) = (&self.connected.place, self.subject());
        if let Some(BodyStalled(after)) = find::<BodyStalled>(error) {
            return Some(
                Error::new(
                    Status::Stalled,
                    format!(
                        "{place} fell silent for {} ms in its answer about {subject}",
                        after.as_millis()
                    ),
                )
                .hint("check the network, or raise stallTimeout"),
            );
        }
        let text = whole(error);
        let broken = find::<std::io::Error>(error).is_some()
            || ["message completed", "end of file", "connection closed", "reset", "body error"]
                .iter()
                .any(|sign| text.contains(sign));
        broken.then(|| {
            Error::new(
                Status::ConnectionBroken,
                format!(
                    "the connection to {place} broke in its answer about {subject}: {}",
                    deepest(error)
                ),
            )
            .hint("try again")
        })
    }

    fn too_late(&self) -> Error {
        Error::new(
            Status::Timeout,
            format!("{} did not answer in time about {}", self.connected.place, self.subject()),
        )
        .hint("check the network and the endpoint, or raise connectTimeout or stallTimeout")
    }

    /// The connection could not be made or broke before an answer.
    pub(crate) fn unreachable(&self, error: &(dyn StdError + 'static)) -> Error {
        let place = &self.connected.place;
        if let Some(refused) = find::<HostRefused>(error) {
            return not_allowed(&refused.host);
        }
        if find::<WebPage>(error).is_some() {
            return self.without_etag("a web page");
        }
        if let Some(failed) = find::<Error>(error) {
            return self.without_credentials(failed.clone());
        }
        let cause = deepest(error);
        let text = whole(error);
        if let Some(refused) = find::<ResolveEndpointError>(error) {
            return Error::invalid(format!("there is no host for {}: {refused}", self.subject()))
                .hint("check the bucket and the options that choose a host: region, accelerate, fips, dualStack");
        }
        if text.contains("was not a valid URI") {
            return crate::client::bad_endpoint();
        }
        if text.contains("failed to lookup address") || text.contains("dns error") {
            return unknown_host(place);
        }
        if text.contains("invalid peer certificate") || text.contains("certificate") {
            return not_trusted(place, &cause);
        }
        // There was a connection. What was asked for may have been done.
        let broke = find::<std::io::Error>(error).is_some_and(|error| {
            use std::io::ErrorKind::{
                BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof,
            };
            matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        });
        if broke || text.contains("connection closed before message completed") {
            return Error::new(
                Status::ConnectionBroken,
                format!("the connection to {place} broke before an answer: {cause}"),
            )
            .hint("try again");
        }
        not_reached(place, &cause)
    }

    /// The data plane has no answer.
    pub(crate) fn of_exchange(&self, error: ExchangeError) -> Error {
        let told = match error {
            ExchangeError::ConnectTimeout | ExchangeError::Stalled(_) => self.too_late(),
            error => exchange_error(error, &self.connected.place),
        };
        match self.uri() {
            Some(uri) => told.about(uri),
            None => told,
        }
    }

    /// There are no credentials to sign with.
    pub(crate) fn without_credentials(&self, failed: Error) -> Error {
        let message = format!("{} for {}", failed.message, self.subject());
        Error { message, ..failed }
    }

    /// Every S3 server gives an object's ETag.
    pub(crate) fn without_etag(&self, what: &str) -> Error {
        Error::new(
            Status::NotS3,
            format!(
                "{} answers about {} with {what}, not as an S3 server does",
                self.connected.place,
                self.subject()
            ),
        )
        .hint("check that endpoint is the S3 address of the service, not its web page")
    }

    fn not_s3(&self, status: u16) -> Error {
        let mut error = Error::new(
            Status::NotS3,
            format!(
                "{} answers with HTTP {} but not as an S3 server does",
                self.connected.place, status
            ),
        )
        .hint("check that endpoint is the S3 address of the service, not its web page");
        error.http_status = Some(status);
        error
    }

    /// The server answers with an error.
    pub(crate) fn of_answer(&self, answered: Answered) -> Error {
        let mut told = self.answered(answered);
        if let Some(uri) = self.uri() {
            told = told.about(uri);
        }
        told
    }

    fn answered(&self, answered: Answered) -> Error {
        let Answered {
            action,
            status: http_status,
            code,
            message,
            request_id,
            region,
            server,
            date,
        } = answered;
        let (code, message) = (code.as_deref(), message.as_deref());
        if (200..300).contains(&http_status) && code.is_none() {
            // Success, with a head that makes no sense.
            return self.not_s3(http_status);
        }
        // An answer that began before its end was known, and ended with an error.
        let http_status = if (200..300).contains(&http_status) { 500 } else { http_status };
        let looks_like_s3 = request_id.is_some()
            || code.is_some()
            || server.is_some_and(|server| server.contains("S3"));
        if !looks_like_s3 && !matches!(http_status, 304 | 401 | 403 | 404 | 412 | 416 | 429 | 500..)
        {
            return self.not_s3(http_status);
        }
        let place = &self.connected.place;
        let subject = self.subject();
        let bucket = self.bucket.unwrap_or_default();
        let region = region.as_deref();
        let (status, what, hint) = match (code.unwrap_or_default(), http_status) {
            ("NoSuchKey", _) => (
                Status::NoSuchKey,
                format!("{subject} does not exist at {place}"),
                Some(format!("list s3://{bucket}/ to see its keys")),
            ),
            ("NoSuchBucket", _) => (
                Status::NoSuchBucket,
                format!("the bucket {bucket} of {subject} does not exist at {place}"),
                Some("check the bucket's name and the endpoint; buckets() lists yours".to_owned()),
            ),
            ("InvalidAccessKeyId" | "XAdminUserNotFound", _) => (
                Status::InvalidAccessKey,
                format!("{place} does not know the access key used for {subject}"),
                Some("check accessKeyId and that the endpoint is the one it belongs to".to_owned()),
            ),
            ("SignatureDoesNotMatch", _) => (
                Status::WrongSignature,
                format!("{place} refuses the signature of the request for {subject}"),
                Some(
                    "check secretAccessKey and region; the key id is known, the secret differs"
                        .to_owned(),
                ),
            ),
            ("RequestTimeTooSkewed", _) => (
                Status::Expired,
                match date.as_deref().and_then(skew) {
                    Some(skew) => format!(
                        "{place} refuses the request for {subject}: this machine's clock is {skew}"
                    ),
                    None => format!(
                        "{place} refuses the request for {subject}: this machine's clock is wrong"
                    ),
                },
                Some("set this machine's clock".to_owned()),
            ),
            ("ExpiredToken" | "TokenRefreshRequired", _) => (
                Status::Expired,
                format!("{place} calls the credentials for {subject} expired"),
                Some("renew the session, and check this machine's clock".to_owned()),
            ),
            (
                "PermanentRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException",
                _,
            )
            | (_, 301 | 302 | 303 | 307 | 308) => (
                Status::WrongRegion,
                match region {
                    Some(region) => format!(
                        "the bucket of {subject} lives in region {region}, not {}",
                        self.connected.region
                    ),
                    None => format!(
                        "the bucket of {subject} lives in another region than {}",
                        self.connected.region
                    ),
                },
                Some(match region {
                    Some(region) => format!("pass region: \"{region}\""),
                    None => "pass the bucket's own region".to_owned(),
                }),
            ),
            ("InvalidRange", _) | (_, 416) => {
                (Status::InvalidRange, format!("the range lies outside {subject}"), None)
            }
            ("PreconditionFailed" | "ConditionalRequestConflict", _) | (_, 412 | 304) => (
                Status::PreconditionFailed,
                format!("the condition on {subject} does not hold at {place}"),
                Some("stat() tells the object's present etag".to_owned()),
            ),
            ("BucketNotEmpty", _) => (
                Status::BucketNotEmpty,
                format!("the bucket {bucket} still holds objects"),
                Some("delete its objects first".to_owned()),
            ),
            ("BucketAlreadyExists" | "BucketAlreadyOwnedByYou", _) => (
                Status::BucketUnavailable,
                format!("the bucket {bucket} exists already at {place}"),
                Some("choose another name, or use the bucket as it is".to_owned()),
            ),
            ("InvalidBucketName", _) => (
                Status::BucketUnavailable,
                format!("{bucket:?} is not a valid bucket name"),
                Some("3 to 63 lower-case letters, digits, dots and hyphens".to_owned()),
            ),
            ("BadDigest" | "XAmzContentSHA256Mismatch" | "InvalidDigest", _) => (
                Status::ChecksumMismatch,
                format!("the bytes of {subject} changed on their way to {place}"),
                None,
            ),
            ("NotImplemented", _) | (_, 501) => (
                Status::Unsupported,
                format!("{place} does not support this operation on {subject}"),
                None,
            ),
            ("SlowDown" | "TooManyRequests" | "ThrottlingException", _) | (_, 429) => (
                Status::SlowDown,
                format!("{place} asks to slow down"),
                Some("try again later, or send less at once".to_owned()),
            ),
            ("InvalidObjectState", _) => (
                Status::AccessDenied,
                format!("{subject} is archived and cannot be read before it is restored"),
                Some(format!(
                    "run: aws s3api restore-object --bucket {} --key {} \
                     --restore-request Days=1, and read it some hours later",
                    shell_word(bucket),
                    shell_word(self.key.unwrap_or_default())
                )),
            ),
            (_, 401 | 403) => {
                let Refusal { what, mut hint } = self.refused(action, message);
                // To a HEAD nobody says why.
                if code.is_none()
                    && let Some(skew) = date.as_deref().and_then(large_skew)
                {
                    hint = format!("set this machine's clock, which is {skew}; {hint}");
                }
                (Status::AccessDenied, what, Some(hint))
            }
            (code, 404) if code.is_empty() || code == "NotFound" || code.starts_with("NoSuch") => (
                Status::NotFound,
                format!("{subject} does not exist at {place}"),
                Some(match self.key {
                    Some(_) => {
                        format!("list s3://{bucket}/ to see its keys, buckets() to see the buckets")
                    }
                    None => "buckets() lists the buckets".to_owned(),
                }),
            ),
            (_, 500..) => (Status::ServerFailure, format!("{place} failed at {subject}"), None),
            _ => (
                Status::InvalidRequest,
                format!(
                    "{place} refuses the request for {subject}: {}",
                    self.client.without_secrets(message.or(code).unwrap_or("no reason given"))
                ),
                None,
            ),
        };
        let id = request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default();
        let mut error = Error::new(status, format!("{what}{id}"));
        error.http_status = Some(http_status);
        error.request_id = request_id;
        error.hint = hint;
        error
    }
}

/// Why access was refused, and what to do.
struct Refusal {
    what: String,
    hint: String,
}

impl About<'_> {
    /// S3 says "Access Denied" and no more, whatever is missing.
    fn refused(&self, action: Option<&str>, message: Option<&str>) -> Refusal {
        let (place, subject) = (&self.connected.place, self.subject());
        let unsigned = self.connected.credentials.is_none();
        let who = if unsigned { "unsigned requests" } else { "these credentials" };
        // AWS may name who lacks what.
        let words = message.filter(|words| words.contains("not authorized"));
        let words = words.map(|words| format!(": {}", self.client.without_secrets(words)));
        let Some(action) = action else {
            return Refusal {
                what: format!(
                    "{place} refuses {who} access to {subject}{}",
                    words.unwrap_or_default()
                ),
                hint: "check the policy of the bucket and of the caller".to_owned(),
            };
        };
        let resource = match (self.bucket, self.key) {
            (Some(arn), None) if is_arn(arn) => arn.to_owned(),
            (Some(arn), Some(key)) if is_arn(arn) => format!("{arn}/object/{key}"),
            (Some(bucket), Some(key)) => format!("arn:aws:s3:::{bucket}/{key}"),
            (Some(bucket), None) => format!("arn:aws:s3:::{bucket}"),
            (None, _) => "*".to_owned(),
        };
        let mut hint = format!(
            "check the policy of the bucket and of the caller: they must allow {action} on {resource}"
        );
        if let (Some(bucket), Some(_)) = (self.bucket, self.key) {
            let read = action.starts_with("s3:Get");
            let needs = if read { "kms:Decrypt" } else { "kms:GenerateDataKey" };
            hint.push_str(&format!("; an object under a KMS key needs {needs} on that key, too"));
            if read {
                hint.push_str(", an archived one has to be restored first");
                hint.push_str(&format!(
                    ", and one that is not there is refused to who may not s3:ListBucket {bucket}"
                ));
            }
        }
        if unsigned {
            hint.push_str("; unsigned requests reach only what is public: pass credentials");
        } else if !self.client.requester_pays() {
            hint.push_str("; a bucket whose requester pays needs requesterPays: true");
        }
        Refusal {
            what: format!(
                "{place} refuses {who} {action} on {subject}{}",
                words.unwrap_or_default()
            ),
            hint,
        }
    }
}

/// What an operation of the SDK's needs to be allowed, by the name of its error's type.
fn action_of(name: &str) -> Option<&'static str> {
    let operation = name.rsplit("::").next()?.strip_suffix("Error")?;
    Some(match operation {
        "GetObject" | "HeadObject" => "s3:GetObject",
        "PutObject"
        | "CopyObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload" => "s3:PutObject",
        "AbortMultipartUpload" => "s3:AbortMultipartUpload",
        "ListParts" => "s3:ListMultipartUploadParts",
        "ListMultipartUploads" => "s3:ListBucketMultipartUploads",
        "DeleteObject" | "DeleteObjects" => "s3:DeleteObject",
        "ListObjectsV2" | "ListObjects" | "HeadBucket" => "s3:ListBucket",
        "ListObjectVersions" => "s3:ListBucketVersions",
        "ListBuckets" => "s3:ListAllMyBuckets",
        "CreateBucket" => "s3:CreateBucket",
        "DeleteBucket" => "s3:DeleteBucket",
        "GetBucketLocation" => "s3:GetBucketLocation",
        "GetObjectTagging" => "s3:GetObjectTagging",
        "PutObjectTagging" => "s3:PutObjectTagging",
        "DeleteObjectTagging" => "s3:DeleteObjectTagging",
        "PutBucketVersioning" => "s3:PutBucketVersioning",
        "GetObjectAttributes" => "s3:GetObjectAttributes",
        "RestoreObject" => "s3:RestoreObject",
        "CreateSession" => "s3express:CreateSession",
        _ => return None,
    })
}

/// The same for a request of the data plane.
pub(crate) fn action_of_request(
    method: &str,
    has_key: bool,
    query: &[(&str, &str)],
) -> Option<&'static str> {
    let asks = |name: &str| query.iter().any(|(known, _)| *known == name);
    Some(match (method, has_key) {
        ("GET" | "HEAD", true) if asks("uploadId") => "s3:ListMultipartUploadParts",
        ("GET" | "HEAD", true) if asks("versionId") => "s3:GetObjectVersion",
        ("GET" | "HEAD", true) => "s3:GetObject",
        ("PUT" | "POST", true) => "s3:PutObject",
        ("DELETE", true) if asks("uploadId") => "s3:AbortMultipartUpload",
        ("DELETE", true) if asks("versionId") => "s3:DeleteObjectVersion",
        ("DELETE", true) => "s3:DeleteObject",
        ("GET", false) if asks("uploads") => "s3:ListBucketMultipartUploads",
        ("GET", false) if asks("versions") => "s3:ListBucketVersions",
        ("GET" | "HEAD", false) => "s3:ListBucket",
        ("POST", false) if asks("delete") => "s3:DeleteObject",
        _ => return None,
    })
}

/// An answer that is an error, by whichever way it came.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// What the request needs to be allowed, as policies name it.
    pub(crate) action: Option<&'static str>,
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) server: Option<String>,
    /// When the server thinks that it is.
    pub(crate) date: Option<String>,
}

impl Answered {
    /// By the SDK's client.
    fn by(raw: &HttpResponse, status: u16, code: Option<String>, message: Option<String>) -> Self {
        let header = |name: &str| raw.headers().get(name).map(str::to_owned);
        Self {
            action: None,
            status,
            code,
            message,
            request_id: raw.request_id().map(str::to_owned).or_else(|| header("x-amz-request-id")),
            region: header("x-amz-bucket-region")
                .or_else(|| region_in(raw.body().bytes().unwrap_or_default())),
            server: header("server"),
            date: header("date"),
        }
    }

    pub(crate) fn of(
        head: &Head,
        status: u16,
        code: Option<String>,
        message: Option<String>,
    ) -> Self {
        let text = |name: &str| head.get(name).map(str::to_owned);
        Self {
            action: None,
            status,
            code,
            message,
            request_id: text("x-amz-request-id"),
            region: text("x-amz-bucket-region"),
            server: text("server"),
            date: text("date"),
        }
    }
}

/// The code and the message of an error in S3's XML.
pub(crate) fn message_of(body: &[u8]) -> (Option<String>, Option<String>) {
    let [code, message] = texts_in(body, ["Code", "Message"]);
    (code.filter(|code| !code.is_empty()), message)
}

/// The region that an error in S3's XML says the bucket lives in. Not every server says it in a
/// header, too.
pub(crate) fn region_in(body: &[u8]) -> Option<String> {
    let [code, region] = texts_in(body, ["Code", "Region"]);
    let moved = ["AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect"];
    region
        .filter(|region| !region.is_empty() && moved.contains(&code.as_deref().unwrap_or_default()))
}

/// What elements of an error in S3's XML hold.
fn texts_in<const N: usize>(body: &[u8], names: [&str; N]) -> [Option<String>; N] {
    let mut texts = [const { None }; N];
    let Ok(text) = std::str::from_utf8(body) else { return texts };
    let mut document = Document::new(text);
    let Ok(mut root) = document.root_element() else { return texts };
    if root.start_el().local() != "Error" {
        return texts;
    }
    while let Some(mut tag) = root.next_tag() {
        let place = names.iter().position(|name| *name == tag.start_el().local());
        if let Some(place) = place.and_then(|place| texts.get_mut(place)) {
            *place = try_data(&mut tag).ok().map(|text| text.trim().to_owned());
        }
    }
    texts
}

/// S3 refuses signatures that are this far off.
const LARGE_SKEW: Duration = Duration::from_secs(15 * 60);

/// By how much the clocks differ, where that is reason enough to refuse a signature.
fn large_skew(date: &str) -> Option<String> {
    let theirs = httpdate::parse_http_date(date).ok()?;
    let difference = match SystemTime::now().duration_since(theirs) {
        Ok(ahead) => ahead,
        Err(behind) => behind.duration(),
    };
    (difference > LARGE_SKEW).then(|| skew(date)).flatten()
}

/// By how much this machine's clock differs from a server's.
fn skew(date: &str) -> Option<String> {
    let theirs = httpdate::parse_http_date(date).ok()?;
    let (difference, word) = match SystemTime::now().duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead of the server's"),
        Err(behind) => (behind.duration(), "behind the server's"),
    };
    Some(format!("{} {word}", in_words(difference)))
}

fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

pub(crate) fn not_allowed(host: &str) -> Error {
    Error::new(Status::PermissionDenied, format!("Deno's permissions do not allow to reach {host}"))
        .hint(format!("run with --allow-net={host}"))
}

/// A text as one word of a command that somebody may copy into a shell.
pub(crate) fn shell_word(text: &str) -> String {
    // A NUL is in no command line.
    let text = text.replace('\0', "\u{fffd}");
    shlex::try_quote(&text).map(|word| word.into_owned()).unwrap_or_default()
}

fn unknown_host(place: &str) -> Error {
    Error::new(Status::UnknownHost, format!("the host of {place} does not resolve"))
        .hint("check the spelling of the address and the network")
}

fn not_trusted(place: &str, cause: &str) -> Error {
    Error::new(Status::TlsFailed, format!("the certificate of {place} is not trusted: {cause}"))
        .hint(
            "pass the authority's certificate as caCertificates, or name its file in AWS_CA_BUNDLE",
        )
}

fn not_reached(place: &str, cause: &str) -> Error {
    Error::new(Status::ConnectionFailed, format!("{place} cannot be reached: {cause}"))
        .hint("check that the server runs and that its address names its host and port")
}

/// The error for a request of a general HTTP client that has no answer.
pub(crate) fn connector_error(error: &(dyn StdError + 'static), place: &str) -> Error {
    if let Some(refused) = find::<HostRefused>(error) {
        return not_allowed(&refused.host);
    }
    let (text, cause) = (whole(error), deepest(error));
    if text.contains("failed to lookup address") || text.contains("dns error") {
        return unknown_host(place);
    }
    if text.contains("certificate") {
        return not_trusted(place, &cause);
    }
    if text.contains("timeout") || text.contains("timed out") {
        return exchange_error(ExchangeError::ConnectTimeout, place);
    }
    not_reached(place, &cause)
}

/// The error for a request of the data plane that has no answer.
pub(crate) fn exchange_error(error: ExchangeError, place: &str) -> Error {
    match error {
        ExchangeError::Refused(refused) => not_allowed(&refused.host),
        ExchangeError::ConnectTimeout => {
            Error::new(Status::Timeout, format!("{place} cannot be reached in time"))
                .hint("check the network and the address, or raise connectTimeout")
        }
        ExchangeError::Stalled(after) => Error::new(
            Status::Timeout,
            format!("{place} did not answer within {} ms", after.as_millis()),
        )
        .hint("check the network, or raise stallTimeout"),
        ExchangeError::Connect(error) => not_reached(place, &error.to_string()),
        ExchangeError::UnknownHost => unknown_host(place),
        ExchangeError::Tls(cause) => not_trusted(place, &cause),
        ExchangeError::ClosedUnanswered => {
            Error::new(Status::ConnectionBroken, format!("{place} closes without an answer"))
                .hint("try again")
        }
        ExchangeError::Broken(error) => Error::new(
            Status::ConnectionBroken,
            format!("the connection to {place} broke before an answer: {error}"),
        )
        .hint("try again"),
        ExchangeError::Malformed(why) => {
            Error::new(Status::NotS3, format!("the answer of {place} makes no sense: {why}"))
                .hint("check that the address is that of the service")
        }
        ExchangeError::Internal(error) => error,
    }
}

/// The first error of a type on the way down the chain of causes.
pub(crate) fn find<'a, T: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Steps of the credential chain that were not allowed, as a message ends.
pub(crate) fn withheld(skipped: &[String]) -> String {
    match skipped {
        [] => String::new(),
        skipped => format!("; not allowed to look at: {}", skipped.join(", ")),
    }
}

/// Why a provider of credentials failed, in the words of whoever said so, and not too long.
pub(crate) fn reason(error: &(dyn StdError + 'static)) -> String {
    let mut told = None;
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(metadata) = error.downcast_ref::<ErrorMetadata>() {
            told = Some(match (metadata.code(), metadata.message()) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(text), None) | (None, Some(text)) => text.to_owned(),
                (None, None) => deepest(error),
            });
        }
        next = error.source();
    }
    let text = told.unwrap_or_else(|| deepest(error));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The last cause: the one that says what happened.
pub(crate) fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

pub(crate) fn whole(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_from_xml() {
        let body = b"<?xml version=\"1.0\"?>\n<Error><Code>SlowDown</Code><Message>a &amp; b</Message></Error>";
        assert_eq!(message_of(body), (Some("SlowDown".into()), Some("a & b".into())));
        for body in ["", "<html></html>", "<Error>", "<Error><Code></Code></Error>", "{}"] {
            assert_eq!(message_of(body.as_bytes()).0, None, "{body}");
        }
    }

    #[test]
    fn regions_are_read_from_xml() {
        let of = |code: &str| {
            format!("<Error><Code>{code}</Code><Region>eu-west-1</Region></Error>").into_bytes()
        };
        assert_eq!(region_in(&of("AuthorizationHeaderMalformed")).as_deref(), Some("eu-west-1"));
        assert_eq!(region_in(&of("AccessDenied")), None);
        assert_eq!(region_in(b"<Error><Code>PermanentRedirect</Code></Error>"), None);
    }

    #[test]
    fn actions_follow_from_the_operation() {
        use aws_sdk_s3::operation::copy_object::CopyObjectError;
        use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error;
        assert_eq!(action_of(std::any::type_name::<ListObjectsV2Error>()), Some("s3:ListBucket"));
        assert_eq!(action_of(std::any::type_name::<CopyObjectError>()), Some("s3:PutObject"));
        assert_eq!(action_of("x::OtherError"), None);
        assert_eq!(action_of_request("HEAD", true, &[]), Some("s3:GetObject"));
        let upload = [("partNumber", "1"), ("uploadId", "u")];
        assert_eq!(action_of_request("PUT", true, &upload), Some("s3:PutObject"));
        assert_eq!(action_of_request("DELETE", true, &upload), Some("s3:AbortMultipartUpload"));
        assert_eq!(action_of_request("GET", false, &[("list-type", "2")]), Some("s3:ListBucket"));
    }

    #[test]
    fn commands_hold_names_as_single_words() {
        assert_eq!(shell_word("dir/key.csv"), "dir/key.csv");
        for text in ["$(rm -rf ~)", "a b", "it's", "`x`", "a\nb", "", "\0"] {
            let word = shell_word(text);
            assert_eq!(shlex::split(&word), Some(vec![text.replace('\0', "\u{fffd}")]), "{word}");
        }
    }

    #[test]
    fn skews_are_told_in_words() {
        let ahead = SystemTime::now() - Duration::from_secs(903);
        let told = skew(&httpdate::fmt_http_date(ahead)).unwrap();
        assert!(told.starts_with("15 min ") && told.ends_with("ahead of the server's"), "{told}");
        let hour = SystemTime::now() + Duration::from_secs(3600);
        assert!(large_skew(&httpdate::fmt_http_date(hour)).is_some());
        assert_eq!(large_skew(&httpdate::fmt_http_date(SystemTime::now())), None);
        assert_eq!(large_skew("soon"), None);
        assert_eq!(in_words(Duration::from_secs(7260)), "2 h 1 min");
        assert_eq!(in_words(Duration::from_secs(9)), "9 s");
    }
}
