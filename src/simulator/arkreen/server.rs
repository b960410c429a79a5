//! The HTTP/1 server of the simulated endpoint: it accepts connections, checks calls, and sends responses with their timing.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

use super::answer::{EndpointReply, ReplyTiming, answer};
use super::check::check;
use super::{EndpointBehaviour, EndpointEvent, EndpointShared, ReceivedCall, remember};
use crate::units::ClientId;

/// Maximum bytes of a report call.
const MAX_CALL: usize = 1 << 20;
/// How long it may take to notice that a caller has closed its connection.
const CLOSE_NOTICED_WITHIN: Duration = Duration::from_millis(250);

/// How a connection becomes a stream: as it is, or after TLS.
pub(super) trait Handshake: Clone + Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn complete(&self, stream: TcpStream) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// No TLS.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlainTcp;

impl Handshake for PlainTcp {
    type Stream = TcpStream;

    async fn complete(&self, stream: TcpStream) -> io::Result<TcpStream> {
        Ok(stream)
    }
}

/// Serves until it is dropped, and all connections with it.
pub(super) async fn serve(listener: TcpListener, handshake: impl Handshake, shared: EndpointShared) {
    let mut connections: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    loop {
        tokio::select! {
            connection = listener.accept() => match connection {
                Ok((stream, _)) => connections.push(Box::pin(serve_connection(stream, handshake.clone(), shared.clone()))),
                // Out of file descriptors: wait instead of spinning.
                Err(_) => sleep(CLOSE_NOTICED_WITHIN).await,
            },
            Some(()) = connections.next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, handshake: impl Handshake, shared: EndpointShared) {
    let Ok(stream) = handshake.complete(stream).await else { return };
    let service = service_fn(|request| serve_call(request, shared.clone()));
    // An error here is a closed connection, which the caller or the test wanted.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn serve_call(request: Request<Incoming>, shared: EndpointShared) -> io::Result<Response<TimedBody>> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_CALL).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            shared.lock().violation(format!("a body that cannot be read: {error}"));
            return Err(io::Error::other("unreadable"));
        }
    };
    let Some(call) = check(&mut shared.lock(), &head, &body) else { return respond(EndpointReply::invalid(), None) };
    let in_flight = InFlight::begin(&shared, call.posted.iter().map(|entry| entry.client).collect()).await;
    let reply = {
        let mut state = shared.lock();
        let behaviour = state.behaviour(call.batch);
        if behaviour != EndpointBehaviour::Normal {
            state.publish(EndpointEvent::Misbehaved(behaviour.clone()));
        }
        let reply = answer(&mut state, &call, behaviour);
        let status = (!reply.close).then_some(reply.status);
        remember(&mut state.calls, ReceivedCall { batch: call.batch, entries: call.posted, status });
        reply
    };
    if let ReplyTiming::After(wait) = reply.timing {
        sleep(wait).await;
    }
    respond(reply, Some(in_flight))
}

fn respond(reply: EndpointReply, in_flight: Option<InFlight>) -> io::Result<Response<TimedBody>> {
    if reply.close {
        return Err(io::Error::other("closed by the configured fault"));
    }
    // A response that is sent at once is no longer in flight when the caller has it.
    let in_flight = in_flight.filter(|_| matches!(reply.timing, ReplyTiming::Trickle(_)));
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    let body = TimedBody { left: reply.body.into(), timing: reply.timing, sleep: None, _in_flight: in_flight };
    response.body(body).map_err(io::Error::other)
}

/// The clients of one call, until it is answered or its connection is closed.
struct InFlight {
    shared: EndpointShared,
    clients: BTreeSet<ClientId>,
}

impl InFlight {
    async fn begin(shared: &EndpointShared, clients: BTreeSet<ClientId>) -> Self {
        // A caller that gave up may call again before its closed connection is noticed here.
        let mut attempts = 10;
        while shared.lock().busy(&clients).is_some() && attempts > 0 {
            sleep(CLOSE_NOTICED_WITHIN / 10).await;
            attempts -= 1;
        }
        let mut state = shared.lock();
        if let Some(client) = state.busy(&clients) {
            state.violation(format!("two requests in flight for {client}"));
        }
        state.in_flight.extend(&clients);
        drop(state);
        InFlight { shared: shared.clone(), clients }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.shared.lock().in_flight.retain(|client| !self.clients.contains(client));
    }
}

/// A body that is sent with its timing.
struct TimedBody {
    left: Bytes,
    timing: ReplyTiming,
    sleep: Option<Pin<Box<Sleep>>>,
    _in_flight: Option<InFlight>,
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let length = match self.timing {
            ReplyTiming::AtOnce | ReplyTiming::After(_) => self.left.len(),
            ReplyTiming::Cut(0) => return Poll::Ready(Some(Err(io::Error::other("cut by the configured fault")))),
            ReplyTiming::Cut(length) => {
                self.timing = ReplyTiming::Cut(0);
                length
            }
            ReplyTiming::Trickle(each) => {
                let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(each)));
                std::task::ready!(sleep.as_mut().poll(context));
                self.sleep = None;
                1
            }
        };
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(length)))))
    }
}
