//! Uploads whose bytes are all there: in memory, or in a file.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::driver::{Driver, Job, Message, Written};
use super::part_sizes::{Limits, PartSizes, S3};
use super::slab::Slabs;
use super::write_options::WriteOptions;
use crate::buffer::BufferBytes;
use crate::metrics::Meter;
use crate::request_body::{FilePart, RequestBody, SentFile};
use crate::unsized_file::measured;
use crate::{Buffer, Client, Error, ObjectRef, Progress, Status};

/// Writes an object from memory, which is sent from where it lies.
///
/// # Errors
/// Whatever the server or the connection reports, and `InvalidInput` for options that
/// cannot be meant.
pub async fn upload_memory(
    client: &Arc<Client>,
    object: ObjectRef,
    body: Option<Arc<Buffer>>,
    options: WriteOptions,
    progress: Option<Arc<dyn Progress>>,
) -> Result<Written, Error> {
    let body = body.map_or_else(Bytes::new, |body| Bytes::from_owner(BufferBytes(body)));
    let size = body.len() as u64;
    let sizes = PartSizes::of_memory(size, options.part_size)?;
    let (sender, parts) = mpsc::unbounded_channel();
    let mut rest = body;
    let one = sizes.is_one_request(size);
    let part = if one { rest.len() } else { usize_of(sizes.of(0)?) };
    // The parts are views: all of them cost nothing.
    while !rest.is_empty() {
        let part = rest.split_to(part.min(rest.len()));
        let _ = sender.send(Message::Part(part.into()));
    }
    drop(sender);
    let job = job(client, object, options, Some(size), sizes, progress);
    Driver::start(job, parts).ended().await
}

/// Writes an object from a file. A file that changes while it is read is not written.
///
/// # Errors
/// As [`upload_memory`], `FileFailed` for a file that cannot be read, and `ObjectChanged`.
pub async fn upload_file(
    client: &Arc<Client>,
    object: ObjectRef,
    path: &Path,
    options: WriteOptions,
    progress: Option<Arc<dyn Progress>>,
) -> Result<Written, Error> {
    let opened = {
        let path = path.to_owned();
        in_background(move || {
            let file = File::open(&path).map_err(|error| crate::file::failed(&error, &path))?;
            let told = file.metadata().map_err(|error| crate::file::failed(&error, &path))?;
            Ok((file, told))
        })
    };
    let (file, told) = opened.await?;
    let (file, told) = measured(Arc::new(file), told, path).await?;
    let file = Arc::try_unwrap(file).or_else(|shared| shared.try_clone());
    let file = file.map_err(|error| crate::file::failed(&error, path))?;
    upload_opened(client, object, (file, told), path, options, progress).await
}

/// The same, of a file that is open; the path is for messages.
pub(crate) async fn upload_opened(
    client: &Arc<Client>,
    object: ObjectRef,
    (file, told): (File, std::fs::Metadata),
    path: &Path,
    options: WriteOptions,
    progress: Option<Arc<dyn Progress>>,
) -> Result<Written, Error> {
    let opened = Opened { file, told, path: path.to_owned() };
    upload_within(S3, client, object, opened, options, progress).await
}

/// The same where the limits may be others.
pub(super) async fn upload_within(
    limits: Limits,
    client: &Arc<Client>,
    object: ObjectRef,
    opened: Opened,
    options: WriteOptions,
    progress: Option<Arc<dyn Progress>>,
) -> Result<Written, Error> {
    let size = opened.told.len();
    let sizes = PartSizes::new(limits, Some(size), options.part_size)?;
    let (sender, parts) = mpsc::unbounded_channel();
    let job = job(client, object, options, Some(size), sizes, progress);
    let driver = Driver::start(Arc::clone(&job), parts);
    let read = async {
        let part = if sizes.is_one_request(size) { Ok(size) } else { sizes.of(0) };
        let read = match part {
            // They are read when they are sent: as often as that takes, and never as a whole.
            Ok(part) if part > limits.window => {
                name_parts(opened, part, &sender);
                job.meter.copied(usize_of(size));
                Ok(())
            }
            Ok(part) => read_parts(&job, opened, part, &sender).await,
            Err(error) => Err(error),
        };
        if let Err(error) = read {
            let _ = sender.send(Message::Failed(error));
        }
        drop(sender);
    };
    let (ended, ()) = tokio::join!(driver.ended(), read);
    ended
}

/// A file as it was when its upload began.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) told: std::fs::Metadata,
    pub(super) path: PathBuf,
}

impl SentFile for Opened {
    fn file(&self) -> &File {
        &self.file
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        match error.kind() {
            ErrorKind::UnexpectedEof => changed(&self.path),
            _ => crate::file::failed(error, &self.path),
        }
    }

    /// A file that grows, shrinks or is written to while it is read gives a mixture.
    fn check(&self) -> Result<(), Error> {
        let Self { file, told, path } = self;
        let now = file.metadata().map_err(|error| crate::file::failed(&error, path))?;
        let same = now.len() == told.len() && now.modified().ok() == told.modified().ok();
        if same { Ok(()) } else { Err(changed(path)) }
    }
}

fn name_parts(opened: Opened, part: u64, sender: &mpsc::UnboundedSender<Message>) {
    let size = opened.told.len();
    let opened: Arc<dyn SentFile> = Arc::new(opened);
    let mut at = 0;
    while at < size {
        let length = part.min(size - at);
        let body = RequestBody::File(FilePart::new(Arc::clone(&opened), at, length));
        let _ = sender.send(Message::Part(body));
        at += length;
    }
}

async fn read_parts(
    job: &Job,
    mut opened: Opened,
    part: u64,
    sender: &mpsc::UnboundedSender<Message>,
) -> Result<(), Error> {
    let size = opened.told.len();
    let slabs = Slabs::new(job.sizes.limits().window);
    let mut at = 0;
    while at < size {
        let wanted = part.min(size - at);
        // Nobody takes parts any more: the upload has ended.
        let mut slab = tokio::select! {
            () = sender.closed() => return Ok(()),
            slab = slabs.reserve(&job.client, usize_of(wanted), false) => slab?,
        };
        (opened, slab) = in_background(move || {
            while slab.room() > 0 {
                match opened.file.read(slab.rest()) {
                    Ok(0) => return Err(changed(&opened.path)),
                    Ok(read) => slab.advance(read),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(opened.failed(&error)),
                }
            }
            Ok((opened, slab))
        })
        .await?;
        job.meter.copied(slab.filled());
        at += wanted;
        if at == size {
            opened.check()?;
        }
        let _ = sender.send(Message::Part(slab.into_bytes().into()));
    }
    Ok(())
}

fn changed(path: &Path) -> Error {
    Error::new(
        Status::ObjectChanged,
        format!("{} changed while it was uploaded; nothing was written", path.display()),
    )
    .hint("upload it again when nobody writes to it")
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal(format!("reading a file ended early: {error}")))?
}

fn job(
    client: &Arc<Client>,
    object: ObjectRef,
    options: WriteOptions,
    size: Option<u64>,
    sizes: PartSizes,
    progress: Option<Arc<dyn Progress>>,
) -> Arc<Job> {
    let client = Arc::clone(client);
    Arc::new(Job { client, object, options, size, sizes, meter: Arc::new(Meter::new()), progress })
}

fn usize_of(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
