//! FNV-1a of 64 bits, after Fowler, Noll and Vo (the Internet draft
//! draft-eastlake-fnv describes it): for each byte an exclusive or, then a multiplication.
//!
//! Each byte waits for the multiplication of the byte before: four cycles, whatever the
//! processor. Where there is AVX2, `planes` breaks that chain.

#[cfg(target_arch = "x86_64")]
mod planes;

#[cfg(target_arch = "x86_64")]
use pulp::Arch;

#[cfg(target_arch = "x86_64")]
use crate::simd;

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The sum over bytes that come in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fnv1a64(u64);

impl Default for Fnv1a64 {
    fn default() -> Self {
        Self(OFFSET_BASIS)
    }
}

impl Fnv1a64 {
    /// Sums the bytes that come next.
    pub fn update(&mut self, bytes: &[u8]) {
        let rest = self.update_blocks(bytes);
        self.0 = one_by_one(self.0, rest);
    }

    /// The sum.
    #[must_use]
    pub fn finish(self) -> u64 {
        self.0
    }

    /// Sums as many whole blocks as the processor has a quick way for; answers the rest.
    #[cfg(target_arch = "x86_64")]
    fn update_blocks<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (blocks, rest) = bytes.as_chunks();
        let v3 = match simd::arch() {
            _ if blocks.is_empty() => return bytes,
            Arch::V3(v3) => v3,
            Arch::V4(v4) => *v4,
            _ => return bytes,
        };
        self.0 = planes::sum(v3, self.0, blocks);
        rest
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn update_blocks<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        bytes
    }
}

/// The definition.
fn one_by_one(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u64 {
        let mut sum = Fnv1a64::default();
        sum.update(bytes);
        sum.finish()
    }

    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn the_published_vectors_are_reached() {
        // From `test_fnv.c` of the authors' reference source, fnv1a_64.
        for (text, expected) in [
            ("", 0xcbf2_9ce4_8422_2325_u64),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(sum(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn every_length_and_offset_gives_what_the_definition_gives() {
        let bytes = noise(4096 + 64, 7);
        for length in 0..=4096 {
            let offset = length % 61;
            let part = &bytes[offset..offset + length];
            assert_eq!(sum(part), one_by_one(OFFSET_BASIS, part), "{length} from {offset}");
        }
    }

    #[test]
    fn any_cuts_give_the_same() {
        let bytes = noise(100_000, 11);
        let whole = one_by_one(OFFSET_BASIS, &bytes);
        for step in [1, 7, 255, 256, 257, 1000, 65_536] {
            let mut sum = Fnv1a64::default();
            bytes.chunks(step).for_each(|chunk| sum.update(chunk));
            assert_eq!(sum.finish(), whole, "{step}");
        }
    }

    #[test]
    fn monotonous_bytes_give_what_the_definition_gives() {
        for byte in 0..=255 {
            let bytes = [byte; 1100];
            assert_eq!(sum(&bytes), one_by_one(OFFSET_BASIS, &bytes), "{byte}");
        }
        let rising: Vec<u8> = (0..2048_u32).map(|index| index as u8).collect();
        assert_eq!(sum(&rising), one_by_one(OFFSET_BASIS, &rising));
    }

    #[test]
    fn blocks_go_on_from_any_sum() {
        let bytes = noise(512, 13);
        for start in [0, 1, 0xff, u64::MAX, 0x0123_4567_89ab_cdef] {
            let mut sum = Fnv1a64(start);
            sum.update(&bytes);
            assert_eq!(sum.finish(), one_by_one(start, &bytes), "{start:x}");
        }
    }
}
