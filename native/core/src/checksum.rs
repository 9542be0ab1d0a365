//! The checksum of an object that is read once, in order, and kept nowhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dipper_wire::{Allocation, ContentSum, Landing, SumAlgorithm};

use crate::get::Progress;
use crate::metrics::{Meter, Transport};
use crate::origin::Origin;
use crate::{Client, Error, Source, Span};

/// What to sum, and by what.
pub struct ChecksumRequest {
    /// Where it is.
    pub source: Source,
    /// Which bytes of it.
    pub span: Span,
    /// Read only if the ETag is this.
    pub if_match: Option<String>,
    /// What the bytes are summed by.
    pub algorithm: SumAlgorithm,
    /// Who is told how far it is.
    pub progress: Option<Arc<dyn Progress>>,
}

/// So much is summed before others get the thread: a few milliseconds by the slowest algorithm.
const STEP: usize = 1 << 20;
/// How often it is told how far it is.
const TICK: Duration = Duration::from_millis(100);

/// Sums the bytes of an object. Its memory is that of a stream, whatever the object's size.
///
/// # Errors
/// Whatever the server, the connection or the system reports.
pub async fn checksum(
    client: Option<&Arc<Client>>,
    request: ChecksumRequest,
) -> Result<String, Error> {
    let shown = request.source.shown();
    let summed = async {
        match Origin::of(client, &request.source)? {
            None => of_file(&request).await,
            Some(origin) => of_origin(origin, &request).await,
        }
    };
    summed.await.map_err(|error: Error| error.about(shown))
}

async fn of_origin(origin: Origin, request: &ChecksumRequest) -> Result<String, Error> {
    let meter = Arc::new(Meter::new());
    let if_match = request.if_match.as_deref();
    let (reader, _) =
        crate::stream::reader(origin, request.span, if_match, Arc::clone(&meter)).await?;
    let mut told = Told::new(request, reader.length(), &meter);
    let mut sum = ContentSum::new(request.algorithm);
    loop {
        let pieces = reader.pieces(STEP).await?;
        if pieces.is_empty() {
            break;
        }
        for piece in pieces {
            sum.update(piece.bytes());
            told.more(piece.bytes().len() as u64);
        }
        tokio::task::yield_now().await;
    }
    told.end();
    Ok(sum.finish())
}

async fn of_file(request: &ChecksumRequest) -> Result<String, Error> {
    let Source::File(path) = &request.source else {
        return Err(Error::internal("this is not a file"));
    };
    if request.if_match.is_some() {
        return Err(
            Error::invalid("a file has no ETag to match").hint("leave ifMatch out for local files")
        );
    }
    let meter = Arc::new(Meter::new());
    meter.took(Transport::File);
    let (file, stat) = crate::file::open(path).await?;
    let (mut at, mut left) = crate::file::place(request.span, stat.size);
    let mut told = Told::new(request, Some(left), &meter);
    let mut sum = ContentSum::new(request.algorithm);
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(STEP).min(STEP);
        let (landing, slot) = Landing::new(Allocation::recycled(length)?);
        drop(crate::file::fill(&file, path, at, slot, &meter, || {}).await?);
        let Some(memory) = landing.finish() else {
            return Err(Error::internal("a part of a file is still being read"));
        };
        sum.update(memory.as_slice());
        at += length as u64;
        left -= length as u64;
        told.more(length as u64);
    }
    told.end();
    Ok(sum.finish())
}

/// Tells how far it is, ten times a second and at the end.
struct Told<'a> {
    progress: Option<&'a Arc<dyn Progress>>,
    meter: &'a Meter,
    done: u64,
    /// `None` as long as nobody tells.
    total: Option<u64>,
    last: Instant,
}

impl<'a> Told<'a> {
    fn new(request: &'a ChecksumRequest, total: Option<u64>, meter: &'a Meter) -> Self {
        let told = Self {
            progress: request.progress.as_ref(),
            meter,
            done: 0,
            total,
            last: Instant::now(),
        };
        if total.is_some() {
            told.tell();
        }
        told
    }

    fn more(&mut self, bytes: u64) {
        self.done += bytes;
        if self.total.is_some() && self.last.elapsed() >= TICK {
            self.last = Instant::now();
            self.tell();
        }
    }

    fn end(mut self) {
        self.total = Some(self.done);
        self.tell();
    }

    fn tell(&self) {
        if let Some(progress) = self.progress {
            progress.reached(self.done, self.total.unwrap_or(self.done), &self.meter.read());
        }
    }
}
