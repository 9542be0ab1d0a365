//! Writing many objects to files.
//!
//! A small object is read into memory and written in one go. A large one is streamed: parts
//! arrive side by side, within a window, and are written in order. Every file gets its name
//! when it is whole and verified.

use std::path::PathBuf;
use std::sync::Arc;

use super::each::{for_each, shown};
use super::folder::{Missing, Root, not_written, split};
use super::queue::WorkQueue;
use super::temporary::Temporary;
use crate::get::{GetRequest, SMALL, read_short};
use crate::metrics::Meter;
use crate::origin::Origin;
use crate::ranges::Items;
use crate::{
    Budget, Client, CustomerKey, Error, Existing, Metrics, ObjectRef, Progress, Source, Span,
};

/// One object, and the file that it becomes.
#[derive(Clone, Debug)]
pub struct FileToWrite {
    /// The object's key.
    pub key: String,
    /// The file's path below the directory, with slashes. One that ends with a slash is a
    /// folder: it is made, and nothing is read.
    pub path: String,
    /// The object's size, as a listing told it.
    pub size: u64,
    /// The time that the file gets, in milliseconds since 1970.
    pub modified: Option<i64>,
    /// What to do when the file is there.
    pub existing: Existing,
}

/// What to write where.
pub struct DownloadFilesRequest {
    /// Where the objects are.
    pub bucket: String,
    /// The key that they are encrypted with, where it is the customer's own.
    pub customer_key: Option<CustomerKey>,
    /// The directory: an absolute path without a link. It is made when it is missing.
    pub directory: PathBuf,
    /// One after the other.
    pub files: Vec<FileToWrite>,
    /// Who is told how far it is.
    pub progress: Option<Arc<dyn Progress>>,
}

/// So many bytes may be in memory before they are written.
pub(super) const MEMORY: u64 = 64 << 20;
/// A file of no more bytes is written where it arrives, if the disk is near and quick.
pub(super) const SHORT: u64 = 64 << 10;
/// So much of a large object is written in one go.
const STEP: usize = 4 << 20;

struct Downloads {
    client: Arc<Client>,
    root: Arc<Root>,
    bucket: String,
    customer_key: Option<CustomerKey>,
    files: Vec<FileToWrite>,
    memory: Arc<Budget>,
    queue: Arc<WorkQueue>,
    meter: Arc<Meter>,
}

/// Writes the objects; for each comes how many bytes it has, or why it failed.
///
/// # Errors
/// Only for what concerns all of them, such as a directory that cannot be made.
pub async fn download_files(
    client: &Arc<Client>,
    request: DownloadFilesRequest,
    items: Arc<dyn Items>,
) -> Result<Metrics, Error> {
    let DownloadFilesRequest { bucket, customer_key, directory, files, progress } = request;
    let total = files.iter().map(|file| file.size).sum::<u64>();
    let queue = WorkQueue::new();
    let root = queue
        .run(move || {
            let root = Root::open(&directory, Missing::Make)?;
            root.ok_or_else(|| Error::internal("a directory was made and is not there"))
        })
        .await?;
    let meter = Arc::new(Meter::new());
    let count = files.len();
    let downloads = Arc::new(Downloads {
        client: Arc::clone(client),
        root: Arc::new(root),
        bucket,
        customer_key,
        files,
        memory: Budget::new(MEMORY),
        queue,
        meter: Arc::clone(&meter),
    });
    let one = move |index| Arc::clone(&downloads).at(index);
    for_each(count, one, items, progress, total, &meter).await
}

impl Downloads {
    async fn at(self: Arc<Self>, index: usize) -> Result<u64, Error> {
        let file =
            self.files.get(index).ok_or_else(|| Error::internal("a file that is not there"))?;
        self.one(file).await.map_err(|error| error.about(shown(&self.bucket, &file.key)))
    }

    async fn one(&self, file: &FileToWrite) -> Result<u64, Error> {
        if let Some(folder) = file.path.strip_suffix('/') {
            return self.make_folder(folder).await;
        }
        split(&file.path)?;
        let object = ObjectRef {
            bucket: self.bucket.clone(),
            key: file.key.clone(),
            version_id: None,
            customer_key: self.customer_key.clone(),
        };
        if file.size > SMALL {
            Box::pin(self.large(file, object)).await
        } else {
            self.small(file, object).await
        }
    }

    async fn make_folder(&self, folder: &str) -> Result<u64, Error> {
        split(folder)?;
        let (root, folder) = (Arc::clone(&self.root), folder.to_owned());
        let make = move || {
            let made = root.folder(&folder, Missing::Make);
            made.map_err(|error| not_written(&error, &root.shown(&folder)))
        };
        self.queue.run(make).await?;
        Ok(0)
    }

    async fn small(&self, file: &FileToWrite, object: ObjectRef) -> Result<u64, Error> {
        let origin = Origin::S3(Arc::clone(&self.client), object.clone());
        let request = GetRequest {
            source: Source::Object { object, size: Some(file.size) },
            span: Span::Whole,
            if_match: None,
            limit: None,
            progress: None,
        };
        let got = read_short(&origin, &request, file.size, &self.memory, &self.meter).await?;
        let length = got.bytes().len() as u64;
        let near = length <= SHORT && self.root.is_near(split(&file.path)?.0);
        let (root, file) = (Arc::clone(&self.root), file.clone());
        let write = move || {
            let written = begun(&root, &file.path).and_then(|(new, name)| {
                new.write(got.bytes(), 0)?;
                drop(got);
                new.place(&name, file.modified, file.existing)
            });
            written.map_err(|error| not_written(&error, &root.shown(&file.path)))
        };
        self.queue.run_short(near, write).await?;
        Ok(length)
    }

    async fn large(&self, file: &FileToWrite, object: ObjectRef) -> Result<u64, Error> {
        let _window = self.memory.reserve(crate::stream::WINDOW.min(self.memory.limit())).await?;
        let (root, path, size) = (Arc::clone(&self.root), file.path.clone(), file.size);
        let begin = move || {
            let begun = begun(&root, &path).and_then(|(new, name)| {
                new.make_room(size)?;
                Ok((new, name))
            });
            begun.map_err(|error| not_written(&error, &root.shown(&path)))
        };
        // Before anything is asked for: a full disk shows here.
        let (mut new, name) = self.queue.run(begin).await?;
        let origin = Origin::S3(Arc::clone(&self.client), object);
        let meter = Arc::clone(&self.meter);
        let (reader, _) = crate::stream::reader(origin, Span::Whole, None, meter).await?;
        let mut at = 0;
        loop {
            let pieces = reader.pieces(STEP).await?;
            if pieces.is_empty() {
                break;
            }
            let (root, path) = (Arc::clone(&self.root), file.path.clone());
            let write = move || {
                for piece in pieces {
                    let written = new.write(piece.bytes(), at);
                    written.map_err(|error| not_written(&error, &root.shown(&path)))?;
                    at += piece.bytes().len() as u64;
                }
                Ok((new, at))
            };
            (new, at) = self.queue.run(write).await?;
        }
        let (root, file) = (Arc::clone(&self.root), file.clone());
        let place = move || {
            let placed = new.place(&name, file.modified, file.existing);
            placed.map_err(|error| not_written(&error, &root.shown(&file.path)))
        };
        self.queue.run(place).await?;
        Ok(at)
    }
}

/// A temporary file in the folder of a path, and the name that it gets.
fn begun(root: &Root, path: &str) -> std::io::Result<(Temporary, String)> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = root.folder(folder, Missing::Make)?;
    Ok((Temporary::create(folder)?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What never happens to most of them need not lie in the future of each.
    #[test]
    fn the_future_of_a_file_is_small() {
        fn size<F>(_: impl Fn(Arc<Downloads>, usize) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(Downloads::at);
        assert!(size < 8 << 10, "{size} bytes");
    }
}
