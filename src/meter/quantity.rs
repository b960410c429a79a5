//! A quantity of a meter: the numbers in its registers and how they make up a power or an energy.

use super::decode_error::DecodeError;
use super::exact::{Decimal, Fraction};
use super::modifiers::{Exponent, Sign};
use super::number::{Format, Kind, Pattern};
use super::range::{Answers, RegisterRange};
use super::raw::RawNumber;
use super::unit::QuantityUnit;

/// A number in registers: where it lies, its format, and what one digit is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    pub range: RegisterRange,
    pub format: Format,
    pub(super) scale: Decimal,
    /// The patterns that mean "no value".
    pub invalid: Vec<Pattern>,
    /// The register with the power of ten, read in the same response.
    pub exponent: Option<Exponent>,
    /// The register with the sign, read in the same response.
    pub sign: Option<Sign>,
}

/// A power or an energy: the sum of one or more numbers, in one unit, multiplied by the ratios that the meter keeps in registers.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    pub unit: QuantityUnit,
    /// At least one. They are read in one response, so that a carry between them is never seen half done.
    pub terms: Vec<Number>,
    /// Settings of the meter that multiply the value (a CT ratio). They stand still, and may come in another response.
    pub ratios: Vec<Number>,
    /// Likewise those that divide it.
    pub divisors: Vec<Number>,
    /// The meter answers it only in a request of its own.
    pub alone: bool,
    /// Only the size counts: some of these meters show the counter with a minus.
    pub absolute: bool,
    /// The raw count at which each term starts again at 0.
    pub rollover: Option<u64>,
    /// The counter counts both directions into one figure.
    pub both_directions: bool,
    /// The counter can be set back to 0 at the meter.
    pub resettable: bool,
}

/// A value in mW or mWh and its resolution, neither rounded yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) value: Fraction,
    pub(super) step: Fraction,
}

impl Number {
    /// One digit's worth, in the quantity's unit.
    pub(super) fn scale(&self) -> Fraction {
        self.scale.fraction()
    }

    /// The scale as a decimal number: `0.01`.
    pub fn scale_text(&self) -> String {
        self.scale.to_string()
    }

    /// Its own registers, and those beside it.
    pub(super) fn ranges(&self) -> impl Iterator<Item = RegisterRange> + '_ {
        let beside = [self.exponent.as_ref().map(|it| it.range), self.sign.as_ref().map(|it| it.range)];
        std::iter::once(self.range).chain(beside.into_iter().flatten())
    }

    /// Value and least digit out of the registers of `whole`, which holds all of [`Number::ranges`]; scaled.
    fn read(&self, whole: RegisterRange, words: &[u16]) -> Result<Measured, DecodeError> {
        let part = |range: RegisterRange| {
            let start = usize::from(range.address - whole.address);
            &words[start..start + usize::from(range.count)]
        };
        let bits = self.format.bits(part(self.range));
        if self.invalid.iter().any(|pattern| pattern.fits(bits)) {
            return Err(DecodeError::NoValue(self.range, bits));
        }
        let raw = RawNumber::new(self.format.kind, bits).ok_or(DecodeError::NotANumber(self.range))?;
        let mut worth = self.scale();
        if let Some(exponent) = &self.exponent {
            worth = exponent.read(part(exponent.range))?.times(worth).ok_or(DecodeError::TooLarge)?;
        }
        if let Some(sign) = &self.sign
            && sign.read(part(sign.range))?
        {
            worth = worth.negated();
        }
        let scaled = |number: Option<Fraction>| number.and_then(|it| it.times(worth)).ok_or(DecodeError::TooLarge);
        Ok(Measured { value: scaled(raw.value())?, step: scaled(raw.digit())?.absolute() })
    }

    /// The number in registers that stand `by` further on, with those beside it.
    fn moved(&mut self, by: u16) {
        self.range = self.range.moved(by);
        if let Some(exponent) = &mut self.exponent {
            exponent.range = exponent.range.moved(by);
        }
        if let Some(sign) = &mut self.sign {
            sign.range = sign.range.moved(by);
        }
    }

    /// What tells this number from another one, whatever way it was written; addresses as counted from `start`.
    fn definition(&self, unit: Fraction, start: u16) -> Option<String> {
        let RegisterRange { function, address, .. } = self.range;
        let address = address - start;
        let (kind, order) = (self.format.kind.word(), self.format.order());
        let worth = self.scale().times(unit)?;
        let beside = |what: &str, range: RegisterRange, kind: Kind| {
            format!(" {what} 0x{:04x} {}", range.address - start, kind.word())
        };
        let exponent = self.exponent.as_ref().map(|it| beside("x 10^", it.range, it.format.kind)).unwrap_or_default();
        let sign = self
            .sign
            .as_ref()
            .map(|it| format!("{} {} {}", beside("signed by", it.range, it.format.kind), it.negative, it.positive));
        let sign = sign.unwrap_or_default();
        Some(
            format!("[{} 0x{address:04x} {kind} {order} x {worth}{exponent}{sign}]", function.word())
                .replace("  ", " "),
        )
    }
}

impl Quantity {
    /// The registers of all terms: read in one response.
    pub(super) fn range(&self) -> Option<RegisterRange> {
        let mut ranges = self.terms.iter().flat_map(Number::ranges);
        let first = ranges.next()?;
        ranges.try_fold(first, RegisterRange::joined)
    }

    /// Everything to be read for it, each entry whole in one response.
    pub(super) fn ranges(&self) -> impl Iterator<Item = RegisterRange> + '_ {
        self.range().into_iter().chain(self.ratios.iter().chain(&self.divisors).map(|ratio| ratio.range))
    }

    /// The value in mW or mWh times `installed` (the transformers outside the meter). `Ok(None)` where something of it was not answered.
    pub(super) fn read(&self, answers: &Answers, installed: Fraction) -> Result<Option<Measured>, DecodeError> {
        let Some(whole) = self.range() else { return Ok(None) };
        let Some(words) = whole.out_of(answers) else { return Ok(None) };
        let Some(factor) = self.ratio(answers)? else { return Ok(None) };
        let factor =
            factor.times(installed).and_then(|it| it.times(self.unit.fraction())).ok_or(DecodeError::TooLarge)?;

        let (mut sum, mut resolution) = (Fraction::ZERO, Resolution::default());
        for term in &self.terms {
            let Measured { value, step } = term.read(whole, words)?;
            sum = sum.plus(value).ok_or(DecodeError::TooLarge)?;
            resolution.add(term, step);
        }
        if self.absolute {
            sum = sum.absolute();
        }
        let scaled = |number: Fraction| number.times(factor).ok_or(DecodeError::TooLarge);
        Ok(Some(Measured { value: scaled(sum)?, step: scaled(resolution.combined())? }))
    }

    /// The resolution at `value` (mWh), as far as it is known without asking the meter for its ratios and exponents.
    pub(super) fn step_at(&self, value: u64, installed: Fraction) -> Option<Fraction> {
        let factor = installed.times(self.unit.fraction())?;
        let mut resolution = Resolution::default();
        for term in &self.terms {
            let worth = term.scale().times(factor)?;
            let raw = value as f64 / worth.approximate();
            let digit = match term.format.kind {
                Kind::F32 => RawNumber::Single(raw as f32).digit(),
                Kind::F64 => RawNumber::Double(raw).digit(),
                Kind::T5 | Kind::T6 => {
                    // The number has as many digits as fit.
                    let too_large = raw.abs() / term.format.kind.range() as f64;
                    let dropped = (0..30).find(|digits| too_large <= 10_f64.powi(*digits)).unwrap_or(30);
                    RawNumber::Decimal(1, dropped as i8).digit()
                }
                _ => RawNumber::Integer(0).digit(),
            };
            resolution.add(term, digit?.times(worth)?.absolute());
        }
        Some(resolution.combined())
    }

    /// The sum falls back to a smaller figure by this many mWh when a term starts again at 0.
    pub(super) fn rollover(&self, installed: Fraction) -> Option<Fraction> {
        let worth = self.terms.first()?.scale().times(self.unit.fraction())?.times(installed)?;
        Fraction::whole(self.rollover?.into()).times(worth)
    }

    /// The quantity in registers that stand `by` further on.
    pub(super) fn moved(mut self, by: u16) -> Self {
        let numbers = self.terms.iter_mut().chain(&mut self.ratios).chain(&mut self.divisors);
        numbers.for_each(|number| number.moved(by));
        self
    }

    /// What makes the value out of the registers: equal for equal meaning. Addresses as counted from `start`.
    pub(super) fn definition(&self, installed: Fraction, start: u16) -> Option<String> {
        let unit = self.unit.fraction().times(installed)?;
        let mut terms: Vec<_> = self.terms.iter().map(|term| term.definition(unit, start)).collect::<Option<_>>()?;
        let [ratios, divisors] = [(&self.ratios, '*'), (&self.divisors, '/')].map(|(ratios, sign)| {
            let one = |ratio: &Number| Some(format!(" {sign} {}", ratio.definition(Fraction::ONE, start)?));
            let mut all = ratios.iter().map(one).collect::<Option<Vec<_>>>()?;
            all.sort();
            Some(all.concat())
        });
        terms.sort();
        let absolute = if self.absolute { " absolute" } else { "" };
        Some(format!("{}{}{}{absolute}", terms.join(" + "), ratios?, divisors?))
    }

    /// The product of the ratio registers, divided by those that divide.
    fn ratio(&self, answers: &Answers) -> Result<Option<Fraction>, DecodeError> {
        let mut product = Fraction::ONE;
        let divisors = self.divisors.iter().map(|ratio| (ratio, true));
        for (ratio, divides) in self.ratios.iter().map(|ratio| (ratio, false)).chain(divisors) {
            let Some(words) = ratio.range.out_of(answers) else { return Ok(None) };
            let value = ratio.read(ratio.range, words)?.value;
            if value.is_zero() || value.is_negative() {
                return Err(DecodeError::NoRatio(ratio.range));
            }
            let value = if divides { value.inverted() } else { Some(value) };
            product = value.and_then(|value| product.times(value)).ok_or(DecodeError::TooLarge)?;
        }
        Ok(Some(product))
    }
}

/// The resolution of a sum: of integers the least digit (a second register may hold the decimals of the first), with floats
/// the coarsest float, whose last place wavers.
#[derive(Default)]
struct Resolution {
    coarsest_float: Option<Fraction>,
    finest: Option<Fraction>,
}

impl Resolution {
    /// The sum has this term too.
    fn add(&mut self, term: &Number, step: Fraction) {
        self.finest = self.finest.filter(|finest| !finest.exceeds(step)).or(Some(step));
        if term.format.kind.is_float() {
            self.coarsest_float = self.coarsest_float.filter(|coarsest| coarsest.exceeds(step)).or(Some(step));
        }
    }

    fn combined(self) -> Fraction {
        self.coarsest_float.or(self.finest).unwrap_or(Fraction::ONE)
    }
}

#[cfg(test)]
mod tests;
