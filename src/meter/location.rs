//! A profile whose registers are in a SunSpec chain: the profile with the addresses that the chain gives it.

use std::sync::Arc;

use super::chain::{Chain, HEADER, Model, ModelLocation, Walk, Walked};
use super::identity::Expectation;
use super::profile::{Profile, RegisterMap};
use super::quantity::Quantity;
use super::range::{Function, RegisterRange};

/// What a chain contains for a profile.
#[derive(Clone, Debug, PartialEq)]
pub enum Located {
    /// The profile with its addresses, and with those of its maps that the meter has.
    At(Arc<Profile>),
    /// Several meters, and nothing selects one of them: their locations.
    Several(Vec<ModelLocation>),
    /// No meter of this profile: why.
    NotFound(String),
}

impl Profile {
    /// The walk that finds the registers in a chain, beginning at the `likely` base. `None` for a profile without a chain.
    pub fn walk(&self, likely: Option<u16>) -> Option<Walk> {
        Some(Walk::new(self.chain.as_ref()?, self.function(), likely))
    }

    /// The function that reads its power.
    pub fn function(&self) -> Function {
        self.power.terms.first().map_or(Function::Holding, |term| term.range.function)
    }

    /// The Common model to read for the manufacturer, and how the manufacturer must begin. `None` where the profile accepts any.
    pub fn device_of(&self, walked: &Walked) -> Option<(Model, &str)> {
        Some((walked.device()?, self.chain.as_ref()?.manufacturer.as_deref()?))
    }

    /// The profile with the addresses of this chain. `meter` selects one of several meters, and overrides the profile's choice.
    pub fn locate(&self, walked: &Walked, meter: Option<u8>) -> Located {
        let models = |profile: &Self| profile.chain.as_ref().map_or(Vec::new(), |chain| chain.models.clone());
        let lists: Vec<_> = match self.maps.as_slice() {
            [] => vec![models(self)],
            maps => maps.iter().map(|map| models(&map.profile)).collect(),
        };
        let lists: Vec<_> = lists.iter().map(Vec::as_slice).collect();
        let meters = walked.meters(&lists);
        let wanted = meter.or(self.chain.as_ref().and_then(|chain| chain.meter)).map(usize::from);
        let locations = match (wanted, meters.as_slice()) {
            (_, []) => {
                let mut ids = lists.concat();
                ids.sort();
                let ids: Vec<_> = ids.iter().map(u16::to_string).collect();
                return Located::NotFound(format!("{walked}, but none of {}", ids.join(", ")));
            }
            (None, [only]) => only,
            (None, several) => {
                let first_map = |meter: &Vec<Option<ModelLocation>>| meter.iter().flatten().next().copied();
                return Located::Several(several.iter().filter_map(first_map).collect());
            }
            (Some(wanted), meters) => match wanted.checked_sub(1).and_then(|index| meters.get(index)) {
                Some(meter) => meter,
                None => {
                    let count = meters.len();
                    let why = format!("there is no meter {wanted} in the chain: {walked}; {count} of them are meters");
                    return Located::NotFound(why);
                }
            },
        };
        match self.at_all(locations, meter) {
            Ok(profile) => Located::At(Arc::new(profile)),
            Err(why) => Located::NotFound(why),
        }
    }

    /// The profile, or each of its maps, at its own location.
    fn at_all(&self, locations: &[Option<ModelLocation>], meter: Option<u8>) -> Result<Self, String> {
        if self.maps.is_empty() {
            let location = locations.first().copied().flatten().ok_or_else(String::new)?;
            return self.at(location, meter);
        }
        let (mut maps, mut problems) = (Vec::new(), Vec::new());
        for (map, location) in self.maps.iter().zip(locations) {
            let Some(location) = *location else { continue };
            match map.at(location, meter) {
                Ok(map) => maps.push(map),
                Err(why) => problems.push(why),
            }
        }
        let first = maps.first().ok_or_else(|| problems.join("; "))?.profile.clone();
        let identity = first.location.map_or(Ok(Vec::new()), |location| in_common_model(&self.identity, location))?;
        Ok(Profile { identity, maps, map: None, ..Profile::clone(&first) })
    }

    /// The profile at this location, with the number of its meter. An error where the model is too short for its registers.
    fn at(&self, location: ModelLocation, meter: Option<u8>) -> Result<Self, String> {
        let ModelLocation { model, common } = location;
        let quantities = [Some(&self.power), self.energy.as_ref(), self.export_energy.as_ref()];
        let ends = quantities.into_iter().flatten().flat_map(Quantity::ranges).map(RegisterRange::end);
        let needed = ends.max().unwrap_or(0);
        if u32::from(model.start) + needed > model.end() {
            let (has, needed) = (model.length, needed - u32::from(HEADER));
            return Err(format!("{model} has {has} registers, but {} needs {needed}", self.name));
        }
        let within_model = |range: RegisterRange| u32::from(model.start) + range.end() <= model.end();
        let phase_power = self.phase_power.clone().filter(|phases| phases.ranges().all(within_model));
        let serial_number = self.serial_number.clone().zip(common).and_then(|(mut serial, common)| {
            serial.range = serial.range.moved(common.start);
            (serial.range.end() <= common.end()).then_some(serial)
        });
        Ok(Profile {
            phase_power,
            serial_number,
            identity: in_common_model(&self.identity, location)?,
            settings: moved(&self.settings, model.start),
            chain: self.chain.clone().map(|chain| Chain { meter: meter.or(chain.meter), ..chain }),
            location: Some(location),
            ..self.clone()
        })
    }
}

impl RegisterMap {
    fn at(&self, location: ModelLocation, meter: Option<u8>) -> Result<Self, String> {
        let profile = Arc::new(self.profile.at(location, meter)?);
        Ok(RegisterMap { identity: in_common_model(&self.identity, location)?, profile, ..self.clone() })
    }
}

impl Chain {
    /// What distinguishes its meters from those of other chains, at any address. It is part of the register's definition, which ledgers store.
    pub(super) fn label(&self, meter: Option<u8>) -> String {
        let ids: Vec<_> = self.models.iter().map(u16::to_string).collect();
        format!("models {}, meter {}: ", ids.join(" "), meter.or(self.meter).unwrap_or(1))
    }
}

/// Identity registers count from the start of the Common model.
fn in_common_model(identity: &[Expectation], location: ModelLocation) -> Result<Vec<Expectation>, String> {
    match location.common {
        Some(common) => Ok(moved(identity, common.start)),
        None if identity.is_empty() => Ok(Vec::new()),
        None => Err(format!("no Common model precedes {}", location.model)),
    }
}

fn moved(expectations: &[Expectation], start: u16) -> Vec<Expectation> {
    let moved = |it: &Expectation| Expectation { range: it.range.moved(start), ..it.clone() };
    expectations.iter().map(moved).collect()
}

#[cfg(test)]
mod tests;
