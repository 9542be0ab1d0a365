//! Columns that fill value by value: numbers, booleans and text, which most columns of text are.
//!
//! Whoever reads a text the short way gives up on all of a piece when something is not as simple as
//! that, and the general decoder reads it: what comes of it is the same either way, errors too.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, UInt64Builder,
};
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::parse::Parser;
use arrow_schema::DataType;

/// A column that is being filled.
pub(crate) enum PlainColumn {
    /// 64-bit integers.
    Int64(Int64Builder),
    /// As well, without a sign.
    UInt64(UInt64Builder),
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
            DataType::UInt64 => Self::UInt64(UInt64Builder::with_capacity(rows)),
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
            Self::UInt64(column) => column.len(),
            Self::Float64(column) => column.len(),
            Self::Boolean(column) => column.len(),
            Self::Text(column) => column.len(),
        }
    }

    /// Adds none.
    pub(crate) fn push_null(&mut self) {
        match self {
            Self::Int64(column) => column.append_null(),
            Self::UInt64(column) => column.append_null(),
            Self::Float64(column) => column.append_null(),
            Self::Boolean(column) => column.append_null(),
            Self::Text(column) => column.append_null(),
        }
    }

    /// The column.
    pub(crate) fn finish(self) -> ArrayRef {
        match self {
            Self::Int64(mut column) => Arc::new(column.finish()),
            Self::UInt64(mut column) => Arc::new(column.finish()),
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

/// The same at a place of a text: up to eight bytes, all of them at once. Nothing for others, and
/// where the text ends behind them.
#[inline]
pub(crate) fn integer_at(text: &[u8], start: usize, end: usize) -> Option<i64> {
    let word = u64::from_le_bytes(*text.get(start..)?.first_chunk()?);
    let negative = usize::from(word as u8 == b'-');
    let digits = end.checked_sub(start + negative).filter(|digits| *digits > 0)?;
    if digits + negative > 8 {
        return None;
    }
    // The last digit is in the highest byte, and zeros are before the first.
    let word = (word >> (8 * negative) ^ 0x3030_3030_3030_3030) << (64 - 8 * digits);
    if (word | word.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let two = (word.wrapping_mul(10) + (word >> 8)) & 0x00ff_00ff_00ff_00ff;
    let four = (two.wrapping_mul(100) + (two >> 16)) & 0x0000_ffff_0000_ffff;
    let eight = (four.wrapping_mul(10_000) + (four >> 32)) as u32;
    let sign = negative as i64;
    Some((i64::from(eight) ^ -sign) + sign)
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
        Some(_) => Float64Type::parse(std::str::from_utf8(text).ok()?),
        None => short_decimal(text).or_else(|| Float64Type::parse(std::str::from_utf8(text).ok()?)),
    }
}

/// What a number is divided by that has so many digits behind its point.
pub(crate) const POWERS: [f64; 15] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14];

/// Digits, a point and digits, fifteen of them at most. Both numbers are exact, so that what comes of
/// them is rounded once.
fn short_decimal(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let point = digits.iter().position(|byte| *byte == b'.')?;
    let behind = digits.len() - point - 1;
    if point == 0 || behind == 0 || digits.len() > 16 {
        return None;
    }
    let mut value = 0_u64;
    for (place, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if place != point {
            if digit > 9 {
                return None;
            }
            value = value * 10 + u64::from(digit);
        }
    }
    let value = value as f64 / POWERS.get(behind)?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_the_general_decoder_makes_of_them() {
        let mut random = fastrand::Rng::with_seed(11);
        let characters = b"0123456789-+.eE 9";
        for _ in 0..50_000 {
            let mostly = random.u8(2..8);
            let text: Vec<u8> = (0..random.usize(0..22))
                .map(|_| match random.u8(0..mostly) > 0 {
                    true => b'0' + random.u8(0..10),
                    false => characters[random.usize(0..characters.len())],
                })
                .collect();
            let told = std::str::from_utf8(&text).unwrap();
            assert_eq!(integer(&text), Int64Type::parse(told), "{told}");
            let within = [b"7,", text.as_slice(), b",-1234567"].concat();
            let value = integer_at(&within, 2, 2 + text.len());
            assert_eq!(value, short_integer(&text).filter(|_| text.len() <= 8), "{told}");
            let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit) && !text.is_empty();
            if let Some(value) = short_decimal(&text) {
                assert_eq!(Some(value.to_bits()), Float64Type::parse(told).map(f64::to_bits));
            } else if let Some((front, behind)) = told.split_once('.') {
                let front = front.strip_prefix('-').unwrap_or(front).as_bytes();
                let simple = digits(front) && digits(behind.as_bytes());
                assert!(!simple || front.len() + behind.len() > 15, "{told}");
            }
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
