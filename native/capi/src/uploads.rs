//! Uploads that handles name: a program brings their bytes piece by piece.

use std::sync::{Arc, PoisonError};

use dipper_core::{
    Buffer, Error, FileUpload, Metrics, OperationGuard, Staged, Upload, Written, ledger,
};
use dipper_table::{Encoder, Piece, PieceSink};
use dipper_wire::{Handle, SlotTable};
use futures::future::BoxFuture;
use tokio::sync::Mutex;

use crate::declaration::kind;
use crate::export::stale;
use crate::queue::Queue;

static UPLOADS: SlotTable<Named> = SlotTable::new(kind::UPLOAD);

/// Where bytes go.
pub enum Sink {
    /// To an object.
    Object(Upload),
    /// To a local file.
    File(FileUpload),
}

impl Sink {
    /// Takes as many bytes as there is room for.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Error> {
        match self {
            Self::Object(upload) => upload.write(bytes),
            Self::File(upload) => upload.write(bytes),
        }
    }

    /// Waits until there is room, and tells for how many bytes.
    pub async fn room(&self) -> Result<usize, Error> {
        match self {
            Self::Object(upload) => upload.room().await,
            Self::File(upload) => upload.room().await,
        }
    }

    /// Waits until all of it is there.
    pub async fn finish(&self) -> Result<Written, Error> {
        match self {
            Self::Object(upload) => upload.finish().await,
            Self::File(upload) => upload.finish().await,
        }
    }

    /// Ends it, and removes what is there of it.
    fn abort(&self) {
        match self {
            Self::Object(upload) => upload.abort(),
            Self::File(upload) => upload.abort(),
        }
    }

    /// Ends it, and waits until nothing of it is left.
    pub async fn gone(&self) {
        self.abort();
        match self {
            Self::Object(upload) => upload.ended().await,
            Self::File(upload) => upload.ended().await,
        }
    }

    /// Waits until it takes no more bytes, and tells why.
    pub async fn closed(&self) -> Result<(), Error> {
        match self {
            Self::Object(upload) => upload.closed().await,
            Self::File(upload) => upload.closed().await,
        }
    }

    /// What was done so far.
    pub fn metrics(&self) -> Metrics {
        match self {
            Self::Object(upload) => upload.metrics(),
            Self::File(upload) => upload.metrics(),
        }
    }
}

impl PieceSink for Sink {
    fn bring(&self, pieces: Vec<Piece>) -> BoxFuture<'_, Result<Vec<Piece>, Error>> {
        match self {
            Self::File(upload) => Box::pin(upload.bring(pieces)),
            Self::Object(_) => Box::pin(async move {
                for piece in &pieces {
                    let mut left = piece.as_ref();
                    while !left.is_empty() {
                        let taken = self.write(left)?;
                        left = left.get(taken..).unwrap_or_default();
                        if !left.is_empty() {
                            self.room().await?;
                        }
                    }
                }
                Ok(pieces)
            }),
        }
    }
}

/// An open upload.
pub struct Open {
    /// The client that it goes through.
    pub client: Option<Handle>,
    /// Where its bytes go.
    pub sink: Arc<Sink>,
    /// Whether each piece tells how far it is.
    pub progress: bool,
}

/// Turns tables into the bytes of an upload; one batch at a time.
pub type Encoding = Arc<Mutex<Option<Encoder>>>;

/// Where bytes go that are no file's but a batch's; nothing where the upload takes bytes.
type Staging = Arc<std::sync::Mutex<Option<Batch>>>;

/// A batch that comes piece by piece. The first piece is its length, as a double.
#[derive(Default)]
struct Batch(Option<Staged>);

impl Batch {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        if let Some(staged) = &mut self.0 {
            staged.take(bytes)?;
            return Ok(bytes.len());
        }
        let length = bytes.try_into().map(f64::from_le_bytes);
        let length = length.map_err(|_| Error::invalid("a batch begins with its length"))?;
        let possible = (0.0..=9_007_199_254_740_991.0).contains(&length) && length.fract() == 0.0;
        if !possible {
            return Err(Error::invalid(format!("a batch cannot have {length} bytes")));
        }
        self.0 = Some(Staged::new(length as usize)?);
        Ok(bytes.len())
    }
}

struct Named {
    queue: Handle,
    open: Open,
    encoding: Encoding,
    staged: Staging,
    /// It counts as an operation for as long as it is open.
    _counted: OperationGuard,
}

/// Names an upload on behalf of an isolate.
pub fn insert(queue: &Queue, open: Open) -> Result<Handle, Error> {
    UPLOADS
        .insert(Named {
            queue: queue.handle(),
            open,
            encoding: Encoding::default(),
            staged: Staging::default(),
            _counted: ledger().operation(),
        })
        .ok_or_else(|| Error::internal("more than 16 million uploads are open"))
}

/// The sink of a handle, and whether each piece tells how far it is.
pub fn sink(handle: Handle) -> Result<(Arc<Sink>, bool), Error> {
    UPLOADS
        .with(handle, |named| (Arc::clone(&named.open.sink), named.open.progress))
        .map_err(|_| stale("upload"))
}

/// The encoder of a handle's upload, if it is a file of columns.
pub fn encoding(handle: Handle) -> Result<Encoding, Error> {
    UPLOADS.with(handle, |named| Arc::clone(&named.encoding)).map_err(|_| stale("upload"))
}

/// Takes as many bytes as there is room for; all, where they are of a batch.
pub fn write(handle: Handle, bytes: &[u8]) -> Result<usize, Error> {
    let staging = staging(handle)?;
    if let Some(batch) = &mut *staging.lock().unwrap_or_else(PoisonError::into_inner) {
        return batch.write(bytes);
    }
    sink(handle)?.0.write(bytes)
}

/// What is written from now on is of batches.
pub fn stage(handle: Handle) -> Result<(), Error> {
    let staging = staging(handle)?;
    staging.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
    Ok(())
}

/// The batch that was written.
pub fn staged(handle: Handle) -> Result<Arc<Buffer>, Error> {
    let staging = staging(handle)?;
    let mut staging = staging.lock().unwrap_or_else(PoisonError::into_inner);
    let staged = staging.as_mut().and_then(|batch| batch.0.take());
    staged.ok_or_else(|| Error::invalid("no batch was written"))?.finish()
}

fn staging(handle: Handle) -> Result<Staging, Error> {
    UPLOADS.with(handle, |named| Arc::clone(&named.staged)).map_err(|_| stale("upload"))
}

/// Forgets an upload. What is not finished ends, and nothing of it is left.
pub fn release(handle: Handle) -> Result<(), Error> {
    let named = UPLOADS.remove(handle).map_err(|_| stale("upload"))?;
    named.open.sink.abort();
    Ok(())
}

/// Aborts the uploads of an isolate that ended. What they stored goes in the background.
pub fn release_of(queue: Handle) {
    for named in UPLOADS.remove_where(|named| named.queue == queue) {
        named.open.sink.abort();
    }
}

/// Aborts the uploads of a client that is gone. Their names stay until JavaScript lets go.
pub fn close_of_client(client: Handle) {
    UPLOADS.for_each(|named| {
        if named.open.client == Some(client) {
            named.open.sink.abort();
        }
    });
}
