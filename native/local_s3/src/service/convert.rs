//! Between the protocol's types and the storage's.

use super::errors::named;
use crate::storage::checksum::{Algorithm, Checksum, Coverage};
use crate::storage::conditions::Tag;
use crate::storage::error::StoreError;
use crate::storage::record::ObjectHeaders;
use crate::storage::versions::Which;
use http::StatusCode;
use s3s::dto::{
    self, ChecksumAlgorithm, ChecksumType, ETag, ETagCondition, Metadata, StorageClass, Timestamp,
    TimestampFormat,
};
use s3s::{S3Result, s3_error};
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

/// Runs `work` on a thread that may block.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(s3_error!(
            error,
            InternalError,
            "The server stopped while it worked on the request."
        )),
    }
}

pub fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

pub fn seconds(time: Timestamp) -> i64 {
    time::OffsetDateTime::from(time).unix_timestamp()
}

pub fn tag(condition: ETagCondition) -> Tag {
    match condition {
        ETagCondition::Any => Tag::Any,
        ETagCondition::ETag(ETag::Strong(value)) => Tag::Is(value),
        ETagCondition::ETag(ETag::Weak(value)) => Tag::Weak(value),
    }
}

pub fn etag(value: &str) -> ETag {
    ETag::Strong(value.to_owned())
}

pub fn http_date(time: &Timestamp) -> Option<String> {
    let mut date = Vec::new();
    time.format(TimestampFormat::HttpDate, &mut date).ok()?;
    String::from_utf8(date).ok()
}

pub fn from_http_date(date: &str) -> Option<Timestamp> {
    Timestamp::parse(TimestampFormat::HttpDate, date).ok()
}

/// S3 answers with this type when none was given.
pub const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// The storage class as an answer shows it: `STANDARD` is not shown.
pub fn storage_class(headers: &ObjectHeaders) -> Option<StorageClass> {
    headers
        .storage_class
        .clone()
        .filter(|class| class != StorageClass::STANDARD)
        .map(StorageClass::from)
}

pub fn metadata(headers: &ObjectHeaders) -> Option<Metadata> {
    if headers.metadata.is_empty() {
        return None;
    }
    Some(headers.metadata.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Takes the headers that an object keeps out of an input that has them under their usual names.
macro_rules! object_headers {
    ($input:expr) => {
        $crate::storage::record::ObjectHeaders {
            content_type: $input.content_type.take(),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $crate::service::convert::content_encoding(
                $input.content_encoding.take(),
            ),
            content_language: $input.content_language.take(),
            expires: $input
                .expires
                .take()
                .and_then(|time| $crate::service::convert::http_date(&time)),
            storage_class: $crate::service::convert::given_storage_class(
                $input.storage_class.take(),
            )?,
            website_redirect_location: $input.website_redirect_location.take(),
            metadata: $crate::service::convert::given_metadata($input.metadata.take())?,
        }
    };
}
pub(super) use object_headers;

/// `aws-chunked` describes the request, not the object: it is taken off.
pub fn content_encoding(value: Option<String>) -> Option<String> {
    let kept: Vec<&str> = value
        .as_deref()?
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty() && *part != "aws-chunked")
        .collect();
    if kept.is_empty() { None } else { Some(kept.join(", ")) }
}

/// S3's bound on user metadata, names and values together.
const MOST_METADATA: usize = 2048;

pub fn given_metadata(metadata: Option<Metadata>) -> S3Result<BTreeMap<String, String>> {
    let metadata: BTreeMap<String, String> = metadata.unwrap_or_default().into_iter().collect();
    let size: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > MOST_METADATA {
        return Err(s3_error!(
            MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size: {size} bytes of {MOST_METADATA}"
        ));
    }
    Ok(metadata)
}

pub fn given_storage_class(class: Option<StorageClass>) -> S3Result<Option<String>> {
    let Some(class) = class else { return Ok(None) };
    let name = class.as_str();
    let shape = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || !name.bytes().all(shape) {
        return Err(s3_error!(InvalidStorageClass, "The storage class you specified is not valid"));
    }
    Ok(Some(name.to_owned()))
}

/// Refuses what this server would otherwise drop in silence, as a bucket of S3 does that has neither
/// access lists nor object lock, which is how buckets are made today.
pub fn refuse(acl: Option<&str>, grants: bool, lock: bool) -> S3Result<()> {
    if grants || acl.is_some_and(|acl| acl != "private" && acl != "bucket-owner-full-control") {
        return Err(named(
            "AccessControlListNotSupported",
            StatusCode::BAD_REQUEST,
            "The bucket does not allow ACLs",
        ));
    }
    if lock {
        return Err(s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration"));
    }
    Ok(())
}

macro_rules! refuse_unsupported {
    ($input:expr) => {
        $crate::service::convert::refuse(
            $input.acl.as_ref().map(s3s::dto::ObjectCannedACL::as_str),
            $input.grant_full_control.is_some()
                || $input.grant_read.is_some()
                || $input.grant_read_acp.is_some()
                || $input.grant_write_acp.is_some(),
            $input.object_lock_mode.is_some()
                || $input.object_lock_legal_hold_status.is_some()
                || $input.object_lock_retain_until_date.is_some(),
        )?
    };
}
pub(super) use refuse_unsupported;

/// The version that a request names.
pub fn which(version: Option<&str>) -> Which {
    Which::named(version)
}

pub fn checksum_algorithm(name: &ChecksumAlgorithm) -> S3Result<Algorithm> {
    Algorithm::from_name(name.as_str()).ok_or_else(|| {
        s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
    })
}

pub fn coverage(name: &ChecksumType) -> S3Result<Coverage> {
    Coverage::from_name(name.as_str()).ok_or_else(|| {
        s3_error!(InvalidRequest, "Value for x-amz-checksum-type header is invalid.")
    })
}

pub fn checksum_type(coverage: Coverage) -> ChecksumType {
    ChecksumType::from_static(coverage.name())
}

/// The five fields that answers carry, with at most one set.
pub fn checksum_fields(algorithm: Algorithm, value: &str) -> dto::Checksum {
    let mut fields = dto::Checksum::default();
    let field = match algorithm {
        Algorithm::Crc32 => &mut fields.checksum_crc32,
        Algorithm::Crc32c => &mut fields.checksum_crc32c,
        Algorithm::Crc64Nvme => &mut fields.checksum_crc64nvme,
        Algorithm::Sha1 => &mut fields.checksum_sha1,
        Algorithm::Sha256 => &mut fields.checksum_sha256,
    };
    *field = Some(value.to_owned());
    fields
}

/// The fields for an object's checksum, or none.
pub fn object_checksum_fields(checksum: Option<&Checksum>) -> dto::Checksum {
    checksum.map_or_else(dto::Checksum::default, |checksum| {
        let mut fields = checksum_fields(checksum.algorithm, &checksum.value);
        fields.checksum_type = Some(checksum_type(checksum.coverage));
        fields
    })
}

/// Copies the five fields into an output that has them under their usual names.
macro_rules! set_checksums {
    ($output:expr, $fields:expr) => {{
        let fields = $fields;
        $output.checksum_crc32 = fields.checksum_crc32;
        $output.checksum_crc32c = fields.checksum_crc32c;
        $output.checksum_crc64nvme = fields.checksum_crc64nvme;
        $output.checksum_sha1 = fields.checksum_sha1;
        $output.checksum_sha256 = fields.checksum_sha256;
    }};
}
pub(super) use set_checksums;

/// The checksums that an input gives under the usual names.
macro_rules! given_checksums {
    ($input:expr) => {{
        use $crate::storage::checksum::Algorithm;
        [
            (Algorithm::Crc32, $input.checksum_crc32.take()),
            (Algorithm::Crc32c, $input.checksum_crc32c.take()),
            (Algorithm::Crc64Nvme, $input.checksum_crc64nvme.take()),
            (Algorithm::Sha1, $input.checksum_sha1.take()),
            (Algorithm::Sha256, $input.checksum_sha256.take()),
        ]
        .into_iter()
        .filter_map(|(algorithm, value)| value.map(|value| (algorithm, value)))
        .collect::<Vec<(Algorithm, String)>>()
    }};
}
pub(super) use given_checksums;

/// Percent-encodes for `encoding-type=url`; the slash stays, as in S3.
pub fn percent_encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~/*".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_for_listings() {
        assert_eq!(percent_encode("a b/c+é\n"), "a%20b/c%2B%C3%A9%0A");
    }

    #[test]
    fn chunked_is_not_an_encoding_of_the_object() {
        assert_eq!(content_encoding(Some("aws-chunked".into())), None);
        assert_eq!(content_encoding(Some("gzip, aws-chunked".into())).as_deref(), Some("gzip"));
        assert_eq!(content_encoding(Some(",gzip".into())).as_deref(), Some("gzip"));
    }

    #[test]
    fn dates_round_trip() {
        let time = timestamp(1_700_000_000);
        assert_eq!(seconds(from_http_date(&http_date(&time).unwrap()).unwrap()), 1_700_000_000);
    }
}
