//! What a server tells about an object.

use std::collections::BTreeMap;

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use aws_sdk_s3::primitives::DateTime;

use crate::metrics::Meter;
use crate::origin::Origin;
use crate::retry::Retries;
use crate::{Client, CustomerKey, Error, Source, Status};

/// One object, or one version of it.
#[derive(Clone, Debug)]
pub struct ObjectRef {
    /// The bucket's name.
    pub bucket: String,
    /// The key, as it stands.
    pub key: String,
    /// A version; the newest when unset.
    pub version_id: Option<String>,
    /// The key that it is encrypted with, if that is the caller's.
    pub customer_key: Option<CustomerKey>,
}

/// What a server tells about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// The size of the whole object in bytes.
    pub size: u64,
    /// When it was last written, in milliseconds since 1970.
    pub last_modified: Option<i64>,
    /// The entity tag, with its quotes.
    pub etag: Option<String>,
    /// The media type.
    pub content_type: Option<String>,
    /// How the body is encoded, for example `gzip`.
    pub content_encoding: Option<String>,
    /// The language of the content.
    pub content_language: Option<String>,
    /// How a browser should offer it.
    pub content_disposition: Option<String>,
    /// How it may be cached.
    pub cache_control: Option<String>,
    /// Until when it may be cached, in milliseconds since 1970.
    pub expires: Option<i64>,
    /// The version.
    pub version_id: Option<String>,
    /// The storage class, where it is not the standard one.
    pub storage_class: Option<String>,
    /// The user's own metadata.
    pub metadata: BTreeMap<String, String>,
}

pub(crate) fn milliseconds(time: Option<&DateTime>) -> Option<i64> {
    time.and_then(|time| time.to_millis().ok())
}

/// A date of a header; nothing for what is none.
pub(crate) fn date(text: Option<&str>) -> Option<i64> {
    let since = httpdate::parse_http_date(text?).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

/// Asks for the properties of what is named, without its bytes.
///
/// # Errors
/// Whatever the server, the connection or the system reports.
pub async fn stat(client: Option<&Arc<Client>>, source: &Source) -> Result<Stat, Error> {
    let shown = source.shown();
    let told = async {
        let Some(origin) = Origin::of(client, source)? else {
            let Source::File(path) = source else {
                return Err(Error::internal("this is not a file"));
            };
            return crate::file::stat(path).await;
        };
        let meter = Meter::new();
        let client = origin.client();
        let mut retries = Retries::new(client.retry_budget(), client.retries());
        let told = loop {
            match origin.head(None, &meter).await {
                Ok(told) => break told,
                Err(error) => retries.after(error).await?,
            }
        };
        let size = told.length.ok_or_else(|| {
            let what = format!("the server does not say how long {shown} is");
            match source {
                Source::Page(_) => Error::new(Status::Unsupported, what)
                    .hint("read it to its end, with bytes() or stream()"),
                _ => Error::new(Status::NotS3, what)
                    .hint("check that endpoint is the address of an S3 server"),
            }
        })?;
        Ok(Stat { size, ..told.stat })
    };
    told.await.map_err(|error: Error| error.about(source.shown()))
}
