//! Objects whose lines nobody asks for, while others wait for memory.
//!
//! What came of an object and was not cut yet lies in the memory of its reader, which an idle one
//! gives back (`stream/idle.rs`). So it is let go here, too, and read again behind what was cut, when
//! somebody goes on.

use std::sync::{Arc, PoisonError, Weak};

use tokio::sync::{Mutex, oneshot};

use super::cutting::Cutting;
use super::feed::run;
use super::stream::{ObjectFeed, Running};
use crate::stream::IDLE;
use crate::{Client, Reader};

/// Looks after the lines of an object, as long as there are any.
pub(super) async fn watch(
    client: Arc<Client>,
    reader: Arc<Reader>,
    shown: String,
    cutting: Weak<Mutex<Cutting>>,
    running: Weak<std::sync::Mutex<Option<Running>>>,
) {
    let mut before = None;
    loop {
        client.short_of_memory().await;
        tokio::time::sleep(IDLE).await;
        let (Some(cutting), Some(running)) = (cutting.upgrade(), running.upgrade()) else { return };
        // Somebody reads.
        let Ok(mut cutting) = cutting.try_lock() else {
            before = None;
            continue;
        };
        let Some((taken, chunks)) = cutting.fed() else { continue };
        if before.replace(taken) != Some(taken) || !client.is_short_of_memory() {
            continue;
        }
        let with_running = |put: &mut dyn FnMut(&mut Running)| {
            let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
            running.as_mut().map(put).is_some()
        };
        let mut feed = None;
        if !with_running(&mut |running| feed = Some(std::mem::take(&mut running.feed))) {
            return;
        }
        if let Some(mut feed) = feed {
            feed.shutdown().await;
        }
        let (wake, woken) = oneshot::channel();
        let feed = ObjectFeed::again(Arc::clone(&reader), shown.clone(), woken);
        let (again, tasks) = run(Box::new(feed));
        // What waited is gone with this, so that all of its memory can be given back.
        chunks.begin_again(again, wake);
        reader.give_way_from(taken).await;
        let mut tasks = Some(tasks);
        with_running(&mut |running| running.feed = tasks.take().unwrap_or_default());
    }
}
