//! NDJSON, JSON objects one after the other, and arrays of objects.
//!
//! A line of NDJSON is a record, because a string has no line feed in it. Elsewhere a record ends
//! where its brackets are closed; the brackets of the array around them and the commas between them
//! are blanked, so that records follow each other.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_json::ReaderBuilder;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use dipper_core::{Client, Error, Status, ledger};

use crate::dialect::Dialect;
use crate::error::{damaged, joined};
use crate::int64::{converted_to, schema_as_float64};
use crate::json_plain;
use crate::json_shape::Shape;
use crate::seen::named_type;
use crate::selection::{limited, places, selected};
use crate::stream::{OpenRequest, Opened};
use crate::text::{Before, Ends, Piece, Text};

/// So many values are decoded at once, however few bytes they take.
const MOST_CELLS: usize = 8 << 20;
/// What a value of a column takes.
const CELL: u64 = 9;

/// Finds the ends of records.
enum RecordEnds {
    /// Nothing but white space was there yet.
    Unknown {
        by_lines: bool,
    },
    Lines {
        at: usize,
        end: Option<usize>,
    },
    Values(Values),
}

/// Follows brackets.
#[derive(Default)]
struct Values {
    /// Whether an array is around the records.
    array: bool,
    closed: bool,
    at: usize,
    depth: u64,
    string: bool,
    end: Option<usize>,
    /// What was there last in the array, but for white space.
    member: Member,
}

/// What stands in an array, side by side.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Member {
    #[default]
    None,
    Record,
    Comma,
}

impl Values {
    /// What is wrong with a byte that stands in the array, but in no record.
    fn wrong(&self, byte: u8) -> Option<&'static str> {
        match (byte, self.member) {
            (b'{' | b'[' | b'"', Member::Record) => Some("a comma is missing"),
            (b',', Member::None | Member::Comma) => Some("a comma is behind no record"),
            (b']', Member::Comma) => Some("its array ends with a comma"),
            _ => None,
        }
    }

    fn last(
        &mut self,
        text: &mut [u8],
        before: Before,
        ended: bool,
    ) -> Result<Option<usize>, Error> {
        let around = u64::from(self.array);
        while let Some(rest) = text.get_mut(self.at..).filter(|rest| !rest.is_empty()) {
            if self.string {
                let Some(place) = memchr::memchr2(b'"', b'\\', rest) else {
                    self.at += rest.len();
                    break;
                };
                let escape = rest.get(place) == Some(&b'\\');
                if escape && place + 1 == rest.len() {
                    self.at += place;
                    break;
                }
                self.string = escape;
                self.at += place + 1 + usize::from(escape);
                continue;
            }
            let Some(byte) = rest.first_mut() else { break };
            if self.closed {
                if !byte.is_ascii_whitespace() {
                    let place = before.shown(text, self.at);
                    let what = format!("there is something behind the end of its array, {place}");
                    return Err(damaged("JSON", what));
                }
                self.at += 1;
                self.end = Some(self.at);
                continue;
            }
            if self.array && self.depth == 1 {
                if let Some(what) = self.wrong(*byte) {
                    let place = before.shown(text, self.at);
                    return Err(damaged("JSON", format!("{what}, {place}")));
                }
                match byte {
                    b',' => self.member = Member::Comma,
                    _ if !byte.is_ascii_whitespace() => self.member = Member::Record,
                    _ => {}
                }
            }
            match byte {
                b'"' => self.string = true,
                b'{' | b'[' => {
                    if self.array && self.depth == 0 {
                        *byte = b' ';
                    }
                    self.depth += 1;
                }
                b'}' | b']' => {
                    let left = self.depth.checked_sub(1);
                    let wrong = match left {
                        None => Some("a bracket closes nothing"),
                        Some(0) if self.array && *byte != b']' => {
                            Some("its array is closed by a brace")
                        }
                        Some(_) => None,
                    };
                    if let Some(what) = wrong {
                        let place = before.shown(text, self.at);
                        return Err(damaged("JSON", format!("{what}, {place}")));
                    }
                    self.depth = left.unwrap_or_default();
                    if self.array && self.depth == 0 {
                        *byte = b' ';
                        self.closed = true;
                    }
                    if self.depth <= around {
                        self.end = Some(self.at + 1);
                    }
                }
                b',' if self.array && self.depth == 1 => {
                    *byte = b' ';
                    self.end = Some(self.at + 1);
                }
                _ => {}
            }
            self.at += 1;
        }
        if ended && (self.depth > 0 || self.string) {
            return Err(damaged("JSON", "it breaks off in a record"));
        }
        Ok(self.end)
    }
}

impl Ends for RecordEnds {
    fn last(
        &mut self,
        text: &mut [u8],
        before: Before,
        ended: bool,
    ) -> Result<Option<usize>, Error> {
        if let Self::Unknown { by_lines } = self
            && let Some(first) = text.iter().find(|byte| !byte.is_ascii_whitespace())
        {
            *self = match (*by_lines, *first == b'[') {
                (true, false) => Self::Lines { at: 0, end: None },
                (_, array) => Self::Values(Values { array, ..Values::default() }),
            };
        }
        match self {
            Self::Unknown { .. } => Ok(None),
            Self::Lines { at, end } => {
                let fresh = text.get(*at..).unwrap_or_default();
                if let Some(place) = memchr::memrchr(b'\n', fresh) {
                    *end = Some(*at + place + 1);
                }
                *at = text.len();
                Ok(*end)
            }
            Self::Values(values) => values.last(text, before, ended),
        }
    }

    fn taken(&mut self, bytes: usize) {
        let (at, end) = match self {
            Self::Unknown { .. } => return,
            Self::Lines { at, end } => (at, end),
            Self::Values(values) => (&mut values.at, &mut values.end),
        };
        *at = at.saturating_sub(bytes);
        *end = None;
    }
}

/// Opens a file.
pub(crate) async fn open(
    client: Option<&Arc<Client>>,
    request: OpenRequest,
    by_lines: bool,
) -> Result<Opened, Error> {
    let OpenRequest { source, dialect, columns, limit, int64_as_float64, only_schema, .. } =
        request;
    let ends = RecordEnds::Unknown { by_lines };
    let mut text = Text::open(client, source, &dialect, ends, "JSON").await?;
    let mut first = text.first(dialect.infer_bytes).await?;
    let shape = shape(&mut first, by_lines).await?;
    let schema = schema(&shape, &dialect, columns.as_deref(), only_schema)?;
    let places = places(&schema, columns.as_deref())?;
    let told = selected(&schema, places.as_deref())?;
    let (stat, lines) = (text.lines.stat().clone(), Arc::clone(&text.lines));
    let metrics = Arc::new(move || lines.metrics());
    let total = limit.is_none().then_some(stat.size);
    // Where only plain columns are wanted the others are not decoded. Else a field that was not
    // there before must not get lost.
    let plain = told.fields().iter().all(|field| !field.data_type().is_nested());
    let parser = match places {
        Some(_) if plain => Parser::new(Arc::clone(&told), None, false),
        places => Parser::new(schema, places, true),
    };
    let parser = Parser { by_lines, told: !dialect.types.is_empty(), ..parser };
    let given = if int64_as_float64 { schema_as_float64(&told) } else { told };
    let schema = SchemaRef::clone(&given);
    let batches = text.decoded(first, move |piece| converted_to(&given, parser.parse(piece)?));
    let batches = limited(batches, limit);
    Ok(Opened { schema, stat, rows: None, total, batches, metrics })
}

/// What the records of the first pieces are made of.
async fn shape(first: &mut Vec<Piece>, by_lines: bool) -> Result<Shape, Error> {
    let looks: Vec<_> = std::mem::take(first)
        .into_iter()
        .map(|piece| {
            tokio::task::spawn_blocking(move || {
                let shape = shape_of(&piece, by_lines)?;
                Ok((piece, shape))
            })
        })
        .collect();
    let mut all = Shape::default();
    for look in looks {
        let (mut piece, shape) = joined("JSON", look.await)?;
        all.merge(shape);
        piece.looked = true;
        first.push(piece);
    }
    Ok(all)
}

/// What the records of a piece are made of. All of it must be JSON.
fn shape_of(piece: &Piece, by_lines: bool) -> Result<Shape, Error> {
    match by_lines.then(|| Shape::of_lines(&piece.text)).flatten() {
        Some(shape) => Ok(shape),
        None => Shape::of_records(&piece.text, piece.line),
    }
}

fn schema(
    shape: &Shape,
    dialect: &Dialect,
    columns: Option<&[String]>,
    only_schema: bool,
) -> Result<SchemaRef, Error> {
    let mut told = dialect
        .types
        .iter()
        .map(|(name, kind)| Ok((name.as_str(), named_type(kind)?)))
        .collect::<Result<Vec<(&str, DataType)>, Error>>()?;
    let mut fields = Vec::new();
    for (name, shape) in shape.fields() {
        let kind = match told.iter().position(|(known, _)| known == name) {
            Some(place) => told.swap_remove(place).1,
            None if only_schema && shape.is_nothing() => DataType::Null,
            None => match shape.data_type() {
                Ok(kind) => kind,
                // Nobody wants it.
                Err(_) if columns.is_some_and(|columns| !columns.contains(name)) => DataType::Utf8,
                Err(what) => {
                    let what =
                        format!("the column {name:?} holds {what}, which are not of one type");
                    return Err(Error::new(Status::Unsupported, what)
                        .hint("name the columns that are wanted with { columns }"));
                }
            },
        };
        fields.push(Field::new(name, kind, true));
    }
    if let Some((name, _)) = told.first() {
        return Err(Error::invalid(format!("types names a column {name:?}, which is not there")));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Parses pieces.
struct Parser {
    schema: SchemaRef,
    places: Option<Vec<usize>>,
    strict: bool,
    by_lines: bool,
    /// Whether the caller names types: then those of the values may be others.
    told: bool,
    /// How many columns there are, those within others included.
    fields: usize,
}

impl Parser {
    fn new(schema: SchemaRef, places: Option<Vec<usize>>, strict: bool) -> Self {
        let fields = schema.flattened_fields().len().max(1);
        Self { schema, places, strict, by_lines: true, told: false, fields }
    }

    fn parse(&self, piece: &Piece) -> Result<Vec<RecordBatch>, Error> {
        // A record takes two bytes, however many columns there are.
        let most = memchr::memchr_iter(b'{', &piece.text).count();
        let room = most as u64 * self.fields as u64 * CELL;
        if room > ledger().budget().limit() / 4 {
            let fields = self.fields;
            return Err(Error::new(
                Status::BudgetExceeded,
                format!("{most} short records with {fields} columns need {room} bytes"),
            )
            .hint("name the columns that are wanted with { columns }"));
        }
        let rows = most.min(MOST_CELLS / self.fields).max(1);
        if let Some(batches) = self.parse_plainly(piece, rows) {
            return batches.into_iter().map(|batch| self.projected(batch)).collect();
        }
        self.parse_any(piece, rows)
    }

    /// The short way, if it leads there.
    fn parse_plainly(&self, piece: &Piece, rows: usize) -> Option<Vec<RecordBatch>> {
        json_plain::parse(&piece.text, &self.schema, self.strict, rows)
    }

    /// Refuses what the general decoder would take: text that is nearly JSON, and numbers that it
    /// would cut off.
    fn check(&self, piece: &Piece) -> Result<(), Error> {
        if piece.looked && !self.told {
            return Ok(());
        }
        let fields = self.schema.fields();
        let Some(name) = shape_of(piece, self.by_lines)?.cut_off(fields) else { return Ok(()) };
        let is_it = |line: &[u8]| Some(Shape::of_lines(line)?.cut_off(fields)? == name);
        let line =
            piece.text.split(|byte| *byte == b'\n').position(|line| is_it(line) == Some(true));
        let line = piece.line + line.unwrap_or(0) as u64;
        let why = format!("the column {name} is of integers, and a number there is no whole one");
        Err(failed(line, ArrowError::JsonError(why)))
    }

    fn parse_any(&self, piece: &Piece, rows: usize) -> Result<Vec<RecordBatch>, Error> {
        self.check(piece)?;
        let failed = |error| failed(piece.line, error);
        let mut decoder = ReaderBuilder::new(SchemaRef::clone(&self.schema))
            .with_batch_size(rows)
            .with_coerce_primitive(true)
            .with_strict_mode(self.strict)
            .build_decoder()
            .map_err(failed)?;
        let mut text = piece.text.as_slice();
        let mut batches = Vec::new();
        while !text.is_empty() {
            let read = decoder.decode(text).map_err(failed)?;
            text = text.get(read..).unwrap_or_default();
            if text.is_empty() && decoder.has_partial_record() {
                return Err(damaged("JSON", "it breaks off in a record"));
            }
            match decoder.flush().map_err(failed)? {
                Some(batch) => batches.push(self.projected(batch)?),
                None if read == 0 => break,
                None => {}
            }
        }
        Ok(batches)
    }

    fn projected(&self, batch: RecordBatch) -> Result<RecordBatch, Error> {
        match &self.places {
            Some(places) => batch.project(places).map_err(|error| damaged("JSON", error)),
            None => Ok(batch),
        }
    }
}

/// What the decoder reports, with the line where it began, and what to do.
fn failed(line: u64, error: ArrowError) -> Error {
    let why = match error {
        ArrowError::JsonError(why) => why,
        other => other.to_string(),
    };
    let shown: String = why.chars().take(400).collect();
    let line = line + 1;
    let message =
        format!("this JSON file cannot be decoded: {shown}, in what begins at line {line}");
    Error::new(Status::DamagedData, message).hint(
        "the columns and their types are those of the first part of the file; look at more of it \
         with { inferBytes }, name types with { types: { column: \"string\" } }, or have it written \
         again if it is cut short",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, by_lines: bool, step: usize) -> Result<Vec<String>, Error> {
        let mut ends = RecordEnds::Unknown { by_lines };
        let (mut rest, mut pieces) = (Vec::new(), Vec::new());
        let mut before = Before::default();
        for chunk in text.as_bytes().chunks(step) {
            rest.extend_from_slice(chunk);
            if let Some(end) = ends.last(&mut rest, before, false)? {
                let behind = rest.split_off(end);
                before.bytes += end as u64;
                before.lines += memchr::memchr_iter(b'\n', &rest).count() as u64;
                pieces.push(String::from_utf8(std::mem::replace(&mut rest, behind)).unwrap());
                ends.taken(end);
            }
        }
        ends.last(&mut rest, before, true)?;
        pieces.push(String::from_utf8(rest).unwrap());
        Ok(pieces)
    }

    #[test]
    fn records_are_the_same_however_the_text_comes() {
        let record = r#"{"a": [1, {"b": "],}{\\\" \u00e9"}], "c": {}}"#;
        let array = format!(" [\n{record},\n {record} ,{record}]\n ");
        let lines = format!("{record}\n{record}\n{record}");
        let pretty = format!("{record} {record}\n\n{record}");
        for (text, by_lines) in [(&array, false), (&array, true), (&lines, true), (&pretty, false)]
        {
            for step in 1..text.len() {
                let whole = cut(text, by_lines, step).unwrap().concat();
                let records: Vec<_> = serde_json::Deserializer::from_str(&whole)
                    .into_iter::<serde_json::Value>()
                    .collect::<Result<_, _>>()
                    .unwrap();
                assert_eq!(records.len(), 3, "{whole}");
                assert!(records.iter().all(|one| *one == records[0]));
            }
        }
    }

    #[test]
    fn both_ways_to_parse_lead_to_the_same() {
        let mut random = fastrand::Rng::with_seed(13);
        let list = |kind| DataType::List(Arc::new(Field::new_list_field(kind, true)));
        let object = |fields: &[(&str, DataType)]| {
            let fields = fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true));
            DataType::Struct(fields.collect())
        };
        let within = object(&[("a", DataType::Int64), ("b", list(DataType::Float64))]);
        let kinds = [
            DataType::Int64,
            DataType::UInt64,
            DataType::Float64,
            DataType::Boolean,
            DataType::Utf8,
            list(DataType::Utf8),
            list(list(DataType::Int64)),
            object(&[("c", within.clone()), ("d", DataType::Utf8)]),
            list(within),
            object(&[]),
        ];
        let values = [
            "1",
            "-20",
            "3.5",
            "true",
            "false",
            "null",
            "\"x y\"",
            "\"\"",
            "\"a\\nb\\\"\"",
            "1e3",
            "-0",
            "0.1",
            "\"\\u00e9\"",
            "\"é\"",
            "\"\\ud83e\\uDDA2 \\u0000\"",
            "\"eight bytes and more \\\\ of them\"",
            "999999999999999999",
            "-1234567890123456789",
            "0.30000000000000004",
            "9007199254740993.5",
            "[1]",
            "[ ]",
            "[[1, -2], null, []]",
            "[\"x\", null, \"\\t\"]",
            "{\"a\": 1}",
            "{ \"d\": \"x\", \"c\" :{\"b\": [0.5, null ,2],\"a\":7 } }",
            "{\"c\": null}",
            "[{\"b\": []}, {}, null, {\"a\": 2, \"b\": [1e-3]}]",
            "{}",
            "12345678901234567890",
            "1.0",
            "007",
            "1e400",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\": 1,}",
            "{\"a\": 1, \"a\": 2}",
            "\"\t\"",
            "\"\\ud83e\"",
            "\"\\ud83e\\u0041\"",
            "\"\\udda2\"",
            "\"\\u12g4\"",
            "\"\\x\"",
        ];
        let (mut short, mut refused) = (0, 0);
        for round in 0..20_000 {
            let tame = round % 3 != 0;
            let strict = random.bool();
            let columns = random.usize(1..4);
            let types: Vec<&DataType> =
                (0..columns).map(|_| &kinds[random.usize(0..kinds.len())]).collect();
            let mut text = String::new();
            for _ in 0..random.usize(0..8) {
                let mut members = Vec::new();
                for column in 0..columns + usize::from(!strict || !tame) {
                    if random.u8(0..8) == 0 {
                        continue;
                    }
                    let value = match types.get(column).filter(|_| tame) {
                        Some(DataType::Int64) => ["12", "-3", "null"][random.usize(0..3)],
                        Some(DataType::UInt64) => {
                            ["12", "18446744073709551615", "null"][random.usize(0..3)]
                        }
                        Some(DataType::Float64) => ["0.25", "-3e2", "7"][random.usize(0..3)],
                        Some(DataType::Boolean) => ["true", "false", "null"][random.usize(0..3)],
                        Some(DataType::List(item)) => match item.data_type() {
                            DataType::Utf8 => "[\"x\", null, 5, \"\\t\"]",
                            DataType::List(_) => ["[ ]", "[[1, -2],null, []]"][random.usize(0..2)],
                            _ => "[{\"b\": []}, {}, null, {\"a\": 2, \"b\" : [1e-3] }]",
                        },
                        Some(DataType::Struct(fields)) => match fields.len() {
                            0 => "{ }",
                            _ => ["{\"d\":\"x\",\"c\":{\"b\":[0.5,2]} }", "{\"c\": null}"]
                                [random.usize(0..2)],
                        },
                        _ => values[random.usize(0..if tame { 20 } else { values.len() })],
                    };
                    members.push(format!("\"{column}\":{value}"));
                }
                if random.bool() {
                    random.shuffle(&mut members);
                }
                if !tame && random.u8(0..8) == 0 && !members.is_empty() {
                    members.push(members[0].clone());
                }
                let between = [",", ", ", " ,\t"][random.usize(0..3)];
                text.push_str(&format!("{{{}}}\n", members.join(between)));
            }
            if !tame && !text.is_empty() && random.bool() {
                let cut = random.usize(0..text.len());
                if text.is_char_boundary(cut) {
                    text.truncate(cut);
                }
            }
            let fields: Vec<Field> = types
                .iter()
                .enumerate()
                .map(|(place, kind)| Field::new(place.to_string(), (*kind).clone(), true))
                .collect();
            let parser = Parser::new(Arc::new(Schema::new(fields)), None, strict);
            let piece = Piece::of(text.clone().into_bytes());
            let Some(batches) = parser.parse_plainly(&piece, 100) else {
                refused += 1;
                continue;
            };
            let known = parser.parse_any(&piece, 100).unwrap_or_else(|error| {
                panic!("{text:?} is refused by the general decoder: {error}")
            });
            let known: Vec<RecordBatch> =
                known.into_iter().filter(|batch| batch.num_rows() > 0).collect();
            assert_eq!(batches, known, "{text:?}");
            short += usize::from(!batches.is_empty());
        }
        assert!(short > 5_000 && refused > 1_000, "{short} {refused}");
    }

    #[test]
    fn what_breaks_off_or_goes_on_is_told() {
        for text in ["[{\"a\": 1}", "[{\"a\": \"", "{\"a\": {}", "[] 1", "[{}}", "}"] {
            assert!(cut(text, false, 3).is_err(), "{text}");
        }
        assert!(cut("[]", false, 1).is_ok());
    }

    #[test]
    fn commas_are_between_records_and_nowhere_else() {
        for (text, told) in [
            ("[\n{\"a\": 1},\n]", "ends with a comma, at line 3, byte 12 of"),
            ("[{\"a\": 1},]", "ends with a comma, at line 1, byte 10 of"),
            ("[,{\"a\": 1}]", "a comma is behind no record, at line 1, byte 1 of"),
            ("[ , ]", "a comma is behind no record, at line 1, byte 2 of"),
            ("[{},,{}]", "a comma is behind no record, at line 1, byte 4 of"),
            ("[{} {}]", "a comma is missing, at line 1, byte 4 of"),
            ("[{}{}]", "a comma is missing, at line 1, byte 3 of"),
            ("[{}\"\"]", "a comma is missing, at line 1, byte 3 of"),
            ("[{}}", "closed by a brace, at line 1, byte 3 of"),
            ("[{}]]", "behind the end of its array, at line 1, byte 4 of"),
            ("{}\n}", "a bracket closes nothing, at line 2, byte 3 of"),
        ] {
            for step in 1..=text.len() {
                let error = cut(text, false, step).unwrap_err();
                assert!(error.message.contains(told), "{text} by {step}: {}", error.message);
            }
        }
        for text in ["[{\"a\": [1,2]} , {\"b\":\",\"}\n,{}]", "[ { } ]"] {
            assert!((1..=text.len()).all(|step| cut(text, false, step).is_ok()), "{text}");
        }
    }
}
