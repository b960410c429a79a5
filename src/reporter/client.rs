//! The HTTPS client of an account: one call, one bounded answer, within the account's timeout.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use tracing::{info, warn};
use url::Url;

use super::mask::TokenMask;
use super::retry::http_date;
use super::rpc::{CallFailure, CallResult, ReportCall, RpcAnswer, interpret};
use crate::clock::Clock;
use crate::config::{AccountConfig, Token, shown_path};
use crate::files::{self, FileError};
use crate::lookup::{HostLookup, LookupError};

/// The most bytes of an answer, and how many more per report of the call.
const ANSWER_LIMIT: usize = 64 * 1024;
const ANSWER_LIMIT_PER_REPORT: usize = 1024;
/// The maximum size of a `ca_file`. All root certificates of a distribution take a quarter of it.
const MAX_CA_FILE: u64 = 1 << 20;
/// The longest time for the look-up of the endpoint's name, if the account's timeout is not shorter.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection may be idle: less than most routers keep it.
pub(crate) const IDLE: Duration = Duration::from_secs(45);

/// The client of one account. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    http: reqwest::Client,
    url: Url,
    timeout: Duration,
    clock: Clock,
    /// Whether the clock differed from the last verified date.
    clock_differs: Arc<AtomicBool>,
}

/// Why the client cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpClientError {
    #[error("the ca_file {} cannot be read", shown_path(.path))]
    Certificates {
        path: PathBuf,
        #[source]
        source: FileError,
    },
    #[error("the ca_file {} is larger than 1 MiB: keep only the certificates to trust in it", shown_path(.0))]
    TooLarge(PathBuf),
    #[error("the ca_file {} holds no certificate: write it as PEM, which begins with -----BEGIN CERTIFICATE-----", shown_path(.0))]
    NoCertificate(PathBuf),
    #[error("the HTTPS client cannot be set up")]
    Setup(#[source] reqwest::Error),
}

/// A token prepared for the calls of a round.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    header: HeaderValue,
    mask: TokenMask,
}

impl Credentials {
    /// `None` if the token cannot be a header value.
    pub(crate) fn new(token: &Token) -> Option<Self> {
        let value = token.header_value();
        let mut header = HeaderValue::from_str(&value).ok()?;
        header.set_sensitive(true);
        Some(Credentials { header, mask: TokenMask::new(value.trim_start_matches("Bearer ")) })
    }
}

impl HttpClient {
    /// Reads the certificates (blocking). `hosts` looks up the name of the endpoint or the proxy.
    ///
    /// # Errors
    /// The certificates cannot be read or used.
    pub(crate) fn new(account: &AccountConfig, hosts: &HostLookup, clock: Clock) -> Result<Self, HttpClientError> {
        let http = match &account.ca_file {
            Some(path) => own_roots(account, hosts, path)?,
            None => builder(account, hosts).and_then(|builder| builder.build()).or_else(|error| {
                // Without the system's certificates the platform's verifier cannot be made.
                info!(account = %account.name, "the system has no certificates ({error}): the built-in authorities are used");
                public_roots(account, hosts).map_err(HttpClientError::Setup)
            })?,
        };
        Ok(HttpClient {
            http,
            url: account.url.clone(),
            timeout: account.timeout,
            clock,
            clock_differs: Arc::default(),
        })
    }

    /// Makes one call. It ends within the account's timeout, even if the answer arrives slowly.
    pub(crate) async fn call(&self, call: &ReportCall, credentials: &Credentials) -> CallResult {
        match tokio::time::timeout(self.timeout, self.exchange(call, credentials)).await {
            Ok(Ok(answer)) => interpret(call, &answer, &credentials.mask),
            Ok(Err(error)) => CallResult::Failed(failure(&error, &credentials.mask)),
            Err(_) => CallResult::Failed(CallFailure::TimedOut),
        }
    }

    async fn exchange(&self, call: &ReportCall, credentials: &Credentials) -> reqwest::Result<RpcAnswer> {
        let request = self.http.post(self.url.clone()).header(AUTHORIZATION, credentials.header.clone());
        let request = request.header(CONTENT_TYPE, "application/json").body(call.body());
        let mut response = request.send().await?;
        let now = self.note_date(response.headers());
        let mut answer = RpcAnswer {
            status: response.status().as_u16(),
            retry_after: text(response.headers(), RETRY_AFTER),
            location: text(response.headers(), LOCATION),
            now,
            body: Vec::new(),
            too_long: false,
        };
        let limit = ANSWER_LIMIT + ANSWER_LIMIT_PER_REPORT * call.reports.len();
        while let Some(chunk) = response.chunk().await? {
            let room = limit - answer.body.len();
            answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                answer.too_long = true;
                break;
            }
        }
        Ok(answer)
    }

    /// The answer's `Date`, else this box's clock. A date over verified TLS confirms the clock.
    fn note_date(&self, headers: &HeaderMap) -> Timestamp {
        let date = headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?));
        if let Some(date) = date.filter(|_| self.url.scheme() == "https") {
            let ahead = self.clock.confirm(date);
            let differed = self.clock_differs.swap(ahead.is_some(), Ordering::Relaxed);
            match ahead {
                Some(ahead) if !differed => warn!(url = %self.url, "{}", clock_differs(ahead)),
                None if differed => {
                    info!(url = %self.url, "the clock of this machine agrees with the endpoint's again")
                }
                _ => {}
            }
        }
        date.unwrap_or_else(|| self.clock.now().wall)
    }
}

/// What is logged when the clock of this machine is ahead of the endpoint's by this time, or behind if it is negative.
fn clock_differs(ahead: SignedDuration) -> String {
    let side = if ahead.is_negative() { "behind" } else { "ahead of" };
    format!(
        "the clock of this machine is {:#} {side} the endpoint's: allow NTP (`timedatectl`). Where a shard moves between machines whose \
         clocks differ, what was consumed meanwhile may be held",
        SignedDuration::from_mins((ahead.abs().as_secs() + 30) / 60)
    )
}

/// The certificates in a `ca_file`.
///
/// # Errors
/// The file cannot be read, is too large, or holds no certificate.
pub(crate) fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, HttpClientError> {
    let content = files::read(path, MAX_CA_FILE).map_err(|error| match error {
        FileError::TooLarge(_) => HttpClientError::TooLarge(path.to_owned()),
        source => HttpClientError::Certificates { path: path.to_owned(), source },
    })?;
    let certificates = reqwest::Certificate::from_pem_bundle(&content.bytes).unwrap_or_default();
    if certificates.is_empty() {
        return Err(HttpClientError::NoCertificate(path.to_owned()));
    }
    Ok(certificates)
}

fn own_roots(account: &AccountConfig, hosts: &HostLookup, path: &Path) -> Result<reqwest::Client, HttpClientError> {
    let certificates = certificates(path)?;
    let built = builder(account, hosts).map_err(HttpClientError::Setup)?.tls_certs_only(certificates).build();
    built.map_err(|_| HttpClientError::NoCertificate(path.to_owned()))
}

/// A client with the roots of the web's public authorities, which are compiled in.
fn public_roots(account: &AccountConfig, hosts: &HostLookup) -> reqwest::Result<reqwest::Client> {
    let builder = builder(account, hosts)?;
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    builder.tls_backend_preconfigured(tls).build()
}

/// The account's own look-ups: the dead name server of a gateway does not delay them.
struct EndpointLookup {
    hosts: HostLookup,
    within: Duration,
}

impl Resolve for EndpointLookup {
    fn resolve(&self, name: Name) -> Resolving {
        let (hosts, within) = (self.hosts.clone(), self.within);
        Box::pin(async move {
            let found = hosts.host(name.as_str(), within).await?;
            // The port is that of the URL.
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

fn builder(account: &AccountConfig, hosts: &HostLookup) -> reqwest::Result<reqwest::ClientBuilder> {
    // Only the first installation counts; the whole program installs the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let https = account.url.scheme() == "https";
    let builder = reqwest::Client::builder()
        .user_agent(concat!("arkmeter/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .https_only(https)
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .pool_idle_timeout(IDLE)
        .dns_resolver(EndpointLookup { hosts: hosts.clone(), within: LOOK_UP_WITHIN.min(account.timeout * 3 / 4) });
    Ok(match &account.proxy {
        Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy.clone())?),
        None if https => builder,
        // Plain HTTP to the loopback: a proxy of the environment must not see the token.
        None => builder.no_proxy(),
    })
}

/// A header as text; `None` if it is not visible ASCII.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn failure(error: &reqwest::Error, mask: &TokenMask) -> CallFailure {
    if error.is_timeout() {
        return CallFailure::TimedOut;
    }
    let why = innermost(error);
    let shown = mask.show(&why);
    if error.is_connect() {
        return CallFailure::Unreachable(format!("{shown}{}", hint(&why)));
    }
    CallFailure::Unintelligible(format!("an incomplete answer ({shown})"))
}

/// The last two errors of the chain of sources: they name the cause, the others only that something failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut links = Vec::new();
    let mut source = error.source();
    while let Some(link) = source {
        let text = link.to_string();
        if !text.starts_with("client error (") {
            links.push(text);
        }
        source = link.source();
    }
    links.dedup();
    let last = links.pop().unwrap_or_else(|| "the connection failed".into());
    match links.pop() {
        Some(before) if !before.contains(&last) && !last.contains(&before) => format!("{before}: {last}"),
        _ => last,
    }
}

/// The remedy for a certificate that is not trusted, or a name server that does not answer.
fn hint(why: &str) -> String {
    let contains = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if contains(&["Expired", "NotValidYet", "expired", "not valid yet"]) {
        " (is this box's clock right? see `timedatectl`)".to_owned()
    } else if contains(&["UnknownIssuer"]) {
        " (something between this box and the endpoint may intercept the connection; the certificate authority of a proxy belongs in ca_file)".to_owned()
    } else if contains(&["NotValidForName", "not valid for name"]) {
        " (is the host name in url right?)".to_owned()
    } else if contains(&["is not found within"]) {
        format!(" ({})", LookupError::REMEDY)
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests;
