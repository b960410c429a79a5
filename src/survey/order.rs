//! The order in which line settings and units are tried: the likely ones first. Pure.

use std::fmt;
use std::time::Duration;

use crate::modbus::{character_time, frame_gap};
use crate::units::{Parity, UnitId};

/// The settings of a serial line, with 8 data bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineSettings {
    /// Bits per second.
    pub baud: u32,
    /// Parity.
    pub parity: Parity,
    /// Stop bits, 1 or 2.
    pub stop_bits: u8,
}

/// The usual settings, the most common first. Source: the serial defaults of the built-in profiles; 19200 even is the default of the
/// Modbus standard (Modbus over Serial Line V1.02, 2.5.1).
const USUAL: [(u32, Parity); 16] = [
    (9600, Parity::None),
    (9600, Parity::Even),
    (19_200, Parity::Even),
    (19_200, Parity::None),
    (2400, Parity::None),
    (38_400, Parity::None),
    (115_200, Parity::None),
    (4800, Parity::None),
    (2400, Parity::Even),
    (38_400, Parity::Even),
    (57_600, Parity::None),
    (115_200, Parity::Even),
    (4800, Parity::Even),
    (1200, Parity::None),
    (9600, Parity::Odd),
    (19_200, Parity::Odd),
];

/// The likely units, tried at every setting before any other.
pub(super) const UNITS_FIRST: [u8; 11] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 247];

/// Length of a read request in characters.
const REQUEST_LENGTH: u32 = 8;

/// The settings to try: the usual ones with the given baud rates and parities (all of them if none is given), then every other combination
/// of the given ones. A given baud rate without a usual setting is tried with no and even parity.
pub fn settings(bauds: &[u32], parities: &[Parity], stop_bits: u8) -> Vec<LineSettings> {
    let fits = |(baud, parity): &&(u32, Parity)| {
        (bauds.is_empty() || bauds.contains(baud)) && (parities.is_empty() || parities.contains(parity))
    };
    let mut pairs: Vec<_> = USUAL.iter().filter(fits).copied().collect();
    for baud in bauds {
        for parity in parities {
            pairs.push((*baud, *parity));
        }
        if !pairs.iter().any(|(known, _)| known == baud) {
            pairs.extend([(*baud, Parity::None), (*baud, Parity::Even)]);
        }
    }
    let mut settings: Vec<LineSettings> = Vec::new();
    for (baud, parity) in pairs {
        let setting = LineSettings { baud, parity, stop_bits };
        if !settings.contains(&setting) {
            settings.push(setting);
        }
    }
    settings
}

/// The units to try on a serial line, 1 to 247 if none is given: the likely ones, and the others.
pub fn units(given: &[UnitId]) -> (Vec<UnitId>, Vec<UnitId>) {
    ordered(given, &[])
}

/// The units to try over Modbus TCP. If none is given, 255 and 0 come at last: some devices answer to nothing else.
pub fn tcp_units(given: &[UnitId]) -> (Vec<UnitId>, Vec<UnitId>) {
    ordered(given, if given.is_empty() { &[255, 0] } else { &[255, 0, 248, 249, 250, 251, 252, 253, 254] })
}

fn ordered(given: &[UnitId], others: &[i64]) -> (Vec<UnitId>, Vec<UnitId>) {
    let all: Vec<_> = (1..=247).chain(others.iter().copied()).filter_map(UnitId::on_tcp).collect();
    let wanted = if given.is_empty() { &all[..] } else { given };
    let likely = |unit: &UnitId| UNITS_FIRST.contains(&unit.get());
    let first: Vec<_> = all.iter().filter(|unit| likely(unit) && wanted.contains(unit)).copied().collect();
    let rest = all.iter().filter(|unit| !likely(unit) && wanted.contains(unit)).copied().collect();
    (first, rest)
}

impl LineSettings {
    /// How long a request to a missing unit takes on this line: the request, the timeout, and the silence before the next request.
    pub fn missing_unit(&self, timeout: Duration) -> Duration {
        let character = character_time(self.baud, self.parity, self.stop_bits);
        character * REQUEST_LENGTH + timeout + frame_gap(character)
    }
}

impl fmt::Display for LineSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parity = match self.parity {
            Parity::None => 'N',
            Parity::Even => 'E',
            Parity::Odd => 'O',
        };
        write!(f, "{} baud 8{parity}{}", self.baud, self.stop_bits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(bauds: &[u32], parities: &[Parity]) -> Vec<String> {
        settings(bauds, parities, 1).iter().map(LineSettings::to_string).collect()
    }

    #[test]
    fn the_usual_settings_come_first() {
        let all = texts(&[], &[]);
        assert_eq!(all[..3], ["9600 baud 8N1", "9600 baud 8E1", "19200 baud 8E1"]);
        assert_eq!(texts(&[9600], &[Parity::Even]), ["9600 baud 8E1"]);
        assert_eq!(texts(&[19_200], &[])[0], "19200 baud 8E1");
        assert_eq!(texts(&[7200], &[]), ["7200 baud 8N1", "7200 baud 8E1"]);
        assert_eq!(texts(&[7200], &[Parity::Odd]), ["7200 baud 8O1"]);
    }

    #[test]
    fn likely_units_come_first_and_each_unit_once() {
        let (first, rest) = units(&[]);
        assert_eq!(first.iter().map(|unit| unit.get()).collect::<Vec<_>>(), UNITS_FIRST);
        assert_eq!(first.len() + rest.len(), 247);
        let given: Vec<_> = [30, 2].into_iter().filter_map(UnitId::new).collect();
        assert_eq!(units(&given), (vec![given[1]], vec![given[0]]));
        let (_, rest) = tcp_units(&[]);
        assert_eq!(rest.iter().rev().take(2).map(|unit| unit.get()).collect::<Vec<_>>(), [0, 255], "at last");
    }

    proptest! {
        #[test]
        fn every_given_baud_rate_is_tried(bauds in prop::collection::vec(300_u32..200_000, 1..4)) {
            let tried = settings(&bauds, &[], 1);
            prop_assert!(bauds.iter().all(|baud| tried.iter().any(|setting| setting.baud == *baud)));
            prop_assert!(tried.iter().all(|setting| bauds.contains(&setting.baud)));
        }
    }
}
