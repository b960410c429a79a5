//! The requests that can be sent to a unit. All of them read: registers, and the unit's identity. Pure.

use crate::meter::RegisterRange;

/// A request to one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnitRequest {
    pub(super) unit: u8,
    pub(super) read: ReadRequest,
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadRequest {
    /// Functions 3 and 4.
    Registers(RegisterRange),
    /// Functions 17 and 43/14.
    Identity(IdentityRequest),
}

impl UnitRequest {
    /// A request of the same registers with one less or one more: its answer cannot be mistaken for the answer to this one. `None` for an
    /// identity.
    pub(super) fn of_another_length(self) -> Option<Self> {
        let ReadRequest::Registers(range) = self.read else { return None };
        let count = if range.count > 1 { range.count - 1 } else { 2 };
        Some(UnitRequest { read: RegisterRange { count, ..range }.into(), ..self })
    }
}

/// The two ways to read a unit's identity. Many meters support neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityRequest {
    /// Function 17, report server id: bytes of the maker's choice. Source: Modbus Application Protocol V1.1b3, 6.13.
    Server,
    /// Function 43 / 14, device identification, the basic objects: vendor, product code, revision. Source: as above, 6.21.
    Device,
}

/// The type of an encapsulated interface request that reads the device identification.
const DEVICE_IDENTIFICATION: u8 = 14;
/// The basic objects as a stream, from the first object on.
const BASIC_OBJECTS: u8 = 1;
const FIRST_OBJECT: u8 = 0;
/// Bytes before the objects: type, category, conformity, more, next, number of objects.
const DEVICE_HEADER: usize = 6;
/// Source: Modbus Application Protocol V1.1b3, 4.1.
const LONGEST_PDU: usize = 253;

impl From<RegisterRange> for ReadRequest {
    fn from(range: RegisterRange) -> Self {
        ReadRequest::Registers(range)
    }
}

impl ReadRequest {
    /// The function code.
    pub(super) fn function(self) -> u8 {
        match self {
            ReadRequest::Registers(range) => range.function.code(),
            ReadRequest::Identity(IdentityRequest::Server) => 17,
            ReadRequest::Identity(IdentityRequest::Device) => 43,
        }
    }

    /// The number of registers requested; 0 for an identity.
    pub(super) fn count(self) -> u16 {
        match self {
            ReadRequest::Registers(range) => range.count,
            ReadRequest::Identity(_) => 0,
        }
    }

    /// Function and data of the request.
    pub(super) fn pdu(self) -> Vec<u8> {
        let mut pdu = Vec::with_capacity(5);
        pdu.push(self.function());
        match self {
            ReadRequest::Registers(range) => {
                pdu.extend(range.address.to_be_bytes());
                pdu.extend(range.count.to_be_bytes());
            }
            ReadRequest::Identity(IdentityRequest::Server) => {}
            ReadRequest::Identity(IdentityRequest::Device) => {
                pdu.extend([DEVICE_IDENTIFICATION, BASIC_OBJECTS, FIRST_OBJECT]);
            }
        }
        pdu
    }

    /// Whether `data`, the bytes after the function code received so far, can begin an answer.
    pub(super) fn accepts_start(self, data: &[u8]) -> bool {
        match (self, data.first()) {
            (_, None) | (ReadRequest::Identity(IdentityRequest::Server), _) => true,
            (ReadRequest::Registers(range), Some(bytes)) => u16::from(*bytes) == 2 * range.count,
            (ReadRequest::Identity(IdentityRequest::Device), Some(kind)) => *kind == DEVICE_IDENTIFICATION,
        }
    }

    /// The length of the longest possible answer's PDU, in bytes.
    pub(super) fn longest_answer(self) -> usize {
        match self {
            ReadRequest::Registers(range) => 2 + 2 * usize::from(range.count),
            ReadRequest::Identity(_) => LONGEST_PDU,
        }
    }
}

/// The number of data bytes in an answer with this function code, once the bytes that give it were received. `None` until then, and for
/// functions that are never requested.
pub(super) fn data_len(function: u8, data: &[u8]) -> Option<usize> {
    match (function, data) {
        (1..=4 | 17, [count, ..]) => Some(1 + usize::from(*count)),
        (0x81..=0xAB, [_, ..]) => Some(1),
        (43, data) => objects_end(data),
        _ => None,
    }
}

/// The number of registers in a frame with this function code and data; 0 for an exception and for an identity.
pub(super) fn registers(function: u8, data: &[u8]) -> u16 {
    match (function, data) {
        (3 | 4, [count, ..]) => u16::from(*count) / 2,
        _ => 0,
    }
}

/// Where the last object of a device identification ends.
fn objects_end(data: &[u8]) -> Option<usize> {
    let [kind, .., objects] = data.get(..DEVICE_HEADER)? else { return None };
    if *kind != DEVICE_IDENTIFICATION {
        return None;
    }
    (0..*objects).try_fold(DEVICE_HEADER, |at, _| Some(at + 2 + usize::from(*data.get(at + 1)?)))
}

impl IdentityRequest {
    /// The texts in an answer (its data, without the function code): the whole server id, or each object of a device. These
    /// are the meter's own bytes: mask them before they are shown.
    pub fn texts(self, data: &[u8]) -> Vec<String> {
        let parts = match self {
            IdentityRequest::Server => data.get(1..).into_iter().collect(),
            IdentityRequest::Device => objects(data),
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
        assert_eq!(IdentityRequest::Device.texts(&DEVICE), ["Acme", "M-100"]);
        assert_eq!(data_len(43, &[13, 0, 0, 0, 0, 0]), None);
        assert_eq!(data_len(17, &[3, 1, 0xFF, 7]), Some(4));
        assert_eq!(IdentityRequest::Server.texts(&[5, b'S', b'D', b'M', 0, 0]), ["SDM"]);
        assert_eq!(ReadRequest::Identity(IdentityRequest::Device).pdu(), [43, 14, 1, 0]);
        assert_eq!(ReadRequest::Identity(IdentityRequest::Server).pdu(), [17]);
    }

    #[test]
    fn no_request_writes() {
        let registers = [crate::meter::Function::Holding, crate::meter::Function::Input]
            .map(|function| ReadRequest::Registers(RegisterRange { function, address: 0, count: 1 }));
        let identities = [IdentityRequest::Server, IdentityRequest::Device].map(ReadRequest::Identity);
        let functions: Vec<_> = registers.into_iter().chain(identities).map(ReadRequest::function).collect();
        assert_eq!(functions, [3, 4, 17, 43]);
    }

    proptest! {
        #[test]
        fn any_bytes_of_a_meter_can_be_read(data in prop::collection::vec(any::<u8>(), 0..300), function: u8) {
            let _ = data_len(function, &data);
            let _ = (IdentityRequest::Device.texts(&data), IdentityRequest::Server.texts(&data));
        }
    }
}
