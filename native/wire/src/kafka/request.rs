//! The requests, as whole frames.

/// What can be asked, with its number and the version that dipper speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Api {
    /// Records.
    Fetch,
    /// The first and the last offset of partitions.
    ListOffsets,
    /// The brokers, and who leads the partitions of a topic.
    Metadata,
    /// Which requests in which versions the broker understands.
    ApiVersions,
}

impl Api {
    /// Those that a reader cannot do without.
    pub const NEEDED: [Self; 3] = [Self::Fetch, Self::ListOffsets, Self::Metadata];

    /// Its number.
    #[must_use]
    pub fn key(self) -> i16 {
        match self {
            Self::Fetch => 1,
            Self::ListOffsets => 2,
            Self::Metadata => 3,
            Self::ApiVersions => 18,
        }
    }

    /// The version.
    #[must_use]
    pub fn version(self) -> i16 {
        match self {
            Self::Fetch => 10,
            Self::ListOffsets => 4,
            Self::Metadata => 7,
            Self::ApiVersions => 0,
        }
    }
}

/// Only what transactions have committed, and what was never in one.
const READ_COMMITTED: u8 = 1;
/// This client is no replica.
const NO_REPLICA: i32 = -1;
const UNKNOWN_EPOCH: i32 = -1;

struct Frame(Vec<u8>);

impl Frame {
    fn new(api: Api, correlation: i32) -> Self {
        let mut frame = Self(vec![0; 4]);
        frame.i16(api.key());
        frame.i16(api.version());
        frame.i32(correlation);
        frame.text("dipper");
        frame
    }

    fn i16(&mut self, value: i16) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn count(&mut self, count: usize) {
        self.i32(i32::try_from(count).unwrap_or(i32::MAX));
    }

    /// Names of topics have 249 bytes at most; what is longer is cut, and no topic has it.
    fn text(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let bytes = bytes.get(..bytes.len().min(i16::MAX as usize)).unwrap_or_default();
        self.i16(i16::try_from(bytes.len()).unwrap_or(i16::MAX));
        self.0.extend_from_slice(bytes);
    }

    fn done(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - 4).unwrap_or(u32::MAX);
        if let Some(room) = self.0.first_chunk_mut() {
            *room = length.to_be_bytes();
        }
        self.0
    }
}

/// Asks which versions the broker understands.
#[must_use]
pub fn spoken_versions(correlation: i32) -> Vec<u8> {
    Frame::new(Api::ApiVersions, correlation).done()
}

/// Asks who leads the partitions of a topic. Asking does not make the topic.
#[must_use]
pub fn metadata(correlation: i32, topic: &str) -> Vec<u8> {
    let mut frame = Frame::new(Api::Metadata, correlation);
    frame.count(1);
    frame.text(topic);
    frame.0.push(0); // allow_auto_topic_creation
    frame.done()
}

/// An end of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// The first record that is left.
    Earliest,
    /// Behind the last record that a reader may see.
    Latest,
}

/// Asks for an end of partitions.
#[must_use]
pub fn list_offsets(
    correlation: i32,
    topic: &str,
    partitions: &[i32],
    position: Position,
) -> Vec<u8> {
    let mut frame = Frame::new(Api::ListOffsets, correlation);
    frame.i32(NO_REPLICA);
    frame.0.push(READ_COMMITTED);
    frame.count(1);
    frame.text(topic);
    frame.count(partitions.len());
    for partition in partitions {
        frame.i32(*partition);
        frame.i32(UNKNOWN_EPOCH);
        frame.i64(match position {
            Position::Latest => -1,
            Position::Earliest => -2,
        });
    }
    frame.done()
}

/// Where to go on in a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchFrom {
    /// Its number.
    pub partition: i32,
    /// The first record that is wanted.
    pub offset: i64,
}

/// Asks for records. The broker answers at once when there are some, else after `wait`
/// milliseconds. The first batch comes whole even when it is larger than `most` bytes.
#[must_use]
pub fn fetch(
    correlation: i32,
    topic: &str,
    from: &[FetchFrom],
    wait: i32,
    most: i32,
    most_each: i32,
) -> Vec<u8> {
    let mut frame = Frame::new(Api::Fetch, correlation);
    frame.i32(NO_REPLICA);
    frame.i32(wait);
    frame.i32(1); // min_bytes
    frame.i32(most);
    frame.0.push(READ_COMMITTED);
    frame.i32(0); // session_id
    frame.i32(-1); // session_epoch: no session
    frame.count(1);
    frame.text(topic);
    frame.count(from.len());
    for from in from {
        frame.i32(from.partition);
        frame.i32(UNKNOWN_EPOCH);
        frame.i64(from.offset);
        frame.i64(-1); // log_start_offset
        frame.i32(most_each);
    }
    frame.count(0); // forgotten topics
    frame.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_begins_with_its_length_and_its_head() {
        let frame = spoken_versions(7);
        let expected = [0, 0, 0, 16, 0, 18, 0, 0, 0, 0, 0, 7, 0, 6];
        assert_eq!(frame.get(..14), Some(expected.as_slice()));
        assert_eq!(frame.get(14..), Some(b"dipper".as_slice()));
    }

    #[test]
    fn a_topic_is_named_and_not_made() {
        let frame = metadata(1, "t");
        assert_eq!(frame.get(20..), Some([0, 0, 0, 1, 0, 1, b't', 0].as_slice()));
    }

    #[test]
    fn a_name_that_is_too_long_does_not_break_the_frame() {
        let frame = metadata(1, &"t".repeat(100_000));
        assert_eq!(frame.len(), 4 + 16 + 4 + 2 + 32_767 + 1);
        assert_eq!(frame.first_chunk(), Some(&(frame.len() as u32 - 4).to_be_bytes()));
    }

    #[test]
    fn a_fetch_tells_where_to_go_on() {
        let from = [FetchFrom { partition: 3, offset: 0x0102 }];
        let frame = fetch(1, "t", &from, 500, 9, 8);
        let tail: Vec<u8> = [
            [-1_i32, 500, 1, 9].map(i32::to_be_bytes).concat(),
            vec![1],
            [0_i32, -1, 1].map(i32::to_be_bytes).concat(),
            vec![0, 1, b't'],
            [1_i32, 3, -1].map(i32::to_be_bytes).concat(),
            [0x0102_i64, -1].map(i64::to_be_bytes).concat(),
            [8_i32, 0].map(i32::to_be_bytes).concat(),
        ]
        .concat();
        assert_eq!(frame.get(20..), Some(tail.as_slice()));
    }
}
