//! Conditional reads, writes and deletes (RFC 9110, section 13, as far as S3 has it).

use super::error::StoreError;
use super::record::ObjectRecord;

/// What an `If-Match` or `If-None-Match` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `*`: any object.
    Any,
    /// This entity tag, without quotes.
    Is(String),
    /// A weak tag: equal for `If-None-Match`, never for `If-Match`.
    Weak(String),
}

impl Tag {
    fn matches_strongly(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(tag) => tag == etag,
            Self::Weak(_) => false,
        }
    }

    fn matches(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(tag) | Self::Weak(tag) => tag == etag,
        }
    }
}

/// The conditions of a read. Times are whole seconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct ReadConditions {
    pub if_match: Option<Tag>,
    pub if_none_match: Option<Tag>,
    pub if_modified_since: Option<i64>,
    pub if_unmodified_since: Option<i64>,
}

impl ReadConditions {
    /// In the order of RFC 9110: a tag that was given takes the place of the time.
    pub fn check(&self, object: &ObjectRecord) -> Result<(), StoreError> {
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tag), _) if !tag.matches_strongly(&object.etag) => {
                return Err(StoreError::Precondition("If-Match"));
            }
            (None, Some(time)) if object.modified > time => {
                return Err(StoreError::Precondition("If-Unmodified-Since"));
            }
            _ => {}
        }
        let unchanged = match (&self.if_none_match, self.if_modified_since) {
            (Some(tag), _) => tag.matches(&object.etag),
            (None, Some(time)) => object.modified <= time,
            (None, None) => false,
        };
        if unchanged {
            return Err(StoreError::NotModified {
                etag: object.etag.clone(),
                modified: object.modified,
            });
        }
        Ok(())
    }

    /// The same for the source of a copy, where "unchanged" is a failure like the others.
    pub fn check_copy_source(&self, object: &ObjectRecord) -> Result<(), StoreError> {
        self.check(object).map_err(|error| match error {
            StoreError::NotModified { .. } => StoreError::Precondition("x-amz-copy-source-If-*"),
            other => other,
        })
    }
}

/// The conditions of a write or a delete, checked in the same critical section that makes it visible.
#[derive(Clone, Debug, Default)]
pub struct WriteConditions {
    pub if_match: Option<Tag>,
    pub if_none_match: Option<Tag>,
    /// Delete only: the size and the time the object must have.
    pub if_size: Option<u64>,
    pub if_modified_at: Option<i64>,
}

impl WriteConditions {
    /// `key` names the object when a condition needs it and there is none.
    pub fn check(&self, key: &str, object: Option<&ObjectRecord>) -> Result<(), StoreError> {
        if let Some(tag) = &self.if_match {
            let object = object.ok_or_else(|| StoreError::NoSuchKey(key.to_owned()))?;
            if !tag.matches_strongly(&object.etag) {
                return Err(StoreError::Precondition("If-Match"));
            }
        }
        if let (Some(tag), Some(object)) = (&self.if_none_match, object)
            && tag.matches(&object.etag)
        {
            return Err(StoreError::Precondition("If-None-Match"));
        }
        if let Some(object) = object {
            if self.if_size.is_some_and(|size| size != object.size) {
                return Err(StoreError::Precondition("x-amz-if-match-size"));
            }
            if self.if_modified_at.is_some_and(|time| time != object.modified) {
                return Err(StoreError::Precondition("x-amz-if-match-last-modified-time"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> ObjectRecord {
        ObjectRecord { etag: "abc".into(), modified: 100, size: 7, ..ObjectRecord::default() }
    }

    fn read(conditions: &ReadConditions) -> &'static str {
        match conditions.check(&object()) {
            Ok(()) => "200",
            Err(StoreError::NotModified { .. }) => "304",
            Err(StoreError::Precondition(_)) => "412",
            Err(_) => "other",
        }
    }

    #[test]
    fn reads() {
        let is = |tag: &str| Some(Tag::Is(tag.into()));
        let d = ReadConditions::default;
        assert_eq!(read(&d()), "200");
        assert_eq!(read(&ReadConditions { if_match: is("abc"), ..d() }), "200");
        assert_eq!(read(&ReadConditions { if_match: Some(Tag::Any), ..d() }), "200");
        assert_eq!(read(&ReadConditions { if_match: is("x"), ..d() }), "412");
        assert_eq!(read(&ReadConditions { if_match: Some(Tag::Weak("abc".into())), ..d() }), "412");
        assert_eq!(read(&ReadConditions { if_none_match: is("abc"), ..d() }), "304");
        assert_eq!(
            read(&ReadConditions { if_none_match: Some(Tag::Weak("abc".into())), ..d() }),
            "304"
        );
        assert_eq!(read(&ReadConditions { if_none_match: is("x"), ..d() }), "200");
        assert_eq!(read(&ReadConditions { if_modified_since: Some(100), ..d() }), "304");
        assert_eq!(read(&ReadConditions { if_modified_since: Some(99), ..d() }), "200");
        assert_eq!(read(&ReadConditions { if_unmodified_since: Some(99), ..d() }), "412");
        assert_eq!(read(&ReadConditions { if_unmodified_since: Some(100), ..d() }), "200");
        // A tag takes the place of the time.
        assert_eq!(
            read(&ReadConditions { if_match: is("abc"), if_unmodified_since: Some(1), ..d() }),
            "200"
        );
        assert_eq!(
            read(&ReadConditions { if_none_match: is("x"), if_modified_since: Some(200), ..d() }),
            "200"
        );
    }

    #[test]
    fn writes() {
        let any = WriteConditions { if_none_match: Some(Tag::Any), ..WriteConditions::default() };
        assert!(any.check("k", None).is_ok());
        assert!(matches!(
            any.check("k", Some(&object())),
            Err(StoreError::Precondition("If-None-Match"))
        ));
        let is =
            WriteConditions { if_match: Some(Tag::Is("abc".into())), ..WriteConditions::default() };
        assert!(is.check("k", Some(&object())).is_ok());
        assert!(matches!(is.check("k", None), Err(StoreError::NoSuchKey(_))));
        let size = WriteConditions { if_size: Some(8), ..WriteConditions::default() };
        assert!(matches!(size.check("k", Some(&object())), Err(StoreError::Precondition(_))));
    }
}
