//! Nobody reads the log: its pipe or socket is full, the journal or systemd hangs. Everything else goes on.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write, pipe};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Stdio;

use arkmeter::simulator::{Arkreen, SimulatedGateway, SimulatedUnit};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::harness::*;
use crate::status_page::get;

/// A site whose meter is polled and reported, with its status page.
struct Watched {
    site: Site,
    meter: SimulatedUnit,
    arkreen: Arkreen,
    page: std::net::SocketAddr,
    _gateway: SimulatedGateway,
}

impl Watched {
    async fn new() -> Self {
        let meter = sdm630(1, 1000.0, 100.0);
        let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
        let (arkreen, page) = (arkreen([1]), unused_address());
        let plan = Plan::new().text(format!("listen = \"{page}\"")).account(arkreen.url());
        let site = Site::new(&plan.tcp("gateway", gateway.address()).meter("sauna", "gateway", 1));
        Watched { site, meter, arkreen, page, _gateway: gateway }
    }

    /// Everything works while nothing of the log is read, also the end at SIGTERM.
    async fn works_and_ends(&self, daemon: Daemon) {
        until("the first report", || accepted_energy(&self.arkreen, 1).is_some()).await;
        more_requests(&[&self.meter], 20).await;
        more_calls(&self.arkreen, 2).await;
        self.site.all_ok(&["sauna"]).await;
        assert_eq!(get(self.page, "/healthz").await, ("HTTP/1.1 200 OK".into(), "ok\n".into()));
        daemon.signal("TERM").await;
        assert_eq!(daemon.end().await.code(), Some(0));
    }

    /// The lines that were dropped: the smaller number of status document and metric.
    async fn dropped(&self) -> u64 {
        let (_, body) = get(self.page, "/status.json").await;
        let document: Value = serde_json::from_str(&body).unwrap();
        let (_, metrics) = get(self.page, "/metrics").await;
        let metric = metrics.lines().find_map(|line| line.strip_prefix("arkmeter_log_dropped_lines_total "));
        // Each may be a second old.
        document["log_dropped"].as_u64().unwrap().min(metric.unwrap().parse().unwrap())
    }

    async fn start(&self, output: impl Into<Stdio>, error: impl Into<Stdio>, variables: &[(&str, &str)]) -> Daemon {
        self.site.start_writing_to(output.into(), error.into(), variables)
    }
}

/// Writes to a stream that does not block until it is full.
fn fill(stream: &mut impl Write) {
    let junk = [b'.'; 512];
    while stream.write(&junk).is_ok() {}
    while stream.write(b".").is_ok() {}
}

/// A pipe that is full.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    // Another description of the same pipe, because the daemon's own must block.
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let mut other = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap();
    fill(&mut other);
    (reader, writer)
}

#[tokio::test]
async fn with_a_full_pipe_everything_else_goes_on() {
    let watched = Watched::new().await;
    let (_unread, full) = full_pipe();
    let daemon = watched.start(full.try_clone().unwrap(), full, &[]).await;
    watched.works_and_ends(daemon).await;
}

#[tokio::test]
async fn with_a_log_socket_that_nobody_reads_everything_else_goes_on() {
    let watched = Watched::new().await;
    let (mut full, _unread) = UnixStream::pair().unwrap();
    full.set_nonblocking(true).unwrap();
    fill(&mut full);
    full.set_nonblocking(false).unwrap();
    let full = OwnedFd::from(full);
    let daemon = watched.start(full.try_clone().unwrap(), full, &[]).await;
    watched.works_and_ends(daemon).await;
}

#[tokio::test]
async fn dropped_lines_are_counted_and_logged_when_the_log_is_read_again() {
    let watched = Watched::new().await;
    let (mut reader, full) = full_pipe();
    let daemon = watched.start(Stdio::null(), full, &[("ARKMETER_LOG", "debug")]).await;
    watched.site.all_ok(&["sauna"]).await;
    let end = tokio::time::Instant::now() + WAIT_LIMIT;
    while watched.dropped().await == 0 {
        assert!(tokio::time::Instant::now() < end, "nothing is dropped");
        // With this filter a line is logged for each.
        for _ in 0..50 {
            let mut stream = TcpStream::connect(watched.page).await.unwrap();
            stream.write_all(b"no request\r\n\r\n").await.unwrap();
            // Until the daemon has closed it.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    }
    let text = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        let mut part = [0; 65536];
        while !String::from_utf8_lossy(&text).contains("lines of the log were dropped") {
            match reader.read(&mut part).unwrap() {
                0 => break,
                read => text.extend(&part[..read]),
            }
        }
        String::from_utf8(text).unwrap()
    });
    let text = tokio::time::timeout(WAIT_LIMIT, text).await.expect("the loss is logged").unwrap();
    let line = text.lines().find(|line| line.contains("lines of the log were dropped")).expect("the loss is logged");
    assert!(line.contains(" WARN "), "{line}");
    daemon.signal("TERM").await;
    assert_eq!(daemon.end().await.code(), Some(0));
}

/// A message that cannot be written must not keep a broken process alive: systemd restarts it only when it has ended.
#[tokio::test]
async fn an_error_that_ends_the_daemon_ends_it_also_with_a_full_pipe() {
    let watched = Watched::new().await;
    watched.site.configure(&Plan::new().text("[bus.cabinet]\nserail = \"/dev/null\""));
    let (_unread, full) = full_pipe();
    let daemon = watched.start(full.try_clone().unwrap(), full, &[]).await;
    assert_eq!(daemon.end().await.code(), Some(78));
}

#[tokio::test]
async fn with_a_systemd_that_hangs_everything_else_goes_on() {
    let watched = Watched::new().await;
    let path = watched.site.path("notify");
    let _unread = UnixDatagram::bind(&path).unwrap();
    let full = UnixDatagram::unbound().unwrap();
    full.connect(&path).unwrap();
    full.set_nonblocking(true).unwrap();
    while full.send(b"STATUS=full").is_ok() {}
    let variables = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1000000")];
    let daemon = watched.site.start_with(&variables);
    watched.works_and_ends(daemon).await;
}

/// The journal's socket has a fixed path, so the daemon gets a file system of its own.
#[tokio::test]
#[ignore = "needs mounts: run as root by .ci/run"]
async fn process_with_a_journal_that_hangs_everything_else_goes_on() {
    let watched = Watched::new().await;
    let path = watched.site.path("journal");
    let _unread = UnixDatagram::bind(&path).unwrap();
    let full = UnixDatagram::unbound().unwrap();
    full.connect(&path).unwrap();
    full.set_nonblocking(true).unwrap();
    while full.send(b"MESSAGE=full\n").is_ok() {}
    let log = OpenOptions::new().create(true).append(true).open(watched.site.path("log")).unwrap();
    let metadata = log.metadata().unwrap();
    let stream = format!("{}:{}", metadata.dev(), metadata.ino());
    let script = format!(
        "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && touch /run/systemd/journal/socket && mount --bind {} \
         /run/systemd/journal/socket && exec \"$@\"",
        path.display()
    );
    let under = ["unshare", "--mount", "sh", "-c", &script, "sh"];
    let works = Command::new("unshare").args(["--mount", "true"]).status().await;
    if !works.is_ok_and(|status| status.success()) {
        return skipped("process_with_a_journal_that_hangs_everything_else_goes_on", "no mount namespaces");
    }
    let daemon = watched.site.start_under_with(&under, &[("JOURNAL_STREAM", &stream)]);
    watched.works_and_ends(daemon).await;
    assert!(!fs::read_to_string(watched.site.path("log")).unwrap().contains("INFO"), "the log went to the journal");
}
