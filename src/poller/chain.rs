//! Finds a meter's registers in its chain of SunSpec models. The chain is read each time the meter is identified.

use std::sync::Arc;

use super::identify::{ANY_CHAIN, read_ranges};
use super::meter_poller::MeterPoller;
use super::outcome::PollOutcome;
use crate::meter::{self, Answers, Located, Model, ModelLocation, Profile, Walk, Walked, common_texts};
use crate::modbus::Line;

/// Maximum meters of a chain that a message lists.
const MAX_LISTED: usize = 8;

impl MeterPoller {
    /// The profile with its addresses in the meter's chain; unchanged if it needs no chain.
    pub(super) async fn located(&mut self, line: &mut Line) -> Result<Arc<Profile>, PollOutcome> {
        let profile = self.config.profile.clone();
        let Some(walk) = profile.walk(self.identification.base) else { return Ok(profile) };
        let walked = self.walk(walk, line).await?;
        let name = &profile.name;
        let Some(walked) = walked else {
            let hint = self.other_meter_hint(line, Answers::new()).await;
            return Err(PollOutcome::refused(format!(
                "not read: this is not {name}: no chain of models (SunS) starts at its base addresses; {hint}"
            )));
        };
        if let Some((device, wanted)) = profile.device_of(&walked) {
            let [manufacturer, ..] = self.common(line, &profile, device).await?;
            if !manufacturer.starts_with(wanted) {
                let why = format!(
                    "the chain's manufacturer is \"{manufacturer}\", where the profile expects \"{wanted}..\": try the profile {ANY_CHAIN}"
                );
                return Err(PollOutcome::refused(format!("not read: this is not {name}: {why}")));
            }
        }
        match profile.locate(&walked, self.config.installation.chain_meter) {
            Located::At(located) => {
                self.identification.base = Some(walked.base);
                Ok(located)
            }
            Located::NotFound(why) => Err(PollOutcome::refused(format!("not read: this is not {name}: {why}"))),
            Located::Several(locations) => {
                let list = self.list_meters(line, &profile, &locations).await?;
                let meter = &self.config.name;
                Err(PollOutcome::refused(format!(
                    "not read: several meters are in the chain at {}. Write chain_meter = 1 (or 2, ..) in [meter.{meter}]: {list}",
                    walked.base
                )))
            }
        }
    }

    /// Whether a meter of another model has a chain of models at the first base address of [`ANY_CHAIN`].
    pub(super) async fn has_chain(&self, line: &mut Line) -> bool {
        let walk = meter::library().find(ANY_CHAIN).and_then(|entry| entry.profile.walk(None));
        let Some((mut walk, request)) = walk.and_then(|walk| walk.next_request().map(|request| (walk, request))) else {
            return false;
        };
        let read = read_ranges(line, &self.config, &[request]).await;
        walk.record(read.as_ref().ok().and_then(|read| read.answers.get(&request)).map(Vec::as_slice).ok_or(2));
        walk.trial_base().is_none()
    }

    /// Reads the chain from model to model; `None` if there is none at any base address.
    ///
    /// Anything but a header ends a chain. A chain that ends in silence must have as many models as before: otherwise the meter is silent.
    async fn walk(&mut self, mut walk: Walk, line: &mut Line) -> Result<Option<Walked>, PollOutcome> {
        let mut silence = None;
        while let Some(request) = walk.next_request() {
            let trial_base = walk.trial_base();
            let mut read = read_ranges(line, &self.config, &[request]).await;
            if trial_base.is_none() && read.as_ref().is_err_and(|(_, failure)| !failure.is_of_the_link()) {
                // Some devices do not answer where their chain ends. A single silence may have other causes.
                read = read_ranges(line, &self.config, &[request]).await;
            }
            match read {
                Ok(read) => match read.refused.first() {
                    Some((_, code)) if trial_base.is_none() || matches!(code, 1..=3) => walk.record(Err(*code)),
                    Some((_, code)) => {
                        self.identify_again();
                        let why = format!("the meter refuses {request} at the moment (exception {code})");
                        return Err(PollOutcome::refused(format!(
                            "not read: its chain of models could not be read: {why}"
                        )));
                    }
                    None => walk.record(read.answers.get(&request).map(Vec::as_slice).ok_or(0)),
                },
                Err((_, failure)) if trial_base.is_none() && !failure.is_of_the_link() => {
                    walk.break_off(&failure.to_string());
                    silence = Some(failure);
                }
                Err((_, failure)) => {
                    self.identify_again();
                    // Some devices do not answer requests for registers that they do not have: the next poll tries the next base address.
                    if let Some(base) = trial_base.filter(|_| failure.is_silence()) {
                        self.identification.base = self.base_after(base);
                    }
                    return Err(PollOutcome::failed(failure));
                }
            }
        }
        let walked = walk.finish();
        let models = walked.as_ref().map_or(0, |walked| walked.models.len());
        let profile = self.config.profile.clone();
        let has_meter = |walked: &Walked| {
            !matches!(profile.locate(walked, self.config.installation.chain_meter), Located::NotFound(_))
        };
        if let Some(failure) = silence
            && (models < self.identification.models || !walked.as_ref().is_some_and(has_meter))
        {
            self.identify_again();
            return Err(PollOutcome::failed(failure));
        }
        self.identification.models = models;
        Ok(walked)
    }

    /// The base address that follows this one in the profile; after the last, the first.
    fn base_after(&self, base: u16) -> Option<u16> {
        let bases = &self.config.profile.chain.as_ref()?.bases;
        let index = bases.iter().position(|known| *known == base)?;
        bases.get((index + 1) % bases.len()).copied()
    }

    /// Manufacturer, model and serial number from a Common model; empty where it has none.
    async fn common(&mut self, line: &mut Line, profile: &Profile, common: Model) -> Result<[String; 3], PollOutcome> {
        let Some(block) = common.texts(profile.function()) else { return Ok(<[String; 3]>::default()) };
        let read = self.read_identity(line, &[block]).await?;
        Ok(read.answers.get(&block).map(|words| common_texts(words)).unwrap_or_default())
    }

    /// `1 is model 203 at 40188 (SolarEdge, WND-3Y, 4711); 2 is ..`
    async fn list_meters(
        &mut self,
        line: &mut Line,
        profile: &Profile,
        locations: &[ModelLocation],
    ) -> Result<String, PollOutcome> {
        let mut list = Vec::new();
        for (number, location) in (1..).zip(locations.iter().take(MAX_LISTED)) {
            let texts = match location.common {
                Some(common) => self.common(line, profile, common).await?.to_vec(),
                None => Vec::new(),
            };
            let texts: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
            let device = if texts.is_empty() { String::new() } else { format!(" ({})", texts.join(", ")) };
            list.push(format!("{number} is {}{device}", location.model));
        }
        if locations.len() > MAX_LISTED {
            list.push(format!("and {} more", locations.len() - MAX_LISTED));
        }
        Ok(list.join("; "))
    }
}
