//! The batches that a partition's records come in.

use crc_fast::{CrcAlgorithm, checksum};

use super::Malformed;
use super::fields::Fields;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// Not at all.
    None,
    /// One gzip member.
    Gzip,
    /// Snappy blocks, in the framing of snappy-java or one block without any.
    Snappy,
    /// One LZ4 frame.
    Lz4,
    /// One Zstandard frame.
    Zstd,
}

/// What a batch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchKind {
    /// Records that stand for themselves.
    Plain,
    /// Records of a transaction.
    Transactional,
    /// The end of a transaction. Its records are Kafka's own.
    Control,
}

/// A batch whose checksum holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch<'a> {
    /// The offset that its records count from.
    pub first: i64,
    /// The offset behind its last record, also where records were compacted away.
    pub end: i64,
    /// Who wrote it, where that matters.
    pub producer: i64,
    /// What it is.
    pub kind: BatchKind,
    /// How its records are compressed.
    pub compression: Compression,
    /// How many records there are.
    pub count: u32,
    /// The records, as they are stored.
    pub records: &'a [u8],
}

/// Why a batch cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchFailure {
    /// It is no batch.
    Malformed(Malformed),
    /// Its bytes are not those that were written.
    Checksum,
    /// Its layout is one of before Kafka 0.11, or one of the future: this version.
    Version(i8),
    /// It is compressed in a way that has this number.
    Compression(i16),
}

/// The base offset and the length, which counts what follows.
const BEFORE_LENGTH_ENDS: usize = 12;
/// What follows the length in a batch without records.
const LEAST_LENGTH: usize = 49;

/// The batches of a partition, one after the other. A batch that is cut off at the end, as
/// brokers do to keep to the size that was asked for, is left out.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Batches<'a> {
    /// The batches in these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    /// How many bytes the batches that came so far take.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.at
    }

    fn read(&mut self) -> Result<Option<Batch<'a>>, BatchFailure> {
        let malformed = BatchFailure::Malformed;
        if self.rest.len() < BEFORE_LENGTH_ENDS {
            return Ok(None);
        }
        let mut fields = Fields::new(self.rest);
        let first = fields.i64().map_err(malformed)?;
        let length = usize::try_from(fields.i32().map_err(malformed)?)
            .map_err(|_| malformed("a batch has a negative length"))?;
        // The version stands at the same place in all layouts.
        if let Some(version) = self.rest.get(BEFORE_LENGTH_ENDS + 4)
            && *version != 2
        {
            return Err(BatchFailure::Version(i8::from_be_bytes([*version])));
        }
        if length > fields.left() {
            return Ok(None);
        }
        if length < LEAST_LENGTH {
            return Err(malformed("a batch is shorter than its head"));
        }
        let whole = fields.bytes(length).map_err(malformed)?;
        let mut fields = Fields::new(whole);
        fields.i32().map_err(malformed)?; // partition_leader_epoch
        fields.i8().map_err(malformed)?; // magic
        let crc = fields.u32().map_err(malformed)?;
        let summed = whole.get(9..).unwrap_or_default();
        if checksum(CrcAlgorithm::Crc32Iscsi, summed) != u64::from(crc) {
            return Err(BatchFailure::Checksum);
        }
        let attributes = fields.i16().map_err(malformed)?;
        let last_delta = fields.i32().map_err(malformed)?;
        fields.i64().map_err(malformed)?; // base_timestamp
        fields.i64().map_err(malformed)?; // max_timestamp
        let producer = fields.i64().map_err(malformed)?;
        fields.i16().map_err(malformed)?; // producer_epoch
        fields.i32().map_err(malformed)?; // base_sequence
        let count = u32::try_from(fields.i32().map_err(malformed)?)
            .map_err(|_| malformed("a batch has a negative number of records"))?;
        let left = fields.left();
        let records = fields.bytes(left).map_err(malformed)?;
        let end = (last_delta >= 0 && first >= 0)
            .then(|| first.checked_add(i64::from(last_delta) + 1))
            .flatten()
            .ok_or(malformed("a batch ends before it begins"))?;
        if i64::from(count) > i64::from(last_delta) + 1 {
            return Err(malformed("a batch has more records than offsets"));
        }
        let compression = match attributes & 7 {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::Snappy,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            other => return Err(BatchFailure::Compression(other)),
        };
        let kind = match (attributes & 0x10 != 0, attributes & 0x20 != 0) {
            (_, true) => BatchKind::Control,
            (true, false) => BatchKind::Transactional,
            (false, false) => BatchKind::Plain,
        };
        let taken = BEFORE_LENGTH_ENDS + length;
        self.rest = self.rest.get(taken..).unwrap_or_default();
        self.at += taken;
        Ok(Some(Batch { first, end, producer, kind, compression, count, records }))
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchFailure>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if read.is_err() {
            self.rest = &[];
        }
        read.transpose()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A batch as a producer makes it.
    pub(in super::super) fn batch(
        first: i64,
        attributes: i16,
        count: i32,
        records: &[u8],
    ) -> Vec<u8> {
        let mut summed = attributes.to_be_bytes().to_vec();
        summed.extend((count - 1).to_be_bytes());
        summed.extend([0; 16]);
        summed.extend(77_i64.to_be_bytes());
        summed.extend([0; 6]);
        summed.extend(count.to_be_bytes());
        summed.extend(records);
        let crc = checksum(CrcAlgorithm::Crc32Iscsi, &summed) as u32;
        let mut whole = first.to_be_bytes().to_vec();
        whole.extend((summed.len() as i32 + 9).to_be_bytes());
        whole.extend([0, 0, 0, 0, 2]);
        whole.extend(crc.to_be_bytes());
        whole.extend(summed);
        whole
    }

    #[test]
    fn batches_come_one_after_the_other_and_a_cut_one_is_left_out() {
        let one = batch(5, 0, 2, b"abc");
        let two = batch(7, 0x10 | 4, 1, b"");
        let both = [one.clone(), two.clone()].concat();
        let expected = [
            Batch {
                first: 5,
                end: 7,
                producer: 77,
                kind: BatchKind::Plain,
                compression: Compression::None,
                count: 2,
                records: b"abc",
            },
            Batch {
                first: 7,
                end: 8,
                producer: 77,
                kind: BatchKind::Transactional,
                compression: Compression::Zstd,
                count: 1,
                records: b"",
            },
        ];
        for cut in 0..=both.len() {
            let whole = usize::from(cut >= one.len()) + usize::from(cut == both.len());
            let mut batches = Batches::new(&both[..cut]);
            let read: Vec<_> = batches.by_ref().map(Result::unwrap).collect();
            assert_eq!(read, expected[..whole]);
            assert_eq!(batches.taken(), [0, one.len(), both.len()][whole]);
        }
    }

    #[test]
    fn a_flipped_bit_is_seen() {
        let good = batch(0, 0, 1, b"record");
        for at in 21..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 4;
            assert_eq!(Batches::new(&bad).next(), Some(Err(BatchFailure::Checksum)), "{at}");
        }
    }

    #[test]
    fn what_is_no_batch_is_told() {
        let first = |bytes: &[u8]| Batches::new(bytes).next().unwrap().unwrap_err();
        let mut old = batch(0, 0, 1, b"");
        old[16] = 1;
        assert_eq!(first(&old), BatchFailure::Version(1));
        let mut short = batch(0, 0, 1, b"");
        short[11] = 48;
        assert!(matches!(first(&short), BatchFailure::Malformed(_)));
        assert_eq!(first(&batch(0, 7, 1, b"")), BatchFailure::Compression(7));
        assert!(matches!(first(&batch(0, 0, -3, b"")), BatchFailure::Malformed(_)));
        assert!(matches!(first(&batch(i64::MAX, 0, 1, b"")), BatchFailure::Malformed(_)));
        assert!(matches!(first(&batch(-1, 0, 1, b"")), BatchFailure::Malformed(_)));
    }
}
