//! A profile as it is written: every key in the order of the documentation, and what its tables must agree on.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::chain::Chain;
use super::chain_form;
use super::gaps::Gaps;
use super::identity::Expectation;
use super::profile::{Profile, RegisterMap, SerialDefaults};
use super::quantity::Quantity;
use super::quantity_form::quantity;
use super::range::RegisterRange;
use super::register_form::Limits;
use super::serial_number::SerialNumber;
use super::unit::QuantityKind;
use crate::finding::{Finding, Severity};
use crate::form::{Field, Form};
use crate::units::{Name, Parity, UnitId};

/// The tables that a map has instead of its profile's.
#[derive(Default)]
struct RegisterTables {
    power: Option<Quantity>,
    energy: Option<Quantity>,
    export_energy: Option<Quantity>,
    phase_power: Option<Quantity>,
    serial_number: Option<SerialNumber>,
    settings: Option<Vec<Expectation>>,
    models: Option<Vec<u16>>,
}

impl Profile {
    /// The profile of `[profile.NAME]`; every problem goes to the form's findings, and a profile with an error is none.
    pub fn from_form(name: &Name, form: Form<'_>) -> Option<Self> {
        let findings = form.findings();
        let errors = || findings.all().iter().filter(|finding| finding.severity == Severity::Error).count();
        let before = errors();
        let profile = read(name, form);
        profile.filter(|_| errors() == before)
    }
}

/// The profile; what is wrong is skipped here and counted by the caller.
fn read(name: &Name, form: Form<'_>) -> Option<Profile> {
    let gaps = Gaps::from_form(&form);
    let limits = Limits {
        max_registers: form.field("max_registers_per_read").and_then(|it| small(&it, 1, 125)).unwrap_or(125),
        gaps: &gaps,
    };
    let vendor = form.required("vendor", "who makes it").and_then(|field| field.text());
    let model = form.required("model", "what is printed on it").and_then(|field| field.text());
    let aliases: Option<Vec<Name>> = form.field("aliases").and_then(|field| {
        let alias = |field: &Field<'_>| {
            Name::new(field.text()?).or_else(|| field.fail("is not a name", "letters, digits, `_` and `-`"))
        };
        field.array()?.iter().map(alias).collect()
    });
    let delays = Duration::ZERO..=Duration::from_secs(5);
    let chain = chain_form::chain(form.table("chain"));
    let own = RegisterTables::of(&form, limits);
    let max_power = form.field("max_power").and_then(|field| field.power());
    let delay = form.field("delay").and_then(|field| field.duration(delays));
    let serial_defaults = form.table("serial_defaults").map(serial_defaults);
    let (sources, quirks) = (texts(&form, "sources"), texts(&form, "quirks"));
    let confirmed = form.field("confirmed").and_then(|it| small(&it, 0, 9));
    let identity = Expectation::all(&form, "identity", limits).unwrap_or_default();
    // In the order of the file: where nothing tells maps apart the first of them is taken.
    let mut maps: Vec<_> = form.named_tables("map").into_iter().collect();
    maps.sort_by_key(|(_, form)| form.span().start);
    let built = |tables: RegisterTables, identity: Vec<Expectation>, map: Option<Name>| {
        Some(Profile {
            name: name.clone(),
            aliases: aliases.clone().unwrap_or_default(),
            vendor: vendor.unwrap_or_default().to_owned(),
            model: model.unwrap_or_default().to_owned(),
            max_power,
            max_registers_per_read: limits.max_registers,
            chain: tables.models.map(|models| Chain { models, ..chain.clone() }),
            location: None,
            gaps: gaps.clone(),
            delay: delay.unwrap_or_default(),
            power: tables.power?,
            energy: tables.energy,
            export_energy: tables.export_energy,
            phase_power: tables.phase_power,
            serial_number: tables.serial_number,
            identity,
            settings: tables.settings.unwrap_or_default(),
            maps: Vec::new(),
            map,
            serial_defaults: serial_defaults.unwrap_or_default(),
            sources: sources.clone(),
            confirmed: confirmed.unwrap_or(0) as u8,
            quirks: quirks.clone(),
        })
    };
    if maps.is_empty() {
        form.required("power", "a table with register, function, type and unit");
        own.check(&form, limits);
        chain_form::check_used(&form, own.models.is_some());
        form.finish();
        return built(own, identity, None);
    }
    let map = |(map, form): (Name, Form<'_>)| {
        let note = form.field("note").and_then(|field| field.text()).map(str::to_owned);
        let told_by = Expectation::all(&form, "identity", limits).unwrap_or_default();
        let tables = RegisterTables::of(&form, limits).or(&own);
        if tables.power.is_none() && form.field("power").is_none() {
            let message = format!("[{}] lacks `power`, and so does the profile", form.path());
            form.findings().doubt(Finding::error(form.span(), message).help("give it to one of the two"));
        }
        tables.check(&form, limits);
        let span = form.span();
        form.finish();
        let both = [identity.clone(), told_by.clone()].concat();
        let profile = Arc::new(built(tables, both, Some(map.clone()))?);
        Some((RegisterMap { name: map, note, identity: told_by, profile }, span))
    };
    let read: Vec<_> = maps.into_iter().filter_map(map).collect();
    check_maps(&form, &read);
    chain_form::check_used(&form, read.iter().any(|(map, _)| map.profile.chain.is_some()));
    form.finish();
    let maps: Vec<_> = read.into_iter().map(|(map, _)| map).collect();
    let first = maps.first()?.profile.clone();
    Some(Profile { identity, maps, map: None, ..Profile::clone(&first) })
}

impl RegisterTables {
    fn of(form: &Form<'_>, limits: Limits<'_>) -> Self {
        let of = |key, measure| quantity(form.table(key)?, measure, limits);
        RegisterTables {
            power: of("power", QuantityKind::Power),
            energy: of("energy", QuantityKind::Energy),
            export_energy: of("export_energy", QuantityKind::Energy),
            phase_power: of("phase_power", QuantityKind::Power),
            serial_number: form.table("serial_number").and_then(|table| SerialNumber::from_form(table, limits)),
            settings: Expectation::all(form, "settings", limits),
            models: chain_form::models(form),
        }
    }

    fn or(self, other: &RegisterTables) -> Self {
        RegisterTables {
            power: self.power.or_else(|| other.power.clone()),
            energy: self.energy.or_else(|| other.energy.clone()),
            export_energy: self.export_energy.or_else(|| other.export_energy.clone()),
            phase_power: self.phase_power.or_else(|| other.phase_power.clone()),
            serial_number: self.serial_number.or_else(|| other.serial_number.clone()),
            settings: self.settings.or_else(|| other.settings.clone()),
            models: self.models.or_else(|| other.models.clone()),
        }
    }

    /// What the tables must agree on; told where this form has one of them, else at its head.
    fn check(&self, form: &Form<'_>, limits: Limits<'_>) {
        if let (None, true, Some(field)) = (form.field("energy"), self.energy.is_none(), form.field("export_energy")) {
            field.fail::<()>("stands without `energy`", "give the imported counter too");
        }
        let quantities = [("power", &self.power), ("energy", &self.energy), ("export_energy", &self.export_energy)];
        if self.models.is_some() {
            chain_form::check(form, &quantities, limits);
        }
        let mut taken: Vec<(&str, RegisterRange)> = Vec::new();
        for (key, quantity) in quantities {
            for range in quantity.iter().flat_map(|quantity| &quantity.terms).map(|term| term.range) {
                if let Some((other, _)) = taken.iter().find(|(_, taken)| taken.overlaps(range)) {
                    let message = format!("reads {range}, which belongs to `{other}`");
                    let help = "each value has registers of its own: check addresses and types";
                    match form.field(key) {
                        Some(field) => field.fail(&message, help).unwrap_or(()),
                        None => {
                            form.findings().add(Finding::error(form.span(), format!("`{key}` {message}")).help(help))
                        }
                    }
                    break;
                }
                taken.push((key, range));
            }
        }
    }
}

/// All maps count, or none; and those that no identity tells apart differ.
fn check_maps(form: &Form<'_>, maps: &[(RegisterMap, Range<usize>)]) {
    let Some(((first, _), others)) = maps.split_first() else { return };
    for (index, (map, span)) in (1..).zip(others) {
        let tell = |message: &str, help: &str| {
            let message = format!("[{}.map.{}] {message}", form.path(), map.name);
            form.findings().add(Finding::error(span.clone(), message).help(help));
        };
        if map.profile.has_counter() != first.profile.has_counter() {
            let help =
                "give each map its `energy`, or none: whether energy is counted or integrated cannot change by itself";
            tell(&format!("differs from map {} in that one has a counter", first.name), help);
        }
        if map.profile.chain.is_some() != first.profile.chain.is_some() {
            let help = "give `models` to each map, or to none";
            tell(&format!("differs from map {} in that one is found in a chain of models", first.name), help);
        }
        let same = |(other, _): &&(RegisterMap, Range<usize>)| {
            let values = |map: &RegisterMap| {
                let profile = &map.profile;
                (profile.power.clone(), profile.energy.clone(), profile.export_energy.clone(), profile.chain.clone())
            };
            other.identity == map.identity && values(other) == values(map)
        };
        if let Some((other, _)) = maps[..index].iter().find(same) {
            tell(&format!("says the same as map {}", other.name), "leave one of them out");
        }
    }
}

fn serial_defaults(form: Form<'_>) -> SerialDefaults {
    let defaults = SerialDefaults {
        baud: form.field("baud").and_then(|field| u32::try_from(field.integer(300..=1_000_000)?).ok()),
        parity: form.field("parity").and_then(|field| field.one_of(&Parity::WORDS)),
        stop_bits: form.field("stop_bits").and_then(|it| small(&it, 1, 2)).map(|bits| bits as u8),
        unit: form.field("unit").and_then(|field| UnitId::new(field.integer(1..=247)?)),
    };
    form.finish();
    defaults
}

fn small(field: &Field<'_>, from: u16, to: u16) -> Option<u16> {
    u16::try_from(field.integer(from.into()..=to.into())?).ok()
}

fn texts(form: &Form<'_>, key: &'static str) -> Vec<String> {
    let fields = form.field(key).and_then(|field| field.array()).unwrap_or_default();
    fields.iter().filter_map(|field| field.text()).map(str::to_owned).collect()
}
