//! The task that follows a topic: it finds who leads the partitions, asks each leader for
//! records, and sends on what comes. It waits when nobody takes that: so little is held.
//!
//! Its places in the partitions move on only when records were handed over. So a leader that
//! moves, and a broker that starts again, cost nothing but time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dipper_wire::kafka::{
    Aborted, BatchFailure, BatchKind, Batches, Compression, FetchFrom, Fetched, Metadata, Offset,
    Position, fetch, list_offsets, metadata,
};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::broker::{Address, Broker, MOST_OF_AN_ANSWER};
use super::failure::{OFFSET_OUT_OF_RANGE, malformed, of_code};
use super::{Beginning, TopicRequest};
use crate::{Client, Error, Status};

/// What answers of all brokers together may hold, apart from single batches that are larger.
const WINDOW: usize = 12 << 20;
const MOST_OF_A_BROKER: usize = 4 << 20;
const LEAST_OF_A_BROKER: usize = 64 << 10;
/// A partition's share of an answer, so that one does not hold back the others.
const MOST_OF_A_PARTITION: i32 = 1 << 20;
/// How long a broker waits for new records before it says that there are none.
const WAIT: Duration = Duration::from_millis(500);
/// How often partitions that are new are looked for.
pub(super) const REFRESH: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A place that is to be asked for.
const UNKNOWN: i64 = -1;
/// How long a topic may be unknown.
const NEW_TOPIC: Duration = Duration::from_secs(1);
/// A broker that wants a client to slow down says for how long, within reason.
const LONGEST_THROTTLE: Duration = Duration::from_secs(60);

/// A batch of a partition, to be opened.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) partition: i32,
    pub(super) first: i64,
    pub(super) end: i64,
    pub(super) compression: Compression,
    pub(super) count: u32,
    pub(super) records: Bytes,
    /// The records that are wanted: from this offset, and before that one.
    pub(super) since: i64,
    pub(super) until: i64,
}

/// Where reading is in a partition.
#[derive(Debug)]
struct Place {
    /// The next record that is wanted.
    next: i64,
    /// Where it ends.
    until: i64,
    /// Whether a record of it was handed over.
    begun: bool,
}

/// The partitions that one broker leads, and the connection to it.
struct Lane {
    address: Address,
    broker: Option<Broker>,
    from: Vec<FetchFrom>,
    most: i32,
    most_each: i32,
}

pub(super) struct Follower {
    client: Arc<Client>,
    stall: Duration,
    request: TopicRequest,
    sender: mpsc::Sender<Result<Vec<Stored>, Error>>,
    places: BTreeMap<i32, Place>,
    /// Brokers that were named, to ask when the first one is gone.
    known: Vec<Address>,
    refresh: Duration,
    /// Since when nothing works.
    trouble: Option<Instant>,
    pause: Duration,
    /// Whether the partitions are known.
    begun: bool,
}

/// Why a round of fetching ended.
enum Round {
    /// All partitions are read to their end, or nobody listens any more.
    Done,
    /// It is time to look for new partitions.
    Refresh,
}

impl Follower {
    pub(super) fn new(
        client: Arc<Client>,
        stall: Duration,
        request: TopicRequest,
        sender: mpsc::Sender<Result<Vec<Stored>, Error>>,
        refresh: Duration,
    ) -> Self {
        Self {
            client,
            stall,
            request,
            sender,
            places: BTreeMap::new(),
            known: Vec::new(),
            refresh,
            trouble: None,
            pause: FIRST_PAUSE,
            begun: false,
        }
    }

    /// Reads until the end, or until nobody listens.
    pub(super) async fn run(mut self) {
        if let Err(error) = self.read().await {
            let _ = self.sender.send(Err(error)).await;
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        loop {
            let round = match self.lanes().await {
                Ok(lanes) => self.fetch(lanes).await,
                Err(error) => Err(error),
            };
            match round {
                Ok(Round::Done) => return Ok(()),
                Ok(Round::Refresh) => {}
                Err(error) => self.after(error).await?,
            }
            if self.sender.is_closed() {
                return Ok(());
            }
        }
    }

    /// Waits before another try, or gives the error back when there is none.
    async fn after(&mut self, error: Error) -> Result<(), Error> {
        let patience = match error.status {
            // One that was just made is not known everywhere at once.
            Status::NotFound => NEW_TOPIC.min(self.stall),
            Status::ServerFailure => self.stall,
            // Before the first record, an address that does not answer is a wrong one.
            Status::Timeout
            | Status::Stalled
            | Status::ConnectionFailed
            | Status::ConnectionBroken
            | Status::UnknownHost
                if self.begun =>
            {
                self.stall
            }
            _ => return Err(error),
        };
        let since = *self.trouble.get_or_insert_with(Instant::now);
        let left = patience.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Err(error);
        }
        let pause = self.pause.mul_f64(0.5 + fastrand::f64() / 2.0).min(left);
        warn!(
            target: "dipper::retry",
            code = error.status.code(),
            error = %error,
            wait_ms = pause.as_secs_f64() * 1000.0,
            "asking Kafka again"
        );
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    /// Something works again: what fails next is another failure.
    fn progressed(&mut self) {
        self.trouble = None;
        self.pause = FIRST_PAUSE;
    }

    /// Asks a broker who leads the partitions: the one that the user named, else one of those
    /// that were named since.
    async fn look(&mut self) -> Result<Metadata, Error> {
        let named = Address { host: self.request.host.clone(), port: self.request.port };
        let mut failed = None;
        let others = self.known.iter().filter(|known| **known != named).cloned();
        let asked: Vec<Address> = std::iter::once(named.clone()).chain(others).collect();
        for address in asked {
            match self.ask_for_metadata(&address).await {
                Ok(found) => return Ok(found),
                // The first failure is that of the address the user wrote.
                Err(error) => failed = failed.or(Some(error)),
            }
            if !self.begun {
                break;
            }
        }
        Err(failed.unwrap_or_else(|| Error::internal("there is no broker to ask")))
    }

    async fn ask_for_metadata(&self, address: &Address) -> Result<Metadata, Error> {
        let mut broker = self.open(address).await?;
        let topic = self.request.topic.as_str();
        let body = broker.ask(|id| metadata(id, topic), Duration::ZERO).await?;
        let found = Metadata::parse(&body, topic).map_err(|why| malformed(&broker.place, why))?;
        if found.error != 0 {
            return Err(of_code(found.error, topic, &broker.place));
        }
        debug!(
            target: "dipper::kafka",
            brokers = found.brokers.len(),
            partitions = found.partitions.len(),
            "looked at a topic"
        );
        Ok(found)
    }

    async fn open(&self, address: &Address) -> Result<Broker, Error> {
        Broker::open(address, &self.client, self.stall).await
    }

    /// Finds the leaders, and the places in partitions that are new.
    async fn lanes(&mut self) -> Result<Vec<Lane>, Error> {
        let found = self.look().await?;
        let named = Address { host: self.request.host.clone(), port: self.request.port };
        let place = named.place();
        self.known = found
            .brokers
            .iter()
            .map(|broker| Address { host: broker.host.clone(), port: broker.port })
            .collect();
        if let Some(wanted) = self.request.partition
            && found.partitions.iter().all(|partition| partition.index != wanted)
        {
            return Err(self.no_such_partition(wanted, found.partitions.len()));
        }
        let mut by_leader: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for partition in &found.partitions {
            let index = partition.index;
            let wanted = self.request.partition.is_none_or(|wanted| wanted == index);
            // With an end, only what was there at the beginning is read.
            let counts =
                !self.begun || !self.request.to_the_end || self.places.contains_key(&index);
            let over = self.places.get(&index).is_some_and(|place| place.next >= place.until);
            if !wanted || !counts || over {
                continue;
            }
            if partition.error != 0 && partition.leader < 0 {
                return Err(of_code(partition.error, &self.request.topic, &place));
            }
            by_leader.entry(partition.leader).or_default().push(index);
        }
        let most = (WINDOW / by_leader.len().max(1)).clamp(LEAST_OF_A_BROKER, MOST_OF_A_BROKER);
        let mut lanes = Vec::new();
        let mut new = BTreeMap::new();
        for (leader, partitions) in by_leader {
            let leader = found
                .brokers
                .iter()
                .find(|broker| broker.id == leader)
                .ok_or_else(|| of_code(5, &self.request.topic, &place))?;
            let address = Address { host: leader.host.clone(), port: leader.port };
            let mut broker = self.open(&address).await?;
            let unknown: Vec<i32> = partitions
                .iter()
                .copied()
                .filter(|partition| {
                    self.places.get(partition).is_none_or(|place| place.next == UNKNOWN)
                })
                .collect();
            if !unknown.is_empty() {
                new.extend(self.begin(&mut broker, &unknown).await?);
            }
            let from = partitions
                .iter()
                .filter_map(|&partition| {
                    let place = new.get(&partition).or_else(|| self.places.get(&partition))?;
                    let more = place.next < place.until;
                    more.then_some(FetchFrom { partition, offset: place.next })
                })
                .collect();
            lanes.push(Lane {
                address,
                broker: Some(broker),
                from,
                most: i32::try_from(most).unwrap_or(i32::MAX),
                most_each: MOST_OF_A_PARTITION,
            });
        }
        // All at once: a failure in between leaves nothing half begun.
        self.places.extend(new);
        self.begun = true;
        lanes.retain(|lane| !lane.from.is_empty());
        Ok(lanes)
    }

    /// Where to begin in partitions, and where they end.
    async fn begin(
        &self,
        broker: &mut Broker,
        partitions: &[i32],
    ) -> Result<Vec<(i32, Place)>, Error> {
        // What was made since then is new as a whole.
        let from = if self.begun { Beginning::Earliest } else { self.request.from };
        let starts = match from {
            Beginning::Earliest => self.offsets(broker, partitions, Position::Earliest).await?,
            Beginning::Latest => self.offsets(broker, partitions, Position::Latest).await?,
        };
        let ends = if self.request.to_the_end {
            Some(self.offsets(broker, partitions, Position::Latest).await?)
        } else {
            None
        };
        let mut places = Vec::new();
        for partition in partitions {
            let of = |offsets: &BTreeMap<i32, i64>| {
                offsets.get(partition).copied().ok_or_else(|| {
                    malformed(&broker.place, "it leaves out a partition that was asked for")
                })
            };
            let until = ends.as_ref().map_or(Ok(i64::MAX), of)?;
            places.push((*partition, Place { next: of(&starts)?, until, begun: false }));
        }
        Ok(places)
    }

    async fn offsets(
        &self,
        broker: &mut Broker,
        partitions: &[i32],
        position: Position,
    ) -> Result<BTreeMap<i32, i64>, Error> {
        let topic = self.request.topic.as_str();
        let ask = |id| list_offsets(id, topic, partitions, position);
        let body = broker.ask(ask, Duration::ZERO).await?;
        let found = Offset::parse(&body, topic).map_err(|why| malformed(&broker.place, why))?;
        let mut offsets = BTreeMap::new();
        for found in found {
            if found.error != 0 {
                return Err(of_code(found.error, topic, &broker.place));
            }
            if found.offset < 0 {
                return Err(malformed(&broker.place, "an offset is negative"));
            }
            offsets.insert(found.partition, found.offset);
        }
        Ok(offsets)
    }

    fn no_such_partition(&self, wanted: i32, count: usize) -> Error {
        Error::new(
            Status::NotFound,
            format!(
                "the topic {} has {count} partitions, and none with the number {wanted}",
                self.request.topic
            ),
        )
        .hint("partitions are numbered from 0")
    }

    /// Asks all leaders for records, again and again.
    async fn fetch(&mut self, lanes: Vec<Lane>) -> Result<Round, Error> {
        let refresh = tokio::time::sleep(self.refresh);
        tokio::pin!(refresh);
        let (client, topic) = (Arc::clone(&self.client), self.request.topic.clone());
        let stall = self.stall;
        let mut steps: FuturesUnordered<_> =
            lanes.into_iter().map(|lane| step(lane, &client, stall, &topic)).collect();
        loop {
            let (lane, answer) = tokio::select! {
                stepped = steps.next() => match stepped {
                    None => return Ok(Round::Done),
                    Some(stepped) => stepped?,
                },
                () = &mut refresh, if !self.request.to_the_end => return Ok(Round::Refresh),
                () = self.sender.closed() => return Ok(Round::Done),
            };
            if let Some(lane) = self.take(lane, &answer).await? {
                steps.push(step(lane, &client, stall, &topic));
            }
        }
    }

    /// Hands over what came. Gives the lane back while there is more to ask for.
    async fn take(&mut self, mut lane: Lane, answer: &Bytes) -> Result<Option<Lane>, Error> {
        let place = lane.address.place();
        let topic = self.request.topic.clone();
        let fetched = Fetched::parse(answer, &topic).map_err(|why| malformed(&place, why))?;
        if fetched.error != 0 {
            return Err(of_code(fetched.error, &topic, &place));
        }
        let mut handed_over = Vec::new();
        let mut trouble = None;
        let mut cut = None;
        for came in &fetched.partitions {
            let index = came.partition;
            if lane.from.iter().all(|from| from.partition != index) {
                return Err(malformed(&place, "it holds a partition that was not asked for"));
            }
            let Some(position) = self.places.get_mut(&index) else { continue };
            if came.error == OFFSET_OUT_OF_RANGE {
                // What was there at the beginning may be gone before the first record came.
                if !position.begun && self.request.from == Beginning::Earliest {
                    position.next = UNKNOWN;
                    trouble = trouble.or(Some(of_code(5, &topic, &place)));
                } else {
                    let next = position.next;
                    trouble = Some(deleted(&topic, index, next, came.start));
                }
                continue;
            }
            if came.error != 0 {
                trouble = trouble.or(Some(of_code(came.error, &topic, &place)));
                continue;
            }
            let mut aborts = Aborts::new(&came.aborted);
            let mut batches = Batches::new(came.batches);
            let mut whole = false;
            for batch in batches.by_ref() {
                let batch = match batch {
                    Ok(batch) => batch,
                    Err(why) => {
                        trouble = Some(damaged(why, &topic, index, position.next));
                        break;
                    }
                };
                whole = true;
                let counts = aborts.lets_through(batch.kind, batch.producer, batch.end);
                if batch.end <= position.next {
                    continue;
                }
                if counts && batch.first < position.until && batch.count > 0 {
                    handed_over.push(Stored {
                        partition: index,
                        first: batch.first,
                        end: batch.end,
                        compression: batch.compression,
                        count: batch.count,
                        records: answer.slice_ref(batch.records),
                        since: position.next,
                        until: position.until,
                    });
                }
                position.next = batch.end;
                position.begun = true;
            }
            if !whole && batches.taken() < came.batches.len() {
                cut = cut.or(Some((index, position.next)));
            }
        }
        // Those that gave something come last the next time, so that all have their turn.
        let gave = |from: &FetchFrom| {
            fetched
                .partitions
                .iter()
                .any(|came| came.partition == from.partition && !came.batches.is_empty())
        };
        lane.from.sort_by_key(gave);
        lane.from.retain_mut(|from| {
            let Some(place) = self.places.get(&from.partition) else { return false };
            from.offset = place.next;
            place.next < place.until
        });
        if !handed_over.is_empty() || trouble.is_none() {
            self.progressed();
        }
        if let Some((index, next)) = cut
            && handed_over.is_empty()
            && trouble.is_none()
        {
            // Brokers send the first batch whole; one that does not is asked for more.
            let most = i32::try_from(MOST_OF_AN_ANSWER / 2).unwrap_or(i32::MAX);
            if lane.most_each >= most {
                trouble = Some(too_large(&topic, index, next));
            }
            lane.most_each = lane.most_each.saturating_mul(4).min(most);
            lane.most = lane.most.max(lane.most_each);
        }
        if !handed_over.is_empty() && self.sender.send(Ok(handed_over)).await.is_err() {
            return Ok(None);
        }
        match trouble {
            Some(error) => Err(error),
            None => Ok((!lane.from.is_empty()).then_some(lane)),
        }
    }
}

/// One request for records.
async fn step(
    mut lane: Lane,
    client: &Arc<Client>,
    stall: Duration,
    topic: &str,
) -> Result<(Lane, Bytes), Error> {
    let mut broker = match lane.broker.take() {
        Some(broker) => broker,
        None => Broker::open(&lane.address, client, stall).await?,
    };
    let wait = i32::try_from(WAIT.as_millis()).unwrap_or(i32::MAX);
    let ask = |id| fetch(id, topic, &lane.from, wait, lane.most, lane.most_each);
    let answer = broker.ask(ask, WAIT).await?;
    // The first number of the answer.
    let throttled = answer.first_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes));
    if let Ok(throttled @ 1..) = u64::try_from(throttled) {
        tokio::time::sleep(Duration::from_millis(throttled).min(LONGEST_THROTTLE)).await;
    }
    lane.broker = Some(broker);
    Ok((lane, answer))
}

/// Which batches of transactions never happened.
struct Aborts<'a> {
    coming: std::iter::Peekable<std::slice::Iter<'a, Aborted>>,
    /// Producers whose present transaction was aborted.
    open: Vec<i64>,
}

impl<'a> Aborts<'a> {
    fn new(aborted: &'a [Aborted]) -> Self {
        Self { coming: aborted.iter().peekable(), open: Vec::new() }
    }

    /// Whether the records of the next batch are to be seen.
    fn lets_through(&mut self, kind: BatchKind, producer: i64, end: i64) -> bool {
        while let Some(aborted) = self.coming.next_if(|aborted| aborted.first < end) {
            self.open.push(aborted.producer);
        }
        match kind {
            BatchKind::Plain => true,
            BatchKind::Transactional => !self.open.contains(&producer),
            BatchKind::Control => {
                // It ends one transaction of this producer.
                if let Some(place) = self.open.iter().position(|open| *open == producer) {
                    self.open.swap_remove(place);
                }
                false
            }
        }
    }
}

fn deleted(topic: &str, partition: i32, next: i64, start: i64) -> Error {
    let left =
        if start > next { format!("; the first that is left is {start}") } else { String::new() };
    Error::new(
        Status::ObjectChanged,
        format!(
            "partition {partition} of the topic {topic} no longer holds offset {next}, which was \
             to be read next{left}"
        ),
    )
    .hint("read faster than the topic's retention deletes, or begin again")
}

fn damaged(why: BatchFailure, topic: &str, partition: i32, next: i64) -> Error {
    let at = format!("partition {partition} of the topic {topic}, offset {next} or behind it");
    match why {
        BatchFailure::Checksum => Error::new(
            Status::ChecksumMismatch,
            format!("a batch has another checksum than it was written with: {at}"),
        ),
        BatchFailure::Malformed(why) => {
            Error::new(Status::ChecksumMismatch, format!("a batch cannot be read: {why}: {at}"))
        }
        BatchFailure::Version(version) => Error::new(
            Status::Unsupported,
            format!("a batch has the format {version}, and dipper reads format 2: {at}"),
        )
        .hint("let a broker since Kafka 0.11 write the topic anew"),
        BatchFailure::Compression(number) => Error::new(
            Status::Unsupported,
            format!("a batch is compressed in a way that dipper does not know ({number}): {at}"),
        ),
    }
}

fn too_large(topic: &str, partition: i32, next: i64) -> Error {
    Error::new(
        Status::BudgetExceeded,
        format!(
            "the batch at offset {next} of partition {partition} of the topic {topic} is larger \
             than {} MiB",
            MOST_OF_AN_ANSWER >> 20
        ),
    )
    .hint("let producers send smaller batches")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aborted_transactions_end_at_their_control_batch() {
        let aborted = [Aborted { producer: 1, first: 10 }, Aborted { producer: 1, first: 30 }];
        let mut aborts = Aborts::new(&aborted);
        let mut seen = |kind, producer, end| aborts.lets_through(kind, producer, end);
        assert!(seen(BatchKind::Transactional, 1, 10));
        assert!(!seen(BatchKind::Transactional, 1, 12));
        assert!(seen(BatchKind::Transactional, 2, 14));
        assert!(seen(BatchKind::Plain, -1, 15));
        assert!(!seen(BatchKind::Control, 2, 16));
        assert!(!seen(BatchKind::Transactional, 1, 18));
        assert!(!seen(BatchKind::Control, 1, 19));
        assert!(seen(BatchKind::Transactional, 1, 21));
        assert!(!seen(BatchKind::Control, 1, 22));
        assert!(!seen(BatchKind::Transactional, 1, 31));
    }
}
