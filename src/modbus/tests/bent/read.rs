//! Each device that bends the standard is read.

use super::*;

/// A device that closes the connection after each answer never gives three answers on one connection.
#[tokio::test(start_paused = true)]
async fn a_device_that_closes_after_each_answer_is_read() {
    let closes = "the connection is closed after each answer";
    for (bend, shown) in [
        (tcp(Id::Constant(0)), "answers carry transaction id 0 whatever was sent"),
        (tcp(Id::Constant(7)), "answers carry transaction id 7 whatever was sent"),
        (tcp(Id::Shifted(3)), "answers carry the request's transaction id +3"),
        (Bend { unit: Some(255), ..tcp(Id::Same) }, "answers carry unit 255 whatever was requested"),
    ] {
        let mut device = Bent::new(Bend { closes: true, ..bend.clone() }, Vec::new()).await;
        for range in [block(0, 6), block(8, 2), block(0, 6), block(0, 6), block(3, 1)] {
            let read = device.read(range).await;
            assert!(read.is_ok(), "{bend:?}: {}", read.unwrap_err());
        }
        assert_eq!(device.line.tolerated(), [shown, closes], "{bend:?}");
        let counts = device.line.counts();
        assert_eq!((counts.requests, counts.opened, counts.timeouts), (5 + 2, 5 + 2, 0), "{bend:?}");
    }
}

/// After a missing answer, what such a device does has to be proven anew: three more requests.
#[tokio::test(start_paused = true)]
async fn what_a_closing_device_does_is_forgotten_after_a_failure() {
    let faults = [vec![Fault::Well; 4], vec![Fault::Silent]].concat();
    let mut device = Bent::new(Bend { closes: true, ..tcp(Id::Constant(0)) }, faults).await;
    for _ in 0..2 {
        device.read(block(0, 6)).await.unwrap();
    }
    assert!(matches!(device.read(block(0, 6)).await.unwrap_err(), Error::TimedOut { .. }));
    let before = device.line.counts().requests;
    device.read(block(0, 6)).await.unwrap();
    assert_eq!(device.line.counts().requests, before + 3, "a proof");
}

/// A meter that all other programs read is read from the first request on, and `status` says what it does.
async fn is_read(bend: Bend, shown: &[&str]) {
    let mut device = Bent::new(bend.clone(), Vec::new()).await;
    for range in [block(0, 6), block(8, 2), block(0, 6), block(0, 6), block(3, 1)] {
        let read = device.read(range).await;
        assert!(read.is_ok(), "{bend:?}: {}", read.unwrap_err());
    }
    assert_eq!(device.line.tolerated(), shown, "{bend:?}");
    let counts = device.line.counts();
    assert!(counts.requests <= 5 + 3 && counts.opened == 1 && counts.timeouts == 0, "{bend:?}: {counts:?}");
}

#[tokio::test(start_paused = true)]
async fn answers_with_other_transaction_ids_are_read() {
    is_read(tcp(Id::Constant(0)), &["answers carry transaction id 0 whatever was sent"]).await;
    is_read(tcp(Id::Shifted(1)), &["answers carry the request's transaction id +1"]).await;
    is_read(tcp(Id::Shifted(u16::MAX)), &["answers carry the request's transaction id -1"]).await;
    is_read(tcp(Id::ZeroOnExceptions), &[]).await;
}

/// One refused optional register costs two more requests, once, and never the meter.
#[tokio::test(start_paused = true)]
async fn exceptions_with_transaction_id_0_are_exceptions() {
    for id in [Id::ZeroOnExceptions, Id::Constant(0)] {
        let faults = [vec![Fault::Well; 8], vec![Fault::Exception(2); 8]].concat();
        let mut device = Bent::new(tcp(id), faults).await;
        let (mut read, mut refusals) = (0, 0);
        for _ in 0..20 {
            match device.read(block(0, 6)).await {
                Ok(()) => read += 1,
                Err(Error::Exception { code: 2, .. }) => refusals += 1,
                Err(error) => panic!("{id:?}: {error}"),
            }
        }
        assert!(read >= 8 && refusals >= 3, "{id:?}: {read} read, {refusals} refused");
        assert_eq!((device.line.counts().timeouts, device.line.counts().opened), (0, 1), "{id:?}");
    }
    let always = vec![Fault::Exception(2); 9];
    let mut device = Bent::new(tcp(Id::ZeroOnExceptions), always).await;
    let refused = device.read(block(0, 2)).await.unwrap_err();
    assert!(matches!(refused, Error::Exception { code: 2, .. }), "{refused}");
    assert_eq!(device.line.tolerated(), ["exceptions carry transaction id 0"]);
}

#[tokio::test(start_paused = true)]
async fn answers_with_a_fixed_unit_are_read() {
    for fixed in [0, 1, 255] {
        let shown = format!("answers carry unit {fixed} whatever was requested");
        is_read(Bend { unit: Some(fixed), ..tcp(Id::Same) }, &[&shown]).await;
    }
    let both = ["answers carry transaction id 0 whatever was sent", "answers carry unit 255 whatever was requested"];
    is_read(Bend { unit: Some(255), ..tcp(Id::Constant(0)) }, &both).await;
    let mut other = Bent::new(Bend { unit: Some(6), ..tcp(Id::Same) }, Vec::new()).await;
    let error = other.read(block(0, 2)).await.unwrap_err().to_string();
    assert!(error.contains("unit 6 answered a request to unit 5"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn one_byte_too_many_in_the_header_is_cut_off() {
    is_read(Bend { extra: 1, ..tcp(Id::Same) }, &["answers are one byte too long"]).await;
    let refused = vec![Fault::Exception(2)];
    let mut device = Bent::new(Bend { extra: 1, ..tcp(Id::Same) }, refused).await;
    let error = device.read(block(0, 2)).await.unwrap_err();
    assert!(matches!(error, Error::Exception { code: 2, .. }), "{error}");
    let mut device = Bent::new(Bend { extra: 2, ..tcp(Id::Same) }, Vec::new()).await;
    let error = device.read(block(0, 2)).await.unwrap_err().to_string();
    assert!(error.contains("its header counts 8 bytes of answer, its byte count 6"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn registration_and_heartbeat_packets_are_skipped() {
    let packets = "bytes that are no Modbus TCP frame come between the answers and are skipped";
    let registration = b"IMEI:867000000000000\r\n".to_vec();
    is_read(Bend { registration: registration.clone(), ..tcp(Id::Same) }, &[packets]).await;
    is_read(Bend { registration, before: b"ping".to_vec(), ..tcp(Id::Same) }, &[packets]).await;
    for pulse in [&b"\x00"[..], b"\xFE\xFE", b"heartbeat", &[0; 2]] {
        is_read(Bend { before: pulse.to_vec(), ..tcp(Id::Same) }, &[packets]).await;
    }
    let mut flooding = Bent::new(Bend { before: vec![b'x'; 200], ..tcp(Id::Same) }, Vec::new()).await;
    let error = flooding.read(block(0, 2)).await.unwrap_err().to_string();
    assert!(error.contains("no Modbus TCP header"), "{error}");
    let page = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec();
    let mut web = Bent::new(Bend { before: page, ..tcp(Id::Same) }, Vec::new()).await;
    let error = web.read(block(0, 2)).await.unwrap_err().to_string();
    assert!(error.contains("this is a web server"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn bytes_around_an_intact_rtu_frame_are_discarded() {
    let noisy = "other bytes come before the answers and are discarded";
    let rtu = Bend::default();
    for before in [&[0x55][..], &[5, 4], &[1, 2, 3, 4, 5, 6, 7, 8], &[0x80, 0xFE, 5]] {
        is_read(Bend { before: before.to_vec(), ..rtu.clone() }, &[noisy]).await;
    }
    is_read(Bend { after: vec![0x33, 0xFE, 7], ..rtu.clone() }, &[]).await;
    for echo in 1..8 {
        is_read(Bend { echo, ..rtu.clone() }, &[noisy]).await;
    }
    is_read(Bend { echo: 8, before: vec![0x55], ..rtu.clone() }, &[noisy]).await;
    let counted = async |bend: Bend| {
        let mut device = Bent::new(bend, Vec::new()).await;
        for _ in 0..4 {
            device.read(block(0, 2)).await.unwrap();
        }
        device.line.take_tally().of(RequestCount::Discarded)
    };
    assert_eq!(counted(rtu.clone()).await, 0);
    assert_eq!(counted(Bend { before: vec![0x55], ..rtu.clone() }).await, 6, "each request, and two of the proof");
    assert_eq!(counted(Bend { after: vec![0x33], ..rtu.clone() }).await, 4);
    assert_eq!(counted(Bend { before: b"ping".to_vec(), ..tcp(Id::Same) }).await, 4);
    let mut flooding = Bent::new(Bend { before: vec![0x55; 9], ..rtu }, Vec::new()).await;
    assert!(flooding.read(block(0, 2)).await.unwrap_err().to_string().contains("no Modbus frame"));
}

/// A line whose answers were proven to have noise: after a time-out the proof starts again, so that a late answer behind noise is not
/// taken.
#[tokio::test(start_paused = true)]
async fn a_late_answer_behind_noise_is_discarded() {
    for late in 0..20 {
        let mut faults = vec![Fault::Well; 4];
        faults.push(Fault::Late(990 + 25 * late));
        let mut device = Bent::new(Bend { before: vec![0x55, 0x66], ..Bend::default() }, faults).await;
        for _ in 0..8 {
            let _ = device.read(block(0, 2)).await;
        }
        device.read(block(0, 2)).await.unwrap();
    }
}

/// The answer to a request whose connection was closed comes over the next one, when another request waits for one of the same shape.
#[tokio::test(start_paused = true)]
async fn an_answer_over_the_next_connection_proves_nothing() {
    for late in (0..1090).step_by(7) {
        let faults = vec![Fault::Silent, Fault::Lost(late), Fault::Well, Fault::Late(60), Fault::Well, Fault::Late(90)];
        let mut device = Bent::new(Bend { crosses: true, ..tcp(Id::Constant(0)) }, faults).await;
        for _ in 0..4 {
            let _ = device.read(block(0, 2)).await;
        }
        device.read(block(0, 2)).await.unwrap();
    }
}

/// A second answer that comes together with the first waits in the buffer. It is no answer to the next request.
#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_twice_at_once_is_used_once() {
    for id in [Id::Constant(0), Id::Constant(7), Id::Shifted(9), Id::Same] {
        let mut device =
            Bent::new(tcp(id), (0..60).map(|step| if step % 6 == 5 { Fault::Twice(0) } else { Fault::Well }).collect())
                .await;
        let mut good = 0;
        for range in [block(0, 6), block(8, 2), block(0, 2), block(2, 2)].into_iter().cycle().take(40) {
            good += usize::from(device.read(range).await.is_ok());
        }
        assert!(good > 20, "{id:?}: only {good} of 40");
    }
}
