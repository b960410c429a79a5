//! What a unit's chain of SunSpec models says: who made it, and where the registers of a profile stand in it.

use std::sync::Arc;

use super::examine::UnitExaminer;
use crate::meter::{Located, Model, Profile, common_texts};
use crate::modbus::Error;

impl UnitExaminer<'_> {
    /// The profile where its chain has it, of several meters the first; as it is where it needs no chain, `None` where there is none for it.
    pub(super) async fn located(&mut self, profile: &Arc<Profile>) -> Result<Option<Arc<Profile>>, Error> {
        let Some(mut walk) = profile.walk(None) else { return Ok(Some(profile.clone())) };
        while let Some(question) = walk.next_request() {
            let came = self.cached(question).await?;
            walk.record(came.as_deref().map_err(|code| code.unwrap_or_default()));
        }
        let Some(walked) = walk.finish() else { return Ok(None) };
        let device = profile.device_of(&walked);
        if let Some((common, wanted)) = device
            && !self.common(profile, common).await?.first().is_some_and(|maker| maker.starts_with(wanted))
        {
            return Ok(None);
        }
        let located = match profile.locate(&walked, None) {
            Located::NotFound(_) => return Ok(None),
            Located::At(located) => located,
            Located::Several(places) => {
                let Located::At(first) = profile.locate(&walked, Some(1)) else { return Ok(None) };
                self.note(format!(
                    "{} meters are in its chain of models: the lines are for the first, chain_meter = 2 is the next",
                    places.len()
                ));
                first
            }
        };
        if let Some(common) = located.location.and_then(|place| place.common) {
            let texts = self.common(profile, common).await?;
            self.named(texts);
        }
        Ok(Some(located))
    }

    /// What a Common model says of who made the meter and of its model.
    async fn common(&mut self, profile: &Profile, common: Model) -> Result<Vec<String>, Error> {
        let Some(block) = common.texts(profile.function()) else { return Ok(Vec::new()) };
        let [maker, model, _] = self.cached(block).await?.map(|words| common_texts(&words)).unwrap_or_default();
        Ok([maker, model].into_iter().filter(|text| !text.is_empty()).collect())
    }
}
