//! The address of a plain `http` or `https` request.

/// An absolute URL, cut into what a connection and a request line need.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    /// Whether the scheme is `https`.
    pub tls: bool,
    /// The host name or address; an IPv6 address without its brackets.
    pub host: String,
    /// The port, the scheme's own where none is written.
    pub port: u16,
    /// The path and query, from its slash on, as they are sent.
    pub target: String,
}

impl Url {
    /// Reads a URL that is percent-encoded already. `None` for any other scheme, for user
    /// information, a fragment, and whatever could break out of a request line.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (tls, rest) = match text.split_once("://")? {
            (scheme, rest) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            (scheme, rest) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            _ => return None,
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['#', '\\']) {
            return None;
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end)?;
        let (host, port) = authority_of(authority)?;
        let port = match port {
            None if tls => 443,
            None => 80,
            Some(port) => port,
        };
        let slash = if target.starts_with('/') { "" } else { "/" };
        Some(Self { tls, host, port, target: format!("{slash}{target}") })
    }

    /// The host as it stands in a URL, with the brackets of an IPv6 address.
    #[must_use]
    pub fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// `host:port`, as `--allow-net` spells it.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", self.bracketed_host(), self.port)
    }

    /// The `Host` header: without the scheme's own port.
    #[must_use]
    pub fn host_header(&self) -> String {
        let own = if self.tls { 443 } else { 80 };
        if self.port == own { self.bracketed_host() } else { self.host_and_port() }
    }
}

fn authority_of(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: std::net::Ipv6Addr = address.parse().ok()?;
        let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?) };
        (address.to_string(), port)
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
        if host.is_empty() || !host.bytes().all(plain) {
            return None;
        }
        (host.to_ascii_lowercase(), port)
    };
    let port = match port {
        None | Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (text, tls, host, port, target) in [
            ("http://h", false, "h", 80, "/"),
            ("https://H.example/a%20b?x=1", true, "h.example", 443, "/a%20b?x=1"),
            ("http://127.0.0.1:9000/b/../k", false, "127.0.0.1", 9000, "/b/../k"),
            ("http://[::1]:8/", false, "::1", 8, "/"),
            ("http://h?x", false, "h", 80, "/?x"),
            ("http://h:/x", false, "h", 80, "/x"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(
                (url.tls, url.host.as_str(), url.port, url.target.as_str()),
                (tls, host, port, target)
            );
        }
        assert_eq!(Url::parse("http://[::1]").unwrap().host_and_port(), "[::1]:80");
        assert_eq!(Url::parse("https://h:443/").unwrap().host_header(), "h");
        assert_eq!(Url::parse("https://h:80/").unwrap().host_header(), "h:80");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "h",
            "ftp://h/",
            "http://",
            "http:///x",
            "http://u:p@h/",
            "http://h:99999/",
            "http://h:8x/",
            "http://[::1/",
            "http://[x]/",
            "http://h/a b",
            "http://h/\r\nX: y",
            "http://h/#f",
            "http://h\\x",
            "http://hé/",
        ] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }
}
