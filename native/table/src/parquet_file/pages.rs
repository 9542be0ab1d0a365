//! What the pages of a column say about themselves, looked at before a decoder believes it.
//!
//! A dictionary says how many values it has, and a page how long it is when it is no longer
//! compressed; decoders reserve that much. Here both are held against the bytes that are there.

use std::io::Read;

use dipper_core::Error;
use flate2::read::MultiGzDecoder;
use parquet::basic::{Compression, Type};
use parquet::file::metadata::ColumnChunkMetaData;

use super::layouts;
use super::thrift::{Visit, walk};
use crate::error::damaged;

/// A page may be so long, whatever its column chunk says of itself.
const LONG_PAGE: u64 = 64 << 20;
/// A page that was compressed by DEFLATE to less than this can do no harm: it is 1,032 times as
/// long at most.
const SHORT_DEFLATED: usize = 256 << 10;

/// Looks at the pages that lie in `bytes`, one after the other.
pub(super) fn check(chunk: &ColumnChunkMetaData, bytes: &[u8]) -> Result<(), Error> {
    let mut left = bytes;
    let mut values = 0_u64;
    while !left.is_empty() {
        let mut page = Page::default();
        let header = walk(left, &layouts::PAGE, &mut page)?;
        let length = page.length(page.compressed)?;
        let body = left.get(header..).unwrap_or_default();
        // What is cut short, the decoder says.
        let body = body.get(..length.min(body.len())).unwrap_or_default();
        page.check(chunk, body)?;
        values = values.saturating_add(page.values);
        let most = u64::try_from(chunk.num_values()).unwrap_or(0);
        if values > most {
            return Err(damaged(
                "Parquet",
                format!("{} has more values than {most}, as it says", chunk.column_path()),
            ));
        }
        left = left.get(header + length..).unwrap_or_default();
    }
    Ok(())
}

/// What a page says.
#[derive(Default)]
struct Page {
    uncompressed: i64,
    compressed: i64,
    values: u64,
    dictionary: Option<i64>,
    /// Levels, which are never compressed.
    levels: i64,
    stored: bool,
}

impl Visit for Page {
    fn number(&mut self, of: &'static str, field: i16, value: i64) -> Result<(), Error> {
        match (of, field) {
            ("PageHeader", 2) => self.uncompressed = value,
            ("PageHeader", 3) => self.compressed = value,
            ("DataPageHeader" | "DataPageHeaderV2", 1) => {
                self.values = u64::try_from(value).map_err(|_| {
                    damaged("Parquet", format!("a page says that it has {value} values"))
                })?;
            }
            ("DataPageHeaderV2", 5 | 6) => self.levels = self.levels.saturating_add(value),
            ("DataPageHeaderV2", 7) => self.stored = value == 0,
            ("DictionaryPageHeader", 1) => self.dictionary = Some(value),
            _ => {}
        }
        Ok(())
    }
}

impl Page {
    fn length(&self, says: i64) -> Result<usize, Error> {
        usize::try_from(says)
            .ok()
            .filter(|length| *length <= i32::MAX as usize)
            .ok_or_else(|| damaged("Parquet", format!("a page says that it has {says} bytes")))
    }

    fn check(&self, chunk: &ColumnChunkMetaData, body: &[u8]) -> Result<(), Error> {
        let uncompressed = self.length(self.uncompressed)?;
        let whole = u64::try_from(chunk.uncompressed_size()).unwrap_or(0);
        let implausible = || {
            damaged(
                "Parquet",
                format!(
                    "a page of {} says that {} bytes become {uncompressed}",
                    chunk.column_path(),
                    body.len()
                ),
            )
        };
        if uncompressed as u64 > LONG_PAGE.max(whole.saturating_mul(2)) {
            return Err(implausible());
        }
        let levels = usize::try_from(self.levels).unwrap_or(0).min(body.len());
        let packed = body.get(levels..).unwrap_or_default();
        let grows = uncompressed.saturating_sub(levels);
        let codec = if self.stored { Compression::UNCOMPRESSED } else { chunk.compression() };
        let most = match codec {
            Compression::UNCOMPRESSED => body.len(),
            Compression::SNAPPY => packed.len().saturating_mul(32) + 64,
            Compression::LZ4 | Compression::LZ4_RAW => packed.len().saturating_mul(256) + 64,
            Compression::GZIP(_) => packed.len().saturating_mul(1040) + 64,
            _ => usize::MAX,
        };
        if grows > most {
            return Err(implausible());
        }
        // These are unpacked to their end, however far that is.
        let unpacked = match codec {
            Compression::GZIP(_) if packed.len() > SHORT_DEFLATED => {
                counted(MultiGzDecoder::new(packed), grows)
            }
            Compression::BROTLI(_) if grows > 0 => {
                counted(brotli::Decompressor::new(packed, 4096), grows)
            }
            _ => 0,
        };
        if unpacked > grows {
            return Err(implausible());
        }
        if let Some(values) = self.dictionary {
            let room = if codec == Compression::UNCOMPRESSED { body.len() } else { uncompressed };
            let fits = usize::try_from(values).ok().is_some_and(|values| {
                smallest(chunk).is_none_or(|bits| values.saturating_mul(bits).div_ceil(8) <= room)
            });
            if !fits {
                return Err(damaged(
                    "Parquet",
                    format!(
                        "the dictionary of {} says that it has {values} values in {room} bytes",
                        chunk.column_path()
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// How many bytes come, no more than one after `expected`. What cannot be read, the decoder says.
fn counted(unpack: impl Read, expected: usize) -> usize {
    let mut unpack = unpack.take(expected as u64 + 1);
    std::io::copy(&mut unpack, &mut std::io::sink())
        .map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX))
}

/// The fewest bits that a value of a dictionary takes; `None` for values without any.
fn smallest(chunk: &ColumnChunkMetaData) -> Option<usize> {
    match chunk.column_type() {
        Type::BOOLEAN => Some(1),
        Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => Some(32),
        Type::INT64 | Type::DOUBLE => Some(64),
        Type::INT96 => Some(96),
        Type::FIXED_LEN_BYTE_ARRAY => {
            let length = usize::try_from(chunk.column_descr().type_length()).unwrap_or(0);
            Some(length.max(1).saturating_mul(8))
        }
    }
}
