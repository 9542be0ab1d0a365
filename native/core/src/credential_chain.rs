//! The standard chain of credentials: environment, shared files, web identity, container, instance
//! metadata.
//!
//! The SDK walks the chain, but sees only a snapshot of environment and files. Whenever
//! credentials are needed anew the embedding program is asked to look again: somebody may have
//! signed on meanwhile, or a token in a file may have been replaced. While nothing has changed and
//! nothing failed, the same chain is kept, because its providers remember what they fetched.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_types::os_shim_internal::Fs;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::client_setup::ClientSetup;
use crate::credential_process::CredentialProcess;
use crate::credential_source::CredentialSource;
use crate::credential_step::Step;
use crate::gate::Gate;
use crate::sdk_error::withheld;
use crate::{Error, Status, Surroundings};

/// The chain of one client.
pub(crate) struct Chain {
    setup: ClientSetup,
    /// The function of the embedding program that looks around.
    look: Option<u64>,
    seen: Mutex<Seen>,
}

struct Seen {
    surroundings: Surroundings,
    /// Whether they are as they were when the client was made, a moment ago.
    first: bool,
    kept: Option<Kept>,
}

#[derive(Clone)]
struct Kept {
    step: Step,
    fs: Fs,
    provider: SharedCredentialsProvider,
}

impl Chain {
    pub(crate) fn new(setup: ClientSetup, look: Option<u64>, surroundings: Surroundings) -> Self {
        Self { setup, look, seen: Mutex::new(Seen { surroundings, first: true, kept: None }) }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What may be seen now, and the chain that belongs to it.
    async fn kept(&self) -> (Surroundings, Option<Kept>) {
        let (known, first) = {
            let mut seen = self.seen();
            (seen.surroundings.clone(), std::mem::replace(&mut seen.first, false))
        };
        let asked = match (first, self.look, Gate::current()) {
            (false, Some(look), Some(gate)) => gate.surroundings(look).await.ok(),
            _ => None,
        };
        let mut seen = self.seen();
        if let Some(surroundings) = asked
            && surroundings != known
        {
            seen.surroundings = surroundings;
            seen.kept = None;
        }
        (seen.surroundings.clone(), seen.kept.clone())
    }

    async fn make(&self, surroundings: &Surroundings) -> Kept {
        let chosen = self.setup.profile.as_deref();
        let step = Step::of(surroundings, chosen).await;
        let fs = surroundings.fs();
        // A profile that an option names comes before the keys of the environment.
        let env = match (&step, chosen) {
            (Step::Role { source, .. }, Some(_)) if **source == Step::Environment => {
                surroundings.env()
            }
            (_, Some(_)) => surroundings.env_without_keys(),
            (_, None) => surroundings.env(),
        };
        if let Step::Process(profile) = &step
            && let Ok(profiles) = surroundings.profiles(chosen).await
            && let Some(command) =
                profiles.get_profile(profile).and_then(|profile| profile.get("credential_process"))
        {
            let process = CredentialProcess::new(command.to_owned());
            return Kept { step, fs, provider: SharedCredentialsProvider::new(process) };
        }
        let config = self.setup.loader(env, fs.clone()).load().await;
        let none = || SharedCredentialsProvider::new(NoProvider);
        let provider = config.credentials_provider().unwrap_or_else(none);
        Kept { step, fs, provider }
    }

    /// Single sign-on may have renewed its token: it is put where it was found, if that is allowed.
    async fn keep_token(&self, surroundings: &Surroundings, fs: &Fs) {
        for (path, old) in &surroundings.files {
            if !path.contains("/sso/cache/") {
                continue;
            }
            let Ok(new) = fs.read_to_end(path).await else { continue };
            let Ok(new) = String::from_utf8(new) else { continue };
            if new == *old {
                continue;
            }
            let Some(gate) = Gate::current() else { continue };
            if gate.keep(path.clone(), new.clone()).await {
                self.seen().surroundings.files.insert(path.clone(), new);
            }
        }
    }
}

impl CredentialSource for Chain {
    fn provide(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        async {
            let (surroundings, kept) = self.kept().await;
            let kept = match kept {
                Some(kept) => kept,
                None => self.make(&surroundings).await,
            };
            let unknown = |mut error: Error| {
                error.message.push_str(&withheld(&surroundings.skipped));
                error
            };
            if let Some(flaw) = kept.step.flaw() {
                self.seen().kept = None;
                return Err(unknown(flaw));
            }
            // What is refused on the way is told apart from what other operations met.
            let gate = Gate::current().map(|gate| gate.fork());
            let provider = kept.provider.clone();
            let asked = async move { provider.provide_credentials().await };
            let answer = match gate.clone() {
                Some(gate) => gate.around(asked).await,
                None => asked.await,
            };
            match answer {
                Ok(credentials) => {
                    if let Step::SignOn { .. } | Step::Role { .. } = kept.step {
                        self.keep_token(&surroundings, &kept.fs).await;
                    }
                    self.seen().kept = Some(kept);
                    Ok(credentials)
                }
                Err(failed) => {
                    // Providers remember failures, too.
                    self.seen().kept = None;
                    let refused = gate.map(|gate| gate.refused()).unwrap_or_default();
                    let mut error = kept.step.explain(&failed, &refused);
                    let mut skipped = surroundings.skipped.clone();
                    for host in refused {
                        let flag = format!("--allow-net={host}");
                        if !skipped.iter().any(|known| known.contains(&flag)) {
                            skipped.push(format!("{} ({flag})", kept.step.described()));
                        }
                    }
                    error.message.push_str(&withheld(&skipped));
                    for secret in surroundings.secrets().iter().filter(|text| text.len() >= 4) {
                        error.message = error.message.replace(secret.as_str(), "…");
                    }
                    Err(error)
                }
            }
        }
        .boxed()
    }

    fn described(&self) -> String {
        let seen = self.seen();
        let step = seen.kept.as_ref().map(|kept| kept.step.described());
        step.unwrap_or_else(|| "the standard chain".to_owned())
    }

    fn secrets(&self) -> Vec<String> {
        self.seen().surroundings.secrets()
    }

    fn late(&self, patience: std::time::Duration) -> Error {
        let described = self.described();
        Error::new(
            Status::CredentialsFailed,
            format!("{described} gave no credentials within {} s", patience.as_secs()),
        )
        .hint("check the network and the programs that the profile names, or raise stallTimeout")
    }
}

/// In place of a chain that the SDK did not make.
#[derive(Debug)]
struct NoProvider;

impl ProvideCredentials for NoProvider {
    fn provide_credentials<'a>(
        &'a self,
    ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        use aws_credential_types::provider::{error::CredentialsError, future};
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("no chain")))
    }
}
