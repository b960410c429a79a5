//! `[meter.NAME]` and `[client.NAME]`: what is polled, and as what it is reported.

use std::ops::Range;
use std::time::Duration;

use super::model::{EnergyStart, MeterConfig};
use super::place::{self, Placed};
use super::profiles::{self, Profiles};
use crate::form::{Field, Form};
use crate::units::{ClientId, Name, UnitId};

/// One `[meter.NAME]` as far as it could be read. What is `None` in it was wrong, and is reported.
#[derive(Debug)]
pub(super) struct MeterTable {
    pub(super) span: Range<usize>,
    pub(super) meter: Option<MeterConfig>,
    pub(super) bus: Option<Placed<Name>>,
    pub(super) unit: Option<Placed<UnitId>>,
    /// `Some(None)` where the meter has none of its own.
    pub(super) client_id: Option<Option<Placed<ClientId>>>,
    pub(super) account: Option<Option<Placed<Name>>>,
}

/// What is to be one client: a `[client.NAME]`, or a meter with a `client_id` of its own.
#[derive(Debug)]
pub(super) struct ClientTable {
    pub(super) span: Range<usize>,
    pub(super) client_id: Option<Placed<ClientId>>,
    pub(super) account: Option<Option<Placed<Name>>>,
    pub(super) meters: Option<Vec<Placed<Name>>>,
}

pub(super) fn read(name: &Name, form: Form<'_>, profiles: &Profiles) -> MeterTable {
    let bus = form.required("bus", "the NAME of the [bus.NAME] it is on").and_then(|field| place::name(&field));
    let unit = form.required("unit", "its Modbus unit, from 1 to 247").and_then(|field| unit(&field));
    let profile = form.required("profile", "its model: `arkmeter profiles` lists those that are known");
    let profile = profiles::mapped(&form, profile.and_then(|field| profiles.find(&field)));
    let client_id = form.maybe("client_id", client_id);
    let account = form.maybe("account", place::name);
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
    let account = form.maybe("account", place::name);
    let meters = form.required("meters", "the meters that it adds up: [\"floor_1\", \"floor_2\"]");
    let meters = meters.and_then(|field| members(&field));
    let span = form.span();
    form.finish();
    ClientTable { span, client_id: id, account, meters }
}

fn members(field: &Field<'_>) -> Option<Vec<Placed<Name>>> {
    let fields = field.array()?;
    if fields.is_empty() {
        return field.fail("is empty", "name at least one meter");
    }
    // All are read before any is dropped, so that each wrong one is reported.
    let names: Vec<_> = fields.iter().map(place::name).collect();
    let names: Vec<_> = names.into_iter().collect::<Option<_>>()?;
    for (index, name) in names.iter().enumerate() {
        if names[..index].iter().any(|earlier| earlier.value == name.value) {
            return fields[index].fail(&format!("names {} a second time", name.value), "each meter counts once");
        }
    }
    Some(names)
}

fn unit(field: &Field<'_>) -> Option<Placed<UnitId>> {
    let value = field.integer(1..=247).and_then(UnitId::new)?;
    Some(Placed { value, span: field.span() })
}

fn client_id(field: &Field<'_>) -> Option<Placed<ClientId>> {
    let text = field.text()?;
    match ClientId::parse(text) {
        Some(value) => {
            if text.bytes().skip(2).all(|digit| digit == b'0') {
                field.warn("is still the placeholder of the example", "write the identifier that Arkreen issued");
            }
            Some(Placed { value, span: field.span() })
        }
        None => field.fail("is not a client identifier", "0x and 64 hex digits, as Arkreen issued it"),
    }
}
