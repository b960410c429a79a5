//! One round of calls: which call may start now, what each answer means for the remaining calls, and the outcome for every client.
//!
//! First the calls as planned; then, once, single calls for the clients whose batch gave no answer for them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::batching::Batching;
use super::rpc::{CallFailure, CallResult, CallShape, ClientReport, ReportCall, ReportOutcome};
use crate::units::Name;

/// The most single calls in flight. As many calls in a row without an answer end a round.
pub(crate) const SINGLES_AT_A_TIME: usize = 8;

/// One round.
#[derive(Debug, Default)]
pub(crate) struct ReportRound {
    queue: VecDeque<ReportCall>,
    in_flight: usize,
    batch_in_flight: bool,
    failures_in_a_row: usize,
    /// At least one call was answered in JSON-RPC.
    understood: bool,
    /// A batch failed, perhaps because the endpoint does not support batches.
    suspect: bool,
    ended: Option<CallFailure>,
    last_failure: Option<CallFailure>,
    again: Vec<Name>,
    results: BTreeMap<Name, (ClientReport, ClientOutcome)>,
}

/// The outcome for one client in a round.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ClientOutcome {
    /// Its call was answered.
    Answered(ReportOutcome),
    /// Its call failed.
    Failed(CallFailure),
    /// The round ended before its call.
    NotSent,
}

/// The result of a finished round.
#[derive(Debug)]
pub(crate) struct RoundResult {
    pub(crate) results: BTreeMap<Name, (ClientReport, ClientOutcome)>,
    /// The failure that concerns the whole account.
    pub(crate) account: Option<CallFailure>,
    /// At least one call was answered in JSON-RPC.
    pub(crate) understood: bool,
}

impl ReportRound {
    pub(crate) fn new(calls: VecDeque<ReportCall>) -> Self {
        let mut round = ReportRound::default();
        round.enqueue(calls);
        round
    }

    /// The clients that need a single call with a fresh report; to be requested when [`ReportRound::next`] gives no more calls.
    pub(crate) fn again(&mut self) -> Vec<Name> {
        let again = std::mem::take(&mut self.again);
        if self.ended.is_some() { Vec::new() } else { again }
    }

    /// Adds the single calls for [`ReportRound::again`].
    pub(crate) fn enqueue(&mut self, calls: VecDeque<ReportCall>) {
        for report in calls.iter().flat_map(|call| &call.reports) {
            self.results.insert(report.client.clone(), (report.clone(), ClientOutcome::NotSent));
        }
        self.queue.extend(calls);
    }

    /// The next call, if one may start now: batches one after the other, single calls a few at a time.
    pub(crate) fn next(&mut self) -> Option<ReportCall> {
        let room = match self.queue.front()?.shape {
            CallShape::Batch => self.in_flight == 0,
            CallShape::Single => self.in_flight < SINGLES_AT_A_TIME && !self.batch_in_flight,
        };
        let call = if room { self.queue.pop_front()? } else { return None };
        self.in_flight += 1;
        self.batch_in_flight = call.shape == CallShape::Batch;
        Some(call)
    }

    /// Takes the result of a call that [`ReportRound::next`] gave.
    pub(crate) fn finished(&mut self, call: ReportCall, result: CallResult, batching: &mut Batching, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.batch_in_flight = false;
        match (call.shape, result) {
            (CallShape::Single, CallResult::Answered { outcomes, .. }) => {
                if std::mem::take(&mut self.suspect) {
                    batching.suspect(now);
                }
                self.answered(call, outcomes, false);
            }
            (CallShape::Batch, CallResult::Answered { outcomes, .. }) => {
                let answered = outcomes.iter().filter(|(_, outcome)| *outcome != ReportOutcome::Missing).count();
                // An endpoint without batches may also give one answer to a batch of several.
                if answered > 1 || answered == call.reports.len() {
                    batching.works();
                } else if !batching.proven() {
                    self.suspect = batching.may_fall_back();
                }
                self.answered(call, outcomes, batching.may_fall_back());
            }
            (CallShape::Single, CallResult::Failed(failure)) => self.failed(call, failure),
            (CallShape::Batch, CallResult::Failed(failure)) => self.batch_failed(call, failure, batching, now),
        }
    }

    pub(crate) fn finish(self) -> RoundResult {
        let all_failed = if self.understood { None } else { self.last_failure };
        RoundResult { results: self.results, account: self.ended.or(all_failed), understood: self.understood }
    }

    fn answered(&mut self, call: ReportCall, outcomes: Vec<(u64, ReportOutcome)>, may_repeat: bool) {
        self.understood |= outcomes.iter().any(|(_, outcome)| *outcome != ReportOutcome::Missing);
        self.failures_in_a_row = 0;
        for (report, (_, outcome)) in call.reports.into_iter().zip(outcomes) {
            match &outcome {
                ReportOutcome::Refused { code: Some(1000), message } => self.end(CallFailure::Token(message.clone())),
                ReportOutcome::Refused { code: Some(-32601), message } => {
                    self.end(CallFailure::WrongMethod(message.clone()))
                }
                _ => {}
            }
            let repeat = may_repeat && (outcome == ReportOutcome::Missing || is_our_fault(&outcome));
            if repeat {
                self.again.push(report.client.clone());
            }
            self.results.insert(report.client.clone(), (report, ClientOutcome::Answered(outcome)));
        }
    }

    fn batch_failed(&mut self, call: ReportCall, failure: CallFailure, batching: &mut Batching, now: Duration) {
        if !batching.may_fall_back() {
            return self.always_failed(call, failure);
        }
        match &failure {
            CallFailure::Batch { .. } | CallFailure::TooLarge(_) => batching.refused(now),
            CallFailure::Unreachable(_) | CallFailure::TimedOut | CallFailure::Wait(..) | CallFailure::Token(_) => {
                self.end(failure.clone());
                return self.failed(call, failure);
            }
            _ if batching.proven() => {
                self.end(failure.clone());
                return self.failed(call, failure);
            }
            _ => self.suspect = true,
        }
        let rest = std::mem::take(&mut self.queue);
        let clients = call.reports.iter().chain(rest.iter().flat_map(|call| &call.reports));
        self.again.extend(clients.map(|report| report.client.clone()));
        self.set(call, failure);
    }

    /// With `batch = "always"` one error for the batch counts for each report.
    fn always_failed(&mut self, call: ReportCall, failure: CallFailure) {
        match failure {
            CallFailure::Batch { code, message } => {
                let refused = ReportOutcome::Refused { code, message };
                let outcomes = call.reports.iter().map(|report| (report.id, refused.clone())).collect();
                self.answered(call, outcomes, false);
            }
            failure => {
                self.end(failure.clone());
                self.failed(call, failure);
            }
        }
    }

    fn failed(&mut self, call: ReportCall, failure: CallFailure) {
        self.failures_in_a_row += 1;
        let for_all = matches!(failure, CallFailure::Token(_) | CallFailure::Wait(..));
        if for_all || self.failures_in_a_row >= SINGLES_AT_A_TIME {
            self.end(failure.clone());
        }
        self.set(call, failure);
    }

    fn set(&mut self, call: ReportCall, failure: CallFailure) {
        for report in call.reports {
            self.results.insert(report.client.clone(), (report, ClientOutcome::Failed(failure.clone())));
        }
        self.last_failure = Some(failure);
    }

    /// No further call starts; the first reason is kept.
    fn end(&mut self, failure: CallFailure) {
        self.queue.clear();
        self.ended.get_or_insert(failure);
    }
}

/// The codes for a request that is malformed: parse error, invalid request, invalid params (JSON-RPC 2.0, section 5.1).
pub(crate) fn is_our_fault(outcome: &ReportOutcome) -> bool {
    matches!(outcome, ReportOutcome::Refused { code: Some(-32700 | -32600 | -32602), .. })
}

#[cfg(test)]
mod tests;
