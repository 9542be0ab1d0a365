//! What S3 tells of an object's checksums.

use crc_fast::CrcAlgorithm;
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::content::Content;

/// The algorithms, by the names in S3's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    Crc64nvme,
    Crc32,
    Crc32c,
    Sha1,
    Sha256,
}

/// All of them.
pub const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Crc64nvme, Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Sha1, Algorithm::Sha256];

/// A checksum that an object has.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChecksumSpec {
    pub algorithm: Algorithm,
    /// A checksum of the parts' checksums; parts have this many bytes.
    #[serde(default)]
    pub composite: Option<u64>,
    /// Tell this, whatever the bytes are.
    #[serde(default)]
    pub value: Option<String>,
}

const PIECE: usize = 256 << 10;

impl Algorithm {
    /// The name of the header that tells it.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc64nvme => "x-amz-checksum-crc64nvme",
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The name of the element that tells it.
    pub fn element(self) -> &'static str {
        match self {
            Self::Crc64nvme => "ChecksumCRC64NVME",
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
        }
    }

    /// The one of this name, as `x-amz-checksum-algorithm` has it.
    pub fn named(name: &str) -> Option<Self> {
        let header = format!("x-amz-checksum-{}", name.to_ascii_lowercase());
        ALGORITHMS.into_iter().find(|algorithm| algorithm.header() == header)
    }

    /// The checksum's text of these bytes.
    pub fn text_of(self, content: &Content) -> String {
        text(&self.of(content, 0, content.size))
    }

    /// The checksum's text of these checksums of so many parts.
    pub fn composite(self, sums: &[Vec<u8>]) -> String {
        format!("{}-{}", text(&self.of_bytes(&sums.concat())), sums.len())
    }

    fn crc(self) -> Option<(CrcAlgorithm, usize)> {
        match self {
            Self::Crc64nvme => Some((CrcAlgorithm::Crc64Nvme, 8)),
            Self::Crc32 => Some((CrcAlgorithm::Crc32IsoHdlc, 4)),
            Self::Crc32c => Some((CrcAlgorithm::Crc32Iscsi, 4)),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    fn of_bytes(self, bytes: &[u8]) -> Vec<u8> {
        self.of(&Content::written(bytes.into()), 0, bytes.len() as u64)
    }

    /// The checksum of some of these bytes.
    pub fn of(self, content: &Content, start: u64, end: u64) -> Vec<u8> {
        let Some((crc, width)) = self.crc() else {
            return match self {
                Self::Sha1 => hashed::<Sha1>(content, start, end),
                _ => hashed::<Sha256>(content, start, end),
            };
        };
        let sum = if content.is_zero() {
            zeros(crc, end - start)
        } else {
            let mut digest = crc_fast::Digest::new(crc);
            pieces(content, start, end, |piece| digest.update(piece));
            digest.finalize()
        };
        sum.to_be_bytes()[8 - width..].to_vec()
    }
}

impl ChecksumSpec {
    /// The checksum's text, and what type S3 calls it.
    pub fn of(&self, content: &Content) -> (String, &'static str) {
        let kind = if self.composite.is_some() { "COMPOSITE" } else { "FULL_OBJECT" };
        if let Some(value) = &self.value {
            return (value.clone(), kind);
        }
        let Some(part) = self.composite.filter(|part| *part > 0) else {
            return (text(&self.algorithm.of(content, 0, content.size)), kind);
        };
        let count = content.size.div_ceil(part).max(1);
        let sums: Vec<_> = (0..count)
            .map(|index| {
                let end = ((index + 1) * part).min(content.size);
                self.algorithm.of(content, index * part, end)
            })
            .collect();
        (self.algorithm.composite(&sums), kind)
    }
}

fn hashed<D: Digest>(content: &Content, start: u64, end: u64) -> Vec<u8> {
    let mut hash = D::new();
    pieces(content, start, end, |piece| hash.update(piece));
    hash.finalize().to_vec()
}

fn text(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn pieces(content: &Content, start: u64, end: u64, mut each: impl FnMut(&[u8])) {
    let mut room = Vec::new();
    let mut at = start;
    while at < end {
        let length = (end - at).min(PIECE as u64) as usize;
        room.clear();
        content.append(at, length, &mut room);
        each(&room);
        at += length as u64;
    }
}

/// The CRC of so many zeros, put together from halves: 20 GB of them take no time.
fn zeros(crc: CrcAlgorithm, length: u64) -> u64 {
    if length <= PIECE as u64 {
        return crc_fast::checksum(crc, &vec![0; length as usize]);
    }
    let half = zeros(crc, length / 2);
    let double = crc_fast::checksum_combine(crc, half, half, length / 2);
    if length.is_multiple_of(2) {
        return double;
    }
    crc_fast::checksum_combine(crc, double, crc_fast::checksum(crc, &[0]), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(algorithm: Algorithm, composite: Option<u64>) -> ChecksumSpec {
        ChecksumSpec { algorithm, composite, value: None }
    }

    #[test]
    fn zeros_have_the_checksum_of_zeros() {
        for algorithm in [Algorithm::Crc64nvme, Algorithm::Crc32, Algorithm::Crc32c] {
            let (crc, _) = algorithm.crc().unwrap();
            for length in [0, 1, 262_144, 262_145, 1_000_003] {
                let plain = crc_fast::checksum(crc, &vec![0; length]);
                assert_eq!(zeros(crc, length as u64), plain, "{algorithm:?} {length}");
            }
        }
    }

    #[test]
    fn a_composite_checksum_tells_its_parts() {
        let content = Content::seeded(3, 1000);
        let (whole, kind) = spec(Algorithm::Sha256, Some(400)).of(&content);
        assert!(whole.ends_with("-3"), "{whole}");
        assert_eq!(kind, "COMPOSITE");
        let (full, kind) = spec(Algorithm::Sha256, None).of(&content);
        assert!(!full.contains('-') && kind == "FULL_OBJECT");
    }

    #[test]
    fn the_empty_object_has_the_known_sums() {
        let empty = Content::seeded(1, 0);
        assert_eq!(spec(Algorithm::Crc64nvme, None).of(&empty).0, "AAAAAAAAAAA=");
        assert_eq!(spec(Algorithm::Crc32, None).of(&empty).0, "AAAAAA==");
    }
}
