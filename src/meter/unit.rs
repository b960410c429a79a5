//! The measuring units that a profile may name.

use super::exact::Fraction;

/// What a quantity measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityKind {
    Power,
    Energy,
}

/// A unit of power or of energy, as the meter's manual names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantityUnit {
    word: &'static str,
    measure: QuantityKind,
    /// What one of it is in mW or mWh: 10 to this power.
    exponent: i32,
}

impl QuantityUnit {
    const ALL: [QuantityUnit; 8] = [
        QuantityUnit { word: "mW", measure: QuantityKind::Power, exponent: 0 },
        QuantityUnit { word: "W", measure: QuantityKind::Power, exponent: 3 },
        QuantityUnit { word: "kW", measure: QuantityKind::Power, exponent: 6 },
        QuantityUnit { word: "MW", measure: QuantityKind::Power, exponent: 9 },
        QuantityUnit { word: "mWh", measure: QuantityKind::Energy, exponent: 0 },
        QuantityUnit { word: "Wh", measure: QuantityKind::Energy, exponent: 3 },
        QuantityUnit { word: "kWh", measure: QuantityKind::Energy, exponent: 6 },
        QuantityUnit { word: "MWh", measure: QuantityKind::Energy, exponent: 9 },
    ];

    pub(super) fn words() -> [(&'static str, QuantityUnit); 8] {
        Self::ALL.map(|unit| (unit.word, unit))
    }

    /// The words of one measure, for a message: "mW, W, kW or MW".
    pub(super) fn of(measure: QuantityKind) -> &'static str {
        match measure {
            QuantityKind::Power => "mW, W, kW or MW",
            QuantityKind::Energy => "mWh, Wh, kWh or MWh",
        }
    }

    /// `W`, `kWh`, ...
    pub fn word(self) -> &'static str {
        self.word
    }

    pub fn measure(self) -> QuantityKind {
        self.measure
    }

    /// One of it in mW or mWh.
    pub(super) fn fraction(self) -> Fraction {
        Fraction::whole(10_i128.pow(self.exponent.unsigned_abs()))
    }
}
