//! One HTTP/1 server loop for both doors, bounded in connections, sizes and time. One request a connection.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::routes::Answer;
use crate::heartbeat::{BEAT_EVERY, Heart};

/// Connections at a time: a page, a scraper, a command, and room.
pub(super) const CONNECTIONS: usize = 16;
/// From the connection to the end of the request's head.
pub(super) const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_MAX: usize = 16 * 1024;
/// How long a door that cannot be opened is left alone.
pub(super) const RETRY_EVERY: Duration = Duration::from_secs(30);

/// Where connections come from.
pub(super) trait Door {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    type Handler: Handler;

    async fn accept(&self) -> io::Result<Self::Stream>;

    /// What answers on `stream`, knowing who is at its other end.
    fn handler(&self, stream: &Self::Stream, leave: Deadline) -> Self::Handler;
}

/// What answers the requests of one connection.
pub(super) trait Handler: Clone + Send + 'static {
    fn answer(self, request: Request<Incoming>) -> impl Future<Output = Answer> + Send;
}

/// Until when a connection may last. Its handler can grant it more.
#[derive(Clone, Debug)]
pub(super) struct Deadline(watch::Sender<Instant>);

impl Deadline {
    pub(super) fn until(&self, instant: Instant) {
        self.0.send_replace(instant);
    }
}

/// The work, unless it lasts longer than it may.
async fn within(until: watch::Receiver<Instant>, work: impl Future<Output = ()>) {
    let mut work = pin!(work);
    loop {
        let leave = *until.borrow();
        if timeout_at(leave, &mut work).await.is_ok() || *until.borrow() <= leave {
            return;
        }
    }
}

/// Serves until `shutdown` says so (true, or its sender is gone). Open connections end with it.
pub(super) async fn serve(door: &impl Door, whole: Duration, heart: &Heart, shutdown: &mut watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        heart.beat();
        tokio::select! {
            () = stopped(shutdown) => return,
            Some(ended) = connections.join_next() => resume(ended),
            accepted = door.accept() => match accepted {
                Ok(stream) => {
                    while let Some(ended) = connections.try_join_next() {
                        resume(ended);
                    }
                    // Full: hung up on at once, so that who waits knows.
                    if connections.len() < CONNECTIONS {
                        let (leave, until) = watch::channel(Instant::now() + whole);
                        let handler = door.handler(&stream, Deadline(leave));
                        connections.spawn(within(until, connection(stream, handler)));
                    }
                }
                // Out of file descriptors, most likely: trying again at once would only burn the processor.
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    sleep(Duration::from_secs(1)).await;
                }
            },
            () = sleep(BEAT_EVERY) => {}
        }
    }
}

/// Waits before a door is tried again; true when `shutdown` came first.
pub(super) async fn told_to_stop(within: Duration, heart: &mut Heart, shutdown: &mut watch::Receiver<bool>) -> bool {
    heart.beating(timeout(within, stopped(shutdown))).await.is_ok()
}

/// Ends when `shutdown` says true or its sender is gone.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Answers the one request of a connection.
pub(super) async fn connection<S: AsyncRead + AsyncWrite + Unpin>(stream: S, handler: impl Handler) {
    let service = service_fn(move |request| {
        let handler = handler.clone();
        async move { Ok::<_, Infallible>(handler.answer(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_MAX).keep_alive(false);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A panic in a connection is the task's own: it is not swallowed.
fn resume<T>(ended: Result<T, tokio::task::JoinError>) {
    if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
        std::panic::resume_unwind(panic);
    }
}
