//! Numbers with a point, of both sizes: what a kernel does with a few of them.
//!
//! Each function is one plain loop, compiled for the widest vectors that the processor has
//! (`simd`). Everything is computed with 64 bits and rounded once, as JavaScript does.

use crate::borrowed::Element;
use crate::simd;

/// `f32` or `f64`.
pub trait Float: Element {
    /// Multiplies each number.
    fn scale(numbers: &mut [Self], factor: f64);

    /// Replaces each number by its natural logarithm.
    fn ln(numbers: &mut [Self]);

    /// Replaces each number by `(number * scale - shift) / divisor`.
    fn normalize(numbers: &mut [Self], by: Normal);

    /// The sum of each number times `scale`.
    fn sum(numbers: &[Self], scale: f64) -> f64;

    /// The sum of the squares of each number times `scale`, less `shift`.
    fn squares(numbers: &[Self], scale: f64, shift: f64) -> f64;

    /// The least and the greatest number; both are NaN where one is.
    fn extremes(numbers: &[Self]) -> (f64, f64);
}

/// What a vector is normalised by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    /// A power of two, so that it changes no digit.
    pub scale: f64,
    /// What is taken away.
    pub shift: f64,
    /// What the rest is divided by.
    pub divisor: f64,
}

/// So many sums grow side by side: they do not wait for each other, and each stays small.
const LANES: usize = 16;

// The loops are written out by macros and not by functions that take closures: the compiler
// does not inline each closure into the code for wider vectors, and then makes no vectors.

/// Changes each number, in vectors that start at a cache line: one that lies in two lines costs
/// twice. JavaScript's arrays start anywhere.
macro_rules! each {
    ($numbers:ident, $number:ident => $change:expr) => {{
        let before = $numbers.as_ptr().align_offset(64).min($numbers.len());
        let (first, rest) = $numbers.split_at_mut(before);
        for place in first {
            let $number = *place;
            *place = $change;
        }
        simd::arch_for_memory().dispatch(|| {
            for place in rest {
                let $number = *place;
                *place = $change;
            }
        });
    }};
}

/// The sum of a term of each number.
macro_rules! sum {
    ($numbers:ident, $number:ident => $term:expr) => {
        simd::arch().dispatch(|| {
            let mut sums = [0.0; LANES];
            let (chunks, rest) = $numbers.as_chunks::<LANES>();
            for chunk in chunks {
                for lane in 0..LANES {
                    let $number = f64::from(chunk[lane]);
                    sums[lane] += $term;
                }
            }
            for (sum, number) in sums.iter_mut().zip(rest) {
                let $number = f64::from(*number);
                *sum += $term;
            }
            sums.into_iter().sum()
        })
    };
}

macro_rules! float {
    ($float:ident) => {
        impl Float for $float {
            fn scale(numbers: &mut [Self], factor: f64) {
                let short = factor as $float;
                // The product of two numbers of 32 bits fits into 64: rounded once, it is the
                // same.
                if f64::from(short) == factor {
                    each!(numbers, number => number * short);
                } else {
                    each!(numbers, number => (f64::from(number) * factor) as $float);
                }
            }

            fn ln(numbers: &mut [Self]) {
                numbers.iter_mut().for_each(|number| *number = number.ln());
            }

            fn normalize(numbers: &mut [Self], by: Normal) {
                let Normal { scale, shift, divisor } = by;
                each!(
                    numbers,
                    number => ((f64::from(number) * scale - shift) / divisor) as $float
                );
            }

            fn sum(numbers: &[Self], scale: f64) -> f64 {
                sum!(numbers, number => number * scale)
            }

            fn squares(numbers: &[Self], scale: f64, shift: f64) -> f64 {
                sum!(numbers, number => (number * scale - shift) * (number * scale - shift))
            }

            fn extremes(numbers: &[Self]) -> (f64, f64) {
                simd::arch().dispatch(|| {
                    let mut least = [f64::INFINITY; LANES];
                    let mut greatest = [f64::NEG_INFINITY; LANES];
                    // Zero, or NaN once there was one.
                    let mut doubt = [0.0; LANES];
                    let (chunks, rest) = numbers.as_chunks::<LANES>();
                    // The last numbers again as a whole chunk, filled up with the first of them.
                    let mut last = [rest.first().copied().unwrap_or($float::NAN); LANES];
                    last.iter_mut().zip(rest).for_each(|(place, number)| *place = *number);
                    let last = if rest.is_empty() { &[][..] } else { std::slice::from_ref(&last) };
                    for chunk in chunks.iter().chain(last) {
                        for lane in 0..LANES {
                            let number = f64::from(chunk[lane]);
                            let less = number < least[lane];
                            least[lane] = if less { number } else { least[lane] };
                            let more = number > greatest[lane];
                            greatest[lane] = if more { number } else { greatest[lane] };
                            doubt[lane] += if number.is_nan() { f64::NAN } else { 0.0 };
                        }
                    }
                    let doubt: f64 = doubt.into_iter().sum();
                    let least = least.into_iter().fold(f64::INFINITY, f64::min);
                    let greatest = greatest.into_iter().fold(f64::NEG_INFINITY, f64::max);
                    (least + doubt, greatest + doubt)
                })
            }
        }
    };
}

float!(f64);
float!(f32);
