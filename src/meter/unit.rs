//! The units that a profile may name.

use super::exact::Exact;

/// What a quantity measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityKind {
    /// Active power.
    Power,
    /// Active energy.
    Energy,
}

/// A unit of power or of energy, as the meter's manual names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantityUnit {
    word: &'static str,
    kind: QuantityKind,
    /// One of it is 10 to this power in mW or mWh.
    exponent: u32,
}

impl QuantityUnit {
    const ALL: [QuantityUnit; 8] = [
        QuantityUnit { word: "mW", kind: QuantityKind::Power, exponent: 0 },
        QuantityUnit { word: "W", kind: QuantityKind::Power, exponent: 3 },
        QuantityUnit { word: "kW", kind: QuantityKind::Power, exponent: 6 },
        QuantityUnit { word: "MW", kind: QuantityKind::Power, exponent: 9 },
        QuantityUnit { word: "mWh", kind: QuantityKind::Energy, exponent: 0 },
        QuantityUnit { word: "Wh", kind: QuantityKind::Energy, exponent: 3 },
        QuantityUnit { word: "kWh", kind: QuantityKind::Energy, exponent: 6 },
        QuantityUnit { word: "MWh", kind: QuantityKind::Energy, exponent: 9 },
    ];

    pub(super) fn words() -> [(&'static str, QuantityUnit); 8] {
        Self::ALL.map(|unit| (unit.word, unit))
    }

    /// `W`, `kWh`, ...
    pub fn word(self) -> &'static str {
        self.word
    }

    /// What it measures.
    pub fn kind(self) -> QuantityKind {
        self.kind
    }

    /// One of it in mW or mWh.
    pub(super) fn exact(self) -> Exact {
        Exact::from_integer(10_i128.pow(self.exponent))
    }
}

impl QuantityKind {
    /// Its units, for a message.
    pub(super) fn units(self) -> &'static str {
        match self {
            QuantityKind::Power => "mW, W, kW or MW",
            QuantityKind::Energy => "mWh, Wh, kWh or MWh",
        }
    }
}
