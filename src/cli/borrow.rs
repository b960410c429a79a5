//! The line of the running daemon: a command borrows it, and its reads run between the polls.

use std::time::Duration;

use super::exit;
use super::output::print_error;
use crate::config::BusConfig;
use crate::modbus::{Link, LinkSettings};
use crate::quality::LinkKind;
use crate::status::control::{self, BorrowedLine, ControlError, LoanRequest};
use crate::survey::LineSettings;
use crate::text::chain;
use crate::units::UnitId;

/// The running daemon that owns a line.
#[derive(Clone, Debug)]
pub(super) struct LineOwner {
    /// ` (process 12)`, or empty if its number is unknown.
    pub(super) process: String,
    /// The line as it was named.
    pub(super) place: String,
    /// What the configuration says of the line; `None` without a configuration.
    pub(super) lender: Option<Lender>,
}

/// How a line of the daemon is borrowed.
#[derive(Clone, Debug)]
pub(super) struct Lender {
    pub(super) socket: std::path::PathBuf,
    pub(super) bus: BusConfig,
    /// The units of the meters that the daemon polls there.
    pub(super) units: Vec<UnitId>,
}

/// Why a line is not borrowed, with the remedy.
#[derive(Debug)]
pub(super) struct NotBorrowed {
    pub(super) why: String,
    code: u8,
}

impl NotBorrowed {
    /// Prints the reason; returns the exit code.
    pub(super) fn printed(self) -> u8 {
        print_error(&self.why);
        self.code
    }
}

impl LineOwner {
    /// Borrows the line for this command. `timeout`: for units that are not there.
    pub(super) async fn borrow(
        &self,
        purpose: &str,
        timeout: Duration,
    ) -> Result<(LinkSettings, BorrowedLine), NotBorrowed> {
        let LineOwner { process, place, lender } = self;
        let Some(Lender { socket, bus, .. }) = lender else { return Err(self.kept()) };
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let wanted =
            LoanRequest { bus: bus.name.clone(), link: bus.link.to_string(), purpose: purpose.to_owned(), timeout_ms };
        let failed = |why: String| NotBorrowed { why, code: exit::FAILED };
        let borrowed = control::borrow(socket, &wanted).await.map_err(|error| match error {
            ControlError::NoDaemon(_) => self.kept(),
            ControlError::OnlyRoot | ControlError::NotAllowed(_) => failed(format!(
                "the running arkmeter{process} polls {place}, and only root can use its line between the polls: run this command with sudo"
            )),
            ControlError::Refused(why) => {
                NotBorrowed { why: format!("the running arkmeter{process} does not lend its line: {why}"), code: exit::IN_USE }
            }
            other => failed(chain(&other)),
        })?;
        let settings = LinkSettings {
            link: bus.link.clone(),
            timeout,
            request_gap: Duration::ZERO,
            connect_delay: Duration::ZERO,
            lender: Some(borrowed.line.clone()),
        };
        Ok((settings, borrowed))
    }

    /// The daemon does not lend its line, and a line has one master.
    fn kept(&self) -> NotBorrowed {
        let LineOwner { process, place, .. } = self;
        let why = format!(
            "the running arkmeter{process} polls {place}, and a line can have only one master: stop it (`systemctl stop arkmeter`), repeat \
             this command, and start it again (`systemctl start arkmeter`)"
        );
        NotBorrowed { why, code: exit::IN_USE }
    }
}

impl Lender {
    pub(super) fn kind(&self) -> LinkKind {
        match self.bus.link {
            Link::Serial(_) => LinkKind::Serial,
            Link::Tcp(_) => LinkKind::Tcp,
            Link::RtuOverTcp(_) => LinkKind::Converter,
        }
    }

    /// The settings with which the daemon polls; `None` for a line that is not serial.
    pub(super) fn line_settings(&self) -> Option<LineSettings> {
        match &self.bus.link {
            Link::Serial(line) => {
                Some(LineSettings { baud: line.baud, parity: line.parity, stop_bits: line.stop_bits })
            }
            Link::Tcp(_) | Link::RtuOverTcp(_) => None,
        }
    }
}

/// Says that a line of the daemon is used, and how long that takes.
pub(super) fn announcement(expected: Duration) -> String {
    let mut text =
        format!("arkmeter is running: its line is used between its polls; this takes about {}", about(expected));
    if expected > MUCH {
        text.push_str(
            "; it takes less while arkmeter is stopped (`systemctl stop arkmeter`), because its polls leave little time",
        );
    }
    text
}

/// From this time on it may be better to stop the daemon.
const MUCH: Duration = Duration::from_secs(20 * 60);

/// `40s`, `3m`, `2h`: as exact as an estimate is.
fn about(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (count, unit) = match seconds {
        ..10.0 => (seconds.ceil().max(1.0), "s"),
        10.0..90.0 => ((seconds / 5.0).ceil() * 5.0, "s"),
        90.0..5400.0 => ((seconds / 60.0).ceil(), "min"),
        _ => ((seconds / 3600.0).ceil(), "h"),
    };
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_a_round_number() {
        let texts = [0, 7, 42, 89, 91, 400, 5400, 60_000].map(|seconds| about(Duration::from_secs(seconds)));
        assert_eq!(texts, ["1 s", "7 s", "45 s", "90 s", "2 min", "7 min", "2 h", "17 h"]);
        assert!(!announcement(Duration::from_secs(60)).contains("stop"));
        assert!(announcement(Duration::from_secs(3600)).contains("systemctl stop arkmeter"));
    }
}
