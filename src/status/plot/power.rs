//! Power over the last 24 hours: the mean as a line, lowest to highest as an area. A gap ends both and is hatched. Nothing is smoothed.

use std::fmt::Write;

use jiff::Timestamp;
use maud::{Markup, html};

use super::scale::{Scale, number};
use super::{CursorValue, axis, cursor, table};
use crate::history::{MeterHistory, PowerPoint};
use crate::units::Milliwatts;

const HEIGHT: f64 = 220.0;
/// Units of the nested SVG for one point, and for one pixel of height.
const WIDE: usize = 2;
const FINE: f64 = 2.0;
/// Positions of the cursor: half hours.
const HALF_HOURS: usize = 48;
const POINTS_IN_SPARK: usize = 96;
/// One for each hour: a hundred rows have to fit on a page.
const POINTS_IN_ROW: usize = 24;

/// The plot of one meter or of several, as a figure. `id` is unique on the page.
pub(in crate::status) fn power(id: &str, what: &str, history: &MeterHistory) -> Markup {
    let points = &history.power;
    let scale = scale_of(points);
    let (title, desc) = (format!("{id}-t"), format!("{id}-d"));
    let readings = readings(history);
    html! {
        figure {
            div.stage {
                svg.pl role="img" height=(number(HEIGHT + 24.0)) aria-labelledby=(format!("{title} {desc}")) {
                    title id=(title) { "Power of " (what) ", last 24 hours" }
                    desc id=(desc) { (described(history)) }
                    @for (from, to) in gaps(points) {
                        rect x=(percent(from, points.len())) width=(percent(to - from, points.len())) height=(number(HEIGHT)) fill="url(#hatch)" opacity=".55" {}
                    }
                    (axis(&scale, HEIGHT, "kW"))
                    (hours(history))
                    (shapes(points, &scale, HEIGHT))
                }
                (cursor(id, &format!("Power of {what} per half hour: mean, min and max"), &readings))
            }
            (table("As a table, per hour", &format!("Power of {what} in kW, hours from (UTC)"), &["From", "Mean", "Min", "Max"], &hourly(history)))
        }
    }
}

/// A small plot without axes for a card.
pub(in crate::status) fn spark(id: &str, what: &str, history: &MeterHistory) -> Markup {
    const HEIGHT: f64 = 44.0;
    let points = join(&history.power, POINTS_IN_SPARK);
    let scale = scale_of(&points);
    let bottom = scale.y(0.0, HEIGHT - 0.5);
    html! {
        svg.pl role="img" height="44" aria-labelledby=(id) {
            title id=(id) { (what) ", power of the last 24 hours: " (described(history)) }
            @for (from, to) in gaps(&points) {
                rect x=(percent(from, points.len())) width=(percent(to - from, points.len())) height="44" fill="url(#hatch)" opacity=".6" {}
            }
            (shapes(&points, &scale, HEIGHT))
            line.ax x2="100%" y1=(number(bottom)) y2=(number(bottom)) {}
        }
    }
}

/// The line of a row in a list, without an area. The meter's page has the values for those who cannot see it.
pub(in crate::status) fn ribbon(history: &MeterHistory) -> Markup {
    let points = join(&history.power, POINTS_IN_ROW);
    html! {
        svg.pl aria-hidden="true" viewBox=(format!("0 0 {} 44", points.len() * WIDE)) preserveAspectRatio="none" {
            path.ln d=(line(&points, &scale_of(&points), 22.0)) {}
        }
    }
}

/// The path of the mean.
fn line(points: &[Option<PowerPoint>], scale: &Scale, height: f64) -> String {
    let mut path = String::new();
    for (at, run) in runs(points) {
        let y = |point: &PowerPoint| place(scale, point.mean, height);
        trace(&mut path, run.iter().enumerate().map(|(index, point)| (x(at + index), y(point))));
    }
    path
}

/// The path around lowest and highest.
fn area(points: &[Option<PowerPoint>], scale: &Scale, height: f64) -> String {
    let mut path = String::new();
    for (at, run) in runs(points) {
        let edge = run.iter().enumerate().map(|(index, point)| (x(at + index), place(scale, point.max, height)));
        let back = run.iter().enumerate().rev().map(|(index, point)| (x(at + index), place(scale, point.min, height)));
        trace(&mut path, edge.chain(back));
        path.push('z');
    }
    path
}

/// The points without a gap between them, each run with the index of its first.
fn runs(points: &[Option<PowerPoint>]) -> Vec<(usize, Vec<PowerPoint>)> {
    let mut runs: Vec<(usize, Vec<PowerPoint>)> = Vec::new();
    for (index, point) in points.iter().enumerate().filter_map(|(index, point)| Some((index, (*point)?))) {
        match runs.last_mut() {
            Some((at, run)) if *at + run.len() == index => run.push(point),
            _ => runs.push((index, vec![point])),
        }
    }
    runs
}

fn x(index: usize) -> i64 {
    (index * WIDE) as i64 + 1
}

fn place(scale: &Scale, watts: f32, height: f64) -> i64 {
    (scale.y(f64::from(watts) / 1e3, height) * FINE).round() as i64
}

/// The lowest and the highest sample in watts; `None` without any.
pub(in crate::status) fn extremes(points: &[Option<PowerPoint>]) -> Option<(f64, f64)> {
    let shown = points.iter().flatten().map(|point| (f64::from(point.min), f64::from(point.max)));
    shown.reduce(|(low, high), (min, max)| (low.min(min), high.max(max)))
}

/// In kilowatts.
fn scale_of(points: &[Option<PowerPoint>]) -> Scale {
    Scale::of(points.iter().flatten().flat_map(|point| [point.min, point.max].map(|watts| f64::from(watts) / 1e3)))
}

/// The nested SVG with area and line.
fn shapes(points: &[Option<PowerPoint>], scale: &Scale, height: f64) -> Markup {
    let view = format!("0 0 {} {}", (points.len() * WIDE).max(1), (height * FINE) as i64);
    html! {
        svg width="100%" height=(number(height)) viewBox=(view) preserveAspectRatio="none" {
            path.ar d=(area(points, scale, height)) {}
            path.ln d=(line(points, scale, height)) {}
        }
    }
}

/// Adds a path through these places, relative after the first. One place is a line of its own width.
fn trace(path: &mut String, places: impl Iterator<Item = (i64, i64)>) {
    let mut last = None;
    let mut count = 0;
    for (x, y) in places {
        let _ = match last {
            None => write!(path, "M{x} {y}h0l"),
            Some((from_x, from_y)) => {
                let (right, down) = (x - from_x, y - from_y);
                let space = |number: i64| if number < 0 { "" } else { " " };
                let before = if count == 1 { "" } else { space(right) };
                write!(path, "{before}{right}{}{down}", space(down))
            }
        };
        last = Some((x, y));
        count += 1;
    }
    if count == 1 {
        path.push_str("0 0h1");
    }
}

/// Runs of points without a value: first index and the one after the last.
pub(super) fn gaps(points: &[Option<PowerPoint>]) -> Vec<(usize, usize)> {
    let mut gaps: Vec<(usize, usize)> = Vec::new();
    // The newest point may only have begun.
    let shown = points.len() - usize::from(points.last().is_some_and(Option::is_none));
    for index in (0..shown).filter(|index| points[*index].is_none()) {
        match gaps.last_mut() {
            Some((_, end)) if *end == index => *end += 1,
            _ => gaps.push((index, index + 1)),
        }
    }
    // Before the first record there is no gap.
    gaps.retain(|(from, _)| *from > 0);
    gaps
}

/// `count` points, each of as many neighbours as there are more; a point without any value is a gap.
pub(super) fn join(points: &[Option<PowerPoint>], count: usize) -> Vec<Option<PowerPoint>> {
    let together = points.len().div_ceil(count).max(1);
    points.chunks(together).map(summary).collect()
}

fn summary(points: &[Option<PowerPoint>]) -> Option<PowerPoint> {
    let (low, high) = extremes(points)?;
    let known = points.iter().flatten();
    let mean = known.clone().map(|point| point.mean).sum::<f32>() / known.count() as f32;
    Some(PowerPoint::new(mean, low as f32, high as f32))
}

fn described(history: &MeterHistory) -> String {
    let points = &history.power;
    let Some(day) = summary(points) else { return "nothing recorded yet".to_owned() };
    let (peak, _) = points
        .iter()
        .enumerate()
        .filter_map(|(index, point)| point.map(|point| (index, point.max)))
        .fold((0, f32::MIN), |best, point| if point.1 > best.1 { point } else { best });
    let gaps = gaps(points);
    let unread =
        gaps.iter().map(|(from, to)| format!(" Not read from {} to {}.", time(history, *from), time(history, *to)));
    format!(
        "mean {}, min {}, max {} at {}.{}",
        words(day.mean),
        words(day.min),
        words(day.max),
        time(history, peak),
        unread.take(3).collect::<String>()
    )
}

fn readings(history: &MeterHistory) -> Vec<CursorValue> {
    let together = history.power.len() / HALF_HOURS;
    let reading = |(index, chunk): (usize, &[Option<PowerPoint>])| {
        let (value, more) = match summary(chunk) {
            Some(point) => (words(point.mean), format!(" ({} to {})", words(point.min), words(point.max))),
            None => ("not read".to_owned(), String::new()),
        };
        let until = format!(" to {}", time(history, (index + 1) * together.max(1)));
        CursorValue { when: time(history, index * together.max(1)), until, value, more }
    };
    history.power.chunks(together.max(1)).enumerate().map(reading).collect()
}

fn hourly(history: &MeterHistory) -> Vec<Vec<String>> {
    let together = (history.power.len() / 24).max(1);
    let kilo = |watts: f32| format!("{:.2}", watts / 1e3);
    let row = |(index, chunk): (usize, &[Option<PowerPoint>])| {
        let values = match summary(chunk) {
            Some(point) => [point.mean, point.min, point.max].map(kilo),
            None => ["not read", "", ""].map(str::to_owned),
        };
        [&[time(history, index * together)], &values[..]].concat()
    };
    history.power.chunks(together).enumerate().map(row).collect()
}

/// The ticks of the hours; every sixth has a label, every third on wide screens. At midnight there is the date and a line.
fn hours(history: &MeterHistory) -> Markup {
    const DAY: f64 = 86400.0;
    let begin = history.from.as_second();
    let ticks = (begin.div_euclid(3600) + 1..=(begin + 86400).div_euclid(3600)).filter_map(|hour| {
        let x = 100.0 * (hour * 3600 - begin) as f64 / DAY;
        let hour_of_day = hour.rem_euclid(24);
        (x <= 100.0).then_some((
            format!("{x:.2}%"),
            hour_of_day,
            Timestamp::from_second(hour * 3600).unwrap_or_default(),
            x,
        ))
    });
    html! {
        @for (x, hour, at, place) in ticks {
            line.tk x1=(x) x2=(x) y1=(number(HEIGHT)) y2=(number(HEIGHT + if hour % 6 == 0 { 7.0 } else { 4.0 })) {}
            @if hour == 0 { line.gr x1=(x) x2=(x) y1="0" y2=(number(HEIGHT)) {} }
            @if hour % 3 == 0 && (if hour == 0 { 9.0..=91.0 } else { 5.0..=95.0 }).contains(&place) {
                text.wide[hour % 6 != 0] x=(x) y=(number(HEIGHT + 20.0)) text-anchor="middle" {
                    @if hour == 0 { (at.strftime("%a %-d %b")) } @else { (at.strftime("%H:%M")) }
                }
            }
        }
    }
}

fn time(history: &MeterHistory, index: usize) -> String {
    let seconds = history.point.as_secs() * index as u64;
    let at = history.from.saturating_add(std::time::Duration::from_secs(seconds)).unwrap_or(history.from);
    at.strftime("%H:%M").to_string()
}

fn percent(points: usize, all: usize) -> String {
    format!("{:.2}%", 100.0 * points as f64 / all.max(1) as f64)
}

fn words(watts: f32) -> String {
    Milliwatts((f64::from(watts) * 1e3) as i64).in_words()
}
