//! `inspect`: reads the registers of an unknown meter in every format and prints a profile that the daemon can use.

use std::time::Duration;

use arkmeter::meter::Function;
use arkmeter::simulator::{SimulatedGateway, SimulatedSerialLine, SimulatedUnit, WordOrder};
use serde_json::Value;
use tokio::time::Instant;

use crate::harness::*;

/// A meter without a profile. Its registers have gaps that it refuses to read across.
fn unknown_meter(unit: u8) -> SimulatedUnit {
    let meter = SimulatedUnit::new(unit);
    for (address, value) in [(0x0010, 230.4), (0x0012, 229.8), (0x0014, 231.1), (0x0030, 49.99)] {
        meter.set_f32(Function::Input, address, value);
    }
    meter.set_u32(Function::Holding, 0x0007, 77, WordOrder::Big);
    meter
}

#[tokio::test]
async fn the_registers_of_an_unknown_meter_are_found_between_unmapped_ones() {
    let meter = unknown_meter(9);
    meter.set_max_registers(20);
    let line = SimulatedSerialLine::start([meter], None).unwrap();
    let site = Site::new(&Plan::new());
    let place = ["inspect", "--serial", line.path().to_str().unwrap(), "--unit", "9", "--registers", "0..0x40"];
    let output = site.run(&[&place[..], &["--watch", "0s", "--json"]].concat()).await;
    assert_eq!(output.code, 0, "{output:?}");
    let document: Value = serde_json::from_str(&output.out).unwrap();
    let guessed = |meaning: &str| -> Vec<u64> {
        let guesses = document["guesses"].as_array().unwrap().iter().filter(|guess| guess["meaning"] == meaning);
        guesses.map(|guess| guess["register"].as_u64().unwrap()).collect()
    };
    assert_eq!((guessed("voltage"), guessed("frequency")), (vec![0x10, 0x12, 0x14], vec![0x30]), "{document}");
    let rows = document["registers"].as_array().unwrap();
    let holding = rows.iter().find(|row| row["function"] == "holding").unwrap();
    assert_eq!((&holding["register"], &holding["raw"]), (&8.into(), &77.into()), "{holding}");

    let output = site.run(&[&place[..], &["--watch", "0s", "--name", "acme-9"]].concat()).await;
    assert!(
        output.code == 0 && output.err.contains("VALUE IN EACH FORMAT") && output.err.contains("230.4"),
        "{output:?}"
    );
    let table: toml::Table = output.out.parse().expect("the output is valid TOML");
    assert!(table["profile"]["acme-9"].is_table(), "{output:?}");
}

#[tokio::test]
async fn a_meter_is_watched_for_the_given_time() {
    let meter = unknown_meter(3);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let site = Site::new(&Plan::new());
    let address = gateway.address().to_string();
    let inspect = ["inspect", "--tcp", &address, "--unit", "3", "--registers", "0x10..0x15", "--function", "input"];
    let output = site.run(&[&inspect[..], &["--watch", "2s", "--json"]].concat()).await;
    assert_eq!(output.code, 0, "{output:?}");
    let document: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!(document["samples"], 13, "{document}");
    assert!(document["toml"].as_str().unwrap().contains("CANNOT TELL YET"), "{document}");
    assert!(document["doubts"][0]["remedy"].as_str().unwrap().contains("--loads 0,1kW,3kW"), "{document}");

    let before = meter.requests();
    let output = site.interrupt(&[&inspect[..], &["--watch", "1h"]].concat(), || meter.requests() >= before + 2).await;
    assert!(
        output.code == 130 && output.out.contains("[profile.unknown-meter]"),
        "Ctrl-C ends it and prints the results so far: {output:?}"
    );
}

/// Switches the next load on whenever the program waits, and counts the energy.
async fn switch_loads(meter: SimulatedUnit, counter: u16, watts: &[f64]) {
    const PAUSE: Duration = Duration::from_secs(3);
    let (mut energy, mut load) = (40.3456, 0);
    let (mut last, mut requests, mut seen) = (Instant::now(), meter.requests(), Instant::now());
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = Instant::now();
        if meter.requests() != requests {
            (requests, seen) = (meter.requests(), now);
        } else if requests > 0 && now - seen > PAUSE && load + 1 < watts.len() {
            (load, seen) = (load + 1, now);
        }
        energy += watts[load] / 1000.0 * (now - last).as_secs_f64() / 3600.0;
        last = now;
        meter.set_f32(Function::Input, 0x0100, watts[load] as f32);
        meter.set_f32(Function::Input, counter, energy as f32);
    }
}

#[tokio::test]
async fn it_asks_for_loads_and_pairs_power_and_counter_in_different_ranges() {
    let meter = SimulatedUnit::new(3);
    meter.set_f32(Function::Input, 0x0100, 60.0);
    meter.set_f32(Function::Input, 0x0400, 40.3456);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let site = Site::new(&Plan::new());
    let address = gateway.address().to_string();
    // The first pause comes before the first load.
    let switching = tokio::spawn(async move { switch_loads(meter, 0x0400, &[60.0, 60.0, 1_090.0, 3_120.0]).await });
    let ranges = "0x100..0x103,0x400..0x401";
    let inspect = ["inspect", "--tcp", &address, "--unit", "3", "--registers", ranges, "--function", "input"];
    let said = site.run(&[&inspect[..], &["--loads", "0,1kW,3kW", "--watch", "16s"]].concat()).await;
    switching.abort();
    assert_eq!(said.code, 0, "{said:?}");
    for words in
        ["switch the loads off now", "a load of about 3000 W", "not read: input 0x0102..0x0103: refused (exception 2)"]
    {
        assert!(said.err.contains(words), "{words} is missing: {said:?}");
    }
    assert!(said.out.contains("register = 0x0100\nfunction = \"input\"\ntype = \"f32\"\nunit = \"W\""), "{said:?}");
    assert!(said.out.contains("register = 0x0400\nfunction = \"input\"\ntype = \"f32\"\nunit = \"kWh\""), "{said:?}");
}

/// Somebody is at the terminal, and nobody switched anything while it watched.
#[tokio::test]
async fn it_asks_for_loads_where_watching_does_not_decide() {
    let meter = SimulatedUnit::new(3);
    meter.set_f32(Function::Input, 0x0100, 60.0);
    meter.set_f32(Function::Input, 0x0102, 40.3456);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let site = Site::new(&Plan::new());
    let address = gateway.address().to_string();
    let terminal = SimulatedSerialLine::start([], None).unwrap();
    let input = std::fs::File::open(terminal.path()).unwrap();
    // The first load that is asked for is no load.
    let switching = tokio::spawn(async move { switch_loads(meter, 0x0102, &[60.0, 60.0, 1_090.0, 3_120.0]).await });
    let inspect = ["inspect", "--tcp", &address, "--unit", "3", "--registers", "0x100..0x103", "--function", "input"];
    let said = site.run_with_input(&[&inspect[..], &["--watch", "16s"]].concat(), Some(input)).await;
    switching.abort();
    assert_eq!(said.code, 0, "{said:?}");
    for words in ["three loads decide it", "switch the loads off now", "a load of about 3000 W"] {
        assert!(said.err.contains(words), "{words} is missing: {said:?}");
    }
    assert!(said.out.contains("register = 0x0100\nfunction = \"input\"\ntype = \"f32\"\nunit = \"W\""), "{said:?}");
    assert!(said.out.contains("register = 0x0102\nfunction = \"input\"\ntype = \"f32\"\nunit = \"kWh\""), "{said:?}");
}

#[tokio::test]
async fn a_web_server_is_named_and_a_slow_meter_is_read() {
    let site = Site::new(&Plan::new());
    let meter = unknown_meter(3);
    meter.set_delay(Duration::from_millis(700));
    let gateway = SimulatedGateway::start([meter]).await.unwrap();
    let address = gateway.address().to_string();
    let inspect = ["inspect", "--unit", "3", "--registers", "0x10..0x15", "--function", "input", "--watch", "0s"];
    let slow = site.run(&[&inspect[..], &["--tcp", &address]].concat()).await;
    assert!(slow.code == 0 && slow.err.contains("230.4"), "{slow:?}");
    let web = arkreen([1]);
    let address = web.url().authority().to_owned();
    site.run(&[&inspect[..], &["--tcp", &address]].concat()).await.complains(1, &["web server"]);
}

#[tokio::test]
async fn a_missing_meter_is_an_error_with_its_cause() {
    let gateway = SimulatedGateway::start([]).await.unwrap();
    gateway.behave(|gateway| gateway.reports_missing_units = true);
    let site = Site::new(&Plan::new());
    let address = gateway.address().to_string();
    let inspect = |extra: &'static [&'static str]| [&["inspect", "--tcp", address.as_str()], extra].concat();
    site.run(&inspect(&["--unit", "1"])).await.complains(1, &["the gateway answers, the meter does not"]);
    for wrong in
        [&["--unit", "256"][..], &["--unit", "1", "--registers", "9"], &["--unit", "1", "--registers", "0..60000"], &[]]
    {
        assert_eq!(site.run(&inspect(wrong)).await.code, 2, "{wrong:?}");
    }
}
