//! Operations: started by a plain call, run on tokio, ended by exactly one completion.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dipper_core::{
    Buffer, ChecksumRequest, Client, CopyRequest, Destination, EmbeddingTable, Error, Existing,
    FileUpload, Gate, GetRequest, Got, Items, ListRequest, ManyRequest, Metrics, OperationGuard,
    Progress, RangesRequest, Source, StreamRequest, Upload, UploadRequest, ledger,
    stopped_uploads_ended,
};
use dipper_local_s3::{Options, Server};
use dipper_wire::{Handle, Private, Revoker, SlotTable};
use futures::FutureExt;
use futures::future::{AbortHandle, Abortable};
use serde::Serialize;

use crate::asks::Asker;
use crate::declaration::kind;
use crate::export::{handle, panicked, stale};
use crate::first_steps::first_steps;
use crate::messages::{
    BucketMessage, ClientRequest, DeletedMessage, DiagnosisMessage, ErrorDetails, LocalS3Message,
    MetricsMessage, PageMessage, ReadMessage, RegionMessage, Request, StatMessage, Submission,
    WrittenMessage,
};
use crate::queue::{self, Completion, Kind, Queue};
use crate::streams::{Reading, Stream};
use crate::target::private;
use crate::uploads::{Open, Sink};
use crate::{
    batches, handles, lines, log_records, runtime, signals, streams, table_writes, tables, trees,
    uploads,
};

static CLIENTS: SlotTable<Owned<Arc<Client>>> = SlotTable::new(kind::CLIENT);
static SERVERS: SlotTable<Owned<Server>> = SlotTable::new(kind::SERVER);
static OPERATIONS: SlotTable<Running> = SlotTable::new(kind::OPERATION);

/// Something that belongs to an isolate and ends with it.
struct Owned<T> {
    queue: Handle,
    thing: T,
}

struct Running {
    queue: Handle,
    client: Option<Handle>,
    abort: AbortHandle,
    target: Option<Revoker>,
}

/// How an operation ended well.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) value: Value,
    pub(crate) extent: f64,
    pub(crate) payload: Vec<u8>,
}

#[derive(Default)]
pub(crate) enum Value {
    #[default]
    None,
    Buffer(Arc<Buffer>),
    Server(Box<Server>),
    Stream(Stream),
    Upload(Open),
    Table(Arc<EmbeddingTable>),
}

pub(crate) fn json<T: Serialize>(message: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(message).map_err(|error| Error::internal(error.to_string()))
}

fn parsed<'a, T: serde::Deserialize<'a>>(request: &'a [u8]) -> Result<T, Error> {
    // The error names the place but never a value, which may be a secret.
    serde_json::from_slice(request).map_err(|error| {
        Error::internal(format!(
            "a request does not have the agreed form (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}

pub fn client_new(queue: Handle, request: &[u8]) -> Result<Handle, Error> {
    let queue = queue::of(queue)?;
    // The SDK's HTTP client starts timers as it is made.
    let _inside = runtime::handle()?.enter();
    let request: ClientRequest = parsed(request)?;
    let logger = request.logger.as_ref().map(|message| log_records::logger(&queue, message));
    let options = dipper_core::ClientOptions { logger, ..request.into() };
    let client = Arc::new(Client::new(options)?);
    CLIENTS
        .insert(Owned { queue: queue.handle(), thing: client })
        .ok_or_else(|| Error::internal("more than 16 million clients are alive"))
}

pub fn client_release(client: Handle) -> Result<(), Error> {
    let released = CLIENTS.remove(client).map_err(|_| stale("client"))?;
    OPERATIONS.for_each(|running| {
        if running.client == Some(client) {
            running.abort.abort();
        }
    });
    // Connections close on the runtime's threads.
    let _inside = runtime::handle()?.enter();
    streams::close_of_client(client);
    uploads::close_of_client(client);
    drop(released);
    Ok(())
}

fn client(number: f64) -> Result<(Handle, Arc<Client>), Error> {
    let name = handle(number)?;
    let client =
        CLIENTS.with(name, |owned| Arc::clone(&owned.thing)).map_err(|_| stale("client"))?;
    Ok((name, client))
}

/// Starts many operations with one call. Their handles land in `handles`, in order.
pub fn submit(queue: Handle, requests: &[u8], handles: &mut [u8]) -> Result<usize, Error> {
    let queue = queue::of(queue)?;
    let runtime = runtime::handle()?;
    let submissions: Vec<Submission> = parsed(requests)?;
    let count = submissions.len();
    if handles.len() != count * size_of::<f64>() {
        return Err(Error::internal("the room for handles does not fit the requests"));
    }
    let mut tasks = Vec::with_capacity(count);
    for (submission, place) in submissions.into_iter().zip(handles.chunks_exact_mut(8)) {
        let (handle, task) = prepare(&queue, submission, None)?;
        place.copy_from_slice(&handle.to_number().to_ne_bytes());
        tasks.push(task);
    }
    if count == 1 {
        tasks.into_iter().for_each(|task| first_steps(runtime, task));
    } else {
        // From one of its own threads the runtime takes tasks without waking anybody.
        runtime.spawn(async move { tasks.into_iter().for_each(|task| drop(tokio::spawn(task))) });
    }
    Ok(count)
}

/// Starts one operation that fills memory of the isolate.
pub fn submit_into(queue: Handle, request: &[u8], target: &mut [u8]) -> Result<Handle, Error> {
    let queue = queue::of(queue)?;
    let runtime = runtime::handle()?;
    let target = private(target);
    let (handle, task) = prepare(&queue, parsed(request)?, Some(target))?;
    first_steps(runtime, task);
    Ok(handle)
}

pub fn cancel(operation: Handle) -> Result<(), Error> {
    // One that ended a moment ago is no error.
    let _ = OPERATIONS.with(operation, |running| running.abort.abort());
    Ok(())
}

/// Ends all that an isolate started, and waits until nothing writes into its memory.
pub fn release_of(queue: Handle) {
    let mut targets = Vec::new();
    OPERATIONS.for_each(|running| {
        if running.queue == queue {
            running.abort.abort();
            targets.extend(running.target.clone());
        }
    });
    targets.iter().for_each(Revoker::revoke);
    let clients = CLIENTS.remove_where(|owned| owned.queue == queue);
    let servers = SERVERS.remove_where(|owned| owned.queue == queue);
    let Ok(runtime) = runtime::handle() else { return };
    let _inside = runtime.enter();
    streams::release_of(queue);
    uploads::release_of(queue);
    drop(clients);
    // Stops them in the background, where their temporary directories are removed too.
    drop(servers);
}

/// Ends what an isolate has under way, and waits until nothing is left of its uploads, two
/// seconds at most: for the end of the program.
pub fn end_of_program(queue: Handle) -> Result<(), Error> {
    end_of(&[queue::of(queue)?.handle()])
}

/// Ends what these isolates have under way, as [`end_of_program`].
pub fn end_of(queues: &[Handle]) -> Result<(), Error> {
    let of_queue = |wanted: &dyn Fn(&Running)| {
        let mut any = false;
        OPERATIONS.for_each(|running| {
            if queues.contains(&running.queue) {
                any = true;
                wanted(running);
            }
        });
        any
    };
    let any = of_queue(&|running| running.abort.abort());
    queues.iter().for_each(|queue| uploads::release_of(*queue));
    let all = async {
        // An operation that was aborted stops its uploads when it is dropped, a moment later.
        while any && of_queue(&|_| {}) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stopped_uploads_ended().await;
    };
    runtime::handle()?.block_on(async {
        drop(tokio::time::timeout(LAST_PATIENCE, all).await);
    });
    Ok(())
}

/// The duty to tell the end of an operation, exactly once.
struct Ending {
    queue: Arc<Queue>,
    operation: Handle,
    counted: Option<OperationGuard>,
}

impl Ending {
    fn tell(&mut self, completion: Completion) {
        drop(OPERATIONS.remove(self.operation));
        // Before the completion is seen: whoever awaits it then finds nothing held.
        if self.counted.take().is_none() {
            return;
        }
        let brought = Handle::from_number(completion.record.value);
        self.queue.push(completion);
        if self.queue.is_closed()
            && let Some(brought) = brought
        {
            // Nobody will take what the record names. Its kind says which of them it is.
            drop(handles::buffer_release(brought));
            drop(SERVERS.remove(brought));
            drop(streams::release(brought));
            drop(uploads::release(brought));
            drop(tables::release(brought));
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.counted.is_some() {
            self.tell(Completion::new(Kind::Cancelled, self.operation.to_number()));
        }
    }
}

/// Registers an operation; the task does it and tells its end.
fn prepare(
    queue: &Arc<Queue>,
    submission: Submission,
    target: Option<Private>,
) -> Result<(Handle, impl Future<Output = ()> + Send + use<>), Error> {
    let Submission { granted, request } = submission;
    let name = request.name();
    if request.leaves_parts() {
        signals::watch_end();
    }
    // A request that names what is gone fails like any other: by its completion.
    let through = request.client().map(client).transpose();
    let body = body_of(&request);
    let (abort, aborted) = AbortHandle::new_pair();
    let operation = OPERATIONS
        .insert(Running {
            queue: queue.handle(),
            client: through
                .as_ref()
                .ok()
                .and_then(|through| through.as_ref().map(|(name, _)| *name)),
            abort,
            target: target.as_ref().map(Private::revoker),
        })
        .ok_or_else(|| Error::internal("more than 16 million operations are under way"))?;
    let mut ending =
        Ending { queue: Arc::clone(queue), operation, counted: Some(ledger().operation()) };
    let queue = Arc::clone(queue);
    let task = async move {
        let logger = through.as_ref().ok().and_then(Option::as_ref);
        let logger = logger.and_then(|(_, client)| client.logger());
        let gate = Gate::new(Arc::new(Asker(Arc::clone(&queue))), granted).logging(logger, name);
        let work = {
            let context = Context { queue: Arc::clone(&queue), operation };
            async move { run(request, through?, body?, target, context).await }
        };
        let told = dipper_core::told(work);
        let behind = AssertUnwindSafe(gate.clone().around(told)).catch_unwind();
        // The statement drops the work, and with it all that it holds, before the end is told.
        let ended = Abortable::new(behind, aborted).await;
        gate.emptied().await;
        ending.tell(match ended {
            Ok(Ok(Ok(outcome))) => done(&queue, operation, outcome),
            Ok(Ok(Err(error))) => failed(operation, error, name),
            Ok(Err(panic)) => failed(operation, panicked(name, &*panic), name),
            Err(_aborted) => Completion::new(Kind::Cancelled, operation.to_number()),
        });
    };
    Ok((operation, task))
}

/// The buffer that a request sends, held from before the call returns.
fn body_of(request: &Request) -> Result<Option<Arc<Buffer>>, Error> {
    let (Request::Put { buffer: Some(buffer), .. }
    | Request::WriteFile { buffer: Some(buffer), .. }) = request
    else {
        return Ok(None);
    };
    handles::buffer(handle(*buffer)?).map(Some)
}

fn done(queue: &Queue, operation: Handle, outcome: Outcome) -> Completion {
    let value = match outcome.value {
        Value::None => Ok(0.0),
        Value::Buffer(buffer) => handles::insert_buffer(queue, buffer).map(Handle::to_number),
        Value::Server(server) => SERVERS
            .insert(Owned { queue: queue.handle(), thing: *server })
            .map(Handle::to_number)
            .ok_or_else(|| Error::internal("more than 16 million servers are alive")),
        Value::Stream(stream) => streams::insert(queue, stream).map(Handle::to_number),
        Value::Upload(upload) => uploads::insert(queue, upload).map(Handle::to_number),
        Value::Table(table) => tables::insert(queue, table).map(Handle::to_number),
    };
    match value {
        Err(error) => failed(operation, error, "completion"),
        Ok(value) => {
            let mut completion = Completion::new(Kind::Done, operation.to_number());
            completion.record.value = value;
            completion.record.extent = outcome.extent;
            completion.payload = outcome.payload;
            completion
        }
    }
}

fn failed(operation: Handle, error: Error, name: &str) -> Completion {
    let mut completion = Completion::new(Kind::Failed, operation.to_number());
    completion.record.status = error.status as u32;
    completion.payload = json(&ErrorDetails::of(error, name)).unwrap_or_default();
    completion
}

/// Where records of an operation that goes on are sent.
#[derive(Clone)]
pub(crate) struct Context {
    queue: Arc<Queue>,
    operation: Handle,
}

impl Context {
    pub(crate) fn progress(&self, wanted: bool) -> Option<Arc<dyn Progress>> {
        wanted.then(|| -> Arc<dyn Progress> { Arc::new(self.clone()) })
    }

    pub(crate) fn items(&self) -> Arc<dyn Items> {
        Arc::new(ItemRecords { context: self.clone(), ready: Mutex::default() })
    }
}

/// Results that come one by one, handed on several at a time: one wake serves them all.
struct ItemRecords {
    context: Context,
    ready: Mutex<Vec<Completion>>,
}

impl ItemRecords {
    fn take(&self) -> Vec<Completion> {
        std::mem::take(&mut *self.ready.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for ItemRecords {
    fn drop(&mut self) {
        // The operation was cancelled: nobody will take these.
        for completion in self.take() {
            if let Some(buffer) = Handle::from_number(completion.record.value) {
                drop(handles::buffer_release(buffer));
            }
        }
    }
}

impl Progress for Context {
    fn reached(&self, bytes: u64, total: u64, metrics: &Metrics) {
        let mut completion = Completion::new(Kind::Progress, self.operation.to_number());
        completion.record.value = bytes as f64;
        completion.record.extent = total as f64;
        completion.payload = json(&MetricsMessage::from(*metrics)).unwrap_or_default();
        self.queue.push(completion);
    }
}

impl Items for ItemRecords {
    fn flush(&self) {
        let ready = self.take();
        if ready.is_empty() {
            return;
        }
        let brought: Vec<f64> = ready.iter().map(|completion| completion.record.value).collect();
        let queue = &self.context.queue;
        queue.push_all(ready);
        if queue.is_closed() {
            for buffer in brought.into_iter().filter_map(Handle::from_number) {
                drop(handles::buffer_release(buffer));
            }
        }
    }

    fn item(&self, index: usize, result: Result<Arc<Buffer>, Error>) {
        let Context { queue, operation } = &self.context;
        let mut completion = Completion::new(Kind::Item, operation.to_number());
        completion.record.index = u32::try_from(index).unwrap_or(u32::MAX);
        let named = result.and_then(|buffer| {
            let length = buffer.memory().len();
            Ok((handles::insert_buffer(queue, buffer)?, length))
        });
        match named {
            Ok((buffer, length)) => {
                completion.record.value = buffer.to_number();
                completion.record.extent = length as f64;
            }
            Err(error) => {
                completion.record.status = error.status as u32;
                completion.payload = json(&ErrorDetails::of(error, "getMany")).unwrap_or_default();
            }
        }
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(completion);
    }

    fn written(&self, index: usize, result: Result<u64, Error>) {
        let mut completion = Completion::new(Kind::Item, self.context.operation.to_number());
        completion.record.index = u32::try_from(index).unwrap_or(u32::MAX);
        match result {
            Ok(bytes) => completion.record.extent = bytes as f64,
            Err(error) => {
                completion.record.status = error.status as u32;
                completion.payload = json(&ErrorDetails::of(error, "sync")).unwrap_or_default();
            }
        }
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(completion);
    }
}

async fn run(
    request: Box<Request>,
    through: Option<(Handle, Arc<Client>)>,
    body: Option<Arc<Buffer>>,
    target: Option<Private>,
    context: Context,
) -> Result<Outcome, Error> {
    match request.as_ref() {
        Request::Nothing => return Ok(Outcome::default()),
        Request::Panic => return on_purpose(),
        Request::StartLocalS3 { directory, port } => {
            return Box::pin(start_server(directory.clone(), *port)).await;
        }
        Request::StopLocalS3 { server } => return Box::pin(stop_server(*server)).await,
        Request::UploadRoom { upload } => {
            let (sink, progress) = uploads::sink(handle(*upload)?)?;
            let extent = sink.room().await? as f64;
            let payload = match progress {
                true => json(&MetricsMessage::from(sink.metrics()))?,
                false => Vec::new(),
            };
            return Ok(Outcome { extent, payload, ..Outcome::default() });
        }
        Request::AbortUpload { upload } => {
            let upload = handle(*upload)?;
            uploads::sink(upload)?.0.gone().await;
            // Nobody takes any more what is encoded.
            uploads::encoding(upload)?.lock().await.take();
            return Ok(Outcome::default());
        }
        Request::UploadClosed { upload } => {
            uploads::sink(handle(*upload)?)?.0.closed().await?;
            return Ok(Outcome::default());
        }
        Request::EncodeTable { .. } | Request::EncodeBatch { .. } | Request::EncodeEnd { .. } => {
            return Box::pin(table_writes::run(*request)).await;
        }
        Request::FinishUpload { upload } => {
            let (sink, _) = uploads::sink(handle(*upload)?)?;
            return told(&WrittenMessage::from(sink.finish().await?));
        }
        _ => {}
    }
    // Boxed: the SDK's futures are large, and small operations should not carry them.
    if request.is_about_a_tree() {
        let client = through.as_ref().map(|(_, client)| client);
        Box::pin(trees::run(request, client, context)).await
    } else if request.is_about_a_table() {
        let client = through.as_ref().map(|(_, client)| client);
        Box::pin(tables::run(request, client, context)).await
    } else if request.reads() {
        Box::pin(reading(request, through, target, context)).await
    } else if request.changes_files() {
        Box::pin(on_files(request, through, body, context)).await
    } else {
        let (_, client) = through.ok_or_else(|| stale("client"))?;
        Box::pin(on_s3(request, &client, body, context)).await
    }
}

#[allow(clippy::panic)]
fn on_purpose() -> Result<Outcome, Error> {
    panic!("on purpose")
}

async fn reading(
    request: Box<Request>,
    through: Option<(Handle, Arc<Client>)>,
    target: Option<Private>,
    context: Context,
) -> Result<Outcome, Error> {
    let client = through.as_ref().map(|(_, client)| client);
    match *request {
        Request::Get { source, span, if_match, limit, map, progress, .. } => {
            let source = Source::from(source);
            if let (true, Source::File(path)) = (map.unwrap_or(false), &source) {
                return got(dipper_core::map(path, span.into()).await?);
            }
            let request = GetRequest {
                source,
                span: span.into(),
                if_match,
                limit: limit.map(|limit| (limit.bytes, limit.hint)),
                progress: context.progress(progress),
            };
            let destination = target.map_or(Destination::Buffer, Destination::Private);
            got(dipper_core::get(client, request, destination).await?)
        }
        Request::Ranges { source, ranges, gap, if_match, progress, .. } => {
            let request = RangesRequest {
                source: source.into(),
                ranges,
                gap,
                if_match,
                progress: context.progress(progress),
                reserved: None,
            };
            let (stat, metrics) = dipper_core::ranges(client, request, context.items()).await?;
            told(&ReadMessage { stat: stat.into(), metrics: metrics.into() })
        }
        Request::GetMany { sources, ordered, progress, .. } => {
            let request = ManyRequest {
                sources: sources.into_iter().map(Source::from).collect(),
                ordered,
                progress: context.progress(progress),
            };
            let metrics = dipper_core::many(client, request, context.items()).await?;
            told(&MetricsMessage::from(metrics))
        }
        Request::OpenStream { source, span, if_match, progress, .. } => {
            let request = StreamRequest { source: source.into(), span: span.into(), if_match };
            let (reader, stat) = dipper_core::stream(client, request).await?;
            let metrics = MetricsMessage::from(reader.metrics());
            let payload = json(&ReadMessage { stat: stat.into(), metrics })?;
            // Negative: nobody tells.
            let extent = reader.length().map_or(-1.0, |length| length as f64);
            let client = through.as_ref().map(|(name, _)| *name);
            let reader = Reading::Bytes(Arc::new(reader));
            let stream = Stream { client, reader, progress };
            Ok(Outcome { value: Value::Stream(stream), extent, payload })
        }
        Request::ReadStream { stream } => {
            let (reader, progress) = streams::stream(handle(stream)?)?;
            let memory = target.ok_or_else(|| Error::internal("a read without memory"))?;
            let extent = reader.read(memory).await?;
            let payload = match extent {
                0 => json(&MetricsMessage::from(reader.metrics()))?,
                _ if progress => json(&MetricsMessage::from(reader.metrics()))?,
                _ => Vec::new(),
            };
            Ok(Outcome { value: Value::None, extent: extent as f64, payload })
        }
        Request::Checksum { source, span, if_match, algorithm, progress, .. } => {
            let request = ChecksumRequest {
                source: source.into(),
                span: span.into(),
                if_match,
                algorithm: algorithm.into(),
                progress: context.progress(progress),
            };
            told(&dipper_core::checksum(client, request).await?)
        }
        Request::OpenLines { .. } | Request::ReadLines { .. } => {
            let client = through.as_ref().map(|(name, client)| (*name, client));
            lines::run(*request, client, target).await
        }
        Request::OpenBatches { .. } | Request::NextBatch { .. } => {
            let client = through.as_ref().map(|(name, client)| (*name, client));
            batches::run(*request, client, context).await
        }
        Request::Stat { source, .. } => {
            let stat = dipper_core::stat(client, &source.into()).await?;
            told(&StatMessage::from(stat))
        }
        _ => Err(Error::internal("not a read")),
    }
}

fn got(got: Got) -> Result<Outcome, Error> {
    Ok(Outcome {
        value: got.buffer.map_or(Value::None, Value::Buffer),
        extent: got.length as f64,
        payload: json(&ReadMessage { stat: got.stat.into(), metrics: got.metrics.into() })?,
    })
}

async fn on_s3(
    request: Box<Request>,
    client: &Arc<Client>,
    body: Option<Arc<Buffer>>,
    context: Context,
) -> Result<Outcome, Error> {
    match *request {
        Request::Put { object, buffer: _, write, progress } => {
            let progress = context.progress(progress);
            let written =
                dipper_core::upload_memory(client, object.into(), body, write.into(), progress);
            told(&WrittenMessage::from(written.await?))
        }
        Request::UploadFile { object, path, write, progress } => {
            let progress = context.progress(progress);
            // A pipe could hang for ever.
            dipper_core::stat(None, &Source::File(PathBuf::from(&path))).await?;
            let (object, path) = (object.into(), path.as_ref());
            let written = dipper_core::upload_file(client, object, path, write.into(), progress);
            told(&WrittenMessage::from(written.await?))
        }
        Request::OpenUpload { object, write, size, scratch, progress } => {
            let through = Handle::from_number(object.client);
            let spill = scratch.map(PathBuf::from);
            let request =
                UploadRequest { object: object.into(), options: write.into(), size, spill };
            let sink = Arc::new(Sink::Object(Upload::open(client, request)?));
            let value = Value::Upload(Open { client: through, sink, progress });
            Ok(Outcome { value, ..Outcome::default() })
        }
        Request::Delete { object, if_match } => {
            dipper_core::delete(client, &object.into(), if_match.as_deref()).await?;
            Ok(Outcome::default())
        }
        Request::DeleteMany { client: _, bucket, objects } => {
            let names = objects.into_iter().map(Into::into).collect();
            let failures = dipper_core::delete_many(client, &bucket, names).await?;
            told(&DeletedMessage::of(failures))
        }
        Request::Tags { object } => told(&dipper_core::tags(client, &object.into()).await?),
        Request::ReplaceTags { object, tags } => {
            dipper_core::replace_tags(client, &object.into(), &tags).await?;
            Ok(Outcome::default())
        }
        Request::Copy {
            object,
            bucket,
            key,
            write,
            replace_metadata,
            replace_tags,
            remove,
            progress,
        } => {
            let options = dipper_core::WriteOptions::from(write);
            let customer_key = match &options.encryption {
                Some(dipper_core::Encryption::Customer(key)) => Some(key.clone()),
                _ => None,
            };
            let request = CopyRequest {
                from: object.into(),
                to: dipper_core::ObjectRef { bucket, key, version_id: None, customer_key },
                options,
                replace_metadata,
                replace_tags,
                remove,
                progress: context.progress(progress),
            };
            told(&StatMessage::from(dipper_core::copy(client, request).await?))
        }
        Request::Presign { object, method, expires_in, write, content_length, response } => {
            let request = dipper_core::PresignRequest {
                object: object.into(),
                method: method.into(),
                expires_in,
                write: write.into(),
                content_length,
                response: response.into(),
            };
            told(&dipper_core::presign(client, request).await?)
        }
        Request::List {
            client: _,
            bucket,
            prefix,
            what,
            delimiter,
            owner,
            place,
            page_size,
            pages,
        } => {
            let (what, place) = (what.into(), place.into());
            let request =
                ListRequest { what, bucket, prefix, delimiter, owner, place, page_size, pages };
            told(&PageMessage::from(dipper_core::list(client, request).await?))
        }
        Request::Diagnose { bucket, key, .. } => {
            told(&DiagnosisMessage::from(dipper_core::diagnose(client, &bucket, &key).await))
        }
        Request::AbortIncomplete { object, upload_id } => {
            dipper_core::abort_upload(client, &object.into(), &upload_id).await?;
            Ok(Outcome::default())
        }
        Request::Buckets { .. } => {
            let buckets = dipper_core::buckets(client).await?;
            told(&buckets.into_iter().map(BucketMessage::from).collect::<Vec<_>>())
        }
        Request::CreateBucket { bucket, versioning, .. } => {
            dipper_core::create_bucket(client, &bucket, versioning.unwrap_or(false)).await?;
            Ok(Outcome::default())
        }
        Request::DeleteBucket { bucket, .. } => {
            dipper_core::delete_bucket(client, &bucket).await?;
            Ok(Outcome::default())
        }
        Request::BucketRegion { bucket, .. } => {
            let region = dipper_core::bucket_region(client, &bucket).await?;
            told(&RegionMessage { region })
        }
        _ => Err(Error::internal("not an S3 operation")),
    }
}

async fn on_files(
    request: Box<Request>,
    through: Option<(Handle, Arc<Client>)>,
    body: Option<Arc<Buffer>>,
    context: Context,
) -> Result<Outcome, Error> {
    let existing = |exclusive| if exclusive { Existing::Refuse } else { Existing::Replace };
    let (stat, metrics) = match *request {
        Request::OpenFile { path, exclusive, progress, .. } => {
            let client = through.as_ref().map(|(_, client)| client.as_ref());
            let file = FileUpload::open(client, path.as_ref(), existing(exclusive)).await?;
            let client = through.map(|(name, _)| name);
            let value = Value::Upload(Open { client, sink: Arc::new(Sink::File(file)), progress });
            return Ok(Outcome { value, ..Outcome::default() });
        }
        Request::WriteFile { path, exclusive, progress, .. } => {
            let progress = context.progress(progress);
            dipper_core::write_file(path.as_ref(), existing(exclusive), body, progress).await?
        }
        Request::CopyFile { from, to, exclusive, progress, .. } => {
            let progress = context.progress(progress);
            let (from, to) = (from.as_ref(), to.as_ref());
            dipper_core::copy_file(from, to, existing(exclusive), progress).await?
        }
        Request::MoveFile { from, to, exclusive, progress, .. } => {
            let progress = context.progress(progress);
            let (from, to) = (from.as_ref(), to.as_ref());
            dipper_core::move_file(from, to, existing(exclusive), progress).await?
        }
        Request::DeleteFile { path, .. } => {
            dipper_core::delete_file(path.as_ref()).await?;
            return Ok(Outcome::default());
        }
        _ => return Err(Error::internal("not a change of files")),
    };
    told(&WrittenMessage { stat: stat.into(), metrics: metrics.into() })
}

/// A table that was made, and what is said of it.
pub(crate) fn made<T: Serialize>(table: EmbeddingTable, message: &T) -> Result<Outcome, Error> {
    let extent = table.count() as f64;
    Ok(Outcome { value: Value::Table(Arc::new(table)), extent, payload: json(message)? })
}

pub(crate) fn told<T: Serialize>(message: &T) -> Result<Outcome, Error> {
    Ok(Outcome { payload: json(message)?, ..Outcome::default() })
}

/// How long the end of a program waits for a server.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

pub fn server_stop(server: Handle) -> Result<(), Error> {
    let owned = SERVERS.remove(server).map_err(|_| stale("server"))?;
    let stopped = tokio::time::timeout;
    runtime::handle()?.block_on(async { drop(stopped(LAST_PATIENCE, owned.thing.stop()).await) });
    Ok(())
}

async fn stop_server(server: f64) -> Result<Outcome, Error> {
    let owned = SERVERS.remove(handle(server)?).map_err(|_| stale("server"))?;
    owned.thing.stop().await;
    Ok(Outcome::default())
}

async fn start_server(directory: Option<String>, port: u16) -> Result<Outcome, Error> {
    let options = Options { directory: directory.map(PathBuf::from), port };
    let server = Server::start(options).await.map_err(|error| {
        Error::invalid(error.to_string()).hint("choose another directory or port")
    })?;
    let message = LocalS3Message {
        endpoint: server.endpoint().to_owned(),
        region: server.region().to_owned(),
        access_key_id: server.access_key_id().to_owned(),
        secret_access_key: server.secret_access_key().to_owned(),
    };
    let payload = json(&message)?;
    Ok(Outcome { value: Value::Server(Box::new(server)), extent: 0.0, payload })
}
