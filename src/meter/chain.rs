//! A chain of SunSpec models: `SunS`, then models of id, length and registers, up to the end mark. Where a profile's models stand in it.
//!
//! Source: SunSpec Device Information Model Specification 1.1, chapter 6 (Modbus), and sunspec/models.

use std::collections::VecDeque;
use std::fmt;

use super::identity::characters;
use super::range::{Function, RegisterRange};
use crate::text;

/// How the models of a profile are found.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Where `SunS` may stand, what is likely first.
    pub bases: Vec<u16>,
    /// The ids of the models that have the profile's registers; addresses of values count from such a model's start.
    pub models: Vec<u16>,
    /// Which of several meters in the chain, from 1.
    pub meter: Option<u8>,
    /// How the manufacturer begins that the chain's first Common model names.
    pub manufacturer: Option<String>,
}

/// A model of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    pub id: u16,
    /// The address of its id.
    pub start: u16,
    /// As its header says: the registers after the header's two.
    pub length: u16,
}

/// Where a meter's registers stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelLocation {
    pub model: Model,
    /// The Common model before it: who made the meter, and its serial number.
    pub common: Option<Model>,
}

/// A chain that was walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    pub base: u16,
    pub models: Vec<Model>,
    /// Why it is not whole.
    pub broken: Option<String>,
}

/// A walk along a chain: ask [`Walk::next_request`], tell [`Walk::record`] what came, until there is no question.
#[derive(Clone, Debug)]
pub struct Walk {
    function: Function,
    bases: VecDeque<u16>,
    walked: Option<Walked>,
    /// The next header.
    header: Option<u16>,
}

/// Where the specification has it, and where stacks put it that count registers from 1.
pub(super) const BASES: [u16; 4] = [40000, 50000, 0, 40001];
/// `SunS`.
const MARK: [u16; 2] = [0x5375, 0x6E53];
/// The id of the end mark.
const END: u16 = 0xFFFF;
/// The Common model.
const COMMON: u16 = 1;
/// No device has so many models.
const MOST_MODELS: usize = 100;
/// So many are named in a message.
const MOST_SHOWN: usize = 16;
/// Registers of a model's header: its id and its length.
pub(super) const HEADER: u16 = 2;
/// The least length of a Common model: manufacturer, model, options, version and serial number.
const COMMON_LENGTH: u16 = 64;

impl Walk {
    /// With the `likely` base first, where one was good before.
    pub fn new(chain: &Chain, function: Function, likely: Option<u16>) -> Self {
        let likely = likely.filter(|base| chain.bases.contains(base));
        let others = chain.bases.iter().copied().filter(|base| Some(*base) != likely);
        Walk { function, bases: likely.into_iter().chain(others).collect(), walked: None, header: None }
    }

    /// What is to be asked next; `None` at the end.
    pub fn next_request(&self) -> Option<RegisterRange> {
        let address = if self.walked.is_some() { self.header } else { self.bases.front().copied() };
        Some(RegisterRange { function: self.function, address: address?, count: 2 })
    }

    /// The base that the question is about; `None` within a chain.
    pub fn trial_base(&self) -> Option<u16> {
        self.bases.front().copied().filter(|_| self.walked.is_none())
    }

    /// The registers that were asked for, or with which exception they were refused.
    pub fn record(&mut self, came: Result<&[u16], u8>) {
        let Some(walked) = &mut self.walked else {
            let Some(base) = self.bases.pop_front() else { return };
            if came.is_ok_and(|words| words == MARK) {
                self.walked = Some(Walked { base, models: Vec::new(), broken: None });
                self.header = base.checked_add(2);
            }
            return;
        };
        let Some(start) = self.header.take() else { return };
        let broken = match came {
            Ok([END, _]) => return,
            Ok(&[id, length]) if id != 0 => {
                let next = start.checked_add(HEADER).and_then(|it| it.checked_add(length));
                self.header = next.filter(|header| *header < u16::MAX);
                match self.header {
                    None => format!("model {id} at {start} runs beyond register 65535: it says that it has {length}"),
                    Some(_) if walked.models.len() == MOST_MODELS => {
                        self.header = None;
                        format!("it has no end: {MOST_MODELS} models, and more")
                    }
                    Some(_) => {
                        walked.models.push(Model { id, start, length });
                        return;
                    }
                }
            }
            Ok(_) => format!("no model begins at {start}, nor does the chain end there"),
            Err(code) => format!("it breaks off at {start} (exception {code})"),
        };
        walked.broken = Some(broken);
    }

    /// The chain; `None` where there was none at any base.
    pub fn end(self) -> Option<Walked> {
        self.walked
    }
}

impl Walked {
    /// The meters in the chain; of each, where the models of each list stand. Models of different lists behind one Common model are the
    /// same meter twice: as integers and as floats.
    pub(super) fn meters(&self, lists: &[&[u16]]) -> Vec<Vec<Option<ModelLocation>>> {
        let mut meters: Vec<Vec<Option<ModelLocation>>> = Vec::new();
        let mut common = None;
        let mut fresh = true;
        for model in &self.models {
            if model.id == COMMON {
                (common, fresh) = (Some(*model), true);
            }
            let Some(list) = lists.iter().position(|ids| ids.contains(&model.id)) else { continue };
            match meters.last_mut().filter(|_| !fresh) {
                Some(meter) if meter[list].is_none() => meter[list] = Some(ModelLocation { model: *model, common }),
                _ => {
                    let mut meter = vec![None; lists.len()];
                    meter[list] = Some(ModelLocation { model: *model, common });
                    meters.push(meter);
                }
            }
            fresh = false;
        }
        meters
    }

    /// The first Common model: the device that has the chain.
    pub(super) fn device(&self) -> Option<Model> {
        self.models.iter().find(|model| model.id == COMMON).copied()
    }
}

impl Model {
    /// The address after its last register.
    pub(super) fn end(self) -> u32 {
        u32::from(self.start) + u32::from(HEADER) + u32::from(self.length)
    }

    /// Where a Common model says who made the meter: manufacturer, model, options, version, serial number. `None` where it is too short.
    pub fn texts(self, function: Function) -> Option<RegisterRange> {
        let long = self.id == COMMON && self.length >= COMMON_LENGTH;
        long.then_some(RegisterRange { function, address: self.start.checked_add(HEADER)?, count: COMMON_LENGTH })
    }
}

/// Manufacturer, model and serial number as the registers of [`Model::texts`] have them, fit to show; empty where there is none.
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
        let ids: Vec<_> = self.models.iter().take(MOST_SHOWN).map(|model| model.id.to_string()).collect();
        let more = if self.models.len() > MOST_SHOWN { ", .." } else { "" };
        write!(f, "the chain at {} has the models {}{more}", self.base, ids.join(", "))?;
        self.broken.as_ref().map_or(Ok(()), |why| write!(f, "; {why}"))
    }
}

#[cfg(test)]
mod tests;
