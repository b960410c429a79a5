//! How the reporter interprets an answer, without a call: for checks that have no endpoint.

use std::time::Duration;

use jiff::Timestamp;

use super::{CallFailure, CallResult, CallShape, ClientReport, ReportCall, ReportOutcome, RpcAnswer, interpret};
use crate::reporter::mask::TokenMask;
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

/// What an answer means.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnswerSummary {
    /// The ids of the reports that count as accepted.
    pub accepted: Vec<u64>,
    /// The wait that the endpoint requests, as far as it is honoured: 1 s to 1 h.
    pub wait: Option<Duration>,
    /// Every text of it that may be shown.
    pub texts: Vec<String>,
}

/// Interprets an answer to a call with these ids, each of a different client: one request object if `batch` is false and there is a
/// single id, else an array. `token` is the account's token, `now` the present time.
pub fn summarize(
    ids: &[u64],
    batch: bool,
    token: &str,
    now: Timestamp,
    status: u16,
    retry_after: Option<&str>,
    body: &[u8],
) -> AnswerSummary {
    let shape = if batch || ids.len() != 1 { CallShape::Batch } else { CallShape::Single };
    let call = ReportCall { shape, reports: ids.iter().filter_map(|id| report(*id)).collect() };
    let retry_after = retry_after.map(str::to_owned);
    let answer = RpcAnswer { status, retry_after, location: None, now, body: body.to_vec(), too_long: false };
    let result = interpret(&call, &answer, &TokenMask::new(token));
    let accepted = result.accepted(&call).iter().map(|report| report.id).collect();
    match result {
        CallResult::Answered { outcomes, strays } => {
            let texts = outcomes.into_iter().filter_map(|(_, outcome)| text_of(outcome)).chain(strays).collect();
            AnswerSummary { accepted, wait: None, texts }
        }
        CallResult::Failed(failure) => {
            let wait = if let CallFailure::Wait(wait, _) = &failure { *wait } else { None };
            AnswerSummary { accepted, wait, texts: vec![text_of_failure(failure)] }
        }
    }
}

fn report(id: u64) -> Option<ClientReport> {
    let client_id = ClientId::parse(&format!("0x{id:064x}"))?;
    let client = Name::new(&format!("client_{id}"))?;
    Some(ClientReport { id, client, client_id, power: Milliwatts(0), energy: MilliwattHours::ZERO })
}

fn text_of(outcome: ReportOutcome) -> Option<String> {
    match outcome {
        ReportOutcome::Accepted { odd } => odd,
        ReportOutcome::Refused { message, .. } => Some(message),
        ReportOutcome::Indeterminate(text) => Some(text),
        ReportOutcome::Missing => None,
    }
}

fn text_of_failure(failure: CallFailure) -> String {
    match failure {
        CallFailure::TimedOut => String::new(),
        CallFailure::Batch { message, .. } => message,
        CallFailure::Wait(_, text)
        | CallFailure::Unreachable(text)
        | CallFailure::Transient(text)
        | CallFailure::Unintelligible(text)
        | CallFailure::Token(text)
        | CallFailure::WrongMethod(text)
        | CallFailure::Forbidden(text)
        | CallFailure::TooLarge(text)
        | CallFailure::Rejected(text)
        | CallFailure::Redirected(text) => text,
    }
}

#[cfg(test)]
mod tests;
