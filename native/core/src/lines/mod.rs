//! Lines and messages out of whatever gives bytes.
//!
//! A file is read where it is cut, a feed by a task of its own that stays a little ahead. What
//! comes is decompressed, made UTF-8 where it is not, cut, and put into memory of the caller,
//! batch by batch. Each step holds a bounded amount, and the caller's next wish drives all of
//! them: so the source is held back by whoever reads, and ends with them.

mod compression;
mod cutting;
mod feed;
mod socket;
mod source_bytes;
mod standard_input;
mod stream;
mod transcoding;

pub use compression::Compression;
pub use cutting::{Content, Cut, Filled};
pub use feed::{Feed, NextChunk};
pub use stream::{FeedSource, LineStream, LinesRequest, open_lines};
