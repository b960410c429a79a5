//! Simulated meters on a TCP port: a Modbus TCP gateway, or a transparent converter that carries RTU frames.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rmodbus::ModbusProto;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::unit::{SimulatedUnit, rtu_request_len};
#[cfg(test)]
use crate::modbus::memory::Host;

/// Behaviours of real gateways that a master must handle. All are off at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatewayBehaviour {
    /// Closes the connection after each answer.
    pub close_after_answer: bool,
    /// Accepts connections and requests, and never answers.
    pub never_answers: bool,
    /// Closes every new connection.
    pub refuses_connections: bool,
    /// Closes every connection but the first.
    pub one_client: bool,
    /// Sends each request back before the answer, as some RS-485 adapters do.
    pub echo: bool,
    /// Answers with exception 0x0B for missing units, instead of not at all.
    pub reports_missing_units: bool,
    /// Answers with this transaction id, whatever was sent.
    pub transaction: Option<u16>,
}

/// A gateway on loopback. It stops and closes its connections when it is dropped.
#[derive(Debug)]
pub struct SimulatedGateway {
    address: SocketAddr,
    shared: Arc<GatewayShared>,
    disconnect: watch::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct GatewayShared {
    units: Vec<SimulatedUnit>,
    protocol: ModbusProto,
    behaviour: Mutex<GatewayBehaviour>,
    connections: AtomicU64,
    open: AtomicUsize,
    requests: AtomicU64,
}

/// Further clients are disconnected at once.
const MAX_CLIENTS: usize = 16;

impl SimulatedGateway {
    /// A Modbus TCP gateway on a free port.
    ///
    /// # Errors
    ///
    /// If no port can be opened.
    pub async fn start(units: impl IntoIterator<Item = SimulatedUnit>) -> io::Result<Self> {
        SimulatedGateway::listen("127.0.0.1:0", units, ModbusProto::TcpUdp).await
    }

    /// A transparent converter (RTU over TCP) on a free port.
    ///
    /// # Errors
    ///
    /// If no port can be opened.
    pub async fn start_converter(units: impl IntoIterator<Item = SimulatedUnit>) -> io::Result<Self> {
        SimulatedGateway::listen("127.0.0.1:0", units, ModbusProto::Rtu).await
    }

    /// A Modbus TCP gateway on this address, such as one that returns after it was dropped.
    ///
    /// # Errors
    ///
    /// If the port is in use.
    pub async fn start_at(address: SocketAddr, units: impl IntoIterator<Item = SimulatedUnit>) -> io::Result<Self> {
        SimulatedGateway::listen(address, units, ModbusProto::TcpUdp).await
    }

    async fn listen(
        address: impl tokio::net::ToSocketAddrs,
        units: impl IntoIterator<Item = SimulatedUnit>,
        protocol: ModbusProto,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(SimulatedGateway::serving(ClientSource::Network(listener), address, units, protocol))
    }

    /// A Modbus TCP gateway, or a converter, without a socket: for tests on tokio's paused clock.
    #[cfg(test)]
    pub(crate) fn in_memory(host: Host, units: impl IntoIterator<Item = SimulatedUnit>, protocol: ModbusProto) -> Self {
        SimulatedGateway::serving(ClientSource::Memory(host), SocketAddr::from(([0, 0, 0, 0], 0)), units, protocol)
    }

    fn serving(
        clients_from: ClientSource,
        address: SocketAddr,
        units: impl IntoIterator<Item = SimulatedUnit>,
        protocol: ModbusProto,
    ) -> Self {
        let shared = Arc::new(GatewayShared {
            units: units.into_iter().collect(),
            protocol,
            behaviour: Mutex::default(),
            connections: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
        });
        let (disconnect, disconnected) = watch::channel(());
        let task = tokio::spawn(accept(clients_from, Arc::clone(&shared), disconnected));
        SimulatedGateway { address, shared, disconnect, task }
    }

    /// The address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the behaviour, from the next request or connection on.
    pub fn behave(&self, change: impl FnOnce(&mut GatewayBehaviour)) {
        change(&mut self.shared.behaviour.lock().expect("behaviour cannot panic"));
    }

    /// Closes all connections, as gateways close idle ones; new ones are accepted.
    pub fn disconnect(&self) {
        self.disconnect.send_replace(());
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Frames received so far, for any unit.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

impl Drop for SimulatedGateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl GatewayShared {
    fn behaviour(&self) -> GatewayBehaviour {
        *self.behaviour.lock().expect("behaviour cannot panic")
    }
}

/// Where clients connect.
enum ClientSource {
    Network(TcpListener),
    #[cfg(test)]
    Memory(Host),
}

trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

impl ClientSource {
    async fn accept(&mut self) -> io::Result<Box<dyn Bytes>> {
        match self {
            ClientSource::Network(listener) => {
                let (stream, _) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                Ok(Box::new(stream))
            }
            #[cfg(test)]
            ClientSource::Memory(host) => Ok(Box::new(host.accept().await)),
        }
    }
}

async fn accept(mut clients_from: ClientSource, shared: Arc<GatewayShared>, disconnected: watch::Receiver<()>) {
    let mut clients = JoinSet::new();
    loop {
        let accepted = clients_from.accept().await;
        while clients.try_join_next().is_some() {}
        let Ok(stream) = accepted else { return };
        let behaviour = shared.behaviour();
        let most = match behaviour.refuses_connections {
            true => 0,
            false if behaviour.one_client => 1,
            false => MAX_CLIENTS,
        };
        if shared.open.load(Ordering::Relaxed) >= most {
            continue;
        }
        shared.connections.fetch_add(1, Ordering::Relaxed);
        shared.open.fetch_add(1, Ordering::Relaxed);
        let (shared, mut disconnected) = (Arc::clone(&shared), disconnected.clone());
        disconnected.mark_unchanged();
        clients.spawn(async move {
            tokio::select! {
                _ = serve(stream, &shared) => {}
                _ = disconnected.changed() => {}
            }
            shared.open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Serves one client until it disconnects or sends something that is not a frame.
async fn serve(mut stream: Box<dyn Bytes>, shared: &GatewayShared) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 512];
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&chunk[..count]);
        if shared.behaviour().echo {
            stream.write_all(&chunk[..count]).await?;
        }
        while let Some(len) = request_len(&bytes, shared.protocol)? {
            if bytes.len() < len {
                break;
            }
            let request: Vec<u8> = bytes.drain(..len).collect();
            shared.requests.fetch_add(1, Ordering::Relaxed);
            answer(&mut stream, shared, &request).await?;
        }
        if shared.protocol == ModbusProto::Rtu {
            // The line has been silent since, so an incomplete request is dropped.
            bytes.clear();
        }
    }
}

/// The length of the request at the start of the bytes. A gateway closes the connection at a wrong Modbus TCP header.
fn request_len(bytes: &[u8], protocol: ModbusProto) -> io::Result<Option<usize>> {
    match protocol {
        ModbusProto::TcpUdp => match *bytes {
            [_, _, 0, 0, 0, len, ..] => Ok(Some(6 + usize::from(len))),
            [_, _, _, _, _, _, ..] => Err(io::ErrorKind::InvalidData.into()),
            _ => Ok(None),
        },
        ModbusProto::Rtu | ModbusProto::Ascii => Ok(rtu_request_len(bytes)),
    }
}

async fn answer(stream: &mut Box<dyn Bytes>, shared: &GatewayShared, request: &[u8]) -> io::Result<()> {
    let behaviour = shared.behaviour();
    if behaviour.never_answers {
        return Ok(());
    }
    let header = if shared.protocol == ModbusProto::TcpUdp { 6 } else { 0 };
    let unit_id = request.get(header).copied().unwrap_or_default();
    let answer = match shared.units.iter().find(|unit| unit.unit() == unit_id) {
        Some(unit) => unit.answer(request, shared.protocol),
        None if behaviour.reports_missing_units && header > 0 => {
            let function = request.get(7).copied().unwrap_or_default() | 0x80;
            let exception = [&request[..4], &[0, 3, unit_id, function, 0x0B]].concat();
            Some((std::time::Duration::ZERO, exception))
        }
        None => None,
    };
    if let Some((delay, mut bytes)) = answer {
        if bytes.is_empty() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if let Some(id) = behaviour.transaction.filter(|_| header > 0) {
            bytes[..2].copy_from_slice(&id.to_be_bytes());
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        stream.write_all(&bytes).await?;
        if behaviour.close_after_answer {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    }
    Ok(())
}
