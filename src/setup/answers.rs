//! All answers so far. They are saved after each step, and an answers file holds all of them.

use std::collections::BTreeMap;

use super::clients::ClientAnswer;
use super::fuses::Fuses;
use super::lines::LineChoice;
use crate::modbus::Link;
use crate::units::{MilliwattHours, Milliwatts, Name, UnitId};

/// All answers so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetupAnswers {
    /// The lines to scan, until they were scanned.
    pub lines: Vec<LineChoice>,
    /// The lines of the meters, by the name of their bus.
    pub buses: BTreeMap<Name, Link>,
    /// The meters, in the order in which they were found.
    pub meters: Vec<SetupMeter>,
    /// Where they are reported.
    pub account: AccountAnswers,
    /// `[state] path`, if it is not the default.
    pub state: Option<String>,
    /// `[status] socket`, if it is not the default.
    pub socket: Option<String>,
    /// `[status] listen`, if it is not the default.
    pub listen: Option<String>,
    /// Whether the service is started at the end. Only an answers file says so.
    pub start: Option<bool>,
    /// Whether one report is sent where no service runs.
    pub first_report: Option<bool>,
    /// An existing configuration is kept under another name and a new one is written. Only an answers file says so.
    pub replace: bool,
}

/// Where the meters are reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountAnswers {
    /// The name of `[account.NAME]`; `main` without one.
    pub name: Option<Name>,
    /// Its `url`, if it is not the default.
    pub url: Option<String>,
    /// Its `report_every`, if it is not the default.
    pub report_every: Option<String>,
}

impl AccountAnswers {
    /// The name of the account.
    pub fn name(&self) -> Name {
        self.name.clone().unwrap_or_else(|| Name::new("main").expect("`main` is a name"))
    }
}

/// One meter of the set-up.
#[derive(Clone, Debug, PartialEq)]
pub struct SetupMeter {
    /// Its name; provisional unless it is `named`.
    pub name: Name,
    /// Whether somebody gave it its name.
    pub named: bool,
    /// The name of its bus, in the answers or in the configuration.
    pub bus: Name,
    /// Its Modbus unit.
    pub unit: UnitId,
    /// Its model. `None` if it is unknown.
    pub profile: Option<Name>,
    /// How certain the model is, in words; empty if it was given.
    pub certainty: String,
    /// Which of several SunSpec meters of the unit.
    pub chain_meter: Option<u8>,
    /// What its connection can carry.
    pub fuses: Option<Fuses>,
    /// Under which client it is reported.
    pub client: Option<ClientAnswer>,
    /// Whether it is wired the other way.
    pub reversed: Option<bool>,
    /// It is written although it does not answer.
    pub unread: bool,
    /// `poll_every`, if it is not the default.
    pub poll_every: Option<String>,
    /// Its values, or why they could not be read. `None` until it is read.
    pub reading: Option<Result<MeterReading, String>>,
}

/// What a meter shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeterReading {
    /// Active power; negative while exporting.
    pub power: Option<Milliwatts>,
    /// The counter.
    pub energy: Option<MilliwattHours>,
    /// The serial number, where the profile has one.
    pub serial: Option<String>,
}

impl SetupMeter {
    /// A meter of which only the place is known.
    pub(super) fn at(name: Name, bus: Name, unit: UnitId) -> Self {
        SetupMeter {
            name,
            named: false,
            bus,
            unit,
            profile: None,
            certainty: String::new(),
            chain_meter: None,
            fuses: None,
            client: None,
            reversed: None,
            unread: false,
            poll_every: None,
            reading: None,
        }
    }

    /// The power that it shows.
    pub fn power(&self) -> Option<Milliwatts> {
        self.reading.as_ref()?.as_ref().ok()?.power
    }
}
