//! The latest report of every task, composed into one document, and the listeners that serve it.
//!
//! [`StatusSources`] collects the reports of the tasks, and [`compose`] makes a [`Document`] of them. The page, the metrics and the `status`
//! command are views of this document. The [`StatusListener`] serves it on TCP, read-only. The [`control`] socket serves it too, and takes
//! commands to the daemon.

mod compose;
pub mod control;
mod counts;
mod document;
mod listener;
mod metrics;
mod page;
mod places;
mod plot;
mod quality;
mod server;
mod snapshot;
mod tables;
mod trouble;
mod views;
pub mod words;

pub use compose::{ReloadReport, StatusInputs, compose};
pub use counts::Counts;
pub use document::{
    BusState, BusStatus, ClientStatus, ConfigurationStatus, Document, LedgerStatus, MeterState, MeterStatus,
    QualityStatus, SCHEMA,
};
pub use listener::StatusListener;
pub use metrics::metrics;
pub use snapshot::{ActiveTasks, StatusSources};
pub(crate) use tables::{ERROR, StatusTable, lines, tables};
