//! The front of a `.npy` file: a Python dictionary behind a magic string, as NumPy's NEP 1 has it
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>). Nothing that it
//! claims is believed here: whoever reads the elements compares it with how many there are.

use dipper_core::{Error, Status};

use super::dtype::Dtype;
use crate::error::damaged;

/// What a file begins with.
pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// A dictionary that is longer than this is refused: one of plain elements has some hundred bytes.
const LONGEST: u64 = 64 << 10;
/// More dimensions than NumPy has.
const MOST_DIMENSIONS: usize = 64;

/// What an array is made of, and how it lies in its file.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) dtype: Dtype,
    /// The first index changes fastest.
    pub(crate) fortran: bool,
    pub(crate) shape: Vec<u64>,
    /// Where the elements begin.
    pub(crate) start: u64,
}

/// A header, or how many bytes of the file are needed to read it.
#[derive(Debug)]
pub(crate) enum Head {
    Read(Header),
    Needs(u64),
}

/// Reads the front of a file. `shown` names the array in errors.
///
/// # Errors
/// `DamagedData` for what is none, `Unsupported` for elements that are no columns.
pub(crate) fn head(bytes: &[u8], shown: &str) -> Result<Head, Error> {
    let odd = |what: &str| damaged("NumPy", format!("{shown} {what}"));
    let known = bytes.len().min(MAGIC.len());
    if bytes.get(..known) != MAGIC.get(..known) {
        return Err(odd("does not begin as an array does"));
    }
    let Some(front) = bytes.first_chunk::<12>() else { return Ok(Head::Needs(12)) };
    let [.., version, _, a, b, c, d] = *front;
    let (from, length) = match version {
        1 => (10, u64::from(u16::from_le_bytes([a, b]))),
        2 | 3 => (12, u64::from(u32::from_le_bytes([a, b, c, d]))),
        other => {
            return Err(odd(&format!("has version {other} of its format, which nobody knows")));
        }
    };
    if length > LONGEST {
        return Err(odd(&format!("claims a header of {length} bytes")));
    }
    let start = from as u64 + length;
    let Some(text) = usize::try_from(start).ok().and_then(|end| bytes.get(from..end)) else {
        return Ok(Head::Needs(start));
    };
    let text = std::str::from_utf8(text).map_err(|_| odd("has a header that is no text"))?;
    let told = Dictionary::read(text).ok_or_else(|| {
        odd("has a header that is no dictionary of descr, fortran_order and shape")
    })?;
    if told.shape.len() > MOST_DIMENSIONS {
        return Err(odd("has more dimensions than arrays can have"));
    }
    let dtype = match told.descr {
        Descr::Plain(descr) => Dtype::named(descr)
            .ok_or_else(|| no_column(shown, &format!("elements of type '{}'", short(descr)))),
        Descr::Records(names) => {
            Err(no_column(shown, &format!("records ({})", short(&names.join(", ")))))
        }
    }?;
    Ok(Head::Read(Header { dtype, fortran: told.fortran, shape: told.shape, start }))
}

fn no_column(shown: &str, what: &str) -> Error {
    Error::new(Status::Unsupported, format!("{shown} holds {what}, which no column has"))
        .hint("leave it out with { columns }, read its bytes(), or save its parts by themselves")
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

enum Descr<'a> {
    Plain(&'a str),
    /// The names of its fields.
    Records(Vec<&'a str>),
}

struct Dictionary<'a> {
    descr: Descr<'a>,
    fortran: bool,
    shape: Vec<u64>,
}

impl<'a> Dictionary<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut scan = Scan(text);
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        scan.token("{")?;
        while scan.token("}").is_none() {
            let key = scan.string()?;
            scan.token(":")?;
            match key {
                "descr" => descr = Some(scan.descr()?),
                "fortran_order" => fortran = Some(scan.truth()?),
                "shape" => shape = Some(scan.shape()?),
                _ => return None,
            }
            if scan.token(",").is_none() {
                scan.token("}")?;
                break;
            }
        }
        let whole = scan.0.trim().is_empty();
        whole.then_some(Self { descr: descr?, fortran: fortran?, shape: shape? })
    }
}

/// What of a text was not read yet.
struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    fn token(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let (string, rest) = text.get(1..)?.split_once(quote)?;
        self.0 = rest;
        Some(string)
    }

    fn truth(&mut self) -> Option<bool> {
        match self.token("True") {
            Some(()) => Some(true),
            None => self.token("False").map(|()| false),
        }
    }

    fn shape(&mut self) -> Option<Vec<u64>> {
        self.token("(")?;
        let (inside, rest) = self.0.split_once(')')?;
        self.0 = rest;
        let lengths = inside.split(',').map(str::trim).filter(|length| !length.is_empty());
        // Python 2 wrote its long integers with an L.
        lengths.map(|length| length.trim_end_matches('L').parse().ok()).collect()
    }

    fn descr(&mut self) -> Option<Descr<'a>> {
        if self.token("[").is_none() {
            return self.string().map(Descr::Plain);
        }
        // Fields are tuples that begin with their name. They may lie within each other.
        let (mut names, mut depth) = (Vec::new(), 1);
        while depth > 0 {
            let text = self.0.trim_start();
            match text.chars().next()? {
                '\'' | '"' => {
                    self.string()?;
                    continue;
                }
                '[' => depth += 1,
                ']' => depth -= 1,
                _ => {}
            }
            let is_field = depth == 1 && text.starts_with('(');
            let mut rest = text.chars();
            rest.next();
            self.0 = rest.as_str();
            if is_field && let Some(name) = self.string() {
                names.push(name);
            }
        }
        Some(Descr::Records(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes
    }

    fn read(header: &str) -> Result<Header, Error> {
        match head(&file(header), "the array") {
            Ok(Head::Read(header)) => Ok(header),
            Ok(Head::Needs(bytes)) => panic!("it needs {bytes}"),
            Err(error) => Err(error),
        }
    }

    #[test]
    fn reads_what_numpy_writes() {
        let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }          \n";
        let header = read(text).unwrap();
        assert_eq!((header.fortran, &header.shape[..]), (false, &[3, 4][..]));
        assert_eq!(header.start, 10 + text.len() as u64);
        assert_eq!(header.dtype, Dtype::named("<f8").unwrap());
        let old = read("{'shape': (7L,), 'fortran_order': True, 'descr': '|b1'}").unwrap();
        assert_eq!((old.fortran, &old.shape[..]), (true, &[7][..]));
        assert!(
            read("{'descr': '<i2', 'fortran_order': False, 'shape': ()}").unwrap().shape.is_empty()
        );
    }

    #[test]
    fn asks_for_what_is_missing() {
        let whole = file("{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}");
        assert!(matches!(head(&whole[..4], "x"), Ok(Head::Needs(12))));
        let needs = whole.len() as u64;
        assert!(matches!(head(&whole[..30], "x"), Ok(Head::Needs(bytes)) if bytes == needs));
    }

    #[test]
    fn refuses_what_is_no_header_and_what_is_no_column() {
        for odd in [
            "   ",
            "{}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)}",
            "{'descr': '<f8', 'fortran_order': 1, 'shape': (3,)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)} and more",
            "{'descr': [('a', '<f8', 'fortran_order': False, 'shape': (3,)}",
        ] {
            assert_eq!(read(odd).unwrap_err().status, Status::DamagedData, "{odd}");
        }
        for (descr, shown) in [
            ("'<c16'", "<c16"),
            ("'|O'", "|O"),
            ("[('height', '<f4'), ('sub', [('x', '<i2')], (2,))]", "height, sub"),
        ] {
            let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (3,)}}");
            let error = read(&text).unwrap_err();
            assert_eq!(error.status, Status::Unsupported, "{descr}");
            assert!(error.message.contains(shown), "{error}");
        }
        let mut other = file("{}");
        other[6] = 9;
        assert!(head(&other, "x").is_err());
        assert!(head(b"PK\x03\x04 and more of it", "x").is_err());
    }
}
