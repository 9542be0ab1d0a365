//! Which type holds every value that was seen of a column of text.

use arrow_array::timezone::Tz;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, UInt64Type};
use arrow_cast::parse::{Parser, string_to_datetime, string_to_timestamp_nanos};
use arrow_schema::{DataType, TimeUnit};
use dipper_core::Error;

use crate::plain_columns::short_integer;

const BOOL: u16 = 1;
const INTEGER: u16 = 1 << 1;
const FLOAT: u16 = 1 << 2;
const DATE: u16 = 1 << 3;
const MILLISECONDS: u16 = 1 << 4;
const MICROSECONDS: u16 = 1 << 5;
const NANOSECONDS: u16 = 1 << 6;
const TEXT: u16 = 1 << 7;
const ZONE: u16 = 1 << 8;
const NO_ZONE: u16 = 1 << 9;
/// An integer that is less than nothing, beside what it is.
const NEGATIVE: u16 = 1 << 10;
/// An integer that only 64 bits without a sign hold.
const LARGE: u16 = 1 << 11;
/// An integer that no 64 bits hold.
const BEYOND: u16 = 1 << 12;
/// A time that no 64 bits of nanoseconds hold.
const FAR: u16 = 1 << 13;
const INTEGERS: u16 = INTEGER | NEGATIVE | LARGE | BEYOND;
const TIMES: u16 = MILLISECONDS | MICROSECONDS | NANOSECONDS;

/// What kinds of values a column has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen(u16);

impl Seen {
    /// Looks at a value that is not null.
    pub(crate) fn look(&mut self, field: &[u8]) {
        // Most of what comes is what was there before.
        let is_known = |value: i64| value >= 0 || self.0 & NEGATIVE != 0;
        let known = self.0 & TEXT != 0
            || (self.0 & INTEGER != 0 && short_integer(field).is_some_and(is_known));
        if !known {
            self.0 |= kind(field);
        }
    }

    /// Adds what was seen elsewhere.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether there was no value.
    pub(crate) fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// The type that holds all of it. Text holds everything; a column without a value is text.
    pub(crate) fn data_type(self) -> DataType {
        let timestamp = || {
            let unit = match self.0 & TIMES {
                times if times & NANOSECONDS != 0 && self.0 & FAR != 0 => return DataType::Utf8,
                times if times & NANOSECONDS != 0 => TimeUnit::Nanosecond,
                times if times & MICROSECONDS != 0 => TimeUnit::Microsecond,
                _ => TimeUnit::Millisecond,
            };
            match self.0 & (ZONE | NO_ZONE) {
                NO_ZONE => DataType::Timestamp(unit, None),
                ZONE => DataType::Timestamp(unit, Some("+00:00".into())),
                _ => DataType::Utf8,
            }
        };
        match self.0 & !FAR {
            BOOL => DataType::Boolean,
            0 => DataType::Utf8,
            kinds if kinds & !INTEGERS == 0 => {
                integers(kinds & NEGATIVE != 0, kinds & LARGE != 0, kinds & BEYOND != 0)
            }
            kinds if kinds & !(INTEGERS | FLOAT) == 0 => DataType::Float64,
            DATE => DataType::Date32,
            kinds if kinds & TIMES != 0 && kinds & !(TIMES | ZONE | NO_ZONE) == 0 => timestamp(),
            kinds if kinds & TIMES != 0 && kinds & !(TIMES | NO_ZONE | DATE) == 0 => timestamp(),
            _ => DataType::Utf8,
        }
    }
}

/// The type of a column of integers, of which some are negative, larger than signed 64 bits hold, or
/// larger than any 64 bits. No digit may get lost: what no integer holds is text.
pub(crate) fn integers(negative: bool, large: bool, beyond: bool) -> DataType {
    match (negative, large, beyond) {
        (_, false, false) => DataType::Int64,
        (false, true, false) => DataType::UInt64,
        _ => DataType::Utf8,
    }
}

fn kind(field: &[u8]) -> u16 {
    let Ok(text) = std::str::from_utf8(field) else { return TEXT };
    match field {
        // The decoders pass over what is around a number.
        [b' ' | b'\t', ..] | [.., b' ' | b'\t'] => match kind(field.trim_ascii()) {
            number if number & (INTEGERS | FLOAT) != 0 => number,
            _ => TEXT,
        },
        [b'0'..=b'9' | b'-' | b'+' | b'.', ..] => number(text),
        [b't' | b'T' | b'f' | b'F', ..]
            if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") =>
        {
            BOOL
        }
        // As programs write them: `inf` and `nan`, R and Julia `Inf`, JavaScript `Infinity`.
        [b'i' | b'I' | b'n' | b'N', ..] if Float64Type::parse(text).is_some() => FLOAT,
        _ => TEXT,
    }
}

fn number(text: &str) -> u16 {
    if text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+')) {
        let negative = if text.starts_with('-') { NEGATIVE } else { 0 };
        if Int64Type::parse(text).is_some() {
            return INTEGER | negative;
        }
        if text.len() == 10 && is_date(text.as_bytes()) && Date32Type::parse(text).is_some() {
            return DATE;
        }
        if UInt64Type::parse(text).is_some() {
            return LARGE;
        }
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        return if is_number { BEYOND | negative } else { TEXT };
    }
    match text.as_bytes() {
        date if date.len() > 10 && is_date(date) => time(text),
        _ if Float64Type::parse(text).is_some() => FLOAT,
        _ => TEXT,
    }
}

/// Whether it begins as `2024-02-29` does.
fn is_date(text: &[u8]) -> bool {
    text.iter().take(10).enumerate().all(|(place, byte)| match place {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    })
}

fn time(text: &str) -> u16 {
    let rest = text.get(10..).unwrap_or_default();
    let is_time = matches!(rest.as_bytes(), [b'T' | b't' | b' ', _, _, b':', ..]);
    if !is_time {
        return TEXT;
    }
    let whole = with_seconds(text);
    let far = match string_to_timestamp_nanos(whole.as_deref().unwrap_or(text)) {
        Ok(_) => 0,
        Err(_) if other_time(text, TimeUnit::Microsecond).is_some() => FAR,
        Err(_) => return TEXT,
    };
    let behind = rest.get(1..).unwrap_or_default();
    let zoned = behind.bytes().any(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-'));
    let fraction = behind
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.bytes().take_while(u8::is_ascii_digit).count());
    let unit = match fraction {
        0..=3 => MILLISECONDS,
        4..=6 => MICROSECONDS,
        7..=9 => NANOSECONDS,
        // No time is as exact as that.
        _ => return TEXT,
    };
    unit | far | if zoned { ZONE } else { NO_ZONE }
}

/// A time without seconds, as ISO 8601 and JavaScript know it, with those that the decoders want.
pub(crate) fn with_seconds(text: &str) -> Option<String> {
    let (minutes, behind) = text.split_at_checked(16)?;
    let [.., b':', ten, one] = minutes.as_bytes() else { return None };
    let is_time = ten.is_ascii_digit() && one.is_ascii_digit();
    let ends = matches!(behind.as_bytes(), [] | [b'Z' | b'z' | b'+' | b'-', ..]);
    (is_time && ends).then(|| format!("{minutes}:00{behind}"))
}

/// A time that no 64 bits of nanoseconds hold, in milliseconds or microseconds, or one without
/// seconds.
pub(crate) fn other_time(text: &str, unit: TimeUnit) -> Option<i64> {
    let utc: Tz = "+00:00".parse().ok()?;
    let whole = with_seconds(text);
    let time = string_to_datetime(&utc, whole.as_deref().unwrap_or(text)).ok()?;
    match unit {
        TimeUnit::Nanosecond if whole.is_some() => time.timestamp_nanos_opt(),
        TimeUnit::Millisecond => Some(time.timestamp_millis()),
        TimeUnit::Microsecond => Some(time.timestamp_micros()),
        _ => None,
    }
}

/// The type that a caller names.
///
/// # Errors
/// `InvalidInput` for a name that nobody knows.
pub(crate) fn named_type(name: &str) -> Result<DataType, Error> {
    Ok(match name {
        "bool" | "boolean" => DataType::Boolean,
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        "string" => DataType::Utf8,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "dictionary" => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        other => {
            return Err(Error::invalid(format!("there is no type {other:?}")).hint(
                "the types are bool, int8 to int64, uint8 to uint64, float32, float64, string, \
                 date, timestamp and dictionary",
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> DataType {
        let mut seen = Seen::default();
        values.iter().for_each(|value| seen.look(value.as_bytes()));
        seen.data_type()
    }

    #[test]
    fn the_type_holds_every_value() {
        let naive = |unit| DataType::Timestamp(unit, None);
        for (values, kind) in [
            (vec![], DataType::Utf8),
            (vec!["1", "-2", "007"], DataType::Int64),
            (vec!["9223372036854775807"], DataType::Int64),
            (vec!["9223372036854775808"], DataType::UInt64),
            (vec!["1", "18446744073709551615"], DataType::UInt64),
            (vec!["18446744073709551615", "1", "-1"], DataType::Utf8),
            (vec!["-5", "18446744073709551615"], DataType::Utf8),
            (vec!["18446744073709551616"], DataType::Utf8),
            (vec!["-9223372036854775809", "1"], DataType::Utf8),
            (vec!["1", "100000000000000000000", "0.5"], DataType::Float64),
            (vec!["18446744073709551615", "0.5"], DataType::Float64),
            (vec!["+1", " 9007199254740993", "9007199254740993 "], DataType::Int64),
            (vec!["+", "1"], DataType::Utf8),
            (vec!["1+", "1"], DataType::Utf8),
            (vec![" ", "1"], DataType::Utf8),
            (vec![" x", "1"], DataType::Utf8),
            (vec![" 2.5 ", "1"], DataType::Float64),
            (vec![" 2024-02-29"], DataType::Utf8),
            (vec!["1", "2.5"], DataType::Float64),
            (vec!["1e5", ".5", "-1.", "NaN", "inf"], DataType::Float64),
            (vec!["Inf", "-Inf", "+inf", "Infinity", "-Infinity", "nan"], DataType::Float64),
            (vec!["Nancy", "1"], DataType::Utf8),
            (vec!["NA", "1"], DataType::Utf8),
            (vec!["true", "False"], DataType::Boolean),
            (vec!["true", "1"], DataType::Utf8),
            (vec!["2024-02-29"], DataType::Date32),
            (vec!["2024-02-30"], DataType::Utf8),
            (vec!["2024-02-29", "2024-02-29 12:30:00"], naive(TimeUnit::Millisecond)),
            (vec!["2024-02-29T12:30:00.123456"], naive(TimeUnit::Microsecond)),
            (
                vec!["2024-02-29T12:30:00.123456789", "2024-02-29T12:30:00"],
                naive(TimeUnit::Nanosecond),
            ),
            (
                vec!["2024-02-29T12:30:00Z", "2024-02-29T12:30:00+02:00"],
                DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into())),
            ),
            (vec!["2024-02-29T12:30:00Z", "2024-02-29T12:30:00"], DataType::Utf8),
            (vec!["2024-02-29T12:30:00", "9999-12-31 23:59:59"], naive(TimeUnit::Millisecond)),
            (vec!["1600-01-01T00:00:00.000001"], naive(TimeUnit::Microsecond)),
            (vec!["1600-01-01T00:00:00", "2024-02-29T12:30:00.123456789"], DataType::Utf8),
            (vec!["2024-02-29T12:30:00.1234567891"], DataType::Utf8),
            (vec!["1", "x"], DataType::Utf8),
            (vec!["1-2"], DataType::Utf8),
            (vec!["2024-02-29 nonsense"], DataType::Utf8),
            (vec!["2024-02-29T12:30", "2024-02-29 23:59"], naive(TimeUnit::Millisecond)),
            (vec!["2024-02-29T12:30", "2024-02-29"], naive(TimeUnit::Millisecond)),
            (vec!["2024-02-29T12:30", "2024-02-29T12:30:00.123456"], naive(TimeUnit::Microsecond)),
            (
                vec!["2024-02-29T12:30Z", "2024-02-29T12:30+02:00"],
                DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into())),
            ),
            (vec!["9999-12-31T12:30"], naive(TimeUnit::Millisecond)),
            (vec!["2024-02-29T12:60"], DataType::Utf8),
            (vec!["2024-02-29T12:3"], DataType::Utf8),
            (vec!["2024-02-29T12:30 x"], DataType::Utf8),
            (vec!["2024-02-29T1230"], DataType::Utf8),
            (vec!["2024/02/29", "12:30"], DataType::Utf8),
        ] {
            assert_eq!(of(&values), kind, "{values:?}");
        }
    }
}
