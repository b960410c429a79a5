//! The one way in which files are opened: anything may have their name by mistake or by malice. Only regular files are used, opening never
//! waits, reading is limited, and what is written to must be arkmeter's own.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Why a file is not used. `Display` begins with "it"; the caller names the file before.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A folder.
    #[error("it is a folder, not a file")]
    Folder,
    /// Something that is no regular file, in words.
    #[error("it is {0}, not a regular file")]
    Special(&'static str),
    /// More bytes than this.
    #[error("it is larger than {}", size(*.0))]
    TooLarge(u64),
    /// It has other names too, in all this many.
    #[error("it has {0} names (hard links), and what is written to it would change in all of them")]
    HardLinks(u64),
    /// It belongs to the user with this id.
    #[error("it belongs to the user with the id {0}")]
    OtherOwner(u32),
    /// A file beside it that belongs to it, such as its log.
    #[error("{name} beside it is no file of arkmeter: {error}")]
    Beside {
        /// Its name without the folder.
        name: String,
        /// What is wrong with it.
        error: Box<FileError>,
    },
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FileError {
    /// What the operator can do about a file that arkmeter writes; the system's errors depend on the file.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        match self {
            FileError::Folder | FileError::Special(_) => {
                Some("move it away: arkmeter needs a regular file of that name")
            }
            FileError::TooLarge(_) => Some("move it away"),
            FileError::HardLinks(_) => Some("copy it, and rename the copy to its name (cp -p, mv)"),
            FileError::OtherOwner(_) => Some("let the user that arkmeter runs as own it (chown)"),
            FileError::Beside { error, .. } => error.remedy(),
            FileError::Io(_) => None,
        }
    }

    /// The kind of the system's error; `Other` for a file that is not used for another reason.
    pub(crate) fn kind(&self) -> io::ErrorKind {
        if let FileError::Io(error) = self { error.kind() } else { io::ErrorKind::Other }
    }
}

/// A file as it was read.
pub(crate) struct FileContent {
    /// All of its bytes.
    pub(crate) bytes: Vec<u8>,
    /// The permissions, such as 0o640.
    pub(crate) mode: u32,
}

/// Opens a regular file for reading.
pub(crate) fn open(path: &Path) -> Result<File, FileError> {
    let file = without_waiting().read(true).open(path)?;
    // The metadata of the open file, not of the path, which may name another file by now.
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads a regular file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<FileContent, FileError> {
    let file = open(path)?;
    let mode = file.metadata()?.mode() & 0o7777;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge(limit));
    }
    Ok(FileContent { bytes, mode })
}

/// What helps a user who may not read this file of the service, whose mode should be `mode`; `shown` is its path as messages show it.
pub(crate) fn denied_remedy(path: &Path, shown: &str, mode: u32) -> String {
    let groups = rustix::process::getgroups().unwrap_or_default();
    let is_member = |group: u32| {
        rustix::process::getegid().as_raw() == group || groups.iter().any(|member| member.as_raw() == group)
    };
    let right = format!("sudo chown root:{GROUP} {shown} && sudo chmod {mode:o} {shown}");
    let Some(service) = group_of_name(GROUP) else { return "run it with sudo".to_owned() };
    match fs::metadata(path) {
        _ if is_member(service) => right,
        Ok(file) if file.gid() == service && file.mode() & 0o040 != 0 => {
            format!("run it with sudo, or join its group (sudo usermod -aG {GROUP} $USER) and log in again")
        }
        Ok(_) => format!("run it with sudo; the service needs: {right}"),
        Err(_) => "run it with sudo: one of its folders is closed to this user".to_owned(),
    }
}

/// The group of the service.
const GROUP: &str = "arkmeter";

/// The number of a group of this box.
pub(crate) fn group_of_name(name: &str) -> Option<u32> {
    let groups = read(Path::new("/etc/group"), 4 << 20).ok()?;
    let groups = String::from_utf8_lossy(&groups.bytes).into_owned();
    let mut rows = groups.lines().map(|line| line.split(':'));
    rows.find_map(|mut row| (row.next() == Some(name)).then(|| row.nth(1)?.parse().ok())?)
}

/// The text of a small file of the system, such as a boot id; `None` without one.
pub(crate) fn system_text(path: &str) -> Option<String> {
    const LIMIT: u64 = 4096;
    String::from_utf8(read(Path::new(path), LIMIT).ok()?.bytes).ok()
}

/// Opens a file for reading and writing that must be arkmeter's own. `create`: creates it if it is missing, readable by its owner only.
pub(crate) fn open_own(path: &Path, create: bool) -> Result<File, FileError> {
    let mut options = without_waiting();
    options.read(true).write(true).create(create).truncate(false).mode(0o600);
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    let file = options.open(path).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => FileError::Special(LINK),
        Some(libc::EISDIR) => FileError::Folder,
        // A pipe without a reader, or a socket.
        Some(libc::ENXIO) => check_own(path).err().unwrap_or(FileError::Io(error)),
        _ => FileError::Io(error),
    })?;
    own(&file.metadata()?, path)?;
    Ok(file)
}

/// Checks what another library is going to open and write, such as SQLite: a missing file is good, another must be arkmeter's own.
pub(crate) fn check_own(path: &Path) -> Result<(), FileError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => own(&metadata, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

const LINK: &str = "a symbolic link";

/// Without O_NONBLOCK, opening a pipe would wait for its other end.
fn without_waiting() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(libc::O_NONBLOCK);
    options
}

fn regular(metadata: &Metadata) -> Result<(), FileError> {
    let kind = metadata.file_type();
    let special = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => return Err(FileError::Folder),
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_symlink() => LINK,
        () => "a device",
    };
    Err(FileError::Special(special))
}

/// A file that others can also write, or under another name, is not arkmeter's own.
fn own(metadata: &Metadata, path: &Path) -> Result<(), FileError> {
    regular(metadata)?;
    if metadata.nlink() > 1 {
        return Err(FileError::HardLinks(metadata.nlink()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Root writes for the owner of the folder. Where it cannot be found out who that is, the permissions of the file decide.
    let allowed: Vec<_> = [Path::new("/proc/self"), folder].iter().flat_map(fs::metadata).map(|it| it.uid()).collect();
    if !allowed.is_empty() && !allowed.contains(&metadata.uid()) {
        return Err(FileError::OtherOwner(metadata.uid()));
    }
    Ok(())
}

/// The bytes that are free for this user on the disk of a folder (blocking); `None` if it cannot be asked.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

/// A limit in words.
fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests;
