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
        text::replace_hex_runs(text, |run| self.reveals(run).then(|| HIDDEN.to_owned()))
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
mod tests;
