use proptest::prelude::*;

use super::*;

fn token() -> String {
    "0123456789abcdef".repeat(4)
}

#[test]
fn a_token_is_masked_whole_in_part_and_in_any_case() {
    let token = token();
    let mask = TokenMask::new(&format!("0x{token}"));
    assert_eq!(mask.show(&format!("bad token 0x{token}!")), "bad token 0x(token)!");
    assert_eq!(mask.show(&token.to_uppercase()), "(token)");
    assert_eq!(mask.show(&format!("ff{token}00")), "(token)");
    assert_eq!(mask.show(&token[..9]), "(token)");
    assert_eq!(mask.show("code 1000 deadbeef"), "code 1000 deadbeef");
}

#[test]
fn what_remains_is_printable_and_bounded() {
    let mask = TokenMask::default();
    assert_eq!(mask.show("\x1b[31m no\r\n"), "?[31m no??");
    assert_eq!(mask.show(&"x".repeat(1000)).len(), LIMIT);
    assert_eq!(mask.show(&"ab".repeat(32)), "abab...abab", "a whole client identifier is shortened");
    assert_eq!(format!("{:?}", TokenMask::new(&token())), "Mask(..)");
}

proptest! {
    #[test]
    fn no_eight_digits_of_the_token_are_shown(before in ".{0,20}", after in ".{0,20}", from in 0usize..56, length in 8usize..64) {
        let token: String = (0..64u32).map(|digit| char::from_digit(digit * digit % 13 + digit % 4, 16).unwrap()).collect();
        let piece = &token[from..(from + length).min(64)];
        let shown = TokenMask::new(&token).show(&format!("{before}{piece}{after}")).to_lowercase();
        for start in 0..=56 {
            prop_assert!(!shown.contains(&token[start..start + 8]), "{shown}");
        }
    }
}
