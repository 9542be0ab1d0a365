//! Deleting one object.

use crate::sdk_error::About;
use crate::{Client, Error, ObjectRef, Status, elsewhere};

/// Deletes an object. That it does not exist is no error, as in S3.
///
/// With `if_match`, only the object with this ETag, as far as the server knows conditions of a
/// deletion: one that does not deletes what is there.
///
/// # Errors
/// `PreconditionFailed` when another object is there, and whatever else the server or the
/// connection reports.
pub async fn delete(
    client: &Client,
    object: &ObjectRef,
    if_match: Option<&str>,
) -> Result<(), Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&object.bucket), key: Some(&object.key) };
    let mut delete = connected
        .s3
        .delete_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone())
        .set_if_match(if_match.map(str::to_owned));
    loop {
        match elsewhere!(client, &object.bucket, delete.clone()).send().await {
            Ok(_) => return Ok(()),
            Err(error) if about.has_moved(&error) => {}
            Err(error) => {
                let error = about.error(error);
                match error.status {
                    // A condition finds nothing, or the answer to the first try was lost.
                    Status::NoSuchKey | Status::NotFound if if_match.is_some() => return Ok(()),
                    Status::Unsupported if delete.get_if_match().is_some() => {
                        delete = delete.set_if_match(None);
                    }
                    _ => return Err(error),
                }
            }
        }
    }
}
