use proptest::prelude::*;

use super::*;
use crate::meter::{Function, RegisterRange};

/// How a device fills in the headers of its answers.
#[derive(Clone, Copy, Debug)]
struct Device {
    /// The transaction id of an answer to this id.
    transaction: fn(u16) -> u16,
    /// The one of an exception.
    exception: fn(u16) -> u16,
    /// The unit of an answer of this unit.
    unit: fn(u8) -> u8,
}

fn same<T>(value: T) -> T {
    value
}

const STANDARD: Device = Device { transaction: same, exception: same, unit: same };
const ZERO: Device = Device { transaction: |_| 0, exception: |_| 0, ..STANDARD };
const SHIFTED: Device = Device { transaction: |id| id.wrapping_sub(1), exception: |id| id.wrapping_sub(1), ..STANDARD };
const ZERO_EXCEPTIONS: Device = Device { exception: |_| 0, ..STANDARD };
const UNIT_1: Device = Device { unit: |_| 1, ..STANDARD };
const ZERO_AND_UNIT_255: Device = Device { unit: |_| 255, ..ZERO };
const ALL: [Device; 6] = [STANDARD, ZERO, SHIFTED, ZERO_EXCEPTIONS, UNIT_1, ZERO_AND_UNIT_255];

/// A connection whose first id is 100.
#[derive(Default)]
struct Connection {
    tolerance: TcpTolerance,
    sent: u16,
}

impl Connection {
    /// Sends a request of this many registers to unit 5; returns its id.
    fn send(&mut self, count: u16) -> u16 {
        self.sent += 1;
        let read = RegisterRange { function: Function::Holding, address: 0, count }.into();
        self.tolerance.begin(UnitRequest { unit: 5, read }, 100 + self.sent);
        100 + self.sent
    }

    fn receive(&mut self, device: Device, id: u16, count: u16) -> FrameJudgement {
        let unit = (device.unit)(5);
        let length = 2 + 2 * usize::from(count);
        self.tolerance.judge(FittingFrame { transaction: (device.transaction)(id), unit, exception: false, length })
    }

    fn receive_exception(&mut self, device: Device, id: u16) -> FrameJudgement {
        let (transaction, unit) = ((device.exception)(id), (device.unit)(5));
        self.tolerance.judge(FittingFrame { transaction, unit, exception: true, length: 2 })
    }

    fn exchange(&mut self, device: Device, count: u16) -> FrameJudgement {
        let id = self.send(count);
        self.receive(device, id, count)
    }

    fn refusal(&mut self, device: Device) -> FrameJudgement {
        let id = self.send(2);
        self.receive_exception(device, id)
    }

    /// A connection on which the device has shown what it does.
    fn proven(device: Device) -> Self {
        let mut connection = Connection::default();
        for count in [4, 3, 4] {
            connection.exchange(device, count);
        }
        connection.refusal(device);
        connection.refusal(device);
        assert_eq!(connection.exchange(device, 4), FrameJudgement::Answer, "{:?}", connection.tolerance);
        assert_eq!(connection.refusal(device), FrameJudgement::Answer, "{:?}", connection.tolerance);
        connection
    }
}

#[test]
fn a_standard_device_needs_no_proof_and_shows_nothing() {
    let mut connection = Connection::default();
    assert_eq!(connection.exchange(STANDARD, 2), FrameJudgement::Answer);
    assert_eq!(connection.refusal(STANDARD), FrameJudgement::Answer);
    assert!(connection.tolerance.shown().is_empty());
    assert!(!connection.tolerance.needs_silence() && !connection.tolerance.goes_by_order());
}

#[test]
fn three_answers_of_two_lengths_prove_a_rule() {
    for (device, shown) in [
        (ZERO, vec!["answers carry transaction id 0 whatever was sent"]),
        (SHIFTED, vec!["answers carry the request's transaction id -1"]),
        (UNIT_1, vec!["answers carry unit 1 whatever was requested"]),
        (
            ZERO_AND_UNIT_255,
            vec!["answers carry transaction id 0 whatever was sent", "answers carry unit 255 whatever was requested"],
        ),
    ] {
        let mut connection = Connection::default();
        assert_eq!(
            [4, 3, 4].map(|count| connection.exchange(device, count)),
            [FrameJudgement::Unproven, FrameJudgement::Unproven, FrameJudgement::Answer]
        );
        assert_eq!(connection.tolerance.shown(), shown);
        let mut alike = Connection::default();
        assert!((0..9).all(|_| alike.exchange(device, 4) == FrameJudgement::Unproven), "one length proves nothing");
    }
}

#[test]
fn two_exceptions_prove_that_they_carry_0() {
    let mut connection = Connection::default();
    assert_eq!(connection.exchange(ZERO_EXCEPTIONS, 4), FrameJudgement::Answer);
    assert_eq!(connection.refusal(ZERO_EXCEPTIONS), FrameJudgement::Unproven);
    assert_eq!(connection.refusal(ZERO_EXCEPTIONS), FrameJudgement::Answer);
    assert_eq!(connection.tolerance.shown(), ["exceptions carry transaction id 0"]);
    assert_eq!(connection.exchange(ZERO_EXCEPTIONS, 4), FrameJudgement::Answer);
    assert_eq!(
        connection.receive_exception(ZERO_EXCEPTIONS, 1),
        FrameJudgement::Contradiction,
        "nothing was requested"
    );
}

#[test]
fn nothing_is_proven_after_a_request_without_an_answer() {
    let mut connection = Connection::default();
    connection.send(4);
    connection.tolerance.failed();
    assert!(!connection.tolerance.must_reconnect(), "nothing strange was seen");
    assert_eq!(connection.exchange(ZERO, 4), FrameJudgement::Unproven);
    assert!(connection.tolerance.must_reconnect(), "only a new connection allows a proof");
    for count in [3, 4, 3, 4] {
        assert_eq!(connection.exchange(ZERO, count), FrameJudgement::Unproven);
    }
}

#[test]
fn a_device_that_is_one_answer_behind_proves_nothing() {
    let mut connection = Connection::default();
    connection.send(4);
    connection.tolerance.failed();
    for id in 101..120 {
        connection.send(4);
        assert_eq!(connection.receive(STANDARD, id, 4), FrameJudgement::Late);
    }
    assert!(connection.tolerance.shown().is_empty());
}

#[test]
fn a_late_answer_after_a_proof_ends_the_connection_or_is_known_by_its_id() {
    for device in [ZERO, ZERO_AND_UNIT_255] {
        let mut connection = Connection::proven(device);
        let late = connection.send(4);
        connection.tolerance.failed();
        assert!(connection.tolerance.must_reconnect(), "{device:?}");
        connection.send(4);
        assert_eq!(connection.receive(device, late, 4), FrameJudgement::Contradiction);
    }
    for device in [SHIFTED, UNIT_1, STANDARD] {
        let mut connection = Connection::proven(device);
        let late = connection.send(4);
        connection.tolerance.failed();
        let next = connection.send(4);
        assert_eq!(connection.receive(device, late, 4), FrameJudgement::Late, "{device:?}");
        assert_eq!(connection.receive(device, next, 4), FrameJudgement::Answer);
        assert!(!connection.tolerance.must_reconnect());
    }
}

#[test]
fn the_first_contradiction_drops_a_rule() {
    let mut connection = Connection::proven(ZERO);
    assert_eq!(connection.exchange(STANDARD, 4), FrameJudgement::Contradiction);
    assert!(connection.tolerance.must_reconnect());
    let mut connection = Connection::proven(SHIFTED);
    assert_eq!(connection.exchange(STANDARD, 4), FrameJudgement::Contradiction);
    assert!(connection.tolerance.must_reconnect());
    let mut connection = Connection::proven(UNIT_1);
    assert_eq!(connection.exchange(STANDARD, 4), FrameJudgement::Answer, "the right unit");
    assert!(connection.tolerance.shown().is_empty());
    assert_eq!(connection.exchange(UNIT_1, 4), FrameJudgement::OtherUnit);
}

/// A connection to the same device, after this one was closed by the other end. `None` where no rule is known on it.
fn after_close(mut connection: Connection) -> Option<Connection> {
    connection.tolerance.saw_close();
    let tolerance = connection.tolerance.on_next_connection().filter(|it| it.closes)?;
    Some(Connection { tolerance, sent: connection.sent })
}

/// A gateway mixes up its meters: unit 1 answers the requests to unit 5.
#[test]
fn a_gateway_that_distinguishes_units_does_so_on_the_next_connection() {
    let mut connection = Connection::default();
    connection.exchange(STANDARD, 4);
    connection.send(4);
    connection.tolerance.failed();
    let tolerance = connection.tolerance.on_next_connection().unwrap();
    let mut next = Connection { tolerance, sent: 9 };
    assert!([4, 3, 4, 3].into_iter().all(|count| next.exchange(UNIT_1, count) == FrameJudgement::OtherUnit));
    assert!(Connection::proven(UNIT_1).tolerance.on_next_connection().is_none());
}

#[test]
fn a_proof_goes_on_where_each_connection_is_closed_after_its_only_answer() {
    for device in [ZERO, SHIFTED, UNIT_1, ZERO_AND_UNIT_255] {
        let mut connection = Connection::default();
        let judgements = [4, 3, 4, 4, 2].map(|count| {
            let judged = connection.exchange(device, count);
            connection = after_close(std::mem::take(&mut connection)).expect("it had its only answer");
            judged
        });
        let [unproven, answer] = [FrameJudgement::Unproven, FrameJudgement::Answer];
        assert_eq!(judgements, [unproven, unproven, answer, answer, answer], "{device:?}");
        assert_eq!(connection.tolerance.shown().last().unwrap(), "the connection is closed after each answer");
        let late = connection.send(4);
        connection.tolerance.failed();
        assert!(after_close(connection).is_none(), "{device:?}: an answer to {late} may come");
    }
    assert!(after_close(Connection::proven(ZERO)).is_none(), "several requests of one connection");
    let mut standard = Connection::default();
    standard.exchange(STANDARD, 4);
    assert!(after_close(standard).is_none(), "nothing to remember");
    let mut open = Connection::default();
    open.exchange(ZERO, 4);
    assert!(open.tolerance.on_next_connection().is_none_or(|it| !it.closes), "the other end did not close it");
}

#[test]
fn nothing_is_proven_while_answers_of_an_earlier_connection_may_come() {
    let mut connection = Connection::default();
    connection.tolerance.doubt();
    assert_eq!(connection.exchange(ZERO, 4), FrameJudgement::Unproven);
    assert!(connection.tolerance.must_reconnect());
    for count in [3, 4] {
        assert_eq!(connection.exchange(ZERO, count), FrameJudgement::Unproven);
    }
    let mut standard = Connection::default();
    standard.tolerance.doubt();
    assert_eq!(standard.exchange(STANDARD, 4), FrameJudgement::Answer, "its id says so");
}

#[test]
fn a_unit_that_is_no_fixed_one_is_another_meter() {
    let other = Device { unit: |_| 6, ..STANDARD };
    let mut connection = Connection::default();
    assert!([4, 3, 4, 3].into_iter().all(|count| connection.exchange(other, count) == FrameJudgement::OtherUnit));
    let mut connection = Connection::default();
    connection.exchange(STANDARD, 4);
    assert_eq!(connection.exchange(UNIT_1, 4), FrameJudgement::OtherUnit, "this gateway distinguishes units");
    let mut connection = Connection::default();
    assert_eq!(connection.exchange(Device { unit: |_| 6, ..ZERO }, 4), FrameJudgement::Late, "nothing of it fits");
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Answer,
    Exception,
    /// The answer to a request of this many requests before.
    Late(u16),
    Lost,
}

proptest! {
    /// Whatever a device does, no answer of an earlier request counts. A connection that must be made again is.
    #[test]
    fn no_earlier_answer_is_an_answer(
        device in prop::sample::select(ALL.to_vec()),
        events in prop::collection::vec(
            prop_oneof![
                6 => Just(Event::Answer),
                1 => Just(Event::Exception),
                3 => (1u16..6).prop_map(Event::Late),
                1 => Just(Event::Lost),
            ],
            1..60,
        ),
        counts in prop::collection::vec(1u16..4, 60),
    ) {
        let mut connection = Connection::default();
        // The requests of this connection that were not answered yet, with their counts.
        let mut open: Vec<(u16, u16)> = Vec::new();
        for (event, count) in events.into_iter().zip(counts) {
            if connection.tolerance.must_reconnect() {
                connection = Connection::default();
                open.clear();
            }
            let id = connection.send(count);
            open.push((id, count));
            match event {
                Event::Answer => {
                    connection.receive(device, id, count);
                    open.pop();
                }
                Event::Exception => {
                    connection.receive_exception(device, id);
                    open.pop();
                }
                Event::Lost => connection.tolerance.failed(),
                Event::Late(before) => {
                    let index = open.len().checked_sub(usize::from(before) + 1);
                    if let Some((late, of)) = index.map(|index| open.remove(index)) {
                        let judged = match of == count {
                            true => connection.receive(device, late, of),
                            false => connection.tolerance.unrequested((device.transaction)(late)),
                        };
                        prop_assert_ne!(judged, FrameJudgement::Answer, "{:?}", connection.tolerance);
                    }
                    connection.tolerance.failed();
                }
            }
        }
    }
}
