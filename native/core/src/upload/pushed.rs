//! An upload whose bytes are brought by a program, piece by piece.
//!
//! The program asks for room, copies what fits, and asks again. A few slabs are filled and
//! sent in turn, so the network holds the program back, and memory stays bounded whatever
//! the length.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::driver::{Driver, Job, Message, Written};
use super::part_sizes::PartSizes;
use super::slab::{Slab, Slabs};
use super::write_options::WriteOptions;
use crate::metrics::Meter;
use crate::{Client, Error, Metrics, ObjectRef};

/// What to write.
pub struct UploadRequest {
    /// The object.
    pub object: ObjectRef,
    /// What is said about it.
    pub options: WriteOptions,
    /// How many bytes will come, where that is known.
    pub size: Option<u64>,
}

/// An upload that takes bytes. Dropped before it is finished, it is aborted.
pub struct Upload {
    job: Arc<Job>,
    driver: Driver,
    slabs: Slabs,
    state: Mutex<State>,
}

struct State {
    /// Where bytes go now.
    slab: Option<Slab>,
    /// `None` once all bytes are there.
    parts: Option<mpsc::UnboundedSender<Message>>,
    /// Of the next part.
    index: u64,
    /// How many bytes came.
    taken: u64,
}

impl Upload {
    /// Prepares an upload; nothing is sent before there are bytes, or an end of them.
    ///
    /// # Errors
    /// `InvalidInput` for options that cannot be meant.
    pub fn open(client: &Arc<Client>, request: UploadRequest) -> Result<Self, Error> {
        let UploadRequest { object, options, size } = request;
        let sizes = PartSizes::new(size, options.part_size)?;
        // Bad options are told now, not after a part was brought.
        options.headers()?;
        options.conditions()?;
        let (sender, parts) = mpsc::unbounded_channel();
        let meter = Arc::new(Meter::new());
        let client = Arc::clone(client);
        let job = Job { client, object, options, size, sizes, meter, progress: None };
        let job = Arc::new(job);
        let driver = Driver::start(Arc::clone(&job), parts);
        let state = State { slab: None, parts: Some(sender), index: 0, taken: 0 };
        Ok(Self { job, driver, slabs: Slabs::new(), state: Mutex::new(state) })
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
        let State { slab, parts, index, taken } = &mut *state;
        let Some(sender) = parts else {
            return Err(Error::invalid("the upload takes no more bytes: it is finished"));
        };
        if let Some(size) = self.job.size
            && bytes.len() as u64 > size.saturating_sub(*taken)
        {
            return Err(Error::invalid(format!(
                "the source brings more than the {size} bytes that it announced"
            ))
            .hint("upload it again when nobody changes it"));
        }
        let Some(open) = slab else { return Ok(0) };
        let fitting = bytes.len().min(open.room());
        let (now, _) = bytes.split_at(fitting);
        if let Some(room) = open.rest().get_mut(..fitting) {
            room.copy_from_slice(now);
        }
        open.advance(fitting);
        *taken += fitting as u64;
        self.job.meter.copied(fitting);
        if open.room() == 0
            && let Some(full) = slab.take()
        {
            *index += 1;
            let _ = sender.send(Message::Part(full.into_bytes()));
        }
        Ok(fitting)
    }

    /// Waits until there is room, and tells for how many bytes.
    ///
    /// # Errors
    /// The failure of the upload.
    pub async fn room(&self) -> Result<usize, Error> {
        let (index, taken) = {
            let state = self.lock();
            if let Some(slab) = &state.slab {
                return Ok(slab.room());
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
        let size = usize::try_from(size.max(1)).unwrap_or(usize::MAX);
        let grown = self.job.sizes.has_grown(index);
        let slab = tokio::select! {
            biased;
            ended = self.driver.ended() => {
                return Err(match ended {
                    Err(error) => error,
                    Ok(_) => Error::invalid("the upload takes no more bytes: it is finished"),
                });
            }
            slab = self.slabs.reserve(&self.job.client, size, grown) => slab?,
        };
        let mut state = self.lock();
        let room = state.slab.get_or_insert(slab).room();
        Ok(room)
    }

    /// Sends what is left and waits until the object is there.
    ///
    /// # Errors
    /// The failure of the upload, of which nothing is left then.
    pub async fn finish(&self) -> Result<Written, Error> {
        {
            let mut state = self.lock();
            let State { slab, parts, taken, .. } = &mut *state;
            let slab = slab.take();
            let Some(parts) = parts.take() else {
                return Err(Error::invalid("the upload is finished already"));
            };
            let missing = self.job.size.filter(|size| size != taken);
            if let Some(size) = missing {
                let _ = parts.send(Message::Failed(
                    Error::invalid(format!(
                        "the source brought {taken} of the {size} bytes that it announced"
                    ))
                    .hint("upload it again when nobody changes it"),
                ));
            } else if let Some(slab) = slab.filter(|slab| slab.filled() > 0) {
                let _ = parts.send(Message::Part(slab.into_bytes()));
            }
        }
        self.driver.ended().await
    }

    /// Ends the upload, and removes what is there of it.
    pub fn abort(&self) {
        self.driver.stop();
        let mut state = self.lock();
        state.slab = None;
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
