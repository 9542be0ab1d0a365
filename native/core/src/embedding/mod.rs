//! A table of vectors that Rust owns, asked for the nearest to a query.
//!
//! Rows live in blocks that never move: a table grows without copying what it has, and at any
//! time what is not used of it is at most a block of 8 MiB. Rows are only ever added. So whoever
//! knows how many there were a moment ago may rely on them.
//!
//! Locks: readers share `rows` while they compute. Who appends holds `appending` for the whole
//! time, prepares new blocks aside, and takes `rows` exclusively only to copy what still fits
//! into the last block, 8 MiB at most, and to show the new ones. `appending` is always taken
//! first, and nothing is awaited under either: nobody waits for long, and never in a circle.

mod load;
mod nearest;
mod save;

use std::sync::{Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use dipper_wire::crew::{self, Unfinished};
use dipper_wire::{Metric, Queries};

use crate::buffer::Draft;
use crate::interrupt::{Watch, stopped};
use crate::{Error, Status, ledger};

pub use load::{LoadTableRequest, load_table};
pub use save::{save_table_to_file, save_table_to_object};

use nearest::Nearest;

/// The longest vector.
pub const LONGEST_VECTOR: usize = 1 << 20;
/// The most rows: their numbers are handed out as 32 bits.
const MOST_ROWS: usize = u32::MAX as usize;

const NUMBER: usize = size_of::<f32>();
/// What a table that grows reserves at least and at most, in bytes.
const SMALLEST_BLOCK: usize = 64 << 10;
const LARGEST_BLOCK: usize = 8 << 20;
/// How many bytes of rows make a piece of what threads share, and how many are worth a thread.
const PIECE: usize = 1 << 20;
const SHARE: usize = 2 << 20;
/// What the candidates of several queries may take while rows are looked at, in bytes.
const CANDIDATES: usize = 64 << 20;
/// So many queries look at the same rows at once.
const MOST_QUERIES_AT_ONCE: usize = 64;
/// So many rows are scored before the best are picked.
const MOST_ROWS_AT_ONCE: usize = 4096;

/// Vectors of one length, each with a number.
pub struct EmbeddingTable {
    dimension: usize,
    token: OnceLock<f64>,
    appending: Mutex<()>,
    rows: RwLock<Rows>,
}

#[derive(Default)]
struct Rows {
    blocks: Vec<Block>,
    count: usize,
}

/// Neighbouring rows.
struct Block {
    memory: Draft,
    /// The number of its first row.
    first: usize,
    count: usize,
    /// How many have room.
    room: usize,
}

/// Memory whose content may be anything until it is written, as numbers.
fn numbers_of(bytes: &[u8]) -> &[f32] {
    // Allocations start at 64-byte boundaries.
    bytemuck::try_cast_slice(bytes).unwrap_or_default()
}

fn numbers_of_mut(bytes: &mut [u8]) -> &mut [f32] {
    bytemuck::try_cast_slice_mut(bytes).unwrap_or_default()
}

/// The memory of so many numbers, for a caller that cannot wait.
fn draft(numbers: usize) -> Result<Draft, Error> {
    let bytes = numbers.checked_mul(NUMBER).ok_or_else(too_many)?;
    let ticket = ledger().budget().take(bytes as u64)?;
    Draft::recycled(bytes, vec![ticket])
}

fn too_many() -> Error {
    Error::invalid(format!("a table has {MOST_ROWS} rows at most")).hint("use several tables")
}

impl Block {
    /// A block whose first rows are these.
    fn filled(numbers: &[f32], first: usize, room: usize, dimension: usize) -> Result<Self, Error> {
        let mut block = Self { memory: draft(room * dimension)?, first, count: 0, room };
        block.push(numbers, dimension);
        Ok(block)
    }

    fn push(&mut self, numbers: &[f32], dimension: usize) {
        let start = self.count * dimension;
        let place = numbers_of_mut(self.memory.bytes_mut());
        if let Some(place) = place.get_mut(start..start + numbers.len()) {
            place.copy_from_slice(numbers);
            self.count += numbers.len() / dimension;
        }
    }

    fn numbers(&self, dimension: usize) -> &[f32] {
        numbers_of(self.memory.bytes()).get(..self.count * dimension).unwrap_or_default()
    }
}

impl Rows {
    /// How many rows still fit into the last block.
    fn room(&self) -> usize {
        self.blocks.last().map_or(0, |block| block.room - block.count)
    }

    fn row(&self, index: usize, dimension: usize) -> Option<&[f32]> {
        let after = self.blocks.partition_point(|block| block.first <= index);
        let block = self.blocks.get(after.checked_sub(1)?)?;
        let start = (index - block.first) * dimension;
        block.numbers(dimension).get(start..start + dimension)
    }

    /// The numbers of the first `count` rows, block after block.
    fn first(&self, count: usize, dimension: usize) -> impl Iterator<Item = (usize, &[f32])> {
        self.blocks.iter().take_while(move |block| block.first < count).map(move |block| {
            let wanted = (count - block.first).min(block.count);
            (block.first, block.numbers(dimension).get(..wanted * dimension).unwrap_or_default())
        })
    }
}

impl EmbeddingTable {
    /// An empty table of vectors with so many numbers each.
    ///
    /// # Errors
    /// `InvalidInput` for a length that no vector has.
    pub fn new(dimension: usize) -> Result<Self, Error> {
        if !(1..=LONGEST_VECTOR).contains(&dimension) {
            return Err(Error::invalid(format!(
                "a vector cannot have {dimension} numbers: at least 1, at most {LONGEST_VECTOR}"
            )));
        }
        Ok(Self {
            dimension,
            token: OnceLock::new(),
            appending: Mutex::default(),
            rows: RwLock::default(),
        })
    }

    /// A table whose rows are all there.
    fn of(dimension: usize, count: usize, memory: Draft) -> Result<Self, Error> {
        let table = Self::new(dimension)?;
        if count > 0 {
            let mut rows = table.rows.write().unwrap_or_else(PoisonError::into_inner);
            rows.blocks.push(Block { memory, first: 0, count, room: count });
            rows.count = count;
        }
        Ok(table)
    }

    fn read(&self) -> RwLockReadGuard<'_, Rows> {
        // Whoever panicked while writing had shown either nothing or everything.
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many numbers each vector has.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How many vectors there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.read().count
    }

    /// A number that names the table in this process, and nothing else ever.
    pub fn token(&self) -> f64 {
        // 53 random bits: a double holds them.
        *self.token.get_or_init(|| ((fastrand::u64(..) >> 11) | 1) as f64)
    }

    /// Whether the token is this table's.
    #[must_use]
    pub fn is_named(&self, token: f64) -> bool {
        self.token.get() == Some(&token)
    }

    fn check_vector(&self, numbers: &[f32]) -> Result<(), Error> {
        if numbers.len() == self.dimension {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "the vector has {} numbers, and the table's have {}",
            numbers.len(),
            self.dimension
        )))
    }

    /// Adds rows, all or none of them; answers the number of the first.
    ///
    /// # Errors
    /// `InvalidInput` for numbers that are no whole rows, and for more rows than 2^32; and
    /// `BudgetExceeded` or `OutOfMemory`.
    pub fn append(&self, numbers: &[f32]) -> Result<usize, Error> {
        let dimension = self.dimension;
        if !numbers.len().is_multiple_of(dimension) {
            return Err(Error::invalid(format!(
                "{} numbers are no whole rows of {dimension}",
                numbers.len()
            )));
        }
        let _only = self.appending.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, room) = {
            let rows = self.read();
            (rows.count, rows.room())
        };
        let count = numbers.len() / dimension;
        if count > MOST_ROWS - before {
            return Err(too_many());
        }
        let fitting = room.min(count);
        let (now, rest) = numbers.split_at(fitting * dimension);
        let block = if rest.is_empty() { None } else { Some(self.block(rest, before + fitting)?) };
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        if block.is_some() {
            rows.blocks.try_reserve(1).map_err(|_| out_of_memory())?;
        }
        if let Some(last) = rows.blocks.last_mut() {
            last.push(now, dimension);
        }
        rows.blocks.extend(block);
        rows.count = before + count;
        Ok(before)
    }

    /// A new block for rows, and for some to come.
    fn block(&self, numbers: &[f32], first: usize) -> Result<Block, Error> {
        let row = self.dimension * NUMBER;
        let count = numbers.len() / self.dimension;
        let wished = (first * row).clamp(SMALLEST_BLOCK, LARGEST_BLOCK) / row;
        let room = count.max(wished);
        match Block::filled(numbers, first, room, self.dimension) {
            // With nothing to spare it may fit.
            Err(error) if error.status == Status::BudgetExceeded && room > count => {
                Block::filled(numbers, first, count, self.dimension)
            }
            block => block,
        }
    }

    /// Copies a row out.
    ///
    /// # Errors
    /// `InvalidInput` for a number that no row has, and for a place of another size.
    pub fn copy_row(&self, index: usize, place: &mut [f32]) -> Result<(), Error> {
        self.check_vector(place)?;
        let rows = self.read();
        let row = rows.row(index, self.dimension).ok_or_else(|| missing(index, rows.count))?;
        place.copy_from_slice(row);
        Ok(())
    }

    /// The dot product of a row and a query.
    ///
    /// # Errors
    /// `InvalidInput` for a query of another length, and for a number that no row has.
    pub fn dot(&self, index: usize, query: &[f32]) -> Result<f32, Error> {
        self.check_vector(query)?;
        let rows = self.read();
        let row = rows.row(index, self.dimension).ok_or_else(|| missing(index, rows.count))?;
        let mut score = [0.0];
        Queries::new(Metric::Dot, self.dimension, query).score(row, &mut score);
        let [score] = score;
        Ok(score)
    }

    /// The dot products of the first rows with a query, as many as there is room for.
    ///
    /// # Errors
    /// `InvalidInput` for a query of another length, and for room for more rows than there are.
    pub fn scores(&self, query: &[f32], scores: &mut [f32]) -> Result<(), Error> {
        self.check_vector(query)?;
        let rows = self.read();
        if scores.len() > rows.count {
            return Err(missing(scores.len() - 1, rows.count));
        }
        let queries = Queries::new(Metric::Dot, self.dimension, query);
        let bytes = scores.len() * self.dimension * NUMBER;
        let at_once = (PIECE / (self.dimension * NUMBER)).max(1);
        let mut rest = scores;
        let pieces = rows
            .first(rest.len(), self.dimension)
            .flat_map(|(_, numbers)| numbers.chunks(at_once * self.dimension));
        let pieces = pieces.map(|numbers| {
            let taken = std::mem::take(&mut rest);
            let (now, after) = taken.split_at_mut(numbers.len() / self.dimension);
            rest = after;
            (numbers, now)
        });
        share_out(
            bytes,
            pieces,
            || (),
            |(), (numbers, scores)| {
                queries.score(numbers, scores);
                Ok(())
            },
            |()| Ok(()),
        )
    }

    /// The nearest rows to each of several queries, among the first `count` rows: as many for
    /// each as `indices` and `scores` have room for. Nearest first; equals in the order of their
    /// numbers; what is not a number last.
    ///
    /// # Errors
    /// `InvalidInput` for queries that are no whole vectors, for room that does not divide by
    /// them, and for more rows than there are.
    pub fn nearest(
        &self,
        metric: Metric,
        queries: &[f32],
        count: usize,
        indices: &mut [u32],
        scores: &mut [f32],
    ) -> Result<(), Error> {
        let dimension = self.dimension;
        let many = queries.len() / dimension;
        let rows = self.read();
        if count > rows.count {
            return Err(missing(count - 1, rows.count));
        }
        let wanted = indices.len().checked_div(many).unwrap_or(0);
        let fits = queries.len().is_multiple_of(dimension)
            && indices.len() == wanted * many
            && scores.len() == indices.len()
            && wanted <= count;
        if !fits {
            return Err(Error::invalid(format!(
                "room for {} results does not fit {} numbers of queries and {count} rows",
                indices.len(),
                queries.len()
            )));
        }
        if wanted == 0 {
            return Ok(());
        }
        let each = count.min(2 * wanted).saturating_mul(size_of::<u64>());
        let at_once = (CANDIDATES / each.max(1)).clamp(1, MOST_QUERIES_AT_ONCE);
        let results = indices.chunks_mut(at_once * wanted).zip(scores.chunks_mut(at_once * wanted));
        for (some, (indices, scores)) in queries.chunks(at_once * dimension).zip(results) {
            let queries = Queries::new(metric, dimension, some);
            let found = self.search(&rows, &queries, metric, count, wanted)?;
            let results = indices.chunks_mut(wanted).zip(scores.chunks_mut(wanted));
            for (nearest, (indices, scores)) in found.into_iter().zip(results) {
                nearest.finish(metric, indices, scores);
            }
        }
        Ok(())
    }

    /// The nearest rows to some queries that look at the same rows at once.
    fn search(
        &self,
        rows: &Rows,
        queries: &Queries<'_>,
        metric: Metric,
        count: usize,
        wanted: usize,
    ) -> Result<Vec<Nearest>, Error> {
        let dimension = self.dimension;
        let found = Mutex::new(vec![Nearest::of(wanted); queries.len()]);
        let at_once = (PIECE / (dimension * NUMBER)).clamp(1, MOST_ROWS_AT_ONCE);
        let pieces = rows.first(count, dimension).flat_map(|(first, numbers)| {
            let pieces = numbers.chunks(at_once * dimension).enumerate();
            pieces.map(move |(piece, numbers)| (first + piece * at_once, numbers))
        });
        // What a thread found, and its scores of the piece that it looks at.
        let begin = || (vec![Nearest::of(wanted); queries.len()], Vec::new());
        share_out(
            count * dimension * NUMBER * queries.len(),
            pieces,
            begin,
            |(mine, scores), (first, numbers)| {
                let count = numbers.len() / dimension;
                scores.clear();
                scores.try_reserve(count * queries.len()).map_err(|_| out_of_memory())?;
                scores.resize(count * queries.len(), 0.0);
                queries.score(numbers, scores);
                for (nearest, scores) in mine.iter_mut().zip(scores.chunks(count)) {
                    nearest.offer(metric, first, scores)?;
                }
                Ok(())
            },
            |(mine, _)| {
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.iter_mut().zip(mine).try_for_each(|(all, mine)| all.join(mine))
            },
        )?;
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Shares out work on so many bytes of rows. A Stop in a notebook ends it between two pieces.
fn share_out<T: Send, S>(
    bytes: usize,
    pieces: impl Iterator<Item = T> + Send,
    begin: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> Result<(), Error> + Sync,
    end: impl Fn(S) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let watch = Watch::begin();
    crew::share_out(bytes / SHARE, pieces, || watch.stopped(), begin, work, end).map_err(|why| {
        match why {
            Unfinished::Stopped => stopped("the table was being searched"),
            Unfinished::Failed(error) => error,
        }
    })
}

fn missing(index: usize, count: usize) -> Error {
    Error::invalid(format!("there is no row {index}: the table has {count} rows"))
        .hint("rows are counted from 0")
}

fn out_of_memory() -> Error {
    Error::new(Status::OutOfMemory, "the system has no memory left for the result")
}

#[cfg(test)]
mod tests;
