//! Several maps of one profile, none told from the others by a register: which of them the meter has, decided by physics alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::profile::Profile;
use crate::reading::Register;
use crate::units::{Milliwatts, Name};

/// The maps that are possible, and what each has said so far. One is chosen when all others have proved impossible, or when all that are
/// left have said the same for long, and never before.
#[derive(Clone, Debug)]
pub struct MapSelection {
    max_power: Milliwatts,
    entrants: Vec<MapCandidate>,
    agreement: Option<Agreement>,
}

/// What one map made of one poll.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MapReading {
    /// Since a moment that is the same for all samples.
    pub at: Duration,
    pub power: Option<Milliwatts>,
    pub register: Option<Register>,
    /// The sum of the phases, where the profile has it and it was answered.
    pub phases: Option<Milliwatts>,
    /// Why something is missing that the map has.
    pub missing: Option<String>,
}

/// How it stands.
#[derive(Clone, Debug, PartialEq)]
pub enum SelectionOutcome {
    /// Its place among the maps.
    Chosen(usize),
    /// All that are left say the same: the place of the first of them.
    Agreed(usize),
    /// More than one is possible: what each says.
    Open(String),
    /// None is possible: why not.
    NoneFits(String),
}

#[derive(Clone, Debug)]
struct MapCandidate {
    name: Name,
    note: Option<String>,
    /// Samples so far.
    heard: u32,
    /// Samples in a row without an objection.
    sound: u32,
    /// Samples in a row with one.
    struck: u32,
    out: Option<String>,
    last: Option<MapReading>,
    flow: Option<Flow>,
}

/// What counter and power did since a sample from which on power was imported all the time.
#[derive(Clone, Copy, Debug)]
struct Flow {
    from: Register,
    /// What the power carried meanwhile, mW x ms.
    carried: u128,
    since: Duration,
}

/// Polls in a row in which all maps that are left said the same.
#[derive(Clone, Copy, Debug)]
struct Agreement {
    polls: u32,
    /// What the first of them said at the beginning, where it has a counter.
    from: Option<Register>,
}

/// In so many polls in a row maps must say the same before it does not matter which of them is read.
const AGREEING: u32 = 30;
/// And the counter must have counted so many of the coarsest digits meanwhile: at 0 all maps are alike.
const COUNTED: u64 = 3;
/// Two maps are read one after the other: what their powers may differ by, the greater of a part and this.
const ALIKE: (i64, Milliwatts) = (50, Milliwatts(20_000));
/// So many samples in a row convince, one way or the other: a single one may be a meter that is starting up.
const CONVINCING: u32 = 3;
/// No meter has counted at full power for longer than this.
const LIFETIME_HOURS: u128 = 30 * 8766;
/// A power beyond this many times what the connection carries is none.
const OVERLOAD: i64 = 2;
/// Power and the sum of the phases are read one after the other.
const APART: (i64, Milliwatts) = (10, Milliwatts(100_000));
/// Between polls the power is not seen: counter and power may differ by this factor.
const BLUR: u128 = 4;
/// Before so many digits have been carried a counter that stands still proves nothing.
const DIGITS: u128 = 20;
const FLOWING: Duration = Duration::from_secs(60);
const MILLISECONDS_AN_HOUR: u128 = 3_600_000;

impl MapSelection {
    /// Between these maps, on a connection that carries so much.
    pub fn new(maps: &[Arc<Profile>], notes: impl Fn(&Name) -> Option<String>, max_power: Milliwatts) -> Self {
        let entrant = |profile: &Arc<Profile>| {
            let name = profile.map.clone().unwrap_or_else(|| profile.name.clone());
            let note = notes(&name);
            MapCandidate { name, note, heard: 0, sound: 0, struck: 0, out: None, last: None, flow: None }
        };
        MapSelection { max_power, entrants: maps.iter().map(entrant).collect(), agreement: None }
    }

    /// What the map at that place made of a poll.
    pub fn record(&mut self, place: usize, sample: MapReading) {
        let max_power = self.max_power;
        let Some(entrant) = self.entrants.get_mut(place) else { return };
        let nonsense = nonsense(&sample, max_power);
        let step = entrant.last.as_ref().and_then(|last| misstep(last, &sample, max_power));
        // Where the counter jumped, or was none, its way begins anew: a meter that starts up may do so once.
        let flow = if nonsense.is_some() || step.is_some() { None } else { entrant.flow };
        entrant.flow = entrant.flowed(flow, &sample).filter(|_| nonsense.is_none());
        let flowing =
            entrant.flow.zip(sample.register).and_then(|(flow, register)| against_flow(flow, register, sample.at));
        let known = if nonsense.is_some() { None } else { sample.register };
        if let Some(why) = nonsense.or(step).or(flowing) {
            (entrant.sound, entrant.struck) = (0, entrant.struck + 1);
            if entrant.struck >= CONVINCING {
                entrant.out.get_or_insert(why);
            }
        } else {
            (entrant.sound, entrant.struck) = (entrant.sound + 1, 0);
        }
        entrant.last = Some(MapReading { register: known, ..sample });
        entrant.heard += 1;
        self.compare();
    }

    /// Whether those that are left agree, once all of them have been heard of the same poll.
    fn compare(&mut self) {
        let mut left = self.entrants.iter().filter(|entrant| entrant.out.is_none());
        let Some(first) = left.next() else { return };
        let others: Vec<_> = left.collect();
        if others.iter().any(|other| other.heard != first.heard) {
            return;
        }
        let agree = !others.is_empty() && others.iter().all(|other| alike(first.last.as_ref(), other.last.as_ref()));
        let from = first.last.as_ref().and_then(|sample| sample.register);
        self.agreement = agree.then(|| match self.agreement {
            Some(agreement) => Agreement { polls: agreement.polls + 1, ..agreement },
            None => Agreement { polls: 1, from },
        });
    }

    /// Whether they have agreed for long enough, while there was something to agree on.
    fn agreed(&self, entrant: &MapCandidate) -> bool {
        let Some(Agreement { polls, from }) = self.agreement else { return false };
        let Some(last) = entrant.last.as_ref().filter(|_| polls >= AGREEING) else { return false };
        let left = self.entrants.iter().filter(|entrant| entrant.out.is_none());
        let steps = left.filter_map(|entrant| Some(entrant.last.as_ref()?.register?.step.get()));
        let coarsest = steps.max().unwrap_or(0);
        match (from, last.register) {
            (Some(from), Some(now)) => now.value.get() >= from.value.get().saturating_add(COUNTED * coarsest),
            _ => last.power.is_some_and(|power| power.0 != 0),
        }
    }

    pub fn outcome(&self) -> SelectionOutcome {
        let mut left = self.entrants.iter().enumerate().filter(|(_, entrant)| entrant.out.is_none());
        match (left.next(), left.next()) {
            (None, _) => SelectionOutcome::NoneFits(self.summary()),
            (Some((place, entrant)), None) if entrant.sound >= CONVINCING => SelectionOutcome::Chosen(place),
            (Some((place, entrant)), Some(_)) if self.agreed(entrant) => SelectionOutcome::Agreed(place),
            _ => SelectionOutcome::Open(self.summary()),
        }
    }

    /// What each of them says, for people.
    pub fn summary(&self) -> String {
        self.entrants.iter().map(MapCandidate::to_string).collect::<Vec<_>>().join("; ")
    }
}

impl MapCandidate {
    /// The flow up to this sample. It begins anew where energy may have flowed back, or nothing is known.
    fn flowed(&self, flow: Option<Flow>, sample: &MapReading) -> Option<Flow> {
        let register = sample.register?;
        let power = u128::try_from(sample.power?.0).ok()?;
        let begun = Flow { from: register, carried: 0, since: sample.at };
        let (Some(flow), Some(last)) = (flow, &self.last) else { return Some(begun) };
        let before = last.power.and_then(|power| u128::try_from(power.0).ok());
        let Some(before) = before else { return Some(begun) };
        let apart = sample.at.saturating_sub(last.at).as_millis();
        Some(Flow { carried: flow.carried + (before + power) * apart / 2, ..flow })
    }
}

/// Whether two maps say the same of one poll.
fn alike(left: Option<&MapReading>, right: Option<&MapReading>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return false };
    let (Some(power), Some(other)) = (left.power, right.power) else { return false };
    let (part, least) = ALIKE;
    let allowed = (power.0.saturating_abs().max(other.0.saturating_abs()) / part).max(least.0);
    let registers = match (left.register, right.register) {
        (Some(left), Some(right)) => left.value.get().abs_diff(right.value.get()) <= left.step.get() + right.step.get(),
        (None, None) => true,
        _ => false,
    };
    registers && power.0.saturating_sub(other.0).saturating_abs() <= allowed
}

/// Why the sample cannot be true, whatever came before it.
fn nonsense(sample: &MapReading, max_power: Milliwatts) -> Option<String> {
    if let Some(missing) = &sample.missing {
        return Some(missing.clone());
    }
    if let Some(power) = sample.power.filter(|power| power.0.saturating_abs() > max_power.0.saturating_mul(OVERLOAD)) {
        return Some(format!("a power of {} W is more than the connection carries", power.watts()));
    }
    if let (Some(power), Some(phases)) = (sample.power, sample.phases) {
        let (part, least) = APART;
        let allowed = (power.0.saturating_abs().max(phases.0.saturating_abs()) / part).max(least.0);
        if power.0.saturating_sub(phases.0).saturating_abs() > allowed {
            return Some(format!("its power is {} W, and its phases add up to {} W", power.watts(), phases.watts()));
        }
    }
    let register = sample.register?;
    let lifetime = u128::from(max_power.0.unsigned_abs()) * LIFETIME_HOURS;
    let endless = u128::from(register.value.get()) > lifetime;
    endless.then(|| format!("{} kWh is more than 30 years at full power", kilowatt_hours(register)))
}

/// Why the counter cannot have come from where it was in the sample before.
fn misstep(last: &MapReading, sample: &MapReading, max_power: Milliwatts) -> Option<String> {
    let (before, after) = (last.register?, sample.register?);
    let step = before.step.get().max(after.step.get());
    if after.value.get() + step < before.value.get() {
        return Some("its counter falls".to_owned());
    }
    let apart = sample.at.saturating_sub(last.at).as_millis();
    let most = u128::from(max_power.0.unsigned_abs()) * OVERLOAD.unsigned_abs() as u128 * apart / MILLISECONDS_AN_HOUR;
    let risen = u128::from(after.value.get().saturating_sub(before.value.get()));
    (risen > most + u128::from(2 * step)).then(|| "its counter rises faster than the connection can carry".to_owned())
}

/// Why the counter cannot belong to the power.
fn against_flow(flow: Flow, register: Register, at: Duration) -> Option<String> {
    if at.saturating_sub(flow.since) < FLOWING {
        return None;
    }
    let carried = flow.carried / MILLISECONDS_AN_HOUR;
    let risen = u128::from(register.value.get().saturating_sub(flow.from.value.get()));
    let step = u128::from(register.step.get());
    let told =
        |verb: &str| Some(format!("its counter {verb} for the power: {risen} mWh where {carried} mWh were carried"));
    if risen > BLUR * carried + BLUR * step {
        return told("runs too fast");
    }
    if carried > DIGITS * step && risen < carried / BLUR {
        return told("runs too slowly");
    }
    None
}

impl fmt::Display for MapCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "map {}", self.name)?;
        if let Some(note) = &self.note {
            write!(f, " ({note})")?;
        }
        let said = self.last.as_ref().map(|last| {
            let power = last.power.map(|power| format!("{} W", power.watts()));
            let energy = last.register.map(|register| format!("{} kWh", kilowatt_hours(register)));
            power.into_iter().chain(energy).collect::<Vec<_>>().join(" and ")
        });
        match (&self.out, said) {
            (Some(why), _) => write!(f, " is out: {why}"),
            (None, Some(said)) if !said.is_empty() => write!(f, " says {said}"),
            (None, _) => write!(f, " has said nothing yet"),
        }
    }
}

fn kilowatt_hours(register: Register) -> String {
    let milli = register.value.get();
    format!("{}.{:03}", milli / 1_000_000, milli / 1_000 % 1_000)
}

#[cfg(test)]
mod tests;
