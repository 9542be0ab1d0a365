//! Buckets and objects in a directory. Knows nothing of HTTP.
//!
//! The disk is the truth. Beside it every bucket keeps an index of its records in memory, in the
//! byte order of the keys, built by one scan at start and changed in the same critical section as
//! the files. So a listing of 100,000 keys, or of one prefix among them, never touches the disk,
//! a read finds its record without a second open, and conditions are checked against what is there.
//!
//! Functions here block on the file system; `service` calls them on blocking threads.

pub mod bucket;
pub mod checksum;
pub mod conditions;
pub mod directory;
pub mod error;
pub mod key_file;
pub mod listing;
pub mod multipart;
pub mod range;
pub mod reader;
pub mod record;
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
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(key_file::hexadecimal(&random))
}
