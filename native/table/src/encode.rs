//! Tables that are written: batches come as Arrow IPC, bytes of a file go.
//!
//! An encoder holds what its format needs to: of Parquet the row group that fills, of the
//! others nothing between two batches. Long batches are encoded in steps, so that what is
//! encoded and not yet taken stays short.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer as ArrowBuffer;
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_json::writer::{
    JsonArray, LineDelimited, Writer as JsonWriter, WriterBuilder as JsonBuilder,
};
use arrow_schema::{
    ArrowError, DataType, Field, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit, UnionFields,
};
use bytes::Bytes;
use dipper_core::{Buffer, Error, Status};
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::csv_rows::CsvRows;
use crate::error::joined;
use crate::json_times::Times;

/// So many rows are encoded before what they became is taken.
const STEP: usize = 1 << 16;
/// A row group of Parquet has no more rows than this, unless the caller says so.
const GROUP_ROWS: usize = 1 << 20;
/// A row group is held until it is full: no longer than it has so many bytes.
const GROUP_BYTES: usize = 128 << 20;

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

/// Where writers write, and what was not taken from there.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl Out {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where text is written, which may be compressed as a whole.
enum TextOut {
    Plain(Out),
    Gzip(Box<GzEncoder<Out>>),
    Zstd(Box<zstd::Encoder<'static, Out>>),
}

impl TextOut {
    fn new(out: Out, options: &EncodeOptions) -> Result<Self, Error> {
        let begun = |error| Error::internal(format!("zstd cannot be set up: {error}"));
        Ok(match options.compression.as_deref() {
            None | Some("none") => Self::Plain(out),
            Some("gzip") => Self::Gzip(Box::new(GzEncoder::new(out, Default::default()))),
            Some("zstd") => {
                let mut encoder = zstd::Encoder::new(out, 0).map_err(begun)?;
                encoder.include_checksum(true).map_err(begun)?;
                Self::Zstd(Box::new(encoder))
            }
            Some(other) => return Err(unknown(options.format, other, "gzip, zstd or none")),
        })
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(encoder) => encoder.finish().map(drop),
            Self::Zstd(encoder) => encoder.finish().map(drop),
        }
    }
}

impl Write for TextOut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // Nothing is gained by blocks that end early.
        Ok(())
    }
}

enum Writer {
    Parquet(Box<ArrowWriter<Out>>),
    Arrow(Box<FileWriter<Out>>),
    ArrowStream(Box<StreamWriter<Out>>),
    Csv(CsvRows, TextOut),
    Ndjson(Box<JsonWriter<TextOut, LineDelimited>>),
    Json(Box<JsonWriter<TextOut, JsonArray>>),
}

/// A table that is being written.
pub struct Encoder {
    options: EncodeOptions,
    out: Out,
    /// From the first batch on: as it comes, as it is written, and who writes it.
    begun: Option<(SchemaRef, SchemaRef, Writer)>,
    waiting: VecDeque<RecordBatch>,
    /// Who writes times as JSON.
    times: Times,
}

/// What an encoder does next.
enum Step {
    Take(Arc<Buffer>),
    Encode,
    End,
}

impl Encoder {
    /// Prepares an encoder.
    ///
    /// # Errors
    /// `InvalidInput` for a compression that the format does not have.
    pub fn new(options: EncodeOptions) -> Result<Self, Error> {
        match options.format {
            TableFormat::Parquet => {
                parquet_compression(options.compression.as_deref())?;
            }
            TableFormat::Arrow | TableFormat::ArrowStream => {
                ipc_options(&options)?;
            }
            _ => {
                TextOut::new(Out::default(), &options)?;
            }
        }
        let (out, waiting) = (Out::default(), VecDeque::new());
        Ok(Self { options, out, begun: None, waiting, times: Times::default() })
    }

    /// Takes a stream of Arrow IPC, schema included. [`encoded`](Self::encoded) tells what
    /// becomes of it. The memory must not change meanwhile.
    ///
    /// # Errors
    /// `InvalidInput` for what is no such stream, for columns that are others than before, and
    /// `Unsupported` for what the format has no place for.
    pub async fn take(self, stream: Arc<Buffer>) -> Result<Self, Error> {
        Ok(self.step(Step::Take(stream)).await?.0)
    }

    /// Encodes a part of what was taken: the next bytes, and whether there may be more.
    ///
    /// # Errors
    /// `InvalidInput` and `Unsupported` for values that the format has no place for.
    pub async fn encoded(self) -> Result<(Self, Option<Vec<u8>>), Error> {
        if self.waiting.is_empty() {
            return Ok((self, None));
        }
        let (encoder, bytes) = self.step(Step::Encode).await?;
        Ok((encoder, Some(bytes)))
    }

    /// Ends the file: its last bytes.
    ///
    /// # Errors
    /// `InvalidInput` when nothing was taken: a file needs columns.
    pub async fn end(self) -> Result<Vec<u8>, Error> {
        Ok(self.step(Step::End).await?.1)
    }

    /// On a thread that may compute for long.
    async fn step(mut self, step: Step) -> Result<(Self, Vec<u8>), Error> {
        let format = self.options.format.shown();
        let work = tokio::task::spawn_blocking(move || {
            match step {
                // What opening the file wrote goes with what comes next.
                Step::Take(stream) => {
                    self.decode(&stream)?;
                    return Ok((self, Vec::new()));
                }
                Step::Encode => self.encode()?,
                Step::End => self.finish()?,
            }
            let bytes = self.out.take();
            Ok((self, bytes))
        });
        joined(format, work.await)
    }

    fn decode(&mut self, stream: &Arc<Buffer>) -> Result<(), Error> {
        let memory = Bytes::from_owner(Lent(Arc::clone(stream)));
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
        let (given, written) = self.begin(&schema)?;
        for batch in batches {
            let batch = as_begun(batch, &given, &written)?;
            let rows = batch.num_rows();
            if matches!(self.options.format, TableFormat::Arrow | TableFormat::ArrowStream) {
                self.waiting.push_back(batch);
                continue;
            }
            for start in (0..rows).step_by(STEP) {
                self.waiting.push_back(batch.slice(start, STEP.min(rows - start)));
            }
        }
        Ok(())
    }

    /// The schema as it came first, and as it is written. The first one opens the file.
    fn begin(&mut self, schema: &SchemaRef) -> Result<(SchemaRef, SchemaRef), Error> {
        if let Some((given, written, _)) = &self.begun {
            compared(given, schema)?;
            return Ok((Arc::clone(given), Arc::clone(written)));
        }
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
        let written = match self.options.plain {
            true => rewritten(schema, &without_dictionary),
            false => Arc::clone(schema),
        };
        let written = match self.options.format {
            TableFormat::Parquet => rewritten(&written, &as_parquet_tells),
            _ => written,
        };
        let writer = self.open(&written)?;
        self.begun = Some((Arc::clone(schema), Arc::clone(&written), writer));
        Ok((Arc::clone(schema), written))
    }

    fn open(&self, schema: &SchemaRef) -> Result<Writer, Error> {
        let out = self.out.clone();
        let options = &self.options;
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
        Ok(match options.format {
            TableFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_created_by("dipper".to_owned())
                    .set_compression(parquet_compression(options.compression.as_deref())?)
                    .set_max_row_group_row_count(Some(
                        options.row_group_rows.unwrap_or(GROUP_ROWS).max(1),
                    ))
                    .set_max_row_group_bytes(Some(GROUP_BYTES))
                    .build();
                let writer = ArrowWriter::try_new(out, Arc::clone(schema), Some(properties));
                Writer::Parquet(Box::new(writer.map_err(|error| of_parquet(&error))?))
            }
            TableFormat::Arrow => {
                let writer = FileWriter::try_new_with_options(out, schema, ipc_options(options)?);
                Writer::Arrow(Box::new(writer.map_err(|error| self.refused(&error))?))
            }
            TableFormat::ArrowStream => {
                let writer = StreamWriter::try_new_with_options(out, schema, ipc_options(options)?);
                Writer::ArrowStream(Box::new(writer.map_err(|error| self.refused(&error))?))
            }
            TableFormat::Csv => {
                let columns = schema.fields().len();
                let rows = CsvRows::new(options.delimiter, &options.null_value, columns);
                let mut out = TextOut::new(out, options)?;
                // Names are there without rows, too.
                if options.header {
                    let wrote = out.write_all(&rows.names(schema));
                    wrote.map_err(|error| self.refused(&error.into()))?;
                }
                Writer::Csv(rows, out)
            }
            TableFormat::Ndjson => {
                let out = TextOut::new(out, options)?;
                Writer::Ndjson(Box::new(self.json().build(out)))
            }
            TableFormat::Json => {
                let out = TextOut::new(out, options)?;
                Writer::Json(Box::new(self.json().build(out)))
            }
        })
    }

    fn json(&self) -> JsonBuilder {
        JsonBuilder::new()
            .with_explicit_nulls(true)
            .with_encoder_factory(Arc::new(self.times.clone()))
    }

    fn encode(&mut self) -> Result<(), Error> {
        let Some(batch) = self.waiting.pop_front() else { return Ok(()) };
        let Some((_, _, writer)) = &mut self.begun else { return Ok(()) };
        let wrote = match writer {
            Writer::Parquet(writer) => {
                return writer.write(&batch).map_err(|error| of_parquet(&error));
            }
            Writer::Arrow(writer) => writer.write(&batch),
            Writer::ArrowStream(writer) => writer.write(&batch),
            Writer::Csv(rows, out) => {
                rows.rows(&batch).and_then(|lines| Ok(out.write_all(&lines)?))
            }
            Writer::Ndjson(writer) => writer.write(&batch).and_then(|()| self.times.checked()),
            Writer::Json(writer) => writer.write(&batch).and_then(|()| self.times.checked()),
        };
        wrote.map_err(|error| self.refused(&error))
    }

    fn finish(&mut self) -> Result<(), Error> {
        let Some((_, _, writer)) = self.begun.take() else {
            return Err(Error::invalid("there is no table to write: nothing came")
                .hint("yield at least one table; it may have no rows"));
        };
        let ended = match writer {
            Writer::Parquet(mut writer) => {
                return writer.finish().map(drop).map_err(|error| of_parquet(&error));
            }
            Writer::Arrow(mut writer) => writer.finish(),
            Writer::ArrowStream(mut writer) => writer.finish(),
            Writer::Csv(_, out) => out.finish().map_err(ArrowError::from),
            Writer::Ndjson(mut writer) => {
                writer.finish().and_then(|()| Ok(writer.into_inner().finish()?))
            }
            Writer::Json(mut writer) => {
                writer.finish().and_then(|()| Ok(writer.into_inner().finish()?))
            }
        };
        ended.map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &ArrowError) -> Error {
        Error::new(
            Status::Unsupported,
            format!("this table cannot be written as {}: {error}", self.options.format.shown()),
        )
    }
}

/// Memory of JavaScript's, for as long as arrays lie in it.
struct Lent(Arc<Buffer>);

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
    use arrow_array::{Int32Array, StringArray};

    use super::*;

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
        let mut encoder = Encoder::new(options(format))?;
        let mut bytes = Vec::new();
        for message in messages {
            encoder = encoder.take(Buffer::from_vec(message.clone())?).await?;
            loop {
                let (again, more) = encoder.encoded().await?;
                encoder = again;
                let Some(more) = more else { break };
                bytes.extend(more);
            }
        }
        bytes.extend(encoder.end().await?);
        Ok(bytes)
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
}
