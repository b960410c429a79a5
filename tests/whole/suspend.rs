//! Clocks that jump by hours: after suspend, after SIGSTOP, or when the wall clock is set.

use arkmeter::meter::Function;
use arkmeter::simulator::{Arkreen, SimulatedGateway, SimulatedUnit, UnitFault};
use serde_json::Value;
use tokio::time::Instant;

use crate::clocks::{Clocks, Shifts};
use crate::harness::*;

const HOUR: i64 = 3600;
const MINUTE: i64 = 60;

/// A daemon whose clocks can be shifted. Its meter is polled every second and shows a constant 100 kWh.
struct ShiftedDaemon {
    clocks: Clocks,
    site: Site,
    daemon: Daemon,
    arkreen: Arkreen,
    meter: SimulatedUnit,
    _gateway: SimulatedGateway,
}

impl ShiftedDaemon {
    async fn begin() -> Self {
        let (clocks, meter) = (Clocks::right().await, sdm630(1, 1000.0, 100.0));
        let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
        let arkreen = arkreen([1]);
        let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
        let site = Site::new(&plan.counting("sauna", "gateway", 1));
        let daemon = site.start_with(&clocks.variables());
        site.all_ok(&["sauna"]).await;
        more_calls(&arkreen, 1).await;
        ShiftedDaemon { clocks, site, daemon, arkreen, meter, _gateway: gateway }
    }

    /// Sets the meter's counter.
    fn show(&self, kilowatt_hours: f32) {
        self.meter.set_f32(Function::Input, 0x0048, kilowatt_hours);
    }

    /// Waits until Arkreen has accepted this energy, after the clocks have jumped over this gap.
    ///
    /// The guard holds the energy of a gap for a minute, which the clocks skip.
    async fn accepted(&self, kilowatt_hours: u64, gap: Shifts) {
        let energy = kilowatt_hours * 1_000_000;
        let read = |document: &Value| sauna(document)["register_mwh"] == energy;
        self.site.status_when("the energy of the gap is read", read).await;
        more_requests(&[&self.meter], 4).await;
        assert_eq!(accepted_energy(&self.arkreen, 1), Some(100_000_000), "reported before it was confirmed");
        let Shifts { timers, boot, wall } = gap;
        self.clocks.shift(Shifts { timers: timers + MINUTE, boot: boot + MINUTE, wall: wall + MINUTE });
        let accepted = || accepted_energy(&self.arkreen, 1) == Some(energy);
        until("the energy of the gap is reported", accepted).await;
    }

    async fn end(mut self) {
        assert!(self.daemon.runs());
        self.site.all_ok(&["sauna"]).await;
        self.daemon.stop().await;
        assert_valid_calls(&self.arkreen);
    }
}

fn sauna(document: &Value) -> &Value {
    &document["meters"]["sauna"]
}

#[tokio::test]
#[allow(clippy::print_stderr, reason = "prints the measured times")]
async fn after_suspend_nothing_old_is_reported_and_all_energy_is_counted() {
    let it = ShiftedDaemon::begin().await;
    it.meter.fault(UnitFault::Silent);
    it.site.status_when("the meter fails", |document| sauna(document)["state"] == "failing").await;
    // 8 kWh in 8 hours are plausible; in a few seconds they would be a thousand times the connection's maximum.
    it.show(108.0);
    let gap = Shifts { timers: 0, boot: 8 * HOUR, wall: 8 * HOUR };
    it.clocks.shift(gap);
    let document = it.site.status_when("the meter is stale", |document| sauna(document)["state"] == "stale").await;
    assert_eq!((&document["well"], it.site.run(&["status"]).await.code), (&Value::Bool(false), 1));
    let waits = |document: &Value| {
        document["clients"]["sauna"]["error"].as_str().is_some_and(|why| why.contains("was last read 8h"))
    };
    it.site.status_when("the report waits", waits).await;
    let calls = it.arkreen.calls().len();
    let polls = it.meter.requests();
    until("the meter is requested again", || it.meter.requests() >= polls + 2).await;
    assert_eq!(it.arkreen.calls().len(), calls, "nothing old is reported");
    it.meter.clear_fault();
    let answers_again = Instant::now();
    it.accepted(108, gap).await;
    eprintln!("suspend: 8 kWh reported {:?} after the meter was back, and the minute", answers_again.elapsed());
    it.end().await;
}

#[tokio::test]
async fn after_hours_of_sigstop_nothing_is_invented_and_missed_polls_are_not_repeated() {
    let it = ShiftedDaemon::begin().await;
    it.daemon.signal("STOP").await;
    it.show(110.0);
    let gap = Shifts { timers: 10 * HOUR, boot: 10 * HOUR, wall: 10 * HOUR };
    it.clocks.shift(gap);
    let (requests, calls) = (it.meter.requests(), it.arkreen.calls().len());
    it.daemon.signal("CONT").await;
    it.accepted(110, gap).await;
    // Two requests and one call per second: catching up on ten hours would be 72 000 requests and 36 000 calls.
    let (requests, calls) = (it.meter.requests() - requests, it.arkreen.calls().len() - calls);
    assert!(requests < 2_000 && calls < 1_000, "{requests} requests and {calls} calls: missed polls were repeated");
    it.end().await;
}

#[tokio::test]
async fn setting_the_wall_clock_of_a_running_daemon_changes_no_figure() {
    let it = ShiftedDaemon::begin().await;
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
