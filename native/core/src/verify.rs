//! Seeing that the bytes are those that were stored.
//!
//! A checksum of the whole object comes with a HEAD beside the first range, or with the
//! head of an undivided answer. CRCs combine, so each part is summed while it arrives, in
//! whatever order. SHA does not combine: it follows the download in order, and only when
//! `checksums` is `full`. A composite checksum (`…-N`) is a checksum of the checksums of
//! N parts; the size of the first tells where the others start.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use dipper_wire::{Expected, InOrder, Piece, Piecewise, Slot};

use crate::metrics::Meter;
use crate::origin::{Origin, Told};
use crate::{Checksums, Error, Status};

/// What must come out, and how it is cut.
#[derive(Debug)]
struct Goal {
    expected: Expected,
    /// The size of a part of a composite checksum.
    block: Option<u64>,
    size: u64,
    etag: Option<String>,
}

impl Goal {
    /// Whether the checksum belongs to the version that was read. The object may have been
    /// replaced between the two questions.
    fn is_about(&self, etag: Option<&str>) -> bool {
        self.etag.as_deref() == etag
    }
}

/// The verification of one whole object.
pub(crate) struct Verification {
    how: Checksums,
    /// Set once: `None` when there is nothing to verify with.
    goal: OnceLock<Option<Goal>>,
    sums: Mutex<Sums>,
}

#[derive(Default)]
struct Sums {
    pieces: Option<Piecewise>,
    /// Finished parts by their start, kept until all is summed.
    finished: BTreeMap<usize, (Slot, Option<Piece>)>,
    in_order: Option<InOrder>,
    /// How far the sum in order is.
    reached: usize,
}

impl Verification {
    pub(crate) fn new(how: Checksums) -> Self {
        Self { how, goal: OnceLock::new(), sums: Mutex::default() }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.how != Checksums::Off && self.goal.get().is_none()
    }

    /// Nothing will be verified.
    pub(crate) fn give_up(&self) {
        let _ = self.goal.set(None);
    }

    /// Learns the checksum from what a head told of an object of `size` bytes. Asks for the
    /// size of a part where that is needed.
    pub(crate) async fn learn(&self, origin: &Origin, told: Told, size: u64, meter: &Meter) {
        let goal = self.goal_of(origin, told, size, meter).await;
        let _ = self.goal.set(goal);
    }

    async fn goal_of(&self, origin: &Origin, told: Told, size: u64, meter: &Meter) -> Option<Goal> {
        let expected = told.expected?;
        if !expected.algorithm.combines() && self.how != Checksums::Full {
            return None;
        }
        let block = match expected.parts {
            None => None,
            Some(1) => Some(size.max(1)),
            Some(parts) => {
                let first = origin.head(Some(1), meter).await.ok()?;
                let same = first.stat.etag == told.stat.etag;
                let block = first.length.filter(|block| same && *block > 0)?;
                if size.div_ceil(block) != u64::from(parts) {
                    return None;
                }
                Some(block)
            }
        };
        Some(Goal { expected, block, size, etag: told.stat.etag })
    }

    /// A sum for a part that starts at `start`, if it is known by now what to sum.
    pub(crate) fn piece(&self, start: u64) -> Option<Piece> {
        let goal = self.goal.get()?.as_ref()?;
        if !goal.expected.algorithm.combines() {
            return None;
        }
        Some(self.pieces(goal, &mut self.lock()).piece(start))
    }

    fn pieces<'a>(&self, goal: &Goal, sums: &'a mut Sums) -> &'a mut Piecewise {
        sums.pieces
            .get_or_insert_with(|| Piecewise::new(goal.expected.algorithm, goal.size, goal.block))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a part that is complete. A sum in order goes on, as far as it can.
    pub(crate) fn finished(&self, slot: Slot, piece: Option<Piece>) {
        let mut sums = self.lock();
        sums.finished.insert(slot.start(), (slot, piece));
        if let Some(Some(goal)) = self.goal.get()
            && !goal.expected.algorithm.combines()
        {
            follow(goal, &mut sums);
        }
    }

    /// Compares, once all parts are finished. The slots are let go of.
    ///
    /// # Errors
    /// `ChecksumMismatch`.
    pub(crate) async fn conclude(
        self,
        origin: &Origin,
        etag: Option<&str>,
        length: u64,
        meter: &Meter,
    ) -> Result<(), Error> {
        let mut sums = self.sums.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Some(Some(goal)) = self.goal.get() else { return Ok(()) };
        if !goal.is_about(etag) {
            return Ok(());
        }
        if goal.size != length {
            return Err(damaged());
        }
        let digest = if goal.expected.algorithm.combines() {
            let mut pieces = sums
                .pieces
                .take()
                .unwrap_or_else(|| Piecewise::new(goal.expected.algorithm, goal.size, goal.block));
            for (slot, piece) in sums.finished.values_mut() {
                let start = slot.start();
                let mut piece = piece.take().unwrap_or_else(|| pieces.piece(start as u64));
                // What came before it was known what to sum.
                let summed = usize::try_from(piece.offset()).unwrap_or(usize::MAX);
                let _ = slot.read(summed.saturating_sub(start), |bytes| piece.update(bytes));
                pieces.add(piece);
            }
            pieces.finish()
        } else {
            follow(goal, &mut sums);
            let complete = sums.reached as u64 == goal.size;
            sums.in_order.take().filter(|_| complete).map(InOrder::finish)
        };
        let Some(digest) = digest else { return Ok(()) };
        if digest == goal.expected.digest || composed(goal, &sums, origin, meter).await {
            meter.verified(goal.expected.algorithm);
            return Ok(());
        }
        if goal.block.is_some() && !has_even_parts(goal, origin, meter).await {
            // Nobody can tell what the parts were: nothing is verified.
            return Ok(());
        }
        Err(damaged())
    }
}

/// The sum in order, as far as the parts are there without a gap.
fn follow(goal: &Goal, sums: &mut Sums) {
    let mut sum =
        sums.in_order.take().unwrap_or_else(|| InOrder::new(goal.expected.algorithm, goal.block));
    while let Some((slot, _)) = sums.finished.get(&sums.reached) {
        if slot.is_empty() || slot.read(0, |bytes| sum.update(bytes)).is_err() {
            break;
        }
        sums.reached += slot.len();
    }
    sums.in_order = Some(sum);
}

/// The sizes of the parts of a multipart object, one after the other.
async fn sizes_of_parts(goal: &Goal, origin: &Origin, meter: &Meter) -> Option<Vec<u64>> {
    let parts = goal.expected.parts?;
    let mut sizes = Vec::new();
    for part in 1..=parts {
        sizes.push(origin.head(Some(part), meter).await.ok()?.length?);
    }
    (sizes.iter().sum::<u64>() == goal.size).then_some(sizes)
}

async fn has_even_parts(goal: &Goal, origin: &Origin, meter: &Meter) -> bool {
    let Some(sizes) = sizes_of_parts(goal, origin, meter).await else { return false };
    let Some((last, others)) = sizes.split_last() else { return false };
    others.iter().all(|size| Some(*size) == goal.block)
        && goal.block.is_some_and(|block| *last <= block)
}

/// The composite checksum over parts of uneven sizes, which a second reading tells.
async fn composed(goal: &Goal, sums: &Sums, origin: &Origin, meter: &Meter) -> bool {
    if goal.expected.parts.is_none_or(|parts| parts < 2) {
        return false;
    }
    let Some(sizes) = sizes_of_parts(goal, origin, meter).await else { return false };
    let mut whole = InOrder::new(goal.expected.algorithm, None);
    let mut slots = sums.finished.values().map(|(slot, _)| slot).peekable();
    let mut at = 0;
    for size in sizes {
        let mut part = InOrder::new(goal.expected.algorithm, None);
        let mut left = usize::try_from(size).unwrap_or(usize::MAX);
        while left > 0 {
            let Some(slot) = slots.peek() else { return false };
            let summed = slot.read(at, |bytes| {
                let take = bytes.len().min(left);
                part.update(bytes.get(..take).unwrap_or_default());
                take
            });
            let Ok(summed) = summed else { return false };
            at += summed;
            left -= summed;
            if at >= slot.len() {
                slots.next();
                at = 0;
            }
        }
        whole.update(&part.finish());
    }
    whole.finish() == goal.expected.digest
}

pub(crate) fn damaged() -> Error {
    Error::new(
        Status::ChecksumMismatch,
        "the bytes that arrived are not those that were stored: their checksums differ",
    )
    .hint("read it again; if it stays, the stored object is damaged")
}

/// The verification of an object that is read in order and not kept.
pub(crate) struct RunningSum {
    goal: Goal,
    sum: InOrder,
    reached: u64,
}

impl Verification {
    /// Goes over to sums in order; `None` when there is nothing to verify with.
    pub(crate) fn in_order(self, etag: Option<&str>) -> Option<RunningSum> {
        let goal = self.goal.into_inner()??;
        if !goal.is_about(etag) {
            return None;
        }
        let sum = InOrder::new(goal.expected.algorithm, goal.block);
        Some(RunningSum { goal, sum, reached: 0 })
    }
}

impl RunningSum {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
        self.reached += bytes.len() as u64;
    }

    /// Takes the bytes from a place on. Some may come again.
    pub(crate) fn reach(&mut self, at: u64, bytes: &[u8]) {
        let again = usize::try_from(self.reached.saturating_sub(at)).unwrap_or(usize::MAX);
        self.update(bytes.get(again..).unwrap_or_default());
    }

    /// Compares at the end.
    ///
    /// # Errors
    /// `ChecksumMismatch`.
    pub(crate) async fn conclude(self, origin: &Origin, meter: &Meter) -> Result<(), Error> {
        if self.reached != self.goal.size {
            return Err(damaged());
        }
        if self.sum.finish() == self.goal.expected.digest {
            meter.verified(self.goal.expected.algorithm);
            return Ok(());
        }
        if self.goal.block.is_some() && !has_even_parts(&self.goal, origin, meter).await {
            return Ok(());
        }
        Err(damaged())
    }
}
