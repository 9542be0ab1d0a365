//! Which format a file has: what the caller says, what its name ends with, or what it begins with.

use dipper_core::Error;

use crate::numpy;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, as a file or as a stream.
    Arrow,
    /// Fields between commas.
    Csv,
    /// Fields between tabs.
    Tsv,
    /// Objects of JSON, one a line.
    Ndjson,
    /// Objects of JSON in an array, or one after the other.
    Json,
    /// An array of NumPy.
    Npy,
    /// Arrays of NumPy in a zip archive.
    Npz,
}

/// What the names of compressed files end with.
const COMPRESSED: [&str; 4] = [".gz", ".zst", ".bz2", ".xz"];

impl Format {
    const NAMED: [(&str, Self); 8] = [
        ("parquet", Self::Parquet),
        ("arrow", Self::Arrow),
        ("csv", Self::Csv),
        ("tsv", Self::Tsv),
        ("ndjson", Self::Ndjson),
        ("json", Self::Json),
        ("npy", Self::Npy),
        ("npz", Self::Npz),
    ];

    const SUFFIXES: [(&str, Self); 16] = [
        (".parquet", Self::Parquet),
        (".parq", Self::Parquet),
        (".pq", Self::Parquet),
        (".arrow", Self::Arrow),
        (".arrows", Self::Arrow),
        (".feather", Self::Arrow),
        (".ftr", Self::Arrow),
        (".ipc", Self::Arrow),
        (".csv", Self::Csv),
        (".tsv", Self::Tsv),
        (".tab", Self::Tsv),
        (".ndjson", Self::Ndjson),
        (".jsonl", Self::Ndjson),
        (".json", Self::Json),
        (".npy", Self::Npy),
        (".npz", Self::Npz),
    ];

    /// The format that a caller names.
    ///
    /// # Errors
    /// `InvalidInput` for a name that nobody knows.
    pub fn named(name: &str) -> Result<Self, Error> {
        let known = Self::NAMED.iter().find(|(known, _)| *known == name);
        known.map(|(_, format)| *format).ok_or_else(|| {
            let names: Vec<&str> = Self::NAMED.iter().map(|(name, _)| *name).collect();
            Error::invalid(format!("there is no format {name:?}"))
                .hint(format!("the formats are {}", names.join(", ")))
        })
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, known)| *known == self).map_or("text", |(name, _)| name)
    }

    /// The format that a file's name tells.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let packed = COMPRESSED.iter().find_map(|suffix| name.strip_suffix(suffix));
        let is_packed = packed.is_some();
        let name = packed.unwrap_or(&name);
        let found = Self::SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix));
        // Only text is decompressed on its way.
        found.map(|(_, format)| *format).filter(|format| !is_packed || format.is_text())
    }

    /// Whether its records are lines, or nearly.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv | Self::Ndjson | Self::Json)
    }

    /// The format that the beginning and the end of a file tell.
    pub(crate) fn of_content(head: &[u8], tail: &[u8]) -> Option<Self> {
        if head.starts_with(b"PAR1") || tail.ends_with(b"PAR1") || tail.ends_with(b"PARE") {
            return Some(Self::Parquet);
        }
        if head.starts_with(numpy::MAGIC) {
            return Some(Self::Npy);
        }
        if head.starts_with(b"PK\x03\x04") {
            return Some(Self::Npz);
        }
        // A stream begins with the mark of a message, and a length below 16 MiB.
        let stream = matches!(head, [0xff, 0xff, 0xff, 0xff, _, _, _, 0, ..]);
        (stream || head.starts_with(b"ARROW1")).then_some(Self::Arrow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_content_tell_the_format() {
        assert_eq!(Format::of_name("a/b.PARQUET"), Some(Format::Parquet));
        assert_eq!(Format::of_name("x.feather"), Some(Format::Arrow));
        assert_eq!(Format::of_name("x"), None);
        assert_eq!(Format::of_content(b"PAR1", b"PAR1"), Some(Format::Parquet));
        assert_eq!(Format::of_content(b"ARROW1\0\0", b"ARROW1"), Some(Format::Arrow));
        assert_eq!(Format::of_content(b"\xff\xff\xff\xff\x10\x01\0\0", b""), Some(Format::Arrow));
        assert_eq!(Format::of_name("x.npz"), Some(Format::Npz));
        assert_eq!(Format::of_name("x.npy.gz"), None);
        assert_eq!(Format::of_content(b"\x93NUMPY\x01\0", b""), Some(Format::Npy));
        assert_eq!(Format::of_content(b"PK\x03\x04\x2d", b""), Some(Format::Npz));
        assert_eq!(Format::of_content(b"", b""), None);
        assert!(Format::named("excel").is_err());
    }
}
