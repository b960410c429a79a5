//! The request counts of a line, in simulated time.

use std::time::Duration;

use rmodbus::ModbusProto;
use tokio::time::{Instant, sleep};

use super::{LATE, TIMEOUT, block, meter, read, settings, unit};
use crate::modbus::error::{Error, FrameSummary, Garbled, UnexpectedFrame};
use crate::modbus::memory::Host;
use crate::modbus::outcome::outcome;
use crate::modbus::request::UnitRequest;
use crate::modbus::{Line, Link};
use crate::quality::{RequestCount, RequestOutcome, RequestTally};
use crate::simulator::{SimulatedGateway, SimulatedUnit, UnitFault};

/// A line of this kind to unit 1.
fn line(protocol: ModbusProto, unit: &SimulatedUnit) -> (SimulatedGateway, Line) {
    let host = Host::new("outcomes");
    let link = match protocol {
        ModbusProto::Rtu => Link::RtuOverTcp(host.address()),
        _ => Link::Tcp(host.address()),
    };
    (SimulatedGateway::in_memory(host, [unit.clone(), meter(2)], protocol), Line::new(&settings(link)))
}

const KINDS: [ModbusProto; 2] = [ModbusProto::TcpUdp, ModbusProto::Rtu];

/// The counts after one read with this fault.
async fn counted(line: &mut Line, unit: &SimulatedUnit, fault: UnitFault) -> RequestTally {
    unit.fault_next(1, fault);
    let _ = line.read(super::unit(1), block(0, 2)).await;
    line.take_tally()
}

#[tokio::test(start_paused = true)]
async fn each_outcome_is_counted() {
    for protocol in KINDS {
        let meter = meter(1);
        let (_gateway, mut line) = line(protocol, &meter);
        read(&mut line, 1, block(0, 2)).await.unwrap();
        assert_eq!(line.take_tally().of(RequestCount::Answers), 1);
        let damage = if protocol == ModbusProto::Rtu { RequestCount::CrcErrors } else { RequestCount::Noise };
        for (fault, count) in [
            (UnitFault::Garbage, damage),
            (UnitFault::WrongUnit, RequestCount::WrongUnit),
            (UnitFault::WrongLength, RequestCount::WrongLength),
            (UnitFault::Exception(2), RequestCount::IllegalAddress),
            (UnitFault::Exception(11), RequestCount::GatewayTarget),
            (UnitFault::Silent, RequestCount::Timeouts),
        ] {
            let tally = counted(&mut line, &meter, fault).await;
            assert_eq!(
                (tally.of(count), tally.requests(), tally.of(RequestCount::Late)),
                (1, 1, 0),
                "{protocol:?} {fault:?}"
            );
            assert_eq!(tally.times.percentile(0.5), None, "{fault:?} is no answer");
        }
        read(&mut line, 1, block(0, 2)).await.unwrap();
        assert_eq!(line.take_tally().requests(), 1, "what was taken is not told again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_counted_with_the_request_that_receives_it() {
    for protocol in KINDS {
        let meter = meter(1);
        let (_gateway, mut line) = line(protocol, &meter);
        read(&mut line, 1, block(0, 2)).await.unwrap();
        let tally = counted(&mut line, &meter, UnitFault::Late(LATE)).await;
        assert_eq!((tally.of(RequestCount::Timeouts), tally.of(RequestCount::Late)), (1, 0));
        sleep(2 * LATE).await;
        read(&mut line, 2, block(4, 2)).await.unwrap();
        let tally = line.take_tally();
        assert_eq!((tally.of(RequestCount::Late), tally.of(RequestCount::Answers)), (1, 1), "{protocol:?}");
        read(&mut line, 2, block(4, 2)).await.unwrap();
        assert_eq!(line.take_tally().of(RequestCount::Late), 0, "{protocol:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_the_last_fifth_of_the_timeout_is_slow() {
    for protocol in KINDS {
        let meter = meter(1);
        let (_gateway, mut line) = line(protocol, &meter);
        for (delay, slow) in [(TIMEOUT / 2, 0), (TIMEOUT * 9 / 10, 1)] {
            meter.set_delay(delay);
            read(&mut line, 1, block(0, 2)).await.unwrap();
            let tally = line.take_tally();
            assert_eq!(
                (tally.of(RequestCount::Slow), tally.of(RequestCount::Answers)),
                (slow, 1),
                "{protocol:?} {delay:?}"
            );
            assert!(tally.took_us.abs_diff(delay.as_micros() as u64) < 20_000, "{tally:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_echo_is_counted_in_addition_to_the_answer() {
    let meter = meter(1);
    let (gateway, mut line) = line(ModbusProto::Rtu, &meter);
    gateway.behave(|gateway| gateway.echo = true);
    read(&mut line, 1, block(0, 2)).await.unwrap();
    let tally = line.take_tally();
    assert_eq!((tally.of(RequestCount::Echoes), tally.of(RequestCount::Answers)), (1, 1));
    gateway.behave(|gateway| gateway.echo = false);
    read(&mut line, 1, block(0, 2)).await.unwrap();
    assert_eq!(line.take_tally().of(RequestCount::Echoes), 0);
}

#[tokio::test(start_paused = true)]
async fn busy_time_includes_requests_and_silent_intervals() {
    for protocol in KINDS {
        let meter = meter(1);
        let (_gateway, mut line) = line(protocol, &meter);
        line.open().await.unwrap();
        meter.set_delay(TIMEOUT / 3);
        let (begin, silence) = (Instant::now(), Duration::from_millis(50));
        for number in 0..10 {
            if number == 5 {
                meter.fault_next(1, UnitFault::Silent);
            }
            let _ = line.read_after(silence, unit(1), block(0, 2)).await;
        }
        let (busy, all) = (line.take_tally().busy_us, begin.elapsed().as_micros() as u64);
        assert!(busy <= all + 60_000 && busy + 20_000 >= all, "{protocol:?}: {busy} of {all}");
        sleep(Duration::from_secs(60)).await;
        read(&mut line, 1, block(0, 2)).await.unwrap();
        assert!(line.take_tally().busy_us < 2 * TIMEOUT.as_micros() as u64, "idle time is nobody's");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_closed_while_idle_is_not_counted_as_lost() {
    for protocol in KINDS {
        let meter = meter(1);
        let (gateway, mut line) = line(protocol, &meter);
        for _ in 0..3 {
            read(&mut line, 1, block(0, 2)).await.unwrap();
            gateway.disconnect();
            sleep(Duration::from_millis(5)).await;
        }
        let tally = line.take_tally();
        assert_eq!((tally.of(RequestCount::Lost), tally.requests()), (0, 3), "{protocol:?}");
    }
}

#[test]
fn unexpected_data_is_distinguished() {
    let garbled = |why| outcome(&Error::Garbled { unit: 1, why });
    let request = UnitRequest { unit: 1, read: block(0, 2).into() };
    let unexpected = |(unit, function, registers)| {
        let received = FrameSummary { unit, function, registers };
        garbled(Garbled::Unexpected(UnexpectedFrame::new(request, received)))
    };
    for (said, count) in [
        (unexpected((2, 3, 9)), RequestCount::WrongUnit),
        (unexpected((1, 3, 9)), RequestCount::WrongFunction),
        (unexpected((1, 0x84, 9)), RequestCount::WrongLength),
        (garbled(Garbled::Incomplete { got: 3, expected: 9 }), RequestCount::Incomplete),
        (garbled(Garbled::NeverSilent), RequestCount::Noise),
        (garbled(Garbled::Noise { bytes: 3 }), RequestCount::Noise),
        (outcome(&Error::Closed { link: String::new(), reason: String::new() }), RequestCount::Lost),
    ] {
        assert_eq!(said, Some(RequestOutcome::Failed(count)));
    }
    assert_eq!(outcome(&Error::Open { link: String::new(), reason: String::new(), remedy: String::new() }), None);
}
