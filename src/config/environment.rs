//! What the surroundings say: systemd's folders, and the folder of the configuration itself.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Given to the configuration instead of read by it, so that parsing has no other input than its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `$STATE_DIRECTORY`.
    pub state_directory: Option<PathBuf>,
    /// `$RUNTIME_DIRECTORY`.
    pub runtime_directory: Option<PathBuf>,
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials_directory: Option<PathBuf>,
    /// The folder of the configuration: relative paths in it begin there. [`super::Config::load`] sets it.
    pub folder: PathBuf,
}

impl Environment {
    /// As systemd set it for this process.
    pub fn of_process() -> Self {
        Environment {
            state_directory: first(std::env::var_os("STATE_DIRECTORY")),
            runtime_directory: first(std::env::var_os("RUNTIME_DIRECTORY")),
            credentials_directory: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            folder: PathBuf::new(),
        }
    }

    /// Where the ledger is unless the configuration says otherwise.
    pub fn default_state(&self) -> PathBuf {
        self.state_directory.clone().unwrap_or_else(|| PathBuf::from("/var/lib/arkmeter"))
    }

    /// Where the control socket is unless the configuration says otherwise.
    pub fn default_socket(&self) -> PathBuf {
        self.runtime_directory.as_deref().unwrap_or(Path::new("/run/arkmeter")).join("control.sock")
    }

    /// The same for a configuration at `path`.
    pub(super) fn beside(&self, path: &Path) -> Self {
        // A bare file name has an empty parent: the folder that the program was started in.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new(".")).to_owned();
        // Relative to the root or to where the program was started; made whole, so that it holds after a change of folder.
        Environment { folder: std::path::absolute(&folder).unwrap_or(folder), ..self.clone() }
    }
}

/// systemd joins several folders with `:`; the first is the one that the unit names first.
fn first(folders: Option<OsString>) -> Option<PathBuf> {
    let folders = folders?;
    let first = std::env::split_paths(&folders).next();
    first.filter(|folder| folder.is_absolute())
}
