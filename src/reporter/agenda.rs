//! Which client is due when: slots, the first reports after a start, extra reports after an outage, pauses of the account and of single
//! clients.
//!
//! All times are since the boot; only slots come from the wall clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::catch_up::{HourState, next_extra};
use super::schedule::ReportSchedule;
use crate::clock::ClockReading;
use crate::report_hours::left_in_hour;
use crate::units::Name;

/// The due times of one account.
#[derive(Clone, Debug)]
pub(crate) struct Agenda {
    schedule: ReportSchedule,
    clients: BTreeSet<Name>,
    slot: Duration,
    first_reports: Option<FirstReports>,
    /// Reports between two slots, and their time.
    extra: Option<(Duration, BTreeSet<Name>)>,
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

/// A client whose hour may need extra reports.
#[derive(Clone, Debug)]
pub(crate) struct HourCandidate {
    pub(crate) client: Name,
    /// Its reports that were accepted in this hour.
    pub(crate) accepted: u32,
    /// When the last one was accepted.
    pub(crate) last: Option<Duration>,
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
            extra: None,
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
        let extra = self.extra.as_ref().map(|(at, _)| *at);
        let earliest = self.held_until.values().copied().chain(check).chain(extra).min();
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
        let (_, extra) = self.extra.take_if(|(extra_at, _)| *extra_at <= at).unwrap_or_default();
        let mut send = if is_slot || after_pause { self.clients.clone() } else { &(&unsent | &released) | &extra };
        send.retain(|client| !self.held_until.contains_key(client));
        Some(DueReports { request: if is_slot { self.clients.clone() } else { send.clone() }, send })
    }

    /// Plans the next extra reports of these clients, instead of those that were planned. They are sent together, so that they share calls.
    /// `spread` is a random number in 0..1.
    pub(crate) fn plan_extra(&mut self, candidates: Vec<HourCandidate>, now: &ClockReading, spread: f64) {
        let (at, every) = (now.since_boot, self.schedule.every());
        let (to_slot, left) = (self.slot.saturating_sub(at), left_in_hour(now.wall));
        let waits = candidates.into_iter().filter_map(|HourCandidate { client, accepted, last }| {
            let since_last = last.map(|last| at.saturating_sub(last));
            let wait = next_extra(&HourState { every, to_slot, left, accepted, since_last }, spread)?;
            Some((wait, client))
        });
        let waits: Vec<_> = waits.collect();
        let soonest = waits.iter().map(|(wait, _)| *wait).min();
        self.extra = soonest.map(|wait| (at + wait, waits.into_iter().map(|(_, client)| client).collect()));
    }

    /// The account's interval.
    pub(crate) fn every(&self) -> Duration {
        self.schedule.every()
    }

    /// Everything is due now, regardless of slot, pause and hold. It then counts as done.
    pub(crate) fn all_now(&mut self) -> DueReports {
        self.paused_until = None;
        self.held_until.clear();
        self.extra = None;
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
