use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::config::{self, Environment};
use crate::guard::{Verdict, Verdicts};
use crate::ledger::ClientLedger;
use crate::modbus::LineCounts;
use crate::reading::{Register, Values};
use crate::report_hours::ReportHours;
use crate::reporter::ReportingState;
use crate::status::words;
use crate::units::{MilliwattHours, Milliwatts};

const START: i64 = 1_750_000_000;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn mwh(value: u64) -> MilliwattHours {
    MilliwattHours::new(value).unwrap()
}

pub(in crate::status) fn verdicts(given: &[(Verdict, u64)]) -> Verdicts {
    let mut verdicts = Verdicts::default();
    for (verdict, count) in given {
        (0..*count).for_each(|_| verdicts.count(*verdict));
    }
    verdicts
}

/// The reading of the clock this many seconds after the daemon's start.
fn at(seconds: u64) -> ClockReading {
    let wall = Timestamp::from_second(START + seconds as i64).unwrap();
    let since_boot = Duration::from_secs(5000 + seconds);
    ClockReading { since_boot, wall, trusted: true, ..Clock::simulated(1, wall).now() }
}

fn configuration() -> Config {
    let text = format!(
        "[account.main]\ntoken_file = \"/token\"\n[bus.cabinet]\nserial = \"/dev/ttyUSB0\"\n\
         [meter.heat_pump]\nbus = \"cabinet\"\nunit = 7\nprofile = \"eastron-sdm630\"\nmax_power = \"20kW\"\n\
         client_id = \"0x{}\"\n",
        "12".repeat(32)
    );
    config::parse("arkmeter.toml".as_ref(), &text, &Environment::default()).unwrap().0
}

/// A site with one meter, polled every 10 s and read at second 1000, which has its own client.
pub(in crate::status) fn cabinet() -> StatusInputs {
    let (meter, bus, main) = (name("heat_pump"), name("cabinet"), name("main"));
    let register = Register { value: mwh(180_004_166_000), step: mwh(10_000) };
    let values = Values { power: Some(Milliwatts(1_500_000)), register: Some(register), serial: None };
    let poll = MeterPoll { values, read_at: Some(at(1000)), polls: 100, ..MeterPoll::default() };
    let bus_report = BusReport {
        counts: LineCounts { requests: 200, answers: 199, timeouts: 1, opened: 2, ..LineCounts::default() },
        meters: [(meter.clone(), Arc::new(poll))].into(),
        ..BusReport::default()
    };
    let guarded = MeterLedger {
        verdict: Some("advanced"),
        register: Some(mwh(180_004_166_000)),
        published: Some(mwh(180_004_166_000)),
        verdicts: verdicts(&[(Verdict::Advanced, 98), (Verdict::Baseline, 2)]),
        ..MeterLedger::default()
    };
    let accepted_at = Timestamp::from_second(START + 990).unwrap();
    let client_ledger = ClientLedger {
        energy: Some(mwh(180_004_166_000)),
        accepted: Some(mwh(180_004_000_000)),
        accepted_at: Some(accepted_at),
        reports: 8,
        hours: hours(accepted_at),
    };
    let account = AccountReport {
        state: ReportingState::Ok,
        last_report_at: Some(accepted_at),
        accepted: 8,
        calls: 9,
        ..AccountReport::default()
    };
    StatusInputs {
        config: Arc::new(configuration()),
        buses: [(bus, bus_report)].into(),
        ledger: LedgerReport {
            meters: [(meter.clone(), Arc::new(guarded))].into(),
            clients: [(meter, client_ledger)].into(),
            commits: 8,
            ..LedgerReport::default()
        },
        history: HistoryReport::default(),
        accounts: [(main, account)].into(),
        stalled: Vec::new(),
        remarks: Vec::new(),
        started: at(0),
        log_dropped: 0,
        reload: ReloadReport { hash: Some("00ff00ff00ff00ff".into()), succeeded: true, at: Some(at(0)) },
    }
}

pub(in crate::status) fn poll(inputs: &mut StatusInputs) -> &mut MeterPoll {
    Arc::make_mut(inputs.buses.get_mut("cabinet").unwrap().meters.get_mut("heat_pump").unwrap())
}

pub(in crate::status) fn guarded(inputs: &mut StatusInputs) -> &mut MeterLedger {
    Arc::make_mut(inputs.ledger.meters.get_mut("heat_pump").unwrap())
}

fn account_report(inputs: &mut StatusInputs) -> &mut AccountReport {
    inputs.accounts.get_mut("main").unwrap()
}

/// The document one second after the meter was read.
pub(in crate::status) fn document(inputs: &StatusInputs) -> Document {
    compose(inputs, at(1001))
}

fn state(inputs: &StatusInputs) -> MeterState {
    document(inputs).meters["heat_pump"].state
}

#[test]
fn a_site_without_faults_is_well() {
    let document = document(&cabinet());
    assert_eq!(document.trouble, Vec::<String>::new());
    assert!(document.well);
    let meter = &document.meters["heat_pump"];
    assert_eq!(meter.state, MeterState::Ok);
    assert_eq!(meter.power_mw, Some(Milliwatts(1_500_000)));
    assert_eq!(meter.published_mwh, Some(mwh(180_004_166_000)));
    assert_eq!(document.buses["cabinet"].state, BusState::Open);
    assert_eq!(document.buses["cabinet"].reopened, 1);
    assert_eq!(document.accounts["main"].state, ReportingState::Ok);
    assert_eq!(document.clients["heat_pump"].client_id, "0x1212…1212");
}

#[test]
fn a_meter_is_stale_after_three_polls_and_at_least_a_minute() {
    let mut inputs = cabinet();
    assert_eq!(compose(&inputs, at(1060)).meters["heat_pump"].state, MeterState::Ok);
    let document = compose(&inputs, at(1061));
    assert_eq!(document.meters["heat_pump"].state, MeterState::Stale);
    assert_eq!(document.trouble, ["Meter heat_pump was last read 61 s ago."]);
    Arc::make_mut(&mut inputs.config).meters.get_mut("heat_pump").unwrap().poll_every = Duration::from_secs(60);
    assert_eq!(compose(&inputs, at(1180)).meters["heat_pump"].state, MeterState::Ok);
    assert_eq!(compose(&inputs, at(1181)).meters["heat_pump"].state, MeterState::Stale);
}

#[test]
fn a_failed_poll_is_shown_with_its_reason() {
    let mut inputs = cabinet();
    poll(&mut inputs).error = Some("no answer within 1 s: check its address".to_owned());
    poll(&mut inputs).failures_in_a_row = 1;
    assert_eq!(state(&inputs), MeterState::Failing);
    let trouble = document(&inputs).trouble;
    assert_eq!(trouble, ["Meter heat_pump is failing: no answer within 1 s: check its address."]);
    poll(&mut inputs).failures_in_a_row = 0;
    assert_eq!(state(&inputs), MeterState::Failing, "a poll without a value is no good poll");
}

#[test]
fn a_held_register_is_shown_with_the_accepted_one() {
    let mut inputs = cabinet();
    guarded(&mut inputs).held = Some("the register fell to 0: wait, or see `arkmeter ledger`".to_owned());
    poll(&mut inputs).values.register.as_mut().unwrap().value = MilliwattHours::ZERO;
    let document = document(&inputs);
    let meter = &document.meters["heat_pump"];
    assert_eq!(meter.state, MeterState::Held);
    assert_eq!(meter.register_mwh, Some(MilliwattHours::ZERO));
    assert_eq!(meter.register_taken_mwh, Some(mwh(180_004_166_000)));
    assert_eq!(document.trouble, ["Meter heat_pump is held: the register fell to 0: wait, or see `arkmeter ledger`."]);
}

#[test]
fn a_max_power_that_is_too_low_is_trouble() {
    let mut inputs = cabinet();
    guarded(&mut inputs).overload = Some(Milliwatts(26_000_000));
    let trouble =
        "Meter heat_pump carries 26.00 kW, more than its max_power: raise max_power, or real consumption will be held.";
    assert_eq!(document(&inputs).trouble, [trouble]);
}

#[test]
fn an_unchanged_figure_is_shown_and_is_not_trouble() {
    let mut inputs = cabinet();
    let stands = "published stands still until the counter has caught up 2.000 kWh, 6m at the least";
    guarded(&mut inputs).stands = Some(stands.to_owned());
    let document = document(&inputs);
    assert_eq!(document.advice, [format!("heat_pump: {stands}")]);
    assert!(document.well, "{:?}", document.trouble);
}

#[test]
fn a_meter_that_was_never_read_becomes_trouble_after_a_while() {
    let mut inputs = cabinet();
    *poll(&mut inputs) = MeterPoll::default();
    let young = compose(&inputs, at(59));
    assert_eq!(young.meters["heat_pump"].state, MeterState::NeverRead);
    assert_eq!(young.trouble, Vec::<String>::new());
    assert_eq!(compose(&inputs, at(60)).trouble, ["Meter heat_pump was never read."]);
    poll(&mut inputs).error = Some("no answer".to_owned());
    assert_eq!(compose(&inputs, at(5)).trouble, ["Meter heat_pump was never read: no answer."]);
    inputs.buses.clear();
    inputs.ledger = LedgerReport::default();
    assert_eq!(state(&inputs), MeterState::NeverRead, "a bus that has not reported yet");
    assert_eq!(document(&inputs).buses["cabinet"].state, BusState::NeverOpened);
}

#[test]
fn a_closed_bus_is_one_trouble_and_not_one_for_each_meter() {
    let mut inputs = cabinet();
    inputs.buses.get_mut("cabinet").unwrap().error = Some("/dev/ttyUSB0 is missing: plug the adapter in".to_owned());
    poll(&mut inputs).error = Some("the bus is closed".to_owned());
    let document = compose(&inputs, at(2000));
    assert_eq!(document.buses["cabinet"].state, BusState::Closed);
    assert_eq!(document.meters["heat_pump"].state, MeterState::Stale);
    assert_eq!(
        document.trouble,
        ["Bus cabinet is closed: /dev/ttyUSB0 is missing: plug the adapter in. It is tried again."]
    );
}

#[test]
fn the_trouble_of_an_account_replaces_that_of_its_clients() {
    let mut inputs = cabinet();
    account_report(&mut inputs).clients.insert(name("heat_pump"), ClientTrouble::Answer("clientId unknown".to_owned()));
    assert_eq!(document(&inputs).trouble, ["Client heat_pump is not reported as it should be: clientId unknown."]);
    assert_eq!(document(&inputs).clients["heat_pump"].error.as_deref(), Some("clientId unknown"));
    account_report(&mut inputs).state = ReportingState::Refused;
    account_report(&mut inputs).error = Some("the token is not valid".to_owned());
    assert_eq!(
        document(&inputs).trouble,
        ["Account main is refused by Arkreen (last report: 11 s ago): the token is not valid."]
    );
    account_report(&mut inputs).state = ReportingState::Retrying;
    assert_eq!(document(&inputs).accounts["main"].state, ReportingState::Retrying);
    assert!(document(&inputs).trouble[0].starts_with("Account main cannot report and tries again"));
}

#[test]
fn an_account_that_never_reported_becomes_trouble_after_a_while() {
    let mut inputs = cabinet();
    inputs.accounts.clear();
    assert_eq!(document(&inputs).accounts["main"].state, ReportingState::NeverReported);
    assert_eq!(document(&inputs).trouble, ["Account main has not reported yet."]);
    poll(&mut inputs).read_at = Some(at(350));
    assert_eq!(compose(&inputs, at(359)).trouble, Vec::<String>::new());
    Arc::make_mut(&mut inputs.config).clients.clear();
    poll(&mut inputs).read_at = Some(at(1000));
    assert_eq!(document(&inputs).trouble, Vec::<String>::new(), "an account without clients has nothing to report");
}

#[test]
fn a_clock_that_was_never_set_is_trouble_with_its_remedy() {
    let inputs = cabinet();
    let unset = Timestamp::from_second(86_400).unwrap();
    let trouble = compose(&inputs, ClockReading { wall: unset, ..at(1001) }).trouble;
    assert!(trouble[0].contains("it says 2 Jan 1970: set it (`timedatectl"), "{trouble:?}");
    assert_eq!(document(&inputs).trouble, Vec::<String>::new());
}

#[test]
fn a_new_meter_without_a_baseline_becomes_trouble_after_a_while() {
    let mut inputs = cabinet();
    let mut waits = |why| {
        account_report(&mut inputs).clients.insert(name("heat_pump"), ClientTrouble::Waiting(why));
        poll(&mut inputs).read_at = Some(at(110));
        [119, 121].map(|seconds| compose(&inputs, at(seconds)).trouble.len())
    };
    assert_eq!(waits(WaitingReason::NoBaseline(vec![name("heat_pump")])), [0, 1]);
    // The reason decides, and not its words.
    assert_eq!(waits("heat_pump has no baseline yet".into()), [1, 1]);
}

#[test]
fn the_most_severe_trouble_is_first() {
    let mut inputs = cabinet();
    inputs.stalled = vec!["ledger".to_owned()];
    inputs.ledger.error = Some("the disk is full: make room".to_owned());
    inputs.remarks = vec!["The configuration was not reloaded.".to_owned()];
    guarded(&mut inputs).held = Some("waits".to_owned());
    let document = document(&inputs);
    assert!(!document.well);
    assert_eq!(
        document.trouble,
        [
            "The task `ledger` makes no progress.",
            "The ledger cannot be written: the disk is full: make room.",
            "The configuration was not reloaded.",
            "Meter heat_pump is held: waits.",
        ]
    );
}

#[test]
fn times_follow_a_change_of_the_wall_clock() {
    let inputs = cabinet();
    let set = Timestamp::from_second(START + 900_000_000).unwrap();
    let document = compose(&inputs, ClockReading { wall: set, ..at(1001) });
    assert_eq!(document.meters["heat_pump"].read_at, Some(Timestamp::from_second(START + 899_999_999).unwrap()));
    assert_eq!(document.meters["heat_pump"].state, MeterState::Ok);
    assert_eq!(document.started_at, Timestamp::from_second(START + 900_000_000 - 1001).unwrap());
    let slewed = compose(&inputs, ClockReading { wall: at(1001).wall + Duration::from_millis(900), ..at(1001) });
    assert_eq!(slewed.meters["heat_pump"].read_at, Some(at(1000).wall), "the same reading has the same time");
}

#[test]
fn hostile_texts_and_secrets_are_masked() {
    let mut inputs = cabinet();
    let token = "ab12".repeat(16);
    poll(&mut inputs).error = Some(format!("\x1b]0;pwned\x07 {token} 0x1212…1212"));
    let error = document(&inputs).meters["heat_pump"].error.clone().unwrap();
    assert_eq!(error, "?]0;pwned? ab12...ab12 0x1212...1212");
    poll(&mut inputs).error = Some("x".repeat(100_000));
    assert!(document(&inputs).meters["heat_pump"].error.as_ref().unwrap().len() <= 600);
}

#[test]
fn the_json_of_the_document_is_unchanged() {
    let json = serde_json::to_string_pretty(&document(&cabinet())).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        json.replace(&format!("\"version\": \"{version}\""), "\"version\": \"V\""),
        include_str!("well.json").trim_end()
    );
    let read_back = serde_json::from_str::<Document>(&json).unwrap();
    assert_eq!(serde_json::to_string_pretty(&read_back).unwrap(), json);
}

#[test]
fn the_words_of_states_come_from_the_json() {
    assert_eq!(MeterState::ALL.map(|state| words::state(&state)), ["ok", "held", "stale", "failing", "never read"]);
    assert_eq!(words::state_name(&ReportingState::NeverReported), "never_reported");
    assert_eq!(words::state(&BusState::NeverOpened), "never opened");
}

#[test]
fn a_retired_ledger_is_the_only_and_first_trouble() {
    let mut inputs = cabinet();
    inputs.ledger.block = Some("the ledger was moved away".into());
    let heat_pump = name("heat_pump");
    for account in inputs.accounts.values_mut() {
        account.clients.insert(heat_pump.clone(), ClientTrouble::Waiting("the ledger was moved away".into()));
    }
    let document = compose(&inputs, at(1001));
    assert_eq!(document.trouble, ["Nothing is reported: the ledger was moved away."]);
    assert!(document.clients[&heat_pump].error.is_some());
}

/// Twenty reports in the hour before `at`, and five in that of `at`.
fn hours(at: Timestamp) -> ReportHours {
    let mut hours = ReportHours::default();
    (0..20).for_each(|_| hours.count(at - SignedDuration::from_hours(1)));
    (0..5).for_each(|_| hours.count(at));
    hours
}

#[test]
fn the_reports_of_hour_and_week_are_shown() {
    let client = &compose(&cabinet(), at(1000)).clients[&name("heat_pump")];
    assert_eq!((client.reports_accepted, client.hour_reports, client.week_reports), (8, 5, 17));
    assert_eq!(client.week[166..], [20, 5]);
}

#[test]
fn a_client_without_an_accepted_report_for_five_minutes_is_trouble() {
    let told = |every: u64, seconds: u64| {
        let mut inputs = cabinet();
        let mut config = configuration();
        config.accounts.values_mut().for_each(|account| account.report_every = Duration::from_secs(every));
        inputs.config = Arc::new(config);
        inputs.started = at(0);
        let now = at(seconds);
        poll(&mut inputs).read_at = Some(now);
        compose(&inputs, now).trouble
    };
    // The last report was accepted at second 990.
    assert_eq!(told(120, 990 + 299), Vec::<String>::new());
    assert_eq!(
        told(120, 990 + 300),
        [
            "Arkreen accepted its last report 5 min ago for client heat_pump: `arkmeter report` reports at once and shows the answer."
        ]
    );
    assert_eq!(told(600, 990 + 899), Vec::<String>::new(), "a longer interval is well");
    assert_eq!(told(600, 990 + 900).len(), 1);
}
