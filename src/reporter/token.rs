//! The account's token in use, and whether its file has changed: a new token is used without a restart.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::config::{Token, TokenSource};

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
                let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
                self.error = Some(format!("{error}{source}{kept}"));
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
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    fn put(path: &Path, digit: &str) {
        // Like an operator: writes a new file and moves it into place.
        let new = path.with_extension("new");
        fs::write(&new, format!("0x{}\n", digit.repeat(64))).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(0o640)).unwrap();
        fs::rename(new, path).unwrap();
    }

    fn keeper(path: &Path) -> TokenKeeper {
        TokenKeeper::new(TokenSource::File(path.to_owned()), None)
    }

    #[test]
    fn a_changed_file_is_noticed_and_an_unchanged_one_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        put(&path, "1");
        let mut keeper = keeper(&path);
        assert_eq!(keeper.check(), TokenCheck::New);
        assert_eq!(keeper.check(), TokenCheck::Unchanged);
        put(&path, "1");
        assert_eq!(keeper.check(), TokenCheck::Read);
        put(&path, "2");
        assert_eq!(keeper.check(), TokenCheck::New);
        assert_eq!(keeper.token().unwrap().header_value(), format!("Bearer 0x{}", "2".repeat(64)));
    }

    #[test]
    fn an_unreadable_new_token_keeps_the_old_one_and_reports_the_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        put(&path, "1");
        let mut keeper = keeper(&path);
        keeper.check();
        fs::write(&path, "not a token").unwrap();
        assert_eq!(keeper.check(), TokenCheck::Read);
        assert!(keeper.token().is_some());
        assert!(keeper.error().unwrap().contains("stays in use"), "{:?}", keeper.error());
        put(&path, "2");
        assert_eq!((keeper.check(), keeper.error()), (TokenCheck::New, None));
    }

    #[test]
    fn a_missing_file_is_tried_again_and_a_corrected_mode_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let mut keeper = keeper(&path);
        assert_eq!((keeper.check(), keeper.token()), (TokenCheck::Read, None));
        assert!(keeper.error().unwrap().contains("no token file"));
        put(&path, "1");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!((keeper.check(), keeper.token()), (TokenCheck::Read, None));
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert_eq!(keeper.check(), TokenCheck::New);
    }
}
