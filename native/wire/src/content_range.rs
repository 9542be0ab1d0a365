//! The `Content-Range` header of an answer (RFC 9110, section 14.4).

/// Which bytes of a whole an answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentRange {
    /// `bytes first-last/size`.
    Part {
        /// The offset of the first byte.
        first: u64,
        /// The offset of the last byte, which is part of the answer.
        last: u64,
        /// The size of the whole; `None` when the server writes `*`.
        size: Option<u64>,
    },
    /// `bytes */size`: the asked range lies outside the whole.
    Unsatisfied {
        /// The size of the whole.
        size: u64,
    },
}

impl ContentRange {
    /// Reads a header value. `None` for anything that is not a sane byte range.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let rest = value.trim().strip_prefix("bytes")?.strip_prefix([' ', '='])?.trim_start();
        let (range, size) = rest.split_once('/')?;
        if range == "*" {
            return Some(Self::Unsatisfied { size: number(size)? });
        }
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let size = if size == "*" { None } else { Some(number(size)?) };
        let sane = first <= last && size.is_none_or(|size| last < size);
        sane.then_some(Self::Part { first, last, size })
    }
}

/// Digits only: `parse` alone would take a plus sign.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read() {
        let part = |first, last, size| Some(ContentRange::Part { first, last, size });
        assert_eq!(ContentRange::parse("bytes 0-0/1"), part(0, 0, Some(1)));
        assert_eq!(ContentRange::parse("bytes 5-9/*"), part(5, 9, None));
        let unsatisfied = Some(ContentRange::Unsatisfied { size: 0 });
        assert_eq!(ContentRange::parse("bytes */0"), unsatisfied);
    }

    #[test]
    fn nonsense_is_refused() {
        for value in [
            "",
            "bytes",
            "bytes 1-0/5",
            "bytes 0-5/5",
            "bytes -5/5",
            "bytes +1-2/5",
            "bytes 0-1/",
            "items 0-1/5",
            "bytes 0-99999999999999999999/*",
            "bytes */*",
        ] {
            assert_eq!(ContentRange::parse(value), None, "{value}");
        }
    }
}
