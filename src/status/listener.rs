//! The page and the metrics on TCP: read-only, and never in the way. A port that is taken is waited for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::routes::{self, Answer};
use super::server::{self, Deadline, Door, Handler, RETRY_EVERY};
use super::snapshot::StatusSources;
use crate::heartbeat::Heart;

/// From the connection to the answer's last byte.
const CONNECTION_WITHIN: Duration = Duration::from_secs(30);
/// What [`StatusSources::remark`] knows the listener's trouble by.
const SUBJECT: &str = "listener";

/// The listener for `[status] listen`.
#[derive(Debug)]
pub struct StatusListener {
    address: SocketAddr,
    hosts: Vec<String>,
    sources: StatusSources,
}

impl StatusListener {
    /// `hosts`: the names that it answers to beside the loopback's and its own address.
    pub fn new(address: SocketAddr, hosts: Vec<String>, sources: StatusSources) -> Self {
        StatusListener { address, hosts, sources }
    }

    /// Serves until `shutdown` says true or its sender is dropped. A busy port is warned of once and tried again.
    pub async fn run(self, mut heart: Heart, mut shutdown: watch::Receiver<bool>) {
        let mut refused = false;
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(error) if !refused => self.complain(&error),
                Err(_) => {}
            }
            refused = true;
            if server::told_to_stop(RETRY_EVERY, &mut heart, &mut shutdown).await {
                return self.sources.remark(SUBJECT, None);
            }
        };
        self.sources.remark(SUBJECT, None);
        tracing::info!(address = %self.address, "the status page is served");
        self.serve(listener, &heart, &mut shutdown).await;
    }

    /// Answers one connection, wherever it comes from: what a client on TCP would be answered.
    pub async fn answer(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        server::connection(stream, self.guest()).await;
    }

    async fn serve(self, listener: TcpListener, heart: &Heart, shutdown: &mut watch::Receiver<bool>) {
        server::serve(&Tcp { listener, guest: self.guest() }, CONNECTION_WITHIN, heart, shutdown).await;
    }

    fn guest(&self) -> HttpSession {
        HttpSession { address: self.address.ip(), hosts: self.hosts.as_slice().into(), sources: self.sources.clone() }
    }

    fn complain(&self, error: &io::Error) {
        let address = self.address;
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => "find who has the port (`ss -ltnp`) or set another `listen` in [status]",
            io::ErrorKind::AddrNotAvailable => "this box has no such address: set another `listen` in [status]",
            io::ErrorKind::PermissionDenied => "set `listen` in [status] to a port above 1023",
            _ => "set another `listen` in [status]",
        };
        tracing::warn!(%address, %error, "the status page cannot be served; tried again every 30 s; {remedy}");
        let remark = format!("The status page cannot be served on {address} ({error}): {remedy}.");
        self.sources.remark(SUBJECT, Some(remark));
    }
}

struct Tcp {
    listener: TcpListener,
    guest: HttpSession,
}

impl Door for Tcp {
    type Stream = TcpStream;
    type Handler = HttpSession;

    async fn accept(&self) -> io::Result<TcpStream> {
        Ok(self.listener.accept().await?.0)
    }

    fn handler(&self, _stream: &TcpStream, _leave: Deadline) -> HttpSession {
        self.guest.clone()
    }
}

/// Who comes by TCP may look, where it knows whom it asks.
#[derive(Clone)]
struct HttpSession {
    address: IpAddr,
    hosts: Arc<[String]>,
    sources: StatusSources,
}

impl Handler for HttpSession {
    async fn answer(self, request: Request<Incoming>) -> Answer {
        let mut named = request.headers().get_all(HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else {
            return routes::text(StatusCode::BAD_REQUEST, "one Host is needed\n");
        };
        let absolute = request.uri().authority().map(|authority| authority.as_str());
        let meant = host.to_str().is_ok_and(|host| self.is_me(host)) && absolute.is_none_or(|host| self.is_me(host));
        if !meant {
            let remedy = "this host name is not answered to: use the address, or add the name to `hosts` in [status]\n";
            return routes::text(StatusCode::MISDIRECTED_REQUEST, remedy);
        }
        routes::look(request.method(), request.uri().path(), &self.sources)
    }
}

impl HttpSession {
    /// Whether `host` means this listener. A page elsewhere can give its own name our address (DNS rebinding) and have a browser here
    /// fetch what only this box should see; but it cannot make the browser say another Host.
    fn is_me(&self, host: &str) -> bool {
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name);
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        match bare.parse::<IpAddr>() {
            Ok(address) => address.is_loopback() || address == self.address || self.configured(bare),
            Err(_) => name.eq_ignore_ascii_case("localhost") || self.configured(name),
        }
    }

    fn configured(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }
}

/// `host:port` or `[v6]:port` without the port: a tunnel brings another one.
fn without_port(host: &str) -> &str {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    if port.bytes().all(|digit| digit.is_ascii_digit()) { name } else { host }
}

#[cfg(test)]
mod tests;
