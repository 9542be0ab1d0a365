//! Parquet: footer and column chunks by ranges, row groups decoded side by side.
//!
//! Each row group is a task: it waits until its bytes and its columns fit in the budget, reads the
//! chunks by as few requests as they need, and decodes them as soon as they are there, its columns
//! side by side. More tasks are under way than there are cores, so that some are read while others
//! are decoded, and one whose bytes are late holds up nobody; but no more are decoded at once than
//! there are cores, first come, first served. None of them waits for whoever takes the batches
//! while it holds a part of the budget, or two readers could wait for each other.

mod cost;
mod footer;
mod layouts;
mod numbers;
mod pages;
mod pruning;
mod snappy;
mod texts;
mod thrift;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use dipper_core::{Client, Error, Gate, Pieces, Source, Ticket};
use futures::StreamExt;
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, RowFilter, RowSelection,
};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use crate::error::{damaged, joined, of_parquet};
use crate::filter::BoundFilter;
use crate::int64::{as_float64, schema_as_float64};
use crate::stream::{Decoded, OpenRequest, Opened};
use cost::{Cost, Held};
use numbers::{Number, Scratch};
use texts::Text;

/// Footers are most often shorter: one column chunk takes some hundred bytes of them.
const TAIL: u64 = 128 << 10;
/// A batch has no more rows than this, however many its row group has.
const MOST_ROWS: u64 = 1 << 20;
/// Nor more bytes than about this: offsets of strings have 31 bits.
const MOST_BYTES: u64 = 256 << 20;
/// What waits to be taken has no more than this part of the budget.
const SHARE_AHEAD: u64 = 4;
/// Beyond a row group for each core and one more, as many are under way as have so many bytes.
const AHEAD: u64 = 32 << 20;
/// And no more than so many.
const MOST_AHEAD: usize = 16;
/// Columns that are less together are decoded one after the other.
const LEAST_PART: u64 = 512 << 10;

/// A file of which the end has come.
pub(crate) struct Begun {
    pieces: Pieces,
    tail: Bytes,
}

impl Begun {
    /// So much of a file comes first.
    pub(crate) const LENGTH: u64 = TAIL;

    /// Reads the end of a file.
    pub(crate) async fn read(client: Option<&Arc<Client>>, source: Source) -> Result<Self, Error> {
        let (pieces, tail) = Pieces::open(client, source, TAIL).await?;
        Ok(Self { pieces, tail })
    }

    /// How much of it came.
    pub(crate) fn length(&self) -> u64 {
        self.tail.len() as u64
    }

    /// The same, to be opened once more.
    pub(crate) fn again(&self) -> Self {
        Self { pieces: self.pieces.anew(), tail: self.tail.clone() }
    }
}

/// Opens a Parquet file.
pub(crate) async fn open(
    client: Option<&Arc<Client>>,
    request: OpenRequest,
) -> Result<Opened, Error> {
    let begun = Begun::read(client, request.source.clone()).await?;
    open_begun(begun, request).await
}

/// Opens a file of which the end has come.
pub(crate) async fn open_begun(begun: Begun, request: OpenRequest) -> Result<Opened, Error> {
    let Begun { pieces, tail } = begun;
    let whole = (tail.len() as u64 == pieces.stat().size).then(|| tail.clone());
    let footer = footer::read(&pieces, tail, request.filter.is_some()).await?;
    let mut reader = described(footer.metadata).await?;
    // A condition on what the file does not have is somebody else's.
    let bound = request.filter.and_then(|filter| filter.bind(reader.schema()).ok()).map(Arc::new);
    let mut groups = groups(reader.metadata(), request.limit);
    let mut selections = HashMap::new();
    if let Some(bound) = &bound {
        (reader, selections) = pruned(&pieces, bound, reader, &mut groups).await?;
    }
    let (projection, order, schema) = projected(&reader, request.columns.as_deref())?;
    let leaves: Vec<usize> = (0..reader.parquet_schema().num_columns())
        .filter(|leaf| projection.leaf_included(*leaf))
        .collect();
    if let Some(leaf) = leaves.iter().find(|leaf| footer.encrypted.contains(leaf)) {
        let name = reader.parquet_schema().column(*leaf).path().string();
        return Err(footer::encrypted(&format!("column {name} is encrypted")));
    }
    let condition = bound.and_then(|bound| late(&reader, bound, &leaves));
    let rows = groups.iter().fold(0_u64, |sum, group| sum.saturating_add(group.rows));
    let told = match request.int64_as_float64 {
        true => schema_as_float64(&schema),
        false => Arc::clone(&schema),
    };
    let pieces = Arc::new(pieces);
    let parts = parts(&reader, &leaves, &groups);
    let weighed = request.weighed.as_deref().or(request.columns.as_deref());
    // What came with the end is not read again.
    let left = match whole {
        Some(_) => 0,
        None => weight(reader.metadata(), &groups, weighed),
    };
    let total = pieces.metrics().bytes.saturating_add(left);
    let flat = flat(&reader, &leaves, request.int64_as_float64);
    let plan = Arc::new(Plan {
        pieces: Arc::clone(&pieces),
        whole,
        told: Arc::clone(&told),
        reader,
        projection,
        leaves,
        parts,
        flat,
        scratch: Mutex::new(Vec::new()),
        order,
        schema: Arc::clone(&schema),
        selections,
        condition,
        decoding: Arc::new(Semaphore::new(cores())),
        cancelled: AtomicBool::new(false),
        _footer: footer.tickets,
    });
    let ahead = plan.ahead(&groups)?;
    let end = CancelOnDrop(Arc::clone(&plan));
    let batches = futures::stream::iter(groups)
        .map(move |group| {
            let plan = Arc::clone(&end.0);
            let decode = async move { plan.group(group).await };
            let decode = match Gate::current() {
                Some(gate) => tokio::spawn(gate.around(decode)),
                None => tokio::spawn(decode),
            };
            let decode = AbortOnDropHandle::new(decode);
            async move { joined("Parquet", decode.await) }
        })
        .buffered(ahead)
        .flat_map(|decoded| match decoded {
            Ok(batches) => futures::stream::iter(batches.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => futures::stream::iter(vec![Err(error)]),
        })
        .boxed();
    let stat = pieces.stat().clone();
    let metrics = Arc::new(move || pieces.metrics());
    Ok(Opened { schema: told, stat, rows: Some(rows), total: Some(total), batches, metrics })
}

/// What the decoder reads of a description.
async fn described(metadata: ParquetMetaData) -> Result<ArrowReaderMetadata, Error> {
    let metadata = Arc::new(metadata);
    let reader = tokio::task::spawn_blocking(move || {
        ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new()).map_err(of_parquet)
    });
    joined("Parquet", reader.await)
}

/// Leaves out what has no row that is wanted: row groups, and rows of those that stay.
async fn pruned(
    pieces: &Pieces,
    bound: &Arc<BoundFilter>,
    reader: ArrowReaderMetadata,
    groups: &mut Vec<Group>,
) -> Result<(ArrowReaderMetadata, HashMap<usize, RowSelection>), Error> {
    let candidates: Vec<usize> = groups.iter().map(|group| group.index).collect();
    let (looking, at) = (Arc::clone(bound), reader.clone());
    let kept =
        tokio::task::spawn_blocking(move || Ok(pruning::by_statistics(&looking, &at, &candidates)));
    let kept = joined("Parquet", kept.await)?;
    let kept = pruning::by_bloom_filters(pieces, bound, &reader, kept).await?;
    groups.retain(|group| kept.binary_search(&group.index).is_ok());
    if kept.is_empty() {
        return Ok((reader, HashMap::new()));
    }
    let metadata = reader.metadata().as_ref().clone();
    let reader = described(pruning::with_page_index(pieces, metadata).await?).await?;
    let (looking, at) = (Arc::clone(bound), reader.clone());
    let selections =
        tokio::task::spawn_blocking(move || Ok(pruning::by_pages(&looking, &at, &kept)));
    let mut selections = joined("Parquet", selections.await)?;
    groups.retain(|group| selections.get(&group.index).is_none_or(RowSelection::selects_any));
    selections.retain(|_, selection| selection.selects_any());
    Ok((reader, selections))
}

/// The condition, if columns beside its own are read: these are decoded for the rows that it
/// wants. Otherwise there is nothing to be saved.
fn late(
    reader: &ArrowReaderMetadata,
    bound: Arc<BoundFilter>,
    leaves: &[usize],
) -> Option<Condition> {
    let names = bound.columns();
    let roots: Vec<usize> =
        names.iter().map(|name| reader.schema().index_of(name).ok()).collect::<Option<_>>()?;
    let columns = ProjectionMask::roots(reader.parquet_schema(), roots);
    let more = leaves.iter().any(|leaf| !columns.leaf_included(*leaf));
    (more && !names.is_empty()).then_some(Condition { bound, columns })
}

/// A condition, and the columns that it looks at.
struct Condition {
    bound: Arc<BoundFilter>,
    columns: ProjectionMask,
}

/// Ranges that a file names lie in it, or the file is damaged.
fn within(ranges: &[Range<u64>], size: u64) -> Result<(), Error> {
    let inside = |range: &&Range<u64>| range.start <= range.end && range.end <= size;
    match ranges.iter().find(|range| !inside(range)) {
        Some(range) => Err(damaged(
            "Parquet",
            format!("it names bytes {} to {}, and has {size}", range.start, range.end),
        )),
        None => Ok(()),
    }
}

/// Where a column chunk lies, as the decoder asks for it.
fn place(chunk: &ColumnChunkMetaData) -> Result<Range<u64>, Error> {
    let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    let parts = u64::try_from(start).ok().zip(u64::try_from(chunk.compressed_size()).ok());
    parts
        .and_then(|(start, length)| Some(start..start.checked_add(length)?))
        .ok_or_else(|| damaged("Parquet", format!("{} lies nowhere", chunk.column_path())))
}

/// How many bytes the wanted columns have in these row groups.
fn weight(metadata: &ParquetMetaData, groups: &[Group], wanted: Option<&[String]>) -> u64 {
    let wanted: Option<HashSet<&str>> =
        wanted.map(|names| names.iter().map(String::as_str).collect());
    let chunks = groups.iter().flat_map(|group| metadata.row_group(group.index).columns());
    chunks
        .filter(|chunk| {
            let column = chunk.column_path().parts().first();
            wanted.as_ref().is_none_or(|wanted| column.is_some_and(|name| wanted.contains(&**name)))
        })
        .map(|chunk| u64::try_from(chunk.compressed_size()).unwrap_or(0))
        .fold(0, u64::saturating_add)
}

/// Which columns are decoded, in which order they are given, and what they are.
fn projected(
    reader: &ArrowReaderMetadata,
    columns: Option<&[String]>,
) -> Result<(ProjectionMask, Option<Vec<usize>>, SchemaRef), Error> {
    let schema = reader.schema();
    let Some(columns) = columns else {
        return Ok((ProjectionMask::all(), None, Arc::clone(schema)));
    };
    let mut places = HashMap::new();
    for (place, field) in schema.fields().iter().enumerate() {
        places.entry(field.name().as_str()).or_insert(place);
    }
    let wanted = columns
        .iter()
        .map(|name| {
            places.get(name.as_str()).copied().ok_or_else(|| {
                let names: Vec<&str> =
                    schema.fields().iter().map(|field| field.name().as_str()).collect();
                Error::invalid(format!("there is no column {name:?}"))
                    .hint(format!("the columns are {}", names.join(", ")))
            })
        })
        .collect::<Result<Vec<usize>, Error>>()?;
    let mask = ProjectionMask::roots(reader.parquet_schema(), wanted.iter().copied());
    // The decoder gives them in the order of the file.
    let mut stored = wanted.clone();
    stored.sort_unstable();
    stored.dedup();
    let order =
        wanted.iter().map(|column| stored.partition_point(|earlier| earlier < column)).collect();
    let fields: Vec<_> =
        wanted.iter().filter_map(|column| schema.fields().get(*column).cloned()).collect();
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    Ok((mask, Some(order), Arc::new(schema)))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// A column that is decoded here.
enum Flat {
    Number(Number),
    Text(Text),
}

/// The columns that are decoded here, by their roots.
fn flat(
    reader: &ArrowReaderMetadata,
    leaves: &[usize],
    int64_as_float64: bool,
) -> HashMap<usize, Flat> {
    let told = match int64_as_float64 {
        true => schema_as_float64(reader.schema()),
        false => Arc::clone(reader.schema()),
    };
    let Some(group) = reader.metadata().row_groups().first() else { return HashMap::new() };
    let column = |leaf: &usize| {
        let root = reader.parquet_schema().get_column_root_idx(*leaf);
        let (stored, told) = (reader.schema().fields().get(root)?, told.fields().get(root)?);
        let (stored, told) = (stored.data_type(), told.data_type());
        let chunk = group.columns().get(*leaf)?;
        let number = Number::of(chunk, stored, told).map(Flat::Number);
        Some((root, number.or_else(|| Text::of(chunk, stored, told).map(Flat::Text))?))
    };
    leaves.iter().filter_map(column).collect()
}

/// Columns that one thread decodes.
struct Part {
    projection: ProjectionMask,
    roots: Vec<usize>,
    /// The places of its columns among those that are decoded, in the order of the file.
    places: Vec<usize>,
}

/// The columns as they are shared out among the cores, so that all have about as much to do; of row
/// groups with little in them all columns are one part.
fn parts(reader: &ArrowReaderMetadata, leaves: &[usize], groups: &[Group]) -> Vec<Part> {
    let schema = reader.parquet_schema();
    let mut columns: Vec<(usize, u64)> = Vec::new();
    for leaf in leaves {
        let root = schema.get_column_root_idx(*leaf);
        let size: u64 = groups
            .iter()
            .filter_map(|group| reader.metadata().row_group(group.index).columns().get(*leaf))
            .map(|chunk| u64::try_from(chunk.uncompressed_size()).unwrap_or(0).max(values(chunk)))
            .sum();
        match columns.last_mut() {
            Some((last, sum)) if *last == root => *sum = sum.saturating_add(size),
            _ => columns.push((root, size)),
        }
    }
    let all = columns.iter().fold(0_u64, |sum, (_, size)| sum.saturating_add(*size));
    let worth = all / (groups.len() as u64).max(1) / LEAST_PART;
    let count = usize::try_from(worth).unwrap_or(usize::MAX).min(cores()).min(columns.len());
    let mut shares = vec![(0_u64, Vec::new()); count.max(1)];
    let mut places: Vec<usize> = (0..columns.len()).collect();
    // The largest first, each to who has least.
    let size = |place: usize| columns.get(place).map_or(0, |(_, size)| *size);
    places.sort_by_key(|place| u64::MAX - size(*place));
    for place in places {
        if let Some((sum, own)) = shares.iter_mut().min_by_key(|(sum, _)| *sum) {
            *sum = sum.saturating_add(size(place));
            own.push(place);
        }
    }
    let part = |(_, mut places): (u64, Vec<usize>)| {
        places.sort_unstable();
        let roots = places.iter().filter_map(|place| columns.get(*place)).map(|(root, _)| *root);
        let roots: Vec<usize> = roots.collect();
        Part { projection: ProjectionMask::roots(schema, roots.iter().copied()), roots, places }
    };
    shares.into_iter().map(part).collect()
}

/// How many bytes the values of a chunk have at the least, however few they are as they are stored.
fn values(chunk: &ColumnChunkMetaData) -> u64 {
    u64::try_from(chunk.num_values()).unwrap_or(0).saturating_mul(4)
}

/// A row group that is needed, and how many rows of it.
#[derive(Clone, Copy, Debug)]
struct Group {
    index: usize,
    rows: u64,
    /// There are more.
    cut: bool,
}

fn groups(metadata: &ParquetMetaData, limit: Option<u64>) -> Vec<Group> {
    let mut left = limit.unwrap_or(u64::MAX);
    let mut groups = Vec::new();
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let there = u64::try_from(group.num_rows()).unwrap_or(0);
        let rows = there.min(left);
        left -= rows;
        if rows > 0 {
            groups.push(Group { index, rows, cut: rows < there });
        }
    }
    groups
}

struct Plan {
    pieces: Arc<Pieces>,
    /// All of the file, if it came with its end.
    whole: Option<Bytes>,
    reader: ArrowReaderMetadata,
    projection: ProjectionMask,
    /// The columns that are read, without their groups.
    leaves: Vec<usize>,
    /// Those who decode a row group of which all is wanted.
    parts: Vec<Part>,
    /// The columns that are decoded here, by their roots.
    flat: HashMap<usize, Flat>,
    /// Memory of those who decode them, for whoever is next.
    scratch: Mutex<Vec<Scratch>>,
    order: Option<Vec<usize>>,
    schema: SchemaRef,
    /// The schema as it is told: its integers may be other numbers there.
    told: SchemaRef,
    /// The rows of row groups that are not read whole.
    selections: HashMap<usize, RowSelection>,
    condition: Option<Condition>,
    /// As many turns as there are cores.
    decoding: Arc<Semaphore>,
    cancelled: AtomicBool,
    /// What the footer takes, as long as it is needed.
    _footer: Vec<Ticket>,
}

/// A thread that decodes cannot be aborted; it looks at this between batches.
struct CancelOnDrop(Arc<Plan>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }
}

/// Columns of some rows, in the order of the file.
struct Rows {
    columns: Vec<ArrayRef>,
    rows: usize,
}

fn apart() -> Error {
    damaged("Parquet", "its columns differ in how many rows they have")
}

/// Bytes that were read, and where they were.
type Came = Vec<(Range<u64>, Bytes)>;

impl Plan {
    /// How many row groups are under way at once: as many as there are cores, and one that is read
    /// meanwhile, or more where they are small, as far as the budget goes. One is always possible,
    /// or it is refused here, before anything of it is read.
    fn ahead(&self, groups: &[Group]) -> Result<usize, Error> {
        let mut largest = 1;
        for group in groups {
            let cost = self.cost(*group)?;
            let (all, limit) = (cost.read.saturating_add(cost.decoded), self.pieces.limit());
            if all > limit {
                return Err(Error::new(
                    dipper_core::Status::BudgetExceeded,
                    format!(
                        "row group {} has {} rows and takes {all} bytes, more than the memory \
                         budget of {limit} bytes",
                        group.index, group.rows
                    ),
                )
                .hint("read fewer columns, set a limit, or raise memoryBudget"));
            }
            largest = largest.max(all);
        }
        let fits = usize::try_from(self.pieces.limit() / SHARE_AHEAD / largest).unwrap_or(1);
        let few = cores() + 1;
        // Where a condition is, it may turn out that those behind are not wanted.
        let most = match self.condition.is_some() || !self.selections.is_empty() {
            true => few,
            false => usize::try_from(AHEAD / largest).unwrap_or(few).min(MOST_AHEAD).max(few),
        };
        Ok(fits.clamp(1, most))
    }

    fn chunks(&self, group: Group) -> impl Iterator<Item = &ColumnChunkMetaData> {
        let columns = self.reader.metadata().row_group(group.index).columns();
        self.leaves.iter().filter_map(|leaf| columns.get(*leaf))
    }

    fn cost(&self, group: Group) -> Result<Cost, Error> {
        let there = self.reader.metadata().row_group(group.index).num_rows();
        let there = u64::try_from(there).unwrap_or(0);
        let size = self.pieces.stat().size;
        let mut cost = Cost::default();
        for chunk in self.chunks(group) {
            within(&[place(chunk)?], size)?;
            cost.add(chunk, there, group.rows)?;
        }
        Ok(cost)
    }

    /// Reads and decodes a row group.
    async fn group(self: Arc<Self>, group: Group) -> Result<Vec<Decoded>, Error> {
        let rows = usize::try_from(group.rows).unwrap_or(usize::MAX);
        if self.leaves.is_empty() {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let schema = Arc::clone(&self.told);
            let batch = RecordBatch::try_new_with_options(schema, Vec::new(), &options)
                .map_err(|error| damaged("Parquet", error))?;
            return Ok(vec![Decoded { batch, tickets: Vec::new() }]);
        }
        let cost = self.cost(group)?;
        let tickets = self.pieces.reserve(cost.read.saturating_add(cost.decoded)).await?;
        let tickets = Mutex::new(tickets);
        let mut held = Held::new(cost.decoded);
        let per_row = (cost.decoded / group.rows.max(1)).max(1);
        let batch_rows = group.rows.clamp(1, MOST_ROWS).min((MOST_BYTES / per_row).max(1024));
        let batch_rows = usize::try_from(batch_rows).unwrap_or(usize::MAX);
        // Where all of it is wanted, what the decoder will ask for is known before it is there.
        let known = self.condition.is_none() && !self.selections.contains_key(&group.index);
        let batches = match known {
            true => {
                let needs = self.chunks(group).map(place).collect::<Result<Vec<_>, Error>>()?;
                let came = self.read(needs, &tickets).await?;
                let part = |(number, part): (usize, &Part)| {
                    self.part(group, number, batch_rows, self.share(group, part, &came), &tickets)
                };
                let parts: Vec<_> = self.parts.iter().enumerate().map(part).collect();
                // Each part lets go of its own when it has decoded them.
                drop(came);
                let parts = futures::future::join_all(parts).await;
                let parts = parts.into_iter().collect::<Result<Vec<_>, Error>>()?;
                self.together(parts)?
            }
            false => {
                let decoder = self.selecting(group, batch_rows).build();
                let batches = self.decoded(group, decoder, Vec::new(), &tickets).await?;
                let batch = |batch: Rows| self.batch(batch.columns, batch.rows);
                batches.into_iter().map(batch).collect::<Result<Vec<_>, Error>>()?
            }
        };
        let mut done = Vec::new();
        let mut more = Vec::new();
        for batch in batches {
            // What could not be foreseen, a dictionary of long strings, say.
            let bytes = held.more(&batch);
            if bytes > 0 {
                more.extend(self.pieces.take(bytes)?);
            }
            done.push(Decoded { batch, tickets: Vec::new() });
        }
        Ok(done)
    }

    /// What decodes these columns of a row group.
    fn builder(
        &self,
        group: Group,
        projection: &ProjectionMask,
        batch_rows: usize,
    ) -> ParquetPushDecoderBuilder {
        let builder = ParquetPushDecoderBuilder::new_with_metadata(self.reader.clone())
            .with_row_groups(vec![group.index])
            .with_projection(projection.clone())
            .with_batch_size(batch_rows);
        match group.cut {
            true => builder.with_limit(usize::try_from(group.rows).unwrap_or(usize::MAX)),
            false => builder,
        }
    }

    /// What decodes the rows that are wanted, all columns of them.
    fn selecting(&self, group: Group, batch_rows: usize) -> ParquetPushDecoderBuilder {
        let mut builder = self.builder(group, &self.projection, batch_rows);
        if let Some(selection) = self.selections.get(&group.index) {
            // A cache of the condition's columns would read whole batches around what is selected.
            builder =
                builder.with_row_selection(selection.clone()).with_max_predicate_cache_size(0);
        }
        if let Some(Condition { bound, columns }) = &self.condition {
            let bound = Arc::clone(bound);
            let wanted = ArrowPredicateFn::new(columns.clone(), move |batch| {
                // What fails here fails again for whoever takes the rows, and is told there.
                let all = |_| BooleanArray::from(vec![true; batch.num_rows()]);
                Ok(bound.mask(&batch).unwrap_or_else(all))
            });
            builder = builder.with_row_filter(RowFilter::new(vec![Box::new(wanted)]));
        }
        builder
    }

    /// Reads pieces, in memory that is reserved already.
    async fn read(
        &self,
        needs: Vec<Range<u64>>,
        tickets: &Mutex<Vec<Ticket>>,
    ) -> Result<Came, Error> {
        within(&needs, self.pieces.stat().size)?;
        if needs.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(whole) = &self.whole {
            let place = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
            let slice = |range: Range<u64>| {
                let data = whole.slice(place(range.start)..place(range.end));
                (range, data)
            };
            return Ok(needs.into_iter().map(slice).collect());
        }
        let total = needs.iter().map(|range| range.end - range.start).sum();
        let reserved = {
            let mut tickets = tickets.lock().unwrap_or_else(PoisonError::into_inner);
            tickets.iter_mut().map(|ticket| ticket.split(total)).collect()
        };
        let data = self.pieces.read(&needs, Some(reserved)).await?;
        Ok(needs.into_iter().zip(data).collect())
    }

    /// Of what came, what a part needs.
    fn share(&self, group: Group, part: &Part, came: &Came) -> Came {
        let columns = self.leaves.iter().zip(self.chunks(group)).zip(came);
        let own = columns.filter(|((leaf, _), _)| part.projection.leaf_included(**leaf));
        own.map(|(_, came)| came.clone()).collect()
    }

    /// Decodes the columns of a part: those that are decoded here, and what is left.
    async fn part(
        self: &Arc<Self>,
        group: Group,
        number: usize,
        batch_rows: usize,
        came: Came,
        tickets: &Mutex<Vec<Ticket>>,
    ) -> Result<Vec<Rows>, Error> {
        let Some(part) = self.parts.get(number) else { return Ok(Vec::new()) };
        let rows = usize::try_from(group.rows).unwrap_or(usize::MAX);
        let some = part.roots.iter().any(|root| self.flat.contains_key(root));
        if !some || batch_rows < rows {
            let decoder = self.builder(group, &part.projection, batch_rows).build();
            return self.decoded(group, decoder, came, tickets).await;
        }
        let flat = move |plan: &Self| plan.flat(group, number, rows, came);
        let (mut columns, came) = self.turn(flat).await?;
        let left = part.roots.iter().zip(&columns).filter(|(_, column)| column.is_none());
        let left: Vec<usize> = left.map(|(root, _)| *root).collect();
        if !left.is_empty() {
            let projection = ProjectionMask::roots(self.reader.parquet_schema(), left);
            let decoder = self.builder(group, &projection, batch_rows).build();
            let mut batches = self.decoded(group, decoder, came, tickets).await?;
            let Some(batch) = batches.pop().filter(|batch| batch.rows == rows) else {
                return Err(apart());
            };
            let free = columns.iter_mut().filter(|column| column.is_none());
            free.zip(batch.columns).for_each(|(free, column)| *free = Some(column));
        }
        let columns = columns.into_iter().collect::<Option<_>>().ok_or_else(apart)?;
        Ok(vec![Rows { columns, rows }])
    }

    /// Of the columns of a part those that are decoded here, and what came of the others.
    fn flat(
        &self,
        group: Group,
        number: usize,
        rows: usize,
        came: Came,
    ) -> Result<(Vec<Option<ArrayRef>>, Came), Error> {
        let Some(part) = self.parts.get(number) else { return Ok((Vec::new(), came)) };
        let scratch = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = scratch().pop().unwrap_or_default();
        let mut columns = vec![None; part.roots.len()];
        let mut left = Vec::new();
        let leaves = self.leaves.iter().zip(self.chunks(group));
        let leaves = leaves.filter(|(leaf, _)| part.projection.leaf_included(**leaf));
        for ((leaf, chunk), (range, data)) in leaves.zip(came) {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(Error::cancelled());
            }
            let root = self.reader.parquet_schema().get_column_root_idx(*leaf);
            let decoded = match self.flat.get(&root) {
                Some(flat) if numbers::unpacks(chunk) => {
                    pages::check(chunk, &data)?;
                    match flat {
                        Flat::Number(number) => {
                            numbers::column(number, chunk, &data, rows, &mut own)
                        }
                        Flat::Text(text) => self.text(text, group, chunk, &data, &mut own)?,
                    }
                }
                _ => None,
            };
            let place = part.roots.iter().position(|part| *part == root);
            match place.and_then(|place| columns.get_mut(place)) {
                Some(place) if decoded.is_some() => *place = decoded,
                _ => left.push((range, data)),
            }
        }
        scratch().push(own);
        Ok((columns, left))
    }

    /// Decodes a column of texts, if the budget has room for what of it could not be foreseen.
    fn text(
        &self,
        text: &Text,
        group: Group,
        chunk: &ColumnChunkMetaData,
        data: &[u8],
        scratch: &mut Scratch,
    ) -> Result<Option<ArrayRef>, Error> {
        let there = self.reader.metadata().row_group(group.index).num_rows();
        let mut cost = Cost::default();
        cost.add(chunk, u64::try_from(there).unwrap_or(0), group.rows)?;
        // It is counted with its batch; until then there is to be room.
        let mut more = Vec::new();
        let reserve = |bytes: usize| {
            let bytes = (bytes as u64).saturating_sub(cost.decoded);
            if bytes > 0 {
                more = self.pieces.take(bytes)?;
            }
            Ok(())
        };
        let rows = usize::try_from(group.rows).unwrap_or(usize::MAX);
        texts::column(text, chunk, data, rows, scratch, reserve)
    }

    /// Does something on a thread of its own, when there is a core for it.
    async fn turn<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = Arc::clone(&self.decoding).acquire_owned().await;
        let turn = turn.map_err(|_| Error::internal("nobody decodes any more"))?;
        let plan = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&plan);
            drop(turn);
            done
        });
        joined("Parquet", done.await)
    }

    /// Decodes columns, as often as the decoder needs more bytes on a thread of its own.
    async fn decoded(
        self: &Arc<Self>,
        group: Group,
        decoder: Result<ParquetPushDecoder, ParquetError>,
        mut came: Came,
        tickets: &Mutex<Vec<Ticket>>,
    ) -> Result<Vec<Rows>, Error> {
        let mut decoder = decoder.map_err(of_parquet)?;
        let mut done = Vec::new();
        loop {
            let step = self.turn(move |plan| plan.decode(group, decoder, came));
            let (again, batches, more) = step.await?;
            decoder = again;
            done.extend(batches);
            let Some(needs) = more else { return Ok(done) };
            came = self.read(needs, tickets).await?;
        }
    }

    /// Decodes as far as there is data.
    #[allow(clippy::type_complexity)]
    fn decode(
        &self,
        group: Group,
        mut decoder: ParquetPushDecoder,
        came: Came,
    ) -> Result<(ParquetPushDecoder, Vec<Rows>, Option<Vec<Range<u64>>>), Error> {
        for (range, data) in came {
            self.check(group, &range, &data)?;
            decoder.push_range(range, data).map_err(of_parquet)?;
        }
        let mut batches = Vec::new();
        loop {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(Error::cancelled());
            }
            match decoder.try_decode().map_err(of_parquet)? {
                DecodeResult::Data(batch) => batches.push(self.checked(batch)?),
                DecodeResult::NeedsData(ranges) => return Ok((decoder, batches, Some(ranges))),
                DecodeResult::Finished => return Ok((decoder, batches, None)),
            }
        }
    }

    /// Looks at the pages that came.
    fn check(&self, group: Group, range: &Range<u64>, data: &[u8]) -> Result<(), Error> {
        for chunk in self.chunks(group) {
            let place = place(chunk)?;
            if place.start <= range.start && range.end <= place.end {
                return pages::check(chunk, data);
            }
        }
        Err(damaged("Parquet", "it names pages that lie in no column"))
    }

    /// Columns as they are told.
    fn checked(&self, batch: RecordBatch) -> Result<Rows, Error> {
        // A damaged file may make the decoder build what is no array.
        for column in batch.columns() {
            column.to_data().validate().map_err(|error| damaged("Parquet", error))?;
        }
        let batch = match Arc::ptr_eq(&self.told, &self.schema) {
            true => batch,
            false => {
                let told = schema_as_float64(&batch.schema());
                as_float64(batch, &told)?
            }
        };
        let (_, columns, rows) = batch.into_parts();
        Ok(Rows { columns, rows })
    }

    /// The batches of a row group, out of those of its parts.
    fn together(&self, parts: Vec<Vec<Rows>>) -> Result<Vec<RecordBatch>, Error> {
        let width = self.parts.iter().map(|part| part.places.len()).sum();
        let mut whole: Vec<(usize, Vec<Option<ArrayRef>>)> = Vec::new();
        for (number, (part, batches)) in self.parts.iter().zip(parts).enumerate() {
            if number == 0 {
                whole.extend(batches.iter().map(|batch| (batch.rows, vec![None; width])));
            }
            if batches.len() != whole.len() {
                return Err(apart());
            }
            for ((rows, columns), batch) in whole.iter_mut().zip(batches) {
                if *rows != batch.rows {
                    return Err(apart());
                }
                for (place, column) in part.places.iter().zip(batch.columns) {
                    if let Some(free) = columns.get_mut(*place) {
                        *free = Some(column);
                    }
                }
            }
        }
        let batch = |(rows, columns): (usize, Vec<Option<ArrayRef>>)| {
            self.batch(columns.into_iter().collect::<Option<_>>().ok_or_else(apart)?, rows)
        };
        whole.into_iter().map(batch).collect()
    }

    /// The columns as they were asked for.
    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Error> {
        let columns = match &self.order {
            Some(order) => order.iter().filter_map(|place| columns.get(*place).cloned()).collect(),
            None => columns,
        };
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.told), columns, &options)
            .map_err(|error| damaged("Parquet", error))
    }
}
