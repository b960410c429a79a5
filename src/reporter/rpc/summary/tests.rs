use super::*;

#[test]
fn only_a_sent_report_with_a_result_counts_as_accepted() {
    let (token, now) = (format!("0x{}", "5".repeat(64)), Timestamp::UNIX_EPOCH);
    let body = format!(
        r#"[{{"id": 1, "result": "OK"}}, {{"id": 9, "result": "OK"}}, {{"id": 2, "error": {{"code": 4003, "message": "{token}"}}}}]"#
    );
    let summary_of = |status, body: &str| summarize(&[1, 2], true, &token, now, status, Some("7"), body.as_bytes());
    let summary = summary_of(200, &body);
    assert_eq!(summary.accepted, [1]);
    assert_eq!(summary.texts, ["0x(token)", "1 answers to unknown requests were ignored"]);
    assert_eq!(summary_of(429, &body).wait, Some(Duration::from_secs(7)));
    assert!(summary_of(429, &body).accepted.is_empty(), "a requested pause comes first");
}
