//! NumPy's format for one array, `.npy`: the header, and its numbers as `f32`.
//!
//! The format is NumPy's NEP 1: a magic string, a version, the length of the header, and the
//! header, which is a Python dictionary with three entries. Nothing of it is trusted: a header
//! is read up to a limit, and what it claims is compared with the file's length by whoever
//! reads the numbers.

use std::fmt;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longer headers are of structured types, which are refused anyway.
const LONGEST_HEADER: usize = 64 << 10;
/// NumPy's own limit.
const MOST_DIMENSIONS: usize = 64;
/// Where NumPy lets the numbers start: a multiple of this.
const ALIGNMENT: usize = 64;

/// What a number is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NpyElement {
    /// Half precision.
    F16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpyHeader {
    /// Where the numbers start, in bytes.
    pub start: usize,
    /// What they are made of.
    pub element: NpyElement,
    /// The most significant byte comes first.
    pub big_endian: bool,
    /// The first index changes fastest.
    pub fortran_order: bool,
    /// How many there are along each dimension.
    pub shape: Vec<u64>,
}

/// How much of a header is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NpyHead {
    /// All of it.
    Complete(NpyHeader),
    /// So many bytes are needed to go on.
    Needs(usize),
}

/// Why this is not an array that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpyError(pub String);

impl fmt::Display for NpyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for NpyError {}

fn refuse<T>(why: impl Into<String>) -> Result<T, NpyError> {
    Err(NpyError(why.into()))
}

impl NpyElement {
    /// How many bytes one number has.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Writes numbers as `f32`: what a double has beyond that is rounded. As many as both have.
    pub fn decode(self, bytes: &[u8], big_endian: bool, numbers: &mut [f32]) {
        macro_rules! each {
            ($size:literal, $read:expr) => {
                for (number, raw) in numbers.iter_mut().zip(bytes.as_chunks::<$size>().0) {
                    let mut raw = *raw;
                    if big_endian {
                        raw.reverse();
                    }
                    *number = $read(raw);
                }
            };
        }
        match self {
            Self::F16 => each!(2, |raw| from_half(u16::from_le_bytes(raw))),
            Self::F32 => each!(4, f32::from_le_bytes),
            Self::F64 => each!(8, |raw| f64::from_le_bytes(raw) as f32),
        }
    }
}

/// A half of IEEE 754 as a single, which holds each of them exactly.
fn from_half(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let exponent = u32::from(half >> 10) & 0x1f;
    let fraction = u32::from(half) & 0x3ff;
    match exponent {
        // Subnormal: a multiple of 2^-24.
        0 => f32::from_bits(sign | (fraction as f32 / 16_777_216.0).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | (fraction << 13)),
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (fraction << 13)),
    }
}

/// Reads a header from the first bytes of a file.
///
/// # Errors
/// For what is no `.npy` file, and for numbers that are not floating point.
pub fn npy_head(bytes: &[u8]) -> Result<NpyHead, NpyError> {
    let magic = bytes.get(..bytes.len().min(MAGIC.len())).unwrap_or_default();
    if !MAGIC.starts_with(magic) {
        return refuse("it does not start as a .npy file does");
    }
    let Some([major, _minor, low, high]) = bytes.get(6..10) else { return Ok(NpyHead::Needs(10)) };
    let (from, length) = match major {
        1 => (10, usize::from(u16::from_le_bytes([*low, *high]))),
        2 | 3 => {
            let Some([upper, top]) = bytes.get(10..12) else { return Ok(NpyHead::Needs(12)) };
            let length = u32::from_le_bytes([*low, *high, *upper, *top]);
            (12, usize::try_from(length).unwrap_or(usize::MAX))
        }
        _ => return refuse(format!("version {major} of the format is not known")),
    };
    if length > LONGEST_HEADER {
        return refuse(format!(
            "its header claims {length} bytes, and {LONGEST_HEADER} are the most that are read"
        ));
    }
    let start = from + length;
    let Some(header) = bytes.get(from..start) else { return Ok(NpyHead::Needs(start)) };
    let Ok(text) = std::str::from_utf8(header) else {
        return refuse("its header is not text");
    };
    let mut literal = Literal { rest: text };
    let header = literal.header(start)?;
    literal.skip();
    if literal.rest.is_empty() { Ok(NpyHead::Complete(header)) } else { malformed() }
}

fn malformed<T>() -> Result<T, NpyError> {
    refuse("its header is not a dictionary of descr, fortran_order and shape")
}

/// The few forms of Python's literals that a header has.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), NpyError> {
        if self.take(token) { Ok(()) } else { malformed() }
    }

    fn text(&mut self) -> Result<&'a str, NpyError> {
        self.skip();
        let quote = match self.rest.chars().next() {
            Some(quote @ ('\'' | '"')) => quote,
            _ => return malformed(),
        };
        let inner = self.rest.get(1..).unwrap_or_default();
        let Some((text, rest)) = inner.split_once(quote) else { return malformed() };
        self.rest = rest;
        Ok(text)
    }

    fn number(&mut self) -> Result<u64, NpyError> {
        self.skip();
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(digits);
        // Python 2 wrote long numbers with an L behind them.
        self.rest = rest.strip_prefix('L').unwrap_or(rest);
        match number.parse() {
            Ok(number) => Ok(number),
            Err(_) if digits > 0 => refuse(format!("its shape has a dimension of {number}")),
            Err(_) => malformed(),
        }
    }

    fn shape(&mut self) -> Result<Vec<u64>, NpyError> {
        self.expect("(")?;
        let mut shape = Vec::new();
        while !self.take(")") {
            if shape.len() == MOST_DIMENSIONS {
                return refuse(format!("it has more than {MOST_DIMENSIONS} dimensions"));
            }
            shape.push(self.number()?);
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }

    fn header(&mut self, start: usize) -> Result<NpyHeader, NpyError> {
        let (mut descr, mut order, mut shape) = (None, None, None);
        self.expect("{")?;
        while !self.take("}") {
            let key = self.text()?;
            self.expect(":")?;
            let first = match key {
                "descr" => {
                    self.skip();
                    if self.rest.starts_with('[') {
                        return refuse("it holds records, and not numbers of one kind");
                    }
                    descr.replace(self.text()?).is_none()
                }
                "fortran_order" => {
                    let fortran = self.take("True");
                    if !fortran {
                        self.expect("False")?;
                    }
                    order.replace(fortran).is_none()
                }
                "shape" => shape.replace(self.shape()?).is_none(),
                _ => false,
            };
            if !first {
                return malformed();
            }
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        let (Some(descr), Some(fortran_order), Some(shape)) = (descr, order, shape) else {
            return malformed();
        };
        let (big_endian, kind) = match descr.as_bytes() {
            [b'<', kind @ ..] => (false, kind),
            [b'>', kind @ ..] => (true, kind),
            kind => (false, kind),
        };
        let element = match kind {
            b"f2" => NpyElement::F16,
            b"f4" => NpyElement::F32,
            b"f8" => NpyElement::F64,
            _ => {
                let shown: String = descr.chars().take(32).flat_map(char::escape_debug).collect();
                return refuse(format!("its numbers are of type '{shown}', and not f2, f4 or f8"));
            }
        };
        Ok(NpyHeader { start, element, big_endian, fortran_order, shape })
    }
}

/// The header of a matrix of little-endian `f32`, row after row.
#[must_use]
pub fn npy_header_of(rows: u64, columns: u64) -> Vec<u8> {
    let said =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // The magic string, two bytes of version, two of length, and a line feed at the end.
    let length = (MAGIC.len() + 4 + said.len() + 1).next_multiple_of(ALIGNMENT);
    let header = length - MAGIC.len() - 4;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[1, 0, header as u8, (header >> 8) as u8]);
    bytes.extend_from_slice(said.as_bytes());
    bytes.resize(length - 1, b' ');
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, header: &str) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&[version, 0]);
        let length = header.len() as u32;
        let width = if version == 1 { 2 } else { 4 };
        bytes.extend_from_slice(&length.to_le_bytes()[..width]);
        bytes.extend_from_slice(header.as_bytes());
        bytes
    }

    fn parsed(header: &str) -> Result<NpyHeader, NpyError> {
        match npy_head(&file(1, header))? {
            NpyHead::Complete(header) => Ok(header),
            NpyHead::Needs(more) => panic!("needs {more}"),
        }
    }

    #[test]
    fn headers_of_every_version_are_read() {
        let said = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 768), }   \n";
        for version in 1..=3 {
            let NpyHead::Complete(header) = npy_head(&file(version, said)).unwrap() else {
                panic!("incomplete");
            };
            assert_eq!(header.shape, [3, 768]);
            assert_eq!(header.start, said.len() + if version == 1 { 10 } else { 12 });
            assert_eq!((header.big_endian, header.fortran_order), (false, false));
            assert_eq!(header.element, NpyElement::F32);
        }
        assert!(npy_head(&file(4, said)).is_err());
    }

    #[test]
    fn other_orders_and_writers_are_read() {
        let header = parsed("{\"shape\":(3L,),'fortran_order':True,'descr':'>f8'}\n").unwrap();
        assert_eq!(header.shape, [3]);
        assert!(header.big_endian && header.fortran_order);
        assert_eq!(header.element, NpyElement::F64);
        assert_eq!(parsed("{'descr':'f2','fortran_order':False,'shape':()}").unwrap().shape, []);
    }

    #[test]
    fn what_is_written_is_read() {
        for (rows, columns) in [(0, 1), (1, 1), (100_000, 768), (u64::MAX, u64::MAX)] {
            let bytes = npy_header_of(rows, columns);
            assert_eq!(bytes.len() % ALIGNMENT, 0);
            let NpyHead::Complete(header) = npy_head(&bytes).unwrap() else { panic!("incomplete") };
            assert_eq!((header.start, header.shape), (bytes.len(), vec![rows, columns]));
        }
    }

    #[test]
    fn a_cut_header_says_what_it_needs() {
        let whole = npy_header_of(3, 4);
        for cut in 0..whole.len() {
            let NpyHead::Needs(needed) = npy_head(&whole[..cut]).unwrap() else {
                panic!("complete after {cut}");
            };
            assert!(needed > cut && needed <= whole.len());
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for header in [
            "",
            "{",
            "{}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), 'more': 1}",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)}",
            "{'descr': '<i4', 'fortran_order': False, 'shape': (3, 4)}",
            "{'descr': '|O', 'fortran_order': False, 'shape': (3, 4)}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3, 4)}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (3, 4)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, -4)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 4)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)} import os",
            "{'descr': '<f4, 'fortran_order': False, 'shape': (3, 4)}",
        ] {
            assert!(parsed(header).is_err(), "{header}");
        }
        assert!(npy_head(b"\x93NUMPX").is_err());
        assert!(npy_head(b"PAR1").is_err());
        let mut huge = MAGIC.to_vec();
        huge.extend_from_slice(&[2, 0, 0xff, 0xff, 0xff, 0xff]);
        assert!(npy_head(&huge).unwrap_err().0.contains("4294967295"));
    }

    #[test]
    fn every_half_is_exact() {
        for half in 0..=u16::MAX {
            let single = from_half(half);
            let (exponent, fraction) = (i32::from(half >> 10 & 0x1f), f64::from(half & 0x3ff));
            let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
            let expected = match exponent {
                31 if fraction == 0.0 => sign * f64::INFINITY,
                31 => f64::NAN,
                0 => sign * fraction * 2_f64.powi(-24),
                _ => sign * (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
            };
            if expected.is_nan() {
                assert!(single.is_nan());
            } else {
                assert_eq!(f64::from(single), expected, "{half:#x}");
                assert_eq!(single.is_sign_negative(), sign < 0.0);
            }
        }
    }

    #[test]
    fn numbers_of_every_kind_are_read() {
        let wanted = [1.5_f32, -0.25, 65504.0];
        let mut numbers = [0.0; 3];
        let halves: Vec<u8> =
            [0x3e00_u16, 0xb400, 0x7bff].iter().flat_map(|half| half.to_be_bytes()).collect();
        NpyElement::F16.decode(&halves, true, &mut numbers);
        assert_eq!(numbers, wanted);
        let doubles: Vec<u8> =
            wanted.iter().flat_map(|number| f64::from(*number).to_le_bytes()).collect();
        numbers.fill(0.0);
        NpyElement::F64.decode(&doubles, false, &mut numbers);
        assert_eq!(numbers, wanted);
        let singles: Vec<u8> = wanted.iter().flat_map(|number| number.to_be_bytes()).collect();
        numbers.fill(0.0);
        NpyElement::F32.decode(&singles, true, &mut numbers);
        assert_eq!(numbers, wanted);
    }
}
