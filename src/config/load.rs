//! The configuration's file: found, small enough, readable, UTF-8; and then parsed.

use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::model::Config;
use super::problems::{Problems, shown_path};

/// A configuration of a thousand meters is a tenth of this.
const LARGEST: u64 = 1 << 20;

/// Why there is no configuration. Says the path and the remedy; shows no secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("there is no configuration at {}: write one there (see the annotated example), or name another with --config", shown_path(.0))]
    Missing(PathBuf),
    #[error("{} is a folder: name the file in it with --config", shown_path(.0))]
    Folder(PathBuf),
    #[error("{} is not a regular file: the configuration has to be one", shown_path(.0))]
    NotAFile(PathBuf),
    #[error("the configuration {shown} may not be read by this user: chown root:arkmeter {shown} && chmod 640 {shown}", shown = shown_path(.0))]
    Denied(PathBuf),
    #[error("{} is larger than 1 MiB, which no configuration is: is it the right file?", shown_path(.0))]
    TooLarge(PathBuf),
    #[error("{}, line {line}: not UTF-8; save the file as UTF-8", shown_path(.path))]
    NotText { path: PathBuf, line: usize },
    #[error("the configuration {} cannot be read", shown_path(.path))]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Every problem at once.
    #[error("the configuration is not valid\n{0}")]
    Invalid(Problems),
}

impl ConfigError {
    /// For a terminal, coloured if asked.
    pub fn render(&self, colour: bool) -> String {
        match (self, std::error::Error::source(self)) {
            (ConfigError::Invalid(problems), _) => problems.render(colour),
            (other, Some(source)) => format!("{other}: {source}\n"),
            (other, None) => format!("{other}\n"),
        }
    }
}

impl Config {
    /// Reads the configuration at `path`. With it come warnings.
    pub fn load(path: &Path, environment: &Environment) -> Result<(Config, Problems), ConfigError> {
        Config::of_text(path, &Config::text(path)?, environment)
    }

    /// The text of the configuration at `path`, whatever it says.
    pub fn text(path: &Path) -> Result<String, ConfigError> {
        read(path)
    }

    /// What this text would be as the configuration at `path`. With it come warnings.
    pub fn of_text(path: &Path, text: &str, environment: &Environment) -> Result<(Config, Problems), ConfigError> {
        super::parse(path, text, &environment.beside(path)).map_err(ConfigError::Invalid)
    }
}

/// The configuration at `path` as it may be handed to others ([`super::shown_text`]), whether it is right or not.
pub fn shown_file(path: &Path, environment: &Environment) -> Result<String, ConfigError> {
    Ok(super::shown_text(&read(path)?, &environment.beside(path)))
}

/// The text of a file that may be a configuration.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ConfigError::Missing(path.to_owned()),
        io::ErrorKind::PermissionDenied => ConfigError::Denied(path.to_owned()),
        _ => ConfigError::Unreadable { path: path.to_owned(), source },
    };
    // Without O_NONBLOCK, opening a pipe would wait for someone to write into it.
    let options = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = options.map_err(failed)?;
    let kind = file.metadata().map_err(failed)?.file_type();
    if kind.is_dir() {
        return Err(ConfigError::Folder(path.to_owned()));
    }
    if !kind.is_file() {
        return Err(ConfigError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(ConfigError::TooLarge(path.to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        ConfigError::NotText { path: path.to_owned(), line }
    })
}
