//! The meters that are built in: each file of config/profiles, found by name and alias, read as a profile when it is first asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use toml::de::DeTable;

use super::profile::Profile;
use super::range::{Answers, RegisterRange};
use crate::finding::Finding;
use crate::form::{Findings, Form};

/// The built-in profiles, by name.
#[derive(Debug)]
pub struct Library {
    slots: &'static [Slot],
}

/// A built-in profile and the TOML that it was read from.
#[derive(Clone, Debug)]
pub struct LibraryEntry {
    pub profile: Arc<Profile>,
    /// `[profile.NAME]` with what belongs to it: it can be pasted into a configuration as it is.
    pub toml: &'static str,
}

/// A file of config/profiles. A box with two meters reads two of them.
#[derive(Debug)]
struct Slot {
    name: &'static str,
    toml: &'static str,
    entry: OnceLock<Option<LibraryEntry>>,
}

macro_rules! profiles {
    ($($name:literal)*) => {
        static SLOTS: [Slot; [$($name),*].len()] = [$(Slot {
            name: $name,
            toml: include_str!(concat!("../../config/profiles/", $name, ".toml")),
            entry: OnceLock::new(),
        }),*];
    };
}

static LIBRARY: Library = Library { slots: &SLOTS };

profiles! {
    "abb-a43"
    "abb-b23"
    "accuenergy-acuvim-ii"
    "acrel-acr10r"
    "acrel-acr10r-d16te4"
    "acrel-adl400"
    "acrel-adw300"
    "acrel-ddsd1352"
    "algodue-upm310"
    "artemes-am-2"
    "be-mpm3pm"
    "bgetech-ws100"
    "carlo-gavazzi-em112"
    "carlo-gavazzi-em210"
    "carlo-gavazzi-em24"
    "carlo-gavazzi-em24-e1"
    "carlo-gavazzi-em270"
    "carlo-gavazzi-em340"
    "carlo-gavazzi-em511"
    "carlo-gavazzi-em540"
    "carlo-gavazzi-em580"
    "chint-ddsu666"
    "chint-ddsu666-h"
    "chint-dtsu666"
    "circutor-cdp-duo"
    "circutor-cvm-c10"
    "contrel-ud3h"
    "dzg-dvh4013"
    "eastron-sdm120"
    "eastron-sdm220"
    "eastron-sdm230"
    "eastron-sdm530"
    "eastron-sdm54"
    "eastron-sdm630"
    "eastron-sdm630mct"
    "eastron-sdm72d"
    "eastron-sdm72d-m-2"
    "eastron-smart-x96-1a"
    "eltako-dsz15"
    "ff-le-01mr"
    "finder-7e23"
    "finder-7e78"
    "finder-7m38"
    "fronius-ts-100a-1"
    "garo-gnm3d"
    "generic-ddm18sd"
    "hager-ecr180d"
    "hiking-dds238"
    "hiking-dds238-old"
    "huawei-dtsu666-h"
    "igen-dtsd422-d3"
    "ime-conto-d2"
    "ime-conto-d4-pt"
    "inepro-grow"
    "inepro-pro380-old"
    "iskra-wm3m4"
    "janitza-b23"
    "janitza-umg511"
    "janitza-umg604"
    "janitza-umg96rm"
    "kdk-2pu-ct"
    "klefr-693x"
    "kostal-ksem"
    "lovato-dmg210"
    "lovato-dmg610"
    "orno-or-we-504"
    "orno-or-we-515"
    "orno-or-we-516"
    "orno-or-we-525"
    "peacefair-pzem-004t-v3"
    "peacefair-pzem-017"
    "phoenix-contact-eem-350-d-mcb"
    "phoenix-contact-eem-em357"
    "phoenix-contact-eem-ma370"
    "saia-ald1"
    "satec-pm130"
    "schneider-iem2155"
    "schneider-iem3150"
    "schneider-iem3155"
    "schneider-pm3255"
    "schneider-pm5110"
    "selec-em2m-1p"
    "shelly-pro-3em"
    "siemens-pac1020"
    "siemens-pac1600"
    "siemens-pac2200"
    "siemens-pac3100"
    "siemens-pac3200"
    "siemens-pac3220"
    "siemens-pac4200"
    "smappee-power-box"
    "socomec-countis-e04"
    "socomec-countis-e24"
    "socomec-diris-a10"
    "socomec-diris-a14"
    "solaredge-meter-1"
    "solaredge-se-mtr-3y"
    "sunspec-meter"
    "taiye-tac4300-ct"
    "victron-vm-3p75ct"
    "wago-879-3000"
    "weidmueller-em111-rtu"
    "weidmueller-em122-rtu"
    "weidmueller-em525"
    "ytl-dds353h"
    "ziehl-efr4001ip"
}

/// The built-in profiles; none is read before it is asked for.
pub fn library() -> &'static Library {
    &LIBRARY
}

impl Library {
    /// The name of every profile, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.slots.iter().map(|slot| slot.name)
    }

    /// Every entry, ordered by name. Reads all of them.
    pub fn entries(&self) -> impl Iterator<Item = &'static LibraryEntry> {
        self.slots.iter().filter_map(Slot::entry)
    }

    /// The profile of that name or alias.
    pub fn find(&self, name: &str) -> Option<&'static LibraryEntry> {
        let by_name = self.slots.iter().find(|slot| slot.name == name);
        by_name.or_else(|| self.slots.iter().find(|slot| slot.head().aliases().any(|alias| alias == name)))?.entry()
    }

    /// The name or alias that somebody may have meant; `None` where nothing is near.
    pub fn nearest(&self, name: &str) -> Option<&'static str> {
        self.near(name).into_iter().next()
    }

    /// Up to three names or aliases that somebody may have meant, the nearest first.
    pub fn near(&self, name: &str) -> Vec<&'static str> {
        let name = name.to_ascii_lowercase();
        let similar = |known: &&str| strsim::jaro_winkler(known, &name) > 0.8;
        let mut near: Vec<_> = self.slots.iter().flat_map(Slot::names).filter(similar).collect();
        near.sort_by_key(|known| strsim::damerau_levenshtein(known, &name));
        near.truncate(3);
        near
    }

    /// What a meter with these answers looks like, as far as they say.
    pub fn matching(&self, answers: &Answers) -> Vec<&'static LibraryEntry> {
        self.entries().filter(|entry| entry.profile.recognises(answers)).collect()
    }

    /// The registers by which meters are told apart, those of most profiles first.
    pub fn identity_ranges(&self) -> Vec<RegisterRange> {
        let mut uses: BTreeMap<RegisterRange, usize> = BTreeMap::new();
        for range in self.entries().flat_map(|entry| entry.profile.identity_ranges()) {
            *uses.entry(range).or_default() += 1;
        }
        let mut ranges: Vec<_> = uses.into_iter().collect();
        ranges.sort_by_key(|(_, uses)| std::cmp::Reverse(*uses));
        ranges.into_iter().map(|(range, _)| range).collect()
    }

    /// The entries whose name, alias, vendor or model contains every word of `text`, whatever its case.
    pub fn search(&self, text: &str) -> Vec<&'static LibraryEntry> {
        let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
        let fits = |slot: &&Slot| {
            let head = slot.head();
            let names = slot.names().collect::<Vec<_>>().join(" ");
            let all = format!("{names} {} {}", head.vendor, head.model).to_lowercase();
            words.iter().all(|word| all.contains(word))
        };
        self.slots.iter().filter(fits).filter_map(Slot::entry).collect()
    }
}

/// What a file says of itself in its first lines.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    vendor: &'static str,
    model: &'static str,
    /// `"a", "b"`, as it is written.
    aliases: &'static str,
}

impl Head {
    fn aliases(self) -> impl Iterator<Item = &'static str> {
        self.aliases.split('"').skip(1).step_by(2)
    }
}

impl Slot {
    /// The names without a reading of the whole: a test holds them against it.
    fn head(&self) -> Head {
        let mut head = Head::default();
        for line in self.toml.lines().skip(1) {
            match line.split_once(" = ") {
                Some(("vendor", text)) => head.vendor = text.trim_matches('"'),
                Some(("model", text)) => head.model = text.trim_matches('"'),
                Some(("aliases", list)) => head.aliases = list,
                _ => break,
            }
        }
        head
    }

    fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.head().aliases())
    }

    fn entry(&self) -> Option<&LibraryEntry> {
        self.entry.get_or_init(|| parse(self.toml).ok()).as_ref()
    }
}

/// One file: exactly one `[profile.NAME]`.
fn parse(toml: &'static str) -> Result<LibraryEntry, Vec<Finding>> {
    let document = DeTable::parse(toml).map_err(|error| vec![Finding::error(0..0, error.to_string())])?;
    let findings = Findings::unshown();
    let profile = {
        let root = Form::root(&document, &findings);
        let profiles = root.named_tables("profile");
        let mut profiles = profiles.into_iter().filter_map(|(name, form)| Profile::from_form(&name, form));
        let profile = profiles.next().filter(|_| profiles.next().is_none());
        root.finish();
        profile
    };
    match profile {
        Some(profile) => Ok(LibraryEntry { profile: Arc::new(profile), toml }),
        None => Err(findings.into_vec()),
    }
}

#[cfg(test)]
mod tests;
