//! A topic of Kafka as a source of records.
//!
//! `wire/kafka/` writes the requests and reads the answers. Here is what happens between
//! them: a task follows the leaders of the partitions and sends on what they give
//! (`follow.rs`), and the reader takes the records out of it (`topic.rs`).
//!
//! The connections are dipper's own because each needs a permission first: a broker names
//! other hosts to go to, and no client on crates.io asks before it goes there.

mod broker;
mod codec;
mod failure;
mod follow;
mod topic;

#[cfg(test)]
mod scripted_broker;
#[cfg(test)]
mod tests;

pub use topic::Topic;

/// What to read.
#[derive(Clone, Debug)]
pub struct TopicRequest {
    /// The broker that is asked first: a name, or an address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The topic.
    pub topic: String,
    /// Where to begin.
    pub from: Beginning,
    /// Ends behind what is there at the start. Otherwise reading goes on for what comes.
    pub to_the_end: bool,
    /// Ends after so many records.
    pub limit: Option<u64>,
    /// Only this partition.
    pub partition: Option<i32>,
    /// A value with more bytes is refused.
    pub longest: usize,
}

/// Where reading begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beginning {
    /// At the first record that is left.
    Earliest,
    /// Behind the last record.
    Latest,
}
