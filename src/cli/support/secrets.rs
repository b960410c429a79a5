//! Hides what must not leave this box: every token that it knows, wherever it appears, and what looks like a token.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::config::{self, Config, ConfigFiles, Environment};
use crate::files;
use crate::reporter::TokenMask;

/// Maximum bytes read of a token file.
const MAX_FILE_BYTES: u64 = 4096;
/// From this many hex digits on, a run in a token file counts as a token or a part of one.
const MIN_DIGITS: usize = 16;
/// A token that is not hexadecimal is hidden from this length on.
const MIN_LITERAL: usize = 8;
/// Where systemd keeps the credentials of the service; root can read them outside of it.
const CREDENTIALS: &str = "/run/credentials/arkmeter.service";

/// The secrets of this box.
#[derive(Default)]
pub struct Secrets {
    masks: Vec<TokenMask>,
    literals: Vec<String>,
}

impl Secrets {
    /// The secrets of the configuration at `path`, valid or not: the token files of its accounts, and each `*.token` file in its folder.
    pub fn of(path: &Path, environment: &Environment) -> Self {
        let mut secrets = Secrets::default();
        for file in token_files(path, environment) {
            secrets.add(&String::from_utf8_lossy(&beginning(&file, MAX_FILE_BYTES)));
        }
        secrets
    }

    /// Adds the token in a token file with this content, well-formed or not.
    pub fn add(&mut self, content: &str) {
        let runs = content.split(|character: char| !character.is_ascii_hexdigit());
        self.masks.extend(runs.filter(|run| run.len() >= MIN_DIGITS).map(TokenMask::new));
        let line = content.trim();
        if line.len() >= MIN_LITERAL && !line.contains('\n') {
            self.literals.push(line.to_owned());
        }
    }

    /// `text` without the secrets and without control characters; its lines stay.
    pub fn hide(&self, text: &str) -> String {
        let mut hidden = text.to_owned();
        for mask in &self.masks {
            hidden = mask.hide(&hidden);
        }
        for literal in &self.literals {
            hidden = hidden.replace(literal, "(token)");
        }
        config::masked(&hidden)
    }
}

fn token_files(path: &Path, environment: &Environment) -> Vec<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = beside.filter(|file| file.extension().is_some_and(|end| end == "token")).collect();
    let credentials = environment.credentials_directory.as_deref().unwrap_or(Path::new(CREDENTIALS));
    if let Ok((config, _)) = Config::load(path, environment) {
        files.extend(config.accounts.values().filter_map(|account| account.token.path(Some(credentials)).ok()));
    } else {
        let main = [path.to_owned()];
        let parts = ConfigFiles::read(path).map(|files| files.files().iter().map(|file| file.path.clone()).collect());
        for file in parts.unwrap_or_else(|_| main.to_vec()) {
            files.extend(named_in(&file, "token_file").map(|name| folder.join(name)));
            files.extend(named_in(&file, "token_credential").map(|name| credentials.join(name)));
        }
    }
    files
}

/// The first bytes of a file; none of one that cannot be read.
fn beginning(file: &Path, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = files::open(file) {
        // What was read before an error may hold a secret as well.
        let _ = file.take(limit).read_to_end(&mut bytes);
    }
    bytes
}

/// The values of this key in a configuration that has an error, read line by line.
fn named_in(path: &Path, key: &'static str) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(&beginning(path, 1 << 20)).into_owned();
    let quoted = move |line: &str| {
        let (_, value) = line.split_once(key)?;
        let value = value.trim_start_matches([' ', '\t', '=']);
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        value[1..].split(quote).next().map(str::to_owned)
    };
    text.lines().filter_map(quoted).collect::<Vec<_>>().into_iter()
}
