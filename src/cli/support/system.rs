//! The sections about the box: files below /proc, /etc and /dev. A file that cannot be read is reported as such.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use jiff::Timestamp;

use super::Installation;
use crate::clock::ClockReading;
use crate::config::shown_path;
use crate::ledger::shown::Shown;
use crate::ledger::store::in_use;

/// Maximum bytes of one file.
const MAX_FILE_BYTES: u64 = 16 * 1024;
/// Maximum entries of one folder.
const MAX_ENTRIES: usize = 200;

/// This program, and whether it runs as a daemon.
pub(super) fn program(site: &Installation<'_>, now: &ClockReading) -> String {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let executable = std::env::current_exe().map_or_else(|_| "?".to_owned(), |path| entry(&path));
    let daemon = match in_use(site.state) {
        Some(Some(pid)) => format!("runs, process {pid}"),
        Some(None) => "runs".to_owned(),
        None => "does not run, or its state folder cannot be read".to_owned(),
    };
    let trusted = if now.trusted { "synchronised" } else { "not known to be correct" };
    format!(
        "version        {} ({build}, {})\nexecutable     {executable}\nmade at        {} (the clock is {trusted})\n\
         daemon         {daemon}\nconfiguration  {}\nstate          {}\nsocket         {}\nuser           {}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        now.wall,
        shown_path(site.path),
        shown_path(site.state),
        shown_path(site.socket),
        fs::metadata("/proc/self").map_or_else(|_| "?".to_owned(), |own| own.uid().to_string()),
    )
}

/// Memory, threads, limits and open files of the daemon.
pub(super) fn process(state: &Path) -> String {
    let Some(Some(pid)) = in_use(state) else { return "no daemon runs on this state".to_owned() };
    let folder = format!("/proc/{pid}");
    let open =
        fs::read_dir(format!("{folder}/fd")).map_or_else(|error| error.to_string(), |fds| fds.count().to_string());
    format!("open files: {open}\n{}\n{}", read(&format!("{folder}/status")), read(&format!("{folder}/limits")))
}

/// The files of the ledger, and whether it is intact.
pub(super) fn state(folder: &Path, ledger: &Result<Shown, String>) -> String {
    let intact = match ledger {
        Ok(shown) => {
            let at = shown.at.map_or("never".to_owned(), |at| at.to_string());
            let intact = match &shown.damaged {
                None => "the ledger is intact".to_owned(),
                Some(why) => format!("the ledger is damaged ({why}); its copy is intact"),
            };
            let machine = if shown.other_machine { ", created on another machine" } else { "" };
            format!("{intact}: commit {} of {at}{machine}", shown.generation)
        }
        Err(why) => why.clone(),
    };
    format!("{intact}\n{}", listing(folder))
}

/// Kernel, distribution, hardware, load and memory.
pub(super) fn system() -> String {
    let files = [
        "/proc/version",
        "/etc/os-release",
        "/proc/device-tree/model",
        "/proc/uptime",
        "/proc/loadavg",
        "/proc/meminfo",
        "/proc/mounts",
        "/etc/resolv.conf",
    ];
    files.iter().map(|path| format!("-- {path}\n{}\n", read(path).trim_end())).collect()
}

/// Serial adapters, under the names that a configuration can use.
pub(super) fn serial_devices() -> String {
    let mut text = String::new();
    for folder in ["/dev/serial/by-id", "/dev/serial/by-path"] {
        text.push_str(&format!("-- {folder}\n{}\n", listing(Path::new(folder))));
    }
    let devices = fs::read_dir("/dev").into_iter().flatten().flatten().map(|device| device.path());
    let serial = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        ["ttyUSB", "ttyACM", "ttyAMA", "ttyO", "ttymxc", "ttySC", "rfcomm"].iter().any(|kind| name.starts_with(kind))
    };
    let mut devices: Vec<_> = devices.filter(|path| serial(path)).collect();
    devices.sort();
    text.push_str("-- /dev\n");
    for device in devices.iter().take(MAX_ENTRIES) {
        text.push_str(&format!("{}\n", entry(device)));
    }
    text
}

fn listing(folder: &Path) -> String {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return format!("{}: {error}", shown_path(folder)),
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let shown: Vec<_> = paths.iter().take(MAX_ENTRIES).map(|path| entry(path)).collect();
    let more = paths.len().saturating_sub(MAX_ENTRIES);
    if more > 0 { format!("{}\n... and {more} more", shown.join("\n")) } else { shown.join("\n") }
}

/// Mode, owner, size, time, name, and the target of a link.
fn entry(path: &Path) -> String {
    let name = shown_path(path);
    let link = fs::read_link(path).map(|target| format!(" -> {}", shown_path(&target))).unwrap_or_default();
    match fs::symlink_metadata(path) {
        Ok(metadata) => {
            let (mode, uid, gid) = (metadata.permissions().mode() & 0o7777, metadata.uid(), metadata.gid());
            let at = Timestamp::from_second(metadata.mtime()).map_or("?".to_owned(), |at| at.to_string());
            format!("{mode:04o} {uid}:{gid} {:>9} {at} {name}{link}", metadata.len())
        }
        Err(error) => format!("{name}: {error}"),
    }
}

fn read(path: &str) -> String {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("not available: {error}"),
    }
}
