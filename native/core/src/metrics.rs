//! What an operation did: counted while it runs, read at any time.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use dipper_wire::Algorithm;

/// Which way the bodies took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// From the socket into the destination.
    #[default]
    Direct,
    /// Through the SDK's own client.
    Sdk,
    /// Through a general HTTP client.
    Http,
    /// From a file.
    File,
}

/// What an operation did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Bytes that arrived where they belong.
    pub bytes: u64,
    /// Bodies that were asked for, whole or in part.
    pub parts: u32,
    /// Requests that were sent again, after a failure.
    pub retries: u32,
    /// Seconds from the start to the first byte of a body.
    pub time_to_first_byte: f64,
    /// Connections that were opened.
    pub connections_opened: u32,
    /// Requests that were sent.
    pub requests: u32,
    /// What the requests cost, in US dollars, at the list price of S3 Standard in us-east-1
    /// (0.0004 for 1,000 GET or HEAD requests, 0.005 for 1,000 that write or list; transfer
    /// is not counted).
    pub estimated_cost: f64,
    /// Bytes that were copied in user space on their way to the result.
    pub copies: u64,
    /// Which way the bodies took.
    pub transport: Transport,
    /// What the bytes were verified with.
    pub verified: Option<Algorithm>,
}

impl Metrics {
    /// Adds what a later read of the same operation took. The first byte stays the first.
    pub fn add(&mut self, later: &Self) {
        self.bytes += later.bytes;
        self.parts += later.parts;
        self.retries += later.retries;
        self.connections_opened += later.connections_opened;
        self.requests += later.requests;
        self.estimated_cost += later.estimated_cost;
        self.copies += later.copies;
        // Pieces of an object are no whole that a checksum is known of.
        self.verified = None;
    }
}

/// <https://aws.amazon.com/s3/pricing/>, S3 Standard, us-east-1.
const DOLLARS_FOR_A_READ: f64 = 0.0004 / 1000.0;
const DOLLARS_FOR_A_WRITE: f64 = 0.005 / 1000.0;

/// Counts for one operation, from many tasks.
#[derive(Debug)]
pub(crate) struct Meter {
    started: Instant,
    bytes: AtomicU64,
    parts: AtomicU32,
    retries: AtomicU32,
    /// Nanoseconds after the start; 0 before the first byte.
    first_byte: AtomicU64,
    connections: AtomicU32,
    requests: AtomicU32,
    /// Requests that S3 charges for.
    charged: AtomicU32,
    /// Requests that write, which cost more.
    writes: AtomicU32,
    /// Whether a request went out again because no answer to it began.
    resent: AtomicBool,
    copies: AtomicU64,
    transport: AtomicU8,
    verified: AtomicU8,
}

const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Crc64Nvme, Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Sha1, Algorithm::Sha256];
const TRANSPORTS: [Transport; 4] =
    [Transport::Direct, Transport::Sdk, Transport::Http, Transport::File];

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            bytes: AtomicU64::new(0),
            parts: AtomicU32::new(0),
            retries: AtomicU32::new(0),
            first_byte: AtomicU64::new(0),
            connections: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            charged: AtomicU32::new(0),
            writes: AtomicU32::new(0),
            resent: AtomicBool::new(false),
            copies: AtomicU64::new(0),
            transport: AtomicU8::new(0),
            verified: AtomicU8::new(u8::MAX),
        }
    }

    pub(crate) fn arrived(&self, bytes: usize) {
        if self.bytes.fetch_add(bytes as u64, Ordering::Relaxed) == 0
            && self.first_byte.load(Ordering::Relaxed) == 0
        {
            let nanoseconds = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.first_byte.store(nanoseconds.max(1), Ordering::Relaxed);
        }
    }

    /// Bytes that have to come again.
    pub(crate) fn lost(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn part(&self) {
        self.parts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn request(&self, charged: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.charged.fetch_add(u32::from(charged), Ordering::Relaxed);
    }

    /// A request that writes: PUT, POST, COPY and LIST cost the same.
    pub(crate) fn write_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes over what one of several writes did, but for its bytes.
    pub(crate) fn wrote(&self, other: &Metrics) {
        self.parts.fetch_add(other.parts, Ordering::Relaxed);
        self.retries.fetch_add(other.retries, Ordering::Relaxed);
        self.connections.fetch_add(other.connections_opened, Ordering::Relaxed);
        self.requests.fetch_add(other.requests, Ordering::Relaxed);
        self.writes.fetch_add(other.requests, Ordering::Relaxed);
        self.copied(usize::try_from(other.copies).unwrap_or(usize::MAX));
        self.took(other.transport);
    }

    /// A request goes out again, and a server may have seen it before.
    pub(crate) fn resent(&self) {
        self.resent.store(true, Ordering::Relaxed);
    }

    pub(crate) fn was_resent(&self) -> bool {
        self.resent.load(Ordering::Relaxed)
    }

    pub(crate) fn copied(&self, bytes: usize) {
        self.copies.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The less direct way stays, when an operation took both.
    pub(crate) fn took(&self, transport: Transport) {
        self.transport.fetch_max(transport as u8, Ordering::Relaxed);
    }

    pub(crate) fn verified(&self, algorithm: Algorithm) {
        let index = ALGORITHMS.iter().position(|other| *other == algorithm).unwrap_or(255);
        self.verified.store(u8::try_from(index).unwrap_or(u8::MAX), Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(crate) fn read(&self) -> Metrics {
        let index = |number: &AtomicU8| usize::from(number.load(Ordering::Relaxed));
        Metrics {
            bytes: self.bytes(),
            parts: self.parts.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            time_to_first_byte: self.first_byte.load(Ordering::Relaxed) as f64 / 1e9,
            connections_opened: self.connections.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            estimated_cost: f64::from(self.charged.load(Ordering::Relaxed)) * DOLLARS_FOR_A_READ
                + f64::from(self.writes.load(Ordering::Relaxed)) * DOLLARS_FOR_A_WRITE,
            copies: self.copies.load(Ordering::Relaxed),
            transport: TRANSPORTS.get(index(&self.transport)).copied().unwrap_or_default(),
            verified: ALGORITHMS.get(index(&self.verified)).copied(),
        }
    }
}
