//! One client of an account: what Arkreen's word on its figure means for the next one.

use std::time::Duration;

use rand::Rng;

use super::ALERT_AFTER;
use crate::reporter::agenda::Agenda;
use crate::reporter::retry::RetryWaits;
use crate::reporter::rpc::ClientReport;
use crate::reporter::trouble::{self, LogLine, Trouble, TroubleLevel};
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

/// What is remembered of it.
#[derive(Debug)]
pub(super) struct ClientProgress {
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
pub(super) struct Rejection {
    pub(super) grade: TroubleLevel,
    pub(super) again: Retry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    AtNextSlot,
    /// With back-off.
    Soon,
    /// With the slow probe.
    Probed,
}

impl From<TroubleLevel> for Retry {
    fn from(grade: TroubleLevel) -> Self {
        match grade {
            TroubleLevel::Watched | TroubleLevel::Retrying => Retry::Soon,
            TroubleLevel::Refused | TroubleLevel::Alert => Retry::Probed,
        }
    }
}

impl ClientProgress {
    pub(super) fn new(id: ClientId) -> Self {
        ClientProgress {
            id,
            waits: RetryWaits::default(),
            trouble: None,
            too_low: 0,
            unknown_code: 0,
            malformed: None,
            waiting: None,
        }
    }

    pub(super) fn accepted(&mut self) -> Option<LogLine> {
        self.waits = RetryWaits::default();
        self.too_low = 0;
        self.unknown_code = 0;
        self.malformed = None;
        trouble::end(&mut self.trouble, "Arkreen takes this client's figures again")
    }

    /// What the code means; `None` where it is about the account.
    pub(super) fn refused(&mut self, code: Option<i64>, entry: &ClientReport) -> Option<Rejection> {
        let refused = |grade, again| Some(Rejection { grade, again });
        match code {
            Some(1000 | -32601) => None,
            Some(4002) => refused(TroubleLevel::Refused, Retry::Probed),
            Some(4003) => {
                self.too_low = self.too_low.saturating_add(1);
                let grade = if self.too_low >= ALERT_AFTER { TroubleLevel::Alert } else { TroubleLevel::Watched };
                refused(grade, Retry::AtNextSlot)
            }
            Some(1 | -32603 | -32099..=-32000) => refused(TroubleLevel::Retrying, Retry::Soon),
            Some(-32700 | -32600 | -32602) => {
                self.malformed = Some((entry.power, entry.energy));
                refused(TroubleLevel::Alert, Retry::AtNextSlot)
            }
            _ => {
                self.unknown_code = self.unknown_code.saturating_add(1);
                let grade = if self.unknown_code >= ALERT_AFTER { TroubleLevel::Alert } else { TroubleLevel::Retrying };
                refused(grade, Retry::Soon)
            }
        }
    }

    pub(super) fn hold(
        &mut self,
        agenda: &mut Agenda,
        name: &Name,
        refused: Rejection,
        now: Duration,
        rng: &mut impl Rng,
    ) {
        if refused.again != Retry::AtNextSlot {
            agenda.hold(name, now + wait(&mut self.waits, refused.again, rng));
        }
    }

    /// Nothing is known of its figure: the next slot will tell.
    pub(super) fn watch(&mut self, text: String) -> Option<LogLine> {
        trouble::note(&mut self.trouble, TroubleLevel::Watched, text)
    }
}

pub(super) fn wait(waits: &mut RetryWaits, again: Retry, rng: &mut impl Rng) -> Duration {
    match again {
        Retry::AtNextSlot | Retry::Soon => waits.transient(rng),
        Retry::Probed => waits.slow_probe(),
    }
}
