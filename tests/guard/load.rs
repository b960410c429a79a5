//! The power of a load over time, in milliseconds.

use crate::world::scramble;

pub(crate) const SECOND: u64 = 1000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

/// A load between two powers, in W.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub low: i64,
    pub high: i64,
    pub shape: Shape,
    /// Nothing is consumed from 22:00 to 06:00.
    pub rests_at_night: bool,
    /// The peak of a photovoltaic plant behind the meter, in W. Its yield is subtracted.
    pub sun: i64,
    /// The time of day at which the history begins, in ms.
    pub begins_at: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// The high power.
    Constant,
    /// The low and the high power in turn, each for this many ms.
    Square(u64, u64),
    /// A random power between the two, changed each time this many ms have passed.
    Restless(u64),
    /// The low power until this moment, then the high power.
    From(u64),
}

impl Load {
    pub(crate) fn constant(watts: i64) -> Self {
        Load { low: 0, high: watts, shape: Shape::Constant, rests_at_night: false, sun: 0, begins_at: 0 }
    }

    /// The power at this moment, in W; negative during export.
    pub(crate) fn watts(&self, at: u64) -> i64 {
        let of_day = (at + self.begins_at) % DAY;
        let rests = self.rests_at_night && !(6 * HOUR..22 * HOUR).contains(&of_day);
        let consumed = match self.shape {
            _ if rests => 0,
            Shape::Constant => self.high,
            Shape::Square(low_for, high_for) if at % (low_for + high_for) < low_for => self.low,
            Shape::Square(..) => self.high,
            Shape::Restless(every) => self.low + (scramble(at / every) % (self.high - self.low + 1) as u64) as i64,
            Shape::From(moment) if at < moment => self.low,
            Shape::From(_) => self.high,
        };
        let minutes_from_noon = (of_day / MINUTE) as i64 - 720;
        let sunlight = (360 * 360 - minutes_from_noon * minutes_from_noon).max(0);
        consumed - self.sun * sunlight / (360 * 360)
    }

    /// The next moment at which the power can change.
    pub(crate) fn next_change(&self, at: u64) -> u64 {
        let next = |every: u64, offset: u64| (at + offset) / every * every + every - offset;
        let by_shape = match self.shape {
            Shape::Constant => u64::MAX,
            Shape::Square(low_for, high_for) => {
                let phase = at % (low_for + high_for);
                at - phase + if phase < low_for { low_for } else { low_for + high_for }
            }
            Shape::Restless(every) => next(every, 0),
            Shape::From(moment) if at < moment => moment,
            Shape::From(_) => u64::MAX,
        };
        let by_day = match (self.sun, self.rests_at_night) {
            (0, false) => u64::MAX,
            (0, true) => next(HOUR, self.begins_at % HOUR),
            _ => next(MINUTE, self.begins_at % MINUTE),
        };
        by_shape.min(by_day)
    }
}
