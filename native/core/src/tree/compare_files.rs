//! Whether files and objects hold the same bytes, without fetching any.
//!
//! An ETag that is an MD5 proves it without a request. Otherwise the stored checksum does,
//! whatever its algorithm. An object with neither counts as different.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use md5::{Digest, Md5};

use super::each::{for_each, shown};
use super::folder::{Missing, Root, not_read};
use super::queue::WorkQueue;
use super::upload_files::{changed, open};
use crate::metrics::Meter;
use crate::origin::Origin;
use crate::ranges::Items;
use crate::retry::Retries;
use crate::verify::Verification;
use crate::{Checksums, Client, CustomerKey, Error, Metrics, ObjectRef, Status};

/// A file and an object of the same size.
#[derive(Clone, Debug)]
pub struct FileToCompare {
    /// The file's path below the directory.
    pub path: String,
    /// The object's key.
    pub key: String,
    /// The object's ETag, as a listing told it.
    pub etag: Option<String>,
}

/// What to compare.
pub struct CompareFilesRequest {
    /// Where the objects are.
    pub bucket: String,
    /// The key that they are encrypted with, where it is the customer's own.
    pub customer_key: Option<CustomerKey>,
    /// The directory: an absolute path without a link.
    pub directory: PathBuf,
    /// One after the other.
    pub files: Vec<FileToCompare>,
}

/// How much of a file is read in one go.
const STEP: usize = 4 << 20;

struct Comparison {
    client: Arc<Client>,
    root: Arc<Root>,
    bucket: String,
    customer_key: Option<CustomerKey>,
    files: Vec<FileToCompare>,
    queue: Arc<WorkQueue>,
}

/// Compares files with objects; for each comes 1 when it is known to hold the same, else 0.
///
/// # Errors
/// Only for what concerns all of them.
pub async fn compare_files(
    client: &Arc<Client>,
    request: CompareFilesRequest,
    items: Arc<dyn Items>,
) -> Result<Metrics, Error> {
    let CompareFilesRequest { bucket, customer_key, directory, files } = request;
    let queue = WorkQueue::new();
    let root = queue
        .run(move || {
            let root = Root::open(&directory, Missing::Leave)?;
            root.ok_or_else(|| not_read(&std::io::ErrorKind::NotFound.into(), &directory))
        })
        .await?;
    let count = files.len();
    let comparison = Arc::new(Comparison {
        client: Arc::clone(client),
        root: Arc::new(root),
        bucket,
        customer_key,
        files,
        queue,
    });
    let one = move |index| Arc::clone(&comparison).at(index);
    for_each(count, one, items, None, 0, &Meter::new()).await
}

impl Comparison {
    async fn at(self: Arc<Self>, index: usize) -> Result<u64, Error> {
        let file =
            self.files.get(index).ok_or_else(|| Error::internal("a file that is not there"))?;
        let same = self.one(file).await.map(u64::from);
        same.map_err(|error| error.about(shown(&self.bucket, &file.key)))
    }

    async fn one(&self, file: &FileToCompare) -> Result<bool, Error> {
        let (root, path) = (Arc::clone(&self.root), file.path.clone());
        let (opened, size) = self.queue.run(move || open(&root, &path)).await?;
        let opened = Arc::new(opened);
        let shown = self.root.shown(&file.path);
        if let Some(expected) = file.etag.as_deref().and_then(md5_of) {
            let sum = self.read(&opened, size, &shown, Md5::new(), |sum, bytes| sum.update(bytes));
            let sum: [u8; 16] = sum.await?.finalize().into();
            if sum == expected {
                return Ok(true);
            }
        }
        self.has_checksum(file, &opened, size, &shown).await
    }

    async fn has_checksum(
        &self,
        file: &FileToCompare,
        opened: &Arc<File>,
        size: u64,
        shown: &Path,
    ) -> Result<bool, Error> {
        let object = ObjectRef {
            bucket: self.bucket.clone(),
            key: file.key.clone(),
            version_id: None,
            customer_key: self.customer_key.clone(),
        };
        let origin = Origin::S3(Arc::clone(&self.client), object);
        let meter = Meter::new();
        let mut retries = Retries::new(self.client.retry_budget(), self.client.retries());
        let told = loop {
            match origin.head(None, &meter).await {
                Ok(told) => break told,
                Err(error) => retries.after(error).await?,
            }
        };
        if told.length.unwrap_or(told.stat.size) != size {
            return Ok(false);
        }
        let etag = told.stat.etag.clone();
        let verification = Verification::new(Checksums::Full);
        verification.learn(&origin, told, size, &meter).await;
        let Some(sum) = verification.in_order(etag.as_deref()) else { return Ok(false) };
        let sum = self.read(opened, size, shown, sum, |sum, bytes| sum.update(bytes)).await?;
        match sum.conclude(&origin, &meter).await {
            // Without an algorithm nothing was compared.
            Ok(()) => Ok(meter.read().verified.is_some()),
            Err(error) if error.status == Status::ChecksumMismatch => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads a file from its start to its end, into a sum.
    async fn read<T: Send + 'static>(
        &self,
        file: &Arc<File>,
        size: u64,
        shown: &Path,
        mut sum: T,
        update: impl Fn(&mut T, &[u8]) + Copy + Send + 'static,
    ) -> Result<T, Error> {
        let mut at = 0;
        while at < size {
            let (file, shown) = (Arc::clone(file), shown.to_owned());
            let step = move || {
                let length = usize::try_from(size - at).unwrap_or(STEP).min(STEP);
                let mut room = vec![0; length.min(256 << 10)];
                let end = at + length as u64;
                let mut at = at;
                while at < end {
                    let read = match file.read_at(&mut room, at) {
                        Ok(0) => return Err(changed(&shown)),
                        Ok(read) => read,
                        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                        Err(error) => return Err(not_read(&error, &shown)),
                    };
                    // What was written behind the end meanwhile does not belong to it.
                    let read = read.min(usize::try_from(end - at).unwrap_or(read));
                    update(&mut sum, room.get(..read).unwrap_or_default());
                    at += read as u64;
                }
                Ok((sum, at))
            };
            (sum, at) = self.queue.run(step).await?;
        }
        Ok(sum)
    }
}

/// The MD5 that an ETag is, unless it is that of a multipart upload.
fn md5_of(etag: &str) -> Option<[u8; 16]> {
    let digits = etag.trim_matches('"');
    if digits.len() != 32 {
        return None;
    }
    let mut sum = [0; 16];
    for (place, byte) in sum.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_an_md5_or_it_is_not() {
        let empty: [u8; 16] = Md5::new().finalize().into();
        assert_eq!(md5_of("\"d41d8cd98f00b204e9800998ecf8427e\""), Some(empty));
        assert_eq!(md5_of("d41d8cd98f00b204e9800998ecf8427e"), Some(empty));
        for other in ["", "\"d41d8cd98f00b204e9800998ecf8427e-2\"", "\"zz\"", "é"] {
            assert_eq!(md5_of(other), None);
        }
        assert_eq!(md5_of(&"é".repeat(16)), None);
    }
}
