//! A line on which most units are missing: identification, late units, and effects on other units.

use super::*;
use crate::modbus::IdentityRequest;

fn scanning(line: &SimulatedSerialLine) -> Line {
    Line::scanning(&serial(line, 115_200))
}

#[tokio::test]
async fn a_unit_identifies_itself_over_each_kind_of_link() {
    on_real_links(async |mut line, [first, _]| {
        first.set_server_id("Acme 100");
        first.set_device_id(&["Acme", "M-100", "1.2"]);
        let server = line.identify(unit(1), IdentityRequest::Server).await.unwrap();
        assert_eq!(IdentityRequest::Server.texts(&server), ["Acme 100"]);
        let device = line.identify(unit(1), IdentityRequest::Device).await.unwrap();
        assert_eq!(IdentityRequest::Device.texts(&device), ["Acme", "M-100", "1.2"]);
        read(&mut line, 1, block(3, 4)).await.unwrap();
        let refused = line.identify(unit(2), IdentityRequest::Device).await.unwrap_err();
        assert!(matches!(refused, Error::Exception { unit: 2, code: 1 }), "{refused}");
        read(&mut line, 2, block(3, 4)).await.unwrap();
        let silent = line.identify(unit(3), IdentityRequest::Server).await.unwrap_err();
        assert!(silent.is_silence(), "{silent}");
    })
    .await;
}

#[tokio::test]
async fn the_answer_of_a_late_unit_is_noted_and_never_taken_for_the_next() {
    let late = meter(1);
    late.fault_next(1, UnitFault::Late(TIMEOUT * 4));
    let simulated = SimulatedSerialLine::start([late.clone(), meter(2)], None).unwrap();
    let mut line = scanning(&simulated);
    assert!(line.read(unit(1), block(0, 1)).await.unwrap_err().is_silence());
    // Its answer arrives during the request to the other unit, or just before.
    let mut overheard = false;
    for _ in 0..100 {
        let _ = read(&mut line, 2, block(0, 1)).await;
        overheard |= line.overheard();
        if overheard {
            break;
        }
    }
    assert!(overheard);
    read(&mut line, 1, block(0, 1)).await.unwrap();
    read(&mut line, 2, block(0, 1)).await.unwrap();
    assert!(!line.overheard());
}

#[tokio::test]
async fn missing_units_do_not_affect_the_next_request() {
    let simulated = SimulatedSerialLine::start([meter(7)], None).unwrap();
    let mut line = scanning(&simulated);
    for number in 1..7 {
        assert!(line.read(unit(number), block(0, 1)).await.unwrap_err().is_silence());
        assert!(!line.overheard());
    }
    read(&mut line, 7, block(0, 1)).await.unwrap();
    assert_eq!((line.counts().requests, line.counts().timeouts), (7, 6));
}
