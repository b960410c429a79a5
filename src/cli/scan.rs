//! `arkmeter scan`: what is on a line, or at a range of addresses, and the lines of the configuration for it.

mod addresses;
mod report;
mod write;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::line::{Where, bus, configuration, in_use, parity, refuse, unit};
use super::progress::Bar;
use super::{complain, done, exit};
use crate::config::{Config, Environment, Link, Parity, SerialSettings};
use crate::form::parse_power;
use crate::meter::{Profile, library};
use crate::survey::{Examined, Found, Progress, Setting, Sweep, Way, examine, propose, settings, units};
use crate::units::{Milliwatts, UnitId};
use report::Report;

/// How to scan.
#[derive(Debug, Args)]
pub struct ScanArguments {
    #[command(flatten)]
    place: Where,
    /// Baud rates to try, such as 9600 or 9600,19200 (the usual ones when absent)
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(300..=4_000_000))]
    baud: Vec<u32>,
    /// Parities to try: none, even, odd (the usual ones when absent)
    #[arg(long, value_delimiter = ',', value_parser = parity)]
    parity: Vec<Parity>,
    /// Stop bits, 1 or 2
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    stop_bits: u8,
    /// Units to try, such as 1-20,247 (all of 1 to 247 when absent; at several addresses 1 to 10 and 247)
    #[arg(long, value_parser = unit_list)]
    units: Option<Units>,
    /// How long a meter may take to answer, such as 200ms (150ms on a serial line, 500ms through a converter, 1s through a gateway)
    #[arg(long, value_parser = timeout)]
    timeout: Option<Duration>,
    /// How long the counters of what was found are watched
    #[arg(long, default_value = "5s", value_parser = watch)]
    watch: Duration,
    /// Go on with other baud rates and parities after something was found
    #[arg(long)]
    all: bool,
    /// What the connections can carry, such as 20kW: for profiles that have no rating
    #[arg(long, value_parser = power)]
    max_power: Option<Milliwatts>,
    /// Add what was found to the configuration
    #[arg(long)]
    write: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Units as they were given.
#[derive(Clone, Debug)]
struct Units(Vec<UnitId>);

fn unit_list(text: &str) -> Result<Units, String> {
    let mut units = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (unit(first.trim())?.get(), unit(last.trim())?.get());
        if last < first {
            return Err(format!("`{part}` ends before it begins"));
        }
        units.extend((first..=last).filter_map(|number| UnitId::new(number.into())));
    }
    Ok(Units(units))
}

fn bounded(text: &str, from: Duration, to: Duration) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let limits = || format!("from {} to {}", humantime::format_duration(from), humantime::format_duration(to));
    if (from..=to).contains(&time) { Ok(time) } else { Err(limits()) }
}

fn timeout(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::from_millis(10), Duration::from_secs(10))
}

fn watch(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::ZERO, Duration::from_secs(3600))
}

fn power(text: &str) -> Result<Milliwatts, String> {
    parse_power(text).filter(|power| power.0 >= 1000).ok_or_else(|| "a power such as 5500W or 20kW".to_owned())
}

/// What is to be scanned.
enum Target {
    Serial(std::path::PathBuf, Vec<Setting>),
    Addresses(Way, Vec<String>),
}

/// Scans. 0 when something was found.
pub fn scan(arguments: &ScanArguments, path: &Path, environment: &Environment) -> u8 {
    prepare(arguments, path, environment).unwrap_or_else(|code| code)
}

fn prepare(arguments: &ScanArguments, path: &Path, environment: &Environment) -> Result<u8, u8> {
    let config = configuration(path, environment, arguments.place.bus.is_some())?;
    let target = free(target(arguments, config.as_ref())?, config.as_ref(), environment)?;
    let report = super::runtime()?.block_on(run(arguments, &target))?;
    conclude(arguments, path, environment, config.as_ref(), report)
}

fn target(arguments: &ScanArguments, config: Option<&Config>) -> Result<Target, u8> {
    let said = |error: String| {
        complain(&format!("{error}\n"));
        exit::USAGE
    };
    let place = &arguments.place;
    let known = place.bus.as_ref().map(|name| bus(config, name)).transpose()?.map(|bus| &bus.link);
    let (serial, tcp, converter) = match known {
        None => (place.serial.clone(), place.tcp.clone(), place.rtu_over_tcp.clone()),
        Some(Link::Serial(line)) => return Ok(Target::Serial(line.path.clone(), known_settings(arguments, line))),
        Some(Link::Tcp(address)) => (None, Some(address.clone()), None),
        Some(Link::RtuOverTcp(address)) => (None, None, Some(address.clone())),
    };
    match (serial, tcp, converter) {
        (Some(path), ..) => Ok(Target::Serial(path, settings(&arguments.baud, &arguments.parity, arguments.stop_bits))),
        (_, Some(text), _) => Ok(Target::Addresses(Way::Tcp, addresses::addresses(&text, true).map_err(said)?)),
        (.., converter) => {
            let listed = addresses::addresses(&converter.unwrap_or_default(), false).map_err(said)?;
            Ok(Target::Addresses(Way::RtuOverTcp, listed))
        }
    }
}

/// A bus of the configuration is scanned as it is set, unless something else is asked for.
fn known_settings(arguments: &ScanArguments, line: &SerialSettings) -> Vec<Setting> {
    if arguments.baud.is_empty() && arguments.parity.is_empty() {
        vec![Setting { baud: line.baud, parity: line.parity, stop_bits: line.stop_bits }]
    } else {
        settings(&arguments.baud, &arguments.parity, line.stop_bits)
    }
}

/// What of the target the running daemon leaves to us.
fn free(target: Target, config: Option<&Config>, environment: &Environment) -> Result<Target, u8> {
    match target {
        Target::Serial(path, settings) => {
            let line = SerialSettings { path: path.clone(), baud: 9600, parity: Parity::None, stop_bits: 1 };
            match in_use(config, environment, &Link::Serial(line)) {
                Some(process) => Err(refuse(&process, &path.display().to_string())),
                None => Ok(Target::Serial(path, settings)),
            }
        }
        Target::Addresses(way, addresses) => {
            let used = |address: &String| in_use(config, environment, &Link::Tcp(address.clone()));
            let (ours, theirs): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| used(address).is_none());
            match (ours.is_empty(), theirs.first()) {
                (true, Some(first)) => Err(refuse(&used(first).unwrap_or_default(), first)),
                (_, None) => Ok(Target::Addresses(way, ours)),
                (false, Some(_)) => {
                    complain(&format!("left out, for the running arkmeter polls them: {}\n", theirs.join(", ")));
                    Ok(Target::Addresses(way, ours))
                }
            }
        }
    }
}

/// Sweeps, then looks at what was found; Ctrl-C ends either with what there is.
async fn run(arguments: &ScanArguments, target: &Target) -> Result<Report, u8> {
    let mut bar = Bar::on_terminal();
    let tell = |progress: Progress| {
        let part = progress.done.as_secs_f64() / progress.whole.as_secs_f64();
        bar.draw(part, &format!("{}, {} found", progress.place, progress.found));
    };
    let (way, timeout) = match target {
        Target::Serial(..) => (Way::Serial, Duration::from_millis(150)),
        Target::Addresses(Way::RtuOverTcp, _) => (Way::RtuOverTcp, Duration::from_millis(500)),
        Target::Addresses(way, _) => (*way, Duration::from_secs(1)),
    };
    let mut sweep = Sweep::new(arguments.timeout.unwrap_or(timeout), arguments.all, tell);
    let (first, mut rest) = units(arguments.units.as_ref().map_or(&[], |units| &units.0));
    if arguments.units.is_none() && matches!(target, Target::Addresses(_, addresses) if addresses.len() > 1) {
        rest.clear();
    }
    let units = (first, rest);
    let swept = async {
        match target {
            Target::Serial(path, settings) => sweep.serial(path, settings, &units).await,
            Target::Addresses(way, addresses) => {
                sweep.addresses(*way, addresses, &units).await;
                Ok(())
            }
        }
    };
    let ended = stoppable(swept).await;
    let (found, evidence) = (std::mem::take(&mut sweep.found), sweep.evidence);
    drop(sweep);
    let mut report = Report { way, evidence, found: Vec::new(), stopped: ended.is_none() };
    if let Some(Err(error)) = ended {
        complain(&format!("{error}\n"));
        if found.is_empty() {
            return Err(exit::FAILED);
        }
    }
    bar.restart();
    look(&mut report, found, arguments.watch, &mut bar).await;
    Ok(report)
}

/// Asks each unit that was found what it is.
async fn look(report: &mut Report, found: Vec<Found>, watch: Duration, bar: &mut Bar) {
    let profiles: Vec<Arc<Profile>> = library().entries().map(|entry| entry.profile.clone()).collect();
    let count = found.len();
    for (index, found) in found.into_iter().enumerate() {
        let place = format!("what is unit {}?", found.unit);
        let mut tell = |part: f64| bar.draw((index as f64 + part) / count as f64, &place);
        let examined =
            if report.stopped { None } else { stoppable(examine(&found, &profiles, watch, &mut tell)).await };
        report.stopped |= examined.is_none();
        let examined = examined.unwrap_or_else(|| Examined {
            trouble: Some("it was not asked what it is: the scan was stopped".to_owned()),
            ..Examined::default()
        });
        report.found.push((found, examined));
    }
}

/// The work's outcome; `None` where it was stopped by Ctrl-C.
pub(super) async fn stoppable<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        outcome = work => Some(outcome),
        _ = tokio::signal::ctrl_c() => None,
    }
}

/// Prints what was found, and adds it to the configuration where that is asked for.
fn conclude(
    arguments: &ScanArguments,
    path: &Path,
    environment: &Environment,
    config: Option<&Config>,
    report: Report,
) -> Result<u8, u8> {
    let best = |examined: &Examined| examined.candidates.first().map(|candidate| candidate.profile.clone());
    let profiles: Vec<_> = report.found.iter().map(|(found, examined)| (found, best(examined))).collect();
    let asked: Vec<_> = profiles.iter().map(|(found, profile)| (*found, profile.as_deref())).collect();
    let proposals = propose(config, &asked, arguments.max_power);
    let mut out = std::io::stdout().lock();
    let printed = match arguments.json {
        true => report.json(&proposals, &mut out),
        false => report.print(&proposals, &mut out),
    };
    let printed = printed.and_then(|()| out.flush());
    complain(&report.remarks());
    if done(printed) != 0 {
        return Err(exit::FAILED);
    }
    if arguments.write {
        let (lines, left) = report::lines_to_write(&report.found, &proposals);
        left.iter().for_each(|why| complain(&format!("not written: {why}\n")));
        if !lines.is_empty() {
            write::append(path, &lines, environment).map_err(|error| {
                complain(&format!("{}\n", super::chain(&error)));
                exit::CONFIG
            })?;
            complain(&format!("written to {}; `arkmeter check` shows what will be polled\n", path.display()));
        }
    }
    Ok(if report.found.is_empty() { exit::FAILED } else { 0 })
}
