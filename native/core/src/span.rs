//! Which bytes of an object are read, and whether an answer carries them.

use dipper_wire::ContentRange;

use crate::origin::Told;
use crate::{Error, Status};

/// Which bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// All of them.
    Whole,
    /// From `start` to before `end`, or to the object's end. Clamped to the object.
    Range {
        /// The first byte.
        start: u64,
        /// The byte after the last.
        end: Option<u64>,
    },
    /// The last bytes. Clamped to the object.
    Last(u64),
}

/// What the first answer carries, and what remains to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The offset in the object of the first byte that is read.
    pub(crate) start: u64,
    /// How many bytes are read in all.
    pub(crate) length: u64,
    /// How many of them the answer carries, from the start on.
    pub(crate) here: u64,
    /// The size of the object, where it is known.
    pub(crate) size: Option<u64>,
    /// Whether the answer is a range, so that the server can be asked for others.
    pub(crate) ranged: bool,
}

impl Span {
    pub(crate) fn header(self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Range { start, end: None } => Some(format!("bytes={start}-")),
            Self::Range { start, end: Some(end) } => {
                Some(format!("bytes={start}-{}", end.saturating_sub(1)))
            }
            Self::Last(count) => Some(format!("bytes=-{count}")),
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        match self {
            Self::Whole => false,
            Self::Range { start, end } => end.is_some_and(|end| end <= start),
            Self::Last(count) => count == 0,
        }
    }

    /// The beginning of it, for a first request of at most `most` bytes.
    pub(crate) fn first(self, most: u64) -> Self {
        match self {
            Self::Whole => Self::Range { start: 0, end: Some(most) },
            Self::Range { start, end } => {
                let cut = start.saturating_add(most);
                Self::Range { start, end: Some(end.map_or(cut, |end| end.min(cut))) }
            }
            last @ Self::Last(_) => last,
        }
    }

    /// What an answer to `asked`, the beginning of this span, is about.
    ///
    /// # Errors
    /// `NotS3` for an answer about something else, `Unsupported` for the whole object
    /// instead of a range of it.
    pub(crate) fn extent(self, asked: Self, told: &Told) -> Result<Extent, Error> {
        let Some(range) = told.range else { return self.extent_of_whole(told) };
        let wrong = || {
            Error::new(
                Status::NotS3,
                "the server answers with another range than the one asked for",
            )
        };
        let ContentRange::Part { first, last, size } = range else { return Err(wrong()) };
        let here = last - first + 1;
        let sane = told.length.is_none_or(|length| length == here)
            && match asked {
                Self::Range { start, end } => {
                    first == start
                        && end.is_none_or(|end| {
                            // All that was asked for, or all that there is.
                            last + 1 == end || (last < end && size.is_none_or(|s| last + 1 == s))
                        })
                }
                Self::Last(count) => {
                    here == count || (here < count && first == 0 && size.is_none_or(|s| s == here))
                }
                Self::Whole => first == 0 && size == Some(here),
            };
        if !sane {
            return Err(wrong());
        }
        let length = match (self, size) {
            (Self::Whole, Some(size)) => size,
            (Self::Range { end, .. }, Some(size)) => end.map_or(size, |end| end.min(size)) - first,
            (Self::Last(_), _) => here,
            // How much there is behind what came, nobody said: what was asked for in full
            // may go on.
            (_, None) if asked == self => here,
            (_, None) => {
                return Err(Error::new(
                    Status::NotS3,
                    "the server does not say how long the object is",
                ));
            }
        };
        Ok(Extent { start: first, length, here, size, ranged: true })
    }

    fn extent_of_whole(self, told: &Told) -> Result<Extent, Error> {
        match (self, told.length) {
            // Some servers answer a range of an empty object with the empty object.
            (_, Some(0)) => {
                Ok(Extent { start: 0, length: 0, here: 0, size: Some(0), ranged: false })
            }
            (Self::Whole, Some(length)) => {
                Ok(Extent { start: 0, length, here: length, size: Some(length), ranged: false })
            }
            (Self::Whole, None) => {
                Err(Error::new(Status::NotS3, "the server does not say how long the object is")
                    .hint("check that endpoint is the address of an S3 server"))
            }
            _ => Err(Error::new(Status::Unsupported, "the server ignores byte ranges")
                .hint("read the whole object instead")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(length: Option<u64>, range: Option<&str>) -> Told {
        Told { length, range: range.and_then(ContentRange::parse), ..Told::default() }
    }

    #[test]
    fn range_headers() {
        assert_eq!(Span::Whole.header(), None);
        let span = Span::Range { start: 2, end: Some(10) };
        assert_eq!(span.header().as_deref(), Some("bytes=2-9"));
        assert_eq!(Span::Range { start: 2, end: None }.header().as_deref(), Some("bytes=2-"));
        assert_eq!(Span::Last(10).header().as_deref(), Some("bytes=-10"));
        assert_eq!(Span::Whole.first(8), Span::Range { start: 0, end: Some(8) });
        assert_eq!(span.first(100), span);
        assert_eq!(span.first(3), Span::Range { start: 2, end: Some(5) });
    }

    #[test]
    fn empty_spans() {
        assert!(Span::Range { start: 3, end: Some(3) }.is_empty());
        assert!(Span::Range { start: 3, end: Some(1) }.is_empty());
        assert!(Span::Last(0).is_empty());
        assert!(!Span::Whole.is_empty());
        assert!(!Span::Range { start: 3, end: None }.is_empty());
    }

    #[test]
    fn the_first_range_tells_the_size() {
        let asked = Span::Whole.first(8);
        let extent = |told: &Told| Span::Whole.extent(asked, told).map(|e| (e.length, e.here));
        assert_eq!(extent(&told(Some(8), Some("bytes 0-7/20"))).unwrap(), (20, 8));
        assert_eq!(extent(&told(Some(5), Some("bytes 0-4/5"))).unwrap(), (5, 5));
        assert_eq!(extent(&told(None, Some("bytes 0-7/20"))).unwrap(), (20, 8));
        // A server without ranges.
        assert_eq!(extent(&told(Some(20), None)).unwrap(), (20, 20));
        for (length, range) in [
            (Some(8), Some("bytes 1-8/20")),
            (Some(7), Some("bytes 0-7/20")),
            (Some(9), Some("bytes 0-8/20")),
            (Some(4), Some("bytes 0-3/20")),
            (Some(8), Some("bytes 0-7/*")),
            (None, None),
        ] {
            assert!(extent(&told(length, range)).is_err(), "{length:?} {range:?}");
        }
    }

    #[test]
    fn heads_that_contradict_the_request_are_refused() {
        let span = Span::Range { start: 2, end: Some(10) };
        let extent = |told: &Told| span.extent(span, told).map(|extent| extent.length);
        assert_eq!(extent(&told(Some(8), Some("bytes 2-9/20"))).unwrap(), 8);
        assert_eq!(extent(&told(Some(8), Some("bytes 2-9/*"))).unwrap(), 8);
        assert_eq!(extent(&told(Some(3), Some("bytes 2-4/5"))).unwrap(), 3);
        assert_eq!(extent(&told(Some(0), None)).unwrap(), 0);
        assert!(extent(&told(Some(3), Some("bytes 2-4/20"))).is_err());
        assert!(extent(&told(Some(8), Some("bytes 3-10/20"))).is_err());
        assert!(extent(&told(Some(20), None)).is_err());
        let last = Span::Last(5);
        let extent = |told: &Told| last.extent(last, told).map(|extent| extent.length);
        assert_eq!(extent(&told(Some(5), Some("bytes 5-9/10"))).unwrap(), 5);
        assert_eq!(extent(&told(Some(3), Some("bytes 0-2/3"))).unwrap(), 3);
        assert!(extent(&told(Some(3), Some("bytes 7-9/10"))).is_err());
    }
}
