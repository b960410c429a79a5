//! Profiles as text.

use std::collections::BTreeSet;
use std::io::{self, Write};

use crate::cli::output::{fitted_table, table, write_lines};
use crate::meter::{
    Expectation, Format, Function, Gaps, Installation, LibraryEntry, Number, Profile, Quantity, ReadPlan,
    RegisterRange, SerialNumber, Writing,
};

pub(super) fn list(entries: &[&LibraryEntry], columns: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    let mut table = fitted_table(&["=PROFILE", "=METER", "=ALSO FOR", "ENERGY"], columns);
    for LibraryEntry { profile, .. } in entries {
        let meter = format!("{} {}", profile.vendor, profile.model);
        table.add_row([profile.name.to_string(), meter, aliases(profile).join("\n"), counted(profile).to_owned()]);
    }
    writeln!(out, "{}", table.trim_fmt())
}

/// The registers, how the meter is identified, its settings, notes and sources.
pub(super) fn profile(profile: &Profile, columns: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}: {} {}", profile.name, profile.vendor, profile.model)?;
    if !profile.aliases.is_empty() {
        write_lines(&format!("also for: {}", aliases(profile).join(", ")), columns, out)?;
    }
    writeln!(out, "energy: {}", counted(profile))?;
    match profile.max_power {
        Some(rating) => writeln!(out, "rating: {} W", rating.watts())?,
        None => writeln!(out, "rating: unknown; set max_power for each meter")?,
    }
    let factory = factory_line(profile);
    if !factory.is_empty() {
        writeln!(out, "factory settings: {factory}")?;
    }
    let across = match &profile.gaps {
        Gaps { everywhere: true, .. } => ", also across unused registers",
        Gaps { within, .. } if !within.is_empty() => ", also across some unused registers",
        _ => ", not across unused registers",
    };
    writeln!(out, "registers in one request: at most {}{across}", profile.max_registers_per_read)?;
    if let Some(chain) = &profile.chain {
        writeln!(
            out,
            "SunSpec models, searched at {}: registers count from the start of the model",
            numbers(&chain.bases)
        )?;
    }
    writeln!(out)?;
    if profile.maps.is_empty() {
        registers(profile, out)?;
    }
    for map in &profile.maps {
        let note = map.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        writeln!(out, "Map {}{note}:", map.name)?;
        registers(&map.profile, out)?;
        section("Identified by:", &expected(&map.identity), columns, out)?;
        section("Required settings:", &expected(&map.profile.settings), columns, out)?;
        writeln!(out)?;
    }
    let unidentified = profile.maps.iter().filter(|map| map.identity.is_empty()).count();
    if unidentified > 1 && profile.chain.is_none() {
        writeln!(
            out,
            "If no register identifies the map, arkmeter chooses it by its values. To set it: map = \"..\" in [meter.NAME]."
        )?;
    }
    section("Identified by:", &expected(&profile.identity), columns, out)?;
    if profile.maps.is_empty() {
        section("Required settings:", &expected(&profile.settings), columns, out)?;
    }
    section("Notes:", &profile.quirks, columns, out)?;
    section("Sources:", &profile.sources, columns, out)?;
    match profile.confirmed {
        0 | 1 => write_lines(
            "\nNot confirmed by a second source: compare the first readings with the display of the meter.",
            columns,
            out,
        ),
        count => {
            let text =
                format!("\nConfirmed: {count} or more independent sources agree on the power and energy registers.");
            write_lines(&text, columns, out)
        }
    }
}

/// The requests of one poll.
pub(super) fn requests(profile: &Profile, out: &mut dyn Write) -> io::Result<()> {
    let requests = |of: &Profile, which: &str, out: &mut dyn Write| {
        let plan = ReadPlan::new(of, &Installation::default());
        let blocks: Vec<_> = plan.ranges().iter().map(|block| format!("{block} ({})", block.count)).collect();
        let models =
            of.chain.as_ref().map(|chain| format!(", addresses from the start of model {}", numbers(&chain.models)));
        writeln!(out, "each poll{which}: {}{}", blocks.join(", "), models.unwrap_or_default())
    };
    if profile.maps.is_empty() {
        return requests(profile, "", out);
    }
    profile.maps.iter().try_for_each(|map| requests(&map.profile, &format!(" with map {}", map.name), out))
}

/// `201, 202 or 203`
fn numbers(numbers: &[u16]) -> String {
    let numbers: Vec<_> = numbers.iter().map(u16::to_string).collect();
    match numbers.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => numbers.concat(),
    }
}

fn section(heading: &str, lines: &[String], columns: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    if !lines.is_empty() {
        writeln!(out, "\n{heading}")?;
    }
    lines.iter().try_for_each(|line| write_lines(&format!("  - {line}"), columns, out))
}

/// The registers of a profile, or of one of its maps.
fn registers(profile: &Profile, out: &mut dyn Write) -> io::Result<()> {
    let mut table = table(&["VALUE", "FUNCTION", "REGISTER", "FORMAT", "ONE STEP"]);
    let others =
        [("energy", &profile.energy), ("export_energy", &profile.export_energy), ("phase_power", &profile.phase_power)];
    let others = others.into_iter().filter_map(|(name, quantity)| Some((name, quantity.as_ref()?)));
    let all: Vec<_> = std::iter::once(("power", &profile.power)).chain(others).collect();
    for row in all.iter().flat_map(|(name, of)| rows(name, of)) {
        table.add_row(row);
    }
    if let Some(serial) = &profile.serial_number {
        table.add_row(serial_row(serial));
    }
    writeln!(out, "{}", table.trim_fmt())?;
    for (name, quantity) in all {
        let patterns: BTreeSet<String> =
            quantity.terms.iter().flat_map(|term| &term.invalid).map(ToString::to_string).collect();
        if !patterns.is_empty() {
            writeln!(out, "{name} has no value at {}", patterns.into_iter().collect::<Vec<_>>().join(", "))?;
        }
        if let Some(count) = quantity.rollover.or_else(|| quantity.end_of_type()).filter(|_| name.ends_with("energy")) {
            writeln!(out, "{name} starts again at 0 after a raw count of {count}")?;
        }
    }
    Ok(())
}

fn expected(expectations: &[Expectation]) -> Vec<String> {
    let line = |expectation: &Expectation| {
        let Expectation { range: block, expected, optional, remedy } = expectation;
        let optional = if *optional { ", or does not exist" } else { "" };
        let remedy = remedy.as_ref().map(|remedy| format!(": set {remedy}")).unwrap_or_default();
        format!("{block} holds {expected}{optional}{remedy}")
    };
    expectations.iter().map(line).collect()
}

/// One row a register. A sum has several; ratio, exponent and sign registers follow below.
fn rows(name: &str, quantity: &Quantity) -> Vec<[String; 5]> {
    let several = quantity.terms.len() > 1;
    let terms = quantity.terms.iter().flat_map(|term| {
        let name = if several { format!("{name}, summand") } else { name.to_owned() };
        let exponent = term.exponent.as_ref().map(|it| modifier(format!("{name}, power of ten"), it.range, it.format));
        let sign = term.sign.map(|it| modifier(format!("{name}, sign"), it.range, it.format));
        let value = row(name, term, &format!("{} {}", term.scale_text(), quantity.unit.word()));
        std::iter::once(value).chain(exponent).chain(sign)
    });
    let factor = |what: &str, ratio: &Number| row(format!("{name}, {what} by"), ratio, &ratio.scale_text());
    let ratios = quantity.ratios.iter().map(|ratio| factor("multiplied", ratio));
    let divisors = quantity.divisors.iter().map(|divisor| factor("divided", divisor));
    terms.chain(ratios).chain(divisors).collect()
}

fn modifier(name: String, block: RegisterRange, format: Format) -> [String; 5] {
    [name, function(block.function), register(block.address), format.kind.word().to_owned(), String::new()]
}

fn row(name: String, number: &Number, worth: &str) -> [String; 5] {
    let format = match number.format.order() {
        "" => number.format.kind.word().to_owned(),
        order => format!("{}, {order}", number.format.kind.word()),
    };
    [name, function(number.range.function), register(number.range.address), format, worth.to_owned()]
}

fn serial_row(serial: &SerialNumber) -> [String; 5] {
    let format = match serial.writing {
        Writing::Ascii { .. } => format!("ascii, {} registers", serial.range.count),
        Writing::Decimal(format) => format.kind.word().to_owned(),
        Writing::Hexadecimal(format) => format!("{}, hexadecimal", format.kind.word()),
    };
    let block = serial.range;
    ["serial_number".to_owned(), function(block.function), register(block.address), format, String::new()]
}

fn aliases(profile: &Profile) -> Vec<&str> {
    profile.aliases.iter().map(|alias| alias.as_str()).collect()
}

fn function(function: Function) -> String {
    function.word().to_owned()
}

fn register(address: u16) -> String {
    format!("0x{address:04X} ({address})")
}

fn counted(profile: &Profile) -> &'static str {
    match &profile.energy {
        None => "integrated from power",
        Some(energy) if energy.both_directions => "one counter for both directions",
        Some(_) if profile.export_energy.is_some() => "import and export counters",
        Some(_) => "import counter",
    }
}

/// `9600 baud, parity none, 1 stop bit, unit 1`, as far as known.
fn factory_line(profile: &Profile) -> String {
    let defaults = &profile.serial_defaults;
    let parts = [
        defaults.baud.map(|baud| format!("{baud} baud")),
        defaults.parity.map(|parity| format!("parity {}", parity.word())),
        defaults.stop_bits.map(|bits| format!("{bits} stop bit{}", if bits == 1 { "" } else { "s" })),
        defaults.unit.map(|unit| format!("unit {unit}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
