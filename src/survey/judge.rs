//! What a meter's answers say about its model: how well each profile fits, and how sure that is. Pure.

use std::sync::Arc;
use std::time::Duration;

use super::mains::Mains;
use crate::meter::{Decoded, Profile};
use crate::reading::Register;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// How sure it is that a profile is the meter's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Its values are possible, and so may be others'.
    Possible,
    /// It fits well, and better than any other.
    Likely,
    /// The meter says so itself.
    Certain,
}

/// A profile whose registers the meter has, with values that a meter can have.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub profile: Arc<Profile>,
    /// Other profiles that read the same registers alike.
    pub alike: Vec<Name>,
    pub sureness: Confidence,
    /// Above zero speaks for it, below against it.
    pub score: i32,
    /// What speaks for it and against it, in plain words.
    pub reasons: Vec<String>,
    pub power: Option<Milliwatts>,
    pub energy: Option<MilliwattHours>,
    pub serial: Option<String>,
}

/// What the meter said through the eyes of one profile, now and a little later.
#[derive(Clone, Debug)]
pub(super) struct ProfileReading {
    pub(super) profile: Arc<Profile>,
    pub(super) first: Decoded,
    pub(super) later: Option<(Decoded, Duration)>,
    /// The sum of the phases' powers, read with the later values.
    pub(super) phases: Option<Milliwatts>,
    /// The registers that tell this model from others hold what they must.
    pub(super) recognised: bool,
    /// How the meter must be set for the profile to hold, where it is not.
    pub(super) wrongly_set: Option<String>,
}

/// What is known about the meter beside the profile's registers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clues<'a> {
    /// What it says to functions 17 and 43.
    pub(super) names: &'a [String],
    pub(super) mains: Option<&'a Mains>,
    /// The line's baud rate, where it is known.
    pub(super) baud: Option<u32>,
}

/// 1 GWh: what a connection of 100 kW takes in more than a thousand years.
const MOST_ENERGY: u64 = 1_000_000_000_000;
/// 1 MW, where the profile expects no rating: meters behind transformers may show more, but rarely do.
const MOST_POWER: i64 = 1_000_000_000;
/// In mW: power and phases are read one after the other.
const APART: u64 = 100_000;
/// What fits by a lead of so much, and by itself by so much, is likely.
const LEAD: i32 = 3;
const CONVINCING: i32 = 4;

/// The candidates, the best first; none where no profile's registers hold values that a meter can have.
pub(super) fn candidates(said: Vec<ProfileReading>, clues: &Clues<'_>) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for said in said {
        let Some(candidate) = candidate(said, clues) else { continue };
        match found.iter_mut().find(|known| same_registers(&known.profile, &candidate.profile)) {
            Some(known) if known.profile.name == candidate.profile.name => {}
            Some(known) if known.score >= candidate.score => known.alike.push(candidate.profile.name.clone()),
            Some(known) => {
                let weaker = std::mem::replace(known, candidate);
                known.alike = weaker.alike;
                known.alike.push(weaker.profile.name.clone());
            }
            None => found.push(candidate),
        }
    }
    // What the meter says of itself goes before what is plausible.
    let rank = |it: &Candidate| (it.sureness, it.score, it.profile.confirmed);
    found.sort_by_key(|candidate| std::cmp::Reverse(rank(candidate)));
    let second = found.get(1).map_or(i32::MIN, |next| next.score);
    if let Some(best) = found.first_mut().filter(|best| best.sureness == Confidence::Possible) {
        let ahead = second == i32::MIN || best.score - second >= LEAD;
        if ahead && best.score >= CONVINCING {
            best.sureness = Confidence::Likely;
        }
    }
    found
}

fn same_registers(left: &Profile, right: &Profile) -> bool {
    left.power == right.power && left.energy == right.energy && left.location == right.location
}

/// One profile's case; `None` where its values cannot be.
fn candidate(said: ProfileReading, clues: &Clues<'_>) -> Option<Candidate> {
    let ProfileReading { profile, first, later, phases, recognised, wrongly_set } = said;
    let mut case = Assessment::default();
    let power = first.values.power?;
    let energy = first.values.register;
    if profile.has_counter() && energy.is_none() || energy.is_some_and(|energy| energy.value.get() > MOST_ENERGY) {
        return None;
    }
    let limit = profile.max_power.map_or(MOST_POWER, |rating| rating.0.saturating_mul(6) / 5);
    if power.0.saturating_abs() > limit.max(MOST_POWER) {
        return None;
    }
    case.add(power.0.abs() > limit, -4, "its power is above the rating");
    case.add((1000..=limit).contains(&power.0.abs()), 2, "a power that it can have");
    case.add(energy.is_some_and(|energy| energy.value.get() >= 1_000_000), 2, "a counter that has counted");
    case.add(profile.energy.is_none(), -1, "it has no counter to judge by");
    if let Some((later, elapsed)) = later {
        let now = later.values;
        case.summed(now.power, phases);
        case.counted(energy, now.register, [first.values.power, now.power], elapsed)?;
    }
    let mains = clues.mains.filter(|mains| {
        let number = &profile.power.terms[0];
        mains.function == number.range.function && mains.format == number.format
    });
    case.add(
        mains.is_some(),
        3,
        &format!("the mains shows in its format: {}", mains.map(Mains::words).unwrap_or_default()),
    );
    case.add(clues.baud.is_some() && clues.baud == profile.serial_defaults.baud, 1, "its factory baud rate");
    case.add(recognised, 20, "the registers that tell it from others say so");
    if let Some(why) = &wrongly_set {
        case.add(true, -2, &format!("it is not set as it must be: {why}"));
    }
    let named = names(&profile, clues.names);
    let sureness = match named {
        NameMatch::Nothing if recognised => Confidence::Certain,
        NameMatch::Nothing => Confidence::Possible,
        NameMatch::Vendor => {
            case.add(true, 4, "the meter names its vendor");
            if recognised { Confidence::Certain } else { Confidence::Possible }
        }
        // Of two models whose names begin alike the longer one is meant.
        NameMatch::Model(letters) => {
            case.add(true, 20 + letters, "the meter names itself");
            Confidence::Certain
        }
    };
    Some(Candidate {
        profile,
        alike: Vec::new(),
        sureness,
        score: case.score,
        reasons: case.reasons,
        power: Some(power),
        energy: energy.map(|energy| energy.value),
        serial: first.values.serial,
    })
}

#[derive(Debug, Default)]
struct Assessment {
    score: i32,
    reasons: Vec<String>,
}

impl Assessment {
    fn add(&mut self, so: bool, worth: i32, reason: &str) {
        if so {
            self.score += worth;
            self.reasons.push(reason.to_owned());
        }
    }

    /// Whether the power is the sum of its phases, within what changes between two readings.
    fn summed(&mut self, power: Option<Milliwatts>, phases: Option<Milliwatts>) {
        let Some((power, phases)) = power.zip(phases).filter(|(_, phases)| phases.0 != 0) else { return };
        let near = power.0.abs_diff(phases.0) <= APART.max(phases.0.unsigned_abs() / 10);
        self.add(near, 4, "its power is the sum of its phases");
        self.add(!near, -6, "its power is not the sum of its phases");
    }

    /// How the counter moved against what the power explains; `None` where it fell, which no counter does.
    fn counted(
        &mut self,
        before: Option<Register>,
        after: Option<Register>,
        powers: [Option<Milliwatts>; 2],
        elapsed: Duration,
    ) -> Option<()> {
        let (Some(before), Some(after)) = (before, after) else { return Some(()) };
        let (first, last, step) = (before.value.get(), after.value.get(), after.step.get() as f64);
        if (last as f64) < first as f64 - step {
            return None;
        }
        let hours = elapsed.as_secs_f64() / 3600.0;
        let watts = powers.map(|power| power.map_or(0.0, |power| power.consumed().0 as f64));
        let (low, high) = (watts[0].min(watts[1]) * hours * 0.7, watts[0].max(watts[1]) * hours * 1.3);
        let rise = last.saturating_sub(first) as f64;
        self.add(rise > high + 2.0 * step, -6, "its counter rises more than its power explains");
        self.add(rise + 2.0 * step < low, -6, "its counter rises less than its power says");
        let fits = rise > 0.0 && rise + 2.0 * step >= low && rise <= high + 2.0 * step;
        self.add(fits && low > 2.0 * step, 5, "its counter rises as its power says");
        self.add(fits && low <= 2.0 * step, 1, "its counter rises");
        Some(())
    }
}

/// What of a profile a meter says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameMatch {
    Nothing,
    Vendor,
    /// And how many letters of it.
    Model(i32),
}

fn names(profile: &Profile, said: &[String]) -> NameMatch {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let said: String = said.iter().map(|text| plain(text)).collect::<Vec<_>>().join(" ");
    let says = |text: &str| {
        let text = plain(text);
        text.len() >= 3 && said.contains(&text)
    };
    let names = profile.aliases.iter().chain([&profile.name]);
    let models = names.filter_map(|name| name.as_str().split_once('-')).map(|(_, model)| model);
    let said_models = models.chain([profile.model.as_str()]).filter(|model| says(model));
    match said_models.map(|model| plain(model).len() as i32).max() {
        Some(letters) => NameMatch::Model(letters),
        None if says(&profile.vendor) => NameMatch::Vendor,
        None => NameMatch::Nothing,
    }
}

#[cfg(test)]
mod tests;
