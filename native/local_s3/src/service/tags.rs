//! Tags of objects: the three operations, the header that carries tags with an object, S3's rules.

use super::LocalS3;
use super::convert::{blocking, which};
use super::errors::named;
use crate::storage::bucket::Object;
use crate::storage::record::Tags;
use http::StatusCode;
use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput, Tag,
};
use s3s::{S3Error, S3Result, s3_error};

const MOST_TAGS: usize = 10;
/// In characters.
const LONGEST_NAME: usize = 128;
const LONGEST_VALUE: usize = 256;

fn invalid(message: &str) -> S3Error {
    named("InvalidTag", StatusCode::BAD_REQUEST, message)
}

/// The signs that S3 allows in names and values, beside letters, digits and spaces.
fn allowed(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "+-=._:/@".contains(c))
}

/// Checks tags as S3 does, and sorts them.
fn checked(given: impl Iterator<Item = (String, String)>) -> S3Result<Tags> {
    let mut tags = Tags::new();
    for (name, value) in given {
        if name.is_empty() || name.chars().count() > LONGEST_NAME || !allowed(&name) {
            return Err(invalid("The TagKey you have provided is invalid"));
        }
        if value.chars().count() > LONGEST_VALUE || !allowed(&value) {
            return Err(invalid("The TagValue you have provided is invalid"));
        }
        if name.starts_with("aws:") {
            return Err(invalid("System tags cannot be added/updated by requester"));
        }
        if tags.insert(name, value).is_some() {
            return Err(invalid("Cannot provide multiple Tags with the same key"));
        }
    }
    if tags.len() > MOST_TAGS {
        return Err(named(
            "BadRequest",
            StatusCode::BAD_REQUEST,
            "Object tags cannot be greater than 10",
        ));
    }
    Ok(tags)
}

/// The tags that come with an object, as `a=1&b=2`.
pub(super) fn header_tags(header: Option<&str>) -> S3Result<Tags> {
    let text = header.unwrap_or_default();
    if form_urlencoded::parse(text.as_bytes()).any(|(name, value)| {
        // What is no UTF-8 behind its percent signs.
        name.contains('\u{fffd}') || value.contains('\u{fffd}')
    }) {
        return Err(s3_error!(
            InvalidArgument,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."
        ));
    }
    checked(
        form_urlencoded::parse(text.as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned())),
    )
}

/// How many tags an answer names: none, where there are none.
pub(super) fn count(tags: &Tags) -> Option<i32> {
    i32::try_from(tags.len()).ok().filter(|count| *count > 0)
}

impl LocalS3 {
    pub(super) async fn put_tags(
        &self,
        input: PutObjectTaggingInput,
    ) -> S3Result<PutObjectTaggingOutput> {
        let missing = || s3_error!(MalformedXML, "Every tag has a Key and a Value.");
        let given = input
            .tagging
            .tag_set
            .into_iter()
            .map(|tag| Ok((tag.key.ok_or_else(missing)?, tag.value.ok_or_else(missing)?)))
            .collect::<S3Result<Vec<_>>>()?;
        let tags = checked(given.into_iter())?;
        let version =
            self.change_tags(input.bucket, input.key, input.version_id.as_deref(), tags).await?;
        Ok(PutObjectTaggingOutput { version_id: version })
    }

    pub(super) async fn delete_tags(
        &self,
        input: DeleteObjectTaggingInput,
    ) -> S3Result<DeleteObjectTaggingOutput> {
        let (version, tags) = (input.version_id.as_deref(), Tags::new());
        let version = self.change_tags(input.bucket, input.key, version, tags).await?;
        Ok(DeleteObjectTaggingOutput { version_id: version })
    }

    /// Returns the version's name, if answers show one.
    async fn change_tags(
        &self,
        bucket: String,
        key: String,
        version: Option<&str>,
        tags: Tags,
    ) -> S3Result<Option<String>> {
        let bucket = self.store.bucket(&bucket)?;
        let which = which(version);
        blocking(move || {
            let object = bucket.set_tags(&key, &which, tags)?;
            Ok(bucket.shown_version(object.record()))
        })
        .await
    }

    pub(super) fn tags(&self, input: GetObjectTaggingInput) -> S3Result<GetObjectTaggingOutput> {
        let bucket = self.store.bucket(&input.bucket)?;
        let which = which(input.version_id.as_deref());
        let object: Object = bucket.object(&input.key, &which, |_| Ok(()))?;
        let tags = &object.record().tags;
        Ok(GetObjectTaggingOutput {
            tag_set: tags
                .iter()
                .map(|(name, value)| Tag { key: Some(name.clone()), value: Some(value.clone()) })
                .collect(),
            version_id: bucket.shown_version(object.record()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(header: &str) -> String {
        header_tags(Some(header)).unwrap_err().code().as_str().to_owned()
    }

    #[test]
    fn headers() {
        assert!(header_tags(None).unwrap().is_empty());
        assert!(header_tags(Some("")).unwrap().is_empty());
        let tags = header_tags(Some("b=2&a=x%20y+z%2F%C3%A9&c")).unwrap();
        let expected = [("a", "x y z/é"), ("b", "2"), ("c", "")];
        assert!(tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
    }

    #[test]
    fn rules() {
        assert_eq!(code("a=1&a=2"), "InvalidTag");
        assert_eq!(code("=1"), "InvalidTag");
        assert_eq!(code("a=%3C"), "InvalidTag");
        assert_eq!(code("aws:x=1"), "InvalidTag");
        assert_eq!(code("a=%FF"), "InvalidArgument");
        let long = |name: usize, value: usize| {
            header_tags(Some(&format!("{}={}", "n".repeat(name), "v".repeat(value)))).is_ok()
        };
        assert!(long(128, 256) && !long(129, 1) && !long(1, 257));
        let many =
            |count: usize| (0..count).map(|n| format!("n{n}=v")).collect::<Vec<_>>().join("&");
        assert_eq!(header_tags(Some(&many(10))).unwrap().len(), 10);
        assert_eq!(code(&many(11)), "BadRequest");
    }
}
