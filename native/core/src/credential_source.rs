//! Where a client's credentials come from: given ones, a function of the embedding program, a role
//! that is assumed with others, or the standard chain (`credential_chain.rs`).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::client_setup::ClientSetup;
use crate::credential_cache::{Cached, CredentialCache};
use crate::gate::Gate;
use crate::sdk_error::reason;
use crate::{Error, Status, Surroundings};

/// A source of credentials. It keeps no failure: asked again, it tries again.
pub(crate) trait CredentialSource: Send + Sync {
    /// Asks for credentials.
    fn provide(&self) -> BoxFuture<'_, Result<Credentials, Error>>;

    /// What it is, for messages: `"the credentials function"`.
    fn described(&self) -> String;

    /// Those that need no asking and never change.
    fn at_once(&self) -> Option<Credentials> {
        None
    }

    /// What must not be shown of what it knows.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// The error for no answer in time.
    fn late(&self, patience: Duration) -> Error {
        let from = self.described();
        Error::new(
            Status::CredentialsFailed,
            format!("{from} gave no credentials within {} ms", patience.as_millis()),
        )
        .hint("try again, or raise stallTimeout")
    }
}

/// Credentials from the options.
pub(crate) struct Given(pub(crate) Credentials);

impl CredentialSource for Given {
    fn provide(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        futures::future::ready(Ok(self.0.clone())).boxed()
    }

    fn described(&self) -> String {
        GIVEN.to_owned()
    }

    fn at_once(&self) -> Option<Credentials> {
        Some(self.0.clone())
    }
}

pub(crate) const GIVEN: &str = "the options";
const FUNCTION: &str = "the credentials function";

/// What a function of the embedding program gives.
pub struct ProgramCredentials {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The token of a temporary session.
    pub session_token: Option<String>,
    /// When they end.
    pub expiration: Option<SystemTime>,
}

impl fmt::Debug for ProgramCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ProgramCredentials(..)")
    }
}

/// A function of the embedding program, by the number that it gave.
pub(crate) struct FromProgram(pub(crate) u64);

impl CredentialSource for FromProgram {
    fn provide(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        async {
            let failed = |why: &str| {
                Error::new(Status::CredentialsFailed, format!("{FUNCTION} failed: {why}"))
                    .hint("mend the function given as credentials; the next call runs it again")
            };
            let gate = Gate::current().ok_or_else(|| failed("there is nobody to run it"))?;
            let given = gate.credentials(self.0).await.map_err(|why| failed(&why))?;
            Ok(Credentials::new(
                given.access_key_id,
                given.secret_access_key,
                given.session_token,
                given.expiration,
                FUNCTION,
            ))
        }
        .boxed()
    }

    fn described(&self) -> String {
        FUNCTION.to_owned()
    }
}

/// Which role to assume, and how.
#[derive(Clone)]
pub struct RoleOption {
    /// The role.
    pub role_arn: String,
    /// The id that the role's owner asks for.
    pub external_id: Option<String>,
    /// What the session is called in logs.
    pub session_name: Option<String>,
    /// How long a session lasts.
    pub duration: Option<Duration>,
    /// Whose credentials ask for the role.
    pub source: super::CredentialsOption,
}

impl fmt::Debug for RoleOption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RoleOption({})", self.role_arn)
    }
}

/// A role, assumed with the credentials of another source.
pub(crate) struct AssumedRole {
    pub(crate) role: RoleOption,
    pub(crate) source: Arc<CredentialCache>,
    pub(crate) setup: ClientSetup,
    pub(crate) surroundings: Surroundings,
}

impl CredentialSource for AssumedRole {
    fn provide(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        async {
            // Asked first, so that its failure is told in its own words.
            self.source.credentials().await?;
            let gate = Gate::current().map(|gate| gate.fork());
            let config = self.setup.load(&self.surroundings).await;
            let role = &self.role;
            let mut builder = AssumeRoleProvider::builder(&role.role_arn).configure(&config);
            if let Some(id) = &role.external_id {
                builder = builder.external_id(id);
            }
            if let Some(name) = &role.session_name {
                builder = builder.session_name(name);
            }
            if let Some(duration) = role.duration {
                builder = builder.session_length(duration);
            }
            let provider = builder.build_from_provider(Cached(Arc::clone(&self.source))).await;
            let asked = async move { provider.provide_credentials().await };
            let answer = match gate.clone() {
                Some(gate) => gate.around(asked).await,
                None => asked.await,
            };
            answer.map_err(|error| {
                let refused = gate.map(|gate| gate.refused()).unwrap_or_default();
                if let Some(host) = refused.first() {
                    return Error::new(
                        Status::PermissionDenied,
                        format!(
                            "Deno's permissions do not allow to reach {host}, which gives the \
                             credentials of the role {}",
                            role.role_arn
                        ),
                    )
                    .hint(format!("run with --allow-net={host}"));
                }
                let from = self.source.source().described();
                let why = reason(&error);
                Error::new(
                    Status::CredentialsFailed,
                    format!("the role {} cannot be assumed by {from}: {why}", role.role_arn),
                )
                .hint(
                    "check the role's trust policy, its externalId and the longest session that \
                     it allows",
                )
            })
        }
        .boxed()
    }

    fn described(&self) -> String {
        format!("the role {}", self.role.role_arn)
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets = self.source.secrets();
        secrets.extend(self.surroundings.secrets());
        // An external id is a password of sorts.
        secrets.extend(self.role.external_id.clone());
        secrets
    }
}
