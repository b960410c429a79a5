//! How a link is reached, and the times that hold on it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::lent::LentLine;
use crate::units::Parity;

/// One link and its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// How it is reached.
    pub link: Link,
    /// The time that a meter has for its answer, without the time of the characters on a serial line.
    pub timeout: Duration,
    /// Added to the silence that the line needs between two frames.
    pub request_gap: Duration,
    /// The pause between connecting and the first request.
    pub connect_delay: Duration,
    /// Where another process owns the link: it carries out the requests, and this process never opens the link.
    pub lender: Option<LentLine>,
}

impl LinkSettings {
    /// Whether a gateway passes the requests on, one after the other.
    pub(crate) fn has_gateway(&self) -> bool {
        matches!(self.link, Link::Tcp(_))
    }
}

/// The kind of a link and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// A serial device.
    Serial(SerialSettings),
    /// `host:port` of a Modbus TCP gateway or meter.
    Tcp(String),
    /// `host:port` of a transparent converter: RTU frames in a TCP stream.
    RtuOverTcp(String),
}

impl Link {
    /// The most file descriptors that it takes: the connection, an exact timer for RTU, and for a moment the device a second time.
    pub fn descriptors(&self) -> u32 {
        match self {
            Link::Serial(_) => 3,
            Link::Tcp(_) => 1,
            Link::RtuOverTcp(_) => 2,
        }
    }
}

impl fmt::Display for Link {
    /// The device's path, or `host:port`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Link::Serial(serial) => serial.path.display().fmt(f),
            Link::Tcp(address) | Link::RtuOverTcp(address) => f.write_str(address),
        }
    }
}

/// A serial device and its settings; 8 data bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialSettings {
    /// The device, best a link below `/dev/serial/by-id`.
    pub path: PathBuf,
    /// Bits per second.
    pub baud: u32,
    /// The parity bit.
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
}
