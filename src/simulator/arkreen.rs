//! A strict stand-in for Arkreen on loopback: it takes reports as Arkreen does, and notes whatever a reporter must not do.
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
mod server;
#[cfg(test)]
mod tls;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use url::Url;

use crate::units::{ClientId, MilliwattHours, Milliwatts};

/// Calls and violations that are remembered; older ones are forgotten.
const REMEMBERED: usize = 10_000;
/// Events that a slow listener may be behind.
const EVENTS: usize = 1024;

/// A running stand-in. It ends when it is dropped.
#[derive(Debug)]
pub struct Arkreen {
    url: Url,
    shared: EndpointShared,
    task: JoinHandle<()>,
}

/// One HTTP call as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedCall {
    /// An array, of one entry or more.
    pub batch: bool,
    pub entries: Vec<PostedEntry>,
    /// The status that it was answered with; absent when the connection was closed instead.
    pub status: Option<u16>,
}

/// One entry of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct PostedEntry {
    pub id: u64,
    pub client: ClientId,
    pub power: Milliwatts,
    pub energy: MilliwattHours,
}

/// What happened, as it happens.
#[derive(Clone, Debug, PartialEq)]
pub enum EndpointEvent {
    Accepted {
        client: ClientId,
        power: Milliwatts,
        energy: MilliwattHours,
    },
    /// With one of Arkreen's codes.
    Refused {
        client: ClientId,
        code: i64,
    },
    /// The call was answered as [`Arkreen::behave`] asked for.
    Misbehaved(EndpointBehaviour),
    Violation(String),
}

/// A way to answer other than Arkreen's. None of them takes the figures, unless it says so.
#[derive(Clone, Debug, PartialEq)]
pub enum EndpointBehaviour {
    /// As Arkreen does: for the queue, between others.
    Normal,
    /// 200 with a page.
    Html,
    /// The right answer, and the figures taken, but cut in the middle of its body.
    Truncated,
    /// 200 with a body that is longer than this.
    Huge(usize),
    /// The right answer after this long; the figures are taken at once.
    Slow(Duration),
    /// The right answer byte by byte, one each so often; the figures are taken at once.
    Trickle(Duration),
    /// 204, or whichever status, without a body.
    Empty(u16),
    /// A result for other ids; the figures are taken.
    WrongId,
    /// The right answer, the figures taken, with ids as text.
    TextId,
    /// Every response twice, once as a result and once as an error.
    Contradictory,
    /// Responses without result and error.
    Hollow,
    /// 429.
    RateLimited { retry_after: Option<String> },
    /// This status with a page.
    Status(u16),
    /// 307 to there.
    Redirect(String),
    /// This JSON-RPC error: one object, also for a batch.
    Error { status: u16, code: i64, message: String },
    /// This JSON-RPC error for each entry.
    EntryErrors { code: i64, message: String },
    /// For a batch: the responses of the first so many entries only; the others are not taken.
    Partial(usize),
    /// For a batch: the response of its first entry, as an object instead of an array; the others are not taken.
    FirstOnly,
    /// 1000, with the token in its message, in capitals.
    EchoToken,
    /// A result that is not "OK"; the figures are taken.
    OddResult,
    /// The connection is closed without an answer.
    Close,
    /// This status with this body.
    Raw { status: u16, body: String },
}

impl Arkreen {
    /// Listens on a free port of 127.0.0.1 and knows these clients under this token (`0x` and 64 hex digits). Needs a tokio runtime.
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

    /// Where to report to.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// The calls so far, oldest first (the last 10 000).
    pub fn calls(&self) -> Vec<ReceivedCall> {
        self.shared.lock().calls.iter().cloned().collect()
    }

    /// The figure that Arkreen would hold now; `None` before the first.
    pub fn energy(&self, client: ClientId) -> Option<MilliwattHours> {
        self.shared.lock().clients.get(&client).copied().flatten()
    }

    /// Holds another figure, as after a report of somebody else.
    pub fn set_energy(&self, client: ClientId, energy: MilliwattHours) {
        self.shared.lock().clients.insert(client, Some(energy));
    }

    /// Accepts another token from now on, and the former no longer.
    pub fn set_token(&self, token: &str) {
        self.shared.lock().token = token.to_owned();
    }

    /// Whatever a caller did that no reporter may do; tests assert that there is nothing.
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().violations.iter().cloned().collect()
    }

    /// Answers one call this way, after those that were asked for before.
    pub fn behave(&self, behaviour: EndpointBehaviour) {
        self.shared.lock().once.push_back(behaviour);
    }

    /// Answers every call this way, after the queue of [`Arkreen::behave`]; [`EndpointBehaviour::Normal`] ends it.
    pub fn always(&self, behaviour: EndpointBehaviour) {
        self.shared.lock().always = behaviour;
    }

    /// Answers every batch this way, after the queue of [`Arkreen::behave`]: an endpoint that knows no batches.
    pub fn for_batches(&self, behaviour: EndpointBehaviour) {
        self.shared.lock().for_batches = behaviour;
    }

    /// What happens from now on.
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
        // A test that panicked with the lock has already failed.
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
            events: broadcast::Sender::new(EVENTS),
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
        self.tell(EndpointEvent::Violation(text.clone()));
        remember(&mut self.violations, text);
    }

    fn tell(&self, event: EndpointEvent) {
        // Nobody has to listen.
        let _ = self.events.send(event);
    }
}

fn remember<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == REMEMBERED {
        list.pop_front();
    }
    list.push_back(item);
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tls::TestCertificate;
