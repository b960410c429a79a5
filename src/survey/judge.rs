//! Assesses how well each profile fits a meter's answers, and how certain that is. Pure.

use std::sync::Arc;
use std::time::Duration;

use super::mains::Mains;
use crate::meter::{Decoded, Profile, Quantity};
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

/// Why values cannot be those of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Contradiction {
    #[error("it has no power or no counter in the registers of this profile")]
    NoValue,
    #[error("its power is more than 1 MW and more than its rating")]
    ImpossiblePower,
    #[error("its counter is above 1 GWh")]
    ImpossibleCounter,
    #[error("its counter falls")]
    FallingCounter,
    #[error("its counter rises more than its power explains")]
    RisesTooFast,
    #[error("its counter does not rise although its power is not 0")]
    StandsStill,
    #[error("its power is not the sum of its phases")]
    NotTheSum,
    #[error("its power is a register with the mains voltage or frequency")]
    IsMains,
}

/// How far the values of a profile have proved that they belong together. Only these two orders matter more than the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Proof {
    /// Power and counter are 0: nothing is known.
    Zero,
    /// Possible values.
    Possible,
    /// The counter rises as the power predicts, or the power is the sum of its phases.
    Physics,
}

/// In mWh: 1 GWh, more than 1000 years at 100 kW.
const MAX_ENERGY: u64 = 1_000_000_000_000;
/// In mW: 1 MW, for profiles without a rating. Meters behind current transformers rarely show more.
const MAX_POWER: i64 = 1_000_000_000;
/// In mW: allowed difference between the power and the sum of its phases, which are not read at the same time.
const PHASE_TOLERANCE: u64 = 100_000;
/// Some meters update their counter once a minute only.
const COUNTER_INTERVAL: Duration = Duration::from_secs(60);
/// A profile is likely with this lead over the next one and at least this score, if physics has proved it.
const LEAD: i32 = 3;
const CONVINCING: i32 = 4;

/// The profiles with possible values, the best first, and why a profile was excluded whose identity registers match.
pub(super) fn candidates(readings: Vec<ProfileReading>, facts: &MeterFacts<'_>) -> (Vec<Candidate>, Vec<String>) {
    let (mut found, mut notes): (Vec<(Proof, Candidate)>, Vec<String>) = (Vec::new(), Vec::new());
    // Of two profiles with the same registers, the better confirmed one is named.
    let merit = |candidate: &Candidate| (candidate.score, candidate.profile.confirmed);
    let three_phase = three_phase_profiles(&readings);
    for reading in readings {
        let (name, identified) = (reading.profile.name.clone(), reading.identified);
        let (proof, mut candidate) = match candidate(reading, facts) {
            Ok(assessed) => assessed,
            Err(why) if identified => {
                notes.push(format!("its identity registers match {name}, but {why}: check its settings"));
                continue;
            }
            Err(_) => continue,
        };
        if let Some(whole) = three_phase.iter().find(|whole| reads_one_phase(&candidate.profile, whole)) {
            candidate.score -= 6;
            candidate.reasons.push(format!(
                "its power is the first phase of a meter with three, as {} reads it: that profile reads all of them",
                whole.name
            ));
        }
        match found.iter_mut().find(|(_, known)| same_registers(&known.profile, &candidate.profile)) {
            Some((_, known)) if known.profile.name == candidate.profile.name => {}
            Some((_, known)) if merit(known) >= merit(&candidate) => known.alike.push(candidate.profile.name.clone()),
            Some((_, known)) => {
                let weaker = std::mem::replace(known, candidate);
                known.alike = weaker.alike;
                known.alike.push(weaker.profile.name.clone());
            }
            None => found.push((proof, candidate)),
        }
    }
    // Identification comes before physics, and physics before plausible values.
    let rank = |(proof, it): &(Proof, Candidate)| (it.confidence, *proof, it.score, it.profile.confirmed);
    found.sort_by_key(|candidate| std::cmp::Reverse(rank(candidate)));
    let second = found.get(1).map_or(i32::MIN, |(_, next)| next.score);
    if let Some((Proof::Physics, best)) = found.first_mut()
        && best.confidence == Confidence::Possible
        && best.score >= CONVINCING.max(second.saturating_add(LEAD))
    {
        best.confidence = Confidence::Likely;
    }
    (found.into_iter().map(|(_, candidate)| candidate).collect(), notes)
}

/// The profiles of three-phase meters whose power is the sum of the phases that this meter has.
fn three_phase_profiles(readings: &[ProfileReading]) -> Vec<Arc<Profile>> {
    let is_sum = |reading: &&ProfileReading| {
        let power = reading.later.as_ref().and_then(|(later, _)| later.values.power);
        let (Some(power), Some(phases)) = (power, reading.phases) else { return false };
        let moved = reading.first.values.power.map_or(0, |first| first.0.abs_diff(power.0));
        phases.0 != 0 && power.0.abs_diff(phases.0) <= PHASE_TOLERANCE.max(phases.0.unsigned_abs() / 10) + moved
    };
    readings.iter().filter(is_sum).map(|reading| reading.profile.clone()).collect()
}

/// Whether the power of `profile` is that of one phase of the other.
fn reads_one_phase(profile: &Profile, three_phase: &Profile) -> bool {
    let [power] = &profile.power.terms[..] else { return false };
    let phases = three_phase.phase_power.as_ref().filter(|phases| phases.terms.len() == 3);
    let same = |term: &crate::meter::Number| term.range == power.range && term.format == power.format;
    phases.is_some_and(|phases| phases.terms.iter().any(same))
}

fn same_registers(left: &Profile, right: &Profile) -> bool {
    let registers =
        |profile: &Profile| profile.energy.clone().map(|energy| Quantity { phase_by_phase: false, ..energy });
    left.power == right.power && registers(left) == registers(right) && left.location == right.location
}

/// The assessment of one profile.
fn candidate(reading: ProfileReading, facts: &MeterFacts<'_>) -> Result<(Proof, Candidate), Contradiction> {
    let ProfileReading { profile, first, later, phases, identified, wrong_setting } = reading;
    let mut assessment = Assessment { identified, ..Assessment::default() };
    let power = first.values.power.ok_or(Contradiction::NoValue)?;
    let energy = first.values.register;
    if profile.has_counter() && energy.is_none() {
        return Err(Contradiction::NoValue);
    }
    if energy.is_some_and(|energy| energy.value.get() > MAX_ENERGY) {
        return Err(Contradiction::ImpossibleCounter);
    }
    let limit = profile.max_power.map_or(MAX_POWER, |rating| rating.0.saturating_mul(6) / 5);
    if power.0.saturating_abs() > limit.max(MAX_POWER) {
        return Err(Contradiction::ImpossiblePower);
    }
    assessment.add(power.0.abs() > limit, -4, "its power is above its rating");
    assessment.add((1000..=limit).contains(&power.0.abs()), 2, "its power is plausible");
    assessment.add(energy.is_some_and(|energy| energy.value.get() >= 1_000_000), 2, "its counter shows 1 Wh or more");
    assessment.add(profile.energy.is_none(), -1, "its profile has no counter");
    let zero = power.0 == 0 && energy.is_none_or(|energy| energy.value.get() == 0);
    assessment.add(
        zero,
        0,
        "power and counter are 0: switch on a load of 1 kW or more, and scan again with --watch 1m",
    );
    if let Some((later, elapsed)) = later {
        let now = later.values;
        let powers = [power, now.power.unwrap_or(power)];
        assessment.compare_phases(powers, phases)?;
        assessment.compare_counter(energy, now.register, powers, elapsed)?;
    }
    if facts.mains.is_some_and(|mains| mains.is_at(profile.power.terms[0].range)) && !assessment.proved {
        assessment.contradict(Contradiction::IsMains)?;
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
    let proof = match (assessment.proved, zero) {
        (true, _) => Proof::Physics,
        (false, false) => Proof::Possible,
        (false, true) => Proof::Zero,
    };
    let candidate = Candidate {
        profile,
        alike: Vec::new(),
        confidence,
        score: assessment.score,
        reasons: assessment.reasons,
        power: Some(power),
        energy: energy.map(|energy| energy.value),
        serial: first.values.serial,
    };
    Ok((proof, candidate))
}

/// The collected evidence.
#[derive(Debug, Default)]
struct Assessment {
    identified: bool,
    proved: bool,
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

    /// Excludes the profile; if the meter identifies itself, the contradiction is only shown.
    fn contradict(&mut self, why: Contradiction) -> Result<(), Contradiction> {
        if !self.identified {
            return Err(why);
        }
        self.add(true, -6, &why.to_string());
        Ok(())
    }

    /// Compares the power with the sum of its phases. The power may change between these requests as much as it did before.
    fn compare_phases(&mut self, powers: [Milliwatts; 2], phases: Option<Milliwatts>) -> Result<(), Contradiction> {
        let Some(phases) = phases.filter(|phases| phases.0 != 0) else { return Ok(()) };
        let allowed = PHASE_TOLERANCE.max(phases.0.unsigned_abs() / 10) + powers[0].0.abs_diff(powers[1].0);
        if powers[1].0.abs_diff(phases.0) > allowed {
            return self.contradict(Contradiction::NotTheSum);
        }
        self.proved = true;
        self.add(true, 4, "its power is the sum of its phases");
        Ok(())
    }

    /// Compares the rise of the counter with the power.
    fn compare_counter(
        &mut self,
        before: Option<Register>,
        after: Option<Register>,
        powers: [Milliwatts; 2],
        elapsed: Duration,
    ) -> Result<(), Contradiction> {
        let (Some(before), Some(after)) = (before, after) else { return Ok(()) };
        let (first, last, step) = (before.value.get(), after.value.get(), after.step.get() as f64);
        if (last as f64) < first as f64 - step {
            return Err(Contradiction::FallingCounter);
        }
        let rise = last.saturating_sub(first) as f64;
        if powers.iter().any(|power| power.0 < 0) {
            let hint = "its counter rises while power is negative: is this the export counter, or are the current transformers reversed?";
            self.add(rise > step, 0, hint);
            return Ok(());
        }
        let energy = |milliwatts: i64, time: Duration| milliwatts as f64 * time.as_secs_f64() / 3600.0;
        let (least, most) = (powers[0].0.min(powers[1].0), powers[0].0.max(powers[1].0));
        let (low, high) = (energy(least, elapsed) * 0.7, energy(most, elapsed) * 1.3);
        if rise > energy(most, elapsed + COUNTER_INTERVAL) * 1.3 + 2.0 * step {
            return self.contradict(Contradiction::RisesTooFast);
        }
        if rise == 0.0 && elapsed > COUNTER_INTERVAL && low > 2.0 * step {
            return self.contradict(Contradiction::StandsStill);
        }
        // Within its interval a counter may stand still, or rise by a whole interval at once: that is no evidence.
        let is_long = elapsed >= COUNTER_INTERVAL;
        self.add(is_long && rise > high + 2.0 * step, -6, "its counter rises more than its power explains");
        self.add(is_long && rise + 2.0 * step < low, -6, "its counter rises less than its power explains");
        let fits = rise > 0.0 && rise + 2.0 * step >= low && rise <= high + 2.0 * step;
        self.proved |= fits && low > 2.0 * step;
        self.add(fits && low > 2.0 * step, 5, "its counter rises as its power predicts");
        self.add(fits && low <= 2.0 * step, 1, "its counter rises");
        Ok(())
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
