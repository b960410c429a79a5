//! Finding out what a unit is that answered: who it says it is, what of the mains it shows, and what each profile reads in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::judge::{Candidate, Clues, Said, candidates};
use super::mains::Mains;
use super::registers::{Range, read, read_mapped};
use super::samples::{Sample, places};
use super::sweep::Found;
use crate::config::{Bus, Link};
use crate::meter::{Answers, Block, Function, Installation, Profile, ReadPlan};
use crate::modbus::{Error, Identity, Line};
use crate::text;

/// A unit that is asked this many things is given time between them: some meters start anew when they are asked too fast.
const GAP: Duration = Duration::from_millis(20);
/// How long it may think at first; afterwards by how it has answered so far.
const TIMEOUT: Duration = Duration::from_secs(1);
const LEAST_TIMEOUT: Duration = Duration::from_millis(250);
/// Requests without an answer in a row, after which it is left alone.
const MOST_SILENT: u32 = 8;
/// Where meters show the mains, and how many requests may be spent on looking there.
const MAINS: [Range; 2] =
    [Range { function: Function::Input, registers: 0..=79 }, Range { function: Function::Holding, registers: 0..=79 }];
const MAINS_BUDGET: u32 = 24;

/// What was found out about a unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examined {
    /// What it says to functions 17 and 43, fit to show.
    pub names: Vec<String>,
    /// `230.1 V, 50.0 Hz`; empty where nothing of it shows.
    pub mains: String,
    /// The best first.
    pub candidates: Vec<Candidate>,
    /// Why it was not asked to the end.
    pub trouble: Option<String>,
}

/// Asks a unit everything that tells its model, the profiles' values two times, `watch` apart. `tell` hears of the part that is done.
pub async fn examine(found: &Found, profiles: &[Arc<Profile>], watch: Duration, tell: &mut dyn FnMut(f64)) -> Examined {
    let mut patient = Patient::new(found);
    let mut examined = Examined::default();
    match patient.examine(profiles, watch, tell, &mut examined).await {
        Ok(()) => {}
        Err(error) => examined.trouble = Some(error.to_string()),
    }
    examined
}

/// The unit that is examined.
struct Patient<'a> {
    found: &'a Found,
    line: Line,
    /// What was asked, and what came; `None` where it did not.
    asked: BTreeMap<Block, Option<Vec<u16>>>,
    slowest: Duration,
    silent: u32,
}

/// A profile whose registers were all read.
struct Fits {
    profile: Arc<Profile>,
    plan: ReadPlan,
    answers: Answers,
    at: Instant,
}

impl<'a> Patient<'a> {
    fn new(found: &'a Found) -> Self {
        let bus = Bus { timeout: TIMEOUT, request_gap: GAP, ..found.bus.clone() };
        let (asked, slowest) = (BTreeMap::new(), Duration::ZERO);
        Patient { found, line: Line::new(&bus), asked, slowest, silent: 0 }
    }

    async fn examine(
        &mut self,
        profiles: &[Arc<Profile>],
        watch: Duration,
        tell: &mut dyn FnMut(f64),
        examined: &mut Examined,
    ) -> Result<(), Error> {
        for identity in [Identity::Server, Identity::Device] {
            let begin = Instant::now();
            let outcome = self.line.identify(self.found.unit, identity).await;
            if matches!(outcome, Ok(_) | Err(Error::Exception { .. })) {
                self.answered(begin);
            }
            match outcome {
                Ok(data) => {
                    examined.names.extend(identity.texts(&data).iter().map(|name| text::foreign(name, 64)));
                }
                Err(error) if error.is_of_the_link() => return Err(error),
                Err(_) => {}
            }
        }
        let mut sample = Sample::default();
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
            if let Some(fits) = self.fit(profile).await? {
                fitting.push(fits);
            }
        }
        self.watched(&fitting, watch).await;
        let mut said = Vec::new();
        for fits in fitting {
            said.push(self.again(fits).await?);
        }
        let baud = match &self.found.bus.link {
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

    /// Reads what the profile reads; `None` where the meter does not have it.
    async fn fit(&mut self, profile: &Arc<Profile>) -> Result<Option<Fits>, Error> {
        let mut plan = ReadPlan::new(profile, &Installation::default());
        let mut answers = Answers::new();
        while let Some(block) = plan.blocks().iter().find(|block| !answers.contains_key(block)).copied() {
            match self.cached(block).await? {
                Some(words) => drop(answers.insert(block, words)),
                None if plan.split(block) => {}
                None => return Ok(None),
            }
        }
        let possible = plan.decode(&answers).values.power.is_some();
        Ok(possible.then(|| Fits { profile: profile.clone(), plan, answers, at: Instant::now() }))
    }

    /// One block, asked once for all profiles.
    async fn cached(&mut self, block: Block) -> Result<Option<Vec<u16>>, Error> {
        if let Some(known) = self.asked.get(&block) {
            return Ok(known.clone());
        }
        let words = self.ask(block).await?;
        self.asked.insert(block, words.clone());
        Ok(words)
    }

    async fn ask(&mut self, block: Block) -> Result<Option<Vec<u16>>, Error> {
        let begin = Instant::now();
        match read(&mut self.line, self.found.unit, block).await {
            Err(error) if error.is_of_the_link() => Err(error),
            Err(error) if error.is_silence() => {
                self.silent += 1;
                if self.silent >= MOST_SILENT { Err(error) } else { Ok(None) }
            }
            outcome => {
                self.answered(begin);
                Ok(outcome.ok())
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
    async fn watched(&self, fitting: &[Fits], watch: Duration) {
        if let Some(last) = fitting.iter().map(|fits| fits.at).max() {
            tokio::time::sleep_until(last + watch).await;
        }
    }

    /// Reads once more what the profile reads.
    async fn again(&mut self, fits: Fits) -> Result<Said, Error> {
        let Fits { profile, plan, answers, at } = fits;
        let first = plan.decode(&answers);
        let mut later = Answers::new();
        for block in plan.blocks() {
            if let Some(words) = self.ask(*block).await? {
                later.insert(*block, words);
            }
        }
        let later = (later.len() == plan.blocks().len()).then(|| (plan.decode(&later), at.elapsed()));
        Ok(Said { profile, first, later })
    }

    async fn serial(&mut self, profile: &Arc<Profile>) -> Option<String> {
        let plan = ReadPlan::new(profile, &Installation::default());
        let mut answers = Answers::new();
        for block in plan.serial_blocks() {
            answers.insert(*block, self.cached(*block).await.ok()??);
        }
        plan.decode(&answers).values.serial.map(|serial| text::foreign(&serial, 64))
    }
}
