//! What is known of who a meter is and which map of its profile it has, and when that is to be asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::outcome::{PollEnd, PollOutcome};
use crate::meter::{Answers, MapSelection, Profile, ReadPlan, RegisterRange};
use crate::reading::RegisterDefinition;

/// How often it is asked while nothing makes it urgent.
pub(super) const EVERY: Duration = Duration::from_secs(3600);
/// A chain takes many requests to walk: one that was refused is left alone for so long, unless somebody asks.
const CHAIN_EVERY: Duration = Duration::from_secs(60);

/// What is known of who the meter is.
#[derive(Debug)]
pub(super) struct Identification {
    /// The base where the meter's chain of models is likely to begin.
    pub(super) base: Option<u16>,
    pub(super) chained: bool,
    pub(super) checks: Vec<RegisterRange>,
    /// When it is to be asked; `None` for the next poll.
    pub(super) ask_at: Option<Instant>,
    /// The profile, or the map of it, that the meter has; `None` where that is open.
    pub(super) known: Option<Arc<Profile>>,
    pub(super) definition: Option<Arc<RegisterDefinition>>,
    pub(super) race: Option<MapComparison>,
    /// What the last wrong meter answered, and what it looks like.
    pub(super) other: Option<(Answers, String)>,
    /// Why the chain was refused, and until when that stands.
    pub(super) refused: Option<(Instant, String)>,
}

/// Maps that no register tells apart, read side by side.
#[derive(Debug)]
pub(super) struct MapComparison {
    pub(super) contest: MapSelection,
    pub(super) maps: Vec<Arc<Profile>>,
    pub(super) plans: Vec<ReadPlan>,
    pub(super) begun: Instant,
}

/// What came of a round of questions.
pub(super) struct IdentityAnswers {
    pub(super) answers: Answers,
    pub(super) refused: Vec<(RegisterRange, u8)>,
}

impl Identification {
    pub(super) fn new(profile: &Arc<Profile>) -> Self {
        let is_plain = profile.maps.is_empty() && profile.chain.is_none();
        let known = is_plain.then(|| profile.clone());
        // In a chain the registers to check are known when it was walked.
        let checks = if profile.chain.is_none() { profile.identity_requests() } else { Vec::new() };
        Identification {
            base: None,
            chained: profile.chain.is_some(),
            checks,
            ask_at: None,
            known,
            definition: None,
            race: None,
            other: None,
            refused: None,
        }
    }

    pub(super) fn ask_again(&mut self) {
        (self.ask_at, self.refused) = (None, None);
    }

    /// Somebody asks: what was refused is looked at anew.
    pub(super) fn look_again(&mut self) {
        self.refused = None;
    }

    /// Why the meter is not read, where that was found out a short while ago.
    pub(super) fn refusal(&self) -> Option<PollOutcome> {
        let (_, why) = self.refused.as_ref().filter(|(until, _)| Instant::now() < *until)?;
        Some(PollOutcome::refused(why.clone()))
    }

    /// What the meter said of itself: a refusal of its chain stands for a while.
    pub(super) fn keep_refusal(&mut self, identified: Result<&Vec<Arc<Profile>>, &PollOutcome>) {
        let why = identified.err().filter(|polled| matches!(polled.end, PollEnd::Answered) && self.chained);
        let why = why.and_then(|polled| polled.error.clone());
        self.refused = why.map(|why| (Instant::now() + CHAIN_EVERY, why));
    }

    pub(super) fn definition(&self) -> Option<Arc<RegisterDefinition>> {
        self.definition.clone()
    }

    /// `map float, model 213 at 40069`, as far as it is known and not plain.
    pub(super) fn map(&self) -> Option<String> {
        let known = self.known.as_ref()?;
        let map = known.map.as_ref().map(|map| format!("map {map}"));
        let place = known.location.map(|place| place.model.to_string());
        let told: Vec<_> = map.into_iter().chain(place).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }

    /// Whether several maps are possible still.
    pub(super) fn is_open(&self) -> bool {
        self.race.is_some()
    }

    pub(super) fn is_due(&self) -> bool {
        let asks = self.chained || !self.checks.is_empty() || (self.known.is_none() && self.race.is_none());
        asks && self.ask_at.is_none_or(|at| Instant::now() >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{self, library};

    #[tokio::test(start_paused = true)]
    async fn the_meter_is_identified_now_and_then() {
        let identification = Identification {
            checks: vec![RegisterRange { function: meter::Function::Input, address: 0, count: 1 }],
            ..without_identity()
        };
        assert!(identification.is_due());
        let identification = Identification { ask_at: Some(Instant::now() + EVERY), ..identification };
        assert!(!identification.is_due());
        tokio::time::advance(EVERY).await;
        assert!(identification.is_due());
        assert!(!without_identity().is_due(), "a meter without identity registers costs no request");
    }

    #[tokio::test(start_paused = true)]
    async fn a_chain_is_walked_at_the_start_and_now_and_then() {
        let chained = Identification::new(&library().find("sunspec-meter").unwrap().profile);
        assert!(chained.is_due() && chained.known.is_none(), "nothing is read before it was walked");
        let chained = Identification { ask_at: Some(Instant::now() + EVERY), ..chained };
        assert!(!chained.is_due());
        tokio::time::advance(EVERY).await;
        assert!(chained.is_due());
    }

    fn without_identity() -> Identification {
        Identification::new(&library().find("be-mpm3pm").unwrap().profile)
    }
}
