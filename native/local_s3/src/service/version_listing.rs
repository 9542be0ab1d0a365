//! Listings of versions.

use super::convert::{blocking, checksum_type, etag, timestamp};
use super::listings::{Naming, page_length};
use super::{LocalS3, owner};
use crate::storage::bucket::Object;
use crate::storage::version_listing::{VersionEntry, VersionPage, VersionQuery, list_versions};
use crate::storage::versions::shown;
use s3s::dto::{
    ChecksumAlgorithm, CommonPrefix, DeleteMarkerEntry, ListObjectVersionsInput,
    ListObjectVersionsOutput, ObjectVersion, ObjectVersionStorageClass,
};
use s3s::{S3Result, s3_error};

fn version(object: &Object, latest: bool, naming: Naming) -> ObjectVersion {
    let record = object.record();
    let class = record.headers.storage_class.clone().map(ObjectVersionStorageClass::from);
    ObjectVersion {
        key: Some(naming.name(&record.key)),
        version_id: Some(shown(record.version.as_deref())),
        is_latest: Some(latest),
        size: i64::try_from(record.size).ok(),
        e_tag: Some(etag(&record.etag)),
        last_modified: Some(timestamp(record.modified)),
        storage_class: Some(class.unwrap_or_else(|| {
            ObjectVersionStorageClass::from_static(ObjectVersionStorageClass::STANDARD)
        })),
        owner: Some(owner()),
        checksum_algorithm: record
            .checksum
            .as_ref()
            .map(|checksum| vec![ChecksumAlgorithm::from_static(checksum.algorithm.name())]),
        checksum_type: record.checksum.as_ref().map(|checksum| checksum_type(checksum.coverage)),
        restore_status: None,
    }
}

fn delete_marker(object: &Object, latest: bool, naming: Naming) -> DeleteMarkerEntry {
    let record = object.record();
    DeleteMarkerEntry {
        key: Some(naming.name(&record.key)),
        version_id: Some(shown(record.version.as_deref())),
        is_latest: Some(latest),
        last_modified: Some(timestamp(record.modified)),
        owner: Some(owner()),
    }
}

/// Where the next page goes on: the key or common prefix, and the version of a key.
fn next(page: &VersionPage) -> (Option<&str>, Option<String>) {
    match page.entries.last().filter(|_| page.truncated) {
        None => (None, None),
        Some(VersionEntry::Prefix(prefix)) => (Some(prefix), None),
        Some(VersionEntry::Version { object, .. }) => {
            let record = object.record();
            (Some(&record.key), Some(shown(record.version.as_deref())))
        }
    }
}

impl LocalS3 {
    pub(super) async fn list_versions(
        &self,
        input: ListObjectVersionsInput,
    ) -> S3Result<ListObjectVersionsOutput> {
        let bucket = self.store.bucket(&input.bucket)?;
        let naming = Naming::new(input.encoding_type.as_ref())?;
        let max_keys = page_length(input.max_keys, "maxKeys")?;
        let after_key = input.key_marker.filter(|marker| !marker.is_empty());
        let after_version = input.version_id_marker.filter(|marker| !marker.is_empty());
        if after_version.is_some() && after_key.is_none() {
            return Err(s3_error!(
                InvalidArgument,
                "A version-id marker cannot be specified without a key marker."
            ));
        }
        blocking(move || {
            let query = VersionQuery {
                prefix: input.prefix.as_deref().unwrap_or_default(),
                delimiter: input.delimiter.as_deref().unwrap_or_default(),
                after_key: after_key.as_deref(),
                after_version: after_version.as_deref(),
                limit: usize::try_from(max_keys).unwrap_or(0),
            };
            let page = bucket.with_versions(|index| list_versions(index, &query));
            let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
            for entry in &page.entries {
                match entry {
                    VersionEntry::Prefix(prefix) => {
                        prefixes.push(CommonPrefix { prefix: Some(naming.name(prefix)) });
                    }
                    VersionEntry::Version { object, latest } if object.record().delete_marker => {
                        markers.push(delete_marker(object, *latest, naming));
                    }
                    VersionEntry::Version { object, latest } => {
                        versions.push(version(object, *latest, naming));
                    }
                }
            }
            let (next_key, next_version) = next(&page);
            Ok(ListObjectVersionsOutput {
                name: Some(input.bucket),
                prefix: Some(naming.name(query.prefix)),
                delimiter: naming
                    .optional(input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())),
                key_marker: Some(naming.name(query.after_key.unwrap_or_default())),
                version_id_marker: Some(query.after_version.unwrap_or_default().to_owned()),
                max_keys: Some(max_keys),
                is_truncated: Some(page.truncated),
                next_key_marker: naming.optional(next_key),
                next_version_id_marker: next_version,
                encoding_type: input.encoding_type,
                versions: Some(versions),
                delete_markers: Some(markers),
                common_prefixes: Some(prefixes),
                request_charged: None,
            })
        })
        .await
    }
}
