//! Slots brought together into hours and days. Pure; the memory of one period.
//!
//! A slot belongs to the period in which it ends, so that the energy of a period is the difference of what was published at the last slots
//! before its borders. Nothing is interpolated: what was consumed over a gap is the period's where both its ends lie in it, else it is told
//! as the gap's own. So the lines add up to the whole, whatever the period.

use std::time::Duration;

use jiff::Timestamp;

use super::{Power, Slot, Stretch};
use crate::units::{MilliwattHours, Milliwatts};

/// How slots are brought together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    /// A day, or what a day is a whole multiple of.
    seconds: i64,
    /// Days begin at midnight of this offset from UTC, in seconds.
    offset: i64,
}

/// One line of what is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Nothing is recorded of this time.
    pub gap: bool,
    /// Mean over the time that it was measured.
    pub power: Option<Power>,
    /// Consumed in this time.
    pub energy_mwh: Option<MilliwattHours>,
    /// At its end.
    pub published_mwh: Option<MilliwattHours>,
    /// The time that the power was known for.
    pub measured_s: u64,
    /// Whether the wall clock was known to be right, all the time.
    pub trusted: bool,
}

/// Slots in, lines out. Where the clock was set back a period appears again, with what was recorded in it then.
#[derive(Debug)]
pub struct Periods {
    every: Option<Every>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    period: i64,
    sum: Sum,
    line: Line,
}

/// What a period's mean is made of.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    area: i128,
    measured_ms: u64,
    /// Of slots whose power was seen only once: they have no time to be weighed with.
    points: i128,
    count: u32,
}

impl Every {
    /// `None` unless it is a day or divides one, and is at least 5 minutes: slots take 2 or 3.
    pub fn new(every: Duration, offset_seconds: i32) -> Option<Self> {
        const DAY: i64 = 24 * 3600;
        let seconds = i64::try_from(every.as_secs()).ok().filter(|_| every.subsec_nanos() == 0)?;
        let fits = (300..=DAY).contains(&seconds) && DAY % seconds == 0;
        fits.then_some(Every { seconds, offset: offset_seconds.into() })
    }

    /// In seconds.
    #[cfg(test)]
    pub(super) fn length(self) -> i64 {
        self.seconds
    }

    /// The period that a time belongs to: its end does, its beginning is the end of the one before.
    fn of(self, at: Timestamp) -> i64 {
        (at.as_second() + self.offset - 1).div_euclid(self.seconds)
    }

    fn begin(self, period: i64) -> Timestamp {
        Timestamp::from_second(period * self.seconds - self.offset).unwrap_or(Timestamp::MIN)
    }
}

impl Periods {
    /// Without `every` each slot is a line of its own.
    pub fn new(every: Option<Every>) -> Self {
        Periods { every, open: None }
    }

    /// Takes the next slot and gives the lines that it completes, at most three.
    pub fn push(&mut self, slot: &Slot) -> Vec<Line> {
        let mut lines = Vec::new();
        let Some(every) = self.every else {
            lines.extend(slot.gap.filter(tells).map(Line::gap));
            lines.push(Sum::default().line(Line::of(slot), slot));
            return lines;
        };
        if let Some(gap) = &slot.gap {
            match &mut self.open {
                Some(open) if open.period == every.of(gap.to) && open.period == every.of(gap.from) => {
                    add(&mut open.line.energy_mwh, gap.consumed_mwh);
                }
                _ => {
                    lines.extend(self.finish());
                    lines.extend(Some(*gap).filter(tells).map(Line::gap));
                }
            }
        }
        let period = every.of(slot.stretch.to);
        if self.open.as_ref().is_some_and(|open| open.period != period) {
            lines.extend(self.finish());
        }
        let open = self.open.get_or_insert_with(|| Open {
            period,
            sum: Sum::default(),
            line: Line { from: every.begin(period), to: every.begin(period + 1), energy_mwh: None, ..Line::of(slot) },
        });
        open.take(slot);
        lines
    }

    /// The last line.
    pub fn finish(&mut self) -> Option<Line> {
        self.open.take().map(|open| open.line)
    }
}

/// A clock that was set back leaves nothing between that could be shown.
fn tells(gap: &Stretch) -> bool {
    gap.to > gap.from || gap.consumed_mwh.is_some_and(|consumed| consumed > MilliwattHours::ZERO)
}

impl Open {
    fn take(&mut self, slot: &Slot) {
        let Line { energy_mwh: mut energy, trusted, power: range, .. } = self.line;
        add(&mut energy, slot.stretch.consumed_mwh);
        let line = Line {
            energy_mwh: energy,
            published_mwh: slot.published_mwh.or(self.line.published_mwh),
            trusted: trusted && slot.trusted,
            ..self.line
        };
        self.line = self.sum.line(Line { power: range, ..line }, slot);
    }
}

impl Line {
    fn of(slot: &Slot) -> Self {
        let Stretch { from, to, consumed_mwh } = slot.stretch;
        Line {
            from,
            to,
            gap: false,
            power: None,
            energy_mwh: consumed_mwh,
            published_mwh: slot.published_mwh,
            measured_s: 0,
            trusted: slot.trusted,
        }
    }

    fn gap(gap: Stretch) -> Self {
        Line {
            from: gap.from,
            to: gap.to,
            gap: true,
            power: None,
            energy_mwh: gap.consumed_mwh,
            published_mwh: None,
            measured_s: 0,
            trusted: true,
        }
    }
}

impl Sum {
    /// The line with this slot's power among what it had.
    fn line(&mut self, line: Line, slot: &Slot) -> Line {
        let Some(power) = slot.power else { return line };
        self.area += i128::from(power.mean_mw.0) * i128::from(slot.measured_ms);
        self.measured_ms += slot.measured_ms;
        if slot.measured_ms == 0 {
            self.points += i128::from(power.mean_mw.0);
            self.count += 1;
        }
        let mean = match self.measured_ms {
            0 => self.points / i128::from(self.count.max(1)),
            measured => self.area / i128::from(measured),
        };
        let mean_mw = Milliwatts(i64::try_from(mean).unwrap_or(power.mean_mw.0));
        let before = line.power.unwrap_or(power);
        let (min_mw, max_mw) = (before.min_mw.min(power.min_mw), before.max_mw.max(power.max_mw));
        Line { power: Some(Power { mean_mw, min_mw, max_mw }), measured_s: self.measured_ms / 1000, ..line }
    }
}

fn add(sum: &mut Option<MilliwattHours>, energy: Option<MilliwattHours>) {
    if let Some(energy) = energy {
        *sum = sum.unwrap_or_default().checked_add(energy);
    }
}
