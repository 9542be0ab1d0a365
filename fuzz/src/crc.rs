//! CRCs bit by bit, from their polynomials: slow, and independent of every table and every SIMD
//! instruction.

use dipper_wire::Algorithm;

/// The CRC as S3 writes it. `None` for what is no CRC.
pub fn naive(algorithm: Algorithm, bytes: impl IntoIterator<Item = u8>) -> Option<Vec<u8>> {
    let (polynomial, ones) = match algorithm {
        Algorithm::Crc64Nvme => (0x9A6C_9329_AC4B_C9B5, u64::MAX),
        Algorithm::Crc32 => (0xEDB8_8320, u64::from(u32::MAX)),
        Algorithm::Crc32c => (0x82F6_3B78, u64::from(u32::MAX)),
        Algorithm::Sha1 | Algorithm::Sha256 => return None,
    };
    let mut crc = ones;
    for byte in bytes {
        crc ^= u64::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { polynomial } else { 0 };
        }
    }
    let bytes = (crc ^ ones).to_be_bytes();
    Some(bytes[8 - algorithm.digest_length()..].to_vec())
}
