//! A local file whose bytes are brought by a program, piece by piece: what an upload is for S3.
//!
//! The program fills one slab; when it asks for more room, the slab is written. So memory stays
//! bounded, and the disk holds the program back. What lies in memory of Rust needs no slab.
//!
//! The disk begins with what is there while more comes, so that the end has less to wait for.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dipper_wire::Allocation;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::buffer::Account;
use crate::file::blocking;
use crate::metrics::{Meter, Metrics, Transport};
use crate::new_file::{Existing, NewFile, write_failed};
use crate::upload::Written;
use crate::{Client, Error, ledger};

/// How much is written at once.
const SLAB: usize = 1 << 20;
/// What is shorter goes through the slab: a call for each would cost more.
const SHORT: usize = SLAB / 16;
/// The disk is told to begin when so much came since it was told last.
const FLUSHED: usize = 16 << 20;

/// A local file that takes bytes. Dropped before it is finished, nothing of it is left.
pub struct FileUpload {
    meter: Meter,
    state: Mutex<State>,
    /// It was ended from outside.
    ended: CancellationToken,
    /// Whether there is a file, be it that a step has it.
    open: TaskTracker,
}

struct State {
    /// `None` once it is finished, has failed, or while it is being written.
    file: Option<Open>,
    slab: Option<Slab>,
}

/// The file while it grows.
struct Open {
    file: NewFile,
    /// How many bytes came.
    written: usize,
    /// Of how many of them the disk was told to begin.
    told: usize,
    /// The disk on its way, and what it reported.
    flushing: Option<JoinHandle<io::Result<()>>>,
    /// Let go after the file.
    _token: TaskTrackerToken,
}

impl Open {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write(bytes)?;
        self.written += bytes.len();
        Ok(())
    }

    /// Tells the disk to begin, unless it is at it. A failure is told to one who asks, and to nobody
    /// after him: it is kept.
    async fn flush(&mut self) -> Result<(), Error> {
        let waits = self.written - self.told >= FLUSHED;
        if !waits || self.flushing.as_ref().is_some_and(|task| !task.is_finished()) {
            return Ok(());
        }
        self.flushed().await?;
        self.told = self.written;
        let file = self.file.file().try_clone();
        let work = move || file.and_then(|file: File| file.sync_data());
        self.flushing = Some(tokio::task::spawn_blocking(work));
        Ok(())
    }

    /// Waits until the disk has done what it was told.
    async fn flushed(&mut self) -> Result<(), Error> {
        let Some(task) = self.flushing.take() else { return Ok(()) };
        let failed = |error: &io::Error| write_failed(error, self.file.path());
        task.await.unwrap_or_else(|error| Err(error.into())).map_err(|error| failed(&error))
    }
}

struct Slab {
    memory: Allocation,
    filled: usize,
    _account: Account,
}

impl Slab {
    /// Takes what fits.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let rest = self.memory.as_mut_slice().get_mut(self.filled..).unwrap_or_default();
        let fitting = bytes.len().min(rest.len());
        let (room, _) = rest.split_at_mut(fitting);
        room.copy_from_slice(bytes.split_at(fitting).0);
        self.filled += fitting;
        fitting
    }

    /// Writes what it holds.
    fn write_to(&mut self, file: &mut Open) -> Result<(), Error> {
        if self.filled > 0 {
            file.write(self.memory.as_slice().get(..self.filled).unwrap_or_default())?;
            self.filled = 0;
        }
        Ok(())
    }
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
        let open = TaskTracker::new();
        open.close();
        let file = Open { file, written: 0, told: 0, flushing: None, _token: open.token() };
        let state = Mutex::new(State { file: Some(file), slab: Some(slab) });
        Ok(Self { meter, state, ended: CancellationToken::new(), open })
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
        let fitting = slab.take(bytes);
        self.meter.copied(fitting);
        Ok(fitting)
    }

    /// Writes pieces that lie in memory of Rust, in their order; short ones wait for others. They come
    /// back, so that their memory can be used again.
    ///
    /// # Errors
    /// Whatever the system reports, such as a full disk.
    pub async fn bring<T>(&self, pieces: Vec<T>) -> Result<Vec<T>, Error>
    where
        T: AsRef<[u8]> + Send + 'static,
    {
        let (copied, pieces) = self
            .step(move |file, slab| {
                let mut copied = 0;
                for piece in &pieces {
                    let bytes = piece.as_ref();
                    if bytes.len() >= SHORT {
                        slab.write_to(file)?;
                        file.write(bytes)?;
                        continue;
                    }
                    if bytes.len() > SLAB - slab.filled {
                        slab.write_to(file)?;
                    }
                    copied += slab.take(bytes);
                }
                Ok((copied, pieces))
            })
            .await?;
        self.meter.copied(copied);
        Ok(pieces)
    }

    /// Writes what was taken where there is no room left, and tells for how many bytes there is.
    ///
    /// # Errors
    /// Whatever the system reports, such as a full disk.
    pub async fn room(&self) -> Result<usize, Error> {
        if self.lock().slab.as_ref().is_none_or(|slab| slab.filled == SLAB) {
            self.step(|file, slab| slab.write_to(file)).await?;
        }
        Ok(self.lock().slab.as_ref().map_or(0, |slab| SLAB - slab.filled))
    }

    /// Writes the rest and gives the file its name. It survives a power cut from here on.
    ///
    /// # Errors
    /// Whatever the system reports; nothing is left then.
    pub async fn finish(&self) -> Result<Written, Error> {
        self.step(|file, slab| slab.write_to(file)).await?;
        let (mut file, slab) = self.taken()?;
        drop(slab);
        file.flushed().await?;
        let stat = blocking(move || file.file.finish(true)).await?;
        self.meter.part();
        Ok(Written { stat, metrics: self.metrics() })
    }

    /// Takes the file out, so that a failure leaves nothing behind.
    fn taken(&self) -> Result<(Open, Slab), Error> {
        let mut state = self.lock();
        match (state.file.take(), state.slab.take()) {
            (Some(file), Some(slab)) => Ok((file, slab)),
            _ => Err(over()),
        }
    }

    /// Writes to the file, on a thread that may wait.
    async fn step<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Open, &mut Slab) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (mut file, mut slab) = self.taken()?;
        let before = file.written;
        let (mut file, slab, done) = blocking(move || {
            let done = work(&mut file, &mut slab)?;
            Ok((file, slab, done))
        })
        .await?;
        self.meter.arrived(file.written - before);
        file.flush().await?;
        let mut state = self.lock();
        if self.ended.is_cancelled() {
            return Err(over());
        }
        state.file = Some(file);
        state.slab = Some(slab);
        Ok(done)
    }

    /// Ends it; nothing of it is left.
    pub fn abort(&self) {
        let mut state = self.lock();
        self.ended.cancel();
        let ended = (state.file.take(), state.slab.take());
        drop(state);
        drop(ended);
    }

    /// Waits until nothing is left of what was ended.
    pub async fn ended(&self) {
        self.open.wait().await;
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
