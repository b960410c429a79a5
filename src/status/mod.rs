//! The latest report of every task, composed into one document, and the listeners that serve it.
//!
//! [`StatusSources`] collects the tasks' reports; [`compose`] makes a [`Document`] of them; the page, the metrics and the `status` command
//! are views of that document. The [`StatusListener`] serves it on TCP, read-only; the [`control`] socket serves it too and takes commands
//! to the daemon.

#![deny(missing_docs)]

mod compose;
pub mod control;
mod document;
mod layout;
mod listener;
mod metrics;
mod page;
mod quality;
mod server;
mod snapshot;
mod trouble;
mod views;
pub mod words;

pub use compose::{StatusInputs, compose};
pub use document::{
    AccountState, AccountStatus, BusState, BusStatus, ClientStatus, Document, LedgerStatus, MeterState, MeterStatus,
    QualityStatus, SCHEMA,
};
pub use layout::{Layout, LayoutBus, LayoutMeter};
pub use listener::StatusListener;
pub use metrics::metrics;
pub use page::page;
pub use snapshot::{ActiveTasks, StatusSources};
