//! How large the parts of an upload are.
//!
//! S3 takes 10,000 parts of up to 5 GiB; each but the last has at least 5 MiB. Some servers
//! want all but the last to be of one size, so they are, until an upload of unknown length
//! has become so long that they have to grow.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>

use crate::Error;

/// The size that keeps connections busy and memory small.
const USUAL: u64 = 8 << 20;
/// Objects up to this size are one request.
const ONE_REQUEST: u64 = 16 << 20;
/// What S3 takes as a part that is not the last.
const LEAST: u64 = 5 << 20;
/// What S3 takes in one request.
const MOST: u64 = 5 << 30;
const MOST_PARTS: u64 = 10_000;
/// What S3 takes as an object: 48.8 TiB, in parts of 5 GiB.
const LARGEST_OBJECT: u64 = MOST * MOST_PARTS;
const MEBIBYTE: u64 = 1 << 20;
/// After so many parts those of an unknown length double, and again after as many.
const DOUBLING: u64 = 1_000;
/// For so many parts after that, memory of the former size may still be about.
const CHANGING: u64 = 16;
/// An object that lies in memory is sent in about so many parts: fewer requests, and no
/// memory is needed for them.
const PARTS_OF_MEMORY: u64 = 32;
/// But what is sent again after a failure stays small.
const LARGEST_OF_MEMORY: u64 = 32 << 20;

/// The sizes of the parts of one upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartSizes {
    first: u64,
    one_request: u64,
    /// Whether the caller chose the size, or the length is known: then it stays.
    fixed: bool,
}

impl PartSizes {
    /// For an upload of a size, if it is known, with parts as the caller wants them.
    pub(super) fn new(size: Option<u64>, wanted: Option<u64>) -> Result<Self, Error> {
        if let Some(size) = size.filter(|size| *size > LARGEST_OBJECT) {
            return Err(Error::invalid(format!("{size} bytes are more than an object can have")));
        }
        if let Some(wanted) = wanted {
            if !(LEAST..=MOST).contains(&wanted) {
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
            return Ok(Self { first: wanted, one_request: wanted, fixed: true });
        }
        let needed = size.map_or(0, |size| size.div_ceil(MOST_PARTS));
        let first = needed.next_multiple_of(MEBIBYTE).max(USUAL);
        // Of an unknown length, no more than a part is at hand before parts are begun.
        let one_request = if size.is_some() { first.max(ONE_REQUEST) } else { first };
        Ok(Self { first, one_request, fixed: size.is_some() })
    }

    /// The same for an object that lies in memory as a whole and is sent from there.
    pub(super) fn of_memory(size: u64, wanted: Option<u64>) -> Result<Self, Error> {
        let mut sizes = Self::new(Some(size), wanted)?;
        if wanted.is_none() {
            let larger = (size / PARTS_OF_MEMORY).next_multiple_of(MEBIBYTE).min(LARGEST_OF_MEMORY);
            sizes.first = sizes.first.max(larger);
        }
        Ok(sizes)
    }

    /// Whether parts have just become larger with this index.
    pub(super) fn has_grown(self, index: u64) -> bool {
        !self.fixed && index >= DOUBLING && index % DOUBLING < CHANGING
    }

    /// Whether an object of this size is one request.
    pub(super) fn is_one_request(self, size: u64) -> bool {
        size <= self.one_request
    }

    /// The size of the part with this index, the first being 0.
    pub(super) fn of(self, index: u64) -> Result<u64, Error> {
        if index >= MOST_PARTS {
            return Err(Error::invalid(format!(
                "the upload has more than {MOST_PARTS} parts of {} bytes",
                self.first
            ))
            .hint("pass a larger partSize, or none"));
        }
        if self.fixed {
            return Ok(self.first);
        }
        let doublings = u32::try_from(index / DOUBLING).unwrap_or(u32::MAX);
        Ok((self.first << doublings).min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_fits_in_its_parts() {
        for size in [0, 1, USUAL, 80 << 30, 1 << 40, LARGEST_OBJECT] {
            let sizes = PartSizes::new(Some(size), None).unwrap();
            let part = sizes.of(0).unwrap();
            assert!(size.div_ceil(part) <= MOST_PARTS, "{size}");
            assert!((LEAST..=MOST).contains(&part), "{size}");
            assert_eq!(sizes.of(9_999).unwrap(), part);
        }
        assert!(PartSizes::new(Some(LARGEST_OBJECT + 1), None).is_err());
    }

    #[test]
    fn what_lies_in_memory_is_sent_in_larger_parts() {
        let first = |size, wanted| PartSizes::of_memory(size, wanted).unwrap().of(0).unwrap();
        assert_eq!(first(17 << 20, None), USUAL);
        assert_eq!(first(1 << 30, None), 32 << 20);
        assert_eq!(first(100 << 30, None), LARGEST_OF_MEMORY);
        assert_eq!(first(1 << 40, None), PartSizes::new(Some(1 << 40), None).unwrap().first);
        assert_eq!(first(1 << 30, Some(LEAST)), LEAST);
    }

    #[test]
    fn growth_is_told_for_a_while() {
        let sizes = PartSizes::new(None, None).unwrap();
        let told: Vec<u64> = (0..2_100).filter(|index| sizes.has_grown(*index)).collect();
        assert_eq!(told.len(), 32);
        assert_eq!((told[0], told[16]), (1_000, 2_000));
        assert!(!PartSizes::new(Some(80 << 30), None).unwrap().has_grown(1_000));
    }

    #[test]
    fn an_upload_of_unknown_length_may_become_five_tebibytes() {
        let sizes = PartSizes::new(None, None).unwrap();
        let all: u64 = (0..MOST_PARTS).map(|index| sizes.of(index).unwrap()).sum();
        assert!(all >= 5 << 40, "{all}");
        assert!(sizes.of(MOST_PARTS).is_err());
        assert_eq!(sizes.of(999).unwrap(), USUAL);
    }

    #[test]
    fn wishes_are_checked() {
        assert!(PartSizes::new(None, Some(LEAST - 1)).is_err());
        assert!(PartSizes::new(None, Some(MOST + 1)).is_err());
        assert!(PartSizes::new(Some(10_001 * LEAST), Some(LEAST)).is_err());
        let sizes = PartSizes::new(Some(10_000 * LEAST), Some(LEAST)).unwrap();
        assert_eq!(sizes.of(7).unwrap(), LEAST);
        assert!(sizes.is_one_request(LEAST) && !sizes.is_one_request(LEAST + 1));
        assert!(PartSizes::new(Some(1), None).unwrap().is_one_request(ONE_REQUEST));
        assert!(!PartSizes::new(None, None).unwrap().is_one_request(ONE_REQUEST));
    }
}
