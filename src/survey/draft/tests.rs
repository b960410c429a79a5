//! Register samples of unsupported meters, and the profiles derived from them.

use std::path::Path;

use super::*;
use crate::config::{Environment, parse};
use crate::meter::{Function, RegisterRange};
use crate::survey::samples::RegisterSample;

/// Voltage, current and power of three phases, the total power, and a counter in kWh, as floats.
fn three_phases(seconds: f64) -> RegisterSample {
    let amperes = [4.0_f32, 6.0, 5.0];
    let volts = [230.0_f32, 231.0, 229.0];
    let watts = [0, 1, 2].map(|phase| volts[phase] * amperes[phase] * 0.97);
    let total: f32 = watts.iter().sum();
    let energy = 1250.0 + (f64::from(total) / 1000.0 * seconds / 3600.0) as f32;
    let values = [&volts[..], &amperes, &watts, &[total, 49.97, energy]].concat();
    let words: Vec<u16> =
        values.iter().map(|value| value.to_bits()).flat_map(|bits| [(bits >> 16) as u16, bits as u16]).collect();
    let block = RegisterRange { function: Function::Input, address: 0x0100, count: words.len() as u16 };
    RegisterSample { at: seconds, answers: [(block, words)].into() }
}

fn samples() -> Vec<RegisterSample> {
    (0..=12).map(|index| three_phases(f64::from(index) * 5.0)).collect()
}

fn name() -> Name {
    Name::new("acme-300").unwrap()
}

/// Whether the configuration accepts the profile.
fn is_accepted(profile: &str) -> bool {
    let meter =
        "[bus.b]\ntcp = \"10.0.0.1\"\n[meter.m]\nbus = \"b\"\nunit = 1\nprofile = \"acme-300\"\nmax_power = \"20kW\"\n";
    parse(Path::new("arkmeter.toml"), &format!("{meter}{profile}"), &Environment::default()).is_ok()
}

#[test]
fn all_quantities_of_a_three_phase_meter_are_found() {
    let samples = samples();
    let analysis = RegisterAnalysis::of(&samples);
    let registers = |quantity| {
        let of = analysis.guesses.iter().filter(|guess| guess.quantity == quantity);
        of.map(|guess| guess.register).collect::<Vec<_>>()
    };
    assert_eq!(registers(MeasuredQuantity::Voltage), [0x0100, 0x0102, 0x0104]);
    assert_eq!(registers(MeasuredQuantity::Current), [0x0106, 0x0108, 0x010A]);
    assert_eq!(registers(MeasuredQuantity::PhasePower), [0x010C, 0x010E, 0x0110]);
    assert_eq!(registers(MeasuredQuantity::Frequency), [0x0114]);
    assert_eq!(
        (registers(MeasuredQuantity::Power)[0], registers(MeasuredQuantity::Energy)[0]),
        (0x0112, 0x0116),
        "{:#?}",
        analysis.guesses
    );
    let profile = analysis.profile(&name());
    assert!(profile.contains("register = 0x0112\nfunction = \"input\"\ntype = \"f32\"\nunit = \"W\"\n"), "{profile}");
    assert!(profile.contains("register = 0x0116\nfunction = \"input\"\ntype = \"f32\"\nunit = \"kWh\"\n"), "{profile}");
    assert!(is_accepted(&profile), "{profile}");
}

#[test]
fn a_single_sample_gives_the_power_but_no_counter() {
    let profile = RegisterAnalysis::of(&samples()[..1]).profile(&name());
    assert!(profile.contains("register = 0x0112") && profile.contains("No energy counter was recognised"), "{profile}");
    assert!(is_accepted(&profile), "{profile}");
}

#[test]
fn noise_gives_no_guess() {
    let block = RegisterRange { function: Function::Holding, address: 0, count: 20 };
    let words: Vec<u16> = (0..20).map(|index| index * 1009 % 7).collect();
    let samples = [RegisterSample { at: 0.0, answers: [(block, words)].into() }];
    let analysis = RegisterAnalysis::of(&samples);
    assert_eq!(analysis.guesses, []);
    assert!(analysis.profile(&name()).contains("No power was recognised"));
    assert_eq!(RegisterAnalysis::of(&[]).guesses, []);
}

#[test]
fn scales_and_orders_are_written_as_profile_keys() {
    let format = Format { kind: Kind::U32, low_word_first: true, low_byte_first: false };
    let scaled = |address, exponent| {
        let block = RegisterRange { function: Function::Holding, address, count: 2 };
        ScaledPlace { place: ValuePlace { block, format }, exponent, value: 1.0 }
    };
    let pair = PowerCounterPair { power: scaled(0x10, -1), energy: scaled(0x12, 1), off: 0.0, score: 1.0 };
    let analysis = RegisterAnalysis { guesses: Vec::new(), pairs: vec![pair], total: None };
    let profile = analysis.profile(&name());
    assert!(profile.contains("type = \"i32\"\nword_order = \"little\"\nunit = \"W\"\nscale = \"0.1\"\n"), "{profile}");
    assert!(
        profile.contains("type = \"u32\"\nword_order = \"little\"\nunit = \"kWh\"\nscale = \"0.01\"\n"),
        "{profile}"
    );
    assert!(is_accepted(&profile), "{profile}");
}
