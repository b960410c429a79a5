//! Serves an axum router over HTTP/1 within bounds: connections, bytes of a request's head, and time. One request per connection. Who gets
//! a connection is decided in [`super::places`].
//!
//! `axum::serve` has no such bounds, so the connections are accepted here and each gets hyper's HTTP/1 server with the router.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::places::{Holder, PlaceLimits, Placing, Visitor};
use crate::heartbeat::{BEAT_EVERY, Heart};

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

/// What a listener does with a connection.
pub(super) trait Reception<Io> {
    /// Its places.
    const PLACES: PlaceLimits;
    /// The longest time of a connection, unless its handler extends the deadline.
    const MOST: Duration;

    /// Who is at the other end.
    fn visitor(&self, stream: &Io) -> Visitor;

    /// The router of one connection.
    fn router(&self, stream: &Io, deadline: Deadline) -> Router;

    /// Called at least every [`BEAT_EVERY`] while nobody connects.
    fn idle(&self) {}
}

/// Serves until the stop signal, which also closes open connections.
pub(super) async fn serve<L: Listener, R: Reception<L::Io>>(
    mut listener: L,
    reception: R,
    heart: &Heart,
    shutdown: &mut watch::Receiver<bool>,
) {
    let (mut tasks, mut open) = (JoinSet::new(), OpenConnections(Vec::new()));
    loop {
        heart.beat();
        tokio::select! {
            () = stopped(shutdown) => return,
            Some(_) = tasks.join_next() => {}
            (stream, _) = listener.accept() => {
                while tasks.try_join_next().is_some() {}
                let visitor = reception.visitor(&stream);
                if open.make_room(&R::PLACES, visitor) {
                    let (deadline, until) = watch::channel(Instant::now() + R::MOST);
                    let router = reception.router(&stream, Deadline(deadline));
                    let asked = Arc::new(OnceLock::new());
                    let task = tasks.spawn(within(until, connection(stream, router, asked.clone())));
                    open.0.push(OpenConnection { visitor, asked, task });
                }
            }
            () = sleep(BEAT_EVERY) => reception.idle(),
        }
    }
}

/// The connections in the order of their beginning.
struct OpenConnections(Vec<OpenConnection>);

struct OpenConnection {
    visitor: Visitor,
    /// When the head of its request was complete.
    asked: Arc<OnceLock<Instant>>,
    task: AbortHandle,
}

impl OpenConnections {
    /// Whether a new connection has a place, also by closing an older one. One without a place is closed at once, so that its client does
    /// not wait.
    fn make_room(&mut self, limits: &PlaceLimits, visitor: Visitor) -> bool {
        self.0.retain(|connection| !connection.task.is_finished());
        let asked = |connection: &OpenConnection| connection.asked.get().map(Instant::elapsed);
        let holders: Vec<_> =
            self.0.iter().map(|holder| Holder { visitor: holder.visitor, asked: asked(holder) }).collect();
        match limits.place(&holders, visitor) {
            Placing::Free => true,
            Placing::Instead(index) => {
                self.0.remove(index).task.abort();
                true
            }
            Placing::Refused => false,
        }
    }
}

/// Answers the one request of a connection; sets `asked` when its head is complete.
pub(super) async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    asked: Arc<OnceLock<Instant>>,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_MAX).keep_alive(false);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request| {
        asked.get_or_init(Instant::now);
        router.call(request)
    });
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
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
