//! Deleting one object.

use crate::sdk_error::About;
use crate::{Client, Error, ObjectRef, elsewhere};

/// Deletes an object. That it does not exist is no error, as in S3.
///
/// # Errors
/// Whatever the server or the connection reports.
pub async fn delete(client: &Client, object: &ObjectRef) -> Result<(), Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&object.bucket), key: Some(&object.key) };
    let delete = connected
        .s3
        .delete_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone());
    loop {
        match elsewhere!(client, &object.bucket, delete.clone()).send().await {
            Err(error) if about.has_moved(&error) => {}
            ended => return ended.map(|_| ()).map_err(|error| about.error(error)),
        }
    }
}
