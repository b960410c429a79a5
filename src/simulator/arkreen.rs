//! A strict simulated endpoint on loopback: it accepts reports as Arkreen does, and records each violation of its rules.
//!
//! ```no_run
//! # use arkmeter::simulator::arkreen::{Arkreen, EndpointBehaviour};
//! # async fn example(client: arkmeter::units::ClientId) -> std::io::Result<()> {
//! let token = format!("0x{}", "1".repeat(64));
//! let arkreen = Arkreen::start(&token, [client])?;
//! arkreen.behave(EndpointBehaviour::RateLimited { retry_after: Some("7".into()) });
//! // ... an account whose url is arkreen.url() reports ...
//! assert!(arkreen.violations().is_empty());
//! # Ok(()) }
//! ```

mod answer;
mod check;
#[cfg(test)]
mod direct;
mod server;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use url::Url;

use crate::units::{ClientId, MilliwattHours, Milliwatts};

/// How many calls and violations are kept; older ones are dropped.
const MAX_KEPT: usize = 10_000;
/// How many events a slow receiver may be behind.
const EVENT_CAPACITY: usize = 1024;

/// A running simulated endpoint. It stops when it is dropped.
#[derive(Debug)]
pub struct Arkreen {
    url: Url,
    shared: EndpointShared,
    task: JoinHandle<()>,
}

/// One HTTP call as received.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedCall {
    /// True for a JSON array, of one entry or more.
    pub batch: bool,
    /// The reports of the call.
    pub entries: Vec<PostedEntry>,
    /// The HTTP status of the response; `None` if the connection was closed instead.
    pub status: Option<u16>,
}

/// One entry of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct PostedEntry {
    /// The JSON-RPC id.
    pub id: u64,
    /// The client that is reported.
    pub client: ClientId,
    /// The reported power.
    pub power: Milliwatts,
    /// The reported energy.
    pub energy: MilliwattHours,
}

/// What happened at the endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum EndpointEvent {
    /// A report was accepted.
    Accepted {
        /// The client that was reported.
        client: ClientId,
        /// The reported power.
        power: Milliwatts,
        /// The reported energy.
        energy: MilliwattHours,
    },
    /// A report was refused.
    Refused {
        /// The client that was reported.
        client: ClientId,
        /// One of Arkreen's error codes.
        code: i64,
    },
    /// A call was answered with a fault that a test had set.
    Misbehaved(EndpointBehaviour),
    /// The reporter broke a rule.
    Violation(String),
}

/// How the endpoint answers a call. The figures are not accepted, unless the text says so.
#[derive(Clone, Debug, PartialEq)]
pub enum EndpointBehaviour {
    /// As Arkreen does.
    Normal,
    /// Status 200 with an HTML page.
    Html,
    /// The correct response, cut in the middle of its body. The figures are accepted.
    Truncated,
    /// Status 200 with a body longer than this number of bytes.
    Huge(usize),
    /// The correct response after this time. The figures are accepted at once.
    Slow(Duration),
    /// The correct response byte by byte, one in each interval. The figures are accepted at once.
    Trickle(Duration),
    /// This status without a body.
    Empty(u16),
    /// A result for other ids. The figures are accepted.
    WrongId,
    /// The correct response with ids as text. The figures are accepted.
    TextId,
    /// Each response twice, as a result and as an error.
    Contradictory,
    /// Responses with neither result nor error.
    Hollow,
    /// Status 429.
    RateLimited {
        /// The value of the Retry-After header.
        retry_after: Option<String>,
    },
    /// This status with an HTML page.
    Status(u16),
    /// Status 307 to this address.
    Redirect(String),
    /// One JSON-RPC error object, also for a batch.
    Error {
        /// The HTTP status.
        status: u16,
        /// The error code.
        code: i64,
        /// The error message.
        message: String,
    },
    /// A JSON-RPC error for each entry.
    EntryErrors {
        /// The error code.
        code: i64,
        /// The error message.
        message: String,
    },
    /// For a batch: responses for this number of entries only. The others are not accepted.
    Partial(usize),
    /// For a batch: the response for its first entry, as an object instead of an array. The others are not accepted.
    FirstOnly,
    /// Error 1000 with the token in its message, in capitals.
    EchoToken,
    /// A result other than "OK". The figures are accepted.
    OddResult,
    /// The connection is closed without a response.
    Close,
    /// This status with this body.
    Raw {
        /// The HTTP status.
        status: u16,
        /// The body as it is.
        body: String,
    },
}

impl Arkreen {
    /// Listens on a free port of 127.0.0.1 for these clients and this token (`0x` and 64 hex digits). Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// If no port can be opened.
    pub fn start(token: &str, clients: impl IntoIterator<Item = ClientId>) -> io::Result<Self> {
        Self::listen(token, clients, "http", server::PlainTcp)
    }

    fn listen(
        token: &str,
        clients: impl IntoIterator<Item = ClientId>,
        scheme: &str,
        handshake: impl server::Handshake,
    ) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let host = if scheme == "https" { "localhost" } else { "127.0.0.1" };
        let url = format!("{scheme}://{host}:{}/v1", listener.local_addr()?.port());
        let url = Url::parse(&url).map_err(io::Error::other)?;
        let clients = clients.into_iter().map(|client| (client, None)).collect();
        let shared = EndpointShared(Arc::new(Mutex::new(EndpointState::new(token, clients))));
        let task = tokio::spawn(server::serve(listener, handshake, shared.clone()));
        Ok(Arkreen { url, shared, task })
    }

    /// The address to report to.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// The calls so far, oldest first (the last 10 000).
    pub fn calls(&self) -> Vec<ReceivedCall> {
        self.shared.lock().calls.iter().cloned().collect()
    }

    /// The energy that the endpoint holds; `None` before the first report.
    pub fn energy(&self, client: ClientId) -> Option<MilliwattHours> {
        self.shared.lock().clients.get(&client).copied().flatten()
    }

    /// Holds another energy, as after a report by another program.
    pub fn set_energy(&self, client: ClientId, energy: MilliwattHours) {
        self.shared.lock().clients.insert(client, Some(energy));
    }

    /// Accepts this token from now on, and no other.
    pub fn set_token(&self, token: &str) {
        self.shared.lock().token = token.to_owned();
    }

    /// The violations so far; a test expects none.
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().violations.iter().cloned().collect()
    }

    /// Answers one call this way, after the calls already in the queue.
    pub fn behave(&self, behaviour: EndpointBehaviour) {
        self.shared.lock().once.push_back(behaviour);
    }

    /// Answers every call this way, after the queue of [`Arkreen::behave`]; [`EndpointBehaviour::Normal`] ends it.
    pub fn always(&self, behaviour: EndpointBehaviour) {
        self.shared.lock().always = behaviour;
    }

    /// Answers every batch this way, after the queue of [`Arkreen::behave`]: an endpoint without batches.
    pub fn for_batches(&self, behaviour: EndpointBehaviour) {
        self.shared.lock().for_batches = behaviour;
    }

    /// The events from now on.
    pub fn events(&self) -> broadcast::Receiver<EndpointEvent> {
        self.shared.lock().events.subscribe()
    }
}

impl Drop for Arkreen {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What connections share. No lock is held across an await.
#[derive(Clone, Debug)]
struct EndpointShared(Arc<Mutex<EndpointState>>);

impl EndpointShared {
    fn lock(&self) -> MutexGuard<'_, EndpointState> {
        // A test that panicked while it held the lock has already failed.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct EndpointState {
    token: String,
    clients: BTreeMap<ClientId, Option<MilliwattHours>>,
    in_flight: BTreeSet<ClientId>,
    once: VecDeque<EndpointBehaviour>,
    always: EndpointBehaviour,
    for_batches: EndpointBehaviour,
    calls: VecDeque<ReceivedCall>,
    violations: VecDeque<String>,
    events: broadcast::Sender<EndpointEvent>,
}

impl EndpointState {
    fn new(token: &str, clients: BTreeMap<ClientId, Option<MilliwattHours>>) -> Self {
        EndpointState {
            token: token.to_owned(),
            clients,
            in_flight: BTreeSet::new(),
            once: VecDeque::new(),
            always: EndpointBehaviour::Normal,
            for_batches: EndpointBehaviour::Normal,
            calls: VecDeque::new(),
            violations: VecDeque::new(),
            events: broadcast::Sender::new(EVENT_CAPACITY),
        }
    }

    fn behaviour(&mut self, batch: bool) -> EndpointBehaviour {
        match self.once.pop_front() {
            Some(behaviour) => behaviour,
            None if batch && self.for_batches != EndpointBehaviour::Normal => self.for_batches.clone(),
            None => self.always.clone(),
        }
    }

    /// One of these clients that has a request in flight.
    fn busy(&self, clients: &BTreeSet<ClientId>) -> Option<ClientId> {
        self.in_flight.intersection(clients).next().copied()
    }

    fn violation(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.publish(EndpointEvent::Violation(text.clone()));
        remember(&mut self.violations, text);
    }

    fn publish(&self, event: EndpointEvent) {
        // There may be no receiver.
        let _ = self.events.send(event);
    }
}

fn remember<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == MAX_KEPT {
        list.pop_front();
    }
    list.push_back(item);
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use direct::DirectEndpoint;
#[cfg(test)]
pub(crate) use tests::TestCertificate;
