//! The sheet as text of 80 columns, for a file, a mail or a printer. Pure.

use super::sheet::{HandoverSheet, SheetMeter, moment};
use crate::cli::columns::{FittedTable, text as column};
use crate::cli::screen::{PLAIN_COLUMNS, Screen};
use crate::status::words;

/// The column of the second half of a fact.
const FACT: usize = 15;

/// The whole sheet.
pub(super) fn text(sheet: &HandoverSheet, screen: &Screen) -> String {
    // The sheet is printed: it has the same form everywhere.
    let screen = Screen { size: Some((PLAIN_COLUMNS, usize::MAX)), colour: false, ..*screen };
    let right = format!("{}, {}", sheet.host, moment(sheet.at));
    let blanks = PLAIN_COLUMNS.saturating_sub("HANDOVER SHEET".len() + right.len()).max(2);
    let mut lines = vec![format!("HANDOVER SHEET{:blanks$}{right}", ""), String::new()];
    let line = "_".repeat(PLAIN_COLUMNS - FACT);
    lines.extend([format!("{:FACT$}{line}", "Site"), format!("{:FACT$}{line}", "Installed by"), String::new()]);
    for (name, fact) in &sheet.facts {
        lines.extend(screen.wrapped(&format!("{name:FACT$}"), fact));
    }
    for meter in &sheet.meters {
        lines.push(String::new());
        lines.extend(of_meter(meter, &screen));
    }
    if !sheet.clients.is_empty() {
        lines.push(String::new());
        let mut table = FittedTable::new([
            column("CLIENT", 0),
            column("IDENTIFIER", 0),
            column("METERS", 2),
            column("LAST ACCEPTED REPORT", 0),
        ]);
        for client in &sheet.clients {
            table.row([client.name.as_str(), &client.client_id, &client.meters, &client.accepted].map(Into::into));
        }
        lines.extend(table.lines(&screen));
    }
    lines.push(String::new());
    for signed in ["Compared with the displays", "Handed over to"] {
        lines.push(format!("{signed:28}{}   {}", "_".repeat(30), "_".repeat(19)));
    }
    lines.iter().map(|line| screen.printable(line).trim_end().to_owned() + "\n").collect()
}

fn of_meter(meter: &SheetMeter, screen: &Screen) -> Vec<String> {
    let state = meter.state.as_ref().map(|state| format!("   {state}")).unwrap_or_default();
    let mut lines = vec![format!("{:FACT$}{}{state}", format!("{} ", meter.name), meter.model)];
    let mut fact =
        |name: &str, text: &str| lines.extend(screen.wrapped(&format!("{:FACT$}", format!("  {name}")), text));
    fact("line", &format!("{}; {}", meter.line, meter.quality));
    fact("connection", &meter.connection);
    if let Some(begun) = &meter.begun {
        fact("counted since", begun);
    }
    for remark in &meter.remarks {
        fact("!", remark);
    }
    let reading = meter.reading.map_or("no counter".to_owned(), words::energy);
    fact("reading", &format!("{reading:>16}    display reads  ______________"));
    lines
}
