//! Reading several ranges of one object.
//!
//! Neighbours share a request when the gap between them is cheaper to read than a request
//! is to send. The answer is scattered as it comes: each range lands in an allocation of
//! its own, and the gaps go nowhere.

use std::sync::Arc;

use dipper_wire::{Allocation, Landing, Slot};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::buffer::{Draft, Landed};
use crate::download::{changed, flow_error};
use crate::gate::{joined, spawn};
use crate::get::patiently;
use crate::metrics::{Meter, Transport};
use crate::origin::{Ask, Flow, FlowError, Origin};
use crate::retry::Retries;
use crate::{Buffer, Client, Error, Metrics, Progress, Source, Span, Stat, Status, Ticket, ledger};

/// Which ranges to read.
pub struct RangesRequest {
    /// Where they are.
    pub source: Source,
    /// From a byte to before another, in any order.
    pub ranges: Vec<(u64, u64)>,
    /// Neighbours that are no further apart share a request.
    pub gap: u64,
    /// Read only if the ETag is this.
    pub if_match: Option<String>,
    /// Who is told how far it is.
    pub progress: Option<Arc<dyn Progress>>,
    /// What was reserved for them before; nothing is reserved then.
    pub reserved: Option<Vec<Ticket>>,
}

/// Takes results one by one, in any order.
pub trait Items: Send + Sync {
    /// The result of a place.
    fn item(&self, index: usize, result: Result<Arc<Buffer>, Error>);
    /// A result that is no buffer: so many bytes were written to where they belong.
    fn written(&self, index: usize, result: Result<u64, Error>);
    /// Nothing more comes at once: what was taken may be handed on.
    fn flush(&self);
}

/// A request that is no longer than this may carry several ranges.
const LONGEST_GROUP: u64 = 32 << 20;
const MOST_AT_ONCE: usize = 4 << 20;
const SCRATCH: usize = 64 << 10;
/// So many requests of one call wait for connections at once.
const GROUPS_AT_ONCE: usize = 64;

/// One range on its way.
struct Part {
    index: usize,
    start: u64,
    end: u64,
    landed: Landed,
    slot: Slot,
}

/// Ranges that share a request, by their starts.
struct Group {
    start: u64,
    end: u64,
    members: Vec<(usize, u64, u64)>,
}

/// Reads the ranges; each arrives as an item, empty ones too.
///
/// # Errors
/// `InvalidRange` for a range that does not lie in the object, and whatever the server or
/// the connection reports. Items that came before stay with the sink.
pub async fn ranges(
    client: Option<&Arc<Client>>,
    request: RangesRequest,
    items: Arc<dyn Items>,
) -> Result<(Stat, Metrics), Error> {
    let shown = request.source.shown();
    read(client, request, items).await.map_err(|error| error.about(shown))
}

async fn read(
    client: Option<&Arc<Client>>,
    mut request: RangesRequest,
    items: Arc<dyn Items>,
) -> Result<(Stat, Metrics), Error> {
    let meter = Arc::new(Meter::new());
    if let Some((start, end)) = request.ranges.iter().find(|(start, end)| start > end) {
        return Err(Error::invalid(format!("the range from {start} to {end} is reversed")));
    }
    let total = request
        .ranges
        .iter()
        .try_fold(0_u64, |total, (start, end)| total.checked_add(end - start))
        .ok_or_else(|| Error::invalid("the ranges are too large"))?;
    let reserved = request.reserved.take();
    let groups = grouped(&request.ranges, request.gap);
    let stat = match Origin::of(client, &request.source)? {
        None => {
            from_file(client.map(Arc::as_ref), &request, (total, reserved), &items, &meter).await?
        }
        Some(origin) => {
            over_network(&origin, &request, groups, (total, reserved), &items, &meter).await?
        }
    };
    for (index, _) in request.ranges.iter().enumerate().filter(|(_, (start, end))| start == end) {
        items.item(index, Ok(Draft::zeroed(0, Vec::new())?.finish()));
    }
    items.flush();
    if let Some(progress) = &request.progress {
        progress.reached(total, total, &meter.read());
    }
    Ok((stat, meter.read()))
}

fn grouped(ranges: &[(u64, u64)], gap: u64) -> Vec<Group> {
    let mut sorted: Vec<(usize, u64, u64)> = ranges
        .iter()
        .enumerate()
        .filter(|(_, (start, end))| start < end)
        .map(|(index, (start, end))| (index, *start, *end))
        .collect();
    // Of those with one start the longest first: it holds what the others need.
    sorted.sort_by_key(|(index, start, end)| (*start, u64::MAX - *end, *index));
    let mut groups: Vec<Group> = Vec::new();
    for (index, start, end) in sorted {
        if let Some(group) = groups.last_mut() {
            let near = start <= group.end.saturating_add(gap);
            let overlaps = start < group.end;
            let longer = group.end.max(end) - group.start;
            if overlaps || (near && longer <= LONGEST_GROUP) {
                group.end = group.end.max(end);
                group.members.push((index, start, end));
                continue;
            }
        }
        groups.push(Group { start, end, members: vec![(index, start, end)] });
    }
    groups
}

fn past_the_end(shown: &str, start: u64, end: u64, size: u64) -> Error {
    Error::new(
        Status::InvalidRange,
        format!("the range from {start} to {end} lies outside {shown}, which has {size} bytes"),
    )
    .hint("stat() tells the size; slice() clamps to it")
}

/// Ranges without a byte are not asked for, and must lie in the object nevertheless.
fn check_empty(shown: &str, request: &RangesRequest, size: u64) -> Result<(), Error> {
    match request.ranges.iter().find(|(start, end)| start == end && *end > size) {
        Some((start, end)) => Err(past_the_end(shown, *start, *end, size)),
        None => Ok(()),
    }
}

/// Memory for the members of a group, out of what was reserved for all.
fn parts_of(group: &Group, tickets: &mut [Ticket]) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::with_capacity(group.members.len());
    for (index, start, end) in group.members.iter().copied() {
        let length = end - start;
        let size = usize::try_from(length).map_err(|_| Error::invalid("a range is too large"))?;
        let own = tickets.iter_mut().map(|ticket| ticket.split(length)).collect();
        let (landed, slot) = Draft::recycled(size, own)?.land();
        parts.push(Part { index, start, end, landed, slot });
    }
    Ok(parts)
}

/// Bytes, and what was reserved for them before.
type Reserved = (u64, Option<Vec<Ticket>>);

async fn reserve(
    client: Option<&Client>,
    (total, reserved): Reserved,
) -> Result<Vec<Ticket>, Error> {
    if let Some(reserved) = reserved {
        return Ok(reserved);
    }
    reserve_patiently(client, total).await
}

/// Waits until so much may be held; others' garbage is collected meanwhile.
pub(crate) async fn reserve_patiently(
    client: Option<&Client>,
    total: u64,
) -> Result<Vec<Ticket>, Error> {
    match client {
        Some(client) => {
            client.admit(total)?;
            patiently(Box::pin(client.reserve(total)), total).await
        }
        None => {
            ledger().budget().admit(total)?;
            let reserved = Box::pin(ledger().budget().reserve(total));
            Ok(vec![patiently(reserved, total).await?])
        }
    }
}

async fn over_network(
    origin: &Origin,
    request: &RangesRequest,
    groups: Vec<Group>,
    reserved: Reserved,
    items: &Arc<dyn Items>,
    meter: &Arc<Meter>,
) -> Result<Stat, Error> {
    // Before anything is sent: this can never fit.
    let total = reserved.0;
    let mut tickets = reserve(Some(origin.client()), reserved).await?;
    let mut groups = groups.into_iter();
    let Some(first) = groups.next() else {
        let told = origin.head(None, meter).await?;
        check_empty(&origin.shown(), request, told.length.unwrap_or(told.stat.size))?;
        return Ok(told.stat);
    };
    // The first answer tells the version and the size that all others must have.
    let mut reading = Reading {
        origin: origin.clone(),
        if_match: request.if_match.clone(),
        size: None,
        meter: Arc::clone(meter),
        items: Arc::clone(items),
    };
    let (flow, stat) = reading.open_first(&first).await?;
    check_empty(&origin.shown(), request, stat.size)?;
    let reading = Arc::new(reading);
    let at_once = Arc::new(Semaphore::new(GROUPS_AT_ONCE));
    let mut tasks = JoinSet::new();
    let parts = parts_of(&first, &mut tickets)?;
    spawn(&mut tasks, Arc::clone(&reading).group(parts, Some(flow), None));
    for group in groups {
        if let Some(size) = reading.size
            && group.end > size
        {
            return Err(past_the_end(&origin.shown(), group.start, group.end, size));
        }
        // Groups are made ready only as fast as they are read: the memory follows.
        let permit = loop {
            tokio::select! {
                permit = Arc::clone(&at_once).acquire_owned() => break permit.ok(),
                Some(ended) = tasks.join_next() => joined(ended)??,
            }
        };
        let parts = parts_of(&group, &mut tickets)?;
        spawn(&mut tasks, Arc::clone(&reading).group(parts, None, permit));
        report(request, meter, total);
    }
    while let Some(ended) = tasks.join_next().await {
        joined(ended)??;
        report(request, meter, total);
    }
    Ok(stat)
}

fn report(request: &RangesRequest, meter: &Meter, total: u64) {
    if let Some(progress) = &request.progress {
        progress.reached(meter.bytes().min(total), total, &meter.read());
    }
}

struct Reading {
    origin: Origin,
    if_match: Option<String>,
    size: Option<u64>,
    meter: Arc<Meter>,
    items: Arc<dyn Items>,
}

impl Reading {
    async fn open_first(&mut self, group: &Group) -> Result<(Flow, Stat), Error> {
        let asked = Span::Range { start: group.start, end: Some(group.end) };
        let client = self.origin.client();
        let mut retries = Retries::new(client.retry_budget(), client.retries());
        let (flow, told, extent) = loop {
            let ask = Ask {
                span: asked,
                if_match: self.if_match.as_deref(),
                checksum: false,
                stat: true,
                ahead: 0,
            };
            let failed = match self.origin.open(ask, &self.meter).await {
                Ok(answer) => match asked.extent(asked, &answer.told) {
                    Ok(extent) => break (answer.body, answer.told, extent),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            retries.after(failed).await?;
            self.meter.retry();
        };
        self.size = extent.size;
        if extent.here < group.end - group.start {
            return Err(past_the_end(
                &self.origin.shown(),
                group.start,
                group.end,
                extent.size.unwrap_or(extent.here),
            ));
        }
        self.if_match.clone_from(&told.stat.etag);
        Ok((flow, told.stat))
    }

    async fn group(
        self: Arc<Self>,
        mut parts: Vec<Part>,
        mut flow: Option<Flow>,
        permit: Option<tokio::sync::OwnedSemaphorePermit>,
    ) -> Result<(), Error> {
        let end = parts.iter().map(|part| part.end).max().unwrap_or_default();
        // Where the body is: all before it was read.
        let mut at = parts.first().map_or(0, |part| part.start);
        let mut next = 0;
        self.meter.part();
        while next < parts.len() {
            let (before, rest) = parts.split_at_mut(next);
            let Some(part) = rest.first_mut() else { break };
            self.overlap(before, part)?;
            self.read_part(part, &mut at, end, &mut flow).await?;
            next += 1;
        }
        drop(flow);
        drop(permit);
        for part in parts {
            let Part { index, landed, slot, .. } = part;
            drop(slot);
            self.items.item(index, landed.finish());
        }
        self.items.flush();
        Ok(())
    }

    /// Copies what an earlier range has read already.
    fn overlap(&self, before: &[Part], part: &mut Part) -> Result<(), Error> {
        let widest = before.iter().max_by_key(|other| other.end);
        let Some(other) = widest.filter(|other| other.end > part.start) else { return Ok(()) };
        let from = usize::try_from(part.start - other.start).unwrap_or(usize::MAX);
        let copied = other.slot.read(from, |bytes| {
            part.slot.fill(usize::MAX, |mut room| std::io::Write::write(&mut room, bytes))
        });
        match copied {
            Ok(Ok(copied)) => {
                self.meter.copied(copied);
                Ok(())
            }
            _ => Err(Error::internal("a range could not be copied")),
        }
    }

    /// Reads a range from the body that is at `at`, whatever it takes.
    async fn read_part(
        &self,
        part: &mut Part,
        at: &mut u64,
        end: u64,
        flow: &mut Option<Flow>,
    ) -> Result<(), Error> {
        let client = self.origin.client();
        let mut retries = Retries::new(client.retry_budget(), client.retries());
        while part.slot.missing() > 0 {
            let wanted = part.start + part.slot.filled() as u64;
            let body = match flow.take() {
                Some(body) => Ok(body),
                None => {
                    *at = wanted;
                    self.open(wanted, end).await
                }
            };
            let failed = match body {
                Ok(mut body) => match self.pour(&mut body, part, at).await {
                    Ok(()) => {
                        *flow = Some(body);
                        return Ok(());
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if failed.status.retryable() && self.if_match.is_none() {
                return Err(failed);
            }
            retries.after(failed).await?;
            self.meter.retry();
        }
        Ok(())
    }

    async fn open(&self, start: u64, end: u64) -> Result<Flow, Error> {
        let asked = Span::Range { start, end: Some(end) };
        let version = self.if_match.as_deref();
        let answer = self.origin.open_more(asked, version, &self.meter).await?;
        let extent = asked.extent(asked, &answer.told)?;
        match (extent.size, self.size) {
            (Some(now), Some(before)) if now != before => return Err(changed()),
            _ => {}
        }
        if extent.here < end - start {
            return Err(past_the_end(
                &self.origin.shown(),
                start,
                end,
                extent.size.unwrap_or(start + extent.here),
            ));
        }
        Ok(answer.body)
    }

    /// Reads the gap before a range, and the range.
    async fn pour(&self, body: &mut Flow, part: &mut Part, at: &mut u64) -> Result<(), Error> {
        let stall = self.origin.client().stall_timeout();
        let total = part.slot.len() as u64;
        let failed = |error: FlowError, done: usize| flow_error(error, done as u64, total);
        let wanted = part.start + part.slot.filled() as u64;
        if *at < wanted {
            let quiet = Meter::new();
            let scratch = Allocation::zeroed(SCRATCH).map_err(Error::from)?;
            let (_landing, mut scratch) = Landing::new(scratch);
            while *at < wanted {
                scratch.restart();
                let most = usize::try_from(wanted - *at).unwrap_or(SCRATCH).min(SCRATCH);
                let read = body.read(&mut scratch, most, stall, &quiet).await;
                let read = read.map_err(|error| failed(error, 0))?;
                if read == 0 {
                    return Err(failed(FlowError::Broken("the answer is too short".into()), 0));
                }
                *at += read as u64;
            }
        }
        while part.slot.missing() > 0 {
            let read = body.read(&mut part.slot, MOST_AT_ONCE, stall, &self.meter).await;
            let read = read.map_err(|error| failed(error, part.slot.filled()))?;
            if read == 0 {
                let short = FlowError::Broken("the answer is too short".into());
                return Err(failed(short, part.slot.filled()));
            }
            *at += read as u64;
        }
        Ok(())
    }
}

async fn from_file(
    client: Option<&Client>,
    request: &RangesRequest,
    reserved: Reserved,
    items: &Arc<dyn Items>,
    meter: &Arc<Meter>,
) -> Result<Stat, Error> {
    let total = reserved.0;
    let Source::File(path) = &request.source else {
        return Err(Error::internal("this is not a file"));
    };
    let (file, stat) = crate::file::open(path).await?;
    meter.took(Transport::File);
    if let Some((start, end)) = request.ranges.iter().find(|(_, end)| *end > stat.size) {
        return Err(past_the_end(&request.source.shown(), *start, *end, stat.size));
    }
    let mut tickets = reserve(client, reserved).await?;
    for (index, (start, end)) in request.ranges.iter().copied().enumerate() {
        if start == end {
            continue;
        }
        let group = Group { start, end, members: vec![(index, start, end)] };
        for part in parts_of(&group, &mut tickets)? {
            let slot = crate::file::fill(&file, path, start, part.slot, meter, || {}).await?;
            drop(slot);
            meter.part();
            items.item(index, part.landed.finish());
        }
        items.flush();
        report(request, meter, total);
    }
    Ok(stat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(ranges: &[(u64, u64)], gap: u64) -> Vec<(u64, u64, Vec<usize>)> {
        grouped(ranges, gap)
            .into_iter()
            .map(|group| {
                let members = group.members.iter().map(|(index, ..)| *index).collect();
                (group.start, group.end, members)
            })
            .collect()
    }

    #[test]
    fn near_neighbours_share_a_request() {
        let ranges = [(100, 200), (0, 10), (15, 20), (500, 600), (30, 30)];
        assert_eq!(
            shapes(&ranges, 5),
            [(0, 20, vec![1, 2]), (100, 200, vec![0]), (500, 600, vec![3])]
        );
        assert_eq!(shapes(&ranges, 1000), [(0, 600, vec![1, 2, 0, 3])]);
        assert_eq!(shapes(&ranges, 0).len(), 4);
    }

    #[test]
    fn overlaps_always_share_one_and_the_longest_comes_first() {
        let ranges = [(0, 10), (0, 50 << 20), (5, 60 << 20), (1, 2)];
        assert_eq!(shapes(&ranges, 0), [(0, 60 << 20, vec![1, 0, 3, 2])]);
        // Neighbours of long ranges have requests of their own.
        let ranges = [(0, 50 << 20), (50 << 20, 51 << 20)];
        assert_eq!(shapes(&ranges, 1 << 20).len(), 2);
    }
}
