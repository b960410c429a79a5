//! A simulated meter: registers that can be changed while it is polled, and faults that can be switched on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rmodbus::server::{ModbusFrame, Read};
use rmodbus::{ErrorKind, ModbusProto};

use crate::meter::Function;

/// One meter. Clones share their registers: keep one and change them while a line serves the other.
///
/// A register that was never set does not exist: a read across it is refused with exception 2.
#[derive(Clone, Debug)]
pub struct SimulatedUnit {
    unit: u8,
    state: Arc<Mutex<UnitState>>,
}

#[derive(Debug, Default)]
struct UnitState {
    registers: BTreeMap<(Function, u16), u16>,
    /// The answer to function 17, and the objects for function 43.
    server_id: Option<Vec<u8>>,
    device_id: Vec<String>,
    /// The time before each answer.
    delay: Duration,
    /// A request for more registers than this is refused with exception 3.
    max_registers: Option<u16>,
    fault: Option<UnitFault>,
    /// The fault of requests for more registers than this.
    fault_above: Option<(u16, UnitFault)>,
    /// The fault of requests for a register that does not exist.
    fault_missing: Option<UnitFault>,
    /// The number of requests until the fault ends.
    for_requests: Option<u32>,
    requests: u64,
    /// The last requests: function, address, count.
    last_requests: VecDeque<(u8, u16, u16)>,
}

/// How many requests are kept.
const MAX_REQUESTS: usize = 64;

/// What a meter does instead of answering as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitFault {
    /// Does not answer.
    Silent,
    /// Refuses with this exception code.
    Exception(u8),
    /// Answers correctly, but late by this time.
    Late(Duration),
    /// Sends its answer twice.
    Twice,
    /// Sends one register too many.
    WrongLength,
    /// Answers as the next unit.
    WrongUnit,
    /// Sends a wrong checksum, or on TCP a wrong header.
    Garbage,
    /// Closes the connection instead of answering, where its line is one.
    Closes,
}

/// Which word of a value of several registers comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordOrder {
    /// The high word.
    Big,
    /// The low word.
    Little,
}

impl SimulatedUnit {
    /// A meter without registers that answers at once.
    pub fn new(unit: u8) -> Self {
        SimulatedUnit { unit, state: Arc::default() }
    }

    /// The unit, 1 to 247.
    pub fn unit(&self) -> u8 {
        self.unit
    }

    /// Sets registers from this address on.
    pub fn set(&self, function: Function, address: u16, words: &[u16]) {
        let mut state = self.state();
        for (offset, word) in (0..).zip(words) {
            state.registers.insert((function, address.wrapping_add(offset)), *word);
        }
    }

    /// Sets two registers.
    pub fn set_u32(&self, function: Function, address: u16, value: u32, order: WordOrder) {
        let [high, low] = [(value >> 16) as u16, value as u16];
        self.set(function, address, &if order == WordOrder::Big { [high, low] } else { [low, high] });
    }

    /// Sets two registers, high word first, as in most meters.
    pub fn set_f32(&self, function: Function, address: u16, value: f32) {
        self.set_u32(function, address, value.to_bits(), WordOrder::Big);
    }

    /// Answers function 17 (report server id) with this text; at first the function is refused.
    pub fn set_server_id(&self, text: &str) {
        self.state().server_id = Some(text.as_bytes().to_vec());
    }

    /// Answers function 43 (device identification) with these objects: vendor, product code, revision. At first the function is refused.
    pub fn set_device_id(&self, objects: &[&str]) {
        self.state().device_id = objects.iter().map(|&object| object.to_owned()).collect();
    }

    /// Sets the time before each answer; zero at first.
    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Sets the maximum registers of a request; 125 at first.
    pub fn set_max_registers(&self, registers: u16) {
        self.state().max_registers = Some(registers);
    }

    /// Has this fault from now on.
    pub fn fault(&self, fault: UnitFault) {
        let mut state = self.state();
        (state.fault, state.for_requests) = (Some(fault), None);
    }

    /// Has this fault for this number of requests.
    pub fn fault_next(&self, requests: u32, fault: UnitFault) {
        let mut state = self.state();
        (state.fault, state.for_requests) = (Some(fault), Some(requests));
    }

    /// Has this fault in each request for more registers than this.
    pub fn fault_above(&self, registers: u16, fault: UnitFault) {
        self.state().fault_above = Some((registers, fault));
    }

    /// Has this fault in each request for a register that does not exist, instead of exception 2.
    pub fn fault_missing(&self, fault: UnitFault) {
        self.state().fault_missing = Some(fault);
    }

    /// Answers normally again.
    pub fn clear_fault(&self) {
        self.state().fault = None;
    }

    /// How many intact requests were received, answered or not.
    pub fn requests(&self) -> u64 {
        self.state().requests
    }

    /// Takes the last 64 requests out, oldest first, as function, address and count.
    pub fn take_requests(&self) -> Vec<(u8, u16, u16)> {
        self.state().last_requests.drain(..).collect()
    }

    /// The answer to a frame and the time before it; `None` if the meter does not answer, no byte if it closes the connection.
    pub(super) fn answer(&self, frame: &[u8], protocol: ModbusProto) -> Option<(Duration, Vec<u8>)> {
        let header = if protocol == ModbusProto::TcpUdp { 6 } else { 0 };
        if let [unit, function @ (17 | 43), ..] = *frame.get(header..)? {
            return if unit == self.unit { self.identity(frame, function, header) } else { None };
        }
        let mut response = Vec::new();
        let mut request = ModbusFrame::new(self.unit, frame, protocol, &mut response);
        request.parse().ok()?;
        if !request.response_required {
            return None;
        }
        let mut state = self.state();
        let mut fault = state.take_fault();
        fault = fault.or(state.fault_above.filter(|(most, _)| request.count > *most).map(|(_, fault)| fault));
        state.last_requests.push_back((request.func.byte(), request.reg, request.count));
        if state.last_requests.len() > MAX_REQUESTS {
            state.last_requests.pop_front();
        }
        state.answer(&mut request)?;
        if request.error.is_some() {
            fault = fault.or(state.fault_missing);
        }
        let mut delay = state.delay;
        drop(state);
        let header = request.frame_start;
        match fault {
            Some(UnitFault::Silent) => return None,
            Some(UnitFault::Closes) => return Some((delay, Vec::new())),
            Some(UnitFault::Late(late)) => delay += late,
            Some(UnitFault::Exception(code)) => {
                request.error = None;
                let function = request.responding_to_fn | 0x80;
                let pdu = [self.unit, function, code];
                request.response.truncate(header.min(4));
                if header > 0 {
                    request.response.extend([0, 3]);
                }
                request.response.extend(pdu);
            }
            Some(UnitFault::WrongUnit) if request.error.is_none() => {
                request.response[header] = self.unit.wrapping_add(1)
            }
            Some(UnitFault::WrongLength) if request.error.is_none() => {
                request.response.extend([0, 0]);
                request.response[header + 2] += 2;
                if header > 0 {
                    request.response[header - 1] += 2;
                }
            }
            _ => {}
        }
        request.finalize_response().ok()?;
        match fault {
            Some(UnitFault::Twice) => response.extend_from_within(..),
            Some(UnitFault::Garbage) => *response.get_mut(if header > 0 { 2 } else { 3 })? ^= 0x55,
            _ => {}
        }
        Some((delay, response))
    }

    /// The answer to an identity request (function 17 or 43).
    fn identity(&self, frame: &[u8], function: u8, header: usize) -> Option<(Duration, Vec<u8>)> {
        let mut state = self.state();
        if state.take_fault() == Some(UnitFault::Silent) {
            return None;
        }
        let mut pdu = match (&state.server_id, function) {
            (Some(text), 17) => [&[function, text.len() as u8], &text[..]].concat(),
            (_, 43) if !state.device_id.is_empty() => {
                let mut pdu = vec![function, 14, 1, 1, 0, 0, state.device_id.len() as u8];
                for (number, object) in (0..).zip(&state.device_id) {
                    pdu.extend([number, object.len() as u8]);
                    pdu.extend(object.bytes());
                }
                pdu
            }
            _ => vec![function | 0x80, 1],
        };
        pdu.insert(0, self.unit);
        let answer = if header > 0 {
            [&frame[..4], &(pdu.len() as u16).to_be_bytes(), &pdu].concat()
        } else {
            let crc = crate::modbus::crc(&pdu);
            [&pdu[..], &crc.to_le_bytes()].concat()
        };
        Some((state.delay, answer))
    }

    fn state(&self) -> MutexGuard<'_, UnitState> {
        self.state.lock().expect("a simulated meter cannot panic")
    }
}

impl UnitState {
    fn take_fault(&mut self) -> Option<UnitFault> {
        self.requests += 1;
        match &mut self.for_requests {
            Some(0) => self.fault = None,
            Some(left) => *left -= 1,
            None => {}
        }
        self.fault
    }

    /// Puts the requested registers, or the exception, into the answer.
    fn answer(&self, request: &mut ModbusFrame<'_, Vec<u8>>) -> Option<()> {
        if !request.processing_required {
            return Some(());
        }
        let function = match request.func.byte() {
            3 => Function::Holding,
            4 => Function::Input,
            _ => return request.process_external_read(Err(ErrorKind::IllegalFunction)).ok(),
        };
        let Ok(Read::Words(words)) = request.get_external_read() else { return None };
        let mut result = Ok(());
        for (offset, place) in (0..words.count).zip(words.buf.chunks_exact_mut(2)) {
            match self.registers.get(&(function, words.address.wrapping_add(offset))) {
                Some(word) => place.copy_from_slice(&word.to_be_bytes()),
                None => result = Err(ErrorKind::IllegalDataAddress),
            }
        }
        if self.max_registers.is_some_and(|max| words.count > max) {
            result = Err(ErrorKind::IllegalDataValue);
        }
        request.process_external_read(result).ok()
    }
}

/// The length of the RTU request at the start of the bytes.
pub(super) fn rtu_request_len(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [_, 17, ..] => Some(4),
        [_, 43, ..] => Some(7),
        [_, _, ..] => Some(8),
        _ => None,
    }
}
