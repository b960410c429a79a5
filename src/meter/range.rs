//! Ranges of registers: where a value is, and what one request reads.

use std::collections::BTreeMap;
use std::fmt;

/// The Modbus function that reads a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// Function 3, holding registers.
    Holding,
    /// Function 4, input registers.
    Input,
}

impl Function {
    pub(super) const WORDS: [(&str, Function); 2] = [("holding", Function::Holding), ("input", Function::Input)];

    /// The function's number on the wire.
    pub fn code(self) -> u8 {
        match self {
            Function::Holding => 3,
            Function::Input => 4,
        }
    }

    /// `holding` or `input`.
    pub fn word(self) -> &'static str {
        match self {
            Function::Holding => "holding",
            Function::Input => "input",
        }
    }
}

/// `count` registers from the protocol address `address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterRange {
    /// The function that reads them.
    pub function: Function,
    /// The 0-based protocol address of the first register.
    pub address: u16,
    /// 1 ..= 125 in a request.
    pub count: u16,
}

/// The answers of one poll: the registers of each range that was requested.
pub type Answers = BTreeMap<RegisterRange, Vec<u16>>;

impl RegisterRange {
    /// The address after the last register, up to 65536.
    pub(crate) fn end(self) -> u32 {
        u32::from(self.address) + u32::from(self.count)
    }

    /// Whether it contains all of `other`.
    pub(crate) fn covers(self, other: RegisterRange) -> bool {
        self.function == other.function && self.address <= other.address && other.end() <= self.end()
    }

    /// The same count of registers, `by` further on. The caller ensures that they exist.
    pub(super) fn moved(self, by: u16) -> RegisterRange {
        RegisterRange { address: self.address.saturating_add(by), ..self }
    }

    /// Whether both have a register in common.
    pub(crate) fn overlaps(self, other: RegisterRange) -> bool {
        let disjoint = self.end() <= u32::from(other.address) || other.end() <= u32::from(self.address);
        self.function == other.function && !disjoint
    }

    /// The smallest range with both. `None` for different functions, and for ranges too far apart for a count.
    pub(super) fn joined(self, other: RegisterRange) -> Option<RegisterRange> {
        let address = self.address.min(other.address);
        let count = u16::try_from(self.end().max(other.end()) - u32::from(address)).ok()?;
        (self.function == other.function).then_some(RegisterRange { address, count, ..self })
    }

    /// Its registers, from the answer that contains all of them. An answer with another count of registers than requested is ignored.
    pub fn out_of(self, answers: &Answers) -> Option<&[u16]> {
        let contains_self = |(range, words): &(&RegisterRange, &Vec<u16>)| {
            range.covers(self) && words.len() == usize::from(range.count)
        };
        let (range, words) = answers.iter().find(contains_self)?;
        let start = usize::from(self.address - range.address);
        words.get(start..start + usize::from(self.count))
    }
}

impl fmt::Display for RegisterRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} 0x{:04X}", self.function.word(), self.address)?;
        match self.count {
            1 => Ok(()),
            _ => write!(f, "..0x{:04X}", self.end() - 1),
        }
    }
}
