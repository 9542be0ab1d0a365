//! What a row group takes: told from its description before it is read, and from its columns when
//! they are there.

use std::collections::HashSet;

use arrow_array::{Array, RecordBatch};
use arrow_data::ArrayData;
use dipper_core::Error;
use parquet::basic::{LogicalType, Type};
use parquet::file::metadata::ColumnChunkMetaData;

use crate::error::damaged;

/// Bytes of a row group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Of its column chunks, as they are read.
    pub(super) read: u64,
    /// Of its columns, at the least.
    pub(super) decoded: u64,
}

impl Cost {
    /// Adds a column chunk of a group that has `there` rows, of which `rows` are wanted.
    pub(super) fn add(
        &mut self,
        chunk: &ColumnChunkMetaData,
        there: u64,
        rows: u64,
    ) -> Result<(), Error> {
        let known = |value: i64| u64::try_from(value).unwrap_or(0);
        let values = known(chunk.num_values());
        let flat = chunk.column_descr().max_rep_level() == 0;
        if flat && values != there {
            return Err(damaged(
                "Parquet",
                format!("{} has {values} values for {there} rows", chunk.column_path()),
            ));
        }
        self.read = self.read.saturating_add(known(chunk.compressed_size()));
        let bytes = match chunk.unencoded_byte_array_data_bytes() {
            Some(bytes) => known(bytes),
            None => known(chunk.uncompressed_size()),
        };
        let decoded = match width(chunk) {
            Some(bits) => values.saturating_mul(bits).div_ceil(8),
            // Strings: their bytes, and where they end.
            None => bytes.saturating_add(values.saturating_mul(8)),
        };
        // Which are missing, and where lists end.
        let around = if flat { values.div_ceil(8) } else { values.saturating_mul(8) };
        let all = u128::from(decoded.saturating_add(around));
        let part = all * u128::from(rows) / u128::from(there.max(1));
        self.decoded = self.decoded.saturating_add(u64::try_from(part).unwrap_or(u64::MAX));
        Ok(())
    }
}

/// How many bits a value has when it is decoded; `None` where that differs.
fn width(chunk: &ColumnChunkMetaData) -> Option<u64> {
    let descr = chunk.column_descr();
    if let Some(LogicalType::Decimal(_)) = descr.logical_type_ref() {
        return Some(if descr.type_precision() > 38 { 256 } else { 128 });
    }
    match descr.physical_type() {
        Type::BOOLEAN => Some(1),
        Type::INT32 | Type::FLOAT => Some(32),
        Type::INT64 | Type::DOUBLE | Type::INT96 => Some(64),
        Type::FIXED_LEN_BYTE_ARRAY => {
            Some(u64::try_from(descr.type_length()).unwrap_or(0).saturating_mul(8))
        }
        Type::BYTE_ARRAY => None,
    }
}

/// What decoded columns take beyond what was foreseen.
pub(super) struct Held {
    seen: HashSet<usize>,
    bytes: u64,
    reserved: u64,
}

impl Held {
    pub(super) fn new(reserved: u64) -> Self {
        Self { seen: HashSet::new(), bytes: 0, reserved }
    }

    /// Counts a batch, and says how many bytes more must be reserved for it. Memory that batches
    /// share counts once.
    pub(super) fn more(&mut self, batch: &RecordBatch) -> u64 {
        for column in batch.columns() {
            self.count(&column.to_data());
        }
        let more = self.bytes.saturating_sub(self.reserved);
        self.reserved += more;
        more
    }

    fn count(&mut self, data: &ArrayData) {
        let nulls = data.nulls().map(|nulls| nulls.buffer());
        for buffer in data.buffers().iter().chain(nulls) {
            if self.seen.insert(buffer.data_ptr().as_ptr() as usize) {
                self.bytes += buffer.len() as u64;
            }
        }
        data.child_data().iter().for_each(|child| self.count(child));
    }
}
