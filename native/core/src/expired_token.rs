//! What the SDK's client does when a server calls its credentials expired: it forgets them and
//! tries again with what their source gives then. The data plane does the same in `direct.rs`.

use std::sync::Arc;

use aws_sdk_s3::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::retries::classifiers::RetryClassifierPriority;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use aws_smithy_types::retry::ErrorKind;

use crate::credential_cache::CredentialCache;
use crate::sdk_error::message_of;

/// Looks for `ExpiredToken` in what a server says.
#[derive(Clone, Debug)]
pub(crate) struct ExpiredToken(pub(crate) Arc<CredentialCache>);

/// The signature of an attempt, which names the access key id.
#[derive(Debug)]
struct Signature(String);

impl Storable for Signature {
    type Storer = StoreReplace<Self>;
}

fn says_expired(answer: Option<&HttpResponse>) -> bool {
    let failed = answer.filter(|answer| !answer.status().is_success());
    let body = failed.and_then(|answer| answer.body().bytes());
    body.and_then(|body| message_of(body).0).as_deref() == Some("ExpiredToken")
}

impl Intercept for ExpiredToken {
    fn name(&self) -> &'static str {
        "ExpiredToken"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(signature) = context.request().headers().get("authorization") {
            config.interceptor_state().store_put(Signature(signature.to_owned()));
        }
        Ok(())
    }

    /// Other attempts may have failed with the same credentials, and may have renewed them.
    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if says_expired(context.response())
            && let Some(Signature(sent)) = config.load::<Signature>()
        {
            self.0.forget(|known| sent.contains(known));
        }
        Ok(())
    }
}

impl ClassifyRetry for ExpiredToken {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        // Where nothing else is to be had, trying again is in vain.
        if self.0.may_change() && says_expired(context.response()) {
            RetryAction::retryable_error(ErrorKind::TransientError)
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "ExpiredToken"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}
