//! Several maps of one profile, none told from the others by a register: which of them the meter has, decided by physics alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::profile::Profile;
use crate::reading::Register;
use crate::units::{Milliwatts, Name};

/// The maps that are possible, and what each has said so far. One is chosen when all others have proved impossible, and never before.
#[derive(Clone, Debug)]
pub struct Contest {
    max_power: Milliwatts,
    entrants: Vec<Entrant>,
}

/// What one map made of one poll.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
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
pub enum Outcome {
    /// Its place among the maps.
    Chosen(usize),
    /// More than one is possible: what each says.
    Open(String),
    /// None is possible: why not.
    Nobody(String),
}

#[derive(Clone, Debug)]
struct Entrant {
    name: Name,
    note: Option<String>,
    /// Samples in a row without an objection.
    sound: u32,
    /// Samples in a row with one.
    struck: u32,
    out: Option<String>,
    last: Option<Sample>,
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

impl Contest {
    /// Between these maps, on a connection that carries so much.
    pub fn new(maps: &[Arc<Profile>], notes: impl Fn(&Name) -> Option<String>, max_power: Milliwatts) -> Self {
        let entrant = |profile: &Arc<Profile>| {
            let name = profile.map.clone().unwrap_or_else(|| profile.name.clone());
            let note = notes(&name);
            Entrant { name, note, sound: 0, struck: 0, out: None, last: None, flow: None }
        };
        Contest { max_power, entrants: maps.iter().map(entrant).collect() }
    }

    /// What the map at that place made of a poll.
    pub fn hear(&mut self, place: usize, sample: Sample) {
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
        entrant.last = Some(Sample { register: known, ..sample });
    }

    pub fn outcome(&self) -> Outcome {
        let mut left = self.entrants.iter().enumerate().filter(|(_, entrant)| entrant.out.is_none());
        match (left.next(), left.next()) {
            (None, _) => Outcome::Nobody(self.told()),
            (Some((place, entrant)), None) if entrant.sound >= CONVINCING => Outcome::Chosen(place),
            _ => Outcome::Open(self.told()),
        }
    }

    /// What each of them says, for people.
    pub fn told(&self) -> String {
        self.entrants.iter().map(Entrant::to_string).collect::<Vec<_>>().join("; ")
    }
}

impl Entrant {
    /// The flow up to this sample. It begins anew where energy may have flowed back, or nothing is known.
    fn flowed(&self, flow: Option<Flow>, sample: &Sample) -> Option<Flow> {
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

/// Why the sample cannot be true, whatever came before it.
fn nonsense(sample: &Sample, max_power: Milliwatts) -> Option<String> {
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
fn misstep(last: &Sample, sample: &Sample, max_power: Milliwatts) -> Option<String> {
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

impl fmt::Display for Entrant {
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
