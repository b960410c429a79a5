//! `arkmeter status`: the state of the running daemon, at a glance, in detail, or as its JSON document.

mod details;
mod glance;
pub(super) mod verdict;
mod watch;

use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use clap::Args;

use super::context::{locations, runtime};
use super::exit;
use super::output::fitted;
use super::screen::Screen;
use crate::config::Environment;
use crate::ledger::store::in_use;
use crate::status::control::{self, ControlError};
use crate::status::{Document, SCHEMA};
use crate::text::chain;

/// What of the status is printed.
#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Also show registers, identifiers, and the counters of each bus and line
    #[arg(long)]
    lines: bool,
    /// Show the status and a plot of power, refreshed every 2 seconds, until q or Ctrl-C
    #[arg(long, conflicts_with_all = ["lines", "json"])]
    watch: bool,
    /// Print the status document as JSON
    #[arg(long, conflicts_with = "lines")]
    json: bool,
    /// Only ask whether all tasks of the daemon make progress, whatever the meters and the cloud do: for the health check of a container
    #[arg(long, conflicts_with_all = ["lines", "json", "watch"])]
    alive: bool,
}

/// Prints the status of the daemon of this configuration.
pub(super) fn run(path: &Path, environment: &Environment, arguments: &StatusArguments) -> u8 {
    let (state, socket) = locations(path, environment);
    if arguments.watch {
        return watch::watch(&socket, &Screen::of_output());
    }
    if arguments.alive {
        return runtime()
            .map(|runtime| runtime.block_on(alive(&socket, &mut io::stderr().lock())))
            .unwrap_or_else(|code| code);
    }
    let view = StatusView {
        json: arguments.json,
        lines: arguments.lines,
        free: free_bytes(&state),
        screen: Screen::of_output(),
    };
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let code = runtime().map(|runtime| runtime.block_on(status(&socket, &state, &view, &mut out, &mut err)));
    code.unwrap_or_else(|code| code)
}

/// How the document is printed.
#[derive(Clone, Copy, Debug)]
struct StatusView {
    json: bool,
    lines: bool,
    free: Option<u64>,
    screen: Screen,
}

/// Prints the status of the daemon at `socket`. The exit code: 0 all is well, 1 trouble, 69 no daemon.
async fn status(socket: &Path, state: &Path, view: &StatusView, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let error = match request(socket).await {
        Ok((bytes, document)) => {
            let printed = match view.json {
                true => out.write_all(&bytes),
                false => glance::glance(&document, view.free, view.lines, &view.screen)
                    .iter()
                    .try_for_each(|line| writeln!(out, "{line}")),
            };
            match printed.and_then(|()| out.flush()) {
                // A reader that closed the pipe has read enough.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => StatusError::Output(error),
                _ => return if document.well { 0 } else { exit::FAILED },
            }
        }
        Err(error) => error,
    };
    let running = matches!(error, StatusError::Control(ControlError::NoDaemon(_))).then(|| in_use(state)).flatten();
    let text = match running {
        Some(process) => {
            let process = process.map(|process| format!(" (process {process})")).unwrap_or_default();
            let socket = socket.display();
            format!(
                "an arkmeter{process} runs, but has no control socket at {socket}: its log says which one it has, or why none"
            )
        }
        None if matches!(error, StatusError::Control(ControlError::NoDaemon(_))) && is_closed(state) => format!(
            "no arkmeter daemon answers at {}, and this user cannot see whether one runs: sudo arkmeter status",
            socket.display()
        ),
        None => chain(&error),
    };
    // A closed standard error is no reason to fail otherwise.
    let _ = writeln!(err, "{}", fitted(&format!("arkmeter: {text}")));
    if error.is_no_daemon() { exit::NO_DAEMON } else { exit::FAILED }
}

/// Whether this user may not see who has the state folder.
fn is_closed(state: &Path) -> bool {
    crate::files::open(&state.join("lock")).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// The exit code: 0 while every task makes progress, 1 if one does not, 69 no daemon.
async fn alive(socket: &Path, err: &mut dyn Write) -> u8 {
    let Err(error) = control::get(socket, "/healthz").await else { return 0 };
    let error = StatusError::Control(error);
    let _ = writeln!(err, "arkmeter: {}", chain(&error));
    if error.is_no_daemon() { exit::NO_DAEMON } else { exit::FAILED }
}

impl StatusError {
    /// No daemon runs, or this user may not talk to it.
    pub(super) fn is_no_daemon(&self) -> bool {
        matches!(self, StatusError::Control(ControlError::NoDaemon(_) | ControlError::NotAllowed(_)))
    }
}

/// The free bytes of the disk with this folder; `None` if it does not answer soon, or cannot be asked.
pub(super) fn free_bytes(folder: &Path) -> Option<u64> {
    /// A disk that hangs must not keep the status from its reader.
    const WITHIN: Duration = Duration::from_millis(500);
    let (sender, answer) = mpsc::channel();
    let folder = folder.to_owned();
    std::thread::spawn(move || sender.send(crate::files::free_bytes(&folder)));
    answer.recv_timeout(WITHIN).ok().flatten()
}

#[derive(Debug, thiserror::Error)]
pub(super) enum StatusError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(
        "the daemon uses schema {0}, this command {SCHEMA}: restart the daemon (`systemctl restart arkmeter`), or use the same version of \
         arkmeter"
    )]
    Schema(u64),
    #[error(
        "the answer of the daemon is not understood: restart it (`systemctl restart arkmeter`), or use the same version of arkmeter"
    )]
    Malformed(#[source] serde_json::Error),
    #[error("the status cannot be written")]
    Output(#[source] io::Error),
}

pub(super) async fn request(socket: &Path) -> Result<(Vec<u8>, Document), StatusError> {
    let bytes = control::get(socket, "/status.json").await?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(StatusError::Malformed)?;
    if let Some(schema) = value["schema"].as_u64().filter(|schema| *schema != u64::from(SCHEMA)) {
        return Err(StatusError::Schema(schema));
    }
    Ok((bytes, serde_json::from_value(value).map_err(StatusError::Malformed)?))
}

#[cfg(test)]
mod tests;
