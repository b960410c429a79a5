//! Checks a report call against Arkreen's rules. Every difference is a violation.

use std::collections::BTreeSet;

use hyper::http::request::Parts;
use hyper::{Method, header};
use serde_json::{Map, Value};

use super::{EndpointState, PostedEntry};
use crate::units::{ClientId, MilliwattHours, Milliwatts};

const METHOD: &str = "edr_reportConsumeData";

/// A call that can be answered.
#[derive(Debug)]
pub(super) struct CheckedCall {
    pub(super) batch: bool,
    pub(super) posted: Vec<PostedEntry>,
    /// True if the token is the right one.
    pub(super) authorized: bool,
}

/// Checks head and body and records violations. `None` if the call cannot be answered.
pub(super) fn check(state: &mut EndpointState, head: &Parts, body: &[u8]) -> Option<CheckedCall> {
    let authorized = check_head(state, head);
    let body: Value = match serde_json::from_slice(body) {
        Ok(body) => body,
        Err(error) => {
            state.violation(format!("the body is not JSON: {error}"));
            return None;
        }
    };
    let (batch, requests) = match body {
        Value::Array(requests) => (true, requests),
        request => (false, vec![request]),
    };
    if requests.is_empty() {
        state.violation("an empty batch");
        return None;
    }
    let posted: Vec<_> = requests.iter().filter_map(|request| check_request(state, request)).collect();
    let (mut clients, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for entry in &posted {
        if !clients.insert(entry.client) {
            state.violation(format!("two entries for {} in one call", entry.client));
        }
        if !ids.insert(entry.id) {
            state.violation(format!("two entries with the id {}", entry.id));
        }
    }
    (posted.len() == requests.len()).then_some(CheckedCall { batch, posted, authorized })
}

fn check_head(state: &mut EndpointState, head: &Parts) -> bool {
    if head.method != Method::POST {
        state.violation(format!("{} instead of POST", head.method));
    }
    if head.uri.path() != "/v1" || head.uri.query().is_some() {
        state.violation(format!("a call of {}", head.uri));
    }
    let content_types: Vec<_> = head.headers.get_all(header::CONTENT_TYPE).iter().collect();
    if content_types != ["application/json"] {
        state.violation(format!("content-type {content_types:?}"));
    }
    let authorizations: Vec<_> = head.headers.get_all(header::AUTHORIZATION).iter().collect();
    let [authorization] = authorizations.as_slice() else {
        state.violation(format!("{} authorization headers", authorizations.len()));
        return false;
    };
    let token = authorization.to_str().ok().and_then(|value| value.strip_prefix("Bearer 0x"));
    if token.is_none_or(|digits| digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit())) {
        state.violation("an authorization that is not Bearer, 0x and 64 hex digits");
    }
    token.is_some_and(|digits| state.token.strip_prefix("0x") == Some(digits))
}

fn check_request(state: &mut EndpointState, request: &Value) -> Option<PostedEntry> {
    let posted = parse_request(request);
    if let Err(problem) = &posted {
        state.violation(problem.clone());
    }
    posted.ok()
}

fn parse_request(request: &Value) -> Result<PostedEntry, String> {
    let request = object(request, "a request", &["id", "jsonrpc", "method", "params"])?;
    if request["jsonrpc"] != "2.0" || request["method"] != METHOD {
        return Err(format!("jsonrpc {} and method {}", request["jsonrpc"], request["method"]));
    }
    let params = object(&request["params"], "params", &["clientId", "energy", "power"])?;
    let client = params["clientId"].as_str().and_then(ClientId::parse);
    Ok(PostedEntry {
        id: integer(request, "id")?,
        client: client.ok_or("a clientId that is not 0x and 64 hex digits")?,
        power: Milliwatts(integer(params, "power")? as i64),
        energy: MilliwattHours::new(integer(params, "energy")?).ok_or("energy out of range")?,
    })
}

fn object<'a>(value: &'a Value, what: &str, keys: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let object = value.as_object().ok_or_else(|| format!("{what} is not an object"))?;
    let found: BTreeSet<_> = object.keys().map(String::as_str).collect();
    if found != keys.iter().copied().collect() {
        return Err(format!("{what} has the keys {found:?}"));
    }
    Ok(object)
}

/// 0 ..= 2^53 - 1, written as an integer.
fn integer(object: &Map<String, Value>, key: &str) -> Result<u64, String> {
    let number = object[key].as_u64().filter(|number| *number <= MilliwattHours::MAX.get());
    number.ok_or_else(|| format!("{key} is {}, not an integer from 0 to 2^53 - 1", object[key]))
}
