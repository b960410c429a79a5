//! Simulated meters on a pseudo-terminal whose bytes take the same time as on a serial line.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rmodbus::ModbusProto;
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_serial::{SerialPort, SerialStream};

use super::unit::{SimulatedUnit, rtu_request_len};

/// The speed of the line. Without a speed the bytes take no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineSpeed {
    /// Bits a second.
    pub baud: u32,
    /// Bits of one character, start and stop bits included: 10 for 8N1, 11 with parity.
    pub bits: u32,
}

impl LineSpeed {
    /// The time of one character.
    pub fn character(self) -> Duration {
        Duration::from_secs(1) * self.bits / self.baud
    }

    /// The silence that ends a frame: 3.5 characters, at least 1.75 ms (Modbus over Serial Line V1.02, 2.5.1.1).
    pub fn silence(self) -> Duration {
        Duration::from_micros(1750).max(self.character() * 7 / 2)
    }
}

/// A line on a pseudo-terminal. Dropping it is like unplugging the adapter: the device disappears.
///
/// The other end may open it with any baud rate, unless [`SimulatedSerialLine::set_baud`] says otherwise; parity has no effect.
#[derive(Debug)]
pub struct SimulatedSerialLine {
    path: PathBuf,
    shared: Arc<LineShared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct LineShared {
    stop: Notify,
    stopped: AtomicBool,
    echo: AtomicBool,
    /// The only baud rate that is understood; 0 for any.
    baud: AtomicU32,
    requests: AtomicU64,
    early: AtomicU64,
}

impl SimulatedSerialLine {
    /// Meters on a new pseudo-terminal, in a thread of its own that keeps the timing.
    ///
    /// # Errors
    ///
    /// If no pseudo-terminal or thread can be created.
    pub fn start(units: impl IntoIterator<Item = SimulatedUnit>, speed: Option<LineSpeed>) -> io::Result<Self> {
        let shared = Arc::new(LineShared::default());
        let (units, theirs) = (units.into_iter().collect(), Arc::clone(&shared));
        let (sender, receiver) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("simulated line".into()).spawn(move || {
            let opened = SimulatedSlave::open(units, speed, theirs);
            let (path, slave) = match opened {
                Ok((path, slave)) => (Ok(path), Some(slave)),
                Err(error) => (Err(error), None),
            };
            if sender.send(path).is_ok()
                && let Some(slave) = slave
            {
                slave.serve();
            }
        })?;
        let path = receiver.recv().map_err(io::Error::other)??;
        Ok(SimulatedSerialLine { path, shared, thread: Some(thread) })
    }

    /// The device to open.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sends each request back before the answer, as some RS-485 adapters do.
    pub fn set_echo(&self, echo: bool) {
        self.shared.echo.store(echo, Ordering::Relaxed);
    }

    /// Ignores requests at any other baud rate.
    pub fn set_baud(&self, baud: u32) {
        self.shared.baud.store(baud, Ordering::Relaxed);
    }

    /// Frames received so far.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Requests that came before the silence between frames was over.
    pub fn early(&self) -> u64 {
        self.shared.early.load(Ordering::Relaxed)
    }
}

impl Drop for SimulatedSerialLine {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.shared.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The meters' end of the line.
struct SimulatedSlave {
    runtime: tokio::runtime::Runtime,
    master: SerialStream,
    /// Kept open, so that the line exists while no other program has it open.
    device: SerialStream,
    units: Vec<SimulatedUnit>,
    speed: Option<LineSpeed>,
    shared: Arc<LineShared>,
    /// When the last byte was sent, in either direction.
    last_byte: Option<Instant>,
}

impl SimulatedSlave {
    fn open(
        units: Vec<SimulatedUnit>,
        speed: Option<LineSpeed>,
        shared: Arc<LineShared>,
    ) -> io::Result<(PathBuf, Self)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (master, device) = {
            let _inside = runtime.enter();
            SerialStream::pair()?
        };
        let path = device.name().ok_or(io::ErrorKind::NotFound)?.into();
        Ok((path, SimulatedSlave { runtime, master, device, units, speed, shared, last_byte: None }))
    }

    fn serve(mut self) {
        let mut bytes = Vec::new();
        let mut chunk = [0; 512];
        while let Some(count) = self.receive(&mut chunk) {
            bytes.extend_from_slice(&chunk[..count]);
            while let Some(len) = rtu_request_len(&bytes).filter(|len| bytes.len() >= *len) {
                let request: Vec<u8> = bytes.drain(..len).collect();
                if self.other_speed() {
                    continue;
                }
                if self.take(&request).is_err() {
                    return;
                }
            }
        }
    }

    /// Waits for bytes; `None` when the line must end.
    fn receive(&mut self, chunk: &mut [u8]) -> Option<usize> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.shared.stop.notified() => None,
                count = self.master.read(chunk) => count.ok().filter(|count| *count > 0),
            }
        })
    }

    /// True if the other end has set a baud rate that the meters ignore.
    fn other_speed(&self) -> bool {
        let baud = self.shared.baud.load(Ordering::Relaxed);
        baud != 0 && self.device.baud_rate().is_ok_and(|set| set != baud)
    }

    fn take(&mut self, request: &[u8]) -> io::Result<()> {
        let now = Instant::now();
        let (character, silence) = match self.speed {
            Some(speed) => (speed.character(), speed.silence()),
            None => (Duration::ZERO, Duration::ZERO),
        };
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
        if self.last_byte.is_some_and(|last| now < last + silence) {
            self.shared.early.fetch_add(1, Ordering::Relaxed);
        }
        let received = now + character * request.len() as u32;
        self.last_byte = Some(received);
        if self.shared.echo.load(Ordering::Relaxed) {
            self.send(request, received, Duration::ZERO)?;
        }
        let answers = self.units.iter().find_map(|unit| unit.answer(request, ModbusProto::Rtu));
        match answers {
            Some((delay, bytes)) => self.send(&bytes, received + delay.max(silence), character),
            None => Ok(()),
        }
    }

    /// Sends each byte at the time when its last bit would arrive.
    fn send(&mut self, bytes: &[u8], begin: Instant, character: Duration) -> io::Result<()> {
        let silence = self.speed.map_or(Duration::ZERO, LineSpeed::silence);
        for (index, byte) in (1..).zip(bytes) {
            let due = begin + character * index;
            self.sleep_until(due)?;
            // A loaded machine may send it much later than a line would. The request that meets it is then not early.
            let now = Instant::now();
            self.last_byte = Some(if now > due + silence { due } else { now });
            if self.master.try_write(std::slice::from_ref(byte))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Sleeps precisely, and stops soon after the line is dropped.
    fn sleep_until(&self, due: Instant) -> io::Result<()> {
        const SLICE: Duration = Duration::from_millis(50);
        loop {
            let wait = due.saturating_duration_since(Instant::now());
            if self.shared.stopped.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if wait.is_zero() {
                return Ok(());
            }
            std::thread::sleep(wait.min(SLICE));
        }
    }
}
