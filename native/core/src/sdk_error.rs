//! Turns what the SDK reports into dipper's errors: one status, one sentence, one remedy.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::client::{Client, Connected};
use crate::gate::{HostRefused, WebPage};
use crate::{Error, Status};

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
        match error {
            SdkError::ServiceError(answer) => {
                self.answered(answer.err().code(), answer.err().message(), answer.raw())
            }
            SdkError::ResponseError(answer) => self.not_s3(answer.raw()),
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
            let host = &refused.host;
            return Error::new(
                Status::PermissionDenied,
                format!("Deno's permissions do not allow to reach {host}"),
            )
            .hint(format!("run with --allow-net={host}"));
        }
        if find::<WebPage>(error).is_some() {
            return self.without_etag("a web page");
        }
        if let Some(failed) = find::<CredentialsError>(error) {
            return self.no_credentials(failed);
        }
        let cause = deepest(error);
        let text = whole(error);
        if text.contains("was not a valid URI") {
            return crate::client::bad_endpoint();
        }
        if text.contains("failed to lookup address") || text.contains("dns error") {
            return Error::new(
                Status::UnknownHost,
                format!("the host of {place} does not resolve"),
            )
            .hint("check the spelling of the endpoint and the network");
        }
        if text.contains("invalid peer certificate") || text.contains("certificate") {
            return Error::new(
                Status::TlsFailed,
                format!("the certificate of {place} is not trusted: {cause}"),
            )
            .hint("pass the authority's certificate as caCertificates");
        }
        Error::new(Status::ConnectionFailed, format!("{place} cannot be reached: {cause}"))
            .hint("check that the server runs and that endpoint names its host and port")
    }

    fn no_credentials(&self, failed: &CredentialsError) -> Error {
        let skipped = self.client.skipped();
        let not_allowed = if skipped.is_empty() {
            String::new()
        } else {
            format!("; not allowed to look at: {}", skipped.join(", "))
        };
        let (status, found) = match failed {
            CredentialsError::CredentialsNotLoaded(_) => {
                (Status::NoCredentials, "no credentials were found".to_owned())
            }
            // The last step of the chain, which most machines do not have.
            other if whole(other).contains("IMDS") || whole(other).contains("metadata service") => {
                (Status::NoCredentials, "no credentials were found".to_owned())
            }
            other => (
                Status::CredentialsFailed,
                format!("the credentials cannot be loaded: {}", deepest(other)),
            ),
        };
        let profile = self.client.profile().map(|name| format!(" in the profile {name:?}"));
        let profile = profile.unwrap_or_default();
        Error::new(status, format!("{found}{profile} for {}{not_allowed}", self.subject())).hint(
            "pass credentials, name a profile, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
             or use credentials: \"anonymous\" for public data",
        )
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

    fn not_s3(&self, raw: &HttpResponse) -> Error {
        let mut error = Error::new(
            Status::NotS3,
            format!(
                "{} answers with HTTP {} but not as an S3 server does",
                self.connected.place,
                raw.status().as_u16()
            ),
        )
        .hint("check that endpoint is the S3 address of the service, not its web page");
        error.http_status = Some(raw.status().as_u16());
        error
    }

    fn answered(&self, code: Option<&str>, message: Option<&str>, raw: &HttpResponse) -> Error {
        let http_status = raw.status().as_u16();
        let request_id =
            raw.request_id().or_else(|| raw.headers().get("x-amz-request-id")).map(str::to_owned);
        if (200..300).contains(&http_status) {
            // Success, with a head that makes no sense.
            return self.not_s3(raw);
        }
        let looks_like_s3 = request_id.is_some()
            || code.is_some()
            || raw.headers().get("server").is_some_and(|server| server.contains("S3"));
        if !looks_like_s3 && !matches!(http_status, 304 | 401 | 403 | 404 | 412 | 416 | 429 | 500..)
        {
            return self.not_s3(raw);
        }
        let place = &self.connected.place;
        let subject = self.subject();
        let bucket = self.bucket.unwrap_or_default();
        let region = raw.headers().get("x-amz-bucket-region");
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
            ("ExpiredToken" | "RequestTimeTooSkewed" | "TokenRefreshRequired", _) => (
                Status::Expired,
                format!("{place} calls the credentials or the clock for {subject} out of date"),
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
            (_, 401 | 403) => (
                Status::AccessDenied,
                format!("{place} refuses these credentials access to {subject}"),
                Some("check the policy of the bucket and of the caller".to_owned()),
            ),
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

/// The last cause: the one that says what happened.
pub(crate) fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

fn whole(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
