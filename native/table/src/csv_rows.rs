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
