//! One bus's link: opened when needed, one request at a time, one verified answer per request.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use super::connect::{self, Opener};
use super::connection::{Connection, NotReady, OpenAnswers, ReadAnswer, Ready, refused};
use super::decoder::Failure;
use super::error::{Error, Garbled};
use super::lent::{LentAnswer, LentLine, LentRequest};
use super::outcome::outcome;
use super::request::{IdentityRequest, ReadRequest, UnitRequest};
use super::settings::{Link, LinkSettings};
use super::tolerance::TcpTolerance;
use crate::descriptors::DescriptorBudget;
use crate::lookup::HostLookup;
use crate::meter::RegisterRange;
use crate::quality::{RequestCount, RequestOutcome, RequestRecord, RequestTally};
use crate::units::UnitId;

/// What happened on a line since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCounts {
    /// Requests sent.
    pub requests: u64,
    /// Verified answers, without exceptions.
    pub answers: u64,
    /// Requests without any answer in time.
    pub timeouts: u64,
    /// Invalid answers: bad checksum, or another unit, function, length or transaction.
    pub garbled: u64,
    /// Exceptions.
    pub exceptions: u64,
    /// Times the link was opened. The status document has the times it was opened again.
    #[serde(skip)]
    pub opened: u64,
}

/// The owner of one link. Received bytes are only ever taken as the answer to the current request. A line can read, and nothing
/// else.
///
/// A read that is dropped before its end leaves the line unsettled; the next read settles it first.
#[derive(Debug)]
pub struct Line {
    settings: LinkSettings,
    connection: Option<Connection>,
    /// Where the descriptors of the connection come from; `None`: there is no budget.
    budget: Option<DescriptorBudget>,
    /// What the last connection has shown that holds for the next one.
    known: Option<TcpTolerance>,
    /// The answers to requests of earlier connections that may come over a new one.
    open_answers: Option<OpenAnswers>,
    opener: Opener,
    /// Set where the last request did not end well: from this time on no answer to it is due. It may come later even so, and even
    /// over a link that was opened again.
    unsettled: Option<Instant>,
    counts: LineCounts,
    /// Whether most units that are read do not exist.
    scanning: bool,
    /// The unit of the last request, where nothing was received.
    silent_unit: Option<u8>,
    overheard: bool,
    /// The same, since the last request of a borrower.
    overheard_since_lent: bool,
    tally: RequestTally,
}

/// Further requests that may prove what the device always does. A proof takes two; where it begins on a new connection, four.
const MOST_TRIALS: u32 = 4;

/// A request that is in progress.
#[derive(Clone, Copy)]
struct Attempt {
    begin: Instant,
    /// False where the line was not ready for it.
    sent: bool,
    /// Bytes came before it, and the request before had timed out.
    late: bool,
}

impl Line {
    /// A line that is not open yet.
    pub fn new(settings: &LinkSettings) -> Self {
        Line {
            settings: settings.clone(),
            connection: None,
            budget: None,
            known: None,
            open_answers: None,
            opener: Opener::new(HostLookup::new(1)),
            unsettled: None,
            counts: LineCounts::default(),
            scanning: false,
            silent_unit: None,
            overheard: false,
            overheard_since_lent: false,
            tally: RequestTally::default(),
        }
    }

    /// The same line, which looks up names together with others.
    pub fn looking_up_with(self, hosts: HostLookup) -> Self {
        Line { opener: Opener::new(hosts), ..self }
    }

    /// A line for a scan, where most units do not exist. After a timeout another unit is read with no more than the
    /// usual silence before: a late answer is known by its unit. [`Line::overheard`] says that one came.
    pub fn scanning(settings: &LinkSettings) -> Self {
        Line { scanning: true, ..Line::new(settings) }
    }

    /// The same line, which takes its descriptors from this budget.
    pub fn within(self, budget: DescriptorBudget) -> Self {
        Line { budget: Some(budget), ..self }
    }

    /// Sets the time that a meter has for its answer, from the next request on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.settings.timeout = timeout;
    }

    /// Whether bytes were received around the last request that were no answer to it: a unit that was read before may be slow.
    pub fn overheard(&self) -> bool {
        self.overheard
    }

    /// What the other end of the open link is known to do beside the standard, in words.
    pub fn tolerated(&self) -> Vec<String> {
        self.connection.as_ref().map(Connection::tolerated).unwrap_or_default()
    }

    /// Whether the link is open.
    pub fn is_open(&self) -> bool {
        self.connection.is_some()
    }

    /// No request follows soon: memory that only requests need is free until then.
    pub(crate) fn rest(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.rest();
        }
    }

    /// What happened since the line was created.
    pub fn counts(&self) -> LineCounts {
        self.counts
    }

    /// The requests since the last call.
    pub fn take_tally(&mut self) -> RequestTally {
        std::mem::take(&mut self.tally)
    }

    /// Opens the link where it is not open, and waits for `connect_delay`.
    ///
    /// # Errors
    /// [`Error::Open`], with the system's reason and the remedy.
    pub async fn open(&mut self) -> Result<(), Error> {
        if self.connection.is_none() && self.settings.lender.is_none() {
            let link = &self.settings.link;
            let descriptors = self.budget.as_ref().map(|budget| budget.take(link.descriptors())).transpose();
            let descriptors = descriptors.map_err(|used_up| connect::no_descriptor(link, used_up))?;
            // A link that cannot be opened proves nothing: then it is known no longer.
            let known = self.known.take();
            let stream = connect::open(&self.settings.link, &mut self.opener).await?;
            self.counts.opened += 1;
            self.connection = Some(Connection::new(&self.settings, stream, known, descriptors));
            if !self.settings.connect_delay.is_zero() {
                tokio::time::sleep(self.settings.connect_delay).await;
            }
        }
        Ok(())
    }

    /// Reads a range: exactly its registers, all from one response. Opens the link where it is not open.
    ///
    /// A connection that a gateway closed while it was idle is made again once, without an error.
    ///
    /// # Errors
    /// Why there is no answer. After [`Error::Closed`] and lost framing the link is no longer open.
    pub async fn read(&mut self, unit: UnitId, range: RegisterRange) -> Result<Vec<u16>, Error> {
        self.read_after(Duration::ZERO, unit, range).await
    }

    /// As [`Line::read`], of a meter that needs at least this silence before each request.
    ///
    /// # Errors
    /// As [`Line::read`].
    pub async fn read_after(
        &mut self,
        silence: Duration,
        unit: UnitId,
        range: RegisterRange,
    ) -> Result<Vec<u16>, Error> {
        match self.request(silence, UnitRequest { unit: unit.get(), read: range.into() }).await? {
            ReadAnswer::Registers(words) => Ok(words),
            ReadAnswer::Identity(_) => Err(refused(unit.get(), "another kind of answer".to_owned()).error),
        }
    }

    /// As [`Line::read_after`]; a garbled answer is requested once more.
    ///
    /// # Errors
    /// As [`Line::read`].
    pub(crate) async fn read_twice(
        &mut self,
        silence: Duration,
        unit: UnitId,
        range: RegisterRange,
    ) -> Result<Vec<u16>, Error> {
        match self.read_after(silence, unit, range).await {
            Err(error) if error.is_worth_a_repeat() => self.read_after(silence, unit, range).await,
            result => result,
        }
    }

    /// Reads a unit's identity: the meter's own bytes, for [`IdentityRequest::texts`].
    ///
    /// # Errors
    /// As [`Line::read`]. Meters without this function refuse it or stay silent.
    pub async fn identify(&mut self, unit: UnitId, identity: IdentityRequest) -> Result<Vec<u8>, Error> {
        let request = UnitRequest { unit: unit.get(), read: ReadRequest::Identity(identity) };
        match self.request(Duration::ZERO, request).await? {
            ReadAnswer::Identity(data) => Ok(data),
            ReadAnswer::Registers(_) => Err(refused(unit.get(), "another kind of answer".to_owned()).error),
        }
    }

    /// Carries out a borrower's read, as any other read of this line. The counts and the tally stay those of the line's own reads.
    pub(crate) async fn lend(&mut self, lent: &LentRequest) -> LentAnswer {
        let Ok(request) = lent.read() else { return LentAnswer::ended("it is no read") };
        let (timeout, counts, tally) = (self.settings.timeout, self.counts, self.take_tally());
        self.settings.timeout = lent.timeout();
        let outcome = self.request(lent.silence(), request).await;
        self.settings.timeout = timeout;
        (self.counts, self.tally) = (LineCounts { opened: self.counts.opened, ..counts }, tally);
        LentAnswer { outcome, overheard: std::mem::take(&mut self.overheard_since_lent) }
    }

    /// Lets the owner of the link carry out the request.
    async fn borrowed(
        &mut self,
        lender: &LentLine,
        silence: Duration,
        request: UnitRequest,
    ) -> Result<ReadAnswer, Error> {
        let LinkSettings { timeout, request_gap, .. } = self.settings;
        let answer = lender.exchange(LentRequest::new(request, silence.max(request_gap), timeout)).await;
        let answer = answer.unwrap_or_else(|| LentAnswer::ended("the running arkmeter ended the loan; try again"));
        self.overheard = answer.overheard;
        self.counts.requests += 1;
        self.counts.answers += u64::from(answer.outcome.is_ok());
        answer.outcome
    }

    async fn request(&mut self, silence: Duration, request: UnitRequest) -> Result<ReadAnswer, Error> {
        if let Some(lender) = self.settings.lender.clone() {
            return self.borrowed(&lender, silence, request).await;
        }
        let mut result = self.attempt_twice(silence, request).await;
        for trial in 0..MOST_TRIALS {
            let is_unproven = matches!(&result, Err(Error::Garbled { why, .. }) if why.is_unproven());
            let Some(other) = request.of_another_length().filter(|_| is_unproven) else { break };
            if trial % 2 == 0 {
                // Only its part in the proof matters.
                let _ = self.attempt_twice(silence, other).await;
            } else {
                result = self.attempt_twice(silence, request).await;
            }
        }
        result
    }

    /// Repeats a request once where the connection had been closed while it was idle.
    async fn attempt_twice(&mut self, silence: Duration, request: UnitRequest) -> Result<ReadAnswer, Error> {
        let was_answered = self.connection.as_ref().is_some_and(|connection| connection.answered);
        let may_be_idle = was_answered && !matches!(self.settings.link, Link::Serial(_));
        match self.attempt(silence, request).await {
            Err(Error::Closed { .. }) if may_be_idle => self.attempt(silence, request).await,
            result => result,
        }
    }

    async fn attempt(&mut self, silence: Duration, request: UnitRequest) -> Result<ReadAnswer, Error> {
        if self.connection.as_ref().is_some_and(Connection::must_reconnect) {
            self.leave();
        }
        self.open().await?;
        self.await_open_answers().await;
        let connection = self.connection.as_mut().expect("it was just opened");
        let unit = request.unit;
        let is_other_unit = self.silent_unit.is_some_and(|silent| silent != unit);
        let unsettled = if self.scanning && is_other_unit { None } else { self.unsettled };
        let was_silent = self.silent_unit.take().is_some();
        let ready = connection.wait_until_ready(&self.settings, silence, unsettled).await;
        self.overheard = matches!(ready, Ok(Ready { overheard: true, .. }) | Err(NotReady::NeverSilent));
        self.overheard_since_lent |= self.overheard;
        let begin = ready.as_ref().map_or_else(|_| Instant::now(), |ready| ready.at);
        let attempt = Attempt { begin, sent: ready.is_ok(), late: was_silent && self.overheard };
        let result = match ready {
            Err(NotReady::Closed(error)) => Err(Failure { error, link_usable: false }),
            Err(NotReady::NeverSilent) => {
                Err(Failure { error: Error::Garbled { unit, why: Garbled::NeverSilent }, link_usable: true })
            }
            Ok(_) => {
                self.counts.requests += 1;
                // Holds where this read is dropped before its end.
                self.unsettled = Some(begin + self.settings.timeout);
                connection.exchange(&self.settings, request, begin, self.scanning).await
            }
        };
        self.conclude(unit, attempt, &result);
        result.map_err(|failure| {
            if !failure.link_usable {
                self.leave();
            }
            failure.error
        })
    }

    /// Gives the connection up.
    fn leave(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        self.known = connection.on_next_connection();
        self.open_answers = self.open_answers.into_iter().chain(connection.open_answers()).reduce(OpenAnswers::both);
    }

    /// Answers to requests of the connection before come first, or they prevent any proof on a new one.
    async fn await_open_answers(&mut self) {
        let Some(connection) = self.connection.as_ref().filter(|connection| connection.is_new()) else { return };
        match self.open_answers {
            Some(OpenAnswers { until, only_order_counts: true }) => {
                sleep_until(until).await;
                self.open_answers = None;
            }
            Some(OpenAnswers { until, .. }) if Instant::now() < until => connection.doubt(),
            _ => self.open_answers = None,
        }
    }

    /// Counts a request that is over, and notes what follows for the next one.
    fn conclude(&mut self, unit: u8, attempt: Attempt, result: &Result<ReadAnswer, Failure>) {
        let Some(connection) = &mut self.connection else { return };
        let error = result.as_ref().err().map(|failure| &failure.error);
        connection.answered |= error.is_none_or(Error::is_an_answer);
        let anomalies = {
            let mut transport = connection.transport.lock();
            transport.end(error.is_none_or(Error::is_an_answer));
            transport.anomalies()
        };
        let well = matches!(error, None | Some(Error::Exception { .. })) && !anomalies.extra_bytes;
        let end = if well { connection.last_received } else { Instant::now() };
        self.unsettled = (!well).then_some(end);
        self.silent_unit = matches!(error, Some(Error::TimedOut { .. })).then_some(unit);
        self.overheard |= anomalies.other_unit.is_some();
        self.overheard_since_lent |= self.overheard;
        match error {
            None => self.counts.answers += 1,
            Some(Error::TimedOut { .. }) => self.counts.timeouts += 1,
            Some(Error::Garbled { .. }) => self.counts.garbled += 1,
            Some(Error::Exception { .. }) => self.counts.exceptions += 1,
            Some(Error::Open { .. } | Error::Closed { .. }) => {}
        }
        let outcome = error.map_or(Some(RequestOutcome::Answered), outcome);
        // A link that was closed while it was idle says nothing about the line.
        let Some(outcome) = outcome.filter(|it| attempt.sent || *it != RequestOutcome::Failed(RequestCount::Lost))
        else {
            return;
        };
        let took = end.saturating_duration_since(attempt.begin);
        self.tally.note(&RequestRecord {
            outcome,
            took,
            silence: connection.silence,
            slow: result.is_ok() && took + self.settings.timeout / 5 >= connection.longest_wait,
            echo: attempt.sent && anomalies.echo,
            discarded: anomalies.discarded,
            late: attempt.late || anomalies.late || result.is_ok() && anomalies.other_unit.is_some(),
        });
    }
}
