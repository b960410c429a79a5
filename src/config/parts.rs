//! Finds and reads the files of a configuration: the main file and its parts.
//!
//! The rule is that of systemd's drop-ins: all parts are read in the order of their names, whichever folder they are in; of two with the
//! same name only the one of the more important folder is read; and one that is a link to `/dev/null` is not read, nor its namesakes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};

use super::environment::Environment;
use super::joined::SourceFile;
use super::load::{ConfigError, MAX_BYTES, read};
use super::model::Config;
use super::problems::Problems;

/// The folder of the parts, beside the main file.
const FOLDER: &str = "conf.d";
/// How many parts there may be.
pub(super) const MAX_PARTS: usize = 1000;
/// A main file in this folder also has the parts of the operating system and of the present boot.
const SYSTEM: &str = "etc/arkmeter";
/// Where those parts are, the more important one last, beside the folder [`SYSTEM`].
const OTHER_FOLDERS: [&str; 2] = ["usr/lib/arkmeter", "run/arkmeter"];
/// How many hex digits of the SHA-256 are shown.
const HASH_DIGITS: usize = 16;

/// The text of a configuration: the main file, and the parts that are put over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFiles {
    files: Vec<SourceFile>,
    unused: Vec<UnusedPart>,
}

/// A part that is not read because of another file of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedPart {
    /// The part.
    pub path: PathBuf,
    /// The file in the more important folder: another part, or a link to `/dev/null`.
    pub because_of: PathBuf,
}

impl ConfigFiles {
    /// Reads the configuration at `path` and its parts.
    ///
    /// # Errors
    /// Without a readable main file, or if a part cannot be read.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        ConfigFiles::around(path, read(path, MAX_BYTES)?)
    }

    /// Reads the parts of the configuration at `path`, whose main file has this text.
    ///
    /// # Errors
    /// If a part cannot be read.
    pub fn around(path: &Path, text: String) -> Result<Self, ConfigError> {
        let mut left = MAX_BYTES.saturating_sub(text.len() as u64);
        let mut files = vec![SourceFile { path: path.to_owned(), text }];
        let (parts, unused) = find(path)?;
        for path in parts {
            let text = read(&path, left).map_err(|error| match error {
                ConfigError::TooLarge(path) if left < MAX_BYTES => ConfigError::TooLargeWith(path),
                // Only the main file may be missing where a command can do without a configuration.
                ConfigError::Missing(path) => ConfigError::PartMissing(path),
                ConfigError::Folder(path) => ConfigError::PartFolder(path),
                other => other,
            })?;
            left -= text.len() as u64;
            files.push(SourceFile { path, text });
        }
        Ok(ConfigFiles { files, unused })
    }

    /// The files in the order in which they are read: the main file first.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The parts that are not read.
    pub fn unused(&self) -> &[UnusedPart] {
        &self.unused
    }

    /// Parses the whole configuration; returns it with its warnings.
    ///
    /// # Errors
    /// For an invalid text, with all problems.
    pub fn parse(&self, environment: &Environment) -> Result<(Config, Problems), ConfigError> {
        let environment = environment.beside(&self.files[0].path);
        super::parse::parse_files(&self.files, &environment).map_err(ConfigError::Invalid)
    }

    /// The first 16 hex digits of the SHA-256 of all files, one after the other: that of `cat FILE... | sha256sum`.
    pub fn hash(&self) -> String {
        let mut context = Context::new(&SHA256);
        self.files.iter().for_each(|file| context.update(file.text.as_bytes()));
        let digits: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        digits[..HASH_DIGITS].to_owned()
    }
}

/// The parts of the configuration at `path` in the order in which they are read, and those that are not read.
fn find(path: &Path) -> Result<(Vec<PathBuf>, Vec<UnusedPart>), ConfigError> {
    let mut found: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    let mut unused = Vec::new();
    for folder in folders(path) {
        for name in names(&folder)? {
            let path = folder.join(&name);
            if let Some(other) = found.insert(name, path.clone()) {
                unused.push(UnusedPart { path: other, because_of: path });
            }
        }
    }
    let parts: Vec<_> = found.into_values().filter(|path| !is_masked(path)).collect();
    match parts.get(MAX_PARTS) {
        Some(path) => Err(ConfigError::TooManyParts(path.parent().unwrap_or(path).to_owned())),
        None => Ok((parts, unused)),
    }
}

/// The folders with parts, the most important one last. In another tree than that of the running system, such as an image, they are those
/// of that tree.
fn folders(path: &Path) -> Vec<PathBuf> {
    let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let absolute = std::path::absolute(beside).unwrap_or_else(|_| beside.to_owned());
    let root = absolute.ends_with(SYSTEM).then(|| absolute.ancestors().nth(2)).flatten();
    let others = root.into_iter().flat_map(|root| OTHER_FOLDERS.map(|folder| root.join(folder)));
    others.chain([beside.to_owned()]).map(|folder| folder.join(FOLDER)).collect()
}

/// The names of the parts in a folder, which need not exist.
fn names(folder: &Path) -> Result<Vec<OsString>, ConfigError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::PermissionDenied => ConfigError::DeniedFolder(folder.to_owned()),
        _ => ConfigError::Unreadable { path: folder.to_owned(), source: source.into() },
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if !is_hidden && Path::new(&name).extension().is_some_and(|extension| extension == "toml") {
            names.push(name);
        }
    }
    Ok(names)
}

fn is_masked(path: &Path) -> bool {
    fs::canonicalize(path).is_ok_and(|target| target == Path::new("/dev/null"))
}
