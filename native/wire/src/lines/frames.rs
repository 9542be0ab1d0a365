//! Messages, each behind its length.

use super::splitter::full;
use super::{Batch, Flaw, Pushed};
use crate::OutOfMemory;

/// How the length of a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthPrefix {
    /// Four bytes, the highest first.
    U32Be,
    /// Four bytes, the lowest first.
    U32Le,
    /// Seven bits a byte, the lowest first, the highest bit set in all but the last byte: LEB128,
    /// as Protocol Buffers write it.
    Varint,
}

/// What the beginning of a message tells.
enum Prefix {
    /// The bytes of the length, and the length.
    Whole(usize, u64),
    Unfinished,
    None,
}

impl LengthPrefix {
    fn read(self, bytes: &[u8]) -> Prefix {
        let four = bytes.first_chunk::<4>().copied();
        match (self, four) {
            (Self::U32Be, Some(four)) => Prefix::Whole(4, u32::from_be_bytes(four).into()),
            (Self::U32Le, Some(four)) => Prefix::Whole(4, u32::from_le_bytes(four).into()),
            (Self::U32Be | Self::U32Le, None) => Prefix::Unfinished,
            (Self::Varint, _) => varint(bytes),
        }
    }
}

/// At most ten bytes, of which the last holds the highest of 64 bits.
const LONGEST_VARINT: usize = 10;

fn varint(bytes: &[u8]) -> Prefix {
    let mut length = 0_u64;
    for (index, byte) in bytes.iter().take(LONGEST_VARINT).enumerate() {
        if index == LONGEST_VARINT - 1 && *byte > 1 {
            return Prefix::None;
        }
        length |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Prefix::Whole(index + 1, length);
        }
    }
    Prefix::Unfinished
}

/// Cuts bytes into messages.
#[derive(Debug)]
pub struct FrameSplitter {
    prefix: LengthPrefix,
    limit: usize,
    /// The message that has begun and not ended, with its length.
    open: Vec<u8>,
    /// How many bytes were taken.
    at: u64,
}

impl FrameSplitter {
    /// A splitter for messages of at most `limit` bytes, their lengths not counted.
    #[must_use]
    pub fn new(prefix: LengthPrefix, limit: usize) -> Self {
        Self { prefix, limit, open: Vec::new(), at: 0 }
    }

    /// How many bytes were taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.at
    }

    /// Puts the messages that end in `chunk` into the batch. What was not taken is to be passed
    /// again. A flaw is told only where the batch is empty: the messages before it come first.
    ///
    /// # Errors
    /// A message that is too long, and a length that is none.
    pub fn push(&mut self, chunk: &[u8], batch: &mut Batch<'_>) -> Result<Pushed, Flaw> {
        let mut start = 0;
        // What an earlier chunk began: its length byte by byte, then as much as that says.
        while !self.open.is_empty() {
            let rest = chunk.get(start..).unwrap_or_default();
            let (head, length) = match self.whole(&self.open) {
                Ok(Some(message)) => message,
                Ok(None) => {
                    let Some(byte) = rest.first() else { return Ok(Pushed::All) };
                    self.open.push(*byte);
                    start += 1;
                    self.at += 1;
                    continue;
                }
                Err(_) if !batch.is_empty() => return Ok(Pushed::Full(start)),
                Err(flaw) => return Err(flaw),
            };
            let missing = head + length - self.open.len();
            if let Some(more) = rest.get(..missing) {
                if !batch.push(self.open.get(head..).unwrap_or_default(), more) {
                    return Ok(full(start, length, batch));
                }
                self.open.clear();
                self.open.shrink_to(MOST_KEPT);
                start += missing;
                self.at += missing as u64;
            } else {
                self.keep(rest)?;
                return Ok(Pushed::All);
            }
        }
        loop {
            let rest = chunk.get(start..).unwrap_or_default();
            let (head, length) = match self.whole(rest) {
                Ok(Some(message)) => message,
                Ok(None) => {
                    self.keep(rest)?;
                    return Ok(Pushed::All);
                }
                Err(_) if !batch.is_empty() => return Ok(Pushed::Full(start)),
                Err(flaw) => return Err(flaw),
            };
            let Some(content) = rest.get(head..head + length) else {
                self.keep(rest)?;
                return Ok(Pushed::All);
            };
            if !batch.push(content, &[]) {
                return Ok(full(start, length, batch));
            }
            start += head + length;
            self.at += (head + length) as u64;
        }
    }

    /// Sees to it that the last message was whole.
    ///
    /// # Errors
    /// It was not.
    pub fn finish(&self) -> Result<(), Flaw> {
        if self.open.is_empty() {
            return Ok(());
        }
        Err(Flaw::CutShort { at: self.at - self.open.len() as u64, end: self.at })
    }

    /// The length of the prefix and of the message at the start of `bytes`, once it is there.
    fn whole(&self, bytes: &[u8]) -> Result<Option<(usize, usize)>, Flaw> {
        let at = self.at - self.open.len() as u64;
        match self.prefix.read(bytes) {
            Prefix::Unfinished => Ok(None),
            Prefix::None => Err(Flaw::NoLength { at }),
            Prefix::Whole(head, length) => match usize::try_from(length) {
                Ok(length) if length <= self.limit => Ok(Some((head, length))),
                _ => Err(Flaw::TooLong { at, limit: self.limit }),
            },
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        let length = self.open.len() + bytes.len();
        let refused = |_| Flaw::OutOfMemory(OutOfMemory { wanted: length });
        self.open.try_reserve(bytes.len()).map_err(refused)?;
        self.open.extend_from_slice(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }
}

/// Memory of this size stays with the splitter.
const MOST_KEPT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(prefix: LengthPrefix, messages: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for message in messages {
            let mut length = message.len() as u32;
            match prefix {
                LengthPrefix::U32Be => bytes.extend(length.to_be_bytes()),
                LengthPrefix::U32Le => bytes.extend(length.to_le_bytes()),
                LengthPrefix::Varint => {
                    while length > 0x7f {
                        bytes.push(length as u8 | 0x80);
                        length >>= 7;
                    }
                    bytes.push(length as u8);
                }
            }
            bytes.extend(message);
        }
        bytes
    }

    /// What comes out when the bytes come in chunks of this size, into rooms of that size.
    fn read(
        prefix: LengthPrefix,
        limit: usize,
        bytes: &[u8],
        step: usize,
        mut room: usize,
    ) -> (Vec<Vec<u8>>, Result<(), Flaw>) {
        let mut splitter = FrameSplitter::new(prefix, limit);
        let mut messages = Vec::new();
        for chunk in bytes.chunks(step) {
            let mut rest = chunk;
            loop {
                let (mut memory, mut offsets) = (vec![0; room], Vec::new());
                let mut batch = Batch::new(&mut memory, &mut offsets, None);
                let pushed = match splitter.push(rest, &mut batch) {
                    Ok(pushed) => pushed,
                    Err(flaw) => return (messages, Err(flaw)),
                };
                for ends in offsets.windows(2) {
                    messages.push(memory[ends[0] as usize..ends[1] as usize].to_vec());
                }
                match pushed {
                    Pushed::All => break,
                    Pushed::Full(taken) => rest = &rest[taken..],
                    Pushed::Needs(taken, more) => {
                        assert!(more > room);
                        (rest, room) = (&rest[taken..], more);
                    }
                }
            }
        }
        assert!(splitter.taken() <= bytes.len() as u64);
        (messages, splitter.finish())
    }

    const PREFIXES: [LengthPrefix; 3] =
        [LengthPrefix::U32Be, LengthPrefix::U32Le, LengthPrefix::Varint];

    #[test]
    fn messages_come_whole_wherever_chunks_end() {
        let messages: Vec<Vec<u8>> =
            [0, 1, 127, 128, 0, 300, 5, 0].map(|length| vec![length as u8; length]).into();
        for prefix in PREFIXES {
            let bytes = written(prefix, &messages);
            for step in 1..=bytes.len() {
                for room in [0, 1, 130, 4096] {
                    let (read, ended) = read(prefix, 300, &bytes, step, room);
                    assert_eq!((&read, ended), (&messages, Ok(())), "{prefix:?} {step} {room}");
                }
            }
        }
    }

    #[test]
    fn what_is_cut_short_is_told_with_its_place_behind_the_whole_ones() {
        let messages = vec![vec![7; 10], vec![8; 20]];
        for prefix in PREFIXES {
            let bytes = written(prefix, &messages);
            let second = written(prefix, &messages[..1]).len();
            for end in 0..bytes.len() {
                let (read, ended) = read(prefix, 300, &bytes[..end], 3, 4096);
                let expected = match end {
                    0 => Ok(()),
                    _ if end == second => Ok(()),
                    _ if end < second => Err(Flaw::CutShort { at: 0, end: end as u64 }),
                    _ => Err(Flaw::CutShort { at: second as u64, end: end as u64 }),
                };
                assert_eq!((read.len(), ended), (usize::from(end >= second), expected));
            }
        }
    }

    #[test]
    fn a_long_message_and_a_length_that_is_none_are_refused_behind_the_good_ones() {
        let mut bytes = written(LengthPrefix::U32Be, &[vec![1; 4], vec![2; 5]]);
        for step in [1, 2, 100] {
            let (read, ended) = read(LengthPrefix::U32Be, 4, &bytes, step, 64);
            assert_eq!((read.len(), ended), (1, Err(Flaw::TooLong { at: 8, limit: 4 })));
        }
        bytes = written(LengthPrefix::Varint, &[vec![1; 4]]);
        bytes.extend([0xff; 12]);
        for step in [1, 2, 100] {
            let (read, ended) = read(LengthPrefix::Varint, 4, &bytes, step, 64);
            assert_eq!((read.len(), ended), (1, Err(Flaw::NoLength { at: 5 })));
        }
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let (_, ended) = read(LengthPrefix::Varint, usize::MAX / 2, &most, 1, 64);
        assert_eq!(ended, Err(Flaw::TooLong { at: 0, limit: usize::MAX / 2 }));
    }
}
