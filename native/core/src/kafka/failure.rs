//! What a broker's error numbers mean.

use crate::{Error, Status};

pub(super) const OFFSET_OUT_OF_RANGE: i16 = 1;
pub(super) const UNKNOWN_TOPIC: i16 = 3;

/// Whether another leader, or a little time, may mend it.
pub(super) fn passes(code: i16) -> bool {
    // In the order of the numbers: the topic is not known here, no leader, not the leader,
    // too late, no replica, the network, not enough replicas, the disk, epochs of leaders,
    // an offset that is not there yet, and identities of topics.
    matches!(code, 3 | 5 | 6 | 7 | 9 | 13 | 19 | 56 | 74 | 75 | 76 | 78 | 100 | 103)
}

/// The error for a number that a broker gives about a topic.
pub(super) fn of_code(code: i16, topic: &str, place: &str) -> Error {
    let at = format!("the topic {topic} at {place}");
    let failed = |status, text: &str| Error::new(status, format!("{at} {text}"));
    match code {
        UNKNOWN_TOPIC | 100 => failed(Status::NotFound, "does not exist")
            .hint("check its name; dipper makes no topics"),
        17 => failed(Status::InvalidInput, "has an invalid name"),
        29 | 31 => failed(Status::AccessDenied, "may not be read by an anonymous client")
            .hint("grant Read and Describe on the topic to the user ANONYMOUS"),
        35 => failed(Status::Unsupported, "cannot be read in a version that dipper speaks"),
        2 => failed(Status::ChecksumMismatch, "holds a damaged batch, says the broker"),
        58 | 34 => failed(Status::AccessDenied, "is for clients that authenticate")
            .hint("read it from a listener without SASL"),
        code if passes(code) => failed(
            Status::ServerFailure,
            &format!("has a partition that cannot be read at present (Kafka error {code})"),
        )
        .hint("look whether all brokers of the cluster run"),
        code => failed(Status::ServerFailure, &format!("cannot be read (Kafka error {code})")),
    }
}

/// A broker says something that is not Kafka's protocol.
pub(super) fn malformed(place: &str, why: &str) -> Error {
    Error::new(Status::ConnectionBroken, format!("the answer of {place} cannot be read: {why}"))
        .hint("check that the address is that of a Kafka broker")
}
