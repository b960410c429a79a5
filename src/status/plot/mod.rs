//! Plots as SVG: power over a day, energy in bars, reports per hour. Pure: values in, markup out.
//!
//! An outer SVG in pixels has the axes and the text, at percentages of the width. A nested one, which stretches, has the shapes with strokes
//! that do not. So the text has one size from a phone to a wide screen. A cursor of radio buttons over the plot shows one value, at one
//! place, by pointer and by arrow keys and without a script. A table has the same values.

mod bars;
mod gauge;
mod power;
mod scale;
#[cfg(test)]
mod tests;
mod week;

use maud::{Markup, html};

pub(super) use bars::{Bar, bars};
pub(super) use gauge::gauge;
pub(super) use power::{power, ribbon, spark};
pub(super) use scale::grouped;
use scale::{Scale, number};
pub(super) use week::{HourReports, week};

/// One value of a plot: where on the time axis it stands, and its value in words.
struct CursorValue {
    when: String,
    /// What narrow screens leave out, such as ` to 15:00`.
    until: String,
    value: String,
    more: String,
}

/// The cursor over a plot, with the newest value chosen. `id` is unique on the page.
fn cursor(id: &str, legend: &str, readings: &[CursorValue]) -> Markup {
    html! {
        fieldset.cur {
            legend.vh { (legend) }
            @for (index, reading) in readings.iter().enumerate() {
                label {
                    input type="radio" name=(id) id=(format!("{id}-{index}")) checked[index + 1 == readings.len()];
                    span { (reading.when) i { (reading.until) } b { (reading.value) } (reading.more) }
                }
            }
        }
    }
}

/// The lines and the figures of the vertical axis; `height` is that of the plot.
fn axis(scale: &Scale, height: f64, unit: &str) -> Markup {
    html! {
        @for tick in scale.ticks() {
            @let y = scale.y(tick, height);
            line class=(if tick == 0.0 { "ax" } else { "gr" }) x2="100%" y1=(number(y)) y2=(number(y)) {}
            text x="-8" y=(number(y + 4.0)) text-anchor="end" { (scale.label(tick)) }
        }
        text x="-8" y="-12" text-anchor="end" { (unit) }
    }
}

/// The table of a plot, folded.
fn table(summary: &str, caption: &str, head: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        details {
            summary { (summary) }
            div.cols {
                table {
                    caption { (caption) }
                    thead { tr { @for (index, title) in head.iter().enumerate() { th scope="col" .n[index > 0] { (title) } } } }
                    tbody {
                        @for row in rows {
                            tr {
                                @for (index, cell) in row.iter().enumerate() {
                                    @if index == 0 { th scope="row" { (cell) } } @else { td.n { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
