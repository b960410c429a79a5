//! Decoding compared with an independent reference, and properties of every plan.

use proptest::prelude::*;

use super::*;
use crate::meter::profile::tests::good;
use crate::meter::{Function, TransformerRatio};

mod definitions;

/// A meter with a u32 counter in 0.01 kWh at holding 0..1 and power in W at holding 2, with more keys as given.
fn meter(profile: &str, power: &str, energy: &str) -> Profile {
    good(&format!(
        "vendor = \"A\"\nmodel = \"B\"\n{profile}\n[power]\nfunction = \"holding\"\nunit = \"W\"\n{power}\n\
         [energy]\nfunction = \"holding\"\n{energy}\n"
    ))
}

const POWER: &str = "register = 2\ntype = \"i16\"";
const ENERGY: &str = "register = 0\ntype = \"u32\"\nunit = \"kWh\"\nscale = \"0.01\"";

fn plan(profile: &Profile) -> ReadPlan {
    ReadPlan::new(profile, &Installation::default())
}

fn holding(address: u16, count: u16) -> RegisterRange {
    RegisterRange { function: Function::Holding, address, count }
}

/// Decodes a meter with these holding registers from 0 on, and 0 beyond them.
fn read(plan: &ReadPlan, registers: &[u16]) -> Decoded {
    let word = |address: u16| registers.get(usize::from(address)).copied().unwrap_or(0);
    let answer =
        |range: &RegisterRange| (*range, (0..range.count).map(|offset| word(range.address + offset)).collect());
    plan.decode(&plan.ranges().iter().map(answer).collect())
}

fn energy(decoded: &Decoded) -> Option<(u64, u64)> {
    decoded.values.register.map(|register| (register.value.get(), register.step.get()))
}

#[test]
fn integers_are_exact_to_the_last_milliwatt_hour() {
    let decoded = read(&plan(&meter("", POWER, ENERGY)), &[0x0001, 0x0002, 0xFF9C]);
    assert_eq!(energy(&decoded), Some((655_380_000, 10_000)));
    assert_eq!(decoded.values.power, Some(Milliwatts(-100_000)));
    assert_eq!(decoded.problems, [""; 0]);
    // 2^53 - 1 is the highest valid value.
    let wide = "register = 0\ntype = \"u64\"\nunit = \"mWh\"";
    let plan = plan(&meter("", "register = 4\ntype = \"i16\"", wide));
    assert_eq!(energy(&read(&plan, &[0x001F, 0xFFFF, 0xFFFF, 0xFFFF])), Some(((1 << 53) - 1, 1)));
    let beyond = read(&plan, &[0x0020, 0, 0, 0]);
    assert_eq!(energy(&beyond), None);
    assert!(beyond.problems[0].starts_with("energy: larger than"), "{:?}", beyond.problems);
}

#[test]
fn values_that_do_not_decode_are_absent_with_a_reason() {
    let float = "register = 0\ntype = \"f32\"\nunit = \"kWh\"";
    for (energy, words, why) in [
        (float, [0x7FC0, 0], "energy: not a number"),
        (float, [0xFFFF, 0xFFFF], "energy: not a number"),
        (float, [0x7F80, 0], "energy: not a number"),
        (float, [0xBF80, 0], "energy: negative"),
        (float, [0x7F00, 0], "energy: larger"),
        (ENERGY, [0xFFFF, 0xFFFF], "energy: 0xFFFFFFFF (holding 0x0000..0x0001) means"),
        ("register = 0\ntype = \"i32\"\nunit = \"Wh\"", [0x7FFF, 0xFFFF], "energy: 0x7FFFFFFF"),
        ("register = 0\ntype = \"i32\"\nunit = \"Wh\"", [0x8000, 0], "energy: 0x80000000"),
        ("register = 0\ntype = \"i32\"\nunit = \"Wh\"", [0xFFFF, 0xFFFF], "energy: negative"),
        ("register = 0\ntype = \"u32\"\nunit = \"Wh\"\ninvalid = [0]", [0, 0], "energy: 0x0000"),
    ] {
        let decoded = read(&plan(&meter("", POWER, energy)), &[words[0], words[1], 5]);
        assert_eq!(decoded.values.register, None, "{why}");
        assert_eq!(decoded.values.power, Some(Milliwatts(5000)), "the power is not affected");
        assert_eq!(decoded.problems.len(), 1);
        assert!(decoded.problems[0].starts_with(why), "{:?}", decoded.problems);
    }
    let allowed = meter("", POWER, "register = 0\ntype = \"u32\"\nunit = \"mWh\"\ninvalid = []");
    assert_eq!(energy(&read(&plan(&allowed), &[0xFFFF, 0xFFFF])), Some((0xFFFF_FFFF, 1)));
    let power = read(&plan(&meter("", POWER, ENERGY)), &[0, 0, 0x8000]);
    assert_eq!((power.values.power, power.problems.len()), (None, 1));
    let floats = plan(&meter("", "register = 2\ntype = \"f32\"", ENERGY));
    let bits = 1e13_f32.to_bits();
    let power = read(&floats, &[0, 0, (bits >> 16) as u16, bits as u16]);
    assert_eq!(power.values.power, None);
    assert!(power.problems[0].starts_with("power: larger than"), "{:?}", power.problems);
}

#[test]
fn an_unanswered_or_short_range_is_absent_without_a_problem() {
    let plan = plan(&meter("", POWER, ENERGY));
    assert_eq!(plan.ranges(), [holding(0, 3)]);
    assert_eq!(plan.decode(&Answers::new()), Decoded::default());
    assert_eq!(plan.decode(&Answers::from([(holding(0, 3), vec![1, 2])])), Decoded::default());
    assert_eq!(plan.decode(&Answers::from([(holding(0, 3), vec![1, 2, 3, 4])])), Decoded::default());
    // Two halves of the counter from two responses give no counter.
    let torn = Answers::from([(holding(0, 1), vec![0]), (holding(1, 2), vec![7, 9])]);
    assert_eq!(energy(&plan.decode(&torn)), None);
}

#[test]
fn a_float_counter_reports_its_resolution() {
    let plan = plan(&meter("", POWER, "register = 0\ntype = \"f32\"\nunit = \"kWh\""));
    let at = |value: f32| {
        let bits = value.to_bits();
        energy(&read(&plan, &[(bits >> 16) as u16, bits as u16])).unwrap()
    };
    assert_eq!(at(0.0), (0, 1));
    assert_eq!(at(1.5), (1_500_000, 1));
    assert_eq!(at(131_072.0), (131_072_000_000, 15_625));
    for value in [0.1_f32, 1.5, 999.99, 65_535.5, 131_072.0, 999_999.9] {
        let (register, step) = at(value);
        let told = plan.energy_step(MilliwattHours::new(register).unwrap());
        assert_eq!(told.get(), step, "{value}");
    }
}

#[test]
fn ratio_registers_multiply_and_must_be_set() {
    let ratio = "ratio = [{ register = 10, type = \"u16\" }, { register = 40, type = \"u16\", scale = \"0.1\" }]";
    let plan = plan(&meter("", POWER, &format!("{ENERGY}\n{ratio}")));
    assert_eq!(plan.ranges(), [holding(0, 3), holding(10, 1), holding(40, 1)]);
    let mut registers = vec![0; 41];
    (registers[1], registers[10], registers[40]) = (3, 20, 15);
    assert_eq!(energy(&read(&plan, &registers)), Some((900_000, 300_000)));
    registers[10] = 0;
    let unset = read(&plan, &registers);
    assert_eq!(energy(&unset), None);
    assert!(unset.problems[0].contains("the ratio in holding 0x000A is not above zero"), "{:?}", unset.problems);
    let unanswered = Answers::from([(holding(0, 3), vec![0, 3, 5]), (holding(10, 1), vec![20])]);
    assert_eq!(energy(&plan.decode(&unanswered)), None);
}

#[test]
fn sums_and_differences_are_added_before_rounding() {
    let power = "type = \"u32\"\nscale = \"0.1\"\nsum = [{ register = 0 }, { register = 2, scale = \"-0.1\" }]";
    let counter = "unit = \"kWh\"\ntype = \"i32\"\nsum = [{ register = 4 }, { register = 6, scale = \"0.001\" }]";
    let plan = plan(&meter("", power, counter));
    let decoded = read(&plan, &[0, 5, 0, 25, 0, 7, 0, 125]);
    assert_eq!(decoded.values.power, Some(Milliwatts(-2000)));
    assert_eq!(energy(&decoded), Some((7_125_000, 1_000)));
}

#[test]
fn reversed_wiring_swaps_power_and_counter() {
    let export =
        format!("{ENERGY}\n[export_energy]\nregister = 3\nfunction = \"holding\"\ntype = \"u16\"\nunit = \"kWh\"");
    let profile = meter("", POWER, &export);
    let reversed = Installation { reversed: true, ..Installation::default() };
    let plan = ReadPlan::new(&profile, &reversed);
    assert_eq!(plan.ranges(), [holding(2, 2)]);
    let decoded = read(&plan, &[0, 9, 100, 4]);
    assert_eq!(decoded.values.power, Some(Milliwatts(-100_000)));
    assert_eq!(energy(&decoded), Some((4_000_000, 1_000_000)));
    assert_ne!(plan.definition(), ReadPlan::new(&profile, &Installation::default()).definition());
    // Without an export counter the configuration refuses it; the plan has no counter rather than a wrong one.
    let plain = meter("", POWER, ENERGY);
    assert!(!plain.can_reverse());
    assert!(!ReadPlan::new(&plain, &reversed).has_counter());
    let both = meter("", POWER, &format!("{ENERGY}\ndirection = \"both\""));
    assert!(both.can_reverse());
    assert_eq!(energy(&read(&ReadPlan::new(&both, &reversed), &[0, 9])), Some((90_000, 10_000)));
}

#[test]
fn a_serial_number_that_is_no_text_is_refused_with_what_it_looks_like() {
    let with = |registers: usize| {
        let keys = format!("register = 20\nfunction = \"holding\"\ntype = \"ascii\"\nregisters = {registers}");
        plan(&meter("", POWER, &format!("{ENERGY}\n[serial_number]\n{keys}")))
    };
    for (words, like) in [
        (&[0x0020, 0x1385][..], "it looks like the number 2102149 (u32)"),
        (&[0x4142, 0x80FF], "it looks like the number"),
    ] {
        let decoded = with(words.len()).decode(&Answers::from([(holding(20, words.len() as u16), words.to_vec())]));
        assert_eq!(decoded.values.serial, None, "{words:?}");
        assert!(decoded.problems.iter().any(|problem| problem.contains(like)), "{:?}", decoded.problems);
    }
}

#[test]
fn serial_numbers_have_requests_of_their_own() {
    let with = |keys: &str| format!("{ENERGY}\n[serial_number]\nregister = 20\nfunction = \"holding\"\n{keys}");
    let serial = |keys: &str, words: &[u16]| {
        let plan = plan(&meter("", POWER, &with(keys)));
        let count = words.len() as u16;
        assert_eq!(plan.serial_ranges(), [holding(20, count)]);
        assert!(!plan.ranges().iter().any(|range| range.covers(holding(20, 1))));
        plan.decode(&Answers::from([(holding(20, count), words.to_vec())])).values.serial
    };
    assert_eq!(serial("type = \"u32\"", &[0x0020, 0x1385]).as_deref(), Some("2102149"));
    assert_eq!(serial("type = \"u32\"\nword_order = \"little\"", &[0x1385, 0x0020]).as_deref(), Some("2102149"));
    assert_eq!(serial("type = \"u32\"\nformat = \"hex\"", &[0x0020, 0x1385]).as_deref(), Some("00201385"));
    let text = "type = \"ascii\"\nregisters = 3";
    assert_eq!(serial(text, &[0x4142, 0x3132, 0x2000]).as_deref(), Some("AB12"));
    assert_eq!(serial("type = \"bcd32\"", &[0x0012, 0x3456]).as_deref(), Some("00123456"), "leading zeros");
    assert_eq!(serial(text, &[0x0041, 0x0042, 0x0043]).as_deref(), Some("ABC"), "one character a register");
    assert_eq!(serial(text, &[0x1B41, 0x0A42, 0]), None, "never a control character");
    for blank in [0, 0xFFFF] {
        assert_eq!(serial("type = \"u32\"", &[blank; 2]), None);
    }
    assert_eq!(serial(text, &[0x2020; 3]), None);
}

#[test]
fn a_rollover_is_converted_to_milliwatt_hours() {
    let profile = meter("", POWER, &format!("{ENERGY}\nrollover = 100000000"));
    assert_eq!(plan(&profile).rollover(), MilliwattHours::new(1_000_000_000_000));
    let ct = Installation { ct_ratio: TransformerRatio::parse("200/5").unwrap(), ..Installation::default() };
    assert_eq!(ReadPlan::new(&profile, &ct).rollover(), MilliwattHours::new(40_000_000_000_000));
    // The end of the type is known without the key, and changes no text that a ledger stores.
    let natural = plan(&meter("", POWER, ENERGY));
    assert_eq!(natural.rollover(), MilliwattHours::new(42_949_672_960_000));
    assert!(!natural.definition().text.contains("rollover"), "{:?}", natural.definition());
    let unreachable = ENERGY.replace("kWh", "MWh");
    assert_eq!(plan(&meter("", POWER, &format!("{unreachable}\nrollover = 4294967296"))).rollover(), None);
}

#[test]
fn a_refused_range_is_split_once() {
    let ratio = "ratio = { register = 3, type = \"u16\" }";
    let mut plan = plan(&meter("", POWER, &format!("{ENERGY}\n{ratio}")));
    assert_eq!(plan.ranges(), [holding(0, 4)]);
    assert!(!plan.split(holding(0, 3)), "that is not a range of the plan");
    assert!(plan.split(holding(0, 4)));
    assert_eq!(plan.ranges(), [holding(0, 2), holding(2, 1), holding(3, 1)]);
    assert!(!plan.split(holding(0, 2)) && !plan.split(holding(0, 4)));
    assert_eq!(energy(&read(&plan, &[0, 5, 0, 2])), Some((100_000, 20_000)));
}

/// The words of a number of `kind` in the order that the profile states.
fn words(bits: u64, registers: u32, low_word_first: bool, low_byte_first: bool) -> Vec<u16> {
    let places = (0..registers).map(|place| if low_word_first { place } else { registers - 1 - place });
    let word = |place: u32| ((bits >> (16 * place)) & 0xFFFF) as u16;
    let swapped = |word: u16| if low_byte_first { word.rotate_left(8) } else { word };
    places.map(|place| swapped(word(place))).collect()
}

fn order(low_first: bool) -> &'static str {
    if low_first { "little" } else { "big" }
}

proptest! {
    #[test]
    fn integers_decode_as_the_reference_does(
        kind in prop::sample::select(vec![("u16", 1), ("i16", 1), ("u32", 2), ("i32", 2), ("u64", 4), ("i64", 4)]),
        raw in any::<u64>(), shift in 0_u32..64, low_word in any::<bool>(), low_byte in any::<bool>(),
        digits in 1_i128..100_000, decimals in 0_u32..8, ct in (1_u64..5000, 1_u64..100),
    ) {
        let (name, registers) = kind;
        let width = 16 * registers;
        // Small counts are as frequent as large ones.
        let bits = (raw >> shift) & (u64::MAX >> (64 - width));
        let signed = name.starts_with('i') && bits >> (width - 1) == 1;
        let value = i128::from(bits) - if signed { 1_i128 << width } else { 0 };
        let scale = format!("{digits}e-{decimals}");
        let profile = meter("", "register = 9\ntype = \"u16\"", &format!(
            "register = 0\ntype = \"{name}\"\nunit = \"Wh\"\nscale = \"{scale}\"\ninvalid = []\n\
             word_order = \"{}\"\nbyte_order = \"{}\"", order(low_word), order(low_byte)));
        let installation =
            Installation { ct_ratio: TransformerRatio::parse(&format!("{}/{}", ct.0, ct.1)).unwrap(), ..Installation::default() };
        let decoded = read(&ReadPlan::new(&profile, &installation), &words(bits, registers, low_word, low_byte));

        let divisor = 10_i128.pow(decimals) * i128::from(ct.1);
        let scaled = value.checked_mul(digits * 1000 * i128::from(ct.0));
        let expected = scaled.map(|scaled| (2 * scaled + divisor).div_euclid(2 * divisor));
        match expected.filter(|expected| (0..1 << 53).contains(expected)) {
            Some(expected) if value >= 0 => {
                let least = digits * 1000 * i128::from(ct.0);
                let step = (least + divisor - 1) / divisor;
                prop_assert_eq!(energy(&decoded), Some((expected as u64, step.max(1) as u64)));
            }
            // A negative count so small that it rounds to zero is zero.
            _ if value < 0 && energy(&decoded) == Some((0, 1)) => prop_assert!(scaled.unwrap() > -divisor),
            _ => {
                prop_assert_eq!(energy(&decoded), None);
                prop_assert_eq!(decoded.problems.len(), 1);
            }
        }
    }

    #[test]
    fn floats_decode_as_the_reference_does(
        count in 0_u64..1 << 40, single in 0_u32..=0x4B00_0000, factor in 1_u64..30, low_word in any::<bool>()
    ) {
        let profile = |kind: &str, unit: &str| meter("", "register = 9\ntype = \"u16\"", &format!(
            "register = 0\ntype = \"{kind}\"\nunit = \"{unit}\"\nscale = {factor}\nword_order = \"{}\"", order(low_word)));
        // A 24-bit mantissa times 30 million is exact in f64: only the rounding is tested.
        let value = f64::from(f32::from_bits(single));
        let decoded = read(&plan(&profile("f32", "kWh")), &words(single.into(), 2, low_word, false));
        prop_assert_eq!(energy(&decoded).unwrap().0, (value * factor as f64 * 1e6).round() as u64);
        // A count of 1024ths is exact in f64, and so is the reference in integers.
        let bits = (count as f64 / 1024.0).to_bits();
        let decoded = read(&plan(&profile("f64", "Wh")), &words(bits, 4, low_word, false));
        let expected = (u128::from(count) * u128::from(factor) * 1000 + 512) / 1024;
        prop_assert_eq!(energy(&decoded).unwrap().0, expected as u64);
    }

    #[test]
    fn steps_are_the_distance_to_the_next_float(single in 0x3000_0000_u32..0x4B00_0000) {
        let plan = plan(&meter("", POWER, "register = 0\ntype = \"f32\"\nunit = \"kWh\""));
        let (value, next) = (f32::from_bits(single), f32::from_bits(single + 1));
        let step = ((f64::from(next) - f64::from(value)) * 1e6).ceil().max(1.0) as u64;
        prop_assert_eq!(energy(&read(&plan, &words(single.into(), 2, false, false))).unwrap().1, step);
    }

    #[test]
    fn every_value_is_whole_in_one_range_within_the_limits(
        places in prop::collection::vec((0_u16..30, prop::sample::select(vec![("u16", 1), ("u32", 2), ("f64", 4)]),
            any::<bool>()), 4),
        start in prop::sample::select(vec![0_u16, 300, 65_400]), most in 4_u16..=125, gaps in any::<bool>(),
        shuffle in 0_usize..24,
    ) {
        let mut next = start;
        let mut values: Vec<_> = places.into_iter().map(|(gap, (kind, count), input)| {
            let address = next + gap;
            next = address + count;
            let function = if input { Function::Input } else { Function::Holding };
            (kind, RegisterRange { function, address, count })
        }).collect();
        values.rotate_left(shuffle % 4);
        let keys = |(kind, range): &(&str, RegisterRange)| {
            format!("register = {}\nfunction = \"{}\"\ntype = \"{kind}\"", range.address, range.function.word())
        };
        let ratio = |value| keys(value).replace('\n', ", ");
        let profile = good(&format!(
            "vendor = \"A\"\nmodel = \"B\"\ngaps = {gaps}\nmax_registers_per_read = {most}\n[power]\nunit = \"W\"\n{}\n\
             [energy]\nunit = \"Wh\"\n{}\nratio = [{{ {} }}, {{ {} }}]",
            keys(&values[0]), keys(&values[1]), ratio(&values[2]), ratio(&values[3])));
        let mut plan = plan(&profile);
        check(&plan, &values, most, gaps)?;

        // Splits until no range can be split. Each split adds at least one range, so this ends.
        let mut splits = 0;
        while let Some(refused) = plan.ranges().to_vec().into_iter().find(|range| plan.split(*range)) {
            splits += 1;
            prop_assert!(splits <= values.len() && !plan.ranges().contains(&refused));
            check(&plan, &values, most, gaps)?;
        }
        prop_assert_eq!(plan.ranges().len(), values.len());
    }
}

fn check(plan: &ReadPlan, values: &[(&str, RegisterRange)], most: u16, gaps: bool) -> Result<(), TestCaseError> {
    for (_, value) in values {
        prop_assert_eq!(plan.ranges().iter().filter(|range| range.covers(*value)).count(), 1);
    }
    for range in plan.ranges() {
        prop_assert!((1..=most).contains(&range.count) && range.end() <= 65536);
        let used: u16 = values.iter().filter(|(_, value)| range.covers(*value)).map(|(_, value)| value.count).sum();
        prop_assert!(gaps || used == range.count, "{range} crosses a gap");
    }
    Ok(())
}

#[test]
fn only_a_counter_of_import_alone_stands_still_while_power_is_exported() {
    let counts = |direction: &str| plan(&meter("", POWER, &format!("{ENERGY}\n{direction}"))).counts_import_only();
    assert!(counts("") && counts("direction = \"import\""));
    assert!(!counts("direction = \"both\"") && !counts("direction = \"phases\""));
}

#[test]
fn a_bcd_serial_number_keeps_its_leading_zeros() {
    let keys = "serial_number = { register = 9, function = \"holding\", type = \"bcd48\" }";
    let plan = plan(&meter(keys, POWER, ENERGY));
    let answers = [(plan.serial_ranges()[0], vec![0x0001, 0x2340, 0x0056])].into_iter().collect();
    assert_eq!(plan.decode(&answers).values.serial.as_deref(), Some("000123400056"));
}
