//! Commands on a terminal of 80 columns: no line is longer, and no name or number is divided.

use arkmeter::simulator::SimulatedGateway;

use crate::harness::*;
use crate::terminal::Terminal;

#[tokio::test]
async fn what_is_printed_fits_80_columns() {
    let gateway = SimulatedGateway::start([sdm630(1, 1000.0, 100.0)]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).meter("sauna", "gateway", 1);
    let site = Site::new(&plan);
    let daemon = site.start();
    until("a report is accepted", || accepted_energy(&arkreen, 1).is_some()).await;
    for (command, words) in [
        (&["ledger", "show"][..], "100.000 kWh"),
        (&["ledger", "journal"], "readings agree at 100.000 kWh"),
        (&["profiles", "list", "eastron"], "eastron-sdm120-modbus"),
        (&["check"], "account main:"),
        (&["status", "--lines"], "100.000 kWh"),
    ] {
        let (code, shown) = Terminal::start(&site, command).end().await;
        assert!(code.is_some_and(|code| code < 2) && shown.contains(words), "{command:?}: {shown}");
        let wide = shown.lines().find(|line| line.trim_end().chars().count() > 80);
        assert_eq!(wide, None, "{command:?}: {shown}");
    }
    // A program that reads them gets whole lines.
    let piped = site.run(&["check"]).await.out;
    assert!(piped.lines().any(|line| line.contains("account main:") && line.contains("token from file")), "{piped}");
    daemon.stop().await;
}
