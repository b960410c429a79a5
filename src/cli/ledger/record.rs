//! `ledger record`: what the running daemon's meters say, written to a file here in the form that `replay` takes.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::failed;
use crate::cli::{exit, print_error, runtime};
use crate::config::Config;
use crate::recorder::{BoundedFile, MOST_BYTES};
use crate::status::control::{self, END, record_path};
use crate::units::Name;

/// Records this meter, or all, for so long; the file grows to 64 MiB at most.
pub fn record(config: &Config, meter: Option<&Name>, lasting: Duration, file: &Path) -> u8 {
    if let Some(unknown) = meter.filter(|name| !config.meters.contains_key(*name)) {
        let known: Vec<_> = config.meters.keys().map(Name::as_str).collect();
        print_error(&format!("the configuration has no meter `{unknown}`; it has {}\n", known.join(", ")));
        return exit::FAILED;
    }
    let mut target = match BoundedFile::create(file, MOST_BYTES) {
        Ok(target) => target,
        Err(error) => return unwritten(file, &error),
    };
    let (mut stopped, mut whole) = (None, false);
    let take = |lines: &[u8]| {
        whole = lines.ends_with(END.as_bytes());
        stopped = target.add(lines).err();
        stopped.is_none()
    };
    let socket = &config.status.socket;
    let taken = match runtime() {
        Ok(runtime) => runtime.block_on(control::stream(socket, &record_path(meter, lasting), take)),
        Err(code) => return code,
    };
    match (taken, stopped) {
        (Err(error), _) => {
            // Nothing was recorded where there was nobody to ask.
            if std::fs::metadata(file).is_ok_and(|found| found.len() == 0) {
                let _ = std::fs::remove_file(file);
            }
            failed(&error, exit::FAILED)
        }
        (Ok(()), Some(why)) => {
            print_error(&format!("the recording {} ends before its time: {why}\n", file.display()));
            exit::FAILED
        }
        (Ok(()), None) if !whole => {
            print_error(&format!("the daemon ended the recording {} before its time\n", file.display()));
            exit::FAILED
        }
        (Ok(()), None) => 0,
    }
}

fn unwritten(file: &Path, error: &io::Error) -> u8 {
    let why = match error.kind() {
        io::ErrorKind::AlreadyExists => "it is there already: give another name, or move it away".to_owned(),
        io::ErrorKind::NotFound => "create its folder first, or name another".to_owned(),
        io::ErrorKind::PermissionDenied => "name a folder that this user may write".to_owned(),
        _ => error.to_string(),
    };
    print_error(&format!("the recording {} cannot be written: {why}\n", file.display()));
    exit::FAILED
}
