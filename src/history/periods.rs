//! Groups slots into periods such as hours and days. Pure; it keeps one period in memory.
//!
//! A slot belongs to the period in which it ends, so the energy of a period is the difference of the published energy at the last slots
//! before its borders. Nothing is interpolated: the energy of a gap counts in a period only if the gap lies within it, else the gap gets a
//! line of its own. So the lines add up to the total for every length of the period.

use std::time::Duration;

use jiff::Timestamp;

use super::{Interval, PowerSummary, RecordedSlot};
use crate::units::{MilliwattHours, Milliwatts};

/// The length of the periods, and where they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodLength {
    /// A day, or a whole fraction of one.
    seconds: i64,
    /// Days begin at midnight of this offset from UTC, in seconds.
    offset: i64,
}

/// One line of the output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HistoryLine {
    /// The start.
    pub from: Timestamp,
    /// The end.
    pub to: Timestamp,
    /// Nothing is recorded for this time.
    pub gap: bool,
    /// The mean is over the measured time.
    pub power: Option<PowerSummary>,
    /// Consumed in this time.
    pub energy_mwh: Option<MilliwattHours>,
    /// Published at the end.
    pub published_mwh: Option<MilliwattHours>,
    /// The time for which the power is known, in seconds.
    pub measured_s: u64,
    /// Whether the wall clock was trusted all the time.
    pub trusted: bool,
}

/// Slots in, lines out. After the clock was set back, a period appears again with what was recorded then.
#[derive(Debug)]
pub struct PeriodGrouping {
    every: Option<PeriodLength>,
    open: Option<OpenPeriod>,
}

#[derive(Debug)]
struct OpenPeriod {
    period: i64,
    sum: PowerMean,
    line: HistoryLine,
}

/// The mean power of a period.
#[derive(Clone, Copy, Debug, Default)]
struct PowerMean {
    area: i128,
    measured_ms: u64,
    /// Of slots with a single sample, which stands for no time.
    points: i128,
    count: u32,
}

impl PeriodLength {
    /// `None` unless it is a day or divides one, and is at least 5 minutes: slots take 2 or 3. Days begin at midnight of the offset from
    /// UTC.
    pub fn new(every: Duration, offset_seconds: i32) -> Option<Self> {
        const DAY: i64 = 24 * 3600;
        let seconds = i64::try_from(every.as_secs()).ok().filter(|_| every.subsec_nanos() == 0)?;
        let fits = (300..=DAY).contains(&seconds) && DAY % seconds == 0;
        fits.then_some(PeriodLength { seconds, offset: offset_seconds.into() })
    }

    /// In seconds.
    #[cfg(test)]
    pub(super) fn length(self) -> i64 {
        self.seconds
    }

    /// The number of the period that a time belongs to. A period includes its end, not its start.
    fn of(self, at: Timestamp) -> i64 {
        (at.as_second() + self.offset - 1).div_euclid(self.seconds)
    }

    fn begin(self, period: i64) -> Timestamp {
        Timestamp::from_second(period * self.seconds - self.offset).unwrap_or(Timestamp::MIN)
    }
}

impl PeriodGrouping {
    /// Without `every` each slot is a line of its own.
    pub fn new(every: Option<PeriodLength>) -> Self {
        PeriodGrouping { every, open: None }
    }

    /// Takes the next slot and returns the lines that it completes, at most three.
    pub fn push(&mut self, slot: &RecordedSlot) -> Vec<HistoryLine> {
        let mut lines = Vec::new();
        let Some(every) = self.every else {
            lines.extend(slot.gap.filter(is_shown).map(HistoryLine::gap));
            lines.push(PowerMean::default().line(HistoryLine::of(slot), slot));
            return lines;
        };
        if let Some(gap) = &slot.gap {
            match &mut self.open {
                Some(open) if open.period == every.of(gap.to) && open.period == every.of(gap.from) => {
                    add(&mut open.line.energy_mwh, gap.consumed_mwh);
                }
                _ => {
                    lines.extend(self.finish());
                    lines.extend(Some(*gap).filter(is_shown).map(HistoryLine::gap));
                }
            }
        }
        let period = every.of(slot.interval.to);
        if self.open.as_ref().is_some_and(|open| open.period != period) {
            lines.extend(self.finish());
        }
        let open = self.open.get_or_insert_with(|| OpenPeriod {
            period,
            sum: PowerMean::default(),
            line: HistoryLine {
                from: every.begin(period),
                to: every.begin(period + 1),
                energy_mwh: None,
                ..HistoryLine::of(slot)
            },
        });
        open.take(slot);
        lines
    }

    /// The last line.
    pub fn finish(&mut self) -> Option<HistoryLine> {
        self.open.take().map(|open| open.line)
    }
}

/// After a clock was set back there may be nothing to show.
fn is_shown(gap: &Interval) -> bool {
    gap.to > gap.from || gap.consumed_mwh.is_some_and(|consumed| consumed > MilliwattHours::ZERO)
}

impl OpenPeriod {
    fn take(&mut self, slot: &RecordedSlot) {
        let HistoryLine { energy_mwh: mut energy, trusted, power: range, .. } = self.line;
        add(&mut energy, slot.interval.consumed_mwh);
        let line = HistoryLine {
            energy_mwh: energy,
            published_mwh: slot.published_mwh.or(self.line.published_mwh),
            trusted: trusted && slot.trusted,
            ..self.line
        };
        self.line = self.sum.line(HistoryLine { power: range, ..line }, slot);
    }
}

impl HistoryLine {
    fn of(slot: &RecordedSlot) -> Self {
        let Interval { from, to, consumed_mwh } = slot.interval;
        HistoryLine {
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

    fn gap(gap: Interval) -> Self {
        HistoryLine {
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

impl PowerMean {
    /// The line with the power of this slot added.
    fn line(&mut self, line: HistoryLine, slot: &RecordedSlot) -> HistoryLine {
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
        HistoryLine {
            power: Some(PowerSummary { mean_mw, min_mw, max_mw }),
            measured_s: self.measured_ms / 1000,
            ..line
        }
    }
}

fn add(sum: &mut Option<MilliwattHours>, energy: Option<MilliwattHours>) {
    if let Some(energy) = energy {
        *sum = sum.unwrap_or_default().checked_add(energy);
    }
}
