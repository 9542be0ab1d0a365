//! The end of a Parquet file, which describes the rest.

use bytes::Bytes;
use dipper_core::{Error, Pieces, Status, Ticket};
use parquet::file::metadata::{
    FooterTail, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
    ParquetStatisticsPolicy,
};

use super::layouts;
use super::thrift::{Visit, walk};
use crate::error::{damaged, joined, of_parquet};

/// A length and `PAR1`.
const TAIL: usize = 8;
/// The shortest file: `PAR1`, and a footer.
const SHORTEST: u64 = 12;
/// Descriptions that are longer are refused: those of 10,000 columns in 1,000 row groups have
/// hundreds of megabytes, and nobody waits for them.
const LONGEST: usize = 1 << 30;
/// The decoder numbers row groups by 16 bits.
const MOST_GROUPS: usize = 1 << 15;
/// Columns in columns, no deeper: decoders call themselves for each level.
const DEEPEST: usize = 64;
/// Fields of a schema.
const MOST_FIELDS: usize = 1 << 20;
/// What the decoder keeps for a column chunk, and for a field of the schema.
const KEPT: u64 = 640;

/// What was read of it.
pub(super) struct Footer {
    pub(super) metadata: ParquetMetaData,
    /// The columns that are encrypted.
    pub(super) encrypted: Vec<usize>,
    /// What was reserved for it.
    pub(super) tickets: Vec<Ticket>,
}

/// Reads it. `tail` is what came of the end of the file.
pub(super) async fn read(pieces: &Pieces, tail: Bytes, statistics: bool) -> Result<Footer, Error> {
    let size = pieces.stat().size;
    if size < SHORTEST {
        return Err(damaged("Parquet", format!("it has {size} bytes")));
    }
    let cut = || damaged("Parquet", "its end is missing");
    let end = tail.len().checked_sub(TAIL).ok_or_else(cut)?;
    let magic = FooterTail::try_from(tail.get(end..).unwrap_or_default())
        .map_err(|_| damaged("Parquet", "it does not end with PAR1"))?;
    if magic.is_encrypted_footer() {
        return Err(encrypted("the file is encrypted"));
    }
    let length = magic.metadata_length();
    let whole = (length as u64).saturating_add(TAIL as u64);
    if whole > size {
        return Err(damaged(
            "Parquet",
            format!("it says that its footer has {length} bytes, and has {size} itself"),
        ));
    }
    if length > LONGEST {
        return Err(Error::new(
            Status::Unsupported,
            format!("the footer of this Parquet file has {length} bytes, more than {LONGEST}"),
        ));
    }
    let bytes = match end.checked_sub(length) {
        Some(start) => tail.slice(start..end),
        None => {
            let before = size - whole..size.saturating_sub(tail.len() as u64);
            let before = pieces.read(&[before], None).await?.pop().ok_or_else(cut)?;
            Bytes::from([before.as_ref(), tail.get(..end).unwrap_or_default()].concat())
        }
    };
    let checked = tokio::task::spawn_blocking(move || {
        let mut seen = Seen::default();
        walk(&bytes, &layouts::FILE, &mut seen)?;
        Ok((bytes, seen))
    });
    let (bytes, seen) = joined("Parquet", checked.await)?;
    let kept = (seen.chunks + seen.fields as u64) * KEPT + bytes.len() as u64;
    let tickets = pieces.reserve(kept).await?;
    let policy = match statistics {
        true => ParquetStatisticsPolicy::KeepAll,
        false => ParquetStatisticsPolicy::SkipAll,
    };
    let parsed = tokio::task::spawn_blocking(move || {
        let options = ParquetMetaDataOptions::new()
            .with_column_stats_policy(policy)
            .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll);
        ParquetMetaDataReader::decode_metadata_with_options(&bytes, Some(&options))
            .map_err(of_parquet)
    });
    let metadata = joined("Parquet", parsed.await)?;
    Ok(Footer { metadata, encrypted: seen.encrypted, tickets })
}

/// What only its owner reads.
pub(super) fn encrypted(what: &str) -> Error {
    Error::new(Status::Unsupported, format!("{what}, and dipper has no keys for Parquet"))
        .hint("decrypt it with the program that wrote it")
}

/// What a footer says, seen before it is believed.
#[derive(Default)]
struct Seen {
    fields: usize,
    /// For each group of the schema that is open, how many of its columns are to come.
    open: Vec<i64>,
    children: i64,
    chunks: u64,
    /// The column chunk that is being walked, in its row group.
    column: usize,
    encrypted: Vec<usize>,
}

impl Visit for Seen {
    fn number(&mut self, of: &'static str, field: i16, value: i64) -> Result<(), Error> {
        match (of, field) {
            ("SchemaElement", 5) => self.children = value,
            ("FileMetaData" | "RowGroup", 3) if value < 0 => {
                return Err(damaged("Parquet", format!("it says that it has {value} rows")));
            }
            _ => {}
        }
        Ok(())
    }

    fn list(&mut self, of: &'static str, field: i16, length: usize) -> Result<(), Error> {
        match (of, field) {
            ("FileMetaData", 2) => {
                if length > MOST_FIELDS {
                    return Err(too_many(format!("{length} columns"), MOST_FIELDS));
                }
                self.fields = length;
            }
            ("FileMetaData", 4) if length > MOST_GROUPS => {
                return Err(too_many(format!("{length} row groups"), MOST_GROUPS));
            }
            ("RowGroup", 1) => {
                self.chunks += length as u64;
                self.column = 0;
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, of: &'static str) -> Result<(), Error> {
        match of {
            "SchemaElement" => {
                let children = std::mem::take(&mut self.children);
                if usize::try_from(children).map_or(true, |children| children > self.fields) {
                    return Err(damaged("Parquet", format!("a column has {children} columns")));
                }
                if let Some(left) = self.open.last_mut() {
                    *left -= 1;
                }
                if children > 0 {
                    self.open.push(children);
                }
                while self.open.last().is_some_and(|left| *left == 0) {
                    self.open.pop();
                }
                if self.open.len() > DEEPEST {
                    return Err(Error::new(
                        Status::Unsupported,
                        format!(
                            "the columns of this Parquet file are nested more than {DEEPEST} deep"
                        ),
                    ));
                }
            }
            "ColumnChunk" => self.column += 1,
            _ => {}
        }
        Ok(())
    }

    fn unknown(&mut self, of: &'static str, field: i16) -> Result<(), Error> {
        // Its keys, or its description in a locked box.
        if of == "ColumnChunk" && matches!(field, 8 | 9) && !self.encrypted.contains(&self.column) {
            self.encrypted.push(self.column);
        }
        Ok(())
    }
}

fn too_many(what: String, most: usize) -> Error {
    Error::new(Status::Unsupported, format!("this Parquet file has {what}, more than {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a footer.
    #[derive(Default)]
    struct Said(Vec<u8>);

    impl Said {
        fn unsigned(mut self, mut value: u64) -> Self {
            while value >= 0x80 {
                self.0.push(value as u8 | 0x80);
                value >>= 7;
            }
            self.0.push(value as u8);
            self
        }

        fn byte(mut self, byte: u8) -> Self {
            self.0.push(byte);
            self
        }

        /// A list whose length stands apart.
        fn list(self, delta: u8, kind: u8, length: u64) -> Self {
            self.byte(delta << 4 | 9).byte(0xf0 | kind).unsigned(length)
        }

        fn number(self, delta: u8, kind: u8, value: u64) -> Self {
            self.byte(delta << 4 | kind).unsigned(value << 1)
        }

        fn refused(&self) -> Error {
            walk(&self.0, &layouts::FILE, &mut Seen::default()).unwrap_err()
        }
    }

    #[test]
    fn lists_that_cannot_be_there_are_refused() {
        let groups = Said::default().number(1, 5, 1).list(3, 12, i32::MAX as u64);
        assert_eq!(groups.refused().status, Status::DamagedData);
        let mut groups = groups;
        groups.0.resize(2 << 20, 0);
        assert_eq!(groups.refused().status, Status::DamagedData);
        let mut groups = Said::default().list(4, 12, 1 << 20);
        groups.0.resize(2 << 20, 0);
        let refused = groups.refused();
        assert_eq!(refused.status, Status::Unsupported, "{refused:?}");
        // A list of booleans that decoders skip without reading.
        let flags = Said::default().list(14, 1, 100).byte(0);
        let mut flags = flags;
        flags.0.resize(1 << 10, 0);
        assert_eq!(flags.refused().status, Status::DamagedData);
    }

    #[test]
    fn a_field_of_another_type_hides_nothing() {
        // The number of rows as text, which the decoder would read as a number and go on in it.
        let mut hidden = Said::default().byte(3 << 4 | 8).unsigned(20);
        hidden.0.resize(64, 0);
        assert_eq!(hidden.refused().status, Status::DamagedData);
    }

    #[test]
    fn columns_nested_without_end_are_refused() {
        let mut deep = Said::default().list(2, 12, 1000);
        for _ in 0..1000 {
            deep = deep.number(5, 5, 1).byte(0);
        }
        assert_eq!(deep.refused().status, Status::Unsupported);
        let many = Said::default().list(2, 12, 1).number(5, 5, 1 << 30).byte(0).byte(0);
        assert_eq!(many.refused().status, Status::DamagedData);
        let mut nested = Said::default();
        for _ in 0..1000 {
            nested = nested.byte(14 << 4 | 12);
        }
        assert_eq!(nested.refused().status, Status::DamagedData);
    }
}
