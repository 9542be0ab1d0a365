//! What the elements of an array are, and the column that they become.
//!
//! Numbers, and moments in units that columns have, lie in a column as in the file: nothing is
//! copied. Truth values, text, days and what has its most significant byte first are made anew.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::types::Date32Type;
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray, make_array};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, TimeUnit};
use dipper_core::{Error, Status};

use crate::error::damaged;

/// An element that is longer than this is refused.
const WIDEST: usize = 16 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// As a column has them.
    Plain(DataType),
    /// The same, where the least of all numbers stands for nothing.
    Moments(DataType),
    /// 64-bit counts of days, with the same.
    Days,
    /// A byte each.
    Truth,
    /// Bytes of UTF-8, filled up with zeros.
    Bytes,
    /// 32-bit code points, filled up with zeros.
    Points,
}

/// What an element is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dtype {
    kind: Kind,
    /// How many bytes it has.
    pub(crate) width: usize,
    /// How long the numbers in it are, where their most significant byte comes first.
    swapped: Option<usize>,
}

impl Dtype {
    /// What NumPy calls by this name; nothing for what is no column.
    pub(crate) fn named(descr: &str) -> Option<Self> {
        let (order, rest) = match descr.split_at_checked(1) {
            Some((order @ ("<" | ">" | "|" | "="), rest)) => (order, rest),
            _ => ("=", descr),
        };
        let (letter, rest) = rest.split_at_checked(1)?;
        let (size, unit) = match rest.split_once('[') {
            Some((size, unit)) => (size, Some(unit.strip_suffix(']')?)),
            None => (rest, None),
        };
        if !size.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let size: usize = size.parse().ok()?;
        let time = match unit {
            Some("s") => Some(TimeUnit::Second),
            Some("ms") => Some(TimeUnit::Millisecond),
            Some("us") => Some(TimeUnit::Microsecond),
            Some("ns") => Some(TimeUnit::Nanosecond),
            _ => None,
        };
        let kind = match (letter, size, unit) {
            ("b", 1, None) => Kind::Truth,
            ("i", 1, None) => Kind::Plain(DataType::Int8),
            ("i", 2, None) => Kind::Plain(DataType::Int16),
            ("i", 4, None) => Kind::Plain(DataType::Int32),
            ("i", 8, None) => Kind::Plain(DataType::Int64),
            ("u", 1, None) => Kind::Plain(DataType::UInt8),
            ("u", 2, None) => Kind::Plain(DataType::UInt16),
            ("u", 4, None) => Kind::Plain(DataType::UInt32),
            ("u", 8, None) => Kind::Plain(DataType::UInt64),
            ("f", 2, None) => Kind::Plain(DataType::Float16),
            ("f", 4, None) => Kind::Plain(DataType::Float32),
            ("f", 8, None) => Kind::Plain(DataType::Float64),
            ("M", 8, Some("D")) => Kind::Days,
            ("M", 8, _) => Kind::Moments(DataType::Timestamp(time?, None)),
            ("m", 8, _) => Kind::Moments(DataType::Duration(time?)),
            ("S", 1.., None) => Kind::Bytes,
            ("U", 1.., None) => Kind::Points,
            _ => return None,
        };
        let width = if kind == Kind::Points { size.checked_mul(4)? } else { size };
        let unit = match kind {
            Kind::Truth | Kind::Bytes => 1,
            Kind::Points => 4,
            _ => width,
        };
        let swapped = (order == ">" && unit > 1).then_some(unit);
        (width <= WIDEST).then_some(Self { kind, width, swapped })
    }

    /// The type of the column.
    pub(crate) fn column_type(&self) -> DataType {
        match &self.kind {
            Kind::Plain(kind) | Kind::Moments(kind) => kind.clone(),
            Kind::Days => DataType::Date32,
            Kind::Truth => DataType::Boolean,
            Kind::Bytes | Kind::Points => DataType::Utf8,
        }
    }

    /// Whether it can be null.
    pub(crate) fn nullable(&self) -> bool {
        matches!(self.kind, Kind::Moments(_) | Kind::Days)
    }

    /// How many bytes so many elements take as a column, beside those that they are read into.
    pub(crate) fn made(&self, rows: u64) -> u64 {
        let elements = rows.saturating_mul(self.width as u64);
        let turned = if self.swapped.is_some() { elements } else { 0 };
        let made = match self.kind {
            Kind::Plain(_) => 0,
            Kind::Moments(_) | Kind::Truth => rows.div_ceil(8),
            Kind::Days => rows.saturating_mul(5),
            // Places, and room that grows by doubling.
            Kind::Bytes | Kind::Points => {
                elements.saturating_mul(2).saturating_add(rows.saturating_mul(8))
            }
        };
        turned.saturating_add(made)
    }

    /// The column of these elements. `name` is for errors.
    ///
    /// # Errors
    /// `DamagedData` for what is no text, and for days beyond all calendars.
    pub(crate) fn column(&self, elements: Buffer, name: &str) -> Result<ArrayRef, Error> {
        let rows = elements.len() / self.width.max(1);
        let elements = match self.swapped {
            Some(unit) => turned(&elements, unit),
            None => elements,
        };
        match &self.kind {
            Kind::Plain(kind) => numbers(kind, rows, elements, None),
            Kind::Moments(kind) => {
                let nulls = missing(&elements, rows);
                numbers(kind, rows, elements, nulls)
            }
            Kind::Days => {
                let nulls = missing(&elements, rows);
                let days = longs(&elements).map(|day| match day {
                    i64::MIN => Ok(0),
                    day => i32::try_from(day).map_err(|_| {
                        damaged("NumPy", format!("{name} holds day {day}, which no date is"))
                    }),
                });
                let days = days.collect::<Result<Vec<i32>, Error>>()?;
                Ok(Arc::new(PrimitiveArray::<Date32Type>::new(days.into(), nulls)))
            }
            Kind::Truth => {
                let bytes = elements.as_slice();
                let bits = BooleanBuffer::collect_bool(rows, |row| {
                    bytes.get(row).is_some_and(|byte| *byte != 0)
                });
                Ok(Arc::new(BooleanArray::new(bits, None)))
            }
            Kind::Bytes | Kind::Points => self.texts(&elements, rows, name),
        }
    }

    fn texts(&self, elements: &[u8], rows: usize, name: &str) -> Result<ArrayRef, Error> {
        let no_text = |row: usize| {
            Error::new(Status::Unsupported, format!("row {row} of {name} is no text"))
                .hint("leave it out with { columns }; bytes are saved as numbers of type uint8")
        };
        let most = elements.len();
        if most > i32::MAX as usize {
            return Err(Error::new(Status::Unsupported, format!("{name} holds too much text")));
        }
        let mut texts = StringBuilder::with_capacity(rows, most / 4);
        let mut text = String::new();
        for (row, element) in elements.chunks_exact(self.width).enumerate() {
            if self.kind == Kind::Bytes {
                let length = element.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                let bytes = element.get(..length).unwrap_or_default();
                texts.append_value(std::str::from_utf8(bytes).map_err(|_| no_text(row))?);
                continue;
            }
            text.clear();
            let points = || element.as_chunks::<4>().0.iter().map(|raw| u32::from_le_bytes(*raw));
            let length = points().rposition(|point| point != 0).map_or(0, |last| last + 1);
            for point in points().take(length) {
                text.push(char::from_u32(point).ok_or_else(|| no_text(row))?);
            }
            texts.append_value(&text);
        }
        Ok(Arc::new(texts.finish()))
    }
}

fn numbers(
    kind: &DataType,
    rows: usize,
    elements: Buffer,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Error> {
    let data = ArrayData::builder(kind.clone()).len(rows).add_buffer(elements).nulls(nulls);
    // Memory of the engine is aligned; if ever it were not, it would be copied.
    data.align_buffers(true).build().map(make_array).map_err(|error| damaged("NumPy", error))
}

/// Which are there, if any is not.
fn missing(elements: &Buffer, rows: usize) -> Option<NullBuffer> {
    if longs(elements).all(|value| value != i64::MIN) {
        return None;
    }
    let mut values = longs(elements);
    let there = |_| values.next().is_some_and(|value| value != i64::MIN);
    Some(NullBuffer::new(BooleanBuffer::collect_bool(rows, there)))
}

fn longs(elements: &[u8]) -> impl Iterator<Item = i64> {
    elements.as_chunks::<8>().0.iter().map(|raw| i64::from_le_bytes(*raw))
}

/// The same numbers with their least significant byte first.
fn turned(elements: &[u8], unit: usize) -> Buffer {
    let mut turned = MutableBuffer::from_len_zeroed(elements.len());
    for (to, from) in turned.chunks_exact_mut(unit).zip(elements.chunks_exact(unit)) {
        for (to, from) in to.iter_mut().rev().zip(from) {
            *to = *from;
        }
    }
    turned.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int16Type, TimestampMicrosecondType};

    fn column(descr: &str, elements: &[u8]) -> Result<ArrayRef, Error> {
        Dtype::named(descr).unwrap().column(Buffer::from(elements), "x")
    }

    #[test]
    fn numbers_lie_where_they_lay() {
        let numbers = Buffer::from_vec(vec![1.5_f64, -2.0]);
        let place = numbers.as_ptr();
        let column = Dtype::named("<f8").unwrap().column(numbers, "x").unwrap();
        let column = column.as_primitive::<Float64Type>();
        assert_eq!(column.values(), &[1.5, -2.0]);
        assert_eq!(column.values().inner().as_ptr(), place);
    }

    #[test]
    fn others_are_made() {
        let turned = column(">i2", &[1, 2, 0xff, 0xff]).unwrap();
        assert_eq!(turned.as_primitive::<Int16Type>().values(), &[258, -1]);
        let truth = column("|b1", &[0, 1, 7]).unwrap();
        assert_eq!(truth.as_boolean(), &BooleanArray::from(vec![false, true, true]));
        let bytes = column("|S3", b"a\0\0abc\0b\0").unwrap();
        assert_eq!(
            bytes.as_string::<i32>().iter().flatten().collect::<Vec<_>>(),
            ["a", "abc", "\0b"]
        );
        let points: Vec<u8> = "日\0zß".chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
        let texts = column("<U2", &points).unwrap();
        assert_eq!(texts.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["日", "zß"]);
        let points: Vec<u8> = "ab".chars().flat_map(|c| (c as u32).to_be_bytes()).collect();
        assert_eq!(column(">U2", &points).unwrap().as_string::<i32>().value(0), "ab");
        let raw: Vec<u8> = [1_i64, i64::MIN].iter().flat_map(|value| value.to_le_bytes()).collect();
        let moments = column("<M8[us]", &raw).unwrap();
        assert_eq!(moments.as_primitive::<TimestampMicrosecondType>().value(0), 1);
        assert!(moments.is_null(1));
        let days = column("<M8[D]", &raw).unwrap();
        assert_eq!((days.as_primitive::<Date32Type>().value(0), days.null_count()), (1, 1));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(column("|S1", &[0xff]).unwrap_err().message.contains("row 0 of x"));
        assert!(column("<U1", &[0xff; 4]).is_err());
        let far = (1_i64 << 40).to_le_bytes();
        assert_eq!(column("<M8[D]", &far).unwrap_err().status, Status::DamagedData);
    }

    #[test]
    fn what_is_no_column_has_no_type() {
        for descr in [
            "",
            "<",
            "<f3",
            "<f16",
            "<c8",
            "|O",
            "|V4",
            "|S0",
            "<U0",
            "<M8",
            "<M8[Y]",
            "<i+8",
            "<U99999999999999999999",
            "<U9999999999",
            "é4",
            "<i8[us]",
        ] {
            assert_eq!(Dtype::named(descr), None, "{descr}");
        }
    }
}
