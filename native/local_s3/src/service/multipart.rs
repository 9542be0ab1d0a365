//! Operations on uploads in several parts.

use super::convert::{
    blocking, checksum_algorithm, checksum_fields, checksum_type, coverage, etag, given_checksums,
    object_checksum_fields, object_headers, refuse_unsupported, set_checksums, timestamp,
};
use super::encryption::{Told, customer_key, requested_encryption, tell_encryption};
use super::listings::{Naming, page_length};
use super::objects::write_conditions;
use super::receive::{Promise, receive};
use super::tags::header_tags;
use super::{LocalS3, initiator, owner};
use crate::storage::bucket::UploadPlace;
use crate::storage::checksum::Algorithm;
use crate::storage::encryption::Encryption;
use crate::storage::listing::common_prefix;
use crate::storage::multipart::{ClaimedObject, ClaimedPart, Upload};
use crate::storage::record::{PartRecord, UploadRecord};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, CommonPrefix,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListPartsInput, ListPartsOutput, MultipartUpload, Part, StorageClass, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3Request, S3Result, s3_error};
use std::ops::Bound;

const MOST_PARTS: usize = 10_000;

/// A part number as the storage knows it.
pub(super) fn part_number(number: i32) -> S3Result<u16> {
    u16::try_from(number).ok().filter(|number| (1..=10_000).contains(number)).ok_or_else(|| {
        s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive")
    })
}

fn storage_class(record: &UploadRecord) -> StorageClass {
    record
        .headers
        .storage_class
        .clone()
        .map_or_else(|| StorageClass::from_static(StorageClass::STANDARD), StorageClass::from)
}

/// What answers say about an upload's checksum: nothing, if the client did not name one.
fn shown_algorithm(record: &UploadRecord) -> Option<ChecksumAlgorithm> {
    record.algorithm_named.then(|| ChecksumAlgorithm::from_static(record.algorithm.name()))
}

impl LocalS3 {
    pub(super) async fn create_upload(
        &self,
        mut input: CreateMultipartUploadInput,
    ) -> S3Result<CreateMultipartUploadOutput> {
        refuse_unsupported!(input);
        let bucket = self.store.bucket(&input.bucket)?;
        let named = input.checksum_algorithm.as_ref().map(checksum_algorithm).transpose()?;
        let algorithm = named.unwrap_or(Algorithm::Crc64Nvme);
        let coverage = match &input.checksum_type {
            Some(_) if named.is_none() => {
                return Err(s3_error!(
                    InvalidRequest,
                    "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
                ));
            }
            Some(name) => coverage(name)?,
            None => algorithm.default_coverage(),
        };
        if !algorithm.allows(coverage) {
            return Err(s3_error!(
                InvalidRequest,
                "The {} checksum type cannot be used with the {} checksum algorithm.",
                coverage.name(),
                algorithm.name()
            ));
        }
        let customer_key = customer_key!(input);
        let encryption = requested_encryption!(input, customer_key.as_ref());
        let md5 = customer_key.map(|key| key.md5);
        let told = Told::new(encryption.as_ref(), md5);
        let record = UploadRecord {
            id: String::new(),
            key: input.key.clone(),
            initiated: 0,
            algorithm,
            coverage,
            algorithm_named: named.is_some(),
            tags: header_tags(input.tagging.as_deref())?,
            encryption,
            headers: object_headers!(input),
        };
        let id = blocking(move || bucket.create_upload(record)).await?;
        let mut output = CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: named
                .map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name())),
            checksum_type: named.map(|_| checksum_type(coverage)),
            ..CreateMultipartUploadOutput::default()
        };
        output.ssekms_encryption_context = tell_encryption!(output, told);
        Ok(output)
    }

    pub(super) async fn put_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        let mut input = request.input;
        let bucket = self.store.bucket(&input.bucket)?;
        let number = part_number(input.part_number)?;
        let promise = Promise::new(
            &request.headers,
            request.trailing_headers,
            input.content_length,
            input.content_md5.as_deref(),
            input.checksum_algorithm.as_ref(),
            given_checksums!(input),
        )?;
        let upload = bucket.upload(&input.key, &input.upload_id)?.record;
        let customer_key = customer_key!(input);
        Encryption::check_part(upload.encryption.as_ref(), customer_key.as_ref())?;
        let hides_md5 = upload.encryption.as_ref().is_some_and(Encryption::hides_md5);
        let told = Told::new(upload.encryption.as_ref(), customer_key.map(|key| key.md5));
        let given = promise.algorithm();
        if let Some(given) = given
            && upload.algorithm_named
            && given != upload.algorithm
        {
            return Err(s3_error!(
                InvalidRequest,
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                upload.algorithm.name().to_ascii_lowercase(),
                given.name().to_ascii_lowercase()
            ));
        }
        let directory = bucket.temporary_files().to_owned();
        let shown = given.or(upload.algorithm_named.then_some(upload.algorithm));
        let (part, shown) = receive(
            &self.hashing,
            input.body,
            promise,
            directory,
            upload.algorithm,
            hides_md5,
            move |body| {
                let shown = shown
                    .and_then(|algorithm| Some((algorithm, body.checksum(algorithm)?.to_owned())));
                Ok((bucket.put_part(&input.key, &input.upload_id, number, body)?, shown))
            },
        )
        .await?;
        let mut output =
            UploadPartOutput { e_tag: Some(etag(&part.etag)), ..UploadPartOutput::default() };
        let fields = shown.map(|(algorithm, value)| checksum_fields(algorithm, &value));
        set_checksums!(output, fields.unwrap_or_default());
        tell_encryption!(output, told);
        Ok(output)
    }

    pub(super) async fn abort_upload(
        &self,
        input: AbortMultipartUploadInput,
    ) -> S3Result<AbortMultipartUploadOutput> {
        let bucket = self.store.bucket(&input.bucket)?;
        blocking(move || bucket.abort_upload(&input.key, &input.upload_id)).await?;
        Ok(AbortMultipartUploadOutput::default())
    }

    pub(super) async fn complete_upload(
        &self,
        mut input: CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let bucket = self.store.bucket(&input.bucket)?;
        // A key is not needed here; a wrong one is a mistake that is told.
        if let Some(key) = customer_key!(input)
            && let Ok(upload) = bucket.upload(&input.key, &input.upload_id)
        {
            Encryption::check_part(upload.record.encryption.as_ref(), Some(&key))?;
        }
        let conditions = write_conditions(input.if_match.take(), input.if_none_match.take())?;
        let parts =
            input.multipart_upload.take().and_then(|upload| upload.parts).unwrap_or_default();
        if parts.is_empty() || parts.len() > MOST_PARTS {
            return Err(s3_error!(
                MalformedXML,
                "You must specify between 1 and {MOST_PARTS} parts"
            ));
        }
        let parts = parts
            .into_iter()
            .map(|mut part| {
                let missing =
                    || s3_error!(MalformedXML, "Every part needs a PartNumber and an ETag.");
                Ok(ClaimedPart {
                    number: part_number(part.part_number.ok_or_else(missing)?)?,
                    etag: part.e_tag.take().ok_or_else(missing)?.into_value(),
                    checksums: given_checksums!(part),
                })
            })
            .collect::<S3Result<Vec<_>>>()?;
        let coverage = input.checksum_type.as_ref().map(coverage).transpose()?;
        let claim = ClaimedObject {
            parts,
            coverage,
            checksum: given_checksums!(input).pop(),
            size: input.mpu_object_size.and_then(|size| u64::try_from(size).ok()),
        };
        let (key, id) = (input.key.clone(), input.upload_id);
        let (object, version) = blocking(move || {
            let object = bucket.complete_upload(&key, &id, &claim, &conditions)?;
            let version = bucket.shown_version(object.record());
            Ok((object, version))
        })
        .await?;
        let record = object.record();
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!(
                "/{}/{}",
                input.bucket,
                super::convert::percent_encode(&input.key)
            )),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(etag(&record.etag)),
            version_id: version,
            ..CompleteMultipartUploadOutput::default()
        };
        let told = Told::new(record.encryption.as_ref(), None);
        output.server_side_encryption = told.method;
        output.ssekms_key_id = told.key_id;
        output.bucket_key_enabled = told.bucket_key;
        let fields = object_checksum_fields(record.checksum.as_ref());
        output.checksum_type = fields.checksum_type.clone();
        set_checksums!(output, fields);
        Ok(output)
    }

    pub(super) fn parts(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        let upload = self.store.bucket(&input.bucket)?.upload(&input.key, &input.upload_id)?;
        let limit = page_length(input.max_parts, "max-parts")?;
        let marker = input.part_number_marker.unwrap_or(0);
        let after = u16::try_from(marker.max(0)).unwrap_or(u16::MAX);
        let mut found: Vec<&PartRecord> = upload
            .parts
            .range((Bound::Excluded(after), Bound::Unbounded))
            .map(|(_, part)| part)
            .take(usize::try_from(limit).unwrap_or(0) + 1)
            .collect();
        let truncated = limit > 0 && found.len() > usize::try_from(limit).unwrap_or(0);
        found.truncate(usize::try_from(limit).unwrap_or(0));
        let next = found.last().filter(|_| truncated).map(|part| i32::from(part.number));
        let parts = found
            .iter()
            .map(|part| {
                let mut output = Part {
                    part_number: Some(i32::from(part.number)),
                    size: i64::try_from(part.size).ok(),
                    e_tag: Some(etag(&part.etag)),
                    last_modified: Some(timestamp(part.modified)),
                    ..Part::default()
                };
                if upload.record.algorithm_named {
                    set_checksums!(
                        output,
                        checksum_fields(upload.record.algorithm, &part.checksum)
                    );
                }
                output
            })
            .collect();
        Ok(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            part_number_marker: Some(marker),
            next_part_number_marker: next,
            max_parts: Some(limit),
            is_truncated: Some(truncated),
            parts: Some(parts),
            initiator: Some(initiator()),
            owner: Some(owner()),
            storage_class: Some(storage_class(&upload.record)),
            checksum_algorithm: shown_algorithm(&upload.record),
            checksum_type: upload
                .record
                .algorithm_named
                .then(|| checksum_type(upload.record.coverage)),
            ..ListPartsOutput::default()
        })
    }

    pub(super) fn uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        let bucket = self.store.bucket(&input.bucket)?;
        let naming = Naming::new(input.encoding_type.as_ref())?;
        let limit = page_length(input.max_uploads, "max-uploads")?;
        let most = usize::try_from(limit).unwrap_or(0);
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let delimiter = input.delimiter.as_deref().unwrap_or_default();
        let key_marker = input.key_marker.as_deref().unwrap_or_default();
        let id_marker = input
            .upload_id_marker
            .as_deref()
            .filter(|_| !key_marker.is_empty())
            .unwrap_or_default();

        let all = bucket.uploads();
        // The identifier says where within the marker's key the last page ended.
        let last = all.keys().find(|(key, _, id)| key == key_marker && id == id_marker).cloned();
        let passed = |place: &UploadPlace| match &last {
            Some(last) => place <= last,
            None => !key_marker.is_empty() && place.0.as_str() <= key_marker,
        };
        let mut uploads = Vec::new();
        let mut prefixes: Vec<String> = Vec::new();
        let mut end: Option<(String, String)> = None;
        let mut truncated = false;
        for (place, upload) in
            all.iter().filter(|(place, _)| place.0.starts_with(prefix) && !passed(place))
        {
            let covering = common_prefix(&place.0, prefix, delimiter);
            if let Some(covering) = covering
                && (prefixes.last().is_some_and(|last| last == covering) || covering == key_marker)
            {
                continue;
            }
            if uploads.len() + prefixes.len() >= most {
                truncated = most > 0;
                break;
            }
            match covering {
                Some(covering) => {
                    prefixes.push(covering.to_owned());
                    end = Some((covering.to_owned(), String::new()));
                }
                None => {
                    uploads.push(shown_upload(upload, naming));
                    end = Some((place.0.clone(), place.2.clone()));
                }
            }
        }
        drop(all);
        let next = end.filter(|_| truncated);
        Ok(ListMultipartUploadsOutput {
            next_key_marker: next.as_ref().map(|(key, _)| naming.name(key)),
            next_upload_id_marker: next.map(|(_, id)| id).filter(|id| !id.is_empty()),
            key_marker: Some(naming.name(key_marker)),
            upload_id_marker: Some(id_marker.to_owned()),
            prefix: Some(naming.name(prefix)),
            delimiter: naming.optional(Some(delimiter).filter(|delimiter| !delimiter.is_empty())),
            common_prefixes: Some(
                prefixes
                    .iter()
                    .map(|prefix| CommonPrefix { prefix: Some(naming.name(prefix)) })
                    .collect(),
            ),
            bucket: Some(input.bucket),
            encoding_type: input.encoding_type,
            is_truncated: Some(truncated),
            max_uploads: Some(limit),
            uploads: Some(uploads),
            request_charged: None,
        })
    }
}

fn shown_upload(upload: &Upload, naming: Naming) -> MultipartUpload {
    let record = &upload.record;
    MultipartUpload {
        key: Some(naming.name(&record.key)),
        upload_id: Some(record.id.clone()),
        initiated: Some(timestamp(record.initiated)),
        initiator: Some(initiator()),
        owner: Some(owner()),
        storage_class: Some(storage_class(record)),
        checksum_algorithm: shown_algorithm(record),
        checksum_type: record.algorithm_named.then(|| checksum_type(record.coverage)),
    }
}
