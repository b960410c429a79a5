//! Whether a meter is the one that its profile means, and which of the profile's maps it has.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::block::{Answers, RegisterRange};
use super::identity::{Expectation, Found, Refused};
use super::profile::{Map, Profile};

/// What the registers that tell meters apart say.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It is; these maps are possible (the profile itself where it has none). Never empty.
    Fits(Vec<Arc<Profile>>),
    /// It is another meter: why, in words.
    Other(String),
    /// It is the right one, and not set as the profile needs it: what to set.
    WronglySet(String),
    /// They could not be read: why.
    Unknown(String),
}

impl Profile {
    /// What is to be asked for [`Profile::standing`]: nothing for most meters. Each block in a request of its own.
    pub fn checks(&self) -> Vec<RegisterRange> {
        let maps = self.maps.iter().flat_map(|map| map.identity.iter().chain(&map.profile.settings));
        let all = self.identity.iter().chain(&self.settings).chain(maps);
        // In their order, so that the profile's own identity is asked first.
        let mut asked = BTreeSet::new();
        all.map(|expectation| expectation.block).filter(|block| asked.insert(*block)).collect()
    }

    /// What the answers to [`Profile::checks`] say.
    pub fn standing(self: &Arc<Self>, answers: &Answers, refused: &Refused) -> Standing {
        match judged(&self.identity, answers, refused) {
            Found::Right => {}
            Found::Wrong(why) => return Standing::Other(format!("this is no {}: {why}", self.name)),
            Found::Unknown => return Standing::Unknown(UNREAD.to_owned()),
        }
        let candidates = match self.candidates(answers, refused) {
            Ok(candidates) => candidates,
            Err(standing) => return standing,
        };
        let set = |profile: &Arc<Profile>| judged_settings(&profile.settings, answers, refused);
        let fitting: Vec<_> = candidates.iter().filter(|profile| set(profile) == Found::Right).cloned().collect();
        if !fitting.is_empty() {
            return Standing::Fits(fitting);
        }
        let wrong = candidates.iter().map(set).find_map(|found| match found {
            Found::Wrong(why) => Some(why),
            _ => None,
        });
        wrong.map_or_else(|| Standing::Unknown(UNREAD.to_owned()), Standing::WronglySet)
    }

    fn candidates(self: &Arc<Self>, answers: &Answers, refused: &Refused) -> Result<Vec<Arc<Profile>>, Standing> {
        if self.maps.is_empty() {
            return Ok(vec![self.clone()]);
        }
        let (told, untold): (Vec<_>, Vec<_>) = self.maps.iter().partition(|map| !map.identity.is_empty());
        let found: Vec<_> = told.iter().map(|map| judged(&map.identity, answers, refused)).collect();
        if found.contains(&Found::Unknown) {
            return Err(Standing::Unknown(UNREAD.to_owned()));
        }
        let profiles = |maps: Vec<&Map>| maps.into_iter().map(|map| map.profile.clone()).collect::<Vec<_>>();
        let right = told.iter().zip(&found).filter(|(_, found)| **found == Found::Right).map(|(map, _)| *map).collect();
        let (right, untold) = (profiles(right), profiles(untold));
        if !right.is_empty() {
            return Ok(right);
        }
        if !untold.is_empty() {
            return Ok(untold);
        }
        let whys = self.maps.iter().zip(&found).filter_map(|(map, found)| match found {
            Found::Wrong(why) => Some(format!("map {}: {why}", map.name)),
            _ => None,
        });
        Err(Standing::Other(format!("no map of {} fits: {}", self.name, whys.collect::<Vec<_>>().join("; "))))
    }

    /// Whether it would take a meter with these answers for one of its own. Never where it has nothing to tell by.
    pub fn recognises(&self, answers: &Answers) -> bool {
        let holds = |identity: &[Expectation]| judged(identity, answers, &[]) == Found::Right;
        let own = holds(&self.identity);
        let maps = || self.maps.iter().any(|map| !map.identity.is_empty() && holds(&map.identity));
        own && (!self.identity.is_empty() || maps())
    }

    /// The map of that name.
    pub fn map(&self, name: &str) -> Option<&Map> {
        self.maps.iter().find(|map| map.name.as_str() == name)
    }

    /// The registers that tell this profile from others, its maps included.
    pub(super) fn identity_blocks(&self) -> impl Iterator<Item = RegisterRange> + '_ {
        let maps = self.maps.iter().flat_map(|map| &map.identity);
        self.identity.iter().chain(maps).map(|expectation| expectation.block)
    }
}

const UNREAD: &str = "the registers that identify the meter could not be read";

/// Right where all are; wrong where any is.
fn judged(expectations: &[Expectation], answers: &Answers, refused: &Refused) -> Found {
    let mut found = Found::Right;
    for expectation in expectations {
        match expectation.found(answers, refused) {
            Found::Right => {}
            wrong @ Found::Wrong(_) => return wrong,
            Found::Unknown => found = Found::Unknown,
        }
    }
    found
}

/// As [`judged`], with what to set.
fn judged_settings(settings: &[Expectation], answers: &Answers, refused: &Refused) -> Found {
    let wrong = settings.iter().find_map(|setting| match setting.found(answers, refused) {
        Found::Wrong(why) => Some(format!("{why}; set {} at the meter", setting.remedy.as_deref().unwrap_or("it"))),
        _ => None,
    });
    wrong.map_or_else(|| judged(settings, answers, refused), Found::Wrong)
}

#[cfg(test)]
mod tests;
