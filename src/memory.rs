//! How much memory the daemon needs, and how much its systemd unit allows it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::files;

/// The program, the ledger's and the history's caches, and the views of a small site.
const PROGRAM: u64 = 24_000_000;
/// Registers, figures, what the guard has learned, the power of the last day, and the meter's part of the views.
const METER: u64 = 21_000;
/// The task, the link and the request in progress.
const BUS: u64 = 48_000;

const MIB: u64 = 1 << 20;
/// The longest file of a unit that is read.
const FILE_MAX: u64 = 64 * 1024;
/// The steps of a proposed `MemoryMax=`.
const STEP: u64 = 64;

/// The most memory, in bytes, that the daemon needs for so many meters on so many buses: the program, the state of each meter and bus, and
/// what is composed of them for the page, the metrics and the reports. A linear bound over measured peaks
/// (`cargo bench --bench figures -- growth`).
pub const fn estimate(meters: usize, buses: usize) -> u64 {
    PROGRAM + METER * meters as u64 + BUS * buses as u64
}

/// The `MemoryMax=` for a daemon that needs this many bytes, in MiB: a quarter more, because the kernel counts cached files as well.
pub const fn memory_max(needed: u64) -> u64 {
    (needed + needed / 4).div_ceil(STEP * MIB) * STEP
}

/// The memory, in bytes, that systemd allows this unit (`arkmeter.service`): what its control group has if it runs, else what its files
/// say. `None` if it has no limit, or if there is no such unit. `root` is `/`.
pub fn unit_limit(root: &Path, unit: &str) -> Option<u64> {
    let text = |path: &Path| String::from_utf8(files::read(path, FILE_MAX).ok()?.bytes).ok();
    match text(&root.join("sys/fs/cgroup/system.slice").join(unit).join("memory.max")) {
        Some(limit) => limit.trim().parse().ok(),
        None => unit_files(root, unit).iter().filter_map(|path| text(path)).fold(None, |limit, file| set(&file, limit)),
    }
}

/// The files of a unit, a later one overriding an earlier one. Source: systemd.unit(5).
fn unit_files(root: &Path, unit: &str) -> Vec<PathBuf> {
    let folders = ["usr/lib", "run", "etc"].map(|folder| root.join(folder).join("systemd/system"));
    let mut files: Vec<_> = folders.iter().map(|folder| folder.join(unit)).filter(|path| path.is_file()).collect();
    // The file of a higher folder replaces the others.
    files.drain(..files.len().saturating_sub(1));
    let mut drop_ins = BTreeMap::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder.join(format!("{unit}.d"))).into_iter().flatten().flatten();
        let parts = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".conf"));
        drop_ins.extend(parts.map(|entry| (entry.file_name(), entry.path())));
    }
    files.extend(drop_ins.into_values());
    files
}

/// The limit after this file of the unit, where it was `before` it.
fn set(file: &str, before: Option<u64>) -> Option<u64> {
    let settings = file.lines().filter_map(|line| line.split_once('='));
    settings.filter(|(key, _)| key.trim() == "MemoryMax").fold(before, |_, (_, value)| bytes(value.trim()))
}

/// `128M`, in bytes; `None` for no limit, and for a share of the box's memory.
fn bytes(value: &str) -> Option<u64> {
    let digits = value.trim_end_matches(['K', 'M', 'G', 'T']);
    let unit = match &value[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => MIB,
        "G" => 1 << 30,
        _ => 1 << 40,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_grows_with_meters_and_buses() {
        assert_eq!(estimate(200, 10) - estimate(100, 10), estimate(300, 10) - estimate(200, 10));
        assert_eq!(estimate(100, 20) - estimate(100, 10), estimate(100, 30) - estimate(100, 20));
        assert!(estimate(1, 2) > estimate(1, 1) && estimate(2, 1) > estimate(1, 1));
        assert_eq!([1, 50_000_000, 60_000_000, 200_000_000].map(memory_max), [64, 64, 128, 256]);
    }

    #[test]
    fn the_packaged_unit_allows_what_a_usual_site_needs() {
        let unit = include_str!("../systemd/arkmeter.service");
        let limit = set(unit, None).unwrap();
        assert_eq!(limit, 128 * MIB);
        assert!(memory_max(estimate(1000, 50)) * MIB <= limit, "1,000 meters on 50 gateways");
    }

    #[test]
    fn the_limit_is_that_of_the_control_group_or_of_the_last_file() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let limit = || unit_limit(root.path(), "arkmeter.service");
        assert_eq!(limit(), None, "no unit");
        write("usr/lib/systemd/system/arkmeter.service", "[Service]\nMemoryMax=128M\n");
        assert_eq!(limit(), Some(128 * MIB));
        write("etc/systemd/system/arkmeter.service.d/override.conf", "[Service]\nMemoryMax=1G\nMemoryMax = 256M\n");
        assert_eq!(limit(), Some(256 * MIB));
        write("usr/lib/systemd/system/arkmeter.service.d/50-size.conf", "[Service]\nMemoryMax=1024K\n");
        assert_eq!(limit(), Some(256 * MIB), "by the name of the file, not by its folder");
        write("etc/systemd/system/arkmeter.service.d/z.conf", "[Service]\nMemoryMax=infinity\n");
        assert_eq!(limit(), None);
        write("sys/fs/cgroup/system.slice/arkmeter.service/memory.max", "134217728\n");
        assert_eq!(limit(), Some(128 * MIB), "what applies to the running unit");
        write("sys/fs/cgroup/system.slice/arkmeter.service/memory.max", "max\n");
        assert_eq!(limit(), None);
    }
}
