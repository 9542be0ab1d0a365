//! Operations on one object: get, head, put, delete, and deleting many.

use super::LocalS3;
use super::convert::{
    DEFAULT_CONTENT_TYPE, blocking, checksum_algorithm, checksum_fields, checksum_type, etag,
    from_http_date, given_checksums, metadata, object_checksum_fields, object_headers,
    refuse_unsupported, seconds, set_checksums, storage_class, tag, timestamp, which,
};
use super::encryption::{Told, customer_key, requested_encryption, tell_encryption};
use super::receive::{Promise, receive};
use super::tags::{count, header_tags};
use crate::storage::bucket::Object;
use crate::storage::checksum::{Algorithm, Checksum};
use crate::storage::conditions::{ReadConditions, WriteConditions};
use crate::storage::encryption::Encryption;
use crate::storage::range::Selection;
use crate::storage::reader::{ObjectReader, ObjectStream};
use crate::storage::record::ObjectRecord;
use s3s::dto::{
    self, ChecksumMode, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, DeletedObject, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, PutObjectInput, PutObjectOutput, StreamingBlob,
};
use s3s::{S3Error, S3Request, S3Result, s3_error};
use std::ops::Range;

/// One request deletes at most this many objects.
const MOST_DELETES: usize = 1000;

/// What a read selects, and whether that needs a `Content-Range`.
fn selection(range: Option<dto::Range>, part: Option<i32>) -> S3Result<Selection> {
    match (range, part) {
        (Some(_), Some(_)) => Err(s3_error!(
            InvalidRequest,
            "Cannot specify both Range header and partNumber query parameter"
        )),
        (None, None) => Ok(Selection::Whole),
        (Some(dto::Range::Int { first, last }), None) => Ok(Selection::From { first, last }),
        (Some(dto::Range::Suffix { length }), None) => Ok(Selection::Last { length }),
        (None, Some(number)) => u16::try_from(number)
            .ok()
            .filter(|number| (1..=10_000).contains(number))
            .map(Selection::Part)
            .ok_or_else(|| {
                s3_error!(
                    InvalidArgument,
                    "Part number must be an integer between 1 and 10000, inclusive"
                )
            }),
    }
}

fn content_range(selection: Selection, range: &Range<u64>, size: u64) -> Option<String> {
    if selection == Selection::Whole || range.is_empty() {
        return None;
    }
    Some(format!("bytes {}-{}/{size}", range.start, range.end - 1))
}

/// The checksum of just the bytes that an answer carries, where one is kept.
fn selected_checksum(record: &ObjectRecord, selection: Selection) -> Option<Checksum> {
    let whole = record.checksum.as_ref()?;
    match (selection, &record.parts) {
        (Selection::Whole, _) | (Selection::Part(_), None) => Some(whole.clone()),
        (Selection::Part(number), Some(parts)) => {
            let part = parts.list.get(usize::from(number).checked_sub(1)?)?;
            Some(Checksum { value: part.checksum.clone()?, ..whole.clone() })
        }
        _ => None,
    }
}

fn parts_count(record: &ObjectRecord, selection: Selection) -> Option<i32> {
    match (selection, &record.parts) {
        (Selection::Part(_), Some(parts)) => i32::try_from(parts.list.len()).ok(),
        _ => None,
    }
}

fn signed(size: u64) -> Option<i64> {
    i64::try_from(size).ok()
}

/// Fills the fields that get and head answer alike.
macro_rules! describe {
    ($output:ident, $object:expr, $selection:expr, $range:expr, $with_checksum:expr) => {{
        let record: &ObjectRecord = $object.record();
        let headers = &record.headers;
        $output.accept_ranges = Some("bytes".to_owned());
        $output.content_length = signed($range.end - $range.start);
        $output.content_range = content_range($selection, &$range, record.size);
        $output.content_type =
            Some(headers.content_type.clone().unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned()));
        $output.cache_control = headers.cache_control.clone();
        $output.content_disposition = headers.content_disposition.clone();
        $output.content_encoding = headers.content_encoding.clone();
        $output.content_language = headers.content_language.clone();
        $output.expires = headers.expires.as_deref().and_then(from_http_date);
        $output.website_redirect_location = headers.website_redirect_location.clone();
        $output.metadata = metadata(headers);
        $output.storage_class = storage_class(headers);
        $output.e_tag = Some(etag(&record.etag));
        $output.last_modified = Some(timestamp(record.modified));
        $output.parts_count = parts_count(record, $selection);
        if $with_checksum {
            let checksum = selected_checksum(record, $selection);
            $output.checksum_type =
                checksum.as_ref().map(|checksum| checksum_type(checksum.coverage));
            set_checksums!($output, object_checksum_fields(checksum.as_ref()));
        }
    }};
}

macro_rules! read_conditions {
    ($input:expr) => {
        ReadConditions {
            if_match: $input.if_match.map(tag),
            if_none_match: $input.if_none_match.map(tag),
            if_modified_since: $input.if_modified_since.map(seconds),
            if_unmodified_since: $input.if_unmodified_since.map(seconds),
        }
    };
}

fn wants_checksum(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str().eq_ignore_ascii_case(ChecksumMode::ENABLED))
}

impl LocalS3 {
    pub(super) async fn get(&self, mut input: GetObjectInput) -> S3Result<GetObjectOutput> {
        let bucket = self.store.bucket(&input.bucket)?;
        let which = which(input.version_id.as_deref());
        let selection = selection(input.range, input.part_number)?;
        let with_checksum = wants_checksum(input.checksum_mode.as_ref());
        let key = customer_key!(input);
        let md5 = key.as_ref().map(|key| key.md5.clone());
        let conditions = read_conditions!(input);
        let (object, version, range, stream) = blocking(move || {
            let (object, file) = bucket.open_object(&input.key, &which, |record| {
                Encryption::check(record.encryption.as_ref(), key.as_ref())?;
                conditions.check(record)
            })?;
            let range = selection.resolve(object.record())?;
            let stream =
                ObjectStream::open(ObjectReader::new(object.clone(), file, range.clone()))?;
            let version = bucket.shown_version(object.record());
            Ok((object, version, range, stream))
        })
        .await?;
        let mut output = GetObjectOutput {
            body: Some(StreamingBlob::new(stream)),
            tag_count: count(&object.record().tags),
            version_id: version,
            ..GetObjectOutput::default()
        };
        describe!(output, object, selection, range, with_checksum);
        tell_encryption!(output, Told::new(object.record().encryption.as_ref(), md5));
        Ok(output)
    }

    /// The answer, and how many tags there are: `s3s` has no field for that here.
    pub(super) fn stat(
        &self,
        mut input: HeadObjectInput,
    ) -> S3Result<(HeadObjectOutput, Option<i32>)> {
        let which = which(input.version_id.as_deref());
        let selection = selection(input.range, input.part_number)?;
        let with_checksum = wants_checksum(input.checksum_mode.as_ref());
        let key = customer_key!(input);
        let conditions = read_conditions!(input);
        let bucket = self.store.bucket(&input.bucket)?;
        let object: Object = bucket.object(&input.key, &which, |record| {
            Encryption::check(record.encryption.as_ref(), key.as_ref())?;
            conditions.check(record)
        })?;
        let range = selection.resolve(object.record())?;
        let mut output = HeadObjectOutput {
            version_id: bucket.shown_version(object.record()),
            ..HeadObjectOutput::default()
        };
        describe!(output, object, selection, range, with_checksum);
        let md5 = key.map(|key| key.md5);
        tell_encryption!(output, Told::new(object.record().encryption.as_ref(), md5));
        let overrides = [
            (&mut output.content_type, input.response_content_type),
            (&mut output.cache_control, input.response_cache_control),
            (&mut output.content_disposition, input.response_content_disposition),
            (&mut output.content_encoding, input.response_content_encoding),
            (&mut output.content_language, input.response_content_language),
        ];
        for (field, value) in overrides {
            if value.is_some() {
                *field = value;
            }
        }
        if input.response_expires.is_some() {
            output.expires = input.response_expires;
        }
        Ok((output, count(&object.record().tags)))
    }

    pub(super) async fn put(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<PutObjectOutput> {
        let mut input = request.input;
        refuse_unsupported!(input);
        if input.write_offset_bytes.is_some() {
            return Err(s3_error!(NotImplemented, "This server does not append to objects."));
        }
        let bucket = self.store.bucket(&input.bucket)?;
        let conditions = write_conditions(input.if_match, input.if_none_match)?;
        let promise = Promise::new(
            &request.headers,
            request.trailing_headers,
            input.content_length,
            input.content_md5.as_deref(),
            input.checksum_algorithm.as_ref(),
            given_checksums!(input),
        )?;
        // An object always has a checksum; CRC64NVME is S3's own choice.
        let named = input.checksum_algorithm.as_ref().map(checksum_algorithm).transpose()?;
        let algorithm = promise.algorithm().or(named).unwrap_or(Algorithm::Crc64Nvme);
        let headers = object_headers!(input);
        let tags = header_tags(input.tagging.as_deref())?;
        let customer_key = customer_key!(input);
        let encryption = requested_encryption!(input, customer_key.as_ref());
        let hides_md5 = encryption.as_ref().is_some_and(Encryption::hides_md5);
        let key = input.key;
        let directory = bucket.temporary_files().to_owned();
        let (object, version) = receive(
            &self.hashing,
            input.body,
            promise,
            directory,
            algorithm,
            hides_md5,
            move |body| {
                let record =
                    ObjectRecord::of_body(key, &body, algorithm, headers, tags, encryption);
                let object = bucket.commit(body, record, &conditions)?;
                let version = bucket.shown_version(object.record());
                Ok((object, version))
            },
        )
        .await?;
        let record = object.record();
        let mut output = PutObjectOutput {
            e_tag: Some(etag(&record.etag)),
            checksum_type: record
                .checksum
                .as_ref()
                .map(|checksum| checksum_type(checksum.coverage)),
            version_id: version,
            ..PutObjectOutput::default()
        };
        let fields = record
            .checksum
            .as_ref()
            .map(|checksum| checksum_fields(checksum.algorithm, &checksum.value));
        set_checksums!(output, fields.unwrap_or_default());
        let md5 = customer_key.map(|key| key.md5);
        output.ssekms_encryption_context =
            tell_encryption!(output, Told::new(record.encryption.as_ref(), md5));
        Ok(output)
    }

    pub(super) async fn delete(&self, input: DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
        let bucket = self.store.bucket(&input.bucket)?;
        let which = which(input.version_id.as_deref());
        let conditions = WriteConditions {
            if_match: input.if_match.map(tag),
            if_none_match: None,
            if_size: input.if_match_size.and_then(|size| u64::try_from(size).ok()),
            if_modified_at: input.if_match_last_modified_time.map(seconds),
        };
        let deleted = blocking(move || bucket.delete(&input.key, &which, &conditions)).await?;
        Ok(DeleteObjectOutput {
            delete_marker: deleted.delete_marker.then_some(true),
            version_id: deleted.version,
            ..DeleteObjectOutput::default()
        })
    }

    pub(super) async fn delete_many(
        &self,
        input: DeleteObjectsInput,
    ) -> S3Result<DeleteObjectsOutput> {
        let objects = input.delete.objects;
        if objects.is_empty() || objects.len() > MOST_DELETES {
            return Err(s3_error!(
                MalformedXML,
                "A request deletes between 1 and {MOST_DELETES} objects."
            ));
        }
        let quiet = input.delete.quiet.unwrap_or(false);
        let bucket = self.store.bucket(&input.bucket)?;
        blocking(move || {
            let (mut deleted, mut errors) = (Vec::new(), Vec::new());
            for object in objects {
                let key = object.key;
                let conditions = WriteConditions {
                    if_match: object.e_tag.map(|etag| tag(dto::ETagCondition::ETag(etag))),
                    if_none_match: None,
                    if_size: object.size.and_then(|size| u64::try_from(size).ok()),
                    if_modified_at: object.last_modified_time.map(seconds),
                };
                let which = which(object.version_id.as_deref());
                match bucket.delete(&key, &which, &conditions).map_err(S3Error::from) {
                    Ok(_) if quiet => {}
                    Ok(done) => deleted.push(DeletedObject {
                        key: Some(key),
                        delete_marker: done.delete_marker.then_some(true),
                        delete_marker_version_id: done.version.filter(|_| done.delete_marker),
                        version_id: object.version_id,
                    }),
                    Err(error) => errors.push(dto::Error {
                        code: Some(error.code().as_str().to_owned()),
                        key: Some(key),
                        message: error.message().map(str::to_owned),
                        version_id: object.version_id,
                    }),
                }
            }
            Ok(DeleteObjectsOutput {
                deleted: Some(deleted),
                errors: Some(errors),
                ..DeleteObjectsOutput::default()
            })
        })
        .await
    }
}

/// S3 takes an entity tag in `If-Match` and only `*` in `If-None-Match`.
pub(super) fn write_conditions(
    if_match: Option<dto::ETagCondition>,
    if_none_match: Option<dto::ETagCondition>,
) -> S3Result<WriteConditions> {
    if if_none_match.as_ref().is_some_and(|condition| !condition.is_any()) {
        return Err(s3_error!(NotImplemented, "If-None-Match of a write must be *."));
    }
    Ok(WriteConditions {
        if_match: if_match.map(tag),
        if_none_match: if_none_match.map(tag),
        ..WriteConditions::default()
    })
}
