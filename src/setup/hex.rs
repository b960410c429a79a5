//! What is wrong with a token or an identifier that was typed. The text itself is not repeated: it may be a secret.

const DIGITS: usize = 64;

/// Why `text` is not `0x` and 64 hex digits. `what` is the thing with its article: "a token".
pub(super) fn wrong_form(what: &str, text: &str) -> String {
    let why = match text.strip_prefix("0x") {
        _ if text.starts_with(['"', '\'', '`']) => "leave out the quotes".to_owned(),
        None => "this does not begin with 0x".to_owned(),
        Some(digits) => match digits.chars().count() {
            DIGITS => "this has another character among them".to_owned(),
            count => format!("this has {count} characters after 0x"),
        },
    };
    format!("{what} is 0x and {DIGITS} hex digits, as Arkreen issued it; {why}")
}
