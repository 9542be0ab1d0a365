//! Text of any length in pieces of whole records, which are decoded side by side.
//!
//! The text is read, decompressed and cut in order: what is held of it is a piece and the beginning
//! of the next. Each piece is decoded on a thread of its own, and the batches come in the order of
//! the file. So what is held does not depend on how long the text is. The memory of pieces that were
//! decoded is filled again: fresh memory costs more than what is done to it here.
//!
//! Whoever reads text holds a window of it as long as it is read. So it must not wait for memory
//! that others hold, unless pieces of its own are under way, whose end gives memory back: else
//! readers that share little memory could wait for each other for ever. Where nothing is under way
//! and no memory is left, one piece is decoded all the same.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use dipper_core::{
    Client, Content, Cut, Error, FeedSource, LineStream, LinesRequest, Source, Span, Status,
    Ticket, open_lines, reserve, take,
};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::Notify;

use crate::ahead::{ahead, limit};
use crate::dialect::Dialect;
use crate::error::joined;
use crate::stream::Decoded;

/// A piece has about so many bytes.
const PIECE: usize = 2 << 20;
/// A record that is longer than this is refused.
const LONGEST_RECORD: usize = 256 << 20;
/// So much of the beginning tells the types of the columns, unless the caller says.
const LOOK: u64 = 8 << 20;
/// And no more than this part of the memory, where that is short.
const SHARE_LOOKED: u64 = 8;
/// What a byte of text becomes, in columns of usual files, beside itself.
const GROWTH: u64 = 3;

/// What is before a part of a text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Before {
    /// How many bytes.
    pub(crate) bytes: u64,
    /// How many line feeds.
    pub(crate) lines: u64,
}

impl Before {
    /// Where a place of the text is, in words: as whoever opens the file counts.
    pub(crate) fn shown(self, text: &[u8], place: usize) -> String {
        let front = text.get(..place).unwrap_or_default();
        let line = self.lines + memchr::memchr_iter(b'\n', front).count() as u64 + 1;
        format!("at line {line}, byte {} of the text", self.bytes + place as u64)
    }
}

/// Finds where records end.
pub(crate) trait Ends: Send + 'static {
    /// Looks at text that begins with a record: what was seen before, and more. Tells where the
    /// last whole record ends. What stands between records it may blank. So much of the text, and
    /// so many line feeds, are `before` it.
    fn last(
        &mut self,
        text: &mut [u8],
        before: Before,
        ended: bool,
    ) -> Result<Option<usize>, Error>;

    /// So many bytes of the text were taken.
    fn taken(&mut self, bytes: usize);
}

/// So many pieces of memory wait to be filled again.
const SPARE: usize = 4;
/// None that is longer than this.
const LONGEST_SPARE: usize = 4 * PIECE;

/// Memory of pieces that were decoded.
type Spare = Arc<Mutex<Vec<Vec<u8>>>>;

/// Some whole records.
pub(crate) struct Piece {
    pub(crate) text: Vec<u8>,
    /// How many line feeds are before it.
    pub(crate) line: u64,
    /// How many line feeds it has.
    pub(crate) lines: usize,
    /// Whether the types of the columns are those of all of its values.
    pub(crate) looked: bool,
    tickets: Vec<Ticket>,
    spare: Spare,
}

impl Piece {
    /// A piece that comes from nowhere.
    #[cfg(test)]
    pub(crate) fn of(text: Vec<u8>) -> Self {
        let lines = memchr::memchr_iter(b'\n', &text).count();
        let (tickets, spare) = (Vec::new(), Spare::default());
        Self { text, line: 0, lines, looked: false, tickets, spare }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE && self.text.capacity() <= LONGEST_SPARE {
            spare.push(std::mem::take(&mut self.text));
        }
    }
}

/// How many pieces are being decoded.
#[derive(Default)]
struct UnderWay {
    pieces: AtomicUsize,
    ended: Notify,
}

/// A text, as far as it was read.
pub(crate) struct Text<E> {
    pub(crate) lines: Arc<LineStream>,
    client: Option<Arc<Client>>,
    ends: E,
    rest: Vec<u8>,
    spare: Spare,
    before: Before,
    ended: bool,
    /// Whether it is what tells the types of the columns. Then a piece is of so many bytes of the
    /// text, no matter how many have arrived: the same text must have the same types.
    looks: bool,
    format: &'static str,
    under_way: Arc<UnderWay>,
}

impl<E: Ends> Text<E> {
    /// Asks for the first bytes.
    pub(crate) async fn open(
        client: Option<&Arc<Client>>,
        source: Source,
        dialect: &Dialect,
        ends: E,
        format: &'static str,
    ) -> Result<Self, Error> {
        let content = match &dialect.encoding {
            Some(label) => Content::Encoded(label.clone()),
            None => Content::Text { strict: true },
        };
        let request = LinesRequest {
            source: FeedSource::Object { source, span: Span::Whole, if_match: None },
            cut: Cut::Not,
            content,
            compression: dialect.compression,
            stall: None,
        };
        let lines = Arc::new(open_lines(client, request).await?);
        let (rest, spare, before, ended) = (Vec::new(), Spare::default(), Before::default(), false);
        let (client, under_way, looks) = (client.cloned(), Arc::default(), false);
        Ok(Self { lines, client, ends, rest, spare, before, ended, looks, format, under_way })
    }

    /// The next records; nothing at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>, Error> {
        let mut most = PIECE;
        loop {
            while self.rest.len() >= most || self.ended {
                let length = if self.looks { most.min(self.rest.len()) } else { self.rest.len() };
                let ended = self.ended && length == self.rest.len();
                let text = self.rest.get_mut(..length).unwrap_or_default();
                let end = self.ends.last(text, self.before, ended)?;
                let end = if ended { Some(length) } else { end };
                match end {
                    Some(0) if ended => return Ok(None),
                    Some(end) if end > 0 => return Ok(Some(self.cut(end).await?)),
                    _ if length > LONGEST_RECORD => return Err(self.too_long()),
                    _ => most = length + PIECE,
                }
            }
            let mut rest = std::mem::take(&mut self.rest);
            if rest.capacity() < most {
                // With room for what comes at once.
                rest.try_reserve_exact(most + (1 << 20) - rest.len())
                    .map_err(|_| Error::new(Status::OutOfMemory, "there is no memory left"))?;
            }
            (self.rest, self.ended) = self.lines.append(rest, most).await?;
        }
    }

    async fn cut(&mut self, end: usize) -> Result<Piece, Error> {
        let tickets = room(self.client.as_ref(), &self.under_way, end as u64 * GROWTH).await?;
        let kept = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut behind = kept.unwrap_or_default();
        behind.clear();
        behind.extend_from_slice(self.rest.get(end..).unwrap_or_default());
        self.rest.truncate(end);
        let text = std::mem::replace(&mut self.rest, behind);
        self.ends.taken(end);
        let line = self.before.lines;
        let lines = memchr::memchr_iter(b'\n', &text).count();
        self.before.lines += lines as u64;
        self.before.bytes += end as u64;
        let spare = Arc::clone(&self.spare);
        Ok(Piece { text, line, lines, looked: false, tickets, spare })
    }

    /// How much may be held.
    fn limit(&self) -> u64 {
        limit(self.client.as_ref())
    }

    fn too_long(&self) -> Error {
        let line = self.before.lines + 1;
        let limit = LONGEST_RECORD >> 20;
        Error::new(
            Status::TooLong,
            format!("the record of {} at line {line} is longer than {limit} MiB", self.format),
        )
        .hint("a quote may have no end; tell how the file is written, or which format it has")
    }

    /// The first pieces: what tells the types of the columns.
    pub(crate) async fn first(&mut self, look: Option<u64>) -> Result<Vec<Piece>, Error> {
        let look = look.unwrap_or_else(|| LOOK.min(self.limit() / SHARE_LOOKED));
        if look.saturating_mul(GROWTH) > self.limit().saturating_mul(2) {
            let (look, limit) = (look, self.limit());
            return Err(Error::new(
                Status::BudgetExceeded,
                format!("{look} bytes that are looked at do not fit in {limit} bytes of memory"),
            )
            .hint("set a smaller inferBytes, or raise memoryBudget"));
        }
        let (mut pieces, mut left) = (Vec::new(), look.max(1));
        self.looks = true;
        while left > 0 {
            let Some(piece) = self.next().await? else { break };
            left = left.saturating_sub(piece.text.len() as u64);
            pieces.push(piece);
        }
        self.looks = false;
        Ok(pieces)
    }

    /// Decodes the first pieces, and all behind them.
    pub(crate) fn decoded<D>(
        self,
        first: Vec<Piece>,
        decode: D,
    ) -> BoxStream<'static, Result<Decoded, Error>>
    where
        D: Fn(&Piece) -> Result<Vec<RecordBatch>, Error> + Send + Sync + 'static,
    {
        let (decode, format) = (Arc::new(decode), self.format);
        let (limit, under_way) = (self.limit(), Arc::clone(&self.under_way));
        let beginning = Arc::clone(&under_way);
        let rest = futures::stream::unfold(Some(self), |text| async move {
            let mut text = text?;
            match text.next().await.transpose()? {
                Ok(piece) => Some((Ok(piece), Some(text))),
                Err(error) => Some((Err(error), None)),
            }
        });
        futures::stream::iter(first.into_iter().map(Ok))
            .chain(rest)
            .map(move |piece| {
                let decode = Arc::clone(&decode);
                beginning.pieces.fetch_add(1, Ordering::SeqCst);
                async move {
                    let mut piece: Piece = piece?;
                    let work = tokio::task::spawn_blocking(move || {
                        let batches = decode(&piece)?;
                        let mut tickets = Some(std::mem::take(&mut piece.tickets));
                        let each = batches.into_iter().filter(|batch| batch.num_rows() > 0);
                        Ok(each
                            .map(|batch| Decoded {
                                batch,
                                tickets: tickets.take().unwrap_or_default(),
                            })
                            .collect::<Vec<_>>())
                    });
                    joined(format, work.await)
                }
            })
            .buffered(ahead(limit, PIECE as u64 * (GROWTH + 1)))
            .flat_map(move |decoded| {
                under_way.pieces.fetch_sub(1, Ordering::SeqCst);
                under_way.ended.notify_waiters();
                futures::stream::iter(match decoded {
                    Ok(batches) => batches.into_iter().map(Ok).collect::<Vec<_>>(),
                    Err(error) => vec![Err(error)],
                })
            })
            .boxed()
    }
}

/// Waits for memory, as long as that will come.
async fn room(
    client: Option<&Arc<Client>>,
    under_way: &UnderWay,
    bytes: u64,
) -> Result<Vec<Ticket>, Error> {
    loop {
        let ended = under_way.ended.notified();
        if bytes <= limit(client) && under_way.pieces.load(Ordering::SeqCst) == 0 {
            return Ok(take(client, bytes).unwrap_or_default());
        }
        tokio::select! {
            biased;
            reserved = reserve(client, bytes) => return reserved,
            () = ended => {}
        }
    }
}
