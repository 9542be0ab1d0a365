//! A local file whose bytes are brought by a program, piece by piece: what an upload is for S3.
//!
//! The program fills one slab; when it asks for more room, the slab is written. So memory stays
//! bounded, and the disk holds the program back.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dipper_wire::Allocation;
use tokio_util::sync::CancellationToken;

use crate::buffer::Account;
use crate::file::blocking;
use crate::metrics::{Meter, Metrics, Transport};
use crate::new_file::{Existing, NewFile};
use crate::upload::Written;
use crate::{Client, Error, ledger};

/// How much is written at once.
const SLAB: usize = 1 << 20;

/// A local file that takes bytes. Dropped before it is finished, nothing of it is left.
pub struct FileUpload {
    meter: Meter,
    state: Mutex<State>,
    /// It was ended from outside.
    ended: CancellationToken,
}

struct State {
    /// `None` once it is finished, has failed, or while it is being written.
    file: Option<NewFile>,
    slab: Option<Slab>,
}

struct Slab {
    memory: Allocation,
    filled: usize,
    _account: Account,
}

impl FileUpload {
    /// Begins the file.
    ///
    /// # Errors
    /// As [`NewFile::create`].
    pub async fn open(
        client: Option<&Client>,
        path: &Path,
        existing: Existing,
    ) -> Result<Self, Error> {
        let meter = Meter::new();
        meter.took(Transport::File);
        let path = path.to_owned();
        let file = blocking(move || NewFile::create(&path, existing)).await?;
        let tickets = match client {
            Some(client) => client.reserve(SLAB as u64).await?,
            None => vec![ledger().budget().reserve(SLAB as u64).await?],
        };
        let memory = Allocation::recycled(SLAB)?;
        let slab = Slab { memory, filled: 0, _account: Account::open(SLAB, tickets) };
        let state = Mutex::new(State { file: Some(file), slab: Some(slab) });
        Ok(Self { meter, state, ended: CancellationToken::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes as many bytes as there is room for. None: ask for [`room`](Self::room).
    ///
    /// # Errors
    /// When it is finished or has failed.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Error> {
        let mut state = self.lock();
        let slab = state.slab.as_mut().ok_or_else(over)?;
        let rest = slab.memory.as_mut_slice().get_mut(slab.filled..).unwrap_or_default();
        let fitting = bytes.len().min(rest.len());
        let (room, _) = rest.split_at_mut(fitting);
        room.copy_from_slice(bytes.split_at(fitting).0);
        slab.filled += fitting;
        self.meter.copied(fitting);
        Ok(fitting)
    }

    /// Writes what was taken where there is no room left, and tells for how many bytes there is.
    ///
    /// # Errors
    /// Whatever the system reports, such as a full disk.
    pub async fn room(&self) -> Result<usize, Error> {
        if self.lock().slab.as_ref().is_none_or(|slab| slab.filled == SLAB) {
            let (file, slab) = self.flushed().await?;
            let mut state = self.lock();
            state.file = Some(file);
            state.slab = Some(slab);
        }
        Ok(self.lock().slab.as_ref().map_or(0, |slab| SLAB - slab.filled))
    }

    /// Writes the rest and gives the file its name. It survives a power cut from here on.
    ///
    /// # Errors
    /// Whatever the system reports; nothing is left then.
    pub async fn finish(&self) -> Result<Written, Error> {
        let (file, slab) = self.flushed().await?;
        drop(slab);
        let stat = blocking(move || file.finish(true)).await?;
        self.meter.part();
        Ok(Written { stat, metrics: self.metrics() })
    }

    /// Takes the file out, so that a failure leaves nothing behind, and writes what the slab holds.
    async fn flushed(&self) -> Result<(NewFile, Slab), Error> {
        let (file, slab) = {
            let mut state = self.lock();
            (state.file.take(), state.slab.take())
        };
        let (Some(mut file), Some(mut slab)) = (file, slab) else { return Err(over()) };
        let (file, slab, written) = blocking(move || {
            let written = slab.filled;
            file.write(slab.memory.as_slice().get(..written).unwrap_or_default())?;
            slab.filled = 0;
            Ok((file, slab, written))
        })
        .await?;
        self.meter.arrived(written);
        Ok((file, slab))
    }

    /// Ends it; nothing of it is left.
    pub fn abort(&self) {
        let mut state = self.lock();
        let ended = (state.file.take(), state.slab.take());
        drop(state);
        drop(ended);
        self.ended.cancel();
    }

    /// Waits until it was ended from outside: a file by itself does not fail.
    ///
    /// # Errors
    /// That it was.
    pub async fn closed(&self) -> Result<(), Error> {
        self.ended.cancelled().await;
        Err(Error::cancelled())
    }

    /// What was done so far.
    pub fn metrics(&self) -> Metrics {
        self.meter.read()
    }
}

fn over() -> Error {
    Error::invalid("the file takes no more bytes: it is finished, or it has failed")
}
