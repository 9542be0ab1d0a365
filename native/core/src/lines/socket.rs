//! Sockets as feeds: TCP, and those that a path names.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpStream, UnixStream};

use super::feed::{Feed, NextChunk};
use crate::gate::Gate;
use crate::metrics::Meter;
use crate::sdk_error::not_allowed;
use crate::{Client, Error, Status};

const READ: usize = 128 << 10;

/// A socket that is read to its end.
struct SocketFeed<S> {
    socket: S,
    /// As errors name it.
    shown: String,
    /// How long it may be silent, if that is bounded.
    stall: Option<Duration>,
    room: BytesMut,
    meter: Arc<Meter>,
}

/// Connects to a host. Every address that it has is tried.
pub(crate) async fn tcp(
    client: &Client,
    host: &str,
    port: u16,
    stall: Option<Duration>,
    meter: Arc<Meter>,
) -> Result<Box<dyn Feed>, Error> {
    let place =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let shown = format!("tcp://{place}");
    match Gate::current() {
        Some(gate) if gate.admits(&place).await => {}
        _ => return Err(not_allowed(&place).about(shown)),
    }
    let patience = client.connect_timeout();
    let failed = |status, why: String| {
        Error::new(status, format!("{shown} cannot be reached: {why}"))
            .about(shown.as_str())
            .hint("check the address, and that somebody listens there")
    };
    let connected = tokio::time::timeout(patience, TcpStream::connect((host, port))).await;
    let socket = connected
        .map_err(|_| failed(Status::Timeout, format!("nobody answers within {patience:?}")))?
        .map_err(|error| {
            // A name that does not resolve has no number of the system's.
            let status = match error.raw_os_error() {
                Some(_) => Status::ConnectionFailed,
                None => Status::UnknownHost,
            };
            failed(status, error.to_string())
        })?;
    Ok(Box::new(SocketFeed { socket, shown, stall, room: BytesMut::new(), meter }))
}

/// Connects to a socket of this machine.
pub(crate) async fn unix(
    path: &PathBuf,
    stall: Option<Duration>,
    meter: Arc<Meter>,
) -> Result<Box<dyn Feed>, Error> {
    let shown = format!("unix://{}", path.display());
    let socket = UnixStream::connect(path).await.map_err(|error| {
        let status = match error.kind() {
            std::io::ErrorKind::NotFound => Status::NotFound,
            std::io::ErrorKind::PermissionDenied => Status::AccessDenied,
            std::io::ErrorKind::InvalidInput => Status::InvalidInput,
            _ => Status::ConnectionFailed,
        };
        Error::new(status, format!("{shown} cannot be reached: {error}"))
            .about(shown.as_str())
            .hint("check the path, and that somebody listens there")
    })?;
    Ok(Box::new(SocketFeed { socket, shown, stall, room: BytesMut::new(), meter }))
}

impl<S: AsyncRead + Unpin + Send> Feed for SocketFeed<S> {
    fn next(&mut self) -> NextChunk<'_> {
        Box::pin(async move {
            self.room.reserve(READ);
            let read = self.socket.read_buf(&mut self.room);
            let came = self.meter.read().bytes;
            let shown = &self.shown;
            let read = match self.stall {
                None => read.await,
                Some(stall) => tokio::time::timeout(stall, read).await.map_err(|_| {
                    let message = format!(
                        "{shown} sent nothing for {} ms, after {came} bytes",
                        stall.as_millis()
                    );
                    Error::new(Status::Stalled, message)
                        .about(shown.as_str())
                        .hint("wait longer with stallTimeout, in milliseconds; 0 waits for ever")
                })?,
            };
            match read {
                Ok(0) => Ok(None),
                Ok(read) => {
                    self.meter.arrived(read);
                    Ok(Some(self.room.split().freeze()))
                }
                Err(error) => Err(Error::new(
                    Status::ConnectionBroken,
                    format!("{shown} broke off after {came} bytes: {error}"),
                )
                .about(shown.as_str())
                .hint("connect again")),
            }
        })
    }
}
