//! A meter model as data: registers, formats, units, limits.

use std::time::Duration;

use super::exact::Fraction;
use super::gaps::Gaps;
use super::number_form::Limits;
use super::quantity::Quantity;
use super::quantity_form::quantity;
use super::ratio::Ratio;
use super::serial_number::SerialNumber;
use super::unit::Measure;
use crate::finding::Severity;
use crate::form::{Field, Form};
use crate::units::{Milliwatts, Name, UnitId};

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
    pub serial_number: Option<SerialNumber>,
    /// How the line is set when the meter leaves the factory.
    pub serial_defaults: SerialDefaults,
    /// Where the registers come from.
    pub sources: Vec<String>,
    /// How many independent sources agree on the power and energy registers.
    pub confirmed: u8,
    /// What an installer has to know.
    pub quirks: Vec<String>,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    None,
    Even,
    Odd,
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
}

impl Profile {
    /// The profile of `[profile.NAME]`; every problem goes to the form's findings, and a profile with an error is none.
    pub fn from_form(name: &Name, form: Form<'_>) -> Option<Self> {
        let findings = form.findings();
        let errors = || findings.all().iter().filter(|finding| finding.severity == Severity::Error).count();
        let before = errors();
        let profile = read(name, form);
        profile.filter(|_| errors() == before)
    }

    /// Whether the meter has a counter. Where it has none, the energy is integrated from the power.
    pub fn counts(&self) -> bool {
        self.energy.is_some()
    }

    /// Whether the meter may be wired the other way: it counts the export too, or both directions alike, or not at all.
    pub fn can_reverse(&self) -> bool {
        self.energy.as_ref().is_none_or(|energy| energy.both_directions) || self.export_energy.is_some()
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

impl Parity {
    const WORDS: [(&str, Parity); 3] = [("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)];

    /// `none`, `even` or `odd`.
    pub fn word(self) -> &'static str {
        match self {
            Parity::None => "none",
            Parity::Even => "even",
            Parity::Odd => "odd",
        }
    }
}

/// Every key in the order of the documentation; what is wrong is skipped here and counted by the caller.
fn read(name: &Name, form: Form<'_>) -> Option<Profile> {
    let gaps = Gaps::from_form(&form);
    let limits = Limits {
        max_registers: form.field("max_registers_per_read").and_then(|it| small(&it, 1, 125)).unwrap_or(125),
        gaps: &gaps,
    };
    let vendor = form.required("vendor", "who makes it").and_then(|field| field.text());
    let model = form.required("model", "what is printed on it").and_then(|field| field.text());
    let aliases = form.field("aliases").and_then(|field| {
        let alias = |field: &Field<'_>| {
            Name::new(field.text()?).or_else(|| field.fail("is not a name", "letters, digits, `_` and `-`"))
        };
        field.array()?.iter().map(alias).collect()
    });
    let delays = Duration::ZERO..=Duration::from_secs(5);
    let power = form.required("power", "a table with register, function, type and unit");
    let power = power.and_then(|field| quantity(field.table()?, Measure::Power, limits));
    let counter = |key| quantity(form.table(key)?, Measure::Energy, limits);
    let (energy, export_energy) = (counter("energy"), counter("export_energy"));
    if let (true, Some(field)) = (form.field("energy").is_none(), form.field("export_energy")) {
        field.fail::<()>("stands without `energy`", "give the imported counter too");
    }
    let max_power = form.field("max_power").and_then(|field| field.power());
    let delay = form.field("delay").and_then(|field| field.duration(delays));
    let serial_number = form.table("serial_number").and_then(|table| SerialNumber::from_form(table, limits));
    let serial_defaults = form.table("serial_defaults").map(serial_defaults);
    let (sources, quirks) = (texts(&form, "sources"), texts(&form, "quirks"));
    let confirmed = form.field("confirmed").and_then(|it| small(&it, 0, 9));
    form.finish();
    Some(Profile {
        name: name.clone(),
        aliases: aliases.unwrap_or_default(),
        vendor: vendor.unwrap_or_default().to_owned(),
        model: model.unwrap_or_default().to_owned(),
        max_power,
        max_registers_per_read: limits.max_registers,
        gaps: gaps.clone(),
        delay: delay.unwrap_or_default(),
        power: power?,
        energy,
        export_energy,
        serial_number,
        serial_defaults: serial_defaults.unwrap_or_default(),
        sources,
        confirmed: confirmed.unwrap_or(0) as u8,
        quirks,
    })
}

fn serial_defaults(form: Form<'_>) -> SerialDefaults {
    let defaults = SerialDefaults {
        baud: form.field("baud").and_then(|field| u32::try_from(field.integer(300..=1_000_000)?).ok()),
        parity: form.field("parity").and_then(|field| field.one_of(&Parity::WORDS)),
        stop_bits: form.field("stop_bits").and_then(|it| small(&it, 1, 2)).map(|bits| bits as u8),
        unit: form.field("unit").and_then(|field| UnitId::new(field.integer(1..=247)?)),
    };
    form.finish();
    defaults
}

fn small(field: &Field<'_>, from: u16, to: u16) -> Option<u16> {
    u16::try_from(field.integer(from.into()..=to.into())?).ok()
}

fn texts(form: &Form<'_>, key: &'static str) -> Vec<String> {
    let fields = form.field(key).and_then(|field| field.array()).unwrap_or_default();
    fields.iter().filter_map(|field| field.text()).map(str::to_owned).collect()
}

#[cfg(test)]
pub(super) mod tests;
