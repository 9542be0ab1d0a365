//! Listing, one page at a time.

use aws_sdk_s3::types::EncodingType;

use crate::sdk_error::About;
use crate::stat::milliseconds;
use crate::{Client, Error, Status, elsewhere};

/// Which page to list.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// The bucket.
    pub bucket: String,
    /// Only keys that start so.
    pub prefix: String,
    /// Keys are grouped up to this.
    pub delimiter: Option<String>,
    /// Only keys behind this one.
    pub start_after: Option<String>,
    /// Where the page before ended.
    pub token: Option<String>,
    /// At most so many entries.
    pub page_size: Option<i32>,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An object.
    Object {
        /// Its key.
        key: String,
        /// Its size in bytes.
        size: u64,
        /// When it was last written, in milliseconds since 1970.
        last_modified: i64,
        /// Its entity tag.
        etag: Option<String>,
        /// Its storage class.
        storage_class: Option<String>,
    },
    /// A group of keys that share what stands before the delimiter.
    Prefix(String),
}

/// One page of a listing, in the order of the keys' bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What the page holds.
    pub entries: Vec<Entry>,
    /// Where the next page starts; `None` after the last.
    pub next: Option<String>,
}

impl Entry {
    fn name(&self) -> &str {
        match self {
            Self::Object { key, .. } => key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// Lists one page.
///
/// # Errors
/// Whatever the server or the connection reports.
pub async fn list(client: &Client, request: ListRequest) -> Result<Page, Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&request.bucket), key: None };
    let listing = connected
        .s3
        .list_objects_v2()
        .bucket(&request.bucket)
        .set_prefix((!request.prefix.is_empty()).then(|| request.prefix.clone()))
        .set_delimiter(request.delimiter)
        .set_start_after(request.start_after)
        .set_continuation_token(request.token)
        .set_max_keys(request.page_size)
        // XML cannot hold every character that a key can.
        .encoding_type(EncodingType::Url);
    let page = loop {
        match elsewhere!(client, &request.bucket, listing.clone()).send().await {
            Err(error) if about.has_moved(&error) => {}
            page => break page.map_err(|error| about.error(error))?,
        }
    };

    // A web page that happens to be well-formed reads as an empty listing.
    if page.name().is_none() && page.key_count().is_none() && page.max_keys().is_none() {
        return Err(Error::new(
            Status::NotS3,
            format!("{} answers, but not with a listing", connected.place),
        )
        .about(format!("s3://{}/{}", request.bucket, request.prefix))
        .hint("check that endpoint is the S3 address of the service"));
    }
    let encoded = page.encoding_type() == Some(&EncodingType::Url);
    let name = |text: String| if encoded { decoded(&text) } else { text };
    let mut entries = Vec::new();
    for object in page.contents.unwrap_or_default() {
        entries.push(Entry::Object {
            size: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            last_modified: milliseconds(object.last_modified.as_ref()).unwrap_or(0),
            etag: object.e_tag,
            storage_class: object.storage_class.map(|class| class.as_str().to_owned()),
            key: name(object.key.unwrap_or_default()),
        });
    }
    for prefix in page.common_prefixes.unwrap_or_default() {
        entries.push(Entry::Prefix(name(prefix.prefix.unwrap_or_default())));
    }
    // The server sends two sorted lists; a reader wants one.
    entries.sort_by(|one, other| one.name().cmp(other.name()));
    let more = page.is_truncated.unwrap_or(false);
    Ok(Page { entries, next: page.next_continuation_token.filter(|_| more) })
}

/// Undoes `encoding-type=url`: percent signs, and a plus for a space.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_names_come_back() {
        assert_eq!(decoded("a%2Fb+c%2B%E2%82%AC"), "a/b c+€");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
        assert_eq!(decoded("%ff"), "%ff");
    }
}
