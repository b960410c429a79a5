use super::*;

#[test]
fn the_time_of_a_request_matches_measured_lines() {
    let line = |baud, parity| SerialSettings { path: "/dev/ttyS0".into(), baud, parity, stop_bits: 1 };
    // 10 registers, 10 ms: 20.8, 34.5 and 68.4 polls a second.
    for (baud, rate) in [(9600, 20.8), (19_200, 34.5), (115_200, 68.4)] {
        let measured = 1.0 / request_time(&line(baud, Parity::None), 10);
        assert!((measured - rate).abs() < 0.05, "{baud}: {measured}");
    }
    assert!(request_time(&line(9600, Parity::Even), 10) > request_time(&line(9600, Parity::None), 10));
}
