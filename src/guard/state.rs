//! The state of one meter: its figure and what the guard has learned.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::flow::RegisterPoint;
use super::hold::Hold;
use super::lines::DoubtedAdvance;
use super::power::{EnergyBounds, PowerMemory, PowerSample, SamplePair};
use super::power_fault::PowerFault;
use super::reason::HeldRegister;
use super::serial;
use super::settings::{CounterSettings, MeterSettings};
use super::stored::StoredState;
use super::trust::PowerTrust;
use crate::clock::ClockReading;
use crate::reading::{Register, Values};
use crate::units::{MilliwattHours, Milliwatts};

/// How many earlier epochs are remembered; the one that counted least is forgotten first.
const EARLIER_MAX: usize = 8;

/// What is known of one meter: how far it has counted, and what the guard has learned of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "StoredState")]
pub struct GuardState {
    /// How far the meter has counted. Changes with each reading.
    pub figure: MeterFigure,
    /// What was learned and decided. Changes rarely, but for [recent samples](GuardMemory::differs_from).
    pub memory: GuardMemory,
}

/// How far a meter has counted: all that an ordinary advance changes for good.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeterFigure {
    /// The highest figure published so far: the floor. Absent until there is a baseline.
    pub published: Option<MilliwattHours>,
    /// What turns the register into the figure, in mWh: the figure is register + offset, and published once it exceeds the floor.
    pub offset: i64,
    /// The last register taken. Absent before the baseline and where energy is integrated.
    pub taken: Option<RegisterPoint>,
    /// The serial number of the meter that counts. Foreign text.
    pub serial: Option<String>,
    /// When the register was last read.
    pub read_at: Option<ClockReading>,
    /// What all power samples together account for.
    pub totals: EnergyBounds,
    /// What the integration carries on, where energy is integrated from power.
    pub integral: Integral,
}

/// What the guard has learned of one meter. Of bounded size. A missing field reads as its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GuardMemory {
    pub(super) definition: String,
    pub(super) place: String,
    /// The meter answers at another place, and it is not known yet whether it is the same.
    pub(super) moved: bool,
    /// It was renamed since it was last read.
    pub(super) renamed: bool,
    /// Boxed, as what is rare: most meters never have one, and there are two memories of each meter.
    pub(super) hold: Option<Box<Hold>>,
    /// Epochs that a replacement, a reset or a step has ended, oldest first.
    pub(super) earlier: Vec<Epoch>,
    /// The last gap in reading: the register before it, and when it was over.
    pub(super) gap: Option<Box<Gap>>,
    /// Advances that were taken although power does not explain them.
    pub(super) doubted: Vec<DoubtedAdvance>,
    /// How many epochs have ended.
    pub(super) epochs: u32,
    /// A step whose duration no clock could tell; credited when one can.
    pub(super) uncredited: Option<Box<Uncredited>>,
    pub(super) power: PowerMemory,
}

impl GuardMemory {
    /// Whether this is worth storing where `stored` is on disk.
    ///
    /// Recent samples and times change with each poll and do not count: they are stored with the next change or at shutdown. Nor does an
    /// advance that only waits for its confirmation, or one that was doubted, or a rate that is hardly higher than before.
    pub fn differs_from(&self, stored: &GuardMemory) -> bool {
        let waiting = self.hold.as_ref().is_some_and(|hold| hold.is_quiet()) && stored.hold.is_none();
        let hold = if waiting { None } else { self.hold.clone() };
        let rates = if self.power.rates.exceed(&stored.power.rates) { self.power.rates } else { stored.power.rates };
        let trust = PowerTrust { wrong: self.power.trust.wrong, ..stored.power.trust };
        let power = PowerMemory { rates, trust, ..stored.power.clone() };
        GuardMemory { hold, power, doubted: stored.doubted.clone(), ..self.clone() } != *stored
    }
}

/// An epoch, as it ended: the time between two beginnings of a register.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Epoch {
    pub(super) last: RegisterPoint,
    pub(super) offset: i64,
    #[serde(default)]
    pub(super) serial: Option<String>,
    pub(super) ended: ClockReading,
    /// What it counted, in mWh.
    #[serde(default)]
    pub(super) counted: u64,
}

/// A gap in reading, in which more can have flowed than the register showed afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Gap {
    /// The last register before.
    pub(super) before: RegisterPoint,
    /// When the register was read again.
    pub(super) over: ClockReading,
}

/// What the integration keeps from one sample to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Integral {
    /// Energy of less than 1 mWh, in half mW·ns.
    pub rest: u64,
    /// Whether published grows by integration.
    pub counts: bool,
    /// How far published is ahead of the integral since a correction: it stands still until this much more was integrated.
    #[serde(skip_serializing_if = "is_zero")]
    pub owed: MilliwattHours,
    /// The last sample, with which the next one makes a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<PowerSample>,
}

fn is_zero(energy: &MilliwattHours) -> bool {
    *energy == MilliwattHours::ZERO
}

/// An advance that was not credited because no trusted clock told how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Uncredited {
    pub(super) from: RegisterPoint,
    pub(super) to: RegisterPoint,
}

impl GuardState {
    /// The state that was stored in two halves. The memory may be older than the figure: `read_at` is when the register was last read
    /// when it was stored.
    pub fn from_halves(figure: MeterFigure, memory: GuardMemory, read_at: Option<ClockReading>) -> Self {
        let is_later = |this: &ClockReading, other: &ClockReading| match this.since(other) {
            Some(gap) => !gap.is_zero(),
            None => this.wall > other.wall,
        };
        // The register was read when it advanced, at the least.
        let read_at = match (read_at, figure.taken.map(|taken| taken.at)) {
            (Some(read), Some(advanced)) if is_later(&advanced, &read) => Some(advanced),
            (read, advanced) => read.or(advanced),
        };
        GuardState { figure: MeterFigure { read_at, ..figure }, memory }
    }

    /// The figure of this meter; absent until there is a baseline. Never falls.
    pub fn published(&self) -> Option<MilliwattHours> {
        self.figure.published
    }

    /// Whether a meter that has counted now reads 0 for both counter and power: it is starting up, and its power is not a sample.
    pub(super) fn says_nothing(&self, values: &Values) -> bool {
        let zero = |register: Register| register.value == MilliwattHours::ZERO;
        let counted = self.figure.taken.iter().chain(self.memory.earlier.iter().map(|epoch| &epoch.last));
        values.power == Some(Milliwatts(0))
            && values.register.is_some_and(zero)
            && counted.into_iter().any(|point| point.value > MilliwattHours::ZERO)
    }

    /// Whether no reading was judged yet.
    pub fn is_blank(&self) -> bool {
        self.memory.place.is_empty()
    }

    /// The place where it was last read; empty if it never was.
    pub fn place(&self) -> &str {
        &self.memory.place
    }

    /// Notes that the meter has a new name.
    pub fn rename(&mut self) {
        self.memory.renamed = true;
    }

    /// Whether it was not read since it was renamed.
    pub fn is_renamed(&self) -> bool {
        self.memory.renamed
    }

    /// Whether a meter at that place, or with that serial number, may be this one.
    pub fn may_be(&self, place: &str, serial: Option<&str>) -> bool {
        self.memory.place == place || self.is_same(serial)
    }

    /// The last register taken.
    pub fn register(&self) -> Option<MilliwattHours> {
        self.figure.taken.map(|taken| taken.value)
    }

    /// Whether the register is held: [`GuardState::held`] says why.
    pub fn is_held(&self) -> bool {
        self.memory.hold.as_ref().is_some_and(|hold| !hold.is_quiet())
    }

    /// Why the register is held; absent if it is not held.
    pub fn held(&self) -> Option<HeldRegister> {
        let hold = self.memory.hold.as_ref().filter(|hold| !hold.is_quiet())?;
        Some(hold.register(self.register()))
    }

    /// Whether the register is not taken for a moment, until a minute or two polls have shown that it is right.
    pub fn is_waiting(&self) -> bool {
        self.figure.published.is_some() && self.memory.hold.as_ref().is_some_and(|hold| hold.is_quiet())
    }

    /// The power that both registers have shown, or the only one for a while, if it is above `max_power`: then `max_power` is too low.
    pub fn overload(&self, settings: &MeterSettings) -> Option<Milliwatts> {
        let lasting = self.memory.power.excessive.filter(|_| settings.counter == CounterSettings::FromPower);
        let measure = self.memory.power.measure(settings).max(lasting.unwrap_or_default());
        (measure > settings.max_power).then_some(measure)
    }

    /// Whether the counter contradicts this power.
    pub(super) fn contradicted(&mut self, settings: &MeterSettings, power: Milliwatts) -> Option<PowerFault> {
        self.memory.power.watch_jump(settings, power.consumed(), self.figure.taken.as_ref()?)
    }

    /// Records the power of a poll; `excessive` is a power that the connection cannot carry. Energy is integrated from such a power only if it
    /// lasts, and then at no more than `max_power`. Returns the pair of its sample and the one before, if there is no gap between them.
    pub(super) fn note_power(
        &mut self,
        settings: &MeterSettings,
        at: &ClockReading,
        power: Option<Milliwatts>,
        excessive: bool,
    ) -> Option<SamplePair> {
        let integrates = settings.counter == CounterSettings::FromPower;
        let memory = &mut self.memory.power;
        memory.note_excess(power.filter(|_| excessive));
        let power = match power {
            Some(_) if integrates && excessive => memory.excessive.map(|_| settings.max_power),
            power => power,
        };
        if let (true, Some(last)) = (integrates, self.figure.integral.last) {
            memory.resume(last);
        }
        let pair = memory.note(settings, at, power);
        if let Some(pair) = pair {
            self.figure.totals.add(pair, memory.measure(settings).max(memory.sustained_now()));
        }
        if integrates {
            self.figure.integral.last = memory.last();
        }
        pair
    }

    /// Register + offset, in mWh: published, if it exceeds the floor.
    pub(super) fn figure(&self) -> i64 {
        let register = self.figure.taken.map_or(0, |taken| signed(taken.value));
        register.saturating_add(self.figure.offset)
    }

    /// Takes the register; published rises to the figure if that is higher.
    pub(super) fn take(&mut self, settings: &MeterSettings, point: RegisterPoint) {
        self.figure.taken = Some(point);
        self.memory.power.learn(settings, &point, &self.figure.totals);
        self.publish();
    }

    /// Raises published to register + offset, if that is higher.
    pub(super) fn publish(&mut self) {
        let figure = u64::try_from(self.figure()).unwrap_or(0).min(MilliwattHours::MAX.get());
        self.figure.published = self.figure.published.max(MilliwattHours::new(figure));
    }

    /// Ends the epoch and begins another, in which the register `start` means the present figure.
    pub(super) fn begin_epoch(&mut self, start: MilliwattHours, at: &ClockReading) {
        let figure = match self.figure.taken {
            Some(_) => self.figure(),
            None => self.counted().or(self.figure.published.map(signed)).unwrap_or(0),
        };
        self.close_epoch(at);
        self.figure.offset = figure - signed(start);
    }

    /// Keeps the epoch that ends.
    pub(super) fn close_epoch(&mut self, at: &ClockReading) {
        let Some(last) = self.figure.taken else { return };
        let before =
            self.memory.earlier.last().map_or(0, |epoch| signed(epoch.last.value).saturating_add(epoch.offset));
        let counted = u64::try_from(self.figure().saturating_sub(before)).unwrap_or(0);
        self.memory.power.forget_stretch();
        self.memory.doubted.clear();
        self.memory.gap = None;
        // An epoch that counted nothing need not be restored.
        self.memory.epochs = self.memory.epochs.saturating_add(1);
        if counted == 0 && self.memory.epochs > 1 {
            return;
        }
        let serial = self.figure.serial.clone();
        self.memory.earlier.push(Epoch { last, offset: self.figure.offset, serial, ended: *at, counted });
        if self.memory.earlier.len() > EARLIER_MAX {
            let least = self.memory.earlier.iter().enumerate().min_by_key(|(_, epoch)| epoch.counted);
            if let Some(index) = least.map(|(index, _)| index) {
                self.memory.earlier.remove(index);
            }
        }
    }

    /// Corrects the wall time of earlier readings of this boot, once the wall clock is trusted.
    pub(super) fn settle_stamps(&mut self, now: &ClockReading) {
        if !now.trusted {
            return;
        }
        for stamp in self.stamps().filter(|stamp| stamp.boot == now.boot && !stamp.trusted) {
            let ago: Duration = now.since_boot.saturating_sub(stamp.since_boot);
            let wall = SignedDuration::try_from(ago).ok().and_then(|ago| now.wall.checked_sub(ago).ok());
            if let Some(wall) = wall {
                *stamp = ClockReading { wall, trusted: true, ..*stamp };
            }
        }
    }

    /// Notes where the meter answers. At another place, an advance must be explained or the serial number the same.
    pub(super) fn settle_place(&mut self, settings: &MeterSettings) {
        self.memory.renamed = false;
        if self.memory.place != settings.place {
            self.memory.moved = self.figure.published.is_some();
            self.memory.place = settings.place.clone();
        }
    }

    fn stamps(&mut self) -> impl Iterator<Item = &mut ClockReading> {
        let taken = self.figure.taken.iter_mut().map(|taken| &mut taken.at);
        let hold = self.memory.hold.iter_mut().flat_map(|hold| hold.stamps());
        let earlier = self.memory.earlier.iter_mut().flat_map(|epoch| [&mut epoch.last.at, &mut epoch.ended]);
        let doubted = self.memory.doubted.iter_mut().flat_map(|advance| [&mut advance.from.at, &mut advance.taken]);
        let gap = self.memory.gap.iter_mut().flat_map(|gap| [&mut gap.before.at, &mut gap.over]);
        let uncredited = self.memory.uncredited.iter_mut().flat_map(|step| [&mut step.from.at, &mut step.to.at]);
        let read = self.figure.read_at.iter_mut();
        taken
            .chain(read)
            .chain(hold)
            .chain(earlier)
            .chain(doubted)
            .chain(gap)
            .chain(uncredited)
            .chain(self.memory.power.stamps())
    }

    /// Whether this serial number is known and differs from that of the epoch.
    pub fn is_other(&self, serial: Option<&str>) -> bool {
        serial::differ(serial, self.figure.serial.as_deref())
    }

    /// Whether this serial number is known and equals that of the epoch.
    pub fn is_same(&self, serial: Option<&str>) -> bool {
        serial.is_some() && self.figure.serial.is_some() && !self.is_other(serial)
    }
}

pub(super) fn signed(energy: MilliwattHours) -> i64 {
    i64::try_from(energy.get()).unwrap_or(i64::MAX)
}
