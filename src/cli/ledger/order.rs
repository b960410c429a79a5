//! What an operator orders: carried out by the running daemon, else on the store itself.

use std::io::{self, Write};

use super::{failed, misunderstood};
use crate::cli::{exit, finish_output, print_error, runtime};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::settings;
use crate::ledger::orders;
use crate::ledger::remedy::{ClientMoved, Order, Outcome, Remedy};
use crate::ledger::store::in_use;
use crate::status::control::{self, ControlCommand, ControlError};
use crate::status::words;
use crate::units::MilliwattHours;

/// Has it done, or says what it would do.
pub fn order(config: &Config, remedy: Remedy, dry_run: bool) -> u8 {
    let outcome = match ask(config, remedy, dry_run) {
        Ok(outcome) => outcome,
        Err(code) => return code,
    };
    let mut out = io::stdout().lock();
    match finish_output(write(&outcome, dry_run, &mut out)) {
        0 if !dry_run && !outcome.on_disk => {
            print_error("it is in force, but the disk has not taken it yet: see `arkmeter status`\n");
            exit::FAILED
        }
        code => code,
    }
}

/// Asks the daemon; where none answers, this process does it. The exit code where it was not done.
pub(super) fn ask(config: &Config, remedy: Remedy, dry_run: bool) -> Result<Outcome, u8> {
    let order = ControlCommand::Ledger { remedy: remedy.clone(), dry_run };
    match runtime()?.block_on(control::post(&config.status.socket, &order)) {
        Ok(answer) => match serde_json::from_value::<Result<Outcome, String>>(answer) {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(refused)) => {
                print_error(&format!("{refused}\n"));
                Err(exit::FAILED)
            }
            Err(_) => Err(misunderstood()),
        },
        Err(ControlError::NoDaemon(_)) => alone(config, remedy, dry_run),
        Err(error) => Err(failed(&error, exit::FAILED)),
    }
}

/// No daemon answers: unless one holds the state all the same, this process does it.
fn alone(config: &Config, remedy: Remedy, dry_run: bool) -> Result<Outcome, u8> {
    if let Some(pid) = in_use(&config.state.path) {
        return Err(busy(config, pid));
    }
    let order = Order::new(remedy, dry_run, sudo_uid());
    let now = Clock::system().now();
    let done = orders::alone(&config.state.path, settings::of_ledger(config), &now, order);
    done.map_err(|error| failed(&error, error.exit_code()))
}

/// A daemon has the state and no socket.
pub(super) fn busy(config: &Config, pid: Option<u32>) -> u8 {
    let process = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
    let socket = config.status.socket.display();
    print_error(&format!(
        "an arkmeter{process} uses the ledger but does not answer at {socket}: see its log for why it has no control socket, or stop it\n"
    ));
    exit::IN_USE
}

/// Who became root for this, where sudo says it.
fn sudo_uid() -> Option<u32> {
    std::env::var("SUDO_UID").ok()?.parse().ok()
}

/// Says what was done.
pub(super) fn write(outcome: &Outcome, dry_run: bool, out: &mut dyn Write) -> io::Result<()> {
    let would = if dry_run { "would be done, and nothing was changed: " } else { "" };
    let subject = outcome.meter.as_ref().map_or("the ledger".to_owned(), ToString::to_string);
    writeln!(out, "{subject}: {would}{}", outcome.reason)?;
    let energy = |energy: Option<MilliwattHours>| energy.map_or("none".to_owned(), words::energy);
    let (before, after) = (outcome.register_before_mwh, outcome.register_after_mwh);
    if before.is_some() || after.is_some() {
        writeln!(out, "  register   {} -> {}", energy(before), energy(after))?;
    }
    if outcome.meter.is_some() {
        let (before, after) = (outcome.published_before_mwh, outcome.published_after_mwh);
        writeln!(out, "  published  {} -> {}", energy(before), energy(after))?;
    }
    for ClientMoved { client, before_mwh, after_mwh } in &outcome.clients {
        writeln!(out, "  client     {client}: {} -> {}", words::energy(*before_mwh), words::energy(*after_mwh))?;
    }
    match outcome.entry {
        Some(entry) => writeln!(out, "  journal    entry {entry}"),
        None => Ok(()),
    }
}
