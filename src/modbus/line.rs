//! One bus's link: opened when needed, one request at a time, one verified answer each.

use std::time::Duration;

use tokio::time::Instant;

use super::asked::{Asked, Identity};
use super::error::{Error, Garbled};
use super::exchange::{Answer, Failure, Open, Unsettled, refused};
use super::open::{self, Opening};
use super::outcome::outcome;
use crate::config::{BusConfig, Link};
use crate::meter::RegisterRange;
use crate::quality::{Count, Outcome, Request, Tally};
use crate::units::UnitId;

/// What happened on a line since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub requests: u64,
    /// Verified answers, exceptions not among them.
    pub answers: u64,
    pub timeouts: u64,
    pub garbled: u64,
    pub exceptions: u64,
    /// Times the link was opened.
    pub opened: u64,
}

/// The owner of one link. What comes on it is only ever taken as the answer to the request that is under way. It can read, and nothing else.
///
/// A read that is dropped before its end leaves the line in a state that the next read mends first.
#[derive(Debug)]
pub struct Line {
    bus: BusConfig,
    label: String,
    open: Option<Open>,
    opening: Opening,
    /// Since when nothing more is due, where the last request did not end well: its answer may come yet, even over a link that is
    /// opened anew.
    unsettled: Option<Instant>,
    counts: Counts,
    /// Most units that are asked do not exist.
    sweeping: bool,
    /// The unit that was asked last, where nothing at all came.
    silent: Option<u8>,
    overheard: bool,
    /// The requests that nobody has taken note of yet.
    tally: Tally,
}

impl Line {
    /// Nothing is opened yet.
    pub fn new(bus: &BusConfig) -> Self {
        Line {
            bus: bus.clone(),
            label: open::label(&bus.link),
            open: None,
            opening: Opening::default(),
            unsettled: None,
            counts: Counts::default(),
            sweeping: false,
            silent: None,
            overheard: false,
            tally: Tally::default(),
        }
    }

    /// A line on which most of the units that are asked do not exist. Where nothing at all came within the time-out, another unit is asked
    /// after no more than the line's own silence: a late answer is then known by its unit. [`Line::overheard`] says that one came.
    pub fn sweeping(bus: &BusConfig) -> Self {
        Line { sweeping: true, ..Line::new(bus) }
    }

    /// How long a meter may take to answer, from the next request on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.bus.timeout = timeout;
    }

    /// Whether something came around the last request that was no answer to it: a unit that was asked before may be slow.
    pub fn overheard(&self) -> bool {
        self.overheard
    }

    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The requests since this was last asked.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Opens the link where it is not open, and waits the bus's `connect_delay`.
    ///
    /// # Errors
    /// [`Error::Open`], with the system's reason and the remedy.
    pub async fn open(&mut self) -> Result<(), Error> {
        if self.open.is_none() {
            let stream = open::open(&self.bus.link, &mut self.opening).await?;
            self.counts.opened += 1;
            self.open = Some(Open::new(&self.bus, stream));
            if !self.bus.connect_delay.is_zero() {
                tokio::time::sleep(self.bus.connect_delay).await;
            }
        }
        Ok(())
    }

    /// Reads one block: as many registers as it asks for, all from one response. Opens the link where it is not open.
    ///
    /// A gateway that closed an idle connection is connected to once more without a word.
    ///
    /// # Errors
    /// Why there is no answer. After [`Error::Closed`] (and lost framing) the link is no longer open.
    pub async fn read(&mut self, unit: UnitId, block: RegisterRange) -> Result<Vec<u16>, Error> {
        self.read_after(Duration::ZERO, unit, block).await
    }

    /// As [`Line::read`], of a meter that needs at least this silence before each request.
    ///
    /// # Errors
    /// As [`Line::read`].
    pub async fn read_after(
        &mut self,
        silence: Duration,
        unit: UnitId,
        block: RegisterRange,
    ) -> Result<Vec<u16>, Error> {
        match self.ask(silence, unit, block.into()).await? {
            Answer::Registers(words) => Ok(words),
            Answer::Identity(_) => Err(refused(unit.get(), "another kind of answer".to_owned()).0),
        }
    }

    /// Who the unit says it is, as it says it: bytes of the meter, for [`Identity::texts`].
    ///
    /// # Errors
    /// As [`Line::read`]; meters that know no such function refuse it or stay silent.
    pub async fn identify(&mut self, unit: UnitId, identity: Identity) -> Result<Vec<u8>, Error> {
        match self.ask(Duration::ZERO, unit, Asked::Identity(identity)).await? {
            Answer::Identity(data) => Ok(data),
            Answer::Registers(_) => Err(refused(unit.get(), "another kind of answer".to_owned()).0),
        }
    }

    async fn ask(&mut self, silence: Duration, unit: UnitId, asked: Asked) -> Result<Answer, Error> {
        let kept = self.open.as_ref().is_some_and(|open| open.answered) && !matches!(self.bus.link, Link::Serial(_));
        match self.attempt(silence, unit, asked).await {
            Err(Error::Closed { .. }) if kept => self.attempt(silence, unit, asked).await,
            result => result,
        }
    }

    async fn attempt(&mut self, silence: Duration, unit: UnitId, asked: Asked) -> Result<Answer, Error> {
        self.open().await?;
        let open = self.open.as_mut().expect("it was just opened");
        let unit = unit.get();
        let elsewhere = self.sweeping && self.silent.is_some_and(|silent| silent != unit);
        let unsettled = if elsewhere { None } else { self.unsettled };
        let was_silent = self.silent.take().is_some();
        let settled = open.settle(&self.label, &self.bus, silence, unsettled).await;
        self.overheard = matches!(settled, Ok(true) | Err(Unsettled::NeverSilent));
        let begun = Begun { at: Instant::now(), sent: settled.is_ok(), late: was_silent && self.overheard };
        let result = match settled {
            Err(Unsettled::Closed(error)) => Err((error, false)),
            Err(Unsettled::NeverSilent) => Err((Error::Garbled { unit, why: Garbled::NeverSilent }, true)),
            Ok(_) => {
                self.counts.requests += 1;
                // A read that is dropped has no other end.
                self.unsettled = Some(begun.at + self.bus.timeout);
                open.exchange(&self.label, &self.bus, unit, asked, self.sweeping).await
            }
        };
        self.conclude(unit, begun, &result);
        if matches!(result, Err((_, false))) {
            self.open = None;
        }
        result.map_err(|(error, _)| error)
    }

    /// A request is over, or could not be sent: what follows from it for the next one, and what it counts as.
    fn conclude(&mut self, unit: u8, begun: Begun, result: &Result<Answer, Failure>) {
        let Some(open) = &self.open else { return };
        let beside = open.handle.wire().beside();
        let well = matches!(result, Ok(_) | Err((Error::Exception { .. }, _))) && !beside.more;
        let ended_at = if well { open.heard_at } else { Instant::now() };
        self.unsettled = (!well).then_some(ended_at);
        self.silent = matches!(result, Err((Error::TimedOut { .. }, _))).then_some(unit);
        self.overheard |= beside.stray_unit.is_some();
        match result {
            Ok(_) => self.counts.answers += 1,
            Err((Error::TimedOut { .. }, _)) => self.counts.timeouts += 1,
            Err((Error::Garbled { .. }, _)) => self.counts.garbled += 1,
            Err((Error::Exception { .. }, _)) => self.counts.exceptions += 1,
            Err((Error::Open { .. } | Error::Closed { .. }, _)) => {}
        }
        let outcome = result.as_ref().err().map_or(Some(Outcome::Answered), |(error, _)| outcome(error));
        // A link that was closed while nothing was asked says nothing of the line.
        let Some(outcome) = outcome.filter(|it| begun.sent || *it != Outcome::Failed(Count::Lost)) else { return };
        let took = ended_at.saturating_duration_since(begun.at);
        self.tally.note(&Request {
            outcome,
            took,
            silence: open.silence,
            slow: result.is_ok() && took + self.bus.timeout / 5 >= open.patience,
            echo: begun.sent && beside.echo,
            late: begun.late || beside.late || result.is_ok() && beside.stray_unit.is_some(),
        });
    }
}

/// A request that is under way.
#[derive(Clone, Copy)]
struct Begun {
    at: Instant,
    /// Not where the line did not let it.
    sent: bool,
    /// Something came before it after nothing had come within the time-out.
    late: bool,
}
