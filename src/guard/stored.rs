//! The form in which ledgers have held a meter's state as one text.

use std::time::Duration;

use serde::Deserialize;

use super::flow::RegisterPoint;
use super::hold::Hold;
use super::power::{ConnectionRates, EnergyBounds, Overload, PowerMemory, PowerSample, Stretch};
use super::state::{Epoch, GuardMemory, GuardState, Integral, MeterFigure, Uncredited};
use crate::clock::ClockReading;
use crate::units::{MilliwattHours, Milliwatts};

/// Figure and memory in one. A missing field reads as its default.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct StoredState {
    definition: String,
    place: String,
    moved: bool,
    renamed: bool,
    serial: Option<String>,
    published: Option<MilliwattHours>,
    offset: i64,
    taken: Option<RegisterPoint>,
    hold: Option<Box<Hold>>,
    earlier: Vec<Epoch>,
    epochs: u32,
    uncredited: Option<Box<Uncredited>>,
    read_at: Option<ClockReading>,
    power: StoredPower,
    integral: Integral,
}

/// What was learned of a meter's power, with the totals of its samples.
#[derive(Default, Deserialize)]
#[serde(default)]
struct StoredPower {
    samples: Vec<PowerSample>,
    intervals: Vec<Duration>,
    polled_at: Option<ClockReading>,
    totals: EnergyBounds,
    sustained: Milliwatts,
    seen: Option<Milliwatts>,
    overload: Milliwatts,
    suspected: Option<Overload>,
    stretch: Option<Stretch>,
    lumps: Vec<Duration>,
    noisy: bool,
    advanced_at: Option<ClockReading>,
}

impl From<StoredState> for GuardState {
    fn from(stored: StoredState) -> Self {
        let StoredState { definition, place, moved, renamed, serial, published, offset, taken, .. } = stored;
        let StoredState { hold, earlier, epochs, uncredited, read_at, power, mut integral, .. } = stored;
        let totals = power.totals;
        if integral.counts && integral.last.is_none() {
            integral.last = power.samples.last().copied();
        }
        let power = PowerMemory {
            samples: power.samples,
            intervals: power.intervals,
            polled_at: power.polled_at,
            rates: ConnectionRates {
                sustained: power.sustained,
                seen: power.seen,
                overload: power.overload,
                noisy: power.noisy,
            },
            suspected: power.suspected,
            stretch: power.stretch,
            lumps: power.lumps,
            advanced_at: power.advanced_at,
            ..PowerMemory::default()
        };
        GuardState {
            figure: MeterFigure { published, offset, taken, serial, read_at, totals, integral },
            memory: GuardMemory {
                definition,
                place,
                moved,
                renamed,
                hold,
                earlier,
                epochs,
                uncredited,
                power,
                ..GuardMemory::default()
            },
        }
    }
}
