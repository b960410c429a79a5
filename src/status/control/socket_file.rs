//! The file of the control socket: created if no daemon answers there, opened to the group, and removed at the end.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Why there is no socket, with the remedy.
#[derive(Debug, thiserror::Error)]
pub(super) enum SocketFileError {
    #[error("its folder {0} is missing: create it, or set `socket` in [status]")]
    NoFolder(PathBuf),
    #[error("this user may not write in its folder {0}: run as root or the user arkmeter, or set `socket` in [status]")]
    NotAllowed(PathBuf),
    #[error("another arkmeter answers there: stop it, or set another `socket` in [status]")]
    Taken,
    #[error("a file that is no socket has this name: move it away, or set another `socket` in [status]")]
    NoSocket,
    #[error("set another `socket` in [status]")]
    Other(#[source] io::Error),
}

/// The socket's file, removed when dropped unless another has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    /// Listens at `path`; a socket file that a dead daemon left is removed.
    pub(super) async fn bind(path: &Path) -> Result<(UnixListener, Self), SocketFileError> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                clear(path).await?;
                UnixListener::bind(path)
            }
            other => other,
        };
        let listener = listener.map_err(|error| explain(path, error))?;
        let made = || {
            // Before this the umask decides, and the daemon's own is 0077.
            fs::set_permissions(path, Permissions::from_mode(0o660))?;
            fs::symlink_metadata(path)
        };
        let identity = identity(&made().map_err(SocketFileError::Other)?);
        Ok((listener, SocketFile { path: path.to_owned(), identity }))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|metadata| identity(&metadata) == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "the control socket's file stays behind");
        }
    }
}

/// Removes the socket file at `path` if no process answers there.
async fn clear(path: &Path) -> Result<(), SocketFileError> {
    let metadata = fs::symlink_metadata(path).map_err(SocketFileError::Other)?;
    if !metadata.file_type().is_socket() {
        return Err(SocketFileError::NoSocket);
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| explain(path, error))
        }
        Err(error) => Err(explain(path, error)),
        Ok(_) => Err(SocketFileError::Taken),
    }
}

fn explain(path: &Path, error: io::Error) -> SocketFileError {
    let folder = || path.parent().unwrap_or(Path::new("/")).to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => SocketFileError::NoFolder(folder()),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => SocketFileError::NotAllowed(folder()),
        _ => SocketFileError::Other(error),
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
