//! Accepted reports per hour for a week: a row for each day, a cell for each hour. A full hour is filled, one with fewer is filled in part,
//! one without any has a stroke.

use std::fmt::Write;

use jiff::Timestamp;
use maud::{Markup, html};

use super::scale::number;
use super::table;

/// The reports of a full hour.
const FULL: u32 = crate::report_hours::FULL_HOUR;
const ROW: f64 = 22.0;

/// Accepted reports in each hour, the last one the hour that runs; `None` before the first that is known.
#[derive(Clone, Debug)]
pub(in crate::status) struct HourReports {
    /// When the first hour begins.
    pub(in crate::status) from: Timestamp,
    /// At most a week of them.
    pub(in crate::status) counts: Vec<Option<u32>>,
}

/// The week, as a figure.
pub(in crate::status) fn week(id: &str, what: &str, reports: &HourReports) -> Markup {
    let begin = reports.from.as_second().div_euclid(3600);
    let first_day = begin.div_euclid(24);
    let rows = (begin + reports.counts.len() as i64 - 1).div_euclid(24) - first_day + 1;
    let (mut full, mut part, mut none) = (String::new(), String::new(), String::new());
    for (index, count) in reports.counts.iter().enumerate() {
        let Some(count) = count else { continue };
        let hour = begin + index as i64;
        let (x, y) = (hour.rem_euclid(24) * 10, (hour.div_euclid(24) - first_day) as f64 * ROW);
        let _ = match (*count).min(FULL) {
            FULL => write!(full, "M{x} {}h9.6v20h-9.6z", number(y)),
            0 => write!(none, "M{x} {}l9.6 -20", number(y + 20.0)),
            some => {
                let height = 20.0 * f64::from(some) / f64::from(FULL);
                write!(part, "M{x} {}h9.6v{}h-9.6z", number(y + 20.0 - height), number(height))
            }
        };
    }
    let height = rows as f64 * ROW;
    let (title, desc) = (format!("{id}-t"), format!("{id}-d"));
    html! {
        figure.week {
            div.stage {
                svg.pl role="img" height=(number(height + 22.0)) aria-labelledby=(format!("{title} {desc}")) {
                    title id=(title) { "Reports of " (what) " that Arkreen accepted, per hour" }
                    desc id=(desc) { (described(reports)) }
                    @for row in 0..rows {
                        text x="-8" y=(number(row as f64 * ROW + 15.0)) text-anchor="end" { (day(first_day + row)) }
                    }
                    svg width="100%" height=(number(height)) viewBox=(format!("0 0 240 {}", number(height))) preserveAspectRatio="none" {
                        path.full d=(full) {}
                        path.part d=(part) {}
                        path.none d=(none) {}
                    }
                    @for hour in [0, 6, 12, 18] {
                        text x=(format!("{}%", number(f64::from(hour) * 100.0 / 24.0))) y=(number(height + 14.0)) { (format!("{hour:02}:00")) }
                    }
                }
                (cells(id, what, reports))
            }
            (table("As a table, per day", &format!("Accepted reports of {what} per UTC day"), &["Day", "Reports", "Full hours"], &daily(reports)))
        }
    }
}

/// The cursor: a cell for each hour, in rows of a day.
fn cells(id: &str, what: &str, reports: &HourReports) -> Markup {
    let begin = reports.from.as_second().div_euclid(3600);
    html! {
        fieldset.cur {
            legend.vh { "Reports of " (what) " in one hour" }
            @for _ in 0..begin.rem_euclid(24) { div {} }
            @for (index, count) in reports.counts.iter().enumerate() {
                label {
                    input type="radio" name=(id) id=(format!("{id}-{index}")) checked[index + 1 == reports.counts.len()];
                    span {
                        (Timestamp::from_second((begin + index as i64) * 3600).unwrap_or_default().strftime("%a %-d, %-H h"))
                        b { @match count { Some(count) => { (count) " of " (FULL) }, None => { "before the first" } } }
                    }
                }
            }
        }
    }
}

fn described(reports: &HourReports) -> String {
    let known = || reports.counts.iter().flatten();
    let full = known().filter(|count| **count >= FULL).count();
    format!("{} reports in {} hours; {full} hours have {FULL} or more.", known().sum::<u32>(), known().count())
}

fn daily(reports: &HourReports) -> Vec<Vec<String>> {
    let begin = reports.from.as_second().div_euclid(3600);
    let mut days: Vec<(i64, u32, usize)> = Vec::new();
    for (index, count) in reports.counts.iter().enumerate() {
        let (Some(count), number) = (count, (begin + index as i64).div_euclid(24)) else { continue };
        if days.last().is_none_or(|(last, ..)| *last != number) {
            days.push((number, 0, 0));
        }
        if let Some((_, sum, full)) = days.last_mut() {
            *sum += count;
            *full += usize::from(*count >= FULL);
        }
    }
    days.into_iter().map(|(number, sum, full)| vec![day(number), sum.to_string(), full.to_string()]).collect()
}

/// `Wed 25` of a day that is counted from 1970.
fn day(number: i64) -> String {
    Timestamp::from_second(number * 86400).unwrap_or_default().strftime("%a %-d").to_string()
}
