//! Where the line feeds of a chunk are.
//!
//! A search that begins anew behind each find costs more than the lines of a log are long. With
//! AVX2, 64 bytes are compared at once and give a word with a bit for each; its bits are then
//! taken one by one. Elsewhere it is the search.

/// Work that goes once through the line feeds of a chunk.
pub(super) trait OverLineFeeds {
    /// What comes out.
    type Output;

    /// Does it. The places of all line feeds come in order. To be inlined always, so that it is
    /// compiled for the instructions that find them.
    fn over(self, line_feeds: impl Iterator<Item = usize>) -> Self::Output;
}

/// Does work with the widest instructions that help.
pub(super) fn over_line_feeds<W: OverLineFeeds>(chunk: &[u8], work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if let pulp::Arch::V3(simd) = crate::simd::arch_for_memory() {
        return simd.vectorize(avx2::Wide { simd, chunk, work });
    }
    work.over(memchr::memchr_iter(b'\n', chunk))
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use core::arch::x86_64::__m256i as Vector;

    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, cast};

    use super::OverLineFeeds;

    pub(super) struct Wide<'a, W> {
        pub(super) simd: V3,
        pub(super) chunk: &'a [u8],
        pub(super) work: W,
    }

    impl<W: OverLineFeeds> NullaryFnOnce for Wide<'_, W> {
        type Output = W::Output;

        #[inline(always)]
        fn call(self) -> W::Output {
            let Self { simd, chunk, work } = self;
            let (blocks, rest) = chunk.as_chunks::<64>();
            work.over(LineFeeds { simd, blocks: blocks.iter(), rest, base: 0, next: 0, found: 0 })
        }
    }

    struct LineFeeds<'a> {
        simd: V3,
        blocks: std::slice::Iter<'a, [u8; 64]>,
        /// What is no whole block.
        rest: &'a [u8],
        /// Where the block that was looked at starts, and the next one.
        base: usize,
        next: usize,
        /// A bit for each line feed of the block that was not given out yet.
        found: u64,
    }

    impl Iterator for LineFeeds<'_> {
        type Item = usize;

        #[inline(always)]
        fn next(&mut self) -> Option<usize> {
            while self.found == 0 {
                self.base = self.next;
                self.found = match self.blocks.next() {
                    Some(block) => line_feeds_of(self.simd, block),
                    None => {
                        let bits = self.rest.iter().enumerate();
                        let found = bits
                            .fold(0, |found, (at, byte)| found | u64::from(*byte == b'\n') << at);
                        self.rest = &[];
                        if found == 0 {
                            return None;
                        }
                        found
                    }
                };
                self.next = self.base + 64;
            }
            let at = self.base + self.found.trailing_zeros() as usize;
            self.found &= self.found - 1;
            Some(at)
        }
    }

    #[inline(always)]
    fn line_feeds_of(simd: V3, block: &[u8; 64]) -> u64 {
        let [low, high]: [Vector; 2] = cast(*block);
        let line_feed: Vector = cast([b'\n'; 32]);
        let bits = |half: Vector| {
            let equal = simd.avx2._mm256_cmpeq_epi8(half, line_feed);
            u64::from(simd.avx2._mm256_movemask_epi8(equal) as u32)
        };
        bits(low) | bits(high) << 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Collect;

    impl OverLineFeeds for Collect {
        type Output = Vec<usize>;

        #[inline(always)]
        fn over(self, line_feeds: impl Iterator<Item = usize>) -> Vec<usize> {
            line_feeds.collect()
        }
    }

    #[test]
    fn they_are_found_wherever_they_are() {
        let mut state = 7_u32;
        for length in 0..300 {
            for one_in in [1, 2, 30, 100, u32::MAX] {
                let chunk: Vec<u8> = (0..length)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        if state >> 8 < (u32::MAX >> 8) / one_in { b'\n' } else { b'\n' ^ 0x80 }
                    })
                    .collect();
                let expected: Vec<usize> = (0..length).filter(|at| chunk[*at] == b'\n').collect();
                assert_eq!(over_line_feeds(&chunk, Collect), expected);
            }
        }
    }
}
