//! Whether a meter is the one that its profile describes, and which of the profile's maps it has.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::identity::{CheckResult, Expectation, RefusedRanges};
use super::profile::{Profile, RegisterMap};
use super::range::{Answers, RegisterRange};

/// What the identity registers of a meter say.
#[derive(Clone, Debug, PartialEq)]
pub enum IdentityCheck {
    /// It is the meter, and these maps are possible (the profile itself where it has none). Never empty.
    Matches(Vec<Arc<Profile>>),
    /// It is another meter: why.
    OtherMeter(String),
    /// It is the meter, but a setting differs from what the profile needs: what to set.
    WrongSettings(String),
    /// The registers could not be read: why.
    Unknown(String),
}

impl Profile {
    /// The ranges to read for [`Profile::check_identity`], each in a request of its own. Empty for most meters.
    pub fn identity_requests(&self) -> Vec<RegisterRange> {
        let maps = self.maps.iter().flat_map(|map| map.identity.iter().chain(&map.profile.settings));
        let all = self.identity.iter().chain(&self.settings).chain(maps);
        // In this order, so that the profile's own identity is read first.
        let mut seen = BTreeSet::new();
        all.map(|expectation| expectation.range).filter(|range| seen.insert(*range)).collect()
    }

    /// Compares the answers to [`Profile::identity_requests`] with the profile.
    pub fn check_identity(self: &Arc<Self>, answers: &Answers, refused: &RefusedRanges) -> IdentityCheck {
        match check_all(&self.identity, answers, refused) {
            CheckResult::Passed => {}
            CheckResult::Failed(why) => return IdentityCheck::OtherMeter(format!("this is not {}: {why}", self.name)),
            CheckResult::Unknown => return IdentityCheck::Unknown(UNREAD.to_owned()),
        }
        let candidates = match self.candidates(answers, refused) {
            Ok(candidates) => candidates,
            Err(check) => return check,
        };
        let mut wrong = None;
        let mut matching = Vec::new();
        for candidate in candidates {
            match check_settings(&candidate.settings, answers, refused) {
                CheckResult::Passed => matching.push(candidate),
                CheckResult::Failed(why) => _ = wrong.get_or_insert(why),
                CheckResult::Unknown => {}
            }
        }
        if !matching.is_empty() {
            return IdentityCheck::Matches(matching);
        }
        wrong.map_or_else(|| IdentityCheck::Unknown(UNREAD.to_owned()), IdentityCheck::WrongSettings)
    }

    /// The maps whose identity matches, or else those without an identity.
    fn candidates(
        self: &Arc<Self>,
        answers: &Answers,
        refused: &RefusedRanges,
    ) -> Result<Vec<Arc<Profile>>, IdentityCheck> {
        if self.maps.is_empty() {
            return Ok(vec![self.clone()]);
        }
        let (identified, others): (Vec<_>, Vec<_>) = self.maps.iter().partition(|map| !map.identity.is_empty());
        let mut matching = Vec::new();
        let mut failures = Vec::new();
        for map in identified {
            match check_all(&map.identity, answers, refused) {
                CheckResult::Passed => matching.push(map.profile.clone()),
                CheckResult::Failed(why) => failures.push(format!("map {}: {why}", map.name)),
                CheckResult::Unknown => return Err(IdentityCheck::Unknown(UNREAD.to_owned())),
            }
        }
        if matching.is_empty() {
            matching = others.into_iter().map(|map| map.profile.clone()).collect();
        }
        if matching.is_empty() {
            let why = format!("no map of {} matches: {}", self.name, failures.join("; "));
            return Err(IdentityCheck::OtherMeter(why));
        }
        Ok(matching)
    }

    /// Whether these answers match its identity, or that of one of its maps. False where it has no identity registers.
    pub fn recognises(&self, answers: &Answers) -> bool {
        let matches = |identity: &[Expectation]| check_all(identity, answers, &[]) == CheckResult::Passed;
        let a_map_matches = || self.maps.iter().any(|map| !map.identity.is_empty() && matches(&map.identity));
        matches(&self.identity) && (!self.identity.is_empty() || a_map_matches())
    }

    /// The map of that name.
    pub fn map(&self, name: &str) -> Option<&RegisterMap> {
        self.maps.iter().find(|map| map.name.as_str() == name)
    }

    /// The registers that distinguish this profile from others, its maps included.
    pub(super) fn identity_ranges(&self) -> impl Iterator<Item = RegisterRange> + '_ {
        let maps = self.maps.iter().flat_map(|map| &map.identity);
        self.identity.iter().chain(maps).map(|expectation| expectation.range)
    }
}

const UNREAD: &str = "the registers that identify the meter could not be read";

/// Passed where all of them pass; failed where one fails.
fn check_all(expectations: &[Expectation], answers: &Answers, refused: &RefusedRanges) -> CheckResult {
    let mut result = CheckResult::Passed;
    for expectation in expectations {
        match expectation.check(answers, refused) {
            CheckResult::Passed => {}
            failed @ CheckResult::Failed(_) => return failed,
            CheckResult::Unknown => result = CheckResult::Unknown,
        }
    }
    result
}

/// As [`check_all`]; a failure also says what to set.
fn check_settings(settings: &[Expectation], answers: &Answers, refused: &RefusedRanges) -> CheckResult {
    let failure = settings.iter().find_map(|setting| match setting.check(answers, refused) {
        CheckResult::Failed(why) => Some((why, setting.remedy.as_deref().unwrap_or("it"))),
        _ => None,
    });
    match failure {
        Some((why, remedy)) => CheckResult::Failed(format!("{why}; set {remedy} at the meter")),
        None => check_all(settings, answers, refused),
    }
}

#[cfg(test)]
mod tests;
