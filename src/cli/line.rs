//! The line that a command works on: chosen by an option or by a bus of the configuration, and not in use by the running daemon.

use std::io::{self, IsTerminal};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::arguments::name;
use super::borrow::{Lender, LineOwner};
use super::context::named;
use super::exit;
use super::output::print_error;
use crate::config::{BusConfig, Config, ConfigError, Environment, Link, Parity};
use crate::ledger;
use crate::quality::LinkKind;
use crate::survey::same_link;
use crate::units::{Name, UnitId};

/// The options that choose the line; one of them is required.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct LineArguments {
    /// A serial device, such as /dev/serial/by-id/usb-...
    #[arg(long, value_name = "DEVICE")]
    pub(super) serial: Option<PathBuf>,
    /// A Modbus TCP gateway or meter: host:port (scan: also 192.168.1.0/24:502 or 192.168.1.10-40:502)
    #[arg(long, value_name = "ADDRESS")]
    pub(super) tcp: Option<String>,
    /// A transparent converter (RTU over TCP): host:port
    #[arg(long, value_name = "ADDRESS")]
    pub(super) rtu_over_tcp: Option<String>,
    /// A bus of the configuration
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(super) bus: Option<Name>,
}

/// Parses `none`, `even` or `odd`.
pub(super) fn parity_parser() -> impl TypedValueParser<Value = Parity> {
    PossibleValuesParser::new(["none", "even", "odd"]).map(|word| match word.as_str() {
        "even" => Parity::Even,
        "odd" => Parity::Odd,
        _ => Parity::None,
    })
}

/// Parses a unit, 0 to 255: whether the link allows it is seen later.
pub(super) fn unit(text: &str) -> Result<UnitId, String> {
    const HELP: &str = "a unit is a number from 1 to 247, over Modbus TCP also 0 and 248 to 255";
    text.parse::<i64>().ok().and_then(UnitId::on_tcp).ok_or_else(|| HELP.to_owned())
}

/// Refuses units that no meter on a serial line can have.
pub(super) fn check_units(kind: LinkKind, units: &[UnitId]) -> Result<(), u8> {
    match units.iter().find(|unit| kind != LinkKind::Tcp && !unit.is_serial()) {
        Some(unit) => {
            print_error(&format!("no meter on a serial line has unit {unit}: the units are 1 to 247"));
            Err(exit::USAGE)
        }
        None => Ok(()),
    }
}

/// The configuration if there is one. An error in it is fatal only if the command needs the configuration.
pub(super) fn configuration(path: &Path, environment: &Environment, needed: bool) -> Result<Option<Config>, u8> {
    match Config::load(path, environment) {
        Ok((config, _)) => Ok(Some(config)),
        Err(ConfigError::Missing(_)) if !needed => Ok(None),
        Err(error) if needed => {
            print_error(&error.render(std::io::stderr().is_terminal()));
            Err(exit::CONFIG)
        }
        Err(_) => {
            print_error("the configuration has an error and is ignored here: `arkmeter check` shows it");
            Ok(None)
        }
    }
}

/// The bus of this name; otherwise prints the names that the configuration has.
pub(super) fn bus<'a>(config: Option<&'a Config>, name: &Name) -> Result<&'a BusConfig, u8> {
    named("bus", config.map(|config| &config.buses), name)
}

/// Parses how long to watch, up to four hours.
pub(super) fn watch(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time <= Duration::from_secs(4 * 3600) { Ok(time) } else { Err("at most 4h".to_owned()) }
}

/// The running daemon that may use this line; `None` if the line is free.
///
/// Without a configuration the daemon may use any network line. A serial device is locked by the daemon, so opening it fails.
pub(super) fn daemon_on_line(config: Option<&Config>, environment: &Environment, link: &Link) -> Option<LineOwner> {
    let state = config.map(|config| config.state.path.clone());
    let state = state.or_else(|| environment.state_directory.clone()).unwrap_or_else(|| "/var/lib/arkmeter".into());
    let socket = config.map_or_else(|| environment.default_socket(), |config| config.status.socket.clone());
    let pid = ledger::store::in_use(&state).or_else(|| runs_unseen(&state, &socket).then_some(None))?;
    let lender = config.and_then(|config| lender(config, link));
    let used = lender.is_some() || config.is_none() && !matches!(link, Link::Serial(_));
    let process = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
    used.then(|| LineOwner { process, place: link.to_string(), lender })
}

/// Whether a daemon runs whose lock this user may not see: its socket takes connections, or is closed to this user, too.
fn runs_unseen(state: &Path, socket: &Path) -> bool {
    let closed = io::ErrorKind::PermissionDenied;
    let lock = crate::files::open(&state.join("lock"));
    let connected = || UnixStream::connect(socket);
    lock.is_err_and(|error| error.kind() == closed) && connected().err().is_none_or(|error| error.kind() == closed)
}

/// The bus of the configuration with this link.
fn lender(config: &Config, link: &Link) -> Option<Lender> {
    let bus = config.buses.values().find(|bus| same_link(&bus.link, link))?;
    let units = config.meters.values().filter(|meter| meter.bus == bus.name).map(|meter| meter.unit);
    Some(Lender { socket: config.status.socket.clone(), bus: bus.clone(), units: units.collect() })
}
