//! The answers.

use super::Malformed;
use super::fields::Fields;
use super::request::Api;

/// Which request a frame answers, and what follows. The frame comes without its length.
///
/// # Errors
/// It is too short.
pub fn correlation_of(frame: &[u8]) -> Result<(i32, &[u8]), Malformed> {
    let mut fields = Fields::new(frame);
    let correlation = fields.i32()?;
    let left = fields.left();
    Ok((correlation, fields.bytes(left)?))
}

/// What a broker understands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpokenVersions {
    /// Zero, or why it does not say.
    pub error: i16,
    /// The number of a request, then its first and its last version.
    pub versions: Vec<(i16, i16, i16)>,
}

impl SpokenVersions {
    /// Reads the answer.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        let error = fields.i16()?;
        let versions =
            fields.each(6, |fields| Ok((fields.i16()?, fields.i16()?, fields.i16()?)))?;
        Ok(Self { error, versions })
    }

    /// The first and the last version of a request.
    #[must_use]
    pub fn of(&self, api: Api) -> Option<(i16, i16)> {
        let found = self.versions.iter().find(|(key, _, _)| *key == api.key())?;
        Some((found.1, found.2))
    }
}

/// A broker, where it says that it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broker {
    /// Its number in the cluster.
    pub id: i32,
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A partition of the topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// Zero, or why nobody leads it.
    pub error: i16,
    /// Its number.
    pub index: i32,
    /// The broker that gives its records.
    pub leader: i32,
}

/// The cluster, as far as one topic goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// The brokers.
    pub brokers: Vec<Broker>,
    /// Zero, or why the topic cannot be read.
    pub error: i16,
    /// Its partitions, in the order of their numbers.
    pub partitions: Vec<Partition>,
}

impl Metadata {
    /// Reads the answer about this topic.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(body: &[u8], topic: &str) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        fields.i32()?; // throttle_time_ms
        let brokers = fields.each(12, |fields| {
            let id = fields.i32()?;
            let host = fields.text()?.ok_or("a broker has no host")?.to_owned();
            let port =
                u16::try_from(fields.i32()?).map_err(|_| "a broker has an impossible port")?;
            fields.text()?; // rack
            Ok(Broker { id, host, port })
        })?;
        fields.text()?; // cluster_id
        fields.i32()?; // controller_id
        let mut topics = fields.each(9, |fields| {
            let error = fields.i16()?;
            let name = fields.text()?.unwrap_or_default().to_owned();
            fields.i8()?; // is_internal
            let mut partitions = fields.each(26, |fields| {
                let error = fields.i16()?;
                let index = fields.i32()?;
                let leader = fields.i32()?;
                fields.i32()?; // leader_epoch
                fields.skip(4)?; // replicas
                fields.skip(4)?; // in sync
                fields.skip(4)?; // offline
                Ok(Partition { error, index, leader })
            })?;
            partitions.sort_by_key(|partition| partition.index);
            partitions.dedup_by_key(|partition| partition.index);
            if partitions.first().is_some_and(|first| first.index < 0) {
                return Err("a partition has a negative number");
            }
            Ok((error, name, partitions))
        })?;
        let place = topics
            .iter()
            .position(|(_, name, _)| name == topic)
            .ok_or("it is about another topic")?;
        let (error, _, partitions) = topics.swap_remove(place);
        Ok(Self { brokers, error, partitions })
    }
}

/// An end of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offset {
    /// Its number.
    pub partition: i32,
    /// Zero, or why the broker does not say.
    pub error: i16,
    /// The offset.
    pub offset: i64,
}

impl Offset {
    /// Reads the answer about this topic.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(body: &[u8], topic: &str) -> Result<Vec<Self>, Malformed> {
        let mut fields = Fields::new(body);
        fields.i32()?; // throttle_time_ms
        let mut all = Vec::new();
        for _ in 0..fields.count(6)? {
            let here = fields.text()? == Some(topic);
            let offsets = fields.each(26, |fields| {
                let partition = fields.i32()?;
                let error = fields.i16()?;
                fields.i64()?; // timestamp
                let offset = fields.i64()?;
                fields.i32()?; // leader_epoch
                Ok(Self { partition, error, offset })
            })?;
            if here {
                all.extend(offsets);
            }
        }
        Ok(all)
    }
}

/// A transaction that was aborted: what this producer wrote in transactions, from this offset
/// to its next control batch, never happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Aborted {
    /// The producer.
    pub producer: i64,
    /// Its first record in the transaction.
    pub first: i64,
}

/// What came of one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionRecords<'a> {
    /// Its number.
    pub partition: i32,
    /// Zero, or why there are no records.
    pub error: i16,
    /// The first offset that is left.
    pub start: i64,
    /// Transactions that were aborted, in the order of their first records.
    pub aborted: Vec<Aborted>,
    /// The batches; the last one may be cut off.
    pub batches: &'a [u8],
}

/// Records of some partitions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched<'a> {
    /// Zero, or why there are none.
    pub error: i16,
    /// How many milliseconds the broker held the answer back, because this client asks too much.
    pub throttled: i32,
    /// The partitions.
    pub partitions: Vec<PartitionRecords<'a>>,
}

impl<'a> Fetched<'a> {
    /// Reads the answer about this topic.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(body: &'a [u8], topic: &str) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        let throttled = fields.i32()?;
        let error = fields.i16()?;
        fields.i32()?; // session_id
        let mut all = Vec::new();
        for _ in 0..fields.count(6)? {
            let here = fields.text()? == Some(topic);
            let partitions = fields.each(38, |fields| {
                let partition = fields.i32()?;
                let error = fields.i16()?;
                fields.i64()?; // high_watermark
                fields.i64()?; // last_stable_offset
                let start = fields.i64()?;
                let mut aborted = fields.each(16, |fields| {
                    Ok(Aborted { producer: fields.i64()?, first: fields.i64()? })
                })?;
                aborted.sort_by_key(|aborted| aborted.first);
                let batches = fields.blob()?;
                Ok(PartitionRecords { partition, error, start, aborted, batches })
            })?;
            if here {
                all.extend(partitions);
            }
        }
        if !fields.is_empty() {
            return Err("it goes on behind its end");
        }
        Ok(Self { error, throttled, partitions: all })
    }
}
