//! What happens, told to whoever asked for it: `tracing` events, dipper's own and those of the
//! libraries below, on their way to the logger of the client whose operation they happen in.
//!
//! `tracing` knows one subscriber for the whole process, and there may be many clients, some in
//! other isolates. So the subscriber asks the task that an event happens on: the gate of its
//! operation (see `gate.rs`) carries the client's logger. An event outside any operation, or in
//! one of a client without a logger, is told to nobody.
//!
//! While no client has a logger, `tracing`'s global level is "off": an event then costs one load
//! and a branch, and its values are not computed.
//!
//! A record holds no secret. dipper's own events name addresses without their query. Of the
//! libraries below, a text that looks as if it might hold a credential is left out whole, because
//! nobody can list all the ways they spell one; what is known to be a secret of the client is cut
//! out of every text.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Instant, SystemTime};

use aws_credential_types::Credentials;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, debug, span};

use crate::Error;
use crate::gate::Gate;

/// How much is told: each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What was mended, such as a request that is sent again.
    Warn,
    /// What happens seldom.
    Info,
    /// Every request.
    Debug,
    /// What the libraries below tell of their inner life, too.
    Trace,
}

impl LogLevel {
    const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The level's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    fn of(level: Level) -> Self {
        match level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warn,
            Level::INFO => Self::Info,
            Level::DEBUG => Self::Debug,
            Level::TRACE => Self::Trace,
        }
    }

    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct LogRecord {
    /// When.
    pub time: SystemTime,
    /// How much it matters.
    pub level: LogLevel,
    /// Which part of the program tells it.
    pub target: String,
    /// What happened.
    pub message: String,
    /// The operation in which it happened, as users name it.
    pub operation: &'static str,
    /// To what, how long it took, and so on, by name.
    pub fields: Vec<(String, LogValue)>,
}

/// A value of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum LogValue {
    /// A text, without secrets, cut to a bounded length.
    Text(String),
    /// A number.
    Number(f64),
    /// A yes or no.
    Flag(bool),
}

/// Where records go. Never waits, and tells nothing by itself.
pub trait LogSink: Send + Sync {
    /// Takes a record.
    fn take(&self, record: LogRecord);
}

/// The logger of one client.
pub struct Logger {
    level: LogLevel,
    sink: Box<dyn LogSink>,
    /// What is cut out of every text.
    secrets: Mutex<Vec<String>>,
}

impl fmt::Debug for Logger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Logger({})", self.level.name())
    }
}

/// How many loggers want each level.
static WANTED: [AtomicUsize; 5] = [const { AtomicUsize::new(0) }; 5];
/// Held while the process's level changes.
static CHANGING: Mutex<()> = Mutex::new(());

impl Logger {
    /// A logger of what is at most as detailed as `level`.
    pub fn new(level: LogLevel, sink: Box<dyn LogSink>) -> Arc<Self> {
        static SUBSCRIBED: Once = Once::new();
        SUBSCRIBED.call_once(|| {
            // It fails where the embedding program subscribed before: then that one decides.
            drop(tracing::subscriber::set_global_default(Router));
        });
        change(|| {
            WANTED.get(level as usize).map(|wanted| wanted.fetch_add(1, Ordering::SeqCst));
        });
        Arc::new(Self { level, sink, secrets: Mutex::default() })
    }

    /// Cuts these out of whatever is told from here on.
    pub(crate) fn hide<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) {
        let mut known = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets {
            // A shorter one would take whole words out of every text.
            if secret.len() >= 4 && !known.iter().any(|other| other == secret) {
                known.push(secret.to_owned());
                if known.len() > MOST_SECRETS {
                    known.remove(0);
                }
            }
        }
    }

    fn without_secrets(&self, text: String) -> String {
        let known = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().fold(without_signatures(text), |text, secret| {
            if text.contains(secret.as_str()) {
                text.replace(secret.as_str(), HIDDEN)
            } else {
                text
            }
        })
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        change(|| {
            WANTED.get(self.level as usize).map(|wanted| wanted.fetch_sub(1, Ordering::SeqCst));
        });
    }
}

/// Changes who wants what, and lets `tracing` ask again for the most detailed level.
fn change(change: impl FnOnce()) {
    let _changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
    change();
    tracing::callsite::rebuild_interest_cache();
}

fn most_detailed() -> LevelFilter {
    let wanted = |level: &&LogLevel| {
        WANTED.get(**level as usize).is_some_and(|wanted| wanted.load(Ordering::SeqCst) > 0)
    };
    LogLevel::ALL.iter().rev().find(wanted).map_or(LevelFilter::OFF, |level| level.filter())
}

/// Credentials that are renewed every few minutes leave some old ones behind.
const MOST_SECRETS: usize = 64;
const LONGEST_TEXT: usize = 1024;
const MOST_FIELDS: usize = 32;
const HIDDEN: &str = "…";

/// The logger of an operation.
#[derive(Clone, Debug)]
pub(crate) struct OperationLog {
    pub(crate) logger: Arc<Logger>,
    pub(crate) operation: &'static str,
}

impl OperationLog {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let level = LogLevel::of(*metadata.level());
        // What the libraries below call debugging would drown what dipper tells.
        let level = match level {
            LogLevel::Debug if !is_own(metadata) => LogLevel::Trace,
            level => level,
        };
        level <= self.logger.level
    }
}

fn is_own(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("dipper")
}

/// Hides what was just loaded from what the operation tells.
pub(crate) fn hide(credentials: &Credentials) {
    if let Some(log) = Gate::log() {
        let token = credentials.session_token();
        log.logger.hide([credentials.access_key_id(), credentials.secret_access_key()]);
        log.logger.hide(token);
    }
}

/// Tells the start and the end of an operation.
///
/// # Errors
/// Those of the operation.
pub async fn told<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    if LevelFilter::current() == LevelFilter::OFF {
        return work.await;
    }
    let mut end = End { started: Instant::now(), told: false };
    debug!(target: "dipper::operation", "started");
    let ended = work.await;
    end.told = true;
    let ms = end.started.elapsed().as_secs_f64() * 1000.0;
    match &ended {
        Ok(_) => debug!(target: "dipper::operation", ms, "done"),
        Err(error) => debug!(
            target: "dipper::operation",
            ms,
            code = error.status.code(),
            status = error.http_status,
            request_id = error.request_id.as_deref(),
            uri = error.uri.as_deref(),
            error = %error,
            "failed"
        ),
    }
    ended
}

/// Tells that an operation was dropped before its end.
struct End {
    started: Instant,
    told: bool,
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.told {
            let ms = self.started.elapsed().as_secs_f64() * 1000.0;
            let panicked = std::thread::panicking();
            debug!(target: "dipper::operation", ms, panicked, "cancelled");
        }
    }
}

/// The one subscriber of the process.
struct Router;

impl Subscriber for Router {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // It depends on the operation, which is not known here.
        if metadata.is_span() { Interest::never() } else { Interest::sometimes() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span() && Gate::with_log(|log| log.wants(metadata)).unwrap_or(false)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(most_detailed())
    }

    fn event(&self, event: &Event<'_>) {
        let Some(log) = Gate::log() else { return };
        let metadata = event.metadata();
        let mut reading = Reading {
            logger: &log.logger,
            own: is_own(metadata),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut reading);
        let Reading { message, fields, .. } = reading;
        log.logger.sink.take(LogRecord {
            time: SystemTime::now(),
            level: LogLevel::of(*metadata.level()),
            target: metadata.target().to_owned(),
            message,
            operation: log.operation,
            fields,
        });
    }

    // Spans are not followed: the operation is known without them.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Reads the values of an event.
struct Reading<'a> {
    logger: &'a Logger,
    own: bool,
    message: String,
    fields: Vec<(String, LogValue)>,
}

impl Reading<'_> {
    fn put(&mut self, field: &Field, value: LogValue) {
        if self.fields.len() < MOST_FIELDS {
            self.fields.push((camel(field.name()), value));
        }
    }

    fn text(&mut self, field: &Field, text: String) {
        let text = if !self.own && (may_hold_secret(field.name()) || may_hold_secret(&text)) {
            HIDDEN.to_owned()
        } else {
            cut(self.logger.without_secrets(text))
        };
        if field.name() == "message" {
            self.message = text;
        } else {
            self.put(field, LogValue::Text(text));
        }
    }
}

impl Visit for Reading<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field, value.to_string());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, LogValue::Number(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, LogValue::Number(value as f64));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, LogValue::Number(value as f64));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, LogValue::Flag(value));
    }
}

/// Words beside which a credential may stand, and fields that hold whole requests.
const MARKS: &[&str] = &[
    "authorization",
    "credential",
    "secret",
    "token",
    "passw",
    "signature",
    "cookie",
    "access_key",
    "accesskey",
    "access key",
    "customer-key",
    "customer_key",
    "bearer",
    "assertion",
    "private",
    "x-amz-",
    "sso_",
    "request {",
    "response {",
];
const WHOLE_MESSAGES: &[&str] =
    &["request", "response", "params", "command", "query", "body", "headers", "canonical_request"];

/// Whether a text of a library below may hold a credential.
fn may_hold_secret(text: &str) -> bool {
    if WHOLE_MESSAGES.contains(&text) {
        return true;
    }
    let text = text.to_ascii_lowercase();
    // user:password@ of an address.
    let user = text.split("://").skip(1).any(|rest| {
        rest.split(['/', '?', '#', ' ', '"']).next().is_some_and(|place| place.contains('@'))
    });
    user || MARKS.iter().any(|mark| text.contains(mark))
}

/// A text without the signatures of requests, should a server say back what it was sent.
pub(crate) fn without_signatures(mut text: String) -> String {
    for mark in ["AWS4-HMAC-SHA256", "X-Amz-Signature=", "Signature="] {
        let mut from = 0;
        while let Some(found) = text.get(from..).and_then(|rest| rest.find(mark)) {
            let start = from + found + mark.len();
            // A header's value has spaces, and ends with the line or the quotation.
            let ends: &[char] = if mark.ends_with('=') {
                &['&', ' ', '"', '\'', '<', '\n', ',', ';']
            } else {
                &['"', '<', '\n']
            };
            let rest = text.get(start..).unwrap_or_default();
            let length = rest.find(ends).unwrap_or(rest.len());
            text.replace_range(start..start + length, HIDDEN);
            from = start + HIDDEN.len();
        }
    }
    text
}

fn cut(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        let end = (0..=LONGEST_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str(HIDDEN);
    }
    text
}

/// `request_id` as JavaScript writes it.
fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut words = name.split(['_', '.']);
    camel.push_str(words.next().unwrap_or_default());
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// An address as it may be told: without its query, except for what says which request it is.
pub(crate) fn shown_path(target: &str) -> String {
    const NAMES: &[&str] = &[
        "acl",
        "delete",
        "list-type",
        "location",
        "object-lock",
        "partNumber",
        "restore",
        "session",
        "tagging",
        "uploads",
        "versioning",
        "versions",
    ];
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut shown = path.to_owned();
    for part in query.split('&') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if !NAMES.contains(&name) {
            continue;
        }
        shown.push(if shown.len() == path.len() { '?' } else { '&' });
        shown.push_str(name);
        if !value.is_empty() && value.len() <= 5 && value.bytes().all(|byte| byte.is_ascii_digit())
        {
            shown.push('=');
            shown.push_str(value);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Answer, Gatekeeper, Need};
    use tracing::{error, info, trace, warn};

    /// The process has one level: who makes a logger is alone.
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    struct Nobody;
    impl Gatekeeper for Nobody {
        fn ask(&self, _: Need) -> Answer {
            Box::pin(async { false })
        }
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<LogRecord>>>);
    impl LogSink for Kept {
        fn take(&self, record: LogRecord) {
            self.0.lock().unwrap().push(record);
        }
    }
    impl Kept {
        fn messages(&self) -> Vec<String> {
            self.0.lock().unwrap().iter().map(|record| record.message.clone()).collect()
        }
    }

    fn gate(logger: Option<&Arc<Logger>>) -> Gate {
        Gate::new(Arc::new(Nobody), []).logging(logger.cloned(), "test")
    }

    #[tokio::test]
    async fn events_go_to_the_logger_of_their_operation() {
        let _alone = ALONE.lock().await;
        let (one, other) = (Kept::default(), Kept::default());
        let first = Logger::new(LogLevel::Info, Box::new(one.clone()));
        let second = Logger::new(LogLevel::Trace, Box::new(other.clone()));
        let events = |name: &'static str| async move {
            trace!(target: "dipper::test", "{name} trace");
            debug!(target: "dipper::test", "{name} debug");
            tokio::task::yield_now().await;
            info!(target: "dipper::test", "{name} info");
            warn!(target: "elsewhere", "{name} warn");
            debug!(target: "elsewhere", "{name} foreign debug");
            error!(target: "dipper::test", "{name} error");
        };
        let (a, b, c) = (
            gate(Some(&first)).around(events("first")),
            gate(Some(&second)).around(events("second")),
            gate(None).around(events("none")),
        );
        tokio::join!(a, b, c);
        events("outside").await;
        assert_eq!(one.messages(), ["first info", "first warn", "first error"]);
        let all = ["trace", "debug", "info", "warn", "foreign debug", "error"];
        assert_eq!(other.messages(), all.map(|level| format!("second {level}")));
        let record = one.0.lock().unwrap().remove(0);
        assert_eq!((record.operation, record.level), ("test", LogLevel::Info));
    }

    #[tokio::test]
    async fn tasks_of_an_operation_tell_too() {
        let _alone = ALONE.lock().await;
        let kept = Kept::default();
        let logger = Logger::new(LogLevel::Debug, Box::new(kept.clone()));
        gate(Some(&logger))
            .around(async {
                let mut tasks = tokio::task::JoinSet::new();
                crate::gate::spawn(&mut tasks, async {
                    info!(target: "dipper::test", part = 3_u64, whole = true, "from a task");
                });
                tasks.join_all().await;
            })
            .await;
        let record = kept.0.lock().unwrap().remove(0);
        let fields = [
            ("part".to_owned(), LogValue::Number(3.0)),
            ("whole".to_owned(), LogValue::Flag(true)),
        ];
        assert_eq!((record.message.as_str(), record.fields), ("from a task", fields.to_vec()));
    }

    #[tokio::test]
    async fn secrets_are_left_out() {
        let _alone = ALONE.lock().await;
        let kept = Kept::default();
        let logger = Logger::new(LogLevel::Trace, Box::new(kept.clone()));
        logger.hide(["canary-known"]);
        gate(Some(&logger))
            .around(async {
                info!(target: "dipper::test", uri = "s3://b/canary-known/x", "own canary-known");
                trace!(target: "aws", request = ?"GET / canary", "signing request");
                trace!(target: "aws", "Authorization: canary");
                trace!(target: "aws", x = %"https://me:canary@host/", "y");
                trace!(target: "aws", session_token = "canary", "y");
                trace!(target: "aws", text = ?("X-Amz-Signature", "canary"), "y");
                debug!(target: "aws", "overwriting aws_secret_access_key: was canary");
                hide(&Credentials::new("canary-id", "canary-key", None, None, "test"));
                debug!(target: "aws", "canary-id and canary-key");
            })
            .await;
        let seen = format!("{:?}", kept.0.lock().unwrap());
        assert!(!seen.contains("canary"), "{seen}");
        assert!(seen.contains("s3://b/…/x") && seen.contains("… and …"), "{seen}");
    }

    #[tokio::test]
    async fn long_texts_are_cut() {
        let _alone = ALONE.lock().await;
        let kept = Kept::default();
        let logger = Logger::new(LogLevel::Trace, Box::new(kept.clone()));
        let long = "ü".repeat(4000);
        gate(Some(&logger)).around(async { info!(target: "dipper::test", long, "x") }).await;
        let record = kept.0.lock().unwrap().remove(0);
        let Some((_, LogValue::Text(text))) = record.fields.first() else { panic!("no text") };
        assert!(text.len() <= LONGEST_TEXT + HIDDEN.len() && text.ends_with(HIDDEN));
    }

    #[tokio::test]
    async fn the_end_of_an_operation_is_told_once() {
        let _alone = ALONE.lock().await;
        let kept = Kept::default();
        let logger = Logger::new(LogLevel::Debug, Box::new(kept.clone()));
        let failed = async { Err::<(), _>(Error::invalid("no")) };
        gate(Some(&logger)).around(told(failed)).await.unwrap_err();
        gate(Some(&logger)).around(told(async { Ok(()) })).await.unwrap();
        drop(
            tokio::time::timeout(
                std::time::Duration::from_millis(1),
                gate(Some(&logger)).around(told(std::future::pending::<Result<(), Error>>())),
            )
            .await,
        );
        assert_eq!(
            kept.messages(),
            ["started", "failed", "started", "done", "started", "cancelled"]
        );
    }

    #[tokio::test]
    async fn nothing_is_computed_for_nobody() {
        let _alone = ALONE.lock().await;
        let computed = AtomicUsize::new(0);
        let compute = || computed.fetch_add(1, Ordering::SeqCst);
        let event = || debug!(target: "dipper::test", number = compute(), "event");
        assert_eq!(LevelFilter::current(), LevelFilter::OFF);
        gate(None).around(async { event() }).await;
        let logger = Logger::new(LogLevel::Debug, Box::new(Kept::default()));
        let other = Logger::new(LogLevel::Warn, Box::new(Kept::default()));
        assert_eq!(LevelFilter::current(), LevelFilter::DEBUG);
        gate(None).around(async { event() }).await;
        gate(Some(&other)).around(async { event() }).await;
        assert_eq!(computed.load(Ordering::SeqCst), 0);
        gate(Some(&logger)).around(async { event() }).await;
        assert_eq!(computed.load(Ordering::SeqCst), 1);
        drop(logger);
        assert_eq!(LevelFilter::current(), LevelFilter::WARN);
        drop(other);
        assert_eq!(LevelFilter::current(), LevelFilter::OFF);
    }

    #[test]
    fn signatures_that_come_back_are_hidden() {
        for (text, shown) in [
            (
                "no: AWS4-HMAC-SHA256 Credential=i/20261123/r, Signature=canary\nnext",
                "no: AWS4-HMAC-SHA256…\nnext",
            ),
            ("http://h/k?a=1&X-Amz-Signature=canary&b=2", "http://h/k?a=1&X-Amz-Signature=…&b=2"),
            ("Signature=canary and Signature=canary", "Signature=… and Signature=…"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_signatures(text.to_owned()), shown);
        }
    }

    #[test]
    fn addresses_are_shown_without_what_may_be_secret() {
        for (target, shown) in [
            ("/b/k", "/b/k"),
            ("/b/k?X-Amz-Signature=canary&partNumber=7&uploadId=x", "/b/k?partNumber=7"),
            ("/b?list-type=2&prefix=canary", "/b?list-type=2"),
            ("/b?delete", "/b?delete"),
            ("/b?uploads=&acl=canary", "/b?uploads&acl"),
        ] {
            assert_eq!(shown_path(target), shown);
        }
        assert_eq!(camel("request_id"), "requestId");
        assert_eq!(camel("ms"), "ms");
    }
}
