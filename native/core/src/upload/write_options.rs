//! What a write says about the object beside its bytes, and the headers that say it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use aws_smithy_types::base64;
use dipper_wire::Algorithm;
use md5::{Digest as _, Md5};

use crate::site::encode;
use crate::{Error, ObjectRef};

/// What a write says about the object.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// The media type.
    pub content_type: Option<String>,
    /// How the body is encoded, such as `gzip`.
    pub content_encoding: Option<String>,
    /// The language of the content.
    pub content_language: Option<String>,
    /// How a browser should offer it.
    pub content_disposition: Option<String>,
    /// How it may be cached.
    pub cache_control: Option<String>,
    /// Until when it may be cached, in milliseconds since 1970.
    pub expires: Option<i64>,
    /// The user's own metadata.
    pub metadata: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// The storage class.
    pub storage_class: Option<String>,
    /// A canned access control list.
    pub acl: Option<String>,
    /// How the server is to encrypt it.
    pub encryption: Option<Encryption>,
    /// Write only if the ETag is this.
    pub if_match: Option<String>,
    /// `*`: write only if there is no such object.
    pub if_none_match: Option<String>,
    /// What the bytes are verified with.
    pub checksum: ChecksumOption,
    /// How many bytes one request carries. Default: by the size of the object.
    pub part_size: Option<u64>,
}

/// Which checksum goes along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumOption {
    /// The engine's choice, and none where the server takes none.
    #[default]
    Auto,
    /// This one, or the write fails.
    Only(Algorithm),
    /// None.
    Off,
}

/// How the server is to encrypt an object.
#[derive(Clone, Debug)]
pub enum Encryption {
    /// With keys of S3's own.
    S3,
    /// With a key of the key management service.
    Kms {
        /// The key; the account's own when unset.
        key_id: Option<String>,
        /// What the key's use is bound to.
        context: BTreeMap<String, String>,
        /// Whether a key of the bucket saves requests to the service.
        bucket_key: Option<bool>,
    },
    /// With a key that the caller keeps.
    Customer(CustomerKey),
}

/// A key that the caller keeps and sends along with each request for the object.
#[derive(Clone)]
pub struct CustomerKey {
    key: String,
    md5: String,
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CustomerKey(..)")
    }
}

const KEY_BYTES: usize = 32;

impl CustomerKey {
    /// From the base64 of 32 bytes.
    ///
    /// # Errors
    /// `InvalidInput` for anything else; the message does not show it.
    pub fn from_base64(text: &str) -> Result<Self, Error> {
        let key = base64::decode(text).ok().filter(|key| key.len() == KEY_BYTES);
        let key = key.ok_or_else(|| {
            Error::invalid("the customer key is not 32 bytes").hint("pass 32 random bytes")
        })?;
        Ok(Self { key: base64::encode(&key), md5: base64::encode(Md5::digest(&key)) })
    }

    /// The headers that a request for an object carries: none for most.
    pub(crate) fn of(object: &ObjectRef) -> Headers {
        object.customer_key.as_ref().map(|key| owned(&key.headers())).unwrap_or_default()
    }

    /// The headers that each request for the object carries.
    pub(crate) fn headers(&self) -> [(&'static str, &str); 3] {
        [
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-server-side-encryption-customer-key", &self.key),
            ("x-amz-server-side-encryption-customer-key-md5", &self.md5),
        ]
    }

    /// The headers that a copy carries to read its source.
    pub(crate) fn copy_source_headers(&self) -> Headers {
        owned(&[
            ("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-copy-source-server-side-encryption-customer-key", &self.key),
            ("x-amz-copy-source-server-side-encryption-customer-key-md5", &self.md5),
        ])
    }
}

/// Headers of a request, names in small letters.
pub(crate) type Headers = Vec<(Cow<'static, str>, String)>;

impl WriteOptions {
    /// The headers that describe the object. Those of its parts are
    /// [`part_headers`](Self::part_headers), the conditions are apart.
    pub(crate) fn headers(&self) -> Result<Headers, Error> {
        let mut headers = Headers::new();
        let mut put = |name: &'static str, value: &Option<String>| {
            headers.extend(value.clone().map(|value| (Cow::from(name), value)));
        };
        put("content-type", &self.content_type);
        put("content-encoding", &self.content_encoding);
        put("content-language", &self.content_language);
        put("content-disposition", &self.content_disposition);
        put("cache-control", &self.cache_control);
        put("x-amz-storage-class", &self.storage_class);
        put("x-amz-acl", &self.acl);
        put("expires", &self.expires.map(http_date).transpose()?);
        put("x-amz-tagging", &self.tagging());
        match &self.encryption {
            None => {}
            Some(Encryption::S3) => {
                put("x-amz-server-side-encryption", &Some("AES256".to_owned()));
            }
            Some(Encryption::Kms { key_id, context, bucket_key }) => {
                put("x-amz-server-side-encryption", &Some("aws:kms".to_owned()));
                put("x-amz-server-side-encryption-aws-kms-key-id", key_id);
                put(
                    "x-amz-server-side-encryption-bucket-key-enabled",
                    &bucket_key.map(|enabled| enabled.to_string()),
                );
                if !context.is_empty() {
                    let context = serde_json::to_vec(context)
                        .map_err(|error| Error::internal(error.to_string()))?;
                    let context = base64::encode(context);
                    put("x-amz-server-side-encryption-context", &Some(context));
                }
            }
            Some(Encryption::Customer(key)) => headers.extend(owned(&key.headers())),
        }
        for (name, value) in &self.metadata {
            let name = format!("x-amz-meta-{}", name.to_ascii_lowercase());
            headers.push((Cow::from(name), value.clone()));
        }
        checked(&headers)?;
        Ok(headers)
    }

    /// The headers that each part carries, too.
    pub(crate) fn part_headers(&self) -> Headers {
        match &self.encryption {
            Some(Encryption::Customer(key)) => owned(&key.headers()),
            _ => Headers::new(),
        }
    }

    /// The conditions, which the request carries that makes the object.
    pub(crate) fn conditions(&self) -> Result<Headers, Error> {
        let mut headers = Headers::new();
        let conditions = [("if-match", &self.if_match), ("if-none-match", &self.if_none_match)];
        for (name, value) in conditions {
            headers.extend(value.clone().map(|value| (Cow::from(name), value)));
        }
        checked(&headers)?;
        Ok(headers)
    }

    /// Tags as a header carries them.
    fn tagging(&self) -> Option<String> {
        let mut text = String::new();
        for (name, value) in &self.tags {
            if !text.is_empty() {
                text.push('&');
            }
            encode(name, b"", &mut text);
            text.push('=');
            encode(value, b"", &mut text);
        }
        (!text.is_empty()).then_some(text)
    }
}

fn owned(headers: &[(&'static str, &str)]) -> Headers {
    headers.iter().map(|(name, value)| (Cow::from(*name), (*value).to_owned())).collect()
}

/// Header lines are text: what would break one is refused.
fn checked(headers: &Headers) -> Result<(), Error> {
    for (name, value) in headers {
        let plain_name = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&'*+.^_`|~-".contains(&byte));
        let plain = value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
        if !plain_name || !plain || value.trim() != value {
            return Err(Error::invalid(format!("{name:?} holds what a header cannot carry"))
                .hint("use printable ASCII without spaces around it"));
        }
    }
    Ok(())
}

fn http_date(milliseconds: i64) -> Result<String, Error> {
    let since = u64::try_from(milliseconds).ok().map(Duration::from_millis);
    // The year 9999 is the last that the form has room for.
    let time = since
        .filter(|since| since.as_secs() < 253_402_300_800)
        .and_then(|since| UNIX_EPOCH.checked_add(since));
    time.map(httpdate::fmt_http_date)
        .ok_or_else(|| Error::invalid("expires is not a date between 1970 and 9999"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(options: &WriteOptions) -> Vec<(String, String)> {
        let headers = options.headers().unwrap();
        headers.into_iter().map(|(name, value)| (name.into_owned(), value)).collect()
    }

    #[test]
    fn options_become_headers() {
        let options = WriteOptions {
            content_type: Some("text/plain".into()),
            expires: Some(784_111_777_000),
            metadata: [("Colour".to_owned(), "blue".to_owned())].into(),
            tags: [("a b".to_owned(), "c&d".to_owned()), ("e".to_owned(), String::new())].into(),
            encryption: Some(Encryption::Kms {
                key_id: None,
                context: [("k".to_owned(), "v".to_owned())].into(),
                bucket_key: Some(true),
            }),
            ..WriteOptions::default()
        };
        let told = told(&options);
        let value = |name: &str| {
            told.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        assert_eq!(value("content-type"), Some("text/plain"));
        assert_eq!(value("expires"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(value("x-amz-meta-colour"), Some("blue"));
        assert_eq!(value("x-amz-tagging"), Some("a%20b=c%26d&e="));
        assert_eq!(value("x-amz-server-side-encryption"), Some("aws:kms"));
        assert_eq!(value("x-amz-server-side-encryption-bucket-key-enabled"), Some("true"));
        assert_eq!(value("x-amz-server-side-encryption-context"), Some("eyJrIjoidiJ9"));
        assert!(options.part_headers().is_empty());
    }

    #[test]
    fn what_breaks_a_header_is_refused() {
        for value in ["a\r\nx: y", "\u{fc}", " a"] {
            let options =
                WriteOptions { content_type: Some(value.into()), ..WriteOptions::default() };
            assert!(options.headers().is_err(), "{value:?}");
        }
        let metadata = [("a b".to_owned(), "c".to_owned())].into();
        assert!(WriteOptions { metadata, ..WriteOptions::default() }.headers().is_err());
        let expires = Some(-1);
        assert!(WriteOptions { expires, ..WriteOptions::default() }.headers().is_err());
    }

    #[test]
    fn a_customer_key_is_sent_with_its_digest_and_never_shown() {
        let text = base64::encode([7; KEY_BYTES]);
        let key = CustomerKey::from_base64(&text).unwrap();
        assert_eq!(key.headers()[1].1, text);
        assert_eq!(key.headers()[2].1, base64::encode(Md5::digest([7; KEY_BYTES])));
        let options =
            WriteOptions { encryption: Some(Encryption::Customer(key)), ..WriteOptions::default() };
        assert!(!format!("{options:?}").contains(&text));
        assert_eq!(options.part_headers().len(), 3);
        assert!(CustomerKey::from_base64("AAAA").is_err());
    }
}
