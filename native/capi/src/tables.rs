//! Tables of vectors that handles name.
//!
//! Several handles, of one isolate or of several, may name one table; it is gone with the last
//! of them. A token finds a table as long as some isolate has a handle to it, and is none.

use std::sync::Arc;

use dipper_core::interrupt::{Watch, stopped};
use dipper_core::{Client, EmbeddingTable, Error, Existing, LoadTableRequest};
use dipper_wire::{Handle, Metric, SlotTable};

use crate::declaration::kind;
use crate::export::{handle, stale};
use crate::messages::{ReadMessage, Request, WrittenMessage};
use crate::operations::{Context, Outcome, made, told};
use crate::queue::{self, Queue};

static TABLES: SlotTable<Named> = SlotTable::new(kind::TABLE);

struct Named {
    queue: Handle,
    table: Arc<EmbeddingTable>,
}

/// Names a table on behalf of an isolate.
pub fn insert(queue: &Queue, table: Arc<EmbeddingTable>) -> Result<Handle, Error> {
    TABLES
        .insert(Named { queue: queue.handle(), table })
        .ok_or_else(|| Error::internal("more than 16 million tables are alive"))
}

/// The table of a handle.
pub fn table(handle: Handle) -> Result<Arc<EmbeddingTable>, Error> {
    TABLES.with(handle, |named| Arc::clone(&named.table)).map_err(|_| stale("table"))
}

pub fn new(queue: Handle, dimension: f64) -> Result<Handle, Error> {
    let queue = queue::of(queue)?;
    insert(&queue, Arc::new(EmbeddingTable::new(whole(dimension, "a length")?)?))
}

/// A second handle, which keeps the table whatever becomes of the first.
pub fn hold(queue: Handle, handle: Handle) -> Result<Handle, Error> {
    insert(&*queue::of(queue)?, table(handle)?)
}

pub fn release(handle: Handle) -> Result<(), Error> {
    // The last of them frees the memory, outside the lock.
    drop(TABLES.remove(handle).map_err(|_| stale("table"))?);
    Ok(())
}

/// Releases the handles of an isolate that ended.
pub fn release_of(queue: Handle) {
    drop(TABLES.remove_where(|named| named.queue == queue));
}

pub fn share(handle: Handle) -> Result<f64, Error> {
    Ok(table(handle)?.token())
}

pub fn find(queue: Handle, token: f64) -> Result<Handle, Error> {
    let queue = queue::of(queue)?;
    let mut found = None;
    TABLES.for_each(|named| {
        if found.is_none() && named.table.is_named(token) {
            found = Some(Arc::clone(&named.table));
        }
    });
    let table = found.ok_or_else(|| {
        Error::invalid("no isolate of this process holds the table of this token")
            .hint("keep the table where share() was called until from() has returned")
    })?;
    insert(&queue, table)
}

pub fn count(handle: Handle) -> Result<usize, Error> {
    Ok(table(handle)?.count())
}

pub fn dimension(handle: Handle) -> Result<usize, Error> {
    Ok(table(handle)?.dimension())
}

/// Calls that are short look once, so that a loop of them ends.
fn look() -> Result<(), Error> {
    if Watch::begin().stopped() { Err(stopped("a table was in use")) } else { Ok(()) }
}

pub fn append(handle: Handle, rows: &[u8]) -> Result<usize, Error> {
    look()?;
    table(handle)?.append(numbers(rows)?)
}

pub fn row(handle: Handle, index: f64, place: &mut [u8]) -> Result<(), Error> {
    look()?;
    table(handle)?.copy_row(whole(index, "a row's number")?, numbers_mut(place)?)
}

pub fn dot(handle: Handle, index: f64, query: &[u8], place: &mut [u8]) -> Result<(), Error> {
    look()?;
    let score = table(handle)?.dot(whole(index, "a row's number")?, numbers(query)?)?;
    let [place] = numbers_mut(place)? else {
        return Err(Error::internal("a dot product needs room for one number"));
    };
    *place = score;
    Ok(())
}

pub fn scores(handle: Handle, query: &[u8], scores: &mut [u8]) -> Result<(), Error> {
    table(handle)?.scores(numbers(query)?, numbers_mut(scores)?)
}

pub fn nearest(
    handle: Handle,
    metric: f64,
    rows: f64,
    queries: &[u8],
    indices: &mut [u8],
    scores: &mut [u8],
) -> Result<(), Error> {
    let metric = match metric {
        0.0 => Metric::Dot,
        1.0 => Metric::Cosine,
        2.0 => Metric::Euclidean,
        _ => return Err(Error::internal("there are three metrics")),
    };
    let rows = whole(rows, "a count of rows")?;
    let (indices, scores) = (numbers_mut(indices)?, numbers_mut(scores)?);
    table(handle)?.nearest(metric, numbers(queries)?, rows, indices, scores)
}

/// A number from the other side that counts something.
fn whole(number: f64, what: &str) -> Result<usize, Error> {
    let possible = (0.0..=9_007_199_254_740_991.0).contains(&number) && number.fract() == 0.0;
    if possible {
        Ok(number as usize)
    } else {
        Err(Error::invalid(format!("{number} is not {what}")))
    }
}

fn numbers(bytes: &[u8]) -> Result<&[f32], Error> {
    if bytes.is_empty() {
        return Ok(&[]);
    }
    bytemuck::try_cast_slice(bytes).map_err(|_| misaligned())
}

fn numbers_mut<T: bytemuck::Pod>(bytes: &mut [u8]) -> Result<&mut [T], Error> {
    if bytes.is_empty() {
        return Ok(&mut []);
    }
    bytemuck::try_cast_slice_mut(bytes).map_err(|_| misaligned())
}

fn misaligned() -> Error {
    Error::invalid("the memory does not hold whole, aligned 32-bit numbers")
}

/// Loads and saves.
pub(crate) async fn run(
    request: Box<Request>,
    client: Option<&Arc<Client>>,
    context: Context,
) -> Result<Outcome, Error> {
    match *request {
        Request::LoadTable { source, progress, .. } => {
            let request =
                LoadTableRequest { source: source.into(), progress: context.progress(progress) };
            let (table, stat, metrics) = dipper_core::load_table(client, request).await?;
            made(table, &ReadMessage { stat: stat.into(), metrics: metrics.into() })
        }
        Request::SaveTable { object, table: name, write, progress } => {
            let client = client.ok_or_else(|| stale("client"))?;
            let (table, progress) = (table(handle(name)?)?, context.progress(progress));
            let (object, write) = (object.into(), write.into());
            let written = dipper_core::save_table_to_object(client, table, object, write, progress);
            told(&WrittenMessage::from(written.await?))
        }
        Request::SaveTableFile { table: name, path, exclusive, progress, .. } => {
            let (table, progress) = (table(handle(name)?)?, context.progress(progress));
            let existing = if exclusive { Existing::Refuse } else { Existing::Replace };
            let written =
                dipper_core::save_table_to_file(path.as_ref(), existing, table, progress).await?;
            told(&WrittenMessage::from(written))
        }
        _ => Err(Error::internal("not about a table")),
    }
}
