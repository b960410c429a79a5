//! Why there is no answer: in words that name the thing and the remedy.

use std::fmt;
use std::io;
use std::time::Duration;

use super::asked::Asked;

/// Why a read gave no registers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The link could not be opened; nothing was asked.
    #[error("cannot open {link}: {reason}; {remedy}")]
    Open {
        /// The device or `host:port`.
        link: String,
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// Nothing that belongs to the request came in time. The link stays open.
    #[error("no answer from unit {unit} within {}{}", humantime::format_duration(*.within), .hint.text())]
    TimedOut { unit: u8, within: Duration, hint: Hint },
    /// The meter (or the gateway in its stead) refused: one of the codes of Modbus Application Protocol V1.1b3, section 7.
    #[error("exception {code} from unit {unit}: {}", exception(*.code))]
    Exception { unit: u8, code: u8 },
    /// Something came that is no answer to the request. None of it is used.
    #[error("garbled answer from unit {unit}: {why}")]
    Garbled { unit: u8, why: Garbled },
    /// The link is gone; the next read opens it again.
    #[error("{link} was closed: {reason}")]
    Closed { link: String, reason: String },
}

impl Error {
    /// Whether the meter refused the block as such (exception 2 or 3): smaller ones may be taken.
    pub fn refuses_block(&self) -> bool {
        matches!(self, Error::Exception { code: 2 | 3, .. })
    }

    /// Whether the link, not the meter, is at fault: no other meter of the bus would fare better.
    pub fn is_of_the_link(&self) -> bool {
        matches!(self, Error::Open { .. } | Error::Closed { .. })
    }

    /// Whether the meter is not there: no answer at all, or a gateway that says that it got none.
    pub fn is_silence(&self) -> bool {
        matches!(self, Error::TimedOut { .. } | Error::Exception { code: 0x0A | 0x0B, .. })
    }
}

/// What a time-out was accompanied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    None,
    /// Our own request came back, nothing else.
    Echo,
    /// Answers to other requests came, on TCP.
    Stale,
    /// Not one byte ever came over this Modbus TCP connection.
    DeafTcp,
    /// Not one byte ever came over this RTU over TCP connection.
    DeafConverter,
}

impl Hint {
    fn text(self) -> &'static str {
        match self {
            Hint::None => "",
            Hint::Echo => ": only our own request came back (the adapter echoes), so check wiring, unit and baud rate",
            Hint::Stale => ": only answers to other requests came; a longer timeout may help",
            Hint::DeafTcp => {
                ": nothing ever came over this connection; check the unit, and whether this is a transparent \
                 converter (then write rtu_over_tcp instead of tcp)"
            }
            Hint::DeafConverter => {
                ": nothing ever came over this connection; check the unit and the converter's baud rate, and whether \
                 it is a Modbus TCP gateway (then write tcp instead of rtu_over_tcp)"
            }
        }
    }
}

/// What is wrong with what came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Garbled {
    #[error("bad checksum; check termination, bias and cable, and that no other master uses the line")]
    Checksum,
    #[error("only {got} of {expected} bytes came")]
    Incomplete { got: usize, expected: usize },
    #[error("{0}")]
    Stray(Stray),
    #[error("{bytes} bytes that are no Modbus frame; check baud rate, parity and wiring")]
    Noise { bytes: usize },
    #[error("the line does not fall silent: another master, or noise without bias resistors")]
    NeverSilent,
    #[error("it is not framed as Modbus TCP")]
    NotModbusTcp,
    #[error("this looks like a transparent converter: write rtu_over_tcp instead of tcp")]
    LooksTransparent,
    #[error("this looks like a Modbus TCP gateway: write tcp instead of rtu_over_tcp")]
    LooksLikeTcp,
    #[error("{0}")]
    Other(String),
}

/// What an exception code means, and where to look.
fn exception(code: u8) -> &'static str {
    match code {
        1 => "it does not know this function (try holding instead of input, or the reverse)",
        2 => "it has no such register (is the profile the right one?)",
        3 => "it does not give so many registers at once",
        4 => "the meter has failed inside",
        5 => "it needs more time",
        6 => "it is busy",
        8 => "its memory is damaged",
        0x0A => "the gateway answers, but has no way to the meter (check its configuration for this unit)",
        0x0B => "the gateway answers, the meter does not (check the meter's power, wiring and unit)",
        _ => "a code of the maker's own",
    }
}

/// The operating system's reason without the number that only programmers want.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let plain = text.split(" (os error").next().unwrap_or_default();
    let mut letters = plain.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// A whole, intact frame that is no answer to the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    asked: (u8, u8, u16),
    came: (u8, u8, u16),
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((unit, function, count), (other_unit, other_function, other_count)) = (self.asked, self.came);
        if self.is_of_another_unit() {
            write!(f, "unit {other_unit} answered when {unit} was asked")
        } else if self.is_of_another_function() {
            write!(f, "an answer to function {} when {function} was asked", other_function & 0x7F)
        } else {
            write!(f, "{other_count} registers came when {count} were asked for")
        }
    }
}

impl Stray {
    pub(super) fn new(asked: (u8, Asked), came: (u8, u8, u16)) -> Self {
        let (unit, asked) = asked;
        Stray { asked: (unit, asked.function(), asked.count()), came }
    }

    /// The unit that answered.
    pub fn unit(&self) -> u8 {
        self.came.0
    }

    pub(super) fn is_of_another_unit(&self) -> bool {
        self.asked.0 != self.came.0
    }

    pub(super) fn is_of_another_function(&self) -> bool {
        self.asked.1 != self.came.1 & 0x7F
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_and_the_meter_are_told_apart() {
        let text = Error::Exception { unit: 3, code: 0x0B }.to_string();
        assert!(text.contains("the gateway answers, the meter does not"), "{text}");
        assert!(Error::Exception { unit: 3, code: 0x0A }.is_silence());
        assert!(!Error::Exception { unit: 3, code: 2 }.is_silence());
    }

    #[test]
    fn reasons_are_plain_words() {
        assert_eq!(reason(&io::Error::from_raw_os_error(libc::EACCES)), "permission denied");
        assert_eq!(reason(&io::Error::other("")), "");
    }
}
