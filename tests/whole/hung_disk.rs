//! A disk that hangs: figures on disk are still reported, others wait, and a stop does not wait for the disk.

use std::fs;

use arkmeter::meter::Function;
use arkmeter::simulator::SimulatedGateway;
use tokio::time::Instant;

use crate::disk::Disk;
use crate::harness::*;

#[tokio::test]
#[allow(clippy::print_stderr, reason = "prints the measured times")]
async fn a_disk_that_hangs_stops_neither_polls_nor_reports_of_figures_on_disk_nor_the_stop() {
    let (disk, meter) = (Disk::compile().await, sdm630(1, 1000.0, 100.0));
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.counting("sauna", "gateway", 1));
    let hangs = site.path("hangs");
    let daemon = site.start_with(&disk.hanging_while(hangs.to_str().unwrap()));
    until("the first report", || accepted_energy(&arkreen, 1).is_some()).await;
    site.all_ok(&["sauna"]).await;
    fs::write(&hangs, "").unwrap();
    let begun = Instant::now();
    // The energy of 1 kW in a few seconds: plausible, so only the disk delays it.
    meter.set_f32(Function::Input, 0x0048, 100.0008);
    let error_has = |word: &'static str| {
        move |it: &serde_json::Value| it["ledger"]["error"].as_str().is_some_and(|error| error.contains(word))
    };
    site.status_when("the error is shown", error_has("does not answer")).await;
    eprintln!("hung disk: shown after {:?}", begun.elapsed());
    more_requests(&[&meter], 10).await;
    more_calls(&arkreen, 2).await;
    assert_only(&arkreen, 1, 1_000_000, 100_000_000);
    fs::remove_file(&hangs).unwrap();
    let begun = Instant::now();
    until("the new figure is reported", || accepted_energy(&arkreen, 1) > Some(100_000_700)).await;
    eprintln!("hung disk: reported {:?} after it answered again", begun.elapsed());
    site.status_when("all is well", |it| it["well"] == true).await;
    fs::write(&hangs, "").unwrap();
    meter.set_f32(Function::Input, 0x0048, 100.0016);
    site.status_when("it hangs again", error_has("does not answer")).await;
    let begun = Instant::now();
    daemon.stop().await;
    eprintln!("hung disk: stopped after {:?}", begun.elapsed());
    assert_valid_calls(&arkreen);
}
