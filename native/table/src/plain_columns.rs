//! Columns that fill value by value: numbers, booleans and text, which most columns of text are.
//!
//! Whoever reads a text the short way gives up on all of a piece when something is not as simple as
//! that, and the general decoder reads it: what comes of it is the same either way, errors too.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::parse::Parser;
use arrow_schema::DataType;

/// A column that is being filled.
pub(crate) enum PlainColumn {
    /// 64-bit integers.
    Int64(Int64Builder),
    /// 64-bit floating-point numbers.
    Float64(Float64Builder),
    /// `true` and `false`.
    Boolean(BooleanBuilder),
    /// Text.
    Text(StringBuilder),
}

impl PlainColumn {
    /// An empty column with room for `rows`; nothing for other types.
    pub(crate) fn new(kind: &DataType, rows: usize) -> Option<Self> {
        Some(match kind {
            DataType::Int64 => Self::Int64(Int64Builder::with_capacity(rows)),
            DataType::Float64 => Self::Float64(Float64Builder::with_capacity(rows)),
            DataType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            DataType::Utf8 => Self::Text(StringBuilder::with_capacity(rows, 0)),
            _ => return None,
        })
    }

    /// How many values it has.
    pub(crate) fn len(&self) -> usize {
        use arrow_array::builder::ArrayBuilder;
        match self {
            Self::Int64(column) => column.len(),
            Self::Float64(column) => column.len(),
            Self::Boolean(column) => column.len(),
            Self::Text(column) => column.len(),
        }
    }

    /// Adds none.
    pub(crate) fn push_null(&mut self) {
        match self {
            Self::Int64(column) => column.append_null(),
            Self::Float64(column) => column.append_null(),
            Self::Boolean(column) => column.append_null(),
            Self::Text(column) => column.append_null(),
        }
    }

    /// The column.
    pub(crate) fn finish(self) -> ArrayRef {
        match self {
            Self::Int64(mut column) => Arc::new(column.finish()),
            Self::Float64(mut column) => Arc::new(column.finish()),
            Self::Boolean(mut column) => Arc::new(column.finish()),
            Self::Text(mut column) => {
                let mut column = column.finish();
                column.shrink_to_fit();
                Arc::new(column)
            }
        }
    }
}

/// Digits, perhaps behind a minus, that are a 64-bit integer for sure.
pub(crate) fn short_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// A 64-bit integer, as the general decoder of CSV reads it.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    short_integer(text).or_else(|| Int64Type::parse(std::str::from_utf8(text).ok()?))
}

/// A floating-point number, as the general decoders read it.
pub(crate) fn float(text: &[u8]) -> Option<f64> {
    match short_integer(text) {
        // Up to here whole numbers are exact. Zero may have a sign.
        Some(value) if value != 0 && value.unsigned_abs() < 1 << 53 => Some(value as f64),
        _ => Float64Type::parse(std::str::from_utf8(text).ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_the_general_decoder_makes_of_them() {
        let mut random = fastrand::Rng::with_seed(11);
        let characters = b"0123456789-+.eE 9";
        for _ in 0..50_000 {
            let text: Vec<u8> = (0..random.usize(0..22))
                .map(|_| match random.bool() {
                    true => b'0' + random.u8(0..10),
                    false => characters[random.usize(0..characters.len())],
                })
                .collect();
            let told = std::str::from_utf8(&text).unwrap();
            assert_eq!(integer(&text), Int64Type::parse(told), "{told}");
            assert_eq!(
                float(&text).map(f64::to_bits),
                Float64Type::parse(told).map(f64::to_bits),
                "{told}"
            );
        }
        for told in ["0", "-0", "-", "", "9223372036854775807", "-9223372036854775808", "1e400"] {
            assert_eq!(integer(told.as_bytes()), Int64Type::parse(told), "{told}");
            assert_eq!(
                float(told.as_bytes()).map(f64::to_bits),
                Float64Type::parse(told).map(f64::to_bits),
                "{told}"
            );
        }
    }
}
