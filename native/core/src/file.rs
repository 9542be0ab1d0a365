//! Reading a file on this machine.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use dipper_wire::{FillError, Slot};

use crate::buffer::Draft;
use crate::get::{Admission, Destination, GetRequest, Got, check_limit, in_private, nothing};
use crate::metrics::{Meter, Transport};
use crate::unsized_file::measured;
use crate::{Buffer, Client, Error, Source, Span, Stat, Status, ledger};

/// How much is read before a cancelled read is noticed, and progress told.
const STEP: usize = 8 << 20;

/// The error for a file.
pub(crate) fn failed(error: &io::Error, path: &Path) -> Error {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => Error::new(Status::NotFound, format!("{shown} does not exist")),
        io::ErrorKind::PermissionDenied => {
            Error::new(Status::AccessDenied, format!("the system does not allow to read {shown}"))
        }
        _ => Error::new(Status::FileFailed, format!("{shown} cannot be read: {error}")),
    }
}

/// What the system tells about a file.
pub(crate) fn stat_of(metadata: &Metadata) -> Stat {
    let last_modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok());
    Stat { size: metadata.len(), last_modified, ..Stat::default() }
}

/// Which bytes of a file of `size` bytes a span means: the first, and how many.
pub(crate) fn place(span: Span, size: u64) -> (u64, u64) {
    let (start, end) = match span {
        Span::Whole => (0, size),
        Span::Range { start, end } => (start.min(size), end.unwrap_or(size).min(size)),
        Span::Last(count) => (size.saturating_sub(count), size),
    };
    (start, end.saturating_sub(start))
}

/// Opens a file and says what it is. Of one that tells no size the bytes that it has now.
pub(crate) async fn open(path: &Path) -> Result<(Arc<File>, Stat), Error> {
    let (file, told) = open_measured(path).await?;
    Ok((file, stat_of(&told)))
}

pub(crate) async fn open_measured(path: &Path) -> Result<(Arc<File>, Metadata), Error> {
    let (file, told) = open_as_it_is(path).await?;
    measured(file, told, path).await
}

/// Opens a file whatever it tells of itself. A pipe or a terminal could hang for ever.
pub(crate) async fn open_as_it_is(path: &Path) -> Result<(Arc<File>, Metadata), Error> {
    let path = path.to_owned();
    blocking(move || {
        let metadata = std::fs::metadata(&path).map_err(|error| failed(&error, &path))?;
        if !metadata.is_file() {
            let shown = path.display();
            return Err(Error::invalid(format!("{shown} is not a regular file")));
        }
        let file = File::open(&path).map_err(|error| failed(&error, &path))?;
        let metadata = file.metadata().map_err(|error| failed(&error, &path))?;
        Ok((Arc::new(file), metadata))
    })
    .await
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    // A step that runs cannot be stopped: the operation is over when it is, and what nobody waits
    // for any more is gone by then.
    let token = crate::gate::token();
    let place = Arc::new(Mutex::new(None));
    let there = Arc::clone(&place);
    let work = move || {
        let done = work();
        *there.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        drop(there);
        drop(token);
    };
    crate::gate::joined(tokio::task::spawn_blocking(work).await)?;
    let done = place.lock().unwrap_or_else(PoisonError::into_inner).take();
    done.unwrap_or_else(|| Err(Error::cancelled()))
}

/// Asks for a file's properties.
pub(crate) async fn stat(path: &Path) -> Result<Stat, Error> {
    Ok(stat_of(&open_as_it_is(path).await?.1))
}

/// Maps a file, or a part of it, privately: what JavaScript writes does not reach the file.
///
/// # Errors
/// Whatever the system reports.
pub async fn map(path: &Path, span: Span) -> Result<Got, Error> {
    let (file, stat) = open(path).await?;
    let meter = Meter::new();
    meter.took(Transport::File);
    let (start, length) = place(span, stat.size);
    let size = usize::try_from(length).map_err(|_| Error::invalid("the file is too large"))?;
    let path = path.to_owned();
    let buffer =
        blocking(move || Buffer::mapped(&file, start, size).map_err(|error| failed(&error, &path)))
            .await?;
    Ok(Got { buffer: Some(buffer), length, stat, metrics: meter.read() })
}

pub(crate) async fn get(
    client: Option<&Client>,
    request: &GetRequest,
    destination: Destination,
    mut admission: Admission,
    meter: &Arc<Meter>,
) -> Result<Got, Error> {
    let Source::File(path) = &request.source else {
        return Err(Error::internal("this is not a file"));
    };
    if request.if_match.is_some() {
        return Err(
            Error::invalid("a file has no ETag to match").hint("leave ifMatch out for local files")
        );
    }
    let (file, stat) = open(path).await?;
    meter.took(Transport::File);
    let (start, length) = place(request.span, stat.size);
    check_limit(request, length)?;
    if length == 0 {
        return nothing(destination, stat, request, meter);
    }
    let size = usize::try_from(length).map_err(|_| Error::invalid("the file is too large"))?;
    let report = || {
        if let Some(progress) = &request.progress {
            progress.reached(meter.bytes(), length, &meter.read());
        }
    };
    let buffer = match destination {
        Destination::Private(memory) => {
            let (_landing, slot) = in_private(memory, length)?;
            drop(fill(&file, path, start, slot, meter, report).await?);
            None
        }
        Destination::Buffer => {
            let tickets = reserve(client, length, &mut admission).await?;
            let (landing, slot) = Draft::recycled(size, tickets)?.land();
            drop(fill(&file, path, start, slot, meter, report).await?);
            Some(landing.finish()?)
        }
    };
    meter.part();
    report();
    Ok(Got { buffer, length, stat, metrics: meter.read() })
}

/// Tickets of the process, and of the client if the file is read through one.
async fn reserve(
    client: Option<&Client>,
    length: u64,
    admission: &mut Admission,
) -> Result<Vec<crate::Ticket>, Error> {
    match client {
        Some(client) => client.admit(length)?,
        None => ledger().budget().admit(length)?,
    }
    let turn = admission.turn.take();
    if let Some(turn) = &turn {
        turn.come().await;
    }
    let window = admission.window.clone();
    let tickets = Box::pin(async move {
        let mut tickets = Vec::with_capacity(2);
        if let Some(window) = window {
            tickets.push(window.reserve(length.min(window.limit())).await?);
        }
        match client {
            Some(client) => tickets.extend(client.reserve(length).await?),
            None => tickets.push(ledger().budget().reserve(length).await?),
        }
        drop(turn);
        Ok(tickets)
    });
    crate::get::patiently(tickets, length).await
}

/// Fills a slot from an offset in a file, step by step.
pub(crate) async fn fill(
    file: &Arc<File>,
    path: &Path,
    start: u64,
    mut slot: Slot,
    meter: &Arc<Meter>,
    mut told: impl FnMut(),
) -> Result<Slot, Error> {
    while slot.missing() > 0 {
        let from = start + slot.filled() as u64;
        let length = slot.missing();
        slot = fill_some(file, path, from, length, slot, meter).await?;
        told();
    }
    Ok(slot)
}

/// Fills a slot with so many bytes from an offset in a file on, or with the first of them.
pub(crate) async fn fill_some(
    file: &Arc<File>,
    path: &Path,
    from: u64,
    length: usize,
    mut slot: Slot,
    meter: &Arc<Meter>,
) -> Result<Slot, Error> {
    let (file, meter, shown) = (Arc::clone(file), Arc::clone(meter), path.to_owned());
    blocking(move || {
        let mut left = STEP.min(length).min(slot.missing());
        let mut at = from;
        while left > 0 {
            match slot.fill(left, |room| file.read_at(room, at)) {
                Ok(0) => {
                    return Err(Error::new(
                        Status::ObjectChanged,
                        format!("{} became shorter while it was read", shown.display()),
                    ));
                }
                Ok(read) => {
                    left -= read;
                    at += read as u64;
                    meter.arrived(read);
                }
                Err(FillError::Revoked) => return Err(Error::cancelled()),
                Err(FillError::Source(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(FillError::Source(error)) => return Err(failed(&error, &shown)),
            }
        }
        Ok(slot)
    })
    .await
}
