//! Whether the meter on the line is the one that is meant, and which map of its profile it has: asked at the start, when the meter or
//! the line was gone, and now and then. Until that is known none of its registers is a reading.

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

/// The built-in profile for any chain.
pub(super) const ANY_CHAIN: &str = "sunspec-meter";
/// So many registers of other meters are asked to find out what a wrong one is.
const MOST_PROBES: usize = 12;

impl MeterPoller {
    /// Ok where the meter is known and can be read.
    pub(super) async fn recognise(&mut self, line: &mut Line) -> Result<(), PollOutcome> {
        if self.identification.is_due() {
            if let Some(refusal) = self.identification.refusal() {
                return Err(refusal);
            }
            let identified = self.identify(line).await;
            self.identification.keep_refusal(identified.as_ref());
            self.settle(identified?);
            self.identification.ask_at = Some(Instant::now() + EVERY);
        }
        match self.identification.race.take() {
            Some(race) => self.run(race, line).await,
            None => Ok(()),
        }
    }

    /// The maps that the meter may have, by the registers that tell meters apart.
    async fn identify(&mut self, line: &mut Line) -> Result<Vec<Arc<Profile>>, PollOutcome> {
        let profile = self.located(line).await?;
        let checks =
            if self.identification.chained { profile.identity_requests() } else { self.identification.checks.clone() };
        self.await_late_answer(line, &checks).await?;
        let asked = self.questions(line, &checks).await?;
        match profile.check_identity(&asked.answers, &asked.refused) {
            IdentityCheck::Matches(candidates) => {
                self.identification.other = None;
                Ok(candidates)
            }
            IdentityCheck::Unknown(why) => Err(PollOutcome::refused(why)),
            IdentityCheck::WrongSettings(why) => {
                Err(PollOutcome::refused(format!("wrongly set, so that it is not read: {why}")))
            }
            IdentityCheck::OtherMeter(why) => {
                let looks = self.looks_like(line, asked.answers).await;
                Err(PollOutcome::refused(format!("not read: {why}; {looks}")))
            }
        }
    }

    /// What was not answered last time is asked first where its answer could pass for one to the first question.
    async fn await_late_answer(&mut self, line: &mut Line, checks: &[RegisterRange]) -> Result<(), PollOutcome> {
        let alike =
            |late: &RegisterRange, first: &RegisterRange| (late.function, late.count) == (first.function, first.count);
        let late = self.unanswered.zip(checks.first()).filter(|(late, first)| late != *first && alike(late, first));
        if let Some((late, _)) = late {
            self.questions(line, &[late]).await?;
        }
        Ok(())
    }

    pub(super) async fn questions(
        &mut self,
        line: &mut Line,
        blocks: &[RegisterRange],
    ) -> Result<IdentityAnswers, PollOutcome> {
        match put(line, &self.meter, blocks).await {
            Ok(asked) => {
                self.unanswered = None;
                Ok(asked)
            }
            Err((block, failure)) => {
                self.unanswered = Some(block);
                self.ask_again();
                Err(PollOutcome::failed(failure))
            }
        }
    }

    /// What the meter looks like among those that are built in. It is asked once, and again when it answers otherwise.
    pub(super) async fn looks_like(&mut self, line: &mut Line, answers: Answers) -> String {
        if let Some((_, looks)) = self.identification.other.as_ref().filter(|(known, _)| *known == answers) {
            return looks.clone();
        }
        let mut all = answers.clone();
        let probes = meter::library().identity_ranges().into_iter().filter(|block| !answers.contains_key(block));
        for block in probes.take(MOST_PROBES) {
            match put(line, &self.meter, &[block]).await {
                Ok(asked) => all.extend(asked.answers),
                // It will be asked again in the next poll.
                Err(_) => break,
            }
        }
        let looks = match described(&all) {
            None if self.has_chain(line).await => {
                format!("it has a chain of SunSpec models: try the profile {ANY_CHAIN}")
            }
            None => "it answers as no meter that is built in; check unit, wiring and profile".to_owned(),
            Some(looks) => looks,
        };
        self.identification.other = Some((answers, looks.clone()));
        looks
    }

    fn settle(&mut self, candidates: Vec<Arc<Profile>>) {
        let same = |left: &Profile, right: &Profile| (&left.map, left.location) == (&right.map, right.location);
        let among = |known: &Arc<Profile>| candidates.iter().any(|candidate| same(candidate, known));
        if self.identification.known.as_ref().is_some_and(among) {
            return;
        }
        self.identification.known = None;
        if let [only] = candidates.as_slice() {
            return self.take(only.clone(), "by its identity registers");
        }
        if self.identification.race.as_ref().is_none_or(|race| race.maps != candidates) {
            self.identification.race = Some(self.race(candidates));
        }
    }

    fn race(&self, maps: Vec<Arc<Profile>>) -> MapComparison {
        let profile = &self.meter.profile;
        let note = |name: &Name| profile.map(name.as_str())?.note.clone();
        MapComparison {
            contest: MapSelection::new(&maps, note, self.meter.max_power),
            plans: maps.iter().map(|map| ReadPlan::new(map, &self.meter.installation)).collect(),
            maps,
            begun: Instant::now(),
        }
    }

    /// From now on the meter is read with this map.
    fn take(&mut self, map: Arc<Profile>, why: &str) {
        self.plan = ReadPlan::new(&map, &self.meter.installation);
        (self.unanswered, self.register_block, self.serial_at) = (None, None, None);
        self.identification.race = None;
        if let Some(place) = map.location {
            tracing::info!(meter = %self.meter.name, profile = %map.name, "the meter's registers are in {}", place.model);
        }
        if let Some(name) = &map.map {
            self.identification.definition = Some(Arc::new(self.plan.definition()));
            tracing::info!(meter = %self.meter.name, profile = %map.name, map = %name, "the meter has this map, {why}");
        }
        self.identification.known = Some(map);
    }

    /// One poll of all maps that are possible.
    async fn run(&mut self, mut race: MapComparison, line: &mut Line) -> Result<(), PollOutcome> {
        let heard = self.hear(&mut race, line).await;
        let (profile, meter) = (self.meter.profile.name.clone(), self.meter.name.clone());
        let outcome = race.contest.outcome();
        match (heard, outcome) {
            (Err(polled), _) => {
                self.identification.race = Some(race);
                Err(polled)
            }
            (Ok(()), SelectionOutcome::Chosen(place)) => {
                let why = format!(
                    "by what its registers say: {}; write map in [meter.{meter}] to settle it",
                    race.contest.summary()
                );
                self.take(race.maps[place].clone(), &why);
                Ok(())
            }
            (Ok(()), SelectionOutcome::Agreed(place)) => {
                let why =
                    format!("for all of its maps that are possible have said the same: {}", race.contest.summary());
                self.take(race.maps[place].clone(), &why);
                Ok(())
            }
            (Ok(()), SelectionOutcome::Open(told)) => {
                self.identification.race = Some(race);
                Err(PollOutcome::refused(format!(
                    "not read: which map of {profile} it has is open. {told}. Compare with its display and write map = \"..\" in [meter.{meter}]"
                )))
            }
            (Ok(()), SelectionOutcome::NoneFits(told)) => {
                self.identification.race = Some(self.race(race.maps));
                Err(PollOutcome::refused(format!("not read: no map of {profile} matches. {told}")))
            }
        }
    }

    async fn hear(&mut self, race: &mut MapComparison, line: &mut Line) -> Result<(), PollOutcome> {
        let mut known = IdentityAnswers { answers: Answers::new(), refused: Vec::new() };
        for (place, plan) in race.plans.iter_mut().enumerate() {
            let mut missing = None;
            let mut waiting: Vec<_> = plan.ranges().iter().copied().chain(plan.phase_ranges()).rev().collect();
            while let Some(block) = waiting.pop() {
                if !known.answers.contains_key(&block) && !known.refused.iter().any(|(refused, _)| *refused == block) {
                    let asked = self.questions(line, &[block]).await?;
                    known.answers.extend(asked.answers);
                    known.refused.extend(asked.refused);
                }
                let refusal = known.refused.iter().find(|(refused, _)| *refused == block);
                let Some((_, code)) = refusal.filter(|_| plan.ranges().contains(&block)) else { continue };
                if matches!(code, 2 | 3) && plan.split(block) {
                    waiting.extend(plan.ranges().iter().filter(|part| block.covers(**part)).rev());
                } else {
                    missing.get_or_insert(format!("the meter refuses {block} (exception {code})"));
                }
            }
            let decoded = plan.decode(&known.answers);
            if decoded.chain_moved {
                self.ask_again();
                return Err(PollOutcome::refused(decoded.problems.join("; ")));
            }
            let complaint = (!decoded.problems.is_empty()).then(|| decoded.problems.join("; "));
            let sample = MapReading {
                at: race.begun.elapsed(),
                power: decoded.values.power,
                register: decoded.values.register,
                phases: plan.phase_power(&known.answers),
                missing: missing.or(complaint),
            };
            race.contest.record(place, sample);
        }
        Ok(())
    }
}

/// Puts these questions. A meter that refuses one has answered it.
pub(super) async fn put(
    line: &mut Line,
    meter: &config::MeterConfig,
    blocks: &[RegisterRange],
) -> Result<IdentityAnswers, (RegisterRange, Error)> {
    let mut asked = IdentityAnswers { answers: Answers::new(), refused: Vec::new() };
    for block in blocks {
        match line.read_twice(meter.profile.delay, meter.unit, *block).await {
            Ok(words) => _ = asked.answers.insert(*block, words),
            Err(refusal @ Error::Exception { code, .. }) if !refusal.is_silence() => asked.refused.push((*block, code)),
            Err(failure) => return Err((*block, failure)),
        }
    }
    Ok(asked)
}

fn described(answers: &Answers) -> Option<String> {
    let known = meter::library().matching(answers);
    let names: Vec<_> = known.iter().take(3).map(|entry| entry.profile.name.as_str()).collect();
    match names.as_slice() {
        [] => None,
        names => Some(format!("it answers as {}: correct the profile, or the unit", names.join(" or "))),
    }
}
