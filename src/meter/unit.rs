//! The measuring units that a profile may name.

use super::exact::Fraction;

/// What a quantity measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Power,
    Energy,
}

/// A unit of power or of energy, as the meter's manual names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    word: &'static str,
    measure: Measure,
    /// What one of it is in mW or mWh: 10 to this power.
    exponent: i32,
}

impl Unit {
    const ALL: [Unit; 8] = [
        Unit { word: "mW", measure: Measure::Power, exponent: 0 },
        Unit { word: "W", measure: Measure::Power, exponent: 3 },
        Unit { word: "kW", measure: Measure::Power, exponent: 6 },
        Unit { word: "MW", measure: Measure::Power, exponent: 9 },
        Unit { word: "mWh", measure: Measure::Energy, exponent: 0 },
        Unit { word: "Wh", measure: Measure::Energy, exponent: 3 },
        Unit { word: "kWh", measure: Measure::Energy, exponent: 6 },
        Unit { word: "MWh", measure: Measure::Energy, exponent: 9 },
    ];

    pub(super) fn words() -> [(&'static str, Unit); 8] {
        Self::ALL.map(|unit| (unit.word, unit))
    }

    /// The words of one measure, for a message: "mW, W, kW or MW".
    pub(super) fn of(measure: Measure) -> &'static str {
        match measure {
            Measure::Power => "mW, W, kW or MW",
            Measure::Energy => "mWh, Wh, kWh or MWh",
        }
    }

    /// `W`, `kWh`, ...
    pub fn word(self) -> &'static str {
        self.word
    }

    pub fn measure(self) -> Measure {
        self.measure
    }

    /// One of it in mW or mWh.
    pub(super) fn fraction(self) -> Fraction {
        Fraction::whole(10_i128.pow(self.exponent.unsigned_abs()))
    }
}
