//! Makes the endpoint's texts safe to show: as any foreign text, and without the account's token, which it may echo.

use std::fmt;

use crate::text;

/// The most bytes of a text of the endpoint that are shown.
const LIMIT: usize = 200;
/// The shortest run of the token's digits that is hidden.
const WINDOW: usize = 8;
const HIDDEN: &str = "(token)";

/// Hides one token. The default hides none.
#[derive(Clone, Default)]
pub(crate) struct TokenMask {
    /// Lower case.
    digits: String,
}

impl TokenMask {
    /// `token` with or without its `0x`.
    pub(crate) fn new(token: &str) -> Self {
        let digits = token.trim().to_ascii_lowercase();
        TokenMask { digits: digits.strip_prefix("0x").unwrap_or(&digits).to_owned() }
    }

    /// `text` in printable ASCII, at most 200 bytes, with every run of 8 digits or more of the token hidden, in upper or lower case.
    pub(crate) fn show(&self, text: &str) -> String {
        text::foreign(&self.hide(text), LIMIT)
    }

    /// `text` with every run of 8 digits or more of the token hidden, and otherwise unchanged.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut shown = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|character: char| character.is_ascii_hexdigit()) {
            let run = &rest[start..];
            let end = run.find(|character: char| !character.is_ascii_hexdigit()).unwrap_or(run.len());
            shown.push_str(&rest[..start]);
            shown.push_str(if self.reveals(&run[..end]) { HIDDEN } else { &run[..end] });
            rest = &run[end..];
        }
        shown.push_str(rest);
        shown
    }

    fn reveals(&self, run: &str) -> bool {
        let run = run.to_ascii_lowercase();
        let mut windows = (0..=run.len().saturating_sub(WINDOW)).map(|start| run.get(start..start + WINDOW));
        windows.any(|window| window.is_some_and(|window| self.digits.contains(window)))
    }
}

impl fmt::Debug for TokenMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask(..)")
    }
}

#[cfg(test)]
mod tests {
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
}
