//! The same piece of work for each of many files, some of them at once.

use std::future::Future;
use std::sync::Arc;

use futures::{StreamExt, stream};
use tokio::task::JoinSet;

use crate::gate::spawn;
use crate::metrics::Meter;
use crate::ranges::Items;
use crate::watch::watch;
use crate::{Error, Metrics, Progress};

/// So many files are on their way at once, as far as there are connections.
const AT_ONCE: usize = 64;
/// What is known of so many files is handed on together.
const HANDED_ON: usize = 64;

/// Does the work for the files of so many indices, and tells what came of each.
///
/// # Errors
/// Only for what concerns all of them.
pub(super) async fn for_each<F>(
    count: usize,
    work: impl Fn(usize) -> F + Send + 'static,
    items: Arc<dyn Items>,
    progress: Option<Arc<dyn Progress>>,
    total: u64,
    meter: &Meter,
) -> Result<Metrics, Error>
where
    F: Future<Output = Result<u64, Error>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let told = Arc::clone(&items);
    // One task for all: a thread that has many sockets does without waking others.
    spawn(&mut tasks, async move {
        let each = stream::iter(0..count).map(move |index| {
            // Boxed: it is large, and would be moved a few times.
            let ended = Box::pin(work(index));
            async move { (index, ended.await) }
        });
        let mut ended = each.buffer_unordered(AT_ONCE);
        while let Some((index, result)) = ended.next().await {
            told.written(index, result);
            if index % HANDED_ON == HANDED_ON - 1 {
                told.flush();
            }
        }
        told.flush();
    });
    watch(tasks, progress.as_ref(), total, meter, || items.flush()).await
}

/// How errors name an object.
pub(super) fn shown(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}
