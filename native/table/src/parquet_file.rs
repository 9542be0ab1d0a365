//! Parquet: footer and column chunks by ranges, row groups decoded side by side.
//!
//! Each row group is a task: it waits until its bytes and its columns fit in the budget, reads the
//! chunks by as few requests as they need, and decodes them on a thread of its own. A few tasks
//! are under way at once, so that one is read while another is decoded. None of them waits for
//! whoever takes the batches while it holds a part of the budget, or two readers could wait for
//! each other.

mod cost;
mod footer;
mod layouts;
mod pages;
mod pruning;
mod thrift;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::{Array, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use dipper_core::{Client, Error, Gate, Pieces, Ticket};
use futures::StreamExt;
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, RowFilter, RowSelection,
};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use tokio_util::task::AbortOnDropHandle;

use crate::error::{damaged, joined, of_parquet};
use crate::filter::BoundFilter;
use crate::int64::{as_float64, schema_as_float64};
use crate::stream::{Decoded, OpenRequest, Opened};
use cost::{Cost, Held};

/// Footers are most often shorter.
const TAIL: u64 = 64 << 10;
/// A batch has no more rows than this, however many its row group has.
const MOST_ROWS: u64 = 1 << 20;
/// Nor more bytes than about this: offsets of strings have 31 bits.
const MOST_BYTES: u64 = 256 << 20;
/// What waits to be taken has no more than this part of the budget.
const SHARE_AHEAD: u64 = 4;

/// Opens a Parquet file.
pub(crate) async fn open(
    client: Option<&Arc<Client>>,
    request: OpenRequest,
) -> Result<Opened, Error> {
    let (pieces, tail) = Pieces::open(client, request.source, TAIL).await?;
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
    let plan = Arc::new(Plan {
        pieces: Arc::clone(&pieces),
        told: Arc::clone(&told),
        reader,
        projection,
        leaves,
        order,
        schema: Arc::clone(&schema),
        selections,
        condition,
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
    Ok(Opened { schema: told, stat, rows: Some(rows), batches, metrics })
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
    reader: ArrowReaderMetadata,
    projection: ProjectionMask,
    /// The columns that are read, without their groups.
    leaves: Vec<usize>,
    order: Option<Vec<usize>>,
    schema: SchemaRef,
    /// The schema as it is told: its integers may be other numbers there.
    told: SchemaRef,
    /// The rows of row groups that are not read whole.
    selections: HashMap<usize, RowSelection>,
    condition: Option<Condition>,
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

/// Bytes that were read, and where they were.
type Came = Vec<(Range<u64>, Bytes)>;

impl Plan {
    /// How many row groups are read and decoded at once: as many as there are cores, and one that
    /// is read meanwhile, as far as the budget goes. One is always possible, or it is refused here,
    /// before anything of it is read.
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
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(fits.clamp(1, cores + 1))
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
        let mut tickets = self.pieces.reserve(cost.read.saturating_add(cost.decoded)).await?;
        let mut held = Held::new(cost.decoded);
        let per_row = (cost.decoded / group.rows.max(1)).max(1);
        let batch_rows = group.rows.clamp(1, MOST_ROWS).min((MOST_BYTES / per_row).max(1024));
        let mut builder = ParquetPushDecoderBuilder::new_with_metadata(self.reader.clone())
            .with_row_groups(vec![group.index])
            .with_projection(self.projection.clone())
            .with_batch_size(usize::try_from(batch_rows).unwrap_or(usize::MAX));
        if group.cut {
            builder = builder.with_limit(rows);
        }
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
        let mut decoder = builder.build().map_err(of_parquet)?;
        let size = self.pieces.stat().size;
        let mut done = Vec::new();
        // Where all of it is wanted, what the decoder will ask for is known before it is there.
        let known = self.condition.is_none() && !self.selections.contains_key(&group.index);
        let mut needs = match known {
            true => self.chunks(group).map(place).collect::<Result<Vec<_>, Error>>()?,
            false => Vec::new(),
        };
        loop {
            within(&needs, size)?;
            let total = needs.iter().map(|range| range.end - range.start).sum();
            let reserved = tickets.iter_mut().map(|ticket| ticket.split(total)).collect();
            let data = match needs.is_empty() {
                true => Vec::new(),
                false => self.pieces.read(&needs, Some(reserved)).await?,
            };
            let came: Came = needs.into_iter().zip(data).collect();
            let plan = Arc::clone(&self);
            let step = tokio::task::spawn_blocking(move || plan.decode(group, decoder, came));
            let (again, batches, more) = joined("Parquet", step.await)?;
            decoder = again;
            for batch in batches {
                // What could not be foreseen, a dictionary of long strings, say.
                let more = held.more(&batch);
                if more > 0 {
                    tickets.extend(self.pieces.take(more)?);
                }
                done.push(Decoded { batch, tickets: Vec::new() });
            }
            let Some(more) = more else { return Ok(done) };
            needs = more;
        }
    }

    /// Decodes as far as there is data.
    #[allow(clippy::type_complexity)]
    fn decode(
        &self,
        group: Group,
        mut decoder: ParquetPushDecoder,
        came: Came,
    ) -> Result<(ParquetPushDecoder, Vec<RecordBatch>, Option<Vec<Range<u64>>>), Error> {
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
                DecodeResult::Data(batch) => batches.push(self.ordered(batch)?),
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

    /// The columns as they were asked for.
    fn ordered(&self, batch: RecordBatch) -> Result<RecordBatch, Error> {
        // A damaged file may make the decoder build what is no array.
        for column in batch.columns() {
            column.to_data().validate().map_err(|error| damaged("Parquet", error))?;
        }
        let mut batch = batch;
        if let Some(order) = &self.order {
            batch = batch
                .project(order)
                .and_then(|batch| batch.with_schema(Arc::clone(&self.schema)))
                .map_err(|error| damaged("Parquet", error))?;
        }
        if Arc::ptr_eq(&self.told, &self.schema) {
            Ok(batch)
        } else {
            as_float64(batch, &self.told)
        }
    }
}
