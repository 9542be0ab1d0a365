//! The requester pays: a header that says so, on every request that the SDK's client sends.
//! Requests of the data plane get it in `site.rs`.

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

/// The header's name and value.
pub(crate) const REQUEST_PAYER: (&str, &str) = ("x-amz-request-payer", "requester");

/// Adds the header before a request is signed.
#[derive(Debug)]
pub(crate) struct RequesterPays;

impl Intercept for RequesterPays {
    fn name(&self) -> &'static str {
        "RequesterPays"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (name, value) = REQUEST_PAYER;
        context.request_mut().headers_mut().insert(name, value);
        Ok(())
    }
}
