//! The overview: what is wrong, total power, energy today, reports, and each meter and client.

use jiff::ToSpan;
use maud::{Markup, html};

use super::parts::{self, Shape, framed, of_account, of_bus, of_client, of_meter, state};
use super::{PageInputs, Part, frame, section};
use crate::history::{MeterHistory, PowerPoint};
use crate::status::document::{ClientStatus, Document, MeterStatus};
use crate::status::plot;
use crate::status::words;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// Meters, and clients, on one page.
pub(in crate::status) const METERS_ON_A_PAGE: usize = 100;
/// Up to as many meters have a card each; more have a row each.
const CARDS: usize = 12;
/// Points of the plot in a row.
const TROUBLE: usize = 20;

/// The overview; `number` counts the pages of meters from 1.
pub(in crate::status) fn overview(inputs: &PageInputs, number: usize) -> String {
    let document = &inputs.document;
    let (shape, verdict, short) = verdict(document);
    let all = together(inputs);
    let advice = document.advice.len();
    let main = html! {
        div.verdict {
            h1 { (shape.icon()) (verdict) }
            @if advice > 0 { p.q.s { (Shape::Advice.icon()) a href="#advice" { (advice) @if advice == 1 { " piece of advice" } @else { " pieces of advice" } } } }
        }
        @for sentence in document.trouble.iter().take(TROUBLE) { (trouble(inputs, sentence)) }
        @if document.trouble.len() > TROUBLE { p { "and " (document.trouble.len() - TROUBLE) " more: " code { "arkmeter status" } } }
        @if let Some(note) = &inputs.history_note { (framed(Shape::Advice, "History", &[note])) }
        div.outs {
            (power_now(inputs, &all))
            section.out.half { h2 { "Energy today, " (inputs.zone_name()) } (today(inputs, number)) }
            section.out.half { h2 { "Reports" } (reports(document)) }
        }
        (section("h24", "Power, last 24 h", &about_power(), &plot::power("p24", "all meters", &all)))
        (section("meters", "Meters", &html! { p { "Power now, and of the last 24 hours." } }, &meters(inputs, number)))
        (section("clients", "Clients", &html! { p { "What Arkreen has accepted. 12 reports make an hour complete, 2\u{202f}016 a week." } }, &clients(inputs, number)))
        @if advice > 0 {
            (section("advice", "Advice", &html! { p { "Nothing is lost." } }, &html! {
                @for sentence in document.advice.iter().take(TROUBLE) { div.word { (parts::prose(sentence)) } }
            }))
        }
        (section("lines", "Lines", &html! { p { "Since the start; response times of the last hour." } }, &lines(document)))
        (section("accounts", "Accounts", &html! {}, &accounts(document)))
    };
    frame(inputs, &short, Part::Overview, &main)
}

fn verdict(document: &Document) -> (Shape, String, String) {
    let held = document.meters.values().filter(|meter| of_meter(meter.state) == Shape::Held).count();
    match document.trouble.len() {
        0 => (Shape::Ok, "All is well.".to_owned(), "All is well".to_owned()),
        1 if held == 1 => (Shape::Held, "1 meter is held.".to_owned(), "1 held".to_owned()),
        troubles if troubles == held => (Shape::Held, format!("{held} meters are held."), format!("{held} held")),
        1 => (Shape::Bad, "1 thing needs attention.".to_owned(), "1 trouble".to_owned()),
        more => (Shape::Bad, format!("{more} things need attention."), format!("{more} troubles")),
    }
}

/// A sentence of trouble, with a link to its meter.
fn trouble(inputs: &PageInputs, sentence: &str) -> Markup {
    let document = &inputs.document;
    let meter = sentence.strip_prefix("Meter ").and_then(|rest| rest.split([' ', ':']).next());
    let known = meter.and_then(|name| document.meters.get_key_value(name));
    let shape = match known {
        Some((_, meter)) if of_meter(meter.state) == Shape::Held => Shape::Held,
        _ => Shape::Bad,
    };
    html! {
        div class=(format!("word w-{}", shape.class())) {
            (parts::prose(sentence))
            @if let Some((name, _)) = known { p { a href=(inputs.link(&format!("/meter/{name}"))) { "More about " (name) } } }
        }
    }
}

/// The history of all meters as one. A time in which a meter was not read is a gap only if none was.
fn together(inputs: &PageInputs) -> MeterHistory {
    let mut all = inputs.histories.values();
    let Some(mut sum) = all.next().cloned() else {
        let point = std::time::Duration::from_secs(1800);
        let from = inputs.document.at.saturating_sub(24.hours()).unwrap_or(inputs.document.at);
        return MeterHistory { from, point, power: vec![None; 48], days: Vec::new(), months: Vec::new() };
    };
    let add = |sum: &mut Option<PowerPoint>, other: &Option<PowerPoint>| {
        *sum = match (*sum, *other) {
            (Some(sum), Some(other)) => Some(sum.plus(other)),
            (sum, other) => sum.or(other),
        };
    };
    for history in all {
        sum.power.iter_mut().zip(&history.power).for_each(|(sum, other)| add(sum, other));
    }
    sum
}

fn about_power() -> Markup {
    html! {
        p { "All meters together: the means added, the lowest and the highest samples added." }
        (power_key())
    }
}

/// The legend of a plot of power.
pub(super) fn power_key() -> Markup {
    html! {
        ul.key {
            li { svg aria-hidden="true" { path.ln d="M0 7H26" {} } "mean" }
            li { svg aria-hidden="true" { path.ar d="M0 1H26V13H0z" {} } "min to max" }
            li { svg aria-hidden="true" { rect width="26" height="14" fill="url(#hatch)" {} } "not read" }
        }
    }
}

fn power_now(inputs: &PageInputs, all: &MeterHistory) -> Markup {
    let fresh = inputs.document.meters.values().filter(|meter| parts::of_meter(meter.state) != Shape::Bad);
    let powers: Vec<_> = fresh.filter_map(|meter| meter.power_mw).collect();
    let total =
        (!powers.is_empty()).then(|| Milliwatts(powers.iter().map(|power| power.0).fold(0, i64::saturating_add)));
    let limits = inputs.config.meters.values().map(|meter| meter.max_power.0).fold(0, i64::saturating_add);
    let silent = inputs.document.meters.len() - powers.len();
    html! {
        section.out {
            h2 { "Power now" }
            p.big { (parts::power(total)) }
            @if !inputs.config.meters.is_empty() { (plot::gauge("gt", "All meters", total, Milliwatts(limits), &all.power)) }
            @if silent > 0 { p.s.q { "without " (silent) @if silent == 1 { " meter" } @else { " meters" } " that is not read now" } }
        }
    }
}

fn today(inputs: &PageInputs, number: usize) -> Markup {
    let today = inputs.today();
    let of = |date: jiff::civil::Date| -> Option<MilliwattHours> {
        let days = inputs.histories.values().flat_map(|history| &history.days);
        let mut sums = days.filter(|day| day.begins == date).map(|day| day.energy);
        let first = sums.next()?;
        sums.try_fold(first, |sum, energy| sum.checked_add(energy))
    };
    let before = today.yesterday().ok().and_then(of);
    html! {
        p.big { @match of(today) { Some(energy) => { (format!("{:.1}", energy.kilowatt_hours())) span.u { "kWh" } }, None => { "–" } } }
        p.s.q { @match before { Some(energy) => { "yesterday " (parts::kwh(energy)) }, None => { "nothing recorded for yesterday" } } }
        @if inputs.local_zone != jiff::tz::TimeZone::UTC { p.s.q { (inputs.other_days(number)) } }
    }
}

fn reports(document: &Document) -> Markup {
    let states: Vec<_> = document.clients.values().map(|client| of_client(client, document)).collect();
    let good = states.iter().filter(|(shape, _)| *shape == Shape::Ok).count();
    let worst = states
        .iter()
        .find(|(shape, _)| *shape == Shape::Bad)
        .or(states.iter().find(|(shape, _)| *shape == Shape::Held));
    let (shape, word) = worst.copied().unwrap_or((Shape::Ok, "in order"));
    let last = document.clients.values().filter_map(|client| client.accepted_at).max();
    let next = document.accounts.values().filter_map(|account| account.next_report_at).min();
    html! {
        @if states.is_empty() {
            p.big { span.w { "none" } }
            p.s.q { "no meter has a client" }
        } @else {
            p.big { span.w { (shape.icon()) (word) } }
            p.s.q {
                (good) " of " (states.len()) " clients in order"
                @if let Some(last) = last { "; last accepted " (words::ago(last, document.at)) }
                @if let Some(next) = next { "; next " time datetime=(super::second(next)) { (next.strftime("%H:%M:%S")) } }
            }
        }
    }
}

fn meters(inputs: &PageInputs, number: usize) -> Markup {
    let all = &inputs.document.meters;
    let shown = all.iter().skip((number - 1) * METERS_ON_A_PAGE).take(METERS_ON_A_PAGE);
    html! {
        @if all.is_empty() { p { "No meter is configured: " code { "sudo arkmeter setup" } " finds them." } }
        @if all.len() <= CARDS {
            ul.cards { @for (index, (name, meter)) in shown.enumerate() { (card(inputs, index, name, meter)) } }
        } @else {
            ul { @for (name, meter) in shown { (row(inputs, name, meter)) } }
            (pages(inputs, all.len(), number))
        }
    }
}

/// Links to the other pages of meters.
fn pages(inputs: &PageInputs, meters: usize, number: usize) -> Markup {
    let last = meters.div_ceil(METERS_ON_A_PAGE).max(1);
    html! {
        @if last > 1 {
            nav.pages aria-label="Pages of meters" {
                @if number > 1 { a href=(inputs.link(&format!("/?page={}#meters", number - 1))) rel="prev" { "Previous " (METERS_ON_A_PAGE) } }
                span { "Page " (number) " of " (last) ", " (meters) " meters" }
                @if number < last { a href=(inputs.link(&format!("/?page={}#meters", number + 1))) rel="next" { "Next " (METERS_ON_A_PAGE) } }
            }
        }
    }
}

fn energy_today(inputs: &PageInputs, name: &Name) -> Option<MilliwattHours> {
    let today = inputs.today();
    inputs.histories.get(name)?.days.iter().find(|day| day.begins == today).map(|day| day.energy)
}

fn card(inputs: &PageInputs, index: usize, name: &Name, meter: &MeterStatus) -> Markup {
    let configured = inputs.config.meters.get(name);
    let history = inputs.histories.get(name);
    html! {
        li.card {
            div.ch { h3 { a href=(inputs.link(&format!("/meter/{name}"))) { (name) } } (state(of_meter(meter.state), &words::state(&meter.state))) }
            p.pw { (parts::power(meter.power_mw)) }
            @if let (Some(configured), Some(history)) = (configured, history) {
                (plot::gauge(&format!("g{index}"), name.as_str(), meter.power_mw, configured.max_power, &history.power))
                div.sp { (plot::spark(&format!("s{index}"), name.as_str(), history)) }
            }
            dl.cf {
                div { dt { "Today" } dd { (energy_today(inputs, name).map_or("–".to_owned(), parts::kwh)) } }
                div { dt { "Counter" } dd { @match meter.register_mwh { Some(register) => { (parts::counter(register)) }, None => { "–" } } } }
                div {
                    dt { (meter.bus) @if let Some(configured) = configured { ", unit " (configured.unit) } }
                    dd { @match meter.read_at { Some(at) => { "read " (words::ago(at, inputs.document.at)) }, None => { "never read" } } }
                }
            }
        }
    }
}

fn row(inputs: &PageInputs, name: &Name, meter: &MeterStatus) -> Markup {
    html! {
        li.mr {
            h3 { a href=(inputs.link(&format!("/meter/{name}"))) { (name) } }
            (state(of_meter(meter.state), &words::state(&meter.state)))
            span.n { (meter.power_mw.map_or("–".to_owned(), words::power)) }
            @match inputs.histories.get(name) { Some(history) => { (plot::ribbon(history)) }, None => { span {} } }
            span.n { (energy_today(inputs, name).map_or("–".to_owned(), parts::kwh)) }
            span.n.wide { (meter.read_at.map_or("never".to_owned(), |at| words::ago(at, inputs.document.at))) }
        }
    }
}

/// With many clients: those that are not in order, and links to the others.
fn clients(inputs: &PageInputs, number: usize) -> Markup {
    let document = &inputs.document;
    let few = document.clients.len() <= CARDS;
    let here = document.clients.iter().skip((number - 1) * METERS_ON_A_PAGE).take(METERS_ON_A_PAGE);
    let (rows, links): (Vec<_>, Vec<_>) =
        here.partition(|(_, client)| few || of_client(client, document).0 != Shape::Ok);
    let (shown, more) = rows.split_at(rows.len().min(TROUBLE));
    html! {
        @if document.clients.is_empty() { p { "No client is configured: nothing is reported." } }
        @if !shown.is_empty() {
            table {
                thead { tr {
                    th scope="col" { "Client" } th scope="col" { "State" } th.n scope="col" { "Accepted" }
                    th.n.wide scope="col" { "This hour" } th.n scope="col" { "This week" }
                } }
                tbody { @for (name, client) in shown { (client_row(inputs, name, client)) } }
            }
        }
        @if !more.is_empty() { p { (more.len()) " more are not in order:" } (client_links(inputs, more)) }
        @if !links.is_empty() { details { summary { (links.len()) " clients in order" } (client_links(inputs, &links)) } }
    }
}

fn client_links(inputs: &PageInputs, clients: &[(&Name, &ClientStatus)]) -> Markup {
    html! {
        ul.cols.links {
            @for (name, _) in clients { li { a href=(inputs.link(&format!("/client/{name}"))) { (name) } } }
        }
    }
}

fn client_row(inputs: &PageInputs, name: &Name, client: &ClientStatus) -> Markup {
    let (shape, word) = of_client(client, &inputs.document);
    html! {
        tr {
            th scope="row" { a href=(inputs.link(&format!("/client/{name}"))) { (name) } }
            td { (state(shape, word)) }
            td.n { @match client.accepted_mwh { Some(energy) => { (parts::counter(energy)) }, None => { "–" } } }
            td.n.wide { (client.hour_reports) }
            td.n { (plot::grouped(&client.week_reports.to_string())) }
        }
    }
}

fn lines(document: &Document) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Line" } th scope="col" { "State" } th.n scope="col" { "Answered" } th.n.wide scope="col" { "95 % within" }
                th.n.wide scope="col" { "Busy" }
            } }
            tbody {
                @for (name, bus) in document.buses.iter().take(METERS_ON_A_PAGE) {
                    @let [_, within, _, busy] = words::line_times(&bus.quality);
                    tr {
                        th scope="row" { (name) }
                        td { (state(of_bus(bus.state), &words::state(&bus.state))) }
                        td.n { (share(bus.counts.answers, bus.counts.requests)) }
                        td.n.wide { (within) }
                        td.n.wide { (busy) }
                    }
                }
            }
        }
    }
}

/// `96.0 %`.
pub(super) fn share(part: u64, all: u64) -> String {
    if all == 0 { "–".to_owned() } else { format!("{:.1} %", 100.0 * part as f64 / all as f64) }
}

fn accounts(document: &Document) -> Markup {
    html! {
        dl.facts {
            @for (name, account) in document.accounts.iter().take(METERS_ON_A_PAGE) {
                dt { (name) }
                dd {
                    (state(of_account(account.state), &words::state(&account.state)))
                    ", " (plot::grouped(&account.accepted.to_string())) " reports accepted, " (account.rejected) " refused since the start"
                }
            }
        }
    }
}
