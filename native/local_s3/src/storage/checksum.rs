//! The checksums of S3: computed while a body is written, kept with the object, and put together
//! for an object of several parts.
//!
//! A whole-object checksum of parts is combined from theirs (possible for the CRCs), a composite
//! one is the checksum of the parts' checksums, with `-N` behind it.

use crc_fast::CrcAlgorithm;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use serde::{Deserialize, Serialize};

/// One of S3's five checksum algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    #[serde(rename = "CRC32")]
    Crc32,
    #[serde(rename = "CRC32C")]
    Crc32c,
    #[serde(rename = "CRC64NVME")]
    Crc64Nvme,
    #[serde(rename = "SHA1")]
    Sha1,
    #[serde(rename = "SHA256")]
    Sha256,
}

/// Whether a checksum covers the object's bytes or its parts' checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Coverage {
    #[serde(rename = "FULL_OBJECT")]
    FullObject,
    #[serde(rename = "COMPOSITE")]
    Composite,
}

/// A checksum as S3 shows it: base64, for a composite one with `-N` behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    pub algorithm: Algorithm,
    pub coverage: Coverage,
    pub value: String,
}

impl Algorithm {
    pub const ALL: [Self; 5] =
        [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header or trailer that carries its value.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    pub fn from_header(header: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(header))
    }

    fn digest_length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// Whether `value` has the shape of this algorithm's checksums.
    pub fn accepts(self, value: &str) -> bool {
        self.decode(value).is_some()
    }

    fn decode(self, value: &str) -> Option<Vec<u8>> {
        let bytes = base64_simd::STANDARD.decode_to_vec(value).ok()?;
        (bytes.len() == self.digest_length()).then_some(bytes)
    }

    /// What a multipart upload with this algorithm makes when the client does not say.
    pub fn default_coverage(self) -> Coverage {
        if self == Self::Crc64Nvme { Coverage::FullObject } else { Coverage::Composite }
    }

    /// Whether S3 allows the pair: SHA cannot be combined, CRC64NVME is never composite.
    pub fn allows(self, coverage: Coverage) -> bool {
        match coverage {
            Coverage::FullObject => self.crc().is_some(),
            Coverage::Composite => self != Self::Crc64Nvme,
        }
    }

    /// The checksum of an object made of `parts`, each with its size and its own checksum.
    /// `None` when a part's checksum is missing or damaged, or the pair is not allowed.
    pub fn of_parts<'a>(
        self,
        coverage: Coverage,
        parts: impl Iterator<Item = (u64, &'a str)>,
    ) -> Option<Checksum> {
        let value = match coverage {
            Coverage::Composite => {
                let mut hasher = Hasher::new(self);
                let mut count = 0usize;
                for (_, value) in parts {
                    hasher.update(&self.decode(value)?);
                    count += 1;
                }
                format!("{}-{count}", hasher.finish())
            }
            Coverage::FullObject => {
                let crc = self.crc()?;
                let mut combined: Option<u64> = None;
                for (size, value) in parts {
                    let digest = self.decode(value)?;
                    let number =
                        digest.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
                    combined = Some(match combined {
                        None => number,
                        Some(before) => crc_fast::checksum_combine(crc, before, number, size),
                    });
                }
                let bytes = combined?.to_be_bytes();
                base64_simd::STANDARD.encode_to_string(bytes.get(8 - self.digest_length()..)?)
            }
        };
        Some(Checksum { algorithm: self, coverage, value })
    }
}

impl Coverage {
    pub fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::FullObject, Self::Composite].into_iter().find(|coverage| coverage.name() == name)
    }
}

/// Computes one checksum.
pub struct Hasher {
    pub algorithm: Algorithm,
    state: State,
}

enum State {
    Crc32(Crc32),
    Crc32c(Crc32c),
    Crc64Nvme(Crc64Nvme),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Crc32 => State::Crc32(Crc32::new()),
            Algorithm::Crc32c => State::Crc32c(Crc32c::new()),
            Algorithm::Crc64Nvme => State::Crc64Nvme(Crc64Nvme::new()),
            Algorithm::Sha1 => State::Sha1(Sha1::new()),
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
        };
        Self { algorithm, state }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc32(state) => state.update(bytes),
            State::Crc32c(state) => state.update(bytes),
            State::Crc64Nvme(state) => state.update(bytes),
            State::Sha1(state) => state.update(bytes),
            State::Sha256(state) => state.update(bytes),
        }
    }

    /// The checksum in base64.
    pub fn finish(self) -> String {
        let encode = |bytes: &[u8]| base64_simd::STANDARD.encode_to_string(bytes);
        match self.state {
            State::Crc32(state) => encode(&state.finalize()),
            State::Crc32c(state) => encode(&state.finalize()),
            State::Crc64Nvme(state) => encode(&state.finalize()),
            State::Sha1(state) => encode(&state.finalize()),
            State::Sha256(state) => encode(&state.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn known_values() {
        // The check values of the CRC catalogue, and FIPS 180 for "abc".
        assert_eq!(one(Algorithm::Crc32, b"123456789"), "y/Q5Jg==");
        assert_eq!(one(Algorithm::Crc32c, b"123456789"), "4waSgw==");
        assert_eq!(one(Algorithm::Crc64Nvme, b"123456789"), "rosUhgp5mIg=");
        assert_eq!(one(Algorithm::Sha1, b"abc"), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
        assert_eq!(one(Algorithm::Sha256, b"abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[test]
    fn parts_combine_to_the_whole() {
        let bytes: Vec<u8> = (0..300_000u32).map(|n| (n * 7 % 251) as u8).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let parts: Vec<(u64, String)> =
                [&bytes[..100_000], &bytes[100_000..100_001], &bytes[100_001..]]
                    .iter()
                    .map(|part| (part.len() as u64, one(algorithm, part)))
                    .collect();
            let combined = algorithm
                .of_parts(
                    Coverage::FullObject,
                    parts.iter().map(|(size, value)| (*size, value.as_str())),
                )
                .unwrap();
            assert_eq!(combined.value, one(algorithm, &bytes), "{}", algorithm.name());
        }
    }

    #[test]
    fn composite_has_the_count() {
        let value = one(Algorithm::Sha256, b"abc");
        let whole = Algorithm::Sha256
            .of_parts(Coverage::Composite, [(3, value.as_str()), (3, value.as_str())].into_iter())
            .unwrap();
        assert!(whole.value.ends_with("=-2"), "{}", whole.value);
        assert!(
            Algorithm::Sha256
                .of_parts(Coverage::FullObject, [(3, value.as_str())].into_iter())
                .is_none()
        );
        assert!(Algorithm::Sha256.of_parts(Coverage::Composite, [(3, "no")].into_iter()).is_none());
    }

    #[test]
    fn shapes() {
        assert!(Algorithm::Crc32.accepts("y/Q5Jg=="));
        assert!(!Algorithm::Crc32.accepts("rosUhgp5mIg="));
        assert!(!Algorithm::Crc32.accepts("not base64"));
        assert!(!Algorithm::Crc64Nvme.allows(Coverage::Composite));
        assert!(!Algorithm::Sha1.allows(Coverage::FullObject));
    }
}
