//! Which region a request of the SDK's client was signed for, kept beside its answer.
//!
//! Requests that go out together all learn that a bucket lives elsewhere. The first one teaches the
//! client; for the others the news is known already, and only what they asked tells that they went
//! to the old place.

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, Region, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

/// Not a header that travels: it is put, or overwritten, when the answer is here.
const ASKED: &str = "x-dipper-asked-region";

/// Writes the region down.
#[derive(Debug)]
pub(crate) struct AskedRegion;

/// The region of an attempt.
#[derive(Debug)]
struct Asked(String);

impl Storable for Asked {
    type Storer = StoreReplace<Self>;
}

impl Intercept for AskedRegion {
    fn name(&self) -> &'static str {
        "AskedRegion"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let signed = context.request().headers().get("authorization").and_then(scope_region);
        let region = signed
            .map(str::to_owned)
            .or_else(|| config.load::<Region>().map(|region| region.as_ref().to_owned()));
        if let Some(region) = region {
            config.interceptor_state().store_put(Asked(region));
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response_mut().headers_mut();
        headers.remove(ASKED);
        if let Some(Asked(region)) = config.load::<Asked>() {
            // A region's name fits into a header.
            let _ = headers.try_insert(ASKED, region.clone());
        }
        Ok(())
    }
}

/// The region that was asked, as far as it is known.
pub(crate) fn asked_region(answer: &HttpResponse) -> Option<&str> {
    answer.headers().get(ASKED)
}

/// The region in the scope of a signature: `Credential=ID/20260131/REGION/s3/aws4_request`.
fn scope_region(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.split_once("Credential=")?;
    let scope = credential.split(',').next()?;
    // An access key id may hold a slash, the rest does not.
    scope.rsplit('/').nth(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_read_from_the_scope() {
        let header = "AWS4-HMAC-SHA256 Credential=AK/ID/20260131/eu-west-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=00";
        assert_eq!(scope_region(header), Some("eu-west-1"));
        assert_eq!(scope_region("Credential=x"), None);
        assert_eq!(scope_region("Bearer x"), None);
    }
}
