//! A meter model as data: registers, formats, units, limits.

use std::sync::Arc;
use std::time::Duration;

use super::chain::{Chain, ModelLocation};
use super::exact::Fraction;
use super::gaps::Gaps;
use super::identity::Expectation;
use super::quantity::Quantity;
use super::ratio::Ratio;
use super::serial_number::SerialNumber;
use crate::units::{Milliwatts, Name, Parity, UnitId};

/// A meter model.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// `vendor-model`.
    pub name: Name,
    /// Other names of the same registers.
    pub aliases: Vec<Name>,
    pub vendor: String,
    pub model: String,
    /// The rating: what the meter can measure, before transformers.
    pub max_power: Option<Milliwatts>,
    /// 1 ..= 125.
    pub max_registers_per_read: u16,
    /// How its models are found in a chain of models; addresses then count from the model's start, those of the serial number and of the
    /// identity from the start of the Common model before it.
    pub chain: Option<Chain>,
    /// Where they were found.
    pub location: Option<ModelLocation>,
    /// Where reads may cross registers that the profile does not name.
    pub gaps: Gaps,
    /// The silence that this meter needs before each request.
    pub delay: Duration,
    /// Active power, positive while consuming.
    pub power: Quantity,
    /// The counter of imported active energy. Without one the energy is integrated from the power.
    pub energy: Option<Quantity>,
    /// The counter of exported active energy: the consumption where the meter is wired the other way.
    pub export_energy: Option<Quantity>,
    /// The sum of the phases' powers: what `power` is compared with where a map is to be found.
    pub phase_power: Option<Quantity>,
    pub serial_number: Option<SerialNumber>,
    /// What tells this meter from others; all of it.
    pub identity: Vec<Expectation>,
    /// How the meter must be set for the registers to mean what the profile says.
    pub settings: Vec<Expectation>,
    /// Several meters under one name: the registers of each. Where there are any, the profile's own are those of the first.
    pub maps: Vec<RegisterMap>,
    /// Which map of its profile this is.
    pub map: Option<Name>,
    /// How the line is set when the meter leaves the factory.
    pub serial_defaults: SerialDefaults,
    /// Where the registers come from.
    pub sources: Vec<String>,
    /// How many independent sources agree on the power and energy registers.
    pub confirmed: u8,
    /// What an installer has to know.
    pub quirks: Vec<String>,
}

/// One of several sets of registers under one name.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterMap {
    pub name: Name,
    /// Who says so, or which of the meters have it.
    pub note: Option<String>,
    /// What tells this map from the others, beside the identity of the profile. Empty where nothing does.
    pub identity: Vec<Expectation>,
    /// The profile with the tables of this map in the place of its own, and both identities.
    pub profile: Arc<Profile>,
}

/// The serial line as the meter leaves the factory, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SerialDefaults {
    /// Bits per second.
    pub baud: Option<u32>,
    pub parity: Option<Parity>,
    /// 1 or 2.
    pub stop_bits: Option<u8>,
    pub unit: Option<UnitId>,
}

/// How this meter is connected: what the installer says beyond the profile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Installation {
    /// Wired the other way: power changes sign and the exported counter is the consumption.
    pub reversed: bool,
    /// Current transformers that the meter does not know of: power and energy are multiplied by it.
    pub ct_ratio: Ratio,
    /// Voltage transformers that the meter does not know of: power and energy are multiplied by it.
    pub pt_ratio: Ratio,
    /// Which of several meters in a chain of models, from 1.
    pub chain_meter: Option<u8>,
}

impl Profile {
    /// Whether the meter has a counter. Where it has none, the energy is integrated from the power.
    pub fn has_counter(&self) -> bool {
        self.energy.is_some()
    }

    /// Whether the meter may be wired the other way: it counts the export too, or both directions alike, or not at all.
    pub fn can_reverse(&self) -> bool {
        let own = self.energy.as_ref().is_none_or(|energy| energy.both_directions) || self.export_energy.is_some();
        own && self.maps.iter().all(|map| map.profile.can_reverse())
    }

    /// The rating behind these transformers; `None` where the profile has none, or the product is above 1 TW.
    pub fn rated_power(&self, installation: &Installation) -> Option<Milliwatts> {
        let rating = Fraction::whole(self.max_power?.0.into()).times(installation.factor())?;
        i64::try_from(rating.rounded()).ok().filter(|power| (1..=MOST_POWER).contains(power)).map(Milliwatts)
    }

    /// The counter that is the consumption in this installation.
    pub(super) fn counter(&self, installation: &Installation) -> Option<&Quantity> {
        match installation.reversed {
            true if !self.energy.as_ref()?.both_directions => self.export_energy.as_ref(),
            _ => self.energy.as_ref(),
        }
    }
}

/// 1 TW in mW: no meter measures more.
pub(super) const MOST_POWER: i64 = 1_000_000_000_000_000;

impl Installation {
    /// What power and energy are multiplied by.
    pub(super) fn factor(&self) -> Fraction {
        // Two ratios of at most 10^9 a side always multiply.
        self.ct_ratio.fraction().times(self.pt_ratio.fraction()).unwrap_or(Fraction::ONE)
    }
}

#[cfg(test)]
pub(super) mod tests;
