//! The files of a set-up: the saved answers, the token and the configuration. Nothing that is there is overwritten.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use super::terminal::{say, tell};
use crate::cli::scan::write;
use crate::config::{Environment, Token, TokenSource};
use crate::files::{self, FileError};
use crate::setup::{SetupAnswers, parse_answers, written_answers};
use crate::text::chain;

/// Answers for a thousand meters are less.
const MAX_ANSWERS: u64 = 1 << 20;

/// The text of an answers file.
pub(super) fn text(path: &Path) -> Result<String, FileError> {
    let bytes = files::read(path, MAX_ANSWERS)?.bytes;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text").into())
}

/// Where the answers are saved.
pub(super) struct Saved {
    /// While the set-up goes on. `None` if nothing can be saved.
    progress: Option<PathBuf>,
    /// What stays at its end.
    kept: Option<PathBuf>,
    /// It is beside the configuration, which this user can write.
    beside: bool,
}

impl Saved {
    /// Beside the configuration, or in the present folder if that cannot be written.
    pub(super) fn beside(configuration: &Path, may_write: bool) -> Self {
        let folder = if may_write { parent(configuration) } else { PathBuf::from(".") };
        let (progress, kept) = (Some(folder.join("setup.saved.toml")), Some(folder.join("setup.toml")));
        Saved { progress, kept, beside: may_write }
    }

    /// Nothing is saved: the answers come from a file.
    pub(super) fn nowhere() -> Self {
        Saved { progress: None, kept: None, beside: false }
    }

    /// The answers of an interrupted set-up, and their age.
    pub(super) fn load(&mut self) -> Option<(SetupAnswers, String)> {
        let path = self.progress.as_ref()?;
        let text = text(path).ok()?;
        match parse_answers(path, &text) {
            Ok(answers) => Some((answers, age(path))),
            Err(problems) => {
                let text = problems.render(false);
                say(&format!("{text}The saved answers in {} cannot be used: they are left out.\n", path.display()));
                self.progress = None;
                None
            }
        }
    }

    /// Saves the answers so far. If that fails, it is said once.
    pub(super) fn save(&mut self, answers: &SetupAnswers) {
        let Some(path) = &self.progress else { return };
        if let Err(error) = save(path, answers) {
            say(&format!("  ! the answers cannot be saved in {}: {error}; go on, or stop with Ctrl-C", path.display()));
            self.progress = None;
        }
    }

    /// Keeps the answers as the answers file, under a name that is free, and removes the saved ones. `None` if nothing was saved.
    pub(super) fn finish(&mut self, answers: &SetupAnswers) -> Option<PathBuf> {
        let (progress, kept) = (self.progress.take()?, self.kept.clone()?);
        let kept = match text(&kept) {
            Ok(text) if text == written_answers(answers) => kept,
            _ => free_name(&kept, "-2", |number| format!("-{number}")),
        };
        if let Err(error) = save(&kept, answers) {
            say(&format!("  ! the answers cannot be saved in {}: {error}", kept.display()));
            return None;
        }
        let _ = fs::remove_file(progress);
        self.kept = Some(kept.clone());
        Some(kept)
    }

    /// Whether answers are saved that the next run resumes.
    pub(super) fn can_resume(&self) -> bool {
        self.progress.as_deref().is_some_and(Path::exists)
    }

    /// The file with the answers, if they were saved.
    pub(super) fn file(&self) -> Option<&Path> {
        let kept = || self.kept.as_deref().filter(|path| path.exists());
        self.progress.as_deref().filter(|path| path.exists()).or_else(kept)
    }

    /// The command that continues.
    pub(super) fn command(&self, configuration: &Path) -> String {
        let sudo = if self.beside { "sudo " } else { "" };
        match configuration.to_str() {
            Some("/etc/arkmeter/arkmeter.toml") => format!("{sudo}arkmeter setup"),
            _ => format!("{sudo}arkmeter setup --config {}", configuration.display()),
        }
    }

    /// The command that the last step will print without root.
    pub(super) fn last_command(&self) -> String {
        let kept = self.kept.as_ref().map_or_else(|| "FILE".to_owned(), |path| path.display().to_string());
        format!("sudo arkmeter setup --answers {kept}")
    }
}

fn save(path: &Path, answers: &SetupAnswers) -> io::Result<()> {
    let folder = parent(path);
    fs::create_dir_all(&folder)?;
    let mut file = tempfile::Builder::new().prefix(".arkmeter-").tempfile_in(folder)?;
    file.write_all(written_answers(answers).as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error).map(drop)
}

/// `4 min ago`.
fn age(path: &Path) -> String {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    match modified.elapsed().map(|age| age.as_secs() / 60) {
        Ok(0) | Err(_) => "just now".to_owned(),
        Ok(minutes @ 1..120) => format!("{minutes} min ago"),
        Ok(minutes @ 120..2880) => format!("{} h ago", minutes / 60),
        Ok(minutes) => format!("{} days ago", minutes / 1440),
    }
}

/// Whether this user can write the configuration. Nothing is left behind.
pub(super) fn may_write(configuration: &Path) -> bool {
    let folder = parent(configuration);
    let existing = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    tempfile::tempfile_in(existing).is_ok()
}

/// Whether there is a token file that can be used.
pub(super) fn has_token(path: &Path) -> bool {
    TokenSource::File(path.to_owned()).read(None).is_ok()
}

/// Writes a token into a new file that only root and the group arkmeter can read.
pub(super) fn write_token(path: &Path, token: &Token) -> io::Result<()> {
    fs::create_dir_all(parent(path))?;
    let file = token_file(path, token)?;
    // An empty file, as the installation instructions make it, holds no token.
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
        return file.persist(path).map_err(|error| error.error).map(drop);
    }
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(io::Error::other("there is one already, which cannot be used: see `arkmeter check`, or remove it"))
        }
        other => other.map_err(|error| error.error).map(drop),
    }
}

/// Who can read a new token file, and its mode.
pub(super) fn token_access() -> &'static str {
    match files::group_of_name("arkmeter") {
        Some(_) if rustix::process::geteuid().is_root() => "root:arkmeter 0640",
        _ => "0640",
    }
}

/// Replaces a token file. Returns the name under which the former one is kept.
pub(super) fn replace_token(path: &Path, token: &Token) -> io::Result<PathBuf> {
    let file = token_file(path, token)?;
    let kept = free_name(path, ".old", |number| format!(".old-{number}"));
    fs::hard_link(path, &kept)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(kept)
}

fn token_file(path: &Path, token: &Token) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".arkmeter-").tempfile_in(parent(path))?;
    file.as_file().set_permissions(Permissions::from_mode(0o640))?;
    let is_root = file.as_file().metadata()?.uid() == 0;
    match files::group_of_name("arkmeter") {
        Some(group) if is_root => fchown(file.as_file(), None, Some(group))?,
        None if is_root => tell(&format!(
            "  ! there is no group arkmeter, so that only root can read the token: run `systemd-sysusers`, then `chgrp arkmeter {}`",
            path.display()
        )),
        _ => {}
    }
    writeln!(file, "{}", token.file_line())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Writes the tables: at the end of the configuration, or as a new one. With `moves`, the present file is first kept under another name,
/// which is returned.
pub(super) fn write_configuration(
    path: &Path,
    tables: &str,
    moves: bool,
    environment: &Environment,
) -> Result<Option<PathBuf>, String> {
    fs::create_dir_all(parent(path)).map_err(|error| format!("{} cannot be made: {error}", parent(path).display()))?;
    let kept = if moves && path.exists() {
        let kept = free_name(path, ".old", |number| format!(".old-{number}"));
        fs::rename(path, &kept).map_err(|error| format!("{} cannot be renamed: {error}", path.display()))?;
        Some(kept)
    } else {
        None
    };
    write::append(path, tables, environment).map_err(|error| {
        if let Some(kept) = &kept {
            // The folder could be written a moment ago.
            let _ = fs::rename(kept, path);
        }
        chain(&error)
    })?;
    Ok(kept)
}

/// The path itself if it is free; else the first free one of these. The extension stays where there is one to keep.
fn free_name(path: &Path, first: &str, numbered: impl Fn(u32) -> String) -> PathBuf {
    if !path.exists() {
        return path.to_owned();
    }
    let name = |suffix: &str| match (path.file_stem(), path.extension()) {
        (Some(stem), Some(extension)) if suffix.starts_with('-') => {
            path.with_file_name(format!("{}{suffix}.{}", stem.to_string_lossy(), extension.to_string_lossy()))
        }
        _ => path.with_file_name(format!("{}{suffix}", path.file_name().unwrap_or_default().to_string_lossy())),
    };
    let names = std::iter::once(name(first)).chain((2..).map(|number: u32| name(&numbered(number))));
    names.into_iter().find(|path| !path.exists()).expect("the numbers are unlimited")
}

fn parent(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}
