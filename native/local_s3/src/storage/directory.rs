//! The directory of a store: made or recognised, held by one server at a time.
//!
//! ```text
//! dipper-local-s3.json              the format's version; what tells a store from other directories
//! lock                              held while a server runs
//! tmp/                              files being written; emptied at start
//! buckets/NAME/bucket.json          when it was created, whether it keeps versions
//! buckets/NAME/objects/ab/cdef…     one file for each version of an object (key_file.rs, record.rs)
//! buckets/NAME/tags/ab/cdef…        tags that were changed later (tags.rs)
//! buckets/NAME/parts/UPLOAD/00001   the bytes of a multipart object
//! buckets/NAME/uploads/UPLOAD/      an unfinished upload: upload.json and its parts
//! ```

use crate::start_error::StartError;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MARKER: &str = "dipper-local-s3.json";
const NEW_MARKER: &str = "dipper-local-s3.json.new";
const LOCK: &str = "lock";
const FORMAT: u32 = 2;
/// Format 1 had no versions and no changed tags; what it wrote is read as it is.
const OLDEST_FORMAT: u32 = 1;

/// Part of the name of every temporary directory.
const TEMPORARY: &str = "dipper-local-s3-";
/// A temporary directory is only taken for abandoned when it is older: a server that is just starting has
/// not locked its own yet.
const ABANDONED_AFTER: Duration = Duration::from_secs(600);

#[derive(Serialize, Deserialize)]
struct Marker {
    format: u32,
    #[serde(default)]
    temporary: bool,
}

/// A directory that this process holds. Dropping it releases the lock, and removes the directory if
/// it was a temporary one.
pub struct Directory {
    pub path: PathBuf,
    temporary: bool,
    _lock: File,
}

impl Directory {
    /// Opens `path`, or makes a temporary directory for `None`.
    pub fn open(path: Option<&Path>) -> Result<Self, StartError> {
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |source| StartError::Directory { path, source }
        };
        let (path, temporary) = match path {
            Some(path) => {
                fs::create_dir_all(path).map_err(unusable(path))?;
                // Absolute, so that a later change of the working directory changes nothing.
                (fs::canonicalize(path).map_err(unusable(path))?, false)
            }
            None => {
                remove_abandoned(&std::env::temp_dir(), ABANDONED_AFTER);
                (temporary().map_err(unusable(&std::env::temp_dir()))?, true)
            }
        };
        let opened = Self::prepare(path.clone(), temporary);
        if temporary && opened.is_err() {
            // The error is what matters; an empty directory stays behind at worst.
            let _ = fs::remove_dir_all(&path);
        }
        opened
    }

    fn prepare(path: PathBuf, temporary: bool) -> Result<Self, StartError> {
        let unusable = |source| StartError::Directory { path: path.clone(), source };
        let marker = path.join(MARKER);
        match fs::read(&marker) {
            Ok(bytes) => {
                let reason = match serde_json::from_slice::<Marker>(&bytes) {
                    Ok(Marker { format: OLDEST_FORMAT..=FORMAT, .. }) => None,
                    Ok(Marker { format, .. }) => {
                        Some(format!("format {format} where {FORMAT} is expected"))
                    }
                    Err(error) => Some(error.to_string()),
                };
                if let Some(reason) = reason {
                    return Err(StartError::DirectoryFormat { path: marker, reason });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let ours = |entry: fs::DirEntry| {
                    let name = entry.file_name();
                    name == LOCK || name == NEW_MARKER
                };
                let foreign = fs::read_dir(&path)
                    .map_err(unusable)?
                    .any(|entry| entry.is_ok_and(|entry| !ours(entry)));
                if foreign {
                    return Err(StartError::ForeignDirectory { path });
                }
            }
            Err(error) => return Err(unusable(error)),
        }
        let lock = File::create(path.join(LOCK)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StartError::DirectoryInUse { path }),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let json = serde_json::to_vec(&Marker { format: FORMAT, temporary })
            .map_err(|error| unusable(error.into()))?;
        // Written aside: a process that ends here leaves the old marker or the new one.
        let aside = path.join(NEW_MARKER);
        fs::write(&aside, json).and_then(|()| fs::rename(&aside, &marker)).map_err(unusable)?;
        match fs::remove_dir_all(path.join("tmp")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
        for name in ["tmp", "buckets"] {
            fs::create_dir_all(path.join(name)).map_err(unusable)?;
        }
        Ok(Self { path, temporary, _lock: lock })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.temporary {
            return;
        }
        // A write that was cut off may still be creating its file, so that a first try can find a
        // directory that is not empty.
        for _ in 0..10 {
            match fs::remove_dir_all(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                _ => return,
            }
        }
    }
}

/// Removes the temporary directories of servers whose process was killed: they say that they are temporary,
/// are old, and nobody holds their lock. What cannot be looked at or removed is left alone.
fn remove_abandoned(base: &Path, age: Duration) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(TEMPORARY)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !ours {
            continue;
        }
        let marker = path.join(MARKER);
        let old = fs::metadata(&marker)
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|time| time.elapsed().is_ok_and(|elapsed| elapsed >= age));
        let temporary = fs::read(&marker).is_ok_and(|bytes| {
            serde_json::from_slice::<Marker>(&bytes).is_ok_and(|marker| marker.temporary)
        });
        if old
            && temporary
            && let Ok(lock) = File::open(path.join(LOCK))
            && lock.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// A new directory below the system's directory for temporary files, for this user alone.
pub fn temporary() -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    let base = fs::canonicalize(std::env::temp_dir())?;
    for _ in 0..16 {
        let path = base.join(format!("{TEMPORARY}{}", super::random_name()?));
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_directories_go_away() {
        let directory = Directory::open(None).unwrap();
        let path = directory.path.clone();
        fs::create_dir_all(path.join("buckets/x/y")).unwrap();
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn abandoned_directories_are_removed_and_no_others() {
        let base = temporary().unwrap();
        let place = |name: &str| base.join(format!("{TEMPORARY}{name}"));
        let make = |name: &str, temporary: bool| {
            fs::create_dir(place(name)).unwrap();
            Directory::prepare(place(name), temporary).unwrap()
        };
        let held = make("held", true);
        // Dropping would remove it; a killed process does not drop.
        let killed = make("killed", true);
        let killed_marker = fs::read(killed.path.join(MARKER)).unwrap();
        drop(killed);
        fs::create_dir(place("killed")).unwrap();
        fs::write(place("killed").join(MARKER), killed_marker).unwrap();
        fs::write(place("killed").join("lock"), "").unwrap();
        drop(make("a-users-own", false));
        fs::create_dir(place("foreign")).unwrap();
        remove_abandoned(&base, ABANDONED_AFTER);
        assert!(place("killed").exists(), "too young");
        remove_abandoned(&base, Duration::ZERO);
        let left: Vec<bool> = ["held", "killed", "a-users-own", "foreign"]
            .iter()
            .map(|name| place(name).exists())
            .collect();
        assert_eq!(left, [true, false, true, true]);
        drop(held);
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn a_users_directory_stays_and_is_held_once() {
        let base = temporary().unwrap();
        let path = base.join("new/store");
        let first = Directory::open(Some(&path)).unwrap();
        assert!(matches!(Directory::open(Some(&path)), Err(StartError::DirectoryInUse { .. })));
        drop(first);
        drop(Directory::open(Some(&path)).unwrap());
        assert!(path.exists());
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn other_directories_are_refused() {
        let base = temporary().unwrap();
        fs::write(base.join("precious.txt"), "x").unwrap();
        assert!(matches!(Directory::open(Some(&base)), Err(StartError::ForeignDirectory { .. })));
        let file = base.join("precious.txt");
        let error = Directory::open(Some(&file)).err().unwrap();
        assert!(error.to_string().contains("precious.txt"), "{error}");
        fs::write(base.join(MARKER), "{\"format\":9}").unwrap();
        assert!(matches!(Directory::open(Some(&base)), Err(StartError::DirectoryFormat { .. })));
        fs::remove_dir_all(base).unwrap();
    }
}
