//! A quantity of a meter: the numbers in its registers and how they make up a power or an energy.

use num_traits::CheckedMul;

use super::decode_error::DecodeError;
use super::exact::{self, Exact, ONE, ZERO};
use super::modifiers::{Exponent, Sign};
use super::number::{Format, Kind, Pattern};
use super::range::{Answers, RegisterRange};
use super::raw::RawNumber;
use super::unit::QuantityUnit;

/// A number in registers.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// Its registers.
    pub range: RegisterRange,
    /// How the registers hold it.
    pub format: Format,
    /// The worth of one digit, in the unit of the quantity.
    pub(super) scale: Exact,
    /// The bits of a ratio that hold it; `None` for all.
    pub mask: Option<u64>,
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
    /// The unit of each scaled term.
    pub unit: QuantityUnit,
    /// At least one. They are read in one response, so that a carry between them is never half done.
    pub terms: Vec<Number>,
    /// Settings of the meter that multiply the value (a CT ratio). They rarely change, and may come in another response.
    pub ratios: Vec<Number>,
    /// Settings of the meter that divide the value.
    pub divisors: Vec<Number>,
    /// The meter answers it only in a request of its own.
    pub alone: bool,
    /// The sign is ignored: some of these meters show the counter as negative.
    pub absolute: bool,
    /// The raw count at which each term starts again at 0.
    pub rollover: Option<u64>,
    /// The counter adds up import and export.
    pub both_directions: bool,
    /// The counter counts each phase for itself: it rises while one phase imports, whatever the others export.
    pub phase_by_phase: bool,
    /// The counter can be set back to 0 at the meter.
    pub resettable: bool,
}

/// A value in mW or mWh and its resolution, neither of them rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) value: Exact,
    pub(super) step: Exact,
}

impl Number {
    /// The scale as a decimal number: `0.01`.
    pub fn scale_text(&self) -> String {
        exact::decimal_text(self.scale)
    }

    /// Its own registers and those of its modifiers.
    pub(super) fn ranges(&self) -> impl Iterator<Item = RegisterRange> + '_ {
        let modifiers = [self.exponent.as_ref().map(|it| it.range), self.sign.as_ref().map(|it| it.range)];
        std::iter::once(self.range).chain(modifiers.into_iter().flatten())
    }

    /// Scaled value and resolution, from `words`: the registers of `whole`, which covers all of [`Number::ranges`].
    fn read(&self, whole: RegisterRange, words: &[u16]) -> Result<Measured, DecodeError> {
        let part = |range: RegisterRange| {
            let start = usize::from(range.address - whole.address);
            &words[start..start + usize::from(range.count)]
        };
        let bits = self.format.bits(part(self.range));
        if self.invalid.iter().any(|pattern| pattern.matches(bits)) {
            return Err(DecodeError::NoValue(self.range, bits));
        }
        let bits = self.mask.map_or(bits, |mask| (bits & mask) >> mask.trailing_zeros());
        let raw = RawNumber::new(self.format.kind, bits).ok_or(DecodeError::NotANumber(self.range))?;
        let mut scale = self.scale;
        if let Some(exponent) = &self.exponent {
            scale = product(scale, exponent.read(part(exponent.range))?)?;
        }
        if let Some(sign) = &self.sign
            && sign.read(part(sign.range))?
        {
            scale = exact::negated(scale).ok_or(DecodeError::TooLarge)?;
        }
        let value = product(raw.value().ok_or(DecodeError::TooLarge)?, scale)?;
        let step = product(raw.step().ok_or(DecodeError::TooLarge)?, scale)?;
        Ok(Measured { value, step: exact::absolute(step).ok_or(DecodeError::TooLarge)? })
    }

    /// Adds `by` to the address of the number and of its modifiers.
    fn shift(&mut self, by: u16) {
        self.range = self.range.moved(by);
        if let Some(exponent) = &mut self.exponent {
            exponent.range = exponent.range.moved(by);
        }
        if let Some(sign) = &mut self.sign {
            sign.range = sign.range.moved(by);
        }
    }

    /// What distinguishes this number from others, in the same words however the profile writes it. Addresses count from `start`.
    fn definition(&self, unit: Exact, start: u16) -> Option<String> {
        let function = self.range.function.word();
        let address = self.range.address - start;
        let kind = self.format.kind.word();
        let order = match self.format.order() {
            "" => String::new(),
            order => format!(" {order}"),
        };
        let scale = self.scale.checked_mul(&unit)?;
        let mask = self.mask.map_or(String::new(), |mask| format!(" & 0x{mask:x}"));
        let modifier = |what: &str, range: RegisterRange, kind: Kind| {
            format!(" {what} 0x{:04x} {}", range.address - start, kind.word())
        };
        let exponent = self.exponent.as_ref().map_or(String::new(), |it| {
            let mask = if it.mask == u16::MAX { String::new() } else { format!(" & 0x{:x}", it.mask) };
            format!("{}{mask}", modifier("x 10^", it.range, it.format.kind))
        });
        let sign = self.sign.as_ref().map_or(String::new(), |it| {
            format!("{} {} {}", modifier("signed by", it.range, it.format.kind), it.negative, it.positive)
        });
        Some(format!("[{function} 0x{address:04x} {kind}{mask}{order} x {scale}{exponent}{sign}]"))
    }
}

impl Quantity {
    /// The registers of all terms, which are read in one response.
    pub(super) fn range(&self) -> Option<RegisterRange> {
        let mut ranges = self.terms.iter().flat_map(Number::ranges);
        let first = ranges.next()?;
        ranges.try_fold(first, RegisterRange::joined)
    }

    /// Everything that is read for it. Each range must come whole in one response.
    pub(super) fn ranges(&self) -> impl Iterator<Item = RegisterRange> + '_ {
        self.range().into_iter().chain(self.ratios.iter().chain(&self.divisors).map(|ratio| ratio.range))
    }

    /// The value in mW or mWh times `installed`, the transformers outside the meter. `Ok(None)` where a part of it was not answered.
    pub(super) fn read(&self, answers: &Answers, installed: Exact) -> Result<Option<Measured>, DecodeError> {
        let Some(whole) = self.range() else { return Ok(None) };
        let Some(words) = whole.out_of(answers) else { return Ok(None) };
        let Some(ratio) = self.ratio(answers)? else { return Ok(None) };
        let factor = product(product(ratio, installed)?, self.unit.exact())?;

        let (mut sum, mut resolution) = (ZERO, Resolution::default());
        for term in &self.terms {
            let Measured { value, step } = term.read(whole, words)?;
            sum = exact::sum(sum, value).ok_or(DecodeError::TooLarge)?;
            resolution.add(term, step);
        }
        if self.absolute {
            sum = exact::absolute(sum).ok_or(DecodeError::TooLarge)?;
        }
        Ok(Some(Measured { value: product(sum, factor)?, step: product(resolution.combined(), factor)? }))
    }

    /// The resolution at `value` (mWh). Ratio and exponent registers of the meter are unknown here and count as 1.
    pub(super) fn step_at(&self, value: u64, installed: Exact) -> Option<Exact> {
        let factor = installed.checked_mul(&self.unit.exact())?;
        let mut resolution = Resolution::default();
        for term in &self.terms {
            let scale = term.scale.checked_mul(&factor)?;
            let raw = value as f64 / exact::approximate(scale);
            let step = match term.format.kind {
                Kind::F32 => RawNumber::Single(raw as f32).step(),
                Kind::F64 => RawNumber::Double(raw).step(),
                Kind::T5 | Kind::T6 => {
                    // The number has as many digits as fit.
                    let too_large = raw.abs() / term.format.kind.range() as f64;
                    let dropped = (0..30).find(|digits| too_large <= 10_f64.powi(*digits)).unwrap_or(30);
                    exact::power_of_ten(dropped)
                }
                _ => Some(ONE),
            };
            resolution.add(term, exact::absolute(step?.checked_mul(&scale)?)?);
        }
        Some(resolution.combined())
    }

    /// The sum falls by this many mWh when a term starts again at 0 after this raw count.
    pub(super) fn fall_at(&self, count: u64, installed: Exact) -> Option<Exact> {
        let scale = self.terms.first()?.scale.checked_mul(&self.unit.exact())?.checked_mul(&installed)?;
        Exact::from_integer(count.into()).checked_mul(&scale)
    }

    /// The raw count after which a single whole number without sign starts again at 0, because its type ends there.
    pub fn end_of_type(&self) -> Option<u64> {
        let [term] = self.terms.as_slice() else { return None };
        let is_whole = !term.format.kind.is_signed() && !term.format.kind.has_exponent();
        let is_fixed = term.exponent.is_none() && self.ratios.is_empty() && self.divisors.is_empty();
        u64::try_from(term.format.kind.range()).ok().filter(|_| is_whole && is_fixed)
    }

    /// The same quantity with `by` added to each address.
    pub(super) fn moved(mut self, by: u16) -> Self {
        let numbers = self.terms.iter_mut().chain(&mut self.ratios).chain(&mut self.divisors);
        numbers.for_each(|number| number.shift(by));
        self
    }

    /// What turns the registers into the value: equal for an equal meaning. Addresses count from `start`.
    pub(super) fn definition(&self, installed: Exact, start: u16) -> Option<String> {
        let unit = self.unit.exact().checked_mul(&installed)?;
        let mut terms: Vec<_> = self.terms.iter().map(|term| term.definition(unit, start)).collect::<Option<_>>()?;
        terms.sort();
        let factors = |numbers: &[Number], operator: char| {
            let one = |number: &Number| Some(format!(" {operator} {}", number.definition(ONE, start)?));
            let mut all = numbers.iter().map(one).collect::<Option<Vec<_>>>()?;
            all.sort();
            Some(all.concat())
        };
        let (ratios, divisors) = (factors(&self.ratios, '*')?, factors(&self.divisors, '/')?);
        let absolute = if self.absolute { " absolute" } else { "" };
        Some(format!("{}{ratios}{divisors}{absolute}", terms.join(" + ")))
    }

    /// The product of the ratio registers, divided by the divisor registers.
    fn ratio(&self, answers: &Answers) -> Result<Option<Exact>, DecodeError> {
        let mut ratio = ONE;
        let divisors = self.divisors.iter().map(|number| (number, true));
        for (number, divides) in self.ratios.iter().map(|number| (number, false)).chain(divisors) {
            let Some(words) = number.range.out_of(answers) else { return Ok(None) };
            let value = number.read(number.range, words)?.value;
            if value <= ZERO {
                return Err(DecodeError::NoRatio(number.range));
            }
            ratio = product(ratio, if divides { value.recip() } else { value })?;
        }
        Ok(Some(ratio))
    }
}

fn product(left: Exact, right: Exact) -> Result<Exact, DecodeError> {
    exact::product(left, right).ok_or(DecodeError::TooLarge)
}

/// The resolution of a sum. Of integers it is the smallest step, because a second register may hold the decimals of the first;
/// with floats it is the coarsest float, whose last digit is uncertain.
#[derive(Default)]
struct Resolution {
    coarsest_float: Option<Exact>,
    finest: Option<Exact>,
}

impl Resolution {
    /// Adds a term of the sum.
    fn add(&mut self, term: &Number, step: Exact) {
        self.finest = Some(self.finest.map_or(step, |finest| finest.min(step)));
        if term.format.kind.is_float() {
            self.coarsest_float = self.coarsest_float.max(Some(step));
        }
    }

    fn combined(self) -> Exact {
        self.coarsest_float.or(self.finest).unwrap_or(ONE)
    }
}

#[cfg(test)]
mod tests;
