//! What a condition lets a reader leave out: row groups by their statistics and bloom filters,
//! pages by the page index.
//!
//! All of it is a hint. What cannot be told is read, and whoever takes the rows looks at each.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int32Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, UInt32Array, UInt64Array};
use arrow_schema::DataType;
use arrow_select::take::take;
use dipper_core::{Error, Pieces};
use parquet::DecodeResult;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection};
use parquet::basic::Type;
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder, RowGroupMetaData,
};
use parquet::file::page_index::offset_index::PageLocation;

use super::layouts;
use super::thrift::{Visit, walk};
use super::within;
use crate::error::{damaged, of_parquet};
use crate::filter::{BoundFilter, Statistics};

/// A bloom filter that is longer is not worth reading.
const LONGEST_BLOOM: u64 = 1 << 20;
/// Nor is a page index.
const LONGEST_INDEX: u64 = 16 << 20;

fn rows_of(group: &RowGroupMetaData) -> u64 {
    u64::try_from(group.num_rows()).unwrap_or(0)
}

fn converter<'a>(reader: &'a ArrowReaderMetadata, column: &str) -> Option<StatisticsConverter<'a>> {
    StatisticsConverter::try_new(column, reader.schema(), reader.parquet_schema())
        .ok()
        .map(|converter| converter.with_missing_null_counts_as_zero(false))
}

/// The row groups that may have a row that is wanted, by their statistics.
pub(super) fn by_statistics(
    bound: &BoundFilter,
    reader: &ArrowReaderMetadata,
    candidates: &[usize],
) -> Vec<usize> {
    let groups = || candidates.iter().map(|group| reader.metadata().row_group(*group));
    let rows: Vec<u64> = groups().map(rows_of).collect();
    let known = |column: &str| {
        let converter = converter(reader, column)?;
        let leaf = converter.parquet_column_index()?;
        // Old writers compared texts and unsigned numbers as if they were signed.
        let old = groups().any(|group| {
            group.column(leaf).statistics().is_some_and(|known| known.is_min_max_deprecated())
        });
        let bounds = !old || signed(converter.arrow_field().data_type());
        let bound = |known: Option<ArrayRef>| known.filter(|known| bounds && !has_nan(known));
        Some(Statistics {
            min: bound(converter.row_group_mins(groups()).ok()),
            max: bound(converter.row_group_maxes(groups()).ok()),
            nulls: converter.row_group_null_counts(groups()).ok(),
        })
    };
    let kept = bound.could_match(&rows, &known);
    candidates.iter().zip(kept).filter(|(_, kept)| *kept).map(|(group, _)| *group).collect()
}

fn signed(kind: &DataType) -> bool {
    kind.is_signed_integer() || kind.is_floating() || kind.is_temporal()
}

/// A bound that is not a number bounds nothing.
fn has_nan(known: &ArrayRef) -> bool {
    use arrow_array::types::{Float16Type, Float32Type, Float64Type};
    match known.data_type() {
        DataType::Float16 => {
            known.as_primitive::<Float16Type>().values().iter().any(|value| value.is_nan())
        }
        DataType::Float32 => {
            known.as_primitive::<Float32Type>().values().iter().any(|value| value.is_nan())
        }
        DataType::Float64 => {
            known.as_primitive::<Float64Type>().values().iter().any(|value| value.is_nan())
        }
        _ => false,
    }
}

/// The row groups whose bloom filters do not rule them out.
pub(super) async fn by_bloom_filters(
    pieces: &Pieces,
    bound: &BoundFilter,
    reader: &ArrowReaderMetadata,
    candidates: Vec<usize>,
) -> Result<Vec<usize>, Error> {
    let mut wanted = Vec::new();
    for (entry, points) in bound.points().into_iter().enumerate() {
        let Some(leaf) = converter(reader, &points.column)
            .and_then(|converter| converter.parquet_column_index())
        else {
            continue;
        };
        for group in &candidates {
            let chunk = reader.metadata().row_group(*group).column(leaf);
            let start = chunk.bloom_filter_offset().and_then(|start| u64::try_from(start).ok());
            let length = chunk.bloom_filter_length().and_then(|length| u64::try_from(length).ok());
            let Some((start, length)) = start.zip(length) else { continue };
            let column = u64::try_from(chunk.compressed_size()).unwrap_or(0);
            if length > 0 && length <= LONGEST_BLOOM.min(column) {
                wanted.push((*group, entry, start..start.saturating_add(length)));
            }
        }
    }
    if wanted.is_empty() {
        return Ok(candidates);
    }
    let ranges: Vec<_> = wanted.iter().map(|(_, _, range)| range.clone()).collect();
    within(&ranges, pieces.stat().size)?;
    let came = pieces.read(&ranges, None).await?;
    let points = bound.points();
    let mut out = Vec::new();
    for ((group, entry, _), bytes) in wanted.iter().zip(came) {
        walk(&bytes, &layouts::BLOOM_HEADER, &mut Nobody)?;
        let filter = Sbbf::from_bytes(&bytes).map_err(of_parquet)?;
        let Some(points) = points.get(*entry) else { continue };
        let physical = converter(reader, &points.column)
            .and_then(|converter| converter.parquet_column_index())
            .map(|leaf| reader.parquet_schema().column(leaf).physical_type());
        if filter.num_blocks() > 0 && !any_in(&filter, &points.values, physical) {
            out.push(*group);
        }
    }
    Ok(candidates.into_iter().filter(|group| !out.contains(group)).collect())
}

/// Whether a filter may have one of the values. Those whose bytes are not certain it may have.
fn any_in(filter: &Sbbf, values: &ArrayRef, physical: Option<Type>) -> bool {
    let mut present = (0..values.len()).filter(|index| values.is_valid(*index));
    match (values.data_type(), physical) {
        (DataType::Int32, Some(Type::INT32)) => {
            present.any(|index| filter.check(&values.as_primitive::<Int32Type>().value(index)))
        }
        (DataType::Date32, Some(Type::INT32)) => {
            present.any(|index| filter.check(&values.as_primitive::<Date32Type>().value(index)))
        }
        (DataType::UInt32, Some(Type::INT32)) => present.any(|index| {
            filter.check(&values.as_primitive::<UInt32Type>().value(index).cast_signed())
        }),
        (DataType::Int64, Some(Type::INT64)) => {
            present.any(|index| filter.check(&values.as_primitive::<Int64Type>().value(index)))
        }
        (DataType::UInt64, Some(Type::INT64)) => present.any(|index| {
            filter.check(&values.as_primitive::<UInt64Type>().value(index).cast_signed())
        }),
        (DataType::Utf8, Some(Type::BYTE_ARRAY)) => {
            present.any(|index| filter.check(values.as_string::<i32>().value(index)))
        }
        (DataType::LargeUtf8, Some(Type::BYTE_ARRAY)) => {
            present.any(|index| filter.check(values.as_string::<i64>().value(index)))
        }
        (DataType::Utf8View, Some(Type::BYTE_ARRAY)) => {
            present.any(|index| filter.check(values.as_string_view().value(index)))
        }
        _ => true,
    }
}

/// Looks on, and sees nothing.
struct Nobody;

impl Visit for Nobody {}

/// The description with the page index, where there is one that is worth reading.
pub(super) async fn with_page_index(
    pieces: &Pieces,
    metadata: ParquetMetaData,
) -> Result<ParquetMetaData, Error> {
    let chunks = || metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    let size = pieces.stat().size;
    let mut parts = Vec::new();
    for chunk in chunks() {
        let place = |offset: Option<i64>, length: Option<i32>| {
            let start = u64::try_from(offset?).ok()?;
            Some(start..start.checked_add(u64::try_from(length?).ok()?)?)
        };
        let columns = place(chunk.column_index_offset(), chunk.column_index_length());
        let offsets = place(chunk.offset_index_offset(), chunk.offset_index_length());
        // All of it, or nothing.
        let Some((columns, offsets)) = columns.zip(offsets) else { return Ok(metadata) };
        parts.push((columns, &layouts::COLUMN_INDEX));
        parts.push((offsets, &layouts::OFFSET_INDEX));
    }
    let start = parts.iter().map(|(range, _)| range.start).min();
    let end = parts.iter().map(|(range, _)| range.end).max();
    let Some((start, end)) = start.zip(end) else { return Ok(metadata) };
    if end - start > LONGEST_INDEX {
        return Ok(metadata);
    }
    let whole = start..end;
    within(std::slice::from_ref(&whole), size)?;
    let bytes = pieces.read(std::slice::from_ref(&whole), None).await?;
    let Some(bytes) = bytes.into_iter().next() else { return Ok(metadata) };
    let read = tokio::task::spawn_blocking(move || {
        for (range, layout) in parts {
            let place = |at: u64| usize::try_from(at - start).unwrap_or(usize::MAX);
            let part = bytes.get(place(range.start)..place(range.end)).unwrap_or_default();
            walk(part, layout, &mut Nobody)?;
        }
        let mut decoder = ParquetMetaDataPushDecoder::try_new_with_metadata(size, metadata)
            .map_err(of_parquet)?
            .with_page_index_policy(PageIndexPolicy::Optional);
        decoder.push_range(whole, bytes).map_err(of_parquet)?;
        match decoder.try_decode().map_err(of_parquet)? {
            DecodeResult::Data(metadata) => {
                plausible(&metadata)?;
                Ok(metadata)
            }
            _ => Err(damaged("Parquet", "its page index is incomplete")),
        }
    });
    crate::error::joined("Parquet", read.await)
}

/// Pages follow each other, within their row group.
fn plausible(metadata: &ParquetMetaData) -> Result<(), Error> {
    let Some(index) = metadata.offset_index() else { return Ok(()) };
    for (group, columns) in metadata.row_groups().iter().zip(index) {
        for (column, chunk) in columns.iter().zip(group.columns()) {
            let pages = column.page_locations();
            let first = pages.first().is_none_or(|page| page.first_row_index == 0);
            let ordered =
                pages.windows(2).all(|pair| pair[0].first_row_index < pair[1].first_row_index);
            let last = pages.last().is_none_or(|page| page.first_row_index < group.num_rows());
            let sized = pages.iter().all(|page| page.offset >= 0 && page.compressed_page_size >= 0);
            let some = group.num_rows() == 0 || !pages.is_empty();
            if !(first && ordered && last && sized && some) {
                return Err(damaged(
                    "Parquet",
                    format!("the page index of {} is wrong", chunk.column_path()),
                ));
            }
        }
    }
    Ok(())
}

/// Of each row group, the rows in pages that may have one that is wanted; of none that is read
/// whole.
pub(super) fn by_pages(
    bound: &BoundFilter,
    reader: &ArrowReaderMetadata,
    groups: &[usize],
) -> HashMap<usize, RowSelection> {
    let metadata = reader.metadata();
    let Some((columns, offsets)) = metadata.column_index().zip(metadata.offset_index()) else {
        return HashMap::new();
    };
    let mut selections = HashMap::new();
    for group in groups {
        let rows = rows_of(metadata.row_group(*group));
        let leaf = |column: &str| converter(reader, column)?.parquet_column_index();
        let pages = |leaf: usize| -> Option<&[PageLocation]> {
            Some(offsets.get(*group)?.get(leaf)?.page_locations().as_slice())
        };
        // A part has the rows between two beginnings of pages, of whichever column.
        let mut starts: Vec<u64> = bound
            .columns()
            .iter()
            .filter_map(|column| pages(leaf(column)?))
            .flatten()
            .filter_map(|page| u64::try_from(page.first_row_index).ok())
            .chain([0, rows])
            .collect();
        starts.sort_unstable();
        starts.dedup();
        let parts: Vec<(u64, u64)> = starts
            .iter()
            .zip(starts.iter().skip(1))
            .map(|(start, end)| (*start, *end))
            .filter(|(_, end)| *end <= rows)
            .collect();
        let counts: Vec<u64> = parts.iter().map(|(start, end)| end - start).collect();
        let known = |column: &str| {
            let converter = converter(reader, column)?;
            let pages = pages(converter.parquet_column_index()?)?;
            let which: UInt32Array = parts
                .iter()
                .map(|(start, _)| {
                    let after = pages.partition_point(|page| {
                        u64::try_from(page.first_row_index).is_ok_and(|first| first <= *start)
                    });
                    after.checked_sub(1).and_then(|page| u32::try_from(page).ok())
                })
                .collect();
            let one = [*group];
            let bound = |known: Option<ArrayRef>| {
                let known = known.filter(|known| known.len() == pages.len() && !has_nan(known))?;
                take(&known, &which, None).ok()
            };
            Some(Statistics {
                min: bound(converter.data_page_mins(columns, offsets, &one).ok()),
                max: bound(converter.data_page_maxes(columns, offsets, &one).ok()),
                // Those of a page do not belong to a part of it; none and all do.
                nulls: part_nulls(&converter, metadata, *group, &which, &counts),
            })
        };
        let kept = bound.could_match(&counts, &known);
        if kept.iter().all(|kept| *kept) {
            continue;
        }
        let ranges = parts.iter().zip(kept).filter(|(_, kept)| *kept).filter_map(|(part, _)| {
            Some(usize::try_from(part.0).ok()?..usize::try_from(part.1).ok()?)
        });
        let total = usize::try_from(rows).unwrap_or(usize::MAX);
        selections.insert(*group, RowSelection::from_consecutive_ranges(ranges, total));
    }
    selections
}

/// How many values are missing in each part: known where it is none of its page.
fn part_nulls(
    converter: &StatisticsConverter,
    metadata: &ParquetMetaData,
    group: usize,
    which: &UInt32Array,
    counts: &[u64],
) -> Option<UInt64Array> {
    let (columns, offsets) = metadata.column_index().zip(metadata.offset_index())?;
    let nulls = converter.data_page_null_counts(columns, offsets, &[group]).ok()?;
    let rows = converter
        .data_page_row_counts(offsets, metadata.row_groups(), &[group])
        .ok()
        .flatten()
        .filter(|rows| rows.len() == nulls.len())?;
    let part = which.iter().zip(counts).map(|(page, count)| {
        let page = usize::try_from(page?).ok().filter(|page| *page < nulls.len())?;
        let known = nulls.is_valid(page).then(|| nulls.value(page))?;
        match known {
            0 => Some(0),
            all if rows.is_valid(page) && all == rows.value(page) => Some(*count),
            _ => None,
        }
    });
    Some(part.collect())
}
