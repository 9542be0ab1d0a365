//! Copies inside the server: of an object, and of a range into a part.
//!
//! The bytes are read and written here, never sent; the hashes of the copy are computed on the way,
//! because a copy of an object of several parts is an object of one.

use super::LocalS3;
use super::convert::{
    blocking, checksum_algorithm, checksum_fields, checksum_type, etag, object_checksum_fields,
    object_headers, refuse_unsupported, seconds, set_checksums, tag, timestamp, which,
};
use super::encryption::{
    Told, customer_key, requested_encryption, source_customer_key, tell_encryption,
};
use super::multipart::part_number;
use super::objects::write_conditions;
use super::tags::header_tags;
use crate::storage::bucket::{Bucket, Object};
use crate::storage::checksum::Algorithm;
use crate::storage::conditions::ReadConditions;
use crate::storage::encryption::{CustomerKey, Encryption};
use crate::storage::error::StoreError;
use crate::storage::range::Selection;
use crate::storage::reader::ObjectReader;
use crate::storage::record::ObjectRecord;
use crate::storage::versions::Which;
use crate::storage::writer::{BodyWriter, Md5Use, WrittenBody};
use http::{HeaderMap, HeaderName, header};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, ETagCondition,
    MetadataDirective, Range, TaggingDirective, UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Request, S3Result, s3_error};
use std::fs::File;
use std::sync::Arc;

/// The bucket, the key and the version of a source; other forms name things that do not exist here.
fn source(source: CopySource) -> S3Result<(String, String, Which)> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            Ok((bucket.into_string(), key.into_string(), which(version_id.as_deref())))
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

/// A delete marker that a copy names is a bad request, not a method that is not allowed.
fn not_a_marker(error: StoreError) -> StoreError {
    match error {
        StoreError::DeleteMarker { named: true, .. } => StoreError::InvalidRequest(
            "The source of a copy request may not specifically refer to a delete marker by version id."
                .to_owned(),
        ),
        other => other,
    }
}

/// What a copy reads, and under which conditions.
struct Source {
    bucket: Arc<Bucket>,
    key: String,
    version: Which,
    conditions: ReadConditions,
    customer_key: Option<CustomerKey>,
}

impl Source {
    fn open(&self) -> Result<(Object, File), StoreError> {
        self.bucket
            .open_object(&self.key, &self.version, |record| {
                Encryption::check(record.encryption.as_ref(), self.customer_key.as_ref())?;
                self.conditions.check_copy_source(record)
            })
            .map_err(not_a_marker)
    }
}

/// Reads the selected bytes of an object into a new temporary file; blocking.
fn copy_bytes(
    (object, file): (Object, File),
    selection: Selection,
    into: &Bucket,
    algorithm: Algorithm,
    hides_md5: bool,
) -> Result<WrittenBody, StoreError> {
    let range = selection.resolve(object.record())?;
    let copying = || StoreError::io("copying an object");
    let md5 = if hides_md5 { Md5Use::None } else { Md5Use::Tag };
    let mut writer =
        BodyWriter::create(into.temporary_files(), &[algorithm], md5).map_err(copying())?;
    let mut reader = ObjectReader::new(object, file, range);
    loop {
        let piece = reader.read()?;
        if piece.is_empty() {
            return Ok(writer.finish());
        }
        writer.write(&piece).map_err(copying())?;
    }
}

fn given_condition(headers: &HeaderMap, name: HeaderName) -> S3Result<Option<ETagCondition>> {
    let Some(value) = headers.get(&name) else { return Ok(None) };
    ETagCondition::parse_http_header(value.as_bytes()).map(Some).map_err(|error| {
        s3_error!(error, InvalidArgument, "The header {name} is not an entity tag.")
    })
}

impl LocalS3 {
    pub(super) async fn copy(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<CopyObjectOutput> {
        // `s3s` does not read the conditions on what the copy replaces.
        let conditions_of_target = write_conditions(
            given_condition(&request.headers, header::IF_MATCH)?,
            given_condition(&request.headers, header::IF_NONE_MATCH)?,
        )?;
        let mut input = request.input;
        refuse_unsupported!(input);
        let customer_key = source_customer_key!(input);
        let conditions = source_conditions!(input);
        let source = self.source(source(input.copy_source)?, conditions, customer_key)?;
        let into = self.store.bucket(&input.bucket)?;
        let customer_key = customer_key!(input);
        let encryption = requested_encryption!(input, customer_key.as_ref());
        let hides_md5 = encryption.as_ref().is_some_and(Encryption::hides_md5);
        let replaced = match input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
            None | Some(MetadataDirective::COPY) => false,
            Some(MetadataDirective::REPLACE) => true,
            Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
        };
        let tags_replaced = match input.tagging_directive.as_ref().map(TaggingDirective::as_str) {
            None | Some(TaggingDirective::COPY) => false,
            Some(TaggingDirective::REPLACE) => true,
            Some(_) => return Err(s3_error!(InvalidArgument, "Unknown tagging directive.")),
        };
        // Without the directive they are checked and not used, as in S3.
        let tags = header_tags(input.tagging.as_deref())?;
        let headers = object_headers!(input);
        if source.bucket.name == input.bucket
            && source.key == input.key
            && source.version == Which::Current
            && !replaced
            && encryption.is_none()
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
        let (object, version, copied_version) = blocking(move || {
            let opened = source.open()?;
            let original = opened.0.record().clone();
            let kept = original.checksum.as_ref().map(|checksum| checksum.algorithm);
            let algorithm = named.or(kept).unwrap_or(Algorithm::Crc64Nvme);
            let body = copy_bytes(opened, Selection::Whole, &into, algorithm, hides_md5)?;
            let copied_version = source.bucket.shown_version(&original);
            let headers = if replaced {
                headers
            } else {
                // The class and the redirect belong to the copy, whatever the directive says.
                let mut kept = original.headers;
                kept.storage_class = headers.storage_class;
                kept.website_redirect_location = headers.website_redirect_location;
                kept
            };
            let tags = if tags_replaced { tags } else { original.tags };
            let record = ObjectRecord::of_body(key, &body, algorithm, headers, tags, encryption);
            let object = into.commit(body, record, &conditions_of_target)?;
            let version = into.shown_version(object.record());
            Ok((object, version, copied_version))
        })
        .await?;
        let record = object.record();
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
        let mut output = CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: copied_version,
            version_id: version,
            ..CopyObjectOutput::default()
        };
        let md5 = customer_key.map(|key| key.md5);
        output.ssekms_encryption_context =
            tell_encryption!(output, Told::new(record.encryption.as_ref(), md5));
        Ok(output)
    }

    pub(super) async fn copy_part(
        &self,
        mut input: UploadPartCopyInput,
    ) -> S3Result<UploadPartCopyOutput> {
        let customer_key = source_customer_key!(input);
        let conditions = source_conditions!(input);
        let source = self.source(source(input.copy_source)?, conditions, customer_key)?;
        let into = self.store.bucket(&input.bucket)?;
        let customer_key = customer_key!(input);
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
        Encryption::check_part(upload.encryption.as_ref(), customer_key.as_ref())?;
        let hides_md5 = upload.encryption.as_ref().is_some_and(Encryption::hides_md5);
        let algorithm = upload.algorithm;
        let (part, copied_version) = blocking(move || {
            let opened = source.open()?;
            let original = opened.0.clone();
            let size = original.record().size;
            // Unlike a read, a copy takes no range that ends behind the object.
            if let Selection::From { last: Some(last), .. } = selection
                && last >= size
            {
                return Err(StoreError::InvalidArgument(format!(
                    "Range specified is not valid for source object of size: {size}"
                )));
            }
            let body = copy_bytes(opened, selection, &into, algorithm, hides_md5)?;
            let part = into.put_part(&input.key, &input.upload_id, number, body)?;
            Ok((part, source.bucket.shown_version(original.record())))
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
        let mut output = UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id: copied_version,
            ..UploadPartCopyOutput::default()
        };
        let md5 = customer_key.map(|key| key.md5);
        tell_encryption!(output, Told::new(upload.encryption.as_ref(), md5));
        Ok(output)
    }

    fn source(
        &self,
        (bucket, key, version): (String, String, Which),
        conditions: ReadConditions,
        customer_key: Option<CustomerKey>,
    ) -> S3Result<Source> {
        let bucket = self.store.bucket(&bucket)?;
        Ok(Source { bucket, key, version, conditions, customer_key })
    }
}
