//! The report call on the wire: JSON-RPC 2.0, method `edr_reportConsumeData`, and what each answer means.

mod answer;
mod judged;

pub(crate) use answer::{Answer, Failure, Heard, Outcome, interpret};

pub use judged::{Judged, judged};

use serde::Serialize;

use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

const METHOD: &str = "edr_reportConsumeData";

/// One client's figure in a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The JSON-RPC id: no other entry of this task has it.
    pub(crate) id: u64,
    pub(crate) client: Name,
    pub(crate) client_id: ClientId,
    pub(crate) power: Milliwatts,
    pub(crate) energy: MilliwattHours,
}

/// One HTTP call: at least one entry, each of another client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) shape: Shape,
    pub(crate) entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One request object.
    Single,
    /// An array of request objects (JSON-RPC 2.0, section 6).
    Batch,
}

impl Call {
    pub(crate) fn single(entry: Entry) -> Self {
        Call { shape: Shape::Single, entries: vec![entry] }
    }

    /// The body. The only place where a client identifier is written whole.
    pub(crate) fn body(&self) -> String {
        self.text(|value| serde_json::to_string(&value))
    }

    /// The body as [`Call::body`], for people: indented.
    pub(crate) fn pretty_body(&self) -> String {
        self.text(|value| serde_json::to_string_pretty(&value))
    }

    fn text(&self, write: impl Fn(Body) -> serde_json::Result<String>) -> String {
        let requests: Vec<_> = self.entries.iter().map(Request::new).collect();
        let body = match (self.shape, requests) {
            (Shape::Single, mut requests) if requests.len() == 1 => Body::Single(requests.remove(0)),
            (_, requests) => Body::Batch(requests),
        };
        write(body).expect("integers and texts are always JSON")
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body {
    Single(Request),
    Batch(Vec<Request>),
}

#[derive(Serialize)]
struct Request {
    jsonrpc: &'static str,
    id: u64,
    method: &'static str,
    params: Params,
}

#[derive(Serialize)]
struct Params {
    #[serde(rename = "clientId")]
    client_id: String,
    /// mW
    power: u64,
    /// mWh
    energy: u64,
}

impl Request {
    fn new(entry: &Entry) -> Self {
        // Power has the same bound as energy: what a JSON reader may not take exactly is not sent.
        let power = u64::try_from(entry.power.consumed().0).unwrap_or(0).min(MilliwattHours::MAX.get());
        let params = Params { client_id: entry.client_id.to_hex(), power, energy: entry.energy.get() };
        Request { jsonrpc: "2.0", id: entry.id, method: METHOD, params }
    }
}

#[cfg(test)]
mod tests;
