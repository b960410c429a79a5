//! Assessment of the built-in profiles for meters of known models.

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

/// The profile reads this power and energy, and 60 s later the energy `later`.
fn reading(name: &str, power: i64, energy: u64, later: u64) -> ProfileReading {
    let later = (values(power, later), Duration::from_secs(60));
    let first = values(power, energy);
    ProfileReading {
        profile: profile(name),
        first,
        later: Some(later),
        phases: None,
        identified: false,
        wrong_setting: None,
    }
}

fn assessed(readings: Vec<ProfileReading>, names: &[&str]) -> Vec<Candidate> {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    candidates(readings, &MeterFacts { names: &names, ..MeterFacts::default() })
}

#[test]
fn the_counter_decides_between_profiles_that_share_it() {
    // 6 kW in total, 2 kW of it on the phase that the other profile takes for the total; 100 Wh in a minute.
    let all = reading("eastron-sdm630", 6_000_000, 5_000_000_000, 5_000_100_000);
    let one = reading("eastron-sdm120", 2_000_000, 5_000_000_000, 5_000_100_000);
    let found = assessed(vec![one, all], &[]);
    assert_eq!((found[0].profile.name.as_str(), found[0].confidence), ("eastron-sdm630", Confidence::Likely));
    assert!(found[0].reasons.iter().any(|reason| reason.contains("as its power predicts")));
    assert!(found[1].reasons.iter().any(|reason| reason.contains("more than its power explains")));
}

#[test]
fn a_falling_or_impossible_value_excludes_a_profile() {
    assert_eq!(assessed(vec![reading("eastron-sdm630", 1_000_000, 5_000_000_000, 4_000_000_000)], &[]), []);
    assert_eq!(assessed(vec![reading("eastron-sdm630", 1_000_000, MAX_ENERGY + 1, MAX_ENERGY + 1)], &[]), []);
    assert_eq!(assessed(vec![reading("eastron-sdm630", MAX_POWER * 2, 1, 1)], &[]), []);
    let mut without = reading("eastron-sdm630", 1_000_000, 5, 5);
    without.first.values.register = None;
    assert_eq!(assessed(vec![without], &[]), []);
}

#[test]
fn equal_registers_are_one_candidate() {
    let names = ["eastron-sdm120", "eastron-sdm220", "eastron-sdm230"];
    let found = assessed(names.map(|name| reading(name, 500_000, 9_000_000, 9_008_000)).into(), &[]);
    assert_eq!((found.len(), found[0].alike.len()), (1, 2), "{found:?}");
}

#[test]
fn a_model_reported_by_the_meter_comes_first() {
    let all = || vec![reading("eastron-sdm72d", 0, 0, 0), reading("eastron-sdm120", 0, 0, 0)];
    let found = assessed(all(), &["Eastron", "SDM-120 Modbus"]);
    assert_eq!((found[0].profile.name.as_str(), found[0].confidence), ("eastron-sdm120", Confidence::Certain));
    assert_eq!(assessed(all(), &["Eastron"])[0].confidence, Confidence::Possible);
    assert_eq!(assessed(all(), &["", "x"])[0].confidence, Confidence::Possible);
}

#[test]
fn identity_registers_and_phases_distinguish_models() {
    let mut right = reading("eastron-sdm120", 0, 0, 0);
    right.identified = true;
    let found = assessed(vec![reading("eastron-sdm630", 3_000_000, 9_000_000, 9_050_000), right], &[]);
    assert_eq!((found[0].profile.name.as_str(), found[0].confidence), ("eastron-sdm120", Confidence::Certain));
    let with = |phases| {
        let read = reading("eastron-sdm630", 3_000_000, 9_000_000, 9_050_000);
        assessed(vec![ProfileReading { phases: Some(Milliwatts(phases)), ..read }], &[]).remove(0)
    };
    assert!(with(3_010_000).reasons.iter().any(|reason| reason.contains("is the sum")));
    assert!(with(3_010_000).score > with(1_000_000).score);
}

#[test]
fn a_meter_at_zero_gives_only_possible_profiles() {
    let found = assessed(vec![reading("eastron-sdm630", 0, 0, 0), reading("peacefair-pzem-004t-v3", 0, 0, 0)], &[]);
    assert!(found.iter().all(|candidate| candidate.confidence == Confidence::Possible), "{found:?}");
}

#[test]
fn identification_comes_before_plausible_values() {
    // Its counter does not rise, its power is not the sum of its phases, and a setting is wrong; but it identifies itself.
    let mut named = reading("eastron-sdm120", 3_000_000, 9_000_000, 9_000_000);
    (named.identified, named.phases) = (true, Some(Milliwatts(500_000)));
    named.wrong_setting = Some("application A".to_owned());
    let mut plausible = reading("eastron-sdm630", 3_000_000, 9_000_000, 9_050_000);
    plausible.phases = Some(Milliwatts(3_000_000));
    let found = assessed(vec![plausible, named], &[]);
    assert!(found[1].score > found[0].score, "{found:?}");
    assert_eq!((found[0].profile.name.as_str(), found[0].confidence), ("eastron-sdm120", Confidence::Certain));
}
