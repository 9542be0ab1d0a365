//! Checksums of objects: what a server promises, and what arrived.
//!
//! S3 keeps a checksum either of the whole object or, for an object that was uploaded in
//! parts, a composite one: the digest of the parts' digests. CRCs of pieces combine, so
//! pieces may arrive in any order ([`Piecewise`]). The SHA family does not combine: its
//! bytes are hashed in order ([`InOrder`]).

use crc_fast::{CrcAlgorithm, Digest as Crc};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// How many parts an object in S3 can have.
const MOST_PARTS: u64 = 10_000;

/// What S3 keeps checksums by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// CRC-64/NVME, what S3 computes when nobody asks for another.
    Crc64Nvme,
    /// CRC-32 as in zip and Ethernet.
    Crc32,
    /// CRC-32C, Castagnoli's.
    Crc32c,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// All of them, the cheapest to verify first.
    pub const ALL: [Self; 5] =
        [Self::Crc64Nvme, Self::Crc32c, Self::Crc32, Self::Sha256, Self::Sha1];

    /// The lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "crc64nvme",
            Self::Crc32 => "crc32",
            Self::Crc32c => "crc32c",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// The header in which S3 sends the checksum.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Whether the digests of two pieces give the digest of both: whether [`Piecewise`]
    /// can do it.
    #[must_use]
    pub fn combines(self) -> bool {
        self.crc().is_some()
    }

    /// How many bytes a digest has.
    #[must_use]
    pub fn digest_length(self) -> usize {
        match self {
            Self::Crc64Nvme => 8,
            Self::Crc32 | Self::Crc32c => 4,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The digest of all bytes from the digests and lengths of pieces that lie beside each
    /// other. `None` where the algorithm does not combine, a digest is missing or none.
    pub fn combine<'a>(
        self,
        pieces: impl IntoIterator<Item = Option<(&'a [u8], u64)>>,
    ) -> Option<Vec<u8>> {
        let algorithm = self.crc()?;
        let mut sum = Crc::new(algorithm).finalize();
        for piece in pieces {
            let (digest, length) = piece?;
            if digest.len() != self.digest_length() {
                return None;
            }
            let crc = digest.iter().fold(0, |crc: u64, byte| crc << 8 | u64::from(*byte));
            sum = crc_fast::checksum_combine(algorithm, sum, crc, length);
        }
        Some(self.crc_bytes(sum))
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// A CRC as S3 writes it: big endian, without the bytes that the type has too many.
    fn crc_bytes(self, crc: u64) -> Vec<u8> {
        crc.to_be_bytes()[8_usize.saturating_sub(self.digest_length())..].to_vec()
    }
}

/// The checksum that a server promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What it was computed with.
    pub algorithm: Algorithm,
    /// Its bytes, in the order in which S3 sends them.
    pub digest: Vec<u8>,
    /// How many parts a composite checksum was made from; `None` for one of the whole object.
    pub parts: Option<u32>,
}

impl Expected {
    /// Reads a header's value: base64, and for a composite checksum `-` and the number of
    /// parts. `None` for anything else; then there is nothing that could be verified.
    #[must_use]
    pub fn parse(algorithm: Algorithm, header_value: &str) -> Option<Self> {
        let value = header_value.trim_matches([' ', '\t']);
        // `-` is no digit of this base64.
        let (text, parts) = match value.split_once('-') {
            Some((text, parts)) => (text, Some(part_count(parts)?)),
            None => (value, None),
        };
        let base64 = base64_simd::STANDARD;
        let length = algorithm.digest_length();
        // Checked first, so that a long header is not decoded.
        if text.len() != base64.encoded_length(length) {
            return None;
        }
        let digest = base64.decode_to_vec(text).ok()?;
        // One digest has one spelling: loose bits at the end are refused.
        let canonical = digest.len() == length && base64.encode_to_string(&digest) == text;
        canonical.then_some(Self { algorithm, digest, parts })
    }
}

fn part_count(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let count: u32 = if plain { text.parse().ok()? } else { return None };
    (u64::from(count) <= MOST_PARTS).then_some(count)
}

/// The sum over bytes that arrive in pieces, in any order. Only for algorithms that
/// combine.
#[derive(Debug)]
pub struct Piecewise {
    algorithm: Algorithm,
    total: u64,
    block: Option<u64>,
    possible: bool,
    runs: Vec<Run>,
}

/// The sum over one run of bytes that lie beside each other, within one block.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: u64,
    length: u64,
    crc: u64,
}

/// The sum over bytes that arrive in order from some offset.
#[derive(Clone, Debug)]
pub struct Piece {
    offset: u64,
    /// `None` where the sum could never be finished.
    crc: Option<Crc>,
    block: Option<u64>,
    /// Where the bytes in `crc` start.
    start: u64,
    runs: Vec<Run>,
}

impl Piecewise {
    /// The sum over `total` bytes. For a composite checksum `block` is the size of its
    /// parts, of which the last may be smaller; zero counts as `None`.
    ///
    /// Where the algorithm does not combine, or `block` makes more parts than S3 allows
    /// (then a server lies, and each part costs memory), nothing is summed and `finish`
    /// answers `None`.
    #[must_use]
    pub fn new(algorithm: Algorithm, total: u64, block: Option<u64>) -> Self {
        let block = block.filter(|block| *block > 0);
        let few = block.is_none_or(|block| total.div_ceil(block) <= MOST_PARTS);
        let possible = few && algorithm.combines();
        Self { algorithm, total, block, possible, runs: Vec::new() }
    }

    /// Starts a piece at `offset`. What is summed in it counts once it is added.
    #[must_use]
    pub fn piece(&self, offset: u64) -> Piece {
        let crc = self.algorithm.crc().filter(|_| self.possible).map(Crc::new);
        Piece { offset, crc, block: self.block, start: offset, runs: Vec::new() }
    }

    /// Takes a piece in.
    pub fn add(&mut self, mut piece: Piece) {
        piece.cut();
        self.runs.append(&mut piece.runs);
    }

    /// The digest: `None` unless the pieces cover all bytes exactly once.
    #[must_use]
    pub fn finish(mut self) -> Option<Vec<u8>> {
        let algorithm = self.algorithm.crc().filter(|_| self.possible)?;
        self.runs.sort_unstable_by_key(|run| run.start);
        let mut covered = 0_u64;
        let mut composite = Crc::new(algorithm);
        let mut sum = Crc::new(algorithm).finalize();
        for run in &self.runs {
            if run.start != covered {
                return None;
            }
            let starts_block = self.block.is_some_and(|block| covered.is_multiple_of(block));
            if starts_block && covered > 0 {
                composite.update(&self.algorithm.crc_bytes(sum));
            }
            sum = if starts_block || covered == 0 {
                run.crc
            } else {
                crc_fast::checksum_combine(algorithm, sum, run.crc, run.length)
            };
            covered = covered.checked_add(run.length)?;
        }
        if covered != self.total {
            return None;
        }
        if self.block.is_some() {
            // The last block, which in an empty object is an empty one.
            composite.update(&self.algorithm.crc_bytes(sum));
            sum = composite.finalize();
        }
        Some(self.algorithm.crc_bytes(sum))
    }
}

impl Piece {
    /// Where the next byte belongs.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Sums the bytes that come next. They are cut where blocks end.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room().map_or(bytes.len(), |room| {
                usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()))
            });
            let (now, later) = bytes.split_at(room);
            if let Some(crc) = &mut self.crc {
                crc.update(now);
            }
            // An offset that cannot be counted lies beyond any total.
            self.offset = self.offset.saturating_add(now.len() as u64);
            bytes = later;
            if self.block.is_some_and(|block| self.offset.is_multiple_of(block)) {
                self.cut();
            }
        }
    }

    /// How many bytes the current block still takes; at least one. `None`: any number.
    fn room(&self) -> Option<u64> {
        let block = self.block?;
        let end = (self.offset / block).checked_add(1)?.checked_mul(block)?;
        Some(end - self.offset)
    }

    /// Ends the run, so that the next one starts at `offset`.
    fn cut(&mut self) {
        if let Some(crc) = &mut self.crc {
            let length = crc.get_amount();
            if length > 0 {
                self.runs.push(Run { start: self.start, length, crc: crc.finalize_reset() });
            }
        }
        self.start = self.offset;
    }
}

/// The sum over bytes that arrive in order, by any algorithm.
#[derive(Clone, Debug)]
pub struct InOrder {
    algorithm: Algorithm,
    block: Option<u64>,
    /// Bytes in the current block, which is never a full one when more bytes follow.
    filled: u64,
    sum: Sum,
    /// The digest of the digests of the blocks before.
    composite: Sum,
}

impl InOrder {
    /// For a composite checksum `block` is the size of its parts; zero counts as `None`.
    #[must_use]
    pub fn new(algorithm: Algorithm, block: Option<u64>) -> Self {
        let sum = Sum::new(algorithm);
        let block = block.filter(|block| *block > 0);
        Self { algorithm, block, filled: 0, composite: sum.clone(), sum }
    }

    /// Sums the bytes that come next.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while let Some(block) = self.block
            && !bytes.is_empty()
        {
            if self.filled == block {
                self.end_block();
            }
            let room = usize::try_from(block - self.filled).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.sum.update(now);
            self.filled += now.len() as u64;
            bytes = later;
        }
        self.sum.update(bytes);
    }

    fn end_block(&mut self) {
        let sum = std::mem::replace(&mut self.sum, Sum::new(self.algorithm));
        self.composite.update(&sum.finish(self.algorithm));
        self.filled = 0;
    }

    /// The digest, in the order in which S3 sends it.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        if self.block.is_some() {
            self.end_block();
            self.composite.finish(self.algorithm)
        } else {
            self.sum.finish(self.algorithm)
        }
    }
}

#[derive(Clone, Debug)]
enum Sum {
    // Boxed: its parameters make it three times as large as the others.
    Crc(Box<Crc>),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Sum {
    fn new(algorithm: Algorithm) -> Self {
        match (algorithm.crc(), algorithm) {
            (Some(crc), _) => Self::Crc(Box::new(Crc::new(crc))),
            (None, Algorithm::Sha1) => Self::Sha1(Sha1::new()),
            (None, _) => Self::Sha256(Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(crc) => crc.update(bytes),
            Self::Sha1(sha) => sha.update(bytes),
            Self::Sha256(sha) => sha.update(bytes),
        }
    }

    fn finish(self, algorithm: Algorithm) -> Vec<u8> {
        match self {
            Self::Crc(crc) => algorithm.crc_bytes(crc.finalize()),
            Self::Sha1(sha) => sha.finalize().to_vec(),
            Self::Sha256(sha) => sha.finalize().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator without a dependency: SplitMix64.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        }

        fn below(&mut self, limit: u64) -> u64 {
            self.next() % limit
        }

        fn bytes(&mut self, length: usize) -> Vec<u8> {
            (0..length).map(|_| self.next() as u8).collect()
        }
    }

    /// Bit by bit, from the polynomial: independent of the tables and the SIMD of crc-fast.
    fn naive(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
        let polynomial = match algorithm {
            Algorithm::Crc64Nvme => 0x9A6C_9329_AC4B_C9B5,
            Algorithm::Crc32 => 0xEDB8_8320,
            Algorithm::Crc32c => 0x82F6_3B78,
            Algorithm::Sha1 | Algorithm::Sha256 => {
                let mut sum = InOrder::new(algorithm, None);
                sum.update(bytes);
                return sum.finish();
            }
        };
        let ones = if algorithm == Algorithm::Crc64Nvme { u64::MAX } else { u64::from(u32::MAX) };
        let mut crc = ones;
        for byte in bytes {
            crc ^= u64::from(*byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ if crc & 1 == 1 { polynomial } else { 0 };
            }
        }
        algorithm.crc_bytes(crc ^ ones)
    }

    fn naive_composite(algorithm: Algorithm, bytes: &[u8], block: usize) -> Vec<u8> {
        let mut digests = Vec::new();
        if bytes.is_empty() {
            digests.extend(naive(algorithm, bytes));
        }
        for part in bytes.chunks(block) {
            digests.extend(naive(algorithm, part));
        }
        naive(algorithm, &digests)
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn published_check_values_are_reached() {
        // The CRC catalogue's check values, and FIPS 180's examples.
        for (algorithm, input, expected) in [
            (Algorithm::Crc64Nvme, "123456789", "ae8b14860a799888"),
            (Algorithm::Crc32, "123456789", "cbf43926"),
            (Algorithm::Crc32c, "123456789", "e3069283"),
            (Algorithm::Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                Algorithm::Sha256,
                "abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                Algorithm::Sha256,
                "",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
        ] {
            let mut sum = InOrder::new(algorithm, None);
            sum.update(input.as_bytes());
            assert_eq!(hex(&sum.finish()), expected, "{algorithm:?}");
            if algorithm.combines() {
                assert_eq!(hex(&naive(algorithm, input.as_bytes())), expected, "{algorithm:?}");
            }
        }
    }

    #[test]
    fn any_cuts_in_any_order_give_the_same_digest() {
        let mut random = Random(1);
        let whole = random.bytes(70_000);
        for round in 0..150 {
            let bytes = &whole[..random.below(if round % 2 == 0 { 300 } else { 70_000 }) as usize];
            let block = (round % 3 > 0).then(|| 1 + random.below(bytes.len() as u64 + 10));
            let block = block.map(|block| block.max(bytes.len() as u64 / 9_000 + 1));
            for algorithm in Algorithm::ALL {
                let expected = match block {
                    Some(block) => naive_composite(algorithm, bytes, block as usize),
                    None => naive(algorithm, bytes),
                };

                let mut in_order = InOrder::new(algorithm, block);
                let mut rest = bytes;
                while !rest.is_empty() {
                    let (now, later) = rest.split_at(1 + random.below(rest.len() as u64) as usize);
                    in_order.update(now);
                    rest = later;
                }
                assert_eq!(in_order.finish(), expected, "{algorithm:?} {block:?} in order");

                let mut sum = Piecewise::new(algorithm, bytes.len() as u64, block);
                let mut pieces = Vec::new();
                let mut at = 0;
                while at < bytes.len() {
                    let end = at + 1 + random.below((bytes.len() - at) as u64) as usize;
                    let mut piece = sum.piece(at as u64);
                    let mut rest = &bytes[at..end];
                    while !rest.is_empty() {
                        let middle = 1 + random.below(rest.len() as u64) as usize;
                        piece.update(&rest[..middle]);
                        rest = &rest[middle..];
                    }
                    assert_eq!(piece.offset(), end as u64);
                    pieces.push(piece);
                    at = end;
                }
                while !pieces.is_empty() {
                    let piece = pieces.swap_remove(random.below(pieces.len() as u64) as usize);
                    sum.add(piece);
                }
                let expected = algorithm.combines().then_some(expected);
                assert_eq!(sum.finish(), expected, "{algorithm:?} {block:?} in pieces");
            }
        }
    }

    #[test]
    fn a_gap_an_overlap_or_a_surplus_has_no_digest() {
        let covers = |total: u64, block: Option<u64>, pieces: &[(u64, usize)]| {
            let mut sum = Piecewise::new(Algorithm::Crc32c, total, block);
            for (offset, length) in pieces {
                let mut piece = sum.piece(*offset);
                piece.update(&vec![7; *length]);
                sum.add(piece);
            }
            sum.finish().is_some()
        };
        for block in [None, Some(3), Some(4), Some(100)] {
            assert!(covers(8, block, &[(4, 4), (0, 4)]));
            assert!(covers(8, block, &[(0, 8), (8, 0), (3, 0)]));
            assert!(!covers(8, block, &[(0, 4), (5, 3)]));
            assert!(!covers(8, block, &[(0, 4), (3, 5)]));
            assert!(!covers(8, block, &[(0, 4), (4, 4), (0, 4)]));
            assert!(!covers(8, block, &[(0, 4), (4, 3)]));
            assert!(!covers(8, block, &[(0, 9)]));
            assert!(!covers(8, block, &[(1, 8)]));
            assert!(!covers(8, block, &[]));
            assert!(!covers(u64::MAX, None, &[(u64::MAX - 2, 8)]));
            assert!(!covers(5, Some(1), &[(u64::MAX, 8)]));
            assert!(!covers(u64::MAX, Some(u64::MAX / 100), &[(u64::MAX - 2, 8)]));
        }
        assert!(covers(0, None, &[]) && covers(0, Some(5), &[]));
    }

    #[test]
    fn a_block_size_that_makes_too_many_parts_costs_nothing() {
        let mut sum = Piecewise::new(Algorithm::Crc64Nvme, 10_001, Some(1));
        let mut piece = sum.piece(0);
        piece.update(&[0; 10_001]);
        assert_eq!((piece.offset(), piece.runs.len()), (10_001, 0));
        sum.add(piece);
        assert_eq!(sum.finish(), None);
    }

    #[test]
    fn promised_checksums_are_read() {
        let full = Expected::parse(Algorithm::Crc64Nvme, "rosUhgp5mIg=").unwrap();
        assert_eq!(
            full,
            Expected {
                algorithm: Algorithm::Crc64Nvme,
                digest: naive(Algorithm::Crc64Nvme, b"123456789"),
                parts: None,
            }
        );
        let composite = Expected::parse(Algorithm::Crc32, " y/Q5Jg==-10000\t").unwrap();
        assert_eq!(composite.digest, [0xCB, 0xF4, 0x39, 0x26]);
        assert_eq!(composite.parts, Some(10_000));
    }

    #[test]
    fn other_values_are_refused() {
        for value in [
            "",
            "-1",
            "y/Q5Jg",
            "y/Q5Jg=",
            "y/Q5Jg===",
            "y/Q5Jh==",
            "y_Q5Jg==",
            "y/Q5 Jg=",
            "y/Q5Jg==-",
            "y/Q5Jg==-0",
            "y/Q5Jg==-01",
            "y/Q5Jg==-+1",
            "y/Q5Jg==-10001",
            "y/Q5Jg==-99999999999",
            "y/Q5Jg==-1-1",
            "y/Q5Jg==\n",
            "rosUhgp5mIg=",
            "y/Q5Jgé=",
        ] {
            assert_eq!(Expected::parse(Algorithm::Crc32, value), None, "{value:?}");
        }
    }

    #[test]
    fn each_algorithm_has_its_own_name_header_and_length() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.header(), format!("x-amz-checksum-{}", algorithm.name()));
            let digest = InOrder::new(algorithm, None).finish();
            assert_eq!(digest.len(), algorithm.digest_length());
        }
    }
}
