//! Signals: Stop in a notebook, and Ctrl-C amid an upload.
//!
//! A handler does no more than write a byte into a pipe (`signal-hook`), and chains to whoever
//! handled the signal before. A thread reads the pipe, so what follows runs in ordinary code.
//!
//! **In the kernel** (`stop_watch`, from when JavaScript asks until it takes that back) SIGINT is
//! Stop. Native loops see it at once (`interrupt`). JavaScript hears of it by a record in its
//! queue, after that, and tells with `stop_heard` whether it ended something. A Stop that ended
//! nothing is left open for a while, and the next then ends the process, as it would without
//! dipper. (A listener of Deno's would hear of it too, but sometimes before the thread here.)
//!
//! **In a program** nothing is installed before it starts an upload that can leave parts
//! behind. From then on Ctrl-C and SIGTERM abort the uploads first, two seconds at most, and then
//! end the program as they always do. A program that listens to the signal itself decides for
//! itself: where Deno has a handler, dipper stays out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dipper_core::Error;
use dipper_wire::Handle;

/// A Stop that ended nothing is left open for so long: the next means the kernel. Later it is
/// a first one again.
const LEFT_OPEN: Duration = Duration::from_secs(20);

/// When Stop was pressed that ended nothing yet.
static OPEN: Mutex<Option<Instant>> = Mutex::new(None);

fn open_since() -> Option<Instant> {
    *OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set_open(since: Option<Instant>) {
    *OPEN.lock().unwrap_or_else(PoisonError::into_inner) = since;
}

/// Tells that the last Stop ended something.
pub fn acknowledge() {
    set_open(None);
}

/// Starts and ends listening to Stop, for one isolate of the process.
pub fn stop_watch(queue: Handle, on: f64) -> Result<(), Error> {
    let queue = crate::queue::of(queue)?;
    notebook::watch((on != 0.0).then_some(queue))
}

/// The isolate heard every Stop so far; returns whether one is left open.
pub fn stop_heard(queue: Handle, ended: f64) -> Result<f64, Error> {
    crate::queue::of(queue)?;
    dipper_core::interrupt::answer();
    if ended != 0.0 {
        acknowledge();
    }
    Ok(f64::from(u8::from(open_since().is_some())))
}

/// Sees to it that the end of the program by a signal leaves nothing of an upload.
pub fn watch_end() {
    program::watch();
}

#[cfg(unix)]
mod notebook {
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Instant;

    use dipper_core::{Error, interrupt};
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::{Handle, Signals};

    use super::{LEFT_OPEN, open_since, set_open};
    use crate::queue::{Completion, Kind, Queue};

    static WATCHING: Mutex<Option<Handle>> = Mutex::new(None);

    pub fn watch(queue: Option<Arc<Queue>>) -> Result<(), Error> {
        let mut watching = WATCHING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = watching.take() {
            before.close();
        }
        if let Some(queue) = queue {
            *watching = Some(start(queue).map_err(|error| {
                Error::internal(format!("Stop cannot be listened to: {error}"))
            })?);
        }
        Ok(())
    }

    fn start(queue: Arc<Queue>) -> io::Result<Handle> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let listen = move || {
            for signal in signals.forever() {
                let second = open_since().is_some_and(|since| since.elapsed() < LEFT_OPEN);
                if signal != SIGINT || second {
                    super::end(signal);
                    continue;
                }
                set_open(Some(Instant::now()));
                interrupt::request();
                queue.push(Completion::new(Kind::Stop, 0.0));
            }
        };
        std::thread::Builder::new().name("dipper stop".to_owned()).spawn(listen)?;
        Ok(handle)
    }
}

#[cfg(unix)]
mod program {
    use std::sync::Once;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    use crate::system::{handler, is_default};

    pub fn watch() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let ours: Vec<i32> =
                [SIGINT, SIGTERM].into_iter().filter(|signal| is_default(*signal)).collect();
            // Without a watch a signal does what it does without dipper: no reason to fail.
            if let Ok(signals) = Signals::new(&ours) {
                let _ = std::thread::Builder::new()
                    .name("dipper signals".to_owned())
                    .spawn(move || listen(signals, &ours));
            }
        });
    }

    fn listen(mut signals: Signals, ours: &[i32]) {
        let installed: Vec<_> = ours.iter().map(|signal| (*signal, handler(*signal))).collect();
        for signal in signals.forever() {
            // Whoever listens since then chains to us, and decides.
            if installed.contains(&(signal, handler(signal))) {
                super::end(signal);
            }
        }
    }
}

/// Aborts what is under way, and ends the process by the signal.
#[cfg(unix)]
fn end(signal: i32) {
    drop(crate::operations::end_of(&crate::queue::silence_every()));
    drop(signal_hook::low_level::emulate_default_handler(signal));
}

#[cfg(not(unix))]
mod notebook {
    use std::sync::Arc;

    use dipper_core::Error;

    use crate::queue::Queue;

    pub fn watch(_queue: Option<Arc<Queue>>) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(not(unix))]
mod program {
    pub fn watch() {}
}
