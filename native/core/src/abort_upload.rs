//! Ending an upload in parts that was never completed.

use aws_sdk_s3::error::ProvideErrorMetadata;

use crate::sdk_error::About;
use crate::{Client, Error, ObjectRef, answered, elsewhere};

/// Ends an upload in parts; its parts are gone then. That it is gone already is no error.
///
/// # Errors
/// Whatever the server or the connection reports.
pub async fn abort_upload(
    client: &Client,
    object: &ObjectRef,
    upload_id: &str,
) -> Result<(), Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&object.bucket), key: Some(&object.key) };
    let abort = connected
        .s3
        .abort_multipart_upload()
        .bucket(&object.bucket)
        .key(&object.key)
        .upload_id(upload_id);
    match answered!(about, elsewhere!(client, &object.bucket, abort.clone())) {
        Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
        ended => ended.map(|_| ()).map_err(|error| about.error(error)),
    }
}
