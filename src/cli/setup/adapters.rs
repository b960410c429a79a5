//! The lines that set-up offers: the serial devices of this box, with the program that holds each of them, and the buses of the
//! configuration.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::line::daemon_on_line;
use crate::config::{BusConfig, Config, Environment, Link};
use crate::setup::{LineChoice, LineUser, OfferedLine};

/// All serial devices, then the buses of the configuration that are none of them. A bus that the running daemon polls says so.
pub(super) fn offered_lines(config: Option<&Config>, environment: &Environment) -> Vec<OfferedLine> {
    let (mut lines, devices) = serial_devices();
    for bus in config.into_iter().flat_map(|config| config.buses.values()) {
        let device = match &bus.link {
            Link::Serial(line) => line.path.canonicalize().ok(),
            Link::Tcp(_) | Link::RtuOverTcp(_) => None,
        };
        let known = devices.iter().position(|known| device.as_ref() == Some(known));
        let offered = match known {
            Some(index) => &mut lines[index],
            None => {
                lines.push(OfferedLine { line: choice(bus), kind: String::new(), user: LineUser::Nobody });
                let last = lines.len() - 1;
                &mut lines[last]
            }
        };
        offered.kind = bus.name.to_string();
        if daemon_on_line(config, environment, &bus.link).is_some() {
            offered.user = LineUser::Daemon;
        }
    }
    lines
}

fn choice(bus: &BusConfig) -> LineChoice {
    match &bus.link {
        Link::Serial(line) => LineChoice::Serial(line.path.clone()),
        Link::Tcp(address) => LineChoice::Tcp(address.clone()),
        Link::RtuOverTcp(address) => LineChoice::Converter(address.clone()),
    }
}

/// All serial devices, first the USB adapters by their lasting names, and the real path of each.
fn serial_devices() -> (Vec<OfferedLine>, Vec<PathBuf>) {
    let mut lines = Vec::new();
    let mut known: Vec<PathBuf> = Vec::new();
    let names = ["/dev/serial/by-id", "/dev/serial/by-path"].iter().flat_map(|folder| sorted(Path::new(folder)));
    let links = names.map(|path| (path, "USB"));
    let others = sorted(Path::new("/sys/class/tty")).into_iter().filter_map(|path| device(&path));
    for (path, kind) in links.chain(others) {
        let Ok(real) = path.canonicalize() else { continue };
        if !known.contains(&real) {
            known.push(real);
            lines.push(OfferedLine { line: LineChoice::Serial(path), kind: kind.to_owned(), user: LineUser::Nobody });
        }
    }
    let holders = holders(&known);
    for (line, device) in lines.iter_mut().zip(&known) {
        line.user = holders.get(device).map_or(LineUser::Nobody, |program| LineUser::Program(program.clone()));
    }
    (lines, known)
}

fn system_text(path: &Path) -> Option<String> {
    crate::files::system_text(path.to_str()?)
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// The device of an entry of /sys/class/tty, if there is hardware behind it.
fn device(entry: &Path) -> Option<(PathBuf, &'static str)> {
    let name = entry.file_name()?.to_str()?;
    let usb = ["ttyUSB", "ttyACM"].iter().any(|prefix| name.starts_with(prefix));
    if !entry.join("device").exists() {
        return None;
    }
    // The kernel has entries for UARTs that do not exist: their type is 0 (PORT_UNKNOWN, linux/serial_core.h).
    let kind = system_text(&entry.join("type")).unwrap_or_default();
    let exists = usb || kind.trim().parse::<u32>().is_ok_and(|kind| kind != 0);
    exists.then(|| (Path::new("/dev").join(name), if usb { "USB" } else { "on board" }))
}

/// The program that has each of these devices open. Without root, only one's own programs can be seen.
fn holders(devices: &[PathBuf]) -> BTreeMap<PathBuf, String> {
    let mut holders = BTreeMap::new();
    for process in sorted(Path::new("/proc")) {
        let Some(pid) = process.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()) else { continue };
        for open in sorted(&process.join("fd")) {
            let Ok(target) = fs::read_link(open) else { continue };
            if devices.contains(&target) {
                let name = system_text(&process.join("comm")).unwrap_or_default();
                holders
                    .entry(target)
                    .or_insert_with(|| format!("{} (pid {pid})", crate::text::foreign(name.trim(), 20)));
            }
        }
    }
    holders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_that_holds_a_device_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().canonicalize().unwrap();
        let holders = holders(std::slice::from_ref(&path));
        assert!(holders[&path].ends_with(&format!("(pid {})", std::process::id())), "{holders:?}");
    }
}
