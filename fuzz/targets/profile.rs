//! Any installer's profile and any answers of its meter: requests respect the protocol's limits, and values their bounds.
//!
//! The input: a profile in TOML, a zero byte, and the meter's registers.

#![no_main]

use std::path::Path;

use arkmeter::config::{self, Environment};
use arkmeter::meter::{Answers, ReadPlan, RegisterRange};
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
        let limit = meter.profile.max_registers_per_read.min(125);
        check_requests(plan.ranges(), limit.max(16));
        check_requests(plan.serial_ranges(), 125);
        assert!(plan.rollover().is_none_or(|rollover| rollover > MilliwattHours::ZERO));
        let nothing = plan.decode(&Answers::new());
        assert!(nothing.values.power.is_none() && nothing.values.register.is_none() && nothing.problems.is_empty());
        check_decoding(&plan, rest);
        let before = plan.definition();
        if let Some(first) = plan.ranges().first().copied() {
            plan.split(first);
            check_requests(plan.ranges(), 125);
            check_decoding(&plan, rest);
        }
        assert_eq!(plan.definition(), before);
    }
});

fn check_requests(ranges: &[RegisterRange], limit: u16) {
    for range in ranges {
        assert!((1..=limit).contains(&range.count), "{range:?}");
        assert!(u32::from(range.address) + u32::from(range.count) <= 0x1_0000, "{range:?}");
    }
}

/// An address has the same register value in every range.
fn check_decoding(plan: &ReadPlan, registers: &[u8]) {
    let word = |address: usize| {
        let byte = |at: usize| registers.get(at % registers.len().max(1)).copied().unwrap_or(0);
        u16::from_be_bytes([byte(2 * address), byte(2 * address + 1)])
    };
    let answer = |range: &RegisterRange| {
        let from = usize::from(range.address);
        (*range, (from..from + usize::from(range.count)).map(word).collect())
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
