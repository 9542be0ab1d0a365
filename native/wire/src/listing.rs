//! The answers to the listings of S3 (objects, versions, incomplete uploads), read from XML.
//!
//! They come by the hundred thousand lines, and from servers of every kind. So the document is
//! read once from front to back, unknown elements are passed over, nothing refers to anything
//! outside, and what is not understood is an error, never an empty listing.

use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::Event;

/// What one line of a listing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// An object.
    Object,
    /// One version of an object.
    Version,
    /// A version that says: deleted.
    DeleteMarker,
    /// An upload in parts that is not complete.
    Upload,
    /// What keys share up to the delimiter.
    Prefix,
}

/// Whose something is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The account's id.
    pub id: String,
    /// Its name, where the server tells it.
    pub name: Option<String>,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What it is.
    pub line: Line,
    /// The key, or the prefix.
    pub name: String,
    /// The size in bytes.
    pub size: u64,
    /// When it was written or begun, in milliseconds since 1970.
    pub time: Option<i64>,
    /// The entity tag.
    pub etag: Option<String>,
    /// The storage class. Neighbours share one text.
    pub class: Option<Arc<str>>,
    /// The id of the version or the upload.
    pub id: Option<String>,
    /// Whether it is the latest version.
    pub latest: bool,
    /// Whose it is. Neighbours share it.
    pub owner: Option<Arc<Owner>>,
}

/// One answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of the document.
    pub lines: Vec<Listed>,
    /// Whether more follows.
    pub truncated: bool,
    /// What to ask for the rest with.
    pub next_token: Option<String>,
    /// The key that the rest comes behind, where there is no token.
    pub next_key: Option<String>,
    /// The version or upload that the rest comes behind.
    pub next_id: Option<String>,
}

const ROOTS: [&[u8]; 3] =
    [b"ListBucketResult", b"ListVersionsResult", b"ListMultipartUploadsResult"];

impl Listing {
    /// Why a document is no listing that ends too early.
    pub const CUT: &str = "it ends in the middle";

    /// Reads an answer.
    ///
    /// # Errors
    /// Why it is no listing.
    pub fn parse(document: &[u8]) -> Result<Self, &'static str> {
        let mut reader = Reader::from_reader(document);
        reader.config_mut().expand_empty_elements = true;
        let mut reading = Reading::default();
        loop {
            match reader.read_event().map_err(|_| "it is no well-formed XML")? {
                Event::Start(tag) => reading.start(tag.local_name().as_ref())?,
                Event::End(tag) => reading.end(tag.local_name().as_ref())?,
                Event::Text(text) => reading.text(&text.decode().map_err(|_| NO_TEXT)?)?,
                Event::CData(text) => reading.text(&text.decode().map_err(|_| NO_TEXT)?)?,
                Event::GeneralRef(name) => {
                    let character = match &*name {
                        b"lt" => '<',
                        b"gt" => '>',
                        b"amp" => '&',
                        b"apos" => '\'',
                        b"quot" => '"',
                        _ => name
                            .resolve_char_ref()
                            .ok()
                            .flatten()
                            .ok_or("it holds an unknown entity")?,
                    };
                    reading.text(character.encode_utf8(&mut [0; 4]))?;
                }
                Event::Eof => return reading.finish(),
                Event::Empty(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_) => {}
            }
        }
    }
}

const NO_TEXT: &str = "it holds bytes that are no text";

/// What was read so far.
#[derive(Default)]
struct Reading {
    listing: Listing,
    /// How many elements are open.
    depth: u32,
    ended: bool,
    /// The text of the innermost element since its last child.
    text: String,
    /// The line that is open.
    line: Option<Listed>,
    owner: Option<Owner>,
    encoded: bool,
    last_class: Option<Arc<str>>,
    last_owner: Option<Arc<Owner>>,
}

impl Reading {
    fn start(&mut self, name: &[u8]) -> Result<(), &'static str> {
        self.depth += 1;
        self.text.clear();
        match (self.depth, name) {
            (1, name) if self.ended || !ROOTS.contains(&name) => {
                return Err("its root is not that of a listing");
            }
            (2, b"Contents") => self.open(Line::Object),
            (2, b"Version") => self.open(Line::Version),
            (2, b"DeleteMarker") => self.open(Line::DeleteMarker),
            (2, b"Upload") => self.open(Line::Upload),
            (2, b"CommonPrefixes") => self.open(Line::Prefix),
            (3, b"Owner") => self.owner = Some(Owner::default()),
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, line: Line) {
        self.line = Some(Listed {
            line,
            name: String::new(),
            size: 0,
            time: None,
            etag: None,
            class: None,
            id: None,
            latest: false,
            owner: None,
        });
    }

    fn text(&mut self, text: &str) -> Result<(), &'static str> {
        match self.depth {
            0 if !text.trim_ascii().is_empty() => Err("it has text outside its root"),
            // Space between the lines is nobody's.
            0 | 1 => Ok(()),
            _ => {
                self.text.push_str(text);
                Ok(())
            }
        }
    }

    fn end(&mut self, name: &[u8]) -> Result<(), &'static str> {
        match self.depth {
            1 => self.ended = true,
            2 => self.end_of_root_child(name)?,
            3 => self.end_in_line(name)?,
            4 => {
                if let Some(owner) = &mut self.owner {
                    let text = self.text.trim();
                    match name {
                        b"ID" => text.clone_into(&mut owner.id),
                        b"DisplayName" if !text.is_empty() => owner.name = Some(text.to_owned()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        self.depth = self.depth.saturating_sub(1);
        self.text.clear();
        Ok(())
    }

    fn end_of_root_child(&mut self, name: &[u8]) -> Result<(), &'static str> {
        if let Some(line) = self.line.take() {
            if line.line != Line::Prefix {
                if line.name.is_empty() {
                    return Err("a line of it has no key");
                }
                self.listing.lines.push(line);
            }
            return Ok(());
        }
        let text = || Some(self.text.clone()).filter(|text| !text.is_empty());
        let listing = &mut self.listing;
        match name {
            b"IsTruncated" => listing.truncated = truth(&self.text)?,
            b"EncodingType" => self.encoded = self.text.trim().eq_ignore_ascii_case("url"),
            b"NextContinuationToken" => listing.next_token = text(),
            b"NextMarker" | b"NextKeyMarker" => listing.next_key = text(),
            b"NextVersionIdMarker" | b"NextUploadIdMarker" => listing.next_id = text(),
            _ => {}
        }
        Ok(())
    }

    fn end_in_line(&mut self, name: &[u8]) -> Result<(), &'static str> {
        let Some(line) = &mut self.line else { return Ok(()) };
        if line.line == Line::Prefix {
            // Some servers put all of them into one element.
            if name == b"Prefix" && !self.text.is_empty() {
                let mut prefix = line.clone();
                prefix.name = std::mem::take(&mut self.text);
                self.listing.lines.push(prefix);
            }
            return Ok(());
        }
        match name {
            b"Key" => line.name = std::mem::take(&mut self.text),
            b"Size" => {
                line.size = self.text.trim().parse().map_err(|_| "a size in it is no number")?;
            }
            b"LastModified" | b"Initiated" => line.time = milliseconds(self.text.trim()),
            b"ETag" => line.etag = some(self.text.trim()),
            b"VersionId" | b"UploadId" => line.id = some(self.text.trim()),
            b"IsLatest" => line.latest = truth(&self.text)?,
            b"StorageClass" => {
                let text = self.text.trim();
                if text.is_empty() {
                    return Ok(());
                }
                line.class = match &self.last_class {
                    Some(last) if **last == *text => Some(Arc::clone(last)),
                    _ => Some(text.into()),
                };
                self.last_class.clone_from(&line.class);
            }
            b"Owner" => {
                let Some(owner) = self.owner.take().filter(|owner| !owner.id.is_empty()) else {
                    return Ok(());
                };
                line.owner = match &self.last_owner {
                    Some(last) if **last == owner => Some(Arc::clone(last)),
                    _ => Some(owner.into()),
                };
                self.last_owner.clone_from(&line.owner);
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Listing, &'static str> {
        if !self.ended || self.depth > 0 {
            return Err(Listing::CUT);
        }
        if self.encoded {
            for line in &mut self.listing.lines {
                decode_name(&mut line.name);
            }
            if let Some(key) = &mut self.listing.next_key {
                decode_name(key);
            }
        }
        Ok(self.listing)
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn truth(text: &str) -> Result<bool, &'static str> {
    match text.trim() {
        "true" | "True" | "TRUE" | "1" => Ok(true),
        "false" | "False" | "FALSE" | "0" | "" => Ok(false),
        _ => Err("a truth value in it is none"),
    }
}

/// Undoes `encoding-type=url`: percent signs, and a plus for a space.
pub fn decode_name(name: &mut String) {
    if !name.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return;
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (other, _) => bytes.push(*other),
        }
    }
    // What is no text stays as it was sent.
    if let Ok(decoded) = String::from_utf8(bytes) {
        *name = decoded;
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// `2026-11-22T20:15:00.123Z`, or with another offset, as milliseconds since 1970.
fn milliseconds(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |start: usize, end: usize| -> Option<i64> {
        let digits = bytes.get(start..end)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    };
    let [year, month, day] = [number(0, 4)?, number(5, 7)?, number(8, 10)?];
    let [hour, minute, second] = [number(11, 13)?, number(14, 16)?, number(17, 19)?];
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let marked = marks.iter().all(|(at, mark)| bytes.get(*at) == Some(mark));
    let sound = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !marked || !sound {
        return None;
    }
    let mut rest = bytes.get(19..)?;
    let mut fraction = 0;
    if let [b'.', digits @ ..] = rest {
        let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, after) = digits.split_at(count);
        let mut unit = 100;
        for digit in digits {
            fraction += i64::from(digit - b'0') * unit;
            unit /= 10;
        }
        rest = after;
    }
    let offset = match rest {
        b"Z" | b"z" | b"" => 0,
        [sign @ (b'+' | b'-'), _, _, ..] => {
            let start = text.len() - rest.len() + 1;
            let minutes = match rest.len() {
                3 => 0,
                5 => number(start + 2, start + 4)?,
                6 if rest.get(3) == Some(&b':') => number(start + 3, start + 5)?,
                _ => return None,
            };
            let offset = number(start, start + 2)? * 60 + minutes;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let days = days_before(year, month) + day - 1;
    Some(((days * 24 + hour) * 60 + minute - offset) * 60_000 + second * 1000 + fraction)
}

/// The days from 1970 to the first of a month, in the Gregorian calendar.
/// <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>
fn days_before(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(body: &str) -> Result<Listing, &'static str> {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult \
             xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{body}</ListBucketResult>"
        );
        Listing::parse(text.as_bytes())
    }

    #[test]
    fn objects_and_groups_are_read() {
        let listing = listing(
            "<Name>b</Name><Prefix>not/this</Prefix><IsTruncated>true</IsTruncated>
             <NextContinuationToken>a+b&amp;c</NextContinuationToken>
             <EncodingType>url</EncodingType>
             <Contents><Key>a+b%2Bc%C3%BC</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>
               <ETag>&quot;0&#x31;&quot;</ETag><Size>17</Size><StorageClass>STANDARD</StorageClass>
               <Owner><ID>me</ID><DisplayName>Me</DisplayName></Owner><New><Key>no</Key></New>
             </Contents>
             <Contents><Key>k</Key><Size>0</Size><StorageClass>STANDARD</StorageClass></Contents>
             <CommonPrefixes><Prefix>p%2F</Prefix><Prefix>q/</Prefix></CommonPrefixes>",
        )
        .unwrap();
        assert!(listing.truncated);
        assert_eq!(listing.next_token.as_deref(), Some("a+b&c"));
        let names: Vec<&str> = listing.lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["a b+cü", "k", "p/", "q/"]);
        let first = &listing.lines[0];
        assert_eq!((first.size, first.time), (17, Some(1_767_323_045_678)));
        assert_eq!(first.etag.as_deref(), Some("\"01\""));
        assert_eq!(first.class.as_deref(), Some("STANDARD"));
        assert_eq!(first.owner.as_ref().unwrap().name.as_deref(), Some("Me"));
        assert_eq!(listing.lines[3].line, Line::Prefix);
    }

    #[test]
    fn versions_and_uploads_are_read() {
        let text = "<ListVersionsResult><IsTruncated>true</IsTruncated>\
            <NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>v0</NextVersionIdMarker>\
            <DeleteMarker><Key>k</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest></DeleteMarker>\
            <Version><Key>k</Key><VersionId>v1</VersionId><IsLatest>false</IsLatest><Size>3</Size>\
            </Version></ListVersionsResult>";
        let listing = Listing::parse(text.as_bytes()).unwrap();
        assert_eq!(listing.next_key.as_deref(), Some("k"));
        assert_eq!(listing.next_id.as_deref(), Some("v0"));
        let kinds: Vec<_> =
            listing.lines.iter().map(|line| (line.line, line.latest, line.id.clone())).collect();
        assert_eq!(
            kinds,
            [
                (Line::DeleteMarker, true, Some("v2".into())),
                (Line::Version, false, Some("v1".into()))
            ]
        );
        let text = "<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u</UploadId>\
            <Initiator><ID>no</ID></Initiator><Initiated>2026-01-02T03:04:05+01:00</Initiated></Upload>\
            </ListMultipartUploadsResult>";
        let listing = Listing::parse(text.as_bytes()).unwrap();
        assert_eq!(listing.lines[0].id.as_deref(), Some("u"));
        assert_eq!(listing.lines[0].time, Some(1_767_319_445_000));
    }

    #[test]
    fn names_stay_as_they_are_where_the_server_does_not_encode_them() {
        let listing = listing("<Contents><Key> a+b%20<![CDATA[<&]]> </Key></Contents>").unwrap();
        assert_eq!(listing.lines[0].name, " a+b%20<& ");
    }

    #[test]
    fn what_is_no_listing_is_refused() {
        for text in [
            "",
            "   ",
            "hello",
            "<html><body>ListBucketResult</body></html>",
            "<ListBucketResult>",
            "<ListBucketResult><Contents><Key>k</Key></Contents>",
            "<ListBucketResult><Contents><Key>k</Contents></Key></ListBucketResult>",
            "<ListBucketResult></ListBucketResult><ListBucketResult></ListBucketResult>",
            "<Error><Code>SlowDown</Code></Error>",
            "<ListBucketResult></ListBucketResult> more",
            "<ListBucketResult><Contents></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key>k</Key><Size>-1</Size></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key>k</Key><Size>x</Size></Contents></ListBucketResult>",
            "<ListBucketResult><IsTruncated>perhaps</IsTruncated></ListBucketResult>",
            "<!DOCTYPE x [<!ENTITY e \"x\">]><ListBucketResult><Contents><Key>&e;</Key></Contents></ListBucketResult>",
        ] {
            assert!(Listing::parse(text.as_bytes()).is_err(), "{text}");
        }
        let bytes = b"<ListBucketResult><Contents><Key>\xff</Key></Contents></ListBucketResult>";
        assert!(Listing::parse(bytes).is_err());
    }

    #[test]
    fn encoded_names_come_back() {
        for (encoded, name) in [
            ("a%2Fb+c%2B%E2%82%AC", "a/b c+€"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%ff", "%ff"),
        ] {
            let mut text = encoded.to_owned();
            decode_name(&mut text);
            assert_eq!(text, name);
        }
    }

    #[test]
    fn times_are_read() {
        for (text, time) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
            ("2000-02-29T12:00:00.5Z", Some(951_825_600_500)),
            ("2024-05-01T12:00:00.000Z", Some(1_714_564_800_000)),
            ("2024-05-01T14:00:00.123456789+02:00", Some(1_714_564_800_123)),
            ("2024-05-01T10:30:00-0130", Some(1_714_564_800_000)),
            ("2024-05-01T12:00:00", Some(1_714_564_800_000)),
            ("2024-13-01T12:00:00Z", None),
            ("2024-05-01 12:00:00Z", None),
            ("2024-05-01T12:00:00+", None),
            ("2024-05-01T12:00:00+1:00", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(milliseconds(text), time, "{text}");
        }
    }
}
