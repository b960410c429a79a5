//! A simulated meter with a known true consumption, its faults, and the restarts of the daemon that reads it.

use std::time::Duration;

use arkmeter::clock::ClockReading;
use arkmeter::guard::{CounterSettings, MeterSettings};
use arkmeter::reading::{Register, RegisterDefinition, Values};
use arkmeter::units::{MilliwattHours, Milliwatts, Name};
use jiff::Timestamp;

pub(crate) const KWH: u64 = 1_000_000;
pub(crate) const WH: u64 = 1_000;

/// The power of a load over time, in W.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    Constant(u64),
    /// This power and 0 in turn, each for this many seconds.
    Square(u64, u64),
    /// A random power up to this one, changed every ten seconds.
    Restless(u64),
    /// The first power until the given second, then the last one.
    Switched(u64, u64, u64),
}

impl Load {
    fn watts(self, second: u64) -> u64 {
        match self {
            Load::Constant(watts) => watts,
            Load::Square(watts, period) => watts * (1 - second / period % 2),
            Load::Restless(most) => scramble(second / 10) % (most + 1),
            Load::Switched(before, until, after) => {
                if second < until {
                    before
                } else {
                    after
                }
            }
        }
    }
}

/// A temporary fault of the readings. Energies are in mWh.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Above(u64),
    Below(u64),
    /// The same value for the whole time.
    Says(u64),
    /// A random value up to this one at each reading.
    Garbage(u64),
    /// The value at the start of the fault.
    Frozen,
    /// The value at the start of the fault, less this energy.
    FrozenBelow(u64),
    /// The two 16-bit words of the register are swapped.
    Swapped,
    /// The high word is one too high, as if read after the next carry: 65536 steps too many.
    Torn,
    /// No register value.
    Null,
    /// Neither register nor power value.
    Mute,
    /// The power register reads this many W; the energy register is right.
    Power(u64),
    /// Every second reading is too high by this energy.
    Flapping(u64),
}

/// A real change of the meter's register.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// The register restarts at 0.
    Reset,
    /// The register loses this energy and continues from there.
    SetBack(u64),
    /// The meter is replaced by one with this register value and serial number.
    Swap(u64, Option<&'static str>),
}

/// How the daemon is interrupted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Interruption {
    Restart,
    Crash,
}

/// A reboot of the box, after which its wall clock is wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boot {
    pub at: u64,
    /// How far the wall clock is ahead, in seconds.
    pub off: i64,
    /// The second at which the wall clock is corrected.
    pub set_at: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub name: String,
    pub poll: u64,
    pub configured_poll: u64,
    pub lasts: u64,
    pub load: Load,
    pub max_power: u64,
    pub base: u64,
    pub step: u64,
    pub lump: u64,
    pub lump_phase: u64,
    /// The noise of the register, in steps up or down.
    pub noise: u64,
    pub rollover: Option<u64>,
    pub power: bool,
    pub serial: Option<&'static str>,
    /// The serial number is read once in this many polls; 0 means at the first poll only.
    pub serial_every: u64,
    pub faults: Vec<(u64, u64, Fault)>,
    pub events: Vec<(u64, Event)>,
    pub away: Vec<(u64, u64)>,
    pub interruptions: Vec<(u64, Interruption)>,
    /// Sorted by time.
    pub boots: Vec<Boot>,
    pub slots: u64,
    pub start_at_zero: bool,
}

impl World {
    pub(crate) fn new(name: &str) -> Self {
        World {
            name: name.to_owned(),
            poll: 10,
            configured_poll: 10,
            lasts: 7200,
            load: Load::Constant(1500),
            max_power: 20_000,
            base: 12_000 * KWH,
            step: 10 * WH,
            lump: 1,
            lump_phase: 0,
            noise: 0,
            rollover: None,
            power: true,
            serial: None,
            serial_every: 0,
            faults: Vec::new(),
            events: Vec::new(),
            away: Vec::new(),
            interruptions: Vec::new(),
            boots: Vec::new(),
            slots: 120,
            start_at_zero: false,
        }
    }

    /// The clocks of the box. It booted an hour before the history; its clock is trusted until the next boot.
    pub(crate) fn clock_reading(&self, second: u64) -> ClockReading {
        let wall = 1_700_000_000 + second as i64;
        let boots: Vec<_> = self.boots.iter().filter(|boot| boot.at <= second).collect();
        let (number, latest) = (boots.len() as u64, boots.last());
        let (since_boot, off) = latest
            .map_or((3600 + second, None), |boot| (second - boot.at, Some(boot.off).filter(|_| second < boot.set_at)));
        ClockReading {
            boot: serde_json::from_value(serde_json::json!(1 + number)).unwrap(),
            since_boot: Duration::from_secs(since_boot),
            wall: Timestamp::from_second(wall + off.unwrap_or(0)).unwrap(),
            trusted: off.is_none(),
        }
    }

    pub(crate) fn settings(&self) -> MeterSettings {
        MeterSettings {
            name: Name::new("meter").unwrap(),
            max_power: Milliwatts(self.max_power as i64 * 1000),
            poll_every: Duration::from_secs(self.configured_poll),
            counter: CounterSettings::Register,
            start_at_zero: self.start_at_zero,
            definition: RegisterDefinition {
                text: "holding 0 u32 0.01 kWh".to_owned(),
                rollover: self.rollover.map(|size| MilliwattHours::new(size).unwrap()),
                range: None,
            },
            place: "cabinet 1".to_owned(),
        }
    }

    /// All moments of the history, in order.
    pub(crate) fn history(&self) -> Vec<Moment> {
        let mut moments = Vec::new();
        let mut counter = Counter { truth: 0, kept: 0, origin: self.base as i64, shown: 0, serial: self.serial };
        let mut frozen = None;
        let mut events = self.events.clone();
        let mut polls = 0;
        counter.update(self);
        for second in 0..=self.lasts {
            let away = self.away.iter().any(|(from, to)| (*from..*to).contains(&second));
            let quiet = away
                && events.iter().all(|(at, _)| *at != second)
                && self.interruptions.iter().all(|(at, _)| *at != second);
            if quiet && !(second + self.lump_phase).is_multiple_of(self.lump.max(60)) {
                counter.truth += self.load.watts(second) * 1_000_000 / 3600;
                continue;
            }
            events.retain(|(at, event)| {
                let due = *at == second;
                if due {
                    counter.happen(*event);
                }
                !due
            });
            if (second + self.lump_phase).is_multiple_of(self.lump) || self.events.iter().any(|(at, _)| *at == second) {
                counter.update(self);
            }
            for (_, interruption) in self.interruptions.iter().filter(|(at, _)| *at == second) {
                moments.push(Moment::Interruption(*interruption));
            }
            if second.is_multiple_of(self.poll) && !away {
                let fault =
                    self.faults.iter().find(|(from, to, _)| (*from..*to).contains(&second)).map(|(_, _, fault)| *fault);
                frozen = fault.and(frozen.or(Some(counter.shown)));
                moments.push(Moment::Poll(self.poll_at(second, polls, &counter, fault, frozen)));
                polls += 1;
            }
            if self.slots > 0 && second % self.slots == 7 && !away {
                moments.push(Moment::Slot);
            }
            counter.truth += self.load.watts(second) * 1_000_000 / 3600;
        }
        moments
    }

    fn poll_at(&self, second: u64, polls: u64, counter: &Counter, fault: Option<Fault>, frozen: Option<u64>) -> Poll {
        let noise = match self.noise {
            0 => 0,
            limit => (scramble(second) % (2 * limit + 1)) as i64 - limit as i64,
        };
        let right = counter.shown.saturating_add_signed(noise * self.step as i64);
        let watts = self.load.watts(second);
        let mut power = self.power.then_some(watts);
        let words = right / self.step;
        let register = match fault {
            None => Some(right),
            Some(Fault::Above(height)) => Some(right + height),
            Some(Fault::Below(depth)) => Some(right.saturating_sub(depth)),
            Some(Fault::Says(value)) => Some(value),
            Some(Fault::Garbage(most)) => Some(scramble(second) % (most + 1)),
            Some(Fault::Frozen) => frozen,
            Some(Fault::FrozenBelow(depth)) => frozen.map(|value| value.saturating_sub(depth)),
            Some(Fault::Swapped) => Some(((words & 0xFFFF) << 16 | words >> 16) * self.step),
            Some(Fault::Torn) => Some((words + 65536) * self.step),
            Some(Fault::Null) => None,
            Some(Fault::Mute) => {
                power = None;
                None
            }
            Some(Fault::Power(watts)) => {
                power = power.map(|_| watts);
                Some(right)
            }
            Some(Fault::Flapping(height)) => Some(if polls.is_multiple_of(2) { right } else { right + height }),
        };
        let serial_read = polls == 0 || (self.serial_every > 0 && polls.is_multiple_of(self.serial_every));
        let sound = matches!(fault, None | Some(Fault::Power(_)));
        let register = register
            .and_then(MilliwattHours::new)
            .map(|value| Register { value, step: MilliwattHours::new(self.step).unwrap() });
        let values = Values {
            power: power.map(|watts| Milliwatts(watts as i64 * 1000)),
            register,
            serial: counter.serial.filter(|_| serial_read).map(str::to_owned),
        };
        Poll { second, values, sound, kept: counter.kept }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Moment {
    Poll(Poll),
    Slot,
    Interruption(Interruption),
}

#[derive(Clone, Debug)]
pub(crate) struct Poll {
    pub second: u64,
    pub values: Values,
    /// The register value is the meter's own, without a fault.
    pub sound: bool,
    /// The energy that the meters have counted since the start, in mWh.
    pub kept: u64,
}

struct Counter {
    /// In µWh.
    truth: u64,
    kept: u64,
    /// The register at the start of the count, in mWh.
    origin: i64,
    shown: u64,
    serial: Option<&'static str>,
}

impl Counter {
    fn happen(&mut self, event: Event) {
        let truth = (self.truth / 1000) as i64;
        match event {
            Event::Reset => self.origin = -truth,
            Event::SetBack(energy) => self.origin -= energy as i64,
            Event::Swap(register, serial) => {
                self.origin = register as i64 - truth;
                self.serial = serial;
            }
        }
        self.shown = 0;
    }

    fn update(&mut self, world: &World) {
        let truth = self.truth / 1000;
        let register = (self.origin + truth as i64).max(0) as u64 / world.step * world.step;
        self.shown = world.rollover.map_or(register, |size| register % size);
        self.kept = truth;
    }
}

/// A pseudo-random number, the same for the same seed.
pub(crate) fn scramble(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
