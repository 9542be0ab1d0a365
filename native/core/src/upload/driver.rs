//! The task that sends an upload: it lives until the object is there, or nothing of it is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::multipart::{Multipart, Part};
use super::part_sizes::PartSizes;
use super::store::{Place, Store, Stored, algorithm_for, refuses_checksum};
use super::write_options::WriteOptions;
use crate::gate::{Gate, joined, spawn};
use crate::metrics::Meter;
use crate::pace::Pace;
use crate::request_body::RequestBody;
use crate::{Client, Error, Metrics, ObjectRef, OperationGuard, Progress, Stat, ledger};

/// What was written, and how.
#[derive(Clone, Debug)]
pub struct Written {
    /// What is known of the object.
    pub stat: Stat,
    /// What it took.
    pub metrics: Metrics,
}

/// One upload.
pub(super) struct Job {
    pub(super) client: Arc<Client>,
    pub(super) object: ObjectRef,
    pub(super) options: WriteOptions,
    /// How many bytes there are, where that is known.
    pub(super) size: Option<u64>,
    pub(super) sizes: PartSizes,
    pub(super) meter: Arc<Meter>,
    pub(super) progress: Option<Arc<dyn Progress>>,
}

/// What a source of bytes tells.
pub(super) enum Message {
    /// The next part.
    Part(RequestBody),
    /// There will be another part.
    More,
    /// There will be none: the source failed.
    Failed(Error),
}

/// How long a begun upload whose name is not known yet is waited for, once it is unwanted.
const BEGIN_PATIENCE: Duration = Duration::from_secs(10);
/// A reading of the pace takes so long at least.
const READING: Duration = Duration::from_millis(250);

/// Parts at once through the SDK's client.
const SDK_AT_ONCE: usize = 6;

static NEXT: AtomicU64 = AtomicU64::new(0);

type Outcome = Option<Result<Written, Error>>;

/// Whoever holds it can wait for the end; dropped, it ends the upload.
pub(super) struct Driver {
    outcome: watch::Receiver<Outcome>,
    stop: CancellationToken,
    aftermath: Aftermath,
}

/// What a stopped driver still does counts as an operation: whoever started it has ended.
type Aftermath = Arc<Mutex<Option<OperationGuard>>>;

fn take(aftermath: &Aftermath) -> Option<OperationGuard> {
    aftermath.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// The drivers that are at work, so that the end of a program can wait for those that were
/// stopped.
type AtWork = HashMap<u64, (CancellationToken, watch::Receiver<Outcome>)>;

fn at_work() -> MutexGuard<'static, AtWork> {
    static AT_WORK: OnceLock<Mutex<AtWork>> = OnceLock::new();
    AT_WORK.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place among those at work: for an upload that has no driver.
pub(super) struct Presence {
    number: u64,
    tell: watch::Sender<Outcome>,
}

impl Presence {
    /// Until it is dropped, the end of a program waits for it once `stop` is cancelled.
    pub(super) fn new(stop: &CancellationToken) -> Self {
        let (tell, outcome) = watch::channel(None);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        at_work().insert(number, (stop.clone(), outcome));
        Self { number, tell }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        at_work().remove(&self.number);
        self.tell.send_replace(Some(Err(Error::cancelled())));
    }
}

/// Waits until nothing is left of the uploads that were stopped.
pub async fn stopped_uploads_ended() {
    let stopped: Vec<_> = at_work()
        .values()
        .filter(|(stop, _)| stop.is_cancelled())
        .map(|(_, outcome)| outcome.clone())
        .collect();
    for mut outcome in stopped {
        let _ = outcome.wait_for(Option::is_some).await;
    }
}

impl Driver {
    /// Starts to send what comes. The end of `parts` is the end of the object.
    pub(super) fn start(job: Arc<Job>, parts: mpsc::UnboundedReceiver<Message>) -> Self {
        let stop = CancellationToken::new();
        let (tell, outcome) = watch::channel(None);
        let stopped = stop.clone();
        let aftermath = Aftermath::default();
        let leaving = Arc::clone(&aftermath);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        at_work().insert(number, (stop.clone(), outcome.clone()));
        let drive = async move {
            let ObjectRef { bucket, key, .. } = &job.object;
            tracing::debug!(target: "dipper::upload", bucket, key, size = job.size, "started");
            let ended = drive(&job, parts, &stopped).await;
            match &ended {
                Ok(written) => {
                    let (bytes, parts) = (written.stat.size, written.metrics.parts);
                    tracing::info!(target: "dipper::upload", bucket, key, bytes, parts, "completed");
                }
                Err(error) => {
                    tracing::info!(target: "dipper::upload", bucket, key, %error, "aborted");
                }
            }
            let ended = ended.map_err(|error| {
                error.about(format!("s3://{}/{}", job.object.bucket, job.object.key))
            });
            // Nothing is held any more when the end is told.
            drop(job);
            drop(take(&leaving));
            tell.send_replace(Some(ended));
            at_work().remove(&number);
        };
        // It outlives the operation that starts it, behind a gate of its own: what was begun
        // is aborted also when nobody waits for that.
        match Gate::current() {
            Some(gate) => drop(tokio::spawn(gate.fork().around(drive))),
            None => drop(tokio::spawn(drive)),
        }
        Self { outcome, stop, aftermath }
    }

    /// The failure that ended it, if one did.
    pub(super) fn failure(&self) -> Option<Error> {
        match &*self.outcome.borrow() {
            Some(Err(error)) => Some(error.clone()),
            _ => None,
        }
    }

    /// Waits for the end.
    pub(super) async fn ended(&self) -> Result<Written, Error> {
        let mut outcome = self.outcome.clone();
        let ended = outcome.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone());
        ended.unwrap_or_else(|| Err(Error::internal("the upload ended without saying how")))
    }

    /// Waits until somebody ends it.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Ends the upload, unless it has ended.
    pub(super) fn stop(&self) {
        let mut counted = self.aftermath.lock().unwrap_or_else(PoisonError::into_inner);
        if self.outcome.borrow().is_none() {
            counted.get_or_insert_with(|| ledger().operation());
        }
        self.stop.cancel();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn drive(
    job: &Arc<Job>,
    mut parts: mpsc::UnboundedReceiver<Message>,
    stop: &CancellationToken,
) -> Result<Written, Error> {
    job.told();
    let begun = tokio::select! {
        biased;
        () = stop.cancelled() => return Err(Error::cancelled()),
        begun = beginning(job, &mut parts) => begun?,
    };
    let (first, more) = match begun {
        Beginning::Whole(body) => {
            return tokio::select! {
                biased;
                () = stop.cancelled() => Err(Error::cancelled()),
                stored = whole(job, body) => stored,
            };
        }
        Beginning::Parts(first) => first,
    };
    in_parts(job, first, more, parts, stop).await
}

/// What is known once it is clear whether one request is enough.
enum Beginning {
    Whole(RequestBody),
    /// The first part, and the second if it is there.
    Parts((RequestBody, Option<RequestBody>)),
}

async fn beginning(
    job: &Job,
    parts: &mut mpsc::UnboundedReceiver<Message>,
) -> Result<Beginning, Error> {
    let first = loop {
        match parts.recv().await {
            None => return Ok(Beginning::Whole(RequestBody::default())),
            Some(Message::Failed(error)) => return Err(error),
            Some(Message::More) => {}
            Some(Message::Part(first)) => break first,
        }
    };
    if job.size.is_some_and(|size| !job.sizes.is_one_request(size)) {
        return Ok(Beginning::Parts((first, None)));
    }
    match parts.recv().await {
        None => Ok(Beginning::Whole(first)),
        Some(Message::Failed(error)) => Err(error),
        Some(Message::More) => Ok(Beginning::Parts((first, None))),
        Some(Message::Part(second)) => Ok(Beginning::Parts((first, Some(second)))),
    }
}

/// Writes the object with one request.
async fn whole(job: &Job, body: RequestBody) -> Result<Written, Error> {
    let mut headers = job.options.headers()?;
    headers.extend(job.options.conditions()?);
    let size = body.len();
    let wanted = job.options.checksum;
    loop {
        let store = Store {
            client: &job.client,
            object: &job.object,
            place: Place::Whole,
            headers: &headers,
            options: &job.options,
            body: body.clone(),
            algorithm: algorithm_for(&job.client, &job.object.bucket, wanted),
            meter: &job.meter,
        };
        match store.run().await {
            Err(error) if refuses_checksum(&job.client, &job.object.bucket, wanted, &error) => {}
            stored => {
                let stored = stored?;
                job.told();
                return Ok(job.written(size, stored));
            }
        }
    }
}

async fn in_parts(
    job: &Arc<Job>,
    first: RequestBody,
    second: Option<RequestBody>,
    parts: mpsc::UnboundedReceiver<Message>,
    stop: &CancellationToken,
) -> Result<Written, Error> {
    let begun = begin(job);
    tokio::pin!(begun);
    let multipart = tokio::select! {
        biased;
        () = stop.cancelled() => None,
        begun = &mut begun => Some(begun?),
    };
    let Some(multipart) = multipart else {
        // An upload that was asked for has to be known, to be aborted. Memory need not wait.
        drop((first, second, parts));
        if let Ok(Ok(multipart)) = tokio::time::timeout(BEGIN_PATIENCE, begun).await {
            let _ = multipart.abort().await;
        }
        return Err(Error::cancelled());
    };
    let sent = tokio::select! {
        biased;
        () = stop.cancelled() => Err(Error::cancelled()),
        sent = send_parts(job, &multipart, first, second, parts) => sent,
    };
    let ended = match sent {
        Err(error) => Err(error),
        Ok(parts) => tokio::select! {
            biased;
            () = stop.cancelled() => Err(Error::cancelled()),
            made = complete(job, &multipart, parts) => made,
        },
    };
    match ended {
        Ok(written) => Ok(written),
        Err(error) => Err(match multipart.abort().await {
            Ok(()) => error,
            Err(_) => left_behind(error, &multipart.id),
        }),
    }
}

async fn begin(job: &Job) -> Result<Multipart<'_>, Error> {
    let headers = job.options.headers()?;
    let wanted = job.options.checksum;
    let bucket = &job.object.bucket;
    loop {
        let algorithm = algorithm_for(&job.client, bucket, wanted);
        let begun = Multipart::begin(&job.client, &job.object, &headers, algorithm, &job.meter);
        match begun.await {
            Err(error) if refuses_checksum(&job.client, bucket, wanted, &error) => {}
            begun => return begun,
        }
    }
}

async fn complete(
    job: &Job,
    multipart: &Multipart<'_>,
    parts: Vec<Part>,
) -> Result<Written, Error> {
    let size = parts.iter().map(|part| part.size).sum();
    let stored = multipart.complete(&job.options, parts, &job.meter).await?;
    Ok(job.written(size, stored))
}

pub(super) fn left_behind(mut error: Error, id: &str) -> Error {
    error.message.push_str("; what was uploaded could not be removed (upload ");
    error.message.push_str(id);
    error.message.push(')');
    let more = "incompleteUploads() finds such uploads and aborts them";
    error.hint = Some(match error.hint.take() {
        Some(hint) => format!("{hint}; {more}"),
        None => more.to_owned(),
    });
    error
}

async fn send_parts(
    job: &Arc<Job>,
    multipart: &Multipart<'_>,
    first: RequestBody,
    second: Option<RequestBody>,
    mut parts: mpsc::UnboundedReceiver<Message>,
) -> Result<Vec<Part>, Error> {
    let mut sent = Vec::new();
    let mut tasks: JoinSet<Result<Part, Error>> = JoinSet::new();
    let mut waiting = Some(first);
    let mut second = second;
    let mut number = 0;
    let mut open = true;
    let site = job.client.site(&job.object.bucket).await.ok().flatten();
    let pace = site.as_ref().map(|site| &site.host.upload_pace);
    let mut reading = (Instant::now(), 0_u64);
    while open || waiting.is_some() || !tasks.is_empty() {
        let at_once = pace.map_or(SDK_AT_ONCE, Pace::at_once);
        if tasks.len() < at_once
            && let Some(bytes) = waiting.take()
        {
            waiting = second.take();
            number += 1;
            let id = multipart.id.clone();
            spawn(&mut tasks, send_part(Arc::clone(job), id, multipart.algorithm, number, bytes));
            continue;
        }
        tokio::select! {
            Some(ended) = tasks.join_next() => {
                let part = joined(ended)??;
                reading.1 += part.size;
                sent.push(part);
                job.told();
                // The pipe was full all the time: what came through is what it takes.
                let full = tasks.len() + 1 >= at_once;
                let elapsed = reading.0.elapsed();
                if elapsed >= READING {
                    if let (Some(pace), true) = (pace, full) {
                        pace.measured(reading.1 as f64 / elapsed.as_secs_f64());
                    }
                    reading = (Instant::now(), 0);
                }
            }
            next = parts.recv(), if open && waiting.is_none() => {
                match next {
                    None => open = false,
                    Some(Message::More) => {}
                    Some(Message::Failed(error)) => return Err(error),
                    Some(Message::Part(bytes)) => waiting = Some(bytes),
                }
            }
        }
    }
    Ok(sent)
}

async fn send_part(
    job: Arc<Job>,
    upload_id: String,
    algorithm: Option<dipper_wire::Algorithm>,
    number: u32,
    body: RequestBody,
) -> Result<Part, Error> {
    let size = body.len();
    let store = Store {
        client: &job.client,
        object: &job.object,
        place: Place::Part { upload_id: &upload_id, number },
        headers: &job.options.part_headers(),
        options: &job.options,
        body,
        algorithm,
        meter: &job.meter,
    };
    let stored = store.run().await?;
    Ok(Part { number, size, stored })
}

impl Job {
    /// Tells whoever watches how far it is.
    fn told(&self) {
        if let Some(progress) = &self.progress {
            let metrics = self.meter.read();
            progress.reached(metrics.bytes, self.size.unwrap_or(metrics.bytes), &metrics);
        }
    }

    fn written(&self, size: u64, stored: Stored) -> Written {
        let options = &self.options;
        let metadata = options.metadata.iter();
        Written {
            stat: Stat {
                size,
                last_modified: None,
                etag: Some(stored.etag),
                content_type: options.content_type.clone(),
                content_encoding: options.content_encoding.clone(),
                content_language: options.content_language.clone(),
                content_disposition: options.content_disposition.clone(),
                cache_control: options.cache_control.clone(),
                expires: options.expires,
                version_id: stored.version_id,
                storage_class: options.storage_class.clone(),
                metadata: metadata
                    .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
                    .collect(),
            },
            metrics: self.meter.read(),
        }
    }
}
