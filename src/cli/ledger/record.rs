//! `ledger record`: records the readings of the running daemon to a file, in the form that `replay` takes.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::failed;
use crate::cli::{context, exit, print_error, runtime};
use crate::config::Config;
use crate::recorder::{BoundedFile, MOST_BYTES};
use crate::status::control::{self, END, record_path};
use crate::units::Name;

/// Records this meter, or all, for this time; the file grows to 64 MiB at most.
pub fn record(config: &Config, meter: Option<&Name>, lasting: Duration, file: &Path) -> u8 {
    if let Some(Err(code)) = meter.map(|name| context::meter(config, name)) {
        return code;
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
            // If no daemon answered, nothing was recorded.
            if std::fs::metadata(file).is_ok_and(|found| found.len() == 0) {
                let _ = std::fs::remove_file(file);
            }
            failed(error)
        }
        (Ok(()), Some(why)) => {
            print_error(&format!("the recording {} ends before its time: {why}", file.display()));
            exit::FAILED
        }
        (Ok(()), None) if !whole => {
            print_error(&format!("the daemon ended the recording {} before its time", file.display()));
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
    print_error(&format!("the recording {} cannot be written: {why}", file.display()));
    exit::FAILED
}
