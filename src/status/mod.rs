//! What every task last said, composed into one document, and the doors at which it can be asked for.
//!
//! [`StatusSources`] collects the tasks' reports; [`compose`] turns them into a [`Document`]; the page, the metrics and the `status` command
//! are views of that document. The [`StatusListener`] serves it on TCP, read-only; the [`control`] socket serves it too and takes what the
//! daemon can be asked to do.

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
