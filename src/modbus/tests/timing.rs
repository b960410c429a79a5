//! Timing on the wire, measured by the simulated line: no request is early, and most of the line's capacity is used.

use std::time::Duration;

use tokio::time::Instant;

use super::{block, meter, read, serial, unit};
use crate::modbus::Line;
use crate::simulator::{LineSpeed, SimulatedSerialLine, UnitFault};

/// Field note 3: measured by the line, at a speed whose silent interval is not a whole number of milliseconds.
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

/// Measures the used share of the line's capacity: `cargo test --lib -- --ignored --nocapture the_share`.
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

/// The timeout is for the meter. The time for the characters at 110 baud is added.
#[tokio::test]
async fn a_slow_line_extends_the_timeout() {
    let speed = LineSpeed { baud: 110, bits: 10 };
    let simulated = SimulatedSerialLine::start([meter(1)], Some(speed)).unwrap();
    let mut bus = serial(&simulated, speed.baud);
    bus.timeout = Duration::from_millis(700);
    let least = speed.character() * 15 + speed.silence();
    assert!(least > bus.timeout + speed.character() * 7, "a time-out that counted from the request would be over");
    read(&mut Line::new(&bus), 1, block(0, 1)).await.unwrap();
}

/// A request that is abandoned during its transmission occupies the line until all characters are sent.
#[tokio::test]
async fn an_abandoned_request_is_sent_completely() {
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
    // A late thread only makes this longer. Without the time of the request's 8 characters it would be too short.
    let least = speed.character() * 8 + speed.silence();
    assert!(begin.elapsed() >= least && simulated.requests() == 2, "{:?} of {least:?}", begin.elapsed());
}

/// Field note 3: without an answer the silent interval starts at the end of our own request.
#[tokio::test]
async fn the_request_gap_is_kept_after_answers_and_after_timeouts() {
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
