//! JSON records of plain values, the short way: the columns that are wanted are filled while the
//! text is read, and the others are passed over.
//!
//! It reads what most writers write. At anything else, a nested value, an escape by its number, a
//! value of another type, it gives up on all of the piece, and the general decoder reads it.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::plain_columns::{PlainColumn, float, short_integer};

/// Parses records that follow each other, no more than `most` of them. `strict` allows no other
/// fields than those of the schema. Nothing, where the general decoder must look at it.
pub(crate) fn parse(
    text: &[u8],
    schema: &SchemaRef,
    strict: bool,
    most: usize,
) -> Option<Vec<RecordBatch>> {
    let room = |rows: usize| {
        let fields = schema.fields().iter();
        fields.map(|field| PlainColumn::new(field.data_type(), rows)).collect::<Option<Vec<_>>>()
    };
    // Before all else: nothing is gained where a column is none of these.
    room(0)?;
    let mut records = Records {
        text,
        at: 0,
        schema,
        strict,
        columns: room(most)?,
        expected: Vec::new(),
        scratch: Vec::new(),
    };
    let mut rows = 0;
    while records.record(rows)? {
        rows += 1;
        if rows > most {
            return None;
        }
    }
    if rows == 0 {
        return Some(Vec::new());
    }
    let arrays = records.columns.into_iter().map(PlainColumn::finish).collect();
    RecordBatch::try_new(SchemaRef::clone(schema), arrays).ok().map(|batch| vec![batch])
}

struct Records<'a> {
    text: &'a [u8],
    at: usize,
    schema: &'a SchemaRef,
    strict: bool,
    columns: Vec<PlainColumn>,
    /// The names of the record before, as they are written, and their columns: the next one most
    /// often has the same.
    expected: Vec<(&'a [u8], Option<usize>)>,
    scratch: Vec<u8>,
}

impl<'a> Records<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    fn white(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Reads a record, the one of this number; there is none at the end.
    fn record(&mut self, row: usize) -> Option<bool> {
        self.white();
        if self.at == self.text.len() {
            return Some(false);
        }
        self.take(b'{')?;
        self.white();
        if self.peek()? == b'}' {
            self.at += 1;
        } else {
            self.members(row)?;
        }
        for column in &mut self.columns {
            if column.len() == row {
                column.push_null();
            }
        }
        Some(true)
    }

    fn members(&mut self, row: usize) -> Option<()> {
        let mut place = 0;
        loop {
            let column = self.name(place)?;
            place += 1;
            self.white();
            self.take(b':')?;
            self.white();
            match column {
                None => self.pass()?,
                Some(column) => {
                    // Of a field that is there twice the last one counts.
                    if self.columns.get(column)?.len() != row {
                        return None;
                    }
                    self.value(column)?;
                }
            }
            self.white();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
            self.white();
        }
    }

    /// Reads a name, and says which column it has.
    #[inline]
    fn name(&mut self, place: usize) -> Option<Option<usize>> {
        let rest = self.text.get(self.at..)?;
        if let Some((name, column)) = self.expected.get(place)
            && rest.starts_with(name)
        {
            self.at += name.len();
            return Some(*column);
        }
        self.take(b'"')?;
        let (name, escapes) = self.string()?;
        if escapes {
            return None;
        }
        let name = std::str::from_utf8(name).ok()?;
        let column = self.schema.fields().iter().position(|field| field.name() == name);
        if self.strict && column.is_none() {
            return None;
        }
        let written = rest.get(..name.len() + 2)?;
        match self.expected.get_mut(place) {
            Some(expected) => *expected = (written, column),
            None => self.expected.push((written, column)),
        }
        Some(column)
    }

    /// Reads a string behind its first quote: what is in it as it is written, and whether it has
    /// escapes.
    #[inline]
    fn string(&mut self) -> Option<(&'a [u8], bool)> {
        let start = self.at;
        let mut escapes = false;
        loop {
            let found = memchr::memchr2(b'"', b'\\', self.text.get(self.at..)?)?;
            let place = self.at + found;
            if self.text.get(place) == Some(&b'"') {
                self.at = place + 1;
                return Some((self.text.get(start..place)?, escapes));
            }
            escapes = true;
            plain_escape(*self.text.get(place + 1)?)?;
            self.at = place + 2;
        }
    }

    /// Reads a number as JSON has them: what is written otherwise breaks off before its end.
    fn number(&mut self) -> Option<&'a [u8]> {
        let rest = self.text.get(self.at..)?;
        let digits = |at: usize| {
            let digits = rest.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (digits > 0).then_some(at + digits)
        };
        let start = usize::from(rest.first() == Some(&b'-'));
        let mut end = match rest.get(start)? {
            b'0' => start + 1,
            _ => digits(start)?,
        };
        if rest.get(end) == Some(&b'.') {
            end = digits(end + 1)?;
        }
        if matches!(rest.get(end), Some(b'e' | b'E')) {
            let sign = matches!(rest.get(end + 1), Some(b'-' | b'+'));
            end = digits(end + 1 + usize::from(sign))?;
        }
        self.at += end;
        rest.get(..end)
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    /// Passes over a value that nobody wants.
    #[inline]
    fn pass(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.string().map(drop)
            }
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => None,
        }
    }

    /// Puts a value into its column.
    #[inline]
    fn value(&mut self, column: usize) -> Option<()> {
        let first = self.peek()?;
        if first == b'n' {
            self.word(b"null")?;
            self.columns.get_mut(column)?.push_null();
            return Some(());
        }
        let (is_text, is_word) = (first == b'"', matches!(first, b't' | b'f'));
        let (written, escapes) = if is_text {
            self.at += 1;
            self.string()?
        } else if is_word {
            let word: &[u8] = if first == b't' { b"true" } else { b"false" };
            self.word(word)?;
            (word, false)
        } else if matches!(first, b'-' | b'0'..=b'9') {
            (self.number()?, false)
        } else {
            return None;
        };
        match self.columns.get_mut(column)? {
            PlainColumn::Text(column) => {
                let bytes = match escapes {
                    false => written,
                    true => unescaped(written, &mut self.scratch)?,
                };
                column.append_value(std::str::from_utf8(bytes).ok()?);
            }
            PlainColumn::Boolean(column) if is_word => column.append_value(first == b't'),
            PlainColumn::Int64(column) if !is_text && !is_word => {
                column.append_value(short_integer(written)?);
            }
            PlainColumn::Float64(column) if !is_text && !is_word => {
                column.append_value(float(written).filter(|value| value.is_finite())?);
            }
            _ => return None,
        }
        Some(())
    }
}

/// What stands for itself behind a backslash.
fn plain_escape(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' | b'/' => byte,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

fn unescaped<'a>(written: &[u8], scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    scratch.clear();
    let mut rest = written;
    while let Some(place) = memchr::memchr(b'\\', rest) {
        scratch.extend_from_slice(rest.get(..place)?);
        scratch.push(plain_escape(*rest.get(place + 1)?)?);
        rest = rest.get(place + 2..)?;
    }
    scratch.extend_from_slice(rest);
    Some(scratch)
}
