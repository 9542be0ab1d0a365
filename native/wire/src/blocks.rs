//! Recycled memory of small results.
//!
//! A small result is allocated on a thread of the runtime and freed by the engine's
//! collector on another: the way that a general allocator likes least. So the blocks of
//! finished results are kept for the next ones, by classes that double, within a bound.
//! There is no `unsafe` here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Allocation;
use crate::allocation::Line;

/// The smallest class, in bytes. Below, the allocator is as good.
const SMALLEST: usize = 2048;
/// 2 KiB, 4 KiB, … 128 KiB.
const CLASSES: usize = 7;
/// All classes together keep no more, in bytes.
const LIMIT: usize = 16 << 20;

/// Blocks that wait, for each class.
pub(crate) struct Blocks {
    free: [Mutex<Vec<Vec<Line>>>; CLASSES],
    bytes: AtomicUsize,
    limit: AtomicUsize,
    /// Counts what was taken and given.
    uses: AtomicUsize,
    uses_seen: AtomicUsize,
}

static BLOCKS: Blocks = Blocks::new(0);

/// The blocks of this process.
pub(crate) const fn blocks() -> &'static Blocks {
    &BLOCKS
}

/// A block that goes back to where it came from.
pub(crate) struct Block {
    from: &'static Blocks,
    lines: Vec<Line>,
}

fn class_of(length: usize) -> Option<usize> {
    let size = length.checked_next_power_of_two()?.max(SMALLEST);
    let class = (size / SMALLEST).trailing_zeros() as usize;
    (class < CLASSES).then_some(class)
}

fn lock(free: &Mutex<Vec<Vec<Line>>>) -> MutexGuard<'_, Vec<Vec<Line>>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Blocks {
    const fn new(limit: usize) -> Self {
        Self {
            free: [const { Mutex::new(Vec::new()) }; CLASSES],
            bytes: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            uses: AtomicUsize::new(0),
            uses_seen: AtomicUsize::new(0),
        }
    }

    /// At least `length` bytes of unspecified content; `None` where no class is that large,
    /// or the system has no memory.
    pub(crate) fn take(&'static self, length: usize) -> Option<Block> {
        let class = class_of(length)?;
        self.uses.fetch_add(1, Ordering::Relaxed);
        let size = SMALLEST << class;
        let kept = lock(self.free.get(class)?).pop();
        let lines = match kept {
            Some(lines) => {
                self.bytes.fetch_sub(size, Ordering::Relaxed);
                lines
            }
            None => {
                let count = size / Allocation::ALIGNMENT;
                let mut lines = Vec::new();
                lines.try_reserve_exact(count).ok()?;
                lines.resize(count, Line::ZERO);
                lines
            }
        };
        Some(Block { from: self, lines })
    }

    fn give(&self, lines: Vec<Line>) {
        let size = lines.len() * Allocation::ALIGNMENT;
        let Some(free) = class_of(size).and_then(|class| self.free.get(class)) else { return };
        if self.bytes.fetch_add(size, Ordering::Relaxed) + size > self.limit.load(Ordering::Relaxed)
        {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            return;
        }
        lock(free).push(lines);
    }

    /// Whether nobody took any since this was last asked.
    pub(crate) fn were_idle(&self) -> bool {
        let uses = self.uses.load(Ordering::Relaxed);
        self.uses_seen.swap(uses, Ordering::Relaxed) == uses
    }

    /// How many bytes may wait, as far as all classes together may keep any more.
    pub(crate) fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes.min(LIMIT), Ordering::Relaxed);
        if self.bytes() > bytes {
            self.drain();
        }
    }

    /// How many bytes wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Gives all that waits back to the allocator. Answers how many bytes that was.
    pub(crate) fn drain(&self) -> usize {
        let mut drained = 0;
        for free in &self.free {
            let blocks = std::mem::take(&mut *lock(free));
            drained +=
                blocks.iter().map(|lines| lines.len() * Allocation::ALIGNMENT).sum::<usize>();
        }
        self.bytes.fetch_sub(drained, Ordering::Relaxed);
        drained
    }
}

impl Block {
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(crate) fn lines_mut(&mut self) -> &mut [Line] {
        &mut self.lines
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.from.give(std::mem::take(&mut self.lines));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_double() {
        assert_eq!(class_of(1), Some(0));
        assert_eq!(class_of(2048), Some(0));
        assert_eq!(class_of(2049), Some(1));
        assert_eq!(class_of(128 << 10), Some(6));
        assert_eq!(class_of((128 << 10) + 1), None);
        assert_eq!(class_of(usize::MAX), None);
    }

    #[test]
    fn blocks_come_back_within_the_limit() {
        static OWN: Blocks = Blocks::new(40 << 10);
        let mut block = OWN.take(16_000).unwrap();
        let address = block.lines().as_ptr();
        assert_eq!(address as usize % Allocation::ALIGNMENT, 0);
        assert_eq!(block.lines_mut().len() * Allocation::ALIGNMENT, 16 << 10);
        drop(block);
        assert_eq!(OWN.bytes(), 16 << 10);
        let again = OWN.take(9000).unwrap();
        assert_eq!((again.lines().as_ptr(), OWN.bytes()), (address, 0));
        let others: Vec<Block> = (0..3).filter_map(|_| OWN.take(16_000)).collect();
        drop((again, others));
        assert_eq!(OWN.bytes(), 32 << 10);
        assert_eq!((OWN.drain(), OWN.bytes()), (32 << 10, 0));
        assert!(OWN.take(1 << 20).is_none());
    }

    #[test]
    fn threads_take_and_give_at_once() {
        static OWN: Blocks = Blocks::new(1 << 20);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for length in 1..2000 {
                        drop(OWN.take(length * 30));
                    }
                });
            }
        });
        let kept = OWN.bytes();
        assert!(kept <= 1 << 20);
        assert_eq!(OWN.drain(), kept);
    }
}
