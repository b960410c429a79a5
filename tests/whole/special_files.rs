//! Something that is no regular file has the name of each file that the program opens: nothing hangs, and each message names it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use arkmeter::simulator::SimulatedGateway;

use crate::harness::*;

/// Puts a pipe without another end in the place of a file.
fn put_pipe(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg("-m").arg("640").arg(path).status().unwrap().success());
}

fn put_link(path: &Path, target: &str) {
    let _ = fs::remove_file(path);
    symlink(target, path).unwrap();
}

fn put_folder(path: &Path) {
    let _ = fs::remove_file(path);
    fs::create_dir(path).unwrap();
}

/// A site with a ledger and a history, whose daemon has stopped.
async fn stopped_site() -> (Site, SimulatedGateway, arkmeter::simulator::Arkreen) {
    let gateway = SimulatedGateway::start([sdm630(1, 1000.0, 100.0)]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.meter("sauna", "gateway", 1));
    let daemon = site.start();
    site.all_ok(&["sauna"]).await;
    daemon.stop().await;
    (site, gateway, arkreen)
}

#[tokio::test]
async fn a_special_file_in_the_place_of_a_configuration_token_or_certificate_is_named() {
    let (site, _gateway, _arkreen) = stopped_site().await;
    let config = site.path("arkmeter.toml");
    let text = fs::read_to_string(&config).unwrap();
    put_pipe(&config);
    site.run(&["check"]).await.complains(78, &["arkmeter.toml is a pipe, not a regular file"]);
    put_link(&config, "/dev/zero");
    site.run(&["check"]).await.complains(78, &["arkmeter.toml is a device, not a regular file"]);
    site.run(&["run"]).await.complains(78, &["arkmeter.toml is a device, not a regular file"]);
    site.run(&["support", "-"]).await;
    // A folder stands for the configuration in it.
    put_folder(&config);
    site.run(&["run"]).await.complains(78, &["there is no configuration at", "arkmeter.toml/arkmeter.toml"]);
    fs::remove_dir(&config).unwrap();
    fs::write(&config, &text).unwrap();
    put_pipe(&site.path("token"));
    site.run(&["check"]).await.complains(78, &["token is a pipe, not a regular file"]);
    put_link(&site.path("token"), "/dev/zero");
    site.run(&["check"]).await.complains(78, &["token is a device, not a regular file"]);
    fs::remove_file(site.path("token")).unwrap();
    site.put_token(&token());
    fs::write(&config, text.replace("token_file", "ca_file = \"ca.pem\"\ntoken_file")).unwrap();
    put_pipe(&site.path("ca.pem"));
    site.run(&["check"]).await.complains(78, &["ca.pem cannot be read", "it is a pipe, not a regular file"]);
    put_link(&site.path("ca.pem"), "/dev/zero");
    site.run(&["check"]).await.complains(78, &["ca.pem cannot be read", "it is a device, not a regular file"]);
    put_folder(&site.path("ca.pem"));
    site.run(&["check"]).await.complains(78, &["ca.pem cannot be read", "it is a folder, not a file"]);
}

#[tokio::test]
async fn a_special_file_in_the_place_of_a_ledger_a_lock_or_a_recording_is_named() {
    let (site, _gateway, _arkreen) = stopped_site().await;
    for name in ["ledger.db", "ledger.db-wal", "lock"] {
        let (path, kept) = (site.path("state").join(name), site.path("kept"));
        let was_there = fs::rename(&path, &kept).is_ok();
        put_pipe(&path);
        site.run(&["run"]).await.complains(1, &[name, "it is a pipe, not a regular file", "move it away"]);
        put_link(&path, "/dev/zero");
        site.run(&["run"]).await.complains(1, &[name, "it is a symbolic link, not a regular file"]);
        put_folder(&path);
        site.run(&["run"]).await.complains(1, &[name, "it is a folder, not a file"]);
        fs::remove_dir(&path).unwrap();
        if !was_there {
            continue;
        }
        fs::hard_link(&kept, &path).unwrap();
        site.run(&["run"]).await.complains(1, &[name, "it has 2 names (hard links)", "copy it"]);
        fs::remove_file(kept).unwrap();
    }
    // A copy that is no file does not help, and nothing waits for it.
    let state = site.path("state");
    put_pipe(&state.join("ledger-copy.db"));
    let ledger = fs::read(state.join("ledger.db")).unwrap();
    fs::write(state.join("ledger.db"), vec![7; ledger.len()]).unwrap();
    site.run(&["run"]).await.complains(1, &["ledger-copy.db", "it is a pipe, not a regular file"]);
    fs::write(state.join("ledger.db"), ledger).unwrap();
    fs::remove_file(state.join("ledger-copy.db")).unwrap();
    // A recording and a history that are no files are no reason to stop: the daemon runs without them and says so.
    put_pipe(&site.path("recording"));
    let _ = fs::remove_file(state.join("history.db"));
    put_pipe(&state.join("history.db"));
    let daemon = site.start_as(&["run", "--record", "recording"]);
    site.all_ok(&["sauna"]).await;
    assert!(site.log().contains("nothing is recorded: the recording recording cannot be written: it is a pipe"));
    site.run(&["history", "sauna"]).await.complains(1, &["history.db", "it is a pipe, not a regular file"]);
    daemon.stop().await;
}

/// What becomes special under a running daemon neither blocks it nor replaces what it has.
#[tokio::test]
async fn a_token_or_configuration_that_becomes_a_pipe_under_a_running_daemon_blocks_nothing() {
    let gateway = SimulatedGateway::start([sdm630(1, 1000.0, 100.0)]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.meter("sauna", "gateway", 1));
    let daemon = site.start();
    site.all_ok(&["sauna"]).await;
    put_pipe(&site.path("token"));
    put_pipe(&site.path("arkmeter.toml"));
    daemon.signal("HUP").await;
    until("the reload is refused", || site.log().contains("arkmeter.toml is a pipe, not a regular file")).await;
    until("the token is refused", || site.log().contains("token is a pipe, not a regular file")).await;
    more_calls(&arkreen, 2).await;
    daemon.stop().await;
}
