//! A client: the SDK's client, configured from explicit options first and from the
//! standard AWS chain second.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    IdentityCache, RequestChecksumCalculation, SharedAsyncSleep, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_types::service_config::ServiceConfigKey;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tracing::info;

use crate::asked_region::AskedRegion;
use crate::client_setup::ClientSetup;
use crate::credential_cache::{Cached, CredentialCache};
use crate::credential_chain::Chain;
use crate::credential_source::{
    AssumedRole, CredentialSource, FromProgram, GIVEN, Given, RoleOption,
};
use crate::expired_token::ExpiredToken;
use crate::gate::{Ways, gated, gated_connector};
use crate::plane::{CaBundle, Pool, check_certificates};
use crate::proxy::{Proxies, Proxy};
use crate::requester_pays::RequesterPays;
use crate::retry::RetryBudget;
use crate::site::{Addressing, Site};
use crate::{Budget, Error, Logger, Surroundings, Ticket, ledger};

/// Where a client's credentials come from.
#[derive(Clone, Default)]
pub enum CredentialsOption {
    /// The standard AWS chain.
    #[default]
    Chain,
    /// Requests are not signed.
    Anonymous,
    /// These.
    Explicit {
        /// The access key id.
        access_key_id: String,
        /// The secret access key.
        secret_access_key: String,
        /// The token of a temporary session.
        session_token: Option<String>,
    },
    /// What a function of the embedding program gives: the number that names it.
    Program(u64),
    /// A role, assumed with other credentials.
    Role(Box<RoleOption>),
}

impl fmt::Debug for CredentialsOption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Chain => "Chain",
            Self::Anonymous => "Anonymous",
            Self::Explicit { .. } => "Explicit(..)",
            Self::Program(_) => "Program",
            Self::Role(_) => "Role(..)",
        })
    }
}

/// Which way bodies are to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransportOption {
    /// From the socket into the destination, where that is possible.
    #[default]
    Direct,
    /// Always through the SDK's client.
    Sdk,
}

/// How much is done to see that bytes arrive as they were stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// Sums that combine are taken while parts arrive in any order.
    #[default]
    Auto,
    /// Sums that need the bytes in order, too.
    Full,
    /// None.
    Off,
}

/// How a client behaves. What is unset comes from the standard AWS chain.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// The region, for example `eu-central-1`.
    pub region: Option<String>,
    /// The base URL of a server that is not AWS.
    pub endpoint: Option<String>,
    /// Bucket names in the path, not in the host name. Default: whenever an endpoint is set.
    pub path_style: Option<bool>,
    /// The profile in the shared configuration files.
    pub profile: Option<String>,
    /// Where credentials come from.
    pub credentials: CredentialsOption,
    /// Certificates in PEM form to trust beside the system's.
    pub ca_certificates: Option<String>,
    /// What is trusted beside the system's where `ca_certificates` is not set.
    pub ca_bundle: Option<CaBundle>,
    /// How long to wait for a connection.
    pub connect_timeout: Option<Duration>,
    /// How long to wait for the next bytes.
    pub stall_timeout: Option<Duration>,
    /// How often to try again.
    pub retries: Option<u32>,
    /// How many bytes this client may hold in flight and in buffers.
    pub memory_budget: Option<u64>,
    /// How many connections to keep to a host at most.
    pub connections: Option<usize>,
    /// How many bytes one request asks for. Default: by the size of the object.
    pub part_size: Option<u64>,
    /// Which way bodies take.
    pub transport: TransportOption,
    /// Which checksums are verified.
    pub checksums: Checksums,
    /// Hosts that IPv6 reaches, too. Default: as the chain says.
    pub dual_stack: Option<bool>,
    /// Hosts with validated cryptography. Default: as the chain says.
    pub fips: Option<bool>,
    /// Hosts near the caller, for buckets that have them.
    pub accelerate: bool,
    /// The requester pays for requests and transfers.
    pub requester_pays: bool,
    /// What the credential chain may see.
    pub surroundings: Surroundings,
    /// Who is told what happens.
    pub logger: Option<Arc<Logger>>,
    /// The function of the embedding program that looks again.
    pub look: Option<u64>,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: u32 = 3;
const MOST_RETRIES: u32 = 100;
/// Where a bucket turned out to live.
#[derive(Debug, Default)]
struct Learned {
    region: String,
    /// How often a server told another region than the last time.
    told: u32,
    /// How many requests learned what another had learned before.
    late: u32,
}

/// A bucket may move this often in the life of a client.
const MOST_MOVES: u32 = 3;
/// So many requests may have been on their way to the old region when it moved.
const MOST_LATE: u32 = 4096;
const CONNECTIONS: usize = 64;
const FALLBACK_REGION: &str = "us-east-1";

/// What is made when it is first needed.
type Lazy<T> = LazyLock<T, Box<dyn FnOnce() -> T + Send>>;

/// A client for one configuration. Cheap to keep; connections are pooled inside.
#[derive(Debug)]
pub struct Client {
    options: ClientOptions,
    http: SharedHttpClient,
    /// For pages on the web, where the data plane cannot read them.
    web: Lazy<SharedHttpConnector>,
    pool: Pool,
    /// As many bodies at once through the SDK's client as the data plane has connections.
    sdk_permits: Arc<Semaphore>,
    proxies: Proxies,
    budget: Option<Arc<Budget>>,
    retry_budget: RetryBudget,
    connected: OnceCell<Connected>,
    /// Where buckets are, `None` for those that only the SDK's client reaches.
    sites: Mutex<HashMap<String, Option<Arc<Site>>>>,
    /// Buckets that turned out to live elsewhere, and how often that was told.
    regions: Mutex<HashMap<String, Learned>>,
    /// Buckets whose server refuses checksums that nobody asked for.
    no_checksums: Mutex<HashSet<String>>,
}

/// The SDK's client and what was found out while it was made.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) s3: aws_sdk_s3::Client,
    /// Where requests go, for messages.
    pub(crate) place: String,
    pub(crate) region: String,
    /// `None` for unsigned requests.
    pub(crate) credentials: Option<Arc<CredentialCache>>,
    addressing: Addressing,
}

impl Connected {
    /// Whether requests go to a server that was named.
    pub(crate) fn has_endpoint(&self) -> bool {
        self.addressing.endpoint.is_some()
    }
}

impl Client {
    /// Checks the options. Nothing is read or sent yet.
    ///
    /// # Errors
    /// `InvalidInput` for certificates that are none.
    pub fn new(options: ClientOptions) -> Result<Self, Error> {
        if let Some(logger) = &options.logger {
            logger.hide(secrets_of(&options).iter().map(String::as_str));
        }
        let mut roots = TrustStore::default().with_native_roots(true);
        let certificates = match (&options.ca_certificates, &options.ca_bundle) {
            (Some(pem), _) => check_certificates(pem).map(|()| Some(pem.clone()))?,
            (None, Some(bundle)) => Some(bundle.certificates()?),
            (None, None) => None,
        };
        if let Some(pem) = &certificates {
            roots = roots.with_pem_certificate(pem.as_bytes());
        }
        let tls = TlsContext::builder()
            .with_trust_store(roots)
            .build()
            .map_err(|error| Error::invalid(format!("caCertificates cannot be used: {error}")))?;
        let proxies = Proxies::from_variables(&options.surroundings.variables)?;
        let through = |proxy: Option<&Proxy>| proxy.map(Proxy::config).transpose();
        let ways = Ways {
            direct: http_client(&tls, None),
            http_proxy: through(proxies.http())?.map(|proxy| http_client(&tls, Some(proxy))),
            https_proxy: through(proxies.https())?.map(|proxy| http_client(&tls, Some(proxy))),
            proxies: proxies.clone(),
            stall: options.stall_timeout.unwrap_or(STALL_TIMEOUT),
        };
        let stall = ways.stall;
        let (http_proxy, https_proxy) = (through(proxies.http())?, through(proxies.https())?);
        let through = proxies.clone();
        // A connector reads the system's certificates, some hundred files.
        let web: Lazy<SharedHttpConnector> = LazyLock::new(Box::new(move || {
            let web = |proxy| SharedHttpConnector::new(connector(&tls, proxy, None, None));
            let http_proxy = http_proxy.map(|proxy| web(Some(proxy)));
            let https_proxy = https_proxy.map(|proxy| web(Some(proxy)));
            gated_connector(web(None), http_proxy, https_proxy, through, stall)
        }));
        let connections = options.connections.unwrap_or(CONNECTIONS).max(1);
        let pool = Pool::new(
            certificates,
            options.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            connections,
        );
        Ok(Self {
            http: gated(ways),
            web,
            pool,
            sdk_permits: Arc::new(Semaphore::new(connections)),
            proxies,
            budget: options.memory_budget.map(Budget::new),
            retry_budget: RetryBudget::new(),
            connected: OnceCell::new(),
            sites: Mutex::default(),
            regions: Mutex::default(),
            no_checksums: Mutex::default(),
            options,
        })
    }

    /// The SDK's client; made at the first call, which may read what the chain needs.
    pub(crate) async fn connected(&self) -> Result<&Connected, Error> {
        self.connected.get_or_try_init(|| Box::pin(self.connect())).await
    }

    async fn connect(&self) -> Result<Connected, Error> {
        let options = &self.options;
        let surroundings = &options.surroundings;
        let mut setup = self.setup();
        let found = setup.look(surroundings).await;
        let endpoint = options.endpoint.clone().or_else(|| endpoint_of(&found));
        let region = options
            .region
            .clone()
            .or_else(|| found.region().map(|region| region.as_ref().to_owned()))
            .unwrap_or_else(|| FALLBACK_REGION.to_owned());
        check_found(endpoint.as_deref(), &region)?;
        setup.region = Some(region.clone());
        let config = setup.load(surroundings).await;

        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout())
            .read_timeout(self.stall_timeout())
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(self.retries() + 1)
            .with_initial_backoff(Duration::from_millis(100));
        let path_style = options.path_style.unwrap_or(endpoint.is_some());
        let credentials = self.source(&options.credentials, &setup);
        let addressing = Addressing {
            endpoint: endpoint.clone(),
            path_style,
            use_fips: config.use_fips().unwrap_or(false),
            use_dual_stack: config.use_dual_stack().unwrap_or(false),
            accelerate: options.accelerate,
            requester_pays: options.requester_pays,
        };
        let mut builder = aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(path_style)
            .accelerate(options.accelerate)
            .timeout_config(timeouts)
            .retry_config(retries)
            // Without a name of its own, all clients of the process would share one budget.
            .retry_partition(RetryPartition::new(format!("dipper-{:p}", &raw const *self)))
            // What goes along with a body is decided where the body is made.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            // Credentials are kept and renewed by the cache that the data plane shares.
            .identity_cache(IdentityCache::no_cache())
            // Stalls are watched where the body is read, with the caller's own limit.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(endpoint) = &options.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        if options.checksums == Checksums::Off {
            let only = aws_sdk_s3::config::ResponseChecksumValidation::WhenRequired;
            builder = builder.response_checksum_validation(only);
        }
        if options.requester_pays {
            builder = builder.interceptor(RequesterPays);
        }
        builder = builder.interceptor(AskedRegion);
        if let Some(cache) = &credentials {
            builder = builder
                .credentials_provider(Cached(Arc::clone(cache)))
                .interceptor(ExpiredToken(Arc::clone(cache)))
                .retry_classifier(ExpiredToken(Arc::clone(cache)));
        }
        let place = endpoint.unwrap_or_else(|| format!("AWS region {region}"));
        let s3 = aws_sdk_s3::Client::from_conf(builder.build());
        Ok(Connected { s3, place, region, credentials, addressing })
    }

    pub(crate) fn setup(&self) -> ClientSetup {
        ClientSetup {
            http: self.http.clone(),
            profile: self.options.profile.clone(),
            region: self.options.region.clone(),
            fips: self.options.fips,
            dual_stack: self.options.dual_stack,
            connect_timeout: self.connect_timeout(),
            stall_timeout: self.stall_timeout(),
        }
    }

    /// What could be seen when the client was made.
    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.options.surroundings
    }

    /// Where credentials come from; `None` for unsigned requests.
    fn source(
        &self,
        option: &CredentialsOption,
        setup: &ClientSetup,
    ) -> Option<Arc<CredentialCache>> {
        let surroundings = &self.options.surroundings;
        let patience = self.stall_timeout();
        let (source, patience): (Arc<dyn CredentialSource>, _) = match option {
            CredentialsOption::Anonymous => return None,
            CredentialsOption::Explicit { access_key_id, secret_access_key, session_token } => {
                let token = session_token.clone();
                let given = Credentials::new(access_key_id, secret_access_key, token, None, GIVEN);
                (Arc::new(Given(given)), patience)
            }
            CredentialsOption::Program(function) => (Arc::new(FromProgram(*function)), patience),
            CredentialsOption::Chain => {
                let chain = Chain::new(setup.clone(), self.options.look, surroundings.clone());
                // Several services may be asked in turn.
                (Arc::new(chain), 2 * patience)
            }
            CredentialsOption::Role(role) => {
                let source = self.source(&role.source, setup)?;
                let surroundings = surroundings.clone();
                let role = (**role).clone();
                let setup = setup.clone();
                (Arc::new(AssumedRole { role, source, setup, surroundings }), 3 * patience)
            }
        };
        Some(Arc::new(CredentialCache::new(source, patience)))
    }

    /// Where a bucket is reached on the data plane; `None` when the SDK's client must do it.
    pub(crate) async fn site(&self, bucket: &str) -> Result<Option<Arc<Site>>, Error> {
        if self.options.transport == TransportOption::Sdk {
            return Ok(None);
        }
        if let Some(site) = self.lock_sites().get(bucket) {
            return Ok(site.clone());
        }
        let connected = self.connected().await?;
        let region = self.region_of(bucket).unwrap_or_else(|| connected.region.clone());
        let resolved = Site::resolve(&connected.addressing, bucket, &region, &self.pool);
        let site = Box::pin(resolved).await?;
        let site = site.filter(|site| !self.is_proxied(&site.url)).map(Arc::new);
        self.lock_sites().insert(bucket.to_owned(), site.clone());
        Ok(site)
    }

    pub(crate) fn is_proxied(&self, url: &dipper_wire::Url) -> bool {
        self.proxies.of(url.tls, &url.host, url.port).is_some()
    }

    fn lock_sites(&self) -> std::sync::MutexGuard<'_, HashMap<String, Option<Arc<Site>>>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The region that a bucket turned out to live in.
    pub(crate) fn region_of(&self, bucket: &str) -> Option<String> {
        let regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        regions.get(bucket).map(|learned| learned.region.clone())
    }

    /// A server told where a bucket lives. Whether that is news: then the request is worth
    /// another try.
    pub(crate) fn learn_region(&self, bucket: &str, region: &str, asked: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if region == asked || region.is_empty() || region.len() > 63 || !region.bytes().all(plain) {
            return false;
        }
        {
            let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
            let Learned { region: known, told, late } =
                regions.entry(bucket.to_owned()).or_default();
            if known.as_str() == region && !is_arn(bucket) {
                // It was on its way when another request learned this. The next one asks there.
                *late += 1;
                let follows = *late <= MOST_LATE;
                drop(regions);
                self.lock_sites().remove(bucket);
                return follows;
            }
            // A server that sends the client to and fro is not followed for ever.
            if *told >= MOST_MOVES {
                return false;
            }
            *told += 1;
            region.clone_into(known);
        }
        info!(target: "dipper::region", bucket, region, asked, "the bucket is in another region");
        self.lock_sites().remove(bucket);
        true
    }

    /// Whether the bucket's server refused a checksum that nobody asked for.
    pub(crate) fn takes_no_checksums(&self, bucket: &str) -> bool {
        self.no_checksums.lock().unwrap_or_else(PoisonError::into_inner).contains(bucket)
    }

    /// Sends no more checksums unasked. Whether that is news.
    pub(crate) fn learn_no_checksums(&self, bucket: &str) -> bool {
        let mut buckets = self.no_checksums.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.insert(bucket.to_owned())
    }

    /// What a request about a bucket changes in the SDK's configuration.
    pub(crate) fn override_for(&self, bucket: &str) -> Option<aws_sdk_s3::config::Builder> {
        let moved = self.region_of(bucket);
        let named_by_arn = is_arn(bucket);
        if moved.is_none() && !named_by_arn {
            return None;
        }
        // An override without a region would unset the client's.
        let own = || self.connected.get().map(|connected| connected.region.clone());
        let region = moved.or_else(own).map(Region::new);
        let mut changed = aws_sdk_s3::config::Builder::new();
        changed.set_region(region);
        // Access points are always in the host name.
        if named_by_arn {
            changed.set_force_path_style(Some(false));
        }
        Some(changed)
    }

    /// For requests of the SDK's that are sent once: who tries again has to know that an answer
    /// was lost.
    pub(crate) fn once(&self, connected: &Connected, bucket: &str) -> aws_sdk_s3::config::Builder {
        let own = || {
            let region = Region::new(connected.region.clone());
            aws_sdk_s3::config::Builder::new().region(region)
        };
        self.override_for(bucket).unwrap_or_else(own).retry_config(RetryConfig::disabled())
    }

    pub(crate) async fn sdk_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.sdk_permits).acquire_owned().await.ok()
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn web(&self) -> &SharedHttpConnector {
        &self.web
    }

    pub(crate) fn retry_budget(&self) -> &RetryBudget {
        &self.retry_budget
    }

    pub(crate) fn requester_pays(&self) -> bool {
        self.options.requester_pays
    }

    pub(crate) fn part_size(&self) -> Option<u64> {
        self.options.part_size
    }

    pub(crate) fn checksums(&self) -> Checksums {
        self.options.checksums
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        self.options.connect_timeout.unwrap_or(CONNECT_TIMEOUT)
    }

    pub(crate) fn stall_timeout(&self) -> Duration {
        self.options.stall_timeout.unwrap_or(STALL_TIMEOUT)
    }

    pub(crate) fn retries(&self) -> u32 {
        // The SDK sums over all attempts before the first: it must not be billions.
        self.options.retries.unwrap_or(RETRIES).min(MOST_RETRIES)
    }

    /// A server's own words without this client's credentials, should it say them back.
    pub(crate) fn without_secrets(&self, text: &str) -> String {
        let mut secrets = secrets_of(&self.options);
        let connected = self.connected.get();
        let cache = connected.and_then(|connected| connected.credentials.as_ref());
        secrets.extend(cache.map(|cache| cache.secrets()).unwrap_or_default());
        let long_enough = secrets.into_iter().filter(|secret| secret.len() >= 4);
        let text = crate::log::without_signatures(text.to_owned());
        long_enough.fold(text, |text, secret| text.replace(&secret, "…"))
    }

    /// Who is told what happens.
    #[must_use]
    pub fn logger(&self) -> Option<Arc<Logger>> {
        self.options.logger.clone()
    }

    /// Refuses what can never fit the budgets.
    pub(crate) fn admit(&self, bytes: u64) -> Result<(), Error> {
        if let Some(own) = &self.budget {
            own.admit(bytes)?;
        }
        ledger().budget().admit(bytes)
    }

    /// Takes `bytes` more without waiting.
    pub(crate) fn take(&self, bytes: u64) -> Result<Vec<Ticket>, Error> {
        let mut tickets = Vec::new();
        if let Some(own) = &self.budget {
            tickets.push(own.take(bytes)?);
        }
        tickets.push(ledger().budget().take(bytes)?);
        Ok(tickets)
    }

    /// Takes `bytes` more without waiting, and before nobody who waits.
    pub(crate) fn take_in_turn(&self, bytes: u64) -> Option<Vec<Ticket>> {
        let own = self.budget.as_ref().map(|own| own.take_in_turn(bytes));
        let own = match own {
            Some(None) => return None,
            own => own.flatten(),
        };
        Some(own.into_iter().chain([ledger().budget().take_in_turn(bytes)?]).collect())
    }

    /// How much can ever be held at once.
    #[must_use]
    pub fn limit(&self) -> u64 {
        let whole = ledger().budget().limit();
        self.budget.as_ref().map_or(whole, |own| own.limit().min(whole))
    }

    /// Whether somebody waits for memory that this client may hold.
    pub(crate) fn is_short_of_memory(&self) -> bool {
        self.budget.as_ref().is_some_and(|own| own.is_short()) || ledger().budget().is_short()
    }

    /// Waits until that is so.
    pub(crate) async fn short_of_memory(&self) {
        let Some(own) = &self.budget else { return ledger().budget().short().await };
        tokio::select! {
            () = own.short() => {}
            () = ledger().budget().short() => {}
        }
    }

    /// Waits until `bytes` more may be held, by this client and by the process.
    pub(crate) async fn reserve(&self, bytes: u64) -> Result<Vec<Ticket>, Error> {
        let mut tickets = Vec::new();
        if let Some(own) = &self.budget {
            tickets.push(own.reserve(bytes).await?);
        }
        tickets.push(ledger().budget().reserve(bytes).await?);
        Ok(tickets)
    }
}

/// What of a client's options must not be shown.
fn secrets_of(options: &ClientOptions) -> Vec<String> {
    let mut secrets = options.surroundings.secrets();
    secrets_in(&options.credentials, &mut secrets);
    secrets
}

fn secrets_in(credentials: &CredentialsOption, secrets: &mut Vec<String>) {
    match credentials {
        CredentialsOption::Explicit { access_key_id, secret_access_key, session_token } => {
            secrets.extend([access_key_id.clone(), secret_access_key.clone()]);
            secrets.extend(session_token.clone());
        }
        CredentialsOption::Role(role) => {
            secrets.extend(role.external_id.clone());
            secrets_in(&role.source, secrets);
        }
        CredentialsOption::Chain | CredentialsOption::Anonymous | CredentialsOption::Program(_) => {
        }
    }
}

/// Whether a bucket is the ARN of an access point.
pub(crate) fn is_arn(bucket: &str) -> bool {
    bucket.starts_with("arn:")
}

/// The endpoint that the chain found: that of S3 itself before that of all services.
fn endpoint_of(found: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let own = found.service_config().and_then(|config| config.load_config(key));
    own.or_else(|| found.endpoint_url().map(str::to_owned))
}

/// The error for an endpoint that the chain found. It is not shown: it may hold a password.
pub(crate) fn bad_endpoint() -> Error {
    Error::invalid(
        "the endpoint_url of the profile or the environment is no plain http or https address",
    )
    .hint("write it as http://127.0.0.1:9000, without user, password, query or fragment")
}

/// Checks what the chain found, as the options are checked before they come here. What is
/// refused is not shown: it may hold a password.
fn check_found(endpoint: Option<&str>, region: &str) -> Result<(), Error> {
    let sound = |endpoint: &str| {
        let rest = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
        rest.is_some_and(|rest| {
            !rest.is_empty()
                && !rest.starts_with(['/', ':'])
                && !rest.contains(['@', '?', '#', '\\'])
                && rest.bytes().all(|byte| byte.is_ascii_graphic())
        })
    };
    if endpoint.is_some_and(|endpoint| !sound(endpoint)) {
        return Err(bad_endpoint());
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if region.is_empty() || region.len() > 63 || !region.bytes().all(plain) {
        return Err(Error::invalid(
            "the region of the profile or the environment is not a region's name",
        )
        .hint("write it as eu-central-1"));
    }
    Ok(())
}

fn connector(
    tls: &TlsContext,
    proxy: Option<ProxyConfig>,
    settings: Option<&HttpConnectorSettings>,
    sleep: Option<SharedAsyncSleep>,
) -> Connector {
    let mut builder = Connector::builder();
    builder.set_proxy_config(proxy);
    builder.set_connector_settings(settings.cloned());
    builder.set_sleep_impl(sleep);
    builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls.clone()).build()
}

fn http_client(tls: &TlsContext, proxy: Option<ProxyConfig>) -> SharedHttpClient {
    let tls = tls.clone();
    Builder::new().build_with_connector_fn(move |settings, components| {
        let sleep = components.and_then(|components| components.sleep_impl());
        connector(&tls, proxy.clone(), settings, sleep)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_never_print_a_secret() {
        let options = ClientOptions {
            credentials: CredentialsOption::Explicit {
                access_key_id: "canary-id".into(),
                secret_access_key: "canary-secret".into(),
                session_token: Some("canary-token".into()),
            },
            ..ClientOptions::default()
        };
        let client = Client::new(options).unwrap();
        assert!(!format!("{client:?}").contains("canary"));
    }

    #[test]
    fn a_bucket_that_moves_all_the_time_is_not_followed() {
        let client = Client::new(ClientOptions::default()).unwrap();
        assert!(!client.learn_region("b", "r1", "r1"));
        assert!(!client.learn_region("b", "no region", "r1"));
        for number in 0..3 {
            assert!(client.learn_region("b", &format!("r{}", number + 2), "r1"));
        }
        assert_eq!(client.region_of("b").as_deref(), Some("r4"));
        assert!(!client.learn_region("b", "r9", "r4"));
        assert!(client.learn_region("other", "r2", "r1"));
    }

    #[test]
    fn requests_that_were_under_way_together_all_learn_where_the_bucket_is() {
        let client = Client::new(ClientOptions::default()).unwrap();
        for _ in 0..100 {
            assert!(client.learn_region("b", "r2", "r1"));
        }
        assert!(!client.learn_region("b", "r2", "r2"), "it asked there");
        // What an ARN names does not change.
        let arn = "arn:aws:s3:r1:123456789012:accesspoint/point";
        assert!((0..100).filter(|_| client.learn_region(arn, "r2", "r1")).count() <= 3);
    }

    #[test]
    fn what_the_chain_finds_is_checked_and_not_shown() {
        for endpoint in ["http://user:canary@h", "ftp://h", "http://", "http://h?canary", "h:1"] {
            let error = check_found(Some(endpoint), "us-east-1").unwrap_err();
            assert!(!error.message.contains("canary"), "{endpoint}");
        }
        assert!(check_found(Some("https://h:9000/path"), "us-east-1").is_ok());
        assert!(check_found(None, "us east").is_err());
    }

    #[test]
    fn certificates_that_are_none_are_refused() {
        for text in [
            "hello",
            "-----BEGIN CERTIFICATE-----\nx\n",
            "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
        ] {
            let options =
                ClientOptions { ca_certificates: Some(text.into()), ..ClientOptions::default() };
            assert_eq!(Client::new(options).unwrap_err().status, crate::Status::InvalidInput);
        }
    }
}
