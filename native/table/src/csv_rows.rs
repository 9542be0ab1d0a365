//! Tables as CSV. An empty text is written with quotes, and null without: whoever reads it can tell
//! them from each other.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{
    Array, ArrowPrimitiveType, BooleanArray, GenericStringArray, OffsetSizeTrait, PrimitiveArray,
    RecordBatch, downcast_integer,
};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, Schema};

use crate::time_text::TimeText;

/// How rows are written.
pub(crate) struct CsvRows {
    delimiter: u8,
    /// What stands for null, in a table of several columns and of one.
    null: Vec<u8>,
    /// Whether numbers and times never need quotes.
    bare: bool,
}

/// The values of a column in one batch.
trait Values {
    /// Adds one that is not null.
    fn put(&mut self, row: usize, line: &mut Vec<u8>) -> Result<(), ArrowError>;
}

struct Texts<'a, O: OffsetSizeTrait> {
    texts: &'a GenericStringArray<O>,
    rows: &'a CsvRows,
    /// None of them needs quotes, unless it is empty.
    bare: bool,
}

impl<'a, O: OffsetSizeTrait> Texts<'a, O> {
    fn new(texts: &'a GenericStringArray<O>, rows: &'a CsvRows) -> Self {
        // They lie one behind the other: all are looked at in one go.
        let offsets = texts.value_offsets();
        let ends = offsets.first().zip(offsets.last());
        let all = ends
            .and_then(|(first, last)| texts.value_data().get(first.as_usize()..last.as_usize()));
        let bare = all.is_some_and(|all| {
            memchr::memchr3(b'"', b'\n', b'\r', all).is_none()
                && memchr::memchr(rows.delimiter, all).is_none()
        });
        Self { texts, rows, bare }
    }
}

impl<O: OffsetSizeTrait> Values for Texts<'_, O> {
    fn put(&mut self, row: usize, line: &mut Vec<u8>) -> Result<(), ArrowError> {
        match self.texts.value(row).as_bytes() {
            text if self.bare && !text.is_empty() => line.extend_from_slice(text),
            text => self.rows.put(text, line),
        }
        Ok(())
    }
}

struct Integers<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>, itoa::Buffer);

impl<T: ArrowPrimitiveType<Native: itoa::Integer>> Values for Integers<'_, T> {
    fn put(&mut self, row: usize, line: &mut Vec<u8>) -> Result<(), ArrowError> {
        line.extend_from_slice(self.1.format(self.0.value(row)).as_bytes());
        Ok(())
    }
}

struct Floats<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>, ryu::Buffer);

impl<T: ArrowPrimitiveType<Native: ryu::Float>> Values for Floats<'_, T> {
    fn put(&mut self, row: usize, line: &mut Vec<u8>) -> Result<(), ArrowError> {
        line.extend_from_slice(self.1.format(self.0.value(row)).as_bytes());
        Ok(())
    }
}

impl Values for &BooleanArray {
    fn put(&mut self, row: usize, line: &mut Vec<u8>) -> Result<(), ArrowError> {
        line.extend_from_slice(if self.value(row) { b"true" } else { b"false" });
        Ok(())
    }
}

impl Values for TimeText<'_> {
    fn put(&mut self, row: usize, line: &mut Vec<u8>) -> Result<(), ArrowError> {
        TimeText::put(self, row, line)
    }
}

struct Any<'a> {
    values: ArrayFormatter<'a>,
    rows: &'a CsvRows,
    shown: String,
}

impl Values for Any<'_> {
    fn put(&mut self, row: usize, line: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.shown.clear();
        self.values.value(row).write(&mut self.shown)?;
        self.rows.put(self.shown.as_bytes(), line);
        Ok(())
    }
}

impl CsvRows {
    /// A line of nothing is no row: of a single column, null has quotes, too.
    pub(crate) fn new(delimiter: u8, null: &str, columns: usize) -> Self {
        let bare = !delimiter.is_ascii_alphanumeric() && !b"+-.:".contains(&delimiter);
        let mut rows = Self { delimiter, null: Vec::new(), bare };
        let mut told = Vec::new();
        if !null.is_empty() || columns == 1 {
            rows.put(null.as_bytes(), &mut told);
        }
        rows.null = told;
        rows
    }

    /// The line of the names.
    pub(crate) fn names(&self, schema: &Schema) -> Vec<u8> {
        let mut line = Vec::new();
        for (place, field) in schema.fields().iter().enumerate() {
            if place > 0 {
                line.push(self.delimiter);
            }
            match field.name().as_bytes() {
                [] if schema.fields().len() > 1 => {}
                name => self.put(name, &mut line),
            }
        }
        line.push(b'\n');
        line
    }

    /// Adds the lines of a batch.
    pub(crate) fn add(&self, batch: &RecordBatch, lines: &mut Vec<u8>) -> Result<(), ArrowError> {
        let columns = batch.columns().iter();
        let columns = columns.map(|column| Ok((column.logical_nulls(), self.values(column)?)));
        let mut columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
        for row in 0..batch.num_rows() {
            for (place, (nulls, values)) in columns.iter_mut().enumerate() {
                if place > 0 {
                    lines.push(self.delimiter);
                }
                match nulls {
                    Some(nulls) if nulls.is_null(row) => lines.extend_from_slice(&self.null),
                    _ => values.put(row, lines)?,
                }
            }
            lines.push(b'\n');
        }
        Ok(())
    }

    fn values<'a>(&'a self, column: &'a dyn Array) -> Result<Box<dyn Values + 'a>, ArrowError> {
        macro_rules! integers {
            ($kind:ty) => {
                Box::new(Integers(column.as_primitive::<$kind>(), itoa::Buffer::new()))
                    as Box<dyn Values + 'a>
            };
        }
        let any = || -> Result<Box<dyn Values + 'a>, ArrowError> {
            let values = ArrayFormatter::try_new(column, &FormatOptions::default())?;
            Ok(Box::new(Any { values, rows: self, shown: String::new() }))
        };
        let is_text = matches!(column.data_type(), DataType::Utf8 | DataType::LargeUtf8);
        if !self.bare && !is_text {
            return any();
        }
        Ok(downcast_integer! {
            column.data_type() => (integers),
            DataType::Utf8 => Box::new(Texts::new(column.as_string::<i32>(), self)),
            DataType::LargeUtf8 => Box::new(Texts::new(column.as_string::<i64>(), self)),
            DataType::Float32 => {
                Box::new(Floats(column.as_primitive::<Float32Type>(), ryu::Buffer::new()))
            }
            DataType::Float64 => {
                Box::new(Floats(column.as_primitive::<Float64Type>(), ryu::Buffer::new()))
            }
            DataType::Boolean => Box::new(column.as_boolean()),
            DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_)
            | DataType::Timestamp(_, _) => match TimeText::new(column)? {
                Some(times) => Box::new(times),
                None => any()?,
            },
            _ => any()?,
        })
    }

    /// A field, with quotes where it needs some.
    fn put(&self, field: &[u8], line: &mut Vec<u8>) {
        let special = |byte: &u8| matches!(byte, b'"' | b'\n' | b'\r') || *byte == self.delimiter;
        if !field.is_empty() && !field.iter().any(special) {
            line.extend_from_slice(field);
            return;
        }
        line.push(b'"');
        for byte in field {
            if *byte == b'"' {
                line.push(b'"');
            }
            line.push(*byte);
        }
        line.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, LargeStringArray,
        StringArray,
    };
    use arrow_cast::cast;

    use super::*;

    /// What the formatter tells of each value, with quotes where it needs some.
    fn expected(rows: &CsvRows, batch: &RecordBatch) -> Vec<u8> {
        let mut lines = Vec::new();
        for row in 0..batch.num_rows() {
            for (place, column) in batch.columns().iter().enumerate() {
                if place > 0 {
                    lines.push(rows.delimiter);
                }
                if column.logical_nulls().is_some_and(|nulls| nulls.is_null(row)) {
                    lines.extend_from_slice(&rows.null);
                    continue;
                }
                let formatter = ArrayFormatter::try_new(column, &FormatOptions::default()).unwrap();
                rows.put(formatter.value(row).to_string().as_bytes(), &mut lines);
            }
            lines.push(b'\n');
        }
        lines
    }

    fn columns() -> Vec<(&'static str, ArrayRef)> {
        let whole = [None, Some(0), Some(-7), Some(i64::MAX), Some(i64::MIN), Some(100), Some(1)];
        let whole: ArrayRef = Arc::new(Int64Array::from_iter(whole));
        let small =
            Int64Array::from(vec![None, Some(0), Some(7), Some(99), Some(100), None, Some(1)]);
        let small: ArrayRef = Arc::new(small);
        let fractions = vec![1.5, -0.0, f64::NAN, f64::INFINITY, 1e300, 1e-7, 0.1 + 0.2];
        let texts =
            ["", "a", "with \"quotes\"", "a, comma; 1.5-T", "two\nlines", "\r", "zw\u{f6}lf"];
        let bare = ["a", "b", "", "c", "d", "e", "f"];
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("i64", Arc::clone(&whole)),
            ("f64", Arc::new(Float64Array::from(fractions.clone()))),
            ("f32", Arc::new(Float32Array::from_iter_values(fractions.iter().map(|f| *f as f32)))),
            ("text", Arc::new(StringArray::from_iter_values(texts))),
            ("large", Arc::new(LargeStringArray::from_iter_values(texts))),
            ("bare", Arc::new(StringArray::from_iter_values(bare))),
            (
                "bool",
                Arc::new(BooleanArray::from(vec![true, false, true, true, false, true, false])),
            ),
        ];
        use DataType::{Date32, Dictionary, Int8, Int16, Int32, UInt8, UInt16, UInt32, UInt64};
        for kind in [Int8, Int16, Int32, UInt8, UInt16, UInt32, UInt64] {
            columns.push(("small", cast(&small, &kind).unwrap()));
        }
        columns.push(("day", cast(&cast(&small, &Int32).unwrap(), &Date32).unwrap()));
        let words = Dictionary(Box::new(Int8), Box::new(DataType::Utf8));
        columns.push(("words", cast(&columns[3].1, &words).unwrap()));
        columns
    }

    #[test]
    fn lines_are_what_the_formatter_tells() {
        for delimiter in [b',', b';', b'\t', b'-', b'.', b'1', b'T', b'a'] {
            for null in ["", "NA", "a,b"] {
                let all = columns();
                let batch = RecordBatch::try_from_iter(
                    all.iter()
                        .enumerate()
                        .map(|(at, (name, array))| (format!("{name}{at}"), array.clone())),
                );
                let batch = batch.unwrap();
                let rows = CsvRows::new(delimiter, null, all.len());
                for part in [batch.clone(), batch.slice(2, 3), batch.slice(7, 0)] {
                    let mut lines = Vec::new();
                    rows.add(&part, &mut lines).unwrap();
                    assert_eq!(
                        String::from_utf8(lines).unwrap(),
                        String::from_utf8(expected(&rows, &part)).unwrap()
                    );
                }
            }
        }
    }
}
