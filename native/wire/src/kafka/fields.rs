//! The fields of an answer, one after the other.

use super::Malformed;

const SHORT: Malformed = "it ends in the middle of a field";

/// What is left of an answer.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(SHORT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(SHORT)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn i8(&mut self) -> Result<i8, Malformed> {
        self.array().map(i8::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    /// A text that may be null.
    pub(super) fn text(&mut self) -> Result<Option<&'a str>, Malformed> {
        match usize::try_from(self.i16()?) {
            Err(_) => Ok(None),
            Ok(length) => {
                let bytes = self.bytes(length)?;
                std::str::from_utf8(bytes).map(Some).map_err(|_| "a name is not UTF-8")
            }
        }
    }

    /// Bytes that may be null, which is as good as none.
    pub(super) fn blob(&mut self) -> Result<&'a [u8], Malformed> {
        match usize::try_from(self.i32()?) {
            Err(_) => Ok(&[]),
            Ok(length) => self.bytes(length),
        }
    }

    /// How many elements follow; a null array has none. Each has `least` bytes at least.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.i32()?).unwrap_or(0);
        if count > self.rest.len() / least.max(1) {
            return Err("it announces more elements than it has bytes for");
        }
        Ok(count)
    }

    /// The elements of an array.
    pub(super) fn each<T>(
        &mut self,
        least: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.count(least)?;
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(read(self)?);
        }
        Ok(elements)
    }

    /// Steps over an array whose elements have this many bytes.
    pub(super) fn skip(&mut self, each: usize) -> Result<(), Malformed> {
        let count = self.count(each)?;
        self.bytes(count * each).map(|_| ())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }
}
