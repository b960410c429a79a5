//! Exit codes other than 0, mostly as sysexits(3) defines them.

/// The command failed.
pub const FAILED: u8 = 1;
/// Wrong usage: an unknown option, or a value that is not allowed.
pub const USAGE: u8 = 2;
/// The state (or a trace) is damaged, or was written by a newer arkmeter.
pub const DAMAGED: u8 = 65;
/// No daemon runs, or this user may not talk to it.
pub const NO_DAEMON: u8 = 69;
/// Another arkmeter uses the state.
pub const IN_USE: u8 = 75;
/// The configuration has an error.
pub const CONFIG: u8 = 78;
/// Ctrl-C ended the command. As a shell reports a program that SIGINT ended.
pub const INTERRUPTED: u8 = 130;
