//! `support`: the bundle has all parts and no secret, with and without a daemon.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use arkmeter::simulator::SimulatedGateway;
use arkmeter::simulator::arkreen::EndpointBehaviour;

use crate::harness::*;

#[tokio::test]
async fn everything_that_helps_is_in_one_file() {
    let (gateway, arkreen) = (SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap(), arkreen([1]));
    arkreen.always(EndpointBehaviour::EchoToken);
    let plan = Plan::new().text("# the box in the hall").account(arkreen.url()).tcp("gateway", gateway.address());
    let plan = plan.meter("sauna", "gateway", 1).polled("boiler", "gateway", 9, "eastron-sdm630");
    let site = Site::new(&plan);
    let daemon = site.start();
    let refused = |it: &serde_json::Value| it["accounts"]["main"]["state"] == "refused";
    site.status_when("the token is refused", refused).await;
    let (file, name) = (site.path("bundle.txt"), "bundle.txt");
    let output = site.run(&["support", name]).await;
    assert_eq!((output.code, output.out.as_str()), (0, ""), "{output:?}");
    assert!(output.err.contains("read it before you send it"), "{output:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    for part in [
        &format!("daemon         runs, process {}\n", daemon.pid()),
        "# the box in the hall\n",
        "profile = \"eastron-sdm630\"\n",
        "\"state\": \"refused\"",
        "buses gateway: ",
        "meters sauna: ",
        "VmRSS:",
        "\"published_mwh\": 1234500000",
        "\"word\": \"baseline\"",
        "the ledger is intact: commit ",
        "ledger.db",
        "Linux version",
        "== disks\nFilesystem",
        "/dev/serial/by-id",
        "== log, the newest line first\n",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains(&token()[2..11]) && !text.contains(&client(1).to_hex()[2..40]), "{text}");
    site.run(&["support", name]).await.complains(1, &["bundle.txt exists already"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    let printed = site.run(&["support", "-"]).await;
    assert!(printed.code == 0 && printed.out.contains("== status\n{") && printed.err.is_empty());
    daemon.stop().await;
}

#[tokio::test]
async fn a_support_bundle_is_written_even_if_nothing_works() {
    let plan =
        Plan::new().account("http://127.0.0.1:9/v1").tcp("gateway", unused_address()).meter("sauna", "gateway", 1);
    let site = Site::new(&plan.text(format!("[account.other]\ntoken_file = \"other\"\nurl = \"{}\"", token())));
    let other = format!("0x{}", "36".repeat(32));
    fs::write(site.path("other"), &other).unwrap();
    fs::set_permissions(site.path("other"), Permissions::from_mode(0o644)).unwrap();
    // A file in the state folder whose name is a token.
    fs::create_dir(site.path("state")).unwrap();
    fs::write(site.path("state").join(&other[2..]), "").unwrap();
    fs::write(site.path("state/ledger.db"), "no ledger").unwrap();
    let output = site.run(&["support", "-"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    for part in ["no arkmeter daemon answers", "arkmeter.toml:", "is damaged", "== serial devices", "url = "] {
        assert!(output.out.contains(part), "{part} is not in\n{}", output.out);
    }
    for secret in [&token()[2..11], &other[2..11]] {
        assert!(!output.out.contains(secret), "{secret} is in\n{}", output.out);
    }
    site.run(&["support", "/nowhere/bundle.txt"]).await.complains(1, &["/nowhere/bundle.txt"]);
}
