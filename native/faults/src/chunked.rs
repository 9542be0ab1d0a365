//! Bodies in the chunks of S3's own `aws-chunked` encoding, with checksums behind them.

/// What stands behind a body, by lower-case names.
pub type Trailers = Vec<(String, String)>;

/// The bytes of such a body, and what stands behind them; `None` if it is none.
pub fn decoded(mut rest: &[u8]) -> Option<(Vec<u8>, Trailers)> {
    let mut bytes = Vec::with_capacity(rest.len());
    loop {
        let line = line(&mut rest)?;
        // A signature may stand behind the size.
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            break;
        }
        bytes.extend(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    let mut trailers = Vec::new();
    while !rest.is_empty() {
        let line = line(&mut rest)?;
        if let Some((name, value)) = line.split_once(':') {
            trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    Some((bytes, trailers))
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = std::str::from_utf8(&rest[..end]).ok()?;
    *rest = &rest[end + 2..];
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn chunks_are_put_together() {
        let body = b"5\r\nhello\r\n6;chunk-signature=ab\r\n world\r\n0\r\nX-Sum:abc=\r\n\r\n";
        let (bytes, trailers) = decoded(body).unwrap();
        assert_eq!(bytes, b"hello world");
        assert_eq!(trailers, [("x-sum".to_owned(), "abc=".to_owned())]);
        assert_eq!(decoded(b"0\r\n\r\n").unwrap().0, b"");
    }

    #[test]
    fn what_is_cut_is_refused() {
        for body in [&b"5\r\nhell"[..], b"5\r\nhello", b"", b"5", b"x\r\n\r\n"] {
            assert!(decoded(body).is_none(), "{body:?}");
        }
    }
}
