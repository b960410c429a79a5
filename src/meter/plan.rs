//! Which registers one poll reads, in as few requests as the profile allows, and what the answers mean.

use super::chain::Model;
use super::decode_error::DecodeError;
use super::exact::{Exact, rounded, rounded_up};
use super::gaps::Gaps;
use super::profile::{Installation, MAX_POWER, Profile};
use super::quantity::{Measured, Quantity};
use super::range::{Answers, RegisterRange};
use super::serial_number::SerialNumber;
use crate::reading::{Register, RegisterDefinition, Values};
use crate::units::{MilliwattHours, Milliwatts};

/// The values of one poll's answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// What could be decoded.
    pub values: Values,
    /// Why a value is absent: "energy: not a number".
    pub problems: Vec<String>,
    /// The chain of models differs from what was found in it: none of the answers is a value.
    pub chain_moved: bool,
}

/// The requests of one meter's poll, and how their answers become values.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadPlan {
    power: Quantity,
    counter: Option<Quantity>,
    phases: Option<Quantity>,
    serial_number: Option<SerialNumber>,
    reversed: bool,
    /// The ratio of the transformers outside the meter.
    factor: Exact,
    header: Option<ModelHeader>,
    ranges: Vec<RegisterRange>,
    serial_ranges: Vec<RegisterRange>,
}

/// The header of the model that has the registers. It is read with every value, so that a moved chain is noticed.
#[derive(Clone, Debug, PartialEq)]
struct ModelHeader {
    model: Model,
    /// What distinguishes its meters from those of other chains.
    label: String,
}

impl ReadPlan {
    /// A meter that is wired the other way without [`Profile::can_reverse`] has no counter here: the configuration refuses it.
    ///
    /// For a chain that was not walked yet the ranges count from the start of the model, and their answers decode to no value.
    pub fn new(profile: &Profile, installation: &Installation) -> Self {
        let model = profile.location.map_or(UNLOCATED, |location| location.model);
        let header =
            profile.chain.as_ref().map(|chain| ModelHeader { model, label: chain.label(installation.chain_meter) });
        let located = |quantity: &Quantity| quantity.clone().moved(model.start);
        let power = located(&profile.power);
        let counter = profile.counter(installation).map(located);
        let (alone, together): (Vec<_>, Vec<_>) =
            std::iter::once(&power).chain(&counter).partition(|quantity| quantity.alone);
        let with_header = |range: RegisterRange| with_header(range, header.as_ref());
        let wanted = together.into_iter().flat_map(Quantity::ranges).map(with_header).collect();
        let mut ranges = joined(wanted, profile.max_registers_per_read.min(125), &profile.gaps);
        ranges.extend(alone.into_iter().flat_map(Quantity::ranges).map(with_header));
        ReadPlan {
            ranges,
            power,
            counter,
            phases: profile.phase_power.as_ref().map(located),
            header,
            serial_ranges: profile.serial_number.iter().map(|serial| serial.range).collect(),
            serial_number: profile.serial_number.clone(),
            reversed: installation.reversed,
            factor: installation.factor(),
        }
    }

    /// What each poll reads. Every value is whole within one range.
    pub fn ranges(&self) -> &[RegisterRange] {
        &self.ranges
    }

    /// What is read for the serial number, when it is due.
    pub fn serial_ranges(&self) -> &[RegisterRange] {
        &self.serial_ranges
    }

    /// What is read to compare the power with its phases. Empty where the profile does not have them.
    pub fn phase_ranges(&self) -> Vec<RegisterRange> {
        self.phases.iter().flat_map(Quantity::ranges).collect()
    }

    /// The sum of the phases' powers. `None` where it was not answered or does not decode.
    pub fn phase_power(&self, answers: &Answers) -> Option<Milliwatts> {
        let measured = self.phases.as_ref()?.read(answers, self.factor).ok().flatten()?;
        self.to_power(measured).ok()
    }

    /// The meter refused this range (exception 2 or 3): from now on its values are read in smaller ranges.
    ///
    /// False where one value takes the whole range, and where it is not a range of this plan.
    pub fn split(&mut self, refused: RegisterRange) -> bool {
        let Some(index) = self.ranges.iter().position(|range| *range == refused) else { return false };
        let values = self.power.ranges().chain(self.counter.iter().flat_map(Quantity::ranges));
        let mut parts: Vec<_> =
            values.map(|range| with_header(range, self.header.as_ref())).filter(|part| refused.covers(*part)).collect();
        parts.sort();
        parts.dedup();
        if parts.contains(&refused) {
            return false;
        }
        self.ranges.splice(index..=index, parts);
        true
    }

    /// Decodes the answers of a poll. A value without an answer is absent and no problem: the caller knows why.
    pub fn decode(&self, answers: &Answers) -> Decoded {
        if let Some(problem) = self.moved_chain(answers) {
            return Decoded { problems: vec![problem], chain_moved: true, ..Decoded::default() };
        }
        let mut problems = Vec::new();
        let power = self.power(answers).unwrap_or_else(|error| {
            problems.push(format!("power: {error}"));
            None
        });
        let register = self.register(answers).unwrap_or_else(|error| {
            problems.push(format!("energy: {error}"));
            None
        });
        let serial = self.serial_number.as_ref().and_then(|serial| serial.read(answers));
        if let Some(other) = self.serial_number.as_ref().and_then(|serial| serial.looks_like(answers)) {
            problems.push(format!(
                "serial number: not a printable text; it looks like {other}: correct its type in the profile"
            ));
        }
        Decoded { values: Values { power, register, serial }, problems, chain_moved: false }
    }

    /// Describes what is at the start of the model, if it is not that model any more.
    fn moved_chain(&self, answers: &Answers) -> Option<String> {
        let model = self.header.as_ref()?.model;
        let other = |(range, words): (&RegisterRange, &Vec<u16>)| {
            let header = words.get(..2).filter(|words| **words != [model.id, model.length])?;
            (range.address == model.start && self.ranges.contains(range)).then(|| (header[0], header[1]))
        };
        let (id, length) = answers.iter().find_map(other)?;
        let was = model.length;
        Some(format!(
            "the chain of models has changed: where {model} was, with {was} registers, there are {id} and {length} now"
        ))
    }

    /// Whether a counter is read. Without one the energy is integrated from the power.
    pub fn has_counter(&self) -> bool {
        self.counter.is_some()
    }

    /// Whether the counter stands still while the sum of the phases is exported.
    pub fn counts_import_only(&self) -> bool {
        self.counter.as_ref().is_some_and(|counter| !counter.both_directions && !counter.phase_by_phase)
    }

    /// How far the register falls when it starts again at 0: where the profile says so, or at the end of its type. `None` for a float, and beyond
    /// [`MilliwattHours::MAX`], which no register reaches.
    pub fn rollover(&self) -> Option<MilliwattHours> {
        let counter = self.counter.as_ref()?;
        let count = counter.rollover.or_else(|| counter.end_of_type())?;
        self.fall_at(count)
    }

    /// The fall of the register when it starts again at 0 after this raw count.
    fn fall_at(&self, count: u64) -> Option<MilliwattHours> {
        let rollover = rounded(self.counter.as_ref()?.fall_at(count, self.factor)?);
        u64::try_from(rollover).ok().and_then(MilliwattHours::new).filter(|rollover| rollover.get() > 0)
    }

    /// The resolution of the register at `value`. Ratio registers of the meter count as 1 here.
    pub fn energy_step(&self, value: MilliwattHours) -> MilliwattHours {
        let step = self.counter.as_ref().and_then(|counter| counter.step_at(value.get(), self.factor));
        step.and_then(whole_step).unwrap_or(SMALLEST_STEP)
    }

    /// What the register means. The ledger begins a new epoch when it changes.
    pub fn definition(&self) -> RegisterDefinition {
        // The end of the type follows from the other words: only a count that the profile names is part of the text.
        let named = self.counter.as_ref().and_then(|counter| self.fall_at(counter.rollover?));
        let range = self.counter.as_ref().and_then(|counter| self.fall_at(counter.end_of_type()?));
        RegisterDefinition { text: self.definition_text(named), rollover: self.rollover(), range }
    }

    /// Everything that turns raw registers into mWh, in one line. Ledgers store it, so its format must not change.
    fn definition_text(&self, rollover: Option<MilliwattHours>) -> String {
        let Some(counter) = &self.counter else { return "integrated from power".to_owned() };
        let (start, label) = self.header.as_ref().map_or((0, ""), |header| (header.model.start, &header.label));
        let definition = counter.definition(self.factor, start).unwrap_or_else(|| "beyond computing".to_owned());
        let rollover = rollover.map_or(String::new(), |rollover| format!(", rollover {} mWh", rollover.get()));
        format!("{label}{definition} mWh{rollover}")
    }

    fn power(&self, answers: &Answers) -> Result<Option<Milliwatts>, DecodeError> {
        self.power.read(answers, self.factor)?.map(|measured| self.to_power(measured)).transpose()
    }

    fn register(&self, answers: &Answers) -> Result<Option<Register>, DecodeError> {
        let Some(counter) = &self.counter else { return Ok(None) };
        counter.read(answers, self.factor)?.map(to_register).transpose()
    }

    fn to_power(&self, measured: Measured) -> Result<Milliwatts, DecodeError> {
        let power = i64::try_from(rounded(measured.value)).ok();
        let power = power.filter(|power| (-MAX_POWER..=MAX_POWER).contains(power)).ok_or(DecodeError::TooLarge)?;
        Ok(Milliwatts(if self.reversed { -power } else { power }))
    }
}

/// The model of a chain that was not walked: no header equals it.
const UNLOCATED: Model = Model { id: u16::MAX, start: 0, length: u16::MAX };

const SMALLEST_STEP: MilliwattHours = MilliwattHours::new(1).unwrap();

/// The range extended to the start of its model.
fn with_header(range: RegisterRange, header: Option<&ModelHeader>) -> RegisterRange {
    match header {
        Some(ModelHeader { model, .. }) => {
            RegisterRange { address: model.start, count: range.count + (range.address - model.start), ..range }
        }
        None => range,
    }
}

/// Rounds once, to the nearest mWh; the step is rounded up, so that it never claims a finer resolution than the register has.
fn to_register(measured: Measured) -> Result<Register, DecodeError> {
    let value = rounded(measured.value);
    if value < 0 {
        return Err(DecodeError::Negative);
    }
    let value = u64::try_from(value).ok().and_then(MilliwattHours::new).ok_or(DecodeError::TooLarge)?;
    Ok(Register { value, step: whole_step(measured.step).ok_or(DecodeError::TooLarge)? })
}

fn whole_step(step: Exact) -> Option<MilliwattHours> {
    MilliwattHours::new(u64::try_from(rounded_up(step)).ok()?.max(1))
}

/// As few ranges as contain every wanted one whole: each of one function, of at most `max_count` registers, and across gaps only where allowed.
fn joined(mut wanted: Vec<RegisterRange>, max_count: u16, gaps: &Gaps) -> Vec<RegisterRange> {
    let mut ranges: Vec<RegisterRange> = Vec::new();
    wanted.sort();
    for next in wanted {
        let last = ranges.last().copied().filter(|last| gaps.may_join(*last, next));
        let wider = last.and_then(|last| last.joined(next)).filter(|wider| wider.count <= max_count);
        match (wider, ranges.last_mut()) {
            (Some(wider), Some(last)) => *last = wider,
            _ => ranges.push(next),
        }
    }
    ranges
}

#[cfg(test)]
mod tests;
