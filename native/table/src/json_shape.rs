//! Which types hold every value that was seen of JSON objects.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields};
use dipper_core::Error;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::damaged;
use crate::seen::integers;

const BOOL: u16 = 1;
const INTEGER: u16 = 1 << 1;
const FLOAT: u16 = 1 << 2;
const TEXT: u16 = 1 << 3;
const LIST: u16 = 1 << 4;
const OBJECT: u16 = 1 << 5;
/// An integer that is less than nothing, beside what it is.
const NEGATIVE: u16 = 1 << 6;
/// An integer that only 64 bits without a sign hold.
const LARGE: u16 = 1 << 7;
/// An integer that no 64 bits hold.
const BEYOND: u16 = 1 << 8;
/// A number that is no whole one, beside what it is.
const FRACTION: u16 = 1 << 9;
const INTEGERS: u16 = INTEGER | NEGATIVE | LARGE | BEYOND;
const NUMBERS: u16 = INTEGERS | FLOAT | FRACTION;
/// From here on a reader of JSON does not tell whether a number was written as an integer. Nor does
/// it of zero with a sign.
const HUGE: f64 = 9_223_372_036_854_775_808.0;

/// More columns than this are refused: each takes memory in every batch.
const MOST_FIELDS: usize = 1 << 20;

/// What kinds of values are at one place.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    kinds: u16,
    item: Option<Box<Shape>>,
    fields: Vec<(String, Shape)>,
    places: HashMap<String, usize>,
}

impl Shape {
    /// Looks at records of which each has a line; nothing, where that is not so.
    pub(crate) fn of_lines(text: &[u8]) -> Option<Self> {
        let mut shape = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let mut reader = serde_json::Deserializer::from_slice(line);
            let huge = Cell::new(false);
            Look(&mut shape, &huge).deserialize(&mut reader).ok()?;
            reader.end().ok()?;
            if huge.get() {
                Written { text: line, at: 0 }.look(&mut shape);
            }
        }
        (shape.kinds & !OBJECT == 0).then_some(shape)
    }

    /// Looks at records that follow each other.
    pub(crate) fn of_records(text: &[u8], line: u64) -> Result<Self, Error> {
        let mut shape = Self::default();
        // Where each record ends is found first: a reader of many values tells only that.
        let mut records = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
        let mut start = 0;
        while let Some(record) = records.next() {
            record.map_err(|error| wrong(&error, line))?;
            let end = records.byte_offset();
            let record = text.get(start..end).unwrap_or_default();
            let mut reader = serde_json::Deserializer::from_slice(record);
            let huge = Cell::new(false);
            Look(&mut shape, &huge).deserialize(&mut reader).map_err(|error| {
                let before = memchr::memchr_iter(b'\n', text.get(..start).unwrap_or_default());
                wrong(&error, line + before.count() as u64)
            })?;
            if huge.get() {
                Written { text: record, at: 0 }.look(&mut shape);
            }
            if shape.kinds & !OBJECT != 0 {
                return Err(damaged("JSON", "its records are not objects"));
            }
            start = end;
        }
        Ok(shape)
    }

    /// Whether there was no value, but for nulls.
    pub(crate) fn is_nothing(&self) -> bool {
        self.kinds == 0
    }

    /// The fields of objects, in the order in which they were seen.
    pub(crate) fn fields(&self) -> &[(String, Shape)] {
        &self.fields
    }

    /// Adds what was seen elsewhere.
    pub(crate) fn merge(&mut self, other: Self) {
        self.kinds |= other.kinds;
        if let Some(item) = other.item {
            self.item.get_or_insert_default().merge(*item);
        }
        for (name, shape) in other.fields {
            self.field(&name).merge(shape);
        }
    }

    /// The field of a name, which most often is the one at this place.
    fn field_at(&mut self, name: &str, place: usize) -> &mut Self {
        match self.fields.get(place) {
            // It was looked at just now.
            #[allow(clippy::indexing_slicing)]
            Some((known, _)) if known == name => &mut self.fields[place].1,
            _ => self.field(name),
        }
    }

    fn field(&mut self, name: &str) -> &mut Self {
        let place = match self.places.get(name) {
            Some(place) => *place,
            None => {
                self.places.insert(name.to_owned(), self.fields.len());
                self.fields.push((name.to_owned(), Self::default()));
                self.fields.len() - 1
            }
        };
        // Places are of fields that were pushed, and none is ever taken away.
        #[allow(clippy::indexing_slicing)]
        &mut self.fields[place].1
    }

    /// The type that holds all of it, or what is there that no type holds.
    pub(crate) fn data_type(&self) -> Result<DataType, &'static str> {
        Ok(match self.kinds {
            // Nothing but nulls: text, which later values most often are.
            0 => DataType::Utf8,
            BOOL => DataType::Boolean,
            kinds if kinds & !INTEGERS == 0 => {
                integers(kinds & NEGATIVE != 0, kinds & LARGE != 0, kinds & BEYOND != 0)
            }
            kinds if kinds & !NUMBERS == 0 => DataType::Float64,
            kinds if kinds & (LIST | OBJECT) == 0 => DataType::Utf8,
            LIST => {
                let item =
                    self.item.as_ref().map_or(Ok(DataType::Utf8), |item| item.data_type())?;
                DataType::List(Arc::new(Field::new_list_field(item, true)))
            }
            OBJECT => {
                let fields = self
                    .fields
                    .iter()
                    .map(|(name, shape)| Ok(Field::new(name, shape.data_type()?, true)))
                    .collect::<Result<Fields, &'static str>>()?;
                DataType::Struct(fields)
            }
            kinds if kinds & LIST == 0 => return Err("objects and other values"),
            _ => return Err("lists and other values"),
        })
    }
}

impl Shape {
    /// The name of a number that is no whole one where `fields` have integers: the decoder would
    /// cut it off.
    pub(crate) fn cut_off(&self, fields: &Fields) -> Option<String> {
        self.fields.iter().find_map(|(name, shape)| {
            let (_, field) = fields.find(name)?;
            shape.is_cut_off(field.data_type()).map(|within| format!("{name:?}{within}"))
        })
    }

    fn is_cut_off(&self, kind: &DataType) -> Option<String> {
        match kind {
            kind if kind.is_integer() => (self.kinds & FRACTION != 0).then(String::new),
            DataType::List(item) => self
                .item
                .as_ref()?
                .is_cut_off(item.data_type())
                .map(|within| "[]".to_owned() + &within),
            DataType::Struct(fields) => self.cut_off(fields).map(|within| format!(".{within}")),
            _ => None,
        }
    }
}

fn wrong(error: &serde_json::Error, line: u64) -> Error {
    let place = line + error.line() as u64;
    let why = error.to_string();
    let why = why.split(" at line ").next().unwrap_or_default();
    damaged("JSON", format!("{why}, at line {place}"))
}

/// Looks at a value, and tells whether one of its numbers is to be looked at as it is written.
struct Look<'a>(&'a mut Shape, &'a Cell<bool>);

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.0.kinds |= BOOL;
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.kinds |= INTEGER | if value < 0 { NEGATIVE } else { 0 };
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.kinds |= if i64::try_from(value).is_ok() { INTEGER } else { LARGE };
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        if value.abs() >= HUGE || (value == 0.0 && value.is_sign_negative()) {
            self.1.set(true);
        } else {
            self.0.kinds |= FLOAT | if value.fract() == 0.0 { 0 } else { FRACTION };
        }
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.0.kinds |= TEXT;
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        self.0.kinds |= LIST;
        let item = self.0.item.get_or_insert_default();
        while values.next_element_seed(Look(item, self.1))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        self.0.kinds |= OBJECT;
        let mut place = 0;
        while let Some(name) = values.next_key::<std::borrow::Cow<'de, str>>()? {
            if self.0.fields.len() > MOST_FIELDS {
                return Err(A::Error::custom("its objects have too many different names"));
            }
            let field = self.0.field_at(&name, place);
            place += 1;
            values.next_value_seed(Look(field, self.1))?;
        }
        Ok(())
    }
}

/// A record that was looked at, as it is written: so it is JSON, and not nested too deeply.
struct Written<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Written<'a> {
    /// Looks at the numbers, and passes over all else.
    fn look(&mut self, shape: &mut Shape) {
        match self.next() {
            b'"' => {
                self.string();
            }
            open @ (b'{' | b'[') => loop {
                match self.next() {
                    b'}' | b']' | 0 => return,
                    b',' => {}
                    b'"' if open == b'{' => {
                        let written = self.string();
                        self.next();
                        match serde_json::from_slice::<String>(written) {
                            Ok(name) => self.look(shape.field(&name)),
                            Err(_) => return,
                        }
                    }
                    _ => {
                        self.at -= 1;
                        self.look(shape.item.get_or_insert_default());
                    }
                }
            },
            _ => {
                self.at -= 1;
                let rest = self.text.get(self.at..).unwrap_or_default();
                let is_in = |byte: &&u8| !matches!(byte, b',' | b'}' | b']') && **byte > b' ';
                let written = rest.get(..rest.iter().take_while(is_in).count()).unwrap_or_default();
                self.at += written.len();
                shape.kinds |= number(written);
            }
        }
    }

    /// The next byte that is no white space; none is 0.
    fn next(&mut self) -> u8 {
        loop {
            let byte = self.text.get(self.at).copied();
            self.at += 1;
            match byte {
                Some(b' ' | b'\t' | b'\n' | b'\r') => {}
                byte => return byte.unwrap_or(0),
            }
        }
    }

    /// A string behind its first quote, with both.
    fn string(&mut self) -> &'a [u8] {
        let start = self.at - 1;
        while let Some(byte) = self.text.get(self.at) {
            self.at += 1 + usize::from(*byte == b'\\');
            if *byte == b'"' {
                break;
            }
        }
        self.text.get(start..self.at).unwrap_or_default()
    }
}

/// What a value is, if it is a number.
fn number(written: &[u8]) -> u16 {
    let digits = written.strip_prefix(b"-").unwrap_or(written);
    let Some(text) = std::str::from_utf8(written)
        .ok()
        .filter(|_| digits.first().is_some_and(u8::is_ascii_digit))
    else {
        return 0;
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return FLOAT;
    }
    if text.parse::<i64>().is_ok() {
        INTEGER
    } else if text.parse::<u64>().is_ok() {
        LARGE
    } else {
        BEYOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(text: &str) -> Vec<(String, DataType)> {
        types_of(&Shape::of_records(text.as_bytes(), 0).unwrap())
    }

    fn types_of(shape: &Shape) -> Vec<(String, DataType)> {
        shape
            .fields()
            .iter()
            .map(|(name, shape)| (name.clone(), shape.data_type().unwrap()))
            .collect()
    }

    #[test]
    fn lines_are_as_records_are() {
        let lines = "{\"a\": 1, \"b\": [\"x\"]}\n\n {\"a\": 2.5, \"c\": {\"d\": null}} \r\n";
        let by_line = types_of(&Shape::of_lines(lines.as_bytes()).unwrap());
        assert_eq!(by_line, types(lines));
        assert_eq!(by_line.len(), 3);
        for text in ["{\"a\":\n1}", "{} {}", "1", "{\"a\"", "[]"] {
            assert!(Shape::of_lines(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn the_types_hold_every_value_in_the_order_of_the_file() {
        let found = types(
            r#"{"z": 1, "y": true, "x": null, "w": [1, null], "v": {"b": "t", "a": 1}}
               {"z": 2.5, "y": "t", "u": 18446744073709551615, "w": [], "v": {"c": []}}"#,
        );
        let list = |kind| DataType::List(Arc::new(Field::new_list_field(kind, true)));
        let object = DataType::Struct(Fields::from(vec![
            Field::new("b", DataType::Utf8, true),
            Field::new("a", DataType::Int64, true),
            Field::new("c", list(DataType::Utf8), true),
        ]));
        let wanted = [
            ("z", DataType::Float64),
            ("y", DataType::Utf8),
            ("x", DataType::Utf8),
            ("w", list(DataType::Int64)),
            ("v", object),
            ("u", DataType::UInt64),
        ];
        assert_eq!(found, wanted.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn no_digit_of_an_integer_is_lost() {
        let kinds = |values: &str| {
            let text: String =
                values.split(' ').map(|value| format!("{{\"a\":{value}}}\n")).collect();
            let shape = Shape::of_lines(text.as_bytes()).unwrap();
            assert_eq!(types_of(&shape), types(&text));
            // Within others, behind names and texts that look like numbers.
            let text = text.replace('}', "]], \"t\": true}}");
            let text =
                text.replace("{\"a\":", "{ \"\\\"1e30\" : {\"s\": \"9e99\\\\\", \"b\" : [[null, ");
            let DataType::Struct(within) = types(&text).remove(0).1 else { panic!("{text}") };
            let kind = shape.fields()[0].1.data_type().unwrap();
            let list = |kind| DataType::List(Arc::new(Field::new_list_field(kind, true)));
            assert_eq!(within.find("b").unwrap().1.data_type(), &list(list(kind.clone())));
            kind
        };
        for (values, kind) in [
            ("1 -9223372036854775808 9223372036854775807", DataType::Int64),
            ("1 9223372036854775808", DataType::UInt64),
            ("18446744073709551615 0", DataType::UInt64),
            ("18446744073709551615 -1", DataType::Utf8),
            ("18446744073709551616", DataType::Utf8),
            ("1 -9223372036854775809 null", DataType::Utf8),
            ("123456789012345678901234567890", DataType::Utf8),
            ("-0 9007199254740993", DataType::Int64),
            ("-0 -0.0", DataType::Float64),
            ("1e30", DataType::Float64),
            ("18446744073709551616.0 1", DataType::Float64),
            // As JavaScript writes 1e20.
            ("100000000000000000000 0.5", DataType::Float64),
            ("18446744073709551615 1e2", DataType::Float64),
        ] {
            assert_eq!(kinds(values), kind, "{values}");
        }
    }

    #[test]
    fn what_a_decoder_would_cut_off_is_told() {
        let text = br#"{"a": 1.5, "b": 1.0, "c": [1, 2.5], "d": {"e": 1e-3}, "f": 0.5}"#;
        let shape = Shape::of_records(text, 0).unwrap();
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::UInt8, true)));
        let object = DataType::Struct(Fields::from(vec![Field::new("e", DataType::Int16, true)]));
        for (name, kind, told) in [
            ("a", DataType::Int64, Some("\"a\"")),
            ("a", DataType::Float32, None),
            ("b", DataType::Int64, None),
            ("c", list, Some("\"c\"[]")),
            ("d", object, Some("\"d\".\"e\"")),
            ("f", DataType::Utf8, None),
            ("x", DataType::Int64, None),
        ] {
            let fields = Fields::from(vec![Field::new(name, kind, true)]);
            assert_eq!(shape.cut_off(&fields).as_deref(), told, "{name}");
        }
    }

    #[test]
    fn what_no_type_holds_and_what_is_no_object_is_told() {
        let mixed = Shape::of_records(br#"{"a": 1} {"a": {"b": 2}}"#, 0).unwrap();
        assert_eq!(mixed.fields()[0].1.data_type(), Err("objects and other values"));
        for text in ["1", "[1]", "{\"a\": }", "{\"a\": 1", "nonsense"] {
            assert!(Shape::of_records(text.as_bytes(), 0).is_err(), "{text}");
        }
        let deep = format!("{{\"a\": {}", "[".repeat(100_000));
        assert!(Shape::of_records(deep.as_bytes(), 0).is_err());
    }
}
