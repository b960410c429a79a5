//! Reads a unit's chain of SunSpec models: manufacturer, model, and the addresses of a profile's registers.

use std::sync::Arc;

use super::examine::UnitExaminer;
use crate::meter::{Located, Model, Profile, common_texts};
use crate::modbus::Error;

impl UnitExaminer<'_> {
    /// The profile with its addresses in the unit's chain (of several meters, the first). Unchanged if it needs no chain; `None` if the chain
    /// does not have it.
    pub(super) async fn located(&mut self, profile: &Arc<Profile>) -> Result<Option<Arc<Profile>>, Error> {
        let Some(mut walk) = profile.walk(None) else { return Ok(Some(profile.clone())) };
        while let Some(request) = walk.next_request() {
            let answer = match self.read_cached(request).await {
                // Some devices do not answer where their chain ends.
                Err(error) if walk.trial_base().is_none() && !error.is_of_the_link() => {
                    walk.break_off(&error.to_string());
                    continue;
                }
                answer => answer?,
            };
            walk.record(answer.as_deref().map_err(|code| code.unwrap_or_default()));
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
            Located::Several(locations) => {
                let Located::At(first) = profile.locate(&walked, Some(1)) else { return Ok(None) };
                self.add_note(format!(
                    "{} meters are in its chain of models: these lines are for the first; for the second, use chain_meter = 2",
                    locations.len()
                ));
                first
            }
        };
        if let Some(common) = located.location.and_then(|location| location.common) {
            let texts = self.common(profile, common).await?;
            self.add_names(texts);
        }
        Ok(Some(located))
    }

    /// Manufacturer and model from a Common model, as far as it has them.
    async fn common(&mut self, profile: &Profile, common: Model) -> Result<Vec<String>, Error> {
        let Some(block) = common.texts(profile.function()) else { return Ok(Vec::new()) };
        let [maker, model, _] = self.read_cached(block).await?.map(|words| common_texts(&words)).unwrap_or_default();
        Ok([maker, model].into_iter().filter(|text| !text.is_empty()).collect())
    }
}
