//! Why the guard decided as it did, as data. The ledger makes the sentences of the journal from it.

use super::hold::Cause;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// The reason of a decision, with the values that led to it. Registers and energies in mWh.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// The figure begins at this register.
    FigureBegins {
        /// Readings that agree.
        readings: u32,
        /// The register.
        register: MilliwattHours,
        /// The figure begins at 0 instead of the register.
        at_zero: bool,
    },
    /// The meter has no counter: energy is integrated from power.
    IntegrationBegins,
    /// The first register is so near the end of its range that it is probably negative.
    FirstRegisterNearEnd {
        /// The register.
        register: MilliwattHours,
        /// The end of its range.
        end: MilliwattHours,
    },
    /// The first register is more than this connection can have counted in a lifetime.
    FirstRegisterTooHigh {
        /// The register.
        register: MilliwattHours,
        /// The highest that is plausible.
        limit: MilliwattHours,
    },
    /// The register is not taken for now.
    Held(HeldRegister),
    /// The register is back where it was: the readings in between were a passing fault.
    Glitch {
        /// The last register taken before.
        before: MilliwattHours,
        /// What it read in between.
        seen: MilliwattHours,
        /// How often.
        readings: u32,
        /// The register now.
        now: MilliwattHours,
    },
    /// The readings of a hold agreed for long enough.
    Agreed {
        /// The last register taken before.
        before: MilliwattHours,
        /// The register taken now.
        now: MilliwattHours,
        /// Readings that agree.
        readings: u32,
    },
    /// An advance that no trusted clock could date is not credited.
    UndatedStep {
        /// The last register taken before.
        before: MilliwattHours,
        /// The register now.
        now: MilliwattHours,
    },
    /// An advance that could not be dated before is credited, because the clock is trusted now.
    Dated {
        /// The energy.
        energy: MilliwattHours,
    },
    /// The register began again at 0.
    RolledOver {
        /// Its size.
        size: MilliwattHours,
    },
    /// Another meter counts.
    AnotherMeter {
        /// Where the meter before ended.
        before: MilliwattHours,
        /// Where this one begins.
        now: MilliwattHours,
        /// Its serial number. Foreign text.
        serial: Option<String>,
    },
    /// The register fell and counts from there.
    Fell {
        /// The last register taken before.
        before: MilliwattHours,
        /// Where it counts from.
        now: MilliwattHours,
    },
    /// The register rose by more than can have been consumed: not credited.
    Jumped {
        /// The last register taken before.
        before: MilliwattHours,
        /// Where it counts from.
        now: MilliwattHours,
    },
    /// The register rose against the measured power, which had agreed with it before: not credited.
    Denied {
        /// The last register taken before.
        before: MilliwattHours,
        /// Where it counts from.
        now: MilliwattHours,
    },
    /// The register is back on a line that it had left.
    BackOnItsLine {
        /// The last register on that line.
        before: MilliwattHours,
        /// The register now.
        now: MilliwattHours,
    },
    /// The definition of the register has changed.
    Redefined {
        /// Where it counts from.
        now: MilliwattHours,
    },
    /// The operator did not wait for the guard to decide this.
    Accepted(Box<Reason>),
    /// The operator added energy that was consumed.
    Credited {
        /// The energy.
        energy: MilliwattHours,
        /// What the connection carries.
        max_power: Milliwatts,
    },
    /// The operator continues integrated energy from an older copy.
    Continued {
        /// The figure.
        published: MilliwattHours,
    },
    /// The operator raised the floor.
    FloorSet {
        /// The floor.
        energy: MilliwattHours,
    },
    /// The operator gave both registers of an exchange.
    Exchanged {
        /// The last register of the old meter.
        old: MilliwattHours,
        /// The first register of the new one.
        new: MilliwattHours,
    },
    /// The operator took back a decision.
    Undone {
        /// The number of its entry.
        entry: i64,
        /// What that adds to the figure, in mWh.
        correction: i64,
    },
    /// The operator gave the meter another name.
    Renamed {
        /// The name before.
        from: Name,
    },
    /// The operator says that it is the meter of this name, at another place.
    Moved,
    /// The operator says that it is another meter, which begins a figure of its own.
    BeginsItsOwn {
        /// The meter that it is not.
        other: Name,
    },
}

/// A register that is not taken.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldRegister {
    /// Why.
    pub cause: Cause,
    /// The last register taken; absent before the baseline.
    pub before: Option<MilliwattHours>,
    /// What it reads now.
    pub seen: MilliwattHours,
    /// The serial number that was read. Foreign text.
    pub serial: Option<String>,
}
