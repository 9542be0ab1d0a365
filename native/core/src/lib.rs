//! S3 access, memory accounting and permissions.
//!
//! This crate moves bytes between S3 and memory that Rust owns. It knows nothing of C or
//! of JavaScript: whoever embeds it supplies a [`Gatekeeper`] that answers whether a host
//! may be reached, and takes the filled [`Buffer`]s.

mod abort_upload;
mod asked_region;
mod buckets;
mod budget;
mod buffer;
mod checksum;
mod client;
mod client_setup;
mod copy;
mod credential_cache;
mod credential_chain;
mod credential_process;
mod credential_source;
mod credential_step;
mod credentials;
mod delete;
mod delete_many;
mod diagnose;
mod direct;
mod download;
mod embedding;
mod error;
mod expired_token;
mod file;
mod file_changes;
mod file_upload;
mod gate;
mod get;
pub mod interrupt;
mod kafka;
mod lines;
mod list;
mod list_by_sdk;
mod log;
mod log_request;
mod many;
mod metrics;
mod new_file;
mod origin;
mod pace;
mod pieces;
mod plane;
mod presign;
mod proxy;
mod ranges;
mod request_body;
mod requester_pays;
mod retry;
mod revocable_body;
mod sdk_error;
mod signer;
mod site;
mod source;
mod span;
mod staged;
mod stall_guard;
mod stat;
mod status;
mod stream;
mod tags;
mod tree;
mod turnstile;
mod unmeasured;
mod unsized_file;
mod upload;
mod verify;
mod watch;
mod web;

pub use abort_upload::abort_upload;
pub use buckets::{Bucket, bucket_region, buckets, create_bucket, delete_bucket};
pub use budget::{Budget, Ticket, default_budget};
pub use buffer::{Buffer, Ledger, MemoryReport, OperationGuard, ledger};
pub use checksum::{ChecksumRequest, checksum};
pub use client::{Checksums, Client, ClientOptions, CredentialsOption, TransportOption};
pub use copy::{CopyRequest, copy};
pub use credential_source::{ProgramCredentials, RoleOption};
pub use credentials::Surroundings;
pub use delete::delete;
pub use delete_many::{ObjectName, delete_many};
pub use diagnose::{Caller, Diagnosis, Outcome as DiagnosisOutcome, Verdict, diagnose};
pub use embedding::{
    EmbeddingTable, LoadTableRequest, load_table, save_table_to_file, save_table_to_object,
};
pub use error::Error;
pub use file::map;
pub use file_changes::{copy_file, delete_file, move_file, write_file};
pub use file_upload::FileUpload;
pub use gate::{Answer, Gate, Gatekeeper, Given, Need};
pub use get::{Destination, GetRequest, Got, Progress, get};
pub use kafka::{Beginning, Topic, TopicRequest};
pub use lines::{
    Compression, Content, Cut, Feed, FeedSource, Filled, LineStream, LinesRequest, NextChunk,
    open_lines,
};
pub use list::{ListRequest, Listable, Page, Place, list};
pub use log::{LogLevel, LogRecord, LogSink, LogValue, Logger, told};
pub use many::{ManyRequest, many};
pub use metrics::{Metrics, Transport};
pub use new_file::{Existing, NewFile, write_failed};
pub use pieces::{Pieces, reserve, take};
pub use plane::CaBundle;
pub use presign::{PresignMethod, PresignRequest, ResponseHeaders, presign};
pub use ranges::{Items, RangesRequest, ranges};
pub use source::Source;
pub use span::Span;
pub use staged::Staged;
pub use stat::{ObjectRef, Stat, stat};
pub use status::{ErrorClass, Status};
pub use stream::{Reader, StreamRequest, stream};
pub use tags::{replace_tags, tags};
pub use tree::{
    CompareFilesRequest, DownloadFilesRequest, FileToCompare, FileToSend, FileToWrite, Scanned,
    TreeEntries, TreeEntry, TreeKind, UploadFilesRequest, compare_files, download_files,
    remove_files, scan, upload_files,
};
pub use upload::{
    ChecksumOption, CustomerKey, Encryption, Upload, UploadRequest, WriteOptions, Written,
    stopped_uploads_ended, upload_file, upload_memory,
};
