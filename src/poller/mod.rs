//! A bus's task: it polls the bus's meters in turn, with back-off, and reopens the line.

mod bus_poller;
mod chain;
mod fault_log;
mod identification;
mod identify;
mod meter_poller;
mod outcome;
mod reply;
mod report;
mod schedule;
#[cfg(test)]
mod tests;

pub use bus_poller::read_once;
pub use reply::{LiveReading, PollReply};
pub use report::{BusReport, MeterPoll};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::command_queue::{CommandQueue, QueueClosed};
use crate::config;
use crate::heartbeat::{BEAT_EVERY, Heart};
use crate::reading::{Held, Reading};
use crate::recorder::Recorder;
use crate::units::Name;
use bus_poller::{BusPoller, NextStep};

/// What a bus can be asked to do beside its rounds. The task ends when the last sender of these is dropped.
#[derive(Debug)]
pub enum BusCommand {
    /// Reads these meters now (all of the bus when empty), whether they are due or backing off, and hands the readings on as ever.
    /// It ends early when nobody waits for the reply any more.
    ReadNow { meters: Vec<Name>, reply: oneshot::Sender<Vec<(Name, PollReply)>> },
}

/// What a bus task is given.
pub struct Poller {
    pub bus: config::BusConfig,
    /// The meters on this bus.
    pub meters: Vec<config::MeterConfig>,
    /// Where readings go. When it is full the reading is dropped and counted: the meter keeps the register.
    pub readings: mpsc::Sender<Reading>,
    /// Meters that the ledger holds: read again soon, with their serial number.
    pub held: watch::Receiver<Held>,
    pub commands: mpsc::Receiver<BusCommand>,
    pub report: watch::Sender<BusReport>,
    /// Who is told what each poll gave.
    pub recorder: Recorder,
    pub clock: Clock,
    pub heart: Heart,
}

impl Poller {
    /// Polls until the last sender of commands is dropped. A missing line or a silent meter is logged once and tried again with
    /// back-off.
    pub async fn run(self) {
        let Poller { bus, meters, readings, held, commands, report, recorder, clock, heart } = self;
        let rounds = BusPoller::new(&bus, meters, readings, report, recorder, clock);
        let commands = CommandQueue::new(commands);
        // The only way to end.
        let Err(QueueClosed) = Task { rounds, commands, held, heart }.run().await;
    }
}

/// One running bus.
struct Task {
    rounds: BusPoller,
    commands: CommandQueue<BusCommand>,
    held: watch::Receiver<Held>,
    heart: Heart,
}

impl Task {
    async fn run(mut self) -> Result<std::convert::Infallible, QueueClosed> {
        self.rounds.hold(&self.held.borrow_and_update());
        let mut received = None;
        loop {
            if self.held.has_changed().unwrap_or(false) {
                self.rounds.hold(&self.held.borrow_and_update());
            }
            if let Some(command) = received.take().or_else(|| self.commands.take_waiting()) {
                self.obey(command).await?;
                continue;
            }
            match self.rounds.next() {
                NextStep::Poll(meter) => {
                    self.heart.beating(self.commands.unless_closed(self.rounds.poll(meter))).await?;
                }
                NextStep::Wait(until) => {
                    received = self.wait(until).await?;
                    self.rounds.wake();
                }
            }
        }
    }

    async fn obey(&mut self, command: BusCommand) -> Result<(), QueueClosed> {
        let BusCommand::ReadNow { meters, reply } = command;
        let meters = if meters.is_empty() { self.rounds.names() } else { meters };
        let mut results = Vec::with_capacity(meters.len());
        for name in meters {
            if reply.is_closed() {
                return Ok(());
            }
            let result = match self.rounds.find(&name) {
                None => PollReply::nothing("no such meter on this bus"),
                Some(meter) => {
                    let poll = self.rounds.poll_on_request(meter);
                    self.heart.beating(self.commands.unless_closed(poll)).await?
                }
            };
            results.push((name, result));
        }
        // The receiver may be gone.
        let _ = reply.send(results);
        Ok(())
    }

    /// Waits until a meter may be due, a command comes, or the ledger holds other meters.
    async fn wait(&mut self, until: Option<Instant>) -> Result<Option<BusCommand>, QueueClosed> {
        // At most one beat: timers do not count the time that a box is suspended.
        let beat = Instant::now() + BEAT_EVERY;
        let due = tokio::time::sleep_until(until.unwrap_or(beat).min(beat));
        let changed = async {
            // Without a ledger the set of held meters no longer changes.
            if self.held.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            self.held.mark_changed();
        };
        let commands = &mut self.commands;
        let waited = async {
            tokio::select! {
                biased;
                command = commands.next() => command.map(Some),
                () = due => Ok(None),
                () = changed => Ok(None),
            }
        };
        self.heart.beating(waited).await
    }
}
