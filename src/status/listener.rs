//! The page and the metrics on TCP: read-only. A port that is in use never stops polling; it is tried again.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, HOST};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::places::{PlaceLimits, Visitor};
use super::server::{self, Deadline, Reception};
use super::snapshot::StatusSources;
use super::views::{self, CachedViews, RENDER_EVERY};
use crate::heartbeat::Heart;

/// The longest time from the connection to the last byte of the answer.
const CONNECTION_WITHIN: Duration = Duration::from_secs(30);
/// An answer that takes longer than this yields to a new connection when there are many.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Connections at a time: a page, a scraper, and room for more.
pub(super) const CONNECTIONS: usize = 32;
/// The subject of the listener's remark in [`StatusSources::remark`].
const SUBJECT: &str = "listener";

/// The listener for `[status] listen`.
#[derive(Debug)]
pub struct StatusListener {
    address: SocketAddr,
    hosts: Vec<String>,
    sources: StatusSources,
}

impl StatusListener {
    /// `hosts`: further host names that it answers to. It always answers to the names of the loopback and to its own address.
    pub fn new(address: SocketAddr, hosts: Vec<String>, sources: StatusSources) -> Self {
        StatusListener { address, hosts, sources }
    }

    /// Serves until `shutdown` is true or its sender is dropped. A port that is in use is logged once and tried again.
    pub async fn run(self, mut heart: Heart, mut shutdown: watch::Receiver<bool>) {
        let bind = || TcpListener::bind(self.address);
        let listener = server::open(bind, |error| self.warn(error), &mut heart, &mut shutdown).await;
        self.sources.remark(SUBJECT, None);
        if let Some(listener) = listener {
            tracing::info!(address = %self.address, "the status page is served");
            self.serve(listener, &heart, &mut shutdown).await;
        }
    }

    /// Answers the one request of a connection, as a client on TCP is answered.
    pub async fn answer(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let views = CachedViews::new(self.sources.clone(), RENDER_EVERY);
        server::connection(stream, router(&views, self.names()), Arc::default()).await;
    }

    async fn serve(&self, listener: TcpListener, heart: &Heart, shutdown: &mut watch::Receiver<bool>) {
        let views = CachedViews::new(self.sources.clone(), RENDER_EVERY);
        let reception = PageReception { names: self.names(), views };
        server::serve(listener, reception, heart, shutdown).await;
    }

    fn names(&self) -> OwnNames {
        OwnNames { address: self.address.ip(), reached: None, hosts: self.hosts.as_slice().into() }
    }

    fn warn(&self, error: &io::Error) {
        let address = self.address;
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "find the program that uses the port (`ss -ltnp`) or set another `listen` in [status]"
            }
            io::ErrorKind::AddrNotAvailable => "this box has no such address: set another `listen` in [status]",
            io::ErrorKind::PermissionDenied => "set `listen` in [status] to a port above 1023",
            _ => "set another `listen` in [status]",
        };
        tracing::warn!(%address, %error, "the status page cannot be served; tried again every 30 s; {remedy}");
        let remark = format!("The status page cannot be served on {address} ({error}): {remedy}.");
        self.sources.remark(SUBJECT, Some(remark));
    }
}

/// Everybody is treated alike.
struct PageReception {
    names: OwnNames,
    views: CachedViews,
}

fn router(views: &CachedViews, names: OwnNames) -> Router {
    views::with_headers(views::router(views.clone()).layer(from_fn_with_state(names, check)))
}

impl Reception<TcpStream> for PageReception {
    const PLACES: PlaceLimits =
        PlaceLimits { all: CONNECTIONS, reserved: 0, each_user: CONNECTIONS, answer_within: Some(ANSWER_WITHIN) };
    const MOST: Duration = CONNECTION_WITHIN;

    fn visitor(&self, _: &TcpStream) -> Visitor {
        Visitor::Anybody
    }

    fn router(&self, stream: &TcpStream, _: Deadline) -> Router {
        let reached = stream.local_addr().ok().map(|address| address.ip().to_canonical());
        router(&self.views, OwnNames { reached, ..self.names.clone() })
    }

    fn idle(&self) {
        self.views.forget();
    }
}

/// The host names that this listener answers to.
#[derive(Clone)]
struct OwnNames {
    address: IpAddr,
    /// The address at which this connection arrived. With `listen = "0.0.0.0:9826"` it is one of several, and an engine for containers
    /// gives out a new one at each start: its probes name no other.
    reached: Option<IpAddr>,
    hosts: Arc<[String]>,
}

/// Lets a request pass that names this listener and only reads.
async fn check(State(names): State<OwnNames>, request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return (StatusCode::BAD_REQUEST, "exactly one Host header is needed\n").into_response();
    };
    let absolute = request.uri().authority().map(|authority| authority.as_str());
    if !host.to_str().is_ok_and(|host| names.include(host)) || absolute.is_some_and(|host| !names.include(host)) {
        let remedy = "no answer under this host name: use the address, or add the name to `hosts` in [status]\n";
        return (StatusCode::MISDIRECTED_REQUEST, remedy).into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(ALLOW, "GET, HEAD")];
        return (StatusCode::METHOD_NOT_ALLOWED, allow, "only GET and HEAD are answered here\n").into_response();
    }
    next.run(request).await
}

impl OwnNames {
    /// Whether `host` means this listener. A page elsewhere can point its own name to our address (DNS rebinding) and make a browser
    /// here read what only this box should see; but it cannot make the browser send another Host.
    fn include(&self, host: &str) -> bool {
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name);
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        match bare.parse::<IpAddr>() {
            Ok(address) => {
                address.is_loopback()
                    || address == self.address
                    || self.reached == Some(address)
                    || self.configured_address(address)
            }
            Err(_) => name.eq_ignore_ascii_case("localhost") || self.configured(name),
        }
    }

    /// An IPv6 address is configured in brackets, and can be written in several ways.
    fn configured_address(&self, address: IpAddr) -> bool {
        let written = |host: &String| host.trim_matches(['[', ']']).parse();
        self.hosts.iter().filter_map(|host| written(host).ok()).any(|host: IpAddr| host == address)
    }

    fn configured(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }
}

/// `host:port` or `[v6]:port` without the port, which is another one behind a tunnel.
fn without_port(host: &str) -> &str {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    if port.bytes().all(|digit| digit.is_ascii_digit()) { name } else { host }
}

#[cfg(test)]
mod tests;
