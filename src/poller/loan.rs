//! A loan of the line: a borrower's reads run between the polls, one at a time, when every meter is still read within its slot.
//!
//! The borrower is a command such as `scan` that found the daemon running. [`super::schedule`] decides when its turn is.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::Instant;

use crate::modbus::{LentAnswer, LentExchange, LentRequest, LinkSettings};
use crate::units::UnitId;

/// The least time that a unit which answers is expected to need.
const SHORTEST: Duration = Duration::from_millis(20);

/// How fast the requests of a borrower will be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoanTerms {
    /// The expected time for a request to a unit that is not there.
    pub missing_unit: Duration,
    /// The expected time for a request to a unit that answers.
    pub answering_unit: Duration,
}

/// The borrower of a line, and its request.
#[derive(Debug)]
pub(super) struct Loan {
    /// `arkmeter scan (process 12)`.
    pub(super) borrower: String,
    requests: mpsc::Receiver<LentExchange>,
    /// The request that waits for its turn.
    waiting: Option<LentExchange>,
    /// The unit that answered the last request, and how long it took beside the time on the line.
    answering: Option<(u8, Duration)>,
    pub(super) began: Instant,
    /// Requests carried out.
    pub(super) carried_out: u64,
}

impl Loan {
    pub(super) fn new(borrower: String, requests: mpsc::Receiver<LentExchange>) -> Self {
        Loan { borrower, requests, waiting: None, answering: None, began: Instant::now(), carried_out: 0 }
    }

    /// Takes the next request, if there is one. True if the borrower is gone.
    pub(super) fn has_ended(&mut self) -> bool {
        if self.waiting.as_ref().is_some_and(|exchange| exchange.reply.is_closed()) {
            self.waiting = None;
        }
        if self.waiting.is_none() {
            match self.requests.try_recv() {
                Ok(exchange) => self.waiting = Some(exchange),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return true,
            }
        }
        false
    }

    /// Waits until a request comes, or the borrower is gone, which [`Loan::has_ended`] then says.
    pub(super) async fn change(&mut self) {
        if let Some(exchange) = &mut self.waiting {
            exchange.reply.closed().await;
            self.waiting = None;
        }
        self.waiting = self.requests.recv().await;
    }

    /// How long the waiting request is expected to take; `None` if none waits. `polled`: the units of the bus's own meters.
    pub(super) fn expected(&self, settings: &LinkSettings, polled: &[UnitId]) -> Option<Duration> {
        let request = granted(&self.waiting.as_ref()?.request, settings, polled);
        Some(match self.answering.filter(|(unit, _)| *unit == request.unit()) {
            Some((_, latency)) => request.on_the_line(settings) + latency.max(SHORTEST),
            None => request.longest(settings),
        })
    }

    /// The waiting request, to be carried out now.
    pub(super) fn take(&mut self, settings: &LinkSettings, polled: &[UnitId]) -> Option<LentExchange> {
        let LentExchange { request, reply } = self.waiting.take()?;
        Some(LentExchange { request: granted(&request, settings, polled), reply })
    }

    /// Notes how a request ended.
    pub(super) fn carried_out(
        &mut self,
        request: &LentRequest,
        answer: &LentAnswer,
        took: Duration,
        settings: &LinkSettings,
    ) {
        self.carried_out += 1;
        let latency = took.saturating_sub(request.on_the_line(settings));
        self.answering = answer.is_present().then_some((request.unit(), latency));
    }
}

/// The request as the line carries it out. A late answer of a polled meter could be taken for the answer to its next poll, and a gateway
/// may pass on no other request while it waits for a unit: there the borrower gets no shorter timeout than the polls.
fn granted(request: &LentRequest, settings: &LinkSettings, polled: &[UnitId]) -> LentRequest {
    let is_polled = polled.iter().any(|unit| unit.get() == request.unit());
    let patient = is_polled || settings.has_gateway();
    request.granted(if patient { settings.timeout } else { Duration::ZERO })
}

/// How fast requests are carried out that take as long as this one, by the pace of the schedule.
pub(super) fn terms(settings: &LinkSettings, timeout: Duration, pace: impl Fn(Duration) -> Duration) -> LoanTerms {
    let request = granted(&LentRequest::probe(timeout), settings, &[]);
    LoanTerms {
        missing_unit: pace(request.longest(settings)),
        answering_unit: pace(request.on_the_line(settings) + 2 * SHORTEST),
    }
}
