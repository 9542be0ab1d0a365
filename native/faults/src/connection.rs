//! One connection: reads requests, and sends answers down to the byte where they break.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::answer::{Answer, Body, Break, Length};
use crate::bucket::Bucket;
use crate::buckets::Buckets;
use crate::request::Request;
use crate::script::End;
use crate::writing;

const PIECE: u64 = 256 << 10;
static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

/// Bytes that are under way are lost with a reset; so long they may take to arrive.
const BEFORE_RESET: Duration = Duration::from_millis(10);

/// Whether the connection goes on.
pub type Goes = io::Result<bool>;

/// Serves a connection to its end.
pub async fn serve(mut stream: TcpStream, buckets: Arc<Buckets>) {
    let _ = stream.set_nodelay(true);
    let mut held = Vec::new();
    let mut at = Attribution::default();
    while let Ok(Some(request)) = Request::read_head(&mut stream, &mut held).await {
        let bucket = buckets.find(&request.bucket);
        if let Some(bucket) = &bucket {
            at.moves(bucket, &request.key);
        }
        let last = request.header("connection").is_some_and(|text| text == "close");
        let busy = bucket.clone().map(Busy::new);
        let goes = match (&bucket, request.on().filter(|on| on.writes())) {
            (Some(bucket), Some(on)) => {
                writing::serve(&mut stream, &mut held, bucket, &buckets, request, on).await
            }
            _ => {
                let Ok(true) = skipped(&mut stream, &mut held, request.promised()).await else {
                    return;
                };
                send(&mut stream, &answered(bucket.as_deref(), &request)).await
            }
        };
        drop(busy);
        if !matches!(goes, Ok(true)) || last {
            return;
        }
    }
}

fn answered(bucket: Option<&Bucket>, request: &Request) -> Answer {
    let Some(bucket) = bucket else {
        let answer = Answer::error(404, "NoSuchBucket");
        return if request.method == "HEAD" { answer.without_body() } else { answer };
    };
    bucket.answer(request)
}

/// Reads a body that nobody needs. False when the connection ended within it.
async fn skipped(stream: &mut TcpStream, held: &mut Vec<u8>, promised: u64) -> io::Result<bool> {
    let mut left = promised;
    loop {
        let here = held.len().min(left as usize);
        held.drain(..here);
        left -= here as u64;
        if left == 0 {
            return Ok(true);
        }
        if stream.read_buf(held).await? == 0 {
            return Ok(false);
        }
    }
}

/// Which key a connection counts for: the one that it asked for last.
#[derive(Default)]
struct Attribution(Option<(Arc<Bucket>, String)>);

impl Attribution {
    fn moves(&mut self, bucket: &Arc<Bucket>, key: &str) {
        let new = !self.0.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, bucket));
        bucket.joined(key, new);
        if let Some((bucket, key)) = self.0.replace((Arc::clone(bucket), key.to_owned())) {
            bucket.left(&key);
        }
    }
}

impl Drop for Attribution {
    fn drop(&mut self) {
        if let Some((bucket, key)) = self.0.take() {
            bucket.left(&key);
        }
    }
}

/// An answer is under way as long as this lives.
struct Busy(Arc<Bucket>);

impl Busy {
    fn new(bucket: Arc<Bucket>) -> Self {
        bucket.busy.fetch_add(1, Ordering::Relaxed);
        Self(bucket)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends an answer down to where it breaks.
pub async fn send(stream: &mut TcpStream, answer: &Answer) -> Goes {
    if let Some(silence) = answer.silence
        && !quiet(stream, silence).await
    {
        return Ok(false);
    }
    let head = answer.head();
    if let Some(fault) = &answer.head {
        let length = fault.cut.unwrap_or(head.len()).min(head.len());
        match fault.dribble {
            None => stream.write_all(&head[..length]).await?,
            Some(ms) => {
                for byte in &head[..length] {
                    stream.write_all(&[*byte]).await?;
                    if !quiet(stream, Some(ms)).await {
                        return Ok(false);
                    }
                }
            }
        }
        if fault.cut.is_some() {
            return ends(stream, fault.then).await;
        }
        return if answer.head_only { Ok(true) } else { body(stream, answer, Vec::new()).await };
    }
    if answer.head_only {
        stream.write_all(&head).await?;
        return Ok(true);
    }
    body(stream, answer, head).await
}

/// Sends the body, behind a head that was not sent yet.
async fn body(stream: &mut TcpStream, answer: &Answer, head: Vec<u8>) -> Goes {
    let whole = answer.body.len();
    let mut out = Out { stream, answer, room: head };
    let (place, kind) = answer.broken.unwrap_or((u64::MAX, Break::Flip));
    if place >= whole || kind == Break::Flip {
        out.bytes(0, whole, (place < whole).then_some(place)).await?;
    } else {
        out.bytes(0, place, None).await?;
        out.flush().await?;
        match kind {
            Break::Reset => return ends(out.stream, End::Reset).await,
            Break::Close => return ends(out.stream, End::Close).await,
            Break::Stall(silence) => {
                if !quiet(out.stream, silence).await {
                    return Ok(false);
                }
                out.bytes(place, whole, None).await?;
            }
            Break::Dribble(ms) => {
                for at in place..whole {
                    out.bytes(at, at + 1, None).await?;
                    out.flush().await?;
                    if !quiet(out.stream, Some(ms)).await {
                        return Ok(false);
                    }
                }
            }
            Break::Flip => {}
        }
    }
    if answer.length == Length::Chunked {
        out.room.extend(b"0\r\n\r\n");
    }
    out.room.extend(answer.extra.as_bytes());
    out.flush().await?;
    if answer.length == Length::Closed {
        return ends(out.stream, End::Close).await;
    }
    Ok(true)
}

/// What is to be sent, and what is gathered before it is.
struct Out<'a> {
    stream: &'a mut TcpStream,
    answer: &'a Answer,
    room: Vec<u8>,
}

impl Out<'_> {
    /// Sends these bytes of the body; at `flip` one bit is another.
    async fn bytes(&mut self, start: u64, end: u64, flip: Option<u64>) -> io::Result<()> {
        let mut at = start;
        while at < end {
            let count = (end - at).min(PIECE);
            if self.answer.length == Length::Chunked {
                self.room.extend(format!("{count:x}\r\n").into_bytes());
            }
            let before = self.room.len();
            match &self.answer.body {
                Body::Nothing => {}
                Body::Bytes(bytes) => {
                    self.room.extend(&bytes[at as usize..(at + count) as usize]);
                }
                Body::Object { object: Some(object), start, .. } => {
                    let plain = self.answer.length != Length::Chunked && flip.is_none();
                    if object.content.is_zero() && plain {
                        self.flush().await?;
                        let count = (end - at).min(ZEROS.len() as u64);
                        self.stream.write_all(&ZEROS[..count as usize]).await?;
                        at += count;
                        continue;
                    }
                    object.content.append(start + at, count as usize, &mut self.room);
                }
                Body::Object { object: None, .. } => {}
            }
            if let Some(flip) = flip.filter(|flip| (at..at + count).contains(flip)) {
                self.room[before + (flip - at) as usize] ^= 1;
            }
            if self.answer.length == Length::Chunked {
                self.room.extend(b"\r\n");
            }
            at += count;
            // The last piece waits for what may come behind it.
            if at < end || self.room.len() as u64 >= PIECE {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.room).await?;
        self.room.clear();
        Ok(())
    }
}

/// Ends a connection.
pub async fn ends(stream: &mut TcpStream, end: End) -> Goes {
    match end {
        End::Close => stream.shutdown().await?,
        End::Reset => {
            sleep(BEFORE_RESET).await;
            stream.set_zero_linger()?;
        }
        End::Stall => {
            quiet(stream, None).await;
        }
    }
    Ok(false)
}

/// Says nothing for so long, or for ever. False when the other side ended the connection.
async fn quiet(stream: &TcpStream, milliseconds: Option<u64>) -> bool {
    let gone = async {
        let mut room = [0];
        while matches!(stream.peek(&mut room).await, Ok(1..)) {
            // The next request is here already; its end would be noticed behind it only.
            sleep(Duration::from_millis(5)).await;
        }
    };
    match milliseconds {
        None => {
            gone.await;
            false
        }
        Some(milliseconds) => {
            tokio::time::timeout(Duration::from_millis(milliseconds), gone).await.is_err()
        }
    }
}
