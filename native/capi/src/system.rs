//! What the system is asked that Rust's library does not offer: who handles a signal, and how
//! threads are scheduled.

#![allow(unsafe_code)]

use std::ptr;

/// Who handles a signal: an address, or one of the system's own names for the default and
/// for nobody. `None` for what is no signal.
///
/// Deno takes a signal over when a program first listens to it, and ends the program itself
/// when nobody listens any more. So whether it did decides whether dipper may end a program.
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

/// Whether this thread, when it wakes up, lets a thread that runs go on for its slice. `None`
/// where somebody chose another way of scheduling, and on systems that have no such thing.
#[cfg(target_os = "linux")]
pub fn is_patient() -> Option<bool> {
    // SAFETY: the call takes and gives numbers; 0 is the calling thread.
    match unsafe { libc::sched_getscheduler(0) } {
        libc::SCHED_OTHER => Some(false),
        libc::SCHED_BATCH => Some(true),
        _ => None,
    }
}

/// As above; this system has no such thing.
#[cfg(not(target_os = "linux"))]
pub fn is_patient() -> Option<bool> {
    None
}

/// Makes this thread patient, or as threads are. What the system refuses stays as it is: it
/// is about speed alone.
#[cfg(target_os = "linux")]
pub fn set_patient(patient: bool) {
    let policy = if patient { libc::SCHED_BATCH } else { libc::SCHED_OTHER };
    // SAFETY: all-zero bytes are a valid `sched_param`: numbers.
    let none: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: the call reads live memory; 0 is the calling thread.
    let _ = unsafe { libc::sched_setscheduler(0, policy, &raw const none) };
}

/// As above; this system has no such thing.
#[cfg(not(target_os = "linux"))]
pub fn set_patient(_patient: bool) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_who_handles_a_signal() {
        assert!(is_default(libc::SIGUSR2));
        assert_eq!(handler(-1), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_becomes_patient_and_others_do_not() {
        let Some(before) = is_patient() else { return };
        let inner = std::thread::spawn(|| {
            set_patient(true);
            let patient = is_patient();
            set_patient(false);
            (patient, is_patient())
        });
        assert_eq!(inner.join().unwrap(), (Some(true), Some(false)));
        assert_eq!(is_patient(), Some(before));
    }
}
