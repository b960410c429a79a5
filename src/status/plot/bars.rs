//! Energy per day or per month as bars. A period without a record has no bar and is hatched; the one that runs is hollow.

use std::fmt::Write;

use maud::{Markup, html};

use super::scale::{Scale, grouped, number};
use super::{CursorValue, axis, cursor, table};
use crate::units::MilliwattHours;

const HEIGHT: f64 = 160.0;
/// Units of the nested SVG for one bar.
const WIDE: f64 = 10.0;

/// One period.
#[derive(Clone, Debug)]
pub(in crate::status) struct Bar {
    /// Such as `Wed 25 Nov`.
    pub(in crate::status) name: String,
    /// Below the axis, where there is room for it.
    pub(in crate::status) label: Option<String>,
    /// `None` where nothing is recorded.
    pub(in crate::status) energy: Option<MilliwattHours>,
    /// What the reader should know of it, such as `so far`; a bar with a remark is hollow.
    pub(in crate::status) remark: Option<&'static str>,
}

/// The plot, as a figure. `decimals` of the figures; `title`: what it shows.
pub(in crate::status) fn bars(id: &str, title: &str, period: &str, decimals: usize, bars: &[Bar]) -> Markup {
    let value = |bar: &Bar| bar.energy.map(MilliwattHours::kilowatt_hours);
    let scale = Scale::of(bars.iter().filter_map(value));
    let figure = |energy: f64| grouped(&format!("{energy:.decimals$}"));
    let words = |bar: &Bar| value(bar).map_or("not recorded".to_owned(), |energy| format!("{} kWh", figure(energy)));
    let full: Vec<f64> = bars.iter().filter(|bar| bar.remark.is_none()).filter_map(value).collect();
    let mean = (full.len() > 1).then(|| full.iter().sum::<f64>() / full.len() as f64);
    let readings = bars.iter().map(|bar| CursorValue {
        when: bar.name.clone(),
        until: String::new(),
        value: words(bar),
        more: bar.remark.map(|remark| format!(" {remark}")).unwrap_or_default(),
    });
    let rows = bars.iter().map(|bar| {
        let remark = bar.remark.map(|remark| format!(" ({remark})")).unwrap_or_default();
        vec![format!("{}{remark}", bar.name), value(bar).map_or("not recorded".to_owned(), figure)]
    });
    let (title_id, desc_id) = (format!("{id}-t"), format!("{id}-d"));
    let place = |index: usize| format!("{:.2}%", 100.0 * (index as f64 + 0.5) / bars.len().max(1) as f64);
    let most = bars.iter().max_by_key(|bar| bar.energy).filter(|bar| bar.energy.is_some());
    html! {
        figure {
            div.stage {
                svg.pl role="img" height=(number(HEIGHT + 24.0)) aria-labelledby=(format!("{title_id} {desc_id}")) {
                    title id=(title_id) { (title) }
                    desc id=(desc_id) {
                        @if let Some(mean) = mean { "Average of full " (period) "s " (figure(mean)) " kWh. " }
                        @if let Some(most) = most { "Most: " (words(most)) " on " (most.name) "." } @else { "Nothing recorded yet." }
                    }
                    (axis(&scale, HEIGHT, "kWh"))
                    @for (index, _) in bars.iter().enumerate().filter(|(_, bar)| bar.energy.is_none()) {
                        rect x=(format!("{:.2}%", 100.0 * index as f64 / bars.len() as f64)) width=(format!("{:.2}%", 100.0 / bars.len() as f64))
                            y=(number(HEIGHT - 12.0)) height="12" fill="url(#hatch)" opacity=".55" {}
                    }
                    (shapes(bars, &scale))
                    @if let Some(mean) = mean { line.mn x2="100%" y1=(number(scale.y(mean, HEIGHT))) y2=(number(scale.y(mean, HEIGHT))) {} }
                    @for (index, bar) in bars.iter().enumerate() {
                        @if let Some(label) = &bar.label { text x=(place(index)) y=(number(HEIGHT + 18.0)) text-anchor="middle" { (label) } }
                    }
                }
                (cursor(id, &format!("{title}: one {period}"), &readings.collect::<Vec<_>>()))
            }
            (table("As a table", &format!("{title}, kWh"), &[&capital(period), "kWh"], &rows.collect::<Vec<_>>()))
        }
    }
}

fn shapes(bars: &[Bar], scale: &Scale) -> Markup {
    let (mut full, mut hollow, mut edges) = (String::new(), String::new(), String::new());
    let zero = number(scale.y(0.0, HEIGHT));
    for (index, bar) in bars.iter().enumerate() {
        let Some(energy) = bar.energy else { continue };
        let (x, y) = (number(index as f64 * WIDE + 1.5), number(scale.y(energy.kilowatt_hours(), HEIGHT)));
        let _ = match bar.remark {
            None => write!(full, "M{x} {zero}V{y}h7V{zero}z"),
            Some(_) => {
                write!(edges, "M{x} {zero}V{y}h7V{zero}").and_then(|()| write!(hollow, "M{x} {zero}V{y}h7V{zero}z"))
            }
        };
    }
    html! {
        svg width="100%" height=(number(HEIGHT)) viewBox=(format!("0 0 {} {}", number((bars.len().max(1) as f64) * WIDE), number(HEIGHT))) preserveAspectRatio="none" {
            path.br d=(full) {}
            path.ar d=(hollow) {}
            path.so d=(edges) {}
        }
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}
