//! A server for tests that takes uploads in parts and remembers all of it. It has no minimum for
//! a part, so a large upload can be made small.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::gate::{Answer, Gate, Gatekeeper, Need};
use crate::{Client, ClientOptions, CredentialsOption, ObjectRef};

/// What happens to the first requests for a part.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// The connection is cut after so many bytes of the body.
    Reset(usize),
    /// Nothing more is read after so many.
    Stall(usize),
    /// The server is busy: told when all of the body came.
    Busy,
    /// The server is busy: told after so many bytes of the body, and the rest is not read.
    BusyEarly(usize),
}

/// What a server was sent.
#[derive(Default)]
pub(super) struct Told {
    /// By number.
    pub(super) parts: BTreeMap<u64, Vec<u8>>,
    /// What came as a whole.
    pub(super) whole: Option<Vec<u8>>,
    /// The numbers that the completion names, in its order.
    pub(super) completed: Option<Vec<u64>>,
    pub(super) aborted: usize,
    /// Requests for parts, with those that failed.
    pub(super) tries: usize,
    faults: Vec<(u64, Fault, usize)>,
}

impl Told {
    /// The bytes of the parts, one after the other.
    pub(super) fn content(&self) -> Vec<u8> {
        self.parts.values().flatten().copied().collect()
    }

    fn fault(&mut self, number: u64) -> Option<Fault> {
        let (_, fault, left) = self.faults.iter_mut().find(|(at, ..)| *at == number)?;
        let now = *fault;
        *left = left.checked_sub(1)?;
        Some(now)
    }
}

type OnPart = Box<dyn Fn(u64) + Send + Sync>;

struct Shared {
    told: Mutex<Told>,
    on_part: OnPart,
}

pub(super) struct PartServer {
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
    endpoint: String,
}

impl Drop for PartServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl PartServer {
    pub(super) async fn start() -> Self {
        Self::with(Vec::new(), |_| {}).await
    }

    /// With faults: which part, what happens to it, and how often; and with what is done when a
    /// part has come.
    pub(super) async fn with(
        faults: Vec<(u64, Fault, usize)>,
        on_part: impl Fn(u64) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let told = Mutex::new(Told { faults, ..Told::default() });
        let shared = Arc::new(Shared { told, on_part: Box::new(on_part) });
        let serving = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&shared)));
                }
            }
        });
        Self { shared, serving, endpoint }
    }

    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.shared.told.lock().unwrap()
    }

    pub(super) fn client(&self, options: ClientOptions) -> Arc<Client> {
        let client = Client::new(ClientOptions {
            endpoint: Some(self.endpoint.clone()),
            region: Some("us-east-1".to_owned()),
            credentials: CredentialsOption::Anonymous,
            ..options
        });
        Arc::new(client.unwrap())
    }

    pub(super) fn object() -> ObjectRef {
        ObjectRef {
            bucket: "bucket".to_owned(),
            key: "key".to_owned(),
            version_id: None,
            customer_key: None,
        }
    }
}

struct Everything;

impl Gatekeeper for Everything {
    fn ask(&self, _: Need) -> Answer {
        Box::pin(async { true })
    }
}

/// Runs an operation that may reach everything.
pub(super) async fn allowed<T>(work: impl Future<Output = T>) -> T {
    Gate::new(Arc::new(Everything), []).around(work).await
}

/// Whether the connection goes on.
type Goes = std::io::Result<bool>;

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut read = Vec::new();
    while matches!(answer(&mut stream, &mut read, &shared).await, Ok(true)) {}
}

async fn answer(stream: &mut TcpStream, read: &mut Vec<u8>, shared: &Shared) -> Goes {
    let head = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            break String::from_utf8(std::mem::replace(read, rest)).unwrap();
        }
        if stream.read_buf(read).await? == 0 {
            return Ok(false);
        }
    };
    let length = head.to_lowercase().lines().find_map(|line| {
        line.strip_prefix("content-length:").map(|text| text.trim().parse::<usize>().unwrap())
    });
    let length = length.unwrap_or(0);
    let line = head.lines().next().unwrap().to_owned();
    let number = line.split_once("partNumber=").map(|(_, rest)| {
        let digits = rest.split(|byte: char| !byte.is_ascii_digit()).next().unwrap();
        digits.parse::<u64>().unwrap()
    });
    let fault = number.and_then(|number| {
        let mut told = shared.told.lock().unwrap();
        told.tries += 1;
        told.fault(number)
    });
    let wanted = match fault {
        Some(Fault::Reset(at) | Fault::Stall(at) | Fault::BusyEarly(at)) => at.min(length),
        Some(Fault::Busy) | None => length,
    };
    while read.len() < wanted {
        if stream.read_buf(read).await? == 0 {
            return Ok(false);
        }
    }
    match fault {
        Some(Fault::Reset(_)) => {
            stream.set_zero_linger()?;
            return Ok(false);
        }
        Some(Fault::Stall(_)) => std::future::pending().await,
        Some(Fault::Busy | Fault::BusyEarly(_)) => {
            let text = "<Error><Code>SlowDown</Code><Message>busy</Message></Error>";
            reply(stream, "503 Slow Down", "", text).await?;
            read.drain(..read.len().min(length));
            return Ok(wanted == length);
        }
        None => {}
    }
    let rest = read.split_off(length);
    let body = std::mem::replace(read, rest);
    let query = line.split(' ').nth(1).unwrap_or_default();
    if let Some(number) = number {
        shared.told.lock().unwrap().parts.insert(number, body);
        (shared.on_part)(number);
        reply(stream, "200 OK", &format!("etag: \"part {number}\"\r\n"), "").await?;
    } else if line.starts_with("PUT ") {
        shared.told.lock().unwrap().whole = Some(body);
        reply(stream, "200 OK", "etag: \"whole\"\r\n", "").await?;
    } else if line.starts_with("POST ") && query.contains("uploadId=") {
        let text = String::from_utf8(body).unwrap();
        let numbers = text.split("<Part>").skip(1).map(|part| {
            let (_, number) = part.split_once("<PartNumber>").unwrap();
            let (number, _) = number.split_once("</PartNumber>").unwrap();
            assert!(part.contains(&format!("part {number}&quot;")), "another ETag: {part}");
            number.parse().unwrap()
        });
        shared.told.lock().unwrap().completed = Some(numbers.collect());
        let made = "<CompleteMultipartUploadResult><ETag>\"made\"</ETag>\
            </CompleteMultipartUploadResult>";
        reply(stream, "200 OK", "", made).await?;
    } else if line.starts_with("POST ") {
        let begun = "<InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>key</Key>\
            <UploadId>one</UploadId></InitiateMultipartUploadResult>";
        reply(stream, "200 OK", "", begun).await?;
    } else if line.starts_with("DELETE ") {
        shared.told.lock().unwrap().aborted += 1;
        reply(stream, "204 No Content", "", "").await?;
    } else {
        reply(stream, "404 Not Found", "", "").await?;
    }
    Ok(true)
}

async fn reply(
    stream: &mut TcpStream,
    status: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<()> {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await
}
