//! A profile whose registers stand in a chain of models: the profile with the addresses that a walk along the chain gives it.

use std::sync::Arc;

use super::chain::{Chain, HEADER, Model, ModelLocation, Walk, Walked};
use super::identity::Expectation;
use super::profile::{Profile, RegisterMap};
use super::quantity::Quantity;
use super::range::{Function, RegisterRange};

/// What a chain has for a profile.
#[derive(Clone, Debug, PartialEq)]
pub enum Located {
    /// The profile at its place, with those of its maps that the meter has.
    At(Arc<Profile>),
    /// Several meters, and nothing says which: where each stands.
    Several(Vec<ModelLocation>),
    /// None: why not.
    NotFound(String),
}

impl Profile {
    /// The walk that finds the registers, where they stand in a chain; the `likely` base first.
    pub fn walk(&self, likely: Option<u16>) -> Option<Walk> {
        Some(Walk::new(self.chain.as_ref()?, self.function(), likely))
    }

    /// The function of its power.
    pub fn function(&self) -> Function {
        self.power.terms.first().map_or(Function::Holding, |term| term.range.function)
    }

    /// The Common model of the device that must be asked for its manufacturer, where the profile names one.
    pub fn device_of(&self, walked: &Walked) -> Option<(Model, &str)> {
        Some((walked.device()?, self.chain.as_ref()?.manufacturer.as_deref()?))
    }

    /// The profile at its place in this chain; `meter` says which of several, and goes before what the profile says.
    pub fn locate(&self, walked: &Walked, meter: Option<u8>) -> Located {
        let models = |profile: &Self| profile.chain.as_ref().map_or(Vec::new(), |chain| chain.models.clone());
        let lists: Vec<_> = match self.maps.as_slice() {
            [] => vec![models(self)],
            maps => maps.iter().map(|map| models(&map.profile)).collect(),
        };
        let lists: Vec<_> = lists.iter().map(Vec::as_slice).collect();
        let meters = walked.meters(&lists);
        let wanted = meter.or(self.chain.as_ref().and_then(|chain| chain.meter)).map(usize::from);
        let places = match (wanted, meters.as_slice()) {
            (_, []) => {
                let mut ids = lists.concat();
                ids.sort();
                let ids: Vec<_> = ids.iter().map(u16::to_string).collect();
                return Located::NotFound(format!("{walked}, and none of {} is among them", ids.join(", ")));
            }
            (None, [only]) => only,
            (None, several) => {
                return Located::Several(
                    several.iter().filter_map(|meter| meter.iter().flatten().next().copied()).collect(),
                );
            }
            (Some(wanted), meters) => match wanted.checked_sub(1).and_then(|it| meters.get(it)) {
                Some(meter) => meter,
                None => {
                    let count = meters.len();
                    return Located::NotFound(format!(
                        "there is no meter {wanted} in the chain: {walked}, {count} of it meters"
                    ));
                }
            },
        };
        match self.placed(places, meter) {
            Ok(profile) => Located::At(Arc::new(profile)),
            Err(why) => Located::NotFound(why),
        }
    }

    /// The profile, or its maps, each at its own place.
    fn placed(&self, places: &[Option<ModelLocation>], meter: Option<u8>) -> Result<Self, String> {
        if self.maps.is_empty() {
            let place = places.first().copied().flatten().ok_or_else(String::new)?;
            return self.at(place, meter);
        }
        let (mut maps, mut whys) = (Vec::new(), Vec::new());
        for (map, place) in self.maps.iter().zip(places) {
            let Some(place) = *place else { continue };
            match map.profile.at(place, meter).and_then(|profile| Ok((profile, by_common(&map.identity, place)?))) {
                Ok((profile, identity)) => {
                    maps.push(RegisterMap { identity, profile: Arc::new(profile), ..map.clone() })
                }
                Err(why) => whys.push(why),
            }
        }
        let first = maps.first().ok_or_else(|| whys.join("; "))?.profile.clone();
        let identity = first.location.map_or(Ok(Vec::new()), |place| by_common(&self.identity, place))?;
        Ok(Profile { identity, maps, map: None, ..Profile::clone(&first) })
    }

    /// At this place, with which of several meters that is; why not, where the model there is too short for it.
    fn at(&self, place: ModelLocation, meter: Option<u8>) -> Result<Self, String> {
        let ModelLocation { model, common } = place;
        let quantities = [Some(&self.power), self.energy.as_ref(), self.export_energy.as_ref()];
        let needed =
            quantities.into_iter().flatten().flat_map(Quantity::ranges).map(RegisterRange::end).max().unwrap_or(0);
        if u32::from(model.start) + needed > model.end() {
            let (has, needed) = (model.length, needed - u32::from(HEADER));
            return Err(format!("{model} says that it has {has} registers, and {} reads {needed} of them", self.name));
        }
        let phases = self
            .phase_power
            .clone()
            .filter(|phases| phases.ranges().all(|it| u32::from(model.start) + it.end() <= model.end()));
        let serial = self.serial_number.clone().zip(common).and_then(|(mut serial, common)| {
            serial.range = serial.range.moved(common.start);
            (serial.range.end() <= common.end()).then_some(serial)
        });
        Ok(Profile {
            phase_power: phases,
            serial_number: serial,
            identity: by_common(&self.identity, place)?,
            settings: moved(&self.settings, model.start),
            chain: self.chain.clone().map(|chain| Chain { meter: meter.or(chain.meter), ..chain }),
            location: Some(place),
            ..self.clone()
        })
    }
}

impl Chain {
    /// What tells its meters from those of other chains, whatever their addresses.
    pub(super) fn label(&self, meter: Option<u8>) -> String {
        let ids: Vec<_> = self.models.iter().map(u16::to_string).collect();
        format!("models {}, meter {}: ", ids.join(" "), meter.or(self.meter).unwrap_or(1))
    }
}

/// Identity registers are those of the Common model.
fn by_common(identity: &[Expectation], place: ModelLocation) -> Result<Vec<Expectation>, String> {
    match place.common {
        Some(common) => Ok(moved(identity, common.start)),
        None if identity.is_empty() => Ok(Vec::new()),
        None => Err(format!("no Common model stands before {}", place.model)),
    }
}

fn moved(expectations: &[Expectation], start: u16) -> Vec<Expectation> {
    let moved = |it: &Expectation| Expectation { range: it.range.moved(start), ..it.clone() };
    expectations.iter().map(moved).collect()
}

#[cfg(test)]
mod tests;
