//! The account's token in use, and whether its file has changed: a new token is used without a restart.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use crate::config::{Token, TokenError, TokenSource};
use crate::text::chain;
use crate::worker::{Work, Worker};

/// The longest wait for the file.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// Keeps the token of one account. Its file is read in a thread of its own: it may be on a disk that hangs.
#[derive(Debug)]
pub(crate) struct TokenKeeper {
    source: TokenSource,
    /// `$CREDENTIALS_DIRECTORY`.
    credentials: Option<PathBuf>,
    seen: Option<FileStamp>,
    token: Option<Token>,
    error: Option<String>,
    thread: Worker,
    /// The look at the file that is not over yet.
    look: Option<Work<Looked>>,
    /// It takes longer than [`READ_WITHIN`].
    hangs: bool,
}

/// One look at the file.
#[derive(Debug)]
struct Looked {
    stamp: Option<FileStamp>,
    /// Absent if the file has not changed.
    token: Option<Result<Token, TokenError>>,
}

/// Identifies one state of the file without reading it. The change time also changes with owner and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The result of [`TokenKeeper::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenCheck {
    /// The file has not changed.
    Unchanged,
    /// The file was read: the token is the same, or could not be read (see [`TokenKeeper::error`]).
    Read,
    /// A different token is in use from now on.
    New,
}

impl TokenKeeper {
    /// Nothing is read yet.
    pub(crate) fn new(source: TokenSource, credentials: Option<PathBuf>) -> Self {
        TokenKeeper {
            source,
            credentials,
            seen: None,
            token: None,
            error: None,
            thread: Worker::new("token"),
            look: None,
            hangs: false,
        }
    }

    /// Reads the file if it has changed since the last check. If it cannot be read, the token in use is kept.
    pub(crate) async fn check(&mut self) -> TokenCheck {
        self.look(self.seen).await
    }

    /// Reads the file, changed or not.
    pub(crate) async fn read(&mut self) -> TokenCheck {
        self.look(None).await
    }

    /// Reads the file in its own thread unless it is as `seen`. The first look at a disk that hangs is awaited for a while, the next ones
    /// are not.
    async fn look(&mut self, seen: Option<FileStamp>) -> TokenCheck {
        let TokenKeeper { source, credentials, thread, look, .. } = self;
        let look = look.get_or_insert_with(|| {
            let (source, credentials) = (source.clone(), credentials.clone());
            thread.run(move || Looked::at(&source, credentials.as_deref(), seen))
        });
        let within = if self.hangs { Duration::ZERO } else { READ_WITHIN };
        let looked = match timeout(within, look).await {
            Ok(looked) => looked,
            Err(_) if self.hangs => return TokenCheck::Unchanged,
            Err(_) => {
                self.hangs = true;
                let place = self.place();
                self.fail(&format!("{place} is not read within {}s: its disk does not answer", READ_WITHIN.as_secs()));
                return TokenCheck::Read;
            }
        };
        (self.look, self.hangs) = (None, false);
        match looked {
            Ok(Looked { stamp, token: None }) => {
                self.seen = stamp;
                TokenCheck::Unchanged
            }
            Ok(Looked { stamp, token: Some(Ok(token)) }) => {
                (self.seen, self.error) = (stamp, None);
                let new = self.token.as_ref() != Some(&token);
                self.token = Some(token);
                if new { TokenCheck::New } else { TokenCheck::Read }
            }
            Ok(Looked { stamp, token: Some(Err(error)) }) => {
                self.seen = stamp;
                self.fail(&chain(&error));
                TokenCheck::Read
            }
            Err(error) => {
                self.fail(&error.to_string());
                TokenCheck::Read
            }
        }
    }

    fn fail(&mut self, why: &str) {
        let kept = if self.token.is_some() { " (the token read before stays in use)" } else { "" };
        self.error = Some(format!("{why}{kept}"));
    }

    /// The token in use.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// What is wrong with the file, as text.
    pub(crate) fn error(&self) -> Option<String> {
        self.error.clone()
    }

    /// Where the token is kept, as text.
    pub(crate) fn place(&self) -> String {
        match &self.source {
            TokenSource::File(path) => crate::config::shown_path(path),
            TokenSource::Credential(name) => format!("the credential {name}"),
        }
    }
}

impl Looked {
    /// Looks at the file, and reads it unless it is as `seen` (blocking).
    fn at(source: &TokenSource, credentials: Option<&Path>, seen: Option<FileStamp>) -> Self {
        // Taken before reading: a change in between is read at the next check.
        let stamp = FileStamp::of(source, credentials);
        let is_as_seen = stamp.is_some() && stamp == seen;
        Looked { stamp, token: (!is_as_seen).then(|| source.read(credentials)) }
    }
}

impl FileStamp {
    fn of(source: &TokenSource, credentials: Option<&Path>) -> Option<Self> {
        let path = source.path(credentials).ok()?;
        let metadata = fs::metadata(path).ok()?;
        Some(FileStamp {
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests;
