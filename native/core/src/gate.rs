//! Permission to reach out.
//!
//! Native code escapes the sandbox of the program that loads it. So no connection is
//! opened before the embedding program has agreed: every HTTP request passes a gate that
//! belongs to the operation on whose behalf it is sent. What an operation was granted
//! beforehand passes without a question; anything new (a redirect, a credentials service)
//! is asked. A request outside any operation is refused.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::log::{Logger, OperationLog};
use crate::log_request::{RequestLog, attempt_of};
use crate::proxy::Proxies;
use crate::revocable_body::revocable;
use crate::sdk_error::deepest;
use crate::stall_guard::guarded;
use crate::{Error, ProgramCredentials, Surroundings};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use dipper_wire::Url;
use tokio::task::{JoinError, JoinSet};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// What the Rust side asks of the embedding program.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Need {
    /// To reach a host, written `name:port`.
    Net(String),
    /// To collect what JavaScript no longer uses, before this many bytes are allocated.
    Collect(u64),
    /// To replace a file that the credential chain read. The text is a secret.
    Keep {
        /// The file.
        path: String,
        /// What it shall hold.
        text: String,
    },
}

/// The answer to a [`Need`], later.
pub type Answer = Pin<Box<dyn Future<Output = bool> + Send>>;

/// What a function of the embedding program gives, later; or why it failed.
pub type Given<T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send>>;

/// Whoever answers for the embedding program.
pub trait Gatekeeper: Send + Sync {
    /// Whether the need is granted. Never blocks.
    fn ask(&self, need: Need) -> Answer;

    /// Runs the embedding program's function of this number, which gives credentials.
    fn credentials(&self, function: u64) -> Given<ProgramCredentials> {
        let _ = function;
        Box::pin(async { Err("there is nobody to run it".to_owned()) })
    }

    /// Runs the function of this number, which looks at what the credential chain may see.
    fn surroundings(&self, function: u64) -> Given<Surroundings> {
        let _ = function;
        Box::pin(async { Err("there is nobody to run it".to_owned()) })
    }
}

/// The gate of one operation, and the tasks that run behind it.
#[derive(Clone)]
pub struct Gate {
    keeper: Arc<dyn Gatekeeper>,
    granted: Arc<Mutex<HashSet<String>>>,
    /// Hosts that were asked for and not granted.
    refused: Arc<Mutex<HashSet<String>>>,
    tasks: TaskTracker,
    log: Option<OperationLog>,
}

tokio::task_local! {
    static GATE: Gate;
}

impl Gate {
    /// A gate that lets requests to `granted` hosts (`name:port`) pass unasked.
    pub fn new(keeper: Arc<dyn Gatekeeper>, granted: impl IntoIterator<Item = String>) -> Self {
        let granted = Arc::new(Mutex::new(granted.into_iter().collect()));
        Self { keeper, granted, refused: Arc::default(), tasks: TaskTracker::new(), log: None }
    }

    /// The same gate for an operation whose events go to this logger.
    #[must_use]
    pub fn logging(mut self, logger: Option<Arc<Logger>>, operation: &'static str) -> Self {
        self.log = logger.map(|logger| OperationLog { logger, operation });
        self
    }

    /// Another gate with the same answers, for what lives on after the operation.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { tasks: TaskTracker::new(), refused: Arc::default(), ..self.clone() }
    }

    /// Waits until no task runs behind this gate any more. A task that was aborted lets go
    /// of its memory and its connection a moment later.
    pub async fn emptied(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Runs an operation behind this gate.
    pub fn around<F: Future>(self, operation: F) -> impl Future<Output = F::Output> {
        GATE.scope(self, operation)
    }

    /// The gate of the operation that runs on this task.
    #[must_use]
    pub fn current() -> Option<Self> {
        GATE.try_with(Self::clone).ok()
    }

    /// Where the operation that runs on this task tells what happens.
    pub(crate) fn log() -> Option<OperationLog> {
        Self::with_log(OperationLog::clone)
    }

    pub(crate) fn with_log<T>(look: impl FnOnce(&OperationLog) -> T) -> Option<T> {
        GATE.try_with(|gate| gate.log.as_ref().map(look)).ok().flatten()
    }

    pub(crate) async fn ask(&self, need: Need) -> bool {
        self.keeper.ask(need).await
    }

    pub(crate) async fn keep(&self, path: String, text: String) -> bool {
        self.keeper.ask(Need::Keep { path, text }).await
    }

    pub(crate) async fn credentials(&self, function: u64) -> Result<ProgramCredentials, String> {
        self.keeper.credentials(function).await
    }

    pub(crate) async fn surroundings(&self, function: u64) -> Result<Surroundings, String> {
        self.keeper.surroundings(function).await
    }

    /// The hosts that were not granted to this gate.
    pub(crate) fn refused(&self) -> Vec<String> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hosts: Vec<_> = refused.iter().cloned().collect();
        hosts.sort();
        hosts
    }

    pub(crate) async fn admits(&self, host: &str) -> bool {
        let known = self.granted.lock().unwrap_or_else(PoisonError::into_inner).contains(host);
        if known {
            return true;
        }
        let granted = self.keeper.ask(Need::Net(host.to_owned())).await;
        let list = if granted { &self.granted } else { &self.refused };
        list.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned());
        granted
    }
}

/// Counts as a task of the operation for as long as it is held.
pub(crate) fn token() -> Option<TaskTrackerToken> {
    Gate::current().map(|gate| gate.tasks.token())
}

/// Runs a part of an operation on a task of its own, behind the operation's gate.
pub(crate) fn spawn<T: Send + 'static>(
    tasks: &mut JoinSet<T>,
    part: impl Future<Output = T> + Send + 'static,
) {
    spawn_behind(Gate::current(), tasks, part);
}

/// The same, behind a gate that may be another operation's.
pub(crate) fn spawn_behind<T: Send + 'static>(
    gate: Option<Gate>,
    tasks: &mut JoinSet<T>,
    part: impl Future<Output = T> + Send + 'static,
) {
    match gate {
        Some(gate) => {
            let token: TaskTrackerToken = gate.tasks.token();
            // The token is let go after the part, in the order of the fields.
            let part = async move {
                let ended = gate.around(part).await;
                drop(token);
                ended
            };
            tasks.spawn(part)
        }
        None => tasks.spawn(part),
    };
}

/// What a task brought. Its panic goes on here; a task that was aborted was cancelled.
pub(crate) fn joined<T>(ended: Result<T, JoinError>) -> Result<T, Error> {
    match ended {
        Ok(brought) => Ok(brought),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::cancelled()),
        },
    }
}

/// A request was not sent because the embedding program does not allow its host.
#[derive(Debug)]
pub(crate) struct HostRefused {
    pub(crate) host: String,
}

impl fmt::Display for HostRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "reaching {} is not allowed", self.host)
    }
}

impl std::error::Error for HostRefused {}

/// A server that is no S3 server answered a change with a web page.
#[derive(Debug)]
pub(crate) struct WebPage;

impl fmt::Display for WebPage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the answer is a web page")
    }
}

impl std::error::Error for WebPage {}

/// S3 answers changes with XML or nothing. A page that says that all is well would pass for
/// success otherwise.
fn is_web_page(answer: &HttpResponse) -> bool {
    let kind = answer.headers().get("content-type").unwrap_or_default();
    answer.status().is_success() && kind.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// Where clouds tell their machines about themselves: addresses that are not routed.
const METADATA_HOSTS: &[&str] =
    &["169.254.169.254:80", "169.254.170.2:80", "169.254.170.23:80", "[fd00:ec2::254]:80"];
const METADATA_PATIENCE: Duration = Duration::from_secs(1);

/// Whether a request asks a machine about itself, at whatever address.
fn is_metadata(host: &str, request: &HttpRequest) -> bool {
    let has = |name: &str| request.headers().contains_key(name);
    METADATA_HOSTS.contains(&host)
        || has("x-aws-ec2-metadata-token-ttl-seconds")
        || has("x-aws-ec2-metadata-token")
}

/// Nobody answers at the metadata service's address.
#[derive(Debug)]
struct NoMetadataService;

impl fmt::Display for NoMetadataService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("there is no instance metadata service here")
    }
}

impl std::error::Error for NoMetadataService {}

/// `name:port` of a request, as Deno's `--allow-net` spells it.
fn host_of(request: &HttpRequest) -> Option<String> {
    let rest = request.uri();
    let (scheme, rest) = rest.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit('@').next()?;
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| {
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    if has_port {
        return Some(authority.to_owned());
    }
    let port = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    Some(format!("{authority}:{port}"))
}

/// The ways that requests may take.
#[derive(Debug)]
pub(crate) struct Ways {
    pub(crate) direct: SharedHttpClient,
    pub(crate) http_proxy: Option<SharedHttpClient>,
    pub(crate) https_proxy: Option<SharedHttpClient>,
    pub(crate) proxies: Proxies,
    pub(crate) stall: Duration,
}

/// Wraps HTTP clients so that each request passes the gate first.
pub(crate) fn gated(ways: Ways) -> SharedHttpClient {
    SharedHttpClient::new(GatedClient(ways))
}

#[derive(Debug)]
struct GatedClient(Ways);

impl HttpClient for GatedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connector = |client: &SharedHttpClient| client.http_connector(settings, components);
        gated_connector(
            connector(&self.0.direct),
            self.0.http_proxy.as_ref().map(connector),
            self.0.https_proxy.as_ref().map(connector),
            self.0.proxies.clone(),
            self.0.stall,
        )
    }
}

/// Wraps connectors so that each request passes the gate first.
pub(crate) fn gated_connector(
    direct: SharedHttpConnector,
    http_proxy: Option<SharedHttpConnector>,
    https_proxy: Option<SharedHttpConnector>,
    proxies: Proxies,
    stall: Duration,
) -> SharedHttpConnector {
    SharedHttpConnector::new(GatedConnector { direct, http_proxy, https_proxy, proxies, stall })
}

#[derive(Clone, Debug)]
struct GatedConnector {
    direct: SharedHttpConnector,
    http_proxy: Option<SharedHttpConnector>,
    https_proxy: Option<SharedHttpConnector>,
    proxies: Proxies,
    /// How long a body may be silent.
    stall: Duration,
}

impl GatedConnector {
    /// The way of a request, and the proxy that it passes.
    fn way(&self, request: &HttpRequest) -> (SharedHttpConnector, Option<String>) {
        let target = request.uri().split(['?', '#']).next().and_then(Url::parse);
        let proxied = target.and_then(|target| {
            // What a machine knows about itself, its keys among it, is no proxy's business.
            if METADATA_HOSTS.contains(&format!("{}:{}", target.host, target.port).as_str()) {
                return None;
            }
            let proxy = self.proxies.of(target.tls, &target.host, target.port)?;
            let way = if target.tls { &self.https_proxy } else { &self.http_proxy };
            Some((way.clone()?, proxy.host_and_port()))
        });
        match proxied {
            Some((way, proxy)) => (way, Some(proxy)),
            None => (self.direct.clone(), None),
        }
    }
}

impl HttpConnector for GatedConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let (inner, proxy) = self.way(&request);
        let stall = self.stall;
        HttpConnectorFuture::new(async move {
            let host = host_of(&request).unwrap_or_else(|| request.uri().to_owned());
            for host in [Some(&host), proxy.as_ref()].into_iter().flatten() {
                let admitted = match Gate::current() {
                    Some(gate) => gate.admits(host).await,
                    None => false,
                };
                if !admitted {
                    let refused = HostRefused { host: host.clone() };
                    return Err(ConnectorError::user(Box::new(refused)));
                }
            }
            let reads = matches!(request.method(), "GET" | "HEAD");
            let log = {
                let attempt = attempt_of(request.headers().get("amz-sdk-request"));
                let target = request.uri().splitn(4, '/').nth(3).unwrap_or_default();
                RequestLog::sent(request.method(), &host, &format!("/{target}"), attempt)
            };
            let (body, hold) = revocable(request.take_body());
            *request.body_mut() = body;
            let answer = if is_metadata(&host, &request) {
                // Most machines have no such host, and packets to it vanish. A failure that
                // is the caller's own is not tried again.
                tokio::time::timeout(METADATA_PATIENCE, inner.call(request))
                    .await
                    .unwrap_or_else(|_| Err(ConnectorError::user(Box::new(NoMetadataService))))
            } else {
                inner.call(request).await
            };
            hold.release();
            match (&log, &answer) {
                (Some(log), Ok(answer)) => log.answered(
                    answer.status().as_u16(),
                    answer.headers().get("x-amz-request-id"),
                    answer.headers().get("content-length").and_then(|length| length.parse().ok()),
                ),
                (Some(log), Err(error)) => log.failed(&deepest(error)),
                (None, _) => {}
            }
            match answer {
                Ok(answer) if !reads && is_web_page(&answer) => {
                    Err(ConnectorError::user(Box::new(WebPage)))
                }
                Ok(mut answer) => {
                    let body = guarded(answer.take_body(), stall);
                    *answer.body_mut() = body;
                    Ok(answer)
                }
                answer => answer,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_spelled_as_deno_spells_them() {
        for (uri, host) in [
            ("http://127.0.0.1:9000/b/k", "127.0.0.1:9000"),
            ("https://b.s3.amazonaws.com/k?x=1", "b.s3.amazonaws.com:443"),
            ("http://[::1]:9000", "[::1]:9000"),
            ("http://[::1]/x", "[::1]:80"),
            ("http://u:p@example.com?x", "example.com:80"),
        ] {
            let mut request = HttpRequest::empty();
            request.set_uri(uri).unwrap();
            assert_eq!(host_of(&request).as_deref(), Some(host));
        }
    }
}
