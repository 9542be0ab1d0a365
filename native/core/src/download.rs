//! Reading an object into its final place, in parts.
//!
//! The first request asks for the beginning; its answer tells the size and the version.
//! Then memory is reserved, once and exactly, and cut into slots: each part is read from
//! its socket into its own slot. A part that breaks goes on at its next missing byte, with
//! the version pinned. How many parts are read at once follows the throughput.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use dipper_wire::Slot;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tracing::debug;

use crate::gate::{joined, spawn};
use crate::metrics::Meter;
use crate::origin::{Answer, Ask, Flow, FlowError, Origin, Pieces};
use crate::retry::Retries;
use crate::span::Extent;
use crate::unmeasured::Unmeasured;
use crate::verify::{Verification, damaged};
use crate::{Checksums, Error, Span, Stat, Status};

/// How a download begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// With a range, whose answer tells how much more there is.
    Range,
    /// With an undivided request: for what is small, as one request then does it all.
    Undivided,
    /// The same, by somebody who wants bytes and no properties.
    OneOfMany,
    /// The same again, of so many bytes that may come along with the head.
    Short(usize),
}

/// The first answer, before any of its body is read.
pub(crate) struct Opened {
    pub(crate) origin: Origin,
    pub(crate) answer: Answer,
    pub(crate) extent: Extent,
    pub(crate) verification: Arc<Verification>,
    /// The HEAD that goes beside the first range.
    pub(crate) aside: JoinSet<()>,
    /// The version that the answer is about.
    pub(crate) if_match: Option<String>,
}

/// The first request asks for so many bytes, unless the client says otherwise.
pub(crate) const FIRST_PART: u64 = 8 << 20;
const SMALLEST_PART: u64 = 4 << 20;
const LARGEST_PART: u64 = 64 << 20;
/// How much is read from a socket at once: more would leave a cancelled read running long.
const MOST_AT_ONCE: usize = 4 << 20;
/// How often the pace is looked at, and progress told.
const TICK: Duration = Duration::from_millis(100);
/// How long the checksum may come after the bytes.
const PATIENCE_FOR_CHECKSUM: Duration = Duration::from_secs(5);
/// A part that got so far before it broke again did not fail in the same way.
pub(crate) const PROGRESS: usize = 64 << 10;

/// What the first answer was about.
pub(crate) enum First {
    /// There are bytes.
    Opened(Box<Opened>),
    /// There are some, and nobody says how many.
    Unmeasured(Box<Unmeasured>),
    /// There are none: an empty object, or a range behind its end.
    Empty(Box<Stat>),
}

/// Sends the first request, until it is answered.
pub(crate) async fn open(
    origin: &Origin,
    span: Span,
    if_match: Option<&str>,
    beginning: Beginning,
    meter: &Arc<Meter>,
) -> Result<First, Error> {
    let client = origin.client();
    if span.is_empty() {
        return Ok(First::Empty(Box::default()));
    }
    let first = client.part_size().unwrap_or(FIRST_PART);
    let asked = match (beginning, span) {
        (Beginning::Undivided | Beginning::OneOfMany | Beginning::Short(_), _) => span,
        // How far it is from the end, only the size tells.
        (Beginning::Range, Span::Last(count)) if count > first => {
            let told = origin.head(None, meter).await?;
            let size = told.length.unwrap_or(told.stat.size);
            let span = Span::Range { start: size.saturating_sub(count), end: Some(size) };
            let version = if_match.map(str::to_owned).or(told.stat.etag);
            let begin = open(origin, span, version.as_deref(), beginning, meter);
            return Box::pin(begin).await;
        }
        (Beginning::Range, _) => span.first(first),
    };
    let how = client.checksums();
    let verification = Arc::new(Verification::new(how));
    let mut aside = JoinSet::new();
    let whole = span == Span::Whole && how != Checksums::Off;
    if whole && asked != Span::Whole && origin.may_know_checksum().await {
        let (origin, verification) = (origin.clone(), Arc::clone(&verification));
        let meter = Arc::clone(meter);
        spawn(&mut aside, async move {
            if let Ok(told) = origin.head(None, &meter).await {
                let size = told.length.unwrap_or(told.stat.size);
                verification.learn(&origin, told, size, &meter).await;
            }
        });
    } else if !whole {
        verification.give_up();
    }
    let (stat, ahead) = match beginning {
        Beginning::Range | Beginning::Undivided => (true, 0),
        Beginning::OneOfMany => (false, 0),
        Beginning::Short(size) => (false, size),
    };
    let ask = Ask { span: asked, if_match, checksum: whole, stat, ahead };
    let mut retries = Retries::new(client.retry_budget(), client.retries());
    let (mut answer, extent) = loop {
        let failed = match origin.open(ask, meter).await {
            Ok(answer) if origin.may_be_unmeasured() && answer.told.is_unmeasured(span) => {
                let Answer { told, body } = answer;
                let page = Unmeasured { flow: body, stat: told.stat };
                return Ok(First::Unmeasured(Box::new(page)));
            }
            Ok(answer) => match span.extent(asked, &answer.told) {
                Ok(extent) => break (answer, extent),
                Err(error) => error,
            },
            // A range that starts behind the end is empty, as in a Blob.
            Err(error) if error.status == Status::InvalidRange && asked != Span::Whole => {
                return Box::pin(nothing(origin, span, meter)).await;
            }
            Err(error) => error,
        };
        slow_down(origin, failed.status).await;
        retries.after(failed).await?;
        meter.retry();
    };
    if whole && answer.told.expected.is_some() {
        let told = std::mem::take(&mut answer.told);
        let stat = told.stat.clone();
        verification.learn(origin, told, extent.length, meter).await;
        answer.told.stat = stat;
    }
    let if_match = answer.told.stat.etag.clone();
    Ok(First::Opened(Box::new(Opened {
        origin: origin.clone(),
        answer,
        extent,
        verification,
        aside,
        if_match,
    })))
}

async fn nothing(origin: &Origin, span: Span, meter: &Meter) -> Result<First, Error> {
    let told = origin.head(None, meter).await?;
    let mut stat = told.stat;
    if stat.size == 0 {
        stat.size = told.length.unwrap_or_default();
    }
    if span == Span::Whole && stat.size > 0 {
        return Err(Error::new(
            Status::NotS3,
            "the server refuses the first bytes of an object that is not empty",
        ));
    }
    Ok(First::Empty(Box::new(stat)))
}

/// A server that asks for it, or falters, is asked for less at once.
pub(crate) async fn slow_down(origin: &Origin, status: Status) {
    if matches!(status, Status::SlowDown | Status::Stalled | Status::Timeout) {
        origin.pace(crate::pace::Pace::slow_down).await;
    }
}

impl Opened {
    /// How many bytes there will be.
    pub(crate) fn length(&self) -> u64 {
        self.extent.length
    }

    /// What the head tells.
    pub(crate) fn stat(&self) -> Stat {
        self.answer.told.stat.clone()
    }

    /// Lets the connection go, for as long as `wait` takes, and asks again for the same
    /// version. Whoever waits for memory must not keep a connection from those who have it.
    pub(crate) async fn wait<T>(
        mut self,
        wait: impl Future<Output = Result<T, Error>>,
        meter: &Arc<Meter>,
    ) -> Result<(Self, T), Error> {
        let Extent { start, here, .. } = self.extent;
        let asked = if self.extent.ranged {
            Span::Range { start, end: Some(start + here) }
        } else {
            Span::Whole
        };
        let old = std::mem::replace(
            &mut self.answer.body,
            Flow::Pieces(Pieces::new(aws_sdk_s3::primitives::ByteStream::default(), None)),
        );
        drop(old);
        let waited = wait.await?;
        let client = self.origin.client();
        let mut retries = Retries::new(client.retry_budget(), client.retries());
        self.answer.body = loop {
            let version = self.if_match.as_deref();
            let failed = match self.origin.open_more(asked, version, meter).await {
                Ok(answer) => match asked.extent(asked, &answer.told) {
                    Ok(extent) if extent.here == self.extent.here => break answer.body,
                    Ok(_) => changed(),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            retries.after(failed).await?;
            meter.retry();
        };
        Ok((self, waited))
    }

    /// The whole, if it came along with its head: then it is verified where it lies.
    ///
    /// # Errors
    /// `ChecksumMismatch`.
    pub(crate) async fn came(
        mut self: Box<Self>,
        meter: &Meter,
    ) -> Result<Result<BytesMut, Box<Self>>, Error> {
        let Some(bytes) = self.answer.body.came(meter) else { return Ok(Err(self)) };
        meter.part();
        debug!(target: "dipper::transfer", bytes = bytes.len(), "reading a part");
        let Some(verification) = Arc::into_inner(self.verification) else {
            return Err(Error::internal("a checksum is still being learned"));
        };
        if let Some(mut sum) = verification.in_order(self.if_match.as_deref()) {
            sum.update(&bytes);
            sum.conclude(&self.origin, meter).await?;
        }
        Ok(Ok(bytes))
    }

    /// Reads everything into `slot`, which is as long as the object.
    ///
    /// # Errors
    /// Whatever the server or the connection reports, and `ChecksumMismatch`.
    pub(crate) async fn fill(
        self,
        mut slot: Slot,
        meter: &Arc<Meter>,
        mut told: impl FnMut(),
    ) -> Result<(), Error> {
        let Self { origin, answer, extent, verification, mut aside, if_match } = self;
        let here = usize::try_from(extent.here).unwrap_or(usize::MAX);
        let rest = slot.split_off(here);
        let several = !rest.is_empty();
        let work = Arc::new(Work {
            origin,
            if_match,
            extent,
            rest: Mutex::new(rest),
            verification,
            meter: Arc::clone(meter),
            at_work: AtomicBool::new(true),
        });
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        if several {
            Box::pin(work.in_parallel(slot, answer.body, &mut ticks, &mut told)).await?;
        } else {
            let mut part = std::pin::pin!(work.part(slot, Some(answer.body)));
            loop {
                tokio::select! {
                    biased;
                    done = &mut part => break done?,
                    _ = ticks.tick() => told(),
                }
            }
        }
        if work.verification.is_wanted() {
            // The checksum is late; without it nothing would be verified.
            let _ = tokio::time::timeout(PATIENCE_FOR_CHECKSUM, aside.join_next()).await;
        }
        aside.shutdown().await;
        let Some(work) = Arc::into_inner(work) else {
            return Err(Error::internal("a part is still being read"));
        };
        let Some(verification) = Arc::into_inner(work.verification) else {
            return Err(Error::internal("a checksum is still being learned"));
        };
        let version = work.if_match.as_deref();
        verification.conclude(&work.origin, version, work.extent.length, meter).await
    }
}

/// A download under way.
struct Work {
    origin: Origin,
    /// The version that the first answer was about.
    if_match: Option<String>,
    extent: Extent,
    /// What nobody reads yet.
    rest: Mutex<Slot>,
    verification: Arc<Verification>,
    meter: Arc<Meter>,
    /// False once a part failed for good.
    at_work: AtomicBool,
}

impl Work {
    async fn in_parallel(
        self: &Arc<Self>,
        slot: Slot,
        flow: Flow,
        ticks: &mut tokio::time::Interval,
        told: &mut impl FnMut(),
    ) -> Result<(), Error> {
        let mut readers = JoinSet::new();
        spawn(&mut readers, Arc::clone(self).reader(Some((slot, flow))));
        let mut seen = (Instant::now(), self.meter.bytes());
        loop {
            let wanted = self.origin.at_once().await;
            while readers.len() < wanted && self.is_left() {
                spawn(&mut readers, Arc::clone(self).reader(None));
            }
            tokio::select! {
                biased;
                ended = readers.join_next() => match ended {
                    None => return Ok(()),
                    Some(ended) => if let Err(error) = joined(ended)? {
                        self.at_work.store(false, Ordering::Relaxed);
                        readers.shutdown().await;
                        return Err(error);
                    },
                },
                _ = ticks.tick() => {
                    told();
                    let (at, bytes) = (Instant::now(), self.meter.bytes());
                    // Only full windows say what the count of readers brings.
                    if readers.len() >= wanted && self.is_left() {
                        let rate = bytes.saturating_sub(seen.1) as f64
                            / (at - seen.0).as_secs_f64().max(1e-3);
                        self.origin.pace(|pace| pace.measured(rate)).await;
                    }
                    seen = (at, bytes);
                }
            }
        }
    }

    fn is_left(&self) -> bool {
        !self.rest.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The next part that nobody reads: large at first, smaller towards the end, so that
    /// all readers end together ("guided self-scheduling", Polychronopoulos and Kuck, 1987).
    fn next(&self, readers: usize) -> Option<Slot> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if rest.is_empty() {
            return None;
        }
        let share = rest.len() as u64 / (2 * readers.max(1) as u64);
        let size = self
            .origin
            .client()
            .part_size()
            .unwrap_or_else(|| share.clamp(SMALLEST_PART, LARGEST_PART));
        let after = rest.split_off(usize::try_from(size).unwrap_or(usize::MAX));
        Some(std::mem::replace(&mut *rest, after))
    }

    /// Reads parts until none is left, or until there are more readers than the pace allows.
    async fn reader(self: Arc<Self>, first: Option<(Slot, Flow)>) -> Result<(), Error> {
        if let Some((slot, flow)) = first {
            self.part(slot, Some(flow)).await?;
        }
        while self.at_work.load(Ordering::Relaxed) {
            let readers = self.origin.at_once().await;
            let Some(slot) = self.next(readers) else { break };
            self.part(slot, None).await?;
        }
        Ok(())
    }

    /// Reads one part, whatever it takes.
    async fn part(&self, mut slot: Slot, mut flow: Option<Flow>) -> Result<(), Error> {
        let client = self.origin.client();
        let mut retries = Retries::new(client.retry_budget(), client.retries());
        let mut piece = None;
        self.meter.part();
        debug!(target: "dipper::transfer", bytes = slot.missing(), "reading a part");
        let mut since = slot.filled();
        loop {
            let body = match flow.take() {
                Some(body) => Ok(body),
                None => Box::pin(self.open(&mut slot, &mut piece)).await,
            };
            let failed = match body {
                Ok(mut body) => match self.pour(&mut body, &mut slot, &mut piece).await {
                    Ok(()) => break,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            slow_down(&self.origin, failed.status).await;
            if failed.status.retryable() && !self.may_resume() {
                return Err(failed);
            }
            if slot.filled().saturating_sub(since) >= PROGRESS {
                retries.progressed(client.retries());
                since = slot.filled();
            }
            retries.after(failed).await?;
            self.meter.retry();
        }
        self.verification.finished(slot, piece);
        Ok(())
    }

    /// Without a version nobody knows whether a second answer goes on with the first.
    fn may_resume(&self) -> bool {
        self.if_match.is_some()
    }

    /// Asks for what is missing of a part.
    async fn open(
        &self,
        slot: &mut Slot,
        piece: &mut Option<dipper_wire::Piece>,
    ) -> Result<Flow, Error> {
        let base = self.extent.start + slot.start() as u64;
        let (start, end) = (base + slot.filled() as u64, base + slot.len() as u64);
        let asked = Span::Range { start, end: Some(end) };
        let version = self.if_match.as_deref();
        let answer = self.origin.open_more(asked, version, &self.meter).await?;
        if answer.told.range.is_none() {
            // The server has no ranges. All of it came again: that is as good, if it is one
            // part.
            let whole = answer.told.length == self.extent.size
                && slot.start() == 0
                && self.extent.start == 0
                && self.extent.size == Some(slot.len() as u64);
            if !whole {
                return Err(Error::new(
                    Status::Unsupported,
                    format!(
                        "the connection broke after {} of {} bytes, and the server cannot resume",
                        self.meter.bytes(),
                        self.extent.length
                    ),
                )
                .hint("try again"));
            }
            self.meter.lost(slot.filled());
            slot.restart();
            *piece = None;
            return Ok(answer.body);
        }
        let extent = asked.extent(asked, &answer.told)?;
        let changed_size = match (extent.size, self.extent.size) {
            (Some(now), Some(before)) => now != before,
            _ => false,
        };
        if changed_size || extent.here != end - start {
            return Err(changed());
        }
        Ok(answer.body)
    }

    /// Reads a body to the end of its slot, and sums what comes.
    async fn pour(
        &self,
        body: &mut Flow,
        slot: &mut Slot,
        piece: &mut Option<dipper_wire::Piece>,
    ) -> Result<(), Error> {
        let stall = self.origin.client().stall_timeout();
        while slot.missing() > 0 {
            let read = body.read(slot, MOST_AT_ONCE, stall, &self.meter).await;
            let read = read.map_err(|error| self.failed(error))?;
            if read == 0 {
                return Err(self.failed(FlowError::Broken(
                    "the server sends fewer bytes than it announced".to_owned(),
                )));
            }
            if piece.is_none() {
                *piece = self.verification.piece(slot.start() as u64);
            }
            if let Some(piece) = piece {
                let summed = usize::try_from(piece.offset()).unwrap_or(usize::MAX);
                let from = summed.saturating_sub(slot.start());
                let _ = slot.read(from, |bytes| piece.update(bytes));
            }
        }
        body.ended(stall).await.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: FlowError) -> Error {
        let (done, total) = (self.meter.bytes(), self.extent.length);
        flow_error(error, done, total)
    }
}

/// The error for a body that did not go on.
pub(crate) fn flow_error(error: FlowError, done: u64, total: u64) -> Error {
    match error {
        FlowError::Revoked => Error::cancelled(),
        FlowError::Damaged => damaged(),
        FlowError::Stalled(stall) => Error::new(
            Status::Stalled,
            format!("no byte came for {} ms after {done} of {total}", stall.as_millis()),
        )
        .hint("check the network, or raise stallTimeout"),
        FlowError::Broken(cause) => Error::new(
            Status::ConnectionBroken,
            format!("the connection broke after {done} of {total} bytes: {cause}"),
        )
        .hint("try again"),
    }
}

pub(crate) fn changed() -> Error {
    Error::new(Status::ObjectChanged, "the object changed while it was read").hint("read it again")
}
