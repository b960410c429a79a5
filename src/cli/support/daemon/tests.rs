use serde_json::json;

use super::*;

#[test]
fn advice_comes_first_and_quality_below_its_meter() {
    let quality = json!({
        "recent": { "requests": 50, "answers": 44, "crc_errors": 6 }, "exceptions": {}, "occupancy": 0.25,
        "response_us": { "p95": 31_000 },
    });
    let document = json!({ "advice": ["Mend it."], "meters": { "sauna": { "polls": 40, "quality": quality } } });
    assert_eq!(
        super::quality(&document),
        "advice: Mend it.\nmeters sauna: polls 40\n    occupancy: 0.25\n    \
         recent: answers 44 (88.0 %), crc_errors 6 (12.0 %), requests 50\n    response_us: p95 31000\n"
    );
}

#[test]
fn counters_of_a_bus_are_shown_with_their_shares() {
    let document = json!({
        "buses": { "cabinet": { "requests": 200, "answers": 150, "timeouts": 50, "reopened": 2, "error": "unplugged" } },
        "meters": { "sauna": { "polls": 0, "failures": 0, "power_mw": 7, "error": null } },
    });
    assert_eq!(
        quality(&document),
        "buses cabinet: answers 150 (75.0 %), reopened 2, requests 200, timeouts 50 (25.0 %); unplugged\n\
         meters sauna: failures 0, polls 0\n"
    );
}
