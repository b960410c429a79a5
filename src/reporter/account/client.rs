//! One client of an account: what Arkreen's answer to its report means for the next one.

use std::time::Duration;

use rand::Rng;

use super::ALERT_AFTER;
use crate::clock::ClockReading;
use crate::ledger::WaitingReason;
use crate::reporter::agenda::Agenda;
use crate::reporter::report::ClientTrouble;
use crate::reporter::retry::{NextAttempt, RetryWaits};
use crate::reporter::rpc::ClientReport;
use crate::reporter::trouble::{LogLine, TroubleLevel, TroubleLog};
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

/// What is known about the client from earlier answers.
#[derive(Debug)]
pub(super) struct ClientProgress {
    pub(super) id: ClientId,
    pub(super) waits: RetryWaits,
    pub(super) trouble: TroubleLog,
    /// Redirects since the last acceptance.
    pub(super) redirects: u32,
    /// Refusals with 4003 since the last acceptance.
    pub(super) too_low: u32,
    /// Refusals with an unknown code since the last acceptance.
    unknown_code: u32,
    /// The power and energy that were refused as malformed: they are not sent again.
    pub(super) malformed: Option<(Milliwatts, MilliwattHours)>,
    /// Why it has no figure to report.
    pub(super) waiting: Option<WaitingReason>,
    /// When the reading that was last offered to be sent was made.
    pub(super) offered: Option<ClockReading>,
    /// The last report that was accepted: when its reading was made, and when the answer came.
    pub(super) reported: Option<(ClockReading, Duration)>,
}

/// What a refusal means for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) level: TroubleLevel,
    pub(super) retry: Retry,
}

/// When a client or an account is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    AtNextSlot,
    /// With back-off.
    Soon,
    /// With the slow probe.
    Probe,
}

impl From<TroubleLevel> for Retry {
    fn from(level: TroubleLevel) -> Self {
        match level {
            TroubleLevel::Watched | TroubleLevel::Retrying => Retry::Soon,
            TroubleLevel::Refused | TroubleLevel::Alert => Retry::Probe,
        }
    }
}

impl ClientProgress {
    pub(super) fn new(id: ClientId) -> Self {
        let waits = RetryWaits::default();
        let trouble = TroubleLog::default();
        ClientProgress {
            id,
            waits,
            trouble,
            redirects: 0,
            too_low: 0,
            unknown_code: 0,
            malformed: None,
            waiting: None,
            offered: None,
            reported: None,
        }
    }

    /// Why it is not reported as it should be, if so: the answer to its last report before what it lacks for the next.
    pub(super) fn shown_trouble(&self) -> Option<ClientTrouble> {
        let answer = self.trouble.text().map(ClientTrouble::Answer);
        answer.or_else(|| self.waiting.clone().map(ClientTrouble::Waiting))
    }

    /// Its report was accepted, and the answer came `now`.
    pub(super) fn accepted(&mut self, now: Duration) -> Option<LogLine> {
        let (waiting, trouble) = (self.waiting.take(), std::mem::take(&mut self.trouble));
        let reported = self.offered.map(|read_at| (read_at, now)).or(self.reported);
        *self = ClientProgress { waiting, trouble, offered: self.offered, reported, ..ClientProgress::new(self.id) };
        self.trouble.end("Arkreen accepts this client's reports again")
    }

    /// What the code means for this client; `None` if it concerns the account.
    pub(super) fn refused(&mut self, code: Option<i64>, report: &ClientReport) -> Option<Rejection> {
        let refused = |level, retry| Some(Rejection { level, retry });
        match code {
            Some(1000 | -32601) => None,
            Some(4002) => refused(TroubleLevel::Refused, Retry::Probe),
            Some(4003) => {
                self.too_low = self.too_low.saturating_add(1);
                let level = if self.too_low >= ALERT_AFTER { TroubleLevel::Alert } else { TroubleLevel::Watched };
                refused(level, Retry::AtNextSlot)
            }
            Some(1 | -32603 | -32099..=-32000) => refused(TroubleLevel::Retrying, Retry::Soon),
            Some(-32700 | -32600 | -32602) => {
                self.malformed = Some((report.power, report.energy));
                refused(TroubleLevel::Alert, Retry::AtNextSlot)
            }
            _ => {
                self.unknown_code = self.unknown_code.saturating_add(1);
                let level = if self.unknown_code >= ALERT_AFTER { TroubleLevel::Alert } else { TroubleLevel::Retrying };
                refused(level, Retry::Soon)
            }
        }
    }

    /// Delays the client's next report as the rejection requires.
    pub(super) fn hold(
        &mut self,
        agenda: &mut Agenda,
        name: &Name,
        rejection: Rejection,
        now: Duration,
        rng: &mut impl Rng,
    ) {
        if rejection.retry != Retry::AtNextSlot {
            let attempt = next_attempt(&mut self.waits, rejection.retry, agenda.every(), rng);
            agenda.hold(name, agenda.time_of(attempt, now));
        }
    }
}

/// The next attempt of this kind, of an account that reports `every` so often.
pub(super) fn next_attempt(waits: &mut RetryWaits, retry: Retry, every: Duration, rng: &mut impl Rng) -> NextAttempt {
    match retry {
        Retry::AtNextSlot | Retry::Soon => waits.transient(every, rng),
        Retry::Probe => NextAttempt::After(waits.slow_probe()),
    }
}
