//! Messages of the boundary, made up from their TypeScript types.
//!
//! The types are read from `ffi/messages.ts`. So a request that is new is fuzzed as soon as it is
//! declared.

use std::collections::HashMap;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use serde_json::{Map, Value, json};

/// A TypeScript type, as far as messages use them.
#[derive(Clone, Debug)]
enum Type {
    Literal(String),
    String,
    Number,
    Boolean,
    Null,
    Array(Box<Type>),
    Tuple(Vec<Type>),
    Map(Box<Type>),
    Object(Vec<Property>),
    Union(Vec<Type>),
    /// All of these at once.
    Both(Vec<Type>),
    Named(String),
}

impl Type {
    /// A type that is named and not declared would end a run only once chance leads there.
    fn check(&self, whose: &str, declared: &HashMap<String, Type>) {
        match self {
            Self::Named(name) => assert!(declared.contains_key(name), "{whose} names {name}"),
            Self::Array(of) | Self::Map(of) => of.check(whose, declared),
            Self::Tuple(all) | Self::Union(all) | Self::Both(all) => {
                all.iter().for_each(|of| of.check(whose, declared));
            }
            Self::Object(properties) => {
                properties.iter().for_each(|property| property.of.check(whose, declared));
            }
            Self::Literal(_) | Self::String | Self::Number | Self::Boolean | Self::Null => {}
        }
    }
}

#[derive(Clone, Debug)]
struct Property {
    name: String,
    optional: bool,
    of: Type,
}

/// All types of messages.
pub struct Messages {
    types: HashMap<String, Type>,
    /// What they may name.
    pub places: Places,
}

/// What on this machine a message may name.
#[derive(Default)]
pub struct Places {
    /// The folder whose files may be read.
    pub folder: String,
    /// The only server that answers.
    pub endpoint: String,
    /// Its region, and credentials for it.
    pub region: String,
    pub access_key: String,
    pub secret_key: String,
}

impl Places {
    /// Host and port of the server.
    pub fn host(&self) -> &str {
        self.endpoint.trim_start_matches("http://")
    }
}

/// How deep a message goes. Conditions hold conditions: without an end they use up the stack.
const DEPTH: u32 = 60;

/// Once in `times`. Never when the input is used up, because then everything is the least.
pub fn rarely(input: &mut Unstructured, times: u32) -> Result<bool> {
    Ok(input.int_in_range(0..=times - 1)? == times - 1)
}

impl Messages {
    /// Reads them from `ffi/messages.ts`.
    pub fn declared(places: Places) -> Self {
        let mut types = HashMap::new();
        let text = without_comments(include_str!("../../ffi/messages.ts"));
        for declaration in text.split("export type ").skip(1) {
            let (name, rest) = declaration.split_once(" =").expect("a type");
            // What answers are made of.
            if name.contains('<') {
                continue;
            }
            let mut parser = Parser { rest };
            types.insert(name.to_owned(), parser.union());
            parser.expect(";");
        }
        for (name, of) in &types {
            of.check(name, &types);
        }
        for needed in ["Submission", "ClientRequest"] {
            assert!(types.contains_key(needed), "{needed} is declared");
        }
        Self { types, places }
    }

    /// A message of the type, mostly well formed. Handles come from `handles`.
    pub fn message(
        &self,
        name: &str,
        input: &mut Unstructured,
        handles: &dyn Fn(&str, &mut Unstructured) -> Result<f64>,
    ) -> Result<Value> {
        let of = self.types.get(name).expect("a declared type");
        self.value(of, name, input, handles, DEPTH)
    }

    fn string(&self, field: &str, input: &mut Unstructured) -> Result<String> {
        let Places { endpoint, region, access_key, secret_key, .. } = &self.places;
        let host = self.places.host();
        let object = format!("{endpoint}/bucket/key");
        let choices: &[&str] = match field {
            "endpoint" => {
                &[endpoint, endpoint, endpoint, "http://127.0.0.1:1", "http://[::1]:1", ""]
            }
            "url" => &[&object, endpoint, "http://127.0.0.1:1/x", "https://127.0.0.1:1", "x"],
            "granted" => &[host, host, host, "127.0.0.1:1", "example.com:443", ""],
            "bucket" => &["bucket", "bucket", "bucket", "my.bucket", "B", "a/b", ""],
            "key" => &["key", "key", "empty", "a//b", "../x", "a b+%41?#é", "\u{1F600}", "\0", ""],
            "path" => &["file", "file", "file", "folder", "missing", "fi\0le", ""],
            "region" => &[region, "us-east-1", "", "é"],
            "accessKeyId" => &[access_key, access_key, access_key, ""],
            "secretAccessKey" => &[secret_key, secret_key, secret_key, ""],
            "prefix" => &["", "k", "é"],
            "ifMatch" | "ifNoneMatch" => &["*", "\"0\"", ""],
            _ => &[
                "a",
                "",
                "\"",
                "\r\nX: y",
                "\u{FFFF}",
                "/",
                "AWS_PROFILE",
                "AWS_REGION",
                "[default]",
            ],
        };
        Ok(match input.int_in_range(0..=19_u8)? {
            0..=17 => (*input.choose(choices)?).to_owned(),
            18 => input.arbitrary::<&str>()?.to_owned(),
            _ => input.choose(&["x", "é", "/"])?.repeat(input.int_in_range(0..=2000)?),
        })
    }

    /// Takes from a message what must not happen on the machine that fuzzes: no host but this
    /// one is granted, no file outside of a folder is named, no server is opened for others,
    /// nothing is run.
    pub fn tame(&self, message: &mut Value) {
        match message {
            Value::Array(items) => items.iter_mut().for_each(|item| self.tame(item)),
            Value::Object(map) => {
                // It is the fuzzer's, and a socket may be anybody's.
                if ["standardInput", "tcp"].iter().any(|kind| map.get("kind") == Some(&json!(kind)))
                {
                    map.insert("kind".to_owned(), json!("unix"));
                    map.insert("path".to_owned(), json!("socket"));
                }
                if map.get("operation") == Some(&json!("startLocalS3")) {
                    map.remove("directory");
                    map.insert("port".to_owned(), json!(0));
                }
                // Below a directory names are relative. Those that lead out are another test's:
                // what they would reach is this machine's.
                if map.contains_key("directory") {
                    map.insert("directory".to_owned(), json!(self.places.folder));
                    map.values_mut().for_each(|value| self.keep_inside(value));
                    return;
                }
                for name in ["from", "to"] {
                    if let Some(Value::String(path)) = map.get_mut(name) {
                        *path = format!("{}/{}", self.places.folder, path.replace("..", ""));
                    }
                }
                if let Some(Value::Array(granted)) = map.get_mut("granted") {
                    granted.retain(|host| host.as_str().is_none_or(|host| self.may_reach(host)));
                }
                if map.contains_key("scratch") {
                    map.insert("scratch".to_owned(), json!(self.places.folder));
                }
                if let Some(Value::String(path)) = map.get_mut("path") {
                    *path = format!("{}/{}", self.places.folder, path.replace("..", ""));
                }
                map.values_mut().for_each(|value| self.tame(value));
            }
            Value::String(text) if text.contains("process") => "tamed".clone_into(text),
            _ => {}
        }
    }

    /// Takes from the names of files what leads out of their directory.
    fn keep_inside(&self, message: &mut Value) {
        match message {
            Value::Array(items) => items.iter_mut().for_each(|item| self.keep_inside(item)),
            Value::Object(map) => map.values_mut().for_each(|value| self.keep_inside(value)),
            Value::String(text) if *text != self.places.folder => {
                *text = text.replace("..", "").trim_start_matches('/').to_owned();
            }
            _ => {}
        }
    }

    /// Whether a request may go there.
    pub fn may_reach(&self, host: &str) -> bool {
        host == self.places.host() || host == "127.0.0.1:1"
    }

    fn value(
        &self,
        of: &Type,
        field: &str,
        input: &mut Unstructured,
        handles: &dyn Fn(&str, &mut Unstructured) -> Result<f64>,
        depth: u32,
    ) -> Result<Value> {
        if depth == 0 || rarely(input, 250)? {
            return nonsense(input);
        }
        let inner = |of: &Type, field: &str, input: &mut Unstructured| -> Result<Value> {
            self.value(of, field, input, handles, depth - 1)
        };
        Ok(match of {
            Type::Literal(text) => json!(text),
            Type::String => json!(self.string(field, input)?),
            Type::Boolean => json!(input.arbitrary::<bool>()?),
            Type::Null => Value::Null,
            Type::Number
                if ["client", "buffer", "server", "stream", "upload", "table"].contains(&field) =>
            {
                json!(handles(field, input)?)
            }
            Type::Number => number(input)?,
            Type::Array(of) => {
                let count = input.int_in_range(0..=4)?;
                (0..count).map(|_| inner(of, field, input)).collect::<Result<_>>()?
            }
            Type::Tuple(types) => {
                types.iter().map(|of| inner(of, field, input)).collect::<Result<_>>()?
            }
            Type::Map(of) => {
                let mut map = Map::new();
                for _ in 0..input.int_in_range(0..=3)? {
                    map.insert(self.string("name", input)?, inner(of, "content", input)?);
                }
                Value::Object(map)
            }
            Type::Object(properties) => {
                let mut map = Map::new();
                for Property { name, optional, of } in properties {
                    let left_out = match *optional {
                        // Only what asks nothing of S3 does without.
                        true if name == "client" => rarely(input, 20)?,
                        true => !input.ratio(2, 5)?,
                        false => rarely(input, 250)?,
                    };
                    if !left_out {
                        map.insert(name.clone(), inner(of, name, input)?);
                    }
                }
                if rarely(input, 50)? {
                    map.insert(self.string("name", input)?, nonsense(input)?);
                }
                Value::Object(map)
            }
            Type::Union(types) => {
                // The first source has most to it.
                let first = field == "SourceMessage" && input.ratio(1, 2)?;
                let of = if first { &types[0] } else { input.choose(types)? };
                inner(of, field, input)?
            }
            Type::Both(types) => {
                let mut all = Map::new();
                for of in types {
                    if let Value::Object(map) = inner(of, field, input)? {
                        all.extend(map);
                    }
                }
                Value::Object(all)
            }
            Type::Named(name) => {
                let field = if name == "SourceMessage" { name } else { field };
                inner(self.types.get(name).expect("a declared type"), field, input)?
            }
        })
    }
}

fn number(input: &mut Unstructured) -> Result<Value> {
    Ok(match input.int_in_range(0..=59_u8)? {
        0..=24 => json!(input.int_in_range(0..=9)?),
        25..=44 => json!(input.int_in_range(0..=300_001)?),
        45..=48 => json!(input.arbitrary::<u32>()?),
        49..=51 => json!(9_007_199_254_740_991_u64),
        52..=54 => json!(input.arbitrary::<u64>()?),
        55..=57 => json!(u64::MAX),
        58 => json!(-1),
        _ => json!(0.5),
    })
}

fn nonsense(input: &mut Unstructured) -> Result<Value> {
    Ok(match input.int_in_range(0..=6_u8)? {
        0 => Value::Null,
        1 => json!(input.arbitrary::<bool>()?),
        2 => json!(input.arbitrary::<i64>()?),
        3 => json!(1e300),
        4 => json!([[], {}]),
        5 => json!({ "operation": "get", "kind": [] }),
        _ => json!(input.arbitrary::<&str>()?),
    })
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) {
        let near = &self.rest[..self.rest.len().min(60)];
        assert!(self.take(token), "messages.ts: {token:?} is expected before {near:?}");
    }

    fn word(&mut self) -> String {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word.to_owned()
    }

    fn quoted(&mut self) -> String {
        let (text, rest) = self.rest.split_once('"').expect("the end of a string");
        self.rest = rest;
        text.to_owned()
    }

    fn union(&mut self) -> Type {
        self.take("|");
        let mut types = vec![self.both()];
        while self.take("|") {
            types.push(self.both());
        }
        if types.len() == 1 { types.remove(0) } else { Type::Union(types) }
    }

    fn both(&mut self) -> Type {
        let mut types = vec![self.one()];
        while self.take("&") {
            types.push(self.one());
        }
        if types.len() == 1 { types.remove(0) } else { Type::Both(types) }
    }

    fn one(&mut self) -> Type {
        if self.take("\"") {
            return Type::Literal(self.quoted());
        }
        if self.take("[") {
            let mut types = Vec::new();
            while !self.take("]") {
                types.push(self.union());
                self.take(",");
            }
            return Type::Tuple(types);
        }
        if self.take("{") {
            return self.object();
        }
        match self.word().as_str() {
            "string" => Type::String,
            "number" => Type::Number,
            "boolean" => Type::Boolean,
            "null" => Type::Null,
            "Array" => {
                self.expect("<");
                let of = self.union();
                self.expect(">");
                Type::Array(Box::new(of))
            }
            "Record" => {
                self.expect("<");
                self.union();
                self.expect(",");
                let of = self.union();
                self.expect(">");
                Type::Map(Box::new(of))
            }
            "" => panic!("messages.ts: no type before {:?}", &self.rest[..self.rest.len().min(60)]),
            name => Type::Named(name.to_owned()),
        }
    }

    fn object(&mut self) -> Type {
        if self.take("[key in string]") {
            self.take("?");
            self.expect(":");
            let of = self.union();
            self.take(",");
            self.expect("}");
            return Type::Map(Box::new(of));
        }
        let mut properties = Vec::new();
        while !self.take("}") {
            let name = if self.take("\"") { self.quoted() } else { self.word() };
            let optional = self.take("?");
            self.expect(":");
            properties.push(Property { name, optional, of: self.union() });
            self.take(",");
        }
        Type::Object(properties)
    }
}

fn without_comments(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/**") {
        plain.push_str(before);
        rest = comment.split_once("*/").expect("the end of a comment").1;
    }
    plain + rest
}
