//! Uploads whose bytes are all there: in memory, or in a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::driver::{Driver, Job, Message, Written};
use super::part_sizes::PartSizes;
use super::slab::Slabs;
use super::write_options::WriteOptions;
use crate::buffer::BufferBytes;
use crate::metrics::Meter;
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
        let _ = sender.send(Message::Part(part));
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
    let size = told.len();
    let sizes = PartSizes::new(Some(size), options.part_size)?;
    let (sender, parts) = mpsc::unbounded_channel();
    let job = job(client, object, options, Some(size), sizes, progress);
    let driver = Driver::start(Arc::clone(&job), parts);
    let read = async {
        let read = read_parts(&job, path, file, &told, &sender).await;
        if let Err(error) = read {
            let _ = sender.send(Message::Failed(error));
        }
        drop(sender);
    };
    let (ended, ()) = tokio::join!(driver.ended(), read);
    ended
}

async fn read_parts(
    job: &Job,
    path: &Path,
    mut file: File,
    told: &std::fs::Metadata,
    sender: &mpsc::UnboundedSender<Message>,
) -> Result<(), Error> {
    let size = told.len();
    let one = job.sizes.is_one_request(size);
    let part = if one { size } else { job.sizes.of(0)? };
    let slabs = Slabs::new();
    let mut at = 0;
    while at < size {
        let wanted = part.min(size - at);
        // Nobody takes parts any more: the upload has ended.
        let mut slab = tokio::select! {
            () = sender.closed() => return Ok(()),
            slab = slabs.reserve(&job.client, usize_of(wanted), false) => slab?,
        };
        let owned = path.to_owned();
        (file, slab) = in_background(move || {
            while slab.room() > 0 {
                match file.read(slab.rest()) {
                    Ok(0) => return Err(changed(&owned)),
                    Ok(read) => slab.advance(read),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(crate::file::failed(&error, &owned)),
                }
            }
            Ok((file, slab))
        })
        .await?;
        job.meter.copied(slab.filled());
        at += wanted;
        if at == size {
            check_unchanged(path, &mut file, told)?;
        }
        let _ = sender.send(Message::Part(slab.into_bytes()));
    }
    Ok(())
}

/// A file that grows, shrinks or is written to while it is read gives a mixture.
fn check_unchanged(path: &Path, file: &mut File, told: &std::fs::Metadata) -> Result<(), Error> {
    let now = file.metadata().map_err(|error| crate::file::failed(&error, path))?;
    let same = now.len() == told.len() && now.modified().ok() == told.modified().ok();
    if same { Ok(()) } else { Err(changed(path)) }
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
