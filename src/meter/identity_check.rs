//! Whether a meter is the one that its profile means, and which of the profile's maps it has.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::identity::{Comparison, Expectation, RefusedRanges};
use super::profile::{Profile, RegisterMap};
use super::range::{Answers, RegisterRange};

/// What the registers that tell meters apart say.
#[derive(Clone, Debug, PartialEq)]
pub enum IdentityCheck {
    /// It is; these maps are possible (the profile itself where it has none). Never empty.
    Matches(Vec<Arc<Profile>>),
    /// It is another meter: why, in words.
    OtherMeter(String),
    /// It is the right one, and not set as the profile needs it: what to set.
    WrongSettings(String),
    /// They could not be read: why.
    Unknown(String),
}

impl Profile {
    /// What is to be asked for [`Profile::check_identity`]: nothing for most meters. Each range in a request of its own.
    pub fn identity_requests(&self) -> Vec<RegisterRange> {
        let maps = self.maps.iter().flat_map(|map| map.identity.iter().chain(&map.profile.settings));
        let all = self.identity.iter().chain(&self.settings).chain(maps);
        // In their order, so that the profile's own identity is asked first.
        let mut asked = BTreeSet::new();
        all.map(|expectation| expectation.range).filter(|range| asked.insert(*range)).collect()
    }

    /// What the answers to [`Profile::identity_requests`] say.
    pub fn check_identity(self: &Arc<Self>, answers: &Answers, refused: &RefusedRanges) -> IdentityCheck {
        match judged(&self.identity, answers, refused) {
            Comparison::Right => {}
            Comparison::Wrong(why) => return IdentityCheck::OtherMeter(format!("this is no {}: {why}", self.name)),
            Comparison::Unknown => return IdentityCheck::Unknown(UNREAD.to_owned()),
        }
        let candidates = match self.candidates(answers, refused) {
            Ok(candidates) => candidates,
            Err(standing) => return standing,
        };
        let set = |profile: &Arc<Profile>| judged_settings(&profile.settings, answers, refused);
        let fitting: Vec<_> = candidates.iter().filter(|profile| set(profile) == Comparison::Right).cloned().collect();
        if !fitting.is_empty() {
            return IdentityCheck::Matches(fitting);
        }
        let wrong = candidates.iter().map(set).find_map(|found| match found {
            Comparison::Wrong(why) => Some(why),
            _ => None,
        });
        wrong.map_or_else(|| IdentityCheck::Unknown(UNREAD.to_owned()), IdentityCheck::WrongSettings)
    }

    fn candidates(
        self: &Arc<Self>,
        answers: &Answers,
        refused: &RefusedRanges,
    ) -> Result<Vec<Arc<Profile>>, IdentityCheck> {
        if self.maps.is_empty() {
            return Ok(vec![self.clone()]);
        }
        let (told, untold): (Vec<_>, Vec<_>) = self.maps.iter().partition(|map| !map.identity.is_empty());
        let found: Vec<_> = told.iter().map(|map| judged(&map.identity, answers, refused)).collect();
        if found.contains(&Comparison::Unknown) {
            return Err(IdentityCheck::Unknown(UNREAD.to_owned()));
        }
        let profiles = |maps: Vec<&RegisterMap>| maps.into_iter().map(|map| map.profile.clone()).collect::<Vec<_>>();
        let right =
            told.iter().zip(&found).filter(|(_, found)| **found == Comparison::Right).map(|(map, _)| *map).collect();
        let (right, untold) = (profiles(right), profiles(untold));
        if !right.is_empty() {
            return Ok(right);
        }
        if !untold.is_empty() {
            return Ok(untold);
        }
        let whys = self.maps.iter().zip(&found).filter_map(|(map, found)| match found {
            Comparison::Wrong(why) => Some(format!("map {}: {why}", map.name)),
            _ => None,
        });
        Err(IdentityCheck::OtherMeter(format!("no map of {} fits: {}", self.name, whys.collect::<Vec<_>>().join("; "))))
    }

    /// Whether it would take a meter with these answers for one of its own. Never where it has nothing to tell by.
    pub fn recognises(&self, answers: &Answers) -> bool {
        let holds = |identity: &[Expectation]| judged(identity, answers, &[]) == Comparison::Right;
        let own = holds(&self.identity);
        let maps = || self.maps.iter().any(|map| !map.identity.is_empty() && holds(&map.identity));
        own && (!self.identity.is_empty() || maps())
    }

    /// The map of that name.
    pub fn map(&self, name: &str) -> Option<&RegisterMap> {
        self.maps.iter().find(|map| map.name.as_str() == name)
    }

    /// The registers that tell this profile from others, its maps included.
    pub(super) fn identity_ranges(&self) -> impl Iterator<Item = RegisterRange> + '_ {
        let maps = self.maps.iter().flat_map(|map| &map.identity);
        self.identity.iter().chain(maps).map(|expectation| expectation.range)
    }
}

const UNREAD: &str = "the registers that identify the meter could not be read";

/// Right where all are; wrong where any is.
fn judged(expectations: &[Expectation], answers: &Answers, refused: &RefusedRanges) -> Comparison {
    let mut found = Comparison::Right;
    for expectation in expectations {
        match expectation.found(answers, refused) {
            Comparison::Right => {}
            wrong @ Comparison::Wrong(_) => return wrong,
            Comparison::Unknown => found = Comparison::Unknown,
        }
    }
    found
}

/// As [`judged`], with what to set.
fn judged_settings(settings: &[Expectation], answers: &Answers, refused: &RefusedRanges) -> Comparison {
    let wrong = settings.iter().find_map(|setting| match setting.found(answers, refused) {
        Comparison::Wrong(why) => {
            Some(format!("{why}; set {} at the meter", setting.remedy.as_deref().unwrap_or("it")))
        }
        _ => None,
    });
    wrong.map_or_else(|| judged(settings, answers, refused), Comparison::Wrong)
}

#[cfg(test)]
mod tests;
