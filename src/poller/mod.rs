//! A bus's task: rounds over its meters, back-off, reopening.

mod report;

pub use report::{BusReport, MeterPoll};

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::config;
use crate::heartbeat::Heart;
use crate::reading::{Held, Reading, Values};
use crate::units::Name;

/// What a bus can be asked to do beside its rounds. The task ends when the last sender of these is dropped.
#[derive(Debug)]
pub enum Command {
    /// Reads these meters now (all of the bus when empty), whether they are due or backing off, and hands the readings on as ever.
    ReadNow { meters: Vec<Name>, reply: oneshot::Sender<Vec<(Name, Result<Values, String>)>> },
}

/// What a bus task is given.
pub struct Poller {
    pub bus: config::Bus,
    /// The meters on this bus.
    pub meters: Vec<config::Meter>,
    /// Where readings go. When it is full the reading is dropped and counted: the meter keeps the register.
    pub readings: mpsc::Sender<Reading>,
    /// Meters that the ledger holds: read again soon, with their serial number.
    pub held: watch::Receiver<Held>,
    pub commands: mpsc::Receiver<Command>,
    pub report: watch::Sender<BusReport>,
    pub clock: Clock,
    pub heart: Heart,
}

impl Poller {
    /// Polls until the commands' last sender is dropped. A missing line, a dead meter: said once, tried again with back-off.
    pub async fn run(self) {
        todo!()
    }
}
