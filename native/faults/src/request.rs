//! A request, as it was read.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::script::On;

const LARGEST_HEAD: usize = 64 << 10;
const LARGEST_BODY: u64 = 64 << 20;

/// A request: its names are decoded, its body was read.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// The path and query, as they were sent.
    pub target: String,
    /// What stands between the first and the second slash, decoded.
    pub bucket: String,
    /// What stands behind the second slash, decoded. Empty without one.
    pub key: String,
    queries: Vec<(String, String)>,
    /// With lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// Reads a head: the request and its length, or `None` when it is not all there.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, httparse::Error> {
        let mut room = [httparse::EMPTY_HEADER; 100];
        let mut parsed = httparse::Request::new(&mut room);
        let httparse::Status::Complete(length) = parsed.parse(bytes)? else { return Ok(None) };
        let target = parsed.path.unwrap_or_default().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let queries = query.split('&').filter(|part| !part.is_empty()).map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(name), decoded(value))
        });
        let headers = parsed.headers.iter().map(|header| {
            let value = header.value.iter().map(|byte| char::from(*byte)).collect();
            (header.name.to_ascii_lowercase(), value)
        });
        let request = Self {
            method: parsed.method.unwrap_or_default().to_owned(),
            bucket: decoded(bucket),
            key: decoded(key),
            queries: queries.collect(),
            headers: headers.collect(),
            body: Vec::new(),
            target: String::new(),
        };
        Ok(Some((Self { target, ..request }, length)))
    }

    /// Reads the next request of a connection; `None` when the other side ended it.
    pub async fn read(stream: &mut TcpStream, held: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let Some(mut request) = Self::read_head(stream, held).await? else { return Ok(None) };
        let promised = request.promised();
        if promised > LARGEST_BODY {
            return Err(io::ErrorKind::InvalidData.into());
        }
        while (held.len() as u64) < promised {
            if stream.read_buf(held).await? == 0 {
                return Ok(None);
            }
        }
        request.body = held.drain(..promised as usize).collect();
        Ok(Some(request))
    }

    /// Reads the next head of a connection; `None` when the other side ended it. `held` is left with
    /// what was read of the body.
    pub async fn read_head(stream: &mut TcpStream, held: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let (request, length) = loop {
            if !held.is_empty() {
                match Self::parse(held) {
                    Ok(Some(request)) => break request,
                    Ok(None) if held.len() < LARGEST_HEAD => {}
                    _ => return Err(io::ErrorKind::InvalidData.into()),
                }
            }
            if stream.read_buf(held).await? == 0 {
                return Ok(None);
            }
        };
        held.drain(..length);
        Ok(Some(request))
    }

    /// How many bytes of a body come behind the head.
    pub fn promised(&self) -> u64 {
        let told = self.header("content-length").and_then(|text| text.parse().ok());
        told.unwrap_or(0)
    }

    /// The value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a query parameter.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut found = self.queries.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| Cow::Borrowed(value.as_str()))
    }

    /// Whether a query parameter is there, with or without a value.
    pub fn has_query(&self, name: &str) -> bool {
        self.queries.iter().any(|(known, _)| known == name)
    }

    /// The number of the part that is written.
    pub fn number(&self) -> Option<u64> {
        self.query("partNumber").and_then(|text| text.parse().ok())
    }

    /// What the request is.
    pub fn on(&self) -> Option<On> {
        let copies = self.header("x-amz-copy-source").is_some();
        let upload = self.has_query("uploadId");
        Some(match (&*self.method, self.key.is_empty()) {
            ("GET", false) if upload => On::Parts,
            ("GET", false) => On::Get,
            ("HEAD", false) => On::Head,
            ("GET", true) if self.has_query("versions") => On::Versions,
            ("GET", true) if self.has_query("uploads") => On::Uploads,
            ("GET", true) => On::List,
            ("PUT", false) if upload && copies => On::CopyPart,
            ("PUT", false) if upload => On::Part,
            ("PUT", false) if copies => On::Copy,
            ("PUT", false) if !self.has_query("tagging") && !self.has_query("acl") => On::Put,
            ("POST", false) if upload => On::Complete,
            ("POST", false) if self.has_query("uploads") => On::Create,
            ("POST", true) if self.has_query("delete") => On::DeleteMany,
            ("DELETE", false) if upload => On::Abort,
            ("DELETE", false) => On::Delete,
            _ => return None,
        })
    }

    /// The bytes asked for, as far as the object has them. `Err` when it has none of them.
    pub fn range(&self, size: u64) -> Result<Option<(u64, u64)>, ()> {
        let Some(text) = self.header("range").and_then(|text| text.strip_prefix("bytes=")) else {
            return Ok(None);
        };
        let Some((first, last)) = text.split_once('-') else { return Ok(None) };
        let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if last >= first => (first, size.min(last.saturating_add(1))),
            (Ok(first), Err(_)) if last.is_empty() => (first, size),
            (Err(_), Ok(count)) if first.is_empty() => (size.saturating_sub(count), size),
            _ => return Ok(None),
        };
        if start < end { Ok(Some((start, end))) } else { Err(()) }
    }
}

/// Undoes percent signs. A plus stays: neither paths nor S3's queries use it for a space.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let hex = |byte: &u8| char::from(*byte).to_digit(16);
                if let (Some(high), Some(low)) = (hex(high), hex(low)) {
                    bytes.push((high << 4 | low) as u8);
                    rest = after;
                } else {
                    bytes.push(b'%');
                }
            }
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A key as `encoding-type=url` writes it.
pub fn query_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            other => {
                let _ = write!(encoded, "%{other:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &str) -> Request {
        Request::parse(head.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn names_are_decoded() {
        let asked =
            request("GET /my-bucket/a%2Fb//../%C3%A9%20+?x-id=GetObject&b= HTTP/1.1\r\n\r\n");
        assert_eq!((&*asked.bucket, &*asked.key), ("my-bucket", "a/b//../é +"));
        assert_eq!(asked.query("x-id").as_deref(), Some("GetObject"));
        assert_eq!(asked.query("b").as_deref(), Some(""));
        assert_eq!(asked.query("c"), None);
        let listing = request("GET /bucket?list-type=2 HTTP/1.1\r\n\r\n");
        assert_eq!((&*listing.bucket, &*listing.key), ("bucket", ""));
    }

    #[test]
    fn ranges() {
        let range =
            |text: &str| request(&format!("GET /b/k HTTP/1.1\r\nRange: {text}\r\n\r\n")).range(100);
        assert_eq!(range("bytes=0-9"), Ok(Some((0, 10))));
        assert_eq!(range("bytes=90-999"), Ok(Some((90, 100))));
        assert_eq!(range("bytes=5-"), Ok(Some((5, 100))));
        assert_eq!(range("bytes=-7"), Ok(Some((93, 100))));
        assert_eq!(range("bytes=100-"), Err(()));
        assert_eq!(range("bytes=9-3"), Ok(None));
        assert_eq!(range("lines=1-2"), Ok(None));
        assert_eq!(request("GET /b/k HTTP/1.1\r\n\r\n").range(0), Ok(None));
    }

    #[test]
    fn what_is_not_all_there_is_waited_for() {
        assert!(Request::parse(b"GET /b/k HTTP/1.1\r\nRange: by").unwrap().is_none());
        assert!(Request::parse(b"\x16\x03\x01\r\n\r\n").is_err());
    }
}
