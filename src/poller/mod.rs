//! The task of a bus: it polls the meters of the bus one after the other, backs off from silent meters, and reopens a lost link.

mod bus_poller;
mod chain;
mod export_check;
mod fault_log;
mod identification;
mod identify;
mod joined;
mod loan;
mod meter_poller;
mod outcome;
mod reply;
mod report;
mod schedule;
#[cfg(test)]
mod tests;

pub use bus_poller::read_once;
pub use loan::LoanTerms;
pub use reply::{LiveReading, PollReply};
pub use report::{BusReport, MeterPoll};
pub use schedule::{ProbeRound, starts_after};

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::command_queue::{CommandQueue, QueueClosed};
use crate::config;
use crate::descriptors::DescriptorBudget;
use crate::heartbeat::{BEAT_EVERY, Heart};
use crate::lookup::HostLookup;
use crate::modbus::{LentExchange, Line};
use crate::reading::{Held, Reading};
use crate::recorder::Recorder;
use crate::units::Name;
use bus_poller::{BusPoller, NextStep};
use loan::Loan;

/// A command to the task of a bus.
#[derive(Debug)]
pub enum BusCommand {
    /// Reads meters now, even if they are not due or back off. The readings also go to the ledger as in any other poll.
    ReadNow {
        /// The meters to read; empty for all meters of the bus.
        meters: Vec<Name>,
        /// Receives one result for each meter. The command ends early when the receiver is dropped.
        reply: oneshot::Sender<Vec<(Name, PollReply)>>,
    },
    /// Lends the line to one borrower: its reads run between the polls. The loan ends when the sender of `requests` is dropped.
    Lend {
        /// Who borrows it: `arkmeter scan (process 12)`.
        borrower: String,
        /// The timeout of the reads of missing units, for the terms.
        timeout: Duration,
        /// The reads.
        requests: mpsc::Receiver<LentExchange>,
        /// Receives the terms, or who has the line already.
        reply: oneshot::Sender<Result<LoanTerms, String>>,
    },
}

/// The inputs and outputs of a bus task.
pub struct Poller {
    /// The bus to poll.
    pub bus: config::BusConfig,
    /// Where its link takes its file descriptors from.
    pub descriptors: DescriptorBudget,
    /// The meters on this bus.
    pub meters: Vec<config::MeterConfig>,
    /// How long after its start the bus is first polled ([`starts_after`]).
    pub starts_after: Duration,
    /// Receives the readings. While it is full, the bus waits; a reading that waits longer than its meter's poll interval is dropped and
    /// counted, because the meter still has its counter.
    pub readings: mpsc::Sender<Reading>,
    /// Meters that the ledger holds: they are read soon, with their serial number.
    pub held: watch::Receiver<Held>,
    /// The task ends when all senders are dropped.
    pub commands: mpsc::Receiver<BusCommand>,
    /// Receives the state of the bus after each poll.
    pub report: watch::Sender<BusReport>,
    /// Records the values of each poll.
    pub recorder: Recorder,
    /// Looks up the name of the bus's host.
    pub hosts: HostLookup,
    /// Gives the time of each reading.
    pub clock: Clock,
    /// Proves to the watchdog that the task runs.
    pub heart: Heart,
}

impl Poller {
    /// Polls until the last sender of commands is dropped. A lost link or a silent meter is logged once and tried again with back-off.
    pub async fn run(self) {
        let Poller { bus, descriptors, meters, starts_after, readings, held, .. } = self;
        let Poller { commands, report, recorder, hosts, clock, heart, .. } = self;
        let line = Line::new(&bus.link_settings()).looking_up_with(hosts).within(descriptors);
        let begin = Instant::now() + starts_after;
        let bus = BusPoller::new(&bus, line, meters, begin, readings, report, recorder, clock);
        let commands = CommandQueue::new(commands);
        let Err(QueueClosed) = (BusTask { bus, commands, held, loan: None, heart }).run().await;
    }
}

/// The loop of a bus: commands first, then the meter that is due.
struct BusTask {
    bus: BusPoller,
    commands: CommandQueue<BusCommand>,
    held: watch::Receiver<Held>,
    loan: Option<Loan>,
    heart: Heart,
}

impl BusTask {
    async fn run(&mut self) -> Result<std::convert::Infallible, QueueClosed> {
        self.bus.hold(&self.held.borrow_and_update());
        let mut received = None;
        loop {
            if self.held.has_changed().unwrap_or(false) {
                self.bus.hold(&self.held.borrow_and_update());
            }
            if let Some(command) = received.take().or_else(|| self.commands.take_waiting()) {
                Box::pin(self.execute(command)).await?;
                continue;
            }
            self.end_loan_of_gone_borrower();
            match self.bus.next(self.loan.as_ref()) {
                NextStep::Poll(meter) => {
                    // Boxed: the task keeps no memory for it while the bus waits.
                    let poll = Box::pin(self.bus.poll(meter));
                    self.heart.beating(self.commands.unless_closed(poll)).await?;
                }
                NextStep::Lend => {
                    let Some(loan) = &mut self.loan else { continue };
                    let lent = Box::pin(self.bus.lend(loan));
                    self.heart.beating(self.commands.unless_closed(lent)).await?;
                }
                NextStep::Wait(until) => {
                    self.bus.rest();
                    received = self.wait(until).await?;
                    self.bus.check_for_sleep();
                }
            }
        }
    }

    async fn execute(&mut self, command: BusCommand) -> Result<(), QueueClosed> {
        match command {
            BusCommand::ReadNow { meters, reply } => self.read_now(meters, reply).await,
            BusCommand::Lend { borrower, timeout, requests, reply } => {
                self.end_loan_of_gone_borrower();
                let terms = match &self.loan {
                    Some(loan) => Err(loan.borrower.clone()),
                    None => Ok(self.bus.begin_loan(&borrower, timeout)),
                };
                if terms.is_ok() {
                    self.loan = Some(Loan::new(borrower, requests));
                }
                // A borrower that is gone already ends its loan with the next step.
                let _ = reply.send(terms);
                Ok(())
            }
        }
    }

    fn end_loan_of_gone_borrower(&mut self) {
        if let Some(loan) = self.loan.take_if(|loan| loan.has_ended()) {
            self.bus.end_loan(&loan);
        }
    }

    async fn read_now(
        &mut self,
        meters: Vec<Name>,
        reply: oneshot::Sender<Vec<(Name, PollReply)>>,
    ) -> Result<(), QueueClosed> {
        let meters = if meters.is_empty() { self.bus.names() } else { meters };
        let mut results = Vec::with_capacity(meters.len());
        for name in meters {
            if reply.is_closed() {
                return Ok(());
            }
            let result = match self.bus.find(&name) {
                None => PollReply::nothing("no such meter on this bus"),
                Some(meter) => {
                    let poll = self.bus.poll_on_request(meter);
                    self.heart.beating(self.commands.unless_closed(poll)).await?
                }
            };
            results.push((name, result));
        }
        // The receiver may be dropped.
        let _ = reply.send(results);
        Ok(())
    }

    /// Waits until a meter may be due, a command comes, or the set of held meters changes.
    async fn wait(&mut self, until: Option<Instant>) -> Result<Option<BusCommand>, QueueClosed> {
        // At most one heartbeat: timers do not advance while the system is suspended.
        let beat = Instant::now() + BEAT_EVERY;
        let due = tokio::time::sleep_until(until.unwrap_or(beat).min(beat));
        let changed = async {
            // Without a ledger the set of held meters no longer changes.
            if self.held.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            self.held.mark_changed();
        };
        let loan = &mut self.loan;
        let lent = async {
            match loan {
                Some(loan) => loan.change().await,
                None => std::future::pending().await,
            }
        };
        let commands = &mut self.commands;
        let waited = async {
            tokio::select! {
                biased;
                command = commands.next() => command.map(Some),
                () = due => Ok(None),
                () = changed => Ok(None),
                () = lent => Ok(None),
            }
        };
        self.heart.beating(waited).await
    }
}
