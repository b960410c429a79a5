//! The client's end of the control socket, for the commands: one request, bounded in size and time.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::server::ANSWER_WITHIN;
use super::{COMMAND_PATH, ControlCommand};
use crate::text;

/// The longest time for a document.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// The most bytes of an answer: the status of ten thousand meters takes 15 MB, and each may have faults to tell.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// Why the daemon did not answer, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no socket, or no process behind it.
    #[error("no arkmeter daemon answers at {socket}: start it with `systemctl start arkmeter`", socket = .0.display())]
    NoDaemon(PathBuf),
    /// The socket's file mode excludes this user.
    #[error("this user may not talk to the daemon at {socket}: run it with sudo, or join the group arkmeter (sudo usermod -aG arkmeter $USER) and log in again", socket = .0.display())]
    NotAllowed(PathBuf),
    /// A member of the group sent a command.
    #[error("only root can issue this command to the daemon: run it with sudo")]
    OnlyRoot,
    /// The daemon is stuck.
    #[error("the daemon did not answer within {within} s: see `journalctl -u arkmeter`", within = .0.as_secs())]
    TooLate(Duration),
    /// The daemon's own text.
    #[error("the daemon refused: {0}")]
    Refused(String),
    /// The connection or the answer broke.
    #[error("the connection to the daemon failed: try again, or see `journalctl -u arkmeter`")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The answer of the daemon at `socket` to a GET of `path` (`/status.json`, `/metrics`, `/healthz`, ...).
///
/// # Errors
/// No daemon, no permission, no answer within 10 s, or an answer other than 200.
pub async fn get(socket: &Path, path: &str) -> Result<Vec<u8>, ControlError> {
    within(READ_WITHIN, async { Exchange::begin(socket, Method::GET, path, Empty::new()).await?.whole().await }).await
}

/// Sends a command to the daemon at `socket` and returns its answer.
///
/// # Errors
/// No daemon, no permission, no answer within [`ANSWER_WITHIN`] and 10 s, or an answer other than 200.
pub async fn post(socket: &Path, command: &ControlCommand) -> Result<serde_json::Value, ControlError> {
    let body = serde_json::to_vec(command).map_err(other)?;
    let exchange =
        async { Exchange::begin(socket, Method::POST, COMMAND_PATH, Full::new(body.into())).await?.whole().await };
    let answer = within(ANSWER_WITHIN + READ_WITHIN, exchange).await?;
    serde_json::from_slice(&answer).map_err(other)
}

/// Passes the answer of the daemon at `socket` to a GET of `path` to `take` as it comes, for as long as `take` returns true.
///
/// # Errors
/// No daemon, no permission, or an answer other than 200. There is no time limit.
pub async fn stream(socket: &Path, path: &str, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), ControlError> {
    let mut exchange = Exchange::begin(socket, Method::GET, path, Empty::new()).await?;
    while let Some(frame) = exchange.body.frame().await {
        if frame.map_err(other)?.data_ref().is_some_and(|bytes| !take(bytes)) {
            break;
        }
    }
    Ok(())
}

/// A request that was answered with 200, whose body is still to be read.
pub(super) struct Exchange {
    pub(super) body: Incoming,
    /// The task that moves the bytes; it ends with this exchange.
    _connection: JoinSet<hyper::Result<()>>,
}

impl Exchange {
    pub(super) async fn begin<B>(socket: &Path, method: Method, path: &str, body: B) -> Result<Self, ControlError>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let stream = UnixStream::connect(socket).await.map_err(|error| unreached(socket, error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(other)?;
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let request = Request::builder().method(method).uri(path).header(HOST, "arkmeter").body(body);
        let (head, body) = sender.send_request(request.map_err(other)?).await.map_err(other)?.into_parts();
        let exchange = Exchange { body, _connection: connections };
        match head.status {
            StatusCode::OK => Ok(exchange),
            StatusCode::FORBIDDEN => Err(ControlError::OnlyRoot),
            _ => {
                let text = exchange.whole().await?;
                Err(ControlError::Refused(text::foreign(String::from_utf8_lossy(&text).trim_end(), 200)))
            }
        }
    }

    async fn whole(self) -> Result<Vec<u8>, ControlError> {
        let body = Limited::new(self.body, ANSWER_MAX).collect().await.map_err(ControlError::Other)?;
        Ok(body.to_bytes().into())
    }
}

pub(super) async fn within<T>(
    most: Duration,
    exchange: impl Future<Output = Result<T, ControlError>>,
) -> Result<T, ControlError> {
    timeout(most, exchange).await.unwrap_or(Err(ControlError::TooLate(most)))
}

pub(super) fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ControlError {
    ControlError::Other(error.into())
}

pub(super) fn unreached(socket: &Path, error: io::Error) -> ControlError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ControlError::NoDaemon(socket.to_owned()),
        io::ErrorKind::PermissionDenied => ControlError::NotAllowed(socket.to_owned()),
        _ => other(error),
    }
}
