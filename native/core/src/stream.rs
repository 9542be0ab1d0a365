//! Reading an object in order, with a bounded window ahead of the reader.
//!
//! A driver asks for parts in order, several at once. Each part comes in slabs that wait
//! until the reader gets to them. A part may use no more slabs than it has bytes, and only
//! so many parts are under way: the reader holds back the network, not the memory. Where that is
//! short, a reader whom nobody asks for more gives its memory back (`idle.rs`).

mod idle;

pub(crate) use idle::IDLE;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dipper_wire::{Allocation, Landing, Private, Slot};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::buffer::Account;
use crate::download::{Beginning, First, Opened, PROGRESS, changed, flow_error, open, slow_down};
use crate::gate::{Gate, spawn};
use crate::get::{in_private, patiently};
use crate::metrics::{Meter, Transport};
use crate::origin::{Flow, FlowError, Origin};
use crate::retry::Retries;
use crate::unmeasured::Unmeasured;
use crate::verify::{RunningSum, Verification};
use crate::{Client, Error, Metrics, Source, Span, Stat};

/// What to read.
pub struct StreamRequest {
    /// Where it is.
    pub source: Source,
    /// Which bytes of it.
    pub span: Span,
    /// Read only if the ETag is this.
    pub if_match: Option<String>,
}

/// The memory of a stream: so much may wait for its reader. Half of it is for the part that the
/// reader is at, a quarter for the two behind it, and a quarter for what waits with the caller.
pub(crate) const WINDOW: u64 = 16 << 20;
/// Where memory is short, it is this part of what the client may hold,
const SHARE: u64 = 8;
/// but no less than this, which is a few slabs.
const LEAST_WINDOW: u64 = 2 << 20;
const SLAB: usize = 256 << 10;
const PART: u64 = 2 << 20;
/// How long the first bytes wait for the checksum that they are summed for.
const PATIENCE_FOR_CHECKSUM: Duration = Duration::from_secs(1);

/// An object that is read in order.
pub struct Reader {
    inner: Arc<Mutex<Inner>>,
    meter: Arc<Meter>,
    /// `None` when nobody tells.
    length: Option<u64>,
    /// How much may wait.
    window: u64,
    /// Whether the same version can be asked for again.
    repeatable: bool,
    background: Arc<Background>,
}

/// What goes on in the background: it ends when this is emptied.
type Background = std::sync::Mutex<Option<Tasks>>;

struct Tasks {
    /// What asks for the parts.
    driver: JoinSet<()>,
    /// What sees to it that an idle reader does not hold what others wait for.
    _watch: JoinSet<()>,
}

/// How much a client's stream may hold.
fn window(client: &Client) -> u64 {
    (client.limit() / SHARE).clamp(LEAST_WINDOW, WINDOW)
}

enum Inner {
    Empty,
    Unmeasured { page: Box<Unmeasured>, origin: Origin },
    File { file: Arc<File>, path: PathBuf, at: u64, left: u64 },
    Network(Box<Network>),
}

struct Network {
    origin: Origin,
    parts: mpsc::Receiver<Incoming>,
    present: Option<Incoming>,
    slab: Option<Slab>,
    /// How many bytes have been handed out.
    delivered: u64,
    length: u64,
    verification: Option<Arc<Verification>>,
    aside: JoinSet<()>,
    if_match: Option<String>,
    sum: Option<RunningSum>,
    free: Arc<Slabs>,
    front: Arc<AtomicU64>,
    /// What it holds.
    accounts: Arc<std::sync::Mutex<Vec<Account>>>,
    plan: Plan,
    /// It gave its memory back, and asks again at what was not delivered.
    gave_way: bool,
    background: Arc<Background>,
    /// That of the reader, which outlives the operation that began it.
    gate: Option<Gate>,
}

/// What is asked for, and how.
#[derive(Clone, Copy)]
struct Plan {
    /// Where it starts in the object.
    start: u64,
    length: u64,
    /// How many bytes the first answer carries.
    here: u64,
    /// Of the whole object.
    size: Option<u64>,
    window: u64,
    /// Whether the same version can be asked for again.
    repeatable: bool,
}

/// A part that is on its way.
struct Incoming {
    /// Where it starts.
    at: u64,
    slabs: mpsc::UnboundedReceiver<Result<Slab, Error>>,
    /// Its place in the window, given back when it is read.
    _place: Option<OwnedSemaphorePermit>,
}

/// Some bytes that arrived.
struct Slab {
    memory: Allocation,
    filled: usize,
    taken: usize,
    /// The right of its part to another slab.
    _right: Option<OwnedSemaphorePermit>,
}

/// Bytes that arrived, where they lie. Dropped, their memory serves the stream again.
pub(crate) struct Arrived {
    slab: Option<Slab>,
    free: Arc<Slabs>,
}

impl Arrived {
    fn new(slab: Slab, free: &Arc<Slabs>) -> Self {
        free.out.fetch_add(1, Ordering::SeqCst);
        Self { slab: Some(slab), free: Arc::clone(free) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        let slab = self.slab.as_ref();
        slab.and_then(|slab| slab.memory.as_slice().get(slab.taken..slab.filled))
            .unwrap_or_default()
    }
}

impl AsRef<[u8]> for Arrived {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        if let Some(slab) = self.slab.take() {
            self.free.give_back(slab.memory);
            self.free.out.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Slabs that wait to be filled again.
#[derive(Default)]
struct Slabs {
    free: std::sync::Mutex<Vec<Allocation>>,
    /// How many were handed out where they lie.
    out: Arc<AtomicUsize>,
}

impl Slabs {
    fn take(&self) -> Result<Allocation, Error> {
        let free = self.free.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        match free {
            Some(slab) => Ok(slab),
            None => Ok(Allocation::zeroed(SLAB)?),
        }
    }

    fn give_back(&self, slab: Allocation) {
        self.free.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(slab);
    }
}

/// Sends the first request; the rest follows as it is read.
///
/// # Errors
/// Whatever the server or the connection reports.
pub async fn stream(
    client: Option<&Arc<Client>>,
    request: StreamRequest,
) -> Result<(Reader, Stat), Error> {
    let shown = request.source.shown();
    let started = start(client, request);
    // It lives on after this operation, behind a gate of its own.
    let started = match Gate::current() {
        Some(gate) => gate.fork().around(started).await,
        None => started.await,
    };
    started.map_err(|error| error.about(shown))
}

async fn start(
    client: Option<&Arc<Client>>,
    request: StreamRequest,
) -> Result<(Reader, Stat), Error> {
    let meter = Arc::new(Meter::new());
    match Origin::of(client, &request.source)? {
        None => from_file(request, meter).await,
        Some(origin) => reader(origin, request.span, request.if_match.as_deref(), meter).await,
    }
}

/// Opens an object on a server. What goes on in the background belongs to the operation that
/// runs now.
pub(crate) async fn reader(
    origin: Origin,
    span: Span,
    if_match: Option<&str>,
    meter: Arc<Meter>,
) -> Result<(Reader, Stat), Error> {
    let opened = open(&origin, span, if_match, Beginning::Range, &meter).await?;
    let opened = match opened {
        First::Opened(opened) if opened.length() > 0 => *opened,
        First::Opened(opened) => return Ok((Reader::empty(meter), opened.stat())),
        First::Unmeasured(page) => {
            let stat = page.stat.clone();
            let inner = Inner::Unmeasured { page, origin };
            return Ok((Reader::of(inner, meter, None), stat));
        }
        First::Empty(stat) => return Ok((Reader::empty(meter), *stat)),
    };
    let stat = opened.stat();
    let length = opened.length();
    let window = window(origin.client());
    let needed = window.min(length);
    let reserved = Box::pin(origin.client().reserve(needed));
    let (opened, tickets) = opened.wait_if_needed(reserved, needed, &meter).await?;
    let account = Account::open(usize::try_from(needed).unwrap_or(usize::MAX), tickets);
    let Opened { answer, extent, verification, aside, if_match, .. } = opened;
    let plan = Plan {
        start: extent.start,
        length,
        here: extent.here,
        size: extent.size,
        window,
        repeatable: extent.ranged && if_match.is_some(),
    };
    let (sender, parts) = mpsc::channel(1);
    let watched = origin.clone();
    let background: Arc<Background> = Arc::default();
    let network = Network {
        origin,
        parts,
        present: None,
        slab: None,
        delivered: 0,
        length,
        verification: Some(verification),
        aside,
        if_match,
        sum: None,
        free: Arc::default(),
        front: Arc::default(),
        accounts: Arc::new(std::sync::Mutex::new(vec![account])),
        plan,
        gave_way: false,
        background: Arc::clone(&background),
        gate: Gate::current(),
    };
    let (mut driver, mut watch) = (JoinSet::new(), JoinSet::new());
    spawn(&mut driver, network.driver(&meter).run(Some(answer.body), 0, sender));
    let inner = Arc::new(Mutex::new(Inner::Network(Box::new(network))));
    if plan.repeatable {
        spawn(&mut watch, idle::watch(Arc::downgrade(&inner), watched));
    }
    let tasks = Tasks { driver, _watch: watch };
    *background.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(tasks);
    let repeatable = plan.repeatable;
    Ok((Reader { inner, meter, length: Some(length), window, repeatable, background }, stat))
}

async fn from_file(request: StreamRequest, meter: Arc<Meter>) -> Result<(Reader, Stat), Error> {
    let Source::File(path) = request.source else {
        return Err(Error::internal("this is not a file"));
    };
    let (file, stat) = crate::file::open(&path).await?;
    meter.took(Transport::File);
    let (at, length) = crate::file::place(request.span, stat.size);
    let inner = Inner::File { file, path, at, left: length };
    Ok((Reader::of(inner, meter, Some(length)), stat))
}

impl Reader {
    fn empty(meter: Arc<Meter>) -> Self {
        Self::of(Inner::Empty, meter, Some(0))
    }

    /// With nothing in the background.
    fn of(inner: Inner, meter: Arc<Meter>, length: Option<u64>) -> Self {
        let inner = Arc::new(Mutex::new(inner));
        let background = Arc::default();
        Self { inner, meter, length, window: WINDOW, repeatable: false, background }
    }

    /// How much of it may wait for whoever reads.
    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    /// How many bytes there are in all, where the server told.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// What it took so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.meter.read()
    }

    /// Ends all that goes on in the background. Reads that wait end with an error.
    pub fn close(&self) {
        drop(self.background.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }

    /// Fills some of the memory with the next bytes: at least one, as many as are there.
    /// Zero at the end, where the checksum has been compared.
    ///
    /// # Errors
    /// Whatever the server or the connection reports, and `ChecksumMismatch` at the end.
    pub async fn read(&self, memory: Private) -> Result<u64, Error> {
        let capacity = memory.capacity() as u64;
        let (_landing, slot) = in_private(memory, capacity)?;
        Ok(self.fill(slot).await?.filled() as u64)
    }

    /// Fills some of a slot with the next bytes, as [`read`](Self::read) does; it comes back as it
    /// was at the end.
    pub(crate) async fn fill(&self, mut slot: Slot) -> Result<Slot, Error> {
        let mut inner = self.inner.lock().await;
        match &mut *inner {
            Inner::Empty => {}
            Inner::Unmeasured { page, origin } => {
                page.read(origin.client(), &mut slot, &self.meter).await?;
            }
            Inner::File { file, path, at, left } => {
                let before = slot.filled();
                let length = slot.missing().min(usize::try_from(*left).unwrap_or(usize::MAX));
                slot = crate::file::fill_some(file, path, *at, length, slot, &self.meter).await?;
                let filled = (slot.filled() - before) as u64;
                *at += filled;
                *left -= filled;
            }
            Inner::Network(network) => network.read(&mut slot, &self.meter).await?,
        }
        Ok(slot)
    }
}

impl Reader {
    /// The next bytes of what a server sends, without a copy: some `most` at most, none at
    /// the end, where the checksum has been compared.
    ///
    /// # Errors
    /// As those of `read`.
    pub(crate) async fn pieces(&self, most: usize) -> Result<Vec<Arrived>, Error> {
        match &mut *self.inner.lock().await {
            Inner::Empty => Ok(Vec::new()),
            Inner::Network(network) => network.pieces(most, &self.meter).await,
            Inner::Unmeasured { page, origin } => {
                let (landing, mut slot) = Landing::new(Allocation::zeroed(SLAB)?);
                page.read(origin.client(), &mut slot, &self.meter).await?;
                let filled = slot.filled();
                drop(slot);
                let memory = landing.finish().filter(|_| filled > 0);
                let slab = memory.map(|memory| Slab { memory, filled, taken: 0, _right: None });
                let free = Arc::default();
                Ok(slab.into_iter().map(|slab| Arrived::new(slab, &free)).collect())
            }
            Inner::File { .. } => Err(Error::internal("pieces are of what a server sends")),
        }
    }
}

impl Network {
    /// Learns before the first bytes what they are to be compared with.
    async fn begin(&mut self) {
        if let Some(verification) = self.verification.take() {
            if verification.is_wanted() {
                let patience = PATIENCE_FOR_CHECKSUM;
                let _ = tokio::time::timeout(patience, self.aside.join_next()).await;
            }
            self.aside.shutdown().await;
            let version = self.if_match.as_deref();
            self.sum = Arc::into_inner(verification)
                .and_then(|verification| verification.in_order(version));
        }
    }

    /// Whether all was read; then the checksum is compared.
    async fn is_over(&mut self, meter: &Meter) -> Result<bool, Error> {
        if self.delivered < self.length {
            return Ok(false);
        }
        if let Some(sum) = self.sum.take() {
            sum.conclude(&self.origin, meter).await?;
        }
        Ok(true)
    }

    /// The next bytes where they lie: what is there, at least one piece and some `most` bytes
    /// at most. None at the end.
    async fn pieces(&mut self, most: usize, meter: &Arc<Meter>) -> Result<Vec<Arrived>, Error> {
        self.begin().await;
        let mut arrived = Vec::new();
        if self.is_over(meter).await? {
            return Ok(arrived);
        }
        self.go_on(meter)?;
        let mut bytes = 0;
        while bytes < most && self.delivered < self.length {
            let Some(slab) = self.next_slab(arrived.is_empty()).await? else { break };
            let piece = Arrived::new(slab, &self.free);
            if let Some(sum) = &mut self.sum {
                sum.reach(self.delivered, piece.bytes());
            }
            bytes += piece.bytes().len();
            self.delivered += piece.bytes().len() as u64;
            arrived.push(piece);
        }
        Ok(arrived)
    }

    async fn read(&mut self, slot: &mut Slot, meter: &Arc<Meter>) -> Result<(), Error> {
        self.begin().await;
        if self.is_over(meter).await? {
            return Ok(());
        }
        self.go_on(meter)?;
        let before = slot.filled();
        while slot.missing() > 0 && self.delivered < self.length {
            let Some(mut slab) = self.next_slab(slot.filled() == before).await? else { break };
            let bytes = slab.memory.as_slice().get(slab.taken..slab.filled).unwrap_or_default();
            let copied = slot
                .fill(usize::MAX, |mut room| std::io::Write::write(&mut room, bytes))
                .map_err(|_| Error::cancelled())?;
            if let Some(sum) = &mut self.sum {
                sum.reach(self.delivered, bytes.get(..copied).unwrap_or_default());
            }
            meter.copied(copied);
            slab.taken += copied;
            self.delivered += copied as u64;
            if slab.taken < slab.filled {
                self.slab = Some(slab);
            } else {
                self.free.give_back(slab.memory);
            }
        }
        Ok(())
    }

    /// The next bytes; `None` when there are none yet and nobody wants to wait.
    async fn next_slab(&mut self, wait: bool) -> Result<Option<Slab>, Error> {
        if let Some(slab) = self.slab.take() {
            return Ok(Some(slab));
        }
        loop {
            let part = match &mut self.present {
                Some(part) => part,
                None => {
                    let next = if wait {
                        self.parts.recv().await.ok_or_else(Error::cancelled)?
                    } else {
                        match self.parts.try_recv() {
                            Ok(next) => next,
                            Err(_) => return Ok(None),
                        }
                    };
                    self.front.store(next.at, Ordering::Relaxed);
                    self.present.insert(next)
                }
            };
            let slab = if wait {
                part.slabs.recv().await
            } else {
                match part.slabs.try_recv() {
                    Ok(slab) => Some(slab),
                    Err(mpsc::error::TryRecvError::Empty) => return Ok(None),
                    Err(mpsc::error::TryRecvError::Disconnected) => None,
                }
            };
            match slab {
                Some(slab) => return slab.map(Some),
                None => self.present = None,
            }
        }
    }
}

/// Asks for the parts.
struct Driver {
    origin: Origin,
    if_match: Option<String>,
    plan: Plan,
    meter: Arc<Meter>,
    free: Arc<Slabs>,
    /// The start of the part that the reader is at.
    front: Arc<AtomicU64>,
}

impl Driver {
    async fn run(self, mut first: Option<Flow>, mut at: u64, parts: mpsc::Sender<Incoming>) {
        let Plan { window, length: end, here, .. } = self.plan;
        let eighth = (window / 8 / SLAB as u64).max(1) * SLAB as u64;
        let part = self.origin.client().part_size().unwrap_or(PART.min(eighth)).min(window);
        let places = usize::try_from(window / part).unwrap_or(1).max(1);
        let places = Arc::new(Semaphore::new(places));
        let most = window / 2;
        let driver = Arc::new(self);
        let mut tasks = JoinSet::new();
        while at < end {
            let length = if first.is_some() { here } else { part.min(end - at) };
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            // The pace of the host bounds what is under way at once.
            while tasks.len() >= driver.origin.at_once().await {
                tasks.join_next().await;
            }
            let (sender, slabs) = mpsc::unbounded_channel();
            let rights = usize::try_from(length.min(most)).unwrap_or(usize::MAX).div_ceil(SLAB);
            let part = Arc::clone(&driver).part(at, length, first.take(), sender, rights);
            spawn(&mut tasks, part);
            if parts.send(Incoming { at, slabs, _place: Some(place) }).await.is_err() {
                return;
            }
            at += length;
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn part(
        self: Arc<Self>,
        at: u64,
        length: u64,
        flow: Option<Flow>,
        slabs: mpsc::UnboundedSender<Result<Slab, Error>>,
        rights: usize,
    ) {
        self.meter.part();
        let rights = Arc::new(Semaphore::new(rights.max(1)));
        if let Err(error) = self.read(at, length, flow, &slabs, &rights).await {
            let _ = slabs.send(Err(error));
        }
    }

    async fn read(
        &self,
        at: u64,
        length: u64,
        mut flow: Option<Flow>,
        slabs: &mpsc::UnboundedSender<Result<Slab, Error>>,
        rights: &Arc<Semaphore>,
    ) -> Result<(), Error> {
        let client = self.origin.client();
        let mut retries = Retries::new(client.retry_budget(), client.retries());
        let mut done = 0;
        loop {
            let body = match flow.take() {
                Some(body) => Ok(body),
                None => self.open(at + done, length - done).await,
            };
            let before = done;
            let failed = match body {
                Ok(body) => match self.pour(body, at, &mut done, length, slabs, rights).await {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            slow_down(&self.origin, failed.status).await;
            if self.if_match.is_none() {
                return Err(failed);
            }
            if done - before >= PROGRESS as u64 {
                retries.progressed(client.retries());
            }
            retries.after(failed).await?;
            self.meter.retry();
        }
    }

    async fn open(&self, at: u64, length: u64) -> Result<Flow, Error> {
        let start = self.plan.start + at;
        let asked = Span::Range { start, end: Some(start + length) };
        let version = self.if_match.as_deref();
        let answer = self.origin.open_more(asked, version, &self.meter).await?;
        let extent = asked.extent(asked, &answer.told)?;
        let other_size =
            matches!((extent.size, self.plan.size), (Some(now), Some(before)) if now != before);
        if other_size || extent.here != length {
            return Err(changed());
        }
        Ok(answer.body)
    }

    async fn pour(
        &self,
        mut body: Flow,
        at: u64,
        done: &mut u64,
        length: u64,
        slabs: &mpsc::UnboundedSender<Result<Slab, Error>>,
        rights: &Arc<Semaphore>,
    ) -> Result<(), Error> {
        let stall = self.origin.client().stall_timeout();
        while *done < length {
            let Ok(right) = Arc::clone(rights).acquire_owned().await else { return Ok(()) };
            let (landing, mut slot) = Landing::new(self.free.take()?);
            let mut ended = None;
            let most = usize::try_from(length - *done).unwrap_or(SLAB).min(SLAB);
            // Until it is full; for the reader who waits, until nothing more is there at once.
            // A part ahead sends full slabs only. So its rights last to its end, and it never
            // keeps a connection that the part before it may need.
            while slot.filled() < most && ended.is_none() {
                let left = most - slot.filled();
                match body.read(&mut slot, left, stall, &self.meter).await {
                    Ok(0) => ended = Some(FlowError::Broken("it is shorter than announced".into())),
                    Ok(read) if read < left && self.front.load(Ordering::Relaxed) == at => break,
                    Ok(_) => {}
                    Err(error) => ended = Some(error),
                }
            }
            let filled = slot.filled();
            drop(slot);
            let Some(memory) = landing.finish() else {
                return Err(Error::internal("a slab is still being filled"));
            };
            *done += filled as u64;
            if filled > 0 {
                let slab = Slab { memory, filled, taken: 0, _right: Some(right) };
                if slabs.send(Ok(slab)).is_err() {
                    return Ok(());
                }
            } else {
                self.free.give_back(memory);
            }
            if let Some(error) = ended {
                return Err(flow_error(error, self.meter.bytes(), self.plan.length));
            }
        }
        let told = |error| flow_error(error, self.meter.bytes(), self.plan.length);
        body.ended(stall).await.map_err(told)
    }
}

impl Opened {
    /// Takes what is ready at once; else lets the connection go and waits.
    async fn wait_if_needed<T>(
        self,
        mut wait: std::pin::Pin<Box<impl Future<Output = Result<T, Error>>>>,
        length: u64,
        meter: &Arc<Meter>,
    ) -> Result<(Self, T), Error> {
        match futures::FutureExt::now_or_never(&mut wait) {
            Some(ready) => Ok((self, ready?)),
            None => self.wait(patiently(wait, length), meter).await,
        }
    }
}
