//! Which client is due when: slots, the first reports after a start, extra reports after an outage, pauses of the account and of single
//! clients.
//!
//! All times are since the boot; only slots come from the wall clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::catch_up::{HourState, next_extra};
use super::retry::NextAttempt;
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
    ends: Duration,
    /// Clients that were not reported since the start.
    unsent: BTreeMap<Name, FirstReport>,
}

#[derive(Clone, Copy, Debug)]
struct FirstReport {
    /// When it is tried next.
    at: Duration,
    /// The time between two attempts.
    every: Duration,
}

impl FirstReports {
    fn next_check(&self) -> Option<Duration> {
        self.unsent.values().map(|first| first.at).min()
    }
}

/// The longest wait for a slot where the interval is longer: a report is due within 10 minutes after an outage, however seldom they are.
const LONGEST_STEP: Duration = Duration::from_secs(8 * 60);

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
    /// `reported_before`: clients of which a report was accepted before this start. Nobody waits for their first report, and many boxes may
    /// have started at this instant: their slots suffice, or with a long interval its parts.
    pub(crate) fn new(
        schedule: ReportSchedule,
        clients: BTreeSet<Name>,
        reported_before: &BTreeSet<Name>,
        now: &ClockReading,
    ) -> Self {
        let start = now.since_boot;
        let slot = start + schedule.next(now.wall);
        let (paused_until, held_until) = (None, BTreeMap::new());
        let mut agenda = Agenda { schedule, clients, slot, first_reports: None, extra: None, paused_until, held_until };
        let soon = FirstReport { at: start + agenda.schedule.first_check(), every: agenda.schedule.check_every() };
        let at_slots = FirstReport { at: agenda.slot_after(start), every: agenda.step() };
        let first = |client: &Name| if reported_before.contains(client) { at_slots } else { soon };
        let unsent = agenda.clients.iter().map(|client| (client.clone(), first(client))).collect();
        agenda.first_reports = Some(FirstReports { ends: start + agenda.schedule.first_reports_within(), unsent });
        agenda
    }

    /// When the attempt is made that is planned `now`.
    pub(crate) fn time_of(&self, attempt: NextAttempt, now: Duration) -> Duration {
        match attempt {
            NextAttempt::After(wait) => now + wait,
            NextAttempt::SlotAfter(wait) => self.slot_after(now + wait),
        }
    }

    /// The interval, or an equal part of it of at most 8 minutes.
    fn step(&self) -> Duration {
        let every = self.schedule.every();
        every / u32::try_from(every.as_millis().div_ceil(LONGEST_STEP.as_millis())).unwrap_or(u32::MAX).max(1)
    }

    /// The first slot after `time`. An interval longer than 8 minutes has such times in between, at equal distances.
    fn slot_after(&self, time: Duration) -> Duration {
        let step = self.step();
        let steps = |between: Duration| u32::try_from(between.as_nanos() / step.as_nanos().max(1)).unwrap_or(u32::MAX);
        match time.checked_sub(self.slot) {
            None => self.slot - step * steps(self.slot - time - Duration::from_nanos(1)),
            Some(after) => self.slot + step * steps(after).saturating_add(1),
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
        let check = self.first_reports.as_ref().and_then(FirstReports::next_check);
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
    /// `shared`: other boxes may be catching up as well. `spread` is a random number in 0..1.
    pub(crate) fn plan_extra(&mut self, candidates: Vec<HourCandidate>, shared: bool, now: &ClockReading, spread: f64) {
        let (at, every) = (now.since_boot, self.schedule.every());
        let (to_slot, left) = (self.slot.saturating_sub(at), left_in_hour(now.wall));
        let waits = candidates.into_iter().filter_map(|HourCandidate { client, accepted, last }| {
            let since_last = last.map(|last| at.saturating_sub(last));
            let wait = next_extra(&HourState { every, to_slot, left, accepted, since_last, shared }, spread)?;
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
        let ends = first.ends;
        let mut due = BTreeSet::new();
        first.unsent.retain(|client, first| {
            if first.at <= at {
                due.insert(client.clone());
                first.at = at + first.every;
            }
            first.at <= ends
        });
        if first.unsent.is_empty() {
            self.first_reports = None;
        }
        due
    }
}

#[cfg(test)]
mod tests;
