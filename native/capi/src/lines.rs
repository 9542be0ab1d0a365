//! Sources of lines and messages: what crosses for them.

use std::sync::Arc;
use std::time::Duration;

use dipper_core::{
    Beginning, Client, Content, Error, FeedSource, LinesRequest, TopicRequest, open_lines,
};
use dipper_wire::{Handle, Private};

use crate::export::{handle, stale};
use crate::messages::{BatchMessage, FeedMessage, MetricsMessage, OpenedLinesMessage, Request};
use crate::operations::{Outcome, Value, json};
use crate::streams::{Reading, Stream};
use crate::{handles, queue, streams};

/// Opens a source, or reads its next batch.
pub async fn run(
    request: Request,
    client: Option<(Handle, &Arc<Client>)>,
    target: Option<Private>,
) -> Result<Outcome, Error> {
    match request {
        Request::OpenLines { feed, cut, content, compression, stall_timeout, progress, .. } => {
            let (name, client) = client.ok_or_else(|| stale("client"))?;
            let request = LinesRequest {
                source: source_of(feed)?,
                cut: cut.into(),
                content: content.map_or(Content::Bytes, Into::into),
                compression: compression.map(Into::into),
                stall: stall_timeout.map(|time| Duration::from_millis(time.into())),
            };
            let lines = open_lines(Some(client), request).await?;
            // Negative: nobody tells.
            let extent = lines.length().map_or(-1.0, |length| length as f64);
            let metrics = MetricsMessage::from(lines.metrics());
            let payload = json(&OpenedLinesMessage { ahead: lines.cuts_ahead(), metrics })?;
            let reader = Reading::Lines(Arc::new(lines));
            let value = Value::Stream(Stream { client: Some(name), reader, progress });
            Ok(Outcome { value, extent, payload })
        }
        Request::ReadLines { stream } => {
            let (lines, progress) = streams::lines(handle(stream)?)?;
            let (filled, buffer) = match target {
                Some(memory) => (lines.fill(memory).await?, None),
                None => lines.next().await?,
            };
            let told = progress || filled.ended;
            let message = BatchMessage {
                elements: filled.elements as f64,
                ended: filled.ended,
                needed: filled.needed.map(|needed| needed as f64),
                inner_line_feed: filled.inner_line_feed,
                taken: filled.taken as f64,
                ahead: lines.cuts_ahead(),
                metrics: told.then(|| lines.metrics().into()),
            };
            let extent = filled.bytes as f64;
            let value = buffer.map_or(Value::None, Value::Buffer);
            Ok(Outcome { value, extent, payload: json(&message)? })
        }
        _ => Err(Error::internal("not about lines")),
    }
}

fn source_of(feed: FeedMessage) -> Result<FeedSource, Error> {
    Ok(match feed {
        FeedMessage::Object { source, span, if_match } => {
            FeedSource::Object { source: source.into(), span: span.into(), if_match }
        }
        FeedMessage::Memory { buffer, shown, encoding } => {
            FeedSource::Memory { buffer: handles::buffer(handle(buffer)?)?, shown, encoding }
        }
        FeedMessage::Tcp { host, port } => FeedSource::Tcp { host, port },
        FeedMessage::Unix { path } => FeedSource::Unix(path.into()),
        FeedMessage::StandardInput => FeedSource::StandardInput,
        FeedMessage::Topic { host, port, topic, latest, to_the_end, limit, partition, most } => {
            FeedSource::Topic(TopicRequest {
                host,
                port,
                topic,
                from: if latest { Beginning::Latest } else { Beginning::Earliest },
                to_the_end,
                limit,
                partition,
                longest: usize::try_from(most).unwrap_or(usize::MAX),
            })
        }
    })
}

/// Takes a batch that was cut ahead, and writes what it is.
pub fn take(queue: Handle, stream: Handle, room: &mut [u8]) -> Result<f64, Error> {
    let queue = queue::of(queue)?;
    let (lines, _) = streams::lines(stream)?;
    let places = room.chunks_exact_mut(size_of::<f64>());
    if places.len() < TAKEN {
        return Err(Error::internal("there is no room to tell of a batch"));
    }
    let Some((filled, buffer)) = lines.take() else { return Ok(0.0) };
    let buffer = match buffer {
        Some(buffer) => {
            buffer.adopt();
            handles::insert_buffer(&queue, buffer)?.to_number()
        }
        None => 0.0,
    };
    let told = [buffer, filled.bytes as f64, filled.elements as f64, filled.taken as f64];
    for (place, number) in places.zip(told) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    Ok(1.0)
}

/// How many numbers tell of a batch.
const TAKEN: usize = 4;

/// Writes where the elements of the last batch end, as many as there is room for.
pub fn offsets(stream: Handle, room: &mut [u8]) -> Result<usize, Error> {
    let (lines, _) = streams::lines(stream)?;
    Ok(lines.offsets(|offsets| {
        let places = room.chunks_exact_mut(size_of::<u32>());
        places
            .zip(offsets)
            .map(|(place, offset)| place.copy_from_slice(&offset.to_ne_bytes()))
            .count()
    }))
}
