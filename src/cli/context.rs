//! What a command works with: the configuration, the places that it names, the running daemon, the runtime.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::exit;
use super::output::print_error;
use crate::config::{Config, ConfigFiles, Environment, MeterConfig};
use crate::ledger;
use crate::status::control::{self, ControlCommand, ControlError};
use crate::text::chain;
use crate::units::Name;

/// Loads the configuration and runs the command with it, or prints every problem.
pub(super) fn with_config(path: &Path, environment: &Environment, command: impl FnOnce(&Config) -> u8) -> u8 {
    match Config::load(path, environment) {
        Ok((config, _)) => command(&config),
        Err(error) => {
            print_error(&error.render(io::stderr().is_terminal()));
            exit::CONFIG
        }
    }
}

/// The meter of this name; otherwise prints the names that the configuration has.
pub(super) fn meter<'c>(config: &'c Config, name: &Name) -> Result<&'c MeterConfig, u8> {
    named("meter", Some(&config.meters), name)
}

/// The thing of this kind and name; otherwise prints the names that the configuration has.
pub(super) fn named<'c, T>(kind: &str, things: Option<&'c BTreeMap<Name, T>>, name: &Name) -> Result<&'c T, u8> {
    things.and_then(|things| things.get(name)).ok_or_else(|| {
        let known: Vec<_> = things.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        print_error(&format!("the configuration has no {kind} `{name}`; it has {known}"));
        exit::FAILED
    })
}

/// The state folder and the control socket. They are found also in a configuration with an error elsewhere: the daemon may run with an
/// older version of it.
pub(super) fn locations(path: &Path, environment: &Environment) -> (PathBuf, PathBuf) {
    match Config::load(path, environment) {
        Ok((config, _)) => (config.state.path, config.status.socket),
        Err(_) => {
            let state = path_as_written(path, "state", "path").unwrap_or_else(|| environment.default_state());
            let socket = path_as_written(path, "status", "socket").unwrap_or_else(|| environment.default_socket());
            (environment.own_state(state), environment.own_socket(socket))
        }
    }
}

/// A path in a configuration that has an error elsewhere: the last file that sets it and can be read.
pub(super) fn path_as_written(path: &Path, table: &str, key: &str) -> Option<PathBuf> {
    let files = ConfigFiles::read(path).ok()?;
    let written = |text: &str| {
        let document: toml::Table = text.parse().ok()?;
        document.get(table)?.get(key)?.as_str().map(str::to_owned)
    };
    let written = files.files().iter().rev().find_map(|file| written(&file.text))?;
    Some(path.parent()?.join(written))
}

/// A single thread is enough: polling, reporting and the page wait for others nearly all the time.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, u8> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        print_error(&format!("arkmeter cannot start: {error}"));
        exit::FAILED
    })
}

/// Sends the command to the running daemon and gives its answer; `None` if no daemon answers.
pub(super) async fn send_to_daemon<T: DeserializeOwned>(
    config: &Config,
    command: &ControlCommand,
) -> Result<Option<T>, u8> {
    match control::post(&config.status.socket, command).await {
        Err(ControlError::NoDaemon(_)) => Ok(None),
        Err(error) => {
            print_error(&chain(&error));
            Err(exit::FAILED)
        }
        Ok(answer) => serde_json::from_value(answer).map(Some).map_err(|_| not_understood()),
    }
}

/// Reads a document of the running daemon; `None` if no daemon answers.
pub(super) fn document_of_daemon<T: DeserializeOwned>(config: &Config, path: &str) -> Result<Option<T>, u8> {
    match runtime()?.block_on(control::get(&config.status.socket, path)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|_| not_understood()),
        Err(ControlError::NoDaemon(_)) => Ok(None),
        Err(error) => {
            print_error(&chain(&error));
            Err(exit::FAILED)
        }
    }
}

fn not_understood() -> u8 {
    print_error(
        "the answer of the daemon is not understood, it may be another version of arkmeter: restart it (`systemctl restart arkmeter`)",
    );
    exit::FAILED
}

/// Refuses if a daemon runs that did not answer: this process would be a second master on its lines.
pub(super) fn refuse_where_daemon_runs(config: &Config) -> Result<(), u8> {
    let Some(pid) = ledger::store::in_use(&config.state.path) else { return Ok(()) };
    let process = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
    print_error(&format!(
        "an arkmeter{process} is running but does not answer at {}, and two masters disturb each other on a line: stop it, or see its \
         log for the reason why it has no control socket",
        config.status.socket.display()
    ));
    Err(exit::IN_USE)
}
