//! The surroundings of a site: meters with constant or increasing values, unused addresses, and a network path that can be cut.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use arkmeter::meter::Function;
use arkmeter::simulator::{SimulatedMeter, SimulatedUnit};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::harness::CHECK_INTERVAL;

/// A meter with the register map of an SDM630 and constant power and energy.
pub fn sdm630(unit: u8, watts: f32, kilowatt_hours: f32) -> SimulatedUnit {
    let meter = SimulatedUnit::new(unit);
    meter.set_f32(Function::Input, 0x0034, watts);
    meter.set_f32(Function::Input, 0x0048, kilowatt_hours);
    meter.set_f32(Function::Input, 0x004A, 0.0);
    meter.set(Function::Holding, 0xFC00, &[0, 1000 + u16::from(unit)]);
    meter
}

/// A meter whose counter increases with time, in its own task.
pub struct CountingMeter {
    meter: Arc<Mutex<SimulatedMeter>>,
    unit: SimulatedUnit,
    task: JoinHandle<()>,
}

impl CountingMeter {
    pub fn start(meter: SimulatedMeter) -> Self {
        let unit = meter.unit.clone();
        let meter = Arc::new(Mutex::new(meter));
        let shared = meter.clone();
        let task = tokio::spawn(async move {
            let mut last = Instant::now();
            loop {
                sleep(CHECK_INTERVAL / 5).await;
                let now = Instant::now();
                shared.lock().unwrap().advance(now - last);
                last = now;
            }
        });
        CountingMeter { meter, unit, task }
    }

    pub fn unit(&self) -> SimulatedUnit {
        self.unit.clone()
    }

    /// The meter's counter, in mWh.
    pub fn reading(&self) -> f64 {
        self.meter.lock().unwrap().reading() * 1e6
    }

    /// A function that reads the counter while the meter counts on.
    pub fn display(&self) -> impl Fn() -> f64 + Send + use<> {
        let meter = self.meter.clone();
        move || meter.lock().unwrap().reading() * 1e6
    }

    /// Stops the counter.
    pub fn halt(&self) {
        self.task.abort();
    }
}

impl Drop for CountingMeter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A local address on which no program listens.
pub fn unused_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Forwards connections to an endpoint. Dropping it cuts the path; a new one at the same address restores it.
pub struct Forwarder(JoinHandle<()>);

impl Forwarder {
    pub async fn open(from: SocketAddr, url: &Url) -> Self {
        let to = url.socket_addrs(|| None).unwrap()[0];
        let listener = TcpListener::bind(from).await.unwrap();
        Forwarder(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                connections.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(to).await {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        }))
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.0.abort();
    }
}
