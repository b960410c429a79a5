//! A command's end of the control socket: one request, bounded in size and time.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::server::ANSWER_WITHIN;
use super::{COMMAND_PATH, ControlCommand};
use crate::text;

/// How long the daemon may take to say how it is.
const LOOK_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of an answer: a thousand meters' status.
const ANSWER_MAX: usize = 8 * 1024 * 1024;

/// Why the daemon did not answer, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("no arkmeter daemon answers at {socket}: start it with `systemctl start arkmeter`", socket = .0.display())]
    NoDaemon(PathBuf),
    #[error("this user may not talk to the daemon at {socket}: run as root, or join the group arkmeter", socket = .0.display())]
    NotAllowed(PathBuf),
    /// The group may look but not ask.
    #[error("only root may ask the daemon for this: run as root")]
    OnlyRoot,
    #[error("the daemon did not answer within {within} s: see `journalctl -u arkmeter`", within = .0.as_secs())]
    TooLate(Duration),
    /// What the daemon said.
    #[error("the daemon refused: {0}")]
    Refused(String),
    #[error("the connection to the daemon failed: try again, or see `journalctl -u arkmeter`")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What the daemon at `socket` answers to a GET of `path` (`/status.json`, `/metrics`, `/healthz`).
pub async fn get(socket: &Path, path: &str) -> Result<Vec<u8>, ControlError> {
    exchange(socket, Method::GET, path, Bytes::new(), LOOK_WITHIN).await
}

/// Asks the daemon at `socket` to do something and gives its answer.
pub async fn post(socket: &Path, ask: &ControlCommand) -> Result<serde_json::Value, ControlError> {
    let body = serde_json::to_vec(ask).map_err(|error| ControlError::Other(error.into()))?;
    let answer = exchange(socket, Method::POST, COMMAND_PATH, body.into(), ANSWER_WITHIN + LOOK_WITHIN).await?;
    serde_json::from_slice(&answer).map_err(|error| ControlError::Other(error.into()))
}

/// What the daemon at `socket` answers to a GET of `path` as it comes, for as long as it says more, and `take` takes it: true for more.
pub async fn stream(socket: &Path, path: &str, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), ControlError> {
    let other = |error: Box<dyn std::error::Error + Send + Sync>| ControlError::Other(error);
    let stream = UnixStream::connect(socket).await.map_err(|error| unreached(socket, error))?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| other(error.into()))?;
    let request = Request::builder().uri(path).header(HOST, "arkmeter").body(Full::new(Bytes::new()));
    let request = request.map_err(|error| other(error.into()))?;
    let taken = async move {
        let (head, mut body) = sender.send_request(request).await.map_err(|error| other(error.into()))?.into_parts();
        if head.status != StatusCode::OK {
            let body = Limited::new(body, ANSWER_MAX).collect().await.map_err(other)?.to_bytes();
            return Err(ControlError::Refused(text::foreign(String::from_utf8_lossy(&body).trim_end(), 200)));
        }
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| other(error.into()))?;
            if frame.data_ref().is_some_and(|bytes| !take(bytes)) {
                break;
            }
        }
        Ok(())
    };
    let mut taken = pin!(taken);
    tokio::select! {
        taken = &mut taken => taken,
        // What came before the end is still there to be taken.
        _ = connection => taken.await,
    }
}

async fn exchange(
    socket: &Path,
    method: Method,
    path: &str,
    body: Bytes,
    within: Duration,
) -> Result<Vec<u8>, ControlError> {
    let answered = async {
        let stream = UnixStream::connect(socket).await.map_err(|error| unreached(socket, error))?;
        call(stream, method, path, body).await.map_err(ControlError::Other)
    };
    let (status, body) = timeout(within, answered).await.map_err(|_| ControlError::TooLate(within))??;
    match status {
        StatusCode::OK => Ok(body),
        StatusCode::FORBIDDEN => Err(ControlError::OnlyRoot),
        _ => Err(ControlError::Refused(text::foreign(String::from_utf8_lossy(&body).trim_end(), 200))),
    }
}

async fn call(
    stream: UnixStream,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Vec<u8>), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder().method(method).uri(path).header(HOST, "arkmeter").body(Full::new(body))?;
    let answer = async move {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await?.to_bytes();
        Ok((head.status, body.into()))
    };
    // The connection's own error reaches the answer as well.
    let (_, answer) = tokio::join!(connection, answer);
    answer
}

pub(super) fn unreached(socket: &Path, error: io::Error) -> ControlError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ControlError::NoDaemon(socket.to_owned()),
        io::ErrorKind::PermissionDenied => ControlError::NotAllowed(socket.to_owned()),
        _ => ControlError::Other(error.into()),
    }
}
