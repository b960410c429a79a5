//! The state of a meter's identification: its profile and map as far as known, and when the identity is read again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::outcome::{PollEnd, PollOutcome};
use crate::meter::{Answers, MapSelection, Profile, ReadPlan, RegisterRange};
use crate::reading::RegisterDefinition;

/// Interval between identity reads when nothing makes them urgent.
pub(super) const EVERY: Duration = Duration::from_secs(3600);
/// Wait after an unusable chain of models, unless a command requests a poll: reading a chain takes many requests.
const CHAIN_EVERY: Duration = Duration::from_secs(60);

/// The identification of one meter.
#[derive(Debug)]
pub(super) struct Identification {
    /// The base address to try first for the chain of models.
    pub(super) base: Option<u16>,
    /// The number of models in the chain as last read.
    pub(super) models: usize,
    /// Whether the profile has a chain of models.
    pub(super) chained: bool,
    /// The identity registers; empty with a chain, where they are known only after reading it.
    pub(super) checks: Vec<RegisterRange>,
    /// When to read the identity; `None` for the next poll.
    pub(super) due_at: Option<Instant>,
    /// The meter's profile, or the selected map of it; `None` until it is selected.
    pub(super) known: Option<Arc<Profile>>,
    pub(super) definition: Option<Arc<RegisterDefinition>>,
    /// The comparison of maps, while one is being selected.
    pub(super) comparison: Option<MapComparison>,
    /// The identity registers of a wrong meter, and the hint about its model.
    pub(super) other: Option<(Answers, String)>,
    /// Until when the chain is not read again, and why it is unusable.
    pub(super) refused: Option<(Instant, String)>,
}

/// Maps that no identity register distinguishes: all are read, and their values are compared.
#[derive(Debug)]
pub(super) struct MapComparison {
    pub(super) selection: MapSelection,
    pub(super) maps: Vec<Arc<Profile>>,
    pub(super) plans: Vec<ReadPlan>,
    pub(super) started: Instant,
}

/// The answers to several requests.
pub(super) struct IdentityAnswers {
    pub(super) answers: Answers,
    /// The refused ranges and their exception codes.
    pub(super) refused: Vec<(RegisterRange, u8)>,
}

impl Identification {
    pub(super) fn new(profile: &Arc<Profile>) -> Self {
        let is_plain = profile.maps.is_empty() && profile.chain.is_none();
        let known = is_plain.then(|| profile.clone());
        let checks = if profile.chain.is_none() { profile.identity_requests() } else { Vec::new() };
        Identification {
            base: None,
            models: 0,
            chained: profile.chain.is_some(),
            checks,
            due_at: None,
            known,
            definition: None,
            comparison: None,
            other: None,
            refused: None,
        }
    }

    /// Makes the identity due in the next poll.
    pub(super) fn make_due(&mut self) {
        (self.due_at, self.refused) = (None, None);
    }

    /// Reads an unusable chain again without waiting.
    pub(super) fn forget_refusal(&mut self) {
        self.refused = None;
    }

    /// The outcome of a poll during the wait after an unusable chain.
    pub(super) fn refusal(&self) -> Option<PollOutcome> {
        let (_, why) = self.refused.as_ref().filter(|(until, _)| Instant::now() < *until)?;
        Some(PollOutcome::refused(why.clone()))
    }

    /// Starts the wait after an unusable chain.
    pub(super) fn keep_refusal(&mut self, identified: Result<&Vec<Arc<Profile>>, &PollOutcome>) {
        let why = identified.err().filter(|outcome| matches!(outcome.end, PollEnd::Answered) && self.chained);
        let why = why.and_then(|outcome| outcome.error.clone());
        self.refused = why.map(|why| (Instant::now() + CHAIN_EVERY, why));
    }

    /// `map float, model 213 at 40069`. `None` while it is not known, or for a profile without maps and chain.
    pub(super) fn map(&self) -> Option<String> {
        let known = self.known.as_ref()?;
        let undecided = if self.comparison.is_some() { " (undecided)" } else { "" };
        let map = known.map.as_ref().map(|map| format!("map {map}{undecided}"));
        let model = known.location.map(|location| location.model.to_string());
        let parts: Vec<_> = map.into_iter().chain(model).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Whether several maps are still possible.
    pub(super) fn is_selecting_map(&self) -> bool {
        self.comparison.is_some()
    }

    /// Whether the identity is read in the next poll.
    pub(super) fn is_due(&self) -> bool {
        let needed = self.chained || !self.checks.is_empty() || (self.known.is_none() && self.comparison.is_none());
        needed && self.due_at.is_none_or(|at| Instant::now() >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{self, library};

    #[tokio::test(start_paused = true)]
    async fn the_identity_is_read_at_the_start_and_every_hour() {
        let checked = Identification {
            checks: vec![RegisterRange { function: meter::Function::Input, address: 0, count: 1 }],
            ..without_checks()
        };
        assert!(checked.is_due());
        let checked = Identification { due_at: Some(Instant::now() + EVERY), ..checked };
        assert!(!checked.is_due());
        tokio::time::advance(EVERY).await;
        assert!(checked.is_due());
        assert!(!without_checks().is_due(), "no request for a profile without identity registers");
    }

    #[tokio::test(start_paused = true)]
    async fn a_chain_is_read_at_the_start_and_every_hour() {
        let chained = Identification::new(&library().find("sunspec-meter").unwrap().profile);
        assert!(chained.is_due() && chained.known.is_none(), "no value is read before the chain");
        let chained = Identification { due_at: Some(Instant::now() + EVERY), ..chained };
        assert!(!chained.is_due());
        tokio::time::advance(EVERY).await;
        assert!(chained.is_due());
    }

    fn without_checks() -> Identification {
        Identification::new(&library().find("be-mpm3pm").unwrap().profile)
    }
}
