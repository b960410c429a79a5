//! A state folder that is damaged, newer, in the way, or none.

use std::fs;

use crate::harness::*;

fn site() -> Site {
    Site::new(&Plan::new().tcp("gateway", nobody()).polled("sauna", "gateway", 1, "eastron-sdm630"))
}

/// A site whose daemon has run and ended.
async fn used() -> Site {
    let site = site();
    let daemon = site.start();
    site.status_when("it is up", |it| it["schema"] == 1).await;
    daemon.stop().await;
    site
}

#[tokio::test]
async fn a_damaged_ledger_without_a_good_copy_is_never_begun_anew() {
    let site = used().await;
    for name in ["ledger.db", "ledger-copy.db"] {
        fs::write(site.path("state").join(name), "junk".repeat(2000)).unwrap();
    }
    site.run(&["run"]).await.complains(65, &["is damaged", "ledger restore"]);
    assert_eq!(
        fs::read(site.path("state/ledger.db")).unwrap(),
        "junk".repeat(2000).into_bytes(),
        "it is left as it was"
    );
}

#[tokio::test]
async fn a_ledger_of_a_newer_arkmeter_is_left_alone() {
    let site = used().await;
    let ledger = rusqlite::Connection::open(site.path("state/ledger.db")).unwrap();
    ledger.pragma_update(None, "user_version", 99).unwrap();
    // The version is said a second time, in a sealed row.
    let mut seal = crc32fast::Hasher::new();
    seal.update(b"meta");
    for text in ["version", "99"] {
        seal.update(b"t");
        seal.update(&(text.len() as u64).to_le_bytes());
        seal.update(text.as_bytes());
    }
    let written = ledger.execute("UPDATE meta SET value = '99', crc = ?1 WHERE key = 'version'", [seal.finalize()]);
    assert_eq!(written.unwrap(), 1);
    drop(ledger);
    site.run(&["run"]).await.complains(65, &["newer arkmeter", "99"]);
}

#[tokio::test]
async fn a_state_folder_that_is_a_file_is_told() {
    let site = site();
    fs::write(site.path("state"), "").unwrap();
    site.run(&["run"]).await.complains(1, &["is not a folder", "[state] path"]);
}
