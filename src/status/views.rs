//! The read-only views of the status document, on both listeners: pages, JSON, metrics and health. Each is rendered at most once in
//! [`RENDER_EVERY`], however many ask for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use bytes::Bytes;
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::metrics;
use super::page::{self, Journal, METERS_ON_A_PAGE, PageInputs};
use super::snapshot::StatusSources;
use crate::history::Calendar;
use crate::ledger::store::JournalQuery;
use crate::units::Name;

/// How old a view may be.
pub(super) const RENDER_EVERY: Duration = Duration::from_secs(1);
/// Pages that are kept for a moment.
const KEPT_PAGES: usize = 8;
/// How long a page waits for the ledger's disk.
const JOURNAL_WITHIN: Duration = Duration::from_secs(2);
/// Entries of the journal on a page.
const JOURNAL_ENTRIES: u32 = 20;
/// Pages load their own style and script, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Headers of every answer, unless the answer has its own.
const HEADERS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The views, each kept for a while. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct CachedViews(Arc<Views>);

#[derive(Debug)]
struct Views {
    sources: StatusSources,
    every: Duration,
    pages: CachedPages,
    json: CachedView<Bytes>,
    metrics: CachedView<Bytes>,
}

/// Pages by path, and when each was rendered.
#[derive(Debug, Default)]
struct CachedPages(Mutex<BTreeMap<String, (Instant, Bytes)>>);

impl CachedPages {
    fn get(&self, path: &str, every: Duration) -> Option<Bytes> {
        self.forget(every);
        Some(self.0.lock().expect("no panic while the lock is held").get(path)?.1.clone())
    }

    fn keep(&self, path: String, page: Bytes) {
        let mut pages = self.0.lock().expect("no panic while the lock is held");
        if pages.len() < KEPT_PAGES {
            pages.insert(path, (Instant::now(), page));
        }
    }

    fn forget(&self, every: Duration) {
        self.0.lock().expect("no panic while the lock is held").retain(|_, (at, _)| at.elapsed() < every);
    }
}

/// A view, and when it was rendered.
#[derive(Debug)]
struct CachedView<T>(Mutex<Option<(Instant, T)>>);

impl CachedViews {
    /// Renders each view again when it is older than `every`.
    pub(super) fn new(sources: StatusSources, every: Duration) -> Self {
        let (pages, json, metrics) = (CachedPages::default(), CachedView::default(), CachedView::default());
        CachedViews(Arc::new(Views { sources, every, pages, json, metrics }))
    }

    /// Frees the memory of what is too old.
    pub(super) fn forget(&self) {
        let views = &self.0;
        views.pages.forget(views.every);
        views.json.forget(views.every);
        views.metrics.forget(views.every);
    }
}

impl<T> Default for CachedView<T> {
    fn default() -> Self {
        CachedView(Mutex::new(None))
    }
}

impl<T: Clone> CachedView<T> {
    fn get(&self, every: Duration, render: impl FnOnce() -> T) -> T {
        let mut cached = self.0.lock().expect("no panic while the lock is held");
        if let Some((_, view)) = cached.as_ref().filter(|(at, _)| at.elapsed() < every) {
            return view.clone();
        }
        // The old one is freed before the new one is made.
        *cached = None;
        let at = Instant::now();
        cached.insert((at, render())).1.clone()
    }

    fn forget(&self, every: Duration) {
        self.0.lock().expect("no panic while the lock is held").take_if(|(at, _)| at.elapsed() >= every);
    }
}

/// The views; any other path is answered with 404.
pub(super) fn router(views: CachedViews) -> Router {
    Router::new()
        .route("/", get(overview))
        .route("/meter/{name}", get(meter))
        .route("/client/{name}", get(client))
        .route("/page.css", get(async || asset("text/css; charset=utf-8", page::STYLE)))
        .route("/page.js", get(async || asset("text/javascript; charset=utf-8", page::SCRIPT)))
        .route("/icon.svg", get(async || asset("image/svg+xml", page::ICON)))
        .route("/status.json", get(status))
        .route("/metrics", get(prometheus))
        .route("/healthz", get(health))
        .fallback(not_found)
        .with_state(views)
}

/// `router` with [`HEADERS`] on every answer. This is the outermost layer.
pub(super) fn with_headers(router: Router) -> Router {
    router.layer(map_response(async |mut response: Response| {
        for (name, value) in HEADERS {
            response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
        }
        response
    }))
}

/// `value` as indented JSON.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Response {
    match serde_json::to_string_pretty(value) {
        Ok(body) => ([(CONTENT_TYPE, JSON)], body + "\n").into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("this cannot be written as JSON: {error}\n")).into_response()
        }
    }
}

const JSON: &str = "application/json";

async fn not_found() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "not found: /, /status.json, /metrics and /healthz are here\n")
}

async fn status(State(views): State<CachedViews>) -> impl IntoResponse {
    let Views { sources, every, json, .. } = &*views.0;
    let body = json.get(*every, || {
        // A document is made of texts and numbers.
        let text = serde_json::to_string_pretty(&sources.document()).expect("a document can be written as JSON");
        Bytes::from(text + "\n")
    });
    ([(CONTENT_TYPE, JSON)], body)
}

/// `?page=2` of the overview, and `?days=local` of every page.
#[derive(Debug, Default, Deserialize)]
struct PageQuery {
    #[serde(default)]
    page: usize,
    #[serde(default)]
    days: String,
}

impl PageQuery {
    fn calendar(&self) -> Calendar {
        if self.days == page::LOCAL_DAYS { Calendar::Local } else { Calendar::Utc }
    }
}

async fn overview(State(views): State<CachedViews>, Query(query): Query<PageQuery>) -> Response {
    let views = &*views.0;
    let last = views.sources.config().meters.len().div_ceil(METERS_ON_A_PAGE).max(1);
    let number = query.page.clamp(1, last);
    let calendar = query.calendar();
    let path = format!("/?page={number}{calendar:?}");
    if let Some(page) = views.pages.get(&path, views.every) {
        return html(page);
    }
    let meters: Vec<_> = views.sources.config().meters.keys().cloned().collect();
    let page = Bytes::from(page::overview(&views.inputs(meters, calendar), number));
    views.pages.keep(path, page.clone());
    html(page)
}

async fn meter(State(views): State<CachedViews>, Path(name): Path<String>, Query(query): Query<PageQuery>) -> Response {
    let views = &*views.0;
    let calendar = query.calendar();
    let path = format!("/meter/{name}?{calendar:?}");
    if let Some(page) = views.pages.get(&path, views.every) {
        return html(page);
    }
    let known = Name::new(&name).filter(|name| views.sources.config().meters.contains_key(name.as_str()));
    let Some(name) = known else { return unknown("meter") };
    let query = JournalQuery { meter: Some(name.clone()), ..JournalQuery::newest(JOURNAL_ENTRIES) };
    let entries = match timeout(JOURNAL_WITHIN, views.sources.ledger().journal(query)).await {
        Ok(entries) => entries.map_err(|error| error.to_string()),
        Err(_) => Err("the ledger's disk does not answer".to_owned()),
    };
    let journal = Journal { entries, serial: views.sources.serial(&name) };
    let Some(page) = page::meter(&views.inputs([name.clone()], calendar), &name, &journal) else {
        return unknown("meter");
    };
    let page = Bytes::from(page);
    views.pages.keep(path, page.clone());
    html(page)
}

async fn client(
    State(views): State<CachedViews>,
    Path(name): Path<String>,
    Query(query): Query<PageQuery>,
) -> Response {
    let views = &*views.0;
    let calendar = query.calendar();
    let path = format!("/client/{name}?{calendar:?}");
    if let Some(page) = views.pages.get(&path, views.every) {
        return html(page);
    }
    let config = views.sources.config();
    let known = Name::new(&name).and_then(|name| config.clients.get(&name));
    let Some(client) = known else { return unknown("client") };
    let Some(page) = page::client(&views.inputs(client.meters.clone(), calendar), &client.name) else {
        return unknown("client");
    };
    let page = Bytes::from(page);
    views.pages.keep(path, page.clone());
    html(page)
}

impl Views {
    /// What a page about these meters shows.
    fn inputs(&self, meters: impl IntoIterator<Item = Name>, calendar: Calendar) -> PageInputs {
        let (document, config) = (self.sources.document(), self.sources.config());
        let names: Vec<_> = meters.into_iter().collect();
        let histories = self.sources.history().charts(&names, document.at, calendar);
        let host = crate::files::system_text("/proc/sys/kernel/hostname").unwrap_or_default();
        PageInputs {
            document,
            config,
            histories: names.into_iter().zip(histories).collect(),
            history_note: self.sources.history().charts_note(),
            calendar,
            local_zone: self.sources.history().local_zone(),
            host: crate::text::foreign(host.trim(), 64),
        }
    }
}

fn html(page: Bytes) -> Response {
    ([(CONTENT_SECURITY_POLICY, POLICY), (CONTENT_TYPE, HTML)], page).into_response()
}

fn unknown(what: &str) -> Response {
    (StatusCode::NOT_FOUND, format!("there is no {what} of this name: / lists them\n")).into_response()
}

/// A file of the pages. Its address has the version, so it may be kept.
fn asset(kind: &'static str, content: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=86400")], content)
}

const HTML: &str = "text/html; charset=utf-8";

async fn prometheus(State(views): State<CachedViews>) -> impl IntoResponse {
    let Views { sources, every, metrics, .. } = &*views.0;
    let body = metrics.get(*every, || metrics::metrics(&sources.document()).into());
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], body)
}

/// What the watchdog knows about the daemon; meters and cloud do not matter.
async fn health(State(views): State<CachedViews>) -> (StatusCode, String) {
    let stalled = views.0.sources.stalled();
    if stalled.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("no progress: {}\n", stalled.join(", ")))
    }
}
