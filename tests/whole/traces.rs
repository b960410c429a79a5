//! The program replays traces of minimal faults. Each has one right result.

use serde_json::Value;

use crate::harness::*;

/// A trace with its meter and its right result.
struct Trace {
    name: &'static str,
    /// Kilowatts.
    max_power: u32,
    poll_every: &'static str,
    /// The smallest step of the register in Wh.
    step: u32,
    /// Whether readings are held, so that somebody may have to look.
    held: bool,
    /// The published energy at the end in kWh, at least and at most.
    end: [f64; 2],
}

const fn trace(name: &'static str, meter: (u32, &'static str, u32), held: bool, end: [f64; 2]) -> Trace {
    let (max_power, poll_every, step) = meter;
    Trace { name, max_power, poll_every, step, held, end }
}

const TRACES: [Trace; 12] = [
    // 18 kW all along, and two crashes: a single step of the register is never held.
    trace("kill", (20, "1s", 10), false, [1000.29, 1000.29]),
    // 18 kW; the meter updates its counter each 15 s.
    trace("alias", (20, "10s", 1), false, [1001.425, 1001.425]),
    // 18 kW; one answer is a poll old.
    trace("late-answer", (20, "10s", 10), false, [1001.45, 1001.45]),
    // 48 W; the register reads 100 Wh more for 2 minutes, then is back: at most those 100 Wh are ahead.
    trace("ratchet-up", (20, "10s", 10), true, [1000.03, 1000.13]),
    // The same, 100 Wh less for 15 minutes: the return is no energy.
    trace("ratchet-down", (20, "10s", 10), true, [1000.03, 1000.13]),
    // 22 kW; the counter is updated each 15 minutes; power has the wrong sign, or is a tenth.
    trace("lumps-reversed", (25, "10s", 10), false, [1027.5, 1027.5]),
    trace("lumps-tenth", (25, "10s", 10), false, [1038.5, 1038.5]),
    // 1.5 kW; after 15 minutes the register is ten times as high and counts ten times as fast: nothing beyond 75 minutes of 1.5 kW is energy.
    trace("ten-times", (20, "10s", 10), true, [1000.27, 1001.8]),
    // The first ten answers are those of another meter at 1700 kWh.
    trace("first-2s", (20, "200ms", 10), false, [1000.0, 1000.0]),
    // 22 kW begin in a gap of 3 minutes.
    trace("gap-3min", (25, "10s", 10), false, [1006.15, 1006.15]),
    // 1.5 kW, sampled all along; 400 Wh more for 5 minutes, then back: at most those are ahead.
    trace("200kw-400wh", (200, "10s", 10), true, [1001.24, 1001.64]),
    // 22 kW; four of five reads fail.
    trace("lost-80", (25, "10s", 10), false, [1014.6, 1014.6]),
];

#[tokio::test]
async fn traces_of_minimal_faults_end_with_the_right_energy() {
    for trace in &TRACES {
        let meter = format!(
            "[bus.line]\ntcp = \"127.0.0.1:502\"\n[meter.sauna]\nbus = \"line\"\nunit = 1\nprofile = \"fine\"\n\
             poll_every = \"{}\"\nmax_power = \"{}kW\"\n[profile.fine]\nvendor = \"Acme\"\nmodel = \"1\"\n\
             [profile.fine.power]\nregister = 2\nfunction = \"input\"\ntype = \"i32\"\nunit = \"W\"\n\
             [profile.fine.energy]\nregister = 0\nfunction = \"input\"\ntype = \"u32\"\nunit = \"Wh\"\nscale = {}",
            trace.poll_every, trace.max_power, trace.step
        );
        let site = Site::new(&Plan::new().text(meter));
        let file = format!("{}/tests/traces/{}.jsonl", env!("CARGO_MANIFEST_DIR"), trace.name);
        let output = site.run(&["replay", "--meter", "sauna", &file]).await;
        assert_eq!(output.code, 0, "{}: {}", trace.name, output.err);
        let lines: Vec<Value> = output.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.iter().any(|line| line["verdict"] == "held"), trace.held, "{}", trace.name);
        let published: Vec<f64> = lines.iter().filter_map(|line| line["published_mwh"].as_f64()).collect();
        assert!(published.is_sorted(), "{}: the energy falls", trace.name);
        let ([least, most], end) = (trace.end, published.last().unwrap() / 1e6);
        assert!((least..=most).contains(&end), "{}: {end} kWh, right is {least} to {most}", trace.name);
    }
}
