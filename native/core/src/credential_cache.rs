//! Credentials, kept and renewed before they expire. The SDK's client and the data plane share
//! one cache, so that a source is asked once, however many requests need it.
//!
//! The source is asked on a task of its own, behind the gate of whoever came first. So it goes on
//! when that operation is cancelled, and everybody who waits gets its one answer. Nothing is kept
//! of a failure: the next request asks again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_runtime_api::client::identity::Identity;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::task::AbortHandle;
use tracing::{info, warn};

use crate::credential_source::CredentialSource;
use crate::gate::Gate;
use crate::{Error, Status};

/// A source and what it gave last.
pub(crate) struct CredentialCache {
    source: Arc<dyn CredentialSource>,
    state: Arc<Mutex<State>>,
    /// How long to wait for the source.
    patience: Duration,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    asking: Option<Asking>,
    /// Counts the questions, so that nobody ends a later one.
    asked: u64,
    /// When an early renewal may be tried again after one that failed.
    not_before: Option<Instant>,
}

/// A question that is under way.
struct Asking {
    number: u64,
    answer: Answer,
    task: AbortHandle,
}

type Answer = Shared<BoxFuture<'static, Result<Known, Error>>>;

#[derive(Clone)]
struct Known {
    credentials: Credentials,
    identity: Identity,
    since: SystemTime,
}

/// How long before their end credentials are renewed, while requests go on with the old ones.
const EARLY: Duration = Duration::from_secs(300);
/// How long before their end nothing is signed with them any more.
const LATE: Duration = Duration::from_secs(60);
/// How long after a failure an early renewal is tried again.
const PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug, PartialEq, Eq)]
enum Age {
    Fresh,
    /// To be renewed, and good meanwhile.
    Ageing,
    /// To be renewed first; good if that fails.
    Stale,
    Expired,
}

impl Known {
    fn new(credentials: Credentials) -> Self {
        let identity = Identity::from(credentials.clone());
        Self { credentials, identity, since: SystemTime::now() }
    }

    /// Credentials of a short life are used for most of it: renewing them five minutes before
    /// their end would ask for others at every request.
    fn age(&self, now: SystemTime) -> Age {
        let Some(expiry) = self.credentials.expiry() else { return Age::Fresh };
        let left = expiry.duration_since(now).unwrap_or_default();
        let life = expiry.duration_since(self.since).unwrap_or_default();
        if left.is_zero() {
            Age::Expired
        } else if left <= LATE.min(life / 4) {
            Age::Stale
        } else if left <= EARLY.min(life / 2) {
            Age::Ageing
        } else {
            Age::Fresh
        }
    }
}

impl CredentialCache {
    pub(crate) fn new(source: Arc<dyn CredentialSource>, patience: Duration) -> Self {
        let state = State { known: source.at_once().map(Known::new), ..State::default() };
        Self { source, state: Arc::new(Mutex::new(state)), patience }
    }

    /// What requests are signed with.
    pub(crate) async fn identity(&self) -> Result<Identity, Error> {
        Ok(self.load().await?.identity)
    }

    /// The credentials.
    pub(crate) async fn credentials(&self) -> Result<Credentials, Error> {
        Ok(self.load().await?.credentials)
    }

    /// Where they come from, as far as it is known before they are asked for.
    pub(crate) fn source(&self) -> &dyn CredentialSource {
        &*self.source
    }

    async fn load(&self) -> Result<Known, Error> {
        let (number, answer) = {
            let mut state = lock(&self.state);
            let age = state.known.as_ref().map(|known| known.age(SystemTime::now()));
            if let (Some(known), Some(Age::Fresh | Age::Ageing)) = (state.known.clone(), &age) {
                let may_ask = state.not_before.is_none_or(|then| Instant::now() >= then);
                if age == Some(Age::Ageing) && state.asking.is_none() && may_ask {
                    drop(self.ask(&mut state));
                }
                return Ok(known);
            }
            match &state.asking {
                Some(asking) => (asking.number, asking.answer.clone()),
                None => self.ask(&mut state),
            }
        };
        let failure = match tokio::time::timeout(self.patience, answer).await {
            Ok(Ok(known)) => return Ok(known),
            Ok(Err(error)) => error,
            Err(_) => {
                // A later request asks anew; should this answer still come, it is kept.
                let mut state = lock(&self.state);
                if state.asking.as_ref().is_some_and(|asking| asking.number == number) {
                    state.asking = None;
                }
                self.source.late(self.patience)
            }
        };
        // A source that fails for a moment does not end what still holds.
        let known = lock(&self.state).known.clone();
        known.filter(|known| known.age(SystemTime::now()) != Age::Expired).ok_or(failure)
    }

    /// Asks the source on a task of its own.
    fn ask(&self, state: &mut State) -> (u64, Answer) {
        state.asked += 1;
        let number = state.asked;
        let (source, shared) = (Arc::clone(&self.source), Arc::clone(&self.state));
        let work = async move {
            let answer =
                source.provide().await.and_then(|credentials| sound(credentials, &*source));
            told(&answer, &*source);
            let answer = answer.map(Known::new);
            let mut state = lock(&shared);
            match &answer {
                Ok(known) => {
                    state.known = Some(known.clone());
                    state.not_before = None;
                }
                Err(_) => state.not_before = Some(Instant::now() + PAUSE),
            }
            if state.asking.as_ref().is_some_and(|asking| asking.number == number) {
                state.asking = None;
            }
            answer
        };
        let task = match Gate::current() {
            // A gate of its own: the operation that came first does not wait for this one.
            Some(gate) => tokio::spawn(gate.fork().around(work)),
            None => tokio::spawn(work),
        };
        let abort = task.abort_handle();
        let answer = async move {
            task.await.unwrap_or_else(|error| {
                Err(if error.is_cancelled() {
                    Error::cancelled()
                } else {
                    Error::internal("looking for credentials panicked")
                })
            })
        };
        let answer = answer.boxed().shared();
        state.asking = Some(Asking { number, answer: answer.clone(), task: abort });
        (number, answer)
    }

    /// The server calls those expired that `sent` recognises by their key id: the next request
    /// asks the source again. Whether that may bring others.
    pub(crate) fn forget(&self, sent: impl FnOnce(&str) -> bool) -> bool {
        let mut state = lock(&self.state);
        if state.known.as_ref().is_some_and(|known| sent(known.credentials.access_key_id())) {
            state.known = self.source.at_once().map(Known::new);
        }
        drop(state);
        self.may_change()
    }

    /// Whether the source may give others than those that are known.
    pub(crate) fn may_change(&self) -> bool {
        self.source.at_once().is_none()
    }

    /// What must not be shown of what is known.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let known = lock(&self.state).known.clone();
        let mut secrets = self.source.secrets();
        if let Some(Known { credentials, .. }) = known {
            secrets.push(credentials.access_key_id().to_owned());
            secrets.push(credentials.secret_access_key().to_owned());
            secrets.extend(credentials.session_token().map(str::to_owned));
        }
        secrets
    }
}

impl Drop for CredentialCache {
    fn drop(&mut self) {
        if let Some(asking) = lock(&self.state).asking.take() {
            asking.task.abort();
        }
    }
}

impl std::fmt::Debug for CredentialCache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CredentialCache")
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Refuses what no request can carry and what has expired already. The secret is not sent.
fn sound(
    mut credentials: Credentials,
    source: &dyn CredentialSource,
) -> Result<Credentials, Error> {
    // Some services write an empty token where there is none.
    if credentials.session_token().is_some_and(str::is_empty) {
        let (id, secret) = (credentials.access_key_id(), credentials.secret_access_key());
        credentials = Credentials::new(id, secret, None, credentials.expiry(), "without a token");
    }
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let from = source.described();
    let token = credentials.session_token();
    if !plain(credentials.access_key_id()) || !token.is_none_or(plain) {
        return Err(Error::new(
            Status::CredentialsFailed,
            format!(
                "the access key id or the session token from {from} is empty or holds a character \
                 that no request can carry, such as a line break"
            ),
        )
        .hint("check what it gives"));
    }
    let ago = credentials.expiry().and_then(|end| SystemTime::now().duration_since(end).ok());
    match ago {
        None => Ok(credentials),
        Some(ago) => Err(Error::new(
            Status::CredentialsFailed,
            format!("the credentials from {from} expired {} s ago", ago.as_secs()),
        )
        .hint("renew them, and check this machine's clock")),
    }
}

/// Tells the operation's logger, and keeps the secrets out of what it is told later.
fn told(answer: &Result<Credentials, Error>, source: &dyn CredentialSource) {
    match answer {
        Ok(credentials) => {
            crate::log::hide(credentials);
            let left = |end: SystemTime| end.duration_since(SystemTime::now()).ok();
            let expires_in_s = credentials.expiry().and_then(left).map(|left| left.as_secs());
            let provider = source.described();
            info!(target: "dipper::credentials", provider, expires_in_s, "credentials loaded");
        }
        Err(error) => {
            let provider = source.described();
            warn!(target: "dipper::credentials", provider, error = %error, "credentials failed");
        }
    }
}

/// The cache as the SDK wants it.
#[derive(Debug)]
pub(crate) struct Cached(pub(crate) Arc<CredentialCache>);

impl ProvideCredentials for Cached {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        // The error travels inside the SDK's own, and is found there again.
        future::ProvideCredentials::new(async {
            self.0.credentials().await.map_err(CredentialsError::provider_error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::Notify;

    /// Gives `id0`, `id1`, …, each for a time; fails at the numbers in `failing`.
    struct Counting {
        number: AtomicU32,
        life: Duration,
        failing: Vec<u32>,
        open: Option<Arc<Notify>>,
    }

    impl Counting {
        fn source(life: Duration, failing: &[u32]) -> Arc<Self> {
            let failing = failing.to_vec();
            Arc::new(Self { number: AtomicU32::new(0), life, failing, open: None })
        }

        fn asked(&self) -> u32 {
            self.number.load(Ordering::SeqCst)
        }
    }

    impl CredentialSource for Counting {
        fn provide(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
            let number = self.number.fetch_add(1, Ordering::SeqCst);
            async move {
                if let Some(open) = &self.open {
                    open.notified().await;
                }
                if self.failing.contains(&number) {
                    return Err(Error::new(Status::CredentialsFailed, "down"));
                }
                let expiry = SystemTime::now() + self.life;
                let id = format!("id{number}");
                Ok(Credentials::new(id, "s", None, Some(expiry), "test"))
            }
            .boxed()
        }

        fn described(&self) -> String {
            "a test".to_owned()
        }
    }

    const PATIENCE: Duration = Duration::from_secs(5);

    async fn id(cache: &CredentialCache) -> String {
        cache.credentials().await.unwrap().access_key_id().to_owned()
    }

    #[test]
    fn ages_follow_the_life() {
        let now = SystemTime::now();
        let known = |life: u64| {
            let end = now + Duration::from_secs(life);
            Known { since: now, ..Known::new(Credentials::new("i", "s", None, Some(end), "t")) }
        };
        let at = |life, second| known(life).age(now + Duration::from_secs(second));
        assert_eq!(at(3600, 0), Age::Fresh);
        assert_eq!(at(3600, 3600 - 299), Age::Ageing);
        assert_eq!(at(3600, 3600 - 59), Age::Stale);
        assert_eq!(at(3600, 3600), Age::Expired);
        assert_eq!([at(8, 3), at(8, 5), at(8, 7)], [Age::Fresh, Age::Ageing, Age::Stale]);
        let forever = Known::new(Credentials::new("i", "s", None, None, "t"));
        assert_eq!(forever.age(now + Duration::from_secs(1 << 40)), Age::Fresh);
    }

    #[tokio::test]
    async fn fresh_ones_are_kept_and_forgotten_ones_asked_for() {
        let source = Counting::source(Duration::from_secs(3600), &[]);
        let cache = CredentialCache::new(Arc::<Counting>::clone(&source), PATIENCE);
        assert_eq!((id(&cache).await, id(&cache).await), ("id0".into(), "id0".into()));
        assert!(cache.forget(|known| known == "id0"));
        assert_eq!(id(&cache).await, "id1");
        // A late complaint about the old ones does not end the new ones.
        assert!(cache.forget(|known| known == "id0"));
        assert_eq!((id(&cache).await, source.asked()), ("id1".into(), 2));
    }

    #[tokio::test]
    async fn many_who_need_them_at_once_ask_once_and_none_hangs_on_the_first() {
        let open = Arc::new(Notify::new());
        let source = Arc::new(Counting {
            number: AtomicU32::new(0),
            life: Duration::from_secs(3600),
            failing: vec![],
            open: Some(Arc::clone(&open)),
        });
        let cache = Arc::new(CredentialCache::new(Arc::<Counting>::clone(&source), PATIENCE));
        let load = || {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { id(&cache).await })
        };
        let first = load();
        tokio::task::yield_now().await;
        let others: Vec<_> = (0..10).map(|_| load()).collect();
        tokio::task::yield_now().await;
        first.abort();
        open.notify_one();
        for other in others {
            assert_eq!(other.await.unwrap(), "id0");
        }
        assert_eq!(source.asked(), 1);
    }

    #[tokio::test]
    async fn a_failure_is_told_and_not_kept() {
        let source = Counting::source(Duration::from_secs(3600), &[0]);
        let cache = CredentialCache::new(source, PATIENCE);
        assert_eq!(cache.credentials().await.unwrap_err().message, "down");
        assert_eq!(id(&cache).await, "id1");
    }

    #[tokio::test]
    async fn what_still_holds_is_used_when_the_source_fails() {
        let source = Counting::source(Duration::from_millis(800), &[1]);
        let cache = CredentialCache::new(Arc::<Counting>::clone(&source), PATIENCE);
        assert_eq!(id(&cache).await, "id0");
        tokio::time::sleep(Duration::from_millis(640)).await;
        assert_eq!((id(&cache).await, source.asked()), ("id0".into(), 2));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(id(&cache).await, "id2");
    }

    #[tokio::test]
    async fn ageing_ones_are_renewed_behind_the_requests() {
        let source = Counting::source(Duration::from_secs(2), &[]);
        let cache = CredentialCache::new(source, PATIENCE);
        assert_eq!(id(&cache).await, "id0");
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(id(&cache).await, "id0");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(id(&cache).await, "id1");
    }

    #[tokio::test]
    async fn a_silent_source_is_an_error_and_asked_again() {
        let open = Arc::new(Notify::new());
        let source = Arc::new(Counting {
            number: AtomicU32::new(0),
            life: Duration::from_secs(3600),
            failing: vec![],
            open: Some(Arc::clone(&open)),
        });
        let cache = CredentialCache::new(source, Duration::from_millis(30));
        let error = cache.credentials().await.unwrap_err();
        assert_eq!(error.status, Status::CredentialsFailed);
        // Asked again; and the late answer to the first question is as good.
        let (again, ()) = tokio::join!(cache.credentials(), async { open.notify_waiters() });
        assert_eq!(again.unwrap().access_key_id(), "id0");
    }

    #[tokio::test]
    async fn expired_or_broken_ones_are_refused() {
        struct Gives(Credentials);
        impl CredentialSource for Gives {
            fn provide(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
                futures::future::ready(Ok(self.0.clone())).boxed()
            }
            fn described(&self) -> String {
                "a test".to_owned()
            }
        }
        let past = SystemTime::now() - Duration::from_secs(90);
        for (given, word) in [
            (Credentials::new("id", "canary", None, Some(past), "t"), "expired 90 s ago"),
            (Credentials::new("i\nd", "canary", None, None, "t"), "line break"),
            (Credentials::new("id", "canary", Some("a b".into()), None, "t"), "line break"),
        ] {
            let cache = CredentialCache::new(Arc::new(Gives(given)), PATIENCE);
            let error = cache.credentials().await.unwrap_err();
            assert!(error.message.contains(word) && !error.message.contains("canary"));
        }
    }
}
