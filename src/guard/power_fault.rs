//! Whether a power value can be: what the connection cannot carry is not reported, and no energy is integrated from it.

use crate::units::Milliwatts;

/// The factors of a power register whose digits are worth from 1 mW to 1 kW, in mW.
const DIGITS: [i64; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// Why a power value is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerFault {
    /// More than the connection can carry.
    TooHigh {
        /// The value.
        power: Milliwatts,
        /// The highest that is plausible.
        limit: Milliwatts,
    },
    /// A negative value that is read as an unsigned one: 65,235 W for -301 W.
    Unsigned {
        /// The value.
        power: Milliwatts,
        /// What the meter means.
        meant: Milliwatts,
    },
}

/// Judges a power value on a connection that carries `carried`. A quarter more can be.
pub(super) fn of(power: Milliwatts, carried: Milliwatts) -> Option<PowerFault> {
    let limit = Milliwatts(carried.0.saturating_add(carried.0 / 4));
    if power.0.saturating_abs() <= limit.0 {
        return None;
    }
    let ends = DIGITS.into_iter().flat_map(|digit| [(1 << 16) * digit, (1_i64 << 32).saturating_mul(digit)]);
    let below = ends.map(|end| end.saturating_sub(power.0)).filter(|below| *below > 0 && *below <= limit.0);
    let fault = match below.min() {
        Some(below) => PowerFault::Unsigned { power, meant: Milliwatts(-below) },
        None => PowerFault::TooHigh { power, limit },
    };
    Some(fault)
}
