//! The answer about the lines to scan: numbers of the lines that are offered, devices, addresses of gateways and converters.

use std::fmt;
use std::path::PathBuf;

use crate::survey::addresses;

/// A line that is offered by its number: a serial device of this box, or a bus of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedLine {
    /// A serial device has its most lasting path here, such as `/dev/serial/by-id/usb-...`.
    pub line: LineChoice,
    /// `USB`, `on board`, or the name of its bus in the configuration.
    pub kind: String,
    /// Who uses it.
    pub user: LineUser,
}

/// Who uses a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineUser {
    /// Nobody, or nobody may know.
    Nobody,
    /// The running daemon, which lends it between its polls.
    Daemon,
    /// Another program: `agetty (pid 412)`.
    Program(String),
}

/// A line to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineChoice {
    /// A serial device.
    Serial(PathBuf),
    /// A Modbus TCP gateway or meter, or a range of them, as typed.
    Tcp(String),
    /// A transparent converter, as typed.
    Converter(String),
}

impl LineChoice {
    /// Reads `/dev/...`, `192.168.10.20`, `192.168.10.0/24` or `rtu:192.168.10.21:4196`.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            let is_device = text.len() > 1 && !text.ends_with('/') && !text.contains('\0');
            return if is_device {
                Ok(LineChoice::Serial(PathBuf::from(text)))
            } else {
                Err(format!("`{text}` is not the path of a device: write one such as /dev/ttyUSB0"))
            };
        }
        match text.strip_prefix("rtu:") {
            Some(address) if !address.contains(':') => {
                Err("a converter needs its port: write rtu:HOST:PORT, such as rtu:192.168.10.21:4196".to_owned())
            }
            Some(address) => addresses(address, false).map(|_| LineChoice::Converter(address.to_owned())),
            None => addresses(text, true).map(|_| LineChoice::Tcp(text.to_owned())),
        }
    }

    /// Each `host:port` of it; empty for a serial device.
    pub fn addresses(&self) -> Vec<String> {
        // Checked when it was parsed.
        match self {
            LineChoice::Serial(_) => Vec::new(),
            LineChoice::Tcp(text) => addresses(text, true).unwrap_or_default(),
            LineChoice::Converter(text) => addresses(text, false).unwrap_or_default(),
        }
    }
}

impl fmt::Display for LineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineChoice::Serial(path) => write!(f, "{}", path.display()),
            LineChoice::Tcp(text) => f.write_str(text),
            LineChoice::Converter(text) => write!(f, "rtu:{text}"),
        }
    }
}

/// Reads the whole answer. Numbers choose from `offered`, from 1.
///
/// # Errors
/// What is wrong with the first word that is none of them.
pub(super) fn parse_all(text: &str, offered: &[OfferedLine]) -> Result<Vec<LineChoice>, String> {
    let mut lines = Vec::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        let line = match word.parse::<usize>() {
            Ok(number) => {
                let chosen = number.checked_sub(1).and_then(|index| offered.get(index));
                let chosen = chosen.ok_or_else(|| match offered.len() {
                    0 => format!("there is no line {number}: no serial adapter was found"),
                    count => format!("there is no line {number}: the list ends with {count}"),
                })?;
                chosen.line.clone()
            }
            Err(_) => LineChoice::parse(word)?,
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    if lines.is_empty() { Err("write a number, a device or an address".to_owned()) } else { Ok(lines) }
}
