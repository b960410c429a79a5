//! `read` and `report`: through the running daemon, or directly on the buses if no daemon runs.

use arkmeter::meter::Function;
use arkmeter::simulator::{SimulatedGateway, SimulatedSerialLine};
use serde_json::Value;

use crate::harness::*;

#[tokio::test]
async fn read_uses_the_daemon_because_a_gateway_may_accept_only_one_client() {
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap();
    gateway.behave(|gateway| gateway.one_client = true);
    let site =
        Site::new(&Plan::new().tcp("gateway", gateway.address()).polled("sauna", "gateway", 1, "eastron-sdm630"));
    let daemon = site.start();
    site.all_ok(&["sauna"]).await;
    let output = site.run(&["read", "--json"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    let rows: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!((&rows[0]["power_mw"], &rows[0]["register_mwh"]), (&1_500_000.into(), &1_234_500_000.into()));
    assert_eq!(gateway.connections(), 1, "the daemon's connection was used");
    site.all_ok(&["sauna"]).await;
    daemon.stop().await;
}

#[tokio::test]
async fn read_shows_the_serial_number_each_time_and_what_is_missing() {
    let meter = sdm630(1, 1500.0, 1234.5);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let site =
        Site::new(&Plan::new().tcp("gateway", gateway.address()).polled("sauna", "gateway", 1, "eastron-sdm630"));
    let daemon = site.start();
    site.all_ok(&["sauna"]).await;
    for _ in 0..2 {
        let output = site.run(&["read"]).await;
        assert!(output.code == 0 && output.out.contains("1001"), "{output:?}");
    }
    meter.set_f32(Function::Input, 0x0048, f32::NAN);
    let output = site.run(&["read"]).await;
    assert!(
        output.code == 1 && output.out.contains("1.50 kW") && output.out.contains("energy: not a number"),
        "{output:?}"
    );
    daemon.stop().await;
}

#[tokio::test]
async fn read_opens_the_buses_if_no_daemon_runs() {
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap();
    let line = SimulatedSerialLine::start([sdm630(2, 250.0, 10.0)], None).unwrap();
    let plan = Plan::new().tcp("gateway", gateway.address()).serial("cabinet", line.path());
    let plan = plan.polled("sauna", "gateway", 1, "eastron-sdm630").polled("boiler", "cabinet", 2, "eastron-sdm630");
    let site = Site::new(&plan.polled("missing", "cabinet", 3, "eastron-sdm630"));
    let output = site.run(&["read", "sauna", "boiler"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    for words in ["1.50 kW", "1234.500 kWh", "250 W", "10.000 kWh"] {
        assert!(output.out.contains(words), "{words} is missing: {}", output.out);
    }
    let output = site.run(&["read", "--json"]).await;
    assert_eq!(output.code, 1, "one of them is missing: {output:?}");
    assert!(output.out.contains("no answer from unit 3"), "{}", output.out);
    site.run(&["read", "garage"]).await.complains(1, &["no meter `garage`", "boiler, missing, sauna"]);
}

#[tokio::test]
async fn read_does_not_open_the_buses_if_the_daemon_does_not_answer() {
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap();
    let site =
        Site::new(&Plan::new().tcp("gateway", gateway.address()).polled("sauna", "gateway", 1, "eastron-sdm630"));
    let daemon = site.start();
    site.all_ok(&["sauna"]).await;
    std::fs::remove_file(site.path("control.sock")).unwrap();
    site.run(&["read"]).await.complains(75, &[&format!("process {}", daemon.pid()), "two masters disturb each other"]);
    site.run(&["report", "--once"]).await.complains(75, &["in use by another arkmeter"]);
    assert_eq!(gateway.connections(), 1);
    daemon.stop().await;
}

#[tokio::test]
async fn a_dry_run_prints_the_call_and_sends_nothing() {
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap();
    let arkreen = arkreen([1]);
    let account = format!("[account.main]\nurl = \"{}\"\ntoken_file = \"token\"", arkreen.url());
    let site = Site::new(&Plan::new().text(account).tcp("gateway", gateway.address()).meter("sauna", "gateway", 1));
    let output = site.run(&["report", "--dry-run"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    for words in [&format!("POST {}", arkreen.url()), "edr_reportConsumeData", "1500000", "1234500000"] {
        assert!(output.out.contains(words), "{words} is missing: {}", output.out);
    }
    assert!(arkreen.calls().is_empty());
    assert!(!site.path("state").exists(), "a dry run changes nothing");
    // With a ledger that is there, it works on a copy.
    assert_eq!(site.run(&["report", "--once"]).await.code, 0);
    let files = || {
        let mut files: Vec<_> =
            std::fs::read_dir(site.path("state")).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|file| (std::fs::read(&file).unwrap(), file)).collect::<Vec<_>>()
    };
    let before = files();
    let output = site.run(&["report", "--dry-run"]).await;
    assert!(output.code == 0 && output.out.contains("1234500000"), "{output:?}");
    assert!(files() == before, "a dry run changes nothing");
}

#[tokio::test]
async fn a_report_names_the_meter_that_does_not_answer() {
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap();
    let arkreen = arkreen([1, 3]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).meter("sauna", "gateway", 1);
    let site = Site::new(&plan.meter("shed", "gateway", 3));
    let output = site.run(&["report", "--once"]).await;
    assert_eq!((output.code, accepted_energy(&arkreen, 1)), (1, Some(1_234_500_000)), "{output:?}");
    assert!(output.out.contains("shed: not reported: shed: no answer from unit 3"), "{output:?}");
    assert!(output.err.contains("shed waits: shed: no answer from unit 3"), "{output:?}");
    assert!(!output.out.contains("baseline"), "{output:?}");
    // A gateway that is not there.
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", unused_address()).meter("sauna", "gateway", 1);
    let output = Site::new(&plan).run(&["report", "--once"]).await;
    assert!(output.code == 1 && output.out.contains("sauna: cannot open"), "{output:?}");
    assert!(!output.out.contains("baseline") && !output.out.contains("tried again"), "{output:?}");
}

#[tokio::test]
async fn a_report_is_sent_once_with_or_without_a_daemon() {
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap();
    let arkreen = arkreen([1]);
    let account = format!("[account.main]\nurl = \"{}\"\ntoken_file = \"token\"\nreport_every = \"1h\"", arkreen.url());
    let site = Site::new(&Plan::new().text(account).tcp("gateway", gateway.address()).meter("sauna", "gateway", 1));
    let output = site.run(&["report", "--once"]).await;
    assert_eq!((output.code, arkreen.calls().len()), (0, 1), "{output:?}");
    assert!(output.out.contains("sauna: "), "{output:?}");
    let daemon = site.start();
    site.all_ok(&["sauna"]).await;
    let before = arkreen.calls().len();
    let output = site.run(&["report", "--once"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    assert!(arkreen.calls().len() > before);
    let calls = arkreen.calls().len();
    let output = site.run(&["report", "--dry-run"]).await;
    assert!(output.code == 0 && output.out.contains("1234500000"), "{output:?}");
    assert_eq!(arkreen.calls().len(), calls, "a dry run sends nothing");
    daemon.stop().await;
    assert_valid_calls(&arkreen);
    assert_only(&arkreen, 1, 1_500_000, 1_234_500_000);
}

#[tokio::test]
async fn a_report_that_is_refused_fails_the_command() {
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap();
    let arkreen = arkreen([2]);
    let site =
        Site::new(&Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).meter("sauna", "gateway", 1));
    let output = site.run(&["report", "--once"]).await;
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.out.contains("sauna: not reported"), "{output:?}");
}
