//! Traces and the figures that the ledger publishes for them.

use super::*;
use crate::guard::CounterSettings;
use crate::reading::RegisterDefinition;
use crate::units::Name;

fn settings() -> MeterSettings {
    MeterSettings {
        name: Name::new("heat_pump").unwrap(),
        max_power: Milliwatts(20_000_000),
        poll_every: Duration::from_secs(10),
        counter: CounterSettings::Register,
        start_at_zero: false,
        definition: RegisterDefinition { text: "input 0x48".into(), rollover: None, range: None },
        place: "cabinet 1".into(),
    }
}

fn run(trace: &str) -> Result<Vec<(f64, String, Option<u64>)>, ReplayError> {
    let mut out = Vec::new();
    let step = |_| MilliwattHours::new(1).unwrap();
    replay(settings(), &step, false, &mut trace.as_bytes(), &mut out)?;
    let lines = String::from_utf8(out).unwrap();
    let readings = lines.lines().map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 3, "{line}");
        let verdict = value["verdict"].as_str().unwrap().to_owned();
        (value["t"].as_f64().unwrap(), verdict, value["published_mwh"].as_u64())
    });
    Ok(readings.collect())
}

/// Readings of 1.5 kW every 10 s, `from` included, `to` excluded.
fn steady(from: u64, to: u64) -> String {
    let line = |t: u64| format!("{{\"t\": {t}.0, \"register_mwh\": {}, \"power_mw\": 1500000}}\n", register(t));
    (from..to).step_by(10).map(line).collect()
}

fn register(t: u64) -> u64 {
    180_000_000 + t * 1_500_000 / 3600
}

#[test]
fn the_example_in_the_documentation_is_a_trace() {
    let trace = r#"
    {"t": 0.0,  "register_mwh": 180000000, "power_mw": 1500000}
    {"t": 10.0, "register_mwh": 180004166, "power_mw": 1500000, "serial": "2102117"}
    {"t": 20.0, "event": "restart"}            # the daemon stops and starts here
    {"t": 21.0, "event": "crash"}              # the same without a shutdown
    {"t": 22.0, "event": "slot"}               # a report slot
    {"t": 30.0, "register_mwh": null}
    "#;
    let readings = run(trace).unwrap();
    let line = |t, verdict: &str| (t, verdict.to_owned(), None);
    assert_eq!(readings, [line(0.0, "baseline"), line(10.0, "baseline"), line(30.0, "baseline")]);
}

#[test]
fn a_steady_meter_is_published_to_the_last_milliwatt_hour() {
    let readings = run(&steady(0, 1000)).unwrap();
    assert_eq!(readings.len(), 100);
    assert_eq!(readings[99], (990.0, "advanced".into(), Some(register(990))));
    assert!(readings.is_sorted_by_key(|line| line.2));
}

#[test]
fn printed_figures_survive_a_restart_and_a_crash() {
    let null = |t: u64| format!("{{\"t\": {t}, \"register_mwh\": null}}\n");
    let event = |t: u64, word: &str| format!("{{\"t\": {t}, \"event\": \"{word}\"}}\n");
    let after = |events: String| {
        let trace = format!("{}{events}{}{}", steady(0, 100), null(100), steady(110, 400));
        let readings = run(&trace).unwrap();
        assert_eq!(readings.last().unwrap().2, Some(register(390)), "the counter of the meter has what was lost");
        readings[10].2.unwrap()
    };
    assert_eq!(after(event(95, "restart")), register(90));
    assert_eq!(after(event(92, "slot") + &event(95, "crash")), register(90));
    assert_eq!(after(event(95, "crash")), register(90), "a printed figure is on disk, also without a slot");
}

#[test]
fn zeros_between_good_readings_are_held_and_dropped() {
    let zero = "{\"t\": 100, \"register_mwh\": 0, \"power_mw\": 1500000}\n{\"t\": 105, \"register_mwh\": null}\n";
    let readings = run(&format!("{}{zero}{}", steady(0, 100), steady(110, 200))).unwrap();
    let words: Vec<_> = readings[9..13].iter().map(|line| line.1.as_str()).collect();
    assert_eq!(words, ["advanced", "held", "held", "glitch"]);
    assert_eq!(readings.last().unwrap().2, Some(register(190)));
}

#[test]
fn an_invalid_trace_is_refused_with_its_line() {
    let long = format!("{{\"t\": 1, \"serial\": \"{}\"}}", "x".repeat(70_000));
    for (line, part) in [
        ("nonsense", "no reading"),
        ("{\"t\": 5, \"register_mwh\": -1}", "register_mwh"),
        ("{\"t\": 5, \"register_mwh\": 1.5}", "whole number"),
        ("{\"t\": 5, \"register_mwh\": 9007199254740992}", "register_mwh"),
        ("{\"t\": -1, \"register_mwh\": 1}", "`t`"),
        ("{\"t\": 1e300, \"register_mwh\": 1}", "`t`"),
        ("{\"t\": 0.5, \"register_mwh\": 1}", "back in time"),
        ("{\"t\": 5, \"registre_mwh\": 1}", "neither a `register_mwh`"),
        ("{\"register_mwh\": 1}", "missing field `t`"),
        ("{\"t\": 5, \"event\": \"reboot\"}", "unknown variant"),
        ("{\"t\": 5, \"event\": \"slot\", \"power_mw\": 1}", "event with values"),
        ("{\"t\": 5, \"register_mwh\": 1, \"power_mw\": 1e300}", "power_mw"),
        ("{\"t\": 5, \"register_mwh\": 1} {\"t\": 6}", "text after its first value"),
        ("[1, 2]", "no reading"),
        (&long, "longer than 64 KiB"),
    ] {
        let error = run(&format!("{{\"t\": 1, \"register_mwh\": 1}}\n\n{line}\n")).unwrap_err();
        assert_eq!(error.exit_code(), 65, "{line}");
        assert!(error.to_string().starts_with("line 3 of the trace "), "{error}");
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}

#[test]
fn only_one_meter_of_a_trace_is_replayed() {
    let other = "{\"t\": 900, \"meter\": \"sauna\", \"register_mwh\": 5}\n";
    let mut trace = String::from(other);
    trace += &steady(0, 100).replace("{\"t\"", "{\"meter\": \"heat_pump\", \"t\"");
    assert_eq!(run(&trace).unwrap().len(), 10, "the time of other meters does not matter");
    let error = run(other).unwrap_err();
    assert!(error.exit_code() == 65 && error.to_string().contains("is of sauna"), "{error}");
}

#[test]
fn whole_numbers_in_other_forms_are_accepted() {
    assert!(run("{\"t\": 0, \"register_mwh\": 1e9, \"power_mw\": 1500000.4}\n").is_ok());
}

#[test]
fn a_byte_order_mark_is_ignored_in_the_first_line_only() {
    assert_eq!(run(&format!("\u{feff}{}", steady(0, 100))).unwrap().len(), 10);
    assert!(run(&format!("{}\u{feff}{}", steady(0, 100), steady(110, 200))).is_err());
}

#[test]
fn an_explanation_is_added_to_each_reading_with_a_register() {
    let mut out = Vec::new();
    let step = |_| MilliwattHours::new(1).unwrap();
    let trace = steady(0, 40) + "{\"t\": 50.0, \"register_mwh\": null}\n";
    replay(settings(), &step, true, &mut trace.as_bytes(), &mut out).unwrap();
    let lines: Vec<serde_json::Value> =
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["explain"]["hypotheses"][0], "begins");
    assert_eq!(lines[3]["explain"]["hypotheses"][0], "continues", "{}", lines[3]);
    assert!(lines[3]["explain"]["flow"]["most"].as_u64() > lines[3]["explain"]["flow"]["measured"].as_u64());
    assert!(lines[3]["explain"]["rule"].as_str().unwrap().contains("at once"));
    assert!(lines[4].get("explain").is_none(), "{}", lines[4]);
}
