//! The listening socket and the connections: start, serve, stop.
//!
//! One task accepts; it owns the tasks of the connections, so that ending it ends them. The directory
//! lives as long as the last user of the store and is unlocked, and removed if it is temporary, then.

use crate::credentials::Credentials;
use crate::front::Front;
use crate::host::LocalHost;
use crate::service::{LocalS3, REGION};
use crate::start_error::StartError;
use crate::storage::Store;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::service::S3ServiceBuilder;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long requests in flight may take to end after a stop.
const STOP_TIME: Duration = Duration::from_secs(2);
/// A connection that sends no request for this long is closed.
const IDLE_TIME: Duration = Duration::from_secs(300);

/// How to start a server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the objects lie. It is made if there is none; it may be one that an earlier server used.
    /// `None` is a temporary directory, which is removed when the server stops.
    pub directory: Option<PathBuf>,
    /// The port on 127.0.0.1; 0 is any free one.
    pub port: u16,
}

/// An S3 server on 127.0.0.1. It stops when it is dropped; [`Server::stop`] also waits for that.
pub struct Server {
    endpoint: String,
    credentials: Credentials,
    stop: watch::Sender<bool>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Opens the directory, binds the port and serves on the current tokio runtime.
    ///
    /// # Errors
    /// A [`StartError`] that names the directory or the port.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options { directory, port } = options;
        let credentials = Credentials::random()?;
        let mut seed = [0u8; 8];
        getrandom::getrandom(&mut seed)
            .map_err(|error| StartError::Random { reason: error.to_string() })?;
        // The port first: it fails at once, and reading a large directory takes a moment.
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|source| match source
                .kind()
            {
                io::ErrorKind::AddrInUse => StartError::PortInUse { port },
                _ => StartError::Port { port, source },
            })?;
        let address = listener.local_addr().map_err(|source| StartError::Port { port, source })?;
        let store = tokio::task::spawn_blocking(move || Store::open(directory.as_deref()))
            .await
            .map_err(|error| StartError::Directory {
            path: PathBuf::new(),
            source: io::Error::other(error),
        })??;

        let mut builder = S3ServiceBuilder::new(LocalS3::new(Arc::new(store)));
        builder.set_auth(credentials.clone());
        builder.set_host(LocalHost);
        let front = Arc::new(Front::new(builder.build(), u64::from_le_bytes(seed)));
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, front, stopped));
        Ok(Self {
            endpoint: format!("http://{address}"),
            credentials,
            stop,
            accepting: Some(accepting),
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The region to sign for: `us-east-1`.
    pub fn region(&self) -> &str {
        REGION
    }

    /// The access key's identifier, random for every start.
    pub fn access_key_id(&self) -> &str {
        &self.credentials.access_key_id
    }

    /// The access key's secret, random for every start.
    pub fn secret_access_key(&self) -> &str {
        &self.credentials.secret_access_key
    }

    /// Stops listening, gives requests in flight two seconds to end, closes all connections, and removes
    /// the directory if it was a temporary one.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(accepting) = self.accepting.take() {
            // It only fails when the runtime ends, and then everything is stopped.
            let _ = accepting.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("endpoint", &self.endpoint)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, front: Arc<Front>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(serve(socket, front.clone(), stopped.clone()));
                }
                // Out of file descriptors, most likely; connections that end give some back.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
    drop(listener);
    let ended =
        tokio::time::timeout(STOP_TIME, async { while connections.join_next().await.is_some() {} });
    if ended.await.is_err() {
        connections.shutdown().await;
    }
    // The last user of the store removes its directory; here that may take its time.
    let _ = tokio::task::spawn_blocking(move || drop(front)).await;
}

async fn serve(socket: TcpStream, front: Arc<Front>, mut stopped: watch::Receiver<bool>) {
    // Answers are written whole; waiting for more would only delay them.
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request| {
        let front = front.clone();
        async move { Ok::<_, Infallible>(front.call(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIME)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // A connection that breaks is the client's affair.
        _ = connection.as_mut() => return,
        _ = stopped.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
