//! A box without a battery for its clock: it starts in 1970, and its clock is right once a time server has set it.

use std::fs;
use std::process::Stdio;

use arkmeter::clock::Clock;
use arkmeter::meter::Function;
use arkmeter::simulator::SimulatedGateway;
use serde_json::Value;
use tokio::process::Command;

use crate::clocks::{Clocks, Shifts};
use crate::harness::*;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
/// By this file timesyncd says that the clock is synchronised, below `/run`.
const SYNCHRONISED: &str = "systemd/timesync/synchronized";

/// Starts a program as after the boot with this identifier. Its `/run` is the folder `run` of the site.
fn booted(site: &Site, boot: &str) -> [String; 6] {
    let identifier = site.path(&format!("boot-{boot}"));
    fs::write(&identifier, format!("{}-0000-4000-8000-000000000000\n", boot.repeat(8))).unwrap();
    let script = format!(
        "mount --bind {} /run && mount --bind {} /proc/sys/kernel/random/boot_id && exec \"$@\"",
        site.path("run").display(),
        identifier.display()
    );
    ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned)
}

async fn works(under: &[String]) -> bool {
    let status = Command::new(&under[0]).args(&under[1..]).arg("true").stderr(Stdio::null()).status().await;
    status.is_ok_and(|status| status.success())
}

/// The recorded rows of the meter.
async fn rows(site: &Site) -> Vec<Value> {
    let output = site.run(&["ledger", "history", "sauna", "--json"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    let document: Value = serde_json::from_str(&output.out).unwrap();
    document["rows"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_box_that_starts_in_1970_says_so_with_the_remedy_and_loses_nothing() {
    let (clocks, meter) = (Clocks::right().await, sdm630(1, 1000.0, 100.0));
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.counting("sauna", "gateway", 1));
    let synchronised = site.path("run").join(SYNCHRONISED);
    fs::create_dir_all(synchronised.parent().unwrap()).unwrap();
    fs::write(&synchronised, "").unwrap();
    let boots = [booted(&site, "a"), booted(&site, "b")];
    if !works(&boots[0]).await {
        let test = "a_box_that_starts_in_1970_says_so_with_the_remedy_and_loses_nothing";
        return skipped(test, "no mount namespaces");
    }
    let start = |boot: usize| site.start_under_with(&boots[boot].each_ref().map(String::as_str), &clocks.variables());
    let daemon = start(0);
    site.all_ok(&["sauna"]).await;
    until("a report is accepted", || accepted_energy(&arkreen, 1) == Some(100_000_000)).await;
    daemon.stop().await;
    let recorded = rows(&site).await;
    assert!(recorded.iter().any(|row| row["published_mwh"] == 100_000_000), "{recorded:#?}");

    // While the box was without power, 1 kWh was consumed. Now its clock begins in 1970, and no time server is there yet.
    fs::remove_file(&synchronised).unwrap();
    meter.set_f32(Function::Input, 0x0048, 101.0);
    let unset = Shifts { wall: DAY - Clock::system().now().wall.as_second(), ..Shifts::default() };
    clocks.shift(unset);
    let daemon = start(1);
    let says = |document: &Value| {
        document["trouble"][0].as_str().is_some_and(|text| {
            text.starts_with("The clock of this box is wrong, it says 2 Jan 1970: set it (`timedatectl set-ntp true`")
        })
    };
    site.status_when("the clock is named first", says).await;
    let shown = site.run(&["status"]).await;
    let words: Vec<_> = shown.out.split_whitespace().collect();
    assert!(shown.code == 1 && words.join(" ").contains("set it (`timedatectl set-ntp true`"), "{shown:?}");
    more_calls(&arkreen, 3).await;
    let energies = sent(&arkreen, 1);
    assert!(energies.iter().all(|entry| entry.energy.get() >= 100_000_000), "no figure falls: {energies:?}");
    let kept = rows(&site).await;
    assert!(recorded.iter().all(|row| kept.contains(row)), "{recorded:#?}\n{kept:#?}");

    // A time server sets the clock. The energy of the gap can be dated now, and counts after the minute that confirms it.
    fs::write(&synchronised, "").unwrap();
    clocks.shift(Shifts { timers: 0, boot: MINUTE, wall: 60 * MINUTE });
    until("the energy of the gap is reported", || accepted_energy(&arkreen, 1) == Some(101_000_000)).await;
    let trouble = &site.all_ok(&["sauna"]).await["trouble"];
    assert!(!trouble.to_string().contains("clock"), "{trouble:#}");
    daemon.stop().await;
    let kept = rows(&site).await;
    assert!(recorded.iter().all(|row| kept.contains(row)), "{recorded:#?}\n{kept:#?}");
    assert_valid_calls(&arkreen);
}
