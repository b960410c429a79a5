//! What was heard while scanning, counted, and what it says about wiring, settings and the way to the meters. Pure.

use crate::modbus::{Error, Garbled, Hint};
use crate::quality::LinkKind;

/// Counts of what came instead of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanEvidence {
    /// Requests that went out.
    pub asked: u32,
    /// Verified answers, refusals of a meter among them.
    pub answered: u32,
    /// Nothing came at all.
    pub silent: u32,
    /// Our own request came back, and nothing else.
    pub echoes: u32,
    /// A frame that is whole but for its checksum, or that breaks off.
    pub damaged: u32,
    /// Bytes that are no frame.
    pub noise: u32,
    /// The line never fell silent.
    pub chatter: u32,
    /// Intact frames of others: another master's traffic, or a slow meter.
    pub strays: u32,
    /// A gateway said that the meter does not answer (0x0B).
    pub gateway_silent: u32,
    /// A gateway said that it has no way to the meter (0x0A).
    pub gateway_pathless: u32,
    /// RTU came back over a connection that was spoken to as Modbus TCP.
    pub looks_transparent: u32,
    /// Modbus TCP came back over a connection that was spoken to as RTU.
    pub looks_tcp: u32,
    /// Something came over Modbus TCP that is not framed as such.
    pub not_tcp: u32,
    /// The other end closed the connection.
    pub closed: u32,
    /// Nobody listens at the port.
    pub refused: u32,
    /// Nothing came back when connecting.
    pub filtered: u32,
}

impl ScanEvidence {
    /// Takes note of how a request ended.
    pub fn note<T>(&mut self, outcome: &Result<T, Error>) {
        self.asked += 1;
        let count = match outcome {
            Ok(_) => &mut self.answered,
            Err(Error::Exception { code: 0x0A, .. }) => &mut self.gateway_pathless,
            Err(Error::Exception { code: 0x0B, .. }) => &mut self.gateway_silent,
            Err(Error::Exception { .. }) => &mut self.answered,
            Err(Error::TimedOut { hint: Hint::Echo, .. }) => &mut self.echoes,
            Err(Error::TimedOut { .. }) => &mut self.silent,
            Err(Error::Garbled { why, .. }) => match why {
                Garbled::Checksum | Garbled::Incomplete { .. } => &mut self.damaged,
                Garbled::Unexpected(_) => &mut self.strays,
                Garbled::NeverSilent => &mut self.chatter,
                Garbled::NotModbusTcp => &mut self.not_tcp,
                Garbled::LooksTransparent => &mut self.looks_transparent,
                Garbled::LooksLikeTcp => &mut self.looks_tcp,
                Garbled::Noise { .. } | Garbled::Other(_) => &mut self.noise,
            },
            Err(Error::Closed { .. } | Error::Open { .. }) => &mut self.closed,
        };
        *count += 1;
    }

    /// The counts of both.
    pub fn add(&mut self, other: &ScanEvidence) {
        let sums = [
            (&mut self.asked, other.asked),
            (&mut self.answered, other.answered),
            (&mut self.silent, other.silent),
            (&mut self.echoes, other.echoes),
            (&mut self.damaged, other.damaged),
            (&mut self.noise, other.noise),
            (&mut self.chatter, other.chatter),
            (&mut self.strays, other.strays),
            (&mut self.gateway_silent, other.gateway_silent),
            (&mut self.gateway_pathless, other.gateway_pathless),
            (&mut self.looks_transparent, other.looks_transparent),
            (&mut self.looks_tcp, other.looks_tcp),
            (&mut self.not_tcp, other.not_tcp),
            (&mut self.closed, other.closed),
            (&mut self.refused, other.refused),
            (&mut self.filtered, other.filtered),
        ];
        for (sum, more) in sums {
            *sum += more;
        }
    }

    /// Whether a byte came that was not our own.
    fn heard(&self) -> bool {
        self.answered
            + self.damaged
            + self.noise
            + self.chatter
            + self.strays
            + self.gateway_silent
            + self.gateway_pathless
            + self.looks_transparent
            + self.looks_tcp
            + self.not_tcp
            > 0
    }

    /// What an installer should look at, what is most telling first; empty where all is plain.
    pub fn advice(&self, way: LinkKind) -> Vec<String> {
        let mut advice = Vec::new();
        let mut say = |so: bool, text: &str| {
            if so {
                advice.push(text.to_owned());
            }
        };
        say(
            self.looks_transparent > 0 || (way == LinkKind::Tcp && self.not_tcp > 0),
            "what came over TCP is not Modbus TCP but bare serial frames: it is a transparent converter, scan it with --rtu-over-tcp",
        );
        say(
            self.looks_tcp > 0,
            "what came over the connection is Modbus TCP: it is a gateway and no transparent converter, scan it with --tcp",
        );
        say(
            way == LinkKind::Converter && self.answered == 0 && self.closed > 0 && self.looks_tcp == 0,
            "the other end closes the connection when it is spoken to in RTU: if it is a Modbus TCP gateway, scan it with --tcp",
        );
        say(
            way == LinkKind::Tcp && self.answered == 0 && self.closed > 0 && self.looks_transparent + self.not_tcp == 0,
            "the other end closes the connection: some gateways accept one client only, and another may be connected",
        );
        say(
            self.gateway_silent > 0 && self.answered == 0,
            "the gateway answers, the meters behind it do not (exception 0x0B): check their power, the wires A and B, the units, and the \
             baud rate and parity that are set in the gateway",
        );
        say(
            self.gateway_pathless > 0 && self.answered == 0,
            "the gateway answers, but has no way to these units (exception 0x0A): its own configuration says which units it passes on",
        );
        say(
            self.echoes > 0,
            "our own requests come back: the adapter echoes, and arkmeter copes with that; where nothing else comes, check the meters' \
             power, the wires A and B, the units and the baud rate",
        );
        say(
            self.chatter > 0 || self.strays > 2,
            "others talk on this line: another master (an inverter, a logger, a display) polls it, and a line has room for one",
        );
        self.damage(&mut say, way);
        self.silence(&mut say, way);
        advice
    }

    /// Bytes that are no intact frame.
    fn damage(&self, say: &mut impl FnMut(bool, &str), way: LinkKind) {
        let damaged = self.damaged + self.noise;
        say(
            way != LinkKind::Tcp && damaged > 0 && self.answered == 0,
            "something answers, but never an intact frame: most likely baud rate or parity are others than those tried; else A and B \
             are swapped, or the line lacks its 120 ohm termination or bias resistors",
        );
        say(
            way != LinkKind::Tcp && damaged > 0 && self.answered > 0,
            "some answers are damaged: check the 120 ohm termination at both ends of the line, the bias resistors, the shield and the \
             cable's length, and that no two meters have the same unit",
        );
    }

    /// Nothing at all.
    fn silence(&self, say: &mut impl FnMut(bool, &str), way: LinkKind) {
        let quiet = self.asked > 0 && !self.heard() && self.echoes == 0;
        say(
            way == LinkKind::Serial && quiet,
            "not one byte came: check that the meters have power, that A and B are not swapped (try: nothing breaks), that it is this \
             adapter, and whether baud rate, parity and unit are among those tried (the meter's display shows them)",
        );
        say(
            way == LinkKind::Tcp && quiet && self.closed == 0,
            "the connection stands, but not one byte came: the unit may be another, or it is a transparent converter: try --rtu-over-tcp",
        );
        say(
            way == LinkKind::Converter && quiet && self.closed == 0,
            "the connection stands, but not one byte came: check the baud rate and parity that are set in the converter, the wires A and \
             B and the meters' power; if it is a Modbus TCP gateway, scan it with --tcp",
        );
        say(
            self.refused > 0 && self.asked == 0,
            "there is something at the address, but nobody listens at this port: it is 502 for most gateways, often 4196, 8899, 20108 or \
             23 for transparent converters; some gateways accept one client only",
        );
        say(
            self.filtered > 0 && self.asked == 0 && self.refused == 0,
            "nothing answers at the address: check the device's power, the network cable, the address and the firewall",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The advice, where each of these came so often.
    fn advice(way: LinkKind, change: impl Fn(&mut ScanEvidence)) -> String {
        let mut evidence = ScanEvidence { asked: 50, ..ScanEvidence::default() };
        change(&mut evidence);
        evidence.advice(way).join("\n")
    }

    #[test]
    fn each_kind_of_failure_has_its_remedy() {
        let serial = advice(LinkKind::Serial, |it| it.silent = 50);
        assert!(serial.contains("not one byte") && serial.contains("swapped"), "{serial}");
        assert!(advice(LinkKind::Serial, |it| it.damaged = 3).contains("parity"));
        assert!(advice(LinkKind::Serial, |it| it.noise = 3).contains("baud rate"));
        assert!(advice(LinkKind::Serial, |it| it.echoes = 50).contains("echoes"));
        assert!(
            advice(LinkKind::Serial, |it| (it.damaged, it.answered) = (2, 5))
                .contains("120 ohm termination at both ends")
        );
        assert!(advice(LinkKind::Serial, |it| it.chatter = 1).contains("another master"));
        assert!(advice(LinkKind::Tcp, |it| it.gateway_silent = 50).contains("0x0B"));
        assert!(advice(LinkKind::Tcp, |it| it.gateway_pathless = 50).contains("0x0A"));
        assert!(advice(LinkKind::Tcp, |it| it.looks_transparent = 1).contains("--rtu-over-tcp"));
        assert!(advice(LinkKind::Tcp, |it| it.silent = 50).contains("--rtu-over-tcp"));
        assert!(advice(LinkKind::Converter, |it| it.looks_tcp = 1).contains("--tcp"));
        assert!(advice(LinkKind::Converter, |it| it.closed = 1).contains("--tcp"));
        assert!(advice(LinkKind::Tcp, |it| (it.asked, it.refused) = (0, 1)).contains("502"));
        assert!(advice(LinkKind::Tcp, |it| (it.asked, it.filtered) = (0, 1)).contains("firewall"));
    }

    #[test]
    fn a_healthy_line_needs_no_advice() {
        for way in [LinkKind::Serial, LinkKind::Tcp, LinkKind::Converter] {
            assert_eq!(advice(way, |it| (it.answered, it.silent) = (5, 45)), "");
        }
        assert_eq!(advice(LinkKind::Tcp, |it| (it.answered, it.gateway_silent) = (1, 49)), "");
    }

    #[test]
    fn each_outcome_has_its_count() {
        let mut evidence = ScanEvidence::default();
        let exception = |code| Err::<(), _>(Error::Exception { unit: 1, code });
        for outcome in [Ok(()), exception(2), exception(0x0A), exception(0x0B)] {
            evidence.note(&outcome);
        }
        evidence.note::<()>(&Err(Error::Garbled { unit: 1, why: Garbled::Checksum }));
        let mut twice = evidence;
        twice.add(&evidence);
        assert_eq!(
            (evidence.answered, evidence.gateway_pathless, evidence.gateway_silent, evidence.damaged),
            (2, 1, 1, 1)
        );
        assert_eq!((twice.asked, twice.answered), (10, 4));
    }
}
