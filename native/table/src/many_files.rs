//! Many files as one table: their columns by name, and the columns that their folders tell.
//!
//! First the schema of each file is read, several at a time, and one schema is made that holds
//! what all of them hold. Then the files are read in their order, and what each gives becomes
//! that schema. A file is opened again when its turn comes, so that of thousands of files no more
//! than their schemas is held; of the first Parquet files the ends are kept, so that few of them are
//! asked for twice.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{
    ArrayRef, Date32Array, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    UInt64Array, new_null_array,
};
use arrow_cast::parse::Parser;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use dipper_core::{Client, Error, Gate, Metrics, Source};
use futures::{StreamExt, TryStreamExt};
use tokio_util::task::AbortOnDropHandle;

use crate::ahead::limit;
use crate::error::joined;
use crate::filter::{Filter, Statistics};
use crate::format::Format;
use crate::parquet_file::{Begun, open_begun};
use crate::stream::{Decoded, OpenRequest, Opened, open_one};

/// So many files are looked at beside each other, where there is memory for it.
const LOOKED_AT: u64 = 16;
/// So many files are open at once, that one included whose turn it is.
const OPEN: u64 = 2;
/// Of so many Parquet files the ends are kept, where there is memory for it.
const KEPT: u64 = 64;
/// What is kept takes no more than this part of what may be held.
const KEPT_SHARE: u64 = 32;
/// What an open file may hold: text waits for memory while it holds some. Files that are open
/// beside each other must never wait for what the others hold.
const HELD: u64 = 64 << 20;

/// So many files may be open at once, of which `most` are wanted.
fn beside(client: Option<&Arc<Client>>, most: u64) -> usize {
    usize::try_from((limit(client) / HELD).clamp(1, most)).unwrap_or(1)
}

/// Of so many the ends may be kept.
fn kept(client: Option<&Arc<Client>>) -> usize {
    let fit = limit(client) / KEPT_SHARE / Begun::LENGTH;
    usize::try_from(fit.min(KEPT)).unwrap_or(0)
}

/// A file of a table.
#[derive(Clone, Debug)]
pub struct TableFile {
    /// Where it is.
    pub source: Source,
    /// What its folders tell: names and values.
    pub partitions: Vec<(String, Option<String>)>,
}

/// Opens files as one.
pub(crate) async fn open_many(
    client: Option<&Arc<Client>>,
    mut request: OpenRequest,
) -> Result<Opened, Error> {
    let files = std::mem::take(&mut request.files);
    let folders = partitions(&files)?;
    let files = Arc::new(files);
    // What folders tell may leave out most of the files before any of them is opened.
    let all: Vec<usize> = (0..files.len()).collect();
    let filter = request.filter.as_deref();
    let nothing = Schema::empty();
    let chosen = filter
        .map_or_else(|| all.clone(), |filter| filter_folders(filter, &nothing, &folders, &all));
    // Where none is left, the first tells the columns.
    let shows = chosen.first().copied().unwrap_or(0);
    let first = look(client, &request, &files, &folders, &[shows]).await?;
    let chosen = match (filter, first.first()) {
        (Some(filter), Some(first)) => filter_folders(filter, &first.schema, &folders, &chosen),
        _ => chosen,
    };
    let rest: Vec<usize> = chosen.iter().copied().filter(|file| *file != shows).collect();
    let mut looked = first;
    looked.extend(look(client, &request, &files, &folders, &rest).await?);
    let stat = match looked.first() {
        Some(first) => first.stat.clone(),
        None => return Err(Error::invalid("there are no files")),
    };
    let names = request.columns.clone();
    let whole = unified(&files, &looked, &folders, names.as_deref())?;
    if let Some(columns) = &names {
        for name in columns {
            known(&whole, name)?;
        }
    }
    let told = match &names {
        Some(columns) => projected(&whole, columns),
        None => Arc::clone(&whole),
    };
    let metrics = Arc::new(Mutex::new(Counted::default()));
    for file in &looked {
        counted(&metrics).ended.add(&file.metrics);
    }
    // Each is opened again. How many of them a limit needs, nobody knows.
    let total = looked
        .iter()
        .map(|file| {
            let again = file.total?.saturating_sub(file.begun.as_ref().map_or(0, Begun::length));
            Some(file.metrics.bytes.saturating_add(again))
        })
        .try_fold(0_u64, |sum, bytes| bytes.map(|bytes| sum.saturating_add(bytes)))
        .filter(|_| request.limit.is_none());
    let mut schemas: HashMap<usize, SchemaRef> = HashMap::new();
    let mut begun = HashMap::new();
    for file in looked {
        schemas.insert(file.index, file.schema);
        begun.extend(file.begun.map(|end| (file.index, end)));
    }
    let plan = Arc::new(Plan {
        client: client.cloned(),
        template: request,
        files,
        folders,
        schemas,
        begun: Mutex::new(begun),
        told: Arc::clone(&told),
        metrics: Arc::clone(&metrics),
    });
    let batches = futures::stream::iter(chosen)
        .map(move |file| {
            let plan = Arc::clone(&plan);
            let open = async move { plan.open(file).await };
            let open = match Gate::current() {
                Some(gate) => tokio::spawn(gate.around(open)),
                None => tokio::spawn(open),
            };
            let open = AbortOnDropHandle::new(open);
            async move { joined("table", open.await) }
        })
        .buffered(beside(client, OPEN))
        .try_flatten()
        .boxed();
    let metrics: Arc<dyn Fn() -> Metrics + Send + Sync> = {
        let metrics = Arc::clone(&metrics);
        Arc::new(move || counted(&metrics).sum())
    };
    Ok(Opened { schema: told, stat, rows: None, total, batches, metrics })
}

/// What was read of files that are done, and of those that are not: what tells it holds a file open,
/// with the text that it has read ahead.
#[derive(Default)]
struct Counted {
    ended: Metrics,
    open: HashMap<usize, Arc<dyn Fn() -> Metrics + Send + Sync>>,
}

impl Counted {
    fn sum(&self) -> Metrics {
        let mut sum = self.ended;
        for open in self.open.values() {
            sum.add(&open());
        }
        sum
    }

    fn end(&mut self, index: usize) {
        if let Some(open) = self.open.remove(&index) {
            self.ended.add(&open());
        }
    }
}

fn counted(metrics: &Mutex<Counted>) -> std::sync::MutexGuard<'_, Counted> {
    metrics.lock().unwrap_or_else(PoisonError::into_inner)
}

// -- what folders tell ----------------------------------------------------------------------------

/// The columns that folders tell.
struct Folders {
    fields: Vec<FieldRef>,
    /// Of each column the value in each file.
    values: Vec<ArrayRef>,
}

/// Types what folders tell: whole numbers, dates, or texts.
fn partitions(files: &[TableFile]) -> Result<Folders, Error> {
    let mut fields = Vec::new();
    let mut values = Vec::new();
    let Some(first) = files.first() else { return Ok(Folders { fields, values }) };
    for (column, (name, _)) in first.partitions.iter().enumerate() {
        let mut texts = Vec::with_capacity(files.len());
        for file in files {
            match file.partitions.get(column) {
                Some((same, value)) if same == name => texts.push(value.as_deref()),
                _ => {
                    return Err(Error::invalid(format!(
                        "{} is not in a folder \"{name}=…\", and {} is",
                        file.source.shown(),
                        first.source.shown()
                    ))
                    .hint("read files with the same kinds of folders, or set { hive: false }"));
                }
            }
        }
        let array = typed(&texts);
        fields.push(Arc::new(Field::new(name, array.data_type().clone(), true)));
        values.push(array);
    }
    if let Some(other) = files.iter().find(|file| file.partitions.len() != fields.len()) {
        return Err(Error::invalid(format!(
            "{} is in other kinds of folders than {}",
            other.source.shown(),
            first.source.shown()
        ))
        .hint("read files with the same kinds of folders, or set { hive: false }"));
    }
    Ok(Folders { fields, values })
}

fn typed(texts: &[Option<&str>]) -> ArrayRef {
    /// All of the values, or nothing where one is none.
    fn all<T>(texts: &[Option<&str>], of: impl Fn(&str) -> Option<T>) -> Option<Vec<Option<T>>> {
        texts.iter().map(|text| text.map_or(Some(None), |text| of(text).map(Some))).collect()
    }
    // `007` is a name, and no number.
    let number = |text: &str| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = digits == "0" || !digits.starts_with('0');
        (plain && digits.bytes().all(|digit| digit.is_ascii_digit()))
            .then(|| text.parse::<i64>().ok())
            .flatten()
    };
    if texts.iter().any(Option::is_some) {
        if let Some(numbers) = all(texts, |text| number(text).and_then(|n| i32::try_from(n).ok())) {
            return Arc::new(Int32Array::from(numbers));
        }
        if let Some(numbers) = all(texts, number) {
            return Arc::new(Int64Array::from(numbers));
        }
        let date = |text: &str| {
            (text.len() == 10 && text.as_bytes().get(4) == Some(&b'-'))
                .then(|| arrow_array::types::Date32Type::parse(text))
                .flatten()
        };
        if let Some(dates) = all(texts, date) {
            return Arc::new(Date32Array::from(dates));
        }
    }
    Arc::new(StringArray::from(texts.to_vec()))
}

/// The files that a condition does not leave out by what their folders tell.
fn filter_folders(
    filter: &Filter,
    schema: &Schema,
    folders: &Folders,
    files: &[usize],
) -> Vec<usize> {
    if folders.fields.is_empty() {
        return files.to_vec();
    }
    let fields: Vec<FieldRef> = schema.fields().iter().chain(&folders.fields).cloned().collect();
    // A column that the schema lacks may be in another file: then nothing is known yet.
    let Ok(bound) = filter.bind(&Schema::new(fields)) else { return files.to_vec() };
    let known = |name: &str| {
        let column = folders.fields.iter().position(|field| field.name() == name)?;
        let indices: UInt64Array = files.iter().map(|file| *file as u64).collect();
        let values = arrow_select::take::take(folders.values.get(column)?, &indices, None).ok()?;
        let nulls = (0..values.len()).map(|file| u64::from(values.is_null(file)));
        Some(Statistics {
            min: Some(Arc::clone(&values)),
            max: Some(Arc::clone(&values)),
            nulls: Some(nulls.collect::<UInt64Array>()),
        })
    };
    let could = bound.could_match(&vec![1; files.len()], &known);
    files.iter().copied().zip(could).filter(|(_, could)| *could).map(|(file, _)| file).collect()
}

// -- one schema -----------------------------------------------------------------------------------

/// A file that was looked at.
struct Looked {
    index: usize,
    /// Without what its folders tell.
    schema: SchemaRef,
    /// Whether its types are those of its values.
    text: bool,
    stat: dipper_core::Stat,
    /// How many bytes its wanted columns take, with what tells its schema.
    total: Option<u64>,
    metrics: Metrics,
    /// Its end, where it is kept.
    begun: Option<Begun>,
}

/// Reads the schemas of files.
async fn look(
    client: Option<&Arc<Client>>,
    request: &OpenRequest,
    files: &Arc<Vec<TableFile>>,
    folders: &Folders,
    which: &[usize],
) -> Result<Vec<Looked>, Error> {
    let told: HashSet<&str> = folders.fields.iter().map(|field| field.name().as_str()).collect();
    let keep = kept(client);
    let looks: Vec<_> = which
        .iter()
        .filter_map(|index| files.get(*index).map(|file| (*index, file.source.clone())))
        .map(|(index, source)| {
            let shown = source.shown();
            let weighed = request.columns.clone();
            let request = OpenRequest { source, filter: None, limit: None, ..request.clone() };
            let request = OpenRequest { columns: None, weighed, only_schema: true, ..request };
            let text = request.told_format().is_some_and(Format::is_text);
            let client = client.cloned();
            async move {
                let opened = look_at(client.as_ref(), request, index < keep).await;
                let (opened, begun) = opened.map_err(|error| of_file(error, &shown))?;
                Ok((index, text, opened, begun))
            }
        })
        .collect();
    let mut same: HashSet<SchemaRef> = HashSet::new();
    futures::stream::iter(looks)
        .buffered(beside(client, LOOKED_AT))
        .map_ok(|(index, text, opened, begun)| {
            let schema = &opened.schema;
            let fields: Vec<FieldRef> = schema
                .fields()
                .iter()
                .filter(|field| !told.contains(field.name().as_str()))
                .cloned()
                .collect();
            let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
            // Thousands of files most often have one.
            let schema = same.get(&schema).cloned().unwrap_or_else(|| {
                same.insert(Arc::clone(&schema));
                schema
            });
            let Opened { stat, total, metrics, .. } = opened;
            Looked { index, schema, text, stat, total, metrics: metrics(), begun }
        })
        .try_collect()
        .await
}

/// Opens a file, and keeps its end if that is wanted and it is Parquet.
async fn look_at(
    client: Option<&Arc<Client>>,
    request: OpenRequest,
    keep: bool,
) -> Result<(Opened, Option<Begun>), Error> {
    if !keep || request.told_format() != Some(Format::Parquet) {
        return Ok((open_one(client, request).await?, None));
    }
    let begun = Begun::read(client, request.source.clone()).await?;
    let again = begun.again();
    Ok((open_begun(begun, request).await?, Some(again)))
}

/// The schema that holds what all of them hold: columns by name, in the order in which they come,
/// and behind them what folders tell. Those that are not `wanted` may be of any types.
fn unified(
    files: &[TableFile],
    looked: &[Looked],
    folders: &Folders,
    wanted: Option<&[String]>,
) -> Result<SchemaRef, Error> {
    let mut fields: Vec<Field> = Vec::new();
    let mut places: HashMap<String, (usize, usize)> = HashMap::new();
    let mut done: Option<&SchemaRef> = None;
    let text = looked.iter().all(|file| file.text);
    for file in looked {
        if done.is_some_and(|done| Arc::ptr_eq(done, &file.schema)) {
            continue;
        }
        done = Some(&file.schema);
        let mut seen = HashSet::new();
        for field in file.schema.fields() {
            if !seen.insert(field.name()) {
                return Err(Error::invalid(format!(
                    "{} has several columns {:?}",
                    shown(files, file.index),
                    field.name()
                ))
                .hint("files are put together by the names of their columns; read it alone"));
            }
            let Some((place, teller)) = places.get(field.name()).copied() else {
                places.insert(field.name().clone(), (fields.len(), file.index));
                fields.push(field.as_ref().clone().with_nullable(true));
                continue;
            };
            let Some(known) = fields.get_mut(place) else { continue };
            let (one, other) = (known.data_type(), field.data_type());
            let Some(kind) = widened(one, other).or_else(|| widened_text(one, other, text)) else {
                if wanted.is_some_and(|wanted| !wanted.contains(field.name())) {
                    continue;
                }
                return Err(Error::invalid(format!(
                    "column {:?} is {} in {}, and {} in {}",
                    field.name(),
                    known.data_type(),
                    shown(files, teller),
                    field.data_type(),
                    shown(files, file.index)
                ))
                .hint("name the columns that are wanted without it, or read these files apart"));
            };
            known.set_data_type(kind);
        }
    }
    // Text without a value in any of them is text, as it is in one.
    if looked.iter().any(|file| file.text) {
        let unseen = fields.iter_mut().filter(|field| field.data_type().is_null());
        unseen.for_each(|field| field.set_data_type(DataType::Utf8));
    }
    let metadata = looked.first().map(|first| first.schema.metadata().clone()).unwrap_or_default();
    let fields = fields.into_iter().map(Arc::new).chain(folders.fields.iter().cloned());
    Ok(Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata)))
}

/// An error that says which of the files it is about.
fn of_file(error: Error, shown: &str) -> Error {
    let message = match error.message.contains(shown) {
        true => error.message,
        false => format!("{shown}: {}", error.message),
    };
    Error { message, ..error }.about(shown)
}

fn shown(files: &[TableFile], index: usize) -> String {
    files.get(index).map(|file| file.source.shown()).unwrap_or_default()
}

/// The type that holds what both hold, exactly; but 64-bit integers beside doubles are doubles.
fn widened(one: &DataType, other: &DataType) -> Option<DataType> {
    use DataType::{
        Binary, BinaryView, Date32, Date64, Dictionary, Float32, Float64, Int16, Int32, Int64,
        LargeBinary, LargeUtf8, Null, Timestamp, UInt8, UInt16, UInt32, Utf8, Utf8View,
    };
    if one.equals_datatype(other) {
        return Some(one.clone());
    }
    let text = |kind: &DataType| matches!(kind, Utf8 | LargeUtf8 | Utf8View);
    let bytes = |kind: &DataType| matches!(kind, Binary | LargeBinary | BinaryView);
    match (one, other) {
        (Null, kind) | (kind, Null) => Some(kind.clone()),
        (Dictionary(_, value), kind) | (kind, Dictionary(_, value)) => widened(value, kind),
        (one, other) if text(one) && text(other) => Some(LargeUtf8),
        (one, other) if bytes(one) && bytes(other) => Some(LargeBinary),
        (one, other) if one.is_floating() && other.is_floating() => {
            let wide = [one, other].contains(&&Float64);
            Some(if wide { Float64 } else { Float32 })
        }
        (float, integer) | (integer, float) if float.is_floating() && integer.is_integer() => {
            // 16-bit integers fit into 32-bit floats.
            let small = integer.primitive_width().is_some_and(|width| width <= 2);
            Some(if small && float != &Float64 { Float32 } else { Float64 })
        }
        (one, other) if one.is_integer() && other.is_integer() => {
            let width = |kind: &DataType| kind.primitive_width().unwrap_or(8);
            if one.is_signed_integer() == other.is_signed_integer() {
                return Some(if width(one) >= width(other) { one } else { other }.clone());
            }
            let unsigned = if one.is_signed_integer() { other } else { one };
            let signed = if one.is_signed_integer() { one } else { other };
            let fits = match unsigned {
                UInt8 => Int16,
                UInt16 => Int32,
                UInt32 => Int64,
                // No integer holds both.
                _ => return None,
            };
            Some(if width(signed) > width(&fits) { signed.clone() } else { fits })
        }
        (Timestamp(one, zone), Timestamp(other, second)) if zone.is_some() == second.is_some() => {
            let finest = match (one, other) {
                (TimeUnit::Nanosecond, _) | (_, TimeUnit::Nanosecond) => TimeUnit::Nanosecond,
                (TimeUnit::Microsecond, _) | (_, TimeUnit::Microsecond) => TimeUnit::Microsecond,
                (TimeUnit::Millisecond, _) | (_, TimeUnit::Millisecond) => TimeUnit::Millisecond,
                _ => TimeUnit::Second,
            };
            Some(Timestamp(finest, zone.clone()))
        }
        (Date32, Date64) | (Date64, Date32) => Some(Date64),
        _ => None,
    }
}

/// As well, of columns whose types are those of their values, as in a single file: where one has an
/// integer that only 64 bits without a sign hold, none of the others must be negative.
fn widened_text(one: &DataType, other: &DataType, text: bool) -> Option<DataType> {
    use DataType::{Date32, Int64, Timestamp, UInt64};
    match (one, other) {
        (Int64, UInt64) | (UInt64, Int64) if text => Some(UInt64),
        (Date32, time @ Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, None))
        | (time @ Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, None), Date32)
            if text =>
        {
            Some(time.clone())
        }
        _ => None,
    }
}

fn known(schema: &Schema, name: &str) -> Result<(), Error> {
    if schema.field_with_name(name).is_ok() {
        return Ok(());
    }
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    Err(Error::invalid(format!("there is no column {name:?} in any of the files"))
        .hint(format!("the columns are {}", names.join(", "))))
}

fn projected(schema: &Schema, columns: &[String]) -> SchemaRef {
    let fields: Vec<FieldRef> = columns
        .iter()
        .filter_map(|name| schema.fields().iter().find(|field| field.name() == name).cloned())
        .collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

// -- reading --------------------------------------------------------------------------------------

type Batches = futures::stream::BoxStream<'static, Result<Decoded, Error>>;

struct Plan {
    client: Option<Arc<Client>>,
    template: OpenRequest,
    files: Arc<Vec<TableFile>>,
    folders: Folders,
    schemas: HashMap<usize, SchemaRef>,
    /// The ends of those that are not opened yet.
    begun: Mutex<HashMap<usize, Begun>>,
    /// What all of them become.
    told: SchemaRef,
    metrics: Arc<Mutex<Counted>>,
}

impl Plan {
    /// Opens a file: of its columns, those that are wanted.
    async fn open(self: Arc<Self>, index: usize) -> Result<Batches, Error> {
        let (Some(file), Some(schema)) = (self.files.get(index), self.schemas.get(&index)) else {
            return Err(Error::internal("a file was not looked at"));
        };
        let shown = file.source.shown();
        let columns: Vec<String> = self
            .told
            .fields()
            .iter()
            .map(|field| field.name())
            .filter(|name| schema.field_with_name(name).is_ok())
            .cloned()
            .collect();
        // What it has of the condition's columns may tell its decoder which parts are not needed.
        let filter = self.template.filter.clone().filter(|filter| {
            filter.columns().iter().all(|name| {
                let (one, all) = (schema.field_with_name(name), self.told.field_with_name(name));
                matches!((one, all), (Ok(one), Ok(all)) if one.data_type() == all.data_type())
            })
        });
        let source = file.source.clone();
        let request =
            OpenRequest { source, columns: Some(columns), filter, ..self.template.clone() };
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(&index);
        let opened = match begun {
            Some(begun) => open_begun(begun, request).await,
            None => open_one(self.client.as_ref(), request).await,
        };
        let opened = opened.map_err(|error| of_file(error, &shown))?;
        counted(&self.metrics).open.insert(index, opened.metrics);
        let metrics = Arc::clone(&self.metrics);
        let ended = futures::stream::poll_fn(move |_| {
            counted(&metrics).end(index);
            std::task::Poll::Ready(None)
        });
        let plan = Arc::clone(&self);
        Ok(opened
            .batches
            .map(move |decoded| {
                let Decoded { batch, tickets } = decoded.map_err(|error| of_file(error, &shown))?;
                let batch = plan.fitted(index, &batch).map_err(|error| of_file(error, &shown))?;
                Ok(Decoded { batch, tickets })
            })
            .chain(ended)
            .boxed())
    }

    /// Why a column of a file does not become that of all.
    fn not_cast(&self, field: &Field, kind: &DataType, error: &ArrowError) -> Error {
        let (name, all) = (field.name(), field.data_type());
        let error =
            Error::invalid(format!("column {name:?} is {kind} and does not become {all}: {error}"));
        let tells = |schema: &SchemaRef| {
            schema.field_with_name(name).is_ok_and(|field| field.data_type() == all)
        };
        let others = self.schemas.iter().filter(|(_, schema)| tells(schema));
        let Some(other) = others.map(|(index, _)| *index).min() else { return error };
        let message = format!("{}, which it is in {}", error.message, shown(&self.files, other));
        Error { message, ..error }.hint(format!(
            "have it read as text, {{ types: {{ {name:?}: \"string\" }} }}, or read these files apart"
        ))
    }

    /// A batch of a file in the schema of all.
    fn fitted(&self, index: usize, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let rows = batch.num_rows();
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let columns = self
            .told
            .fields()
            .iter()
            .map(|field| {
                if let Some(column) =
                    self.folders.fields.iter().position(|told| told.name() == field.name())
                {
                    let values = self.folders.values.get(column);
                    let value = values.map(|values| values.slice(index, 1));
                    let value = value.ok_or_else(|| Error::internal("a folder tells no value"))?;
                    return repeated(&value, rows);
                }
                match batch.column_by_name(field.name()) {
                    None => Ok(new_null_array(field.data_type(), rows)),
                    // It may be a text only because it has no value.
                    Some(column) if column.null_count() == rows => {
                        Ok(new_null_array(field.data_type(), rows))
                    }
                    Some(column) if column.data_type() == field.data_type() => {
                        Ok(Arc::clone(column))
                    }
                    Some(column) => cast_with_options(column, field.data_type(), &options)
                        .map_err(|error| self.not_cast(field, column.data_type(), &error)),
                }
            })
            .collect::<Result<Vec<ArrayRef>, Error>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.told), columns, &options)
            .map_err(|error| Error::internal(format!("a batch does not fit its schema: {error}")))
    }
}

fn repeated(value: &ArrayRef, rows: usize) -> Result<ArrayRef, Error> {
    let zeros = UInt64Array::from_value(0, rows);
    arrow_select::take::take(value, &zeros, None)
        .map_err(|error| Error::internal(format!("a value cannot be repeated: {error}")))
}
