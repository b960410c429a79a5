//! The page of one meter: power, energy per day and month, its journal, its line.

use jiff::ToSpan;
use jiff::civil::Date;
use maud::{Markup, html};

use super::overview::{power_key, share};
use super::parts::{self, Shape, framed, of_meter, state};
use super::{PageInputs, Part, frame, second, section};
use crate::config::MeterConfig;
use crate::history::{EnergyPeriod, MeterHistory};
use crate::ledger::shown::{ShownEntry, ShownJournal};
use crate::status::Counts;
use crate::status::document::MeterStatus;
use crate::status::plot::{self, Bar};
use crate::status::words;
use crate::units::{MilliwattHours, Name};

/// A day with less recorded time than this has gaps.
const WHOLE_DAY_S: u64 = 86_400 - 900;
const DAYS: i32 = 30;
const MONTHS: i32 = 12;
/// With more meters, the list of the others is folded.
const OTHERS: usize = 12;
const MOST_OTHERS: usize = 100;

/// What could be read of the ledger for the page.
pub(in crate::status) struct Journal {
    /// The newest entries, or why there are none, as a message.
    pub(in crate::status) entries: Result<ShownJournal, String>,
    /// The serial number that the ledger has.
    pub(in crate::status) serial: Option<String>,
}

/// The page; `None` if there is no such meter.
pub(in crate::status) fn meter(inputs: &PageInputs, name: &Name, journal: &Journal) -> Option<String> {
    let status = inputs.document.meters.get(name)?;
    let configured = inputs.config.meters.get(name)?;
    let history = inputs.histories.get(name)?;
    let word = words::state(&status.state);
    let client = inputs.config.clients.values().find(|client| client.meters.contains(name));
    let profile = &configured.profile;
    let main = html! {
        (others(inputs, name))
        div.head {
            h1 { (name) " " (state(of_meter(status.state), &word)) }
            p {
                (profile.vendor) " " (profile.model) ", " (configured.bus) ", unit " (configured.unit) ". "
                @match client {
                    Some(client) => { "Reported as client " a href=(inputs.link(&format!("/client/{}", client.name))) { (client.name) } "." },
                    None => { "Not reported: it has no client." },
                }
            }
        }
        (troubles(status, &word))
        @if let Some(note) = &inputs.history_note { (framed(Shape::Advice, "History", &[note])) }
        div.outs {
            section.out {
                h2 { "Power now" }
                p.big { (parts::power(status.power_mw)) }
                (plot::gauge("gs", name.as_str(), status.power_mw, configured.max_power, &history.power))
            }
            section.out { (counters(inputs, status)) }
            section.out { h2 { "Energy today, " (inputs.zone_name()) } (today(inputs, history)) }
        }
        (section("h24", "Power, last 24 h", &html! {
            p { "As measured by the meter, every " (humantime::format_duration(configured.poll_every)) "." }
            (power_key())
        }, &plot::power("p24", name.as_str(), history)))
        (energy(inputs, name.as_str(), &history.days, &history.months))
        (section("hj", "Journal", &html! { p { "Each decision about the figure and its reason, the newest first." } }, &entries(journal)))
        (section("hl", "Line", &html! { p { "Requests to this unit." } }, &line(status)))
        (section("hm", "Meter", &html! {}, &facts(status, configured, journal)))
    };
    Some(frame(inputs, &format!("{name}: {word}"), Part::Meters, &main))
}

/// The sections of energy per day and per month; also of a client.
pub(super) fn energy(inputs: &PageInputs, what: &str, days: &[EnergyPeriod], months: &[EnergyPeriod]) -> Markup {
    let today = inputs.today();
    let known: Vec<_> = day_bars(days, today);
    let per_month = month_bars(months, today);
    let sum = per_month.iter().filter_map(|bar| bar.energy).map(MilliwattHours::kilowatt_hours).sum::<f64>();
    let key = html! {
        ul.key {
            li { svg aria-hidden="true" { path.br d="M8 0H18V14H8z" {} } "whole" }
            li { svg aria-hidden="true" { path.ar d="M8 1H18V14H8z" {} path.so d="M8 14V1H18V14" {} } "so far, or with gaps" }
            li { svg aria-hidden="true" { path.mn d="M0 7H26" {} } "mean of whole days" }
        }
    };
    html! {
        (section("hd", "Energy per day", &html! { p {
                "Published energy; days in " (inputs.zone_name()) @if !inputs.is_local() { ", as Arkreen counts" } ". " (inputs.other_days(1))
            } (key) },
            &plot::bars("pd", &format!("{what}, energy per day, last 30 days"), "day", 1, &known)))
        (section("hmo", "Energy per month", &html! { p { (plot::grouped(&format!("{sum:.0}"))) " kWh in the months shown." } },
            &plot::bars("pm", &format!("{what}, energy per month, last 12 months"), "month", 0, &per_month)))
    }
}

/// The last 30 days up to today, from the first with a record.
fn day_bars(days: &[EnergyPeriod], today: Date) -> Vec<Bar> {
    let first = days.first().map_or(today, |day| day.begins).max(today.saturating_sub((DAYS - 1).days()));
    let all = first.series(1.day()).take_while(|date| *date <= today);
    let bar = |date: Date| {
        let day = days.iter().find(|day| day.begins == date);
        let covered = day.and_then(|day| day.covered).map_or(0, |covered| covered.as_secs());
        Bar {
            name: date.strftime("%a %-d %b").to_string(),
            label: (date.weekday() == jiff::civil::Weekday::Monday).then(|| date.strftime("%-d %b").to_string()),
            energy: day.map(|day| day.energy),
            remark: match date {
                date if date == today => Some("so far"),
                _ if day.is_some() && covered < WHOLE_DAY_S => Some("with gaps"),
                _ => None,
            },
        }
    };
    all.map(bar).collect()
}

/// The last 12 months up to this one, from the first with a record.
fn month_bars(months: &[EnergyPeriod], today: Date) -> Vec<Bar> {
    let this = today.first_of_month();
    let first = months.first().map_or(this, |month| month.begins).max(this.saturating_sub((MONTHS - 1).months()));
    let all = first.series(1.month()).take_while(|date| *date <= this);
    let bar = |date: Date| Bar {
        name: date.strftime("%b %Y").to_string(),
        label: Some(date.strftime("%b").to_string()),
        energy: months.iter().find(|month| month.begins == date).map(|month| month.energy),
        remark: (date == this).then_some("so far"),
    };
    all.map(bar).collect()
}

fn others(inputs: &PageInputs, name: &Name) -> Markup {
    let all = &inputs.document.meters;
    let list = html! {
        ul {
            @for (other, meter) in all.iter().take(MOST_OTHERS) {
                li {
                    a href=(inputs.link(&format!("/meter/{other}"))) aria-current=[(other == name).then_some("page")] {
                        (of_meter(meter.state).icon()) (other) span.vh { ", " (words::state(&meter.state)) }
                    }
                }
            }
        }
    };
    html! {
        nav.sib aria-label="Meters" {
            @if all.len() <= OTHERS { (list) } @else { details { summary { (all.len()) " meters" } (list) } }
        }
    }
}

fn troubles(status: &MeterStatus, word: &str) -> Markup {
    let shape = of_meter(status.state);
    let causes: Vec<&str> = [&status.held, &status.error].into_iter().flatten().map(String::as_str).collect();
    let faults: Vec<&str> = status.faults.iter().map(String::as_str).collect();
    let advice: Vec<&str> = status.advice.iter().chain(&status.stands).map(String::as_str).collect();
    html! {
        @if shape != Shape::Ok && !causes.is_empty() { (framed(shape, &format!("This meter is {word}"), &causes)) }
        @if !faults.is_empty() { (framed(Shape::Bad, "Wrong at the meter", &faults)) }
        @if !advice.is_empty() { (framed(Shape::Advice, "To be checked", &advice)) }
    }
}

fn counters(inputs: &PageInputs, status: &MeterStatus) -> Markup {
    let window = |energy: Option<MilliwattHours>| {
        html! { p { @match energy { Some(energy) => { (parts::window(energy)) }, None => { "–" } } } }
    };
    let (published, register) = (status.published_mwh, status.register_mwh);
    html! {
        div.two {
            div {
                h2 { "Counter, as on the display" }
                (window(register))
                p.s.q { @match status.read_at { Some(at) => { "read " (words::ago(at, inputs.document.at)) }, None => { "never read" } } }
            }
            div { h2 { "Published" } (window(published)) @if published.is_none() { p.s.q { "the figure has not begun" } } }
        }
    }
}

fn today(inputs: &PageInputs, history: &MeterHistory) -> Markup {
    let today = inputs.today();
    let of = |date: Option<Date>| history.days.iter().find(|day| Some(day.begins) == date).map(|day| day.energy);
    html! {
        p.big { @match of(Some(today)) { Some(energy) => { (format!("{:.1}", energy.kilowatt_hours())) span.u { "kWh" } }, None => { "–" } } }
        p.s.q { @match of(today.yesterday().ok()) { Some(energy) => { "yesterday " (parts::kwh(energy)) }, None => { "nothing recorded for yesterday" } } }
    }
}

fn entries(journal: &Journal) -> Markup {
    let entries = match &journal.entries {
        Ok(journal) => &journal.entries,
        Err(why) => return html! { p { "The journal cannot be shown now: " (why) "." } },
    };
    html! {
        @if entries.is_empty() { p { "No decision yet." } }
        @else { ol.jn { @for entry in entries { (one_entry(entry)) } } }
    }
}

fn one_entry(entry: &ShownEntry) -> Markup {
    /// Decisions after which nothing is open.
    const OPEN: [&str; 3] = ["held", "stepped", "unreadable"];
    let shape = if OPEN.contains(&entry.word.as_str()) { Shape::Held } else { Shape::Ok };
    html! {
        li {
            time datetime=(second(entry.at)) { (entry.at.strftime("%-d %b %Y, %H:%M:%S")) }
            (state(shape, &entry.word))
            div {
                (parts::prose(&capital(&entry.reason)))
                @if entry.count > 1 { p.q.s { (entry.count) " times, last on " (entry.last.strftime("%-d %b %Y, %H:%M:%S")) } }
            }
            span.no { "no. " (entry.id) }
        }
    }
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase().to_string()).unwrap_or_default();
    let text = first + letters.as_str();
    if text.ends_with(['.', '`']) { text } else { text + "." }
}

fn line(status: &MeterStatus) -> Markup {
    let quality = &status.quality;
    let count =
        |from: &Counts, names: &[&str]| names.iter().map(|name| from.get(name).unwrap_or_default()).sum::<u64>();
    let rows: [(&str, &[&str]); 5] = [
        ("Requests", &["requests"]),
        ("Answered", &["answers"]),
        ("Timeouts", &["timeouts"]),
        ("Corrupted", &["crc_errors", "wrong_unit", "wrong_function", "wrong_length", "incomplete", "noise"]),
        ("Refused by the meter", &["exceptions"]),
    ];
    let [half, most, nearly, _] = words::line_times(quality);
    html! {
        table.slim {
            thead { tr { td {} th.n scope="col" { "Last hour" } th.n scope="col" { "Since the start" } } }
            tbody {
                @for (name, kinds) in rows {
                    tr {
                        th scope="row" { (name) }
                        td.n { (plot::grouped(&count(&quality.recent, kinds).to_string())) }
                        td.n { (plot::grouped(&count(&quality.total, kinds).to_string())) }
                    }
                }
                tr {
                    th scope="row" { "Share answered" }
                    td.n { (share(count(&quality.recent, &["answers"]), count(&quality.recent, &["requests"]))) }
                    td.n { (share(count(&quality.total, &["answers"]), count(&quality.total, &["requests"]))) }
                }
                @if !half.is_empty() {
                    tr { th scope="row" { "50, 95, 99 % within" } td.n { (half) ", " (most) ", " (nearly) } td {} }
                }
            }
        }
    }
}

fn facts(status: &MeterStatus, configured: &MeterConfig, journal: &Journal) -> Markup {
    html! {
        dl.facts {
            dt { "Serial number" } dd { @match &journal.serial { Some(serial) => { span.m { (serial) } }, None => { "not read" } } }
            dt { "Profile" } dd { (configured.profile.name) @if let Some(map) = &status.map { ", " (map) } }
            dt { "Connection" } dd { "up to " (words::power(configured.max_power)) }
            dt { "Direction" } dd { @if configured.installation.reversed { "reversed" } @else { "as wired" } }
            dt { "Polled" } dd { "every " (humantime::format_duration(configured.poll_every)) ", " (plot::grouped(&status.polls.to_string())) " times since the start, " (status.failures) " failed" }
        }
    }
}
