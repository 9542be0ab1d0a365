//! Listings of objects, in both versions of the operation.

use super::convert::{blocking, checksum_type, etag, percent_encode, timestamp};
use super::{LocalS3, owner};
use crate::storage::bucket::Object;
use crate::storage::key_file::{from_hexadecimal, hexadecimal};
use crate::storage::listing::{Entry, Page, Query, Start, list};
use s3s::dto::{
    self, ChecksumAlgorithm, CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, ObjectStorageClass,
};
use s3s::{S3Result, s3_error};

/// A page has at most this many entries.
const LONGEST_PAGE: i32 = 1000;

/// How names are written into an answer.
#[derive(Clone, Copy)]
pub(super) struct Naming {
    encoded: bool,
}

impl Naming {
    pub(super) fn new(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self { encoded: false }),
            Some(EncodingType::URL) => Ok(Self { encoded: true }),
            Some(_) => {
                Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request"))
            }
        }
    }

    pub(super) fn name(self, text: &str) -> String {
        if self.encoded { percent_encode(text) } else { text.to_owned() }
    }

    pub(super) fn optional(self, text: Option<&str>) -> Option<String> {
        text.map(|text| self.name(text))
    }
}

/// A page length between 0 and the longest.
pub(super) fn page_length(asked: Option<i32>, argument: &str) -> S3Result<i32> {
    let asked = asked.unwrap_or(LONGEST_PAGE);
    if asked < 0 {
        return Err(s3_error!(
            InvalidArgument,
            "Argument {argument} must be an integer between 0 and 2147483647"
        ));
    }
    Ok(asked.min(LONGEST_PAGE))
}

fn summary(object: &Object, naming: Naming, with_owner: bool) -> dto::Object {
    let record = object.record();
    let class = record.headers.storage_class.clone().map(ObjectStorageClass::from);
    dto::Object {
        key: Some(naming.name(&record.key)),
        size: i64::try_from(record.size).ok(),
        e_tag: Some(etag(&record.etag)),
        last_modified: Some(timestamp(record.modified)),
        storage_class: Some(
            class.unwrap_or_else(|| ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ),
        owner: with_owner.then(owner),
        checksum_algorithm: record
            .checksum
            .as_ref()
            .map(|checksum| vec![ChecksumAlgorithm::from_static(checksum.algorithm.name())]),
        checksum_type: record.checksum.as_ref().map(|checksum| checksum_type(checksum.coverage)),
        restore_status: None,
    }
}

fn split(page: &Page, naming: Naming, with_owner: bool) -> (Vec<dto::Object>, Vec<CommonPrefix>) {
    let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
    for entry in &page.entries {
        match entry {
            Entry::Object(object) => objects.push(summary(object, naming, with_owner)),
            Entry::Prefix(prefix) => {
                prefixes.push(CommonPrefix { prefix: Some(naming.name(prefix)) })
            }
        }
    }
    (objects, prefixes)
}

/// A continuation token: which kind the last entry was, and its name in hexadecimal.
enum Token {
    Key(String),
    Prefix(String),
}

impl Token {
    fn after(page: &Page) -> Option<String> {
        let last = page.entries.last().filter(|_| page.truncated)?;
        let kind = if matches!(last, Entry::Prefix(_)) { 'p' } else { 'k' };
        Some(format!("{kind}{}", hexadecimal(last.name().as_bytes())))
    }

    fn parse(text: &str) -> S3Result<Self> {
        let wrong = || s3_error!(InvalidArgument, "The continuation token provided is incorrect");
        let name =
            |digits: &str| from_hexadecimal(digits).and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(digits) = text.strip_prefix('k') {
            name(digits).map(Self::Key).ok_or_else(wrong)
        } else if let Some(digits) = text.strip_prefix('p') {
            name(digits).map(Self::Prefix).ok_or_else(wrong)
        } else {
            Err(wrong())
        }
    }
}

impl LocalS3 {
    pub(super) async fn list_v2(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        let bucket = self.store.bucket(&input.bucket)?;
        let naming = Naming::new(input.encoding_type.as_ref())?;
        let max_keys = page_length(input.max_keys, "maxKeys")?;
        let token = input.continuation_token.as_deref().map(Token::parse).transpose()?;
        blocking(move || {
            let after = match (&token, &input.start_after) {
                (Some(Token::Key(key)), _) => Start::After(key),
                (Some(Token::Prefix(prefix)), _) => Start::AfterPrefix(prefix),
                (None, Some(key)) if !key.is_empty() => Start::After(key),
                (None, _) => Start::Beginning,
            };
            let query = Query {
                prefix: input.prefix.as_deref().unwrap_or_default(),
                delimiter: input.delimiter.as_deref().unwrap_or_default(),
                after,
                limit: usize::try_from(max_keys).unwrap_or(0),
            };
            let page = bucket.with_objects(|objects| list(objects, &query));
            let (contents, prefixes) = split(&page, naming, input.fetch_owner.unwrap_or(false));
            Ok(ListObjectsV2Output {
                name: Some(input.bucket),
                prefix: Some(naming.name(query.prefix)),
                delimiter: naming
                    .optional(input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())),
                start_after: naming.optional(input.start_after.as_deref()),
                max_keys: Some(max_keys),
                key_count: i32::try_from(page.entries.len()).ok(),
                is_truncated: Some(page.truncated),
                next_continuation_token: Token::after(&page),
                continuation_token: input.continuation_token,
                encoding_type: input.encoding_type,
                contents: Some(contents),
                common_prefixes: Some(prefixes),
                request_charged: None,
            })
        })
        .await
    }

    pub(super) async fn list_v1(&self, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
        let bucket = self.store.bucket(&input.bucket)?;
        let naming = Naming::new(input.encoding_type.as_ref())?;
        let max_keys = page_length(input.max_keys, "maxKeys")?;
        blocking(move || {
            let query = Query {
                prefix: input.prefix.as_deref().unwrap_or_default(),
                delimiter: input.delimiter.as_deref().unwrap_or_default(),
                after: match input.marker.as_deref() {
                    Some(marker) if !marker.is_empty() => Start::After(marker),
                    _ => Start::Beginning,
                },
                limit: usize::try_from(max_keys).unwrap_or(0),
            };
            let page = bucket.with_objects(|objects| list(objects, &query));
            let (contents, prefixes) = split(&page, naming, true);
            // As in S3, only a listing with a delimiter says where to go on; without one it is the last key.
            let next =
                page.entries.last().filter(|_| page.truncated && !query.delimiter.is_empty());
            Ok(ListObjectsOutput {
                name: Some(input.bucket),
                prefix: Some(naming.name(query.prefix)),
                marker: Some(naming.name(input.marker.as_deref().unwrap_or_default())),
                delimiter: naming
                    .optional(input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())),
                max_keys: Some(max_keys),
                is_truncated: Some(page.truncated),
                next_marker: next.map(|entry| naming.name(entry.name())),
                encoding_type: input.encoding_type,
                contents: Some(contents),
                common_prefixes: Some(prefixes),
                request_charged: None,
            })
        })
        .await
    }
}
