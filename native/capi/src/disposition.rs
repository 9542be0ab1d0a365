//! What the system does with a signal at present.
//!
//! Deno takes a signal over when a program first listens to it, and ends the program itself
//! when nobody listens any more. So whether it did decides whether dipper may end a program.

#![allow(unsafe_code)]

use std::ptr;

/// Who handles a signal: an address, or one of the system's own names for the default and
/// for nobody. `None` for what is no signal.
pub fn handler(signal: i32) -> Option<usize> {
    // SAFETY: all-zero bytes are a valid `sigaction`: numbers, and no function.
    let mut present: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: without a new action the call only writes the present one to live memory.
    let answer = unsafe { libc::sigaction(signal, ptr::null(), &raw mut present) };
    (answer == 0).then_some(present.sa_sigaction)
}

/// Whether a signal does what it does by default: it ends the process.
pub fn is_default(signal: i32) -> bool {
    handler(signal) == Some(libc::SIG_DFL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_who_handles_a_signal() {
        assert!(is_default(libc::SIGUSR2));
        assert_eq!(handler(-1), None);
    }
}
