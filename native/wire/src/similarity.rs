//! How near vectors are to each other: dot products, cosines and distances of many rows.
//!
//! Every pair of a row and a query is summed in the same order, whatever is computed beside it:
//! one running vector of sums from the first number to the last, which is added up at the end.
//! So a score does not depend on how many queries were asked at once, or on which thread. A
//! plain loop adds in another order: with `n` numbers the two differ by at most
//! `2 n 2^-24` times the sum of the terms' absolute values, which is twice the error that
//! either may have (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1).
//!
//! One query is bound by the speed of memory: rows are read once, one after the other, and the
//! processor is told a little ahead: its own prefetcher stops where a page of 4 KiB ends. Several queries are bound by arithmetic: four rows meet two
//! queries in registers, and a block of rows stays in the cache for all queries.

use std::array;

use pulp::{Simd, WithSimd};

use crate::prefetch;
use crate::simd::arch;

/// What nearness means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The sum of the products; more is nearer.
    Dot,
    /// The dot product over the product of the lengths, from -1 to 1; more is nearer. Zero with
    /// a vector of length zero.
    Cosine,
    /// The length of the difference; less is nearer.
    Euclidean,
}

/// Vectors that rows are compared with.
#[derive(Debug)]
pub struct Queries<'a> {
    metric: Metric,
    dimension: usize,
    numbers: &'a [f32],
    /// Their lengths, where they are needed.
    lengths: Vec<f32>,
}

/// So many bytes of rows stay in a core's cache while query after query passes.
const BLOCK: usize = 64 << 10;
/// So many bytes ahead the processor is told what it will read: less comes too late, and of much
/// more it forgets some. Between one and three kilobytes all are about as good.
const AHEAD: usize = 2 << 10;
/// Rows and queries that meet in registers.
const ROWS: usize = 4;
const QUERIES: usize = 2;

impl<'a> Queries<'a> {
    /// Queries of `dimension` numbers each, one after the other.
    #[must_use]
    pub fn new(metric: Metric, dimension: usize, numbers: &'a [f32]) -> Self {
        let mut lengths = Vec::new();
        if metric == Metric::Cosine {
            lengths = numbers.chunks_exact(dimension.max(1)).map(length_of).collect();
        }
        Self { metric, dimension, numbers, lengths }
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len() / self.dimension.max(1)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Scores whole rows: `scores` gets those of the first query for each row, then those of the
    /// second, and so on. It has as many numbers as there are rows, times queries.
    pub fn score(&self, rows: &[f32], scores: &mut [f32]) {
        arch().dispatch(Scoring { queries: self, rows, scores });
    }

    fn query(&self, index: usize) -> &[f32] {
        row(self.numbers, index, self.dimension)
    }
}

fn length_of(vector: &[f32]) -> f32 {
    let mut length = [0.0];
    Queries { metric: Metric::Dot, dimension: vector.len(), numbers: vector, lengths: Vec::new() }
        .score(vector, &mut length);
    length[0].sqrt()
}

fn row(numbers: &[f32], index: usize, dimension: usize) -> &[f32] {
    numbers.get(index * dimension..(index + 1) * dimension).unwrap_or_default()
}

/// The cosine, from a dot product and two lengths.
fn cosine(dot: f32, one: f32, other: f32) -> f32 {
    if one == 0.0 || other == 0.0 { 0.0 } else { dot / one / other }
}

struct Scoring<'a> {
    queries: &'a Queries<'a>,
    rows: &'a [f32],
    scores: &'a mut [f32],
}

impl WithSimd for Scoring<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { queries, rows, scores } = self;
        let dimension = queries.dimension;
        if dimension == 0 || queries.is_empty() {
            return;
        }
        let count = rows.len() / dimension;
        if queries.len() == 1 {
            let query = queries.query(0);
            for (row, score) in rows.chunks_exact(dimension).zip(scores) {
                *score = match queries.metric {
                    Metric::Dot => dots(simd, [row], [query])[0][0],
                    Metric::Euclidean => squares(simd, [row], [query])[0][0].sqrt(),
                    Metric::Cosine => {
                        let [[dot, square]] = dots(simd, [row], [query, row]);
                        let length = queries.lengths.first().copied().unwrap_or_default();
                        cosine(dot, square.sqrt(), length)
                    }
                };
            }
            return;
        }
        let block = (BLOCK / (dimension * size_of::<f32>())).max(ROWS);
        let mut lengths = Vec::new();
        for start in (0..count).step_by(block) {
            let end = count.min(start + block);
            if queries.metric == Metric::Cosine {
                lengths.clear();
                for at in start..end {
                    let row = row(rows, at, dimension);
                    lengths.push(dots(simd, [row], [row])[0][0].sqrt());
                }
            }
            let mut first = 0;
            while first < queries.len() {
                let some = QUERIES.min(queries.len() - first);
                let mut at = start;
                while at < end {
                    let full = some == QUERIES && end - at >= ROWS;
                    let taken = if full { ROWS } else { 1 };
                    let tile: [[f32; QUERIES]; ROWS] = if full {
                        let rows = array::from_fn(|one| row(rows, at + one, dimension));
                        let queries = array::from_fn(|one| queries.query(first + one));
                        match self.queries.metric {
                            Metric::Euclidean => squares(simd, rows, queries),
                            _ => dots(simd, rows, queries),
                        }
                    } else {
                        let row = row(rows, at, dimension);
                        let mut tile = [[0.0; QUERIES]; ROWS];
                        for (one, score) in tile[0].iter_mut().enumerate().take(some) {
                            let query = queries.query(first + one);
                            *score = match queries.metric {
                                Metric::Euclidean => squares(simd, [row], [query])[0][0],
                                _ => dots(simd, [row], [query])[0][0],
                            };
                        }
                        tile
                    };
                    for (row, pairs) in tile.iter().enumerate().take(taken) {
                        for (one, sum) in pairs.iter().enumerate().take(some) {
                            let query = first + one;
                            let score = match queries.metric {
                                Metric::Dot => *sum,
                                Metric::Euclidean => sum.sqrt(),
                                Metric::Cosine => {
                                    let length = lengths.get(at + row - start).copied();
                                    let other = queries.lengths.get(query).copied();
                                    cosine(
                                        *sum,
                                        length.unwrap_or_default(),
                                        other.unwrap_or_default(),
                                    )
                                }
                            };
                            if let Some(place) = scores.get_mut(query * count + at + row) {
                                *place = score;
                            }
                        }
                    }
                    at += taken;
                }
                first += some;
            }
        }
    }
}

/// What is added up over the numbers of a row and a query. No closures here: the compiler does
/// not always inline them into the code for wide vectors, and each instruction becomes a call.
trait Term {
    fn add<S: Simd>(simd: S, row: S::f32s, query: S::f32s, sum: S::f32s) -> S::f32s;
}

struct Product;

impl Term for Product {
    #[inline(always)]
    fn add<S: Simd>(simd: S, row: S::f32s, query: S::f32s, sum: S::f32s) -> S::f32s {
        simd.mul_add_e_f32s(row, query, sum)
    }
}

struct SquaredDifference;

impl Term for SquaredDifference {
    #[inline(always)]
    fn add<S: Simd>(simd: S, row: S::f32s, query: S::f32s, sum: S::f32s) -> S::f32s {
        let difference = simd.sub_f32s(row, query);
        simd.mul_add_e_f32s(difference, difference, sum)
    }
}

/// The dot product of each row with each query.
#[inline(always)]
fn dots<S: Simd, const R: usize, const Q: usize>(
    simd: S,
    rows: [&[f32]; R],
    queries: [&[f32]; Q],
) -> [[f32; Q]; R] {
    sums::<Product, S, R, Q>(simd, rows, queries)
}

/// The sum of the squared differences of each row and each query.
#[inline(always)]
fn squares<S: Simd, const R: usize, const Q: usize>(
    simd: S,
    rows: [&[f32]; R],
    queries: [&[f32]; Q],
) -> [[f32; Q]; R] {
    sums::<SquaredDifference, S, R, Q>(simd, rows, queries)
}

/// Adds up over the numbers of each pair of a row and a query. All have the same length.
#[inline(always)]
fn sums<T: Term, S: Simd, const R: usize, const Q: usize>(
    simd: S,
    rows: [&[f32]; R],
    queries: [&[f32]; Q],
) -> [[f32; Q]; R] {
    let mut rows_whole: [&[S::f32s]; R] = [&[]; R];
    let mut rows_rest: [&[f32]; R] = [&[]; R];
    let mut queries_whole: [&[S::f32s]; Q] = [&[]; Q];
    let mut queries_rest: [&[f32]; Q] = [&[]; Q];
    let mut whole = usize::MAX;
    for one in 0..R {
        (rows_whole[one], rows_rest[one]) = S::as_simd_f32s(rows[one]);
        whole = whole.min(rows_whole[one].len());
    }
    for one in 0..Q {
        (queries_whole[one], queries_rest[one]) = S::as_simd_f32s(queries[one]);
        whole = whole.min(queries_whole[one].len());
    }
    // The same length for all, so that the loop needs no checks.
    for row in &mut rows_whole {
        *row = row.get(..whole).unwrap_or_default();
    }
    for query in &mut queries_whole {
        *query = query.get(..whole).unwrap_or_default();
    }
    let zero = simd.splat_f32s(0.0);
    let mut sums = [[zero; Q]; R];
    let mut query = [zero; Q];
    for at in 0..whole {
        for one in 0..Q {
            query[one] = queries_whole[one][at];
        }
        for (sums, row) in sums.iter_mut().zip(&rows_whole) {
            if R == 1 {
                // Several rows at once are those that stay in the cache.
                prefetch::soon(row.as_ptr().wrapping_add(at).wrapping_byte_add(AHEAD));
            }
            let row = row[at];
            for one in 0..Q {
                sums[one] = T::add(simd, row, query[one], sums[one]);
            }
        }
    }
    if !rows_rest[0].is_empty() {
        for one in 0..Q {
            query[one] = simd.partial_load_f32s(queries_rest[one]);
        }
        for (sums, rest) in sums.iter_mut().zip(&rows_rest) {
            let row = simd.partial_load_f32s(rest);
            for one in 0..Q {
                sums[one] = T::add(simd, row, query[one], sums[one]);
            }
        }
    }
    let mut scores = [[0.0; Q]; R];
    for (scores, sums) in scores.iter_mut().zip(&sums) {
        for one in 0..Q {
            scores[one] = simd.reduce_sum_f32s(sums[one]);
        }
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::on_every_path;

    const METRICS: [Metric; 3] = [Metric::Dot, Metric::Cosine, Metric::Euclidean];

    /// Some numbers between -1 and 1, the same each time.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    /// A plain loop, and how far apart two orders of summing may be.
    fn plain(metric: Metric, row: &[f32], query: &[f32]) -> (f32, f32) {
        let sum = |term: &dyn Fn(f32, f32) -> f32| {
            let mut sum = 0.0_f32;
            let mut size = 0.0_f32;
            for (x, y) in row.iter().zip(query) {
                sum += term(*x, *y);
                size += term(*x, *y).abs();
            }
            (sum, 2.0 * row.len() as f32 / 16_777_216.0 * size)
        };
        let (dot, bound) = sum(&|x, y| x * y);
        match metric {
            Metric::Dot => (dot, bound),
            Metric::Cosine => {
                let lengths = (sum(&|x, _| x * x).0 * sum(&|_, y| y * y).0).sqrt();
                if lengths == 0.0 {
                    (0.0, 0.0)
                } else {
                    (dot / lengths, 3.0 * bound / lengths + 1e-6)
                }
            }
            Metric::Euclidean => {
                let (squares, bound) = sum(&|x, y| (x - y) * (x - y));
                (squares.sqrt(), bound / squares.sqrt().max(1e-6) + 1e-6)
            }
        }
    }

    fn check(dimension: usize, rows: usize, queries: usize) {
        let (table, asked) = (numbers(dimension * rows, 7), numbers(dimension * queries, 11));
        for metric in METRICS {
            let all = Queries::new(metric, dimension, &asked);
            let mut scores = vec![f32::NAN; rows * queries];
            all.score(&table, &mut scores);
            for query in 0..queries {
                let one = Queries::new(metric, dimension, all.query(query));
                let mut alone = vec![f32::NAN; rows];
                one.score(&table, &mut alone);
                let here = &scores[query * rows..(query + 1) * rows];
                assert_eq!(alone, here, "the same, however many are asked");
                for (at, score) in here.iter().enumerate() {
                    let (expected, bound) =
                        plain(metric, row(&table, at, dimension), all.query(query));
                    assert!(
                        (score - expected).abs() <= bound,
                        "{metric:?} of {dimension}: {score} and {expected}, {bound} apart at most"
                    );
                }
            }
        }
    }

    #[test]
    fn every_path_agrees_with_a_plain_loop() {
        on_every_path(|| {
            for dimension in (1..70).chain([127, 128, 129, 768, 1000]) {
                check(dimension, 9, 1);
                check(dimension, 5, 3);
            }
            for (rows, queries) in [(0, 1), (1, 2), (4, 2), (3, 2), (64, 8), (131, 5)] {
                check(33, rows, queries);
            }
            // Several blocks.
            check(768, 100, 3);
        });
    }

    #[test]
    fn vectors_without_a_length_have_a_cosine_of_zero() {
        let queries = Queries::new(Metric::Cosine, 3, &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        let mut scores = [f32::NAN; 4];
        queries.score(&[1.0, 2.0, 3.0, 0.0, 0.0, 0.0], &mut scores);
        assert_eq!(scores[..2], [0.0, 0.0]);
        assert_eq!(scores[3], 0.0);
        assert!(scores[2] > 0.26 && scores[2] < 0.27);
    }

    #[test]
    fn what_is_not_a_number_stays_that_and_infinity_too() {
        for metric in METRICS {
            let queries = Queries::new(metric, 2, &[1.0, 1.0]);
            let mut scores = [0.0; 3];
            queries.score(&[f32::NAN, 1.0, f32::INFINITY, 1.0, 1.0, 1.0], &mut scores);
            assert!(scores[0].is_nan() && !scores[2].is_nan());
            assert_eq!(scores[1].is_infinite(), metric != Metric::Cosine);
        }
    }

    #[test]
    fn nothing_asks_nothing() {
        let queries = Queries::new(Metric::Dot, 3, &[]);
        assert!(queries.is_empty());
        queries.score(&[1.0, 2.0, 3.0], &mut []);
    }
}
