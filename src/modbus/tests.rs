//! The verified client against simulated meters that misbehave, on real sockets and pseudo-terminals.

mod bent;
mod hostile;
mod outcomes;
mod scan;
mod timing;

use std::time::Duration;

use rmodbus::ModbusProto;
use tokio::time::Instant;

use super::memory::Host;
use super::{Error, Line, Link, LinkSettings, SerialSettings};
use crate::meter::{Function, RegisterRange};
use crate::simulator::{SimulatedGateway, SimulatedSerialLine, SimulatedUnit, UnitFault};
use crate::units::{Parity, UnitId};

/// The timeout of the tests' buses. A late answer is later than this.
const TIMEOUT: Duration = Duration::from_millis(300);
const LATE: Duration = Duration::from_millis(400);
/// A timeout that a loaded machine never reaches, for tests in which every request gets some answer.
const AMPLE: Duration = Duration::from_secs(5);

pub(super) fn settings(link: Link) -> LinkSettings {
    LinkSettings { link, timeout: TIMEOUT, request_gap: Duration::ZERO, connect_delay: Duration::ZERO, lender: None }
}

pub(super) fn serial(line: &SimulatedSerialLine, baud: u32) -> LinkSettings {
    settings(Link::Serial(SerialSettings { path: line.path().into(), baud, parity: Parity::None, stop_bits: 1 }))
}

pub(super) fn tcp(gateway: &SimulatedGateway) -> LinkSettings {
    settings(Link::Tcp(gateway.address().to_string()))
}

fn converter(gateway: &SimulatedGateway) -> LinkSettings {
    settings(Link::RtuOverTcp(gateway.address().to_string()))
}

pub(super) fn unit(number: i64) -> UnitId {
    UnitId::new(number).unwrap()
}

pub(super) fn block(address: u16, count: u16) -> RegisterRange {
    RegisterRange { function: Function::Input, address, count }
}

/// A meter whose register n contains 1000 x unit + n.
pub(super) fn meter(number: u8) -> SimulatedUnit {
    let meter = SimulatedUnit::new(number);
    let words: Vec<u16> = (0..100).map(|register| 1000 * u16::from(number) + register).collect();
    meter.set(Function::Input, 0, &words);
    meter
}

pub(super) fn words(number: u16, block: RegisterRange) -> Vec<u16> {
    (block.address..block.address + block.count).map(|register| 1000 * number + register).collect()
}

async fn read(line: &mut Line, number: u16, block: RegisterRange) -> Result<(), String> {
    let got = line.read(unit(number.into()), block).await.map_err(|error| error.to_string())?;
    assert_eq!(got, words(number, block), "unit {number} {block:?}");
    Ok(())
}

/// The same meters behind a gateway and a converter in memory: for tests on the paused clock that depend on times.
async fn in_memory(test: impl AsyncFn(Line, [SimulatedUnit; 2])) {
    for protocol in [ModbusProto::TcpUdp, ModbusProto::Rtu] {
        let host = Host::new("tests");
        let link = match protocol {
            ModbusProto::Rtu => Link::RtuOverTcp(host.address()),
            _ => Link::Tcp(host.address()),
        };
        let meters = [meter(1), meter(2)];
        let _gateway = SimulatedGateway::in_memory(host, meters.clone(), protocol);
        test(Line::new(&settings(link)), meters).await;
    }
}

/// The same meters on a pseudo-terminal and behind two sockets, with a timeout that a loaded machine keeps.
async fn on_real_links(test: impl AsyncFn(Line, [SimulatedUnit; 2])) {
    let patient = |settings: LinkSettings| Line::new(&LinkSettings { timeout: AMPLE, ..settings });
    let units = || [meter(1), meter(2)];
    let (on_serial, on_tcp, on_converter) = (units(), units(), units());
    let line = SimulatedSerialLine::start(on_serial.clone(), None).unwrap();
    let gateway = SimulatedGateway::start(on_tcp.clone()).await.unwrap();
    let transparent = SimulatedGateway::start_converter(on_converter.clone()).await.unwrap();
    tokio::join!(
        test(patient(serial(&line, 115_200)), on_serial),
        test(patient(tcp(&gateway)), on_tcp),
        test(patient(converter(&transparent)), on_converter),
    );
}

#[tokio::test]
async fn registers_are_read_over_each_kind_of_link() {
    on_real_links(async |mut line, _| {
        for _ in 0..3 {
            read(&mut line, 1, block(0, 2)).await.unwrap();
            read(&mut line, 2, block(10, 90)).await.unwrap();
        }
        let counts = line.counts();
        assert_eq!((counts.requests, counts.answers, counts.opened), (6, 6, 1));
    })
    .await;
}

/// Field note 1: the same length from the same meter, which RTU cannot tell apart.
#[tokio::test(start_paused = true)]
async fn a_late_answer_is_never_taken_for_the_next_one() {
    in_memory(async |mut line, [meter, _]| {
        read(&mut line, 1, block(0, 2)).await.unwrap();
        meter.fault_next(1, UnitFault::Late(LATE));
        assert!(read(&mut line, 1, block(0, 2)).await.unwrap_err().contains("no answer from unit 1 within 300ms"));
        tokio::time::sleep(LATE).await;
        for address in [10, 20, 30] {
            read(&mut line, 1, block(address, 2)).await.unwrap();
        }
        assert_eq!(line.counts().opened, 1, "a time-out does not reconnect");
    })
    .await;
}

/// Field note 1: discarding the received bytes is not enough while the late answer is still on its way.
#[tokio::test(start_paused = true)]
async fn after_a_failure_the_line_must_be_silent_first() {
    in_memory(async |mut line, [meter, _]| {
        read(&mut line, 1, block(0, 2)).await.unwrap();
        meter.fault_next(1, UnitFault::Late(TIMEOUT + Duration::from_millis(25)));
        read(&mut line, 1, block(0, 2)).await.unwrap_err();
        read(&mut line, 1, block(10, 2)).await.unwrap();
    })
    .await;
}

/// Field note 1: the late answer arrives during a request to a neighbour.
#[tokio::test(start_paused = true)]
async fn a_late_answer_does_not_harm_a_neighbour() {
    in_memory(async |mut line, [meter, _]| {
        read(&mut line, 1, block(0, 2)).await.unwrap();
        for late in [20, 70] {
            meter.fault_next(1, UnitFault::Late(TIMEOUT + Duration::from_millis(late)));
            read(&mut line, 1, block(0, 2)).await.unwrap_err();
            // The simulated line sends the late answer first, so the neighbour may be late as well, but never wrong.
            let _ = read(&mut line, 2, block(4, 2)).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            read(&mut line, 2, block(8, 2)).await.unwrap();
        }
    })
    .await;
}

/// A read that is dropped before its end does not affect the next.
#[tokio::test(start_paused = true)]
async fn an_abandoned_read_does_not_affect_the_next() {
    in_memory(async |mut line, [meter, _]| {
        meter.fault_next(1, UnitFault::Late(Duration::from_millis(20)));
        let abandoned = line.read(unit(1), block(0, 2));
        assert!(tokio::time::timeout(Duration::from_millis(10), abandoned).await.is_err());
        for address in [10, 20, 30] {
            read(&mut line, 1, block(address, 2)).await.unwrap();
        }
    })
    .await;
}

/// Field note 2.
#[tokio::test]
async fn unit_length_and_checksum_are_verified() {
    on_real_links(async |mut line, [meter, _]| {
        for (fault, text) in [
            (UnitFault::WrongLength, "3 registers came instead of 2"),
            (UnitFault::WrongUnit, "unit 2 answered a request to unit 1"),
            (UnitFault::Garbage, ""),
        ] {
            meter.fault_next(1, fault);
            let error = read(&mut line, 1, block(0, 2)).await.unwrap_err();
            assert!(error.contains("garbled") && error.contains(text), "{error}");
            read(&mut line, 1, block(2, 2)).await.unwrap();
        }
        assert_eq!(line.counts().garbled, 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_answer_does_no_harm() {
    in_memory(async |mut line, [meter, _]| {
        meter.fault(UnitFault::Twice);
        for address in [0, 10, 20, 30] {
            read(&mut line, 1, block(address, 2)).await.unwrap();
        }
    })
    .await;
}

/// Field note 7.
#[tokio::test]
async fn exceptions_keep_the_link_and_are_explained() {
    on_real_links(async |mut line, [meter, _]| {
        meter.fault_next(1, UnitFault::Exception(0x0B));
        let error = line.read(unit(1), block(0, 2)).await.unwrap_err();
        assert!(error.is_silence() && error.to_string().contains("the gateway answers, the meter does not"), "{error}");
        let error = line.read(unit(1), block(99, 2)).await.unwrap_err();
        assert!(error.refuses_range(), "{error}");
        read(&mut line, 1, block(2, 2)).await.unwrap();
        assert_eq!((line.counts().exceptions, line.counts().opened), (2, 1));
    })
    .await;
}

/// Field note 8.
#[tokio::test]
async fn an_echo_is_stripped_on_rtu() {
    let simulated = SimulatedSerialLine::start([meter(1)], None).unwrap();
    let gateway = SimulatedGateway::start_converter([meter(1)]).await.unwrap();
    simulated.set_echo(true);
    gateway.behave(|gateway| gateway.echo = true);
    for bus in [serial(&simulated, 115_200), converter(&gateway)] {
        let mut line = Line::new(&LinkSettings { timeout: AMPLE, ..bus.clone() });
        for address in [0, 10] {
            read(&mut line, 1, block(address, 2)).await.unwrap();
        }
        drop(line);
        let error = read(&mut Line::new(&bus), 9, block(0, 2)).await.unwrap_err();
        assert!(error.contains("the adapter echoes"), "{error}");
    }
}

/// Field note 8.
#[tokio::test]
async fn a_wrong_kind_of_link_is_recognised() {
    let transparent = SimulatedGateway::start_converter([meter(1)]).await.unwrap();
    let mut line = Line::new(&tcp(&transparent));
    let error = read(&mut line, 1, block(0, 2)).await.unwrap_err();
    assert!(error.contains("write rtu_over_tcp instead of tcp"), "{error}");
    transparent.behave(|gateway| gateway.echo = true);
    let mut line = Line::new(&tcp(&transparent));
    let error = read(&mut line, 1, block(0, 2)).await.unwrap_err();
    assert!(error.contains("looks like a transparent converter"), "{error}");

    let gateway = SimulatedGateway::start([meter(1)]).await.unwrap();
    let mut line = Line::new(&converter(&gateway));
    let error = read(&mut line, 1, block(0, 2)).await.unwrap_err();
    assert!(error.contains("write tcp instead of rtu_over_tcp"), "{error}");
    let error = read(&mut line, 1, block(10, 2)).await.unwrap_err();
    assert!(error.contains("write tcp instead of rtu_over_tcp"), "{error}");
}

/// Field note 4.
#[tokio::test]
async fn the_first_request_waits_for_the_connect_delay() {
    let gateway = SimulatedGateway::start([meter(1)]).await.unwrap();
    let mut bus = tcp(&gateway);
    bus.connect_delay = Duration::from_millis(30);
    let mut line = Line::new(&bus);
    let begin = Instant::now();
    line.open().await.unwrap();
    assert!(begin.elapsed() >= bus.connect_delay);
    read(&mut line, 1, block(0, 2)).await.unwrap();
}

/// Field note 5.
#[tokio::test]
async fn a_connection_closed_while_idle_is_reopened_without_an_error() {
    for close_after_answer in [false, true] {
        for transparent in [false, true] {
            let units = [meter(1)];
            let gateway = if transparent {
                SimulatedGateway::start_converter(units).await
            } else {
                SimulatedGateway::start(units).await
            };
            let gateway = gateway.unwrap();
            gateway.behave(|gateway| gateway.close_after_answer = close_after_answer);
            let mut line = Line::new(&if transparent { converter(&gateway) } else { tcp(&gateway) });
            for opened in 1..=3 {
                read(&mut line, 1, block(0, 2)).await.unwrap();
                assert_eq!(line.counts().opened, opened);
                gateway.disconnect();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

/// Field note 5: the error for the second client of a single-client gateway says so.
#[tokio::test]
async fn a_gateway_for_one_client_closes_on_the_second() {
    let gateway = SimulatedGateway::start([meter(1)]).await.unwrap();
    gateway.behave(|gateway| gateway.one_client = true);
    let (mut first, mut second) = (Line::new(&tcp(&gateway)), Line::new(&tcp(&gateway)));
    read(&mut first, 1, block(0, 2)).await.unwrap();
    let error = second.read(unit(1), block(0, 2)).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    assert!(error.to_string().contains("one client"), "{error}");
    assert!(!second.is_open());
}

#[tokio::test]
async fn a_line_waits_for_a_descriptor_that_another_one_gives_back() {
    let (one, other) =
        (SimulatedGateway::start([meter(1)]).await.unwrap(), SimulatedGateway::start([meter(1)]).await.unwrap());
    // A quarter of it is one connection.
    let budget = crate::descriptors::DescriptorBudget::within(4);
    let mut first = Line::new(&tcp(&one)).within(budget.clone());
    let mut second = Line::new(&tcp(&other)).within(budget);
    read(&mut first, 1, block(0, 2)).await.unwrap();
    let error = second.open().await.unwrap_err().to_string();
    assert!(error.contains("it waits") && error.contains("limit of 4") && error.contains("LimitNOFILE"), "{error}");
    read(&mut first, 1, block(0, 2)).await.unwrap();
    drop(one);
    first.read(unit(1), block(0, 2)).await.unwrap_err();
    read(&mut second, 1, block(0, 2)).await.unwrap();
    assert!(first.open().await.unwrap_err().to_string().contains("it waits"));
}

#[tokio::test]
async fn a_link_that_cannot_be_opened_is_named_with_its_remedy() {
    let gateway = SimulatedGateway::start([meter(1)]).await.unwrap();
    let bus = tcp(&gateway);
    drop(gateway);
    tokio::task::yield_now().await;
    let error = Line::new(&bus).open().await.unwrap_err().to_string();
    assert!(error.contains("connection refused; check the port"), "{error}");
    let path = "/dev/serial/by-id/usb-none".into();
    let missing = SerialSettings { path, baud: 9600, parity: Parity::None, stop_bits: 1 };
    let error = Line::new(&settings_of(missing)).open().await.unwrap_err().to_string();
    assert!(error.contains("no such file or directory; is the adapter plugged in?"), "{error}");
}

fn settings_of(serial: SerialSettings) -> LinkSettings {
    settings(Link::Serial(serial))
}

#[tokio::test]
async fn a_serial_line_has_one_master() {
    let simulated = SimulatedSerialLine::start([meter(1)], None).unwrap();
    let bus = serial(&simulated, 9600);
    let mut first = Line::new(&bus);
    read(&mut first, 1, block(0, 2)).await.unwrap();
    let error = Line::new(&bus).open().await.unwrap_err().to_string();
    assert!(error.contains("another program uses it") && error.contains("ModemManager"), "{error}");
    read(&mut first, 1, block(0, 2)).await.unwrap();
    drop(first);
    Line::new(&bus).open().await.unwrap();
}

/// Field note 9.
#[tokio::test]
async fn a_removed_adapter_closes_the_line_and_its_path_is_resolved_again() {
    let folder = tempfile::tempdir().unwrap();
    let by_id = folder.path().join("usb-adapter");
    let simulated = SimulatedSerialLine::start([meter(1)], None).unwrap();
    std::os::unix::fs::symlink(simulated.path(), &by_id).unwrap();
    let settings = SerialSettings { path: by_id.clone(), baud: 9600, parity: Parity::Even, stop_bits: 1 };
    let mut line = Line::new(&settings_of(settings));
    read(&mut line, 1, block(0, 2)).await.unwrap();
    // As udev does. Another test may soon have a terminal of the same number.
    std::fs::remove_file(&by_id).unwrap();
    drop(simulated);
    let error = line.read(unit(1), block(0, 2)).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    assert!(!line.is_open(), "no dead file descriptor is kept");
    assert!(matches!(line.read(unit(1), block(0, 2)).await, Err(Error::Open { .. })));
    let simulated = SimulatedSerialLine::start([meter(1)], None).unwrap();
    std::os::unix::fs::symlink(simulated.path(), &by_id).unwrap();
    read(&mut line, 1, block(0, 2)).await.unwrap();
}
