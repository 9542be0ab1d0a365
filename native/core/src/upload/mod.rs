//! Writing objects: in one request, or in parts that are sent beside each other.
//!
//! Bytes come from a buffer of Rust's own, from a file, or from a program that brings them
//! piece by piece. Small ones are one request. Larger ones are an upload in parts; what is
//! left of one that fails is aborted. Every part is kept until the server has it, so that it
//! can be sent again: in memory, or in a file where it is too large for that.

mod confirm;
mod copied_parts;
mod driver;
mod multipart;
mod part_sizes;
mod pushed;
mod slab;
mod sources;
mod spill;
mod store;
mod write_options;

#[cfg(test)]
mod large_uploads;
#[cfg(test)]
mod part_server;

pub(crate) use copied_parts::{CopiedParts, copied_part_size, copy_in_parts};
pub use driver::{Written, stopped_uploads_ended};
pub(crate) use multipart::named as checksum_named;
pub use pushed::{Upload, UploadRequest};
pub(crate) use sources::upload_opened;
pub use sources::{upload_file, upload_memory};
pub(crate) use store::with_headers;
pub(crate) use write_options::Headers;
pub use write_options::{ChecksumOption, CustomerKey, Encryption, WriteOptions};
