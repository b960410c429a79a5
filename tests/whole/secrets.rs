//! No output contains the token or a complete client identifier, even if the endpoint echoes them.

use std::fs;

use arkmeter::simulator::SimulatedGateway;
use arkmeter::simulator::arkreen::EndpointBehaviour;

use crate::harness::*;
use crate::status_page::get;

#[tokio::test]
async fn no_output_contains_a_token_or_a_client_identifier() {
    let gateway = SimulatedGateway::start([sdm630(1, 100.0, 10.0), sdm630(2, 200.0, 20.0)]).await.unwrap();
    let (address, arkreen) = (unused_address(), arkreen([1]));
    let plan =
        Plan::new().text(format!("listen = \"{address}\"")).account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.meter("sauna", "gateway", 1).meter("boiler", "gateway", 2));
    let trace_level = [("ARKMETER_LOG", "trace")];
    let daemon = site.start_with(&trace_level);
    // The second client is unknown; the error names it and its identifier.
    site.status_when("the refusal is shown", |it| it["clients"]["boiler"]["error"].is_string()).await;
    let echo = format!("it is {} for {}", token(), client(1).to_hex());
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
    // The process list and the environment.
    shown += &fs::read_to_string(format!("/proc/{}/cmdline", daemon.pid())).unwrap();
    shown += &fs::read_to_string(format!("/proc/{}/environ", daemon.pid())).unwrap();
    // The first client has a figure, so its report would be sent.
    let dry = site.run(&["report", "--dry-run"]).await;
    assert!(!dry.out.contains(&token()[2..]) && !dry.err.contains(&token()[2..]));
    site.put_token("not a token");
    daemon.signal("HUP").await;
    site.status_when("the daemon still answers", |it| it["schema"] == 1).await;
    daemon.stop().await;
    shown += &site.log();
    shown += &fs::read_to_string(site.path("output")).unwrap().replace(&dry.out, "");
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
        ledger.prepare("SELECT coalesce(client, ''), word, reason, coalesce(entry, '') FROM journal").unwrap();
    let cells = select.query_map([], |row| {
        Ok((0..4).map(|cell| row.get::<_, String>(cell)).collect::<Result<Vec<_>, _>>()?.join(" "))
    });
    let cells: Vec<_> = cells.unwrap().collect::<Result<_, _>>().unwrap();
    assert!(!cells.is_empty(), "the journal has the baselines");
    cells.join("\n")
}
