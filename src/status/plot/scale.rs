//! The vertical axis of a plot: from a round number to a round number, always with 0.

/// A narrow space, between groups of digits.
const NARROW: char = '\u{202f}';
/// The axis of a plot without values.
const NOTHING: f64 = 1.0;
/// Larger values are drawn at the edge.
const MOST: f64 = 1e12;

/// An axis from `low` (at most 0) to `high` (at least 0) in equal steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::status) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    step: f64,
}

impl Scale {
    /// An axis with two to six ticks that contains 0 and these values. What is no number plays no role.
    pub(in crate::status) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let bounds = values.into_iter().filter(|value| value.is_finite()).map(|value| value.clamp(-MOST, MOST));
        let (low, high) = bounds.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let span = if high - low > 1e-9 { high - low } else { NOTHING };
        let step = step(span / 4.0);
        let high = if high - low > 1e-9 { (high / step - 1e-9).ceil().max(0.0) * step } else { NOTHING };
        Scale { low: (low / step + 1e-9).floor().min(0.0) * step, high, step }
    }

    /// From the lowest to the highest.
    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        let Scale { low, high, step } = *self;
        let count = ((high - low) / step).round() as u32;
        // Counted from 0, so that 0 is exact.
        (0..=count).map(move |index| ((low / step).round() + f64::from(index)) * step)
    }

    /// The distance of a value from the top of a plot of this height.
    pub(super) fn y(&self, value: f64, height: f64) -> f64 {
        let value = if value.is_finite() { value.clamp(self.low, self.high) } else { 0.0 };
        (height * (self.high - value) / (self.high - self.low)).clamp(0.0, height)
    }

    /// The figure of a tick.
    pub(super) fn label(&self, tick: f64) -> String {
        let decimals = (-self.step.log10().floor()).clamp(0.0, 6.0) as usize;
        grouped(&format!("{tick:.decimals$}"))
    }
}

/// The next of 1, 2, 2.5, 5 x 10^n that is not below.
fn step(at_least: f64) -> f64 {
    let power = 10_f64.powf(at_least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= at_least * 0.999_999)
        .unwrap_or(power)
}

/// `1 000` for `1000`: with a narrow space between thousands.
pub(in crate::status) fn grouped(digits: &str) -> String {
    let (whole, rest) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("\u{2212}", whole));
    let mut text = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(NARROW);
        }
        text.push(digit);
    }
    if let Some(rest) = rest {
        text.push('.');
        text.push_str(rest);
    }
    text
}

/// A coordinate with at most one decimal.
pub(in crate::status) fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text).replace("-0", if value > -0.05 { "0" } else { "-0" })
}
