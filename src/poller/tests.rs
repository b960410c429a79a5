//! A bus task with simulated meters on real sockets: its requests, readings and reports.

mod chain;
mod cost;
mod faults;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rmodbus::ModbusProto;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use toml::de::DeTable;

use super::{BusCommand, BusReport, Poller, read_once};
use crate::clock::Clock;
use crate::config::{BusConfig, EnergyStart, Link, MeterConfig};
use crate::descriptors::DescriptorBudget;
use crate::form::{Findings, Form};
use crate::heartbeat::Hearts;
use crate::lookup::HostLookup;
use crate::meter::{Function, Profile};
use crate::modbus::memory::Host;
use crate::reading::{Held, Reading, Values};
use crate::recorder::Recorder;
use crate::simulator::{SimulatedGateway, SimulatedSerialLine, SimulatedUnit, UnitFault, WordOrder};
use crate::units::{MilliwattHours, Milliwatts, Name, UnitId};

mod identification;

const TIMEOUT: Duration = Duration::from_millis(300);
/// Limit for an expected event: only a failing test waits this long.
const SOON: Duration = Duration::from_secs(120);

/// Power in register 0, energy in 4 and 5, read in one block; serial number in 20 and 21.
const PROFILE: &str = r#"
    [profile.acme-100]
    vendor = "Acme"
    model = "100"
    gaps = true
    [profile.acme-100.power]
    register = 0
    function = "input"
    type = "i16"
    unit = "W"
    [profile.acme-100.energy]
    register = 4
    function = "input"
    type = "u32"
    unit = "Wh"
    [profile.acme-100.serial_number]
    register = 20
    function = "holding"
    type = "u32"
"#;
const SERIAL: (u8, u16, u16) = (3, 20, 2);
const VALUES: (u8, u16, u16) = (4, 0, 6);
const POWER: (u8, u16, u16) = (4, 0, 1);
const ENERGY: (u8, u16, u16) = (4, 4, 2);

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn profile(text: &str) -> Arc<Profile> {
    let document = DeTable::parse(text).unwrap();
    let findings = Findings::default();
    let root = Form::root(&document, &findings);
    let (name, form) = root.named_tables("profile").remove(0);
    Arc::new(Profile::from_form(&name, form).expect("the profile is valid"))
}

fn meter(unit: u8, poll_every: Duration) -> MeterConfig {
    MeterConfig {
        name: name(&format!("meter_{unit}")),
        bus: name("bus"),
        unit: UnitId::new(unit.into()).unwrap(),
        profile: profile(PROFILE),
        installation: Default::default(),
        poll_every,
        max_power: Milliwatts(1_000_000),
        energy_start: EnergyStart::Register,
    }
}

/// 100 + unit W, 1000 + unit Wh, serial number 5000 + unit.
fn simulated(unit: u8) -> SimulatedUnit {
    let simulated = SimulatedUnit::new(unit);
    simulated.set(Function::Input, 0, &[100 + u16::from(unit), 0, 0, 0]);
    simulated.set_u32(Function::Input, 4, 1000 + u32::from(unit), WordOrder::Big);
    simulated.set_u32(Function::Holding, 20, 5000 + u32::from(unit), WordOrder::Big);
    simulated
}

fn bus(link: Link) -> BusConfig {
    let (request_gap, connect_delay) = (Duration::ZERO, Duration::ZERO);
    BusConfig { name: name("bus"), link, timeout: TIMEOUT, request_gap, connect_delay, shard: None }
}

fn tcp(gateway: &SimulatedGateway) -> BusConfig {
    bus(Link::Tcp(gateway.address().to_string()))
}

fn clock() -> Clock {
    Clock::simulated(1, Timestamp::UNIX_EPOCH)
}

/// A running poller and the ends of its channels.
struct Running {
    readings: mpsc::Receiver<Reading>,
    held: watch::Sender<Held>,
    commands: mpsc::Sender<BusCommand>,
    report: watch::Receiver<BusReport>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(bus: BusConfig, meters: Vec<MeterConfig>, capacity: usize) -> Self {
        let (readings_in, readings) = mpsc::channel(capacity);
        let (held, held_out) = watch::channel(Held::new());
        let (commands, commands_out) = mpsc::channel(4);
        let (report_in, report) = watch::channel(BusReport::default());
        let poller = Poller {
            bus,
            descriptors: DescriptorBudget::of_process(),
            meters,
            starts_after: Duration::ZERO,
            readings: readings_in,
            held: held_out,
            commands: commands_out,
            report: report_in,
            recorder: Recorder::new(clock()),
            hosts: HostLookup::new(1),
            clock: clock(),
            heart: Hearts::default().heart("bus"),
        };
        Running { readings, held, commands, report, task: tokio::spawn(poller.run()) }
    }

    async fn reading(&mut self) -> Reading {
        timeout(SOON, self.readings.recv()).await.expect("a reading comes").expect("the poller runs")
    }

    async fn report(&mut self, fits: impl FnMut(&BusReport) -> bool) -> BusReport {
        timeout(SOON, self.report.wait_for(fits)).await.expect("the report comes").unwrap().clone()
    }

    async fn read_now(&self, meters: &[&str]) -> Vec<(Name, Result<Values, String>)> {
        let (reply, replied) = oneshot::channel();
        let meters = meters.iter().map(|meter| name(meter)).collect();
        self.commands.send(BusCommand::ReadNow { meters, reply }).await.unwrap();
        let replies = timeout(SOON, replied).await.expect("a reply comes").unwrap();
        replies.into_iter().map(|(meter, reply)| (meter, reply.whole())).collect()
    }
}

const RARELY: Duration = Duration::from_secs(180);
const OFTEN: Duration = Duration::from_millis(100);

#[tokio::test]
async fn the_first_readings_come_at_once_with_the_serial_number() {
    let gateway = SimulatedGateway::start([simulated(1), simulated(2)]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![meter(1, RARELY), meter(2, RARELY)], 8);
    for unit in [1, 2] {
        let reading = running.reading().await;
        assert_eq!(reading.meter, name(&format!("meter_{unit}")));
        assert_eq!(reading.values.power, Some(Milliwatts(100_000 + 1000 * unit)));
        let register = reading.values.register.map(|register| register.value);
        assert_eq!(register, MilliwattHours::new(1_000_000 + 1000 * unit as u64));
        assert_eq!(reading.values.serial, Some(format!("{}", 5000 + unit)));
    }
    let report = running.report(|report| report.meters.values().all(|meter| meter.polls == 1)).await;
    assert_eq!((report.counts.requests, report.counts.answers, report.counts.opened, report.error), (4, 4, 1, None));
    let first = &report.meters[&name("meter_1")];
    assert!(first.values.register.is_some() && first.read_at.is_some() && first.error.is_none());
}

/// Field note 10.
#[tokio::test]
async fn a_silent_meter_does_not_slow_another_one() {
    let (silent, working) = (simulated(1), simulated(2));
    silent.fault(UnitFault::Silent);
    let gateway = SimulatedGateway::start([silent.clone(), working.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![meter(1, OFTEN), meter(2, OFTEN)], 64);
    for _ in 0..6 {
        assert_eq!(running.reading().await.meter, name("meter_2"));
    }
    assert!(silent.requests() <= 3, "one request after each back-off, not {}", silent.requests());
    let report = running.report.borrow().clone();
    let meter = &report.meters[&name("meter_1")];
    assert_eq!(meter.failures_in_a_row as u64, silent.requests());
    assert!(meter.error.as_ref().unwrap().contains("no answer from unit 1"), "{:?}", meter.error);
    assert_eq!(report.error, None, "the link works");
    silent.clear_fault();
    let results = running.read_now(&["meter_1"]).await;
    assert!(results[0].1.is_ok(), "a command reads it during the back-off: {results:?}");
    let report = running.report(|report| report.meters[&name("meter_1")].failures_in_a_row == 0).await;
    assert_eq!(report.meters[&name("meter_1")].error, None);
}

/// Field note 13, and 14 for exception 3.
#[tokio::test]
async fn a_refused_block_is_split_and_stays_split() {
    for (unit, limited) in [(SimulatedUnit::new(1), false), (simulated(1), true)] {
        if limited {
            unit.set_max_registers(2);
        }
        unit.set(Function::Input, 0, &[101]);
        unit.set_u32(Function::Input, 4, 1001, WordOrder::Big);
        unit.set_u32(Function::Holding, 20, 5001, WordOrder::Big);
        let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
        let mut running = Running::start(tcp(&gateway), vec![meter(1, OFTEN)], 8);
        let first = running.reading().await;
        assert!(first.values.power.is_some() && first.values.register.is_some());
        running.reading().await;
        assert_eq!(unit.take_requests(), [SERIAL, VALUES, POWER, ENERGY, POWER, ENERGY]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_joined_read_that_fails_twice_is_split_and_tried_whole_once_a_day() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    const TEN_MINUTES: Duration = Duration::from_secs(600);
    let codes = [4, 6, 0x0B].map(UnitFault::Exception);
    for fault in codes.into_iter().chain([UnitFault::Silent, UnitFault::WrongLength, UnitFault::Closes]) {
        let unit = simulated(1);
        unit.fault_above(2, fault);
        let host = Host::new("joined");
        let link = Link::Tcp(host.address());
        let _gateway = SimulatedGateway::in_memory(host, [unit.clone()], ModbusProto::TcpUdp);
        let running = Running::start(bus(link), vec![meter(1, RARELY)], 64);
        for _ in 0..3 {
            running.read_now(&[]).await;
        }
        unit.take_requests();
        let results = running.read_now(&[]).await;
        let values = results[0].1.clone().unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert!(values.power.is_some() && values.register.is_some());
        assert_eq!(unit.take_requests(), [POWER, ENERGY], "{fault:?}");
        tokio::time::sleep(DAY - TEN_MINUTES).await;
        unit.take_requests();
        tokio::time::sleep(TEN_MINUTES * 2).await;
        let requests = unit.take_requests();
        let whole = requests.iter().filter(|request| **request == VALUES).count();
        assert!((1..=2).contains(&whole), "{fault:?}: {requests:?}");
        assert!(requests.ends_with(&[POWER, ENERGY]), "{fault:?}: {requests:?}");
    }
}

/// A meter that answers nothing is no meter that refuses long reads: its read stays whole.
#[tokio::test(start_paused = true)]
async fn a_silent_meter_is_asked_for_the_joined_read_again() {
    let unit = simulated(1);
    let host = Host::new("whole");
    let link = Link::Tcp(host.address());
    let _gateway = SimulatedGateway::in_memory(host, [unit.clone()], ModbusProto::TcpUdp);
    let running = Running::start(bus(link), vec![meter(1, RARELY)], 64);
    running.read_now(&[]).await;
    unit.fault(UnitFault::Silent);
    for _ in 0..3 {
        running.read_now(&[]).await;
    }
    unit.clear_fault();
    running.read_now(&[]).await;
    unit.take_requests();
    running.read_now(&[]).await;
    assert_eq!(unit.take_requests(), [VALUES]);
}

#[tokio::test]
async fn power_without_energy_is_a_reading_and_the_error_names_the_missing_registers() {
    let unit = SimulatedUnit::new(1);
    unit.set(Function::Input, 0, &[101]);
    let gateway = SimulatedGateway::start([unit]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![meter(1, RARELY)], 8);
    let reading = running.reading().await;
    assert_eq!((reading.values.power, reading.values.register), (Some(Milliwatts(101_000)), None));
    let report = running.report(|report| report.meters[&name("meter_1")].polls == 1).await;
    let meter = &report.meters[&name("meter_1")];
    assert_eq!(meter.failures_in_a_row, 0);
    assert!(meter.error.as_ref().unwrap().contains("input 0x0004..0x0005: exception 2"), "{:?}", meter.error);
}

#[tokio::test]
async fn the_serial_number_is_read_at_the_start_while_held_and_after_a_silence() {
    let unit = simulated(1);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![meter(1, RARELY)], 8);
    assert!(running.reading().await.values.serial.is_some());
    running.read_now(&[]).await;
    assert!(running.reading().await.values.serial.is_none(), "not in each poll");
    running.held.send_replace([name("meter_1")].into());
    assert!(running.reading().await.values.serial.is_some(), "newly held: at once");
    running.read_now(&[]).await;
    assert!(running.reading().await.values.serial.is_some(), "and in each poll while held");
    running.held.send_replace(Held::new());
    running.read_now(&[]).await;
    assert!(running.reading().await.values.serial.is_none());
    unit.fault_next(1, UnitFault::Silent);
    running.read_now(&[]).await;
    unit.take_requests();
    running.read_now(&[]).await;
    assert!(running.reading().await.values.serial.is_some(), "the meter may have been replaced");
    assert_eq!(unit.take_requests(), [VALUES, SERIAL], "the unanswered request is sent first");
}

#[tokio::test(start_paused = true)]
async fn a_reading_has_the_time_of_its_energy_register() {
    const DELAY: Duration = Duration::from_millis(100);
    let unit = SimulatedUnit::new(1);
    unit.set(Function::Input, 30, &[101]);
    unit.set_u32(Function::Input, 4, 1001, WordOrder::Big);
    let host = Host::new("time");
    let link = Link::Tcp(host.address());
    let _gateway = SimulatedGateway::in_memory(host, [unit.clone()], ModbusProto::TcpUdp);
    let power_last =
        MeterConfig { profile: profile(&PROFILE.replace("register = 0\n", "register = 30\n")), ..meter(1, RARELY) };
    let clock = clock();
    let mut running = Running::start(bus(link), vec![power_last], 8);
    running.reading().await;
    unit.set_delay(DELAY);
    let begin = clock.now();
    running.read_now(&[]).await;
    let reading = running.reading().await;
    assert!(reading.values.power.is_some());
    let received_after = reading.at.since(&begin).unwrap();
    assert!((DELAY..DELAY * 2).contains(&received_after), "{received_after:?}");
}

#[tokio::test]
async fn a_bus_waits_for_a_full_queue_to_the_ledger_and_loses_no_reading() {
    let units = [1, 2, 3, 4];
    let gateway = SimulatedGateway::start(units.map(simulated)).await.unwrap();
    let meters = units.map(|unit| meter(unit, RARELY)).to_vec();
    let mut running = Running::start(tcp(&gateway), meters, 1);
    // The first reading fills the queue, so that the second has to wait. A bus that does not wait drops it within milliseconds.
    let dropped = tokio::time::timeout(OFTEN * 4, running.report(|report| report.dropped > 0)).await;
    assert!(dropped.is_err(), "{:?}", dropped.map(|report| report.dropped));
    for unit in units {
        assert_eq!(running.reading().await.meter, name(&format!("meter_{unit}")));
    }
    let report = running.report(|report| report.meters.values().all(|meter| meter.polls == 1)).await;
    assert_eq!(report.dropped, 0);
}

#[tokio::test]
async fn a_reading_that_waits_longer_than_its_poll_interval_is_dropped_and_counted() {
    let gateway = SimulatedGateway::start([simulated(1)]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![meter(1, OFTEN)], 1);
    let report = running.report(|report| report.dropped >= 2).await;
    assert!(report.counts.answers >= 3);
}

/// Field note 9.
#[tokio::test]
async fn a_lost_link_is_reported_and_reopened() {
    let line = SimulatedSerialLine::start([simulated(1)], None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let by_id = folder.path().join("usb-adapter");
    std::os::unix::fs::symlink(line.path(), &by_id).unwrap();
    let settings = crate::config::SerialSettings {
        path: by_id.clone(),
        baud: 9600,
        parity: crate::config::Parity::None,
        stop_bits: 1,
    };
    let mut running = Running::start(bus(Link::Serial(settings)), vec![meter(1, OFTEN)], 64);
    running.reading().await;
    // As udev does. Another test may soon have a terminal of the same number.
    std::fs::remove_file(&by_id).unwrap();
    drop(line);
    let report = running.report(|report| report.error.is_some()).await;
    assert!(report.meters[&name("meter_1")].error.is_some());
    assert!(running.read_now(&[]).await[0].1.as_ref().unwrap_err().contains("cannot open"));
    running.report.mark_unchanged();
    tokio::time::sleep(OFTEN * 2).await;
    assert!(!running.report.has_changed().unwrap(), "no attempt before the back-off ends");
    let line = SimulatedSerialLine::start([simulated(1)], None).unwrap();
    std::os::unix::fs::symlink(line.path(), &by_id).unwrap();
    assert!(running.read_now(&[]).await[0].1.is_ok(), "a command opens the link at once");
    let report = running.report(|report| report.error.is_none()).await;
    assert_eq!((report.counts.opened, report.meters[&name("meter_1")].error.as_deref()), (2, None));
    while let Ok(reading) = running.readings.try_recv() {
        assert!(reading.values.register.is_some());
    }
}

#[tokio::test]
async fn an_unknown_meter_is_an_error() {
    let gateway = SimulatedGateway::start([simulated(1)]).await.unwrap();
    let running = Running::start(tcp(&gateway), vec![meter(1, RARELY)], 8);
    let results = running.read_now(&["meter_9", "meter_1"]).await;
    assert_eq!(results[0], (name("meter_9"), Err("no such meter on this bus".to_owned())));
    assert!(results[1].1.is_ok());
}

#[tokio::test]
async fn the_task_ends_during_a_request() {
    let unit = simulated(1);
    unit.fault(UnitFault::Silent);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut bus = tcp(&gateway);
    bus.timeout = Duration::from_secs(60);
    let Running { commands, task, .. } = Running::start(bus, vec![meter(1, OFTEN)], 8);
    while unit.requests() == 0 {
        tokio::task::yield_now().await;
    }
    drop(commands);
    timeout(SOON, task).await.expect("it ends in time").unwrap();
}

#[tokio::test]
async fn a_bus_without_meters_opens_no_connection() {
    let gateway = SimulatedGateway::start([]).await.unwrap();
    let running = Running::start(tcp(&gateway), Vec::new(), 8);
    assert_eq!(running.read_now(&[]).await, []);
    drop(running.held);
    drop(running.commands);
    timeout(SOON, running.task).await.unwrap().unwrap();
    assert_eq!(gateway.connections(), 0);
}

#[tokio::test]
async fn read_once_reads_each_meter() {
    let gateway = SimulatedGateway::start([simulated(1)]).await.unwrap();
    let results = read_once(&tcp(&gateway).link_settings(), &[meter(1, RARELY), meter(2, RARELY)], &clock()).await;
    assert_eq!(results[0].1.values.power, Some(Milliwatts(101_000)));
    assert!(results[1].1.error.as_ref().unwrap().contains("no answer from unit 2"));
    let nowhere = bus(Link::Tcp("127.0.0.1:1".into()));
    let results = read_once(&nowhere.link_settings(), &[meter(1, RARELY)], &clock()).await;
    assert!(results[0].1.error.as_ref().unwrap().contains("cannot open 127.0.0.1:1"), "{results:?}");
}

/// `arkmeter read` without the daemon: one round has to be enough.
#[tokio::test(start_paused = true)]
async fn read_once_reads_the_parts_of_a_joined_read_that_fails() {
    let codes = [2, 3, 4, 6, 0x0B].map(UnitFault::Exception);
    for fault in codes.into_iter().chain([UnitFault::Silent, UnitFault::WrongLength, UnitFault::Closes]) {
        let unit = simulated(1);
        unit.fault_above(2, fault);
        let host = Host::new("joined");
        let link = bus(Link::Tcp(host.address())).link_settings();
        let _gateway = SimulatedGateway::in_memory(host, [unit.clone()], ModbusProto::TcpUdp);
        let [(_, reply)] = &read_once(&link, &[meter(1, RARELY)], &clock()).await[..] else { panic!() };
        assert_eq!(reply.error, None, "{fault:?}");
        assert!(reply.values.power.is_some() && reply.values.register.is_some(), "{fault:?}");
        unit.fault(UnitFault::Silent);
        unit.take_requests();
        let [(_, reply)] = &read_once(&link, &[meter(1, RARELY)], &clock()).await[..] else { panic!() };
        assert!(reply.error.as_ref().is_some_and(|error| error.contains("no answer from unit 1")), "{reply:?}");
        assert!(unit.take_requests().len() <= 2, "a silent meter costs two timeouts at most");
    }
}
