//! Simulated weeks with outages of endpoint, network and meter, against the strict endpoint: are the hours complete?

use std::ops::Range;

use super::*;
use crate::reporter::mask::TokenMask;
use crate::reporter::rpc::{ReportCall, RpcAnswer as HttpAnswer, interpret};
use crate::simulator::arkreen::{DirectEndpoint, EndpointBehaviour};

const WEEK: u64 = 168 * 3600;
const POLL_EVERY: u64 = 10;
/// So long after the end of an outage of the meter all twelve reports of an hour can be made: the first of them, and twelve readings.
const ENOUGH: u64 = 120 + 20 + 12 * 16;
/// After an outage that other boxes may share: the first of them, and so many slots with the extra reports between them.
const FIRST: u64 = 120 + 20;
const ENOUGH_SLOTS: u64 = 10;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Unreachable,
    Failing,
    MeterSilent,
    /// Answers that do not tell whether the report was accepted.
    Unclear,
}

/// The reports that are ready, each with the time of its reading, and the other clients with the reason.
type Figures = (Vec<(ClientReport, ClockReading)>, Vec<(Name, WaitingReason)>);

/// A site with two clients in simulated time.
struct Weeks {
    account: Account,
    endpoint: DirectEndpoint,
    every: u64,
    now: ClockReading,
    start: ClockReading,
    rng: SmallRng,
    outages: Vec<(Range<u64>, Fault)>,
    last_id: u64,
    batching: Batching,
    /// By client: when a report was accepted, and its reading.
    accepted: BTreeMap<Name, Vec<(u64, u64)>>,
}

impl Weeks {
    async fn new(every: u64, seed: u64, weeks: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let start = Clock::simulated(1, Timestamp::from_second(1_800_000_000).unwrap()).now();
        let id = |digit: &str| ClientId::parse(&format!("0x{}", digit.repeat(64))).unwrap();
        let clients = BTreeMap::from([(name("a"), id("a")), (name("b"), id("b"))]);
        let token = format!("0x{}", "7".repeat(64));
        let endpoint = DirectEndpoint::new(&token, clients.values().copied());
        let url = Url::parse("https://api.example/v1").unwrap();
        let texts = EndpointTexts::new(name("main"), &url, "/etc/main.token".into());
        let schedule = ReportSchedule::new(Duration::from_secs(every), url.as_str(), clients.values().copied());
        let mut account = Account::new(texts, schedule, clients, &BTreeSet::new(), &start);
        account.new_token(start.since_boot);
        let (mut outages, mut at) = (Vec::new(), 0);
        while at < weeks * WEEK {
            let begin = at + rng.random_range(1800..20_000);
            let end = begin + rng.random_range(30..12_000);
            let kinds = [Fault::Unreachable, Fault::Failing, Fault::MeterSilent, Fault::Unclear];
            outages.push((begin..end, kinds[rng.random_range(0..kinds.len())]));
            at = end;
        }
        let batching = Batching::new(Batch::Auto, NonZeroUsize::new(100).unwrap());
        let (last_id, accepted) = (0, BTreeMap::new());
        Weeks { account, endpoint, every, now: start, start, rng, outages, last_id, batching, accepted }
    }

    /// Seconds since the start.
    fn second(&self) -> u64 {
        (self.now.since_boot - self.start.since_boot).as_secs()
    }

    fn fault(&self, second: u64) -> Option<Fault> {
        self.outages.iter().find(|(outage, _)| outage.contains(&second)).map(|(_, fault)| *fault)
    }

    /// The number of the last reading of the meter, some tenths of a second late.
    fn last_reading(&self) -> u64 {
        let mut number = self.second() / POLL_EVERY;
        while self.fault(number * POLL_EVERY) == Some(Fault::MeterSilent) {
            number -= 1;
        }
        number
    }

    fn figures(&mut self, clients: &BTreeSet<Name>) -> Figures {
        let number = self.last_reading();
        let since_boot = self.start.since_boot + Duration::from_secs(number * POLL_EVERY);
        let read_at = ClockReading { since_boot, ..self.start };
        if self.now.since_boot - since_boot > Duration::from_secs(60) {
            return (Vec::new(), clients.iter().map(|client| (client.clone(), "last read long ago".into())).collect());
        }
        let ready = clients.iter().map(|client| {
            self.last_id += 1;
            let report = ClientReport {
                id: self.last_id,
                client_id: self.account.clients[client].id,
                client: client.clone(),
                power: Milliwatts(number as i64),
                energy: MilliwattHours::new(number).unwrap(),
            };
            (report, read_at)
        });
        (ready.collect(), Vec::new())
    }

    fn call(&mut self, call: &ReportCall) -> CallResult {
        let behaviour = match self.fault(self.second()) {
            Some(Fault::Unreachable) => return CallResult::Failed(CallFailure::Unreachable("no route".into())),
            Some(Fault::Failing) => EndpointBehaviour::Status(503),
            Some(Fault::Unclear) => EndpointBehaviour::Hollow,
            _ => EndpointBehaviour::Normal,
        };
        let (status, body) = self.endpoint.post(&call.body(), behaviour);
        let answer =
            HttpAnswer { status, retry_after: None, location: None, now: self.now.wall, body, too_long: false };
        let result = interpret(call, &answer, &TokenMask::new("0x7"));
        let second = self.second();
        for report in result.accepted(call) {
            let all = self.accepted.entry(report.client.clone()).or_default();
            all.push((second, report.energy.get()));
        }
        result
    }

    fn round(&mut self, due: DueReports) {
        let (ready, waiting) = self.figures(&due.request);
        let now = self.now.since_boot;
        let fresh = self.account.sendable(ready, waiting, &due.send, ReportCause::Schedule, now);
        let round = self.account.start_round(fresh, &mut self.batching, now);
        let nothing = round.is_none();
        let mut round = round.unwrap_or_default();
        loop {
            while let Some(call) = round.next() {
                let result = self.call(&call);
                round.finished(call, result, &mut self.batching, now);
            }
            let again: BTreeSet<_> = round.again().into_iter().collect();
            if again.is_empty() {
                break;
            }
            let (ready, waiting) = self.figures(&again);
            let fresh = self.account.sendable(ready, waiting, &again, ReportCause::Schedule, now);
            round.enqueue(crate::reporter::batching::singly(fresh));
        }
        if !nothing {
            self.account.settle(round.finish(), now, &mut self.rng);
        }
        let hour = self.now.wall.as_second().div_euclid(3600);
        let start = self.start.wall.as_second();
        let accepted = |client: &Name| {
            let all = self.accepted.get(client).map(Vec::as_slice).unwrap_or_default();
            all.iter().rev().take_while(|(at, _)| (start + *at as i64).div_euclid(3600) == hour).count() as u32
        };
        self.account.plan_extra(accepted, &self.now, &mut self.rng);
    }

    fn run(&mut self, until: u64) {
        while self.second() < until {
            // Answers take a moment.
            let ahead = self.account.agenda.wake().saturating_sub(self.now.since_boot) + Duration::from_millis(20);
            let wall = self.now.wall + ahead;
            self.now = ClockReading { since_boot: self.now.since_boot + ahead, wall, ..self.now };
            if let Some(due) = self.account.agenda.due(&self.now) {
                self.round(due);
            }
        }
    }

    /// Whether the whole hour, or enough of its end, was free of outages.
    fn enough(&self, hour: u64) -> bool {
        let (from, to) = (hour * 3600, (hour + 1) * 3600);
        let before = || self.outages.iter().filter(|(outage, _)| outage.start < to);
        let shared = before().any(|(outage, fault)| *fault != Fault::MeterSilent && outage.end + 2 * 3600 > from);
        let enough = if shared { FIRST + ENOUGH_SLOTS * self.every } else { ENOUGH };
        before().map(|(outage, _)| outage.end).max().is_none_or(|end| end.max(from) + enough <= to)
    }
}

#[tokio::test]
async fn every_hour_with_enough_time_left_is_complete_over_weeks_with_outages() {
    let (mut complete, mut after_outage) = (0, 0);
    for (seed, every) in [(1, 120), (2, 120), (3, 60), (4, 180), (5, 300)] {
        let weeks = 1;
        let mut site = Weeks::new(every, seed, weeks).await;
        site.run(weeks * WEEK);
        assert_eq!(site.endpoint.violations(), Vec::<String>::new());
        for (client, accepted) in &site.accepted {
            for pair in accepted.windows(2) {
                assert!(pair[0].0 + 10 <= pair[1].0, "closer than 10 s: {client} {pair:?}, seed {seed}");
                assert!(pair[0].1 < pair[1].1, "the same reading twice: {client} {pair:?}, seed {seed}");
            }
            for hour in 1..weeks * 168 {
                let of_hour = accepted.iter().filter(|(at, _)| at / 3600 == hour).count();
                if site.enough(hour) {
                    assert!(
                        of_hour >= 12,
                        "{of_hour} reports in hour {hour} of {client}, seed {seed}, every {every} s"
                    );
                    complete += 1;
                    let slots = (hour * 3600..(hour + 1) * 3600).step_by(every as usize);
                    after_outage += u32::from(slots.filter(|slot| site.fault(*slot).is_none()).count() < 12);
                }
            }
        }
    }
    assert!(complete > 900 && after_outage > 20, "the weeks show too little: {complete}, {after_outage}");
}
