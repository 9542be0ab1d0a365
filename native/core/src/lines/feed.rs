//! Where bytes come from that nobody can seek in: an object on a server, a socket, standard
//! input, a topic.
//!
//! A feed runs on a task of its own and is asked for the next chunk as long as there is room
//! for it. So whoever reads slowly slows the source down, and the feed need not know of it.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::Error;
use crate::gate::spawn;

/// The next bytes of a feed, later; `None` at the end.
pub type NextChunk<'a> = Pin<Box<dyn Future<Output = Result<Option<Bytes>, Error>> + Send + 'a>>;

/// Bytes that come one chunk after the other.
pub trait Feed: Send {
    /// The next bytes: a chunk of any size, or one whole record. `None` at the end. The feed is
    /// dropped when nobody wants more, also in the middle of this.
    fn next(&mut self) -> NextChunk<'_>;

    /// Whether each chunk is one element by itself, which nothing splits or decompresses.
    fn is_records(&self) -> bool {
        false
    }

    /// How many bytes may wait for their reader, and one chunk more.
    fn window(&self) -> u32 {
        WINDOW
    }
}

/// So many bytes wait at most, of whatever source.
pub(crate) const WINDOW: u32 = 4 << 20;
/// What a chunk counts beside its bytes.
const OVERHEAD: usize = 64;

/// A chunk that came.
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    pub(crate) is_record: bool,
    /// Its place in the window, given back when it is read.
    _place: OwnedSemaphorePermit,
}

/// What comes out of a feed, in order.
pub(crate) type Chunks = mpsc::UnboundedReceiver<Result<Option<Chunk>, Error>>;

/// Runs a feed. Dropping the tasks ends it; the chunks then end without an end.
pub(crate) fn run(mut feed: Box<dyn Feed>) -> (Chunks, JoinSet<()>) {
    let (sender, chunks) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    let is_record = feed.is_records();
    let most = feed.window().clamp(1, WINDOW);
    spawn(&mut tasks, async move {
        let window = Arc::new(Semaphore::new(most as usize));
        loop {
            let next = match feed.next().await {
                Ok(Some(bytes)) => {
                    let weight = u32::try_from(bytes.len() + OVERHEAD).unwrap_or(most);
                    let window = Arc::clone(&window);
                    let Ok(place) = window.acquire_many_owned(weight.min(most)).await else {
                        return;
                    };
                    Ok(Some(Chunk { bytes, is_record, _place: place }))
                }
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
            let goes_on = matches!(next, Ok(Some(_)));
            if sender.send(next).is_err() || !goes_on {
                return;
            }
        }
    });
    (chunks, tasks)
}
