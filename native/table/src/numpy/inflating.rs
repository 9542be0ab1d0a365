//! A deflated file of an archive, from its beginning to its end, in parts.

use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::{Buf, Bytes};
use dipper_core::{Error, Pieces};
use flate2::{Crc, Decompress, FlushDecompress, Status as Inflated};

use super::archive::Entry;
use crate::error::{damaged, joined};

/// So much of it is read at once, behind its header.
pub(crate) const WINDOW: u64 = 1 << 20;
/// So much an inflater takes that is begun.
pub(crate) const STATE: u64 = 48 << 10;
/// So much for the header.
const LOOK: u64 = 4 << 10;
/// No byte becomes more than these: <https://www.zlib.net/zlib_tech.html>.
const MOST: u64 = 1032;

/// A file, as far as it was read.
pub(crate) struct Inflating {
    name: Arc<str>,
    /// Where what comes next lies in the archive.
    at: u64,
    end: u64,
    /// What was read of it.
    window: Bytes,
    step: u64,
    /// How many bytes are to come of it.
    left: u64,
    /// How many come before these that nobody wants again.
    behind: usize,
    /// Nothing before its first byte and behind its last: an archive may have many files.
    state: Option<(Decompress, Crc)>,
    wanted: u32,
}

impl Inflating {
    /// Before its first byte. `front` is what was read of it already.
    ///
    /// # Errors
    /// `DamagedData` for what cannot become so long.
    pub(crate) fn new(entry: &Entry, start: u64, front: Bytes) -> Result<Self, Error> {
        if entry.size > entry.packed.saturating_mul(MOST) {
            let (size, packed) = (entry.size, entry.packed);
            let what = format!("{:?} claims {size} bytes in {packed}", entry.name);
            return Err(damaged("NumPy", what));
        }
        Ok(Self {
            name: entry.name.as_str().into(),
            at: start,
            end: start + entry.packed,
            window: front,
            step: LOOK,
            left: entry.size,
            behind: 0,
            state: None,
            wanted: entry.sum,
        })
    }

    /// What is to be read next.
    pub(crate) fn ahead(&self) -> Option<Range<u64>> {
        let more = self.window.is_empty() && self.at < self.end;
        more.then(|| self.at..self.end.min(self.at + self.step))
    }

    /// Gives it what it asked for by [`ahead`](Self::ahead).
    pub(crate) fn came(&mut self, window: Bytes) {
        self.window = window;
    }

    /// The next bytes. The caller reserved memory for them, and for a [`WINDOW`].
    ///
    /// # Errors
    /// `DamagedData` where there are not so many, or other ones than the archive's sum tells.
    pub(crate) async fn take(
        mut self,
        pieces: &Pieces,
        bytes: usize,
    ) -> Result<(Self, Buffer), Error> {
        let cut = || damaged("NumPy", format!("{:?} is cut short", self.name));
        self.left = self.left.checked_sub(bytes as u64).ok_or_else(cut)?;
        if self.behind > 0 {
            let behind = std::mem::take(&mut self.behind);
            (self, _) = self.fill(pieces, behind).await?;
        }
        let taken;
        (self, taken) = self.fill(pieces, bytes).await?;
        if self.step == WINDOW {
            // It counts for this call only.
            self.window = Bytes::new();
        }
        if self.left == 0
            && let Some((_, sum)) = self.state.take()
            && sum.sum() != self.wanted
        {
            return Err(self.odd("its bytes are others than the archive's sum tells"));
        }
        Ok((self, taken.into()))
    }

    async fn fill(mut self, pieces: &Pieces, bytes: usize) -> Result<(Self, MutableBuffer), Error> {
        let mut taken = MutableBuffer::from_len_zeroed(bytes);
        let mut filled = 0;
        while filled < bytes {
            if let Some(window) = self.ahead() {
                let read = pieces.read(std::slice::from_ref(&window), Some(Vec::new())).await?;
                self.window = read.into_iter().next().unwrap_or_default();
            }
            let inflated = tokio::task::spawn_blocking(move || {
                let (mut state, mut sum) =
                    self.state.take().unwrap_or_else(|| (Decompress::new(false), Crc::new()));
                let (before, there) = (state.total_in(), state.total_out());
                let room = taken.get_mut(filled..).unwrap_or_default();
                let ended = state.decompress(&self.window, room, FlushDecompress::None);
                let status = ended.map_err(|error| self.odd(&error.to_string()))?;
                let made = usize::try_from(state.total_out() - there).unwrap_or(0);
                let used = state.total_in() - before;
                sum.update(room.get(..made).unwrap_or_default());
                self.state = Some((state, sum));
                filled += made;
                let stuck = made == 0 && used == 0;
                if filled < bytes && (stuck || status == Inflated::StreamEnd) {
                    return Err(self.odd("it is cut short"));
                }
                self.at += used;
                self.window.advance(usize::try_from(used).unwrap_or(0));
                Ok((self, taken, filled))
            });
            (self, taken, filled) = joined("NumPy", inflated.await)?;
        }
        Ok((self, taken))
    }

    /// The same behind its header of so many bytes, of which nothing is held but what `front` has,
    /// where that is all: it is inflated when it is wanted. More is read at once from here on.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn behind_header(
        entry: &Entry,
        start: u64,
        front: Bytes,
        header: u64,
    ) -> Result<Self, Error> {
        let whole = front.len() as u64 == entry.packed;
        let front = if whole { Bytes::copy_from_slice(&front) } else { Bytes::new() };
        let mut inflating = Self::new(entry, start, front)?;
        inflating.step = WINDOW;
        inflating.left = entry.size.saturating_sub(header);
        inflating.behind = usize::try_from(header).unwrap_or(0);
        Ok(inflating)
    }

    /// How many bytes of it were not read yet.
    pub(crate) fn unread(&self) -> u64 {
        self.end.saturating_sub(self.at + self.window.len() as u64)
    }

    /// How many bytes are to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    fn odd(&self, what: &str) -> Error {
        damaged("NumPy", format!("{:?}: {what}", self.name))
    }
}
