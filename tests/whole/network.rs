//! A real network between the daemon and everything else: a network namespace, a cable that is cut, packets that are lost or delayed.
//!
//! It needs root, iproute2 and iptables. If the kernel has no netem, delays come from a slow line whose queue fills.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arkmeter::simulator::{Arkreen, SimulatedGateway, SimulatedSerialLine, SimulatedUnit};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::harness::*;

const CUT_FOR: Duration = Duration::from_secs(60);
/// The longest wait for a condition over such a network.
const LONG: Duration = Duration::from_secs(300);

async fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().await.unwrap()
}

async fn must(program: &str, arguments: &[&str]) {
    let output = run(program, arguments).await;
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A namespace with one cable to this one.
struct Network {
    namespace: String,
    /// The ends of the cable: on the host, and in the namespace.
    cable: [String; 2],
    here: Ipv4Addr,
}

impl Network {
    async fn make() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        // Unique per test and process.
        let number = std::process::id() << 2 | MADE.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("arkmeter-{number}");
        let cable = [format!("amh{number}"), format!("amt{number}")];
        let (high, low) = ((number >> 6) as u8, ((number & 0x3F) << 2) as u8);
        let address = |last| Ipv4Addr::new(10, 213, high, low + last);
        let network = Network { namespace, cable, here: address(1) };
        let (here, there) = (format!("{}/30", address(1)), format!("{}/30", address(2)));
        let ([near, far], space) = (&network.cable, network.namespace.as_str());
        must("ip", &["netns", "add", space]).await;
        must("ip", &["link", "add", near, "type", "veth", "peer", "name", far, "netns", space]).await;
        must("ip", &["addr", "add", &here, "dev", near]).await;
        must("ip", &["link", "set", near, "up"]).await;
        must("ip", &["-n", space, "addr", "add", &there, "dev", far]).await;
        must("ip", &["-n", space, "link", "set", far, "up"]).await;
        must("ip", &["-n", space, "link", "set", "lo", "up"]).await;
        network
    }

    /// Drops this share of the packets in both directions, 0 to 1. With 1 the cable is cut, and neither end sees its link go down.
    async fn lose(&self, share: f64) {
        let share = share.to_string();
        for chain in ["INPUT", "OUTPUT"] {
            let flush = ["iptables", "-F", chain];
            let lose =
                ["iptables", "-A", chain, "-m", "statistic", "--mode", "random", "--probability", &share, "-j", "DROP"];
            must("ip", &[&["netns", "exec", &self.namespace], &flush[..]].concat()).await;
            must("ip", &[&["netns", "exec", &self.namespace], &lose[..]].concat()).await;
        }
    }

    /// Drops packets of connections to this port that are open now, as a restarted firewall does.
    async fn forget(&self, port: u16) {
        let inside = ["netns", "exec", self.namespace.as_str()];
        let open =
            run("ip", &[&inside[..], &["ss", "-Htn", "state", "established", "dport", &format!("= :{port}")]].concat())
                .await;
        let open = String::from_utf8(open.stdout).unwrap();
        let ports: Vec<_> =
            open.lines().filter_map(|line| line.split_whitespace().nth(2)?.rsplit(':').next()).collect();
        assert!(!ports.is_empty(), "no connection to forget");
        for port in ports {
            for (chain, side) in [("OUTPUT", "--sport"), ("PREROUTING", "--dport")] {
                let rule = ["iptables", "-t", "raw", "-A", chain, "-p", "tcp", side, port, "-j", "DROP"];
                must("ip", &[&inside[..], &rule].concat()).await;
            }
        }
    }

    /// Sets the output queue (`tc qdisc`) of the daemon's end; false if the kernel does not support this kind.
    async fn queue(&self, queue: &[&str]) -> bool {
        let place = ["-n", &self.namespace, "qdisc", "replace", "dev", &self.cable[1], "root"];
        run("tc", &[&place[..], queue].concat()).await.status.success()
    }

    fn enter(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.namespace]
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // This also removes the cable.
        let _ = std::process::Command::new("ip").args(["netns", "del", &self.namespace]).status();
    }
}

/// TLS in front of the simulated Arkreen, on the namespace's side of this machine.
struct Tls {
    port: u16,
    authority: String,
    task: JoinHandle<()>,
}

impl Tls {
    async fn before(to: SocketAddr, at: Ipv4Addr) -> Self {
        let mut issuer = CertificateParams::default();
        issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(issuer, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([at.to_string()]).unwrap().signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = tokio_rustls::rustls::crypto::ring::default_provider();
        let config = ServerConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
        let config =
            config.unwrap().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((at, 0)).await.unwrap();
        let (port, authority) = (listener.local_addr().unwrap().port(), issuer.pem());
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    if let (Ok(mut near), Ok(mut far)) = (acceptor.accept(near).await, TcpStream::connect(to).await) {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Tls { port, authority, task }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A daemon in the namespace. Its meter `sauna` and Arkreen run on the host.
///
/// The meter `pump` is on a serial line, which no cut of the network reaches: there is always a fresh reading to report.
struct IsolatedDaemon {
    network: Network,
    site: Site,
    daemon: Daemon,
    arkreen: Arkreen,
    meter: SimulatedUnit,
    gateway: SimulatedGateway,
    _line: SimulatedSerialLine,
    _tls: Tls,
}

impl IsolatedDaemon {
    async fn begin() -> Self {
        let (network, meter, arkreen) = (Network::make().await, sdm630(1, 1000.0, 100.0), arkreen([1, 2]));
        let gateway =
            SimulatedGateway::start_at(SocketAddr::new(network.here.into(), 0), [meter.clone()]).await.unwrap();
        let line = SimulatedSerialLine::start([sdm630(2, 500.0, 50.0)], None).unwrap();
        let tls = Tls::before(arkreen.url().socket_addrs(|| None).unwrap()[0], network.here).await;
        let plan =
            Plan::new().account(format!("https://{}:{}/v1", network.here, tls.port)).text("ca_file = \"ca.pem\"");
        let plan = plan.tcp("gateway", gateway.address()).counting("sauna", "gateway", 1);
        let site = Site::new(&plan.serial("cabinet", line.path()).counting("pump", "cabinet", 2));
        std::fs::write(site.path("ca.pem"), &tls.authority).unwrap();
        let daemon = site.start_under(&network.enter());
        site.all_ok(&["sauna", "pump"]).await;
        until("the first report", || (1..=2).all(|client| accepted_energy(&arkreen, client).is_some())).await;
        IsolatedDaemon { network, site, daemon, arkreen, meter, gateway, _line: line, _tls: tls }
    }

    /// Waits longer than other tests until the status is as wanted. Returns the time since `begun`.
    async fn status_after(&self, begun: Instant, what: &str, so: impl Fn(&Value) -> bool) -> Duration {
        let end = Instant::now() + LONG;
        loop {
            let output = self.site.run(&["status", "--json"]).await;
            if so(&serde_json::from_str(&output.out).unwrap_or_default()) {
                return begun.elapsed();
            }
            assert!(Instant::now() < end, "not within {LONG:?}: {what}\n{}", output.out);
            sleep(CHECK_INTERVAL).await;
        }
    }

    async fn end(mut self) {
        assert!(self.daemon.runs());
        self.daemon.stop().await;
        assert_valid_calls(&self.arkreen);
        assert_only(&self.arkreen, 1, 1_000_000, 100_000_000);
        assert_only(&self.arkreen, 2, 500_000, 50_000_000);
    }
}

/// Waits longer than other tests until the condition holds. Returns the elapsed time.
async fn after(what: &str, so: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < LONG, "not within {LONG:?}: {what}");
        sleep(CHECK_INTERVAL).await;
    }
    begun.elapsed()
}

#[tokio::test]
#[ignore = "needs root, iproute2 and iptables: .ci/run installs them"]
#[allow(clippy::print_stderr, reason = "prints the measured times")]
async fn network_a_cut_cable_is_noticed_and_everything_recovers_when_it_is_repaired() {
    let it = IsolatedDaemon::begin().await;
    let cut = Instant::now();
    it.network.lose(1.0).await;
    let failing = it.status_after(cut, "the meter", |it| it["meters"]["sauna"]["state"] == "failing").await;
    let retrying = it.status_after(cut, "the account", |it| it["accounts"]["main"]["state"] == "retrying").await;
    sleep(CUT_FOR.saturating_sub(cut.elapsed())).await;
    let (requests, calls) = (it.meter.requests(), it.arkreen.calls().len());
    it.network.lose(0.0).await;
    let polled = after("a poll", || it.meter.requests() > requests).await;
    let reported = polled + after("a report", || it.arkreen.calls().len() > calls).await;
    it.status_after(cut, "all is well", |it| it["well"] == true).await;
    eprintln!(
        "cut for {CUT_FOR:?}: meter failing after {failing:?}, account retrying after {retrying:?}; \
         repaired: polled after {polled:?}, reported after {reported:?}"
    );
    it.end().await;
}

#[tokio::test]
#[ignore = "needs root, iproute2 and iptables: .ci/run installs them"]
#[allow(clippy::print_stderr, reason = "prints the measured times")]
async fn network_a_connection_that_the_other_end_forgot_is_replaced_in_bounded_time() {
    let IsolatedDaemon { network, site, daemon, arkreen, meter, gateway, _line, _tls } = IsolatedDaemon::begin().await;
    let (cut, address) = (Instant::now(), gateway.address());
    network.lose(1.0).await;
    // The gateway restarts while the cable is cut: what it sends to its old connections is lost.
    drop(gateway);
    let gateway = loop {
        // Until the old one has released its port.
        if let Ok(gateway) = SimulatedGateway::start_at(address, [meter.clone()]).await {
            break gateway;
        }
        assert!(cut.elapsed() < LONG);
        sleep(CHECK_INTERVAL).await;
    };
    // Its firewall drops packets of unknown connections: the daemon gets no sign that the old connection is gone.
    let it = IsolatedDaemon { network, site, daemon, arkreen, meter, gateway, _line, _tls };
    it.network.forget(address.port()).await;
    let repaired = Instant::now();
    it.network.lose(0.0).await;
    let connected = after("a new connection", || it.gateway.connections() > 0).await;
    it.status_after(cut, "all is well", |it| it["well"] == true).await;
    eprintln!(
        "half-open: connected again {connected:?} after the gateway was back ({:?} to all well)",
        repaired.elapsed()
    );
    it.end().await;
}

#[tokio::test]
#[ignore = "needs root, iproute2 and iptables: .ci/run installs them"]
#[allow(clippy::print_stderr, reason = "prints skipped parts and the measured times")]
async fn network_losses_and_delays_cost_polls_but_no_figure() {
    let it = IsolatedDaemon::begin().await;
    let netem = ["netem", "delay", "120ms", "60ms", "loss", "5%", "reorder", "10%", "duplicate", "3%"];
    if !it.network.queue(&netem).await {
        skipped(
            "network_losses_and_delays_cost_polls_but_no_figure, netem",
            "this kernel has no netem; a slow line and losses are used instead",
        );
        assert!(it.network.queue(&["tbf", "rate", "60kbit", "burst", "1600", "limit", "20000"]).await);
    }
    it.network.lose(0.1).await;
    let (requests, calls) = (it.meter.requests(), it.arkreen.calls().len());
    let polled = after("polls", || it.meter.requests() >= requests + 40).await;
    let reported = after("reports", || it.arkreen.calls().len() >= calls + 10).await;
    eprintln!("lossy: 40 requests in {polled:?}, 10 calls in {:?}", polled + reported);
    it.network.lose(0.0).await;
    it.status_after(Instant::now(), "all is well", |it| it["well"] == true).await;
    it.end().await;
}
