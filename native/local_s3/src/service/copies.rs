//! Copies inside the server: of an object, and of a range into a part.
//!
//! The bytes are read and written here, never sent; the hashes of the copy are computed on the way,
//! because a copy of an object of several parts is an object of one.

use super::LocalS3;
use super::convert::{
    blocking, check_version, checksum_algorithm, checksum_fields, checksum_type, etag,
    object_checksum_fields, object_headers, refuse_unsupported, seconds, set_checksums, tag,
    timestamp,
};
use super::multipart::part_number;
use crate::storage::bucket::Bucket;
use crate::storage::checksum::{Algorithm, Checksum, Coverage};
use crate::storage::conditions::{ReadConditions, WriteConditions};
use crate::storage::error::StoreError;
use crate::storage::now;
use crate::storage::range::Selection;
use crate::storage::reader::ObjectReader;
use crate::storage::record::ObjectRecord;
use crate::storage::writer::{BodyWriter, WrittenBody};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource,
    MetadataDirective, Range, UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Result, s3_error};
use std::sync::Arc;

/// The bucket and the key of a source; other forms name things that do not exist here.
fn source(source: CopySource) -> S3Result<(String, String)> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            check_version(version_id.as_deref())?;
            Ok((bucket.into_string(), key.into_string()))
        }
        _ => Err(s3_error!(NotImplemented, "A copy source is bucket/key here.")),
    }
}

macro_rules! source_conditions {
    ($input:expr) => {
        ReadConditions {
            if_match: $input.copy_source_if_match.take().map(tag),
            if_none_match: $input.copy_source_if_none_match.take().map(tag),
            if_modified_since: $input.copy_source_if_modified_since.take().map(seconds),
            if_unmodified_since: $input.copy_source_if_unmodified_since.take().map(seconds),
        }
    };
}

/// Reads the selected bytes of an object into a new temporary file; blocking.
fn copy_bytes(
    from: &Bucket,
    key: &str,
    conditions: &ReadConditions,
    selection: Selection,
    into: &Bucket,
    algorithms: impl FnOnce(&ObjectRecord) -> Vec<Algorithm>,
) -> Result<(ObjectRecord, WrittenBody), StoreError> {
    let (object, file) = from.open_object(key, &ReadConditions::default())?;
    conditions.check_copy_source(object.record())?;
    let range = selection.resolve(object.record())?;
    let copying = || StoreError::io("copying an object");
    let mut writer = BodyWriter::create(into.temporary_files(), &algorithms(object.record()))
        .map_err(copying())?;
    let record = object.record().clone();
    let mut reader = ObjectReader::new(object, file, range);
    loop {
        let piece = reader.read()?;
        if piece.is_empty() {
            return Ok((record, writer.finish()));
        }
        writer.write(&piece).map_err(copying())?;
    }
}

impl LocalS3 {
    pub(super) async fn copy(&self, mut input: CopyObjectInput) -> S3Result<CopyObjectOutput> {
        refuse_unsupported!(input);
        let conditions = source_conditions!(input);
        let (source_bucket, source_key) = source(input.copy_source)?;
        let from: Arc<Bucket> = self.store.bucket(&source_bucket)?;
        let into = self.store.bucket(&input.bucket)?;
        let replaced = match input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
            None | Some(MetadataDirective::COPY) => false,
            Some(MetadataDirective::REPLACE) => true,
            Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
        };
        let headers = object_headers!(input);
        if source_bucket == input.bucket
            && source_key == input.key
            && !replaced
            && headers.storage_class.is_none()
            && headers.website_redirect_location.is_none()
            && input.checksum_algorithm.is_none()
        {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
            ));
        }
        let named = input.checksum_algorithm.as_ref().map(checksum_algorithm).transpose()?;
        let key = input.key;
        let record = blocking(move || {
            let mut algorithm = Algorithm::Crc64Nvme;
            let (original, body) =
                copy_bytes(&from, &source_key, &conditions, Selection::Whole, &into, |original| {
                    let kept = original.checksum.as_ref().map(|checksum| checksum.algorithm);
                    algorithm = named.or(kept).unwrap_or(algorithm);
                    vec![algorithm]
                })?;
            let headers = if replaced {
                headers
            } else {
                // The class and the redirect belong to the copy, whatever the directive says.
                let mut kept = original.headers;
                kept.storage_class = headers.storage_class;
                kept.website_redirect_location = headers.website_redirect_location;
                kept
            };
            let record = ObjectRecord {
                key,
                size: body.size,
                etag: body.etag(),
                modified: now(),
                checksum: body.checksum(algorithm).map(|value| Checksum {
                    algorithm,
                    coverage: Coverage::FullObject,
                    value: value.to_owned(),
                }),
                headers,
                parts: None,
            };
            into.commit(body, record.clone(), &WriteConditions::default())?;
            Ok(record)
        })
        .await?;
        let mut result = CopyObjectResult {
            e_tag: Some(etag(&record.etag)),
            last_modified: Some(timestamp(record.modified)),
            checksum_type: record
                .checksum
                .as_ref()
                .map(|checksum| checksum_type(checksum.coverage)),
            ..CopyObjectResult::default()
        };
        set_checksums!(result, object_checksum_fields(record.checksum.as_ref()));
        Ok(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
    }

    pub(super) async fn copy_part(
        &self,
        mut input: UploadPartCopyInput,
    ) -> S3Result<UploadPartCopyOutput> {
        let conditions = source_conditions!(input);
        let (source_bucket, source_key) = source(input.copy_source)?;
        let from: Arc<Bucket> = self.store.bucket(&source_bucket)?;
        let into = self.store.bucket(&input.bucket)?;
        let number = part_number(input.part_number)?;
        let selection = match input.copy_source_range.as_deref() {
            None => Selection::Whole,
            Some(range) => match Range::parse(range) {
                Ok(Range::Int { first, last: Some(last) }) => {
                    Selection::From { first, last: Some(last) }
                }
                _ => {
                    return Err(s3_error!(
                        InvalidArgument,
                        "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
                    ));
                }
            },
        };
        let upload = into.upload(&input.key, &input.upload_id)?.record;
        let algorithm = upload.algorithm;
        let part = blocking(move || {
            if let Selection::From { last: Some(last), .. } = selection {
                // Unlike a read, a copy takes no range that ends behind the object.
                let size = from.object(&source_key, &ReadConditions::default())?.record().size;
                if last >= size {
                    return Err(StoreError::InvalidArgument(format!(
                        "Range specified is not valid for source object of size: {size}"
                    )));
                }
            }
            let (_, body) =
                copy_bytes(&from, &source_key, &conditions, selection, &into, |_| vec![algorithm])?;
            into.put_part(&input.key, &input.upload_id, number, body)
        })
        .await?;
        let mut result = CopyPartResult {
            e_tag: Some(etag(&part.etag)),
            last_modified: Some(timestamp(part.modified)),
            ..CopyPartResult::default()
        };
        if upload.algorithm_named {
            set_checksums!(result, checksum_fields(algorithm, &part.checksum));
        }
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(result),
            ..UploadPartCopyOutput::default()
        })
    }
}
