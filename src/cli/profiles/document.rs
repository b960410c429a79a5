//! A profile as JSON, the same for `list`, `show` and `check`.

use serde_json::{Value, json};

use crate::meter::{Expectation, Number, Profile, Quantity, RegisterMap};

pub(super) fn of(profile: &Profile) -> Value {
    let defaults = &profile.serial_defaults;
    json!({
        "name": profile.name,
        "aliases": profile.aliases,
        "vendor": profile.vendor,
        "model": profile.model,
        "max_power_mw": profile.max_power,
        "max_registers_per_read": profile.max_registers_per_read,
        "chain": chain(profile),
        "gaps": profile.gaps.everywhere,
        "gaps_within": profile.gaps.within,
        "holes": profile.gaps.holes,
        "delay_ms": profile.delay.as_millis() as u64,
        "power": quantity(&profile.power),
        "energy": profile.energy.as_ref().map(quantity),
        "export_energy": profile.export_energy.as_ref().map(quantity),
        "serial_number": profile.serial_number.as_ref().map(|serial| json!({
            "function": serial.range.function.word(), "register": serial.range.address, "count": serial.range.count,
        })),
        "phase_power": profile.phase_power.as_ref().map(quantity),
        "identity": profile.identity.iter().map(expectation).collect::<Vec<_>>(),
        "settings": profile.settings.iter().map(expectation).collect::<Vec<_>>(),
        "maps": profile.maps.iter().map(map).collect::<Vec<_>>(),
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

/// Where the SunSpec models are searched; null for a meter with fixed addresses. Addresses in a model count from its start.
fn chain(profile: &Profile) -> Value {
    profile.chain.as_ref().map_or(Value::Null, |chain| {
        json!({
            "bases": chain.bases, "models": chain.models, "meter": chain.meter, "manufacturer": chain.manufacturer,
        })
    })
}

fn map(map: &RegisterMap) -> Value {
    json!({
        "name": map.name,
        "note": map.note,
        "models": map.profile.chain.as_ref().map(|chain| &chain.models),
        "identity": map.identity.iter().map(expectation).collect::<Vec<_>>(),
        "power": quantity(&map.profile.power),
        "energy": map.profile.energy.as_ref().map(quantity),
        "export_energy": map.profile.export_energy.as_ref().map(quantity),
        "settings": map.profile.settings.iter().map(expectation).collect::<Vec<_>>(),
    })
}

fn quantity(quantity: &Quantity) -> Value {
    json!({
        "registers": quantity.terms.iter().map(number).collect::<Vec<_>>(),
        "unit": quantity.unit.word(),
        "ratios": quantity.ratios.iter().map(number).collect::<Vec<_>>(),
        "divisors": quantity.divisors.iter().map(number).collect::<Vec<_>>(),
        "rollover": quantity.rollover,
        "both_directions": quantity.both_directions,
        "resettable": quantity.resettable,
        "absolute": quantity.absolute,
        "alone": quantity.alone,
    })
}

fn number(number: &Number) -> Value {
    json!({
        "function": number.range.function.word(),
        "register": number.range.address,
        "type": number.format.kind.word(),
        "word_order": if number.format.low_word_first { "little" } else { "big" },
        "byte_order": if number.format.low_byte_first { "little" } else { "big" },
        "scale": number.scale_text(),
        "exponent_register": number.exponent.as_ref().map(|exponent| exponent.range.address),
        "sign_register": number.sign.as_ref().map(|sign| sign.range.address),
        "invalid": number.invalid.iter().map(|pattern| pattern.to_string()).collect::<Vec<_>>(),
    })
}

fn expectation(expectation: &Expectation) -> Value {
    json!({
        "function": expectation.range.function.word(),
        "register": expectation.range.address,
        "count": expectation.range.count,
        "holds": expectation.expected.to_string(),
        "optional": expectation.optional,
        "set": expectation.remedy,
    })
}
