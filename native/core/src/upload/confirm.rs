//! Whether an object is what was sent, when the answer that would tell was lost.
//!
//! A sum or an ETag that follows from the bytes tells. Where there is neither, an upload in parts
//! tells by its own end: it is gone, nobody here aborted it, and since it was about to be
//! completed the key holds another object than before, as long as the parts together.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::ChecksumMode;
use aws_smithy_types::DateTime;
use dipper_wire::Algorithm;

use super::store::{Stored, Sum, with_headers};
use super::write_options::WriteOptions;
use crate::{Client, ObjectRef, elsewhere};

/// What is stored under the key, if it has this size and this sum or this ETag.
pub(super) async fn stored_as(
    client: &Client,
    object: &ObjectRef,
    options: &WriteOptions,
    size: u64,
    sum: Option<&Sum>,
    etag: impl FnOnce() -> Option<String>,
) -> Option<Stored> {
    let told = looked_at(client, object, options).await?.filter(|told| has_size(told, size))?;
    let same_sum = sum.is_some_and(|sum| {
        let text = match sum.algorithm {
            Algorithm::Crc64Nvme => told.checksum_crc64_nvme(),
            Algorithm::Crc32 => told.checksum_crc32(),
            Algorithm::Crc32c => told.checksum_crc32_c(),
            Algorithm::Sha1 => told.checksum_sha1(),
            Algorithm::Sha256 => told.checksum_sha256(),
        };
        text.is_some_and(|text| text == sum.text())
    });
    let same = same_sum || etag().is_some_and(|etag| told.e_tag() == Some(&etag));
    same.then(|| stored(told, sum))
}

/// What is stored under the key, if it has this size and is not what stood there before.
pub(super) async fn replaced(
    client: &Client,
    object: &ObjectRef,
    options: &WriteOptions,
    size: u64,
    before: &Before,
) -> Option<Stored> {
    let told = looked_at(client, object, options).await?.filter(|told| has_size(told, size))?;
    (Before::of(Some(&told)) != *before).then(|| stored(told, None))
}

/// What tells an object from the next one under its key; nothing where there is none.
#[derive(Debug, PartialEq)]
pub(super) struct Before(Option<(Option<String>, Option<String>, Option<DateTime>)>);

impl Before {
    fn of(told: Option<&HeadObjectOutput>) -> Self {
        Self(told.map(|told| (told.e_tag.clone(), told.version_id.clone(), told.last_modified)))
    }

    /// What is there now, unless that cannot be seen.
    pub(super) async fn look(
        client: &Client,
        object: &ObjectRef,
        options: &WriteOptions,
    ) -> Option<Self> {
        let told = looked_at(client, object, options).await?;
        Some(Self::of(told.as_ref()))
    }
}

fn has_size(told: &HeadObjectOutput, size: u64) -> bool {
    told.content_length.and_then(|length| u64::try_from(length).ok()) == Some(size)
}

fn stored(told: HeadObjectOutput, sum: Option<&Sum>) -> Stored {
    Stored { etag: told.e_tag.unwrap_or_default(), version_id: told.version_id, sum: sum.cloned() }
}

/// `None` where the server does not tell; within, `None` where there is no object.
async fn looked_at(
    client: &Client,
    object: &ObjectRef,
    options: &WriteOptions,
) -> Option<Option<HeadObjectOutput>> {
    let connected = client.connected().await.ok()?;
    let head = connected
        .s3
        .head_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .checksum_mode(ChecksumMode::Enabled);
    let head = elsewhere!(client, &object.bucket, head);
    match with_headers!(head, options.part_headers()).send().await {
        Ok(told) => Some(Some(told)),
        Err(error) => {
            let status = error.raw_response().map(|answer| answer.status().as_u16());
            (status == Some(404)).then_some(None)
        }
    }
}

/// Whether the server knows no such upload any more.
pub(super) async fn is_gone(client: &Client, object: &ObjectRef, upload_id: &str) -> bool {
    let Ok(connected) = client.connected().await else { return false };
    let parts = connected
        .s3
        .list_parts()
        .bucket(&object.bucket)
        .key(&object.key)
        .upload_id(upload_id)
        .max_parts(1);
    let answer = elsewhere!(client, &object.bucket, parts).send().await;
    answer.is_err_and(|error| error.code() == Some("NoSuchUpload"))
}
