//! The daemon's end of the control socket.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::net::unix::UCred;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::socket_file::{SocketFile, SocketFileError};
use super::{COMMAND_MAX, COMMAND_PATH, ControlCommand, ledger, lending, recording};
use crate::heartbeat::Heart;
use crate::ledger::command::may_change;
use crate::recorder::Recorder;
use crate::status::places::{PlaceLimits, Visitor};
use crate::status::server::{self, Deadline, HEAD_WITHIN, Reception};
use crate::status::snapshot::StatusSources;
use crate::status::views::{self, CachedViews, RENDER_EVERY};
use crate::text::chain;

/// The longest time for a [`ControlCommand`]: reading every meter of a slow bus once, or a report with its retries.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// Connections at a time: commands, a recording, and room for more.
pub(in crate::status) const CONNECTIONS: usize = 32;
/// Depth of the queue of [`ControlRequest`]s: people send them, one at a time. Further requests are refused.
pub const QUEUE: usize = 4;

/// A command that was received, and where its answer goes. Dropping `reply` means that the daemon cannot do it now.
#[derive(Debug)]
pub struct ControlRequest {
    /// What to do.
    pub command: ControlCommand,
    /// The user who sent it.
    pub uid: u32,
    /// Receives the answer.
    pub reply: oneshot::Sender<Value>,
}

/// The control socket at `[status] socket`.
#[derive(Clone, Debug)]
pub struct ControlSocket {
    path: PathBuf,
    pub(super) sources: StatusSources,
    commands: mpsc::Sender<ControlRequest>,
    pub(super) recorder: Recorder,
}

/// One connection: who is at the other end, and what it can reach.
#[derive(Clone)]
pub(super) struct ControlSession {
    peer: Option<UCred>,
    own_uid: u32,
    pub(super) socket: ControlSocket,
    pub(super) deadline: Deadline,
}

/// An answer that is an error, with its text.
pub(super) type Refused = (StatusCode, String);

impl ControlSocket {
    /// `commands` leads to the daemon and is [`QUEUE`] deep.
    pub fn new(
        path: PathBuf,
        sources: StatusSources,
        commands: mpsc::Sender<ControlRequest>,
        recorder: Recorder,
    ) -> Self {
        ControlSocket { path, sources, commands, recorder }
    }

    /// Serves until `shutdown` is true or its sender is dropped, then removes the socket's file. Dropping this future removes it too.
    ///
    /// A socket that cannot be created is logged once and tried again; the daemon runs on.
    pub async fn run(self, mut heart: Heart, mut shutdown: watch::Receiver<bool>) {
        let bind = async || Ok((SocketFile::bind(&self.path).await?, own_uid().map_err(SocketFileError::Other)?));
        let bound = server::open(bind, |error| self.warn(error), &mut heart, &mut shutdown).await;
        let Some(((listener, _file), own_uid)) = bound else { return };
        tracing::info!(socket = %self.path.display(), "the control socket is served");
        let views = |every| CachedViews::new(self.sources.clone(), every);
        let (fresh, shared) = (views(Duration::ZERO), views(RENDER_EVERY));
        let reception = ControlReception { own_uid, socket: self, fresh, shared };
        server::serve(listener, reception, &heart, &mut shutdown).await;
    }

    fn warn(&self, error: &SocketFileError) {
        let socket = self.path.display();
        tracing::warn!(
            %socket,
            "no control socket, `arkmeter status` will not find this daemon: {}; tried again every 30 s",
            chain(error)
        );
    }
}

/// Root and the daemon's own user always find a place, and see every change at once. A user of the group has a quota.
struct ControlReception {
    own_uid: u32,
    socket: ControlSocket,
    fresh: CachedViews,
    shared: CachedViews,
}

impl Reception<UnixStream> for ControlReception {
    // A command may take long, so an answer yields to nobody.
    const PLACES: PlaceLimits = PlaceLimits { all: CONNECTIONS, reserved: 8, each_user: 8, answer_within: None };
    /// One second more than the command may take: then its own answer says that it took too long.
    const MOST: Duration =
        HEAD_WITHIN.saturating_mul(2).saturating_add(ANSWER_WITHIN).saturating_add(Duration::from_secs(1));

    fn visitor(&self, stream: &UnixStream) -> Visitor {
        match stream.peer_cred() {
            Ok(peer) if may_change(peer.uid(), self.own_uid) => Visitor::Privileged,
            Ok(peer) => Visitor::User(peer.uid()),
            Err(_) => Visitor::Anybody,
        }
    }

    fn router(&self, stream: &UnixStream, deadline: Deadline) -> Router {
        let privileged = self.visitor(stream) == Visitor::Privileged;
        let views = if privileged { &self.fresh } else { &self.shared };
        let (peer, socket) = (stream.peer_cred().ok(), self.socket.clone());
        router(ControlSession { peer, own_uid: self.own_uid, socket, deadline }, views)
    }

    fn idle(&self) {
        self.fresh.forget();
        self.shared.forget();
    }
}

/// The kernel gives each end of a socket the user of the other end. Here both ends belong to this process.
fn own_uid() -> io::Result<u32> {
    let (here, _there) = UnixStream::pair()?;
    Ok(here.peer_cred()?.uid())
}

/// Everything that the control socket answers. The socket's file mode decides who can connect, and so read; commands check the peer.
fn router(session: ControlSession, views: &CachedViews) -> Router {
    let router = Router::new()
        .route(COMMAND_PATH, post(command))
        .route(ledger::SHOW, get(ledger::show))
        .route(ledger::JOURNAL, get(ledger::journal))
        .route(ledger::HISTORY, get(ledger::history))
        .route(ledger::BACKUP, get(ledger::backup))
        .route(recording::PATH, get(recording::record))
        .route(lending::PATH, post(lending::lend))
        .with_state(session)
        .merge(views::router(views.clone()))
        .method_not_allowed_fallback(async || {
            (
                StatusCode::NOT_FOUND,
                format!("not found: commands are posted to {COMMAND_PATH}, everything else is read\n"),
            )
        });
    views::with_headers(router)
}

async fn command(State(session): State<ControlSession>, body: Body) -> Result<Response, Refused> {
    let peer = session.check_may_change()?;
    let bad_request = |text: String| (StatusCode::BAD_REQUEST, text);
    let Ok(Ok(body)) = timeout(HEAD_WITHIN, to_bytes(body, COMMAND_MAX)).await else {
        return Err(bad_request("the request's body is too long or did not arrive\n".to_owned()));
    };
    let command: ControlCommand =
        serde_json::from_slice(&body).map_err(|error| bad_request(format!("this is not a command: {error}\n")))?;
    let said = serde_json::to_string(&command).unwrap_or_default();
    tracing::info!(uid = peer.uid(), pid = peer.pid(), command = said, "command through the control socket");
    session.execute(command, peer.uid()).await
}

impl ControlSession {
    /// The peer, if it may change something.
    pub(super) fn check_may_change(&self) -> Result<UCred, Refused> {
        let peer = self.peer.filter(|peer| may_change(peer.uid(), self.own_uid));
        peer.ok_or((StatusCode::FORBIDDEN, "only root or the daemon's own user can issue commands\n".to_owned()))
    }

    async fn execute(&self, command: ControlCommand, uid: u32) -> Result<Response, Refused> {
        let (reply, answer) = oneshot::channel();
        let stopping = || {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the daemon cannot do this now: it is stopping or being reloaded\n".to_owned(),
            )
        };
        self.socket.commands.try_send(ControlRequest { command, uid, reply }).map_err(|error| match error {
            TrySendError::Full(_) => {
                let text = "the daemon is busy with earlier commands: try again later\n";
                (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
            }
            TrySendError::Closed(_) => stopping(),
        })?;
        match timeout(ANSWER_WITHIN, answer).await {
            Ok(answer) => answer.map(|value| views::json(&value)).map_err(|_| stopping()),
            Err(_) => Err((StatusCode::GATEWAY_TIMEOUT, "the daemon did not answer within 2 minutes\n".to_owned())),
        }
    }
}
