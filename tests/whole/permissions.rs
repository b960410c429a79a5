//! What each user can do through the control socket, and what a proxy and a core dump can see.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use arkmeter::simulator::SimulatedGateway;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::harness::*;

/// A site as another user, with a program that this user can reach.
struct OtherUser<'s> {
    site: &'s Site,
    program: PathBuf,
    group: u32,
}

impl OtherUser<'_> {
    /// Runs a command as user 65534 with this group. Returns the code, and output and errors together.
    async fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--clear-groups", &format!("--regid={}", self.group), "--"]);
        command.arg(&self.program).args(arguments).arg("--config").arg(self.site.path("arkmeter.toml"));
        let output = command.env_remove("ARKMETER_CONFIG").kill_on_drop(true).output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
    }
}

async fn can_be_another_user() -> bool {
    let can = Command::new("setpriv").args(["--reuid=65534", "--regid=65534", "--clear-groups", "true"]).output().await;
    let can = can.is_ok_and(|output| output.status.success());
    if !can {
        skipped("the_group_can_read_and_only_root_can_issue_commands", "needs root and setpriv");
    }
    can
}

#[tokio::test]
async fn the_group_can_read_and_only_root_can_issue_commands() {
    if !can_be_another_user().await {
        return;
    }
    let (gateway, arkreen) = (SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap(), arkreen([1]));
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).meter("sauna", "gateway", 1);
    let site = Site::new(&plan);
    // As in /etc and /run: everyone can enter the folder, and the socket's mode decides.
    fs::set_permissions(site.path("."), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(site.path("arkmeter.toml"), Permissions::from_mode(0o644)).unwrap();
    let program = site.path("arkmeter");
    fs::copy(env!("CARGO_BIN_EXE_arkmeter"), &program).unwrap();
    let daemon = site.start();
    site.all_ok(&["sauna"]).await;
    // In this test the daemon runs as root, and the socket's group is root.
    let member = OtherUser { site: &site, program: program.clone(), group: 0 };
    let (code, text) = member.run(&["status", "--json"]).await;
    assert!(code < 2 && text.contains("\"sauna\""), "{code}: {text}");
    let (code, text) = member.run(&["ledger", "show"]).await;
    assert!(code == 0 && text.contains("sauna"), "{code}: {text}");
    let calls = arkreen.calls().len();
    for change in [
        &["read"][..],
        &["report", "--once"],
        &["ledger", "set", "sauna", "9000kWh"],
        &["ledger", "credit", "sauna", "5kWh"],
        &["ledger", "accept", "sauna"],
        &["ledger", "adopt", "--dry-run"],
    ] {
        let (code, text) = member.run(change).await;
        assert!(code == 1 && text.contains("root"), "{change:?}: {code}: {text}");
    }
    let outsider = OtherUser { site: &site, program, group: 65534 };
    let line = ["--bus", "gateway", "--watch", "0s"];
    for borrower in [&["scan", "--units", "7"][..], &["inspect", "--unit", "1", "--registers", "0..9"]] {
        for user in [&member, &outsider] {
            let (code, text) = user.run(&[borrower, &line].concat()).await;
            assert!(code == 1 && text.contains("only root can use its line between the polls"), "{borrower:?}: {text}");
            assert!(text.contains("run this command with sudo"), "{borrower:?}: {text}");
        }
    }
    let document: Value = site.status_when("the daemon answers", |it| it["schema"] == 1).await;
    assert_eq!(document["meters"]["sauna"]["published_mwh"], 1_234_500_000);
    assert!(arkreen.calls().len() >= calls && !site.log().contains("command through the control socket"));
    for command in [&["status"][..], &["ledger", "show"], &["ledger", "journal"]] {
        let (code, text) = outsider.run(command).await;
        assert!(code > 0 && text.contains("join the group arkmeter"), "{command:?}: {code}: {text}");
    }
    assert_eq!(site.run(&["read"]).await.code, 0, "root can");
    daemon.stop().await;
}

#[tokio::test]
async fn a_proxy_of_the_environment_never_sees_a_token_over_plain_http() {
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap();
    let (proxy, arkreen) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), arkreen([1]));
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).meter("sauna", "gateway", 1);
    let site = Site::new(&plan);
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let daemon = site.start_with(&[("HTTP_PROXY", &address), ("http_proxy", &address), ("ALL_PROXY", &address)]);
    tokio::select! {
        () = more_calls(&arkreen, 2) => {}
        received = async {
            let mut stream = proxy.accept().await.unwrap().0;
            let mut buffer = vec![0; 4096];
            let count = stream.read(&mut buffer).await.unwrap_or(0);
            String::from_utf8_lossy(&buffer[..count]).into_owned()
        } => panic!("the proxy received {received}"),
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_core_dump_holds_no_token() {
    let (gateway, arkreen) = (SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap(), arkreen([1]));
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).meter("sauna", "gateway", 1);
    let site = Site::new(&plan);
    let daemon = site.start();
    more_calls(&arkreen, 1).await;
    let pid = daemon.pid();
    let filter = fs::read_to_string(format!("/proc/{pid}/coredump_filter")).unwrap();
    assert_eq!(filter.trim(), "00000000");
    let raised = Command::new("prlimit").args(["--core=unlimited", &format!("--pid={pid}")]).status().await;
    daemon.signal("ABRT").await;
    daemon.end().await;
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let here = !pattern.trim().is_empty() && !pattern.contains(['|', '/']);
    let cores = fs::read_dir(site.path(".")).unwrap().flatten().map(|entry| entry.path());
    let core =
        cores.filter(|path| path.is_file()).find(|path| fs::read(path).is_ok_and(|it| it.starts_with(b"\x7fELF")));
    match core {
        Some(core) => {
            let core = fs::read(core).unwrap();
            let digits = &token().into_bytes()[2..];
            assert!(!core.windows(digits.len()).any(|bytes| bytes == digits), "{} bytes hold the token", core.len());
        }
        None if here && raised.is_ok_and(|status| status.success()) => {
            skipped("a_core_dump_holds_no_token", "the kernel wrote no core dump")
        }
        None => skipped("a_core_dump_holds_no_token", "this machine stores core dumps elsewhere"),
    }
}
