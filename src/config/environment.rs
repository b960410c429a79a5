//! The folders that systemd gives to the process, and the folder of the configuration.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// An argument of the parser, so that parsing has no hidden input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `$STATE_DIRECTORY`.
    pub state_directory: Option<PathBuf>,
    /// `$RUNTIME_DIRECTORY`.
    pub runtime_directory: Option<PathBuf>,
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials_directory: Option<PathBuf>,
    /// The folder of the configuration, from which relative paths in it count. [`super::Config::load`] sets it.
    pub folder: PathBuf,
}

impl Environment {
    /// The environment of this process, as systemd set it.
    pub fn of_process() -> Self {
        Environment {
            state_directory: first(std::env::var_os("STATE_DIRECTORY")),
            runtime_directory: first(std::env::var_os("RUNTIME_DIRECTORY")),
            credentials_directory: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            folder: PathBuf::new(),
        }
    }

    /// The default folder of the ledger.
    pub fn default_state(&self) -> PathBuf {
        self.state_directory.clone().unwrap_or_else(|| PathBuf::from("/var/lib/arkmeter"))
    }

    /// The default path of the control socket.
    pub fn default_socket(&self) -> PathBuf {
        self.runtime_directory.as_deref().unwrap_or(Path::new("/run/arkmeter")).join("control.sock")
    }

    /// The same environment for a configuration at `path`.
    pub(super) fn beside(&self, path: &Path) -> Self {
        // A bare file name has an empty parent, which means the current folder.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new(".")).to_owned();
        // Absolute, so that it stays right when the process changes its folder.
        Environment { folder: std::path::absolute(&folder).unwrap_or(folder), ..self.clone() }
    }
}

/// systemd joins several folders with `:`. The first of them is used.
fn first(folders: Option<OsString>) -> Option<PathBuf> {
    let folders = folders?;
    let first = std::env::split_paths(&folders).next();
    first.filter(|folder| folder.is_absolute())
}
