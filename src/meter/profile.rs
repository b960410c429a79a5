//! A meter model as data: registers, formats, units, limits.

use std::sync::Arc;
use std::time::Duration;

use num_traits::CheckedMul;

use super::chain::{Chain, ModelLocation};
use super::exact::{Exact, rounded};
use super::gaps::Gaps;
use super::identity::Expectation;
use super::quantity::Quantity;
use super::ratio::TransformerRatio;
use super::serial_number::SerialNumber;
use crate::units::{Milliwatts, Name, Parity, UnitId};

/// A meter model.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// `vendor-model`.
    pub name: Name,
    /// Other names of the same registers.
    pub aliases: Vec<Name>,
    /// Who makes the meter.
    pub vendor: String,
    /// What is printed on the meter.
    pub model: String,
    /// The rating: what the meter can measure, before transformers.
    pub max_power: Option<Milliwatts>,
    /// 1 ..= 125.
    pub max_registers_per_read: u16,
    /// How the meter's models are found in a SunSpec chain. Addresses then count from the start of the model; those of the serial number
    /// and of the identity count from the start of the Common model before it.
    pub chain: Option<Chain>,
    /// Where the models were found.
    pub location: Option<ModelLocation>,
    /// Where reads may cross registers that the profile does not name.
    pub gaps: Gaps,
    /// The silence that this meter needs before each request.
    pub delay: Duration,
    /// Active power, positive for consumption.
    pub power: Quantity,
    /// The counter of imported active energy. Without it the energy is integrated from the power.
    pub energy: Option<Quantity>,
    /// The counter of exported active energy: the consumption of a meter that is wired the other way.
    pub export_energy: Option<Quantity>,
    /// The sum of the phases' powers. `power` is compared with it while a map is selected.
    pub phase_power: Option<Quantity>,
    /// Where the meter keeps its serial number.
    pub serial_number: Option<SerialNumber>,
    /// What distinguishes this meter from others; all of it must hold.
    pub identity: Vec<Expectation>,
    /// How the meter must be set for its registers to mean what the profile says.
    pub settings: Vec<Expectation>,
    /// The register maps of several meters under one name. The profile's own registers are those of the first map.
    pub maps: Vec<RegisterMap>,
    /// Which map of its profile this is.
    pub map: Option<Name>,
    /// The factory settings of the serial line.
    pub serial_defaults: SerialDefaults,
    /// Where the registers come from.
    pub sources: Vec<String>,
    /// How many independent sources agree on the power and energy registers.
    pub confirmed: u8,
    /// What an installer has to know.
    pub quirks: Vec<String>,
}

/// One of several sets of registers under one profile name.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterMap {
    /// What `map` in `[meter.NAME]` calls it.
    pub name: Name,
    /// Which source or which of the meters has it.
    pub note: Option<String>,
    /// What distinguishes this map from the others, in addition to the identity of the profile. Empty where nothing does.
    pub identity: Vec<Expectation>,
    /// The profile with the tables of this map and both identities.
    pub profile: Arc<Profile>,
}

/// The factory settings of a meter's serial line, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SerialDefaults {
    /// Bits per second.
    pub baud: Option<u32>,
    /// The parity bit.
    pub parity: Option<Parity>,
    /// 1 or 2.
    pub stop_bits: Option<u8>,
    /// The Modbus unit.
    pub unit: Option<UnitId>,
}

/// How one meter is installed: what the configuration adds to the profile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Installation {
    /// Wired the other way: power changes its sign, and the export counter is the consumption.
    pub reversed: bool,
    /// Current transformers that the meter does not know: power and energy are multiplied by it.
    pub ct_ratio: TransformerRatio,
    /// Voltage transformers that the meter does not know: power and energy are multiplied by it.
    pub pt_ratio: TransformerRatio,
    /// Which of several meters in a chain of models, from 1.
    pub chain_meter: Option<u8>,
}

impl Profile {
    /// Whether the meter has a counter. Without one the energy is integrated from the power.
    pub fn has_counter(&self) -> bool {
        self.energy.is_some()
    }

    /// Whether the meter may be wired the other way: it counts the export, or both directions in one counter, or nothing.
    pub fn can_reverse(&self) -> bool {
        let own = self.energy.as_ref().is_none_or(|energy| energy.both_directions) || self.export_energy.is_some();
        own && self.maps.iter().all(|map| map.profile.can_reverse())
    }

    /// The rating times the transformer ratios. `None` without a rating, and for a product above 1 TW.
    pub fn rated_power(&self, installation: &Installation) -> Option<Milliwatts> {
        let rating = Exact::from_integer(self.max_power?.0.into()).checked_mul(&installation.factor())?;
        let power = i64::try_from(rounded(rating)).ok()?;
        (1..=MAX_POWER).contains(&power).then_some(Milliwatts(power))
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
pub(super) const MAX_POWER: i64 = 1_000_000_000_000_000;

impl Installation {
    /// Power and energy are multiplied by this.
    pub(super) fn factor(&self) -> Exact {
        self.ct_ratio.exact() * self.pt_ratio.exact()
    }
}

#[cfg(test)]
pub(super) mod tests;
