//! What an answer means for each report of the call, or for the whole call. The rest of the answer is ignored.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{CallShape, ClientReport, ReportCall};
use crate::reporter::mask::TokenMask;
use crate::reporter::retry;

/// The code of an `authorization` that was not accepted.
const INVALID_TOKEN: i64 = 1000;
const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// An HTTP answer as it arrived, with a bounded body.
#[derive(Clone, Debug)]
pub(crate) struct RpcAnswer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) location: Option<String>,
    /// The present time: the answer's own `Date`, else this box's clock.
    pub(crate) now: Timestamp,
    pub(crate) body: Vec<u8>,
    /// The body was longer than an answer to this call can be, and was cut.
    pub(crate) too_long: bool,
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CallResult {
    /// JSON-RPC with an outcome for each report.
    Answered {
        /// By id, in the order of the call.
        outcomes: Vec<(u64, ReportOutcome)>,
        /// What else the answer held, for the log.
        strays: Option<String>,
    },
    /// Nothing about any report.
    Failed(CallFailure),
}

impl CallResult {
    /// The reports that Arkreen accepted.
    pub(crate) fn accepted<'a>(&self, call: &'a ReportCall) -> Vec<&'a ClientReport> {
        let CallResult::Answered { outcomes, .. } = self else { return Vec::new() };
        let accepted = outcomes.iter().filter(|(_, outcome)| matches!(outcome, ReportOutcome::Accepted { .. }));
        accepted.filter_map(|(id, _)| call.reports.iter().find(|report| report.id == *id)).collect()
    }
}

/// The outcome of one report. Texts are safe to show.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ReportOutcome {
    Accepted {
        /// The result if it is not `"OK"`.
        odd: Option<String>,
    },
    Refused {
        /// Absent if the error has no integer code.
        code: Option<i64>,
        message: String,
    },
    /// Neither accepted nor refused.
    Indeterminate(String),
    /// The answer does not mention it.
    Missing,
}

/// Why a call gave no outcomes. Texts are safe to show.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CallFailure {
    /// No connection, or no TLS.
    Unreachable(String),
    TimedOut,
    /// The endpoint requests a wait: 429, or 503 with `Retry-After`. Without a duration the back-off decides.
    Wait(Option<Duration>, String),
    /// 408 and 5xx.
    Transient(String),
    /// An HTTP success without a valid answer: empty, HTML, incomplete, too long, another id.
    Unintelligible(String),
    /// Code 1000.
    Token(String),
    /// One error object for a whole batch, other than 1000.
    Batch {
        code: Option<i64>,
        message: String,
    },
    /// Code -32601: there is no such method at this URL.
    WrongMethod(String),
    /// 401 or 403 without JSON-RPC.
    Forbidden(String),
    /// 413: too large for the endpoint.
    TooLarge(String),
    /// Any other 4xx.
    Rejected(String),
    /// 3xx, not followed.
    Redirected(String),
}

/// What `answer` says about `call`.
pub(crate) fn interpret(call: &ReportCall, answer: &RpcAnswer, mask: &TokenMask) -> CallResult {
    let responses = if answer.too_long { None } else { responses(&answer.body) };
    let wait = requested_wait(answer);
    match responses.map(|responses| sort(call, responses, mask)) {
        Some(token @ CallResult::Failed(CallFailure::Token(_))) => token,
        // Such an answer requests a pause, so nothing else in it counts.
        _ if wait.is_some() || answer.status == 429 => CallResult::Failed(CallFailure::Wait(wait, status_text(answer))),
        Some(result) if is_about_call(&result) || (200..300).contains(&answer.status) => result,
        _ => CallResult::Failed(by_status(answer, mask)),
    }
}

/// Whether the body is JSON-RPC about this call, so that the HTTP status adds nothing.
fn is_about_call(result: &CallResult) -> bool {
    match result {
        CallResult::Answered { outcomes, .. } => outcomes
            .iter()
            .any(|(_, outcome)| matches!(outcome, ReportOutcome::Accepted { .. } | ReportOutcome::Refused { .. })),
        CallResult::Failed(failure) => matches!(failure, CallFailure::Batch { code: Some(_), .. }),
    }
}

fn requested_wait(answer: &RpcAnswer) -> Option<Duration> {
    let header = answer.retry_after.as_deref().filter(|_| matches!(answer.status, 429 | 503))?;
    retry::retry_after(header, answer.now)
}

fn by_status(answer: &RpcAnswer, mask: &TokenMask) -> CallFailure {
    let text = status_text(answer);
    match answer.status {
        408 | 500..=599 => CallFailure::Transient(text),
        401 | 403 => CallFailure::Forbidden(text),
        413 => CallFailure::TooLarge(text),
        400..=499 => CallFailure::Rejected(text),
        300..=399 => {
            let to = answer.location.as_deref().map(|to| format!(" to {}", mask.show(to))).unwrap_or_default();
            CallFailure::Redirected(format!("{text}{to}"))
        }
        _ => CallFailure::Unintelligible(unintelligible(answer, mask)),
    }
}

fn status_text(answer: &RpcAnswer) -> String {
    format!("HTTP {}", answer.status)
}

fn unintelligible(answer: &RpcAnswer, mask: &TokenMask) -> String {
    if answer.too_long {
        return format!("{} with an answer that is too long", status_text(answer));
    }
    if answer.body.is_empty() {
        return format!("{} with an empty answer", status_text(answer));
    }
    // 60 bytes are enough to recognize a login page or a proxy.
    let beginning = mask.show(&String::from_utf8_lossy(&answer.body));
    let beginning: String = beginning.chars().take(60).collect();
    format!("{} with an answer that is not JSON-RPC ({beginning})", status_text(answer))
}

enum Responses {
    One(Map<String, Value>),
    Many(Vec<Value>),
}

fn responses(body: &[u8]) -> Option<Responses> {
    // Some servers write a byte-order mark, which is no part of JSON.
    match serde_json::from_slice(body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)).ok()? {
        Value::Object(object) if is_response(&object) => Some(Responses::One(object)),
        Value::Array(elements) => Some(Responses::Many(elements)),
        _ => None,
    }
}

/// An object that has an id, or an error with a code; `{"error": "unauthorized"}` of a proxy is neither.
fn is_response(object: &Map<String, Value>) -> bool {
    object.get("id").is_some_and(|id| !id.is_null()) || error_code(object.get("error")).is_some()
}

fn sort(call: &ReportCall, responses: Responses, mask: &TokenMask) -> CallResult {
    let mut found: BTreeMap<u64, Vec<ReportOutcome>> = BTreeMap::new();
    let mut strays = 0;
    match (responses, call.shape) {
        (Responses::One(object), CallShape::Single) => {
            // One call, one answer: an error may lack the id, if the endpoint could not read it.
            let unnamed_error = object.get("id").is_none_or(Value::is_null) && non_null(&object, "error");
            let id = if unnamed_error { call.reports.first().map(|report| report.id) } else { id_of(&object) };
            if let Some(id) = id.filter(|id| call.reports.iter().any(|report| report.id == *id)) {
                found.entry(id).or_default().push(outcome(&object, mask));
            }
        }
        (Responses::One(object), CallShape::Batch) if non_null(&object, "error") => {
            let (code, message) = error_of(object.get("error"), mask);
            return CallResult::Failed(match code {
                Some(INVALID_TOKEN) => CallFailure::Token(message),
                code => CallFailure::Batch { code, message },
            });
        }
        (Responses::One(object), CallShape::Batch) => {
            collect(call, vec![Value::Object(object)], mask, &mut found, &mut strays)
        }
        (Responses::Many(elements), _) => {
            if let Some(message) = token_refused(&elements, mask) {
                return CallResult::Failed(CallFailure::Token(message));
            }
            collect(call, elements, mask, &mut found, &mut strays);
        }
    }
    let outcomes: Vec<_> = call.reports.iter().map(|report| (report.id, settle(found.remove(&report.id)))).collect();
    if let [(_, ReportOutcome::Refused { code: Some(INVALID_TOKEN), message })] = outcomes.as_slice() {
        return CallResult::Failed(CallFailure::Token(message.clone()));
    }
    if let (CallShape::Single, [(_, ReportOutcome::Missing)]) = (call.shape, outcomes.as_slice()) {
        return CallResult::Failed(CallFailure::Unintelligible("an answer to another request".into()));
    }
    let strays = (strays > 0).then(|| format!("{strays} answers to unknown requests were ignored"));
    CallResult::Answered { outcomes, strays }
}

fn collect(
    call: &ReportCall,
    elements: Vec<Value>,
    mask: &TokenMask,
    found: &mut BTreeMap<u64, Vec<ReportOutcome>>,
    strays: &mut usize,
) {
    for element in elements {
        let object = element.as_object();
        let known = object.and_then(id_of).filter(|id| call.reports.iter().any(|report| report.id == *id));
        match (known, object) {
            (Some(id), Some(object)) => found.entry(id).or_default().push(outcome(object, mask)),
            _ => *strays += 1,
        }
    }
}

/// 1000 concerns the account, whichever report it comes with; but not if the same answer accepts others.
fn token_refused(elements: &[Value], mask: &TokenMask) -> Option<String> {
    let objects: Vec<_> = elements.iter().filter_map(Value::as_object).collect();
    let accepted = objects.iter().any(|object| matches!(outcome(object, mask), ReportOutcome::Accepted { .. }));
    let mut errors = objects.iter().map(|object| error_of(object.get("error"), mask));
    let (_, message) = errors.find(|(code, _)| *code == Some(INVALID_TOKEN))?;
    (!accepted).then_some(message)
}

fn settle(found: Option<Vec<ReportOutcome>>) -> ReportOutcome {
    match found.unwrap_or_default().as_slice() {
        [] => ReportOutcome::Missing,
        [first, rest @ ..] if rest.iter().all(|other| other == first) => first.clone(),
        _ => ReportOutcome::Indeterminate("several contradicting answers".into()),
    }
}

fn outcome(object: &Map<String, Value>, mask: &TokenMask) -> ReportOutcome {
    match (non_null(object, "result"), non_null(object, "error")) {
        (true, false) => {
            let odd = object.get("result").filter(|result| result.as_str() != Some("OK"));
            ReportOutcome::Accepted { odd: odd.map(|result| mask.show(&result.to_string())) }
        }
        (false, true) => {
            let (code, message) = error_of(object.get("error"), mask);
            ReportOutcome::Refused { code, message }
        }
        (true, true) => ReportOutcome::Indeterminate("an answer with both a result and an error".into()),
        (false, false) => ReportOutcome::Indeterminate("an answer with neither a result nor an error".into()),
    }
}

fn non_null(object: &Map<String, Value>, key: &str) -> bool {
    object.get(key).is_some_and(|value| !value.is_null())
}

/// `"1"` for `1` is tolerated.
fn id_of(object: &Map<String, Value>) -> Option<u64> {
    match object.get("id")? {
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A number such as 1.0, which some JSON libraries make of 1.
fn whole(number: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && (0.0..EXACT).contains(&number)).then_some(number as u64)
}

fn error_code(error: Option<&Value>) -> Option<i64> {
    error?.as_object()?.get("code")?.as_i64()
}

fn error_of(error: Option<&Value>, mask: &TokenMask) -> (Option<i64>, String) {
    let message = match error {
        Some(Value::Object(object)) => object.get("message").and_then(Value::as_str),
        other => other.and_then(Value::as_str),
    };
    (error_code(error), mask.show(message.unwrap_or_default()))
}
