//! Finding out what a unit is that answered: who it says it is, what of the mains it shows, and what each profile reads in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::judge::{Candidate, Clues, ProfileReading, candidates};
use super::mains::Mains;
use super::registers::{RegisterSpan, read_mapped};
use super::samples::{RegisterSample, places};
use super::sweep::FoundUnit;
use crate::meter::{Answers, Function, IdentityCheck, Installation, Profile, ReadPlan, RegisterRange};
use crate::modbus::{Error, IdentityRequest, Line, Link, LinkSettings};
use crate::text;

/// A unit that is asked this many things is given time between them: some meters start anew when they are asked too fast.
const GAP: Duration = Duration::from_millis(20);
/// How long it may think at first; afterwards by how it has answered so far.
const TIMEOUT: Duration = Duration::from_secs(1);
const LEAST_TIMEOUT: Duration = Duration::from_millis(250);
/// Requests without an answer in a row, after which it is left alone.
const MOST_SILENT: u32 = 8;
/// Where meters show the mains, and how many requests may be spent on looking there.
const MAINS: [RegisterSpan; 2] = [
    RegisterSpan { function: Function::Input, registers: 0..=79 },
    RegisterSpan { function: Function::Holding, registers: 0..=79 },
];
const MAINS_BUDGET: u32 = 24;

/// What was found out about a unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examination {
    /// What it says to functions 17 and 43, and in its chain of models; fit to show.
    pub names: Vec<String>,
    /// What an installer must know beside it.
    pub notes: Vec<String>,
    /// `230.1 V, 50.0 Hz`; empty where nothing of it shows.
    pub mains: String,
    /// The best first.
    pub candidates: Vec<Candidate>,
    /// Why it was not asked to the end.
    pub trouble: Option<String>,
}

/// Asks a unit everything that tells its model, the profiles' values two times, `watch` apart. `tell` hears of the part that is done.
pub async fn examine(
    found: &FoundUnit,
    profiles: &[Arc<Profile>],
    watch: Duration,
    tell: &mut dyn FnMut(f64),
) -> Examination {
    let mut patient = UnitExaminer::new(found);
    let mut examined = Examination::default();
    match patient.examine(profiles, watch, tell, &mut examined).await {
        Ok(()) => {}
        Err(error) => examined.trouble = Some(error.to_string()),
    }
    examined
}

/// The unit that is examined.
pub(super) struct UnitExaminer<'a> {
    found: &'a FoundUnit,
    line: Line,
    /// What was asked, and what came.
    asked: BTreeMap<RegisterRange, CachedAnswer>,
    slowest: Duration,
    silent: u32,
    names: Vec<String>,
    notes: Vec<String>,
}

/// The registers, or with which exception they were refused; `None` where nothing of use came.
pub(super) type CachedAnswer = Result<Vec<u16>, Option<u8>>;

/// A profile (or one of its maps) whose registers were all read.
struct FittingProfile {
    profile: Arc<Profile>,
    plan: ReadPlan,
    answers: Answers,
    at: Instant,
    recognised: bool,
    wrongly_set: Option<String>,
}

impl<'a> UnitExaminer<'a> {
    fn new(found: &'a FoundUnit) -> Self {
        let settings = LinkSettings { timeout: TIMEOUT, request_gap: GAP, ..found.settings.clone() };
        let (asked, slowest) = (BTreeMap::new(), Duration::ZERO);
        let (names, notes) = (Vec::new(), Vec::new());
        UnitExaminer { found, line: Line::new(&settings), asked, slowest, silent: 0, names, notes }
    }

    /// It says that it is called so.
    pub(super) fn named(&mut self, names: Vec<String>) {
        for name in names {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }

    /// What an installer must know, once.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    async fn examine(
        &mut self,
        profiles: &[Arc<Profile>],
        watch: Duration,
        tell: &mut dyn FnMut(f64),
        examined: &mut Examination,
    ) -> Result<(), Error> {
        for identity in [IdentityRequest::Server, IdentityRequest::Device] {
            let begin = Instant::now();
            let outcome = self.line.identify(self.found.unit, identity).await;
            if matches!(outcome, Ok(_) | Err(Error::Exception { .. })) {
                self.answered(begin);
            }
            match outcome {
                Ok(data) => {
                    self.named(identity.texts(&data).iter().map(|name| text::foreign(name, 64)).collect());
                }
                Err(error) if error.is_of_the_link() => return Err(error),
                Err(_) => {}
            }
        }
        let mut sample = RegisterSample::default();
        for range in MAINS {
            // What it does not show there is no clue.
            let _ = read_mapped(&mut self.line, self.found.unit, range.blocks(), MAINS_BUDGET, &mut sample).await;
        }
        let samples = [sample];
        let mains = Mains::seen(&samples, &places(&samples[0]));
        examined.mains = mains.as_ref().map(Mains::words).unwrap_or_default();

        let mut fitting = Vec::new();
        for (index, profile) in profiles.iter().enumerate() {
            tell(index as f64 / profiles.len() as f64);
            fitting.extend(self.fit(profile).await?);
        }
        examined.names.clone_from(&self.names);
        examined.notes.clone_from(&self.notes);
        self.watched(&fitting, watch).await;
        let mut said = Vec::new();
        for fits in fitting {
            said.push(self.again(fits).await?);
        }
        let baud = match &self.found.settings.link {
            Link::Serial(line) => Some(line.baud),
            _ => None,
        };
        let clues = Clues { names: &examined.names, mains: mains.as_ref(), baud };
        examined.candidates = candidates(said, &clues);
        if let Some(best) = examined.candidates.first_mut() {
            best.serial = self.serial(&best.profile).await;
        }
        tell(1.0);
        Ok(())
    }

    /// Reads what the profile, or each of its maps, reads: those that the meter can have.
    async fn fit(&mut self, profile: &Arc<Profile>) -> Result<Vec<FittingProfile>, Error> {
        let Some(profile) = &self.located(profile).await? else { return Ok(Vec::new()) };
        let (mut answers, mut refused) = (Answers::new(), Vec::new());
        for block in profile.identity_requests() {
            match self.cached(block).await? {
                Ok(words) => drop(answers.insert(block, words)),
                Err(code) => refused.extend(code.map(|code| (block, code))),
            }
        }
        // In a chain the models say what it is.
        let recognised = profile.location.is_some() || profile.recognises(&answers);
        let (profiles, wrongly_set) = match profile.check_identity(&answers, &refused) {
            IdentityCheck::Matches(profiles) => (profiles, None),
            IdentityCheck::WrongSettings(why) => (vec![profile.clone()], Some(why)),
            IdentityCheck::OtherMeter(_) | IdentityCheck::Unknown(_) => (Vec::new(), None),
        };
        let mut fitting = Vec::new();
        for profile in profiles {
            if let Some((plan, answers)) = self.values(&profile).await? {
                let (at, wrongly_set) = (Instant::now(), wrongly_set.clone());
                fitting.push(FittingProfile { profile, plan, answers, at, recognised, wrongly_set });
            }
        }
        if recognised && fitting.is_empty() {
            self.note(format!(
                "what tells meters apart says that it is {}, but that one's values cannot be read here",
                profile.name
            ));
        }
        Ok(fitting)
    }

    /// Reads the profile's values; `None` where the meter does not have them.
    async fn values(&mut self, profile: &Profile) -> Result<Option<(ReadPlan, Answers)>, Error> {
        let mut plan = ReadPlan::new(profile, &Installation::default());
        let mut answers = Answers::new();
        while let Some(block) = plan.ranges().iter().find(|block| !answers.contains_key(block)).copied() {
            match self.cached(block).await? {
                Ok(words) => drop(answers.insert(block, words)),
                Err(_) if plan.split(block) => {}
                Err(_) => return Ok(None),
            }
        }
        let possible = plan.decode(&answers).values.power.is_some();
        Ok(possible.then_some((plan, answers)))
    }

    /// One block, asked once for all profiles.
    pub(super) async fn cached(&mut self, block: RegisterRange) -> Result<CachedAnswer, Error> {
        if let Some(known) = self.asked.get(&block) {
            return Ok(known.clone());
        }
        let came = self.ask(block).await?;
        self.asked.insert(block, came.clone());
        Ok(came)
    }

    async fn ask(&mut self, block: RegisterRange) -> Result<CachedAnswer, Error> {
        let begin = Instant::now();
        match self.line.read_twice(Duration::ZERO, self.found.unit, block).await {
            Err(error) if error.is_of_the_link() => Err(error),
            Err(error) if error.is_silence() => {
                self.silent += 1;
                if self.silent >= MOST_SILENT { Err(error) } else { Ok(Err(None)) }
            }
            outcome => {
                self.answered(begin);
                Ok(outcome.map_err(|error| match error {
                    Error::Exception { code, .. } => Some(code),
                    _ => None,
                }))
            }
        }
    }

    /// It takes so long: silence is known sooner from here on.
    fn answered(&mut self, begin: Instant) {
        self.silent = 0;
        self.slowest = self.slowest.max(begin.elapsed());
        self.line.set_timeout((self.slowest * 3).clamp(LEAST_TIMEOUT, TIMEOUT));
    }

    /// Waits until the first one that fits was read so long ago.
    async fn watched(&self, fitting: &[FittingProfile], watch: Duration) {
        if let Some(last) = fitting.iter().map(|fits| fits.at).max() {
            tokio::time::sleep_until(last + watch).await;
        }
    }

    /// Reads once more what the profile reads, and its phases beside it.
    async fn again(&mut self, fits: FittingProfile) -> Result<ProfileReading, Error> {
        let FittingProfile { profile, plan, answers, at, recognised, wrongly_set } = fits;
        let first = plan.decode(&answers);
        let mut later = Answers::new();
        for block in plan.ranges().iter().copied().chain(plan.phase_ranges()) {
            if let Ok(words) = self.ask(block).await? {
                later.insert(block, words);
            }
        }
        let phases = plan.phase_power(&later);
        let whole = plan.ranges().iter().all(|block| later.contains_key(block));
        let later = whole.then(|| (plan.decode(&later), at.elapsed()));
        Ok(ProfileReading { profile, first, later, phases, recognised, wrongly_set })
    }

    async fn serial(&mut self, profile: &Arc<Profile>) -> Option<String> {
        let plan = ReadPlan::new(profile, &Installation::default());
        let mut answers = Answers::new();
        for block in plan.serial_ranges() {
            answers.insert(*block, self.cached(*block).await.ok()?.ok()?);
        }
        plan.decode(&answers).values.serial.map(|serial| text::foreign(&serial, 64))
    }
}
