//! JSON records the short way: the columns that are wanted are filled while the text is read, and
//! the others are passed over. Columns may be nested.
//!
//! It reads what most writers write, and nothing that is not JSON. At anything else, a value of
//! another type, a name that comes twice, it gives up on all of the piece, and the general decoder
//! reads it.

use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_array::{ArrayRef, ListArray, RecordBatch, StructArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_cast::parse::Parser;
use arrow_schema::{DataType, FieldRef, Fields, SchemaRef};

use crate::plain_columns::{POWERS, PlainColumn};

/// What is nested deeper, and wanted by nobody, is left to the general decoder.
const DEEPEST: u32 = 64;

/// Parses records that follow each other, no more than `most` of them. `strict` allows no other
/// fields than those of the schema. Nothing, where the general decoder must look at it.
pub(crate) fn parse(
    text: &[u8],
    schema: &SchemaRef,
    strict: bool,
    most: usize,
) -> Option<Vec<RecordBatch>> {
    // Before all else: nothing is gained where a column is none of these.
    Objects::new(schema.fields(), 0)?;
    // Most often each has a line.
    let lines = memchr::memchr_iter(b'\n', text).count() + 1;
    let mut records = Objects::new(schema.fields(), lines.min(most))?;
    let text = std::str::from_utf8(text).ok()?;
    let mut reader = Reader { text, at: 0, strict, scratch: String::new() };
    loop {
        reader.white();
        if reader.at == text.len() {
            break;
        }
        if records.rows == most {
            return None;
        }
        reader.take(b'{')?;
        reader.object(&mut records)?;
    }
    if records.rows == 0 {
        return Some(Vec::new());
    }
    let arrays = records.columns.into_iter().map(Column::finish).collect::<Option<_>>()?;
    RecordBatch::try_new(SchemaRef::clone(schema), arrays).ok().map(|batch| vec![batch])
}

/// A column that is being filled.
enum Column<'a> {
    Plain(PlainColumn),
    List(Box<Lists<'a>>),
    Object(Box<Objects<'a>>),
}

/// Lists that are being filled.
struct Lists<'a> {
    field: &'a FieldRef,
    item: Column<'a>,
    ends: Vec<i32>,
    valid: NullBufferBuilder,
}

/// Objects that are being filled, or records.
struct Objects<'a> {
    fields: &'a Fields,
    columns: Vec<Column<'a>>,
    rows: usize,
    valid: NullBufferBuilder,
    /// The names of the object before, as they are written, and their columns: the next one most
    /// often has the same.
    expected: Vec<(&'a [u8], Option<usize>)>,
}

impl<'a> Column<'a> {
    /// An empty column with room for `rows`; nothing for other types.
    fn new(kind: &'a DataType, rows: usize) -> Option<Self> {
        Some(match kind {
            DataType::List(field) => Self::List(Box::new(Lists {
                field,
                item: Self::new(field.data_type(), 0)?,
                ends: vec![0],
                valid: NullBufferBuilder::new(rows),
            })),
            DataType::Struct(fields) => Self::Object(Box::new(Objects::new(fields, rows)?)),
            kind => Self::Plain(PlainColumn::new(kind, rows)?),
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::Plain(column) => column.len(),
            Self::List(lists) => lists.valid.len(),
            Self::Object(objects) => objects.rows,
        }
    }

    fn push_null(&mut self) -> Option<()> {
        match self {
            Self::Plain(column) => column.push_null(),
            Self::List(lists) => {
                lists.ends.push(*lists.ends.last()?);
                lists.valid.append_null();
            }
            Self::Object(objects) => {
                objects.columns.iter_mut().try_for_each(Self::push_null)?;
                objects.rows += 1;
                objects.valid.append_null();
            }
        }
        Some(())
    }

    fn finish(self) -> Option<ArrayRef> {
        Some(match self {
            Self::Plain(column) => column.finish(),
            Self::List(mut lists) => {
                let (field, ends) = (Arc::clone(lists.field), ScalarBuffer::from(lists.ends));
                let (items, nulls) = (lists.item.finish()?, lists.valid.finish());
                Arc::new(ListArray::try_new(field, OffsetBuffer::new(ends), items, nulls).ok()?)
            }
            Self::Object(mut objects) => {
                let columns = objects.columns.into_iter().map(Self::finish);
                let (columns, nulls) = (columns.collect::<Option<_>>()?, objects.valid.finish());
                let (fields, rows) = (objects.fields.clone(), objects.rows);
                Arc::new(StructArray::try_new_with_length(fields, columns, nulls, rows).ok()?)
            }
        })
    }
}

impl<'a> Objects<'a> {
    fn new(fields: &'a Fields, rows: usize) -> Option<Self> {
        let columns = fields.iter().map(|field| Column::new(field.data_type(), rows));
        let (columns, valid) = (columns.collect::<Option<_>>()?, NullBufferBuilder::new(rows));
        Some(Self { fields, columns, rows: 0, valid, expected: Vec::new() })
    }

    /// The column of a name. Most often it is one of the next.
    fn column(&self, name: &str, near: usize) -> Option<usize> {
        let is = |place: &usize| self.fields.get(*place).is_some_and(|field| field.name() == name);
        (near..self.fields.len()).find(is).or_else(|| (0..near).find(is))
    }
}

/// A number of few digits.
struct Short {
    /// Without its point.
    value: u64,
    /// How many digits are behind its point.
    behind: usize,
    negative: bool,
    length: usize,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    strict: bool,
    scratch: String,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn white(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    #[inline]
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Passes over what stands behind a member: true at a comma, false at the end.
    #[inline]
    fn goes_on(&mut self, end: u8) -> Option<bool> {
        self.white();
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b',' => {
                self.white();
                Some(true)
            }
            byte => (byte == end).then_some(false),
        }
    }

    /// Whether it ends at once.
    #[inline]
    fn ends(&mut self, end: u8) -> bool {
        self.white();
        self.take(end).is_some()
    }

    /// Reads an object behind its bracket.
    fn object(&mut self, objects: &mut Objects<'a>) -> Option<()> {
        let row = objects.rows;
        let (mut place, mut filled, mut more) = (0, 0, !self.ends(b'}'));
        while more {
            let column = self.name(objects, place)?;
            place += 1;
            self.white();
            self.take(b':')?;
            self.white();
            match column {
                None => self.pass(0)?,
                Some(column) => {
                    let column = objects.columns.get_mut(column)?;
                    // Of a field that is there twice the last one counts.
                    if column.len() != row {
                        return None;
                    }
                    self.value(column)?;
                    filled += 1;
                }
            }
            more = self.goes_on(b'}')?;
        }
        if filled < objects.columns.len() {
            let missing = objects.columns.iter_mut().filter(|column| column.len() == row);
            missing.into_iter().try_for_each(Column::push_null)?;
        }
        objects.rows += 1;
        objects.valid.append_non_null();
        Some(())
    }

    /// Reads a name, and says which column it has.
    #[inline]
    fn name(&mut self, objects: &mut Objects<'a>, place: usize) -> Option<Option<usize>> {
        let rest = self.rest();
        if let Some((name, column)) = objects.expected.get(place)
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
        let near = place.checked_sub(1).and_then(|before| objects.expected.get(before)?.1);
        let column = objects.column(name, near.map_or(0, |near| near + 1));
        if self.strict && column.is_none() {
            return None;
        }
        let written = rest.get(..name.len() + 2)?;
        match objects.expected.get_mut(place) {
            Some(expected) => *expected = (written, column),
            None => objects.expected.push((written, column)),
        }
        Some(column)
    }

    /// Reads a string behind its first quote: what is in it as it is written, and whether it has
    /// escapes.
    #[inline]
    fn string(&mut self) -> Option<(&'a str, bool)> {
        let start = self.at;
        let mut escapes = false;
        loop {
            self.at += plain_bytes(self.rest());
            match self.peek()? {
                b'"' => break,
                b'\\' => escapes = true,
                // A control character.
                _ => return None,
            }
            self.at += escape(self.rest())?.1;
        }
        self.at += 1;
        Some((self.text.get(start..self.at - 1)?, escapes))
    }

    /// Reads a number as JSON has them: what is written otherwise breaks off before its end.
    fn number(&mut self) -> Option<&'a str> {
        let rest = self.rest();
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
        let written = self.text.get(self.at..self.at + end)?;
        self.at += end;
        Some(written)
    }

    /// Reads a number that readers of JSON take: `1e400` is none.
    fn finite_number(&mut self) -> Option<&'a str> {
        let written = self.number()?;
        let digits = f64::MAX_10_EXP.cast_unsigned() as usize;
        let small = written.len() <= digits && !written.contains(['e', 'E']);
        (small || Float64Type::parse(written)?.is_finite()).then_some(written)
    }

    /// Looks at a number of few digits.
    #[inline]
    fn short_number(&self) -> Option<Short> {
        let rest = self.rest();
        let negative = rest.first() == Some(&b'-');
        let digits = rest.get(usize::from(negative)..)?;
        let (mut value, mut point, mut end) = (0_u64, None, 0);
        loop {
            let byte = *digits.get(end)?;
            let digit = byte.wrapping_sub(b'0');
            if digit <= 9 {
                value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            } else if byte == b'.' && point.is_none() {
                point = Some(end);
            } else if matches!(byte, b'.' | b'e' | b'E') {
                return None;
            } else {
                break;
            }
            end += 1;
        }
        let whole = point.unwrap_or(end);
        let behind = point.map_or(0, |point| end - point - 1);
        let zeros = whole > 1 && digits.first() == Some(&b'0');
        if whole == 0 || zeros || (point.is_some() && behind == 0) || end > 18 {
            return None;
        }
        Some(Short { value, behind, negative, length: usize::from(negative) + end })
    }

    fn integer(&mut self) -> Option<i64> {
        let Some(Short { value, behind, negative, length }) = self.short_number() else {
            return Int64Type::parse(self.number()?);
        };
        self.at += length;
        let value = value.cast_signed();
        (behind == 0).then_some(if negative { -value } else { value })
    }

    fn float(&mut self) -> Option<f64> {
        // Both numbers are exact, so that what comes of them is rounded once.
        if let Some(Short { value, behind, negative, length }) = self.short_number()
            && value < 1 << 53
            && let Some(power) = POWERS.get(behind)
        {
            self.at += length;
            let value = value as f64 / power;
            return Some(if negative { -value } else { value });
        }
        Float64Type::parse(self.number()?).filter(|value| value.is_finite())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.rest().starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    /// Passes over a value that nobody wants.
    fn pass(&mut self, depth: u32) -> Option<()> {
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.string().map(drop)
            }
            b'-' | b'0'..=b'9' => self.finite_number().map(drop),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            open @ (b'{' | b'[') if depth < DEEPEST => {
                self.at += 1;
                let end = open + 2;
                let mut more = !self.ends(end);
                while more {
                    if open == b'{' {
                        self.take(b'"')?;
                        self.string()?;
                        self.white();
                        self.take(b':')?;
                        self.white();
                    }
                    self.pass(depth + 1)?;
                    more = self.goes_on(end)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// Puts a value into its column.
    #[inline]
    fn value(&mut self, column: &mut Column<'a>) -> Option<()> {
        let first = self.peek()?;
        if first == b'n' {
            self.word("null")?;
            return column.push_null();
        }
        match column {
            Column::Plain(PlainColumn::Text(column)) => {
                let (written, escapes) = match first {
                    b'"' => {
                        self.at += 1;
                        self.string()?
                    }
                    // As it is written.
                    b'-' | b'0'..=b'9' => (self.finite_number()?, false),
                    _ => {
                        let word = if first == b't' { "true" } else { "false" };
                        self.word(word)?;
                        (word, false)
                    }
                };
                column.append_value(match escapes {
                    false => written,
                    true => unescaped(written, &mut self.scratch)?,
                });
            }
            Column::Plain(PlainColumn::Boolean(column)) => {
                let is = first == b't';
                self.word(if is { "true" } else { "false" })?;
                column.append_value(is);
            }
            Column::Plain(PlainColumn::Int64(column)) => column.append_value(self.integer()?),
            Column::Plain(PlainColumn::UInt64(column)) => {
                column.append_value(UInt64Type::parse(self.number()?)?);
            }
            Column::Plain(PlainColumn::Float64(column)) => column.append_value(self.float()?),
            Column::List(lists) => {
                self.take(b'[')?;
                let mut more = !self.ends(b']');
                while more {
                    self.value(&mut lists.item)?;
                    more = self.goes_on(b']')?;
                }
                lists.ends.push(i32::try_from(lists.item.len()).ok()?);
                lists.valid.append_non_null();
            }
            Column::Object(objects) => {
                self.take(b'{')?;
                self.object(objects)?;
            }
        }
        Some(())
    }
}

/// How many bytes there are before a quote, a backslash or a control character.
#[inline]
fn plain_bytes(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let (quote, escape) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
        // The lowest bit is that of a hit; those above it may be wrong.
        let hits = (word.wrapping_sub(ONES * 0x20) & !word)
            | (quote.wrapping_sub(ONES) & !quote)
            | (escape.wrapping_sub(ONES) & !escape);
        if hits & HIGH != 0 {
            return at * 8 + (hits & HIGH).trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    words.len() * 8 + rest.iter().take_while(is_plain).count()
}

/// What an escape stands for, and how many bytes it has.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let short = match text.get(1)? {
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let first = unit(text)?;
            if let Some(character) = char::from_u32(first) {
                return Some((character, 6));
            }
            let behind = text.get(6..).filter(|rest| rest.starts_with(b"\\u"))?;
            let low = unit(behind)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            let high = first.checked_sub(0xd800).filter(|high| *high < 0x400)?;
            return Some((char::from_u32(0x1_0000 + (high << 10) + low)?, 12));
        }
        _ => return None,
    };
    Some((short, 2))
}

/// The unit of UTF-16 behind a backslash and a letter.
fn unit(text: &[u8]) -> Option<u32> {
    text.get(2..6)?
        .iter()
        .try_fold(0, |unit, byte| Some(unit << 4 | char::from(*byte).to_digit(16)?))
}

fn unescaped<'a>(written: &str, scratch: &'a mut String) -> Option<&'a str> {
    scratch.clear();
    let mut rest = written;
    while let Some(place) = memchr::memchr(b'\\', rest.as_bytes()) {
        scratch.push_str(rest.get(..place)?);
        let (character, length) = escape(rest.as_bytes().get(place..)?)?;
        scratch.push(character);
        rest = rest.get(place + length..)?;
    }
    scratch.push_str(rest);
    Some(scratch)
}
