//! The records of a batch, read from what its decompression gives bit by bit, so that a batch
//! that is small on the wire and huge in truth needs no more memory than its largest record.

use std::io::{self, BufRead, ErrorKind};

use super::Malformed;

/// Why a record cannot be read.
#[derive(Debug)]
pub enum RecordFailure {
    /// It is no record.
    Malformed(Malformed),
    /// It has this many bytes, and the caller wants fewer.
    TooLong(u64),
    /// Memory for it cannot be had: this many bytes.
    OutOfMemory(usize),
    /// What is below cannot be read: it is not what its compression makes.
    Source(io::Error),
}

/// The records of a batch.
#[derive(Debug)]
pub struct Records<R> {
    from: R,
    /// The offset that they count from.
    first: i64,
    /// The offset behind the last one.
    end: i64,
    left: u32,
}

/// A record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Next {
    /// Its place in the partition.
    pub offset: i64,
    /// How many bytes its value has; `None` when it has none, which in a compacted topic says
    /// that its key is gone.
    pub value: Option<usize>,
}

impl<R: BufRead> Records<R> {
    /// So many records, in a batch between these offsets.
    pub fn new(from: R, first: i64, end: i64, count: u32) -> Self {
        Self { from, first, end, left: count }
    }

    /// Reads the next record and puts its value, of `most` bytes at most, behind what `into`
    /// holds. Records before the offset `since` are stepped over: their values are not kept,
    /// whatever their size.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn next(
        &mut self,
        into: &mut Vec<u8>,
        most: usize,
        since: i64,
    ) -> Result<Option<Next>, RecordFailure> {
        let malformed = |why| Err(RecordFailure::Malformed(why));
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let length = self.varint(None)?;
        let Ok(mut rest) = u64::try_from(length) else {
            return malformed("a record has a negative length");
        };
        self.skip(1, &mut rest)?; // attributes
        self.varint(Some(&mut rest))?; // timestamp_delta
        let delta = self.varint(Some(&mut rest))?;
        let offset = self.first.checked_add(delta).unwrap_or(-1);
        if offset < self.first || offset >= self.end {
            return malformed("a record lies outside its batch");
        }
        let key = self.varint(Some(&mut rest))?;
        self.skip(u64::try_from(key).unwrap_or(0), &mut rest)?;
        let value = match u64::try_from(self.varint(Some(&mut rest))?) {
            Err(_) => None,
            Ok(length) if length > rest => return malformed("a value is longer than its record"),
            Ok(_) if offset < since => Some(0),
            Ok(length) if length > most as u64 => return Err(RecordFailure::TooLong(length)),
            Ok(length) => {
                rest -= length;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                self.keep(length, into)?;
                Some(length)
            }
        };
        // Headers, and nothing else.
        let beyond = rest;
        self.skip(beyond, &mut rest)?;
        Ok(Some(Next { offset, value }))
    }

    /// A number of up to ten bytes, the sign in its lowest bit.
    fn varint(&mut self, mut rest: Option<&mut u64>) -> Result<i64, RecordFailure> {
        let mut value = 0_u64;
        for place in 0..10_u32 {
            if let Some(rest) = rest.as_deref_mut() {
                *rest = rest.checked_sub(1).ok_or(RecordFailure::Malformed(OVERRUN))?;
            }
            let mut byte = [0];
            self.from.read_exact(&mut byte).map_err(source)?;
            let [byte] = byte;
            value |= u64::from(byte & 0x7f).checked_shl(7 * place).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(RecordFailure::Malformed("a number is too long"))
    }

    fn keep(&mut self, length: usize, into: &mut Vec<u8>) -> Result<(), RecordFailure> {
        let before = into.len();
        // In steps: a length that lies ends where the bytes do.
        let mut left = length;
        while left > 0 {
            let here = self.from.fill_buf().map_err(source)?;
            if here.is_empty() {
                into.truncate(before);
                return Err(RecordFailure::Malformed(SHORT));
            }
            let taken = here.len().min(left);
            into.try_reserve(taken).map_err(|_| RecordFailure::OutOfMemory(length))?;
            into.extend_from_slice(here.get(..taken).unwrap_or_default());
            self.from.consume(taken);
            left -= taken;
        }
        Ok(())
    }

    fn skip(&mut self, length: u64, rest: &mut u64) -> Result<(), RecordFailure> {
        *rest = rest.checked_sub(length).ok_or(RecordFailure::Malformed(OVERRUN))?;
        let mut left = length;
        while left > 0 {
            let here = self.from.fill_buf().map_err(source)?.len();
            if here == 0 {
                return Err(RecordFailure::Malformed(SHORT));
            }
            let taken = here.min(usize::try_from(left).unwrap_or(usize::MAX));
            self.from.consume(taken);
            left -= taken as u64;
        }
        Ok(())
    }
}

const SHORT: Malformed = "a batch ends in the middle of a record";
const OVERRUN: Malformed = "a field is longer than its record";

fn source(error: io::Error) -> RecordFailure {
    match error.kind() {
        ErrorKind::UnexpectedEof => RecordFailure::Malformed(SHORT),
        _ => RecordFailure::Source(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(value: i64) -> Vec<u8> {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        let mut bytes = Vec::new();
        loop {
            let byte = (rest & 0x7f) as u8;
            rest >>= 7;
            if rest == 0 {
                bytes.push(byte);
                return bytes;
            }
            bytes.push(byte | 0x80);
        }
    }

    fn record(delta: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[u8]) -> Vec<u8> {
        let sized = |bytes: Option<&[u8]>| match bytes {
            None => varint(-1),
            Some(bytes) => [varint(bytes.len() as i64), bytes.to_vec()].concat(),
        };
        let body =
            [vec![0], varint(1234), varint(delta), sized(key), sized(value), headers.to_vec()]
                .concat();
        [varint(body.len() as i64), body].concat()
    }

    #[test]
    fn values_come_without_keys_and_headers() {
        let bytes = [
            record(0, None, Some(b"one"), &[0]),
            record(2, Some(b"key"), Some(b""), &[2, 2, b'h', 2, b'v']),
            record(3, Some(b"key"), None, &[0]),
            record(700, None, Some(&[7; 1000]), &[0]),
        ]
        .concat();
        let mut records = Records::new(bytes.as_slice(), 10, 711, 4);
        let mut into = b"before ".to_vec();
        let mut next = || records.next(&mut into, 1000, 0).unwrap();
        assert_eq!(next(), Some(Next { offset: 10, value: Some(3) }));
        assert_eq!(next(), Some(Next { offset: 12, value: Some(0) }));
        assert_eq!(next(), Some(Next { offset: 13, value: None }));
        assert_eq!(next(), Some(Next { offset: 710, value: Some(1000) }));
        assert_eq!(next(), None);
        assert_eq!(into, [b"before one".to_vec(), vec![7; 1000]].concat());
    }

    #[test]
    fn what_lies_before_the_wanted_offset_is_stepped_over() {
        let bytes = [record(0, None, Some(&[1; 5000]), &[0]), record(1, None, Some(b"b"), &[0])];
        let bytes = bytes.concat();
        let mut records = Records::new(bytes.as_slice(), 0, 2, 2);
        let mut into = Vec::new();
        assert_eq!(records.next(&mut into, 10, 1).unwrap().unwrap().offset, 0);
        assert!(into.is_empty());
        assert_eq!(records.next(&mut into, 10, 1).unwrap().unwrap().value, Some(1));
        assert_eq!(into, b"b");
    }

    #[test]
    fn a_record_that_is_too_long_is_refused_before_it_is_kept() {
        let bytes = record(0, None, Some(&[1; 11]), &[0]);
        let mut into = Vec::new();
        let refused = Records::new(bytes.as_slice(), 0, 1, 1).next(&mut into, 10, 0);
        assert!(matches!(refused, Err(RecordFailure::TooLong(11))));
        assert!(into.is_empty());
    }

    #[test]
    fn every_cut_and_every_lie_is_an_error() {
        let good = record(0, Some(b"key"), Some(b"value"), &[0]);
        for cut in 0..good.len() {
            let mut into = Vec::new();
            let read = Records::new(&good[..cut], 0, 1, 1).next(&mut into, 100, 0);
            assert!(matches!(read, Err(RecordFailure::Malformed(_))), "{cut}");
        }
        let lies = [
            varint(-5),
            [varint(1), vec![0]].concat(),
            [varint(4), vec![0, 0, 0]].concat(),
            record(1, None, None, &[0]),
            record(-1, None, None, &[0]),
            vec![0xff; 12],
            [varint(i64::MAX), vec![0, 0, 0, 1], varint(i64::MAX - 100)].concat(),
        ];
        for lie in lies {
            let mut into = Vec::new();
            let read = Records::new(lie.as_slice(), 0, 1, 1).next(&mut into, usize::MAX, 0);
            assert!(matches!(read, Err(RecordFailure::Malformed(_))), "{lie:?}");
        }
    }
}
