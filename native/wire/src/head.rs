//! The head of an HTTP/1.1 answer (RFC 9112), as strict as a client must be that shares a
//! connection between requests: an answer whose length is in doubt ends the connection.

/// What the bytes at the start of a connection are.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The start of a head; more must come.
    Incomplete,
    /// A whole head.
    Head(Head),
    /// Nothing that may be believed, and why.
    Broken(&'static str),
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes follow.
    Length(u64),
    /// Chunks follow.
    Chunked,
    /// The body ends with the connection.
    UntilClose,
}

/// The head of an answer: status and headers, with one copy of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// How many bytes the head has, with the empty line at its end.
    pub length: usize,
    keeps_alive_by_default: bool,
    text: Box<[u8]>,
    headers: Vec<Field>,
}

/// Where a header's name and value lie in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    name: (u32, u32),
    value: (u32, u32),
}

impl Head {
    /// A head of more bytes is refused.
    pub const LONGEST: usize = 64 * 1024;
    const MOST_HEADERS: usize = 128;

    /// The value of the first header of a name, without the spaces around it. `None` as well
    /// for one that is not text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        let first = fields.find(|field| self.is(field, name))?;
        std::str::from_utf8(self.part(first.value)).ok()
    }

    /// Every value of a name that is text.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.raw(name).filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// Names, as they were sent, and values, as far as they are text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |part| std::str::from_utf8(self.part(part)).ok();
        self.headers.iter().filter_map(move |field| Some((text(field.name)?, text(field.value)?)))
    }

    /// Every value of a name, text or not: what decides about framing must not be overlooked.
    fn raw<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |field| self.is(field, name))
            .map(|field| self.part(field.value))
    }

    fn is(&self, field: &Field, name: &str) -> bool {
        self.part(field.name).eq_ignore_ascii_case(name.as_bytes())
    }

    fn part(&self, (start, end): (u32, u32)) -> &[u8] {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// How the end of the body is found, for an answer that has a body.
    ///
    /// # Errors
    /// What makes the length doubtful.
    pub fn framing(&self) -> Result<Framing, &'static str> {
        if matches!(self.status, 204 | 304) {
            return Ok(Framing::Length(0));
        }
        let length = self.content_length()?;
        let mut codings = self.raw("transfer-encoding");
        match (codings.next(), codings.next()) {
            (Some(_), _) if length.is_some() => Err("it has both a length and a transfer encoding"),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (Some(_), _) => Err("its transfer encoding is unknown"),
            (None, _) => Ok(length.map_or(Framing::UntilClose, Framing::Length)),
        }
    }

    /// The announced length, where there is one.
    ///
    /// # Errors
    /// When it is no number, or announced twice with different numbers.
    pub fn content_length(&self) -> Result<Option<u64>, &'static str> {
        let mut found = None;
        for value in self.raw("content-length") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let text = std::str::from_utf8(value).ok().filter(|_| digits);
            let length: u64 =
                text.and_then(|text| text.parse().ok()).ok_or("its length is no number")?;
            if found.is_some_and(|other| other != length) {
                return Err("it announces two lengths");
            }
            found = Some(length);
        }
        Ok(found)
    }

    /// Whether the connection may carry another request after this answer.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        let mut keeps = self.keeps_alive_by_default;
        for option in self.all("connection").flat_map(|value| value.split(',')) {
            let option = option.trim();
            if option.eq_ignore_ascii_case("close") {
                return false;
            }
            keeps |= option.eq_ignore_ascii_case("keep-alive");
        }
        keeps
    }
}

/// Reads the head at the start of `bytes`.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let seen = bytes.get(..bytes.len().min(Head::LONGEST)).unwrap_or_default();
    let mut headers = [httparse::EMPTY_HEADER; Head::MOST_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let length = match answer.parse(seen) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() >= Head::LONGEST => {
            return Parsed::Broken("its head is longer than 64 KiB");
        }
        Ok(httparse::Status::Partial) => return Parsed::Incomplete,
        Err(httparse::Error::TooManyHeaders) => return Parsed::Broken("it has too many headers"),
        Err(httparse::Error::Version) => return Parsed::Broken("it does not speak HTTP/1.1"),
        Err(_) => return Parsed::Broken("its head is malformed"),
    };
    let Some(status) = answer.code.filter(|status| (100..600).contains(status)) else {
        return Parsed::Broken("its status is none");
    };
    let base = seen.as_ptr() as usize;
    let place = |part: &[u8]| {
        let start = (part.as_ptr() as usize).wrapping_sub(base);
        // Within 64 KiB, as `seen` is.
        (start as u32, (start + part.len()) as u32)
    };
    let headers = answer
        .headers
        .iter()
        .map(|header| Field {
            name: place(header.name.as_bytes()),
            value: place(header.value.trim_ascii()),
        })
        .collect();
    let text = seen.get(..length).unwrap_or_default().into();
    let keeps_alive_by_default = answer.version == Some(1);
    Parsed::Head(Head { status, length, keeps_alive_by_default, text, headers })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        match parse(text.as_bytes()) {
            Parsed::Head(head) => head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_head_is_read() {
        let text =
            "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nETag:  \"a\" \r\n\r\nhello";
        let head = head(text);
        assert_eq!((head.status, head.length), (206, text.len() - 5));
        assert_eq!(head.get("etag"), Some("\"a\""));
        assert_eq!(head.get("absent"), None);
        assert_eq!(head.framing(), Ok(Framing::Length(5)));
        assert!(head.keeps_alive());
    }

    #[test]
    fn every_prefix_is_incomplete() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]), Parsed::Incomplete, "{end}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/3.0 200 OK\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nna me: x\r\n\r\n",
            "HTTP/1.1 999 OK\r\n\r\n",
        ] {
            assert!(matches!(parse(text.as_bytes()), Parsed::Broken(_)), "{text}");
        }
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(Head::LONGEST));
        assert!(matches!(parse(long.as_bytes()), Parsed::Broken(_)));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200));
        assert!(matches!(parse(many.as_bytes()), Parsed::Broken(_)));
    }

    #[test]
    fn doubtful_lengths_are_refused() {
        for (headers, framing) in [
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Ok(Framing::Length(5))),
            ("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked)),
            ("", Ok(Framing::UntilClose)),
        ] {
            assert_eq!(head(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n")).framing(), framing);
        }
        for headers in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: \r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
        ] {
            assert!(head(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n")).framing().is_err());
        }
    }

    #[test]
    fn what_is_no_text_is_not_overlooked() {
        for header in [&b"Content-Length: \xff5"[..], b"Transfer-Encoding: chunked\xff"] {
            let bytes = [b"HTTP/1.1 200 OK\r\n", header, b"\r\n\r\n"].concat();
            let Parsed::Head(head) = parse(&bytes) else { panic!("{header:?}") };
            assert!(head.framing().is_err(), "{header:?}");
        }
        let bytes = b"HTTP/1.1 200 OK\r\nETag: \xff\r\nETag: b\r\n\r\n";
        let Parsed::Head(head) = parse(bytes) else { panic!() };
        assert_eq!(head.get("etag"), None, "the first is meant, and it is no text");
        assert_eq!(head.all("etag").collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn connections_are_kept_as_the_version_and_the_header_say() {
        for (text, keeps) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.0 200 OK\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: keep-alive, close\r\n\r\n", false),
        ] {
            assert_eq!(head(text).keeps_alive(), keeps, "{text}");
        }
    }
}
