//! A directory, and the directories below it, by their descriptors.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, mkdirat, openat, statat};

use crate::{Error, Status};

/// So many directories are kept open. With more, those are opened anew.
const MOST_OPEN: usize = 128;

/// What a directory is opened for when only its entries are reached through it. Search
/// permission is enough for that.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = OFlags::RDONLY;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The directory of a tree.
pub(crate) struct Root {
    directory: Folder,
    shown: PathBuf,
    folders: Mutex<HashMap<String, Folder>>,
}

/// A folder that is open.
#[derive(Clone)]
struct Folder {
    descriptor: Arc<OwnedFd>,
    /// On a file system of this machine.
    near: bool,
}

impl From<OwnedFd> for Folder {
    fn from(descriptor: OwnedFd) -> Self {
        Self { near: is_near(&descriptor), descriptor: Arc::new(descriptor) }
    }
}

/// Whether what is missing is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Make,
    Leave,
}

impl Root {
    /// Opens a directory by its absolute path, which holds no link. `None` when it does not
    /// exist and is not to be made.
    ///
    /// # Errors
    /// `InvalidInput` for what is no directory, and what the system reports.
    pub(crate) fn open(path: &Path, missing: Missing) -> Result<Option<Self>, Error> {
        let mut directory = openat(CWD, "/", PASS | DIRECTORY, Mode::empty())
            .map_err(|error| not_read(&error.into(), path))?;
        for component in path.components() {
            let name = match component {
                Component::RootDir => continue,
                Component::Normal(name) => name,
                _ => return Err(Error::internal("the path of a directory is not absolute")),
            };
            let opened = match openat(&directory, name, PASS | DIRECTORY, Mode::empty()) {
                Err(rustix::io::Errno::NOENT) if missing == Missing::Leave => return Ok(None),
                Err(rustix::io::Errno::NOENT) => make(&directory, name.as_encoded_bytes()),
                opened => opened.map_err(io::Error::from),
            };
            directory = opened.map_err(|error| match missing {
                Missing::Make => not_written(&error, path),
                Missing::Leave => not_read(&error, path),
            })?;
        }
        Ok(Some(Self {
            directory: directory.into(),
            shown: path.to_owned(),
            folders: Mutex::default(),
        }))
    }

    pub(crate) fn directory(&self) -> &Arc<OwnedFd> {
        &self.directory.descriptor
    }

    /// Whether a folder is open and on a file system of this machine: nobody has to wait for
    /// another one to use it.
    pub(crate) fn is_near(&self, path: &str) -> bool {
        if path.is_empty() {
            return self.directory.near;
        }
        self.lock().get(path).is_some_and(|folder| folder.near)
    }

    /// A path below it, as it may be shown.
    pub(crate) fn shown(&self, path: &str) -> PathBuf {
        self.shown.join(path)
    }

    /// A folder below it; the directory itself for an empty path.
    ///
    /// # Errors
    /// What the system reports; a link in the place of a folder is no folder.
    pub(crate) fn folder(&self, path: &str, missing: Missing) -> io::Result<Arc<OwnedFd>> {
        if path.is_empty() {
            return Ok(Arc::clone(&self.directory.descriptor));
        }
        if let Some(folder) = self.lock().get(path) {
            return Ok(Arc::clone(&folder.descriptor));
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.folder(parent, missing)?;
        let folder = match openat(&parent, name, PASS | DIRECTORY, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) if missing == Missing::Make => {
                make(&parent, name.as_bytes())?
            }
            folder => folder?,
        };
        let folder = Folder::from(folder);
        let descriptor = Arc::clone(&folder.descriptor);
        let mut folders = self.lock();
        if folders.len() >= MOST_OPEN {
            folders.clear();
        }
        folders.insert(path.to_owned(), folder);
        Ok(descriptor)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Folder>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a directory is on a file system that is known to wait for no network and no other
/// program.
#[cfg(target_os = "linux")]
fn is_near(directory: &OwnedFd) -> bool {
    /// ext2 to ext4, XFS, Btrfs, tmpfs, ramfs, overlayfs, F2FS, bcachefs and ZFS, as statfs(2)
    /// numbers them.
    const NEAR: [i64; 9] = [
        0xef53,
        0x5846_5342,
        0x9123_683e,
        0x0102_1994,
        0x8584_58f6,
        0x794c_7630,
        0xf2f5_2010,
        0xca45_1a4e,
        0x2fc1_2fc1,
    ];
    rustix::fs::fstatfs(directory).is_ok_and(|told| NEAR.contains(&told.f_type))
}

/// As above; this system numbers none.
#[cfg(not(target_os = "linux"))]
fn is_near(_directory: &OwnedFd) -> bool {
    false
}

fn make(parent: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
        // Somebody else made it a moment ago, or it is something else: opening it tells.
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(openat(parent, name, PASS | DIRECTORY, Mode::empty())?)
}

/// The folder and the name of a path below a directory.
///
/// # Errors
/// `InvalidInput` for a path that could leave the directory, or that no file has.
pub(crate) fn split(path: &str) -> Result<(&str, &str), Error> {
    let sound = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    if !path.split('/').all(sound) {
        return Err(Error::invalid(format!("{path:?} is not the path of a file in a directory"))
            .hint("the empty name, . and .. name no file"));
    }
    Ok(path.rsplit_once('/').unwrap_or(("", path)))
}

/// The error for a path on whose way a link or a file is, if it is that.
fn in_the_way(error: &io::Error, path: &Path) -> Option<Error> {
    let errno = rustix::io::Errno::from_io_error(error);
    let is_it = matches!(errno, Some(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP));
    is_it.then(|| {
        let shown = path.display();
        let message = format!(
            "{shown} is not reached: a file or a symbolic link is in the place of a folder"
        );
        Error::new(Status::FileFailed, message)
            .hint("no link is followed; move what is in the way, and run it again")
    })
}

/// The error for what cannot be read.
pub(crate) fn not_read(error: &io::Error, path: &Path) -> Error {
    in_the_way(error, path).unwrap_or_else(|| crate::file::failed(error, path))
}

/// The error for what cannot be written.
pub(crate) fn not_written(error: &io::Error, path: &Path) -> Error {
    let occupied =
        matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory);
    if occupied {
        let shown = path.display();
        let message = format!("{shown} is not written: something else is in its place");
        return Error::new(Status::FileFailed, message).hint(
            "another key may have the same name here; look at what is there, and run it again",
        );
    }
    in_the_way(error, path).unwrap_or_else(|| crate::write_failed(error, path))
}

/// What is at a name, without following a link.
pub(crate) fn kind_at(folder: &OwnedFd, name: &str) -> io::Result<Option<FileType>> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A directory of its own that goes with the test.
    pub(crate) struct Place(pub(crate) PathBuf);

    impl Place {
        pub(crate) fn new() -> Self {
            let name = format!("dipper-tree-{}-{:016x}", std::process::id(), fastrand::u64(..));
            let path = std::fs::canonicalize(std::env::temp_dir()).unwrap().join(name);
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn paths_that_leave_are_refused() {
        for path in ["", "/a", "a/", "a//b", "..", "../a", "a/../b", ".", "a/./b", "a\0b"] {
            assert_eq!(split(path).unwrap_err().status, Status::InvalidInput, "{path:?}");
        }
        assert_eq!(split("a").unwrap(), ("", "a"));
        assert_eq!(split("a/b c/…").unwrap(), ("a/b c", "…"));
    }

    #[test]
    fn folders_are_made_and_links_are_no_folders() {
        let place = Place::new();
        let outside = Place::new();
        let root = Root::open(&place.0.join("new/one"), Missing::Make).unwrap().unwrap();
        root.folder("a/b", Missing::Make).unwrap();
        assert!(place.0.join("new/one/a/b").is_dir());
        std::os::unix::fs::symlink(&outside.0, place.0.join("new/one/away")).unwrap();
        assert!(root.folder("away", Missing::Make).is_err());
        assert!(root.folder("away/x", Missing::Make).is_err());
        assert!(Root::open(&place.0.join("new/one/away"), Missing::Leave).is_err());
        assert_eq!(std::fs::read_dir(&outside.0).unwrap().count(), 0);
        assert!(Root::open(&place.0.join("none"), Missing::Leave).unwrap().is_none());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_folder_is_near_once_it_is_open_on_a_file_system_of_this_machine() {
        let place = Place::new();
        let root = Root::open(&place.0, Missing::Leave).unwrap().unwrap();
        assert!(!root.is_near("a/b"));
        root.folder("a/b", Missing::Make).unwrap();
        assert_eq!(root.is_near("a/b"), root.is_near(""));
        // Its files come from the kernel, not from a disk, as those of a network would.
        let other = Root::open(Path::new("/proc"), Missing::Leave).unwrap().unwrap();
        other.folder("self", Missing::Leave).unwrap_err();
        other.folder("sys", Missing::Leave).unwrap();
        assert!(!other.is_near("") && !other.is_near("sys"));
        let memory = Root::open(Path::new("/dev/shm"), Missing::Leave);
        if let Ok(Some(memory)) = memory {
            assert!(memory.is_near(""));
        }
    }

    #[test]
    fn a_folder_that_becomes_a_link_leads_nowhere() {
        let place = Place::new();
        let outside = Place::new();
        let root = Root::open(&place.0, Missing::Leave).unwrap().unwrap();
        let folder = root.folder("a", Missing::Make).unwrap();
        std::fs::rename(place.0.join("a"), place.0.join("b")).unwrap();
        std::os::unix::fs::symlink(&outside.0, place.0.join("a")).unwrap();
        // The folder that was opened is still the one that is written to.
        mkdirat(&folder, "inner", Mode::from_raw_mode(0o777)).unwrap();
        assert!(place.0.join("b/inner").is_dir());
        assert_eq!(std::fs::read_dir(&outside.0).unwrap().count(), 0);
    }
}
