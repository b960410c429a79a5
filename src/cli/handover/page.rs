//! The sheet as a page to print: one file without script, and without a request to elsewhere. Pure.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::sheet::{HandoverSheet, SheetMeter, moment};
use crate::status::words;

const STYLE: &str = include_str!("sheet.css");
/// The digits of a display.
const DIGITS: [usize; 2] = [6, 3];

/// The whole page.
pub(super) fn page(sheet: &HandoverSheet) -> String {
    let title = format!("Handover sheet, {}, {}", sheet.host, moment(sheet.at));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header { h1 { "Handover sheet" } p { (sheet.host) ", " (moment(sheet.at)) } }
                    div.fields { p { "Site" } p { "Installed by" } }
                    h2 { "Box" }
                    dl.facts {
                        @for (name, fact) in &sheet.facts {
                            dt { (name) } dd { (fact) }
                        }
                    }
                    h2 { "Meters" }
                    @for meter in &sheet.meters { (of_meter(meter)) }
                    @if !sheet.clients.is_empty() { (clients(sheet)) }
                    div.fields { p { "Compared with the displays: name, date, signature" } p { "Handed over to: name, date, signature" } }
                }
            }
        }
    };
    page.into_string() + "\n"
}

fn of_meter(meter: &SheetMeter) -> Markup {
    html! {
        section {
            h3 { (meter.name) @if let Some(state) = &meter.state { " " strong { (state) } } }
            p { (meter.model) }
            dl.facts {
                dt { "Line" } dd { (meter.line) "; " (meter.quality) }
                dt { "Connection" } dd { (meter.connection) }
                @if let Some(begun) = &meter.begun { dt { "Counted since" } dd { (begun) } }
                @for remark in &meter.remarks { dt { "To check" } dd { (remark) } }
                dt { "Reading" }
                dd { b { @match meter.reading { Some(reading) => (words::energy(reading)), None => "no counter" } } }
                dt { "Display reads" }
                dd.digits {
                    @for (place, digits) in DIGITS.iter().enumerate() {
                        @if place > 0 { b { "." } }
                        @for _ in 0..*digits { i {} }
                    }
                    " kWh"
                }
            }
        }
    }
}

fn clients(sheet: &HandoverSheet) -> Markup {
    html! {
        h2 { "Clients of the Arkreen Network" }
        table {
            thead { tr { th scope="col" { "Client" } th scope="col" { "Identifier" } th scope="col" { "Meters" } th scope="col" { "Last accepted report" } } }
            tbody {
                @for client in &sheet.clients {
                    tr { th scope="row" { (client.name) } td { code { (client.client_id) } } td { (client.meters) } td { (client.accepted) } }
                }
            }
        }
    }
}
