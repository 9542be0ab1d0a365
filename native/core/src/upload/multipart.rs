//! An upload in parts: begun, completed, or aborted so that nothing of it is left.

use std::time::Duration;

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use dipper_wire::{Algorithm, Expected};
use md5::{Digest as _, Md5};

use super::confirm::{Before, is_gone, replaced, stored_as};
use super::store::{Stored, Sum, with_headers};
use super::write_options::{Headers, WriteOptions};
use crate::metrics::Meter;
use crate::sdk_error::About;
use crate::{Client, Error, ObjectRef, Status, answered, elsewhere};

/// An upload that was begun and not ended.
pub(super) struct Multipart<'a> {
    pub(super) client: &'a Client,
    pub(super) object: &'a ObjectRef,
    pub(super) id: String,
    /// What its parts are verified with.
    pub(super) algorithm: Option<Algorithm>,
}

/// A part that the server has.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) number: u32,
    pub(super) size: u64,
    pub(super) stored: Stored,
}

/// How long the abort of an upload may take before it is given up.
const ABORT_PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn named(algorithm: Algorithm) -> ChecksumAlgorithm {
    match algorithm {
        Algorithm::Crc64Nvme => ChecksumAlgorithm::Crc64Nvme,
        Algorithm::Crc32 => ChecksumAlgorithm::Crc32,
        Algorithm::Crc32c => ChecksumAlgorithm::Crc32C,
        Algorithm::Sha1 => ChecksumAlgorithm::Sha1,
        Algorithm::Sha256 => ChecksumAlgorithm::Sha256,
    }
}

fn about<'a>(
    client: &'a Client,
    connected: &'a crate::client::Connected,
    object: &'a ObjectRef,
) -> About<'a> {
    About { client, connected, bucket: Some(&object.bucket), key: Some(&object.key) }
}

impl<'a> Multipart<'a> {
    /// Begins an upload. CRCs are kept of the whole object, digests of the parts' digests.
    pub(super) async fn begin(
        client: &'a Client,
        object: &'a ObjectRef,
        headers: &Headers,
        algorithm: Option<Algorithm>,
        meter: &Meter,
    ) -> Result<Self, Error> {
        let connected = client.connected().await?;
        let about = about(client, connected, object);
        meter.write_request();
        let kind = algorithm.map(|algorithm| {
            if algorithm.combines() { ChecksumType::FullObject } else { ChecksumType::Composite }
        });
        let begin = connected
            .s3
            .create_multipart_upload()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_checksum_algorithm(algorithm.map(named))
            .set_checksum_type(kind);
        let begun = answered!(
            about,
            with_headers!(elsewhere!(client, &object.bucket, begin.clone()), headers),
            meter.retry()
        )
        .map_err(|error| about.error(error))?;
        let id = begun.upload_id.filter(|id| !id.is_empty()).ok_or_else(|| {
            Error::new(Status::NotS3, "the server began an upload without naming it")
                .hint("check that endpoint is the address of an S3 server")
        })?;
        Ok(Self { client, object, id, algorithm })
    }

    /// Makes the object from its parts. When the answer is lost, the object itself tells
    /// whether it was made.
    pub(super) async fn complete(
        &self,
        options: &WriteOptions,
        mut parts: Vec<Part>,
        meter: &Meter,
    ) -> Result<Stored, Error> {
        parts.sort_unstable_by_key(|part| part.number);
        let whole = self.whole_sum(&parts);
        // Without a sum nothing but a change will tell that the object was made.
        let before = match whole {
            Some(_) => None,
            None => Before::look(self.client, self.object, options).await,
        };
        match self.ask_to_complete(options, &parts, whole.as_ref(), meter).await {
            Ok(stored) => {
                self.compare(whole.as_ref(), &stored)?;
                Ok(Stored { sum: whole, ..stored })
            }
            Err(error) => {
                let unclear = error.status.retryable()
                    || matches!(
                        error.status,
                        Status::NotFound | Status::NotS3 | Status::PreconditionFailed
                    );
                if !unclear {
                    return Err(error);
                }
                let made = match self.made(options, &parts, whole.as_ref()).await {
                    None => self.made_instead(options, &parts, before).await,
                    made => made,
                };
                let Some(stored) = made else { return Err(error) };
                meter.retry();
                Ok(Stored { sum: whole, ..stored })
            }
        }
    }

    async fn ask_to_complete(
        &self,
        options: &WriteOptions,
        parts: &[Part],
        whole: Option<&Sum>,
        meter: &Meter,
    ) -> Result<Stored, Error> {
        let client = self.client;
        let connected = client.connected().await?;
        let about = about(client, connected, self.object);
        meter.write_request();
        let completed = parts.iter().map(|part| {
            let sum = part.stored.sum.as_ref();
            let text = |algorithm| sum.filter(|sum| sum.algorithm == algorithm).map(Sum::text);
            CompletedPart::builder()
                .part_number(i32::try_from(part.number).unwrap_or(i32::MAX))
                .e_tag(&part.stored.etag)
                .set_checksum_crc64_nvme(text(Algorithm::Crc64Nvme))
                .set_checksum_crc32(text(Algorithm::Crc32))
                .set_checksum_crc32_c(text(Algorithm::Crc32c))
                .set_checksum_sha1(text(Algorithm::Sha1))
                .set_checksum_sha256(text(Algorithm::Sha256))
                .build()
        });
        let completed =
            CompletedMultipartUpload::builder().set_parts(Some(completed.collect())).build();
        let size: u64 = parts.iter().map(|part| part.size).sum();
        let text = |algorithm| whole.filter(|sum| sum.algorithm == algorithm).map(Sum::text);
        let complete = connected
            .s3
            .complete_multipart_upload()
            .bucket(&self.object.bucket)
            .key(&self.object.key)
            .upload_id(&self.id)
            .multipart_upload(completed)
            .set_checksum_crc64_nvme(text(Algorithm::Crc64Nvme))
            .set_checksum_crc32(text(Algorithm::Crc32))
            .set_checksum_crc32_c(text(Algorithm::Crc32c))
            .set_checksum_type(whole.map(|_| ChecksumType::FullObject))
            .set_mpu_object_size(whole.and_then(|_| i64::try_from(size).ok()));
        let mut headers = options.conditions()?;
        headers.extend(options.part_headers());
        let answer = answered!(
            about,
            with_headers!(elsewhere!(client, &self.object.bucket, complete.clone()), headers),
            meter.retry()
        )
        .map_err(|error| about.error(error))?;
        let told = |text: Option<&str>| {
            let algorithm = self.algorithm?;
            let expected = Expected::parse(algorithm, text?)?;
            expected.parts.is_none().then_some(Sum { algorithm, digest: expected.digest })
        };
        let sum = self.algorithm.and_then(|algorithm| {
            told(match algorithm {
                Algorithm::Crc64Nvme => answer.checksum_crc64_nvme(),
                Algorithm::Crc32 => answer.checksum_crc32(),
                Algorithm::Crc32c => answer.checksum_crc32_c(),
                Algorithm::Sha1 | Algorithm::Sha256 => None,
            })
        });
        let Some(etag) = answer.e_tag else { return Err(about.without_etag("no ETag")) };
        Ok(Stored { etag, version_id: answer.version_id, sum })
    }

    fn compare(&self, ours: Option<&Sum>, stored: &Stored) -> Result<(), Error> {
        match (ours, &stored.sum) {
            (Some(ours), Some(told)) if ours != told => Err(Error::new(
                Status::ChecksumMismatch,
                format!(
                    "the server made another object of the parts of s3://{}/{} than was sent: the {} differ",
                    self.object.bucket,
                    self.object.key,
                    ours.algorithm.name()
                ),
            )
            .hint("write it again; if that does not help, a machine on the way damages bytes")),
            _ => Ok(()),
        }
    }

    /// The sum of the whole object, where those of its parts combine.
    fn whole_sum(&self, parts: &[Part]) -> Option<Sum> {
        let algorithm = self.algorithm.filter(|algorithm| algorithm.combines())?;
        let mut sums = parts.iter().map(|part| {
            let digest = &part.stored.sum.as_ref()?.digest;
            Some((digest.as_slice(), part.size))
        });
        let digest = algorithm.combine(sums.by_ref())?;
        Some(Sum { algorithm, digest })
    }

    /// What is stored under the key, if it is what these parts make.
    async fn made(
        &self,
        options: &WriteOptions,
        parts: &[Part],
        whole: Option<&Sum>,
    ) -> Option<Stored> {
        let size = parts.iter().map(|part| part.size).sum();
        let stored = stored_as(self.client, self.object, options, size, whole, || etag_of(parts));
        let stored = stored.await?;
        // Should the same object have been there before, the upload still waits.
        let _ = self.abort().await;
        Some(stored)
    }

    /// What is stored under the key in place of what was there before, if the upload is gone.
    async fn made_instead(
        &self,
        options: &WriteOptions,
        parts: &[Part],
        before: Option<Before>,
    ) -> Option<Stored> {
        let before = before?;
        if !is_gone(self.client, self.object, &self.id).await {
            return None;
        }
        let size = parts.iter().map(|part| part.size).sum();
        replaced(self.client, self.object, options, size, &before).await
    }

    /// Ends the upload without an object. What cannot be aborted is told.
    pub(super) async fn abort(&self) -> Result<(), Error> {
        let client = self.client;
        let connected = client.connected().await?;
        let about = about(client, connected, self.object);
        let abort = connected
            .s3
            .abort_multipart_upload()
            .bucket(&self.object.bucket)
            .key(&self.object.key)
            .upload_id(&self.id);
        let aborted = elsewhere!(client, &self.object.bucket, abort).send();
        match tokio::time::timeout(ABORT_PATIENCE, aborted).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => match about.error(error) {
                // It is gone already.
                error if matches!(error.status, Status::NotFound | Status::NoSuchBucket) => Ok(()),
                error => Err(error),
            },
            Err(_) => Err(Error::new(Status::Timeout, "the abort of an upload took too long")),
        }
    }
}

/// The ETag that S3 gives an object of parts: the digest of the digests of its parts.
fn etag_of(parts: &[Part]) -> Option<String> {
    let mut all = Md5::new();
    for part in parts {
        let hex = part.stored.etag.trim_matches('"');
        if hex.len() != 32 {
            return None;
        }
        for index in (0..32).step_by(2) {
            all.update([u8::from_str_radix(hex.get(index..index + 2)?, 16).ok()?]);
        }
    }
    let digest: String = all.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("\"{digest}-{}\"", parts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_an_object_in_parts_is_known() {
        let part = |etag: &str| Part {
            number: 1,
            size: 1,
            stored: Stored { etag: etag.to_owned(), ..Stored::default() },
        };
        // md5(md5("a") + md5("b"))
        let parts = [
            part("\"0cc175b9c0f1b6a831c399e269772661\""),
            part("\"92eb5ffee6ae2fec3ad71c777531578f\""),
        ];
        assert_eq!(etag_of(&parts).as_deref(), Some("\"96e024ba2074fe77e8e965ba43a704be-2\""));
        assert_eq!(etag_of(&[part("\"opaque\"")]), None);
    }
}
