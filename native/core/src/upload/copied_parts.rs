//! An object made of parts that the server copies from another one.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_smithy_types::base64;
use dipper_wire::Algorithm;
use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::driver::{Presence, left_behind};
use super::multipart::{Multipart, Part};
use super::store::{Stored, Sum, with_headers};
use super::write_options::{ChecksumOption, Headers, WriteOptions};
use crate::gate::Gate;
use crate::metrics::Meter;
use crate::retry::Retries;
use crate::sdk_error::About;
use crate::{Client, Error, ObjectRef, Progress, elsewhere, ledger};

/// What S3 copies with one request.
const LARGEST_COPY: u64 = 5 << 30;
const MOST_PARTS: u64 = 10_000;
/// S3 copies parts beside each other, each at a pace of its own.
const USUAL: u64 = 128 << 20;
const LEAST: u64 = 5 << 20;
const MEBIBYTE: u64 = 1 << 20;
const AT_ONCE: usize = 16;

/// What to copy, and into what.
pub(crate) struct CopiedParts {
    pub(crate) to: ObjectRef,
    /// What the object says of itself.
    pub(crate) headers: Headers,
    /// The caller's: conditions, checksum, key.
    pub(crate) options: WriteOptions,
    /// What names the source, and its version.
    pub(crate) source: Headers,
    pub(crate) size: u64,
    pub(crate) part_size: u64,
    pub(crate) meter: Arc<Meter>,
    pub(crate) progress: Option<Arc<dyn Progress>>,
}

/// In what parts an object of a size is copied; `None` for those that one request copies.
pub(crate) fn copied_part_size(size: u64, wanted: Option<u64>) -> Result<Option<u64>, Error> {
    let Some(wanted) = wanted else {
        let least = size.div_ceil(MOST_PARTS).next_multiple_of(MEBIBYTE);
        return Ok((size > LARGEST_COPY).then_some(least.max(USUAL)));
    };
    if !(LEAST..=LARGEST_COPY).contains(&wanted) {
        return Err(Error::invalid(format!("a part cannot have {wanted} bytes"))
            .hint("pass a partSize from 5 MiB to 5 GiB"));
    }
    let count = size.div_ceil(wanted);
    if count > MOST_PARTS {
        return Err(Error::invalid(format!(
            "{size} bytes make {count} parts of {wanted} bytes, and S3 takes {MOST_PARTS}"
        ))
        .hint("pass a larger partSize, or none"));
    }
    Ok((size > wanted).then_some(wanted))
}

/// Copies an object in parts, and tells the version that was made. What was begun and is not
/// completed is aborted, also when nobody waits any more.
pub(crate) async fn copy_in_parts(
    client: &Arc<Client>,
    copied: CopiedParts,
) -> Result<Option<String>, Error> {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let client = Arc::clone(client);
    let counted = ledger().operation();
    let presence = Presence::new(&stop);
    let drive = async move {
        let ended = drive(&client, &copied, &stopped).await;
        drop(copied);
        drop(counted);
        drop(presence);
        ended
    };
    // It outlives the operation, behind a gate of its own.
    let task = match Gate::current() {
        Some(gate) => tokio::spawn(gate.fork().around(drive)),
        None => tokio::spawn(drive),
    };
    let _stops = stop.drop_guard();
    crate::gate::joined(task.await)?
}

async fn drive(
    client: &Arc<Client>,
    copied: &CopiedParts,
    stop: &CancellationToken,
) -> Result<Option<String>, Error> {
    let algorithm = match copied.options.checksum {
        ChecksumOption::Only(algorithm) => Some(algorithm),
        _ => None,
    };
    // Not raced against the stop: an upload that was begun has to be known, to be aborted.
    let multipart =
        Multipart::begin(client, &copied.to, &copied.headers, algorithm, &copied.meter).await?;
    let sent = tokio::select! {
        biased;
        () = stop.cancelled() => Err(Error::cancelled()),
        sent = copy_all(client, copied, &multipart) => sent,
    };
    let ended = match sent {
        Ok(parts) => multipart.complete(&copied.options, parts, &copied.meter).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(stored) => Ok(stored.version_id),
        Err(error) => Err(match multipart.abort().await {
            Ok(()) => error,
            Err(_) => left_behind(error, &multipart.id),
        }),
    }
}

async fn copy_all(
    client: &Arc<Client>,
    copied: &CopiedParts,
    multipart: &Multipart<'_>,
) -> Result<Vec<Part>, Error> {
    let done = &AtomicU64::new(0);
    let numbers = 1..=u32::try_from(copied.size.div_ceil(copied.part_size)).unwrap_or(u32::MAX);
    stream::iter(numbers)
        .map(|number| async move {
            let part = copy_part(client, copied, multipart, number).await?;
            let done = done.fetch_add(part.size, Ordering::Relaxed) + part.size;
            if let Some(progress) = &copied.progress
                && done < copied.size
            {
                progress.reached(done, copied.size, &copied.meter.read());
            }
            Ok(part)
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn copy_part(
    client: &Arc<Client>,
    copied: &CopiedParts,
    multipart: &Multipart<'_>,
    number: u32,
) -> Result<Part, Error> {
    let to = &copied.to;
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&to.bucket), key: Some(&to.key) };
    let start = u64::from(number - 1) * copied.part_size;
    let end = (start + copied.part_size).min(copied.size);
    let source = copied.source.iter().find(|(name, _)| name == "x-amz-copy-source");
    let copy = connected
        .s3
        .upload_part_copy()
        .bucket(&to.bucket)
        .key(&to.key)
        .upload_id(&multipart.id)
        .part_number(i32::try_from(number).unwrap_or(i32::MAX))
        .set_copy_source(source.map(|(_, value)| value.clone()));
    let mut headers = copied.source.clone();
    headers.extend(copied.options.part_headers());
    headers.push((Cow::from("x-amz-copy-source-range"), format!("bytes={start}-{}", end - 1)));
    let mut retries = Retries::new(client.retry_budget(), client.retries());
    let answer = loop {
        copied.meter.write_request();
        let copy = elsewhere!(client, &to.bucket, copy.clone());
        match with_headers!(copy, headers).send().await {
            Ok(answer) => break answer,
            Err(error) if about.has_moved(&error) => copied.meter.retry(),
            Err(error) => {
                let late = error.raw_response().is_some_and(|answer| answer.status().is_success());
                let error = about.error(error);
                if !late {
                    return Err(error);
                }
                retries.after(error).await?;
                copied.meter.retry();
            }
        }
    };
    copied.meter.part();
    let result = answer.copy_part_result;
    let Some(etag) = result.as_ref().and_then(|result| result.e_tag.clone()) else {
        return Err(about.without_etag("no ETag of the copied part"));
    };
    let sum = multipart.algorithm.and_then(|algorithm| {
        let result = result.as_ref()?;
        let text = match algorithm {
            Algorithm::Crc64Nvme => result.checksum_crc64_nvme(),
            Algorithm::Crc32 => result.checksum_crc32(),
            Algorithm::Crc32c => result.checksum_crc32_c(),
            Algorithm::Sha1 => result.checksum_sha1(),
            Algorithm::Sha256 => result.checksum_sha256(),
        };
        Some(Sum { algorithm, digest: base64::decode(text?).ok()? })
    });
    Ok(Part { number, size: end - start, stored: Stored { etag, version_id: None, sum } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_for_what_one_request_does_not_copy() {
        assert_eq!(copied_part_size(LARGEST_COPY, None).unwrap(), None);
        assert_eq!(copied_part_size(LARGEST_COPY + 1, None).unwrap(), Some(USUAL));
        let part = copied_part_size(48 << 40, None).unwrap().unwrap();
        assert!((48_u64 << 40).div_ceil(part) <= MOST_PARTS && part <= LARGEST_COPY);
        assert_eq!(copied_part_size(LEAST, Some(LEAST)).unwrap(), None);
        assert_eq!(copied_part_size(LEAST + 1, Some(LEAST)).unwrap(), Some(LEAST));
        assert!(copied_part_size(1, Some(LEAST - 1)).is_err());
        assert!(copied_part_size(LEAST * MOST_PARTS + 1, Some(LEAST)).is_err());
    }
}
