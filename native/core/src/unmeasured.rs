//! Pages whose length nobody announces: they are read in one piece, to their end.

use std::io::Write;
use std::sync::Arc;

use dipper_wire::{Allocation, Landing, Private, Slot};

use crate::buffer::Draft;
use crate::download::flow_error;
use crate::get::patiently;
use crate::metrics::Meter;
use crate::origin::Flow;
use crate::{Buffer, Client, Error, Stat, Status};

/// An answer without a length.
pub(crate) struct Unmeasured {
    pub(crate) flow: Flow,
    pub(crate) stat: Stat,
}

const STEP: usize = 1 << 20;

impl Unmeasured {
    /// Fills some of a slot: zero at the end of the page.
    pub(crate) async fn read(
        &mut self,
        client: &Client,
        slot: &mut Slot,
        meter: &Meter,
    ) -> Result<usize, Error> {
        let stall = client.stall_timeout();
        let read = self.flow.read(slot, usize::MAX, stall, meter).await;
        read.map_err(|error| flow_error(error, meter.bytes(), meter.bytes()))
    }

    /// Reads everything into one buffer, which is copied together at the end.
    pub(crate) async fn collect(
        mut self,
        client: &Client,
        limit: Option<&(u64, String)>,
        meter: &Meter,
    ) -> Result<(Arc<Buffer>, Stat), Error> {
        let mut pieces: Vec<(Allocation, usize)> = Vec::new();
        let mut tickets = Vec::new();
        let mut length = 0;
        loop {
            let step = STEP as u64;
            client.admit(length + step)?;
            tickets.push(patiently(Box::pin(client.reserve(step)), step).await?);
            let (landing, mut slot) = Landing::new(Allocation::recycled(STEP)?);
            let mut ended = false;
            while slot.missing() > 0 && !ended {
                ended = self.read(client, &mut slot, meter).await? == 0;
            }
            let filled = slot.filled();
            drop(slot);
            length += filled as u64;
            if let Some((limit, hint)) = limit.filter(|(limit, _)| length > *limit) {
                let message = format!("more than the {limit} bytes that fit");
                return Err(Error::invalid(message).hint(hint.as_str()));
            }
            pieces.extend(landing.finish().map(|piece| (piece, filled)));
            if ended {
                break;
            }
        }
        let size = usize::try_from(length).map_err(|_| Error::invalid("the page is too large"))?;
        // What the pieces held, the buffer takes over.
        drop(tickets);
        let ticket = patiently(Box::pin(client.reserve(length)), length).await?;
        let (landed, mut slot) = Draft::recycled(size, ticket)?.land();
        for (piece, filled) in &pieces {
            let mut rest = piece.as_slice().get(..*filled).unwrap_or_default();
            while !rest.is_empty() {
                let copied = slot.fill(usize::MAX, |mut room| room.write(rest));
                let copied = copied.map_err(|_| Error::internal("a page outgrew its buffer"))?;
                meter.copied(copied);
                rest = rest.get(copied..).unwrap_or_default();
            }
        }
        drop(slot);
        self.stat.size = length;
        Ok((landed.finish()?, self.stat))
    }

    /// Reads everything into private memory; answers how much it was.
    pub(crate) async fn into(
        mut self,
        client: &Client,
        memory: Private,
        meter: &Meter,
    ) -> Result<(u64, Stat), Error> {
        let capacity = memory.capacity();
        let Some((_landing, mut slot)) = Landing::in_private(memory, capacity) else {
            return Err(Error::cancelled());
        };
        while slot.missing() > 0 && self.read(client, &mut slot, meter).await? > 0 {}
        if slot.missing() == 0 {
            self.flow.ended(client.stall_timeout()).await.map_err(|_| {
                Error::new(
                    Status::InvalidInput,
                    format!("the target holds {capacity} bytes, the page has more"),
                )
                .hint("pass a target that is large enough")
            })?;
        }
        self.stat.size = slot.filled() as u64;
        Ok((slot.filled() as u64, self.stat))
    }
}
