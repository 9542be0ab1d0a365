//! A file that is read as batches, several of them ahead of whoever takes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use dipper_core::{Client, Error, Gate, Metrics, Pieces, Source, Stat, Ticket};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::Mutex;

use crate::ahead::limit;
use crate::dialect::Dialect;
use crate::filter::Filter;
use crate::format::Format;
use crate::many_files::{TableFile, open_many};
use crate::pump::pumped;
use crate::wanted::wanted;
use crate::{arrow_file, csv_file, json_file, numpy, parquet_file};

/// What to open, and what of it.
#[derive(Clone)]
pub struct OpenRequest {
    /// Where it is.
    pub source: Source,
    /// The files, this one first, that are read as one; none when it stands alone.
    pub files: Vec<TableFile>,
    /// Its format; found out when unset.
    pub format: Option<Format>,
    /// How it is written, if it is text.
    pub dialect: Dialect,
    /// The columns that are wanted, in this order; all of them when unset.
    pub columns: Option<Vec<String>>,
    /// Those whose bytes are told, where they are others: whoever opens a file for its schema opens
    /// it again.
    pub weighed: Option<Vec<String>>,
    /// Whether only its schema is wanted. Then a column of text without a value has no type yet.
    pub only_schema: bool,
    /// The rows that are wanted; all of them when unset. What decodes may use it to leave out what it
    /// knows to have none; the others are left out afterwards.
    pub filter: Option<Arc<Filter>>,
    /// No more rows than this.
    pub limit: Option<u64>,
    /// 64-bit integers become 64-bit floating-point numbers.
    pub int64_as_float64: bool,
}

impl OpenRequest {
    /// The format, where it is known before the file is looked into.
    pub(crate) fn told_format(&self) -> Option<Format> {
        self.format_of(&self.source)
    }

    fn format_of(&self, source: &Source) -> Option<Format> {
        self.format.or_else(|| Format::of_name(&source.name()))
    }

    /// Refuses options that no file has a use for.
    fn check(&self) -> Result<(), Error> {
        let files: Vec<_> = self.files.iter().map(|file| self.format_of(&file.source)).collect();
        let alone = [self.told_format()];
        self.dialect.check(if files.is_empty() { &alone } else { &files })
    }
}

/// A batch, and what was reserved for its memory.
pub struct Decoded {
    /// The batch.
    pub batch: RecordBatch,
    /// What was reserved for it.
    pub tickets: Vec<Ticket>,
}

/// What the decoder of a format opens.
pub(crate) struct Opened {
    pub(crate) schema: SchemaRef,
    pub(crate) stat: Stat,
    /// How many rows there are, where that is known without decoding them.
    pub(crate) rows: Option<u64>,
    /// How many bytes are read in all, at the most, where that is known.
    pub(crate) total: Option<u64>,
    pub(crate) batches: BoxStream<'static, Result<Decoded, Error>>,
    pub(crate) metrics: Arc<dyn Fn() -> Metrics + Send + Sync>,
}

/// An open file.
pub struct BatchStream {
    schema: SchemaRef,
    stat: Stat,
    rows: Option<u64>,
    total: Option<u64>,
    metrics: Arc<dyn Fn() -> Metrics + Send + Sync>,
    /// What works ahead does so behind a gate of its own: it outlives the call that began it.
    gate: Option<Gate>,
    shown: String,
    batches: Mutex<Option<BoxStream<'static, Result<Decoded, Error>>>>,
    closed: AtomicBool,
}

/// Opens a file: reads what tells its schema.
///
/// # Errors
/// `InvalidInput` for columns that it does not have, `DamagedData` for what is no such file, and
/// whatever the server or the connection reports.
pub async fn open(
    client: Option<&Arc<Client>>,
    request: OpenRequest,
) -> Result<BatchStream, Error> {
    let shown = request.source.shown();
    request.check().map_err(|error| error.about(shown.clone()))?;
    let gate = Gate::current().map(|gate| gate.fork());
    // These decoders see to what is wanted by themselves, but for conditions, and numbers behind a
    // limit.
    let by_itself = request.filter.is_none() && request.files.is_empty();
    let opened = match request.told_format() {
        Some(Format::Parquet) if by_itself => parquet_file::open(client, request).await,
        Some(format) if by_itself && format.is_text() && request.limit.is_none() => {
            text_file(client, request, format).await
        }
        _ => wanted(request, |request| open_as(client, request)).await,
    };
    let opened = opened.map_err(|error| error.about(shown.clone()))?;
    let Opened { schema, stat, rows, total, batches, metrics } = opened;
    let batches = pumped(batches, gate.as_ref(), limit(client));
    let (batches, closed) = (Mutex::new(Some(batches)), AtomicBool::new(false));
    Ok(BatchStream { schema, stat, rows, total, metrics, gate, shown, batches, closed })
}

/// So much of an end, or of a beginning, tells the format.
const LOOK: u64 = 64 << 10;

async fn open_as(client: Option<&Arc<Client>>, request: OpenRequest) -> Result<Opened, Error> {
    match request.files.is_empty() {
        true => open_one(client, request).await,
        false => open_many(client, request).await,
    }
}

/// Opens one file. It decodes more rows than its filter wants, maybe.
pub(crate) async fn open_one(
    client: Option<&Arc<Client>>,
    request: OpenRequest,
) -> Result<Opened, Error> {
    match request.told_format() {
        Some(Format::Parquet) => parquet_file::open(client, request).await,
        Some(format) if format.is_text() => text_file(client, request, format).await,
        format => {
            let (pieces, tail) = Pieces::open(client, request.source.clone(), LOOK).await?;
            let format = match format {
                Some(format) => format,
                None => {
                    let head = head(&pieces, &tail).await?;
                    Format::of_content(&head, &tail).ok_or_else(unknown)?
                }
            };
            match format {
                Format::Parquet => parquet_file::open(client, request).await,
                Format::Arrow => arrow_file::open(pieces, tail, request).await,
                Format::Npy => {
                    let head = head(&pieces, &tail).await?;
                    numpy::open_npy(pieces, &head, request).await
                }
                Format::Npz => numpy::open_npz(pieces, &tail, request).await,
                text => text_file(client, request, text).await,
            }
        }
    }
}

async fn text_file(
    client: Option<&Arc<Client>>,
    request: OpenRequest,
    format: Format,
) -> Result<Opened, Error> {
    match format {
        Format::Tsv => csv_file::open(client, request, b'\t').await,
        Format::Ndjson => json_file::open(client, request, true).await,
        Format::Json => json_file::open(client, request, false).await,
        _ => csv_file::open(client, request, b',').await,
    }
}

fn unknown() -> Error {
    Error::invalid("neither the name nor the content tells the format of this file")
        .hint("name it with { format: \"parquet\" } or another")
}

/// The beginning of a file whose end is known.
async fn head(pieces: &Pieces, tail: &Bytes) -> Result<Bytes, Error> {
    let size = pieces.stat().size;
    if size == tail.len() as u64 {
        return Ok(tail.clone());
    }
    let range = 0..LOOK.min(size);
    let heads = pieces.read(std::slice::from_ref(&range), None).await?;
    heads.into_iter().next().ok_or_else(|| Error::internal("a piece did not come"))
}

impl BatchStream {
    /// The columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What the server told about the file.
    #[must_use]
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// How many rows there are, where that is known beforehand.
    #[must_use]
    pub fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// How many bytes are read in all, at the most: a condition may turn out to need less. Nothing
    /// where a limit ends it nobody knows where.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// What was read so far, and what it took.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        (self.metrics)()
    }

    /// The next batch; `None` at the end. After an error nothing comes.
    ///
    /// # Errors
    /// `Cancelled` when it was closed, `DamagedData`, and whatever the server or the connection
    /// reports.
    pub async fn next(&self) -> Result<Option<Decoded>, Error> {
        let next = async {
            let mut held = self.batches.lock().await;
            let next = match held.as_mut() {
                Some(batches) => batches.next().await,
                None => None,
            };
            // What was closed is not at its end.
            if self.closed.load(Ordering::SeqCst) {
                *held = None;
                return Err(Error::cancelled());
            }
            match next {
                Some(Ok(decoded)) => Ok(Some(decoded)),
                Some(Err(error)) => {
                    *held = None;
                    Err(error.about(self.shown.clone()))
                }
                None => {
                    *held = None;
                    Ok(None)
                }
            }
        };
        match &self.gate {
            Some(gate) => gate.clone().around(next).await,
            None => next.await,
        }
    }

    /// Ends what is read ahead: at once, or when the call that is under way is over.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        if let Ok(mut held) = self.batches.try_lock() {
            *held = None;
        }
    }
}
