//! Arrow IPC: a file, whose footer tells where its batches are, or a stream of messages.
//!
//! A batch is read into memory of its own, and its arrays are parts of that memory. Of a file only the
//! wanted columns of a batch are read, those that lie beside each other into one memory.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::{Block, MessageHeader, MetadataVersion};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use dipper_core::{Error, Pieces, Status, Ticket};
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::ahead::ahead;
use crate::arrow_columns::{self, Share, shares};
use crate::arrow_message::{Encapsulated, Known, message, unpacked};
use crate::error::{damaged, joined, of_arrow};
use crate::selection::{limited, places, selected};
use crate::stream::{Decoded, OpenRequest, Opened};

const MAGIC: &[u8; 6] = b"ARROW1";
/// What a file begins with, padding included.
const FRONT: u64 = 8;
/// Its footer's length, and the magic string again.
const BACK: u64 = 10;
/// A stream is read in such pieces, as long as its messages are short.
const WINDOW: u64 = 4 << 20;
/// What is read behind a long message, to know where the next one ends.
const PEEK: u64 = 64 << 10;
/// What a message may say of itself, beside its body.
const LONGEST_METADATA: u64 = 256 << 20;

/// Opens a file or a stream.
pub(crate) async fn open(
    pieces: Pieces,
    tail: Bytes,
    request: OpenRequest,
) -> Result<Opened, Error> {
    let pieces = Arc::new(pieces);
    let stat = pieces.stat().clone();
    let is_file = tail.ends_with(MAGIC);
    let (schema, left, batches) = match is_file {
        true => open_file(Arc::clone(&pieces), tail, &request).await?,
        false => open_stream(Arc::clone(&pieces), &request).await?,
    };
    let read = pieces.metrics().bytes;
    let metrics = Arc::new(move || pieces.metrics());
    let total = left.filter(|_| request.limit.is_none()).map(|left| read.saturating_add(left));
    let batches = limited(batches, request.limit);
    Ok(Opened { schema, stat, rows: None, total, batches, metrics })
}

/// Batches; with them comes how many bytes are still to be read for them.
type Batches = BoxStream<'static, Result<Decoded, Error>>;

/// Runs what a panic may come out of, on a thread that may take its time.
async fn decoding<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    joined("Arrow", tokio::task::spawn_blocking(work).await)
}

/// What the footer of a file tells.
struct Footer {
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: Vec<(Range<u64>, Range<u64>)>,
    batches: Vec<(Range<u64>, Range<u64>)>,
}

async fn open_file(
    pieces: Arc<Pieces>,
    tail: Bytes,
    request: &OpenRequest,
) -> Result<(SchemaRef, Option<u64>, Batches), Error> {
    let size = pieces.stat().size;
    let length = tail
        .get(tail.len().saturating_sub(10)..)
        .and_then(<[u8]>::first_chunk)
        .map(|length| u64::from(u32::from_le_bytes(*length)));
    let start = length.and_then(|length| size.checked_sub(length + BACK));
    let start = start
        .filter(|start| *start >= FRONT)
        .ok_or_else(|| damaged("Arrow", "its footer is longer than the file"))?;
    let footer = match start.checked_sub(size - tail.len() as u64) {
        Some(from) => tail.slice(from as usize..tail.len() - BACK as usize),
        None => {
            let range = start..size - BACK;
            one(pieces.read(std::slice::from_ref(&range), None).await?)?
        }
    };
    let Footer { schema, version, dictionaries, batches } =
        decoding(move || read_footer(&footer, start)).await?;
    let columns = places(&schema, request.columns.as_deref())?;
    let told = selected(&schema, columns.as_deref())?;
    let mut known = Known { schema, version, dictionaries: Default::default(), places: columns };
    let fronts = fronts(&pieces, &known, &dictionaries).await?;
    for (block, front) in dictionaries.into_iter().zip(fronts) {
        if front.is_some_and(|front| known.wants(&front).is_ok_and(|wants| !wants)) {
            continue;
        }
        let (encapsulated, tickets) = block_of(&pieces, &block).await?;
        let _tickets = unpacking(&pieces, &encapsulated, tickets).await?;
        known = decoding(move || {
            known.dictionary(&encapsulated)?;
            Ok(known)
        })
        .await?;
    }
    let left = batches.iter().map(|(front, body)| front.end - front.start + body.end - body.start);
    let left = left.fold(0, u64::saturating_add);
    // How much of each batch the wanted columns are, its message tells.
    let some = request.columns.is_some() || request.weighed.is_some();
    let long = |(_, body): &(Range<u64>, Range<u64>)| body.end - body.start > arrow_columns::SHORT;
    let left = (!some || !batches.iter().any(long)).then_some(left);
    let largest = batches.iter().map(|(_, body)| body.end - body.start).max().unwrap_or(0);
    let known = Arc::new(known);
    let limit = pieces.limit();
    // All of this runs behind the gate of who asks: that of the call that opened it is over then.
    let stream = futures::stream::iter(batches)
        .map(move |block| {
            let (pieces, known) = (Arc::clone(&pieces), Arc::clone(&known));
            async move { batch_of(&pieces, known, block).await }
        })
        .buffered(ahead(limit, largest));
    Ok((told, left, stream.boxed()))
}

fn read_footer(footer: &[u8], start: u64) -> Result<Footer, Error> {
    let footer = arrow_ipc::root_as_footer(footer)
        .map_err(|error| damaged("Arrow", format!("its footer cannot be read: {error}")))?;
    let schema = footer.schema().ok_or_else(|| damaged("Arrow", "its footer has no schema"))?;
    if !schema.endianness().equals_to_target_endianness() {
        return Err(other_endian());
    }
    let place = |block: &Block| {
        let from = u64::try_from(block.offset()).ok()?;
        let middle = from.checked_add(u64::try_from(block.metaDataLength()).ok()?)?;
        let end = middle.checked_add(u64::try_from(block.bodyLength()).ok()?)?;
        (end <= start).then_some((from..middle, middle..end))
    };
    let mut places = [Vec::new(), Vec::new()];
    let blocks = [footer.dictionaries(), footer.recordBatches()];
    for (places, blocks) in places.iter_mut().zip(blocks) {
        for block in blocks.iter().flatten() {
            places.push(
                place(block).ok_or_else(|| damaged("Arrow", "a batch lies outside the file"))?,
            );
        }
    }
    let [dictionaries, batches] = places;
    let schema = Arc::new(fb_to_schema(schema));
    Ok(Footer { schema, version: footer.version(), dictionaries, batches })
}

fn other_endian() -> Error {
    Error::new(Status::Unsupported, "this Arrow file has its most significant bytes first")
        .hint("write it again on a machine that is little-endian, as nearly all are")
}

/// The only piece.
fn one<T>(pieces: Vec<T>) -> Result<T, Error> {
    let mut pieces = pieces.into_iter();
    pieces.next().ok_or_else(|| Error::internal("a piece did not come"))
}

/// Reads the message of a block: its body lies in memory of its own.
async fn block_of(
    pieces: &Pieces,
    (metadata, body): &(Range<u64>, Range<u64>),
) -> Result<(Encapsulated, Vec<Ticket>), Error> {
    let wanted: Vec<Range<u64>> =
        [metadata, body].into_iter().filter(|range| !range.is_empty()).cloned().collect();
    let mut taken = pieces.owned(&wanted, None).await?.into_iter();
    let mut next = |range: &Range<u64>| match range.is_empty() {
        true => (Bytes::new(), Vec::new()),
        false => taken.next().unwrap_or_default(),
    };
    let ((metadata, _), (body, tickets)) = (next(metadata), next(body));
    Ok((Encapsulated { metadata, body }, tickets))
}

/// What the messages of dictionaries say, where some of them may not be wanted.
async fn fronts(
    pieces: &Pieces,
    known: &Known,
    dictionaries: &[(Range<u64>, Range<u64>)],
) -> Result<Vec<Option<Bytes>>, Error> {
    let long = dictionaries.iter().any(|(_, body)| body.end - body.start > arrow_columns::SHORT);
    if known.places.is_none() || !long || dictionaries.iter().any(|(front, _)| front.is_empty()) {
        return Ok(vec![None; dictionaries.len()]);
    }
    let ranges: Vec<Range<u64>> = dictionaries.iter().map(|(front, _)| front.clone()).collect();
    Ok(pieces.read(&ranges, None).await?.into_iter().map(Some).collect())
}

/// Reads and decodes a batch of a file: of its body no more than what is wanted.
async fn batch_of(
    pieces: &Pieces,
    known: Arc<Known>,
    block: (Range<u64>, Range<u64>),
) -> Result<Decoded, Error> {
    let (front, body) = &block;
    let long = body.end - body.start > arrow_columns::SHORT && !front.is_empty();
    let Some(places) = known.places.clone().filter(|_| long) else {
        let (encapsulated, tickets) = block_of(pieces, &block).await?;
        return decoded(pieces, known, encapsulated, tickets).await;
    };
    let metadata = one(pieces.read(std::slice::from_ref(front), None).await?)?;
    let (asked, length, version) = (Arc::clone(&known), body.end - body.start, known.version);
    let (metadata, shares) = decoding(move || {
        let shares = shares(&metadata, length, &asked.schema, version, &places)?;
        Ok((metadata, shares))
    })
    .await?;
    let Some(shares) = shares else {
        let (body, tickets) = one(pieces.owned(std::slice::from_ref(body), None).await?)?;
        return decoded(pieces, known, Encapsulated { metadata, body }, tickets).await;
    };
    let ranges =
        shares.iter().map(|share| body.start + share.place.start..body.start + share.place.end);
    let ranges: Vec<Range<u64>> = ranges.filter(|range| !range.is_empty()).collect();
    let mut taken = match ranges.is_empty() {
        true => Vec::new(),
        false => pieces.owned(&ranges, None).await?,
    }
    .into_iter();
    let mut held = Vec::new();
    let mut parts = Vec::new();
    let (mut bytes, mut more) = (0_u64, 0_u64);
    for Share { wanted, place, metadata } in shares {
        let (body, tickets) = match place.is_empty() {
            true => (Bytes::new(), Vec::new()),
            false => taken.next().unwrap_or_default(),
        };
        held.extend(tickets);
        let part = Encapsulated { metadata, body };
        more = more.saturating_add(unpacked(&part)?);
        bytes = bytes.saturating_add(part.body.len() as u64);
        parts.push((wanted, part));
    }
    if more > 0 {
        // As in `unpacking`.
        held.clear();
        held = pieces.reserve(bytes.saturating_add(more)).await?;
    }
    decoding(move || Ok(Decoded { batch: together(&known, &parts)?, tickets: held })).await
}

/// The wanted columns of a batch, out of messages that have some of them each.
fn together(known: &Known, parts: &[(Vec<usize>, Encapsulated)]) -> Result<RecordBatch, Error> {
    let places = known.places.as_deref().unwrap_or_default();
    let schema = known.schema.project(places).map_err(|error| of_arrow("Arrow", error))?;
    let mut columns: Vec<Option<ArrayRef>> = vec![None; places.len()];
    let mut rows = 0;
    for (wanted, part) in parts {
        let inside: Vec<usize> =
            wanted.iter().filter_map(|wanted| places.get(*wanted).copied()).collect();
        let batch = known.columns(part, Some(&inside))?;
        rows = batch.num_rows();
        for (wanted, column) in wanted.iter().zip(batch.columns()) {
            if let Some(place) = columns.get_mut(*wanted) {
                *place = Some(Arc::clone(column));
            }
        }
    }
    let columns: Option<Vec<ArrayRef>> = columns.into_iter().collect();
    let columns = columns.ok_or_else(|| Error::internal("a column was not decoded"))?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(schema), columns, &options)
        .map_err(|error| damaged("Arrow", error))
}

/// Reserves what a message takes once it is decoded, beside what was reserved for its bytes. Whoever
/// waits for memory holds none, or two readers could wait for each other.
async fn unpacking(
    pieces: &Pieces,
    encapsulated: &Encapsulated,
    tickets: Vec<Ticket>,
) -> Result<Vec<Ticket>, Error> {
    let more = unpacked(encapsulated)?;
    if more == 0 {
        return Ok(tickets);
    }
    drop(tickets);
    pieces.reserve((encapsulated.body.len() as u64).saturating_add(more)).await
}

/// Decodes a batch. What was reserved for its bytes goes with it where it still lies in them.
async fn decoded(
    pieces: &Pieces,
    known: Arc<Known>,
    encapsulated: Encapsulated,
    tickets: Vec<Ticket>,
) -> Result<Decoded, Error> {
    let tickets = unpacking(pieces, &encapsulated, tickets).await?;
    decoding(move || Ok(Decoded { batch: known.batch(&encapsulated)?, tickets })).await
}

/// A stream, as far as it was read.
struct Messages {
    pieces: Arc<Pieces>,
    /// Where the next message begins.
    at: u64,
    size: u64,
    window: Bytes,
    /// Where the window begins.
    from: u64,
    tickets: Vec<Ticket>,
    /// How much is read at once.
    step: u64,
}

impl Messages {
    /// What is at a place of the stream, as far as it is here.
    fn here(&self, at: u64) -> Bytes {
        let from = usize::try_from(at - self.from).unwrap_or(usize::MAX);
        if from >= self.window.len() { Bytes::new() } else { self.window.slice(from..) }
    }

    /// Sees to it that so many bytes of the next message are here.
    async fn need(&mut self, bytes: u64) -> Result<Bytes, Error> {
        if (self.here(self.at).len() as u64) < bytes {
            let end = self.at.checked_add(bytes).filter(|end| *end <= self.size);
            let Some(end) = end else { return Err(damaged("Arrow", "it breaks off in a message")) };
            let end = end.max(self.size.min(self.at.saturating_add(self.step)));
            self.tickets.clear();
            self.window = Bytes::new();
            let range = self.at..end;
            (self.window, self.tickets) = one(self.pieces.owned(&[range], None).await?)?;
            self.from = self.at;
        }
        Ok(self.here(self.at))
    }

    /// The next message, and what was reserved for it; nothing at the end.
    async fn next(&mut self) -> Result<Option<(Encapsulated, Vec<Ticket>)>, Error> {
        if self.at == self.size {
            return Ok(None);
        }
        let mut head = self.need(4).await?;
        let mut front = 4;
        if head.starts_with(&[0xff; 4]) {
            head = self.need(8).await?;
            front = 8;
        }
        let length = head.get(front - 4..front).and_then(<[u8]>::first_chunk).copied();
        let length = u64::from(u32::from_le_bytes(length.unwrap_or_default()));
        if length == 0 {
            return Ok(None);
        }
        if length > LONGEST_METADATA {
            return Err(damaged(
                "Arrow",
                format!("a message claims {length} bytes before its body"),
            ));
        }
        let front = front as u64 + length;
        let metadata = self.need(front).await?.slice(..front as usize);
        let body = u64::try_from(message(&metadata)?.bodyLength())
            .map_err(|_| damaged("Arrow", "a message has a body of negative length"))?;
        let start = self.at + front;
        let end = start.checked_add(body).filter(|end| *end <= self.size);
        let Some(end) = end else { return Err(damaged("Arrow", "it breaks off in a message")) };
        let here = self.here(start);
        let body = body as usize;
        let (body, tickets) = if here.len() >= body {
            (here.slice(..body), std::mem::take(&mut self.tickets))
        } else {
            // It is read again from its first byte, so that it lies in memory of its own; and with
            // it what tells how long the next message is.
            self.step = if body as u64 >= WINDOW / 4 { PEEK } else { WINDOW };
            let behind = end..self.size.min(end.saturating_add(self.step));
            let wanted: Vec<Range<u64>> =
                [start..end, behind].into_iter().filter(|range| !range.is_empty()).collect();
            self.tickets.clear();
            self.window = Bytes::new();
            let mut taken = self.pieces.owned(&wanted, None).await?.into_iter();
            let (body, tickets) = taken.next().unwrap_or_default();
            (self.window, self.tickets) = taken.next().unwrap_or_default();
            self.from = end;
            (body, tickets)
        };
        self.at = end;
        Ok(Some((Encapsulated { metadata, body }, tickets)))
    }
}

async fn open_stream(
    pieces: Arc<Pieces>,
    request: &OpenRequest,
) -> Result<(SchemaRef, Option<u64>, Batches), Error> {
    let size = pieces.stat().size;
    let mut messages = Messages {
        pieces,
        at: 0,
        size,
        window: Bytes::new(),
        from: 0,
        tickets: Vec::new(),
        step: WINDOW,
    };
    let first = messages.next().await?;
    let (first, _) = first.ok_or_else(|| damaged("Arrow", "it is empty"))?;
    let (schema, version) = decoding(move || {
        let message = message(&first.metadata)?;
        let schema = message
            .header_as_schema()
            .ok_or_else(|| damaged("Arrow", "it does not begin with a schema"))?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err(other_endian());
        }
        Ok((Arc::new(fb_to_schema(schema)), message.version()))
    })
    .await?;
    let columns = places(&schema, request.columns.as_deref())?;
    let told = selected(&schema, columns.as_deref())?;
    let known = Known { schema, version, dictionaries: Default::default(), places: columns };
    let left = Some(size - messages.from - messages.window.len() as u64);
    let batches = futures::stream::try_unfold(
        (messages, Arc::new(known)),
        |(mut messages, mut known)| async move {
            while let Some((encapsulated, tickets)) = messages.next().await? {
                match message(&encapsulated.metadata)?.header_type() {
                    MessageHeader::DictionaryBatch => {
                        let tickets = unpacking(&messages.pieces, &encapsulated, tickets).await?;
                        known = decoding(move || {
                            let mut more = Known::clone(&known);
                            more.dictionary(&encapsulated)?;
                            Ok(Arc::new(more))
                        })
                        .await?;
                        drop(tickets);
                    }
                    MessageHeader::RecordBatch => {
                        let now = Arc::clone(&known);
                        let batch = decoded(&messages.pieces, now, encapsulated, tickets).await?;
                        return Ok(Some((batch, (messages, known))));
                    }
                    other => {
                        let what = other.variant_name().unwrap_or("something unknown");
                        let what = format!("a message of a stream holds {what}");
                        return Err(Error::new(Status::Unsupported, what));
                    }
                }
            }
            Ok(None)
        },
    );
    Ok((told, left, batches.boxed()))
}
