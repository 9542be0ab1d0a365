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

macro_rules! float {
    ($float:ident, $scale:expr) => {
        impl Float for $float {
            fn scale(numbers: &mut [Self], factor: f64) {
                $scale(numbers, factor);
            }

            fn ln(numbers: &mut [Self]) {
                numbers.iter_mut().for_each(|number| *number = number.ln());
            }

            fn normalize(numbers: &mut [Self], by: Normal) {
                let Normal { scale, shift, divisor } = by;
                simd::arch().dispatch(|| {
                    for number in numbers {
                        *number = ((f64::from(*number) * scale - shift) / divisor) as $float;
                    }
                });
            }

            fn sum(numbers: &[Self], scale: f64) -> f64 {
                in_lanes(numbers, |number| f64::from(number) * scale)
            }

            fn squares(numbers: &[Self], scale: f64, shift: f64) -> f64 {
                in_lanes(numbers, |number| {
                    let distance = f64::from(number) * scale - shift;
                    distance * distance
                })
            }

            fn extremes(numbers: &[Self]) -> (f64, f64) {
                simd::arch().dispatch(|| {
                    let mut least = [f64::INFINITY; LANES];
                    let mut greatest = [f64::NEG_INFINITY; LANES];
                    // Zero, or NaN once there was one.
                    let mut doubt = [0.0; LANES];
                    let (chunks, rest) = numbers.as_chunks::<LANES>();
                    let mut look = |lane: usize, number: f64| {
                        least[lane] = if number < least[lane] { number } else { least[lane] };
                        let greater = number > greatest[lane];
                        greatest[lane] = if greater { number } else { greatest[lane] };
                        doubt[lane] += if number.is_nan() { f64::NAN } else { 0.0 };
                    };
                    for chunk in chunks {
                        for (lane, number) in chunk.iter().enumerate() {
                            look(lane, f64::from(*number));
                        }
                    }
                    for (lane, number) in rest.iter().enumerate() {
                        look(lane, f64::from(*number));
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

float!(f64, |numbers: &mut [f64], factor: f64| {
    simd::arch().dispatch(|| {
        for number in numbers {
            *number *= factor;
        }
    });
});

float!(f32, |numbers: &mut [f32], factor: f64| {
    let short = factor as f32;
    // The product of two numbers of 32 bits fits into 64: rounded once, it is the same.
    if f64::from(short) == factor {
        simd::arch().dispatch(|| {
            for number in numbers {
                *number *= short;
            }
        });
    } else {
        simd::arch().dispatch(|| {
            for number in numbers {
                *number = (f64::from(*number) * factor) as f32;
            }
        });
    }
});

fn in_lanes<E: Float>(numbers: &[E], term: impl Fn(E) -> f64) -> f64 {
    simd::arch().dispatch(|| {
        let mut sums = [0.0; LANES];
        let (chunks, rest) = numbers.as_chunks::<LANES>();
        for chunk in chunks {
            for (sum, number) in sums.iter_mut().zip(chunk) {
                *sum += term(*number);
            }
        }
        for (sum, number) in sums.iter_mut().zip(rest) {
            *sum += term(*number);
        }
        sums.into_iter().sum()
    })
}
