//! The one tokio runtime of the process, made when it is first needed.
//!
//! It is never shut down: a process that exits with operations in flight must not wait
//! for them, and its threads end with it.
//!
//! While many small answers are awaited, its threads are patient: one that wakes up does not
//! drive another from its core. Else each answer of a server on the same machine, or on a
//! machine that has other work, costs two switches of threads, and those cost as much as to
//! write a small file. A patient thread finds several answers when its turn comes.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use dipper_core::Error;
use tokio::runtime::{Builder, Handle, Runtime};

#[cfg(unix)]
use crate::system::{is_patient, set_patient};

static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();

/// How many operations await many small answers.
static MANY: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this thread of the runtime is patient.
    static PATIENT: Cell<bool> = const { Cell::new(false) };
}

/// The runtime's handle.
pub fn handle() -> Result<&'static Handle, Error> {
    let runtime = RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.thread_name("dipper").enable_all();
        // Whoever started the process in a way of their own keeps it.
        if is_patient() == Some(false) {
            builder.on_thread_start(begin).on_thread_park(follow);
        }
        builder.build().map_err(|error| error.to_string())
    });
    match runtime {
        Ok(runtime) => Ok(runtime.handle()),
        Err(error) => Err(Error::internal(format!("no threads can be started: {error}"))),
    }
}

/// An operation that awaits many small answers, until it is dropped.
pub struct Many(());

impl Many {
    pub fn begin() -> Self {
        MANY.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        MANY.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A thread has what its parent had, and those that only work with files never park.
fn begin() {
    if is_patient() == Some(true) {
        set_patient(false);
    }
}

/// A thread looks before it sleeps: it matters when it wakes up.
fn follow() {
    let patient = MANY.load(Ordering::Relaxed) > 0;
    if PATIENT.replace(patient) != patient {
        set_patient(patient);
    }
}

/// As on a system that has no such thing.
#[cfg(not(unix))]
fn is_patient() -> Option<bool> {
    None
}

#[cfg(not(unix))]
fn set_patient(_patient: bool) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::time::Duration;

    /// What a thread of the runtime is, once it has slept.
    async fn patient() -> Option<bool> {
        let slept = tokio::spawn(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            is_patient()
        });
        slept.await.ok().flatten()
    }

    async fn becomes(wanted: bool) -> bool {
        for _ in 0..1000 {
            if patient().await == Some(wanted) {
                return true;
            }
        }
        false
    }

    #[test]
    fn threads_are_patient_while_many_answers_are_awaited() {
        if is_patient() != Some(false) {
            return;
        }
        let runtime = handle().unwrap();
        runtime.block_on(async {
            assert!(becomes(false).await);
            let many = Many::begin();
            let more = Many::begin();
            assert!(becomes(true).await);
            // Nor are threads that are started meanwhile.
            let file = tokio::task::spawn_blocking(is_patient).await.unwrap();
            assert_eq!(file, Some(false));
            drop(many);
            assert!(becomes(true).await);
            drop(more);
            assert!(becomes(false).await);
        });
        assert_eq!(is_patient(), Some(false));
    }
}
