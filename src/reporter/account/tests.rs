mod weeks;

use std::num::NonZeroUsize;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use url::Url;

use super::*;
use crate::clock::Clock;
use crate::config::Batch;
use crate::reporter::agenda::DueReports;
use crate::reporter::batching::Batching;
use crate::reporter::report::ClientTrouble;
use crate::reporter::rpc::CallResult;
use crate::units::{MilliwattHours, Milliwatts};

const EVERY: Duration = Duration::from_secs(120);
const ACCEPTED: ReportOutcome = ReportOutcome::Accepted { odd: None };

/// An account with clients a and b, single calls, in simulated time.
struct Bench {
    account: Account,
    now: ClockReading,
    rng: SmallRng,
    energy: u64,
    last_id: u64,
    lines: Vec<LogNote>,
}

impl Bench {
    async fn new() -> Self {
        let now = Clock::simulated(1, Timestamp::from_second(1_800_000_000).unwrap()).now();
        let id = |digit: &str| ClientId::parse(&format!("0x{}", digit.repeat(64))).unwrap();
        let clients = BTreeMap::from([(name("a"), id("a")), (name("b"), id("b"))]);
        let url = Url::parse("https://user:secret@api.example/v1?key=secret").unwrap();
        let place = EndpointTexts::new(name("main"), &url, "/etc/main.token".into());
        let schedule = ReportSchedule::new(EVERY, url.as_str(), clients.values().copied());
        let mut account = Account::new(place, schedule, clients, &BTreeSet::new(), &now);
        account.new_token(now.since_boot);
        let mut bench =
            Bench { account, now, rng: SmallRng::seed_from_u64(7), energy: 100, last_id: 0, lines: Vec::new() };
        // The opening and the first slot are over.
        bench.round(|_| entry(ACCEPTED));
        bench.round(|_| entry(ACCEPTED));
        bench.lines.clear();
        bench
    }

    /// Advances to the next wake-up and answers the calls; returns the reported clients.
    fn round(&mut self, answer: impl Fn(&Name) -> RpcAnswer) -> Vec<Name> {
        let ahead = self.account.agenda.wake().saturating_sub(self.now.since_boot);
        self.now = ClockReading { since_boot: self.now.since_boot + ahead, wall: self.now.wall + ahead, ..self.now };
        let due = self.account.agenda.due(&self.now).expect("something is due");
        self.send(due, answer)
    }

    fn send(&mut self, due: DueReports, answer: impl Fn(&Name) -> RpcAnswer) -> Vec<Name> {
        self.energy += 1;
        self.last_id += 1;
        let report = |client: Name| ClientReport {
            id: self.last_id,
            client_id: self.account.clients[&client].id,
            client,
            power: Milliwatts(1),
            energy: MilliwattHours::new(self.energy).unwrap(),
        };
        let fresh = due.send.iter().map(|client| (report(client.clone()), self.now)).collect();
        let now = self.now.since_boot;
        let fresh = self.account.sendable(fresh, Vec::new(), &due.send, ReportCause::Schedule, now);
        let sent: Vec<_> = fresh.iter().map(|fresh| fresh.client.clone()).collect();
        let mut batching = Batching::new(Batch::Never, NonZeroUsize::MIN);
        let Some(mut round) = self.account.start_round(fresh, &mut batching, self.now.since_boot) else { return sent };
        while let Some(call) = round.next() {
            let result = match answer(&call.reports[0].client) {
                Ok(outcome) => CallResult::Answered { outcomes: vec![(call.reports[0].id, outcome)], strays: None },
                Err(failure) => CallResult::Failed(failure),
            };
            self.account.accepted(result.accepted(&call).len(), self.now.wall);
            round.finished(call, result, &mut batching, self.now.since_boot);
        }
        let notes = self.account.settle(round.finish(), self.now.since_boot, &mut self.rng);
        self.lines.extend(notes);
        sent
    }

    /// The time until the next call.
    fn ahead(&self) -> Duration {
        self.account.agenda.next_report() - self.now.since_boot
    }

    fn report(&self) -> AccountReport {
        self.account.report(&self.now, 0)
    }

    fn text(&self, client: &str) -> String {
        self.report().clients.get(&name(client)).map(ClientTrouble::to_string).unwrap_or_default()
    }

    fn alerts(&self) -> usize {
        self.lines.iter().filter(|note| matches!(note.line, LogLine::Alert(_))).count()
    }
}

type RpcAnswer = Result<ReportOutcome, CallFailure>;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn entry(outcome: ReportOutcome) -> RpcAnswer {
    Ok(outcome)
}

fn code(code: i64) -> RpcAnswer {
    Ok(ReportOutcome::Refused { code: Some(code), message: "no".into() })
}

/// This answer for client a, and an acceptance for all others.
fn for_a(answer: RpcAnswer) -> impl Fn(&Name) -> RpcAnswer {
    move |client| if client.as_str() == "a" { answer.clone() } else { Ok(ACCEPTED) }
}

#[tokio::test]
async fn an_accepted_report_is_ok() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.round(|_| entry(ACCEPTED)), [name("a"), name("b")]);
    let report = bench.report();
    assert_eq!((report.state, report.accepted, report.rejected), (ReportingState::Ok, 6, 0));
    assert_eq!(report.last_report_at, Some(bench.now.wall));
    assert_eq!(report.next_report_at, Some(bench.now.wall + EVERY));
    assert_eq!(bench.lines, []);
}

#[tokio::test]
async fn an_unusual_result_is_warned_about_once() {
    let mut bench = Bench::new().await;
    for _ in 0..3 {
        bench.round(|_| entry(ReportOutcome::Accepted { odd: Some("7".into()) }));
    }
    assert_eq!(bench.lines.len(), 1);
    assert_eq!(bench.report().state, ReportingState::Ok);
}

#[tokio::test]
async fn code_1000_pauses_the_account_and_is_retried_slowly_without_end() {
    let mut bench = Bench::new().await;
    let mut minutes = Vec::new();
    for _ in 0..6 {
        // The ledger keeps its slots during the pause.
        while bench.round(|_| Err(CallFailure::Token("no".into()))).is_empty() {}
        minutes.push(bench.ahead().as_secs() / 60);
    }
    assert_eq!(minutes, [5, 10, 20, 40, 60, 60]);
    let report = bench.report();
    assert_eq!(report.state, ReportingState::Refused);
    assert!(
        report.error.unwrap().contains("put the token that was issued for https://api.example/v1 in /etc/main.token")
    );
    assert_eq!(bench.lines.len(), 1, "{:?}", bench.lines);
}

#[tokio::test]
async fn a_new_token_or_a_reload_ends_the_pause_at_once() {
    let mut bench = Bench::new().await;
    for wake in [Account::new_token, Account::reloaded] {
        bench.round(|_| Err(CallFailure::Token("no".into())));
        assert_eq!(bench.ahead().as_secs(), 300);
        wake(&mut bench.account, bench.now.since_boot);
        assert_eq!(bench.ahead(), Duration::ZERO);
        assert_eq!(bench.round(|_| entry(ACCEPTED)).len(), 2);
        assert_eq!(bench.report().state, ReportingState::Ok);
    }
}

#[tokio::test]
async fn code_4002_stops_only_that_client() {
    let mut bench = Bench::new().await;
    bench.round(for_a(code(4002)));
    assert_eq!(bench.round(|_| entry(ACCEPTED)), [name("b")]);
    assert_eq!(bench.round(|_| entry(ACCEPTED)), [name("b")]);
    assert_eq!(bench.round(for_a(code(4002))), [name("a")], "five minutes later");
    assert_eq!(bench.report().state, ReportingState::Ok);
    let text = bench.text("a");
    assert!(text.contains("token, client_id and environment") && text.contains("belong together"), "{text}");
    assert!(text.contains("0xaaaa…aaaa"), "{text}");
}

#[tokio::test]
async fn a_client_that_was_unknown_under_the_old_token_is_tried_with_the_new_one_at_once() {
    let mut bench = Bench::new().await;
    bench.round(for_a(code(4002)));
    assert_eq!(bench.round(|_| entry(ACCEPTED)), [name("b")]);
    bench.account.new_token(bench.now.since_boot);
    assert_eq!(bench.round(|_| entry(ACCEPTED)), [name("a")]);
    assert_eq!(bench.text("a"), "");
}

#[tokio::test]
async fn code_4003_waits_for_the_next_slot_and_after_three_calls_for_the_operator() {
    let mut bench = Bench::new().await;
    for number in 1..=5 {
        assert_eq!(bench.round(for_a(code(4003))), [name("a"), name("b")]);
        assert_eq!(bench.ahead(), EVERY, "never at once");
        assert_eq!(bench.alerts(), usize::from(number >= 3), "after {number}");
    }
    let text = bench.text("a");
    for cause in ["replaced meter", "lost state", "second reporter", "word order", "arkmeter ledger"] {
        assert!(text.contains(cause), "{text}");
    }
    assert_eq!(bench.report().rejected, 5);
    bench.round(|_| entry(ACCEPTED));
    assert_eq!(bench.text("a"), "");
    assert!(matches!(&bench.lines.last().unwrap().line, LogLine::Over(text) if text.contains("5 failures")));
    bench.round(for_a(code(4003)));
    assert_eq!(bench.alerts(), 1, "three in a row are counted anew");
}

#[tokio::test]
async fn an_endpoint_that_alternates_between_ok_and_4003_does_not_flood_the_log() {
    let mut bench = Bench::new().await;
    // For eight hours, every two minutes.
    for _ in 0..120 {
        bench.round(for_a(code(4003)));
        assert!(bench.text("a").contains("4003"), "it is shown each time");
        bench.round(|_| entry(ACCEPTED));
    }
    assert!(bench.lines.len() <= 16, "{} lines", bench.lines.len());
    let counted = |note: &LogNote| matches!(&note.line, LogLine::Over(text) if text.contains("15 failures"));
    assert!(bench.lines.iter().any(counted), "{:?}", bench.lines);
}

#[tokio::test]
async fn transient_codes_delay_that_client_and_the_retry_sends_a_fresh_reading() {
    for transient in [1, -32603, -32000, -32099] {
        let mut bench = Bench::new().await;
        bench.round(for_a(code(transient)));
        assert!(bench.ahead() <= Duration::from_secs(2), "{transient}");
        assert_eq!(bench.report().state, ReportingState::Retrying);
        assert_eq!(bench.round(for_a(code(transient))), [name("a")]);
        assert_eq!(bench.round(|_| entry(ACCEPTED)), [name("a")]);
        assert_eq!(bench.report().state, ReportingState::Ok);
        assert_eq!(bench.alerts(), 0);
    }
}

#[tokio::test]
async fn an_unknown_code_is_retried_and_alerts_after_three() {
    for other in [2, 4004, -1, -31999, -32100] {
        let mut bench = Bench::new().await;
        for number in 1..=4 {
            while !bench.round(for_a(code(other))).contains(&name("a")) {}
            assert!(bench.ahead() <= EVERY);
            assert_eq!(bench.alerts(), usize::from(number >= 3), "{other} {number}");
        }
    }
}

#[tokio::test]
async fn a_malformed_report_is_shown_and_not_sent_again() {
    for fault in [-32700, -32600, -32602] {
        let mut bench = Bench::new().await;
        bench.round(for_a(code(fault)));
        assert_eq!((bench.alerts(), bench.ahead()), (1, EVERY));
        bench.energy -= 1;
        assert_eq!(bench.round(|_| entry(ACCEPTED)), [name("b")], "the same figure");
        assert_eq!(bench.round(|_| entry(ACCEPTED)), [name("a"), name("b")], "a fresh one");
    }
}

#[tokio::test]
async fn code_32601_and_wrong_urls_alert_and_are_retried_slowly() {
    for answer in [code(-32601), Err(CallFailure::Rejected("HTTP 404".into()))] {
        let mut bench = Bench::new().await;
        bench.round(|_| answer.clone());
        assert_eq!((bench.ahead().as_secs(), bench.alerts()), (300, 1), "{answer:?}");
        let report = bench.report();
        assert_eq!(report.state, ReportingState::Refused);
        let error = report.error.unwrap();
        assert!(error.contains("check url in [account.main]") && !error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn one_stray_redirect_costs_one_slot_and_the_next_ones_are_retried_slowly() {
    let redirected = || Err(CallFailure::Redirected("HTTP 302 to https://x".into()));
    for for_one in [false, true] {
        let mut bench = Bench::new().await;
        let answer = |name: &Name| if for_one && name.as_str() == "b" { entry(ACCEPTED) } else { redirected() };
        for _ in 0..3 {
            bench.round(answer);
            assert_eq!((bench.ahead(), bench.alerts()), (EVERY, 0), "for one: {for_one}");
            bench.round(|_| entry(ACCEPTED));
        }
        assert_eq!(bench.report().error, None);
        bench.round(answer);
        bench.round(answer);
        assert_eq!(bench.alerts(), 1, "for one: {for_one}");
        if !for_one {
            assert_eq!(bench.ahead().as_secs(), 300);
            assert!(bench.report().error.unwrap().contains("check url in [account.main]"));
        }
    }
}

#[tokio::test]
async fn a_forbidden_call_is_retried_slowly() {
    let mut bench = Bench::new().await;
    bench.round(|_| Err(CallFailure::Forbidden("HTTP 403".into())));
    assert_eq!((bench.ahead().as_secs(), bench.report().state), (300, ReportingState::Refused));
}

#[tokio::test]
async fn a_transient_failure_is_retried_with_back_off_and_logged_once() {
    let failures = [
        CallFailure::Unreachable("refused".into()),
        CallFailure::TimedOut,
        CallFailure::Transient("HTTP 500".into()),
        CallFailure::Unintelligible("a page".into()),
        CallFailure::Wait(None, "HTTP 429".into()),
    ];
    for failure in failures {
        let mut bench = Bench::new().await;
        let mut longest = Duration::ZERO;
        for _ in 0..60 {
            while bench.round(|_| Err(failure.clone())).is_empty() {}
            longest = longest.max(bench.ahead());
            assert!(bench.ahead() <= Duration::from_secs(120));
            assert_eq!(bench.report().state, ReportingState::Retrying);
        }
        assert!(longest > Duration::from_secs(60));
        assert_eq!(bench.lines.len(), 1, "{:?}", bench.lines);
        while bench.round(|_| entry(ACCEPTED)).is_empty() {}
        assert_eq!(bench.lines.len(), 2);
        assert!(matches!(&bench.lines[1].line, LogLine::Over(text) if text.contains("60 failures")));
        assert_eq!((bench.ahead() <= EVERY, bench.report().state), (true, ReportingState::Ok));
    }
}

#[tokio::test]
async fn after_retry_after_the_first_slot_is_taken() {
    for (asked, ahead) in [(1, 120), (119, 120), (120, 240), (1000, 1080)] {
        let mut bench = Bench::new().await;
        bench.round(|_| Err(CallFailure::Wait(Some(Duration::from_secs(asked)), "HTTP 429".into())));
        assert_eq!(bench.ahead().as_secs(), ahead, "a fleet that is given one date does not come back at one instant");
    }
}

#[tokio::test]
async fn in_a_long_outage_each_attempt_is_at_a_slot() {
    let mut bench = Bench::new().await;
    let start = bench.now.since_boot;
    let unreachable = |_: &Name| Err(CallFailure::Unreachable("no route".into()));
    let (mut attempts, mut between_slots) = (0, 0);
    while bench.now.since_boot < start + Duration::from_secs(3600) {
        let sent = !bench.round(unreachable).is_empty();
        let at_slot = (bench.now.since_boot - start).as_millis().is_multiple_of(EVERY.as_millis());
        attempts += u32::from(sent);
        between_slots += u32::from(sent && !at_slot);
    }
    assert!((29..=33).contains(&attempts) && between_slots <= 2, "{attempts}, {between_slots} between slots");
}

#[tokio::test]
async fn an_indeterminate_report_waits_for_the_next_slot() {
    for outcome in [ReportOutcome::Indeterminate("both".into()), ReportOutcome::Missing] {
        let mut bench = Bench::new().await;
        bench.round(for_a(Ok(outcome)));
        assert_eq!(bench.ahead(), EVERY);
        assert_eq!(bench.report().accepted, 5, "not accepted");
        assert!(bench.text("a").contains("not known"));
    }
}

#[tokio::test]
async fn a_failed_call_of_one_client_does_not_affect_others() {
    let mut bench = Bench::new().await;
    bench.round(for_a(Err(CallFailure::Transient("HTTP 500".into()))));
    assert_eq!(bench.report().error, None);
    assert_eq!(bench.round(|_| entry(ACCEPTED)), [name("a")]);
    bench.round(for_a(Err(CallFailure::Rejected("HTTP 404".into()))));
    assert_eq!(bench.round(|_| entry(ACCEPTED)), [name("b")], "slow for a, and b is not disturbed");
}

#[tokio::test]
async fn a_requested_report_ignores_every_pause() {
    let mut bench = Bench::new().await;
    bench.round(|client| if client.as_str() == "a" { code(4002) } else { Ok(ACCEPTED) });
    bench.round(|_| Err(CallFailure::Token("no".into())));
    let due = bench.account.agenda.all_now();
    assert_eq!(bench.send(due, |_| entry(ACCEPTED)), [name("a"), name("b")]);
    assert_eq!(bench.report().state, ReportingState::Ok);
}

#[tokio::test]
async fn a_client_without_a_figure_is_shown_with_its_reason() {
    let mut bench = Bench::new().await;
    let waiting = vec![(name("a"), WaitingReason::NoBaseline(vec![name("a")]))];
    bench.account.sendable(Vec::new(), waiting, &BTreeSet::new(), ReportCause::Schedule, bench.now.since_boot);
    assert_eq!(bench.text("a"), "a has no baseline yet");
    let new = ClientTrouble::Waiting(WaitingReason::NoBaseline(vec![name("a")]));
    assert_eq!(bench.report().clients.get(&name("a")), Some(&new), "its kind is known without its words");
    assert_eq!(bench.account.reply(&name("a"), None), Err("a has no baseline yet".into()));
}

#[tokio::test]
async fn a_missing_token_is_shown_and_a_new_token_reports_at_once() {
    let mut bench = Bench::new().await;
    bench.account.has_token = false;
    assert_eq!(bench.account.token_file(Some("no token".into())).len(), 1);
    assert_eq!(bench.account.token_file(Some("no token".into())).len(), 0, "once");
    assert_eq!((bench.report().state, bench.report().error), (ReportingState::Refused, Some("no token".into())));
    bench.account.new_token(bench.now.since_boot);
    assert_eq!(bench.account.token_file(None).len(), 1);
    assert_eq!((bench.report().state, bench.ahead()), (ReportingState::Ok, Duration::ZERO));
}

#[tokio::test]
async fn a_month_without_the_endpoint_accumulates_nothing_and_ends_with_one_fresh_report() {
    let mut bench = Bench::new().await;
    let unreachable = |_: &Name| Err(CallFailure::Unreachable("no route to host".into()));
    let began = bench.now.since_boot;
    let mut rounds = 0;
    let mut largest = 0;
    while bench.now.since_boot < began + Duration::from_secs(30 * 24 * 3600) {
        bench.round(unreachable);
        rounds += 1;
        if rounds == 100 {
            largest = format!("{:?}", bench.account).len();
        }
    }
    // The number of calls is limited by the retry interval.
    assert!((10_000..130_000).contains(&rounds), "{rounds}");
    // No unsent report is kept: only counters and times have grown by a few digits.
    let now = format!("{:?}", bench.account).len();
    assert!(now < largest + 200, "{largest} -> {now}");
    assert!(bench.lines.len() <= 2, "logged once: {:?}", bench.lines);
    assert_eq!(bench.report().state, ReportingState::Retrying);
    let before = bench.report().accepted;
    let mut sent = Vec::new();
    while bench.report().accepted < before + 2 {
        sent.extend(bench.round(|_| entry(ACCEPTED)));
    }
    assert_eq!(sent, [name("a"), name("b")], "one report each, of the latest figure");
    assert_eq!(bench.report().state, ReportingState::Ok);
}
