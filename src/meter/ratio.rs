//! The ratio of a current or voltage transformer, exactly as its plate states it.

use std::fmt;

use num_traits::CheckedDiv;

use super::exact::{Exact, ONE, parse_decimal};

/// A transformer ratio above zero, such as 200/5. Equal ratios are equal however they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransformerRatio(Exact);

impl TransformerRatio {
    /// No transformer.
    pub const ONE: Self = TransformerRatio(ONE);

    const MAX_TERM: i128 = 1_000_000_000;
    const MAX: i128 = 1_000_000;

    /// Parses `200/5`, `40`, `110000/100` or `0.5`: above zero, from a millionth to a million, at most 10 characters a side.
    pub fn parse(text: &str) -> Option<Self> {
        let (primary, secondary) = text.split_once('/').unwrap_or((text, "1"));
        let ratio = side(primary)?.checked_div(&side(secondary)?)?;
        let (numerator, denominator) = ratio.into_raw();
        let terms_fit = numerator <= Self::MAX_TERM && denominator <= Self::MAX_TERM;
        let size_fits = numerator / denominator <= Self::MAX && denominator / numerator <= Self::MAX;
        (terms_fit && size_fits).then_some(TransformerRatio(ratio))
    }

    /// Both terms are at most 10^9, so that two ratios always multiply without overflow.
    pub(super) fn exact(self) -> Exact {
        self.0
    }
}

impl Default for TransformerRatio {
    fn default() -> Self {
        TransformerRatio::ONE
    }
}

impl fmt::Display for TransformerRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One side of the slash: a positive decimal number.
fn side(text: &str) -> Option<Exact> {
    let text = text.trim();
    let plain = text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    parse_decimal(text).filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_read_as_the_plate_states_it() {
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
            let ratio = TransformerRatio::parse(written).unwrap();
            assert_eq!(ratio.exact().into_raw(), (numerator, denominator), "{written}");
        }
        assert_eq!(TransformerRatio::parse("100/3").unwrap().to_string(), "100/3");
        assert_eq!(TransformerRatio::parse("200/5").unwrap().to_string(), "40");
    }

    #[test]
    fn other_texts_are_refused() {
        let none = ["", "/", "0", "0/5", "5/0", "-5/5", "1e3", "200/5/1", "1000001", "1/1000001", "abc", "1.2.3"];
        for wrong in none.into_iter().chain(["99999999999", "nan", "+5", "5.", ".5"]) {
            assert_eq!(TransformerRatio::parse(wrong), None, "{wrong}");
        }
    }
}
