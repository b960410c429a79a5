//! Several daemons with one configuration, each of which runs its shard.

use arkmeter::simulator::SimulatedGateway;
use serde_json::Value;

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
