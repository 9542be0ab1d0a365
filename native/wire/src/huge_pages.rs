//! Whether fresh memory comes in pages of 2 MiB.
//!
//! Filling fresh memory is three times as fast with them, because there are fewer faults
//! (`benches/fresh_memory.rs`). Not everywhere: a virtual machine that tells its host of free
//! memory loses just the blocks that huge pages are made of. Each then costs hundreds of
//! faults in the host, more than small pages cost altogether. Which of the two holds can only
//! be seen by filling. So whoever fills a fresh map tells when a block is entered, the fault
//! of its first byte is timed, and when huge pages turn out to be dear, the rest of the map,
//! and all maps of the next seconds, do with small ones.
//!
//! A kernel without huge pages, or that refuses them, gives small ones all the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use memmap2::MmapMut;

const HUGE_PAGE: usize = 2 << 20;

/// Below two huge pages a map may hold no aligned one.
const HUGE_FROM: usize = 2 * HUGE_PAGE;

/// As long as the faults of small pages take for as many bytes. A huge page that is at hand
/// takes a quarter of it.
const SLOW: Duration = Duration::from_micros(800);

/// So many more slow ones than fast ones are no accident. A single one may be: the thread had
/// to wait for a processor.
const DEAR_FROM: u32 = 3;

/// After that time they are tried again.
const DEAR_FOR: Duration = Duration::from_secs(2);

static JUDGE: Mutex<Judge> = Mutex::new(Judge { slow: 0, dear_until: None });

/// What was seen lately, in any map: what is dear in one is dear in the others.
struct Judge {
    /// How many more blocks were slow than fast.
    slow: u32,
    dear_until: Option<Instant>,
}

impl Judge {
    fn are_dear(&self, now: Instant) -> bool {
        self.dear_until.is_some_and(|until| now < until)
    }

    fn saw(&mut self, took: Duration, now: Instant) {
        self.slow = if took > SLOW { self.slow + 1 } else { self.slow.saturating_sub(1) };
        if self.slow >= DEAR_FROM {
            self.dear_until = Some(now + DEAR_FOR);
            // One more slow one at the next trial is enough.
            self.slow = DEAR_FROM - 1;
        }
    }
}

/// The huge pages of one map.
pub(crate) struct HugePages {
    /// They were asked for, and each block's first fault is timed.
    watched: AtomicBool,
}

impl HugePages {
    /// For a map whose pages are all there, or small.
    pub(crate) fn none() -> Self {
        Self { watched: AtomicBool::new(false) }
    }

    /// Asks for huge pages in a map that is going to be filled: the first byte written to a
    /// page makes all of it resident.
    pub(crate) fn ask(map: &MmapMut) -> Self {
        let asked = map.len() >= HUGE_FROM && !judge(|judge| judge.are_dear(Instant::now()));
        Self { watched: AtomicBool::new(asked && advise(map, true)) }
    }

    /// Somebody is about to fill `room`, a part of the map that is theirs alone; `block` is the
    /// last that they entered, at first `usize::MAX`. Answers how much of it they may fill
    /// now: to the end of a block, so that the next one is entered at its start. There its
    /// first byte is written, and timed.
    pub(crate) fn enter(&self, map: &MmapMut, room: &mut [u8], block: &mut usize) -> usize {
        if !self.watched.load(Ordering::Relaxed) {
            return room.len();
        }
        let address = room.as_ptr() as usize;
        let (here, within) = (address / HUGE_PAGE, address % HUGE_PAGE);
        if within == 0
            && *block != here
            && let Some(first) = room.first_mut()
        {
            *block = here;
            let start = Instant::now();
            *first = 0;
            let now = Instant::now();
            let dear = judge(|judge| {
                judge.saw(now - start, now);
                judge.are_dear(now)
            });
            if dear && self.watched.swap(false, Ordering::Relaxed) {
                advise(map, false);
            }
        }
        room.len().min(HUGE_PAGE - within)
    }
}

fn judge<R>(look: impl FnOnce(&mut Judge) -> R) -> R {
    // Plain numbers: whoever panicked left nothing half done.
    look(&mut JUDGE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Asks for the small pages of a map at once, for who fills it now. An older kernel does not know
/// that, and gives each when it is touched.
pub(crate) fn bring(map: &MmapMut, length: usize) {
    #[cfg(target_os = "linux")]
    if map.len() < HUGE_FROM {
        let _ = map.advise_range(memmap2::Advice::PopulateWrite, 0, length);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (map, length);
}

/// Whether the kernel takes it.
fn advise(map: &MmapMut, huge: bool) -> bool {
    #[cfg(target_os = "linux")]
    {
        use memmap2::Advice;
        map.advise(if huge { Advice::HugePage } else { Advice::NoHugePage }).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (map, huge);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_blocks_make_them_dear_for_a_while_and_single_ones_do_not() {
        let mut judge = Judge { slow: 0, dear_until: None };
        let (fast, slow) = (SLOW / 4, SLOW * 4);
        let start = Instant::now();
        for _ in 0..50 {
            judge.saw(fast, start);
            judge.saw(slow, start);
        }
        assert!(!judge.are_dear(start));
        judge.saw(slow, start);
        judge.saw(slow, start);
        judge.saw(slow, start);
        assert!(judge.are_dear(start) && judge.are_dear(start + DEAR_FOR / 2));
        let later = start + DEAR_FOR;
        assert!(!judge.are_dear(later));
        judge.saw(slow, later);
        assert!(judge.are_dear(later));
        let again = later + DEAR_FOR;
        judge.saw(fast, again);
        judge.saw(slow, again);
        assert!(!judge.are_dear(again), "they are at hand again");
    }

    #[test]
    fn a_block_is_entered_once_at_its_start_and_filled_to_its_end() {
        let mut map = MmapMut::map_anon(4 * HUGE_PAGE).unwrap();
        let start = (map.as_ptr() as usize).next_multiple_of(HUGE_PAGE) - map.as_ptr() as usize;
        let other = MmapMut::map_anon(1).unwrap();
        map.fill(7);
        let pages = HugePages { watched: AtomicBool::new(true) };
        let mut block = usize::MAX;
        let mut enter = |map: &mut MmapMut, from: usize| {
            let room = &mut map[start + from..];
            let length = pages.enter(&other, room, &mut block);
            let first = std::mem::replace(&mut room[0], 7);
            (length, first)
        };
        assert_eq!(enter(&mut map, 5), (HUGE_PAGE - 5, 7), "it was entered before");
        assert_eq!(enter(&mut map, HUGE_PAGE), (HUGE_PAGE, 0));
        assert_eq!(enter(&mut map, HUGE_PAGE), (HUGE_PAGE, 7), "nothing had come");
        assert_eq!(enter(&mut map, 2 * HUGE_PAGE - 1), (1, 7));
        assert_eq!(enter(&mut map, 2 * HUGE_PAGE).1, 0);
        assert_eq!(pages.enter(&other, &mut [], &mut block), 0);
        let whole = map.len();
        assert_eq!(HugePages::none().enter(&other, &mut map, &mut usize::MAX.clone()), whole);
    }
}
