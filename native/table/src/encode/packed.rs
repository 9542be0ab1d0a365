//! Text that is compressed as a whole.

use std::io::Write;

use dipper_core::Error;
use flate2::write::GzEncoder;

use super::{EncodeOptions, unknown};

/// Compresses a text that comes in pieces.
pub(crate) enum Packed {
    /// As gzip.
    Gzip(Box<GzEncoder<Vec<u8>>>),
    /// As zstd.
    Zstd(Box<zstd::Encoder<'static, Vec<u8>>>),
}

impl Packed {
    /// What the options ask for; nothing when the text stays as it is.
    pub(crate) fn new(options: &EncodeOptions) -> Result<Option<Self>, Error> {
        let begun = |error| Error::internal(format!("zstd cannot be set up: {error}"));
        Ok(Some(match options.compression.as_deref() {
            None | Some("none") => return Ok(None),
            Some("gzip") => Self::Gzip(Box::new(GzEncoder::new(Vec::new(), Default::default()))),
            Some("zstd") => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 0).map_err(begun)?;
                encoder.include_checksum(true).map_err(begun)?;
                Self::Zstd(Box::new(encoder))
            }
            Some(other) => return Err(unknown(options.format, other, "gzip, zstd or none")),
        }))
    }

    /// Takes more, and gives what became of it so far.
    pub(crate) fn pack(&mut self, text: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(text).map_err(failed)?,
            Self::Zstd(encoder) => encoder.write_all(text).map_err(failed)?,
        }
        Ok(std::mem::take(match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }))
    }

    /// Gives the rest.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Gzip(encoder) => encoder.finish().map_err(failed),
            Self::Zstd(encoder) => encoder.finish().map_err(failed),
        }
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::internal(format!("the text cannot be compressed: {error}"))
}
