//! Time on the wire, as the line itself measures it: no request is early, and little of what the line could carry is lost.

use std::time::Duration;

use tokio::time::Instant;

use super::{block, meter, read, serial, unit};
use crate::modbus::Line;
use crate::simulator::{LineSpeed, SimulatedSerialLine, UnitFault};

/// Field note 3: measured by the line, at a speed whose silence is no whole millisecond.
#[tokio::test]
async fn no_request_is_early() {
    let speed = LineSpeed { baud: 19_200, bits: 10 };
    let meter = meter(1);
    meter.set_delay(Duration::from_millis(3));
    let simulated = SimulatedSerialLine::start([meter], Some(speed)).unwrap();
    let mut line = Line::new(&serial(&simulated, speed.baud));
    for _ in 0..20 {
        read(&mut line, 1, block(0, 10)).await.unwrap();
    }
    assert_eq!((simulated.requests(), simulated.early()), (20, 0));
}

/// How much of what the line could carry is used: `cargo test --lib -- --ignored --nocapture the_share`.
#[tokio::test]
#[ignore = "a measurement: it needs a quiet machine"]
#[allow(clippy::print_stderr)]
async fn the_share_of_the_lines_limit() {
    let answer_after = Duration::from_millis(10);
    for baud in [9600, 19_200, 115_200] {
        let speed = LineSpeed { baud, bits: 10 };
        let meter = meter(1);
        meter.set_delay(answer_after);
        let simulated = SimulatedSerialLine::start([meter], Some(speed)).unwrap();
        let mut line = Line::new(&serial(&simulated, baud));
        read(&mut line, 1, block(0, 10)).await.unwrap();
        let (begin, polls) = (Instant::now(), 100);
        for _ in 0..polls {
            read(&mut line, 1, block(0, 10)).await.unwrap();
        }
        let took = begin.elapsed() / polls;
        let least = speed.character() * 33 + answer_after.max(speed.silence()) + speed.silence();
        let share = least.as_secs_f64() / took.as_secs_f64();
        eprintln!("{baud} baud: {took:?} a poll, {share:.4} of the limit, {} early", simulated.early());
        assert_eq!(simulated.early(), 0);
    }
}

/// The time-out is the meter's: what a line of 110 baud needs for the characters comes on top.
#[tokio::test]
async fn a_slow_line_is_given_its_time() {
    let speed = LineSpeed { baud: 110, bits: 10 };
    let simulated = SimulatedSerialLine::start([meter(1)], Some(speed)).unwrap();
    let mut bus = serial(&simulated, speed.baud);
    bus.timeout = Duration::from_millis(700);
    let least = speed.character() * 15 + speed.silence();
    assert!(least > bus.timeout + speed.character() * 7, "a time-out that counted from the request would be over");
    read(&mut Line::new(&bus), 1, block(0, 1)).await.unwrap();
}

/// A request that is given up while its characters are still on the wire holds the line until they are out.
#[tokio::test]
async fn an_abandoned_request_is_sent_to_its_end() {
    let speed = LineSpeed { baud: 110, bits: 10 };
    let simulated = SimulatedSerialLine::start([meter(1)], Some(speed)).unwrap();
    let mut line = Line::new(&serial(&simulated, speed.baud));
    line.open().await.unwrap();
    let begin = Instant::now();
    let seen = async |requests| {
        while simulated.requests() < requests {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        () = seen(1) => {}
        _ = line.read(unit(9), block(0, 1)) => {}
    }
    tokio::select! {
        () = seen(2) => {}
        _ = line.read(unit(9), block(0, 1)) => {}
    }
    // A late thread only makes this longer: without the time of the request's own 8 characters it is too short.
    let least = speed.character() * 8 + speed.silence();
    assert!(begin.elapsed() >= least && simulated.requests() == 2, "{:?} of {least:?}", begin.elapsed());
}

/// Field note 3: the silence counts from the end of our own request where there was no answer.
#[tokio::test]
async fn the_request_gap_is_kept_after_answers_and_after_none() {
    let speed = LineSpeed { baud: 19_200, bits: 10 };
    let meter = meter(1);
    let simulated = SimulatedSerialLine::start([meter.clone()], Some(speed)).unwrap();
    let mut bus = serial(&simulated, speed.baud);
    bus.request_gap = Duration::from_millis(20);
    let mut line = Line::new(&bus);
    read(&mut line, 1, block(0, 1)).await.unwrap();
    let begin = Instant::now();
    read(&mut line, 1, block(0, 1)).await.unwrap();
    assert!(begin.elapsed() > bus.request_gap);
    meter.fault_next(2, UnitFault::Silent);
    for _ in 0..3 {
        let _ = read(&mut line, 1, block(0, 1)).await;
    }
    assert_eq!((simulated.requests(), simulated.early()), (5, 0));
}
