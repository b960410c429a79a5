//! Counts the outcomes of a scan's requests, and derives advice about wiring, settings and the kind of link. Pure.

use crate::modbus::{Error, Garbled, Hint};
use crate::quality::LinkKind;

/// The counted outcomes of a scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanEvidence {
    /// Requests sent.
    pub requests: u32,
    /// Verified answers, including exceptions of a meter.
    pub answers: u32,
    /// Requests without a received byte.
    pub silent: u32,
    /// Requests after which only the request itself was received.
    pub echoes: u32,
    /// Incomplete frames, and frames with a wrong checksum.
    pub damaged: u32,
    /// Received bytes that are not a frame.
    pub noise: u32,
    /// Requests during which the line was never silent.
    pub never_silent: u32,
    /// Valid frames that are not the expected answer: another master's traffic, or a slow meter.
    pub unexpected: u32,
    /// Gateway exceptions 0x0B: the meter does not answer.
    pub gateway_silent: u32,
    /// Gateway exceptions 0x0A: no path to the meter.
    pub gateway_no_path: u32,
    /// RTU frames received on a Modbus TCP connection.
    pub looks_transparent: u32,
    /// Modbus TCP frames received on an RTU over TCP connection.
    pub looks_tcp: u32,
    /// Other bytes received on a Modbus TCP connection that are not Modbus TCP.
    pub not_tcp: u32,
    /// Addresses that answer as an HTTP server.
    pub http: u32,
    /// Connections that the other end closed, or that could not be opened again.
    pub closed: u32,
    /// Names for which no address is known.
    pub unknown: u32,
    /// Addresses that refused the connection.
    pub refused: u32,
    /// Addresses that could not be reached for another reason.
    pub filtered: u32,
}

impl ScanEvidence {
    /// Counts the outcome of a request.
    pub(super) fn note<T>(&mut self, outcome: &Result<T, Error>) {
        self.requests += 1;
        let count = match outcome {
            Ok(_) => &mut self.answers,
            Err(Error::Exception { code: 0x0A, .. }) => &mut self.gateway_no_path,
            Err(Error::Exception { code: 0x0B, .. }) => &mut self.gateway_silent,
            Err(Error::Exception { .. }) => &mut self.answers,
            Err(Error::TimedOut { hint: Hint::Echo, .. }) => &mut self.echoes,
            Err(Error::TimedOut { .. }) => &mut self.silent,
            Err(Error::Garbled { why, .. }) => match why {
                Garbled::Checksum | Garbled::Incomplete { .. } => &mut self.damaged,
                Garbled::Unexpected(_) => &mut self.unexpected,
                Garbled::NeverSilent | Garbled::Endless => &mut self.never_silent,
                Garbled::NotModbusTcp | Garbled::LooksLikeHttp => &mut self.not_tcp,
                Garbled::LooksTransparent => &mut self.looks_transparent,
                Garbled::LooksLikeTcp => &mut self.looks_tcp,
                Garbled::Noise { .. }
                | Garbled::NoiseBefore { .. }
                | Garbled::Inconsistent { .. }
                | Garbled::Interleaved
                | Garbled::Unproven { .. }
                | Garbled::Contradiction
                | Garbled::Other(_) => &mut self.noise,
            },
            Err(Error::Closed { .. } | Error::Open { .. }) => &mut self.closed,
        };
        *count += 1;
    }

    /// Adds the counts of another scan.
    pub fn add(&mut self, other: &ScanEvidence) {
        let sums = [
            (&mut self.requests, other.requests),
            (&mut self.answers, other.answers),
            (&mut self.silent, other.silent),
            (&mut self.echoes, other.echoes),
            (&mut self.damaged, other.damaged),
            (&mut self.noise, other.noise),
            (&mut self.never_silent, other.never_silent),
            (&mut self.unexpected, other.unexpected),
            (&mut self.gateway_silent, other.gateway_silent),
            (&mut self.gateway_no_path, other.gateway_no_path),
            (&mut self.looks_transparent, other.looks_transparent),
            (&mut self.looks_tcp, other.looks_tcp),
            (&mut self.not_tcp, other.not_tcp),
            (&mut self.http, other.http),
            (&mut self.closed, other.closed),
            (&mut self.unknown, other.unknown),
            (&mut self.refused, other.refused),
            (&mut self.filtered, other.filtered),
        ];
        for (sum, more) in sums {
            *sum += more;
        }
    }

    /// Whether any byte except an echo was received.
    fn has_received(&self) -> bool {
        self.answers
            + self.damaged
            + self.noise
            + self.never_silent
            + self.unexpected
            + self.gateway_silent
            + self.gateway_no_path
            + self.looks_transparent
            + self.looks_tcp
            + self.not_tcp
            > 0
    }

    /// What an installer should check, the most specific first; empty if nothing is wrong.
    pub fn advice(&self, kind: LinkKind) -> Vec<String> {
        let mut advice = Vec::new();
        let mut advise = |so: bool, text: &str| {
            if so {
                advice.push(text.to_owned());
            }
        };
        advise(
            self.http > 0,
            "an HTTP server (a web page) answers at this port, not Modbus TCP: most devices have Modbus TCP at port 502, and some need it \
             switched on in their settings",
        );
        advise(
            self.looks_transparent > 0 || (kind == LinkKind::Tcp && self.not_tcp > 0 && self.http == 0),
            "the TCP connection carries RTU frames, not Modbus TCP: it is a transparent converter, scan it with --rtu-over-tcp \
             (in `setup`: rtu:HOST:PORT)",
        );
        advise(
            self.looks_tcp > 0,
            "the connection carries Modbus TCP: it is a gateway, not a transparent converter, scan it with --tcp \
             (in `setup`: without rtu:)",
        );
        advise(
            kind == LinkKind::Converter && self.answers == 0 && self.closed > 0 && self.looks_tcp == 0,
            "the other end closes the connection after an RTU request: if it is a Modbus TCP gateway, scan it with --tcp \
             (in `setup`: without rtu:)",
        );
        advise(
            kind == LinkKind::Tcp
                && self.answers == 0
                && self.closed > 0
                && self.looks_transparent + self.not_tcp + self.http == 0,
            "the other end closes the connection: some gateways accept only one client, and another may be connected",
        );
        advise(
            self.gateway_silent > 0 && self.answers == 0,
            "the gateway answers, the meters behind it do not (exception 0x0B): check their power, the wires A and B, the units, and the \
             baud rate and parity that are set in the gateway",
        );
        advise(
            self.gateway_no_path > 0 && self.answers == 0,
            "the gateway answers, but has no path to these units (exception 0x0A): check in its configuration which units it forwards",
        );
        advise(
            self.echoes > 0,
            "the adapter echoes requests, which arkmeter ignores; if no meter is found, check the meters' power, the wires A and B, the units \
             and the baud rate",
        );
        advise(
            kind != LinkKind::Tcp && (self.never_silent > 0 || self.unexpected > 2),
            "other traffic on this line: another master (an inverter, a logger, a display) polls it, and a line can have only one",
        );
        self.damage(&mut advise, kind);
        self.silence(&mut advise, kind);
        advice
    }

    /// Advice about damaged frames.
    fn damage(&self, advise: &mut impl FnMut(bool, &str), kind: LinkKind) {
        let damaged = self.damaged + self.noise;
        advise(
            kind != LinkKind::Tcp && damaged > 0 && self.answers == 0,
            "bytes were received, but no valid frame: most likely the baud rate or parity is not among those tried; otherwise A and B \
             are swapped, or the line lacks its 120 ohm termination or bias resistors",
        );
        advise(
            kind != LinkKind::Tcp && damaged > 0 && self.answers > 0,
            "some answers are damaged: check the 120 ohm termination at both ends of the line, the bias resistors, the shield and the \
             cable length, and that no two meters have the same unit",
        );
    }

    /// Advice about silence and unreachable addresses.
    fn silence(&self, advise: &mut impl FnMut(bool, &str), kind: LinkKind) {
        let quiet = self.requests > 0 && !self.has_received() && self.echoes == 0;
        advise(
            kind == LinkKind::Serial && quiet,
            "no byte was received: check that the meters have power, that A and B are not swapped (swapping them does no damage), that it is \
             this adapter, and whether baud rate, parity and unit are among those tried (the meter's display shows them); a meter that takes more \
             than a second to answer needs --timeout 2s",
        );
        advise(
            kind == LinkKind::Tcp && quiet && self.closed == 0,
            "the connection is open, but no byte was received: the unit may be wrong, or it is a transparent converter: try \
             --rtu-over-tcp (in `setup`: rtu:HOST:PORT)",
        );
        advise(
            kind == LinkKind::Converter && quiet && self.closed == 0,
            "the connection is open, but no byte was received: check the baud rate and parity that are set in the converter, the wires A and \
             B and the meters' power; if it is a Modbus TCP gateway, scan it with --tcp \
             (in `setup`: without rtu:)",
        );
        advise(
            self.unknown > 0,
            "no address is known for this name: check how it is written, or enter the address of the device instead",
        );
        advise(
            self.refused > 0 && self.requests == 0,
            "a device is at the address, but it refuses connections to this port: most gateways use 502, transparent converters often 4196, \
             8899, 20108 or 23; some gateways accept only one client",
        );
        advise(
            self.filtered > 0 && self.requests == 0 && self.refused == 0,
            "no device answers at the address: check the device's power, the network cable, the address and the firewall",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The advice after a scan with these counts.
    fn advice(kind: LinkKind, change: impl Fn(&mut ScanEvidence)) -> String {
        let mut evidence = ScanEvidence { requests: 50, ..ScanEvidence::default() };
        change(&mut evidence);
        evidence.advice(kind).join("\n")
    }

    #[test]
    fn each_kind_of_failure_has_its_advice() {
        let serial = advice(LinkKind::Serial, |it| it.silent = 50);
        assert!(serial.contains("no byte was received") && serial.contains("swapped"), "{serial}");
        assert!(advice(LinkKind::Serial, |it| it.damaged = 3).contains("parity"));
        assert!(advice(LinkKind::Serial, |it| it.noise = 3).contains("baud rate"));
        assert!(advice(LinkKind::Serial, |it| it.echoes = 50).contains("echoes"));
        assert!(
            advice(LinkKind::Serial, |it| (it.damaged, it.answers) = (2, 5))
                .contains("120 ohm termination at both ends")
        );
        assert!(advice(LinkKind::Serial, |it| it.never_silent = 1).contains("another master"));
        assert!(!advice(LinkKind::Tcp, |it| it.unexpected = 9).contains("another master"), "a connection has one");
        assert!(advice(LinkKind::Tcp, |it| it.gateway_silent = 50).contains("0x0B"));
        assert!(advice(LinkKind::Tcp, |it| it.gateway_no_path = 50).contains("0x0A"));
        assert!(advice(LinkKind::Tcp, |it| it.looks_transparent = 1).contains("--rtu-over-tcp"));
        assert!(advice(LinkKind::Tcp, |it| it.silent = 50).contains("--rtu-over-tcp"));
        assert!(serial.contains("--timeout 2s"), "{serial}");
        let http = advice(LinkKind::Tcp, |it| (it.http, it.not_tcp) = (1, 3));
        assert!(http.contains("HTTP server") && !http.contains("--rtu-over-tcp"), "{http}");
        assert!(advice(LinkKind::Converter, |it| it.looks_tcp = 1).contains("--tcp"));
        assert!(advice(LinkKind::Converter, |it| it.closed = 1).contains("--tcp"));
        assert!(advice(LinkKind::Tcp, |it| (it.requests, it.refused) = (0, 1)).contains("502"));
        assert!(advice(LinkKind::Tcp, |it| (it.requests, it.filtered) = (0, 1)).contains("firewall"));
        let unknown = advice(LinkKind::Tcp, |it| (it.requests, it.unknown) = (0, 1));
        assert!(unknown.contains("how it is written") && !unknown.contains("firewall"), "{unknown}");
    }

    #[test]
    fn a_working_line_gets_no_advice() {
        for kind in [LinkKind::Serial, LinkKind::Tcp, LinkKind::Converter] {
            assert_eq!(advice(kind, |it| (it.answers, it.silent) = (5, 45)), "");
        }
        assert_eq!(advice(LinkKind::Tcp, |it| (it.answers, it.gateway_silent) = (1, 49)), "");
    }

    #[test]
    fn each_outcome_is_counted_once() {
        let mut evidence = ScanEvidence::default();
        let exception = |code| Err::<(), _>(Error::Exception { unit: 1, code });
        for outcome in [Ok(()), exception(2), exception(0x0A), exception(0x0B)] {
            evidence.note(&outcome);
        }
        evidence.note::<()>(&Err(Error::Garbled { unit: 1, why: Garbled::Checksum }));
        let mut twice = evidence;
        twice.add(&evidence);
        assert_eq!(
            (evidence.answers, evidence.gateway_no_path, evidence.gateway_silent, evidence.damaged),
            (2, 1, 1, 1)
        );
        assert_eq!((twice.requests, twice.answers), (10, 4));
    }
}
