//! Profiles with the addresses of a chain, and their read plans.

use proptest::prelude::*;

use super::*;
use crate::meter::{Answers, Installation, ReadPlan, library};

fn sunspec() -> Arc<Profile> {
    library().find("sunspec-meter").unwrap().profile.clone()
}

/// These models one after the other from 40002 on.
fn walked(models: &[(u16, u16)]) -> Walked {
    let mut start = 40002;
    let models = models.iter().map(|(id, length)| {
        let model = Model { id: *id, start, length: *length };
        start += 2 + length;
        model
    });
    Walked { base: 40000, models: models.collect(), broken: None }
}

fn at(models: &[(u16, u16)]) -> Arc<Profile> {
    match sunspec().locate(&walked(models), None) {
        Located::At(profile) => profile,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_maps_that_the_chain_has_remain() {
    let names = |models: &[(u16, u16)]| {
        let profile = at(models);
        profile.maps.iter().map(|map| map.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[(1, 65), (203, 105)]), ["integer"]);
    assert_eq!(names(&[(1, 65), (213, 124)]), ["float"]);
    assert_eq!(names(&[(1, 65), (203, 105), (213, 124)]), ["integer", "float"]);
    assert_eq!(names(&[(1, 65), (203, 105), (213, 60)]), ["integer"], "a model that is too short is ignored");
}

#[test]
fn registers_follow_their_model_and_the_serial_number_its_common_model() {
    let profile = at(&[(1, 65), (103, 50), (1, 65), (203, 105)]);
    let plan = ReadPlan::new(&profile.maps[0].profile, &Installation::default());
    let range = |address, count| RegisterRange { function: Function::Holding, address, count };
    assert_eq!(plan.ranges(), [range(40188, 55)]);
    assert_eq!(plan.serial_ranges(), [range(40121 + 50, 16)]);
    let short = at(&[(1, 40), (203, 105)]);
    let plan = ReadPlan::new(&short.maps[0].profile, &Installation::default());
    assert_eq!(plan.serial_ranges(), [], "a Common model without one");
}

#[test]
fn a_plan_without_a_location_decodes_no_value() {
    let plan = ReadPlan::new(&sunspec(), &Installation::default());
    let answers: Answers = plan.ranges().iter().map(|range| (*range, vec![203; usize::from(range.count)])).collect();
    let decoded = plan.decode(&answers);
    assert!(decoded.chain_moved && decoded.values.power.is_none() && decoded.values.register.is_none());
    assert!(
        plan.definition().text.contains("[holding 0x002e u32"),
        "it means the same wherever it is: {}",
        plan.definition().text
    );
}

proptest! {
    /// In any chain every register of a located profile is within its model.
    #[test]
    fn nothing_is_read_beyond_its_model(models in prop::collection::vec((0_usize..6, 0_u16..150), 0..12), meter in prop::option::of(0_u8..4)) {
        let ids = [1, 103, 201, 203, 211, 213];
        let models: Vec<_> = models.into_iter().map(|(id, length)| (ids[id], length)).collect();
        let chain = walked(&models);
        if let Located::At(profile) = sunspec().locate(&chain, meter) {
            prop_assert!(!profile.maps.is_empty());
            for map in &profile.maps {
                let location = map.profile.location.unwrap();
                let plan = ReadPlan::new(&map.profile, &Installation::default());
                for range in plan.ranges().iter().copied().chain(plan.phase_ranges()) {
                    prop_assert!(range.address >= location.model.start && range.end() <= location.model.end(), "{range}");
                }
                for range in plan.serial_ranges() {
                    prop_assert!(range.end() <= location.common.unwrap().end());
                }
                prop_assert!(chain.models.contains(&location.model));
            }
        }
    }
}
