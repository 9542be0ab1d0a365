//! Credentials, kept until shortly before they expire. The SDK's client and the data plane
//! share one cache, so that a provider is asked once.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::identity::Identity;
use tokio::sync::Mutex as AsyncMutex;
use tracing::info;

/// A provider and what it gave last.
#[derive(Debug)]
pub(crate) struct CredentialCache {
    provider: SharedCredentialsProvider,
    /// Held while the provider is asked, so that one caller asks for all.
    asking: AsyncMutex<()>,
    known: Mutex<Option<Known>>,
}

#[derive(Clone, Debug)]
struct Known {
    credentials: Credentials,
    identity: Identity,
}

/// How long before their end credentials are renewed.
const AHEAD: Duration = Duration::from_secs(60);

impl Known {
    /// Short-lived credentials are used to the last seconds: renewing them early would ask
    /// for them at every request.
    fn is_fresh(&self) -> bool {
        self.credentials.expiry().is_none_or(|expiry| {
            expiry.duration_since(SystemTime::now()).is_ok_and(|left| left > AHEAD)
        })
    }

    fn is_valid(&self) -> bool {
        self.credentials.expiry().is_none_or(|expiry| {
            expiry.duration_since(SystemTime::now()).is_ok_and(|left| left > Duration::from_secs(5))
        })
    }
}

impl CredentialCache {
    pub(crate) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, asking: AsyncMutex::new(()), known: Mutex::new(None) }
    }

    fn known(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What requests are signed with.
    pub(crate) async fn identity(&self) -> Result<Identity, CredentialsError> {
        Ok(self.load().await?.identity)
    }

    async fn load(&self) -> Result<Known, CredentialsError> {
        if let Some(known) = self.known()
            && known.is_fresh()
        {
            return Ok(known);
        }
        let _asking = self.asking.lock().await;
        if let Some(known) = self.known()
            && known.is_fresh()
        {
            return Ok(known);
        }
        match self.provider.provide_credentials().await {
            Ok(credentials) if !may_be_sent(&credentials) => {
                Err(CredentialsError::invalid_configuration(
                    "the access key id or the session token holds a character that no request \
                     can carry, such as a line break",
                ))
            }
            Ok(credentials) => {
                crate::log::hide(&credentials);
                let expires_in_s = credentials.expiry().and_then(|expiry| {
                    Some(expiry.duration_since(SystemTime::now()).ok()?.as_secs())
                });
                info!(target: "dipper::credentials", expires_in_s, "credentials loaded");
                let identity = Identity::from(credentials.clone());
                let known = Known { credentials, identity };
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
                Ok(known)
            }
            // A provider that fails for a moment does not end what still holds.
            Err(error) => self.known().filter(Known::is_valid).ok_or(error),
        }
    }

    /// The server calls them expired: the next request asks the provider again.
    pub(crate) fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Whether the parts that are sent as they are fit a header. The secret is not sent.
fn may_be_sent(credentials: &Credentials) -> bool {
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    plain(credentials.access_key_id()) && credentials.session_token().is_none_or(plain)
}

/// The cache as the SDK wants it.
#[derive(Debug)]
pub(crate) struct Cached(pub(crate) std::sync::Arc<CredentialCache>);

impl ProvideCredentials for Cached {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { Ok(self.0.load().await?.credentials) })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.0.known().map(|known| known.credentials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Debug)]
    struct Counting(AtomicU32, Duration);
    impl ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            let expiry = SystemTime::now() + self.1;
            future::ProvideCredentials::ready(match number {
                7 => Err(CredentialsError::provider_error("down")),
                _ => Ok(Credentials::new(format!("id{number}"), "s", None, Some(expiry), "test")),
            })
        }
    }

    #[tokio::test]
    async fn fresh_ones_are_kept_and_old_ones_renewed() {
        let cache = CredentialCache::new(SharedCredentialsProvider::new(Counting(
            AtomicU32::new(0),
            Duration::from_secs(3600),
        )));
        assert_eq!(cache.load().await.unwrap().credentials.access_key_id(), "id0");
        assert_eq!(cache.load().await.unwrap().credentials.access_key_id(), "id0");
        cache.forget();
        assert_eq!(cache.load().await.unwrap().credentials.access_key_id(), "id1");

        let cache = CredentialCache::new(SharedCredentialsProvider::new(Counting(
            AtomicU32::new(6),
            Duration::from_secs(30),
        )));
        assert_eq!(cache.load().await.unwrap().credentials.access_key_id(), "id6");
        // The provider fails; what it gave before still holds.
        assert_eq!(cache.load().await.unwrap().credentials.access_key_id(), "id6");
        assert_eq!(cache.load().await.unwrap().credentials.access_key_id(), "id8");
    }
}
