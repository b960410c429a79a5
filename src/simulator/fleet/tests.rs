use super::*;

const EVERY: u64 = 120;
/// In half a minute so many boxes make 5,000 calls: chance moves them by less than 6 %, four times out of a thousand by 4 %.
const BOXES: u32 = 20_000;
const WINDOW: u64 = 30;

fn fleet(seconds: Range<u64>, events: Vec<FleetEvent>) -> FleetScenario {
    FleetScenario { boxes: BOXES, every: Duration::from_secs(EVERY), seconds, events, clock_error: Duration::ZERO }
}

/// The lowest and the highest number of calls in half a minute, as multiples of the mean.
fn extremes(load: &FleetLoad, during: Range<u64>) -> (f64, f64) {
    let calls = load.calls(during);
    let windows = calls.windows(WINDOW as usize).map(|calls| f64::from(calls.iter().sum::<u32>()));
    let windows = windows.map(|calls| calls / WINDOW as f64 / load.mean());
    windows.fold((f64::INFINITY, 0.0), |(low, high), calls| (low.min(calls), high.max(calls)))
}

/// A fleet for which the endpoint is away for an hour, until this second.
fn after_an_hour_without_answers(end: u64, fault: EndpointFault) -> (f64, Option<Duration>) {
    let away = FleetEvent::Endpoint { during: end - 3600..end, fault, share: 1.0 };
    let load = simulate(&fleet(end - 3600..end + 900, vec![away]), 1);
    (extremes(&load, end..end + 900).1, load.all_accepted_within(end))
}

#[test]
fn in_normal_operation_calls_are_even_also_while_five_of_a_hundred_boxes_restart() {
    let deployment = FleetEvent::Restart { during: 367..370, share: 0.05 };
    let load = simulate(&fleet(0..900, vec![deployment]), 1);
    let (low, high) = extremes(&load, EVERY..900);
    assert!(low > 0.9 && high < 1.1, "{low} to {high}");
}

#[test]
fn after_an_hour_without_an_endpoint_the_peak_is_below_twice_the_mean_and_all_are_accepted_within_ten_minutes() {
    for (end, fault) in
        [(7200, EndpointFault::Unreachable), (6847, EndpointFault::NamesItsEnd), (6600, EndpointFault::Failing)]
    {
        let (peak, accepted) = after_an_hour_without_answers(end, fault);
        assert!(peak < 2.0, "{peak} after {fault:?} until {end}");
        assert!(accepted.is_some_and(|within| within <= Duration::from_secs(600)), "{accepted:?}");
    }
}

#[test]
fn boxes_that_all_start_at_one_instant_do_not_call_at_one_instant() {
    let end = 6600;
    let load =
        simulate(&fleet(end - 60..end + 900, vec![FleetEvent::Restart { during: end - 60..end, share: 1.0 }]), 1);
    let (_, peak) = extremes(&load, end..end + 900);
    assert!(peak < 2.0, "{peak}");
    assert!(load.all_accepted_within(end).is_some_and(|within| within <= Duration::from_secs(600)));
}
