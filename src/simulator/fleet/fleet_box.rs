//! One box of a fleet: the reporter's account between simulated figures and simulated answers.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use url::Url;

use super::{EndpointFault, FleetEvent, FleetLoad, FleetScenario};
use crate::clock::{Clock, ClockReading};
use crate::config::Batch;
use crate::report_hours::ReportHours;
use crate::reporter::account::{Account, EndpointTexts, ReportCause};
use crate::reporter::batching::Batching;
use crate::reporter::rpc::{CallFailure, CallResult, ClientReport, ReportCall, ReportOutcome};
use crate::reporter::schedule::ReportSchedule;
use crate::reporter::{DueReports, IDLE};
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

/// The top of an hour.
const BEGINNING: i64 = 1_800_000_000;
const URL: &str = "https://api.arkreen.com/v1";
/// The meter is polled this often, and a reading is too old after a minute.
const POLL_EVERY: Duration = Duration::from_secs(10);
/// The usual time to an answer or a refused connection.
const ANSWER: Duration = Duration::from_millis(200);
/// The account's `timeout`.
const TIMEOUT: Duration = Duration::from_secs(20);

/// One box. Times are since the simulation's beginning.
pub(super) struct FleetBox<'s> {
    scenario: &'s FleetScenario,
    client: Name,
    client_id: ClientId,
    account: Account,
    batching: Batching,
    hours: ReportHours,
    /// The clock at the simulation's beginning, as this box sees it.
    start: ClockReading,
    now: Duration,
    /// When its meter is polled, within the poll interval.
    poll_phase: Duration,
    last_call: Option<Duration>,
    restarts: Vec<Range<u64>>,
    /// No report was accepted since the end of the last event.
    missing: bool,
    rng: SmallRng,
}

impl<'s> FleetBox<'s> {
    pub(super) fn new(scenario: &'s FleetScenario, seed: u64, number: u32) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed << 32 | u64::from(number));
        let client = Name::new("meter").expect("a name");
        let digits: String = (0..4).map(|_| format!("{:016x}", rng.random::<u64>())).collect();
        let client_id = ClientId::parse(&format!("0x{digits}")).expect("64 digits");
        let error = SignedDuration::try_from(scenario.clock_error.mul_f64(rng.random())).unwrap_or_default();
        let error = if rng.random() { error } else { -error };
        let beginning = Timestamp::from_second(BEGINNING).expect("a time") + error;
        let start = Clock::simulated(1, beginning).now();
        let restarts = scenario.events.iter().filter_map(|event| match event {
            FleetEvent::Restart { during, share } => rng.random_bool(*share).then(|| during.clone()),
            FleetEvent::Endpoint { .. } => None,
        });
        let restarts: Vec<_> = restarts.collect();
        let now = Duration::from_secs(scenario.seconds.start);
        let mut this = FleetBox {
            account: account(scenario, &client, client_id, &at(&start, now)),
            batching: batching(),
            hours: ReportHours::default(),
            poll_phase: POLL_EVERY.mul_f64(rng.random()),
            missing: true,
            last_call: None,
            scenario,
            client,
            client_id,
            start,
            now,
            restarts,
            rng,
        };
        this.count_slots_before();
        this
    }

    /// Simulates the box and adds its calls to the load.
    pub(super) fn run(mut self, load: &mut FleetLoad) {
        let end = Duration::from_secs(self.scenario.seconds.end);
        let last_event = self.scenario.last_event();
        let (mut in_hour, hour) = (0, BEGINNING.div_euclid(3600) + (last_event / 3600) as i64);
        loop {
            let wake = self.account.agenda.wake().saturating_sub(self.start.since_boot).max(self.now);
            if self.restarts.first().is_some_and(|restart| Duration::from_secs(restart.start) <= wake) {
                let restart = self.restarts.remove(0);
                self.restart(&restart);
                continue;
            }
            if wake >= end {
                break;
            }
            self.now = wake;
            if let Some(due) = self.account.agenda.due(&self.clock()) {
                self.round(&due, load);
            }
            in_hour = in_hour.max(self.hours.of(hour));
        }
        load.note_box(u32::from(in_hour));
    }

    fn clock(&self) -> ClockReading {
        at(&self.start, self.now)
    }

    /// As `ReporterTask::round` does it, with simulated figures and answers.
    fn round(&mut self, due: &DueReports, load: &mut FleetLoad) {
        let now = self.clock().since_boot;
        let ready = self.figure().into_iter().filter(|(report, _)| due.request.contains(&report.client)).collect();
        let fresh = self.account.sendable(ready, Vec::new(), &due.send, ReportCause::Schedule, now);
        if let Some(mut round) = self.account.start_round(fresh, &mut self.batching, now) {
            while let Some(call) = round.next() {
                let result = self.call(&call, load);
                let now = self.clock().since_boot;
                round.finished(call, result, &mut self.batching, now);
            }
            let (now, result) = (self.clock().since_boot, round.finish());
            self.account.settle(result, now, &mut self.rng);
        }
        let now = self.clock();
        let accepted = self.hours.in_hour(now.wall);
        self.account.plan_extra(|_| accepted, &now, &mut self.rng);
    }

    fn figure(&self) -> Option<(ClientReport, ClockReading)> {
        let polls = self.now.checked_sub(self.poll_phase)?.as_secs() / POLL_EVERY.as_secs();
        let report = ClientReport {
            id: polls,
            client: self.client.clone(),
            client_id: self.client_id,
            power: Milliwatts(1_234_567),
            energy: MilliwattHours::new(polls)?,
        };
        Some((report, at(&self.start, self.poll_phase + POLL_EVERY * u32::try_from(polls).ok()?)))
    }

    /// Makes a call; afterwards it is the time of its end.
    fn call(&mut self, call: &ReportCall, load: &mut FleetLoad) -> CallResult {
        let idle = self.last_call.is_none_or(|last| self.now > last + IDLE);
        load.note_call(self.now, idle);
        let (takes, failure) = self.answer();
        self.now += takes;
        self.last_call = Some(self.now).filter(|_| failure.is_none());
        if let Some(failure) = failure {
            return CallResult::Failed(failure);
        }
        let wall = self.clock().wall;
        self.hours.count(wall);
        self.account.accepted(call.reports.len(), wall);
        let recovers = self.missing && self.now.as_secs() >= self.scenario.last_event();
        self.missing &= !recovers;
        load.note_accepted(self.now, recovers);
        let accepted = |report: &ClientReport| (report.id, ReportOutcome::Accepted { odd: None });
        CallResult::Answered { outcomes: call.reports.iter().map(accepted).collect(), strays: None }
    }

    /// How long the answer takes, and the failure if there is one.
    fn answer(&mut self) -> (Duration, Option<CallFailure>) {
        let second = self.now.as_secs();
        let (rng, now) = (&mut self.rng, self.now);
        let met = self.scenario.events.iter().find_map(|event| match event {
            FleetEvent::Endpoint { during, fault, share } if during.contains(&second) && rng.random_bool(*share) => {
                Some((*fault, Duration::from_secs(during.end)))
            }
            _ => None,
        });
        let Some((fault, end)) = met else { return (ANSWER, None) };
        let unavailable = || "HTTP 503".to_owned();
        match fault {
            EndpointFault::Unreachable => (ANSWER, Some(CallFailure::Unreachable("connection refused".into()))),
            EndpointFault::Silent => (TIMEOUT, Some(CallFailure::TimedOut)),
            EndpointFault::Failing => (ANSWER, Some(CallFailure::Transient(unavailable()))),
            EndpointFault::AsksToWait(wait) => {
                (ANSWER, Some(CallFailure::Wait(Some(Duration::from_secs(wait)), unavailable())))
            }
            EndpointFault::NamesItsEnd => {
                (ANSWER, Some(CallFailure::Wait(Some(end.saturating_sub(now + ANSWER)), unavailable())))
            }
            EndpointFault::Slow(takes) => (Duration::from_secs(takes), None),
        }
    }

    fn restart(&mut self, during: &Range<u64>) {
        self.now = self.now.max(Duration::from_secs(during.end));
        self.account = account(self.scenario, &self.client, self.client_id, &self.clock());
        self.batching = batching();
        self.last_call = None;
    }

    /// The reports of the hour before the simulation's first second.
    fn count_slots_before(&mut self) {
        let every = self.scenario.every;
        let mut before = Duration::ZERO;
        while before < self.now {
            self.hours.count(at(&self.start, before).wall);
            before += every;
        }
    }
}

impl FleetScenario {
    /// When the last event is over.
    pub(super) fn last_event(&self) -> u64 {
        let ends = self.events.iter().map(|event| match event {
            FleetEvent::Endpoint { during, .. } | FleetEvent::Restart { during, .. } => during.end,
        });
        ends.max().unwrap_or(self.seconds.start)
    }
}

/// The clock of a box `since` the beginning.
fn at(start: &ClockReading, since: Duration) -> ClockReading {
    ClockReading { since_boot: start.since_boot + since, wall: start.wall + since, ..*start }
}

fn account(scenario: &FleetScenario, client: &Name, client_id: ClientId, now: &ClockReading) -> Account {
    let url = Url::parse(URL).expect("a URL");
    let texts = EndpointTexts::new(client.clone(), &url, String::new());
    let schedule = ReportSchedule::new(scenario.every, URL, [client_id]);
    let clients = BTreeMap::from([(client.clone(), client_id)]);
    let reported_before = BTreeSet::from([client.clone()]);
    let mut account = Account::new(texts, schedule, clients, &reported_before, now);
    account.new_token(now.since_boot);
    account
}

fn batching() -> Batching {
    Batching::new(Batch::Auto, NonZeroUsize::MIN)
}
