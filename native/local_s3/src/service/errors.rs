//! Each failure of the storage as the S3 error that a client expects.

use super::convert::{http_date, timestamp};
use crate::storage::error::StoreError;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use s3s::{S3Error, S3ErrorCode};

/// An error with a code that `s3s` has no name for.
pub fn named(code: &'static str, status: StatusCode, message: impl Into<String>) -> S3Error {
    let Ok(code) = code.parse::<S3ErrorCode>();
    let mut error = S3Error::with_message(code, message.into());
    error.set_status_code(status);
    error
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        let code = match &error {
            StoreError::NoSuchBucket(_) => S3ErrorCode::NoSuchBucket,
            StoreError::BucketExists(_) => S3ErrorCode::BucketAlreadyOwnedByYou,
            StoreError::BucketNotEmpty(_) => S3ErrorCode::BucketNotEmpty,
            StoreError::NoSuchKey(_) => S3ErrorCode::NoSuchKey,
            StoreError::NoSuchVersion(_) => S3ErrorCode::NoSuchVersion,
            StoreError::DeleteMarker { version, modified, named } => {
                return delete_marker(message, version, *modified, *named);
            }
            StoreError::NoSuchUpload(_) => S3ErrorCode::NoSuchUpload,
            StoreError::Precondition(_) => S3ErrorCode::PreconditionFailed,
            StoreError::NotModified { etag, modified } => return not_modified(etag, *modified),
            StoreError::InvalidRange { size } => {
                let mut error = Self::with_message(S3ErrorCode::InvalidRange, message);
                if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
                    error.set_headers(document_headers([(header::CONTENT_RANGE, value)]));
                }
                return error;
            }
            StoreError::InvalidPartNumber { .. } => {
                return named("InvalidPartNumber", StatusCode::RANGE_NOT_SATISFIABLE, message);
            }
            StoreError::InvalidPart(_) => S3ErrorCode::InvalidPart,
            StoreError::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
            StoreError::EntityTooSmall { .. } => S3ErrorCode::EntityTooSmall,
            StoreError::BadDigest(_) => S3ErrorCode::BadDigest,
            StoreError::WrongCustomerKey => S3ErrorCode::AccessDenied,
            StoreError::InvalidRequest(_) => S3ErrorCode::InvalidRequest,
            StoreError::InvalidArgument(_) => S3ErrorCode::InvalidArgument,
            StoreError::Io { .. } => S3ErrorCode::InternalError,
        };
        Self::with_message(code, message)
    }
}

/// The headers of an error document, whose type `s3s` leaves to who sets any.
fn document_headers(more: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> HeaderMap {
    let mut headers = HeaderMap::from_iter(more);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers
}

/// 404 where the newest version is a delete marker; 405 where the request names one, which only DELETE
/// can take.
fn delete_marker(message: String, version: &str, modified: i64, named: bool) -> S3Error {
    let code = if named { S3ErrorCode::MethodNotAllowed } else { S3ErrorCode::NoSuchKey };
    let mut error = S3Error::with_message(code, message);
    let mut headers = document_headers([(
        HeaderName::from_static("x-amz-delete-marker"),
        HeaderValue::from_static("true"),
    )]);
    if let Ok(value) = HeaderValue::try_from(version) {
        headers.insert("x-amz-version-id", value);
    }
    if named {
        headers.insert(header::ALLOW, HeaderValue::from_static("DELETE"));
        if let Some(date) = date_header(modified) {
            headers.insert(header::LAST_MODIFIED, date);
        }
    }
    error.set_headers(headers);
    error
}

fn date_header(seconds: i64) -> Option<HeaderValue> {
    HeaderValue::try_from(http_date(&timestamp(seconds))?).ok()
}

/// 304 carries the validators, as RFC 9110 asks; it has no body.
fn not_modified(etag: &str, modified: i64) -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    error.set_status_code(StatusCode::NOT_MODIFIED);
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::try_from(format!("\"{etag}\"")) {
        headers.insert(header::ETAG, value);
    }
    if let Some(date) = date_header(modified) {
        headers.insert(header::LAST_MODIFIED, date);
    }
    error.set_headers(headers);
    error
}
