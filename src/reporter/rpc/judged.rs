//! What the reporter would make of an endpoint's answer, without a call. For checks that have no endpoint.

use std::time::Duration;

use jiff::Timestamp;

use super::{Answer, Call, Entry, Failure, Heard, Outcome, Shape, interpret};
use crate::reporter::mask::Mask;
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

/// What an answer came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
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
pub fn judged(
    ids: &[u64],
    batch: bool,
    token: &str,
    now: Timestamp,
    status: u16,
    retry_after: Option<&str>,
    body: &[u8],
) -> Judged {
    let shape = if batch || ids.len() != 1 { Shape::Batch } else { Shape::Single };
    let call = Call { shape, entries: ids.iter().filter_map(|id| entry(*id)).collect() };
    let retry_after = retry_after.map(str::to_owned);
    let answer = Answer { status, retry_after, location: None, now, body: body.to_vec(), too_long: false };
    let heard = interpret(&call, &answer, &Mask::new(token));
    let accepted = heard.accepted(&call).iter().map(|entry| entry.id).collect();
    match heard {
        Heard::Entries { outcomes, strays } => {
            let told = outcomes.into_iter().filter_map(|(_, outcome)| text_of(outcome)).chain(strays).collect();
            Judged { accepted, wait: None, told }
        }
        Heard::Failed(failure) => {
            let wait = if let Failure::Wait(wait, _) = &failure { *wait } else { None };
            Judged { accepted, wait, told: vec![text_of_failure(failure)] }
        }
    }
}

fn entry(id: u64) -> Option<Entry> {
    let client_id = ClientId::parse(&format!("0x{id:064x}"))?;
    let client = Name::new(&format!("client_{id}"))?;
    Some(Entry { id, client, client_id, power: Milliwatts(0), energy: MilliwattHours::ZERO })
}

fn text_of(outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Accepted { odd } => odd,
        Outcome::Refused { message, .. } => Some(message),
        Outcome::Indeterminate(text) => Some(text),
        Outcome::Missing => None,
    }
}

fn text_of_failure(failure: Failure) -> String {
    match failure {
        Failure::TimedOut => String::new(),
        Failure::Batch { message, .. } => message,
        Failure::Wait(_, text)
        | Failure::Unreachable(text)
        | Failure::Transient(text)
        | Failure::Unintelligible(text)
        | Failure::Token(text)
        | Failure::WrongMethod(text)
        | Failure::Forbidden(text)
        | Failure::TooLarge(text)
        | Failure::Rejected(text)
        | Failure::Redirected(text) => text,
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
        let judged_of = |status, body: &str| judged(&[1, 2], true, &token, now, status, Some("7"), body.as_bytes());
        let heard = judged_of(200, &body);
        assert_eq!(heard.accepted, [1]);
        assert_eq!(heard.told, ["0x(token)", "1 answers to no request of this call were ignored"]);
        assert_eq!(judged_of(429, &body).wait, Some(Duration::from_secs(7)));
        assert!(judged_of(429, &body).accepted.is_empty(), "no time to press on");
    }
}
