//! When a client is reported between two slots: after an outage, so that its UTC hour still gets twelve accepted reports. Pure.
//!
//! The twelve are spread over what is left of the hour, so that many boxes that come back at once do not call at once. After an outage
//! that other boxes may share (of the endpoint or of the network, or a start) they are limited as well: hours that end soon stay incomplete
//! rather than that a fleet makes a multiple of its usual calls. After an outage of the meter alone they are not.

use std::time::Duration;

use crate::report_hours::FULL_HOUR;

/// Two reports of a client are never closer than this, unless the account reports more often than that anyway.
pub(crate) const CLOSEST: Duration = Duration::from_secs(10);
/// After an outage that other boxes may share, at most one extra report comes between two slots, this part of the interval after the last
/// report, and only between so many of a hundred pairs of slots. So all boxes together make less than twice the calls of other times.
const SHARED_CLOSEST: f64 = 0.6;
const SHARED_PART: f64 = 0.8;
/// The soonest an extra report is planned: close to the end of an hour the pace becomes any small time.
const SOONEST: Duration = Duration::from_secs(1);
/// With a longer interval no hour is complete, and the operator wants it so.
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600 / FULL_HOUR as u64);

/// What is known when the next report is planned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HourState {
    /// The account's interval.
    pub(crate) every: Duration,
    /// The time to its next slot.
    pub(crate) to_slot: Duration,
    /// What is left of the hour.
    pub(crate) left: Duration,
    /// The client's reports that were accepted in this hour.
    pub(crate) accepted: u32,
    /// The time since the last of them, in this hour or before.
    pub(crate) since_last: Option<Duration>,
    /// The outage was not this box's alone, as far as it can know: others may be catching up as well.
    pub(crate) shared: bool,
}

/// The time from now to an extra report; `None` if the slots suffice, or if none fits before the next slot, which then decides anew.
///
/// `spread` is a random number in 0..1 of this box.
pub(crate) fn next_extra(hour: &HourState, spread: f64) -> Option<Duration> {
    let HourState { every, to_slot, left, accepted, since_last, shared } = *hour;
    let missing = FULL_HOUR.saturating_sub(accepted);
    if every > LONGEST_INTERVAL || every < 2 * CLOSEST || missing <= slots_in(left, to_slot, every) {
        return None;
    }
    let wait = if shared {
        // Always as long after a slot: each box keeps its phase.
        (spread < SHARED_PART).then(|| every.mul_f64(SHARED_CLOSEST))?.saturating_sub(since_last?)
    } else {
        let wait = at_pace(left.mul_f64(0.9) / missing, since_last, spread);
        wait.max(CLOSEST.saturating_sub(since_last.unwrap_or(CLOSEST)))
    };
    let wait = wait.max(SOONEST);
    (wait < left && wait + CLOSEST <= to_slot).then_some(wait)
}

/// The wait that keeps a pace. A tenth of the hour is not in it, for readings and answers that come late.
fn at_pace(pace: Duration, since_last: Option<Duration>, spread: f64) -> Duration {
    match since_last {
        Some(since) if since < pace => pace.mul_f64(0.8 + 0.2 * spread).saturating_sub(since),
        _ => pace.mul_f64(spread),
    }
}

/// The slots in the time that is left.
fn slots_in(left: Duration, to_slot: Duration, every: Duration) -> u32 {
    let Some(after_first) = left.checked_sub(to_slot) else { return 0 };
    let more = after_first.as_nanos() / every.as_nanos().max(1);
    u32::try_from(more).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests;
