//! What is lent is not copied: work on lent memory allocates nothing, whatever the length, boundary
//! included, and a search of a table no more for many vectors than for few.

#![allow(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dipper::abi::{
    dipper_checksum_bytes, dipper_log, dipper_memory, dipper_normalize, dipper_scale,
};
use dipper_core::EmbeddingTable;
use dipper_wire::Metric;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

fn note(bytes: usize) {
    // Nothing is counted while a thread ends.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
    let _ = BYTES.try_with(|sum| sum.set(sum.get() + bytes));
}

// SAFETY: all is done by the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The ledger is the whole process's: what looks at it and what makes tables take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often this thread allocates for some work, and how many bytes.
fn allocated(work: impl FnOnce()) -> (usize, usize) {
    let before = (COUNT.get(), BYTES.get());
    work();
    (COUNT.get() - before.0, BYTES.get() - before.1)
}

/// Bytes that the ledger knows of: Rust's memory that `memory()` tells.
fn held() -> f64 {
    let mut report = [0_u8; 48];
    // SAFETY: the room is valid for its length.
    let answer = unsafe { dipper_memory(report.as_mut_ptr(), report.len() as f64) };
    assert!(answer > 0.0);
    f64::from_le_bytes(*report.first_chunk().unwrap())
}

#[test]
fn the_allocator_counts() {
    assert_eq!(allocated(|| drop(std::hint::black_box(vec![1_u8; 100]))), (1, 100));
}

#[test]
fn work_on_lent_memory_allocates_nothing() {
    let _turn = turn();
    // The threads that share large work come with the first of it, and stay. Logarithms want most.
    let mut large = vec![1.5_f64; 1 << 20];
    let bytes = size_of_val(&large[..]) as f64;
    // SAFETY: what is lent is valid for its length.
    assert!(unsafe { dipper_log(large.as_mut_ptr().cast(), bytes, 0.0, 8.0) } >= 0.0);
    for length in [0, 1, 63, 4096, 1 << 20] {
        let mut x = vec![1.5_f64; length];
        let bytes = (length * 8) as f64;
        let address = x.as_ptr();
        let mut sum = [0_u8; 8];
        for shared in [0.0, 1.0] {
            x.fill(1.5);
            let held_before = held();
            let of_calls = allocated(|| {
                let lent = x.as_mut_ptr().cast::<u8>();
                // SAFETY: what is lent, and the room for the sum, are valid for their lengths.
                let answers = unsafe {
                    [
                        dipper_checksum_bytes(lent, bytes, shared, sum.as_mut_ptr(), 8.0),
                        dipper_scale(lent, bytes, shared, 8.0, 2.0),
                        dipper_scale(lent, bytes, shared, 4.0, 1.0),
                        dipper_log(lent, bytes, shared, 8.0),
                        dipper_normalize(lent, bytes, shared, 8.0, 0.0, length.max(1) as f64),
                        dipper_normalize(lent, bytes, shared, 8.0, 2.0, length.max(1) as f64),
                    ]
                };
                assert!(answers.iter().all(|answer| *answer >= 0.0));
            });
            assert_eq!(of_calls, (0, 0), "{length} numbers, shared: {shared}");
            assert_eq!(held(), held_before);
            // Equal numbers less their mean: they were changed where they lie.
            assert!(x.iter().all(|number| *number == 0.0));
        }
        assert_eq!(x.as_ptr(), address);
    }
}

#[test]
fn a_search_allocates_for_its_answer_and_not_for_the_table() {
    let _turn = turn();
    let dimension = 64;
    let query = vec![1.0_f32; dimension];
    let mut costs = Vec::new();
    // The first search of a process asks the system how many cores there are, and keeps the
    // answer. All are too small to be worth a second thread.
    for rows in [100, 100, 4000] {
        let table = EmbeddingTable::new(dimension).unwrap();
        table.append(&vec![0.5; rows * dimension]).unwrap();
        let mut scores = vec![0.0; rows];
        let scored = allocated(|| table.scores(&query, &mut scores).unwrap());
        assert!(scores.iter().all(|score| *score == 32.0));
        let (mut indices, mut nearest) = ([0; 10], [0.0; 10]);
        let searched = allocated(|| {
            table.nearest(Metric::Dot, &query, rows, &mut indices, &mut nearest).unwrap();
        });
        assert_eq!(indices, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let dot = allocated(|| assert_eq!(table.dot(rows - 1, &query).unwrap(), 32.0));
        assert!(dot.1 <= 4096, "{dot:?}");
        costs.push((scored, searched));
    }
    let [_, (few_scored, few), (many_scored, many)] = costs.try_into().unwrap();
    assert_eq!(few_scored, many_scored);
    // 4,096 scores at once, and the candidates.
    assert!(many.1 <= 64 << 10 && many.0 <= few.0 + 16, "{few:?} and {many:?}");
}
