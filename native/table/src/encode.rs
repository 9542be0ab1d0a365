//! Tables that are written: batches come as Arrow IPC, bytes of a file go.
//!
//! A task of its own encodes and brings what was encoded to its place, so that the next batch may
//! come meanwhile; one waits, no more. The task holds what its format needs to: of Parquet the row
//! group that fills, of text some short steps that are under way on all cores, of Arrow nothing.

mod groups;
mod ipc;
mod packed;
mod piece;
mod rows;

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer as ArrowBuffer;
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::IpcWriteOptions;
use arrow_schema::{
    ArrowError, DataType, Field, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit, UnionFields,
};
use bytes::Bytes;
use dipper_core::{Buffer, Error, Status, ledger};
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use self::groups::Groups;
use self::ipc::Ipc;
use self::packed::Packed;
pub use self::piece::{Piece, PieceSink};
use self::piece::{bring_all, lent};
use self::rows::Rows;
use crate::ahead::ahead;
use crate::csv_rows::CsvRows;
use crate::error::joined;

/// A row group of Parquet has no more rows than this, unless the caller says so.
const GROUP_ROWS: usize = 1 << 20;
/// So many batches wait while one is written.
const WAITING: usize = 1;
/// The next batch comes early where there is memory for so many of its size.
const WAITING_SHARE: u64 = 4;
/// However small it is, the upload needs memory, too.
const WAITING_LEAST: u64 = 8 << 20;

/// The formats that tables are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, the file.
    Arrow,
    /// Arrow IPC, the stream.
    ArrowStream,
    /// Text with a separator.
    Csv,
    /// An object of JSON on each line.
    Ndjson,
    /// An array of objects of JSON.
    Json,
}

impl TableFormat {
    fn shown(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow",
            Self::ArrowStream => "Arrow stream",
            Self::Csv => "CSV",
            Self::Ndjson => "NDJSON",
            Self::Json => "JSON",
        }
    }
}

/// How a table is written.
#[derive(Clone, Debug)]
pub struct EncodeOptions {
    /// As what.
    pub format: TableFormat,
    /// How pages, buffers or all of a text are compressed; the format's own default when unset.
    pub compression: Option<String>,
    /// How many rows a row group of Parquet has at most.
    pub row_group_rows: Option<usize>,
    /// What separates the fields of CSV.
    pub delimiter: u8,
    /// Whether CSV begins with the names.
    pub header: bool,
    /// What CSV says for null.
    pub null_value: String,
    /// Whether dictionaries are written as the values that they stand for.
    pub plain: bool,
}

/// How a file is written, once its columns are known.
enum Writer {
    Parquet(Box<Groups>),
    Ipc(Box<Ipc>, Vec<u8>),
    Rows(Rows, Vec<u8>, Option<Packed>),
}

/// A table that is being written. Dropped before it is ended, it stops.
pub struct Encoder {
    options: EncodeOptions,
    sink: Arc<dyn PieceSink>,
    /// How many bytes may be held.
    limit: u64,
    /// From the first batch on.
    begun: Option<Begun>,
    /// Whether memory of batches is still in use.
    lent: TaskTracker,
}

/// The columns, as they come and as they are written.
#[derive(Clone)]
struct Columns {
    given: SchemaRef,
    written: SchemaRef,
}

/// What is known from the first batch on, and who writes.
struct Begun {
    columns: Columns,
    batches: Sender<RecordBatch>,
    /// Whether all that was handed over is written.
    task: AbortOnDropHandle<Result<(), Error>>,
}

impl Encoder {
    /// Prepares an encoder. `limit` tells how many bytes may be held.
    ///
    /// # Errors
    /// `InvalidInput` for a compression that the format does not have.
    pub fn new(
        options: EncodeOptions,
        sink: Arc<dyn PieceSink>,
        limit: u64,
    ) -> Result<Self, Error> {
        match options.format {
            TableFormat::Parquet => {
                parquet_compression(options.compression.as_deref())?;
            }
            TableFormat::Arrow | TableFormat::ArrowStream => {
                ipc_options(&options)?;
            }
            _ => {
                Packed::new(&options)?;
            }
        }
        let lent = TaskTracker::new();
        lent.close();
        Ok(Self { options, sink, limit, begun: None, lent })
    }

    /// Takes a stream of Arrow IPC, schema included. It is written while the next one comes: what
    /// fails then is told by the next call. The memory must not change meanwhile.
    ///
    /// # Errors
    /// `InvalidInput` for what is no such stream, for columns that are others than before, and
    /// `Unsupported` for what the format has no place for.
    pub async fn take(&mut self, stream: Arc<Buffer>) -> Result<(), Error> {
        let format = self.options.format.shown();
        let bytes = stream.memory().len() as u64;
        let memory = Bytes::from_owner(Lent(stream, self.lent.token()));
        let known = self.begun.as_ref().map(|begun| begun.columns.clone());
        let options = self.options.clone();
        let decoded = computed(format, move || decoded(memory, known, &options)).await;
        let (columns, batches) = decoded?;
        let begun = match self.begun.take() {
            Some(begun) => begun,
            None => self.begin(columns)?,
        };
        let begun = self.begun.insert(begun);
        for batch in batches {
            if begun.batches.send(batch).await.is_err() {
                return Err(self.failure().await);
            }
        }
        // The next one comes while this one is written: where memory is short it waits.
        let free = self.limit.saturating_sub(ledger().budget().used());
        if free / WAITING_SHARE < bytes + WAITING_LEAST {
            self.lent.wait().await;
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// `InvalidInput` when nothing was taken: a file needs columns; and what writing failed with.
    pub async fn end(mut self) -> Result<(), Error> {
        let Some(Begun { batches, task, .. }) = self.begun.take() else {
            return Err(Error::invalid("there is no table to write: nothing came")
                .hint("yield at least one table; it may have no rows"));
        };
        drop(batches);
        joined(self.options.format.shown(), task.await)
    }

    /// Why no more is taken.
    async fn failure(&mut self) -> Error {
        let Some(begun) = self.begun.take() else { return Error::cancelled() };
        match joined(self.options.format.shown(), begun.task.await) {
            Err(error) => error,
            Ok(()) => Error::internal("the encoder ended before its table"),
        }
    }

    /// Opens the file.
    fn begin(&self, columns: Columns) -> Result<Begun, Error> {
        let writer = self.open(&columns.written)?;
        let (batches, mut receiver) = mpsc::channel(WAITING);
        let (sink, format) = (Arc::clone(&self.sink), self.options.format);
        let width = ahead(self.limit, rows::MOST_STEP) + 1;
        let task = tokio::spawn(async move {
            let batches = &mut receiver;
            match writer {
                Writer::Parquet(groups) => groups::write(groups, &*sink, batches).await,
                Writer::Ipc(ipc, head) => in_messages(ipc, head, format, &*sink, batches).await,
                Writer::Rows(rows, head, packed) => {
                    rows::tell(rows, head, packed, width, &*sink, batches).await
                }
            }
        });
        let task = AbortOnDropHandle::new(task);
        Ok(Begun { columns, batches, task })
    }

    fn open(&self, schema: &SchemaRef) -> Result<Writer, Error> {
        let options = &self.options;
        let refused = |error: &ArrowError| refused(options.format, error);
        for field in schema.fields() {
            if !has_place(options.format, field.data_type()) {
                return Err(Error::new(
                    Status::Unsupported,
                    format!(
                        "a {} file has no place for the column {:?}, which is {}",
                        options.format.shown(),
                        field.name(),
                        field.data_type()
                    ),
                )
                .hint(
                    "leave the column out, change its type, or write Arrow, which has all types",
                ));
            }
        }
        let text = |rows, head| Ok(Writer::Rows(rows, head, Packed::new(options)?));
        match options.format {
            TableFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_created_by("dipper".to_owned())
                    .set_compression(parquet_compression(options.compression.as_deref())?)
                    .build();
                let most_rows = options.row_group_rows.unwrap_or(GROUP_ROWS);
                let groups = Groups::begin(schema, properties, most_rows);
                Ok(Writer::Parquet(Box::new(groups.map_err(|error| of_parquet(&error))?)))
            }
            TableFormat::Arrow | TableFormat::ArrowStream => {
                let file = options.format == TableFormat::Arrow;
                let begun = Ipc::begin(schema, ipc_options(options)?, file);
                let (ipc, head) = begun.map_err(|error| refused(&error))?;
                Ok(Writer::Ipc(Box::new(ipc), head))
            }
            TableFormat::Csv => {
                let columns = schema.fields().len();
                let rows = CsvRows::new(options.delimiter, &options.null_value, columns);
                // Names are there without rows, too.
                let head = if options.header { rows.names(schema) } else { Vec::new() };
                text(Rows::Csv(rows), head)
            }
            TableFormat::Ndjson => text(Rows::json(schema, false), Vec::new()),
            TableFormat::Json => text(Rows::json(schema, true), b"[".to_vec()),
        }
    }
}

impl Columns {
    /// As they came first.
    fn new(schema: SchemaRef, options: &EncodeOptions) -> Result<Self, Error> {
        if schema.fields().is_empty() {
            return Err(Error::invalid("the table has no columns")
                .hint("a file of columns needs at least one"));
        }
        for (index, field) in schema.fields().iter().enumerate() {
            if schema.fields().iter().take(index).any(|earlier| earlier.name() == field.name()) {
                return Err(Error::invalid(format!(
                    "two columns have the name {:?}",
                    field.name()
                ))
                .hint("rename one of them"));
            }
        }
        let written = match options.plain {
            true => rewritten(&schema, &without_dictionary),
            false => Arc::clone(&schema),
        };
        let written = match options.format {
            TableFormat::Parquet => rewritten(&written, &as_parquet_tells),
            _ => written,
        };
        Ok(Self { given: schema, written })
    }
}

/// Computes on a thread that may take long.
async fn computed<T: Send + 'static>(
    format: &str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let place = Arc::new(Mutex::new(None));
    let there = Arc::clone(&place);
    // One kind of task for all: each kind would have its own code.
    let work: Box<dyn FnOnce() + Send> = Box::new(move || {
        let done = work();
        *there.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
    });
    joined(format, tokio::task::spawn_blocking(work).await.map(Ok))?;
    let done = place.lock().unwrap_or_else(PoisonError::into_inner).take();
    done.unwrap_or_else(|| Err(Error::cancelled()))
}

/// The columns and the batches of a stream of Arrow IPC, as they are written.
fn decoded(
    memory: Bytes,
    known: Option<Columns>,
    options: &EncodeOptions,
) -> Result<(Columns, Vec<RecordBatch>), Error> {
    let mut memory = ArrowBuffer::from(memory);
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    while !memory.is_empty() {
        if let Some(batch) = decoder.decode(&mut memory).map_err(no_table)? {
            batches.push(batch);
        }
    }
    let schema = decoder
        .schema()
        .ok_or_else(|| Error::invalid("what came is no table: it has no schema"))?;
    let columns = match known {
        Some(columns) => {
            compared(&columns.given, &schema)?;
            columns
        }
        None => Columns::new(schema, options)?,
    };
    let cast = |batch| as_begun(batch, &columns.given, &columns.written);
    let batches = batches.into_iter().map(cast).collect::<Result<_, _>>()?;
    Ok((columns, batches))
}

/// Writes all batches as messages.
async fn in_messages(
    mut ipc: Box<Ipc>,
    head: Vec<u8>,
    format: TableFormat,
    sink: &dyn PieceSink,
    batches: &mut Receiver<RecordBatch>,
) -> Result<(), Error> {
    sink.bring(vec![Piece::Own(head)]).await?;
    while let Some(batch) = batches.recv().await {
        let work = move || {
            let buffers = ipc.batch(&batch).map_err(|error| refused(format, &error))?;
            Ok((ipc, buffers))
        };
        let buffers;
        (ipc, buffers) = computed(format.shown(), work).await?;
        bring_all(sink, lent(buffers)).await?;
    }
    let last = ipc.end().map_err(|error| refused(format, &error))?;
    bring_all(sink, lent(last)).await
}

fn refused(format: TableFormat, error: &ArrowError) -> Error {
    Error::new(
        Status::Unsupported,
        format!("this table cannot be written as {}: {error}", format.shown()),
    )
}

/// Memory of JavaScript's, for as long as arrays lie in it.
struct Lent(Arc<Buffer>, #[expect(dead_code, reason = "tells that it is gone")] TaskTrackerToken);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.0.memory().as_ref()
    }
}

fn no_table(error: ArrowError) -> Error {
    Error::invalid(format!("what came is no table: {error}"))
}

fn of_parquet(error: &ParquetError) -> Error {
    Error::new(Status::Unsupported, format!("this table cannot be written as Parquet: {error}"))
}

/// Whether the columns are the same, whatever they say of nulls.
fn compared(first: &Schema, other: &Schema) -> Result<(), Error> {
    let same = first.fields().len() == other.fields().len()
        && first.fields().iter().zip(other.fields()).all(|(one, another)| {
            one.name() == another.name() && one.data_type().equals_datatype(another.data_type())
        });
    if same {
        return Ok(());
    }
    let told = |schema: &Schema| {
        let columns: Vec<String> = schema
            .fields()
            .iter()
            .take(20)
            .map(|field| format!("{} {}", field.name(), field.data_type()))
            .collect();
        columns.join(", ")
    };
    Err(Error::invalid(format!(
        "a later table has other columns than the first: {} instead of {}",
        told(other),
        told(first)
    ))
    .hint("all tables of a file have the same columns; `types` says what plain arrays become"))
}

/// A batch with the schema that is written.
fn as_begun(
    batch: RecordBatch,
    given: &SchemaRef,
    written: &SchemaRef,
) -> Result<RecordBatch, Error> {
    let columns = batch
        .columns()
        .iter()
        .zip(given.fields().iter().zip(written.fields()))
        .map(|(column, (from, to))| {
            if from.data_type() == to.data_type() {
                return Ok(Arc::clone(column));
            }
            let options = CastOptions { safe: false, ..CastOptions::default() };
            cast_with_options(column, to.data_type(), &options).map_err(|error| {
                Error::new(
                    Status::Unsupported,
                    format!(
                        "the column {:?}, which is {}, cannot be written as {}: {error}",
                        from.name(),
                        from.data_type(),
                        to.data_type()
                    ),
                )
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    RecordBatch::try_new(Arc::clone(written), columns).map_err(no_table)
}

/// What a type is written as, where it is another.
type Rewrite = dyn Fn(&DataType) -> Option<DataType>;

/// The same columns, of other types where that can be.
fn rewritten(schema: &Schema, rewrite: &Rewrite) -> SchemaRef {
    let column = |field: &Arc<Field>| {
        let kind = rewritten_type(field.data_type(), rewrite);
        match can_cast_types(field.data_type(), &kind) {
            true => Arc::new(field.as_ref().clone().with_data_type(kind)),
            false => Arc::clone(field),
        }
    };
    let fields: Fields = schema.fields().iter().map(column).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn rewritten_type(kind: &DataType, rewrite: &Rewrite) -> DataType {
    let of = |kind: &DataType| rewritten_type(kind, rewrite);
    let within =
        |field: &Arc<Field>| Arc::new(field.as_ref().clone().with_data_type(of(field.data_type())));
    if let Some(other) = rewrite(kind) {
        return of(&other);
    }
    match kind {
        DataType::Dictionary(keys, values) => {
            DataType::Dictionary(keys.clone(), Box::new(of(values)))
        }
        DataType::List(field) => DataType::List(within(field)),
        DataType::LargeList(field) => DataType::LargeList(within(field)),
        DataType::ListView(field) => DataType::ListView(within(field)),
        DataType::LargeListView(field) => DataType::LargeListView(within(field)),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(within(field), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(within).collect()),
        DataType::Map(field, sorted) => DataType::Map(within(field), *sorted),
        DataType::RunEndEncoded(ends, values) => {
            DataType::RunEndEncoded(Arc::clone(ends), within(values))
        }
        DataType::Union(fields, mode) => {
            let fields: UnionFields =
                fields.iter().map(|(id, field)| (id, within(field))).collect();
            DataType::Union(fields, *mode)
        }
        other => other.clone(),
    }
}

fn without_dictionary(kind: &DataType) -> Option<DataType> {
    match kind {
        DataType::Dictionary(_, values) => Some(values.as_ref().clone()),
        _ => None,
    }
}

/// Parquet has no moments in seconds, and no dates but days. The encoder would write plain integers
/// that nobody but Arrow's readers takes for times.
fn as_parquet_tells(kind: &DataType) -> Option<DataType> {
    match kind {
        DataType::Timestamp(TimeUnit::Second, zone) => {
            Some(DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))
        }
        DataType::Time32(TimeUnit::Second) => Some(DataType::Time32(TimeUnit::Millisecond)),
        DataType::Date64 => Some(DataType::Date32),
        _ => None,
    }
}

/// Whether a format can say values of a type.
fn has_place(format: TableFormat, kind: &DataType) -> bool {
    match (format, kind) {
        (TableFormat::Arrow | TableFormat::ArrowStream, _) => true,
        (TableFormat::Csv, DataType::Dictionary(_, values)) => has_place(format, values),
        (TableFormat::Csv, kind) => !kind.is_nested(),
        (TableFormat::Parquet, DataType::Struct(fields)) if fields.is_empty() => false,
        (TableFormat::Parquet, DataType::Interval(IntervalUnit::MonthDayNano)) => false,
        (_, DataType::Union(_, _)) => false,
        (_, DataType::Dictionary(_, values)) => has_place(format, values),
        (
            _,
            DataType::List(field)
            | DataType::LargeList(field)
            | DataType::ListView(field)
            | DataType::LargeListView(field)
            | DataType::FixedSizeList(field, _)
            | DataType::Map(field, _),
        ) => has_place(format, field.data_type()),
        (_, DataType::Struct(fields)) => {
            fields.iter().all(|field| has_place(format, field.data_type()))
        }
        _ => true,
    }
}

fn unknown(format: TableFormat, compression: &str, known: &str) -> Error {
    Error::invalid(format!(
        "a {} file is not compressed with {compression:?} by dipper",
        format.shown()
    ))
    .hint(format!("pass {known}"))
}

fn parquet_compression(compression: Option<&str>) -> Result<Compression, Error> {
    Ok(match compression {
        None | Some("snappy") => Compression::SNAPPY,
        Some("none") => Compression::UNCOMPRESSED,
        Some("zstd") => Compression::ZSTD(ZstdLevel::default()),
        Some("gzip") => Compression::GZIP(GzipLevel::default()),
        Some("brotli") => Compression::BROTLI(BrotliLevel::default()),
        Some("lz4") => Compression::LZ4_RAW,
        Some(other) => {
            let known = "snappy, zstd, gzip, brotli, lz4 or none";
            return Err(unknown(TableFormat::Parquet, other, known));
        }
    })
}

fn ipc_options(options: &EncodeOptions) -> Result<IpcWriteOptions, Error> {
    let compression = match options.compression.as_deref() {
        None | Some("none") => None,
        Some("lz4") => Some(CompressionType::LZ4_FRAME),
        Some("zstd") => Some(CompressionType::ZSTD),
        Some(other) => return Err(unknown(options.format, other, "lz4, zstd or none")),
    };
    IpcWriteOptions::default()
        .try_with_compression(compression)
        .map_err(|error| Error::internal(format!("Arrow IPC cannot be set up: {error}")))
}

#[cfg(test)]
mod tests {
    use std::io;

    use arrow_array::{Int32Array, StringArray};
    use arrow_ipc::writer::StreamWriter;
    use futures::future::BoxFuture;

    use super::*;

    /// Keeps all that comes.
    #[derive(Default)]
    struct Kept(Mutex<Vec<u8>>);

    impl PieceSink for Kept {
        fn bring(&self, pieces: Vec<Piece>) -> BoxFuture<'_, Result<Vec<Piece>, Error>> {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            pieces.iter().for_each(|piece| kept.extend_from_slice(piece.as_ref()));
            Box::pin(std::future::ready(Ok(pieces)))
        }
    }

    fn options(format: TableFormat) -> EncodeOptions {
        EncodeOptions {
            format,
            compression: None,
            row_group_rows: None,
            delimiter: b',',
            header: true,
            null_value: String::new(),
            plain: false,
        }
    }

    fn message(rows: i32) -> Vec<u8> {
        let numbers = Int32Array::from_iter((0..rows).map(|row| (row % 3 != 0).then_some(row)));
        let texts = StringArray::from_iter_values((0..rows).map(|row| format!("row {row}")));
        let batch = RecordBatch::try_from_iter([
            ("n", Arc::new(numbers) as _),
            ("t", Arc::new(texts) as _),
        ]);
        let batch = batch.unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    }

    async fn written(format: TableFormat, messages: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
        encoded(options(format), messages).await
    }

    async fn encoded(options: EncodeOptions, messages: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
        let kept = Arc::new(Kept::default());
        let mut encoder = Encoder::new(options, Arc::clone(&kept) as _, 1 << 30)?;
        for message in messages {
            encoder.take(Buffer::from_vec(message.clone())?).await?;
        }
        encoder.end().await?;
        let kept = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.clone())
    }

    const FORMATS: [TableFormat; 6] = [
        TableFormat::Parquet,
        TableFormat::Arrow,
        TableFormat::ArrowStream,
        TableFormat::Csv,
        TableFormat::Ndjson,
        TableFormat::Json,
    ];

    #[tokio::test]
    async fn a_series_becomes_one_file() {
        let csv = written(TableFormat::Csv, &[message(2), message(1)]).await.unwrap();
        assert_eq!(String::from_utf8(csv).unwrap(), "n,t\n,row 0\n1,row 1\n,row 0\n");
        let lines = written(TableFormat::Ndjson, &[message(2)]).await.unwrap();
        let expected = "{\"n\":null,\"t\":\"row 0\"}\n{\"n\":1,\"t\":\"row 1\"}\n";
        assert_eq!(String::from_utf8(lines).unwrap(), expected);
        let array = written(TableFormat::Json, &[message(2), message(1)]).await.unwrap();
        let expected = r#"[{"n":null,"t":"row 0"},{"n":1,"t":"row 1"},{"n":null,"t":"row 0"}]"#;
        assert_eq!(String::from_utf8(array).unwrap(), expected);
        assert_eq!(written(TableFormat::Json, &[message(0)]).await.unwrap(), b"[]");
        let parquet = written(TableFormat::Parquet, &[message(100_000), message(7)]).await.unwrap();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(
            Bytes::from(parquet),
        );
        assert_eq!(reader.unwrap().metadata().file_metadata().num_rows(), 100_007);
        let file = written(TableFormat::Arrow, &[message(5), message(6)]).await.unwrap();
        let reader = arrow_ipc::reader::FileReader::try_new(io::Cursor::new(file), None).unwrap();
        assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).collect::<Vec<_>>(), [5, 6]);
    }

    #[tokio::test]
    async fn what_is_no_table_is_an_error() {
        let whole = message(50);
        for format in FORMATS {
            assert!(written(format, &[]).await.is_err());
            assert!(written(format, &[b"no table".to_vec()]).await.is_err());
            // A stream that is cut short, and one whose bits are turned.
            for cut in (0..whole.len()).step_by(7) {
                let mut short = whole.clone();
                short.truncate(cut);
                let _ = written(format, &[short]).await;
                let mut turned = whole.clone();
                turned[cut] ^= 0x55;
                let _ = written(format, &[turned]).await;
            }
        }
    }

    /// Batches of many types: with and without nulls, cut from the middle of others, and empty.
    fn all_types() -> Vec<RecordBatch> {
        use arrow_array::types::Int32Type;
        use arrow_array::{
            BooleanArray, Decimal128Array, FixedSizeBinaryArray, Float64Array, ListArray,
            NullArray, StringViewArray, StructArray, TimestampMicrosecondArray,
        };
        let some = |row: &i32| row % 3 != 0;
        let rows = 0..50;
        let word = |row: i32| (row % 3 != 0).then(|| "w\u{f6}rd".repeat(row as usize % 6));
        let texts: StringArray = rows.clone().map(word).collect();
        let lists = rows.clone().map(|row| some(&row).then(|| vec![Some(row), None]));
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
        let inner: arrow_array::ArrayRef = Arc::new(texts.clone());
        let field = Arc::new(Field::new("t", DataType::Utf8, true));
        let bytes = rows.clone().map(|row| some(&row).then_some([row as u8; 3]));
        let numbers = rows.clone().map(|row| some(&row).then_some(f64::from(row) / 8.0));
        let words = DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8));
        let columns: Vec<(&str, arrow_array::ArrayRef)> = vec![
            (
                "n",
                Arc::new(Int32Array::from_iter(rows.clone().map(|row| some(&row).then_some(row)))),
            ),
            ("whole", Arc::new(Int32Array::from_iter_values(rows.clone()))),
            ("f", Arc::new(Float64Array::from_iter(numbers))),
            ("b", Arc::new(BooleanArray::from_iter(rows.clone().map(|row| Some(row % 2 == 0))))),
            ("t", Arc::new(texts.clone())),
            ("view", Arc::new(rows.clone().map(word).collect::<StringViewArray>())),
            ("words", arrow_cast::cast(&texts, &words).unwrap()),
            ("list", Arc::new(lists)),
            ("nested", Arc::new(StructArray::from(vec![(field, inner)]))),
            (
                "fixed",
                Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 3).unwrap()),
            ),
            ("money", Arc::new(Decimal128Array::from_iter_values(rows.clone().map(i128::from)))),
            (
                "moment",
                Arc::new(TimestampMicrosecondArray::from_iter_values(rows.clone().map(i64::from))),
            ),
            ("null", Arc::new(NullArray::new(rows.len()))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        vec![batch.slice(7, 30), batch.slice(0, 0), batch.slice(0, 1), batch]
    }

    #[tokio::test]
    async fn what_is_written_is_what_came() {
        let batches = all_types();
        let schema = batches[0].schema();
        let joined = |batches: &[RecordBatch]| {
            arrow_select::concat::concat_batches(&schema, batches).unwrap()
        };
        let message = |batch: &RecordBatch| {
            let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
            writer.write(batch).unwrap();
            writer.finish().unwrap();
            writer.into_inner().unwrap()
        };
        // A file has one dictionary, a stream may have others later.
        for (format, batches) in [
            (TableFormat::Arrow, batches.get(3..).unwrap()),
            (TableFormat::ArrowStream, &batches),
            (TableFormat::Parquet, &batches),
        ] {
            for compression in [None, Some("zstd"), Some("lz4")] {
                let options = EncodeOptions {
                    compression: compression.map(str::to_owned),
                    row_group_rows: Some(17),
                    ..options(format)
                };
                let messages: Vec<_> = batches.iter().map(message).collect();
                let bytes = encoded(options, &messages).await.unwrap();
                let read: Vec<RecordBatch> = match format {
                    TableFormat::Arrow => {
                        let reader =
                            arrow_ipc::reader::FileReader::try_new(io::Cursor::new(bytes), None);
                        reader.unwrap().map(Result::unwrap).collect()
                    }
                    TableFormat::ArrowStream => {
                        let reader =
                            arrow_ipc::reader::StreamReader::try_new(io::Cursor::new(bytes), None);
                        reader.unwrap().map(Result::unwrap).collect()
                    }
                    _ => {
                        let reader =
                            parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(
                                Bytes::from(bytes),
                            );
                        let reader = reader.unwrap();
                        let groups = reader.metadata().row_groups().iter();
                        let rows: Vec<_> = groups.map(|group| group.num_rows()).collect();
                        assert_eq!(rows, [17, 17, 17, 17, 13]);
                        reader.build().unwrap().map(Result::unwrap).collect()
                    }
                };
                // Parquet does not keep which of several types of texts it was.
                let told = |batch: &RecordBatch| format!("{:?}", batch.columns());
                assert_eq!(
                    told(&joined(&read)),
                    told(&joined(batches)),
                    "{format:?} {compression:?}"
                );
                if format != TableFormat::Parquet {
                    assert_eq!(read.len(), batches.len());
                }
            }
        }
    }

    #[tokio::test]
    async fn a_file_with_two_dictionaries_is_refused() {
        let mut messages = Vec::new();
        for word in ["a", "b"] {
            let words = DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8));
            let words = arrow_cast::cast(&StringArray::from(vec![word]), &words).unwrap();
            let batch = RecordBatch::try_from_iter([("w", words)]).unwrap();
            let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            messages.push(writer.into_inner().unwrap());
        }
        assert!(written(TableFormat::Arrow, &messages).await.is_err());
        assert!(
            written(TableFormat::Arrow, &[messages[0].clone(), messages[0].clone()]).await.is_ok()
        );
        assert!(written(TableFormat::ArrowStream, &messages).await.is_ok());
    }

    /// Refuses all that comes.
    struct Full;

    impl PieceSink for Full {
        fn bring(&self, _pieces: Vec<Piece>) -> BoxFuture<'_, Result<Vec<Piece>, Error>> {
            let full = Error::new(Status::FileFailed, "the disk is full");
            Box::pin(std::future::ready(Err(full)))
        }
    }

    #[tokio::test]
    async fn what_fails_later_is_told() {
        for format in FORMATS {
            let mut encoder = Encoder::new(options(format), Arc::new(Full), 1 << 30).unwrap();
            let mut told = Ok(());
            for _ in 0..5 {
                told = encoder.take(Buffer::from_vec(message(100_000)).unwrap()).await;
                if told.is_err() {
                    break;
                }
            }
            if told.is_ok() {
                told = encoder.end().await;
            }
            assert_eq!(told.unwrap_err().status, Status::FileFailed, "{format:?}");
        }
    }
}
