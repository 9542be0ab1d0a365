//! An upload whose bytes are brought by a program, piece by piece.
//!
//! The program asks for room, copies what fits, and asks again. A few slabs are filled and
//! sent in turn, so the network holds the program back, and memory stays bounded whatever
//! the length. A part that is larger than all slabs together goes through one slab into a file.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::driver::{Driver, Job, Message, Written};
use super::part_sizes::{Limits, PartSizes, S3};
use super::slab::{Slab, Slabs};
use super::spill::{Spill, Spilling};
use super::write_options::WriteOptions;
use crate::metrics::Meter;
use crate::request_body::RequestBody;
use crate::{Client, Error, Metrics, ObjectRef};

/// What to write.
pub struct UploadRequest {
    /// The object.
    pub object: ObjectRef,
    /// What is said about it.
    pub options: WriteOptions,
    /// How many bytes will come, where that is known.
    pub size: Option<u64>,
    /// The folder for parts that are too large for memory. They lie there all the same when it is
    /// not named, and when it cannot be written.
    pub spill: Option<PathBuf>,
}

/// An upload that takes bytes. Dropped before it is finished, it is aborted.
pub struct Upload {
    job: Arc<Job>,
    driver: Driver,
    slabs: Slabs,
    spill: Option<Spill>,
    state: Mutex<State>,
}

struct State {
    /// Where bytes go now.
    filling: Filling,
    /// `None` once all bytes are there.
    parts: Option<mpsc::UnboundedSender<Message>>,
    /// Of the next part.
    index: u64,
    /// How many bytes came.
    taken: u64,
}

enum Filling {
    Nothing,
    Slab(Slab),
    Spilling(Spilling),
    /// It is on its way to the disk. Whoever waits no more for that loses it, and nothing may
    /// follow.
    Away,
}

impl Filling {
    fn room(&self) -> usize {
        match self {
            Self::Slab(slab) => slab.room(),
            Self::Spilling(spilling) => spilling.room(),
            Self::Nothing | Self::Away => 0,
        }
    }

    fn take_bytes(&mut self, bytes: &[u8]) {
        match self {
            Self::Slab(slab) => slab.take(bytes),
            Self::Spilling(spilling) => spilling.take(bytes),
            Self::Nothing | Self::Away => {}
        }
    }
}

/// The end of the bytes. Whoever waits no more before it is told leaves no object behind that would
/// lack some.
struct Ending(Option<mpsc::UnboundedSender<Message>>);

impl Ending {
    fn tell(mut self, last: Result<Option<RequestBody>, Error>) {
        let Some(parts) = self.0.take() else { return };
        match last {
            Ok(None) => {}
            Ok(Some(part)) => drop(parts.send(Message::Part(part))),
            Err(error) => drop(parts.send(Message::Failed(error))),
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(parts) = &self.0 {
            let _ = parts.send(Message::Failed(Error::cancelled()));
        }
    }
}

fn lost() -> Error {
    Error::invalid("the upload takes no more bytes: a step of it was cancelled")
}

impl State {
    /// Takes out what has to go to the disk before there is room again.
    fn full(&mut self) -> Result<Option<Spilling>, Error> {
        match std::mem::replace(&mut self.filling, Filling::Away) {
            Filling::Spilling(spilling) if spilling.room() == 0 => Ok(Some(spilling)),
            Filling::Away => Err(lost()),
            filling => {
                self.filling = filling;
                Ok(None)
            }
        }
    }

    fn send(&mut self, part: RequestBody) {
        self.index += 1;
        if let Some(parts) = &self.parts {
            let _ = parts.send(Message::Part(part));
        }
    }
}

impl Upload {
    /// Prepares an upload; nothing is sent before there are bytes, or an end of them.
    ///
    /// # Errors
    /// `InvalidInput` for options that cannot be meant.
    pub fn open(client: &Arc<Client>, request: UploadRequest) -> Result<Self, Error> {
        Self::within(S3, client, request)
    }

    /// The same where the limits may be others.
    pub(super) fn within(
        limits: Limits,
        client: &Arc<Client>,
        request: UploadRequest,
    ) -> Result<Self, Error> {
        let UploadRequest { object, options, size, spill } = request;
        let sizes = PartSizes::new(limits, size, options.part_size)?;
        // Bad options are told now, not after a part was brought.
        options.headers()?;
        options.conditions()?;
        let (sender, parts) = mpsc::unbounded_channel();
        let meter = Arc::new(Meter::new());
        let client = Arc::clone(client);
        let job = Job { client, object, options, size, sizes, meter, progress: None };
        let job = Arc::new(job);
        let driver = Driver::start(Arc::clone(&job), parts);
        let state = State { filling: Filling::Nothing, parts: Some(sender), index: 0, taken: 0 };
        let slabs = Slabs::new(limits.window);
        Ok(Self { job, driver, slabs, spill: spill.map(Spill::new), state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes as many bytes as there is room for. None: ask for [`room`](Self::room).
    ///
    /// # Errors
    /// The failure of the upload, and `InvalidInput` for more bytes than were announced.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Error> {
        if let Some(error) = self.driver.failure() {
            return Err(error);
        }
        let mut state = self.lock();
        if state.parts.is_none() {
            return Err(Error::invalid("the upload takes no more bytes: it is finished"));
        }
        if let Some(size) = self.job.size
            && bytes.len() as u64 > size.saturating_sub(state.taken)
        {
            return Err(Error::invalid(format!(
                "the source brings more than the {size} bytes that it announced"
            ))
            .hint("upload it again when nobody changes it"));
        }
        let fitting = bytes.len().min(state.filling.room());
        state.filling.take_bytes(bytes.split_at(fitting).0);
        state.taken += fitting as u64;
        self.job.meter.copied(fitting);
        if let Filling::Slab(slab) = &state.filling
            && slab.room() == 0
            && let Filling::Slab(full) = std::mem::replace(&mut state.filling, Filling::Nothing)
        {
            state.send(full.into_bytes().into());
        }
        Ok(fitting)
    }

    /// Waits until there is room, and tells for how many bytes.
    ///
    /// # Errors
    /// The failure of the upload.
    pub async fn room(&self) -> Result<usize, Error> {
        let full = self.lock().full()?;
        if let Some(spilling) = full {
            let spilling = self.unless_ended(spilling.settled()).await??;
            let mut state = self.lock();
            if spilling.is_whole() {
                state.filling = Filling::Nothing;
                state.send(spilling.into_body());
            } else {
                state.filling = Filling::Spilling(spilling);
            }
        }
        let (index, taken) = {
            let state = self.lock();
            let room = state.filling.room();
            if room > 0 {
                return Ok(room);
            }
            if state.index > 0
                && let Some(parts) = &state.parts
            {
                let _ = parts.send(Message::More);
            }
            (state.index, state.taken)
        };
        let size = match self.job.size {
            Some(size) if self.job.sizes.is_one_request(size) => size,
            size => {
                let part = self.job.sizes.of(index)?;
                size.map_or(part, |size| part.min(size.saturating_sub(taken)))
            }
        };
        // An upload of nothing has room for the byte that is one too many.
        let next = self.next(size.max(1), self.job.sizes.has_grown(index));
        let next = self.unless_ended(next).await??;
        let mut state = self.lock();
        match state.filling {
            Filling::Nothing => state.filling = next,
            // Somebody else asked, too.
            Filling::Slab(_) | Filling::Spilling(_) => {}
            Filling::Away => return Err(lost()),
        }
        Ok(state.filling.room())
    }

    /// Where a part of a size goes.
    async fn next(&self, size: u64, grown: bool) -> Result<Filling, Error> {
        let client = &self.job.client;
        if size > self.job.sizes.limits().window
            && let Some(spill) = &self.spill
            && let Some(place) = spill.place(size).await
        {
            let slab = self.slabs.reserve(client, self.slabs.in_passing(), grown).await?;
            return Ok(Filling::Spilling(Spilling::new(place, size, slab)));
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        Ok(Filling::Slab(self.slabs.reserve(client, size, grown).await?))
    }

    /// Waits for something, but no longer than for the upload.
    async fn unless_ended<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        tokio::select! {
            biased;
            ended = self.driver.ended() => Err(match ended {
                Err(error) => error,
                Ok(_) => Error::invalid("the upload takes no more bytes: it is finished"),
            }),
            done = work => Ok(done),
        }
    }

    /// Sends what is left and waits until the object is there.
    ///
    /// # Errors
    /// The failure of the upload, of which nothing is left then.
    pub async fn finish(&self) -> Result<Written, Error> {
        let (ending, filling, missing) = {
            let mut state = self.lock();
            let Some(parts) = state.parts.take() else {
                return Err(Error::invalid("the upload is finished already"));
            };
            let filling = std::mem::replace(&mut state.filling, Filling::Nothing);
            let missing = self.job.size.filter(|size| *size != state.taken);
            (Ending(Some(parts)), filling, missing.map(|size| (state.taken, size)))
        };
        let last = match (missing, filling) {
            (Some((taken, size)), _) => Err(Error::invalid(format!(
                "the source brought {taken} of the {size} bytes that it announced"
            ))
            .hint("upload it again when nobody changes it")),
            (None, Filling::Away) => Err(lost()),
            (None, Filling::Slab(slab)) if slab.filled() > 0 => Ok(Some(slab.into_bytes().into())),
            (None, Filling::Spilling(spilling)) if !spilling.is_empty() => {
                spilling.settled().await.map(|spilling| Some(spilling.into_body()))
            }
            (None, _) => Ok(None),
        };
        ending.tell(last);
        self.driver.ended().await
    }

    /// Ends the upload, and removes what is there of it.
    pub fn abort(&self) {
        self.driver.stop();
        let mut state = self.lock();
        state.filling = Filling::Nothing;
    }

    /// Waits until the upload has ended, one way or the other.
    pub async fn ended(&self) {
        let _ = self.driver.ended().await;
    }

    /// Waits until the upload takes no more bytes, and tells why: also while what was sent of it
    /// is still being removed.
    ///
    /// # Errors
    /// The failure of the upload, and that it was stopped.
    pub async fn closed(&self) -> Result<(), Error> {
        tokio::select! {
            biased;
            ended = self.driver.ended() => ended.map(drop),
            () = self.driver.stopped() => Err(Error::cancelled()),
        }
    }

    /// What was done so far.
    pub fn metrics(&self) -> Metrics {
        self.job.meter.read()
    }
}
