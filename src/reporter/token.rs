//! The account's token in use, and whether its file has changed: a new token is used without a restart.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::config::{Token, TokenSource};
use crate::text::chain;

/// Keeps the token of one account.
#[derive(Debug)]
pub(crate) struct TokenKeeper {
    source: TokenSource,
    /// `$CREDENTIALS_DIRECTORY`.
    credentials: Option<PathBuf>,
    seen: Option<FileStamp>,
    token: Option<Token>,
    error: Option<String>,
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
        TokenKeeper { source, credentials, seen: None, token: None, error: None }
    }

    /// Reads the file if it has changed since the last check. If it cannot be read, the token in use is kept.
    pub(crate) fn check(&mut self) -> TokenCheck {
        let mark = self.mark();
        if mark.is_some() && mark == self.seen {
            return TokenCheck::Unchanged;
        }
        // Taken before reading: a change in between is read at the next check.
        self.seen = mark;
        self.read()
    }

    /// Reads the file, changed or not.
    pub(crate) fn read(&mut self) -> TokenCheck {
        match self.source.read(self.credentials.as_deref()) {
            Ok(token) => {
                self.error = None;
                let new = self.token.as_ref() != Some(&token);
                self.token = Some(token);
                if new { TokenCheck::New } else { TokenCheck::Read }
            }
            Err(error) => {
                let kept = if self.token.is_some() { " (the token read before stays in use)" } else { "" };
                self.error = Some(format!("{}{kept}", chain(&error)));
                TokenCheck::Read
            }
        }
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

    fn mark(&self) -> Option<FileStamp> {
        let path = self.source.path(self.credentials.as_deref()).ok()?;
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
