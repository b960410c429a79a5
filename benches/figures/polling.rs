//! Loops that only poll, in a process of their own (this program, started again): one with plain tokio-modbus, one with arkmeter's client.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use arkmeter::meter::{Function, RegisterRange};
use arkmeter::modbus::{Line, Link, LinkSettings, SerialSettings};
use arkmeter::units::{Parity, UnitId};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval};
use tokio_modbus::client::{Context, Reader, rtu, tcp};
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_serial::SerialStream;

use crate::site::REGISTERS;

/// The first argument that makes this program such a loop. The client, the line, the meters and the duration follow.
pub const ROLE: &str = "polling-loop";

/// The client that polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polls {
    Bare,
    Verified,
}

impl Polls {
    const ALL: [Polls; 2] = [Polls::Bare, Polls::Verified];

    pub fn word(self) -> &'static str {
        match self {
            Polls::Bare => "bare tokio-modbus",
            Polls::Verified => "arkmeter's client",
        }
    }
}

/// Starts a loop that reads each meter once a second. It ends when the child is dropped.
pub fn each_second(polls: Polls, address: SocketAddr, meters: u8) -> io::Result<Child> {
    command(polls, &address.to_string(), meters, Duration::ZERO)?.spawn()
}

/// Reads as fast as possible for `time`; returns the polls per second.
pub async fn flat_out(polls: Polls, line: &str, meters: u8, time: Duration) -> io::Result<f64> {
    let output = command(polls, line, meters, time)?.stdout(Stdio::piped()).spawn()?.wait_with_output().await?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(io::Error::other)
}

fn command(polls: Polls, line: &str, meters: u8, time: Duration) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([ROLE, polls.word(), line, &meters.to_string(), &time.as_secs().to_string()]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// Runs such a loop in this process.
pub fn run(arguments: &[&str]) -> io::Result<()> {
    let [polls, line, meters, seconds] = arguments else { return Err(io::ErrorKind::InvalidInput.into()) };
    let polls = Polls::ALL.into_iter().find(|known| known.word() == *polls).ok_or(io::ErrorKind::InvalidInput)?;
    let meters: u8 = meters.parse().map_err(io::Error::other)?;
    let time = Duration::from_secs(seconds.parse().map_err(io::Error::other)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut master = Master::open(polls, line).await?;
        match time {
            Duration::ZERO => master.each_second(meters).await,
            _ => master.flat_out(meters, time).await.map(|rate| println!("{rate}")),
        }
    })
}

enum Master {
    Bare(Context),
    Verified(Box<Line>),
}

impl Master {
    /// Opens `line`: a path is a serial line at 9600 baud, anything else an address.
    async fn open(polls: Polls, line: &str) -> io::Result<Self> {
        let serial = Path::new(line).is_absolute();
        if polls == Polls::Bare {
            return Ok(Master::Bare(match serial {
                true => rtu::attach(SerialStream::open(&tokio_serial::new(line, 9600))?),
                false => {
                    let stream = TcpStream::connect(line).await?;
                    stream.set_nodelay(true)?;
                    tcp::attach(stream)
                }
            }));
        }
        let link = match serial {
            true => Link::Serial(SerialSettings { path: line.into(), baud: 9600, parity: Parity::None, stop_bits: 1 }),
            false => Link::Tcp(line.to_owned()),
        };
        let (timeout, none) = (Duration::from_secs(1), Duration::ZERO);
        let settings = LinkSettings { link, timeout, request_gap: none, connect_delay: none, lender: None };
        Ok(Master::Verified(Box::new(Line::new(&settings))))
    }

    async fn each_second(&mut self, meters: u8) -> io::Result<()> {
        let mut seconds = interval(Duration::from_secs(1));
        loop {
            seconds.tick().await;
            for unit in 1..=meters {
                self.read(unit).await?;
            }
        }
    }

    async fn flat_out(&mut self, meters: u8, time: Duration) -> io::Result<f64> {
        self.read(1).await?;
        let begun = Instant::now();
        let mut polls = 0;
        while begun.elapsed() < time {
            for unit in 1..=meters {
                self.read(unit).await?;
                polls += 1;
            }
        }
        Ok(f64::from(polls) / begun.elapsed().as_secs_f64())
    }

    async fn read(&mut self, unit: u8) -> io::Result<()> {
        let words = match self {
            Master::Bare(client) => {
                client.set_slave(Slave(unit));
                let answer = client.read_input_registers(0, REGISTERS).await.map_err(io::Error::other)?;
                answer.map_err(io::Error::other)?
            }
            Master::Verified(line) => {
                let unit = UnitId::new(unit.into()).ok_or(io::ErrorKind::InvalidInput)?;
                let block = RegisterRange { function: Function::Input, address: 0, count: REGISTERS };
                line.read(unit, block).await.map_err(io::Error::other)?
            }
        };
        if words.len() == usize::from(REGISTERS) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}
