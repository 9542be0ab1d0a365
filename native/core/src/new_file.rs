//! A file that appears whole or not at all.
//!
//! The bytes go into a file without a name, where the file system has such (`O_TMPFILE`): a
//! process that is killed in the middle then leaves nothing behind. Elsewhere they go into a file
//! with a name of its own, `.dipper-…`, in the same directory. Only the finished file gets its
//! name: by a rename over what is there, or by a link that fails when something is there.
//!
//! A symbolic link as the target is followed: the file that it leads to is replaced, and the link
//! stays. One that leads nowhere is refused. What is replaced keeps its permissions.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::file::stat_of;
use crate::{Error, Stat, Status};

/// What to do when the file is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Put the new one in its place.
    Replace,
    /// Leave it, and fail.
    Refuse,
}

/// What a name of ours starts with.
const PREFIX: &str = ".dipper-";
/// How often another name is tried.
const TRIES: usize = 16;

/// The error for a file that is written.
#[must_use]
pub fn write_failed(error: &io::Error, path: &Path) -> Error {
    let shown = path.display();
    let failed = |why: &str, hint: &str| {
        Error::new(Status::FileFailed, format!("{shown} cannot be written: {why}")).hint(hint)
    };
    match error.kind() {
        io::ErrorKind::NotFound => Error::new(
            Status::NotFound,
            format!("{shown} cannot be written: its folder does not exist"),
        )
        .hint("make the folder first, with Deno.mkdir(folder, { recursive: true })"),
        io::ErrorKind::PermissionDenied => {
            Error::new(Status::AccessDenied, format!("the system does not allow to write {shown}"))
                .hint("check who may write the file and its folder")
        }
        io::ErrorKind::ReadOnlyFilesystem => Error::new(
            Status::AccessDenied,
            format!("{shown} cannot be written: the file system is read-only"),
        )
        .hint("write to another folder"),
        io::ErrorKind::StorageFull => failed("the disk is full", "free space, and write it again"),
        io::ErrorKind::QuotaExceeded => {
            failed("the quota is used up", "free space, and write it again")
        }
        io::ErrorKind::FileTooLarge => {
            failed("it is larger than a file may be here", "write it in several files")
        }
        io::ErrorKind::InvalidFilename => {
            failed("its name is too long for the file system", "choose a shorter name")
        }
        io::ErrorKind::NotADirectory => {
            failed("a part of its path is a file and no folder", "choose another path")
        }
        io::ErrorKind::AlreadyExists => exists(path),
        _ => Error::new(Status::FileFailed, format!("{shown} cannot be written: {error}")),
    }
}

pub(crate) fn exists(path: &Path) -> Error {
    Error::new(Status::PreconditionFailed, format!("{} exists already", path.display()))
        .hint("leave ifNoneMatch out to replace it")
}

/// A file that is being written. Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    /// Where it will be. No symbolic link.
    target: PathBuf,
    /// Where it is meanwhile, unless it has no name.
    temporary: Option<PathBuf>,
    existing: Existing,
}

impl NewFile {
    /// Checks that the file can be written, and begins it. Blocks for as long as the system does.
    ///
    /// # Errors
    /// When the target is a folder or a device, or may not be written, or its folder does not
    /// exist; `PreconditionFailed` when it exists and is to be left.
    pub fn create(path: &Path, existing: Existing) -> Result<Self, Error> {
        let (target, replaced) = target_of(path, existing)?;
        let failed = |error: &io::Error| write_failed(error, path);
        let folder = folder_of(&target);
        let (file, temporary) = match nameless(folder, USUAL_MODE) {
            Ok(file) => (file, None),
            Err(error) if lacks_nameless(&error) => {
                let (file, name) = named(folder, USUAL_MODE).map_err(|error| failed(&error))?;
                (file, Some(name))
            }
            Err(error) => return Err(failed(&error)),
        };
        let begun = Self { file, target, temporary, existing };
        if let Some(replaced) = replaced {
            let mode = replaced.permissions().mode() & 0o7777;
            let kept = begun.file.set_permissions(PermissionsExt::from_mode(mode));
            kept.map_err(|error| failed(&error))?;
        }
        Ok(begun)
    }

    /// Where it will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.target
    }

    /// What is written to. Whoever knows where bytes belong may write them in any order.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// Whatever the system reports, such as a full disk.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|error| write_failed(&error, &self.target))
    }

    /// Gives the file its name. With `durable` it survives a power cut from here on, which takes
    /// the disk some time.
    ///
    /// # Errors
    /// Whatever the system reports; `PreconditionFailed` when there is such a file meanwhile, and
    /// it is to be left. What was there before is untouched then.
    pub fn finish(mut self, durable: bool) -> Result<Stat, Error> {
        let named = self.named(durable);
        named.map_err(|error| write_failed(&error, &self.target))
    }

    fn named(&mut self, durable: bool) -> io::Result<Stat> {
        if durable {
            self.file.sync_all()?;
        }
        let folder = folder_of(&self.target).to_owned();
        match self.existing {
            Existing::Refuse => {
                match &self.temporary {
                    None => link_nameless(&self.file, &self.target)?,
                    // Unlike a rename it fails when something is there.
                    Some(temporary) => std::fs::hard_link(temporary, &self.target)?,
                }
                self.discard();
            }
            Existing::Replace => {
                if self.temporary.is_none() {
                    self.temporary =
                        Some(with_a_name(&folder, |name| link_nameless(&self.file, name))?.1);
                }
                if let Some(temporary) = &self.temporary {
                    std::fs::rename(temporary, &self.target)?;
                }
                self.temporary = None;
            }
        }
        if durable {
            // Not every file system lets a folder be flushed; the file itself is.
            let _ = File::open(&folder).and_then(|folder| folder.sync_all());
        }
        Ok(stat_of(&self.file.metadata()?))
    }

    fn discard(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let _ = std::fs::remove_file(temporary);
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        self.discard();
    }
}

/// The path behind symbolic links, and what is there.
pub(crate) fn target_of(
    path: &Path,
    existing: Existing,
) -> Result<(PathBuf, Option<Metadata>), Error> {
    let shown = path.display();
    match std::fs::symlink_metadata(path) {
        Ok(_) if existing == Existing::Refuse => return Err(exists(path)),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((path.to_owned(), None));
        }
        Err(error) => return Err(write_failed(&error, path)),
    }
    let target = std::fs::canonicalize(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::invalid(format!("{shown} is a symbolic link that leads nowhere"))
                .hint("remove the link, or make the file that it leads to")
        }
        _ => write_failed(&error, path),
    })?;
    // Such places reach into processes and devices: who names one must name it.
    let special = |path: &Path| ["/proc", "/dev", "/sys"].iter().any(|top| path.starts_with(top));
    if special(&target) && !special(path) {
        return Err(Error::new(
            Status::AccessDenied,
            format!("{shown} is a symbolic link to {}", target.display()),
        )
        .hint("name that file itself"));
    }
    let metadata = std::fs::metadata(&target).map_err(|error| write_failed(&error, path))?;
    if metadata.is_dir() {
        return Err(Error::invalid(format!("{shown} is a folder")).hint("name a file in it"));
    }
    if !metadata.is_file() {
        return Err(Error::invalid(format!("{shown} is not a regular file"))
            .hint("dipper writes files, not pipes or devices"));
    }
    // A rename would not ask.
    rustix::fs::access(&target, rustix::fs::Access::WRITE_OK)
        .map_err(|error| write_failed(&error.into(), path))?;
    Ok((target, Some(metadata)))
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A new file that nobody else can reach, and that is gone when it is closed: also when the process
/// is killed.
pub(crate) fn passing(folder: &Path) -> io::Result<File> {
    const MINE: u32 = 0o600;
    match nameless(folder, MINE) {
        Err(error) if lacks_nameless(&error) => {
            let (file, name) = named(folder, MINE)?;
            std::fs::remove_file(name)?;
            Ok(file)
        }
        made => made,
    }
}

/// What everybody may do with a new file, less what the process withholds.
const USUAL_MODE: u32 = 0o666;

/// A new file with a name of its own.
fn named(folder: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
    with_a_name(folder, |name| {
        OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(name)
    })
}

/// Tries names until one is free.
fn with_a_name<T>(
    folder: &Path,
    make: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(T, PathBuf)> {
    let mut tries = 0;
    loop {
        let name = folder.join(format!("{PREFIX}{:016x}", fastrand::u64(..)));
        match make(&name) {
            Ok(made) => return Ok((made, name)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => {
                tries += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// A new file without a name.
#[cfg(target_os = "linux")]
fn nameless(folder: &Path, mode: u32) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    // It gets its name through here.
    if !Path::new("/proc/self/fd").exists() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(File::from(open(folder, flags, Mode::from_raw_mode(mode))?))
}

#[cfg(not(target_os = "linux"))]
fn nameless(_folder: &Path, _mode: u32) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether it is the file system that has no files without a name.
fn lacks_nameless(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error.kind() == io::ErrorKind::Unsupported
        || [Errno::OPNOTSUPP, Errno::ISDIR, Errno::INVAL]
            .iter()
            .any(|lacking| error.raw_os_error() == Some(lacking.raw_os_error()))
}

/// Gives a file without a name one. Fails when something has it.
#[cfg(target_os = "linux")]
fn link_nameless(file: &File, name: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, linkat};
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, unnamed, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn link_nameless(_file: &File, _name: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder of the test's own, which goes with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("dipper-new-{:016x}", fastrand::u64(..)));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<_> = entries
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// As if the file system had no files without a name.
    fn with_named(path: &Path, existing: Existing) -> NewFile {
        let (file, temporary) = named(folder_of(path), USUAL_MODE).unwrap();
        NewFile { file, target: path.to_owned(), temporary: Some(temporary), existing }
    }

    #[test]
    fn appears_whole_or_not_at_all() {
        let folder = Folder::new();
        let path = folder.0.join("a");
        let plain: fn(&Path) -> NewFile = |path| NewFile::create(path, Existing::Replace).unwrap();
        for begin in [plain, |path| with_named(path, Existing::Replace)] {
            let mut file = begin(&path);
            file.write(b"half").unwrap();
            assert!(!path.exists());
            drop(file);
            assert_eq!(folder.names(), [""; 0]);
            let mut file = begin(&path);
            file.write(b"one ").unwrap();
            file.write(b"two").unwrap();
            assert_eq!(file.finish(true).unwrap().size, 7);
            assert_eq!(fs::read(&path).unwrap(), b"one two");
            assert_eq!(folder.names(), ["a"]);
            let mut file = begin(&path);
            file.write(b"x").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"one two");
            file.finish(false).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"x");
            assert_eq!(folder.names(), ["a"]);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn leaves_what_is_there_when_told_to() {
        let folder = Folder::new();
        let path = folder.0.join("a");
        let plain: fn(&Path) -> NewFile = |path| NewFile::create(path, Existing::Refuse).unwrap();
        for begin in [plain, |path| with_named(path, Existing::Refuse)] {
            let mut file = begin(&path);
            file.write(b"new").unwrap();
            fs::write(&path, b"came first").unwrap();
            assert_eq!(file.finish(false).unwrap_err().status, Status::PreconditionFailed);
            assert_eq!(fs::read(&path).unwrap(), b"came first");
            assert_eq!(folder.names(), ["a"]);
            let refused = NewFile::create(&path, Existing::Refuse).unwrap_err();
            assert_eq!(refused.status, Status::PreconditionFailed);
            fs::remove_file(&path).unwrap();
            begin(&path).finish(false).unwrap();
            assert_eq!(folder.names(), ["a"]);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn follows_links_and_keeps_permissions() {
        let folder = Folder::new();
        let (real, link) = (folder.0.join("real"), folder.0.join("link"));
        fs::write(&real, b"old").unwrap();
        fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).unwrap();
        symlink("real", &link).unwrap();
        let mut file = NewFile::create(&link, Existing::Replace).unwrap();
        file.write(b"new").unwrap();
        file.finish(false).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o7777, 0o640);
        fs::remove_file(&real).unwrap();
        let refused = NewFile::create(&link, Existing::Replace).unwrap_err();
        assert!(refused.message.contains("leads nowhere"), "{}", refused.message);
        let refused = NewFile::create(&link, Existing::Refuse).unwrap_err();
        assert_eq!(refused.status, Status::PreconditionFailed);
        let status = folder.0.join("status");
        symlink("/proc/self/status", &status).unwrap();
        let refused = NewFile::create(&status, Existing::Replace).unwrap_err();
        assert_eq!(refused.status, Status::AccessDenied);
    }

    #[test]
    fn refuses_what_is_no_file_before_anything_is_written() {
        let folder = Folder::new();
        fs::write(folder.0.join("file"), b"x").unwrap();
        let status = |path: PathBuf| NewFile::create(&path, Existing::Replace).unwrap_err().status;
        assert_eq!(status(folder.0.clone()), Status::InvalidInput);
        assert_eq!(status(PathBuf::from("/dev/null")), Status::InvalidInput);
        assert_eq!(status(folder.0.join("missing/a")), Status::NotFound);
        assert_eq!(status(folder.0.join("file/a")), Status::FileFailed);
        assert_eq!(status(folder.0.join("n".repeat(256))), Status::FileFailed);
        assert_eq!(folder.names(), ["file"]);
    }
}
