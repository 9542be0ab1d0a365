//! How large the parts of an upload are.
//!
//! S3 takes 10,000 parts of up to 5 GiB; each but the last has at least 5 MiB. That makes 48.8 TiB
//! at most, and S3 sets no other limit: "50 TB" since December 2025, before that 5 TiB. Some
//! servers want all parts but the last to be of one size, so they are, until an upload of unknown
//! length has become so long that they have to grow.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingObjects.html>

use crate::Error;

pub(super) const MOST_PARTS: u64 = 10_000;
const MEBIBYTE: u64 = 1 << 20;
/// Parts of an unknown length grow after as many as this, but only up to the window: then they
/// keep their size for as long as that leaves enough parts for what may come.
const STEP: u64 = 1_000;
/// Parts lie in memory up to this index.
const IN_MEMORY: u64 = 8_000;
/// For so many parts after they have grown, memory of the former size may still be about.
const CHANGING: u64 = 16;
/// An object that lies in memory is sent in about so many parts: fewer requests, and no
/// memory is needed for them.
const PARTS_OF_MEMORY: u64 = 32;

/// What S3 takes, and what is kept in memory. Only tests have others than [`S3`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// What S3 takes as a part that is not the last.
    least: u64,
    /// What S3 takes in one request.
    most: u64,
    /// The size that keeps connections busy and memory small.
    usual: u64,
    /// Objects up to this size are one request.
    one_request: u64,
    /// What is sent again after a failure stays small, also where no memory is needed for it.
    most_of_memory: u64,
    /// Of an upload of unknown length, the parts after those in memory.
    large: u64,
    /// Parts of a known length are multiples of this.
    round: u64,
    /// What an upload has in memory at once: what the figure for peak memory leaves room for.
    pub(super) window: u64,
}

/// The limits of S3.
pub(super) const S3: Limits = Limits {
    least: 5 * MEBIBYTE,
    most: 5 << 30,
    usual: 8 * MEBIBYTE,
    one_request: 16 * MEBIBYTE,
    most_of_memory: 32 * MEBIBYTE,
    large: 512 * MEBIBYTE,
    round: MEBIBYTE,
    window: 48 * MEBIBYTE,
};

impl Limits {
    fn largest_object(self) -> u64 {
        self.most * MOST_PARTS
    }

    /// The same world, so many times smaller.
    #[cfg(test)]
    pub(super) fn divided_by(self, scale: u64) -> Self {
        Self {
            least: self.least / scale,
            most: self.most / scale,
            usual: self.usual / scale,
            one_request: self.one_request / scale,
            most_of_memory: self.most_of_memory / scale,
            large: self.large / scale,
            round: self.round / scale,
            window: self.window / scale,
        }
    }

    /// A world in which ten thousand parts are sent in a moment, the last ones larger than what
    /// lies in memory.
    #[cfg(test)]
    pub(super) fn tiny() -> Self {
        Self { large: 64, most: 96, round: 1, ..S3.divided_by(MEBIBYTE) }
    }
}

/// The sizes of the parts of one upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartSizes {
    first: u64,
    one_request: u64,
    /// Whether the caller chose the size, or the length is known: then it stays.
    fixed: bool,
    limits: Limits,
}

impl PartSizes {
    /// For an upload of a size, if it is known, with parts as the caller wants them.
    pub(super) fn new(
        limits: Limits,
        size: Option<u64>,
        wanted: Option<u64>,
    ) -> Result<Self, Error> {
        let most = limits.largest_object();
        if let Some(size) = size.filter(|size| *size > most) {
            return Err(Error::invalid(format!(
                "{size} bytes are more than an object can have: {MOST_PARTS} parts of {} bytes",
                limits.most
            ))
            .hint("write it as several objects"));
        }
        if let Some(wanted) = wanted {
            if !(limits.least..=limits.most).contains(&wanted) {
                return Err(Error::invalid(format!("a part cannot have {wanted} bytes"))
                    .hint("pass a partSize from 5 MiB to 5 GiB"));
            }
            if let Some(size) = size.filter(|size| size.div_ceil(wanted) > MOST_PARTS) {
                let count = size.div_ceil(wanted);
                return Err(Error::invalid(format!(
                    "{size} bytes make {count} parts of {wanted} bytes, and S3 takes {MOST_PARTS}"
                ))
                .hint("pass a larger partSize, or none"));
            }
            return Ok(Self { first: wanted, one_request: wanted, fixed: true, limits });
        }
        let needed = size.map_or(0, |size| size.div_ceil(MOST_PARTS));
        let first = needed.next_multiple_of(limits.round).max(limits.usual);
        // Of an unknown length, no more than a part is at hand before parts are begun.
        let one_request = if size.is_some() { first.max(limits.one_request) } else { first };
        Ok(Self { first, one_request, fixed: size.is_some(), limits })
    }

    /// The same for an object that lies in memory as a whole and is sent from there.
    pub(super) fn of_memory(size: u64, wanted: Option<u64>) -> Result<Self, Error> {
        let mut sizes = Self::new(S3, Some(size), wanted)?;
        if wanted.is_none() {
            let larger = (size / PARTS_OF_MEMORY).next_multiple_of(sizes.limits.round);
            sizes.first = sizes.first.max(larger.min(sizes.limits.most_of_memory));
        }
        Ok(sizes)
    }

    pub(super) fn limits(self) -> Limits {
        self.limits
    }

    /// Whether parts have just become larger with this index.
    pub(super) fn has_grown(self, index: u64) -> bool {
        let grows = !self.fixed && index >= STEP && index % STEP < CHANGING;
        grows && self.grown(index) != self.grown(index - STEP)
    }

    /// Whether an object of this size is one request.
    pub(super) fn is_one_request(self, size: u64) -> bool {
        size <= self.one_request
    }

    /// The size of the part with this index, the first being 0.
    pub(super) fn of(self, index: u64) -> Result<u64, Error> {
        match (index < MOST_PARTS, self.fixed) {
            (true, true) => Ok(self.first),
            (true, false) => Ok(self.grown(index)),
            (false, true) => Err(Error::invalid(format!(
                "the source brings more than {MOST_PARTS} parts of {} bytes, and S3 takes no more",
                self.first
            ))
            .hint("pass a larger partSize, or none")),
            (false, false) => {
                let all: u64 = (0..MOST_PARTS).map(|index| self.grown(index)).sum();
                Err(Error::invalid(format!(
                    "the source brings more than the {all} bytes that {MOST_PARTS} parts hold when \
                     the length is not known before, and S3 takes no more parts"
                ))
                .hint("pass a partSize, up to 5 GiB: parts then have this size from the first on"))
            }
        }
    }

    /// Of an unknown length: as long as the parts lie in memory, they grow no further than the
    /// window allows. The last of them make room for what an object may have.
    fn grown(self, index: u64) -> u64 {
        let Limits { window, large, most, .. } = self.limits;
        if index < IN_MEMORY {
            let doublings = u32::try_from(index / STEP).unwrap_or(u32::MAX);
            return self.first.checked_shl(doublings).unwrap_or(u64::MAX).min(window);
        }
        if index < IN_MEMORY + STEP { large } else { most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(size: Option<u64>, wanted: Option<u64>) -> Result<PartSizes, Error> {
        PartSizes::new(S3, size, wanted)
    }

    #[test]
    fn every_object_fits_in_its_parts() {
        let largest = S3.largest_object();
        for size in [0, 1, S3.usual, 80 << 30, 1 << 40, largest] {
            let sizes = of(Some(size), None).unwrap();
            let part = sizes.of(0).unwrap();
            assert!(size.div_ceil(part) <= MOST_PARTS, "{size}");
            assert!((S3.least..=S3.most).contains(&part), "{size}");
            assert_eq!(sizes.of(9_999).unwrap(), part);
        }
        let refused = of(Some(largest + 1), None).unwrap_err();
        assert_eq!(refused.status, crate::Status::InvalidInput);
        // What Amazon calls 50 TB.
        assert_eq!(largest, 50_000 << 30);
    }

    #[test]
    fn what_lies_in_memory_is_sent_in_larger_parts() {
        let first = |size, wanted| PartSizes::of_memory(size, wanted).unwrap().of(0).unwrap();
        assert_eq!(first(17 << 20, None), S3.usual);
        assert_eq!(first(1 << 30, None), 32 << 20);
        assert_eq!(first(100 << 30, None), S3.most_of_memory);
        assert_eq!(first(1 << 40, None), of(Some(1 << 40), None).unwrap().first);
        assert_eq!(first(1 << 30, Some(S3.least)), S3.least);
    }

    #[test]
    fn growth_is_told_for_a_while() {
        let sizes = of(None, None).unwrap();
        let told: Vec<u64> = (0..MOST_PARTS).filter(|index| sizes.has_grown(*index)).collect();
        let begun: Vec<u64> = told.iter().copied().step_by(16).collect();
        assert_eq!(begun, [1_000, 2_000, 3_000, 8_000, 9_000]);
        assert_eq!(told.len(), 5 * 16);
        assert!(!of(Some(80 << 30), None).unwrap().has_grown(1_000));
    }

    #[test]
    fn an_upload_of_unknown_length_may_become_five_tebibytes() {
        let sizes = of(None, None).unwrap();
        let up_to = |parts| (0..parts).map(|index| sizes.of(index).unwrap()).sum::<u64>();
        assert!(up_to(MOST_PARTS) >= 5 << 40);
        assert_eq!(up_to(1_000), 8_000 << 20);
        // So much is sent from memory, whatever is known of it.
        assert_eq!(up_to(IN_MEMORY) >> 30, 289);
        assert!((0..IN_MEMORY).all(|index| sizes.of(index).unwrap() <= S3.window));
        let refused = sizes.of(MOST_PARTS).unwrap_err();
        assert!(refused.message.contains(&up_to(MOST_PARTS).to_string()), "{refused:?}");
    }

    #[test]
    fn wishes_are_checked() {
        let least = S3.least;
        assert!(of(None, Some(least - 1)).is_err());
        assert!(of(None, Some(S3.most + 1)).is_err());
        assert!(of(Some(10_001 * least), Some(least)).is_err());
        let sizes = of(Some(10_000 * least), Some(least)).unwrap();
        assert_eq!(sizes.of(7).unwrap(), least);
        assert!(sizes.is_one_request(least) && !sizes.is_one_request(least + 1));
        assert!(of(Some(1), None).unwrap().is_one_request(S3.one_request));
        assert!(!of(None, None).unwrap().is_one_request(S3.one_request));
    }
}
