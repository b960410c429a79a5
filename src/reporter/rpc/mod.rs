//! The report call as JSON-RPC 2.0, method `edr_reportConsumeData`, and what each answer means.

mod answer;
mod summary;

pub(crate) use answer::{CallFailure, CallResult, ReportOutcome, RpcAnswer, interpret};

pub use summary::{AnswerSummary, summarize};

use serde::{Serialize, Serializer};

use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

const METHOD: &str = "edr_reportConsumeData";

/// One client's report: read from the ledger when it is due, and the `params` of its request on the wire.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ClientReport {
    /// The id of the JSON-RPC request: no other report of this task has it.
    #[serde(skip)]
    pub(crate) id: u64,
    #[serde(skip)]
    pub(crate) client: Name,
    #[serde(rename = "clientId", serialize_with = "whole_client_id")]
    pub(crate) client_id: ClientId,
    #[serde(serialize_with = "sendable_power")]
    pub(crate) power: Milliwatts,
    /// Written as a number of mWh.
    pub(crate) energy: MilliwattHours,
}

/// One HTTP call: at least one report, each of a different client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReportCall {
    pub(crate) shape: CallShape,
    pub(crate) reports: Vec<ClientReport>,
}

/// The form of a call's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallShape {
    /// One request object.
    Single,
    /// An array of request objects (JSON-RPC 2.0, section 6).
    Batch,
}

impl ReportCall {
    pub(crate) fn single(report: ClientReport) -> Self {
        ReportCall { shape: CallShape::Single, reports: vec![report] }
    }

    /// The body.
    pub(crate) fn body(&self) -> String {
        self.text(|value| serde_json::to_string(&value))
    }

    /// The body, indented for people.
    pub(crate) fn pretty_body(&self) -> String {
        self.text(|value| serde_json::to_string_pretty(&value))
    }

    fn text(&self, write: impl Fn(Body<'_>) -> serde_json::Result<String>) -> String {
        let requests: Vec<_> = self.reports.iter().map(RpcRequest::new).collect();
        let body = match (self.shape, requests) {
            (CallShape::Single, mut requests) if requests.len() == 1 => Body::Single(requests.remove(0)),
            (_, requests) => Body::Batch(requests),
        };
        write(body).expect("integers and texts are always JSON")
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'r> {
    Single(RpcRequest<'r>),
    Batch(Vec<RpcRequest<'r>>),
}

#[derive(Serialize)]
struct RpcRequest<'r> {
    jsonrpc: &'static str,
    id: u64,
    method: &'static str,
    params: &'r ClientReport,
}

impl<'r> RpcRequest<'r> {
    fn new(report: &'r ClientReport) -> Self {
        RpcRequest { jsonrpc: "2.0", id: report.id, method: METHOD, params: report }
    }
}

/// The only place where a client identifier is written in full.
fn whole_client_id<S: Serializer>(client_id: &ClientId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&client_id.to_hex())
}

/// Power in mW, at least 0. Its upper bound is that of the energy: the largest integer that every JSON reader keeps exactly.
fn sendable_power<S: Serializer>(power: &Milliwatts, serializer: S) -> Result<S::Ok, S::Error> {
    let consumed = u64::try_from(power.consumed().0).unwrap_or(0);
    serializer.serialize_u64(consumed.min(MilliwattHours::MAX.get()))
}

#[cfg(test)]
mod tests;
