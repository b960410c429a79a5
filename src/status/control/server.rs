//! The daemon's end of the control socket.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::Value;
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::socket_file::{SocketFile, SocketFileError};
use super::{COMMAND_MAX, COMMAND_PATH, ControlCommand, ledger, record};
use crate::heartbeat::Heart;
use crate::recorder::Recorder;
use crate::status::routes::{self, Answer};
use crate::status::server::{self, Deadline, Door, HEAD_WITHIN, Handler, RETRY_EVERY};
use crate::status::snapshot::StatusSources;

/// How long the daemon may take for an [`ControlCommand`]: reading every meter of a slow bus once, or a report with its retries.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// Depth of the queue of [`ControlRequest`]: people ask, and one at a time; whoever comes fifth is told to come again.
pub const QUEUE: usize = 4;

/// How long somebody who looks at the history waits for its latest slots.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);

/// What somebody asked for, and where the answer goes. Dropping `reply` says that the daemon cannot do it now.
#[derive(Debug)]
pub struct ControlRequest {
    pub ask: ControlCommand,
    /// The user who asked.
    pub uid: u32,
    pub reply: oneshot::Sender<Value>,
}

/// The control socket at `[status] socket`.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    sources: StatusSources,
    asks: mpsc::Sender<ControlRequest>,
    recorder: Recorder,
}

impl ControlSocket {
    /// `asks` goes to the daemon, [`QUEUE`] deep.
    pub fn new(path: PathBuf, sources: StatusSources, asks: mpsc::Sender<ControlRequest>, recorder: Recorder) -> Self {
        ControlSocket { path, sources, asks, recorder }
    }

    /// Serves until `shutdown` says true or its sender is dropped, and removes the socket's file; so does dropping this future.
    ///
    /// Where the socket cannot be made that is said once and tried again; the daemon runs on.
    pub async fn run(self, mut heart: Heart, mut shutdown: watch::Receiver<bool>) {
        let mut refused = false;
        let (listener, _place) = loop {
            match SocketFile::take(&self.path).await {
                Ok(taken) => break taken,
                Err(error) if !refused => self.complain(&error),
                Err(_) => {}
            }
            refused = true;
            if server::told_to_stop(RETRY_EVERY, &mut heart, &mut shutdown).await {
                return;
            }
        };
        match own_uid() {
            Ok(own_uid) => {
                let door =
                    Socket { listener, own_uid, sources: self.sources, asks: self.asks, recorder: self.recorder };
                tracing::info!(socket = %self.path.display(), "the control socket is served");
                // A second more than the daemon has: it is the one that says that it took too long.
                let whole = 2 * HEAD_WITHIN + ANSWER_WITHIN + Duration::from_secs(1);
                server::serve(&door, whole, &heart, &mut shutdown).await;
            }
            Err(error) => tracing::warn!(%error, "no control socket: this user's id is not known"),
        }
    }

    fn complain(&self, error: &SocketFileError) {
        let cause = error.source().map(|cause| format!(" ({cause})")).unwrap_or_default();
        let socket = self.path.display();
        tracing::warn!(%socket, "no control socket, `arkmeter status` will not find this daemon: {error}{cause}; tried again every 30 s");
    }
}

/// The kernel tells each end of a socket who made the other: here both are this process.
fn own_uid() -> io::Result<u32> {
    let (here, _there) = UnixStream::pair()?;
    Ok(here.peer_cred()?.uid())
}

struct Socket {
    listener: UnixListener,
    own_uid: u32,
    sources: StatusSources,
    asks: mpsc::Sender<ControlRequest>,
    recorder: Recorder,
}

impl Door for Socket {
    type Stream = UnixStream;
    type Handler = ControlSession;

    async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }

    fn handler(&self, stream: &UnixStream, leave: Deadline) -> ControlSession {
        let (peer, own_uid) = (stream.peer_cred().ok(), self.own_uid);
        let (sources, asks, recorder) = (self.sources.clone(), self.asks.clone(), self.recorder.clone());
        ControlSession { peer, own_uid, sources, asks, recorder, leave }
    }
}

/// Who came through the socket's file mode may look; who may ask is decided here.
#[derive(Clone)]
struct ControlSession {
    peer: Option<UCred>,
    own_uid: u32,
    sources: StatusSources,
    asks: mpsc::Sender<ControlRequest>,
    recorder: Recorder,
    leave: Deadline,
}

impl Handler for ControlSession {
    async fn answer(self, request: Request<Incoming>) -> Answer {
        if *request.method() == Method::GET {
            if ledger::wants_latest_history(request.uri()) {
                self.have_history_written().await;
            }
            if let Some(answer) = ledger::look(request.uri(), &self.sources).await {
                return answer;
            }
        }
        if *request.method() == Method::GET
            && let Some(answer) = record::record(request.uri(), &self.recorder, &self.leave)
        {
            return answer;
        }
        if *request.method() != Method::POST {
            return routes::look(request.method(), request.uri().path(), &self.sources);
        }
        if request.uri().path() != COMMAND_PATH {
            return routes::text(
                StatusCode::NOT_FOUND,
                format!("not found: what the daemon can do is asked at {COMMAND_PATH}\n"),
            );
        }
        let Some(peer) = self.peer.filter(|peer| may_command(peer.uid(), self.own_uid)) else {
            return routes::text(StatusCode::FORBIDDEN, "only root or the daemon's own user may ask for this\n");
        };
        let body = timeout(HEAD_WITHIN, Limited::new(request.into_body(), COMMAND_MAX).collect()).await;
        let Ok(Ok(body)) = body else {
            return routes::text(StatusCode::BAD_REQUEST, "the request's body is too long or did not come\n");
        };
        match serde_json::from_slice(&body.to_bytes()) {
            Ok(ask) => self.ask(ask, &peer).await,
            Err(error) => routes::text(StatusCode::BAD_REQUEST, format!("this cannot be asked for: {error}\n")),
        }
    }
}

impl ControlSession {
    /// Where that cannot be done now, the latest slots are missing from what is looked at, and nothing else.
    async fn have_history_written(&self) {
        let (reply, answer) = oneshot::channel();
        if self.asks.try_send(ControlRequest { ask: ControlCommand::History {}, uid: self.own_uid, reply }).is_ok() {
            let _ = timeout(WRITTEN_WITHIN, answer).await;
        }
    }

    async fn ask(self, ask: ControlCommand, peer: &UCred) -> Answer {
        tracing::info!(uid = peer.uid(), pid = peer.pid(), ?ask, "asked through the control socket");
        let (reply, answer) = oneshot::channel();
        match self.asks.try_send(ControlRequest { ask, uid: peer.uid(), reply }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return routes::text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the daemon is busy with earlier requests: try again later\n",
                );
            }
            Err(TrySendError::Closed(_)) => return stopping(),
        }
        match timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(value)) => routes::json(StatusCode::OK, &value),
            Ok(Err(_)) => stopping(),
            Err(_) => routes::text(StatusCode::GATEWAY_TIMEOUT, "the daemon did not answer within 2 minutes\n"),
        }
    }
}

fn stopping() -> Answer {
    routes::text(StatusCode::SERVICE_UNAVAILABLE, "the daemon cannot do this now: it is stopping or being reloaded\n")
}

/// The group may look at everything but have nothing done.
pub(super) fn may_command(uid: u32, own_uid: u32) -> bool {
    uid == 0 || uid == own_uid
}
