//! `scan`: finds meters, proposes their configuration and adds it; explains why no meter answers; does not disturb a running daemon.

use std::fs;

use arkmeter::meter::Function;
use arkmeter::simulator::{SimulatedGateway, SimulatedMeter, SimulatedModel, SimulatedSerialLine, SimulatedUnit};
use serde_json::Value;

use crate::harness::*;
use crate::terminal::{CTRL_C, Terminal};

/// A counting meter with the register map of an SDM630 that also has voltages and frequency.
fn counting_meter(unit: u8) -> CountingMeter {
    let meter = SimulatedMeter::new(unit, SimulatedModel::Sdm630, 2300.0, 1234.5, 77_001);
    for (address, volts) in [(0x0000, 230.1), (0x0002, 229.4), (0x0004, 231.7), (0x0006, 49.98)] {
        meter.unit.set_f32(Function::Input, address, volts);
    }
    CountingMeter::start(meter)
}

/// The arguments of a scan with a timeout that is long enough for a loaded machine.
fn scan_arguments<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["scan", "--timeout", "1s", "--watch", "1s"], arguments].concat()
}

#[tokio::test]
async fn a_scan_finds_the_meters_of_a_line_and_adds_them_to_the_configuration() {
    let (meter, pzem) = (counting_meter(2), SimulatedMeter::new(4, SimulatedModel::Pzem004t, 60.0, 9.5, 0));
    let line = SimulatedSerialLine::start([meter.unit(), pzem.unit.clone()], None).unwrap();
    let device = line.path().to_str().unwrap().to_owned();
    let site = Site::new(&Plan::new().text("# This stays. # And this."));
    let arguments = scan_arguments(&[
        "--serial",
        &device,
        "--baud",
        "9600",
        "--parity",
        "none",
        "--units",
        "1-4",
        "--max-power",
        "20kW",
    ]);
    let output = site.run(&arguments).await;
    assert_eq!(output.code, 0, "{output:?}");
    for words in ["unit 2 at 9600 baud 8N1", "230.1 V", "49.98 Hz", "eastron-sdm", "unit 4", "pzem-004t"] {
        assert!(output.out.contains(words), "{words} is missing: {output:?}");
    }
    assert!(output.err.contains("2 meters were found"), "{output:?}");
    assert!(!output.err.contains('\r'), "a progress bar only on a terminal: {output:?}");
    toml::from_str::<toml::Table>(&output.out).expect("the output is valid TOML");

    let before = fs::read_to_string(site.path("arkmeter.toml")).unwrap();
    let output = site.run(&[&arguments[..], &["--write", "--json"]].concat()).await;
    assert_eq!(output.code, 0, "{output:?}");
    let found: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!((&found["found"][0]["unit"], &found["found"][1]["unit"]), (&2.into(), &4.into()));
    assert_eq!(found["found"][0]["candidates"][0]["register_mwh"].as_u64().unwrap() / 1_000_000_000, 1);
    let after = fs::read_to_string(site.path("arkmeter.toml")).unwrap();
    assert!(after.starts_with(&before) && after.len() > before.len(), "{after}");
    let read = site.run(&["read", "--json"]).await;
    assert!(read.code == 0 && read.out.contains("meter_2"), "{read:?}");
    // 60 W do not move the counter of unit 4 in a second: it is only possible.
    let toml = found["found"][1]["toml"].as_str().unwrap();
    assert!(toml.lines().all(|line| line.starts_with('#')) && toml.contains("# [meter.meter_4]"), "{toml}");
    assert!(output.err.contains("meter_4: its model is not certain") && !after.contains("meter_4"), "{output:?}");

    let output = site.run(&[&arguments[..], &["--write"]].concat()).await;
    assert!(output.code == 0 && output.err.contains("in the configuration already"), "{output:?}");
    assert_eq!(fs::read_to_string(site.path("arkmeter.toml")).unwrap(), after);
}

#[tokio::test]
async fn a_scan_that_writes_asks_for_what_is_missing_or_refuses_before_it_scans() {
    let meter = sdm630(3, 1500.0, 1234.5);
    meter.set_device_id(&["Eastron", "SDM630", "1.2"]);
    let gateway = SimulatedGateway::start([meter]).await.unwrap();
    gateway.behave(|gateway| gateway.reports_missing_units = true);
    let address = gateway.address().to_string();
    let arkreen = arkreen([1]);
    let site = Site::new(&Plan::new().account(arkreen.url()));
    let arguments = scan_arguments(&["--tcp", &address, "--units", "3", "--write"]);
    site.run(&arguments).await.complains(2, &["--write needs --max-power", "no terminal to ask at"]);
    assert_eq!(gateway.requests(), 0, "it refuses before it scans");

    let before = fs::read_to_string(site.path("arkmeter.toml")).unwrap();
    let mut terminal = Terminal::start(&site, &arguments);
    terminal.answers("Fuses of meter_3", "3x25").await;
    terminal.shows("Client of meter_3").await;
    terminal.keys(CTRL_C).await;
    terminal.shows("nothing was written").await;
    assert_eq!(terminal.end().await.0, Some(130));
    assert_eq!(fs::read_to_string(site.path("arkmeter.toml")).unwrap(), before);

    let mut terminal = Terminal::start(&site, &arguments);
    terminal.answers("Fuses of meter_3", "2x25").await;
    terminal.shows("1 or 3 phases").await;
    terminal.answers("Fuses of meter_3", "3x25").await;
    terminal.answers("Client of meter_3", "0x12").await;
    terminal.shows("0x and 64 hex digits").await;
    terminal.answers("Client of meter_3", &client(1).to_hex()).await;
    assert_eq!(terminal.end().await.0, Some(0));
    let after = fs::read_to_string(site.path("arkmeter.toml")).unwrap();
    assert!(after.contains("max_power = \"17250W\"") && after.contains(&client(1).to_hex()), "{after}");
    site.run(&["check", "--quiet"]).await;
}

#[tokio::test]
async fn a_scan_finds_the_baud_rate_and_reads_the_device_identification() {
    let meter = sdm630(3, 0.0, 0.0);
    meter.set_device_id(&["Eastron", "SDM630", "1.2\u{1b}[31m"]);
    let line = SimulatedSerialLine::start([meter], None).unwrap();
    line.set_baud(19_200);
    let site = Site::new(&Plan::new());
    let device = line.path().to_str().unwrap();
    let arguments =
        scan_arguments(&["--serial", device, "--baud", "9600,19200", "--parity", "even", "--units", "3,200"]);
    let output = site.run(&arguments).await;
    assert_eq!(output.code, 0, "{output:?}");
    for words in ["19200 baud 8E1", "eastron-sdm630 (certain)", "Eastron, SDM630, 1.2?[31m", "parity = \"even\""] {
        assert!(output.out.contains(words), "{words} is missing: {output:?}");
    }
}

#[tokio::test]
async fn a_scan_stopped_by_ctrl_c_prints_what_it_found_so_far() {
    let line = SimulatedSerialLine::start([sdm630(1, 10.0, 1.0)], None).unwrap();
    let site = Site::new(&Plan::new());
    let arguments = ["scan", "--serial", line.path().to_str().unwrap(), "--baud", "9600", "--timeout", "2s"];
    let output = site.interrupt(&arguments, || line.requests() >= 2).await;
    assert_eq!(output.code, 130, "{output:?}");
    assert!(output.out.contains("unit 1 at 9600") && output.err.contains("stopped: so far 1 meter"), "{output:?}");
}

#[tokio::test]
async fn a_scan_of_ip_addresses_finds_gateways_and_meters_that_answer_to_any_unit() {
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap();
    gateway.behave(|gateway| gateway.reports_missing_units = true);
    let port = gateway.address().port();
    let site = Site::new(&Plan::new());
    let range = format!("127.0.0.1-3:{port}");
    let output = site.run(&scan_arguments(&["--tcp", &range, "--json"])).await;
    assert_eq!(output.code, 0, "{output:?}");
    let found: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!(found["found"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["found"][0]["place"], format!("127.0.0.1:{port}"));

    let same: Vec<SimulatedUnit> = (1..=247).map(|unit| sdm630(unit, 1500.0, 1234.5)).collect();
    let meter = SimulatedGateway::start(same).await.unwrap();
    let output = site.run(&scan_arguments(&["--tcp", &meter.address().to_string()])).await;
    assert!(output.code == 0 && output.out.contains("any unit at"), "{output:?}");
    assert_eq!(output.out.matches("[meter.").count(), 1, "{output:?}");
}

#[tokio::test]
async fn a_scan_without_answers_explains_why() {
    let units = ["--units", "1,2", "--timeout", "300ms"];
    let site = Site::new(&Plan::new());
    let scan_without_answer = async |place: &[&str], words: &[&str]| {
        let output = site.run(&[&["scan"], place, &units[..]].concat()).await;
        output.complains(1, &[&["no meter was found"], words].concat());
    };
    let empty = SimulatedSerialLine::start([], None).unwrap();
    let device = empty.path().to_str().unwrap();
    scan_without_answer(
        &["--serial", device, "--baud", "9600", "--parity", "none"],
        &["no byte was received", "swapped"],
    )
    .await;
    empty.set_echo(true);
    scan_without_answer(&["--serial", device, "--baud", "9600", "--parity", "none"], &["the adapter echoes"]).await;
    let output = site.run(&["scan", "--serial", "/dev/no-such-device"]).await;
    output.complains(1, &["plugged in"]);
    assert!(!output.err.contains("tried again"), "a command does not try again: {output:?}");

    let gateway = SimulatedGateway::start([]).await.unwrap();
    gateway.behave(|gateway| gateway.reports_missing_units = true);
    scan_without_answer(
        &["--tcp", &gateway.address().to_string()],
        &["0x0B", "baud rate and parity that are set in the gateway"],
    )
    .await;
    scan_without_answer(&["--rtu-over-tcp", &gateway.address().to_string()], &["scan it with --tcp"]).await;
    let converter = SimulatedGateway::start_converter([]).await.unwrap();
    scan_without_answer(&["--tcp", &converter.address().to_string()], &["try --rtu-over-tcp"]).await;
    scan_without_answer(&["--rtu-over-tcp", &converter.address().to_string()], &["set in the converter"]).await;
    scan_without_answer(&["--tcp", &unused_address().to_string()], &["refuses connections to this port"]).await;
}

/// A unit with a chain of SunSpec models: an inverter and two meters of this manufacturer.
fn sunspec_unit(unit: u8, manufacturer: &str) -> SimulatedUnit {
    let sunspec = SimulatedUnit::new(unit);
    let set = |address: u16, words: &[u16]| sunspec.set(Function::Holding, address, words);
    set(40000, &[0x5375, 0x6E53]);
    let mut address = 40002;
    for (id, length) in [(1, 65), (103, 50), (1, 65), (203, 105), (1, 65), (203, 105)] {
        set(address, &[id, length]);
        set(address + 2, &vec![0; usize::from(length)]);
        if id == 1 {
            let words: Vec<_> = manufacturer.bytes().map(|byte| u16::from(byte) << 8).collect();
            set(address + 2, &words);
        }
        if id == 203 {
            // 1200 W, 7700 kWh.
            set(address + 18, &[120]);
            set(address + 22, &[1]);
            set(address + 46, &[0, 7700]);
            set(address + 54, &[3]);
        }
        address += 2 + length;
    }
    set(address, &[0xFFFF, 0]);
    sunspec
}

#[tokio::test]
async fn a_scan_names_meters_by_their_identification() {
    // The third meter has only the register with its model.
    let model_only = SimulatedUnit::new(3);
    model_only.set(Function::Holding, 0x000B, &[71]);
    let gateway =
        SimulatedGateway::start([sunspec_unit(1, "Acme"), sunspec_unit(2, "SolarEdge"), model_only]).await.unwrap();
    gateway.behave(|gateway| gateway.reports_missing_units = true);
    let site = Site::new(&Plan::new());
    let address = gateway.address().to_string();
    let output = site.run(&scan_arguments(&["--tcp", &address, "--units", "1-3", "--max-power", "20kW"])).await;
    assert_eq!(output.code, 0, "{output:?}");
    let units: Vec<_> = output.out.split("# unit ").collect();
    for (unit, words) in [
        (
            1,
            &[
                "it identifies itself as: Acme\n",
                "sunspec-meter, map integer (certain): power 1.20 kW",
                "chain_meter = 1",
            ][..],
        ),
        (1, &["2 meters are in its chain of models"]),
        (2, &["SolarEdge", "# solaredge-meter-1 (certain)", "profile = \"solaredge-meter-1\""]),
        (3, &["its identity registers match carlo-gavazzi-em24, but the values of that profile cannot be read"]),
    ] {
        for words in words {
            assert!(units[unit].contains(words), "{words} is missing: {}", units[unit]);
        }
    }
    assert!(!units[3].contains("no profile matches"), "{}", units[3]);
}

#[tokio::test]
async fn a_running_daemon_that_does_not_answer_keeps_its_line() {
    let line = SimulatedSerialLine::start([sdm630(1, 1500.0, 1234.5)], None).unwrap();
    let other = SimulatedSerialLine::start([sdm630(5, 10.0, 1.0)], None).unwrap();
    let gateway = SimulatedGateway::start([sdm630(2, 250.0, 10.0)]).await.unwrap();
    let plan = Plan::new().serial("cabinet", line.path()).polled("sauna", "cabinet", 1, "eastron-sdm630");
    let plan = plan.tcp("gateway", gateway.address()).polled("boiler", "gateway", 2, "eastron-sdm630");
    let site = Site::new(&plan);
    let daemon = site.start();
    site.all_ok(&["sauna", "boiler"]).await;
    let pid = format!("process {}", daemon.pid());
    let (device, address) = (line.path().to_str().unwrap(), gateway.address().to_string());
    fs::remove_file(site.path("control.sock")).unwrap();
    for place in [["--serial", device], ["--bus", "cabinet"], ["--tcp", &address], ["--rtu-over-tcp", &address]] {
        site.run(&[&["scan"], &place[..]].concat()).await.complains(75, &[&pid, "systemctl stop arkmeter"]);
    }
    let free = ["--serial", other.path().to_str().unwrap(), "--baud", "9600", "--parity", "none", "--units", "5"];
    let output = site.run(&scan_arguments(&free)).await;
    assert!(output.code == 0 && output.out.contains("unit 5 at"), "{output:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn invalid_scan_arguments_are_refused() {
    let site = Site::new(&Plan::new().tcp("gateway", unused_address()).polled("sauna", "gateway", 1, "eastron-sdm630"));
    for wrong in [
        &["scan"][..],
        &["scan", "--tcp", "10.0.0.0/8"],
        &["scan", "--serial", "/dev/null", "--units", "0"],
        &["scan", "--serial", "/dev/null", "--units", "9-3"],
        &["scan", "--serial", "/dev/null", "--tcp", "10.0.0.1"],
        &["scan", "--rtu-over-tcp", "10.0.0.1"],
        &["scan", "--serial", "/dev/null", "--parity", "maybe"],
    ] {
        assert_eq!(site.run(wrong).await.code, 2, "{wrong:?}");
    }
    site.run(&["scan", "--bus", "cellar"]).await.complains(1, &["no bus `cellar`"]);
}
