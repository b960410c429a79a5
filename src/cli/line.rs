//! The line that a command is to be the master of: named on the command line or by a bus of the configuration, and not in use by the
//! running daemon.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{complain, exit};
use crate::config::{BusConfig, Config, ConfigError, Environment, Link, Parity};
use crate::ledger;
use crate::survey::same_link;
use crate::units::{Name, UnitId};

/// Which line.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Where {
    /// A serial device, such as /dev/serial/by-id/usb-...
    #[arg(long, value_name = "DEVICE")]
    pub serial: Option<PathBuf>,
    /// A Modbus TCP gateway or meter: host:port (scan: also 192.168.1.0/24:502 or 192.168.1.10-40:502)
    #[arg(long, value_name = "ADDRESS")]
    pub tcp: Option<String>,
    /// A transparent converter: host:port
    #[arg(long, value_name = "ADDRESS")]
    pub rtu_over_tcp: Option<String>,
    /// A bus of the configuration
    #[arg(long, value_name = "NAME", value_parser = super::name)]
    pub bus: Option<Name>,
}

/// `none`, `even` or `odd`.
pub fn parity(text: &str) -> Result<Parity, String> {
    match text {
        "none" => Ok(Parity::None),
        "even" => Ok(Parity::Even),
        "odd" => Ok(Parity::Odd),
        _ => Err("none, even or odd".to_owned()),
    }
}

/// A unit from 1 to 247.
pub fn unit(text: &str) -> Result<UnitId, String> {
    text.parse::<i64>().ok().and_then(UnitId::new).ok_or_else(|| "a unit is a number from 1 to 247".to_owned())
}

/// The configuration, if there is one. Where it has an error and is not needed, that is said and no more.
pub fn configuration(path: &Path, environment: &Environment, needed: bool) -> Result<Option<Config>, u8> {
    match Config::load(path, environment) {
        Ok((config, _)) => Ok(Some(config)),
        Err(ConfigError::Missing(_)) if !needed => Ok(None),
        Err(error) if needed => {
            complain(&error.render(std::io::stderr().is_terminal()));
            Err(exit::CONFIG)
        }
        Err(_) => {
            complain("the configuration does not pass `arkmeter check` yet, and is left aside\n");
            Ok(None)
        }
    }
}

/// The bus of this name.
pub fn bus<'a>(config: Option<&'a Config>, name: &Name) -> Result<&'a BusConfig, u8> {
    let buses = config.map(|config| &config.buses);
    buses.and_then(|buses| buses.get(name)).ok_or_else(|| {
        let known: Vec<_> = buses.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        complain(&format!("the configuration has no bus `{name}`; it has {known}\n"));
        exit::FAILED
    })
}

/// The process of a running daemon that may be on this line: two masters disturb each other.
///
/// Where the configuration is not known the daemon may be on any line; a serial device it holds is locked, and is refused when it is opened.
pub fn in_use(config: Option<&Config>, environment: &Environment, link: &Link) -> Option<String> {
    let state = config.map(|config| config.state.path.clone());
    let state = state.or_else(|| environment.state_directory.clone()).unwrap_or_else(|| "/var/lib/arkmeter".into());
    let pid = ledger::store::in_use(&state)?;
    let own = match config {
        Some(config) => config.buses.values().any(|bus| same_link(&bus.link, link)),
        None => !matches!(link, Link::Serial(_)),
    };
    own.then(|| pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())
}

/// Says who uses the line and what to do; the exit code.
pub fn refuse(process: &str, line: &str) -> u8 {
    complain(&format!(
        "the running arkmeter{process} polls {line}, and a line has room for one master: stop it (systemctl stop arkmeter), do this, and \
         start it again\n"
    ));
    exit::IN_USE
}
