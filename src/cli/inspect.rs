//! `arkmeter inspect`: the registers of a meter that nobody knows, every way they can be read, what they seem to be, and a profile of it.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use comfy_table::{Table, presets};
use serde_json::json;
use tokio::time::Instant;

use super::line::{Where, bus, configuration, in_use, parity, refuse, unit};
use super::progress::Bar;
use super::scan::stoppable;
use super::{complain, done, exit};
use crate::config::{BusConfig, Config, Environment, Link, Parity, SerialSettings};
use crate::meter::{Function, RegisterRange};
use crate::modbus::{Error, Line};
use crate::survey::{Guess, Range, Sample, Understanding, read_again, read_mapped, readings, registers};
use crate::units::{Name, UnitId};

/// What to inspect.
#[derive(Debug, Args)]
pub struct InspectArguments {
    #[command(flatten)]
    place: Where,
    /// The meter's unit
    #[arg(long, value_parser = unit)]
    unit: UnitId,
    /// The line's baud rate
    #[arg(long, default_value_t = 9600, value_parser = clap::value_parser!(u32).range(300..=4_000_000))]
    baud: u32,
    /// The line's parity: none, even or odd
    #[arg(long, default_value = "none", value_parser = parity)]
    parity: Parity,
    /// Stop bits, 1 or 2
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    stop_bits: u8,
    /// Registers to read, 0-based, such as 0..200 or 0x5000..0x5100
    #[arg(long, default_value = "0..200", value_parser = register_range)]
    registers: (u16, u16),
    /// Only these: input (function 4) or holding (function 3)
    #[arg(long, value_parser = function)]
    function: Option<Function>,
    /// How long to watch, so that the counter gives itself away; 0s reads once
    #[arg(long, default_value = "60s", value_parser = watch)]
    watch: Duration,
    /// How the profile is called
    #[arg(long, default_value = "unknown-meter", value_parser = super::name)]
    name: Name,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Requests that looking for mapped registers may take.
const BUDGET: u32 = 400;
/// Samples that a watch takes.
const SAMPLES: u32 = 12;
/// Time between requests: some meters start anew when they are asked too fast.
const GAP: Duration = Duration::from_millis(20);
/// More registers than this are inspected in parts.
const MOST_REGISTERS: u16 = 2000;

fn register_range(text: &str) -> Result<(u16, u16), String> {
    const HELP: &str = "from..to, 0-based: 0..200 or 0x5000..0x5100";
    let number = |text: &str| match text.trim().strip_prefix("0x") {
        Some(hex) => u16::from_str_radix(hex, 16).ok(),
        None => text.trim().parse().ok(),
    };
    let (first, last) = text.split_once("..").ok_or(HELP)?;
    let (first, last) = number(first).zip(number(last.trim_start_matches('='))).ok_or(HELP)?;
    match last.checked_sub(first) {
        None => Err(HELP.to_owned()),
        Some(MOST_REGISTERS..) => Err(format!("more than {MOST_REGISTERS} registers: inspect them in parts")),
        Some(_) => Ok((first, last)),
    }
}

fn function(text: &str) -> Result<Function, String> {
    [Function::Holding, Function::Input]
        .into_iter()
        .find(|it| it.word() == text)
        .ok_or_else(|| "input or holding".to_owned())
}

fn watch(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time <= Duration::from_secs(3600) { Ok(time) } else { Err("up to 1h".to_owned()) }
}

/// Inspects. 0 when the meter gave registers.
pub fn inspect(arguments: &InspectArguments, path: &Path, environment: &Environment) -> u8 {
    prepare(arguments, path, environment).unwrap_or_else(|code| code)
}

fn prepare(arguments: &InspectArguments, path: &Path, environment: &Environment) -> Result<u8, u8> {
    let config = configuration(path, environment, arguments.place.bus.is_some())?;
    let bus = line(arguments, config.as_ref())?;
    if let Some(process) = in_use(config.as_ref(), environment, &bus.link) {
        let name = match &bus.link {
            Link::Serial(line) => line.path.display().to_string(),
            Link::Tcp(address) | Link::RtuOverTcp(address) => address.clone(),
        };
        return Err(refuse(&process, &name));
    }
    let mut samples = Vec::new();
    let ended = super::runtime()?.block_on(async { stoppable(sample(arguments, &bus, &mut samples)).await });
    match ended {
        Some(Err(error)) if samples.is_empty() => {
            complain(&format!("{error}\n"));
            return Err(exit::FAILED);
        }
        Some(Err(error)) => complain(&format!("it was not watched to the end: {error}\n")),
        None => complain("stopped\n"),
        Some(Ok(())) => {}
    }
    conclude(arguments, &samples)
}

fn line(arguments: &InspectArguments, config: Option<&Config>) -> Result<BusConfig, u8> {
    let place = &arguments.place;
    if let Some(name) = &place.bus {
        let bus = bus(config, name)?.clone();
        return Ok(BusConfig { request_gap: bus.request_gap.max(GAP), ..bus });
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
    Ok(BusConfig {
        name: arguments.name.clone(),
        link,
        timeout: Duration::from_secs(1),
        request_gap: GAP,
        connect_delay: Duration::ZERO,
    })
}

/// Finds the mapped registers, then reads them again and again while the time lasts.
async fn sample(arguments: &InspectArguments, bus: &BusConfig, samples: &mut Vec<Sample>) -> Result<(), Error> {
    let (first, last) = arguments.registers;
    let functions = arguments.function.map_or(vec![Function::Input, Function::Holding], |function| vec![function]);
    let ranges = functions.into_iter().map(|function| Range { function, registers: first..=last });
    let blocks: Vec<RegisterRange> = ranges.flat_map(|range| range.blocks()).collect();
    let (mut line, mut bar) = (Line::new(bus), Bar::on_terminal());
    bar.draw(0.0, "which registers are there?");
    let mut found = Sample::default();
    read_mapped(&mut line, arguments.unit, blocks, BUDGET, &mut found).await?;
    let blocks: Vec<RegisterRange> = found.answers.keys().copied().collect();
    samples.push(found);
    if arguments.watch.is_zero() || blocks.is_empty() {
        return Ok(());
    }
    let begin = Instant::now();
    for index in 0..=SAMPLES {
        tokio::time::sleep_until(begin + arguments.watch * index / SAMPLES).await;
        let (before, mut sample) = (begin.elapsed(), Sample::default());
        if read_again(&mut line, arguments.unit, &blocks, &mut sample).await? {
            sample.at = (before + begin.elapsed()).as_secs_f64() / 2.0;
            if index == 0 {
                // Looking for the registers took its time: from here on what belongs together is read together.
                samples.clear();
            }
            samples.push(sample);
        }
        bar.draw(f64::from(index) / f64::from(SAMPLES), "watching for the counter");
    }
    Ok(())
}

fn conclude(arguments: &InspectArguments, samples: &[Sample]) -> Result<u8, u8> {
    let Some(sample) = samples.first().filter(|sample| !sample.answers.is_empty()) else {
        complain(&format!("unit {} gives no register of that range: try others, or `arkmeter scan`\n", arguments.unit));
        return Err(exit::FAILED);
    };
    let understood = Understanding::of(samples);
    let profile = understood.profile(&arguments.name);
    let mut out = std::io::stdout().lock();
    let printed = if arguments.json {
        let document = json!({
            "unit": arguments.unit.get(),
            "samples": samples.len(),
            "guesses": understood.guesses.iter().map(guess_json).collect::<Vec<_>>(),
            "registers": every_way(sample).iter().map(|row| json!({
                "function": row.0.word(), "register": row.1, "raw": row.2,
                "readings": row.3.iter().map(|(name, value)| json!({"type": name, "value": value})).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "toml": profile,
        });
        serde_json::to_writer_pretty(&mut out, &document).map_err(Into::into).and_then(|()| writeln!(out))
    } else {
        complain(&shown(&understood.guesses, sample));
        out.write_all(profile.as_bytes())
    };
    Ok(done(printed.and_then(|()| out.flush())))
}

type Row = (Function, u16, u16, Vec<(String, f64)>);

/// Every register that is not zero, and each way to read what begins there.
fn every_way(sample: &Sample) -> Vec<Row> {
    let named = |function, address| {
        let name = |format: crate::meter::Format| match format.order() {
            "" => format.kind.word().to_owned(),
            order => format!("{}, {order}", format.kind.word()),
        };
        readings(sample, function, address).into_iter().map(|(format, value)| (name(format), value)).collect()
    };
    let rows = registers(sample).into_iter().filter(|(.., word)| *word != 0);
    rows.map(|(function, address, word)| (function, address, word, named(function, address))).collect()
}

fn guess_json(guess: &Guess) -> serde_json::Value {
    json!({
        "meaning": guess.meaning.word(),
        "function": guess.function,
        "register": guess.register,
        "type": guess.format.kind.word(),
        "order": guess.format.order(),
        "exponent": guess.exponent,
        "value": guess.value,
        "unit": guess.meaning.unit(),
        "why": guess.why,
    })
}

/// The registers and what they seem to be, for people.
fn shown(guesses: &[Guess], sample: &Sample) -> String {
    let mut every = table(["REGISTER", "RAW", "EVERY WAY TO READ IT"]);
    for (function, address, word, readings) in every_way(sample) {
        let plausible = readings.iter().filter(|(_, value)| *value == 0.0 || (1e-3..1e12).contains(&value.abs()));
        let text: Vec<_> = plausible.map(|(name, value)| format!("{name}: {}", number(*value))).collect();
        every.add_row([format!("{} 0x{address:04X}", function.word()), format!("{word:04X}"), text.join("; ")]);
    }
    let mut likely = table(["WHAT", "VALUE", "REGISTER", "TYPE", "SCALE", "WHY"]);
    for guess in guesses {
        likely.add_row([
            guess.meaning.word().to_owned(),
            format!("{} {}", number(guess.value), guess.meaning.unit()),
            format!("{} 0x{:04X}", guess.function, guess.register),
            format!("{} {}", guess.format.kind.word(), guess.format.order()),
            format!("1e{}", guess.exponent),
            guess.why.clone(),
        ]);
    }
    let lines = |table: &Table| table.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>();
    let verdict = if guesses.is_empty() {
        "nothing was recognised: try other registers, or watch longer with a load that is switched on\n".to_owned()
    } else {
        format!("what they seem to be, the most certain first:\n{}", lines(&likely))
    };
    format!("{}\n{verdict}", lines(&every))
}

fn number(value: f64) -> String {
    if value == value.trunc() { format!("{value:.0}") } else { format!("{value:.3}") }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}
