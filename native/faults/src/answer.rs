//! An answer as it is meant, and what goes wrong with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bucket::Object;
use crate::date;
use crate::script::{End, Fault, HeadFault, What};

/// The body of an answer.
#[derive(Clone)]
pub enum Body {
    /// None.
    Nothing,
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// Bytes of an object.
    Object { object: Option<Arc<Object>>, start: u64, end: u64 },
}

/// What goes wrong in a body, and at which of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    Reset,
    Close,
    Stall(Option<u64>),
    Dribble(u64),
    Flip,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Told,
    Closed,
    Chunked,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    pub length: Length,
    /// What it is about, though a `HEAD` has no body.
    pub head_only: bool,
    /// Silence before it: for so long, or for ever.
    pub silence: Option<Option<u64>>,
    pub head: Option<HeadFault>,
    pub broken: Option<(u64, Break)>,
    /// What comes behind the body.
    pub extra: String,
}

impl Body {
    /// How many bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Object { start, end, .. } => end - start,
        }
    }
}

impl Answer {
    /// An answer without a body.
    pub fn new(status: u16) -> Self {
        static REQUESTS: AtomicU64 = AtomicU64::new(1);
        let id = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let headers = vec![
            ("Date".to_owned(), date::now()),
            ("x-amz-request-id".to_owned(), format!("FAULTS{id:010X}")),
        ];
        Self {
            status,
            headers,
            body: Body::Nothing,
            length: Length::Told,
            head_only: false,
            silence: None,
            head: None,
            broken: None,
            extra: String::new(),
        }
    }

    /// S3's error of this code.
    pub fn error(status: u16, code: &str) -> Self {
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
             <Message>scripted</Message><RequestId>FAULTS</RequestId></Error>"
        );
        Self::new(status)
            .header("Content-Type", "application/xml")
            .with(Body::Bytes(xml.into_bytes().into()))
    }

    /// With a header more.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With a body.
    pub fn with(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// With the object whose bytes are the body, if it has a body of that kind.
    pub fn with_object(mut self, of: Arc<Object>, asked: (u64, u64)) -> Self {
        if let Body::Object { object, start, end } = &mut self.body {
            *object = Some(of);
            (*start, *end) = asked;
        }
        self
    }

    /// The head alone, as HEAD wants it.
    pub fn without_body(mut self) -> Self {
        self.head_only = true;
        self
    }

    /// With what goes wrong. `asked` are the object's bytes that the request is for.
    pub fn spoiled(mut self, fault: &Fault, asked: Option<(u64, u64)>) -> Self {
        let place = self.place(fault, asked);
        match &fault.what {
            What::Reset => self.broken = Some((place, Break::Reset)),
            What::Close => self.broken = Some((place, Break::Close)),
            What::Stall { ms } => self.broken = Some((place, Break::Stall(*ms))),
            What::Dribble { ms } => self.broken = Some((place, Break::Dribble(*ms))),
            What::Flip => self.broken = Some((place, Break::Flip)),
            What::Extra { text } => self.extra.clone_from(text),
            What::Silent { ms } => self.silence = Some(*ms),
            What::Status { status, code, headers, body } => {
                let (broken, head_only) = (self.broken, self.head_only);
                self = Self::error(*status, code.as_deref().unwrap_or("SlowDown"));
                (self.broken, self.head_only) = (broken, head_only);
                if let Some(body) = body {
                    self.body = Body::Bytes(body.as_bytes().into());
                }
                for (name, value) in headers {
                    self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                    self.headers.push((name.clone(), value.clone()));
                }
            }
            What::Change { .. } | What::Refuse { .. } => {}
            What::ContentRange { value } => {
                self.headers.retain(|(name, _)| name != "Content-Range");
                let shifted = asked.map_or_else(
                    || "bytes 1-1/2".to_owned(),
                    |(start, end)| format!("bytes {}-{end}/{}", start + 1, end + 1),
                );
                self = self.header("Content-Range", value.clone().unwrap_or(shifted));
            }
            What::NoLength { chunked } => {
                self.length = if *chunked { Length::Chunked } else { Length::Closed };
            }
            What::Head(head) => self.head = Some(head.clone()),
        }
        self
    }

    /// Lost, or another in its place.
    pub fn lost(mut self, fault: &Fault) -> Self {
        let ends = |then| Some(HeadFault { cut: Some(0), then, ..HeadFault::default() });
        match &fault.what {
            What::Reset => self.head = ends(End::Reset),
            What::Close => self.head = ends(End::Close),
            What::Stall { ms } | What::Silent { ms } => self.silence = Some(*ms),
            _ => return self.spoiled(fault, None),
        }
        self
    }

    /// At which byte of the body a fault of the body happens.
    fn place(&self, fault: &Fault, asked: Option<(u64, u64)>) -> u64 {
        if let (Some(at), Some((start, _))) = (fault.at, asked) {
            return at - start;
        }
        if let (Some(text), Body::Bytes(bytes)) = (&fault.find, &self.body) {
            let found = bytes.windows(text.len().max(1)).position(|part| part == text.as_bytes());
            return found.map_or(u64::MAX, |place| place as u64 + fault.after.unwrap_or(0));
        }
        fault.after.unwrap_or(self.body.len() / 2)
    }

    /// The bytes of the head.
    pub fn head(&self) -> Vec<u8> {
        let fault = self.head.clone().unwrap_or_default();
        if let Some(raw) = &fault.raw {
            return raw.chars().map(|letter| letter as u32 as u8).collect();
        }
        let mut headers = self.headers.clone();
        match self.length {
            Length::Told if !(self.status == 204 || self.status == 304) => {
                headers.push(("Content-Length".to_owned(), self.body.len().to_string()));
            }
            Length::Told => {}
            Length::Closed => headers.push(("Connection".to_owned(), "close".to_owned())),
            Length::Chunked => {
                headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
            }
        }
        for (name, value) in &fault.set {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.extend(value.clone().map(|value| (name.clone(), value)));
        }
        headers.extend(fault.add.iter().cloned());
        headers.extend(fault.pad.map(|bytes| ("x-pad".to_owned(), "p".repeat(bytes))));
        let more =
            (0..fault.count.unwrap_or(0)).map(|index| (format!("x-more-{index}"), "m".into()));
        headers.extend(more);
        let line =
            fault.line.unwrap_or_else(|| format!("HTTP/1.1 {} {}", self.status, self.reason()));
        let mut head = Vec::with_capacity(512);
        head.extend(latin1(&line));
        head.extend(b"\r\n");
        for (name, value) in &headers {
            head.extend(latin1(name));
            head.extend(b": ");
            head.extend(latin1(value));
            head.extend(b"\r\n");
        }
        head.extend(b"\r\n");
        head
    }

    fn reason(&self) -> &'static str {
        match self.status {
            200 => "OK",
            206 => "Partial Content",
            301 => "Moved Permanently",
            307 => "Temporary Redirect",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            412 => "Precondition Failed",
            416 => "Requested Range Not Satisfiable",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            503 => "Slow Down",
            _ => "Status",
        }
    }
}

/// One byte for each character, so that a test can put any byte into a head.
fn latin1(text: &str) -> impl Iterator<Item = u8> {
    text.chars().map(|letter| letter as u32 as u8)
}
