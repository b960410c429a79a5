//! The status document at a glance: the verdict, what is wrong, the meters, the clients, the accounts and the box. Pure.

use super::verdict::{is_read, verdict};
use crate::cli::columns::{Cell, FittedTable, number, text};
use crate::cli::screen::{Colour, Screen};
use crate::reporter::{AccountReport, ReportingState};
use crate::status::{BusStatus, ClientStatus, Document, MeterState, MeterStatus, words};
use crate::units::{Milliwatts, Name};

/// A disk with less than this is marked, in bytes.
const DISK_LOW: u64 = 100_000_000;
/// The reports of a complete hour, and of a complete week.
const HOUR: u32 = 12;
const WEEK: u32 = 7 * 24 * HOUR;
/// The columns before the second half of the facts.
const HALF: usize = 40;

/// The glance, line by line. `free`: the free bytes of the disk with the ledger. `whole`: no part is shortened to fit the screen.
pub(super) fn glance(document: &Document, free: Option<u64>, whole: bool, screen: &Screen) -> Vec<String> {
    let lines = composed(document, free, whole, screen);
    let Some((_, rows)) = screen.size.filter(|(_, rows)| lines.len() >= *rows) else { return lines };
    if whole {
        return repeated(lines, rows);
    }
    // The prompt needs a row too.
    repeated(composed_short(document, free, screen), rows)
}

/// A text that does not fit the screen ends with its verdict.
fn repeated(mut lines: Vec<String>, rows: usize) -> Vec<String> {
    if lines.len() >= rows {
        let verdict: Vec<_> = lines.iter().take_while(|line| !line.is_empty()).cloned().collect();
        lines.push(String::new());
        lines.extend(verdict);
    }
    lines
}

fn composed(document: &Document, free: Option<u64>, whole: bool, screen: &Screen) -> Vec<String> {
    parts(document, screen, clients(document, screen, |_| true), facts(document, free, screen), whole)
}

/// The clients that are well take one line in all.
fn composed_short(document: &Document, free: Option<u64>, screen: &Screen) -> Vec<String> {
    let is_well = |client: &ClientStatus| client.error.is_none() && client.accepted_at.is_some();
    let mut shown = clients(document, screen, |client| !is_well(client));
    let well: Vec<_> = document.clients.values().filter(|client| is_well(client)).collect();
    if let Some(oldest) = well.iter().filter_map(|client| client.accepted_at).min() {
        let who = if well.len() == 1 { "1 client is".to_owned() } else { format!("{} clients are", well.len()) };
        let text = format!("{who} accepted, {} or later; each: --lines", words::ago(oldest, document.at));
        shown.extend(screen.wrapped("", &text));
    }
    parts(document, screen, shown, facts(document, free, screen), false)
}

fn parts(document: &Document, screen: &Screen, clients: Vec<String>, facts: Vec<String>, whole: bool) -> Vec<String> {
    let mut lines = headline(document, screen);
    for sentence in &document.trouble {
        push_part(&mut lines, sentences("! ", sentence, Colour::Red, screen));
    }
    push_part(&mut lines, meters(document, screen));
    push_part(&mut lines, clients);
    push_part(&mut lines, facts);
    let advice = document.advice.iter().flat_map(|sentence| sentences("* ", sentence, Colour::Yellow, screen));
    push_part(&mut lines, advice.collect());
    if whole {
        for table in super::details::details(document, screen) {
            push_part(&mut lines, table);
        }
    }
    lines
}

fn push_part(lines: &mut Vec<String>, part: Vec<String>) {
    if !part.is_empty() {
        lines.push(String::new());
        lines.extend(part);
    }
}

/// The verdict, and at the right the time, where there is room. On a narrow screen it wraps at words.
fn headline(document: &Document, screen: &Screen) -> Vec<String> {
    let (mark, colour) = if document.well { ("ok", Colour::Green) } else { ("!", Colour::Red) };
    let gap = if document.well { "  " } else { " " };
    let text = verdict(document);
    let at = document.at.strftime("%-d %b, %H:%M:%S UTC").to_string();
    let used = mark.len() + gap.len() + text.len();
    let width = screen.size.map_or(crate::cli::screen::PLAIN_COLUMNS, |(columns, _)| columns.min(100));
    let painted = screen.paint(mark, colour);
    match width.checked_sub(used + at.len()).filter(|blanks| *blanks >= 2) {
        Some(blanks) => vec![format!("{painted}{gap}{text}{:blanks$}{at}", "")],
        None => {
            let mut lines = screen.wrapped(&format!("{mark}{gap}"), &text);
            lines[0] = lines[0].replacen(mark, &painted, 1);
            lines
        }
    }
}

fn sentences(mark: &str, sentence: &str, colour: Colour, screen: &Screen) -> Vec<String> {
    let mut lines = screen.wrapped(mark, &screen.printable(sentence));
    if let Some(first) = lines.first_mut().filter(|first| first.starts_with(mark)) {
        *first = screen.paint(mark.trim_end(), colour) + " " + &first[mark.len()..];
    }
    lines
}

/// `ok`, or the state in capitals where a person should look.
pub(super) fn state_cell(state: MeterState) -> Cell {
    let word = words::state(&state);
    match state {
        MeterState::Ok => Cell::painted(word, Colour::Green),
        _ => Cell::painted(word.to_uppercase(), Colour::Red),
    }
}

fn meters(document: &Document, screen: &Screen) -> Vec<String> {
    if document.meters.is_empty() {
        return Vec::new();
    }
    let mut table = FittedTable::new([
        text("METER", 0),
        text("STATE", 0),
        number("POWER", 0),
        number("PUBLISHED", 2),
        text("READ", 3),
        text("LINE", 4),
        text("VERDICT", 5),
    ]);
    for (name, meter) in &document.meters {
        table.row([
            Cell::from(name.as_str()),
            state_cell(meter.state),
            meter.power_mw.map(words::power).unwrap_or_default().into(),
            meter.published_mwh.map(words::energy).unwrap_or_default().into(),
            meter.read_at.map_or("never".to_owned(), |at| words::ago(at, document.at)).into(),
            line(meter).into(),
            meter.verdict.clone().unwrap_or_default().into(),
        ]);
    }
    let powers: Vec<_> =
        document.meters.values().filter(|meter| is_read(meter)).filter_map(|meter| meter.power_mw).collect();
    if powers.len() > 1 {
        let sum = powers.iter().fold(0_i64, |sum, power| sum.saturating_add(power.0));
        let mut cells = vec![Cell::default(); 7];
        cells[2] = words::power(Milliwatts(sum)).into();
        table.row(cells);
    }
    table.lines(screen)
}

/// `cabinet 3`: the bus, and the unit on it.
pub(super) fn line(meter: &MeterStatus) -> String {
    meter.unit.map_or_else(|| meter.bus.to_string(), |unit| format!("{} {unit}", meter.bus))
}

pub(super) fn clients(document: &Document, screen: &Screen, shown: impl Fn(&ClientStatus) -> bool) -> Vec<String> {
    let several = document.accounts.len() > 1;
    let mut table = FittedTable::new([
        text("CLIENT", 0),
        number("ACCEPTED", 0),
        text("WHEN", 2),
        number("THIS HOUR", 3),
        number("THIS WEEK", 4),
        text("NEXT", 5),
        text("ACCOUNT", 6),
    ]);
    let mut clients = document.clients.iter().filter(|(_, client)| shown(client)).peekable();
    if clients.peek().is_none() {
        return Vec::new();
    }
    for (name, client) in clients {
        let when = client.accepted_at.map_or("never".to_owned(), |at| words::ago(at, document.at));
        let next = document.accounts.get(&client.account).and_then(|account| account.next_report_at);
        let when = if client.error.is_some() { Cell::painted(when + " !", Colour::Red) } else { when.into() };
        let account = if several { client.account.to_string() } else { String::new() };
        table.row([
            Cell::from(name.as_str()),
            client.accepted_mwh.map(words::energy).unwrap_or_default().into(),
            when,
            format!("{} of {HOUR}", client.hour_reports).into(),
            format!("{} of {WEEK}", client.week_reports).into(),
            next.map(|at| words::until(at, document.at)).unwrap_or_default().into(),
            account.into(),
        ]);
    }
    table.lines(screen)
}

/// The accounts, the box and the program: in two columns where there is room.
fn facts(document: &Document, free: Option<u64>, screen: &Screen) -> Vec<String> {
    let mut facts: Vec<_> = document.accounts.iter().map(|(name, report)| account(name, report)).collect();
    if let Some(shard) = document.shard {
        facts.push(("shard".to_owned(), format!("{} of {}", shard.number, shard.count)));
    }
    if let Some(trusted) = document.clock_trusted {
        let state = if trusted { "synchronised" } else { "not synchronised" };
        facts.push(("clock".to_owned(), state.to_owned()));
    }
    if let Some(free) = free {
        let low = if free < DISK_LOW { " !" } else { "" };
        facts.push(("disk".to_owned(), format!("{} free{low}", words::bytes(free))));
    }
    let lent =
        |(name, bus): (&Name, &BusStatus)| Some(("lent".to_owned(), format!("{name}, to {}", bus.lent_to.as_ref()?)));
    facts.extend(document.buses.iter().filter_map(lent));
    let up = words::lasted(document.started_at, document.at);
    facts.push(("up".to_owned(), format!("{up}, arkmeter {}", document.version)));
    let name = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let texts: Vec<_> = facts.iter().map(|(key, fact)| screen.printable(&format!("{key:name$}  {fact}"))).collect();
    let fits = texts.iter().all(|text| text.chars().count() <= HALF - 2);
    if !fits || screen.table_columns().is_some_and(|columns| columns < 2 * HALF) {
        return texts;
    }
    texts
        .chunks(2)
        .map(|pair| format!("{:HALF$}{}", pair[0], pair.get(1).map_or("", String::as_str)).trim_end().to_owned())
        .collect()
}

fn account(name: &Name, report: &AccountReport) -> (String, String) {
    let AccountReport { accepted, rejected, .. } = report;
    let state = words::state(&report.state);
    let state = if report.state == ReportingState::Ok { state } else { state.to_uppercase() };
    (name.to_string(), format!("{state}, {accepted} accepted, {rejected} refused"))
}

#[cfg(test)]
mod tests;
