//! Telling the processor which memory is wanted soon.

#![allow(unsafe_code)]

/// Asks for the cache line with an address. It need not be one of memory: nothing is read, and
/// an address that leads nowhere is passed over.
#[inline(always)]
pub(crate) fn soon<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint that never faults, whatever the address; every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
