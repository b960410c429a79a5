use std::time::Duration;

use tokio::time::Instant;

use crate::poller::MeterPoll;
use crate::quality::{RequestCount, RequestOutcome, RequestQuality, RequestRecord, RequestTally};
use crate::status::compose::tests::{cabinet, document, poll};
use crate::status::{StatusInputs, metrics};
use crate::units::{Name, UnitId};

const MS: Duration = Duration::from_millis(1);

/// A minute of polls, one per second. Every `damaged`-th poll got a damaged answer first.
fn polled(damaged: u32) -> RequestQuality {
    let (start, mut quality) = (Instant::now(), RequestQuality::default());
    for second in 1..=60u32 {
        let mut poll = RequestTally::default();
        let request = |outcome| RequestRecord {
            outcome,
            took: 30 * MS,
            silence: 5 * MS,
            slow: false,
            echo: false,
            late: false,
            discarded: false,
        };
        if damaged > 0 && second.is_multiple_of(damaged) {
            poll.note(&request(RequestOutcome::Failed(RequestCount::CrcErrors)));
        }
        poll.note(&request(RequestOutcome::Answered));
        quality.add(&poll, start + second * 1000 * MS);
    }
    quality
}

/// The site with a noisy meter and a sound one.
fn noisy() -> StatusInputs {
    let mut inputs = cabinet();
    let sauna = Name::new("sauna").unwrap();
    let config = std::sync::Arc::make_mut(&mut inputs.config);
    let mut meter = config.meters["heat_pump"].clone();
    (meter.name, meter.unit) = (sauna.clone(), UnitId::new(8).unwrap());
    config.meters.insert(sauna.clone(), meter);
    let clean = MeterPoll { quality: polled(0), ..poll(&mut inputs).clone() };
    inputs.buses.get_mut("cabinet").unwrap().meters.insert(sauna, clean.into());
    poll(&mut inputs).quality = polled(4);
    inputs
}

const ADVICE: &str = "Bus cabinet, heat_pump, unit 7: 20 % CRC errors, the other units have none: check the wiring, terminals and shield at this unit.";

#[test]
fn the_document_has_the_quality_and_the_advice() {
    let document = document(&noisy());
    assert_eq!(document.advice, [ADVICE]);
    assert!(document.well, "advice is no trouble: {:?}", document.trouble);
    let meter = serde_json::to_value(&document.meters["heat_pump"].quality).unwrap();
    assert_eq!(
        meter,
        serde_json::json!({
            "total": { "answers": 60, "crc_errors": 15, "exceptions": 0, "requests": 75, "timeouts": 0 },
            "recent": { "answers": 60, "crc_errors": 15, "exceptions": 0, "requests": 75, "timeouts": 0 },
            "exceptions": {},
            "response_us": { "p50": 24_000, "p95": 31_200, "p99": 32_000 },
            "occupancy": 0.0445,
        })
    );
    let bus = &document.buses["cabinet"].quality;
    assert_eq!((bus.total.get("requests"), bus.recent.get("answers")), (Some(135), Some(120)));
    assert!(bus.occupancy.is_some_and(|share| (0.07..0.09).contains(&share)), "{bus:?}");
}

#[test]
fn a_closed_bus_gets_no_advice() {
    let mut inputs = noisy();
    inputs.buses.get_mut("cabinet").unwrap().error = Some("unplugged".into());
    assert_eq!(document(&inputs).advice, Vec::<String>::new());
}

#[test]
fn the_metrics_are_in_base_units() {
    let text = metrics(&document(&noisy()));
    for line in [
        "# TYPE arkmeter_meter_response_seconds histogram",
        "arkmeter_meter_response_seconds_bucket{le=\"0.016\",meter=\"heat_pump\"} 0",
        "arkmeter_meter_response_seconds_bucket{le=\"0.032\",meter=\"heat_pump\"} 60",
        "arkmeter_meter_response_seconds_bucket{le=\"+Inf\",meter=\"heat_pump\"} 60",
        "arkmeter_meter_response_seconds_sum{meter=\"heat_pump\"} 1.8",
        "arkmeter_bus_response_seconds_count{bus=\"cabinet\"} 120",
        "arkmeter_meter_outcomes_total{meter=\"heat_pump\",outcome=\"crc_errors\"} 15.0",
        "arkmeter_meter_outcomes_total{meter=\"sauna\",outcome=\"crc_errors\"} 0.0",
        "arkmeter_bus_outcomes_total{bus=\"cabinet\",outcome=\"answers\"} 120.0",
        "arkmeter_meter_busy_seconds_total{meter=\"heat_pump\"} 2.625",
        "arkmeter_advice 1.0",
        "arkmeter_meter_occupancy_ratio{meter=\"heat_pump\"} 0.0445",
    ] {
        assert!(text.lines().any(|written| written == line), "{line}\n{text}");
    }
}
