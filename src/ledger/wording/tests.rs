//! Sentences that are computed from more than the words.

use super::*;
use crate::units::MilliwattHours;

#[test]
fn a_register_that_is_a_digit_below_ten_times_as_high_is_ten_times_as_high() {
    let energy = |value| MilliwattHours::new(value).unwrap();
    for (seen, words) in [(1_799_990_000, "10 times as much"), (18_003_000_000, "100 times as much")] {
        let held =
            HeldRegister { cause: Cause::Scaled, before: Some(energy(180_000_000)), seen: energy(seen), serial: None };
        assert!(standing(&held).contains(words), "{}", standing(&held));
    }
}
