//! The read-only views of the status document, on both listeners: page, JSON, metrics and health.

use axum::Router;
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::metrics;
use super::page::page;
use super::snapshot::StatusSources;

/// Headers of every answer, unless the answer has its own.
const HEADERS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The views; any other path is answered with 404.
pub(super) fn router(sources: StatusSources) -> Router {
    Router::new()
        .route("/", get(html))
        .route("/status.json", get(async |State(sources): State<StatusSources>| json(&sources.document())))
        .route("/metrics", get(prometheus))
        .route("/healthz", get(health))
        .fallback(not_found)
        .with_state(sources)
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
        Ok(body) => ([(CONTENT_TYPE, "application/json")], body + "\n").into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("this cannot be written as JSON: {error}\n")).into_response()
        }
    }
}

async fn not_found() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "not found: /, /status.json, /metrics and /healthz are here\n")
}

async fn html(State(sources): State<StatusSources>) -> impl IntoResponse {
    let nonce = format!("{:032x}", rand::random::<u128>());
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    ([(CONTENT_SECURITY_POLICY, policy)], Html(page(&sources.document(), &nonce)))
}

async fn prometheus(State(sources): State<StatusSources>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::metrics(&sources.document()))
}

/// What the watchdog knows about the daemon; meters and cloud do not matter.
async fn health(State(sources): State<StatusSources>) -> (StatusCode, String) {
    let stalled = sources.stalled();
    if stalled.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("no progress: {}\n", stalled.join(", ")))
    }
}
