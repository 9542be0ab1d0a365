//! CSV without quotes, column by column: of the columns that nobody wants nothing is looked at.
//!
//! Whatever is not as simple as that is left to the general decoder, all of the piece.

use std::sync::Arc;

use arrow_array::builder::{Date32Builder, Int64Builder};
use arrow_array::types::{Date32Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{
    ArrayRef, RecordBatch, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray,
};
use arrow_cast::parse::{Parser, string_to_timestamp_nanos};
use arrow_schema::{DataType, SchemaRef, TimeUnit};

use crate::csv_fields::{FIELDS, PlainMarks, Records, each};
use crate::filled_numbers::FilledNumbers;
use crate::int64::signed_as_float64;
use crate::plain_columns::{PlainColumn, float, integer, integer_at};
use crate::seen::other_time;

/// Parses a text of these columns, of so many rows at most; of `told`, those at `places` of the file,
/// as they are `given`. Nothing, where the general decoder must look at it.
pub(crate) fn parse(
    text: &[u8],
    marks: PlainMarks,
    columns: usize,
    rows: usize,
    places: &[usize],
    (told, given): (&SchemaRef, &SchemaRef),
) -> Option<Vec<RecordBatch>> {
    // Before all else: nothing is gained where a column is none of these.
    let fields = || places.iter().zip(told.fields());
    if fields()
        .any(|(place, field)| *place >= columns || Column::new(field.data_type(), 0).is_none())
    {
        return None;
    }
    let mut filled = fields()
        .map(|(place, field)| Some((*place, Column::new(field.data_type(), rows)?)))
        .collect::<Option<Vec<_>>>()?;
    let mut count = 0;
    each(text, marks, columns, FIELDS, |records| {
        count += records.len();
        filled.iter_mut().try_for_each(|(place, column)| column.fill(records, *place))
    })?;
    if count == 0 {
        return Some(Vec::new());
    }
    let arrays = filled
        .into_iter()
        .zip(given.fields())
        .map(|((_, column), field)| column.finish(field.data_type()))
        .collect::<Option<Vec<_>>>()?;
    RecordBatch::try_new(SchemaRef::clone(given), arrays).ok().map(|batch| vec![batch])
}

/// A column that is being filled.
enum Column {
    Integers(FilledNumbers<i64>),
    Floats(FilledNumbers<f64>),
    Plain(PlainColumn),
    Dates(Date32Builder),
    /// Of UTC, in a unit that is so many nanoseconds.
    Times {
        filled: Int64Builder,
        unit: TimeUnit,
        nanoseconds: i64,
        zone: Option<Arc<str>>,
    },
}

impl Column {
    /// An empty column with room for `rows`; nothing for other types.
    fn new(kind: &DataType, rows: usize) -> Option<Self> {
        Some(match kind {
            DataType::Int64 => Self::Integers(FilledNumbers::new(rows)?),
            DataType::Float64 => Self::Floats(FilledNumbers::new(rows)?),
            DataType::Date32 => Self::Dates(Date32Builder::with_capacity(rows)),
            DataType::Timestamp(unit, zone) if matches!(zone.as_deref(), None | Some("+00:00")) => {
                let nanoseconds = match unit {
                    TimeUnit::Second => return None,
                    TimeUnit::Millisecond => 1_000_000,
                    TimeUnit::Microsecond => 1_000,
                    TimeUnit::Nanosecond => 1,
                };
                let filled = Int64Builder::with_capacity(rows);
                Self::Times { filled, unit: *unit, nanoseconds, zone: zone.clone() }
            }
            kind => Self::Plain(PlainColumn::new(kind, rows)?),
        })
    }

    /// Adds the fields of a column.
    fn fill(&mut self, records: &Records<'_>, place: usize) -> Option<()> {
        match self {
            Self::Integers(column) => {
                let (text, places) = records.column(place);
                column.add(records.len(), places, |(start, end)| {
                    match integer_at(text, start, end) {
                        None if start == end => Some(None),
                        None => Some(Some(integer(text.get(start..end)?)?)),
                        value => Some(value),
                    }
                })
            }
            Self::Floats(column) => {
                column.add(records.len(), records.fields(place), |field| match field {
                    [] => Some(None),
                    field => Some(Some(float(field)?)),
                })
            }
            Self::Plain(column) => fill(column, records, place),
            Self::Dates(column) => {
                let mut parse = repeated(Date32Type::parse);
                records.texts(place)?.try_for_each(|field| {
                    column.append_option(match field? {
                        "" => None,
                        field => Some(parse(field)?),
                    });
                    Some(())
                })
            }
            Self::Times { filled, nanoseconds, unit, .. } => {
                let mut parse = repeated(|field| {
                    // What is more exact is cut off, as the general decoder does.
                    match string_to_timestamp_nanos(field) {
                        Ok(time) => Some(time.div_euclid(*nanoseconds)),
                        Err(_) => other_time(field, *unit),
                    }
                });
                records.texts(place)?.try_for_each(|field| {
                    filled.append_option(match field? {
                        "" => None,
                        field => Some(parse(field)?),
                    });
                    Some(())
                })
            }
        }
    }

    /// The column, as it is given; nothing where a number is no such number.
    fn finish(self, given: &DataType) -> Option<ArrayRef> {
        Some(match self {
            Self::Integers(mut column) if *given == DataType::Float64 => {
                signed_as_float64(column.numbers()?)?;
                column.finish_as_float64()
            }
            Self::Integers(column) => column.finish::<Int64Type>(),
            Self::Floats(column) => column.finish::<Float64Type>(),
            Self::Plain(column) => column.finish(),
            Self::Dates(mut column) => Arc::new(column.finish()),
            Self::Times { mut filled, unit, zone, .. } => {
                let (_, values, nulls) = filled.finish().into_parts();
                match unit {
                    TimeUnit::Millisecond => Arc::new(
                        TimestampMillisecondArray::new(values, nulls).with_timezone_opt(zone),
                    ),
                    TimeUnit::Nanosecond => Arc::new(
                        TimestampNanosecondArray::new(values, nulls).with_timezone_opt(zone),
                    ),
                    _ => Arc::new(
                        TimestampMicrosecondArray::new(values, nulls).with_timezone_opt(zone),
                    ),
                }
            }
        })
    }
}

/// Parses, but what was there just before: days and times often repeat.
fn repeated<'a, T: Copy>(parse: impl Fn(&'a str) -> Option<T>) -> impl FnMut(&'a str) -> Option<T> {
    let mut last = None;
    move |field| match last {
        Some((known, value)) if known == field => Some(value),
        _ => {
            let value = parse(field)?;
            last = Some((field, value));
            Some(value)
        }
    }
}

/// Adds the fields of a column.
fn fill(column: &mut PlainColumn, records: &Records<'_>, place: usize) -> Option<()> {
    match column {
        // Numbers have a way of their own.
        PlainColumn::Int64(_) | PlainColumn::Float64(_) => None,
        PlainColumn::UInt64(column) => records.texts(place)?.try_for_each(|field| {
            column.append_option(match field? {
                "" => None,
                field => Some(UInt64Type::parse(field)?),
            });
            Some(())
        }),
        PlainColumn::Boolean(column) => records.fields(place).try_for_each(|field| {
            column.append_option(match field {
                [] => None,
                field if field.eq_ignore_ascii_case(b"true") => Some(true),
                field if field.eq_ignore_ascii_case(b"false") => Some(false),
                _ => return None,
            });
            Some(())
        }),
        PlainColumn::Text(column) => records.texts(place)?.try_for_each(|field| {
            match field? {
                "" => column.append_null(),
                field => column.append_value(field),
            }
            Some(())
        }),
    }
}
