//! Reads a file of a configuration, with its limits of size and encoding.

use std::io;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::model::Config;
use super::parts::{ConfigFiles, MAX_PARTS};
use super::problems::{Problems, shown_path};
use crate::files::{self, FileError};
use crate::text::chain;

/// The main file and its parts together. A configuration of ten thousand meters is a tenth of this.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// Why there is no configuration. The messages name the path and the remedy, and show no secret.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant has its message")]
pub enum ConfigError {
    #[error("there is no configuration at {}: make one with `arkmeter setup`, write one (see the annotated example), or name another with --config", shown_path(.0))]
    Missing(PathBuf),
    #[error("{} is a folder: name the file in it with --config", shown_path(.0))]
    Folder(PathBuf),
    #[error("the part {} of the configuration is a folder: move it away, or rename it so that it does not end in .toml", shown_path(.0))]
    PartFolder(PathBuf),
    #[error("the part {} of the configuration is a link to a file that does not exist: remove the link, or create the file", shown_path(.0))]
    PartMissing(PathBuf),
    #[error("{} is {kind}, not a regular file: the configuration must be one", shown_path(.path))]
    NotAFile { path: PathBuf, kind: &'static str },
    #[error("the configuration {} may not be read by this user: {}", shown_path(.0), files::denied_remedy(.0, &shown_path(.0), 0o640))]
    Denied(PathBuf),
    #[error("{} is larger than 16 MiB, too large for a configuration: is it the right file?", shown_path(.0))]
    TooLarge(PathBuf),
    #[error("the configuration is larger than 16 MiB with its part {}: is it the right file?", shown_path(.0))]
    TooLargeWith(PathBuf),
    #[error("there are more than {} parts of the configuration in {} and the folders of the same purpose: join some of them", MAX_PARTS, shown_path(.0))]
    TooManyParts(PathBuf),
    #[error("the parts of the configuration in {} may not be read by this user: {}", shown_path(.0), files::denied_remedy(.0, &shown_path(.0), 0o750))]
    DeniedFolder(PathBuf),
    #[error("{}, line {line}: not UTF-8; save the file as UTF-8", shown_path(.path))]
    NotText { path: PathBuf, line: usize },
    #[error("the configuration {} cannot be read", shown_path(.path))]
    Unreadable {
        path: PathBuf,
        #[source]
        source: FileError,
    },
    /// The file has errors: all problems at once.
    #[error("the configuration is not valid\n{0}")]
    Invalid(Problems),
}

impl ConfigError {
    /// The message for a terminal, with or without colours.
    pub fn render(&self, colour: bool) -> String {
        match self {
            ConfigError::Invalid(problems) => problems.render(colour),
            other => chain(other) + "\n",
        }
    }
}

impl Config {
    /// Reads the configuration at `path` with its parts; returns it with its warnings.
    ///
    /// # Errors
    /// Without readable, valid files.
    pub fn load(path: &Path, environment: &Environment) -> Result<(Config, Problems), ConfigError> {
        ConfigFiles::read(path)?.parse(environment)
    }

    /// The text of the main file of the configuration at `path`, valid or not.
    ///
    /// # Errors
    /// Without a readable file.
    pub fn text(path: &Path) -> Result<String, ConfigError> {
        read(path, MAX_BYTES)
    }

    /// Parses this text, without parts, as a configuration at `path`; returns it with its warnings.
    ///
    /// # Errors
    /// For an invalid text, with all problems.
    pub fn of_text(path: &Path, text: &str, environment: &Environment) -> Result<(Config, Problems), ConfigError> {
        super::parse(path, text, &environment.beside(path)).map_err(ConfigError::Invalid)
    }
}

/// The configuration at `path` and its parts without secrets ([`super::shown_text`]), valid or not.
///
/// # Errors
/// Without readable files.
pub fn shown_file(path: &Path, environment: &Environment) -> Result<String, ConfigError> {
    Ok(super::parse::shown_files(ConfigFiles::read(path)?.files(), &environment.beside(path)))
}

/// Reads the text of a file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<String, ConfigError> {
    let content = files::read(path, limit).map_err(|error| match error {
        FileError::Folder => ConfigError::Folder(path.to_owned()),
        FileError::Special(kind) => ConfigError::NotAFile { path: path.to_owned(), kind },
        FileError::TooLarge(_) => ConfigError::TooLarge(path.to_owned()),
        FileError::Io(source) if source.kind() == io::ErrorKind::NotFound => ConfigError::Missing(path.to_owned()),
        FileError::Io(source) if source.kind() == io::ErrorKind::PermissionDenied => {
            ConfigError::Denied(path.to_owned())
        }
        source => ConfigError::Unreadable { path: path.to_owned(), source },
    })?;
    String::from_utf8(content.bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        ConfigError::NotText { path: path.to_owned(), line }
    })
}
