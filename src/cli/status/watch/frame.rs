//! One frame of `status --watch`. Pure: a function of what is known and of the size of the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::symbols::bar;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};

use super::{WatchState, clock_time};
use crate::cli::columns::{FittedTable, number, text};
use crate::cli::screen::{Screen, wrap_options};
use crate::cli::status::glance::state_cell;
use crate::cli::status::verdict::{is_read, verdict};
use crate::status::{Document, MeterState, words};
use crate::units::Milliwatts;

/// The plot of the total power needs this many rows in all, and is left out on a lower screen.
const TOTAL_ROWS: u16 = 5;
const TOTAL_FROM: u16 = 20;
/// A plot that is narrower says nothing.
const PLOT_MIN: u16 = 8;
/// The columns of the largest power at the right of a plot.
const MAX_COLUMNS: u16 = 9;

/// Bars without UTF-8.
const ASCII: bar::Set<'static> = bar::Set {
    full: "#",
    seven_eighths: "#",
    three_quarters: "#",
    five_eighths: "=",
    half: "=",
    three_eighths: "-",
    one_quarter: "-",
    one_eighth: ".",
    empty: " ",
};

/// Draws the state.
pub(super) fn draw(frame: &mut Frame<'_>, state: &WatchState) {
    let area = frame.area();
    let Some(document) = &state.document else {
        let text = state.gone.as_deref().unwrap_or("Waiting for the daemon.");
        frame.render_widget(headline("!", text, "q quits", area.width), area);
        return;
    };
    let screen = Screen { size: Some((area.width.into(), area.height.into())), colour: false, utf8: state.utf8 };
    let meters = u16::try_from(document.meters.len()).unwrap_or(u16::MAX).saturating_add(1);
    let total = if area.height >= TOTAL_FROM && document.meters.len() > 1 { TOTAL_ROWS + 1 } else { 0 };
    let clients = clients(document, &screen);
    let notes = notes(document, &screen);
    let rows = [2, total, meters, u16::try_from(clients.len()).unwrap_or(u16::MAX).saturating_add(1)];
    // The troubles come before the clients where not both fit.
    let wanted = u16::try_from(notes.len().min(4)).unwrap_or(0);
    let clients_fit = rows.iter().fold(wanted, |sum, rows| sum.saturating_add(*rows)) <= area.height;
    let client_rows = if clients_fit { rows[3] } else { 0 };
    let parts = [rows[0], rows[1], rows[2], client_rows].map(Constraint::Length);
    let [top, plot, table, below, rest] =
        Layout::vertical([parts[0], parts[1], parts[2], parts[3], Constraint::Min(0)]).areas(area);
    match &state.gone {
        Some(gone) => frame.render_widget(headline("!", gone, "q quits", area.width), top),
        None => {
            let right = format!("{}  q quits", clock_time(document.at));
            frame.render_widget(
                headline(if document.well { "ok" } else { "!" }, &verdict(document), &right, area.width),
                top,
            );
        }
    }
    if total > 0 {
        draw_total(frame, plot, state, document);
    }
    draw_meters(frame, table, state, document, &screen);
    if client_rows > 0 {
        frame.render_widget(Paragraph::new(clients.join("\n")), below.inner_below());
    }
    frame.render_widget(Paragraph::new(notes.join("\n")), rest.inner_below());
}

/// The area without its first row, which stays empty.
trait InnerBelow {
    fn inner_below(self) -> Rect;
}

impl InnerBelow for Rect {
    fn inner_below(self) -> Rect {
        Rect { y: self.y.saturating_add(1).min(self.bottom()), height: self.height.saturating_sub(1), ..self }
    }
}

/// The verdict at the left, and `right` at the right, where there is room.
fn headline<'a>(mark: &'a str, text: &str, right: &str, width: u16) -> Paragraph<'a> {
    let style = if mark == "ok" { Style::new().green() } else { Style::new().red() };
    let left = format!(" {}", shortened(text, usize::from(width).saturating_sub(mark.len() + 1)));
    let used = mark.len() + left.chars().count() + right.len();
    let blanks = usize::from(width).checked_sub(used).filter(|blanks| *blanks > 0);
    let end = blanks.map(|blanks| format!("{:blanks$}{right}", "")).unwrap_or_default();
    Paragraph::new(Line::from(vec![
        Span::styled(mark, style.add_modifier(Modifier::BOLD)),
        Span::raw(left),
        Span::raw(end),
    ]))
}

/// The words of `text` that fit this many columns.
fn shortened(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let first = textwrap::wrap(text, wrap_options(columns.saturating_sub(3).max(1))).into_iter().next();
    format!("{}...", first.unwrap_or_default().trim_end_matches([',', '.', ';', ' ']))
}

fn bars(state: &WatchState) -> bar::Set<'static> {
    if state.utf8 { bar::NINE_LEVELS } else { ASCII }
}

/// The sum of all meters over the last hours.
fn draw_total(frame: &mut Frame<'_>, area: Rect, state: &WatchState, document: &Document) {
    let area = Rect { height: TOTAL_ROWS.min(area.height), ..area };
    let now = document.meters.values().filter(|meter| is_read(meter)).filter_map(|meter| meter.power_mw);
    let now = now.fold(0_i64, |sum, power| sum.saturating_add(power.0));
    let [left, plot] = Layout::horizontal([Constraint::Length(18), Constraint::Min(0)]).areas(area);
    let columns = usize::from(plot.width);
    let mut sums: Vec<Option<u64>> = vec![None; columns];
    for name in document.meters.keys() {
        for (sum, power) in sums.iter_mut().zip(state.trails.columns(name, document.at, columns)) {
            *sum = power.map_or(*sum, |power| Some(sum.unwrap_or(0).saturating_add(power)));
        }
    }
    let most = sums.iter().flatten().copied().max().unwrap_or(0);
    let hours = state.trails.span(document.at) / 60;
    let text = format!("all {:>11}\nmost{:>11}\nin  {:>9} h", words::power(Milliwatts(now)), power(most), hours);
    frame.render_widget(Paragraph::new(text), left);
    frame.render_widget(sparkline(sums, most, state), plot);
}

fn sparkline(data: Vec<Option<u64>>, most: u64, state: &WatchState) -> Sparkline<'static> {
    let gap = if state.utf8 { "·" } else { ":" };
    Sparkline::default()
        .data(data)
        .max(most.max(1))
        .bar_set(bars(state))
        .absent_value_symbol(gap)
        .style(Style::new().cyan())
}

fn power(milliwatts: u64) -> String {
    words::power(Milliwatts(i64::try_from(milliwatts).unwrap_or(i64::MAX)))
}

/// The meters, each with its plot, scaled to its own maximum.
fn draw_meters(frame: &mut Frame<'_>, area: Rect, state: &WatchState, document: &Document, screen: &Screen) {
    let mut table = FittedTable::new([text("METER", 0), text("STATE", 0), number("POWER", 0)]);
    for (name, meter) in &document.meters {
        let power = meter.power_mw.map(words::power).unwrap_or_default();
        table.row([name.as_str().into(), state_cell(meter.state), power.into()]);
    }
    let lines = table.lines(screen);
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let width = u16::try_from(width).unwrap_or(u16::MAX).saturating_add(2);
    let room = area.width.saturating_sub(width);
    let plotted = room >= PLOT_MIN + MAX_COLUMNS;
    let columns = if plotted { room - MAX_COLUMNS } else { 0 };
    let rows = lines.into_iter().zip(std::iter::once(None).chain(document.meters.iter().map(Some)));
    for (y, (line, meter)) in (area.y..area.bottom()).zip(rows) {
        let row = Rect { y, height: 1, ..area };
        let wrong = meter.is_some_and(|(_, meter)| meter.state != MeterState::Ok);
        let style = if wrong { Style::new().red() } else { Style::new() };
        frame.render_widget(Paragraph::new(line).style(style), row);
        if !plotted {
            continue;
        }
        let plot = Rect { x: area.x + width, width: columns, ..row };
        let right = Rect { x: plot.right(), width: MAX_COLUMNS, ..row };
        let Some((name, _)) = meter else {
            let title = format!("LAST {} H", state.trails.span(document.at) / 60);
            frame.render_widget(Paragraph::new(title), plot);
            frame.render_widget(Paragraph::new("MOST").right_aligned(), right);
            continue;
        };
        let data = state.trails.columns(name, document.at, columns.into());
        let most = data.iter().flatten().copied().max();
        frame.render_widget(sparkline(data, most.unwrap_or(0), state), plot);
        frame.render_widget(Paragraph::new(most.map(power).unwrap_or_default()).right_aligned(), right);
    }
}

fn clients(document: &Document, screen: &Screen) -> Vec<String> {
    super::super::glance::clients(document, screen, |_| true)
}

fn notes(document: &Document, screen: &Screen) -> Vec<String> {
    let trouble = document.trouble.iter().map(|sentence| ("! ", sentence));
    let advice = document.advice.iter().map(|sentence| ("* ", sentence));
    trouble.chain(advice).flat_map(|(mark, sentence)| screen.wrapped(mark, &screen.printable(sentence))).collect()
}

#[cfg(test)]
mod tests;
