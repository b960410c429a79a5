//! A configuration in parts: at a start, at a reload, and as code in a folder anywhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use arkmeter::simulator::SimulatedGateway;

use crate::harness::*;

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn plan() -> Plan {
    Plan::new().account("http://127.0.0.1:9/v1").tcp("gateway", unused_address()).meter("sauna", "gateway", 1)
}

#[tokio::test]
async fn a_start_with_a_bad_part_names_it_and_stops() {
    let site = Site::new(&plan());
    put(&site.path("conf.d/10-poll.toml"), "[meter.sauna]\npoll_evry = \"1s\"\n");
    put(&site.path("conf.d/20-label.toml"), "[site]\nlabels = { floor = \"2\" }\n");
    for command in ["check", "run"] {
        site.run(&[command])
            .await
            .complains(78, &["conf.d/10-poll.toml:2:1", "poll_evry", "did you mean `poll_every`?"]);
    }
    fs::remove_file(site.path("conf.d/10-poll.toml")).unwrap();
    symlink("nowhere", site.path("conf.d/10-poll.toml")).unwrap();
    site.run(&["run"]).await.complains(
        78,
        &["conf.d/10-poll.toml", "is a link to a file that does not exist: remove the link, or create the file"],
    );
}

#[tokio::test]
async fn a_reload_with_a_bad_part_keeps_the_old_configuration() {
    let meters = [sdm630(1, 100.0, 10.0), sdm630(2, 200.0, 20.0)];
    let gateway = SimulatedGateway::start(meters.clone()).await.unwrap();
    let good = Plan::new().tcp("gateway", gateway.address()).polled("sauna", "gateway", 1, "eastron-sdm630");
    let site = Site::new(&good);
    let daemon = site.start();
    let before = site.all_ok(&["sauna"]).await["configuration"].clone();
    assert_eq!(before["last_reload_success"], true);
    let part = site.path("conf.d/50-boiler.toml");
    let boiler = "[meter.boiler]\nbus = \"gateway\"\nunit = 2\nprofile = \"eastron-sdm630\"\nmax_power = \"20kW\"\n";
    put(&part, &boiler.replace("unit", "unti"));
    daemon.signal("HUP").await;
    let refused = |it: &serde_json::Value| it["trouble"].to_string().contains("was not reloaded");
    let document = site.status_when("the error is shown", refused).await;
    assert_eq!(document["meters"]["sauna"]["state"], "ok");
    let configuration = &document["configuration"];
    assert_eq!((&configuration["hash"], &configuration["last_reload_success"]), (&before["hash"], &false.into()));
    assert!(site.log().contains("50-boiler.toml:3:1"), "the log names file and line");
    put(&part, &format!("{boiler}[site]\nlabels = {{ floor = \"2\" }}\n"));
    daemon.signal("HUP").await;
    let document = site.all_ok(&["sauna", "boiler"]).await;
    assert_eq!(document["configuration"]["last_reload_success"], true);
    assert_ne!(document["configuration"]["hash"], before["hash"]);
    assert_eq!(document["configuration"]["labels"]["floor"], "2");
    assert_eq!(gateway.connections(), 2, "the bus has another meter, so it was started again, once");
    daemon.stop().await;
}

#[tokio::test]
async fn parts_are_read_in_order_and_a_link_to_dev_null_masks_one() {
    let site = Site::new(&plan());
    let tree = site.path("etc/arkmeter");
    put(&tree.join("arkmeter.toml"), &fs::read_to_string(site.path("arkmeter.toml")).unwrap());
    fs::copy(site.path("token"), tree.join("token")).unwrap();
    put(&site.path("usr/lib/arkmeter/conf.d/10-fleet.toml"), "[meter.sauna]\npoll_every = \"7s\"\n");
    put(&site.path("usr/lib/arkmeter/conf.d/20-wrong.toml"), "wrong = 1\n");
    put(&tree.join("conf.d/30-own.toml"), "[meter.sauna]\nmax_power = \"9kW\"\n");
    let output = site.run_under(&[], &["check"], &tree).await;
    output.complains(78, &["usr/lib/arkmeter/conf.d/20-wrong.toml:1:1"]);
    symlink("/dev/null", tree.join("conf.d/20-wrong.toml")).unwrap();
    let output = site.run_under(&[], &["check"], &tree).await;
    assert_eq!(output.code, 0, "{}", output.err);
    assert!(output.out.contains("every 7s, up to 9 kW"), "{}", output.out);
    let at = |name: &str| output.out.find(name).unwrap_or_else(|| panic!("{name}: {}", output.out));
    assert!(at("etc/arkmeter/arkmeter.toml") < at("10-fleet.toml") && at("10-fleet.toml") < at("30-own.toml"));
    let masked =
        format!("Not read: {0}/usr/lib/arkmeter/conf.d/20-wrong.toml, because of {0}/etc", site.path("").display());
    assert!(output.out.contains(&masked.replace("//", "/")), "{}", output.out);
}

#[tokio::test]
async fn a_folder_is_judged_without_the_machine() {
    let site =
        Site::new(&plan().serial("cabinet", Path::new("/dev/missing")).polled("oven", "cabinet", 1, "eastron-sdm630"));
    fs::remove_file(site.path("token")).unwrap();
    site.run(&["check"]).await.complains(78, &["token"]);
    let output = site.run(&["check", "--no-system"]).await;
    assert_eq!(output.code, 0, "{}", output.err);
    assert!(!output.err.contains("warning"), "{}", output.err);
    let judged = |folder: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_arkmeter"));
        let output = command.args(["check", "--no-system", "--config"]).arg(folder).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, err) = judged(&site.path(""));
    assert!(code == Some(0) && err.contains("arkmeter.toml is valid"), "{err}");
    put(&site.path("conf.d/10.toml"), "[meter.oven]\nunit = 0\n");
    let (code, err) = judged(&site.path(""));
    assert!(code == Some(78) && err.contains("conf.d/10.toml:2:8"), "{err}");
}
