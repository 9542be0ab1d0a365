//! What can go wrong below the protocol. `service::errors` gives each its S3 code.

use std::fmt;
use std::io;

/// A failure of the storage, with what an S3 answer needs to say about it.
#[derive(Debug)]
pub enum StoreError {
    NoSuchBucket(String),
    BucketExists(String),
    BucketNotEmpty(String),
    NoSuchKey(String),
    NoSuchVersion(String),
    /// The version is a delete marker; whether the request named it or found it as the newest.
    DeleteMarker {
        version: String,
        modified: i64,
        named: bool,
    },
    NoSuchUpload(String),
    /// A condition that did not hold; the name of the header.
    Precondition(&'static str),
    /// A read whose `If-None-Match` or `If-Modified-Since` says the client has it already.
    NotModified {
        etag: String,
        modified: i64,
    },
    /// A range outside the object; its size.
    InvalidRange {
        size: u64,
    },
    InvalidPartNumber {
        parts: usize,
    },
    InvalidPart(String),
    InvalidPartOrder,
    EntityTooSmall {
        part: u16,
        size: u64,
    },
    BadDigest(String),
    InvalidRequest(String),
    /// Another key than the object was written with.
    WrongCustomerKey,
    InvalidArgument(String),
    /// The file system failed; what was being done.
    Io {
        doing: &'static str,
        source: io::Error,
    },
}

impl StoreError {
    /// For `map_err`: names what was being done when the file system failed.
    pub fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchBucket(bucket) => write!(f, "The specified bucket does not exist: {bucket}"),
            Self::BucketExists(bucket) => {
                write!(f, "Your previous request to create the named bucket succeeded and you already own it: {bucket}")
            }
            Self::BucketNotEmpty(bucket) => {
                write!(f, "The bucket you tried to delete is not empty: {bucket}")
            }
            Self::NoSuchKey(_) | Self::DeleteMarker { named: false, .. } => {
                f.write_str("The specified key does not exist.")
            }
            Self::NoSuchVersion(version) => {
                write!(f, "The specified version does not exist: {version}")
            }
            Self::DeleteMarker { .. } => f.write_str(
                "The specified method is not allowed against this resource: this version is a delete marker.",
            ),
            Self::NoSuchUpload(_) => f.write_str(
                "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed.",
            ),
            Self::Precondition(header) => {
                write!(f, "At least one of the preconditions you specified did not hold: {header}")
            }
            Self::NotModified { .. } => f.write_str("Not Modified"),
            Self::InvalidRange { size } => {
                write!(f, "The requested range is not satisfiable: the object has {size} bytes")
            }
            Self::InvalidPartNumber { parts } => {
                write!(f, "The requested partnumber is not satisfiable: the object has {parts} parts")
            }
            Self::InvalidPart(which) => write!(
                f,
                "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag: {which}"
            ),
            Self::InvalidPartOrder => {
                f.write_str("The list of parts was not in ascending order. Parts must be ordered by part number.")
            }
            Self::EntityTooSmall { part, size } => write!(
                f,
                "Your proposed upload is smaller than the minimum allowed size: part {part} has {size} bytes, every part but the last needs 5242880"
            ),
            Self::BadDigest(what) => {
                write!(f, "The {what} you specified did not match the calculated checksum.")
            }
            Self::WrongCustomerKey => f.write_str(
                "Access Denied: the customer key is not the one that the object was written with.",
            ),
            Self::InvalidRequest(what) | Self::InvalidArgument(what) => f.write_str(what),
            Self::Io { doing, source } => write!(f, "The server failed while {doing}: {source}"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
