//! S3 access, memory accounting and permissions.
//!
//! This crate moves bytes between S3 and memory that Rust owns. It knows nothing of C or
//! of JavaScript: whoever embeds it supplies a [`Gatekeeper`] that answers whether a host
//! may be reached, and takes the filled [`Buffer`]s.

mod buckets;
mod budget;
mod buffer;
mod client;
mod credentials;
mod delete;
mod error;
mod gate;
mod get;
mod list;
mod put;
mod revocable_body;
mod sdk_error;
mod stat;
mod status;

pub use buckets::{Bucket, buckets, create_bucket, delete_bucket};
pub use budget::{Budget, Ticket, default_budget};
pub use buffer::{Buffer, Ledger, MemoryReport, OperationGuard, ledger};
pub use client::{Client, ClientOptions, CredentialsOption};
pub use credentials::Surroundings;
pub use delete::delete;
pub use error::Error;
pub use gate::{Answer, Gate, Gatekeeper, Need};
pub use get::{Destination, GetRequest, Got, Progress, Span, Target, get};
pub use list::{Entry, ListRequest, Page, list};
pub use put::{PutRequest, put};
pub use stat::{ObjectRef, Stat, stat};
pub use status::{ErrorClass, Status};
