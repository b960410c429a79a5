//! Notices a counter that rises while power is negative: it may be the export counter, or the current transformers are reversed. Pure.

use std::time::Duration;

use crate::reading::{Register, Values};
use crate::units::Milliwatts;

/// The counter and the power of one meter since power became negative.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExportCheck {
    last: Option<(Duration, Milliwatts)>,
    /// The counter when power became negative, or at its last rise.
    from: Option<Register>,
    /// The energy that was exported since then, in mW x ms.
    exported: u128,
    rises: bool,
}

const MILLISECONDS_PER_HOUR: u128 = 3_600_000;

impl ExportCheck {
    /// Adds the values of a poll; `at` counts from a moment that is the same for all polls.
    pub(super) fn note(&mut self, at: Duration, values: &Values) {
        let (Some(power), Some(register)) = (values.power, values.register) else { return };
        let last = self.last.replace((at, power));
        let from = *self.from.get_or_insert(register);
        if power.0 >= 0 {
            // A counter that rises while power is imported is the right one.
            self.rises &= register.value <= from.value || power.0 == 0;
            (self.from, self.exported) = (Some(register), 0);
            return;
        }
        if let Some((before, power_before)) = last.filter(|(_, power)| power.0 < 0) {
            let both = u128::from(power.0.unsigned_abs()) + u128::from(power_before.0.unsigned_abs());
            self.exported += both * at.saturating_sub(before).as_millis() / 2;
        }
        let rise = register.value.saturating_sub(from.value).get();
        if rise >= register.step.get().max(1) {
            // A digit of imported energy may have been missing to the next one: it does not rise as the exported energy says.
            self.rises |= 2 * self.exported / MILLISECONDS_PER_HOUR >= u128::from(rise);
            (self.from, self.exported) = (Some(register), 0);
        }
    }

    /// Whether the counter rose as the exported energy says, and not as imported energy since then.
    pub(super) fn rises(&self) -> bool {
        self.rises
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MilliwattHours;

    /// Polls every 5 s with this power in W and this counter in Wh, of which one digit is `step` Wh.
    fn noted(polls: impl Iterator<Item = (i64, u64)>, step: u64) -> ExportCheck {
        let mut check = ExportCheck::default();
        for (index, (watts, watt_hours)) in polls.enumerate() {
            let [value, step] = [watt_hours / step * step, step].map(|it| MilliwattHours::new(it * 1000).unwrap());
            let values = Values {
                power: Some(Milliwatts(watts * 1000)),
                register: Some(Register { value, step }),
                serial: None,
            };
            check.note(Duration::from_secs(5 * index as u64), &values);
        }
        check
    }

    #[test]
    fn a_counter_that_rises_as_power_is_exported_is_noticed_at_its_first_digit() {
        // 3.6 kW are 5 Wh in 5 s.
        for (step, polls) in [(1, 3), (10, 5), (100, 42)] {
            let exporting = (0..polls).map(|index| (-3_600, 1_000 + 5 * index));
            assert!(noted(exporting, step).rises(), "{step}");
        }
    }

    #[test]
    fn an_import_counter_is_not_doubted() {
        assert!(!noted((0..500).map(|_| (-3_600, 1_000)), 1).rises());
        assert!(!noted((0..500).map(|index| (3_600, 1_000 + 5 * index)), 1).rises());
        // Imported energy between two polls, and a coarse digit that was nearly full when the export began.
        let between = [(-3_600, 1_000), (-3_600, 1_020), (-3_600, 1_020)];
        assert!(!noted(between.into_iter(), 1).rises());
        let full = [(2_000, 1_999), (-100, 1_999), (-100, 2_000), (-100, 2_000)];
        assert!(!noted(full.into_iter(), 1_000).rises());
    }

    #[test]
    fn a_rise_while_power_is_imported_ends_the_doubt() {
        let exporting = (0..5).map(|index| (-3_600, 1_000 + 5 * index));
        let importing = (0..5).map(|index| (3_600, 1_020 + 5 * index));
        assert!(noted(exporting.clone(), 1).rises());
        assert!(!noted(exporting.chain(importing), 1).rises());
    }
}
