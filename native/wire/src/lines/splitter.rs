//! Lines: what stands between line feeds. A carriage return before a line feed belongs to the
//! end of the line, any other is content. The last line needs no end.

use super::line_feeds::{OverLineFeeds, over_line_feeds};
use super::{Batch, Flaw};
use crate::OutOfMemory;

/// How a splitter ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// All bytes were taken.
    All,
    /// The batch is full; so many bytes were taken.
    Full(usize),
    /// The next element needs a room of so many bytes; so many bytes were taken.
    Needs(usize, usize),
}

/// Cuts bytes into lines.
#[derive(Debug)]
pub struct LineSplitter {
    limit: usize,
    /// The line that has begun and not ended, with its carriage return.
    open: Vec<u8>,
    /// How many bytes were taken.
    at: u64,
}

impl LineSplitter {
    /// A splitter for lines of at most `limit` bytes, their ends not counted.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, open: Vec::new(), at: 0 }
    }

    /// How many bytes were taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.at
    }

    /// Whether a line has begun and not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Puts the lines that end in `chunk` into the batch. What was not taken is to be passed
    /// again. A flaw is told only where the batch is empty: the lines before it come first.
    ///
    /// # Errors
    /// A line that is too long.
    pub fn push(&mut self, chunk: &[u8], batch: &mut Batch<'_>) -> Result<Pushed, Flaw> {
        let mut start = 0;
        if self.is_open() {
            let Some(end) = memchr::memchr(b'\n', chunk) else { return self.begin(chunk, batch) };
            let more = chunk.get(..end).unwrap_or_default();
            let (open, more) = match more.last() {
                None => (without_return(&self.open), more),
                Some(_) => (self.open.as_slice(), without_return(more)),
            };
            if open.len() + more.len() > self.limit {
                return self.too_long(self.at - self.open.len() as u64, 0, batch);
            }
            if !batch.push(open, more) {
                return Ok(full(0, open.len() + more.len(), batch));
            }
            self.release();
            start = end + 1;
        }
        let rest = chunk.get(start..).unwrap_or_default();
        let cut = Cut { splitter: self, chunk, start, batch };
        start = match over_line_feeds(rest, cut)? {
            Ok(start) => start,
            Err(pushed) => return Ok(pushed),
        };
        self.at += start as u64;
        match self.begin(chunk.get(start..).unwrap_or_default(), batch)? {
            Pushed::All => Ok(Pushed::All),
            // Only a flaw that waits ends here.
            Pushed::Full(taken) | Pushed::Needs(taken, _) => Ok(Pushed::Full(start + taken)),
        }
    }

    /// Puts the last line into the batch, if it has no end.
    pub fn finish(&mut self, batch: &mut Batch<'_>) -> Result<Pushed, Flaw> {
        if self.open.len() > self.limit {
            return self.too_long(self.at - self.open.len() as u64, 0, batch);
        }
        if self.is_open() && !batch.push(&self.open, &[]) {
            return Ok(full(0, self.open.len(), batch));
        }
        self.release();
        Ok(Pushed::All)
    }

    /// Keeps the beginning of a line.
    fn begin(&mut self, bytes: &[u8], batch: &Batch<'_>) -> Result<Pushed, Flaw> {
        let length = self.open.len() + bytes.len();
        // One more may be a carriage return that belongs to the line's end.
        let ends_so = bytes.last().or(self.open.last()) == Some(&b'\r');
        if length > self.limit.saturating_add(usize::from(ends_so)) {
            return self.too_long(self.at - self.open.len() as u64, 0, batch);
        }
        let refused = |_| Flaw::OutOfMemory(OutOfMemory { wanted: length });
        self.open.try_reserve(bytes.len()).map_err(refused)?;
        self.open.extend_from_slice(bytes);
        self.at += bytes.len() as u64;
        Ok(Pushed::All)
    }

    fn too_long(&mut self, at: u64, taken: usize, batch: &Batch<'_>) -> Result<Pushed, Flaw> {
        if batch.is_empty() {
            return Err(Flaw::TooLong { at, limit: self.limit });
        }
        self.at += taken as u64;
        Ok(Pushed::Full(taken))
    }

    /// Forgets the open line. A long one gives its memory back.
    fn release(&mut self) {
        self.open.clear();
        self.open.shrink_to(MOST_KEPT);
    }
}

/// Whole lines of a chunk, on their way into a batch.
struct Cut<'a, 'b> {
    splitter: &'a mut LineSplitter,
    chunk: &'a [u8],
    /// Where the first of them starts.
    start: usize,
    batch: &'a mut Batch<'b>,
}

impl OverLineFeeds for Cut<'_, '_> {
    /// Where the line starts that does not end in the chunk; or why it stopped.
    type Output = Result<Result<usize, Pushed>, Flaw>;

    #[inline(always)]
    fn over(self, line_feeds: impl Iterator<Item = usize>) -> Self::Output {
        let Self { splitter, chunk, mut start, batch } = self;
        let from = start;
        for line_feed in line_feeds {
            let mut end = from + line_feed;
            let next = end + 1;
            if end > start && chunk.get(end - 1) == Some(&b'\r') {
                end -= 1;
            }
            if end - start > splitter.limit {
                return splitter.too_long(splitter.at + start as u64, start, batch).map(Err);
            }
            if !batch.push_from(chunk, start, end) {
                splitter.at += start as u64;
                return Ok(Err(full(start, end - start, batch)));
            }
            start = next;
        }
        Ok(Ok(start))
    }
}

/// Memory of this size stays with the splitter.
const MOST_KEPT: usize = 1 << 20;

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The batch has no room for an element of this length.
pub(super) fn full(taken: usize, length: usize, batch: &Batch<'_>) -> Pushed {
    if batch.is_empty() { Pushed::Needs(taken, length) } else { Pushed::Full(taken) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out when the bytes come in chunks of this size, into rooms of that size.
    fn read(
        limit: usize,
        bytes: &[u8],
        step: usize,
        mut room: usize,
    ) -> (Vec<Vec<u8>>, Option<Flaw>) {
        let mut splitter = LineSplitter::new(limit);
        let mut lines = Vec::new();
        let end: &[u8] = &[];
        for chunk in bytes.chunks(step).map(Some).chain([None]) {
            let mut rest = chunk.unwrap_or(end);
            loop {
                let (mut memory, mut offsets) = (vec![0; room], Vec::new());
                let mut batch = Batch::new(&mut memory, &mut offsets, None);
                let pushed = match chunk {
                    Some(_) => splitter.push(rest, &mut batch),
                    None => splitter.finish(&mut batch),
                };
                for ends in offsets.windows(2) {
                    lines.push(memory[ends[0] as usize..ends[1] as usize].to_vec());
                }
                match pushed {
                    Err(flaw) => return (lines, Some(flaw)),
                    Ok(Pushed::All) => break,
                    Ok(Pushed::Full(taken)) => rest = &rest[taken..],
                    Ok(Pushed::Needs(taken, more)) => {
                        assert!(more > room && more <= limit);
                        (rest, room) = (&rest[taken..], more);
                    }
                }
            }
        }
        assert_eq!(splitter.taken(), bytes.len() as u64);
        assert!(!splitter.is_open());
        (lines, None)
    }

    fn plain(text: &str) -> Vec<Vec<u8>> {
        let mut parts: Vec<&str> = text.split('\n').collect();
        let last = parts.pop().filter(|last| !last.is_empty());
        let lines = parts.iter().map(|line| line.strip_suffix('\r').unwrap_or(line));
        lines.chain(last).map(|line| line.as_bytes().to_vec()).collect()
    }

    #[test]
    fn lines_are_those_of_a_plain_split_wherever_chunks_and_rooms_end() {
        let texts = [
            "",
            "\n",
            "\r\n",
            "\r",
            "a",
            "a\n",
            "a\r\n",
            "a\r",
            "\n\n\na\n\n",
            "a\r\r\nb\rc\r\n\r\n",
            "one\ntwo\r\nthree, longer than the others\n\nfour\r\n\r\r\nfive",
            "\r\n\r\n\n\r\n\r",
        ];
        for text in texts {
            for step in 1..=text.len().max(1) {
                for room in [0, 1, 2, 3, 7, 64] {
                    let (lines, flaw) = read(64, text.as_bytes(), step, room);
                    assert_eq!((lines, flaw), (plain(text), None), "{text:?} {step} {room}");
                }
            }
        }
    }

    #[test]
    fn a_long_line_is_told_with_its_place_behind_the_lines_before_it() {
        for end in ["", "\n", "\r\n", "\nmore\n", "x\r", "xxxxxxxxxxxxxxxxx"] {
            let text = format!("one\r\n\nfour!{end}");
            for step in 1..=text.len() {
                for room in [0, 4, 64] {
                    let (lines, flaw) = read(4, text.as_bytes(), step, room);
                    assert_eq!(lines, [b"one".to_vec(), Vec::new()], "{text:?} {step} {room}");
                    assert_eq!(flaw, Some(Flaw::TooLong { at: 6, limit: 4 }));
                }
            }
        }
    }

    #[test]
    fn a_return_before_the_end_does_not_count() {
        for step in 1..8 {
            let (lines, flaw) = read(4, b"four\r\nfour\r\n", step, 64);
            assert_eq!((lines.len(), flaw), (2, None));
            let (lines, flaw) = read(4, b"four\r", step, 64);
            assert_eq!((lines.len(), flaw), (0, Some(Flaw::TooLong { at: 0, limit: 4 })));
        }
    }
}
