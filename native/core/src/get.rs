//! Reading an object, or a part of it, into memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use dipper_wire::{Landing, Private};
use futures::FutureExt;

use crate::buffer::Draft;
use crate::download::{Beginning, First, Opened, open};
use crate::gate::{Gate, Need};
use crate::metrics::Meter;
use crate::origin::Origin;
use crate::turnstile::Turn;
use crate::unmeasured::Unmeasured;
use crate::{Budget, Buffer, Client, Error, Metrics, Source, Span, Stat, Ticket, ledger};

/// Told how far an operation is, some ten times a second and once at the end.
pub trait Progress: Send + Sync {
    /// So many bytes of so many are there.
    fn reached(&self, bytes: u64, total: u64, metrics: &Metrics);
}

/// Where a body goes.
pub enum Destination {
    /// Into an allocation of its own.
    Buffer,
    /// Into memory of somebody else.
    Private(Private),
}

/// What to read, and how.
pub struct GetRequest {
    /// Where it is.
    pub source: Source,
    /// Which bytes of it.
    pub span: Span,
    /// Read only if the ETag is this.
    pub if_match: Option<String>,
    /// Refuse a body of more bytes before reading it, and say so with this hint.
    pub limit: Option<(u64, String)>,
    /// Who is told how far it is.
    pub progress: Option<Arc<dyn Progress>>,
}

/// What was read.
pub struct Got {
    /// The bytes, unless they went to private memory.
    pub buffer: Option<Arc<Buffer>>,
    /// How many bytes were read.
    pub length: u64,
    /// What the server told about the object.
    pub stat: Stat,
    /// What it took.
    pub metrics: Metrics,
}

/// So many bytes may be adopted before the collector is asked to look for dropped ones.
const COLLECT_EVERY: u64 = 256 << 20;

/// How long a read keeps its connection while others come before it. They may need one.
const PATIENCE_FOR_TURN: Duration = Duration::from_secs(1);

/// Reads an object, or a part of it.
///
/// # Errors
/// Whatever the server or the connection reports; `BudgetExceeded` for what can never fit.
pub async fn get(
    client: Option<&Arc<Client>>,
    request: GetRequest,
    destination: Destination,
) -> Result<Got, Error> {
    let meter = Arc::new(Meter::new());
    let uri = request.source.shown();
    let read = async {
        match Origin::of(client, &request.source)? {
            None => {
                let client = client.map(Arc::as_ref);
                let admission = Admission::default();
                crate::file::get(client, &request, destination, admission, &meter).await
            }
            Some(origin) => {
                let small = request.source.size().is_some_and(|size| size <= SMALL);
                let beginning = if small { Beginning::Undivided } else { Beginning::Range };
                let admission = Admission::default();
                read(&origin, &request, destination, beginning, admission, &meter).await
            }
        }
    };
    read.await.map_err(|error: Error| error.about(uri))
}

/// Objects that are known to have no more bytes are asked for undivided.
pub(crate) const SMALL: u64 = crate::download::FIRST_PART;

/// What a read passes besides the budgets of its client and the process.
#[derive(Default)]
pub(crate) struct Admission {
    /// The bytes of several reads that nobody has taken yet.
    pub(crate) window: Option<Arc<Budget>>,
    /// Who reserves first.
    pub(crate) turn: Option<Turn>,
}

pub(crate) async fn read(
    origin: &Origin,
    request: &GetRequest,
    destination: Destination,
    beginning: Beginning,
    admission: Admission,
    meter: &Arc<Meter>,
) -> Result<Got, Error> {
    let if_match = request.if_match.as_deref();
    let first = open(origin, request.span, if_match, beginning, meter).await?;
    go_on(first, origin, request, destination, admission, meter).await
}

/// Reads what the first answer began.
async fn go_on(
    first: First,
    origin: &Origin,
    request: &GetRequest,
    destination: Destination,
    mut admission: Admission,
    meter: &Arc<Meter>,
) -> Result<Got, Error> {
    let opened = match first {
        First::Opened(opened) => *opened,
        First::Unmeasured(page) => {
            let page = unmeasured(*page, origin.client(), destination, request, meter);
            return Box::pin(page).await;
        }
        First::Empty(stat) => return nothing(destination, *stat, request, meter),
    };
    let length = opened.length();
    check_limit(request, length)?;
    let stat = opened.stat();
    let size = usize::try_from(length).map_err(|_| Error::invalid("the object is too large"))?;
    let report = || {
        if let Some(progress) = &request.progress {
            progress.reached(meter.bytes().min(length), length, &meter.read());
        }
    };
    report();
    let buffer = match destination {
        Destination::Private(memory) => {
            let (_landing, slot) = in_private(memory, length)?;
            opened.fill(slot, meter, report).await?;
            None
        }
        Destination::Buffer => {
            let (opened, tickets) =
                reserve(opened, origin.client(), length, &mut admission, meter).await?;
            let (landing, slot) = Draft::recycled(size, tickets)?.land();
            opened.fill(slot, meter, report).await?;
            Some(landing.finish()?)
        }
    };
    report();
    Ok(Got { buffer, length, stat, metrics: meter.read() })
}

/// What is longer is read into a place of its own: one more call matters less then.
const MOST_ALONG: usize = 64 << 10;

/// The bytes of a short object.
pub(crate) enum Short {
    /// They came along with the head, and lie wherever that was.
    Came { bytes: BytesMut, _room: Vec<Ticket> },
    /// They were read as those of any other are.
    Read(Option<Arc<Buffer>>),
}

impl Short {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Came { bytes, .. } => bytes,
            Self::Read(buffer) => buffer.as_ref().map_or(&[], |buffer| buffer.memory().as_ref()),
        }
    }
}

/// Reads an object of so many bytes, as a listing told. If there is room for them at once, they
/// may come along with their head, which saves the calls to read them.
pub(crate) async fn read_short(
    origin: &Origin,
    request: &GetRequest,
    size: u64,
    window: &Arc<Budget>,
    meter: &Arc<Meter>,
) -> Result<Short, Error> {
    let room = match usize::try_from(size) {
        Ok(size @ 1..=MOST_ALONG) => room_for(size, origin.client(), window),
        _ => None,
    };
    let beginning = match &room {
        Some((size, _)) => Beginning::Short(*size),
        None => Beginning::OneOfMany,
    };
    let mut first =
        open(origin, request.span, request.if_match.as_deref(), beginning, meter).await?;
    if let Some((_, room)) = room {
        first = match first {
            First::Opened(opened) => match opened.came(meter).await? {
                Ok(bytes) => return Ok(Short::Came { bytes, _room: room }),
                Err(opened) => First::Opened(opened),
            },
            first => first,
        };
    }
    let admission = Admission { window: Some(Arc::clone(window)), turn: None };
    let got = Box::pin(go_on(first, origin, request, Destination::Buffer, admission, meter));
    Ok(Short::Read(got.await?.buffer))
}

fn room_for(size: usize, client: &Client, window: &Arc<Budget>) -> Option<(usize, Vec<Ticket>)> {
    let mut room = client.take_in_turn(size as u64)?;
    room.push(window.take_in_turn(size as u64)?);
    Some((size, room))
}

async fn unmeasured(
    page: Unmeasured,
    client: &Client,
    destination: Destination,
    request: &GetRequest,
    meter: &Meter,
) -> Result<Got, Error> {
    let (buffer, length, stat) = match destination {
        Destination::Buffer => {
            let (buffer, stat) = page.collect(client, request.limit.as_ref(), meter).await?;
            let length = stat.size;
            (Some(buffer), length, stat)
        }
        Destination::Private(memory) => {
            let (length, stat) = page.into(client, memory, meter).await?;
            (None, length, stat)
        }
    };
    if let Some(progress) = &request.progress {
        progress.reached(length, length, &meter.read());
    }
    Ok(Got { buffer, length, stat, metrics: meter.read() })
}

pub(crate) fn check_limit(request: &GetRequest, length: u64) -> Result<(), Error> {
    match request.limit.as_ref().filter(|(limit, _)| length > *limit) {
        None => Ok(()),
        Some((limit, hint)) => {
            let message = format!("{length} bytes are more than the {limit} that fit");
            Err(Error::invalid(message).hint(hint.as_str()))
        }
    }
}

pub(crate) fn in_private(
    memory: Private,
    length: u64,
) -> Result<(Landing, dipper_wire::Slot), Error> {
    let capacity = memory.capacity();
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    Landing::in_private(memory, size).ok_or_else(|| {
        Error::invalid(format!("the target holds {capacity} bytes, the object {length}"))
            .hint("pass a target that is large enough, or read a slice")
    })
}

pub(crate) fn nothing(
    destination: Destination,
    stat: Stat,
    request: &GetRequest,
    meter: &Meter,
) -> Result<Got, Error> {
    let buffer = match destination {
        Destination::Buffer => Some(Draft::zeroed(0, Vec::new())?.finish()),
        Destination::Private(_) => None,
    };
    if let Some(progress) = &request.progress {
        progress.reached(0, 0, &meter.read());
    }
    Ok(Got { buffer, length: 0, stat, metrics: meter.read() })
}

/// Takes tickets. The collector is asked first when much was adopted since it last ran:
/// external memory alone does not make it run.
async fn reserve(
    opened: Opened,
    client: &Client,
    length: u64,
    admission: &mut Admission,
    meter: &Arc<Meter>,
) -> Result<(Opened, Vec<Ticket>), Error> {
    // First: the length is what a server says, and may be anything.
    client.admit(length)?;
    if ledger().collection_is_due(length, COLLECT_EVERY)
        && let Some(gate) = Gate::current()
    {
        gate.ask(Need::Collect(length)).await;
    }
    let turn = admission.turn.take();
    let mut opened = opened;
    if let Some(turn) = &turn
        && tokio::time::timeout(PATIENCE_FOR_TURN, turn.come()).await.is_err()
    {
        let come = async {
            turn.come().await;
            Ok(())
        };
        (opened, ()) = Box::pin(opened.wait(come, meter)).await?;
    }
    let window = admission.window.clone();
    let mut tickets = Box::pin(async move {
        let mut tickets = Vec::with_capacity(3);
        if let Some(window) = window {
            // One that is larger than the window fills it alone.
            tickets.push(window.reserve(length.min(window.limit())).await?);
        }
        tickets.extend(client.reserve(length).await?);
        drop(turn);
        Ok(tickets)
    });
    if let Some(tickets) = (&mut tickets).now_or_never() {
        return Ok((opened, tickets?));
    }
    Box::pin(opened.wait(patiently(tickets, length), meter)).await
}

/// Waits for tickets. Others' memory may be garbage that nobody has collected yet, so the
/// collector is asked before the wait, and again as long as it lasts.
pub(crate) async fn patiently<T>(mut tickets: impl Future<Output = T> + Unpin, length: u64) -> T {
    let mut patience = Duration::ZERO;
    loop {
        if let Ok(tickets) = tokio::time::timeout(patience, &mut tickets).await {
            return tickets;
        }
        // One look serves all that wait.
        if ledger().may_look_for_garbage()
            && let Some(gate) = Gate::current()
        {
            gate.ask(Need::Collect(length)).await;
        }
        patience = (patience * 2).clamp(Duration::from_millis(20), Duration::from_secs(5));
    }
}
