//! Why a bucket or an object can be reached, or not: who gave the credentials, who the caller is,
//! where the bucket lives, whether the clocks agree, and what the server answers to one LIST, one
//! HEAD and one GET of a byte.
//!
//! What goes wrong on the way is what is being looked for. So nothing here fails: each finding holds
//! its own error.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, ConfigBag, IdentityCache, Intercept, Region, RuntimeComponents,
    SharedCredentialsProvider,
};
use aws_sdk_s3::error::BoxError;
use aws_types::service_config::ServiceConfigKey;

use crate::client::Connected;
use crate::credential_cache::Cached;
use crate::gate::HostRefused;
use crate::sdk_error::{About, find, not_allowed, reason};
use crate::{Client, Error, Status, answered};

/// What was found out.
#[derive(Debug, Default)]
pub struct Diagnosis {
    /// Where requests go.
    pub place: String,
    /// The client's region.
    pub region: String,
    /// The region that the bucket lives in, where the server tells it.
    pub bucket_region: Option<String>,
    /// What keeps the client from being made.
    pub configuration: Option<Error>,
    /// Who gave the credentials, or would have; `None` for unsigned requests.
    pub provider: Option<String>,
    /// When they end, in milliseconds since 1970.
    pub expiration: Option<i64>,
    /// Why there are none.
    pub credentials: Option<Error>,
    /// Who the caller is.
    pub caller: Option<Caller>,
    /// Why that is not known although AWS was asked.
    pub caller_unknown: Option<Error>,
    /// By how many milliseconds this machine's clock is ahead of the server's.
    pub skew: Option<i64>,
    /// What came of the requests.
    pub verdicts: Vec<Verdict>,
    /// What to do first, if anything.
    pub remedy: Option<String>,
}

/// Who AWS says the caller is.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account's number.
    pub account: String,
    /// The user or the session of a role.
    pub arn: String,
    /// The unique id.
    pub user_id: String,
}

/// What came of one request.
#[derive(Debug)]
pub struct Verdict {
    /// `LIST`, `HEAD` or `GET`.
    pub request: &'static str,
    /// What it was about.
    pub uri: String,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub milliseconds: f64,
}

/// How a request went.
#[derive(Debug)]
pub enum Outcome {
    /// Well, with a remark.
    Allowed(Option<String>),
    /// Not.
    Failed(Error),
    /// It was not sent, and why.
    Skipped(String),
}

/// No request may take longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What S3 tolerates.
const MOST_SKEW: i64 = 15 * 60 * 1000;

/// Looks into a bucket, or into one object.
pub async fn diagnose(client: &Client, bucket: &str, key: &str) -> Diagnosis {
    let mut found = Diagnosis::default();
    let connected = match client.connected().await {
        Ok(connected) => connected,
        Err(error) => {
            found.remedy = error.hint.clone();
            found.configuration = Some(error);
            return found;
        }
    };
    found.place.clone_from(&connected.place);
    found.region.clone_from(&connected.region);
    if let Some(cache) = &connected.credentials {
        match cache.credentials().await {
            Ok(credentials) => {
                found.provider = Some(cache.source().described());
                found.expiration = credentials.expiry().and_then(since_1970);
            }
            Err(error) => {
                found.provider = Some(cache.source().described());
                found.credentials = Some(error);
            }
        }
    }
    let probe = Probe { client, connected, bucket, seen: Seen::default() };
    if found.credentials.is_none() {
        let (caller, (list, head, get)) =
            tokio::join!(who_is(client, connected), probe.requests(key));
        match caller {
            Some(Ok(caller)) => found.caller = Some(caller),
            Some(Err(error)) => found.caller_unknown = Some(error),
            None => {}
        }
        found.verdicts = vec![list, head, get];
    } else {
        let uri = probe.uri(key);
        let skipped = |request| Verdict {
            request,
            uri: uri.clone(),
            outcome: Outcome::Skipped("there are no credentials".to_owned()),
            milliseconds: 0.0,
        };
        found.verdicts = ["LIST", "HEAD", "GET"].map(skipped).into();
    }
    let seen = probe.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    found.skew = seen.skew;
    found.bucket_region = seen.region.clone().or_else(|| client.region_of(bucket));
    drop(seen);
    found.remedy = remedy(&found);
    found
}

/// What to do first.
fn remedy(found: &Diagnosis) -> Option<String> {
    if let Some(error) = &found.credentials {
        return Some(error.hint.clone().unwrap_or_else(|| error.message.clone()));
    }
    if found.skew.is_some_and(|skew| skew.abs() > MOST_SKEW) {
        return Some(
            "set this machine's clock: S3 refuses requests that are 15 minutes off".into(),
        );
    }
    let failed = found.verdicts.iter().find_map(|verdict| match &verdict.outcome {
        Outcome::Failed(error) => Some((verdict, error)),
        _ => None,
    });
    let (_, error) = failed?;
    Some(error.hint.clone().unwrap_or_else(|| error.message.clone()))
}

struct Probe<'a> {
    client: &'a Client,
    connected: &'a Connected,
    bucket: &'a str,
    seen: Seen,
}

impl Probe<'_> {
    fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    fn about<'a>(&'a self, key: Option<&'a str>) -> About<'a> {
        About { client: self.client, connected: self.connected, bucket: Some(self.bucket), key }
    }

    /// One attempt, in time, whose head is looked at.
    fn changed(&self) -> Builder {
        let region = Region::new(self.connected.region.clone());
        let base = self.client.override_for(self.bucket);
        base.unwrap_or_else(|| Builder::new().region(region))
            .retry_config(RetryConfig::standard().with_max_attempts(1))
            .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build())
            .interceptor(self.seen.clone())
    }

    async fn requests(&self, key: &str) -> (Verdict, Verdict, Verdict) {
        if key.is_empty() || key.ends_with('/') {
            let (list, first) = self.list(key).await;
            let head = self.head_bucket();
            let Some(first) = first else {
                let skipped = Verdict {
                    request: "GET",
                    uri: self.uri(key),
                    outcome: Outcome::Skipped("no object is known to try it on".to_owned()),
                    milliseconds: 0.0,
                };
                return (list, head.await, skipped);
            };
            let (head, get) = tokio::join!(head, self.get(&first));
            return (list, head, get);
        }
        let ((list, _), head, get) = tokio::join!(self.list(key), self.head(key), self.get(key));
        (list, head, get)
    }

    /// Tells the first key with bytes, too.
    async fn list(&self, prefix: &str) -> (Verdict, Option<String>) {
        let begun = Instant::now();
        let s3 = &self.connected.s3;
        let about = self.about(None);
        let page = s3.list_objects_v2().bucket(self.bucket).prefix(prefix).max_keys(10);
        let answer = answered!(about, page.clone().customize().config_override(self.changed()))
            .map_err(|error| about.error(error));
        let mut first = None;
        let outcome = match answer {
            Ok(page) => {
                let objects = page.contents.unwrap_or_default();
                let filled = objects.iter().find(|object| object.size.unwrap_or_default() > 0);
                first = filled.and_then(|object| object.key.clone());
                Outcome::Allowed(objects.is_empty().then(|| "no key begins so".to_owned()))
            }
            Err(error) => Outcome::Failed(error),
        };
        (verdict("LIST", self.uri(prefix), outcome, begun), first)
    }

    async fn head_bucket(&self) -> Verdict {
        let begun = Instant::now();
        let about = self.about(None);
        let head = self.connected.s3.head_bucket().bucket(self.bucket);
        let answer = answered!(about, head.clone().customize().config_override(self.changed()))
            .map_err(|error| about.error(error));
        let outcome = match answer {
            Ok(_) => Outcome::Allowed(None),
            Err(error) => Outcome::Failed(error),
        };
        verdict("HEAD", self.uri(""), outcome, begun)
    }

    async fn head(&self, key: &str) -> Verdict {
        let begun = Instant::now();
        let about = self.about(Some(key));
        let head = self.connected.s3.head_object().bucket(self.bucket).key(key);
        let answer = answered!(about, head.clone().customize().config_override(self.changed()))
            .map_err(|error| about.error(error));
        let outcome = match answer {
            Ok(head) => {
                let class = head.storage_class().map(|class| class.as_str().to_owned());
                let archived = class.as_deref().is_some_and(is_archived) && head.restore.is_none();
                let key = head.ssekms_key_id();
                let remarks = [
                    archived.then(|| "archived: restore it before reading".to_owned()),
                    key.map(|key| format!("encrypted with the KMS key {key}")),
                    class.filter(|_| !archived).map(|class| format!("storage class {class}")),
                ];
                let remarks: Vec<_> = remarks.into_iter().flatten().collect();
                Outcome::Allowed((!remarks.is_empty()).then(|| remarks.join("; ")))
            }
            Err(error) => Outcome::Failed(error),
        };
        verdict("HEAD", self.uri(key), outcome, begun)
    }

    async fn get(&self, key: &str) -> Verdict {
        let begun = Instant::now();
        let about = self.about(Some(key));
        let get = self.connected.s3.get_object().bucket(self.bucket).key(key).range("bytes=0-0");
        let answer = answered!(about, get.clone().customize().config_override(self.changed()))
            .map_err(|error| about.error(error));
        let outcome = match answer {
            Ok(_) => Outcome::Allowed(None),
            // There is no first byte to ask for.
            Err(error) if error.status == Status::InvalidRange => {
                Outcome::Allowed(Some("the object is empty".to_owned()))
            }
            Err(error) => Outcome::Failed(error),
        };
        verdict("GET", self.uri(key), outcome, begun)
    }
}

fn verdict(request: &'static str, uri: String, outcome: Outcome, begun: Instant) -> Verdict {
    Verdict { request, uri, outcome, milliseconds: begun.elapsed().as_secs_f64() * 1000.0 }
}

fn is_archived(class: &str) -> bool {
    matches!(class, "GLACIER" | "DEEP_ARCHIVE")
}

/// Asks AWS who the caller is. `None` where nobody can tell: unsigned requests, other servers.
async fn who_is(client: &Client, connected: &Connected) -> Option<Result<Caller, Error>> {
    let cache = connected.credentials.as_ref()?;
    let mut setup = client.setup();
    setup.region = Some(connected.region.clone());
    let config = setup.load(client.surroundings()).await;
    let endpoint_of = |service: &str| {
        let key = ServiceConfigKey::builder()
            .service_id(service)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        config.service_config()?.load_config(key)
    };
    // A server that is not AWS has no token service, unless somebody says where it is.
    let own = endpoint_of("STS") != endpoint_of("no service");
    if !own && (connected.has_endpoint() || config.endpoint_url().is_some()) {
        return None;
    }
    let config = config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(Cached(Arc::clone(cache))))
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::standard().with_max_attempts(2))
        .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build())
        .build();
    let answer = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
    Some(match answer {
        Ok(caller) => Ok(Caller {
            account: caller.account.unwrap_or_default(),
            arn: caller.arn.unwrap_or_default(),
            user_id: caller.user_id.unwrap_or_default(),
        }),
        Err(error) => Err(match find::<HostRefused>(&error) {
            Some(refused) => not_allowed(&refused.host),
            None => {
                let why = client.without_secrets(&reason(&error));
                Error::new(
                    Status::CredentialsFailed,
                    format!("AWS does not say who you are: {why}"),
                )
            }
        }),
    })
}

fn since_1970(time: SystemTime) -> Option<i64> {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_millis()).ok())
}

/// What the heads of the answers tell, success or not.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<InHeads>>);

#[derive(Debug, Default)]
struct InHeads {
    skew: Option<i64>,
    region: Option<String>,
}

impl Intercept for Seen {
    fn name(&self) -> &'static str {
        "Diagnosis"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(region) = headers.get("x-amz-bucket-region") {
            seen.region = Some(region.to_owned());
        }
        let theirs = headers.get("date").and_then(|date| httpdate::parse_http_date(date).ok());
        if let (Some(theirs), Some(ours)) =
            (theirs.and_then(since_1970), since_1970(SystemTime::now()))
        {
            // The header has whole seconds.
            let skew = ours - theirs;
            seen.skew = Some(if (0..2000).contains(&skew) { 0 } else { skew });
        }
        Ok(())
    }
}
