//! One bucket: its objects' files and their index, its unfinished uploads.
//!
//! Every change holds the index's write lock around the rename or the removal and the change of the
//! index. So readers, who open files under the read lock, always get the body that belongs to the
//! record, writers of one key never mix, and a condition is checked at the moment of the change.

// An object's only mutable part, the mark of `retire`, takes no part in the order of keys.
#![allow(clippy::mutable_key_type)]

use super::conditions::{ReadConditions, WriteConditions};
use super::error::StoreError;
use super::key_file;
use super::multipart::Upload;
use super::record::{self, ObjectRecord};
use super::writer::WrittenBody;
use super::{now, read, write};
use crate::start_error::StartError;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering as Memory};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// A bucket of the store.
pub struct Bucket {
    pub name: String,
    pub created: i64,
    /// What the client named when it made the bucket.
    pub location: Option<String>,
    path: PathBuf,
    temporary_files: PathBuf,
    index: RwLock<Index>,
    uploads: Mutex<BTreeMap<UploadPlace, Upload>>,
}

/// Uploads are listed by key, then by start, then by identifier.
pub type UploadPlace = (String, i64, String);

#[derive(Default)]
struct Index {
    objects: BTreeSet<Object>,
    /// Set when the bucket is gone; a writer that still holds it must not write.
    removed: bool,
}

/// An object: its record, and its parts' directory if it has one. Cheap to clone. Compares by the
/// bytes of its key, which is S3's order.
#[derive(Clone)]
pub struct Object(Arc<ObjectInner>);

struct ObjectInner {
    record: ObjectRecord,
    parts: Option<PartsDirectory>,
}

/// The files of a multipart object. They go away with the last reader once the object is replaced.
struct PartsDirectory {
    path: PathBuf,
    obsolete: AtomicBool,
}

impl Drop for PartsDirectory {
    fn drop(&mut self) {
        if !self.obsolete.load(Memory::Acquire) {
            return;
        }
        let path = std::mem::take(&mut self.path);
        // What stays behind is removed at the next start.
        let remove = move || drop(fs::remove_dir_all(path));
        // The last user can be a connection's task, which must not wait for 10,000 removals.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

impl Object {
    pub fn new(record: ObjectRecord, bucket: &Path) -> Self {
        let parts = record.parts.as_ref().map(|parts| PartsDirectory {
            path: bucket.join("parts").join(&parts.directory),
            obsolete: AtomicBool::new(false),
        });
        Self(Arc::new(ObjectInner { record, parts }))
    }

    pub fn record(&self) -> &ObjectRecord {
        &self.0.record
    }

    /// Where the parts' files lie, for an object that has them.
    pub fn parts_path(&self) -> Option<&Path> {
        self.0.parts.as_ref().map(|parts| parts.path.as_path())
    }

    fn retire(&self) {
        if let Some(parts) = &self.0.parts {
            parts.obsolete.store(true, Memory::Release);
        }
    }
}

impl Borrow<[u8]> for Object {
    fn borrow(&self) -> &[u8] {
        self.record().key.as_bytes()
    }
}
impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.record().key == other.record().key
    }
}
impl Eq for Object {}
impl PartialOrd for Object {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Object {
    fn cmp(&self, other: &Self) -> Ordering {
        self.record().key.as_bytes().cmp(other.record().key.as_bytes())
    }
}

#[derive(Serialize, Deserialize)]
struct BucketRecord {
    created: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    location: Option<String>,
}

impl Bucket {
    /// Makes the directory. The caller has checked the name and that there is none yet.
    pub fn create(
        name: &str,
        path: PathBuf,
        temporary_files: PathBuf,
        location: Option<String>,
    ) -> Result<Self, StoreError> {
        let created = now();
        let make = || -> io::Result<()> {
            // Made aside and renamed: a bucket is there with all it needs, or not at all.
            let aside = temporary_files.join(super::random_name()?);
            for part in ["objects", "parts", "uploads"] {
                fs::create_dir_all(aside.join(part))?;
            }
            let record = BucketRecord { created, location: location.clone() };
            fs::write(aside.join("bucket.json"), serde_json::to_vec(&record)?)?;
            fs::rename(&aside, &path)
        };
        make().map_err(StoreError::io("creating a bucket"))?;
        Ok(Self {
            name: name.to_owned(),
            created,
            location,
            path,
            temporary_files,
            index: RwLock::default(),
            uploads: Mutex::default(),
        })
    }

    /// Reads a bucket that an earlier server wrote, and removes what no record names.
    pub fn open(name: &str, path: PathBuf, temporary_files: PathBuf) -> Result<Self, StartError> {
        let record = path.join("bucket.json");
        let record: BucketRecord =
            fs::read(&record).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)).map_err(
                |error| StartError::DirectoryFormat { path: record, reason: error.to_string() },
            )?;
        let unusable = |source| StartError::Directory { path: path.clone(), source };
        for part in ["objects", "parts", "uploads"] {
            fs::create_dir_all(path.join(part)).map_err(unusable)?;
        }
        let objects = scan(&path)?;
        remove_orphans(&path, &objects).map_err(unusable)?;
        let uploads = Upload::scan(&path.join("uploads")).map_err(unusable)?;
        Ok(Self {
            name: name.to_owned(),
            created: record.created,
            location: record.location,
            index: RwLock::new(Index { objects, removed: false }),
            uploads: Mutex::new(uploads),
            path,
            temporary_files,
        })
    }

    /// Takes the bucket away, if it holds no object.
    pub fn remove(&self) -> Result<(), StoreError> {
        // The order of locks is uploads, then index, here and everywhere.
        let mut uploads = self.uploads();
        let mut index = write(&self.index);
        if !index.objects.is_empty() {
            return Err(StoreError::BucketNotEmpty(self.name.clone()));
        }
        let removing = StoreError::io("removing a bucket");
        let aside = super::random_name().map(|name| self.temporary_files.join(name));
        let aside = aside
            .and_then(|aside| fs::rename(&self.path, &aside).map(|()| aside))
            .map_err(removing)?;
        index.removed = true;
        uploads.clear();
        // It is gone for everyone already; what cannot be removed now goes at the next start.
        let _ = fs::remove_dir_all(aside);
        Ok(())
    }

    pub fn temporary_files(&self) -> &Path {
        &self.temporary_files
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn uploads(&self) -> MutexGuard<'_, BTreeMap<UploadPlace, Upload>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails once the bucket is gone. Holds for as long as the caller keeps the lock on the uploads.
    pub fn check_present(&self) -> Result<(), StoreError> {
        if read(&self.index).removed {
            return Err(StoreError::NoSuchBucket(self.name.clone()));
        }
        Ok(())
    }

    /// Runs `look` over the objects, in the order of their keys.
    pub fn with_objects<T>(&self, look: impl FnOnce(&BTreeSet<Object>) -> T) -> T {
        look(&read(&self.index).objects)
    }

    /// The object, if it is there and the conditions hold.
    pub fn object(&self, key: &str, conditions: &ReadConditions) -> Result<Object, StoreError> {
        let index = read(&self.index);
        let object = index.objects.get(key.as_bytes()).ok_or_else(|| self.no_such_key(key))?;
        conditions.check(object.record())?;
        Ok(object.clone())
    }

    /// The object and its open file. For an object of several parts the file holds only the record.
    pub fn open_object(
        &self,
        key: &str,
        conditions: &ReadConditions,
    ) -> Result<(Object, File), StoreError> {
        let index = read(&self.index);
        let object = index.objects.get(key.as_bytes()).ok_or_else(|| self.no_such_key(key))?;
        conditions.check(object.record())?;
        let file =
            File::open(self.object_path(key)).map_err(StoreError::io("opening an object"))?;
        Ok((object.clone(), file))
    }

    /// Makes a written body the object of `record.key`.
    pub fn commit(
        &self,
        body: WrittenBody,
        record: ObjectRecord,
        conditions: &WriteConditions,
    ) -> Result<(), StoreError> {
        let mut index = write(&self.index);
        if index.removed {
            return Err(StoreError::NoSuchBucket(self.name.clone()));
        }
        let old = index.objects.get(record.key.as_bytes());
        conditions.check(&record.key, old.map(Object::record))?;
        body.persist(&record, &self.object_path(&record.key))
            .map_err(StoreError::io("putting an object into place"))?;
        if let Some(old) = index.objects.replace(Object::new(record, &self.path)) {
            old.retire();
        }
        Ok(())
    }

    /// Removes the object. An object that is not there is removed already, unless a condition asks for it.
    pub fn delete(&self, key: &str, conditions: &WriteConditions) -> Result<(), StoreError> {
        let mut index = write(&self.index);
        conditions.check(key, index.objects.get(key.as_bytes()).map(Object::record))?;
        if !index.objects.contains(key.as_bytes()) {
            return Ok(());
        }
        match fs::remove_file(self.object_path(key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("removing an object")(error));
            }
            _ => {}
        }
        if let Some(old) = index.objects.take(key.as_bytes()) {
            old.retire();
        }
        Ok(())
    }

    fn object_path(&self, key: &str) -> PathBuf {
        key_file::path(&self.path.join("objects"), key)
    }

    fn no_such_key(&self, key: &str) -> StoreError {
        StoreError::NoSuchKey(key.to_owned())
    }
}

/// Reads every record below `objects`.
fn scan(bucket: &Path) -> Result<BTreeSet<Object>, StartError> {
    let objects = bucket.join("objects");
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |source| StartError::Directory { path, source }
    };
    let mut found = Vec::new();
    for directory in fs::read_dir(&objects).map_err(unusable(&objects))? {
        let directory = directory.map_err(unusable(&objects))?.path();
        for entry in fs::read_dir(&directory).map_err(unusable(&directory))? {
            let path = entry.map_err(unusable(&directory))?.path();
            let file = File::open(&path).map_err(unusable(&path))?;
            let (record, body) = record::decode::<ObjectRecord>(&file).map_err(|error| {
                StartError::DirectoryFormat { path: path.clone(), reason: error.to_string() }
            })?;
            let expected = if record.parts.is_some() { 0 } else { record.size };
            if body != expected || key_file::path(&objects, &record.key) != path {
                let reason = "its record belongs to another object".to_owned();
                return Err(StartError::DirectoryFormat { path, reason });
            }
            found.push(Object::new(record, bucket));
        }
    }
    // Building from a whole list sorts once, which is much faster than 100,000 insertions.
    Ok(found.into_iter().collect())
}

/// Removes parts that no object names: a server that ended between two steps leaves them.
fn remove_orphans(bucket: &Path, objects: &BTreeSet<Object>) -> io::Result<()> {
    let named: HashSet<&Path> = objects.iter().filter_map(Object::parts_path).collect();
    for entry in fs::read_dir(bucket.join("parts"))? {
        let path = entry?.path();
        if !named.contains(path.as_path()) {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}
