//! How much of an advance can be true: what power explains, what is likely, and what is beyond belief.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::power::{EnergyBounds, PowerMemory, SampledEnergy, energy};
use super::settings::MeterSettings;
use crate::clock::ClockReading;
use crate::reading::Register;
use crate::units::{MilliwattHours, Milliwatts};

/// How long a register may have stood still before it was first read: many meters update theirs every quarter of an hour.
const LUMP: Duration = Duration::from_secs(15 * 60);
const MINUTE: Duration = Duration::from_secs(60);
/// How long full power may have gone unnoticed between the samples of a standstill.
const UNNOTICED: Duration = Duration::from_secs(5 * 60);
/// More than this many times what the connection carries is no evidence of an overload but of a wrong power register.
const OVERLOAD_MAX: u64 = 10;

/// A register value, and everything that judges what may follow it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegisterPoint {
    /// The register.
    pub value: MilliwattHours,
    /// Its resolution, at least 1 mWh.
    pub step: MilliwattHours,
    /// When the register was first seen at this value.
    pub at: ClockReading,
    /// The totals of the power samples at that time.
    #[serde(default)]
    pub witness: EnergyBounds,
    /// How much of the two steps of grace earlier advances have used up, in mWh.
    #[serde(default)]
    pub debt: u64,
    /// It was not seen to advance to this value (the first reading, or one after a gap): it may have stood there for a while.
    #[serde(default)]
    pub fresh: bool,
    /// How long the register had not been read before; 0 where that is not known.
    #[serde(default)]
    pub unseen: Duration,
}

impl RegisterPoint {
    pub(super) fn new(register: &Register, at: &ClockReading, witness: EnergyBounds) -> Self {
        let (debt, fresh, unseen) = (0, false, Duration::ZERO);
        RegisterPoint { value: register.value, step: register.step, at: *at, witness, debt, fresh, unseen }
    }

    /// The register may have stood at this value before it was read, since nobody had looked for so long.
    pub(super) fn after(self, unseen: Duration) -> Self {
        RegisterPoint { fresh: true, unseen, ..self }
    }
}

/// What an advance is worth, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// Power, or the rate the register is known to reach, explains it.
    Explained,
    /// More than that, but not more than two polls at full power: too little to make words about.
    Slight,
    /// The connection could have carried it in the time that no power sample covers.
    Possible,
    /// Possible, but not what was measured, or far more than this connection was ever seen to carry.
    Doubtful,
    /// Too much for the time since the last advance.
    Beyond,
    /// Too much for the time that is certain; the clock is not trusted to tell how much it was.
    Untold,
}

/// What judges an advance beside the two registers.
pub(super) struct Measure<'a> {
    pub(super) memory: &'a PowerMemory,
    pub(super) totals: &'a EnergyBounds,
    pub(super) settings: &'a MeterSettings,
}

impl Measure<'_> {
    /// Grades the advance from `from` to `to`; `to` is not lower.
    pub(super) fn grade(&self, from: &RegisterPoint, to: &RegisterPoint) -> Grade {
        let change = to.value.saturating_sub(from.value).get();
        let grace = (2 * steps(from, to)).saturating_sub(from.debt);
        let told = to.at.since(&from.at);
        // Another boot: at least the time since this one is certain.
        let elapsed = told.unwrap_or(to.at.since_boot);
        let SampledEnergy { lower, upper, covered } = to.witness.since(&from.witness);
        let uncovered = elapsed.saturating_sub(covered);
        let full = self.memory.measure(self.settings);
        let explained = self.explained(change, lower, full, elapsed);
        let upper = upper.max(explained);
        let two_polls = self.memory.two_polls(self.settings);
        let lump = self.stood(from, elapsed);

        // The last advance may have happened up to a poll before it was seen.
        let poll = two_polls / 2;
        let late = energy(self.memory.recent().min(full), poll);
        let blind = match uncovered.min(two_polls.max(self.memory.lump())) {
            Duration::ZERO => 0,
            stood => energy(self.known_rate(full), stood + poll),
        };
        let hidden = energy(self.memory.rates.hidden.min(full), elapsed.min(two_polls));
        let expected = quarter_more(upper + late + blind.max(hidden)) + grace;
        let slight = quarter_more(explained) + energy(full, two_polls) + grace;
        let unseen = energy(self.usual_rate(full), uncovered) + energy(self.known_usual_rate(full), lump);
        let likely = quarter_more(upper + unseen) + energy(full, two_polls) + grace;
        let cap = quarter_more(energy(full, elapsed + lump).max(explained)) + grace;
        // Where power was sampled all along, a long standstill alone does not make a large advance possible; unless power says that the
        // register should not have stood: then both may be what a gateway remembered.
        let stale = lower > 2 * steps(from, to) && from.value > MilliwattHours::ZERO;
        let most = 2 * (upper + energy(full, uncovered)) + quarter_more(energy(full, UNNOTICED + lump)) + grace;
        let sampled = if stale { u64::MAX } else { most };

        // Where the last advance was seen late, because a value was frozen or a dip hid it, there was more time than it seems.
        let delay = MINUTE.max(two_polls).max(self.memory.lump());
        let late_cap = cap + quarter_more(energy(full, delay));

        match change {
            _ if change > late_cap.min(sampled) => {
                if told.is_some() {
                    Grade::Beyond
                } else {
                    Grade::Untold
                }
            }
            _ if change <= expected.min(cap) => Grade::Explained,
            // A meter that has started shows what it had counted; one that counts from 0 gets there by counting.
            _ if change > likely.min(cap) && from.value == MilliwattHours::ZERO => Grade::Beyond,
            _ if change > likely.min(cap) => Grade::Doubtful,
            _ if change <= slight => Grade::Slight,
            _ => Grade::Possible,
        }
    }

    /// For how long the register may have stood at `from` before it was first read there: no longer than nobody looked, nor than it is
    /// known to stand between two advances.
    fn stood(&self, from: &RegisterPoint, elapsed: Duration) -> Duration {
        let unseen = if from.unseen.is_zero() { LUMP } else { from.unseen };
        if !from.fresh || elapsed >= unseen.max(LUMP) || from.value == MilliwattHours::ZERO {
            return Duration::ZERO;
        }
        unseen.min(self.memory.longest_lump().unwrap_or(unseen))
    }

    /// How much of the grace is used up after the advance from `from` to `to`.
    pub(super) fn debt(&self, from: &RegisterPoint, to: &RegisterPoint) -> u64 {
        let change = to.value.saturating_sub(from.value).get();
        let elapsed = to.at.since(&from.at).unwrap_or(to.at.since_boot);
        let full = self.memory.measure(self.settings);
        let lower = to.witness.since(&from.witness).lower;
        let room = quarter_more(energy(full, elapsed).max(self.explained(change, lower, full, elapsed)));
        (from.debt + change).saturating_sub(room).min(2 * steps(from, to))
    }

    /// What power explains. More than the connection should carry counts only where the register says about the same: two witnesses.
    fn explained(&self, change: u64, lower: u64, full: Milliwatts, elapsed: Duration) -> u64 {
        let carried = energy(full, elapsed);
        let believed = change >= lower / 2 && lower <= carried.saturating_mul(OVERLOAD_MAX);
        if lower > carried && !believed { carried } else { lower }
    }

    /// The rate that the register may show at once where no power is measured.
    fn known_rate(&self, full: Milliwatts) -> Milliwatts {
        self.memory.rates.seen.map_or(full, |seen| Milliwatts(seen.0.saturating_mul(3) / 2)).min(full)
    }

    /// What this connection may well have carried while nobody looked; all that it can where nothing is known of it.
    fn usual_rate(&self, full: Milliwatts) -> Milliwatts {
        let known = self.memory.rates.seen.is_some() || self.totals.covered > Duration::ZERO;
        if known { self.known_usual_rate(full) } else { full }
    }

    fn known_usual_rate(&self, full: Milliwatts) -> Milliwatts {
        let seen = self.memory.rates.seen.unwrap_or_default().max(self.memory.rates.sustained);
        Milliwatts(seen.0.saturating_mul(2).clamp(full.0 / 4, full.0))
    }
}

/// The coarser of the two values' steps, in mWh.
pub(super) fn steps(a: &RegisterPoint, b: &RegisterPoint) -> u64 {
    a.step.max(b.step).get().max(1)
}

/// Whether `to` is below `from` by more than the noise of the last digits.
pub(super) fn falls(from: &RegisterPoint, to: &RegisterPoint) -> bool {
    from.value.get() > to.value.get() + 2 * steps(from, to)
}

fn quarter_more(energy: u64) -> u64 {
    energy.saturating_add(energy / 4)
}
