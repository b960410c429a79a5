//! Which registers are read in one poll, joined into as few requests as the profile allows, and what the answers mean.

use super::chain::Model;
use super::decode_error::DecodeError;
use super::exact::Fraction;
use super::gaps::Gaps;
use super::profile::{Installation, MOST_POWER, Profile};
use super::quantity::{Measured, Quantity};
use super::range::{Answers, RegisterRange};
use super::serial_number::SerialNumber;
use crate::reading::{Register, RegisterDefinition, Values};
use crate::units::{MilliwattHours, Milliwatts};

/// What a poll's answers say, and why a value is absent ("energy: not a number").
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    pub values: Values,
    pub problems: Vec<String>,
    /// The chain of models is not as it was found: nothing of the answers is a value.
    pub chain_moved: bool,
}

/// The requests of one meter's poll and the way from their answers to values.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadPlan {
    power: Quantity,
    counter: Option<Quantity>,
    phases: Option<Quantity>,
    serial_number: Option<SerialNumber>,
    reversed: bool,
    /// What the transformers outside the meter multiply by.
    factor: Fraction,
    /// The model that has the registers, and what of the profile tells it from others: its header is read with every value.
    head: Option<(Model, String)>,
    ranges: Vec<RegisterRange>,
    serial_ranges: Vec<RegisterRange>,
}

impl ReadPlan {
    /// A meter that is wired the other way without [`Profile::can_reverse`] has no counter here: the configuration refuses it.
    ///
    /// Where the registers stand in a chain that was not walked, the ranges count from the start of the model, and what they are answered
    /// with is no value.
    pub fn new(profile: &Profile, installation: &Installation) -> Self {
        let model = profile.location.map_or(NOWHERE, |place| place.model);
        let head = profile.chain.as_ref().map(|chain| (model, chain.label(installation.chain_meter)));
        let at_place = |quantity: Quantity| quantity.moved(model.start);
        let power = at_place(profile.power.clone());
        let counter = profile.counter(installation).cloned().map(at_place);
        let (alone, together): (Vec<_>, Vec<_>) =
            std::iter::once(&power).chain(&counter).partition(|quantity| quantity.alone);
        let with_head = |range: RegisterRange| with_head(range, head.as_ref());
        let wanted = together.into_iter().flat_map(Quantity::ranges).map(with_head).collect();
        let mut ranges = joined(wanted, profile.max_registers_per_read.min(125), &profile.gaps);
        ranges.extend(alone.into_iter().flat_map(Quantity::ranges).map(with_head));
        ReadPlan {
            ranges,
            power,
            counter,
            phases: profile.phase_power.clone().map(at_place),
            head,
            serial_ranges: profile.serial_number.iter().map(|serial| serial.range).collect(),
            serial_number: profile.serial_number.clone(),
            reversed: installation.reversed,
            factor: installation.factor(),
        }
    }

    /// What is read in each poll. Every value lies whole within one range.
    pub fn ranges(&self) -> &[RegisterRange] {
        &self.ranges
    }

    /// What is read for the serial number, when that is asked for.
    pub fn serial_ranges(&self) -> &[RegisterRange] {
        &self.serial_ranges
    }

    /// What is read to check the power against its phases; nothing where the profile does not have them.
    pub fn phase_ranges(&self) -> Vec<RegisterRange> {
        self.phases.iter().flat_map(Quantity::ranges).collect()
    }

    /// The sum of the phases' powers; `None` where it was not answered, or is none.
    pub fn phase_power(&self, answers: &Answers) -> Option<Milliwatts> {
        let measured = self.phases.as_ref()?.read(answers, self.factor).ok().flatten()?;
        self.power_of(measured).ok()
    }

    /// The meter refused this range (exception 2 or 3): reads its values in smaller ones from now on. False where it is one value's already.
    pub fn split(&mut self, refused: RegisterRange) -> bool {
        let Some(place) = self.ranges.iter().position(|range| *range == refused) else { return false };
        let mut parts: Vec<_> = self.wanted().filter(|wanted| refused.covers(*wanted)).collect();
        parts.sort();
        parts.dedup();
        // A value that spans the whole range cannot be read in less.
        if parts.contains(&refused) {
            return false;
        }
        self.ranges.splice(place..=place, parts);
        true
    }

    /// Values whose range is not among the answers are absent, without a complaint: who asked knows why.
    pub fn decode(&self, answers: &Answers) -> Decoded {
        if let Some(complaint) = self.moved(answers) {
            return Decoded { problems: vec![complaint], chain_moved: true, ..Decoded::default() };
        }
        let mut problems = Vec::new();
        let mut told = |name: &str, why: DecodeError| problems.push(format!("{name}: {why}"));
        let power =
            self.power.read(answers, self.factor).and_then(|power| power.map(|it| self.power_of(it)).transpose());
        let power = power.unwrap_or_else(|why| {
            told("power", why);
            None
        });
        let counter = self.counter.as_ref().map_or(Ok(None), |counter| counter.read(answers, self.factor));
        let register = counter.and_then(|counter| counter.map(register_of).transpose()).unwrap_or_else(|why| {
            told("energy", why);
            None
        });
        let serial = self.serial_number.as_ref().and_then(|serial| serial.read(answers));
        Decoded { values: Values { power, register, serial }, problems, chain_moved: false }
    }

    /// What stands where the model began, if it is not that model any more.
    fn moved(&self, answers: &Answers) -> Option<String> {
        let (model, _) = self.head.as_ref()?;
        let of_head = |(range, words): (&RegisterRange, &Vec<u16>)| {
            let found = words.get(..2).filter(|words| **words != [model.id, model.length])?;
            (range.address == model.start && self.ranges.contains(range)).then(|| (found[0], found[1]))
        };
        let (id, length) = answers.iter().find_map(of_head)?;
        let was = model.length;
        Some(format!(
            "the chain of models has changed: where {model} was, with {was} registers, there are {id} and {length} now"
        ))
    }

    /// Whether there is a counter to read. Where there is none, the energy is integrated from the power.
    pub fn has_counter(&self) -> bool {
        self.counter.is_some()
    }

    /// How far the register falls when it starts again at 0. `None` where the profile does not say, and where it is beyond
    /// [`MilliwattHours::MAX`], which no register reaches.
    pub fn rollover(&self) -> Option<MilliwattHours> {
        let rollover = self.counter.as_ref()?.rollover(self.factor)?.rounded();
        u64::try_from(rollover).ok().and_then(MilliwattHours::new).filter(|rollover| rollover.get() > 0)
    }

    /// The resolution of the register at `value`. Ratios that the meter keeps in registers of its own count as 1 here.
    pub fn energy_step(&self, value: MilliwattHours) -> MilliwattHours {
        let step = self.counter.as_ref().and_then(|counter| counter.step_at(value.get(), self.factor));
        step.and_then(whole_step).unwrap_or(LEAST_STEP)
    }

    /// What the register means. Two plans with equal definitions read the same energy; another definition begins a new epoch in the ledger.
    pub fn definition(&self) -> RegisterDefinition {
        let rollover = self.rollover();
        RegisterDefinition { text: self.definition_text(rollover), rollover }
    }

    /// Everything that turns raw registers into mWh, in one line. The ledger stores it: the format must not change.
    fn definition_text(&self, rollover: Option<MilliwattHours>) -> String {
        let Some(counter) = &self.counter else { return "integrated from power".to_owned() };
        let (start, chain) = self.head.as_ref().map_or((0, ""), |(model, label)| (model.start, label));
        let definition = counter.definition(self.factor, start).unwrap_or_else(|| "beyond computing".to_owned());
        match rollover {
            Some(rollover) => format!("{chain}{definition} mWh, rollover {} mWh", rollover.get()),
            None => format!("{chain}{definition} mWh"),
        }
    }

    /// The registers of every value, each whole.
    fn wanted(&self) -> impl Iterator<Item = RegisterRange> + '_ {
        let values = self.power.ranges().chain(self.counter.iter().flat_map(Quantity::ranges));
        values.map(|range| with_head(range, self.head.as_ref()))
    }

    fn power_of(&self, measured: Measured) -> Result<Milliwatts, DecodeError> {
        let power = i64::try_from(measured.value.rounded()).ok();
        let power =
            power.filter(|power| power.unsigned_abs() <= MOST_POWER.unsigned_abs()).ok_or(DecodeError::TooLarge)?;
        Ok(Milliwatts(if self.reversed { -power } else { power }))
    }
}

/// No model: it is nowhere.
const NOWHERE: Model = Model { id: u16::MAX, start: 0, length: u16::MAX };

const LEAST_STEP: MilliwattHours = match MilliwattHours::new(1) {
    Some(step) => step,
    None => MilliwattHours::ZERO,
};

/// The range from the start of its model on, whose header is read with every value.
fn with_head(range: RegisterRange, head: Option<&(Model, String)>) -> RegisterRange {
    match head {
        Some((model, _)) => {
            RegisterRange { address: model.start, count: range.count + (range.address - model.start), ..range }
        }
        None => range,
    }
}

/// Rounded once, to the nearest mWh; the step up, so that it never claims more than the register resolves.
fn register_of(measured: Measured) -> Result<Register, DecodeError> {
    let value = measured.value.rounded();
    if value < 0 {
        return Err(DecodeError::Negative);
    }
    let value = u64::try_from(value).ok().and_then(MilliwattHours::new).ok_or(DecodeError::TooLarge)?;
    Ok(Register { value, step: whole_step(measured.step).ok_or(DecodeError::TooLarge)? })
}

fn whole_step(step: Fraction) -> Option<MilliwattHours> {
    MilliwattHours::new(u64::try_from(step.rounded_up()).ok()?.max(1))
}

/// As few ranges as hold every wanted one whole: of one function, adjoining unless gaps may be crossed, and of at most `most` registers.
fn joined(mut wanted: Vec<RegisterRange>, most: u16, gaps: &Gaps) -> Vec<RegisterRange> {
    let mut ranges: Vec<RegisterRange> = Vec::new();
    wanted.sort();
    for next in wanted {
        let last = ranges.last().copied().filter(|last| gaps.may_join(*last, next));
        let wider = last.and_then(|last| last.joined(next)).filter(|wider| wider.count <= most);
        match (wider, ranges.last_mut()) {
            (Some(wider), Some(last)) => *last = wider,
            _ => ranges.push(next),
        }
    }
    ranges
}

#[cfg(test)]
mod tests;
