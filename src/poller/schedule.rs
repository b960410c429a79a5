//! Which meter is polled next, and how long polling backs off from a silent meter. Pure: the time is an argument.
//!
//! A meter that does not answer is *dead*, and a poll of it is a *probe*: it takes a whole timeout. The meters that answer come first.
//! The dead ones are probed in turn in the time that remains: when no other meter is due, and each of them is still read within its slot
//! after the probe. On a bus without such time they still get a small share ([`SPARE_SHARE`]). The requests of a borrower of the line
//! ([`super::loan`]) are placed in the same way, in turn with the probes.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::doubled;

/// Longest back-off from a silent meter, unless its poll interval or the timeout is longer.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);
/// Longest poll interval of a meter that the ledger holds.
const HELD_EVERY: Duration = Duration::from_secs(10);
/// Probes and lent requests together take at most one part in this many of the time of a bus that has no time left for them, and there is
/// one in as many slots. It costs another meter its own time and up to one more slot, so this costs at most 7 % of the polls.
const SPARE_SHARE: u32 = 30;
/// If nobody answered for this long, and one does, the others are expected to answer too.
const WHOLE_SILENCE: Duration = Duration::from_secs(60);

/// Buses that are polled at the same time: enough that one wake-up of the program serves several, few enough that none waits long.
const TOGETHER: usize = 16;
/// The longest time from one group of buses to the next.
const LONGEST_STEP: Duration = Duration::from_secs(1);

/// How long after the start a bus is first polled, by its `index` among all `buses`. They begin in groups that are spread over the poll
/// interval, so that the program's work is, too.
pub fn starts_after(index: usize, buses: usize, poll_every: Duration) -> Duration {
    let [group, groups] = [index / TOGETHER, buses.div_ceil(TOGETHER)].map(|it| u32::try_from(it).unwrap_or(u32::MAX));
    (poll_every / groups.max(1)).min(LONGEST_STEP) * group
}

/// When each meter of one bus is due. Meters are identified by their index.
#[derive(Debug)]
pub(super) struct PollSchedule {
    /// The shortest back-off, and the expected time of a poll before the first one.
    timeout: Duration,
    meters: Vec<Due>,
    /// From this time on a dead meter may be probed, or the line lent, although this costs others a slot.
    spare_from: Instant,
    /// The last use of the spare time was a lent request. Then a probe goes first.
    lent_last: bool,
    /// The ends of the last probes, at most one more than there are dead meters.
    probes: VecDeque<Instant>,
    started: Instant,
    /// The last answer of any meter.
    answered_at: Option<Instant>,
}

#[derive(Debug)]
struct Due {
    poll_every: Duration,
    held: bool,
    at: Instant,
    /// Consecutive polls without an answer.
    silent: u32,
    life: Life,
    /// How long its last poll took.
    took: Duration,
}

/// Whether a meter is expected to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// It answered the last poll.
    Answers,
    /// It was not polled yet, it missed a single poll, or something else was the cause of its silence: it is polled as usual.
    Doubted,
    /// It is probed.
    Dead,
}

/// The meters of a bus that do not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeRound {
    /// The number of meters that are only probed.
    pub dead: usize,
    /// How long it takes until each of them was probed once, by the pace of the last probes. `None` before the second probe.
    pub takes: Option<Duration>,
}

impl Due {
    fn interval(&self) -> Duration {
        if self.held { self.poll_every.min(HELD_EVERY) } else { self.poll_every }
    }
}

impl PollSchedule {
    /// A schedule in which all meters are due at `now`, in their order.
    pub(super) fn new(poll_every: impl IntoIterator<Item = Duration>, timeout: Duration, now: Instant) -> Self {
        let due = |poll_every| Due { poll_every, held: false, at: now, silent: 0, life: Life::Doubted, took: timeout };
        let meters = poll_every.into_iter().map(due).collect();
        PollSchedule {
            timeout,
            meters,
            spare_from: now,
            lent_last: false,
            probes: VecDeque::new(),
            started: now,
            answered_at: None,
        }
    }

    /// The meter that is polled next, and from when on. Whoever waits until then asks again. `None` on a bus without meters.
    pub(super) fn next(&self, now: Instant) -> Option<(usize, Instant)> {
        let [usual, dead] = self.first();
        let (Some((usual, usual_at)), Some((dead, dead_at))) = (usual, dead) else { return usual.or(dead) };
        let costs_no_slot = || usual_at > now && self.costs_no_slot(self.meters[dead].took, now);
        if dead_at <= now && (now >= self.spare_from || costs_no_slot()) {
            return Some((dead, dead_at));
        }
        let dead_at = if dead_at > now { dead_at } else { self.spare_from };
        Some(if dead_at < usual_at { (dead, dead_at) } else { (usual, usual_at) })
    }

    /// The meter that is due first, of those that are not dead and of those that are.
    fn first(&self) -> [Option<(usize, Instant)>; 2] {
        let mut first: [Option<(usize, Instant)>; 2] = [None; 2];
        for (index, due) in self.meters.iter().enumerate() {
            let first = &mut first[usize::from(due.life == Life::Dead)];
            if first.is_none_or(|(_, at)| due.at < at) {
                *first = Some((index, due.at));
            }
        }
        first
    }

    /// When a meter that is not dead is due.
    fn usual_at(&self) -> Option<Instant> {
        self.first()[0].map(|(_, at)| at)
    }

    /// Whether a lent request that is expected to take this time may run now.
    pub(super) fn may_lend(&self, takes: Duration, now: Instant) -> bool {
        let next = self.next(now).filter(|(_, at)| *at <= now).map(|(meter, _)| self.meters[meter].life);
        if next == Some(Life::Dead) && self.lent_last {
            return false;
        }
        let is_due = self.usual_at().is_some_and(|at| at <= now);
        now >= self.spare_from || !is_due && self.costs_no_slot(takes, now)
    }

    /// From when on a lent request may run although it costs others a slot. Until then its turn comes when a poll has ended.
    pub(super) fn lends_from(&self) -> Instant {
        self.spare_from
    }

    /// A lent request took this time.
    pub(super) fn lent(&mut self, took: Duration, now: Instant) {
        self.lent_last = true;
        self.line_was_used(took, now);
    }

    /// The expected time from one lent request to the next, if each takes this time.
    pub(super) fn lending_pace(&self, takes: Duration) -> Duration {
        let living = || self.meters.iter().filter(|due| due.life != Life::Dead);
        let busy: f64 = living().map(|due| due.took.as_secs_f64() / due.interval().as_secs_f64()).sum();
        let mut worst: Vec<_> = living().collect();
        worst.sort_by_key(|due| due.interval());
        let mut free_at = takes + takes / 4;
        let fits = worst.iter().all(|due| {
            free_at += due.took;
            free_at <= due.interval()
        });
        if fits && busy < 1.0 { takes.div_f64(1.0 - busy) } else { takes.max(self.shortest_slot()) * SPARE_SHARE }
    }

    fn shortest_slot(&self) -> Duration {
        self.meters.iter().filter(|due| due.life != Life::Dead).map(Due::interval).min().unwrap_or_default()
    }

    /// A probe or a lent request took this time. If it went before a poll that was due, or took longer than expected, it used the share of
    /// a full bus.
    fn line_was_used(&mut self, took: Duration, now: Instant) {
        let delayed = self.usual_at().is_some_and(|at| at + took <= now);
        if delayed || !self.costs_no_slot(Duration::ZERO, now) {
            self.spare_from = now + took.max(self.shortest_slot()) * (SPARE_SHARE - 1);
        }
    }

    /// Whether every meter that answers can still be read within its slot if something that takes this time goes first. A quarter is
    /// added: after a silence the line needs time to settle.
    fn costs_no_slot(&self, takes: Duration, now: Instant) -> bool {
        let mut others: Vec<_> = self.meters.iter().filter(|due| due.life != Life::Dead).collect();
        others.sort_by_key(|due| due.at);
        let mut free_at = now + takes + takes / 4;
        others.iter().all(|due| {
            free_at = free_at.max(due.at) + due.took;
            free_at <= due.at + due.interval()
        })
    }

    /// The meter answered a poll that took this time: it is due at its next slot. Missed slots are skipped.
    pub(super) fn answered(&mut self, meter: usize, took: Duration, now: Instant) {
        let is_back = self.answered_at.is_some() || self.meters[meter].life == Life::Dead;
        if is_back && now >= self.answered_at.unwrap_or(self.started) + WHOLE_SILENCE {
            self.all_expected(now);
        }
        self.answered_at = Some(now);
        self.lent_last &= self.meters[meter].life != Life::Dead;
        let due = &mut self.meters[meter];
        (due.life, due.took) = (Life::Answers, took);
        if due.silent > 0 {
            (due.silent, due.at) = (0, now);
        }
        let (interval, late) = (due.interval(), now.saturating_duration_since(due.at));
        if due.at <= now {
            let missed = late.as_nanos() / interval.as_nanos().max(1);
            due.at += interval * u32::try_from(missed + 1).unwrap_or(u32::MAX);
        }
    }

    /// The meter did not answer a poll that took this time: the back-off doubles with each silent poll.
    ///
    /// It is never shorter than the timeout, so that a late answer arrives before the next request.
    pub(super) fn silent(&mut self, meter: usize, took: Duration, now: Instant) {
        let timeout = self.timeout;
        let due = &mut self.meters[meter];
        let first = due.interval().max(timeout);
        due.at = now + doubled(first, due.silent, LONGEST_BACK_OFF.max(first));
        (due.silent, due.took) = (due.silent.saturating_add(1), took);
        let was_probed = due.life == Life::Dead;
        due.life = if due.life == Life::Answers { Life::Doubted } else { Life::Dead };
        if was_probed {
            self.lent_last = false;
            self.line_was_used(took, now);
            self.probes.push_back(now);
        }
        self.doubted_give_way(now);
        let dead = self.dead();
        self.probes.drain(..self.probes.len().saturating_sub(dead + 1));
    }

    /// Meters that answered go before those that are only hoped to answer, if they became due during the silence that just ended. Otherwise
    /// the meters that never answer would take one timeout each, one after the other, before another meter is polled a second time.
    fn doubted_give_way(&mut self, now: Instant) {
        for due in self.meters.iter_mut().filter(|due| due.life == Life::Doubted) {
            due.at = due.at.max(now);
        }
    }

    /// Makes every meter due: the whole link was silent, and it was opened again.
    pub(super) fn all_due(&mut self, now: Instant) {
        self.meters.iter_mut().for_each(|due| due.at = due.at.min(now));
        self.probes.clear();
    }

    /// Makes every meter due, and polls it as if it had not been silent, but with its back-off: its silence says nothing, because the
    /// system was suspended, or the whole bus was silent and is not any more.
    pub(super) fn all_expected(&mut self, now: Instant) {
        self.all_due(now);
        self.meters.iter_mut().for_each(|due| due.life = Life::Doubted);
    }

    /// Sets whether the ledger holds the meter. A newly held meter is due at once, unless it is silent.
    pub(super) fn hold(&mut self, meter: usize, held: bool, now: Instant) {
        let due = &mut self.meters[meter];
        if held && !due.held && due.silent == 0 {
            due.at = due.at.min(now);
        }
        due.held = held;
    }

    /// The dead meters, and the time of a round of probes.
    pub(super) fn probe_round(&self) -> ProbeRound {
        let dead = self.dead();
        let steps = u32::try_from(self.probes.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let takes = match (self.probes.front(), self.probes.back()) {
            (Some(first), Some(last)) if steps > 0 && dead > 0 => {
                Some(last.saturating_duration_since(*first) * u32::try_from(dead).unwrap_or(u32::MAX) / steps)
            }
            _ => None,
        };
        ProbeRound { dead, takes }
    }

    fn dead(&self) -> usize {
        self.meters.iter().filter(|due| due.life == Life::Dead).count()
    }
}

#[cfg(test)]
mod tests;
