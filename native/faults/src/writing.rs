//! Requests that write: reads their bodies, and fails before, within and behind them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::answer::Answer;
use crate::bucket::Bucket;
use crate::buckets::Buckets;
use crate::chunked::{self, Trailers};
use crate::connection::{Goes, ends, send};
use crate::request::Request;
use crate::script::{End, Fault, On, What, When};
use crate::store::Source;

/// The largest body that is kept.
const LARGEST_KEPT: u64 = 512 << 20;
const PIECE: usize = 256 << 10;

/// So long nothing is read of a body that stalls for ever. After that the rest is thrown away, since
/// a client that goes away can say so only behind what it sent before.
const STILL: Duration = Duration::from_secs(2);
/// So long the rest of a body is thrown away behind an answer that came early: a connection that
/// ends with bytes unread is reset, and the answer would be lost.
const LINGER: Duration = Duration::from_secs(1);

/// A body that was read.
#[derive(Default)]
pub struct Received {
    /// The bytes; none where they are forgotten.
    pub bytes: Vec<u8>,
    pub trailers: Trailers,
    pub size: u64,
}

/// Answers one request that writes.
pub async fn serve(
    stream: &mut TcpStream,
    held: &mut Vec<u8>,
    bucket: &Arc<Bucket>,
    buckets: &Buckets,
    request: Request,
    on: On,
) -> Goes {
    let fault = bucket.struck(&request, on);
    let when = fault.as_ref().map(|fault| fault.when());
    let promised = request.promised();
    if let Some(fault) = fault.as_deref().filter(|_| when == Some(When::Before))
        && let Some(goes) = strike(stream, held, fault).await?
    {
        return Ok(goes);
    }
    if request.header("expect").is_some_and(|text| text.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    // Instructions are always read; only what objects hold may be forgotten.
    let kept = !bucket.discards() || !matches!(on, On::Put | On::Part);
    if kept && promised > LARGEST_KEPT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut intake = Intake { bytes: Vec::new(), kept, read: 0 };
    if let Some(fault) = fault.as_deref().filter(|_| when == Some(When::Within)) {
        let place = fault.after.unwrap_or(promised / 2).min(promised);
        if !intake.take(stream, held, place).await? {
            return Ok(false);
        }
        if !matches!(fault.what, What::Flip)
            && let Some(goes) = strike(stream, held, fault).await?
        {
            return Ok(goes);
        }
    }
    let place = intake.bytes.len();
    if !intake.take(stream, held, promised - intake.read).await? {
        return Ok(false);
    }
    if let Some(What::Flip) = fault.as_ref().map(|fault| &fault.what)
        && let Some(byte) = intake.bytes.get_mut(place)
    {
        *byte ^= 1;
    }
    let answer = match &fault {
        Some(fault) if when == Some(When::Read) => Answer::new(200).lost(fault),
        fault => {
            let answer = done(bucket, buckets, &request, on, intake, fault.as_deref());
            match fault {
                Some(fault) if when == Some(When::Done) => answer.lost(fault),
                Some(fault) if when == Some(When::Answer) => answer.spoiled(fault, None),
                _ => answer,
            }
        }
    };
    send(stream, &answer).await
}

fn done(
    bucket: &Bucket,
    buckets: &Buckets,
    request: &Request,
    on: On,
    intake: Intake,
    fault: Option<&Fault>,
) -> Answer {
    let Some(body) = intake.received(request) else {
        return Answer::error(400, "IncompleteBody");
    };
    let source = Source::named(request).and_then(|(name, key)| {
        let object = buckets.find(&name)?.object(&key)?;
        Some(Source { object, range: Source::range(request) })
    });
    bucket.write(request, on, body, source, fault.map(|fault| &fault.what))
}

/// What goes wrong before all of a body was read. `None` when the request goes on.
async fn strike(
    stream: &mut TcpStream,
    held: &mut Vec<u8>,
    fault: &Fault,
) -> io::Result<Option<bool>> {
    match &fault.what {
        What::Reset => ends(stream, End::Reset).await.map(Some),
        What::Close => ends(stream, End::Close).await.map(Some),
        What::Stall { ms: Some(ms) } | What::Silent { ms: Some(ms) } => {
            sleep(Duration::from_millis(*ms)).await;
            Ok(None)
        }
        What::Stall { ms: None } | What::Silent { ms: None } => {
            sleep(STILL).await;
            thrown_away(stream).await;
            Ok(Some(false))
        }
        What::Status { .. } => {
            held.clear();
            let answer = Answer::new(200).lost(fault).header("Connection", "close");
            send(stream, &answer).await?;
            stream.shutdown().await?;
            let _ = timeout(LINGER, thrown_away(stream)).await;
            Ok(Some(false))
        }
        _ => Ok(None),
    }
}

async fn thrown_away(stream: &mut TcpStream) {
    let mut room = vec![0; PIECE];
    while matches!(stream.read(&mut room).await, Ok(1..)) {}
}

/// What was read of a body so far.
struct Intake {
    bytes: Vec<u8>,
    kept: bool,
    read: u64,
}

impl Intake {
    /// Reads so many bytes more. False when the connection ended before.
    async fn take(
        &mut self,
        stream: &mut TcpStream,
        held: &mut Vec<u8>,
        count: u64,
    ) -> io::Result<bool> {
        let here = held.len().min(count as usize);
        if self.kept {
            self.bytes.reserve(count as usize);
            self.bytes.extend(&held[..here]);
        }
        held.drain(..here);
        let mut left = count - here as u64;
        let mut room = if self.kept { Vec::new() } else { vec![0; PIECE] };
        while left > 0 {
            let most = left.min(PIECE as u64);
            let read = if self.kept {
                (&mut *stream).take(most).read_buf(&mut self.bytes).await?
            } else {
                stream.read(&mut room[..most as usize]).await?
            };
            if read == 0 {
                return Ok(false);
            }
            left -= read as u64;
        }
        self.read += count;
        Ok(true)
    }

    /// The body without the encoding of its transfer.
    fn received(self, request: &Request) -> Option<Received> {
        let told = request.header("x-amz-decoded-content-length");
        let told = told.and_then(|text| text.parse::<u64>().ok());
        if !self.kept {
            let size = told.unwrap_or(self.read);
            return Some(Received { bytes: Vec::new(), trailers: Vec::new(), size });
        }
        let encoding = request.header("content-encoding").unwrap_or_default();
        let (bytes, trailers) = if encoding.contains("aws-chunked") || told.is_some() {
            chunked::decoded(&self.bytes)?
        } else {
            (self.bytes, Vec::new())
        };
        let size = bytes.len() as u64;
        told.is_none_or(|told| told == size).then_some(Received { bytes, trailers, size })
    }
}
