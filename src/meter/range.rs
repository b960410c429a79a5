//! A run of registers: where a value lies, and what one request reads.

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

/// One read request: `count` registers from the 0-based protocol address `address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterRange {
    pub function: Function,
    pub address: u16,
    /// 1 ..= 125.
    pub count: u16,
}

/// The answers of one poll: each range's registers, exactly as many as were asked for.
pub type Answers = BTreeMap<RegisterRange, Vec<u16>>;

impl RegisterRange {
    /// The address after the last register, up to 65536.
    pub(super) fn end(self) -> u32 {
        u32::from(self.address) + u32::from(self.count)
    }

    pub(crate) fn covers(self, other: RegisterRange) -> bool {
        self.function == other.function && self.address <= other.address && other.end() <= self.end()
    }

    /// As many registers, `by` further on: the caller knows that there are so many.
    pub(super) fn moved(self, by: u16) -> RegisterRange {
        RegisterRange { address: self.address.saturating_add(by), ..self }
    }

    pub(super) fn overlaps(self, other: RegisterRange) -> bool {
        let apart = self.end() <= u32::from(other.address) || other.end() <= u32::from(self.address);
        self.function == other.function && !apart
    }

    /// The least range with both; `None` where they are of different functions, or too far apart for a count.
    pub(super) fn joined(self, other: RegisterRange) -> Option<RegisterRange> {
        let address = self.address.min(other.address);
        let count = u16::try_from(self.end().max(other.end()) - u32::from(address)).ok()?;
        (self.function == other.function).then_some(RegisterRange { address, count, ..self })
    }

    /// This range's registers out of an answer that holds all of them. An answer of another length than was asked for holds none.
    pub fn out_of(self, answers: &Answers) -> Option<&[u16]> {
        let whole = |(range, words): &(&RegisterRange, &Vec<u16>)| {
            range.covers(self) && words.len() == usize::from(range.count)
        };
        let (range, words) = answers.iter().find(whole)?;
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
