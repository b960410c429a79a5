//! A chain of SunSpec models: `SunS`, then models of id, length and registers, up to the end mark.
//!
//! Source: SunSpec Device Information Model Specification 1.1, chapter 6 (Modbus), and sunspec/models.

use std::collections::VecDeque;
use std::fmt;

use super::identity::characters;
use super::range::{Function, RegisterRange};
use crate::text;

/// How the models of a profile are found in a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Where `SunS` may be, the likeliest address first.
    pub bases: Vec<u16>,
    /// The ids of the models that have the profile's registers. Addresses of values count from the start of such a model.
    pub models: Vec<u16>,
    /// Which of several meters in the chain, from 1.
    pub meter: Option<u8>,
    /// How the manufacturer in the first Common model of the chain must begin.
    pub manufacturer: Option<String>,
}

/// A model of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// 1 is the Common model.
    pub id: u16,
    /// The address of its id.
    pub start: u16,
    /// The registers after the two of the header, as the header says.
    pub length: u16,
}

/// Where the registers of a meter are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelLocation {
    /// The model with the registers.
    pub model: Model,
    /// The Common model before it, with manufacturer and serial number.
    pub common: Option<Model>,
}

/// The result of a walk along a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    /// The address of `SunS`.
    pub base: u16,
    /// The models up to the end, or up to where the walk broke off.
    pub models: Vec<Model>,
    /// Why the chain is not complete.
    pub broken: Option<String>,
}

/// A walk along a chain: read what [`Walk::next_request`] returns and give the answer to [`Walk::record`], until there is no request.
#[derive(Clone, Debug)]
pub struct Walk {
    function: Function,
    bases: VecDeque<u16>,
    walked: Option<Walked>,
    /// The address of the next header.
    header: Option<u16>,
}

/// The addresses of the specification, and 40001 for devices that count registers from 1.
pub(super) const BASES: [u16; 4] = [40000, 50000, 0, 40001];
/// `SunS`.
const MARK: [u16; 2] = [0x5375, 0x6E53];
/// The id of the end mark.
const END: u16 = 0xFFFF;
/// The Common model.
const COMMON: u16 = 1;
/// No device has more models.
const MAX_MODELS: usize = 100;
/// How many models a message lists.
const MAX_SHOWN: usize = 16;
/// The registers of a model's header: its id and its length.
pub(super) const HEADER: u16 = 2;
/// The least length of a Common model: manufacturer, model, options, version and serial number.
const COMMON_LENGTH: u16 = 64;

impl Walk {
    /// A walk that begins with the `likely` base, where an earlier walk found one.
    pub fn new(chain: &Chain, function: Function, likely: Option<u16>) -> Self {
        let likely = likely.filter(|base| chain.bases.contains(base));
        let others = chain.bases.iter().copied().filter(|base| Some(*base) != likely);
        Walk { function, bases: likely.into_iter().chain(others).collect(), walked: None, header: None }
    }

    /// The next registers to read. `None` at the end of the walk.
    pub fn next_request(&self) -> Option<RegisterRange> {
        let address = if self.walked.is_some() { self.header } else { self.bases.front().copied() };
        Some(RegisterRange { function: self.function, address: address?, count: 2 })
    }

    /// The base that the next request tries. `None` within a chain.
    pub fn trial_base(&self) -> Option<u16> {
        self.bases.front().copied().filter(|_| self.walked.is_none())
    }

    /// Takes the registers that were requested, or the exception code of a refusal.
    pub fn record(&mut self, answer: Result<&[u16], u8>) {
        let Some(walked) = &mut self.walked else {
            let Some(base) = self.bases.pop_front() else { return };
            if answer.is_ok_and(|words| words == MARK) {
                self.walked = Some(Walked { base, models: Vec::new(), broken: None });
                self.header = base.checked_add(2);
            }
            return;
        };
        let Some(start) = self.header.take() else { return };
        let broken = match answer {
            Ok([END, _]) => return,
            Ok(&[id, length]) if id != 0 => {
                let next = start.checked_add(HEADER).and_then(|it| it.checked_add(length));
                self.header = next.filter(|header| *header < u16::MAX);
                match self.header {
                    None => format!("model {id} at {start} ends beyond register 65535: its length is {length}"),
                    Some(_) if walked.models.len() == MAX_MODELS => {
                        self.header = None;
                        format!("it has no end: more than {MAX_MODELS} models")
                    }
                    Some(_) => {
                        walked.models.push(Model { id, start, length });
                        return;
                    }
                }
            }
            Ok(_) => format!("at {start} there is neither a model nor the end mark"),
            Err(code) => format!("it breaks off at {start} (exception {code})"),
        };
        walked.broken = Some(broken);
    }

    /// The header that was requested was not answered: the chain ends before it. Only for a walk within a chain.
    pub fn break_off(&mut self, why: &str) {
        if let (Some(walked), Some(start)) = (&mut self.walked, self.header.take()) {
            walked.broken = Some(format!("it breaks off at {start} ({why})"));
        }
    }

    /// The chain. `None` where no base has one.
    pub fn finish(self) -> Option<Walked> {
        self.walked
    }
}

impl Walked {
    /// The meters in the chain: for each meter the location of a model of each list. Models of different lists after one Common model
    /// belong to the same meter, with its values as integers and as floats.
    pub(super) fn meters(&self, lists: &[&[u16]]) -> Vec<Vec<Option<ModelLocation>>> {
        let mut meters: Vec<Vec<Option<ModelLocation>>> = Vec::new();
        let mut common = None;
        let mut new_meter = true;
        for model in &self.models {
            if model.id == COMMON {
                (common, new_meter) = (Some(*model), true);
            }
            let Some(list) = lists.iter().position(|ids| ids.contains(&model.id)) else { continue };
            match meters.last_mut().filter(|_| !new_meter) {
                Some(meter) if meter[list].is_none() => meter[list] = Some(ModelLocation { model: *model, common }),
                _ => {
                    let mut meter = vec![None; lists.len()];
                    meter[list] = Some(ModelLocation { model: *model, common });
                    meters.push(meter);
                }
            }
            new_meter = false;
        }
        meters
    }

    /// The first Common model: that of the device itself.
    pub(super) fn device(&self) -> Option<Model> {
        self.models.iter().find(|model| model.id == COMMON).copied()
    }
}

impl Model {
    /// The address after its last register.
    pub(super) fn end(self) -> u32 {
        u32::from(self.start) + u32::from(HEADER) + u32::from(self.length)
    }

    /// The texts of a Common model: manufacturer, model, options, version, serial number. `None` where the model is too short.
    pub fn texts(self, function: Function) -> Option<RegisterRange> {
        let long = self.id == COMMON && self.length >= COMMON_LENGTH;
        long.then_some(RegisterRange { function, address: self.start.checked_add(HEADER)?, count: COMMON_LENGTH })
    }
}

/// Manufacturer, model and serial number from the registers of [`Model::texts`], without control characters; empty where absent.
pub fn common_texts(words: &[u16]) -> [String; 3] {
    [0..16, 16..32, 48..64]
        .map(|range| text::foreign(&words.get(range).map(|it| characters(it, false)).unwrap_or_default(), 32))
}

/// `model 203 at 40188`.
impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model {} at {}", self.id, self.start)
    }
}

impl fmt::Display for Walked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.models.iter().take(MAX_SHOWN).map(|model| model.id.to_string()).collect();
        let more = if self.models.len() > MAX_SHOWN { ", .." } else { "" };
        write!(f, "the chain at {} has the models {}{more}", self.base, ids.join(", "))?;
        self.broken.as_ref().map_or(Ok(()), |why| write!(f, "; {why}"))
    }
}

#[cfg(test)]
mod tests;
