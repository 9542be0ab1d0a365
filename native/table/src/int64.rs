//! 64-bit integers as 64-bit floating-point numbers, for those who count in JavaScript: a
//! `BigInt64Array` is some ten times as slow to add up as a `Float64Array`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int64Type, UInt64Type};
use arrow_array::{ArrayRef, PrimitiveArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::{DataType, Schema, SchemaRef};
use dipper_core::Error;

/// Up to here, and down to its opposite, every whole number is a floating-point number.
const LARGEST: u64 = (1 << 53) - 1;
/// So many numbers stay at hand.
const BLOCK: usize = 1024;

/// The same numbers as floating-point ones, in their bits; `None` if one of them is none.
pub(crate) fn signed_as_float64(values: &mut [i64]) -> Option<()> {
    in_blocks(values, i64::unsigned_abs, signed_bits, |_, _| Err(())).ok()
}

/// As well.
pub(crate) fn unsigned_as_float64(values: &mut [u64]) -> Option<()> {
    in_blocks(values, |value| value, unsigned_bits, |_, _| Err(())).ok()
}

fn signed_bits(value: i64) -> i64 {
    (value as f64).to_bits().cast_signed()
}

fn unsigned_bits(value: u64) -> u64 {
    (value as f64).to_bits()
}

/// Looks at numbers and converts them a block at a time, while it is at hand. A block with one that
/// is too large, by its `size`, is converted if `refused`, which is told where it begins, lets it.
fn in_blocks<N: Copy, E>(
    numbers: &mut [N],
    size: impl Fn(N) -> u64,
    bits: impl Fn(N) -> N,
    refused: impl Fn(usize, &[N]) -> Result<(), E>,
) -> Result<(), E> {
    for (number, block) in numbers.chunks_mut(BLOCK).enumerate() {
        if block.iter().fold(0, |seen, value| seen | size(*value)) > LARGEST {
            refused(number * BLOCK, block)?;
        }
        block.iter_mut().for_each(|number| *number = bits(*number));
    }
    Ok(())
}

/// The schema with its columns of 64-bit integers as `Float64`.
pub(crate) fn schema_as_float64(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Int64 | DataType::UInt64 => {
                Arc::new(field.as_ref().clone().with_data_type(DataType::Float64))
            }
            _ => Arc::clone(field),
        })
        .collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The batch in that schema. Where nobody else holds its numbers they are converted where they lie:
/// fresh memory costs more than the conversion.
///
/// # Errors
/// `InvalidInput` for a number that would not be the same.
pub(crate) fn as_float64(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let (stored, columns, rows) = batch.into_parts();
    let columns = columns
        .into_iter()
        .zip(stored.fields())
        .map(|(column, field)| match field.data_type() {
            DataType::Int64 => {
                converted::<Int64Type>(column, field.name(), i64::unsigned_abs, signed_bits)
            }
            DataType::UInt64 => {
                converted::<UInt64Type>(column, field.name(), |value| value, unsigned_bits)
            }
            _ => Ok(column),
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::internal(format!("a batch does not fit its schema: {error}")))
}

/// The batches of a decoder in that schema, if it is another one than theirs: converted by whoever
/// decoded them, while they are at hand.
///
/// # Errors
/// As those of [`as_float64`].
pub(crate) fn converted_to(
    given: &SchemaRef,
    batches: Vec<RecordBatch>,
) -> Result<Vec<RecordBatch>, Error> {
    let convert = |batch: RecordBatch| {
        let same = batch.schema_ref().fields() == given.fields();
        if same { Ok(batch) } else { as_float64(batch, given) }
    };
    batches.into_iter().map(convert).collect()
}

/// Converts each value; `size` tells its magnitude, `bits` those of the number.
fn converted<T: ArrowPrimitiveType>(
    column: ArrayRef,
    name: &str,
    size: impl Fn(T::Native) -> u64,
    bits: impl Fn(T::Native) -> T::Native,
) -> Result<ArrayRef, Error> {
    let array = column.as_primitive::<T>().clone();
    drop(column);
    let (_, values, nulls) = array.into_parts();
    let length = values.len();
    // What stands in the place of a null is nobody's number.
    let refused = |start: usize, block: &[T::Native]| {
        let too_large = |(value, place): &(T::Native, usize)| {
            size(*value) > LARGEST && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*place))
        };
        match block.iter().copied().zip(start..).find(too_large) {
            None => Ok(()),
            Some((value, _)) => Err(Error::invalid(format!(
                "column {name:?} holds {value:?}, which no 64-bit floating-point number is"
            ))
            .hint("leave int64 out: the column then is a BigInt64Array")),
        }
    };
    let convert = |numbers: &mut [T::Native]| in_blocks(numbers, &size, &bits, refused);
    let values = match values.into_inner().into_mutable() {
        Ok(mut own) => {
            convert(own.typed_data_mut())?;
            own.into()
        }
        Err(shared) => {
            let mut numbers = ScalarBuffer::<T::Native>::new(shared, 0, length).to_vec();
            convert(&mut numbers)?;
            Buffer::from_vec(numbers)
        }
    };
    let values = ScalarBuffer::<f64>::new(values, 0, length);
    Ok(Arc::new(PrimitiveArray::<Float64Type>::new(values, nulls)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, Int64Array, StringArray, UInt64Array};

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, true)),
        )
        .unwrap()
    }

    #[test]
    fn whole_numbers_stay_what_they_are_and_nulls_stay_null() {
        let largest = (1_i64 << 53) - 1;
        let given = batch(vec![
            ("a", Arc::new(Int64Array::from(vec![Some(-largest), None, Some(largest)]))),
            ("b", Arc::new(UInt64Array::from(vec![0, 1, 2]))),
            ("c", Arc::new(StringArray::from(vec!["x", "y", "z"]))),
        ]);
        let schema = schema_as_float64(&given.schema());
        let converted = as_float64(given.clone(), &schema).unwrap();
        let numbers = converted.column(0).as_primitive::<Float64Type>();
        assert_eq!(
            numbers,
            &Float64Array::from(vec![
                Some(-9_007_199_254_740_991.0),
                None,
                Some(9_007_199_254_740_991.0)
            ])
        );
        assert_eq!(converted.column(1).as_primitive::<Float64Type>().values(), &[0.0, 1.0, 2.0]);
        assert_eq!(converted.column(2).as_ref(), given.column(2).as_ref());
    }

    #[test]
    fn a_number_that_would_change_is_refused_by_its_column() {
        for column in [
            Arc::new(Int64Array::from(vec![0, i64::MIN])) as ArrayRef,
            Arc::new(Int64Array::from(vec![(1 << 53) + 1])),
            Arc::new(UInt64Array::from(vec![u64::MAX])),
        ] {
            let given = batch(vec![("ids", column)]);
            let schema = schema_as_float64(&given.schema());
            let error = as_float64(given, &schema).unwrap_err();
            assert!(error.message.contains("\"ids\""), "{error}");
        }
    }

    #[test]
    fn numbers_that_nobody_else_holds_are_converted_where_they_lie() {
        let numbers = Int64Array::from(vec![Some(7), None, Some(-7)]);
        let at = numbers.values().as_ptr() as usize;
        let alone = batch(vec![("a", Arc::new(numbers.clone()))]);
        let schema = schema_as_float64(&alone.schema());
        let values = |batch: &RecordBatch| {
            let column = batch.column(0).as_primitive::<Float64Type>();
            assert_eq!(column, &Float64Array::from(vec![Some(7.0), None, Some(-7.0)]));
            column.values().as_ptr() as usize
        };
        // Here the test holds them.
        assert_ne!(values(&as_float64(alone.clone(), &schema).unwrap()), at);
        assert_eq!(numbers.value(2), -7);
        drop((numbers, alone));
        let numbers = Int64Array::from(vec![Some(7), None, Some(-7)]);
        let at = numbers.values().as_ptr() as usize;
        let alone = batch(vec![("a", Arc::new(numbers))]);
        assert_eq!(values(&as_float64(alone, &schema).unwrap()), at);
    }
}
