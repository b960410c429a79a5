//! Meters that count as time passes: the true consumption, and what the registers show.

use std::time::Duration;

use super::unit::{SimulatedUnit, WordOrder};
use crate::meter::Function;
use crate::units::MilliwattHours;

/// The model of a simulated meter, which decides its registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulatedModel {
    /// Profile `eastron-sdm630`: power in W and energy in kWh as floats, the serial number in holding registers.
    Sdm630,
    /// Profile `eastron-sdm120`: the same at other addresses.
    Sdm120,
    /// Profile `peacefair-pzem-004t-v3`: tenths of a watt and whole watt-hours, low word first.
    Pzem004t,
}

/// A meter and the appliance behind it.
#[derive(Debug)]
pub struct SimulatedMeter {
    /// The registers.
    pub unit: SimulatedUnit,
    map: SimulatedModel,
    watts: f64,
    /// What the display shows, in kWh.
    reading: f64,
    serial: u32,
    /// What the appliance consumed since the start, in kWh.
    consumed: f64,
    /// The registers read 0 for this time, as while a meter starts.
    zero_for: Duration,
}

impl SimulatedMeter {
    /// An appliance with this power in watts, behind a meter that has already counted `reading` kWh.
    pub fn new(unit: u8, map: SimulatedModel, watts: f64, reading: f64, serial: u32) -> Self {
        let unit = SimulatedUnit::new(unit);
        let meter = SimulatedMeter { unit, map, watts, reading, serial, consumed: 0.0, zero_for: Duration::ZERO };
        meter.show();
        meter
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        let energy = self.watts / 1000.0 * time.as_secs_f64() / 3600.0;
        self.reading += energy;
        self.consumed += energy;
        self.zero_for = self.zero_for.saturating_sub(time);
        self.show();
    }

    /// Lets the registers read 0 for this time.
    pub fn read_zero(&mut self, time: Duration) {
        self.zero_for = time;
        self.show();
    }

    /// Replaces the meter by another one with this reading, in kWh.
    pub fn replace(&mut self, reading: f64, serial: u32) {
        (self.reading, self.serial) = (reading, serial);
        self.show();
    }

    /// What the display shows, in kWh.
    pub fn reading(&self) -> f64 {
        self.reading
    }

    /// What the appliance consumed since the start.
    pub fn consumed(&self) -> MilliwattHours {
        MilliwattHours::new((self.consumed * 1e6) as u64).unwrap_or(MilliwattHours::MAX)
    }

    fn show(&self) {
        let starting = !self.zero_for.is_zero();
        let (watts, reading) = if starting { (0.0, 0.0) } else { (self.watts, self.reading) };
        let unit = &self.unit;
        match self.map {
            SimulatedModel::Sdm630 | SimulatedModel::Sdm120 => {
                let power = if self.map == SimulatedModel::Sdm630 { 0x0034 } else { 0x000C };
                unit.set_f32(Function::Input, power, watts as f32);
                unit.set_f32(Function::Input, 0x0048, reading as f32);
                unit.set_f32(Function::Input, 0x004A, 0.0);
                unit.set_u32(Function::Holding, 0xFC00, self.serial, WordOrder::Big);
            }
            SimulatedModel::Pzem004t => {
                unit.set_u32(Function::Input, 0x0003, (watts * 10.0) as u32, WordOrder::Little);
                unit.set_u32(Function::Input, 0x0005, (reading * 1000.0) as u32, WordOrder::Little);
            }
        }
    }
}
