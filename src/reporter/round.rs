//! One round of calls: which call may start now, what each answer means for the calls that remain, and what came of every client.
//!
//! First come the calls as planned; then, once, single calls for those clients whose batch left them without an answer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::batch::Batching;
use super::rpc::{Call, Entry, Failure, Heard, Outcome, Shape};
use crate::units::Name;

/// Single calls in flight at a time; and this many calls in a row without an answer end a round.
pub(crate) const SINGLES_AT_A_TIME: usize = 8;

/// One round.
#[derive(Debug, Default)]
pub(crate) struct Round {
    queue: VecDeque<Call>,
    in_flight: usize,
    batch_in_flight: bool,
    failures_in_a_row: usize,
    /// At least one call was answered in JSON-RPC.
    understood: bool,
    /// A batch failed in a way that single calls may mend, as it may be about batches.
    suspect: bool,
    ended: Option<Failure>,
    last_failure: Option<Failure>,
    again: Vec<Name>,
    results: BTreeMap<Name, (Entry, Came)>,
}

/// What came of one client in a round.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Came {
    Heard(Outcome),
    /// Its call failed.
    Failed(Failure),
    /// The round ended before its turn.
    NotSent,
}

/// A finished round.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) results: BTreeMap<Name, (Entry, Came)>,
    /// What ails the whole account; absent where at least the endpoint is well.
    pub(crate) account: Option<Failure>,
    /// At least one call was answered in JSON-RPC.
    pub(crate) understood: bool,
}

impl Round {
    pub(crate) fn new(calls: VecDeque<Call>) -> Self {
        let mut round = Round::default();
        round.enqueue(calls);
        round
    }

    /// The clients that are to be sent once more, singly, with fresh figures; asked when [`Round::next`] has run dry.
    pub(crate) fn again(&mut self) -> Vec<Name> {
        let again = std::mem::take(&mut self.again);
        if self.ended.is_some() { Vec::new() } else { again }
    }

    /// Adds the single calls for [`Round::again`].
    pub(crate) fn enqueue(&mut self, calls: VecDeque<Call>) {
        for entry in calls.iter().flat_map(|call| &call.entries) {
            self.results.insert(entry.client.clone(), (entry.clone(), Came::NotSent));
        }
        self.queue.extend(calls);
    }

    /// The next call, where one may start now: batches one after the other, single calls a few at a time.
    pub(crate) fn next(&mut self) -> Option<Call> {
        let room = match self.queue.front()?.shape {
            Shape::Batch => self.in_flight == 0,
            Shape::Single => self.in_flight < SINGLES_AT_A_TIME && !self.batch_in_flight,
        };
        let call = if room { self.queue.pop_front()? } else { return None };
        self.in_flight += 1;
        self.batch_in_flight = call.shape == Shape::Batch;
        Some(call)
    }

    /// Takes note of what came of a call that [`Round::next`] gave.
    pub(crate) fn heard(&mut self, call: Call, heard: Heard, batching: &mut Batching, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.batch_in_flight = false;
        match (call.shape, heard) {
            (Shape::Single, Heard::Entries { outcomes, .. }) => {
                if std::mem::take(&mut self.suspect) {
                    batching.suspect(now);
                }
                self.entries(call, outcomes, false);
            }
            (Shape::Batch, Heard::Entries { outcomes, .. }) => {
                let answered = outcomes.iter().filter(|(_, outcome)| *outcome != Outcome::Missing).count();
                // One answer to a batch of several is also what an endpoint gives that knows no batches.
                if answered > 1 || answered == call.entries.len() {
                    batching.works();
                } else if !batching.proven() {
                    self.suspect = batching.may_fall_back();
                }
                self.entries(call, outcomes, batching.may_fall_back());
            }
            (Shape::Single, Heard::Failed(failure)) => self.failed(call, failure),
            (Shape::Batch, Heard::Failed(failure)) => self.batch_failed(call, failure, batching, now),
        }
    }

    pub(crate) fn finish(self) -> Finished {
        let hopeless = if self.understood { None } else { self.last_failure };
        Finished { results: self.results, account: self.ended.or(hopeless), understood: self.understood }
    }

    fn entries(&mut self, call: Call, outcomes: Vec<(u64, Outcome)>, may_repeat: bool) {
        self.understood |= outcomes.iter().any(|(_, outcome)| *outcome != Outcome::Missing);
        self.failures_in_a_row = 0;
        for (entry, (_, outcome)) in call.entries.into_iter().zip(outcomes) {
            match &outcome {
                Outcome::Refused { code: Some(1000), message } => self.end(Failure::Token(message.clone())),
                Outcome::Refused { code: Some(-32601), message } => self.end(Failure::WrongMethod(message.clone())),
                _ => {}
            }
            let repeat = may_repeat && (outcome == Outcome::Missing || is_our_fault(&outcome));
            if repeat {
                self.again.push(entry.client.clone());
            }
            self.results.insert(entry.client.clone(), (entry, Came::Heard(outcome)));
        }
    }

    fn batch_failed(&mut self, call: Call, failure: Failure, batching: &mut Batching, now: Duration) {
        if !batching.may_fall_back() {
            return self.always_failed(call, failure);
        }
        match &failure {
            Failure::Batch { .. } | Failure::TooLarge(_) => batching.refused(now),
            Failure::Unreachable(_) | Failure::TimedOut | Failure::Wait(..) | Failure::Token(_) => {
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
    fn always_failed(&mut self, call: Call, failure: Failure) {
        match failure {
            Failure::Batch { code, message } => {
                let refused = Outcome::Refused { code, message };
                let outcomes = call.entries.iter().map(|entry| (entry.id, refused.clone())).collect();
                self.entries(call, outcomes, false);
            }
            failure => {
                self.end(failure.clone());
                self.failed(call, failure);
            }
        }
    }

    fn failed(&mut self, call: Call, failure: Failure) {
        self.failures_in_a_row += 1;
        let for_all = matches!(failure, Failure::Token(_) | Failure::Wait(..));
        if for_all || self.failures_in_a_row >= SINGLES_AT_A_TIME {
            self.end(failure.clone());
        }
        self.set(call, failure);
    }

    fn set(&mut self, call: Call, failure: Failure) {
        for entry in call.entries {
            self.results.insert(entry.client.clone(), (entry, Came::Failed(failure.clone())));
        }
        self.last_failure = Some(failure);
    }

    /// No further call starts; the first reason stands.
    fn end(&mut self, failure: Failure) {
        self.queue.clear();
        self.ended.get_or_insert(failure);
    }
}

/// The codes for a request that is malformed: parse error, invalid request, invalid params (JSON-RPC 2.0, section 5.1).
pub(crate) fn is_our_fault(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused { code: Some(-32700 | -32600 | -32602), .. })
}

#[cfg(test)]
mod tests;
