//! `inspect` on a line of the running daemon.

use super::{GAP, InspectArguments, MAX_REQUESTS, WATCHED, WATCHED_LOAD, blocks};
use crate::cli::borrow::{LineOwner, NotBorrowed, announcement};
use crate::cli::output::print_error;
use crate::modbus::LinkSettings;
use crate::status::control::BorrowedLine;
use crate::survey::same_settings;

/// Borrows the line of the daemon, and says how long it will be used.
pub(super) async fn borrow(
    owner: &LineOwner,
    arguments: &InspectArguments,
    wanted: &LinkSettings,
) -> Result<(LinkSettings, BorrowedLine), u8> {
    let other = owner.lender.as_ref().filter(|lender| !same_settings(&lender.bus.link, &wanted.link));
    if let Some(own) = other.and_then(|lender| lender.line_settings()) {
        print_error(&format!("arkmeter polls {} at {own}, so the registers are read at this setting", owner.place));
    }
    let (settings, loan) = owner.borrow("inspect", wanted.timeout).await.map_err(NotBorrowed::printed)?;
    let requests = u32::try_from(blocks(arguments).len()).unwrap_or(MAX_REQUESTS) * 2;
    let watched = match arguments.loads.len() {
        0 => arguments.watch.unwrap_or(WATCHED),
        loads => arguments.watch.unwrap_or(WATCHED_LOAD) * loads as u32,
    };
    print_error(&announcement(loan.terms.answering_unit * requests + watched));
    Ok((LinkSettings { request_gap: GAP, ..settings }, loan))
}
