//! A table as a `.npy` file of any place.
//!
//! The rows that there are at the start are written, whatever is added meanwhile. The table is
//! locked for one piece at a time, and only against those who add to it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dipper_wire::npy_header_of;

use super::{EmbeddingTable, NUMBER};
use crate::file::blocking;
use crate::file_changes::Teller;
use crate::new_file::{Existing, NewFile};
use crate::upload::{Upload, UploadRequest, WriteOptions, Written};
use crate::{Client, Error, ObjectRef, Progress};

/// How much is copied or written under the lock.
const STEP: usize = 1 << 20;
/// How often progress is told.
const INTERVAL: Duration = Duration::from_millis(100);

/// A table as a file's bytes.
struct Bytes {
    table: Arc<EmbeddingTable>,
    header: Vec<u8>,
    rows: usize,
    length: u64,
}

impl Bytes {
    fn of(table: Arc<EmbeddingTable>) -> Self {
        let rows = table.count();
        let header = npy_header_of(rows as u64, table.dimension as u64);
        let length = header.len() as u64 + (rows * table.dimension * NUMBER) as u64;
        Self { table, header, rows, length }
    }

    /// Shows some bytes from an offset on: at least one, before the end.
    fn show<R>(&self, at: u64, look: impl FnOnce(&[u8]) -> R) -> R {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(rest) = self.header.get(at..).filter(|rest| !rest.is_empty()) {
            return look(rest);
        }
        let dimension = self.table.dimension;
        let row = dimension * NUMBER;
        let at = at - self.header.len();
        let rows = self.table.read();
        let here = rows.first(self.rows, dimension).find_map(|(first, numbers)| {
            let bytes: &[u8] = bytemuck::cast_slice(numbers);
            let from = at.checked_sub(first * row)?;
            bytes.get(from..).filter(|rest| !rest.is_empty())
        });
        let here = here.unwrap_or_default();
        look(here.get(..here.len().min(STEP)).unwrap_or_default())
    }
}

/// Writes a table to an object of S3, in one request or in parts.
///
/// # Errors
/// As those of an upload.
pub async fn save_table_to_object(
    client: &Arc<Client>,
    table: Arc<EmbeddingTable>,
    object: ObjectRef,
    options: WriteOptions,
    progress: Option<Arc<dyn Progress>>,
) -> Result<Written, Error> {
    let bytes = Bytes::of(table);
    let request = UploadRequest { object, options, size: Some(bytes.length), spill: None };
    let upload = Upload::open(client, request)?;
    let mut told: Option<Instant> = None;
    let mut at = 0;
    while at < bytes.length {
        let taken = bytes.show(at, |bytes| upload.write(bytes))? as u64;
        at += taken;
        if taken > 0 {
            continue;
        }
        upload.room().await?;
        if let Some(progress) = &progress
            && told.is_none_or(|told| told.elapsed() >= INTERVAL)
        {
            told = Some(Instant::now());
            let metrics = upload.metrics();
            progress.reached(metrics.bytes, bytes.length, &metrics);
        }
    }
    let written = upload.finish().await?;
    if let Some(progress) = &progress {
        progress.reached(written.metrics.bytes, bytes.length, &written.metrics);
    }
    Ok(written)
}

/// Writes a table to a local file, which appears whole or not at all.
///
/// # Errors
/// Whatever the system reports, such as a full disk.
pub async fn save_table_to_file(
    path: &Path,
    existing: Existing,
    table: Arc<EmbeddingTable>,
    progress: Option<Arc<dyn Progress>>,
) -> Result<Written, Error> {
    let bytes = Arc::new(Bytes::of(table));
    let mut teller = Teller::new(progress, bytes.length);
    let path = path.to_owned();
    let mut file = blocking(move || NewFile::create(&path, existing)).await?;
    let mut at = 0;
    while at < bytes.length {
        let shown = Arc::clone(&bytes);
        let (returned, written) = blocking(move || {
            let written = shown.show(at, |bytes| file.write(bytes).map(|()| bytes.len()))?;
            Ok((file, written))
        })
        .await?;
        file = returned;
        at += written as u64;
        teller.wrote(written);
    }
    let stat = blocking(move || file.finish(true)).await?;
    Ok(Written { stat, metrics: teller.done() })
}
