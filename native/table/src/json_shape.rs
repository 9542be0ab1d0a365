//! Which types hold every value that was seen of JSON objects.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields};
use dipper_core::Error;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::damaged;

const BOOL: u8 = 1;
const INTEGER: u8 = 1 << 1;
const FLOAT: u8 = 1 << 2;
const TEXT: u8 = 1 << 3;
const LIST: u8 = 1 << 4;
const OBJECT: u8 = 1 << 5;

/// More columns than this are refused: each takes memory in every batch.
const MOST_FIELDS: usize = 1 << 20;

/// What kinds of values are at one place.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    kinds: u8,
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
            Look(&mut shape).deserialize(&mut reader).ok()?;
            reader.end().ok()?;
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
            Look(&mut shape).deserialize(&mut reader).map_err(|error| {
                let before = memchr::memchr_iter(b'\n', text.get(..start).unwrap_or_default());
                wrong(&error, line + before.count() as u64)
            })?;
            if shape.kinds & !OBJECT != 0 {
                return Err(damaged("JSON", "its records are not objects"));
            }
            start = end;
        }
        Ok(shape)
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
            INTEGER => DataType::Int64,
            kinds if kinds & !(INTEGER | FLOAT) == 0 => DataType::Float64,
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

fn wrong(error: &serde_json::Error, line: u64) -> Error {
    let place = line + error.line() as u64;
    let why = error.to_string();
    let why = why.split(" at line ").next().unwrap_or_default();
    damaged("JSON", format!("{why}, at line {place}"))
}

/// Looks at a value.
struct Look<'a>(&'a mut Shape);

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

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.0.kinds |= INTEGER;
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.kinds |= if i64::try_from(value).is_ok() { INTEGER } else { FLOAT };
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.0.kinds |= FLOAT;
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
        while values.next_element_seed(Look(item))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        self.0.kinds |= OBJECT;
        while let Some(name) = values.next_key::<std::borrow::Cow<'de, str>>()? {
            if self.0.fields.len() > MOST_FIELDS {
                return Err(A::Error::custom("its objects have too many different names"));
            }
            let field = self.0.field(&name);
            values.next_value_seed(Look(field))?;
        }
        Ok(())
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
            ("u", DataType::Float64),
        ];
        assert_eq!(found, wanted.map(|(name, kind)| (name.to_owned(), kind)));
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
