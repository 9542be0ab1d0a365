//! A bug on purpose: reads memory after it is freed. `tools/sanitizer.ts` compiles it with
//! `--cfg dipper_planted_bug` under AddressSanitizer and fails unless the sanitizer catches it,
//! which proves that a clean run of the other tests means something.
#![cfg(dipper_planted_bug)]
#![allow(unsafe_code)]

use std::hint::black_box;

#[test]
fn reads_freed_memory() {
    let bytes = black_box(vec![1_u8; 64].into_boxed_slice());
    let pointer = black_box(bytes.as_ptr());
    drop(bytes);
    // SAFETY: none, this is the bug.
    let byte = unsafe { pointer.read_volatile() };
    black_box(byte);
}
