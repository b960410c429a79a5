//! Says what happens in the demo, in words, and at the end whether every promise was kept.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::Instant;

use super::Event;
use super::house::House;
use crate::simulator::arkreen::EndpointEvent;
use crate::status::{Document, control};
use crate::units::{MilliwattHours, Name};

/// The coarsest register of the house counts whole watt-hours.
const RESOLUTION: u64 = 1_000;

/// Watches Arkreen's side and the daemon's status.
pub struct Narrator {
    begun: Instant,
    events: broadcast::Receiver<EndpointEvent>,
    seen: BTreeMap<Name, Seen>,
    refused: u64,
    violations: u64,
    fell: u64,
}

/// What is known of one client.
#[derive(Debug, Default)]
struct Seen {
    first: Option<First>,
    last: MilliwattHours,
    accepted: u64,
    held: bool,
}

/// The first accepted figure, and what the appliance had truly taken by then.
#[derive(Clone, Copy, Debug)]
struct First {
    energy: MilliwattHours,
    consumed: MilliwattHours,
}

impl Narrator {
    pub fn new(house: &House) -> Self {
        let seen = house.meters.keys().map(|name| (name.clone(), Seen::default())).collect();
        let events = house.arkreen.events();
        Narrator { begun: Instant::now(), events, seen, refused: 0, violations: 0, fell: 0 }
    }

    pub fn opening(&self, duration: Option<Duration>, house: &House) {
        let until = match duration {
            Some(duration) => format!("for {}", humantime::format_duration(duration)),
            None => "until you press Ctrl-C".to_owned(),
        };
        self.say(&format!("The demo runs {until}. All of it stays on this machine: {}.", house.describe()));
        self.say("The daemon starts. It reports a meter once three readings in a row agree.");
    }

    /// Something is about to happen to the house.
    pub fn event(&mut self, event: Event, house: &House) {
        match event {
            Event::ReadsZero => {
                let reading = house.meters["sauna"].reading();
                self.say(&format!("sauna: its meter starts again and reads 0 for 1 s, instead of {reading:.3} kWh."));
            }
            Event::Killed => self.say("The daemon is killed (SIGKILL), as in a power cut, and started again."),
            Event::Replaced => {
                let reading = house.meters["workshop"].reading();
                self.say(&format!(
                    "workshop: an electrician replaces the meter: it reads 204.600 kWh now, instead of {reading:.3} kWh."
                ));
            }
        }
    }

    /// Tells what is new since the last look.
    pub async fn look(&mut self, house: &House) {
        loop {
            match self.events.try_recv() {
                Ok(event) => self.hear(event, house),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        // While the daemon starts there is nobody to ask.
        if let Ok(bytes) = control::get(&house.socket, "/status.json").await
            && let Ok(document) = serde_json::from_slice(&bytes)
        {
            self.compare(&document);
        }
    }

    /// The daemon has stopped.
    pub fn stopped(&self, took: Duration, well: bool) {
        let how = if well { "well" } else { "with an error" };
        self.say(&format!("The daemon was asked to stop (SIGTERM) and ended {how} after {:.2} s.", took.as_secs_f64()));
    }

    /// The end: each client's figure beside what was truly taken. True when every promise was kept.
    pub fn summary(&self, house: &House) -> bool {
        let mut kept = self.violations == 0 && self.refused == 0 && self.fell == 0;
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING).set_header([
            "CLIENT",
            "REPORTS",
            "REPORTED SINCE THE FIRST",
            "TRULY CONSUMED SINCE",
            "AT THE END",
        ]);
        for (name, seen) in &self.seen {
            let Some(first) = seen.first else {
                kept = false;
                table.add_row([name.as_str(), "0", "nothing", "", "never reported"]);
                continue;
            };
            let reported = seen.last.saturating_sub(first.energy);
            let consumed = house.meters[name].consumed().saturating_sub(first.consumed);
            // What the registers and one poll leave unsaid: two steps of them.
            let invented =
                reported > MilliwattHours::new(consumed.get() + 2 * RESOLUTION).unwrap_or(MilliwattHours::MAX);
            kept &= !invented;
            let held = if seen.held { "held: needs 10 minutes" } else { "goes on" };
            table.add_row([
                name.to_string(),
                seen.accepted.to_string(),
                format!("{:.1} Wh", reported.get() as f64 / 1e3),
                format!("{:.1} Wh", consumed.get() as f64 / 1e3),
                if invented { "INVENTED".to_owned() } else { held.to_owned() },
            ]);
        }
        let reports: u64 = self.seen.values().map(|seen| seen.accepted).sum();
        let verdict = if kept { "Every promise was kept" } else { "A promise was broken" };
        self.say(&format!(
            "{verdict}: {reports} reports accepted, {} refused, {} malformed, {} figures that fell.\n{table}",
            self.refused, self.violations, self.fell
        ));
        kept
    }

    fn hear(&mut self, event: EndpointEvent, house: &House) {
        match event {
            EndpointEvent::Accepted { client, power, energy } => {
                let Some(name) = house.clients.get(&client) else { return };
                let consumed = house.meters[name].consumed();
                let seen = self.seen.entry(name.clone()).or_default();
                seen.accepted += 1;
                self.fell += u64::from(energy < seen.last);
                seen.last = energy;
                let first = seen.first.is_none();
                seen.first.get_or_insert(First { energy, consumed });
                if first {
                    let (watts, energy) = (power.watts(), energy.kilowatt_hours());
                    self.say(&format!("{name}: first report accepted, {watts:.0} W and {energy:.3} kWh."));
                }
            }
            EndpointEvent::Refused { client, code } => {
                self.refused += 1;
                let name = house.clients.get(&client).map_or("somebody", |name| name.as_str());
                self.say(&format!("{name}: a report was refused with code {code}."));
            }
            EndpointEvent::Violation(what) => {
                self.violations += 1;
                self.say(&format!("Arkreen was sent something malformed: {what}."));
            }
            EndpointEvent::Misbehaved(_) => {}
        }
    }

    fn compare(&mut self, document: &Document) {
        for (name, meter) in &document.meters {
            let Some(seen) = self.seen.get_mut(name) else { continue };
            if seen.held == meter.held.is_some() {
                continue;
            }
            seen.held = meter.held.is_some();
            let published =
                meter.published_mwh.map_or("nothing".to_owned(), |it| format!("{:.3} kWh", it.kilowatt_hours()));
            let said = match &meter.held {
                Some(why) => format!("{name}: held. Published stands at {published}. {why}"),
                None => format!(
                    "{name}: the counter is back. Nothing was booked twice, published goes on from {published}."
                ),
            };
            self.say(&said);
        }
    }

    /// One line with the seconds since the start. Nobody listening is no reason to stop.
    fn say(&self, text: &str) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let _ = writeln!(std::io::stdout().lock(), "{seconds:6.1} s  {text}");
    }
}
