//! Groups slots into periods such as hours and days. Pure; it keeps one period in memory.
//!
//! A slot over a period's border lies between two fresh readings, so its energy is divided in proportion to the time. A slot that lasted
//! longer than [`FRESH_S`] is not: it counts in the period in which it ends. Nor is the energy of a gap: it counts in a period only if
//! the gap lies within it, else the gap gets a line of its own. So the lines add up to the total for every length of the period.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::days::{FRESH_S, portion};
use super::{Interval, PowerSum, PowerSummary, RecordedSlot};
use crate::units::MilliwattHours;

/// The length of the periods, and where they begin.
#[derive(Clone, Debug, PartialEq)]
pub struct PeriodLength {
    /// A day, or a whole fraction of one.
    seconds: i64,
    /// Days begin at midnight here; shorter periods are counted from that midnight.
    zone: TimeZone,
}

/// A period: it includes its end, not its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The start.
    pub from: Timestamp,
    /// The end.
    pub to: Timestamp,
}

/// What is shown of the slots: those after `from` up to `to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShownTime {
    /// Exclusive.
    pub from: Option<Timestamp>,
    /// Inclusive.
    pub to: Option<Timestamp>,
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
    shown: ShownTime,
    open: Option<OpenPeriod>,
}

#[derive(Debug)]
struct OpenPeriod {
    period: Period,
    power: PowerSum,
    line: HistoryLine,
}

/// The part of a slot that belongs to one period.
struct SlotPart {
    period: Period,
    slot: RecordedSlot,
}

impl PeriodLength {
    /// `None` unless it is a day or divides one, and is at least 5 minutes: slots take 2 or 3. Days begin at midnight of the time zone.
    pub fn new(every: Duration, zone: TimeZone) -> Option<Self> {
        const DAY: i64 = 24 * 3600;
        let seconds = i64::try_from(every.as_secs()).ok().filter(|_| every.subsec_nanos() == 0)?;
        let fits = (300..=DAY).contains(&seconds) && DAY % seconds == 0;
        fits.then_some(PeriodLength { seconds, zone })
    }

    /// The period that a time belongs to. A day on which the clocks change has 23 or 25 hours.
    pub fn around(&self, at: Timestamp) -> Period {
        let within = at.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(at);
        let date = within.to_zoned(self.zone.clone()).date();
        let midnight = |date: jiff::civil::Date| date.to_zoned(self.zone.clone()).map(|zoned| zoned.timestamp());
        let day = Period {
            from: midnight(date).unwrap_or(Timestamp::MIN),
            to: date.tomorrow().and_then(midnight).unwrap_or(Timestamp::MAX),
        };
        if self.seconds == 24 * 3600 {
            return day;
        }
        let passed = (within.as_second() - day.from.as_second()).div_euclid(self.seconds) * self.seconds;
        let from = later(day.from, passed);
        Period { from, to: later(from, self.seconds).min(day.to) }
    }
}

impl ShownTime {
    /// Whether something that lasted from `start` to `end` is shown, at least a part of it.
    pub fn has_part_of(&self, start: Timestamp, end: Timestamp) -> bool {
        self.from.is_none_or(|from| end > from) && self.to.is_none_or(|to| end <= to || start < to)
    }

    /// Whether something that ended then is shown whole.
    fn has_end(&self, end: Timestamp) -> bool {
        self.has_part_of(end, end)
    }

    /// The part of a period that is shown.
    fn cut(&self, period: Period) -> Period {
        let inside = |at: Timestamp| period.from < at && at < period.to;
        Period {
            from: self.from.filter(|from| inside(*from)).unwrap_or(period.from),
            to: self.to.filter(|to| inside(*to)).unwrap_or(period.to),
        }
    }
}

impl PeriodGrouping {
    /// Without `every` each slot that ended in the shown time is a line of its own.
    pub fn new(every: Option<PeriodLength>, shown: ShownTime) -> Self {
        PeriodGrouping { every, shown, open: None }
    }

    /// Takes the next slot and returns the lines that it completes.
    pub fn push(&mut self, slot: &RecordedSlot) -> Vec<HistoryLine> {
        let mut lines = Vec::new();
        let Some(every) = self.every.clone() else {
            if self.shown.has_end(slot.interval.to) {
                lines.extend(slot.gap.and_then(HistoryLine::gap));
                lines.push(HistoryLine::of(slot));
            }
            return lines;
        };
        if let Some(gap) = slot.gap.as_ref().filter(|gap| self.shown.has_end(gap.to)) {
            match &mut self.open {
                Some(open) if open.period == every.around(gap.to) && open.period == every.around(gap.from) => {
                    add(&mut open.line.energy_mwh, gap.consumed_mwh);
                }
                _ => {
                    lines.extend(self.finish());
                    lines.extend(HistoryLine::gap(*gap));
                }
            }
        }
        for SlotPart { period, slot } in self.parts(slot, &every) {
            if self.open.as_ref().is_some_and(|open| open.period != period) {
                lines.extend(self.finish());
            }
            let Period { from, to } = self.shown.cut(period);
            let open = self.open.get_or_insert_with(|| OpenPeriod {
                period,
                power: PowerSum::default(),
                line: HistoryLine { from, to, energy_mwh: None, ..HistoryLine::of(&slot) },
            });
            open.take(&slot);
        }
        lines
    }

    /// The slot, divided at the borders of the periods and of the shown time; only what is shown.
    fn parts(&self, slot: &RecordedSlot, every: &PeriodLength) -> Vec<SlotPart> {
        let Interval { from: start, to: end, .. } = slot.interval;
        let lasted = end.as_second() - start.as_second();
        if !(1..=FRESH_S).contains(&lasted) {
            let whole = SlotPart { period: every.around(end), slot: slot.clone() };
            return if self.shown.has_end(end) { vec![whole] } else { Vec::new() };
        }
        let (mut parts, mut from) = (Vec::new(), start);
        while from < end {
            let period = every.around(later(from, 1));
            let border = [Some(period.to), self.shown.from, self.shown.to].into_iter().flatten();
            let to = border.filter(|border| *border > from).fold(end, Timestamp::min);
            if self.shown.has_end(to) {
                parts.push(SlotPart { period, slot: part(slot, from, to, lasted) });
            }
            from = to;
        }
        parts
    }

    /// The last line.
    pub fn finish(&mut self) -> Option<HistoryLine> {
        self.open.take().map(|open| open.line)
    }
}

/// A part of a slot that lasted so many seconds. The lowest and the highest power belong to the part in which the slot ends.
fn part(slot: &RecordedSlot, from: Timestamp, to: Timestamp, lasted: i64) -> RecordedSlot {
    let Interval { from: start, to: end, consumed_mwh } = slot.interval;
    if (from, to) == (start, end) {
        return slot.clone();
    }
    let (passed, ended) = (from.as_second() - start.as_second(), to.as_second() - start.as_second());
    let until = |part: i64| consumed_mwh.map(|consumed| portion(consumed, part, lasted));
    let measured_until = |part: i64| slot.measured_ms * part.unsigned_abs() / lasted.unsigned_abs();
    let still_to_come = consumed_mwh.zip(until(ended)).map(|(consumed, until)| consumed.saturating_sub(until));
    let is_last = to == end;
    let published = slot.published_mwh.zip(still_to_come).and_then(|(at_end, rest)| at_end.checked_sub(rest));
    RecordedSlot {
        interval: Interval {
            from,
            to,
            consumed_mwh: until(ended).zip(until(passed)).map(|(after, before)| after.saturating_sub(before)),
        },
        trusted: slot.trusted,
        measured_ms: measured_until(ended) - measured_until(passed),
        power: slot.power.map(|power| if is_last { power } else { PowerSummary::constant(power.mean_mw) }),
        published_mwh: if is_last { slot.published_mwh } else { published },
        gap: None,
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

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(at)
}
