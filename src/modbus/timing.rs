//! The times of an RTU line: characters, the silence between frames, and the silence after a failure.

use std::time::Duration;

use super::settings::{Link, LinkSettings};
use crate::units::Parity;

/// The least silence between two frames at any speed. Source: Modbus over Serial Line V1.02, 2.5.1.1.
const LEAST_GAP: Duration = Duration::from_micros(1750);
/// The silence after a failure on a serial line. USB adapters deliver bytes in blocks up to 16 ms apart (FTDI's default latency
/// timer), so a shorter pause may lie within one late answer.
pub(super) const SETTLED_SERIAL: Duration = Duration::from_millis(50);
/// The same behind a converter: it collects bytes for up to some 50 ms before it sends a packet, and the network adds its own delay.
pub(super) const SETTLED_CONVERTER: Duration = Duration::from_millis(100);
/// The assumed speed behind a converter: the factory setting of most meters.
const CONVERTER_BAUD: u32 = 9600;

/// The times of one RTU line.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineTiming {
    character: Duration,
    /// The silence before each request.
    pub(super) gap: Duration,
    /// The silence after a failure, which shows that no late bytes follow.
    pub(super) settled: Duration,
    /// Whether this box sends the characters: then a written request is not a sent one yet.
    local: bool,
}

impl LineTiming {
    pub(super) fn new(settings: &LinkSettings) -> Self {
        let (character, least_gap, local) = match &settings.link {
            Link::Serial(serial) => {
                let character = character_time(serial.baud, serial.parity, serial.stop_bits);
                (character, frame_gap(character), true)
            }
            Link::Tcp(_) | Link::RtuOverTcp(_) => (Duration::from_secs(10) / CONVERTER_BAUD, LEAST_GAP, false),
        };
        let gap = least_gap + settings.request_gap;
        let settled = gap.max(if local { SETTLED_SERIAL } else { SETTLED_CONVERTER });
        LineTiming { character, gap, settled, local }
    }

    /// How long `bytes` that were just written are on the line.
    pub(super) fn sending(&self, bytes: usize) -> Duration {
        if self.local { self.character * bytes as u32 } else { Duration::ZERO }
    }

    /// How long `bytes` take to arrive once the meter begins to send.
    pub(super) fn receiving(&self, bytes: usize) -> Duration {
        self.character * bytes as u32
    }
}

/// The time of one character: a start bit, 8 data bits, the parity bit if any, and 1 or 2 stop bits.
pub(crate) fn character_time(baud: u32, parity: Parity, stop_bits: u8) -> Duration {
    let parity_bits = u32::from(parity != Parity::None);
    Duration::from_secs(1) * (9 + parity_bits + u32::from(stop_bits)) / baud.max(1)
}

/// The silence between two frames: 3.5 characters, at least 1.75 ms.
pub(crate) fn frame_gap(character: Duration) -> Duration {
    LEAST_GAP.max(character * 7 / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::SerialSettings;

    fn settings(link: Link) -> LinkSettings {
        let (timeout, request_gap) = (Duration::from_secs(1), Duration::from_millis(2));
        LinkSettings { link, timeout, request_gap, connect_delay: Duration::ZERO, lender: None }
    }

    fn serial(baud: u32, parity: Parity) -> LineTiming {
        LineTiming::new(&settings(Link::Serial(SerialSettings {
            path: "/dev/null".into(),
            baud,
            parity,
            stop_bits: 1,
        })))
    }

    #[test]
    fn a_line_is_silent_for_3_5_characters_and_never_less_than_1_75_ms() {
        let setting = Duration::from_millis(2);
        assert_eq!((serial(9600, Parity::None).gap - setting).as_micros(), 3645);
        assert_eq!((serial(9600, Parity::Even).gap - setting).as_micros(), 4010);
        assert_eq!((serial(115_200, Parity::Even).gap - setting).as_micros(), 1750);
        assert_eq!(serial(9600, Parity::None).sending(8).as_micros(), 8333);
    }

    #[test]
    fn the_silence_after_a_failure_outlasts_an_adapters_latency() {
        assert!(serial(115_200, Parity::None).settled > Duration::from_millis(16));
        assert!(serial(300, Parity::None).settled > Duration::from_secs(35) / 300);
        assert_eq!(LineTiming::new(&settings(Link::RtuOverTcp("a:1".into()))).sending(8), Duration::ZERO);
    }
}
