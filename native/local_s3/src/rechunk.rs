//! Cuts the chunks of an unsigned `aws-chunked` body into small ones before `s3s` sees them.
//!
//! `s3s` collects a whole chunk before it passes its bytes on, and some clients send a body as one
//! chunk: a PUT of 1 GiB would take 1 GiB of memory. Chunks of an unsigned body carry no signature,
//! so that they can be cut anywhere. Signed chunks stay as they are; clients make those small.
//!
//! What comes in: `SIZE-IN-HEX[;extension]\r\n BYTES \r\n` repeated, then `0\r\n`, trailers, `\r\n`.
//! What goes out has the same bytes and the same end. A head that is not understood is passed on as it
//! is, for `s3s` to refuse.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// A head longer than this is not one.
const LONGEST_HEAD: usize = 128;

/// Cuts one body. Feed it what arrives; take out what to pass on.
pub struct Rechunk {
    state: State,
    /// The beginning of a head that has not arrived whole.
    head: BytesMut,
    out: VecDeque<Bytes>,
}

enum State {
    Head,
    /// Bytes of the chunk still to come.
    Body(u64),
    /// Bytes of the `\r\n` behind a chunk still to come.
    Gap(u8),
    /// The end, or something not understood: passed on untouched.
    Rest,
}

impl Rechunk {
    pub fn new() -> Self {
        Self { state: State::Head, head: BytesMut::new(), out: VecDeque::new() }
    }

    pub fn take(&mut self) -> Option<Bytes> {
        self.out.pop_front()
    }

    /// Takes what the socket gave.
    pub fn feed(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            match self.state {
                State::Rest => self.out.push_back(std::mem::take(&mut bytes)),
                State::Gap(left) => {
                    let skipped = bytes.len().min(usize::from(left));
                    if !bytes.split_to(skipped).iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
                        // Not a chunk's end: what goes out now is not a body either, and is refused.
                        self.out.push_back(Bytes::from_static(b"broken chunk\r\n"));
                        self.state = State::Rest;
                        continue;
                    }
                    let left = left - u8::try_from(skipped).unwrap_or(left);
                    self.state = if left == 0 { State::Head } else { State::Gap(left) };
                }
                State::Body(left) => {
                    let taken =
                        usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    let piece = bytes.split_to(taken);
                    self.out.push_back(Bytes::from(format!("{taken:x}\r\n")));
                    self.out.push_back(piece);
                    self.out.push_back(Bytes::from_static(b"\r\n"));
                    let left = left - taken as u64;
                    self.state = if left == 0 { State::Gap(2) } else { State::Body(left) };
                }
                State::Head => {
                    let end = bytes
                        .iter()
                        .position(|byte| *byte == b'\n')
                        .map_or(bytes.len(), |at| at + 1);
                    self.head.extend_from_slice(&bytes.split_to(end));
                    if self.head.last() == Some(&b'\n') || self.head.len() > LONGEST_HEAD {
                        self.end_of_head();
                    }
                }
            }
        }
    }

    /// What is left when the socket has no more.
    pub fn finish(&mut self) {
        if !self.head.is_empty() {
            self.out.push_back(self.head.split().freeze());
        }
    }

    fn end_of_head(&mut self) {
        let head = self.head.split().freeze();
        let size = std::str::from_utf8(&head)
            .ok()
            .and_then(|text| text.strip_suffix("\r\n"))
            .map(|text| text.split(';').next().unwrap_or_default())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u64::from_str_radix(digits, 16).ok());
        self.state = match size {
            Some(size) if size > 0 => State::Body(size),
            _ => {
                self.out.push_back(head);
                State::Rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(body: &[u8], step: usize) -> Vec<u8> {
        let mut rechunk = Rechunk::new();
        let mut out = Vec::new();
        for piece in body.chunks(step) {
            rechunk.feed(Bytes::copy_from_slice(piece));
            while let Some(bytes) = rechunk.take() {
                out.extend_from_slice(&bytes);
            }
        }
        rechunk.finish();
        while let Some(bytes) = rechunk.take() {
            out.extend_from_slice(&bytes);
        }
        out
    }

    #[test]
    fn cuts_and_keeps_the_end() {
        let body = b"a;x=y\r\n0123456789\r\n3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        let end = "0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        assert_eq!(
            through(body, 1000),
            format!("a\r\n0123456789\r\n3\r\nabc\r\n{end}").into_bytes()
        );
        // The first piece ends in the middle of the first chunk.
        let cut = through(body, 12);
        assert!(
            cut.starts_with(b"5\r\n01234\r\n5\r\n56789\r\n"),
            "{}",
            String::from_utf8_lossy(&cut)
        );
        for step in 1..body.len() {
            assert!(through(body, step).ends_with(end.as_bytes()), "{step}");
        }
    }

    #[test]
    fn empty_body() {
        for step in 1..8 {
            assert_eq!(through(b"0\r\n\r\n", step), b"0\r\n\r\n");
        }
    }

    #[test]
    fn what_is_not_understood_passes() {
        assert_eq!(through(b"zz\r\nabc", 3), b"zz\r\nabc");
        assert_eq!(through(b"12", 3), b"12");
        let long = vec![b'1'; 1000];
        assert_eq!(through(&long, 7), long);
        assert!(
            through(b"3\r\nabcdef\r\n0\r\n\r\n", 100).windows(6).any(|window| window == b"broken")
        );
    }
}
