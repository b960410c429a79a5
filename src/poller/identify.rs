//! Identifies a meter before its values are used: is it the configured model, and which map of its profile does it have? This is done at
//! the start, after a silence of the meter or the link, and once an hour.

use std::sync::Arc;

use tokio::time::Instant;

use super::identification::{EVERY, IdentityAnswers, MapComparison};
use super::meter_poller::MeterPoller;
use super::outcome::PollOutcome;
use crate::config;
use crate::meter::{
    self, Answers, IdentityCheck, MapReading, MapSelection, Profile, ReadPlan, RegisterRange, SelectionOutcome,
};
use crate::modbus::{Error, Line};
use crate::units::Name;

/// The built-in profile for any chain of models.
pub(super) const ANY_CHAIN: &str = "sunspec-meter";
/// Maximum identity registers of other models that are read to find the model of a wrong meter.
const MAX_PROBES: usize = 12;

impl MeterPoller {
    /// Identifies the meter if that is due. `Ok` if its values can be read.
    pub(super) async fn ensure_identified(&mut self, line: &mut Line) -> Result<(), PollOutcome> {
        if self.identification.is_due() {
            if let Some(refusal) = self.identification.refusal() {
                return Err(refusal);
            }
            let identified = self.identify(line).await;
            self.identification.keep_refusal(identified.as_ref());
            self.choose_map(identified?);
            self.identification.due_at = Some(Instant::now() + EVERY);
        }
        match self.identification.comparison.take() {
            Some(comparison) => self.compare_maps(comparison, line).await,
            None => Ok(()),
        }
    }

    /// The maps that the meter may have, according to its identity registers.
    async fn identify(&mut self, line: &mut Line) -> Result<Vec<Arc<Profile>>, PollOutcome> {
        let profile = self.located(line).await?;
        let checks =
            if self.identification.chained { profile.identity_requests() } else { self.identification.checks.clone() };
        self.await_late_answer(line, &checks).await?;
        let read = self.read_identity(line, &checks).await?;
        match profile.check_identity(&read.answers, &read.refused) {
            IdentityCheck::Matches(maps) => {
                self.identification.other = None;
                Ok(maps)
            }
            IdentityCheck::Unknown(why) => Err(PollOutcome::refused(why)),
            IdentityCheck::WrongSettings(why) => {
                Err(PollOutcome::refused(format!("not read, because a setting of the meter is wrong: {why}")))
            }
            IdentityCheck::OtherMeter(why) => {
                let hint = self.other_meter_hint(line, read.answers).await;
                Err(PollOutcome::refused(format!("not read: {why}; {hint}")))
            }
        }
    }

    /// Repeats the unanswered request of the last poll if its late answer could be taken for the answer to the first check.
    async fn await_late_answer(&mut self, line: &mut Line, checks: &[RegisterRange]) -> Result<(), PollOutcome> {
        let alike =
            |late: &RegisterRange, first: &RegisterRange| (late.function, late.count) == (first.function, first.count);
        let late = self.unanswered.zip(checks.first()).filter(|(late, first)| late != *first && alike(late, first));
        if let Some((late, _)) = late {
            self.read_identity(line, &[late]).await?;
        }
        Ok(())
    }

    /// Reads these ranges. Without an answer, the poll fails and the identity stays due.
    pub(super) async fn read_identity(
        &mut self,
        line: &mut Line,
        ranges: &[RegisterRange],
    ) -> Result<IdentityAnswers, PollOutcome> {
        match read_ranges(line, &self.config, ranges).await {
            Ok(read) => {
                self.unanswered = None;
                Ok(read)
            }
            Err((range, failure)) => {
                self.unanswered = Some(range);
                self.identify_again();
                Err(PollOutcome::failed(failure))
            }
        }
    }

    /// A hint about the model of a wrong meter. It is computed again only when the meter's identity registers change.
    pub(super) async fn other_meter_hint(&mut self, line: &mut Line, answers: Answers) -> String {
        if let Some((_, hint)) = self.identification.other.as_ref().filter(|(known, _)| *known == answers) {
            return hint.clone();
        }
        let mut all = answers.clone();
        let probes = meter::library().identity_ranges().into_iter().filter(|range| !answers.contains_key(range));
        for range in probes.take(MAX_PROBES) {
            match read_ranges(line, &self.config, &[range]).await {
                Ok(read) => all.extend(read.answers),
                Err(_) => break,
            }
        }
        let hint = match matching_profiles(&all) {
            None if self.has_chain(line).await => {
                format!("it has a chain of SunSpec models: try the profile {ANY_CHAIN}")
            }
            None => "no built-in profile matches its answers; check unit, wiring and profile".to_owned(),
            Some(profiles) => format!("its answers match {profiles}: correct the profile or the unit"),
        };
        self.identification.other = Some((answers, hint.clone()));
        hint
    }

    /// Uses the only possible map, or starts to compare the possible ones. The map in use stays if it is possible.
    fn choose_map(&mut self, maps: Vec<Arc<Profile>>) {
        let same = |left: &Profile, right: &Profile| (&left.map, left.location) == (&right.map, right.location);
        let is_possible = |known: &Arc<Profile>| maps.iter().any(|map| same(map, known));
        if self.identification.known.as_ref().is_some_and(is_possible) {
            return;
        }
        self.identification.known = None;
        if let [only] = maps.as_slice() {
            return self.use_map(only.clone(), "by its identity registers");
        }
        if self.identification.comparison.as_ref().is_none_or(|comparison| comparison.maps != maps) {
            self.identification.comparison = Some(self.comparison(maps));
        }
    }

    fn comparison(&self, maps: Vec<Arc<Profile>>) -> MapComparison {
        let profile = &self.config.profile;
        let note = |name: &Name| profile.map(name.as_str())?.note.clone();
        MapComparison {
            selection: MapSelection::new(&maps, note, self.config.max_power),
            plans: maps.iter().map(|map| ReadPlan::new(map, &self.config.installation)).collect(),
            maps,
            started: Instant::now(),
        }
    }

    /// From now on the meter is read with this map.
    fn use_map(&mut self, map: Arc<Profile>, why: &str) {
        self.plan = ReadPlan::new(&map, &self.config.installation);
        (self.unanswered, self.register_block, self.serial_at) = (None, None, None);
        self.joined = self.joined.of_another_plan();
        self.identification.comparison = None;
        let meter = &self.config.name;
        if let Some(location) = map.location {
            tracing::info!(%meter, profile = %map.name, "the meter's registers are in {}", location.model);
        }
        if let Some(name) = &map.map {
            self.identification.definition = Some(Arc::new(self.plan.definition()));
            tracing::info!(%meter, profile = %map.name, map = %name, "the meter has this map, {why}");
        }
        self.identification.known = Some(map);
    }

    /// Reads all possible maps once, and selects one if their values allow it.
    async fn compare_maps(&mut self, mut comparison: MapComparison, line: &mut Line) -> Result<(), PollOutcome> {
        let read = self.read_maps(&mut comparison, line).await;
        if let Err(outcome) = read {
            self.identification.comparison = Some(comparison);
            return Err(outcome);
        }
        let (profile, meter) = (&self.config.profile.name, &self.config.name);
        match comparison.selection.outcome() {
            SelectionOutcome::Chosen(index) => {
                let why = format!(
                    "because its values exclude the others: {}; write map in [meter.{meter}] to confirm it",
                    comparison.selection.summary()
                );
                self.use_map(comparison.maps[index].clone(), &why);
                Ok(())
            }
            SelectionOutcome::Agreed(index, undecided) => {
                let map = comparison.maps[index].clone();
                if self.identification.known.as_ref().is_none_or(|known| known.map != map.map) {
                    let advice = format!("write map in [meter.{meter}] to decide");
                    self.use_map(map, &format!("for now: {undecided}; {advice}"));
                }
                self.identification.comparison = Some(comparison);
                Ok(())
            }
            SelectionOutcome::Open(summary) => {
                let outcome = PollOutcome::refused(format!(
                    "not read: several maps of {profile} are possible. {summary}. Compare with the meter's display and write map = \"..\" in \
                     [meter.{meter}]"
                ));
                self.identification.comparison = Some(comparison);
                Err(outcome)
            }
            SelectionOutcome::NoneFits(summary) => {
                let outcome = PollOutcome::refused(format!("not read: no map of {profile} matches. {summary}"));
                self.identification.comparison = Some(self.comparison(comparison.maps));
                Err(outcome)
            }
        }
    }

    /// Reads each map and adds its values to the selection. A range that several maps share is read once.
    async fn read_maps(&mut self, comparison: &mut MapComparison, line: &mut Line) -> Result<(), PollOutcome> {
        let mut known = IdentityAnswers { answers: Answers::new(), refused: Vec::new() };
        for (index, plan) in comparison.plans.iter_mut().enumerate() {
            let mut missing = None;
            let mut waiting: Vec<_> = plan.ranges().iter().copied().chain(plan.phase_ranges()).rev().collect();
            while let Some(range) = waiting.pop() {
                if !known.answers.contains_key(&range) && !known.refused.iter().any(|(refused, _)| *refused == range) {
                    let read = self.read_identity(line, &[range]).await?;
                    known.answers.extend(read.answers);
                    known.refused.extend(read.refused);
                }
                let refusal = known.refused.iter().find(|(refused, _)| *refused == range);
                let Some((_, code)) = refusal.filter(|_| plan.ranges().contains(&range)) else { continue };
                if matches!(code, 2 | 3) && plan.split(range) {
                    waiting.extend(plan.ranges().iter().filter(|part| range.covers(**part)).rev());
                } else {
                    missing.get_or_insert(format!("the meter refuses {range} (exception {code})"));
                }
            }
            let decoded = plan.decode(&known.answers);
            if decoded.chain_moved {
                self.identify_again();
                return Err(PollOutcome::refused(decoded.problems.join("; ")));
            }
            let problems = (!decoded.problems.is_empty()).then(|| decoded.problems.join("; "));
            let reading = MapReading {
                at: comparison.started.elapsed(),
                power: decoded.values.power,
                register: decoded.values.register,
                phases: plan.phase_power(&known.answers),
                missing: missing.or(problems),
            };
            comparison.selection.record(index, reading, &known.answers);
        }
        Ok(())
    }
}

/// Reads these ranges. An exception counts as an answer; the first request without an answer ends the read.
pub(super) async fn read_ranges(
    line: &mut Line,
    meter: &config::MeterConfig,
    ranges: &[RegisterRange],
) -> Result<IdentityAnswers, (RegisterRange, Error)> {
    let mut read = IdentityAnswers { answers: Answers::new(), refused: Vec::new() };
    for range in ranges {
        match line.read_twice(meter.profile.delay, meter.unit, *range).await {
            Ok(words) => _ = read.answers.insert(*range, words),
            Err(refusal @ Error::Exception { code, .. }) if !refusal.is_silence() => read.refused.push((*range, code)),
            Err(failure) => return Err((*range, failure)),
        }
    }
    Ok(read)
}

/// The names of up to three built-in profiles that these answers match.
fn matching_profiles(answers: &Answers) -> Option<String> {
    let matching = meter::library().matching(answers);
    let names: Vec<_> = matching.iter().take(3).map(|entry| entry.profile.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}
