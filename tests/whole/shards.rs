//! Several daemons with one configuration, each of which runs its shard.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arkmeter::ledger::shown::ShownMeter;
use arkmeter::simulator::SimulatedGateway;
use arkmeter::units::Name;
use serde_json::Value;

use crate::disk_call_faults::{CALLS, run_with_fault, sweep_calls};
use crate::harness::*;

/// A site with a gateway for each of two shards, and a meter on each.
async fn site() -> (Site, [SimulatedGateway; 2]) {
    let first = SimulatedGateway::start([sdm630(1, 100.0, 10.0)]).await.unwrap();
    let second = SimulatedGateway::start([sdm630(2, 200.0, 20.0)]).await.unwrap();
    let plan = Plan::new()
        .account("http://127.0.0.1:9/v1")
        .tcp("east", first.address())
        .text("shard = 1")
        .meter("sauna", "east", 1)
        .tcp("west", second.address())
        .text("shard = 2")
        .meter("boiler", "west", 2);
    (Site::new(&plan), [first, second])
}

const NUMBERS: [&str; 3] = ["ARKMETER_SHARDS", "ARKMETER_SHARD", "ARKMETER_SHARD_INDEX"];

fn of_two(number: &'static str) -> [(&'static str, &'static str); 2] {
    [(NUMBERS[0], "2"), (NUMBERS[1], number)]
}

async fn published(site: &Site, shard: u8, meter: &str) -> Value {
    let socket = format!("control-shard-{shard}.sock");
    for _ in 0..WAIT_LIMIT.as_millis() / CHECK_INTERVAL.as_millis() {
        let document = site.document_at(&socket).await.unwrap_or_default();
        if document["meters"][meter]["published_mwh"].is_u64() {
            return document;
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
    panic!("shard {shard} publishes no {meter}");
}

#[tokio::test]
async fn two_shards_on_one_machine_each_run_their_own_part() {
    let (site, _gateways) = site().await;
    let begun = site.run(&["shard", "init", "--shards", "2"]).await;
    assert_eq!((begun.code, begun.out.lines().count()), (0, 2), "{begun:?}");
    let first = site.start_with(&of_two("1"));
    let second = site.start_with(&[(NUMBERS[0], "2"), (NUMBERS[2], "1")]);
    for (number, meter, other) in [(1, "sauna", "boiler"), (2, "boiler", "sauna")] {
        let document = published(&site, number, meter).await;
        assert_eq!(document["shard"], serde_json::json!({ "number": number, "count": 2 }));
        assert_eq!(document["meters"][other], Value::Null);
        let number = number.to_string();
        let shown = site.run(&["status", "--shards", "2", "--shard", &number]).await;
        assert!(shown.out.contains(&format!("{number} of 2")), "{shown:?}");
        let shown = site.run(&["ledger", "show", "--json", "--shards", "2", "--shard", &number]).await;
        let shown: Value = serde_json::from_str(&shown.out).unwrap();
        assert!(shown["meters"][meter].is_object() && shown["meters"][other].is_null(), "{shown}");
    }
    // A second process of the same shard.
    site.run_with(&["run"], &of_two("2")).await.complains(75, &["in use by another arkmeter"]);
    first.stop().await;
    second.stop().await;
    let shown = site.run_with(&["ledger", "show", "--json"], &of_two("1")).await;
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(
        (shown["other_machine"].clone(), shown["meters"]["sauna"]["published_mwh"].clone()),
        (false.into(), 10_000_000.into())
    );
}

#[tokio::test]
async fn a_wrong_shard_ends_with_what_to_do() {
    let (site, _gateways) = site().await;
    let wrong = async |variables: &[(&str, &str)], code, words: &[&str]| {
        site.run_with(&["run"], variables).await.complains(code, words);
    };
    wrong(&[(NUMBERS[0], "4"), (NUMBERS[1], "0")], 2, &["ARKMETER_SHARD is 0", "from 1 to 4"]).await;
    wrong(&[(NUMBERS[0], "4"), (NUMBERS[1], "5")], 2, &["ARKMETER_SHARD is 5", "from 1 to 4"]).await;
    wrong(&[(NUMBERS[0], "4")], 2, &["there are 4 shards", "ARKMETER_SHARD_INDEX (0 to 3)"]).await;
    wrong(&[(NUMBERS[2], "1")], 2, &["set ARKMETER_SHARDS"]).await;
    wrong(&[(NUMBERS[0], "1"), (NUMBERS[1], "1")], 78, &["is pinned to shard 2, but the last shard is 1"]).await;
    wrong(&of_two("1"), 1, &["shard 1 of 2 has no ledger", "arkmeter shard init --shards 2"]).await;
    site.run(&["shard", "init"]).await.complains(2, &["add --shards"]);
    site.run(&["status", "--shard", "1"]).await.complains(2, &["--shard is given", "--shards"]);
    // The state of one shard where another looks for its own.
    assert_eq!(site.run(&["shard", "init", "--shards", "2"]).await.code, 0);
    std::fs::remove_dir_all(site.path("state/shard-2")).unwrap();
    std::fs::rename(site.path("state/shard-1"), site.path("state/shard-2")).unwrap();
    wrong(&of_two("2"), 65, &["belongs to shard 1 of 2", "mount the state of shard 2 there"]).await;
    let three = [(NUMBERS[0], "3"), (NUMBERS[1], "2")];
    wrong(&three, 65, &["arkmeter shard resize --from 2 --to 3"]).await;
}

/// The energy of a meter as this ledger holds it, without a daemon; `None` where the ledger lacks it or cannot be read.
fn held(folder: &Path, meter: &str) -> Option<u64> {
    let shown = arkmeter::ledger::shown::show(folder).ok()?;
    shown.meters.get(&Name::new(meter)?)?.published_mwh.map(|energy| energy.get())
}

/// A site of two shards whose daemons have run and stopped: `sauna` has 10 kWh in shard 1, `boiler` 20 kWh in shard 2.
async fn stopped_site() -> (Site, [SimulatedGateway; 2]) {
    let (site, gateways) = site().await;
    assert_eq!(site.run(&["shard", "init", "--shards", "2"]).await.code, 0);
    let daemons = [site.start_with(&of_two("1")), site.start_with(&of_two("2"))];
    published(&site, 1, "sauna").await;
    published(&site, 2, "boiler").await;
    for daemon in daemons {
        daemon.stop().await;
    }
    assert_eq!(held(&site.path("state/shard-2"), "boiler"), Some(20_000_000));
    (site, gateways)
}

fn repin(site: &Site, from: &str, to: &str) {
    let path = site.path("arkmeter.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
}

#[tokio::test]
async fn a_resize_moves_the_figures_and_a_forgotten_one_stops_the_shard() {
    let (site, _gateways) = stopped_site().await;
    // A bus moves, and nobody resizes.
    repin(&site, "shard = 2", "shard = 1");
    let first = &of_two("1");
    let words = [
        "the figure of boiler is in the ledger of shard 2 of 2",
        "arkmeter shard resize --from 2 --to 2",
        "no new figure",
    ];
    site.run_with(&["run"], first).await.complains(65, &words);
    // Shard 2 runs.
    let second = site.start_with(&of_two("2"));
    let running = |document: Option<Value>| document.is_some_and(|document| document["shard"]["number"] == 2);
    for _ in 0..WAIT_LIMIT.as_millis() / CHECK_INTERVAL.as_millis() {
        if running(site.document_at("control-shard-2.sock").await) {
            break;
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
    let resize = ["shard", "resize", "--from", "2", "--to", "2"];
    site.run(&resize).await.complains(75, &["shard-2 is in use by another arkmeter"]);
    second.stop().await;
    let done = site.run(&resize).await;
    assert!(done.code == 0 && done.out.contains("shard 1 of 2: 2 meters and 2 clients"), "{done:?}");
    assert_eq!(
        (held(&site.path("state/shard-1"), "boiler"), held(&site.path("state/shard-2"), "boiler")),
        (Some(20_000_000), None)
    );
    let daemon = site.start_with(first);
    let document = published(&site, 1, "boiler").await;
    assert_eq!(document["meters"]["boiler"]["published_mwh"], 20_000_000);
    daemon.stop().await;
    // Three shards, and one daemon without shards.
    repin(&site, "[bus.west]", "[bus.west] # again");
    let text = std::fs::read_to_string(site.path("arkmeter.toml")).unwrap();
    let (before, west) = text.split_once("[bus.west]").unwrap();
    std::fs::write(site.path("arkmeter.toml"), format!("{before}[bus.west]{}", west.replace("shard = 1", "shard = 3")))
        .unwrap();
    let done = site.run(&["shard", "resize", "--from", "2", "--to", "3"]).await;
    assert!(done.code == 0 && done.out.contains("each with 3 as their number"), "{done:?}");
    assert_eq!(held(&site.path("state/shard-3"), "boiler"), Some(20_000_000));
    site.run(&["run"]).await.complains(65, &["resize --from 3 --to none"]);
    assert_eq!(site.run(&["shard", "resize", "--from", "3", "--to", "none"]).await.code, 0);
    let daemon = site.start();
    let document = site.all_ok(&["sauna", "boiler"]).await;
    let energy = |meter: &str| document["meters"][meter]["published_mwh"].as_u64();
    assert_eq!((energy("sauna"), energy("boiler")), (Some(10_000_000), Some(20_000_000)));
    let history = site.run(&["history", "boiler", "--json"]).await;
    assert_eq!(history.code, 0, "{history:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn check_shows_what_each_shard_carries() {
    let (site, _gateways) = site().await;
    let checked = site.run(&["check", "--shards", "2"]).await;
    assert!(checked.code == 0 && checked.out.contains("polls a second"), "{checked:?}");
    let json = site.run(&["check", "--shards", "2", "--json"]).await;
    let json: Value = serde_json::from_str(&json.out).unwrap();
    for shard in [0, 1] {
        let load = &json["shards"][shard];
        assert_eq!((&load["buses"], &load["meters"], &load["clients"]), (&1.into(), &1.into(), &1.into()), "{load}");
        assert_eq!(load["polls_per_second"], 10.0);
        assert!(load["memory_bytes"].as_u64() > Some(1_000_000));
    }
    repin(&site, "shard = 2", "shard = 1");
    let checked = site.run(&["check", "--shards", "3"]).await;
    assert!(
        checked.err.contains("shard 1 carries 20.0 polls a second, 3.0 times the mean: the pin of bus"),
        "{checked:?}"
    );
    assert!(checked.out.contains(" 3          0       0             0.0"), "{checked:?}");
    let of_one = site.run(&["check", "--shards", "2", "--shard", "2"]).await;
    assert!(of_one.code == 0 && !of_one.out.contains("sauna"), "{of_one:?}");
}

#[tokio::test]
#[ignore = "needs strace: .ci/run installs it"]
#[allow(clippy::print_stderr, reason = "prints the number of calls")]
async fn resize_disk_calls_that_fail_or_kill_the_program_are_completed_by_a_second_run() {
    let (site, _gateways) = stopped_site().await;
    repin(&site, "shard = 2", "shard = 3");
    let histories = [1, 2].map(|shard| recorded(&site.path(&format!("state/shard-{shard}"))));
    let histories = [&histories[0], &Records::new(), &histories[1]];
    assert!([0, 2].iter().all(|shard| histories[*shard].len() > 1), "slots and days: {histories:?}");
    for calls in CALLS {
        let mut all = Vec::new();
        for fault in ["signal=KILL", "error=EIO", "error=ENOSPC"] {
            let most = sweep_calls(|k| resize_with_fault(&site, &histories, calls, fault, k)).await;
            eprintln!("shard resize: {calls} {fault}: k = 1 to {most}");
            all.push(most > 0);
        }
        assert!(all.iter().all(|struck| *struck == all[0]), "{calls}: a fault was never met");
    }
}

/// What a history holds: of each meter its slots and days.
type Records = Vec<(String, String)>;

/// What the history in that folder holds; nothing without a history.
fn recorded(folder: &Path) -> Records {
    let path = folder.join("history.db");
    if !path.exists() {
        return Records::new();
    }
    let history = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT name, json_array(ended, trusted, measured_ms, mean_mw, min_mw, max_mw, published_mwh, began, began_mwh)
                   FROM slot JOIN meter ON meter.id = slot.meter
               UNION ALL SELECT name, json_array(day, energy_mwh, covered_s) FROM day JOIN meter ON meter.id = day.meter";
    let mut all = history.prepare(sql).unwrap();
    let mut records: Records =
        all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap();
    records.sort();
    records
}

/// Runs a resize from 2 to 3 with one fault, then without. `histories` is what each shard then has. False if the run ended before the fault.
async fn resize_with_fault(site: &Site, histories: &[&Records; 3], calls: &str, fault: &str, k: u32) -> bool {
    const METERS: [(&str, u64); 2] = [("sauna", 10_000_000), ("boiler", 20_000_000)];
    let what = format!("{calls} {fault} k = {k}");
    let place = tempfile::tempdir().unwrap();
    copy_folder(&site.path("state"), &place.path().join("state"));
    let text = std::fs::read_to_string(site.path("arkmeter.toml")).unwrap();
    std::fs::write(place.path().join("arkmeter.toml"), text).unwrap();
    let command = ["shard", "resize", "--from", "2", "--to", "3"];
    let (output, struck) = run_with_fault(site, &command, place.path(), calls, fault, k).await;
    let folders = [1, 2, 3].map(|shard| place.path().join(format!("state/shard-{shard}")));
    let found = energies(&folders);
    for (meter, energy) in METERS {
        // In none that a daemon would open only while the resize waits to be completed.
        let ledgers = found.iter().filter(|figures| figures.get(meter) == Some(&energy)).count();
        assert!(ledgers <= 1, "{what}: {meter} is in {ledgers} ledgers: {output:?}");
        assert!(
            ledgers == 1 || folders.iter().any(|folder| folder.join("resize").exists()),
            "{what}: {meter} is lost: {output:?}"
        );
    }
    let again = site.run_under(&[], &command, place.path()).await;
    assert_eq!(again.code, 0, "{what}, then {again:?}");
    let [sauna, boiler] = METERS.map(|(meter, energy)| BTreeMap::from([(meter.to_owned(), energy)]));
    assert_eq!(energies(&folders), [sauna, BTreeMap::new(), boiler], "{what}, then");
    for (folder, expected) in folders.iter().zip(histories) {
        assert_eq!(recorded(folder), **expected, "{what}: the history in {}, after {output:?}", folder.display());
    }
    assert!(
        folders.iter().all(|folder| !folder.join("resize").exists() && !folder.join("resize.new").exists()),
        "{what}"
    );
    struck
}

/// The energies of the meters in each of these ledgers; none where a daemon would not open it.
fn energies(folders: &[PathBuf; 3]) -> [BTreeMap<String, u64>; 3] {
    folders.each_ref().map(|folder| {
        let meters = arkmeter::ledger::shown::show(folder).map(|shown| shown.meters).unwrap_or_default();
        let energy = |(name, meter): (Name, ShownMeter)| Some((name.to_string(), meter.published_mwh?.get()));
        meters.into_iter().filter_map(energy).collect()
    })
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
