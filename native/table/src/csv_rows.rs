//! Tables as CSV. An empty text is written with quotes, and null without: whoever reads it can tell
//! them from each other.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, Schema};

/// How rows are written.
pub(crate) struct CsvRows {
    delimiter: u8,
    /// What stands for null, in a table of several columns and of one.
    null: Vec<u8>,
}

/// The values of a column.
enum Values<'a> {
    Text(&'a StringArray),
    Any(ArrayFormatter<'a>),
}

impl CsvRows {
    /// A line of nothing is no row: of a single column, null has quotes, too.
    pub(crate) fn new(delimiter: u8, null: &str, columns: usize) -> Self {
        let mut rows = Self { delimiter, null: Vec::new() };
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

    /// The lines of a batch.
    pub(crate) fn rows(&self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        let options = FormatOptions::default();
        let columns = batch
            .columns()
            .iter()
            .map(|column| {
                let values = match column.data_type() {
                    DataType::Utf8 => Values::Text(column.as_string()),
                    _ => Values::Any(ArrayFormatter::try_new(column.as_ref(), &options)?),
                };
                Ok((column.logical_nulls(), values))
            })
            .collect::<Result<Vec<_>, ArrowError>>()?;
        let mut lines = Vec::new();
        let mut shown = String::new();
        for row in 0..batch.num_rows() {
            for (place, (nulls, values)) in columns.iter().enumerate() {
                if place > 0 {
                    lines.push(self.delimiter);
                }
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    lines.extend_from_slice(&self.null);
                    continue;
                }
                match values {
                    Values::Text(texts) => self.put(texts.value(row).as_bytes(), &mut lines),
                    Values::Any(values) => {
                        shown.clear();
                        values.value(row).write(&mut shown)?;
                        self.put(shown.as_bytes(), &mut lines);
                    }
                }
            }
            lines.push(b'\n');
        }
        Ok(lines)
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
