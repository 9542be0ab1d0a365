//! What is wrong with a line or a message.

use std::fmt;

use crate::OutOfMemory;

/// Why bytes cannot be cut further. All places are offsets in what was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The line or message that starts here is longer than allowed.
    TooLong {
        /// Where it starts.
        at: u64,
        /// The most bytes allowed.
        limit: usize,
    },
    /// The message that starts here is not whole.
    CutShort {
        /// Where it starts.
        at: u64,
        /// Where the bytes end.
        end: u64,
    },
    /// The length that starts here is none.
    NoLength {
        /// Where it starts.
        at: u64,
    },
    /// The system has no memory for it.
    OutOfMemory(OutOfMemory),
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { at, limit } => {
                write!(formatter, "what starts at byte {at} is longer than {limit} bytes")
            }
            Self::CutShort { at, end } => {
                write!(formatter, "the message that starts at byte {at} is cut short at byte {end}")
            }
            Self::NoLength { at } => write!(formatter, "there is no length at byte {at}"),
            Self::OutOfMemory(refused) => refused.fmt(formatter),
        }
    }
}

impl std::error::Error for Flaw {}
