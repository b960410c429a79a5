//! The meters that are built in: each file of config/profiles, found by name and alias.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use toml::de::DeTable;

use super::block::{Answers, Block};
use super::profile::Profile;
use crate::finding::Finding;
use crate::form::{Findings, Form};
use crate::units::Name;

/// The built-in profiles, by name.
#[derive(Debug)]
pub struct Library {
    entries: Vec<Entry>,
}

/// A built-in profile and the TOML that it was read from.
#[derive(Clone, Debug)]
pub struct Entry {
    pub profile: Arc<Profile>,
    /// `[profile.NAME]` and its tables: it can be pasted into a configuration as it is.
    pub toml: &'static str,
}

macro_rules! profiles {
    ($($name:literal)*) => {
        [$(include_str!(concat!("../../config/profiles/", $name, ".toml"))),*]
    };
}

const FILES: &[&str] = &profiles! {
    "abb-a43"
    "abb-b23"
    "accuenergy-acuvim-ii"
    "acrel-adl400"
    "be-mpm3pm"
    "bgetech-ws100"
    "carlo-gavazzi-em112"
    "carlo-gavazzi-em24"
    "carlo-gavazzi-em24-e1"
    "carlo-gavazzi-em340"
    "carlo-gavazzi-em540"
    "dzg-dvh4013"
    "eastron-sdm120"
    "eastron-sdm220"
    "eastron-sdm230"
    "eastron-sdm630"
    "eastron-sdm72d"
    "eastron-sdm72d-m-2"
    "eltako-dsz15"
    "generic-ddm18sd"
    "janitza-umg96rm"
    "kostal-ksem"
    "lovato-dmg210"
    "orno-or-we-504"
    "orno-or-we-515"
    "orno-or-we-516"
    "peacefair-pzem-004t-v3"
    "schneider-iem3155"
    "schneider-pm5110"
    "siemens-pac1600"
    "siemens-pac2200"
    "socomec-countis-e24"
    "wago-879-3000"
};

/// Parsed when it is first asked for.
pub fn library() -> &'static Library {
    static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
        let mut entries: Vec<_> = FILES.iter().filter_map(|text| parse(text).ok()).collect();
        entries.sort_by(|left: &Entry, right| left.profile.name.cmp(&right.profile.name));
        Library { entries }
    });
    &LIBRARY
}

impl Library {
    /// Every entry, ordered by name.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The profile of that name or alias.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let by_name = self.entries.iter().find(|entry| entry.profile.name.as_str() == name);
        by_name.or_else(|| self.entries.iter().find(|entry| aliases(entry).any(|alias| alias == name)))
    }

    /// The name or alias that somebody may have meant; `None` where nothing is near.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        let similar = |known: &&str| strsim::jaro_winkler(known, &name) > 0.8;
        let distance = |known: &&str| strsim::damerau_levenshtein(known, &name);
        self.entries.iter().flat_map(names).filter(similar).min_by_key(distance)
    }

    /// What a meter with these answers looks like, as far as they say.
    pub fn recognised(&self, answers: &Answers) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| entry.profile.recognises(answers)).collect()
    }

    /// The registers by which meters are told apart, those of most profiles first.
    pub fn identity_blocks(&self) -> Vec<Block> {
        let mut uses: BTreeMap<Block, usize> = BTreeMap::new();
        for block in self.entries.iter().flat_map(|entry| entry.profile.identity_blocks()) {
            *uses.entry(block).or_default() += 1;
        }
        let mut blocks: Vec<_> = uses.into_iter().collect();
        blocks.sort_by_key(|(_, uses)| std::cmp::Reverse(*uses));
        blocks.into_iter().map(|(block, _)| block).collect()
    }

    /// The entries whose name, alias, vendor or model contains every word of `text`, whatever its case.
    pub fn search(&self, text: &str) -> Vec<&Entry> {
        let words: Vec<_> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
        let fits = |entry: &&Entry| {
            let profile = &entry.profile;
            let names = names(entry).collect::<Vec<_>>().join(" ");
            let all = format!("{names} {} {}", profile.vendor, profile.model).to_ascii_lowercase();
            words.iter().all(|word| all.contains(word))
        };
        self.entries.iter().filter(fits).collect()
    }
}

fn names(entry: &Entry) -> impl Iterator<Item = &str> {
    std::iter::once(entry.profile.name.as_str()).chain(aliases(entry))
}

fn aliases(entry: &Entry) -> impl Iterator<Item = &str> {
    entry.profile.aliases.iter().map(Name::as_str)
}

/// One file: exactly one `[profile.NAME]`.
fn parse(toml: &'static str) -> Result<Entry, Vec<Finding>> {
    let document = DeTable::parse(toml).map_err(|error| vec![Finding::error(0..0, error.to_string())])?;
    let findings = Findings::default();
    let profile = {
        let root = Form::root(&document, &findings);
        let profiles = root.named_tables("profile");
        let mut profiles = profiles.into_iter().filter_map(|(name, form)| Profile::from_form(&name, form));
        let profile = profiles.next().filter(|_| profiles.next().is_none());
        root.finish();
        profile
    };
    match profile {
        Some(profile) => Ok(Entry { profile: Arc::new(profile), toml }),
        None => Err(findings.into_vec()),
    }
}

#[cfg(test)]
mod tests;
