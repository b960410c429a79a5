//! Mixed faults during 360 polls of a meter: the polls of one hour at the default interval of 10 s.
//!
//! `ARKMETER_SOAK_HOURS=10 cargo test --test whole soak -- --nocapture` runs ten times as many.

use std::time::Duration;

use arkmeter::simulator::arkreen::EndpointBehaviour;
use arkmeter::simulator::{SimulatedGateway, SimulatedMeter, SimulatedModel, SimulatedSerialLine, UnitFault};
use tokio::time::{Instant, sleep};

use crate::harness::*;
use crate::process::Usage;

const METERS: [&str; 6] = ["good", "b", "c", "d", "e", "counting"];
const POLLS_AN_HOUR: u64 = 360;
/// Without a poll for this time the test fails.
const STUCK: Duration = Duration::from_secs(120);

#[tokio::test]
#[allow(clippy::print_stderr, reason = "prints the measured use of resources")]
async fn a_soak_with_mixed_faults_does_not_grow_memory_files_or_threads() {
    let hours: f64 = std::env::var("ARKMETER_SOAK_HOURS").ok().and_then(|hours| hours.parse().ok()).unwrap_or(1.0);
    let polls = (hours * POLLS_AN_HOUR as f64) as u64;
    let (good, counting) =
        (sdm630(1, 1000.0, 1.0), CountingMeter::start(SimulatedMeter::new(6, SimulatedModel::Sdm630, 360.0, 10.0, 7)));
    let bad: Vec<_> = (2..=5).map(|unit| sdm630(unit, 500.0, f32::from(unit))).collect();
    let gateway = SimulatedGateway::start([good.clone(), counting.unit(), bad[0].clone()]).await.unwrap();
    let converter = SimulatedGateway::start_converter([bad[1].clone(), bad[2].clone()]).await.unwrap();
    let line = SimulatedSerialLine::start([bad[3].clone()], None).unwrap();
    let arkreen = arkreen(1..=6);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let plan = plan.converter("converter", converter.address()).serial("cabinet", line.path());
    let plan = plan.meter("good", "gateway", 1).meter("b", "gateway", 2).meter("c", "converter", 3);
    let site = Site::new(&plan.meter("d", "converter", 4).meter("e", "cabinet", 5).counting("counting", "gateway", 6));
    let mut daemon = site.start();
    site.all_ok(&METERS).await;
    let (begun, mut warm) = (good.requests(), None);
    let (mut step, mut progress) = (0usize, (Instant::now(), 0));
    loop {
        let done = good.requests() - begun;
        if done > progress.1 {
            progress = (Instant::now(), done);
        }
        assert!(daemon.runs() && progress.0.elapsed() < STUCK, "no progress after {done} polls");
        // A poll is two requests: power and energy.
        if done >= polls && warm.is_none() {
            warm = Some(Usage::of(&daemon));
        }
        if done >= 2 * polls {
            break;
        }
        inject_fault(step, &bad, &gateway, &converter, &line, &arkreen);
        step += 1;
        sleep(CHECK_INTERVAL * 4).await;
    }
    bad.iter().for_each(|unit| unit.clear_fault());
    gateway.behave(|gateway| *gateway = Default::default());
    converter.behave(|gateway| *gateway = Default::default());
    line.set_echo(false);
    arkreen.always(EndpointBehaviour::Normal);
    site.all_ok(&METERS).await;
    more_calls(&arkreen, 2).await;
    let (warm, end) = (warm.unwrap(), Usage::of(&daemon));
    eprintln!(
        "soak: {step} faults, resident {} -> {} kB, files {} -> {}, threads {} -> {}",
        warm.resident_kb, end.resident_kb, warm.files, end.files, warm.threads, end.threads
    );
    assert!(end.resident_kb <= warm.resident_kb + 4096, "memory grows");
    assert!(end.files <= warm.files + 8, "file descriptors grow");
    assert!(end.threads <= warm.threads + 4, "threads grow");
    daemon.stop().await;
    assert_valid_calls(&arkreen);
    assert!(accepted_energy(&arkreen, 6).unwrap() as f64 <= counting.reading() + 4.0, "more than the meter's counter");
    for unit in 1..=5 {
        assert!(sent(&arkreen, unit).iter().all(|entry| entry.energy.get() == u64::from(unit) * 1_000_000));
    }
}

/// Injects the next fault: of a meter, of a link or of the cloud.
fn inject_fault(
    step: usize,
    bad: &[arkmeter::simulator::SimulatedUnit],
    gateway: &SimulatedGateway,
    converter: &SimulatedGateway,
    line: &SimulatedSerialLine,
    arkreen: &arkmeter::simulator::Arkreen,
) {
    let faults = [
        UnitFault::Silent,
        UnitFault::Late(TIMEOUT * 6 / 5),
        UnitFault::Twice,
        UnitFault::WrongLength,
        UnitFault::WrongUnit,
        UnitFault::Garbage,
        UnitFault::Exception(0x0B),
    ];
    bad[step % bad.len()].fault_next(2, faults[step % faults.len()]);
    match step % 11 {
        1 => gateway.disconnect(),
        3 => converter.disconnect(),
        5 => gateway.behave(|gateway| gateway.close_after_answer ^= true),
        7 => line.set_echo(step.is_multiple_of(2)),
        _ => {}
    }
    // Rare, so that the reporter's pauses stay short.
    match step % 50 {
        9 => arkreen.behave(EndpointBehaviour::Close),
        34 => arkreen.behave(EndpointBehaviour::Status(500)),
        _ => {}
    }
}
