//! Any bytes to the status listener: it ends the connection, answers with HTTP and its security headers, answers only to its own host names,
//! and changes nothing.

#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use arkmeter::clock::Clock;
use arkmeter::config::{self, Environment};
use arkmeter::heartbeat::Hearts;
use arkmeter::history;
use arkmeter::ledger::{self, LedgerSettings};
use arkmeter::status::{ActiveTasks, StatusListener, StatusSources};
use arkmeter::writer_thread::DroppedCount;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

const STATUSES: [&str; 9] = ["200", "400", "404", "405", "414", "421", "431", "503", "505"];
const ANSWER_LIMIT: u64 = 1 << 20;

struct Site {
    runtime: Runtime,
    listener: StatusListener,
    sources: StatusSources,
}

// Fuzzing is single-threaded. The runtime's clock is paused, so waiting takes no real time.
static SITE: LazyLock<Site> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let _guard = runtime.enter();
    let text = "[bus.b]\ntcp = \"meter.example:502\"\n[meter.m]\nbus = \"b\"\nunit = 1\nprofile = \"eastron-sdm630\"\nmax_power = \"20kW\"\n";
    let (config, _) =
        config::parse(Path::new("arkmeter.toml"), text, &Environment::default()).expect("a configuration");
    let (buses, accounts) = (BTreeMap::new(), BTreeMap::new());
    let clock = Clock::simulated(1, Timestamp::UNIX_EPOCH);
    let (history, ..) = history::open("/nowhere".into(), history::Retention::default(), clock.clone());
    let folder = std::env::temp_dir().join(format!("arkmeter-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (ledger, _) = ledger::open(&folder, LedgerSettings::default(), clock.clone()).expect("a ledger");
    let current = ActiveTasks { config: Arc::new(config), buses, bus_commands: BTreeMap::new(), ledger, accounts };
    let sources = StatusSources::new(clock, Hearts::default(), history, DroppedCount::default(), current);
    let address = "192.0.2.7:9826".parse().expect("an address");
    let listener = StatusListener::new(address, vec!["meters.example".to_owned()], sources.clone());
    drop(_guard);
    Site { runtime, listener, sources }
});

fuzz_target!(|request: &[u8]| {
    let Site { runtime, listener, sources } = &*SITE;
    let before = sources.document();
    let answer = runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let exchange = async {
            // The listener may close the connection before it has read the whole request.
            let _ = client.write_all(request).await;
            let _ = client.shutdown().await;
            let mut answer = Vec::new();
            let _ = (&mut client).take(ANSWER_LIMIT).read_to_end(&mut answer).await;
            answer
        };
        let (answer, ()) = tokio::join!(exchange, listener.answer(server));
        answer
    });
    let after = sources.document();
    assert_eq!((after.meters, after.trouble, after.well), (before.meters, before.trouble, before.well));
    if !answer.is_empty() {
        check(request, &String::from_utf8(answer).expect("text"));
    }
});

fn check(request: &[u8], answer: &str) {
    let status = answer.strip_prefix("HTTP/1.1 ").or(answer.strip_prefix("HTTP/1.0 ")).and_then(|rest| rest.get(..3));
    let status = status.unwrap_or_else(|| panic!("no HTTP: {answer:.80}"));
    assert!(STATUSES.contains(&status), "{answer:.80}");
    assert_eq!(answer.matches("HTTP/1.").count(), 1, "one request a connection: {answer}");
    let head = answer.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
    if status == "200" {
        let request = String::from_utf8_lossy(request).to_ascii_lowercase();
        let ours = ["localhost", "127.", "::1", "0:1", "192.0.2.7", "meters.example"];
        assert!(
            ours.iter().any(|host| request.contains(host)) && request.contains("host"),
            "answered under a foreign host name: {request}"
        );
        // Only the page's script and style, which hold no figures, may be kept.
        let kept = head.contains("content-type: text/javascript") || head.contains("content-type: text/css");
        assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
        assert!(kept || head.contains("no-store"), "{head}");
    }
    assert!(!head.contains("access-control"), "{head}");
}
