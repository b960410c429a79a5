//! Whatever an installer's profile says and its meter answers: requests stay within the protocol, values within their bounds.
//!
//! The input: a profile's TOML, a zero byte, and the registers that the meter gives.

#![no_main]

use std::path::Path;

use arkmeter::config::{self, Environment};
use arkmeter::meter::{Answers, RegisterRange, ReadPlan};
use arkmeter::units::MilliwattHours;
use libfuzzer_sys::fuzz_target;

const SITE: &str = r#"
[bus.b]
tcp = "meter.example:502"
[meter.m]
bus = "b"
unit = 1
profile = "p"
max_power = "20kW"
[profile.p]
"#;

fuzz_target!(|data: &[u8]| {
    let zero = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (toml, rest) = data.split_at(zero);
    let Ok(toml) = str::from_utf8(toml) else { return };
    let text = format!("{SITE}{toml}");
    let Ok((config, _)) = config::parse(Path::new("arkmeter.toml"), &text, &Environment::default()) else { return };
    for meter in config.meters.values() {
        let mut plan = ReadPlan::new(&meter.profile, &meter.installation);
        let most = meter.profile.max_registers_per_read.min(125);
        within_bounds(plan.ranges(), most.max(16));
        within_bounds(plan.serial_ranges(), 125);
        assert!(plan.rollover().is_none_or(|rollover| rollover > MilliwattHours::ZERO));
        let nothing = plan.decode(&Answers::new());
        assert!(nothing.values.power.is_none() && nothing.values.register.is_none() && nothing.problems.is_empty());
        decoded(&plan, rest);
        let before = plan.definition();
        if let Some(first) = plan.ranges().first().copied() {
            plan.split(first);
            within_bounds(plan.ranges(), 125);
            decoded(&plan, rest);
        }
        assert_eq!(plan.definition(), before);
    }
});

fn within_bounds(blocks: &[RegisterRange], most: u16) {
    for block in blocks {
        assert!((1..=most).contains(&block.count), "{block:?}");
        assert!(u32::from(block.address) + u32::from(block.count) <= 0x1_0000, "{block:?}");
    }
}

/// The same registers for the same addresses, whichever blocks they come in.
fn decoded(plan: &ReadPlan, registers: &[u8]) {
    let word = |address: usize| {
        let byte = |at: usize| registers.get(at % registers.len().max(1)).copied().unwrap_or(0);
        u16::from_be_bytes([byte(2 * address), byte(2 * address + 1)])
    };
    let answer = |block: &RegisterRange| {
        let from = usize::from(block.address);
        (*block, (from..from + usize::from(block.count)).map(word).collect())
    };
    let answers: Answers = plan.ranges().iter().chain(plan.serial_ranges()).map(answer).collect();
    let read = plan.decode(&answers);
    assert!(read == plan.decode(&answers));
    if let Some(power) = read.values.power {
        assert!(power.0.unsigned_abs() <= 1_000_000_000_000_000_000, "{power:?}");
    }
    if let Some(register) = read.values.register {
        assert!(register.value <= MilliwattHours::MAX && register.step > MilliwattHours::ZERO, "{register:?}");
        assert!(plan.energy_step(register.value) > MilliwattHours::ZERO);
    }
}
