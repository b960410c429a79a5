use super::*;
use crate::meter::profile::tests::good;
use crate::units::MilliwattHours;

/// A selection among this many maps, on a connection of 10 kW.
fn selection(maps: usize) -> MapSelection {
    let mut profile = good(
        "vendor = \"A\"\nmodel = \"B\"\n[power]\nregister = 0\nfunction = \"input\"\ntype = \"u16\"\nunit = \"W\"",
    );
    let maps: Vec<_> = (0..maps)
        .map(|place| {
            profile.map = Name::new(&format!("map_{place}"));
            Arc::new(profile.clone())
        })
        .collect();
    MapSelection::new(&maps, |_| None, Milliwatts(10_000_000))
}

fn reading(seconds: u64, watts: i64, watt_hours: u64) -> MapReading {
    let value = MilliwattHours::new(watt_hours * 1000).unwrap();
    let register = Some(Register { value, step: MilliwattHours::new(10_000).unwrap() });
    MapReading {
        at: Duration::from_secs(seconds),
        power: Some(Milliwatts(watts * 1000)),
        register,
        ..MapReading::default()
    }
}

/// A power of 3.6 kW, which is 1 Wh per second, and a counter that advances by this many tenths of a Wh per second.
fn run(tenths: u64) -> Vec<MapReading> {
    (0..300).map(|second| reading(second, 3_600, 1_000 + second * tenths / 10)).collect()
}

/// Why a map with these readings is excluded beside a possible one. `None` where both remain.
fn against(readings: &[MapReading]) -> Option<String> {
    let mut selection = selection(2);
    for (index, reading) in readings.iter().enumerate() {
        selection.record(0, self::reading(index as u64, 100, 5_000), &Answers::new());
        selection.record(1, reading.clone(), &Answers::new());
    }
    match selection.outcome() {
        SelectionOutcome::Chosen(0) => {
            Some(selection.summary().split("map_1 is excluded: ").nth(1).unwrap().to_owned())
        }
        SelectionOutcome::Open(_) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_impossible_map_is_excluded_after_three_readings() {
    let absent = MapReading { missing: Some("the meter refuses it".to_owned()), ..MapReading::default() };
    let apart = |phases| MapReading { phases: Some(Milliwatts(phases)), ..reading(0, 2_000, 5_000) };
    for (wrong, why) in [
        (absent, "the meter refuses it"),
        (reading(0, 20_001, 5_000), "a power of 20001 W is more than the connection can carry"),
        (reading(0, -20_001, 5_000), "more than the connection can carry"),
        (apart(1_700_000), "its power is 2000 W, and its phases add up to 1700 W"),
        (apart(-2_000_000), "add up to -2000 W"),
        (reading(0, 100, 10_000 * 24 * 366 * 30), "more than 30 years at full power"),
    ] {
        let told = against(&[wrong.clone(), wrong.clone(), wrong.clone()]).unwrap();
        assert!(told.contains(why), "{told}");
        assert_eq!(against(&[wrong.clone(), wrong.clone()]), None, "a starting meter has time");
        assert_eq!(against(&[wrong.clone(), wrong.clone(), reading(0, 100, 5_000), wrong]), None, "in a row");
    }
    assert_eq!(against(&vec![apart(1_850_000); 9]), None);
    assert_eq!(against(&vec![reading(0, 20_000, 0); 9]), None);
    assert!(against(&run(1_000)).unwrap().contains("rises faster than the connection can carry"));
}

#[test]
fn a_counter_that_does_not_match_the_power_is_excluded() {
    assert!(against(&run(60)).unwrap().contains("runs too fast for the power"));
    assert!(against(&run(0)).unwrap().contains("runs too slowly for the power"));
    for rate in [5, 10, 20] {
        assert_eq!(against(&run(rate)), None, "{rate}: the power between polls is not seen");
    }
    let falling: Vec<_> = (0..9).map(|second| reading(second, 0, 1_000 - 20 * second)).collect();
    assert_eq!(against(&falling), Some("its counter falls".to_owned()));
    let still: Vec<_> = (0..400).map(|second| reading(second, 100, 1_000)).collect();
    assert_eq!(against(&still), None, "11 Wh are hardly more than one step");
    let exporting: Vec<_> = (0..400).map(|second| reading(second, -3_600, 1_000)).collect();
    assert_eq!(against(&exporting), None, "what is exported is not imported");
}

#[test]
fn a_meter_that_starts_with_a_counter_of_0_is_not_excluded() {
    let mut starting = vec![reading(0, 3_600, 0)];
    starting.extend(run(10).into_iter().skip(1));
    assert_eq!(against(&starting), None);
}

#[test]
fn nothing_is_chosen_while_two_maps_are_possible_or_none_is_proved() {
    let mut selection = selection(2);
    assert!(matches!(selection.outcome(), SelectionOutcome::Open(_)));
    let wrong = MapReading { missing: Some("refused".to_owned()), ..MapReading::default() };
    for _ in 0..3 {
        selection.record(1, wrong.clone(), &Answers::new());
    }
    assert!(matches!(selection.outcome(), SelectionOutcome::Open(_)), "the other map has no readings yet");
    for second in 0..2 {
        selection.record(0, reading(second, 1, 1), &Answers::new());
    }
    assert!(matches!(selection.outcome(), SelectionOutcome::Open(_)));
    selection.record(0, reading(2, 1, 1), &Answers::new());
    assert_eq!(selection.outcome(), SelectionOutcome::Chosen(0));
    for _ in 0..3 {
        selection.record(0, wrong.clone(), &Answers::new());
    }
    assert_eq!(
        selection.outcome(),
        SelectionOutcome::NoneFits("map map_0 is excluded: refused; map map_1 is excluded: refused".to_owned())
    );
}

/// The outcome of two maps with these readings; `other` makes those of the second.
fn outcome_of(readings: &[MapReading], other: impl Fn(usize, MapReading) -> MapReading) -> SelectionOutcome {
    let mut selection = selection(2);
    for (index, reading) in readings.iter().enumerate() {
        selection.record(0, reading.clone(), &Answers::new());
        selection.record(1, other(index, reading.clone()), &Answers::new());
    }
    selection.outcome()
}

#[test]
fn the_first_of_maps_that_read_the_same_for_long_is_used() {
    let same = |_, reading| reading;
    assert!(matches!(outcome_of(&run(10)[..60], same), SelectionOutcome::Agreed(0, _)));
    assert!(matches!(outcome_of(&run(10)[..29], same), SelectionOutcome::Open(_)), "not for long enough");
    let nearly = |_, reading: MapReading| MapReading {
        power: reading.power.map(|power| Milliwatts(power.0 + 50_000)),
        ..reading
    };
    let agreed = outcome_of(&run(10)[..60], nearly);
    assert!(matches!(agreed, SelectionOutcome::Agreed(0, _)), "they are read one after the other: {agreed:?}");
}

#[test]
fn maps_that_differ_or_have_nothing_to_agree_on_stay_open() {
    let open = |readings: &[MapReading], other: fn(usize, MapReading) -> MapReading| {
        assert!(matches!(outcome_of(readings, other), SelectionOutcome::Open(_)));
    };
    let still: Vec<_> = (0..200).map(|second| reading(second, 0, 0)).collect();
    open(&still, |_, reading| reading);
    open(&run(10)[..60], |_, it| MapReading { power: it.power.map(|power| Milliwatts(power.0 * 21 / 20)), ..it });
    open(&run(10)[..60], |index, it| reading(index as u64, 3_600, it.register.unwrap().value.get() / 1000 + 30));
    // One difference restarts the count.
    open(&run(10)[..60], |index, it| if index == 29 { reading(29, 3_000, 1_029) } else { it });
    open(&run(10)[..60], |_, it| MapReading { register: None, ..it });
    let coarse = |_, it: MapReading| {
        let step = MilliwattHours::new(1_000_000).unwrap();
        MapReading { register: it.register.map(|register| Register { step, ..register }), ..it }
    };
    assert!(
        matches!(outcome_of(&run(10)[..60], coarse), SelectionOutcome::Open(_)),
        "60 Wh are less than a step of a kWh counter"
    );
}

/// Two maps: the second one adds a second tariff to the counter of the first one.
fn tariffs() -> MapSelection {
    let head =
        "vendor = \"A\"\nmodel = \"B\"\n[power]\nregister = 0\nfunction = \"input\"\ntype = \"u16\"\nunit = \"W\"\n";
    let keys = "function = \"input\"\ntype = \"u32\"\nunit = \"Wh\"\n";
    let one = good(&format!("{head}[energy]\nregister = 2\n{keys}"));
    let both = good(&format!("{head}[energy]\nsum = [{{ register = 2 }}, {{ register = 4 }}]\n{keys}"));
    let maps: Vec<_> = [("one", one), ("both", both)]
        .into_iter()
        .map(|(name, mut profile)| {
            profile.map = Name::new(name);
            Arc::new(profile)
        })
        .collect();
    MapSelection::new(&maps, |_| None, Milliwatts(10_000_000))
}

/// Records this poll: the power, the first tariff and the second.
fn record_tariffs(selection: &mut MapSelection, second: u64, first_tariff: u64, second_tariff: u64) {
    let block = RegisterRange { function: crate::meter::Function::Input, address: 0, count: 6 };
    let words = vec![3_600, 0, 0, first_tariff as u16, 0, second_tariff as u16];
    let answers = Answers::from([(block, words)]);
    selection.record(0, reading(second, 3_600, first_tariff), &answers);
    selection.record(1, reading(second, 3_600, first_tariff + second_tariff), &answers);
}

#[test]
fn maps_that_agree_because_a_register_is_0_are_compared_without_end() {
    let mut selection = tariffs();
    (0..300).for_each(|second| record_tariffs(&mut selection, second, 1_000 + second, 0));
    let SelectionOutcome::Agreed(0, why) = selection.outcome() else { panic!("{:?}", selection.outcome()) };
    assert!(why.ends_with("map both: input 0x0004..0x0005, which has not moved yet"), "{why}");
    // The second tariff begins: from the first poll on, no map is used.
    record_tariffs(&mut selection, 300, 1_300, 30);
    let SelectionOutcome::Open(summary) = selection.outcome() else { panic!("{:?}", selection.outcome()) };
    assert!(summary.contains("map one reads 3600 W and 1.300 kWh; map both reads 3600 W and 1.330 kWh"), "{summary}");
    (301..400).for_each(|second| record_tariffs(&mut selection, second, 1_300, second - 270));
    assert!(!matches!(selection.outcome(), SelectionOutcome::Agreed(..)));
}
