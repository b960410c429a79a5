//! `arkmeter handover`: the sheet that an installer leaves at the customer's, as text or as a page to print.

mod page;
mod sheet;
mod text;

use std::io::{self, Write};
use std::path::Path;

use clap::Args;

use super::context::{document_of_daemon, runtime, with_config};
use super::output::finish_output;
use super::screen::Screen;
use super::{exit, print_error, status};
use crate::config::{Config, ConfigFiles, Environment};
use crate::ledger::shown::{Shown, ShownJournal};
use crate::ledger::store::JournalQuery;
use crate::status::control::{SHOW, journal_path};
use sheet::{HandoverSheet, SheetSources};

/// In which form the sheet is printed.
#[derive(Debug, Args)]
pub(super) struct HandoverArguments {
    /// Print a page for a browser, to print or to save as PDF
    #[arg(long)]
    html: bool,
}

/// Prints the sheet. The exit code: 0, or 69 if no daemon runs.
pub(super) fn run(path: &Path, environment: &Environment, arguments: &HandoverArguments) -> u8 {
    with_config(path, environment, |config| match sheet(path, config) {
        Ok(sheet) => {
            let text = if arguments.html { page::page(&sheet) } else { text::text(&sheet, &Screen::of_output()) };
            let mut out = io::stdout().lock();
            finish_output(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
        }
        Err(code) => code,
    })
}

/// The sheet as text, for the end of a set-up; `None` if it cannot be made now.
pub(super) fn after_setup(path: &Path, environment: &Environment) -> Option<String> {
    let (config, _) = Config::load(path, environment).ok()?;
    let sheet = sheet(path, &config).ok()?;
    Some(text::text(&sheet, &Screen { size: None, colour: false, utf8: super::screen::has_utf8() }))
}

/// What the running daemon, its ledger and the configuration know.
fn sheet(path: &Path, config: &Config) -> Result<HandoverSheet, u8> {
    let document = runtime()?.block_on(status::request(&config.status.socket)).map_err(|error| {
        print_error(&format!("arkmeter: {}", crate::text::chain(&error)));
        if error.is_no_daemon() { exit::NO_DAEMON } else { exit::FAILED }
    });
    let (_, document) = document?;
    let ledger: Option<Shown> = document_of_daemon(config, SHOW)?;
    let journal: Option<ShownJournal> = document_of_daemon(config, &journal_path(&JournalQuery::newest(JOURNAL)))?;
    let files = ConfigFiles::read(path).map_err(|error| {
        print_error(&error.render(false));
        exit::CONFIG
    })?;
    let host = crate::files::system_text("/proc/sys/kernel/hostname").unwrap_or_default();
    Ok(HandoverSheet::new(&SheetSources {
        host: crate::text::foreign(host.trim(), 64),
        config,
        configuration: &files.hash(),
        document: &document,
        ledger: ledger.as_ref(),
        journal: journal.as_ref(),
        free: status::free_bytes(&config.state.path),
    }))
}

/// Entries in which the begin of each figure is looked for.
const JOURNAL: u32 = 1000;
