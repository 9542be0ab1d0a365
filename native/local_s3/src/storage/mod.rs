//! Buckets and objects in a directory. Knows nothing of HTTP.
//!
//! The disk is the truth. Beside it every bucket keeps an index of its records in memory, in the
//! byte order of the keys, built by one scan at start and changed in the same critical section as
//! the files. So a listing of 100,000 keys, or of one prefix among them, never touches the disk,
//! a read finds its record without a second open, and conditions are checked against what is there.
//!
//! What was answered survives the end of the process, however it ends. It is not flushed to the medium one
//! write at a time, so a power cut can take the last seconds.
//!
//! Functions here block on the file system; `service` calls them on blocking threads.

pub mod bucket;
pub mod checksum;
pub mod conditions;
pub mod directory;
pub mod encryption;
pub mod error;
pub mod key_file;
pub mod listing;
pub mod md5_lanes;
pub mod multipart;
pub mod range;
pub mod reader;
pub mod record;
pub mod tags;
pub mod version_listing;
pub mod versions;
pub mod writer;

use bucket::Bucket;
use directory::Directory;
use error::StoreError;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::start_error::StartError;

/// All buckets of one directory.
pub struct Store {
    buckets: RwLock<BTreeMap<String, Arc<Bucket>>>,
    directory: Directory,
}

impl Store {
    /// Opens the directory, or a temporary one, and reads what is in it.
    pub fn open(path: Option<&std::path::Path>) -> Result<Self, StartError> {
        let directory = Directory::open(path)?;
        let mut buckets = BTreeMap::new();
        let root = directory.path.join("buckets");
        let unusable = |source| StartError::Directory { path: root.clone(), source };
        for entry in fs::read_dir(&root).map_err(unusable)? {
            let entry = entry.map_err(unusable)?;
            // A link is not followed: only directories that this server made are buckets.
            if !entry.file_type().map_err(unusable)?.is_dir() {
                continue;
            }
            if let Ok(name) = entry.file_name().into_string()
                && s3s::path::check_bucket_name(&name)
            {
                let bucket = Bucket::open(&name, entry.path(), directory.path.join("tmp"))?;
                buckets.insert(name, Arc::new(bucket));
            }
        }
        Ok(Self { buckets: RwLock::new(buckets), directory })
    }

    pub fn bucket(&self, name: &str) -> Result<Arc<Bucket>, StoreError> {
        read(&self.buckets)
            .get(name)
            .cloned()
            .ok_or_else(|| StoreError::NoSuchBucket(name.to_owned()))
    }

    /// All buckets, by name.
    pub fn buckets(&self) -> Vec<Arc<Bucket>> {
        read(&self.buckets).values().cloned().collect()
    }

    /// Makes a bucket; `location` is what the client named, and is only kept.
    pub fn create_bucket(&self, name: &str, location: Option<String>) -> Result<(), StoreError> {
        let mut buckets = write(&self.buckets);
        if buckets.contains_key(name) {
            return Err(StoreError::BucketExists(name.to_owned()));
        }
        let path = self.directory.path.join("buckets").join(name);
        let bucket = Bucket::create(name, path, self.temporary_files(), location)?;
        buckets.insert(name.to_owned(), Arc::new(bucket));
        Ok(())
    }

    /// Removes an empty bucket, and the unfinished uploads in it.
    pub fn delete_bucket(&self, name: &str) -> Result<(), StoreError> {
        let mut buckets = write(&self.buckets);
        let bucket = buckets.get(name).ok_or_else(|| StoreError::NoSuchBucket(name.to_owned()))?;
        bucket.remove()?;
        buckets.remove(name);
        Ok(())
    }

    /// Where files are written before they are renamed into place.
    pub fn temporary_files(&self) -> PathBuf {
        self.directory.path.join("tmp")
    }
}

/// A lock that a panicking thread held is still good: every critical section here leaves the index
/// and the disk in step at each point where it could end.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Whole seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or(0)
}

/// A name that nothing else has: 128 random bits.
pub fn random_name() -> io::Result<String> {
    let mut random = [0u8; 16];
    getrandom::getrandom(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(key_file::hexadecimal(&random))
}

#[cfg(test)]
mod tests {
    use super::bucket::Object;
    use super::checksum::{Algorithm, Coverage};
    use super::conditions::WriteConditions;
    use super::multipart::{ClaimedObject, ClaimedPart};
    use super::range::Selection;
    use super::reader::ObjectReader;
    use super::record::{ObjectHeaders, ObjectRecord, Tags, UploadRecord};
    use super::versions::{Versioning, Which};
    use super::writer::{BodyWriter, Md5Use, WrittenBody};
    use super::*;
    use std::path::Path;

    fn written(bucket: &Bucket, bytes: &[u8]) -> WrittenBody {
        let mut writer =
            BodyWriter::create(bucket.temporary_files(), &[Algorithm::Crc64Nvme], Md5Use::Tag)
                .unwrap();
        writer.write(bytes).unwrap();
        writer.finish()
    }

    fn put(bucket: &Bucket, key: &str, bytes: &[u8]) -> Object {
        let body = written(bucket, bytes);
        let record = ObjectRecord::of_body(
            key.into(),
            &body,
            Algorithm::Crc64Nvme,
            ObjectHeaders::default(),
            Tags::default(),
            None,
        );
        bucket.commit(body, record, &WriteConditions::default()).unwrap()
    }

    fn get(bucket: &Bucket, key: &str) -> Option<Vec<u8>> {
        get_version(bucket, key, &Which::Current)
    }

    fn get_version(bucket: &Bucket, key: &str, which: &Which) -> Option<Vec<u8>> {
        let (object, file) = bucket.open_object(key, which, |_| Ok(())).ok()?;
        let range = Selection::Whole.resolve(object.record()).unwrap();
        let mut reader = ObjectReader::new(object, file, range);
        let mut bytes = Vec::new();
        loop {
            let piece = reader.read().unwrap();
            if piece.is_empty() {
                return Some(bytes);
            }
            bytes.extend_from_slice(&piece);
        }
    }

    fn start_upload(bucket: &Bucket, key: &str) -> String {
        let record = UploadRecord {
            id: String::new(),
            key: key.into(),
            initiated: 0,
            algorithm: Algorithm::Crc64Nvme,
            coverage: Coverage::FullObject,
            algorithm_named: false,
            headers: ObjectHeaders { content_type: Some("x/y".into()), ..ObjectHeaders::default() },
            tags: Tags::default(),
            encryption: None,
        };
        bucket.create_upload(record).unwrap()
    }

    fn complete(
        bucket: &Bucket,
        key: &str,
        id: &str,
        numbers: &[u16],
    ) -> Result<Object, StoreError> {
        let upload = bucket.upload(key, id)?;
        let parts = numbers
            .iter()
            .map(|number| ClaimedPart {
                number: *number,
                etag: upload.parts[number].etag.clone(),
                checksums: Vec::new(),
            })
            .collect();
        let claim = ClaimedObject { parts, ..ClaimedObject::default() };
        bucket.complete_upload(key, id, &claim, &WriteConditions::default())
    }

    fn files(path: &Path) -> usize {
        fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| if path.is_dir() { files(&path) } else { 1 })
            .sum()
    }

    #[test]
    fn everything_survives_a_restart() {
        let root = directory::temporary().unwrap();
        let big = vec![7u8; 5 * 1024 * 1024];
        let keys = ["a", "a/b", "../x", "a//b", "\0", "😀", ".", ".."];
        let unfinished;
        {
            let store = Store::open(Some(&root)).unwrap();
            store.create_bucket("first", None).unwrap();
            store.create_bucket("second", Some("eu-west-1".into())).unwrap();
            let bucket = store.bucket("first").unwrap();
            for key in keys {
                put(&bucket, key, key.as_bytes());
            }
            put(&bucket, "a", b"newer");
            put(&bucket, "gone", b"x");
            bucket.delete("gone", &Which::Current, &WriteConditions::default()).unwrap();
            let id = start_upload(&bucket, "big");
            bucket.put_part("big", &id, 3, written(&bucket, &big)).unwrap();
            bucket.put_part("big", &id, 4, written(&bucket, b"unused")).unwrap();
            bucket.put_part("big", &id, 9, written(&bucket, b"end")).unwrap();
            complete(&bucket, "big", &id, &[3, 9]).unwrap();
            unfinished = start_upload(&bucket, "later");
            bucket.put_part("later", &unfinished, 1, written(&bucket, b"kept")).unwrap();
            // What a crash leaves behind.
            fs::create_dir(root.join("buckets/first/parts/orphan")).unwrap();
            fs::create_dir(root.join("buckets/first/uploads/half")).unwrap();
            fs::write(root.join("tmp/half"), "x").unwrap();
        }
        {
            let store = Store::open(Some(&root)).unwrap();
            assert_eq!(
                store.buckets().iter().map(|bucket| bucket.name.clone()).collect::<Vec<_>>(),
                ["first", "second"]
            );
            assert_eq!(store.bucket("second").unwrap().location.as_deref(), Some("eu-west-1"));
            let bucket = store.bucket("first").unwrap();
            for key in keys.iter().skip(1) {
                assert_eq!(get(&bucket, key).as_deref(), Some(key.as_bytes()), "{key:?}");
            }
            assert_eq!(get(&bucket, "a").as_deref(), Some(&b"newer"[..]));
            assert_eq!(get(&bucket, "gone"), None);
            assert_eq!(get(&bucket, "big").unwrap(), [&big[..], b"end"].concat());
            let object: Object = bucket.object("big", &Which::Current, |_| Ok(())).unwrap();
            assert_eq!(object.record().headers.content_type.as_deref(), Some("x/y"));
            assert!(object.record().etag.ends_with("-2"));
            assert_eq!(bucket.upload("later", &unfinished).unwrap().parts.len(), 1);
            complete(&bucket, "later", &unfinished, &[1]).unwrap();
            assert_eq!(get(&bucket, "later").as_deref(), Some(&b"kept"[..]));
            assert_eq!(files(&root.join("tmp")), 0);
            assert_eq!(files(&root.join("buckets/first/uploads")), 0);
            // The parts of `big` and `later` and nothing else.
            assert_eq!(files(&root.join("buckets/first/parts")), 3);
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn replaced_parts_stay_for_their_readers_and_then_go() {
        let store = Store::open(None).unwrap();
        store.create_bucket("bucket", None).unwrap();
        let bucket = store.bucket("bucket").unwrap();
        let id = start_upload(&bucket, "k");
        bucket.put_part("k", &id, 1, written(&bucket, b"parts")).unwrap();
        complete(&bucket, "k", &id, &[1]).unwrap();
        let parts = bucket.path().join("parts");
        let (object, file) = bucket.open_object("k", &Which::Current, |_| Ok(())).unwrap();
        let mut reader = ObjectReader::new(object, file, 0..5);
        put(&bucket, "k", b"one piece");
        assert_eq!(files(&parts), 1);
        assert_eq!(&reader.read().unwrap()[..], b"parts");
        drop(reader);
        assert_eq!(files(&parts), 0);
        assert_eq!(get(&bucket, "k").as_deref(), Some(&b"one piece"[..]));
    }

    #[test]
    fn a_removed_bucket_takes_no_late_write() {
        let store = Store::open(None).unwrap();
        store.create_bucket("bucket", None).unwrap();
        let bucket = store.bucket("bucket").unwrap();
        let late = written(&bucket, b"late");
        store.delete_bucket("bucket").unwrap();
        store.create_bucket("bucket", None).unwrap();
        let record = ObjectRecord { key: "k".into(), size: 4, ..ObjectRecord::default() };
        let error = bucket.commit(late, record, &WriteConditions::default()).err().unwrap();
        assert!(matches!(error, StoreError::NoSuchBucket(_)));
        assert_eq!(get(&store.bucket("bucket").unwrap(), "k"), None);
    }

    #[test]
    fn versions_and_tags_survive_a_restart() {
        let root = directory::temporary().unwrap();
        let tags = |value: &str| Tags::from([("t".to_owned(), value.to_owned())]);
        let plain = WriteConditions::default();
        let first;
        {
            let store = Store::open(Some(&root)).unwrap();
            store.create_bucket("bucket", None).unwrap();
            let bucket = store.bucket("bucket").unwrap();
            put(&bucket, "k", b"null");
            bucket.set_tags("k", &Which::Current, tags("null")).unwrap();
            put(&bucket, "replaced", b"old");
            bucket.set_tags("replaced", &Which::Current, tags("old")).unwrap();
            // A process that ends between a replacement and the removal of the old tags leaves these.
            let left = bucket.object("replaced", &Which::Current, |_| Ok(()));
            put(&bucket, "replaced", b"new");
            tags::keep(bucket.path(), bucket.temporary_files(), &left.unwrap()).unwrap();
            bucket.set_versioning(Versioning::Enabled).unwrap();
            first = put(&bucket, "k", b"first").record().version.clone();
            bucket.set_tags("k", &Which::Version(first.clone()), tags("first")).unwrap();
            put(&bucket, "k", b"second");
            let deleted = bucket.delete("k", &Which::Current, &plain).unwrap();
            assert!(deleted.delete_marker && deleted.version != first);
            assert_eq!(get(&bucket, "k"), None);
        }
        {
            let store = Store::open(Some(&root)).unwrap();
            let bucket = store.bucket("bucket").unwrap();
            assert_eq!(bucket.versioning(), Versioning::Enabled);
            assert_eq!(get(&bucket, "k"), None);
            assert_eq!(get(&bucket, "replaced").as_deref(), Some(&b"new"[..]));
            let tags_of = |key: &str, which: &Which| {
                let object = bucket.object(key, which, |_| Ok(())).unwrap();
                object.record().tags.get("t").cloned()
            };
            assert_eq!(tags_of("replaced", &Which::Current), None);
            let named = Which::Version(first.clone());
            assert_eq!(get_version(&bucket, "k", &named).as_deref(), Some(&b"first"[..]));
            assert_eq!(tags_of("k", &named).as_deref(), Some("first"));
            assert_eq!(tags_of("k", &Which::Version(None)).as_deref(), Some("null"));
            assert_eq!(files(&root.join("buckets/bucket/tags")), 2);
            // Suspended, a delete covers the null version with a null marker, and keeps the others.
            bucket.set_versioning(Versioning::Suspended).unwrap();
            bucket.delete("k", &Which::Current, &plain).unwrap();
            assert_eq!(files(&root.join("buckets/bucket/tags")), 1);
            put(&bucket, "k", b"again");
            assert_eq!(get(&bucket, "k").as_deref(), Some(&b"again"[..]));
            let names = bucket.with_versions(|index| {
                let versions = index.versions("k").iter();
                versions.map(|each| each.record().version.clone()).collect::<Vec<_>>()
            });
            assert_eq!((names.len(), names.first()), (4, Some(&None)));
            assert!(matches!(bucket.remove(), Err(StoreError::BucketNotEmpty(_))));
            for name in names {
                bucket.delete("k", &Which::Version(name), &plain).unwrap();
            }
            bucket.delete("replaced", &Which::Version(None), &plain).unwrap();
            assert_eq!(files(&root.join("buckets/bucket/objects")), 0);
            assert_eq!(files(&root.join("buckets/bucket/tags")), 0);
            store.delete_bucket("bucket").unwrap();
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_completion_that_was_cut_off_is_an_upload_again() {
        let root = directory::temporary().unwrap();
        let (cut_before, cut_behind);
        {
            let store = Store::open(Some(&root)).unwrap();
            store.create_bucket("bucket", None).unwrap();
            let bucket = store.bucket("bucket").unwrap();
            cut_before = start_upload(&bucket, "before");
            bucket.put_part("before", &cut_before, 1, written(&bucket, b"kept")).unwrap();
            cut_behind = start_upload(&bucket, "behind");
            bucket.put_part("behind", &cut_behind, 1, written(&bucket, b"whole")).unwrap();
            complete(&bucket, "behind", &cut_behind, &[1]).unwrap();
        }
        // Killed before the object had its record, and before what it does not need was removed.
        let place = |room: &str, id: &str| root.join("buckets/bucket").join(room).join(id);
        fs::rename(place("uploads", &cut_before), place("parts", &cut_before)).unwrap();
        fs::write(place("parts", &cut_behind).join("upload.json"), "{}").unwrap();
        fs::write(place("parts", &cut_behind).join("00007"), "unused").unwrap();
        {
            let store = Store::open(Some(&root)).unwrap();
            let bucket = store.bucket("bucket").unwrap();
            assert_eq!(get(&bucket, "before"), None);
            complete(&bucket, "before", &cut_before, &[1]).unwrap();
            assert_eq!(get(&bucket, "before").as_deref(), Some(&b"kept"[..]));
            assert_eq!(get(&bucket, "behind").as_deref(), Some(&b"whole"[..]));
            assert_eq!(files(&place("parts", "")), 2);
            // The lost answer can be asked for again.
            let again = bucket.complete_upload(
                "behind",
                &cut_behind,
                &ClaimedObject::default(),
                &WriteConditions::default(),
            );
            assert_eq!(again.unwrap().record().size, 5);
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn damage_is_named() {
        let root = directory::temporary().unwrap();
        let path = {
            let store = Store::open(Some(&root)).unwrap();
            store.create_bucket("bucket", None).unwrap();
            put(&store.bucket("bucket").unwrap(), "k", b"body");
            key_file::path(&root.join("buckets/bucket/objects"), "k", None)
        };
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[1..], &whole[..whole.len() - 1], b""] {
            fs::write(&path, damaged).unwrap();
            let error = Store::open(Some(&root)).err().unwrap();
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
        fs::write(&path, whole).unwrap();
        assert!(Store::open(Some(&root)).is_ok());
        fs::remove_dir_all(root).unwrap();
    }
}
