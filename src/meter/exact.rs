//! Exact arithmetic between a register and its quantity: fractions that never pass through binary floating point.

use std::fmt;

/// A fraction in lowest terms. Whatever would not fit is `None`: a reading that large is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fraction {
    numerator: i128,
    /// Above zero.
    denominator: i128,
}

impl Fraction {
    pub(super) const ZERO: Self = Fraction { numerator: 0, denominator: 1 };
    pub(super) const ONE: Self = Fraction { numerator: 1, denominator: 1 };

    /// `None` for a denominator of zero or below.
    pub(super) fn new(numerator: i128, denominator: i128) -> Option<Self> {
        if denominator <= 0 {
            return None;
        }
        if denominator == 1 {
            return Some(Fraction { numerator, denominator });
        }
        let divisor = common_divisor(numerator.unsigned_abs(), denominator.unsigned_abs());
        if divisor == 1 {
            return Some(Fraction { numerator, denominator });
        }
        let divisor = i128::try_from(divisor).ok()?;
        Some(Fraction { numerator: numerator / divisor, denominator: denominator / divisor })
    }

    pub(super) fn whole(value: i128) -> Self {
        Fraction { numerator: value, denominator: 1 }
    }

    /// 10 to the power of `exponent`, -38 ..= 38.
    pub(super) fn power_of_ten(exponent: i32) -> Option<Self> {
        let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
        if exponent < 0 { Fraction::new(1, power) } else { Some(Fraction::whole(power)) }
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        // Most factors are 1, and this is done at every poll.
        if self == Fraction::ONE {
            return Some(other);
        }
        if other == Fraction::ONE {
            return Some(self);
        }
        // Reduced crosswise first, so that only a product that is too large overflows.
        let left = Fraction::new(self.numerator, other.denominator)?;
        let right = Fraction::new(other.numerator, self.denominator)?;
        let numerator = left.numerator.checked_mul(right.numerator)?;
        let denominator = left.denominator.checked_mul(right.denominator)?;
        Some(Fraction { numerator, denominator })
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        if self.is_zero() {
            return Some(other);
        }
        let shared = common_divisor(self.denominator.unsigned_abs(), other.denominator.unsigned_abs());
        let shared = i128::try_from(shared).ok()?;
        let (widen_self, widen_other) = (other.denominator / shared, self.denominator / shared);
        let numerator =
            self.numerator.checked_mul(widen_self)?.checked_add(other.numerator.checked_mul(widen_other)?)?;
        Fraction::new(numerator, self.denominator.checked_mul(widen_self)?)
    }

    /// The nearest whole number, halves away from zero.
    pub(super) fn rounded(self) -> i128 {
        let (whole, rest) = (self.numerator / self.denominator, self.numerator % self.denominator);
        // Not `2 * rest`, which may not fit.
        let half_or_more = rest.abs() >= self.denominator - rest.abs();
        if half_or_more { whole + rest.signum() } else { whole }
    }

    /// The least whole number that is not below.
    pub(super) fn rounded_up(self) -> i128 {
        let whole = self.numerator / self.denominator;
        if self.numerator > 0 && self.numerator % self.denominator != 0 { whole + 1 } else { whole }
    }

    pub(super) fn absolute(self) -> Self {
        Fraction { numerator: self.numerator.saturating_abs(), ..self }
    }

    pub(super) fn negated(self) -> Self {
        Fraction { numerator: self.numerator.saturating_neg(), ..self }
    }

    /// One divided by it; `None` for zero and below.
    pub(super) fn inverted(self) -> Option<Self> {
        (self.numerator > 0).then_some(Fraction { numerator: self.denominator, denominator: self.numerator })
    }

    pub(super) fn is_negative(self) -> bool {
        self.numerator < 0
    }

    pub(super) fn is_zero(self) -> bool {
        self.numerator == 0
    }

    /// Whether `self` is larger than `other`; what does not fit counts as larger.
    pub(super) fn exceeds(self, other: Self) -> bool {
        let negated = Fraction { numerator: -other.numerator, ..other };
        self.plus(negated).is_none_or(|difference| difference.numerator > 0)
    }

    /// The numerator where it is a `u64`.
    pub(super) fn numerator_u64(self) -> Option<u64> {
        u64::try_from(self.numerator).ok()
    }

    /// For estimates only.
    pub(super) fn approximate(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}

/// By halving and subtracting.
fn common_divisor(left: u128, right: u128) -> u128 {
    if left == 0 || right == 0 {
        return (left | right).max(1);
    }
    let shared_twos = (left | right).trailing_zeros();
    // A float's denominator.
    if right.is_power_of_two() {
        return 1 << shared_twos;
    }
    let (mut larger, mut smaller) = (left >> left.trailing_zeros(), right >> right.trailing_zeros());
    while larger != smaller {
        if larger < smaller {
            (larger, smaller) = (smaller, larger);
        }
        if smaller == 1 {
            break;
        }
        larger -= smaller;
        larger >>= larger.trailing_zeros();
    }
    smaller << shared_twos
}

/// A decimal number as it is written: `digits` x 10^`exponent`, without trailing zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: i64,
    exponent: i32,
}

impl Decimal {
    pub(super) const ONE: Self = Decimal { digits: 1, exponent: 0 };

    /// `0.1`, `-10`, `1e-3`: up to 15 digits, between 10^-15 and 10^15. `None` for anything else, zero included.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok().filter(|it| it.abs() <= 15)?),
            None => (text, 0),
        };
        let (negative, number) = match number.strip_prefix('-') {
            Some(number) => (true, number),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let plain = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(fraction) || number.ends_with('.') {
            return None;
        }
        let all = format!("{whole}{}", fraction.trim_end_matches('0'));
        let significant = all.trim_start_matches('0').trim_end_matches('0');
        if significant.is_empty() || significant.len() > 15 {
            return None;
        }
        let dropped = all.len() - all.trim_end_matches('0').len();
        let decimals = fraction.trim_end_matches('0').len();
        let exponent = exponent + i32::try_from(dropped).ok()? - i32::try_from(decimals).ok()?;
        if !(-15..=15).contains(&exponent) || significant.len() as i32 + exponent > 16 {
            return None;
        }
        let digits: i64 = significant.parse().ok()?;
        Some(Decimal { digits: if negative { -digits } else { digits }, exponent })
    }

    pub(super) fn fraction(self) -> Fraction {
        // Within the bounds of `parse` nothing can overflow.
        let (digits, power) = (i128::from(self.digits), 10_i128.pow(self.exponent.unsigned_abs()));
        if self.exponent < 0 {
            Fraction::new(digits, power).unwrap_or(Fraction::ZERO)
        } else {
            Fraction::whole(digits * power)
        }
    }

    pub(super) fn is_negative(self) -> bool {
        self.digits < 0
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs().to_string();
        if self.exponent >= 0 {
            return write!(f, "{sign}{digits}{}", "0".repeat(self.exponent.unsigned_abs() as usize));
        }
        let decimals = self.exponent.unsigned_abs() as usize;
        let padded = format!("{digits:0>width$}", width = decimals + 1);
        let (whole, fraction) = padded.split_at(padded.len() - decimals);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_exact_and_alike_however_written() {
        for (written, shown) in [("0.1", "0.1"), ("0.10", "0.1"), ("1e-1", "0.1"), ("+10", "10"), ("-0.050", "-0.05")] {
            assert_eq!(Decimal::parse(written).map(|it| it.to_string()).as_deref(), Some(shown), "{written}");
        }
        assert_eq!(Decimal::parse("100"), Decimal::parse("1e2"));
        assert_eq!(Decimal::parse("0.01").unwrap().fraction(), Fraction::new(1, 100).unwrap());
        let wrong = ["", "0", "0.00", "-", ".5", "5.", "1e", "1e99", "nan", "inf", "0x10", "1 0", "1.2.3", "--1"];
        for wrong in wrong.into_iter().chain(["1234567890123456", "0.0000000000000001", "1e15e1"]) {
            assert_eq!(Decimal::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn halves_go_away_from_zero() {
        for (numerator, rounded, up) in [(5, 3, 3), (-5, -3, -2), (4, 2, 2), (1, 1, 1), (-1, -1, 0), (0, 0, 0)] {
            let half = Fraction::new(numerator, 2).unwrap();
            assert_eq!((half.rounded(), half.rounded_up()), (rounded, up), "{half}");
        }
        assert_eq!(Fraction::new(i128::MAX, i128::MAX - 1).unwrap().rounded(), 1);
        assert_eq!(Fraction::new(1, i128::MAX).unwrap().rounded_up(), 1);
    }

    proptest! {
        #[test]
        fn fractions_agree_with_cross_multiplication(
            a in -1_000_000_i128..1_000_000, b in 1_i128..1_000_000, c in -1_000_000_i128..1_000_000, d in 1_i128..1_000_000
        ) {
            let (left, right) = (Fraction::new(a, b).unwrap(), Fraction::new(c, d).unwrap());
            let (sum, product) = (left.plus(right).unwrap(), left.times(right).unwrap());
            prop_assert_eq!(sum.numerator * b * d, (a * d + c * b) * sum.denominator);
            prop_assert_eq!(product.numerator * b * d, a * c * product.denominator);
            prop_assert_eq!(common_divisor(sum.numerator.unsigned_abs(), sum.denominator.unsigned_abs()), 1);
            prop_assert_eq!(left.exceeds(right), a * d > c * b);
        }
    }
}
