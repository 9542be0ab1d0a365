//! The tags of an object.

use std::collections::BTreeMap;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{Tag, Tagging};

use crate::sdk_error::About;
use crate::{Client, Error, ObjectRef, answered, elsewhere};

/// The tags of an object, or of the version that is named.
///
/// # Errors
/// Whatever the server or the connection reports.
pub async fn tags(client: &Client, object: &ObjectRef) -> Result<BTreeMap<String, String>, Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&object.bucket), key: Some(&object.key) };
    let request = connected
        .s3
        .get_object_tagging()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone());
    match answered!(about, elsewhere!(client, &object.bucket, request.clone())) {
        // What some servers say of an object without tags.
        Err(error) if error.code() == Some("NoSuchTagSet") => Ok(BTreeMap::new()),
        Err(error) => Err(about.error(error)),
        Ok(answer) => Ok(answer.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect()),
    }
}

/// Replaces all tags of an object, or of the version that is named.
///
/// # Errors
/// Whatever the server or the connection reports.
pub async fn replace_tags(
    client: &Client,
    object: &ObjectRef,
    tags: &BTreeMap<String, String>,
) -> Result<(), Error> {
    if tags.is_empty() {
        return delete_tags(client, object).await;
    }
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&object.bucket), key: Some(&object.key) };
    let mut set = Tagging::builder();
    for (key, value) in tags {
        let tag = Tag::builder().key(key).value(value).build();
        set = set.tag_set(tag.map_err(|error| Error::internal(error.to_string()))?);
    }
    let request = connected
        .s3
        .put_object_tagging()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone())
        .tagging(set.build().map_err(|error| Error::internal(error.to_string()))?);
    let answer = answered!(about, elsewhere!(client, &object.bucket, request.clone()));
    answer.map(|_| ()).map_err(|error| about.error(error))
}

async fn delete_tags(client: &Client, object: &ObjectRef) -> Result<(), Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&object.bucket), key: Some(&object.key) };
    let request = connected
        .s3
        .delete_object_tagging()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone());
    let answer = answered!(about, elsewhere!(client, &object.bucket, request.clone()));
    answer.map(|_| ()).map_err(|error| about.error(error))
}
