//! Uploads in several parts.
//!
//! A part is a file like an object's, named by its number; a second upload of a number replaces it.
//! Completing moves the upload's directory to `parts/` and writes an object that names it: no byte is
//! copied, whatever the size. A reader then walks from file to file.

use super::bucket::{Bucket, Object, UploadPlace};
use super::checksum::{Algorithm, Checksum, Coverage};
use super::conditions::WriteConditions;
use super::error::StoreError;
use super::key_file::{from_hexadecimal, hexadecimal};
use super::now;
use super::record::{self, ObjectPart, ObjectParts, ObjectRecord, PartRecord, UploadRecord};
use super::writer::{BodyWriter, Md5Use, WrittenBody};
use s3s::crypto::{Checksum as _, Md5};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Every part but the last has at least this many bytes.
const MINIMUM_PART: u64 = 5 * 1024 * 1024;
/// The file that says what an upload is; an object's parts have none.
pub const UPLOAD_RECORD: &str = "upload.json";

/// An unfinished upload.
#[derive(Clone)]
pub struct Upload {
    pub record: UploadRecord,
    pub parts: BTreeMap<u16, PartRecord>,
}

/// What a client says about a part when it completes an upload.
pub struct ClaimedPart {
    pub number: u16,
    /// Without quotes.
    pub etag: String,
    /// The checksums the client repeats, if it does.
    pub checksums: Vec<(Algorithm, String)>,
}

/// What a client says about the whole when it completes an upload.
#[derive(Default)]
pub struct ClaimedObject {
    pub parts: Vec<ClaimedPart>,
    pub checksum: Option<(Algorithm, String)>,
    pub coverage: Option<Coverage>,
    pub size: Option<u64>,
}

/// The file of a part, in an upload and in an object.
pub fn part_name(number: u16) -> String {
    format!("{number:05}")
}

impl Upload {
    /// Reads the uploads that an earlier server left.
    pub fn scan(directory: &Path) -> io::Result<BTreeMap<UploadPlace, Self>> {
        let mut uploads = BTreeMap::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let Ok(bytes) = fs::read(path.join(UPLOAD_RECORD)) else {
                // Cut off while it was made: no client has its identifier.
                fs::remove_dir_all(path)?;
                continue;
            };
            let record: UploadRecord = serde_json::from_slice(&bytes)?;
            let mut parts = BTreeMap::new();
            for entry in fs::read_dir(&path)? {
                let file = entry?.path();
                if file.file_name().is_some_and(|name| name != UPLOAD_RECORD) {
                    let (part, _): (PartRecord, u64) = record::decode(&File::open(&file)?)?;
                    parts.insert(part.number, part);
                }
            }
            uploads.insert(place(&record), Self { record, parts });
        }
        Ok(uploads)
    }
}

fn place(record: &UploadRecord) -> UploadPlace {
    (record.key.clone(), record.initiated, record.id.clone())
}

fn find<'u>(
    uploads: &'u mut BTreeMap<UploadPlace, Upload>,
    key: &str,
    id: &str,
) -> Result<&'u mut Upload, StoreError> {
    let first = (key.to_owned(), i64::MIN, String::new());
    uploads
        .range_mut(first..)
        .take_while(|((each, _, _), _)| each == key)
        .map(|(_, upload)| upload)
        .find(|upload| upload.record.id == id)
        .ok_or_else(|| StoreError::NoSuchUpload(id.to_owned()))
}

impl Bucket {
    /// Starts an upload. `record.id` and `record.initiated` are set here.
    pub fn create_upload(&self, mut record: UploadRecord) -> Result<String, StoreError> {
        let make = |record: &mut UploadRecord| -> io::Result<()> {
            record.id = super::random_name()?;
            record.initiated = now();
            // Made aside and renamed: an upload is there with its record, or not at all.
            let aside = self.temporary_files().join(&record.id);
            fs::create_dir(&aside)?;
            fs::write(aside.join(UPLOAD_RECORD), serde_json::to_vec(record)?)?;
            fs::rename(&aside, self.upload_path(&record.id))
        };
        let mut uploads = self.uploads();
        self.check_present()?;
        make(&mut record).map_err(StoreError::io("starting an upload"))?;
        let id = record.id.clone();
        uploads.insert(place(&record), Upload { record, parts: BTreeMap::new() });
        Ok(id)
    }

    /// The upload as it is now.
    pub fn upload(&self, key: &str, id: &str) -> Result<Upload, StoreError> {
        find(&mut self.uploads(), key, id).cloned()
    }

    /// Adds or replaces a part. The body was written with the upload's algorithm.
    pub fn put_part(
        &self,
        key: &str,
        id: &str,
        number: u16,
        body: WrittenBody,
    ) -> Result<PartRecord, StoreError> {
        let mut uploads = self.uploads();
        let upload = find(&mut uploads, key, id)?;
        let checksum =
            body.checksum(upload.record.algorithm).map(str::to_owned).ok_or_else(|| {
                StoreError::InvalidRequest(
                    "The part was written without the upload's checksum.".to_owned(),
                )
            })?;
        let part = PartRecord {
            number,
            size: body.size,
            etag: body.etag.clone(),
            modified: now(),
            checksum,
        };
        body.persist(&part, &self.upload_path(id).join(part_name(number)))
            .map_err(StoreError::io("putting a part into place"))?;
        upload.parts.insert(number, part.clone());
        Ok(part)
    }

    /// Ends an upload without an object.
    pub fn abort_upload(&self, key: &str, id: &str) -> Result<(), StoreError> {
        let mut uploads = self.uploads();
        let place = place(&find(&mut uploads, key, id)?.record);
        // Moved aside first: a process that ends in between leaves no upload that lacks some parts.
        let aside = self.temporary_files().join(id);
        fs::rename(self.upload_path(id), &aside).map_err(StoreError::io("removing an upload"))?;
        uploads.remove(&place);
        drop(uploads);
        // What cannot be removed now goes at the next start.
        let _ = fs::remove_dir_all(aside);
        Ok(())
    }

    /// Makes the claimed parts one object.
    pub fn complete_upload(
        &self,
        key: &str,
        id: &str,
        claim: &ClaimedObject,
        conditions: &WriteConditions,
    ) -> Result<Object, StoreError> {
        // Held to the end: no part arrives and no abort happens in between.
        let mut uploads = self.uploads();
        let upload = match find(&mut uploads, key, id) {
            Err(missing) => return self.completed(key, id).ok_or(missing),
            Ok(upload) => upload,
        };
        let record = assemble(upload, claim)?;
        let place = place(&upload.record);
        let moving = StoreError::io("putting an upload into place");
        let writer =
            BodyWriter::create(self.temporary_files(), &[], Md5Use::None).map_err(moving)?;
        let (from, to) = (self.upload_path(id), self.path().join("parts").join(id));
        fs::rename(&from, &to).map_err(StoreError::io("putting an upload into place"))?;
        let object = match self.commit(writer.finish(), record, conditions) {
            Ok(object) => object,
            Err(error) => {
                // The upload goes on as if this had not been tried.
                let _ = fs::rename(&to, &from);
                return Err(error);
            }
        };
        let unused = uploads.remove(&place).map(|upload| upload.parts).unwrap_or_default();
        drop(uploads);
        let _ = fs::remove_file(to.join(UPLOAD_RECORD));
        for number in
            unused.keys().filter(|number| claim.parts.iter().all(|part| part.number != **number))
        {
            let _ = fs::remove_file(to.join(part_name(*number)));
        }
        Ok(object)
    }

    /// What an upload has become, for a client that lost the first answer and asks again.
    fn completed(&self, key: &str, id: &str) -> Option<Object> {
        let of_this = |object: &&Object| {
            object.record().parts.as_ref().is_some_and(|parts| parts.directory == id)
        };
        self.with_versions(|index| index.versions(key).iter().find(of_this).cloned())
    }

    fn upload_path(&self, id: &str) -> PathBuf {
        // Identifiers come from `random_name`; one from a client was found among them first.
        self.path().join("uploads").join(id)
    }
}

/// Checks the client's list against the parts, and makes the record of the whole.
fn assemble(upload: &Upload, claim: &ClaimedObject) -> Result<ObjectRecord, StoreError> {
    let mut md5s = Md5::new();
    let mut list = Vec::with_capacity(claim.parts.len());
    if !claim.parts.is_sorted_by(|one, next| one.number < next.number) {
        return Err(StoreError::InvalidPartOrder);
    }
    for (index, claimed) in claim.parts.iter().enumerate() {
        let name = || format!("part {}", claimed.number);
        let part =
            upload.parts.get(&claimed.number).ok_or_else(|| StoreError::InvalidPart(name()))?;
        let lies = |(algorithm, value): &(Algorithm, String)| {
            *algorithm == upload.record.algorithm && *value != part.checksum
        };
        if claimed.etag != part.etag || claimed.checksums.iter().any(lies) {
            return Err(StoreError::InvalidPart(name()));
        }
        if part.size < MINIMUM_PART && index + 1 < claim.parts.len() {
            return Err(StoreError::EntityTooSmall { part: part.number, size: part.size });
        }
        md5s.update(&from_hexadecimal(&part.etag).unwrap_or_default());
        list.push(ObjectPart {
            number: part.number,
            size: part.size,
            checksum: Some(part.checksum.clone()),
        });
    }
    let size = list.iter().map(|part| part.size).sum();
    if claim.size.is_some_and(|claimed| claimed != size) {
        return Err(StoreError::InvalidRequest(format!(
            "The provided 'x-amz-mp-object-size' header value does not match what was computed: {size}"
        )));
    }
    let UploadRecord { algorithm, coverage, .. } = upload.record;
    let sums = list.iter().map(|part| (part.size, part.checksum.as_deref().unwrap_or_default()));
    let checksum: Option<Checksum> = algorithm.of_parts(coverage, sums);
    if let Some(claimed) = claim.coverage
        && claimed != coverage
    {
        return Err(StoreError::InvalidRequest(format!(
            "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
            coverage.name()
        )));
    }
    if let Some((claimed, value)) = &claim.checksum {
        if *claimed != algorithm {
            return Err(StoreError::InvalidRequest(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                algorithm.name().to_ascii_lowercase(),
                claimed.name().to_ascii_lowercase()
            )));
        }
        // A composite checksum may be given with the number of parts behind it, or without.
        let given = |checksum: &Checksum| {
            checksum.value == *value
                || (coverage == Coverage::Composite
                    && checksum.value == format!("{value}-{}", list.len()))
        };
        if !checksum.as_ref().is_some_and(given) {
            return Err(StoreError::BadDigest(algorithm.name().to_owned()));
        }
    }
    Ok(ObjectRecord {
        key: upload.record.key.clone(),
        size,
        etag: format!("{}-{}", hexadecimal(&md5s.finalize()), list.len()),
        modified: now(),
        checksum,
        headers: upload.record.headers.clone(),
        tags: upload.record.tags.clone(),
        encryption: upload.record.encryption.clone(),
        parts: Some(ObjectParts { directory: upload.record.id.clone(), list }),
        ..ObjectRecord::default()
    })
}
