//! FNV-1a of 64 bits, 256 bytes at a time, without a chain of multiplications.
//!
//! Let `h` be the sum before a byte `b`, and `l` its lowest byte. The exclusive or with `b`
//! changes that byte only, so it is an addition: `h ^ b = h + d` with `d = (l ^ b) - l`. Over
//! 256 bytes the sum becomes `h P^256 + d0 P^256 + d1 P^255 + … + d255 P`: products that do
//! not wait for each other, if only the lowest bytes are known.
//!
//! They follow from themselves alone: with `m = l ^ b` the next lowest byte is `179 m`
//! modulo 256, as 179 is the prime's lowest byte. It is odd, so bit `k` of `179 m` is bit `k`
//! of `m`, flipped by something that depends on lower bits of `m` only. So one bit of all
//! 256 lowest bytes is a running exclusive or of things that are known once their lower
//! bits are. The block is therefore turned into eight planes, plane `k` with bit `k` of
//! every byte, and each plane takes six shifts whatever the number of bytes.
//!
//! A plane is one vector of four words of 64 bits. Byte `64 lane + 8 j + w` of the block is
//! bit `8 j + w` of word `lane`.

use std::array;

use core::arch::x86_64::__m256i as Vector;
use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

use super::PRIME;

/// How many bytes are summed at once.
const BLOCK: usize = 256;

/// The sum over whole blocks.
pub(super) fn sum(simd: V3, sum: u64, blocks: &[[u8; BLOCK]]) -> u64 {
    simd.vectorize(Blocks { simd, sum, blocks })
}

struct Blocks<'a> {
    simd: V3,
    sum: u64,
    blocks: &'a [[u8; BLOCK]],
}

impl NullaryFnOnce for Blocks<'_> {
    type Output = u64;

    #[inline(always)]
    fn call(self) -> u64 {
        let Self { simd, mut sum, blocks } = self;
        // A bit of the lowest byte in each, in every bit of the vector.
        let mut state: [Vector; 8] =
            array::from_fn(|bit| words([0_u64.wrapping_sub(sum >> bit & 1); 4]));
        for block in blocks {
            sum = add_block(simd, sum, &mut state, block);
        }
        sum
    }
}

impl Blocks<'_> {
    const LAST_POWER: u64 = {
        let mut power = 1_u64;
        let mut count = 0;
        while count < BLOCK {
            power = power.wrapping_mul(PRIME);
            count += 1;
        }
        power
    };
}

/// The powers of the prime as digits of 16 bits with a sign, the lowest digit first: the
/// pairs of a multiplication are two of these. In the order in which `add_block` meets the
/// bytes: by `w`, by whether the lane is odd, by the lane's half, by `j`.
static POWERS: [[[[i16; 16]; 2]; 8]; 4] = {
    let mut digits = [[[[0; 16]; 2]; 8]; 4];
    let mut power = 1_u64;
    let mut at = BLOCK;
    while at > 0 {
        at -= 1;
        power = power.wrapping_mul(PRIME);
        let (lane, j, w) = (at / 64, at % 64 / 8, at % 8);
        let mut rest = power;
        let mut digit = 0;
        while digit < 4 {
            let low = rest as i16;
            digits[digit][w][lane % 2][lane / 2 * 8 + j] = low;
            rest = rest.wrapping_sub(low as u64) >> 16;
            digit += 1;
        }
    }
    digits
};

#[inline(always)]
fn words(words: [u64; 4]) -> Vector {
    cast(words)
}

#[inline(always)]
fn xor(simd: V3, a: Vector, b: Vector) -> Vector {
    simd.avx2._mm256_xor_si256(a, b)
}

#[inline(always)]
fn xor3(simd: V3, a: Vector, b: Vector, c: Vector) -> Vector {
    xor(simd, a, xor(simd, b, c))
}

#[inline(always)]
fn and(simd: V3, a: Vector, b: Vector) -> Vector {
    simd.avx2._mm256_and_si256(a, b)
}

/// The carry of an addition: whether two of three are set.
#[inline(always)]
fn carry(simd: V3, a: Vector, b: Vector, c: Vector) -> Vector {
    xor(simd, a, and(simd, xor(simd, a, b), xor(simd, a, c)))
}

/// Exchanges parts of words that are `DISTANCE` apart: the bits under `mask` of the upper
/// with those `SHIFT` higher of the lower.
#[inline(always)]
fn exchange<const DISTANCE: usize, const SHIFT: i32>(simd: V3, all: &mut [Vector; 8], mask: u64) {
    let mask = words([mask; 4]);
    for lower in (0..8).filter(|index| index & DISTANCE == 0) {
        let (a, b) = (all[lower], all[lower + DISTANCE]);
        let shifted = simd.avx2._mm256_srli_epi64::<SHIFT>(a);
        let change = and(simd, xor(simd, shifted, b), mask);
        all[lower] = xor(simd, a, simd.avx2._mm256_slli_epi64::<SHIFT>(change));
        all[lower + DISTANCE] = xor(simd, b, change);
    }
}

/// Byte `i` of word `k` and byte `k` of word `i` change places.
#[inline(always)]
fn transpose_bytes(simd: V3, all: &mut [Vector; 8]) {
    exchange::<4, 32>(simd, all, 0x0000_0000_ffff_ffff);
    exchange::<2, 16>(simd, all, 0x0000_ffff_0000_ffff);
    exchange::<1, 8>(simd, all, 0x00ff_00ff_00ff_00ff);
}

/// Bit `i` of each byte of word `k` and bit `k` of that byte of word `i` change places.
#[inline(always)]
fn transpose_bits(simd: V3, all: &mut [Vector; 8]) {
    exchange::<4, 4>(simd, all, 0x0f0f_0f0f_0f0f_0f0f);
    exchange::<2, 2>(simd, all, 0x3333_3333_3333_3333);
    exchange::<1, 1>(simd, all, 0x5555_5555_5555_5555);
}

/// Vector `w` has the word at `64 lane + 8 w` of the block in each lane.
#[inline(always)]
fn load(simd: V3, block: &[u8; BLOCK]) -> [Vector; 8] {
    let (rows, _) = block.as_chunks::<32>();
    let row = |row: usize| cast(rows[row]);
    let [a, b, c, d] = transpose_words(simd, [row(0), row(2), row(4), row(6)]);
    let [e, f, g, h] = transpose_words(simd, [row(1), row(3), row(5), row(7)]);
    [a, b, c, d, e, f, g, h]
}

/// Word `i` of vector `k` and word `k` of vector `i` change places.
// Not a closure: one that is not inlined would call each instruction as a function.
#[inline(always)]
fn transpose_words(simd: V3, [a, b, c, d]: [Vector; 4]) -> [Vector; 4] {
    let avx2 = simd.avx2;
    let (even, odd) = (avx2._mm256_unpacklo_epi64(a, b), avx2._mm256_unpackhi_epi64(a, b));
    let (even2, odd2) = (avx2._mm256_unpacklo_epi64(c, d), avx2._mm256_unpackhi_epi64(c, d));
    [
        avx2._mm256_permute2x128_si256::<0x20>(even, even2),
        avx2._mm256_permute2x128_si256::<0x20>(odd, odd2),
        avx2._mm256_permute2x128_si256::<0x31>(even, even2),
        avx2._mm256_permute2x128_si256::<0x31>(odd, odd2),
    ]
}

/// One bit of all lowest bytes before their byte, and after it was mixed in: `l` and `m`.
/// `flips` says where the next differs from the one before; `state` is the first, and
/// becomes the first of the next block.
#[inline(always)]
fn run(simd: V3, flips: Vector, bytes: Vector, state: &mut Vector) -> (Vector, Vector) {
    const ON: u64 = u64::MAX;
    let avx2 = simd.avx2;
    let mut run = flips;
    run = xor(simd, run, avx2._mm256_slli_epi64::<1>(run));
    run = xor(simd, run, avx2._mm256_slli_epi64::<2>(run));
    run = xor(simd, run, avx2._mm256_slli_epi64::<4>(run));
    run = xor(simd, run, avx2._mm256_slli_epi64::<8>(run));
    run = xor(simd, run, avx2._mm256_slli_epi64::<16>(run));
    run = xor(simd, run, avx2._mm256_slli_epi64::<32>(run));
    // Each lane goes on from the lanes before: those that flip an odd number of times.
    let odd = avx2._mm256_cmpgt_epi64(words([0; 4]), run);
    let first = avx2._mm256_permute4x64_epi64::<0x00>(odd);
    let second = avx2._mm256_permute4x64_epi64::<0x55>(odd);
    let third = avx2._mm256_permute4x64_epi64::<0xaa>(odd);
    let fourth = avx2._mm256_permute4x64_epi64::<0xff>(odd);
    let before = xor3(
        simd,
        and(simd, first, words([0, ON, ON, ON])),
        and(simd, second, words([0, 0, ON, ON])),
        and(simd, third, words([0, 0, 0, ON])),
    );
    let low = xor3(simd, avx2._mm256_slli_epi64::<1>(run), before, *state);
    *state = xor3(simd, *state, xor(simd, first, second), xor(simd, third, fourth));
    (low, xor(simd, low, bytes))
}

/// The bits of all lowest bytes, plane by plane.
///
/// `179 m = 3 m + 16 (3 m) + 128 m`. The first addition, of `m` and `2 m`, has the carries
/// `c` and the result `t`; the second, of `t` and `16 t`, the carries `e`.
#[inline(always)]
fn lowest_bytes(simd: V3, b: &[Vector; 8], state: &mut [Vector; 8]) -> [Vector; 8] {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = state;

    let (l0, m0) = run(simd, b[0], b[0], s0);

    let (l1, m1) = run(simd, xor(simd, b[1], m0), b[1], s1);
    let t1 = xor(simd, m1, m0);
    let c = and(simd, m1, m0);

    let (l2, m2) = run(simd, xor3(simd, b[2], m1, c), b[2], s2);
    let t2 = xor3(simd, m2, m1, c);
    let c = carry(simd, m2, m1, c);

    let (l3, m3) = run(simd, xor3(simd, b[3], m2, c), b[3], s3);
    let t3 = xor3(simd, m3, m2, c);
    let c = carry(simd, m3, m2, c);

    let (l4, m4) = run(simd, xor(simd, xor3(simd, b[4], m3, c), m0), b[4], s4);
    let t4 = xor3(simd, m4, m3, c);
    let c = carry(simd, m4, m3, c);
    let e = and(simd, t4, m0);

    let (l5, m5) = run(simd, xor3(simd, xor3(simd, b[5], m4, c), t1, e), b[5], s5);
    let t5 = xor3(simd, m5, m4, c);
    let c = carry(simd, m5, m4, c);
    let e = carry(simd, t5, t1, e);

    let (l6, m6) = run(simd, xor3(simd, xor3(simd, b[6], m5, c), t2, e), b[6], s6);
    let t6 = xor3(simd, m6, m5, c);
    let c = carry(simd, m6, m5, c);
    let e = carry(simd, t6, t2, e);

    let flips = xor3(simd, xor3(simd, b[7], m6, c), xor(simd, t3, e), m0);
    let (l7, _) = run(simd, flips, b[7], s7);

    [l0, l1, l2, l3, l4, l5, l6, l7]
}

#[inline(always)]
fn add_block(simd: V3, sum: u64, state: &mut [Vector; 8], block: &[u8; BLOCK]) -> u64 {
    let avx2 = simd.avx2;
    let mut bytes = load(simd, block);
    transpose_bytes(simd, &mut bytes);
    let mut planes = bytes;
    transpose_bits(simd, &mut planes);
    let mut lowest = lowest_bytes(simd, &planes, state);
    transpose_bits(simd, &mut lowest);

    let none = words([0; 4]);
    let mut products = [none; 4];
    for (w, (low, byte)) in lowest.into_iter().zip(bytes).enumerate() {
        let mixed = xor(simd, low, byte);
        let differences = [
            avx2._mm256_sub_epi16(
                avx2._mm256_unpacklo_epi8(mixed, none),
                avx2._mm256_unpacklo_epi8(low, none),
            ),
            avx2._mm256_sub_epi16(
                avx2._mm256_unpackhi_epi8(mixed, none),
                avx2._mm256_unpackhi_epi8(low, none),
            ),
        ];
        for (product, powers) in products.iter_mut().zip(&POWERS) {
            for (difference, powers) in differences.into_iter().zip(powers[w]) {
                // At most 32 times 255 times 2^15 come together in each of the 32 bits.
                let pairs = avx2._mm256_madd_epi16(difference, cast(powers));
                *product = avx2._mm256_add_epi32(*product, pairs);
            }
        }
    }
    let mut next = sum.wrapping_mul(Blocks::LAST_POWER);
    for (digit, product) in products.into_iter().enumerate() {
        let parts: [i32; 8] = cast(product);
        let product: i64 = parts.into_iter().map(i64::from).sum();
        next = next.wrapping_add((product as u64) << (16 * digit));
    }
    next
}
