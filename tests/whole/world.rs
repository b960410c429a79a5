//! What is around a site: meters that stand still or count, addresses without anybody, and a way that can be cut.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use arkmeter::meter::Function;
use arkmeter::simulator::{SimulatedMeter, SimulatedUnit};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::harness::LOOK_EVERY;

/// A meter with the map of an SDM630 that stands still at so many watts and kilowatt-hours.
pub fn sdm630(unit: u8, watts: f32, kilowatt_hours: f32) -> SimulatedUnit {
    let meter = SimulatedUnit::new(unit);
    meter.set_f32(Function::Input, 0x0034, watts);
    meter.set_f32(Function::Input, 0x0048, kilowatt_hours);
    meter.set_f32(Function::Input, 0x004A, 0.0);
    meter.set(Function::Holding, 0xFC00, &[0, 1000 + u16::from(unit)]);
    meter
}

/// A meter that counts while time passes, in a task of its own.
pub struct Living {
    meter: Arc<Mutex<SimulatedMeter>>,
    unit: SimulatedUnit,
    task: JoinHandle<()>,
}

impl Living {
    pub fn start(meter: SimulatedMeter) -> Self {
        let unit = meter.unit.clone();
        let meter = Arc::new(Mutex::new(meter));
        let theirs = meter.clone();
        let task = tokio::spawn(async move {
            let mut last = Instant::now();
            loop {
                sleep(LOOK_EVERY / 5).await;
                let now = Instant::now();
                theirs.lock().unwrap().advance(now - last);
                last = now;
            }
        });
        Living { meter, unit, task }
    }

    pub fn unit(&self) -> SimulatedUnit {
        self.unit.clone()
    }

    /// What its display shows, in mWh.
    pub fn reading(&self) -> f64 {
        self.meter.lock().unwrap().reading() * 1e6
    }

    /// What reads its display while it counts on.
    pub fn display(&self) -> impl Fn() -> f64 + Send + use<> {
        let meter = self.meter.clone();
        move || meter.lock().unwrap().reading() * 1e6
    }

    /// It counts no further: its display stands.
    pub fn halt(&self) {
        self.task.abort();
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address of this machine where nobody listens.
pub fn nobody() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The way to an endpoint: cut when it is dropped, and there again with another at the same address.
pub struct Way(JoinHandle<()>);

impl Way {
    pub async fn open(from: SocketAddr, url: &Url) -> Self {
        let to = url.socket_addrs(|| None).unwrap()[0];
        let listener = TcpListener::bind(from).await.unwrap();
        Way(tokio::spawn(async move {
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

impl Drop for Way {
    fn drop(&mut self) {
        self.0.abort();
    }
}
