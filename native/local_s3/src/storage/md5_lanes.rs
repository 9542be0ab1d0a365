//! MD5 of several bodies at once.
//!
//! The MD5 of one body is a chain of additions that each wait for the one before; it leaves most of a
//! processor idle and cannot be split. Four bodies can take the same steps side by side, one in each
//! lane of a vector, in less than twice the time of one. So the batches of all uploads go to few threads: a
//! thread takes what waits, four at most, and goes on until nothing waits. One that is alone goes alone.
//!
//! The steps are those of RFC 1321. The lanes are plain arrays, which the compiler turns into vectors.

use bytes::{Buf as _, Bytes};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

const LANES: usize = 4;
const BLOCK: usize = 64;
/// After this many blocks a thread looks for others that came meanwhile: 64 KiB.
const STRETCH: usize = 1024;

/// What RFC 1321 adds in each step: the sines of 1 to 64, times 2^32.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a,
    0xa830_4613, 0xfd46_9501, 0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be,
    0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821, 0xf61e_2562, 0xc040_b340,
    0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8,
    0x676f_02d9, 0x8d2a_4c8a, 0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c,
    0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70, 0x289b_7ec6, 0xeaa1_27fa,
    0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92,
    0xffef_f47d, 0x8584_5dd1, 0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1,
    0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// The four words of the state, each for every lane.
type State<const L: usize> = [[u32; L]; 4];

const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

#[inline(always)]
fn lanes<const L: usize>(word: impl Fn(usize) -> u32) -> [u32; L] {
    std::array::from_fn(word)
}

/// Takes `count` blocks of every lane into the state.
#[inline(always)]
fn compress<const L: usize>(state: &mut State<L>, bytes: [&[u8]; L], count: usize) {
    let [mut a, mut b, mut c, mut d] = *state;
    for block in 0..count {
        let mut words = [[0u32; L]; 16];
        for (lane, bytes) in bytes.iter().enumerate() {
            let block = bytes.get(block * BLOCK..(block + 1) * BLOCK).unwrap_or(&[0; BLOCK]);
            for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
                word[lane] = bytes.try_into().map_or(0, u32::from_le_bytes);
            }
        }
        let before = [a, b, c, d];
        macro_rules! step {
            ($mix:expr, $number:expr, $word:expr, $turn:expr) => {{
                let sum = lanes::<L>(|l| {
                    let mixed: u32 = $mix(b[l], c[l], d[l]);
                    let sum = a[l].wrapping_add(mixed).wrapping_add(SINES[$number]);
                    b[l].wrapping_add(sum.wrapping_add(words[$word % 16][l]).rotate_left($turn))
                });
                (a, d, c, b) = (d, c, b, sum);
            }};
        }
        macro_rules! four {
            ($mix:expr, $first:expr, $word:expr, $stride:expr, $turns:expr) => {{
                step!($mix, $first, $word + $stride * $first, $turns[0]);
                step!($mix, $first + 1, $word + $stride * ($first + 1), $turns[1]);
                step!($mix, $first + 2, $word + $stride * ($first + 2), $turns[2]);
                step!($mix, $first + 3, $word + $stride * ($first + 3), $turns[3]);
            }};
        }
        macro_rules! round {
            ($mix:expr, $first:expr, $word:expr, $stride:expr, $turns:expr) => {{
                four!($mix, $first, $word, $stride, $turns);
                four!($mix, $first + 4, $word, $stride, $turns);
                four!($mix, $first + 8, $word, $stride, $turns);
                four!($mix, $first + 12, $word, $stride, $turns);
            }};
        }
        round!(|x: u32, y: u32, z: u32| (x & y) | (!x & z), 0, 0, 1, [7, 12, 17, 22]);
        round!(|x: u32, y: u32, z: u32| (x & z) | (y & !z), 16, 1, 5, [5, 9, 14, 20]);
        round!(|x: u32, y: u32, z: u32| x ^ y ^ z, 32, 5, 3, [4, 11, 16, 23]);
        round!(|x: u32, y: u32, z: u32| y ^ (x | !z), 48, 0, 7, [6, 10, 15, 21]);
        a = lanes(|l| a[l].wrapping_add(before[0][l]));
        b = lanes(|l| b[l].wrapping_add(before[1][l]));
        c = lanes(|l| c[l].wrapping_add(before[2][l]));
        d = lanes(|l| d[l].wrapping_add(before[3][l]));
    }
    *state = [a, b, c, d];
}

/// One body's MD5 so far.
#[derive(Clone)]
pub struct BodyMd5 {
    state: [u32; 4],
    /// The beginning of a block.
    partial: [u8; BLOCK],
    filled: usize,
    length: u64,
}

impl BodyMd5 {
    pub fn new() -> Self {
        Self { state: START, partial: [0; BLOCK], filled: 0, length: 0 }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        let mut left = bytes;
        loop {
            let whole = self.whole_blocks(&mut left);
            if whole == 0 {
                return;
            }
            let (blocks, rest) = left.split_at(whole * BLOCK);
            self.compress_alone(blocks);
            left = rest;
        }
    }

    pub fn finalize(mut self) -> [u8; 16] {
        let bits = self.length.wrapping_mul(8);
        let padding = 1 + (2 * BLOCK - 9 - self.filled) % BLOCK;
        let mut end = [0u8; 2 * BLOCK];
        end[0] = 0x80;
        end[padding..padding + 8].copy_from_slice(&bits.to_le_bytes());
        self.update(&end[..padding + 8]);
        let mut digest = [0u8; 16];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(self.state) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }

    /// Completes a block that was begun, and keeps the beginning of one. Returns how many whole blocks
    /// `left` begins with then: none only when it is empty.
    fn whole_blocks(&mut self, left: &mut &[u8]) -> usize {
        while !left.is_empty() && (self.filled > 0 || left.len() < BLOCK) {
            let taken = left.len().min(BLOCK - self.filled);
            let (bytes, rest) = left.split_at(taken);
            self.partial[self.filled..self.filled + taken].copy_from_slice(bytes);
            self.filled += taken;
            self.length += taken as u64;
            *left = rest;
            if self.filled == BLOCK {
                let block = self.partial;
                self.filled = 0;
                self.length -= BLOCK as u64;
                self.compress_alone(&block);
            }
        }
        left.len() / BLOCK
    }

    fn compress_alone(&mut self, blocks: &[u8]) {
        let mut state = self.state.map(|word| [word]);
        compress(&mut state, [blocks], blocks.len() / BLOCK);
        self.state = state.map(|[word]| word);
        self.length += blocks.len() as u64;
    }
}

/// Where batches wait for a lane. Uploads share it.
#[derive(Clone, Default)]
pub struct Md5Lanes(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    threads: usize,
}

struct Job {
    md5: BodyMd5,
    pieces: VecDeque<Bytes>,
    answer: oneshot::Sender<BodyMd5>,
}

/// A thread that hashes, from before it starts; gives its place back however it ends.
struct Thread {
    shared: Md5Lanes,
    /// Cleared once the place is given back.
    counted: bool,
}

impl Drop for Thread {
    fn drop(&mut self) {
        if self.counted {
            self.shared.lock().threads -= 1;
        }
    }
}

impl Md5Lanes {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hashes a batch. `None` when the runtime ends meanwhile.
    pub async fn update(&self, md5: BodyMd5, batch: Vec<Bytes>) -> Option<BodyMd5> {
        let (answer, answered) = oneshot::channel();
        let thread = {
            let mut waiting = self.lock();
            waiting.jobs.push_back(Job { md5, pieces: batch.into(), answer });
            // Half of the processors hash; the others move the bytes.
            let most = std::thread::available_parallelism().map_or(1, usize::from).div_ceil(2);
            (waiting.threads < most).then(|| {
                waiting.threads += 1;
                Thread { shared: self.clone(), counted: true }
            })
        };
        if let Some(thread) = thread {
            tokio::task::spawn_blocking(move || thread.work());
        }
        answered.await.ok()
    }
}

impl Thread {
    fn work(mut self) {
        let mut jobs: Vec<Job> = Vec::with_capacity(LANES);
        loop {
            {
                let mut waiting = self.shared.lock();
                let room = LANES - jobs.len();
                let count = room.min(waiting.jobs.len());
                jobs.extend(waiting.jobs.drain(..count));
                if jobs.is_empty() {
                    // Under the lock, so that what comes from here on finds the place free.
                    waiting.threads -= 1;
                    drop(waiting);
                    self.counted = false;
                    return;
                }
            }
            let mut going = Vec::with_capacity(LANES);
            for mut job in jobs {
                if job.next_blocks() == 0 {
                    // Who does not wait any more has no use for it.
                    let _ = job.answer.send(job.md5);
                } else {
                    going.push(job);
                }
            }
            jobs = going;
            advance(&mut jobs);
        }
    }
}

impl Job {
    /// How many whole blocks the first piece begins with; none when all pieces are taken in.
    fn next_blocks(&mut self) -> usize {
        while let Some(piece) = self.pieces.front_mut() {
            let mut left: &[u8] = piece;
            let whole = self.md5.whole_blocks(&mut left);
            let taken = piece.len() - left.len();
            piece.advance(taken);
            if whole > 0 {
                return whole;
            }
            self.pieces.pop_front();
        }
        0
    }

    fn front(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }
}

/// Takes every job as far as the shortest first piece goes, within a stretch.
fn advance(jobs: &mut [Job]) {
    let count = jobs.iter().map(|job| job.front().len() / BLOCK).min().unwrap_or(0).min(STRETCH);
    match &mut *jobs {
        [] => {}
        [alone] => {
            let mut state = alone.md5.state.map(|word| [word]);
            compress(&mut state, [alone.front()], count);
            alone.md5.state = state.map(|[word]| word);
        }
        several => {
            // A lane without a body repeats the last one, and what it computes is dropped.
            let of = |lane: usize| several.get(lane).or(several.last());
            let bytes: [&[u8]; LANES] =
                std::array::from_fn(|lane| of(lane).map_or(&[][..], Job::front));
            let mut state: State<LANES> = std::array::from_fn(|word| {
                lanes(|lane| of(lane).map_or(0, |job| job.md5.state[word]))
            });
            compress(&mut state, bytes, count);
            for (lane, job) in several.iter_mut().enumerate() {
                job.md5.state = std::array::from_fn(|word| state[word][lane]);
            }
        }
    }
    for job in jobs {
        job.md5.length += (count * BLOCK) as u64;
        if let Some(piece) = job.pieces.front_mut() {
            piece.advance(count * BLOCK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::crypto::{Checksum as _, Md5};

    fn noise(length: usize, seed: u32) -> Vec<u8> {
        let mut x = seed.wrapping_mul(2).wrapping_add(1);
        (0..length)
            .map(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (x >> 24) as u8
            })
            .collect()
    }

    #[test]
    fn alone_as_everybody_does() {
        for length in (0..200).chain([4095, 4096, 4097, 100_000]) {
            let bytes = noise(length, 7);
            for step in [1, 3, 63, 64, 65, 1000, 200_000] {
                let mut md5 = BodyMd5::new();
                bytes.chunks(step).for_each(|piece| md5.update(piece));
                assert_eq!(md5.finalize(), Md5::checksum(&bytes), "{length} {step}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn together_as_alone() {
        let shared = Md5Lanes::default();
        let hashing: Vec<_> = (0..40u32)
            .map(|number| {
                let shared = shared.clone();
                tokio::spawn(async move {
                    let bytes = noise(number as usize * 7919 % 300_000, number);
                    let mut md5 = BodyMd5::new();
                    for batch in bytes.chunks(50_000 + number as usize) {
                        let step = 1 + number as usize * 613;
                        let pieces = batch.chunks(step).map(Bytes::copy_from_slice).collect();
                        md5 = shared.update(md5, pieces).await.unwrap();
                    }
                    assert_eq!(md5.finalize(), Md5::checksum(&bytes), "{number}");
                })
            })
            .collect();
        for task in hashing {
            task.await.unwrap();
        }
        assert!(shared.lock().jobs.is_empty());
        // The last thread gives its place back behind its last answer.
        for _ in 0..1000 {
            if shared.lock().threads == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        unreachable!("a thread keeps its place");
    }

    #[test]
    fn a_runtime_that_ends_gives_the_places_back() {
        let shared = Md5Lanes::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            // The only thread is taken, so that the work waits until the runtime is gone.
            let (taken, release) = std::sync::mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || release.recv());
            let pieces = vec![Bytes::from_static(b"never")];
            let hashing = shared.update(BodyMd5::new(), pieces);
            let waited = std::time::Duration::from_millis(20);
            assert!(tokio::time::timeout(waited, hashing).await.is_err());
            assert_eq!(shared.lock().threads, 1);
            drop(taken);
        });
        runtime.shutdown_background();
        for _ in 0..1000 {
            if shared.lock().threads == 0 {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        unreachable!("a thread keeps its place");
    }
}
