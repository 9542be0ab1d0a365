//! Batches that are read on while nobody asks for the next.
//!
//! What decodes ahead of whoever takes the batches goes on only when it is looked at. JavaScript
//! looks again when it has taken a batch, and until then nothing new would begin. So a task looks on
//! its behalf, as long as what waits to be taken is little.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dipper_core::{Error, Gate};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;

use crate::error::joined;
use crate::stream::Decoded;

/// When so many bytes wait to be taken, nothing more is begun.
const MOST_WAITING: u64 = 32 << 20;

/// Each counts as if it had so many.
const LEAST: u64 = MOST_WAITING / 8;

type Batches = BoxStream<'static, Result<Decoded, Error>>;

/// What waits to be taken.
#[derive(Default)]
struct Waiting {
    bytes: AtomicU64,
    taken: Notify,
}

/// The same batches, of which some are there before they are asked for. The task runs behind the
/// gate, and ends when they are dropped. `limit` is what its client may hold: what waits for somebody
/// who does not go on must leave memory for others.
pub(crate) fn pumped(mut batches: Batches, gate: Option<&Gate>, limit: u64) -> Batches {
    // Where memory is short none waits: what was reserved for it would be missed.
    if limit / 16 < MOST_WAITING {
        return batches;
    }
    let waiting = Arc::new(Waiting::default());
    // What bounds it is its bytes.
    let (sender, receiver) = mpsc::unbounded_channel();
    let counted = Arc::clone(&waiting);
    let pump = async move {
        loop {
            while counted.bytes.load(Ordering::SeqCst) >= MOST_WAITING {
                counted.taken.notified().await;
            }
            let Some(next) = batches.next().await else { return };
            let bytes = match &next {
                // For a small one much more may be reserved.
                Ok(decoded) => (decoded.batch.get_array_memory_size() as u64).max(LEAST),
                Err(_) => 1,
            };
            counted.bytes.fetch_add(bytes, Ordering::SeqCst);
            if sender.send((bytes, next)).is_err() {
                return;
            }
        }
    };
    let task = match gate {
        Some(gate) => tokio::spawn(gate.clone().around(pump)),
        None => tokio::spawn(pump),
    };
    let task = AbortOnDropHandle::new(task);
    let state = (receiver, waiting, Some(task));
    futures::stream::unfold(state, |(mut receiver, waiting, task)| async {
        match receiver.recv().await {
            Some((bytes, next)) => {
                waiting.bytes.fetch_sub(bytes, Ordering::SeqCst);
                waiting.taken.notify_one();
                Some((next, (receiver, waiting, task)))
            }
            // An end that is none must not look like one.
            None => match joined("table", task?.await.map(Ok)) {
                Ok(()) => None,
                Err(error) => Some((Err(error), (receiver, waiting, None))),
            },
        }
    })
    .boxed()
}
