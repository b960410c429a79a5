//! What a unit can be asked, all of it reading: registers, and who it is. There is no request here that writes. Pure.

use crate::meter::RegisterRange;

/// One request to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Functions 3 and 4.
    Registers(RegisterRange),
    /// Functions 17 and 43/14.
    Identity(Identity),
}

/// The two ways in which a unit says who it is. Many meters know neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Function 17, report server id: bytes of the maker's own choice. Source: Modbus Application Protocol V1.1b3, 6.13.
    Server,
    /// Function 43 / 14, device identification, the basic objects: vendor, product code, revision. Source: the same, 6.21.
    Device,
}

/// The encapsulated interface's kind that identifies a device.
const DEVICE_IDENTIFICATION: u8 = 14;
/// The basic objects as a stream, from the first on.
const BASIC: u8 = 1;
const FIRST_OBJECT: u8 = 0;
/// A request's function and data take no more.
pub(super) const LONGEST_PDU: usize = 5;
/// Of a device's answer: kind, what was asked, conformity, more, next, number of objects.
const DEVICE_HEADER: usize = 6;

impl From<RegisterRange> for Asked {
    fn from(block: RegisterRange) -> Self {
        Asked::Registers(block)
    }
}

impl Asked {
    /// The function's number.
    pub(super) fn function(self) -> u8 {
        match self {
            Asked::Registers(block) => block.function.code(),
            Asked::Identity(Identity::Server) => 17,
            Asked::Identity(Identity::Device) => 43,
        }
    }

    /// Registers that are asked for; none of an identity.
    pub(super) fn count(self) -> u16 {
        match self {
            Asked::Registers(block) => block.count,
            Asked::Identity(_) => 0,
        }
    }

    /// Function and data of the request, and how many of these bytes they are.
    pub(super) fn pdu(self) -> ([u8; LONGEST_PDU], usize) {
        let function = self.function();
        match self {
            Asked::Registers(block) => {
                let ([a, b], [c, d]) = (block.address.to_be_bytes(), block.count.to_be_bytes());
                ([function, a, b, c, d], 5)
            }
            Asked::Identity(Identity::Server) => ([function, 0, 0, 0, 0], 1),
            Asked::Identity(Identity::Device) => ([function, DEVICE_IDENTIFICATION, BASIC, FIRST_OBJECT, 0], 4),
        }
    }

    /// Whether the data that follow the function can be the answer's, as far as they are there.
    pub(super) fn begins(self, data: &[u8]) -> bool {
        match (self, data.first()) {
            (_, None) | (Asked::Identity(Identity::Server), _) => true,
            (Asked::Registers(block), Some(bytes)) => u16::from(*bytes) == 2 * block.count,
            (Asked::Identity(Identity::Device), Some(kind)) => *kind == DEVICE_IDENTIFICATION,
        }
    }

    /// The longest answer's data that is waited for, function included.
    pub(super) fn longest(self) -> usize {
        match self {
            Asked::Registers(block) => 2 + 2 * usize::from(block.count),
            Asked::Identity(_) => 253,
        }
    }
}

/// How many bytes of data follow this function in an answer, once those that say it are there. `None` of what is no answer to anything
/// that can be asked.
pub(super) fn data_len(function: u8, data: &[u8]) -> Option<usize> {
    match (function, data) {
        (1..=4 | 17, [count, ..]) => Some(1 + usize::from(*count)),
        (0x81..=0xAB, [_, ..]) => Some(1),
        (43, data) => objects_end(data),
        _ => None,
    }
}

/// Where the last object of a device's identification ends.
fn objects_end(data: &[u8]) -> Option<usize> {
    let [kind, .., objects] = data.get(..DEVICE_HEADER)? else { return None };
    if *kind != DEVICE_IDENTIFICATION {
        return None;
    }
    (0..*objects).try_fold(DEVICE_HEADER, |at, _| Some(at + 2 + usize::from(*data.get(at + 1)?)))
}

impl Identity {
    /// What a unit's answer (its data, without the function) says as texts: a server's whole, a device's objects one by one. Bytes of the
    /// meter: not fit to show as they are.
    pub fn texts(self, data: &[u8]) -> Vec<String> {
        let parts = match self {
            Identity::Server => data.get(1..).into_iter().collect(),
            Identity::Device => objects(data),
        };
        let text = |part: &[u8]| String::from_utf8_lossy(part).trim_matches(['\0', ' ']).to_owned();
        parts.into_iter().map(text).filter(|text| !text.is_empty()).collect()
    }
}

fn objects(data: &[u8]) -> Vec<&[u8]> {
    let (mut objects, mut rest) = (Vec::new(), data.get(DEVICE_HEADER..).unwrap_or_default());
    while let [_, len, more @ ..] = rest {
        let Some((object, after)) = more.split_at_checked(usize::from(*len)) else { break };
        objects.push(object);
        rest = after;
    }
    objects
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEVICE: [u8; 19] = [14, 1, 1, 0, 0, 2, 0, 4, b'A', b'c', b'm', b'e', 1, 5, b'M', b'-', b'1', b'0', b'0'];

    #[test]
    fn an_identity_ends_where_its_last_object_does() {
        for end in 0..DEVICE.len() {
            assert!(data_len(43, &DEVICE[..end]).is_none_or(|len| len > end), "{end}");
        }
        assert_eq!(data_len(43, &DEVICE), Some(DEVICE.len()));
        assert_eq!(Identity::Device.texts(&DEVICE), ["Acme", "M-100"]);
        assert_eq!(data_len(43, &[13, 0, 0, 0, 0, 0]), None);
        assert_eq!(data_len(17, &[3, 1, 0xFF, 7]), Some(4));
        assert_eq!(Identity::Server.texts(&[5, b'S', b'D', b'M', 0, 0]), ["SDM"]);
        assert_eq!(Asked::Identity(Identity::Device).pdu(), ([43, 14, 1, 0, 0], 4));
        assert_eq!(Asked::Identity(Identity::Server).pdu().1, 1);
    }

    #[test]
    fn nothing_that_can_be_asked_writes() {
        let registers = [crate::meter::Function::Holding, crate::meter::Function::Input]
            .map(|function| Asked::Registers(RegisterRange { function, address: 0, count: 1 }));
        let all = registers.into_iter().chain([Identity::Server, Identity::Device].map(Asked::Identity));
        let functions: Vec<_> = all.map(Asked::function).collect();
        assert_eq!(functions, [3, 4, 17, 43]);
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_meter_are_beyond_reading(data in prop::collection::vec(any::<u8>(), 0..300), function: u8) {
            let _ = data_len(function, &data);
            let _ = (Identity::Device.texts(&data), Identity::Server.texts(&data));
        }
    }
}
