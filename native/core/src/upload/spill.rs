//! Parts that are larger than what an upload keeps in memory. They lie in a file without a name
//! until the server has them, so that they can be sent again all the same.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::slab::Slab;
use crate::file::blocking;
use crate::new_file::passing;
use crate::request_body::{FilePart, RequestBody, SentFile};
use crate::{Error, Status};

/// One is filled while two are sent.
const AT_ONCE: usize = 3;

/// Where the large parts of one upload lie.
pub(super) struct Spill {
    folder: Arc<PathBuf>,
    places: Arc<Semaphore>,
}

impl Spill {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder: Arc::new(folder), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// A place for a part, once there is one. Nothing where the disk has no room for it, or the
    /// folder may not be written.
    pub(super) async fn place(&self, size: u64) -> Option<Place> {
        let permit = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let folder = Arc::clone(&self.folder);
        let made = blocking(move || {
            let made = passing(&folder).and_then(|file| {
                reserve(&file, size)?;
                Ok(file)
            });
            match made {
                Ok(file) => Ok(Some(Place { file, folder, _permit: permit })),
                Err(error) => {
                    let folder = folder.display();
                    tracing::debug!(target: "dipper::upload", %folder, size, %error, "not spilled");
                    Ok(None)
                }
            }
        });
        made.await.ok().flatten()
    }
}

/// Takes the room on the disk, where the file system can: it is known before the first byte then
/// whether there is enough.
#[cfg(target_os = "linux")]
fn reserve(file: &File, size: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(()),
        done => Ok(done?),
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(_file: &File, _size: u64) -> io::Result<()> {
    Ok(())
}

/// A file without a name, and its right to be there.
pub(super) struct Place {
    file: File,
    folder: Arc<PathBuf>,
    _permit: OwnedSemaphorePermit,
}

/// A large part that is being filled.
pub(super) struct Spilling {
    place: Place,
    size: u64,
    /// How much of it is in the file.
    written: u64,
    /// What comes next.
    slab: Slab,
}

impl Spilling {
    pub(super) fn new(place: Place, size: u64, slab: Slab) -> Self {
        Self { place, size, written: 0, slab }
    }

    /// For how many bytes there is room before the next step.
    pub(super) fn room(&self) -> usize {
        let missing = self.size - self.written - self.slab.filled() as u64;
        self.slab.room().min(usize::try_from(missing).unwrap_or(usize::MAX))
    }

    /// Takes bytes, no more than there is room for.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.slab.take(bytes);
    }

    /// Moves what came to the file. Blocks for as long as the disk takes.
    fn settle(&mut self) -> Result<(), Error> {
        let Place { file, folder, .. } = &self.place;
        file.write_all_at(self.slab.bytes(), self.written)
            .map_err(|error| failed("kept", folder, &error))?;
        self.written += self.slab.filled() as u64;
        self.slab.clear();
        Ok(())
    }

    pub(super) async fn settled(mut self) -> Result<Self, Error> {
        blocking(move || {
            self.settle()?;
            Ok(self)
        })
        .await
    }

    pub(super) fn is_empty(&self) -> bool {
        self.written == 0 && self.slab.filled() == 0
    }

    /// Whether all of it is in the file.
    pub(super) fn is_whole(&self) -> bool {
        self.written == self.size
    }

    /// What is in the file, to be sent.
    pub(super) fn into_body(self) -> RequestBody {
        RequestBody::File(FilePart::new(Arc::new(self.place), 0, self.written))
    }
}

impl SentFile for Place {
    fn file(&self) -> &File {
        &self.file
    }

    fn failed(&self, error: &io::Error) -> Error {
        failed("read again", &self.folder, error)
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

fn failed(what: &str, folder: &Path, error: &io::Error) -> Error {
    let folder = folder.display();
    let message = format!("a part of the upload cannot be {what} in {folder}: {error}");
    Error::new(Status::FileFailed, message)
        .hint("free space there, or name another folder in TMPDIR")
}
