//! What the SDK's client does when a server calls its credentials expired: it forgets them and
//! tries again with what their source gives then. The data plane does the same in `direct.rs`.

use std::sync::Arc;

use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::RetryClassifierPriority;
use aws_smithy_types::retry::ErrorKind;

use crate::credential_cache::CredentialCache;
use crate::sdk_error::message_of;

/// Looks for `ExpiredToken` in what a server says.
#[derive(Debug)]
pub(crate) struct ExpiredToken(pub(crate) Arc<CredentialCache>);

impl ClassifyRetry for ExpiredToken {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let answer = context.response().filter(|answer| !answer.status().is_success());
        let body = answer.and_then(|answer| answer.body().bytes());
        if body.and_then(|body| message_of(body).0).as_deref() != Some("ExpiredToken") {
            return RetryAction::NoActionIndicated;
        }
        let sent = context.request().and_then(|request| request.headers().get("authorization"));
        if self.0.forget(|known| sent.is_none_or(|sent| sent.contains(known))) {
            RetryAction::retryable_error(ErrorKind::TransientError)
        } else {
            // Nothing else is to be had.
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
