//! `[meter.NAME]` and `[client.NAME]`: what is polled, and under which identifier it is reported.

use std::ops::Range;
use std::time::Duration;

use super::model::{EnergyStart, MeterConfig};
use super::profiles::{self, Profiles};
use super::tables::{self, WithSpan};
use crate::form::{Field, Form};
use crate::units::{ClientId, Name, UnitId};

/// One `[meter.NAME]` as far as it could be read. A field is `None` if its value is wrong (and reported).
#[derive(Debug)]
pub(super) struct MeterTable {
    pub(super) span: Range<usize>,
    pub(super) meter: Option<MeterConfig>,
    pub(super) bus: Option<WithSpan<Name>>,
    pub(super) unit: Option<WithSpan<UnitId>>,
    /// `Some(None)` if the meter has no `client_id`.
    pub(super) client_id: Option<Option<WithSpan<ClientId>>>,
    pub(super) account: Option<Option<WithSpan<Name>>>,
}

/// One `[client.NAME]` as far as it could be read.
#[derive(Debug)]
pub(super) struct ClientTable {
    pub(super) span: Range<usize>,
    pub(super) client_id: Option<WithSpan<ClientId>>,
    pub(super) account: Option<Option<WithSpan<Name>>>,
    pub(super) meters: Option<Vec<WithSpan<Name>>>,
}

pub(super) fn read(name: &Name, form: Form<'_>, profiles: &Profiles) -> MeterTable {
    let bus = form.required("bus", "the NAME of its [bus.NAME]").and_then(|field| tables::name(&field));
    let unit = form
        .required("unit", "its Modbus unit, from 1 to 247 (over Modbus TCP also 0 and 255)")
        .and_then(|field| unit(&field));
    let profile = form.required("profile", "its model: `arkmeter profiles` lists the built-in ones");
    let profile = profiles::mapped(&form, profile.and_then(|field| profiles.find(&field)));
    let client_id = form.maybe("client_id", client_id);
    let account = form.maybe("account", tables::name);
    let poll_every = form.or("poll_every", Duration::from_secs(10), |field| {
        field.duration(Duration::from_millis(100)..=Duration::from_secs(180))
    });
    let words = [("register", EnergyStart::Register), ("zero", EnergyStart::Zero)];
    let energy_start = form.or("energy_start", EnergyStart::Register, |field| field.one_of(&words));
    let installed = profiles::installed(&form, profile.as_deref());
    let span = form.span();
    form.finish();
    let meter = || {
        let (installation, max_power) = installed?;
        Some(MeterConfig {
            name: name.clone(),
            bus: bus.as_ref()?.value.clone(),
            unit: unit.as_ref()?.value,
            profile: profile?,
            installation,
            poll_every: poll_every?,
            max_power,
            energy_start: energy_start?,
        })
    };
    MeterTable { span, meter: meter(), bus, unit, client_id, account }
}

pub(super) fn read_client(form: Form<'_>) -> ClientTable {
    let id = form.required("client_id", "the identifier that Arkreen issued: 0x and 64 hex digits");
    let id = id.and_then(|field| client_id(&field));
    let account = form.maybe("account", tables::name);
    let meters = form.required("meters", "the meters whose values it adds: [\"floor_1\", \"floor_2\"]");
    let meters = meters.and_then(|field| members(&field));
    let span = form.span();
    form.finish();
    ClientTable { span, client_id: id, account, meters }
}

fn members(field: &Field<'_>) -> Option<Vec<WithSpan<Name>>> {
    let fields = field.array()?;
    if fields.is_empty() {
        return field.fail("is empty", "name at least one meter");
    }
    // All are read before any is dropped, so that every problem is reported.
    let names: Vec<_> = fields.iter().map(tables::name).collect();
    let names: Vec<_> = names.into_iter().collect::<Option<_>>()?;
    for (index, name) in names.iter().enumerate() {
        if names[..index].iter().any(|earlier| earlier.value == name.value) {
            return fields[index].fail(&format!("names {} twice", name.value), "list each meter once");
        }
    }
    Some(names)
}

fn unit(field: &Field<'_>) -> Option<WithSpan<UnitId>> {
    let value = field.integer(0..=255).and_then(UnitId::on_tcp)?;
    Some(WithSpan { value, span: field.span() })
}

fn client_id(field: &Field<'_>) -> Option<WithSpan<ClientId>> {
    let text = field.text()?;
    match ClientId::parse(text) {
        Some(value) => {
            if value.is_placeholder() {
                field.warn("is still the placeholder of the example", "write the identifier that Arkreen issued");
            }
            Some(WithSpan { value, span: field.span() })
        }
        None => field.fail("is not a client identifier", "0x and 64 hex digits, as Arkreen issued it"),
    }
}
