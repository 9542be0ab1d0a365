//! A plain file whose lines are cut by several threads at once, each a window of it.
//!
//! A window has the lines that start in it; who cuts it reads on behind its end until the last of
//! them ends. So no window waits for the one before, and what a thread reads it cuts while it lies
//! in its cache. A few windows are cut before somebody takes them, and no more.
//!
//! Only what is usual is done here. At a line that is longer than a batch, at bytes that are no
//! text, at a read that fails, it ends and tells where: who takes the windows goes on from there
//! step by step, and finds out what is to be told.
//!
//! The threads are those for work that may wait. They are there while there is room to cut into, and
//! wait for nobody: where others have taken all of them, a window is cut when one is free again.
//! Whoever takes windows is none of them.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dipper_wire::{Batch, LineSplitter, Pushed};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::read_ahead::read_at;
use crate::Buffer;
use crate::buffer::Draft;

/// How large everything is. Tests have it smaller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// How many bytes of the file a window has: most often all of its lines fit one batch.
    pub(crate) window: u64,
    /// The memory of a batch.
    pub(crate) memory: usize,
    /// So many bytes are read at once: they stay in the cache of who cuts them.
    pub(crate) block: usize,
    /// So many bytes are read first to find the end of the last line.
    pub(crate) behind: usize,
    /// So many threads cut at most: JavaScript takes no more than these can cut.
    pub(crate) threads: usize,
}

const WINDOW: u64 = (1 << 20) - (64 << 10);
const SIZES: Sizes =
    Sizes { window: WINDOW, memory: 1 << 20, block: 128 << 10, behind: 512, threads: 4 };

/// So many windows are begun at most for each thread before somebody takes them.
const AHEAD: u64 = 3;
/// So many windows are begun at most for all files together; each file may begin one.
const AHEAD_OF_ALL: u64 = 48;
/// How many windows are begun in the process and not taken yet.
static BEGUN: AtomicU64 = AtomicU64::new(0);
/// Whoever takes windows without being told of them waits so long for one that is being cut: the
/// time of a few, if the file is in memory.
const SHORT_WAIT: Duration = Duration::from_millis(2);
/// Whoever lets go of a file waits so long for what reads it.
const PATIENCE: Duration = Duration::from_millis(200);
/// Shorter files gain nothing.
pub(crate) const WORTH_IT: u64 = 2 * WINDOW;

const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// What is to be cut, and how.
pub(crate) struct WindowsOf {
    pub(crate) file: Arc<File>,
    pub(crate) path: PathBuf,
    /// The part of the file: where it starts and how long it is.
    pub(crate) from: u64,
    pub(crate) length: u64,
    /// The most bytes of a line.
    pub(crate) limit: usize,
    /// What stands between two lines; text has something there.
    pub(crate) separator: Option<u8>,
    /// Whether bytes that are no UTF-8 are an error.
    pub(crate) strict: bool,
}

/// Lines that were cut.
pub(crate) struct CutLines {
    /// Nothing where none of them has a byte.
    pub(crate) buffer: Option<Arc<Buffer>>,
    pub(crate) bytes: usize,
    /// Where each ends, behind a zero.
    pub(crate) offsets: Vec<u32>,
    /// So many bytes of the part lie before the end of this window.
    pub(crate) taken: u64,
}

/// What there is to take.
pub(crate) enum Taken {
    Lines(CutLines),
    NothingYet,
    End,
    /// Something is unusual; so many bytes of the part were taken, and the next line starts there.
    Unusual(u64),
}

/// A file that is cut ahead of whoever takes its lines.
pub(crate) struct Windows(Arc<Shared>);

struct Shared {
    of: Rules,
    count: u64,
    threads: usize,
    runtime: Handle,
    state: Mutex<State>,
    /// The window that is waited for was cut.
    cut: Notify,
    cut_now: Condvar,
    /// A thread reads no more.
    gone: Condvar,
}

struct Rules {
    sizes: Sizes,
    path: PathBuf,
    from: u64,
    length: u64,
    limit: usize,
    separator: Option<u8>,
    strict: bool,
}

struct State {
    /// Gone when nobody wants it any more.
    file: Option<Arc<File>>,
    /// The first window that was not taken, and those behind it; `None` while they are cut.
    first: u64,
    windows: Begun,
    /// What is left of the window that was taken last.
    batches: VecDeque<CutLines>,
    /// Where the next line starts.
    position: u64,
    /// Whether what comes there is not for windows.
    unusual: bool,
    /// Whether waiting for the next window was worth it the last time.
    quick: bool,
    /// How many threads were asked for and have not gone, and how many of them read the file.
    running: usize,
    reading: usize,
    /// For the next thread, and the next batch.
    blocks: Vec<Box<[u8]>>,
    offsets: Vec<Vec<u32>>,
}

/// Windows in order. Counted, so that many files at once do not take memory for each.
#[derive(Default)]
struct Begun(VecDeque<Option<Result<Window, Unusual>>>);

impl Begun {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn begin(&mut self) {
        self.0.push_back(None);
        BEGUN.fetch_add(1, Ordering::Relaxed);
    }

    fn put(&mut self, at: usize, cut: Result<Window, Unusual>) {
        if let Some(place) = self.0.get_mut(at) {
            *place = Some(cut);
        }
    }

    /// The first, if it was cut.
    fn take(&mut self) -> Option<Result<Window, Unusual>> {
        let cut = self.0.front_mut()?.take()?;
        self.0.pop_front();
        BEGUN.fetch_sub(1, Ordering::Relaxed);
        Some(cut)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        BEGUN.fetch_sub(self.len(), Ordering::Relaxed);
    }
}

/// A window that was cut.
struct Window {
    batches: VecDeque<CutLines>,
    /// Where its first line starts and its last ends; `None` where no line starts in it.
    lines: Option<(u64, u64)>,
}

/// Something that is not done here.
struct Unusual;

impl Windows {
    /// Cuts a part of a file. To be called where tasks run.
    pub(crate) fn new(of: WindowsOf) -> Option<Self> {
        Self::sized(of, SIZES)
    }

    /// The same, in windows of some size.
    pub(crate) fn sized(of: WindowsOf, sizes: Sizes) -> Option<Self> {
        let WindowsOf { file, path, from, length, limit, separator, strict } = of;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        // A line that needs more than a batch is unusual.
        let limit = limit.min(sizes.memory);
        let state = State {
            file: Some(file),
            first: 0,
            windows: Begun::default(),
            batches: VecDeque::new(),
            position: 0,
            unusual: false,
            quick: true,
            running: 0,
            reading: 0,
            blocks: Vec::new(),
            offsets: Vec::new(),
        };
        Some(Self(Arc::new(Shared {
            of: Rules { sizes, path, from, length, limit, separator, strict },
            count: length.div_ceil(sizes.window),
            threads: threads.min(sizes.threads),
            runtime: Handle::try_current().ok()?,
            state: Mutex::new(state),
            cut: Notify::new(),
            cut_now: Condvar::new(),
            gone: Condvar::new(),
        })))
    }

    /// The next lines, if they are there.
    pub(crate) fn take(&self) -> Taken {
        let (taken, wanted) = self.0.take(&mut self.0.lock());
        self.0.start(wanted);
        taken
    }

    /// The next lines, if they are there or soon will be. Whoever waits in vain is not made to wait
    /// again before lines came.
    pub(crate) fn take_soon(&self) -> Taken {
        let shared = &self.0;
        let mut state = shared.lock();
        let (mut taken, mut wanted) = shared.take(&mut state);
        if matches!(taken, Taken::NothingYet) && state.quick {
            let began = Instant::now();
            while matches!(taken, Taken::NothingYet) && state.file.is_some() {
                let Some(left) = SHORT_WAIT.checked_sub(began.elapsed()) else { break };
                if wanted > 0 {
                    drop(state);
                    shared.start(wanted);
                    state = shared.lock();
                } else {
                    let waited = shared.cut_now.wait_timeout(state, left);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                (taken, wanted) = shared.take(&mut state);
            }
        }
        state.quick = !matches!(taken, Taken::NothingYet);
        drop(state);
        shared.start(wanted);
        taken
    }

    /// The next lines. At most one may wait for them.
    pub(crate) async fn next(&self) -> Taken {
        let began = Instant::now();
        loop {
            match self.take() {
                Taken::NothingYet => self.0.cut.notified().await,
                taken => {
                    self.0.lock().quick = began.elapsed() < SHORT_WAIT;
                    return taken;
                }
            }
        }
    }

    /// Gives memory back for the offsets of another batch.
    pub(crate) fn reuse_offsets(&self, mut offsets: Vec<u32>) {
        offsets.clear();
        let mut state = self.0.lock();
        if state.offsets.len() < self.0.threads {
            state.offsets.push(offsets);
        }
    }
}

impl Drop for Windows {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.file = None;
        state.batches.clear();
        // So that the file is closed when its reader is gone. Where the file's server is gone,
        // nobody waits for it.
        let waited = self.0.gone.wait_timeout_while(state, PATIENCE, |state| state.reading > 0);
        drop(waited);
    }
}

impl State {
    fn take(&mut self, count: u64) -> Taken {
        loop {
            if let Some(lines) = self.batches.pop_front() {
                return Taken::Lines(lines);
            }
            let position = self.position;
            if self.unusual {
                return Taken::Unusual(position);
            }
            match self.windows.take() {
                None if self.first == count => return Taken::End,
                None => return Taken::NothingYet,
                Some(Ok(Window { lines: None, .. })) => self.first += 1,
                // Somebody may have written to the file, and then windows need not fit.
                Some(Ok(Window { batches, lines: Some((start, end)) })) if start == position => {
                    self.first += 1;
                    self.position = end;
                    self.batches = batches;
                }
                Some(_) => self.unusual = true,
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next window to be cut, if there is room for it.
    fn wanted(&self, state: &State) -> Option<u64> {
        (self.room(state) > 0).then(|| state.first + state.windows.len())
    }

    /// How many windows may be begun.
    fn room(&self, state: &State) -> u64 {
        if state.file.is_none() || state.unusual {
            return 0;
        }
        let begun = state.windows.len();
        let of_all = AHEAD_OF_ALL.saturating_sub(BEGUN.load(Ordering::Relaxed));
        let room = self.most().saturating_sub(begun).min(of_all);
        room.max(u64::from(begun == 0)).min(self.count - state.first - begun)
    }

    /// How many windows are begun at most.
    fn most(&self) -> u64 {
        self.threads as u64 * AHEAD
    }

    /// What there is to take, and how many threads are to be [started](Shared::start) then.
    fn take(&self, state: &mut State) -> (Taken, usize) {
        (state.take(self.count), self.wanted_threads(state))
    }

    /// Counts threads as running that are to be started: once there is work for all of them.
    fn wanted_threads(&self, state: &mut State) -> usize {
        if 2 * state.windows.len() > self.most() {
            return 0;
        }
        let work = self.room(state);
        let most = self.threads.min(usize::try_from(work).unwrap_or(usize::MAX));
        let wanted = most.saturating_sub(state.running);
        state.running += wanted;
        wanted
    }

    /// Starts threads that were counted. Not under the lock: where the runtime takes no more work,
    /// it drops it at once, and then it is counted as gone.
    fn start(self: &Arc<Self>, wanted: usize) {
        // All of them are there before the first is started: those that never are count as gone.
        let leaving = |_| Leaving { shared: Arc::clone(self), number: None, counted: true };
        for leaving in (0..wanted).map(leaving).collect::<Vec<_>>() {
            drop(self.runtime.spawn_blocking(move || leaving.cut_on()));
        }
    }

    /// Puts a window that was cut in its place.
    fn put(&self, state: &mut State, number: u64, cut: Result<Window, Unusual>) {
        let at = number.checked_sub(state.first).map_or(usize::MAX, |at| at as usize);
        state.windows.put(at, cut);
        if at == 0 {
            self.cut.notify_one();
            self.cut_now.notify_one();
        }
        state.reading -= 1;
        self.gone.notify_all();
    }

    fn is_over(&self) -> bool {
        self.lock().file.is_none()
    }
}

/// A thread that is there, or will be. What it leaves undone is unusual.
struct Leaving {
    shared: Arc<Shared>,
    /// The window it cuts.
    number: Option<u64>,
    /// Whether it still is one of those that run.
    counted: bool,
}

impl Leaving {
    /// Cuts windows as long as there is room for them, and somebody who wants them.
    fn cut_on(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        let mut block =
            state.blocks.pop().unwrap_or_else(|| vec![0; shared.of.sizes.block].into_boxed_slice());
        while let (Some(number), Some(file)) = (shared.wanted(&state), state.file.clone()) {
            state.windows.begin();
            state.reading += 1;
            let offsets = state.offsets.pop().unwrap_or_default();
            drop(state);
            self.number = Some(number);
            let cutting = Cutting { shared: &shared, file: &file, block: &mut block };
            let cut = cutting.cut(number, offsets);
            drop(file);
            state = shared.lock();
            self.number = None;
            shared.put(&mut state, number, cut);
        }
        state.blocks.push(block);
        // Under the lock under which there was no room: whoever makes room next asks for threads,
        // and must not count on this one.
        state.running -= 1;
        self.counted = false;
        drop(state);
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        let mut state = self.shared.lock();
        if let Some(number) = self.number {
            self.shared.put(&mut state, number, Err(Unusual));
        }
        state.running -= 1;
    }
}

/// A thread at its work.
struct Cutting<'a> {
    shared: &'a Shared,
    file: &'a File,
    block: &'a mut [u8],
}

impl Cutting<'_> {
    /// Fills the first bytes of the block from a place of the part.
    fn read(&mut self, at: u64, length: usize) -> Result<&[u8], Unusual> {
        let Rules { path, from, .. } = &self.shared.of;
        let mut filled = 0;
        while filled < length {
            let room = self.block.get_mut(filled..length).ok_or(Unusual)?;
            filled +=
                read_at(self.file, path, room, from + at + filled as u64).map_err(|_| Unusual)?;
        }
        self.block.get(..length).ok_or(Unusual)
    }

    fn cut(mut self, number: u64, offsets: Vec<u32>) -> Result<Window, Unusual> {
        let Rules { sizes, length, limit, separator, strict, .. } = self.shared.of;
        let Sizes { window, memory, block, behind, .. } = sizes;
        let start = number * window;
        let end = (start + window).min(length);
        let least = |left: u64| usize::try_from(left).map_or(block, |left| left.min(block));
        let mut lines = Lines {
            splitter: LineSplitter::new(limit),
            memory,
            separator,
            strict,
            draft: None,
            filled: 0,
            offsets,
            done: VecDeque::new(),
        };
        // A line starts behind a line feed, or where all of it does.
        let mut first =
            if number == 0 || self.read(start - 1, 1)? == b"\n" { Some(start) } else { None };
        let mut at = start;
        while at < end {
            if self.shared.is_over() {
                return Err(Unusual);
            }
            let mut chunk = self.read(at, least(end - at))?;
            let next = at + chunk.len() as u64;
            if at == 0 && separator.is_some() {
                chunk = chunk.strip_prefix(&MARK).unwrap_or(chunk);
            }
            if first.is_none()
                && let Some(line_feed) = memchr::memchr(b'\n', chunk)
            {
                first = Some(at + line_feed as u64 + 1);
                chunk = chunk.get(line_feed + 1..).unwrap_or_default();
            }
            if first.is_some() {
                lines.push(chunk)?;
            }
            at = next;
        }
        let Some(first) = first.filter(|first| *first < end) else {
            return Ok(Window { batches: VecDeque::new(), lines: None });
        };
        let mut step = behind;
        while lines.splitter.is_open() {
            let chunk = self.read(at, step.min(least(length - at)))?;
            match memchr::memchr(b'\n', chunk) {
                _ if chunk.is_empty() => lines.finish()?,
                Some(line_feed) => {
                    at += line_feed as u64 + 1;
                    lines.push(chunk.get(..=line_feed).unwrap_or_default())?;
                }
                None => {
                    at += chunk.len() as u64;
                    lines.push(chunk)?;
                }
            }
            step = (2 * step).min(block);
        }
        lines.flush()?;
        let mut batches = lines.done;
        batches.iter_mut().for_each(|batch| batch.taken = at);
        Ok(Window { batches, lines: Some((first, at)) })
    }
}

/// The lines of a window on their way into batches.
struct Lines {
    splitter: LineSplitter,
    memory: usize,
    separator: Option<u8>,
    strict: bool,
    draft: Option<Draft>,
    filled: usize,
    offsets: Vec<u32>,
    done: VecDeque<CutLines>,
}

impl Lines {
    fn push(&mut self, mut chunk: &[u8]) -> Result<(), Unusual> {
        while let Some(taken) =
            self.put(|splitter, batch| splitter.push(chunk, batch).map_err(|_| Unusual))?
        {
            chunk = chunk.get(taken..).unwrap_or_default();
            self.flush()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Unusual> {
        while self.put(|splitter, batch| splitter.finish(batch).map_err(|_| Unusual))?.is_some() {
            self.flush()?;
        }
        Ok(())
    }

    /// Puts lines into the batch. How many bytes were taken where it is full.
    fn put(
        &mut self,
        push: impl FnOnce(&mut LineSplitter, &mut Batch<'_>) -> Result<Pushed, Unusual>,
    ) -> Result<Option<usize>, Unusual> {
        let draft = match &mut self.draft {
            Some(draft) => draft,
            none => none.insert(Draft::recycled(self.memory, Vec::new()).map_err(|_| Unusual)?),
        };
        let room = draft.bytes_mut().get_mut(self.filled..).unwrap_or_default();
        let mut batch = Batch::new(room, &mut self.offsets, self.separator);
        let pushed = push(&mut self.splitter, &mut batch)?;
        self.filled += batch.filled();
        match pushed {
            Pushed::All => Ok(None),
            Pushed::Full(taken) => Ok(Some(taken)),
            Pushed::Needs(..) => Err(Unusual),
        }
    }

    /// Ends a batch, if it has lines.
    fn flush(&mut self) -> Result<(), Unusual> {
        let (bytes, offsets) = (self.filled, std::mem::take(&mut self.offsets));
        if offsets.len() < 2 {
            self.offsets = offsets;
            return Ok(());
        }
        self.filled = 0;
        let text = self.draft.as_ref().and_then(|draft| draft.bytes().get(..bytes));
        let text = text.unwrap_or_default();
        if self.strict && std::str::from_utf8(text).is_err() {
            return Err(Unusual);
        }
        let buffer = if 2 * bytes >= self.memory {
            self.draft.take().map(|draft| draft.finish_short(bytes))
        } else if bytes > 0 {
            // A small copy: few lines must not pin large memory.
            let mut copy = Draft::recycled(bytes, Vec::new()).map_err(|_| Unusual)?;
            copy.bytes_mut().copy_from_slice(text);
            Some(copy.finish())
        } else {
            None
        };
        self.done.push_back(CutLines { buffer, bytes, offsets, taken: 0 });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Runtime;

    use super::*;

    struct Made {
        file: Arc<File>,
        path: PathBuf,
        length: u64,
    }

    impl Drop for Made {
        fn drop(&mut self) {
            std::fs::remove_file(&self.path).unwrap();
        }
    }

    fn made(name: &str, bytes: &[u8]) -> Made {
        let name = format!("dipper-windows-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        let file = Arc::new(File::open(&path).unwrap());
        Made { file, path, length: bytes.len() as u64 }
    }

    fn windows(of: &Made, from: u64, limit: usize, text: Option<bool>) -> Windows {
        sized(of, from, limit, text, SIZES)
    }

    fn sized(of: &Made, from: u64, limit: usize, text: Option<bool>, sizes: Sizes) -> Windows {
        let of = WindowsOf {
            file: Arc::clone(&of.file),
            path: of.path.clone(),
            from,
            length: of.length - from,
            limit,
            separator: text.map(|_| b'\n'),
            strict: text == Some(true),
        };
        Windows::sized(of, sizes).unwrap()
    }

    /// All lines, and where something was unusual.
    fn read(runtime: &Runtime, windows: &Windows, text: bool) -> (Vec<Vec<u8>>, Option<u64>) {
        let mut lines = Vec::new();
        loop {
            match runtime.block_on(windows.next()) {
                Taken::Lines(CutLines { buffer, bytes, offsets, .. }) => {
                    let bytes = match &buffer {
                        Some(buffer) => &buffer.memory().as_ref()[..bytes],
                        None => &[],
                    };
                    for (index, ends) in offsets.windows(2).enumerate() {
                        let start = ends[0] as usize + usize::from(text && index > 0);
                        lines.push(bytes[start..ends[1] as usize].to_vec());
                    }
                    windows.reuse_offsets(offsets);
                }
                Taken::NothingYet => unreachable!(),
                Taken::End => return (lines, None),
                Taken::Unusual(at) => return (lines, Some(at)),
            }
        }
    }

    fn plain(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let last = parts.pop().filter(|last| !last.is_empty());
        let lines = parts.iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        lines.chain(last).map(<[u8]>::to_vec).collect()
    }

    /// Lines of up to so many bytes, with all kinds of ends.
    fn random(length: usize, longest: u32, mut state: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let line = (state >> 8) % (longest + 1);
            bytes.extend((0..line).map(|at| b'a' + (at % 26) as u8));
            bytes
                .extend_from_slice([&b"\n"[..], b"\r\n", b"\n\n", b"\r\r\n"][state as usize >> 30]);
        }
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn lines_are_those_of_a_plain_split_wherever_windows_end() {
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        for (number, longest) in [(0, 100), (1, 3), (2, 70_000), (3, 900_000)] {
            let length = 4 * WINDOW as usize + number * 12_345;
            let bytes = random(length, longest, number as u32);
            let of = made(&format!("split-{number}"), &bytes);
            for text in [None, Some(true)] {
                for from in [0, 1, 7777] {
                    let windows = windows(&of, from, usize::MAX, text);
                    let (lines, unusual) = read(&runtime, &windows, text.is_some());
                    assert!(lines == plain(&bytes[from as usize..]), "{longest} {from}");
                    assert_eq!(unusual, None);
                }
            }
        }
    }

    #[test]
    fn a_line_may_end_wherever_a_window_does() {
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        for around in -3_i64..=3 {
            for end in [&b"\n"[..], b"\r\n", b"\n\n"] {
                let mut bytes = random((WINDOW as i64 + around) as usize, 50, 9);
                bytes.extend_from_slice(end);
                bytes.extend(random(WINDOW as usize, 50, 10));
                let of = made("ends", &bytes);
                let (lines, unusual) = read(&runtime, &windows(&of, 0, usize::MAX, None), false);
                assert!(lines == plain(&bytes) && unusual.is_none(), "{around} {end:?}");
            }
        }
    }

    #[test]
    fn many_lines_without_bytes_are_batches_of_their_own() {
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        let bytes = vec![b'\n'; 2 * WINDOW as usize + 3];
        let of = made("empty", &bytes);
        let windows = windows(&of, 0, 10, Some(true));
        let (lines, unusual) = read(&runtime, &windows, true);
        assert_eq!((lines.len(), unusual), (bytes.len(), None));
        assert!(lines.iter().all(Vec::is_empty));
    }

    #[test]
    fn what_is_unusual_is_told_where_its_line_starts() {
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        let usual = random(5 * WINDOW as usize, 90, 1);
        let start = 3 * WINDOW as usize + 17;
        let before = plain(&usual[..start]).len();
        let mut long = usual[..start].to_vec();
        long.push(b'\n');
        let place = long.len();
        long.extend(vec![b'x'; 101]);
        long.push(b'\n');
        long.extend_from_slice(&usual);
        let mut torn = usual[..start].to_vec();
        torn.extend_from_slice(b"\n\xff\n");
        torn.extend_from_slice(&usual);
        for (name, bytes, limit) in [("long", &long, 100), ("torn", &torn, usize::MAX)] {
            let of = made(name, bytes);
            let (lines, unusual) = read(&runtime, &windows(&of, 0, limit, Some(true)), true);
            let at = unusual.unwrap();
            // The windows before are whole.
            assert!(at <= place as u64 && at > 2 * WINDOW && lines.len() <= before + 1);
            assert!(lines == plain(&bytes[..at as usize]), "{name}");
        }
        // Bytes are not looked at, and neither is text that is not to be strict.
        let of = made("lax", &torn);
        for text in [None, Some(false)] {
            let (lines, unusual) =
                read(&runtime, &windows(&of, 0, usize::MAX, text), text.is_some());
            assert!(lines == plain(&torn) && unusual.is_none());
        }
    }

    #[test]
    fn a_file_that_ends_sooner_is_unusual() {
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        let bytes = random(3 * WINDOW as usize, 90, 2);
        let mut of = made("short", &bytes);
        of.length += 1;
        let (lines, unusual) = read(&runtime, &windows(&of, 0, usize::MAX, None), false);
        let at = unusual.unwrap() as usize;
        assert!(at >= WINDOW as usize && lines == plain(&bytes[..at]));
    }

    #[test]
    fn the_mark_at_the_start_of_text_is_left_out() {
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        let mut bytes = MARK.to_vec();
        bytes.extend(random(3 * WINDOW as usize, 90, 3));
        let of = made("mark", &bytes);
        for (text, skipped) in [(None, 0), (Some(true), 3), (Some(false), 3)] {
            let (lines, _) = read(&runtime, &windows(&of, 0, usize::MAX, text), text.is_some());
            assert!(lines == plain(&bytes[skipped..]));
        }
    }

    #[test]
    fn only_so_much_is_cut_ahead_and_the_file_is_let_go_of_at_once() {
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        let bytes = random(40 * WINDOW as usize, 90, 4);
        let of = made("let-go", &bytes);
        for taken in 0..20 {
            let windows = windows(&of, 0, usize::MAX, None);
            for _ in 0..taken {
                assert!(matches!(runtime.block_on(windows.next()), Taken::Lines(_)));
            }
            let most = windows.0.most();
            assert!(windows.0.lock().windows.len() <= most);
            drop(windows);
            assert_eq!(Arc::strong_count(&of.file), 1);
        }
    }

    #[test]
    fn many_files_share_what_is_cut_ahead_and_all_of_them_end() {
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        let bytes = random(64 << 10, 20, 8);
        let lines = plain(&bytes).len();
        let of = made("many", &bytes);
        let sizes = Sizes { memory: 256, threads: 4, ..TINY };
        let all: Vec<_> = (0..200).map(|_| sized(&of, 0, usize::MAX, None, sizes)).collect();
        for windows in &all {
            assert!(!matches!(windows.take(), Taken::End | Taken::Unusual(_)));
        }
        std::thread::sleep(Duration::from_millis(200));
        // Each begins one, and more as long as there is room, which threads may find at once.
        let begun: u64 = all.iter().map(|windows| windows.0.lock().windows.len()).sum();
        assert!(begun <= AHEAD_OF_ALL + 2 * 200, "{begun}");
        for windows in all {
            assert_eq!(runtime.block_on(count(&windows)), lines);
        }
    }

    /// So small that they are cut in no time, by a thread that comes and goes all the time.
    const TINY: Sizes = Sizes { window: 64, memory: 128, block: 64, behind: 16, threads: 1 };

    #[test]
    fn who_takes_all_at_once_while_the_threads_leave_is_not_forgotten() {
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        let sizes = Sizes { memory: 256, threads: 4, ..TINY };
        let bytes = random(64 << 10, 20, 5);
        let of = made("leaving", &bytes);
        for round in 0..200 {
            let windows = sized(&of, 0, usize::MAX, None, sizes);
            let most = windows.0.most();
            loop {
                match runtime.block_on(async {
                    tokio::time::timeout(Duration::from_secs(20), windows.next()).await
                }) {
                    Ok(Taken::Lines(_)) => {}
                    Ok(Taken::End) => break,
                    Ok(_) => unreachable!(),
                    Err(_) => panic!("nobody cuts any more, in round {round}"),
                }
                // Until all threads find no room: from here to the next wait all of it is taken.
                for _ in 0..10_000 {
                    let state = windows.0.lock();
                    let idle = state.reading == 0;
                    if idle && (state.windows.len() == most || state.running == 0) {
                        break;
                    }
                }
                while matches!(windows.take(), Taken::Lines(_)) {}
            }
        }
    }

    /// Counts all lines, and fails where none come for long.
    async fn count(windows: &Windows) -> usize {
        let mut lines = 0;
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), windows.next());
            match next.await.expect("lines come within seconds") {
                Taken::Lines(CutLines { offsets, .. }) => {
                    lines += offsets.len() - 1;
                    windows.reuse_offsets(offsets);
                }
                Taken::NothingYet | Taken::Unusual(_) => unreachable!(),
                Taken::End => return lines,
            }
        }
    }

    #[test]
    fn nobody_waits_for_threads_that_are_leaving() {
        // Many at once, so that threads are stopped anywhere.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
        let runtime = runtime.unwrap();
        let bytes = random(2 << 20, 20, 5);
        let lines = plain(&bytes).len();
        let of = Arc::new(made("leaving-many", &bytes));
        let readers: Vec<_> = (0..16)
            .map(|_| {
                let of = Arc::clone(&of);
                runtime.spawn(async move {
                    let windows = sized(&of, 0, usize::MAX, None, TINY);
                    count(&windows).await
                })
            })
            .collect();
        for reader in readers {
            assert_eq!(runtime.block_on(reader).unwrap(), lines);
        }
    }

    #[test]
    fn files_share_what_threads_there_are() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let bytes = random(6 * WINDOW as usize, 90, 6);
        let lines = plain(&bytes).len();
        let of = Arc::new(made("shared", &bytes));
        let (begin, waits) = std::sync::mpsc::channel::<()>();
        // The only thread has something else to do until all have asked for it.
        let busy = runtime.spawn_blocking(move || waits.recv());
        let readers: Vec<_> = (0..5)
            .map(|_| {
                let of = Arc::clone(&of);
                runtime.spawn(async move {
                    let windows = windows(&of, 0, usize::MAX, None);
                    // One that nobody takes from does not keep the thread.
                    let idle = self::windows(&of, 0, usize::MAX, None);
                    drop(idle.take());
                    count(&windows).await
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(50));
        begin.send(()).unwrap();
        runtime.block_on(busy).unwrap().unwrap();
        for reader in readers {
            assert_eq!(runtime.block_on(reader).unwrap(), lines);
        }
    }

    #[test]
    fn a_runtime_that_is_gone_starts_no_threads() {
        let runtime = Runtime::new().unwrap();
        let bytes = random(3 * WINDOW as usize, 90, 7);
        let of = made("gone", &bytes);
        let windows = {
            let _inside = runtime.enter();
            windows(&of, 0, usize::MAX, None)
        };
        drop(runtime);
        assert!(matches!(windows.take_soon(), Taken::NothingYet));
        assert_eq!(windows.0.lock().running, 0);
    }
}
