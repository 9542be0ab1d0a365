//! From the bytes of a source to batches of lines or messages in memory of the caller.
//!
//! What the source gives lands in a small block that stays in the cache. Whole elements are
//! copied from there into the caller's memory, once. All of it runs on a thread that may wait;
//! the caller's memory is only entered while something is copied, so that taking it back never
//! waits for a source.

use dipper_wire::{Batch, Flaw, FrameSplitter, LengthPrefix, LineSplitter, Pushed, Slot};

use super::compression::{Compression, Decompressed};
use super::read_ahead::{Block, HEAD, block};
use super::source_bytes::{Came, Fed, Next};
use super::transcoding::Transcoder;
use crate::{Error, Status};

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// Lines of at most so many bytes.
    Lines(usize),
    /// Messages of at most so many bytes, each behind its length.
    Frames(LengthPrefix, usize),
    /// Nothing: they come as they are.
    Not,
}

/// What the elements are.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes: one after the other without anything between them.
    Bytes,
    /// UTF-8 with a line feed between two of them.
    Text {
        /// Whether bytes that are no text are an error; whoever decodes replaces them otherwise.
        strict: bool,
    },
    /// The same, of text in another encoding.
    Encoded(String),
}

impl Content {
    /// What stands between two elements.
    pub(crate) fn separator(&self) -> Option<u8> {
        (!matches!(self, Self::Bytes)).then_some(b'\n')
    }

    /// Whether bytes that are no UTF-8 are an error.
    pub(crate) fn is_strict(&self) -> bool {
        matches!(self, Self::Text { strict: true })
    }
}

/// What a batch holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// How many bytes.
    pub bytes: usize,
    /// How many elements.
    pub elements: usize,
    /// The next element needs memory of so many bytes; the batch is empty.
    pub needed: Option<usize>,
    /// Some element has a line feed in it.
    pub inner_line_feed: bool,
    /// Nothing comes after it.
    pub ended: bool,
    /// How many bytes the source gave so far.
    pub taken: u64,
}

enum Splitter {
    Lines(LineSplitter),
    Frames(FrameSplitter),
    Records { limit: usize, taken: u64, present: Option<bytes::Bytes> },
    Not,
}

const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Cuts the bytes of a source.
pub(crate) struct Cutting {
    from: Decompressed,
    transcoder: Option<Transcoder>,
    splitter: Splitter,
    separator: Option<u8>,
    strict: bool,
    /// Where a byte order mark may still be.
    at_start: bool,
    /// Bytes that were left out at the start.
    skipped: u64,
    scratch: Block,
    /// What is to be cut next.
    start: usize,
    /// The end of what may be cut; behind it lies the beginning of a character.
    valid: usize,
    end: usize,
    /// How many bytes were put into the scratch.
    came: u64,
    offsets: Vec<u32>,
    ended: bool,
    failed: Option<Error>,
    shown: String,
}

impl Cutting {
    pub(crate) fn new(
        from: Decompressed,
        cut: Cut,
        content: Content,
        records: bool,
        shown: String,
    ) -> Result<Self, Error> {
        let is_text = !matches!(content, Content::Bytes);
        let transcoder = match &content {
            Content::Encoded(label) => Some(Transcoder::new(label)?),
            _ => None,
        };
        let strict = content.is_strict();
        let splitter = match cut {
            Cut::Lines(limit) if records => Splitter::Records { limit, taken: 0, present: None },
            Cut::Lines(limit) => Splitter::Lines(LineSplitter::new(limit)),
            Cut::Frames(prefix, limit) => Splitter::Frames(FrameSplitter::new(prefix, limit)),
            Cut::Not => Splitter::Not,
        };
        Ok(Self {
            from,
            at_start: is_text && transcoder.is_none() && !records,
            transcoder,
            splitter,
            // What is not cut is joined as it was.
            separator: (is_text && !matches!(cut, Cut::Not)).then_some(b'\n'),
            strict,
            skipped: 0,
            scratch: block(),
            start: 0,
            valid: 0,
            end: 0,
            came: 0,
            offsets: Vec::new(),
            ended: false,
            failed: None,
            shown,
        })
    }

    /// Begins at the start of a line that is not the first: nothing was cut yet.
    pub(crate) fn go_on_at(&mut self, at: u64) -> Result<(), Error> {
        self.from.skip(at)?;
        self.skipped = at;
        self.came = at;
        self.at_start &= at == 0;
        Ok(())
    }

    /// How many bytes a feed gave that goes on, and what it has brought.
    pub(crate) fn fed(&mut self) -> Option<(u64, &mut Fed)> {
        if self.failed.is_some() { None } else { self.from.fed() }
    }

    /// Where each element of the last batch ends, behind where the first starts.
    pub(crate) fn take_offsets(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.offsets)
    }

    /// Keeps memory for the next batch.
    pub(crate) fn reuse_offsets(&mut self, mut offsets: Vec<u32>) {
        offsets.clear();
        self.offsets = offsets;
    }

    /// Fills memory with the next elements: as many as fit, or those that are there. It waits
    /// for the first. What fails is told after the elements before it.
    pub(crate) fn fill(&mut self, slot: &mut Slot) -> Result<Filled, Error> {
        self.offsets.clear();
        let mut filled = Filled::default();
        loop {
            let wait = self.offsets.len() < 2;
            let mut pushed = Ok(Pushed::All);
            let cut = match &mut self.splitter {
                Splitter::Records { .. } => self.record(wait, &mut filled.inner_line_feed)?,
                _ => self.start < self.valid,
            };
            if !cut && self.failed.is_some() {
                if wait {
                    let failed = self.failed.take().unwrap_or_else(Error::cancelled);
                    return Err(self.over(failed));
                }
                break;
            }
            if !cut && !self.ended {
                if matches!(self.splitter, Splitter::Records { .. }) || !self.refill(wait) {
                    break;
                }
                continue;
            }
            let at_end = !cut;
            let Self { splitter, scratch, start, valid, offsets, separator, .. } = self;
            let chunk = scratch.get(*start..*valid).unwrap_or_default();
            slot.fill(usize::MAX, |room| {
                let mut batch = Batch::new(room, offsets, *separator);
                pushed = match splitter {
                    Splitter::Lines(lines) if at_end => lines.finish(&mut batch),
                    Splitter::Lines(lines) => lines.push(chunk, &mut batch),
                    Splitter::Frames(frames) if at_end && batch.is_empty() => {
                        frames.finish().map(|()| Pushed::All)
                    }
                    // It was cut short: the messages before it come first.
                    Splitter::Frames(_) if at_end => Ok(Pushed::Full(0)),
                    Splitter::Frames(frames) => frames.push(chunk, &mut batch),
                    Splitter::Records { present, .. } => push_record(present, &mut batch),
                    Splitter::Not if at_end => Ok(Pushed::All),
                    Splitter::Not => Ok(push_some(chunk, &mut batch)),
                };
                Ok(batch.filled())
            })
            .map_err(|_| Error::cancelled())?;
            match pushed {
                Err(flaw) => {
                    let flawed = self.flawed(flaw);
                    return Err(self.over(flawed));
                }
                Ok(Pushed::All) if at_end => {
                    filled.ended = true;
                    break;
                }
                Ok(Pushed::All) => self.start = self.valid,
                Ok(Pushed::Full(taken)) => {
                    self.start += taken;
                    break;
                }
                Ok(Pushed::Needs(taken, needed)) => {
                    self.start += taken;
                    filled.needed = Some(needed);
                    break;
                }
            }
        }
        filled.bytes = slot.filled();
        filled.elements = self.offsets.len().saturating_sub(1);
        filled.taken = self.from.taken();
        Ok(filled)
    }

    /// Appends the next bytes to a text until it has at least so many: of what is not cut. It waits
    /// for them. Tells whether nothing comes behind them; what fails is told after what is before it.
    pub(crate) fn append(&mut self, text: &mut Vec<u8>, least: usize) -> Result<bool, Error> {
        let before = text.len();
        while text.len() < least {
            let ready = self.scratch.get(self.start..self.valid).unwrap_or_default();
            if !ready.is_empty() {
                extend(text, ready)?;
                self.start = self.valid;
            } else if self.failed.is_some() {
                break;
            } else if self.ended {
                return Ok(true);
            } else if !self.append_chunk(text)? {
                self.refill(true);
            }
        }
        match self.failed.take_if(|_| text.len() == before) {
            Some(failed) => Err(self.over(failed)),
            None => Ok(false),
        }
    }

    /// Appends a chunk of a feed: it is copied once, and looked at while it is at hand. False where
    /// bytes come by the scratch.
    fn append_chunk(&mut self, text: &mut Vec<u8>) -> Result<bool, Error> {
        if self.at_start || self.transcoder.is_some() {
            return Ok(false);
        }
        let chunk = match self.from.chunk() {
            None => return Ok(false),
            Some(Ok(Next::Chunk(chunk))) => chunk,
            Some(Ok(Next::NothingYet)) => return Ok(true),
            Some(Ok(Next::End)) => {
                self.ended = true;
                self.valid = self.end;
                if self.strict {
                    self.check();
                }
                return Ok(true);
            }
            Some(Err(error)) => {
                self.failed = Some(error);
                return Ok(true);
            }
        };
        let fresh = text.len();
        // The beginning of a character was held back.
        extend(text, self.scratch.get(self.valid..self.end).unwrap_or_default())?;
        extend(text, &chunk.bytes)?;
        self.came += chunk.bytes.len() as u64;
        (self.start, self.valid, self.end) = (0, 0, 0);
        let looked = text.get(fresh..).unwrap_or_default();
        let Some(error) = not_utf8(looked).filter(|_| self.strict) else { return Ok(true) };
        let good = error.valid_up_to();
        if error.error_len().is_none() {
            let begun = looked.get(good..).unwrap_or_default();
            if let Some(held) = self.scratch.get_mut(..begun.len()) {
                held.copy_from_slice(begun);
            }
            self.end = begun.len();
            text.truncate(fresh + good);
            return Ok(true);
        }
        let at = self.came - looked.len() as u64 + good as u64;
        let lines = looked.get(..good).and_then(|good| memchr::memrchr(b'\n', good));
        text.truncate(fresh + lines.map_or(0, |end| end + 1));
        self.failed = Some(self.not_text(at));
        Ok(true)
    }

    /// Nothing comes after an error, not even what has begun.
    fn over(&mut self, error: Error) -> Error {
        self.splitter = Splitter::Not;
        self.start = self.valid;
        self.ended = true;
        error
    }

    /// Reads what comes next; false when nothing is there yet.
    fn refill(&mut self, wait: bool) -> bool {
        match self.more(wait) {
            Ok(Came::NothingYet) => return false,
            Ok(Came::Bytes(read)) => {
                self.end += read;
                self.came += read as u64;
            }
            Ok(Came::End) => self.ended = true,
            Err(error) => {
                self.failed = Some(error);
                return true;
            }
        }
        if self.at_start {
            let head = self.scratch.get(self.start..self.end).unwrap_or_default();
            if head.len() < MARK.len() && MARK.starts_with(head) && !self.ended {
                return true;
            }
            if head.starts_with(&MARK) {
                self.skipped = MARK.len() as u64;
                self.start += MARK.len();
            }
            self.at_start = false;
        }
        self.valid = self.end;
        if self.strict {
            self.check();
        }
        true
    }

    /// Puts what comes next behind what may not be cut yet: the beginning of a character, or of a
    /// mark.
    fn more(&mut self, wait: bool) -> Result<Came, Error> {
        let Self { from, scratch, start, valid, end, .. } = self;
        let mut rest = [0; HEAD];
        let length = *end - *valid;
        let held = rest.get_mut(..length).zip(scratch.get(*valid..*end));
        if let (Some((rest, held)), None) = (held, &self.transcoder) {
            rest.copy_from_slice(held);
            if let Some(came) = from.swap(scratch) {
                if matches!(came, Ok(Came::Bytes(_))) {
                    let before = HEAD - length;
                    if let Some(place) = scratch.get_mut(before..HEAD) {
                        place.copy_from_slice(rest);
                    }
                    (*start, *valid, *end) = (before, before, HEAD);
                }
                return came;
            }
        }
        scratch.copy_within(*valid..*end, 0);
        (*start, *valid, *end) = (0, 0, length);
        let room = scratch.get_mut(length..).unwrap_or_default();
        match &mut self.transcoder {
            Some(transcoder) => transcoder.read(from, room, wait, &self.shown),
            None => from.read(room, wait),
        }
    }

    /// Holds back the beginning of a character, and what comes behind the last line before
    /// bytes that are no text.
    fn check(&mut self) {
        let bytes = self.scratch.get(self.start..self.end).unwrap_or_default();
        let Some(error) = not_utf8(bytes) else { return };
        let good = error.valid_up_to();
        if error.error_len().is_none() && !self.ended {
            self.valid = self.start + good;
            return;
        }
        let at = self.came - bytes.len() as u64 + good as u64;
        let lines = bytes.get(..good).and_then(|good| memchr::memrchr(b'\n', good));
        self.valid = self.start + lines.map_or(0, |end| end + 1);
        self.end = self.valid;
        self.failed = Some(self.not_text(at));
        self.ended = false;
    }

    fn not_text(&self, at: u64) -> Error {
        let shown = &self.shown;
        let place = self.place(at);
        Error::new(Status::InvalidText, format!("{shown} is not UTF-8: see {place}"))
            .about(shown.as_str())
            .hint("replace such bytes with { encoding: \"lossy\" }, name its encoding, or read it with { as: \"bytes\" }")
    }

    /// Sees to it that there is a record to push; false when there is none yet, or none more.
    fn record(&mut self, wait: bool, inner_line_feed: &mut bool) -> Result<bool, Error> {
        let Splitter::Records { limit, taken, present } = &mut self.splitter else {
            return Ok(false);
        };
        if present.is_some() {
            return Ok(true);
        }
        if self.ended || self.failed.is_some() {
            return Ok(false);
        }
        let source = self.from.records().ok_or_else(|| Error::internal("no source"))?;
        let next = match source.next(wait) {
            Ok(Next::Chunk(chunk)) => chunk.bytes,
            Ok(Next::NothingYet) => return Ok(false),
            Ok(Next::End) => {
                self.ended = true;
                return Ok(false);
            }
            Err(error) => {
                self.failed = Some(error);
                return Ok(false);
            }
        };
        let at = *taken;
        *taken += next.len() as u64;
        let bad = self.strict.then(|| std::str::from_utf8(&next).err()).flatten();
        if next.len() > *limit {
            let flaw = Flaw::TooLong { at, limit: *limit };
            self.failed = Some(self.flawed(flaw));
            return Ok(false);
        }
        if let Some(error) = bad {
            self.failed = Some(self.not_text(at + error.valid_up_to() as u64));
            return Ok(false);
        }
        *inner_line_feed |= self.separator.is_some() && memchr::memchr(b'\n', &next).is_some();
        *present = Some(next);
        Ok(true)
    }

    /// A place in the bytes that were cut, as messages name it.
    fn place(&self, at: u64) -> String {
        let what = if self.transcoder.is_some() {
            " of its UTF-8"
        } else if self.from.compression() != Compression::None {
            " of the decompressed data"
        } else {
            ""
        };
        format!("byte {at}{what}")
    }

    fn flawed(&self, flaw: Flaw) -> Error {
        let shown = self.shown.as_str();
        let error = match flaw {
            Flaw::OutOfMemory(refused) => return refused.into(),
            Flaw::TooLong { at, limit } => {
                let place = self.place(at + self.skipped);
                let (what, option) = match self.splitter {
                    Splitter::Frames(_) => ("message", "maxFrameLength"),
                    _ => ("line", "maxLineLength"),
                };
                let message = format!(
                    "the {what} that starts at {place} of {shown} is longer than {limit} bytes"
                );
                Error::new(Status::TooLong, message).hint(format!("allow more with {option}"))
            }
            Flaw::CutShort { at, end } => {
                let (at, end) = (self.place(at), self.place(end));
                let message = format!(
                    "the message that starts at {at} of {shown} is cut short: the data end at {end}"
                );
                Error::new(Status::DamagedData, message)
                    .hint("fetch it again, or have it written again")
            }
            Flaw::NoLength { at } => {
                let place = self.place(at);
                let message = format!("there is no length of a message at {place} of {shown}");
                Error::new(Status::DamagedData, message)
                    .hint("check how its lengths are written: { length: \"u32be\" | \"u32le\" | \"varint\" }")
            }
        };
        error.about(shown)
    }
}

/// Why bytes are no UTF-8. Most text is ASCII, which is found out sooner.
fn not_utf8(bytes: &[u8]) -> Option<std::str::Utf8Error> {
    if bytes.is_ascii() {
        return None;
    }
    std::str::from_utf8(bytes).err()
}

fn extend(text: &mut Vec<u8>, more: &[u8]) -> Result<(), Error> {
    text.try_reserve(more.len())
        .map_err(|_| Error::new(Status::OutOfMemory, "there is no memory left"))?;
    text.extend_from_slice(more);
    Ok(())
}

fn push_record(present: &mut Option<bytes::Bytes>, batch: &mut Batch<'_>) -> Result<Pushed, Flaw> {
    let Some(record) = present.as_ref() else { return Ok(Pushed::All) };
    if !batch.push(record, &[]) {
        let length = record.len();
        return Ok(if batch.is_empty() { Pushed::Needs(0, length) } else { Pushed::Full(0) });
    }
    *present = None;
    Ok(Pushed::All)
}

/// As many bytes as fit, as one element.
fn push_some(chunk: &[u8], batch: &mut Batch<'_>) -> Pushed {
    let room = batch.room();
    match chunk.get(..room) {
        Some([]) => Pushed::Full(0),
        Some(some) if some.len() < chunk.len() => {
            let _ = batch.push(some, &[]);
            Pushed::Full(room)
        }
        _ => {
            let _ = batch.push(chunk, &[]);
            Pushed::All
        }
    }
}
