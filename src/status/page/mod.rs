//! The pages: overview, meter, client. HTML from the status document, the configuration and the history; they load nothing from
//! elsewhere, work without a script, and are read-only. Pure.

mod client;
mod meter;
mod overview;
mod parts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, html};

use super::document::Document;
use super::words;
use crate::config::Config;
use crate::history::{Calendar, MeterHistory};
use crate::units::Name;

pub(super) use client::client;
pub(super) use meter::{Journal, meter};
pub(super) use overview::{METERS_ON_A_PAGE, overview};

/// The style of all pages.
pub(super) const STYLE: &str = include_str!("page.css");
/// Replaces the main part by a fresh one; without it the pages work all the same.
pub(super) const SCRIPT: &str = include_str!("page.js");
/// The icon of the browser's tab.
pub(super) const ICON: &str = include_str!("icon.svg");

/// What the pages show.
pub(super) struct PageInputs {
    pub(super) document: Document,
    pub(super) config: std::sync::Arc<Config>,
    /// Of the meters that the page shows.
    pub(super) histories: BTreeMap<Name, MeterHistory>,
    /// Why the history lacks something.
    pub(super) history_note: Option<String>,
    /// How the days and months are counted.
    pub(super) calendar: Calendar,
    /// The box's time zone.
    pub(super) local_zone: TimeZone,
    /// The box.
    pub(super) host: String,
}

/// `?days=local` of a page: days of the box's time zone.
pub(super) const LOCAL_DAYS: &str = "local";

impl PageInputs {
    /// Days of the box's time zone are shown, and are not those of UTC.
    fn is_local(&self) -> bool {
        self.calendar == Calendar::Local && self.local_zone != TimeZone::UTC
    }

    /// The present day.
    fn today(&self) -> jiff::civil::Date {
        let zone = if self.is_local() { self.local_zone.clone() } else { TimeZone::UTC };
        self.document.at.to_zoned(zone).date()
    }

    /// `UTC`, or the box's time zone.
    fn zone_name(&self) -> &str {
        if self.is_local() { self.local_zone.iana_name().unwrap_or("the time zone of this box") } else { "UTC" }
    }

    /// The address of another page that counts days in the same way.
    fn link(&self, path: &str) -> String {
        let (path, place) = path.split_once('#').unwrap_or((path, ""));
        let query = match (self.is_local(), path.contains('?')) {
            (false, _) => "",
            (true, false) => "?days=local",
            (true, true) => "&days=local",
        };
        let hash = if place.is_empty() { "" } else { "#" };
        format!("{path}{query}{hash}{place}")
    }

    /// A link to the same page, with this number, and the other way to count days; nothing on a box in UTC.
    fn other_days(&self, number: usize) -> Markup {
        let number = if number > 1 { format!("page={number}") } else { String::new() };
        let and = if number.is_empty() { "" } else { "&" };
        html! {
            @if self.is_local() { a href=(format!("?{number}")) { "Days in UTC" } }
            @else if self.local_zone != TimeZone::UTC { a href=(format!("?{number}{and}days={LOCAL_DAYS}")) { "Days of this box" } }
        }
    }
}

/// Which part of the navigation is the present one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Overview,
    Meters,
    Clients,
}

/// The shapes of the states and the hatching of gaps, which all plots use.
const SHAPES: &str = "<svg class=\"vh\" width=\"1\" height=\"1\" aria-hidden=\"true\"><defs>\
<symbol id=\"ok\" viewBox=\"0 0 12 12\"><circle cx=\"6\" cy=\"6\" r=\"5\"/></symbol>\
<symbol id=\"held\" viewBox=\"0 0 12 12\"><path d=\"M6 0l6 6-6 6-6-6z\"/></symbol>\
<symbol id=\"bad\" viewBox=\"0 0 12 12\"><path d=\"M6 .3 12 11.5H0z\"/></symbol>\
<symbol id=\"adv\" viewBox=\"0 0 12 12\"><path fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.8\" d=\"M1 1h10v10H1z\"/></symbol>\
<pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path class=\"hx\" d=\"M0 0V6\"/></pattern>\
</defs></svg>";

const MARK: &str = "<svg viewBox=\"0 0 22 18\" aria-hidden=\"true\"><path d=\"M1 18v-6M6 18v-9M16 18v-9M21 18v-6\" stroke=\"currentColor\" \
stroke-width=\"2\" fill=\"none\"/><path d=\"M11 18V0\" stroke=\"currentColor\" stroke-width=\"3\"/></svg>";

/// A whole page around its main part.
fn frame(inputs: &PageInputs, title: &str, part: Part, main: &Markup) -> String {
    let document = &inputs.document;
    let now = document.at;
    let version = &document.version;
    let item = |this: Part, address: &str, name: &str| {
        html! { li { a href=(inputs.link(address)) aria-current=[(this == part).then_some(if address == "/" { "page" } else { "true" })] { (name) } } }
    };
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { (title) " – " (inputs.host) " – arkmeter" }
                link rel="icon" type="image/svg+xml" href=(format!("/icon.svg?{version}"));
                link rel="stylesheet" href=(format!("/page.css?{version}"));
                script src=(format!("/page.js?{version}")) defer {}
            }
            body {
                a.skip href="#main" { "Skip to content" }
                (maud::PreEscaped(SHAPES))
                header.top {
                    div.in {
                        a.mark href=(inputs.link("/")) { (maud::PreEscaped(MARK)) "arkmeter" }
                        p.box { (inputs.host) @if let Some(shard) = document.shard { ", shard " (shard.number) " of " (shard.count) } " " time datetime=(second(now)) { (now.strftime("%H:%M:%S UTC")) } }
                        nav aria-label="Pages" {
                            ul {
                                (item(Part::Overview, "/", "Overview"))
                                (item(Part::Meters, "/#meters", "Meters"))
                                (item(Part::Clients, "/#clients", "Clients"))
                            }
                        }
                    }
                }
                main.in id="main" tabindex="-1" { (main) }
                footer.in {
                    div.foot {
                        p {
                            "arkmeter " (version) " on " (inputs.host) ", started " (words::ago(document.started_at, now))
                            ". This page is read-only. As of " time datetime=(second(now)) { (now.strftime("%a %-d %b %Y at %H:%M:%S UTC")) }
                            "; " span id="fresh" { "reload for newer figures" } "."
                        }
                        p.vh role="status" id="news" {}
                    }
                }
            }
        }
    };
    markup.into_string() + "\n"
}

/// A section: its name and explanation in the margin, the content beside it.
fn section(id: &str, name: &str, about: &Markup, content: &Markup) -> Markup {
    html! {
        section.sec aria-labelledby=(id) {
            header { h2 id=(id) { (name) } (about) }
            div { (content) }
        }
    }
}

fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
