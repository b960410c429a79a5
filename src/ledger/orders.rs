//! The way of an operator's order: to the running ledger, or to the store where no daemon runs.

use std::path::Path;

use super::book::Book;
use super::remedy::{Order, OrderError, Outcome};
use super::settings::Settings;
use super::store::{Look, Options, Rename, Store};
use super::task::Request;
use super::{Barred, Handle, machine};
use crate::clock::ClockReading;
use crate::history;

impl Handle {
    /// Has the order carried out; answered once it is on disk, or once the disk has kept everybody waiting for too long.
    pub async fn order(&self, mut order: Order) -> Result<Outcome, OrderError> {
        // What was decided until now is in the journal on disk before an entry is looked for in it.
        self.figures(Vec::new()).await?;
        let folder = self.folder.clone();
        let found = tokio::task::spawn_blocking(move || {
            if order.needs_journal() {
                order.find(&Look::open(&folder)?)?;
            }
            Ok::<_, OrderError>(order)
        });
        let order = found.await.map_err(|_| super::Gone)??;
        Ok(self.ask(|reply| Request::Order { order: Box::new(order), reply }).await??)
    }
}

/// Carries the order out on the store itself, where no daemon runs (blocking). A dry run takes nothing and changes nothing.
pub fn alone(folder: &Path, settings: Settings, now: &ClockReading, mut order: Order) -> Result<Outcome, OrderError> {
    let look = Look::open(folder)?;
    if order.needs_journal() {
        order.find(&look)?;
    }
    if order.dry_run {
        return Ok(Book::new(look.contents, settings, Barred::of(look.other_machine, look.retired)).order(&order, now)?);
    }
    drop(look);
    let opened = Store::open(folder, Options { durable: true, machine: machine::mark() })?;
    let mut store = opened.store;
    let mut book = Book::new(opened.contents, settings, Barred::of(opened.other_machine, opened.retired));
    let outcome = book.order(&order, now)?;
    if let Some(pending) = book.prepare(now, true) {
        store.commit(&pending.commit)?;
        for Rename { from, to } in &pending.commit.renames {
            // No figure depends on the history.
            if let Err(error) = history::rename(folder, from, to) {
                tracing::warn!(meter = %to, %error, "the history stays under the name {from}");
            }
        }
        store.copy_if_due(now)?;
    }
    store.close()?;
    Ok(Outcome { on_disk: true, ..outcome })
}

#[cfg(test)]
mod tests;
