//! A bug on purpose: reads memory after it is freed. `tools/sanitizer.ts` compiles it with
//! `--cfg dipper_planted_bug` under AddressSanitizer and fails unless the sanitizer catches it,
//! which proves that a clean run of the other tests means something.
#![cfg(dipper_planted_bug)]
#![allow(unsafe_code)]

use std::hint::black_box;

use dipper_wire::Allocation;

#[test]
fn reads_freed_memory() {
    let allocation = black_box(Allocation::from_vec(vec![1; 64]));
    let pointer = black_box(allocation.as_slice().as_ptr());
    drop(allocation);
    // SAFETY: none, this is the bug.
    let byte = unsafe { pointer.read_volatile() };
    black_box(byte);
}
