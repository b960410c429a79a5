//! Serial numbers: one meter may give its own in two spellings.

/// Whether both serial numbers are known, and not the same in another spelling: with other spaces, in lower case, or with zeros in front.
pub(super) fn differ(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one != other && spelled(one) != spelled(other),
        _ => false,
    }
}

fn spelled(serial: &str) -> String {
    let letters: String =
        serial.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    letters.trim_start_matches('0').to_owned()
}
