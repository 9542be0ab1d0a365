//! The bytes of an object, made from a seed: whoever knows the seed knows every byte, and no object
//! is stored, however large. Only what clients wrote is.
//!
//! The bytes are 32-bit words, the low byte first. The words of a first block of 64 KiB are mixed
//! from the seed and their place; every block is that one, each word XORed with one more word that
//! is mixed from the block's place. Making them costs about what copying them costs.

use std::sync::Arc;

/// Bytes after which the words repeat, but for the block's own word.
const BLOCK: usize = 64 << 10;
const WORDS: usize = BLOCK / 4;

/// The bytes of one version of an object.
#[derive(Clone, Debug)]
pub struct Content {
    /// How many bytes there are.
    pub size: u64,
    kind: Kind,
}

/// What the bytes are.
#[derive(Clone, Debug)]
enum Kind {
    /// All are zero.
    Zeros,
    /// The words of a block, and what the blocks' own words are mixed from.
    Words(u32, Arc<[u32]>),
    /// They were written.
    Bytes(Arc<[u8]>),
}

impl Content {
    /// Bytes that follow from a seed.
    pub fn seeded(seed: u32, size: u64) -> Self {
        // A small object needs only the words that it has.
        let count = WORDS.min(size.div_ceil(4) as usize) as u32;
        let words = (0..count).map(|place| mixed(seed, place)).collect();
        Self { size, kind: Kind::Words(seed ^ 0x5bd1_e995, words) }
    }

    /// Zeros: as many as there may be.
    pub fn zeros(size: u64) -> Self {
        Self { size, kind: Kind::Zeros }
    }

    /// Bytes that were written.
    pub fn written(bytes: Arc<[u8]>) -> Self {
        Self { size: bytes.len() as u64, kind: Kind::Bytes(bytes) }
    }

    /// Whether they are all zero.
    pub fn is_zero(&self) -> bool {
        matches!(self.kind, Kind::Zeros)
    }

    /// Writes the bytes from `offset` on behind what `room` holds. They lie within the object.
    pub fn append(&self, offset: u64, length: usize, room: &mut Vec<u8>) {
        let (seed, words) = match &self.kind {
            Kind::Words(seed, words) => (seed, words),
            Kind::Zeros => return room.resize(room.len() + length, 0),
            Kind::Bytes(bytes) => {
                return room.extend(&bytes[offset as usize..offset as usize + length]);
            }
        };
        room.reserve(length);
        let mut at = offset;
        let mut left = length;
        while left > 0 {
            let within = (at % BLOCK as u64) as usize;
            let block = mixed(*seed, (at / BLOCK as u64) as u32);
            let count = left.min(BLOCK - within);
            let skip = within % 4;
            let (first, last) = (within / 4, (within + count).div_ceil(4));
            let start = room.len();
            if skip == 0 && count.is_multiple_of(4) {
                room.extend(
                    words[first..last].iter().flat_map(|word| (word ^ block).to_le_bytes()),
                );
            } else {
                let bytes = words[first..last].iter().flat_map(|word| (word ^ block).to_le_bytes());
                room.extend(bytes.skip(skip).take(count));
            }
            debug_assert_eq!(room.len(), start + count);
            at += count as u64;
            left -= count;
        }
    }
}

/// A 32-bit word for a place: the finaliser that is known as lowbias32.
fn mixed(seed: u32, place: u32) -> u32 {
    let mut word = seed.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9e37_79b1));
    word = (word ^ (word >> 16)).wrapping_mul(0x7feb_352d);
    word = (word ^ (word >> 15)).wrapping_mul(0x846c_a68b);
    word ^ (word >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(content: &Content, offset: u64, length: usize) -> Vec<u8> {
        let mut room = Vec::new();
        content.append(offset, length, &mut room);
        room
    }

    #[test]
    fn a_piece_is_what_the_whole_has_there() {
        let content = Content::seeded(7, 300_000);
        let whole = bytes(&content, 0, 300_000);
        for (offset, length) in [
            (0, 1),
            (1, 2),
            (3, 70_000),
            (65_535, 2),
            (65_536, 8),
            (131_071, 131_073),
            (299_999, 1),
        ] {
            let piece = bytes(&content, offset as u64, length);
            assert_eq!(piece, &whole[offset..offset + length], "{offset}+{length}");
        }
        assert_ne!(whole[..65_536], whole[65_536..131_072]);
        assert_ne!(whole, bytes(&Content::seeded(8, 300_000), 0, 300_000));
    }

    #[test]
    fn the_bytes_stay_what_they_are() {
        // tests/faults/fault_server_test.ts makes the same bytes and compares them.
        assert_eq!(bytes(&Content::seeded(1, 100), 0, 8), [60, 206, 178, 239, 188, 37, 174, 142]);
    }

    #[test]
    fn what_was_written_is_given_back() {
        let content = Content::written(Arc::from([1, 2, 3, 4, 5]));
        assert_eq!((content.size, bytes(&content, 1, 3)), (5, vec![2, 3, 4]));
    }

    #[test]
    fn zeros_are_zeros_far_out() {
        let content = Content::zeros(20 << 30);
        assert_eq!(bytes(&content, (20 << 30) - 4, 4), [0; 4]);
    }
}
