//! `arkmeter scan`: finds the meters on a line or in a range of addresses, and prints the configuration for them.

mod ask;
mod report;
pub(super) mod write;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::context::runtime;
use super::exit;
use super::line::{LineArguments, bus, check_units, configuration, daemon_on_line, parity_parser, refuse, unit, watch};
use super::output::{finish_output, print_error};
use super::progress::TerminalProgress;
use crate::config::{Config, Environment, Link, Parity, SerialSettings};
use crate::form::parse_power;
use crate::meter::{Profile, library};
use crate::quality::LinkKind;
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
    let target = without_lines_of_daemon(target(arguments, config.as_ref())?, config.as_ref(), environment)?;
    let options = SearchOptions {
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

/// The target without the lines that the running daemon uses.
pub(super) fn without_lines_of_daemon(
    target: Target,
    config: Option<&Config>,
    environment: &Environment,
) -> Result<Target, u8> {
    match target {
        Target::Serial(path, settings) => {
            let line = SerialSettings { path: path.clone(), baud: 9600, parity: Parity::None, stop_bits: 1 };
            match daemon_on_line(config, environment, &Link::Serial(line)) {
                Some(process) => Err(refuse(&process, &path.display().to_string())),
                None => Ok(Target::Serial(path, settings)),
            }
        }
        Target::Addresses(kind, addresses) => {
            let used = |address: &String| daemon_on_line(config, environment, &Link::Tcp(address.clone()));
            let (ours, theirs): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| used(address).is_none());
            match (ours.is_empty(), theirs.first()) {
                (true, Some(first)) => Err(refuse(&used(first).unwrap_or_default(), first)),
                (_, None) => Ok(Target::Addresses(kind, ours)),
                (false, Some(_)) => {
                    print_error(&format!(
                        "not scanned, because the running arkmeter polls them: {}",
                        theirs.join(", ")
                    ));
                    Ok(Target::Addresses(kind, ours))
                }
            }
        }
    }
}

/// How to search.
#[derive(Clone, Debug)]
pub(super) struct SearchOptions {
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
        Target::Serial(..) => (LinkKind::Serial, Duration::from_millis(150)),
        Target::Addresses(LinkKind::Converter, _) => (LinkKind::Converter, Duration::from_millis(500)),
        Target::Addresses(kind, _) => (*kind, Duration::from_secs(1)),
    };
    let mut sweep = Sweep::new(options.timeout.unwrap_or(timeout), options.all, on_progress);
    let given = &options.units[..];
    check_units(kind, given)?;
    let (first, mut rest) = if kind == LinkKind::Tcp { tcp_units(given) } else { units(given) };
    if given.is_empty() && matches!(target, Target::Addresses(_, addresses) if addresses.len() > 1) {
        rest.retain(|unit| !unit.is_serial());
    }
    let units = (first, rest);
    let swept = async {
        match target {
            Target::Serial(path, settings) => sweep.serial(path, settings, &units).await,
            Target::Addresses(kind, addresses) => {
                sweep.addresses(*kind, addresses, &units).await;
                Ok(())
            }
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
    identify(&mut report, found, options.watch, skip, &bar).await;
    Ok(report)
}

/// Finds out the model of each unit that was found, unless that is skipped.
async fn identify(
    report: &mut ScanReport,
    found: Vec<FoundUnit>,
    watch: Duration,
    mut skip: bool,
    bar: &TerminalProgress,
) {
    let profiles: Vec<Arc<Profile>> = library().entries().map(|entry| entry.profile.clone()).collect();
    let count = found.len();
    for (index, found) in found.into_iter().enumerate() {
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
