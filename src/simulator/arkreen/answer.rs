//! What Arkreen answers, and what it answers when it is asked to misbehave.

use std::time::Duration;

use serde_json::{Value, json};

use super::check::Checked;
use super::{Behaviour, Event, Posted, State};

/// An answer, ready to be sent.
#[derive(Debug)]
pub(super) struct Reply {
    /// The connection is closed instead.
    pub(super) close: bool,
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    pub(super) pace: Pace,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    AtOnce,
    After(Duration),
    /// A byte each so often.
    Trickle(Duration),
    /// This many bytes, then the connection is closed.
    Cut(usize),
}

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Reply { close: false, status, headers, body: body.to_string().into_bytes(), pace: Pace::AtOnce }
    }

    fn page(status: u16) -> Self {
        let headers = vec![("content-type", "text/html".to_owned())];
        let body = b"<!DOCTYPE html><html><body>Please log in</body></html>".to_vec();
        Reply { close: false, status, headers, body, pace: Pace::AtOnce }
    }

    /// To what is no report call at all.
    pub(super) fn invalid() -> Self {
        Reply::json(
            400,
            &json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "Invalid Request"}}),
        )
    }
}

/// Answers a call as `behaviour` says.
pub(super) fn answer(state: &mut State, call: &Checked, behaviour: Behaviour) -> Reply {
    match behaviour {
        Behaviour::Well => well(state, call),
        Behaviour::Slow(wait) => Reply { pace: Pace::After(wait), ..well(state, call) },
        Behaviour::Trickle(each) => Reply { pace: Pace::Trickle(each), ..well(state, call) },
        Behaviour::Truncated => {
            let reply = well(state, call);
            Reply { pace: Pace::Cut(reply.body.len() / 2), ..reply }
        }
        Behaviour::TextId => taken(state, call, |response| response["id"] = response["id"].to_string().into()),
        Behaviour::WrongId => {
            taken(state, call, |response| response["id"] = json!(response["id"].as_u64().map(|id| id + 1000)))
        }
        Behaviour::OddResult => taken(state, call, |response| response["result"] = json!({"status": "queued"})),
        Behaviour::Partial(count) => taken_in_part(state, call, count),
        Behaviour::FirstOnly => Reply::json(200, &respond(state, &call.posted[0])),
        other => misbehave(state, call, other),
    }
}

fn misbehave(state: &State, call: &Checked, behaviour: Behaviour) -> Reply {
    let error = |code: i64, message: &str| json!({"code": code, "message": message});
    let each = |response: &dyn Fn(&Posted) -> Vec<Value>| {
        let responses = call.posted.iter().flat_map(response).collect();
        Reply::json(200, &shape(call.batch, responses))
    };
    match behaviour {
        Behaviour::Html => Reply::page(200),
        Behaviour::Status(status) => Reply::page(status),
        Behaviour::Huge(length) => Reply { body: vec![b' '; length + 1], ..Reply::json(200, &Value::Null) },
        Behaviour::Empty(status) => Reply { body: Vec::new(), ..Reply::json(status, &Value::Null) },
        Behaviour::RateLimited { retry_after } => {
            let mut reply = Reply::page(429);
            reply.headers.extend(retry_after.map(|value| ("retry-after", value)));
            reply
        }
        Behaviour::Redirect(to) => Reply { headers: vec![("location", to)], ..Reply::page(307) },
        Behaviour::Contradictory => Reply::json(
            200,
            &Value::Array(
                call.posted.iter().flat_map(|entry| [ok(entry), refused(entry, error(4003, "no"))]).collect(),
            ),
        ),
        Behaviour::Hollow => each(&|entry| vec![json!({"jsonrpc": "2.0", "id": entry.id})]),
        Behaviour::EntryErrors { code, message } => each(&|entry| vec![refused(entry, error(code, &message))]),
        Behaviour::Error { status, code, message } => {
            let id = if call.batch { Value::Null } else { json!(call.posted[0].id) };
            Reply::json(status, &json!({"jsonrpc": "2.0", "id": id, "error": error(code, &message)}))
        }
        Behaviour::EchoToken => {
            let message = format!("Invalid authorization token {}", state.token.to_uppercase());
            Reply::json(401, &json!({"jsonrpc": "2.0", "id": null, "error": error(1000, &message)}))
        }
        Behaviour::Raw { status, body } => Reply { body: body.into_bytes(), ..Reply::json(status, &Value::Null) },
        // What is left closes the connection.
        _ => Reply { close: true, ..Reply::page(200) },
    }
}

/// As Arkreen answers.
fn well(state: &mut State, call: &Checked) -> Reply {
    taken(state, call, |_| {})
}

fn taken(state: &mut State, call: &Checked, change: impl Fn(&mut Value)) -> Reply {
    if !call.authorized {
        let error = json!({"code": 1000, "message": "Invalid authorization token"});
        let id = if call.batch { Value::Null } else { json!(call.posted[0].id) };
        return Reply::json(200, &json!({"jsonrpc": "2.0", "id": id, "error": error}));
    }
    let mut responses: Vec<_> = call.posted.iter().map(|entry| respond(state, entry)).collect();
    responses.iter_mut().for_each(change);
    // JSON-RPC allows any order.
    responses.reverse();
    Reply::json(200, &shape(call.batch, responses))
}

fn taken_in_part(state: &mut State, call: &Checked, count: usize) -> Reply {
    let responses = call.posted.iter().take(count).map(|entry| respond(state, entry)).collect();
    Reply::json(200, &Value::Array(responses))
}

fn shape(batch: bool, mut responses: Vec<Value>) -> Value {
    if batch || responses.len() != 1 { Value::Array(responses) } else { responses.remove(0) }
}

/// Takes one figure, or refuses it with the code that Arkreen has for it.
fn respond(state: &mut State, entry: &Posted) -> Value {
    let Posted { client, power, energy, .. } = *entry;
    let (code, message) = match state.clients.get(&client) {
        None => (4002, "Invalid clientId"),
        Some(Some(held)) if energy < *held => (4003, "Invalid energy data"),
        Some(_) => {
            state.clients.insert(client, Some(energy));
            state.tell(Event::Accepted { client, power, energy });
            return ok(entry);
        }
    };
    state.tell(Event::Refused { client, code });
    refused(entry, json!({"code": code, "message": message}))
}

fn ok(entry: &Posted) -> Value {
    json!({"jsonrpc": "2.0", "id": entry.id, "result": "OK"})
}

fn refused(entry: &Posted, error: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": entry.id, "error": error})
}
