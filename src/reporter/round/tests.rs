use std::num::NonZeroUsize;

use super::*;
use crate::config::Batch;
use crate::reporter::batching::singly;
use crate::units::{ClientId, MilliwattHours, Milliwatts};

const ACCEPTED: ReportOutcome = ReportOutcome::Accepted { odd: None };

struct Bench {
    batching: Batching,
    round: ReportRound,
}

fn figures(count: u64) -> Vec<ClientReport> {
    let fresh = |number: u64| ClientReport {
        id: number + 1,
        client: name(number),
        client_id: ClientId::parse(&format!("0x{number:064x}")).unwrap(),
        power: Milliwatts(0),
        energy: MilliwattHours::new(number).unwrap(),
    };
    (0..count).map(fresh).collect()
}

fn name(number: u64) -> Name {
    Name::new(&format!("client_{number}")).unwrap()
}

fn refused(code: i64) -> ReportOutcome {
    ReportOutcome::Refused { code: Some(code), message: String::new() }
}

fn transient() -> CallFailure {
    CallFailure::Transient("HTTP 500".into())
}

impl Bench {
    fn new(mode: Batch, clients: u64) -> Self {
        let mut bench =
            Bench { batching: Batching::new(mode, NonZeroUsize::new(100).unwrap()), round: ReportRound::default() };
        bench.begin(clients);
        bench
    }

    fn begin(&mut self, clients: u64) {
        self.round = ReportRound::new(self.batching.calls(figures(clients), Duration::ZERO));
    }

    /// Answers the next call with these outcomes; a single outcome applies to all entries.
    fn entries(&mut self, outcomes: &[ReportOutcome]) {
        let call = self.round.next().expect("a call may start");
        let given = outcomes.iter().cycle().cloned();
        let outcomes = call.reports.iter().map(|entry| entry.id).zip(given).collect();
        self.end_call(call, CallResult::Answered { outcomes, strays: None });
    }

    fn fail(&mut self, failure: CallFailure) {
        let call = self.round.next().expect("a call may start");
        self.end_call(call, CallResult::Failed(failure));
    }

    fn end_call(&mut self, call: ReportCall, result: CallResult) {
        self.round.finished(call, result, &mut self.batching, Duration::ZERO);
    }

    /// The clients that are sent once more; their single calls are queued.
    fn again(&mut self) -> Vec<Name> {
        let again = self.round.again();
        let fresh = figures(1000).into_iter().filter(|fresh| again.contains(&fresh.client)).collect();
        self.round.enqueue(singly(fresh));
        again
    }

    fn is_batch_next(&mut self, clients: u64) -> bool {
        let calls = self.batching.clone().calls(figures(clients), Duration::ZERO);
        calls[0].shape == CallShape::Batch
    }

    fn finish(self) -> RoundResult {
        self.round.finish()
    }
}

fn came(finished: &RoundResult, number: u64) -> &ClientOutcome {
    &finished.results[&name(number)].1
}

#[test]
fn eight_single_calls_run_at_a_time_and_each_client_has_one() {
    let mut bench = Bench::new(Batch::Never, 20);
    let mut under_way = Vec::new();
    let mut clients = std::collections::BTreeSet::new();
    while let Some(call) = bench.round.next() {
        assert!(clients.insert(call.reports[0].client.clone()));
        under_way.push(call);
        if under_way.len() == SINGLES_AT_A_TIME {
            assert_eq!(bench.round.next(), None);
            let call = under_way.remove(0);
            let outcomes = vec![(call.reports[0].id, ACCEPTED)];
            bench.end_call(call, CallResult::Answered { outcomes, strays: None });
        }
    }
    assert_eq!(clients.len(), 20);
}

#[test]
fn batches_are_sent_one_after_the_other() {
    let mut bench = Bench::new(Batch::Auto, 250);
    let first = bench.round.next().unwrap();
    assert_eq!(bench.round.next(), None);
    let outcomes = first.reports.iter().map(|report| (report.id, ACCEPTED)).collect();
    bench.end_call(first, CallResult::Answered { outcomes, strays: None });
    bench.entries(&[ACCEPTED]);
    bench.entries(&[ACCEPTED]);
    let finished = bench.finish();
    assert!(finished.account.is_none() && finished.understood);
    assert!(finished.results.values().all(|(_, came)| *came == ClientOutcome::Answered(ACCEPTED)));
}

#[test]
fn a_refused_batch_is_repeated_singly_and_batches_are_stopped() {
    for failure in [
        CallFailure::Batch { code: Some(-32600), message: String::new() },
        CallFailure::Batch { code: Some(-32603), message: String::new() },
        CallFailure::TooLarge("HTTP 413".into()),
    ] {
        let mut bench = Bench::new(Batch::Auto, 3);
        bench.fail(failure);
        assert_eq!(bench.again().len(), 3);
        (0..3).for_each(|_| bench.entries(&[ACCEPTED]));
        assert_eq!(bench.again(), []);
        assert!(!bench.is_batch_next(3));
        assert!(bench.finish().account.is_none());
    }
}

#[test]
fn the_batches_after_a_refused_one_are_sent_singly_too() {
    let mut bench = Bench::new(Batch::Auto, 250);
    bench.fail(CallFailure::Batch { code: Some(-32600), message: String::new() });
    assert_eq!(bench.round.next(), None);
    assert_eq!(bench.again().len(), 250);
}

#[test]
fn an_unproven_batch_that_fails_is_sent_singly_and_two_failures_stop_batches() {
    for failure in [
        transient(),
        CallFailure::Unintelligible("a page".into()),
        CallFailure::Forbidden("HTTP 403".into()),
        CallFailure::Rejected("HTTP 400".into()),
        CallFailure::Redirected("HTTP 302".into()),
    ] {
        let mut bench = Bench::new(Batch::Auto, 3);
        for _ in 0..2 {
            assert!(bench.is_batch_next(3), "{failure:?}");
            bench.begin(3);
            bench.fail(failure.clone());
            assert_eq!(bench.again().len(), 3, "{failure:?}");
            (0..3).for_each(|_| bench.entries(&[ACCEPTED]));
        }
        assert!(!bench.is_batch_next(3), "{failure:?}");
        assert!(bench.finish().account.is_none());
    }
}

#[test]
fn an_undelivered_batch_does_not_count_against_batches() {
    for failure in [
        CallFailure::Unreachable("refused".into()),
        CallFailure::TimedOut,
        CallFailure::Token(String::new()),
        CallFailure::Wait(None, "HTTP 429".into()),
    ] {
        let mut bench = Bench::new(Batch::Auto, 250);
        bench.fail(failure.clone());
        assert_eq!(bench.again(), []);
        assert_eq!(bench.round.next(), None, "the other batches would fail alike");
        assert!(bench.is_batch_next(3));
        let finished = bench.finish();
        assert_eq!(*came(&finished, 240), ClientOutcome::NotSent);
        assert_eq!(finished.account, Some(failure));
    }
}

#[test]
fn after_a_successful_batch_a_failure_does_not_stop_batches() {
    let mut bench = Bench::new(Batch::Auto, 3);
    bench.entries(&[ACCEPTED]);
    bench.begin(3);
    bench.fail(transient());
    assert_eq!(bench.again(), []);
    assert!(bench.is_batch_next(3));
    assert_eq!(bench.finish().account, Some(transient()));
}

#[test]
fn if_single_calls_fail_too_batches_are_not_blamed() {
    let mut bench = Bench::new(Batch::Auto, 3);
    for _ in 0..3 {
        bench.begin(3);
        bench.fail(transient());
        bench.again();
        (0..3).for_each(|_| bench.fail(transient()));
    }
    assert!(bench.is_batch_next(3));
    assert_eq!(bench.finish().account, Some(transient()));
}

#[test]
fn entries_without_an_answer_are_sent_once_more_singly() {
    let mut bench = Bench::new(Batch::Auto, 4);
    bench.entries(&[ACCEPTED, ReportOutcome::Missing, ACCEPTED, ReportOutcome::Missing]);
    assert_eq!(bench.again(), [name(1), name(3)]);
    bench.entries(&[ACCEPTED]);
    bench.entries(&[refused(4003)]);
    assert_eq!(bench.again(), [], "once");
    assert!(bench.is_batch_next(4), "two answers in one are a batch answer");
    let finished = bench.finish();
    assert_eq!(*came(&finished, 1), ClientOutcome::Answered(ACCEPTED));
    assert_eq!(*came(&finished, 3), ClientOutcome::Answered(refused(4003)));
}

#[test]
fn an_endpoint_that_answers_one_entry_of_each_batch_gets_single_calls() {
    let mut bench = Bench::new(Batch::Auto, 3);
    for _ in 0..2 {
        bench.begin(3);
        bench.entries(&[ACCEPTED, ReportOutcome::Missing, ReportOutcome::Missing]);
        assert_eq!(bench.again().len(), 2);
        bench.entries(&[ACCEPTED]);
        bench.entries(&[ACCEPTED]);
    }
    assert!(!bench.is_batch_next(3));
}

#[test]
fn a_batch_entry_refused_as_malformed_is_tried_singly() {
    for code in [-32700, -32600, -32602] {
        let mut bench = Bench::new(Batch::Auto, 2);
        bench.entries(&[ACCEPTED, refused(code)]);
        assert_eq!(bench.again(), [name(1)]);
    }
}

#[test]
fn always_means_no_single_calls() {
    let mut bench = Bench::new(Batch::Always, 2);
    bench.fail(CallFailure::Batch { code: Some(-32600), message: String::new() });
    assert_eq!(bench.again(), []);
    assert!(bench.is_batch_next(2));
    let finished = bench.finish();
    assert_eq!(*came(&finished, 1), ClientOutcome::Answered(refused(-32600)));
    let mut bench = Bench::new(Batch::Always, 2);
    bench.entries(&[ReportOutcome::Missing]);
    assert_eq!(bench.again(), []);
    let mut bench = Bench::new(Batch::Always, 2);
    bench.fail(transient());
    assert_eq!((bench.again(), bench.finish().account), (vec![], Some(transient())));
}

#[test]
fn a_refused_token_or_url_ends_the_round() {
    for (outcome, failure) in
        [(refused(1000), CallFailure::Token(String::new())), (refused(-32601), CallFailure::WrongMethod(String::new()))]
    {
        let mut bench = Bench::new(Batch::Never, 20);
        bench.entries(&[outcome]);
        assert_eq!(bench.round.next(), None);
        assert_eq!(bench.finish().account, Some(failure));
    }
    let mut bench = Bench::new(Batch::Never, 20);
    bench.fail(CallFailure::Wait(None, "HTTP 429".into()));
    assert_eq!(bench.round.next(), None);
}

#[test]
fn one_client_whose_call_fails_does_not_stop_the_others() {
    let mut bench = Bench::new(Batch::Never, 20);
    bench.fail(transient());
    (0..19).for_each(|_| bench.entries(&[ACCEPTED]));
    let finished = bench.finish();
    assert_eq!(finished.account, None);
    assert_eq!(*came(&finished, 0), ClientOutcome::Failed(transient()));
}

#[test]
fn eight_failures_in_a_row_end_a_round() {
    let mut bench = Bench::new(Batch::Never, 20);
    bench.entries(&[ACCEPTED]);
    (0..8).for_each(|_| bench.fail(CallFailure::TimedOut));
    assert_eq!(bench.round.next(), None);
    let finished = bench.finish();
    assert!(finished.understood);
    assert_eq!(finished.account, Some(CallFailure::TimedOut));
    assert_eq!(*came(&finished, 19), ClientOutcome::NotSent);
}
