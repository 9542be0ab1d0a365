//! Memory of the program that called, borrowed until the call returns.
//!
//! JavaScript owns it, and the one thread that could free, detach or resize it waits for the
//! call. So it is there until the call returns, and no [`Borrowed`] is kept longer.
//!
//! Memory of one isolate is lent to a kernel as a slice, in steps. Shared memory is another
//! matter: other threads may write to it meanwhile, and a slice over it would be undefined
//! behaviour. It is copied step by step, an element at a time and atomically, and what a
//! kernel changed is written back in the same way. So whoever writes at the same time gets
//! what two loops in JavaScript would have given: each element is the one or the other,
//! never half of both.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// How many bytes are lent at once: a millisecond's work or less.
const STEP: usize = 1 << 20;
/// How many elements of shared memory are copied at once: they stay in the nearest cache.
const COPIED: usize = 2048;

/// What the memory is made of.
pub trait Element: Copy + Default + private::Sealed {
    /// Reads one that others may write meanwhile.
    ///
    /// # Safety
    /// As [`AtomicU8::from_ptr`] and its like.
    unsafe fn load(address: *mut Self) -> Self;

    /// Writes one that others may read or write meanwhile.
    ///
    /// # Safety
    /// As [`AtomicU8::from_ptr`] and its like.
    unsafe fn store(address: *mut Self, value: Self);
}

mod private {
    /// The elements are those of this file: any bytes are one of them.
    pub trait Sealed {}
}

macro_rules! element {
    ($element:ty, $atomic:ty, $of:expr, $to:expr) => {
        impl private::Sealed for $element {}
        impl Element for $element {
            unsafe fn load(address: *mut Self) -> Self {
                // SAFETY: the caller's promise. The atomic has the size of the element, and
                // the address is aligned to it.
                $of(unsafe { <$atomic>::from_ptr(address.cast()) }.load(Ordering::Relaxed))
            }

            unsafe fn store(address: *mut Self, value: Self) {
                // SAFETY: as above.
                unsafe { <$atomic>::from_ptr(address.cast()) }.store($to(value), Ordering::Relaxed);
            }
        }
    };
}

element!(u8, AtomicU8, std::convert::identity, std::convert::identity);
element!(f32, AtomicU32, f32::from_bits, f32::to_bits);
element!(f64, AtomicU64, f64::from_bits, f64::to_bits);

/// Why bytes are not elements of some kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotElements {
    /// Their number is no multiple of an element's size.
    Length {
        /// How many bytes there are.
        bytes: usize,
        /// How many an element has.
        element: usize,
    },
    /// They do not start where an element may start.
    Alignment {
        /// How many bytes they start too late.
        off: usize,
        /// How many an element has.
        element: usize,
    },
}

/// Somebody asked for the work to stop; so many elements were done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped(pub usize);

/// Memory that is borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Borrowed<'a> {
    address: *mut u8,
    length: usize,
    _lender: PhantomData<&'a ()>,
}

impl<'a> Borrowed<'a> {
    /// The memory of so many bytes at an address.
    ///
    /// # Safety
    /// Throughout `'a` the memory is valid for reads, and for writes where the elements are
    /// changed. What is not said to be shared, nobody else writes to throughout `'a`; nor
    /// reads, where it is changed.
    #[must_use]
    pub unsafe fn new(address: *mut u8, length: usize) -> Self {
        Self { address, length, _lender: PhantomData }
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Its elements. `shared` tells that others may read and write them meanwhile.
    ///
    /// # Errors
    /// When the bytes are no elements of this kind.
    pub fn elements<E: Element>(self, shared: bool) -> Result<Elements<'a, E>, NotElements> {
        let element = size_of::<E>();
        if !self.length.is_multiple_of(element) {
            return Err(NotElements::Length { bytes: self.length, element });
        }
        // As wide as an atomic of its size wants it, on every system.
        let off = self.address.addr() % element;
        if off != 0 && self.length > 0 {
            return Err(NotElements::Alignment { off, element });
        }
        Ok(Elements {
            address: self.address.cast(),
            length: self.length / element,
            shared,
            _lender: PhantomData,
        })
    }
}

/// Elements that are borrowed.
#[derive(Debug)]
pub struct Elements<'a, E> {
    address: *mut E,
    length: usize,
    shared: bool,
    _lender: PhantomData<&'a ()>,
}

// SAFETY: it stands for memory that nobody else of this program uses throughout the borrow, or
// that is used atomically, and for numbers, which belong to no thread. It is not `Clone`, and the
// pieces of one do not overlap.
unsafe impl<E: Element> Send for Elements<'_, E> {}

impl<E: Element> Elements<'_, E> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Shows the elements of a range to a function, some at a time, in order. `stop` is asked
    /// before each step.
    ///
    /// # Errors
    /// When `stop` says so.
    pub fn read(
        &self,
        range: Range<usize>,
        stop: impl Fn() -> bool,
        mut look: impl FnMut(&[E]),
    ) -> Result<(), Stopped> {
        self.steps(range, stop, |address, length| {
            if self.shared {
                let mut copies = [E::default(); COPIED];
                let copies = &mut copies[..length];
                // SAFETY: `address` starts `length` elements of the borrowed memory, and is
                // aligned, as `Borrowed::elements` checked. Others use them meanwhile, and
                // these accesses are atomic.
                unsafe { copy_in(address, copies) };
                look(copies);
            } else {
                // SAFETY: as above; nobody writes to them meanwhile, by the promise made to
                // `Borrowed::new`. Any bytes are an element.
                look(unsafe { std::slice::from_raw_parts(address, length) });
            }
        })
    }

    /// Lets a function change the elements of a range, some at a time, in order. `stop` is
    /// asked before each step.
    ///
    /// # Errors
    /// When `stop` says so: what was changed before stays changed.
    pub fn change(
        &mut self,
        range: Range<usize>,
        stop: impl Fn() -> bool,
        mut change: impl FnMut(&mut [E]),
    ) -> Result<(), Stopped> {
        let shared = self.shared;
        self.steps(range, stop, |address, length| {
            if shared {
                let mut copies = [E::default(); COPIED];
                let copies = &mut copies[..length];
                // SAFETY: as in `read`.
                unsafe { copy_in(address, copies) };
                change(copies);
                for (index, value) in copies.iter().enumerate() {
                    // SAFETY: as in `read`; `index` is below `length`.
                    unsafe { E::store(address.add(index), *value) };
                }
            } else {
                // SAFETY: as in `read`. Nobody else uses them meanwhile, and this borrow is
                // exclusive.
                change(unsafe { std::slice::from_raw_parts_mut(address, length) });
            }
        })
    }

    /// All elements in pieces of `at_once`, for several threads; the last may have fewer.
    pub fn pieces(&mut self, at_once: usize) -> impl Iterator<Item = Elements<'_, E>> + Send {
        let all = Elements { _lender: PhantomData, ..*self };
        let step = at_once.max(1);
        (0..all.length).step_by(step).map(move |first| all.piece(first, step))
    }

    /// `most` elements from `first` on, or as many as there are. What the two are used for must
    /// not overlap.
    fn piece(&self, first: usize, most: usize) -> Self {
        let first = first.min(self.length);
        Self {
            // SAFETY: `first` is at most `length`: within the borrowed memory or at its end.
            address: unsafe { self.address.add(first) },
            length: most.min(self.length - first),
            shared: self.shared,
            _lender: PhantomData,
        }
    }

    /// Cuts a range, as far as it lies within, into steps.
    fn steps(
        &self,
        range: Range<usize>,
        stop: impl Fn() -> bool,
        mut step: impl FnMut(*mut E, usize),
    ) -> Result<(), Stopped> {
        let end = range.end.min(self.length);
        let most = if self.shared { COPIED } else { STEP / size_of::<E>() };
        let mut at = range.start;
        while at < end {
            if stop() {
                return Err(Stopped(at));
            }
            let length = most.min(end - at);
            // SAFETY: `at` lies below `self.length`, so within the borrowed memory.
            step(unsafe { self.address.add(at) }, length);
            at += length;
        }
        Ok(())
    }
}

/// # Safety
/// `address` starts as many elements as there is room for, each valid and aligned.
unsafe fn copy_in<E: Element>(address: *mut E, room: &mut [E]) {
    for (index, place) in room.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *place = unsafe { E::load(address.add(index)) };
    }
}

/// A slice as what a caller lends.
#[cfg(test)]
pub(crate) fn borrowed<E>(elements: &mut [E]) -> Borrowed<'_> {
    let length = size_of_val(elements);
    // SAFETY: an exclusive borrow of a slice is all that and more.
    unsafe { Borrowed::new(elements.as_mut_ptr().cast(), length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_of_a_range_is_changed_once_and_no_other() {
        for shared in [false, true] {
            for (length, range) in [
                (0, 0..0),
                (1, 0..1),
                (5, 1..3),
                (300_000, 0..300_000),
                (300_000, 7..299_999),
                (10, 3..99),
                (10, 20..30),
            ] {
                let mut numbers: Vec<f64> = (0..length).map(f64::from).collect();
                let mut elements = borrowed(&mut numbers).elements::<f64>(shared).unwrap();
                let mut steps = 0;
                elements
                    .change(
                        range.clone(),
                        || false,
                        |some| {
                            steps += 1;
                            some.iter_mut().for_each(|number| *number = -*number - 1.0);
                        },
                    )
                    .unwrap();
                let mut sum = 0.0;
                elements
                    .read(range.clone(), || false, |some| sum += some.iter().sum::<f64>())
                    .unwrap();
                let mut expected = 0.0;
                for (index, number) in numbers.iter().enumerate() {
                    let before = index as f64;
                    let inside = range.contains(&index);
                    assert_eq!(*number, if inside { -before - 1.0 } else { before }, "{index}");
                    expected += if inside { *number } else { 0.0 };
                }
                assert_eq!((sum, steps > 0), (expected, expected != 0.0));
            }
        }
    }

    #[test]
    fn pieces_are_all_elements_once() {
        for (length, at_once) in [(0, 3), (1, 3), (3, 3), (10, 3), (10, 0), (1000, 7), (5, 99)] {
            let mut numbers = vec![0_f32; length];
            let mut elements = borrowed(&mut numbers).elements::<f32>(false).unwrap();
            std::thread::scope(|scope| {
                for (index, mut piece) in elements.pieces(at_once).enumerate() {
                    assert!((1..=at_once.max(1)).contains(&piece.len()) && !piece.is_empty());
                    scope.spawn(move || {
                        let change = |some: &mut [f32]| {
                            some.iter_mut().for_each(|number| *number += index as f32 + 1.0);
                        };
                        piece.change(0..piece.len(), || false, change).unwrap();
                    });
                }
            });
            for (index, number) in numbers.iter().enumerate() {
                assert_eq!(*number, (index / at_once.max(1)) as f32 + 1.0);
            }
        }
    }

    #[test]
    fn bytes_of_shared_memory_are_read_as_they_are() {
        let mut bytes: Vec<u8> = (0..100_000_u32).map(|index| (index / 7) as u8).collect();
        let copy = bytes.clone();
        let mut seen = Vec::new();
        let elements = borrowed(&mut bytes[3..]).elements::<u8>(true).unwrap();
        elements.read(0..elements.len(), || false, |some| seen.extend_from_slice(some)).unwrap();
        assert_eq!(seen, copy[3..]);
    }

    #[test]
    fn payloads_of_nan_stay() {
        let odd = f64::from_bits(0x7ff4_0000_dead_beef);
        let mut numbers = [odd; 3];
        let mut elements = borrowed(&mut numbers).elements::<f64>(true).unwrap();
        elements.change(0..3, || false, |_| {}).unwrap();
        assert!(numbers.iter().all(|number| number.to_bits() == odd.to_bits()));
    }

    #[test]
    fn what_are_no_elements_is_told() {
        let mut numbers = [0_f64; 4];
        let bytes = borrowed(&mut numbers);
        let part = |from: usize, length: usize| {
            // SAFETY: a part of the borrowed numbers.
            unsafe { Borrowed::new(bytes.address.add(from), length) }
        };
        assert_eq!(
            part(0, 9).elements::<f32>(false).err(),
            Some(NotElements::Length { bytes: 9, element: 4 })
        );
        assert_eq!(
            part(4, 8).elements::<f64>(false).err(),
            Some(NotElements::Alignment { off: 4, element: 8 })
        );
        assert_eq!(part(4, 8).elements::<f32>(false).unwrap().len(), 2);
        assert!(part(3, 0).elements::<f64>(false).unwrap().is_empty());
        assert!(part(1, 3).elements::<u8>(true).is_ok());
    }

    #[test]
    fn who_is_told_to_stop_says_how_far_it_came() {
        let mut numbers = vec![1_f64; 400_000];
        let asked = std::cell::Cell::new(0);
        let mut elements = borrowed(&mut numbers).elements::<f64>(false).unwrap();
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() > 2
        };
        let stopped = elements.change(5..400_000, stop, |some| some.fill(2.0));
        let done = 5 + 2 * STEP / 8;
        assert_eq!(stopped, Err(Stopped(done)));
        assert_eq!(numbers.iter().filter(|number| **number == 2.0).count(), done - 5);
    }

    #[test]
    fn threads_that_change_shared_numbers_at_once_tear_none() {
        let mut numbers = vec![1_f64; 50_000];
        let memory = borrowed(&mut numbers);
        let (address, length) = (memory.address.expose_provenance(), memory.length);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    let address = std::ptr::with_exposed_provenance_mut(address);
                    // SAFETY: the numbers outlive the scope, and all that use them say that
                    // they are shared.
                    let memory = unsafe { Borrowed::new(address, length) };
                    let mut elements = memory.elements::<f64>(true).unwrap();
                    for _ in 0..20 {
                        elements
                            .change(
                                0..50_000,
                                || false,
                                |some| some.iter_mut().for_each(|number| *number *= 2.0),
                            )
                            .unwrap();
                    }
                });
            }
        });
        assert!(numbers.iter().all(|number| number.log2().fract() == 0.0 && *number >= 2.0));
    }
}
