//! The hash of a machine.

use super::*;

#[test]
fn a_machine_has_one_hash_that_does_not_contain_its_id() {
    let (one, other) = ("0123456789abcdef0123456789abcdef\n", "1123456789abcdef0123456789abcdef\n");
    assert_eq!(mark_of(one), mark_of(one.trim()));
    assert_ne!(mark_of(one), mark_of(other));
    assert!(!mark_of(one).unwrap().contains("0123"));
    for none in ["", "uninitialized\n", "short"] {
        assert_eq!(mark_of(none), None, "{none:?}");
    }
}
