//! Assesses how well each profile fits a meter's answers, and how certain that is. Pure.

use std::sync::Arc;
use std::time::Duration;

use super::mains::Mains;
use crate::meter::{Decoded, Profile};
use crate::reading::Register;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// How certain it is that the meter has this profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Its values are possible; other profiles may fit as well.
    Possible,
    /// It fits better than any other profile.
    Likely,
    /// The meter identifies itself.
    Certain,
}

/// A profile whose registers the meter has, with possible values.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The profile, with the selected map.
    pub profile: Arc<Profile>,
    /// Other profiles that read the same registers in the same way.
    pub alike: Vec<Name>,
    /// How certain it is.
    pub confidence: Confidence,
    /// The sum of the evidence: above 0 for the profile, below 0 against it.
    pub score: i32,
    /// The evidence for and against the profile, as text.
    pub reasons: Vec<String>,
    /// Active power in mW, from the first read.
    pub power: Option<Milliwatts>,
    /// The energy counter in mWh, from the first read.
    pub energy: Option<MilliwattHours>,
    /// The serial number, where the profile has one.
    pub serial: Option<String>,
}

/// The values that one profile reads from the meter, at first and some time later.
#[derive(Clone, Debug)]
pub(super) struct ProfileReading {
    pub(super) profile: Arc<Profile>,
    pub(super) first: Decoded,
    pub(super) later: Option<(Decoded, Duration)>,
    /// The sum of the power of the phases, read with the later values.
    pub(super) phases: Option<Milliwatts>,
    /// The identity registers match the profile.
    pub(super) identified: bool,
    /// The wrong setting of the meter, and the right one.
    pub(super) wrong_setting: Option<String>,
}

/// What is known about the meter without its profile.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MeterFacts<'a> {
    /// Its identification strings.
    pub(super) names: &'a [String],
    pub(super) mains: Option<&'a Mains>,
    /// The baud rate of a serial line.
    pub(super) baud: Option<u32>,
}

/// In mWh: 1 GWh, more than 1000 years at 100 kW.
const MAX_ENERGY: u64 = 1_000_000_000_000;
/// In mW: 1 MW, for profiles without a rating. Meters behind current transformers rarely show more.
const MAX_POWER: i64 = 1_000_000_000;
/// In mW: allowed difference between the power and the sum of its phases, which are not read at the same time.
const PHASE_TOLERANCE: u64 = 100_000;
/// A profile is likely with this lead over the next one and at least this score.
const LEAD: i32 = 3;
const CONVINCING: i32 = 4;

/// The profiles with possible values, the best first.
pub(super) fn candidates(readings: Vec<ProfileReading>, facts: &MeterFacts<'_>) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for reading in readings {
        let Some(candidate) = candidate(reading, facts) else { continue };
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
    // Identification comes before plausible values.
    let rank = |it: &Candidate| (it.confidence, it.score, it.profile.confirmed);
    found.sort_by_key(|candidate| std::cmp::Reverse(rank(candidate)));
    let second = found.get(1).map_or(i32::MIN, |next| next.score);
    if let Some(best) = found.first_mut().filter(|best| best.confidence == Confidence::Possible) {
        let ahead = second == i32::MIN || best.score - second >= LEAD;
        if ahead && best.score >= CONVINCING {
            best.confidence = Confidence::Likely;
        }
    }
    found
}

fn same_registers(left: &Profile, right: &Profile) -> bool {
    left.power == right.power && left.energy == right.energy && left.location == right.location
}

/// The assessment of one profile; `None` if its values are impossible.
fn candidate(reading: ProfileReading, facts: &MeterFacts<'_>) -> Option<Candidate> {
    let ProfileReading { profile, first, later, phases, identified, wrong_setting } = reading;
    let mut assessment = Assessment::default();
    let power = first.values.power?;
    let energy = first.values.register;
    if profile.has_counter() && energy.is_none() || energy.is_some_and(|energy| energy.value.get() > MAX_ENERGY) {
        return None;
    }
    let limit = profile.max_power.map_or(MAX_POWER, |rating| rating.0.saturating_mul(6) / 5);
    if power.0.saturating_abs() > limit.max(MAX_POWER) {
        return None;
    }
    assessment.add(power.0.abs() > limit, -4, "its power is above its rating");
    assessment.add((1000..=limit).contains(&power.0.abs()), 2, "its power is plausible");
    assessment.add(energy.is_some_and(|energy| energy.value.get() >= 1_000_000), 2, "its counter shows 1 Wh or more");
    assessment.add(profile.energy.is_none(), -1, "its profile has no counter");
    if let Some((later, elapsed)) = later {
        let now = later.values;
        assessment.compare_phases(now.power, phases);
        assessment.compare_counter(energy, now.register, [first.values.power, now.power], elapsed)?;
    }
    let mains = facts.mains.filter(|mains| {
        let number = &profile.power.terms[0];
        mains.function == number.range.function && mains.format == number.format
    });
    assessment.add(
        mains.is_some(),
        3,
        &format!("mains voltage decodes correctly: {}", mains.map(Mains::words).unwrap_or_default()),
    );
    assessment.add(
        facts.baud.is_some() && facts.baud == profile.serial_defaults.baud,
        1,
        "the line has its factory baud rate",
    );
    assessment.add(identified, 20, "its identity registers match");
    if let Some(why) = &wrong_setting {
        assessment.add(true, -2, &format!("a setting of the meter is wrong: {why}"));
    }
    let named = match_names(&profile, facts.names);
    let confidence = match named {
        NameMatch::Nothing if identified => Confidence::Certain,
        NameMatch::Nothing => Confidence::Possible,
        NameMatch::Vendor => {
            assessment.add(true, 4, "the meter reports its vendor");
            if identified { Confidence::Certain } else { Confidence::Possible }
        }
        // If one model's name is the start of another's, the longer one wins.
        NameMatch::Model(letters) => {
            assessment.add(true, 20 + letters, "the meter reports its model");
            Confidence::Certain
        }
    };
    Some(Candidate {
        profile,
        alike: Vec::new(),
        confidence,
        score: assessment.score,
        reasons: assessment.reasons,
        power: Some(power),
        energy: energy.map(|energy| energy.value),
        serial: first.values.serial,
    })
}

/// The collected evidence.
#[derive(Debug, Default)]
struct Assessment {
    score: i32,
    reasons: Vec<String>,
}

impl Assessment {
    fn add(&mut self, applies: bool, points: i32, reason: &str) {
        if applies {
            self.score += points;
            self.reasons.push(reason.to_owned());
        }
    }

    /// Compares the power with the sum of its phases.
    fn compare_phases(&mut self, power: Option<Milliwatts>, phases: Option<Milliwatts>) {
        let Some((power, phases)) = power.zip(phases).filter(|(_, phases)| phases.0 != 0) else { return };
        let near = power.0.abs_diff(phases.0) <= PHASE_TOLERANCE.max(phases.0.unsigned_abs() / 10);
        self.add(near, 4, "its power is the sum of its phases");
        self.add(!near, -6, "its power is not the sum of its phases");
    }

    /// Compares the rise of the counter with the power. `None` if the counter fell.
    fn compare_counter(
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
        self.add(rise + 2.0 * step < low, -6, "its counter rises less than its power explains");
        let fits = rise > 0.0 && rise + 2.0 * step >= low && rise <= high + 2.0 * step;
        self.add(fits && low > 2.0 * step, 5, "its counter rises as its power predicts");
        self.add(fits && low <= 2.0 * step, 1, "its counter rises");
        Some(())
    }
}

/// How far a meter's identification strings match a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameMatch {
    Nothing,
    Vendor,
    /// With the length of the model's name.
    Model(i32),
}

fn match_names(profile: &Profile, texts: &[String]) -> NameMatch {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let texts: String = texts.iter().map(|text| plain(text)).collect::<Vec<_>>().join(" ");
    let contains = |text: &str| {
        let text = plain(text);
        text.len() >= 3 && texts.contains(&text)
    };
    let names = profile.aliases.iter().chain([&profile.name]);
    let models = names.filter_map(|name| name.as_str().split_once('-')).map(|(_, model)| model);
    let matching = models.chain([profile.model.as_str()]).filter(|model| contains(model));
    match matching.map(|model| plain(model).len() as i32).max() {
        Some(letters) => NameMatch::Model(letters),
        None if contains(&profile.vendor) => NameMatch::Vendor,
        None => NameMatch::Nothing,
    }
}

#[cfg(test)]
mod tests;
