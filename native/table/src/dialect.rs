//! How a text file is written, as far as the caller tells.

use dipper_core::Compression;

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
