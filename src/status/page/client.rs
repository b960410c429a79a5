//! The page of one client: the accepted figure, reports per hour for a week, its meters.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use maud::{Markup, html};

use super::meter::energy;
use super::parts::{self, framed, of_client, of_meter, state};
use super::{PageInputs, Part, frame, section};
use crate::history::EnergyPeriod;
use crate::report_hours::{FULL_HOUR, FULL_WEEK};
use crate::status::document::{ClientStatus, Document};
use crate::status::plot::{self, HourReports};
use crate::status::words;
use crate::units::Name;

/// Members, and other clients, that are listed.
const MOST_LISTED: usize = 100;

/// The page; `None` if there is no such client.
pub(in crate::status) fn client(inputs: &PageInputs, name: &Name) -> Option<String> {
    let document = &inputs.document;
    let client = document.clients.get(name)?;
    let (shape, word) = of_client(client, document);
    let account = document.accounts.get(&client.account);
    let (days, months) = (sums(inputs, client, false), sums(inputs, client, true));
    let main = html! {
        (others(inputs, name))
        div.head {
            h1 { (name) " " (state(shape, word)) }
            p {
                @if client.meters.len() > 1 { (client.meters.len()) " meters, reported as one figure to account " } @else { "Reported to account " }
                (client.account) ". Identifier " span.m { (client.client_id) }
            }
        }
        @if let Some(error) = client.error.as_ref().or(account.and_then(|account| account.error.as_ref())) {
            (framed(shape, &format!("This client is {word}"), &[error]))
        }
        div.outs {
            section.out { h2 { "Accepted by Arkreen" } (accepted(document, client)) }
            section.out.half {
                h2 { "Reports this hour" }
                p.big { (client.hour_reports) span.u { "of " (FULL_HOUR) } }
                @if let Some(next) = account.and_then(|account| account.next_report_at) { p.s.q { "next at " (next.strftime("%H:%M:%S UTC")) } }
            }
            section.out.half {
                h2 { "This week" }
                p.big { (plot::grouped(&client.week_reports.to_string())) span.u { "of " (plot::grouped(&FULL_WEEK.to_string())) } }
                p.s.q { "at most " (FULL_HOUR) " an hour count" }
            }
        }
        (section("hw", "Reports per hour", &html! {
            p { (FULL_HOUR) " an hour are complete; hours in UTC." }
            ul.key {
                li { svg aria-hidden="true" { path.full d="M8 0H20V14H8z" {} } (FULL_HOUR) ", complete" }
                li { svg aria-hidden="true" { path.part d="M8 7H20V14H8z" {} } "fewer" }
                li { svg aria-hidden="true" { path.none d="M8 13L20 1" {} } "none" }
            }
        }, &plot::week("w", name.as_str(), &week(document, client))))
        (section("hme", "Meters", &html! { p { "The client's figure is the sum of its meters' published energy." } }, &members(inputs, client)))
        (energy(inputs, name.as_str(), &days, &months))
    };
    Some(frame(inputs, &format!("{name}: {word}"), Part::Clients, &main))
}

fn others(inputs: &PageInputs, name: &Name) -> Markup {
    let document = &inputs.document;
    html! {
        nav.sib aria-label="Clients" {
            ul {
                @for (other, client) in document.clients.iter().take(MOST_LISTED) {
                    @let (shape, word) = of_client(client, document);
                    li {
                        a href=(inputs.link(&format!("/client/{other}"))) aria-current=[(other == name).then_some("page")] {
                            (shape.icon()) (other) span.vh { ", " (word) }
                        }
                    }
                }
            }
        }
    }
}

fn accepted(document: &Document, client: &ClientStatus) -> Markup {
    let behind = client.energy_mwh.zip(client.accepted_mwh).map(|(energy, accepted)| energy.saturating_sub(accepted));
    html! {
        @match client.accepted_mwh { Some(energy) => { p { (parts::window(energy)) } }, None => { p.big { span.w { "nothing yet" } } } }
        p.s.q {
            @if let Some(at) = client.accepted_at { (words::ago(at, document.at)) }
            @if let Some(behind) = behind { "; " (words::energy(behind)) " below the figure on disk" }
        }
    }
}

/// The hours of the last week. Before the first report nothing is known, so nothing is missing.
fn week(document: &Document, client: &ClientStatus) -> HourReports {
    let hour = document.at.as_second().div_euclid(3600) - client.week.len().saturating_sub(1) as i64;
    let first = client.week.iter().position(|count| *count > 0).unwrap_or(client.week.len());
    let counts = client.week.iter().enumerate();
    HourReports {
        from: jiff::Timestamp::from_second(hour * 3600).unwrap_or(document.at),
        counts: counts.map(|(index, count)| (index >= first).then_some(u32::from(*count))).collect(),
    }
}

fn members(inputs: &PageInputs, client: &ClientStatus) -> Markup {
    let document = &inputs.document;
    html! {
        table.slim {
            thead { tr { th scope="col" { "Meter" } th scope="col" { "State" } th.n scope="col" { "Published" } } }
            tbody {
                @for (name, meter) in client.meters.iter().take(MOST_LISTED).filter_map(|name| document.meters.get_key_value(name)) {
                    tr {
                        th scope="row" { a href=(inputs.link(&format!("/meter/{name}"))) { (name) } }
                        td { (state(of_meter(meter.state), &words::state(&meter.state))) }
                        td.n { @match meter.published_mwh { Some(energy) => { (parts::counter(energy)) }, None => { "–" } } }
                    }
                }
            }
        }
        @if client.meters.len() > MOST_LISTED { p { "and " (client.meters.len() - MOST_LISTED) " more" } }
    }
}

/// The sums of its meters' days or months. A day counts as recorded as long as the meter with the least of it.
fn sums(inputs: &PageInputs, client: &ClientStatus, months: bool) -> Vec<EnergyPeriod> {
    let mut sums: BTreeMap<Date, EnergyPeriod> = BTreeMap::new();
    for history in client.meters.iter().filter_map(|meter| inputs.histories.get(meter)) {
        for period in if months { &history.months } else { &history.days } {
            let sum = sums.entry(period.begins).or_insert(EnergyPeriod { energy: Default::default(), ..*period });
            sum.energy = sum.energy.checked_add(period.energy).unwrap_or(sum.energy);
            sum.covered = sum.covered.min(period.covered);
        }
    }
    let oldest = inputs.today().saturating_sub(2.years());
    sums.into_values().filter(|period| period.begins > oldest).collect()
}
