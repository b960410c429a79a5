//! Which client is due when: slots, the first reports after a start, pauses of the account and of single clients.
//!
//! All times are since the boot; only slots come from the wall clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::schedule::ReportSchedule;
use crate::clock::ClockReading;
use crate::units::Name;

/// The due times of one account.
#[derive(Clone, Debug)]
pub(crate) struct Agenda {
    schedule: ReportSchedule,
    clients: BTreeSet<Name>,
    slot: Duration,
    first_reports: Option<FirstReports>,
    paused_until: Option<Duration>,
    /// Clients with a due time of their own, before or after the next slot.
    held_until: BTreeMap<Name, Duration>,
}

#[derive(Clone, Debug)]
struct FirstReports {
    next_check: Duration,
    ends: Duration,
    /// Clients that were not reported since the start.
    unsent: BTreeSet<Name>,
}

/// What is due now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DueReports {
    /// The clients whose figures are requested from the ledger: all of them at a slot, because the ledger commits then.
    pub(crate) request: BTreeSet<Name>,
    /// Those of them that may be sent.
    pub(crate) send: BTreeSet<Name>,
}

impl Agenda {
    pub(crate) fn new(schedule: ReportSchedule, clients: BTreeSet<Name>, now: &ClockReading) -> Self {
        let start = now.since_boot;
        let first_reports = FirstReports {
            next_check: start + schedule.first_check(),
            ends: start + schedule.first_reports_within(),
            unsent: clients.clone(),
        };
        let slot = start + schedule.next(now.wall);
        Agenda {
            schedule,
            clients,
            slot,
            first_reports: Some(first_reports),
            paused_until: None,
            held_until: BTreeMap::new(),
        }
    }

    /// When something is due next.
    pub(crate) fn wake(&self) -> Duration {
        match self.paused_until {
            Some(until) => until.min(self.slot),
            None => self.next_report(),
        }
    }

    /// When something may be sent next.
    pub(crate) fn next_report(&self) -> Duration {
        if let Some(until) = self.paused_until {
            return until;
        }
        let check = self.first_reports.as_ref().map(|first| first.next_check);
        let earliest = self.held_until.values().copied().chain(check).min();
        earliest.unwrap_or(self.slot).min(self.slot)
    }

    /// What is due at `now`. It then counts as done. `None` before [`Agenda::wake`].
    pub(crate) fn due(&mut self, now: &ClockReading) -> Option<DueReports> {
        let at = now.since_boot;
        if at < self.wake() {
            return None;
        }
        let is_slot = at >= self.slot;
        if is_slot {
            self.slot = at + self.schedule.next(now.wall);
        }
        let unsent = self.check_first_reports(at);
        if self.paused_until.is_some_and(|until| at < until) {
            return Some(DueReports { request: self.clients.clone(), send: BTreeSet::new() });
        }
        let after_pause = self.paused_until.take().is_some();
        let released: BTreeSet<_> =
            self.held_until.extract_if(.., |_, until| *until <= at).map(|(name, _)| name).collect();
        let mut send = if is_slot || after_pause { self.clients.clone() } else { &unsent | &released };
        send.retain(|client| !self.held_until.contains_key(client));
        Some(DueReports { request: if is_slot { self.clients.clone() } else { send.clone() }, send })
    }

    /// Everything is due now, regardless of slot, pause and hold. It then counts as done.
    pub(crate) fn all_now(&mut self) -> DueReports {
        self.paused_until = None;
        self.held_until.clear();
        DueReports { request: self.clients.clone(), send: self.clients.clone() }
    }

    /// The reports of these clients are sent.
    pub(crate) fn sent<'a>(&mut self, clients: impl IntoIterator<Item = &'a Name>) {
        let Some(first) = &mut self.first_reports else { return };
        clients.into_iter().for_each(|client| {
            first.unsent.remove(client);
        });
        if first.unsent.is_empty() {
            self.first_reports = None;
        }
    }

    /// Nothing is sent before `until`.
    pub(crate) fn pause(&mut self, until: Duration) {
        self.paused_until = Some(until);
    }

    /// This client is not sent before `until`, and then at once.
    pub(crate) fn hold(&mut self, client: &Name, until: Duration) {
        self.held_until.insert(client.clone(), until);
    }

    /// The account's pause ends now.
    pub(crate) fn end_pause(&mut self, now: Duration) {
        if let Some(until) = &mut self.paused_until {
            *until = now.min(*until);
        }
    }

    /// All pauses and holds end now.
    pub(crate) fn end_all_pauses(&mut self, now: Duration) {
        self.end_pause(now);
        self.held_until.values_mut().for_each(|until| *until = now.min(*until));
    }

    /// The clients whose first report is tried at `at`.
    fn check_first_reports(&mut self, at: Duration) -> BTreeSet<Name> {
        let Some(first) = &mut self.first_reports else { return BTreeSet::new() };
        if at < first.next_check {
            return BTreeSet::new();
        }
        let unsent = first.unsent.clone();
        first.next_check = at + self.schedule.check_every();
        if first.next_check > first.ends {
            self.first_reports = None;
        }
        unsent
    }
}

#[cfg(test)]
mod tests;
