//! Any answer of the endpoint: a report counts as accepted only if it was sent and the answer accepts it. The token is never shown.
//!
//! The input: the number of reports, single or batch, the HTTP status, `Retry-After` up to a zero byte, and the body.

#![no_main]

use std::time::Duration;

use arkmeter::reporter::summarize;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const TOKEN: &str = "0x7c1e93b05fd2a8467c1e93b05fd2a8467c1e93b05fd2a8467c1e93b05fd2a846";
const STATUSES: [u16; 16] = [200, 200, 200, 201, 204, 302, 307, 400, 401, 403, 404, 408, 413, 429, 500, 503];

fuzz_target!(|data: &[u8]| {
    let [entries, batch, status, rest @ ..] = data else { return };
    let zero = rest.iter().position(|byte| *byte == 0).unwrap_or(0);
    let (retry_after, body) = rest.split_at(zero);
    let body = String::from_utf8_lossy(body.strip_prefix(&[0]).unwrap_or(body)).replace("@TOKEN", TOKEN);
    let ids: Vec<u64> = (7..8 + u64::from(entries % 5)).collect();
    let (batch, status) = (batch & 1 == 1, STATUSES[usize::from(status % 16)]);
    let retry_after = str::from_utf8(retry_after).ok().filter(|text| !text.is_empty());
    let summary = summarize(&ids, batch, TOKEN, Timestamp::UNIX_EPOCH, status, retry_after, body.as_bytes());
    let mut accepted = summary.accepted.clone();
    accepted.dedup();
    assert_eq!(accepted, summary.accepted, "accepted twice");
    for id in &accepted {
        assert!(ids.contains(id), "never sent");
        assert!(accepts(&body, *id), "this answer does not accept {id}: {body}");
    }
    assert!(summary.wait.is_none_or(|wait| (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&wait)));
    for text in &summary.texts {
        assert!(text.len() <= 400 && text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text:?}");
        let text = text.to_ascii_lowercase();
        assert!((2..=58).all(|from| !text.contains(&TOKEN[from..from + 8])), "{text}");
    }
});

/// Whether an object of the answer has this id, a result and no error, as JSON-RPC 2.0 requires. A byte-order mark before the answer is
/// accepted, and an id such as `7.0` or `"7"`.
fn accepts(body: &str, id: u64) -> bool {
    let objects = match serde_json::from_str(body.strip_prefix('\u{feff}').unwrap_or(body)) {
        Ok(Value::Array(objects)) => objects,
        Ok(object) => vec![object],
        Err(_) => return false,
    };
    objects.iter().any(|object| {
        let named = object["id"].as_f64() == Some(id as f64)
            || object["id"].as_str().and_then(|it| it.parse().ok()) == Some(id);
        named && !object["result"].is_null() && object["error"].is_null()
    })
}
