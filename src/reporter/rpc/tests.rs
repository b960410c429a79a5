use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::reporter::mask::TokenMask;

fn entry(number: u64) -> ClientReport {
    ClientReport {
        id: number,
        client: Name::new(&format!("client_{number}")).unwrap(),
        client_id: ClientId::parse(&format!("0x{number:064x}")).unwrap(),
        power: Milliwatts(1_500_000),
        energy: MilliwattHours::new(180_000_000 + number).unwrap(),
    }
}

fn single() -> ReportCall {
    ReportCall::single(entry(1))
}

fn batch(entries: u64) -> ReportCall {
    ReportCall { shape: CallShape::Batch, reports: (1..=entries).map(entry).collect() }
}

fn answer(status: u16, body: impl ToString) -> RpcAnswer {
    let now = Timestamp::from_second(784_111_777).unwrap();
    let body = body.to_string().into_bytes();
    RpcAnswer { status, retry_after: None, location: None, now, body, too_long: false }
}

fn interpreted(call: &ReportCall, status: u16, body: impl ToString) -> CallResult {
    interpret(call, &answer(status, body), &TokenMask::default())
}

fn failure(call: &ReportCall, status: u16, body: impl ToString) -> CallFailure {
    match interpreted(call, status, body) {
        CallResult::Failed(failure) => failure,
        result => panic!("{result:?}"),
    }
}

fn outcomes(call: &ReportCall, body: impl ToString) -> Vec<ReportOutcome> {
    match interpreted(call, 200, body) {
        CallResult::Answered { outcomes, .. } => {
            assert!(outcomes.iter().zip(&call.reports).all(|((id, _), entry)| *id == entry.id));
            outcomes.into_iter().map(|(_, outcome)| outcome).collect()
        }
        result => panic!("{result:?}"),
    }
}

fn ok(id: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "result": "OK"})
}

fn error(id: impl Into<Value>, code: i64) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "error": {"code": code, "message": "no"}})
}

fn refused(code: i64) -> ReportOutcome {
    ReportOutcome::Refused { code: Some(code), message: "no".into() }
}

const ACCEPTED: ReportOutcome = ReportOutcome::Accepted { odd: None };

#[test]
fn a_single_call_is_written_exactly_as_specified() {
    let expected = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"edr_reportConsumeData","params":{{"clientId":"0x{:064x}","power":1500000,"energy":180000001}}}}"#,
        1
    );
    assert_eq!(single().body(), expected);
    assert_eq!(
        serde_json::from_str::<Value>(&single().pretty_body()).unwrap(),
        serde_json::from_str::<Value>(&expected).unwrap()
    );
}

#[test]
fn a_batch_is_an_array_even_of_one() {
    assert_eq!(batch(1).body(), format!("[{}]", single().body()));
    assert!(batch(2).body().starts_with(&format!("[{},{{", single().body())));
}

#[test]
fn power_is_never_negative_and_within_the_exact_range_of_json() {
    for (power, sent) in [(-5, 0), (i64::MIN, 0), (i64::MAX, (1u64 << 53) - 1), (7, 7)] {
        let call = ReportCall::single(ClientReport { power: Milliwatts(power), ..entry(1) });
        let body: Value = serde_json::from_str(&call.body()).unwrap();
        assert_eq!(body["params"]["power"], sent);
    }
}

#[test]
fn a_result_with_a_null_error_or_none_is_an_acceptance() {
    assert_eq!(outcomes(&single(), ok(1)), [ACCEPTED]);
    assert_eq!(outcomes(&single(), json!({"jsonrpc": "2.0", "id": 1, "result": "OK", "error": null})), [ACCEPTED]);
}

#[test]
fn the_id_may_be_a_string() {
    assert_eq!(outcomes(&single(), ok("1")), [ACCEPTED]);
    assert_eq!(outcomes(&batch(2), json!([ok("2"), ok("1")])), [ACCEPTED, ACCEPTED]);
}

#[test]
fn a_byte_order_mark_and_an_id_with_a_decimal_point_are_accepted() {
    assert_eq!(outcomes(&single(), format!("\u{FEFF}{}", ok(1))), [ACCEPTED]);
    assert_eq!(outcomes(&single(), ok(1.0)), [ACCEPTED]);
    assert_eq!(outcomes(&batch(2), json!([ok(2.0), ok(1.0)])), [ACCEPTED, ACCEPTED]);
    for other in [1.5, -1.0, 1e300] {
        let failed = failure(&single(), 200, ok(other));
        assert!(matches!(failed, CallFailure::Unintelligible(_)), "{other}: {failed:?}");
    }
}

#[test]
fn an_unusual_result_is_accepted_and_noted() {
    let odd = ReportOutcome::Accepted { odd: Some("{\"a\":1}".into()) };
    assert_eq!(outcomes(&single(), json!({"id": 1, "result": {"a": 1}})), [odd]);
}

#[test]
fn result_and_error_or_neither_is_indeterminate() {
    let both = json!({"id": 1, "result": "OK", "error": {"code": 1}});
    assert!(matches!(outcomes(&single(), both)[0], ReportOutcome::Indeterminate(_)));
    let neither = json!({"id": 1, "result": null, "error": null});
    assert!(matches!(outcomes(&single(), neither)[0], ReportOutcome::Indeterminate(_)));
}

#[test]
fn code_1000_is_about_the_account_under_any_status_and_shape() {
    let token = CallFailure::Token("no".into());
    for status in [200, 400, 401, 403, 429, 500, 503] {
        assert_eq!(failure(&single(), status, error(1, 1000)), token, "{status}");
        assert_eq!(failure(&single(), status, error(Value::Null, 1000)), token, "{status}");
        assert_eq!(failure(&batch(2), status, error(Value::Null, 1000)), token, "{status}");
        assert_eq!(failure(&batch(2), status, json!([error(1, 1000), error(2, 1000)])), token, "{status}");
    }
}

#[test]
fn an_acceptance_in_the_same_answer_as_code_1000_is_kept() {
    assert_eq!(outcomes(&batch(2), json!([ok(1), error(2, 1000)])), [ACCEPTED, refused(1000)]);
}

#[test]
fn an_error_keeps_its_code_under_any_status() {
    for status in [200, 400, 403, 500] {
        let result = interpreted(&single(), status, error(1, 4003));
        assert_eq!(result, CallResult::Answered { outcomes: vec![(1, refused(4003))], strays: None });
    }
    assert_eq!(outcomes(&batch(2), json!([error(2, 4002), error(1, 4003)])), [refused(4003), refused(4002)]);
    let text = ReportOutcome::Refused { code: None, message: "sorry".into() };
    assert_eq!(outcomes(&single(), json!({"id": 1, "error": "sorry"})), [text]);
}

#[test]
fn a_success_status_without_a_valid_answer_is_unintelligible() {
    let bodies =
        ["", "<html>", "{\"jsonrpc\":\"2.0\",\"id\":1,\"res", "[]", "null", "\"OK\"", "{}", "{\"result\":\"OK\"}"];
    for body in bodies {
        assert!(matches!(failure(&single(), 200, body), CallFailure::Unintelligible(_)), "{body}");
    }
    assert!(matches!(failure(&single(), 204, ""), CallFailure::Unintelligible(_)));
    let nested = "[".repeat(100_000);
    assert!(matches!(failure(&single(), 200, nested), CallFailure::Unintelligible(_)));
}

#[test]
fn a_truncated_answer_is_rejected() {
    let cut = RpcAnswer { too_long: true, ..answer(200, ok(1)) };
    assert!(matches!(
        interpret(&single(), &cut, &TokenMask::default()),
        CallResult::Failed(CallFailure::Unintelligible(_))
    ));
}

#[test]
fn an_answer_with_another_id_is_ignored() {
    for id in [json!(2), json!("2"), json!("x"), json!(-1), json!(1.5), json!([1]), Value::Null] {
        assert!(matches!(failure(&single(), 200, ok(id.clone())), CallFailure::Unintelligible(_)), "{id}");
        assert!(matches!(failure(&single(), 500, ok(id)), CallFailure::Transient(_)));
    }
    assert!(matches!(failure(&single(), 200, error(2, 4003)), CallFailure::Unintelligible(_)));
}

#[test]
fn a_status_without_json_rpc_decides_the_outcome() {
    type Make = fn(String) -> CallFailure;
    let rows: [(&[u16], Make); 5] = [
        (&[408, 500, 502, 503, 504], CallFailure::Transient),
        (&[401, 403], CallFailure::Forbidden),
        (&[400, 404, 405, 410, 418], CallFailure::Rejected),
        (&[413], CallFailure::TooLarge),
        (&[301, 302, 307, 308], CallFailure::Redirected),
    ];
    for (statuses, make) in rows {
        for status in statuses {
            for body in ["", "<html>", "{\"error\":\"unauthorized\"}"] {
                assert_eq!(failure(&single(), *status, body), make(format!("HTTP {status}")), "{status} {body}");
            }
        }
    }
}

#[test]
fn a_redirect_names_its_target() {
    let redirect = RpcAnswer { location: Some("https://other.example/\u{1b}".into()), ..answer(302, "") };
    let result = interpret(&single(), &redirect, &TokenMask::default());
    assert_eq!(result, CallResult::Failed(CallFailure::Redirected("HTTP 302 to https://other.example/?".into())));
}

#[test]
fn status_429_waits_as_long_as_its_retry_after() {
    let wait = |status, retry_after: Option<&str>, body: Value| {
        let answer = RpcAnswer { retry_after: retry_after.map(Into::into), ..answer(status, body) };
        interpret(&single(), &answer, &TokenMask::default())
    };
    let waiting = |status, seconds: Option<u64>| {
        CallResult::Failed(CallFailure::Wait(seconds.map(Duration::from_secs), format!("HTTP {status}")))
    };
    assert_eq!(wait(429, Some("7"), Value::Null), waiting(429, Some(7)));
    assert_eq!(wait(429, Some("Sun, 06 Nov 1994 08:50:37 GMT"), Value::Null), waiting(429, Some(60)));
    assert_eq!(wait(429, None, Value::Null), waiting(429, None));
    assert_eq!(wait(429, Some("0"), Value::Null), waiting(429, None));
    assert_eq!(wait(429, Some("7"), error(1, -32005)), waiting(429, Some(7)), "whatever its body says");
    assert_eq!(wait(503, Some("7"), Value::Null), waiting(503, Some(7)));
    assert_eq!(wait(503, None, Value::Null), CallResult::Failed(CallFailure::Transient("HTTP 503".into())));
    assert_eq!(wait(500, Some("7"), Value::Null), CallResult::Failed(CallFailure::Transient("HTTP 500".into())));
}

#[test]
fn one_error_for_a_batch_applies_to_no_single_entry() {
    let batch_error = CallFailure::Batch { code: Some(-32600), message: "no".into() };
    assert_eq!(failure(&batch(2), 200, error(Value::Null, -32600)), batch_error);
    assert_eq!(failure(&batch(2), 400, error(1, -32600)), batch_error);
}

#[test]
fn only_matching_ids_of_an_incomplete_batch_answer_count() {
    assert_eq!(outcomes(&batch(3), json!([ok(2)])), [ReportOutcome::Missing, ACCEPTED, ReportOutcome::Missing]);
    assert_eq!(outcomes(&batch(2), json!([])), [ReportOutcome::Missing, ReportOutcome::Missing]);
    assert_eq!(outcomes(&batch(2), ok(2)), [ReportOutcome::Missing, ACCEPTED], "one object");
    assert_eq!(outcomes(&batch(2), ok(9)), [ReportOutcome::Missing, ReportOutcome::Missing]);
}

#[test]
fn unexpected_ids_are_ignored_and_noted() {
    let result = interpreted(&batch(1), 200, json!([ok(1), ok(7), "x", error(Value::Null, 5)]));
    let CallResult::Answered { outcomes, strays: Some(strays) } = result else { panic!("{result:?}") };
    assert_eq!(outcomes, [(1, ACCEPTED)]);
    assert!(strays.starts_with("3 "), "{strays}");
}

#[test]
fn conflicting_duplicates_are_indeterminate_and_equal_ones_count_once() {
    assert!(matches!(outcomes(&batch(1), json!([ok(1), error(1, 4003)]))[0], ReportOutcome::Indeterminate(_)));
    assert_eq!(outcomes(&batch(1), json!([ok(1), ok("1")])), [ACCEPTED]);
}

#[test]
fn the_token_is_masked_everywhere_in_an_answer() {
    let token = "1".repeat(64);
    let mask = TokenMask::new(&token);
    let show = |call: &ReportCall, status, body: String| format!("{:?}", interpret(call, &answer(status, body), &mask));
    let quoted = format!("\"0x{token}\"");
    for body in [
        format!("{{\"id\":1,\"error\":{{\"code\":1000,\"message\":{quoted}}}}}"),
        format!("{{\"id\":1,\"error\":{{\"code\":4002,\"message\":{quoted}}}}}"),
        format!("{{\"id\":1,\"error\":{quoted}}}"),
        format!("{{\"id\":1,\"result\":{quoted}}}"),
        format!("<html>{quoted}"),
    ] {
        assert!(!show(&single(), 200, body.clone()).contains("1111"), "{body}");
        assert!(!show(&batch(2), 200, body.clone()).contains("1111"), "{body}");
    }
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0i64..4).prop_map(Value::from),
        prop_oneof![Just(1000i64), Just(4002), Just(4003), Just(-32600)].prop_map(Value::from),
        prop_oneof![Just("OK"), Just("1"), Just("2.0")].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop_oneof![Just("id"), Just("result"), Just("error"), Just("code"), Just("message")];
        let pairs = proptest::collection::vec((key, inner.clone()), 0..5);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::Array),
            pairs.prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_accepts_a_report_that_it_does_not_name(body in anything(), status in 100u16..600, size in 1u64..4) {
        for call in [batch(size), single()] {
            let result = interpreted(&call, status, &body);
            for entry in result.accepted(&call) {
                let responses = body.as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
                let named = responses.iter().any(|response| {
                    let id = &response["id"];
                    (*id == entry.id || id.as_str() == Some(&entry.id.to_string())) && !response["result"].is_null() && response["error"].is_null()
                });
                prop_assert!(named, "{body}");
            }
        }
    }

    #[test]
    fn any_bytes_have_an_outcome(body in proptest::collection::vec(any::<u8>(), 0..200), status in 100u16..600) {
        let answer = RpcAnswer { body, ..answer(status, "") };
        for call in [batch(2), single()] {
            prop_assert!(interpret(&call, &answer, &TokenMask::default()).accepted(&call).is_empty());
        }
    }
}
