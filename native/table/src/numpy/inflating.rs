//! A deflated file of an archive, from its beginning to its end, in parts.

use std::sync::Arc;

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::{Buf, Bytes};
use dipper_core::{Error, Pieces};
use flate2::{Crc, Decompress, FlushDecompress, Status as Inflated};

use super::archive::Entry;
use crate::error::{damaged, joined};

/// So much of it is read at once, behind its header.
pub(crate) const WINDOW: u64 = 1 << 20;
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
    state: Decompress,
    sum: Crc,
    wanted: u32,
}

impl Inflating {
    /// Before its first byte.
    ///
    /// # Errors
    /// `DamagedData` for what cannot become so long.
    pub(crate) fn new(entry: &Entry, start: u64) -> Result<Self, Error> {
        if entry.size > entry.packed.saturating_mul(MOST) {
            let (size, packed) = (entry.size, entry.packed);
            let what = format!("{:?} claims {size} bytes in {packed}", entry.name);
            return Err(damaged("NumPy", what));
        }
        Ok(Self {
            name: entry.name.as_str().into(),
            at: start,
            end: start + entry.packed,
            window: Bytes::new(),
            step: LOOK,
            left: entry.size,
            state: Decompress::new(false),
            sum: Crc::new(),
            wanted: entry.sum,
        })
    }

    /// How many bytes of it were not read yet.
    pub(crate) fn behind(&self) -> u64 {
        self.end.saturating_sub(self.at)
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
        let mut taken = MutableBuffer::from_len_zeroed(bytes);
        let mut filled = 0;
        while filled < bytes {
            if self.window.is_empty() && self.at < self.end {
                let window = self.at..self.end.min(self.at + self.step);
                let read = pieces.read(std::slice::from_ref(&window), Some(Vec::new())).await?;
                self.window = read.into_iter().next().unwrap_or_default();
            }
            let inflated = tokio::task::spawn_blocking(move || {
                let (before, there) = (self.state.total_in(), self.state.total_out());
                let room = taken.get_mut(filled..).unwrap_or_default();
                let ended = self.state.decompress(&self.window, room, FlushDecompress::None);
                let status = ended.map_err(|error| self.odd(&error.to_string()))?;
                let made = usize::try_from(self.state.total_out() - there).unwrap_or(0);
                let used = self.state.total_in() - before;
                self.sum.update(room.get(..made).unwrap_or_default());
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
        if self.step == WINDOW {
            // It counts for this call only.
            self.window = Bytes::new();
        }
        if self.left == 0 && self.sum.sum() != self.wanted {
            return Err(self.odd("its bytes are others than the archive's sum tells"));
        }
        Ok((self, taken.into()))
    }

    /// Behind the header: more is read at once from here on.
    pub(crate) fn begin(mut self) -> Self {
        self.window = Bytes::new();
        self.step = WINDOW;
        self
    }

    /// How many bytes are to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    fn odd(&self, what: &str) -> Error {
        damaged("NumPy", format!("{:?}: {what}", self.name))
    }
}
