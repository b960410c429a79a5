//! The running daemon lends its line between the polls: `scan`, `inspect` and others use it without stopping the daemon.

use std::time::Duration;

use arkmeter::meter::Function;
use arkmeter::simulator::{LineSpeed, SimulatedMeter, SimulatedModel, SimulatedSerialLine};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::harness::*;
use crate::terminal::{CTRL_C, Terminal};

/// How often each meter is polled.
const POLL_EVERY: Duration = Duration::from_secs(2);
const POLLED: [&str; 5] = ["meter_a", "meter_b", "meter_c", "meter_d", "meter_e"];

fn sdm630(unit: u8) -> SimulatedMeter {
    let meter = SimulatedMeter::new(unit, SimulatedModel::Sdm630, 1500.0, 1234.5, 77_000 + u32::from(unit));
    for (address, volts) in [(0x0000, 230.1), (0x0002, 229.4), (0x0004, 231.7), (0x0006, 49.98)] {
        meter.unit.set_f32(Function::Input, address, volts);
    }
    meter.unit.set_device_id(&["Eastron", "SDM630", "1.2"]);
    meter
}

/// Six meters on a line of 19200 baud, five of which are in the configuration, and the site of their daemon.
fn cabinet() -> (SimulatedSerialLine, Site) {
    let speed = LineSpeed { baud: 19_200, bits: 10 };
    let line = SimulatedSerialLine::start((1..=6).map(|unit| sdm630(unit).unit), Some(speed)).unwrap();
    let mut plan = Plan::new().serial("cabinet", line.path()).text("baud = 19200");
    for (unit, name) in (1..).zip(POLLED) {
        plan = plan.polled(name, "cabinet", unit, "eastron-sdm630").replaced("\"100ms\"", "\"2s\"");
    }
    (line, Site::new(&plan))
}

/// The polls of each meter, and the time at which they were counted.
async fn polls(site: &Site) -> (Vec<u64>, Instant) {
    let document = site.document().await.unwrap();
    let count = |name: &&str| document["meters"][*name]["polls"].as_u64().unwrap();
    (POLLED.iter().map(count).collect(), Instant::now())
}

/// Waits until each polled meter was read.
async fn all_read(site: &Site) {
    let read = |document: &Value| POLLED.iter().all(|name| document["meters"][*name]["read_at"].is_string());
    site.status_when("each meter was read", read).await;
}

async fn lent(site: &Site, to: &str) {
    site.status_when("the line is lent", |document| lent_to(document).starts_with(to)).await;
}

/// Waits for the end of a loan; the meters are read on.
async fn not_lent(site: &Site) {
    site.status_when("the loan has ended", |document| !document.is_null() && lent_to(document).is_empty()).await;
    let (before, _) = polls(site).await;
    let goes_on = |document: &Value| {
        POLLED.iter().zip(&before).all(|(name, before)| document["meters"][*name]["polls"].as_u64() > Some(*before))
    };
    site.status_when("the meters are polled on", goes_on).await;
}

/// A loan without the program.
struct RawLoan(UnixStream);

impl RawLoan {
    /// Borrows the line of the bus `cabinet` for the command `test`.
    async fn begin(site: &Site, line: &SimulatedSerialLine) -> Self {
        let mut stream = UnixStream::connect(site.path("control.sock")).await.unwrap();
        let link = line.path().to_str().unwrap().replace('/', "%2F");
        let head = format!(
            "POST /lend?bus=cabinet&link={link}&purpose=test&timeout_ms=100 HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut loan = RawLoan(stream);
        loan.until("\"terms\"").await;
        loan
    }

    /// Sends this text as a part of the body.
    async fn send(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.0.write_all(chunk.as_bytes()).await.unwrap();
    }

    /// Reads until this text was received, or the daemon closes the loan.
    async fn until(&mut self, text: &str) -> String {
        let mut received = String::new();
        while !received.contains(text) {
            let mut buffer = [0; 1000];
            let count = tokio::time::timeout(WAIT_LIMIT, self.0.read(&mut buffer)).await.expect("an answer").unwrap();
            if count == 0 {
                break;
            }
            received.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        assert!(received.contains(text), "{text} is missing: {received}");
        received
    }
}

/// A request for a register of unit 6.
fn request(function: u8) -> String {
    format!("{{\"unit\":6,\"function\":{function},\"address\":0,\"count\":2,\"silence_ms\":0,\"timeout_ms\":300}}\n")
}

fn lent_to(document: &Value) -> &str {
    document["buses"]["cabinet"]["lent_to"].as_str().unwrap_or_default()
}

#[tokio::test]
#[allow(clippy::print_stderr, reason = "the figure is of interest")]
async fn a_scan_finds_a_sixth_meter_while_five_are_polled() {
    let (line, site) = cabinet();
    let daemon = site.start();
    all_read(&site).await;
    let (before, began) = polls(&site).await;
    let scan = ["scan", "--bus", "cabinet", "--timeout", "60ms", "--watch", "1s", "--max-power", "20kW"];
    let looking = async {
        lent(&site, "arkmeter scan (process ").await;
        site.run(&["status"]).await
    };
    let (output, status) = tokio::join!(site.run(&scan), looking);
    let (after, ended) = polls(&site).await;

    assert_eq!(output.code, 0, "{output:?}");
    assert!(
        output.err.contains("arkmeter is running: its line is used between its polls; this takes about"),
        "{output:?}"
    );
    assert!(output.err.contains("units 1, 2, 3, 4, 5") && output.err.contains("1 meter was found"), "{output:?}");
    assert!(output.out.contains("unit 6 at 19200 baud 8N1") && output.out.contains("[meter.meter_6]"), "{output:?}");
    assert!(output.out.contains("bus = \"cabinet\"") && !output.out.contains("[bus."), "{output:?}");
    assert!(status.out.contains("cabinet, to arkmeter scan (process"), "{status:?}");

    let slots = (ended - began).as_secs_f64() / POLL_EVERY.as_secs_f64();
    let kept: Vec<_> = before.iter().zip(&after).map(|(before, after)| (after - before) as f64 / slots).collect();
    let least = kept.iter().copied().fold(f64::INFINITY, f64::min);
    let (lasted, estimate) = ((ended - began).as_secs(), output.err.lines().next().unwrap_or_default());
    eprintln!(
        "lent for {lasted} s: the polled meters kept at least {:.1} % of their schedule; {estimate}",
        least * 100.0
    );
    assert!(least >= 0.9, "{kept:?} of {slots} slots");
    not_lent(&site).await;
    assert_eq!(line.early(), 0, "the silence between frames is kept");
    let log = site.log();
    for words in ["the line is lent to arkmeter scan (process", "the loan of the line to arkmeter scan (process"] {
        assert_eq!(log.matches(words).count(), 1, "{words}: {log}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_lent_line_refuses_writes_and_a_second_borrower() {
    let (line, site) = cabinet();
    let daemon = site.start();
    all_read(&site).await;
    for (sent, answer) in [
        (request(6), "a lent line only reads: function 6 is refused"),
        (request(16), "function 16 is refused"),
        (request(4).replace("\"count\":2", "\"count\":126"), "a request reads 1 to 125 registers"),
        ("{}\n".to_owned(), "this is no read of a lent line"),
        (request(4) + &request(4), "one read at a time"),
    ] {
        let mut loan = RawLoan::begin(&site, &line).await;
        loan.send(&sent).await;
        let received = loan.until("\"ended\"").await;
        assert!(received.contains(answer), "{sent}: {received}");
        drop(loan);
        not_lent(&site).await;
    }
    let mut loan = RawLoan::begin(&site, &line).await;
    loan.send(&request(4)).await;
    loan.until("{\"Ok\":{\"Registers\":[").await;
    let scan = ["scan", "--bus", "cabinet", "--units", "6", "--watch", "0s"];
    let pid = format!("lent to arkmeter test (process {}) already: wait until that has ended", std::process::id());
    site.run(&scan).await.complains(75, &["the running arkmeter (process ", "does not lend its line", &pid]);
    drop(loan);
    not_lent(&site).await;
    let output = site.run(&scan).await;
    assert!(output.code == 0 && output.out.contains("unit 6 at 19200 baud 8N1"), "{output:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_loan_ends_with_its_borrower_and_with_the_daemon() {
    let (_line, site) = cabinet();
    let daemon = site.start();
    all_read(&site).await;
    let scan = ["scan", "--bus", "cabinet", "--units", "20-247"];
    let killed = site.start_as(&scan);
    lent(&site, &format!("arkmeter scan (process {})", killed.pid())).await;
    killed.kill().await;
    not_lent(&site).await;

    let reloading = async {
        lent(&site, "arkmeter scan").await;
        let text = std::fs::read_to_string(site.path("arkmeter.toml")).unwrap();
        std::fs::write(site.path("arkmeter.toml"), text.replace("300ms", "400ms")).unwrap();
        daemon.signal("HUP").await;
    };
    let (output, ()) = tokio::join!(site.run(&scan), reloading);
    output.complains(1, &["the lent line was closed: the daemon is stopping, or has read a configuration"]);
    not_lent(&site).await;

    let stopping = async {
        lent(&site, "arkmeter scan").await;
        daemon.stop().await;
    };
    let (output, ()) = tokio::join!(site.run(&scan), stopping);
    output.complains(1, &["was closed: the "]);
}

#[tokio::test]
async fn inspect_reads_a_meter_beside_the_polled_ones_and_a_line_has_one_setting() {
    let (line, site) = cabinet();
    let daemon = site.start();
    all_read(&site).await;
    let device = line.path().to_str().unwrap();
    let inspect = ["inspect", "--bus", "cabinet", "--unit", "6", "--registers", "0..60", "--watch", "0s", "--json"];
    let output = site.run(&inspect).await;
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.err.contains("its line is used between its polls; this takes about"), "{output:?}");
    let document: Value = serde_json::from_str(&output.out).unwrap();
    let registers = document["registers"].as_array().unwrap();
    assert!(registers.iter().any(|row| row["register"] == 6 && row["function"] == "input"), "{document:#}");

    let other =
        ["inspect", "--serial", device, "--baud", "9600", "--unit", "6", "--registers", "0..9", "--watch", "0s"];
    site.run(&other).await.complains(0, &["at 19200 baud 8N1, so the registers are read at this setting"]);
    let scan = ["scan", "--serial", device, "--units", "6", "--watch", "0s", "--baud"];
    let remedy = ["at 19200 baud 8N1, so only this setting is scanned", "systemctl stop arkmeter"];
    site.run(&[&scan[..], &["9600"]].concat()).await.complains(75, &remedy);
    site.run(&[&scan[..], &["9600,19200"]].concat()).await.complains(0, &remedy);
    not_lent(&site).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_set_up_adds_a_meter_without_stopping_the_daemon() {
    let (line, site) = cabinet();
    let daemon = site.start();
    all_read(&site).await;
    let answers = format!(
        "start = false\n[bus.cabinet]\nserial = \"{}\"\nbaud = 19200\n[meter.garage]\nbus = \"cabinet\"\nunit = 6\nfuses = \"3x25\"\nclient = \"-\"\n",
        line.path().display()
    );
    std::fs::write(site.path("answers.toml"), answers).unwrap();
    let output = site.run(&["setup", "--answers", "answers.toml"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.err.contains("garage: eastron-sdm"), "{output:?}");
    assert!(site.log().contains("the line is lent to arkmeter setup (process"), "{}", site.log());
    daemon.signal("HUP").await;
    site.status_when("the new meter is read", |document| document["meters"]["garage"]["read_at"].is_string()).await;
    let read = site.run(&["read", "garage"]).await;
    assert!(read.code == 0 && read.out.contains("1.50 kW"), "{read:?}");
    daemon.stop().await;
}

/// Goes on to the names of the meters: the polled line, which Enter chooses, until so many meters were found.
async fn scans_the_polled_line(terminal: &mut Terminal, found: &str) {
    terminal.shows("polled by arkmeter").await;
    terminal.shows("nothing need be stopped").await;
    terminal.answers("Lines to scan [", "").await;
    terminal.shows(found).await;
    terminal.keys(CTRL_C).await;
}

#[tokio::test]
async fn a_set_up_on_a_terminal_uses_the_line_of_the_running_daemon() {
    let (_line, site) = cabinet();
    let daemon = site.start();
    all_read(&site).await;
    let load = format!("kill -HUP {}", daemon.pid());
    let choice = "start again, or quit? [a/c/t/n/Q]:";

    let mut terminal = Terminal::start(&site, &["setup"]);
    terminal.answers(choice, "a").await;
    scans_the_polled_line(&mut terminal, ", 1 found").await;
    terminal.shows("cabinet 6").await;
    for (question, answer) in [("Names [", "garage"), ("Fuses, such as", "3x25"), ("Client of garage:", "-")] {
        terminal.answers(question, answer).await;
    }
    terminal.answers("Write this? [Y/n/show]:", "").await;
    terminal.shows(&load).await;
    let (code, shown) = terminal.end().await;
    assert!(code == Some(0) && !shown.contains("Send one report"), "{shown}");
    let remedy = ["meter garage is in the configuration", "has not read that version", "systemctl reload arkmeter"];
    site.run(&["read", "garage"]).await.complains(1, &remedy);
    let all = site.run(&["read"]).await;
    all.complains(1, &remedy);
    assert!(all.out.contains("meter_e") && all.out.contains("1.50 kW"), "the others are read: {all:?}");
    daemon.signal("HUP").await;
    let is_read = |document: &Value| document["meters"]["garage"]["read_at"].is_string();
    site.status_when("the new meter is read", is_read).await;

    let mut terminal = Terminal::start(&site, &["setup"]);
    terminal.answers(choice, "c").await;
    terminal.answers("Change:", "garage fuses 3x20").await;
    terminal.shows(&load).await;
    assert_eq!(terminal.end().await.0, Some(0));

    let before = std::fs::read_to_string(site.path("arkmeter.toml")).unwrap();
    let mut terminal = Terminal::start(&site, &["setup"]);
    terminal.answers(choice, "n").await;
    terminal.answers("Begin a new configuration? [y/N]:", "y").await;
    scans_the_polled_line(&mut terminal, ", 6 found").await;
    terminal.answers("Names [", "meter_a meter_b meter_c meter_d meter_e cellar").await;
    terminal.answers("Fuses, such as", "3x25").await;
    for name in POLLED.iter().chain(&["cellar"]) {
        terminal.answers(&format!("Client of {name}:"), "-").await;
    }
    terminal.answers("Write this? [Y/n/show]:", "").await;
    terminal.shows(&load).await;
    assert_eq!(terminal.end().await.0, Some(0));
    assert_eq!(std::fs::read_to_string(site.path("arkmeter.toml.old")).unwrap(), before);
    daemon.signal("HUP").await;
    let goes_on = |document: &Value| document["meters"]["cellar"]["read_at"].is_string();
    let document = site.status_when("the same daemon has the new configuration", goes_on).await;
    for name in POLLED {
        assert_eq!(document["meters"][name]["failures"], 0, "nothing was lost: {document:#}");
    }
    daemon.stop().await;
}
