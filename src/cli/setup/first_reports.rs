//! Waits until the first report of each new client is accepted, and says why it is not yet.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::terminal::{say, tell};
use crate::cli::context::{locations, runtime};
use crate::cli::exit;
use crate::cli::progress::TerminalProgress;
use crate::cli::scan::unless_interrupted;
use crate::config::Environment;
use crate::status::Document;
use crate::status::control;
use crate::text::foreign;
use crate::units::Name;

/// A meter whose counter is 0 gets its first figure after 10 minutes.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// The daemon answers after it has opened its ledger.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Waits for these clients. On a terminal, Ctrl-C ends it.
pub(super) fn wait(path: &Path, environment: &Environment, clients: &[Name], asks: bool) -> Result<(), u8> {
    let (_, socket) = locations(path, environment);
    let bar = TerminalProgress::on_terminal();
    let waited = runtime()?.block_on(unless_interrupted(accepted(&socket, clients, &bar)));
    if waited.is_none() {
        bar.interrupted();
    }
    drop(bar);
    match waited {
        Some(true) => Ok(()),
        Some(false) => {
            say("  Not every report was accepted yet. Nothing is lost; `arkmeter status` shows the reason.");
            Err(exit::FAILED)
        }
        None => {
            if !asks {
                say("Stopped. The configuration is written and the service runs: see `arkmeter status`.");
            }
            Err(exit::INTERRUPTED)
        }
    }
}

/// Whether all of them were accepted in time.
async fn accepted(socket: &Path, clients: &[Name], bar: &TerminalProgress) -> bool {
    let end = Instant::now() + LONGEST;
    let mut accepted: BTreeSet<&Name> = BTreeSet::new();
    let mut told: BTreeSet<String> = BTreeSet::new();
    bar.show(0.0, "waiting for the daemon");
    while Instant::now() < end {
        if let Some(document) = document(socket).await {
            for client in clients.iter().filter(|client| !accepted.contains(client)).collect::<Vec<_>>() {
                let status = document.clients.get(client);
                if let Some((energy, _)) = status.and_then(|status| status.accepted_mwh.zip(status.accepted_at)) {
                    bar.aside(|| say(&format!("  first report    {client}   accepted   {}", energy.in_words())));
                    accepted.insert(client);
                }
            }
            let read = document.meters.values().filter(|meter| meter.read_at.is_some()).count();
            let state = format!(
                "{read} of {} meters read, {} of {} clients accepted",
                document.meters.len(),
                accepted.len(),
                clients.len()
            );
            bar.show(accepted.len() as f64 / clients.len().max(1) as f64, &state);
            if accepted.len() == clients.len() && read == document.meters.len() {
                return true;
            }
            for sentence in document.trouble {
                let sentence = foreign(&sentence, 400);
                if told.insert(sentence.clone()) {
                    bar.aside(|| tell(&format!("  ! {sentence}")));
                }
            }
        }
        sleep(ASK_EVERY).await;
    }
    false
}

/// The status document, once the daemon answers.
async fn document(socket: &Path) -> Option<Document> {
    let bytes = control::get(socket, "/status.json").await.ok()?;
    serde_json::from_slice(&bytes).ok()
}
