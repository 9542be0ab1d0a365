//! Lines and messages out of whatever gives bytes.
//!
//! The lines of a plain file are cut by several threads at once. Any other file is read where it is
//! cut, a long one by a thread that stays a little ahead, a feed by a task that does. What comes is
//! decompressed, made UTF-8 where it is not, cut, and put into memory of the caller, batch by
//! batch. Each step holds a bounded amount, and the caller's next wish drives all of them: so the
//! source is held back by whoever reads, and ends with them.

mod compression;
mod cutting;
mod feed;
mod idle;
mod read_ahead;
mod socket;
mod source_bytes;
mod standard_input;
mod stream;
mod transcoding;
mod windows;

pub use compression::Compression;
pub use cutting::{Content, Cut, Filled};
pub use feed::{Feed, NextChunk};
pub use stream::{FeedSource, LineStream, LinesRequest, open_lines};
