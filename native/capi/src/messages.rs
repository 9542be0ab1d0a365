//! What crosses as JSON: requests down, results and error details up.
//!
//! `ffi/messages.ts` carries the same types, rendered from here. This file is part of the
//! hash that both sides compare.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, UNIX_EPOCH};

use dipper_core as core;
use dipper_table::{Dialect, Format};
use dipper_wire::{Algorithm, LengthPrefix, SumAlgorithm};
use serde::{Deserialize, Serialize};
#[cfg(test)]
use ts_rs::TS;

/// How a client behaves.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientRequest {
    pub region: Option<String>,
    pub endpoint: Option<String>,
    pub path_style: Option<bool>,
    pub profile: Option<String>,
    pub credentials: CredentialsMessage,
    pub ca_certificates: Option<String>,
    /// Trusted where `ca_certificates` is not set.
    pub ca_bundle: Option<CaBundleMessage>,
    /// Milliseconds.
    pub connect_timeout: Option<u32>,
    /// Milliseconds.
    pub stall_timeout: Option<u32>,
    pub retries: Option<u32>,
    /// Bytes.
    pub memory_budget: Option<u64>,
    /// How many connections one client keeps to a host.
    pub connections: Option<u32>,
    /// Bytes.
    pub part_size: Option<u64>,
    pub transport: Option<TransportMessage>,
    pub checksums: Option<ChecksumsMessage>,
    /// Who is told what happens.
    pub logger: Option<LoggerMessage>,
    /// Hosts that IPv6 reaches, too.
    pub dual_stack: Option<bool>,
    /// Hosts with validated cryptography.
    pub fips: Option<bool>,
    /// Hosts near the caller.
    pub accelerate: Option<bool>,
    /// The requester pays.
    pub requester_pays: Option<bool>,
    /// What the credential chain may see as the client is made.
    pub surroundings: SurroundingsMessage,
    /// The function that looks again.
    pub look: u64,
}

/// A file of certificates that the environment or a profile names.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaBundleMessage {
    pub path: String,
    /// Who names it.
    pub by: String,
    /// What it holds.
    pub text: String,
}

/// What the credential chain may see.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(deny_unknown_fields)]
pub struct SurroundingsMessage {
    /// Environment variables that may be read, by name.
    pub variables: HashMap<String, String>,
    /// Files that may be read, by path.
    pub files: HashMap<String, String>,
    /// Steps of the credential chain that are not allowed.
    pub skipped: Vec<String>,
}

/// What a function of the program gave, or why it failed.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum AnswerMessage<T> {
    Given(T),
    Failed(String),
}

/// Credentials that a function of the program gave.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct GivenCredentialsMessage {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
    /// Milliseconds since 1970.
    pub expiration: Option<f64>,
}

/// A role to assume.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct RoleMessage {
    pub role_arn: String,
    pub external_id: Option<String>,
    pub session_name: Option<String>,
    /// Seconds.
    pub duration: Option<u32>,
    pub source: Box<CredentialsMessage>,
}

/// How much is told.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum LogLevelMessage {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Who is told what happens, and how much of it.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct LoggerMessage {
    /// What names the logger in its isolate.
    pub id: f64,
    pub level: LogLevelMessage,
}

/// What happened.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct LogRecordMessage {
    /// Milliseconds since 1970.
    pub time: f64,
    pub level: LogLevelMessage,
    pub target: String,
    pub message: String,
    /// The operation in which it happened.
    pub operation: &'static str,
    /// To what, how long it took, and so on.
    #[cfg_attr(test, ts(type = "Record<string, string | number | boolean>"))]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// Where credentials come from.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum CredentialsMessage {
    Chain,
    Anonymous,
    Explicit {
        access_key_id: String,
        secret_access_key: String,
        session_token: Option<String>,
    },
    /// What a function of the program gives.
    Function {
        function: u64,
    },
    Role(RoleMessage),
}

/// Which way bodies take.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum TransportMessage {
    Direct,
    Sdk,
    Http,
    File,
}

/// How much is done to see that bytes arrive as they were stored.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum ChecksumsMessage {
    /// Sums that can be taken while parts arrive in any order.
    Auto,
    /// Also those that need the bytes in order.
    Full,
    Off,
}

/// What is read.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(tag = "scheme", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SourceMessage {
    S3 {
        bucket: String,
        key: String,
        version_id: Option<String>,
        /// The size, where a listing told it.
        size: Option<u64>,
        /// The base64 of 32 bytes.
        #[cfg_attr(test, ts(as = "Option<String>", optional))]
        customer_key: Option<CustomerKeyMessage>,
    },
    Http {
        url: String,
    },
    File {
        path: String,
    },
}

/// Where lines or messages come from.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FeedMessage {
    /// An object, a page or a file.
    Object { source: SourceMessage, span: SpanMessage, if_match: Option<String> },
    /// A buffer.
    Memory {
        buffer: f64,
        /// As errors name it; its end may tell how it is compressed.
        shown: String,
        /// Its `Content-Encoding`.
        encoding: Option<String>,
    },
    /// A server that is connected to.
    Tcp { host: String, port: u16 },
    /// A socket of this machine.
    Unix { path: String },
    /// Standard input.
    StandardInput,
    /// A topic of Kafka.
    Topic {
        host: String,
        port: u16,
        topic: String,
        /// Whether only what comes from now on is read.
        latest: bool,
        /// Whether it ends behind what is there now.
        to_the_end: bool,
        /// It ends after so many records.
        limit: Option<u64>,
        partition: Option<i32>,
        /// The most bytes of a record.
        most: u64,
    },
}

/// What becomes of the bytes.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum CutMessage {
    /// Lines of at most so many bytes.
    Lines { most: u64 },
    /// Messages of at most so many bytes.
    Frames { most: u64, length: LengthMessage },
    /// They come as they are.
    Not,
}

/// How the length of a message is written.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "lowercase")]
pub enum LengthMessage {
    U32be,
    U32le,
    Varint,
}

/// What text is.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum ContentMessage {
    /// UTF-8; what is not may be an error.
    Utf8 { strict: bool },
    /// Another encoding, by its label.
    Encoded { label: String },
}

/// How bytes are compressed.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum CompressionMessage {
    None,
    Gzip,
    Deflate,
    Zstd,
    Bzip2,
    Xz,
}

/// A file of a table of several.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableFileMessage {
    pub source: SourceMessage,
    /// Names and values that its folders tell.
    pub partitions: Vec<(String, Option<String>)>,
}

/// What a caller tells about the format of a file with columns.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct DialectMessage {
    /// Found out when unset.
    format: Option<String>,
    /// One character.
    delimiter: Option<String>,
    /// One character, or none at all.
    quote: Option<String>,
    escape: Option<String>,
    comment: Option<String>,
    header: Option<bool>,
    skip: Option<u64>,
    names: Option<Vec<String>>,
    /// Names and types.
    types: Option<Vec<(String, String)>>,
    null_values: Option<Vec<String>>,
    infer_bytes: Option<u64>,
    encoding: Option<String>,
    compression: Option<CompressionMessage>,
}

impl DialectMessage {
    /// What is meant.
    pub(crate) fn read(self) -> Result<(Option<Format>, Dialect), core::Error> {
        let format = self.format.as_deref().map(Format::named).transpose()?;
        let dialect = Dialect {
            delimiter: character("delimiter", self.delimiter.as_deref())?,
            quote: match self.quote.as_deref() {
                None => None,
                Some("") => Some(None),
                Some(quote) => Some(character("quote", Some(quote))?),
            },
            escape: character("escape", self.escape.as_deref())?,
            comment: character("comment", self.comment.as_deref())?,
            header: self.header,
            skip: self.skip.unwrap_or_default(),
            names: self.names,
            types: self.types.unwrap_or_default(),
            null_values: self.null_values.unwrap_or_default(),
            infer_bytes: self.infer_bytes,
            encoding: self.encoding,
            compression: self.compression.map(Into::into),
        };
        Ok((format, dialect))
    }
}

/// The one character that an option of a dialect is.
fn character(what: &str, given: Option<&str>) -> Result<Option<u8>, core::Error> {
    match given.map(str::as_bytes) {
        None => Ok(None),
        Some([byte]) if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(Some(*byte)),
        Some(_) => Err(core::Error::invalid(format!("{what} is not one character of ASCII"))
            .hint(format!("give one, such as {{ {what}: \"|\" }}"))),
    }
}

/// A file that was opened to be read as batches.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct TableMessage {
    pub stat: StatMessage,
    /// How many rows there are, where that is known beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<f64>,
    /// How many bytes are read in all, at the most, where that is known beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    pub metrics: MetricsMessage,
}

/// A batch of columns, in the order of Arrow IPC; the values of a dictionary follow its keys.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct ColumnsMessage {
    /// How many rows it has; unset at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<f64>,
    /// Length and count of nulls of each array, parents before their children.
    pub nodes: Vec<(f64, f64)>,
    /// Which item each part of the arrays is; -1 for nothing.
    pub regions: Vec<f64>,
    /// How many regions with the bytes of views each array of views has.
    pub variadic: Vec<f64>,
    pub metrics: MetricsMessage,
}

impl ColumnsMessage {
    /// There are no more.
    #[must_use]
    pub fn end(metrics: MetricsMessage) -> Self {
        let (nodes, regions, variadic) = (Vec::new(), Vec::new(), Vec::new());
        Self { rows: None, nodes, regions, variadic, metrics }
    }
}

/// The formats that tables are written in.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum TableFormatMessage {
    Parquet,
    Arrow,
    ArrowStream,
    Csv,
    Ndjson,
    Json,
}

/// How a table is written.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct EncodingMessage {
    /// The format's own default when unset.
    pub compression: Option<String>,
    /// Of Parquet.
    pub row_group_rows: Option<f64>,
    /// Of CSV: one byte.
    pub delimiter: Option<u8>,
    /// Of CSV: whether it begins with the names.
    pub header: Option<bool>,
    /// Of CSV: what stands for null.
    pub null_value: Option<String>,
    /// Whether dictionaries are written as the values that they stand for.
    pub plain: bool,
}

/// A source of lines or messages that was opened.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct OpenedLinesMessage {
    /// Whether batches are cut before they are asked for: `dipper_lines_take` may have one, and all
    /// have memory of their own.
    pub ahead: bool,
    /// What opening it took.
    pub metrics: MetricsMessage,
}

/// What a batch of lines or messages holds.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct BatchMessage {
    /// How many elements.
    pub elements: f64,
    /// Whether it is the last one.
    pub ended: bool,
    /// The next element needs a target of so many bytes; the batch is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<f64>,
    /// Some element has a line feed in it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(as = "Option<bool>", optional))]
    pub inner_line_feed: bool,
    /// How many bytes the source gave so far.
    pub taken: f64,
    /// Whether batches are still cut before they are asked for.
    pub ahead: bool,
    /// At the end, and where progress was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetricsMessage>,
}

/// A request and the hosts (`name:port`) that were granted for it beforehand.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    pub granted: Vec<String>,
    /// Boxed: some requests are large, and most operations are moved several times.
    pub request: Box<Request>,
}

/// One object, or one version of it.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct ObjectMessage {
    pub client: f64,
    pub bucket: String,
    pub key: String,
    pub version_id: Option<String>,
    /// The base64 of 32 bytes.
    #[cfg_attr(test, ts(as = "Option<String>", optional))]
    pub customer_key: Option<CustomerKeyMessage>,
}

/// The base64 of 32 bytes, checked as it is read.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct CustomerKeyMessage(pub(crate) core::CustomerKey);

impl TryFrom<String> for CustomerKeyMessage {
    type Error = core::Error;

    fn try_from(text: String) -> Result<Self, core::Error> {
        core::CustomerKey::from_base64(&text).map(Self)
    }
}

/// What a write says about the object beside its bytes.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WriteMessage {
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub content_disposition: Option<String>,
    pub cache_control: Option<String>,
    /// Milliseconds since 1970.
    pub expires: Option<i64>,
    pub metadata: BTreeMap<String, String>,
    pub tags: Option<BTreeMap<String, String>>,
    pub storage_class: Option<String>,
    pub acl: Option<String>,
    pub encryption: Option<EncryptionMessage>,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub checksum: Option<WriteChecksumMessage>,
    /// Bytes.
    pub part_size: Option<u64>,
}

/// How the server is to encrypt an object.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EncryptionMessage {
    S3,
    Kms {
        key_id: Option<String>,
        context: Option<BTreeMap<String, String>>,
        bucket_key: Option<bool>,
    },
    Customer {
        #[cfg_attr(test, ts(type = "string"))]
        key: CustomerKeyMessage,
    },
}

/// What the bytes of a write are verified with.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "lowercase")]
pub enum WriteChecksumMessage {
    Crc64nvme,
    Crc32,
    Crc32c,
    Sha1,
    Sha256,
    None,
}

/// What a content is summed by.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "lowercase")]
pub enum SumMessage {
    Fnv1a64,
    Crc32,
    Crc32c,
    Crc64nvme,
    Sha1,
    Sha256,
}

impl From<SumMessage> for SumAlgorithm {
    fn from(sum: SumMessage) -> Self {
        Self::Kept(match sum {
            SumMessage::Fnv1a64 => return Self::Fnv1a64,
            SumMessage::Crc32 => Algorithm::Crc32,
            SumMessage::Crc32c => Algorithm::Crc32c,
            SumMessage::Crc64nvme => Algorithm::Crc64Nvme,
            SumMessage::Sha1 => Algorithm::Sha1,
            SumMessage::Sha256 => Algorithm::Sha256,
        })
    }
}

/// Which bytes of an object.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum SpanMessage {
    Whole,
    Range { start: u64, end: Option<u64> },
    Last { count: u64 },
}

/// Refuses a body of more bytes, and says what to do instead.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct LimitMessage {
    pub bytes: u64,
    pub hint: String,
}

/// What the holder of a signed URL may do.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "UPPERCASE")]
pub enum PresignMethodMessage {
    Get,
    Head,
    Put,
    Delete,
}

/// What a read is answered with, instead of the object's own headers.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct ResponseHeadersMessage {
    pub content_type: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub cache_control: Option<String>,
    /// Milliseconds since 1970.
    pub expires: Option<i64>,
}

/// What to do.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(tag = "operation", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Request {
    /// Nothing: measures the way there and back.
    Nothing,
    /// Panics on purpose, so that a test can see what becomes of a panic.
    Panic,
    /// Reads an object. The result's `value` is a buffer, its payload a `ReadMessage`.
    Get {
        client: Option<f64>,
        source: SourceMessage,
        span: SpanMessage,
        if_match: Option<String>,
        limit: Option<LimitMessage>,
        /// Maps a file instead of reading it.
        map: Option<bool>,
        progress: bool,
    },
    /// Reads several ranges of an object: an item each, then a `ReadMessage`.
    Ranges {
        client: Option<f64>,
        source: SourceMessage,
        /// From a byte to before another.
        ranges: Vec<(u64, u64)>,
        /// Neighbours that are no further apart share a request.
        gap: u64,
        if_match: Option<String>,
        progress: bool,
    },
    /// Reads many objects: an item each, failures among them, then a `MetricsMessage`.
    GetMany { client: Option<f64>, sources: Vec<SourceMessage>, ordered: bool, progress: bool },
    /// Writes objects to files below a directory: an item each, failures among them, then a
    /// `MetricsMessage`.
    DownloadFiles {
        client: f64,
        bucket: String,
        /// The base64 of 32 bytes.
        #[cfg_attr(test, ts(as = "Option<String>", optional))]
        customer_key: Option<CustomerKeyMessage>,
        directory: String,
        files: Vec<FileToWriteMessage>,
        progress: bool,
    },
    /// Sends files below a directory: an item each, failures among them, then a
    /// `MetricsMessage`.
    UploadFiles {
        client: f64,
        bucket: String,
        directory: String,
        files: Vec<FileToSendMessage>,
        write: WriteMessage,
        progress: bool,
    },
    /// Compares files with objects by their checksums: an item each, whose extent is 1 when both
    /// are known to hold the same.
    CompareFiles {
        client: f64,
        bucket: String,
        /// The base64 of 32 bytes.
        #[cfg_attr(test, ts(as = "Option<String>", optional))]
        customer_key: Option<CustomerKeyMessage>,
        directory: String,
        files: Vec<FileToCompareMessage>,
    },
    /// Removes files below a directory, and the folders that are empty then: an item each.
    RemoveFiles { directory: String, paths: Vec<String> },
    /// Looks at all that is below a directory: items that are buffers of `TreeEntryMessage[]`,
    /// and what could not be looked at, then a `ScannedMessage`.
    ScanTree {
        directory: String,
        /// Removes what a killed run left behind.
        clean: bool,
    },
    /// Starts to read in order, once the head is there: `value` is a stream, the payload a
    /// `ReadMessage`, `extent` how many bytes will come.
    OpenStream {
        client: Option<f64>,
        source: SourceMessage,
        span: SpanMessage,
        if_match: Option<String>,
        progress: bool,
    },
    /// Fills a target with the next bytes of a stream; `extent` says how many, zero at the
    /// end. There, and where progress was asked for, the payload is a `MetricsMessage`.
    ReadStream { stream: f64 },
    /// Sums the bytes of an object: the payload is the sum, in hexadecimal digits.
    Checksum {
        client: Option<f64>,
        source: SourceMessage,
        span: SpanMessage,
        if_match: Option<String>,
        algorithm: SumMessage,
        progress: bool,
    },
    /// Opens a source of lines or messages: `value` is a stream, `extent` how many bytes the
    /// source has, or -1 where nobody tells. An `OpenedLinesMessage`.
    OpenLines {
        client: f64,
        feed: FeedMessage,
        cut: CutMessage,
        /// What the elements are; bytes when unset.
        content: Option<ContentMessage>,
        /// Found out when unset.
        compression: Option<CompressionMessage>,
        /// Milliseconds; 0 waits for ever.
        stall_timeout: Option<u32>,
        progress: bool,
    },
    /// Fills a target with the next elements of a source, or without one brings them as a buffer,
    /// if they have bytes; `extent` says how many. A `BatchMessage`.
    ReadLines { stream: f64 },
    /// Opens a file that is read as batches of columns: `value` is a stream, the payload a
    /// `TableMessage`, item 0 the schema as Arrow IPC.
    OpenBatches {
        client: Option<f64>,
        source: SourceMessage,
        /// The files, this one first, that are read as one; it stands alone when unset.
        files: Option<Vec<TableFileMessage>>,
        /// The columns that are wanted, in this order; all of them when unset.
        columns: Option<Vec<String>>,
        /// A condition on the rows that are wanted; all of them when unset.
        filter: Option<String>,
        /// No more rows than this.
        limit: Option<u64>,
        /// 64-bit integers become 64-bit floating-point numbers.
        int64_as_float64: bool,
        /// Its format, and how it is written; found out when unset.
        dialect: Option<DialectMessage>,
        progress: bool,
    },
    /// Decodes the next batch: an item for each buffer, then a `ColumnsMessage`.
    NextBatch { stream: f64 },
    /// Asks for an object's properties: a `StatMessage`.
    Stat { client: Option<f64>, source: SourceMessage },
    /// Writes an object from a buffer, in one request or in parts: a `WrittenMessage`.
    Put {
        object: ObjectMessage,
        /// A buffer; an empty object when unset.
        buffer: Option<f64>,
        write: WriteMessage,
        progress: bool,
    },
    /// Prepares an upload whose bytes come with `uploadWrite`: `value` is the upload.
    OpenUpload {
        object: ObjectMessage,
        write: WriteMessage,
        /// How many bytes will come, where that is known.
        size: Option<u64>,
        /// The folder where parts lie that are too large for memory, in files without a name. They
        /// lie in memory all the same when it is unset, or cannot be written.
        scratch: Option<String>,
        progress: bool,
    },
    /// Waits until an upload takes bytes; `extent` says how many. Where progress was asked
    /// for, the payload is a `MetricsMessage`.
    UploadRoom { upload: f64 },
    /// Sends what is left of an upload and waits until the object is there: a
    /// `WrittenMessage`.
    FinishUpload { upload: f64 },
    /// Makes an upload a file of columns: what is written from now on are batches.
    EncodeTable { upload: f64, format: TableFormatMessage, encoding: EncodingMessage },
    /// Encodes the batch that was written: a stream of Arrow IPC. It ends when the next may come.
    /// Where progress was asked for, the payload is a `MetricsMessage`.
    EncodeBatch { upload: f64 },
    /// Ends the file of columns that an upload is. `FinishUpload` comes next.
    EncodeEnd { upload: f64 },
    /// Waits until an upload takes no more bytes, and tells why: for who has nothing to bring
    /// meanwhile.
    UploadClosed { upload: f64 },
    /// Deletes an object; only that with an ETag, where one is named.
    Delete { object: ObjectMessage, if_match: Option<String> },
    /// Deletes up to a thousand objects of a bucket: a `DeletedMessage`.
    DeleteMany { client: f64, bucket: String, objects: Vec<NameMessage> },
    /// Asks for an object's tags: a record of texts.
    Tags { object: ObjectMessage },
    /// Replaces an object's tags.
    ReplaceTags { object: ObjectMessage, tags: BTreeMap<String, String> },
    /// Copies an object within the server, or moves it: a `StatMessage` of the copy. The source
    /// may be a version.
    Copy {
        object: ObjectMessage,
        bucket: String,
        key: String,
        write: WriteMessage,
        /// Whether the metadata of `write` replace the source's.
        replace_metadata: bool,
        /// Whether its tags do.
        replace_tags: bool,
        /// Whether the source is deleted when the copy is there.
        remove: bool,
        progress: bool,
    },
    /// Signs a URL: a string.
    Presign {
        object: ObjectMessage,
        method: PresignMethodMessage,
        /// Seconds.
        expires_in: Option<u32>,
        /// What a writer says of the object.
        write: WriteMessage,
        content_length: Option<u64>,
        response: ResponseHeadersMessage,
    },
    /// Ends an upload, and waits until nothing of it is left.
    AbortUpload { upload: f64 },
    /// Begins a local file whose bytes come with `uploadWrite`: `value` is an upload.
    OpenFile {
        client: Option<f64>,
        path: String,
        /// Fails when there is such a file.
        exclusive: bool,
        progress: bool,
    },
    /// Writes an object from a local file: a `WrittenMessage`.
    UploadFile { object: ObjectMessage, path: String, write: WriteMessage, progress: bool },
    /// Writes a local file, whole or not at all: a `WrittenMessage`.
    WriteFile {
        client: Option<f64>,
        path: String,
        /// A buffer; an empty file when unset.
        buffer: Option<f64>,
        /// Fails when there is such a file.
        exclusive: bool,
        progress: bool,
    },
    /// Copies a local file: a `WrittenMessage`.
    CopyFile { client: Option<f64>, from: String, to: String, exclusive: bool, progress: bool },
    /// Moves a local file: a `WrittenMessage`.
    MoveFile { client: Option<f64>, from: String, to: String, exclusive: bool, progress: bool },
    /// Deletes a local file.
    DeleteFile { client: Option<f64>, path: String },
    /// Lists some pages: a `PageMessage`.
    List {
        client: f64,
        bucket: String,
        prefix: String,
        what: ListableMessage,
        delimiter: Option<String>,
        owner: bool,
        place: PlaceMessage,
        page_size: Option<u32>,
        /// At most so many pages.
        pages: u32,
    },
    /// Finds out why a bucket or an object can be reached, or not: a `DiagnosisMessage`.
    Diagnose { client: f64, bucket: String, key: String },
    /// Ends an upload in parts that is not complete; its parts are gone then.
    AbortIncomplete { object: ObjectMessage, upload_id: String },
    /// Lists the buckets: `BucketMessage[]`.
    Buckets { client: f64 },
    /// Makes a bucket, one that keeps versions if that is wanted.
    CreateBucket { client: f64, bucket: String, versioning: Option<bool> },
    /// Removes an empty bucket.
    DeleteBucket { client: f64, bucket: String },
    /// Asks where a bucket lives: a `RegionMessage`.
    BucketRegion { client: f64, bucket: String },
    /// Reads a table of vectors from a `.npy` file: `value` is the table, `extent` how many
    /// vectors it has, the payload a `ReadMessage`.
    LoadTable { client: Option<f64>, source: SourceMessage, progress: bool },
    /// Writes a table to an object as a `.npy` file: a `WrittenMessage`.
    SaveTable { object: ObjectMessage, table: f64, write: WriteMessage, progress: bool },
    /// Writes a table to a local `.npy` file, whole or not at all: a `WrittenMessage`.
    SaveTableFile {
        client: Option<f64>,
        table: f64,
        path: String,
        /// Fails when there is such a file.
        exclusive: bool,
        progress: bool,
    },
    /// Starts an embedded server: `value` is the server, the payload a `LocalS3Message`.
    StartLocalS3 { directory: Option<String>, port: u16 },
    /// Stops an embedded server.
    StopLocalS3 { server: f64 },
}

/// One object, and the file that it becomes.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct FileToWriteMessage {
    pub key: String,
    /// Below the directory. With a slash at its end: a folder, for which nothing is read.
    pub path: String,
    pub size: u64,
    /// Milliseconds since 1970.
    pub modified: Option<i64>,
    /// Whether a file that is there is replaced.
    pub replace: bool,
}

/// One file, and the object that it becomes.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct FileToSendMessage {
    pub path: String,
    pub key: String,
    pub size: u64,
    pub content_type: Option<String>,
}

/// A file and an object of the same size.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct FileToCompareMessage {
    pub path: String,
    pub key: String,
    pub etag: Option<String>,
}

/// What an entry of a directory is.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum TreeKindMessage {
    File,
    Folder,
    Link,
    Other,
}

/// One entry of a tree: its path below the directory, what it is, its size in bytes, and when
/// it was changed, in milliseconds since 1970.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct TreeEntryMessage(String, TreeKindMessage, u64, i64);

/// What became of a scan.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct ScannedMessage {
    /// Whether the directory is there.
    pub exists: bool,
    /// How many files of a killed run were removed.
    pub removed: u32,
}

/// What a server tells about an object.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct StatMessage {
    pub size: u64,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    pub metadata: BTreeMap<String, String>,
}

/// What an operation did.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct MetricsMessage {
    pub bytes: u64,
    pub parts: u32,
    pub retries: u32,
    /// Milliseconds from the start to the first byte of a body.
    pub time_to_first_byte: f64,
    pub connections_opened: u32,
    pub requests: u32,
    /// US dollars, at the list price of S3 Standard.
    pub estimated_cost: f64,
    /// Bytes that were copied in user space on their way.
    pub copies: u64,
    pub transport: TransportMessage,
    /// The algorithm that the bytes were verified with, or `none`.
    pub verified: &'static str,
}

/// What was read, and how.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct ReadMessage {
    pub stat: StatMessage,
    pub metrics: MetricsMessage,
}

/// What was written, and how.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct WrittenMessage {
    pub stat: StatMessage,
    pub metrics: MetricsMessage,
}

/// What a listing is of.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum ListableMessage {
    Objects,
    Versions,
    Uploads,
}

/// Where a listing goes on; with nothing set, at its start.
#[derive(Deserialize, Serialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct PlaceMessage {
    /// What the server gave to go on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Behind this key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Behind this version or upload of that key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_id: Option<String>,
    /// `after` is a prefix: behind all that it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_group: Option<bool>,
    /// What comes before it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<bool>,
}

/// Whose something is.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct OwnerMessage {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// Some pages of a listing, column by column. A column that is missing has nothing to say of
/// any line; an empty text has nothing to say of its line.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct PageMessage {
    /// Keys, and the prefixes of groups.
    pub names: Vec<String>,
    /// Bytes; -1 for a group.
    pub sizes: Vec<i64>,
    /// Milliseconds since 1970.
    pub times: Vec<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etags: Option<Vec<String>>,
    /// Of versions or uploads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// 1: the latest version; 2: a delete marker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<u8>>,
    /// Storage classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Which class a line has, -1 for none; missing where all have the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_of: Option<Vec<i32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owners: Option<Vec<OwnerMessage>>,
    /// As `class_of`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_of: Option<Vec<i32>>,
    /// Where the rest starts; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<PlaceMessage>,
}

/// A bucket.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct BucketMessage {
    pub name: String,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// What was found out about a bucket or an object.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct DiagnosisMessage {
    pub place: String,
    pub region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<ErrorDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<ErrorDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<CallerMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_unknown: Option<ErrorDetails>,
    /// Milliseconds by which this machine's clock is ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skew: Option<i64>,
    pub verdicts: Vec<VerdictMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Who the caller is.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct CallerMessage {
    pub account: String,
    pub arn: String,
    pub user_id: String,
}

/// What came of one request.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub struct VerdictMessage {
    pub request: &'static str,
    pub uri: String,
    pub milliseconds: f64,
    /// A remark on what went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<ErrorDetails>,
    /// Why it was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// Where a bucket lives.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct RegionMessage {
    pub region: String,
}

/// An object of a bucket that is named apart, or one version of it.
#[derive(Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NameMessage {
    pub key: String,
    pub version_id: Option<String>,
}

/// What was not deleted of many.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct DeletedMessage {
    pub failures: Vec<FailureMessage>,
}

/// One of many that failed.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct FailureMessage {
    /// Its place in the request.
    pub index: usize,
    pub error: ErrorDetails,
}

/// How to reach an embedded server.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct LocalS3Message {
    pub endpoint: String,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: String,
}

/// A question to JavaScript.
#[derive(Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Question {
    /// May this host (`name:port`) be reached?
    Net { host: String },
    /// Please collect what is no longer used, before so many bytes are allocated.
    Collect { bytes: u64 },
    /// Please run this function; the answer is an `AnswerMessage`.
    Call { function: u64 },
    /// Please replace this file, where that is allowed.
    Keep { path: String, text: String },
}

/// What went wrong.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetails {
    pub status: u32,
    pub message: String,
    pub operation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    pub retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ErrorDetails {
    /// The details of an error, with the operation that met it.
    #[must_use]
    pub fn of(error: core::Error, operation: &str) -> Self {
        Self {
            status: error.status as u32,
            retryable: error.status.retryable(),
            message: error.message,
            operation: operation.to_owned(),
            uri: error.uri,
            http_status: error.http_status,
            request_id: error.request_id,
            hint: error.hint,
        }
    }
}

impl Request {
    /// Whether it reads, from whatever source.
    #[must_use]
    pub fn reads(&self) -> bool {
        matches!(
            self,
            Self::Get { .. }
                | Self::Ranges { .. }
                | Self::GetMany { .. }
                | Self::OpenStream { .. }
                | Self::ReadStream { .. }
                | Self::Checksum { .. }
                | Self::OpenLines { .. }
                | Self::ReadLines { .. }
                | Self::OpenBatches { .. }
                | Self::NextBatch { .. }
                | Self::Stat { .. }
        )
    }

    /// Whether it changes local files.
    #[must_use]
    pub fn changes_files(&self) -> bool {
        matches!(
            self,
            Self::WriteFile { .. }
                | Self::CopyFile { .. }
                | Self::MoveFile { .. }
                | Self::DeleteFile { .. }
                | Self::OpenFile { .. }
        )
    }

    /// Whether it is about a directory and what is below it.
    #[must_use]
    pub fn is_about_a_tree(&self) -> bool {
        matches!(
            self,
            Self::DownloadFiles { .. }
                | Self::UploadFiles { .. }
                | Self::CompareFiles { .. }
                | Self::RemoveFiles { .. }
                | Self::ScanTree { .. }
        )
    }

    /// Whether a server may keep parts of it when the process ends amid it.
    #[must_use]
    pub fn leaves_parts(&self) -> bool {
        matches!(
            self,
            Self::Put { .. }
                | Self::OpenUpload { .. }
                | Self::UploadFile { .. }
                | Self::UploadFiles { .. }
                | Self::Copy { .. }
                | Self::SaveTable { .. }
        )
    }

    /// Whether it is about a table of vectors.
    #[must_use]
    pub fn is_about_a_table(&self) -> bool {
        matches!(self, Self::LoadTable { .. } | Self::SaveTable { .. } | Self::SaveTableFile { .. })
    }

    /// The operation's name in errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Panic => "panic",
            Self::Get { .. } => "get",
            Self::Ranges { .. } => "ranges",
            Self::GetMany { .. } => "getMany",
            Self::DownloadFiles { .. } => "download",
            Self::UploadFiles { .. } => "upload",
            Self::CompareFiles { .. } | Self::RemoveFiles { .. } | Self::ScanTree { .. } => "sync",
            Self::OpenStream { .. } | Self::ReadStream { .. } => "stream",
            Self::Checksum { .. } => "checksum",
            Self::OpenLines { .. } | Self::ReadLines { .. } => "lines",
            Self::OpenBatches { .. } | Self::NextBatch { .. } => "table",
            Self::Stat { .. } => "stat",
            Self::Presign { .. } => "presign",
            Self::Put { .. }
            | Self::OpenUpload { .. }
            | Self::OpenFile { .. }
            | Self::UploadRoom { .. }
            | Self::FinishUpload { .. }
            | Self::UploadClosed { .. }
            | Self::AbortUpload { .. }
            | Self::WriteFile { .. } => "write",
            Self::EncodeTable { .. } | Self::EncodeBatch { .. } | Self::EncodeEnd { .. } => {
                "writeTable"
            }
            Self::LoadTable { .. } => "load",
            Self::SaveTable { .. } | Self::SaveTableFile { .. } => "save",
            Self::Delete { .. } | Self::DeleteFile { .. } => "delete",
            Self::Copy { remove: true, .. } | Self::MoveFile { .. } => "moveTo",
            Self::Copy { .. } | Self::CopyFile { .. } | Self::UploadFile { .. } => "copyTo",
            Self::List { what: ListableMessage::Uploads, .. } => "incompleteUploads",
            Self::DeleteMany { .. } => "deleteMany",
            Self::Tags { .. } | Self::ReplaceTags { .. } => "tags",
            Self::List { .. } => "list",
            Self::Diagnose { .. } => "diagnose",
            Self::AbortIncomplete { .. } => "abortUpload",
            Self::Buckets { .. } => "buckets",
            Self::CreateBucket { .. } => "createBucket",
            Self::DeleteBucket { .. } => "deleteBucket",
            Self::BucketRegion { .. } => "bucketRegion",
            Self::StartLocalS3 { .. } => "LocalS3.start",
            Self::StopLocalS3 { .. } => "LocalS3.stop",
        }
    }

    /// The client that the operation goes through.
    #[must_use]
    pub fn client(&self) -> Option<f64> {
        match self {
            Self::Put { object, .. }
            | Self::OpenUpload { object, .. }
            | Self::UploadFile { object, .. }
            | Self::Delete { object, .. }
            | Self::AbortIncomplete { object, .. }
            | Self::Tags { object }
            | Self::ReplaceTags { object, .. }
            | Self::Copy { object, .. }
            | Self::SaveTable { object, .. }
            | Self::Presign { object, .. } => Some(object.client),
            Self::Get { client, .. }
            | Self::Ranges { client, .. }
            | Self::GetMany { client, .. }
            | Self::OpenStream { client, .. }
            | Self::Checksum { client, .. }
            | Self::OpenBatches { client, .. }
            | Self::Stat { client, .. }
            | Self::OpenFile { client, .. }
            | Self::WriteFile { client, .. }
            | Self::CopyFile { client, .. }
            | Self::MoveFile { client, .. }
            | Self::LoadTable { client, .. }
            | Self::SaveTableFile { client, .. }
            | Self::DeleteFile { client, .. } => *client,
            Self::OpenLines { client, .. }
            | Self::DownloadFiles { client, .. }
            | Self::UploadFiles { client, .. }
            | Self::CompareFiles { client, .. }
            | Self::List { client, .. }
            | Self::Diagnose { client, .. }
            | Self::Buckets { client }
            | Self::CreateBucket { client, .. }
            | Self::DeleteBucket { client, .. }
            | Self::BucketRegion { client, .. }
            | Self::DeleteMany { client, .. } => Some(*client),
            Self::Nothing
            | Self::Panic
            | Self::ReadStream { .. }
            | Self::ReadLines { .. }
            | Self::NextBatch { .. }
            | Self::UploadRoom { .. }
            | Self::FinishUpload { .. }
            | Self::UploadClosed { .. }
            | Self::EncodeTable { .. }
            | Self::EncodeBatch { .. }
            | Self::EncodeEnd { .. }
            | Self::AbortUpload { .. }
            | Self::RemoveFiles { .. }
            | Self::ScanTree { .. }
            | Self::StartLocalS3 { .. }
            | Self::StopLocalS3 { .. } => None,
        }
    }
}

impl From<ObjectMessage> for core::ObjectRef {
    fn from(object: ObjectMessage) -> Self {
        let ObjectMessage { client: _, bucket, key, version_id, customer_key } = object;
        Self { bucket, key, version_id, customer_key: customer_key.map(|key| key.0) }
    }
}

impl From<WriteMessage> for core::WriteOptions {
    fn from(write: WriteMessage) -> Self {
        Self {
            content_type: write.content_type,
            content_encoding: write.content_encoding,
            content_language: write.content_language,
            content_disposition: write.content_disposition,
            cache_control: write.cache_control,
            expires: write.expires,
            metadata: write.metadata,
            tags: write.tags.unwrap_or_default(),
            storage_class: write.storage_class,
            acl: write.acl,
            encryption: write.encryption.map(|encryption| match encryption {
                EncryptionMessage::S3 => core::Encryption::S3,
                EncryptionMessage::Kms { key_id, context, bucket_key } => core::Encryption::Kms {
                    key_id,
                    context: context.unwrap_or_default(),
                    bucket_key,
                },
                EncryptionMessage::Customer { key } => core::Encryption::Customer(key.0),
            }),
            if_match: write.if_match,
            if_none_match: write.if_none_match,
            checksum: write.checksum.map_or(core::ChecksumOption::Auto, |checksum| {
                core::ChecksumOption::Only(match checksum {
                    WriteChecksumMessage::None => return core::ChecksumOption::Off,
                    WriteChecksumMessage::Crc64nvme => Algorithm::Crc64Nvme,
                    WriteChecksumMessage::Crc32 => Algorithm::Crc32,
                    WriteChecksumMessage::Crc32c => Algorithm::Crc32c,
                    WriteChecksumMessage::Sha1 => Algorithm::Sha1,
                    WriteChecksumMessage::Sha256 => Algorithm::Sha256,
                })
            }),
            part_size: write.part_size,
        }
    }
}

impl From<core::Written> for WrittenMessage {
    fn from(written: core::Written) -> Self {
        Self { stat: written.stat.into(), metrics: written.metrics.into() }
    }
}

impl From<PresignMethodMessage> for core::PresignMethod {
    fn from(method: PresignMethodMessage) -> Self {
        match method {
            PresignMethodMessage::Get => Self::Get,
            PresignMethodMessage::Head => Self::Head,
            PresignMethodMessage::Put => Self::Put,
            PresignMethodMessage::Delete => Self::Delete,
        }
    }
}

impl From<ResponseHeadersMessage> for core::ResponseHeaders {
    fn from(headers: ResponseHeadersMessage) -> Self {
        Self {
            content_type: headers.content_type,
            content_disposition: headers.content_disposition,
            content_encoding: headers.content_encoding,
            content_language: headers.content_language,
            cache_control: headers.cache_control,
            expires: headers.expires,
        }
    }
}

impl From<NameMessage> for core::ObjectName {
    fn from(name: NameMessage) -> Self {
        Self { key: name.key, version_id: name.version_id }
    }
}

impl DeletedMessage {
    /// What was not deleted, and why.
    #[must_use]
    pub fn of(failures: Vec<(usize, core::Error)>) -> Self {
        let failures = failures.into_iter().map(|(index, error)| FailureMessage {
            index,
            error: ErrorDetails::of(error, "deleteMany"),
        });
        Self { failures: failures.collect() }
    }
}

impl From<SourceMessage> for core::Source {
    fn from(source: SourceMessage) -> Self {
        match source {
            SourceMessage::S3 { bucket, key, version_id, size, customer_key } => {
                let customer_key = customer_key.map(|key| key.0);
                let object = core::ObjectRef { bucket, key, version_id, customer_key };
                Self::Object { object, size }
            }
            SourceMessage::Http { url } => Self::Page(url),
            SourceMessage::File { path } => Self::File(path.into()),
        }
    }
}

impl From<FileToWriteMessage> for core::FileToWrite {
    fn from(file: FileToWriteMessage) -> Self {
        let FileToWriteMessage { key, path, size, modified, replace } = file;
        let existing = if replace { core::Existing::Replace } else { core::Existing::Refuse };
        Self { key, path, size, modified, existing }
    }
}

impl From<FileToSendMessage> for core::FileToSend {
    fn from(file: FileToSendMessage) -> Self {
        let FileToSendMessage { path, key, size, content_type } = file;
        Self { path, key, size, content_type }
    }
}

impl From<FileToCompareMessage> for core::FileToCompare {
    fn from(file: FileToCompareMessage) -> Self {
        let FileToCompareMessage { path, key, etag } = file;
        Self { path, key, etag }
    }
}

impl From<core::TreeEntry> for TreeEntryMessage {
    fn from(entry: core::TreeEntry) -> Self {
        let kind = match entry.kind {
            core::TreeKind::File => TreeKindMessage::File,
            core::TreeKind::Folder => TreeKindMessage::Folder,
            core::TreeKind::Link => TreeKindMessage::Link,
            core::TreeKind::Other => TreeKindMessage::Other,
        };
        Self(entry.path, kind, entry.size, entry.modified)
    }
}

impl From<core::Metrics> for MetricsMessage {
    fn from(metrics: core::Metrics) -> Self {
        Self {
            bytes: metrics.bytes,
            parts: metrics.parts,
            retries: metrics.retries,
            time_to_first_byte: metrics.time_to_first_byte * 1000.0,
            connections_opened: metrics.connections_opened,
            requests: metrics.requests,
            estimated_cost: metrics.estimated_cost,
            copies: metrics.copies,
            transport: match metrics.transport {
                core::Transport::Direct => TransportMessage::Direct,
                core::Transport::Sdk => TransportMessage::Sdk,
                core::Transport::Http => TransportMessage::Http,
                core::Transport::File => TransportMessage::File,
            },
            verified: metrics.verified.map_or("none", Algorithm::name),
        }
    }
}

impl From<SpanMessage> for core::Span {
    fn from(span: SpanMessage) -> Self {
        match span {
            SpanMessage::Whole => Self::Whole,
            SpanMessage::Range { start, end } => Self::Range { start, end },
            SpanMessage::Last { count } => Self::Last(count),
        }
    }
}

impl From<core::Stat> for StatMessage {
    fn from(stat: core::Stat) -> Self {
        Self {
            size: stat.size,
            last_modified: stat.last_modified,
            etag: stat.etag,
            content_type: stat.content_type,
            content_encoding: stat.content_encoding,
            content_language: stat.content_language,
            content_disposition: stat.content_disposition,
            cache_control: stat.cache_control,
            expires: stat.expires,
            version_id: stat.version_id,
            storage_class: stat.storage_class,
            metadata: stat.metadata,
        }
    }
}

impl From<ListableMessage> for core::Listable {
    fn from(what: ListableMessage) -> Self {
        match what {
            ListableMessage::Objects => Self::Objects,
            ListableMessage::Versions => Self::Versions,
            ListableMessage::Uploads => Self::Uploads,
        }
    }
}

impl From<core::Bucket> for BucketMessage {
    fn from(bucket: core::Bucket) -> Self {
        Self { name: bucket.name, created_at: bucket.created_at, region: bucket.region }
    }
}

impl From<ClientRequest> for core::ClientOptions {
    fn from(request: ClientRequest) -> Self {
        let milliseconds = |number: u32| Duration::from_millis(u64::from(number));
        Self {
            region: request.region,
            endpoint: request.endpoint,
            path_style: request.path_style,
            profile: request.profile,
            credentials: request.credentials.into(),
            ca_certificates: request.ca_certificates,
            ca_bundle: request.ca_bundle.map(|CaBundleMessage { path, by, text }| core::CaBundle {
                path,
                by,
                text,
            }),
            connect_timeout: request.connect_timeout.map(milliseconds),
            stall_timeout: request.stall_timeout.map(milliseconds),
            retries: request.retries,
            memory_budget: request.memory_budget,
            connections: request.connections.map(|connections| connections as usize),
            part_size: request.part_size,
            transport: match request.transport {
                Some(TransportMessage::Sdk) => core::TransportOption::Sdk,
                _ => core::TransportOption::Direct,
            },
            checksums: match request.checksums {
                None | Some(ChecksumsMessage::Auto) => core::Checksums::Auto,
                Some(ChecksumsMessage::Full) => core::Checksums::Full,
                Some(ChecksumsMessage::Off) => core::Checksums::Off,
            },
            logger: None,
            dual_stack: request.dual_stack,
            fips: request.fips,
            accelerate: request.accelerate.unwrap_or(false),
            requester_pays: request.requester_pays.unwrap_or(false),
            surroundings: request.surroundings.into(),
            look: Some(request.look),
        }
    }
}

impl From<core::Diagnosis> for DiagnosisMessage {
    fn from(found: core::Diagnosis) -> Self {
        let details = |error| ErrorDetails::of(error, "diagnose");
        let verdicts = found.verdicts.into_iter().map(|verdict| {
            let (note, failed, skipped) = match verdict.outcome {
                core::DiagnosisOutcome::Allowed(note) => (note, None, None),
                core::DiagnosisOutcome::Failed(error) => (None, Some(details(error)), None),
                core::DiagnosisOutcome::Skipped(why) => (None, None, Some(why)),
            };
            let core::Verdict { request, uri, milliseconds, .. } = verdict;
            VerdictMessage { request, uri, milliseconds, note, failed, skipped }
        });
        Self {
            place: found.place,
            region: found.region,
            bucket_region: found.bucket_region,
            configuration: found.configuration.map(details),
            provider: found.provider,
            expiration: found.expiration,
            credentials: found.credentials.map(details),
            caller: found.caller.map(|caller| CallerMessage {
                account: caller.account,
                arn: caller.arn,
                user_id: caller.user_id,
            }),
            caller_unknown: found.caller_unknown.map(details),
            skew: found.skew,
            verdicts: verdicts.collect(),
            remedy: found.remedy,
        }
    }
}

impl From<SurroundingsMessage> for core::Surroundings {
    fn from(seen: SurroundingsMessage) -> Self {
        Self { variables: seen.variables, files: seen.files, skipped: seen.skipped }
    }
}

impl From<CredentialsMessage> for core::CredentialsOption {
    fn from(credentials: CredentialsMessage) -> Self {
        match credentials {
            CredentialsMessage::Chain => Self::Chain,
            CredentialsMessage::Anonymous => Self::Anonymous,
            CredentialsMessage::Explicit { access_key_id, secret_access_key, session_token } => {
                Self::Explicit { access_key_id, secret_access_key, session_token }
            }
            CredentialsMessage::Function { function } => Self::Program(function),
            CredentialsMessage::Role(role) => Self::Role(Box::new(core::RoleOption {
                role_arn: role.role_arn,
                external_id: role.external_id,
                session_name: role.session_name,
                duration: role.duration.map(|seconds| Duration::from_secs(seconds.into())),
                source: (*role.source).into(),
            })),
        }
    }
}

impl From<GivenCredentialsMessage> for core::ProgramCredentials {
    fn from(given: GivenCredentialsMessage) -> Self {
        // What is no time is one that is over.
        let since = |end: f64| Duration::try_from_secs_f64(end / 1000.0).unwrap_or_default();
        Self {
            access_key_id: given.access_key_id,
            secret_access_key: given.secret_access_key,
            session_token: given.session_token,
            expiration: given.expiration.and_then(|end| UNIX_EPOCH.checked_add(since(end))),
        }
    }
}

impl From<CutMessage> for core::Cut {
    fn from(cut: CutMessage) -> Self {
        let size = |most: u64| usize::try_from(most).unwrap_or(usize::MAX).min(MOST_ELEMENT);
        match cut {
            CutMessage::Lines { most } => Self::Lines(size(most)),
            CutMessage::Frames { most, length } => {
                let prefix = match length {
                    LengthMessage::U32be => LengthPrefix::U32Be,
                    LengthMessage::U32le => LengthPrefix::U32Le,
                    LengthMessage::Varint => LengthPrefix::Varint,
                };
                Self::Frames(prefix, size(most))
            }
            CutMessage::Not => Self::Not,
        }
    }
}

/// Offsets in a batch have 32 bits.
const MOST_ELEMENT: usize = u32::MAX as usize;

impl From<ContentMessage> for core::Content {
    fn from(content: ContentMessage) -> Self {
        match content {
            ContentMessage::Utf8 { strict } => Self::Text { strict },
            ContentMessage::Encoded { label } => Self::Encoded(label),
        }
    }
}

impl From<CompressionMessage> for core::Compression {
    fn from(compression: CompressionMessage) -> Self {
        match compression {
            CompressionMessage::None => Self::None,
            CompressionMessage::Gzip => Self::Gzip,
            CompressionMessage::Deflate => Self::Deflate,
            CompressionMessage::Zstd => Self::Zstd,
            CompressionMessage::Bzip2 => Self::Bzip2,
            CompressionMessage::Xz => Self::Xz,
        }
    }
}
