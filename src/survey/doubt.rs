//! Why a power or a counter cannot be known yet, and what the user can do about it. Pure.

/// Why a power or a counter cannot be known yet.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum Doubt {
    #[error("the registers were read only once: a power and a counter show themselves when they change")]
    ReadOnce,
    #[error("no register changed like a power")]
    NoPower,
    #[error("no register followed the loads")]
    NothingFollowed,
    #[error("no counter rose as a power predicts")]
    NoCounter,
    #[error("the counter rose by {0} of its digits only: it needs about {MIN_DIGITS}")]
    CoarseCounter(u32),
    #[error("the power hardly changed: a constant is no power, and other registers may fit by chance")]
    SteadyPower,
    #[error("power was exported all the time, so that the counter of imported energy did not rise")]
    Exporting,
    #[error("power and energy may both be wrong by the same power of ten: the power may be {0}")]
    Scale(String),
    #[error("these registers read the same power: {0}. One of them may be a single phase, or the apparent power")]
    SeveralPowers(String),
    #[error(
        "these counters rise in the same way: {0}. One may be the sum of import and export, a tariff, or a counter of one phase"
    )]
    SeveralCounters(String),
    #[error("a float of the power can begin one register earlier, in the other word order: both read nearly the same")]
    FloatOrder,
    #[error("the words of the counter can be read in several ways: {0}")]
    WordOrder(String),
}

/// The digits that a counter must rise.
pub(super) const MIN_DIGITS: u32 = 10;

impl Doubt {
    /// Whether three loads that somebody switches on decide it.
    pub(super) fn needs_loads(&self) -> bool {
        matches!(self, Doubt::ReadOnce | Doubt::NoPower | Doubt::NoCounter | Doubt::SteadyPower | Doubt::Scale(_))
    }

    /// What to do about it.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Doubt::ReadOnce | Doubt::NoPower | Doubt::SteadyPower | Doubt::Scale(_) => {
                "run it again with --loads 0,1kW,3kW: it asks for these loads one after the other, such as a kettle and an oven"
            }
            Doubt::NothingFollowed => {
                "check that the loads are behind this meter, and read other registers with --registers"
            }
            Doubt::NoCounter => {
                "read other registers with --registers, or watch longer with a load (--loads 0,1kW,3kW): a counter in whole kWh takes --watch 4h"
            }
            Doubt::CoarseCounter(_) => "watch longer (--watch), with a load of 3 kW",
            Doubt::Exporting => "run it again while power is imported: with more load, or after sunset",
            Doubt::SeveralPowers(_) => {
                "switch on a motor or a lamp on another phase while it watches, or compare with the display"
            }
            Doubt::SeveralCounters(_) => {
                "compare with the display, or give what it shows for imported energy: --display 1234.5kWh"
            }
            Doubt::FloatOrder => "take the word order of the meter's other floats, from its manual",
            Doubt::WordOrder(_) => "compare with the display, or give what it shows: --display 1234.5kWh",
        }
    }
}
