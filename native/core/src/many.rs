//! Reading many objects with one call.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::task::JoinSet;

use crate::download::Beginning;
use crate::gate::spawn;
use crate::get::{Admission, Destination, GetRequest, SMALL, read};
use crate::metrics::Meter;
use crate::origin::Origin;
use crate::ranges::Items;
use crate::turnstile::Turnstile;
use crate::watch::watch;
use crate::{Budget, Client, Error, Metrics, Progress, Source, Span};

/// What to read.
pub struct ManyRequest {
    /// One after the other.
    pub sources: Vec<Source>,
    /// Memory is reserved in the order of the sources, as somebody wants them in order.
    pub ordered: bool,
    /// Who is told how far it is; the total is that of the sizes that are known.
    pub progress: Option<Arc<dyn Progress>>,
}

/// So many objects are on their way at once, as far as there are connections.
const AT_ONCE: usize = 64;
/// One task in so many cores drives them. Small objects are bound by system calls; one core
/// makes tens of thousands of them a second, and two would wake each other all the time.
const CORES_A_DRIVER: usize = 4;
/// So many bytes may be there without anybody having taken them.
const WINDOW: u64 = 256 << 20;

struct Reading {
    client: Option<Arc<Client>>,
    sources: Vec<Source>,
    next: AtomicUsize,
    window: Arc<Budget>,
    turns: Option<Vec<std::sync::Mutex<Option<crate::turnstile::Turn>>>>,
    items: Arc<dyn Items>,
    meter: Arc<Meter>,
}

/// Reads the objects; each arrives as an item, or its failure does.
///
/// # Errors
/// Only for what concerns all of them.
pub async fn many(
    client: Option<&Arc<Client>>,
    request: ManyRequest,
    items: Arc<dyn Items>,
) -> Result<Metrics, Error> {
    let meter = Arc::new(Meter::new());
    let total: u64 = request.sources.iter().filter_map(Source::size).sum();
    let turns = request.ordered.then(|| {
        let turnstile = Turnstile::new();
        let turn = |place| std::sync::Mutex::new(Some(turnstile.turn(place)));
        (0..request.sources.len()).map(turn).collect()
    });
    let readers = AT_ONCE.min(request.sources.len());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let drivers = (cores / CORES_A_DRIVER).clamp(1, 4).min(readers);
    let reading = Arc::new(Reading {
        client: client.cloned(),
        sources: request.sources,
        next: AtomicUsize::new(0),
        window: Budget::new(WINDOW),
        turns,
        items,
        meter: Arc::clone(&meter),
    });
    let mut tasks = JoinSet::new();
    for driver in 0..drivers {
        let share = readers / drivers + usize::from(driver < readers % drivers);
        spawn(&mut tasks, Arc::clone(&reading).drive(share));
    }
    watch(tasks, request.progress.as_ref(), total, &meter, || {}).await
}

impl Reading {
    /// Runs some readers on one task: a thread that has many sockets does without waking
    /// others, and what came in one go is handed on in one go.
    async fn drive(self: Arc<Self>, readers: usize) {
        let readers = (0..readers).map(|_| Arc::clone(&self).reader());
        let mut readers: FuturesUnordered<_> = readers.collect();
        poll_fn(|context| {
            loop {
                match readers.poll_next_unpin(context) {
                    Poll::Ready(Some(())) => {}
                    Poll::Ready(None) => {
                        self.items.flush();
                        return Poll::Ready(());
                    }
                    Poll::Pending => {
                        self.items.flush();
                        return Poll::Pending;
                    }
                }
            }
        })
        .await;
    }

    async fn reader(self: Arc<Self>) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(source) = self.sources.get(index) else { return };
            let result = self.one(index, source).await;
            self.items.item(index, result.map_err(|error| error.about(source.shown())));
        }
    }

    async fn one(&self, index: usize, source: &Source) -> Result<Arc<crate::Buffer>, Error> {
        let turn = self.turns.as_ref().and_then(|turns| {
            turns.get(index)?.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
        });
        let request = GetRequest {
            source: source.clone(),
            span: Span::Whole,
            if_match: None,
            limit: None,
            progress: None,
        };
        let admission = Admission { window: Some(Arc::clone(&self.window)), turn };
        let got = match Origin::of(self.client.as_ref(), source)? {
            None => {
                let client = self.client.as_deref();
                let to = Destination::Buffer;
                crate::file::get(client, &request, to, admission, &self.meter).await?
            }
            Some(origin) => {
                let large = source.size().is_some_and(|size| size > SMALL);
                let beginning = if large { Beginning::Range } else { Beginning::OneOfMany };
                let to = Destination::Buffer;
                read(&origin, &request, to, beginning, admission, &self.meter).await?
            }
        };
        got.buffer.ok_or_else(|| Error::internal("a read without a buffer"))
    }
}
