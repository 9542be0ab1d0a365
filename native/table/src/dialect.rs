//! How a text file is written, as far as the caller tells.

use dipper_core::{Compression, Error};

use crate::format::Format;

/// How a text file is written; what is unset is found out, or is as RFC 4180 has it.
#[derive(Clone, Debug, Default)]
pub struct Dialect {
    /// What stands between two fields.
    pub delimiter: Option<u8>,
    /// What stands around a field that has a delimiter or a line end in it. `Some(None)` for
    /// nothing.
    pub quote: Option<Option<u8>>,
    /// What stands before a quote in a field; the quote itself when unset.
    pub escape: Option<u8>,
    /// Lines that begin with this are left out.
    pub comment: Option<u8>,
    /// Whether the first line has the names of the columns.
    pub header: Option<bool>,
    /// So many lines before the first are left out.
    pub skip: u64,
    /// The names of the columns, where the file does not tell or tells others.
    pub names: Option<Vec<String>>,
    /// The types of columns, by their names.
    pub types: Vec<(String, String)>,
    /// Fields that stand for nothing, beside the empty one.
    pub null_values: Vec<String>,
    /// How many bytes tell the types; all of the file when it is shorter.
    pub infer_bytes: Option<u64>,
    /// The encoding of the text, by its label; UTF-8 when unset.
    pub encoding: Option<String>,
    /// How it is compressed; found out when unset.
    pub compression: Option<Compression>,
}

impl Dialect {
    /// Refuses what none of these formats has; that of a file that is no text may be unset. In a
    /// table of several formats an option is meant for the files that have it.
    ///
    /// # Errors
    /// `InvalidInput`, with the name of the option.
    pub(crate) fn check(&self, formats: &[Option<Format>]) -> Result<(), Error> {
        let any = |is: fn(Format) -> bool| formats.iter().flatten().any(|format| is(*format));
        if any(|format| matches!(format, Format::Csv | Format::Tsv)) {
            return Ok(());
        }
        let (text, skip) = (any(Format::is_text), self.skip > 0);
        let (types, nulls) = (!self.types.is_empty(), !self.null_values.is_empty());
        let options = [
            ("delimiter", "CSV", self.delimiter.is_some()),
            ("quote", "CSV", self.quote.is_some()),
            ("escape", "CSV", self.escape.is_some()),
            ("comment", "CSV", self.comment.is_some()),
            ("header", "CSV", self.header.is_some()),
            ("skipLines", "CSV", skip),
            ("columnNames", "CSV", self.names.is_some()),
            ("nullValues", "CSV", nulls),
            ("types", "CSV and JSON", types && !text),
            ("inferBytes", "CSV and JSON", self.infer_bytes.is_some() && !text),
            ("encoding", "text", self.encoding.is_some() && !text),
            ("compression", "text", self.compression.is_some() && !text),
        ];
        let Some((option, of, _)) = options.into_iter().find(|(.., given)| *given) else {
            return Ok(());
        };
        let is = match formats {
            [None] => "the name of this file tells no format of text".to_owned(),
            [Some(format)] => format!("this file is read as {}", format.name()),
            _ => "none of these files is that".to_owned(),
        };
        Err(Error::invalid(format!("{option} is an option of {of}, and {is}"))
            .hint("leave it out, or name the format with { format: \"csv\" } or another"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_refused_where_no_file_has_them() {
        let said = |dialect: &Dialect, formats: &[Option<Format>]| {
            dialect.check(formats).map_err(|error| error.message).err()
        };
        let comma = Dialect { delimiter: Some(b';'), ..Dialect::default() };
        let (csv, json, parquet) = (Some(Format::Csv), Some(Format::Ndjson), Some(Format::Parquet));
        for formats in [&[csv][..], &[Some(Format::Tsv)], &[parquet, None, csv]] {
            assert_eq!(said(&comma, formats), None);
        }
        for (formats, told) in [
            (&[parquet][..], "delimiter is an option of CSV, and this file is read as parquet"),
            (&[json], "delimiter is an option of CSV, and this file is read as ndjson"),
            (&[None], "delimiter is an option of CSV, and the name of this file tells no format"),
            (&[json, parquet], "delimiter is an option of CSV, and none of these files is that"),
        ] {
            let message = said(&comma, formats).unwrap();
            assert!(message.starts_with(told), "{message}");
        }
        let types = vec![("a".to_owned(), "string".to_owned())];
        for dialect in [
            Dialect { types, ..Dialect::default() },
            Dialect { infer_bytes: Some(1), ..Dialect::default() },
            Dialect { encoding: Some("latin1".to_owned()), ..Dialect::default() },
            Dialect { compression: Some(Compression::Gzip), ..Dialect::default() },
        ] {
            assert_eq!(said(&dialect, &[json, parquet]), None);
            assert!(said(&dialect, &[parquet]).is_some());
        }
        for dialect in [
            Dialect { skip: 1, ..Dialect::default() },
            Dialect { header: Some(true), ..Dialect::default() },
            Dialect { null_values: vec!["NA".to_owned()], ..Dialect::default() },
        ] {
            assert!(said(&dialect, &[json]).is_some());
        }
        for format in [csv, json, parquet, None] {
            assert_eq!(said(&Dialect::default(), &[format]), None);
        }
    }
}
