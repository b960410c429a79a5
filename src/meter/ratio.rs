//! The ratio of a current or voltage transformer, exactly as on its plate.

use std::fmt;

use super::exact::{Decimal, Fraction};

/// A ratio above zero, such as 200/5. In lowest terms, so that equal ratios are equal however they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    numerator: u64,
    denominator: u64,
}

impl Ratio {
    pub const ONE: Self = Ratio { numerator: 1, denominator: 1 };

    const LARGEST_TERM: u64 = 1_000_000_000;
    const LARGEST: u64 = 1_000_000;

    /// "200/5", "40", "110000/100", "0.5": above zero, between a millionth and a million, at most nine digits a side.
    pub fn parse(text: &str) -> Option<Self> {
        let (primary, secondary) = text.split_once('/').unwrap_or((text, "1"));
        let [(primary, primary_power), (secondary, secondary_power)] = [side(primary.trim())?, side(secondary.trim())?];
        Ratio::new(primary.checked_mul(secondary_power)?, secondary.checked_mul(primary_power)?)
    }

    /// `None` for zero, for less than a millionth, for more than a million, and for terms (reduced) above 10^9.
    pub fn new(numerator: u64, denominator: u64) -> Option<Self> {
        let reduced = Fraction::new(numerator.into(), denominator.into())?;
        let divisor = if reduced.is_zero() { return None } else { numerator / reduced.numerator_u64()? };
        let (numerator, denominator) = (numerator / divisor, denominator / divisor);
        let terms_fit = numerator <= Self::LARGEST_TERM && denominator <= Self::LARGEST_TERM;
        let size_fits = numerator / denominator <= Self::LARGEST && denominator / numerator <= Self::LARGEST;
        (terms_fit && size_fits).then_some(Ratio { numerator, denominator })
    }

    pub fn numerator(self) -> u64 {
        self.numerator
    }

    pub fn denominator(self) -> u64 {
        self.denominator
    }

    pub(super) fn fraction(self) -> Fraction {
        Fraction::new(self.numerator.into(), self.denominator.into()).unwrap_or(Fraction::ONE)
    }
}

impl Default for Ratio {
    fn default() -> Self {
        Ratio::ONE
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fraction().fmt(f)
    }
}

/// One side of the stroke as a whole number and the power of ten that it is to be divided by.
fn side(text: &str) -> Option<(u64, u64)> {
    let plain = text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !plain || Decimal::parse(text).is_none() {
        return None;
    }
    let power = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some((format!("{whole}{fraction}").parse().ok()?, power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_reads_as_it_stands_on_the_plate() {
        for (written, numerator, denominator) in [
            ("200/5", 40, 1),
            ("40", 40, 1),
            ("150 / 1", 150, 1),
            ("100/3", 100, 3),
            ("0.5", 1, 2),
            ("12.5/2.5", 5, 1),
            ("110000/100", 1100, 1),
            ("1000000", 1_000_000, 1),
        ] {
            let ratio = Ratio::parse(written).unwrap();
            assert_eq!((ratio.numerator(), ratio.denominator()), (numerator, denominator), "{written}");
        }
        assert_eq!(Ratio::parse("100/3").unwrap().to_string(), "100/3");
        assert_eq!(Ratio::parse("200/5").unwrap().to_string(), "40");
    }

    #[test]
    fn what_is_no_ratio_is_refused() {
        let none = ["", "/", "0", "0/5", "5/0", "-5/5", "1e3", "200/5/1", "1000001", "1/1000001", "abc", "1.2.3"];
        for wrong in none.into_iter().chain(["99999999999", "nan", "+5", "5.", ".5"]) {
            assert_eq!(Ratio::parse(wrong), None, "{wrong}");
        }
    }
}
