//! One bucket: its objects' files and their index, its unfinished uploads.
//!
//! Every change holds the index's write lock around the rename or the removal and the change of the
//! index. So readers, who open files under the read lock, always get the body that belongs to the
//! record, writers of one key never mix, and a condition is checked at the moment of the change.

// An object's only mutable part, the mark of `retire`, takes no part in the order of keys.
#![allow(clippy::mutable_key_type)]

use super::conditions::WriteConditions;
use super::error::StoreError;
use super::key_file;
use super::multipart::{UPLOAD_RECORD, Upload, part_name};
use super::record::{self, ObjectRecord, Tags};
use super::versions::{Index, Versioning, Which, shown};
use super::writer::{BodyWriter, Md5Use, WrittenBody, write_whole};
use super::{now, read, tags, write};
use crate::start_error::StartError;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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
    state: RwLock<State>,
    uploads: Mutex<BTreeMap<UploadPlace, Upload>>,
}

/// Uploads are listed by key, then by start, then by identifier.
pub type UploadPlace = (String, i64, String);

#[derive(Default)]
struct State {
    index: Index,
    versioning: Versioning,
    /// Set when the bucket is gone; a writer that still holds it must not write.
    removed: bool,
}

/// What a delete did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The version that was removed or made, in a bucket that has or had versions.
    pub version: Option<String>,
    /// Whether that is a delete marker.
    pub delete_marker: bool,
}

/// A version of an object: its record, and its parts' directory if it has one. Cheap to clone. Compares
/// by the bytes of its key, which is S3's order.
#[derive(Clone)]
pub struct Object(Arc<ObjectInner>);

struct ObjectInner {
    record: ObjectRecord,
    parts: Option<Arc<PartsDirectory>>,
    /// Whether its tags stand in a file of their own.
    tags_kept: bool,
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
        let parts = record.parts.as_ref().map(|parts| {
            Arc::new(PartsDirectory {
                path: bucket.join("parts").join(&parts.directory),
                obsolete: AtomicBool::new(false),
            })
        });
        Self(Arc::new(ObjectInner { record, parts, tags_kept: false }))
    }

    /// The same with other tags, for which there is a file of their own.
    pub fn with_tags(&self, tags: Tags) -> Self {
        let record = ObjectRecord { tags, ..self.record().clone() };
        Self(Arc::new(ObjectInner { record, parts: self.0.parts.clone(), tags_kept: true }))
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
    #[serde(default)]
    versioning: Versioning,
}

const BUCKET_RECORD: &str = "bucket.json";
const ROOMS: [&str; 4] = ["objects", "parts", "uploads", tags::DIRECTORY];

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
            for room in ROOMS {
                fs::create_dir_all(aside.join(room))?;
            }
            let versioning = Versioning::Off;
            let record = BucketRecord { created, location: location.clone(), versioning };
            fs::write(aside.join(BUCKET_RECORD), serde_json::to_vec(&record)?)?;
            fs::rename(&aside, &path)
        };
        make().map_err(StoreError::io("creating a bucket"))?;
        Ok(Self {
            name: name.to_owned(),
            created,
            location,
            path,
            temporary_files,
            state: RwLock::default(),
            uploads: Mutex::default(),
        })
    }

    /// Reads a bucket that an earlier server wrote, and sets right what that one could not finish.
    pub fn open(name: &str, path: PathBuf, temporary_files: PathBuf) -> Result<Self, StartError> {
        let record = path.join(BUCKET_RECORD);
        let record: BucketRecord =
            fs::read(&record).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)).map_err(
                |error| StartError::DirectoryFormat { path: record, reason: error.to_string() },
            )?;
        let unusable = |source| StartError::Directory { path: path.clone(), source };
        for room in ROOMS {
            fs::create_dir_all(path.join(room)).map_err(unusable)?;
        }
        let objects = tags::restore(&path, scan(&path)?).map_err(unusable)?;
        settle_parts(&path, &objects).map_err(unusable)?;
        let uploads = Upload::scan(&path.join("uploads")).map_err(unusable)?;
        let state =
            State { index: Index::build(objects), versioning: record.versioning, removed: false };
        Ok(Self {
            name: name.to_owned(),
            created: record.created,
            location: record.location,
            state: RwLock::new(state),
            uploads: Mutex::new(uploads),
            path,
            temporary_files,
        })
    }

    /// Takes the bucket away, if it holds no object and no version of one.
    pub fn remove(&self) -> Result<(), StoreError> {
        // The order of locks is uploads, then state, here and everywhere.
        let mut uploads = self.uploads();
        let mut state = write(&self.state);
        if !state.index.is_empty() {
            return Err(StoreError::BucketNotEmpty(self.name.clone()));
        }
        let removing = StoreError::io("removing a bucket");
        let aside = super::random_name().map(|name| self.temporary_files.join(name));
        let aside = aside
            .and_then(|aside| fs::rename(&self.path, &aside).map(|()| aside))
            .map_err(removing)?;
        state.removed = true;
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
        self.present(&read(&self.state))
    }

    fn present(&self, state: &State) -> Result<(), StoreError> {
        if state.removed {
            return Err(StoreError::NoSuchBucket(self.name.clone()));
        }
        Ok(())
    }

    pub fn versioning(&self) -> Versioning {
        read(&self.state).versioning
    }

    /// Starts or suspends the keeping of versions; a bucket that had them never goes back to none.
    pub fn set_versioning(&self, versioning: Versioning) -> Result<(), StoreError> {
        let mut state = write(&self.state);
        self.present(&state)?;
        let record =
            BucketRecord { created: self.created, location: self.location.clone(), versioning };
        serde_json::to_vec(&record)
            .map_err(io::Error::from)
            .and_then(|json| {
                write_whole(&json, &self.temporary_files, &self.path.join(BUCKET_RECORD))
            })
            .map_err(StoreError::io("changing a bucket"))?;
        state.versioning = versioning;
        Ok(())
    }

    /// The version's name as answers show it: none in a bucket that never had versions.
    pub fn shown_version(&self, record: &ObjectRecord) -> Option<String> {
        match self.versioning() {
            Versioning::Off => None,
            Versioning::Enabled | Versioning::Suspended => Some(shown(record.version.as_deref())),
        }
    }

    /// Runs `look` over the objects that a plain listing sees, in the order of their keys.
    pub fn with_objects<T>(&self, look: impl FnOnce(&BTreeSet<Object>) -> T) -> T {
        look(read(&self.state).index.current())
    }

    /// Runs `look` over the objects and all their versions.
    pub fn with_versions<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&read(&self.state).index)
    }

    /// The object, if it is there and passes `check`.
    pub fn object(
        &self,
        key: &str,
        which: &Which,
        check: impl FnOnce(&ObjectRecord) -> Result<(), StoreError>,
    ) -> Result<Object, StoreError> {
        let state = read(&self.state);
        let object = state.index.object(key, which)?;
        check(object.record())?;
        Ok(object.clone())
    }

    /// The object and its open file. For an object of several parts the file holds only the record.
    pub fn open_object(
        &self,
        key: &str,
        which: &Which,
        check: impl FnOnce(&ObjectRecord) -> Result<(), StoreError>,
    ) -> Result<(Object, File), StoreError> {
        let state = read(&self.state);
        let object = state.index.object(key, which)?;
        check(object.record())?;
        let file = File::open(self.object_path(object.record()))
            .map_err(StoreError::io("opening an object"))?;
        Ok((object.clone(), file))
    }

    /// Makes a written body the newest version of `record.key`. Returns it as it is kept.
    pub fn commit(
        &self,
        body: WrittenBody,
        record: ObjectRecord,
        conditions: &WriteConditions,
    ) -> Result<Object, StoreError> {
        let mut state = write(&self.state);
        self.present(&state)?;
        conditions.check(
            &record.key,
            state.index.current().get(record.key.as_bytes()).map(Object::record),
        )?;
        self.place(&mut state, body, record).map_err(StoreError::io("putting an object into place"))
    }

    /// Names the version, gives the file its place and the index its entry.
    fn place(
        &self,
        state: &mut State,
        body: WrittenBody,
        mut record: ObjectRecord,
    ) -> io::Result<Object> {
        record.version = match state.versioning {
            Versioning::Enabled => Some(super::random_name()?),
            Versioning::Off | Versioning::Suspended => None,
        };
        record.sequence = state.index.next_sequence();
        body.persist(&record, &self.object_path(&record))?;
        let object = Object::new(record, &self.path);
        if let Some(replaced) = state.index.insert(object.clone()) {
            self.clear(&replaced);
        }
        Ok(object)
    }

    /// Removes the object, or the named version of it. What is not there is removed already, unless a
    /// condition asks for it. In a bucket with versions an object is only covered by a delete marker.
    pub fn delete(
        &self,
        key: &str,
        which: &Which,
        conditions: &WriteConditions,
    ) -> Result<Deleted, StoreError> {
        let mut state = write(&self.state);
        self.present(&state)?;
        let found = state.index.find(key, which).cloned();
        let target = match which {
            Which::Current => state.index.current().get(key.as_bytes()),
            Which::Version(_) => found.as_ref(),
        };
        conditions.check(key, target.map(Object::record))?;
        let removing = || StoreError::io("removing an object");
        match (which, state.versioning) {
            (Which::Current, Versioning::Enabled | Versioning::Suspended) => {
                let body = BodyWriter::create(&self.temporary_files, &[], Md5Use::None)
                    .map_err(removing())?;
                let marker = ObjectRecord {
                    key: key.to_owned(),
                    delete_marker: true,
                    modified: now(),
                    ..ObjectRecord::default()
                };
                let marker = self.place(&mut state, body.finish(), marker).map_err(removing())?;
                let version = Some(shown(marker.record().version.as_deref()));
                Ok(Deleted { version, delete_marker: true })
            }
            (Which::Current | Which::Version(_), versioning) => {
                if let Some(object) = &found {
                    match fs::remove_file(self.object_path(object.record())) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => {
                            return Err(removing()(error));
                        }
                        _ => {}
                    }
                    if let Some(removed) = state.index.remove(object) {
                        self.clear(&removed);
                    }
                }
                Ok(Deleted {
                    version: match which {
                        Which::Version(name) if versioning != Versioning::Off => {
                            Some(shown(name.as_deref()))
                        }
                        _ => None,
                    },
                    delete_marker: found.is_some_and(|object| object.record().delete_marker),
                })
            }
        }
    }

    /// Replaces the tags of a version; its body and its times stay.
    pub fn set_tags(&self, key: &str, which: &Which, tags: Tags) -> Result<Object, StoreError> {
        let mut state = write(&self.state);
        self.present(&state)?;
        let tagged = state.index.object(key, which)?.with_tags(tags);
        tags::keep(&self.path, &self.temporary_files, &tagged)
            .map_err(StoreError::io("tagging an object"))?;
        state.index.exchange(tagged.clone());
        Ok(tagged)
    }

    /// Takes away what a version leaves that is no longer in the index.
    fn clear(&self, object: &Object) {
        object.retire();
        if object.0.tags_kept {
            tags::forget(&self.path, object);
        }
    }

    fn object_path(&self, record: &ObjectRecord) -> PathBuf {
        key_file::path(&self.path.join("objects"), &record.key, record.version.as_deref())
    }
}

/// Reads every record below `objects`.
fn scan(bucket: &Path) -> Result<Vec<Object>, StartError> {
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
            let place = key_file::path(&objects, &record.key, record.version.as_deref());
            if body != expected || place != path {
                let reason = "its record belongs to another object".to_owned();
                return Err(StartError::DirectoryFormat { path, reason });
            }
            found.push(Object::new(record, bucket));
        }
    }
    Ok(found)
}

/// Sets right what a server left that ended between two steps of completing an upload: parts that no
/// object names go back to their upload, or away if there is none; an object keeps only its own.
fn settle_parts(bucket: &Path, objects: &[Object]) -> io::Result<()> {
    let named: HashMap<&Path, &Object> =
        objects.iter().filter_map(|object| Some((object.parts_path()?, object))).collect();
    for entry in fs::read_dir(bucket.join("parts"))? {
        let entry = entry?;
        let path = entry.path();
        let unfinished = path.join(UPLOAD_RECORD);
        match named.get(path.as_path()).and_then(|object| object.record().parts.as_ref()) {
            Some(parts) if unfinished.exists() => {
                let own: HashSet<String> =
                    parts.list.iter().map(|part| part_name(part.number)).collect();
                for file in fs::read_dir(&path)? {
                    let file = file?;
                    if !file.file_name().to_str().is_some_and(|name| own.contains(name)) {
                        fs::remove_file(file.path())?;
                    }
                }
            }
            Some(_) => {}
            None if unfinished.exists() => {
                fs::rename(&path, bucket.join("uploads").join(entry.file_name()))?;
            }
            None => fs::remove_dir_all(path)?,
        }
    }
    Ok(())
}
