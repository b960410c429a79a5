//! A simulated site: a meter with a known true consumption, the line to it, and the daemon that reads it. Only the polls are computed, so
//! that a month costs no more than its polls.

use std::time::Duration;

use arkmeter::clock::ClockReading;
use arkmeter::guard::{CounterSettings, MeterSettings};
use arkmeter::reading::{Register, RegisterDefinition, Values};
use arkmeter::units::{MilliwattHours, Milliwatts, Name};
use jiff::Timestamp;

use crate::counter::{Answer, Counter};
use crate::load::{HOUR, Load, MINUTE, SECOND};
use crate::random::RandomSource;
use crate::world::{Interruption, KWH, WH};

/// What the power register says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PowerRegister {
    Absent,
    Right,
    Reversed,
    /// The power times the first number, divided by the second.
    Times(i64, i64),
    /// The average of the last whole stretch of this many ms.
    Average(u64),
    /// One phase of three, whose share changes each minute.
    OnePhase,
    Zero,
    /// A signed register read as an unsigned one of this many bits, in units of so many mW.
    Unsigned(u32, i64),
}

/// The line between the daemon and the meter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line {
    /// The share of polls that fail.
    pub lost_percent: u64,
    /// The mean number of failed polls in a row.
    pub burst: u64,
    /// The share of answers that are those to the poll before.
    pub late_per_mille: u64,
    /// Each poll is delayed by up to this many ms.
    pub jitter: u64,
    /// The guard sees a failed poll as a reading without values, else not at all.
    pub failures_are_seen: bool,
}

/// An end of the daemon, and how long it or its box is down, in ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    pub at: u64,
    pub down: u64,
    pub how: Interruption,
    /// The box was rebooted: how far its wall clock is ahead then, in seconds, and for how many ms.
    pub boot: Option<(i64, u64)>,
}

/// A temporary fault of the readings from one moment until another. Energies are in mWh.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub from: u64,
    pub to: u64,
    pub kind: FaultKind,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum FaultKind {
    Above(u64),
    Below(u64),
    Says(u64),
    /// A random value up to this one at each reading.
    Garbage(u64),
    /// The register times the first number, divided by the second.
    Times(u64, u64),
    /// From its value at the beginning of the fault on, the register counts so many times too much.
    CountsTimes(u64),
    /// The register as at the beginning of the fault.
    Frozen,
    /// Another meter, with this register at the beginning and this power in W.
    OtherMeter(u64, i64),
    /// The power register reads this many W; the energy register is right.
    Power(i64),
    /// No register value.
    Null,
}

#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub name: String,
    pub seed: u64,
    pub poll: u64,
    pub lasts: u64,
    pub load: Load,
    /// In W.
    pub max_power: u64,
    pub base: u64,
    pub step: u64,
    /// The noise of the register, in steps up or down.
    pub noise: u64,
    /// How often the meter updates its register, and when first.
    pub update: (u64, u64),
    pub power: PowerRegister,
    /// The resolution of the power register, in mW.
    pub power_step: i64,
    /// The meter has a counter.
    pub has_counter: bool,
    pub rollover: Option<u64>,
    /// The serial number as read at the polls in turn; empty if it is never read.
    pub serials: &'static [&'static str],
    pub line: Line,
    pub outages: Vec<(u64, u64)>,
    pub stops: Vec<Stop>,
    /// The time between two commits; 0 for none.
    pub slots: u64,
    pub faults: Vec<Fault>,
}

#[derive(Clone, Debug)]
pub(crate) enum Moment {
    Poll(Poll),
    Slot,
    Stop(Stop),
}

/// One poll.
#[derive(Clone, Debug)]
pub(crate) struct Poll {
    pub at: u64,
    pub clock: ClockReading,
    pub values: Values,
    /// The energy counted since the start as this answer shows it, and as the meter has it, in mWh.
    pub shown: u64,
    pub kept: u64,
    /// The register is wrong, and no guard could know it at the beginning of the fault.
    pub believable: bool,
}

impl Site {
    pub(crate) fn new(name: String, seed: u64) -> Self {
        Site {
            name,
            seed,
            poll: 10 * SECOND,
            lasts: 4 * HOUR,
            load: Load::constant(1500),
            max_power: 20_000,
            base: 1000 * KWH,
            step: 10 * WH,
            noise: 0,
            update: (1, 0),
            power: PowerRegister::Right,
            power_step: 1000,
            has_counter: true,
            rollover: None,
            serials: &[],
            line: Line::default(),
            outages: Vec::new(),
            stops: Vec::new(),
            slots: 2 * MINUTE,
            faults: Vec::new(),
        }
    }

    pub(crate) fn settings(&self) -> MeterSettings {
        MeterSettings {
            name: Name::new("meter").unwrap(),
            max_power: Milliwatts(self.max_power as i64 * 1000),
            poll_every: Duration::from_millis(self.poll),
            counter: if self.has_counter { CounterSettings::Register } else { CounterSettings::FromPower },
            start_at_zero: false,
            definition: RegisterDefinition {
                text: "holding 0 u32 0.01 kWh".to_owned(),
                rollover: self.rollover.map(|size| MilliwattHours::new(size).unwrap()),
                range: None,
            },
            place: "cabinet 1".to_owned(),
        }
    }

    /// The clocks of the box. It booted an hour before the history; its clock is trusted until the next boot.
    fn clock(&self, at: u64) -> ClockReading {
        let boots = self.stops.iter().filter_map(|stop| stop.boot.map(|boot| (stop.at + stop.down, boot)));
        let boots: Vec<_> = boots.filter(|(booted, _)| *booted <= at).collect();
        let (since_boot, off) = match boots.last() {
            None => (at + HOUR, None),
            Some((booted, (off, lasts))) => (at - booted, Some(*off).filter(|_| at - booted < *lasts)),
        };
        let wall = 1_700_000_000_000 + at as i64 + off.unwrap_or(0) * 1000;
        ClockReading {
            boot: serde_json::from_value(serde_json::json!(1 + boots.len())).unwrap(),
            since_boot: Duration::from_millis(since_boot),
            wall: Timestamp::from_millisecond(wall).unwrap(),
            trusted: off.is_none(),
        }
    }

    /// Passes all moments in order to `see`, until it returns false.
    pub(crate) fn play(&self, mut see: impl FnMut(Moment) -> bool) {
        let mut random = RandomSource::new(self.seed ^ 0x5173);
        let mut counter = Counter::new(self);
        let mut stops = self.stops.iter().peekable();
        let (mut next_poll, mut next_slot) = (0, if self.slots > 0 { self.slots / 3 + 7 } else { u64::MAX });
        let (mut polls, mut lost) = (0, false);
        let mut before: Option<Answer> = None;
        while next_poll <= self.lasts {
            if let Some(stop) = stops.next_if(|stop| stop.at <= next_poll.min(next_slot)) {
                if !see(Moment::Stop(*stop)) {
                    return;
                }
                let begins = stop.at + stop.down;
                next_poll = begins.max(next_poll.min(begins));
                while next_slot < begins {
                    next_slot += self.slots;
                }
                continue;
            }
            if next_slot < next_poll {
                next_slot += self.slots;
                if !see(Moment::Slot) {
                    return;
                }
                continue;
            }
            let at = next_poll + random.below(self.line.jitter + 1);
            next_poll += self.poll;
            let away = self.outages.iter().find(|(from, to)| (*from..*to).contains(&at));
            if let Some((_, to)) = away {
                // Nothing is heard until the end of the outage.
                while next_poll < *to && !self.line.failures_are_seen {
                    next_poll += self.poll;
                }
            }
            lost = self.is_lost(&mut random, lost);
            let fails = lost || away.is_some();
            let now = counter.answer(at, polls, !fails);
            let is_late = random.below(1000) < self.line.late_per_mille;
            let answer = before.replace(now.clone()).filter(|_| is_late).unwrap_or(now);
            polls += 1;
            if fails && !self.line.failures_are_seen {
                continue;
            }
            let poll = self.poll_of(at, answer, counter.kept(), fails);
            if !see(Moment::Poll(poll)) {
                return;
            }
        }
    }

    fn is_lost(&self, random: &mut RandomSource, was_lost: bool) -> bool {
        let Line { lost_percent, burst, .. } = self.line;
        if lost_percent == 0 {
            return false;
        }
        let stays = 10_000 - 10_000 / burst.max(1);
        let begins = 10_000 * lost_percent / (100 - lost_percent) / burst.max(1);
        random.below(10_000) < if was_lost { stays } else { begins }
    }

    fn poll_of(&self, at: u64, answer: Answer, kept: u64, fails: bool) -> Poll {
        let clock = self.clock(at);
        if fails {
            return Poll { at, clock, values: Values::default(), shown: 0, kept, believable: false };
        }
        let step = MilliwattHours::new(self.step).unwrap();
        let register = answer.register.filter(|_| self.has_counter).and_then(MilliwattHours::new);
        let values = Values {
            power: answer.power.map(Milliwatts),
            register: register.map(|value| Register { value, step }),
            serial: answer.serial.map(str::to_owned),
        };
        Poll { at, clock, values, shown: answer.kept, kept, believable: answer.believable }
    }
}
