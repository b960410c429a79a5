//! One round of calls: which call may start now, what each answer means for the calls that remain, and what came of every client.
//!
//! First come the calls as planned; then, once, single calls for those clients whose batch left them without an answer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::batching::Batching;
use super::rpc::{CallFailure, CallResult, CallShape, ClientReport, ReportCall, ReportOutcome};
use crate::units::Name;

/// Single calls in flight at a time; and this many calls in a row without an answer end a round.
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
    /// A batch failed in a way that single calls may mend, as it may be about batches.
    suspect: bool,
    ended: Option<CallFailure>,
    last_failure: Option<CallFailure>,
    again: Vec<Name>,
    results: BTreeMap<Name, (ClientReport, ClientOutcome)>,
}

/// What came of one client in a round.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ClientOutcome {
    Answered(ReportOutcome),
    /// Its call failed.
    Failed(CallFailure),
    /// The round ended before its turn.
    NotSent,
}

/// A finished round.
#[derive(Debug)]
pub(crate) struct RoundResult {
    pub(crate) results: BTreeMap<Name, (ClientReport, ClientOutcome)>,
    /// What ails the whole account; absent where at least the endpoint is well.
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

    /// The clients that are to be sent once more, singly, with fresh figures; asked when [`ReportRound::next`] has run dry.
    pub(crate) fn again(&mut self) -> Vec<Name> {
        let again = std::mem::take(&mut self.again);
        if self.ended.is_some() { Vec::new() } else { again }
    }

    /// Adds the single calls for [`ReportRound::again`].
    pub(crate) fn enqueue(&mut self, calls: VecDeque<ReportCall>) {
        for entry in calls.iter().flat_map(|call| &call.entries) {
            self.results.insert(entry.client.clone(), (entry.clone(), ClientOutcome::NotSent));
        }
        self.queue.extend(calls);
    }

    /// The next call, where one may start now: batches one after the other, single calls a few at a time.
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

    /// Takes note of what came of a call that [`ReportRound::next`] gave.
    pub(crate) fn heard(&mut self, call: ReportCall, heard: CallResult, batching: &mut Batching, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.batch_in_flight = false;
        match (call.shape, heard) {
            (CallShape::Single, CallResult::Answered { outcomes, .. }) => {
                if std::mem::take(&mut self.suspect) {
                    batching.suspect(now);
                }
                self.entries(call, outcomes, false);
            }
            (CallShape::Batch, CallResult::Answered { outcomes, .. }) => {
                let answered = outcomes.iter().filter(|(_, outcome)| *outcome != ReportOutcome::Missing).count();
                // One answer to a batch of several is also what an endpoint gives that knows no batches.
                if answered > 1 || answered == call.entries.len() {
                    batching.works();
                } else if !batching.proven() {
                    self.suspect = batching.may_fall_back();
                }
                self.entries(call, outcomes, batching.may_fall_back());
            }
            (CallShape::Single, CallResult::Failed(failure)) => self.failed(call, failure),
            (CallShape::Batch, CallResult::Failed(failure)) => self.batch_failed(call, failure, batching, now),
        }
    }

    pub(crate) fn finish(self) -> RoundResult {
        let hopeless = if self.understood { None } else { self.last_failure };
        RoundResult { results: self.results, account: self.ended.or(hopeless), understood: self.understood }
    }

    fn entries(&mut self, call: ReportCall, outcomes: Vec<(u64, ReportOutcome)>, may_repeat: bool) {
        self.understood |= outcomes.iter().any(|(_, outcome)| *outcome != ReportOutcome::Missing);
        self.failures_in_a_row = 0;
        for (entry, (_, outcome)) in call.entries.into_iter().zip(outcomes) {
            match &outcome {
                ReportOutcome::Refused { code: Some(1000), message } => self.end(CallFailure::Token(message.clone())),
                ReportOutcome::Refused { code: Some(-32601), message } => {
                    self.end(CallFailure::WrongMethod(message.clone()))
                }
                _ => {}
            }
            let repeat = may_repeat && (outcome == ReportOutcome::Missing || is_our_fault(&outcome));
            if repeat {
                self.again.push(entry.client.clone());
            }
            self.results.insert(entry.client.clone(), (entry, ClientOutcome::Answered(outcome)));
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
        let clients = call.entries.iter().chain(rest.iter().flat_map(|call| &call.entries));
        self.again.extend(clients.map(|entry| entry.client.clone()));
        self.set(call, failure);
    }

    /// Where only batches are wanted, one error for the batch is one for each entry.
    fn always_failed(&mut self, call: ReportCall, failure: CallFailure) {
        match failure {
            CallFailure::Batch { code, message } => {
                let refused = ReportOutcome::Refused { code, message };
                let outcomes = call.entries.iter().map(|entry| (entry.id, refused.clone())).collect();
                self.entries(call, outcomes, false);
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
        for entry in call.entries {
            self.results.insert(entry.client.clone(), (entry, ClientOutcome::Failed(failure.clone())));
        }
        self.last_failure = Some(failure);
    }

    /// No further call starts; the first reason stands.
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
