//! What the process is given besides the configuration: folders by systemd, the folder of the configuration, and its shard.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::shard::Sharding;

/// An argument of the parser, so that parsing has no hidden input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `$STATE_DIRECTORY`.
    pub state_directory: Option<PathBuf>,
    /// `$RUNTIME_DIRECTORY`.
    pub runtime_directory: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR` of a user who is not root, where this system has no `/run/arkmeter`.
    pub user_runtime: Option<PathBuf>,
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials_directory: Option<PathBuf>,
    /// The folder of the configuration, from which relative paths in it count. [`super::Config::load`] sets it.
    pub folder: PathBuf,
    /// How many shards there are, and which of them this process works for; absent without shards.
    pub sharding: Option<Sharding>,
}

impl Environment {
    /// The environment of this process, as systemd set it.
    pub fn of_process() -> Self {
        Environment {
            state_directory: first(std::env::var_os("STATE_DIRECTORY")),
            runtime_directory: first(std::env::var_os("RUNTIME_DIRECTORY")),
            user_runtime: user_runtime(),
            credentials_directory: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            folder: PathBuf::new(),
            sharding: None,
        }
    }

    /// The default folder of the ledger.
    pub fn default_state(&self) -> PathBuf {
        self.state_directory.clone().unwrap_or_else(|| PathBuf::from("/var/lib/arkmeter"))
    }

    /// The default path of the control socket.
    pub fn default_socket(&self) -> PathBuf {
        match (&self.runtime_directory, &self.user_runtime) {
            (Some(folder), _) => folder.join("control.sock"),
            (None, Some(folder)) => folder.join("arkmeter.sock"),
            (None, None) => Path::new(SERVICE_RUNTIME).join("control.sock"),
        }
    }

    /// The state folder of this process, if `state` is that of the configuration.
    pub fn own_state(&self, state: PathBuf) -> PathBuf {
        let shard = self.sharding.and_then(Sharding::shard);
        shard.map_or(state.clone(), |shard| shard.state_folder(&state))
    }

    /// The control socket of this process, if `socket` is that of the configuration.
    pub fn own_socket(&self, socket: PathBuf) -> PathBuf {
        let shard = self.sharding.and_then(Sharding::shard);
        shard.map_or(socket.clone(), |shard| shard.socket(&socket))
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

/// The folder of the service's socket, while the service runs.
const SERVICE_RUNTIME: &str = "/run/arkmeter";

/// A daemon in the foreground cannot make [`SERVICE_RUNTIME`] without root; the commands of the same user find it here.
fn user_runtime() -> Option<PathBuf> {
    let folder = first(std::env::var_os("XDG_RUNTIME_DIR"))?;
    (!rustix::process::geteuid().is_root() && !Path::new(SERVICE_RUNTIME).is_dir()).then_some(folder)
}

/// systemd joins several folders with `:`. The first of them is used.
fn first(folders: Option<OsString>) -> Option<PathBuf> {
    let folders = folders?;
    let first = std::env::split_paths(&folders).next();
    first.filter(|folder| folder.is_absolute())
}
