//! What each path answers, on either door. Looking only: nothing here changes anything.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};

use super::snapshot::StatusSources;
use super::{metrics, page};

pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

const TEXT: &str = "text/plain; charset=utf-8";

/// Answers a GET or HEAD of `path`. hyper leaves the body out for HEAD.
pub(super) fn look(method: &Method, path: &str, sources: &StatusSources) -> Answer {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match path {
        "/" => html(sources),
        "/status.json" => json(StatusCode::OK, &sources.document()),
        "/metrics" => answer(StatusCode::OK, metrics::CONTENT_TYPE, metrics::metrics(&sources.document())),
        "/healthz" => healthz(sources),
        _ => text(StatusCode::NOT_FOUND, "not found: /, /status.json, /metrics and /healthz are here\n"),
    }
}

pub(super) fn text(status: StatusCode, body: impl Into<String>) -> Answer {
    answer(status, TEXT, body.into())
}

pub(super) fn json<T: serde::Serialize>(status: StatusCode, value: &T) -> Answer {
    match serde_json::to_string_pretty(value) {
        Ok(body) => answer(status, "application/json", body + "\n"),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("this cannot be written as JSON: {error}\n")),
    }
}

/// The watchdog's verdict on the daemon, whatever meters and cloud do.
fn healthz(sources: &StatusSources) -> Answer {
    let stalled = sources.stalled();
    if stalled.is_empty() {
        text(StatusCode::OK, "ok\n")
    } else {
        text(StatusCode::SERVICE_UNAVAILABLE, format!("no progress: {}\n", stalled.join(", ")))
    }
}

fn html(sources: &StatusSources) -> Answer {
    let nonce = format!("{:032x}", rand::random::<u128>());
    let mut answer = answer(StatusCode::OK, "text/html; charset=utf-8", page::page(&sources.document(), &nonce));
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        answer.headers_mut().insert("content-security-policy", policy);
    }
    answer
}

fn answer(status: StatusCode, media_type: &'static str, body: String) -> Answer {
    of(status, media_type, Full::new(Bytes::from(body)))
}

/// An answer with a body of any kind.
pub(super) fn of(
    status: StatusCode,
    media_type: &'static str,
    body: impl Body<Data = Bytes, Error = Infallible> + Send + 'static,
) -> Answer {
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("content-security-policy", HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    answer
}
