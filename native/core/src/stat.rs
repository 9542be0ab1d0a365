//! What a server tells about an object.

use std::collections::BTreeMap;

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::primitives::DateTime;

use crate::sdk_error::About;
use crate::{Client, Error, Status};

/// One object, or one version of it.
#[derive(Clone, Debug)]
pub struct ObjectRef {
    /// The bucket's name.
    pub bucket: String,
    /// The key, as it stands.
    pub key: String,
    /// A version; the newest when unset.
    pub version_id: Option<String>,
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

/// Asks for an object's properties without its body.
///
/// # Errors
/// Whatever the server or the connection reports.
pub async fn stat(client: &Client, object: &ObjectRef) -> Result<Stat, Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&object.bucket), key: Some(&object.key) };
    let head = connected
        .s3
        .head_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone())
        .send()
        .await
        .map_err(|error| about.error(error))?;
    // Every S3 server tells at least one of these; a web server that is none often does not.
    if head.e_tag.is_none() && head.last_modified.is_none() && head.request_id().is_none() {
        return Err(about.without_etag("neither ETag nor date"));
    }
    let size = head.content_length.and_then(|size| u64::try_from(size).ok()).ok_or_else(|| {
        Error::new(
            Status::NotS3,
            format!("{} does not say how long the object is", connected.place),
        )
        .hint("check that endpoint is the address of an S3 server")
    })?;
    Ok(Stat {
        size,
        last_modified: milliseconds(head.last_modified.as_ref()),
        storage_class: head.storage_class().map(|class| class.as_str().to_owned()),
        etag: head.e_tag,
        content_type: head.content_type,
        content_encoding: head.content_encoding,
        version_id: head.version_id,
        metadata: head.metadata.unwrap_or_default().into_iter().collect(),
    })
}
