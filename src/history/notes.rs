//! What people are told of a history that is damaged or cannot be read.

use std::path::Path;

use crate::storage::StoreFault;

/// For the page: why the plots begin so late.
pub(super) fn set_aside(why: &str) -> String {
    format!(
        "The history was damaged ({why}): a new one was started, and the old file is kept as history-set-aside.db. No figure is lost; \
         plots begin again."
    )
}

/// Tells the operator that a new history was started.
pub(super) fn log_set_aside(why: &str) {
    tracing::warn!(why, "a new history was started; what remains of the old one is kept as history-set-aside.db");
}

/// For the page: why the plots have nothing from before the start.
pub(super) fn unread(path: &Path, fault: &StoreFault) -> String {
    let remedy = match fault {
        StoreFault::Disk(error) => error.remedy().to_owned(),
        fault => format!("it is damaged ({fault}), and is set aside when the damage is met while writing"),
    };
    format!(
        "The history {} could not be read: {remedy}. No figure is lost; plots show what came since the start.",
        path.display()
    )
}
