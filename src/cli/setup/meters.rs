//! Scanning lines, identifying and reading meters, with the code of `scan` and `read`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::SetupRun;
use super::terminal::{say, tell};
use crate::cli::borrow::{LineOwner, NotBorrowed};
use crate::cli::context::runtime;
use crate::cli::exit;
use crate::cli::line::daemon_on_line;
use crate::cli::read::read_lines;
use crate::cli::scan::{ScanReport, SearchOptions, Target, beside_daemon, search, unless_interrupted};
use crate::config::Config;
use crate::meter::library;
use crate::modbus::{Link, LinkSettings};
use crate::quality::LinkKind;
use crate::setup::{LineChoice, MeterReading, ScannedMeter, trial_configuration};
use crate::survey::{Examination, FoundUnit, examine, settings};
use crate::units::Name;

/// How long the counter of each meter is watched.
const WATCH: Duration = Duration::from_secs(5);
/// The timeout for a meter whose place is known.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The values of each meter, or why it could not be read.
type Readings = Vec<(Name, Result<MeterReading, String>)>;

impl SetupRun<'_> {
    /// Scans every line of the answers. Ctrl-C ends the scan; with what was found the set-up continues.
    pub(super) fn scan(&mut self) -> Result<(), u8> {
        let mut found = Vec::new();
        let mut advice = Vec::new();
        let mut is_silent = false;
        let options = SearchOptions {
            command: "setup",
            timeout: None,
            all: false,
            units: Vec::new(),
            watch: WATCH,
            identify_when_stopped: true,
        };
        for line in self.session.answers().lines.clone() {
            let Some(target) = self.target(&line) else { continue };
            say(&format!("  scanning {line} ... (Ctrl-C: go on with what was found)"));
            let Ok(report) = runtime()?.block_on(search(&options, &target)) else { continue };
            say(&format!("  {line}  {}", result(&report)));
            advice.extend(report.evidence.advice(report.kind).into_iter().filter(|_| report.found.is_empty()));
            is_silent |= report.found.is_empty() && report.evidence.requests > 0;
            let stopped = report.stopped;
            found.extend(report.found.into_iter().map(|(found, examined)| ScannedMeter { found, examined }));
            if stopped && found.is_empty() {
                return Err(exit::INTERRUPTED);
            }
            if stopped {
                break;
            }
        }
        let remarks = self.session.scanned(found);
        remarks.iter().for_each(|remark| tell(&format!("  {remark}")));
        if self.session.answers().meters.is_empty() {
            say("\n! No new meter answered. Nothing was written.");
            advice.iter().for_each(|text| tell(&format!("  {text}")));
            if is_silent {
                tell("  At the meters, check power, A and B (swapped?), and the unit number (1 to 247).");
            }
        }
        Ok(())
    }

    fn target(&self, line: &LineChoice) -> Option<Target> {
        let target = match line {
            LineChoice::Serial(path) => Target::Serial(path.clone(), settings(&[], &[], 1)),
            LineChoice::Tcp(_) => Target::Addresses(LinkKind::Tcp, line.addresses()),
            LineChoice::Converter(_) => Target::Addresses(LinkKind::Converter, line.addresses()),
        };
        // Where the daemon polls the line, this has said so.
        let mut target = beside_daemon(target, self.before.as_ref(), self.environment).ok()?;
        let is_new = self.session.situation().existing.config().is_none();
        if let Target::Lent(LineOwner { lender: Some(lender), .. }) = &mut target
            && is_new
        {
            // A new configuration has the meters that are polled, too.
            lender.units.clear();
        }
        Some(target)
    }

    /// Finds out the models of meters whose place is known.
    pub(super) fn identify(&mut self, names: &[Name]) -> Result<(), u8> {
        let profiles: Vec<_> = library().entries().map(|entry| entry.profile.clone()).collect();
        let mut identified = Vec::new();
        for name in names {
            let Some((link, unit)) = self.place(name) else { continue };
            say(&format!("  identifying {name} ..."));
            let owner = daemon_on_line(self.before.as_ref(), self.environment, &link);
            let work = async {
                let loan = match &owner {
                    Some(owner) => Some(owner.borrow("setup", TIMEOUT).await?),
                    None => None,
                };
                let own = || LinkSettings {
                    link,
                    timeout: TIMEOUT,
                    request_gap: Duration::ZERO,
                    connect_delay: Duration::ZERO,
                    lender: None,
                };
                let settings = loan.as_ref().map_or_else(own, |(settings, _)| settings.clone());
                let found = FoundUnit { settings, unit, any_unit: false };
                Ok(examine(&found, &profiles, WATCH, &mut |_| {}).await)
            };
            let examined = runtime()?.block_on(unless_interrupted(work)).ok_or(exit::INTERRUPTED)?;
            let failed = |error: NotBorrowed| Examination { error: Some(error.why), ..Examination::default() };
            identified.push((name.clone(), examined.unwrap_or_else(failed)));
        }
        let remarks = self.session.identified(identified);
        remarks.iter().for_each(|remark| tell(&format!("  {remark}")));
        Ok(())
    }

    fn place(&self, name: &Name) -> Option<(Link, crate::units::UnitId)> {
        let meter = self.session.meter(name)?;
        let existing = self.session.situation().existing.config();
        let link = self.session.answers().buses.get(&meter.bus);
        let link = link.or_else(|| Some(&existing?.buses.get(&meter.bus)?.link))?;
        Some((link.clone(), meter.unit))
    }

    /// Reads these meters once.
    pub(super) fn read(&mut self, names: &[Name]) -> Result<(), u8> {
        let situation = self.session.situation();
        let text = trial_configuration(self.session.answers(), &situation.existing);
        let readings = match Config::of_text(self.path, &text, self.environment) {
            Err(error) => {
                let why = error.render(false);
                names.iter().map(|name| (name.clone(), Err(why.clone()))).collect()
            }
            Ok((config, _)) => self.read_with(&config, names)?,
        };
        let remarks = self.session.read(readings);
        remarks.iter().for_each(|remark| tell(&format!("  {remark}")));
        Ok(())
    }

    fn read_with(&self, config: &Config, names: &[Name]) -> Result<Readings, u8> {
        let bus_of = |name: &Name| config.meters.get(name).and_then(|meter| config.buses.get(&meter.bus));
        let buses: BTreeMap<_, _> = names.iter().filter_map(bus_of).map(|bus| (bus.name.clone(), bus)).collect();
        let work = async {
            let (mut loans, mut kept) = (BTreeMap::new(), BTreeMap::new());
            for (name, bus) in buses {
                let Some(owner) = daemon_on_line(self.before.as_ref(), self.environment, &bus.link) else { continue };
                match owner.borrow("setup", bus.timeout).await {
                    Ok(loan) => drop(loans.insert(name, loan)),
                    Err(error) => drop(kept.insert(name, error.why)),
                }
            }
            let lent = loans.iter().map(|(name, (settings, _))| (name.clone(), settings.clone())).collect();
            let is_kept = |name: &&Name| bus_of(name).is_some_and(|bus| kept.contains_key(&bus.name));
            let free: Vec<_> = names.iter().filter(|name| !is_kept(name)).cloned().collect();
            let rows = if free.is_empty() { Vec::new() } else { read_lines(config, &free, &lent).await };
            let why = |name: &Name| bus_of(name).and_then(|bus| kept.get(&bus.name)).cloned().unwrap_or_default();
            let kept: Vec<_> = names.iter().filter(is_kept).map(|name| (name.clone(), Err(why(name)))).collect();
            (rows, kept)
        };
        let (rows, mut readings) = runtime()?.block_on(unless_interrupted(work)).ok_or(exit::INTERRUPTED)?;
        readings.extend(rows.into_iter().map(|row| {
            let values = MeterReading { power: row.power_mw, energy: row.register_mwh, serial: row.serial };
            (row.meter, row.error.map_or(Ok(values), Err))
        }));
        // A meter without a row is not asked for again.
        for name in
            names.iter().filter(|name| !readings.iter().any(|(known, _)| known == *name)).cloned().collect::<Vec<_>>()
        {
            readings.push((name, Err("it was not read".to_owned())));
        }
        Ok(readings)
    }
}

/// `9600 baud 8N1, 3 meters answer`.
fn result(report: &ScanReport) -> String {
    let count = match report.found.len() {
        0 => "no answer".to_owned(),
        1 => "1 meter answers".to_owned(),
        count => format!("{count} meters answer"),
    };
    let setting = report.found.first().and_then(|(found, _)| match &found.settings.link {
        Link::Serial(line) => {
            let setting =
                crate::survey::LineSettings { baud: line.baud, parity: line.parity, stop_bits: line.stop_bits };
            Some(format!("{setting}, "))
        }
        _ => None,
    });
    let stopped = if report.stopped { " (stopped)" } else { "" };
    format!("{}{count}{stopped}", setting.unwrap_or_default())
}
