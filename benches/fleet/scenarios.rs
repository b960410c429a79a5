//! What is simulated: each scenario with its name, and the times that are judged.

use std::time::Duration;

use arkmeter::simulator::fleet::{EndpointFault, FleetEvent, FleetScenario};

/// The default `report_every`.
pub const EVERY: Duration = Duration::from_secs(120);
const MINUTE: u64 = 60;

/// A scenario and its name.
pub struct Named {
    pub name: &'static str,
    pub what: &'static str,
    /// Whether there is a chart of it.
    pub drawn: bool,
    pub scenario: FleetScenario,
}

impl Named {
    /// When the event begins and ends; both at the end of the first five minutes if there is none.
    pub fn event(&self) -> (u64, u64) {
        let times = self.scenario.events.iter().map(|event| match event {
            FleetEvent::Endpoint { during, .. } | FleetEvent::Restart { during, .. } => (during.start, during.end),
        });
        let begin = self.scenario.seconds.start + 5 * MINUTE;
        times.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1))).unwrap_or((begin, begin))
    }
}

/// All scenarios for this many boxes.
pub fn all(boxes: u32) -> Vec<Named> {
    let endpoint = |begin: u64, lasts: u64, fault, share| {
        let event = FleetEvent::Endpoint { during: begin..begin + lasts, fault, share };
        fleet(boxes, begin - 5 * MINUTE..begin + lasts + 25 * MINUTE, vec![event])
    };
    let outage = |end: u64, fault| endpoint(end - 60 * MINUTE, 60 * MINUTE, fault, 1.0);
    let restart = |begin: u64, lasts: u64, share| {
        let event = FleetEvent::Restart { during: begin..begin + lasts, share };
        fleet(boxes, begin - 5 * MINUTE..begin + lasts + 25 * MINUTE, vec![event])
    };
    let unreachable = EndpointFault::Unreachable;
    let drawn = ["normal", "deployment", "outage-30", "outage-47", "wait-date", "power-50"];
    let named = |name, what, scenario| Named { name, what, drawn: drawn.contains(&name), scenario };
    let skewed = |mut scenario: FleetScenario| {
        scenario.clock_error = Duration::from_secs(30);
        scenario
    };
    vec![
        named("normal", "normal operation", fleet(boxes, 0..35 * MINUTE, Vec::new())),
        named(
            "clocks",
            "normal operation, clocks wrong by up to 30 s",
            skewed(fleet(boxes, 0..35 * MINUTE, Vec::new())),
        ),
        named("deployment", "5 % of the boxes restart at once", restart(20 * MINUTE + 7, 3, 0.05)),
        named("outage-30", "unreachable for 1 h, until minute 30", outage(90 * MINUTE, unreachable)),
        named("outage-00", "unreachable from the top of an hour to the next", outage(120 * MINUTE, unreachable)),
        named("outage-47", "unreachable for 1 h, until 47:13", outage(107 * MINUTE + 13, unreachable)),
        named("outage-54", "unreachable for 1 h, until minute 54", outage(114 * MINUTE, unreachable)),
        named("outage-58", "unreachable for 1 h, until minute 58", outage(118 * MINUTE, unreachable)),
        named(
            "outage-clocks",
            "the same until minute 47, clocks wrong by up to 30 s",
            skewed(outage(107 * MINUTE, unreachable)),
        ),
        named("silent", "no answers for 1 h, until minute 30", outage(90 * MINUTE, EndpointFault::Silent)),
        named("failing", "503 for 1 h, until minute 30", outage(90 * MINUTE, EndpointFault::Failing)),
        named(
            "wait-300",
            "503 with `Retry-After: 300` for 1 h, until minute 30",
            outage(90 * MINUTE, EndpointFault::AsksToWait(300)),
        ),
        named(
            "wait-date",
            "503 with the end as date in `Retry-After`, for 1 h, until minute 30",
            outage(90 * MINUTE, EndpointFault::NamesItsEnd),
        ),
        named("minute-1", "unreachable for 1 min", endpoint(30 * MINUTE, MINUTE, unreachable, 1.0)),
        named("minute-5", "unreachable for 5 min", endpoint(30 * MINUTE, 5 * MINUTE, unreachable, 1.0)),
        named(
            "minute-15",
            "unreachable for 15 min, until minute 45",
            endpoint(30 * MINUTE, 15 * MINUTE, unreachable, 1.0),
        ),
        named(
            "part",
            "503 for 30 % of the calls, for 10 min",
            endpoint(30 * MINUTE, 10 * MINUTE, EndpointFault::Failing, 0.3),
        ),
        named(
            "part-wait",
            "503 with `Retry-After: 60` for 30 % of the calls, for 10 min",
            endpoint(30 * MINUTE, 10 * MINUTE, EndpointFault::AsksToWait(60), 0.3),
        ),
        named(
            "slow",
            "every answer takes 8 s, for 10 min",
            endpoint(30 * MINUTE, 10 * MINUTE, EndpointFault::Slow(8), 1.0),
        ),
        named(
            "power-30",
            "all boxes without power for 1 h, on at the same instant at minute 30",
            restart(30 * MINUTE, 60 * MINUTE, 1.0),
        ),
        named("power-50", "the same, on at minute 50", restart(50 * MINUTE, 60 * MINUTE, 1.0)),
    ]
}

fn fleet(boxes: u32, seconds: std::ops::Range<u64>, events: Vec<FleetEvent>) -> FleetScenario {
    FleetScenario { boxes, every: EVERY, seconds, events, clock_error: Duration::ZERO }
}
