//! Identifies a unit that answered: its identification strings, its mains values, and the values that each profile reads from it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::judge::{Candidate, MeterFacts, ProfileReading, candidates};
use super::mains::Mains;
use super::registers::{RegisterSpan, read_mapped};
use super::samples::{RegisterSample, places};
use super::sweep::FoundUnit;
use crate::meter::{Answers, Function, IdentityCheck, Installation, Profile, ReadPlan, RegisterRange};
use crate::modbus::{Error, IdentityRequest, Line, Link, LinkSettings};
use crate::text;

/// Pause between requests: some meters restart when requests come too fast.
const GAP: Duration = Duration::from_millis(20);
/// The first timeout. Later it is three times the slowest answer, and at least [`MIN_TIMEOUT`].
const TIMEOUT: Duration = Duration::from_secs(1);
const MIN_TIMEOUT: Duration = Duration::from_millis(250);
/// The examination ends after this many consecutive requests without an answer.
const MAX_SILENT: u32 = 8;
/// Where meters have mains voltage and frequency, and the maximum requests for them.
const MAINS: [RegisterSpan; 2] = [
    RegisterSpan { function: Function::Input, registers: 0..=79 },
    RegisterSpan { function: Function::Holding, registers: 0..=79 },
];
const MAX_MAINS_REQUESTS: u32 = 24;

/// The result of examining a unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examination {
    /// Identification strings from functions 17 and 43 and from its chain of models, without control characters.
    pub names: Vec<String>,
    /// Further information for the installer.
    pub notes: Vec<String>,
    /// Mains voltage and frequency: `230.1 V, 50.0 Hz`; empty if not found.
    pub mains: String,
    /// The profiles that fit, the best first.
    pub candidates: Vec<Candidate>,
    /// Why identification did not finish.
    pub error: Option<String>,
}

/// Identifies a unit with these profiles. The values of the profiles that fit are read twice, with `watch` between. `on_progress` gets the
/// completed part, 0 to 1.
pub async fn examine(
    found: &FoundUnit,
    profiles: &[Arc<Profile>],
    watch: Duration,
    on_progress: &mut dyn FnMut(f64),
) -> Examination {
    let mut examiner = UnitExaminer::new(found);
    let mut examined = Examination::default();
    if let Err(error) = examiner.examine(profiles, watch, on_progress, &mut examined).await {
        examined.error = Some(error.to_string());
    }
    (examined.names, examined.notes) = (examiner.names, examiner.notes);
    examined
}

/// The unit being examined.
pub(super) struct UnitExaminer<'a> {
    found: &'a FoundUnit,
    line: Line,
    /// The requests and their answers.
    cache: BTreeMap<RegisterRange, CachedAnswer>,
    slowest: Duration,
    silent: u32,
    names: Vec<String>,
    notes: Vec<String>,
}

/// The registers, or the exception code; `Err(None)` without a valid answer.
pub(super) type CachedAnswer = Result<Vec<u16>, Option<u8>>;

/// A profile, or one of its maps, whose registers could all be read.
struct FittingProfile {
    profile: Arc<Profile>,
    plan: ReadPlan,
    answers: Answers,
    at: Instant,
    identified: bool,
    wrong_setting: Option<String>,
}

impl<'a> UnitExaminer<'a> {
    fn new(found: &'a FoundUnit) -> Self {
        let settings = LinkSettings { timeout: TIMEOUT, request_gap: GAP, ..found.settings.clone() };
        let (cache, slowest) = (BTreeMap::new(), Duration::ZERO);
        let (names, notes) = (Vec::new(), Vec::new());
        UnitExaminer { found, line: Line::new(&settings), cache, slowest, silent: 0, names, notes }
    }

    /// Adds identification strings of the unit.
    pub(super) fn add_names(&mut self, names: Vec<String>) {
        for name in names {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }

    /// Adds a note, once.
    pub(super) fn add_note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    async fn examine(
        &mut self,
        profiles: &[Arc<Profile>],
        watch: Duration,
        on_progress: &mut dyn FnMut(f64),
        examined: &mut Examination,
    ) -> Result<(), Error> {
        for identity in [IdentityRequest::Server, IdentityRequest::Device] {
            let begin = Instant::now();
            let outcome = self.line.identify(self.found.unit, identity).await;
            if matches!(outcome, Ok(_) | Err(Error::Exception { .. })) {
                self.note_answer(begin);
            }
            match outcome {
                Ok(data) => {
                    self.add_names(identity.texts(&data).iter().map(|name| text::foreign(name, 64)).collect());
                }
                Err(error) if error.is_of_the_link() => return Err(error),
                Err(_) => {}
            }
        }
        let mut sample = RegisterSample::default();
        for range in MAINS {
            // The mains values are optional.
            let _ = read_mapped(&mut self.line, self.found.unit, range.blocks(), MAX_MAINS_REQUESTS, &mut sample).await;
        }
        let samples = [sample];
        let mains = Mains::find(&samples, &places(&samples[0]));
        examined.mains = mains.as_ref().map(Mains::words).unwrap_or_default();

        let mut fitting = Vec::new();
        for (index, profile) in profiles.iter().enumerate() {
            on_progress(index as f64 / profiles.len() as f64);
            fitting.extend(self.fit(profile).await?);
        }
        self.wait_after_first_read(&fitting, watch).await;
        let mut readings = Vec::new();
        for fits in fitting {
            readings.push(self.read_later(fits).await?);
        }
        let baud = match &self.found.settings.link {
            Link::Serial(line) => Some(line.baud),
            _ => None,
        };
        let facts = MeterFacts { names: &self.names, mains: mains.as_ref(), baud };
        let (found, notes) = candidates(readings, &facts);
        notes.into_iter().for_each(|note| self.add_note(note));
        examined.candidates = found;
        if let Some(best) = examined.candidates.first_mut() {
            best.serial = self.serial(&best.profile).await;
        }
        on_progress(1.0);
        Ok(())
    }

    /// Reads the values of the profile, or of each of its maps, as far as its identity registers allow it.
    async fn fit(&mut self, profile: &Arc<Profile>) -> Result<Vec<FittingProfile>, Error> {
        let Some(profile) = &self.located(profile).await? else { return Ok(Vec::new()) };
        let (mut answers, mut refused) = (Answers::new(), Vec::new());
        for block in profile.identity_requests() {
            match self.read_cached(block).await? {
                Ok(words) => drop(answers.insert(block, words)),
                Err(code) => refused.extend(code.map(|code| (block, code))),
            }
        }
        // A chain of models identifies the meter.
        let identified = profile.location.is_some() || profile.recognises(&answers);
        let (profiles, wrong_setting) = match profile.check_identity(&answers, &refused) {
            IdentityCheck::Matches(profiles) => (profiles, None),
            IdentityCheck::WrongSettings(why) => (vec![profile.clone()], Some(why)),
            IdentityCheck::OtherMeter(_) | IdentityCheck::Unknown(_) => (Vec::new(), None),
        };
        let mut fitting = Vec::new();
        for profile in profiles {
            if let Some((plan, answers)) = self.values(&profile).await? {
                let (at, wrong_setting) = (Instant::now(), wrong_setting.clone());
                fitting.push(FittingProfile { profile, plan, answers, at, identified, wrong_setting });
            }
        }
        if identified && fitting.is_empty() {
            self.add_note(format!(
                "its identity registers match {}, but the values of that profile cannot be read",
                profile.name
            ));
        }
        Ok(fitting)
    }

    /// Reads the profile's values; `None` if the meter does not have them.
    async fn values(&mut self, profile: &Profile) -> Result<Option<(ReadPlan, Answers)>, Error> {
        let mut plan = ReadPlan::new(profile, &Installation::default());
        let mut answers = Answers::new();
        while let Some(block) = plan.ranges().iter().find(|block| !answers.contains_key(block)).copied() {
            match self.read_cached(block).await? {
                Ok(words) => drop(answers.insert(block, words)),
                Err(_) if plan.split(block) => {}
                Err(_) => return Ok(None),
            }
        }
        let has_power = plan.decode(&answers).values.power.is_some();
        Ok(has_power.then_some((plan, answers)))
    }

    /// One block, read once for all profiles.
    pub(super) async fn read_cached(&mut self, block: RegisterRange) -> Result<CachedAnswer, Error> {
        if let Some(known) = self.cache.get(&block) {
            return Ok(known.clone());
        }
        let answer = self.read(block).await?;
        self.cache.insert(block, answer.clone());
        Ok(answer)
    }

    async fn read(&mut self, block: RegisterRange) -> Result<CachedAnswer, Error> {
        let begin = Instant::now();
        match self.line.read_twice(Duration::ZERO, self.found.unit, block).await {
            Err(error) if error.is_of_the_link() => Err(error),
            Err(error) if error.is_silence() => {
                self.silent += 1;
                if self.silent >= MAX_SILENT { Err(error) } else { Ok(Err(None)) }
            }
            outcome => {
                self.note_answer(begin);
                Ok(outcome.map_err(|error| match error {
                    Error::Exception { code, .. } => Some(code),
                    _ => None,
                }))
            }
        }
    }

    /// Adapts the timeout to the slowest answer so far.
    fn note_answer(&mut self, begin: Instant) {
        self.silent = 0;
        self.slowest = self.slowest.max(begin.elapsed());
        self.line.set_timeout((self.slowest * 3).clamp(MIN_TIMEOUT, TIMEOUT));
    }

    /// Waits until `watch` has passed since the last of the first reads.
    async fn wait_after_first_read(&self, fitting: &[FittingProfile], watch: Duration) {
        if let Some(last) = fitting.iter().map(|fits| fits.at).max() {
            tokio::time::sleep_until(last + watch).await;
        }
    }

    /// Reads the values of the profile again, and the power of the phases.
    async fn read_later(&mut self, fits: FittingProfile) -> Result<ProfileReading, Error> {
        let FittingProfile { profile, plan, answers, at, identified, wrong_setting } = fits;
        let first = plan.decode(&answers);
        let mut later = Answers::new();
        for block in plan.ranges().iter().copied().chain(plan.phase_ranges()) {
            if let Ok(words) = self.read(block).await? {
                later.insert(block, words);
            }
        }
        let phases = plan.phase_power(&later);
        let whole = plan.ranges().iter().all(|block| later.contains_key(block));
        let later = whole.then(|| (plan.decode(&later), at.elapsed()));
        Ok(ProfileReading { profile, first, later, phases, identified, wrong_setting })
    }

    async fn serial(&mut self, profile: &Arc<Profile>) -> Option<String> {
        let plan = ReadPlan::new(profile, &Installation::default());
        let mut answers = Answers::new();
        for block in plan.serial_ranges() {
            answers.insert(*block, self.read_cached(*block).await.ok()?.ok()?);
        }
        plan.decode(&answers).values.serial.map(|serial| text::foreign(&serial, 64))
    }
}
