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
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every value of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Names, as they were sent, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let part = |(start, end): (u32, u32)| {
            std::str::from_utf8(self.text.get(start as usize..end as usize)?).ok()
        };
        self.headers.iter().filter_map(move |field| Some((part(field.name)?, part(field.value)?)))
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
        match self.get("transfer-encoding") {
            Some(_) if length.is_some() => Err("it has both a length and a transfer encoding"),
            Some(coding) if coding.trim().eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
            Some(_) => Err("its transfer encoding is unknown"),
            None => Ok(length.map_or(Framing::UntilClose, Framing::Length)),
        }
    }

    /// The announced length, where there is one.
    ///
    /// # Errors
    /// When it is no number, or announced twice with different numbers.
    pub fn content_length(&self) -> Result<Option<u64>, &'static str> {
        let mut found = None;
        for value in self.all("content-length") {
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            let length = if digits { value.parse().ok() } else { None };
            let length: u64 = length.ok_or("its length is no number")?;
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
        ] {
            assert!(head(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n")).framing().is_err());
        }
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
