//! An object that a decoder reads in pieces, all of one version.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::buffer::BufferBytes;
use crate::download::changed;
use crate::ranges::reserve_patiently;
use crate::{
    Buffer, Client, Destination, Error, GetRequest, Items, Metrics, RangesRequest, Source, Span,
    Stat, Status, Ticket, get, ledger, ranges,
};

/// Pieces that are no further apart share a request, as long as what lies between them is less
/// than a tenth of them all.
const GAP: u64 = 64 << 10;
/// Those share one in any case: to ask is dearer.
const SMALL_GAP: u64 = 16 << 10;

/// An object, pinned to the version that was there when it was opened.
pub struct Pieces {
    client: Option<Arc<Client>>,
    source: Source,
    stat: Stat,
    metrics: Mutex<Metrics>,
}

impl Pieces {
    /// Opens an object by reading its last bytes, `tail` of them or all that there are.
    ///
    /// # Errors
    /// Whatever the server, the connection or the system reports.
    pub async fn open(
        client: Option<&Arc<Client>>,
        source: Source,
        tail: u64,
    ) -> Result<(Self, Bytes), Error> {
        let request = GetRequest {
            source: source.clone(),
            span: Span::Last(tail),
            if_match: None,
            limit: None,
            progress: None,
        };
        let got = get(client, request, Destination::Buffer).await?;
        let bytes = got.buffer.map_or_else(Bytes::new, bytes_of);
        let metrics = Mutex::new(got.metrics);
        Ok((Self { client: client.cloned(), source, stat: got.stat, metrics }, bytes))
    }

    /// The same object of the same version, of which nothing is counted yet.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self {
            client: self.client.clone(),
            source: self.source.clone(),
            stat: self.stat.clone(),
            metrics: Mutex::default(),
        }
    }

    /// What the server told about the object.
    #[must_use]
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Its name, as it may be shown.
    #[must_use]
    pub fn shown(&self) -> String {
        self.source.shown()
    }

    /// What was read so far, and what it took.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        *self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads pieces, near neighbours by one request. They come in the order of their ranges. What
    /// was reserved for them before is theirs; otherwise this waits until they may be held.
    ///
    /// # Errors
    /// `ObjectChanged` when the object is another by now, and whatever the server or the
    /// connection reports.
    pub async fn read(
        &self,
        wanted: &[Range<u64>],
        reserved: Option<Vec<Ticket>>,
    ) -> Result<Vec<Bytes>, Error> {
        let buffers = self.buffers(wanted, reserved).await?;
        Ok(buffers.into_iter().map(bytes_of).collect())
    }

    /// As [`read`](Self::read), each piece with what was reserved for it. It counts nowhere from
    /// here on: whoever takes it exports it, in parts, or drops it soon.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn owned(
        &self,
        wanted: &[Range<u64>],
        reserved: Option<Vec<Ticket>>,
    ) -> Result<Vec<(Bytes, Vec<Ticket>)>, Error> {
        let buffers = self.buffers(wanted, reserved).await?;
        let taken = buffers.into_iter().map(|buffer| {
            let (memory, tickets) = buffer.into_memory();
            (Bytes::from_owner(memory), tickets)
        });
        Ok(taken.collect())
    }

    async fn buffers(
        &self,
        wanted: &[Range<u64>],
        reserved: Option<Vec<Ticket>>,
    ) -> Result<Vec<Arc<Buffer>>, Error> {
        let total = wanted.iter().map(|range| range.end.saturating_sub(range.start)).sum::<u64>();
        let tenth = total / 10 / (wanted.len() as u64).max(1);
        let taken = Arc::new(Taken { places: Mutex::new(vec![None; wanted.len()]) });
        let request = RangesRequest {
            source: self.source.clone(),
            ranges: wanted.iter().map(|range| (range.start, range.end)).collect(),
            gap: tenth.clamp(SMALL_GAP, GAP),
            if_match: self.stat.etag.clone(),
            progress: None,
            reserved,
        };
        let items = Arc::clone(&taken) as Arc<dyn Items>;
        let read = ranges(self.client.as_ref(), request, items).await;
        let (_, metrics) = read.map_err(|error| match error.status {
            // Nobody but this asked for that version.
            Status::PreconditionFailed => changed(),
            _ => error,
        })?;
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).add(&metrics);
        let mut places = taken.places.lock().unwrap_or_else(PoisonError::into_inner);
        places
            .drain(..)
            .map(|place| match place {
                Some(Err(error)) if error.status == Status::PreconditionFailed => Err(changed()),
                Some(came) => came,
                None => Err(Error::internal("a range did not come")),
            })
            .collect()
    }

    /// Waits until so much may be read and decoded, by this client and by the process.
    ///
    /// # Errors
    /// `BudgetExceeded` for what can never fit.
    pub async fn reserve(&self, bytes: u64) -> Result<Vec<Ticket>, Error> {
        reserve_patiently(self.client.as_deref(), bytes).await
    }

    /// Takes more without waiting, for those who hold something that others may wait for.
    ///
    /// # Errors
    /// `BudgetExceeded` for what does not fit now.
    pub fn take(&self, bytes: u64) -> Result<Vec<Ticket>, Error> {
        take(self.client.as_ref(), bytes)
    }

    /// How much can ever be held at once.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.client.as_ref().map_or_else(|| ledger().budget().limit(), |client| client.limit())
    }
}

/// Waits until so much may be held, by this client and by the process.
///
/// # Errors
/// `BudgetExceeded` for what can never fit.
pub async fn reserve(client: Option<&Arc<Client>>, bytes: u64) -> Result<Vec<Ticket>, Error> {
    reserve_patiently(client.map(AsRef::as_ref), bytes).await
}

/// Takes so much without waiting, of this client's memory and of the process's.
///
/// # Errors
/// `BudgetExceeded` for what does not fit now.
pub fn take(client: Option<&Arc<Client>>, bytes: u64) -> Result<Vec<Ticket>, Error> {
    match client {
        Some(client) => client.take(bytes),
        None => Ok(vec![ledger().budget().take(bytes)?]),
    }
}

/// A buffer as decoders take it: nothing is copied.
fn bytes_of(buffer: Arc<Buffer>) -> Bytes {
    Bytes::from_owner(BufferBytes(buffer))
}

type Came = Result<Arc<Buffer>, Error>;

/// Keeps each result until all are there.
struct Taken {
    places: Mutex<Vec<Option<Came>>>,
}

impl Items for Taken {
    fn item(&self, index: usize, result: Result<Arc<Buffer>, Error>) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get_mut(index) {
            *place = Some(result);
        }
    }

    fn written(&self, _index: usize, _result: Result<u64, Error>) {}

    fn flush(&self) {}
}
