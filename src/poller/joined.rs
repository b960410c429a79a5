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

/// What to change in the profile, so that a read which fails is not tried again: `parts` are read in its stead.
pub(super) fn remedy(read: RegisterRange, parts: &[RegisterRange]) -> String {
    let mut parts: Vec<_> = parts.iter().filter(|part| read.covers(**part)).collect();
    parts.sort();
    let between = |pair: &[&RegisterRange]| {
        let (first, next) = (pair[0].end(), u32::from(pair[1].address));
        (first < next).then(|| format!("[0x{first:04X}, 0x{:04X}]", next - 1))
    };
    let gaps: Vec<_> = parts.windows(2).filter_map(between).collect();
    match gaps.as_slice() {
        [] => {
            let longest = parts.iter().map(|part| part.count).max().unwrap_or(read.count);
            format!("write max_registers_per_read = {longest} in the profile")
        }
        gaps => format!("take {} out of `gaps` in the profile, or add it to `holes`", gaps.join(" and ")),
    }
}

/// The joined reads of one meter.
#[derive(Debug, Default)]
pub(super) struct JoinedReads {
    /// The read that failed last, and how often in a row.
    failing: Option<(RegisterRange, u32)>,
    /// Whether the first failure is enough, for a command that reads only once.
    hurried: bool,
    /// Boxed, because it is rare and large.
    split: Option<Box<Split>>,
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
    /// For a command that reads only once: the parts are tried after the first failure.
    pub(super) fn hurried() -> Self {
        JoinedReads { hurried: true, ..JoinedReads::default() }
    }

    /// Nothing is known of the reads of another plan.
    pub(super) fn of_another_plan(&self) -> Self {
        JoinedReads { hurried: self.hurried, ..JoinedReads::default() }
    }

    /// Whether the parts of a read that failed are tried next.
    pub(super) fn tries_parts(&self) -> bool {
        self.split.as_ref().is_some_and(|split| split.since.is_none())
    }

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
        let enough = if self.hurried { 1 } else { FAILURES };
        if before + 1 < enough || !plan.split(range) {
            return false;
        }
        let whole = self.split.take().map_or(whole, |split| split.whole);
        self.split = Some(Box::new(Split { whole, range, since: None }));
        true
    }

    /// A read was answered. The read that must stay split, where this shows it.
    pub(super) fn answered(&mut self, range: RegisterRange, now: Instant) -> Option<RegisterRange> {
        self.failing = self.failing.filter(|(failing, _)| *failing != range);
        let is_part =
            |split: &&mut Box<Split>| split.since.is_none() && split.range.covers(range) && split.range != range;
        let split = self.split.as_mut().filter(is_part)?;
        split.since = Some(now);
        self.failing = None;
        Some(split.range)
    }

    /// Makes reads whole again that were split a day ago. One failure splits them again.
    pub(super) fn try_whole(&mut self, plan: &mut ReadPlan, now: Instant) {
        let due = |split: &mut Box<Split>| split.since.is_some_and(|since| now >= since + WHOLE_AFTER);
        if let Some(split) = self.split.take_if(due) {
            *plan = split.whole;
            self.failing = Some((split.range, FAILURES - 1));
        }
    }

    /// The link is lost: nothing is known of the next one. A read that fails is still counted, and its parts are still tried: it may be
    /// what the device answers with the end of the connection.
    pub(super) fn forget(&mut self, plan: &mut ReadPlan) {
        if let Some(split) = self.split.take_if(|split| split.since.is_some()) {
            *plan = split.whole;
            self.failing = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Function;

    fn holding(address: u16, count: u16) -> RegisterRange {
        RegisterRange { function: Function::Holding, address, count }
    }

    #[test]
    fn the_remedy_for_a_read_names_its_gaps_or_its_length() {
        let read = holding(0x0100, 0x20);
        let parts = [holding(0x0110, 4), holding(0x0100, 2), holding(0x011E, 2), holding(0x0200, 2)];
        assert_eq!(
            remedy(read, &parts),
            "take [0x0102, 0x010F] and [0x0114, 0x011D] out of `gaps` in the profile, or add it to `holes`"
        );
        let joined = [holding(0x0100, 12), holding(0x010C, 20)];
        assert_eq!(remedy(read, &joined), "write max_registers_per_read = 20 in the profile");
    }
}
