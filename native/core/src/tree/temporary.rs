//! A file under a temporary name in its final folder, until it is whole.
//!
//! The name says that it is dipper's, the lock that its writer is alive: the system lets a
//! lock go with the process that holds it, however that ends. So a later run knows what was
//! left behind, and never takes what another one is writing.

use std::fs::{File, FileTimes};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags, fchmod, flock, fstat, openat,
    renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use crate::Existing;

const START: &str = ".dipper-";
const END: &str = ".part";
const DIGITS: usize = 16;

/// A file that is being written. Dropped before it is placed, it is removed.
pub(crate) struct Temporary {
    folder: Arc<OwnedFd>,
    name: String,
    file: File,
    placed: bool,
}

/// Whether a name is one of those that temporary files have.
pub(crate) fn is_temporary(name: &[u8]) -> bool {
    let digits =
        name.strip_prefix(START.as_bytes()).and_then(|rest| rest.strip_suffix(END.as_bytes()));
    digits.is_some_and(|digits| {
        digits.len() == DIGITS
            && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Removes a temporary file whose writer is gone. False when it is being written.
pub(crate) fn remove_abandoned(folder: &OwnedFd, name: &[u8]) -> io::Result<bool> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        // It was placed or removed a moment ago.
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if !FileType::from_raw_mode(fstat(&file)?.st_mode).is_file()
        || flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
    {
        return Ok(false);
    }
    unlinkat(folder, name, AtFlags::empty())?;
    Ok(true)
}

impl Temporary {
    /// # Errors
    /// What the system reports.
    pub(crate) fn create(folder: Arc<OwnedFd>) -> io::Result<Self> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let name = format!("{START}{:016x}{END}", fastrand::u64(..));
            let file = match openat(&folder, &name, flags, Mode::from_raw_mode(0o666)) {
                Ok(file) => File::from(file),
                Err(Errno::EXIST) => continue,
                Err(error) => return Err(error.into()),
            };
            let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
            // Between the two calls somebody may have taken it for abandoned.
            if locked == Err(Errno::WOULDBLOCK) || fstat(&file)?.st_nlink == 0 {
                continue;
            }
            return Ok(Self { folder, name, file, placed: false });
        }
    }

    /// Makes room for so many bytes, where the file system can: a full disk shows before
    /// anything is fetched.
    ///
    /// # Errors
    /// What the system reports.
    #[cfg(target_os = "linux")]
    pub(crate) fn make_room(&self, bytes: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, bytes) {
            Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// As above; this system has no such call.
    #[cfg(not(target_os = "linux"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    pub(crate) fn make_room(&self, _bytes: u64) -> io::Result<()> {
        Ok(())
    }

    /// # Errors
    /// What the system reports.
    pub(crate) fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    /// Gives the file its time, in milliseconds since 1970, and its name.
    ///
    /// # Errors
    /// What the system reports; `AlreadyExists` when something is there that is to be left.
    /// A link at the name is not followed: it is what is replaced or left.
    pub(crate) fn place(
        mut self,
        name: &str,
        modified: Option<i64>,
        existing: Existing,
    ) -> io::Result<()> {
        if let Some(time) = modified.and_then(time_of) {
            self.file.set_times(FileTimes::new().set_modified(time))?;
        }
        let to = &self.folder;
        match existing {
            Existing::Replace => {
                if let Ok(old) = statat(to, name, AtFlags::SYMLINK_NOFOLLOW)
                    && FileType::from_raw_mode(old.st_mode).is_file()
                {
                    // Another owner's file cannot be imitated. The bytes matter more.
                    let _ = fchmod(&self.file, Mode::from_raw_mode(old.st_mode & 0o777));
                }
                renameat(to, &self.name, to, name)?;
            }
            Existing::Refuse => {
                match renameat_with(to, &self.name, to, name, RenameFlags::NOREPLACE) {
                    Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                        // Some network file systems cannot do both at once.
                        if super::folder::kind_at(to, name)?.is_some() {
                            return Err(io::ErrorKind::AlreadyExists.into());
                        }
                        renameat(to, &self.name, to, name)?;
                    }
                    renamed => renamed?,
                }
            }
        }
        self.placed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.placed {
            let _ = unlinkat(&self.folder, &self.name, AtFlags::empty());
        }
    }
}

fn time_of(milliseconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_millis(milliseconds.unsigned_abs());
    if milliseconds >= 0 {
        UNIX_EPOCH.checked_add(distance)
    } else {
        UNIX_EPOCH.checked_sub(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::folder::tests::Place;
    use crate::tree::folder::{Missing, Root};

    fn folder(place: &Place) -> Arc<OwnedFd> {
        let root = Root::open(&place.0, Missing::Leave).unwrap().unwrap();
        Arc::clone(root.directory())
    }

    fn names(place: &Place) -> Vec<String> {
        let entries = std::fs::read_dir(&place.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_there_when_it_is_whole() {
        let place = Place::new();
        let new = Temporary::create(folder(&place)).unwrap();
        new.make_room(5).unwrap();
        new.write(b"lo", 3).unwrap();
        new.write(b"hel", 0).unwrap();
        assert_eq!(names(&place).len(), 1);
        assert!(is_temporary(names(&place)[0].as_bytes()));
        new.place("a", Some(1_000_000_123), Existing::Refuse).unwrap();
        assert_eq!(names(&place), ["a"]);
        assert_eq!(std::fs::read(place.0.join("a")).unwrap(), b"hello");
        let modified = std::fs::metadata(place.0.join("a")).unwrap().modified().unwrap();
        assert_eq!(modified.duration_since(UNIX_EPOCH).unwrap().as_millis(), 1_000_000_123);
        drop(Temporary::create(folder(&place)).unwrap());
        assert_eq!(names(&place), ["a"]);
    }

    #[test]
    fn what_nobody_expected_is_not_replaced() {
        let place = Place::new();
        std::fs::write(place.0.join("a"), "old").unwrap();
        std::os::unix::fs::symlink("a", place.0.join("l")).unwrap();
        std::fs::create_dir(place.0.join("d")).unwrap();
        for name in ["a", "l", "d"] {
            let new = Temporary::create(folder(&place)).unwrap();
            let refused = new.place(name, None, Existing::Refuse).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists, "{name}");
        }
        assert_eq!(names(&place), ["a", "d", "l"]);
        assert_eq!(std::fs::read(place.0.join("a")).unwrap(), b"old");
    }

    #[test]
    fn what_is_replaced_gives_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let place = Place::new();
        let path = place.0.join("a");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let new = Temporary::create(folder(&place)).unwrap();
        new.write(b"new", 0).unwrap();
        new.place("a", None, Existing::Replace).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn only_what_was_left_behind_is_removed() {
        let place = Place::new();
        let living = Temporary::create(folder(&place)).unwrap();
        assert!(!remove_abandoned(&folder(&place), living.name.as_bytes()).unwrap());
        std::fs::write(place.0.join(".dipper-0123456789abcdef.part"), "x").unwrap();
        assert!(remove_abandoned(&folder(&place), b".dipper-0123456789abcdef.part").unwrap());
        assert!(names(&place) == [living.name.as_str()]);
        living.place("a", None, Existing::Refuse).unwrap();
        for other in [".dipper-x.part", ".dipper-0123456789ABCDEF.part", ".dipper-.part", "a"] {
            assert!(!is_temporary(other.as_bytes()), "{other}");
        }
    }
}
