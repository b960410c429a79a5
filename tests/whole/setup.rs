//! `setup --answers`: the same set-up for scripts, and everything that can be wrong with it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;

use arkmeter::simulator::{Arkreen, SimulatedGateway};

use crate::harness::*;

/// A site without a configuration.
fn empty_site() -> Site {
    let site = Site::new(&Plan::new());
    fs::remove_file(site.path("arkmeter.toml")).unwrap();
    site
}

/// Answers for two meters, of which the first is reported.
fn answers(gateway: &SimulatedGateway, arkreen: &Arkreen) -> String {
    format!(
        "[account]\nurl = \"{}\"\nreport_every = \"1s\"\n[state]\npath = \"state\"\n[status]\nsocket = \"control.sock\"\n\
         [bus.gateway]\ntcp = \"{}\"\n\
         [meter.heat_pump]\nbus = \"gateway\"\nunit = 1\nfuses = \"3x25\"\nclient = \"{}\"\npoll_every = \"100ms\"\n\
         [meter.sauna]\nbus = \"gateway\"\nunit = 2\nprofile = \"eastron-sdm630\"\nfuses = \"20kW\"\nclient = \"-\"\npoll_every = \"100ms\"\n",
        arkreen.url(),
        gateway.address(),
        client(1).to_hex(),
    )
}

async fn meters() -> SimulatedGateway {
    let heat_pump = sdm630(1, 1500.0, 1234.5);
    heat_pump.set_device_id(&["Eastron", "SDM630", "1.2"]);
    SimulatedGateway::start([heat_pump, sdm630(2, 10.0, 55.0)]).await.unwrap()
}

/// Runs the set-up with these answers, and the token on standard input.
async fn set_up(site: &Site, answers: &str) -> CommandOutput {
    fs::write(site.path("answers.toml"), answers).unwrap();
    fs::write(site.path("typed"), format!("{}\n", token())).unwrap();
    let input = File::open(site.path("typed")).unwrap();
    site.run_with_input(&["setup", "--answers", "answers.toml"], Some(input)).await
}

#[tokio::test]
async fn an_answers_file_leads_to_accepted_reports_and_never_overwrites() {
    let (site, gateway, arkreen) = (empty_site(), meters().await, arkreen([1]));
    let output = set_up(&site, &answers(&gateway, &arkreen)).await;
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.err.contains("heat_pump: eastron-sdm630, certain"), "it is identified: {output:?}");
    assert!(!output.err.contains(&token()) && !output.err.contains(&client(1).to_hex()), "{output:?}");
    assert!(!site.path("setup.saved.toml").exists());
    let daemon = site.start();
    site.all_ok(&["heat_pump", "sauna"]).await;
    until("a report is accepted", || accepted_energy(&arkreen, 1).is_some()).await;
    assert_valid_calls(&arkreen);
    daemon.stop().await;

    let before = fs::read(site.path("arkmeter.toml")).unwrap();
    let output = set_up(&site, &answers(&gateway, &arkreen)).await;
    output.complains(78, &["[meter.heat_pump]: heat_pump is in the configuration already", "sauna"]);
    assert_eq!(fs::read(site.path("arkmeter.toml")).unwrap(), before);
    let output = set_up(&site, &format!("replace = true\n{}", answers(&gateway, &arkreen))).await;
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(fs::read(site.path("arkmeter.toml.old")).unwrap(), before);
}

#[tokio::test]
async fn an_answers_file_with_mistakes_changes_nothing() {
    let (site, gateway, arkreen) = (empty_site(), meters().await, arkreen([1]));
    let good = answers(&gateway, &arkreen);
    for (text, other, words) in [
        ("fuses = \"3x25\"\n", "", "`fuses` in [meter.heat_pump]"),
        ("fuses = \"3x25\"\n", "fusse = \"3x25\"\n", "did you mean `fuses`?"),
        ("client = \"-\"", &format!("client = \"{}\"", client(1).to_hex()), "is the client of heat_pump already"),
        ("bus = \"gateway\"\nunit = 2", "bus = \"cellar\"\nunit = 2", "[bus.cellar]"),
        ("unit = 2", "unit = 7", "`unread = true` in [meter.sauna]"),
        ("url = \"http:", "url = \"gopher:", "account.main.url"),
        ("socket = ", "sockt = ", "did you mean `socket`?"),
    ] {
        assert!(good.contains(text), "{text}");
        let output = set_up(&site, &good.replacen(text, other, 1)).await;
        assert_ne!(output.code, 0, "{output:?}");
        assert!(output.err.contains(words), "{other}: {words:?} is missing: {output:?}");
        assert!(!site.path("arkmeter.toml").exists() && !site.path("main.token").exists(), "{other}: {output:?}");
    }
    fs::write(site.path("good.toml"), &good).unwrap();
    fs::write(site.path("typed"), "\"0x12\"\n").unwrap();
    let input = File::open(site.path("typed")).unwrap();
    let output = site.run_with_input(&["setup", "--answers", "good.toml"], Some(input)).await;
    output
        .complains(78, &["the token on standard input cannot be used", "leave out the quotes", "Nothing was written"]);
    assert!(!site.path("arkmeter.toml").exists() && !site.path("main.token").exists());
    site.run(&["setup", "--answers", "none.toml"]).await.complains(1, &["none.toml cannot be read"]);
    site.run(&["setup"]).await.complains(2, &["this is no terminal", "--answers FILE"]);
    let output = site.run(&["setup", "--answers", "answers.toml"]).await;
    assert_eq!(output.code, 78, "{output:?}");
}

#[tokio::test]
async fn a_token_file_that_is_there_is_used_or_refused_but_never_overwritten() {
    let (site, gateway, arkreen) = (empty_site(), meters().await, arkreen([1]));
    let (answers, file) = (answers(&gateway, &arkreen), site.path("main.token"));
    let put = |text: &str| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    };
    put("not a token\n");
    let output = set_up(&site, &answers).await;
    output.complains(1, &["there is one already, which cannot be used", "Nothing was changed"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "not a token\n");
    assert!(!site.path("arkmeter.toml").exists());

    let other = format!("{}\n", token().replace('7', "9"));
    put(&other);
    assert_eq!(set_up(&site, &answers).await.code, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), other);

    let site = empty_site();
    fs::write(site.path("answers.toml"), &answers).unwrap();
    let output = site.run(&["setup", "--answers", "answers.toml"]).await;
    output.complains(78, &["there is no token", "standard input"]);
}

#[tokio::test]
async fn a_configuration_with_errors_is_kept() {
    let (site, gateway, arkreen) = (empty_site(), meters().await, arkreen([1]));
    let broken = "[server]\nport = 80\n";
    fs::write(site.path("arkmeter.toml"), broken).unwrap();
    let output = set_up(&site, &answers(&gateway, &arkreen)).await;
    output.complains(78, &["unknown key `server`", "no valid configuration of arkmeter", "replace = true"]);
    assert_eq!(fs::read_to_string(site.path("arkmeter.toml")).unwrap(), broken);
}

/// A disk that is full after so many bytes of a file: of the token, or of the configuration, which is longer.
#[tokio::test]
async fn a_set_up_whose_files_cannot_be_written_changes_nothing_and_can_be_repeated() {
    let (site, gateway, arkreen) = (empty_site(), meters().await, arkreen([1]));
    fs::write(site.path("answers.toml"), answers(&gateway, &arkreen)).unwrap();
    fs::write(site.path("typed"), format!("{}\n", token())).unwrap();
    let limited = async |limit: &str| {
        let under = ["prlimit", limit, "sh", "-c", "exec \"$0\" \"$@\" <typed"];
        site.run_under(&under, &["setup", "--answers", "answers.toml"], &site.path(".")).await
    };
    let (file, token_file) = (site.path("arkmeter.toml"), site.path("main.token"));
    if !std::process::Command::new("prlimit").arg("true").status().is_ok_and(|status| status.success()) {
        return skipped("a_set_up_whose_files_cannot_be_written", "prlimit is missing");
    }
    limited("--fsize=10").await.complains(1, &["main.token cannot be written", "Nothing was changed"]);
    assert!(!file.exists() && !token_file.exists());
    let output = limited("--fsize=100").await;
    assert!(output.code != 0 && output.err.contains("arkmeter.toml"), "{output:?}");
    assert!(!file.exists(), "half a configuration");
    let output = set_up(&site, &answers(&gateway, &arkreen)).await;
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(fs::read_to_string(&token_file).unwrap().trim(), token());
}

/// A stand-in for systemctl: a service that runs this configuration, started in the background.
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$1" in
cat) echo "ExecStart=$PROGRAM run --config $PWD/arkmeter.toml" ;;
enable) echo enabled >>calls ;;
reload-or-restart) echo started >>calls; "$PROGRAM" run --config arkmeter.toml >log 2>&1 & echo $! >pid ;;
esac
"#;

#[tokio::test]
async fn the_service_is_started_and_the_first_report_is_waited_for() {
    let (site, gateway, arkreen) = (empty_site(), meters().await, arkreen([1]));
    let script = site.path("systemctl");
    fs::write(&script, SYSTEMCTL).unwrap();
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    fs::write(site.path("answers.toml"), answers(&gateway, &arkreen)).unwrap();
    fs::rename(site.path("token"), site.path("main.token")).unwrap();
    let path = format!("{}:{}", site.path("").display(), std::env::var("PATH").unwrap());
    let program = program();
    let variables = [("PATH", path.as_str()), ("PROGRAM", program.to_str().unwrap())];
    let output = site.run_with(&["setup", "--answers", "answers.toml"], &variables).await;
    let pid = fs::read_to_string(site.path("pid")).unwrap_or_default();
    let stopped = std::process::Command::new("kill").arg(pid.trim()).status().unwrap();
    assert_eq!(output.code, 0, "{output:?}");
    assert!(stopped.success() && output.err.contains("first report    heat_pump   accepted"), "{output:?}");
    assert_eq!(fs::read_to_string(site.path("calls")).unwrap(), "enabled\nstarted\n");
    assert!(accepted_energy(&arkreen, 1).is_some());
}
