//! Carries an operator's command to the running ledger, or to the store if no daemon runs.

use std::path::Path;

use super::{CommandError, CommandOutcome, CommandRequest, OperatorCommand};
use crate::clock::ClockReading;
use crate::guard::DecisionError;
use crate::history;
use crate::ledger::settings::LedgerSettings;
use crate::ledger::state::LedgerState;
use crate::ledger::store::{JournalQuery, JournalRow, LedgerSnapshot, Opened, Store, StoreError, StoreOptions};
use crate::ledger::task::LedgerRequest;
use crate::ledger::{LedgerError, LedgerHandle, ReportingBlock, machine};

/// The number of journal entries that are read at a time.
const PAGE: u32 = 1000;

impl LedgerHandle {
    /// Has the command carried out. Returns once it is on disk, or after 10 seconds if the disk does not answer.
    ///
    /// # Errors
    /// When it is refused, or the ledger cannot be read.
    pub async fn command(&self, mut request: CommandRequest) -> Result<CommandOutcome, LedgerError> {
        if let OperatorCommand::Undo { entry } = request.command {
            // First commits, so that the entry is on disk.
            self.figures(Vec::new()).await?;
            request.subject = Some(self.read(move |store| find(entry, |query| store.journal(query))).await??);
        }
        Ok(self.ask(|reply| LedgerRequest::Command { request: Box::new(request), reply }).await??)
    }
}

/// Carries out the command on the store itself, if no daemon runs (blocking). A dry run changes nothing.
///
/// # Errors
/// When it is refused, or the store cannot be opened, read or written.
pub fn run_on_store(
    folder: &Path,
    settings: LedgerSettings,
    now: &ClockReading,
    mut request: CommandRequest,
) -> Result<CommandOutcome, LedgerError> {
    let snapshot = LedgerSnapshot::open(folder)?;
    if let OperatorCommand::Undo { entry } = request.command {
        request.subject = Some(find(entry, |query| snapshot.journal(query))?);
    }
    let machine = machine::owner(settings.shard);
    if request.dry_run {
        let block = ReportingBlock::of(&snapshot.contents.ledger, machine.as_deref());
        return Ok(LedgerState::new(snapshot.contents, settings, block).apply(&request, now)?);
    }
    drop(snapshot);
    let Opened { mut store, contents, block, .. } = Store::open(folder, StoreOptions { durable: true, machine })?;
    let mut ledger = LedgerState::new(contents, settings, block);
    let outcome = ledger.apply(&request, now)?;
    if let Some(pending) = ledger.prepare(now, true) {
        store.commit(&pending.commit)?;
        store.copy_if_due(now)?;
        history::rename(folder, &pending.renames);
    }
    store.close()?;
    Ok(CommandOutcome { on_disk: true, ..outcome })
}

impl CommandRequest {
    /// A refusal to undo, with the journal's word for the entry.
    pub(super) fn in_its_word(&self, refusal: DecisionError) -> CommandError {
        match (refusal, &self.subject) {
            (DecisionError::NothingToUndo { entry, instead, .. }, Some(row)) => {
                DecisionError::NothingToUndo { entry, word: row.word.clone(), instead }.into()
            }
            (other, _) => other.into(),
        }
    }
}

/// The entry with this number, unless it was undone already. The journal may be long, so only few entries are kept in memory.
fn find(
    entry: i64,
    journal: impl Fn(&JournalQuery) -> Result<Vec<JournalRow>, StoreError>,
) -> Result<JournalRow, LedgerError> {
    let (mut kept, mut query) = (Vec::new(), JournalQuery::newest(PAGE));
    while query.before.is_none_or(|before| before > entry) {
        let page = journal(&query)?;
        let Some(oldest) = page.last() else { break };
        query.before = Some(oldest.id);
        let undoes = |row: &JournalRow| row.entry.as_ref().is_some_and(|event| event.undoes.is_some());
        kept.extend(page.into_iter().filter(|row| row.id == entry || row.id > entry && undoes(row)));
    }
    if let Some(by) = undone_by(&kept, entry) {
        return Err(CommandError::Undone { entry, by }.into());
    }
    let found = kept.into_iter().find(|row| row.id == entry);
    found.ok_or_else(|| CommandError::NoEntry(entry).into())
}

/// The one of these rows that undoes the entry and was not itself undone.
fn undone_by(rows: &[JournalRow], entry: i64) -> Option<i64> {
    let undoes = |row: &&JournalRow| row.id > entry && row.entry.as_ref().and_then(|event| event.undoes) == Some(entry);
    rows.iter().filter(undoes).map(|row| row.id).find(|by| undone_by(rows, *by).is_none())
}
