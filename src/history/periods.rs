//! Groups slots into periods such as hours and days. Pure; it keeps one period in memory.
//!
//! A slot belongs to the period in which it ends, so the energy of a period is the difference of the published energy at the last slots
//! before its borders. Nothing is interpolated: the energy of a gap counts in a period only if the gap lies within it, else the gap gets a
//! line of its own. So the lines add up to the total for every length of the period.

use std::time::Duration;

use jiff::Timestamp;

use super::{Interval, PowerSum, PowerSummary, RecordedSlot};
use crate::units::MilliwattHours;

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
    power: PowerSum,
    line: HistoryLine,
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
            lines.extend(slot.gap.and_then(HistoryLine::gap));
            lines.push(HistoryLine::of(slot));
            return lines;
        };
        if let Some(gap) = &slot.gap {
            match &mut self.open {
                Some(open) if open.period == every.of(gap.to) && open.period == every.of(gap.from) => {
                    add(&mut open.line.energy_mwh, gap.consumed_mwh);
                }
                _ => {
                    lines.extend(self.finish());
                    lines.extend(HistoryLine::gap(*gap));
                }
            }
        }
        let period = every.of(slot.interval.to);
        if self.open.as_ref().is_some_and(|open| open.period != period) {
            lines.extend(self.finish());
        }
        let open = self.open.get_or_insert_with(|| OpenPeriod {
            period,
            power: PowerSum::default(),
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

impl OpenPeriod {
    fn take(&mut self, slot: &RecordedSlot) {
        if let Some(power) = slot.power {
            self.power.add(power, Duration::from_millis(slot.measured_ms));
        }
        let line = &mut self.line;
        add(&mut line.energy_mwh, slot.interval.consumed_mwh);
        line.published_mwh = slot.published_mwh.or(line.published_mwh);
        line.trusted &= slot.trusted;
        line.power = self.power.summary();
        line.measured_s = self.power.measured().as_secs();
    }
}

impl HistoryLine {
    fn of(slot: &RecordedSlot) -> Self {
        let Interval { from, to, consumed_mwh } = slot.interval;
        HistoryLine {
            from,
            to,
            gap: false,
            power: slot.power,
            energy_mwh: consumed_mwh,
            published_mwh: slot.published_mwh,
            measured_s: slot.power.map_or(0, |_| slot.measured_ms / 1000),
            trusted: slot.trusted,
        }
    }

    /// `None` if there is nothing to show, as may be after the clock was set back.
    fn gap(Interval { from, to, consumed_mwh }: Interval) -> Option<Self> {
        let shown = to > from || consumed_mwh.is_some_and(|consumed| consumed > MilliwattHours::ZERO);
        let (power, energy_mwh, published_mwh) = (None, consumed_mwh, None);
        let line = HistoryLine { from, to, gap: true, power, energy_mwh, published_mwh, measured_s: 0, trusted: true };
        shown.then_some(line)
    }
}

fn add(sum: &mut Option<MilliwattHours>, energy: Option<MilliwattHours>) {
    if let Some(energy) = energy {
        *sum = sum.unwrap_or_default().checked_add(energy);
    }
}
