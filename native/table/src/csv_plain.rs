//! CSV without quotes, column by column: of the columns that nobody wants nothing is looked at.
//!
//! Whatever is not as simple as that is left to the general decoder, all of the piece.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::csv_fields::{FIELDS, PlainMarks, Records, each};
use crate::plain_columns::{PlainColumn, float, integer, integer_at};

/// Parses a text of these columns, of so many rows at most; of `told`, those at `places` of the file.
/// Nothing, where the general decoder must look at it.
pub(crate) fn parse(
    text: &[u8],
    marks: PlainMarks,
    columns: usize,
    rows: usize,
    places: &[usize],
    told: &SchemaRef,
) -> Option<Vec<RecordBatch>> {
    // Before all else: nothing is gained where a column is none of these.
    let fields = || places.iter().zip(told.fields());
    if fields()
        .any(|(place, field)| *place >= columns || PlainColumn::new(field.data_type(), 0).is_none())
    {
        return None;
    }
    let mut filled = fields()
        .map(|(place, field)| Some((*place, PlainColumn::new(field.data_type(), rows)?)))
        .collect::<Option<Vec<_>>>()?;
    let mut count = 0;
    each(text, marks, columns, FIELDS, |records| {
        count += records.len();
        filled.iter_mut().try_for_each(|(place, column)| fill(column, records, *place))
    })?;
    if count == 0 {
        return Some(Vec::new());
    }
    let arrays = filled.into_iter().map(|(_, column)| column.finish()).collect();
    RecordBatch::try_new(SchemaRef::clone(told), arrays).ok().map(|batch| vec![batch])
}

/// Adds the fields of a column.
fn fill(column: &mut PlainColumn, records: &Records<'_>, place: usize) -> Option<()> {
    match column {
        PlainColumn::Int64(column) => {
            let (text, mut places) = records.column(place);
            // Appended all at once: each by itself would cost more than it takes to parse it.
            let mut numbers = Vec::with_capacity(records.len());
            places.try_for_each(|(start, end)| {
                match integer_at(text, start, end) {
                    Some(value) => numbers.push(value),
                    None if start == end => {
                        column.append_slice(&numbers);
                        numbers.clear();
                        column.append_null();
                    }
                    None => numbers.push(integer(text.get(start..end)?)?),
                }
                Some(())
            })?;
            column.append_slice(&numbers);
            Some(())
        }
        PlainColumn::Float64(column) => records.fields(place).try_for_each(|field| {
            match field {
                [] => column.append_null(),
                field => column.append_value(float(field)?),
            }
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
