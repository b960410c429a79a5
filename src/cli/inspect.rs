//! `arkmeter inspect`: the registers of an unsupported meter in every possible format, what they probably are, and a proposed profile.

mod lent;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use comfy_table::Table;
use serde_json::json;
use tokio::time::Instant;

use super::arguments::name;
use super::context::runtime;
use super::exit;
use super::line::{LineArguments, bus, check_units, configuration, daemon_on_line, parity_parser, unit, watch};
use super::output::{finish_output, print_error, table, write_json};
use super::progress::TerminalProgress;
use super::scan::unless_interrupted;
use crate::config::{Config, Environment};
use crate::form::{parse_energy, parse_power};
use crate::meter::{Function, RegisterRange};
use crate::modbus::{Error, Line, Link, LinkSettings, SerialSettings};
use crate::quality::LinkKind;
use crate::survey::{
    Display, RegisterAnalysis, RegisterGuess, RegisterSample, RegisterSpan, UnreadRange, bridges, read_again,
    read_mapped, readings, registers,
};
use crate::units::{Name, Parity, UnitId};

/// The options of `inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    #[command(flatten)]
    line: LineArguments,
    /// Unit of the meter, 1 to 247; over Modbus TCP also 0 and 248 to 255
    #[arg(long, value_parser = unit)]
    unit: UnitId,
    /// Baud rate of the line
    #[arg(long, default_value_t = 9600, value_parser = clap::value_parser!(u32).range(300..=4_000_000))]
    baud: u32,
    /// Parity of the line
    #[arg(long, default_value = "none", value_parser = parity_parser())]
    parity: Parity,
    /// Stop bits, 1 or 2
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    stop_bits: u8,
    /// Registers to read, 0-based, such as 0..200 or 0x100..0x130,0x400..0x450
    #[arg(long, default_value = "0..200", value_delimiter = ',', value_parser = register_range)]
    registers: Vec<(u16, u16)>,
    /// Only input registers (function 4) or holding registers (function 3) (default: both)
    #[arg(long, value_parser = function_parser())]
    function: Option<Function>,
    /// Loads that you switch on one after the other when asked, such as 0,1kW,3kW: they show which register is the power, and its scale
    #[arg(long, value_delimiter = ',', value_parser = load)]
    loads: Vec<Load>,
    /// The imported energy that the meter's display shows now, such as 1234.5kWh: it tells counters apart
    #[arg(long, value_parser = display)]
    display: Option<Display>,
    /// How long to watch the registers, with --loads each load; up to 4h, 0s reads once (default: 60s, with --loads 2m)
    #[arg(long, value_parser = watch)]
    watch: Option<Duration>,
    /// Name of the profile
    #[arg(long, default_value = "unknown-meter", value_parser = name)]
    name: Name,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A load in W.
#[derive(Clone, Copy, Debug)]
struct Load(f64);

/// Maximum requests to find the registers that exist.
const MAX_REQUESTS: u32 = 400;
/// Samples taken while watching one load.
const SAMPLES: u32 = 12;
/// How long the registers are watched, without loads and with each load, unless `--watch` says so.
const WATCHED: Duration = Duration::from_secs(60);
const WATCHED_LOAD: Duration = Duration::from_secs(120);
/// The loads in W that are asked for where watching alone does not decide.
const ASKED: [f64; 3] = [0.0, 1000.0, 3000.0];
/// Time to switch a load on after it was asked for, at most.
const SWITCHING: Duration = Duration::from_secs(20);
/// Time between requests: some meters restart when requests come too fast.
const GAP: Duration = Duration::from_millis(20);
/// Maximum registers in one range.
const MAX_REGISTERS: u16 = 2000;

fn register_range(text: &str) -> Result<(u16, u16), String> {
    const HELP: &str = "write first..last, 0-based, such as 0..200 or 0x100..0x130,0x400..0x450";
    let number = |text: &str| match text.trim().strip_prefix("0x") {
        Some(hex) => u16::from_str_radix(hex, 16).ok(),
        None => text.trim().parse().ok(),
    };
    let (first, last) = text.split_once("..").ok_or(HELP)?;
    let (first, last) = number(first).zip(number(last.trim_start_matches('='))).ok_or(HELP)?;
    match last.checked_sub(first) {
        None => Err(HELP.to_owned()),
        Some(MAX_REGISTERS..) => Err(format!("more than {MAX_REGISTERS} registers: inspect them in several runs")),
        Some(_) => Ok((first, last)),
    }
}

fn load(text: &str) -> Result<Load, String> {
    if matches!(text.trim(), "0" | "0W" | "off") {
        return Ok(Load(0.0));
    }
    parse_power(text.trim()).map(|power| Load(power.watts())).ok_or_else(|| "a load such as 0, 800W or 1kW".to_owned())
}

/// The last digit that was written tells how exactly the display shows it.
fn display(text: &str) -> Result<Display, String> {
    let energy = parse_energy(text).ok_or("an energy with its unit, such as 1234.5kWh")?;
    let unit =
        parse_energy(&format!("1{}", text.trim_start_matches(|it: char| it.is_ascii_digit() || it == '.').trim()));
    let decimals = text.split_once('.').map_or(0, |(_, rest)| rest.chars().take_while(char::is_ascii_digit).count());
    let digit = unit.map_or(1.0, |unit| unit.get() as f64 / 1000.0) / 10_f64.powi(decimals as i32);
    Ok(Display { energy: energy.get() as f64 / 1000.0, digit })
}

fn function_parser() -> impl TypedValueParser<Value = Function> {
    PossibleValuesParser::new(["input", "holding"])
        .map(|word| if word == "input" { Function::Input } else { Function::Holding })
}

/// Inspects one meter. The exit code: 0 if it has registers in the range.
pub(super) fn inspect(arguments: &InspectArguments, path: &Path, environment: &Environment) -> u8 {
    inspect_line(arguments, path, environment).unwrap_or_else(|code| code)
}

fn inspect_line(arguments: &InspectArguments, path: &Path, environment: &Environment) -> Result<u8, u8> {
    let config = configuration(path, environment, arguments.line.bus.is_some())?;
    let bus = bus_config(arguments, config.as_ref())?;
    let kind = if matches!(bus.link, Link::Tcp(_)) { LinkKind::Tcp } else { LinkKind::Serial };
    check_units(kind, &[arguments.unit])?;
    let owner = daemon_on_line(config.as_ref(), environment, &bus.link);
    let (mut samples, progress) = (Vec::new(), TerminalProgress::on_terminal());
    let sampling = async {
        let loan = match &owner {
            Some(owner) => Some(lent::borrow(owner, arguments, &bus).await?),
            None => None,
        };
        let settings = loan.as_ref().map_or(&bus, |(settings, _)| settings);
        Ok::<_, u8>(unless_interrupted(sample(arguments, settings, &mut samples, &progress)).await)
    };
    let ended = runtime()?.block_on(sampling)?;
    let stopped = ended.is_none();
    if stopped {
        progress.interrupted();
    }
    drop(progress);
    match ended {
        Some(Err(error)) if samples.is_empty() => {
            print_error(&error.to_string());
            return Err(exit::FAILED);
        }
        Some(Err(error)) => print_error(&format!("watching ended early: {error}")),
        None => print_error("stopped"),
        Some(Ok(())) => {}
    }
    let code = conclude(arguments, &samples)?;
    Ok(if stopped { exit::INTERRUPTED } else { code })
}

/// The requests for the registers of the arguments.
fn blocks(arguments: &InspectArguments) -> Vec<RegisterRange> {
    let functions = arguments.function.map_or(vec![Function::Input, Function::Holding], |function| vec![function]);
    let spans = functions.into_iter().flat_map(|function| {
        arguments.registers.iter().map(move |(first, last)| RegisterSpan { function, registers: *first..=*last })
    });
    spans.flat_map(|span| span.blocks()).collect()
}

fn bus_config(arguments: &InspectArguments, config: Option<&Config>) -> Result<LinkSettings, u8> {
    let place = &arguments.line;
    if let Some(name) = &place.bus {
        let settings = bus(config, name)?.link_settings();
        return Ok(LinkSettings { request_gap: settings.request_gap.max(GAP), ..settings });
    }
    let serial = |path| {
        let InspectArguments { baud, parity, stop_bits, .. } = *arguments;
        Link::Serial(SerialSettings { path, baud, parity, stop_bits })
    };
    let port = |address: String| if address.contains(':') { address } else { format!("{address}:502") };
    let link = match (&place.serial, &place.tcp, &place.rtu_over_tcp) {
        (Some(path), ..) => serial(path.clone()),
        (_, Some(address), _) => Link::Tcp(port(address.clone())),
        (.., address) => Link::RtuOverTcp(address.clone().unwrap_or_default()),
    };
    Ok(LinkSettings {
        link,
        timeout: Duration::from_secs(1),
        request_gap: GAP,
        connect_delay: Duration::ZERO,
        lender: None,
    })
}

/// Finds the registers that exist, then reads them repeatedly for the time of the watch, with each load.
async fn sample(
    arguments: &InspectArguments,
    settings: &LinkSettings,
    samples: &mut Vec<RegisterSample>,
    progress: &TerminalProgress,
) -> Result<(), Error> {
    let blocks = blocks(arguments);
    let mut line = Line::new(settings);
    progress.show(0.0, "finding the registers that exist");
    let mut found = RegisterSample::default();
    let unread = read_mapped(&mut line, arguments.unit, blocks, MAX_REQUESTS, &mut found).await?;
    for UnreadRange { range, why } in unread {
        print_error(&format!("not read: {range}: {why}"));
    }
    for bridge in bridges(&found) {
        read_again(&mut line, arguments.unit, &[bridge], &mut found).await?;
    }
    let blocks: Vec<RegisterRange> = found.answers.keys().copied().collect();
    samples.push(found);
    if arguments.watch.is_some_and(|each| each.is_zero()) || blocks.is_empty() {
        return Ok(());
    }
    let mut watch = RegisterWatch { line, unit: arguments.unit, blocks, begin: Instant::now(), taken: 0, progress };
    let each_load = arguments.watch.unwrap_or(WATCHED_LOAD);
    for Load(watts) in &arguments.loads {
        watch.with_load(*watts, each_load, samples).await?;
    }
    if !arguments.loads.is_empty() {
        return Ok(());
    }
    watch.read(None, arguments.watch.unwrap_or(WATCHED), samples).await?;
    if asks_for_loads(arguments, samples) {
        print_error(
            "cannot tell yet which register is the power, or its scale: three loads decide it. You are asked for them one after the other, \
             off, 1 kW and 3 kW; Ctrl-C ends it with what is known",
        );
        let mut guided = Vec::new();
        for watts in ASKED {
            watch.with_load(watts, each_load, &mut guided).await?;
        }
        *samples = guided;
    }
    Ok(())
}

/// Whether somebody is there who can switch loads, and they are what is missing.
fn asks_for_loads(arguments: &InspectArguments, samples: &[RegisterSample]) -> bool {
    std::io::stdin().is_terminal() && RegisterAnalysis::of(samples, arguments.display).needs_loads()
}

/// The registers of a meter while they are watched.
struct RegisterWatch<'p> {
    line: Line,
    unit: UnitId,
    blocks: Vec<RegisterRange>,
    begin: Instant,
    /// Samples so far.
    taken: usize,
    progress: &'p TerminalProgress,
}

impl RegisterWatch<'_> {
    /// Asks for this load, then reads the registers for this time.
    async fn with_load(&mut self, watts: f64, time: Duration, samples: &mut Vec<RegisterSample>) -> Result<(), Error> {
        let switching = SWITCHING.min(time / 3);
        print_error(&format!("{}; watching begins in {} s", request_for(watts), switching.as_secs()));
        tokio::time::sleep(switching).await;
        self.read(Some(watts), time, samples).await
    }

    /// Reads the registers repeatedly for this time.
    async fn read(
        &mut self,
        load: Option<f64>,
        time: Duration,
        samples: &mut Vec<RegisterSample>,
    ) -> Result<(), Error> {
        let part = Instant::now();
        for index in 0..=SAMPLES {
            tokio::time::sleep_until(part + time * index / SAMPLES).await;
            let before = self.begin.elapsed();
            let mut sample = RegisterSample { load, ..RegisterSample::default() };
            if read_again(&mut self.line, self.unit, &self.blocks, &mut sample).await? {
                sample.at = (before + self.begin.elapsed()).as_secs_f64() / 2.0;
                if self.taken == 0 {
                    // The search took long. From here on, all registers of a sample are read at nearly the same time.
                    samples.clear();
                }
                self.taken += 1;
                samples.push(sample);
            }
            self.progress.show(f64::from(index) / f64::from(SAMPLES), "watching the registers");
        }
        Ok(())
    }
}

fn request_for(watts: f64) -> String {
    match watts {
        0.0 => "switch the loads off now".to_owned(),
        watts => format!("switch on a load of about {watts} W now, and no other"),
    }
}

fn conclude(arguments: &InspectArguments, samples: &[RegisterSample]) -> Result<u8, u8> {
    let Some(sample) = samples.first().filter(|sample| !sample.answers.is_empty()) else {
        print_error(&format!(
            "unit {} has no register in this range: try another range with --registers, or `arkmeter scan`",
            arguments.unit
        ));
        return Err(exit::FAILED);
    };
    let analysis = RegisterAnalysis::of(samples, arguments.display);
    let profile = analysis.profile(&arguments.name);
    let mut out = std::io::stdout().lock();
    let printed = if arguments.json {
        let document = json!({
            "unit": arguments.unit.get(),
            "samples": samples.len(),
            "guesses": analysis.guesses.iter().map(guess_json).collect::<Vec<_>>(),
            "registers": in_every_format(sample).iter().map(|row| json!({
                "function": row.function.word(), "register": row.address, "raw": row.raw,
                "readings": row.readings.iter().map(|(name, value)| json!({"type": name, "value": value})).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "doubts": analysis.doubts().iter().map(|(doubt, remedy)| json!({"doubt": doubt, "remedy": remedy})).collect::<Vec<_>>(),
            "toml": profile,
        });
        write_json(&document, &mut out)
    } else {
        print_error(&report(&analysis.guesses, sample));
        for (doubt, remedy) in analysis.doubts() {
            print_error(&format!("cannot tell yet: {doubt}\n  what to do: {remedy}"));
        }
        out.write_all(profile.as_bytes())
    };
    Ok(finish_output(printed.and_then(|()| out.flush())))
}

/// A register that is not zero.
struct RegisterRow {
    function: Function,
    address: u16,
    /// What the register holds.
    raw: u16,
    /// The value in each format that can begin at this register, by the name of the format.
    readings: Vec<(String, f64)>,
}

/// Every register that is not zero, in each format that can begin there.
fn in_every_format(sample: &RegisterSample) -> Vec<RegisterRow> {
    let named = |function, address| {
        let name = |format: crate::meter::Format| match format.order() {
            "" => format.kind.word().to_owned(),
            order => format!("{}, {order}", format.kind.word()),
        };
        readings(sample, function, address).into_iter().map(|(format, value)| (name(format), value)).collect()
    };
    let rows = registers(sample).into_iter().filter(|(.., word)| *word != 0);
    rows.map(|(function, address, raw)| RegisterRow { function, address, raw, readings: named(function, address) })
        .collect()
}

fn guess_json(guess: &RegisterGuess) -> serde_json::Value {
    json!({
        "meaning": guess.quantity.word(),
        "function": guess.function,
        "register": guess.register,
        "type": guess.format.kind.word(),
        "order": guess.format.order(),
        "exponent": guess.exponent,
        "value": guess.value,
        "unit": guess.quantity.unit(),
        "why": guess.why,
    })
}

/// The registers and what they probably are, as text.
fn report(guesses: &[RegisterGuess], sample: &RegisterSample) -> String {
    let mut every = table(&["REGISTER", "RAW", "VALUE IN EACH FORMAT"]);
    for RegisterRow { function, address, raw, readings } in in_every_format(sample) {
        let plausible = readings.iter().filter(|(_, value)| *value == 0.0 || (1e-3..1e12).contains(&value.abs()));
        let text: Vec<_> = plausible.map(|(name, value)| format!("{name}: {}", number(*value))).collect();
        every.add_row([format!("{} 0x{address:04X}", function.word()), format!("{raw:04X}"), text.join("; ")]);
    }
    let mut likely = table(&["MEANING", "VALUE", "REGISTER", "TYPE", "SCALE", "REASON"]);
    for guess in guesses {
        likely.add_row([
            guess.quantity.word().to_owned(),
            format!("{} {}", number(guess.value), guess.quantity.unit()),
            format!("{} 0x{:04X}", guess.function, guess.register),
            format!("{} {}", guess.format.kind.word(), guess.format.order()),
            format!("1e{}", guess.exponent),
            guess.why.clone(),
        ]);
    }
    let lines = |table: &Table| format!("{}\n", table.trim_fmt());
    let verdict = if guesses.is_empty() {
        "no value was recognised: try other registers, or switch on a load and watch longer\n".to_owned()
    } else {
        format!("what the registers probably are, the most certain first:\n{}", lines(&likely))
    };
    format!("{}\n{verdict}", lines(&every))
}

fn number(value: f64) -> String {
    if value == value.trunc() { format!("{value:.0}") } else { format!("{value:.3}") }
}
