//! Parses a profile: its keys in the order of the documentation, and what its tables must agree on.

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

/// The tables that a map may have instead of those of its profile.
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

/// A map with the span of its table.
struct ParsedMap {
    map: RegisterMap,
    span: Range<usize>,
}

impl Profile {
    /// Reads the profile of `[profile.NAME]`. Every problem goes to the form's findings; `None` where one of them is an error.
    pub fn from_form(name: &Name, form: Form<'_>) -> Option<Self> {
        let findings = form.findings();
        let errors = || findings.all().iter().filter(|finding| finding.severity == Severity::Error).count();
        let before = errors();
        let profile = read(name, form);
        profile.filter(|_| errors() == before)
    }
}

/// Reads the profile. Wrong values are left out; the caller counts the findings.
fn read(name: &Name, form: Form<'_>) -> Option<Profile> {
    let gaps = Gaps::from_form(&form);
    let max_registers = form.field("max_registers_per_read").and_then(|field| small(&field, 1, 125)).unwrap_or(125);
    let limits = Limits { max_registers, gaps: &gaps };
    let vendor = form.required("vendor", "who makes it").and_then(|field| field.text());
    let model = form.required("model", "what is printed on it").and_then(|field| field.text());
    let aliases = form.field("aliases").and_then(|field| aliases(&field)).unwrap_or_default();
    let chain = chain_form::chain(form.table("chain"));
    let own = RegisterTables::of(&form, limits);
    let max_power = form.field("max_power").and_then(|field| field.power());
    let delay = form.field("delay").and_then(|field| field.duration(Duration::ZERO..=Duration::from_secs(5)));
    let serial_defaults = form.table("serial_defaults").map(serial_defaults);
    let (sources, quirks) = (texts(&form, "sources"), texts(&form, "quirks"));
    let confirmed = form.field("confirmed").and_then(|field| small(&field, 0, 9));
    let identity = Expectation::all(&form, "identity", limits).unwrap_or_default();
    let build = |tables: RegisterTables, identity: Vec<Expectation>, map: Option<Name>| {
        Some(Profile {
            name: name.clone(),
            aliases: aliases.clone(),
            vendor: vendor.unwrap_or_default().to_owned(),
            model: model.unwrap_or_default().to_owned(),
            max_power,
            max_registers_per_read: max_registers,
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
    // In the order of the file: where nothing distinguishes maps, the first of them is used.
    let mut tables = form.named_tables("map");
    tables.sort_by_key(|(_, form)| form.span().start);
    if tables.is_empty() {
        form.required("power", "a table with register, function, type and unit");
        own.check(&form, limits);
        chain_form::check_used(&form, own.models.is_some());
        form.finish();
        return build(own, identity, None);
    }
    let read_map = |(name, form): (Name, Form<'_>)| {
        let note = form.field("note").and_then(|field| field.text()).map(str::to_owned);
        let map_identity = Expectation::all(&form, "identity", limits).unwrap_or_default();
        let tables = RegisterTables::of(&form, limits).or(&own);
        if tables.power.is_none() && form.field("power").is_none() {
            let message = format!("[{}] lacks `power`, and so does the profile", form.path());
            form.findings().doubt(Finding::error(form.span(), message).help("add it to one of the two"));
        }
        tables.check(&form, limits);
        let span = form.span();
        form.finish();
        let both = [identity.clone(), map_identity.clone()].concat();
        let profile = Arc::new(build(tables, both, Some(name.clone()))?);
        Some(ParsedMap { map: RegisterMap { name, note, identity: map_identity, profile }, span })
    };
    let parsed: Vec<_> = tables.into_iter().filter_map(read_map).collect();
    check_maps(&form, &parsed);
    chain_form::check_used(&form, parsed.iter().any(|parsed| parsed.map.profile.chain.is_some()));
    form.finish();
    let maps: Vec<_> = parsed.into_iter().map(|parsed| parsed.map).collect();
    let first = maps.first()?.profile.clone();
    Some(Profile { identity, maps, map: None, ..Profile::clone(&first) })
}

impl RegisterTables {
    fn of(form: &Form<'_>, limits: Limits<'_>) -> Self {
        let table = |key, kind| quantity(form.table(key)?, kind, limits);
        RegisterTables {
            power: table("power", QuantityKind::Power),
            energy: table("energy", QuantityKind::Energy),
            export_energy: table("export_energy", QuantityKind::Energy),
            phase_power: table("phase_power", QuantityKind::Power),
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

    /// What the tables must agree on. A problem is reported at the key of this form, or else at its head.
    fn check(&self, form: &Form<'_>, limits: Limits<'_>) {
        if let (None, true, Some(field)) = (form.field("energy"), self.energy.is_none(), form.field("export_energy")) {
            field.fail::<()>("needs `energy`", "add the import counter");
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

/// All maps have a counter, or none; all are in a chain, or none; and maps without a distinguishing identity differ.
fn check_maps(form: &Form<'_>, maps: &[ParsedMap]) {
    let Some((ParsedMap { map: first, .. }, others)) = maps.split_first() else { return };
    for (index, ParsedMap { map, span }) in (1..).zip(others) {
        let report = |message: &str, help: &str| {
            let message = format!("[{}.map.{}] {message}", form.path(), map.name);
            form.findings().add(Finding::error(span.clone(), message).help(help));
        };
        if map.profile.has_counter() != first.profile.has_counter() {
            let help =
                "give each map its `energy`, or none: a meter cannot change between counting and integrating by itself";
            report(&format!("differs from map {} in that one has a counter", first.name), help);
        }
        if map.profile.chain.is_some() != first.profile.chain.is_some() {
            let help = "give `models` to each map, or to none";
            report(&format!("differs from map {} in that one is found in a chain of models", first.name), help);
        }
        let same = |ParsedMap { map: other, .. }: &&ParsedMap| {
            let (left, right) = (&other.profile, &map.profile);
            other.identity == map.identity
                && left.power == right.power
                && left.energy == right.energy
                && left.export_energy == right.export_energy
                && left.chain == right.chain
        };
        if let Some(ParsedMap { map: other, .. }) = maps[..index].iter().find(same) {
            report(&format!("is equal to map {}", other.name), "remove one of them");
        }
    }
}

fn aliases(field: &Field<'_>) -> Option<Vec<Name>> {
    let alias = |field: &Field<'_>| {
        Name::new(field.text()?).or_else(|| field.fail("is not a name", "letters, digits, `_` and `-`"))
    };
    field.array()?.iter().map(alias).collect()
}

fn serial_defaults(form: Form<'_>) -> SerialDefaults {
    let defaults = SerialDefaults {
        baud: form.field("baud").and_then(|field| u32::try_from(field.integer(300..=1_000_000)?).ok()),
        parity: form.field("parity").and_then(|field| field.one_of(&Parity::WORDS)),
        stop_bits: form.field("stop_bits").and_then(|field| small(&field, 1, 2)).map(|bits| bits as u8),
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
