//! Work on numbers where they lie: scaling, logarithms, normalising.
//!
//! Large work is shared by all cores. Every number becomes the same on whatever thread.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::borrowed::{Elements, Stopped};
use crate::crew::{Unfinished, share_out};
use crate::float::{Float, Normal};

/// How many bytes make a piece: ten microseconds of scaling.
const PIECE: usize = 256 << 10;
/// What is worth a thread, in bytes. Two megabytes are scaled in 60 us, and waking a thread takes
/// up to 25 of them; a logarithm takes as long as scaling thirty numbers.
const SCALED_EACH: usize = 2_000_000;
const OTHERS_EACH: usize = 256 << 10;

/// Does `work` on pieces of whole vectors, side by side where `each` bytes are worth a thread.
fn shared_out<E: Float>(
    numbers: &mut Elements<'_, E>,
    dimension: usize,
    each: usize,
    stop: impl Fn() -> bool + Sync,
    work: impl Fn(&mut Elements<'_, E>) + Sync,
) -> Result<(), Stopped> {
    let vector = dimension.saturating_mul(size_of::<E>()).max(1);
    let threads = numbers.len() * size_of::<E>() / each;
    let done = AtomicUsize::new(0);
    share_out(
        threads,
        numbers.pieces((PIECE / vector).max(1).saturating_mul(dimension)),
        stop,
        || (),
        |(), mut piece| {
            work(&mut piece);
            done.fetch_add(piece.len(), Ordering::Relaxed);
            Ok::<_, Infallible>(())
        },
        |()| Ok(()),
    )
    .map_err(|Unfinished::Stopped| Stopped(done.into_inner()))
}

/// Changes every number on its own.
fn each_number<E: Float>(
    numbers: &mut Elements<'_, E>,
    each: usize,
    stop: impl Fn() -> bool + Sync,
    change: impl Fn(&mut [E]) + Sync,
) -> Result<(), Stopped> {
    if numbers.len() * size_of::<E>() < 2 * each {
        return numbers.change(0..numbers.len(), stop, change);
    }
    shared_out(numbers, 1, each, stop, |piece| {
        // A piece that was begun is finished.
        let Ok(()) = piece.change(0..piece.len(), || false, &change) else { return };
    })
}

/// Multiplies each number by a factor.
///
/// # Errors
/// When `stop` says so; what was done before stays.
pub fn scale<E: Float>(
    numbers: &mut Elements<'_, E>,
    factor: f64,
    stop: impl Fn() -> bool + Sync,
) -> Result<(), Stopped> {
    each_number(numbers, SCALED_EACH, stop, |some| E::scale(some, factor))
}

/// Replaces each number by its natural logarithm: NaN below zero, negative infinity at zero.
///
/// # Errors
/// When `stop` says so; what was done before stays.
pub fn ln<E: Float>(
    numbers: &mut Elements<'_, E>,
    stop: impl Fn() -> bool + Sync,
) -> Result<(), Stopped> {
    each_number(numbers, OTHERS_EACH, stop, E::ln)
}

/// How a vector is normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// Divided by its Euclidean length.
    L2,
    /// Its least number becomes 0, its greatest 1.
    MinMax,
    /// Its mean becomes 0, its standard deviation 1 (that of all numbers, not of a sample).
    ZScore,
}

/// Normalises vectors that lie one behind the other, each of so many numbers.
///
/// A vector without a length stays one of zeros, and one whose numbers are all the same
/// becomes one by the other two norms. With a NaN in it all of it becomes NaN; infinity
/// becomes what the divisions give.
///
/// # Errors
/// When `stop` says so; what was done before stays.
pub fn normalize<E: Float>(
    numbers: &mut Elements<'_, E>,
    norm: Norm,
    dimension: usize,
    stop: impl Fn() -> bool + Sync,
) -> Result<(), Stopped> {
    let vectors = numbers.len().checked_div(dimension).unwrap_or(0);
    if vectors < 2 || numbers.len() * size_of::<E>() < 2 * OTHERS_EACH {
        return normalize_here(numbers, norm, dimension, stop);
    }
    shared_out(numbers, dimension, OTHERS_EACH, stop, |piece| {
        let Ok(()) = normalize_here(piece, norm, dimension, || false) else { return };
    })
}

/// On this thread alone.
fn normalize_here<E: Float>(
    numbers: &mut Elements<'_, E>,
    norm: Norm,
    dimension: usize,
    stop: impl Fn() -> bool,
) -> Result<(), Stopped> {
    let mut at = 0;
    while at < numbers.len() && dimension > 0 {
        let vector = at..numbers.len().min(at.saturating_add(dimension));
        at = vector.end;
        let by = match norm {
            Norm::L2 => by_length(numbers, &vector, &stop),
            Norm::MinMax => by_span(numbers, &vector, &stop),
            Norm::ZScore => by_deviation(numbers, &vector, &stop),
        };
        // What a look at the vector came to is not what was done.
        let by = by.map_err(|_| Stopped(vector.start))?;
        if let Some(by) = by {
            numbers.change(vector, &stop, |some| E::normalize(some, by))?;
        }
    }
    Ok(())
}

/// Squares between these neither overflow in a sum nor vanish.
const SAFE_SQUARES: Range<f64> = 1e-240..1e240;

type By = Result<Option<Normal>, Stopped>;

/// `None` for a vector that stays as it is.
fn by_length<E: Float>(
    numbers: &Elements<'_, E>,
    vector: &Range<usize>,
    stop: impl Fn() -> bool,
) -> By {
    let length = |scale: f64| {
        let mut squares = 0.0;
        let look = |some: &[E]| squares += E::squares(some, scale, 0.0);
        numbers.read(vector.clone(), &stop, look).map(|()| squares)
    };
    let mut scale = 1.0;
    let mut squares = length(scale)?;
    if !SAFE_SQUARES.contains(&squares) {
        let (least, greatest) = extremes(numbers, vector, &stop)?;
        if least == 0.0 && greatest == 0.0 {
            return Ok(None);
        }
        scale = scale_for(least, greatest);
        squares = length(scale)?;
    }
    Ok(Some(Normal { scale, shift: 0.0, divisor: squares.sqrt() }))
}

fn by_span<E: Float>(
    numbers: &Elements<'_, E>,
    vector: &Range<usize>,
    stop: impl Fn() -> bool,
) -> By {
    let (least, greatest) = extremes(numbers, vector, &stop)?;
    let scale = if (greatest - least).is_finite() { 1.0 } else { scale_for(least, greatest) };
    let shift = least * scale;
    let span = greatest * scale - shift;
    Ok(Some(Normal { scale, shift, divisor: if span == 0.0 { 1.0 } else { span } }))
}

fn by_deviation<E: Float>(
    numbers: &Elements<'_, E>,
    vector: &Range<usize>,
    stop: impl Fn() -> bool,
) -> By {
    let (least, greatest) = extremes(numbers, vector, &stop)?;
    if least == greatest {
        // A mean is rounded, and must not tell equal numbers apart.
        return Ok(Some(Normal { scale: 1.0, shift: least, divisor: 1.0 }));
    }
    let most = least.abs().max(greatest.abs());
    let safe = SAFE_SQUARES.contains(&(most * most));
    let scale = if safe { 1.0 } else { scale_for(least, greatest) };
    let count = vector.len() as f64;
    let mut sum = 0.0;
    numbers.read(vector.clone(), &stop, |some| sum += E::sum(some, scale))?;
    let shift = sum / count;
    let mut squares = 0.0;
    numbers.read(vector.clone(), &stop, |some| squares += E::squares(some, scale, shift))?;
    Ok(Some(Normal { scale, shift, divisor: (squares / count).sqrt() }))
}

fn extremes<E: Float>(
    numbers: &Elements<'_, E>,
    vector: &Range<usize>,
    stop: impl Fn() -> bool,
) -> Result<(f64, f64), Stopped> {
    let mut all = (f64::INFINITY, f64::NEG_INFINITY);
    let mut doubt = 0.0;
    numbers.read(vector.clone(), stop, |some| {
        let (least, greatest) = E::extremes(some);
        // NaN is passed over by both, and so kept aside.
        all = (all.0.min(least), all.1.max(greatest));
        doubt += if least.is_nan() { least } else { 0.0 };
    })?;
    Ok((all.0 + doubt, all.1 + doubt))
}

/// A power of two that brings the largest number between one and a half; one where there is
/// nothing to bring.
fn scale_for(least: f64, greatest: f64) -> f64 {
    let most = least.abs().max(greatest.abs());
    if most == 0.0 || !most.is_finite() {
        return 1.0;
    }
    // Below 2^-1022 its digits come first, above 2^1022 the power would.
    (-most.log2().ceil()).clamp(-1022.0, 1022.0).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::borrowed::borrowed;
    use crate::simd::on_every_path;

    fn go_on() -> bool {
        false
    }

    fn with<E: Float>(
        numbers: &mut [E],
        shared: bool,
        work: impl FnOnce(&mut Elements<'_, E>) -> Result<(), Stopped>,
    ) {
        let memory = borrowed(numbers);
        work(&mut memory.elements(shared).unwrap()).unwrap();
    }

    fn noise(length: usize) -> Vec<f64> {
        let mut state = 17_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.3
        };
        (0..length).map(|_| next() * 100.0).collect()
    }

    /// Wide and portable, of one isolate and shared.
    fn every_way(mut test: impl FnMut(bool)) {
        on_every_path(|| {
            test(false);
            test(true);
        });
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-13 * (1.0 + b.abs()) || (a.is_nan() && b.is_nan())
    }

    #[test]
    fn scaling_multiplies_every_number_and_no_neighbour() {
        every_way(|shared| {
            for length in (0..200).chain([4096, 140_000]) {
                let before = noise(length + 2);
                for factor in [1.5, -0.1, 0.0, f64::INFINITY, 1e-300] {
                    let mut x = before.clone();
                    with(&mut x[1..=length], shared, |x| scale(x, factor, go_on));
                    assert_eq!((x[0], x[length + 1]), (before[0], before[length + 1]));
                    let same = x[1..=length].iter().zip(&before[1..=length]).all(|(x, before)| {
                        let product = before * factor;
                        x.to_bits() == product.to_bits() || (x.is_nan() && product.is_nan())
                    });
                    assert!(same, "{length} times {factor}");

                    let before: Vec<f32> = before.iter().map(|x| *x as f32).collect();
                    let mut x = before.clone();
                    with(&mut x[1..=length], shared, |x| scale(x, factor, go_on));
                    assert_eq!((x[0], x[length + 1]), (before[0], before[length + 1]));
                    let same = x[1..=length].iter().zip(&before[1..=length]).all(|(x, before)| {
                        let product = (f64::from(*before) * factor) as f32;
                        x.to_bits() == product.to_bits() || (x.is_nan() && product.is_nan())
                    });
                    assert!(same, "{length} of 32 bits times {factor}");
                }
            }
        });
    }

    #[test]
    fn logarithms_are_those_of_the_standard_library() {
        every_way(|shared| {
            let before = [1.0, 0.0, -0.0, -1.0, f64::INFINITY, f64::NAN, 5e-324, 1e308, 0.5];
            let mut x = before;
            with(&mut x, shared, |x| ln(x, go_on));
            for (x, before) in x.into_iter().zip(before) {
                assert!(close(x, before.ln()) || x == before.ln(), "{before}");
            }
            let mut x = [1_f32, 10.0, 0.0, -2.0];
            with(&mut x, shared, |x| ln(x, go_on));
            assert_eq!(x[..3], [0.0, 10_f32.ln(), f32::NEG_INFINITY]);
            assert!(x[3].is_nan());
        });
    }

    #[test]
    fn normalised_vectors_have_what_their_norm_promises() {
        every_way(|shared| {
            for (length, dimension) in [(1, 1), (7, 7), (768 * 5, 768), (300_000, 300_000)] {
                let before = noise(length);
                let mut x = before.clone();
                with(&mut x, shared, |x| normalize(x, Norm::L2, dimension, go_on));
                for (x, before) in x.chunks(dimension).zip(before.chunks(dimension)) {
                    let length = before.iter().map(|x| x * x).sum::<f64>().sqrt();
                    assert!(x.iter().zip(before).all(|(x, before)| close(*x, before / length)));
                }
                let mut x = before.clone();
                with(&mut x, shared, |x| normalize(x, Norm::MinMax, dimension, go_on));
                for x in x.chunks(dimension).filter(|x| x.len() > 1) {
                    let (least, greatest) = f64::extremes(x);
                    assert_eq!((least, greatest), (0.0, 1.0));
                }
                let mut x = before.clone();
                with(&mut x, shared, |x| normalize(x, Norm::ZScore, dimension, go_on));
                for x in x.chunks(dimension).filter(|x| x.len() > 1) {
                    let count = x.len() as f64;
                    assert!(close(x.iter().sum::<f64>() / count, 0.0));
                    assert!(close(x.iter().map(|x| x * x).sum::<f64>() / count, 1.0));
                }
            }
        });
    }

    #[test]
    fn vectors_without_a_length_or_a_difference_become_zeros() {
        for norm in [Norm::L2, Norm::MinMax, Norm::ZScore] {
            let mut x = [0.0; 5];
            with(&mut x, false, |x| normalize(x, norm, 5, go_on));
            assert_eq!(x, [0.0; 5], "{norm:?}");
            let mut x = [0_f64; 0];
            with(&mut x, false, |x| normalize(x, norm, 1, go_on));
        }
        for norm in [Norm::MinMax, Norm::ZScore] {
            let mut x = [0.1; 7];
            with(&mut x, false, |x| normalize(x, norm, 7, go_on));
            assert_eq!(x, [0.0; 7], "{norm:?}");
        }
    }

    #[test]
    fn the_largest_and_the_smallest_numbers_have_a_norm_too() {
        for (size, norm) in [1e-320, 1e-300, 1e-150, 1e150, 1e300, f64::MAX]
            .into_iter()
            .flat_map(|size| [Norm::L2, Norm::MinMax, Norm::ZScore].map(|norm| (size, norm)))
        {
            let mut x = [size, -size, size, -size];
            with(&mut x, false, |x| normalize(x, norm, 4, go_on));
            let expected = match norm {
                Norm::L2 => [0.5, -0.5, 0.5, -0.5],
                Norm::MinMax => [1.0, 0.0, 1.0, 0.0],
                Norm::ZScore => [1.0, -1.0, 1.0, -1.0],
            };
            for (x, expected) in x.into_iter().zip(expected) {
                assert!((x - expected).abs() < 1e-3, "{norm:?} of {size}: {x}");
            }
        }
    }

    #[test]
    fn a_nan_makes_its_vector_one_and_no_other() {
        for norm in [Norm::L2, Norm::MinMax, Norm::ZScore] {
            for place in 0..40 {
                let mut x = noise(80);
                x[place] = f64::NAN;
                with(&mut x, false, |x| normalize(x, norm, 40, go_on));
                assert!(x[..40].iter().all(|x| x.is_nan()), "{norm:?}");
                assert!(x[40..].iter().all(|x| x.is_finite()), "{norm:?}");
            }
        }
    }
}
