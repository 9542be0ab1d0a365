//! The records of a topic, one after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dipper_wire::kafka::{RecordFailure, Records};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::TopicRequest;
use super::codec::{Plain, plain};
use super::follow::{Follower, REFRESH, Stored};
use crate::gate::Gate;
use crate::lines::{Feed, NextChunk};
use crate::{Client, Error, Status};

/// So much is taken out of batches at once, and then handed out record by record.
const CHUNK: usize = 256 << 10;
/// And no more records, so that other tasks have their turn.
const MOST_AT_ONCE: usize = 4096;
/// As long as a clock can count.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A topic that is being read. Dropping it closes the connections.
pub struct Topic {
    shown: String,
    name: String,
    longest: usize,
    left: u64,
    arriving: mpsc::Receiver<Result<Vec<Stored>, Error>>,
    stored: VecDeque<Stored>,
    open: Option<OpenBatch>,
    /// Values that were taken out, one behind the other, and how long each is.
    values: Bytes,
    lengths: VecDeque<usize>,
    /// What is to be told behind them.
    failed: Option<Error>,
    ended: bool,
    _task: JoinSet<()>,
}

impl Feed for Topic {
    fn next(&mut self) -> NextChunk<'_> {
        Box::pin(self.next_value())
    }

    fn is_records(&self) -> bool {
        true
    }
}

struct OpenBatch {
    records: Records<Plain>,
    partition: i32,
    since: i64,
    until: i64,
}

impl Topic {
    /// Begins to read, behind the gate of the operation that runs now. When no broker answers for
    /// so long, that is an error; without a time it waits for ever.
    #[must_use]
    pub fn follow(client: &Arc<Client>, stall: Option<Duration>, request: TopicRequest) -> Self {
        Self::with_refresh(client, stall, request, REFRESH)
    }

    pub(super) fn with_refresh(
        client: &Arc<Client>,
        stall: Option<Duration>,
        request: TopicRequest,
        refresh: Duration,
    ) -> Self {
        let address = super::broker::Address { host: request.host.clone(), port: request.port };
        let shown = format!("kafka://{}/{}", address.name(), request.topic);
        let (sender, arriving) = mpsc::channel(1);
        let name = request.topic.clone();
        let (longest, left) = (request.longest, request.limit.unwrap_or(u64::MAX));
        let follower =
            Follower::new(Arc::clone(client), stall.unwrap_or(FOR_EVER), request, sender, refresh);
        let mut task = JoinSet::new();
        match Gate::current() {
            // It lives on after this operation, behind a gate of its own.
            Some(gate) => task.spawn(gate.fork().around(follower.run())),
            None => task.spawn(follower.run()),
        };
        Self {
            shown,
            name,
            longest,
            left,
            arriving,
            stored: VecDeque::new(),
            open: None,
            values: Bytes::new(),
            lengths: VecDeque::new(),
            failed: None,
            ended: false,
            _task: task,
        }
    }

    /// What it is called, as a URI.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The next record's value; `None` at the end. Its future may be dropped at any time:
    /// nothing is lost.
    ///
    /// # Errors
    /// Whatever the brokers or their records are wrong with.
    pub async fn next_value(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if self.ended || self.left == 0 {
                self.end();
                return Ok(None);
            }
            if let Some(length) = self.lengths.pop_front() {
                self.left -= 1;
                return Ok(Some(self.values.split_to(length.min(self.values.len()))));
            }
            if let Some(error) = self.failed.take() {
                self.end();
                return Err(error.about(self.shown.clone()));
            }
            if self.open.is_some() || !self.stored.is_empty() {
                self.take_out();
                if self.lengths.is_empty() {
                    // Many records that nobody wants: others have their turn.
                    tokio::task::yield_now().await;
                }
                continue;
            }
            match self.arriving.recv().await {
                None => self.ended = true,
                Some(Ok(stored)) => self.stored = stored.into(),
                Some(Err(error)) => self.failed = Some(error),
            }
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.arriving.close();
        self._task.abort_all();
        self.stored.clear();
        self.lengths.clear();
        (self.open, self.values) = (None, Bytes::new());
    }

    /// Takes values out of batches.
    fn take_out(&mut self) {
        let mut values = Vec::new();
        if let Err(error) = self.try_take_out(&mut values) {
            self.failed = Some(error);
            self.open = None;
            self.stored.clear();
        }
        self.values = values.into();
    }

    fn try_take_out(&mut self, values: &mut Vec<u8>) -> Result<(), Error> {
        for _ in 0..MOST_AT_ONCE {
            if values.len() >= CHUNK || self.lengths.len() as u64 >= self.left {
                break;
            }
            if self.open.is_none() {
                let Some(stored) = self.stored.pop_front() else { break };
                self.open = Some(self.open(stored)?);
            }
            let Some(open) = &mut self.open else { break };
            let (partition, since, until) = (open.partition, open.since, open.until);
            match open.records.next(values, self.longest, since) {
                Err(failed) => return Err(self.unreadable(failed, partition)),
                Ok(None) => self.open = None,
                Ok(Some(record)) if record.offset >= until => {
                    // It came behind the end that was asked for.
                    let length = values.len() - record.value.unwrap_or(0).min(values.len());
                    values.truncate(length);
                    self.open = None;
                }
                Ok(Some(record)) if record.offset < since => {}
                Ok(Some(record)) => self.lengths.extend(record.value),
            }
        }
        Ok(())
    }

    fn open(&self, stored: Stored) -> Result<OpenBatch, Error> {
        let Stored { partition, first, end, compression, count, records, since, until } = stored;
        let records = plain(compression, records)
            .map_err(|error| self.unreadable(RecordFailure::Source(error), partition))?;
        Ok(OpenBatch { records: Records::new(records, first, end, count), partition, since, until })
    }

    fn unreadable(&self, failed: RecordFailure, partition: i32) -> Error {
        let at = format!("a record in partition {partition} of the topic {}", self.name);
        let damaged =
            |why: &str| Error::new(Status::ChecksumMismatch, format!("{at} cannot be read: {why}"));
        match failed {
            RecordFailure::Malformed(why) => damaged(why),
            RecordFailure::Source(error) => damaged(&error.to_string()),
            RecordFailure::TooLong(length) => Error::new(
                Status::InvalidInput,
                format!("{at} has {length} bytes, more than the {} that are allowed", self.longest),
            )
            .hint("raise maxLineLength"),
            RecordFailure::OutOfMemory(length) => Error::new(
                Status::OutOfMemory,
                format!("there is no memory for {at}: {length} bytes"),
            ),
        }
    }
}
