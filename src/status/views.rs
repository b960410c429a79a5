//! The read-only views of the status document, on both listeners: page, JSON, metrics and health. Each is rendered at most once in
//! [`RENDER_EVERY`], however many ask for it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use bytes::Bytes;
use tokio::time::Instant;

use super::metrics;
use super::page::page;
use super::snapshot::StatusSources;

/// How old a view may be.
pub(super) const RENDER_EVERY: Duration = Duration::from_secs(1);

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
    html: CachedView<PageParts>,
    json: CachedView<Bytes>,
    metrics: CachedView<Bytes>,
}

/// The page before its nonce and after it.
type PageParts = (Bytes, Bytes);

/// A view, and when it was rendered.
#[derive(Debug)]
struct CachedView<T>(Mutex<Option<(Instant, T)>>);

impl CachedViews {
    /// Renders each view again when it is older than `every`.
    pub(super) fn new(sources: StatusSources, every: Duration) -> Self {
        let (html, json, metrics) = (CachedView::default(), CachedView::default(), CachedView::default());
        CachedViews(Arc::new(Views { sources, every, html, json, metrics }))
    }

    /// Frees the memory of what is too old.
    pub(super) fn forget(&self) {
        let views = &self.0;
        views.html.forget(views.every);
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
        .route("/", get(html))
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

async fn html(State(views): State<CachedViews>) -> impl IntoResponse {
    let Views { sources, every, html, .. } = &*views.0;
    let (before, after) = html.get(*every, || {
        let whole = Bytes::from(page(&sources.document(), NONCE));
        let at = whole.windows(NONCE.len()).position(|part| part == NONCE.as_bytes()).unwrap_or(whole.len());
        (whole.slice(..at), whole.slice((at + NONCE.len()).min(whole.len())..))
    });
    let nonce = format!("{:032x}", rand::random::<u128>());
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let parts = [before, nonce.into(), after];
    let length = parts.iter().map(Bytes::len).sum::<usize>();
    let body = Body::from_stream(futures_util::stream::iter(parts.map(Ok::<Bytes, Infallible>)));
    let headers =
        [(CONTENT_SECURITY_POLICY, policy), (CONTENT_TYPE, HTML.to_owned()), (CONTENT_LENGTH, length.to_string())];
    (headers, body)
}

const HTML: &str = "text/html; charset=utf-8";
/// Stands in a rendered page for the nonce of each answer. It comes before everything that is not arkmeter's own text.
const NONCE: &str = "NONCE";

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
