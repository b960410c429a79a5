//! arkmeter reads Modbus energy meters and reports their consumption to the Arkreen Network. The energy that it reports never decreases
//! and never exceeds what was consumed.
//!
//! This is the map of the crate, lowest layer first. A module imports from the layers above it in this list only, and there are no
//! cycles.
//!
//! The path of a reading:
//!
//! 1. [`poller`] runs a task for each bus. It reads the registers of each meter through [`modbus`], which verifies every answer, and
//!    decodes them with the profile from [`meter`] into a [`reading::Reading`].
//! 2. [`ledger`] runs the task that owns the energy figures. [`guard`] decides what a reading is worth, and the result is committed to
//!    disk.
//! 3. [`reporter`] runs a task for each account. It takes each committed [`ledger::Figure`] and sends it to the endpoint. What the
//!    endpoint accepts goes back to the ledger.
//! 4. [`status`] collects the state of every task for the command line, the web page and the metrics.
//!
//! [`daemon`] starts and connects these tasks; [`cli`] holds one file for each command.

// Units, readings and text. Pure: no IO, no clock, no import of another module.
mod finding;
mod form;
pub mod reading;
pub mod report_hours;
pub mod text;
pub mod units;

// The clock, and the heartbeat of each task for the watchdog.
pub mod clock;
pub mod heartbeat;

// A thread for what nobody may wait for: the log.
pub mod writer_thread;

// Threads for what may block: the owner's work, and the look-up of names.
pub mod lookup;
mod worker;

// Opening of files, the budget of open ones and of memory, and the files in the state folder.
pub mod descriptors;
mod files;
pub mod memory;
mod storage;

// Shared by tasks: the wait after a failure, and the queue of commands to a task.
mod backoff;
mod command_queue;

// The meter profiles: registers, read plan, decoding.
pub mod meter;

// Modbus: requests, verified answers and connections; the counters of request outcomes, and the advice that follows from them.
mod quality;

pub mod modbus;

// Which part of a configuration each of several daemons runs. Pure.
pub mod shard;

// The configuration. It turns a bus into the link settings of `modbus`.
pub mod config;

// The path of a reading, and the recorder of traces.
mod recorder;

pub mod guard;
pub mod history;
pub mod ledger;
pub mod poller;
pub mod reporter;

// Finding and identifying meters that are not configured yet.
pub mod survey;

// The questions of the guided set-up. Pure.
pub mod setup;

// The status document, and the listeners that serve it: control socket and HTTP.
pub mod status;

// The commands, the wiring of the tasks, and the simulated meters and endpoint.
pub mod cli;
pub mod daemon;
pub mod simulator;
