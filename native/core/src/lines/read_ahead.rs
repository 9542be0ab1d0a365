//! A file that is read one step ahead of whoever cuts it.
//!
//! What is cut lies in a block of memory; meanwhile another thread reads the next blocks, a few
//! of them. Blocks are handed over whole and come back to be filled again, so no byte is copied
//! and nothing is allocated on the way.
//!
//! The thread is one of those for work that may wait. It is only there while there is room to
//! read into: a file that nobody reads on holds none. Nobody waits for a thread that has not
//! begun, but reads the block himself: that all of them are taken stops nothing.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{Error, Status};

/// Memory for bytes of a file: room in front, for what is left of the block before, and the
/// bytes behind it.
pub(crate) type Block = Box<[u8]>;

/// The room in front of a block.
pub(crate) const HEAD: usize = 16;
/// How many bytes a block has behind it.
pub(crate) const BLOCK: usize = 256 << 10;
/// So many blocks are read at most before somebody takes them.
const BLOCKS: usize = 4;
/// Shorter files gain nothing from a second thread.
pub(crate) const WORTH_IT: u64 = (BLOCKS * BLOCK) as u64;
/// Whoever lets go of a file waits so long for a read of it that is under way.
const PATIENCE: Duration = Duration::from_millis(200);

/// An empty block.
pub(crate) fn block() -> Block {
    vec![0; HEAD + BLOCK].into_boxed_slice()
}

/// Reads the next bytes of a file, all but what signals interrupt.
pub(crate) fn read_at(file: &File, path: &Path, room: &mut [u8], at: u64) -> Result<usize, Error> {
    loop {
        match file.read_at(room, at) {
            Ok(0) => {
                let shown = path.display();
                return Err(Error::new(
                    Status::ObjectChanged,
                    format!("{shown} became shorter while it was read"),
                ));
            }
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(crate::file::failed(&error, path)),
        }
    }
}

/// A file that is read ahead.
pub(crate) struct ReadAhead(Arc<Shared>);

struct Shared {
    path: PathBuf,
    state: Mutex<State>,
    /// A read has ended.
    read: Condvar,
}

struct State {
    /// Gone when nobody wants it any more.
    file: Option<Arc<File>>,
    /// What was read, in order, and how many bytes; an error is the last.
    full: VecDeque<Result<(Block, usize), Error>>,
    empty: Vec<Block>,
    at: u64,
    left: u64,
    /// Whether somebody reads at `at`.
    reading: bool,
    /// Whether a thread was asked for and has not gone.
    asked: bool,
}

impl ReadAhead {
    /// Reads `left` bytes of a file from `at`.
    pub(crate) fn new(file: Arc<File>, path: PathBuf, at: u64, left: u64) -> Self {
        let state = State {
            file: Some(file),
            full: VecDeque::with_capacity(BLOCKS),
            empty: (0..BLOCKS).map(|_| block()).collect(),
            at,
            left,
            reading: false,
            asked: false,
        };
        Self(Arc::new(Shared { path, state: Mutex::new(state), read: Condvar::new() }))
    }

    /// Takes the next bytes, and gives memory back for them. `None` at the end; the block then
    /// stays as it was.
    pub(crate) fn swap(&mut self, block: &mut Block) -> Result<Option<usize>, Error> {
        let shared = &self.0;
        let mut state = shared.lock();
        loop {
            if let Some(next) = state.full.pop_front() {
                let (next, filled) = next?;
                state.empty.push(std::mem::replace(block, next));
                if !state.asked && state.full.len() <= BLOCKS / 2 && state.left > 0 {
                    self.ask(&mut state);
                }
                return Ok(Some(filled));
            }
            if state.left == 0 {
                return Ok(None);
            }
            if state.reading {
                state = shared.read.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if !state.asked {
                self.ask(&mut state);
            }
            state = shared.step(state);
        }
    }

    /// Asks for a thread, where there are any.
    fn ask(&self, state: &mut State) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        state.asked = true;
        let shared = Arc::clone(&self.0);
        runtime.spawn_blocking(move || shared.read_on());
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        (state.file, state.left) = (None, 0);
        // So that the file is closed when its reader is gone. Where the file's server is gone,
        // nobody waits for it.
        let waited = self.0.read.wait_timeout_while(state, PATIENCE, |state| state.reading);
        drop(waited);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads as long as there is memory for it, and somebody who wants it.
    fn read_on(&self) {
        let mut state = self.lock();
        loop {
            if state.left == 0 || state.empty.is_empty() {
                state.asked = false;
                return;
            }
            state = if state.reading {
                self.read.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.step(state)
            };
        }
    }

    /// Reads one block.
    fn step<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let Some(file) = state.file.clone() else { return state };
        let Some(mut block) = state.empty.pop() else { return state };
        state.reading = true;
        let (at, most) = (state.at, usize::try_from(state.left).unwrap_or(usize::MAX).min(BLOCK));
        drop(state);
        let room = block.get_mut(HEAD..HEAD + most).unwrap_or_default();
        let came = read_at(&file, &self.path, room, at);
        drop(file);
        let mut state = self.lock();
        state.reading = false;
        match came {
            _ if state.file.is_none() => {}
            Ok(read) => {
                state.at += read as u64;
                state.left -= read as u64;
                state.full.push_back(Ok((block, read)));
            }
            Err(error) => {
                state.left = 0;
                state.full.push_back(Err(error));
            }
        }
        self.read.notify_all();
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(name: &str, bytes: &[u8]) -> (Arc<File>, PathBuf) {
        let name = format!("dipper-ahead-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        (Arc::new(File::open(&path).unwrap()), path)
    }

    fn numbers(length: usize) -> Vec<u8> {
        (0..length as u32).flat_map(u32::to_le_bytes).take(length).collect()
    }

    fn read_all(ahead: &mut ReadAhead) -> (Vec<u8>, Result<(), Error>) {
        let (mut found, mut memory) = (Vec::new(), block());
        loop {
            match ahead.swap(&mut memory) {
                Ok(Some(filled)) => found.extend_from_slice(&memory[HEAD..HEAD + filled]),
                Ok(None) => return (found, Ok(())),
                Err(error) => return (found, Err(error)),
            }
        }
    }

    #[test]
    fn all_bytes_come_in_order_with_and_without_threads() {
        let bytes = numbers(20 * BLOCK + 77);
        let (file, path) = file_of("order", &bytes);
        let ahead = |at: usize, end: usize| {
            let left = (end - at) as u64;
            ReadAhead::new(Arc::clone(&file), path.clone(), at as u64, left)
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(3)
            .build()
            .unwrap();
        for (at, end) in [(0, bytes.len()), (5, bytes.len() - 3), (7, 8), (9, 9)] {
            let (found, ended) = read_all(&mut ahead(at, end));
            assert!(found == bytes[at..end] && ended.is_ok());
            // More readers than threads: those that get none read by themselves.
            let readers: Vec<_> = (0..8)
                .map(|_| {
                    let mut ahead = ahead(at, end);
                    runtime.spawn_blocking(move || read_all(&mut ahead).0)
                })
                .collect();
            for reader in readers {
                assert!(runtime.block_on(reader).unwrap() == bytes[at..end]);
            }
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_ends_sooner_is_told_behind_what_is_there() {
        let bytes = numbers(3 * BLOCK + 9);
        let (file, path) = file_of("short", &bytes);
        let mut ahead = ReadAhead::new(file, path.clone(), 0, bytes.len() as u64 + 1);
        let (found, ended) = read_all(&mut ahead);
        assert!(found == bytes);
        assert_eq!(ended.unwrap_err().status, Status::ObjectChanged);
        assert!(matches!(ahead.swap(&mut block()), Ok(None)));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_file_is_let_go_of_at_once() {
        let bytes = numbers(10 * BLOCK);
        let (file, path) = file_of("let-go", &bytes);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for taken in 0..10 {
            let mut ahead = ReadAhead::new(Arc::clone(&file), path.clone(), 0, bytes.len() as u64);
            let _inside = runtime.enter();
            for _ in 0..taken {
                assert!(ahead.swap(&mut block()).unwrap().is_some());
            }
            drop(ahead);
            assert_eq!(Arc::strong_count(&file), 1);
        }
        std::fs::remove_file(&path).unwrap();
    }
}
