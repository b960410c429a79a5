//! The commands, one file each.

pub mod check;
pub mod logging;
pub mod profiles;
pub mod replay;
pub mod status;
