//! Which bytes a read asks for, and which those are in an object of a given size.

use super::error::StoreError;
use super::record::ObjectRecord;
use std::ops::Range;

/// What a read asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    Whole,
    /// From `first` to `last`, inclusive, or to the end.
    From {
        first: u64,
        last: Option<u64>,
    },
    /// The last `length` bytes.
    Last {
        length: u64,
    },
    /// A part of a multipart object; an object of one piece is its own part 1.
    Part(u16),
}

impl Selection {
    /// The bytes, as a half-open range inside the object.
    pub fn resolve(self, object: &ObjectRecord) -> Result<Range<u64>, StoreError> {
        let size = object.size;
        match self {
            Self::Whole => Ok(0..size),
            Self::From { first, last } => {
                if first >= size || last.is_some_and(|last| last < first) {
                    return Err(StoreError::InvalidRange { size });
                }
                Ok(first..last.map_or(size, |last| size.min(last.saturating_add(1))))
            }
            Self::Last { length } => {
                if length == 0 || size == 0 {
                    return Err(StoreError::InvalidRange { size });
                }
                Ok(size.saturating_sub(length)..size)
            }
            Self::Part(number) => match &object.parts {
                None if number == 1 => Ok(0..size),
                None => Err(StoreError::InvalidPartNumber { parts: 1 }),
                Some(parts) => {
                    // S3 numbers the parts of a finished object from 1 without gaps.
                    let index = usize::from(number).wrapping_sub(1);
                    let part = parts
                        .list
                        .get(index)
                        .ok_or(StoreError::InvalidPartNumber { parts: parts.list.len() })?;
                    let start = parts.list.iter().take(index).map(|part| part.size).sum::<u64>();
                    Ok(start..start + part.size)
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::record::{ObjectPart, ObjectParts};

    fn of(size: u64, selection: Selection) -> Option<Range<u64>> {
        selection.resolve(&ObjectRecord { size, ..ObjectRecord::default() }).ok()
    }

    #[test]
    fn ranges() {
        assert_eq!(of(10, Selection::Whole), Some(0..10));
        assert_eq!(of(0, Selection::Whole), Some(0..0));
        assert_eq!(of(10, Selection::From { first: 2, last: Some(4) }), Some(2..5));
        assert_eq!(of(10, Selection::From { first: 2, last: None }), Some(2..10));
        assert_eq!(of(10, Selection::From { first: 9, last: Some(u64::MAX) }), Some(9..10));
        assert_eq!(of(10, Selection::From { first: 10, last: None }), None);
        assert_eq!(of(0, Selection::From { first: 0, last: None }), None);
        assert_eq!(of(10, Selection::Last { length: 3 }), Some(7..10));
        assert_eq!(of(10, Selection::Last { length: 30 }), Some(0..10));
        assert_eq!(of(10, Selection::Last { length: 0 }), None);
        assert_eq!(of(0, Selection::Last { length: 5 }), None);
    }

    #[test]
    fn parts() {
        let part = |number, size| ObjectPart { number, size, checksum: None };
        let object = ObjectRecord {
            size: 12,
            parts: Some(ObjectParts { directory: "x".into(), list: vec![part(2, 5), part(7, 7)] }),
            ..ObjectRecord::default()
        };
        assert_eq!(Selection::Part(1).resolve(&object).ok(), Some(0..5));
        assert_eq!(Selection::Part(2).resolve(&object).ok(), Some(5..12));
        assert!(matches!(
            Selection::Part(3).resolve(&object),
            Err(StoreError::InvalidPartNumber { parts: 2 })
        ));
        assert!(Selection::Part(0).resolve(&object).is_err());
        assert_eq!(of(10, Selection::Part(1)), Some(0..10));
        assert_eq!(of(10, Selection::Part(2)), None);
    }
}
