//! The token of an account: read from its file or credential, never shown.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::model::TokenSource;
use super::problems::shown_path;
use crate::files::{self, FileError};

/// A token is 67 bytes with its line end. A larger file holds something else.
const MAX_BYTES: u64 = 4096;

/// The token that Arkreen issued for an account: `0x` and 64 hex digits. `Debug` and `Display` hide it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// `None` unless the text is `0x` and 64 hex digits (either case).
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x")?;
        let hex = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        hex.then(|| Token(text.to_owned()))
    }

    /// The line of a token file. Write it nowhere else.
    pub fn file_line(&self) -> &str {
        &self.0
    }

    /// The value of the `authorization` header. Mark the header as sensitive.
    pub fn header_value(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Why there is no token. The messages name the path and the remedy, never the content of the file.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant has its message")]
pub enum TokenError {
    #[error("there is no token file {shown}: put the token there, then: chown root:arkmeter {shown} && chmod 640 {shown}", shown = shown_path(.0))]
    Missing(PathBuf),
    #[error("the token file {} may not be read by this user: {}", shown_path(.0), crate::files::denied_remedy(.0, &shown_path(.0), 0o640))]
    Denied(PathBuf),
    #[error("{} is a folder, not a token file", shown_path(.0))]
    Folder(PathBuf),
    #[error("{} is {kind}, not a regular file: the token has to be in one", shown_path(.path))]
    NotAFile { path: PathBuf, kind: &'static str },
    #[error("the token file {shown} is open to every user of this machine (mode {mode:04o}): chown root:arkmeter {shown} && chmod 640 {shown}", shown = shown_path(.path))]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error("the token file {} is larger than 4 KiB: it has to hold the token and nothing else", shown_path(.0))]
    TooLarge(PathBuf),
    #[error("the token file {} is empty: put the token there, 0x and 64 hex digits", shown_path(.0))]
    Empty(PathBuf),
    #[error("the token file {} has several lines: it has to hold the token alone on one line", shown_path(.0))]
    SeveralLines(PathBuf),
    #[error("the token file {} does not hold a token: 0x and 64 hex digits, without quotes, spaces or the word Bearer{}", shown_path(.path), .invisible)]
    NotAToken {
        path: PathBuf,
        /// The characters in it that nobody sees, with a separator before them; empty without any.
        invisible: String,
    },
    #[error("the token file {} cannot be read", shown_path(.path))]
    Unreadable {
        path: PathBuf,
        #[source]
        source: FileError,
    },
    #[error(
        "token_credential = \"{name}\" asks systemd for the token, but $CREDENTIALS_DIRECTORY is not set: add LoadCredential={name}:/etc/arkmeter/{name}.token to the unit"
    )]
    NoCredentials { name: String },
    #[error("systemd gave no credential \"{name}\": add LoadCredential={name}:/etc/arkmeter/{name}.token to the unit")]
    NoCredential { name: String },
    #[error("token_credential is not the name of a credential: letters, digits, `_`, `-` and `.`")]
    CredentialName,
}

impl TokenSource {
    /// The file with the token. `credentials` is `$CREDENTIALS_DIRECTORY`.
    ///
    /// # Errors
    /// For a credential without the folder of credentials, or with an invalid name.
    pub fn path(&self, credentials: Option<&Path>) -> Result<PathBuf, TokenError> {
        match self {
            TokenSource::File(path) => Ok(path.clone()),
            TokenSource::Credential(name) if !is_credential_name(name) => Err(TokenError::CredentialName),
            TokenSource::Credential(name) => match credentials {
                Some(folder) => Ok(folder.join(name)),
                None => Err(TokenError::NoCredentials { name: name.clone() }),
            },
        }
    }

    /// Reads the token. `credentials` is `$CREDENTIALS_DIRECTORY`.
    ///
    /// # Errors
    /// Without a file that holds only a token and that other users cannot open.
    pub fn read(&self, credentials: Option<&Path>) -> Result<Token, TokenError> {
        let path = self.path(credentials)?;
        match (read(&path), self) {
            (Err(TokenError::Missing(_)), TokenSource::Credential(name)) => {
                Err(TokenError::NoCredential { name: name.clone() })
            }
            (result, _) => result,
        }
    }
}

/// Whether it is the name of a file, without a path.
pub(super) fn is_credential_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.')
}

fn read(path: &Path) -> Result<Token, TokenError> {
    let owned = || path.to_owned();
    let content = files::read(path, MAX_BYTES).map_err(|error| match error {
        FileError::Folder => TokenError::Folder(owned()),
        FileError::Special(kind) => TokenError::NotAFile { path: owned(), kind },
        FileError::TooLarge(_) => TokenError::TooLarge(owned()),
        FileError::Io(source) if source.kind() == io::ErrorKind::NotFound => TokenError::Missing(owned()),
        FileError::Io(source) if source.kind() == io::ErrorKind::PermissionDenied => TokenError::Denied(owned()),
        source => TokenError::Unreadable { path: owned(), source },
    })?;
    let (bytes, mode) = (content.bytes, content.mode);
    if mode & 0o007 != 0 {
        return Err(TokenError::OpenToOthers { path: owned(), mode });
    }
    let not_a_token = |invisible| TokenError::NotAToken { path: owned(), invisible };
    let text = std::str::from_utf8(&bytes).map_err(|_| not_a_token(encoding(&bytes)))?;
    // Editors of other systems write a byte-order mark.
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.trim().is_empty() {
        return Err(TokenError::Empty(owned()));
    }
    if line.contains('\n') {
        return Err(TokenError::SeveralLines(owned()));
    }
    Token::parse(line).ok_or_else(|| not_a_token(invisible(line)))
}

/// What is wrong with bytes that are no UTF-8.
fn encoding(bytes: &[u8]) -> String {
    match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "; it is UTF-16: save it as plain text (UTF-8)".to_owned(),
        _ => "; it is not plain text (UTF-8)".to_owned(),
    }
}

/// Names every character of the line that nobody sees, at its position from 1.
fn invisible(line: &str) -> String {
    let named = |(position, character): (usize, char)| {
        let name = match character {
            '\t' => "tab",
            ' ' => "space",
            '\u{A0}' => "no-break space",
            '\u{AD}' => "soft hyphen",
            '\u{200B}' => "zero-width space",
            '\u{200C}' | '\u{200D}' => "zero-width joiner",
            '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => "direction mark",
            '\u{2060}'..='\u{2064}' => "invisible operator",
            '\u{FEFF}' => "byte-order mark",
            character if character.is_control() => "control character",
            character if character.is_whitespace() => "space",
            _ => return None,
        };
        Some(format!("{name} U+{:04X} at {position}", u32::from(character)))
    };
    let found: Vec<_> = (1..).zip(line.chars()).filter_map(named).collect();
    if found.is_empty() { String::new() } else { format!("; it has invisible characters: {}", found.join(", ")) }
}

#[cfg(test)]
mod tests;
