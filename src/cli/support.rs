//! `arkmeter support`: what remote support needs, in one text file that the operator can read before sending it.
//!
//! Every section is masked ([`Secrets`]) and limited in size. A section that is not available says why: a bundle is written in any case.

mod daemon;
mod programs;
mod secrets;
mod system;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::check;
use super::context::{locations, runtime};
use super::output::finish_output;
use crate::clock::Clock;
use crate::config::{self, Environment};
pub use secrets::Secrets;

/// Maximum bytes of a section; the status of a thousand meters fits.
const MAX_SECTION: usize = 2 << 20;

/// Where the parts of this installation are.
#[derive(Clone, Copy, Debug)]
struct Installation<'s> {
    /// The configuration.
    path: &'s Path,
    environment: &'s Environment,
    /// The folder of the ledger.
    state: &'s Path,
    /// The control socket.
    socket: &'s Path,
}

#[derive(Debug)]
struct Bundle {
    text: String,
    made: Timestamp,
}

/// Collects the bundle and writes it to `file` (`-`: standard output; none: a name with the time).
pub(super) fn run(path: &Path, environment: &Environment, file: Option<&Path>) -> u8 {
    let (state, socket) = locations(path, environment);
    let site = Installation { path, environment, state: &state, socket: &socket };
    match runtime().map(|runtime| runtime.block_on(collect(&site, &Clock::system()))) {
        Ok(bundle) => finish_output(save(&bundle, file, &mut io::stdout().lock(), &mut io::stderr().lock())),
        Err(code) => code,
    }
}

/// Reads everything and changes nothing. No daemon needs to run.
async fn collect(site: &Installation<'_>, clock: &Clock) -> Bundle {
    let now = clock.now();
    let mut sections = Sections { text: String::new(), secrets: Secrets::of(site.path, site.environment) };
    sections.add("arkmeter", &system::program(site, &now));
    sections.add("problems", &problems(site));
    sections.add("configuration, as written and without secrets", &configuration(site));
    let status = daemon::status(site.socket).await;
    sections.add("status", &status.text);
    sections.add("line quality, since the daemon started", &status.quality);
    sections.add("process of the daemon", &system::process(site.state));
    sections.add("unit", &programs::unit().await);
    let ledger = daemon::ledger(site).await;
    sections.add("ledger", &daemon::as_text(&ledger));
    sections.add("journal of the ledger, the newest entry first", &daemon::as_text(&daemon::journal(site).await));
    sections.add("state folder", &system::state(site.state, &ledger));
    sections.add("system", &system::system());
    sections.add("disks", &programs::disks(site.state).await);
    sections.add("serial devices", &system::serial_devices());
    sections.add("log, the newest line first", &programs::log().await);
    Bundle { text: sections.text, made: now.wall }
}

/// Writes the bundle to `file`, which must not exist yet and which only its owner can read; `-` is `out`. Prints on `err` what was written.
fn save(bundle: &Bundle, file: Option<&Path>, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
    if file == Some(Path::new("-")) {
        out.write_all(bundle.text.as_bytes())?;
        return out.flush();
    }
    let path = file.map_or_else(|| bundle.name(), Path::to_owned);
    let shown = config::shown_path(&path);
    let named = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            io::Error::new(error.kind(), format!("{shown} exists already: give another name"))
        }
        kind => io::Error::new(kind, format!("{shown}: {error}")),
    };
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(named)?;
    if let Err(error) = target.write_all(bundle.text.as_bytes()).and_then(|()| target.sync_all()) {
        // Half a bundle would mislead.
        let _ = fs::remove_file(&path);
        return Err(named(error));
    }
    let size = bundle.text.len();
    let message = format!("{shown} is written ({size} bytes of text, tokens are masked): read it before you send it\n");
    // A closed standard error is no reason to fail.
    let _ = err.write_all(message.as_bytes());
    Ok(())
}

impl Bundle {
    /// A name in the current folder.
    fn name(&self) -> PathBuf {
        PathBuf::from(self.made.strftime("arkmeter-support-%Y%m%d-%H%M%S.txt").to_string())
    }
}

struct Sections {
    text: String,
    secrets: Secrets,
}

impl Sections {
    fn add(&mut self, title: &str, body: &str) {
        // First masked, then cut: half a token would not be recognised.
        let body = self.secrets.hide(body);
        let (shown, cut) = cut(body.trim_end(), MAX_SECTION);
        self.text.push_str(&format!("== {title}\n{shown}\n{}\n", if cut { "(cut here)\n" } else { "" }));
    }
}

/// The beginning of `text`, at most `max` bytes; true if something was cut off.
fn cut(text: &str, max: usize) -> (&str, bool) {
    let end = text.floor_char_boundary(max);
    (&text[..end], end < text.len())
}

fn problems(site: &Installation<'_>) -> String {
    let (mut plan, mut problems) = (Vec::new(), Vec::new());
    check::check(site.path, site.environment, check::CheckOptions::default(), &mut plan, &mut problems);
    problems.extend_from_slice(b"\n");
    problems.extend_from_slice(&plan);
    String::from_utf8_lossy(&problems).into_owned()
}

fn configuration(site: &Installation<'_>) -> String {
    match config::shown_file(site.path, site.environment) {
        Ok(text) => text,
        Err(error) => error.render(false),
    }
}

#[cfg(test)]
mod tests;
