//! Prints what happens in the demo, and at the end whether every promise was kept.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::Instant;

use super::DemoEvent;
use super::site::DemoSite;
use crate::cli::output::table;
use crate::cli::screen::Screen;
use crate::simulator::arkreen::EndpointEvent;
use crate::status::{Document, control};
use crate::units::{MilliwattHours, Name};

/// The step of the coarsest register, in mWh.
const RESOLUTION: u64 = 1_000;

/// Watches the endpoint and the status of the daemon.
pub(super) struct Narrator {
    begun: Instant,
    events: broadcast::Receiver<EndpointEvent>,
    clients: BTreeMap<Name, ClientHistory>,
    refused: u64,
    violations: u64,
    fell: u64,
}

/// What the endpoint has accepted of one client.
#[derive(Debug, Default)]
struct ClientHistory {
    first: Option<FirstReport>,
    last: MilliwattHours,
    accepted: u64,
    held: bool,
}

/// The first accepted figure, and what the appliance had consumed by then.
#[derive(Clone, Copy, Debug)]
struct FirstReport {
    energy: MilliwattHours,
    consumed: MilliwattHours,
}

impl Narrator {
    pub(super) fn new(site: &DemoSite) -> Self {
        let clients = site.meters.keys().map(|name| (name.clone(), ClientHistory::default())).collect();
        let events = site.arkreen.events();
        Narrator { begun: Instant::now(), events, clients, refused: 0, violations: 0, fell: 0 }
    }

    pub(super) fn opening(&self, duration: Option<Duration>, site: &DemoSite) {
        let until = match duration {
            Some(duration) => format!("for {}", humantime::format_duration(duration)),
            None => "until you press Ctrl-C".to_owned(),
        };
        self.print(&format!("The demo runs {until}. All of it runs on this machine: {}.", site.describe()));
        self.print(&format!("The daemon starts, and shows its page at {} while the demo runs.", site.page()));
        self.print("It reports a meter after 20 seconds of readings that agree.");
    }

    /// Whether the daemon accepts the counters of all meters.
    pub(super) fn all_are_well(&self) -> bool {
        self.clients.values().all(|seen| !seen.held)
    }

    pub(super) fn event(&mut self, event: DemoEvent, site: &DemoSite) {
        match event {
            DemoEvent::MeterReadsZero => {
                let reading = site.meters["sauna"].reading();
                self.print(&format!("sauna: the meter restarts and reads 0 for 1 s, instead of {reading:.3} kWh."));
            }
            DemoEvent::DaemonKilled => {
                self.print("The daemon is killed (SIGKILL), as in a power cut, and started again.")
            }
            DemoEvent::MeterReplaced => {
                let reading = site.meters["workshop"].reading();
                self.print(&format!(
                    "workshop: an electrician replaces the meter: it now reads 204.600 kWh, instead of {reading:.3} kWh."
                ));
            }
            DemoEvent::ReplacementEntered => {
                let command = site.replacement_command().join(" ");
                self.print(&format!("The electrician enters what both displays showed: arkmeter {command}"));
            }
        }
    }

    /// Prints what is new since the last call.
    pub(super) async fn report_news(&mut self, site: &DemoSite) {
        loop {
            match self.events.try_recv() {
                Ok(event) => self.receive(event, site),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        // While the daemon starts there is no status.
        if let Ok(bytes) = control::get(&site.socket, "/status.json").await
            && let Ok(document) = serde_json::from_slice(&bytes)
        {
            self.compare(&document);
        }
    }

    /// Whether each client was reported.
    pub(super) fn has_all(&self) -> bool {
        self.clients.values().all(|seen| seen.first.is_some())
    }

    /// Prints that the daemon has stopped.
    pub(super) fn stopped(&self, took: Duration, well: bool) {
        let how = if well { "without error" } else { "with an error" };
        self.print(&format!(
            "The daemon got a stop signal (SIGTERM) and ended {how} after {:.2} s.",
            took.as_secs_f64()
        ));
    }

    /// Prints the reported energy of each client and its consumption. True if every promise was kept.
    pub(super) fn summary(&self, site: &DemoSite) -> bool {
        let mut kept = self.violations == 0 && self.refused == 0 && self.fell == 0;
        let mut table = table(&["CLIENT", "#REPORTS", "#REPORTED", "#CONSUMED", "AT THE END"]);
        for (name, seen) in &self.clients {
            let Some(first) = seen.first else {
                kept = false;
                table.add_row([name.as_str(), "0", "nothing", "", "never reported"]);
                continue;
            };
            let reported = seen.last.saturating_sub(first.energy);
            let consumed = site.meters[name].consumed().saturating_sub(first.consumed);
            // The difference that register steps and the time between polls allow: two steps.
            let invented =
                reported > MilliwattHours::new(consumed.get() + 2 * RESOLUTION).unwrap_or(MilliwattHours::MAX);
            kept &= !invented;
            let held = if seen.held { "held" } else { "ok" };
            table.add_row([
                name.to_string(),
                seen.accepted.to_string(),
                format!("{:.1} Wh", reported.get() as f64 / 1e3),
                format!("{:.1} Wh", consumed.get() as f64 / 1e3),
                if invented { "INVENTED".to_owned() } else { held.to_owned() },
            ]);
        }
        let reports: u64 = self.clients.values().map(|seen| seen.accepted).sum();
        let verdict = if kept { "Every promise was kept" } else { "A promise was broken" };
        self.print(&format!(
            "{verdict}: {reports} reports accepted, {} refused, {} malformed, {} figures that fell.",
            self.refused, self.violations, self.fell
        ));
        let _ =
            writeln!(std::io::stdout().lock(), "Reported and consumed since the first report:\n{}", table.trim_fmt());
        kept
    }

    fn receive(&mut self, event: EndpointEvent, site: &DemoSite) {
        match event {
            EndpointEvent::Accepted { client, power, energy } => {
                let Some(name) = site.clients.get(&client) else { return };
                let consumed = site.meters[name].consumed();
                let seen = self.clients.entry(name.clone()).or_default();
                seen.accepted += 1;
                self.fell += u64::from(energy < seen.last);
                seen.last = energy;
                let first = seen.first.is_none();
                seen.first.get_or_insert(FirstReport { energy, consumed });
                if first {
                    let (watts, energy) = (power.watts(), energy.kilowatt_hours());
                    self.print(&format!("{name}: first report accepted, {watts:.0} W and {energy:.3} kWh."));
                }
            }
            EndpointEvent::Refused { client, code } => {
                self.refused += 1;
                let name = site.clients.get(&client).map_or("unknown client", |name| name.as_str());
                self.print(&format!("{name}: a report was refused with code {code}."));
            }
            EndpointEvent::Violation(what) => {
                self.violations += 1;
                self.print(&format!("The endpoint received a malformed report: {what}."));
            }
            EndpointEvent::Misbehaved(_) => {}
        }
    }

    fn compare(&mut self, document: &Document) {
        for (name, meter) in &document.meters {
            let Some(seen) = self.clients.get_mut(name) else { continue };
            if seen.held == meter.held.is_some() {
                continue;
            }
            seen.held = meter.held.is_some();
            let published =
                meter.published_mwh.map_or("nothing".to_owned(), |it| format!("{:.3} kWh", it.kilowatt_hours()));
            let news = match &meter.held {
                Some(why) => format!("{name}: held. The published energy stays at {published}: {why}"),
                None => format!(
                    "{name}: the counter is accepted. No energy was counted twice, the published energy continues from {published}."
                ),
            };
            self.print(&news);
        }
    }

    /// Prints sentences with the seconds since the start, on a terminal wrapped. A closed standard output is no reason to stop.
    fn print(&self, text: &str) {
        let mark = format!("{:6.1} s  ", self.begun.elapsed().as_secs_f64());
        let screen = Screen::of_output();
        let text = match screen.size {
            Some(_) => screen.wrapped(&mark, text).join("\n"),
            None => format!("{mark}{text}"),
        };
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }
}
