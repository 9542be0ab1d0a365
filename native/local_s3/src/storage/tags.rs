//! Tags that were changed after their object was written.
//!
//! An object's record stands behind its body in one file, and a body of gigabytes is not written again
//! for a tag. So changed tags are a small file of their own, `tags/ab/cdef…`, written aside and renamed.
//! It names the write it belongs to by that one's sequence: a file that a replaced object left
//! behind, because the process ended in between, says nothing about the new one.

use super::bucket::Object;
use super::key_file;
use super::record::Tags;
use super::writer::write_whole;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Serialize, Deserialize)]
struct TagsRecord {
    sequence: u64,
    tags: Tags,
}

/// The directory below a bucket.
pub const DIRECTORY: &str = "tags";

fn place(bucket: &Path, object: &Object) -> PathBuf {
    let record = object.record();
    key_file::path(&bucket.join(DIRECTORY), &record.key, record.version.as_deref())
}

/// Keeps `object`'s tags, which differ from those in its own file.
pub fn keep(bucket: &Path, temporary_files: &Path, object: &Object) -> io::Result<()> {
    let record = object.record();
    let json =
        serde_json::to_vec(&TagsRecord { sequence: record.sequence, tags: record.tags.clone() })?;
    write_whole(&json, temporary_files, &place(bucket, object))
}

/// Removes what was kept for `object`, which is gone itself.
pub fn forget(bucket: &Path, object: &Object) {
    // What stays is recognised by its sequence and removed at the next start.
    let _ = fs::remove_file(place(bucket, object));
}

/// Gives the objects of a scan their changed tags, and removes what belongs to none of them.
pub fn restore(bucket: &Path, objects: Vec<Object>) -> io::Result<Vec<Object>> {
    let mut kept = HashMap::new();
    for directory in fs::read_dir(bucket.join(DIRECTORY))? {
        for entry in fs::read_dir(directory?.path())? {
            let path = entry?.path();
            let record: TagsRecord = serde_json::from_slice(&fs::read(&path)?)?;
            kept.insert(path, record);
        }
    }
    if kept.is_empty() {
        return Ok(objects);
    }
    let restored = objects
        .into_iter()
        .map(|object| {
            let place = place(bucket, &object);
            let its_own = |record: &TagsRecord| record.sequence == object.record().sequence;
            if !kept.get(&place).is_some_and(its_own) {
                return object;
            }
            match kept.remove(&place) {
                Some(record) => object.with_tags(record.tags),
                None => object,
            }
        })
        .collect();
    for path in kept.into_keys() {
        fs::remove_file(path)?;
    }
    Ok(restored)
}
