//! Copying an object on the server's side.

use aws_sdk_s3::error::SdkError;

use crate::sdk_error::About;
use crate::site::encode;
use crate::{Client, Error, ObjectRef, elsewhere};

/// Copies an object to another place on the same server, bytes, type and metadata. The
/// destination's version is ignored.
///
/// # Errors
/// Whatever the server or the connection reports; S3 refuses more than 5 GB.
pub async fn copy(client: &Client, from: &ObjectRef, to: &ObjectRef) -> Result<(), Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&from.bucket), key: Some(&from.key) };
    let mut source = format!("{}/", from.bucket);
    encode(&from.key, b"/", &mut source);
    if let Some(version) = &from.version_id {
        source.push_str("?versionId=");
        encode(version, b"", &mut source);
    }
    let copy = connected.s3.copy_object().bucket(&to.bucket).key(&to.key).copy_source(source);
    loop {
        match elsewhere!(client, &to.bucket, copy.clone()).send().await {
            Err(error) if moved(&about, &error, to) => {}
            ended => return ended.map(drop).map_err(|error| about.error(error)),
        }
    }
}

/// The request goes to the destination's region.
fn moved<E>(
    about: &About<'_>,
    error: &SdkError<E, aws_smithy_runtime_api::client::orchestrator::HttpResponse>,
    to: &ObjectRef,
) -> bool {
    About { bucket: Some(&to.bucket), key: Some(&to.key), ..*about }.has_moved(error)
}
