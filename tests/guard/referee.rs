//! Replays a history through a publisher and checks its figures against the promises.

use arkmeter::clock::ClockReading;
use arkmeter::guard::{GuardMemory, GuardState, MeterSettings, Verdict, judge};
use arkmeter::reading::Values;

use crate::world::{Event, Interruption, Moment, Poll, World};

/// Turns readings into a published figure.
pub(crate) trait Publisher: Clone {
    /// Returns the verdict on the reading, and whether the state is committed at once.
    fn read(&mut self, settings: &MeterSettings, at: &ClockReading, values: &Values) -> (&'static str, bool);
    fn published(&self) -> Option<u64>;
    /// The state in the store after a commit: the figure, and the memory where it changed, or in any case at a stop (`last`).
    fn stored(&mut self, last: bool) -> Self;
    /// The state as read from the store.
    fn reload(&self) -> Self;
}

#[derive(Clone, Default)]
pub(crate) struct Guard {
    state: GuardState,
    /// The memory as it was last stored, and when the register had last been read then.
    memory: GuardMemory,
    read_at: Option<ClockReading>,
}

impl Guard {
    pub(crate) fn state(&self) -> &GuardState {
        &self.state
    }
}

impl Publisher for Guard {
    fn read(&mut self, settings: &MeterSettings, at: &ClockReading, values: &Values) -> (&'static str, bool) {
        let judged = judge(self.state.clone(), settings, at, values);
        assert!(judged.state.published() >= self.state.published(), "the published figure fell within one judgement");
        if let Some(entry) = judged.entry.as_ref().filter(|_| std::env::var_os("REASONS").is_some()) {
            println!("{:>8} {}: {:?}", at.since_boot.as_secs_f64(), judged.verdict.as_str(), entry.reason);
        }
        let ordinary = matches!(judged.verdict, Verdict::Advanced | Verdict::Unchanged);
        assert!(ordinary || judged.entry.is_some() || matches!(judged.verdict, Verdict::Held | Verdict::Baseline));
        self.state = judged.state;
        (judged.verdict.as_str(), judged.entry.is_some())
    }

    fn published(&self) -> Option<u64> {
        self.state.published().map(u64::from)
    }

    fn stored(&mut self, last: bool) -> Self {
        if last || self.state.memory.differs_from(&self.memory) {
            (self.memory, self.read_at) = (self.state.memory.clone(), self.state.figure.read_at);
        }
        self.clone()
    }

    fn reload(&self) -> Self {
        let text = serde_json::to_string(&self.memory).unwrap();
        assert!(text.len() < 16_384, "the memory grew to {} bytes", text.len());
        let memory: GuardMemory = serde_json::from_str(&text).unwrap();
        let state = GuardState::from_halves(self.state.figure.clone(), memory.clone(), self.read_at);
        Guard { state, memory, read_at: self.read_at }
    }
}

/// Publishes the register as it is, without a guard.
#[derive(Clone, Default)]
pub(crate) struct PassThrough(Option<u64>);

impl Publisher for PassThrough {
    fn read(&mut self, _settings: &MeterSettings, _at: &ClockReading, values: &Values) -> (&'static str, bool) {
        self.0 = values.register.map(|register| register.value.get()).or(self.0);
        ("advanced", false)
    }

    fn published(&self) -> Option<u64> {
        self.0
    }

    fn stored(&mut self, _last: bool) -> Self {
        self.clone()
    }

    fn reload(&self) -> Self {
        self.clone()
    }
}

/// Describes the promises that were broken; empty if all were kept.
pub(crate) fn broken<P: Publisher + Default>(world: &World, trace: bool) -> Vec<String> {
    let settings = world.settings();
    let history = world.history();
    let mut publisher = P::default();
    let mut disk = publisher.clone();
    let mut broken = Vec::new();
    let mut start: Option<(u64, u64)> = None;
    let mut kept_at_first = None;
    let mut highest = 0;
    let mut lived_on = true;
    let mut last: Option<&Poll> = None;
    let mut commits = Vec::new();
    for moment in &history {
        match moment {
            Moment::Slot => {
                disk = publisher.stored(false);
                commits.extend(last.filter(|_| lived_on).map(|poll| poll.second));
            }
            Moment::Interruption(interruption) => {
                if *interruption == Interruption::Restart {
                    disk = publisher.stored(true);
                    commits.extend(last.map(|poll| poll.second));
                }
                publisher = disk.reload();
                highest = disk.published().unwrap_or(0);
                lived_on = false;
            }
            Moment::Poll(poll) => {
                let before = publisher.published();
                let (word, decided) = publisher.read(&settings, &world.clock_reading(poll.second), &poll.values);
                if decided {
                    disk = publisher.stored(false);
                    commits.push(poll.second);
                }
                let published = publisher.published();
                if trace
                    && (word != "advanced" && word != "unchanged" || last.is_none() || !lived_on || before != published)
                {
                    let register = poll.values.register.map(|register| register.value.get() as f64 / 1e6);
                    println!(
                        "{:>8} {word:<10} register {register:?} published {:?} kept {:.3}",
                        poll.second,
                        published.map(|energy| energy as f64 / 1e6),
                        poll.kept as f64 / 1e6
                    );
                }
                lived_on = true;
                let kept_first = *kept_at_first.get_or_insert(poll.kept);
                if let Some(published) = published {
                    let (start, _) = *start.get_or_insert((published, poll.kept));
                    if published < highest {
                        broken.push(format!("at {} fell from {highest} to {published}", poll.second));
                    }
                    highest = highest.max(published);
                    // The published figure may start at the lower end of the noise and continue at its upper end.
                    let limit = poll.kept - kept_first + (2 + world.noise) * world.step;
                    if published.saturating_sub(start) > limit {
                        let over = published - start - limit;
                        broken.push(format!("at {} invented {over} mWh", poll.second));
                    }
                }
                last = Some(poll);
            }
        }
        if broken.len() > 5 {
            break;
        }
    }
    match (start, publisher.published(), last) {
        (Some((start, kept_at_start)), Some(published), Some(last)) if broken.is_empty() => {
            let due = (last.kept - kept_at_start)
                .saturating_sub(unknowable(world, &history, &commits) + (2 + world.noise) * world.step);
            if published.saturating_sub(start) < due {
                broken.push(format!("lost {} mWh", due - published.saturating_sub(start)));
            }
        }
        (None, ..) => broken.push("never published".to_owned()),
        _ => {}
    }
    broken
}

/// The energy that no reading shows, in mWh: counted between the last sound reading before a real reset or replacement and the first one
/// after it.
///
/// If the daemon crashed in between, the readings since its last commit are lost too.
fn unknowable(world: &World, history: &[Moment], commits: &[u64]) -> u64 {
    let polls: Vec<&Poll> = history
        .iter()
        .filter_map(|moment| match moment {
            Moment::Poll(poll) if poll.sound && poll.values.register.is_some() => Some(poll),
            _ => None,
        })
        .collect();
    let around = |at: u64, event: &Event| {
        let after = polls.iter().find(|poll| poll.second >= at);
        let last_before = polls.iter().rev().find(|poll| poll.second < at);
        let crashed = |before: &&&Poll| {
            world
                .interruptions
                .iter()
                .any(|(crash, _)| before.second < *crash && after.is_some_and(|after| *crash <= after.second))
        };
        let committed = || {
            let commit = commits.iter().rev().find(|commit| **commit < at)?;
            polls.iter().rev().find(|poll| poll.second <= *commit)
        };
        let before = if last_before.as_ref().is_some_and(crashed) { committed() } else { last_before };
        let set_back = if let Event::SetBack(energy) = event { *energy } else { 0 };
        match (before, after) {
            (Some(before), Some(after)) => after.kept - before.kept + set_back,
            _ => 0,
        }
    };
    world.events.iter().map(|(at, event)| around(*at, event)).sum()
}
