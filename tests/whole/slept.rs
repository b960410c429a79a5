//! Hours that pass at once: the box slept, or only the process stood still, or somebody set the wall clock.

use std::time::Duration;

use arkmeter::meter::Function;
use arkmeter::simulator::{Arkreen, SimulatedGateway, SimulatedUnit, UnitFault};
use serde_json::Value;
use tokio::time::Instant;

use crate::clocks::{Clocks, Shifts};
use crate::harness::*;

const HOUR: i64 = 3600;

/// A daemon on clocks that can be moved. Its meter is polled each second, has counted 100 kWh and stands still.
struct Moved {
    clocks: Clocks,
    site: Site,
    daemon: Daemon,
    arkreen: Arkreen,
    meter: SimulatedUnit,
    _gateway: SimulatedGateway,
}

impl Moved {
    async fn begin() -> Self {
        let (clocks, meter) = (Clocks::right().await, sdm630(1, 1000.0, 100.0));
        let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
        let arkreen = arkreen([1]);
        let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
        let site = Site::new(&plan.counting("sauna", "gateway", 1));
        let daemon = site.start_with(&clocks.variables());
        site.all_ok(&["sauna"]).await;
        more_calls(&arkreen, 1).await;
        Moved { clocks, site, daemon, arkreen, meter, _gateway: gateway }
    }

    /// The display shows other kilowatt-hours.
    fn show(&self, kilowatt_hours: f32) {
        self.meter.set_f32(Function::Input, 0x0048, kilowatt_hours);
    }

    /// Arkreen has taken so many kilowatt-hours.
    async fn accepted(&self, kilowatt_hours: u64) {
        // What was counted meanwhile is held for a minute.
        let end = Instant::now() + SOON + Duration::from_secs(60);
        while held(&self.arkreen, 1) != Some(kilowatt_hours * 1_000_000) {
            assert!(Instant::now() < end, "{kilowatt_hours} kWh are never reported: {:?}", held(&self.arkreen, 1));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn end(mut self) {
        assert!(self.daemon.runs());
        self.site.all_ok(&["sauna"]).await;
        self.daemon.stop().await;
        assert_truthful(&self.arkreen);
    }
}

fn sauna(document: &Value) -> &Value {
    &document["meters"]["sauna"]
}

#[tokio::test]
#[allow(clippy::print_stderr, reason = "the figures are for people")]
async fn a_box_that_slept_holds_nothing_old_for_fresh_and_takes_all_that_was_counted_meanwhile() {
    let it = Moved::begin().await;
    it.meter.fault(UnitFault::Silent);
    it.site.status_when("it does not answer", |document| sauna(document)["state"] == "failing").await;
    // 8 kWh in 8 hours: without them it would be a thousand times what the connection can carry.
    it.show(108.0);
    it.clocks.shift(Shifts { timers: 0, boot: 8 * HOUR, wall: 8 * HOUR });
    let document = it.site.status_when("it is stale", |document| sauna(document)["state"] == "stale").await;
    assert_eq!((&document["well"], it.site.run(&["status"]).await.code), (&Value::Bool(false), 1));
    let waits = |document: &Value| {
        document["clients"]["sauna"]["error"].as_str().is_some_and(|why| why.contains("was last read 8h"))
    };
    it.site.status_when("the report waits", waits).await;
    let calls = it.arkreen.calls().len();
    let polls = it.meter.requests();
    until("it is asked again and again", || it.meter.requests() >= polls + 2).await;
    assert_eq!(it.arkreen.calls().len(), calls, "nothing old is reported");
    it.meter.clear_fault();
    let woken = Instant::now();
    it.accepted(108).await;
    eprintln!("slept: 8 kWh reported {:?} after the meter was back", woken.elapsed());
    it.end().await;
}

#[tokio::test]
async fn a_process_that_stood_still_for_hours_makes_nothing_up_and_goes_on_at_its_pace() {
    let it = Moved::begin().await;
    it.daemon.signal("STOP").await;
    it.show(110.0);
    it.clocks.shift(Shifts { timers: 10 * HOUR, boot: 10 * HOUR, wall: 10 * HOUR });
    let (asked, calls) = (it.meter.requests(), it.arkreen.calls().len());
    it.daemon.signal("CONT").await;
    it.accepted(110).await;
    // A poll a second is two requests, a call a second: of ten hours it would be 72 000 and 36 000.
    let (asked, calls) = (it.meter.requests() - asked, it.arkreen.calls().len() - calls);
    assert!(asked < 2_000 && calls < 1_000, "{asked} requests and {calls} calls to make up for the time");
    it.end().await;
}

#[tokio::test]
async fn a_wall_clock_that_is_set_under_the_running_daemon_changes_no_figure() {
    let it = Moved::begin().await;
    for years in [-20, 5, 0] {
        it.clocks.shift(Shifts { wall: years * 365 * 24 * HOUR, ..Shifts::default() });
        more_requests(&[&it.meter], 6).await;
        more_calls(&it.arkreen, 2).await;
        let document = it.site.all_ok(&["sauna"]).await;
        assert_eq!(sauna(&document)["verdicts"]["held"], Value::Null, "{document:#}");
    }
    assert_only(&it.arkreen, 1, 1_000_000, 100_000_000);
    it.end().await;
}
