//! Connections by host: kept while they are quiet, and never more than so many at once.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use dipper_wire::{Framing, Head, Url};
use rustls::ClientConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

use super::body::Body;
use super::connection::{Answered, Connection, Request};
use super::dial::dial;
use super::tls::client_config;
use crate::Error;
use crate::gate::{Gate, HostRefused};
use crate::log_request::RequestLog;
use crate::metrics::Meter;
use crate::pace::Pace;

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    /// The embedding program does not allow the host.
    Refused(HostRefused),
    /// No connection within the time.
    ConnectTimeout,
    /// No connection.
    Connect(io::Error),
    /// The name does not resolve.
    UnknownHost,
    /// The TLS handshake failed.
    Tls(String),
    /// The connection ended where an answer should begin.
    ClosedUnanswered,
    /// The connection failed before the head was complete.
    Broken(io::Error),
    /// No head within the time.
    Stalled(Duration),
    /// The head may not be believed.
    Malformed(&'static str),
    /// A defect, or a body that could not be read: an error as it is told.
    Internal(Error),
}

/// The connections of one client.
pub(crate) struct Pool {
    hosts: Mutex<HashMap<(bool, String, u16), Arc<Host>>>,
    tls: OnceLock<Result<Arc<ClientConfig>, Error>>,
    certificates: Option<String>,
    connect_timeout: Duration,
    connections: usize,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pool")
    }
}

/// What is known of a host, and its connections.
pub(crate) struct Host {
    /// As `--allow-net` spells it.
    name: String,
    idle: Mutex<Vec<Idle>>,
    permits: Arc<Semaphore>,
    /// How much to read at once is worth while.
    pub(crate) pace: Pace,
    /// How much to write at once is worth while.
    pub(crate) upload_pace: Pace,
    kind: AtomicU8,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// Servers close quiet connections, S3 after some 20 seconds. Just before that is best.
const LONGEST_IDLE: Duration = Duration::from_secs(15);

/// The right to use one of a host's connections.
pub(super) struct Lease {
    host: Arc<Host>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Lease {
    /// Ends the use; the connection is kept if it is given back.
    pub(super) fn end(&mut self, connection: Option<Connection>) {
        if let Some(connection) = connection {
            self.host.keep(connection);
        }
        self.permit = None;
    }
}

impl Host {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.lock();
        let now = Instant::now();
        // The oldest come first.
        let stale = idle.iter().take_while(|idle| now - idle.since > LONGEST_IDLE).count();
        let stale: Vec<Idle> = idle.drain(..stale).collect();
        idle.push(Idle { connection, since: now });
        drop(idle);
        drop(stale);
    }

    fn quiet_connection(&self) -> Option<Connection> {
        loop {
            let idle = self.lock().pop()?;
            if idle.since.elapsed() <= LONGEST_IDLE && idle.connection.is_quiet() {
                return Some(idle.connection);
            }
        }
    }

    /// Whether the host's answers have been those of an S3 server, `None` before the first.
    pub(crate) fn is_s3(&self) -> Option<bool> {
        match self.kind.load(Ordering::Relaxed) {
            1 => Some(true),
            2 => Some(false),
            _ => None,
        }
    }

    /// S3 servers number their requests; others have nothing of S3's own.
    pub(crate) fn learn(&self, head: &Head) {
        let s3 = head.get("x-amz-request-id").is_some() || head.get("x-amz-id-2").is_some();
        self.kind.store(if s3 { 1 } else { 2 }, Ordering::Relaxed);
    }
}

impl Pool {
    pub(crate) fn new(
        certificates: Option<String>,
        connect_timeout: Duration,
        connections: usize,
    ) -> Self {
        Self {
            hosts: Mutex::default(),
            tls: OnceLock::new(),
            certificates,
            connect_timeout,
            connections,
        }
    }

    pub(crate) fn host(&self, url: &Url) -> Arc<Host> {
        let key = (url.tls, url.host.clone(), url.port);
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = hosts.entry(key).or_insert_with(|| {
            Arc::new(Host {
                name: url.host_and_port(),
                idle: Mutex::default(),
                permits: Arc::new(Semaphore::new(self.connections)),
                pace: Pace::new(self.connections),
                upload_pace: Pace::new(self.connections),
                kind: AtomicU8::new(0),
            })
        });
        Arc::clone(host)
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, ExchangeError> {
        self.tls
            .get_or_init(|| client_config(self.certificates.as_deref()))
            .clone()
            .map_err(ExchangeError::Internal)
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn exchange(
        &self,
        host: &Arc<Host>,
        url: &Url,
        request: &Request,
        stall: Duration,
        meter: &Meter,
    ) -> Result<(Head, Answer), ExchangeError> {
        let admitted = match Gate::current() {
            Some(gate) => gate.admits(&host.name).await,
            None => false,
        };
        if !admitted {
            return Err(ExchangeError::Refused(HostRefused { host: host.name.clone() }));
        }
        let permit = Arc::clone(&host.permits).acquire_owned().await.ok();
        let mut lease = Lease { host: Arc::clone(host), permit };
        loop {
            let (mut connection, fresh) = match host.quiet_connection() {
                Some(connection) => (connection, false),
                None => {
                    let tls = if url.tls { Some(self.tls()?) } else { None };
                    meter.connection();
                    let since = Instant::now();
                    let stream = Box::pin(dial(url, tls, self.connect_timeout)).await?;
                    let ms = since.elapsed().as_secs_f64() * 1000.0;
                    debug!(target: "dipper::connection", host = host.name, tls = url.tls, ms, "opened");
                    (Connection::new(stream), true)
                }
            };
            let log = RequestLog::of_head(&request.bytes, &host.name);
            let exchanged = connection.exchange(request, stall).await;
            if let Some(log) = log {
                match &exchanged {
                    Ok(Answered { head, .. }) => log.answered(
                        head.status,
                        head.get("x-amz-request-id"),
                        head.content_length().ok().flatten(),
                    ),
                    Err(error) => log.failed(error),
                }
            }
            let Answered { head, complete } = match exchanged {
                Ok(answered) => answered,
                // The server had closed a connection that looked quiet, or what came first is
                // the rest of an answer that was longer than announced: no answer began.
                Err(
                    ExchangeError::Broken(_)
                    | ExchangeError::ClosedUnanswered
                    | ExchangeError::Malformed(_),
                ) if !fresh => {
                    meter.resent();
                    continue;
                }
                Err(error) => return Err(error),
            };
            host.learn(&head);
            let keep = complete && head.keeps_alive();
            if request.head_only {
                lease.end(keep.then_some(connection));
                return Ok((head, Answer::Empty));
            }
            return match head.framing().map_err(ExchangeError::Malformed)? {
                Framing::Length(length) => {
                    let body = Body::new(connection, lease, length, keep);
                    Ok((head, Answer::Sized(body)))
                }
                // How long these are, their own bytes say.
                Framing::Chunked => {
                    let body = Body::new(connection, lease, u64::MAX, keep);
                    Ok((head, Answer::Chunked(body)))
                }
                Framing::UntilClose => {
                    let body = Body::new(connection, lease, u64::MAX, false);
                    Ok((head, Answer::UntilClose(body)))
                }
            };
        }
    }
}

/// What follows a head.
pub(crate) enum Answer {
    /// Nothing.
    Empty,
    /// A body of a known length.
    Sized(Body),
    /// Chunks, which this plane reads only as documents.
    Chunked(Body),
    /// Whatever comes until the connection ends.
    UntilClose(Body),
}
