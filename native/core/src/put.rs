//! Writing an object in one request, from memory where it lies.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use crate::buffer::BufferBytes;
use crate::sdk_error::About;
use crate::{Buffer, Client, Error, ObjectRef, Stat, Status, elsewhere};

/// What to write, and how.
pub struct PutRequest {
    /// The object.
    pub object: ObjectRef,
    /// The bytes; sent from where they lie. `None` writes an empty object.
    pub body: Option<Arc<Buffer>>,
    /// The media type.
    pub content_type: Option<String>,
    /// How the body is encoded.
    pub content_encoding: Option<String>,
    /// How it may be cached.
    pub cache_control: Option<String>,
    /// The user's own metadata.
    pub metadata: HashMap<String, String>,
    /// Write only if the ETag is this.
    pub if_match: Option<String>,
    /// `*`: write only if there is no such object.
    pub if_none_match: Option<String>,
}

/// What S3 takes in one request.
const MOST_IN_ONE_REQUEST: u64 = 5 << 30;

/// Writes an object in one request.
///
/// # Errors
/// Whatever the server or the connection reports; `Unsupported` above 5 GiB.
pub async fn put(client: &Client, request: PutRequest) -> Result<Stat, Error> {
    let object = &request.object;
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&object.bucket), key: Some(&object.key) };
    let size = request.body.as_ref().map_or(0, |body| body.memory().len() as u64);
    if size > MOST_IN_ONE_REQUEST {
        return Err(Error::new(
            Status::Unsupported,
            format!("{size} bytes are more than the 5 GiB that S3 takes in one request"),
        )
        .hint("write it in parts under several keys"));
    }
    let bytes = request.body.map_or_else(Bytes::new, |body| Bytes::from_owner(BufferBytes(body)));
    let put = || {
        connected
            .s3
            .put_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .body(ByteStream::from(bytes.clone()))
            .set_content_type(request.content_type.clone())
            .set_content_encoding(request.content_encoding.clone())
            .set_cache_control(request.cache_control.clone())
            .set_metadata((!request.metadata.is_empty()).then(|| request.metadata.clone()))
            .set_if_match(request.if_match.clone())
            .set_if_none_match(request.if_none_match.clone())
    };
    let answer = loop {
        match elsewhere!(client, &object.bucket, put()).send().await {
            Err(error) if about.has_moved(&error) => {}
            answer => break answer.map_err(|error| about.error(error))?,
        }
    };
    if answer.e_tag.is_none() {
        return Err(about.without_etag("no ETag"));
    }
    Ok(Stat {
        size,
        last_modified: None,
        etag: answer.e_tag,
        content_type: request.content_type,
        content_encoding: request.content_encoding,
        version_id: answer.version_id,
        storage_class: None,
        metadata: request.metadata.into_iter().collect(),
    })
}
