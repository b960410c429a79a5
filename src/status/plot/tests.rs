use proptest::prelude::*;

use super::power::{gaps, join};
use super::*;
use crate::history::{MeterHistory, PowerPoint};
use crate::units::{MilliwattHours, Milliwatts};

fn labels(values: &[f64]) -> Vec<String> {
    let scale = Scale::of(values.iter().copied());
    scale.ticks().map(|tick| scale.label(tick)).collect()
}

#[test]
fn ticks_are_round_and_begin_at_zero() {
    assert_eq!(labels(&[7.3]), ["0", "2", "4", "6", "8"]);
    assert_eq!(labels(&[14.92, 3.0]), ["0", "5", "10", "15"]);
    assert_eq!(labels(&[0.031]), ["0.00", "0.01", "0.02", "0.03", "0.04"]);
    assert_eq!(labels(&[979.0]), ["0", "500", "1\u{202f}000"]);
    assert_eq!(labels(&[-1.2, 3.0]), ["\u{2212}2", "0", "2", "4"]);
    assert_eq!(labels(&[]), ["0.0", "0.5", "1.0"]);
    assert_eq!(labels(&[f64::NAN, f64::INFINITY, 4.0]), ["0", "1", "2", "3", "4"]);
}

#[test]
fn gaps_are_runs_without_a_value_after_the_first_record() {
    let on = Some(PowerPoint::new(1.0, 1.0, 1.0));
    assert_eq!(gaps(&[None, None, on, None, None, on, None, on, None]), [(3, 5), (6, 7)]);
    assert_eq!(gaps(&[on, None, None]), [(1, 2)], "the newest point may only have begun");
    assert_eq!(gaps(&[]), []);
    assert_eq!(join(&[on, None, None, None], 2), [on, None]);
}

fn history(power: Vec<Option<PowerPoint>>) -> MeterHistory {
    let from = "2026-11-24T14:25:00Z".parse().unwrap();
    MeterHistory { from, point: std::time::Duration::from_secs(300), power, days: Vec::new(), months: Vec::new() }
}

#[test]
fn a_gap_ends_the_line_and_is_hatched() {
    let on = Some(PowerPoint::new(2000.0, 1000.0, 3000.0));
    let points: Vec<_> = (0..288).map(|index| on.filter(|_| !(100..120).contains(&index))).collect();
    let html = power("p", "sauna", &history(points)).into_string();
    let line = html.split("class=\"ln\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(line.matches('M').count(), 2, "{line}");
    assert_eq!(html.matches("url(#hatch)").count(), 1);
    assert!(html.contains("Not read from 22:45 to 00:25."), "{html}");
    assert!(html.contains("mean 2.00 kW, min 1.00 kW, max 3.00 kW at 14:25."));
    assert_eq!(html.matches("type=\"radio\"").count(), 48);
    assert!(html.contains("<b>not read</b>"));
    assert!(html.contains(">Wed 25 Nov<") && html.contains(">18:00<"));
}

#[test]
fn bars_name_their_values_and_what_is_missing() {
    let bar = |name: &str, energy: Option<u64>| Bar {
        name: name.to_owned(),
        label: None,
        energy: energy.and_then(MilliwattHours::new),
        remark: None,
    };
    let mut all = vec![bar("Mon 1", Some(12_340_000)), bar("Tue 2", None), bar("Wed 3", Some(20_000_000))];
    all[2].remark = Some("so far");
    let html = bars("d", "sauna, energy per day", "day", 1, &all).into_string();
    for text in ["<b>12.3 kWh</b>", "<b>not recorded</b>", "<b>20.0 kWh</b> so far", "Most: 20.0 kWh on Wed 3."] {
        assert!(html.contains(text), "{text}\n{html}");
    }
    assert_eq!(html.matches("url(#hatch)").count(), 1);
}

#[test]
fn a_week_shows_full_partial_and_empty_hours() {
    let from = "2026-11-24T22:00:00Z".parse().unwrap();
    let reports = HourReports { from, counts: vec![None, Some(12), Some(0), Some(7)] };
    let html = week("w", "sauna", &reports).into_string();
    assert!(html.contains("19 reports in 3 hours; 1 hours have 12 or more."), "{html}");
    assert!(html.contains(">Tue 24<") && html.contains(">Wed 25<"));
    assert!(html.contains("class=\"none\" d=\"M0 42l9.6 -20\""), "{html}");
}

#[test]
fn the_gauge_ends_at_what_the_connection_carries() {
    let points = [Some(PowerPoint::new(500.0, 100.0, 2000.0))];
    let html = gauge("g", "sauna", Some(Milliwatts(1_700_000)), Milliwatts(17_000_000), &points).into_string();
    assert!(
        html.contains("sauna: 1.70 kW now, of the 17.00 kW that the connection can carry; 100 W to 2.00 kW"),
        "{html}"
    );
    assert!(html.contains("x=\"10%\"") && html.contains(">17 kW<"));
}

/// All numbers in attributes that place something, with the largest that each may have.
fn places(html: &str) -> Vec<f64> {
    let mut all = Vec::new();
    for attribute in [" y1=\"", " y2=\"", " y=\"", " x1=\"", " x2=\"", " x=\"", " height=\"", " width=\""] {
        for rest in html.split(attribute).skip(1) {
            let value = rest.split('"').next().unwrap().trim_end_matches('%');
            all.push(value.parse::<f64>().unwrap_or(f64::NAN));
        }
    }
    all
}

/// The absolute heights of a path that is relative after the first place of each run, in its own units.
fn heights(path: &str) -> Vec<f64> {
    let mut all = Vec::new();
    for run in path.split('M').skip(1) {
        let numbers =
            run.trim_end_matches('z').replace("h0", "").replace("h1", "").replace('l', " ").replace('-', " -");
        let numbers: Vec<f64> = numbers.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let mut y = 0.0;
        for place in numbers.chunks(2) {
            y += place[1];
            all.push(y);
        }
    }
    all
}

proptest! {
    #[test]
    fn every_value_is_on_the_axis_and_ticks_are_few(values in proptest::collection::vec(any::<f64>(), 0..20)) {
        let scale = Scale::of(values.iter().copied());
        let ticks: Vec<_> = scale.ticks().collect();
        prop_assert!((2..=7).contains(&ticks.len()), "{:?}", ticks);
        prop_assert!(ticks.contains(&0.0), "{:?}", ticks);
        for value in values {
            let y = scale.y(value, 220.0);
            prop_assert!((0.0..=220.0).contains(&y));
        }
    }

    #[test]
    fn nothing_of_a_power_plot_is_outside_its_frame(
        points in proptest::collection::vec(proptest::option::of((any::<f32>(), any::<f32>(), any::<f32>())), 0..60),
    ) {
        let points: Vec<_> = points.into_iter().map(|point| point.map(|(a, b, c)| PowerPoint::new(a, b, c))).collect();
        let html = power("p", "sauna", &history(points)).into_string();
        prop_assert!(!html.contains("NaN\"") && !html.contains(" NaN") && !html.contains("inf"), "{}", html);
        for place in places(&html) {
            prop_assert!((-12.0..=260.0).contains(&place), "{}", place);
        }
        for path in ["class=\"ln\" d=\"", "class=\"ar\" d=\""] {
            let path = html.split(path).nth(1).unwrap().split('"').next().unwrap();
            for height in heights(path) {
                prop_assert!((0.0..=440.0).contains(&height), "{} in {}", height, path);
            }
        }
    }

    #[test]
    fn no_bar_is_outside_its_frame(energies in proptest::collection::vec(proptest::option::of(0u64..=9_007_199_254_740_991), 0..40)) {
        let all: Vec<_> = energies.iter().map(|energy| Bar {
            name: "a".to_owned(), label: None, energy: energy.and_then(MilliwattHours::new), remark: None,
        }).collect();
        let html = bars("d", "sauna", "day", 1, &all).into_string();
        prop_assert!(!html.contains("NaN") && !html.contains("inf"));
        for place in places(&html) {
            prop_assert!((-12.0..=260.0).contains(&place), "{}", place);
        }
    }
}
