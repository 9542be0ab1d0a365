//! Writes a body to a temporary file, with its MD5 and its checksums, until it is renamed into place.
//!
//! A writer that is dropped before that removes its file: an upload that is cut off leaves nothing.

use super::checksum::{Algorithm, Hasher};
use super::key_file::hexadecimal;
use super::md5_lanes::BodyMd5;
use super::record;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A body on its way to the disk.
pub struct BodyWriter {
    file: TemporaryFile,
    /// Who takes it out hashes what is written meanwhile, and puts it back before the end.
    pub md5: Option<BodyMd5>,
    /// The entity tag where it is not the MD5.
    opaque_tag: Option<String>,
    hashers: Vec<Hasher>,
    size: u64,
}

/// What a body's MD5 is for. It is the dearest of the hashes, so it is left out where nobody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Md5Use {
    /// It is the entity tag.
    Tag,
    /// It is only compared with what the client sent.
    Check,
    None,
}

/// A whole body on the disk, with what is known about it, not yet visible.
pub struct WrittenBody {
    file: TemporaryFile,
    pub size: u64,
    /// Lowercase hexadecimal: the MD5, or a random value where the tag says nothing of the bytes.
    pub etag: String,
    pub md5: Option<[u8; 16]>,
    checksums: Vec<(Algorithm, String)>,
}

struct TemporaryFile {
    file: File,
    path: PathBuf,
    /// Cleared once the file has its final name.
    remove: bool,
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if self.remove {
            // Nothing can be done about a failure; the next start empties the directory.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl BodyWriter {
    /// `directory` is the store's `tmp`. Each of `algorithms` is computed once.
    pub fn create(directory: &Path, algorithms: &[Algorithm], md5: Md5Use) -> io::Result<Self> {
        let mut hashers: Vec<Hasher> = Vec::with_capacity(algorithms.len());
        for algorithm in algorithms {
            if hashers.iter().all(|hasher| hasher.algorithm != *algorithm) {
                hashers.push(Hasher::new(*algorithm));
            }
        }
        let file = TemporaryFile::create(directory)?;
        let opaque_tag = match md5 {
            Md5Use::Tag => None,
            Md5Use::Check | Md5Use::None => Some(super::random_name()?),
        };
        let md5 = (md5 != Md5Use::None).then(BodyMd5::new);
        Ok(Self { file, md5, opaque_tag, hashers, size: 0 })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.file.write_all(bytes)?;
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        for hasher in &mut self.hashers {
            hasher.update(bytes);
        }
        self.size += bytes.len() as u64;
        Ok(())
    }

    pub fn finish(self) -> WrittenBody {
        let md5 = self.md5.map(BodyMd5::finalize);
        let tag = self.opaque_tag.or_else(|| md5.map(|md5| hexadecimal(&md5)));
        WrittenBody {
            file: self.file,
            size: self.size,
            etag: tag.unwrap_or_default(),
            md5,
            checksums: self
                .hashers
                .into_iter()
                .map(|hasher| (hasher.algorithm, hasher.finish()))
                .collect(),
        }
    }
}

impl WrittenBody {
    /// The checksum, if the writer was asked for it.
    pub fn checksum(&self, algorithm: Algorithm) -> Option<&str> {
        self.checksums.iter().find(|(each, _)| *each == algorithm).map(|(_, value)| value.as_str())
    }

    /// Puts the record behind the body and gives the file its name, replacing what had it.
    pub fn persist<T: Serialize>(mut self, record: &T, path: &Path) -> io::Result<()> {
        self.file.file.write_all(&record::encode(record)?)?;
        self.file.rename(path)
    }
}

impl TemporaryFile {
    /// `directory` is the store's `tmp`.
    fn create(directory: &Path) -> io::Result<Self> {
        let path = directory.join(super::random_name()?);
        Ok(Self { file: File::create_new(&path)?, path, remove: true })
    }

    /// Gives the file its name, replacing what had it.
    fn rename(mut self, path: &Path) -> io::Result<()> {
        match fs::rename(&self.path, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The directory of a first key with this byte. Only that one level is made, so that
                // a write which loses against the removal of its bucket does not bring it back.
                if let Some(parent) = path.parent() {
                    match fs::create_dir(parent) {
                        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                            return Err(error);
                        }
                        _ => {}
                    }
                }
                fs::rename(&self.path, path)?;
            }
            other => other?,
        }
        self.remove = false;
        Ok(())
    }
}

/// Writes a small file so that it is there whole or, when the process ends in between, as it was.
pub fn write_whole(bytes: &[u8], temporary_files: &Path, path: &Path) -> io::Result<()> {
    let mut file = TemporaryFile::create(temporary_files)?;
    file.file.write_all(bytes)?;
    file.rename(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::record::ObjectRecord;

    #[test]
    fn dropped_writers_leave_nothing() {
        let directory = crate::storage::directory::temporary().unwrap();
        let mut writer = BodyWriter::create(&directory, &[Algorithm::Crc32], Md5Use::Tag).unwrap();
        writer.write(b"123456789").unwrap();
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        let written = writer.finish();
        assert_eq!(written.etag, "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(written.checksum(Algorithm::Crc32), Some("y/Q5Jg=="));
        assert_eq!(written.checksum(Algorithm::Sha1), None);
        drop(written);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn persisted_files_stay() {
        let directory = crate::storage::directory::temporary().unwrap();
        let written = BodyWriter::create(&directory, &[], Md5Use::None).unwrap().finish();
        let path = directory.join("sub/name");
        written.persist(&ObjectRecord::default(), &path).unwrap();
        assert!(path.exists());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(directory).unwrap();
    }
}
