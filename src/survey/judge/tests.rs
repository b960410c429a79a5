//! Meters of known models, read with the built-in profiles.

use super::*;
use crate::meter::{Answers, Installation, ReadPlan, library};
use crate::units::MilliwattHours;

fn profile(name: &str) -> Arc<Profile> {
    library().find(name).unwrap().profile.clone()
}

fn values(power: i64, energy: u64) -> Decoded {
    let profile = profile("eastron-sdm630");
    let mut decoded = ReadPlan::new(&profile, &Installation::default()).decode(&Answers::new());
    decoded.values.power = Some(Milliwatts(power));
    let [value, step] = [energy, 1_000].map(|it| MilliwattHours::new(it).unwrap());
    decoded.values.register = Some(Register { value, step });
    decoded
}

/// A profile that reads this power and energy, and 60 s later the energy `later`.
fn profile_reading(name: &str, power: i64, energy: u64, later: u64) -> ProfileReading {
    let later = (values(power, later), Duration::from_secs(60));
    let first = values(power, energy);
    ProfileReading {
        profile: profile(name),
        first,
        later: Some(later),
        phases: None,
        recognised: false,
        wrongly_set: None,
    }
}

fn judged(readings: Vec<ProfileReading>, names: &[&str]) -> Vec<Candidate> {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    candidates(readings, &Clues { names: &names, ..Clues::default() })
}

#[test]
fn the_counter_decides_between_profiles_that_share_it() {
    // 6 kW in total; the other profile reads the 2 kW of one phase as the total; 100 Wh in a minute.
    let all = profile_reading("eastron-sdm630", 6_000_000, 5_000_000_000, 5_000_100_000);
    let one = profile_reading("eastron-sdm120", 2_000_000, 5_000_000_000, 5_000_100_000);
    let found = judged(vec![one, all], &[]);
    assert_eq!((found[0].profile.name.as_str(), found[0].sureness), ("eastron-sdm630", Confidence::Likely));
    assert!(found[0].reasons.iter().any(|reason| reason.contains("as its power says")));
    assert!(found[1].reasons.iter().any(|reason| reason.contains("more than its power explains")));
}

#[test]
fn a_falling_or_impossible_counter_excludes_a_profile() {
    assert_eq!(judged(vec![profile_reading("eastron-sdm630", 1_000_000, 5_000_000_000, 4_000_000_000)], &[]), []);
    assert_eq!(judged(vec![profile_reading("eastron-sdm630", 1_000_000, MOST_ENERGY + 1, MOST_ENERGY + 1)], &[]), []);
    assert_eq!(judged(vec![profile_reading("eastron-sdm630", MOST_POWER * 2, 1, 1)], &[]), []);
    let mut without = profile_reading("eastron-sdm630", 1_000_000, 5, 5);
    without.first.values.register = None;
    assert_eq!(judged(vec![without], &[]), []);
}

#[test]
fn profiles_with_equal_registers_are_one_candidate() {
    let names = ["eastron-sdm120", "eastron-sdm220", "eastron-sdm230"];
    let found = judged(names.map(|name| profile_reading(name, 500_000, 9_000_000, 9_008_000)).into(), &[]);
    assert_eq!((found.len(), found[0].alike.len()), (1, 2), "{found:?}");
}

#[test]
fn the_identification_of_a_meter_ranks_first() {
    let all = || vec![profile_reading("eastron-sdm72d", 0, 0, 0), profile_reading("eastron-sdm120", 0, 0, 0)];
    let found = judged(all(), &["Eastron", "SDM-120 Modbus"]);
    assert_eq!((found[0].profile.name.as_str(), found[0].sureness), ("eastron-sdm120", Confidence::Certain));
    assert_eq!(judged(all(), &["Eastron"])[0].sureness, Confidence::Possible);
    assert_eq!(judged(all(), &["", "x"])[0].sureness, Confidence::Possible);
}

#[test]
fn identity_registers_and_phases_distinguish_models() {
    let mut right = profile_reading("eastron-sdm120", 0, 0, 0);
    right.recognised = true;
    let found = judged(vec![profile_reading("eastron-sdm630", 3_000_000, 9_000_000, 9_050_000), right], &[]);
    assert_eq!((found[0].profile.name.as_str(), found[0].sureness), ("eastron-sdm120", Confidence::Certain));
    let with = |phases| {
        let reading = profile_reading("eastron-sdm630", 3_000_000, 9_000_000, 9_050_000);
        judged(vec![ProfileReading { phases: Some(Milliwatts(phases)), ..reading }], &[]).remove(0)
    };
    assert!(with(3_010_000).reasons.iter().any(|reason| reason.contains("is the sum")));
    assert!(with(3_010_000).score > with(1_000_000).score);
}

#[test]
fn a_meter_that_stays_at_zero_gives_no_certainty() {
    let found = judged(
        vec![profile_reading("eastron-sdm630", 0, 0, 0), profile_reading("peacefair-pzem-004t-v3", 0, 0, 0)],
        &[],
    );
    assert!(found.iter().all(|candidate| candidate.sureness == Confidence::Possible), "{found:?}");
}

#[test]
fn the_identification_of_a_meter_outweighs_plausibility() {
    // The counter does not move although 50 Wh were consumed, the phases do not add up, a setting is wrong, but the meter identifies itself.
    let mut named = profile_reading("eastron-sdm120", 3_000_000, 9_000_000, 9_000_000);
    (named.recognised, named.phases) = (true, Some(Milliwatts(500_000)));
    named.wrongly_set = Some("application A".to_owned());
    let mut plausible = profile_reading("eastron-sdm630", 3_000_000, 9_000_000, 9_050_000);
    plausible.phases = Some(Milliwatts(3_000_000));
    let found = judged(vec![plausible, named], &[]);
    assert!(found[1].score > found[0].score, "{found:?}");
    assert_eq!((found[0].profile.name.as_str(), found[0].sureness), ("eastron-sdm120", Confidence::Certain));
}
