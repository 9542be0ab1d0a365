//! Takes a request's body to the disk, and checks it against what the client promised.
//!
//! While one batch is written on a blocking thread and hashed on another the next one is collected from
//! the socket, and no more than that: two batches of 512 KiB and a little are all a connection holds.
//! A small body is written, checked and made visible in one hop.

use super::convert::blocking;
use super::errors::named;
use crate::storage::checksum::Algorithm;
use crate::storage::error::StoreError;
use crate::storage::md5_lanes::{BodyMd5, Md5Lanes};
use crate::storage::writer::{BodyWriter, Md5Use, WrittenBody};
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, StatusCode};
use s3s::dto::{ChecksumAlgorithm, StreamingBlob};
use s3s::{S3Error, S3Result, StdError, TrailingHeaders, s3_error};
use std::io;
use std::path::PathBuf;
use tokio::task::JoinHandle;

const BATCH: usize = 512 * 1024;

/// What a client promises about a body.
pub struct Promise {
    /// The bytes that the request's length announces.
    length: Option<u64>,
    md5: Option<[u8; 16]>,
    /// The checksum that the client names, and its value unless that comes behind the body.
    checksum: Option<(Algorithm, Option<String>)>,
    trailers: Option<TrailingHeaders>,
}

impl Promise {
    /// `given` are the checksums of the headers, of which there is at most one.
    pub fn new(
        headers: &HeaderMap,
        trailers: Option<TrailingHeaders>,
        length: Option<i64>,
        md5: Option<&str>,
        algorithm: Option<&ChecksumAlgorithm>,
        mut given: Vec<(Algorithm, String)>,
    ) -> S3Result<Self> {
        let md5 = md5
            .map(|text| {
                base64_simd::STANDARD
                    .decode_to_vec(text)
                    .ok()
                    .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
                    .ok_or_else(|| {
                        s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid.")
                    })
            })
            .transpose()?;
        if given.len() > 1 {
            return Err(s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            ));
        }
        let trailing = headers
            .get_all("x-amz-trailer")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .find_map(|name| Algorithm::from_header(name.trim()));
        let checksum = match (given.pop(), trailing) {
            (Some((algorithm, value)), _) => {
                if !algorithm.accepts(&value) {
                    return Err(s3_error!(
                        InvalidRequest,
                        "Value for {} header is invalid.",
                        algorithm.header()
                    ));
                }
                Some((algorithm, Some(value)))
            }
            (None, Some(algorithm)) => Some((algorithm, None)),
            (None, None) => None,
        };
        if let (Some(named), Some((algorithm, _))) = (algorithm, &checksum)
            && super::convert::checksum_algorithm(named)? != *algorithm
        {
            return Err(s3_error!(
                InvalidRequest,
                "Value for x-amz-sdk-checksum-algorithm header is invalid."
            ));
        }
        Ok(Self {
            length: length.and_then(|length| u64::try_from(length).ok()),
            md5,
            checksum,
            trailers,
        })
    }

    /// The algorithm that the client uses, if it uses one.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.checksum.as_ref().map(|(algorithm, _)| *algorithm)
    }

    fn check(&self, body: &WrittenBody) -> Result<(), StoreError> {
        if self.md5.is_some() && self.md5 != body.md5 {
            return Err(StoreError::BadDigest("Content-MD5".to_owned()));
        }
        let Some((algorithm, value)) = &self.checksum else { return Ok(()) };
        let trailing = || {
            self.trailers.as_ref()?.read(|headers| {
                headers
                    .get(algorithm.header())
                    .and_then(|value| value.to_str().ok())
                    .map(str::to_owned)
            })?
        };
        let promised = value.clone().or_else(trailing).ok_or_else(|| {
            StoreError::InvalidRequest(format!(
                "The trailer {} was announced and did not come.",
                algorithm.header()
            ))
        })?;
        if body.checksum(*algorithm) != Some(promised.as_str()) {
            return Err(StoreError::BadDigest(algorithm.name().to_owned()));
        }
        Ok(())
    }
}

/// Writes `body` to a temporary file in `directory`, computing `algorithm` and the one promised, and hands
/// it, with the MD5 as its entity tag unless that is hidden, to `keep` once it is all there and as promised.
pub async fn receive<T: Send + 'static>(
    hashing: &Md5Lanes,
    body: Option<StreamingBlob>,
    promise: Promise,
    directory: PathBuf,
    algorithm: Algorithm,
    hides_md5: bool,
    keep: impl FnOnce(WrittenBody) -> Result<T, StoreError> + Send + 'static,
) -> S3Result<T> {
    let failed = || StoreError::io("writing a body");
    let mut algorithms = vec![algorithm];
    algorithms.extend(promise.algorithm());
    let md5 = match (hides_md5, promise.md5) {
        (false, _) => Md5Use::Tag,
        (true, Some(_)) => Md5Use::Check,
        (true, None) => Md5Use::None,
    };
    let mut body = body;
    let mut received = 0u64;
    let mut writing = None;
    let mut ended = false;
    loop {
        let mut batch: Vec<Bytes> = Vec::new();
        let mut size = 0;
        while size < BATCH && !ended {
            match body.as_mut() {
                None => ended = true,
                Some(stream) => match stream.next().await {
                    None => ended = true,
                    Some(Ok(bytes)) => {
                        size += bytes.len();
                        batch.push(bytes);
                    }
                    Some(Err(error)) => return Err(body_error(&error)),
                },
            }
        }
        received += size as u64;
        let writer = match writing.take() {
            None => None,
            Some(tasks) => Some(rejoined(tasks).await?),
        };
        let create = {
            let directory = directory.clone();
            let algorithms = algorithms.clone();
            move || BodyWriter::create(&directory, &algorithms, md5).map_err(failed())
        };
        if !ended {
            let writer = match writer {
                Some(writer) => writer,
                None => blocking(create).await?,
            };
            writing = Some(write_and_hash(hashing, writer, batch));
            continue;
        }
        if promise.length.is_some_and(|length| length != received) {
            return Err(s3_error!(
                IncompleteBody,
                "You did not provide the number of bytes specified by the Content-Length HTTP header"
            ));
        }
        return blocking(move || {
            let mut writer = writer.map_or_else(create, Ok)?;
            for bytes in &batch {
                writer.write(bytes).map_err(failed())?;
            }
            let written = writer.finish();
            promise.check(&written)?;
            keep(written)
        })
        .await;
    }
}

/// A batch on its way: to the disk and through the checksums, and through the MD5.
type Writing = (JoinHandle<io::Result<BodyWriter>>, Option<JoinHandle<Option<BodyMd5>>>);

/// The MD5 takes longer than all the rest together and cannot be split, so that it is done beside it.
fn write_and_hash(hashing: &Md5Lanes, mut writer: BodyWriter, batch: Vec<Bytes>) -> Writing {
    let md5 = writer.md5.take().map(|md5| {
        let (hashing, batch) = (hashing.clone(), batch.clone());
        tokio::spawn(async move { hashing.update(md5, batch).await })
    });
    let writing = tokio::task::spawn_blocking(move || {
        batch.iter().try_for_each(|bytes| writer.write(bytes))?;
        Ok(writer)
    });
    (writing, md5)
}

async fn rejoined((writing, md5): Writing) -> S3Result<BodyWriter> {
    let md5 = match md5 {
        None => None,
        Some(task) => Some(joined(task).await?.ok_or_else(|| {
            s3_error!(InternalError, "The server stopped while it worked on the request.")
        })?),
    };
    let mut writer = joined(writing).await?.map_err(StoreError::io("writing a body"))?;
    writer.md5 = md5;
    Ok(writer)
}

async fn joined<T>(task: JoinHandle<T>) -> S3Result<T> {
    task.await.map_err(|error| {
        s3_error!(error, InternalError, "The server stopped while it worked on the request.")
    })
}

/// What a body that breaks off means. The types of `s3s`' streams are private, their texts are not.
fn body_error(error: &StdError) -> S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        named(
            "XAmzContentSHA256Mismatch",
            StatusCode::BAD_REQUEST,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    } else if text.contains("SignatureMismatch") {
        s3_error!(SignatureDoesNotMatch, "The signature of a chunk of the body does not match.")
    } else {
        s3_error!(IncompleteBody, "The request body could not be read to its end: {text}")
    }
}
