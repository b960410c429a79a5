//! Where a meter's registers stand in its chain of models: walked when the meter is first reached, and whenever it is asked who it is.

use std::sync::Arc;

use super::identify::{ANY_CHAIN, put};
use super::meter_poller::MeterPoller;
use super::outcome::PollOutcome;
use crate::meter::{self, Answers, Located, Model, ModelLocation, Profile, Walk, Walked, common_texts};
use crate::modbus::Line;

/// So many meters of a chain are named in a message.
const MOST_NAMED: usize = 8;

impl MeterPoller {
    /// The profile with the addresses that its chain gives it; as it is where it has none.
    pub(super) async fn located(&mut self, line: &mut Line) -> Result<Arc<Profile>, PollOutcome> {
        let profile = self.meter.profile.clone();
        let Some(walk) = profile.walk(self.identification.base) else { return Ok(profile) };
        let walked = self.walk(walk, line).await?;
        let name = &profile.name;
        let Some(walked) = walked else {
            let looks = self.looks_like(line, Answers::new()).await;
            return Err(PollOutcome::refused(format!(
                "not read: this is not {name}: no chain of models (SunS) is at its bases; {looks}"
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
        match profile.locate(&walked, self.meter.installation.chain_meter) {
            Located::At(located) => {
                self.identification.base = Some(walked.base);
                Ok(located)
            }
            Located::NotFound(why) => Err(PollOutcome::refused(format!("not read: this is not {name}: {why}"))),
            Located::Several(places) => {
                let said = self.named(line, &profile, &places).await?;
                let meter = &self.meter.name;
                Err(PollOutcome::refused(format!(
                    "not read: several meters are in the chain at {}. Write chain_meter = 1 (or 2, ..) in [meter.{meter}]: {said}",
                    walked.base
                )))
            }
        }
    }

    /// Whether a meter that is none of its profile has a chain of models, at the first base where one may be.
    pub(super) async fn has_chain(&self, line: &mut Line) -> bool {
        let walk = meter::library().find(ANY_CHAIN).and_then(|entry| entry.profile.walk(None));
        let Some((mut walk, question)) = walk.and_then(|walk| walk.next_request().map(|question| (walk, question)))
        else {
            return false;
        };
        let asked = put(line, &self.meter, &[question]).await;
        walk.record(asked.as_ref().ok().and_then(|asked| asked.answers.get(&question)).map(Vec::as_slice).ok_or(2));
        walk.trial_base().is_none()
    }

    /// Walks along the chain; `None` where there is none at any base.
    async fn walk(&mut self, mut walk: Walk, line: &mut Line) -> Result<Option<Walked>, PollOutcome> {
        while let Some(question) = walk.next_request() {
            let trying = walk.trial_base();
            match put(line, &self.meter, &[question]).await {
                Ok(asked) => match asked.refused.first() {
                    Some((_, code @ 1..=3)) => walk.record(Err(*code)),
                    Some((_, code)) => {
                        self.ask_again();
                        let why = format!("the meter refuses {question} for the moment (exception {code})");
                        return Err(PollOutcome::refused(format!(
                            "not read: its chain of models could not be walked: {why}"
                        )));
                    }
                    None => walk.record(asked.answers.get(&question).map(Vec::as_slice).ok_or(0)),
                },
                Err((_, failure)) => {
                    self.ask_again();
                    // Some devices do not answer for registers that they do not have: next time another base is asked first.
                    if let Some(base) = trying.filter(|_| failure.is_silence()) {
                        self.identification.base = self.base_after(base);
                    }
                    return Err(PollOutcome::failed(failure));
                }
            }
        }
        Ok(walk.finish())
    }

    /// The base that follows this one in the profile.
    fn base_after(&self, base: u16) -> Option<u16> {
        let bases = &self.meter.profile.chain.as_ref()?.bases;
        let place = bases.iter().position(|known| *known == base)?;
        bases.get((place + 1) % bases.len()).copied()
    }

    /// What a Common model says: manufacturer, model, serial number; empty where it says nothing.
    async fn common(&mut self, line: &mut Line, profile: &Profile, common: Model) -> Result<[String; 3], PollOutcome> {
        let Some(block) = common.texts(profile.function()) else { return Ok(<[String; 3]>::default()) };
        let asked = self.questions(line, &[block]).await?;
        Ok(asked.answers.get(&block).map(|words| common_texts(words)).unwrap_or_default())
    }

    /// `meter 1: model 203 at 40188 (SolarEdge, WND-3Y, 4711); ..`
    async fn named(
        &mut self,
        line: &mut Line,
        profile: &Profile,
        places: &[ModelLocation],
    ) -> Result<String, PollOutcome> {
        let mut named = Vec::new();
        for (number, place) in (1..).zip(places.iter().take(MOST_NAMED)) {
            let texts = match place.common {
                Some(common) => self.common(line, profile, common).await?.to_vec(),
                None => Vec::new(),
            };
            let texts: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
            let who = if texts.is_empty() { String::new() } else { format!(" ({})", texts.join(", ")) };
            named.push(format!("{number} is {}{who}", place.model));
        }
        if places.len() > MOST_NAMED {
            named.push(format!("and {} more", places.len() - MOST_NAMED));
        }
        Ok(named.join("; "))
    }
}
