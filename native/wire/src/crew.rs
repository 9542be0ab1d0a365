//! Work that all cores share: rows that are searched, numbers that are changed in place.
//!
//! Pieces are handed out one by one and in their order, so that a core that is slow, or busy
//! with something else, takes fewer of them. The caller's own thread works too. Nobody asks
//! for a piece after a stop, and who has one finishes it: what was done lies without a gap at
//! the beginning.

mod helpers;

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

/// Why not every piece was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished<E> {
    /// Somebody asked for the work to stop.
    Stopped,
    /// A piece failed like this.
    Failed(E),
}

/// Does `work` for every piece on so many threads at most, one of which is the caller's.
///
/// Every thread has something of its own, which `begin` makes and which it hands over to `end`.
/// `stop` is asked before each piece.
///
/// # Errors
/// When `stop` says so, and as soon as a piece fails or what a thread had cannot be handed over.
pub fn share_out<T: Send, S, E: Send>(
    threads: usize,
    pieces: impl Iterator<Item = T> + Send,
    stop: impl Fn() -> bool + Sync,
    begin: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> Result<(), E> + Sync,
    end: impl Fn(S) -> Result<(), E> + Sync,
) -> Result<(), Unfinished<E>> {
    let pieces = Mutex::new(pieces);
    let over = AtomicBool::new(false);
    let why = Mutex::new(None);
    let part = || {
        let mut own = begin();
        loop {
            if over.load(Ordering::Relaxed) {
                return Ok(());
            }
            if stop() {
                return Err(Unfinished::Stopped);
            }
            let piece = pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(piece) = piece else { break };
            work(&mut own, piece).map_err(Unfinished::Failed)?;
        }
        end(own).map_err(Unfinished::Failed)
    };
    helpers::with(threads.min(cores()).saturating_sub(1), &|| {
        if let Err(reason) = part() {
            over.store(true, Ordering::Relaxed);
            why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        }
    });
    why.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// How many threads work side by side.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn each<T: Send>(
        threads: usize,
        pieces: impl Iterator<Item = T> + Send,
        stop: impl Fn() -> bool + Sync,
        work: impl Fn(T) -> Result<(), &'static str> + Sync,
    ) -> Result<(), Unfinished<&'static str>> {
        share_out(threads, pieces, stop, || (), |(), piece| work(piece), |()| Ok(()))
    }

    #[test]
    fn every_piece_is_done_once() {
        for threads in [0, 1, 2, 64] {
            let mut done = vec![0_u8; 1000];
            each(
                threads,
                done.iter_mut(),
                || false,
                |place| {
                    *place += 1;
                    Ok(())
                },
            )
            .unwrap();
            assert!(done.iter().all(|times| *times == 1));
        }
    }

    #[test]
    fn what_each_thread_has_is_handed_over() {
        let all = AtomicUsize::new(0);
        let sum = share_out(
            2,
            0..10_000_usize,
            || false,
            || 0,
            |mine, piece| {
                *mine += piece;
                Ok::<_, ()>(())
            },
            |mine| {
                all.fetch_add(mine, Ordering::Relaxed);
                Ok(())
            },
        );
        assert_eq!((sum, all.into_inner()), (Ok(()), 49_995_000));
    }

    #[test]
    fn a_failure_ends_all_of_it() {
        let done = AtomicUsize::new(0);
        let failed = each(
            2,
            0..1_000_000,
            || false,
            |piece| {
                done.fetch_add(1, Ordering::Relaxed);
                if piece == 10 { Err("ten") } else { Ok(()) }
            },
        );
        assert_eq!(failed, Err(Unfinished::Failed("ten")));
        assert!(done.load(Ordering::Relaxed) < 1_000_000);
    }

    #[test]
    fn a_stop_leaves_no_gap() {
        for asked in 0..60 {
            let asks = AtomicUsize::new(0);
            let mut done = [false; 100];
            let stopped = each(
                4,
                done.iter_mut(),
                || asks.fetch_add(1, Ordering::Relaxed) >= asked,
                |place| {
                    // So that others come by meanwhile.
                    thread::yield_now();
                    *place = true;
                    Ok(())
                },
            );
            assert_eq!(stopped, Err(Unfinished::Stopped));
            let first = done.iter().position(|done| !done).unwrap();
            assert!(done[first..].iter().all(|done| !done), "{asked}: {first}");
        }
    }
}
