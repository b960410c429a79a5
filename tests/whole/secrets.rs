//! Neither the token nor a whole client identifier is shown anywhere, whatever the endpoint does.

use std::fs;

use arkmeter::simulator::SimulatedGateway;
use arkmeter::simulator::arkreen::EndpointBehaviour;

use crate::harness::*;
use crate::listener::get;

#[tokio::test]
async fn neither_token_nor_client_identifier_is_shown_by_anyone() {
    let gateway = SimulatedGateway::start([sdm630(1, 100.0, 10.0), sdm630(2, 200.0, 20.0)]).await.unwrap();
    let (address, arkreen) = (nobody(), arkreen([1]));
    let plan =
        Plan::new().text(format!("listen = \"{address}\"")).account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.meter("sauna", "gateway", 1).meter("boiler", "gateway", 2));
    let loud = [("ARKMETER_LOG", "trace")];
    let daemon = site.start_with(&loud);
    // The second client is unknown, which is told with its name and identifier.
    site.status_when("the refusal is told", |it| it["clients"]["boiler"]["error"].is_string()).await;
    let echo = format!("so it is {} for {}", token(), client(1).to_hex());
    arkreen.behave(EndpointBehaviour::EntryErrors { code: 77, message: echo.clone() });
    arkreen.behave(EndpointBehaviour::Raw { status: 500, body: echo.clone() });
    arkreen.behave(EndpointBehaviour::Error { status: 200, code: -32000, message: echo });
    more_calls(&arkreen, 4).await;
    arkreen.always(EndpointBehaviour::EchoToken);
    let refused = |it: &serde_json::Value| it["accounts"]["main"]["state"] == "refused";
    let document = site.status_when("the token is refused", refused).await;
    let mut shown = format!("{document}{}", site.run(&["status"]).await.out);
    for path in ["/", "/status.json", "/metrics"] {
        shown += &get(address, path).await.1;
    }
    site.run(&["check"]).await;
    site.run(&["check", "--json"]).await;
    shown += &site.run(&["support", "-"]).await.out;
    // As the process list and the environment show it.
    shown += &fs::read_to_string(format!("/proc/{}/cmdline", daemon.pid())).unwrap();
    shown += &fs::read_to_string(format!("/proc/{}/environ", daemon.pid())).unwrap();
    // The first figure is known, so that its report would be sent.
    let dry = site.run(&["report", "--dry-run"]).await;
    assert!(!dry.out.contains(&token()[2..]) && !dry.err.contains(&token()[2..]));
    site.put_token("not a token");
    daemon.signal("HUP").await;
    site.status_when("it is still there", |it| it["schema"] == 1).await;
    daemon.stop().await;
    shown += &site.log();
    shown += &fs::read_to_string(site.path("said")).unwrap().replace(&dry.out, "");
    shown += &journal(&site);
    let shown = shown.to_lowercase();
    assert!(shown.contains("sauna"));
    let client_1 = client(1).to_hex();
    for secret in [&token()[2..], &client_1[2..], &client(2).to_hex()[2..]] {
        assert!(!shown.contains(secret), "{}…", &shown[shown.find(secret).unwrap().saturating_sub(300)..][..360]);
    }
    assert!(
        !fs::read(site.path("state/ledger.db")).unwrap().windows(64).any(|bytes| bytes == &token().as_bytes()[2..])
    );
}

/// Every cell of the ledger's journal.
fn journal(site: &Site) -> String {
    let ledger = rusqlite::Connection::open(site.path("state/ledger.db")).unwrap();
    let mut select =
        ledger.prepare("SELECT coalesce(meter, ''), verdict, reason, coalesce(entry, '') FROM journal").unwrap();
    let cells = select.query_map([], |row| {
        Ok((0..4).map(|cell| row.get::<_, String>(cell)).collect::<Result<Vec<_>, _>>()?.join(" "))
    });
    let cells: Vec<_> = cells.unwrap().collect::<Result<_, _>>().unwrap();
    assert!(!cells.is_empty(), "the baselines are entries");
    cells.join("\n")
}
