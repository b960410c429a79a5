//! Exact numbers between a register and its quantity: they never pass through binary floating point.

use num_rational::Ratio;
use num_traits::{CheckedAdd, CheckedMul};

/// An exact number in lowest terms. Calculate with the checked operations only: a result that does not fit is no reading.
pub(super) type Exact = Ratio<i128>;

pub(super) const ZERO: Exact = Exact::new_raw(0, 1);
pub(super) const ONE: Exact = Exact::new_raw(1, 1);

/// Decimal places of the finest number that [`parse_decimal`] accepts.
const MAX_DECIMALS: u32 = 15;

/// 10 to the power of `exponent`, -38 ..= 38.
pub(super) fn power_of_ten(exponent: i32) -> Option<Exact> {
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    Some(if exponent < 0 { Exact::new(1, power) } else { Exact::from_integer(power) })
}

/// `None` where the result does not fit.
pub(super) fn negated(number: Exact) -> Option<Exact> {
    number.checked_mul(&Exact::from_integer(-1))
}

/// The number without its sign. `None` where the result does not fit.
pub(super) fn absolute(number: Exact) -> Option<Exact> {
    if number.numer().is_negative() { negated(number) } else { Some(number) }
}

// Most registers hold whole numbers of mW or mWh. Without this distinction each of them would take dozens of divisions of 128 bits.

/// `None` where the result does not fit.
pub(super) fn product(left: Exact, right: Exact) -> Option<Exact> {
    // Most factors are 1.
    match (whole(left), whole(right)) {
        (Some(1), _) => Some(right),
        (_, Some(1)) => Some(left),
        (Some(left), Some(right)) => left.checked_mul(right).map(Exact::from_integer),
        _ => left.checked_mul(&right),
    }
}

/// `None` where the result does not fit.
pub(super) fn sum(left: Exact, right: Exact) -> Option<Exact> {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => left.checked_add(right).map(Exact::from_integer),
        _ => left.checked_add(&right),
    }
}

/// The nearest whole number; halves are rounded away from zero.
pub(super) fn rounded(number: Exact) -> i128 {
    whole(number).unwrap_or_else(|| number.round().to_integer())
}

/// The smallest whole number that is not below `number`.
pub(super) fn rounded_up(number: Exact) -> i128 {
    // Not `Ratio::ceil`, which overflows for large terms.
    whole(number).unwrap_or_else(|| number.to_integer() + i128::from(number > ZERO))
}

/// The number, if it is a whole one.
fn whole(number: Exact) -> Option<i128> {
    number.is_integer().then(|| *number.numer())
}

/// The nearest binary float, for estimates only.
pub(super) fn approximate(number: Exact) -> f64 {
    *number.numer() as f64 / *number.denom() as f64
}

/// Parses a decimal number such as `0.1`, `-10` or `1e-3`: up to 15 digits, between 10^-15 and 10^15.
///
/// `None` for anything else, zero included.
pub(super) fn parse_decimal(text: &str) -> Option<Exact> {
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
    let fraction = fraction.trim_end_matches('0');
    let all = format!("{whole}{fraction}");
    let digits = all.trim_end_matches('0');
    let exponent = exponent + i32::try_from(all.len() - digits.len()).ok()? - i32::try_from(fraction.len()).ok()?;
    let digits = digits.trim_start_matches('0');
    let fits = (1..=15).contains(&digits.len())
        && exponent.unsigned_abs() <= MAX_DECIMALS
        && digits.len() as i32 + exponent <= 16;
    if !fits {
        return None;
    }
    let digits: i128 = digits.parse().ok()?;
    Exact::from_integer(if negative { -digits } else { digits }).checked_mul(&power_of_ten(exponent)?)
}

/// Writes a number that [`parse_decimal`] accepts: `0.01`.
pub(super) fn decimal_text(number: Exact) -> String {
    // The denominator divides 10^15, and the product stays below 10^32.
    let digits = number.numer() * (10_i128.pow(MAX_DECIMALS) / number.denom());
    let text = format!("{:016}", digits.unsigned_abs());
    let (whole, fraction) = text.split_at(text.len() - MAX_DECIMALS as usize);
    let sign = if digits < 0 { "-" } else { "" };
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_exact_and_equal_however_written() {
        for (written, shown) in [
            ("0.1", "0.1"),
            ("0.10", "0.1"),
            ("1e-1", "0.1"),
            ("+10", "10"),
            ("-0.050", "-0.05"),
            ("123456789012345", "123456789012345"),
            ("1e-15", "0.000000000000001"),
            ("1e15", "1000000000000000"),
        ] {
            assert_eq!(parse_decimal(written).map(decimal_text).as_deref(), Some(shown), "{written}");
        }
        assert_eq!(parse_decimal("100"), parse_decimal("1e2"));
        assert_eq!(parse_decimal("0.01"), Some(Exact::new(1, 100)));
        let wrong = ["", "0", "0.00", "-", ".5", "5.", "1e", "1e99", "nan", "inf", "0x10", "1 0", "1.2.3", "--1"];
        for wrong in wrong.into_iter().chain(["1234567890123456", "0.0000000000000001", "1e15e1"]) {
            assert_eq!(parse_decimal(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        for (numerator, nearest, up) in [(5, 3, 3), (-5, -3, -2), (4, 2, 2), (1, 1, 1), (-1, -1, 0), (0, 0, 0)] {
            let half = Exact::new(numerator, 2);
            assert_eq!((rounded(half), rounded_up(half)), (nearest, up), "{half}");
        }
        assert_eq!(rounded(Exact::new(i128::MAX, i128::MAX - 1)), 1);
        assert_eq!(rounded_up(Exact::new(1, i128::MAX)), 1);
    }

    #[test]
    fn numbers_out_of_range_give_none() {
        let least = Exact::from_integer(i128::MIN);
        assert_eq!((negated(least), absolute(least)), (None, None));
        assert_eq!((power_of_ten(38).is_some(), power_of_ten(39), power_of_ten(-39)), (true, None, None));
        assert_eq!(Exact::from_integer(i128::MAX).checked_mul(&Exact::new(3, 2)), None);
        assert_eq!(Exact::from_integer(i128::MAX).checked_add(&ONE), None);
    }

    proptest! {
        #[test]
        fn exact_numbers_agree_with_cross_multiplication(
            a in -1_000_000_i128..1_000_000, b in 1_i128..1_000_000, c in -1_000_000_i128..1_000_000, d in 1_i128..1_000_000
        ) {
            let (left, right) = (Exact::new(a, b), Exact::new(c, d));
            let (sum, product) = (sum(left, right).unwrap(), product(left, right).unwrap());
            prop_assert_eq!(sum.numer() * b * d, (a * d + c * b) * sum.denom());
            prop_assert_eq!(product.numer() * b * d, a * c * product.denom());
            prop_assert_eq!(sum.reduced().into_raw(), sum.into_raw());
            prop_assert_eq!(left > right, a * d > c * b);
        }

        /// The operations of a reading: none of them panics or wraps for any terms.
        #[test]
        fn no_terms_overflow(a in any::<i128>(), b in 1..=i128::MAX, c in any::<i128>(), d in 1..=i128::MAX) {
            let (left, right) = (Exact::new(a, b), Exact::new(c, d));
            for result in [product(left, right), sum(left, right), absolute(left)].into_iter().flatten() {
                let (nearest, up) = (rounded(result), rounded_up(result));
                prop_assert!(nearest == up || nearest + 1 == up);
                prop_assert!(approximate(result).is_finite());
            }
            prop_assert_eq!(left > right, right < left);
        }
    }
}
