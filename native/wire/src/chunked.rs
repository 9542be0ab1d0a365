//! Undoing the chunked transfer encoding (RFC 9112, section 7.1), as strict as the heads are
//! read: what is in doubt ends the connection.

/// How far a chunked body is read.
#[derive(Debug, Default)]
pub struct Chunked {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// In the digits of a chunk's size: so many so far, with this value.
    #[default]
    Start,
    Size(u8, u64),
    /// In what a server may say about a chunk: so many bytes so far.
    Extension(u64, usize),
    SizeEnd(u64),
    /// So many bytes of the chunk are still to come.
    Data(u64),
    DataReturn,
    DataEnd,
    /// At the start of a line behind the last chunk; so many bytes of such lines so far.
    Trailer(usize),
    TrailerLine(usize),
    TrailerEnd(usize),
    LastEnd,
    Done,
}

/// More than this in extensions of one chunk, or behind the last one, is refused.
const MOST_BESIDE: usize = 16 * 1024;

impl Chunked {
    /// At the start of a body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the body has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what came, and puts the body's bytes behind `into`. Returns how much of `input`
    /// belongs to this body: less than all of it only when the body is done.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(&mut self, input: &[u8], into: &mut Vec<u8>) -> Result<usize, &'static str> {
        let mut rest = input;
        while let Some((&byte, tail)) = rest.split_first() {
            if self.state == State::Done {
                break;
            }
            if let State::Data(left) = self.state {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                let (data, after) = rest.split_at(here);
                into.extend_from_slice(data);
                rest = after;
                let left = left - here as u64;
                self.state = if left == 0 { State::DataReturn } else { State::Data(left) };
                continue;
            }
            self.state = self.state.after(byte)?;
            rest = tail;
        }
        Ok(input.len() - rest.len())
    }
}

impl State {
    fn after(self, byte: u8) -> Result<Self, &'static str> {
        let digit = |byte: u8| char::from(byte).to_digit(16).map(u64::from);
        Ok(match (self, byte) {
            (Self::Start, byte) => Self::Size(1, digit(byte).ok_or(NO_SIZE)?),
            (Self::Size(_, size), b'\r') => Self::SizeEnd(size),
            (Self::Size(_, size), b';' | b' ' | b'\t') => Self::Extension(size, 0),
            (Self::Size(digits, size), byte) => {
                let digit = digit(byte).ok_or(NO_SIZE)?;
                if digits == 15 {
                    return Err("a chunk of it is larger than anything");
                }
                Self::Size(digits + 1, size << 4 | digit)
            }
            (Self::Extension(size, _), b'\r') => Self::SizeEnd(size),
            (Self::Extension(_, MOST_BESIDE..), _) => return Err(TOO_MUCH),
            (Self::Extension(..), b'\n') => return Err(NO_LINE),
            (Self::Extension(size, count), _) => Self::Extension(size, count + 1),
            (Self::SizeEnd(0), b'\n') => Self::Trailer(0),
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataReturn, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Start,
            (Self::Trailer(_), b'\r') => Self::LastEnd,
            (Self::Trailer(MOST_BESIDE..) | Self::TrailerLine(MOST_BESIDE..), _) => {
                return Err(TOO_MUCH);
            }
            (Self::TrailerLine(count), b'\r') => Self::TrailerEnd(count + 1),
            (Self::Trailer(_) | Self::TrailerLine(_), b'\n') => return Err(NO_LINE),
            (Self::Trailer(count) | Self::TrailerLine(count), _) => Self::TrailerLine(count + 1),
            (Self::TrailerEnd(count), b'\n') => Self::Trailer(count + 1),
            (Self::LastEnd, b'\n') => Self::Done,
            (Self::DataReturn | Self::DataEnd, _) => return Err("a chunk of it has no end"),
            _ => return Err(NO_LINE),
        })
    }
}

const NO_SIZE: &str = "a chunk of it has no size";
const NO_LINE: &str = "a line among its chunks does not end";
const TOO_MUCH: &str = "it says too much beside its chunks";

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &[u8]) -> Result<(Vec<u8>, usize, bool), &'static str> {
        let (mut chunked, mut body) = (Chunked::new(), Vec::new());
        let used = chunked.decode(text, &mut body)?;
        Ok((body, used, chunked.is_done()))
    }

    #[test]
    fn chunks_are_joined() {
        let text = b"5\r\nhello\r\n1;a=\"b\"\r\n \r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\nmore";
        assert_eq!(decoded(text), Ok((b"hello 0123456789".to_vec(), text.len() - 4, true)));
        assert_eq!(decoded(b"0\r\n\r\n"), Ok((Vec::new(), 5, true)));
    }

    #[test]
    fn pieces_of_any_length_give_the_same() {
        let text = b"5\r\nhello\r\n00a ; x\r\n0123456789\r\n0\r\nx: y\r\n\r\n";
        for length in 1..text.len() {
            let (mut chunked, mut body) = (Chunked::new(), Vec::new());
            for piece in text.chunks(length) {
                assert_eq!(chunked.decode(piece, &mut body), Ok(piece.len()));
            }
            assert!(chunked.is_done());
            assert_eq!(body, b"hello0123456789");
        }
        for end in 0..text.len() {
            assert!(!decoded(&text[..end]).unwrap().2, "{end}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let long = format!("1;{}", "x".repeat(20_000));
        let trailer = format!("0\r\n{}", "x: y\r\n".repeat(5000));
        for text in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "5\nhello",
            "5\r\nhello!",
            "5\r\nhello\rx",
            "5 \n",
            "0\r\n\n",
            "0\r\nx\n",
            "1000000000000000\r\n",
            "0\r\n\r\r",
            &long,
            &trailer,
        ] {
            assert!(decoded(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
