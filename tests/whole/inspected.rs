//! `inspect`: an unknown meter's registers are read every way, and a profile comes of it that the daemon can use.

use arkmeter::meter::Function;
use arkmeter::simulator::{Gateway, SerialLine, Unit, WordOrder};
use serde_json::Value;

use crate::harness::*;

/// A meter that no profile knows: registers here and there, and holes between them that it refuses to read across.
fn strange(unit: u8) -> Unit {
    let meter = Unit::new(unit);
    for (address, value) in [(0x0010, 230.4), (0x0012, 229.8), (0x0014, 231.1), (0x0030, 49.99)] {
        meter.set_f32(Function::Input, address, value);
    }
    meter.set_u32(Function::Holding, 0x0007, 77, WordOrder::Big);
    meter
}

#[tokio::test]
async fn the_registers_of_an_unknown_meter_are_found_between_holes() {
    let meter = strange(9);
    meter.set_most(20);
    let line = SerialLine::start([meter], None).unwrap();
    let site = Site::new(&Plan::new());
    let place = ["inspect", "--serial", line.path().to_str().unwrap(), "--unit", "9", "--registers", "0..0x40"];
    let said = site.run(&[&place[..], &["--watch", "0s", "--json"]].concat()).await;
    assert_eq!(said.code, 0, "{said:?}");
    let document: Value = serde_json::from_str(&said.out).unwrap();
    let guessed = |meaning: &str| -> Vec<u64> {
        let guesses = document["guesses"].as_array().unwrap().iter().filter(|guess| guess["meaning"] == meaning);
        guesses.map(|guess| guess["register"].as_u64().unwrap()).collect()
    };
    assert_eq!((guessed("voltage"), guessed("frequency")), (vec![0x10, 0x12, 0x14], vec![0x30]), "{document}");
    let rows = document["registers"].as_array().unwrap();
    let holding = rows.iter().find(|row| row["function"] == "holding").unwrap();
    assert_eq!((&holding["register"], &holding["raw"]), (&8.into(), &77.into()), "{holding}");

    let said = site.run(&[&place[..], &["--watch", "0s", "--name", "acme-9"]].concat()).await;
    assert!(said.code == 0 && said.err.contains("EVERY WAY TO READ IT") && said.err.contains("230.4"), "{said:?}");
    let table: toml::Table = said.out.parse().expect("what is printed can be pasted");
    assert!(table["profile"]["acme-9"].is_table(), "{said:?}");
}

#[tokio::test]
async fn a_counter_that_is_watched_gives_itself_away() {
    // A counter with many digits, so that it is seen to rise within a short watch; W and tenths of a Wh as whole numbers.
    let meter = Unit::new(3);
    let words: [u16; 4] = [2301, 2296, 2310, 4999];
    meter.set(Function::Holding, 0x0000, &words);
    let counting = meter.clone();
    let begin = tokio::time::Instant::now();
    let task = tokio::spawn(async move {
        loop {
            let energy = 50_000_000.0 + 36_000_000.0 * begin.elapsed().as_secs_f64() / 3600.0;
            counting.set_u32(Function::Holding, 0x0020, 360_000, WordOrder::Big);
            counting.set_u32(Function::Holding, 0x0022, energy as u32, WordOrder::Big);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    until("registers", || begin.elapsed().as_millis() > 100).await;
    let gateway = Gateway::start([meter]).await.unwrap();
    let site = Site::new(&Plan::new());
    let address = gateway.address().to_string();
    let said = site
        .run(&["inspect", "--tcp", &address, "--unit", "3", "--registers", "0..63", "--watch", "6s", "--json"])
        .await;
    task.abort();
    assert_eq!(said.code, 0, "{said:?}");
    let document: Value = serde_json::from_str(&said.out).unwrap();
    let toml = document["toml"].as_str().unwrap();
    assert!(toml.contains(".energy]\nregister = 0x0022\nfunction = \"holding\"\ntype = \"u32\""), "{toml}");
    assert!(toml.contains(".power]\nregister = 0x0020"), "{toml}");
}

#[tokio::test]
async fn a_meter_that_is_not_there_is_told() {
    let gateway = Gateway::start([]).await.unwrap();
    gateway.habits(|habits| habits.names_missing = true);
    let site = Site::new(&Plan::new());
    let address = gateway.address().to_string();
    let inspect = |extra: &'static [&'static str]| [&["inspect", "--tcp", address.as_str()], extra].concat();
    site.run(&inspect(&["--unit", "1"])).await.complains(1, &["the gateway answers, the meter does not"]);
    for wrong in
        [&["--unit", "0"][..], &["--unit", "1", "--registers", "9"], &["--unit", "1", "--registers", "0..60000"], &[]]
    {
        assert_eq!(site.run(&inspect(wrong)).await.code, 2, "{wrong:?}");
    }
}
