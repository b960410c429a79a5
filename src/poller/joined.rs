//! Joined reads that fail although smaller reads of the same registers succeed. Such a read is split until the link is lost, and tried whole
//! once a day. Pure: the time is an argument.
//!
//! A read that fails twice in a row is tried in parts. If a part is answered, it stays split; otherwise the meter is silent, and the read
//! is whole again.

use std::time::Duration;

use tokio::time::Instant;

use crate::meter::{ReadPlan, RegisterRange};

/// Consecutive failures of a joined read before its parts are tried.
const FAILURES: u32 = 2;
/// How long it stays split.
const WHOLE_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The joined reads of one meter.
#[derive(Debug, Default)]
pub(super) struct JoinedReads {
    /// The read that failed last, and how often in a row.
    failing: Option<(RegisterRange, u32)>,
    split: Option<Split>,
}

#[derive(Debug)]
struct Split {
    /// The plan before.
    whole: ReadPlan,
    range: RegisterRange,
    /// When a part was first answered.
    since: Option<Instant>,
}

impl JoinedReads {
    /// A read failed in any way that says nothing about single registers. True where the plan has changed and the new reads are open.
    pub(super) fn failed(&mut self, range: RegisterRange, plan: &mut ReadPlan) -> bool {
        if let Some(split) = self.split.take_if(|split| split.since.is_none()) {
            // Other reads fail as well, before a part was answered.
            *plan = split.whole;
            self.failing = None;
            return false;
        }
        let before = self.failing.filter(|(failing, _)| *failing == range).map_or(0, |(_, count)| count);
        self.failing = Some((range, before + 1));
        let whole = plan.clone();
        if before + 1 < FAILURES || !plan.split(range) {
            return false;
        }
        let whole = self.split.take().map_or(whole, |split| split.whole);
        self.split = Some(Split { whole, range, since: None });
        true
    }

    /// A read was answered. True where this shows that a read must stay split.
    pub(super) fn answered(&mut self, range: RegisterRange, now: Instant) -> bool {
        self.failing = self.failing.filter(|(failing, _)| *failing != range);
        let is_part = |split: &&mut Split| split.since.is_none() && split.range.covers(range) && split.range != range;
        match self.split.as_mut().filter(is_part) {
            Some(split) => {
                split.since = Some(now);
                self.failing = None;
                true
            }
            None => false,
        }
    }

    /// Makes reads whole again that were split a day ago. One failure splits them again.
    pub(super) fn try_whole(&mut self, plan: &mut ReadPlan, now: Instant) {
        let due = |split: &mut Split| split.since.is_some_and(|since| now >= since + WHOLE_AFTER);
        if let Some(split) = self.split.take_if(due) {
            *plan = split.whole;
            self.failing = Some((split.range, FAILURES - 1));
        }
    }

    /// The link is lost: nothing is known of the next one.
    pub(super) fn forget(&mut self, plan: &mut ReadPlan) {
        if let Some(split) = std::mem::take(self).split {
            *plan = split.whole;
        }
    }
}
