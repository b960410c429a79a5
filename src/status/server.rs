//! Serves an axum router over HTTP/1 within bounds: connections, bytes of a request's head, and time. One request per connection.
//!
//! `axum::serve` has no such bounds, so the connections are accepted here and each gets hyper's HTTP/1 server with the router.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::heartbeat::{BEAT_EVERY, Heart};

/// Connections at a time: a page, a scraper, a command, and room for more.
pub(super) const CONNECTIONS: usize = 16;
/// The longest time from the connection to the end of the request's head.
pub(super) const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The most bytes of a request's head.
const HEAD_MAX: usize = 16 * 1024;
/// How long after a failure a listener is opened again.
pub(super) const RETRY_EVERY: Duration = Duration::from_secs(30);

/// The time at which a connection is closed. Its handler can extend it.
#[derive(Clone, Debug)]
pub(super) struct Deadline(watch::Sender<Instant>);

impl Deadline {
    /// Moves the deadline to `instant`.
    pub(super) fn extend(&self, instant: Instant) {
        self.0.send_replace(instant);
    }
}

/// Opens a listener, again every [`RETRY_EVERY`] until it succeeds; `warn` is called at the first failure only.
///
/// `None` after a stop signal.
pub(super) async fn open<L, E, F: Future<Output = Result<L, E>>>(
    open: impl Fn() -> F,
    warn: impl FnOnce(&E),
    heart: &mut Heart,
    shutdown: &mut watch::Receiver<bool>,
) -> Option<L> {
    let mut warn = Some(warn);
    loop {
        match open().await {
            Ok(listener) => return Some(listener),
            Err(error) => {
                if let Some(warn) = warn.take() {
                    warn(&error);
                }
            }
        }
        if heart.beating(timeout(RETRY_EVERY, stopped(shutdown))).await.is_ok() {
            return None;
        }
    }
}

/// Serves until the stop signal, which also closes open connections. A connection lasts at most `most`, unless its handler extends the deadline.
///
/// `router` makes the router of one connection.
pub(super) async fn serve<L: Listener>(
    mut listener: L,
    most: Duration,
    router: impl Fn(&L::Io, Deadline) -> Router,
    heart: &Heart,
    shutdown: &mut watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        heart.beat();
        tokio::select! {
            () = stopped(shutdown) => return,
            Some(_) = connections.join_next() => {}
            (stream, _) = listener.accept() => {
                while connections.try_join_next().is_some() {}
                // Beyond the limit a connection is closed at once, so that its client does not wait.
                if connections.len() < CONNECTIONS {
                    let (deadline, until) = watch::channel(Instant::now() + most);
                    let router = router(&stream, Deadline(deadline));
                    connections.spawn(within(until, connection(stream, router)));
                }
            }
            () = sleep(BEAT_EVERY) => {}
        }
    }
}

/// Answers the one request of a connection.
pub(super) async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_MAX).keep_alive(false);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Runs `work` until the deadline, which may move during it.
async fn within(until: watch::Receiver<Instant>, work: impl Future<Output = ()>) {
    let mut work = pin!(work);
    loop {
        let deadline = *until.borrow();
        if timeout_at(deadline, &mut work).await.is_ok() || *until.borrow() <= deadline {
            return;
        }
    }
}

/// Ends when `shutdown` is true or its sender is dropped.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}
