//! What a test tells the server: the objects of a bucket, its listing, and what goes wrong with which
//! request. It arrives as JSON; names are in camel case there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checksum::ChecksumSpec;
use crate::content::Content;

/// A bucket.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BucketSpec {
    /// The objects, by key.
    pub objects: BTreeMap<String, ObjectSpec>,
    /// What every other key holds; without it they hold nothing. Each key has bytes of its own.
    pub any: Option<ObjectSpec>,
    /// What a listing tells.
    pub listing: Option<ListingSpec>,
    /// What a listing of versions tells.
    pub versions: Option<ListingSpec>,
    /// What is to be written, by key: the report tells whether it was.
    pub expected: BTreeMap<String, ObjectSpec>,
    /// What is written is counted and forgotten, so that it may be of any size.
    pub discard: bool,
    /// ETags tell nothing of the bytes.
    pub opaque: bool,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// How many requests of each key are kept; all are counted.
    pub log: Option<usize>,
}

/// An object.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectSpec {
    /// How many bytes.
    pub size: u64,
    /// What the bytes follow from; without it all are zero.
    #[serde(default)]
    pub seed: Option<u32>,
    /// What is told of its checksums.
    #[serde(default)]
    pub checksums: Vec<ChecksumSpec>,
    /// More headers of its answers.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// It was uploaded in parts of this many bytes.
    #[serde(default)]
    pub part_size: Option<u64>,
}

impl ObjectSpec {
    /// Its bytes.
    pub fn content(&self) -> Content {
        match self.seed {
            Some(seed) => Content::seeded(seed, self.size),
            None => Content::zeros(self.size),
        }
    }
}

/// A listing: of these names, or of `count` names that start with `name`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListingSpec {
    pub keys: Vec<String>,
    pub count: u64,
    pub name: String,
    /// The most keys on one page.
    pub page_size: Option<usize>,
}

/// One thing that goes wrong.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Only with this key.
    #[serde(default)]
    pub key: Option<String>,
    /// Which requests.
    #[serde(default)]
    pub on: On,
    /// Only those that ask for this byte of the object; a fault of the body happens there.
    #[serde(default)]
    pub at: Option<u64>,
    /// Only those that ask for such a part of the object, or for such a page.
    #[serde(default)]
    pub part: Option<Part>,
    /// Only those that write the part of this number.
    #[serde(default)]
    pub number: Option<u64>,
    /// For requests that write: when it happens. Without it, it follows from what happens.
    #[serde(default)]
    pub when: Option<When>,
    /// So many such requests pass before the first that fails.
    #[serde(default)]
    pub skip: u64,
    /// How many such requests fail; `null` is for ever.
    #[serde(default = "once")]
    pub times: Option<u64>,
    /// A fault of the body happens after so many of its bytes. Without `at`, `after` and `find`: in
    /// its middle.
    #[serde(default)]
    pub after: Option<u64>,
    /// A fault of the body happens where it says this first, or so many bytes `after`.
    #[serde(default)]
    pub find: Option<String>,
    /// What happens.
    pub what: What,
}

#[expect(clippy::unnecessary_wraps, reason = "the field's default")]
fn once() -> Option<u64> {
    Some(1)
}

/// Which requests a fault is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum On {
    /// GET of an object.
    #[default]
    Get,
    /// HEAD of an object.
    Head,
    /// A listing.
    List,
    /// All of the above.
    Any,
    /// PUT of an object in one request.
    Put,
    /// The start of an upload in parts.
    Create,
    /// A part of an upload.
    Part,
    /// The end of an upload, which makes the object.
    Complete,
    /// The end of an upload that makes nothing.
    Abort,
    /// A copy in one request.
    Copy,
    /// A part of an upload that is copied.
    CopyPart,
    /// DELETE of an object.
    Delete,
    /// DELETE of many.
    DeleteMany,
    /// A listing of versions.
    Versions,
    /// A listing of uploads that are under way.
    Uploads,
    /// A listing of the parts of an upload.
    Parts,
    /// All that write.
    Write,
}

impl On {
    /// Whether it changes what the server holds.
    pub fn writes(self) -> bool {
        !matches!(
            self,
            Self::Get
                | Self::Head
                | Self::List
                | Self::Any
                | Self::Versions
                | Self::Uploads
                | Self::Parts
        )
    }

    /// Whether a fault for these is for such a request.
    pub fn means(self, of: Self) -> bool {
        match self {
            Self::Any => matches!(of, Self::Get | Self::Head | Self::List),
            Self::Write => of.writes(),
            one => one == of,
        }
    }
}

/// When something goes wrong with a request that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// Before the body is read.
    Before,
    /// When `after` bytes of the body were read; without `after`: half of it.
    Within,
    /// When the body was read; nothing is done.
    Read,
    /// When it was done: its answer is lost.
    Done,
    /// In the answer, as for requests that read.
    Answer,
}

/// A part of an object by the range that is asked for, or a page of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// With the first byte or entry.
    First,
    /// With neither the first nor the last.
    Middle,
    /// With the last.
    Last,
}

/// What goes wrong.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[serde(deny_unknown_fields)]
pub enum What {
    /// In the body: the connection is reset.
    Reset,
    /// In the body: the connection ends in an orderly way.
    Close,
    /// In the body: silence for so long, or for ever.
    Stall {
        #[serde(default)]
        ms: Option<u64>,
    },
    /// In the body: from there on a byte every so often.
    Dribble { ms: u64 },
    /// In the body: one bit is another.
    Flip,
    /// Behind the body: more than promised.
    Extra { text: String },
    /// Before the head: silence for so long, or for ever.
    Silent {
        #[serde(default)]
        ms: Option<u64>,
    },
    /// Another answer: an error of S3, unless it says another body.
    Status {
        status: u16,
        #[serde(default)]
        code: Option<String>,
        #[serde(default)]
        headers: Vec<(String, String)>,
        #[serde(default)]
        body: Option<String>,
    },
    /// The object changes before the answer. `honour` tells whether `If-Match` is obeyed from now on.
    Change {
        #[serde(default = "yes")]
        honour: bool,
    },
    /// The range is another than the one asked for, or this.
    ContentRange {
        #[serde(default)]
        value: Option<String>,
    },
    /// The body's length is not told: it ends with the connection, or comes in chunks.
    NoLength {
        #[serde(default)]
        chunked: bool,
    },
    /// The head is not what it should be.
    Head(HeadFault),
    /// Some keys of a DELETE of many are refused: those that have this in them.
    Refuse {
        text: String,
        #[serde(default)]
        code: Option<String>,
    },
}

impl Fault {
    /// When it happens to a request that writes.
    pub fn when(&self) -> When {
        self.when.unwrap_or(match self.what {
            What::Reset | What::Close | What::Stall { .. } | What::Flip | What::Dribble { .. } => {
                When::Within
            }
            What::Silent { .. } | What::Status { .. } => When::Read,
            _ => When::Answer,
        })
    }
}

fn yes() -> bool {
    true
}

/// Changes of a head, in this order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeadFault {
    /// Another status line.
    pub line: Option<String>,
    /// Headers with another value, or with none at all.
    pub set: BTreeMap<String, Option<String>>,
    /// Headers more, perhaps a second time.
    pub add: Vec<(String, String)>,
    /// One header more, of so many bytes.
    pub pad: Option<usize>,
    /// So many headers more.
    pub count: Option<usize>,
    /// These bytes instead of all, one for each character.
    pub raw: Option<String>,
    /// Only so many of its bytes, then the end.
    pub cut: Option<usize>,
    /// How it ends where it is cut.
    pub then: End,
    /// One byte every so many milliseconds.
    pub dribble: Option<u64>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// In an orderly way.
    #[default]
    Close,
    /// By a reset.
    Reset,
    /// Not before the other side ends it.
    Stall,
}

impl Part {
    /// Whether this is such a part of a whole.
    pub fn fits(self, start: u64, end: u64, whole: u64) -> bool {
        match self {
            Self::First => start == 0,
            Self::Middle => start > 0 && end < whole,
            Self::Last => end >= whole,
        }
    }
}
