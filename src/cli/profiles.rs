//! `profiles list` and `profiles show`: which meters are built in, what is read of each, and the TOML to start an own one from.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::meter::{Entry, Gaps, Number, Profile, Quantity, SerialNumber, Writing, library};

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
    let mut table = table(["VALUE", "FUNCTION", "REGISTER", "FORMAT", "ONE DIGIT IS"]);
    for row in quantities(profile).into_iter().flat_map(|(name, quantity)| rows(name, quantity)) {
        table.add_row(row);
    }
    if let Some(serial) = &profile.serial_number {
        table.add_row(serial_row(serial));
    }
    print(&table, out)?;
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

/// The profile as data: one shape for `list` and `show`.
fn document(profile: &Profile) -> Value {
    let quantity = |quantity: &Quantity| {
        json!({
            "registers": quantity.terms.iter().map(number).collect::<Vec<_>>(),
            "unit": quantity.unit.word(),
            "ratios": quantity.ratios.iter().map(number).collect::<Vec<_>>(),
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
        "delay_ms": profile.delay.as_millis() as u64,
        "power": quantity(&profile.power),
        "energy": profile.energy.as_ref().map(quantity),
        "export_energy": profile.export_energy.as_ref().map(quantity),
        "serial_number": profile.serial_number.as_ref().map(|serial| json!({
            "function": serial.block.function.word(), "register": serial.block.address, "count": serial.block.count,
        })),
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

fn number(number: &Number) -> Value {
    json!({
        "function": number.block.function.word(),
        "register": number.block.address,
        "type": number.format.kind.word(),
        "word_order": if number.format.low_word_first { "little" } else { "big" },
        "byte_order": if number.format.low_byte_first { "little" } else { "big" },
        "scale": number.scale_text(),
        "invalid": number.invalid.iter().map(|pattern| pattern.to_string()).collect::<Vec<_>>(),
    })
}

fn quantities(profile: &Profile) -> Vec<(&'static str, &Quantity)> {
    let counters = [("energy", &profile.energy), ("export_energy", &profile.export_energy)];
    let counters = counters.into_iter().filter_map(|(name, counter)| Some((name, counter.as_ref()?)));
    std::iter::once(("power", &profile.power)).chain(counters).collect()
}

/// One row a register: a sum has several, and its ratio registers stand below.
fn rows(name: &str, quantity: &Quantity) -> Vec<[String; 5]> {
    let several = quantity.terms.len() > 1;
    let terms = quantity.terms.iter().map(|term| {
        let name = if several { format!("{name}, summand") } else { name.to_owned() };
        row(name, term, &format!("{} {}", term.scale_text(), quantity.unit.word()))
    });
    let ratios = quantity.ratios.iter().map(|ratio| row(format!("{name}, multiplied by"), ratio, &ratio.scale_text()));
    terms.chain(ratios).collect()
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
mod tests {
    use super::*;

    fn listed(search: Option<&str>, json: bool) -> String {
        let mut out = Vec::new();
        list(search, json, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn shown(name: &str, json: bool) -> String {
        let mut out = Vec::new();
        show(name, json, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_list_is_searched_and_is_json_when_asked_for() {
        assert!(listed(None, false).contains("eastron-sdm630"));
        let found = listed(Some("abb"), false);
        assert!(found.contains("abb-b23") && found.contains("abb-b24") && !found.contains("eastron"), "{found}");
        assert!(found.lines().all(|line| line == line.trim_end()));
        assert!(listed(Some("no such meter"), false).starts_with("No built-in profile fits"));
        let all: Value = serde_json::from_str(&listed(None, true)).unwrap();
        assert_eq!(all.as_array().unwrap().len(), library().entries().len());
        assert_eq!(listed(Some("no such meter"), true), "[]\n");
    }

    #[test]
    fn every_profile_can_be_shown_both_ways() {
        for Entry { profile, toml } in library().entries() {
            let text = shown(profile.name.as_str(), false);
            assert!(text.contains(toml.trim_end()), "{text}");
            let document: Value = serde_json::from_str(&shown(profile.name.as_str(), true)).unwrap();
            assert_eq!(document["toml"], **toml);
        }
    }

    #[test]
    fn a_profile_is_shown_in_plain_words() {
        let text = shown("eastron-sdm120", false);
        for part in
            ["leaves the factory with: 2400 baud, parity none, 1 stop bit, unit 1", "0x0048 (72)", "1 kWh", "Mind:"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let ratio = shown("acrel-adl3000", false);
        assert!(ratio.contains("energy, multiplied by") && ratio.contains("0x008E (142)"), "{ratio}");
        assert!(shown("carlo-gavazzi-em340", false).contains("i32, low word first"));
        let document: Value = serde_json::from_str(&shown("abb-b24", true)).unwrap();
        assert_eq!(document["name"], "abb-b23");
        assert_eq!(document["energy"]["registers"][0]["register"], 0x5000);
        assert_eq!(document["energy"]["registers"][0]["scale"], "0.01");
    }

    #[test]
    fn an_unknown_name_is_told_with_the_nearest() {
        let error = show("eastron-sdm36", false, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("did you mean `eastron-sdm"), "{error}");
        let error = show("zzz\u{1b}", false, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().starts_with("no built-in profile is called `zzz?`;"), "{error}");
    }
}
