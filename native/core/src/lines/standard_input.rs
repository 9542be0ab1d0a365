//! Standard input as a feed.
//!
//! A read of it cannot be interrupted, and it may be a terminal or a pipe that nobody writes
//! to. So a thread waits until there is something to read, or until the feed is dropped: that
//! closes a pipe, which the thread watches too. The file descriptor is shared with the rest of
//! the process, so its flags stay as they are.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::{Mutex, mpsc};

use super::feed::{Feed, NextChunk};
use crate::metrics::Meter;
use crate::{Error, Status};

const READ: usize = 64 << 10;

/// Who reads it holds this: two would tear the lines of the other apart.
static READER: Mutex<()> = Mutex::const_new(());

/// A thread whose feed was dropped needs a moment to notice.
const PATIENCE: Duration = Duration::from_secs(1);

/// What comes over standard input.
pub(crate) struct StandardInput {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    meter: Arc<Meter>,
    /// Closed when it is dropped.
    _watched: PipeWriter,
}

fn failed(error: &io::Error) -> Error {
    Error::new(Status::FileFailed, format!("standard input cannot be read: {error}")).about("-")
}

impl StandardInput {
    pub(crate) async fn open(meter: Arc<Meter>) -> Result<Self, Error> {
        let reader = tokio::time::timeout(PATIENCE, READER.lock()).await.map_err(|_| {
            Error::invalid("standard input is being read already")
                .about("-")
                .hint("read it in one place, and pass the lines on")
        })?;
        let (watching, watched) = io::pipe().map_err(|error| failed(&error))?;
        let (sender, chunks) = mpsc::channel(4);
        std::thread::Builder::new()
            .name("dipper-stdin".to_owned())
            .spawn(move || {
                read_on(&watching, &sender);
                drop(reader);
            })
            .map_err(|error| failed(&error))?;
        Ok(Self { chunks, meter, _watched: watched })
    }
}

fn read_on(watching: &PipeReader, sender: &mpsc::Sender<io::Result<Bytes>>) {
    let input = io::stdin();
    loop {
        let mut wanted = [PollFd::new(&input, PollFlags::IN), PollFd::new(watching, PollFlags::IN)];
        match poll(&mut wanted, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => {
                let _ = sender.blocking_send(Err(error.into()));
                return;
            }
            Ok(_) => {}
        }
        let [_, dropped] = &wanted;
        if !dropped.revents().is_empty() {
            return;
        }
        // Not through the standard library's buffer: what it read ahead would be lost with it.
        let mut room = vec![0; READ];
        let read = match rustix::io::read(input.as_fd(), &mut room) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
            Err(error) => Err(error.into()),
            Ok(read) => {
                room.truncate(read);
                Ok(Bytes::from(room))
            }
        };
        let goes_on = read.as_ref().is_ok_and(|bytes| !bytes.is_empty());
        if sender.blocking_send(read).is_err() || !goes_on {
            return;
        }
    }
}

impl Feed for StandardInput {
    fn next(&mut self) -> NextChunk<'_> {
        Box::pin(async move {
            match self.chunks.recv().await {
                Some(Ok(bytes)) if bytes.is_empty() => Ok(None),
                Some(Ok(bytes)) => {
                    self.meter.arrived(bytes.len());
                    Ok(Some(bytes))
                }
                Some(Err(error)) => Err(failed(&error)),
                None => Err(Error::cancelled()),
            }
        })
    }
}
