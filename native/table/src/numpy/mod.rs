//! Arrays of NumPy: a `.npy` file, or the arrays of a `.npz` beside each other.
//!
//! An array of one dimension is a column; one of two is a column for each of its own. Rows are read
//! by ranges: a column of plain numbers that lies in one piece is adopted as it was read. The
//! columns of a matrix in C's order are not in one piece, and are gathered. What is deflated is
//! inflated into the memory of its column.

mod archive;
mod dtype;
mod header;
mod inflating;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_schema::{Field, Schema, SchemaRef};
use bytes::Bytes;
use dipper_core::{Error, Pieces, Status, Ticket};
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::error::{damaged, joined};
use crate::selection::{limited, places, selected};
use crate::stream::{Decoded, OpenRequest, Opened};

use archive::Entry;
use dtype::Dtype;
pub(crate) use header::MAGIC;
use header::{Head, Header};
use inflating::{Inflating, STATE, WINDOW};

/// A batch has about so many bytes: small files are one batch, and so one typed array a column.
const BATCH: u64 = 64 << 20;
/// Where memory is short, a batch takes no more than this part of it.
const SHARE: u64 = 8;
/// A matrix with more columns is refused.
const MOST_COLUMNS: u64 = 100_000;
/// More rows than JavaScript can count.
const MOST_ROWS: u64 = 1 << 53;
/// So much of the beginning of an array has its header, nearly always.
const LOOK: u64 = 512;

/// Opens a `.npy` file.
pub(crate) async fn open_npy(
    pieces: Pieces,
    head: &Bytes,
    request: OpenRequest,
) -> Result<Opened, Error> {
    let size = pieces.stat().size;
    let (array, _) = stored(&pieces, head.clone(), 0..size, "the array").await?;
    let table = array.and_then(|header| {
        let array = Array::new("values", "column", header, Held::At(0..size), "the array")?;
        Table::new(vec![array], Vec::new(), &request)
    });
    opened(pieces, table?, &request)
}

/// Opens a `.npz` file.
pub(crate) async fn open_npz(
    pieces: Pieces,
    tail: &Bytes,
    request: OpenRequest,
) -> Result<Opened, Error> {
    let mut entries = archive::entries(&pieces, tail).await?;
    entries.retain(|entry| entry.name.ends_with(".npy"));
    if entries.is_empty() {
        return Err(damaged("NumPy", "it is an archive without arrays"));
    }
    if entries.len() as u64 > MOST_COLUMNS {
        return Err(too_many(entries.len()));
    }
    let size = pieces.stat().size;
    let looks: Vec<Range<u64>> = entries
        .iter()
        .map(|entry| entry.header..size.min(entry.header + archive::LOCAL + LOOK))
        .collect();
    let fronts = pieces.read(&looks, None).await?;
    let (mut arrays, mut refused) = (Vec::new(), Vec::new());
    for (entry, front) in entries.iter().zip(fronts) {
        let name = entry.name.strip_suffix(".npy").unwrap_or(&entry.name);
        match member(&pieces, entry, &front, name).await? {
            Ok(array) => arrays.push(array),
            // It is not in the way of the others, where it is not wanted.
            Err(error) => refused.push((name.to_owned(), error)),
        }
    }
    let table = Table::new(arrays, refused, &request)?;
    opened(pieces, table, &request)
}

/// What an array of an archive is, or why it is no column.
async fn member(
    pieces: &Pieces,
    entry: &Entry,
    front: &Bytes,
    name: &str,
) -> Result<Result<Array, Error>, Error> {
    let start = archive::start(entry, front)?;
    let shown = format!("array {name:?}");
    let end = start.checked_add(entry.packed).filter(|end| *end <= pieces.stat().size);
    let end = end.filter(|_| entry.deflated || entry.size == entry.packed);
    let end = end.ok_or_else(|| damaged("NumPy", format!("{shown} lies outside the file")))?;
    let known = usize::try_from(start - entry.header).unwrap_or(usize::MAX);
    let front = front.get(known..).unwrap_or_default();
    let length = usize::try_from(entry.packed).map_or(front.len(), |size| front.len().min(size));
    let front = Bytes::copy_from_slice(front.get(..length).unwrap_or_default());
    let (header, held) = if entry.deflated {
        let inflating = Inflating::new(entry, start, front.clone())?;
        let header = deflated(pieces, inflating, &shown).await?;
        let length = header.as_ref().map_or(0, |header| header.start);
        let inflating = Inflating::behind_header(entry, start, front, length)?;
        (header, Held::Deflated(Some(Box::new(inflating))))
    } else {
        let (header, place) = stored(pieces, front, start..end, &shown).await?;
        (header, Held::At(place))
    };
    Ok(header.and_then(|header| Array::new(name, name, header, held, &shown)))
}

type Told = Result<Header, Error>;

/// Splits errors: what is damaged ends everything, what is not supported only concerns its array.
fn told(head: Result<Head, Error>) -> Result<Result<Head, Error>, Error> {
    match head {
        Err(error) if error.status == Status::Unsupported => Ok(Err(error)),
        Err(error) => Err(error),
        Ok(head) => Ok(Ok(head)),
    }
}

/// Reads the header of an array that lies at a place of the file.
async fn stored(
    pieces: &Pieces,
    mut front: Bytes,
    place: Range<u64>,
    shown: &str,
) -> Result<(Told, Range<u64>), Error> {
    loop {
        let needs = match told(header::head(&front, shown))? {
            Ok(Head::Read(header)) => return Ok((Ok(header), place)),
            Ok(Head::Needs(needs)) => needs,
            Err(error) => return Ok((Err(error), place)),
        };
        let end = place.start.checked_add(needs).filter(|end| *end <= place.end);
        let end = end.filter(|_| needs > front.len() as u64);
        let end = end.ok_or_else(|| damaged("NumPy", format!("{shown} is cut short")))?;
        let range = place.start..end;
        let read = pieces.read(std::slice::from_ref(&range), None).await?;
        front = read.into_iter().next().unwrap_or_default();
    }
}

/// Reads the header of an array that is deflated.
async fn deflated(pieces: &Pieces, mut inflating: Inflating, shown: &str) -> Result<Told, Error> {
    let mut front = Vec::new();
    loop {
        let needs = match told(header::head(&front, shown))? {
            Ok(Head::Read(header)) => return Ok(Ok(header)),
            Ok(Head::Needs(needs)) => needs,
            Err(error) => return Ok(Err(error)),
        };
        let more = usize::try_from(needs).unwrap_or(usize::MAX).saturating_sub(front.len());
        let taken;
        (inflating, taken) = inflating.take(pieces, more).await?;
        front.extend_from_slice(&taken);
    }
}

/// Where the elements of an array are.
enum Held {
    /// In the file as they are; the header is before them.
    At(Range<u64>),
    /// Deflated; nothing while they are inflated.
    Deflated(Option<Box<Inflating>>),
}

/// An array, as columns.
struct Array {
    /// What its columns are called.
    names: Vec<String>,
    dtype: Dtype,
    rows: u64,
    /// One column lies behind the other.
    by_columns: bool,
    held: Held,
    /// Where the elements begin in the file, where they are not deflated.
    start: u64,
}

impl Array {
    /// `name` is what a single column is called; `names` is what several begin with.
    fn new(
        name: &str,
        names: &str,
        header: Header,
        held: Held,
        shown: &str,
    ) -> Result<Self, Error> {
        let Header { dtype, fortran, shape, start } = header;
        let (rows, width) = match *shape.as_slice() {
            [] => (1, None),
            [rows] => (rows, None),
            [rows, width] => (rows, Some(width)),
            _ => {
                let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
                let what =
                    format!("{shown} has {} dimensions: {}", shape.len(), lengths.join(" × "));
                let error = Error::new(Status::Unsupported, what);
                return Err(error.hint("a column has one; array() reads more of a .npy file"));
            }
        };
        if width.is_some_and(|width| width > MOST_COLUMNS) || rows > MOST_ROWS {
            let what = format!("{shown} has {rows} rows and {} columns", width.unwrap_or(1));
            return Err(Error::new(Status::Unsupported, what).hint(format!(
                "a table has {MOST_COLUMNS} columns at most; array() has no limit"
            )));
        }
        let there = match &held {
            Held::At(place) => (place.end - place.start).saturating_sub(start),
            Held::Deflated(inflating) => inflating.as_ref().map_or(0, |inflating| inflating.left()),
        };
        let bytes = rows.checked_mul(width.unwrap_or(1));
        let bytes = bytes.and_then(|elements| elements.checked_mul(dtype.width as u64));
        if bytes.is_none_or(|bytes| bytes > there) {
            let what =
                format!("{shown} is cut short: it claims {rows} rows, and has {there} bytes");
            return Err(damaged("NumPy", what));
        }
        let start = match &held {
            Held::At(place) => place.start + start,
            Held::Deflated(_) => 0,
        };
        let names = match width {
            None => vec![name.to_owned()],
            Some(width) => (0..width).map(|column| format!("{names}_{column}")).collect(),
        };
        let by_columns = fortran || names.len() == 1;
        Ok(Self { names, dtype, rows, by_columns, held, start })
    }

    /// How many bytes a row has.
    fn row(&self) -> u64 {
        self.names.len() as u64 * self.dtype.width as u64
    }

    /// Whether its rows can be inflated some at a time.
    fn in_parts(&self) -> bool {
        matches!(self.held, Held::At(_)) || !self.by_columns || self.names.len() == 1
    }
}

/// What is read.
struct Table {
    arrays: Vec<Array>,
    /// The columns that are wanted, in their order: an array, and which of its columns.
    columns: Vec<(usize, usize)>,
    schema: SchemaRef,
    rows: u64,
}

impl Table {
    fn new(
        arrays: Vec<Array>,
        refused: Vec<(String, Error)>,
        request: &OpenRequest,
    ) -> Result<Self, Error> {
        let wanted = request.columns.as_deref();
        for (name, error) in refused {
            if wanted.is_none_or(|wanted| wanted.contains(&name)) {
                return Err(error);
            }
        }
        let all = arrays.iter().enumerate().flat_map(|(array, Array { names, .. })| {
            (0..names.len()).map(move |column| (array, column))
        });
        let all: Vec<(usize, usize)> = all.collect();
        if all.len() as u64 > MOST_COLUMNS {
            return Err(too_many(all.len()));
        }
        let fields: Vec<Field> = arrays
            .iter()
            .flat_map(|array| {
                let (kind, nullable) = (array.dtype.column_type(), array.dtype.nullable());
                array.names.iter().map(move |name| Field::new(name, kind.clone(), nullable))
            })
            .collect();
        let mut names = HashSet::new();
        if let Some(twice) = fields.iter().find(|field| !names.insert(field.name().as_str())) {
            let what = format!("two of its columns are called {:?}", twice.name());
            return Err(
                Error::new(Status::Unsupported, what).hint("save its arrays by other names")
            );
        }
        drop(names);
        let schema = Arc::new(Schema::new(fields));
        let places = places(&schema, wanted)?;
        let schema = selected(&schema, places.as_deref())?;
        let columns = match places {
            None => all,
            Some(places) => places.iter().filter_map(|place| all.get(*place).copied()).collect(),
        };
        // Arrays that are not wanted may have any length.
        let used: HashSet<usize> = columns.iter().map(|(array, _)| *array).collect();
        let mut lengths = arrays.iter().enumerate();
        let mut lengths = lengths.by_ref().filter(|(at, _)| used.is_empty() || used.contains(at));
        let rows = match lengths.next() {
            None => 0,
            Some((_, first)) => {
                if let Some((_, other)) = lengths.find(|(_, other)| other.rows != first.rows) {
                    return Err(uneven(first, other));
                }
                first.rows
            }
        };
        Ok(Self { arrays, columns, schema, rows })
    }

    /// How many rows a batch has; nothing where all rows must come at once.
    fn step(&self, most: u64) -> Option<u64> {
        let mut row = 0_u64;
        for (at, array) in self.arrays.iter().enumerate() {
            let columns = self.columns.iter().filter(|(of, _)| *of == at).count() as u64;
            if columns == 0 {
                continue;
            }
            if !array.in_parts() {
                return None;
            }
            row = row.saturating_add(match (&array.held, array.by_columns) {
                (Held::At(_), true) => columns * array.dtype.width as u64,
                _ => array.row(),
            });
        }
        let step = most.checked_div(row).unwrap_or(self.rows);
        Some(step.clamp(1, self.rows.max(1)))
    }

    /// How many bytes are read for so many rows; only of these columns, where they are named.
    fn bytes(&self, rows: u64, names: Option<&[String]>) -> u64 {
        let mut bytes = 0_u64;
        for (at, array) in self.arrays.iter().enumerate() {
            let wanted = |(of, column): &&(usize, usize)| {
                let name = array.names.get(*column);
                *of == at && names.is_none_or(|names| name.is_some_and(|name| names.contains(name)))
            };
            let columns = self.columns.iter().filter(wanted).count() as u64;
            bytes = bytes.saturating_add(match &array.held {
                _ if columns == 0 => 0,
                Held::At(_) if array.by_columns => {
                    rows.saturating_mul(columns * array.dtype.width as u64)
                }
                Held::At(_) => rows.saturating_mul(array.row()),
                Held::Deflated(inflating) => inflating.as_ref().map_or(0, |held| held.unread()),
            });
        }
        bytes
    }

    /// Reads rows of an array: its columns one behind the other, or its rows.
    async fn batch(&mut self, pieces: &Pieces, rows: Range<u64>) -> Result<Decoded, Error> {
        let count = rows.end - rows.start;
        let mut ranges = Vec::new();
        let mut parts = Vec::new();
        let (mut bytes, mut more) = (0_u64, 0_u64);
        for (at, array) in self.arrays.iter().enumerate() {
            let mine: Vec<(usize, usize)> = self
                .columns
                .iter()
                .enumerate()
                .filter(|(_, (of, _))| *of == at)
                .map(|(place, (_, column))| (place, *column))
                .collect();
            if mine.is_empty() {
                continue;
            }
            let width = array.dtype.width as u64;
            let made = array.dtype.made(count).saturating_mul(mine.len() as u64);
            more = more.saturating_add(made);
            let gathers = !array.by_columns;
            if gathers {
                more = more.saturating_add(count * width * mine.len() as u64);
            }
            let whole = count * array.row();
            match array.held {
                Held::At(_) if array.by_columns => {
                    for (place, column) in mine {
                        let start = array.start + (column as u64 * array.rows + rows.start) * width;
                        ranges.push(start..start + count * width);
                        bytes += count * width;
                        parts.push(Part { array: at, columns: vec![(place, 0)], read: true });
                    }
                }
                Held::At(_) => {
                    let start = array.start + rows.start * array.row();
                    ranges.push(start..start + whole);
                    bytes += whole;
                    parts.push(Part { array: at, columns: mine, read: true });
                }
                Held::Deflated(_) => {
                    let state = if count < self.rows { STATE } else { 0 };
                    more = more.saturating_add(whole).saturating_add(state);
                    parts.push(Part { array: at, columns: mine, read: false });
                }
            }
        }
        if parts.iter().any(|part| !part.read) {
            // What small ones bring together, and what a large one brings beside it.
            more = more.saturating_add(2 * WINDOW + STATE);
        }
        let mut tickets = pieces.reserve(bytes.saturating_add(more)).await?;
        let reserved = tickets.iter_mut().map(|ticket| ticket.split(bytes)).collect();
        let read = match ranges.is_empty() {
            true => Vec::new(),
            false => pieces.owned(&ranges, Some(reserved)).await?,
        };
        let mut read = read.into_iter();
        let mut work = Vec::new();
        let mut parts = parts.into_iter();
        while let Some(part) = parts.next() {
            if !part.read {
                self.read_ahead(pieces, part.array, parts.as_slice()).await?;
            }
            let Some(array) = self.arrays.get_mut(part.array) else { continue };
            let elements = if part.read {
                let (bytes, held): (Bytes, Vec<Ticket>) = read.next().unwrap_or_default();
                tickets.extend(held);
                Buffer::from(bytes)
            } else {
                let bytes = usize::try_from(count * array.row());
                let bytes = bytes.map_err(|_| Error::internal("a batch is too large"))?;
                let Held::Deflated(held) = &mut array.held else { continue };
                let gone = || Error::internal("an array was read before");
                let (inflating, taken) = held.take().ok_or_else(gone)?.take(pieces, bytes).await?;
                *held = Some(Box::new(inflating));
                taken
            };
            let (names, dtype) = (array.names.len(), array.dtype.clone());
            work.push((part.columns, elements, names, array.by_columns, dtype));
        }
        let (schema, count) =
            (Arc::clone(&self.schema), usize::try_from(count).unwrap_or(usize::MAX));
        let decoding = tokio::task::spawn_blocking(move || {
            let mut columns: Vec<Option<ArrayRef>> = vec![None; schema.fields().len()];
            for (wanted, elements, all, by_columns, dtype) in work {
                let inside: Vec<usize> = wanted.iter().map(|(_, column)| *column).collect();
                let single = inside.len() == 1 && elements.len() == count * dtype.width;
                let parts = match (single, by_columns) {
                    (true, _) => vec![elements],
                    (false, true) => inside
                        .iter()
                        .map(|column| {
                            let bytes = count * dtype.width;
                            elements.slice_with_length(column * bytes, bytes)
                        })
                        .collect(),
                    (false, false) => gathered(&elements, &inside, all, dtype.width, count),
                };
                for ((place, _), part) in wanted.into_iter().zip(parts) {
                    let name = schema.fields().get(place).map_or("", |field| field.name());
                    if let Some(column) = columns.get_mut(place) {
                        *column = Some(dtype.column(part, &format!("column {name:?}"))?);
                    }
                }
            }
            let columns = columns.into_iter().flatten().collect();
            let options = RecordBatchOptions::new().with_row_count(Some(count));
            RecordBatch::try_new_with_options(schema, columns, &options)
                .map_err(|error| damaged("NumPy", error))
        });
        let batch = joined("NumPy", decoding.await)?;
        Ok(Decoded { batch, tickets })
    }

    /// Reads what an array that is inflated needs next, and what those behind it need: many small
    /// ones by few requests.
    async fn read_ahead(
        &mut self,
        pieces: &Pieces,
        first: usize,
        rest: &[Part],
    ) -> Result<(), Error> {
        let mut room = WINDOW;
        let (mut places, mut ranges) = (Vec::new(), Vec::new());
        let rest = rest.iter().filter(|part| !part.read).map(|part| part.array);
        for place in std::iter::once(first).chain(rest) {
            let ahead = match self.arrays.get(place).map(|array| &array.held) {
                Some(Held::Deflated(Some(inflating))) => inflating.ahead(),
                _ => None,
            };
            match ahead {
                Some(range) if range.end - range.start <= room => {
                    room -= range.end - range.start;
                    places.push(place);
                    ranges.push(range);
                }
                _ if ranges.is_empty() => return Ok(()),
                Some(_) => break,
                None => {}
            }
        }
        let read = pieces.read(&ranges, Some(Vec::new())).await?;
        for (place, window) in places.into_iter().zip(read) {
            if let Some(Array { held: Held::Deflated(Some(inflating)), .. }) =
                self.arrays.get_mut(place)
            {
                inflating.came(window);
            }
        }
        Ok(())
    }
}

/// What is read at once.
struct Part {
    array: usize,
    /// Which columns come of it: their places in the table, and which of the array they are.
    columns: Vec<(usize, usize)>,
    /// Whether it is read as it is, and not inflated.
    read: bool,
}

fn too_many(columns: usize) -> Error {
    Error::new(Status::Unsupported, format!("it has {columns} columns"))
        .hint(format!("a table has {MOST_COLUMNS} columns at most"))
}

fn uneven(first: &Array, other: &Array) -> Error {
    let shown = |array: &Array| {
        let name = array.names.first().map_or("", String::as_str);
        format!("{name:?} has {} rows", array.rows)
    };
    Error::invalid(format!("its arrays are no table: {}, {}", shown(first), shown(other)))
        .hint("name those of one length: { columns: [\"x\", \"y\"] }")
}

/// The columns of a matrix that lies row by row.
fn gathered(matrix: &[u8], wanted: &[usize], all: usize, width: usize, rows: usize) -> Vec<Buffer> {
    /// A block of rows stays in the cache while its columns are gathered.
    const BLOCK: usize = 128;
    let mut columns: Vec<MutableBuffer> =
        wanted.iter().map(|_| MutableBuffer::with_capacity(rows * width)).collect();
    for block in matrix.chunks((all * width * BLOCK).max(1)) {
        for (column, made) in wanted.iter().zip(&mut columns) {
            let place = column * width..(column + 1) * width;
            for row in block.chunks_exact((all * width).max(1)) {
                made.extend_from_slice(row.get(place.clone()).unwrap_or_default());
            }
        }
    }
    columns.into_iter().map(Buffer::from).collect()
}

fn opened(pieces: Pieces, table: Table, request: &OpenRequest) -> Result<Opened, Error> {
    let limit = request.limit;
    let pieces = Arc::new(pieces);
    let stat = pieces.stat().clone();
    let schema = Arc::clone(&table.schema);
    let rows = limit.map_or(table.rows, |limit| limit.min(table.rows));
    let total =
        pieces.metrics().bytes.saturating_add(table.bytes(rows, request.weighed.as_deref()));
    let step = table.step(BATCH.min(pieces.limit() / SHARE).max(1));
    let reading = Arc::clone(&pieces);
    let batches = futures::stream::try_unfold((table, 0), move |(mut table, at)| {
        let pieces = Arc::clone(&reading);
        async move {
            if at >= rows {
                return Ok(None);
            }
            let end = step.map_or(table.rows, |step| rows.min(at + step));
            let batch = table.batch(&pieces, at..end).await?;
            Ok(Some((batch, (table, end))))
        }
    });
    let batches: BoxStream<'static, Result<Decoded, Error>> = batches.boxed();
    let metrics = Arc::new(move || pieces.metrics());
    let batches = limited(batches, limit);
    Ok(Opened { schema, stat, rows: Some(rows), total: Some(total), batches, metrics })
}
