//! Sectors that the disk does not give any more, one after the other: the copy is used, or the ledger where the copy is bad.

use std::fs;
use std::os::unix::fs::MetadataExt;

use futures_util::{StreamExt, stream};

use crate::disk::Disk;
use crate::disk_call_faults::{copied, stopped_site};
use crate::harness::*;

const SECTOR: u64 = 512;
/// Parallel runs.
const AT_ONCE: usize = 4;

#[tokio::test]
async fn a_sector_that_cannot_be_read_leads_to_the_copy_wherever_it_is() {
    let (disk, site) = (Disk::compile().await, stopped_site().await);
    for name in ["ledger.db", "ledger-copy.db"] {
        let sectors = fs::metadata(site.path("state").join(name)).unwrap().len().div_ceil(SECTOR);
        let runs = stream::iter(0..sectors).map(|sector| with_bad_sector(&disk, &site, name, sector));
        let fell_back: Vec<bool> = runs.buffered(AT_ONCE).collect().await;
        assert_eq!(fell_back.contains(&true), name == "ledger.db", "{name}: {fell_back:?}");
        assert!(fell_back.len() > 20, "{} sectors", fell_back.len());
    }
}

/// Adds 1 kWh to the 10 kWh of the site with this sector of this file unreadable. True if the copy took the ledger's place.
async fn with_bad_sector(disk: &Disk, site: &Site, name: &str, sector: u64) -> bool {
    let place = copied(site);
    let state = place.path().join("state");
    let inode = fs::metadata(state.join(name)).unwrap().ino().to_string();
    let sector = sector.to_string();
    let bad: Vec<_> = disk.with_bad_sector(&inode, &sector).map(|(name, value)| format!("{name}={value}")).into();
    let under: Vec<_> = std::iter::once("env").chain(bad.iter().map(String::as_str)).collect();
    let command = ["ledger", "credit", "sauna", "1kWh"];
    let output = site.run_under(&under, &command, place.path()).await;
    assert_eq!(output.code, 0, "{name}, sector {sector}: {output:?}");
    assert!(output.out.contains("11.000 kWh"), "{name}, sector {sector}: {output:?}");
    let fell_back = state.join("ledger-set-aside.db").exists();
    if fell_back {
        assert_eq!(name, "ledger.db", "sector {sector}: {output:?}");
        let journal = site.run_under(&[], &["ledger", "journal"], place.path()).await;
        assert!(journal.out.contains("the ledger was damaged ("), "sector {sector}: {journal:?}");
    }
    fell_back
}
