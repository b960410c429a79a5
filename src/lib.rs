//! arkmeter: Modbus energy meters in, Arkreen reports out, and a ledger between them that never lets a figure fall.
//!
//! The map of the house, floor by floor. No room imports one that stands below it in this list, and none goes in circles.
//!
//! What a reading passes on its way: [`poller`] -> [`reading::Reading`] -> [`ledger`] -> [`ledger::Figure`] -> [`reporter`].

// The ground: words of the field. They do no IO and know no other room.
pub mod finding;
pub mod form;
pub mod reading;
pub mod text;
pub mod units;

// The two things that are asked everywhere: what time it is, and whether a task still makes progress.
pub mod clock;
pub mod heartbeat;

// Files in the state folder.
mod storage;

// What several tasks use: the wait after a failure, the commands of a task.
mod backoff;
mod command_queue;

// What a meter is, and what the installer asked for.
pub mod config;
pub mod meter;

// What a line's requests ended by, and what that means.
pub mod quality;

// Who listens in on the way of a reading, and the way: line, rounds, guard and store, report.
pub mod recorder;

pub mod guard;
pub mod history;
pub mod ledger;
pub mod modbus;
pub mod poller;
pub mod reporter;

// What is on a line that nobody has configured yet.
pub mod survey;

// What each task last said, and the doors through which it can be asked.
pub mod status;

// Simulated meters and a stand-in Arkreen; the wiring; the commands.
pub mod cli;
pub mod daemon;
pub mod simulator;
