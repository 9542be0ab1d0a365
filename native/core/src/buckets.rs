//! Buckets: making, listing, removing.

use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    VersioningConfiguration,
};

use crate::sdk_error::About;
use crate::stat::milliseconds;
use crate::{Client, Error, answered, elsewhere};

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

/// Makes a bucket in the client's region, and lets it keep versions if that is wanted. One that
/// cannot keep them is removed again.
///
/// # Errors
/// `BucketUnavailable` when the name is taken or breaks the rules, and whatever else the
/// server or the connection reports.
pub async fn create_bucket(client: &Client, name: &str, versioning: bool) -> Result<(), Error> {
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
    if !versioning {
        return Ok(());
    }
    let enabled =
        VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let kept = connected.s3.put_bucket_versioning().bucket(name).versioning_configuration(enabled);
    if let Err(error) = kept.send().await {
        let error = about.error(error);
        let removed = delete_bucket(client, name).await.is_ok();
        return Err(if removed {
            error.hint_more("the bucket was removed again")
        } else {
            error.hint_more("the bucket is there, without versions")
        });
    }
    Ok(())
}

/// Removes an empty bucket.
///
/// # Errors
/// `BucketNotEmpty`, and whatever else the server or the connection reports.
pub async fn delete_bucket(client: &Client, name: &str) -> Result<(), Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(name), key: None };
    let request = connected.s3.delete_bucket().bucket(name);
    let answer = answered!(about, elsewhere!(client, name, request.clone()));
    answer.map(|_| ()).map_err(|error| about.error(error))
}

/// The region that a bucket lives in, whoever owns it.
///
/// # Errors
/// `NotFound` when there is no such bucket, and whatever else the server or the connection
/// reports.
pub async fn bucket_region(client: &Client, name: &str) -> Result<String, Error> {
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(name), key: None };
    let told = connected.s3.head_bucket().bucket(name).send().await;
    // S3 tells the region with a refusal, too.
    let region = match &told {
        Ok(answer) => answer.bucket_region(),
        Err(error) => error
            .raw_response()
            .filter(|raw| matches!(raw.status().as_u16(), 301 | 307 | 400 | 403))
            .and_then(|raw| raw.headers().get("x-amz-bucket-region")),
    };
    if let Some(region) = region.filter(|region| !region.is_empty()) {
        return Ok(region.to_owned());
    }
    told.map_err(|error| about.error(error))?;
    let answer = connected
        .s3
        .get_bucket_location()
        .bucket(name)
        .send()
        .await
        .map_err(|error| about.error(error))?;
    let place = answer.location_constraint.map(|place| place.as_str().to_owned());
    Ok(match place.as_deref() {
        None | Some("") => CLASSIC_REGION.to_owned(),
        Some("EU") => "eu-west-1".to_owned(),
        Some(region) => region.to_owned(),
    })
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
