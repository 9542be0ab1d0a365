//! Operations on buckets.

use super::convert::{blocking, timestamp};
use super::{LocalS3, REGION, owner};
use crate::storage::versions::Versioning;
use s3s::dto::{
    Bucket, BucketLocationConstraint, BucketVersioningStatus, CreateBucketInput,
    CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput, GetBucketLocationInput,
    GetBucketLocationOutput, GetBucketVersioningInput, GetBucketVersioningOutput, HeadBucketInput,
    HeadBucketOutput, ListBucketsInput, ListBucketsOutput, MFADelete, PutBucketVersioningInput,
    PutBucketVersioningOutput,
};
use s3s::{S3Result, s3_error};

impl LocalS3 {
    pub(super) async fn create(&self, input: CreateBucketInput) -> S3Result<CreateBucketOutput> {
        let location = input
            .create_bucket_configuration
            .and_then(|configuration| configuration.location_constraint)
            .map(|constraint| constraint.as_str().to_owned())
            .filter(|location| !location.is_empty() && location != REGION);
        let store = self.store.clone();
        let path = format!("/{}", input.bucket);
        blocking(move || store.create_bucket(&input.bucket, location)).await?;
        Ok(CreateBucketOutput { location: Some(path) })
    }

    pub(super) async fn remove(&self, input: DeleteBucketInput) -> S3Result<DeleteBucketOutput> {
        let store = self.store.clone();
        blocking(move || store.delete_bucket(&input.bucket)).await?;
        Ok(DeleteBucketOutput::default())
    }

    pub(super) fn head(&self, input: &HeadBucketInput) -> S3Result<HeadBucketOutput> {
        let bucket = self.store.bucket(&input.bucket)?;
        let region = bucket.location.clone().unwrap_or_else(|| REGION.to_owned());
        Ok(HeadBucketOutput { bucket_region: Some(region), ..HeadBucketOutput::default() })
    }

    pub(super) fn location(
        &self,
        input: &GetBucketLocationInput,
    ) -> S3Result<GetBucketLocationOutput> {
        let bucket = self.store.bucket(&input.bucket)?;
        // An empty constraint means us-east-1, as in S3.
        let location = bucket.location.clone().map(BucketLocationConstraint::from);
        Ok(GetBucketLocationOutput { location_constraint: location })
    }

    pub(super) fn buckets(&self, input: ListBucketsInput) -> S3Result<ListBucketsOutput> {
        let limit = match input.max_buckets {
            None => usize::MAX,
            Some(number) => usize::try_from(number)
                .ok()
                .filter(|number| (1..=10_000).contains(number))
                .ok_or_else(|| {
                    s3_error!(InvalidArgument, "max-buckets must be between 1 and 10000")
                })?,
        };
        let prefix = input.prefix.clone().unwrap_or_default();
        // Bucket names need no escaping, so the last name is the token.
        let after = input.continuation_token.unwrap_or_default();
        let mut found: Vec<_> = self
            .store
            .buckets()
            .into_iter()
            .filter(|bucket| bucket.name.starts_with(&prefix) && bucket.name > after)
            .collect();
        let truncated = found.len() > limit;
        found.truncate(limit);
        let token = found.last().filter(|_| truncated).map(|bucket| bucket.name.clone());
        let buckets = found
            .iter()
            .map(|bucket| Bucket {
                name: Some(bucket.name.clone()),
                creation_date: Some(timestamp(bucket.created)),
                bucket_region: Some(bucket.location.clone().unwrap_or_else(|| REGION.to_owned())),
            })
            .collect();
        Ok(ListBucketsOutput {
            buckets: Some(buckets),
            continuation_token: token,
            owner: Some(owner()),
            prefix: input.prefix,
        })
    }

    pub(super) async fn set_versioning(
        &self,
        input: PutBucketVersioningInput,
    ) -> S3Result<PutBucketVersioningOutput> {
        let configuration = input.versioning_configuration;
        let bucket = self.store.bucket(&input.bucket)?;
        if configuration.mfa_delete.is_some_and(|mfa| mfa.as_str() == MFADelete::ENABLED) {
            return Err(s3_error!(NotImplemented, "This server has no MFA delete."));
        }
        let status = configuration.status.as_ref().map(BucketVersioningStatus::as_str);
        let versioning = match status {
            Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
            Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
            _ => {
                return Err(s3_error!(
                    IllegalVersioningConfigurationException,
                    "The Versioning element must be specified: Enabled or Suspended"
                ));
            }
        };
        blocking(move || bucket.set_versioning(versioning)).await?;
        Ok(PutBucketVersioningOutput::default())
    }

    pub(super) fn versioning(
        &self,
        input: &GetBucketVersioningInput,
    ) -> S3Result<GetBucketVersioningOutput> {
        let status = match self.store.bucket(&input.bucket)?.versioning() {
            Versioning::Off => None,
            Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
            Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
        };
        Ok(GetBucketVersioningOutput {
            status: status.map(BucketVersioningStatus::from_static),
            ..GetBucketVersioningOutput::default()
        })
    }
}
