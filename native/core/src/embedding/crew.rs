//! Work on many rows, shared by all cores.
//!
//! Pieces are handed out one by one, so that a core that is slow, or busy with something else,
//! takes fewer of them. The caller's own thread works too; the others live for one call, which
//! costs some ten microseconds, and so only large work is shared.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::Error;
use crate::interrupt::{Watch, stopped};

/// How many bytes of rows make a piece.
pub(super) const PIECE: usize = 1 << 20;
/// What each thread should have to do at least, in bytes.
const SHARE: usize = 2 << 20;

/// Does `work` for every piece, on as many threads as `bytes` of work are worth. A Stop in a
/// notebook ends it between two pieces.
pub(super) fn share_out<T: Send>(
    bytes: usize,
    pieces: impl Iterator<Item = T> + Send,
    work: impl Fn(T) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    share_out_with(bytes, pieces, || (), |(), piece| work(piece), |()| Ok(()))
}

/// The same, where every thread has something of its own that it hands over at the end.
pub(super) fn share_out_with<T: Send, S>(
    bytes: usize,
    pieces: impl Iterator<Item = T> + Send,
    begin: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> Result<(), Error> + Sync,
    end: impl Fn(S) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let others = cores.min(bytes / SHARE).saturating_sub(1);
    let pieces = Mutex::new(pieces);
    let watch = Watch::begin();
    let failed = AtomicBool::new(false);
    let one = || {
        let mut own = begin();
        loop {
            if failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let piece = pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(piece) = piece else { break };
            if watch.stopped() {
                return Err(stopped("the table was being searched"));
            }
            work(&mut own, piece)?;
        }
        end(own)
    };
    let noted = || one().inspect_err(|_| failed.store(true, Ordering::Relaxed));
    thread::scope(|scope| {
        // A system that gives no thread leaves more to this one.
        let helpers: Vec<_> = (0..others)
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, noted).ok())
            .collect();
        let mine = noted();
        helpers.into_iter().fold(mine, |so_far, helper| {
            let helped = helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            so_far.and(helped)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn every_piece_is_done_once() {
        for bytes in [0, 64 << 20] {
            let mut done = vec![0_u8; 1000];
            share_out(bytes, done.iter_mut(), |place| {
                *place += 1;
                Ok(())
            })
            .unwrap();
            assert!(done.iter().all(|times| *times == 1));
        }
    }

    #[test]
    fn a_failure_ends_all_of_it() {
        let done = AtomicUsize::new(0);
        let failed = share_out(64 << 20, 0..1_000_000, |piece| {
            done.fetch_add(1, Ordering::Relaxed);
            if piece == 10 { Err(Error::invalid("ten")) } else { Ok(()) }
        });
        assert_eq!(failed.unwrap_err().message, "ten");
        assert!(done.load(Ordering::Relaxed) < 1_000_000);
    }
}
