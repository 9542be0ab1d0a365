//! One connection to one broker: a request, then its answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use dipper_wire::Url;
use dipper_wire::kafka::{Api, SpokenVersions, correlation_of, spoken_versions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::failure::malformed;
use crate::buffer::Account;
use crate::gate::Gate;
use crate::get::patiently;
use crate::plane::{ExchangeError, connect};
use crate::sdk_error::{exchange_error, not_allowed};
use crate::{Client, Error, Status};

/// The first batch of an answer comes whole, whatever its size; so far it is taken.
pub(super) const MOST_OF_AN_ANSWER: usize = 128 << 20;

/// An answer, which counts as memory that is held.
struct Counted {
    bytes: Vec<u8>,
    _account: Account,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Where a broker is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    fn url(&self) -> Url {
        Url { tls: false, host: self.host.clone(), port: self.port, target: String::new() }
    }

    /// `name:port`, as `--allow-net` spells it.
    pub(super) fn name(&self) -> String {
        self.url().host_and_port()
    }

    /// As messages name it.
    pub(super) fn place(&self) -> String {
        format!("the Kafka broker {}", self.name())
    }
}

/// An open connection. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Broker {
    socket: TcpStream,
    pub(super) place: String,
    correlation: i32,
    client: Arc<Client>,
    stall: Duration,
    /// Whether it answered anything yet.
    answered: bool,
}

impl Broker {
    /// Asks for the permission, connects, and learns that both sides speak the same versions.
    pub(super) async fn open(
        address: &Address,
        client: &Arc<Client>,
        stall: Duration,
    ) -> Result<Self, Error> {
        let name = address.name();
        let admitted = match Gate::current() {
            Some(gate) => gate.admits(&name).await,
            None => false,
        };
        if !admitted {
            return Err(not_allowed(&name));
        }
        let place = address.place();
        let socket = timeout(client.connect_timeout(), connect(&address.url()))
            .await
            .unwrap_or(Err(ExchangeError::ConnectTimeout))
            .map_err(|error| exchange_error(error, &place))?;
        socket
            .set_nodelay(true)
            .map_err(|error| exchange_error(ExchangeError::Connect(error), &place))?;
        let client = Arc::clone(client);
        let mut broker = Self { socket, place, correlation: 0, client, stall, answered: false };
        broker.agree().await?;
        Ok(broker)
    }

    async fn agree(&mut self) -> Result<(), Error> {
        let body = self.ask(spoken_versions, Duration::ZERO).await?;
        let spoken = SpokenVersions::parse(&body).map_err(|why| malformed(&self.place, why))?;
        if spoken.error != 0 {
            return Err(malformed(&self.place, "it does not say which versions it speaks"));
        }
        for api in Api::NEEDED {
            let ours = api.version();
            let theirs = spoken.of(api);
            if !theirs.is_some_and(|(first, last)| (first..=last).contains(&ours)) {
                let theirs = theirs
                    .map_or("no version".to_owned(), |(first, last)| format!("{first} to {last}"));
                return Err(Error::new(
                    Status::Unsupported,
                    format!(
                        "{} and dipper do not understand each other: of the request {api:?} it \
                         speaks {theirs}, and dipper {ours}",
                        self.place
                    ),
                )
                .hint("dipper reads from brokers since Kafka 2.1"));
            }
        }
        Ok(())
    }

    /// Sends a request and gives the body of its answer. The broker may hold it back for a
    /// while.
    pub(super) async fn ask(
        &mut self,
        request: impl FnOnce(i32) -> Vec<u8>,
        held_back: Duration,
    ) -> Result<Bytes, Error> {
        self.correlation = self.correlation.wrapping_add(1) & i32::MAX;
        let frame = request(self.correlation);
        let stall = self.stall;
        match timeout(stall, self.socket.write_all(&frame)).await {
            Err(_) => return Err(self.stalled()),
            Ok(sent) => sent.map_err(|error| self.broken(&error.to_string()))?,
        }
        let mut head = [0; 4];
        match timeout(held_back.saturating_add(stall), self.socket.read_exact(&mut head)).await {
            Err(_) => return Err(self.stalled()),
            Ok(Err(error)) => return Err(self.closed(&error)),
            Ok(Ok(_)) => {}
        }
        let length = self.length(head)?;
        // Whoever has to wait for memory lets the broker wait.
        let bytes = length as u64;
        let tickets = patiently(Box::pin(self.client.reserve(bytes)), bytes).await?;
        let account = Account::open(length, tickets);
        let mut answer = Vec::new();
        answer
            .try_reserve_exact(length)
            .map_err(|_| Error::new(Status::OutOfMemory, "no memory for records of Kafka"))?;
        while answer.len() < length {
            let left = length - answer.len();
            let mut room = (&mut answer).limit(left);
            match timeout(stall, self.socket.read_buf(&mut room)).await {
                Err(_) => return Err(self.stalled()),
                Ok(Err(error)) => return Err(self.broken(&error.to_string())),
                Ok(Ok(0)) => return Err(self.broken("it ends in the middle of an answer")),
                Ok(Ok(_)) => {}
            }
        }
        let answer = Bytes::from_owner(Counted { bytes: answer, _account: account });
        let (correlation, body) =
            correlation_of(&answer).map_err(|why| malformed(&self.place, why))?;
        if correlation != self.correlation {
            return Err(malformed(&self.place, "it answers another request"));
        }
        self.answered = true;
        Ok(answer.slice_ref(body))
    }

    fn length(&self, head: [u8; 4]) -> Result<usize, Error> {
        if !self.answered && head.starts_with(&[0x15, 3]) {
            return Err(self.needs_tls());
        }
        usize::try_from(i32::from_be_bytes(head))
            .ok()
            .filter(|length| (4..=MOST_OF_AN_ANSWER).contains(length))
            .ok_or_else(|| match self.answered {
                false => malformed(&self.place, "it is not one of Kafka's"),
                true => malformed(&self.place, "it has an impossible length"),
            })
    }

    fn needs_tls(&self) -> Error {
        Error::new(Status::Unsupported, format!("{} speaks TLS, and dipper does not", self.place))
            .hint("read from a listener with the protocol PLAINTEXT")
    }

    fn stalled(&self) -> Error {
        exchange_error(ExchangeError::Stalled(self.stall), &self.place)
    }

    fn broken(&self, cause: &str) -> Error {
        let message = format!("the connection to {} broke: {cause}", self.place);
        Error::new(Status::ConnectionBroken, message).hint("look whether the broker still runs")
    }

    fn closed(&self, error: &std::io::Error) -> Error {
        let hint = if self.answered {
            "look whether the broker still runs; a listener with SASL also hangs up, and dipper \
             reads only from those without"
        } else {
            "check that the address is that of a Kafka broker's listener without TLS"
        };
        self.broken(&error.to_string()).hint(hint)
    }
}
