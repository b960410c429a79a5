//! Each built-in profile against the register facts, which are written down here a second time, apart from the profiles.

use super::*;
use crate::meter::{Function, Installation, ReadPlan};
use crate::units::{MilliwattHours, Milliwatts};

/// Function, 0-based address, type (and word order), mW or mWh a digit.
type Fact = (u8, u16, &'static str, i64);
type Facts = &'static [Fact];

/// Name, power, imported energy, and the energy that counts when the meter is wired the other way.
#[rustfmt::skip]
const FACTS: &[(&str, Facts, Facts, Facts)] = &[
    ("abb-a43", &[(3, 0x5B14, "i32", 10)], &[(3, 0x5000, "u64", 10_000)], &[(3, 0x5004, "u64", 10_000)]),
    ("abb-b23", &[(3, 0x5B14, "i32", 10)], &[(3, 0x5000, "u64", 10_000)], &[(3, 0x5004, "u64", 10_000)]),
    ("accuenergy-acuvim-ii", &[(3, 0x4022, "f32", 1_000)], &[(3, 0x4048, "u32", 100_000)], &[(3, 0x404A, "u32", 100_000)]),
    ("acrel-adl400", &[(3, 0x016A, "i32", 1_000)], &[(3, 0x000A, "u32", 10_000)], &[(3, 0x0014, "u32", 10_000)]),
    ("be-mpm3pm", &[(3, 0x0026, "i32", 10)], &[(3, 0x0002, "u32", 10_000)], &[(3, 0x0004, "u32", 10_000)]),
    ("bgetech-ws100", &[(3, 0x0104, "i32", 1_000)], &[(3, 0x010E, "i32", 10_000)], &[(3, 0x0118, "i32", 10_000)]),
    ("carlo-gavazzi-em112", &[(3, 0x0004, "i32 low", 100)], &[(3, 0x0010, "i32 low", 100_000)], &[(3, 0x0020, "i32 low", 100_000)]),
    ("carlo-gavazzi-em24", &[(3, 0x0028, "i32 low", 100)], &[(3, 0x003E, "i32 low", 100_000)], &[(3, 0x005C, "i32 low", 100_000)]),
    ("carlo-gavazzi-em24-e1", &[(3, 0x0028, "i32 low", 100)], &[(3, 0x0034, "i32 low", 100_000)], &[(3, 0x004E, "i32 low", 100_000)]),
    ("carlo-gavazzi-em340", &[(3, 0x0028, "i32 low", 100)], &[(3, 0x0034, "i32 low", 100_000)], &[(3, 0x004E, "i32 low", 100_000)]),
    ("carlo-gavazzi-em540", &[(3, 0x0028, "i32 low", 100)], &[(3, 0x0034, "i32 low", 100_000)], &[(3, 0x004E, "i32 low", 100_000)]),
    ("dzg-dvh4013", &[(3, 0x0000, "u32", 100), (3, 0x0002, "u32", -100)], &[(3, 0x4000, "u32", 1_000)], &[(3, 0x4100, "u32", 1_000)]),
    ("eastron-sdm120", &[(4, 0x000C, "f32", 1_000)], &[(4, 0x0048, "f32", 1_000_000)], &[(4, 0x004A, "f32", 1_000_000)]),
    ("eastron-sdm220", &[(4, 0x000C, "f32", 1_000)], &[(4, 0x0048, "f32", 1_000_000)], &[(4, 0x004A, "f32", 1_000_000)]),
    ("eastron-sdm230", &[(4, 0x000C, "f32", 1_000)], &[(4, 0x0048, "f32", 1_000_000)], &[(4, 0x004A, "f32", 1_000_000)]),
    ("eastron-sdm630", &[(4, 0x0034, "f32", 1_000)], &[(4, 0x0048, "f32", 1_000_000)], &[(4, 0x004A, "f32", 1_000_000)]),
    ("eastron-sdm72d", &[(4, 0x0034, "f32", 1_000)], &[(4, 0x0048, "f32", 1_000_000)], &[(4, 0x004A, "f32", 1_000_000)]),
    ("eastron-sdm72d-m-2", &[(4, 0x0034, "f32", 1_000)], &[(4, 0x0048, "f32", 1_000_000)], &[(4, 0x004A, "f32", 1_000_000)]),
    ("eltako-dsz15", &[(4, 0x0034, "i32", 1_000)], &[(4, 0x0048, "u32", 10_000)], &[(4, 0x004A, "u32", 10_000)]),
    ("generic-ddm18sd", &[(4, 0x0012, "f32", 1_000)], &[(4, 0x0100, "f32", 1_000_000)], &[(4, 0x0100, "f32", 1_000_000)]),
    ("janitza-umg96rm", &[(3, 0x4A52, "f32", 1_000)], &[(3, 0x4A7C, "f32", 1_000)], &[(3, 0x4A84, "f32", 1_000)]),
    ("kostal-ksem", &[(3, 0x0000, "u32", 100), (3, 0x0002, "u32", -100)], &[(3, 0x0200, "u64", 100)], &[(3, 0x0204, "u64", 100)]),
    ("lovato-dmg210", &[(4, 0x0039, "i32", 10)], &[(4, 0x1A1F, "u32", 10_000)], &[(4, 0x1A21, "u32", 10_000)]),
    ("orno-or-we-504", &[(3, 0x0003, "u16", 1_000)], &[(3, 0x0007, "u32", 1_000)], &[(3, 0x0007, "u32", 1_000)]),
    ("orno-or-we-515", &[(3, 0x0140, "i32", 1_000)], &[(3, 0xA000, "u32", 10_000)], &[(3, 0xA000, "u32", 10_000)]),
    ("orno-or-we-516", &[(3, 0x001C, "f32", 1_000_000)], &[(3, 0x0108, "f32", 1_000_000)], &[(3, 0x0110, "f32", 1_000_000)]),
    ("peacefair-pzem-004t-v3", &[(4, 0x0003, "u32 low", 100)], &[(4, 0x0005, "u32 low", 1_000)], &[(4, 0x0005, "u32 low", 1_000)]),
    ("schneider-iem3155", &[(3, 0x0BF3, "f32", 1_000_000)], &[(3, 0x0C83, "i64", 1_000)], &[(3, 0x0C87, "i64", 1_000)]),
    ("schneider-pm5110", &[(3, 0x0BF3, "f32", 1_000_000)], &[(3, 0x0C83, "i64", 1_000)], &[(3, 0x0C87, "i64", 1_000)]),
    ("siemens-pac1600", &[(3, 0x0039, "i32", 10)], &[(3, 0x1A1F, "u32", 1_000)], &[(3, 0x1A21, "u32", 1_000)]),
    ("siemens-pac2200", &[(3, 0x0041, "f32", 1_000)], &[(3, 0x0321, "f64", 1_000), (3, 0x0325, "f64", 1_000)], &[(3, 0x0329, "f64", 1_000), (3, 0x032D, "f64", 1_000)]),
    ("socomec-countis-e24", &[(3, 0xC568, "i32", 10_000)], &[(3, 0xC702, "u32", 10_000)], &[(3, 0xC708, "u32", 10_000)]),
    ("wago-879-3000", &[(3, 0x5012, "f32", 1_000_000)], &[(3, 0x600C, "f32", 1_000_000)], &[(3, 0x6018, "f32", 1_000_000)]),
];

/// A ratio register: function, address, what is in it.
type Setting = (u8, u16, u16);

/// Name, ratio registers, what they multiply the energy by.
const RATIOS: &[(&str, &[Setting], i64)] = &[("acrel-adl400", &[(3, 0x008D, 2), (3, 0x008E, 40)], 80)];

type Registers = BTreeMap<(u8, u16), u16>;

#[test]
fn every_file_is_a_profile_under_its_own_name() {
    for text in FILES {
        let entry = parse(text).unwrap_or_else(|findings| panic!("{findings:?}\n{text}"));
        assert!(text.starts_with(&format!("[profile.{}]\n", entry.profile.name)), "{text}");
        assert!(entry.profile.confirmed >= 2, "{} is not confirmed", entry.profile.name);
    }
    assert_eq!(library().entries().len(), FILES.len());
    let mut names: Vec<_> = library().entries().iter().flat_map(names).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "a name or alias is there twice");
}

#[test]
fn every_profile_reads_what_its_meter_says() {
    assert_eq!(FACTS.len(), FILES.len(), "each profile has its facts");
    for (name, power, import, export) in FACTS {
        let profile = &library().find(name).unwrap_or_else(|| panic!("no profile {name}")).profile;
        let mut registers = Registers::new();
        let power = hold(&mut registers, power, 300);
        let import = hold(&mut registers, import, 41_000);
        let export = (!export.is_empty()).then(|| hold(&mut registers, export, 27_000));
        let ratio = RATIOS.iter().find(|(of, ..)| of == name).map_or(1, |(_, settings, product)| {
            registers.extend(settings.iter().map(|(function, address, value)| ((*function, *address), *value)));
            *product
        });

        let counter = match profile.energy.as_ref().is_some_and(|energy| energy.both_directions) {
            true => export,
            false => Some(import),
        };
        assert_eq!(decoded(profile, &registers, false), (power, counter.unwrap() * ratio), "{name}");
        assert_eq!(profile.can_reverse(), export.is_some(), "{name}");
        if let Some(export) = export {
            assert_eq!(decoded(profile, &registers, true), (-power, export * ratio), "{name} reversed");
        }
    }
}

#[test]
fn what_can_count_twice_says_so() {
    for name in ["orno-or-we-504", "orno-or-we-515", "peacefair-pzem-004t-v3", "generic-ddm18sd"] {
        assert!(library().find(name).unwrap().profile.energy.as_ref().unwrap().both_directions, "{name}");
    }
}

#[test]
fn names_are_found_by_alias_and_near_misses() {
    assert_eq!(library().find("abb-b24").unwrap().profile.name.as_str(), "abb-b23");
    assert!(library().find("abb-b2").is_none());
    assert_eq!(library().nearest("eastron-sdm360"), Some("eastron-sdm630"));
    assert_eq!(library().nearest("Eastron-SDM630"), Some("eastron-sdm630"));
    assert_eq!(library().nearest("zzz"), None);
    let found: Vec<_> = library().search("sdm 630").iter().map(|entry| entry.profile.name.as_str()).collect();
    assert_eq!(found, ["eastron-sdm630"]);
    assert_eq!(library().search("").len(), FILES.len());
}

/// Puts a value into the registers of a quantity and returns what it is in mW or mWh.
fn hold(registers: &mut Registers, facts: &[Fact], least: i64) -> i64 {
    let mut total = 0;
    for (index, (function, address, format, worth)) in facts.iter().enumerate() {
        let value = least + 17 * index as i64;
        let (kind, low_word_first) = format.split_once(' ').map_or((*format, false), |(kind, _)| (kind, true));
        let bytes = match kind {
            "u16" => (value as u16).to_be_bytes().to_vec(),
            "i32" | "u32" => (value as i32).to_be_bytes().to_vec(),
            "i64" | "u64" => value.to_be_bytes().to_vec(),
            "f32" => (value as f32).to_be_bytes().to_vec(),
            "f64" => (value as f64).to_be_bytes().to_vec(),
            other => panic!("{other}"),
        };
        let mut words: Vec<_> = bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        if low_word_first {
            words.reverse();
        }
        for (offset, word) in words.into_iter().enumerate() {
            registers.insert((*function, address + offset as u16), word);
        }
        total += value * worth;
    }
    total
}

/// Power and energy as the plan reads them. A register that no fact mentions is refused, as a meter would.
fn decoded(profile: &Profile, registers: &Registers, reversed: bool) -> (i64, i64) {
    let plan = ReadPlan::new(profile, &Installation { reversed, ..Installation::default() });
    let answers = plan.blocks().iter().map(|block| {
        let function = if block.function == Function::Holding { 3 } else { 4 };
        let word = |offset| registers.get(&(function, block.address + offset));
        let word = |offset| *word(offset).unwrap_or_else(|| panic!("{} asks for {block}", profile.name));
        (*block, (0..block.count).map(word).collect())
    });
    let answers: Answers = answers.collect();
    let read = plan.decode(&answers);
    assert_eq!(read.complaints, Vec::<String>::new(), "{}", profile.name);
    let energy = read.values.register.map(|register| MilliwattHours::get(register.value) as i64);
    (read.values.power.map(|Milliwatts(power)| power).unwrap(), energy.unwrap())
}
