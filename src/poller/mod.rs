//! A bus's task: rounds over its meters, back-off, reopening.

mod chain;
mod health;
mod live;
mod polled;
mod recognising;
mod recognition;
mod report;
mod rounds;
mod schedule;
mod station;
#[cfg(test)]
mod tests;

pub use live::{Live, Said};
pub use report::{BusReport, MeterPoll};
pub use rounds::read_once;

use std::collections::VecDeque;
use std::pin::{Pin, pin};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config;
use crate::heartbeat::{BEAT_EVERY, Heart};
use crate::reading::{Held, Reading};
use crate::recorder::Recorder;
use crate::units::Name;
use rounds::{Next, Rounds};

/// Requests that wait while a poll is under way; who asks beyond that gets no answer.
const MOST_WAITING: usize = 16;

/// What a bus can be asked to do beside its rounds. The task ends when the last sender of these is dropped.
#[derive(Debug)]
pub enum Command {
    /// Reads these meters now (all of the bus when empty), whether they are due or backing off, and hands the readings on as ever.
    /// It ends early when nobody waits for the reply any more.
    ReadNow { meters: Vec<Name>, reply: oneshot::Sender<Vec<(Name, Said)>> },
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
    pub commands: mpsc::Receiver<Command>,
    pub report: watch::Sender<BusReport>,
    /// Who is told what each poll gave.
    pub recorder: Recorder,
    pub clock: Clock,
    pub heart: Heart,
}

impl Poller {
    /// Polls until the commands' last sender is dropped. A missing line, a dead meter: said once, tried again with back-off.
    pub async fn run(self) {
        let Poller { bus, meters, readings, mut held, commands, report, recorder, clock, heart } = self;
        let mut rounds = Rounds::new(&bus, meters, readings, report, recorder, clock);
        let mut desk = Desk { commands, waiting: VecDeque::new(), heart };
        rounds.hold(&held.borrow_and_update());
        loop {
            if held.has_changed().unwrap_or(false) {
                rounds.hold(&held.borrow_and_update());
            }
            let goes_on = match (desk.waiting.pop_front(), rounds.next()) {
                (Some(command), _) => desk.obey(&mut rounds, command).await,
                (None, Next::Poll(meter)) => desk.attended(pin!(rounds.poll(meter))).await.is_some(),
                (None, Next::Wait(until)) => {
                    let goes_on = desk.wait(until, &mut held).await;
                    rounds.wake();
                    goes_on
                }
            };
            if !goes_on {
                return;
            }
        }
    }
}

/// Where commands come in while something else is done.
struct Desk {
    commands: mpsc::Receiver<Command>,
    waiting: VecDeque<Command>,
    heart: Heart,
}

impl Desk {
    /// Awaits the work, taking commands meanwhile. `None` when the task is to end: the work is then abandoned.
    async fn attended<T>(&mut self, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let (commands, waiting) = (&mut self.commands, &mut self.waiting);
        let attended = async {
            loop {
                tokio::select! {
                    biased;
                    output = &mut work => return Some(output),
                    command = commands.recv() => match command {
                        Some(command) if waiting.len() < MOST_WAITING => waiting.push_back(command),
                        Some(_) => {}
                        None => return None,
                    }
                }
            }
        };
        self.heart.beating(pin!(attended)).await
    }

    /// False when the task is to end.
    async fn obey(&mut self, rounds: &mut Rounds, command: Command) -> bool {
        let Command::ReadNow { meters, reply } = command;
        let meters = if meters.is_empty() { rounds.names() } else { meters };
        let mut results = Vec::with_capacity(meters.len());
        for name in meters {
            if reply.is_closed() {
                return true;
            }
            let result = match rounds.find(&name) {
                None => Said::nothing("no such meter on this bus"),
                Some(meter) => match self.attended(pin!(rounds.poll_on_request(meter))).await {
                    Some(result) => result,
                    None => return false,
                },
            };
            results.push((name, result));
        }
        // Whoever asked may have gone.
        let _ = reply.send(results);
        true
    }

    /// Waits until it may be time, a command comes, or the ledger holds other meters. False when the task is to end.
    async fn wait(&mut self, until: Option<Instant>, held: &mut watch::Receiver<Held>) -> bool {
        // No longer than a beat: a box may sleep, and a timer does not notice.
        let beat = Instant::now() + BEAT_EVERY;
        let due = tokio::time::sleep_until(until.unwrap_or(beat).min(beat));
        let changed = async {
            // Without a ledger nothing is held any more, or less.
            if held.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            held.mark_changed();
        };
        let (commands, waiting) = (&mut self.commands, &mut self.waiting);
        let waited = async {
            tokio::select! {
                biased;
                command = commands.recv() => {
                    let goes_on = command.is_some();
                    waiting.extend(command);
                    goes_on
                }
                () = due => true,
                () = changed => true,
            }
        };
        self.heart.beating(waited).await
    }
}
