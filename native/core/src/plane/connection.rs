//! One connection: a request goes out, a head comes back, and what follows the head is
//! left in the socket for whoever knows where it belongs.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use dipper_wire::{FillError, Head, Parsed, Slot, parse};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::pool::ExchangeError;
use crate::metrics::Meter;
use crate::request_body::RequestBody;

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Tells the server at once what has come. A server that sends by Nagle's algorithm, as nginx
    /// does, keeps the short end of an answer until it hears that, and one with a small buffer what
    /// does not fit; and where requests and answers alternate the kernel tells it after 40 ms only,
    /// as long as nothing is sent that it could go along with.
    fn acknowledge(&self) {
        #[cfg(target_os = "linux")]
        // Where the kernel refuses, it comes later.
        let _ = self.socket().set_quickack(true);
    }
}

/// A request, ready to be sent.
#[derive(Default)]
pub(crate) struct Request {
    /// The bytes of its head.
    pub(crate) bytes: Vec<u8>,
    /// What follows the head.
    pub(crate) body: RequestBody,
    /// Whether the answer has a head only.
    pub(crate) head_only: bool,
    /// So many bytes of the answer's body may be read along with its head, wherever they
    /// come to lie: for what is short and goes to no place of its own.
    pub(crate) ahead: usize,
}

/// The head of an answer, and whether the request was sent in full before it came.
pub(super) struct Answered {
    pub(super) head: Head,
    pub(super) complete: bool,
}

/// What came of an attempt to send some bytes.
enum Step {
    Sent(io::Result<usize>),
    /// The server says something while it takes nothing.
    Interrupted,
}

/// An open connection. Dropping it closes it.
pub(super) struct Connection {
    stream: Stream,
    /// What was read beyond a head: by TLS, and where it was asked for. A plain socket can
    /// be looked into otherwise.
    beyond: BytesMut,
    /// The kernel was asked to tell at once what came of this answer.
    acknowledged: bool,
}

/// How much is looked at first. Most heads are shorter.
const FIRST_LOOK: usize = 2048;
/// A vector that is full grows by this at least.
const LEAST_ROOM: usize = 64 * 1024;
/// When no more is to come than this, it may be less than a segment: the longest have so much.
const LAST_SEGMENT: usize = 64 * 1024;
/// How long a connection that broke while a body was sent may take to tell why.
const LAST_WORDS: Duration = Duration::from_millis(500);

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, beyond: BytesMut::new(), acknowledged: false }
    }

    /// Whether it still waits for a request: nothing was sent unasked, and it is open.
    pub(super) fn is_quiet(&self) -> bool {
        let mut byte = [0];
        self.beyond.is_empty()
            && self.stream.socket().try_read(&mut byte).is_err_and(|error| {
                // Of a TLS connection a session ticket may have come, which is lost here.
                error.kind() == io::ErrorKind::WouldBlock
            })
    }

    /// Sends a request and reads the head of its answer. A server may answer before it has
    /// taken the whole body, and may then take no more of it.
    pub(super) async fn exchange(
        &mut self,
        request: &Request,
        stall: Duration,
    ) -> Result<Answered, ExchangeError> {
        self.acknowledged = false;
        let complete = match self.send(request, stall).await {
            Ok(complete) => complete,
            // Who closes on a request often says why.
            Err(ExchangeError::Broken(error)) if !request.body.is_empty() => {
                return match tokio::time::timeout(LAST_WORDS, self.head(0)).await {
                    Ok(Ok(head)) => Ok(Answered { head, complete: false }),
                    _ => Err(ExchangeError::Broken(error)),
                };
            }
            Err(error) => return Err(error),
        };
        match tokio::time::timeout(stall, self.head(request.ahead)).await {
            Ok(head) => Ok(Answered { head: head?, complete }),
            Err(_) => Err(ExchangeError::Stalled(stall)),
        }
    }

    /// Whether all of it was sent, and not cut short by an early answer.
    async fn send(&mut self, request: &Request, stall: Duration) -> Result<bool, ExchangeError> {
        let mut pieces = request.body.pieces();
        let mut head = request.bytes.as_slice();
        loop {
            let piece = pieces.next().await.map_err(ExchangeError::Internal)?;
            let mut rest = Buf::chain(head, piece.unwrap_or_default());
            while rest.has_remaining() {
                match tokio::time::timeout(stall, self.send_some(&mut rest)).await {
                    Err(_) => return Err(ExchangeError::Stalled(stall)),
                    Ok(Step::Sent(Ok(0))) => {
                        return Err(ExchangeError::Broken(io::ErrorKind::WriteZero.into()));
                    }
                    Ok(Step::Sent(Ok(_))) => {}
                    Ok(Step::Sent(Err(error))) => return Err(ExchangeError::Broken(error)),
                    Ok(Step::Interrupted) => return Ok(false),
                }
            }
            if piece.is_none() {
                break;
            }
            head = &[];
        }
        if let Stream::Tls(stream) = &mut self.stream {
            match tokio::time::timeout(stall, stream.flush()).await {
                Err(_) => return Err(ExchangeError::Stalled(stall)),
                Ok(flushed) => flushed.map_err(ExchangeError::Broken)?,
            }
        }
        Ok(true)
    }

    async fn send_some(&mut self, rest: &mut impl Buf) -> Step {
        let stream = &mut self.stream;
        poll_fn(|context| {
            let mut pieces = [io::IoSlice::new(&[]); 2];
            let count = rest.chunks_vectored(&mut pieces);
            let pieces = pieces.get(..count).unwrap_or_default();
            let sent = match stream {
                Stream::Plain(socket) => {
                    match Pin::new(&mut *socket).poll_write_vectored(context, pieces) {
                        Poll::Pending => {
                            let mut byte = [0];
                            let mut look = ReadBuf::new(&mut byte);
                            return socket.poll_peek(context, &mut look).map(|_| Step::Interrupted);
                        }
                        Poll::Ready(sent) => sent,
                    }
                }
                Stream::Tls(stream) => {
                    match Pin::new(stream.as_mut()).poll_write_vectored(context, pieces) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(sent) => sent,
                    }
                }
            };
            if let Ok(sent) = sent {
                rest.advance(sent);
            }
            Poll::Ready(Step::Sent(sent))
        })
        .await
    }

    /// Reads the head of the answer, and from a plain socket not a byte more unless some may
    /// come along. Interim answers (1xx) are skipped.
    async fn head(&mut self, ahead: usize) -> Result<Head, ExchangeError> {
        loop {
            let head = match &self.stream {
                Stream::Plain(_) if ahead == 0 => self.plain_head().await?,
                _ => self.head_and_beyond(ahead).await?,
            };
            if head.status >= 200 {
                return Ok(head);
            }
        }
    }

    async fn plain_head(&mut self) -> Result<Head, ExchangeError> {
        let Stream::Plain(socket) = &mut self.stream else {
            return Err(ExchangeError::Malformed("its connection changed its kind"));
        };
        let mut taken: Vec<u8> = Vec::new();
        let mut look = [0_u8; FIRST_LOOK];
        loop {
            let seen = socket.peek(&mut look).await.map_err(ExchangeError::Broken)?;
            if seen == 0 {
                return Err(ended(taken.is_empty()));
            }
            let before = taken.len();
            let shown = look.get(..seen).unwrap_or_default();
            let parsed = if taken.is_empty() {
                parse(shown)
            } else {
                taken.extend_from_slice(shown);
                parse(&taken)
            };
            let (take, head) = match parsed {
                Parsed::Broken(why) => return Err(ExchangeError::Malformed(why)),
                Parsed::Head(head) => (head.length - before, Some(head)),
                Parsed::Incomplete => (seen, None),
            };
            // What was looked at is all of the head, or a part of it: it is taken out.
            let room = look.get_mut(..take).unwrap_or_default();
            socket.read_exact(room).await.map_err(ExchangeError::Broken)?;
            match head {
                Some(head) => return Ok(head),
                None if before == 0 => taken.extend_from_slice(room),
                None => {}
            }
        }
    }

    async fn head_and_beyond(&mut self, ahead: usize) -> Result<Head, ExchangeError> {
        loop {
            if !self.beyond.is_empty() {
                match parse(&self.beyond) {
                    Parsed::Broken(why) => return Err(ExchangeError::Malformed(why)),
                    Parsed::Incomplete => {}
                    Parsed::Head(head) => {
                        self.beyond.advance(head.length);
                        return Ok(head);
                    }
                }
            }
            let nothing_yet = self.beyond.is_empty();
            if !nothing_yet {
                self.stream.acknowledge();
            }
            let read = match &mut self.stream {
                Stream::Plain(socket) => {
                    // Room is made when there is something to read: it is then most often what
                    // was let go a moment ago, and still in the processor's caches.
                    socket.readable().await.map_err(ExchangeError::Broken)?;
                    self.beyond.reserve(FIRST_LOOK + ahead);
                    socket.read_buf(&mut self.beyond).await
                }
                Stream::Tls(stream) => {
                    self.beyond.reserve(FIRST_LOOK + ahead);
                    stream.read_buf(&mut self.beyond).await
                }
            };
            if read.map_err(ExchangeError::Broken)? == 0 {
                return Err(ended(nothing_yet));
            }
        }
    }

    /// So many bytes, if they came along with the head.
    pub(super) fn came(&mut self, count: usize) -> Option<BytesMut> {
        (self.beyond.len() >= count).then(|| {
            let mut came = std::mem::take(&mut self.beyond);
            if came.len() > count {
                self.beyond = came.split_off(count);
            }
            came
        })
    }

    /// Reads some of what follows into a slot, at most `most` bytes: zero at the end.
    pub(super) async fn read(
        &mut self,
        slot: &mut Slot,
        most: usize,
        meter: &Meter,
    ) -> Result<usize, FillError> {
        if !self.beyond.is_empty() {
            let beyond = &self.beyond[..];
            let read = slot.fill(most, |mut room| io::Write::write(&mut room, beyond))?;
            self.beyond.advance(read);
            // Once out of the TLS record, once out of here.
            let tls = matches!(self.stream, Stream::Tls(_));
            meter.copied(if tls { 2 * read } else { read });
            return Ok(read);
        }
        // Once is enough until something is sent again, but for the end.
        let acknowledge = !self.acknowledged || most <= LAST_SEGMENT;
        let (stream, acknowledged) = (&mut self.stream, &mut self.acknowledged);
        let tls = matches!(stream, Stream::Tls(_));
        let read = poll_fn(|context| {
            let filled = slot.fill(most, |room| {
                let mut room = ReadBuf::new(room);
                let polled = match stream {
                    Stream::Plain(socket) => Pin::new(socket).poll_read(context, &mut room),
                    Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, &mut room),
                };
                match polled {
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                    Poll::Ready(Err(error)) => Err(error),
                    Poll::Ready(Ok(())) => Ok(room.filled().len()),
                }
            });
            match filled {
                Err(FillError::Source(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    if acknowledge {
                        stream.acknowledge();
                        *acknowledged = true;
                    }
                    Poll::Pending
                }
                filled => Poll::Ready(filled),
            }
        })
        .await?;
        if tls {
            meter.copied(read);
        }
        Ok(read)
    }

    /// Reads some of what follows behind what a vector holds, at most `most` bytes: zero at
    /// the end.
    pub(super) async fn append(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        if !self.beyond.is_empty() {
            let here = self.beyond.len().min(most);
            into.extend_from_slice(&self.beyond.split_to(here));
            return Ok(here);
        }
        if into.len() == into.capacity() {
            into.reserve(LEAST_ROOM.min(most));
        }
        let mut room = into.limit(most);
        if !self.acknowledged || most <= LAST_SEGMENT {
            self.stream.acknowledge();
            self.acknowledged = true;
        }
        match &mut self.stream {
            Stream::Plain(socket) => socket.read_buf(&mut room).await,
            Stream::Tls(stream) => stream.read_buf(&mut room).await,
        }
    }
}

fn ended(before_it_began: bool) -> ExchangeError {
    if before_it_began {
        ExchangeError::ClosedUnanswered
    } else {
        let cause = "the head of the answer ends in the middle";
        ExchangeError::Broken(io::Error::new(io::ErrorKind::UnexpectedEof, cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";

    /// A connection whose server has sent these pieces, a moment between them, and what came
    /// with the head of the answer.
    async fn answered(pieces: &[String], ahead: usize) -> (Connection, Option<BytesMut>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let pieces = pieces.to_vec();
        tokio::spawn(async move {
            let mut request = [0; 16];
            let _ = server.read(&mut request).await;
            for piece in pieces {
                let _ = server.write_all(piece.as_bytes()).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // Open until the other end closes.
            let _ = server.read(&mut request).await;
        });
        let mut connection = Connection::new(Stream::Plain(socket));
        let request = Request { bytes: b"GET".to_vec(), ahead, ..Request::default() };
        let answered = connection.exchange(&request, Duration::from_secs(30)).await.unwrap();
        assert_eq!(answered.head.status, 200);
        let came = connection.came(5);
        (connection, came)
    }

    async fn read_on(connection: &mut Connection) -> Vec<u8> {
        let mut into = Vec::new();
        while into.len() < 5 {
            let left = 5 - into.len();
            assert!(connection.append(&mut into, left).await.unwrap() > 0);
        }
        into
    }

    #[tokio::test]
    async fn a_short_body_comes_along_where_it_may() {
        let whole = [format!("{HEAD}hello")];
        let (connection, came) = answered(&whole, 5).await;
        assert_eq!(came.as_deref(), Some(&b"hello"[..]));
        assert!(connection.is_quiet());
        let (mut connection, came) = answered(&whole, 0).await;
        assert_eq!(came, None);
        assert_eq!(read_on(&mut connection).await, b"hello");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_end_of_an_answer_does_not_wait_for_somebody_to_hear_of_its_beginning() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.set_nodelay(false).unwrap();
        tokio::spawn(async move {
            let mut request = [0; 16];
            while server.read(&mut request).await.is_ok_and(|read| read > 0) {
                for piece in [HEAD, "he", "llo"] {
                    let _ = server.write_all(piece.as_bytes()).await;
                }
            }
        });
        let mut connection = Connection::new(Stream::Plain(socket));
        for ahead in [0, 5] {
            let mut late = 0;
            for _ in 0..50 {
                let start = std::time::Instant::now();
                let request = Request { bytes: b"GET".to_vec(), ahead, ..Request::default() };
                connection.exchange(&request, Duration::from_secs(30)).await.unwrap();
                let came = connection.came(5);
                if came.is_none() {
                    assert_eq!(read_on(&mut connection).await, b"hello");
                }
                late += u32::from(start.elapsed() > Duration::from_millis(35));
            }
            assert!(late < 25, "{late} of 50 waited, {ahead} ahead");
        }
    }

    #[tokio::test]
    async fn a_body_that_comes_later_is_read_on() {
        let pieces = [format!("{HEAD}he"), "llo".to_owned()];
        let (mut connection, came) = answered(&pieces, 5).await;
        assert_eq!(came, None);
        assert_eq!(read_on(&mut connection).await, b"hello");
        assert!(connection.is_quiet());
    }

    #[tokio::test]
    async fn what_was_not_announced_ends_the_connection() {
        let (connection, came) = answered(&[format!("{HEAD}hello, world")], 64).await;
        assert_eq!(came.as_deref(), Some(&b"hello"[..]));
        assert!(!connection.is_quiet());
    }
}
