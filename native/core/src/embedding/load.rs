//! A table from a `.npy` file of any place.
//!
//! The object is read in order, several parts ahead. Its header is read first and compared with
//! the object's length, before any memory is taken for the numbers. Numbers that lie in the file
//! as they do in memory are read to where they belong; others pass through a small buffer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dipper_wire::{Allocation, Landing, NpyElement, NpyHead, NpyHeader, Slot, npy_head};
use futures::FutureExt;

use super::{EmbeddingTable, LONGEST_VECTOR, MOST_ROWS, NUMBER, numbers_of_mut, too_many};
use crate::buffer::Draft;
use crate::download::changed;
use crate::get::patiently;
use crate::stream::{Reader, StreamRequest, stream};
use crate::{Client, Error, Metrics, Progress, Source, Span, Stat, Ticket, ledger};

/// What to load.
pub struct LoadTableRequest {
    /// Where it is.
    pub source: Source,
    /// Who is told how far it is.
    pub progress: Option<Arc<dyn Progress>>,
}

/// What passes through a small buffer, at once.
const STEP: usize = 1 << 20;
/// How often progress is told.
const INTERVAL: Duration = Duration::from_millis(100);

/// Reads a matrix of floating-point numbers, a row for each vector.
///
/// # Errors
/// `InvalidInput` for what is no such file, or is shorter or longer than it says;
/// `BudgetExceeded`; and whatever the server or the connection reports.
pub async fn load_table(
    client: Option<&Arc<Client>>,
    request: LoadTableRequest,
) -> Result<(EmbeddingTable, Stat, Metrics), Error> {
    let shown = request.source.shown();
    load(client, request).await.map_err(|error| error.about(shown))
}

/// The matrix that a header tells of.
struct Matrix {
    header: NpyHeader,
    rows: usize,
    columns: usize,
    /// How many bytes its numbers have in the file.
    stored: u64,
    /// How many they will have in memory.
    bytes: usize,
}

async fn load(
    client: Option<&Arc<Client>>,
    request: LoadTableRequest,
) -> Result<(EmbeddingTable, Stat, Metrics), Error> {
    let LoadTableRequest { source, progress } = request;
    let whole = StreamRequest { source: source.clone(), span: Span::Whole, if_match: None };
    let (mut reader, stat) = stream(client, whole).await?;
    let matrix = Matrix::of(head(&reader).await?)?;
    let start = matrix.header.start as u64;
    if let Some(length) = reader.length() {
        let has = length.saturating_sub(start);
        if has != matrix.stored {
            return Err(matrix.wrong_length(&has.to_string()));
        }
    }
    let mut reserved = Box::pin(reserve(client, matrix.bytes as u64));
    let tickets = match (&mut reserved).now_or_never() {
        Some(tickets) => tickets?,
        None if reader.length().is_none() => patiently(reserved, matrix.bytes as u64).await?,
        None => {
            // Who waits for memory keeps no connection from those who have it.
            drop(reader);
            let tickets = patiently(reserved, matrix.bytes as u64).await?;
            let span = Span::Range { start, end: None };
            let rest = StreamRequest { source, span, if_match: stat.etag.clone() };
            reader = stream(client, rest).await?.0;
            if reader.length() != Some(matrix.stored) {
                return Err(changed());
            }
            tickets
        }
    };
    let mut teller = Teller { progress, total: start + matrix.stored, told: None };
    let memory = matrix.read(&reader, tickets, &mut teller).await?;
    teller.tell(&reader);
    let table = EmbeddingTable::of(matrix.columns, matrix.rows, memory)?;
    Ok((table, stat, reader.metrics()))
}

async fn reserve(client: Option<&Arc<Client>>, bytes: u64) -> Result<Vec<Ticket>, Error> {
    match client {
        Some(client) => {
            client.admit(bytes)?;
            client.reserve(bytes).await
        }
        None => Ok(vec![ledger().budget().reserve(bytes).await?]),
    }
}

/// Reads exactly the header: what is behind it belongs to the numbers.
async fn head(reader: &Reader) -> Result<NpyHeader, Error> {
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        match npy_head(&bytes).map_err(|error| no_array(&error.0))? {
            NpyHead::Complete(header) => return Ok(header),
            NpyHead::Needs(needed) => {
                let more = filled(reader, needed.saturating_sub(bytes.len())).await?;
                if more.is_empty() {
                    let length = bytes.len();
                    return Err(no_array(&format!(
                        "it ends within its header, after {length} bytes"
                    )));
                }
                bytes.extend_from_slice(&more);
            }
        }
    }
}

/// The next bytes, as many as wanted or all that there are.
async fn filled(reader: &Reader, wanted: usize) -> Result<Vec<u8>, Error> {
    let (landing, slot) = Landing::new(Allocation::zeroed(wanted)?);
    let slot = fill(reader, slot, &mut |_| {}).await?;
    let length = slot.filled();
    drop(slot);
    let bytes = landing.finish();
    Ok(bytes
        .map_or_else(Vec::new, |bytes| bytes.as_slice().get(..length).unwrap_or_default().to_vec()))
}

/// Fills a slot, or all of it that there are bytes for.
async fn fill(
    reader: &Reader,
    mut slot: Slot,
    told: &mut impl FnMut(&Reader),
) -> Result<Slot, Error> {
    while slot.missing() > 0 {
        let before = slot.filled();
        slot = reader.fill(slot).await?;
        told(reader);
        if slot.filled() == before {
            break;
        }
    }
    Ok(slot)
}

fn no_array(why: &str) -> Error {
    Error::invalid(format!("this is no .npy file that can be loaded: {why}"))
        .hint("save it with numpy.save(file, matrix.astype(numpy.float32))")
}

impl Matrix {
    fn of(header: NpyHeader) -> Result<Self, Error> {
        let &[rows, columns] = header.shape.as_slice() else {
            let shape: Vec<String> = header.shape.iter().map(u64::to_string).collect();
            return Err(no_array(&format!(
                "its shape is ({}), and a table has two dimensions, vectors and their numbers",
                shape.join(", ")
            )));
        };
        let longest = LONGEST_VECTOR as u64;
        if !(1..=longest).contains(&columns) {
            return Err(no_array(&format!(
                "its vectors have {columns} numbers, and a table's have 1 to {longest}"
            )));
        }
        if rows > MOST_ROWS as u64 {
            return Err(too_many());
        }
        let numbers = rows * columns;
        let stored = numbers * header.element.size() as u64;
        let sizes = (usize::try_from(rows), usize::try_from(columns));
        let bytes = usize::try_from(numbers).ok().and_then(|numbers| numbers.checked_mul(NUMBER));
        let ((Ok(rows), Ok(columns)), Some(bytes)) = (sizes, bytes) else { return Err(too_many()) };
        Ok(Self { header, rows, columns, stored, bytes })
    }

    fn wrong_length(&self, has: &str) -> Error {
        let Self { rows, columns, stored, .. } = self;
        no_array(&format!(
            "its header says {rows} x {columns} numbers in {stored} bytes, and behind it are {has}"
        ))
    }

    /// Whether the numbers lie in the file as they do in memory.
    fn is_native(&self) -> bool {
        let NpyHeader { element, big_endian, fortran_order, .. } = self.header;
        let one_order = self.rows <= 1 || self.columns == 1 || !fortran_order;
        element == NpyElement::F32 && big_endian == cfg!(target_endian = "big") && one_order
    }

    async fn read(
        &self,
        reader: &Reader,
        tickets: Vec<Ticket>,
        teller: &mut Teller,
    ) -> Result<Draft, Error> {
        let memory = Draft::recycled(self.bytes, tickets)?;
        let memory = if self.is_native() {
            let (landed, slot) = memory.land();
            let slot = fill(reader, slot, &mut |reader| teller.tell_now_and_then(reader)).await?;
            let filled = slot.filled();
            drop(slot);
            if filled < self.bytes {
                return Err(self.wrong_length(&filled.to_string()));
            }
            landed.draft()?
        } else {
            self.convert(reader, memory, teller).await?
        };
        // At the end the checksum is compared.
        if filled(reader, 1).await?.is_empty() {
            Ok(memory)
        } else {
            Err(self.wrong_length("more"))
        }
    }

    async fn convert(
        &self,
        reader: &Reader,
        mut memory: Draft,
        teller: &mut Teller,
    ) -> Result<Draft, Error> {
        let NpyHeader { element, big_endian, fortran_order, .. } = self.header;
        let mut numbers = Vec::new();
        numbers.try_reserve_exact(STEP / element.size()).map_err(|_| super::out_of_memory())?;
        let mut raw = Allocation::zeroed(STEP)?;
        let mut at = 0;
        let all = self.rows * self.columns;
        while at < all {
            let (landing, mut slot) = Landing::new(raw);
            let rest = slot.split_off((all - at).saturating_mul(element.size()));
            let slot = fill(reader, slot, &mut |reader| teller.tell_now_and_then(reader)).await?;
            let (filled, wanted) = (slot.filled(), slot.len());
            drop((slot, rest));
            if filled < wanted {
                let has = (at * element.size()) as u64 + filled as u64;
                return Err(self.wrong_length(&has.to_string()));
            }
            raw = landing
                .finish()
                .ok_or_else(|| Error::internal("a piece of a file is still being read"))?;
            numbers.clear();
            numbers.resize(filled / element.size(), 0.0);
            element.decode(raw.as_slice(), big_endian, &mut numbers);
            let place = numbers_of_mut(memory.bytes_mut());
            if fortran_order {
                for (number, index) in numbers.iter().zip(at..) {
                    let (column, row) = (index / self.rows, index % self.rows);
                    if let Some(place) = place.get_mut(row * self.columns + column) {
                        *place = *number;
                    }
                }
            } else if let Some(place) = place.get_mut(at..at + numbers.len()) {
                place.copy_from_slice(&numbers);
            }
            at += numbers.len();
            // A file that is in memory already would never let others run.
            tokio::task::yield_now().await;
        }
        Ok(memory)
    }
}

/// Tells how far it is, not too often.
struct Teller {
    progress: Option<Arc<dyn Progress>>,
    total: u64,
    told: Option<Instant>,
}

impl Teller {
    fn tell_now_and_then(&mut self, reader: &Reader) {
        if self.told.is_none_or(|told| told.elapsed() >= INTERVAL) {
            self.tell(reader);
        }
    }

    fn tell(&mut self, reader: &Reader) {
        self.told = Some(Instant::now());
        if let Some(progress) = &self.progress {
            let metrics = reader.metrics();
            progress.reached(metrics.bytes.min(self.total), self.total, &metrics);
        }
    }
}
