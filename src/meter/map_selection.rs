//! Selects one of several maps of a profile that no register distinguishes, by physics alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::profile::Profile;
use super::quantity::Number;
use super::range::{Answers, RegisterRange};
use crate::reading::Register;
use crate::units::{Milliwatts, Name};

/// The possible maps and what each of them has read so far.
///
/// A map is selected when all others have proved impossible. Maps that have read the same for long enough are used, and compared in each poll:
/// they may agree only because the registers in which they differ are 0.
#[derive(Clone, Debug)]
pub struct MapSelection {
    max_power: Milliwatts,
    candidates: Vec<MapCandidate>,
    agreement: Option<Agreement>,
    /// The maps have agreed for long enough once: from then on they are used in each poll in which they agree.
    has_agreed: bool,
}

/// What one map read in one poll.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MapReading {
    /// Since a moment that is the same for all readings.
    pub at: Duration,
    /// Active power.
    pub power: Option<Milliwatts>,
    /// The energy counter.
    pub register: Option<Register>,
    /// The sum of the phases' powers, where the profile has it and it was answered.
    pub phases: Option<Milliwatts>,
    /// Why a value of the map is missing.
    pub missing: Option<String>,
}

/// The state of a selection.
#[derive(Clone, Debug, PartialEq)]
pub enum SelectionOutcome {
    /// The only possible map: its index.
    Chosen(usize),
    /// All maps that remain read the same so far: the index of the first of them, and where they differ. The comparison must go on, because
    /// they may differ once energy is exported or another tariff begins.
    Agreed(usize, String),
    /// Several maps are possible: what each reads.
    Open(String),
    /// No map is possible: why.
    NoneFits(String),
}

#[derive(Clone, Debug)]
struct MapCandidate {
    name: Name,
    note: Option<String>,
    /// How many readings there were.
    readings: u32,
    /// Plausible readings in a row.
    plausible: u32,
    /// Implausible readings in a row.
    implausible: u32,
    /// Why the map is impossible.
    excluded: Option<String>,
    last: Option<MapReading>,
    flow: Option<Flow>,
    /// The registers that not every map reads in the same way.
    own: Vec<OwnRegisters>,
}

/// Registers of a map that another map does not read, or reads in another way.
#[derive(Clone, Debug)]
struct OwnRegisters {
    range: RegisterRange,
    /// What they held first.
    first: Option<Vec<u16>>,
    /// Whether they have held something else since.
    moved: bool,
}

/// What the counter and the power did since a reading, while power was imported all the time.
#[derive(Clone, Copy, Debug)]
struct Flow {
    from: Register,
    /// The energy by the power since then, in mW x ms.
    carried: u128,
    since: Duration,
}

/// Polls in a row in which all maps that remain read the same.
#[derive(Clone, Copy, Debug)]
struct Agreement {
    polls: u32,
    /// The counter of the first of them at the beginning, where it has one.
    from: Option<Register>,
}

/// The largest difference between two powers that are read one after the other: a part of the larger one, but at least `least`.
struct Tolerance {
    part: i64,
    least: Milliwatts,
}

/// In this many polls in a row maps must read the same before it does not matter which of them is used.
const AGREEING_POLLS: u32 = 30;
/// The counter must have counted this many of the coarsest steps meanwhile: at 0 all maps are alike.
const AGREEING_STEPS: u64 = 3;
/// Between the powers of two maps.
const MAPS_TOLERANCE: Tolerance = Tolerance { part: 50, least: Milliwatts(20_000) };
/// Between the power and the sum of its phases.
const PHASES_TOLERANCE: Tolerance = Tolerance { part: 10, least: Milliwatts(100_000) };
/// This many readings in a row convince, one way or the other: a single one may come from a meter that is starting.
const CONVINCING: u32 = 3;
/// No meter has counted at full power for longer than this.
const LIFETIME_HOURS: u128 = 30 * 8766;
/// A power beyond this many times the maximum of the connection is impossible.
const OVERLOAD: i64 = 2;
/// The power between polls is unknown: counter and power may differ by this factor.
const POLL_UNCERTAINTY: u128 = 4;
/// A counter that stands still proves nothing before this many steps of energy were carried.
const CARRIED_STEPS: u128 = 20;
/// A shorter flow proves nothing.
const MIN_FLOW: Duration = Duration::from_secs(60);
const MILLISECONDS_PER_HOUR: u128 = 3_600_000;

impl MapSelection {
    /// A selection among these maps, on a connection of at most `max_power`.
    pub fn new(maps: &[Arc<Profile>], notes: impl Fn(&Name) -> Option<String>, max_power: Milliwatts) -> Self {
        let candidate = |profile: &Arc<Profile>| {
            let name = profile.map.clone().unwrap_or_else(|| profile.name.clone());
            let note = notes(&name);
            MapCandidate {
                name,
                note,
                readings: 0,
                plausible: 0,
                implausible: 0,
                excluded: None,
                last: None,
                flow: None,
                own: own_registers(profile, maps),
            }
        };
        let candidates = maps.iter().map(candidate).collect();
        MapSelection { max_power, candidates, agreement: None, has_agreed: false }
    }

    /// Adds what the map with this index read in a poll, from these answers.
    pub fn record(&mut self, index: usize, reading: MapReading, answers: &Answers) {
        let Some(candidate) = self.candidates.get_mut(index) else { return };
        candidate.own.iter_mut().for_each(|own| own.note(answers));
        candidate.record(reading, self.max_power);
        self.compare();
    }

    /// The state after the readings so far.
    pub fn outcome(&self) -> SelectionOutcome {
        let mut possible = self.candidates.iter().enumerate().filter(|(_, candidate)| candidate.excluded.is_none());
        match (possible.next(), possible.next()) {
            (None, _) => SelectionOutcome::NoneFits(self.summary()),
            (Some((index, candidate)), None) if candidate.plausible >= CONVINCING => SelectionOutcome::Chosen(index),
            (Some((index, _)), Some(_)) if self.has_agreed && self.agreement.is_some() => {
                SelectionOutcome::Agreed(index, self.differences())
            }
            _ => SelectionOutcome::Open(self.summary()),
        }
    }

    /// What each map reads, or why it is excluded.
    pub fn summary(&self) -> String {
        self.candidates.iter().map(MapCandidate::to_string).collect::<Vec<_>>().join("; ")
    }

    fn possible(&self) -> impl Iterator<Item = &MapCandidate> {
        self.candidates.iter().filter(|candidate| candidate.excluded.is_none())
    }

    /// Continues the agreement once all maps that remain have read the same poll.
    fn compare(&mut self) {
        let mut possible = self.possible();
        let Some(first) = possible.next() else { return };
        let others: Vec<_> = possible.collect();
        if others.iter().any(|other| other.readings != first.readings) {
            return;
        }
        let agree =
            !others.is_empty() && others.iter().all(|other| read_the_same(first.last.as_ref(), other.last.as_ref()));
        let from = first.last.as_ref().and_then(|reading| reading.register);
        let agreement = agree.then(|| match self.agreement {
            Some(agreement) => Agreement { polls: agreement.polls + 1, ..agreement },
            None => Agreement { polls: 1, from },
        });
        self.agreement = agreement;
        let have_agreed = self.possible().next().is_some_and(|first| self.have_agreed(first));
        self.has_agreed |= have_agreed;
    }

    /// The registers in which the maps differ. One that has not moved yet proves nothing.
    fn differences(&self) -> String {
        let own = |candidate: &MapCandidate| {
            let still = |own: &OwnRegisters| if own.moved { "" } else { ", which has not moved yet" };
            let ranges: Vec<_> = candidate.own.iter().map(|own| format!("{}{}", own.range, still(own))).collect();
            (!ranges.is_empty()).then(|| format!("map {}: {}", candidate.name, ranges.join(", ")))
        };
        let all: Vec<_> = self.possible().filter_map(own).collect();
        format!("the possible maps read the same so far; they differ in these registers: {}", all.join("; "))
    }

    /// Whether the maps have agreed for long enough, while the counter or the power gave them something to agree on.
    fn have_agreed(&self, first: &MapCandidate) -> bool {
        let Some(Agreement { polls, from }) = self.agreement else { return false };
        let Some(last) = first.last.as_ref().filter(|_| polls >= AGREEING_POLLS) else { return false };
        let steps = self.possible().filter_map(|candidate| Some(candidate.last.as_ref()?.register?.step.get()));
        let coarsest = steps.max().unwrap_or(0);
        match (from, last.register) {
            (Some(from), Some(now)) => now.value.get() >= from.value.get().saturating_add(AGREEING_STEPS * coarsest),
            _ => last.power.is_some_and(|power| power.0 != 0),
        }
    }
}

impl MapCandidate {
    fn record(&mut self, reading: MapReading, max_power: Milliwatts) {
        let impossible = impossible(&reading, max_power);
        let jump = self.last.as_ref().and_then(|last| impossible_step(last, &reading, max_power));
        // After a jump or an impossible value the flow begins again: a meter that is starting may do so once.
        let flow = if impossible.is_some() || jump.is_some() { None } else { self.flow };
        self.flow = self.extended_flow(flow, &reading).filter(|_| impossible.is_none());
        let mismatch = self.flow.zip(reading.register).and_then(|(flow, register)| flow.mismatch(register, reading.at));
        let register = if impossible.is_some() { None } else { reading.register };
        if let Some(why) = impossible.or(jump).or(mismatch) {
            (self.plausible, self.implausible) = (0, self.implausible + 1);
            if self.implausible >= CONVINCING {
                self.excluded.get_or_insert(why);
            }
        } else {
            (self.plausible, self.implausible) = (self.plausible + 1, 0);
        }
        self.last = Some(MapReading { register, ..reading });
        self.readings += 1;
    }

    /// The flow up to this reading. It begins again where energy may have flowed back, and after a gap.
    fn extended_flow(&self, flow: Option<Flow>, reading: &MapReading) -> Option<Flow> {
        let register = reading.register?;
        let power = u128::try_from(reading.power?.0).ok()?;
        let new = Flow { from: register, carried: 0, since: reading.at };
        let (Some(flow), Some(last)) = (flow, &self.last) else { return Some(new) };
        let Some(before) = last.power.and_then(|power| u128::try_from(power.0).ok()) else { return Some(new) };
        let elapsed = reading.at.saturating_sub(last.at).as_millis();
        Some(Flow { carried: flow.carried + (before + power) * elapsed / 2, ..flow })
    }
}

impl OwnRegisters {
    fn note(&mut self, answers: &Answers) {
        let Some(words) = self.range.out_of(answers) else { return };
        match &self.first {
            Some(first) => self.moved |= first != words,
            None => self.first = Some(words.to_vec()),
        }
    }
}

/// The registers of this map that another map does not read, or reads in another way.
fn own_registers(profile: &Profile, maps: &[Arc<Profile>]) -> Vec<OwnRegisters> {
    let numbers = |profile: &Profile| -> Vec<Number> {
        let start = profile.location.map_or(0, |location| location.model.start);
        let quantities = std::iter::once(&profile.power).chain(&profile.energy).chain(&profile.export_energy);
        quantities.flat_map(|quantity| quantity.clone().moved(start).terms).collect()
    };
    let others: Vec<Vec<Number>> = maps.iter().map(|map| numbers(map)).collect();
    let is_own = |number: &Number| !others.iter().all(|numbers| numbers.contains(number));
    let own = numbers(profile).into_iter().filter(is_own);
    own.map(|number| OwnRegisters { range: number.range, first: None, moved: false }).collect()
}

impl Flow {
    /// Why the counter does not belong to the power.
    fn mismatch(self, register: Register, at: Duration) -> Option<String> {
        if at.saturating_sub(self.since) < MIN_FLOW {
            return None;
        }
        let carried = self.carried / MILLISECONDS_PER_HOUR;
        let counted = u128::from(register.value.get().saturating_sub(self.from.value.get()));
        let step = u128::from(register.step.get());
        let verb = if counted > POLL_UNCERTAINTY * (carried + step) {
            "runs too fast"
        } else if carried > CARRIED_STEPS * step && counted < carried / POLL_UNCERTAINTY {
            "runs too slowly"
        } else {
            return None;
        };
        Some(format!("its counter {verb} for the power: it counted {counted} mWh while {carried} mWh were carried"))
    }
}

impl Tolerance {
    fn allows(&self, left: Milliwatts, right: Milliwatts) -> bool {
        let allowed = (left.0.saturating_abs().max(right.0.saturating_abs()) / self.part).max(self.least.0);
        left.0.saturating_sub(right.0).saturating_abs() <= allowed
    }
}

/// Whether two maps read the same in one poll.
fn read_the_same(left: Option<&MapReading>, right: Option<&MapReading>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return false };
    let (Some(power), Some(other)) = (left.power, right.power) else { return false };
    let registers = match (left.register, right.register) {
        (Some(left), Some(right)) => left.value.get().abs_diff(right.value.get()) <= left.step.get() + right.step.get(),
        (None, None) => true,
        _ => false,
    };
    registers && MAPS_TOLERANCE.allows(power, other)
}

/// Why the reading cannot be true, whatever came before it.
fn impossible(reading: &MapReading, max_power: Milliwatts) -> Option<String> {
    if let Some(missing) = &reading.missing {
        return Some(missing.clone());
    }
    if let Some(power) = reading.power.filter(|power| power.0.saturating_abs() > max_power.0.saturating_mul(OVERLOAD)) {
        return Some(format!("a power of {} W is more than the connection can carry", power.watts()));
    }
    if let (Some(power), Some(phases)) = (reading.power, reading.phases)
        && !PHASES_TOLERANCE.allows(power, phases)
    {
        return Some(format!("its power is {} W, and its phases add up to {} W", power.watts(), phases.watts()));
    }
    let register = reading.register?;
    let lifetime = u128::from(max_power.0.unsigned_abs()) * LIFETIME_HOURS;
    let too_high = u128::from(register.value.get()) > lifetime;
    too_high.then(|| format!("{} kWh is more than 30 years at full power", kilowatt_hours(register)))
}

/// Why the counter cannot have come from where it was in the last reading.
fn impossible_step(last: &MapReading, reading: &MapReading, max_power: Milliwatts) -> Option<String> {
    let (before, after) = (last.register?, reading.register?);
    let step = before.step.get().max(after.step.get());
    if after.value.get() + step < before.value.get() {
        return Some("its counter falls".to_owned());
    }
    let elapsed = reading.at.saturating_sub(last.at).as_millis();
    let overload = u128::from(max_power.0.unsigned_abs()) * u128::from(OVERLOAD.unsigned_abs());
    let most = overload * elapsed / MILLISECONDS_PER_HOUR + u128::from(2 * step);
    let risen = u128::from(after.value.get().saturating_sub(before.value.get()));
    (risen > most).then(|| "its counter rises faster than the connection can carry".to_owned())
}

impl fmt::Display for MapCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "map {}", self.name)?;
        if let Some(note) = &self.note {
            write!(f, " ({note})")?;
        }
        if let Some(why) = &self.excluded {
            return write!(f, " is excluded: {why}");
        }
        let last = self.last.as_ref();
        let power = last.and_then(|last| last.power).map(|power| format!("{} W", power.watts()));
        let energy = last.and_then(|last| last.register).map(|register| format!("{} kWh", kilowatt_hours(register)));
        let values: Vec<_> = power.into_iter().chain(energy).collect();
        if values.is_empty() {
            return write!(f, " has no values yet");
        }
        write!(f, " reads {}", values.join(" and "))
    }
}

fn kilowatt_hours(register: Register) -> String {
    let milli = register.value.get();
    format!("{}.{:03}", milli / 1_000_000, milli / 1_000 % 1_000)
}

#[cfg(test)]
mod tests;
