use super::*;
use crate::modbus::error::{FrameSummary, UnexpectedFrame};
use crate::modbus::tests::{block, meter, serial, settings, tcp, unit, words};
use crate::modbus::{Garbled, Hint, Line};
use crate::simulator::{SimulatedGateway, SimulatedSerialLine, UnitFault};

fn parsed(text: &str) -> Result<(), NotLent> {
    serde_json::from_str::<LentRequest>(text).expect("it is a request").check()
}

#[test]
fn nothing_but_a_read_can_be_lent() {
    let request = |function: u8, address: u32, count: u32| {
        format!(
            "{{\"unit\":1,\"function\":{function},\"address\":{address},\"count\":{count},\"silence_ms\":0,\"timeout_ms\":9}}"
        )
    };
    let reads: Vec<u8> = (0..=u8::MAX).filter(|function| parsed(&request(*function, 0, 1)).is_ok()).collect();
    assert_eq!(reads, [3, 4, 17, 43]);
    assert_eq!(parsed(&request(6, 0, 1)).unwrap_err().to_string(), "a lent line only reads: function 6 is refused");
    for (address, count) in [(0, 0), (0, 126), (65_535, 2)] {
        assert_eq!(parsed(&request(3, address, count)), Err(NotLent::Registers), "{address} {count}");
    }
    for (address, count) in [(0, 125), (65_535, 1)] {
        assert_eq!(parsed(&request(4, address, count)), Ok(()));
    }
    assert!(serde_json::from_str::<LentRequest>(&request(3, 65_536, 1)).is_err());
    assert!(
        serde_json::from_str::<LentRequest>(&request(3, 0, 1).replace("\"unit\"", "\"value\":5,\"unit\"")).is_err()
    );
}

#[test]
fn a_failure_arrives_as_it_was() {
    for error in [
        Error::TimedOut { unit: 3, within: Duration::from_millis(150), hint: Hint::Echo },
        Error::Exception { unit: 3, code: 0x0B },
        Error::Garbled { unit: 3, why: Garbled::Checksum },
        Error::Garbled { unit: 3, why: answer_of_another_unit() },
        Error::Garbled { unit: 3, why: Garbled::Noise { bytes: 5 } },
        Error::Closed { link: "a".to_owned(), reason: "b".to_owned() },
        Error::Open { link: "a".to_owned(), reason: "b".to_owned(), remedy: "c".to_owned() },
    ] {
        let sent = serde_json::to_string(&LentAnswer { outcome: Err(error.clone()), overheard: true }).unwrap();
        let arrived: LentAnswer = serde_json::from_str(&sent).unwrap();
        assert_eq!(format!("{:?}", arrived.outcome.unwrap_err()), format!("{error:?}"));
    }
}

/// An answer of another unit.
fn answer_of_another_unit() -> Garbled {
    let request = UnitRequest { unit: 3, read: block(0, 1).into() };
    Garbled::Unexpected(UnexpectedFrame::new(request, FrameSummary { unit: 4, function: 3, registers: 1 }))
}

#[test]
fn a_polled_unit_and_a_gateway_have_the_time_of_a_poll() {
    let request = LentRequest::probe(Duration::from_millis(150));
    let bus = Duration::from_secs(3);
    assert_eq!(request.granted(bus).timeout(), bus);
    assert_eq!(request.granted(Duration::ZERO).timeout(), Duration::from_millis(150));
    let greedy = LentRequest { timeout_ms: u32::MAX, silence_ms: u32::MAX, ..request }.granted(Duration::ZERO);
    assert_eq!((greedy.timeout(), greedy.silence()), (LONGEST_TIMEOUT, LONGEST_SILENCE));
}

/// Lends a line until the borrower is gone.
async fn owner(mut line: Line, mut requests: mpsc::Receiver<LentExchange>) -> Line {
    while let Some(LentExchange { request, reply }) = requests.recv().await {
        let _ = reply.send(line.lend(&request).await);
    }
    line
}

#[tokio::test]
async fn a_borrower_sees_what_the_owner_would_see_and_the_owner_counts_its_own_reads_only() {
    let (silent, busy) = (meter(2), meter(3));
    silent.fault(UnitFault::Silent);
    busy.fault(UnitFault::Exception(6));
    let gateway = SimulatedGateway::start([meter(1), silent, busy]).await.unwrap();
    let (lender, requests) = LentLine::new();
    let lending = tokio::spawn(owner(Line::new(&tcp(&gateway)), requests));
    let nowhere = Link::Tcp("127.0.0.1:1".to_owned());
    let mut borrowed = Line::scanning(&LinkSettings { lender: Some(lender), ..settings(nowhere) });
    borrowed.open().await.expect("a borrower opens nothing");
    assert_eq!(borrowed.read(unit(1), block(4, 3)).await.unwrap(), words(1, block(4, 3)));
    let missing = borrowed.read(unit(2), block(0, 1)).await.unwrap_err();
    assert!(matches!(missing, Error::TimedOut { unit: 2, .. }), "{missing}");
    let refused = borrowed.read(unit(3), block(0, 1)).await.unwrap_err();
    assert!(matches!(refused, Error::Exception { unit: 3, code: 6 }), "{refused}");
    borrowed.identify(unit(1), IdentityRequest::Server).await.unwrap_err();
    drop(borrowed);
    let mut line = lending.await.unwrap();
    assert_eq!((line.counts().requests, line.counts().timeouts, line.take_tally()), (0, 0, Default::default()));
}

#[tokio::test]
async fn a_late_answer_during_a_loan_is_overheard_and_belongs_to_no_other_unit() {
    let slow = meter(5);
    slow.set_delay(Duration::from_millis(400));
    let simulated = SimulatedSerialLine::start([slow, meter(6)], None).unwrap();
    let (lender, requests) = LentLine::new();
    let lending = tokio::spawn(owner(Line::new(&serial(&simulated, 9600)), requests));
    let lent = LinkSettings { lender: Some(lender), ..serial(&simulated, 9600) };
    let mut borrowed = Line::scanning(&LinkSettings { timeout: Duration::from_millis(100), ..lent });
    borrowed.read(unit(5), block(0, 1)).await.unwrap_err();
    assert!(!borrowed.overheard());
    let mut heard = false;
    for _ in 0..20 {
        match borrowed.read(unit(6), block(0, 1)).await {
            Ok(answer) => assert_eq!(answer, words(6, block(0, 1))),
            Err(error) => assert!(matches!(error, Error::Garbled { .. } | Error::TimedOut { .. }), "{error}"),
        }
        heard |= borrowed.overheard();
        if heard {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(heard, "the answer of unit 5 came during these requests");
    drop(borrowed);
    lending.await.unwrap();
}

#[tokio::test]
async fn a_loan_that_has_ended_closes_the_line() {
    let (lender, requests) = LentLine::new();
    let mut borrowed = Line::new(&LinkSettings { lender: Some(lender), ..settings(Link::Tcp("a:1".to_owned())) });
    drop(requests);
    let ended = borrowed.read(unit(1), block(0, 1)).await.unwrap_err();
    assert!(matches!(ended, Error::Closed { .. }) && ended.to_string().contains("ended the loan"), "{ended}");
}
