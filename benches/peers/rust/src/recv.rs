//! The limit: blocking sockets, one `recv` after the other into the place where the bytes stay,
//! and nothing else. No client that keeps the bytes can do less.
//!
//! Memory is fresh (the kernel has not mapped its pages yet, as in any new buffer of this size),
//! huge (fresh, and the kernel is asked for huge pages) or warm (a whole download went into it
//! before). Over HTTPS, rustls decrypts each record and copies it to its place once.

use std::{
    error::Error,
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    ops::Range,
    sync::Arc,
    thread,
    time::Instant,
};

use memmap2::{Advice, MmapMut};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::{
    job::{Job, Outcome},
    meter::Meter,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub fn run(job: &Job) -> Result<Outcome> {
    match job.case.as_str() {
        "object" => object(job),
        "repeated" => repeated(job),
        "small" => small(job),
        "latency" => latency(job),
        case => Err(format!("recv has no case {case}").into()),
    }
}

fn object(job: &Job) -> Result<Outcome> {
    let mut connections = Connection::several(job)?;
    let mut memory = fresh(job)?;
    if job.memory == "warm" {
        fetch(&mut connections, job, &mut memory)?;
    }
    let meter = Meter::start()?;
    fetch(&mut connections, job, &mut memory)?;
    meter.stop(memory.len(), 1)
}

fn repeated(job: &Job) -> Result<Outcome> {
    let mut connections = Connection::several(job)?;
    let mut memory = fresh(job)?;
    fetch(&mut connections, job, &mut memory)?;
    let meter = Meter::start()?;
    for _ in 0..job.count {
        if job.memory != "warm" {
            memory = fresh(job)?;
        }
        fetch(&mut connections, job, &mut memory)?;
    }
    meter.stop(job.size * job.count, job.count)
}

/// Anonymous memory that nothing has touched.
fn fresh(job: &Job) -> io::Result<MmapMut> {
    let memory = MmapMut::map_anon(job.size)?;
    if job.memory == "huge" {
        memory.advise(Advice::HugePage)?;
    }
    Ok(memory)
}

/// Each connection on a thread of its own, each object into a vector of its own that is kept.
fn small(job: &Job) -> Result<Outcome> {
    let connections = Connection::several(job)?;
    let each = job.count.div_ceil(connections.len());
    let meter = Meter::start()?;
    let kept: Vec<Vec<u8>> = thread::scope(|scope| {
        let threads: Vec<_> = connections
            .into_iter()
            .enumerate()
            .map(|(index, mut connection)| {
                let numbers = index * each..((index + 1) * each).min(job.count);
                scope.spawn(move || {
                    numbers
                        .map(|number| {
                            let mut object = vec![0; job.size];
                            connection.get(job, &job.numbered(number), None, &mut object)?;
                            Ok(object)
                        })
                        .collect::<io::Result<Vec<_>>>()
                })
            })
            .collect();
        let mut kept = Vec::with_capacity(job.count);
        for thread in threads {
            kept.extend(thread.join().map_err(|_| io::Error::other("a thread panicked"))??);
        }
        Ok::<_, io::Error>(kept)
    })?;
    meter.stop(kept.iter().map(Vec::len).sum(), kept.len())
}

fn latency(job: &Job) -> Result<Outcome> {
    let mut connection = Connection::open(job)?;
    let mut times = Vec::with_capacity(job.count);
    for _ in 0..job.count / 10 {
        connection.get(job, &job.key, None, &mut vec![0; job.size])?;
    }
    let meter = Meter::start()?;
    for _ in 0..job.count {
        let start = Instant::now();
        connection.get(job, &job.key, None, &mut vec![0; job.size])?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(meter.stop(job.size * job.count, job.count)?.with_latencies(times))
}

/// One object, in as many ranges as there are connections.
fn fetch(connections: &mut [Connection], job: &Job, memory: &mut [u8]) -> io::Result<()> {
    if let [only] = connections {
        return only.get(job, &job.key, None, memory);
    }
    let each = memory.len().div_ceil(connections.len());
    thread::scope(|scope| {
        let threads: Vec<_> = connections
            .iter_mut()
            .zip(memory.chunks_mut(each))
            .enumerate()
            .map(|(index, (connection, part))| {
                let range = index * each..index * each + part.len();
                scope.spawn(move || connection.get(job, &job.key, Some(range), part))
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| io::Error::other("panicked"))?)
    })
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

struct Connection {
    stream: Box<dyn Stream>,
    head: Vec<u8>,
}

impl Connection {
    fn open(job: &Job) -> io::Result<Self> {
        let (scheme, address) = job
            .endpoint
            .split_once("://")
            .ok_or_else(|| io::Error::other("the endpoint is no URL"))?;
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> =
            if scheme == "https" { Box::new(encrypted(job, stream)?) } else { Box::new(stream) };
        Ok(Self { stream, head: vec![0; 4096] })
    }

    /// As many as the job asks for, each used once.
    fn several(job: &Job) -> io::Result<Vec<Self>> {
        (0..job.parallel.max(1)).map(|_| Self::open(job)).collect()
    }

    /// Fills `place` with an object or a range of it.
    fn get(
        &mut self,
        job: &Job,
        key: &str,
        range: Option<Range<usize>>,
        place: &mut [u8],
    ) -> io::Result<()> {
        let range = range
            .map(|range| format!("Range: bytes={}-{}\r\n", range.start, range.end - 1))
            .unwrap_or_default();
        let request = format!("GET /{}/{key} HTTP/1.1\r\nHost: bench\r\n{range}\r\n", job.bucket);
        self.stream.write_all(request.as_bytes())?;
        self.stream.flush()?;

        let mut filled = 0;
        let end = loop {
            let count = self.stream.read(&mut self.head[filled..])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += count;
            if let Some(at) = self.head[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = String::from_utf8_lossy(&self.head[..end]).to_ascii_lowercase();
        let length: Option<usize> = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        if !head.starts_with("http/1.1 20") || length != Some(place.len()) {
            return Err(io::Error::other(format!("unexpected answer: {head}")));
        }
        let came = &self.head[end..filled];
        place[..came.len()].copy_from_slice(came);
        self.stream.read_exact(&mut place[came.len()..])
    }
}

/// A connection whose handshake is done.
fn encrypted(
    job: &Job,
    mut stream: TcpStream,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&fs::read(&job.ca)?) {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").map_err(io::Error::other)?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    connection.complete_io(&mut stream)?;
    Ok(StreamOwned::new(connection, stream))
}
