//! Modifiers of numbers, ratios, and which registers are read together.

use proptest::prelude::*;

use crate::meter::profile::tests::{good, parsed};
use crate::meter::{Answers, Decoded, Function, Installation, Profile, ReadPlan, RegisterRange};

/// A meter of holding registers with an i16 power in W at 100, and these further keys.
fn meter(profile: &str, power: &str, energy: &str) -> String {
    format!(
        "vendor = \"A\"\nmodel = \"B\"\n{profile}\n[power]\nfunction = \"holding\"\nunit = \"W\"\n{power}\n\
         [energy]\nfunction = \"holding\"\nunit = \"Wh\"\n{energy}\n"
    )
}

const POWER: &str = "register = 100\ntype = \"i16\"";
const ENERGY: &str = "register = 4\ntype = \"u32\"";
const SCALED: &str = "register = 4\ntype = \"u32\"\ninvalid = []\nexponent = { register = 6 }";
const SIGNED: &str = "register = 0\ntype = \"u16\"\nsign = { register = 1, negative = 1 }";

fn plan(profile: &Profile) -> ReadPlan {
    ReadPlan::new(profile, &Installation::default())
}

fn holding(address: u16, count: u16) -> RegisterRange {
    RegisterRange { function: Function::Holding, address, count }
}

fn read(profile: &Profile, registers: &[u16]) -> Decoded {
    let plan = plan(profile);
    let word = |address: u16| registers.get(usize::from(address)).copied().unwrap_or(0);
    let answer =
        |range: &RegisterRange| (*range, (0..range.count).map(|offset| word(range.address + offset)).collect());
    plan.decode(&plan.ranges().iter().map(answer).collect::<Answers>())
}

fn energy(decoded: &Decoded) -> Option<(u64, u64)> {
    decoded.values.register.map(|register| (register.value.get(), register.step.get()))
}

#[track_caller]
fn assert_problem(toml: &str, span: &str, message: &str) {
    let (profile, told) = parsed(toml);
    assert_eq!(profile, None);
    assert!(told.iter().any(|(at, what)| at == span && what.contains(message)), "no {message:?} at {span:?}: {told:?}");
}

proptest! {
    #[test]
    fn an_exponent_register_moves_the_point(count in 0_u32..1 << 22, exponent in -9_i16..=6) {
        let profile = good(&meter("", POWER, SCALED));
        let words = [(count >> 16) as u16, count as u16, exponent as u16];
        let decoded = read(&profile, &[&[0; 4][..], &words].concat());
        // In mWh: three powers of ten more.
        let value = match u32::try_from(exponent + 3) {
            Ok(power) => u64::from(count) * 10_u64.pow(power),
            Err(_) => {
                let divisor = 10_u64.pow((-exponent - 3) as u32);
                (u64::from(count) + divisor / 2) / divisor
            }
        };
        let step = 10_u64.pow(u32::try_from(exponent + 3).unwrap_or(0));
        prop_assert_eq!(energy(&decoded), Some((value, step)));
    }
}

#[test]
fn an_exponent_may_be_in_some_bits_of_a_register() {
    let with = |keys: &str| good(&meter("", POWER, &SCALED.replace("register = 6", &format!("register = 6, {keys}"))));
    // 5 x 10^-2 and 5 x 10^3 in the unit of the plain count.
    let plain = |exponent: i16| energy(&read(&good(&meter("", POWER, SCALED)), &[0, 0, 0, 0, 0, 5, exponent as u16]));
    for (keys, word, exponent) in [
        ("mask = 0x00F0", 0xABE5, -2),
        ("mask = 0x00F0, type = \"u16\"", 0xAB3F, 3),
        ("mask = 0xFF00", 0x03FF, 3),
        ("mask = 0x000F", 0x120E, -2),
        // All other bits of a masked register may have any value, also those of a usual pattern.
        ("mask = 0x000F", 0x8003, 3),
    ] {
        let decoded = read(&with(keys), &[0, 0, 0, 0, 0, 5, word]);
        assert_eq!((energy(&decoded), decoded.problems), (plain(exponent), Vec::<String>::new()), "{keys}");
    }
}

#[test]
fn an_invalid_exponent_makes_no_value() {
    let profile = good(&meter("", POWER, SCALED));
    for (exponent, why) in [
        (0x8000, "energy: 0x8000 (holding 0x0006) means that the meter has no value"),
        (16, "energy: the value in holding 0x0006 is not a power of ten"),
        (-16_i16 as u16, "energy: the value in holding 0x0006 is not a power of ten"),
    ] {
        let decoded = read(&profile, &[0, 0, 0, 0, 0, 5, exponent]);
        assert_eq!((energy(&decoded), decoded.problems), (None, vec![why.to_owned()]));
    }
    assert_eq!(plan(&profile).ranges(), [holding(4, 3), holding(100, 1)], "value and exponent come in one response");
}

#[test]
fn a_sign_register_gives_the_direction_of_power() {
    let profile = good(&meter("", SIGNED, ENERGY));
    for (sign, power) in [(0, Some(500_000)), (1, Some(-500_000)), (2, None), (0xFFFF, None)] {
        let decoded = read(&profile, &[500, sign]);
        assert_eq!(decoded.values.power.map(|power| power.0), power, "{sign}");
        assert_eq!(decoded.problems.is_empty(), power.is_some());
    }
    let swapped = SIGNED.replace("negative = 1", "negative = -1, positive = 7, type = \"i16\"");
    let profile = good(&meter("", &swapped, ENERGY));
    assert_eq!(read(&profile, &[500, 0xFFFF]).values.power.map(|power| power.0), Some(-500_000));
    assert_eq!(read(&profile, &[500, 7]).values.power.map(|power| power.0), Some(500_000));
    assert_eq!(read(&profile, &[500, 0]).values.power, None);
}

#[test]
fn modifiers_and_ratios_are_part_of_the_definition() {
    let definition = |energy: &str| plan(&good(&meter("", POWER, energy))).definition();
    let exponent = definition(SCALED);
    assert_ne!(exponent, definition(ENERGY));
    assert_ne!(exponent, definition(&SCALED.replace("register = 6", "register = 6, type = \"u16\"")));
    assert_ne!(definition(ENERGY), definition(&format!("{ENERGY}\nabsolute = true")));
    let ratio = |more: &str| definition(&format!("{ENERGY}\nratio = {{ register = 6, type = \"u16\"{more} }}"));
    assert_ne!(ratio(""), ratio(", divide = true"));
}

#[test]
fn a_ratio_may_divide() {
    let ratio = "ratio = [{ register = 6, type = \"u16\" }, { register = 7, type = \"u16\", divide = true }]";
    let profile = good(&meter("", POWER, &format!("{ENERGY}\n{ratio}")));
    assert_eq!(energy(&read(&profile, &[0, 0, 0, 0, 0, 30, 200, 5])), Some((1_200_000, 40_000)));
    let unset = read(&profile, &[0, 0, 0, 0, 0, 30, 200, 0]);
    assert!(unset.problems[0].contains("the ratio in holding 0x0007 is not above zero"), "{:?}", unset.problems);
}

#[test]
fn a_scale_may_be_in_some_bits_of_a_register() {
    let ratio = |keys: &str| format!("{ENERGY}\nratio = {{ register = 6, type = \"u16\", {keys} }}");
    for (keys, word, scale) in [
        ("mask = 0x0F00", 0xA5FF, 5),
        ("mask = 0xFF00, scale = 10", 0x0200, 20),
        ("mask = 0x00FF", 0xFF03, 3),
        ("mask = 0xF000", 0xFFFF, 15),
    ] {
        let profile = good(&meter("", POWER, &ratio(keys)));
        let decoded = read(&profile, &[0, 0, 0, 0, 0, 30, word]);
        assert_eq!(energy(&decoded), Some((30_000 * scale, 1_000 * scale)), "{keys}: {:?}", decoded.problems);
    }
    let unset = read(&good(&meter("", POWER, &ratio("mask = 0x0F00"))), &[0, 0, 0, 0, 0, 30, 0xF0FF]);
    assert!(unset.problems[0].contains("the ratio in holding 0x0006 is not above zero"), "{:?}", unset.problems);
    let definition = |keys: &str| plan(&good(&meter("", POWER, &ratio(keys)))).definition();
    assert_ne!(definition("mask = 0x0F00"), definition("mask = 0x00F0"));
    for (keys, span, message) in [
        ("mask = 0x0505", "0x0505", "has bits that are not neighbours"),
        ("mask = 0", "0", "is not a mask of these registers"),
        ("mask = 0x10000", "0x10000", "is not a mask of these registers"),
    ] {
        assert_problem(&meter("", POWER, &ratio(keys)), span, message);
    }
    let float = format!("{ENERGY}\nratio = {{ register = 6, type = \"f32\", mask = 0xFF }}");
    assert_problem(&meter("", POWER, &float), "0xFF", "needs the type u16 or u32");
}

#[test]
fn a_negative_counter_counts_with_absolute() {
    let signed = "register = 4\ntype = \"i32\"";
    let minus = [0, 0, 0, 0, 0xFFFF, 0xFFFE];
    assert_eq!(energy(&read(&good(&meter("", POWER, signed)), &minus)), None);
    let absolute = good(&meter("", POWER, &format!("{signed}\nabsolute = true")));
    assert_eq!(energy(&read(&absolute, &minus)), Some((2_000, 1_000)));
}

#[test]
fn patterns_under_a_mask_mean_no_value() {
    let invalid = "invalid = [{ mask = 0xFFFF0000, value = 0x7FFF0000 }, 5]";
    let profile = good(&meter("", POWER, &format!("{ENERGY}\n{invalid}")));
    for (words, value) in
        [([0x7FFF, 0x1234], None), ([0, 5], None), ([0x7FFE, 1], Some(0x7FFE_0001_u64)), ([0, 6], Some(6))]
    {
        let decoded = read(&profile, &[&[0; 4][..], &words].concat());
        assert_eq!(energy(&decoded).map(|(value, _)| value), value.map(|value| value * 1000), "{words:?}");
    }
}

#[test]
fn reads_cross_gaps_where_they_may_and_never_touch_a_hole() {
    let power = "register = 0\ntype = \"i16\"";
    let ranges = |profile: &str| plan(&good(&meter(profile, power, ENERGY))).ranges().to_vec();
    let (apart, one) = (vec![holding(0, 1), holding(4, 2)], vec![holding(0, 6)]);
    assert_eq!(ranges(""), apart);
    assert_eq!(ranges("gaps = true"), one);
    assert_eq!(ranges("gaps = [[1, 3]]"), one);
    assert_eq!(ranges("gaps = [[0, 9]]"), one);
    assert_eq!(ranges("gaps = [[1, 2]]"), apart);
    assert_eq!(ranges("gaps = [[2, 9]]"), apart);
    assert_eq!(ranges("gaps = true\nholes = [[3, 3]]"), apart);
    assert_eq!(ranges("gaps = [[0, 9]]\nholes = [[1, 1]]"), apart);
    assert_eq!(ranges("gaps = true\nholes = [[6, 99]]"), one);
}

#[test]
fn a_quantity_marked_alone_has_its_own_request() {
    let energy = "register = 2\ntype = \"u32\"";
    let power = "register = 1\ntype = \"i16\"";
    let joined = good(&meter("", power, energy));
    assert_eq!(plan(&joined).ranges(), [holding(1, 3)]);
    let alone = good(&meter("", &format!("{power}\nalone = true"), energy));
    assert_eq!(plan(&alone).ranges(), [holding(2, 2), holding(1, 1)]);
}

#[test]
fn each_problem_is_reported_with_its_span() {
    let energy = |keys: &str| meter("", POWER, &format!("{ENERGY}\n{keys}"));
    for (keys, span, message) in [
        ("exponent = { register = 9 }", "{ register = 9 }", "unused registers between its own"),
        ("exponent = { register = 5 }", "{ register = 5 }", "is a register of the value itself"),
        ("exponent = { register = 65536 }", "65536", "out of range"),
        ("exponent = { type = \"i16\" }", "exponent", "lacks `register`"),
        ("exponent = { register = 6, type = \"u32\" }", "\"u32\"", "not an allowed value"),
        ("exponent = { register = 6, scale = 2 }", "scale", "unknown key `scale`"),
        ("exponent = { register = 6 }\nrollover = 1000", "1000", "cannot be used for a number with an exponent"),
        ("exponent = 6", "6", "not a table"),
        ("sign = { register = 6 }", "sign", "lacks `negative`"),
        ("sign = { register = 6, negative = 0 }", "0", "is also the value for positive numbers"),
        ("sign = { register = 6, negative = 70000 }", "70000", "out of range"),
        ("sign = { register = 3, negative = 1, positive = true }", "true", "not a whole number"),
        ("invalid = [{ mask = 0xFF, value = 0x100 }]", "{ mask = 0xFF, value = 0x100 }", "can never match"),
        ("invalid = [{ mask = 0xFF }]", "{ mask = 0xFF }", "lacks `value`"),
        ("invalid = [0x100000000]", "0x100000000", "too large for u32"),
        (
            "ratio = { register = 6, type = \"u16\", exponent = { register = 7 } }",
            "{ register = 6, type = \"u16\", exponent = { register = 7 } }",
            "has an exponent or a sign",
        ),
        ("alone = 1", "1", "is a whole number"),
    ] {
        assert_problem(&energy(keys), span, message);
    }
    assert_problem(
        &meter("max_registers_per_read = 2", POWER, SCALED),
        "{ register = 6 }",
        "cannot be read in one response",
    );
    for (keys, span, message) in [
        ("holes = [[5, 9]]", "4", "touches a hole"),
        ("holes = [[9, 5]]", "[9, 5]", "ends before it begins"),
        ("holes = [5]", "5", "not a range of registers"),
        ("holes = [[5]]", "[5]", "not a range of registers"),
        ("gaps = [[5, 65536]]", "65536", "out of range"),
        ("gaps = 5", "5", "is a whole number"),
    ] {
        assert_problem(&meter(keys, POWER, ENERGY), span, message);
    }
    let across = meter("gaps = true\nholes = [[6, 6]]", POWER, &SCALED.replace("= 6", "= 7"));
    assert_problem(&across, "{ register = 7 }", "unused registers between its own");
}
