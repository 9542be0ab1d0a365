//! How the SDK's configuration is loaded: from what the embedding program lets be seen, through
//! the gated HTTP client. The S3 client, the token service and the credential chain start from it.

use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_s3::config::SharedHttpClient;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_types::os_shim_internal::{Env, Fs};

use crate::Surroundings;

/// What all that a client loads has in common.
#[derive(Clone, Debug)]
pub(crate) struct ClientSetup {
    pub(crate) http: SharedHttpClient,
    pub(crate) profile: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) fips: Option<bool>,
    pub(crate) dual_stack: Option<bool>,
    pub(crate) connect_timeout: Duration,
    pub(crate) stall_timeout: Duration,
}

impl ClientSetup {
    /// The configuration without credentials.
    pub(crate) async fn load(&self, surroundings: &Surroundings) -> SdkConfig {
        self.loader(surroundings.env(), surroundings.fs()).no_credentials().load().await
    }

    /// The same without asking the instance metadata service.
    pub(crate) async fn look(&self, surroundings: &Surroundings) -> SdkConfig {
        let env = surroundings.env_without_metadata_service();
        self.loader(env, surroundings.fs()).no_credentials().load().await
    }

    /// A loader with the standard chain of credentials.
    pub(crate) fn loader(&self, env: Env, fs: Fs) -> ConfigLoader {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout)
            .read_timeout(self.stall_timeout)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .env(env)
            .fs(fs)
            .http_client(self.http.clone())
            .timeout_config(timeouts);
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(fips) = self.fips {
            loader = loader.use_fips(fips);
        }
        if let Some(dual_stack) = self.dual_stack {
            loader = loader.use_dual_stack(dual_stack);
        }
        loader
    }
}
