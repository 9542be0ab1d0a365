//! The nearest rows seen so far, in bounded memory.
//!
//! A score and a row's number become one key, so that less is nearer, equals are in the order
//! of their numbers, and what is not a number comes last. Keys are collected until there are
//! twice as many as wanted; then the worse half goes. So each row costs a comparison, and few
//! of them more.

use dipper_wire::Metric;

use super::out_of_memory;
use crate::Error;

/// Fewer keys are not worth picking.
const FEWEST: usize = 256;
/// The order of what is not a number: behind every score.
const LAST: u32 = u32::MAX;

/// The nearest rows to one query.
#[derive(Clone, Debug)]
pub(super) struct Nearest {
    wanted: usize,
    /// No key from here on is among the wanted.
    limit: u64,
    keys: Vec<u64>,
}

/// Less is nearer. No score but one that is not a number has `LAST`.
fn order(metric: Metric, score: f32) -> u32 {
    if score.is_nan() {
        return LAST;
    }
    // Of two zeros neither is nearer.
    let bits = (score + 0.0).to_bits();
    // As unsigned numbers the bits of negative ones run backwards.
    let ascending = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    if metric == Metric::Euclidean { ascending } else { !ascending }
}

/// The score again.
fn score(metric: Metric, order: u32) -> f32 {
    if order == LAST {
        return f32::NAN;
    }
    let ascending = if metric == Metric::Euclidean { order } else { !order };
    f32::from_bits(if ascending >> 31 == 1 { ascending & !(1 << 31) } else { !ascending })
}

impl Nearest {
    /// Keeps so many.
    pub(super) fn of(wanted: usize) -> Self {
        Self { wanted, limit: u64::MAX, keys: Vec::new() }
    }

    /// Looks at the scores of rows, the first of which has number `first`.
    pub(super) fn offer(
        &mut self,
        metric: Metric,
        first: usize,
        scores: &[f32],
    ) -> Result<(), Error> {
        for (at, score) in scores.iter().enumerate() {
            let key = u64::from(order(metric, *score)) << 32 | (first + at) as u64;
            if key < self.limit {
                self.push(key)?;
            }
        }
        Ok(())
    }

    /// Takes over what another found in other rows.
    pub(super) fn join(&mut self, other: Self) -> Result<(), Error> {
        other.keys.into_iter().try_for_each(|key| self.push(key))
    }

    fn push(&mut self, key: u64) -> Result<(), Error> {
        if self.keys.len() >= (2 * self.wanted).max(FEWEST) {
            self.pick();
        }
        if self.keys.len() == self.keys.capacity() {
            let more = self.keys.len().max(FEWEST);
            self.keys.try_reserve_exact(more).map_err(|_| out_of_memory())?;
        }
        self.keys.push(key);
        Ok(())
    }

    /// Lets go of all but the wanted.
    fn pick(&mut self) {
        if self.keys.len() > self.wanted && self.wanted > 0 {
            let (_, last, _) = self.keys.select_nth_unstable(self.wanted - 1);
            self.limit = *last;
            self.keys.truncate(self.wanted);
        }
    }

    /// Writes numbers and scores, nearest first.
    pub(super) fn finish(mut self, metric: Metric, indices: &mut [u32], scores: &mut [f32]) {
        self.pick();
        self.keys.sort_unstable();
        for ((key, index), place) in self.keys.iter().zip(indices).zip(scores) {
            *index = *key as u32;
            *place = score(metric, (*key >> 32) as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: [Metric; 3] = [Metric::Dot, Metric::Cosine, Metric::Euclidean];

    #[test]
    fn orders_are_those_of_the_scores_and_come_back() {
        let ascending = [
            f32::NEG_INFINITY,
            f32::MIN,
            -1.5,
            -f32::MIN_POSITIVE,
            -f32::from_bits(1),
            0.0,
            f32::from_bits(1),
            1.0,
            f32::MAX,
            f32::INFINITY,
        ];
        for metric in METRICS {
            for pair in ascending.windows(2) {
                let (less, more) = (order(metric, pair[0]), order(metric, pair[1]));
                assert_eq!(less < more, metric == Metric::Euclidean, "{pair:?}");
            }
            for one in ascending {
                assert!(order(metric, one) < LAST);
                assert_eq!(score(metric, order(metric, one)), one);
            }
            assert_eq!(order(metric, -0.0), order(metric, 0.0));
            for nan in [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001)] {
                assert_eq!(order(metric, nan), LAST);
            }
            assert!(score(metric, LAST).is_nan());
        }
    }

    #[test]
    fn ties_and_what_is_not_a_number_have_their_places() {
        let scores = [1.0, f32::NAN, 3.0, 1.0, f32::NAN, 3.0, -1.0];
        let mut nearest = Nearest::of(7);
        nearest.offer(Metric::Dot, 10, &scores).unwrap();
        let (mut indices, mut found) = ([0; 7], [0.0; 7]);
        nearest.finish(Metric::Dot, &mut indices, &mut found);
        assert_eq!(indices, [12, 15, 10, 13, 16, 11, 14]);
        assert_eq!(found[..5], [3.0, 3.0, 1.0, 1.0, -1.0]);
        assert!(found[5].is_nan() && found[6].is_nan());
    }

    #[test]
    fn picking_early_gives_what_sorting_gives() {
        let mut random = fastrand::Rng::with_seed(7);
        for metric in METRICS {
            for wanted in [1, 2, 10, 300, 2000] {
                let scores: Vec<f32> = (0..2000).map(|_| random.u8(..) as f32 - 128.0).collect();
                let (one, other) = scores.split_at(700);
                let mut nearest = Nearest::of(wanted);
                let mut aside = Nearest::of(wanted);
                nearest.offer(metric, 0, one).unwrap();
                aside.offer(metric, 700, other).unwrap();
                nearest.join(aside).unwrap();
                let (mut indices, mut found) = (vec![0; wanted], vec![0.0; wanted]);
                nearest.finish(metric, &mut indices, &mut found);
                let mut sorted: Vec<u32> = (0..2000).collect();
                sorted.sort_by(|a, b| {
                    let (a, b) = (scores[*a as usize], scores[*b as usize]);
                    let ascending = a.total_cmp(&b);
                    if metric == Metric::Euclidean { ascending } else { ascending.reverse() }
                });
                assert_eq!(indices, sorted[..wanted]);
                assert!(found.iter().zip(&sorted).all(|(s, at)| *s == scores[*at as usize]));
            }
        }
    }
}
