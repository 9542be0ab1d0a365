//! Whether an object is what was sent, when the answer that would tell was lost.

use aws_sdk_s3::types::ChecksumMode;
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
    let connected = client.connected().await.ok()?;
    let head = connected
        .s3
        .head_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .checksum_mode(ChecksumMode::Enabled);
    let head = elsewhere!(client, &object.bucket, head);
    let told = with_headers!(head, options.part_headers()).send().await.ok()?;
    if told.content_length.and_then(|length| u64::try_from(length).ok()) != Some(size) {
        return None;
    }
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
    same.then(|| Stored {
        etag: told.e_tag.unwrap_or_default(),
        version_id: told.version_id,
        sum: sum.cloned(),
    })
}
