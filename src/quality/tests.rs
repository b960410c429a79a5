use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::window::RecentTally;
use super::*;

const MS: Duration = Duration::from_millis(1);
const HALF_HOUR: Duration = Duration::from_secs(1800);

/// A request that took this time.
fn request(outcome: RequestOutcome, took: Duration) -> RequestRecord {
    RequestRecord { outcome, took, silence: 4 * MS, slow: false, echo: false, late: false, discarded: false }
}

fn answered(times: impl IntoIterator<Item = Duration>) -> RequestTally {
    let mut tally = RequestTally::default();
    times.into_iter().for_each(|took| tally.note(&request(RequestOutcome::Answered, took)));
    tally
}

#[test]
fn each_request_is_counted_by_how_it_ended() {
    let mut tally = answered([20 * MS]);
    tally.note(&RequestRecord { late: true, ..request(RequestOutcome::Failed(RequestCount::Timeouts), 1000 * MS) });
    tally.note(&RequestRecord { echo: true, ..request(RequestOutcome::Failed(RequestCount::CrcErrors), 30 * MS) });
    for code in 0..=u8::MAX {
        tally.note(&request(RequestOutcome::Exception(code), MS));
    }
    assert_eq!((tally.requests(), tally.exceptions()), (259, 256));
    let counts = [
        RequestCount::Answers,
        RequestCount::Timeouts,
        RequestCount::CrcErrors,
        RequestCount::Late,
        RequestCount::Echoes,
        RequestCount::Slow,
    ];
    assert_eq!(counts.map(|count| tally.of(count)), [1, 1, 1, 1, 1, 0]);
    assert_eq!(RequestCount::EXCEPTIONS.map(|(count, _)| tally.of(count)), [1, 1, 1, 1, 1, 1, 1, 1, 1, 247]);
    assert_eq!((tally.took_us, tally.busy_us), (20_000, 1_050_000 + 256_000 + 259 * 4_000));
}

#[test]
fn the_names_are_in_the_order_of_the_counts() {
    assert!(
        RequestCount::WORDS[RequestCount::ENDS - 1].0 == RequestCount::Lost
            && RequestCount::WORDS[RequestCount::ENDS].0 == RequestCount::Slow
    );
    for (index, (count, _)) in
        RequestCount::WORDS[..RequestCount::ENDS].iter().chain(&RequestCount::EXCEPTIONS).enumerate()
    {
        assert_eq!(*count as usize, index);
    }
}

#[test]
fn percentiles_are_as_exact_as_the_buckets() {
    assert_eq!(AnswerTimes::default().percentile(0.5), None);
    let times = answered((0..95).map(|_| 15 * MS).chain([300 * MS; 5])).times;
    let percentiles = [0.5, 0.95, 0.99].map(|share| times.percentile(share).unwrap().as_millis());
    assert!(
        (9..=16).contains(&percentiles[0]) && percentiles[1] == 16 && (257..=512).contains(&percentiles[2]),
        "{percentiles:?}"
    );
    let longest = answered([Duration::from_secs(3600)]).times.percentile(0.5).unwrap();
    assert_eq!(longest.as_millis(), 8192);
}

#[test]
fn a_time_on_a_bound_is_within_it() {
    for (index, bound) in AnswerTimes::bounds().enumerate() {
        let Some(bound) = bound.map(Duration::from_micros) else { continue };
        let nanosecond = Duration::from_nanos(1000);
        for (took, bucket) in [(bound, index), (bound + nanosecond, index + 1)] {
            let counts: Vec<_> = answered([took]).times.counts().collect();
            assert_eq!(counts.iter().position(|count| *count == 1), Some(bucket), "{took:?}");
        }
    }
}

#[test]
fn old_requests_are_in_the_total_only() {
    let (start, mut quality) = (Instant::now(), RequestQuality::default());
    assert_eq!((quality.recent(), quality.recent().occupancy()), (RecentTally::default(), None));
    let poll = answered([96 * MS]);
    let every = Duration::from_secs(10);
    for second in 1..=600u32 {
        quality.add(&poll, start + second * every);
        let recent = quality.recent();
        assert!(second < 200 || (1800..=3620).contains(&recent.over.as_secs()), "{second}: {:?}", recent.over);
        let polls = recent.tally.of(RequestCount::Polls);
        assert!(polls.abs_diff(recent.over.as_secs() / 10) <= 1, "{polls} polls in {:?}", recent.over);
        assert_eq!((recent.tally.of(RequestCount::Answers), recent.tally.times.counts().sum()), (polls, polls));
    }
    let recent = quality.recent();
    assert!((recent.occupancy().unwrap() - 0.01).abs() < 0.001, "{recent:?}");
    assert_eq!(quality.total().of(RequestCount::Answers), 600);
    quality.add(&poll, start + 600 * every + 3 * HALF_HOUR);
    assert_eq!(quality.recent().tally.of(RequestCount::Polls), 1);
    assert_eq!(quality.recent().occupancy(), None, "a tenth of a second is too short");
    assert_eq!(quality.total().of(RequestCount::Answers), 601);
}

proptest! {
    #[test]
    fn percentiles_rise(times in prop::collection::vec(0u64..20_000_000, 1..60), shares in prop::collection::vec(0.0f64..=1.0, 2..9)) {
        let tally = answered(times.iter().map(|us| Duration::from_micros(*us)));
        let mut shares = shares;
        shares.sort_by(f64::total_cmp);
        let percentiles: Vec<_> = shares.iter().map(|share| tally.times.percentile(*share).unwrap()).collect();
        prop_assert!(percentiles.is_sorted(), "{percentiles:?}");
        let slowest = times.iter().max().unwrap();
        prop_assert!(percentiles.iter().all(|time| time.as_micros() as u64 <= (2 * slowest).max(1000)));
    }

    #[test]
    fn recent_counts_never_exceed_the_total(gaps in prop::collection::vec((0u64..4_000_000, 0usize..9), 1..80)) {
        let (mut now, mut quality) = (Instant::now(), RequestQuality::default());
        for (gap, requests) in gaps {
            now += Duration::from_millis(gap);
            quality.add(&answered(vec![MS; requests]), now);
            let (recent, total) = (quality.recent(), quality.total());
            prop_assert!(recent.tally.requests() <= total.requests());
            prop_assert!(recent.tally.requests() >= requests as u64);
            prop_assert!(recent.occupancy().is_none_or(|share| (0.0..=1.0).contains(&share)));
        }
    }
}
