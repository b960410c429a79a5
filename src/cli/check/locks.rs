//! Whether the locks of the file system with the state can be trusted: one owner of a ledger at a time depends on them.

use std::path::{Path, PathBuf};

use super::Remark;
use crate::config::shown_path;

/// Warns if they cannot. A folder that is not there yet is judged by the one above it.
pub(super) fn check(state: &Path) -> Option<Remark> {
    let folder = state.ancestors().find_map(|folder| folder.canonicalize().ok())?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let (kind, why) = doubt(&mounts, &folder)?;
    Some(Remark::warning(format!(
        "the locks of the file system with {} ({kind}) cannot be trusted: {why}; use a local disk, a volume that one machine mounts at a time, or \
         NFS version 4",
        shown_path(state)
    )))
}

/// The kind of the file system with this folder, and why its locks cannot be trusted. `mounts` is in the form of proc(5), mountinfo.
fn doubt<'m>(mounts: &'m str, folder: &Path) -> Option<(&'m str, &'static str)> {
    let (_, mount) = mounts
        .lines()
        .filter_map(|line| Some((mount_point(line)?, line)))
        .filter(|(point, _)| folder.starts_with(point))
        // Of two at the same place the later one covers the other.
        .max_by_key(|(point, _)| point.components().count())?;
    let mut last = mount.split_once(" - ")?.1.split(' ');
    let (kind, options) = (last.next()?, last.nth(1).unwrap_or_default());
    let has = |wanted: &str| options.split(',').any(|option| option == wanted);
    let local = ["local_lock=all", "local_lock=flock", "nolock"].into_iter().any(has);
    let why = match kind {
        "nfs" | "nfs4" if local => "they hold on this machine only (`nolock` or `local_lock`)",
        "nfs" if options.split(',').any(|option| option.starts_with("vers=3") || option.starts_with("vers=2")) => {
            "those of NFS version 3 are lost when a machine restarts"
        }
        "cifs" | "smb3" if has("nobrl") => "they hold on this machine only (`nobrl`)",
        "9p" | "virtiofs" | "vboxsf" => "they may hold on this machine only",
        kind if kind == "fuse" || kind.starts_with("fuse.") => "they may hold on this machine only",
        _ => return None,
    };
    Some((kind, why))
}

/// The place of a mount. Blanks in it are written as octal numbers.
fn mount_point(line: &str) -> Option<PathBuf> {
    let written = line.split(' ').nth(4)?;
    Some(PathBuf::from(written.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:40 / /srv/v4 rw shared:2 - nfs4 server:/v4 rw,vers=4.2,proto=tcp,local_lock=none
31 21 0:41 / /srv/v3 rw shared:3 - nfs server:/v3 rw,vers=3,local_lock=none
32 21 0:42 / /srv/alone rw shared:4 - nfs server:/a rw,vers=3,nolock,local_lock=all
33 21 0:43 / /srv/alone/disk rw - xfs /dev/sdb rw
34 21 0:44 / /srv/two\\040words rw - fuse.sshfs host:/ rw
35 21 0:45 / /srv/share rw - cifs //s/x rw,nobrl
36 21 0:46 / /srv/guest rw - 9p tag rw,trans=virtio";

    #[test]
    fn locks_that_hold_on_one_machine_only_are_not_trusted() {
        let kind = |folder: &str| doubt(MOUNTS, Path::new(folder)).map(|(kind, _)| kind);
        for good in ["/var/lib/arkmeter", "/srv/v4/state", "/srv/alone/disk/state", "/srv/v3x"] {
            assert_eq!(kind(good), None, "{good}");
        }
        assert_eq!(kind("/srv/v3/state"), Some("nfs"));
        assert!(doubt(MOUNTS, Path::new("/srv/v3")).unwrap().1.contains("version 3"));
        assert!(doubt(MOUNTS, Path::new("/srv/alone")).unwrap().1.contains("nolock"));
        assert_eq!(kind("/srv/two words/state"), Some("fuse.sshfs"));
        assert_eq!((kind("/srv/share"), kind("/srv/guest/state")), (Some("cifs"), Some("9p")));
    }
}
