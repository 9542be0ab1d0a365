//! Buckets: making, listing, removing.

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};

use crate::sdk_error::About;
use crate::stat::milliseconds;
use crate::{Client, Error};

/// A bucket of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at: Option<i64>,
    /// Where it lives, where the server says so.
    pub region: Option<String>,
}

const CLASSIC_REGION: &str = "us-east-1";

/// Makes a bucket in the client's region.
///
/// # Errors
/// `BucketUnavailable` when the name is taken or breaks the rules, and whatever else the
/// server or the connection reports.
pub async fn create_bucket(client: &Client, name: &str) -> Result<(), Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(name), key: None };
    let place = (connected.region != CLASSIC_REGION).then(|| {
        CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(connected.region.as_str()))
            .build()
    });
    connected
        .s3
        .create_bucket()
        .bucket(name)
        .set_create_bucket_configuration(place)
        .send()
        .await
        .map_err(|error| about.error(error))?;
    Ok(())
}

/// Removes an empty bucket.
///
/// # Errors
/// `BucketNotEmpty`, and whatever else the server or the connection reports.
pub async fn delete_bucket(client: &Client, name: &str) -> Result<(), Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(name), key: None };
    connected.s3.delete_bucket().bucket(name).send().await.map_err(|error| about.error(error))?;
    Ok(())
}

/// The caller's buckets, all pages of them.
///
/// # Errors
/// Whatever the server or the connection reports.
pub async fn buckets(client: &Client) -> Result<Vec<Bucket>, Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: None, key: None };
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let page = connected
            .s3
            .list_buckets()
            .set_continuation_token(token)
            .send()
            .await
            .map_err(|error| about.error(error))?;
        found.extend(page.buckets.unwrap_or_default().into_iter().map(|bucket| Bucket {
            created_at: milliseconds(bucket.creation_date.as_ref()),
            region: bucket.bucket_region,
            name: bucket.name.unwrap_or_default(),
        }));
        token = page.continuation_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(found);
        }
    }
}
