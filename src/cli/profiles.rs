//! `profiles list` and `profiles show`: which meters are built in, what is read of each, and the TOML to start an own one from.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::meter::{
    Block, Entry, Expectation, Format, Gaps, Number, Profile, Quantity, SerialNumber, Writing, library,
};

/// Why a profile cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    #[error("no built-in profile is called `{name}`{}; `arkmeter profiles list` names them all", did_you_mean(.nearest))]
    Unknown { name: String, nearest: Option<String> },
    #[error("the profile cannot be written out")]
    Output(#[from] io::Error),
}

/// The built-in profiles whose name, alias, vendor or model contains each word of `search`: a table, or a JSON array.
pub fn list(search: Option<&str>, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let entries = library().search(search.unwrap_or(""));
    if json {
        return write_json(&entries.iter().map(|entry| document(&entry.profile)).collect(), out);
    }
    if entries.is_empty() {
        return writeln!(
            out,
            "No built-in profile fits. With the meter's manual at hand one is written in ten minutes."
        );
    }
    let mut table = table(["PROFILE", "METER", "ALSO FOR", "ENERGY"]);
    for Entry { profile, .. } in &entries {
        let aliases: Vec<_> = profile.aliases.iter().map(|alias| alias.as_str()).collect();
        let meter = format!("{} {}", profile.vendor, profile.model);
        table.add_row([profile.name.to_string(), meter, aliases.join("\n"), counted(profile).to_owned()]);
    }
    print(&table, out)
}

/// One built-in profile, by name or alias: its registers in plain words and its TOML, or a JSON object.
pub fn show(name: &str, json: bool, out: &mut dyn Write) -> Result<(), ShowError> {
    let Some(entry) = library().find(name) else {
        let nearest = library().nearest(name).map(str::to_owned);
        return Err(ShowError::Unknown { name: crate::text::foreign(name, 64), nearest });
    };
    if json {
        let mut document = document(&entry.profile);
        document["toml"] = entry.toml.into();
        return Ok(write_json(&document, out)?);
    }
    Ok(show_text(entry, out)?)
}

fn show_text(Entry { profile, toml }: &Entry, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}: {} {}", profile.name, profile.vendor, profile.model)?;
    let aliases: Vec<_> = profile.aliases.iter().map(|alias| alias.as_str()).collect();
    if !aliases.is_empty() {
        writeln!(out, "also for: {}", aliases.join(", "))?;
    }
    writeln!(out, "energy: {}", counted(profile))?;
    match profile.max_power {
        Some(rating) => writeln!(out, "rating: {} W", rating.watts())?,
        None => writeln!(out, "rating: unknown; give each meter its own max_power")?,
    }
    let factory = factory_line(profile);
    if !factory.is_empty() {
        writeln!(out, "leaves the factory with: {factory}")?;
    }
    writeln!(
        out,
        "registers in one read: at most {}{}\n",
        profile.max_registers_per_read,
        match &profile.gaps {
            Gaps { everywhere: true, .. } => ", unused ones included",
            Gaps { within, .. } if !within.is_empty() => ", unused ones included in places",
            _ => ", without unused ones between",
        }
    )?;
    show_registers(profile, out)?;
    for map in &profile.maps {
        let note = map.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        writeln!(out, "\nMap {}{note}:", map.name)?;
        show_registers(&map.profile, out)?;
        show_expectations("It has this map where", &map.identity, out)?;
        show_expectations("It must be set so that", &map.profile.settings, out)?;
    }
    if profile.maps.iter().filter(|map| map.identity.is_empty()).count() > 1 {
        writeln!(
            out,
            "\nWhere no register tells which map it is, the values must: map = \"..\" in [meter.NAME] settles it."
        )?;
    }
    show_expectations("It is this meter where", &profile.identity, out)?;
    if profile.maps.is_empty() {
        show_expectations("It must be set so that", &profile.settings, out)?;
    }
    for (heading, lines) in [("Mind:", &profile.quirks), ("Sources:", &profile.sources)] {
        if !lines.is_empty() {
            writeln!(out, "\n{heading}")?;
        }
        for line in lines {
            writeln!(out, "  - {line}")?;
        }
    }
    match profile.confirmed {
        0 | 1 => writeln!(out, "\nNot confirmed: compare the first readings with the meter's display.")?,
        count => writeln!(out, "\n{count} or more independent sources agree on the power and energy registers.")?,
    }
    writeln!(out, "\n# To change it, copy this into arkmeter.toml under another name:\n{}", toml.trim_end())
}

/// The registers of a profile, or of one of its maps; those of a profile with maps stand with the maps.
fn show_registers(profile: &Profile, out: &mut dyn Write) -> io::Result<()> {
    if !profile.maps.is_empty() {
        return Ok(());
    }
    let mut table = table(["VALUE", "FUNCTION", "REGISTER", "FORMAT", "ONE DIGIT IS"]);
    for row in quantities(profile).into_iter().flat_map(|(name, quantity)| rows(name, quantity)) {
        table.add_row(row);
    }
    if let Some(serial) = &profile.serial_number {
        table.add_row(serial_row(serial));
    }
    print(&table, out)
}

fn show_expectations(heading: &str, expectations: &[Expectation], out: &mut dyn Write) -> io::Result<()> {
    if !expectations.is_empty() {
        writeln!(out, "\n{heading}:")?;
    }
    for Expectation { block, expected, optional, remedy } in expectations {
        let optional = if *optional { ", or there is no such register" } else { "" };
        let remedy = remedy.as_ref().map(|remedy| format!(": set {remedy}")).unwrap_or_default();
        writeln!(out, "  - {block} holds {expected}{optional}{remedy}")?;
    }
    Ok(())
}

/// The profile as data: one shape for `list` and `show`.
fn document(profile: &Profile) -> Value {
    let quantity = |quantity: &Quantity| {
        json!({
            "registers": quantity.terms.iter().map(number).collect::<Vec<_>>(),
            "unit": quantity.unit.word(),
            "ratios": quantity.ratios.iter().map(number).collect::<Vec<_>>(),
            "divisors": quantity.divisors.iter().map(number).collect::<Vec<_>>(),
            "absolute": quantity.absolute,
            "alone": quantity.alone,
            "rollover": quantity.rollover,
            "both_directions": quantity.both_directions,
            "resettable": quantity.resettable,
        })
    };
    let defaults = &profile.serial_defaults;
    json!({
        "name": profile.name,
        "aliases": profile.aliases,
        "vendor": profile.vendor,
        "model": profile.model,
        "max_power_mw": profile.max_power,
        "max_registers_per_read": profile.max_registers_per_read,
        "gaps": profile.gaps.everywhere,
        "gaps_within": profile.gaps.within,
        "holes": profile.gaps.holes,
        "delay_ms": profile.delay.as_millis() as u64,
        "power": quantity(&profile.power),
        "energy": profile.energy.as_ref().map(quantity),
        "export_energy": profile.export_energy.as_ref().map(quantity),
        "serial_number": profile.serial_number.as_ref().map(|serial| json!({
            "function": serial.block.function.word(), "register": serial.block.address, "count": serial.block.count,
        })),
        "phase_power": profile.phase_power.as_ref().map(quantity),
        "identity": profile.identity.iter().map(expectation).collect::<Vec<_>>(),
        "settings": profile.settings.iter().map(expectation).collect::<Vec<_>>(),
        "maps": profile.maps.iter().map(|map| json!({
            "name": map.name,
            "note": map.note,
            "identity": map.identity.iter().map(expectation).collect::<Vec<_>>(),
            "power": quantity(&map.profile.power),
            "energy": map.profile.energy.as_ref().map(quantity),
            "export_energy": map.profile.export_energy.as_ref().map(quantity),
            "settings": map.profile.settings.iter().map(expectation).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "serial_defaults": {
            "baud": defaults.baud,
            "parity": defaults.parity.map(|parity| parity.word()),
            "stop_bits": defaults.stop_bits,
            "unit": defaults.unit.map(|unit| unit.get()),
        },
        "confirmed": profile.confirmed,
        "quirks": profile.quirks,
        "sources": profile.sources,
    })
}

fn expectation(expectation: &Expectation) -> Value {
    json!({
        "function": expectation.block.function.word(),
        "register": expectation.block.address,
        "count": expectation.block.count,
        "holds": expectation.expected.to_string(),
        "optional": expectation.optional,
        "set": expectation.remedy,
    })
}

fn number(number: &Number) -> Value {
    json!({
        "function": number.block.function.word(),
        "register": number.block.address,
        "type": number.format.kind.word(),
        "word_order": if number.format.low_word_first { "little" } else { "big" },
        "byte_order": if number.format.low_byte_first { "little" } else { "big" },
        "scale": number.scale_text(),
        "exponent_register": number.exponent.as_ref().map(|exponent| exponent.block.address),
        "sign_register": number.sign.map(|sign| sign.block.address),
        "invalid": number.invalid.iter().map(|pattern| pattern.to_string()).collect::<Vec<_>>(),
    })
}

fn quantities(profile: &Profile) -> Vec<(&'static str, &Quantity)> {
    let counters = [("energy", &profile.energy), ("export_energy", &profile.export_energy)];
    let counters = counters.into_iter().filter_map(|(name, counter)| Some((name, counter.as_ref()?)));
    std::iter::once(("power", &profile.power)).chain(counters).collect()
}

/// One row a register: a sum has several, and what stands beside it and its ratio registers stand below.
fn rows(name: &str, quantity: &Quantity) -> Vec<[String; 5]> {
    let several = quantity.terms.len() > 1;
    let terms = quantity.terms.iter().flat_map(|term| {
        let name = if several { format!("{name}, summand") } else { name.to_owned() };
        let exponent = term.exponent.as_ref().map(|it| beside(format!("{name}, power of ten"), it.block, it.format));
        let sign = term.sign.map(|it| beside(format!("{name}, sign"), it.block, it.format));
        let row = row(name, term, &format!("{} {}", term.scale_text(), quantity.unit.word()));
        std::iter::once(row).chain(exponent).chain(sign)
    });
    let ratios = quantity.ratios.iter().map(|ratio| row(format!("{name}, multiplied by"), ratio, &ratio.scale_text()));
    let divisors = quantity.divisors.iter().map(|ratio| row(format!("{name}, divided by"), ratio, &ratio.scale_text()));
    terms.chain(ratios).chain(divisors).collect()
}

fn beside(name: String, block: Block, format: Format) -> [String; 5] {
    [name, function(block.function), register(block.address), format.kind.word().to_owned(), String::new()]
}

fn row(name: String, number: &Number, worth: &str) -> [String; 5] {
    let format = match number.format.order() {
        "" => number.format.kind.word().to_owned(),
        order => format!("{}, {order}", number.format.kind.word()),
    };
    [name, function(number.block.function), register(number.block.address), format, worth.to_owned()]
}

fn serial_row(serial: &SerialNumber) -> [String; 5] {
    let format = match serial.writing {
        Writing::Ascii { .. } => format!("ascii, {} registers", serial.block.count),
        Writing::Decimal(format) => format.kind.word().to_owned(),
        Writing::Hexadecimal(format) => format!("{}, hexadecimal", format.kind.word()),
    };
    let block = serial.block;
    ["serial_number".to_owned(), function(block.function), register(block.address), format, String::new()]
}

fn function(function: crate::meter::Function) -> String {
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

/// `9600 baud, parity none, 1 stop bit, unit 1`, as far as it is known.
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

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// Without the blanks that a table puts at the end of its lines.
fn print(table: &Table, out: &mut dyn Write) -> io::Result<()> {
    table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

fn write_json(value: &Value, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
