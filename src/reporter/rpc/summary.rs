//! What the reporter would make of an endpoint's answer, without a call. For checks that have no endpoint.

use std::time::Duration;

use jiff::Timestamp;

use super::{CallFailure, CallResult, CallShape, ClientReport, ReportCall, ReportOutcome, RpcAnswer, interpret};
use crate::reporter::mask::TokenMask;
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

/// What an answer came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnswerSummary {
    /// The ids whose figures count as taken.
    pub accepted: Vec<u64>,
    /// How long the endpoint asked to be left alone, as far as that is honoured.
    pub wait: Option<Duration>,
    /// Every text that may be shown of it.
    pub told: Vec<String>,
}

/// Judges an answer to a call with these ids, each of another client: one request object for `batch` false and a single id, else an array.
///
/// `token` is what the account is known by, `now` what time it is.
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
    let call = ReportCall { shape, entries: ids.iter().filter_map(|id| entry(*id)).collect() };
    let retry_after = retry_after.map(str::to_owned);
    let answer = RpcAnswer { status, retry_after, location: None, now, body: body.to_vec(), too_long: false };
    let heard = interpret(&call, &answer, &TokenMask::new(token));
    let accepted = heard.accepted(&call).iter().map(|entry| entry.id).collect();
    match heard {
        CallResult::Answered { outcomes, strays } => {
            let told = outcomes.into_iter().filter_map(|(_, outcome)| text_of(outcome)).chain(strays).collect();
            AnswerSummary { accepted, wait: None, told }
        }
        CallResult::Failed(failure) => {
            let wait = if let CallFailure::Wait(wait, _) = &failure { *wait } else { None };
            AnswerSummary { accepted, wait, told: vec![text_of_failure(failure)] }
        }
    }
}

fn entry(id: u64) -> Option<ClientReport> {
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
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_and_answered_counts_as_taken() {
        let (token, now) = (format!("0x{}", "5".repeat(64)), Timestamp::UNIX_EPOCH);
        let body = format!(
            r#"[{{"id": 1, "result": "OK"}}, {{"id": 9, "result": "OK"}}, {{"id": 2, "error": {{"code": 4003, "message": "{token}"}}}}]"#
        );
        let judged_of = |status, body: &str| summarize(&[1, 2], true, &token, now, status, Some("7"), body.as_bytes());
        let heard = judged_of(200, &body);
        assert_eq!(heard.accepted, [1]);
        assert_eq!(heard.told, ["0x(token)", "1 answers to no request of this call were ignored"]);
        assert_eq!(judged_of(429, &body).wait, Some(Duration::from_secs(7)));
        assert!(judged_of(429, &body).accepted.is_empty(), "no time to press on");
    }
}
