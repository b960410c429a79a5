//! A state folder that is damaged, of a newer version, a file, or changed while the daemon runs.

use std::fs;

use arkmeter::ledger::shown;
use arkmeter::simulator::{SimulatedGateway, SimulatedMeter, SimulatedModel};

use crate::harness::*;

fn site() -> Site {
    Site::new(&Plan::new().tcp("gateway", unused_address()).polled("sauna", "gateway", 1, "eastron-sdm630"))
}

/// A site whose daemon has run and stopped.
async fn used_site() -> Site {
    let site = site();
    let daemon = site.start();
    site.status_when("the daemon answers", |it| it["schema"] == 1).await;
    daemon.stop().await;
    site
}

#[tokio::test]
async fn a_damaged_ledger_without_a_good_copy_is_never_replaced_by_an_empty_one() {
    let site = used_site().await;
    for name in ["ledger.db", "ledger-copy.db"] {
        fs::write(site.path("state").join(name), "junk".repeat(2000)).unwrap();
    }
    site.run(&["run"]).await.complains(65, &["is damaged", "ledger restore"]);
    assert_eq!(
        fs::read(site.path("state/ledger.db")).unwrap(),
        "junk".repeat(2000).into_bytes(),
        "the file is unchanged"
    );
}

#[tokio::test]
async fn a_ledger_of_a_newer_arkmeter_is_left_alone() {
    let site = used_site().await;
    let ledger = rusqlite::Connection::open(site.path("state/ledger.db")).unwrap();
    ledger.pragma_update(None, "user_version", 99).unwrap();
    // The version is also in a row with a checksum, whose columns may differ in a newer version.
    assert_eq!(ledger.execute("UPDATE ledger SET version = 99, crc = 0", []).unwrap(), 1);
    drop(ledger);
    site.run(&["run"]).await.complains(65, &["newer arkmeter", "99"]);
}

#[tokio::test]
async fn a_state_folder_that_is_a_file_is_an_error() {
    let site = site();
    fs::write(site.path("state"), "").unwrap();
    site.run(&["run"]).await.complains(1, &["is not a folder", "[state] path"]);
}

#[tokio::test]
async fn a_ledger_that_is_deleted_or_replaced_stops_the_daemon_before_it_reports_more() {
    let sauna = CountingMeter::start(SimulatedMeter::new(1, SimulatedModel::Sdm630, 3600.0, 10.0, 7));
    let gateway = SimulatedGateway::start([sauna.unit()]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.counting("sauna", "gateway", 1));
    for (times, names) in [(1, ["ledger.db", "ledger.db-wal"].as_slice()), (2, &["ledger.db"])] {
        // Each start uses the copy.
        let daemon = site.start();
        more_calls(&arkreen, 2).await;
        for name in names {
            fs::remove_file(site.path("state").join(name)).unwrap();
        }
        if times == 2 {
            fs::write(site.path("state/ledger.db"), "another file").unwrap();
        }
        assert_eq!(daemon.end().await.code(), Some(1), "systemd starts it again");
        let warnings = site.log().matches("was removed or replaced while arkmeter was using it").count();
        assert_eq!(warnings, times, "{}", site.log());
    }
    let daemon = site.start();
    more_calls(&arkreen, 2).await;
    daemon.stop().await;
    let found = shown::show(&site.path("state")).unwrap();
    let (kept, reported) = (found.clients[0].energy_mwh.unwrap().get(), accepted_energy(&arkreen, 1).unwrap());
    assert!(kept >= reported, "{reported} mWh were reported, but {kept} are on the disk");
    assert_valid_calls(&arkreen);
}
