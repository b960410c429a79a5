//! Shards on machines that differ: one lacks the token, or its clock is wrong by minutes.

use std::process::Stdio;

use arkmeter::meter::Function;
use arkmeter::simulator::{Arkreen, SimulatedGateway, SimulatedUnit};
use tokio::process::Command;

use crate::clocks::{Clocks, Shifts};
use crate::harness::*;

const MINUTE: i64 = 60;
const KILOWATT_HOUR: u64 = 1_000_000;

/// Shard 1 of 2, whose meter shows 100 kWh and is reported as client 1. Shard 2 has nothing to do.
async fn one_shard(account: impl FnOnce(Plan) -> Plan) -> (Site, Arkreen, SimulatedUnit, SimulatedGateway) {
    let meter = sdm630(1, 1000.0, 100.0);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = account(Plan::new().account(arkreen.url())).tcp("gateway", gateway.address()).text("shard = 1");
    let site = Site::new(&plan.counting("sauna", "gateway", 1));
    assert_eq!(site.run(&["shard", "init", "--shards", "2"]).await.code, 0);
    (site, arkreen, meter, gateway)
}

async fn accepted(arkreen: &Arkreen, kilowatt_hours: u64) {
    let energy = Some(kilowatt_hours * KILOWATT_HOUR);
    until("the energy is reported", || accepted_energy(arkreen, 1) >= energy).await;
}

/// The register counts on by 2 Wh.
async fn counts_on(arkreen: &Arkreen, meter: &SimulatedUnit, kilowatt_hours: u64) {
    meter.set_f32(Function::Input, 0x0048, kilowatt_hours as f32 + 0.002);
    let energy = Some(kilowatt_hours * KILOWATT_HOUR + KILOWATT_HOUR / 1000);
    until("what it counts is reported", || accepted_energy(arkreen, 1) > energy).await;
}

#[tokio::test]
async fn a_token_that_one_node_lacks_is_named_there_and_no_energy_is_lost() {
    let credential = |plan: Plan| plan.replaced("token_file = \"token\"", "token_credential = \"main\"");
    let (site, arkreen, meter, _gateway) = one_shard(credential).await;
    let nodes = ["node-1", "node-2"].map(|node| site.path(node));
    nodes.iter().for_each(|node| std::fs::create_dir(node).unwrap());
    std::fs::copy(site.path("token"), nodes[0].join("main")).unwrap();
    let on = |node: usize| {
        let place = nodes[node].to_str().unwrap();
        site.start_with(&[("CREDENTIALS_DIRECTORY", place), ("ARKMETER_SHARDS", "2"), ("ARKMETER_SHARD", "1")])
    };
    let first = on(0);
    accepted(&arkreen, 100).await;
    first.stop().await;
    // The other node lacks it: the meter is read, the energy is kept, and nothing is sent.
    let calls = arkreen.calls().len();
    let second = on(1);
    until("the missing token is named", || {
        site.log().contains("systemd gave no credential \"main\": add LoadCredential")
    })
    .await;
    more_requests(&[&meter], 4).await;
    assert_eq!(arkreen.calls().len(), calls);
    second.stop().await;
    let first = on(0);
    counts_on(&arkreen, &meter, 100).await;
    first.stop().await;
    assert_valid_calls(&arkreen);
}

/// Starts a program as on a machine with this boot identifier, whose clock is synchronised.
fn machine(site: &Site, boot: &str) -> [String; 6] {
    let path = site.path(&format!("boot-{boot}"));
    std::fs::write(&path, format!("{}-0000-4000-8000-000000000000\n", boot.repeat(8))).unwrap();
    let script = format!(
        "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized && mount --bind {} \
         /proc/sys/kernel/random/boot_id && exec \"$@\"",
        path.display()
    );
    ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned)
}

#[tokio::test]
async fn a_shard_loses_nothing_on_a_node_whose_clock_is_minutes_behind() {
    let (site, arkreen, meter, _gateway) = one_shard(|plan| plan).await;
    let machines = [machine(&site, "a"), machine(&site, "b")];
    let works = Command::new(&machines[0][0]).args(&machines[0][1..]).arg("true").stderr(Stdio::null()).status().await;
    if !works.is_ok_and(|status| status.success()) {
        return skipped("a_shard_loses_nothing_on_a_node_whose_clock_is_minutes_behind", "no mount namespaces");
    }
    let clocks = Clocks::right().await;
    let [library, shifts] = clocks.variables();
    let on = |node: usize| {
        let under = machines[node].each_ref().map(String::as_str);
        site.start_under_with(&under, &[library, shifts, ("ARKMETER_SHARDS", "2"), ("ARKMETER_SHARD", "1")])
    };
    let daemon = on(0);
    accepted(&arkreen, 100).await;
    counts_on(&arkreen, &meter, 100).await;
    daemon.stop().await;
    // Ten minutes later on the second machine, which runs for hours and whose clock is 15 minutes behind. Then on the first one again.
    // Each time 1 kWh was consumed: more than full power carries in the time that the wrong clock tells.
    let later = [
        Shifts { timers: 0, boot: 5 * 60 * MINUTE, wall: -5 * MINUTE },
        Shifts { timers: 0, boot: 20 * MINUTE, wall: 20 * MINUTE },
    ];
    for (node, shift, shown) in [(1, later[0], 101), (0, later[1], 102)] {
        clocks.shift(shift);
        meter.set_f32(Function::Input, 0x0048, shown as f32);
        let daemon = on(node);
        // The energy of the gap waits for a minute, which the clocks skip.
        more_requests(&[&meter], 8).await;
        let Shifts { timers, boot, wall } = shift;
        clocks.shift(Shifts { timers: timers + MINUTE, boot: boot + MINUTE, wall: wall + MINUTE });
        accepted(&arkreen, shown).await;
        counts_on(&arkreen, &meter, shown).await;
        daemon.stop().await;
    }
    assert_valid_calls(&arkreen);
}
