//! Messages about names.

use super::*;
use crate::ledger::testing::name;

#[test]
fn a_rename_is_suspected_only_if_both_sides_have_an_unmatched_name() {
    let [a, b, c] = ["a", "b", "c"].map(name);
    assert_eq!(unmatched(&[&a, &b].into(), &[&a].into()), None, "a new one");
    assert_eq!(unmatched(&[&a].into(), &[&a, &b].into()), None, "one that left");
    let message = unmatched(&[&a, &b].into(), &[&a, &c].into()).unwrap();
    assert!(message.contains("`arkmeter ledger rename c b`"), "{message}");
    let many: Vec<_> = (0..7).map(|index| name(&format!("m{index}"))).collect();
    let message = unmatched(&many.iter().collect(), &[&a].into()).unwrap();
    assert!(message.contains("m4 and 2 more"), "{message}");
}

#[test]
fn a_similar_name_is_suggested_and_another_is_not() {
    let known = ["heat_pump", "sauna"].map(name);
    assert_eq!(nearest(&name("heatpump"), known.iter()), Some(name("heat_pump")));
    assert_eq!(nearest(&name("x"), known.iter()), None);
}
