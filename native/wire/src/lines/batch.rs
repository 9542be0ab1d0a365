//! The elements of one batch: contents one after the other, and where each ends.

/// A batch that is being filled.
pub struct Batch<'a> {
    room: &'a mut [u8],
    filled: usize,
    /// What the room's first byte is an offset of.
    base: u32,
    offsets: &'a mut Vec<u32>,
    most: usize,
    separator: Option<u8>,
}

/// The bytes of a vector.
const PIECE: usize = 32;
/// Longer elements are copied as fast in one go.
const SHORT: usize = 512;

/// The most elements of a batch: what costs no room is bounded by this.
const MOST_ELEMENTS: usize = 1 << 17;

impl<'a> Batch<'a> {
    /// A batch whose bytes go to `room`. `offsets` holds those of the elements that lie before
    /// the room: one offset more than there are elements, or nothing at the start. A separator
    /// is put between two elements; it does not belong to the first.
    #[must_use]
    pub fn new(room: &'a mut [u8], offsets: &'a mut Vec<u32>, separator: Option<u8>) -> Self {
        if offsets.is_empty() {
            offsets.push(0);
        }
        let base = offsets.last().copied().unwrap_or_default();
        let most = room.len().min((u32::MAX - base) as usize);
        Self { room, filled: 0, base, offsets, most, separator }
    }

    /// Whether it holds no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.len() < 2
    }

    /// How many bytes were put into the room.
    #[must_use]
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// How many bytes a single element of this length needs.
    fn needed(&self, length: usize) -> usize {
        length + usize::from(self.separator.is_some() && !self.is_empty())
    }

    /// How many bytes the longest element that fits may have.
    #[must_use]
    pub fn room(&self) -> usize {
        (self.most - self.filled).saturating_sub(self.needed(0))
    }

    /// Whether there is room for an element of this length.
    #[must_use]
    pub fn fits(&self, length: usize) -> bool {
        self.needed(length) <= self.most - self.filled && self.offsets.len() <= MOST_ELEMENTS
    }

    /// Adds an element that lies in two pieces, if there is room for it.
    #[must_use]
    pub fn push(&mut self, first: &[u8], second: &[u8]) -> bool {
        if !self.fits(first.len() + second.len()) {
            return false;
        }
        if let (Some(separator), false) = (self.separator, self.is_empty()) {
            self.put(&[separator]);
        }
        self.put(first);
        self.put(second);
        // It fits 32 bits: `most` sees to that.
        self.offsets.push(self.base + self.filled as u32);
        true
    }

    /// Adds the bytes of `chunk` from `start` to `end` as an element, if there is room for it.
    ///
    /// Short elements are copied in pieces of one vector, past their end where both sides have so
    /// many bytes: what lies behind the element is written over by the next, or is not shown.
    #[inline(always)]
    pub(super) fn push_from(&mut self, chunk: &[u8], start: usize, end: usize) -> bool {
        let length = end - start;
        if !self.fits(length) {
            return false;
        }
        if let (Some(separator), false) = (self.separator, self.is_empty()) {
            self.put(&[separator]);
        }
        let pieces = length.next_multiple_of(PIECE);
        let from = chunk.get(start..start + pieces);
        let to = self.room.get_mut(self.filled..self.filled + pieces);
        match (from, to) {
            (Some(from), Some(to)) if length <= SHORT => {
                let (from, _) = from.as_chunks::<PIECE>();
                let (to, _) = to.as_chunks_mut::<PIECE>();
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                self.filled += length;
            }
            _ => self.put(chunk.get(start..end).unwrap_or_default()),
        }
        self.offsets.push(self.base + self.filled as u32);
        true
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room.get_mut(self.filled..self.filled + bytes.len()) {
            room.copy_from_slice(bytes);
            self.filled += bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_go_on_in_the_next_room() {
        let mut memory = [0; 16];
        let mut offsets = Vec::new();
        let mut batch = Batch::new(&mut memory[..6], &mut offsets, None);
        assert!(batch.is_empty() && batch.push(b"ab", b"c") && batch.push(b"", b""));
        assert!(batch.fits(3) && !batch.fits(4) && !batch.push(b"de", b"fg"));
        let filled = batch.filled();
        let mut batch = Batch::new(&mut memory[filled..], &mut offsets, None);
        assert!(!batch.is_empty() && batch.push(b"de", b"fg"));
        assert_eq!((&memory[..7], offsets), (&b"abcdefg"[..], vec![0, 3, 3, 7]));
    }

    #[test]
    fn a_separator_stands_between_elements() {
        let mut memory = [0; 8];
        let mut offsets = Vec::new();
        let mut batch = Batch::new(&mut memory, &mut offsets, Some(b'\n'));
        assert!(batch.push(b"", b"") && batch.push(b"ab", b"") && batch.push(b"c", b"d"));
        assert!(batch.fits(1) && !batch.fits(2));
        let filled = batch.filled();
        assert_eq!((&memory[..filled], offsets), (&b"\nab\ncd"[..], vec![0, 0, 3, 6]));
    }

    #[test]
    fn elements_without_bytes_are_bounded() {
        let mut offsets = Vec::new();
        let mut batch = Batch::new(&mut [], &mut offsets, None);
        let mut count = 0;
        while batch.push(b"", b"") {
            count += 1;
        }
        assert_eq!(count, MOST_ELEMENTS);
    }
}
