//! A hold: readings that are not taken until they have agreed for long enough, or turn out to be a passing fault.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::flow::{Grade, Measure, RegisterPoint, falls};
use super::reason::HeldRegister;
use crate::clock::ClockReading;
use crate::units::MilliwattHours;

/// A hold of fewer than [`WEAK_READINGS`] readings with a gap longer than this proves nothing.
const WEAK_GAP: Duration = Duration::from_secs(120);
const WEAK_READINGS: u32 = 3;

/// Why readings are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The first readings.
    Start,
    /// More than power explains, but the connection can well have carried it.
    #[serde(alias = "slight")]
    Unexplained,
    /// Possible, but not what was measured.
    Doubtful,
    /// Possible by the time alone, but power, which has agreed with the register before, was sampled all along and denies it.
    Denied,
    /// A large advance, and the clock is not trusted.
    Untold,
    /// More than possible, or at another place than before.
    Higher,
    /// 10, 100 or 1000 times what the register would be now.
    Scaled,
    /// Where the register would be now on a line that it has left.
    Return,
    /// After a jump, the register counts otherwise than the power register, which had agreed with it before, or more than the connection
    /// can carry.
    Contradicts,
    /// A fall.
    Lower,
    /// Another serial number.
    Serial,
    /// Another definition of the register.
    Redefined,
}

impl Cause {
    /// Whether a hold for this cause usually ends by itself within a minute.
    pub(super) fn may_pass(self) -> bool {
        matches!(self, Cause::Start | Cause::Unexplained | Cause::Doubtful | Cause::Denied | Cause::Return)
    }
}

impl Cause {
    /// Whether the register is higher than the last one taken, and may be graded again.
    pub(super) fn rises(self) -> bool {
        matches!(
            self,
            Cause::Unexplained | Cause::Doubtful | Cause::Denied | Cause::Untold | Cause::Higher | Cause::Return
        )
    }
}

/// The readings of a hold, summarised. Of fixed size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Hold {
    pub(super) cause: Cause,
    pub(super) first: RegisterPoint,
    /// The highest value that a later reading has confirmed.
    pub(super) confirmed: RegisterPoint,
    /// The last value, with the time of its last advance.
    pub(super) last: RegisterPoint,
    pub(super) readings: u32,
    /// How long the hold has lasted.
    pub(super) age: Duration,
    pub(super) seen_at: ClockReading,
    #[serde(default)]
    pub(super) serial: Option<String>,
    /// The last reading, if it did not belong to the hold.
    #[serde(default)]
    pub(super) stray: Option<RegisterPoint>,
    /// Whether the hold was announced: it is in the journal and somebody may have to look. Before, it may end by itself.
    #[serde(default = "announced")]
    pub(super) announced: bool,
}

fn announced() -> bool {
    true
}

impl Hold {
    pub(super) fn new(cause: Cause, first: RegisterPoint, serial: Option<&str>) -> Self {
        let serial = serial.map(str::to_owned);
        let (confirmed, last, seen_at) = (first, first, first.at);
        let announced = !cause.may_pass();
        Hold {
            cause,
            first,
            confirmed,
            last,
            readings: 1,
            age: Duration::ZERO,
            seen_at,
            serial,
            stray: None,
            announced,
        }
    }

    /// Whether the reading continues the hold: equal, or advanced by no more than is possible.
    pub(super) fn meets(&self, measure: &Measure, to: &RegisterPoint) -> bool {
        if falls(&self.last, to) {
            return self.confirmed.value < self.last.value && !falls(&self.confirmed, to);
        }
        // Only after some readings can this be a register that had not changed for a while before it was first read.
        let fresh = self.has_stood(&self.last) && self.readings >= WEAK_READINGS;
        !matches!(measure.grade(&RegisterPoint { fresh, ..self.last }, to), Grade::Beyond | Grade::Untold)
    }

    /// Whether the reading continues the hold by no more than power explains.
    pub(super) fn flows_into(&self, measure: &Measure, to: &RegisterPoint) -> bool {
        !falls(&self.last, to) && measure.grade(&RegisterPoint { fresh: false, ..self.last }, to) == Grade::Explained
    }

    /// Adds the reading to the hold.
    pub(super) fn push(&mut self, measure: &Measure, to: RegisterPoint, serial: Option<&str>) {
        self.grow_older(&to.at);
        self.readings = self.readings.saturating_add(1);
        self.stray = None;
        if let Some(serial) = serial {
            self.serial = Some(serial.to_owned());
        }
        if falls(&self.last, &to) {
            self.last = to;
            return;
        }
        self.confirmed = self.last;
        if to.value > self.last.value {
            let debt = measure.debt(&self.last, &to);
            self.last = RegisterPoint { debt, ..to };
        }
    }

    /// Whether the register may have had this value for a while before it was read.
    fn has_stood(&self, point: &RegisterPoint) -> bool {
        point.fresh || point.value == self.first.value
    }

    /// The hold as the beginning of an epoch: nothing is known of the register before.
    pub(super) fn founding(&self) -> Hold {
        let fresh = self.has_stood(&self.confirmed);
        Hold { confirmed: RegisterPoint { fresh, ..self.confirmed }, ..self.clone() }
    }

    /// Begins the hold again after two readings in a row that did not belong to it: with both, or with the second if they disagree.
    pub(super) fn begin_again(&self, measure: &Measure, cause: Cause, to: RegisterPoint, serial: Option<&str>) -> Hold {
        let stray = self.stray.map(|stray| Hold::new(cause, stray, serial));
        match stray {
            Some(mut run) if run.meets(measure, &to) => {
                run.push(measure, to, serial);
                run
            }
            _ => Hold::new(cause, to, serial),
        }
    }

    pub(super) fn grow_older(&mut self, at: &ClockReading) {
        let passed = at.since(&self.seen_at).unwrap_or(at.since_boot);
        self.age = self.age.saturating_add(passed);
        self.seen_at = *at;
    }

    /// Whether the hold is short and was interrupted: the next reading is then judged as if there were no hold.
    pub(super) fn is_stale(&self, two_polls: Duration, at: &ClockReading) -> bool {
        let gap = at.since(&self.seen_at).unwrap_or(at.since_boot);
        self.readings < WEAK_READINGS && gap > WEAK_GAP.max(2 * two_polls)
    }

    pub(super) fn lasted(&self, readings: u32, age: Duration) -> bool {
        self.readings >= readings && self.age >= age
    }

    /// Whether the hold is only a wait that may end by itself soon: it is not reported.
    pub(super) fn is_quiet(&self) -> bool {
        !self.announced
    }

    /// What is held, for people.
    pub(super) fn register(&self, before: Option<MilliwattHours>) -> HeldRegister {
        HeldRegister { cause: self.cause, before, seen: self.last.value, serial: self.serial.clone() }
    }

    pub(super) fn stamps(&mut self) -> impl Iterator<Item = &mut ClockReading> {
        let points = [&mut self.first, &mut self.confirmed, &mut self.last].into_iter().chain(self.stray.as_mut());
        points.map(|point| &mut point.at).chain([&mut self.seen_at])
    }
}
