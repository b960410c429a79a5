//! The built-in meters: the files of `config/profiles`, found by name and by alias.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use include_dir::{Dir, include_dir};
use toml::de::DeTable;

use super::profile::Profile;
use super::range::{Answers, RegisterRange};
use crate::finding::Finding;
use crate::form::{Findings, Form};

static PROFILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/config/profiles");

static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    // A test reads each file: none of them is left out here.
    let mut entries: Vec<_> = profile_files().filter_map(|toml| parse(toml).ok()).collect();
    entries.sort_by(|left, right| left.profile.name.cmp(&right.profile.name));
    Library { entries }
});

/// The built-in profiles, ordered by name.
#[derive(Debug)]
pub struct Library {
    entries: Vec<LibraryEntry>,
}

/// A built-in profile and its TOML.
#[derive(Clone, Debug)]
pub struct LibraryEntry {
    /// The profile, parsed from `toml`.
    pub profile: Arc<Profile>,
    /// `[profile.NAME]` and its tables, which can be copied into a configuration as they are.
    pub toml: &'static str,
}

/// The built-in profiles. The first call parses all of them, which takes a few milliseconds.
pub fn library() -> &'static Library {
    &LIBRARY
}

impl Library {
    /// The name of every profile, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.profile.name.as_str())
    }

    /// Every entry, ordered by name.
    pub fn entries(&self) -> impl Iterator<Item = &LibraryEntry> {
        self.entries.iter()
    }

    /// The profile of that name or alias.
    pub fn find(&self, name: &str) -> Option<&LibraryEntry> {
        let by_name = self.entries.iter().find(|entry| entry.profile.name.as_str() == name);
        by_name.or_else(|| self.entries.iter().find(|entry| entry.aliases().any(|alias| alias == name)))
    }

    /// The most similar name or alias. `None` where nothing is similar.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        self.near(name).into_iter().next()
    }

    /// Up to three similar names or aliases: first those that contain the text, such as `sdm630`, then the most similar.
    pub fn near(&self, name: &str) -> Vec<&str> {
        /// A shorter text is in too many names.
        const SHORTEST_PART: usize = 3;
        let name = name.to_ascii_lowercase();
        let contains = |known: &str| name.len() >= SHORTEST_PART && known.contains(&name);
        let similar = |known: &&str| contains(known) || strsim::jaro_winkler(known, &name) > 0.8;
        let mut near: Vec<_> = self.entries.iter().flat_map(LibraryEntry::names).filter(similar).collect();
        near.sort_by_key(|known| (!contains(known), strsim::damerau_levenshtein(known, &name)));
        near.truncate(3);
        near
    }

    /// The entries whose identity registers match these answers.
    pub fn matching(&self, answers: &Answers) -> Vec<&LibraryEntry> {
        self.entries.iter().filter(|entry| entry.profile.recognises(answers)).collect()
    }

    /// The registers that distinguish meters, ordered by the number of profiles that use them.
    pub fn identity_ranges(&self) -> Vec<RegisterRange> {
        let mut uses: BTreeMap<RegisterRange, usize> = BTreeMap::new();
        for range in self.entries.iter().flat_map(|entry| entry.profile.identity_ranges()) {
            *uses.entry(range).or_default() += 1;
        }
        let mut ranges: Vec<_> = uses.into_iter().collect();
        ranges.sort_by_key(|(_, uses)| Reverse(*uses));
        ranges.into_iter().map(|(range, _)| range).collect()
    }

    /// The entries whose name, aliases, vendor and model contain every word of `text`, in any case.
    pub fn search(&self, text: &str) -> Vec<&LibraryEntry> {
        let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
        let matches = |entry: &&LibraryEntry| {
            let names = entry.names().collect::<Vec<_>>().join(" ");
            let all = format!("{names} {} {}", entry.profile.vendor, entry.profile.model).to_lowercase();
            words.iter().all(|word| all.contains(word))
        };
        self.entries.iter().filter(matches).collect()
    }
}

impl LibraryEntry {
    fn aliases(&self) -> impl Iterator<Item = &str> {
        self.profile.aliases.iter().map(|alias| alias.as_str())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.profile.name.as_str()).chain(self.aliases())
    }
}

/// The texts of the folder's TOML files.
fn profile_files() -> impl Iterator<Item = &'static str> {
    let is_toml = |path: &std::path::Path| path.extension().is_some_and(|extension| extension == "toml");
    PROFILES.files().filter(move |file| is_toml(file.path())).filter_map(|file| file.contents_utf8())
}

/// Parses a file with exactly one `[profile.NAME]`.
fn parse(toml: &'static str) -> Result<LibraryEntry, Vec<Finding>> {
    let document = DeTable::parse(toml).map_err(|error| vec![Finding::error(0..0, error.to_string())])?;
    let findings = Findings::default();
    let root = Form::root(&document, &findings);
    let mut profiles = root.named_tables("profile").into_iter().map(|(name, form)| Profile::from_form(&name, form));
    let profile = profiles.next().flatten().filter(|_| profiles.next().is_none());
    drop(profiles);
    root.finish();
    match profile {
        Some(profile) => Ok(LibraryEntry { profile: Arc::new(profile), toml }),
        None => Err(findings.into_vec()),
    }
}

#[cfg(test)]
mod tests;
