//! What is in a directory, and in the folders below it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};

use super::folder::{Missing, Root, not_read};
use super::temporary::{is_temporary, remove_abandoned};
use crate::{Error, Status};

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeKind {
    /// A file.
    File,
    /// A folder. Its own entries follow.
    Folder,
    /// A symbolic link, which is not followed.
    Link,
    /// A pipe, a socket or a device.
    Other,
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its path below the directory, with slashes.
    pub path: String,
    /// What it is.
    pub kind: TreeKind,
    /// The size of a file in bytes.
    pub size: u64,
    /// When it was last changed, in milliseconds since 1970.
    pub modified: i64,
}

/// Takes what is found, some thousands at a time.
pub trait TreeEntries: Send + Sync {
    /// Entries; those of one folder in the order of their names' bytes.
    ///
    /// # Errors
    /// That there is no room for them.
    fn found(&self, entries: Vec<TreeEntry>) -> Result<(), Error>;
    /// Something could not be looked at.
    fn failed(&self, error: Error);
}

/// What became of a scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Whether the directory is there.
    pub exists: bool,
    /// How many files of a killed run were removed.
    pub removed: u32,
}

/// So many entries are handed on at once.
const PAGE: usize = 4096;
/// A path with more bytes is no key.
const LONGEST_PATH: usize = 1024;

/// Looks at everything below a directory, whose path is absolute and holds no link. With
/// `clean`, what a killed run left behind is removed; temporary files are never told.
///
/// # Errors
/// What the system reports about the directory itself.
pub async fn scan(
    directory: PathBuf,
    clean: bool,
    entries: Arc<dyn TreeEntries>,
) -> Result<Scanned, Error> {
    let unwanted = Arc::new(AtomicBool::new(false));
    let _until_dropped = Unwanted(Arc::clone(&unwanted));
    let token = crate::gate::token();
    let walk = move || {
        let scanned = walk(&directory, clean, &entries, &unwanted);
        drop(token);
        scanned
    };
    crate::gate::joined(tokio::task::spawn_blocking(walk).await)?
}

/// Ends a walk that nobody waits for.
struct Unwanted(Arc<AtomicBool>);

impl Drop for Unwanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A folder that is being looked at.
struct Level {
    path: String,
    folder: OwnedFd,
    inner: VecDeque<Vec<u8>>,
}

fn walk(
    directory: &std::path::Path,
    clean: bool,
    entries: &Arc<dyn TreeEntries>,
    unwanted: &AtomicBool,
) -> Result<Scanned, Error> {
    let Some(root) = Root::open(directory, Missing::Leave)? else {
        return Ok(Scanned::default());
    };
    let mut walk = Walk { root: &root, clean, entries, page: Vec::new(), removed: 0 };
    let top = open_folder(root.directory(), b".").and_then(|folder| walk.level("", folder));
    let mut levels = vec![top.map_err(|error| not_read(&error, directory))?];
    while let Some(level) = levels.last_mut() {
        if unwanted.load(Ordering::Relaxed) {
            return Err(Error::cancelled());
        }
        let Some(name) = level.inner.pop_front() else {
            levels.pop();
            continue;
        };
        let path = joined(&level.path, &String::from_utf8_lossy(&name));
        let opened = open_folder(&level.folder, &name);
        match opened.and_then(|folder| walk.level(&path, folder)) {
            Ok(level) => levels.push(level),
            Err(error) => walk.failed(&error, &path),
        }
        walk.hand_on(PAGE)?;
    }
    walk.hand_on(1)?;
    Ok(Scanned { exists: true, removed: walk.removed })
}

struct Walk<'a> {
    root: &'a Root,
    clean: bool,
    entries: &'a Arc<dyn TreeEntries>,
    page: Vec<TreeEntry>,
    removed: u32,
}

impl Walk<'_> {
    /// Looks at one folder.
    fn level(&mut self, path: &str, folder: OwnedFd) -> io::Result<Level> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        names.sort();
        let mut inner = VecDeque::new();
        for name in names {
            if is_temporary(&name) {
                self.clean_up(path, &folder, &name);
                continue;
            }
            let Ok(text) = std::str::from_utf8(&name) else {
                let shown = joined(path, &String::from_utf8_lossy(&name));
                let shown = self.root.shown(&shown);
                self.entries.failed(
                    Error::invalid(format!(
                        "the name of {} is not UTF-8, so no key has it",
                        shown.display()
                    ))
                    .hint("give it another name")
                    .about(shown.display().to_string()),
                );
                continue;
            };
            let here = joined(path, text);
            if here.len() > LONGEST_PATH {
                let shown = self.root.shown(&here).display().to_string();
                self.entries.failed(
                    Error::invalid(format!(
                        "the path of {shown} has {} bytes, a key at most {LONGEST_PATH}",
                        here.len()
                    ))
                    .hint("give it a shorter name")
                    .about(shown),
                );
                continue;
            }
            match statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    let kind = kind_of(&stat);
                    if kind == TreeKind::Folder {
                        inner.push_back(name);
                    }
                    let size = u64::try_from(stat.st_size).unwrap_or(0);
                    let modified = modified_of(&stat);
                    self.page.push(TreeEntry { path: here, kind, size, modified });
                }
                // It went away between the two looks.
                Err(rustix::io::Errno::NOENT) => {}
                Err(error) => self.failed(&error.into(), &here),
            }
        }
        Ok(Level { path: path.to_owned(), folder, inner })
    }

    fn clean_up(&mut self, path: &str, folder: &OwnedFd, name: &[u8]) {
        if !self.clean {
            return;
        }
        match remove_abandoned(folder, name) {
            Ok(removed) => self.removed += u32::from(removed),
            Err(error) => self.failed(&error, &joined(path, &String::from_utf8_lossy(name))),
        }
    }

    fn failed(&self, error: &io::Error, path: &str) {
        let shown = self.root.shown(path);
        let error = not_read(error, &shown);
        // A folder that went away while it was walked is no failure.
        if error.status != Status::NotFound {
            self.entries.failed(error.about(shown.display().to_string()));
        }
    }

    fn hand_on(&mut self, least: usize) -> Result<(), Error> {
        if self.page.len() < least {
            return Ok(());
        }
        self.entries.found(std::mem::take(&mut self.page))
    }
}

fn open_folder(parent: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?)
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

fn kind_of(stat: &Stat) -> TreeKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => TreeKind::File,
        FileType::Directory => TreeKind::Folder,
        FileType::Symlink => TreeKind::Link,
        _ => TreeKind::Other,
    }
}

#[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // Not the same type on every system.
pub(super) fn modified_of(stat: &Stat) -> i64 {
    (stat.st_mtime as i64)
        .saturating_mul(1000)
        .saturating_add(i64::try_from(stat.st_mtime_nsec).unwrap_or(0) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::folder::tests::Place;
    use std::os::unix::ffi::OsStrExt;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Seen {
        entries: Mutex<Vec<TreeEntry>>,
        failures: Mutex<Vec<Error>>,
    }

    impl TreeEntries for Seen {
        fn found(&self, entries: Vec<TreeEntry>) -> Result<(), Error> {
            self.entries.lock().unwrap().extend(entries);
            Ok(())
        }

        fn failed(&self, error: Error) {
            self.failures.lock().unwrap().push(error);
        }
    }

    #[tokio::test]
    async fn a_tree_is_seen_without_following_links() {
        let place = Place::new();
        let at = |path: &str| place.0.join(path);
        std::fs::create_dir_all(at("b/c/empty")).unwrap();
        std::fs::write(at("a"), "12345").unwrap();
        std::fs::write(at("b/x y"), "").unwrap();
        std::fs::write(at(".dipper-0123456789abcdef.part"), "left").unwrap();
        std::os::unix::fs::symlink("/", at("away")).unwrap();
        std::os::unix::fs::symlink("..", at("b/up")).unwrap();
        std::fs::write(place.0.join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();

        let seen = Arc::new(Seen::default());
        let sink: Arc<dyn TreeEntries> = Arc::<Seen>::clone(&seen);
        let scanned = scan(place.0.clone(), false, Arc::clone(&sink)).await.unwrap();
        assert_eq!(scanned, Scanned { exists: true, removed: 0 });
        let told: Vec<_> = seen
            .entries
            .lock()
            .unwrap()
            .iter()
            .map(|entry| (entry.path.clone(), entry.kind, entry.size))
            .filter(|(_, kind, _)| *kind != TreeKind::Folder && *kind != TreeKind::Link)
            .collect();
        assert_eq!(told, [("a".into(), TreeKind::File, 5), ("b/x y".into(), TreeKind::File, 0)]);
        let kinds = |kind| {
            let entries = seen.entries.lock().unwrap();
            let paths = entries.iter().filter(|entry| entry.kind == kind);
            paths.map(|entry| entry.path.clone()).collect::<Vec<_>>()
        };
        assert_eq!(kinds(TreeKind::Link), ["away", "b/up"]);
        assert_eq!(kinds(TreeKind::Folder), ["b", "b/c", "b/c/empty"]);
        assert_eq!(seen.failures.lock().unwrap().len(), 1);

        assert!(at(".dipper-0123456789abcdef.part").exists());
        assert_eq!(scan(place.0.clone(), true, sink).await.unwrap().removed, 1);
        assert!(!at(".dipper-0123456789abcdef.part").exists());
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_told_so() {
        let place = Place::new();
        let sink: Arc<dyn TreeEntries> = Arc::new(Seen::default());
        let missing = scan(place.0.join("none"), false, Arc::clone(&sink)).await.unwrap();
        assert!(!missing.exists);
        std::fs::write(place.0.join("f"), "").unwrap();
        let error = scan(place.0.join("f"), false, sink).await.unwrap_err();
        assert_eq!(error.status, Status::FileFailed);
    }
}
