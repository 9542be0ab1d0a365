//! Cutting bytes that come in chunks into lines or into messages.
//!
//! A splitter takes a chunk and puts what is complete into a [`Batch`]: memory of somebody
//! else that it fills with the contents only, one after the other. What a chunk begins and
//! does not end waits in the splitter, which holds no more of it than the limit. So the memory
//! is bounded whatever comes.

mod batch;
mod flaw;
mod frames;
mod line_feeds;
mod splitter;

pub use batch::Batch;
pub use flaw::Flaw;
pub use frames::{FrameSplitter, LengthPrefix};
pub use splitter::{LineSplitter, Pushed};
