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
    candidates(readings, &MeterFacts { names: &names, ..MeterFacts::default() }).0
}

#[test]
fn the_counter_decides_between_profiles_that_share_it() {
    // 6 kW in total, 2 kW of it on the phase that the other profile takes for the total; 100 Wh in a minute.
    let all = reading("eastron-sdm630", 6_000_000, 5_000_000_000, 5_000_100_000);
    let one = reading("eastron-sdm120", 2_000_000, 5_000_000_000, 5_000_100_000);
    let found = assessed(vec![one, all], &[]);
    assert_eq!((found[0].profile.name.as_str(), found[0].confidence), ("eastron-sdm630", Confidence::Likely));
    assert!(found[0].reasons.iter().any(|reason| reason.contains("as its power predicts")));
    assert_eq!(
        found.len(),
        1,
        "2 kW do not explain 100 Wh in a minute, even where the counter is updated once a minute"
    );
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
fn a_physical_contradiction_excludes_a_profile_unless_the_meter_identifies_itself() {
    let still = || ProfileReading {
        later: Some((values(3_000_000, 9_000_000), Duration::from_secs(61))),
        ..reading("eastron-sdm630", 3_000_000, 9_000_000, 0)
    };
    assert_eq!(assessed(vec![still()], &[]), [], "3 kW for more than a minute move a counter");
    let phases = |watts| ProfileReading {
        phases: Some(Milliwatts(watts)),
        ..reading("eastron-sdm630", 3_000_000, 9_000_000, 9_050_000)
    };
    assert_eq!(assessed(vec![phases(1_000_000)], &[]), []);
    let found = assessed(vec![ProfileReading { identified: true, ..phases(1_000_000) }], &[]);
    assert_eq!(found[0].confidence, Confidence::Certain);
    assert!(found[0].reasons.contains(&"its power is not the sum of its phases".to_owned()), "{found:?}");

    let falling = || ProfileReading { identified: true, ..reading("eastron-sdm630", 1_000_000, 5_000_000_000, 1) };
    let (found, notes) = candidates(vec![falling()], &MeterFacts::default());
    assert_eq!((found, notes.len()), (Vec::new(), 1), "impossible values are never proposed");
    assert!(notes[0].contains("eastron-sdm630, but its counter falls"), "{notes:?}");
}

#[test]
fn a_profile_that_reads_zeros_ranks_below_one_with_values() {
    // Vendor and mains voltage are for the profile that reads zeros.
    let right = reading("peacefair-pzem-004t-v3", 500_000, 9_000_000, 9_008_000);
    let found = assessed(vec![reading("eastron-sdm630", 0, 0, 0), right], &["Eastron"]);
    assert_eq!(found[0].profile.name.as_str(), "peacefair-pzem-004t-v3", "{found:?}");
    assert!(found[1].reasons.iter().any(|reason| reason.contains("switch on a load")), "{found:?}");
}

#[test]
fn plausible_values_alone_are_never_likely() {
    let found = assessed(vec![reading("eastron-sdm630", 3_000_000, 9_000_000, 9_000_000)], &[]);
    assert_eq!(found[0].confidence, Confidence::Possible, "its counter has not risen: {found:?}");
}

#[test]
fn a_power_in_the_registers_of_a_voltage_is_excluded() {
    use crate::meter::{Function, RegisterRange};
    use crate::survey::samples::{RegisterSample, places};
    let block = RegisterRange { function: Function::Input, address: 0x30, count: 6 };
    let words = [230.1_f32, 229.4, 231.7].map(f32::to_bits).into_iter().flat_map(|it| [(it >> 16) as u16, it as u16]);
    let samples = [RegisterSample { answers: [(block, words.collect())].into(), ..RegisterSample::default() }];
    let mains = Mains::find(&samples, &places(&samples[0])).unwrap();
    let facts = MeterFacts { mains: Some(&mains), ..MeterFacts::default() };
    // The profile has its power at 0x0034.
    let still = reading("eastron-sdm630", 231_700, 9_000_000, 9_000_000);
    assert_eq!(candidates(vec![still], &facts).0, []);
}

#[test]
fn a_counter_that_rises_while_power_is_negative_gets_advice() {
    let found = assessed(vec![reading("eastron-sdm630", -6_000_000, 5_000_000_000, 5_000_100_000)], &[]);
    assert!(found[0].reasons.iter().any(|reason| reason.contains("is this the export counter")), "{found:?}");
    assert_eq!(found[0].confidence, Confidence::Possible);
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
    let read = reading("eastron-sdm630", 3_000_000, 9_000_000, 9_050_000);
    let found = assessed(vec![ProfileReading { phases: Some(Milliwatts(3_010_000)), ..read }], &[]);
    assert!(found[0].reasons.iter().any(|reason| reason.contains("is the sum")));
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

#[test]
fn a_short_watch_is_no_evidence_against_a_profile() {
    // A counter that is updated once a minute: within 5 s it stands still, or rises by a whole minute at once.
    let watched = |later, seconds| ProfileReading {
        later: Some((values(3_000_000, later), Duration::from_secs(seconds))),
        ..reading("eastron-sdm630", 3_000_000, 9_000_000, 0)
    };
    let against =
        |found: &[Candidate]| found[0].reasons.iter().any(|reason| reason.contains("than its power explains"));
    for later in [9_000_000, 9_001_000, 9_050_000] {
        assert!(!against(&assessed(vec![watched(later, 5)], &[])), "{later}");
    }
    assert!(against(&assessed(vec![watched(9_010_000, 60)], &[])), "a whole interval");
}

#[test]
fn a_profile_that_reads_one_phase_of_three_is_named_and_comes_last() {
    // All of the load is on the first phase, so that both profiles read the same power.
    let whole = || ProfileReading {
        phases: Some(Milliwatts(3_000_000)),
        ..reading("eastron-sdm630", 3_000_000, 9_000_000, 9_050_000)
    };
    let one = || reading("eastron-sdm120", 3_000_000, 9_000_000, 9_050_000);
    for readings in [vec![whole(), one()], vec![one(), whole()]] {
        let found = assessed(readings, &[]);
        assert_eq!((found[0].profile.name.as_str(), found[0].confidence), ("eastron-sdm630", Confidence::Likely));
        assert!(
            found[1].reasons.iter().any(|reason| reason.contains("the first phase of a meter with three")),
            "{found:?}"
        );
    }
    // A single-phase meter does not have the other phases.
    let single = reading("eastron-sdm630", 3_000_000, 9_000_000, 9_050_000);
    let found = assessed(vec![single, one()], &[]);
    assert!(found.iter().all(|it| !it.reasons.iter().any(|reason| reason.contains("first phase"))), "{found:?}");
}
