//! Twelve simulated meters with distinct traits, as data, and the registers that they show at a site.

use std::collections::BTreeMap;

use crate::meter::{Format, Function, Kind, RegisterRange};
use crate::survey::samples::RegisterSample;

/// What a register shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shown {
    Volts(usize),
    Amps(usize),
    /// Active power of one phase.
    PhaseWatts(usize),
    Watts,
    Apparent,
    Reactive,
    Factor,
    Hertz,
    Import,
    Export,
    /// Import plus export.
    Both,
    PhaseImport(usize),
    /// Imported energy since the counter was last reset.
    Partial,
    Seconds,
    /// Tenths of an hour in operation.
    Hours,
    /// Mean power of the last minutes.
    Demand,
    Constant(f64),
}

/// A value of a meter: address, type, low word first, the worth of a digit as a power of ten, and what it shows.
pub(super) type Entry = (u16, Kind, bool, i32, Shown);

#[derive(Clone, Copy)]
pub(super) struct Meter<'a> {
    pub(super) name: &'static str,
    pub(super) function: Function,
    pub(super) values: &'a [Entry],
    /// The meter also answers registers that it does not have, with 0.
    pub(super) zeros: bool,
    /// Power is positive while it is exported.
    pub(super) reversed: bool,
    pub(super) site: Site,
}

/// What flows at the meter beside the switched load.
#[derive(Clone, Copy)]
pub(super) struct Site {
    /// In W, per phase.
    pub(super) base: [f64; 3],
    /// In W: solar power on all phases together.
    pub(super) solar: f64,
    /// In Wh: the counters at the beginning.
    pub(super) import: f64,
    pub(super) export: f64,
}

use Kind::{F32, F64, I16, I32, U16, U32, U64};
use Shown::*;

pub(super) const HOME: Site = Site { base: [230.0, 90.0, 45.0], solar: 0.0, import: 4_321_987.6, export: 0.0 };
const SOLAR: Site = Site { base: [230.0, 90.0, 45.0], solar: 1_500.0, import: 4_321_987.6, export: 1_876_543.2 };

#[rustfmt::skip]
pub(super) const METERS: [Meter<'static>; 12] = [
    Meter {
        name: "floats in W and kWh, three phases, an apparent power, an export counter that stands still",
        function: Function::Input,
        values: &[
            (0x00, F32, false, 0, Volts(0)), (0x02, F32, false, 0, Volts(1)), (0x04, F32, false, 0, Volts(2)),
            (0x06, F32, false, 0, Amps(0)), (0x08, F32, false, 0, Amps(1)), (0x0A, F32, false, 0, Amps(2)),
            (0x0C, F32, false, 0, PhaseWatts(0)), (0x0E, F32, false, 0, PhaseWatts(1)), (0x10, F32, false, 0, PhaseWatts(2)),
            (0x34, F32, false, 0, Watts), (0x38, F32, false, 0, Apparent), (0x3C, F32, false, 0, Reactive),
            (0x3E, F32, false, 0, Factor), (0x46, F32, false, 0, Hertz),
            (0x48, F32, false, 3, Import), (0x4A, F32, false, 3, Export),
        ],
        zeros: false,
        reversed: false,
        site: Site { export: 12_300.0, ..HOME },
    },
    Meter {
        name: "integers at odd addresses, 0.01 kWh with a high word, at a site that exports at times",
        function: Function::Holding,
        values: &[
            (0x100, U16, false, -1, Volts(0)), (0x101, U16, false, -1, Volts(1)), (0x102, U16, false, -1, Volts(2)),
            (0x103, I32, false, 0, Watts), (0x105, U32, false, 1, Import), (0x107, U32, false, 1, Export),
            (0x109, U32, false, 1, Both), (0x10B, U16, false, -2, Hertz),
        ],
        zeros: false,
        reversed: false,
        site: SOLAR,
    },
    Meter {
        name: "low word first, 0.1 W and Wh, single phase, between values of one register",
        function: Function::Input,
        values: &[
            (0, U16, false, -1, Volts(0)), (1, U32, true, -3, Amps(0)), (3, U32, true, -1, Watts), (5, U32, true, 0, Import),
            (7, U16, false, -1, Hertz), (8, U16, false, -2, Factor), (9, U16, false, 0, Constant(0.0)),
        ],
        zeros: false,
        reversed: false,
        site: Site { base: [4_600.0, 0.0, 0.0], solar: 0.0, import: 43_210.0, export: 0.0 },
    },
    Meter {
        name: "a counter of 64 bits above 2^32, beside one of 32 bits that counts hours",
        function: Function::Holding,
        values: &[
            (0x200, I32, false, -1, Watts), (0x202, U32, false, 0, Hours),
            (0x204, U64, false, -1, Import), (0x208, U64, false, -1, Export),
        ],
        zeros: true,
        reversed: false,
        site: Site { solar: 1_500.0, import: 612_345_678.9, export: 0.0, ..HOME },
    },
    Meter {
        name: "floats in kW and kWh, low word first, with a demand and a run time",
        function: Function::Input,
        values: &[
            (0x10, F32, true, 0, Volts(0)), (0x12, F32, true, 0, Volts(1)), (0x14, F32, true, 0, Volts(2)),
            (0x20, F32, true, 3, Watts), (0x22, F32, true, 3, Demand), (0x24, F32, true, 0, Hertz),
            (0x30, F32, true, 3, Import), (0x32, F32, true, 0, Hours),
        ],
        zeros: true,
        reversed: false,
        site: HOME,
    },
    Meter {
        name: "power as a float, the counter as a double in Wh",
        function: Function::Holding,
        values: &[
            (0x4A38, F32, false, 0, Volts(0)), (0x4A3A, F32, false, 0, Volts(1)), (0x4A3C, F32, false, 0, Volts(2)),
            (0x4A4C, F32, false, 0, Watts), (0x4A60, F64, false, 0, Import), (0x4A64, F64, false, 0, Export),
        ],
        zeros: false,
        reversed: false,
        site: HOME,
    },
    Meter {
        name: "one register in 10 W, Wh, a counter of seconds, a constant",
        function: Function::Holding,
        values: &[
            (0x1000, U16, false, 0, Constant(2_304.0)), (0x1001, I16, false, 1, Watts), (0x1002, U16, false, -2, Hertz),
            (0x1004, U32, false, 0, Seconds), (0x1006, U32, false, 0, Import), (0x1008, U16, false, 0, Constant(5.0)),
        ],
        zeros: false,
        reversed: false,
        site: Site { solar: 1_500.0, ..HOME },
    },
    Meter {
        name: "per-phase powers and counters beside the totals, 0.1 W and 0.1 Wh",
        function: Function::Input,
        values: &[
            (0x300, I32, false, -1, PhaseWatts(0)), (0x302, I32, false, -1, PhaseWatts(1)), (0x304, I32, false, -1, PhaseWatts(2)),
            (0x306, I32, false, -1, Watts), (0x308, U32, false, -1, PhaseImport(0)), (0x30A, U32, false, -1, PhaseImport(1)),
            (0x30C, U32, false, -1, PhaseImport(2)), (0x30E, U32, false, -1, Import),
        ],
        zeros: false,
        reversed: false,
        site: Site { base: [230.0, 890.0, 450.0], import: 45_678_901.2, ..HOME },
    },
    Meter {
        name: "consumption is negative, at a site that exports at times",
        function: Function::Holding,
        values: &[
            (0x00, U32, false, -1, Volts(0)), (0x02, I32, false, 0, Watts), (0x04, U32, false, 0, Export), (0x06, U32, false, 0, Import),
        ],
        zeros: false,
        reversed: true,
        site: SOLAR,
    },
    Meter {
        name: "power and counter in two ranges that are far apart",
        function: Function::Input,
        values: &[
            (0x0100, F32, false, 0, Watts), (0x0102, F32, false, 0, Reactive), (0x0104, F32, false, 0, Apparent),
            (0x0106, F32, false, 0, Constant(60.0)), (0x0400, F32, false, 3, Import), (0x0402, F32, false, 3, Export),
        ],
        zeros: false,
        reversed: false,
        site: HOME,
    },
    Meter {
        name: "0.01 W and mWh, with the high word of the counter moving",
        function: Function::Holding,
        values: &[
            (0x10, U32, true, -2, Volts(0)), (0x12, I32, true, -2, Watts), (0x14, U32, true, -3, Import), (0x16, U32, true, -3, Partial),
        ],
        zeros: false,
        reversed: false,
        site: Site { import: 2_345_678.9, ..HOME },
    },
    Meter {
        name: "Wh with a high word of 0 beside look-alikes",
        function: Function::Input,
        values: &[
            (0x40, U16, false, -1, Volts(0)), (0x41, U16, false, -2, Hertz), (0x42, U16, false, -3, Factor), (0x43, I16, false, 0, Watts),
            (0x44, U16, false, 0, Constant(2_301.0)), (0x45, U32, false, 0, Import), (0x47, U16, false, -1, Volts(1)),
        ],
        zeros: false,
        reversed: false,
        site: Site { solar: 1_500.0, import: 54_321.0, ..HOME },
    },
];

/// The loads at a site over time: each in W, with the seconds that it is switched on, and whether the user said so.
pub(super) struct Schedule {
    pub(super) loads: Vec<(f64, f64)>,
    pub(super) guided: bool,
    /// Seconds between samples.
    pub(super) every: f64,
}

struct State {
    watts: [f64; 3],
    import: f64,
    export: f64,
    phases: [f64; 3],
    since: f64,
    demand: f64,
    at: f64,
}

impl Meter<'_> {
    /// The samples of this schedule.
    pub(super) fn samples(&self, schedule: &Schedule) -> Vec<RegisterSample> {
        let site = self.site;
        let shares = [0.55, 0.3, 0.15];
        let mut state = State {
            watts: [0.0; 3],
            import: site.import,
            export: site.export,
            phases: shares.map(|share| share * site.import),
            since: 1_234.5,
            demand: 300.0,
            at: 0.0,
        };
        let mut samples = Vec::new();
        const STEP: f64 = 0.5;
        let mut next = 0.0;
        for (load, seconds) in &schedule.loads {
            let end = state.at + seconds;
            while state.at < end - STEP / 2.0 {
                state.watts = self.watts(*load, state.at);
                if state.at >= next - STEP / 2.0 {
                    samples.push(self.sample(&state, schedule.guided.then_some(*load)));
                    next += schedule.every;
                }
                state.advance(STEP);
            }
        }
        samples
    }

    fn watts(&self, load: f64, at: f64) -> [f64; 3] {
        let mut watts = self.site.base;
        for (phase, watts) in watts.iter_mut().enumerate() {
            let wobble = 1.0 + 0.03 * (at / 7.0 + phase as f64).sin();
            *watts = *watts * wobble - self.site.solar / 3.0;
        }
        watts[0] += load * (1.04 + 0.002 * (at / 3.0).cos());
        watts
    }

    fn sample(&self, state: &State, load: Option<f64>) -> RegisterSample {
        let mut words: BTreeMap<u16, u16> = BTreeMap::new();
        if self.zeros {
            let (first, last) = (self.values[0].0, self.values[self.values.len() - 1].0);
            words.extend((first - 8..last + 12).map(|address| (address, 0)));
        }
        for (address, kind, low_word_first, exponent, shown) in self.values {
            let sign = if self.reversed && *shown == Watts { -1.0 } else { 1.0 };
            let raw = sign * state.value(*shown) / 10_f64.powi(*exponent);
            words.extend((*address..).zip(encode(*kind, *low_word_first, raw)));
        }
        let mut sample = RegisterSample { at: state.at, load, ..RegisterSample::default() };
        let mut run: Vec<(u16, u16)> = Vec::new();
        for (address, word) in words.into_iter().chain([(u16::MAX, 0)]) {
            if run.last().is_some_and(|(last, _)| last + 1 != address) {
                let block = RegisterRange { function: self.function, address: run[0].0, count: run.len() as u16 };
                sample.answers.insert(block, run.drain(..).map(|(_, word)| word).collect());
            }
            run.push((address, word));
        }
        sample
    }

    /// The place of what it shows: address, type, order and scale.
    pub(super) fn truth(&self, shown: Shown) -> (RegisterRange, Format, i32) {
        let value = self.values.iter().find(|(.., it)| *it == shown).unwrap();
        let (address, kind, low_word_first, exponent, _) = *value;
        let block = RegisterRange { function: self.function, address, count: kind.registers() };
        (block, Format { kind, low_word_first, low_byte_first: false }, exponent)
    }
}

impl State {
    fn advance(&mut self, seconds: f64) {
        let hours = seconds / 3600.0;
        let total: f64 = self.watts.iter().sum();
        self.import += total.max(0.0) * hours;
        self.export += (-total).max(0.0) * hours;
        self.since += total.max(0.0) * hours;
        for (counter, watts) in self.phases.iter_mut().zip(self.watts) {
            *counter += watts.max(0.0) * hours;
        }
        self.demand += (total - self.demand) * seconds / 300.0;
        self.at += seconds;
    }

    fn value(&self, shown: Shown) -> f64 {
        let total: f64 = self.watts.iter().sum();
        let reactive = 65.0 + total.abs() * 0.11;
        match shown {
            Volts(phase) => {
                230.3 + phase as f64 * 0.7 + (self.at / 11.0 + phase as f64).sin() - self.watts[phase] / 2_000.0
            }
            Amps(phase) => self.watts[phase].hypot(22.0) / 230.3,
            PhaseWatts(phase) => self.watts[phase],
            Watts => total,
            Apparent => total.hypot(reactive),
            Reactive => reactive,
            Factor => total / total.hypot(reactive),
            Hertz => 50.0 + 0.02 * (self.at / 9.0).sin(),
            Import => self.import,
            Export => self.export,
            Both => self.import + self.export,
            PhaseImport(phase) => self.phases[phase],
            Partial => self.since,
            Seconds => 8_765_432.0 + self.at,
            Hours => 24_348.0 + self.at / 360.0,
            Demand => self.demand,
            Constant(value) => value,
        }
    }
}

/// The registers of a number.
fn encode(kind: Kind, low_word_first: bool, raw: f64) -> Vec<u16> {
    let bits = match kind {
        F32 => u64::from((raw as f32).to_bits()),
        F64 => raw.to_bits(),
        _ => raw.floor() as i64 as u64,
    };
    let mut words: Vec<u16> = (0..kind.registers()).rev().map(|index| (bits >> (16 * index)) as u16).collect();
    if low_word_first {
        words.reverse();
    }
    words
}
