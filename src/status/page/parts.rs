//! Parts of several pages: states, figures, sentences with their commands.

use maud::{Markup, html};

use crate::reporter::ReportingState;
use crate::status::document::{BusState, ClientStatus, Document, MeterState};
use crate::status::words;
use crate::units::{MilliwattHours, Milliwatts};

/// A state as it is shown: a shape, and the class of its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Ok,
    /// It stands for a while, and ends by itself or with a command.
    Held,
    /// Somebody has to go there.
    Bad,
    /// Nothing is lost.
    Advice,
}

impl Shape {
    pub(super) fn class(self) -> &'static str {
        match self {
            Shape::Ok => "ok",
            Shape::Held => "held",
            Shape::Bad => "bad",
            Shape::Advice => "adv",
        }
    }

    /// Without a word.
    pub(super) fn icon(self) -> Markup {
        html! { svg class=(format!("sh {}", self.class())) aria-hidden="true" { use href=(format!("#{}", self.class())) {} } }
    }
}

/// Shape and word.
pub(super) fn state(shape: Shape, word: &str) -> Markup {
    html! { span class=(format!("st {}", shape.class())) { svg aria-hidden="true" { use href=(format!("#{}", shape.class())) {} } (word) } }
}

pub(super) fn of_meter(state: MeterState) -> Shape {
    match state {
        MeterState::Ok => Shape::Ok,
        MeterState::Held => Shape::Held,
        MeterState::Stale | MeterState::Failing | MeterState::NeverRead => Shape::Bad,
    }
}

pub(super) fn of_bus(state: BusState) -> Shape {
    if state == BusState::Open { Shape::Ok } else { Shape::Bad }
}

pub(super) fn of_account(state: ReportingState) -> Shape {
    match state {
        ReportingState::Ok => Shape::Ok,
        ReportingState::Retrying => Shape::Held,
        ReportingState::Refused | ReportingState::NeverReported => Shape::Bad,
    }
}

/// Shape and word of a client.
pub(super) fn of_client(client: &ClientStatus, document: &Document) -> (Shape, &'static str) {
    let account = document.accounts.get(&client.account).map(|account| account.state).unwrap_or_default();
    match (&client.error, document.ledger.barred.is_some(), account) {
        (Some(_), ..) | (_, true, _) => (Shape::Bad, "not reported"),
        (.., ReportingState::Ok) => (Shape::Ok, "in order"),
        (.., ReportingState::Retrying) => (Shape::Held, "retrying"),
        (.., ReportingState::Refused) => (Shape::Bad, "refused"),
        (.., ReportingState::NeverReported) => (Shape::Bad, "never reported"),
    }
}

/// A power with a small unit.
pub(super) fn power(power: Option<Milliwatts>) -> Markup {
    let text = power.map(words::power);
    match text.as_deref().and_then(|text| text.split_once(' ')) {
        Some((figure, unit)) => html! { (figure) span.u { (unit) } },
        None => html! { "–" span.u { "unknown" } },
    }
}

/// `58.0 kWh`.
pub(super) fn kwh(energy: MilliwattHours) -> String {
    format!("{:.1} kWh", energy.kilowatt_hours())
}

/// A counter as the display shows it: thousands are set apart by space that is not text, decimals step back.
pub(super) fn counter(energy: MilliwattHours) -> Markup {
    let text = words::energy(energy);
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let decimals = rest.split(' ').next().unwrap_or_default();
    let first = (whole.len() - 1) % 3 + 1;
    html! {
        (whole[..first]) @for group in whole.as_bytes()[first..].chunks(3) { span.t { (String::from_utf8_lossy(group)) } }
        span.d { "." (decimals) } " kWh"
    }
}

/// A counter in its window, as on the display.
pub(super) fn window(energy: MilliwattHours) -> Markup {
    let text = words::energy(energy);
    let (whole, decimals) = text.trim_end_matches(" kWh").split_once('.').unwrap_or((&text, ""));
    html! { span.reg data-z=("0".repeat(6_usize.saturating_sub(whole.len()))) { (whole) span { "." (decimals) } } span.u { "kWh" } }
}

/// A sentence: what it sets in backticks is code, and a command of arkmeter is set apart, whole, to be copied.
pub(super) fn prose(sentence: &str) -> Markup {
    let parts: Vec<&str> = sentence.split('`').collect();
    let command = |index: usize, part: &str| index % 2 == 1 && part.starts_with("arkmeter ");
    let commands = parts.iter().enumerate().filter(|(index, part)| command(*index, part)).map(|(_, part)| part);
    html! {
        p { @for (index, part) in parts.iter().enumerate() { @if index % 2 == 1 { code { (part) } } @else { (part) } } }
        @for command in commands { code.cmd { (sudo(command)) } }
    }
}

/// Commands that change the ledger are for root.
fn sudo(command: &str) -> String {
    if command.starts_with("arkmeter ledger ") { format!("sudo {command}") } else { command.to_owned() }
}

/// One trouble or advice, in its frame.
pub(super) fn framed(shape: Shape, heading: &str, sentences: &[&str]) -> Markup {
    html! {
        section class=(format!("word w-{}", shape.class())) {
            h2 { (shape.icon()) span { (heading) } }
            @for sentence in sentences { (prose(sentence)) }
        }
    }
}
