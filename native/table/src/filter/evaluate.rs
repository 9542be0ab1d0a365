//! What a condition makes of a batch, by the kernels of Arrow.

use std::cmp::Ordering;

use arrow_arith::boolean::{and_kleene, is_not_null, is_null, not, or_kleene};
use arrow_arith::numeric::{add, div, mul, rem, sub};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Datum, PrimitiveArray, RecordBatch, Scalar,
    StringArray, UInt64Array,
};
use arrow_buffer::BooleanBuffer;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_ord::cmp;
use arrow_ord::ord::make_comparator;
use arrow_schema::{ArrowError, DataType, SortOptions};
use arrow_select::nullif::nullif;
use arrow_select::take::take;
use arrow_string::like::{ilike, like};

use super::bind::{Node, Value, plain};
use super::syntax::{Comparison, Operator};

/// A value of each row, or one for all.
enum Found {
    Each(ArrayRef),
    All(ArrayRef),
}

impl Datum for Found {
    fn get(&self) -> (&dyn Array, bool) {
        match self {
            Self::Each(array) => (array, false),
            Self::All(array) => (array, true),
        }
    }
}

/// What a condition is for each row of a batch.
pub(super) fn node(node: &Node, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
    let rows = batch.num_rows();
    Ok(match node {
        Node::Constant(Some(truth)) => constant(*truth, rows),
        Node::Constant(None) => BooleanArray::new_null(rows),
        Node::Truth(value) => {
            let array = plainly(&each(value, batch)?)?;
            array.as_boolean_opt().cloned().ok_or_else(|| unexpected(&array))?
        }
        Node::And(parts) => joined(parts, batch, and_kleene, true)?,
        Node::Or(parts) => joined(parts, batch, or_kleene, false)?,
        Node::Not(of) => not(&self::node(of, batch)?)?,
        Node::Null(value) => is_null(&each(value, batch)?)?,
        Node::Is { of, truth } => {
            let of = self::node(of, batch)?;
            match truth {
                None => is_null(&of)?,
                Some(wanted) => {
                    let values = if *wanted { of.values().clone() } else { !of.values() };
                    let values = match of.nulls() {
                        Some(nulls) => &values & nulls.inner(),
                        None => values,
                    };
                    BooleanArray::new(values, None)
                }
            }
        }
        Node::Known(value, truth) => {
            let nulls = each(value, batch)?.logical_nulls();
            BooleanArray::new(constant(*truth, rows).values().clone(), nulls)
        }
        Node::Compare { comparison, value, to } => {
            leaf(&each(value, batch)?, |array| compare(*comparison, array, to))?
        }
        Node::CompareFloat { comparison, value, to } => {
            leaf(&each(value, batch)?, |array| compare_float(*comparison, array, *to))?
        }
        Node::Compare2 { comparison, left, right, float } => {
            let left = plainly(&each(left, batch)?)?;
            let right = plainly(&each(right, batch)?)?;
            if *float {
                floats(*comparison, &left, &right)?
            } else {
                kernel(*comparison)(&left, &right)?
            }
        }
        Node::In { value, set } => leaf(&each(value, batch)?, |array| among(array, set))?,
        Node::InFloat { value, set } => leaf(&each(value, batch)?, |array| {
            let array = as_type(array, &DataType::Float64)?;
            let array = array.as_primitive::<Float64Type>();
            Ok(BooleanArray::from_unary(array, |value| {
                set.binary_search_by(|one| one.total_cmp(&(value + 0.0))).is_ok()
            }))
        })?,
        Node::Like { value, pattern, any_case } => leaf(&each(value, batch)?, |array| {
            let pattern = StringArray::from(vec![pattern.as_str()]);
            let pattern =
                Scalar::new(as_type(&(std::sync::Arc::new(pattern) as _), array.data_type())?);
            if *any_case { ilike(array, &pattern) } else { like(array, &pattern) }
        })?,
    })
}

/// The same for all rows.
fn constant(truth: bool, rows: usize) -> BooleanArray {
    let values = if truth { BooleanBuffer::new_set(rows) } else { BooleanBuffer::new_unset(rows) };
    BooleanArray::new(values, None)
}

fn joined(
    parts: &[Node],
    batch: &RecordBatch,
    join: impl Fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray, ArrowError>,
    neutral: bool,
) -> Result<BooleanArray, ArrowError> {
    let mut whole: Option<BooleanArray> = None;
    for part in parts {
        let part = node(part, batch)?;
        whole = Some(match whole {
            Some(whole) => join(&whole, &part)?,
            None => part,
        });
        // Nothing that follows changes it.
        if let Some(whole) = &whole
            && whole.null_count() == 0
            && whole.true_count() == if neutral { 0 } else { batch.num_rows() }
        {
            break;
        }
    }
    Ok(whole.unwrap_or_else(|| constant(neutral, batch.num_rows())))
}

fn unexpected(array: &ArrayRef) -> ArrowError {
    ArrowError::ComputeError(format!("a column of {} was not expected", array.data_type()))
}

fn each(value: &Value, batch: &RecordBatch) -> Result<ArrayRef, ArrowError> {
    match found(value, batch)? {
        Found::Each(array) => Ok(array),
        Found::All(array) => {
            let rows = UInt64Array::from(vec![0; batch.num_rows()]);
            take(&array, &rows, None)
        }
    }
}

fn found(value: &Value, batch: &RecordBatch) -> Result<Found, ArrowError> {
    Ok(match value {
        Value::Column(path) => Found::Each(column(path, batch)?),
        Value::Fixed(array) => Found::All(array.clone()),
        Value::Cast(of, kind) => match found(of, batch)? {
            Found::Each(array) => Found::Each(as_type(&array, kind)?),
            Found::All(array) => Found::All(as_type(&array, kind)?),
        },
        Value::Truth(of) => Found::Each(std::sync::Arc::new(node(of, batch)?)),
        Value::Arithmetic { operator, left, right } => {
            let (left, right) = (found(left, batch)?, found(right, batch)?);
            let both = matches!((&left, &right), (Found::All(_), Found::All(_)));
            let array = match operator {
                Operator::Add => add(&left, &right)?,
                Operator::Subtract => sub(&left, &right)?,
                Operator::Multiply => mul(&left, &right)?,
                Operator::Divide => div(&left, &right)?,
                Operator::Remainder => rem(&left, &without_zeros(right)?)?,
            };
            if both { Found::All(array) } else { Found::Each(array) }
        }
    })
}

/// A remainder of integers by zero is NULL.
fn without_zeros(divisor: Found) -> Result<Found, ArrowError> {
    let null = |array: ArrayRef| match array.as_primitive_opt::<Int64Type>() {
        Some(numbers) => nullif(&array, &BooleanArray::from_unary(numbers, |value| value == 0)),
        None => Ok(array),
    };
    Ok(match divisor {
        Found::Each(array) => Found::Each(null(array)?),
        Found::All(array) => Found::All(null(array)?),
    })
}

fn column(path: &[String], batch: &RecordBatch) -> Result<ArrayRef, ArrowError> {
    let absent = |name: &str| ArrowError::SchemaError(format!("a batch lacks the column {name:?}"));
    let (root, members) = path.split_first().ok_or_else(|| absent(""))?;
    let mut array = batch.column_by_name(root).ok_or_else(|| absent(root))?.clone();
    for name in members {
        let parent = plainly(&array)?;
        let whole = parent.as_struct_opt().ok_or_else(|| unexpected(&parent))?;
        let member = whole.column_by_name(name).ok_or_else(|| absent(name))?;
        array = match parent.null_count() {
            0 => member.clone(),
            _ => nullif(&plainly(member)?, &is_null(&parent)?)?,
        };
    }
    Ok(array)
}

/// Without dictionary or runs.
fn plainly(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let kind = plain(array.data_type());
    if kind == array.data_type() { Ok(array.clone()) } else { as_type(array, &kind.clone()) }
}

pub(super) fn as_type(array: &ArrayRef, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == kind {
        return Ok(array.clone());
    }
    // What does not fit is an error, and not NULL.
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, kind, &options)
}

/// Applies a condition to each value; of a dictionary, to each that it has.
fn leaf(
    array: &ArrayRef,
    condition: impl Fn(&ArrayRef) -> Result<BooleanArray, ArrowError>,
) -> Result<BooleanArray, ArrowError> {
    if let Some(dictionary) = array.as_any_dictionary_opt()
        && dictionary.values().len() <= array.len()
    {
        let of_values = condition(&plainly(dictionary.values())?)?;
        let taken = take(&of_values, dictionary.keys(), None)?;
        return taken.as_boolean_opt().cloned().ok_or_else(|| unexpected(&taken));
    }
    condition(&plainly(array)?)
}

type Kernel = fn(&dyn Datum, &dyn Datum) -> Result<BooleanArray, ArrowError>;

fn kernel(comparison: Comparison) -> Kernel {
    match comparison {
        Comparison::Equal => cmp::eq,
        Comparison::Unequal => cmp::neq,
        Comparison::Less => cmp::lt,
        Comparison::LessOrEqual => cmp::lt_eq,
        Comparison::Greater => cmp::gt,
        Comparison::GreaterOrEqual => cmp::gt_eq,
        Comparison::Distinct => cmp::distinct,
        Comparison::Same => cmp::not_distinct,
    }
}

/// Compares each value with one of its type.
pub(super) fn compare(
    comparison: Comparison,
    array: &ArrayRef,
    to: &ArrayRef,
) -> Result<BooleanArray, ArrowError> {
    kernel(comparison)(array, &Scalar::new(to))
}

/// Compares floats with a double, as JavaScript does. (Arrow's own kernels order NaN and the
/// two zeros.)
pub(super) fn compare_float(
    comparison: Comparison,
    array: &ArrayRef,
    to: f64,
) -> Result<BooleanArray, ArrowError> {
    fn with<T: ArrowPrimitiveType>(
        comparison: Comparison,
        array: &PrimitiveArray<T>,
        to: f64,
    ) -> BooleanArray
    where
        T::Native: Into<f64>,
    {
        match comparison {
            Comparison::Equal | Comparison::Same => {
                BooleanArray::from_unary(array, |value| value.into() == to)
            }
            Comparison::Unequal | Comparison::Distinct => {
                BooleanArray::from_unary(array, |value| value.into() != to)
            }
            Comparison::Less => BooleanArray::from_unary(array, |value| value.into() < to),
            Comparison::LessOrEqual => BooleanArray::from_unary(array, |value| value.into() <= to),
            Comparison::Greater => BooleanArray::from_unary(array, |value| value.into() > to),
            Comparison::GreaterOrEqual => {
                BooleanArray::from_unary(array, |value| value.into() >= to)
            }
        }
    }
    match array.data_type() {
        DataType::Float16 => Ok(with(comparison, array.as_primitive::<Float16Type>(), to)),
        DataType::Float32 => Ok(with(comparison, array.as_primitive::<Float32Type>(), to)),
        DataType::Float64 => Ok(with(comparison, array.as_primitive::<Float64Type>(), to)),
        _ => Err(unexpected(array)),
    }
}

/// Compares doubles with doubles.
fn floats(
    comparison: Comparison,
    left: &ArrayRef,
    right: &ArrayRef,
) -> Result<BooleanArray, ArrowError> {
    let (Some(a), Some(b)) =
        (left.as_primitive_opt::<Float64Type>(), right.as_primitive_opt::<Float64Type>())
    else {
        return Err(unexpected(left));
    };
    let by = |holds: fn(f64, f64) -> bool| BooleanArray::from_binary(a, b, holds);
    Ok(match comparison {
        Comparison::Equal => by(|a, b| a == b),
        Comparison::Unequal => by(|a, b| a != b),
        Comparison::Less => by(|a, b| a < b),
        Comparison::LessOrEqual => by(|a, b| a <= b),
        Comparison::Greater => by(|a, b| a > b),
        Comparison::GreaterOrEqual => by(|a, b| a >= b),
        Comparison::Same | Comparison::Distinct => {
            let equal = by(|a, b| a == b);
            let known = and_kleene(&is_not_null(a)?, &is_not_null(b)?)?;
            let equal = and_kleene(&known, &BooleanArray::new(equal.values().clone(), None))?;
            let same = or_kleene(&equal, &and_kleene(&is_null(a)?, &is_null(b)?)?)?;
            if comparison == Comparison::Same { same } else { not(&same)? }
        }
    })
}

/// Values in the order in which `among` searches them. Arrow's own `sort` has machine code for each
/// type, most of a megabyte, and these are a few values of `IN`.
pub(super) fn sorted(set: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let order = make_comparator(set, set, SortOptions::default())?;
    let mut rows: Vec<usize> = (0..set.len()).collect();
    rows.sort_unstable_by(|a, b| order(*a, *b));
    let rows: UInt64Array = rows.into_iter().map(|row| row as u64).collect::<Vec<_>>().into();
    take(set, &rows, None)
}

/// Whether each value is among sorted ones.
fn among(array: &ArrayRef, set: &ArrayRef) -> Result<BooleanArray, ArrowError> {
    let order = make_comparator(array, set, SortOptions::default())?;
    let contains = |row: usize| {
        let (mut low, mut high) = (0, set.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match order(row, middle) {
                Ordering::Equal => return true,
                Ordering::Less => high = middle,
                Ordering::Greater => low = middle + 1,
            }
        }
        false
    };
    let values = BooleanBuffer::collect_bool(array.len(), contains);
    Ok(BooleanArray::new(values, array.logical_nulls()))
}
