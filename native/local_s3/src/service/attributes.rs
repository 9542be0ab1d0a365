//! What `GetObjectAttributes` tells of an object: its checksum and its parts beside what HEAD says.

use super::LocalS3;
use super::convert::set_checksums;
use super::convert::{checksum_fields, etag, object_checksum_fields, timestamp, which};
use super::encryption::customer_key;
use super::listings::page_length;
use crate::storage::encryption::Encryption;
use crate::storage::record::{ObjectParts, ObjectRecord};
use s3s::dto::{
    GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts,
    ObjectAttributes, ObjectPart, StorageClass,
};
use s3s::{S3Result, s3_error};

/// A page of the parts of a multipart object, numbered from 1 without gaps.
fn page_of_parts(
    record: &ObjectRecord,
    parts: &ObjectParts,
    limit: i32,
    marker: i32,
) -> GetObjectAttributesParts {
    let (most, skipped) =
        (usize::try_from(limit).unwrap_or(0), usize::try_from(marker).unwrap_or(0));
    let numbered: Vec<ObjectPart> = parts
        .list
        .iter()
        .zip(1i32..)
        .skip(skipped)
        .take(most)
        .map(|(part, number)| {
            let mut output = ObjectPart {
                part_number: Some(number),
                size: i64::try_from(part.size).ok(),
                ..ObjectPart::default()
            };
            if let (Some(whole), Some(value)) = (&record.checksum, &part.checksum) {
                set_checksums!(output, checksum_fields(whole.algorithm, value));
            }
            output
        })
        .collect();
    let truncated = most > 0 && skipped + numbered.len() < parts.list.len();
    GetObjectAttributesParts {
        is_truncated: Some(truncated),
        max_parts: Some(limit),
        next_part_number_marker: numbered
            .last()
            .and_then(|part| part.part_number)
            .filter(|_| truncated),
        part_number_marker: Some(marker),
        total_parts_count: i32::try_from(parts.list.len()).ok(),
        parts: Some(numbered),
    }
}

impl LocalS3 {
    pub(super) fn attributes(
        &self,
        mut input: GetObjectAttributesInput,
    ) -> S3Result<GetObjectAttributesOutput> {
        let bucket = self.store.bucket(&input.bucket)?;
        let key = customer_key!(input);
        let limit = page_length(input.max_parts, "max-parts")?;
        let marker = input.part_number_marker.unwrap_or(0).max(0);
        let which = which(input.version_id.as_deref());
        let object = bucket.object(&input.key, &which, |record| {
            Encryption::check(record.encryption.as_ref(), key.as_ref())
        })?;
        let record = object.record();
        let mut output = GetObjectAttributesOutput {
            last_modified: Some(timestamp(record.modified)),
            version_id: bucket.shown_version(record),
            ..GetObjectAttributesOutput::default()
        };
        // Some clients send a header for each, some one header with commas, which `s3s` leaves whole.
        let names = input.object_attributes.iter().flat_map(|names| names.as_str().split(','));
        for name in names {
            match name.trim() {
                ObjectAttributes::ETAG => output.e_tag = Some(etag(&record.etag)),
                ObjectAttributes::CHECKSUM => {
                    output.checksum =
                        record.checksum.as_ref().map(|sum| object_checksum_fields(Some(sum)));
                }
                ObjectAttributes::OBJECT_PARTS => {
                    output.object_parts = record
                        .parts
                        .as_ref()
                        .map(|parts| page_of_parts(record, parts, limit, marker));
                }
                ObjectAttributes::OBJECT_SIZE => {
                    output.object_size = i64::try_from(record.size).ok()
                }
                ObjectAttributes::STORAGE_CLASS => {
                    let class = record.headers.storage_class.clone();
                    output.storage_class = Some(class.map_or_else(
                        || StorageClass::from_static(StorageClass::STANDARD),
                        StorageClass::from,
                    ));
                }
                other => {
                    return Err(s3_error!(
                        InvalidArgument,
                        "Invalid attribute name specified: {other}"
                    ));
                }
            }
        }
        Ok(output)
    }
}
