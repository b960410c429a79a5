//! Why there is no answer: messages that name the thing and the remedy.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::request::UnitRequest;

/// Why a read returned no registers.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Error {
    /// The link could not be opened; no request was sent.
    #[error("cannot open {link}: {reason}; {remedy}")]
    Open {
        /// The device or `host:port`.
        link: String,
        /// The system's reason.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// No answer to the request came in time. The link stays open.
    #[error("no answer from unit {unit} within {}{}", humantime::format_duration(*.within), .hint.text())]
    TimedOut {
        /// The unit that was read.
        unit: u8,
        /// The configured timeout.
        within: Duration,
        /// What else was noticed.
        hint: Hint,
    },
    /// The meter, or the gateway in its stead, refused the request. Source of the codes: Modbus Application Protocol V1.1b3, section 7.
    #[error("exception {code} from unit {unit}: {}", exception(*.code))]
    Exception {
        /// The unit that was read.
        unit: u8,
        /// The exception code.
        code: u8,
    },
    /// The bytes received are no answer to the request. None of them is used.
    #[error("garbled answer from unit {unit}: {why}")]
    Garbled {
        /// The unit that was read.
        unit: u8,
        /// What is wrong with the bytes.
        why: Garbled,
    },
    /// The link is gone; the next read opens it again.
    #[error("{link} was closed: {reason}")]
    Closed {
        /// The device or `host:port`.
        link: String,
        /// The system's reason.
        reason: String,
    },
}

impl Error {
    /// Whether the meter refused these registers as a range (exception 2 or 3): it may accept a smaller range.
    pub fn refuses_range(&self) -> bool {
        matches!(self, Error::Exception { code: 2 | 3, .. })
    }

    /// Whether the link failed, not the meter: a read of any other meter on it would fail too.
    pub fn is_of_the_link(&self) -> bool {
        matches!(self, Error::Open { .. } | Error::Closed { .. })
    }

    /// Whether the meter is absent: no answer at all, or a gateway reports that it got none.
    pub fn is_silence(&self) -> bool {
        matches!(self, Error::TimedOut { .. } | Error::Exception { code: 0x0A | 0x0B, .. })
    }

    /// Whether the other end speaks another protocol, or another kind of Modbus.
    pub fn is_of_another_protocol(&self) -> bool {
        use Garbled::{LooksLikeHttp, LooksLikeTcp, LooksTransparent, NotModbusTcp};
        matches!(self, Error::Garbled { why: LooksLikeHttp | LooksLikeTcp | LooksTransparent | NotModbusTcp, .. })
    }

    /// Whether it shows that the request was answered. An exception is an answer, and so is one that is not used because it proves nothing
    /// yet.
    pub(super) fn is_an_answer(&self) -> bool {
        match self {
            Error::Exception { .. } => true,
            Error::Garbled { why, .. } => why.is_unproven(),
            _ => false,
        }
    }

    /// Whether a second attempt at once is worth its time: noise seldom hits twice.
    pub(crate) fn is_worth_a_repeat(&self) -> bool {
        matches!(self, Error::Garbled { why, .. } if !matches!(why, Garbled::NeverSilent | Garbled::Endless))
    }
}

/// What was noticed during a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hint {
    /// Nothing.
    None,
    /// Our own request came back, and nothing else.
    Echo,
    /// Answers to other requests came, on TCP.
    Stale,
    /// No byte was ever received over this Modbus TCP connection.
    DeafTcp,
    /// No byte was ever received over this RTU over TCP connection.
    DeafConverter,
}

impl Hint {
    fn text(self) -> &'static str {
        match self {
            Hint::None => "",
            Hint::Echo => ": only our own request came back (the adapter echoes); check wiring, unit and baud rate",
            Hint::Stale => ": only answers to other requests came; a longer timeout may help",
            Hint::DeafTcp => {
                ": nothing was ever received over this connection; check the unit, and whether this is a transparent \
                 converter (then write rtu_over_tcp instead of tcp)"
            }
            Hint::DeafConverter => {
                ": nothing was ever received over this connection; check the unit and the converter's baud rate, and \
                 whether it is a Modbus TCP gateway (then write tcp instead of rtu_over_tcp)"
            }
        }
    }
}

/// What is wrong with the bytes received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Garbled {
    /// The answer's checksum is wrong.
    #[error("bad checksum; check termination, bias and cable, and that no other master uses the line")]
    Checksum,
    /// The answer broke off.
    #[error("only {got} of {expected} bytes came")]
    Incomplete {
        /// Bytes received.
        got: usize,
        /// Bytes of the whole frame.
        expected: usize,
    },
    /// An intact frame that is no answer to the request.
    #[error("{0}")]
    Unexpected(UnexpectedFrame),
    /// Bytes without any frame.
    #[error("{bytes} bytes that are no Modbus frame; check baud rate, parity and wiring")]
    Noise {
        /// Their number.
        bytes: usize,
    },
    /// The line did not become silent: no request could be sent, or no answer was found among the frames of others.
    #[error("the line does not become silent: another master, or noise without bias resistors")]
    NeverSilent,
    /// A TCP connection brings frames without end that are no answer to the request.
    #[error(
        "the device sends frames without end that answer no request: restart it, or check what else is connected to it"
    )]
    Endless,
    /// The bytes of a TCP connection have no Modbus TCP header.
    #[error("the bytes have no Modbus TCP header")]
    NotModbusTcp,
    /// Other bytes came before an intact answer, and it is not proven yet that this line always has them.
    #[error(
        "{bytes} other bytes came before the answer; it is used once further answers show that this line always has them; check bias resistors and the adapter's echo"
    )]
    NoiseBefore {
        /// Their number.
        bytes: usize,
    },
    /// A web server answers.
    #[error("this is a web server, not a Modbus device; check the port (502 for most gateways)")]
    LooksLikeHttp,
    /// The header of a Modbus TCP answer and its byte count contradict each other.
    #[error("its header counts {header} bytes of answer, its byte count {announced}")]
    Inconsistent {
        /// Bytes of function and data by the header.
        header: usize,
        /// The same by the byte count.
        announced: usize,
    },
    /// Other bytes follow the answer, so that it may be composed of two halves.
    #[error("bytes that are no Modbus TCP header follow the answer")]
    Interleaved,
    /// The answer carries another transaction id or unit than the request, and it is not proven yet that this device always does so.
    #[error("{}; it is used once further answers show that this device always does so; if they never do, update its firmware", unlike(*.sent, *.transaction, *.requested, *.unit))]
    Unproven {
        /// The transaction id that was sent.
        sent: u16,
        /// The one of the answer.
        transaction: u16,
        /// The unit that was read.
        requested: u8,
        /// The one of the answer.
        unit: u8,
    },
    /// An answer contradicts what the device has proven, so that it may be late.
    #[error(
        "an answer contradicts the earlier answers of this device, so it may be a late one; the connection is made again"
    )]
    Contradiction,
    /// RTU frames came over a Modbus TCP connection.
    #[error("this looks like a transparent converter: write rtu_over_tcp instead of tcp")]
    LooksTransparent,
    /// Modbus TCP frames came over an RTU connection.
    #[error("this looks like a Modbus TCP gateway: write tcp instead of rtu_over_tcp")]
    LooksLikeTcp,
    /// The Modbus client refused the answer.
    #[error("{0}")]
    Other(String),
}

impl Garbled {
    /// Whether it is the answer as far as is known, and further answers may prove it.
    pub(super) fn is_unproven(&self) -> bool {
        matches!(self, Garbled::Unproven { .. } | Garbled::NoiseBefore { .. })
    }

    /// Whether the TCP connection cannot be used any more: the beginning of the next frame is unknown, or which request it answers.
    pub(super) fn ends_connection(&self) -> bool {
        use Garbled::{Contradiction, Endless, LooksLikeHttp, LooksTransparent, NotModbusTcp};
        matches!(self, NotModbusTcp | LooksTransparent | LooksLikeHttp | Contradiction | Endless)
    }
}

/// How an answer's transaction id and unit differ from the request's.
fn unlike(sent: u16, transaction: u16, requested: u8, unit: u8) -> String {
    let transaction =
        (transaction != sent).then(|| format!("the answer carries transaction id {transaction} instead of {sent}"));
    let unit = (unit != requested).then(|| format!("the answer carries unit {unit} instead of {requested}"));
    transaction.into_iter().chain(unit).collect::<Vec<_>>().join(", and ")
}

/// The meaning of an exception code, and what to check.
fn exception(code: u8) -> &'static str {
    match code {
        1 => "it does not know this function (try holding instead of input, or the reverse)",
        2 => "it has no such register (is the profile the right one?)",
        3 => "it does not return so many registers at once",
        4 => "the meter has an internal failure",
        5 => "it needs more time",
        6 => "it is busy",
        8 => "its memory is damaged",
        0x0A => "the gateway answers, but has no way to the meter (check its configuration for this unit)",
        0x0B => "the gateway answers, the meter does not (check the meter's power, wiring and unit)",
        _ => "a code of the manufacturer",
    }
}

/// The operating system's reason without the error number.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let plain = text.split(" (os error").next().unwrap_or_default();
    let mut letters = plain.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// A whole, intact frame that is no answer to the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnexpectedFrame {
    requested: FrameSummary,
    received: FrameSummary,
}

/// What a frame is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FrameSummary {
    pub(super) unit: u8,
    /// With the exception bit, where it is set.
    pub(super) function: u8,
    pub(super) registers: u16,
}

impl fmt::Display for UnexpectedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requested, received) = (self.requested, self.received);
        if self.is_of_another_unit() {
            write!(f, "unit {} answered a request to unit {}", received.unit, requested.unit)
        } else if self.is_of_another_function() {
            write!(f, "it answers function {} instead of {}", received.function & 0x7F, requested.function)
        } else {
            write!(f, "{} registers came instead of {}", received.registers, requested.registers)
        }
    }
}

impl UnexpectedFrame {
    pub(super) fn new(request: UnitRequest, received: FrameSummary) -> Self {
        let UnitRequest { unit, read } = request;
        let requested = FrameSummary { unit, function: read.function(), registers: read.count() };
        UnexpectedFrame { requested, received }
    }

    /// The unit that answered.
    pub fn unit(&self) -> u8 {
        self.received.unit
    }

    pub(super) fn is_of_another_unit(&self) -> bool {
        self.requested.unit != self.received.unit
    }

    pub(super) fn is_of_another_function(&self) -> bool {
        self.requested.function != self.received.function & 0x7F
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_meter_behind_a_gateway_is_named() {
        let text = Error::Exception { unit: 3, code: 0x0B }.to_string();
        assert!(text.contains("the gateway answers, the meter does not"), "{text}");
        assert!(Error::Exception { unit: 3, code: 0x0A }.is_silence());
        assert!(!Error::Exception { unit: 3, code: 2 }.is_silence());
    }

    #[test]
    fn reasons_are_plain_text() {
        assert_eq!(reason(&io::Error::from_raw_os_error(libc::EACCES)), "permission denied");
        assert_eq!(reason(&io::Error::other("")), "");
    }
}
