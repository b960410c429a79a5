//! Any trace: the published figure never falls, even across restarts and crashes, and each reading gets a verdict.

#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use arkmeter::cli::replay::replay;
use arkmeter::config::{self, Environment};
use arkmeter::daemon::settings;
use arkmeter::guard::MeterSettings;
use arkmeter::units::MilliwattHours;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const SITE: &str = r#"
[bus.b]
tcp = "meter.example:502"
[meter.m]
bus = "b"
unit = 1
profile = "eastron-sdm630"
max_power = "20kW"
"#;

static METER: LazyLock<MeterSettings> = LazyLock::new(|| {
    let read = config::parse(Path::new("arkmeter.toml"), SITE, &Environment::default());
    let (config, _) = read.expect("a valid configuration");
    let meter = config.meters.values().next().expect("one meter");
    settings::of_meter(&config, meter)
});

fuzz_target!(|data: &[u8]| {
    // Each line is a commit. Longer traces find nothing new and are slow.
    if data.iter().filter(|byte| **byte == b'\n').count() > 60 {
        return;
    }
    let mut out = Vec::new();
    let step = |_| MilliwattHours::new(10_000).expect("10 Wh");
    let done = replay(METER.clone(), &step, true, &mut &data[..], &mut out);
    let out = String::from_utf8(out).expect("text");
    let (mut latest, mut at) = (0, 0.0);
    for line in out.lines() {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        let t = line["t"].as_f64().expect("a time");
        assert!(t >= at && line["verdict"].is_string(), "{line}");
        at = t;
        match line["published_mwh"].as_u64() {
            Some(published) => {
                assert!(published >= latest, "published fell from {latest}: {line}");
                assert!(published <= MilliwattHours::MAX.get());
                latest = published;
            }
            None => assert!(line["published_mwh"].is_null() && latest == 0, "{line}"),
        }
    }
    if done.is_ok() {
        let readings = data.split(|byte| *byte == b'\n').filter(|line| is_reading(line)).count();
        assert_eq!(out.lines().count(), readings);
    }
});

/// Whether the line of a valid trace is a reading: not empty, not a comment, not an event.
fn is_reading(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    let object = serde_json::Deserializer::from_str(text).into_iter::<Value>().next();
    !text.is_empty() && !text.starts_with('#') && object.is_some_and(|it| it.is_ok_and(|it| it["event"].is_null()))
}
