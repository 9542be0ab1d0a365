//! What is kept about an object or a part, and how it stands in its file.
//!
//! A file is the body, then the record as JSON, then the JSON's length (4 bytes, little endian)
//! and eight bytes that name the format. One file holds both, so that one rename makes a body and
//! its metadata visible together. The body starts at offset 0 and reads need no translation.

use super::checksum::{Algorithm, Checksum, Coverage};
use super::encryption::Encryption;
use super::now;
use super::writer::WrittenBody;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const MAGIC: &[u8; 8] = b"dipperS1";
const TAIL: usize = 4 + MAGIC.len();

/// The headers that a client gives with an object and gets back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectHeaders {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// An HTTP date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website_redirect_location: Option<String>,
    /// `x-amz-meta-*`, without the prefix.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// Tags of an object, by name.
pub type Tags = BTreeMap<String, String>;

/// Everything about a version of an object but its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRecord {
    pub key: String,
    /// `None` is the null version. The bucket sets this and the sequence when the object is committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Rises from write to write of a bucket.
    #[serde(default)]
    pub sequence: u64,
    /// A version without a body: the object was deleted here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub delete_marker: bool,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// Whole seconds since 1970: S3 has no finer time, in headers or in listings.
    pub modified: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    #[serde(default)]
    pub headers: ObjectHeaders,
    /// As written with the object; later changes stand in a file of their own (`tags`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Set for an object of several parts, whose bytes lie in files of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<ObjectParts>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl ObjectRecord {
    /// The record of an object of one piece, whose bytes are `body`.
    pub fn of_body(
        key: String,
        body: &WrittenBody,
        algorithm: Algorithm,
        headers: ObjectHeaders,
        tags: Tags,
        encryption: Option<Encryption>,
    ) -> Self {
        Self {
            key,
            size: body.size,
            etag: body.etag.clone(),
            modified: now(),
            checksum: body.checksum(algorithm).map(|value| Checksum {
                algorithm,
                coverage: Coverage::FullObject,
                value: value.to_owned(),
            }),
            headers,
            tags,
            encryption,
            ..Self::default()
        }
    }
}

/// Where the bytes of a multipart object lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectParts {
    /// The directory below the bucket's `parts/`: the identifier of the upload.
    pub directory: String,
    pub list: Vec<ObjectPart>,
}

/// One part of a finished object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPart {
    /// The number it was uploaded with, which names its file.
    pub number: u16,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// A part of an unfinished upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    pub number: u16,
    pub size: u64,
    pub etag: String,
    pub modified: i64,
    /// In the upload's algorithm, base64.
    pub checksum: String,
}

/// What an upload was created with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRecord {
    pub id: String,
    pub key: String,
    pub initiated: i64,
    pub algorithm: Algorithm,
    pub coverage: Coverage,
    /// Whether the client named the algorithm; answers only show it then.
    pub algorithm_named: bool,
    pub headers: ObjectHeaders,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

/// The bytes that stand behind the body.
pub fn encode<T: Serialize>(record: &T) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(record)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(MAGIC);
    Ok(bytes)
}

/// Reads the record behind a body, and the body's length.
pub fn decode<T: DeserializeOwned>(file: &File) -> io::Result<(T, u64)> {
    // One read gets the record in nearly all cases.
    const GUESS: u64 = 4096;
    let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let size = file.metadata()?.len();
    let guess = size.min(GUESS);
    let mut end = vec![0u8; usize::try_from(guess).map_err(io::Error::other)?];
    file.read_exact_at(&mut end, size - guess)?;
    let tail = end.len().checked_sub(TAIL).ok_or_else(|| damaged("shorter than a record"))?;
    let (before, tail) = end.split_at(tail);
    let (length, magic) = tail.split_at(4);
    if magic != MAGIC {
        return Err(damaged("does not end as a record does"));
    }
    let length = u32::from_le_bytes(length.try_into().map_err(io::Error::other)?);
    let body = size
        .checked_sub(u64::from(length) + TAIL as u64)
        .ok_or_else(|| damaged("shorter than its record"))?;
    let length = length as usize;
    let record = if let Some(start) = before.len().checked_sub(length) {
        serde_json::from_slice(before.get(start..).unwrap_or_default())?
    } else {
        let mut json = vec![0u8; length];
        file.read_exact_at(&mut json, body)?;
        serde_json::from_slice(&json)?
    };
    Ok((record, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn round_trip_small_and_large() {
        let directory = crate::storage::directory::temporary().unwrap();
        for metadata in [0usize, 5000] {
            let mut record =
                ObjectRecord { key: "a\u{0}b\n".into(), size: 5, ..ObjectRecord::default() };
            record.headers.metadata.insert("x".into(), "y".repeat(metadata));
            let path = directory.join("file");
            let mut file = File::create(&path).unwrap();
            file.write_all(b"hello").unwrap();
            file.write_all(&encode(&record).unwrap()).unwrap();
            let (back, body): (ObjectRecord, u64) = decode(&File::open(&path).unwrap()).unwrap();
            assert_eq!((back, body), (record, 5));
        }
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn damage_is_an_error() {
        let directory = crate::storage::directory::temporary().unwrap();
        let path = directory.join("file");
        for bytes in [
            &b""[..],
            b"short",
            b"no magic at the end of this",
            b"\xff\xff\xff\xffdipperS1",
            b"{\x01\0\0\0dipperS1",
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert!(decode::<ObjectRecord>(&File::open(&path).unwrap()).is_err(), "{bytes:?}");
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
