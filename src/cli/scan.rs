//! `arkmeter scan`: finds the meters on a line or in a range of addresses, and prints the configuration for them.

mod ask;
mod report;
pub(super) mod write;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::borrow::{LineOwner, NotBorrowed, announcement};
use super::context::runtime;
use super::exit;
use super::line::{LineArguments, bus, check_units, configuration, daemon_on_line, parity_parser, unit, watch};
use super::output::{finish_output, print_error};
use super::progress::TerminalProgress;
use crate::config::{Config, Environment, Link, Parity, SerialSettings};
use crate::form::parse_power;
use crate::meter::{Profile, library};
use crate::modbus::LinkSettings;
use crate::quality::LinkKind;
use crate::status::control::BorrowedLine;
use crate::survey::{
    Examination, FoundUnit, LineSettings, Sweep, SweepProgress, addresses, examine, propose, settings, tcp_units, units,
};
use crate::text::chain;
use crate::units::{Milliwatts, UnitId};
pub(super) use report::ScanReport;

/// The options of `scan`.
#[derive(Debug, Args)]
pub(super) struct ScanArguments {
    #[command(flatten)]
    line: LineArguments,
    /// Baud rates to try, such as 9600 or 9600,19200 (default: the usual ones)
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(300..=4_000_000))]
    baud: Vec<u32>,
    /// Parities to try (default: the usual ones)
    #[arg(long, value_delimiter = ',', value_parser = parity_parser())]
    parity: Vec<Parity>,
    /// Stop bits, 1 or 2
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    stop_bits: u8,
    /// Units to try, such as 1-20,247 (default: 1 to 247, then over Modbus TCP 255 and 0; at several addresses 1 to 10 and 247 first)
    #[arg(long, value_parser = unit_list)]
    units: Option<UnitList>,
    /// Timeout for an answer, such as 200ms (default: 150ms on a serial line, 500ms through a converter, 1s through a gateway)
    #[arg(long, value_parser = timeout)]
    timeout: Option<Duration>,
    /// How long to watch the energy counters of the meters that were found
    #[arg(long, default_value = "5s", value_parser = watch)]
    watch: Duration,
    /// Continue with other baud rates and parities after a meter was found
    #[arg(long)]
    all: bool,
    /// Maximum power of the connections, such as 20kW: needed for profiles without a rating
    #[arg(long, value_parser = power)]
    max_power: Option<Milliwatts>,
    /// Add the meters that were found to the configuration; asks for fuses and clients at a terminal
    #[arg(long)]
    write: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The units of `--units`.
#[derive(Clone, Debug)]
struct UnitList(Vec<UnitId>);

fn unit_list(text: &str) -> Result<UnitList, String> {
    let mut units = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (unit(first.trim())?.get(), unit(last.trim())?.get());
        if last < first {
            return Err(format!("`{part}` is not a range: the first unit is higher than the last"));
        }
        units.extend((first..=last).filter_map(|number| UnitId::on_tcp(number.into())));
    }
    Ok(UnitList(units))
}

fn timeout(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let range = Duration::from_millis(10)..=Duration::from_secs(10);
    if range.contains(&time) { Ok(time) } else { Err("from 10ms to 10s".to_owned()) }
}

fn power(text: &str) -> Result<Milliwatts, String> {
    parse_power(text).filter(|power| power.0 >= 1000).ok_or_else(|| "a power such as 5500W or 20kW".to_owned())
}

/// Where to scan.
pub(super) enum Target {
    Serial(std::path::PathBuf, Vec<LineSettings>),
    Addresses(LinkKind, Vec<String>),
    /// A line of the running daemon, which lends it.
    Lent(LineOwner),
}

/// Scans. The exit code: 0 if a meter was found.
pub(super) fn scan(arguments: &ScanArguments, path: &Path, environment: &Environment) -> u8 {
    scan_target(arguments, path, environment).unwrap_or_else(|code| code)
}

fn scan_target(arguments: &ScanArguments, path: &Path, environment: &Environment) -> Result<u8, u8> {
    if arguments.write && arguments.max_power.is_none() && !ask::somebody_is_there() {
        print_error(
            "--write needs --max-power, such as --max-power 20kW: most profiles have no rating, and there is no terminal to ask at",
        );
        return Err(exit::USAGE);
    }
    let config = configuration(path, environment, arguments.line.bus.is_some())?;
    let target = beside_daemon(target(arguments, config.as_ref())?, config.as_ref(), environment)?;
    let options = SearchOptions {
        command: "scan",
        timeout: arguments.timeout,
        all: arguments.all,
        units: arguments.units.as_ref().map(|units| units.0.clone()).unwrap_or_default(),
        watch: arguments.watch,
        identify_when_stopped: false,
    };
    let report = runtime()?.block_on(search(&options, &target))?;
    conclude(arguments, path, environment, config.as_ref(), report)
}

fn target(arguments: &ScanArguments, config: Option<&Config>) -> Result<Target, u8> {
    let usage = |error: String| {
        print_error(&error);
        exit::USAGE
    };
    let place = &arguments.line;
    let known = place.bus.as_ref().map(|name| bus(config, name)).transpose()?.map(|bus| &bus.link);
    let (serial, tcp, converter) = match known {
        None => (place.serial.clone(), place.tcp.clone(), place.rtu_over_tcp.clone()),
        Some(Link::Serial(line)) => return Ok(Target::Serial(line.path.clone(), known_settings(arguments, line))),
        Some(Link::Tcp(address)) => (None, Some(address.clone()), None),
        Some(Link::RtuOverTcp(address)) => (None, None, Some(address.clone())),
    };
    match (serial, tcp, converter) {
        (Some(path), ..) => Ok(Target::Serial(path, settings(&arguments.baud, &arguments.parity, arguments.stop_bits))),
        (_, Some(text), _) => Ok(Target::Addresses(LinkKind::Tcp, addresses(&text, true).map_err(usage)?)),
        (.., converter) => {
            let listed = addresses(&converter.unwrap_or_default(), false).map_err(usage)?;
            Ok(Target::Addresses(LinkKind::Converter, listed))
        }
    }
}

/// A bus of the configuration is scanned with its own settings unless the options give others.
fn known_settings(arguments: &ScanArguments, line: &SerialSettings) -> Vec<LineSettings> {
    if arguments.baud.is_empty() && arguments.parity.is_empty() {
        vec![LineSettings { baud: line.baud, parity: line.parity, stop_bits: line.stop_bits }]
    } else {
        settings(&arguments.baud, &arguments.parity, line.stop_bits)
    }
}

/// The target as it can be reached: a line that the running daemon uses is borrowed; of several addresses, those that it uses are left out.
pub(super) fn beside_daemon(target: Target, config: Option<&Config>, environment: &Environment) -> Result<Target, u8> {
    match target {
        Target::Serial(path, settings) => {
            let line = SerialSettings { path: path.clone(), baud: 9600, parity: Parity::None, stop_bits: 1 };
            match daemon_on_line(config, environment, &Link::Serial(line)) {
                Some(owner) => {
                    let own = owner.lender.as_ref().and_then(|lender| lender.line_settings());
                    at_own_setting(&settings, own, &owner)?;
                    Ok(Target::Lent(owner))
                }
                None => Ok(Target::Serial(path, settings)),
            }
        }
        Target::Addresses(kind, addresses) => {
            let used = |address: &String| daemon_on_line(config, environment, &Link::Tcp(address.clone()));
            let (ours, theirs): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| used(address).is_none());
            match &theirs[..] {
                [] => {}
                [one] if ours.is_empty() => return used(one).map(Target::Lent).ok_or(exit::FAILED),
                several => print_error(&format!(
                    "not scanned, because the running arkmeter polls them: {}; scan each of them alone, and its line is used between the polls",
                    several.join(", ")
                )),
            }
            if ours.is_empty() { Err(exit::IN_USE) } else { Ok(Target::Addresses(kind, ours)) }
        }
        lent @ Target::Lent(_) => Ok(lent),
    }
}

/// Says that a line of the daemon is scanned at its own setting only, if others were to be tried.
fn at_own_setting(settings: &[LineSettings], own: Option<LineSettings>, owner: &LineOwner) -> Result<(), u8> {
    let Some(own) = own.filter(|own| settings.iter().any(|setting| setting != own)) else { return Ok(()) };
    let remedy = "to try others, stop it (`systemctl stop arkmeter`), repeat this command, and start it again (`systemctl start arkmeter`)";
    print_error(&format!("arkmeter polls {} at {own}, so only this setting is scanned; {remedy}", owner.place));
    if settings.contains(&own) { Ok(()) } else { Err(exit::IN_USE) }
}

/// How to search.
#[derive(Clone, Debug)]
pub(super) struct SearchOptions {
    /// The command that searches: `scan`.
    pub(super) command: &'static str,
    /// The timeout for an answer; the usual one of the link if it is absent.
    pub(super) timeout: Option<Duration>,
    /// Continues with other settings after a meter was found.
    pub(super) all: bool,
    /// The units to try; all of them if it is empty.
    pub(super) units: Vec<UnitId>,
    /// How long the counters are watched.
    pub(super) watch: Duration,
    /// Ctrl-C ends only the search for units; those that were found are identified.
    pub(super) identify_when_stopped: bool,
}

/// Finds the units, then identifies them. Ctrl-C ends either step; what was found so far is kept.
pub(super) async fn search(options: &SearchOptions, target: &Target) -> Result<ScanReport, u8> {
    let bar = TerminalProgress::on_terminal();
    let on_progress = |progress: SweepProgress| {
        let part = progress.done.as_secs_f64() / progress.total.as_secs_f64();
        bar.show(part, &format!("{}, {} found", progress.place, progress.found));
    };
    let (kind, timeout) = match target {
        Target::Lent(owner) => usual(owner.lender.as_ref().map_or(LinkKind::Serial, |lender| lender.kind())),
        Target::Serial(..) => usual(LinkKind::Serial),
        Target::Addresses(kind, _) => usual(*kind),
    };
    let timeout = options.timeout.unwrap_or(timeout);
    let mut sweep = Sweep::new(timeout, options.all, on_progress);
    let given = &options.units[..];
    check_units(kind, given)?;
    let (first, mut rest) = if kind == LinkKind::Tcp { tcp_units(given) } else { units(given) };
    if given.is_empty() && matches!(target, Target::Addresses(_, addresses) if addresses.len() > 1) {
        rest.retain(|unit| !unit.is_serial());
    }
    // One meter may answer to all units of a gateway: that is seen only if all the likely ones are asked.
    let polled = known_units(target, given);
    let skipped = if kind == LinkKind::Tcp { &[][..] } else { &polled[..] };
    let units = [first, rest].map(|units| units.into_iter().filter(|unit| !skipped.contains(unit)).collect::<Vec<_>>());
    let units = units.into();
    let loan = loan(target, options.command, timeout, &units, &polled).await?;
    let swept = async {
        match target {
            Target::Serial(path, settings) => sweep.serial(path, settings, &units).await,
            Target::Addresses(kind, addresses) => {
                sweep.addresses(*kind, addresses, &units).await;
                Ok(())
            }
            Target::Lent(_) => match &loan {
                Some((settings, loan)) => sweep.lent(settings, &units, loan.terms.missing_unit).await,
                None => Ok(()),
            },
        }
    };
    let ended = unless_interrupted(swept).await;
    let (found, evidence) = (std::mem::take(&mut sweep.found), sweep.evidence);
    drop(sweep);
    let mut report = ScanReport { kind, evidence, found: Vec::new(), stopped: ended.is_none() };
    if report.stopped {
        bar.interrupted();
    }
    if let Some(Err(error)) = ended {
        bar.aside(|| print_error(&error.to_string()));
        if found.is_empty() {
            return Err(exit::FAILED);
        }
    }
    bar.restart();
    let skip = report.stopped && !options.identify_when_stopped;
    identify(&mut report, found, options.watch, skip, &polled, &bar).await;
    Ok(report)
}

/// The kind of a line, and the timeout for units that are not there.
fn usual(kind: LinkKind) -> (LinkKind, Duration) {
    let timeout = match kind {
        LinkKind::Serial => 150,
        LinkKind::Converter => 500,
        LinkKind::Tcp => 1000,
    };
    (kind, Duration::from_millis(timeout))
}

/// The units that the daemon polls on the line that it lends, if they were not given to be scanned.
fn known_units(target: &Target, given: &[UnitId]) -> Vec<UnitId> {
    match target {
        Target::Lent(owner) if given.is_empty() => {
            owner.lender.as_ref().map(|lender| lender.units.clone()).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// Borrows the line of the daemon, and says how long the scan will take.
async fn loan(
    target: &Target,
    purpose: &str,
    timeout: Duration,
    (first, rest): &(Vec<UnitId>, Vec<UnitId>),
    polled: &[UnitId],
) -> Result<Option<(LinkSettings, BorrowedLine)>, u8> {
    let Target::Lent(owner) = target else { return Ok(None) };
    let (settings, loan) = owner.borrow(purpose, timeout).await.map_err(NotBorrowed::printed)?;
    let count = (first.len() + rest.len()) as u32;
    print_error(&announcement(loan.terms.missing_unit * count));
    if !polled.is_empty() {
        let list = polled.iter().map(UnitId::to_string).collect::<Vec<_>>().join(", ");
        print_error(&format!("not asked, because they are in the configuration: units {list}"));
    }
    Ok(Some((settings, loan)))
}

/// Finds out the model of each unit that was found, unless that is skipped.
async fn identify(
    report: &mut ScanReport,
    found: Vec<FoundUnit>,
    watch: Duration,
    mut skip: bool,
    polled: &[UnitId],
    bar: &TerminalProgress,
) {
    let profiles: Vec<Arc<Profile>> = library().entries().map(|entry| entry.profile.clone()).collect();
    let count = found.len();
    for (index, found) in found.into_iter().enumerate() {
        if polled.contains(&found.unit) {
            let notes = vec!["it is polled, and not identified again".to_owned()];
            report.found.push((found, Examination { notes, ..Examination::default() }));
            continue;
        }
        let place = format!("identifying unit {}", found.unit);
        let mut on_progress = |part: f64| bar.show((index as f64 + part) / count as f64, &place);
        let examined =
            if skip { None } else { unless_interrupted(examine(&found, &profiles, watch, &mut on_progress)).await };
        if !skip && examined.is_none() {
            bar.interrupted();
            skip = true;
        }
        report.stopped |= skip;
        let examined = examined.unwrap_or_else(|| Examination {
            error: Some("not identified, because the scan was stopped".to_owned()),
            ..Examination::default()
        });
        report.found.push((found, examined));
    }
}

/// The result of the work; `None` if Ctrl-C stopped it.
pub(super) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        outcome = work => Some(outcome),
        _ = tokio::signal::ctrl_c() => None,
    }
}

/// Prints what was found, and adds it to the configuration with `--write`.
fn conclude(
    arguments: &ScanArguments,
    path: &Path,
    environment: &Environment,
    config: Option<&Config>,
    report: ScanReport,
) -> Result<u8, u8> {
    let best = |examined: &Examination| examined.candidates.first().map(|candidate| candidate.profile.clone());
    let profiles: Vec<_> = report.found.iter().map(|(found, examined)| (found, best(examined))).collect();
    let candidates: Vec<_> = profiles.iter().map(|(found, profile)| (*found, profile.as_deref())).collect();
    let mut proposals = propose(config, &candidates, arguments.max_power);
    let mut out = std::io::stdout().lock();
    let printed = match arguments.json {
        true => report.json(&proposals, &mut out),
        false => report.print(&proposals, &mut out),
    };
    let printed = printed.and_then(|()| out.flush());
    print_error(&report.remarks());
    if finish_output(printed) != 0 {
        return Err(exit::FAILED);
    }
    if arguments.write {
        if ask::somebody_is_there() && ask::fill_in(&report, &mut proposals, config).is_err() {
            print_error("stopped: nothing was written");
            return Err(exit::INTERRUPTED);
        }
        let (lines, left) = report::lines_to_write(&report.found, &proposals);
        left.iter().for_each(|why| print_error(&format!("not written: {why}")));
        if !lines.is_empty() {
            write::add_meters(path, &lines, config, environment).map_err(|error| {
                print_error(&chain(&error));
                exit::CONFIG
            })?;
            print_error(&format!("written to {}; `arkmeter check` shows what will be polled", path.display()));
        }
    }
    Ok(match (report.stopped, report.found.is_empty()) {
        (true, _) => exit::INTERRUPTED,
        (false, true) => exit::FAILED,
        (false, false) => 0,
    })
}
