//! Which vector instructions the kernels use: the widest that this processor has.
//!
//! A kernel is written once, as a plain loop in [`pulp::Arch::dispatch`], and compiled for
//! AVX-512, for AVX2 with FMA, and for what every processor of its kind has: the portable
//! path. Which one runs is decided at run time. Tests force the portable path to see what a
//! processor without AVX would compute.

use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(test)]
use std::sync::{Mutex, PoisonError};

use pulp::Arch;

static PORTABLE: AtomicBool = AtomicBool::new(false);

/// From here on every kernel of the process takes its portable path, or no longer.
pub fn force_portable(on: bool) {
    PORTABLE.store(on, Ordering::Relaxed);
}

/// Runs a test on the wide path and on the portable one. The path is the whole process's, so such
/// tests take turns: results of two paths differ in their last bits.
#[cfg(test)]
pub(crate) fn on_every_path(mut test: impl FnMut()) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for portable in [false, true] {
        force_portable(portable);
        test();
    }
    force_portable(false);
}

/// Whether the portable path is forced.
#[must_use]
pub fn portable_is_forced() -> bool {
    PORTABLE.load(Ordering::Relaxed)
}

/// The widest instructions, or none when the portable path is forced.
#[must_use]
pub fn arch() -> Arch {
    if portable_is_forced() { Arch::Scalar } else { Arch::new() }
}

/// The widest instructions for a loop that does little else than load and store: 256 bits at
/// most. More only waits for the memory, and was a little slower where it was measured.
#[must_use]
pub fn arch_for_memory() -> Arch {
    match arch() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(v4) => Arch::V3(*v4),
        arch => arch,
    }
}
