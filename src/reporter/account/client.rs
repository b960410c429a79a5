//! One client of an account: what Arkreen's word on its figure means for the next one.

use std::time::Duration;

use rand::Rng;

use super::ALERT_AFTER;
use crate::reporter::agenda::Agenda;
use crate::reporter::retry::RetryWaits;
use crate::reporter::rpc::Entry;
use crate::reporter::trouble::{self, Grade, Line, Trouble};
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

/// What is remembered of it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: ClientId,
    pub(super) waits: RetryWaits,
    pub(super) trouble: Option<Trouble>,
    /// Refusals with 4003 since the last acceptance.
    pub(super) too_low: u32,
    /// Refusals with an unknown code since the last acceptance.
    unknown_code: u32,
    /// A figure that was refused as malformed: it is not sent again.
    pub(super) malformed: Option<(Milliwatts, MilliwattHours)>,
    /// Why there was nothing to report.
    pub(super) waiting: Option<String>,
}

/// What a refusal means for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) grade: Grade,
    pub(super) again: Again,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    AtNextSlot,
    /// With back-off.
    Soon,
    /// With the slow probe.
    Probed,
}

impl From<Grade> for Again {
    fn from(grade: Grade) -> Self {
        match grade {
            Grade::Watched | Grade::Retrying => Again::Soon,
            Grade::Refused | Grade::Alert => Again::Probed,
        }
    }
}

impl Client {
    pub(super) fn new(id: ClientId) -> Self {
        Client {
            id,
            waits: RetryWaits::default(),
            trouble: None,
            too_low: 0,
            unknown_code: 0,
            malformed: None,
            waiting: None,
        }
    }

    pub(super) fn accepted(&mut self) -> Option<Line> {
        self.waits = RetryWaits::default();
        self.too_low = 0;
        self.unknown_code = 0;
        self.malformed = None;
        trouble::end(&mut self.trouble, "Arkreen takes this client's figures again")
    }

    /// What the code means; `None` where it is about the account.
    pub(super) fn refused(&mut self, code: Option<i64>, entry: &Entry) -> Option<Refused> {
        let refused = |grade, again| Some(Refused { grade, again });
        match code {
            Some(1000 | -32601) => None,
            Some(4002) => refused(Grade::Refused, Again::Probed),
            Some(4003) => {
                self.too_low = self.too_low.saturating_add(1);
                let grade = if self.too_low >= ALERT_AFTER { Grade::Alert } else { Grade::Watched };
                refused(grade, Again::AtNextSlot)
            }
            Some(1 | -32603 | -32099..=-32000) => refused(Grade::Retrying, Again::Soon),
            Some(-32700 | -32600 | -32602) => {
                self.malformed = Some((entry.power, entry.energy));
                refused(Grade::Alert, Again::AtNextSlot)
            }
            _ => {
                self.unknown_code = self.unknown_code.saturating_add(1);
                let grade = if self.unknown_code >= ALERT_AFTER { Grade::Alert } else { Grade::Retrying };
                refused(grade, Again::Soon)
            }
        }
    }

    pub(super) fn hold(
        &mut self,
        agenda: &mut Agenda,
        name: &Name,
        refused: Refused,
        now: Duration,
        rng: &mut impl Rng,
    ) {
        if refused.again != Again::AtNextSlot {
            agenda.hold(name, now + wait(&mut self.waits, refused.again, rng));
        }
    }

    /// Nothing is known of its figure: the next slot will tell.
    pub(super) fn watch(&mut self, text: String) -> Option<Line> {
        trouble::note(&mut self.trouble, Grade::Watched, text)
    }
}

pub(super) fn wait(waits: &mut RetryWaits, again: Again, rng: &mut impl Rng) -> Duration {
    match again {
        Again::AtNextSlot | Again::Soon => waits.transient(rng),
        Again::Probed => waits.slow_probe(),
    }
}
