//! Opening a connection: name, address, handshake.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dipper_wire::Url;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::connection::Stream;
use super::pool::ExchangeError;

/// Opens a connection within a time. Every address of the host is tried in turn.
pub(super) async fn dial(
    url: &Url,
    tls: Option<Arc<ClientConfig>>,
    patience: Duration,
) -> Result<Stream, ExchangeError> {
    tokio::time::timeout(patience, open(url, tls))
        .await
        .unwrap_or(Err(ExchangeError::ConnectTimeout))
}

async fn open(url: &Url, tls: Option<Arc<ClientConfig>>) -> Result<Stream, ExchangeError> {
    let socket = connect(url).await?;
    // A request is one write; waiting for more would only delay it.
    socket.set_nodelay(true).map_err(ExchangeError::Connect)?;
    let Some(config) = tls else { return Ok(Stream::Plain(socket)) };
    let name = ServerName::try_from(url.host.clone())
        .map_err(|error| ExchangeError::Tls(error.to_string()))?;
    let stream = TlsConnector::from(config).connect(name, socket).await.map_err(handshake)?;
    Ok(Stream::Tls(Box::new(stream)))
}

fn handshake(error: io::Error) -> ExchangeError {
    match error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
        Some(cause) => ExchangeError::Tls(cause.to_string()),
        None => ExchangeError::Connect(error),
    }
}

/// Opens a socket. Every address of the host is tried in turn.
pub(crate) async fn connect(url: &Url) -> Result<TcpStream, ExchangeError> {
    let addresses: Vec<SocketAddr> = match url.host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, url.port)],
        Err(_) => lookup_host((url.host.as_str(), url.port))
            .await
            .map_err(|_| ExchangeError::UnknownHost)?
            .collect(),
    };
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = error,
        }
    }
    Err(ExchangeError::Connect(failed))
}
