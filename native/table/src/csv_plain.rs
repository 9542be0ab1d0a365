//! CSV without quotes, which most pieces of most files are: where fields end is found 64 bytes at a
//! time, and of the columns that nobody wants nothing more is looked at.
//!
//! Whatever is not as simple as that is left to the general decoder, all of the piece.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::plain_columns::{PlainColumn, float, integer};

/// How the fields are told from each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainMarks {
    /// What stands between two fields.
    pub(crate) delimiter: u8,
    /// What must not be there.
    pub(crate) quote: Option<u8>,
}

/// Where the fields of a text end.
pub(crate) struct PlainText<'a> {
    text: &'a [u8],
    delimiter: u8,
    /// Of the delimiters and line ends, in order; a last line without an end has one all the same.
    ends: Vec<u32>,
    returns: bool,
}

impl<'a> PlainText<'a> {
    /// Nothing, where the text is not as simple as that.
    pub(crate) fn new(text: &'a [u8], marks: PlainMarks) -> Option<Self> {
        let PlainMarks { delimiter, quote } = marks;
        let length = u32::try_from(text.len()).ok()?;
        // A mark at the beginning is left out by the general decoder.
        let simple = !matches!(delimiter, b'\n' | b'\r') && !text.starts_with(b"\xef\xbb\xbf");
        if !simple || quote.is_some_and(|quote| memchr::memchr(quote, text).is_some()) {
            return None;
        }
        let mut ends = Vec::with_capacity(text.len() / 6);
        let (blocks, rest) = text.as_chunks::<64>();
        let mut base = 0_u32;
        for block in blocks {
            let mut found = hits(block, delimiter);
            while found != 0 {
                ends.push(base + found.trailing_zeros());
                found &= found - 1;
            }
            base += 64;
        }
        for (place, byte) in (base..length).zip(rest) {
            if *byte == delimiter || *byte == b'\n' {
                ends.push(place);
            }
        }
        if text.last().is_some_and(|last| *last != b'\n') {
            ends.push(length);
        }
        let returns = memchr::memchr(b'\r', text).is_some();
        Some(Self { text, delimiter, ends, returns })
    }

    /// Shows each record of `columns` fields; nothing, where one has more or fewer, or `look` gives
    /// up.
    pub(crate) fn each(
        &self,
        columns: usize,
        mut look: impl FnMut(&Record<'_>) -> Option<()>,
    ) -> Option<()> {
        let last = columns.checked_sub(1)?;
        let (mut ends, mut start) = (self.ends.as_slice(), 0);
        let mut returns = 0;
        while let Some(first) = ends.first() {
            let mut end = *first as usize;
            let line = self.text.get(start..end)?;
            if self.ends_line(end) && matches!(line, [] | [b'\r']) {
                // An empty line is no record.
                returns += line.len();
                ends = ends.get(1..)?;
                start = end + 1;
                continue;
            }
            let (own, behind) = ends.split_at_checked(columns)?;
            let (line, within) = own.split_last()?;
            if within.iter().any(|end| self.text.get(*end as usize) != Some(&self.delimiter)) {
                return None;
            }
            end = *line as usize;
            if !self.ends_line(end) {
                return None;
            }
            let mut told = end;
            if self.returns && end > start && self.text.get(end - 1) == Some(&b'\r') {
                told -= 1;
                returns += 1;
            }
            look(&Record { text: self.text, start, ends: own, last, end: told })?;
            ends = behind;
            start = end + 1;
        }
        // A carriage return elsewhere ends a record, too.
        let all = if self.returns { memchr::memchr_iter(b'\r', self.text).count() } else { 0 };
        (all == returns).then_some(())
    }

    fn ends_line(&self, end: usize) -> bool {
        self.text.get(end).is_none_or(|byte| *byte == b'\n')
    }
}

/// Which of 64 bytes are a delimiter or a line end: a bit for each, the first is the lowest.
fn hits(block: &[u8; 64], delimiter: u8) -> u64 {
    let mut marked = [0_u8; 64];
    for (mark, byte) in marked.iter_mut().zip(block) {
        *mark = u8::from(*byte == delimiter) | u8::from(*byte == b'\n');
    }
    let (words, _) = marked.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| {
        // Each byte is 0 or 1: the product gathers them in its highest byte.
        bits << 8 | u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

/// The fields of a record.
pub(crate) struct Record<'a> {
    text: &'a [u8],
    start: usize,
    ends: &'a [u32],
    last: usize,
    end: usize,
}

impl Record<'_> {
    /// A field by its column.
    #[inline]
    pub(crate) fn field(&self, column: usize) -> Option<&[u8]> {
        let start = match column.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize + 1,
            None => self.start,
        };
        let end = if column == self.last { self.end } else { *self.ends.get(column)? as usize };
        self.text.get(start..end)
    }
}

/// Parses a text of these columns; of `told`, those at `places` of the file. Nothing, where the
/// general decoder must look at it.
pub(crate) fn parse(
    text: &[u8],
    marks: PlainMarks,
    columns: usize,
    places: &[usize],
    told: &SchemaRef,
) -> Option<Vec<RecordBatch>> {
    // Before all else: nothing is gained where a column is none of these.
    let fields = || places.iter().zip(told.fields());
    if fields().any(|(_, field)| PlainColumn::new(field.data_type(), 0).is_none()) {
        return None;
    }
    let plain = PlainText::new(text, marks)?;
    let rows = plain.ends.len() / columns.max(1) + 1;
    let mut filled = fields()
        .map(|(place, field)| Some((*place, PlainColumn::new(field.data_type(), rows)?)))
        .collect::<Option<Vec<_>>>()?;
    let mut count = 0;
    plain.each(columns, |record| {
        count += 1;
        filled.iter_mut().try_for_each(|(place, column)| fill(column, record.field(*place)?))
    })?;
    if count == 0 {
        return Some(Vec::new());
    }
    let arrays = filled.into_iter().map(|(_, column)| column.finish()).collect();
    RecordBatch::try_new(SchemaRef::clone(told), arrays).ok().map(|batch| vec![batch])
}

#[inline]
fn fill(column: &mut PlainColumn, field: &[u8]) -> Option<()> {
    if field.is_empty() {
        column.push_null();
        return Some(());
    }
    match column {
        PlainColumn::Int64(column) => column.append_value(integer(field)?),
        PlainColumn::Float64(column) => column.append_value(float(field)?),
        PlainColumn::Boolean(column) => column.append_value(match field {
            field if field.eq_ignore_ascii_case(b"true") => true,
            field if field.eq_ignore_ascii_case(b"false") => false,
            _ => return None,
        }),
        PlainColumn::Text(column) => column.append_value(std::str::from_utf8(field).ok()?),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_where_they_are() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..2_000 {
            let block: [u8; 64] = std::array::from_fn(|_| b",\nab"[random.usize(0..4)]);
            let plainly = block
                .iter()
                .enumerate()
                .filter(|(_, byte)| matches!(byte, b',' | b'\n'))
                .fold(0_u64, |bits, (place, _)| bits | 1 << place);
            assert_eq!(hits(&block, b','), plainly);
        }
    }
}
