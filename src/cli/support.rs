//! `arkmeter support`: what somebody far away needs to help, in one text file that can be read before it is sent.
//!
//! Every section passes the mask ([`Secrets`]), is bounded, and says so where it could not be had: a bundle is made in any case.

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
use crate::clock::Clock;
use crate::config::{self, Environment};
pub use secrets::Secrets;

/// Bytes of a section: a thousand meters' status.
const LARGEST_SECTION: usize = 2 << 20;

/// Where arkmeter is, here.
#[derive(Clone, Copy, Debug)]
pub struct Site<'s> {
    /// Of the configuration.
    pub path: &'s Path,
    pub environment: &'s Environment,
    /// The folder of the ledger.
    pub state: &'s Path,
    /// The control socket.
    pub socket: &'s Path,
}

/// What was found.
#[derive(Debug)]
pub struct Bundle {
    text: String,
    made: Timestamp,
}

/// Looks at everything, and changes nothing; a daemon need not run.
pub async fn collect(site: &Site<'_>, clock: &Clock) -> Bundle {
    let now = clock.now();
    let mut sections = Sections { text: String::new(), secrets: Secrets::of(site.path, site.environment) };
    sections.add("arkmeter", &system::program(site, &now));
    sections.add("problems", &problems(site));
    sections.add("configuration, as written and without secrets", &configuration(site));
    let status = daemon::status(site.socket).await;
    sections.add("status", &status.text);
    sections.add("line quality, since the daemon started", &status.quality);
    sections.add("daemon's process", &system::process(site.state));
    sections.add("unit", &programs::unit().await);
    sections.add("ledger", &daemon::ledger(site).await);
    sections.add("ledger's journal, the newest entry first", &daemon::journal(site).await);
    sections.add("state folder", &system::state(site.state));
    sections.add("system", &system::system());
    sections.add("disks", &programs::disks(site.state).await);
    sections.add("serial devices", &system::serial_devices());
    sections.add("log, the newest line first", &programs::log().await);
    Bundle { text: sections.text, made: now.wall }
}

/// Writes the bundle to `file`, which must not exist yet and is readable by its owner only; `-` is `out`. Says on `err` what was done.
pub fn save(bundle: &Bundle, file: Option<&Path>, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
    if file == Some(Path::new("-")) {
        out.write_all(bundle.text.as_bytes())?;
        return out.flush();
    }
    let path = file.map_or_else(|| bundle.name(), Path::to_owned);
    let shown = config::shown_path(&path);
    let named = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            io::Error::new(error.kind(), format!("{shown} is there already: give another name"))
        }
        kind => io::Error::new(kind, format!("{shown}: {error}")),
    };
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(named)?;
    if let Err(error) = target.write_all(bundle.text.as_bytes()).and_then(|()| target.sync_all()) {
        // Half of it would only mislead.
        let _ = fs::remove_file(&path);
        return Err(named(error));
    }
    let size = bundle.text.len();
    let told = format!("{shown} ({size} bytes, plain text; tokens are masked): look through it before you send it\n");
    // Where standard error is gone there is nobody to tell.
    let _ = err.write_all(told.as_bytes());
    Ok(())
}

impl Bundle {
    /// In the folder that the command was started in.
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
        // Masked before it is cut: half a token is not told from other digits.
        let body = self.secrets.hide(body);
        let (shown, cut) = cut(body.trim_end(), LARGEST_SECTION);
        self.text.push_str(&format!("== {title}\n{shown}\n{}\n", if cut { "(cut here)\n" } else { "" }));
    }
}

/// The beginning of `text`, at most `most` bytes; whether that is not all of it.
fn cut(text: &str, most: usize) -> (&str, bool) {
    let end = text.floor_char_boundary(most);
    (&text[..end], end < text.len())
}

fn problems(site: &Site<'_>) -> String {
    let (mut plan, mut said) = (Vec::new(), Vec::new());
    check::check(site.path, site.environment, check::Options::default(), &mut plan, &mut said);
    said.extend_from_slice(b"\n");
    said.extend_from_slice(&plan);
    String::from_utf8_lossy(&said).into_owned()
}

fn configuration(site: &Site<'_>) -> String {
    match config::shown_file(site.path, site.environment) {
        Ok(text) => text,
        Err(error) => error.render(false),
    }
}

#[cfg(test)]
mod tests;
