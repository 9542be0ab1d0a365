//! CSV and TSV: the columns' types are those of all values in the first part of the file.
//!
//! Where a record ends depends on the quotes before it, so that is found out in order; the records
//! are parsed side by side.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_csv::ReaderBuilder;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use dipper_core::{Client, Error, Status};
use regex::Regex;

use crate::csv_empty::{self, Quotes};
use crate::csv_fields::{self, FIELDS, PlainMarks};
use crate::csv_plain;
use crate::dialect::Dialect;
use crate::error::{damaged, joined};
use crate::int64::{converted_to, schema_as_float64};
use crate::seen::{Seen, named_type, with_seconds};
use crate::selection::{limited, places, selected};
use crate::stream::{OpenRequest, Opened};
use crate::text::{Before, Ends, Piece, Text};

/// How the fields of a file are told from each other.
#[derive(Clone, Debug)]
struct Marks {
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    comment: Option<u8>,
}

impl Marks {
    /// A reader of records of any length.
    fn reader<'a>(&self, text: &'a [u8]) -> csv::Reader<&'a [u8]> {
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(self.delimiter).comment(self.comment);
        builder.quoting(self.quote.is_some()).quote(self.quote.unwrap_or(b'"'));
        if let Some(escape) = self.escape {
            builder.escape(Some(escape)).double_quote(false);
        }
        builder.from_reader(text)
    }

    /// Where an empty text has quotes.
    fn quotes(&self) -> Option<Quotes> {
        let Self { delimiter, quote, escape, comment } = *self;
        Some(Quotes { delimiter, quote: quote?, escape, comment })
    }

    /// Where nothing but quotes stands against the short way.
    fn plain(&self) -> Option<PlainMarks> {
        let Self { delimiter, quote, escape, comment } = *self;
        (escape.is_none() && comment.is_none()).then_some(PlainMarks { delimiter, quote })
    }
}

/// Follows the quotes. A quote counts where a field begins; within quotes two are one, or the
/// escape makes the next character an ordinary one.
struct RecordEnds {
    marks: Marks,
    /// How much of the text was looked at.
    at: usize,
    /// Whether that ends within quotes.
    quoted: bool,
    /// Where these quotes were opened.
    opened: usize,
    end: Option<usize>,
    /// Where what stands outside of quotes began.
    outside: usize,
    /// So many lines are left out: quotes in them are no quotes.
    skip: u64,
}

impl RecordEnds {
    fn new(marks: Marks, skip: u64) -> Self {
        Self { marks, at: 0, quoted: false, opened: 0, end: None, outside: 0, skip }
    }

    /// Passes over lines that are left out, and tells whether all of them were there.
    fn skipped(&mut self, text: &[u8]) -> bool {
        while self.skip > 0 {
            let fresh = text.get(self.at..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', fresh) else {
                self.at = text.len();
                return false;
            };
            self.at += end + 1;
            self.outside = self.at;
            self.skip -= 1;
        }
        true
    }

    /// Whether quotes are open where the text ends: its last byte may close them.
    fn is_open(&self, text: &[u8]) -> bool {
        let quote = self.marks.quote.unwrap_or(b'"');
        let last = text.get(self.at..).unwrap_or_default();
        self.quoted && !text.is_empty() && last != [quote]
    }

    /// Whether the quote at `place` opens a quoted field.
    fn opens(&self, text: &[u8], place: usize) -> bool {
        let Some(before) = place.checked_sub(1).and_then(|before| text.get(before)) else {
            return true;
        };
        if *before != self.marks.delimiter && !matches!(before, b'\n' | b'\r') {
            return false;
        }
        // Quotes in a comment are no quotes.
        let Some(comment) = self.marks.comment else { return true };
        let outside = text.get(self.outside..place).unwrap_or_default();
        match memchr::memrchr2(b'\n', b'\r', outside) {
            Some(line) => outside.get(line + 1) != Some(&comment),
            None => self.outside > 0 || outside.first() != Some(&comment),
        }
    }
}

impl Ends for RecordEnds {
    fn last(
        &mut self,
        text: &mut [u8],
        before: Before,
        ended: bool,
    ) -> Result<Option<usize>, Error> {
        let text: &[u8] = text;
        if !self.skipped(text) {
            return Ok(None);
        }
        let Some(quote) = self.marks.quote else {
            let fresh = text.get(self.at..).unwrap_or_default();
            if let Some(place) = memchr::memrchr(b'\n', fresh) {
                self.end = Some(self.at + place + 1);
            }
            self.at = text.len();
            return Ok(self.end);
        };
        let escape = self.marks.escape.unwrap_or(quote);
        while let Some(fresh) = text.get(self.at..).filter(|fresh| !fresh.is_empty()) {
            if self.quoted {
                let Some(place) = memchr::memchr2(quote, escape, fresh) else {
                    self.at = text.len();
                    break;
                };
                let place = self.at + place;
                // What stands behind it tells what it is.
                let Some(next) = text.get(place + 1) else {
                    self.at = place;
                    break;
                };
                let is_escape = text.get(place) == Some(&escape);
                if is_escape && (escape != quote || *next == quote) {
                    self.at = place + 2;
                } else {
                    self.quoted = false;
                    self.at = place + 1;
                    self.outside = self.at;
                }
            } else {
                let found = memchr::memchr(quote, fresh);
                let plain = fresh.get(..found.unwrap_or(fresh.len())).unwrap_or_default();
                if let Some(place) = memchr::memrchr(b'\n', plain) {
                    self.end = Some(self.at + place + 1);
                }
                let Some(place) = found else {
                    self.at = text.len();
                    break;
                };
                self.opened = self.at + place;
                self.quoted = self.opens(text, self.opened);
                self.at += place + 1;
            }
        }
        self.at = self.at.min(text.len());
        if ended && self.is_open(text) {
            let place = before.shown(text, self.opened);
            return Err(damaged("CSV", format!("the quotes that are opened {place}, never close"))
                .hint(
                    "it is cut short, or written in another way: tell how with { quote, escape, \
                     comment }; quote: \"\" is for none",
                ));
        }
        Ok(self.end)
    }

    fn taken(&mut self, bytes: usize) {
        self.at = self.at.saturating_sub(bytes);
        self.opened = self.opened.saturating_sub(bytes);
        self.outside = self.outside.saturating_sub(bytes);
        self.end = None;
    }
}

/// Opens a file.
pub(crate) async fn open(
    client: Option<&Arc<Client>>,
    request: OpenRequest,
    delimiter: u8,
) -> Result<Opened, Error> {
    let OpenRequest { source, dialect, columns, limit, int64_as_float64, only_schema, .. } =
        request;
    let marks = Marks {
        delimiter: dialect.delimiter.unwrap_or(delimiter),
        quote: dialect.quote.unwrap_or(Some(b'"')),
        escape: dialect.escape,
        comment: dialect.comment,
    };
    let ends = RecordEnds::new(marks.clone(), dialect.skip);
    let mut text = Text::open(client, source, &dialect, ends, "CSV").await?;
    let mut first = text.first(dialect.infer_bytes).await?;
    let names = names(&marks, &dialect, first.first_mut())?;
    let unseen = if only_schema { DataType::Null } else { DataType::Utf8 };
    let schema = schema(&marks, &dialect, names, &mut first, columns.as_deref(), &unseen).await?;
    let places = places(&schema, columns.as_deref())?;
    let told = selected(&schema, places.as_deref())?;
    let (stat, lines) = (text.lines.stat().clone(), Arc::clone(&text.lines));
    let metrics = Arc::new(move || lines.metrics());
    let total = limit.is_none().then_some(stat.size);
    let empty_is_null = dialect.null_values.iter().any(String::is_empty);
    let given = if int64_as_float64 { schema_as_float64(&told) } else { Arc::clone(&told) };
    let parser = Parser {
        schema,
        told,
        given: SchemaRef::clone(&given),
        quotes: marks.quotes().filter(|_| !empty_is_null),
        marks,
        places,
        nulls: nulls(&dialect)?,
    };
    let schema = SchemaRef::clone(&given);
    let batches = text.decoded(first, move |piece| converted_to(&given, parser.parse(piece)?));
    let batches = limited(batches, limit);
    Ok(Opened { schema, stat, rows: None, total, batches, metrics })
}

/// The names of the columns; what tells them is taken off the first piece.
fn names(
    marks: &Marks,
    dialect: &Dialect,
    first: Option<&mut Piece>,
) -> Result<Vec<String>, Error> {
    let Some(first) = first else { return Ok(dialect.names.clone().unwrap_or_default()) };
    let skipped: usize = (0..dialect.skip)
        .map_while({
            let mut rest = first.text.as_slice();
            move |_| {
                let line = memchr::memchr(b'\n', rest).map(|end| end + 1)?;
                rest = rest.get(line..)?;
                Some(line)
            }
        })
        .sum();
    let has_header = dialect.header.unwrap_or(true);
    let text = first.text.get(skipped..).unwrap_or_default();
    let mut reader = marks.reader(text);
    let mut record = csv::ByteRecord::new();
    reader.read_byte_record(&mut record).map_err(|error| damaged("CSV", error))?;
    let header = usize::try_from(reader.position().byte()).unwrap_or(0);
    let names = match &dialect.names {
        Some(names) if names.len() != record.len() && !record.is_empty() => {
            return Err(Error::invalid(format!(
                "columnNames has {} names, and the first line has {} fields",
                names.len(),
                record.len()
            )));
        }
        Some(names) => names.clone(),
        None if has_header => {
            record.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
        }
        None => vec![String::new(); record.len()],
    };
    let taken = skipped + if has_header { header } else { 0 };
    let taken = taken.min(first.text.len());
    let head = first.text.get(..taken).unwrap_or_default();
    first.line += memchr::memchr_iter(b'\n', head).count() as u64;
    first.text.drain(..taken);
    Ok(unique(names))
}

/// Names of which no two are the same; a column without one is called by its place.
fn unique(names: Vec<String>) -> Vec<String> {
    let mut taken: std::collections::HashSet<String> = names.iter().cloned().collect();
    let mut given = std::collections::HashSet::new();
    names
        .into_iter()
        .enumerate()
        .map(|(place, name)| {
            let base = if name.is_empty() { format!("column_{}", place + 1) } else { name.clone() };
            if base == name && given.insert(name.clone()) {
                return name;
            }
            let mut other = base.clone();
            let mut count = 2;
            while !taken.insert(other.clone()) {
                other = format!("{base}_{count}");
                count += 1;
            }
            given.insert(other.clone());
            other
        })
        .collect()
}

/// The schema: of the types that are told, and of the values in the first pieces. Of columns that
/// are not wanted it tells nothing but the names. Those without a value are `unseen`.
async fn schema(
    marks: &Marks,
    dialect: &Dialect,
    names: Vec<String>,
    first: &mut Vec<Piece>,
    wanted: Option<&[String]>,
    unseen: &DataType,
) -> Result<SchemaRef, Error> {
    let told = dialect
        .types
        .iter()
        .map(|(name, kind)| {
            let place = names.iter().position(|known| known == name);
            let place = place.ok_or_else(|| {
                Error::invalid(format!("types names a column {name:?}, which is not there"))
                    .hint(format!("the columns are {}", names.join(", ")))
            })?;
            Ok((place, named_type(kind)?))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let nulls = Arc::new(dialect.null_values.clone());
    let places: Arc<Vec<usize>> = Arc::new(
        (0..names.len())
            .filter(|place| {
                let is = |one: &String| names.get(*place) == Some(one);
                wanted.is_none_or(|wanted| wanted.iter().any(is))
            })
            .collect(),
    );
    let looks: Vec<_> = std::mem::take(first)
        .into_iter()
        .map(|piece| {
            let (marks, nulls, columns) = (marks.clone(), Arc::clone(&nulls), names.len());
            let places = Arc::clone(&places);
            tokio::task::spawn_blocking(move || {
                let seen = seen(&marks, &nulls, columns, &places, &piece.text);
                Ok((piece, seen))
            })
        })
        .collect();
    let mut all = vec![Seen::default(); names.len()];
    for look in looks {
        let (piece, seen) = joined("CSV", look.await)?;
        all.iter_mut().zip(seen).for_each(|(all, seen)| all.merge(seen));
        first.push(piece);
    }
    let mut fields: Vec<Field> = names
        .into_iter()
        .zip(all)
        .map(|(name, seen)| match seen.is_nothing() {
            true => Field::new(name, unseen.clone(), true),
            false => Field::new(name, seen.data_type(), true),
        })
        .collect();
    for (place, kind) in told {
        if let Some(field) = fields.get_mut(place) {
            field.set_data_type(kind);
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// What the values of a piece are, in the columns at `places`.
fn seen(
    marks: &Marks,
    nulls: &[String],
    columns: usize,
    places: &[usize],
    text: &[u8],
) -> Vec<Seen> {
    let look = |seen: &mut Seen, field: &[u8]| {
        let is_null = nulls.iter().any(|null| null.as_bytes() == field);
        if !field.is_empty() && !is_null {
            seen.look(field);
        }
    };
    let mut all = vec![Seen::default(); columns];
    let plain = marks.plain().and_then(|marks| {
        csv_fields::each(text, marks, columns, FIELDS, |records| {
            for place in places {
                let seen = all.get_mut(*place)?;
                records.fields(*place).for_each(|field| look(seen, field));
            }
            Some(())
        })
    });
    if plain.is_some() {
        return all;
    }
    let mut all = vec![Seen::default(); columns];
    let mut reader = marks.reader(text);
    let mut record = csv::ByteRecord::new();
    // What cannot be read is told by the parser.
    while matches!(reader.read_byte_record(&mut record), Ok(true)) {
        for place in places {
            if let (Some(seen), Some(field)) = (all.get_mut(*place), record.get(*place)) {
                look(seen, field);
            }
        }
    }
    all
}

/// What stands for nothing.
fn nulls(dialect: &Dialect) -> Result<Option<Regex>, Error> {
    // What is nothing at all is null anyway.
    let named = dialect.null_values.iter().filter(|null| !null.is_empty());
    let all: Vec<String> = named.map(|null| regex::escape(null)).collect();
    if all.is_empty() {
        return Ok(None);
    }
    Regex::new(&format!("^(?:|{})$", all.join("|")))
        .map(Some)
        .map_err(|error| Error::invalid(format!("nullValues cannot be used: {error}")))
}

/// Parses pieces.
struct Parser {
    schema: SchemaRef,
    /// The columns that are wanted.
    told: SchemaRef,
    /// They, as the caller wants them.
    given: SchemaRef,
    marks: Marks,
    places: Option<Vec<usize>>,
    nulls: Option<Regex>,
    /// Where what has quotes and nothing within is an empty text.
    quotes: Option<Quotes>,
}

impl Parser {
    fn parse(&self, piece: &Piece) -> Result<Vec<RecordBatch>, Error> {
        let columns = self.schema.fields().len();
        if columns == 0 {
            return Ok(Vec::new());
        }
        match self.parse_plainly(piece, columns) {
            Some(batches) => Ok(batches),
            None => self.parse_any(piece, columns),
        }
    }

    /// The short way, if it leads there.
    fn parse_plainly(&self, piece: &Piece, columns: usize) -> Option<Vec<RecordBatch>> {
        let marks = self.marks.plain().filter(|_| self.nulls.is_none())?;
        let all;
        let places = match &self.places {
            Some(places) => places,
            None => {
                all = (0..columns).collect::<Vec<usize>>();
                &all
            }
        };
        csv_plain::parse(
            &piece.text,
            marks,
            columns,
            piece.lines + 1,
            places,
            (&self.told, &self.given),
        )
    }

    fn parse_any(&self, piece: &Piece, columns: usize) -> Result<Vec<RecordBatch>, Error> {
        let decoded = self.decoded(piece, columns, &self.schema);
        let is_time = |field: &FieldRef| matches!(field.data_type(), DataType::Timestamp(..));
        if decoded.is_ok() || !self.told.fields().iter().any(is_time) {
            return decoded;
        }
        // The decoder knows no times without seconds.
        let texts = self.schema.fields().iter().map(|field| match is_time(field) {
            true => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)),
            false => Arc::clone(field),
        });
        let texts = Arc::new(Schema::new(texts.collect::<Fields>()));
        let batches = self.decoded(piece, columns, &texts)?;
        times(batches, &self.told).map_err(|error| self.failed(piece, error))
    }

    fn decoded(
        &self,
        piece: &Piece,
        columns: usize,
        schema: &SchemaRef,
    ) -> Result<Vec<RecordBatch>, Error> {
        // A record has a byte for each field at least, and the decoder makes room for as many
        // fields as it is told.
        let lines = memchr::memchr2_iter(b'\n', b'\r', &piece.text).count() + 1;
        let rows = lines.min(piece.text.len() / columns + 1);
        let mut builder = ReaderBuilder::new(SchemaRef::clone(schema))
            .with_delimiter(self.marks.delimiter)
            // No text has this byte.
            .with_quote(self.marks.quote.unwrap_or(0xff))
            .with_batch_size(rows);
        if let Some(escape) = self.marks.escape {
            builder = builder.with_escape(escape);
        }
        if let Some(comment) = self.marks.comment {
            builder = builder.with_comment(comment);
        }
        if let Some(nulls) = &self.nulls {
            builder = builder.with_null_regex(nulls.clone());
        }
        if let Some(places) = &self.places {
            builder = builder.with_projection(places.clone());
        }
        let mut decoder = builder.build_decoder();
        let mut text = piece.text.as_slice();
        let mut batches = Vec::new();
        let failed = |error| self.failed(piece, error);
        loop {
            let read = decoder.decode(text).map_err(failed)?;
            text = text.get(read..).unwrap_or_default();
            if read == 0 || decoder.capacity() == 0 {
                match decoder.flush().map_err(failed)? {
                    Some(batch) => batches.push(batch),
                    None if read == 0 => break,
                    None => {}
                }
            }
        }
        match self.quotes {
            Some(quotes) => csv_empty::told(&piece.text, quotes, self.places.as_deref(), batches)
                .map_err(|error| damaged("CSV", error)),
            None => Ok(batches),
        }
    }

    /// What the decoder reports, with the line of the file, and what to do.
    fn failed(&self, piece: &Piece, error: ArrowError) -> Error {
        let (ArrowError::CsvError(why) | ArrowError::ParseError(why)) = error else {
            return damaged("CSV", error);
        };
        let why = why.split(". Row data:").next().unwrap_or_default();
        // It counts lines from one, and the rows of a column from none.
        let before = piece.line + u64::from(why.starts_with("Error while parsing"));
        let why = in_file(why, before);
        let shown: String = why.chars().take(400).collect();
        let hint = if why.contains("as type") {
            "its type is that of the first part of the file; name another with { types: { column: \
             \"string\" } }, or look at more of the file with { inferBytes }"
        } else {
            "tell how it is written: { delimiter, quote, escape, comment, header, skipLines }"
        };
        Error::new(Status::DamagedData, format!("this CSV file cannot be decoded: {shown}"))
            .hint(hint)
    }
}

/// The batches with times where there are texts in their place.
fn times(batches: Vec<RecordBatch>, told: &SchemaRef) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut before = 0;
    let time = |column: &ArrayRef, field: &FieldRef, before: usize| {
        let (name, kind) = (field.name(), field.data_type());
        let DataType::Timestamp(..) = kind else { return Ok(Arc::clone(column)) };
        let texts = column.as_string::<i32>().iter().map(|text| match text.unwrap_or_default() {
            "" => None,
            text => Some(with_seconds(text).map_or(Cow::Borrowed(text), Cow::Owned)),
        });
        let texts: StringArray = texts.collect();
        let times = cast_with_options(&texts, kind, &CastOptions::default())?;
        match (0..times.len()).find(|row| times.is_null(*row) && texts.is_valid(*row)) {
            None => Ok(times),
            Some(row) => {
                let (value, line) = (texts.value(row), before + row);
                // As the decoder says it.
                let what = "Error while parsing value";
                Err(ArrowError::ParseError(format!(
                    "{what} '{value}' as type '{kind}' for column {name:?} at line {line}"
                )))
            }
        }
    };
    let timed = |batch: RecordBatch| {
        let columns = batch.columns().iter().zip(told.fields());
        let columns = columns.map(|(column, field)| time(column, field, before));
        let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
        before += batch.num_rows();
        RecordBatch::try_new(SchemaRef::clone(told), columns)
    };
    batches.into_iter().map(timed).collect()
}

/// The same message with its line counted from the beginning of the file.
fn in_file(why: &str, before: u64) -> String {
    let Some((front, rest)) = why.split_once(" line ") else { return why.to_owned() };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, behind) = rest.split_at(digits);
    match number.parse::<u64>() {
        Ok(number) => format!("{front} line {}{behind}", number + before),
        Err(_) => why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::{DataType, TimeUnit};

    fn marks() -> Marks {
        Marks { delimiter: b',', quote: Some(b'"'), escape: None, comment: None }
    }

    /// Where records end, told by a reader that looks at each byte.
    fn plainly(marks: &Marks, text: &[u8]) -> Vec<usize> {
        let mut reader = marks.reader(text);
        let mut record = csv::ByteRecord::new();
        let mut ends = Vec::new();
        while reader.read_byte_record(&mut record).unwrap() {
            ends.push(usize::try_from(reader.position().byte()).unwrap());
        }
        ends
    }

    #[test]
    fn records_end_where_a_reader_ends_them() {
        let mut random = fastrand::Rng::with_seed(7);
        let parts = [
            "a", ",", "\n", "\"", "\"\"", "\",", ",\"", "\"\n", "\n\"", "\r\n", "\\", "\\\"", "#",
            "x y",
        ];
        for round in 0..20_000 {
            let marks = Marks {
                escape: (round % 3 == 1).then_some(b'\\'),
                comment: (round % 5 == 1).then_some(b'#'),
                quote: (round % 7 != 1).then_some(b'"'),
                ..marks()
            };
            let text: String =
                (0..random.usize(1..30)).map(|_| parts[random.usize(0..parts.len())]).collect();
            let mut text = text.into_bytes();
            let known = plainly(&marks, &text);
            let mut ends = RecordEnds::new(marks.clone(), 0);
            let known_length = text.len();
            let before = Before::default();
            // It may see the text in parts.
            let _ = ends.last(&mut text[..random.usize(0..=known_length)], before, false).unwrap();
            let Some(end) = ends.last(&mut text, before, false).unwrap() else { continue };
            let inside = known.contains(&end)
                // Empty lines and comments are part of no record.
                || marks.reader(&text[..end]).byte_records().count()
                    + marks.reader(&text[end..]).byte_records().count()
                    == known.len();
            assert!(inside, "{:?} at {end} by {marks:?}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn quotes_that_never_close_are_told() {
        let told = |text: &str, marks: Marks, skip: u64, step: usize| {
            let mut ends = RecordEnds::new(marks, skip);
            let (mut rest, mut before) = (Vec::new(), Before::default());
            for chunk in text.as_bytes().chunks(step) {
                rest.extend_from_slice(chunk);
                if let Some(end) = ends.last(&mut rest, before, false).unwrap() {
                    let front: Vec<u8> = rest.drain(..end).collect();
                    ends.taken(end);
                    before.bytes += end as u64;
                    before.lines += memchr::memchr_iter(b'\n', &front).count() as u64;
                }
            }
            let told = ends.last(&mut rest, before, true).err().map(|error| error.message);
            if told.is_none() {
                ends.taken(rest.len());
                ends.last(&mut [], before, true).unwrap();
            }
            told
        };
        let escaped = Marks { escape: Some(b'\\'), ..marks() };
        let commented = Marks { comment: Some(b'#'), ..marks() };
        let unquoted = Marks { quote: None, ..marks() };
        for (text, marks, skip, place) in [
            ("a,b\n1,\"x\n2,y\n", marks(), 0, Some((2, 6))),
            ("a,b\n\"x\ny\",\"", marks(), 0, Some((3, 10))),
            ("\"", marks(), 0, Some((1, 0))),
            ("a\n\"x\"\"", marks(), 0, Some((2, 2))),
            ("a\n\"x\"\"\"", marks(), 0, None),
            ("a\n\"x\"", marks(), 0, None),
            ("a\n\"\"", marks(), 0, None),
            ("a\nx\"", marks(), 0, None),
            ("a\n\"x\\\"", escaped.clone(), 0, Some((2, 2))),
            ("a\n\"x\\\\\"", escaped.clone(), 0, None),
            ("a\n\"x\\", escaped, 0, Some((2, 2))),
            ("a\n#\"\n\"1\"", commented.clone(), 0, None),
            ("a\n#\"\n\"1", commented, 0, Some((3, 5))),
            ("\"skipped\n\"too\na\n\"x\"", marks(), 2, None),
            ("\"skipped\na\n\"x", marks(), 1, Some((3, 11))),
            ("\"skipped", marks(), 5, None),
            ("a\n\"x", unquoted, 0, None),
        ] {
            for step in 1..=text.len() {
                let told = told(text, marks.clone(), skip, step);
                let place = place.map(|(line, byte)| format!("line {line}, byte {byte} of"));
                assert_eq!(told.is_some(), place.is_some(), "{text:?} {told:?}");
                if let (Some(told), Some(place)) = (told, place) {
                    assert!(told.contains(&place), "{text:?} by {step}: {told}");
                }
            }
        }
    }

    #[test]
    fn both_ways_to_parse_lead_to_the_same() {
        let mut random = fastrand::Rng::with_seed(9);
        let zone = || Some("+00:00".into());
        let kinds = [
            DataType::Int64,
            DataType::UInt64,
            DataType::Float64,
            DataType::Boolean,
            DataType::Utf8,
            DataType::Date32,
            DataType::Timestamp(TimeUnit::Millisecond, None),
            DataType::Timestamp(TimeUnit::Microsecond, zone()),
            DataType::Timestamp(TimeUnit::Nanosecond, None),
        ];
        let times = [
            "",
            "2024-02-29T12:30:00.123456789",
            "1969-12-31 23:59:59.9999",
            "9999-12-31T23:59:59.999",
            "1600-02-29 00:00:00.000001",
            "2001-01-01T00:01:00",
            "2001-01-01T00:01:00",
            "1970-01-01T00:00:00.5Z",
            "2024-02-29T12:30:00+02:00",
            "2024-02-29T12:30",
            "1600-02-29 23:59",
            "2024-02-29T12:30-02:00",
        ];
        let parts = [
            "1",
            "-20",
            "3.5",
            "true",
            "False",
            "x y",
            "",
            "",
            "007",
            "-0",
            "9223372036854775808",
            "\u{fe0f}",
            "\"",
            "\"a,b\"",
            " 1",
            "\r",
            "+4",
            "1e3",
            "NaN",
            "2024-02-30",
            "2024-02-29",
            "2024-02-29 1:2",
            "1500-01-01T00:00:00",
            "2024-02-29T12:30:60",
            "2024-02-29T12:30Z",
            "2024-02-29T24:30",
        ];
        let (mut short, mut refused) = (0, 0);
        for round in 0..20_000 {
            let columns = random.usize(1..5);
            // Most of them hold what their types say.
            let tame = round % 4 != 0;
            let types: Vec<&DataType> =
                (0..columns).map(|_| &kinds[random.usize(0..kinds.len())]).collect();
            let end = if round % 3 == 0 { "\r\n" } else { "\n" };
            let mut text = String::new();
            for _ in 0..random.usize(0..12) {
                let fields = columns + usize::from(!tame && random.u8(0..20) == 0);
                for column in 0..fields {
                    text.push_str(if column > 0 { "," } else { "" });
                    text.push_str(match types.get(column).filter(|_| tame) {
                        Some(DataType::Int64) => ["12", "-3", ""][random.usize(0..3)],
                        Some(DataType::UInt64) => {
                            ["12", "18446744073709551615", "", "+3"][random.usize(0..4)]
                        }
                        Some(DataType::Float64) => ["0.25", "-3e2", "7"][random.usize(0..3)],
                        Some(DataType::Boolean) => ["TRUE", "false", ""][random.usize(0..3)],
                        Some(DataType::Date32) => {
                            ["2024-02-29", "1969-12-31", "2024-02-29", ""][random.usize(0..4)]
                        }
                        Some(DataType::Timestamp(..)) => times[random.usize(0..times.len())],
                        _ => parts[random.usize(0..parts.len())],
                    });
                }
                text.push_str(if random.u8(0..10) == 0 { "\n\n" } else { end });
            }
            if random.bool() {
                text.truncate(text.trim_end().len());
            }
            let fields: Vec<Field> = types
                .iter()
                .enumerate()
                .map(|(place, kind)| Field::new(place.to_string(), (*kind).clone(), true))
                .collect();
            let schema = Arc::new(Schema::new(fields));
            let places = random.bool().then(|| vec![random.usize(0..columns)]);
            let told = selected(&schema, places.as_deref()).unwrap();
            let parser = Parser {
                schema,
                given: Arc::clone(&told),
                told,
                marks: marks(),
                places,
                nulls: None,
                quotes: marks().quotes(),
            };
            let piece = Piece::of(text.clone().into_bytes());
            let Some(batches) = parser.parse_plainly(&piece, columns) else {
                refused += 1;
                continue;
            };
            let known = parser.parse_any(&piece, columns).unwrap_or_else(|error| {
                panic!("{text:?} is refused by the general decoder: {error}")
            });
            let known: Vec<RecordBatch> =
                known.into_iter().filter(|batch| batch.num_rows() > 0).collect();
            // As text: no number is equal to itself that is none.
            assert_eq!(format!("{batches:?}"), format!("{known:?}"), "{text:?}");
            short += usize::from(!batches.is_empty());
        }
        assert!(short > 5_000 && refused > 1_000, "{short} {refused}");
    }

    #[test]
    fn both_ways_to_look_see_the_same() {
        let mut random = fastrand::Rng::with_seed(5);
        let parts = ["1", "2.5", "x", "", "true", "2024-01-02", "\"", "\r", "\n", ",", ",", ","];
        for _ in 0..20_000 {
            let mut text: String =
                (0..random.usize(0..30)).map(|_| parts[random.usize(0..parts.len())]).collect();
            text.push('\n');
            let places = [0, 2];
            let short = seen(&marks(), &["x".to_owned()], 3, &places, text.as_bytes());
            // An escape that never occurs leads the long way.
            let long = Marks { escape: Some(0x01), ..marks() };
            let long = seen(&long, &["x".to_owned()], 3, &places, text.as_bytes());
            if !text.contains('"') {
                assert_eq!(short, long, "{text:?}");
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let given = ["a", "", "a", "a_2", "", "a"].map(str::to_owned).to_vec();
        let names = unique(given);
        let different: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
        assert_eq!((names[0].as_str(), names[1].as_str()), ("a", "column_2"));
        assert_eq!(names[3], "a_2");
    }

    #[test]
    fn lines_are_those_of_the_file() {
        assert_eq!(in_file("wrong at line 3, sadly", 10), "wrong at line 13, sadly");
        assert_eq!(in_file("wrong", 10), "wrong");
    }
}
