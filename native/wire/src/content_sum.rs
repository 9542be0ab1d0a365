//! The checksum of a content that comes in order, by any of the algorithms that dipper has.

use crate::checksum::{Algorithm, InOrder};
use crate::fnv1a::Fnv1a64;

/// What a content is summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SumAlgorithm {
    /// FNV-1a of 64 bits.
    Fnv1a64,
    /// One of those that S3 keeps.
    Kept(Algorithm),
}

/// The sum over bytes that come in order.
#[derive(Clone, Debug)]
pub struct ContentSum(Sum);

#[derive(Clone, Debug)]
enum Sum {
    Fnv1a64(Fnv1a64),
    Kept(Box<InOrder>),
}

impl ContentSum {
    /// The sum of nothing yet.
    #[must_use]
    pub fn new(algorithm: SumAlgorithm) -> Self {
        Self(match algorithm {
            SumAlgorithm::Fnv1a64 => Sum::Fnv1a64(Fnv1a64::default()),
            SumAlgorithm::Kept(algorithm) => Sum::Kept(Box::new(InOrder::new(algorithm, None))),
        })
    }

    /// Sums the bytes that come next.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Sum::Fnv1a64(sum) => sum.update(bytes),
            Sum::Kept(sum) => sum.update(bytes),
        }
    }

    /// The sum as hexadecimal digits, the most significant first.
    #[must_use]
    pub fn finish(self) -> String {
        match self.0 {
            Sum::Fnv1a64(sum) => format!("{:016x}", sum.finish()),
            Sum::Kept(sum) => sum.finish().iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_reaches_its_published_value() {
        // The check values of the CRC catalogue, FIPS 180's and FNV's own vectors.
        for (algorithm, text, expected) in [
            (SumAlgorithm::Fnv1a64, "foobar", "85944171f73967e8"),
            (SumAlgorithm::Fnv1a64, "", "cbf29ce484222325"),
            (SumAlgorithm::Kept(Algorithm::Crc32), "123456789", "cbf43926"),
            (SumAlgorithm::Kept(Algorithm::Crc32c), "123456789", "e3069283"),
            (SumAlgorithm::Kept(Algorithm::Crc64Nvme), "123456789", "ae8b14860a799888"),
            (
                SumAlgorithm::Kept(Algorithm::Sha1),
                "abc",
                "a9993e364706816aba3e25717850c26c9cd0d89d",
            ),
            (
                SumAlgorithm::Kept(Algorithm::Sha256),
                "abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ] {
            let mut sum = ContentSum::new(algorithm);
            text.bytes().for_each(|byte| sum.update(&[byte]));
            assert_eq!(sum.finish(), expected, "{algorithm:?} of {text:?}");
        }
    }
}
