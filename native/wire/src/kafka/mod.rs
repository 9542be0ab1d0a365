//! Kafka's protocol, as much of it as a reader needs: four requests, their answers, and the
//! batches of records that come with them.
//!
//! The versions are fixed, and those of a client of Kafka 2.1: every broker since then, 4.x
//! included, understands them. What a broker sends is believed only as far as there are bytes
//! for it: a count never reserves memory.
//!
//! Layouts: the message definitions of the Apache Kafka project, and its description of the
//! record batch ("Message format", version 2).

mod answer;
mod batch;
mod fields;
mod record;
mod request;

pub use answer::{
    Aborted, Broker, Fetched, Metadata, Offset, Partition, PartitionRecords, SpokenVersions,
    correlation_of,
};
pub use batch::{Batch, BatchFailure, BatchKind, Batches, Compression};
pub use record::{Next, RecordFailure, Records};
pub use request::{Api, FetchFrom, Position, fetch, list_offsets, metadata, spoken_versions};

/// Why an answer cannot be read.
pub type Malformed = &'static str;
