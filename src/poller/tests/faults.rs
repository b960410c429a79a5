//! Hours of faults on a bus, in simulated time: the schedule of the other meters, answers that are not mixed up, and the time to recover.

use rmodbus::ModbusProto;
use tokio::time::Instant;

use super::*;
use crate::modbus::memory::Host;

const HOUR: Duration = Duration::from_secs(3600);
const EVERY: Duration = Duration::from_secs(5);
/// Time of an SDM meter for two registers at 9600 baud, with the transmission.
const ANSWER_AFTER: Duration = Duration::from_millis(45);

/// A poller with the default timeout. All its readings are checked.
struct Watched {
    report: watch::Receiver<BusReport>,
    checks: JoinHandle<()>,
    _commands: mpsc::Sender<BusCommand>,
    _held: watch::Sender<Held>,
}

impl Watched {
    async fn start(link: Link, meters: Vec<MeterConfig>) -> Self {
        let bus = BusConfig { timeout: Duration::from_secs(1), ..bus(link) };
        let Running { mut readings, held, commands, mut report, .. } = Running::start(bus, meters, 64);
        let checks = tokio::spawn(async move {
            while let Some(reading) = readings.recv().await {
                let unit: u64 = reading.meter.as_str().trim_start_matches("meter_").parse().unwrap();
                let register = reading.values.register.as_ref().map(|register| register.value);
                assert!(register.is_none() || register == MilliwattHours::new(1_000_000 + 1000 * unit), "{reading:?}");
                let power = Milliwatts(100_000 + 1000 * unit as i64);
                assert!(reading.values.power.is_none_or(|found| found == power), "{reading:?}");
            }
        });
        report.wait_for(|report| !report.meters.is_empty()).await.unwrap();
        Watched { report, checks, _commands: commands, _held: held }
    }

    /// Polls of a meter: with a value, and without.
    fn polls(&self, unit: u8) -> (u64, u64) {
        assert!(!self.checks.is_finished(), "a reading was wrong");
        let report = self.report.borrow();
        let meter = &report.meters[&name(&format!("meter_{unit}"))];
        (meter.polls - meter.failures, meter.failures)
    }

    /// The time until each of these meters was read again.
    async fn all_read(&self, units: std::ops::RangeInclusive<u8>) -> Duration {
        let (begin, before) = (Instant::now(), units.clone().map(|unit| self.polls(unit).0).collect::<Vec<_>>());
        while units.clone().zip(&before).any(|(unit, before)| self.polls(unit).0 == *before) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(begin.elapsed() < HOUR, "a meter is not read again");
        }
        begin.elapsed()
    }
}

/// Prints a figure for the list of faults.
#[allow(clippy::print_stderr)]
fn figure(what: &str, took: Duration) {
    eprintln!("{what}: all read again after {took:?}");
}

fn twenty() -> (Vec<SimulatedUnit>, Vec<MeterConfig>) {
    let units: Vec<_> = (1..=20).map(simulated).collect();
    units.iter().for_each(|unit| unit.set_delay(ANSWER_AFTER));
    (units, (1..=20).map(|unit| meter(unit, EVERY)).collect())
}

fn gateway(units: impl IntoIterator<Item = SimulatedUnit>) -> (SimulatedGateway, Link) {
    let host = Host::new("gateway");
    let link = Link::Tcp(host.address());
    (SimulatedGateway::in_memory(host, units, ModbusProto::TcpUdp), link)
}

fn line(units: impl IntoIterator<Item = SimulatedUnit>) -> (SimulatedGateway, Link) {
    let host = Host::new("line");
    let link = Link::RtuOverTcp(host.address());
    (SimulatedGateway::in_memory(host, units, ModbusProto::Rtu), link)
}

/// Field note 10: five silent meters of twenty.
#[tokio::test(start_paused = true)]
async fn fifteen_meters_keep_their_schedule_beside_five_silent_ones() {
    let (units, meters) = twenty();
    units[..5].iter().for_each(|unit| unit.fault(UnitFault::Silent));
    let (_line, link) = line(units.clone());
    // With this interval, one timeout for each silent meter in each round would leave no time for the others.
    let every = Duration::from_secs(2);
    let poller =
        Watched::start(link, meters.into_iter().map(|meter| MeterConfig { poll_every: every, ..meter }).collect())
            .await;
    tokio::time::sleep(HOUR / 3).await;
    let due = HOUR.as_secs() / 3 / every.as_secs();
    for unit in 6..=20 {
        let (read, failed) = poller.polls(unit);
        assert!(failed == 0 && read * 10 >= due * 9, "meter {unit}: {read} of {due}, {failed} failed");
    }
    units.iter().for_each(SimulatedUnit::clear_fault);
    let took = poller.all_read(1..=20).await;
    figure("five silent meters of twenty", took);
    assert!(took <= Duration::from_secs(66), "the silent meters were read again after {took:?}");
}

/// 120 of 150 units are dead, on a line on which one timeout for each in each round would take twelve rounds.
#[tokio::test(start_paused = true)]
async fn thirty_meters_keep_their_schedule_beside_120_dead_ones_that_are_probed_in_turn() {
    let units: Vec<_> = (1..=150).map(simulated).collect();
    units.iter().for_each(|unit| unit.set_delay(ANSWER_AFTER));
    units[..120].iter().for_each(|unit| unit.fault(UnitFault::Silent));
    let every = Duration::from_secs(10);
    let (_line, link) = line(units.clone());
    let poller = Watched::start(link, (1..=150).map(|unit| meter(unit, every)).collect()).await;
    tokio::time::sleep(HOUR).await;
    let due = HOUR.as_secs() / every.as_secs();
    for unit in 121..=150 {
        let (read, failed) = poller.polls(unit);
        assert!(failed == 0 && read * 10 >= due * 9, "meter {unit}: {read} of {due}, {failed} failed");
    }
    let probes: Vec<_> = (1..=120).map(|unit| poller.polls(unit).1).collect();
    assert!(probes.iter().max().unwrap() - probes.iter().min().unwrap() <= 2, "probed in turn: {probes:?}");
    let round = poller.report.borrow().probes;
    assert_eq!(round.dead, 120);
    let measured = HOUR / u32::try_from(probes[0]).unwrap();
    let takes = round.takes.unwrap();
    assert!(takes.abs_diff(measured) <= measured / 4, "said {takes:?}, measured {measured:?}");
    // One that is repaired is found within a round; one that fails does not cost the others their slots.
    units[0].clear_fault();
    let took = poller.all_read(1..=1).await;
    figure("one of 120 dead units", took);
    assert!(took <= takes + Duration::from_secs(10), "read again after {took:?}, a round takes {takes:?}");
}

/// Field note 5, and a link that comes back after hours.
#[tokio::test(start_paused = true)]
async fn meters_are_read_soon_after_a_gateway_returns() {
    let (units, meters) = twenty();
    let (gateway, link) = gateway(units);
    let mut poller = Watched::start(link, meters).await;
    poller.all_read(1..=20).await;
    for away in [HOUR / 60, HOUR * 9] {
        gateway.behave(|gateway| gateway.refuses_connections = true);
        gateway.disconnect();
        tokio::time::sleep(away).await;
        assert!(poller.report.borrow_and_update().error.is_some(), "the error is reported");
        gateway.behave(|gateway| gateway.refuses_connections = false);
        let took = poller.all_read(1..=20).await;
        figure(&format!("a gateway away for {away:?}"), took);
        assert!(took <= Duration::from_secs(45), "found again after {took:?}");
        assert_eq!(poller.report.borrow().error, None);
    }
}

/// Field note 5: the gateway accepts connections and requests and never answers.
#[tokio::test(start_paused = true)]
async fn a_gateway_without_answers_gets_few_requests_and_recovers() {
    let (units, meters) = twenty();
    let (gateway, link) = gateway(units);
    let poller = Watched::start(link, meters).await;
    poller.all_read(1..=20).await;
    gateway.behave(|gateway| gateway.never_answers = true);
    let (connections, requests) = (gateway.connections(), gateway.requests());
    tokio::time::sleep(HOUR).await;
    let (connections, requests) = (gateway.connections() - connections, gateway.requests() - requests);
    assert!((30..=61).contains(&connections), "{connections} connections in an hour");
    assert!(requests <= 3600, "{requests} requests in an hour");
    gateway.behave(|gateway| gateway.never_answers = false);
    let took = poller.all_read(1..=20).await;
    figure("a gateway without answers", took);
    assert!(took <= Duration::from_secs(66), "found again after {took:?}");
}

/// Field note 5: the gateway lost the connection without closing it.
#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_replaced_and_all_meters_are_polled_at_once() {
    for count in [1, 20] {
        let (mut units, mut meters) = twenty();
        units.truncate(count);
        meters.truncate(count);
        let host = Host::new("gateway");
        let address = host.address();
        let before = SimulatedGateway::in_memory(host, units.clone(), ModbusProto::TcpUdp);
        let poller = Watched::start(Link::Tcp(address.clone()), meters).await;
        poller.all_read(1..=count as u8).await;
        before.behave(|gateway| gateway.never_answers = true);
        let _after = SimulatedGateway::in_memory(Host::at(address), units, ModbusProto::TcpUdp);
        let took = poller.all_read(1..=count as u8).await;
        figure(&format!("a half-open connection, {count} meters"), took);
        // A single meter is polled 76 s after the first silence, when its back-off of 60 s is over.
        assert!(took <= Duration::from_secs(if count == 1 { 90 } else { 70 }), "{count}: found again after {took:?}");
    }
}

/// Field notes 5 and 7.
#[tokio::test(start_paused = true)]
async fn gateways_that_close_after_each_answer_or_report_missing_units_cost_no_poll() {
    for closes in [true, false] {
        let (units, meters) = twenty();
        let (gateway, link) = gateway(units.into_iter().skip(1));
        gateway.behave(|gateway| (gateway.close_after_answer, gateway.reports_missing_units) = (closes, true));
        let poller = Watched::start(link, meters).await;
        tokio::time::sleep(HOUR / 4).await;
        let due = HOUR.as_secs() / 4 / EVERY.as_secs();
        for unit in 2..=20 {
            let (read, failed) = poller.polls(unit);
            assert!(failed == 0 && read + 1 >= due, "meter {unit}: {read} of {due}, {failed} failed");
        }
        let (read, failed) = poller.polls(1);
        assert!(read == 0 && (10..30).contains(&failed), "the missing unit is polled {failed} times");
        let error = poller.report.borrow().meters[&name("meter_1")].error.clone().unwrap();
        assert!(error.contains("the gateway answers, the meter does not"), "{error}");
    }
}

/// Field note 1: the requests for power and energy have the same shape, and the answers are late by any time.
#[tokio::test(start_paused = true)]
async fn late_answers_are_never_mixed_up() {
    let same_shape = PROFILE.replace("gaps = true", "").replace("type = \"i16\"", "type = \"u32\"");
    for rtu in [true, false] {
        let unit = simulated(1);
        unit.set(Function::Input, 0, &[0, 101]);
        let (_other_end, link) = if rtu { line([unit.clone()]) } else { gateway([unit.clone()]) };
        let poller = Watched::start(link, vec![MeterConfig { profile: profile(&same_shape), ..meter(1, EVERY) }]).await;
        poller.all_read(1..=1).await;
        for late in (0..400).map(|step| step * 37 % 9000 + step * step) {
            unit.fault_next(1, UnitFault::Late(Duration::from_millis(late)));
            tokio::time::sleep(EVERY * 2 + Duration::from_millis(late * 7 % 5000)).await;
        }
        let (_, failed) = poller.polls(1);
        assert!(failed >= 100, "only {failed} polls failed");
        unit.clear_fault();
        let took = poller.all_read(1..=1).await;
        figure("answers late by any time", took);
        assert!(took <= Duration::from_secs(300), "read again after {took:?}");
    }
}
