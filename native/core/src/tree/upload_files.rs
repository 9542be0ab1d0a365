//! Sending many files to a bucket.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dipper_wire::{FillError, Slot};
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};

use super::download_files::{MEMORY, SHORT};
use super::each::{for_each, shown};
use super::folder::{Missing, Root, not_read, split};
use super::queue::WorkQueue;
use super::scan::modified_of;
use crate::buffer::Draft;
use crate::metrics::Meter;
use crate::ranges::Items;
use crate::upload::upload_opened;
use crate::{Budget, Buffer, Client, Error, Metrics, ObjectRef, Progress, Status, WriteOptions};

/// One file, and the object that it becomes.
#[derive(Clone, Debug)]
pub struct FileToSend {
    /// The file's path below the directory, with slashes.
    pub path: String,
    /// The object's key.
    pub key: String,
    /// The file's size, as a scan told it.
    pub size: u64,
    /// The media type.
    pub content_type: Option<String>,
}

/// What to send where.
pub struct UploadFilesRequest {
    /// Where the objects are to be.
    pub bucket: String,
    /// The directory: an absolute path without a link.
    pub directory: PathBuf,
    /// One after the other.
    pub files: Vec<FileToSend>,
    /// What is said about each object; its own media type comes first.
    pub options: WriteOptions,
    /// Who is told how far it is.
    pub progress: Option<Arc<dyn Progress>>,
}

/// Files up to this size are read in one go.
const SMALL: u64 = 8 << 20;
/// A larger file has so much of the memory for its parts, and for those that are sent.
const LARGE: u64 = 32 << 20;

/// Counts what one file's upload tells for all of them together.
struct Counted {
    meter: Arc<Meter>,
    bytes: AtomicU64,
}

impl Counted {
    fn is_at(&self, bytes: u64) {
        let before = self.bytes.fetch_max(bytes, Ordering::Relaxed);
        self.meter.arrived(usize::try_from(bytes.saturating_sub(before)).unwrap_or(0));
    }
}

impl Progress for Counted {
    fn reached(&self, bytes: u64, _total: u64, _metrics: &Metrics) {
        self.is_at(bytes);
    }
}

struct Uploads {
    client: Arc<Client>,
    root: Arc<Root>,
    bucket: String,
    files: Vec<FileToSend>,
    options: WriteOptions,
    memory: Arc<Budget>,
    queue: Arc<WorkQueue>,
    meter: Arc<Meter>,
}

/// Sends the files; for each comes how many bytes it has, or why it failed.
///
/// # Errors
/// Only for what concerns all of them, such as a directory that cannot be opened.
pub async fn upload_files(
    client: &Arc<Client>,
    request: UploadFilesRequest,
    items: Arc<dyn Items>,
) -> Result<Metrics, Error> {
    let UploadFilesRequest { bucket, directory, files, options, progress } = request;
    let total = files.iter().map(|file| file.size).sum::<u64>();
    let queue = WorkQueue::new();
    let root = {
        let directory = directory.clone();
        queue.run(move || Root::open(&directory, Missing::Leave)).await?
    };
    let Some(root) = root else {
        // It went away after it was looked at: none of its files can be sent.
        for (index, file) in files.iter().enumerate() {
            let gone = not_read(&io::ErrorKind::NotFound.into(), &directory.join(&file.path));
            items.written(index, Err(gone.about(shown(&bucket, &file.key))));
        }
        items.flush();
        return Ok(Meter::new().read());
    };
    let meter = Arc::new(Meter::new());
    let count = files.len();
    let uploads = Arc::new(Uploads {
        client: Arc::clone(client),
        root: Arc::new(root),
        bucket,
        files,
        options,
        memory: Budget::new(MEMORY),
        queue,
        meter: Arc::clone(&meter),
    });
    let one = move |index| Arc::clone(&uploads).at(index);
    for_each(count, one, items, progress, total, &meter).await
}

impl Uploads {
    async fn at(self: Arc<Self>, index: usize) -> Result<u64, Error> {
        let file =
            self.files.get(index).ok_or_else(|| Error::internal("a file that is not there"))?;
        self.one(file).await.map_err(|error| error.about(shown(&self.bucket, &file.key)))
    }

    async fn one(&self, file: &FileToSend) -> Result<u64, Error> {
        split(&file.path)?;
        let object = ObjectRef {
            bucket: self.bucket.clone(),
            key: file.key.clone(),
            version_id: None,
            customer_key: None,
        };
        let mut options = self.options.clone();
        options.content_type = file.content_type.clone().or(options.content_type);
        let (root, path) = (Arc::clone(&self.root), file.path.clone());
        let near = self.root.is_near(split(&file.path)?.0);
        let (opened, size) = self.queue.run_short(near, move || open(&root, &path)).await?;
        let counted =
            Arc::new(Counted { meter: Arc::clone(&self.meter), bytes: AtomicU64::new(0) });
        let written = if size <= SMALL {
            let body = self.content(file, opened, size).await?;
            Box::pin(crate::upload_memory(&self.client, object, body, options, None)).await?
        } else {
            let _memory = self.memory.reserve(LARGE.min(self.memory.limit())).await?;
            let shown = self.root.shown(&file.path);
            let failed = |error: io::Error| not_read(&error, &shown);
            let told = opened.metadata().map_err(failed)?;
            let progress: Arc<dyn Progress> = Arc::<Counted>::clone(&counted);
            let (opened, progress) = ((opened, told), Some(progress));
            let upload = upload_opened(&self.client, object, opened, &shown, options, progress);
            Box::pin(upload).await?
        };
        self.meter.wrote(&written.metrics);
        counted.is_at(size);
        Ok(size)
    }

    /// The bytes of a file, read in one go and as they were at one time.
    async fn content(
        &self,
        file: &FileToSend,
        opened: File,
        size: u64,
    ) -> Result<Option<Arc<Buffer>>, Error> {
        if size == 0 {
            return Ok(None);
        }
        self.client.admit(size)?;
        let mut tickets = vec![self.memory.reserve(size.min(self.memory.limit())).await?];
        let reserved = Box::pin(self.client.reserve(size));
        tickets.extend(crate::get::patiently(reserved, size).await?);
        let length = usize::try_from(size).map_err(|_| Error::invalid("the file is too large"))?;
        let (landing, slot) = Draft::recycled(length, tickets)?.land();
        let shown = self.root.shown(&file.path);
        let near = size <= SHORT && self.root.is_near(split(&file.path)?.0);
        self.queue.run_short(near, move || fill(&opened, slot, &shown)).await?;
        Ok(Some(landing.finish()?))
    }
}

/// Opens a file below a directory, and nothing else: a pipe could hang for ever.
pub(super) fn open(root: &Root, path: &str) -> Result<(File, u64), Error> {
    let shown = root.shown(path);
    let (folder, name) = split(path)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = root.folder(folder, Missing::Leave).and_then(|folder| {
        let file = openat(&folder, name, flags, Mode::empty())?;
        let stat = fstat(&file)?;
        Ok((File::from(file), stat))
    });
    let (file, stat) = opened.map_err(|error| not_read(&error, &shown))?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(Error::new(
            Status::FileFailed,
            format!("{} is no file any more", shown.display()),
        )
        .hint("run it again"));
    }
    Ok((file, u64::try_from(stat.st_size).unwrap_or(0)))
}

/// Reads a file to the end of the slot, and sees to it that nobody changed it meanwhile.
fn fill(file: &File, mut slot: Slot, shown: &Path) -> Result<(), Error> {
    let failed = |error: io::Error| not_read(&error, shown);
    let before = fstat(file).map_err(|error| failed(error.into()))?;
    while slot.missing() > 0 {
        let at = slot.filled() as u64;
        match slot.fill(usize::MAX, |room| file.read_at(room, at)) {
            Ok(0) => return Err(changed(shown)),
            Ok(_) => {}
            Err(FillError::Revoked) => return Err(Error::cancelled()),
            Err(FillError::Source(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(FillError::Source(error)) => return Err(failed(error)),
        }
    }
    let after = fstat(file).map_err(|error| failed(error.into()))?;
    let same = before.st_size == after.st_size
        && u64::try_from(after.st_size).is_ok_and(|size| size == slot.filled() as u64)
        && modified_of(&before) == modified_of(&after);
    if same { Ok(()) } else { Err(changed(shown)) }
}

pub(super) fn changed(shown: &Path) -> Error {
    Error::new(Status::ObjectChanged, format!("{} changed while it was read", shown.display()))
        .hint("run it again when nobody writes to it")
}
