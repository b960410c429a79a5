//! `ledger history` with and without a daemon, and a damaged history.

use std::fs;
use std::time::Duration;

use arkmeter::simulator::{SimulatedGateway, SimulatedMeter, SimulatedModel};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::harness::*;

/// The longest wait for a row. A slot takes at least 10 s.
const RECORD_LIMIT: Duration = Duration::from_secs(120);

/// Waits until the rows of meter `sauna` are as wanted, and returns them.
async fn rows_when(site: &Site, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let end = Instant::now() + RECORD_LIMIT;
    loop {
        let output = site.run(&["ledger", "history", "sauna", "--json"]).await;
        assert_eq!(output.code, 0, "{output:?}");
        let document: Value = serde_json::from_str(&output.out).unwrap();
        let rows = document["rows"].as_array().unwrap();
        if wanted(rows) {
            return rows.clone();
        }
        assert!(Instant::now() < end, "not within {RECORD_LIMIT:?}: {what}\n{output:?}");
        sleep(Duration::from_millis(500)).await;
    }
}

fn energy(row: &Value) -> u64 {
    row["energy_mwh"].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn the_history_is_recorded_and_shown_with_and_without_the_daemon() {
    let meter = CountingMeter::start(SimulatedMeter::new(1, SimulatedModel::Sdm630, 3600.0, 10.0, 7));
    let gateway = SimulatedGateway::start([meter.unit()]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).counting("sauna", "gateway", 1);
    let site = Site::new(&plan);
    site.run(&["ledger", "history", "sauna"]).await.complains(0, &["nothing is recorded of sauna yet"]);
    let daemon = site.start();
    let accepted = |document: &Value| {
        document["clients"].as_object().is_some_and(|all| all.values().any(|client| client["accepted_mwh"].is_u64()))
    };
    site.status_when("a report is accepted", accepted).await;
    let published = |rows: &[Value]| rows.last().is_some_and(|row| row["published_mwh"].is_u64());
    let rows = rows_when(&site, "a slot while the daemon runs", published).await;
    assert_eq!(rows[0]["mean_mw"], 3_600_000, "{rows:?}");
    daemon.stop().await;
    // The energy counted until the next start is in a row with `gap`.
    let before = rows_when(&site, "the last slot is written by the stop", |rows| !rows.is_empty()).await;
    let daemon = site.start();
    site.all_ok(&["sauna"]).await;
    daemon.stop().await;
    let rows = rows_when(&site, "the second run", |rows| rows.len() > before.len() + 1).await;
    assert_eq!(rows[..before.len()], before[..], "recorded rows do not change");
    assert_eq!(rows[before.len()]["gap"], true, "{rows:?}");
    let begun = rows.iter().position(|row| row["published_mwh"].is_u64()).unwrap();
    let (first, last) =
        (rows[begun]["published_mwh"].as_u64().unwrap(), rows.last().unwrap()["published_mwh"].as_u64().unwrap());
    assert_eq!(
        rows[begun + 1..].iter().map(energy).sum::<u64>(),
        last - first,
        "the rows add up to the published energy"
    );
    assert!(rows.iter().all(|row| row["from"].as_str() <= row["to"].as_str()), "{rows:?}");
    assert!(accepted_energy(&arkreen, 1).unwrap() <= last, "the last row is not below the reported energy");

    let days = site.run(&["ledger", "history", "sauna", "--from", "2d", "--utc", "--every", "1d", "--csv"]).await;
    let mut lines = days.out.lines();
    assert!(lines.next().unwrap().starts_with("from,to,gap,mean_mw,"), "{days:?}");
    assert!(lines.next().is_some_and(|line| line.contains("T00:00:00Z,")), "{days:?}");
    // Days of the box's time zone, all meters in one table.
    let total = rows.iter().map(energy).sum::<u64>();
    let local = site.run_with(&["history", "--csv", "--from", "2d"], &[("TZ", "XYZ-5:30")]).await;
    let lines: Vec<_> = local.out.lines().collect();
    assert!(lines[0] == "from,to,sauna_mwh" && lines[1].contains("T00:00:00+05:30,"), "{local:?}");
    let parts = lines[1..].iter().map(|line| line.rsplit(',').next().unwrap().parse::<u64>().unwrap());
    assert_eq!(parts.sum::<u64>(), total, "the days add up to the published energy: {local:?}");
    let table = site.run(&["history", "--utc"]).await;
    assert!(table.out.starts_with("Energy in kWh, a row per day, times in UTC.\n\nDAY"), "{table:?}");
    assert!(table.out.contains(" sauna") && table.out.contains("\nsum ") && table.out.contains("so far"), "{table:?}");
    let document = site.run(&["history", "--json", "--utc"]).await;
    let document: Value = serde_json::from_str(&document.out).unwrap();
    let days = document["rows"].as_array().unwrap().iter().map(|row| row["energy_mwh"]["sauna"].as_u64().unwrap());
    assert_eq!(days.sum::<u64>(), total);
    let table = site.run(&["ledger", "history", "sauna", "--every", "1h"]).await;
    assert!(table.out.contains("3.60 kW") && table.out.starts_with("FROM"), "{table:?}");
    let recent = site.run(&["ledger", "history", "sauna", "--from", "yesterday"]).await;
    assert!(recent.code == 0 && recent.out.contains("3.60 kW"), "{recent:?}");
    assert_valid_calls(&arkreen);

    for (wrong, code, words) in [
        (&["sauma"][..], 1, &["`sauma`", "did you mean `sauna`?"][..]),
        (&["sauna", "--from", "last week"], 2, &["2026-11-01T08:00:00+02:00", "today or yesterday"]),
        (&["sauna", "--from", "yesterday", "--to", "yesterday"], 2, &["is not before"]),
        (&["sauna", "--from", "2026-11-01T25:00:00"], 2, &["not a time"]),
        (&["--to", "2020-01-01"], 0, &["nothing is recorded in that time"]),
        (&["sauna", "--every", "7h"], 2, &["15m, 1h or 1d"]),
        (&["sauna", "--from", "2026-11-02", "--to", "2026-11-01"], 2, &["is not before"]),
        (&["sauna", "--to", "2020-01-01"], 0, &["nothing is recorded of sauna in that time"]),
    ] {
        site.run(&[&["ledger", "history"], wrong].concat()).await.complains(code, words);
    }
}

#[tokio::test]
async fn a_damaged_history_is_replaced_and_stops_neither_ledger_nor_reports() {
    let meter = CountingMeter::start(SimulatedMeter::new(1, SimulatedModel::Sdm630, 3600.0, 10.0, 7));
    let gateway = SimulatedGateway::start([meter.unit()]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).counting("sauna", "gateway", 1);
    let site = Site::new(&plan);
    fs::create_dir(site.path("state")).unwrap();
    fs::write(site.path("state/history.db"), "junk".repeat(2000)).unwrap();
    site.run(&["ledger", "history", "sauna"]).await.complains(65, &["is damaged", "starts a new one"]);
    let daemon = site.start();
    let document = site.all_ok(&["sauna"]).await;
    assert_eq!(document["ledger"]["history_error"], Value::Null);
    // A reload applies a new `history` length.
    site.configure(&plan.replaced("path = \"state\"", "path = \"state\"\nhistory = \"30d\""));
    daemon.signal("HUP").await;
    until("the reload is done", || site.log().contains("the configuration was reloaded")).await;
    assert!(!site.log().contains("next start only"), "{}", site.log());
    more_calls(&arkreen, 2).await;
    daemon.stop().await;
    assert_eq!(site.log().matches("a new history was started").count(), 1, "it is logged once");
    rows_when(&site, "the new history is written", |rows| !rows.is_empty()).await;
    assert_eq!(fs::read(site.path("state/history-set-aside.db")).unwrap(), "junk".repeat(2000).into_bytes());
    assert_valid_calls(&arkreen);
}
