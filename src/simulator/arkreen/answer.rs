//! The responses of the endpoint: the normal ones, and the faults that a test has set.

use std::time::Duration;

use serde_json::{Value, json};

use super::check::CheckedCall;
use super::{EndpointBehaviour, EndpointEvent, EndpointState, PostedEntry};

/// A response, ready to be sent.
#[derive(Debug)]
pub(super) struct EndpointReply {
    /// The connection is closed instead.
    pub(super) close: bool,
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    pub(super) timing: ReplyTiming,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ReplyTiming {
    AtOnce,
    After(Duration),
    /// One byte in each interval.
    Trickle(Duration),
    /// This many bytes, then the connection is closed.
    Cut(usize),
}

impl EndpointReply {
    fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        EndpointReply {
            close: false,
            status,
            headers,
            body: body.to_string().into_bytes(),
            timing: ReplyTiming::AtOnce,
        }
    }

    fn page(status: u16) -> Self {
        let headers = vec![("content-type", "text/html".to_owned())];
        let body = b"<!DOCTYPE html><html><body>Please log in</body></html>".to_vec();
        EndpointReply { close: false, status, headers, body, timing: ReplyTiming::AtOnce }
    }

    /// The response to something that is not a report call.
    pub(super) fn invalid() -> Self {
        EndpointReply::json(
            400,
            &json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "Invalid Request"}}),
        )
    }
}

/// Answers a call as `behaviour` says.
pub(super) fn answer(state: &mut EndpointState, call: &CheckedCall, behaviour: EndpointBehaviour) -> EndpointReply {
    match behaviour {
        EndpointBehaviour::Normal => well(state, call),
        EndpointBehaviour::Slow(wait) => EndpointReply { timing: ReplyTiming::After(wait), ..well(state, call) },
        EndpointBehaviour::Trickle(each) => EndpointReply { timing: ReplyTiming::Trickle(each), ..well(state, call) },
        EndpointBehaviour::Truncated => {
            let reply = well(state, call);
            EndpointReply { timing: ReplyTiming::Cut(reply.body.len() / 2), ..reply }
        }
        EndpointBehaviour::TextId => {
            accepted(state, call, |response| response["id"] = response["id"].to_string().into())
        }
        EndpointBehaviour::WrongId => {
            accepted(state, call, |response| response["id"] = json!(response["id"].as_u64().map(|id| id + 1000)))
        }
        EndpointBehaviour::OddResult => {
            accepted(state, call, |response| response["result"] = json!({"status": "queued"}))
        }
        EndpointBehaviour::Partial(count) => accepted_in_part(state, call, count),
        EndpointBehaviour::FirstOnly => EndpointReply::json(200, &respond(state, &call.posted[0])),
        other => misbehave(state, call, other),
    }
}

fn misbehave(state: &EndpointState, call: &CheckedCall, behaviour: EndpointBehaviour) -> EndpointReply {
    let error = |code: i64, message: &str| json!({"code": code, "message": message});
    let each = |response: &dyn Fn(&PostedEntry) -> Vec<Value>| {
        let responses = call.posted.iter().flat_map(response).collect();
        EndpointReply::json(200, &shape(call.batch, responses))
    };
    match behaviour {
        EndpointBehaviour::Html => EndpointReply::page(200),
        EndpointBehaviour::Status(status) => EndpointReply::page(status),
        EndpointBehaviour::Huge(length) => {
            EndpointReply { body: vec![b' '; length + 1], ..EndpointReply::json(200, &Value::Null) }
        }
        EndpointBehaviour::Empty(status) => {
            EndpointReply { body: Vec::new(), ..EndpointReply::json(status, &Value::Null) }
        }
        EndpointBehaviour::RateLimited { retry_after } => {
            let mut reply = EndpointReply::page(429);
            reply.headers.extend(retry_after.map(|value| ("retry-after", value)));
            reply
        }
        EndpointBehaviour::Redirect(to) => {
            EndpointReply { headers: vec![("location", to)], ..EndpointReply::page(307) }
        }
        EndpointBehaviour::Contradictory => EndpointReply::json(
            200,
            &Value::Array(
                call.posted.iter().flat_map(|entry| [ok(entry), refused(entry, error(4003, "no"))]).collect(),
            ),
        ),
        EndpointBehaviour::Hollow => each(&|entry| vec![json!({"jsonrpc": "2.0", "id": entry.id})]),
        EndpointBehaviour::EntryErrors { code, message } => each(&|entry| vec![refused(entry, error(code, &message))]),
        EndpointBehaviour::Error { status, code, message } => {
            let id = if call.batch { Value::Null } else { json!(call.posted[0].id) };
            EndpointReply::json(status, &json!({"jsonrpc": "2.0", "id": id, "error": error(code, &message)}))
        }
        EndpointBehaviour::EchoToken => {
            let message = format!("Invalid authorization token {}", state.token.to_uppercase());
            EndpointReply::json(401, &json!({"jsonrpc": "2.0", "id": null, "error": error(1000, &message)}))
        }
        EndpointBehaviour::Raw { status, body } => {
            EndpointReply { body: body.into_bytes(), ..EndpointReply::json(status, &Value::Null) }
        }
        // `Close`.
        _ => EndpointReply { close: true, ..EndpointReply::page(200) },
    }
}

/// As Arkreen answers.
fn well(state: &mut EndpointState, call: &CheckedCall) -> EndpointReply {
    accepted(state, call, |_| {})
}

fn accepted(state: &mut EndpointState, call: &CheckedCall, change: impl Fn(&mut Value)) -> EndpointReply {
    if !call.authorized {
        let error = json!({"code": 1000, "message": "Invalid authorization token"});
        let id = if call.batch { Value::Null } else { json!(call.posted[0].id) };
        return EndpointReply::json(200, &json!({"jsonrpc": "2.0", "id": id, "error": error}));
    }
    let mut responses: Vec<_> = call.posted.iter().map(|entry| respond(state, entry)).collect();
    responses.iter_mut().for_each(change);
    // JSON-RPC allows any order.
    responses.reverse();
    EndpointReply::json(200, &shape(call.batch, responses))
}

fn accepted_in_part(state: &mut EndpointState, call: &CheckedCall, count: usize) -> EndpointReply {
    let responses = call.posted.iter().take(count).map(|entry| respond(state, entry)).collect();
    EndpointReply::json(200, &Value::Array(responses))
}

fn shape(batch: bool, mut responses: Vec<Value>) -> Value {
    if batch || responses.len() != 1 { Value::Array(responses) } else { responses.remove(0) }
}

/// Accepts one report, or refuses it with Arkreen's code.
fn respond(state: &mut EndpointState, entry: &PostedEntry) -> Value {
    let PostedEntry { client, power, energy, .. } = *entry;
    let (code, message) = match state.clients.get(&client) {
        None => (4002, "Invalid clientId"),
        Some(Some(held)) if energy < *held => (4003, "Invalid energy data"),
        Some(_) => {
            state.clients.insert(client, Some(energy));
            state.publish(EndpointEvent::Accepted { client, power, energy });
            return ok(entry);
        }
    };
    state.publish(EndpointEvent::Refused { client, code });
    refused(entry, json!({"code": code, "message": message}))
}

fn ok(entry: &PostedEntry) -> Value {
    json!({"jsonrpc": "2.0", "id": entry.id, "result": "OK"})
}

fn refused(entry: &PostedEntry, error: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": entry.id, "error": error})
}
