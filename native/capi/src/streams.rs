//! Streams that handles name.

use std::sync::Arc;

use dipper_core::{Error, LineStream, OperationGuard, Reader, ledger};
use dipper_table::BatchStream;
use dipper_wire::{Handle, SlotTable};

use crate::declaration::kind;
use crate::export::stale;
use crate::queue::Queue;

static STREAMS: SlotTable<Named> = SlotTable::new(kind::STREAM);

/// An open stream.
pub struct Stream {
    /// The client that it reads through.
    pub client: Option<Handle>,
    /// What reads.
    pub reader: Reading,
    /// Whether each read tells what it took.
    pub progress: bool,
}

/// What a stream gives.
pub enum Reading {
    /// Bytes.
    Bytes(Arc<Reader>),
    /// Lines or messages.
    Lines(Arc<LineStream>),
    /// Batches of columns.
    Batches(Arc<BatchStream>),
}

impl Reading {
    fn close(&self) {
        match self {
            Self::Bytes(reader) => reader.close(),
            Self::Lines(lines) => lines.close(),
            Self::Batches(batches) => batches.close(),
        }
    }
}

struct Named {
    queue: Handle,
    stream: Stream,
    /// It counts as an operation for as long as it is open.
    _counted: OperationGuard,
}

/// Names a stream on behalf of an isolate.
pub fn insert(queue: &Queue, stream: Stream) -> Result<Handle, Error> {
    let named = Named { queue: queue.handle(), stream, _counted: ledger().operation() };
    STREAMS.insert(named).ok_or_else(|| Error::internal("more than 16 million streams are open"))
}

/// The stream of a handle, and whether each read tells what it took.
pub fn stream(handle: Handle) -> Result<(Arc<Reader>, bool), Error> {
    with(handle, |reading| match reading {
        Reading::Bytes(reader) => Some(Arc::clone(reader)),
        Reading::Lines(_) | Reading::Batches(_) => None,
    })
}

/// The lines of a handle, and whether each batch tells what it took.
pub fn lines(handle: Handle) -> Result<(Arc<LineStream>, bool), Error> {
    with(handle, |reading| match reading {
        Reading::Lines(lines) => Some(Arc::clone(lines)),
        Reading::Bytes(_) | Reading::Batches(_) => None,
    })
}

/// The batches of a handle, and whether each tells what it took.
pub fn batches(handle: Handle) -> Result<(Arc<BatchStream>, bool), Error> {
    with(handle, |reading| match reading {
        Reading::Batches(batches) => Some(Arc::clone(batches)),
        Reading::Bytes(_) | Reading::Lines(_) => None,
    })
}

fn with<T>(handle: Handle, choose: impl FnOnce(&Reading) -> Option<T>) -> Result<(T, bool), Error> {
    let found = STREAMS.with(handle, |named| {
        choose(&named.stream.reader).map(|reading| (reading, named.stream.progress))
    });
    found.ok().flatten().ok_or_else(|| stale("stream"))
}

/// Forgets a stream, and ends what it reads ahead.
pub fn release(handle: Handle) -> Result<(), Error> {
    let named = STREAMS.remove(handle).map_err(|_| stale("stream"))?;
    named.stream.reader.close();
    Ok(())
}

/// Closes the streams of an isolate that ended.
pub fn release_of(queue: Handle) {
    for named in STREAMS.remove_where(|named| named.queue == queue) {
        named.stream.reader.close();
    }
}

/// Closes the streams of a client that is gone. Their names stay until JavaScript lets go.
pub fn close_of_client(client: Handle) {
    STREAMS.for_each(|named| {
        if named.stream.client == Some(client) {
            named.stream.reader.close();
        }
    });
}
