//! What the ledger remembers of one meter.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::hold::Hold;
use super::plausible::Point;
use super::power::PowerMemory;
use super::settings::MeterSettings;
use super::wording;
use crate::clock::ClockReading;
use crate::reading::{Register, Values};
use crate::units::{MilliwattHours, Milliwatts};

/// How many earlier epochs are remembered; the one that counted least is forgotten first.
const EARLIER_MAX: usize = 8;

/// Everything the ledger remembers of one meter: what is stored at a commit is what is known after a restart, nothing else.
///
/// Of bounded size. A field that an older program did not write reads as its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeterState {
    pub(super) definition: String,
    pub(super) place: String,
    /// The meter answers at another place, and it is not known yet whether it is the same.
    pub(super) moved: bool,
    /// It has another name since it was last read.
    pub(super) renamed: bool,
    pub(super) serial: Option<String>,
    /// The highest figure published so far: the floor.
    pub(super) published: Option<MilliwattHours>,
    /// What turns the register into the figure, in mWh: the figure is register + offset, and published once it passes the floor.
    pub(super) offset: i64,
    /// The last register taken.
    pub(super) taken: Option<Point>,
    /// Rare, and large.
    pub(super) hold: Option<Box<Hold>>,
    /// Epochs that a replacement, a reset or a step has ended, oldest first.
    pub(super) earlier: Vec<Epoch>,
    /// How many epochs have ended.
    pub(super) epochs: u32,
    /// A step that the clock could not tell; credited when it can.
    pub(super) uncredited: Option<Box<Uncredited>>,
    /// When the register was last read.
    pub(super) read_at: Option<ClockReading>,
    pub(super) power: PowerMemory,
    pub(super) integral: Integral,
}

/// A register's life between two beginnings, as it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Epoch {
    pub(super) last: Point,
    pub(super) offset: i64,
    #[serde(default)]
    pub(super) serial: Option<String>,
    pub(super) ended: ClockReading,
    /// What it counted, in mWh.
    #[serde(default)]
    pub(super) counted: u64,
}

/// What the integration carries from one sample to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Integral {
    /// Less than a mWh, in half mW·ns.
    pub(super) rest: u64,
    /// Whether published grows by integration.
    pub(super) counts: bool,
    /// What published is ahead of the integral since a correction: it stands until so much more was integrated.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) owed: MilliwattHours,
}

fn is_zero(energy: &MilliwattHours) -> bool {
    *energy == MilliwattHours::ZERO
}

/// An advance that was not credited because nothing told how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Uncredited {
    pub(super) from: Point,
    pub(super) to: Point,
}

impl MeterState {
    /// The figure for this meter; absent until there is a baseline. Never falls.
    pub fn published(&self) -> Option<MilliwattHours> {
        self.published
    }

    /// A meter that has counted and now reads 0 for both counter and power is starting, or shows its registers before it has filled
    /// them: its power is no sample of what flows.
    pub(super) fn says_nothing(&self, values: &Values) -> bool {
        let zero = |register: Register| register.value == MilliwattHours::ZERO;
        let counted = self.taken.iter().chain(self.earlier.iter().map(|epoch| &epoch.last));
        values.power == Some(Milliwatts(0))
            && values.register.is_some_and(zero)
            && counted.into_iter().any(|point| point.value > MilliwattHours::ZERO)
    }

    /// Whether no reading was ever judged.
    pub fn is_blank(&self) -> bool {
        self.place.is_empty()
    }

    /// Where it was last read; empty where it never was.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// It goes on under another name.
    pub fn rename(&mut self) {
        self.renamed = true;
    }

    /// Whether it was not read since it has its name.
    pub fn is_renamed(&self) -> bool {
        self.renamed
    }

    /// Whether what answers there, or with that serial number, may be the meter that was guarded here.
    pub fn may_be(&self, place: &str, serial: Option<&str>) -> bool {
        self.place == place || self.is_same(serial)
    }

    /// The last register taken.
    pub fn register(&self) -> Option<MilliwattHours> {
        self.taken.map(|taken| taken.value)
    }

    /// Whether the register is not taken at the moment: [`MeterState::held`] says why.
    pub fn is_held(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| !hold.is_quiet())
    }

    /// Why the register is not taken at the moment and what the operator can do, for people; absent when it is.
    pub fn held(&self) -> Option<String> {
        let hold = self.hold.as_ref().filter(|hold| !hold.is_quiet())?;
        Some(wording::standing(self.register(), hold))
    }

    /// The power that both of the meter's registers have shown, where it is above `max_power`: that is set too low.
    pub fn overload(&self, settings: &MeterSettings) -> Option<Milliwatts> {
        let measure = self.power.measure(settings);
        (measure > settings.max_power).then_some(measure)
    }

    /// Register + offset, in mWh: what would be published if nothing had been before.
    pub(super) fn figure(&self) -> i64 {
        let register = self.taken.map_or(0, |taken| signed(taken.value));
        register.saturating_add(self.offset)
    }

    /// Takes the register: the figure goes with it, and published where that is higher.
    pub(super) fn take(&mut self, point: Point) {
        self.taken = Some(point);
        self.power.learn(point.value, point.step, &point.at);
        let figure = u64::try_from(self.figure()).unwrap_or(0).min(MilliwattHours::MAX.get());
        self.published = self.published.max(MilliwattHours::new(figure));
    }

    /// Ends the epoch and begins another, in which the register `start` stands for the figure reached.
    pub(super) fn begin_epoch(&mut self, start: MilliwattHours, at: &ClockReading) {
        let figure = match self.taken {
            Some(_) => self.figure(),
            None => self.counted().or(self.published.map(signed)).unwrap_or(0),
        };
        self.close_epoch(at);
        self.offset = figure - signed(start);
    }

    /// Remembers the epoch that ends.
    pub(super) fn close_epoch(&mut self, at: &ClockReading) {
        let Some(last) = self.taken else { return };
        let before = self.earlier.last().map_or(0, |epoch| signed(epoch.last.value).saturating_add(epoch.offset));
        let counted = u64::try_from(self.figure().saturating_sub(before)).unwrap_or(0);
        self.power.forget_stretch();
        // An epoch that counted nothing was none; nothing could come back to it.
        self.epochs = self.epochs.saturating_add(1);
        if counted == 0 && self.epochs > 1 {
            return;
        }
        let serial = self.serial.clone();
        self.earlier.push(Epoch { last, offset: self.offset, serial, ended: *at, counted });
        if self.earlier.len() > EARLIER_MAX {
            let least = self.earlier.iter().enumerate().min_by_key(|(_, epoch)| epoch.counted);
            if let Some(index) = least.map(|(index, _)| index) {
                self.earlier.remove(index);
            }
        }
    }

    /// The wall clock is trusted now: what was stamped earlier in this boot is known as exactly.
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

    /// Notes where the meter answers; at another place than before it has to show that it is the same.
    pub(super) fn settle_place(&mut self, settings: &MeterSettings) {
        self.renamed = false;
        if self.place != settings.place {
            self.moved = self.published.is_some();
            self.place = settings.place.clone();
        }
    }

    fn stamps(&mut self) -> impl Iterator<Item = &mut ClockReading> {
        let taken = self.taken.iter_mut().map(|taken| &mut taken.at);
        let hold = self.hold.iter_mut().flat_map(|hold| hold.stamps());
        let earlier = self.earlier.iter_mut().flat_map(|epoch| [&mut epoch.last.at, &mut epoch.ended]);
        let uncredited = self.uncredited.iter_mut().flat_map(|step| [&mut step.from.at, &mut step.to.at]);
        let read = self.read_at.iter_mut();
        taken.chain(read).chain(hold).chain(earlier).chain(uncredited).chain(self.power.stamps())
    }

    /// Whether this serial number is known to be another than that of the epoch.
    pub fn is_other(&self, serial: Option<&str>) -> bool {
        matches!((serial, self.serial.as_deref()), (Some(read), Some(known)) if read != known)
    }

    /// Whether this serial number is known to be that of the epoch.
    pub fn is_same(&self, serial: Option<&str>) -> bool {
        serial.is_some() && serial == self.serial.as_deref()
    }
}

pub(super) fn signed(energy: MilliwattHours) -> i64 {
    i64::try_from(energy.get()).unwrap_or(i64::MAX)
}
