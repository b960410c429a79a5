//! Which machine a ledger belongs to: a cloned disk must not report another box's figures.

/// A mark of this machine, the same after every start; absent where it has no identity (an image that was never started).
///
/// systemd asks that `/etc/machine-id` is not shown to others (machine-id(5)), so the mark is only a CRC32 of it behind a word of our
/// own: two boxes in four thousand million share one, which is rare enough to notice a clone by.
pub fn mark() -> Option<String> {
    mark_of(&std::fs::read_to_string("/etc/machine-id").ok()?)
}

fn mark_of(text: &str) -> Option<String> {
    let id = text.trim();
    let whole = id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    whole.then(|| format!("{:08x}", crc32fast::hash(format!("arkmeter ledger on {id}").as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_known_again_and_not_by_its_identity() {
        let (one, other) = ("0123456789abcdef0123456789abcdef\n", "1123456789abcdef0123456789abcdef\n");
        assert_eq!(mark_of(one), mark_of(one.trim()));
        assert_ne!(mark_of(one), mark_of(other));
        assert!(!mark_of(one).unwrap().contains("0123"));
        for none in ["", "uninitialized\n", "short"] {
            assert_eq!(mark_of(none), None, "{none:?}");
        }
    }
}
