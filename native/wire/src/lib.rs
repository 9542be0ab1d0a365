//! What meets hostile input or raw memory.
//!
//! This crate knows nothing of S3, of the SDK, of C or of JavaScript. It has few
//! dependencies on purpose: sanitizers and fuzzers build it in seconds.

mod allocation;
mod blocks;
mod borrowed;
mod checksum;
mod chunked;
mod content_range;
mod content_sum;
pub mod crew;
mod float;
mod fnv1a;
mod head;
mod huge_pages;
pub mod in_place;
pub mod interrupt;
pub mod kafka;
mod landing;
mod lines;
mod listing;
mod npy;
mod pool;
mod prefetch;
mod shared;
mod similarity;
mod slots;
mod url;

pub mod simd;

pub use allocation::{Allocation, OutOfMemory};
pub use borrowed::{Borrowed, Element, Elements, NotElements, Stopped};
pub use checksum::{Algorithm, Expected, InOrder, Piece, Piecewise};
pub use chunked::Chunked;
pub use content_range::ContentRange;
pub use content_sum::{ContentSum, SumAlgorithm};
pub use float::Float;
pub use fnv1a::Fnv1a64;
pub use head::{Framing, Head, Parsed, parse};
pub use landing::{FillError, Landing, Private, Revoked, Revoker, Slot};
pub use lines::{Batch, Flaw, FrameSplitter, LengthPrefix, LineSplitter, Pushed};
pub use listing::{Line, Listed, Listing, Owner, decode_name};
pub use npy::{NpyElement, NpyError, NpyHead, NpyHeader, npy_head, npy_header_of};
pub use pool::{Pool, pool};
pub use shared::SharedAllocation;
pub use similarity::{Metric, Queries};
pub use slots::{Handle, SlotTable, StaleHandle};
pub use url::Url;
